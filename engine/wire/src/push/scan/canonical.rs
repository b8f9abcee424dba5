//! The canonical path: the published sample's order, blanks and CRLF line ends put every front
//! element at a fixed offset. Accepts or leaves the body to the general path; never refuses.

use super::PushRequest;
use super::fields::{self, Front, Options};
use crate::terms::ids::{Class, Msn, REQID_OCTETS_MAX, Reqid, Xpid};
use memchr::memchr;

const OPENING: &[u8; 58] = b"<?xml version = \"1.0\" ?>\r\n<fncid>0101</fncid>\r\n<comway>110";
const CLASS_AT: usize = OPENING.len();
const BEFORE_MSN: &[u8; 16] = b"</comway>\r\n<msn>";
const MSN_AT: usize = CLASS_AT + 1 + BEFORE_MSN.len();
const BEFORE_REQID: &[u8; 15] = b"</msn>\r\n<reqid>";
const REQID_AT: usize = MSN_AT + 11 + BEFORE_REQID.len();
const BEFORE_SVCID: &[u8; 17] = b"</reqid>\r\n<svcid>";
const BEFORE_LIFETIME: &[u8; 20] = b"</svcid>\r\n<lifetime>";
const BEFORE_CTRLFLG: &[u8; 22] = b"</lifetime>\r\n<ctrlflg>";
const AFTER_CTRLFLG: &[u8; 12] = b"</ctrlflg>\r\n";

const _: () = assert!(MSN_AT == 75 && REQID_AT == 101, "the offsets of the interface description");

/// The request, if the body has the canonical shape and every value is good.
//= push body canonical
pub(super) fn scan(body: &[u8]) -> Option<PushRequest<'_>> {
    let (opening, _) = body.split_first_chunk::<REQID_AT>()?;
    let fixed = opening[..CLASS_AT] == *OPENING
        && opening[CLASS_AT + 1..MSN_AT] == *BEFORE_MSN
        && opening[MSN_AT + 11..REQID_AT] == *BEFORE_REQID;
    if !fixed {
        return None;
    }
    let class = Class::from_number(opening[CLASS_AT].wrapping_sub(b'0'))?;
    let msn = Msn::parse(&opening[MSN_AT..MSN_AT + 11]).filter(|&msn| msn != Msn::ALL)?;
    let rest = &body[REQID_AT..];
    let reqid_octets = memchr(b'<', &rest[..rest.len().min(REQID_OCTETS_MAX + 1)])?;
    let reqid = Reqid::parse(&rest[..reqid_octets])?;
    let rest = rest[reqid_octets..].strip_prefix(BEFORE_SVCID)?;
    let (svcid, rest) = rest.split_first_chunk::<11>()?;
    let xpid = Xpid::parse(svcid)?;
    let (lifetime, rest) = rest.strip_prefix(BEFORE_LIFETIME)?.split_first_chunk::<2>()?;
    let lifetime_hours = fields::parse_lifetime(lifetime)?;
    let (ctrlflg, rest) = rest.strip_prefix(BEFORE_CTRLFLG)?.split_first_chunk::<1>()?;
    let kind = fields::parse_kind(ctrlflg)?;
    let rest = rest.strip_prefix(AFTER_CTRLFLG)?;
    let (options, data) = match rest.strip_prefix(b"<data>") {
        Some(rest) => (Options::default(), only_data(rest)?),
        None => Options::read_tail(rest)?,
    };
    fields::check_data(kind, data).ok()?;
    Some(options.with(Front { class, msn, reqid, xpid, lifetime_hours, kind }, data))
}

/// The text of `data`, if it ends the body.
fn only_data(rest: &[u8]) -> Option<&[u8]> {
    let (data, end) = rest.split_at(memchr(b'<', rest)?);
    matches!(end, b"</data>\r\n" | b"</data>\n" | b"</data>").then_some(data)
}
