//! The repeated head: clients send the same head with every request of a connection, but for the
//! digits of `Content-Length`. Comparing it with the last one costs a fraction of parsing it.

use super::{HeadOutcome, RequestHead, read_head};
use crate::push::limits::{BODY_OCTETS_MAX, REMEMBERED_HEAD_OCTETS_MAX};

/// More digits than any accepted length needs; a longer run of zeros is for the parser to judge.
const LENGTH_DIGITS_MAX: usize = 8;

/// One connection's last accepted head. Everything that [`read_head`] says about a head follows
/// from its octets alone, so equal octets need no second look; the octets before and after the
/// length's digits are compared and the digits read afresh.
#[derive(Clone, Debug, Default)]
pub struct HeadMemory {
    octets: Vec<u8>,
    digits_at: usize,
    digits_end: usize,
    authorization: Option<(usize, usize)>,
    keep_alive: bool,
    announce_keep_alive: bool,
    expect_continue: bool,
}

impl HeadMemory {
    /// A memory of nothing, with the room for one head.
    pub fn new() -> Self {
        Self { octets: Vec::with_capacity(REMEMBERED_HEAD_OCTETS_MAX), ..Self::default() }
    }

    /// The answer of [`read_head`] for `buffer`, faster when the head is the last one again.
    pub fn read<'a>(&mut self, buffer: &'a [u8]) -> HeadOutcome<'a> {
        if let Some(head) = self.recognise(buffer) {
            return HeadOutcome::Complete(head);
        }
        let outcome = read_head(buffer);
        if let HeadOutcome::Complete(head) = &outcome {
            self.remember(&buffer[..head.head_octets], head);
        }
        outcome
    }

    #[inline]
    fn recognise<'a>(&self, buffer: &'a [u8]) -> Option<RequestHead<'a>> {
        if self.octets.is_empty() {
            return None;
        }
        let rest = buffer.strip_prefix(&self.octets[..self.digits_at])?;
        let mut body_octets = 0;
        let mut digits = 0;
        while let Some(digit) =
            rest.get(digits).map(|octet| octet.wrapping_sub(b'0')).filter(|&digit| digit < 10)
        {
            body_octets = body_octets * 10 + usize::from(digit);
            digits += 1;
            if body_octets > BODY_OCTETS_MAX || digits > LENGTH_DIGITS_MAX {
                return None;
            }
        }
        let after = &self.octets[self.digits_end..];
        if digits == 0 || !rest[digits..].starts_with(after) {
            return None;
        }
        let digits_end = self.digits_at + digits;
        let moved =
            |at: usize| if at < self.digits_end { at } else { at - self.digits_end + digits_end };
        Some(RequestHead {
            head_octets: digits_end + after.len(),
            body_octets,
            keep_alive: self.keep_alive,
            announce_keep_alive: self.announce_keep_alive,
            authorization: self.authorization.map(|(from, to)| &buffer[moved(from)..moved(to)]),
            expect_continue: self.expect_continue,
        })
    }

    fn remember(&mut self, octets: &[u8], head: &RequestHead<'_>) {
        self.octets.clear();
        if octets.len() > REMEMBERED_HEAD_OCTETS_MAX {
            return;
        }
        let Some((digits_at, digits_end)) = find_length_digits(octets) else { return };
        self.octets.extend_from_slice(octets);
        self.digits_at = digits_at;
        self.digits_end = digits_end;
        self.authorization = head.authorization.map(|value| {
            let from = value.as_ptr().addr() - octets.as_ptr().addr();
            (from, from + value.len())
        });
        self.keep_alive = head.keep_alive;
        self.announce_keep_alive = head.announce_keep_alive;
        self.expect_continue = head.expect_continue;
    }
}

/// Where the digits of the one `Content-Length` of an accepted head stand.
fn find_length_digits(head: &[u8]) -> Option<(usize, usize)> {
    const NAME: &[u8] = b"content-length:";
    let mut line_at = 0;
    for line in head.split_inclusive(|&octet| octet == b'\n') {
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let value = &line[NAME.len()..];
            let blanks = value.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
            let digits = value[blanks..].iter().take_while(|octet| octet.is_ascii_digit()).count();
            let digits_at = line_at + NAME.len() + blanks;
            return (digits > 0).then_some((digits_at, digits_at + digits));
        }
        line_at += line.len();
    }
    None
}
