//! TP-User-Data in words: length, header element by element, and content.

use super::{FieldValue, List};
use crate::sms::alphabet::{Alphabet, Language};
use crate::sms::header::{
    Concatenation, Element, Header, HeaderFault, Information, Ports, well_known_port,
};
use crate::sms::user_data::{Payload, UserData};

pub(super) fn describe(list: &mut List, user_data: &UserData<'_>) {
    let unit = if user_data.coding_scheme.counts_septets() { "septets" } else { "octets" };
    list.number("TP-UDL", user_data.length, unit);
    describe_header(list, user_data.header(), user_data.octets);
    let payload = user_data.payload();
    let (value, meaning) = match (user_data.text(), payload) {
        (Some(text), _) => (FieldValue::Text(text), alphabet_name(user_data.alphabet())),
        (None, Payload::Compressed(octets)) => {
            (FieldValue::Octets(octets.to_vec()), "compressed".to_owned())
        }
        (
            None,
            Payload::Octets(octets) | Payload::Ucs2(octets) | Payload::Septets { octets, .. },
        ) => (FieldValue::Octets(octets.to_vec()), "8-bit data".to_owned()),
    };
    let field = list.push("TP-UD", value, meaning);
    match payload {
        Payload::Septets { count, .. } => field.with_number("septets", count),
        Payload::Ucs2(octets) | Payload::Octets(octets) | Payload::Compressed(octets) => {
            field.with_octets("content", octets)
        }
    };
    field.with_octets("octets", user_data.octets);
}

/// The header at the front of `octets`, if one was promised.
pub(super) fn describe_header(
    list: &mut List,
    header: Option<Result<Header<'_>, HeaderFault>>,
    octets: &[u8],
) {
    match header {
        None => {}
        Some(Ok(header)) => {
            let octets = header.element_octets();
            list.number("TP-UDHL", octets.len() as u8, "octets of header behind this one");
            for element in header.elements() {
                describe_element(list, element);
            }
        }
        Some(Err(fault)) => {
            let octets = &octets[..Header::read(octets).1];
            list.push("TP-UDH", FieldValue::Octets(octets.to_vec()), format!("ignored: {fault}"));
        }
    }
}

fn describe_element(list: &mut List, element: Element<'_>) {
    let name = format!("IE {:02X}", element.identifier);
    let field = list.push(name, FieldValue::Octets(element.data.to_vec()), meaning_of(element));
    field.with_number("identifier", element.identifier);
    match element.information() {
        Information::Concatenation(Concatenation { reference, wide, total, sequence }) => {
            field
                .with_number("reference", reference)
                .with_number("reference_bits", if wide { 16_u8 } else { 8 })
                .with_number("total", total)
                .with_number("sequence", sequence);
        }
        Information::SpecialMessage { indication, count } => {
            field
                .with_text("waiting", waiting_name(indication))
                .with_number("count", count)
                .with_flag("store", indication & 0x80 != 0)
                .with_number("profile", (indication >> 5 & 3) + 1);
        }
        Information::Ports(Ports { destination, source, wide }) => {
            field
                .with_number("destination_port", destination)
                .with_number("source_port", source)
                .with_number("port_bits", if wide { 16_u8 } else { 8 });
        }
        Information::SmscControl(selected) => {
            field.with_number("selected", selected);
        }
        Information::UdhSource(source) => {
            field.with_number("source", source);
        }
        Information::SingleShift(language) | Information::LockingShift(language) => {
            field
                .with_text("language", language.to_string())
                .with_number("language_number", language.number());
        }
        Information::Other(_) => {}
    }
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
            let kind = waiting_name(indication);
            let keep = if indication & 0x80 != 0 { "store" } else { "discard" };
            let profile = (indication >> 5 & 3) + 1;
            format!("{name}: {count} {kind} messages waiting, profile {profile}, {keep} message")
        }
        Information::Ports(ports) => {
            let reserved =
                if ports.is_reserved() { " (reserved, a terminal ignores them)" } else { "" };
            let told = |port: u16| match well_known_port(port).filter(|_| ports.wide) {
                Some(service) => format!("{port} ({service})"),
                None => port.to_string(),
            };
            format!(
                "{name}: destination {}, source {}{reserved}",
                told(ports.destination),
                told(ports.source)
            )
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
            0x00 | 0x01 | 0x04..=0x08 | 0x24 | 0x25 => {
                format!("{name}: ignored, its content makes no sense")
            }
            _ => name.to_owned(),
        },
    }
}

/// 9.2.3.24.2: basic and extended indication type, bits 4 to 0.
fn waiting_name(indication: u8) -> &'static str {
    match indication & 0x1f {
        0 => "voice",
        1 => "fax",
        2 => "electronic mail",
        3 => "other",
        7 => "videomessage",
        _ => "reserved",
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
    let chosen: Vec<&str> = meanings
        .into_iter()
        .filter(|(bit, _)| selected & bit != 0)
        .map(|(_, meaning)| meaning)
        .collect();
    if chosen.is_empty() { "nothing selected".to_owned() } else { chosen.join(", ") }
}
