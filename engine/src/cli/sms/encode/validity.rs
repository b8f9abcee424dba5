//! TP-VP in its three forms as options (TS 23.040, 9.2.3.12).

use super::arguments::time_of;
use wire::sms::time::{EnhancedPeriod, EnhancedValidity, TimeStamp, ValidityPeriod};

/// The validity period; without any of these TP-VP is left out.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ValidityArguments {
    /// TP-VP in relative form, 0 to 255; with --single-shot inside the enhanced form.
    #[arg(long, conflicts_with_all = ["validity_until", "validity_for"])]
    pub(super) validity: Option<u8>,
    /// TP-VP in absolute form, as 2026-11-22T13:34:30+09:00.
    #[arg(long, value_parser = time_of, conflicts_with_all = ["validity_for", "single_shot"])]
    pub(super) validity_until: Option<TimeStamp>,
    /// TP-VP in enhanced form: 1 to 255 seconds, as 90, or hours, minutes and seconds, as 36:00:00.
    #[arg(long, value_parser = period_of)]
    pub(super) validity_for: Option<EnhancedPeriod>,
    /// The service centre shall try once only: an enhanced TP-VP says so.
    #[arg(long)]
    pub(super) single_shot: bool,
}

impl ValidityArguments {
    pub(super) fn period(&self) -> Result<ValidityPeriod, String> {
        if let Some(stamp) = self.validity_until {
            return Ok(ValidityPeriod::Absolute(stamp));
        }
        let period = match (self.validity_for, self.validity, self.single_shot) {
            (Some(period), ..) => period,
            (None, Some(value), true) => EnhancedPeriod::Relative(value),
            (None, Some(value), false) => return Ok(ValidityPeriod::Relative(value)),
            (None, None, true) => EnhancedPeriod::Absent,
            (None, None, false) => return Ok(ValidityPeriod::Absent),
        };
        let enhanced = EnhancedValidity::new(period, self.single_shot);
        enhanced
            .map(ValidityPeriod::Enhanced)
            .ok_or_else(|| "the validity period is out of range".to_owned())
    }
}

/// `S`, or `HH:MM:SS`.
fn period_of(text: &str) -> Result<EnhancedPeriod, String> {
    let wrong = || {
        format!("'{text}' is neither 1 to 255 seconds nor a period like 36:00:00, at most 99:59:59")
    };
    let numbers: Vec<u8> = text
        .split(':')
        .map(|digits| {
            let decimal = digits.bytes().all(|digit| digit.is_ascii_digit());
            digits.parse().ok().filter(|_| decimal).ok_or_else(wrong)
        })
        .collect::<Result<_, _>>()?;
    let period = match numbers[..] {
        [seconds] => EnhancedPeriod::Seconds(seconds),
        [hours, minutes, seconds] => EnhancedPeriod::HoursMinutesSeconds(hours, minutes, seconds),
        _ => return Err(wrong()),
    };
    EnhancedValidity::new(period, false).map(|_| period).ok_or_else(wrong)
}
