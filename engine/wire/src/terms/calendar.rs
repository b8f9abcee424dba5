//! The civil calendar: Unix milliseconds to and from Japan Standard Time digits, HTTP dates and
//! days.
//!
//! Pure: reads no clock. JST is UTC+9 without daylight saving, so nothing here needs a time-zone
//! table. Covers 1970 to 9999; a later instant renders as the last second of 9999.

use crate::terms::time::WallMs;

const JST_OFFSET_SECONDS: u64 = 9 * 3600;
const DAY_SECONDS: u64 = 86_400;
const DAY_MS: u64 = DAY_SECONDS * 1000;
/// Days from 1970-01-01 to 9999-12-31, the last day with a four-digit year.
const DAYS_MAX: u64 = 2_932_896;

const _: () = assert!(days_from_civil(9999, 12, 31) == DAYS_MAX);
const _: () = assert!(days_from_civil(1970, 1, 1) == 0);

/// A date and time of day, in whatever zone the function that made it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Civil {
    /// 1970 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// The date and time in Japan at `unix_ms`.
pub fn jst(unix_ms: u64) -> Civil {
    civil(unix_ms / 1000 + JST_OFFSET_SECONDS)
}

/// `YYYYMMDDhhmmss` in Japan at `unix_ms`: the interface's N14 times.
pub fn jst_digits(unix_ms: u64) -> [u8; 14] {
    let at = jst(unix_ms);
    let mut digits = [b'0'; 14];
    write_four(&mut digits[0..4], at.year);
    write_two(&mut digits[4..6], at.month);
    write_two(&mut digits[6..8], at.day);
    write_two(&mut digits[8..10], at.hour);
    write_two(&mut digits[10..12], at.minute);
    write_two(&mut digits[12..14], at.second);
    digits
}

/// `YYYY-MM-DD hh:mm:ss.mmm +09:00` in Japan at `unix_ms`, for the operator.
pub fn jst_text(unix_ms: u64) -> String {
    let at = jst(unix_ms);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} +09:00",
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        unix_ms % 1000
    )
}

