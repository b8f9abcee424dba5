//! The codec against vectors collected from public test suites. They lie beside the checkout, not
//! in it; where they are absent the tests say so and pass.

use std::path::PathBuf;

use crate::skips::skip;
use simd_json::OwnedValue;
use simd_json::prelude::*;
use wire::sms::address::{Address, TypeOfNumber};
use wire::sms::alphabet::{Alphabet, Coded, Language, Shift};
use wire::sms::header::{Header, Ports};
use wire::sms::segment::{Content, Fragments, PlanError, PlanOptions, Rules, plan_by_rules};
use wire::sms::septets;
use wire::sms::time::{EnhancedPeriod, TimeStamp, ValidityPeriod, relative_minutes};
use wire::sms::tpdu::{Direction, Parameters, ReportContext, Tpdu};
use wire::sms::user_data::{Payload, UserData};

/// The lines of one vector file, or `None` with a printed reason.
fn vectors(file: &str) -> Option<Vec<OwnedValue>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        skip(format_args!("no vectors at {}", path.display()));
        return None;
    };
    let parse =
        |line: &str| simd_json::to_owned_value(&mut line.as_bytes().to_vec()).expect("a JSON line");
    Some(text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect())
}

fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "even number of hex digits: {text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
        .collect()
}

fn text_of<'a>(vector: &'a OwnedValue, key: &str) -> &'a str {
    vector.get_str(key).unwrap_or_else(|| panic!("{key} is missing in {vector}"))
}

#[test]
fn whole_tpdus_read_as_their_sources_say() {
    let Some(vectors) = vectors("tpdu.jsonl") else { return };
    assert!(vectors.len() > 50, "the file is whole");
    for vector in &vectors {
        let id = text_of(vector, "id");
        let octets = hex(text_of(vector, "tpdu"));
        let tpdu = decode(vector, &octets).unwrap_or_else(|error| panic!("{id}: {error}"));
        let kind = tpdu.name().trim_start_matches("SMS-").to_lowercase().replace('-', "_");
        assert_eq!(kind, text_of(vector, "type"), "{id}");
        let expected = vector.get_object("expect").expect("an expectation");
        for (field, value) in expected.iter() {
            assert_eq!(observed(&tpdu, field, value), canonical(value), "{id}: {field}");
        }
        let mut out = [0; 164];
        let written = tpdu.encode(&mut out).unwrap_or_else(|error| panic!("{id}: {error}"));
        let again = decode(vector, &out[..written]).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(again, tpdu, "{id}");
        assert_eq!(written, octets.len(), "{id}");
    }
}

#[test]
fn broken_tpdus_are_refused() {
    let Some(vectors) = vectors("tpdu_negative.jsonl") else { return };
    for vector in &vectors {
        let id = text_of(vector, "id");
        let mut octets = hex(text_of(vector, "pdu"));
        if vector.get_bool("has_smsc") == Some(true) {
            let service_centre = octets.first().map_or(0, |&length| 1 + usize::from(length));
            octets.drain(..service_centre.min(octets.len()));
        }
        let error = decode(vector, &octets).expect_err(id);
        println!("{id}: {error} ({})", text_of(vector, "expect_error"));
    }
}

fn decode<'a>(
    vector: &OwnedValue,
    octets: &'a [u8],
) -> Result<Tpdu<'a>, wire::sms::error::TpduError> {
    let direction = match text_of(vector, "direction") {
        "mo" => Direction::FromTerminal,
        _ => Direction::ToTerminal,
    };
    Tpdu::decode(octets, direction, ReportContext::Unknown)
}

/// Flags are written as bits, and as yes or no.
fn canonical(value: &OwnedValue) -> OwnedValue {
    value.as_bool().map_or_else(|| value.clone(), |flag| u8::from(flag).into())
}

