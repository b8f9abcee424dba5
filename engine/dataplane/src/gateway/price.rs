//! What a short message costs a push client, in yen with two decimals.

use std::fmt;

/// The most that one may cost, in hundredths of a yen.
const HUNDREDTHS_MAX: u32 = 100_000_000;

/// A price of one short message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Price(u32);

impl Price {
    /// So many hundredths of a yen; `None` beyond what any costs.
    pub fn from_hundredths(hundredths: u32) -> Option<Self> {
        (hundredths <= HUNDREDTHS_MAX).then_some(Self(hundredths))
    }

    /// In hundredths of a yen.
    pub fn hundredths(self) -> u32 {
        self.0
    }

    /// The price of this text, as `3`, `3.3` or `3.30`; else one sentence.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no price: give yen, with two decimals at most, as 3.30");
        let (yen, rest) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(yen) || !is_number(rest) || rest.len() > 2 {
            return Err(wrong());
        }
        let digit = if rest.len() == 1 { 10 } else { 1 };
        let parsed = yen.parse::<u32>().ok().zip(rest.parse::<u32>().ok());
        let hundredths =
            parsed.and_then(|(yen, rest)| yen.checked_mul(100)?.checked_add(rest * digit));
        hundredths.and_then(Self::from_hundredths).ok_or_else(wrong)
    }

    /// What so many cost, in whole yen, rounded up.
    pub fn yen_of(self, segments: u64) -> u64 {
        let hundredths = u128::from(segments) * u128::from(self.0);
        u64::try_from(hundredths.div_ceil(100)).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_read_as_people_write_it_and_a_sum_is_never_too_low() {
        for (text, hundredths) in [
            ("3", 300),
            ("3.3", 330),
            ("3.30", 330),
            ("0.05", 5),
            ("0", 0),
            ("1000000", HUNDREDTHS_MAX),
        ] {
            assert_eq!(Price::parse(text).map(Price::hundredths), Ok(hundredths), "{text}");
        }
        for wrong in ["", ".", "3.", ".3", "-1", "3.301", "3,3", "1000000.01", "99999999999", "x"] {
            assert!(Price::parse(wrong).is_err(), "{wrong}");
        }
        let price = Price::parse("3.3").expect("a price");
        assert_eq!((price.to_string().as_str(), price.yen_of(0)), ("3.30", 0));
        assert_eq!((price.yen_of(1), price.yen_of(10), price.yen_of(11)), (4, 33, 37));
        let dear = Price::from_hundredths(HUNDREDTHS_MAX).expect("a price");
        assert_eq!(dear.yen_of(u64::MAX), u64::MAX);
    }
}
