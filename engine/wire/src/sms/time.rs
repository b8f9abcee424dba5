//! Times on the wire: TP-SCTS and TP-DT (3GPP TS 23.040, 9.2.3.11, 9.2.3.13) and TP-VP (9.2.3.12).
//!
//! A time stamp is local time: decimal digits with their semi-octets swapped, and the zone that
//! says how far it lies from GMT. All octets are kept as they came; a semi-octet that is no digit
//! reads as 0 (9.2.3.11), and what is no time even so reads as `None`.

use std::fmt;

use super::limits::TIME_OCTETS;

/// The zone octet of Japan Standard Time: 36 quarters of an hour east.
pub const JST_ZONE: u8 = zone_octet(36);
/// Quarters of an hour that a zone may lie from GMT: the largest number that its semi-octets hold
/// in decimal.
pub const ZONE_QUARTERS_MAX: i8 = 79;
/// Bit 3 of the zone octet: west of GMT.
const ZONE_SIGN: u8 = 8;
/// Two-digit years from here on belong to the 1900s: the first short message is of 1992.
const YEAR_OF_1900S_MIN: u8 = 90;

/// Two decimal digits as two semi-octets, the first in the low one.
//= TS 23.040 9.2.3.11 digits
pub const fn swapped_digits(number: u8) -> u8 {
    ((number % 10) << 4) | (number / 10)
}

/// A service centre time stamp or discharge time (TS 23.040, 9.2.3.11 and 9.2.3.13), as it stands
/// on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct TimeStamp(pub [u8; TIME_OCTETS]);

/// What a wall clock and a calendar show where a time stamp was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LocalTime {
    /// 1990 to 2089: the wire carries two digits.
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
    /// Quarters of an hour east of GMT, -79 to 79; west is negative.
    pub zone_quarters: i8,
}

impl TimeStamp {
    /// The octets for a local time; `None` when a field is out of its range. The day is checked
    /// against the month only to 31.
    pub fn new(time: LocalTime) -> Option<Self> {
        let legal = (1990..2090).contains(&time.year) && time.is_plausible();
        let pair = swapped_digits;
        let year = (time.year % 100) as u8;
        legal.then(|| {
            Self([
                pair(year),
                pair(time.month),
                pair(time.day),
                pair(time.hour),
                pair(time.minute),
                pair(time.second),
                zone_octet(time.zone_quarters),
            ])
        })
    }

    /// The local time, or `None` when a field is out of its range. A semi-octet that is no digit
    /// counts as 0, as 9.2.3.11 orders.
    pub fn local_time(self) -> Option<LocalTime> {
        let [year, month, day, hour, minute, second, zone] = self.0;
        let year = u16::from(lenient_digits(year));
        let time = LocalTime {
            year: if year < u16::from(YEAR_OF_1900S_MIN) { 2000 + year } else { 1900 + year },
            month: lenient_digits(month),
            day: lenient_digits(day),
            hour: lenient_digits(hour),
            minute: lenient_digits(minute),
            second: lenient_digits(second),
            zone_quarters: zone_quarters(zone),
        };
        time.is_plausible().then_some(time)
    }

    /// Whether every semi-octet is a decimal digit, but for the sign of the zone.
    pub fn is_decimal(self) -> bool {
        let [moment @ .., zone] = self.0;
        moment.into_iter().chain([zone & !ZONE_SIGN]).all(|octet| unswapped_digits(octet).is_some())
    }
}

impl LocalTime {
    fn is_plausible(self) -> bool {
        (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
            && self.zone_quarters.unsigned_abs() <= ZONE_QUARTERS_MAX.unsigned_abs()
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, zone_quarters } = *self;
        let sign = if zone_quarters < 0 { '-' } else { '+' };
        let quarters = zone_quarters.unsigned_abs();
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        write!(formatter, "{sign}{:02}:{:02}", quarters / 4, quarters % 4 * 15)
    }
}

/// TP-Validity-Period in one of its four forms (9.2.3.12). It counts from when the service centre
/// receives the message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ValidityPeriod {
    /// TP-VPF 00: not present.
    #[default]
    Absent,
    /// TP-VPF 10: relative (9.2.3.12.1), see [`relative_minutes`].
    Relative(u8),
    /// TP-VPF 11: absolute (9.2.3.12.2).
    Absolute(TimeStamp),
    /// TP-VPF 01: enhanced (9.2.3.12.3).
    Enhanced(EnhancedValidity),
}

/// The seven octets of an enhanced validity period (TS 23.040, 9.2.3.12.3), reserved ones and all.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
//= TS 23.040 9.2.3.12.3 octets
pub struct EnhancedValidity(pub [u8; TIME_OCTETS]);

