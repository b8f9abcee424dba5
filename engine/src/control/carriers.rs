//! A carrier's settings as operators give them and the registry keeps them, and what is wrong with
//! them in one sentence.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use wire::smpp::address::{Country, DestinationForm};
use wire::smpp::coding::{Alphabet, EsmClass};
use wire::smpp::id::{IdForm, IdForms};
use wire::smpp::limits::{
    PASSWORD_OCTETS_MAX, SERVICE_TYPE_OCTETS_MAX, SYSTEM_ID_OCTETS_MAX, SYSTEM_TYPE_OCTETS_MAX,
};

use crate::control::carrier_tls::CarrierTlsSettings;
use crate::network::smpp::carrier::{
    Carrier, CarrierTls, Long, RATE_MAX, SESSIONS_MAX, Validity, WINDOW_MAX,
};
use crate::network::smpp::meanings::{AnswerRule, Meanings, parse_status};
use wire::terms::code::Code;

/// Longest name of a carrier.
const NAME_CHARACTERS_MAX: usize = 32;
/// Most hosts of a carrier.
const HOSTS_MAX: usize = 8;
/// Most statuses and errors that mean something else than the specification says.
const MEANINGS_MAX: usize = 128;
/// The highest type of number and numbering plan that the specification names.
const TON_MAX: u8 = 6;
const NPI_MAX: u8 = 18;
/// Longest time between two enquire_links, and for an answer, seconds.
const SECONDS_MAX: u32 = 3_600;

/// How a carrier writes ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum IdsSetting {
    /// Octets as they are.
    #[default]
    Text,
    /// A number in hexadecimal.
    Hex,
    /// A number in decimal.
    Decimal,
}

/// How a carrier wants destinations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DestinationSetting {
    /// With the country code.
    #[default]
    International,
    /// As it is dialled in the country.
    National,
}

/// How a carrier is told when an SMS expires.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ValiditySetting {
    /// The time, UTC.
    #[default]
    Absolute,
    /// How long from now on.
    Relative,
    /// Not at all.
    None,
}

/// How a carrier takes text of its default alphabet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AlphabetSetting {
    /// GSM 7-bit, a character an octet.
    #[default]
    Gsm,
    /// GSM 7-bit, packed.
    GsmPacked,
    /// ISO 8859-1.
    #[serde(rename = "latin-1")]
    #[value(name = "latin-1")]
    Latin1,
    /// ASCII.
    Ascii,
}

impl AlphabetSetting {
    /// The alphabet.
    pub fn alphabet(self) -> Alphabet {
        match self {
            Self::Gsm => Alphabet::Gsm,
            Self::GsmPacked => Alphabet::GsmPacked,
            Self::Latin1 => Alphabet::Latin1,
            Self::Ascii => Alphabet::Ascii,
        }
    }
}

/// As what sessions are bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum BindSetting {
    /// As transceivers.
    #[default]
    Transceiver,
    /// Each as a transmitter and a receiver.
    Pair,
}

/// How a carrier takes a push of several segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LongSetting {
    /// Segments with their user data headers.
    #[default]
    Udh,
    /// Segments with sar_msg_ref_num and its kin.
    Sar,
    /// One message, in message_payload.
    Payload,
}

/// What becomes of an SMS that was sent and not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum InDoubtSetting {
    /// Sent again after a while: it may arrive twice.
    #[default]
    Resend,
    /// Never sent again: its push ends as 6008, and it may have arrived.
    Fail,
}

