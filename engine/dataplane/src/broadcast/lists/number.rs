//! A phone number as people and spreadsheets write it, as an msn; or why it is none.
//!
//! Nothing is guessed: what is left when the writing is taken off is exactly an msn or refused.

use wire::terms::ids::Msn;

/// Ways of writing that were taken off, as bits of a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spelling(u8);

impl Spelling {
    /// Blanks, hyphens, brackets or dots between the digits.
    pub const SEPARATED: Self = Self(1);
    /// Japan's country code in front.
    pub const INTERNATIONAL: Self = Self(2);
    /// Digits of full width.
    pub const FULL_WIDTH: Self = Self(4);
    /// A spreadsheet's formula or apostrophe.
    pub const FORMULA: Self = Self(8);
    /// The leading zero was lost and put back.
    pub const ZERO_PUT_BACK: Self = Self(16);
    /// Every one with its name.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::SEPARATED, "separated"),
        (Self::INTERNATIONAL, "international"),
        (Self::FULL_WIDTH, "full_width"),
        (Self::FORMULA, "formula"),
        (Self::ZERO_PUT_BACK, "leading_zero"),
    ];

    /// Whether it holds all of `other`.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Why a text is no msn of this network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
pub enum NotAnMsn {
    /// Nothing is there.
    #[error("there is no number")]
    Empty,
    /// Something else than a number.
    #[error("it is no phone number")]
    NoNumber,
    /// A fixed line or a free one.
    #[error("it is a fixed line or a toll-free number")]
    FixedLine,
    /// As 110.
    #[error("it is a short code")]
    ShortCode,
    /// Another country's.
    #[error("it is a foreign number, no msn of this network")]
    Foreign,
    /// Digits lack.
    #[error("it has too few digits")]
    TooShort,
    /// Too many digits.
    #[error("it has too many digits")]
    TooLong,
    /// A spreadsheet took it for a quantity.
    #[error("a spreadsheet made a quantity of it: save the column as text")]
    DigitsLost,
    /// A spreadsheet took off the leading zero.
    #[error("its leading zero is lost: save the column as text, or ask for it to be put back")]
    ZeroLost,
}

/// Digits that are looked at; no number in the world has more.
const DIGITS_MAX: usize = 20;

/// Reads a number; `puts_zero_back` has a lost leading zero put back.
pub fn read(text: &str, puts_zero_back: bool) -> Result<(Msn, Spelling), NotAnMsn> {
    if let Some(msn) = Msn::parse(text.as_bytes()) {
        return Ok((msn, Spelling::default()));
    }
    let mut spelling = Spelling::default();
    let text = without_formula(text.trim(), &mut spelling);
    if is_quantity(text) {
        return Err(NotAnMsn::DigitsLost);
    }
    let (digits, has_plus) = digits_of(text, &mut spelling)?;
    let digits = national(&digits, has_plus, &mut spelling)?;
    match (digits.len(), digits.as_bytes()) {
        (11, [b'0', ..]) => {
            let msn = Msn::parse(digits.as_bytes()).ok_or(NotAnMsn::NoNumber)?;
            Ok((msn, spelling))
        }
        (10, [b'7'..=b'9', b'0', ..]) if puts_zero_back => {
            spelling.add(Spelling::ZERO_PUT_BACK);
            let msn = Msn::parse(format!("0{digits}").as_bytes()).ok_or(NotAnMsn::NoNumber)?;
            Ok((msn, spelling))
        }
        (10, [b'7'..=b'9', b'0', ..]) => Err(NotAnMsn::ZeroLost),
        (10, [b'0', b'5'..=b'9', b'0', ..]) => Err(NotAnMsn::TooShort),
        (10, [b'0', ..]) => Err(NotAnMsn::FixedLine),
        (0, _) => Err(NotAnMsn::Empty),
        (..=6, _) => Err(NotAnMsn::ShortCode),
        (..=10, _) => Err(NotAnMsn::TooShort),
        _ => Err(NotAnMsn::TooLong),
    }
}

/// `="…"` and a leading apostrophe are how spreadsheets keep a number as text.
fn without_formula<'a>(text: &'a str, spelling: &mut Spelling) -> &'a str {
    let inner = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.or_else(|| text.strip_prefix('\''));
    match inner {
        Some(inner) => {
            spelling.add(Spelling::FORMULA);
            inner.trim()
        }
        None => text,
    }
}

/// `1.2E+10`, `9012345678.0`.
fn is_quantity(text: &str) -> bool {
    let has_exponent = text.split_once(['E', 'e']).is_some_and(|(front, behind)| {
        let power = behind.trim_start_matches(['+', '-']);
        front.contains(|character: char| character.is_ascii_digit())
            && !power.is_empty()
            && power.bytes().all(|octet| octet.is_ascii_digit())
    });
    has_exponent
        || text
            .strip_suffix(".0")
            .is_some_and(|front| front.bytes().all(|octet| octet.is_ascii_digit()))
}