/// Reads exactly 14 digits `YYYYMMDDhhmmss`, Japan time, as Unix milliseconds. `None` for anything
/// else: another length, no digits, a date that no calendar has, a leap second, or an instant
/// before 1970 UTC.
pub fn parse_jst_digits(text: &[u8]) -> Option<u64> {
    if text.len() != 14 {
        return None;
    }
    let days =
        days_of_valid_date(number(&text[0..4])?, number(&text[4..6])?, number(&text[6..8])?)?;
    let (hour, minute, second) =
        (number(&text[8..10])?, number(&text[10..12])?, number(&text[12..14])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let local =
        days * DAY_SECONDS + u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
    Some(local.checked_sub(JST_OFFSET_SECONDS)? * 1000)
}

/// The IMF-fixdate of RFC 9110 section 5.6.7: `Sun, 22 Nov 2026 13:34:30 GMT`.
pub fn http_date(unix_ms: u64) -> [u8; 29] {
    let seconds = unix_ms / 1000;
    let at = civil(seconds);
    // 1970-01-01 was a Thursday, number 4 of a week that begins on Sunday.
    let weekday = ((seconds / DAY_SECONDS).min(DAYS_MAX) + 4) % 7;
    let mut date = *b"Sun, 00 Jan 0000 00:00:00 GMT";
    date[0..3].copy_from_slice(WEEKDAYS[weekday as usize]);
    write_two(&mut date[5..7], at.day);
    date[8..11].copy_from_slice(MONTHS[usize::from(at.month) - 1]);
    write_four(&mut date[12..16], at.year);
    write_two(&mut date[17..19], at.hour);
    write_two(&mut date[20..22], at.minute);
    write_two(&mut date[23..25], at.second);
    date
}

/// Reads a date of HTTP as Unix milliseconds, in any of the three forms that RFC 9110 section 5.6.7
/// has a recipient take: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun
/// Nov  6 08:49:37 1994`. A year of two digits is the one that lies no more than fifty years after
/// `now_ms`. The name of the weekday is not checked.
pub fn parse_http_date(text: &[u8], now_ms: u64) -> Option<u64> {
    let comma = text.iter().position(|&octet| octet == b',');
    let (year, month, day, clock) = match (comma, text.len()) {
        (Some(3), 29) => {
            let plain = text[4] == b' ' && text[7] == b' ' && text[11] == b' ' && text[16] == b' ';
            let year = number(&text[12..16])?;
            plain.then_some((
                year,
                &text[8..11],
                number(&text[5..7])?,
                text[17..].strip_suffix(b" GMT")?,
            ))?
        }
        (Some(6..=9), _) => {
            let rest = text[comma? + 1..].strip_prefix(b" ")?.strip_suffix(b" GMT")?;
            let plain = rest.len() == 18 && rest[2] == b'-' && rest[6] == b'-' && rest[9] == b' ';
            let year = near_year(plain.then(|| number(&rest[7..9]))??, now_ms);
            (year, &rest[3..6], number(&rest[..2])?, &rest[10..])
        }
        (None, 24) => {
            let plain = text[3] == b' ' && text[7] == b' ' && text[10] == b' ' && text[19] == b' ';
            let day = text[8..10].strip_prefix(b" ").unwrap_or_else(|| &text[8..10]);
            plain.then_some((number(&text[20..])?, &text[4..7], number(day)?, &text[11..19]))?
        }
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| name.as_slice() == month)? as u32 + 1;
    let days = days_of_valid_date(year, month, day)?;
    Some((days * DAY_SECONDS + clock_seconds(clock)?) * 1000)
}

/// The year with these last two digits that lies no more than fifty years ahead.
fn near_year(two_digits: u32, now_ms: u64) -> u32 {
    let now = u32::from(civil(now_ms / 1000).year);
    let year = now - now % 100 + two_digits;
    if year > now + 50 { year - 100 } else { year }
}

/// `hh:mm:ss`, a leap second among them, as seconds of the day.
fn clock_seconds(clock: &[u8]) -> Option<u64> {
    if clock.len() != 8 || clock[2] != b':' || clock[5] != b':' {
        return None;
    }
    let (hour, minute, second) =
        (number(&clock[..2])?, number(&clock[3..5])?, number(&clock[6..])?);
    let legal = hour <= 23 && minute <= 59 && second <= 60;
    legal.then_some(u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second))
}

/// One day in Japan, midnight to midnight JST: the day of billing and of volume limits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(u32);

impl Day {
    /// The day in Japan at this time.
    pub fn of(at_ms: WallMs) -> Self {
        let at = jst(at_ms.ms());
        Self(u32::from(at.year) * 10_000 + u32::from(at.month) * 100 + u32::from(at.day))
    }

    /// Reads `20261122` or `2026-11-22`; `None` for anything else or a date that no calendar has.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let (year, month, day) = match text.len() {
            8 => (&text[0..4], &text[4..6], &text[6..8]),
            10 if text[4] == b'-' && text[7] == b'-' => (&text[0..4], &text[5..7], &text[8..10]),
            _ => return None,
        };
        Self::from_number(number(year)? * 10_000 + number(month)? * 100 + number(day)?)
    }

    /// The day with this number YYYYMMDD; `None` if no calendar has it or it lies before 1970.
    pub fn from_number(number: u32) -> Option<Self> {
        days_of_valid_date(number / 10_000, number / 100 % 100, number % 100)?;
        Some(Self(number))
    }

    /// YYYYMMDD as a number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The day's first instant; 0 for 1970-01-01, which began before the epoch.
    pub fn start_ms(self) -> WallMs {
        WallMs::new((self.days() * DAY_MS).saturating_sub(JST_OFFSET_SECONDS * 1000))
    }

    /// The day after this one; the last day of 9999 has none and answers itself.
    pub fn next(self) -> Self {
        let days = (self.days() + 1).min(DAYS_MAX);
        let (year, month, day) = civil_from_days(days);
        Self(year * 10_000 + month * 100 + day)
    }

    fn days(self) -> u64 {
        days_from_civil(self.0 / 10_000, self.0 / 100 % 100, self.0 % 100)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:08}", self.0)
    }
}