/// A carrier's settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CarrierSettings {
    /// Its name.
    pub name: String,
    /// HOST:PORT, in the order in which they are tried.
    pub hosts: Vec<String>,
    /// How it is spoken to over TLS.
    pub tls: CarrierTlsSettings,
    /// Who we are there.
    pub system_id: String,
    /// Our password there.
    pub password: String,
    /// What kind of system we are.
    pub system_type: String,
    /// Sessions bound at a time.
    pub sessions: u16,
    /// As what they are bound.
    pub bind: BindSetting,
    /// Requests outstanding on each.
    pub window: u16,
    /// SMS a second; 0: no limit.
    pub rate: u32,
    /// How it writes ids in answers.
    pub response_ids: IdsSetting,
    /// How it writes ids in receipts.
    pub receipt_ids: IdsSetting,
    /// The country code of msns.
    pub country: String,
    /// How it wants destinations.
    pub destination: DestinationSetting,
    /// How it is told of expiries.
    pub validity: ValiditySetting,
    /// Whether it sends receipts.
    pub receipts: bool,
    /// Whether it is told of priorities.
    pub priority: bool,
    /// How it takes text.
    pub alphabet: AlphabetSetting,
    /// How it takes a push of several segments.
    pub long: LongSetting,
    /// The data_coding of octets that are no text: 2 or 4.
    pub binary: u8,
    /// Its own data_coding for a TP-DCS, each two hexadecimal digits.
    pub data_codings: BTreeMap<String, String>,
    /// Type of number of a sender of digits.
    pub source_ton: u8,
    /// Numbering plan of a sender of digits.
    pub source_npi: u8,
    /// The messaging mode in esm_class: 0 to 3.
    pub esm_class: u8,
    /// service_type.
    pub service_type: String,
    /// Seconds without an octet until an enquire_link; 0: never.
    pub enquire_link_s: u32,
    /// Seconds that an answer is waited for.
    pub response_s: u32,
    /// Its own meaning of statuses: number to `retry`, `return`, `final` or a code.
    pub statuses: BTreeMap<String, String>,
    /// Its own meaning of `err` in receipts: to a code.
    pub errors: BTreeMap<String, String>,
    /// Whether it is sent optional parameters.
    pub tlvs: bool,
    /// Whether it is sent cancel_sm for pushes that are cancelled when it has them.
    pub cancel: bool,
    /// Whether it is sent query_sm for pushes whose receipts do not come.
    pub query: bool,
    /// What becomes of an SMS that was sent and not answered.
    pub in_doubt: InDoubtSetting,
    /// It takes no push for now.
    pub paused: bool,
}

impl Default for CarrierSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            hosts: Vec::new(),
            tls: CarrierTlsSettings::default(),
            system_id: String::new(),
            password: String::new(),
            system_type: String::new(),
            sessions: 1,
            bind: BindSetting::Transceiver,
            window: 10,
            rate: 0,
            response_ids: IdsSetting::Text,
            receipt_ids: IdsSetting::Text,
            country: "81".to_owned(),
            destination: DestinationSetting::International,
            validity: ValiditySetting::Absolute,
            receipts: true,
            priority: true,
            alphabet: AlphabetSetting::Gsm,
            long: LongSetting::Udh,
            binary: 4,
            data_codings: BTreeMap::new(),
            source_ton: 1,
            source_npi: 1,
            esm_class: 0,
            service_type: String::new(),
            enquire_link_s: 30,
            response_s: 60,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            tlvs: true,
            cancel: false,
            query: false,
            in_doubt: InDoubtSetting::Resend,
            paused: false,
        }
    }
}

fn range<T: PartialOrd + std::fmt::Display>(
    what: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), String> {
    if value < least || value > most {
        return Err(format!("{what} is {value}: give one from {least} to {most}"));
    }
    Ok(())
}

/// A C-octet string whose length with its NUL has a bound.
fn text(what: &str, value: &str, octets_max: usize) -> Result<(), String> {
    if !value.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ') {
        return Err(format!("the {what} has other characters than ASCII: SMPP carries none"));
    }
    if value.len() >= octets_max {
        let most = octets_max - 1;
        return Err(format!("the {what} has {} characters: SMPP carries {most}", value.len()));
    }
    Ok(())
}

