//! The alphabets of 3GPP TS 23.038: GSM 7-bit default with its extension, the national language
//! tables, and UCS-2 read and written as UTF-16, big-endian.
//!
//! A septet alphabet is a pair of tables: a locking one for plain septets and a single shift one
//! for what follows the escape. Nothing here knows of octets or headers; see `septets` and `header`
//! for those.

pub mod default;
mod national;
mod tables;
mod ucs2;

pub(crate) use tables::{
    DEFAULT_CODES, DEFAULT_CODES_LENGTH, ESCAPE, ESCAPED, EURO, EURO_CODE, NO_CODE, membership_of,
};
pub(crate) use ucs2::{count_characters_and_pairs, encode_ucs2};
pub use ucs2::{decode_ucs2, ucs2_units};

use std::fmt;

use tables::{LOCKING_TABLES, SINGLE_TABLES};

/// A national language by its identifier (TS 23.038, 6.2.1.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Language {
    /// 1
    Turkish = 1,
    /// 2: a single shift table only; its locking table is the default alphabet.
    Spanish = 2,
    /// 3
    Portuguese = 3,
    /// 4
    Bengali = 4,
    /// 5
    Gujarati = 5,
    /// 6
    Hindi = 6,
    /// 7
    Kannada = 7,
    /// 8
    Malayalam = 8,
    /// 9
    Oriya = 9,
    /// 10
    Punjabi = 10,
    /// 11
    Tamil = 11,
    /// 12
    Telugu = 12,
    /// 13
    Urdu = 13,
}

impl Language {
    /// Every language, in the order of their identifiers.
    pub const ALL: [Self; 13] = [
        Self::Turkish,
        Self::Spanish,
        Self::Portuguese,
        Self::Bengali,
        Self::Gujarati,
        Self::Hindi,
        Self::Kannada,
        Self::Malayalam,
        Self::Oriya,
        Self::Punjabi,
        Self::Tamil,
        Self::Telugu,
        Self::Urdu,
    ];

    /// The language with this identifier; `None` for 0 (default) and for the reserved values from
    /// 14 on.
    //= TS 23.038 6.2.1.2.4
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The identifier, 1 to 13.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether the standard gives the language a locking shift table of its own.
    pub const fn has_locking_table(self) -> bool {
        !matches!(self, Self::Spanish)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// Which pair of tables 7-bit text uses; `None` is the default alphabet or the default extension
/// table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Shift {
    /// The table for septets that no escape precedes.
    pub locking: Option<Language>,
    /// The table for septets behind an escape.
    pub single: Option<Language>,
}

/// The alphabet of a message's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Alphabet {
    /// Septets by this pair of tables.
    Gsm7(Shift),
    /// Octets that are not text.
    EightBit,
    /// UTF-16 code units, big-endian.
    Ucs2,
}

/// One character as septets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Coded {
    /// A single septet.
    Plain(u8),
    /// The escape and this septet.
    Escaped(u8),
}

impl Coded {
    /// Septets that the character takes: 1 or 2.
    pub const fn septets(self) -> u32 {
        match self {
            Self::Plain(_) => 1,
            Self::Escaped(_) => 2,
        }
    }
}

impl Shift {
    /// The default alphabet with its extension table (TS 23.038, 6.2.1).
    pub const DEFAULT: Self = Self { locking: None, single: None };

    /// The septets for `character`, or `None` if the pair of tables does not have it. Plain ones
    /// win.
    pub fn encode(self, character: char) -> Option<Coded> {
        if self == Self::DEFAULT {
            return encode_default(character);
        }
        let unit = u16::try_from(u32::from(character)).ok().filter(|&unit| unit != 0)?;
        let find =
            |table: &[u16; 128]| table.iter().position(|&entry| entry == unit).map(|at| at as u8);
        let plain = find(&LOCKING_TABLES[index_of(self.locking)]).map(Coded::Plain);
        plain.or_else(|| find(&SINGLE_TABLES[index_of(self.single)]).map(Coded::Escaped))
    }

    /// Appends the text of `septets`, one in each octet, to `text`.
    ///
    /// An escape before a septet that the single shift table lacks gives the locking table's
    /// character, and two escapes, or one at the end, a space (TS 23.038, 6.2.1.1). A septet to
    /// which the locking table gives no character becomes U+FFFD.
    pub fn decode(self, septets: &[u8], text: &mut String) {
        let plain = &LOCKING_TABLES[index_of(self.locking)];
        let escaped = &SINGLE_TABLES[index_of(self.single)];
        let mut rest = septets.iter().map(|&septet| usize::from(septet & 0x7f));
        while let Some(septet) = rest.next() {
            if septet != usize::from(ESCAPE) {
                text.push(character_of(plain[septet]));
                continue;
            }
            match rest.next() {
                Some(shifted) if escaped[shifted] != 0 => text.push(character_of(escaped[shifted])),
                //= TS 23.038 6.2.1.1 unmapped
                Some(shifted) if shifted != usize::from(ESCAPE) => {
                    text.push(character_of(plain[shifted]))
                }
                //= TS 23.038 6.2.1.1 twice
                _ => text.push(' '),
            }
        }
    }
}

