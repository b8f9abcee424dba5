//! The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, 6.2.1), and the look-ups
//! built from all tables when the program is compiled.

use super::national::{LOCKING, SINGLE};
use crate::sms::alphabet::default::DEFAULT;
use crate::sms::alphabet::default::EXTENSION;
use crate::sms::alphabet::default::Table;

/// The septet that announces a character of the extension or single shift table.
pub(crate) const ESCAPE: u8 = 0x1b;

/// No code in [`DEFAULT_CODES`].
pub(crate) const NO_CODE: u8 = 0xff;
/// Marks a code in [`DEFAULT_CODES`] that needs the escape before it.
pub(crate) const ESCAPED: u8 = 0x80;
/// Every character of the default alphabet and its extension but the euro sign lies below this.
pub(crate) const DEFAULT_CODES_LENGTH: usize = 0x400;
/// The euro sign: septet 65 of the extension table.
pub(crate) const EURO: char = '\u{20ac}';
/// The code of the euro sign.
pub(crate) const EURO_CODE: u8 = ESCAPED | 0x65;

/// For each character below U+0400 its septet, with [`ESCAPED`] set if it is one of the extension
/// table, or [`NO_CODE`].
pub(crate) static DEFAULT_CODES: [u8; DEFAULT_CODES_LENGTH] = default_codes();

/// The locking shift tables by language number; 0 and Spanish are the default alphabet.
pub(crate) static LOCKING_TABLES: [Table; 14] = LOCKING;
/// The single shift tables by language number; 0 is the default extension table.
pub(crate) static SINGLE_TABLES: [Table; 14] = SINGLE;

/// The characters of all tables but `€` and `∞` lie below this.
const MEMBERSHIP_LENGTH: usize = 0xe00;

/// In which tables a character is: bit `n` for language `n`, bit 0 for the default tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Membership {
    pub(crate) locking: u16,
    pub(crate) single: u16,
}

static MEMBERSHIP: [Membership; MEMBERSHIP_LENGTH] = membership();

/// The tables that hold `character`.
pub(crate) fn membership_of(character: char) -> Membership {
    let code = character as usize;
    if code < MEMBERSHIP_LENGTH {
        return MEMBERSHIP[code];
    }
    let Ok(unit) = u16::try_from(code) else {
        return Membership { locking: 0, single: 0 };
    };
    let mask = |tables: &[Table; 14]| {
        tables
            .iter()
            .enumerate()
            .fold(0, |mask, (n, table)| mask | u16::from(table.contains(&unit)) << n)
    };
    Membership { locking: mask(&LOCKING_TABLES), single: mask(&SINGLE_TABLES) }
}

const fn default_codes() -> [u8; DEFAULT_CODES_LENGTH] {
    let mut codes = [NO_CODE; DEFAULT_CODES_LENGTH];
    let mut septet = 0;
    while septet < 128 {
        let plain = DEFAULT[septet] as usize;
        if plain != 0 {
            codes[plain] = septet as u8;
        }
        let escaped = EXTENSION[septet] as usize;
        if escaped != 0 && escaped < DEFAULT_CODES_LENGTH {
            codes[escaped] = ESCAPED | septet as u8;
        }
        septet += 1;
    }
    codes
}

const fn membership() -> [Membership; MEMBERSHIP_LENGTH] {
    let mut members = [Membership { locking: 0, single: 0 }; MEMBERSHIP_LENGTH];
    let mut language = 0;
    while language < 14 {
        let mut septet = 0;
        while septet < 128 {
            let plain = LOCKING[language][septet] as usize;
            if plain != 0 && plain < MEMBERSHIP_LENGTH {
                members[plain].locking |= 1 << language;
            }
            let escaped = SINGLE[language][septet] as usize;
            if escaped != 0 && escaped < MEMBERSHIP_LENGTH {
                members[escaped].single |= 1 << language;
            }
            septet += 1;
        }
        language += 1;
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TS 23.038 6.2.1
    //= TS 23.038 6.2.1.1 table
    #[test]
    fn the_default_codes_and_the_default_table_say_the_same() {
        let mut characters = 0;
        for (code, &entry) in DEFAULT_CODES.iter().enumerate() {
            if entry == NO_CODE {
                continue;
            }
            characters += 1;
            let table = if entry & ESCAPED == 0 { DEFAULT } else { EXTENSION };
            assert_eq!(usize::from(table[usize::from(entry & 0x7f)]), code);
        }
        assert_eq!(characters, 127 + 9, "127 plain characters, nine escaped ones below U+0400");
        assert_eq!(EXTENSION[0x65], EURO as u16);
    }

    #[test]
    fn every_table_keeps_line_feed_carriage_return_space_and_digits_where_they_are() {
        for table in &LOCKING_TABLES {
            for septet in [0x0a, 0x0d, 0x20, 0x30, 0x39, 0x61, 0x7a] {
                assert_eq!(table[septet], septet as u16);
            }
            assert_eq!(table[usize::from(ESCAPE)], 0);
        }
    }

    #[test]
    fn membership_is_what_the_tables_hold() {
        for character in ('\0'..='\u{3000}').filter(|&c| c != '\0') {
            let member = membership_of(character);
            for language in 0..14 {
                let plain = LOCKING_TABLES[language].contains(&(character as u16));
                let escaped = SINGLE_TABLES[language].contains(&(character as u16));
                assert_eq!(
                    member.locking >> language & 1 == 1,
                    plain,
                    "{character:?} locking {language}"
                );
                assert_eq!(
                    member.single >> language & 1 == 1,
                    escaped,
                    "{character:?} single {language}"
                );
            }
        }
        assert_eq!(membership_of('\u{1f600}'), Membership { locking: 0, single: 0 });
    }
}
