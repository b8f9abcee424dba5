//! What is done with broadcasts in a running engine: the admin door's requests as commands.

use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::broadcast::limits::MANIFEST_OCTETS_MAX;
use crate::broadcast::manifest::Manifest;
use crate::control::broadcasts::{
    ApprovalWanted, BroadcastDocument, CancelWanted, FollowerWanted, PaceWanted, ProgressDocument,
    RecipientDocument, Retract, StartWanted, UpdateWanted, WaveWanted,
};
use wire::json;

use super::admin_client::AdminClient;
use super::broadcast_texts::{
    text_of, text_of_cancel, text_of_check, text_of_recipient, text_of_start,
};
use super::{CliError, Output, Place};

/// The argument that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// What to do with a broadcast of a running engine.
#[derive(Clone, Debug, clap::Subcommand)]
pub(super) enum DeskCommand {
    /// Write a draft from a manifest, and print its identifier.
    Create {
        /// The manifest, in JSON. `-`: from standard input.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Take a manifest and its recipients in, check them and start, in one request: where the
    /// registration asks nobody to agree.
    Send {
        /// The manifest, in JSON, whose legs call the list `upload`.
        manifest: PathBuf,
        /// The recipients' file, as for `list check`.
        list: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Change a draft: its dry run and its approvals are outdated then.
    Change {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// The manifest, in JSON. `-`: from standard input.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Agree to a dry run that somebody else's draft had.
    Approve {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// The dry run's digest.
        digest: String,
        #[command(flatten)]
        place: Place,
    },
    /// Make a draft of it again.
    Reject {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// The dry run's digest.
        digest: String,
        #[command(flatten)]
        place: Place,
    },
    /// Start it, by what the dry run found.
    Start {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// The dry run's digest.
        #[arg(long)]
        digest: String,
        /// How many recipients it found.
        #[arg(long)]
        recipients: u64,
        #[command(flatten)]
        place: Place,
    },
    /// Attempt nothing more for now.
    Pause {
        /// The identifier, `bc-…`.
        broadcast: String,
        #[command(flatten)]
        place: Place,
    },
    /// Go on.
    Resume {
        /// The identifier, `bc-…`.
        broadcast: String,
        #[command(flatten)]
        place: Place,
    },
    /// Stop it: nothing is attempted for the first time after the answer.
    Cancel {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// Why, for the audit.
        #[arg(long, default_value = "")]
        reason: String,
        /// Send the retraction that its manifest has ready, to whoever may have the text.
        #[arg(long)]
        retract: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Make it slower or faster while it runs.
    Pace {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// Rows a second; 0: as the network takes them.
        #[arg(long, required_unless_present_any = ["weight", "deadline"])]
        per_second: Option<u32>,
        /// Its share beside other broadcasts of its class, 1 to 1000.
        #[arg(long)]
        weight: Option<u16>,
        /// No attempt from then on, as 2026-11-28T19:00:00+09:00; a later one than it has takes an
        /// approver.
        #[arg(long, value_name = "TIME")]
        deadline: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Begin a wave, whatever it waits for; those before it have begun.
    Wave {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// Which wave, from 1.
        wave: u8,
        #[command(flatten)]
        place: Place,
    },
    /// Write a draft that takes it back, to those who have it or may have it.
    Retract {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// JSON with `reqid` and perhaps `texts` and `lifetime`; the texts are those of the
        /// template's retraction, if not given. `-`: from standard input.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Write a draft of its chain's next text, to the same audience or another.
    Update {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// JSON with `reqid`, `texts` or `legs`, and what else of the manifest is another. `-`:
        /// from standard input.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Show what became of one recipient.
    Recipient {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// The number.
        msn: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Withdraw one recipient: nothing of it begins after the answer.
    Withdraw {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// The number.
        msn: String,
        #[command(flatten)]
        place: Place,
    },
    /// Show where broadcasts stand.
    Status {
        /// One of them.
        broadcast: Option<String>,
        /// Print JSON, with manifests.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Print what became of each recipient.
    Results {
        /// The identifier, `bc-…`.
        broadcast: String,
        /// Only those with this outcome, such as delivered, failed, in_doubt.
        #[arg(long)]
        outcome: Option<String>,
        /// Only those of this area.
        #[arg(long)]
        area: Option<String>,
        /// Only those who were not reached.
        #[arg(long)]
        unreached: bool,
        /// Print a line of JSON for each.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// The engine that holds the data directory.
pub(super) fn running(place: &Place) -> Result<AdminClient, CliError> {
    place.running_engine()?.ok_or_else(|| {
        CliError::new("no engine holds the data directory: start it with serve, then ask again")
    })
}

/// Makes the dry run of a draft.
pub(super) fn check(
    broadcast: &str,
    place: &Place,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let checked: BroadcastDocument =
        running(place)?.post(&format!("/broadcasts/{broadcast}/check"), &Nothing {})?;
    if json { output.print_json(&checked) } else { output.print(&text_of_check(&checked)) }
}

/// A body that says nothing.
#[derive(serde::Serialize)]
pub(super) struct Nothing {}

/// Does it.
pub(super) fn run(command: &DeskCommand, output: &mut Output<'_>) -> Result<(), CliError> {
    match command {
        DeskCommand::Create { file, place } => {
            let manifest = manifest(file)?;
            let made: BroadcastDocument = running(place)?.post("/broadcasts", &manifest)?;
            output.print(&format!("{}\n", made.broadcast))
        }
        DeskCommand::Send { manifest, list, place } => send((manifest, list), place, output),
        DeskCommand::Change { broadcast, file, place } => {
            let manifest = manifest(file)?;
            let path = format!("/broadcasts/{broadcast}");
            let changed: BroadcastDocument = running(place)?.put(&path, &manifest)?;
            output.print(&format!("{} is a draft\n", changed.broadcast))
        }
        DeskCommand::Approve { broadcast, digest, place } => {
            agree(("approve", broadcast), digest, place, output)
        }
        DeskCommand::Reject { broadcast, digest, place } => {
            agree(("reject", broadcast), digest, place, output)
        }
        DeskCommand::Start { broadcast, digest, recipients, place } => {
            let wanted = StartWanted { digest: digest.clone(), recipients: *recipients };
            let path = format!("/broadcasts/{broadcast}/start");
            let started: BroadcastDocument = running(place)?.post(&path, &wanted)?;
            output.print(&text_of_start(&started))
        }
        DeskCommand::Pause { broadcast, place } => {
            order("pause", broadcast, &Nothing {}, place, output)
        }
        DeskCommand::Resume { broadcast, place } => {
            order("resume", broadcast, &Nothing {}, place, output)
        }
        DeskCommand::Cancel { broadcast, reason, retract, place } => {
            let retract = if *retract { Retract::Yes } else { Retract::No };
            cancel(broadcast, &CancelWanted { reason: reason.clone(), retract }, place, output)
        }
        DeskCommand::Pace { broadcast, per_second, weight, deadline, place } => {
            let (per_second, weight, deadline) = (*per_second, *weight, deadline.clone());
            set_pace(broadcast, &PaceWanted { per_second, weight, deadline }, place, output)
        }
        DeskCommand::Wave { broadcast, wave, place } => {
            order("wave", broadcast, &WaveWanted { wave: *wave }, place, output)
        }
        DeskCommand::Retract { broadcast, file, place } => {
            follow::<FollowerWanted>(("retract", broadcast), file, place, output)
        }
        DeskCommand::Update { broadcast, file, place } => {
            follow::<UpdateWanted>(("update", broadcast), file, place, output)
        }
        DeskCommand::Recipient { broadcast, msn, json, place } => {
            recipient((broadcast, msn), *json, place, output)
        }
        DeskCommand::Withdraw { broadcast, msn, place } => {
            withdraw((broadcast, msn), place, output)
        }
        DeskCommand::Status { broadcast, json, place } => {
            status(broadcast.as_deref(), *json, place, output)
        }
        DeskCommand::Results { broadcast, outcome, area, unreached, json, place } => {
            let only = [("outcome", outcome), ("area", area)];
            results(broadcast, only, (*unreached, *json), place, output)
        }
    }
}

fn results(
    broadcast: &str,
    only: [(&str, &Option<String>); 2],
    (unreached, json): (bool, bool),
    place: &Place,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let mut path = format!("/broadcasts/{broadcast}/results?unreached={unreached}");
    path += if json { "&format=ndjson" } else { "&format=csv" };
    for (name, value) in only {
        path += &value.as_ref().map_or_else(String::new, |value| format!("&{name}={value}"));
    }
    let mut take = |octets: &[u8]| output.print(&String::from_utf8_lossy(octets));
    running(place)?.get_table(&path, &mut take)
}

/// The octets of a file, one more than a manifest may have at most.
pub(super) fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let bound = MANIFEST_OCTETS_MAX as u64 + 1;
    match file.to_str() {
        Some(STANDARD_INPUT) => std::io::stdin().lock().take(bound).read_to_end(&mut octets)?,
        _ => File::open(file)?.take(bound).read_to_end(&mut octets)?,
    };
    Ok(octets)
}

/// A file as sentences name it.
fn name_of(file: &Path) -> String {
    match file.to_str() {
        Some(STANDARD_INPUT) => "standard input".to_owned(),
        _ => file.display().to_string(),
    }
}

/// What a file of JSON says.
pub(super) fn document<T: DeserializeOwned>(file: &Path) -> Result<T, CliError> {
    let name = name_of(file);
    let mut octets =
        read(file).map_err(|error| CliError::new(format!("{name} cannot be read: {error}")))?;
    json::read_exact(&mut octets).map_err(|error| {
        CliError::new(format!("{name} is not what is wanted here: {error}; correct it"))
    })
}

/// What a manifest's file says, looked at as `broadcast check` does before the engine sees it.
fn manifest(file: &Path) -> Result<Manifest, CliError> {
    let name = name_of(file);
    let octets =
        read(file).map_err(|error| CliError::new(format!("{name} cannot be read: {error}")))?;
    Manifest::read(&octets).map_err(|error| CliError::new(format!("{name}: {error}")))
}

fn send(
    (manifest, list): (&Path, &Path),
    place: &Place,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let unreadable = |file: &Path, error: &std::io::Error| {
        CliError::new(format!("{} cannot be read: {error}", file.display()))
    };
    let octets = read(manifest).map_err(|error| unreadable(manifest, &error))?;
    let file = File::open(list).map_err(|error| unreadable(list, &error))?;
    let chance = std::hash::RandomState::new().hash_one(host::clock::monotonic_ns());
    let boundary = format!("hayauma-{chance:016x}");
    let head = |name: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n")
    };
    let front = [head("manifest").as_bytes(), &octets, b"\r\n", head("list").as_bytes()].concat();
    let end = format!("\r\n--{boundary}--\r\n");
    let mut parts = front.chain(file).chain(end.as_bytes());
    let sent: BroadcastDocument =
        running(place)?.send_parts("/broadcasts?start=yes", &boundary, &mut parts)?;
    output.print(&text_of_start(&sent))
}

fn set_pace(
    broadcast: &str,
    wanted: &PaceWanted,
    place: &Place,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let path = format!("/broadcasts/{broadcast}/pace");
    let progress: ProgressDocument = running(place)?.patch(&path, wanted)?;
    output.print(&text_of(&progress))
}

fn withdraw(
    (broadcast, msn): (&str, &str),
    place: &Place,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let path = format!("/broadcasts/{broadcast}/recipients/{msn}");
    let found: RecipientDocument = running(place)?.delete(&path)?;
    output.print(&text_of_recipient(&found))
}

fn recipient(
    (broadcast, msn): (&str, &str),
    json: bool,
    place: &Place,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let path = format!("/broadcasts/{broadcast}/recipients/{msn}");
    let found: RecipientDocument = running(place)?.get(&path)?;
    if json { output.print_json(&found) } else { output.print(&text_of_recipient(&found)) }
}

fn agree(
    (verb, broadcast): (&str, &str),
    digest: &str,
    place: &Place,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let wanted = ApprovalWanted { digest: digest.to_owned() };
    let path = format!("/broadcasts/{broadcast}/{verb}");
    let document: BroadcastDocument = running(place)?.post(&path, &wanted)?;
    let stage = format!("{:?}", document.stage).to_lowercase();
    output.print(&format!("{} is {stage}\n", document.broadcast))
}

fn order(
    verb: &str,
    broadcast: &str,
    body: &impl serde::Serialize,
    place: &Place,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let path = format!("/broadcasts/{broadcast}/{verb}");
    let progress: ProgressDocument = running(place)?.post(&path, body)?;
    output.print(&text_of(&progress))
}

fn cancel(
    broadcast: &str,
    wanted: &CancelWanted,
    place: &Place,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let path = format!("/broadcasts/{broadcast}/cancel");
    let progress: ProgressDocument = running(place)?.post(&path, wanted)?;
    output.print(&text_of_cancel(&progress, wanted.retract))
}

fn follow<T: serde::Serialize + DeserializeOwned>(
    (verb, broadcast): (&str, &str),
    file: &Path,
    place: &Place,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let wanted: T = document(file)?;
    let path = format!("/broadcasts/{broadcast}/{verb}");
    let made: BroadcastDocument = running(place)?.post(&path, &wanted)?;
    output.print(&format!("{}\n", made.broadcast))
}

fn status(
    broadcast: Option<&str>,
    json: bool,
    place: &Place,
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    let engine = running(place)?;
    let all: Vec<ProgressDocument> = match broadcast {
        Some(broadcast) => vec![engine.get(&format!("/broadcasts/{broadcast}"))?],
        None => engine.get("/broadcasts")?,
    };
    match (json, broadcast) {
        (true, Some(_)) => output.print_json(&all[0]),
        (true, None) => output.print_json(&all),
        (false, _) => all.iter().try_for_each(|progress| output.print(&text_of(progress))),
    }
}
