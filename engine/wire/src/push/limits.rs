//! Every bound of the push-client interface, units last.

use crate::terms::ids::{MSN_DIGITS, REQID_OCTETS_MAX, XPID_DIGITS};

/// Longest body of a request: 16 KiB.
pub const BODY_OCTETS_MAX: usize = 16 * 1024;
/// Longest HTTP head of a request, the empty line included.
pub const HEAD_OCTETS_MAX: usize = 8 * 1024;
/// Most header lines in a request or a response.
pub const HEADERS_MAX: usize = 64;
/// A receive buffer of this size holds any request that is not refused for its size.
pub const REQUEST_OCTETS_MAX: usize = HEAD_OCTETS_MAX + BODY_OCTETS_MAX;
/// Longest HTTP response that a push client may send to a notification, head and body together.
pub const CLIENT_RESPONSE_OCTETS_MAX: usize = 64 * 1024;
/// Longest HTTP head that is remembered to recognise its repetition on the same connection.
pub const REMEMBERED_HEAD_OCTETS_MAX: usize = 1024;

/// Digits of control data in the longest push: ten segments of 134 octets.
pub const CONTROL_DATA_DIGITS_MAX: usize = 2680;
/// Digits of `udh`.
pub const UDH_DIGITS_MAX: usize = 268;
/// Octets of `oadr`.
pub const SENDER_OCTETS_MAX: usize = 11;
/// Octets of `alertid`.
pub const ALERT_ID_OCTETS_MAX: usize = 32;
/// Octets of `ntfid`.
pub const NOTIFICATION_ID_OCTETS_MAX: usize = 20;
/// Hours of `lifetime`.
pub const LIFETIME_HOURS_MAX: u8 = 72;

/// Longest answer (E2, E4), head and body.
pub const ANSWER_OCTETS_MAX: usize = 512;
/// Longest body of a notification (E5, E7) or of its response (E6, E8).
pub const NOTIFICATION_BODY_OCTETS_MAX: usize = 768;

const _: () =
    assert!(CONTROL_DATA_DIGITS_MAX < BODY_OCTETS_MAX, "the longest control push fits a body");
const _: () = assert!(HEAD_OCTETS_MAX < REQUEST_OCTETS_MAX);
const _: () =
    assert!(CONTROL_DATA_DIGITS_MAX.is_multiple_of(2) && UDH_DIGITS_MAX.is_multiple_of(2));
const _: () = assert!(
    ANSWER_OCTETS_MAX >= 300 + 123 + MSN_DIGITS + REQID_OCTETS_MAX + XPID_DIGITS + 7,
    "the longest head, the five elements' tags and line ends, and their longest texts"
);

/// Longest notification URL, in octets.
pub const NOTIFY_URL_OCTETS_MAX: usize = 512;

/// Levels that a JSON document may nest; the deepest of this program has four.
pub const NESTING_MAX: usize = 16;
