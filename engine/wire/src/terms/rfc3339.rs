//! Instants as RFC 3339 and XML Schema's `dateTime` write them, with an offset from UTC.
//!
//! **Never here:** a local time. A time without an offset names no instant and is not read.

use super::calendar::{days_of_valid_date, jst, number};
use super::time::WallMs;

const DAY_SECONDS: i64 = 86_400;

/// Reads `2026-11-28T19:00:00+09:00` as the time of the wall clock.
///
/// The offset may be `Z`, `-00:00` or any of up to 14 hours; a fraction of a second is cut to
/// milliseconds; `t` and `z` may be small and the `T` a blank (RFC 3339 section 5.6). `None` for
/// anything else, for a date that no calendar has, and before 1970. A leap second counts as the
/// second behind it.
pub fn parse_rfc3339(text: &str) -> Option<WallMs> {
    let octets = text.as_bytes();
    let (date, rest) = octets.split_at_checked(10)?;
    let plain = date[4] == b'-' && date[7] == b'-';
    let days = plain.then(|| {
        days_of_valid_date(number(&date[..4])?, number(&date[5..7])?, number(&date[8..])?)
    })??;
    let (mark, rest) = rest.split_first()?;
    let (clock, rest) = rest.split_at_checked(8)?;
    if !matches!(mark, b'T' | b't' | b' ') || clock[2] != b':' || clock[5] != b':' {
        return None;
    }
    let (hour, minute, second) =
        (number(&clock[..2])?, number(&clock[3..5])?, number(&clock[6..])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (milliseconds, rest) = fraction(rest)?;
    let seconds = days as i64 * DAY_SECONDS + i64::from(hour * 3600 + minute * 60 + second);
    let seconds = seconds - offset_seconds(rest)?;
    Some(WallMs::new(u64::try_from(seconds).ok()? * 1000 + u64::from(milliseconds)))
}

/// Writes an instant as it is read, to the second, in Japan.
pub fn rfc3339_of(at: WallMs) -> String {
    let jst = jst(at.ms());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+09:00",
        jst.year, jst.month, jst.day, jst.hour, jst.minute, jst.second
    )
}

/// The milliseconds of `.5`, if it stands there, and what stands behind.
fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let count = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    let mut milliseconds = 0;
    for place in 0..3 {
        let digit = digits[..count].get(place).map_or(0, |digit| digit - b'0');
        milliseconds = milliseconds * 10 + u32::from(digit);
    }
    (count > 0).then_some((milliseconds, &digits[count..]))
}

/// Seconds east of UTC.
fn offset_seconds(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text.split_first()? {
        (b'Z' | b'z', []) => return Some(0),
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    if rest.len() != 5 || rest[2] != b':' {
        return None;
    }
    let (hours, minutes) = (number(&rest[..2])?, number(&rest[3..])?);
    let legal = minutes <= 59 && hours * 60 + minutes <= 14 * 60;
    legal.then_some(sign * i64::from(hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let at = WallMs::new(1_795_946_874_000);
        assert_eq!(parse_rfc3339(&rfc3339_of(at)), Some(at));
        assert_eq!(rfc3339_of(WallMs::new(0)), "1970-01-01T09:00:00+09:00");
    }

    #[test]
    fn one_instant_is_read_from_every_offset() {
        let instant = Some(WallMs::new(1_795_860_000_000));
        for text in [
            "2026-11-28T19:00:00+09:00",
            "2026-11-28T10:00:00Z",
            "2026-11-28T10:00:00-00:00",
            "2026-11-28t05:00:00-05:00",
            "2026-11-28 15:30:00+05:30",
            "2026-11-29T00:00:00+14:00",
            "2026-11-28T09:59:60Z",
        ] {
            assert_eq!(parse_rfc3339(text), instant, "{text}");
        }
        assert_eq!(parse_rfc3339("2026-11-28T10:00:00.5Z"), Some(WallMs::new(1_795_860_000_500)));
        assert_eq!(
            parse_rfc3339("2026-11-28T10:00:00.0019999Z"),
            Some(WallMs::new(1_795_860_000_001))
        );
        assert_eq!(parse_rfc3339("1970-01-01T09:00:00+09:00"), Some(WallMs::ZERO));
    }

    #[test]
    fn what_names_no_instant_is_none() {
        for text in [
            "",
            "2026-11-28",
            "2026-11-28T19:00:00",
            "2026-11-28T19:00+09:00",
            "2026-11-28T24:00:00Z",
            "2026-11-28T19:60:00Z",
            "2026-02-30T19:00:00Z",
            "2026-11-28T19:00:00+9:00",
            "2026-11-28T19:00:00+0900",
            "2026-11-28T19:00:00+15:00",
            "2026-11-28T19:00:00.Z",
            "2026-11-28T19:00:00Z ",
            "1970-01-01T00:00:00+09:00",
            "２026-11-28T19:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
