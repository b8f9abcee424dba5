//! Times of SMPP: `YYMMDDhhmmsstnnp`, absolute or relative (SMPP 3.4, 7.1.1), and the dates in a
//! receipt's text (appendix B).
//!
//! Years are those of this century. Without a zone a time is that of the SMSC, which is Japan's.

use crate::terms::calendar::{Civil, jst_digits, parse_jst_digits};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const JST_MS: u64 = 9 * HOUR_MS;
const QUARTER_MS: u64 = 15 * MINUTE_MS;
/// Quarters of an hour that a zone may be off, either way.
const QUARTERS_MAX: u64 = 48;

/// A time as a PDU gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Time {
    /// Unix milliseconds.
    Absolute(u64),
    /// Milliseconds from now on.
    Relative(u64),
}

impl Time {
    /// Reads a time of 16 characters, the tenths left out, or of the 12 or 10 without tenths and
    /// zone that some peers send. `None` for the empty one and for everything else. In relative
    /// times a year has 365 days, a month 30.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if let Some((digits, &[_, high, low, sign])) = text.split_last_chunk::<4>()
            && digits.len() == 12
        {
            let quarters = u64::from(number(&[high, low])?);
            return match sign {
                b'R' => Some(Self::Relative(relative_ms(digits)?)),
                b'+' | b'-' if quarters <= QUARTERS_MAX => {
                    let utc_ms = local_ms(digits)?;
                    let off_ms = quarters * QUARTER_MS;
                    let at =
                        if sign == b'+' { utc_ms.checked_sub(off_ms)? } else { utc_ms + off_ms };
                    Some(Self::Absolute(at))
                }
                _ => None,
            };
        }
        match text.len() {
            10 | 12 => Some(Self::Absolute(local_ms(text)?.checked_sub(JST_MS)?)),
            _ => None,
        }
    }
}

/// `YYMMDDhhmmss000+` of Unix milliseconds: universal time, as Kannel writes it.
pub fn absolute(unix_ms: u64) -> [u8; 16] {
    let mut text = *b"000000000000000+";
    text[..12].copy_from_slice(&utc_digits(unix_ms)[2..]);
    text
}

/// `YYMMDDhhmmss000R` of a time from now on, in whole seconds; 99 days at most.
pub fn relative(ms: u64) -> [u8; 16] {
    let seconds = ms.min(99 * DAY_MS) / 1000;
    let mut text = *b"000000000000000R";
    // Months of 30 days keep the day below 30, which every peer can read.
    let pieces = [
        seconds / (30 * 86_400),
        seconds / 86_400 % 30,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ];
    for (at, piece) in pieces.into_iter().enumerate() {
        two_digits(&mut text[2 + 2 * at..], piece as u8);
    }
    text
}

/// `YYMMDDhhmm` of Unix milliseconds in a zone east of universal time by so many minutes, for a
/// receipt's text.
pub fn receipt_date(unix_ms: u64, zone_minutes: i32) -> [u8; 10] {
    let zone_ms = i64::from(zone_minutes) * MINUTE_MS as i64;
    let digits = utc_digits(unix_ms.saturating_add_signed(zone_ms));
    let mut date = [0; 10];
    date.copy_from_slice(&digits[2..12]);
    date
}

/// Reads the date of a receipt's text: 10 or 12 digits from the year's last two on, or 14 or 12
/// with all four of the year. `None` for zeros and for what is no date.
pub fn parse_receipt_date(text: &[u8]) -> Option<Civil> {
    let piece = |at: usize| text.get(at..at + 2).and_then(number);
    let date = |year: u16, at: usize| {
        let second = if text.len() > at + 8 { piece(at + 8)? } else { 0 };
        let civil = Civil {
            year,
            month: piece(at)?,
            day: piece(at + 2)?,
            hour: piece(at + 4)?,
            minute: piece(at + 6)?,
            second,
        };
        is_date(&civil).then_some(civil)
    };
    let century = u16::from(piece(0)?) * 100;
    match text.len() {
        10 => date(2000 + u16::from(piece(0)?), 2),
        12 => {
            date(2000 + u16::from(piece(0)?), 2).or_else(|| date(century + u16::from(piece(2)?), 4))
        }
        14 => date(century + u16::from(piece(2)?), 4),
        _ => None,
    }
}