/// What an enhanced validity period says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EnhancedPeriod {
    /// 000: no period.
    Absent,
    /// 001: as in the relative form.
    Relative(u8),
    /// 010: 1 to 255 seconds.
    Seconds(u8),
    /// 011: hours 0 to 99, minutes and seconds 0 to 59.
    HoursMinutesSeconds(u8, u8, u8),
    /// A reserved format, 0 seconds, digits that are none, or extension octets that leave no room.
    Reserved,
}

impl EnhancedValidity {
    /// Bit 6 of the functionality indicator: the service centre tries once.
    pub const SINGLE_SHOT: u8 = 0x40;
    /// Bit 7: another functionality octet follows.
    pub const EXTENSION: u8 = 0x80;

    /// The octets for a period, unused ones zero; `None` for [`EnhancedPeriod::Reserved`] and
    /// numbers out of range.
    pub fn new(period: EnhancedPeriod, single_shot: bool) -> Option<Self> {
        let first = if single_shot { Self::SINGLE_SHOT } else { 0 };
        let mut octets = [0; TIME_OCTETS];
        match period {
            EnhancedPeriod::Absent => octets[0] = first,
            EnhancedPeriod::Relative(value) => octets[..2].copy_from_slice(&[first | 1, value]),
            EnhancedPeriod::Seconds(0) | EnhancedPeriod::Reserved => return None,
            EnhancedPeriod::Seconds(seconds) => octets[..2].copy_from_slice(&[first | 2, seconds]),
            EnhancedPeriod::HoursMinutesSeconds(hours, minutes, seconds) => {
                if hours > 99 || minutes > 59 || seconds > 59 {
                    return None;
                }
                let digits = [hours, minutes, seconds].map(swapped_digits);
                octets[..4].copy_from_slice(&[first | 3, digits[0], digits[1], digits[2]]);
            }
        }
        Some(Self(octets))
    }

    /// Whether the message is to be tried once only.
    //= TS 23.040 9.2.3.12.3 single shot
    pub fn is_single_shot(self) -> bool {
        self.0[0] & Self::SINGLE_SHOT != 0
    }

    /// The period. Extension octets of the functionality indicator are stepped over.
    pub fn period(self) -> EnhancedPeriod {
        //= TS 23.040 9.2.3.12.3 extension
        let extensions = self.0.iter().take_while(|&&octet| octet & Self::EXTENSION != 0).count();
        let value = self.0.get(extensions + 1..).unwrap_or_default();
        //= TS 23.040 9.2.3.12.3 format
        match (self.0[0] & 7, value) {
            (0, _) => EnhancedPeriod::Absent,
            (1, &[value, ..]) => EnhancedPeriod::Relative(value),
            (2, &[seconds, ..]) if seconds > 0 => EnhancedPeriod::Seconds(seconds),
            (3, &[hours, minutes, seconds, ..]) => {
                let read = |octet, max| unswapped_digits(octet).filter(|&number| number <= max);
                match (read(hours, 99), read(minutes, 59), read(seconds, 59)) {
                    (Some(hours), Some(minutes), Some(seconds)) => {
                        EnhancedPeriod::HoursMinutesSeconds(hours, minutes, seconds)
                    }
                    _ => EnhancedPeriod::Reserved,
                }
            }
            _ => EnhancedPeriod::Reserved,
        }
    }
}

/// The minutes that a relative validity period stands for (9.2.3.12.1): 5 minutes to 63 weeks.
pub const fn relative_minutes(value: u8) -> u32 {
    const HOUR: u32 = 60;
    const DAY: u32 = 24 * HOUR;
    let value = value as u32;
    match value {
        0..=143 => (value + 1) * 5,
        144..=167 => 12 * HOUR + (value - 143) * 30,
        168..=196 => (value - 166) * DAY,
        _ => (value - 192) * 7 * DAY,
    }
}

/// The two digits of an octet, the first from the low semi-octet; `None` when one is above nine.
fn unswapped_digits(octet: u8) -> Option<u8> {
    let (tens, units) = (octet & 0xf, octet >> 4);
    (tens <= 9 && units <= 9).then_some(tens * 10 + units)
}

/// The same, but a semi-octet above nine counts as 0.
//= TS 23.040 9.2.3.11 no digit
const fn lenient_digits(octet: u8) -> u8 {
    const fn digit(nibble: u8) -> u8 {
        if nibble > 9 { 0 } else { nibble }
    }
    digit(octet & 0xf) * 10 + digit(octet >> 4)
}

/// Quarters of an hour as semi-octets, bit 3 of the octet the sign.
//= TS 23.040 9.2.3.11 zone
const fn zone_octet(quarters: i8) -> u8 {
    let sign = if quarters < 0 { ZONE_SIGN } else { 0 };
    swapped_digits(quarters.unsigned_abs()) | sign
}