/// Days since 1970-01-01 of the day in Japan at `unix_ms`: a small number for packed counters.
pub fn jst_day_index(unix_ms: u64) -> u64 {
    (unix_ms / 1000 + JST_OFFSET_SECONDS) / DAY_SECONDS
}

const WEEKDAYS: [&[u8; 3]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

fn civil(seconds: u64) -> Civil {
    if seconds / DAY_SECONDS > DAYS_MAX {
        return Civil { year: 9999, month: 12, day: 31, hour: 23, minute: 59, second: 59 };
    }
    let (year, month, day) = civil_from_days(seconds / DAY_SECONDS);
    let rest = seconds % DAY_SECONDS;
    Civil {
        year: year as u16,
        month: month as u8,
        day: day as u8,
        hour: (rest / 3600) as u8,
        minute: (rest / 60 % 60) as u8,
        second: (rest % 60) as u8,
    }
}

/// Year, month and day of the day that lies `days` after 1970-01-01, in the Gregorian calendar.
///
/// Counts in years that begin in March, so that the leap day ends a year: day of year and month are
/// then plain divisions within a 400-year era of 146,097 days.
fn civil_from_days(days: u64) -> (u32, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

/// The inverse of [`civil_from_days`] for valid dates from 1970 on.
const fn days_from_civil(year: u32, month: u32, day: u32) -> u64 {
    let march_year = if month <= 2 { year - 1 } else { year } as u64;
    let march_month = if month > 2 { month - 3 } else { month + 9 } as u64;
    let year_of_era = march_year % 400;
    let day_of_year = (153 * march_month + 2) / 5 + day as u64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    march_year / 400 * 146_097 + day_of_era - 719_468
}

pub(super) fn days_of_valid_date(year: u32, month: u32, day: u32) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let month_days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    let valid = (1970..=9999).contains(&year) && (1..=month_days).contains(&day);
    valid.then(|| days_from_civil(year, month, day))
}

pub(super) fn number(digits: &[u8]) -> Option<u32> {
    let mut value = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(digit - b'0');
    }
    Some(value)
}

fn write_two(target: &mut [u8], value: u8) {
    target[0] = b'0' + value / 10;
    target[1] = b'0' + value % 10;
}