/// What the TPDU says about `field`, in the form in which the vectors write it.
fn observed(tpdu: &Tpdu<'_>, field: &str, expected: &OwnedValue) -> OwnedValue {
    let user_data = || user_data_of(tpdu).expect("user data");
    match field {
        "text" => user_data().text().expect("text").into(),
        "addr" => address_text(address_of(tpdu), expected.as_str().expect("text")).into(),
        "ton" => (address_of(tpdu).type_of_number() as u8).into(),
        "npi" => address_of(tpdu).numbering_plan().into(),
        "mr" => match tpdu {
            Tpdu::Submit(submit) => submit.message_reference,
            Tpdu::StatusReport(report) => report.message_reference,
            Tpdu::Command(command) => command.message_reference,
            _ => panic!("no TP-MR"),
        }
        .into(),
        "pid" => match tpdu {
            Tpdu::Deliver(deliver) => deliver.protocol_identifier,
            Tpdu::Submit(submit) => submit.protocol_identifier,
            Tpdu::Command(command) => command.protocol_identifier,
            _ => parameters_of(tpdu).protocol_identifier.expect("TP-PID"),
        }
        .0
        .into(),
        "dcs" => match tpdu {
            Tpdu::Deliver(_) | Tpdu::Submit(_) => user_data().coding_scheme,
            _ => parameters_of(tpdu).coding_scheme.expect("TP-DCS"),
        }
        .0
        .into(),
        "msg_class" => user_data().coding_scheme.class().expect("a class").number().into(),
        "udl" => user_data().length.into(),
        "data_hex" => {
            let (Payload::Octets(octets) | Payload::Compressed(octets)) = user_data().payload()
            else {
                panic!("octets expected")
            };
            octets.iter().map(|octet| format!("{octet:02X}")).collect::<String>().into()
        }
        "ies" => user_data()
            .sound_header()
            .expect("a header")
            .elements()
            .map(|element| {
                let data: String =
                    element.data.iter().map(|octet| format!("{octet:02X}")).collect();
                format!("{:02X}:{data}", element.identifier)
            })
            .collect::<Vec<_>>()
            .into(),
        "concat" => {
            let Some(part) = user_data().sound_header().and_then(Header::concatenation) else {
                return OwnedValue::null();
            };
            simd_json::json!({
                "ref": part.reference, "total": part.total, "seq": part.sequence,
                "bits": if part.wide { 16 } else { 8 },
            })
        }
        "ports" => {
            let Some(Ports { destination, source, wide }) =
                user_data().sound_header().and_then(Header::ports)
            else {
                return OwnedValue::null();
            };
            let bits = if wide { 16 } else { 8 };
            simd_json::json!({ "dst": destination, "src": source, "bits": bits })
        }
        _ => observed_elsewhere(tpdu, field),
    }
}

