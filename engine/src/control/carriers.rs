//! A carrier's settings as operators give them and the registry keeps them, and what is wrong with
//! them in one sentence.

use std::net::ToSocketAddrs as _;

use serde::{Deserialize, Serialize};
use wire::smpp::address::{Country, DestinationForm};
use wire::smpp::id::{IdForm, IdForms};
use wire::smpp::limits::{
    PASSWORD_OCTETS_MAX, SERVICE_TYPE_OCTETS_MAX, SYSTEM_ID_OCTETS_MAX, SYSTEM_TYPE_OCTETS_MAX,
};

use super::store::{Store, StoreError};
use crate::control::carrier_tls::CarrierTlsSettings;
use crate::network::routes::Rule;
use crate::network::smpp::carrier::{Carrier, RATE_MAX, SESSIONS_MAX, Validity, WINDOW_MAX};
use wire::terms::ids::{Class, Xpid};

/// Longest name of a carrier.
const NAME_CHARACTERS_MAX: usize = 32;
/// Most hosts of a carrier.
const HOSTS_MAX: usize = 8;
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
    /// The data_coding of octets that are no text: 2 or 4.
    pub binary: u8,
    /// service_type.
    pub service_type: String,
    /// Seconds without an octet until an enquire_link; 0: never.
    pub enquire_link_s: u32,
    /// Seconds that an answer is waited for.
    pub response_s: u32,
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
            binary: 4,
            service_type: String::new(),
            enquire_link_s: 30,
            response_s: 60,
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
        if ![2, 4].contains(&self.binary) {
            return Err(format!("data_coding {} is not for octets: give 2 or 4", self.binary));
        }
        Ok(())
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

    /// The carrier under this number, its hosts looked up.
    ///
    /// # Errors
    /// One sentence with a remedy.
    pub fn resolve(&self, number: u8) -> Result<Carrier, String> {
        self.check()?;
        let mut hosts = Vec::new();
        for host in &self.hosts {
            let found = host.to_socket_addrs().map_err(|error| {
                format!("the host {host:?} of the carrier {:?} has no address ({error})", self.name)
            })?;
            hosts.extend(found.take(1));
        }
        let form = |setting| match setting {
            IdsSetting::Text => IdForm::Text,
            IdsSetting::Hex => IdForm::Hex,
            IdsSetting::Decimal => IdForm::Decimal,
        };
        Ok(Carrier {
            number,
            name: self.name.clone(),
            hosts,
            tls: self.tls.resolve(&self.hosts)?,
            system_id: self.system_id.clone(),
            password: self.password.clone(),
            system_type: self.system_type.clone(),
            sessions: self.sessions,
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
            packs: self.alphabet == AlphabetSetting::GsmPacked,
            binary_coding: self.binary,
            service_type: self.service_type.clone(),
            enquire_link_ms: u64::from(self.enquire_link_s) * 1_000,
            response_ms: u64::from(self.response_s) * 1_000,
        })
    }
}

/// A carrier as it is shown: never its password.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CarrierDocument {
    /// Its number among the carriers.
    pub number: u8,
    /// Whether it has a password.
    pub has_password: bool,
    /// Its settings, the password left out.
    pub settings: CarrierSettings,
}

/// A route as it is shown and changed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteDocument {
    /// The first digits of the msns, their 0 in front.
    pub prefix: String,
    /// Only pushes of this XPID.
    pub xpid: Option<String>,
    /// Only pushes of this class.
    pub class: Option<String>,
    /// The carrier's name, or the number of one that is gone.
    pub carrier: Option<String>,
}

/// Which pushes a route is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteKey {
    /// The first digits of the msns.
    pub prefix: String,
    /// Only pushes of this XPID.
    pub xpid: Option<Xpid>,
    /// Only pushes of this class.
    pub class: Option<Class>,
}

impl CarrierSettings {
    /// The settings as they may be shown.
    #[must_use]
    pub fn without_password(&self) -> Self {
        Self { password: String::new(), ..self.clone() }
    }

    /// Takes the password of the settings before where these name none.
    pub fn keep_password(&mut self, before: &Self) {
        if self.password.is_empty() {
            self.password.clone_from(&before.password);
        }
    }
}

impl CarrierDocument {
    /// The carrier under this number, as it is shown.
    pub fn of(number: u8, settings: &CarrierSettings) -> Self {
        let has_password = !settings.password.is_empty();
        Self { number, has_password, settings: settings.without_password() }
    }

    /// Every carrier of a store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn all(store: &Store) -> Result<Vec<Self>, StoreError> {
        let carriers = store.carriers()?;
        Ok(carriers.iter().map(|(number, settings)| Self::of(*number, settings)).collect())
    }
}

