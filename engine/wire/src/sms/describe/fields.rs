//! Single fields in words: addresses, identifiers, times and results.

use super::{FieldValue, List};
use crate::sms::address::{Address, TypeOfNumber};
use crate::sms::coding_scheme::{
    CharacterSet, CodingGroup, CodingScheme, MessageClass, WaitingKind,
};
use crate::sms::protocol_identifier::ProtocolIdentifier;
use crate::sms::status::{FailureCause, Status, StatusClass};
use crate::sms::time::{EnhancedPeriod, TimeStamp, ValidityPeriod, relative_minutes};

pub(super) fn address(list: &mut List, name: &str, address: &Address) {
    let number = match address.type_of_number() {
        TypeOfNumber::Unknown => "unknown",
        TypeOfNumber::International => "international",
        TypeOfNumber::National => "national",
        TypeOfNumber::NetworkSpecific => "network specific",
        TypeOfNumber::Subscriber => "subscriber",
        TypeOfNumber::Alphanumeric => "alphanumeric",
        TypeOfNumber::Abbreviated => "abbreviated",
        TypeOfNumber::Reserved => "reserved",
    };
    let plan = match address.numbering_plan() {
        0 => "unknown",
        1 => "ISDN (E.164)",
        3 => "data (X.121)",
        4 => "telex",
        5 | 6 => "service centre specific",
        8 => "national",
        9 => "private",
        10 => "ERMES",
        _ => "reserved",
    };
    let (semi_octets, type_of_number) = (address.semi_octets(), address.type_of_number() as u8);
    let meaning = format!(
        "{semi_octets} semi-octets, type of number {type_of_number} {number}, numbering \
         plan {} {plan}",
        address.numbering_plan()
    );
    list.push(name, FieldValue::Text(address.text()), meaning)
        .with_number("semi_octets", semi_octets)
        .with_number("type_of_number", type_of_number)
        .with_number("numbering_plan", address.numbering_plan())
        .with_octets("octets", address.as_octets());
}

pub(super) fn protocol_identifier(list: &mut List, identifier: ProtocolIdentifier) {
    list.number("TP-PID", identifier.0, identifier.meaning());
}

pub(super) fn coding_scheme(list: &mut List, scheme: CodingScheme) {
    let (character_set, name) = match scheme.character_set() {
        CharacterSet::Gsm7 => ("gsm7", "GSM 7-bit default alphabet"),
        CharacterSet::EightBit => ("8bit", "8-bit data"),
        CharacterSet::Ucs2 => ("ucs2", "UCS-2"),
    };
    let mut meaning = vec![name.to_owned()];
    if scheme.is_compressed() {
        meaning.push("compressed".to_owned());
    }
    if let Some(class) = scheme.class() {
        let means = match class {
            MessageClass::Zero => "shown at once",
            MessageClass::One => "ME specific",
            MessageClass::Two => "(U)SIM specific",
            MessageClass::Three => "TE specific",
        };
        meaning.push(format!("class {} ({means})", class.number()));
    }
    if scheme.group() == CodingGroup::AutomaticDeletion {
        meaning.push("marked for automatic deletion".to_owned());
    }
    let waiting = scheme.waiting().map(|(active, kind)| (active, waiting_name(kind)));
    let discard = scheme.group() == CodingGroup::WaitingDiscard;
    if let Some((active, kind)) = waiting {
        let keep = if discard { "discard" } else { "store" };
        let set = if active { "active" } else { "inactive" };
        meaning.push(format!("{kind} message waiting indication {set}, {keep} message"));
    }
    if scheme.is_reserved() {
        meaning.push("reserved coding".to_owned());
    }
    let field = list.number("TP-DCS", scheme.0, meaning.join(", "));
    field.with_text("character_set", character_set).with_flag("compressed", scheme.is_compressed());
    if let Some(class) = scheme.class() {
        field.with_number("class", class.number());
    }
    if let Some((active, kind)) = waiting {
        field
            .with_text("waiting", kind)
            .with_flag("waiting_active", active)
            .with_flag("waiting_discard", discard);
    }
    field.with_flag("reserved", scheme.is_reserved());
}