fn observed_elsewhere(tpdu: &Tpdu<'_>, field: &str) -> OwnedValue {
    match (field, tpdu) {
        ("mti", _) => match tpdu {
            Tpdu::Deliver(_) | Tpdu::DeliverReport(_) => 0,
            Tpdu::Submit(_) | Tpdu::SubmitReport(_) => 1,
            Tpdu::StatusReport(_) | Tpdu::Command(_) => 2,
        }
        .into(),
        ("udhi", Tpdu::Command(command)) => u8::from(command.header_indicated).into(),
        ("udhi", _) => {
            u8::from(user_data_of(tpdu).is_some_and(|user_data| user_data.header_indicated)).into()
        }
        ("rp", Tpdu::Deliver(deliver)) => u8::from(deliver.reply_path).into(),
        ("rp", Tpdu::Submit(submit)) => u8::from(submit.reply_path).into(),
        ("rd", Tpdu::Submit(submit)) => u8::from(submit.reject_duplicates).into(),
        ("lp", Tpdu::Deliver(deliver)) => u8::from(deliver.loop_prevention).into(),
        ("lp", Tpdu::StatusReport(report)) => u8::from(report.loop_prevention).into(),
        ("sri", Tpdu::Deliver(deliver)) => u8::from(deliver.status_report_indication).into(),
        ("srq", Tpdu::StatusReport(report)) => u8::from(report.answers_command).into(),
        ("cdl", Tpdu::Command(command)) => command.command_data.len().into(),
        ("srr", Tpdu::Submit(submit)) => u8::from(submit.status_report_requested).into(),
        ("srr", Tpdu::Command(command)) => u8::from(command.status_report_requested).into(),
        ("mms", Tpdu::Deliver(deliver)) => u8::from(!deliver.more_messages).into(),
        ("mms", Tpdu::StatusReport(report)) => u8::from(!report.more_messages).into(),
        ("vpf", Tpdu::Submit(submit)) => match submit.validity_period {
            ValidityPeriod::Absent => 0,
            ValidityPeriod::Enhanced(_) => 1,
            ValidityPeriod::Relative(_) => 2,
            ValidityPeriod::Absolute(_) => 3,
        }
        .into(),
        ("vp_rel", Tpdu::Submit(submit)) => relative(submit.validity_period).into(),
        ("vp_minutes", Tpdu::Submit(submit)) => {
            relative_minutes(relative(submit.validity_period)).into()
        }
        ("vp_abs", Tpdu::Submit(submit)) => match submit.validity_period {
            ValidityPeriod::Absolute(stamp) => stamp_text(stamp).into(),
            other => panic!("absolute validity expected, not {other:?}"),
        },
        ("vp_seconds", Tpdu::Submit(submit)) => seconds_of(submit.validity_period).into(),
        ("single_shot", Tpdu::Submit(submit)) => match submit.validity_period {
            ValidityPeriod::Enhanced(enhanced) => u8::from(enhanced.is_single_shot()).into(),
            _ => 0.into(),
        },
        ("ct", Tpdu::Command(command)) => command.command_type.0.into(),
        ("mn", Tpdu::Command(command)) => command.message_number.into(),
        ("cd_hex", Tpdu::Command(command)) => command
            .command_data
            .iter()
            .map(|octet| format!("{octet:02X}"))
            .collect::<String>()
            .into(),
        ("st", Tpdu::StatusReport(report)) => report.status.0.into(),
        ("dt", Tpdu::StatusReport(report)) => stamp_text(report.discharge_time).into(),
        ("dt_local", Tpdu::StatusReport(report)) => stamp_text(report.discharge_time)[..19].into(),
        ("scts", _) => stamp_text(time_stamp_of(tpdu)).into(),
        ("scts_local", _) => stamp_text(time_stamp_of(tpdu))[..19].into(),
        ("scts_utc", _) => utc_text(time_stamp_of(tpdu)).into(),
        ("dt_utc", Tpdu::StatusReport(report)) => utc_text(report.discharge_time).into(),
        ("fcs", Tpdu::DeliverReport(report)) => report.failure_cause.expect("TP-FCS").0.into(),
        ("fcs", Tpdu::SubmitReport(report)) => report.failure_cause.expect("TP-FCS").0.into(),
        ("pi", _) => parameters_of(tpdu).indicator().into(),
        _ => {
            panic!("the vectors ask for {field} of {}, which this test does not know", tpdu.name())
        }
    }
}

fn relative(validity: ValidityPeriod) -> u8 {
    match validity {
        ValidityPeriod::Relative(value) => value,
        ValidityPeriod::Enhanced(enhanced) => match enhanced.period() {
            EnhancedPeriod::Relative(value) => value,
            other => panic!("relative validity expected, not {other:?}"),
        },
        other => panic!("relative validity expected, not {other:?}"),
    }
}

