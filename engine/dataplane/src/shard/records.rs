//! Small conversions between what the journal keeps and what the rooms speak.

use wire::sms::limits::TIME_OCTETS;
use wire::sms::relay;
use wire::sms::relay::OriginatingAddress;
use wire::terms::calendar;
use wire::terms::ids::{REQID_OCTETS_MAX, Reqid, Xpid};
use wire::terms::mix::mix;
use wire::terms::svcinst::Svcinst;
use wire::terms::time::WallMs;

/// A reqid as the journal keeps it.
pub(super) fn reqid_octets(reqid: Reqid) -> ([u8; REQID_OCTETS_MAX], u8) {
    let mut octets = [0; REQID_OCTETS_MAX];
    let bytes = reqid.as_bytes();
    octets[..bytes.len()].copy_from_slice(bytes);
    (octets, bytes.len() as u8)
}

/// Whose places something counts against where places are shared among the XPIDs: 15 bits, as the
/// journal keeps them. Two XPIDs that fold to the same value share one share.
pub(super) fn share(xpid: Xpid) -> u16 {
    mix(xpid.value()) as u16 >> 1
}

/// Seconds whose time stamps are kept.
const STAMPS_KEPT: usize = 8;

/// Time stamps of the seconds that were asked for last: those of the pushes of one second are one,
/// and each is asked for several times.
pub(super) struct Stamps([(u64, [u8; TIME_OCTETS]); STAMPS_KEPT]);

impl Stamps {
    /// None is known yet.
    pub(super) fn new() -> Self {
        Self([(u64::MAX, [0; TIME_OCTETS]); STAMPS_KEPT])
    }

    /// See [`scts`].
    pub(super) fn scts(&mut self, at_ms: WallMs) -> [u8; TIME_OCTETS] {
        let second = at_ms.ms() / 1000;
        let (kept, stamp) = &mut self.0[second as usize % STAMPS_KEPT];
        if *kept != second {
            (*kept, *stamp) = (second, scts(at_ms));
        }
        *stamp
    }
}

/// TP-Service-Centre-Time-Stamp of a moment: local time, zone +9 h.
pub(super) fn scts(at_ms: WallMs) -> [u8; TIME_OCTETS] {
    let civil = calendar::jst(at_ms.ms());
    relay::scts_jst(civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second)
}

/// Service instruction values from the journal's octet.
pub(super) fn svcinst(bits: u8) -> Svcinst {
    Svcinst::from_bits(bits)
}

/// The originating address of a sender that the registration no longer has.
pub(super) fn originating_address(sender: &[u8]) -> OriginatingAddress {
    std::str::from_utf8(sender)
        .ok()
        .and_then(|text| OriginatingAddress::parse(text).ok())
        .unwrap_or_else(unknown_sender)
}

/// What a terminal shows when the sender's text, checked at registration, cannot be read back.
fn unknown_sender() -> OriginatingAddress {
    OriginatingAddress::from_digits(b"0").expect("one digit is an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_time_stamp_is_that_of_its_second() {
        const NOW_MS: WallMs = WallMs::new(1_800_000_000_000);
        let mut stamps = Stamps::new();
        // Seconds that share a place follow each other, and so do milliseconds of one second.
        for at in [0, 1, 999, 1_000, 8_000, 0, 8_999, 86_400_000, 500, 16_000, 1_001] {
            assert_eq!(stamps.scts(NOW_MS + at), scts(NOW_MS + at), "after {at} ms");
        }
        let early = [WallMs::ZERO, WallMs::new(7_000)];
        assert_eq!(early.map(|at_ms| stamps.scts(at_ms)), early.map(scts));
    }
}