fn waiting_name(kind: WaitingKind) -> &'static str {
    match kind {
        WaitingKind::Voicemail => "voicemail",
        WaitingKind::Fax => "fax",
        WaitingKind::ElectronicMail => "electronic mail",
        WaitingKind::Other => "other",
    }
}

pub(super) fn failure_cause(list: &mut List, cause: FailureCause) {
    list.number("TP-FCS", cause.0, cause.meaning());
}

pub(super) fn status(list: &mut List, status: Status) {
    let class = match status.class() {
        StatusClass::Completed => "completed",
        StatusClass::StillTrying => "still trying",
        StatusClass::Permanent => "permanent error",
        StatusClass::GaveUp => "gave up",
        StatusClass::Reserved => "reserved",
    };
    list.number("TP-ST", status.0, status.meaning()).with_text("class", class);
}

pub(super) fn time_stamp(list: &mut List, name: &str, stamp: TimeStamp) {
    let field = match stamp.local_time() {
        Some(time) => {
            let meaning =
                if stamp.is_decimal() { "" } else { "semi-octets that are no digits read as 0" };
            list.push(name, FieldValue::Text(time.to_string()), meaning)
        }
        None => list.push(name, FieldValue::Octets(stamp.0.to_vec()), "not a time"),
    };
    field.with_octets("octets", &stamp.0);
}

pub(super) fn validity_period(list: &mut List, validity: ValidityPeriod) {
    match validity {
        ValidityPeriod::Absent => {}
        ValidityPeriod::Relative(value) => {
            let seconds = relative_seconds(value);
            list.number("TP-VP", value, duration(seconds)).with_number("seconds", seconds);
        }
        ValidityPeriod::Absolute(stamp) => time_stamp(list, "TP-VP", stamp),
        ValidityPeriod::Enhanced(enhanced) => {
            let seconds = match enhanced.period() {
                EnhancedPeriod::Absent | EnhancedPeriod::Reserved => None,
                EnhancedPeriod::Relative(value) => Some(relative_seconds(value)),
                EnhancedPeriod::Seconds(seconds) => Some(seconds.into()),
                EnhancedPeriod::HoursMinutesSeconds(hours, minutes, seconds) => {
                    Some((u32::from(hours) * 60 + u32::from(minutes)) * 60 + u32::from(seconds))
                }
            };
            let mut meaning = match seconds {
                Some(seconds) => duration(seconds),
                None if enhanced.period() == EnhancedPeriod::Absent => "no period".to_owned(),
                None => "reserved format".to_owned(),
            };
            if enhanced.is_single_shot() {
                meaning.push_str(", tried once");
            }
            let field = list.push("TP-VP", FieldValue::Octets(enhanced.0.to_vec()), meaning);
            if let Some(seconds) = seconds {
                field.with_number("seconds", seconds);
            }
            field.with_flag("single_shot", enhanced.is_single_shot());
        }
    }
}

fn relative_seconds(value: u8) -> u32 {
    relative_minutes(value) * 60
}

/// Seconds in the largest units that leave no rest, or in hours, minutes and seconds.
fn duration(seconds: u32) -> String {
    const MINUTE: u32 = 60;
    const HOUR: u32 = 60 * MINUTE;
    const DAY: u32 = 24 * HOUR;
    const WEEK: u32 = 7 * DAY;
    let several =
        |number: u32, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    if seconds > 0 && seconds.is_multiple_of(WEEK) {
        return several(seconds / WEEK, "week");
    }
    if seconds > 0 && seconds.is_multiple_of(DAY) {
        return several(seconds / DAY, "day");
    }
    let parts = [(seconds / HOUR, "h"), (seconds / MINUTE % 60, "min"), (seconds % 60, "s")];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_units_that_people_use() {
        for (seconds, told) in [
            (0, "0 s"),
            (255, "4 min 15 s"),
            (300, "5 min"),
            (3600, "1 h"),
            (45_000, "12 h 30 min"),
            (86_400, "1 day"),
            (345_600, "4 days"),
            (604_800, "1 week"),
            (38_102_400, "63 weeks"),
            (359_999, "99 h 59 min 59 s"),
        ] {
            assert_eq!(duration(seconds), told);
        }
    }
}
