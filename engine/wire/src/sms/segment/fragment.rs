//! Content cut into segments, each with its user data header, as TP-User-Data.

use super::{Content, Plan, PlanOptions, cluster, profile};
use crate::sms::alphabet::{
    Alphabet, Coded, ESCAPE, ESCAPED, NO_CODE, Shift, default_code_at, encode_ucs2,
};
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

/// How far a segment reaches and what it holds.
struct Cut {
    end: usize,
    units: usize,
}

impl<'a> Fragments<'a> {
    /// `content` and `options` must be those that `plan` was made from. `reference` is the
    /// concatenation reference, of which an 8-bit element takes the low octet.
    pub fn new(
        plan: &'a Plan,
        content: Content<'a>,
        options: &PlanOptions<'a>,
        reference: u16,
    ) -> Self {
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
        let (cut, user_data_length, octets) = match (self.content, self.plan.alphabet) {
            (Content::Octets(content), _) => {
                let cut = self.write_octets(content, &mut out[header..]);
                let octets = header + cut.units;
                (cut, octets, octets)
            }
            (Content::Part(septets), Alphabet::Gsm7(_)) => write_part(septets, header, out),
            (Content::Part(content), _) => {
                let end = header + content.len();
                out[header..end].copy_from_slice(content);
                let cut = Cut { end: content.len(), units: self.plan.units as usize };
                (cut, end, end)
            }
            (Content::Text(text), Alphabet::Gsm7(shift)) => {
                self.write_septets(text, shift, header, out)
            }
            (Content::Text(text), Alphabet::EightBit | Alphabet::Ucs2) => {
                let cut = self.write_units(text, &mut out[header..]);
                let octets = header + 2 * cut.units;
                (cut, octets, octets)
            }
        };
        // Septets before the text were packed as zeros; the header takes their place.
        if header > 0 {
            self.write_header(&mut out[..header]);
        }
        self.position = cut.end;
        Some(Fragment {
            user_data_length: user_data_length as u8,
            octets: octets as u8,
            sequence: self.sequence,
            start,
            end: cut.end,
            units: cut.units as u8,
        })
    }

    fn write_octets(&self, content: &[u8], out: &mut [u8]) -> Cut {
        let rest = &content[self.position..];
        let units = rest.len().min(usize::from(self.plan.capacity));
        out[..units].copy_from_slice(&rest[..units]);
        Cut { end: self.position + units, units }
    }

    fn write_units(&self, text: &str, out: &mut [u8]) -> Cut {
        let room = 2 * usize::from(self.plan.capacity);
        let (read, written) = encode_ucs2(&text[self.position..], &mut out[..room]);
        let cut = Cut { end: self.position + read, units: written / 2 };
        self.keep_cluster_whole(text, cut, |character| character.len_utf16())
    }

    fn write_septets(
        &self,
        text: &str,
        shift: Shift,
        header: usize,
        out: &mut [u8; USER_DATA_OCTETS_MAX],
    ) -> (Cut, usize, usize) {
        let capacity = usize::from(self.plan.capacity);
        let rest = &text[self.position..];
        if self.plan.identity && header == 0 {
            let octets = septets::pack(rest.as_bytes(), out);
            return (Cut { end: text.len(), units: rest.len() }, rest.len(), octets);
        }
        let mut buffer = [0; USER_DATA_SEPTETS_MAX];
        let before = septets::septets_covering(header);
        let cut = if self.plan.identity {
            let units = rest.len().min(capacity);
            buffer[before..before + units].copy_from_slice(&rest.as_bytes()[..units]);
            let cut = Cut { end: self.position + units, units };
            self.keep_cluster_whole(text, cut, |_| 1)
        } else {
            let (read, units) = fill(rest, shift, &mut buffer[before..before + capacity]);
            let cut = Cut { end: self.position + read, units };
            self.keep_cluster_whole(text, cut, |character| septets_of(shift, character))
        };
        //= TS 23.040 9.2.3.16 header
        let length = before + cut.units;
        let octets = septets::pack(&buffer[..length], out);
        (cut, length, octets)
    }