impl CarrierSettings {
    /// Whether the settings can work, but for hosts that nobody has asked.
    ///
    /// # Errors
    /// One sentence with a remedy.
    pub fn check(&self) -> Result<(), String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty()
            || self.name.len() > NAME_CHARACTERS_MAX
            || !self.name.chars().all(is_plain)
        {
            return Err(format!(
                "{:?} is no name for a carrier: give 1 to {NAME_CHARACTERS_MAX} letters, \
                 digits, - or _",
                self.name
            ));
        }
        if self.hosts.is_empty() || self.hosts.len() > HOSTS_MAX {
            return Err(format!(
                "a carrier has 1 to {HOSTS_MAX} hosts: give each with --host HOST:PORT"
            ));
        }
        for host in &self.hosts {
            let port = host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none_or(|port| port == 0) {
                return Err(format!("{host:?} is no HOST:PORT: SMPP's usual port is 2775"));
            }
        }
        if self.system_id.is_empty() {
            return Err("a carrier knows us by a system_id: give it with --system-id".to_owned());
        }
        self.tls.check()?;
        text("system_id", &self.system_id, SYSTEM_ID_OCTETS_MAX)?;
        text("password", &self.password, PASSWORD_OCTETS_MAX)?;
        text("system_type", &self.system_type, SYSTEM_TYPE_OCTETS_MAX)?;
        text("service_type", &self.service_type, SERVICE_TYPE_OCTETS_MAX)?;
        range("the number of sessions", self.sessions, 1, SESSIONS_MAX)?;
        range("the window", self.window, 1, WINDOW_MAX)?;
        range("the rate", self.rate, 0, RATE_MAX)?;
        range("the time between enquire_links", self.enquire_link_s, 0, SECONDS_MAX)?;
        range("the time for an answer", self.response_s, 1, SECONDS_MAX)?;
        if Country::parse(self.country.as_bytes()).is_none() {
            return Err(format!(
                "{:?} is no country code: give 1 to 3 digits, such as 81",
                self.country
            ));
        }
        self.meanings()?;
        self.codings()?;
        range("the type of number", self.source_ton, 0, TON_MAX)?;
        range("the numbering plan", self.source_npi, 0, NPI_MAX)?;
        range("the messaging mode in esm_class", self.esm_class, 0, EsmClass::MODE_MAX)?;
        if self.long != LongSetting::Udh && !self.tlvs {
            return Err("sar and payload are optional parameters: say --tlvs true, or --long udh"
                .to_owned());
        }
        if ![2, 4].contains(&self.binary) {
            return Err(format!("data_coding {} is not for octets: give 2 or 4", self.binary));
        }
        Ok(())
    }

    fn codings(&self) -> Result<Vec<(u8, u8)>, String> {
        let octet = |text: &str| match text.len() {
            2 => u8::from_str_radix(text, 16).ok(),
            _ => None,
        };
        let pairs = self.data_codings.iter().map(|(dcs, coding)| {
            octet(dcs).zip(octet(coding)).ok_or_else(|| {
                format!(
                    "{dcs}={coding} is no data_coding for a TP-DCS: give two hexadecimal digits of \
                     each, such as 00=01"
                )
            })
        });
        pairs.collect()
    }

    fn meanings(&self) -> Result<Meanings, String> {
        if self.statuses.len() + self.errors.len() > MEANINGS_MAX {
            return Err(format!("a carrier has at most {MEANINGS_MAX} meanings of its own"));
        }
        let statuses = self.statuses.iter().map(|(number, word)| {
            let status = parse_status(number).ok_or_else(|| {
                format!("{number:?} is no status: give a number such as 69 or 0x45, but not 0")
            })?;
            let rule = AnswerRule::parse(word).ok_or_else(|| {
                format!(
                    "the status {number} cannot mean {word:?}: say retry, return, final, or a code \
                     from 6002 to 6008"
                )
            })?;
            Ok::<_, String>((status, rule))
        });
        let errors = self.errors.iter().map(|(error, word)| {
            let code = Code::parse(word.as_bytes())
                .filter(|code| (6_001..=6_013).contains(&code.number()) && *code != Code::PARTIAL);
            let code = code.ok_or_else(|| {
                format!("the error {error:?} cannot mean {word:?}: give a code from 6001 to 6013")
            })?;
            Ok::<_, String>((error.clone(), code))
        });
        Ok(Meanings {
            statuses: statuses.collect::<Result<_, _>>()?,
            errors: errors.collect::<Result<_, _>>()?,
        })
    }

    /// What is legal and probably not meant: answers that come later than they are waited for.
    pub fn warning(&self) -> Option<String> {
        let outstanding = u32::from(self.window) * u32::from(self.sessions);
        (self.rate > 0 && outstanding > 3 * self.rate).then(|| {
            format!(
                "the windows of all sessions hold {outstanding} SMS, more than three seconds' \
                 worth of the rate {}: where answers come late, SMS are sent twice; make the \
                 window smaller",
                self.rate
            )
        })
    }

    /// Its hosts as names and ports.
    pub fn names(&self) -> impl Iterator<Item = (String, u16)> + '_ {
        names_of(&self.hosts)
    }

    /// The carrier under this number, with the addresses of its hosts as far as `look_up` knows
    /// them. Its files of TLS are read.
    ///
    /// # Errors
    /// One sentence with a remedy; never that a host has no address.
    pub fn carrier(
        &self,
        number: u8,
        look_up: impl Fn(&str, u16) -> Vec<SocketAddr>,
    ) -> Result<Carrier, String> {
        self.check()?;
        self.carrier_over(number, look_up, self.tls.resolve(&self.hosts)?)
    }

    /// The same, spoken to with this.
    ///
    /// # Errors
    /// As [`Self::carrier`].
    pub fn carrier_over(
        &self,
        number: u8,
        look_up: impl Fn(&str, u16) -> Vec<SocketAddr>,
        tls: Option<CarrierTls>,
    ) -> Result<Carrier, String> {
        self.check()?;
        let (host_of, hosts) = addresses_of(&self.hosts, look_up);
        let form = |setting| match setting {
            IdsSetting::Text => IdForm::Text,
            IdsSetting::Hex => IdForm::Hex,
            IdsSetting::Decimal => IdForm::Decimal,
        };
        Ok(Carrier {
            number,
            name: self.name.clone(),
            host_names: self.hosts.clone(),
            hosts,
            host_of,
            tls,
            system_id: self.system_id.clone(),
            password: self.password.clone(),
            system_type: self.system_type.clone(),
            sessions: self.sessions,
            pairs: self.bind == BindSetting::Pair,
            window: self.window,
            rate: self.rate,
            ids: IdForms { response: form(self.response_ids), receipt: form(self.receipt_ids) },
            country: Country::parse(self.country.as_bytes()).unwrap_or(Country::JAPAN),
            destination: match self.destination {
                DestinationSetting::International => DestinationForm::International,
                DestinationSetting::National => DestinationForm::National,
            },
            validity: match self.validity {
                ValiditySetting::Absolute => Validity::Absolute,
                ValiditySetting::Relative => Validity::Relative,
                ValiditySetting::None => Validity::None,
            },
            receipts: self.receipts,
            priority: self.priority,
            long: match self.long {
                LongSetting::Udh => Long::Udh,
                LongSetting::Sar => Long::Sar,
                LongSetting::Payload => Long::Payload,
            },
            alphabet: self.alphabet.alphabet(),
            binary_coding: self.binary,
            codings: self.codings()?,
            source_ton: self.source_ton,
            source_npi: self.source_npi,
            mode: self.esm_class,
            service_type: self.service_type.clone(),
            enquire_link_ms: u64::from(self.enquire_link_s) * 1_000,
            response_ms: u64::from(self.response_s) * 1_000,
            meanings: self.meanings()?,
            tlvs: self.tlvs,
            rebinds: 0,
            cancels: self.cancel,
            queries: self.query,
            doubt_is_final: self.in_doubt == InDoubtSetting::Fail,
            paused: self.paused,
        })
    }
}