fn is_date(civil: &Civil) -> bool {
    let mut digits = [b'0'; 14];
    two_digits(&mut digits[..2], (civil.year / 100) as u8);
    let pieces =
        [(civil.year % 100) as u8, civil.month, civil.day, civil.hour, civil.minute, civil.second];
    for (at, piece) in pieces.into_iter().enumerate() {
        two_digits(&mut digits[2 + 2 * at..], piece);
    }
    parse_jst_digits(&digits).is_some()
}

/// `YYYYMMDDhhmmss` in universal time.
fn utc_digits(unix_ms: u64) -> [u8; 14] {
    jst_digits(unix_ms.saturating_sub(JST_MS))
}

/// What a clock without a zone shows, as if it were that of universal time, in Unix milliseconds.
fn local_ms(digits: &[u8]) -> Option<u64> {
    let mut text = *b"20000000000000";
    text.get_mut(2..2 + digits.len())?.copy_from_slice(digits);
    Some(parse_jst_digits(&text)? + JST_MS)
}

fn relative_ms(digits: &[u8]) -> Option<u64> {
    let seconds = [365 * 86_400, 30 * 86_400, 86_400, 3600, 60, 1];
    let pieces = digits.as_chunks::<2>().0.iter().zip(seconds);
    let total: Option<u64> =
        pieces.map(|(piece, unit)| Some(u64::from(number(piece)?) * unit)).sum();
    Some(total? * 1000)
}

fn number(digits: &[u8]) -> Option<u8> {
    match digits {
        [high @ b'0'..=b'9', low @ b'0'..=b'9'] => Some((high - b'0') * 10 + (low - b'0')),
        _ => None,
    }
}

fn two_digits(out: &mut [u8], value: u8) {
    out[0] = b'0' + value / 10 % 10;
    out[1] = b'0' + value % 10;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 13:34:30 UTC.
    const NOW_MS: u64 = 1_795_354_470_000;

    #[test]
    fn an_absolute_time_is_read_in_every_zone() {
        assert_eq!(absolute(NOW_MS), *b"261122133430000+");
        assert_eq!(Time::parse(&absolute(NOW_MS)), Some(Time::Absolute(NOW_MS)));
        for same in
            [&b"261122223430036+"[..], b"261122083430720-", b"261122223430", b"261122133430900+"]
        {
            assert_eq!(Time::parse(same), Some(Time::Absolute(NOW_MS)), "{}", same.escape_ascii());
        }
        assert_eq!(Time::parse(b"2611222234"), Some(Time::Absolute(NOW_MS - 30_000)));
        for wrong in [
            &b""[..],
            b"261322133430000+",
            b"261122133430049+",
            b"261122133430000*",
            b"26112213343000+",
            b"2611221334300000+",
            b"26112213343x000+",
            b"2611221334300x0+",
        ] {
            assert_eq!(Time::parse(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn a_relative_time_is_written_and_read_back() {
        assert_eq!(relative(72 * HOUR_MS), *b"000003000000000R");
        let odd_ms = 3 * DAY_MS + 4 * HOUR_MS + 5 * MINUTE_MS + 6_000;
        assert_eq!(relative(odd_ms), *b"000003040506000R");
        for ms in [0, 1000, odd_ms, 45 * DAY_MS, 99 * DAY_MS] {
            assert_eq!(Time::parse(&relative(ms)), Some(Time::Relative(ms)));
        }
        assert_eq!(relative(u64::MAX), relative(99 * DAY_MS));
        assert_eq!(Time::parse(b"010000000000000R"), Some(Time::Relative(365 * DAY_MS)));
        assert_eq!(Time::parse(b"0100000000x0000R"), None);
    }

    #[test]
    fn a_receipts_date_is_read_with_every_number_of_digits() {
        assert_eq!(receipt_date(NOW_MS, 540), *b"2611222234");
        assert_eq!(receipt_date(NOW_MS, -120), *b"2611221134");
        let expected = Civil { year: 2026, month: 11, day: 22, hour: 22, minute: 34, second: 0 };
        assert_eq!(parse_receipt_date(b"2611222234"), Some(expected));
        assert_eq!(parse_receipt_date(b"202611222234"), Some(expected));
        let exact = Civil { second: 30, ..expected };
        assert_eq!(parse_receipt_date(b"261122223430"), Some(exact));
        assert_eq!(parse_receipt_date(b"20261122223430"), Some(exact));
        for wrong in [
            &b""[..],
            b"0000000000",
            b"000000000000",
            b"00000000000000",
            b"26112222",
            b"26112222x4",
        ] {
            assert_eq!(parse_receipt_date(wrong), None, "{}", wrong.escape_ascii());
        }
    }
}
