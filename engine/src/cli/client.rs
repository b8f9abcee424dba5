//! `hayauma client`: registrations by XPID.

mod rendering;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::place::{Place, RegistryPlace};
use super::secret::named_secret;
use super::table::{grouped, plural};
use super::{CliError, Output};
use crate::control::acts;
use crate::control::admin::ClientRemoval;
use crate::control::carriers::InDoubtSetting;
use crate::control::certificates::digest_of_file;
use crate::control::document::{ClientChange, ClientDocument};
use crate::control::smpp_account::{SmppChange, TextAlphabet};
use crate::gateway::broadcasting::BroadcastRule;
use rendering::{render_list, render_one, warning_of_lost_token, warning_of_open};
use wire::terms::ids::Xpid;

/// Register push clients: who may push, as what, and where notifications go
///
/// A running engine works by a change at once.
#[derive(Subcommand, Debug)]
pub(super) enum ClientCommand {
    /// Register an XPID
    Add(ChangeCommand),
    /// Change the fields that are named and keep the rest
    Set(ChangeCommand),
    /// Show one registration
    Show(ShowCommand),
    /// List all registrations
    List(ListCommand),
    /// Remove a registration
    Remove(RemoveCommand),
}

#[derive(Args, Debug)]
pub(super) struct ChangeCommand {
    /// The XPID: 11 digits
    #[arg(value_parser = parse_xpid)]
    xpid: Xpid,
    #[command(flatten)]
    fields: Fields,
    /// Print the registration as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct ShowCommand {
    /// The XPID: 11 digits
    #[arg(value_parser = parse_xpid)]
    xpid: Xpid,
    /// Print the registration as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct ListCommand {
    /// Print the registrations as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct RemoveCommand {
    /// The XPID: 11 digits
    #[arg(value_parser = parse_xpid)]
    xpid: Xpid,
    /// Remove its contracts too
    #[arg(long)]
    with_contracts: bool,
    #[command(flatten)]
    place: Place,
}

/// Octets of a file of secrets.
const SECRETS_OCTETS_MAX: u64 = 4096;