fn write_four(target: &mut [u8], value: u16) {
    write_two(&mut target[0..2], (value / 100) as u8);
    write_two(&mut target[2..4], (value % 100) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 22:34:30 JST, a Sunday.
    const SUNDAY_MS: u64 = 1_795_354_470_000;

    #[test]
    fn jst_is_nine_hours_ahead_and_digits_parse_back() {
        assert_eq!(&http_date(SUNDAY_MS), b"Sun, 22 Nov 2026 13:34:30 GMT");
        assert_eq!(&jst_digits(SUNDAY_MS), b"20261122223430");
        assert_eq!(parse_jst_digits(b"20261122223430"), Some(SUNDAY_MS));
        assert_eq!(parse_http_date(&http_date(SUNDAY_MS), 0), Some(SUNDAY_MS));
        assert_eq!(&http_date(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(&jst_digits(0), b"19700101090000");
        assert_eq!(parse_jst_digits(b"19700101090000"), Some(0));
    }

    #[test]
    fn dates_that_no_calendar_has_are_refused() {
        for wrong in [
            &b"20260229000000"[..],
            b"21000229000000",
            b"20261301000000",
            b"20260001000000",
            b"20260100000000",
            b"20260431000000",
            b"20260101240000",
            b"20260101006000",
            b"20260101000060",
            b"2026010100000",
            b"202601010000000",
            b"2026010100000a",
            b"19691231235959",
            b"19700101085959",
            b"",
        ] {
            assert_eq!(parse_jst_digits(wrong), None, "{}", String::from_utf8_lossy(wrong));
        }
        assert!(parse_jst_digits(b"20240229000000").is_some());
        assert!(parse_jst_digits(b"20000229000000").is_some());
    }

    #[test]
    fn all_three_forms_of_an_http_date_are_read() {
        for text in [
            "Sun, 22 Nov 2026 13:34:30 GMT",
            "Sunday, 22-Nov-26 13:34:30 GMT",
            "Wednesday, 22-Nov-26 13:34:30 GMT",
            "Sun Nov 22 13:34:30 2026",
        ] {
            assert_eq!(parse_http_date(text.as_bytes(), SUNDAY_MS), Some(SUNDAY_MS), "{text}");
        }
        let sixth = parse_http_date(b"Sun, 06 Nov 1994 08:49:37 GMT", SUNDAY_MS);
        assert_eq!(sixth, Some(784_111_777_000));
        for text in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_http_date(text.as_bytes(), SUNDAY_MS), sixth, "{text}");
        }
        // Fifty years ahead is this century, fifty-one years the one before.
        let year = |digits: &str| {
            let text = format!("Sunday, 22-Nov-{digits} 13:34:30 GMT");
            parse_http_date(text.as_bytes(), SUNDAY_MS).map(|at| civil(at / 1000).year)
        };
        assert_eq!((year("76"), year("77"), year("00")), (Some(2076), Some(1977), Some(2000)));
    }

    #[test]
    fn what_is_no_http_date_is_none() {
        for wrong in [
            "",
            "soon",
            "Sun, 22 Nov 2026 13:34:30 JST",
            "Sun, 22 Nov 2026 13:34:30",
            "Sun, 31 Feb 2026 13:34:30 GMT",
            "Sun, 22 nov 2026 13:34:30 GMT",
            "Sun,  2 Nov 2026 13:34:30 GMT",
            "Sunday, 22-Nov-2026 13:34:30 GMT",
            "Sunday, 22-Nov-6 13:34:30 GMT",
            "Sunday, 22-Nov-26 24:34:30 GMT",
            "Sunday,22-Nov-26 13:34:30 GMT",
            "Sun Nov 22 13:34:30 26",
            "Sun Nov 22 13:34.30 2026",
            "Sun Nov    13:34:30 2026",
            ",,,,,,,,,,,,,,,,,,,,,,,,,,,,,",
            "                        ",
        ] {
            assert_eq!(parse_http_date(wrong.as_bytes(), SUNDAY_MS), None, "{wrong}");
        }
    }

    #[test]
    fn every_day_to_9999_follows_the_one_before() {
        let mut previous = 0;
        for days in 0..=DAYS_MAX {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_of_valid_date(year, month, day), Some(days));
            let number = year * 10_000 + month * 100 + day;
            assert!(number > previous);
            previous = number;
        }
        assert_eq!(previous, 99_991_231);
    }

    #[test]
    fn a_day_begins_at_midnight_in_japan() {
        let day = Day::of(WallMs::new(SUNDAY_MS));
        assert_eq!(day.number(), 20_261_122);
        assert_eq!(day.to_string(), "20261122");
        assert_eq!(Day::parse("2026-11-22"), Some(day));
        assert_eq!(Day::parse("20261122"), Some(day));
        assert_eq!(Day::of(day.start_ms()), day);
        assert!(Day::of(day.start_ms() - 1) < day);
        assert_eq!(Day::of(day.next().start_ms()), day.next());
        assert_eq!(day.next().start_ms().since(day.start_ms()), DAY_MS);
        assert_eq!(
            Day::parse("20261231").expect("valid").next(),
            Day::parse("20270101").expect("valid")
        );
        for wrong in ["20260230", "2026-1-22", "2026/11/22", "", "2026-11-2x", "あああ-"] {
            assert_eq!(Day::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_instant_beyond_the_calendar_is_its_last_second() {
        assert_eq!(&jst_digits(u64::MAX), b"99991231235959");
        assert_eq!(&http_date(u64::MAX)[5..16], b"31 Dec 9999");
        assert_eq!(Day::of(WallMs::NEVER).next(), Day::of(WallMs::NEVER));
    }
}