fn seconds_of(validity: ValidityPeriod) -> u32 {
    let ValidityPeriod::Enhanced(enhanced) = validity else {
        return relative_minutes(relative(validity)) * 60;
    };
    match enhanced.period() {
        EnhancedPeriod::Relative(value) => relative_minutes(value) * 60,
        EnhancedPeriod::Seconds(seconds) => seconds.into(),
        EnhancedPeriod::HoursMinutesSeconds(hours, minutes, seconds) => {
            (u32::from(hours) * 60 + u32::from(minutes)) * 60 + u32::from(seconds)
        }
        other => panic!("a period expected, not {other:?}"),
    }
}

fn user_data_of<'a>(tpdu: &Tpdu<'a>) -> Option<UserData<'a>> {
    match tpdu {
        Tpdu::Deliver(deliver) => Some(deliver.user_data),
        Tpdu::Submit(submit) => Some(submit.user_data),
        Tpdu::Command(_) => None,
        Tpdu::StatusReport(report) => report.parameters.and_then(|parameters| parameters.user_data),
        _ => parameters_of(tpdu).user_data,
    }
}

fn parameters_of<'a>(tpdu: &Tpdu<'a>) -> Parameters<'a> {
    match tpdu {
        Tpdu::DeliverReport(report) => report.parameters,
        Tpdu::SubmitReport(report) => report.parameters,
        Tpdu::StatusReport(report) => report.parameters.expect("TP-PI"),
        _ => panic!("{} has no TP-PI", tpdu.name()),
    }
}

fn address_of(tpdu: &Tpdu<'_>) -> Address {
    match tpdu {
        Tpdu::Deliver(deliver) => deliver.originating_address,
        Tpdu::Submit(submit) => submit.destination_address,
        Tpdu::StatusReport(report) => report.recipient_address,
        Tpdu::Command(command) => command.destination_address,
        _ => panic!("{} has no address", tpdu.name()),
    }
}

/// Some sources write the `+` of an international number and some put one before any number.
fn address_text(address: Address, expected: &str) -> String {
    let text = address.text();
    let any_number =
        address.type_of_number() != TypeOfNumber::Alphanumeric && !text.starts_with('+');
    if any_number && expected.starts_with('+') && expected[1..] == text {
        expected.to_owned()
    } else {
        text
    }
}

fn time_stamp_of(tpdu: &Tpdu<'_>) -> TimeStamp {
    match tpdu {
        Tpdu::Deliver(deliver) => deliver.service_centre_time_stamp,
        Tpdu::SubmitReport(report) => report.service_centre_time_stamp,
        Tpdu::StatusReport(report) => report.service_centre_time_stamp,
        _ => panic!("{} has no TP-SCTS", tpdu.name()),
    }
}

fn stamp_text(stamp: TimeStamp) -> String {
    stamp.local_time().expect("a time").to_string()
}

/// The same moment at Greenwich.
fn utc_text(stamp: TimeStamp) -> String {
    let time = stamp.local_time().expect("a time");
    let minutes =
        i32::from(time.hour) * 60 + i32::from(time.minute) - i32::from(time.zone_quarters) * 15;
    let (hour, minute) = (minutes.rem_euclid(24 * 60) / 60, minutes.rem_euclid(60));
    let (year, month, day) = another_day(
        (time.year.into(), time.month.into(), time.day.into()),
        minutes.div_euclid(24 * 60),
    );
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}", time.second)
}

/// The day before, the same day, or the day after.
fn another_day((year, month, day): (i32, i32, i32), step: i32) -> (i32, i32, i32) {
    let days_in = |year: i32, month: i32| match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    match (month, day + step) {
        (1, 0) => (year - 1, 12, 31),
        (_, 0) => (year, month - 1, days_in(year, month - 1)),
        (12, 32) => (year + 1, 1, 1),
        (_, next) if next > days_in(year, month) => (year, month + 1, 1),
        (_, next) => (year, month, next),
    }
}