fn zone_quarters(octet: u8) -> i8 {
    let magnitude = lenient_digits(octet & !ZONE_SIGN) as i8;
    if octet & ZONE_SIGN == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TS 23.040 9.2.3.11 zone
    #[test]
    fn the_zone_is_signed_and_in_quarters() {
        for (octet, quarters) in
            [(0x00, 0), (0x63, 36), (0x0a, -20), (0x61, 16), (0x23, 32), (0x69, -16)]
        {
            assert_eq!(zone_quarters(octet), quarters, "{octet:02X}");
            assert_eq!(zone_octet(quarters), octet);
        }
        assert_eq!(zone_octet(-79), 0x9f);
    }

    //= TS 23.040 9.2.3.11 digits
    #[test]
    fn a_time_stamp_reads_back_and_shows_its_zone() {
        let stamp = TimeStamp([0x11, 0x20, 0x82, 0x11, 0x05, 0x05, 0x0a]);
        let time = stamp.local_time().expect("a time");
        assert_eq!(time.to_string(), "2011-02-28T11:50:50-05:00");
        assert_eq!(TimeStamp::new(time), Some(stamp));
        let last =
            TimeStamp([0x99, 0x21, 0x13, 0x32, 0x95, 0x95, 0x18]).local_time().expect("a time");
        assert_eq!(last.to_string(), "1999-12-31T23:59:59-00:15");
        assert!(stamp.is_decimal());
    }

    //= TS 23.040 9.2.3.11 no digit
    #[test]
    fn semi_octets_that_are_no_digits_count_as_nought_and_are_kept() {
        let stamp = TimeStamp([0x62, 0xb1, 0x2f, 0xe1, 0x43, 0xcd, 0xf9]);
        assert!(!stamp.is_decimal());
        assert_eq!(
            stamp.local_time().map(|time| time.to_string()).as_deref(),
            Some("2026-10-02T10:34:00-02:30")
        );
        // The sign is no digit; a zone of 79 quarters is the largest.
        assert!(TimeStamp([0x62, 0x11, 0x22, 0x31, 0x43, 0x03, 0x9f]).is_decimal());
        assert!(!TimeStamp([0x62, 0x11, 0x22, 0x31, 0x43, 0x03, 0xa3]).is_decimal());
        // No month, a day 81, and nothing but noughts are no times.
        for octets in
            [[0xff; 7], [0; 7], [0x80, 0x60, 0x18, 0, 0, 0, 0x63], [0x62, 0x31, 0x22, 0, 0, 0, 0]]
        {
            assert_eq!(TimeStamp(octets).local_time(), None, "{octets:02X?}");
        }
    }

    //= TS 23.040 9.2.3.12.1
    #[test]
    fn relative_periods_change_their_steps_where_the_standard_says() {
        for (value, minutes) in [
            (0, 5),
            (143, 720),
            (144, 750),
            (167, 1440),
            (168, 2880),
            (169, 4320),
            (196, 43_200),
            (197, 50_400),
            (255, 635_040),
        ] {
            assert_eq!(relative_minutes(value), minutes, "{value}");
        }
    }

    //= TS 23.040 9.2.3.12.3 format
    //= TS 23.040 9.2.3.12.3 extension
    //= TS 23.040 9.2.3.12.3 single shot
    #[test]
    fn enhanced_periods_read_back_and_step_over_extensions() {
        for period in [
            EnhancedPeriod::Absent,
            EnhancedPeriod::Relative(167),
            EnhancedPeriod::Seconds(90),
            EnhancedPeriod::HoursMinutesSeconds(99, 59, 8),
        ] {
            let octets = EnhancedValidity::new(period, true).expect("legal");
            assert_eq!((octets.period(), octets.is_single_shot()), (period, true));
        }
        assert_eq!(
            EnhancedValidity::new(EnhancedPeriod::HoursMinutesSeconds(1, 60, 0), false),
            None
        );
        let extended = EnhancedValidity([0x82, 0x00, 30, 0, 0, 0, 0]);
        assert_eq!(extended.period(), EnhancedPeriod::Seconds(30));
        assert_eq!(EnhancedValidity([0x83; 7]).period(), EnhancedPeriod::Reserved);
        for reserved in [[0x07, 0, 0], [0x02, 0, 0], [0x03, 0xa0, 0], [0x03, 0, 0x06]] {
            let [first, second, third] = reserved;
            let octets = EnhancedValidity([first, second, third, 0, 0, 0, 0]);
            assert_eq!(octets.period(), EnhancedPeriod::Reserved, "{reserved:02X?}");
        }
        assert_eq!(EnhancedValidity::new(EnhancedPeriod::Seconds(0), false), None);
    }
}
