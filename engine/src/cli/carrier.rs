//! `hayauma carrier`: accounts at the SMSCs of others, and which pushes go by them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use wire::terms::ids::{Class, Msn, Xpid};

use super::place::{Place, Registry};
use super::secret::named_secret;
use super::table;
use super::{CliError, Output};
use crate::control::acts;
use crate::control::admin::CarrierRemoval;
use crate::control::carrier_tls::CarrierTlsSettings;
use crate::control::carriers::{
    AlphabetSetting, CarrierDocument, CarrierSettings, DestinationSetting, IdsSetting,
    RouteDocument, RouteKey, ValiditySetting,
};
use crate::control::store::StoreError;
use crate::network::routes::{CORE_NETWORK, Routes, Rule};

/// Said after every change.
const NEXT_START: &str = "It counts from the next start of the engine on.\n";

/// Set up carriers: accounts at SMSCs of others that pushes are submitted to by SMPP
///
/// A change counts from the next start of the engine on.
#[derive(Subcommand, Debug)]
pub(super) enum CarrierCommand {
    /// Add a carrier
    Add(Box<ChangeCommand>),
    /// Change the settings that are named and keep the rest
    Set(Box<ChangeCommand>),
    /// List all carriers; passwords are not shown
    List(ListCommand),
    /// Remove a carrier by which no push goes
    Remove(RemoveCommand),
    /// Say which pushes go by which carrier
    #[command(subcommand)]
    Route(RouteCommand),
}

/// What to do with routes.
#[derive(Subcommand, Debug)]
pub(super) enum RouteCommand {
    /// Send pushes to msns that begin so by a carrier, instead of the simulated core network
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
    #[arg(long, value_name = "NAME", conflicts_with = "password_file")]
    password_env: Option<String>,
    /// What kind of system we are
    #[arg(long, value_name = "TYPE")]
    system_type: Option<String>,
    /// Transceivers bound at a time [default: 1]
    #[arg(long, value_name = "N")]
    sessions: Option<u16>,
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
    /// How it takes text [default: gsm]
    #[arg(long, value_name = "ALPHABET")]
    alphabet: Option<AlphabetSetting>,
    /// data_coding of octets that are no text, 2 or 4 [default: 4]
    #[arg(long, value_name = "N")]
    binary: Option<u8>,
    /// service_type
    #[arg(long, value_name = "TYPE")]
    service_type: Option<String>,
    /// Seconds without an octet until an enquire_link, 0 for never [default: 30]
    #[arg(long, value_name = "SECONDS")]
    enquire_link: Option<u32>,
    /// Seconds that an answer is waited for [default: 60]
    #[arg(long, value_name = "SECONDS")]
    response: Option<u32>,
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
pub(super) struct RemoveCommand {
    /// The carrier's name
    name: String,
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
    /// The carrier's name
    carrier: String,
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

impl CarrierCommand {
    pub(super) fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let text = match self {
            Self::Add(command) => command.add()?,
            Self::Set(command) => command.set()?,
            Self::List(command) => list(&look(&command.place)?.0),
            Self::Remove(command) => command.run()?,
            Self::Route(RouteCommand::Add(command)) => command.run()?,
            Self::Route(RouteCommand::List(command)) => list_routes(&look(&command.place)?.1),
            Self::Route(RouteCommand::Remove(command)) => command.run()?,
            Self::Route(RouteCommand::Check(command)) => command.run()?,
        };
        output.print(&text)
    }
}

/// The carriers and the routes, of a running engine or a stopped one.
fn look(place: &Place) -> Result<(Vec<CarrierDocument>, Vec<RouteDocument>), CliError> {
    Ok(match place.registry_to_read()? {
        Registry::Running(engine) => (engine.get("/carriers")?, engine.get("/routes")?),
        Registry::Stopped(store) => (CarrierDocument::all(&store)?, RouteDocument::all(&store)?),
    })
}

impl ChangeCommand {
    fn add(self) -> Result<String, CliError> {
        let mut settings =
            CarrierSettings { name: self.name.clone(), ..CarrierSettings::default() };
        let warning = self.apply(&mut settings)?;
        let made = match self.place.registry_to_make()? {
            Registry::Running(engine) => engine.post("/carriers", &settings)?,
            Registry::Stopped(mut store) => {
                let act = acts::carrier_added(&settings);
                let number = store.act(&act, |store| Ok(store.add_carrier(&settings)?))?;
                CarrierDocument::of(number, &settings)
            }
        };
        let (name, number) = (&made.settings.name, made.number);
        Ok(format!("The carrier {name} is there, as number {number}. {NEXT_START}{warning}"))
    }

