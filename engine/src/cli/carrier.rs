//! `hayauma carrier`: accounts at the SMSCs of others, and which pushes go by them. Where an engine
//! runs it makes the change at once.

mod import;
mod settings;
mod tables;
mod talk;
mod trial;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use wire::smpp::coding::Alphabet;
use wire::terms::ids::{Class, Msn, Xpid};

use super::place::{Place, RegistryPlace};
use super::secret::named_secret;
use super::{CliError, Output};
use crate::control::carrier_orders::{
    CarrierOrder, CarrierReply, CarriersDocument, OrderError, RouteCarrier, RouteDocument, RouteKey,
};
use crate::control::carrier_tls::CarrierTlsSettings;
use crate::control::carriers::{
    AlphabetSetting, BindSetting, CarrierChange, DestinationSetting, IdsSetting, InDoubtSetting,
    LongSetting, ValiditySetting,
};
use crate::network::routes::{CORE_NETWORK, Routes};
use import::ImportCommand;
use tables::{list, list_routes, show, shown};
use trial::TestCommand;

/// Set up carriers: accounts at SMSCs of others that pushes are submitted to by SMPP
///
/// A running engine works by a change at once.
#[derive(Subcommand, Debug)]
pub(super) enum CarrierCommand {
    /// Add a carrier
    Add(Box<ChangeCommand>),
    /// Change the settings that are named and keep the rest
    Set(Box<ChangeCommand>),
    /// List all carriers; passwords are not shown
    List(ListCommand),
    /// Show a carrier's settings, and what a running engine says of it
    Show(ShowCommand),
    /// Hand a carrier no more pushes; what it has is awaited, and backups take over
    Pause(NamedCommand),
    /// Hand a carrier pushes again
    Resume(NamedCommand),
    /// Bind to a carrier beside a running engine, ask whether it is there, and send one SMS if that
    /// is wanted: a sentence for each step
    Test(TestCommand),
    /// Add or change carriers and routes from a file
    Import(ImportCommand),
    /// Bind a carrier's sessions anew, each when its last answers are there
    Rebind(NamedCommand),
    /// Remove a carrier by which no push goes
    Remove(RemoveCommand),
    /// Say which pushes go by which carriers
    #[command(subcommand)]
    Route(RouteCommand),
}

/// What to do with routes.
#[derive(Subcommand, Debug)]
pub(super) enum RouteCommand {
    /// Send pushes to msns that begin so by carriers, instead of the simulated core network
    ///
    /// The state of the line is the carrier's to know: no HLR is asked, and svcinst does not count.
    Add(RouteAddCommand),
    /// List all routes
    List(ListCommand),
    /// Remove a route
    Remove(RouteRemoveCommand),
    /// Say where a push would go
    Check(RouteCheckCommand),
}

