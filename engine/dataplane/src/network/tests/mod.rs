//! Tests of the core network that take more than one file to say.

mod gmsc;
mod line_states;
mod reports;
mod simulated;

/// An SMS-DELIVER from 09012345678's short code, stamped 2026-11-22 13:34:30 +9 h.
pub(crate) fn deliver(first: u8, coding_scheme: u8, length: u8, user_data: &[u8]) -> Vec<u8> {
    let mut tpdu = vec![first, 4, 0x81, 0x21, 0x43, 0x00, coding_scheme];
    tpdu.extend([0x62, 0x11, 0x22, 0x31, 0x43, 0x03, 0x63, length]);
    tpdu.extend(user_data);
    tpdu
}
