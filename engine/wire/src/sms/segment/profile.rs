//! What there is to know about a text before it is coded: whether the default alphabet holds it,
//! and what it takes.

use super::PlanError;
use crate::sms::alphabet::{ESCAPED, NO_CODE, Shift, default_code, default_code_at};

/// Octets that are classified at a time; the compiler keeps them in vector registers.
const CHUNK_OCTETS: usize = 32;

/// A text as the GSM 7-bit default alphabet sees it.
pub(super) struct TextProfile {
    /// Every octet is its own septet.
    pub(super) identity: bool,
    /// Septets up to the first foreign character.
    pub(super) septets: usize,
    /// Whether any of the characters needs an escape.
    pub(super) escapes: bool,
    /// The first character that the alphabet lacks, and where it stands.
    pub(super) foreign: Option<(usize, char)>,
}

impl TextProfile {
    pub(super) fn of(text: &str) -> Self {
        let octets = text.as_bytes();
        let mut profile =
            Self { identity: true, septets: octets.len(), escapes: false, foreign: None };
        let plain = identity_prefix(octets);
        if plain == octets.len() {
            return profile;
        }
        profile.identity = false;
        profile.septets = plain;
        // `plain` counts ASCII octets only, so it lies between two characters.
        let mut at = plain;
        while let Some((code, width)) = default_code_at(octets, at) {
            if code == NO_CODE {
                profile.foreign = text[at..].chars().next().map(|character| (at, character));
                return profile;
            }
            let escaped = code & ESCAPED != 0;
            profile.septets += 1 + usize::from(escaped);
            profile.escapes |= escaped;
            at += width;
        }
        profile
    }

    /// Segments of `capacity` septets that the text takes.
    pub(super) fn segments(&self, text: &str, capacity: usize) -> u32 {
        if !self.escapes {
            return self.septets.div_ceil(capacity) as u32;
        }
        count_by_walking(text, capacity, |character| {
            1 + u32::from(default_code(character) & ESCAPED != 0)
        })
    }
}

/// Fills segment after segment with whole characters and counts them. No other way takes fewer.
pub(super) fn count_by_walking(text: &str, capacity: usize, cost: impl Fn(char) -> u32) -> u32 {
    let capacity = capacity as u32;
    let (mut segments, mut filled) = (1, 0);
    for character in text.chars() {
        let cost = cost(character);
        if filled + cost > capacity {
            segments += 1;
            filled = 0;
        }
        filled += cost;
    }
    segments
}

/// Septets that `text` takes with the tables of `shift`.
//= push text characters
pub(super) fn count_septets(text: &str, shift: Shift) -> Result<usize, PlanError> {
    let mut septets = 0;
    for (offset, character) in text.char_indices() {
        let coded =
            shift.encode(character).ok_or(PlanError::UnknownCharacter { character, offset })?;
        septets += coded.septets() as usize;
    }
    Ok(septets)
}

/// How many octets at the front of `octets` are ASCII characters that are their own septet in the
/// default alphabet, rounded down to whole chunks unless it is all of them.
pub(super) fn identity_prefix(octets: &[u8]) -> usize {
    let (chunks, rest) = octets.as_chunks::<CHUNK_OCTETS>();
    for (at, chunk) in chunks.iter().enumerate() {
        if !is_identity(chunk) {
            return at * CHUNK_OCTETS;
        }
    }
    let mut last = [b' '; CHUNK_OCTETS];
    last[..rest.len()].copy_from_slice(rest);
    if is_identity(&last) { octets.len() } else { chunks.len() * CHUNK_OCTETS }
}

/// Whether every octet is a line feed, carriage return, space or one of the printable ASCII
/// characters that stand at their own place in the default alphabet: all but `$ @ [ \ ] ^ _ ` { | }
/// ~`.
fn is_identity(chunk: &[u8; CHUNK_OCTETS]) -> bool {
    let mut wrong = 0;
    for &octet in chunk {
        let digit_or_sign = (octet.wrapping_sub(0x20) < 0x20) & (octet != b'$');
        let letter = (octet | 0x20).wrapping_sub(b'a') < 26;
        let line_end = (octet == b'\n') | (octet == b'\r');
        wrong |= u8::from(!(digit_or_sign | letter | line_end));
    }
    wrong == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_octets_are_those_whose_code_is_themselves() {
        for octet in 0..=255u8 {
            let chunk = [octet; CHUNK_OCTETS];
            let expected = octet < 0x80 && default_code(char::from(octet)) == octet;
            assert_eq!(is_identity(&chunk), expected, "{octet:02X}");
        }
    }

    //= TS 23.038 6.2.1.1 table
    #[test]
    fn the_first_foreign_character_is_found_wherever_it_stands() {
        for length in 0..100 {
            let text = format!("{}あ{}", "a".repeat(length), "b".repeat(40));
            assert_eq!(TextProfile::of(&text).foreign, Some((length, 'あ')));
        }
        assert!(TextProfile::of(&"a".repeat(77)).identity);
        assert_eq!(TextProfile::of("€{a}").septets, 7);
    }
}