#[derive(Args, Debug)]
pub(super) struct ChangeCommand {
    /// The carrier's name: letters, digits, - and _
    name: String,
    /// Where it is: HOST:PORT; may be repeated, the hosts are tried in turn
    #[arg(long = "host", value_name = "HOST:PORT")]
    hosts: Option<Vec<String>>,
    /// Who we are there
    #[arg(long, value_name = "ID")]
    system_id: Option<String>,
    /// File whose first line is our password, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Environment variable that holds our password
    #[arg(long, value_name = "VARIABLE", conflicts_with = "password_file")]
    password_env: Option<String>,
    /// What kind of system we are
    #[arg(long, value_name = "TYPE")]
    system_type: Option<String>,
    /// Sessions bound at a time [default: 1]
    #[arg(long, value_name = "N")]
    sessions: Option<u16>,
    /// As what each is bound: a transceiver, or a transmitter and a receiver [default: transceiver]
    #[arg(long, value_name = "FORM")]
    bind: Option<BindSetting>,
    /// SMS outstanding on each [default: 10]
    #[arg(long, value_name = "N")]
    window: Option<u16>,
    /// SMS a second of all sessions together, 0 for no limit [default: 0]
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// How it writes ids in its answers [default: text]
    #[arg(long, value_name = "FORM")]
    response_ids: Option<IdsSetting>,
    /// How it writes ids in its receipts [default: text]
    #[arg(long, value_name = "FORM")]
    receipt_ids: Option<IdsSetting>,
    /// Country code of msns [default: 81]
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// How it wants destinations [default: international]
    #[arg(long, value_name = "FORM")]
    destination: Option<DestinationSetting>,
    /// How it is told when an SMS expires [default: absolute]
    #[arg(long, value_name = "FORM")]
    validity: Option<ValiditySetting>,
    /// Whether it sends receipts; where not, what it takes counts as delivered [default: true]
    #[arg(long, value_name = "BOOL")]
    receipts: Option<bool>,
    /// Whether it is told of urgent and emergency pushes [default: true]
    #[arg(long, value_name = "BOOL")]
    priority: Option<bool>,
    /// What its default alphabet is, in which it takes text [default: gsm]
    #[arg(long, value_name = "ALPHABET")]
    alphabet: Option<AlphabetSetting>,
    /// How it takes a push of several segments [default: udh]
    #[arg(long, value_name = "FORM")]
    long: Option<LongSetting>,
    /// data_coding of octets that are no text, 2 or 4 [default: 4]
    #[arg(long, value_name = "N")]
    binary: Option<u8>,
    /// Its own data_coding for a TP-DCS, both hexadecimal, such as 00=01; may be repeated, and
    /// takes the place of all that were set
    #[arg(long = "data-coding", value_name = "DCS=CODING", value_parser = parse_pair)]
    data_codings: Option<Vec<(String, String)>>,
    /// Type of number of a sender of digits [default: 1]
    #[arg(long, value_name = "N")]
    source_ton: Option<u8>,
    /// Numbering plan of a sender of digits [default: 1]
    #[arg(long, value_name = "N")]
    source_npi: Option<u8>,
    /// Messaging mode in esm_class, 0 to 3 [default: 0]
    #[arg(long, value_name = "N")]
    esm_class: Option<u8>,
    /// service_type
    #[arg(long, value_name = "TYPE")]
    service_type: Option<String>,
    /// Seconds without an octet until an enquire_link, 0 for never [default: 30]
    #[arg(long, value_name = "SECONDS")]
    enquire_link: Option<u32>,
    /// Seconds that an answer is waited for [default: 60]
    #[arg(long, value_name = "SECONDS")]
    response: Option<u32>,
    /// What a status of its answers means to it: retry, return, final, or a code such as 6002; may
    /// be repeated, and takes the place of all that were set
    #[arg(long = "status", value_name = "STATUS=MEANING", value_parser = parse_pair)]
    statuses: Option<Vec<(String, String)>>,
    /// What `err` of its receipts means, a code such as 6006; may be repeated, and takes the place
    /// of all that were set
    #[arg(long = "error", value_name = "ERR=CODE", value_parser = parse_pair)]
    errors: Option<Vec<(String, String)>>,
    /// Whether it is sent optional parameters, where its version of SMPP knows them [default: true]
    #[arg(long, value_name = "BOOL")]
    tlvs: Option<bool>,
    /// Whether it is sent cancel_sm for pushes that are cancelled when it has them [default: false]
    #[arg(long, value_name = "BOOL")]
    cancel: Option<bool>,
    /// Whether it is sent query_sm for pushes whose receipts do not come [default: false]
    #[arg(long, value_name = "BOOL")]
    query: Option<bool>,
    /// What becomes of an SMS that was sent and not answered: sent again after a minute, so that it
    /// may arrive twice, or never, so that its push ends as 6008 [default: resend]
    #[arg(long, value_name = "WORD")]
    in_doubt: Option<InDoubtSetting>,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    place: Place,
}

