//! What a registration says of SMPP: who may bind with it, how, and how many at a time.
//!
//! Passwords are kept as Argon2id digests. To check one takes some tens of milliseconds and twenty
//! megabytes, so only the thread that checks binds ever does (`io::serving`), never a shard.
//!
//! **Never here:** a session, or a password beyond the call that it came with.

use super::limits::{BINDS_MAX, SMPP_PASSWORDS_MAX, SMPP_WINDOW_MAX};
use argon2::{Algorithm, Argon2, Params, Version};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use wire::smpp::coding::Alphabet;
use wire::smpp::limits::{PASSWORD_OCTETS_MAX, SYSTEM_ID_OCTETS_MAX};
use wire::smpp::pdu::BindKind;

/// The account of a registration.
#[derive(Clone, PartialEq, Debug)]
pub struct SmppAccount {
    /// By which it binds: 1 to 15 printable characters of ASCII. No two registrations have the
    /// same.
    pub system_id: String,
    /// What its passwords are checked against, the older one first; at most two.
    pub passwords: Vec<PasswordDigest>,
    /// How it may bind.
    pub kinds: BindKinds,
    /// Sessions at a time, 1 to 64.
    pub binds_max: u8,
    /// Requests of a session that wait for their answers, 1 to 2,048; reading stops there.
    pub window: u16,
    /// What text of data_coding 0 is in.
    pub alphabet: Alphabet,
    /// The zone of the dates in receipts, minutes east of universal time.
    pub zone_minutes: i16,
    /// Receipts repeat the first characters of the text.
    pub repeats_text: bool,
    /// It may bind from anywhere: an account of 8 characters wants networks otherwise.
    pub from_anywhere: bool,
}

impl SmppAccount {
    /// Japan's.
    pub const ZONE_MINUTES_DEFAULT: i16 = 540;
    /// As of most SMSCs.
    pub const BINDS_MAX_DEFAULT: u8 = 4;
    /// Five times what clients mostly use.
    pub const WINDOW_DEFAULT: u16 = 50;
    /// The farthest that a zone is off.
    const ZONE_MINUTES_MAX: i16 = 14 * 60;

    /// An account with the defaults, and no password yet.
    pub fn new(system_id: impl Into<String>) -> Self {
        Self {
            system_id: system_id.into(),
            passwords: Vec::new(),
            kinds: BindKinds::ALL,
            binds_max: Self::BINDS_MAX_DEFAULT,
            window: Self::WINDOW_DEFAULT,
            alphabet: Alphabet::Gsm,
            zone_minutes: Self::ZONE_MINUTES_DEFAULT,
            repeats_text: false,
            from_anywhere: false,
        }
    }

    /// Whether it can be used; `has_networks`: its registration says where pushes come from.
    ///
    /// # Errors
    /// The first thing that is wrong, as a sentence for the operator.
    pub fn check(&self, has_networks: bool) -> Result<(), SmppAccountError> {
        let id = self.system_id.as_bytes();
        let is_legal =
            (1..SYSTEM_ID_OCTETS_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
        if !is_legal {
            return Err(SmppAccountError::SystemId);
        }
        if !(1..=SMPP_PASSWORDS_MAX).contains(&self.passwords.len()) {
            return Err(SmppAccountError::Passwords);
        }
        if !(1..=BINDS_MAX).contains(&self.binds_max) {
            return Err(SmppAccountError::Binds);
        }
        if !(1..=SMPP_WINDOW_MAX).contains(&self.window) {
            return Err(SmppAccountError::Window);
        }
        if self.kinds == BindKinds::NONE {
            return Err(SmppAccountError::Kinds);
        }
        if self.zone_minutes.abs() > Self::ZONE_MINUTES_MAX {
            return Err(SmppAccountError::Zone);
        }
        if !has_networks && !self.from_anywhere {
            return Err(SmppAccountError::NoNetworks);
        }
        Ok(())
    }
}

/// Why an account cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum SmppAccountError {
    /// Empty, too long, or of other characters.
    #[error("a system_id has 1 to 15 printable ASCII characters without blanks; give another one")]
    SystemId,
    /// None, or too many.
    #[error("an account has one password or two; give them with --smpp-password-file")]
    Passwords,
    /// A password that no bind can carry.
    #[error("a password of SMPP has 1 to 8 printable ASCII characters; give another one")]
    Password,
    /// Out of range.
    #[error("an account has 1 to {BINDS_MAX} binds; give another number")]
    Binds,
    /// Out of range.
    #[error("a window has 1 to {SMPP_WINDOW_MAX} requests; give another number")]
    Window,
    /// None at all.
    #[error("an account may bind as transmitter, receiver or transceiver; name at least one")]
    Kinds,
    /// Out of range.
    #[error("a zone is at most 840 minutes off universal time; give another one")]
    Zone,
    /// A weak password would be all that is asked for.
    #[error(
        "an account of SMPP needs the networks that it binds from, since its password has 8 \
         characters at most: name them with --network, or say --smpp-from-anywhere"
    )]
    NoNetworks,
    /// Another registration has it.
    #[error("the system_id {0:?} is another registration's; give each one of its own")]
    SystemIdTwice(String),
}