    /// Moves the end of a segment back to where it splits no grapheme cluster, if what is left then
    /// still fits into the segments that are left.
    fn keep_cluster_whole(&self, text: &str, cut: Cut, cost: impl Fn(char) -> usize) -> Cut {
        if cluster::is_boundary(text, cut.end) {
            return cut;
        }
        let Some(end) = cluster::last_boundary(text, self.position, cut.end) else {
            return cut;
        };
        let segments_left = u32::from(self.plan.segments - self.sequence);
        let capacity = usize::from(self.plan.capacity);
        if profile::count_by_walking(&text[end..], capacity, |c| cost(c) as u32) > segments_left {
            return cut;
        }
        let moved: usize = text[end..cut.end].chars().map(cost).sum();
        Cut { end, units: cut.units - moved }
    }

    fn write_header(&self, out: &mut [u8]) {
        out[0] = (out.len() - 1) as u8;
        let mut rest = &mut out[1..];
        if self.plan.segments > 1 {
            let (total, sequence) = (self.plan.segments, self.sequence);
            let [high, low] = self.reference.to_be_bytes();
            rest = if self.plan.wide_reference {
                //= TS 23.040 9.2.3.24.8
                put(rest, [identifier::CONCATENATION_16, 4, high, low, total, sequence])
            } else {
                //= TS 23.040 9.2.3.24.1 element
                put(rest, [identifier::CONCATENATION_8, 3, low, total, sequence])
            };
        }
        if let (Alphabet::Gsm7(shift), false) = (self.plan.alphabet, self.plan.client_shift) {
            if let Some(language) = shift.single {
                //= TS 23.040 9.2.3.24.15
                rest = put(rest, [identifier::SINGLE_SHIFT, 1, language.number()]);
            }
            if let Some(language) = shift.locking {
                //= TS 23.040 9.2.3.24.16
                rest = put(rest, [identifier::LOCKING_SHIFT, 1, language.number()]);
            }
        }
        rest.copy_from_slice(self.client_elements);
    }
}

/// Packs the septets of a segment that somebody else has cut.
fn write_part(
    septets: &[u8],
    header: usize,
    out: &mut [u8; USER_DATA_OCTETS_MAX],
) -> (Cut, usize, usize) {
    let mut buffer = [0; USER_DATA_SEPTETS_MAX];
    let before = septets::septets_covering(header);
    let length = before + septets.len();
    buffer[before..length].copy_from_slice(septets);
    let octets = septets::pack(&buffer[..length], out);
    (Cut { end: septets.len(), units: septets.len() }, length, octets)
}

/// Codes as many whole characters of `text` as fit into `out`; returns octets read and septets
/// written.
fn fill(text: &str, shift: Shift, out: &mut [u8]) -> (usize, usize) {
    if shift == Shift::DEFAULT {
        return fill_default(text, out);
    }
    let (mut read, mut written) = (0, 0);
    for character in text.chars() {
        // The plan has seen every character; one that it could not code never gets here.
        match shift.encode(character) {
            Some(Coded::Plain(septet)) if written < out.len() => {
                out[written] = septet;
                written += 1;
            }
            //= TS 23.040 9.2.3.24.1 unsplit
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

/// The same for the default alphabet, by table.
fn fill_default(text: &str, out: &mut [u8]) -> (usize, usize) {
    let source = text.as_bytes();
    let (mut read, mut written) = (0, 0);
    while let Some((code, width)) = default_code_at(source, read) {
        let septet = code & !ESCAPED;
        match &mut out[written..] {
            _ if code == NO_CODE => break,
            [first, ..] if code & ESCAPED == 0 => {
                *first = septet;
                written += 1;
            }
            //= TS 23.040 9.2.3.24.1 unsplit
            [first, second, ..] if code & ESCAPED != 0 => {
                [*first, *second] = [ESCAPE, septet];
                written += 2;
            }
            _ => break,
        }
        read += width;
    }
    (read, written)
}

fn septets_of(shift: Shift, character: char) -> usize {
    shift.encode(character).map_or(1, Coded::septets) as usize
}

fn put<const N: usize>(out: &mut [u8], octets: [u8; N]) -> &mut [u8] {
    let (target, rest) = out.split_at_mut(N);
    target.copy_from_slice(&octets);
    rest
}