#[test]
fn packed_septets_read_and_write_as_their_sources_say() {
    let Some(vectors) = vectors("gsm7.jsonl") else { return };
    for vector in &vectors {
        let id = text_of(vector, "id");
        let packed = hex(text_of(vector, "packed"));
        let number = |key| vector.get_u64(key).unwrap_or_default() as usize;
        let (count, fill_bits) = (number("septets"), number("fill_bits"));
        let language = |key| Language::from_number(number(key) as u8);
        let shift = Shift { locking: language("locking"), single: language("single") };
        // Fill bits stand before the first septet; a number of zero octets puts them there.
        let octets_before =
            (0..7).find(|octets| (7 - octets * 8 % 7) % 7 == fill_bits).expect("fill bits");
        let skipped = (octets_before * 8).div_ceil(7);
        let user_data = [&vec![0; octets_before][..], &packed].concat();
        let mut unpacked = vec![0; count];
        septets::unpack(&user_data, skipped, &mut unpacked);
        let mut text = String::new();
        shift.decode(&unpacked, &mut text);
        let expected = text_of(vector, "text");
        assert_eq!(text, expected, "{id}");
        let mut written = vec![0; skipped];
        for character in expected.chars() {
            match shift.encode(character) {
                Some(Coded::Plain(septet)) => written.push(septet),
                Some(Coded::Escaped(septet)) => written.extend([0x1b, septet]),
                None => panic!("{id}: {character:?} has no septet"),
            }
        }
        if written.len() != skipped + count {
            println!("{id}: its septets are not the shortest form of its text");
            continue;
        }
        let mut octets = vec![0; 300];
        let length = septets::pack(&written, &mut octets);
        let (same, last) = (&octets[octets_before..length], packed.get(length - octets_before..));
        assert!(packed.starts_with(same), "{id}: {same:02X?} {packed:02X?}");
        assert!(last.unwrap_or_default().iter().all(|&octet| octet == 0), "{id}");
    }
}

#[test]
fn lone_fields_read_as_their_sources_say() {
    let Some(vectors) = vectors("fields.jsonl") else { return };
    for vector in &vectors {
        let id = text_of(vector, "id");
        let octets = hex(text_of(vector, "hex"));
        let expected = &vector["expect"];
        match text_of(vector, "kind") {
            "scts" => {
                let stamp = TimeStamp(octets.try_into().expect("seven octets"));
                assert_eq!(stamp_text(stamp), text_of(expected, "scts"), "{id}");
                if stamp.is_decimal() {
                    assert_eq!(
                        TimeStamp::new(stamp.local_time().expect("a time")),
                        Some(stamp),
                        "{id}"
                    );
                }
            }
            "address" => {
                let address =
                    Address::decode(&octets).unwrap_or_else(|error| panic!("{id}: {error}"));
                assert_eq!(address.text(), text_of(expected, "addr"), "{id}");
                if let Some(ton) = expected.get_u64("ton") {
                    assert_eq!(address.type_of_number() as u64, ton, "{id}");
                }
                if let Some(npi) = expected.get_u64("npi") {
                    assert_eq!(u64::from(address.numbering_plan()), npi, "{id}");
                }
            }
            "smsc_address" => {
                let address = Address::decode_service_centre(&octets).expect(id);
                assert_eq!(address.text(), text_of(expected, "addr"), "{id}");
            }
            "udh" => {
                let header = Header::parse(&octets).unwrap_or_else(|fault| panic!("{id}: {fault}"));
                let elements: Vec<String> = header
                    .elements()
                    .map(|element| {
                        let data: String =
                            element.data.iter().map(|octet| format!("{octet:02X}")).collect();
                        format!("{:02X}:{data}", element.identifier)
                    })
                    .collect();
                assert_eq!(OwnedValue::from(elements), expected["ies"], "{id}");
            }
            kind => panic!("the vectors bring a {kind}, which this test does not know"),
        }
    }
}