    fn set(self) -> Result<String, CliError> {
        let warning = match self.place.registry_to_change()? {
            Registry::Running(engine) => {
                let carriers: Vec<CarrierDocument> = engine.get("/carriers")?;
                let found = carriers.into_iter().find(|other| other.settings.name == self.name);
                let missing = || StoreError::NoCarrier(self.name.clone());
                let mut settings = found.ok_or_else(missing)?.settings;
                let warning = self.apply(&mut settings)?;
                let _: CarrierDocument =
                    engine.put(&format!("/carriers/{}", self.name), &settings)?;
                warning
            }
            Registry::Stopped(mut store) => {
                let (number, before) = store.carrier(&self.name)?;
                let mut settings = before.clone();
                let warning = self.apply(&mut settings)?;
                let act = acts::carrier_changed(&before, &settings);
                store.act(&act, |store| Ok(store.put_carrier(number, &settings)?))?;
                warning
            }
        };
        Ok(format!("The carrier {} is changed. {NEXT_START}{warning}", self.name))
    }

    /// Puts what is named into the settings and checks them; a warning, if there is one.
    fn apply(&self, settings: &mut CarrierSettings) -> Result<String, CliError> {
        if let Some(password) = self.password()? {
            settings.password = password;
        }
        macro_rules! take {
            ($($field:ident from $option:ident;)*) => {
                $(if let Some(value) = &self.$option { settings.$field.clone_from(value); })*
            };
        }
        take! {
            hosts from hosts;
            system_id from system_id;
            system_type from system_type;
            sessions from sessions;
            window from window;
            rate from rate;
            response_ids from response_ids;
            receipt_ids from receipt_ids;
            country from country;
            destination from destination;
            validity from validity;
            receipts from receipts;
            priority from priority;
            alphabet from alphabet;
            binary from binary;
            service_type from service_type;
            enquire_link_s from enquire_link;
            response_s from response;
        }
        self.tls.apply(&mut settings.tls)?;
        settings.check()?;
        Ok(settings.warning().map_or_else(String::new, |warning| format!("Beware: {warning}.\n")))
    }