/// What can be said about a registration. Each pair of flags that undo each other excludes the
/// other.
#[derive(Args, Debug, Default)]
struct Fields {
    /// Name of the push client; the XPIDs of one name share its tokens
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// File whose first line is the bearer token that requests must bring, or `-` for standard
    /// input; it takes the place of those there are, and only its digest is kept
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token_env", "no_token"])]
    token_file: Option<PathBuf>,
    /// Variable of the environment that holds that token
    #[arg(long, value_name = "VARIABLE", conflicts_with = "no_token")]
    token_env: Option<String>,
    /// File whose first line is the token that is to follow the one there is: both count until that
    /// is retired
    #[arg(long, value_name = "FILE", conflicts_with_all = ["next_token_env", "no_token"])]
    next_token_file: Option<PathBuf>,
    /// Variable of the environment that holds that token
    #[arg(long, value_name = "VARIABLE", conflicts_with = "no_token")]
    next_token_env: Option<String>,
    /// Take the older of two tokens away
    #[arg(long, conflicts_with = "no_token")]
    retire_token: bool,
    /// Ask for no token
    #[arg(long)]
    no_token: bool,
    /// Network that pushes may come from, such as 192.0.2.0/24, in place of those before; may be
    /// repeated
    #[arg(long = "network", value_name = "CIDR", conflicts_with = "any_network")]
    networks: Option<Vec<String>>,
    /// Let pushes come from anywhere
    #[arg(long)]
    any_network: bool,
    /// File whose first certificate (PEM) pushes have to come with, over TLS; may be given twice,
    /// for the one in use and the one that is to follow it
    #[arg(long = "certificate", value_name = "FILE", conflicts_with = "no_certificate")]
    certificates: Vec<PathBuf>,
    /// The same by its SHA-256, as `openssl x509 -noout -fingerprint -sha256` prints it
    #[arg(long = "certificate-sha256", value_name = "DIGITS", conflicts_with = "no_certificate")]
    certificate_digests: Vec<String>,
    /// Ask for no certificate
    #[arg(long)]
    no_certificate: bool,
    /// Class allowed beside standard: urgent, emergency, exercise; may be repeated
    #[arg(long = "class", value_name = "CLASS")]
    classes: Option<Vec<String>>,
    /// Kind allowed: control, text; may be repeated [default: both]
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Option<Vec<String>>,
    /// Originating address allowed; may be repeated, the first is the default
    #[arg(long = "sender", value_name = "ADDRESS")]
    senders: Option<Vec<String>>,
    /// Service instruction values: five digits for suspended, spam, limit, CS and roaming [default:
    /// 00011]
    #[arg(long, value_name = "DIGITS")]
    svcinst: Option<String>,
    /// Send a long push in segments [default]
    #[arg(long, conflicts_with = "no_segmentation")]
    segmentation: bool,
    /// Refuse a push that needs segments
    #[arg(long)]
    no_segmentation: bool,
    /// Where notifications go, https://HOST:PORT/PATH or http://…
    #[arg(long, value_name = "URL")]
    notify_url: Option<String>,
    /// Send no notifications anywhere
    #[arg(long, conflicts_with = "notify_url")]
    no_notify_url: bool,
    /// File whose lines, one or two, are the secrets that notifications are signed under, or `-`
    /// for standard input: two while one takes the other's place. Never shown again
    #[arg(long, value_name = "FILE")]
    notify_secret_file: Option<PathBuf>,
    /// Sign no notification
    #[arg(long, conflicts_with = "notify_secret_file")]
    no_notify_secret: bool,
    /// Notify pushes that do not say whether they want it [default]
    #[arg(long, conflicts_with = "no_notify")]
    notify: bool,
    /// Notify only pushes that ask for it
    #[arg(long)]
    no_notify: bool,
    /// Connections per shard for notifications
    #[arg(long, value_name = "N")]
    notify_connections: Option<u16>,
    /// Notifications sent ahead on one connection without waiting for the answer
    #[arg(long, value_name = "N")]
    notify_depth: Option<u16>,
    /// Pushes per second, 0 for no limit
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Pushes per day (JST), 0 for no limit
    #[arg(long, value_name = "N")]
    volume: Option<u64>,
    /// Recipients of its broadcasts per second, of all of them together, 0 for no limit. They do
    /// not count against --rate
    #[arg(long, value_name = "N")]
    broadcast_rate: Option<u32>,
    /// First day of the term, YYYY-MM-DD (JST), or `open`
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Last day of the term, or `open`
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// Refuse all pushes of this XPID
    #[arg(long, conflicts_with = "resumed")]
    suspended: bool,
    /// Take pushes again
    #[arg(long)]
    resumed: bool,
    /// Let text use the national language tables
    #[arg(long, conflicts_with = "no_national")]
    national: bool,
    /// Keep text to the default alphabet and UCS-2 [default]
    #[arg(long)]
    no_national: bool,
    /// Whether the state of a phone's line has to be known: pushes to phones that a carrier reaches
    /// are refused (2006) [default: false]
    #[arg(long, value_name = "BOOL")]
    line_state: Option<bool>,
    /// What becomes of an SMS that a carrier was sent and did not answer: sent again after a while,
    /// so that it may arrive twice, or never, so that its push ends as 6008 [default: resend]
    #[arg(long, value_name = "WORD")]
    in_doubt: Option<InDoubtSetting>,
    /// Whether it may send broadcasts, and who has to agree to one: `no` sends none; `class` takes
    /// another person for an emergency and for what goes everywhere; `two` takes one for each,
    /// `one` somebody who may have written it, `none` nobody [default: no]
    #[arg(long, value_name = "WORD", value_parser = BroadcastRule::parse)]
    broadcasts: Option<BroadcastRule>,
    /// What a short message costs it, in yen with two decimals at most: dry runs of broadcasts tell
    /// the sum. Empty takes it away
    #[arg(long, value_name = "YEN")]
    segment_price: Option<String>,
    #[command(flatten)]
    smpp: SmppFields,
}