#[test]
fn texts_take_as_many_segments_as_their_sources_say() {
    let Some(vectors) = vectors("segmentation.jsonl") else { return };
    for vector in &vectors {
        let id = text_of(vector, "id");
        let text = match vector.get_array("text_repeat") {
            Some(repeat) => {
                let times = repeat[1].as_u64().expect("a number") as usize;
                repeat[0].as_str().expect("text").repeat(times)
            }
            None => text_of(vector, "text").to_owned(),
        };
        let wide_reference = vector.get_u64("ref_bits") == Some(16);
        let mut rules = Rules { wide_reference, ..Rules::plain(255) };
        let alphabet = text_of(vector, "alphabet");
        let language = |name: &str| {
            alphabet.split_once(name).and_then(|(_, number)| number.trim().parse::<u32>().ok())
        };
        if let Some(single) = language("+single") {
            rules.single_languages = 1 << single;
        }
        if let Some(locking) = language("+locking") {
            rules.locking_languages = 1 << locking;
        }
        let options = PlanOptions::default();
        let content = Content::Text(&text);
        let plan = plan_by_rules(content, &options, &rules)
            .unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(
            u64::from(plan.segments()),
            vector.get_u64("segments").expect("segments"),
            "{id}"
        );
        assert_eq!(plan.alphabet() == Alphabet::Ucs2, alphabet == "ucs2", "{id}");
        let mut fragments = Fragments::new(&plan, content, &options, 1);
        let mut out = [0; 140];
        let (mut parts, mut last) = (Vec::new(), 0);
        while let Some(fragment) = fragments.write_next(&mut out) {
            parts.push(text[fragment.start..fragment.end].chars().count() as u64);
            last = u64::from(fragment.units);
        }
        if let Some(expected) = vector.get_array("parts_chars") {
            let expected: Vec<u64> = expected.iter().filter_map(|part| part.as_u64()).collect();
            assert_eq!(parts, expected, "{id}");
        }
        if let Some(remaining) = vector.get_u64("units_remaining") {
            assert_eq!(u64::from(plan.capacity()) - last, remaining, "{id}");
        }
        if vector.contains_key("then") {
            let longer = format!("{text}{}", text.chars().last().expect("text"));
            let error = plan_by_rules(Content::Text(&longer), &options, &rules).expect_err(id);
            assert_eq!(error, PlanError::TooManySegments { needed: 256 }, "{id}");
        }
    }
}

//= TS 23.038 A.2
//= TS 23.038 A.3
#[test]
fn national_tables_hold_what_the_standard_says() {
    let Some(vectors) = vectors("national_tables.jsonl") else { return };
    assert_eq!(vectors.len(), 27, "the default pair, thirteen single and twelve locking tables");
    for vector in &vectors {
        let number = vector.get_u64("lang_id").expect("a language") as u8;
        let table = text_of(vector, "table");
        let language = Language::from_number(number);
        let shift = match table {
            "locking" => Shift { locking: language, single: None },
            _ => Shift { locking: None, single: language },
        };
        let map = vector.get_object("map").expect("a map");
        for septet in 0..128u8 {
            let entry = map.get(&format!("{septet:02X}")).and_then(|value| value.as_str());
            let expected = entry.map(|code| {
                char::from_u32(u32::from_str_radix(code, 16).expect("hex"))
                    .expect("a character")
                    .to_string()
            });
            let mut text = String::new();
            if table == "locking" {
                if septet == 0x1b {
                    continue;
                }
                shift.decode(&[septet], &mut text);
                assert_eq!(
                    text,
                    expected.as_deref().unwrap_or("\u{fffd}"),
                    "{number} {table} {septet:02X}"
                );
            } else {
                shift.decode(&[0x1b, septet], &mut text);
                match &expected {
                    Some(expected) => assert_eq!(&text, expected, "{number} {table} {septet:02X}"),
                    None => {
                        let mut plain = String::new();
                        Shift::DEFAULT.decode(&[septet], &mut plain);
                        assert_eq!(text, plain, "{number} {table} {septet:02X} falls back");
                    }
                }
            }
        }
    }
}