    fn password(&self) -> Result<Option<String>, CliError> {
        named_secret("password", self.password_file.as_deref(), self.password_env.as_deref())
    }
}

impl RemoveCommand {
    fn run(self) -> Result<String, CliError> {
        let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
        if !self.name.bytes().all(legal) {
            return Err(StoreError::NoCarrier(self.name).into());
        }
        match self.place.registry_to_change()? {
            Registry::Running(engine) => {
                let _: CarrierRemoval = engine.delete(&format!("/carriers/{}", self.name))?;
            }
            Registry::Stopped(mut store) => {
                let act = acts::carrier_removed(&store.carrier(&self.name)?.1);
                store.act(&act, |store| Ok(store.remove_carrier(&self.name)?))?;
            }
        }
        Ok(format!("The carrier {} is removed. {NEXT_START}", self.name))
    }
}

impl Pushes {
    fn key(&self) -> RouteKey {
        let Self { prefix, xpid, class } = self;
        RouteKey { prefix: prefix.clone(), xpid: *xpid, class: *class }
    }
}

impl TlsOptions {
    /// Puts what is named into the settings; files are kept by their whole paths, for the engine
    /// may be started elsewhere.
    fn apply(&self, settings: &mut CarrierTlsSettings) -> Result<(), CliError> {
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
        Ok(())
    }
}

impl RouteAddCommand {
    fn run(self) -> Result<String, CliError> {
        let key = self.pushes.key();
        let route = key.document(Some(&self.carrier));
        match self.place.registry_to_change()? {
            Registry::Running(engine) => {
                let _: RouteDocument = engine.put("/routes", &route)?;
            }
            Registry::Stopped(mut store) => {
                let (number, _) = store.carrier(&self.carrier)?;
                let act = acts::route_put(RouteDocument::find(&store, &route)?.as_ref(), &route);
                store.act(&act, |store| Ok(store.put_route(&key.to(number))?))?;
            }
        }
        Ok(format!(
            "The route is there. The state of the lines is the carrier's to know: no HLR is \
             asked, and svcinst does not count. {NEXT_START}"
        ))
    }
}

impl RouteRemoveCommand {
    fn run(self) -> Result<String, CliError> {
        let key = self.pushes.key();
        let route = key.document(None);
        match self.place.registry_to_change()? {
            Registry::Running(engine) => {
                let _: CarrierRemoval = engine.delete_named("/routes", &route)?;
            }
            Registry::Stopped(mut store) => {
                let before = RouteDocument::find(&store, &route)?.unwrap_or(route);
                let act = acts::route_removed(&before);
                let RouteKey { prefix, xpid, class } = &key;
                store.act(&act, |store| Ok(store.remove_route(prefix, *xpid, *class)?))?;
            }
        }
        Ok(format!("The route is removed. {NEXT_START}"))
    }
}

impl RouteCheckCommand {
    fn run(self) -> Result<String, CliError> {
        let (carriers, routes) = look(&self.place)?;
        let number_of = |name: &str| {
            let found = carriers.iter().find(|carrier| carrier.settings.name == name);
            found.map_or_else(|| name.parse().ok(), |carrier| Some(carrier.number))
        };
        let rule = |route: &RouteDocument| {
            let number = route.carrier.as_deref().and_then(number_of)?;
            Some(route.key().ok()?.to(number))
        };
        let rules: Vec<Rule> = routes.iter().filter_map(rule).collect();
        let number = Routes::new(rules).route_of(self.msn, self.xpid, self.class);
        if number == CORE_NETWORK {
            return Ok("by the simulated core network\n".to_owned());
        }
        let found = carriers.iter().find(|carrier| carrier.number == number);
        Ok(found.map_or_else(
            || format!("by carrier {number}, which is not there any more\n"),
            |carrier| format!("by the carrier {}\n", carrier.settings.name),
        ))
    }
}

fn list(carriers: &[CarrierDocument]) -> String {
    if carriers.is_empty() {
        return "there are no carriers\n".to_owned();
    }
    let header =
        ["NUMBER", "NAME", "HOSTS", "SYSTEM ID", "SESSIONS", "WINDOW", "RATE", "RECEIPTS", "TLS"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(carriers.iter().map(|CarrierDocument { number, settings, .. }| {
        vec![
            number.to_string(),
            settings.name.clone(),
            settings.hosts.join(","),
            settings.system_id.clone(),
            settings.sessions.to_string(),
            settings.window.to_string(),
            if settings.rate == 0 { "-".to_owned() } else { settings.rate.to_string() },
            settings.receipts.to_string(),
            settings.tls.on.to_string(),
        ]
    }));
    table::render(&rows, &[])
}

fn list_routes(routes: &[RouteDocument]) -> String {
    if routes.is_empty() {
        return "there are no routes: every push goes by the simulated core network\n".to_owned();
    }
    let mut rows = vec![["PREFIX", "XPID", "CLASS", "CARRIER"].map(str::to_owned).to_vec()];
    let shown = |word: &Option<String>| word.clone().unwrap_or_else(|| "-".to_owned());
    rows.extend(routes.iter().map(|route| {
        let RouteDocument { prefix, xpid, class, carrier } = route;
        vec![prefix.clone(), shown(xpid), shown(class), shown(carrier)]
    }));
    table::render(&rows, &[])
}
