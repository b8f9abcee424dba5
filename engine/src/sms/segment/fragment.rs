//! Content cut into segments, each with its user data header, as TP-User-Data.

use super::{Content, Plan, PlanOptions};
use crate::sms::alphabet::{Alphabet, Coded, ESCAPE, Shift, encode_ucs2};
use crate::sms::header::identifier;
use crate::sms::limits::{USER_DATA_OCTETS_MAX, USER_DATA_SEPTETS_MAX};
use crate::sms::septets;

/// One segment's TP-User-Data, written into the caller's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// TP-UDL: septets for 7-bit text, header and fill bits included, else octets.
    pub user_data_length: u8,
    /// Octets of TP-User-Data.
    pub octets: u8,
    /// Which segment this is, from 1.
    pub sequence: u8,
    /// Where the segment's content starts in the whole, in octets.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Septets, code units or octets of content.
    pub units: u8,
}

/// Writes the segments of a plan one after the other.
pub struct Fragments<'a> {
    plan: &'a Plan,
    content: Content<'a>,
    /// The client's elements, without their length octet.
    client_elements: &'a [u8],
    reference: u16,
    position: usize,
    sequence: u8,
}

impl<'a> Fragments<'a> {
    /// `content` and `options` must be those that `plan` was made from. `reference` is the concatenation
    /// reference, of which an 8-bit element takes the low octet.
    pub fn new(plan: &'a Plan, content: Content<'a>, options: &PlanOptions<'a>, reference: u16) -> Self {
        let client_elements = options.client_udh.get(1..).unwrap_or_default();
        Self { plan, content, client_elements, reference, position: 0, sequence: 0 }
    }

    /// Writes the next segment to the front of `out`; `None` when all have been written.
    pub fn write_next(&mut self, out: &mut [u8; USER_DATA_OCTETS_MAX]) -> Option<Fragment> {
        if self.sequence == self.plan.segments {
            return None;
        }
        self.sequence += 1;
        let start = self.position;
        let header = usize::from(self.plan.header_octets);
        let (end, units, user_data_length, octets) = match self.content {
            Content::Octets(content) => self.write_octets(content, header, out),
            Content::Text(text) => match self.plan.alphabet {
                Alphabet::Gsm7(shift) => self.write_septets(text, shift, header, out),
                Alphabet::EightBit | Alphabet::Ucs2 => self.write_units(text, header, out),
            },
        };
        // Septets before the text were packed as zeros; the header takes their place.
        if header > 0 {
            self.write_header(&mut out[..header]);
        }
        self.position = end;
        let (user_data_length, octets, units) = (user_data_length as u8, octets as u8, units as u8);
        Some(Fragment { user_data_length, octets, sequence: self.sequence, start, end, units })
    }

    fn write_octets(
        &self,
        content: &[u8],
        header: usize,
        out: &mut [u8; USER_DATA_OCTETS_MAX],
    ) -> (usize, usize, usize, usize) {
        let rest = &content[self.position..];
        let units = rest.len().min(usize::from(self.plan.capacity));
        let octets = header + units;
        out[header..octets].copy_from_slice(&rest[..units]);
        (self.position + units, units, octets, octets)
    }

    fn write_units(
        &self,
        text: &str,
        header: usize,
        out: &mut [u8; USER_DATA_OCTETS_MAX],
    ) -> (usize, usize, usize, usize) {
        let room = 2 * usize::from(self.plan.capacity);
        let (read, written) = encode_ucs2(&text[self.position..], &mut out[header..header + room]);
        let octets = header + written;
        (self.position + read, written / 2, octets, octets)
    }

    fn write_septets(
        &self,
        text: &str,
        shift: Shift,
        header: usize,
        out: &mut [u8; USER_DATA_OCTETS_MAX],
    ) -> (usize, usize, usize, usize) {
        let capacity = usize::from(self.plan.capacity);
        let rest = &text[self.position..];
        if self.plan.identity && header == 0 {
            let units = rest.len();
            let octets = septets::pack(rest.as_bytes(), out);
            return (text.len(), units, units, octets);
        }
        let mut buffer = [0; USER_DATA_SEPTETS_MAX];
        let before = septets::septets_covering(header);
        let (read, units) = if self.plan.identity {
            let units = rest.len().min(capacity);
            buffer[before..before + units].copy_from_slice(&rest.as_bytes()[..units]);
            (units, units)
        } else {
            fill(rest, shift, &mut buffer[before..before + capacity])
        };
        let octets = septets::pack(&buffer[..before + units], out);
        (self.position + read, units, before + units, octets)
    }

    fn write_header(&self, out: &mut [u8]) {
        out[0] = (out.len() - 1) as u8;
        let mut rest = &mut out[1..];
        if self.plan.segments > 1 {
            let (total, sequence) = (self.plan.segments, self.sequence);
            let [high, low] = self.reference.to_be_bytes();
            rest = if self.plan.wide_reference {
                put(rest, [identifier::CONCATENATION_16, 4, high, low, total, sequence])
            } else {
                put(rest, [identifier::CONCATENATION_8, 3, low, total, sequence])
            };
        }
        if let (Alphabet::Gsm7(shift), false) = (self.plan.alphabet, self.plan.client_shift) {
            if let Some(language) = shift.single {
                rest = put(rest, [identifier::SINGLE_SHIFT, 1, language.number()]);
            }
            if let Some(language) = shift.locking {
                rest = put(rest, [identifier::LOCKING_SHIFT, 1, language.number()]);
            }
        }
        rest.copy_from_slice(self.client_elements);
    }
}

/// Codes as many whole characters of `text` as fit into `out`; returns octets read and septets written.
fn fill(text: &str, shift: Shift, out: &mut [u8]) -> (usize, usize) {
    let (mut read, mut written) = (0, 0);
    for character in text.chars() {
        // The plan has seen every character; one that it could not code never gets here.
        match shift.encode(character) {
            Some(Coded::Plain(septet)) if written < out.len() => {
                out[written] = septet;
                written += 1;
            }
            Some(Coded::Escaped(septet)) if written + 1 < out.len() => {
                out[written] = ESCAPE;
                out[written + 1] = septet;
                written += 2;
            }
            _ => break,
        }
        read += character.len_utf8();
    }
    (read, written)
}

fn put<const N: usize>(out: &mut [u8], octets: [u8; N]) -> &mut [u8] {
    let (target, rest) = out.split_at_mut(N);
    target.copy_from_slice(&octets);
    rest
}