/// What can be said about a registration's account of SMPP.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "SMPP")]
struct SmppFields {
    /// Name by which the customer binds, 1 to 15 characters
    #[arg(long, value_name = "ID")]
    system_id: Option<String>,
    /// Take the account away: the customer binds no more
    #[arg(long, conflicts_with = "system_id")]
    no_smpp: bool,
    /// File whose lines, one or two, are the passwords that a bind may bring, 1 to 8 characters
    /// each, or `-` for standard input: two while one takes the other's place. Only their digests
    /// are kept
    #[arg(long, value_name = "FILE")]
    smpp_password_file: Option<PathBuf>,
    /// How it may bind: transmitter, receiver, transceiver; may be repeated [default: all]
    #[arg(long = "bind-type", value_name = "TYPE")]
    bind_types: Option<Vec<String>>,
    /// Sessions at a time, 1 to 64 [default: 4]
    #[arg(long, value_name = "N")]
    binds_max: Option<u8>,
    /// Requests of a session that may wait for their answers, 1 to 2048 [default: 50]
    #[arg(long, value_name = "N")]
    smpp_window: Option<u16>,
    /// What text of data_coding 0 is in [default: gsm]
    #[arg(long, value_name = "ALPHABET")]
    smpp_alphabet: Option<TextAlphabet>,
    /// Zone of the dates in receipts, minutes east of universal time [default: 540]
    #[arg(long, value_name = "MINUTES", allow_hyphen_values = true)]
    receipt_zone: Option<i16>,
    /// Whether receipts repeat the first twenty characters of the text [default: false]
    #[arg(long, value_name = "BOOL")]
    receipt_text: Option<bool>,
    /// Let it bind from anywhere, though the registration names no network
    #[arg(long, conflicts_with = "smpp_from_networks")]
    smpp_from_anywhere: bool,
    /// Let it bind from the registration's networks alone [default]
    #[arg(long)]
    smpp_from_networks: bool,
}

impl SmppFields {
    fn change(&self) -> Result<Option<SmppChange>, CliError> {
        let passwords = match &self.smpp_password_file {
            Some(path) => Some(read_lines("password of SMPP", path)?),
            None => None,
        };
        let change = SmppChange {
            system_id: if self.no_smpp { Some(String::new()) } else { self.system_id.clone() },
            passwords,
            bind_types: self.bind_types.clone(),
            binds_max: self.binds_max,
            window: self.smpp_window,
            alphabet: self.smpp_alphabet,
            zone_minutes: self.receipt_zone,
            receipt_text: self.receipt_text,
            from_anywhere: switched(self.smpp_from_anywhere, self.smpp_from_networks),
        };
        Ok((change != SmppChange::default()).then_some(change))
    }
}

impl ClientCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        match self {
            Self::Add(command) => command.add(output),
            Self::Set(command) => command.set(output),
            Self::Show(command) => command.run(output),
            Self::List(command) => command.run(output),
            Self::Remove(command) => command.run(output),
        }
    }
}

impl ChangeCommand {
    fn add(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let change = ClientChange { xpid: Some(self.xpid.to_string()), ..self.fields.change()? };
        // Refused here as it would be there, before anything is opened or asked.
        let registration = change.create(self.xpid)?;
        let document = match self.place.registry_to_make()? {
            RegistryPlace::Running(engine) => engine.post("/clients", &change)?,
            RegistryPlace::Stopped(mut store) => {
                let act = acts::client_added(&registration);
                store.act(&act, |store| Ok(store.add_registration(&registration)?))?;
                ClientDocument::of(&registration)
            }
        };
        show(&document, self.json, output)
    }

    fn set(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let change = self.fields.change()?;
        if change == ClientChange::default() {
            return Err(CliError::new(
                "nothing to change was named: see `hayauma client set --help`",
            ));
        }
        let document = match self.place.registry_to_change()? {
            RegistryPlace::Running(engine) => {
                engine.patch(&format!("/clients/{}", self.xpid), &change)?
            }
            RegistryPlace::Stopped(mut store) => {
                let before = store.registration(self.xpid)?;
                let mut registration = before.clone();
                change.apply(&mut registration)?;
                let act = acts::client_changed(&before, &registration);
                store
                    .act(&act, |store| Ok(store.put_registration(Some(&before), &registration)?))?;
                ClientDocument::of_change(&before, &registration, &store.registrations()?)
            }
        };
        show(&document, self.json, output)?;
        if let Some(warning) = warning_of_lost_token(&document) {
            output.note(&warning);
        }
        Ok(())
    }
}

impl ShowCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let document = match self.place.registry_to_read()? {
            RegistryPlace::Running(engine) => engine.get(&format!("/clients/{}", self.xpid))?,
            RegistryPlace::Stopped(store) => ClientDocument::of(&store.registration(self.xpid)?),
        };
        show(&document, self.json, output)
    }
}

impl ListCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let documents: Vec<ClientDocument> = match self.place.registry_to_read()? {
            RegistryPlace::Running(engine) => engine.get("/clients")?,
            RegistryPlace::Stopped(store) => {
                store.registrations()?.iter().map(ClientDocument::of).collect()
            }
        };
        if self.json {
            return output.print_json(&documents);
        }
        output.print(&render_list(&documents))?;
        if let Some(warning) = warning_of_open(&documents) {
            output.note(&warning);
        }
        Ok(())
    }
}

