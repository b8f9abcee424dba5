//! How the senders of a plan bind to an SMSC and submit.

use std::fmt;
use wire::smpp::address::{Country, OwnAddress, npi, source, ton};
use wire::smpp::id::IdForms;
use wire::smpp::limits::{PASSWORD_OCTETS_MAX, SYSTEM_ID_OCTETS_MAX};
use wire::smpp::pdu::{Bind, BindKind};
use wire::smpp::session::VERSION_34;

/// An account at an SMSC. All sessions are transceivers.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Who binds: 1 to 15 octets.
    pub system_id: String,
    /// 0 to 8 octets.
    pub password: String,
    /// The sender of the messages; `None`: the SMSC's default.
    pub source: Option<String>,
    /// Whether messages carry optional parameters: the push's number as user_message_reference and
    /// its reqid as the vendor's 1501. Without them a message that is sent again in doubt is a new
    /// one to every SMSC.
    pub references: bool,
    /// How the SMSC writes message ids.
    pub ids: IdForms,
}

impl Account {
    /// With this name and password, and all else as most SMSCs have it.
    pub fn new(system_id: &str, password: &str) -> Self {
        Self {
            system_id: system_id.to_owned(),
            password: password.to_owned(),
            source: None,
            references: true,
            ids: IdForms::default(),
        }
    }

    /// What is wrong with it, in one sentence.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let fits = |text: &str, octets: usize| text.len() < octets && !text.contains('\0');
        if self.system_id.is_empty() || !fits(&self.system_id, SYSTEM_ID_OCTETS_MAX) {
            return Some("a system_id has 1 to 15 octets: correct it.");
        }
        if !fits(&self.password, PASSWORD_OCTETS_MAX) {
            return Some("a password of SMPP has 8 octets at most: correct it.");
        }
        if self.source.is_some() && self.address().is_none() {
            return Some("a sender has up to 11 letters or 20 digits of ASCII: correct it.");
        }
        None
    }

    /// The sender's address.
    pub(crate) fn address(&self) -> Option<OwnAddress> {
        let text = self.source.as_ref()?.as_bytes();
        let legal = !text.is_empty() && text.is_ascii();
        source(text, Country::JAPAN, ton::INTERNATIONAL, npi::ISDN).filter(|_| legal)
    }

    pub(crate) fn bind(&self) -> Bind<'_> {
        Bind {
            kind: BindKind::Transceiver,
            system_id: self.system_id.as_bytes(),
            password: self.password.as_bytes(),
            system_type: b"",
            interface_version: VERSION_34,
            addr_ton: ton::UNKNOWN,
            addr_npi: npi::UNKNOWN,
            address_range: b"",
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password is nobody's to read.
        formatter
            .debug_struct("Account")
            .field("system_id", &self.system_id)
            .field("source", &self.source)
            .field("references", &self.references)
            .field("ids", &self.ids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_no_pdu_can_hold_is_refused_in_one_sentence() {
        let sound = Account::new("load", "secret");
        assert_eq!(sound.fault(), None);
        let source = |text: &str| Account { source: Some(text.to_owned()), ..sound.clone() };
        assert_eq!((source("Hayauma").fault(), source("0312345678").fault()), (None, None));
        for wrong in [
            Account::new("", "x"),
            Account::new("sixteen-octets-x", "x"),
            Account::new("load", "nine-octe"),
            source(""),
            source("早馬"),
            source(&"1".repeat(21)),
        ] {
            assert!(wrong.fault().is_some_and(|fault| fault.ends_with('.')), "{wrong:?}");
        }
    }
}
