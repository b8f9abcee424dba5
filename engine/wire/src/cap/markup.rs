//! One pass over a document before anybody parses it: what could make parsing dear or dangerous is
//! refused here, with no memory but a counter.
//!
//! What it lets through may still be no XML: that is the parser's to say.

use memchr::{memchr, memchr3, memmem};

use super::limits::{DEPTH_MAX, NAMESPACES_MAX, TAG_OCTETS_MAX};
use super::refusal::WarningRefusal;

/// Refuses a document type, a tag of unreasonable length, elements that nest too deep, and more
/// namespaces than any alert has.
pub(super) fn check(text: &str) -> Result<(), WarningRefusal> {
    let octets = text.as_bytes();
    let (mut at, mut depth, mut namespaces) = (0, 0usize, 0);
    while let Some(found) = memchr(b'<', &octets[at..]) {
        let tag = &octets[at + found..];
        let length = match tag {
            [b'<', b'!', b'-', b'-', ..] => length_to(tag, b"-->", "a comment")?,
            [b'<', b'!', b'[', ..] => length_to(tag, b"]]>", "a section of character data")?,
            [b'<', b'!', ..] => {
                return Err(WarningRefusal::document(
                    "it has a document type (DOCTYPE), by which a document can have others read: \
                     send it without",
                ));
            }
            [b'<', b'?', ..] => length_to(tag, b"?>", "an instruction")?,
            _ => {
                let length = tag_length(tag)?;
                namespaces += memmem::find_iter(&tag[..length], b"xmlns").count();
                match (tag.get(1), tag[length - 2]) {
                    (Some(b'/'), _) => depth = depth.saturating_sub(1),
                    (_, b'/') => check_depth(depth + 1)?,
                    _ => {
                        depth += 1;
                        check_depth(depth)?;
                    }
                }
                length
            }
        };
        at += found + length;
    }
    if namespaces > NAMESPACES_MAX {
        return Err(WarningRefusal::document(format!(
            "it declares namespaces {namespaces} times, more than {NAMESPACES_MAX}: declare the \
             alert's once, on the first element"
        )));
    }
    Ok(())
}

fn check_depth(depth: usize) -> Result<(), WarningRefusal> {
    if depth <= DEPTH_MAX {
        return Ok(());
    }
    Err(WarningRefusal::document(format!(
        "its elements nest deeper than {DEPTH_MAX}: no alert does"
    )))
}

fn length_to(rest: &[u8], end: &[u8], what: &str) -> Result<usize, WarningRefusal> {
    let at = memmem::find(rest, end);
    at.map(|at| at + end.len())
        .ok_or_else(|| WarningRefusal::document(format!("{what} does not end: send all of it")))
}

/// The length of a tag with its brackets; a `>` in quotes does not end it.
fn tag_length(tag: &[u8]) -> Result<usize, WarningRefusal> {
    let reach = &tag[..tag.len().min(TAG_OCTETS_MAX)];
    let mut at = 1;
    while let Some(found) = memchr3(b'>', b'"', b'\'', &reach[at..]) {
        at += found;
        match reach[at] {
            b'>' => return Ok(at + 1),
            quote => match memchr(quote, &reach[at + 1..]) {
                Some(length) => at += length + 2,
                None => break,
            },
        }
    }
    Err(WarningRefusal::document(format!(
        "a tag does not end within {TAG_OCTETS_MAX} octets: send all of it, without long attributes"
    )))
}
