//! From when until when certificates count: the two dates of each in a file.
//!
//! Read from the certificate's own DER (RFC 5280 section 4.1): the dates are the fourth part behind
//! the version. Whoever checks a certificate for use is the library; this tells an operator before
//! it is too late.

use super::{TlsError, certificates};
use std::path::Path;
use wire::terms::calendar::parse_jst_digits;

/// DER tags: a sequence, the explicit version, the two forms of a time.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Two digits of a year from here on are of the century before (RFC 5280 section 4.1.2.5.1).
const LAST_CENTURY_FROM: u8 = b'5';
/// Digits are read as Japan's time, which is so much ahead.
const JAPAN_AHEAD_MS: u64 = 9 * 3_600_000;

/// The dates of a certificate, Unix milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dates {
    /// Its first moment.
    pub from_ms: u64,
    /// Its last.
    pub until_ms: u64,
}

/// The dates of each certificate in a PEM file, in its order; one whose dates cannot be read is
/// left out. `what` the file should hold.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub fn dates_in(what: &'static str, path: &Path) -> Result<Vec<Dates>, TlsError> {
    Ok(certificates(what, path)?.iter().filter_map(|der| dates_of(der)).collect())
}

fn dates_of(der: &[u8]) -> Option<Dates> {
    let (tag, certificate, _) = part(der)?;
    let (inner, signed, _) = part(certificate)?;
    if [tag, inner] != [SEQUENCE; 2] {
        return None;
    }
    let mut rest = signed;
    if rest.first() == Some(&VERSION) {
        rest = part(rest)?.2;
    }
    // Serial number, algorithm and issuer stand before the dates.
    for _ in 0..3 {
        rest = part(rest)?.2;
    }
    let (tag, validity, _) = part(rest)?;
    if tag != SEQUENCE {
        return None;
    }
    let (from_tag, from, rest) = part(validity)?;
    let (until_tag, until, _) = part(rest)?;
    Some(Dates { from_ms: time(from_tag, from)?, until_ms: time(until_tag, until)? })
}

/// The first part of some DER: its tag, what is in it, and what follows.
fn part(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (octets.iter().fold(0, |length, &octet| length << 8 | usize::from(octet)), rest)
        }
        _ => return None,
    };
    let (within, rest) = rest.split_at_checked(length)?;
    Some((tag, within, rest))
}

fn time(tag: u8, octets: &[u8]) -> Option<u64> {
    let digits = octets.strip_suffix(b"Z")?;
    let century: &[u8] = match (tag, digits.first()?) {
        (GENERALIZED_TIME, _) => b"",
        (UTC_TIME, &first) if first >= LAST_CENTURY_FROM => b"19",
        (UTC_TIME, _) => b"20",
        _ => return None,
    };
    parse_jst_digits(&[century, digits].concat())?.checked_add(JAPAN_AHEAD_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn made(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_dates_of_a_certificate_are_read_in_both_forms_and_of_noise_there_are_none() {
        let der = made((1999, 12, 31), (2049, 3, 1));
        let dates = dates_of(&der).expect("dates");
        assert_eq!((dates.from_ms, dates.until_ms), (946_598_400_000, 2_498_169_600_000));
        // From 2050 on with four digits of the year.
        let late = dates_of(&made((2020, 1, 1), (2090, 1, 1))).expect("dates");
        assert_eq!(late.until_ms, 3_786_912_000_000);
        for length in 0..der.len() {
            assert_eq!(dates_of(&der[..length]), None, "cut at {length}");
        }
        for at in 0..der.len() {
            let mut changed = der.clone();
            changed[at] ^= 0xFF;
            let _ = dates_of(&changed);
        }
        assert_eq!(dates_of(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]), None);
    }
}