/// The code of `character` in the default alphabet or its extension.
pub(crate) fn default_code(character: char) -> u8 {
    let code = character as usize;
    if code < DEFAULT_CODES_LENGTH {
        DEFAULT_CODES[code]
    } else if character == EURO {
        EURO_CODE
    } else {
        NO_CODE
    }
}

/// The code of the character that starts at `at` in the octets of a string, and how many octets it
/// takes; `None` at the end.
pub(crate) fn default_code_at(text: &[u8], at: usize) -> Option<(u8, usize)> {
    Some(match *text.get(at..)? {
        [] => return None,
        [one, ..] if one < 0x80 => (DEFAULT_CODES[usize::from(one)], 1),
        [lead, last, ..] if lead < 0xe0 => {
            let code = usize::from(lead & 0x1f) << 6 | usize::from(last & 0x3f);
            (DEFAULT_CODES.get(code).copied().unwrap_or(NO_CODE), 2)
        }
        [0xe2, 0x82, 0xac, ..] => (EURO_CODE, 3),
        _ => (NO_CODE, 3),
    })
}

fn encode_default(character: char) -> Option<Coded> {
    match default_code(character) {
        NO_CODE => None,
        code if code & ESCAPED != 0 => Some(Coded::Escaped(code & 0x7f)),
        code => Some(Coded::Plain(code)),
    }
}

fn index_of(language: Option<Language>) -> usize {
    language.map_or(0, |language| usize::from(language.number()))
}

/// The tables hold no surrogates; 0 stands for "no character".
fn character_of(unit: u16) -> char {
    if unit == 0 {
        char::REPLACEMENT_CHARACTER
    } else {
        char::from_u32(u32::from(unit)).unwrap_or('\u{fffd}')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn septets(text: &str, shift: Shift) -> Option<Vec<u8>> {
        let mut septets = Vec::new();
        for character in text.chars() {
            match shift.encode(character)? {
                Coded::Plain(septet) => septets.push(septet),
                Coded::Escaped(septet) => septets.extend([ESCAPE, septet]),
            }
        }
        Some(septets)
    }

    fn text(septets: &[u8], shift: Shift) -> String {
        let mut text = String::new();
        shift.decode(septets, &mut text);
        text
    }

    //= TS 23.038 6.2.1.1 unmapped
    //= TS 23.038 6.2.1.1 twice
    #[test]
    fn escapes_without_a_character_fall_back_as_the_standard_says() {
        assert_eq!(text(&[0x1b, 0x65], Shift::DEFAULT), "€");
        assert_eq!(text(&[0x1b, 0x41], Shift::DEFAULT), "A");
        assert_eq!(text(&[0x1b, 0x1b, 0x41], Shift::DEFAULT), " A");
        assert_eq!(text(&[0x41, 0x1b], Shift::DEFAULT), "A ");
    }

    #[test]
    fn every_table_reads_back_what_it_writes() {
        for locking in [None].into_iter().chain(Language::ALL.map(Some)) {
            for single in [None].into_iter().chain(Language::ALL.map(Some)) {
                let shift = Shift { locking, single };
                for unit in
                    (1..0xd800u16).filter(|&unit| unit < 0xe00 || unit == 0x20ac || unit == 0x221e)
                {
                    let character = char::from_u32(u32::from(unit)).expect("no surrogate");
                    let mut buffer = [0; 4];
                    let one = character.encode_utf8(&mut buffer);
                    if let Some(septets) = septets(one, shift) {
                        assert_eq!(text(&septets, shift), *one);
                    }
                }
            }
        }
    }

    #[test]
    fn codes_by_octets_are_the_codes_by_character() {
        for character in '\0'..='\u{10ffff}' {
            let mut buffer = [0; 4];
            let octets = character.encode_utf8(&mut buffer).as_bytes();
            let (code, width) = default_code_at(octets, 0).expect("a character");
            assert_eq!(code, default_code(character), "{character:?}");
            assert!(code == NO_CODE || width == octets.len(), "{character:?}");
            assert_eq!(default_code_at(octets, octets.len()), None);
        }
    }

    //= TS 23.038 6.2.1.2.4
    #[test]
    fn languages_have_the_numbers_one_to_thirteen() {
        for (at, language) in Language::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(language.number()), at + 1);
            assert_eq!(Language::from_number(language.number()), Some(language));
        }
        assert_eq!(Language::from_number(0), None);
        assert_eq!(Language::from_number(14), None);
    }

    //= TS 23.038 A.2
    //= TS 23.038 A.3
    #[test]
    fn turkish_letters_are_plain_when_locked_and_escaped_when_shifted() {
        let locked = Shift { locking: Some(Language::Turkish), single: None };
        let shifted = Shift { locking: None, single: Some(Language::Turkish) };
        assert_eq!(locked.encode('ğ'), Some(Coded::Plain(0x0c)));
        assert_eq!(shifted.encode('ğ'), Some(Coded::Escaped(0x67)));
        assert_eq!(Shift::DEFAULT.encode('ğ'), None);
    }
}