/// HOST:PORT each, as names and ports.
fn names_of(hosts: &[String]) -> impl Iterator<Item = (String, u16)> + '_ {
    hosts.iter().filter_map(|host| {
        let (name, port) = host.rsplit_once(':')?;
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        Some((bare.unwrap_or(name).to_owned(), port.parse().ok()?))
    })
}

/// The addresses of these hosts, HOST:PORT each, as far as `look_up` knows them, and of each which
/// of the hosts has it.
pub fn addresses_of(
    hosts: &[String],
    look_up: impl Fn(&str, u16) -> Vec<SocketAddr>,
) -> (Vec<usize>, Vec<SocketAddr>) {
    names_of(hosts)
        .enumerate()
        .flat_map(|(at, (name, port))| {
            look_up(&name, port).into_iter().map(move |address| (at, address))
        })
        .unzip()
}

macro_rules! changes {
    ($($field:ident $type:ty;)*) => {
        /// What of a carrier's settings is to be changed; what is absent stays.
        #[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct CarrierChange {
            $(
                #[allow(missing_docs, reason = "see the field of CarrierSettings")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
        }

        impl CarrierChange {
            /// Puts what is named into the settings.
            pub fn apply(&self, settings: &mut CarrierSettings) {
                $(if let Some(value) = &self.$field {
                    settings.$field.clone_from(value);
                })*
            }
        }
    };
}

changes! {
    hosts Vec<String>;
    system_id String;
    password String;
    system_type String;
    sessions u16;
    bind BindSetting;
    window u16;
    rate u32;
    response_ids IdsSetting;
    receipt_ids IdsSetting;
    country String;
    destination DestinationSetting;
    validity ValiditySetting;
    receipts bool;
    priority bool;
    alphabet AlphabetSetting;
    long LongSetting;
    binary u8;
    data_codings BTreeMap<String, String>;
    source_ton u8;
    source_npi u8;
    esm_class u8;
    service_type String;
    enquire_link_s u32;
    response_s u32;
    statuses BTreeMap<String, String>;
    errors BTreeMap<String, String>;
    tlvs bool;
    cancel bool;
    query bool;
    in_doubt InDoubtSetting;
    tls CarrierTlsSettings;
    paused bool;
}

#[cfg(test)]
mod tests;