/// How the carrier is spoken to over TLS. An empty file or name takes one away.
#[derive(Args, Debug)]
struct TlsOptions {
    /// Whether it is spoken to over TLS 1.3 [default: false]
    #[arg(long, value_name = "BOOL")]
    tls: Option<bool>,
    /// Authorities that are trusted beside those of this system, PEM
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The name that its certificate has to be made for [default: that of the host]
    #[arg(long, value_name = "NAME")]
    tls_name: Option<String>,
    /// Certificate to show if it asks for one, PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key of that certificate, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct ListCommand {
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct NamedCommand {
    /// The carrier's name
    name: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct ShowCommand {
    /// The carrier's name
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct RemoveCommand {
    /// The carrier's name
    name: String,
    /// Though its receipts are awaited: the pushes that it has end as 6013 an hour after their
    /// expiry
    #[arg(long)]
    forget_receipts: bool,
    #[command(flatten)]
    place: Place,
}

/// Which pushes a route is for.
#[derive(Args, Debug)]
struct Pushes {
    /// The first digits of the msns, their 0 in front
    #[arg(value_parser = parse_prefix)]
    prefix: String,
    /// Only pushes of this XPID
    #[arg(long, value_name = "XPID", value_parser = parse_xpid)]
    xpid: Option<Xpid>,
    /// Only pushes of this class: standard, urgent, emergency, exercise
    #[arg(long, value_name = "CLASS", value_parser = class_of)]
    class: Option<Class>,
}

#[derive(Args, Debug)]
pub(super) struct RouteAddCommand {
    #[command(flatten)]
    pushes: Pushes,
    /// The carriers, each with its share of the pushes: 1 to 100, 1 where it is not said
    #[arg(value_name = "CARRIER[:WEIGHT]", required = true, value_parser = parse_carrier)]
    carriers: Vec<RouteCarrier>,
    /// A carrier that takes pushes only where all others have been down or choked for a while, and
    /// emergencies as soon as no other takes any; may be repeated
    #[arg(long = "backup", value_name = "CARRIER[:WEIGHT]", value_parser = parse_carrier)]
    backups: Vec<RouteCarrier>,
    /// Seconds until the backups take over [default: 10]
    #[arg(long, value_name = "SECONDS")]
    failover_after: Option<u16>,
    /// Submit what one of them could not deliver to another one, once; it is paid twice
    #[arg(long)]
    elsewhere: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct RouteRemoveCommand {
    #[command(flatten)]
    pushes: Pushes,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct RouteCheckCommand {
    /// The msn: 11 digits
    #[arg(value_parser = parse_msn)]
    msn: Msn,
    /// The XPID of the push
    #[arg(value_name = "XPID", value_parser = parse_xpid)]
    xpid: Xpid,
    /// Its class
    #[arg(long, value_name = "CLASS", default_value = "standard", value_parser = class_of)]
    class: Class,
    #[command(flatten)]
    place: Place,
}

fn parse_prefix(text: &str) -> Result<String, String> {
    let legal = text.starts_with('0')
        && text.len() <= 11
        && text.bytes().all(|octet| octet.is_ascii_digit());
    if legal { Ok(text.to_owned()) } else { Err("give 1 to 11 digits, a 0 in front".to_owned()) }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (left, right) = text.split_once('=').ok_or("give NAME=VALUE")?;
    Ok((left.to_owned(), right.to_owned()))
}

fn parse_carrier(text: &str) -> Result<RouteCarrier, String> {
    let (name, weight) = match text.split_once(':') {
        Some((name, weight)) => {
            let weight = weight.parse().map_err(|_| "a weight is 1 to 100".to_owned())?;
            (name, Some(weight))
        }
        None => (text, None),
    };
    Ok(RouteCarrier { name: name.to_owned(), weight, backup: false })
}

fn class_of(text: &str) -> Result<Class, String> {
    Class::from_word(text)
        .ok_or_else(|| "a class is standard, urgent, emergency or exercise".to_owned())
}

fn parse_xpid(text: &str) -> Result<Xpid, String> {
    Xpid::parse(text.as_bytes()).ok_or_else(|| "an XPID has 11 digits".to_owned())
}

fn parse_msn(text: &str) -> Result<Msn, String> {
    Msn::parse(text.as_bytes()).ok_or_else(|| "an msn has 11 digits, a 0 in front".to_owned())
}

/// Where an order is carried out.
enum Where {
    /// In the registry that there is.
    There,
    /// In one that is made where there is none.
    Anywhere,
}

fn carry_out(place: &Place, order: &CarrierOrder, place_of: Where) -> Result<String, CliError> {
    let registry = match place_of {
        Where::There => place.registry_to_change()?,
        Where::Anywhere => place.registry_to_make()?,
    };
    let (reply, when): (CarrierReply, _) = match registry {
        RegistryPlace::Running(engine) => (engine.post("/carriers", order)?, ""),
        RegistryPlace::Stopped(mut store) => {
            let act = order.act(&store)?;
            let reply = store.act(&act, |store| Ok(order.obey(store, |_| 0)?))?;
            (reply, " It counts from the next start on.")
        }
    };
    let CarrierReply { done, warning } = reply;
    let warning = if warning.is_empty() { warning } else { format!("Beware: {warning}.\n") };
    Ok(format!("{done}{when}\n{warning}"))
}

fn documents(place: &Place) -> Result<CarriersDocument, CliError> {
    Ok(match place.registry_to_read()? {
        RegistryPlace::Running(engine) => engine.get("/carriers")?,
        RegistryPlace::Stopped(store) => CarriersDocument::of(&store, &[])?,
    })
}

impl From<OrderError> for CliError {
    fn from(error: OrderError) -> Self {
        Self::new(error.to_string())
    }
}

impl CarrierCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        use Where::{Anywhere, There};
        let text = match self {
            Self::Add(command) => {
                let settings = command.change(CarrierTlsSettings::default())?;
                let name = command.name.clone();
                carry_out(&command.place, &CarrierOrder::Add { name, settings }, Anywhere)?
            }
            Self::Set(command) => {
                let all = documents(&command.place)?.carriers;
                let found = all.into_iter().find(|one| one.settings.name == command.name);
                let tls = found.map(|one| one.settings.tls).unwrap_or_default();
                let (name, settings) = (command.name.clone(), command.change(tls)?);
                carry_out(&command.place, &CarrierOrder::Set { name, settings }, There)?
            }
            Self::Test(command) => return command.run(output),
            Self::Import(command) => command.run()?,
            Self::List(command) => list(&documents(&command.place)?),
            Self::Show(ShowCommand { name, json, place }) => {
                let documents = documents(&place)?;
                let carrier = shown(&documents, &name)?;
                if json {
                    return output.print_json(carrier);
                }
                show(carrier)
            }
            Self::Pause(NamedCommand { name, place }) => {
                carry_out(&place, &CarrierOrder::Pause { name }, There)?
            }
            Self::Resume(NamedCommand { name, place }) => {
                carry_out(&place, &CarrierOrder::Resume { name }, There)?
            }
            Self::Rebind(NamedCommand { name, place }) => {
                carry_out(&place, &CarrierOrder::Rebind { name }, There)?
            }
            Self::Remove(RemoveCommand { name, forget_receipts, place }) => {
                carry_out(&place, &CarrierOrder::Remove { name, forget_receipts }, There)?
            }
            Self::Route(RouteCommand::Add(command)) => command.run()?,
            Self::Route(RouteCommand::List(command)) => list_routes(&documents(&command.place)?),
            Self::Route(RouteCommand::Remove(RouteRemoveCommand { pushes, place })) => {
                let (prefix, xpid, class) = pushes.words();
                let route = RouteKey { prefix, xpid, class };
                carry_out(&place, &CarrierOrder::RouteRemove { route }, There)?
            }
            Self::Route(RouteCommand::Check(command)) => command.run()?,
        };
        output.print(&text)
    }
}

impl ChangeCommand {
    /// What is named; of TLS all, since what is not named stays as it was `before`.
    fn change(&self, mut tls: CarrierTlsSettings) -> Result<CarrierChange, CliError> {
        let names_tls = self.tls.apply(&mut tls)?;
        let password =
            named_secret("password", self.password_file.as_deref(), self.password_env.as_deref())?;
        Ok(CarrierChange {
            hosts: self.hosts.clone(),
            system_id: self.system_id.clone(),
            password,
            system_type: self.system_type.clone(),
            sessions: self.sessions,
            bind: self.bind,
            window: self.window,
            rate: self.rate,
            response_ids: self.response_ids,
            receipt_ids: self.receipt_ids,
            country: self.country.clone(),
            destination: self.destination,
            validity: self.validity,
            receipts: self.receipts,
            priority: self.priority,
            alphabet: self.alphabet,
            long: self.long,
            binary: self.binary,
            data_codings: self.data_codings.clone().map(|pairs| pairs.into_iter().collect()),
            source_ton: self.source_ton,
            source_npi: self.source_npi,
            esm_class: self.esm_class,
            service_type: self.service_type.clone(),
            enquire_link_s: self.enquire_link,
            response_s: self.response,
            statuses: self.statuses.clone().map(|pairs| pairs.into_iter().collect()),
            errors: self.errors.clone().map(|pairs| pairs.into_iter().collect()),
            tlvs: self.tlvs,
            cancel: self.cancel,
            query: self.query,
            in_doubt: self.in_doubt,
            tls: names_tls.then_some(tls),
            paused: None,
        })
    }
}

impl Pushes {
    /// As an order has them.
    fn words(self) -> (String, Option<String>, Option<String>) {
        let xpid = self.xpid.map(|xpid| xpid.to_string());
        (self.prefix, xpid, self.class.map(|class| class.word().to_owned()))
    }
}

impl TlsOptions {
    /// Puts what is named into the settings, and says whether anything is: a file that has the same
    /// name as before may hold something else. Files are kept by their whole paths, for the engine
    /// may be started elsewhere.
    fn apply(&self, settings: &mut CarrierTlsSettings) -> Result<bool, CliError> {
        settings.on = self.tls.unwrap_or(settings.on);
        if let Some(name) = &self.tls_name {
            settings.name.clone_from(name);
        }
        for (named, place) in [
            (&self.tls_ca, &mut settings.ca),
            (&self.tls_cert, &mut settings.certificate),
            (&self.tls_key, &mut settings.key),
        ] {
            let Some(path) = named else { continue };
            *place = match path.as_os_str().is_empty() {
                true => PathBuf::new(),
                false => std::path::absolute(path).map_err(|error| {
                    CliError::new(format!("{} is no path ({error})", path.display()))
                })?,
            };
        }
        let files = [&self.tls_ca, &self.tls_cert, &self.tls_key];
        let names_files = files.iter().any(|file| file.is_some());
        Ok(names_files || self.tls.is_some() || self.tls_name.is_some())
    }
}

impl RouteAddCommand {
    fn run(self) -> Result<String, CliError> {
        let (prefix, xpid, class) = self.pushes.words();
        let backups =
            self.backups.into_iter().map(|carrier| RouteCarrier { backup: true, ..carrier });
        let route = RouteDocument {
            prefix,
            xpid,
            class,
            carriers: self.carriers.into_iter().chain(backups).collect(),
            failover_after_s: self.failover_after,
            elsewhere: self.elsewhere,
        };
        carry_out(&self.place, &CarrierOrder::RouteAdd { route }, Where::There)
    }
}

impl RouteCheckCommand {
    fn run(self) -> Result<String, CliError> {
        let documents = documents(&self.place)?;
        let routes =
            Routes::new(documents.rules()?).map_err(|error| CliError::new(error.to_string()))?;
        let route = routes.route_of(self.msn, self.xpid, self.class);
        let Some(choice) = routes.choice(route).cloned() else {
            debug_assert_eq!(route, CORE_NETWORK);
            return Ok("by the simulated core network\n".to_owned());
        };
        let name = |number: u8| {
            let found = documents.carriers.iter().find(|one| one.number == number);
            found.map_or_else(|| number.to_string(), |one| one.settings.name.clone())
        };
        let total: u32 = choice
            .members
            .iter()
            .filter(|member| !member.backup)
            .map(|member| u32::from(member.weight))
            .sum();
        let mut text = String::new();
        for member in &choice.members {
            let share = match (member.backup, u32::from(member.weight) * 100 / total.max(1)) {
                (true, _) => ", a backup".to_owned(),
                (false, 100) => String::new(),
                (false, percent) => format!(", {percent} % of such pushes"),
            };
            text.push_str(&format!("by the carrier {}{share}\n", name(member.carrier)));
        }
        let of_carriers = documents.carriers.iter();
        let of_carriers = of_carriers.map(|one| (one.number, one.settings.alphabet.alphabet()));
        match routes.with_alphabets(of_carriers.collect()).alphabet(route) {
            Alphabet::Gsm | Alphabet::GsmPacked => {}
            Alphabet::Latin1 => text.push_str("text that Latin-1 lacks goes as UCS-2\n"),
            Alphabet::Ascii => text.push_str("text that ASCII lacks goes as UCS-2\n"),
        }
        Ok(text)
    }
}
