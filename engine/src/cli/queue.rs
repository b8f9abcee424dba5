//! `hayauma queue`: looks into the journals of a data directory, of a stopped engine or of one that
//! is running, and copies the whole. Changes nothing in it.

mod backup;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::queue_waiting;
use super::table::{self, grouped, plural};
use super::{CliError, Place, print};
use crate::broadcast::slice::SliceRecord;
use crate::broadcast::slice::codec;
use crate::journal::{
    BroadcastNote, Damage, Handed, Held, Position, Progress, Record, RecordKind, Survey,
    read_holder, survey,
};
use crate::smsc::wait_reason::WaitReason;
use wire::terms::ids::{Msn, Reqid};

/// Look at the queue of pushes, and back it up
#[derive(Args, Debug)]
pub struct QueueCommand {
    #[command(subcommand)]
    what: Option<What>,
    /// Print what waits as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Print what waits, by reason, class and age, of a running engine or a stopped one; what no
    /// subcommand does too
    Show {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the journal's segments and how many pushes wait, or all that is recorded of some
    /// pushes
    Inspect(Inspect),
    /// Read every record, check every checksum, and name what is damaged; exits 1 if anything is
    Verify {
        /// The data directory, instead of --data-dir
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Copy a data directory, queue, bill and registry, while an engine runs in it; the copy is
    /// read again and checked
    Backup {
        /// The data directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Where the copy is to be; it must not exist
        #[arg(value_name = "TARGET")]
        target: PathBuf,
    },
}

#[derive(Args, Debug)]
struct Inspect {
    /// The data directory, instead of --data-dir
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// All records of the pushes to this phone number
    #[arg(long, value_parser = parse_msn)]
    msn: Option<Msn>,
    /// Only those with this request id
    #[arg(long, requires = "msn", value_parser = parse_reqid)]
    reqid: Option<Reqid>,
}

impl QueueCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let what = self.what.unwrap_or(What::Show { json: self.json });
        let directory = match &what {
            What::Inspect(Inspect { directory, .. }) | What::Verify { directory } => {
                directory.clone()
            }
            What::Backup { directory, .. } => Some(directory.clone()),
            What::Show { .. } => None,
        };
        let data_directory = || directory.clone().map_or_else(|| self.place.data_dir(), Ok);
        if !matches!(what, What::Show { .. }) {
            // Whole journals are read, mostly beside an engine whose answers wait for the same
            // device.
            host::background::step_back();
        }
        let shards = || journals(&data_directory()?);
        let (text, outcome) = match &what {
            What::Show { json } => {
                return queue_waiting::show(&self.place, shards, *json || self.json);
            }
            What::Inspect(Inspect { msn: Some(msn), reqid, .. }) => {
                (history(&shards()?, *msn, reqid.as_ref())?, Ok(()))
            }
            What::Inspect(_) => (overview(&shards()?)?, Ok(())),
            What::Verify { .. } => verify(&shards()?, &data_directory()?)?,
            What::Backup { directory, target } => {
                shards()?;
                backup::record(&self.place.at(directory), directory, target)?;
                (backup::run(&data_directory()?, target)?, Ok(()))
            }
        };
        print(&text)?;
        outcome
    }
}

/// The shards of a data directory and their journals.
pub(super) fn journals(data_directory: &Path) -> Result<BTreeMap<u16, PathBuf>, CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::new(format!(
            "the data directory {} cannot be read ({error}): name the engine's data directory",
            data_directory.display()
        ))
    };
    let mut shards = BTreeMap::new();
    for entry in std::fs::read_dir(data_directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let journal = path.join("journal");
        if let Some(shard) = name.strip_prefix("shard-").and_then(|digits| digits.parse().ok())
            && journal.is_dir()
        {
            shards.insert(shard, journal);
        }
    }
    if shards.is_empty() {
        return Err(CliError::new(format!(
            "there is no journal in {}: name the engine's data directory",
            data_directory.display()
        )));
    }
    Ok(shards)
}