impl RemoveCommand {
    fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let contracts = match self.place.registry_to_change()? {
            RegistryPlace::Running(engine) => {
                let path = format!("/clients/{}?contracts={}", self.xpid, self.with_contracts);
                engine.delete::<ClientRemoval>(&path)?.contracts
            }
            RegistryPlace::Stopped(mut store) => {
                let before = store.registration(self.xpid)?;
                let act = acts::client_removed(&before, self.with_contracts);
                let removed = store.act(&act, |store| {
                    Ok(store.remove_registration(self.xpid, self.with_contracts)?)
                })?;
                removed.len()
            }
        };
        output.print(&format!(
            "removed XPID {} and {} {}\n",
            self.xpid,
            grouped(contracts as u64),
            plural(contracts as u64, "contract", "contracts")
        ))
    }
}

impl Fields {
    fn change(&self) -> Result<ClientChange, CliError> {
        let cleared = |flag: bool, value: &Option<String>| {
            if flag { Some(String::new()) } else { value.clone() }
        };
        let token = named_secret("token", self.token_file.as_deref(), self.token_env.as_deref())?;
        let next_token =
            named_secret("token", self.next_token_file.as_deref(), self.next_token_env.as_deref())?;
        Ok(ClientChange {
            xpid: None,
            client: self.client.clone(),
            token: cleared(self.no_token, &token),
            next_token,
            retire_token: self.retire_token.then_some(true),
            networks: if self.any_network { Some(Vec::new()) } else { self.networks.clone() },
            certificates: self.certificates()?,
            suspended: switched(self.suspended, self.resumed),
            from: cleared(self.from.as_deref() == Some("open"), &self.from),
            until: cleared(self.until.as_deref() == Some("open"), &self.until),
            classes: self.classes.clone(),
            kinds: self.kinds.clone(),
            senders: self.senders.clone(),
            segmentation: switched(self.segmentation, self.no_segmentation),
            svcinst: self.svcinst.clone(),
            notify: switched(self.notify, self.no_notify),
            notify_url: cleared(self.no_notify_url, &self.notify_url),
            notify_secrets: match &self.notify_secret_file {
                Some(path) => Some(read_lines("notification secret", path)?),
                None => self.no_notify_secret.then(Vec::new),
            },
            notify_connections: self.notify_connections,
            notify_depth: self.notify_depth,
            rate_per_second: self.rate,
            volume_per_day: self.volume,
            broadcast_rate: self.broadcast_rate,
            national_tables: switched(self.national, self.no_national),
            line_state: self.line_state,
            in_doubt: self.in_doubt,
            broadcasts: self.broadcasts,
            segment_price: self.segment_price.clone(),
            smpp: self.smpp.change()?,
        })
    }
}

impl Fields {
    /// The SHA-256s of the certificates that are named; `None` where nothing is said of them.
    fn certificates(&self) -> Result<Option<Vec<String>>, CliError> {
        let mut digests = self.certificate_digests.clone();
        for path in &self.certificates {
            digests.push(digest_of_file(path)?.to_string());
        }
        Ok((self.no_certificate || !digests.is_empty()).then_some(digests))
    }
}

/// The lines of a file, or of standard input for `-`, that are not empty: secrets, as `what` says.
fn read_lines(what: &str, path: &Path) -> Result<Vec<String>, CliError> {
    let path = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
    let shown = path.display();
    let text = host::reading::read_bounded(path, SECRETS_OCTETS_MAX).map_err(|error| {
        CliError::new(format!(
            "the {what}s cannot be read from {shown} ({error}): name a file that holds them"
        ))
    })?;
    let secrets: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if secrets.is_empty() {
        return Err(CliError::new(format!(
            "{shown} holds no {what}: write one into its first line"
        )));
    }
    Ok(secrets)
}

/// A pair of flags, of which at most one is there.
fn switched(on: bool, off: bool) -> Option<bool> {
    (on || off).then_some(on)
}

pub(super) fn parse_xpid(text: &str) -> Result<Xpid, String> {
    Xpid::parse(text.as_bytes()).ok_or_else(|| "an XPID has 11 digits".to_owned())
}

fn show(document: &ClientDocument, json: bool, output: &mut Output<'_>) -> Result<(), CliError> {
    if json { output.print_json(document) } else { output.print(&render_one(document)) }
}
