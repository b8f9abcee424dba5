//! The request scanner: one pass over a flat body, zero copies, a typed request or the first code
//! that applies.
//!
//! The general path (`fields`) takes elements in any order; the canonical path (`canonical`) takes
//! the order of the published sample with CRLF line ends at fixed offsets and must answer the same:
//! it either accepts or leaves the body to the general path, so every refusal comes from one place.
//!
//! # Order of the checks, first failure wins
//!
//! 1. 1001: the whole body is the flat form and nothing follows `data` (a second `data` is 1006);
//!    1007 if the declaration names another encoding.
//! 2. `fncid`: 1002 when absent, 1004 when its first occurrence is neither 0101 nor 0201.
//! 3. `comway`: 1005 when its first occurrence is not one of 1101, 1102, 1103, 1109.
//! 4. 1006: an element twice, or one that the event does not have.
//! 5. 1002: a required element missing; `alertid` and `alertseq` come together or not at all.
//! 6. 1003: a value outside its type; in document order of the interface's table.
//! 7. Text data: 1007 when not UTF-8, then 1003 for a character that XML 1.0 does not have or a bad
//!    character reference. A line end in it counts as it is written: LF is one character, CRLF are
//!    two.
//!
//! An octet outside ASCII is a bad value (1003) in every element but `data`. In control data it is
//! admission that answers "not even hex" (4004), as for any other wrong digit; so is an empty
//! `data` (4003). The msn 00000000000 stands for "all" in a cancellation, which then and only then
//! has an `alertid`; in a push it is a bad value.

mod canonical;
mod fields;

use crate::push::request::Echo;
use crate::push::response::Answer;
use crate::terms::code::Code;
use crate::terms::ids::{Class, Kind, Msn, Reqid, Xpid};

pub use super::entities::decode_entities;
pub use crate::submission::{Alert, CancelTarget, Cancellation};

/// An accepted request, borrowing from the body.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Request<'a> {
    /// E1, fncid 0101.
    Push(PushRequest<'a>),
    /// E3, fncid 0201.
    Cancel(Cancellation<'a>),
}

/// E1: a push request. Every value is inside its type; nothing is looked up yet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PushRequest<'a> {
    /// The last two digits of `comway`.
    pub class: Class,
    /// The destination, never 00000000000.
    pub msn: Msn,
    /// The push client's id of this push.
    pub reqid: Reqid,
    /// `svcid`.
    pub xpid: Xpid,
    /// `lifetime`: hours, 0 to 72; 0 is one attempt.
    pub lifetime_hours: u8,
    /// `ctrlflg`.
    pub kind: Kind,
    /// `pid`, if given.
    pub protocol_identifier: Option<u8>,
    /// `dcs`, if given.
    pub coding_scheme: Option<u8>,
    /// `udh`, if given: 2 to 268 hex digits, an even number.
    pub udh_hex: Option<&'a [u8]>,
    /// `oadr`, if given: 1 to 11 octets of type A.
    pub sender: Option<&'a [u8]>,
    /// `dlvntf`, if given.
    pub wants_notification: Option<bool>,
    /// `expiry`, if given, in Unix milliseconds.
    pub expiry_ms: Option<u64>,
    /// `alertid` and `alertseq`, if given.
    pub alert: Option<Alert<'a>>,
    /// The text of `data` as it came: entities not yet decoded, hex not yet checked, possibly
    /// empty. For text it is UTF-8 and its references are good.
    pub data: &'a [u8],
}

/// A refused body: the code, and what could still be read for the answer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ScanRefusal<'a> {
    /// One of the codes 1001 to 1007.
    pub code: Code,
    /// The elements to repeat in the answer.
    pub echo: Echo<'a>,
}

impl ScanRefusal<'_> {
    /// The body of the answer.
    pub fn answer(&self) -> Answer {
        Answer::refused(self.code, &self.echo)
    }
}

/// Reads one request body. Any octets are safe to give; the caller has bounded their number.
///
/// # Errors
/// The first code of the order above that applies, with what could be read for the answer.
pub fn scan(body: &[u8]) -> Result<Request<'_>, ScanRefusal<'_>> {
    match canonical::scan(body) {
        Some(request) => Ok(Request::Push(request)),
        None => fields::scan(body),
    }
}

#[cfg(test)]
mod tests;
