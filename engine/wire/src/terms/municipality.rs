//! A Japanese municipality's code: JIS X 0402, five digits, with or without its check digit.

/// Digits of a code without its check digit.
pub const MUNICIPALITY_DIGITS: usize = 5;
/// Prefectures of Japan: the first two digits of a code.
const PREFECTURES: u32 = 47;

/// A municipality, or a whole prefecture (its last three digits are 000).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Municipality(u32);

impl Municipality {
    /// Reads five digits, or six of which the last is the right check digit; `None` for anything
    /// else, and where the first two digits name no prefecture.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (digits, check) = match text.len() {
            MUNICIPALITY_DIGITS => (text, None),
            6 => (&text[..MUNICIPALITY_DIGITS], Some(text[MUNICIPALITY_DIGITS])),
            _ => return None,
        };
        let mut value = 0;
        for digit in digits {
            value = value * 10 + u32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        let code = Self::from_number(value)?;
        check.is_none_or(|check| check == b'0' + code.check_digit()).then_some(code)
    }

    /// The municipality with this number; `None` where it names no prefecture.
    pub fn from_number(number: u32) -> Option<Self> {
        (1..=PREFECTURES).contains(&(number / 1000)).then_some(Self(number))
    }

    /// The five digits as a number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The sixth digit: of weights 6 to 2, what lacks to a multiple of 11, its last digit.
    pub fn check_digit(self) -> u8 {
        let weighted = (2..=6).map(|weight| self.0 / 10u32.pow(weight - 2) % 10 * weight);
        ((11 - weighted.sum::<u32>() % 11) % 10) as u8
    }
}

impl std::fmt::Display for Municipality {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:05}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_digits_are_a_code_and_six_with_the_right_check_digit() {
        // Codes with their check digits, as the ministry publishes them.
        for published in ["011002", "131016", "131041", "271004", "402036", "473821", "13000A"] {
            let (code, check) = published.split_at(5);
            let municipality = Municipality::parse(code.as_bytes()).expect("a code");
            assert_eq!(municipality.to_string(), code);
            let with_check = format!("{code}{}", municipality.check_digit());
            assert_eq!(Municipality::parse(with_check.as_bytes()), Some(municipality));
            if let Ok(digit) = check.parse::<u8>() {
                assert_eq!(municipality.check_digit(), digit, "{published}");
            }
            for wrong in (0..10).filter(|digit| *digit != municipality.check_digit()) {
                assert_eq!(Municipality::parse(format!("{code}{wrong}").as_bytes()), None);
            }
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        for wrong in ["", "1310", "00101", "48101", "1310x", "1310160", "１３１０１", "99999"]
        {
            assert_eq!(Municipality::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
