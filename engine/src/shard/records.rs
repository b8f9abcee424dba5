//! Small conversions between what the journal keeps and what the rooms speak.

use wire::sms::relay;
use wire::sms::relay::OriginatingAddress;
use wire::terms::calendar;
use wire::terms::ids::{REQID_OCTETS_MAX, Reqid, Xpid};
use wire::terms::mix::mix;
use wire::terms::svcinst::Svcinst;

/// A reqid as the journal keeps it.
pub(super) fn reqid_octets(reqid: Reqid) -> ([u8; REQID_OCTETS_MAX], u8) {
    let mut octets = [0; REQID_OCTETS_MAX];
    let bytes = reqid.as_bytes();
    octets[..bytes.len()].copy_from_slice(bytes);
    (octets, bytes.len() as u8)
}

/// Whose places something counts against where places are shared among the XPIDs: 15 bits, as the journal keeps them. Two
/// XPIDs that fold to the same value share one share.
pub(super) fn share(xpid: Xpid) -> u16 {
    mix(xpid.value()) as u16 >> 1
}

/// TP-Service-Centre-Time-Stamp of a moment: local time, zone +9 h.
pub(super) fn scts(unix_ms: u64) -> [u8; 7] {
    let civil = calendar::jst(unix_ms);
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