fn look(
    directory: &Path,
    view: &mut dyn FnMut(Position, u64, Record<'_>),
) -> Result<Survey, CliError> {
    survey(directory, view).map_err(|error| CliError::new(error.to_string()))
}

fn overview(shards: &BTreeMap<u16, PathBuf>) -> Result<String, CliError> {
    let heads =
        ["SHARD", "SEGMENT", "RECORDS", "ACCEPTED", "ENDED", "NOTIFIED", "KEYS", "USED", "OCTETS"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let mut lines = String::new();
    for (shard, directory) in shards {
        let mut pushes = Pushes::default();
        let found = look(directory, &mut |_, _, record| pushes.note(&record))?;
        for segment in &found.segments {
            let count = |kind: RecordKind| grouped(segment.kinds[usize::from(kind.number()) - 1]);
            rows.push(vec![
                shard.to_string(),
                segment.id.to_string(),
                grouped(segment.kinds.iter().sum()),
                count(RecordKind::Accepted),
                count(RecordKind::Ended),
                count(RecordKind::Notified),
                count(RecordKind::Key),
                grouped(segment.used_octets),
                grouped(segment.octets),
            ]);
        }
        let _ = writeln!(
            lines,
            "shard {shard}: {} {} in {} {} and {} {}; {} {} unfinished, {} ended and still held",
            grouped(found.records()),
            plural(found.records(), "record", "records"),
            found.segments.len(),
            plural(found.segments.len() as u64, "segment", "segments"),
            found.spares,
            plural(found.spares, "spare", "spares"),
            grouped(pushes.unfinished()),
            plural(pushes.unfinished(), "push", "pushes"),
            grouped(pushes.held()),
        );
    }
    Ok(table::render(&rows, &[0, 1, 2, 3, 4, 5, 6, 7, 8]) + &lines)
}

fn verify(
    shards: &BTreeMap<u16, PathBuf>,
    data_directory: &Path,
) -> Result<(String, Result<(), CliError>), CliError> {
    let mut text = String::new();
    if let Ok(Some(holder)) = read_holder(data_directory) {
        let _ = writeln!(text, "{holder} is writing: the ends of the journals may look torn",);
    }
    let (mut records, mut segments, mut damaged) = (0, 0, 0);
    for (shard, directory) in shards {
        let found = look(directory, &mut |_, _, _| {})?;
        records += found.records();
        segments += found.segments.len();
        damaged += found.damages.len();
        for damage in &found.damages {
            let _ = writeln!(text, "shard {shard}: damaged: {}", place(damage));
        }
        for gap in &found.gaps {
            let _ = writeln!(
                text,
                "shard {shard}: never synced, so never acknowledged: {}",
                place(gap)
            );
        }
        let sealed: u64 = found.segments.iter().map(|segment| segment.sealed).sum();
        if sealed > 0 {
            let _ = writeln!(
                text,
                "shard {shard}: {sealed} ranges were damaged, reported and sealed earlier"
            );
        }
        if let Some(torn) = &found.torn {
            let _ = writeln!(
                text,
                "shard {shard}: torn end at offset {} of {}",
                torn.offset,
                torn.file.display()
            );
        }
    }
    let _ = writeln!(
        text,
        "{} {} in {segments} {} read and checked",
        grouped(records),
        plural(records, "record", "records"),
        plural(segments as u64, "segment", "segments")
    );
    if damaged == 0 {
        return Ok((text + "no damage\n", Ok(())));
    }
    let sentence = format!(
        "{damaged} damaged ranges are listed above: every other record is intact and will be kept; \
         look after the device, and restore a backup if the missing pushes matter"
    );
    Ok((text, Err(CliError::new(sentence))))
}

fn place(damage: &Damage) -> String {
    format!(
        "{} octets at offset {} of {}, {} records from number {} on (case {})",
        damage.octets,
        damage.offset,
        damage.file.display(),
        damage.records_missing,
        damage.sequence,
        damage.case
    )
}

fn history(
    shards: &BTreeMap<u16, PathBuf>,
    msn: Msn,
    reqid: Option<&Reqid>,
) -> Result<String, CliError> {
    let mut text = String::new();
    for (shard, directory) in shards {
        let mut wanted = BTreeSet::new();
        look(directory, &mut |position, sequence, record| {
            let is_wanted = match &record {
                Record::Accepted(accepted) => {
                    accepted.msn.to_native() == msn.value()
                        && reqid.is_none_or(|reqid| reqid.as_bytes() == accepted.reqid())
                }
                // The end of a push whose acceptance is cleaned away; its request id is gone with
                // it.
                Record::Ended(ended) => ended.msn.to_native() == msn.value() && reqid.is_none(),
                _ => false,
            };
            let Some(push_id) = record.push_id() else { return };
            if is_wanted {
                wanted.insert(push_id);
            }
            if wanted.contains(&push_id) {
                let (segment, offset) = (position.segment().number(), position.offset());
                let _ = write!(
                    text,
                    "shard {shard} push {push_id} record {sequence} at {segment}:{offset}: "
                );
                describe(&record, &mut text);
            }
        })?;
    }
    if text.is_empty() {
        text = format!("nothing is recorded of pushes to {msn}\n");
    }
    Ok(text)
}

/// What a Progress record says of an attempt that may be under way.
fn begun_text(begun: u8) -> &'static str {
    match begun {
        Progress::NOT_BEGUN => "",
        Progress::BEGUN_FOR_GOOD => " attempt begun, and none after it",
        Progress::TAKEN_BACK => " attempt not begun after all",
        _ => " attempt begun",
    }
}

/// One line about a record. Never the text of a message.
fn describe(record: &Record<'_>, text: &mut String) {
    let name = record.kind().name();
    let _ = match record {
        Record::Accepted(accepted) => writeln!(
            text,
            "{name} reqid {} xpid {:011} class {} segments {} accepted {} expires {}",
            String::from_utf8_lossy(accepted.reqid()),
            accepted.xpid.to_native(),
            accepted.class,
            accepted.segments,
            time(accepted.accepted_ms.to_native()),
            time(accepted.expires_ms.to_native()),
        ),
        Record::Progress(progress) => writeln!(
            text,
            "{name} {} attempts {} arrived {:010b} code {:04}{}{}",
            time(progress.at_ms.to_native()),
            progress.attempts.to_native(),
            progress.delivered_mask.to_native(),
            progress.code.to_native(),
            if progress.in_doubt { " in doubt" } else { "" },
            begun_text(progress.begun),
        ),
        Record::Ended(ended) => writeln!(
            text,
            "{name} {} code {:04} delivered {} of {} withdrawn {}",
            time(ended.ended_ms.to_native()),
            ended.code.to_native(),
            ended.delivered,
            ended.segments,
            ended.withdrawn,
        ),
        Record::CancelAccepted(cancel) => writeln!(text, "{name} {}", time(cancel.at_ms())),
        Record::Notified(notified) => writeln!(
            text,
            "{name} {} {} after {} {}",
            time(notified.at_ms.to_native()),
            if notified.outcome == 0 { "acknowledged" } else { "parked" },
            notified.tries.to_native(),
            plural(u64::from(notified.tries.to_native()), "try", "tries"),
        ),
        Record::Key(key) => {
            let (ended, code) = (time(key.ended_ms.to_native()), key.code.to_native());
            writeln!(text, "{name} ended {ended} code {code:04}")
        }
        Record::Held(held) => describe_held(name, &held.to_native(), text),
        Record::Handed(handed) => describe_handed(name, &handed.to_native(), text),
        Record::Broadcast(note) => describe_note(name, &note.to_native(), text),
        Record::Opened(_) | Record::Cleaned(_) => writeln!(text, "{name}"),
    };
}

fn describe_held(name: &str, held: &Held, text: &mut String) -> std::fmt::Result {
    writeln!(
        text,
        "{name} {} {} attempts {} arrived {:010b} code {:04} next {}{}",
        time(held.at_ms),
        WaitReason::from_number(held.reason).map_or("for an unknown reason", WaitReason::name),
        held.attempts,
        held.delivered_mask,
        held.code,
        if held.next_ms == 0 { "at once".to_owned() } else { time(held.next_ms) },
        if held.in_doubt { " in doubt" } else { "" },
    )
}

fn describe_handed(name: &str, handed: &Handed<'_>, text: &mut String) -> std::fmt::Result {
    writeln!(
        text,
        "{name} {} carrier {} took {:010b} failed {:010b} arrived {:010b}",
        time(handed.at_ms),
        handed.carrier,
        handed.taken_mask,
        handed.failed_mask,
        handed.delivered_mask,
    )
}

fn describe_note(name: &str, note: &BroadcastNote<'_>, text: &mut String) -> std::fmt::Result {
    write!(text, "{name} {} number {} ", time(note.at_ms), note.ordinal)?;
    match codec::read(note.octets) {
        Some((SliceRecord::Order(order), _)) => writeln!(text, "order {order:?}"),
        Some((SliceRecord::Stands(life), _)) => writeln!(text, "is {life:?}"),
        Some((SliceRecord::Claimed(pieces), _)) => {
            let rows: u32 = pieces.iter().map(|piece| piece.rows).sum();
            writeln!(text, "claims {rows} rows")
        }
        Some((SliceRecord::Outcomes(entries), _)) => {
            writeln!(text, "outcomes of {} rows", entries.len())
        }
        Some((SliceRecord::Doubts { total }, _)) => writeln!(text, "{total} rows in doubt so far"),
        Some((SliceRecord::Marks(entries), _)) => {
            writeln!(text, "{} rows arrived in part, or may have arrived", entries.len())
        }
        Some((SliceRecord::Handed(entries), _)) => {
            let over = entries.iter().filter(|(_, handing)| handing.is_over).count();
            writeln!(text, "{} rows at carriers, {over} of them whole", entries.len())
        }
        Some((SliceRecord::Rests, _)) => writeln!(text, "rests"),
        None => writeln!(text, "that cannot be read"),
    }
}

/// `YYYY-MM-DD hh:mm:ss` in Japan.
fn time(unix_ms: u64) -> String {
    let at = wire::terms::calendar::jst(unix_ms);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

/// Which pushes were accepted, ended and finished: bits, in blocks where there are any.
#[derive(Default)]
struct Pushes {
    blocks: BTreeMap<u64, [u64; 3]>,
}

impl Pushes {
    fn note(&mut self, record: &Record<'_>) {
        let Some(push_id) = record.push_id() else { return };
        let block = self.blocks.entry(push_id / 64).or_default();
        let bit = 1 << (push_id % 64);
        match record {
            Record::Accepted(_) => block[0] |= bit,
            Record::Notified(_) => block[2] |= bit,
            _ => {}
        }
        if record.key().is_some() {
            block[1] |= bit;
        }
    }

    /// Accepted and not ended.
    fn unfinished(&self) -> u64 {
        self.blocks
            .values()
            .map(|[accepted, ended, _]| u64::from((accepted & !ended).count_ones()))
            .sum()
    }

    /// Ended, their acceptance still there, and nobody told.
    fn held(&self) -> u64 {
        let of_block = |[accepted, ended, notified]: &[u64; 3]| accepted & ended & !notified;
        self.blocks.values().map(|block| u64::from(of_block(block).count_ones())).sum()
    }
}

pub(super) fn parse_msn(text: &str) -> Result<Msn, String> {
    Msn::parse(text.as_bytes())
        .ok_or_else(|| "not a phone number: 11 digits, the first a 0".to_owned())
}

pub(super) fn parse_reqid(text: &str) -> Result<Reqid, String> {
    Reqid::parse(text.as_bytes())
        .ok_or_else(|| "not a request id: 1 to 23 of 0-9 A-Z a-z . _ -".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{
        Accepted, Ended, Journal, JournalConfig, SEGMENT_OCTETS_MIN, SegmentFactory,
    };

    /// A data directory with one push that ended and one that waits, to the msns 09000000001 and
    /// 09000000002.
    fn data() -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let factory = SegmentFactory::start().expect("a thread");
        let budget_octets = 8 * u64::from(SEGMENT_OCTETS_MIN);
        let config = JournalConfig {
            segment_octets: SEGMENT_OCTETS_MIN,
            ..JournalConfig::new(0, budget_octets)
        };
        let journal = directory.path().join("shard-000").join("journal");
        let (mut journal, _) =
            Journal::open(&journal, config, &factory, &mut |_, _, _| {}).expect("it opens");
        let mut ids = Vec::new();
        for number in 1..=2 {
            let reqid = *b"r1.....................";
            let accepted = Accepted {
                push_id: journal.next_sequence(),
                key_fingerprint: number,
                content_digest: 0,
                msn: 9_000_000_000 + number,
                xpid: 100_000_001,
                accepted_ms: 1_800_000_000_000,
                expires_ms: 1_800_003_600_000,
                alert_key_fingerprint: 0,
                alert_fingerprint: 0,
                reqid,
                reqid_length: 2,
                class: 1,
                kind: 1,
                wants_notification: true,
                single_attempt: false,
                segments: 1,
                message_reference: 0,
                concatenation_reference: 0,
                svcinst: 3,
                sender_index: 0,
                alert_sequence: 0,
                door: 0,
                sender: b"CITY",
                alert_id: b"",
                submits: b"secret text",
            };
            ids.push(journal.append_accepted(&accepted).expect("there is room").1);
            journal.commit_blocking().expect("synced");
        }
        let ended = Ended {
            push_id: ids[0],
            key_fingerprint: 1,
            content_digest: 0,
            alert_key_fingerprint: 0,
            msn: 9_000_000_001,
            xpid: 100_000_001,
            accepted_ms: 1_800_000_000_000,
            ended_ms: 1_800_000_001_000,
            code: 6002,
            state: 7,
            class: 1,
            kind: 1,
            segments: 1,
            delivered: 0,
            withdrawn: 0,
            domain: 0,
            tp_status: 0,
            alert_sequence: 0,
            notification_due: true,
            end_number: 1,
        };
        journal.append_ended(&ended).expect("there is room");
        journal.commit_blocking().expect("synced");
        directory
    }

    #[test]
    fn the_overview_counts_what_waits_and_what_ended() {
        let data = data();
        let text = overview(&journals(data.path()).expect("one shard")).expect("readable");
        assert!(text.contains("1 push unfinished, 1 ended and still held"), "{text}");
        assert!(text.starts_with("SHARD"), "{text}");
    }

    #[test]
    fn the_history_of_a_push_names_its_records_and_never_its_text() {
        let data = data();
        let shards = journals(data.path()).expect("one shard");
        let msn = parse_msn("09000000001").expect("a number");
        let text = history(&shards, msn, None).expect("readable");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains("accepted reqid r1 xpid 00100000001"), "{text}");
        assert!(lines[1].contains("ended 2027-01-15 17:00:01 code 6002"), "{text}");
        assert!(!text.contains("secret"));
        let other = parse_reqid("r2").expect("a request id");
        assert!(
            history(&shards, msn, Some(&other))
                .expect("readable")
                .starts_with("nothing is recorded")
        );
    }

    #[test]
    fn verify_is_content_with_an_intact_directory_and_names_damage() {
        use std::os::unix::fs::FileExt;
        let data = data();
        let shards = journals(data.path()).expect("one shard");
        let (text, outcome) = verify(&shards, data.path()).expect("readable");
        assert_eq!(outcome, Ok(()));
        assert!(text.ends_with("no damage\n"), "{text}");
        let segment = data.path().join("shard-000/journal/segment-00000001.log");
        let file = std::fs::OpenOptions::new().write(true).open(segment).expect("it is there");
        // The first push's record stands behind the header page and the record of the opening.
        file.write_all_at(&[0xFF; 4], 4096 + 48 + 60).expect("written");
        let (text, outcome) = verify(&shards, data.path()).expect("readable");
        assert!(text.contains("damaged:") && text.contains("offset 4144"), "{text}");
        assert!(outcome.expect_err("damaged").sentence.contains("1 damaged ranges"));
    }

    #[test]
    fn a_directory_without_journals_is_refused_with_its_name() {
        let empty = tempfile::tempdir().expect("a temporary directory");
        let error = journals(empty.path()).expect_err("nothing there");
        assert!(error.sentence.contains(&empty.path().display().to_string()), "{error}");
    }
}
