//! Fingerprints: 64 bits that stand for a push's key, for an alert, and for an alert at one msn.
//!
//! They are made by SipHash-1-3 under a key that each data directory has for itself and that nobody
//! outside knows: who knew it could make a push or an alert that meets another client's.
//! Directories from before that key have fingerprints that everybody can calculate; for some days a
//! look-up there asks by both ([`FingerprintKeys::older_until_ms`]).
//!
//! Never here: the file with the key (that is `crate::start::fingerprint_key`), or what is found
//! under a fingerprint.

use siphasher::sip::SipHasher13;
use wire::terms::ids::{Msn, Reqid, Xpid};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What tells the three apart. They are kept in journals and must never change.
#[derive(Clone, Copy)]
enum Of {
    PushKey = 1,
    AlertKey = 3,
    Alert = 4,
}

/// Longest input: what it is of, XPID, msn, and an alertid of 32 octets.
const OCTETS_MAX: usize = 64;

/// How fingerprints are made.
#[derive(Clone, Copy)]
enum Method {
    Keyed([u64; 2]),
    /// As before there were keys.
    Open,
    /// All are one, as if somebody had found out how to meet another's.
    #[cfg(test)]
    Alike,
}

/// Makes fingerprints.
#[derive(Clone, Copy)]
pub struct Fingerprints(Method);

impl std::fmt::Debug for Fingerprints {
    /// Without the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self.0 {
            Method::Keyed(_) => "Fingerprints(keyed)",
            Method::Open => "Fingerprints(open)",
            #[cfg(test)]
            Method::Alike => "Fingerprints(alike)",
        })
    }
}

/// How a shard makes fingerprints, and how it did before.
#[derive(Clone, Copy, Debug)]
pub struct FingerprintKeys {
    /// Under the directory's key.
    pub keyed: Fingerprints,
    /// Until when look-ups ask by the fingerprints from before there was a key too, Unix
    /// milliseconds; `None` in a directory that always had one.
    pub older_until_ms: Option<u64>,
}

impl Fingerprints {
    /// Under this key.
    pub fn new(key: [u8; 16]) -> Self {
        let [low, high] = [0, 8].map(|at| {
            let mut half = [0; 8];
            half.copy_from_slice(&key[at..at + 8]);
            u64::from_le_bytes(half)
        });
        Self(Method::Keyed([low, high]))
    }

    /// As before there were keys.
    pub fn open() -> Self {
        Self(Method::Open)
    }

    /// One for all names.
    #[cfg(test)]
    pub(crate) fn alike() -> Self {
        Self(Method::Alike)
    }

    /// A push's key (svcid, msn, reqid).
    pub fn push_key(&self, xpid: Xpid, msn: Msn, reqid: Reqid) -> u64 {
        self.of_msn(Of::PushKey, xpid, msn, reqid.as_bytes())
    }

    /// An alert at one msn, (svcid, msn, alertid): where a higher `alertseq` replaces lower ones.
    pub fn alert_key(&self, xpid: Xpid, msn: Msn, alert_id: &[u8]) -> u64 {
        self.of_msn(Of::AlertKey, xpid, msn, alert_id)
    }

    /// A whole alert, (svcid, alertid): what a cancellation of an alert names.
    pub fn alert(&self, xpid: Xpid, alert_id: &[u8]) -> u64 {
        let mut octets = [0; OCTETS_MAX];
        octets[0] = Of::Alert as u8;
        octets[1..9].copy_from_slice(&xpid.value().to_le_bytes());
        octets[9..9 + alert_id.len()].copy_from_slice(alert_id);
        self.hash(&octets[..9 + alert_id.len()])
    }

    fn of_msn(&self, of: Of, xpid: Xpid, msn: Msn, name: &[u8]) -> u64 {
        let mut octets = [0; OCTETS_MAX];
        octets[0] = of as u8;
        octets[1..9].copy_from_slice(&xpid.value().to_le_bytes());
        octets[9..17].copy_from_slice(&msn.value().to_le_bytes());
        octets[17..17 + name.len()].copy_from_slice(name);
        self.hash(&octets[..17 + name.len()])
    }

    fn hash(&self, octets: &[u8]) -> u64 {
        match self.0 {
            Method::Keyed([low, high]) => SipHasher13::new_with_keys(low, high).hash(octets),
            // The first octet was the seed.
            Method::Open => xxh3_64_with_seed(&octets[1..], u64::from(octets[0])),
            #[cfg(test)]
            Method::Alike => 0x00A1_1CE5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (Xpid, Msn, Reqid) {
        let (Some(xpid), Some(msn)) =
            (Xpid::from_value(100_000_001), Msn::from_value(9_012_345_678))
        else {
            unreachable!("both are legal")
        };
        (xpid, msn, Reqid::parse(b"20260101-000001").expect("legal"))
    }

    #[test]
    fn each_name_and_each_key_makes_other_fingerprints() {
        let (xpid, msn, reqid) = names();
        let of = |fingerprints: Fingerprints| {
            [
                fingerprints.push_key(xpid, msn, reqid),
                fingerprints.alert_key(xpid, msn, reqid.as_bytes()),
                fingerprints.alert(xpid, reqid.as_bytes()),
            ]
        };
        let all =
            [Fingerprints::new([7; 16]), Fingerprints::new([8; 16]), Fingerprints::open()].map(of);
        let mut flat = all.concat();
        flat.sort_unstable();
        flat.dedup();
        assert_eq!(flat.len(), 9);
    }

    /// Journals keep these numbers: a change here would forget every key that is remembered.
    #[test]
    fn fingerprints_never_change() {
        let (xpid, msn, reqid) = names();
        let keyed = Fingerprints::new(*b"0123456789abcdef");
        let mut octets = vec![1];
        octets.extend_from_slice(&xpid.value().to_le_bytes());
        octets.extend_from_slice(&msn.value().to_le_bytes());
        octets.extend_from_slice(reqid.as_bytes());
        let halves = [*b"01234567", *b"89abcdef"].map(u64::from_le_bytes);
        let expected = SipHasher13::new_with_keys(halves[0], halves[1]).hash(&octets);
        assert_eq!(keyed.push_key(xpid, msn, reqid), expected);
    }
}