impl RouteDocument {
    /// Every route of a store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn all(store: &Store) -> Result<Vec<Self>, StoreError> {
        let (carriers, rules) = (store.carriers()?, store.routes()?);
        let name = |number: u8| {
            let found = carriers.iter().find(|(other, _)| *other == number);
            found.map_or_else(|| number.to_string(), |(_, settings)| settings.name.clone())
        };
        let route = |rule: Rule| Self {
            xpid: rule.xpid.map(|xpid| xpid.to_string()),
            class: rule.class.map(|class| class.word().to_owned()),
            carrier: Some(name(rule.carrier)),
            prefix: rule.prefix,
        };
        Ok(rules.into_iter().map(route).collect())
    }

    /// The route of a store that is for the same pushes as this one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn find(store: &Store, route: &Self) -> Result<Option<Self>, StoreError> {
        let key = |route: &Self| (route.prefix.clone(), route.xpid.clone(), route.class.clone());
        Ok(Self::all(store)?.into_iter().find(|other| key(other) == key(route)))
    }

    /// Which pushes it is for.
    ///
    /// # Errors
    /// One sentence about what is wrong.
    pub fn key(&self) -> Result<RouteKey, String> {
        let legal = self.prefix.starts_with('0')
            && self.prefix.len() <= 11
            && self.prefix.bytes().all(|octet| octet.is_ascii_digit());
        if !legal {
            return Err("a route's prefix has 1 to 11 digits, a 0 in front".to_owned());
        }
        let xpid = |text: &String| {
            let found = Xpid::parse(text.as_bytes());
            found.ok_or_else(|| "an XPID has 11 digits".to_owned())
        };
        let class = |word: &String| {
            let found = Class::from_word(word);
            found.ok_or_else(|| "a class is standard, urgent, emergency or exercise".to_owned())
        };
        Ok(RouteKey {
            prefix: self.prefix.clone(),
            xpid: self.xpid.as_ref().map(xpid).transpose()?,
            class: self.class.as_ref().map(class).transpose()?,
        })
    }
}

impl RouteKey {
    /// The rule that sends these pushes by the carrier of this number.
    pub fn to(&self, carrier: u8) -> Rule {
        let Self { prefix, xpid, class } = self.clone();
        Rule { prefix, xpid, class, carrier }
    }

    /// The route as a document.
    pub fn document(&self, carrier: Option<&str>) -> RouteDocument {
        RouteDocument {
            prefix: self.prefix.clone(),
            xpid: self.xpid.map(|xpid| xpid.to_string()),
            class: self.class.map(|class| class.word().to_owned()),
            carrier: carrier.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> CarrierSettings {
        CarrierSettings {
            name: "alpha".to_owned(),
            hosts: vec!["192.0.2.10:2775".to_owned()],
            system_id: "hayauma1".to_owned(),
            password: "secret".to_owned(),
            ..CarrierSettings::default()
        }
    }

    #[test]
    fn settings_that_cannot_work_are_told_in_one_sentence() {
        assert_eq!(good().check(), Ok(()));
        type Change = fn(&mut CarrierSettings);
        let changes: [(&str, Change); 12] = [
            ("name", |settings| settings.name = "a b".to_owned()),
            ("hosts", |settings| settings.hosts.clear()),
            ("HOST:PORT", |settings| settings.hosts = vec!["alpha".to_owned()]),
            ("HOST:PORT", |settings| settings.hosts = vec!["alpha:0".to_owned()]),
            ("system_id", |settings| settings.system_id.clear()),
            ("password", |settings| settings.password = "nine chars".to_owned()),
            ("password", |settings| settings.password = "ünicode".to_owned()),
            ("sessions", |settings| settings.sessions = 9),
            ("window", |settings| settings.window = 0),
            ("rate", |settings| settings.rate = RATE_MAX + 1),
            ("country", |settings| settings.country = "081".to_owned()),
            ("data_coding", |settings| settings.binary = 3),
        ];
        for (word, change) in changes {
            let mut settings = good();
            change(&mut settings);
            let sentence = settings.check().expect_err(word);
            assert!(sentence.contains(word), "{sentence}");
            assert!(settings.resolve(1).is_err());
        }
    }

    #[test]
    fn a_window_that_outlasts_the_rate_is_warned_of() {
        assert_eq!(good().warning(), None);
        let slow = CarrierSettings { rate: 3, ..good() };
        assert!(slow.warning().is_some_and(|sentence| sentence.contains("sent twice")));
        assert_eq!(CarrierSettings { rate: 4, ..good() }.warning(), None);
    }
}