/// How an account may bind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BindKinds(u8);

impl BindKinds {
    /// In every way.
    pub const ALL: Self = Self(0b111);
    /// In none.
    pub const NONE: Self = Self(0);

    const WORDS: [(BindKind, &str); 3] = [
        (BindKind::Transmitter, "transmitter"),
        (BindKind::Receiver, "receiver"),
        (BindKind::Transceiver, "transceiver"),
    ];

    /// Whether this one is among them.
    pub fn contains(self, kind: BindKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// Reads words; `None` for an unknown one.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        words.into_iter().try_fold(Self::NONE, |kinds, word| {
            let (kind, _) = Self::WORDS.into_iter().find(|&(_, known)| known == word)?;
            Some(Self(kinds.0 | Self::bit(kind)))
        })
    }

    /// The words for them.
    pub fn words(self) -> Vec<String> {
        let own = Self::WORDS.into_iter().filter(|&(kind, _)| self.contains(kind));
        own.map(|(_, word)| word.to_owned()).collect()
    }

    const fn bit(kind: BindKind) -> u8 {
        match kind {
            BindKind::Transmitter => 1,
            BindKind::Receiver => 2,
            BindKind::Transceiver => 4,
        }
    }
}

/// The digest of a password, with what it takes to make it again.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PasswordDigest(String);

impl std::fmt::Debug for PasswordDigest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PasswordDigest")
    }
}

/// Octets of a digest and of a salt.
const DIGEST_OCTETS: usize = 32;
const SALT_OCTETS: usize = 16;
/// What a digest is made with: as much memory as OWASP advises for two passes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// The most that is read out of a registry.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;

impl PasswordDigest {
    /// Digests a password with a salt that nobody has used before.
    ///
    /// # Errors
    /// It is none that a bind can carry.
    pub fn make(password: &str, salt: [u8; SALT_OCTETS]) -> Result<Self, SmppAccountError> {
        let octets = password.as_bytes();
        let is_legal = (1..PASSWORD_OCTETS_MAX).contains(&octets.len())
            && octets.iter().all(u8::is_ascii_graphic);
        let digest = is_legal.then(|| digest(octets, &salt, [MEMORY_KIB, PASSES, LANES])).flatten();
        let digest = digest.ok_or(SmppAccountError::Password)?;
        let mut text = format!("argon2id${MEMORY_KIB}${PASSES}${LANES}$");
        write_hex(&mut text, &salt);
        text.push('$');
        write_hex(&mut text, &digest);
        Ok(Self(text))
    }

    /// Reads one as the registry keeps it.
    pub fn parse(text: &str) -> Option<Self> {
        let digest = Self(text.to_owned());
        digest.parts().is_some().then_some(digest)
    }

    /// As the registry keeps it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the password. Takes long.
    pub fn is_of(&self, password: &[u8]) -> bool {
        let Some((cost, salt, expected)) = self.parts() else { return false };
        digest(password, &salt, cost).is_some_and(|digest| digest.ct_eq(&expected).into())
    }

    fn parts(&self) -> Option<([u32; 3], [u8; SALT_OCTETS], [u8; DIGEST_OCTETS])> {
        let mut parts = self.0.split('$');
        if parts.next() != Some("argon2id") {
            return None;
        }
        let mut number = || parts.next()?.parse::<u32>().ok();
        let cost = [number()?, number()?, number()?];
        let salt = read_hex(parts.next()?)?;
        let digest = read_hex(parts.next()?)?;
        let is_bounded = cost[0] <= MEMORY_KIB_MAX && cost[1] <= PASSES_MAX && cost[2] == LANES;
        (parts.next().is_none() && is_bounded).then_some((cost, salt, digest))
    }
}

fn digest(
    password: &[u8],
    salt: &[u8],
    [memory_kib, passes, lanes]: [u32; 3],
) -> Option<[u8; DIGEST_OCTETS]> {
    let params = Params::new(memory_kib, passes, lanes, Some(DIGEST_OCTETS)).ok()?;
    let mut out = [0; DIGEST_OCTETS];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(password, salt, &mut out).ok()?;
    Some(out)
}

