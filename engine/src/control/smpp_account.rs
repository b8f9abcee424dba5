//! The SMPP account of a registration as operators give it and the registry keeps it.
//!
//! [`SmppChange`] is what `client add`, `client set` and the admin port take, [`SmppDocument`] what
//! they show: how many passwords there are, never one of them, nor its digest.

use std::fs::File;
use std::io::Read as _;

use serde::{Deserialize, Serialize};
use wire::json;
use wire::smpp::coding::Alphabet;

use crate::gateway::registration::Registration;
use crate::gateway::smpp::{BindKinds, PasswordDigest, SmppAccount};

/// What text of data_coding 0 is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum TextAlphabet {
    /// GSM 7-bit, a character an octet.
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

impl TextAlphabet {
    const ALL: [(Self, Alphabet); 4] = [
        (Self::Gsm, Alphabet::Gsm),
        (Self::GsmPacked, Alphabet::GsmPacked),
        (Self::Latin1, Alphabet::Latin1),
        (Self::Ascii, Alphabet::Ascii),
    ];

    fn of(alphabet: Alphabet) -> Self {
        let known = Self::ALL.into_iter().find(|&(_, other)| other == alphabet);
        known.map_or(Self::Gsm, |(word, _)| word)
    }

    fn alphabet(self) -> Alphabet {
        let known = Self::ALL.into_iter().find(|&(word, _)| word == self);
        known.map_or(Alphabet::Gsm, |(_, alphabet)| alphabet)
    }
}

/// Fields to set on an account; an absent one keeps its value. An empty `system_id` takes the
/// account away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmppChange {
    /// By which the customer binds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_id: Option<String>,
    /// Its passwords in clear, one or two, in place of those there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passwords: Option<Vec<String>>,
    /// How it may bind: transmitter, receiver, transceiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_types: Option<Vec<String>>,
    /// Sessions at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binds_max: Option<u8>,
    /// Requests of a session without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u16>,
    /// What text of data_coding 0 is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alphabet: Option<TextAlphabet>,
    /// The zone of the dates in receipts, minutes east of universal time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_minutes: Option<i16>,
    /// Whether receipts repeat the first characters of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_text: Option<bool>,
    /// Whether it may bind from anywhere though the registration names no networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_anywhere: Option<bool>,
}

/// An account as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmppDocument {
    /// By which the customer binds.
    pub system_id: String,
    /// How many passwords there are.
    pub passwords: usize,
    /// How it may bind.
    pub bind_types: Vec<String>,
    /// Sessions at a time.
    pub binds_max: u8,
    /// Requests of a session without an answer.
    pub window: u16,
    /// What text of data_coding 0 is in.
    pub alphabet: TextAlphabet,
    /// The zone of the dates in receipts, minutes east of universal time.
    pub zone_minutes: i16,
    /// Whether receipts repeat the first characters of the text.
    #[serde(default)]
    pub receipt_text: bool,
    /// Whether it may bind from anywhere.
    pub from_anywhere: bool,
}

/// An account as the registry keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    system_id: String,
    passwords: Vec<String>,
    bind_types: Vec<String>,
    binds_max: u8,
    window: u16,
    alphabet: TextAlphabet,
    zone_minutes: i16,
    /// Absent in rows from before there was one.
    #[serde(default)]
    receipt_text: bool,
    from_anywhere: bool,
}

impl SmppChange {
    /// Sets these fields; refuses with one sentence. A password keeps the digest that it has, or
    /// is among the `known`.
    pub(super) fn apply(
        &self,
        registration: &mut Registration,
        known: &[PasswordDigest],
    ) -> Result<(), String> {
        if *self == Self::default() {
            return Ok(());
        }
        if self.system_id.as_deref() == Some("") {
            registration.smpp = None;
            return Ok(());
        }
        let mut account = match (&registration.smpp, &self.system_id) {
            (Some(account), _) => account.clone(),
            (None, Some(system_id)) => SmppAccount::new(system_id),
            (None, None) => {
                return Err("the registration has no account of SMPP: give it one with \
                            --system-id and --smpp-password-file"
                    .to_owned());
            }
        };
        if let Some(system_id) = &self.system_id {
            account.system_id.clone_from(system_id);
        }
        if let Some(passwords) = &self.passwords {
            let before = [&account.passwords[..], known].concat();
            account.passwords = digests(passwords, &before)?;
        }
        if let Some(words) = &self.bind_types {
            let kinds = BindKinds::parse(words.iter().map(String::as_str));
            account.kinds = kinds.ok_or_else(|| {
                "a customer binds as transmitter, receiver or transceiver: use these words"
                    .to_owned()
            })?;
        }
        let change = |field: &mut bool, value: Option<bool>| *field = value.unwrap_or(*field);
        change(&mut account.from_anywhere, self.from_anywhere);
        change(&mut account.repeats_text, self.receipt_text);
        account.binds_max = self.binds_max.unwrap_or(account.binds_max);
        account.window = self.window.unwrap_or(account.window);
        account.zone_minutes = self.zone_minutes.unwrap_or(account.zone_minutes);
        account.alphabet = self.alphabet.map_or(account.alphabet, TextAlphabet::alphabet);
        registration.smpp = Some(account);
        Ok(())
    }
}

