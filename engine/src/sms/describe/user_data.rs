//! TP-User-Data in words: length, header element by element, and content.

use super::{FieldValue, List};
use crate::sms::alphabet::{Alphabet, Language};
use crate::sms::header::{Concatenation, Element, Information, Ports};
use crate::sms::user_data::{Payload, UserData};

pub(super) fn describe(list: &mut List, user_data: &UserData<'_>) {
    let unit = if user_data.coding_scheme.counts_septets() { "septets" } else { "octets" };
    list.number("TP-UDL", user_data.length, unit);
    match user_data.header() {
        None => {}
        Some(Ok(header)) => {
            let octets = header.element_octets();
            list.number("TP-UDHL", octets.len() as u8, "octets of header behind this one");
            for element in header.elements() {
                let name = format!("IE {:02X}", element.identifier);
                list.push(name, FieldValue::Octets(element.data.to_vec()), meaning_of(element));
            }
        }
        Some(Err(fault)) => {
            let octets = user_data.octets[..user_data.header_octets()].to_vec();
            list.push("TP-UDH", FieldValue::Octets(octets), format!("ignored: {fault}"));
        }
    }
    let (value, meaning) = match (user_data.text(), user_data.payload()) {
        (Some(text), _) => (FieldValue::Text(text), alphabet_name(user_data.alphabet())),
        (None, Payload::Compressed(octets)) => (FieldValue::Octets(octets.to_vec()), "compressed".to_owned()),
        (None, Payload::Octets(octets) | Payload::Ucs2(octets) | Payload::Septets { octets, .. }) => {
            (FieldValue::Octets(octets.to_vec()), "8-bit data".to_owned())
        }
    };
    list.push("TP-UD", value, meaning);
}

/// The alphabet by its name, with the national tables if there are any.
pub fn alphabet_name(alphabet: Alphabet) -> String {
    match alphabet {
        Alphabet::EightBit => "8-bit data".to_owned(),
        Alphabet::Ucs2 => "UCS-2".to_owned(),
        Alphabet::Gsm7(shift) => {
            let table = |language: Option<Language>, kind: &str| {
                language.map_or(String::new(), |language| format!(", {language} {kind} shift"))
            };
            let base = "GSM 7-bit";
            format!("{base}{}{}", table(shift.locking, "locking"), table(shift.single, "single"))
        }
    }
}

fn meaning_of(element: Element<'_>) -> String {
    let name = element.name();
    match element.information() {
        Information::Concatenation(Concatenation { reference, total, sequence, .. }) => {
            format!("{name}: reference {reference}, part {sequence} of {total}")
        }
        Information::SpecialMessage { indication, count } => {
            let kind = match indication & 0x1f {
                0 => "voice",
                1 => "fax",
                2 => "electronic mail",
                3 => "other",
                7 => "videomessage",
                _ => "reserved",
            };
            let keep = if indication & 0x80 != 0 { "store" } else { "discard" };
            let profile = (indication >> 5 & 3) + 1;
            format!("{name}: {count} {kind} messages waiting, profile {profile}, {keep} message")
        }
        Information::Ports(Ports { destination, source, .. }) => {
            format!("{name}: destination {destination}, source {source}")
        }
        Information::SmscControl(selected) => format!("{name}: {}", smsc_control(selected)),
        Information::UdhSource(source) => {
            let source = match source {
                1 => "original sender",
                2 => "original receiver",
                3 => "SMSC",
                _ => "reserved source",
            };
            format!("{name}: the elements that follow come from the {source}")
        }
        Information::SingleShift(language) | Information::LockingShift(language) => {
            format!("{name}: {language}")
        }
        Information::Other(_) => match element.identifier {
            // Known by name, but with a length or value that the standard says to pass over.
            0x00 | 0x01 | 0x04..=0x08 | 0x24 | 0x25 => format!("{name}: ignored, its content makes no sense"),
            _ => name.to_owned(),
        },
    }
}

/// 9.2.3.24.5: which results are reported, and what happens to this header in the report.
fn smsc_control(selected: u8) -> String {
    let meanings = [
        (0x01, "report completed transactions"),
        (0x02, "report permanent errors when the SC has stopped trying"),
        (0x04, "report temporary errors when the SC has stopped trying"),
        (0x08, "report temporary errors while the SC is still trying"),
        (0x40, "cancel the report request for the other parts once one has been reported"),
        (0x80, "include the original header in the report"),
    ];
    let chosen: Vec<&str> =
        meanings.into_iter().filter(|(bit, _)| selected & bit != 0).map(|(_, meaning)| meaning).collect();
    if chosen.is_empty() { "nothing selected".to_owned() } else { chosen.join(", ") }
}