/// The digits alone, and whether a plus stood in front.
fn digits_of(text: &str, spelling: &mut Spelling) -> Result<(String, bool), NotAnMsn> {
    let mut digits = String::with_capacity(DIGITS_MAX);
    let mut has_plus = false;
    for character in text.chars() {
        match character {
            '0'..='9' => digits.push(character),
            '０'..='９' => {
                spelling.add(Spelling::FULL_WIDTH);
                digits.extend(char::from_u32(
                    u32::from(character) - u32::from('０') + u32::from('0'),
                ));
            }
            '+' | '＋' if digits.is_empty() && !has_plus => has_plus = true,
            _ if is_separator(character) => spelling.add(Spelling::SEPARATED),
            _ => return Err(NotAnMsn::NoNumber),
        }
        if digits.len() > DIGITS_MAX {
            return Err(NotAnMsn::TooLong);
        }
    }
    Ok((digits, has_plus))
}

fn is_separator(character: char) -> bool {
    // Blanks of all kinds; hyphens, dashes, minus signs, the long vowel that is typed for them;
    // brackets; dots; marks that show no sign.
    character.is_whitespace()
        || matches!(
            character,
            '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' | '\u{30fc}'
                | '\u{ff70}'
                | '(' | ')' | '[' | ']' | '\u{ff08}' | '\u{ff09}' | '.' | '\u{ff0e}' | '\u{200b}'
                | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}'
        )
}

/// The number as it is dialled in Japan.
fn national(digits: &str, has_plus: bool, spelling: &mut Spelling) -> Result<String, NotAnMsn> {
    let behind_code = match has_plus {
        true => Some(digits.strip_prefix("81").ok_or(NotAnMsn::Foreign)?),
        false => digits.strip_prefix("0081").or_else(|| digits.strip_prefix("81")),
    };
    if let Some(behind) = behind_code {
        let behind = behind.strip_prefix('0').unwrap_or(behind);
        if matches!(behind.len(), 9 | 10) {
            spelling.add(Spelling::INTERNATIONAL);
            return Ok(format!("0{behind}"));
        }
        if has_plus {
            return Err(if behind.len() < 9 { NotAnMsn::TooShort } else { NotAnMsn::TooLong });
        }
    }
    let is_abroad = digits.len() > 11 && (digits.starts_with("00") || digits.starts_with("010"));
    if is_abroad { Err(NotAnMsn::Foreign) } else { Ok(digits.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<String, NotAnMsn> {
        read(text, false).map(|(msn, _)| msn.to_string())
    }

    #[test]
    fn every_way_of_writing_a_number_is_the_same_msn() {
        for (text, spelling) in [
            ("07098765432", Spelling(0)),
            ("070-9876-5432", Spelling::SEPARATED),
            ("(070) 9876.5432", Spelling::SEPARATED),
            ("\u{a0}070\u{2011}9876\u{2212}5432\u{3000}", Spelling::SEPARATED),
            ("070ー9876ー5432", Spelling::SEPARATED),
            ("０７０９８７６５４３２", Spelling::FULL_WIDTH),
            ("+817098765432", Spelling::INTERNATIONAL),
            ("817098765432", Spelling::INTERNATIONAL),
            ("00817098765432", Spelling::INTERNATIONAL),
            ("8107098765432", Spelling::INTERNATIONAL),
            ("+81(0)70-9876-5432", Spelling(Spelling::INTERNATIONAL.0 | Spelling::SEPARATED.0)),
            ("＋８１ ７０ ９８７６ ５４３２", Spelling(1 | 2 | 4)),
            ("=\"07098765432\"", Spelling::FORMULA),
            ("'07098765432", Spelling::FORMULA),
        ] {
            assert_eq!(written(text), Ok("07098765432".to_owned()), "{text}");
            // A blank round the number alone is no spelling of the canonical form.
            assert_eq!(read(text, false).map(|(_, spelling)| spelling), Ok(spelling), "{text}");
        }
        assert_eq!(written("02011112222"), Ok("02011112222".to_owned()));
        assert_eq!(written(" 07098765432\t"), Ok("07098765432".to_owned()));
    }

    #[test]
    fn what_is_no_msn_has_a_reason_of_its_own() {
        use NotAnMsn::*;
        for (text, reason) in [
            ("", Empty),
            (" - ", Empty),
            ("0422112233", FixedLine),
            ("+81422112233", FixedLine),
            ("0120445566", FixedLine),
            ("118", ShortCode),
            ("0709876543", TooShort),
            ("42211223", TooShort),
            ("070987654321", TooLong),
            ("1234567890123456789012345", TooLong),
            ("+447911123456", Foreign),
            ("0044 7911 123456", Foreign),
            ("010-1-415-555-0100", Foreign),
            ("+81709876", TooShort),
            ("7.09877E+09", DigitsLost),
            ("7098765432.0", DigitsLost),
            ("7098765432", ZeroLost),
            ("070-9876-543x", NoNumber),
            ("0+7098765432", NoNumber),
            ("山田", NoNumber),
        ] {
            assert_eq!(written(text), Err(reason), "{text}");
        }
        let (msn, spelling) = read("7098765432", true).expect("put back");
        assert_eq!((msn.to_string().as_str(), spelling), ("07098765432", Spelling::ZERO_PUT_BACK));
        assert_eq!(read("422112233", true), Err(TooShort), "only where it was a mobile's");
    }
}