fn write_hex(text: &mut String, octets: &[u8]) {
    for octet in octets {
        // Writing to text cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
}

fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (at, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(octets)
}

/// How many of an account's sessions are bound, and in which shards it can be told receipts. Shared
/// by all shards; survives a change of the registration.
#[derive(Debug, Default)]
pub struct Seats {
    taken: AtomicU32,
    /// Shards with a session that receives, a bit each, the 64th after the first.
    receivers: AtomicU64,
}

impl Seats {
    /// Takes one of so many seats, if one is free.
    pub fn take(&self, most: u8) -> bool {
        let next = |taken: u32| (taken < u32::from(most)).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Gives one back.
    pub fn give_back(&self) {
        let before = self.taken.fetch_sub(1, Ordering::Relaxed);
        assert!(before > 0, "only a seat that was taken is given back");
    }

    /// How many are taken.
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether this shard has a session that receives.
    pub fn show_receivers(&self, shard: usize, any: bool) {
        let bit = 1 << (shard % u64::BITS as usize);
        if any {
            self.receivers.fetch_or(bit, Ordering::Release);
        } else {
            self.receivers.fetch_and(!bit, Ordering::Release);
        }
    }

    /// The shards, of so many, that may have a session that receives.
    pub fn receivers(&self, shards: usize) -> impl Iterator<Item = usize> + use<> {
        let bits = self.receivers.load(Ordering::Acquire);
        (0..shards).filter(move |shard| bits >> (shard % u64::BITS as usize) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_digest_and_by_nothing_else() {
        let one = PasswordDigest::make("secret08", [7; 16]).expect("legal");
        let read = PasswordDigest::parse(one.as_str()).expect("as it was written");
        assert!(read.is_of(b"secret08") && !read.is_of(b"secret09") && !read.is_of(b""));
        assert_ne!(one, PasswordDigest::make("secret08", [8; 16]).expect("legal"));
        assert_eq!(format!("{one:?}"), "PasswordDigest");
        for wrong in ["", "ninechars", "a b", "ä"] {
            assert_eq!(PasswordDigest::make(wrong, [0; 16]), Err(SmppAccountError::Password));
        }
        let text = one.as_str();
        for damaged in ["", "argon2id$1$2", &text[..text.len() - 1], &text.replace("$2$", "$99$")] {
            assert_eq!(PasswordDigest::parse(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn an_account_that_cannot_be_used_is_named() {
        let mut account = SmppAccount::new("client1");
        assert_eq!(account.check(true), Err(SmppAccountError::Passwords));
        account.passwords = vec![PasswordDigest("any".to_owned())];
        assert_eq!(account.check(true), Ok(()));
        assert_eq!(account.check(false), Err(SmppAccountError::NoNetworks));
        account.from_anywhere = true;
        assert_eq!(account.check(false), Ok(()));
        type Change = fn(&mut SmppAccount);
        let wrong: [(SmppAccountError, Change); 7] = [
            (SmppAccountError::SystemId, |one| one.system_id.clear()),
            (SmppAccountError::SystemId, |one| one.system_id = "x".repeat(16)),
            (SmppAccountError::SystemId, |one| one.system_id = "a b".to_owned()),
            (SmppAccountError::Binds, |one| one.binds_max = 0),
            (SmppAccountError::Window, |one| one.window = 2049),
            (SmppAccountError::Kinds, |one| one.kinds = BindKinds::NONE),
            (SmppAccountError::Zone, |one| one.zone_minutes = -841),
        ];
        for (error, change) in wrong {
            let mut account = account.clone();
            change(&mut account);
            assert_eq!(account.check(true), Err(error));
        }
    }

    #[test]
    fn seats_are_counted_and_receivers_shown_by_shard() {
        let seats = Seats::default();
        assert!(seats.take(2) && seats.take(2) && !seats.take(2));
        seats.give_back();
        assert!(seats.take(2) && seats.taken() == 2);
        seats.show_receivers(1, true);
        seats.show_receivers(3, true);
        assert_eq!(seats.receivers(4).collect::<Vec<_>>(), [1, 3]);
        seats.show_receivers(1, false);
        assert_eq!(seats.receivers(4).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        let some = BindKinds::parse(["receiver", "transmitter"]).expect("words");
        assert_eq!(some.words(), ["transmitter", "receiver"]);
        assert!(!some.contains(BindKind::Transceiver));
        assert_eq!(BindKinds::parse(["both"]), None);
        assert_eq!(BindKinds::ALL.words().len(), 3);
    }
}