impl SmppDocument {
    /// The account as it is shown.
    pub(super) fn of(account: &SmppAccount) -> Self {
        Self {
            system_id: account.system_id.clone(),
            passwords: account.passwords.len(),
            bind_types: account.kinds.words(),
            binds_max: account.binds_max,
            window: account.window,
            alphabet: TextAlphabet::of(account.alphabet),
            zone_minutes: account.zone_minutes,
            receipt_text: account.repeats_text,
            from_anywhere: account.from_anywhere,
        }
    }
}

/// What the passwords are known by. One that was there `before` keeps its digest: sessions are
/// known by it.
fn digests(passwords: &[String], before: &[PasswordDigest]) -> Result<Vec<PasswordDigest>, String> {
    passwords
        .iter()
        .map(|password| {
            if let Some(kept) = before.iter().find(|digest| digest.is_of(password.as_bytes())) {
                return Ok(kept.clone());
            }
            let mut salt = [0; 16];
            File::open("/dev/urandom")
                .and_then(|mut source| source.read_exact(&mut salt))
                .map_err(|error| format!("the system gives no random octets ({error})"))?;
            PasswordDigest::make(password, salt).map_err(|error| error.to_string())
        })
        .collect()
}

/// The account as a row keeps it.
pub(super) fn to_text(account: &SmppAccount) -> String {
    let SmppDocument { system_id, bind_types, alphabet, .. } = SmppDocument::of(account);
    let kept = Kept {
        system_id,
        passwords: account.passwords.iter().map(|one| one.as_str().to_owned()).collect(),
        bind_types,
        binds_max: account.binds_max,
        window: account.window,
        alphabet,
        zone_minutes: account.zone_minutes,
        receipt_text: account.repeats_text,
        from_anywhere: account.from_anywhere,
    };
    simd_json::to_string(&kept).unwrap_or_default()
}

/// Reads a row's account back.
pub(super) fn from_text(text: String) -> Result<SmppAccount, String> {
    let kept: Kept = json::read(&mut text.into_bytes()).map_err(|error| error.to_string())?;
    let digest = |text: &String| PasswordDigest::parse(text).ok_or("a digest of a password");
    let passwords: Result<Vec<_>, _> = kept.passwords.iter().map(digest).collect();
    let kinds = BindKinds::parse(kept.bind_types.iter().map(String::as_str));
    Ok(SmppAccount {
        system_id: kept.system_id,
        passwords: passwords?,
        kinds: kinds.ok_or("the bind types")?,
        binds_max: kept.binds_max,
        window: kept.window,
        alphabet: kept.alphabet.alphabet(),
        zone_minutes: kept.zone_minutes,
        repeats_text: kept.receipt_text,
        from_anywhere: kept.from_anywhere,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::terms::ids::Xpid;

    fn registration() -> Registration {
        Registration::new(Xpid::parse(b"00100000001").expect("legal"), "City")
    }

    fn change(json: &str) -> SmppChange {
        json::read(&mut json.as_bytes().to_vec()).expect("a change")
    }

    #[test]
    fn an_account_is_made_changed_kept_and_taken_away() {
        let mut registration = registration();
        change(r#"{"system_id":"city1","passwords":["one","two"],"from_anywhere":true}"#)
            .apply(&mut registration, &[])
            .expect("legal");
        change(
            r#"{"window":7,"alphabet":"latin-1","bind_types":["receiver"],"zone_minutes":0,
            "receipt_text":true}"#,
        )
        .apply(&mut registration, &[])
        .expect("legal");
        assert_eq!(registration.check(), Ok(()));
        let account = registration.smpp.clone().expect("there");
        assert!(account.passwords[1].is_of(b"two") && account.window == 7);
        assert!(account.repeats_text);
        assert_eq!(from_text(to_text(&account)), Ok(account.clone()));
        let shown = SmppDocument::of(&account);
        assert_eq!((shown.passwords, shown.binds_max), (2, 4));
        assert_eq!(
            (shown.alphabet, &shown.bind_types[..]),
            (TextAlphabet::Latin1, &["receiver".to_owned()][..])
        );
        let shown = simd_json::to_string(&shown).expect("JSON");
        assert!(!shown.contains("argon2id") && !shown.contains("\"two\""), "{shown}");
        change(r#"{"system_id":""}"#).apply(&mut registration, &[]).expect("legal");
        assert_eq!(registration.smpp, None);
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_sentence() {
        for (json, hint) in [
            (r#"{"window":7}"#, "--system-id"),
            (r#"{"system_id":"a","passwords":["ninechars"]}"#, "1 to 8"),
            (r#"{"system_id":"a","bind_types":["both"]}"#, "transceiver"),
        ] {
            let refused = change(json).apply(&mut registration(), &[]).expect_err(json);
            assert!(refused.contains(hint), "{refused}");
        }
        let mut open = registration();
        change(r#"{"system_id":"a","passwords":["b"]}"#)
            .apply(&mut open, &[])
            .expect("legal by itself");
        assert!(open.check().expect_err("no networks").to_string().contains("--network"));
        assert!(from_text("{}".to_owned()).is_err());
    }
}
