//! Every field of many random TPDUs against an independent decoder, Wireshark's, run as `tshark`.
//! Where it is not installed the test says so and passes.
//!
//! TPDUs reach it as Exported PDUs with a tag for their direction, without which it takes an
//! SMS-SUBMIT for an SMS-SUBMIT-REPORT. Where it departs from the standard, a function named
//! `tshark_…` says how, and what it prints there is not compared.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use wire::sms::address::{Address, TypeOfNumber};
use wire::sms::alphabet::Shift;
use wire::sms::coding_scheme::CodingGroup;
use wire::sms::header::{Element, Header};
use wire::sms::septets;
use wire::sms::time::{EnhancedPeriod, LocalTime, TimeStamp, ValidityPeriod};
use wire::sms::tpdu::{Direction, Parameters, StatusReport, Tpdu};
use wire::sms::user_data::{Payload, UserData};

use crate::recipe::{Recipe, recipe};
use crate::skips::skip;
use crate::wireshark::{self, AGGREGATOR, Capture, TAG_PROTOCOL_NAME};

/// TPDUs that are made and compared.
const TPDUS: usize = 12_000;

/// The fields that are asked for, in the order of the columns.
const FIELDS: [&str; 54] = [
    "tp-mti",
    "tp-mms",
    "tp-lp",
    "tp-sri",
    "tp-srr",
    "tp-srq",
    "tp-udhi",
    "tp-rp",
    "tp-rd",
    "tp-vpf",
    "tp-mr",
    "tp-oa",
    "tp-da",
    "tp-ra",
    "dis_field_addr.length",
    "dis_field_addr.num_type",
    "dis_field_addr.num_plan",
    "tp-pid",
    "tp-dcs",
    "scts.year",
    "scts.month",
    "scts.day",
    "scts.hour",
    "scts.minutes",
    "scts.seconds",
    "scts.timezone",
    "vp.validity_period",
    "vp.validity_period.hour",
    "vp.validity_period.minutes",
    "vp.validity_period.seconds",
    "vp.validity_period_format",
    "vp.single_shot_sm",
    "dis_field.definition",
    "dis_field.st_error",
    "dis.field_st_reason",
    "tp-fcs",
    "tp.parameter_indicator",
    "tp.message_number",
    "tp.command_type",
    "tp.command_data_length",
    "tp.user_data_length",
    "dis_field_udh.user_data_header_length",
    "ie_identifier",
    "dis_field_ud_iei.length",
    "udh.mm.msg_id",
    "udh.mm.msg_parts",
    "udh.mm.msg_part",
    "destination_port",
    "originator_port",
    "dis_iei_lang.single_shift",
    "dis_iei_lang.locking_shift",
    "sms_text",
    "sms_body",
    "compressed_data",
];

#[test]
fn tshark_reads_every_field_as_it_was_meant() {
    let Some(version) = wireshark::version() else {
        skip("tshark is not installed");
        return;
    };
    let mut runner = TestRunner::deterministic();
    let strategy = recipe();
    let mut make =
        || strategy.new_tree(&mut runner).expect("the strategy rejects little").current();
    let recipes: Vec<Recipe> = (0..TPDUS).map(|_| make()).collect();
    let observed = decode_by_tshark(&recipes);
    assert_eq!(observed.len(), recipes.len(), "{version} printed a line for every TPDU");
    let mut compared = 0;
    let mut kinds = [0; 6];
    let mut differences = Vec::new();
    for (recipe, line) in recipes.iter().zip(&observed) {
        kinds[recipe.kind as usize] += 1;
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!(columns.len(), FIELDS.len(), "{line:?}");
        for (field, expected) in recipe.with_tpdu(expectations) {
            let column =
                FIELDS.iter().position(|name| *name == field).expect("a field that is asked for");
            compared += 1;
            if !agrees(&expected, columns[column]) {
                let (found, kind) = (columns[column], recipe.kind);
                let hex = hex_of(&recipe.octets());
                differences.push(format!(
                    "{field} in {kind:?}: expected {expected:?}, found {found:?} in {hex}"
                ));
            }
        }
    }
    println!("{TPDUS} TPDUs, {compared} fields compared with {version}; by kind {kinds:?}");
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
    assert!(kinds.iter().all(|&count| count > TPDUS / 12), "all kinds are there: {kinds:?}");
    assert!(compared > 10 * TPDUS, "the comparison is not empty");
}

/// One line of columns for every TPDU.
fn decode_by_tshark(recipes: &[Recipe]) -> Vec<String> {
    const TAG_DIRECTION: u16 = 35;
    let mut capture = Capture::new();
    for recipe in recipes {
        // "Received" is what the network received: a TPDU from the terminal.
        let received =
            u32::from(recipe.with_tpdu(|tpdu| tpdu.direction()) == Direction::FromTerminal);
        let tags =
            [(TAG_PROTOCOL_NAME, &b"gsm_sms\0"[..]), (TAG_DIRECTION, &received.to_be_bytes())];
        capture.add(&tags, &recipe.octets());
    }
    wireshark::columns(&capture, &["-o", "gsm_sms.reassemble:FALSE"], "gsm_sms", &FIELDS)
}

/// Values of one field, which may stand several times.
type Values = Vec<String>;

fn agrees(expected: &Values, found: &str) -> bool {
    let present = |value: &&str| !value.is_empty() && *value != "<MISSING>";
    let found: Vec<&str> = found.split(AGGREGATOR).filter(present).collect();
    let expected: Vec<&str> =
        expected.iter().map(String::as_str).filter(|value| !value.is_empty()).collect();
    let number = |text: &str| match text {
        "True" => Some(1),
        "False" => Some(0),
        _ => match text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        },
    };
    let same = |expected: &str, found: &str| {
        // Releases differ in whether they double a backslash.
        expected == found.replace("\\\\", "\\")
            || number(expected).is_some_and(|value| number(found) == Some(value))
    };
    expected.len() == found.len()
        && expected.into_iter().zip(found).all(|(one, other)| same(one, other))
}

/// What tshark should print, field by field. Fields that the TPDU does not have are expected to be
/// empty.
fn expectations(tpdu: &Tpdu<'_>) -> Vec<(&'static str, Values)> {
    let mut list = Expectations { fields: Vec::new() };
    match tpdu {
        Tpdu::Deliver(deliver) => {
            list.number("tp-mti", 0);
            list.flag("tp-mms", !deliver.more_messages);
            list.flag("tp-lp", deliver.loop_prevention);
            list.flag("tp-sri", deliver.status_report_indication);
            list.flag("tp-rp", deliver.reply_path);
            list.flag("tp-udhi", deliver.user_data.header_indicated);
            list.address("tp-oa", &deliver.originating_address);
            list.number("tp-pid", deliver.protocol_identifier.0);
            list.number("tp-dcs", deliver.user_data.coding_scheme.0);
            list.stamps(&[deliver.service_centre_time_stamp]);
            list.user_data(&deliver.user_data);
        }
        Tpdu::Submit(submit) => {
            list.number("tp-mti", 1);
            list.flag("tp-rd", submit.reject_duplicates);
            list.flag("tp-srr", submit.status_report_requested);
            list.flag("tp-rp", submit.reply_path);
            list.flag("tp-udhi", submit.user_data.header_indicated);
            list.number("tp-mr", submit.message_reference);
            list.address("tp-da", &submit.destination_address);
            list.number("tp-pid", submit.protocol_identifier.0);
            list.number("tp-dcs", submit.user_data.coding_scheme.0);
            list.validity(submit.validity_period);
            if !tshark_loses_its_place(submit.validity_period) {
                list.user_data(&submit.user_data);
            }
        }
        Tpdu::DeliverReport(report) => {
            list.number("tp-mti", 0);
            list.values("tp-fcs", report.failure_cause.map(|cause| cause.0.to_string()));
            list.parameters(&report.parameters);
        }
        Tpdu::SubmitReport(report) => {
            list.number("tp-mti", 1);
            list.values("tp-fcs", report.failure_cause.map(|cause| cause.0.to_string()));
            list.stamps(&[report.service_centre_time_stamp]);
            list.parameters(&report.parameters);
        }
        Tpdu::StatusReport(report) => list.status_report(report),
        Tpdu::Command(command) => {
            list.number("tp-mti", 2);
            list.flag("tp-srr", command.status_report_requested);
            list.number("tp-mr", command.message_reference);
            list.number("tp-pid", command.protocol_identifier.0);
            list.number("tp.command_type", command.command_type.0);
            list.number("tp.message_number", command.message_number);
            list.address("tp-da", &command.destination_address);
            list.number("tp.command_data_length", command.command_data.len() as u8);
        }
    }
    list.fields
}

struct Expectations {
    fields: Vec<(&'static str, Values)>,
}

impl Expectations {
    fn status_report(&mut self, report: &StatusReport<'_>) {
        self.number("tp-mti", 2);
        self.flag("tp-mms", !report.more_messages);
        self.flag("tp-lp", report.loop_prevention);
        self.flag("tp-srq", report.answers_command);
        self.number("tp-mr", report.message_reference);
        self.address("tp-ra", &report.recipient_address);
        self.stamps(&[report.service_centre_time_stamp, report.discharge_time]);
        self.number("dis_field.definition", report.status.0 >> 7);
        self.number("dis_field.st_error", report.status.0 >> 5 & 3);
        self.number("dis.field_st_reason", report.status.0 & 0x1f);
        match &report.parameters {
            Some(parameters) => self.parameters(parameters),
            None => self.values("tp.parameter_indicator", []),
        }
    }

    fn values(&mut self, field: &'static str, values: impl IntoIterator<Item = String>) {
        self.fields.push((field, values.into_iter().collect()));
    }

    fn number(&mut self, field: &'static str, number: u8) {
        self.values(field, [number.to_string()]);
    }

    fn flag(&mut self, field: &'static str, bit: bool) {
        self.number(field, u8::from(bit));
    }

    fn address(&mut self, field: &'static str, address: &Address) {
        self.number("dis_field_addr.length", address.semi_octets());
        self.number("dis_field_addr.num_type", address.type_of_number() as u8);
        self.number("dis_field_addr.num_plan", address.numbering_plan());
        let text = match address.type_of_number() {
            TypeOfNumber::Alphanumeric => address.text(),
            _ => address.digits().as_str().to_owned(),
        };
        self.values(field, [text]);
    }

    fn stamps(&mut self, stamps: &[TimeStamp]) {
        let times: Vec<LocalTime> = stamps
            .iter()
            .map(|stamp| stamp.local_time().expect("the strategy makes times"))
            .collect();
        let column = |value: fn(&LocalTime) -> u8| -> Values {
            times.iter().map(|time| value(time).to_string()).collect()
        };
        self.values("scts.year", column(|time| (time.year % 100) as u8));
        self.values("scts.month", column(|time| time.month));
        self.values("scts.day", column(|time| time.day));
        self.values("scts.hour", column(|time| time.hour));
        self.values("scts.minutes", column(|time| time.minute));
        self.values("scts.seconds", column(|time| time.second));
        // The sign is only in tshark's words.
        self.values("scts.timezone", column(|time| time.zone_quarters.unsigned_abs()));
    }

    fn validity(&mut self, validity: ValidityPeriod) {
        match validity {
            ValidityPeriod::Absent => {
                self.number("tp-vpf", 0);
                self.values("vp.validity_period", []);
            }
            ValidityPeriod::Relative(value) => {
                self.number("tp-vpf", 2);
                self.number("vp.validity_period", value);
            }
            ValidityPeriod::Absolute(stamp) => {
                self.number("tp-vpf", 3);
                self.stamps(&[stamp]);
            }
            ValidityPeriod::Enhanced(enhanced) => {
                self.number("tp-vpf", 1);
                self.flag("vp.single_shot_sm", enhanced.is_single_shot());
                self.number("vp.validity_period_format", enhanced.0[0] & 7);
                match enhanced.period() {
                    EnhancedPeriod::Absent | EnhancedPeriod::Reserved => {}
                    EnhancedPeriod::Relative(value) | EnhancedPeriod::Seconds(value) => {
                        self.number("vp.validity_period", value);
                    }
                    EnhancedPeriod::HoursMinutesSeconds(hours, minutes, seconds) => {
                        self.number("vp.validity_period.hour", hours);
                        self.number("vp.validity_period.minutes", minutes);
                        self.number("vp.validity_period.seconds", seconds);
                    }
                }
            }
        }
    }

    fn parameters(&mut self, parameters: &Parameters<'_>) {
        self.number("tp.parameter_indicator", parameters.indicator());
        self.values(
            "tp-pid",
            parameters.protocol_identifier.map(|identifier| identifier.0.to_string()),
        );
        self.values("tp-dcs", parameters.coding_scheme.map(|scheme| scheme.0.to_string()));
        match &parameters.user_data {
            Some(user_data) => {
                self.flag("tp-udhi", user_data.header_indicated);
                self.user_data(user_data);
                if parameters.coding_scheme.is_none() {
                    self.tshark_shows_no_text_without_a_coding_scheme();
                }
            }
            None => self.values("tp.user_data_length", []),
        }
    }

    /// User data in a report without TP-DCS is in the default alphabet.
    fn tshark_shows_no_text_without_a_coding_scheme(&mut self) {
        self.fields.retain(|(field, _)| *field != "sms_text");
    }

    fn user_data(&mut self, user_data: &UserData<'_>) {
        self.number("tp.user_data_length", user_data.length);
        if let Some(header) = user_data.sound_header() {
            self.header(header);
        }
        match user_data.payload() {
            _ if tshark_reads_no_reserved_coding(user_data) || tshark_cuts_text_off(user_data) => {}
            Payload::Septets { octets, first, count, shift } => {
                let mut septets = vec![0; usize::from(count)];
                septets::unpack(octets, usize::from(first), &mut septets);
                if tshark_knows_the_tables(shift) && !tshark_mistakes_the_escapes(&septets) {
                    self.values("sms_text", [escaped(&tshark_text(&septets))]);
                }
            }
            Payload::Ucs2(_) => {
                let text = user_data.text().expect("text");
                // For an octet too many and for lone surrogates every decoder has its own way.
                if !text.contains(char::REPLACEMENT_CHARACTER) {
                    self.values("sms_text", [escaped(&text)]);
                }
            }
            Payload::Octets(octets) => self.values("sms_body", [hex_of(octets)]),
            Payload::Compressed(octets) => self.values("compressed_data", [hex_of(octets)]),
        }
    }

    fn header(&mut self, header: Header<'_>) {
        self.number("dis_field_udh.user_data_header_length", header.element_octets().len() as u8);
        let elements: Vec<Element<'_>> = header.elements().collect();
        self.values("ie_identifier", elements.iter().map(|element| element.identifier.to_string()));
        self.values(
            "dis_field_ud_iei.length",
            elements.iter().map(|element| element.data.len().to_string()),
        );
        // Unlike the standard's receiver, tshark shows every element, also one that is to be
        // ignored.
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        let mut ports = [Vec::new(), Vec::new()];
        let mut languages = [Vec::new(), Vec::new()];
        for element in &elements {
            match (element.identifier, element.data) {
                (0x00, &[reference, total, sequence]) => {
                    put(&mut parts, [reference.into(), total.into(), sequence.into()]);
                }
                (0x08, &[high, low, total, sequence]) => {
                    put(
                        &mut parts,
                        [u16::from_be_bytes([high, low]), total.into(), sequence.into()],
                    );
                }
                (0x04, &[destination, source]) => {
                    put(&mut ports, [destination.into(), source.into()])
                }
                (0x05, &[a, b, c, d]) => {
                    put(&mut ports, [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
                }
                (0x24, &[language]) => languages[0].push(language.to_string()),
                (0x25, &[language]) => languages[1].push(language.to_string()),
                _ => {}
            }
        }
        let [references, totals, sequences] = parts;
        self.values("udh.mm.msg_id", references);
        self.values("udh.mm.msg_parts", totals);
        self.values("udh.mm.msg_part", sequences);
        let [destinations, sources] = ports;
        self.values("destination_port", destinations);
        self.values("originator_port", sources);
        let [single, locking] = languages;
        self.values("dis_iei_lang.single_shift", single);
        self.values("dis_iei_lang.locking_shift", locking);
    }
}

fn put<const N: usize>(columns: &mut [Values; N], numbers: [u16; N]) {
    for (column, number) in columns.iter_mut().zip(numbers) {
        column.push(number.to_string());
    }
}

/// An enhanced validity period takes seven octets whatever it says (9.2.3.12.3); tshark steps over
/// those of a relative one and one in seconds only in part, and reads what follows in the wrong
/// place.
fn tshark_loses_its_place(validity: ValidityPeriod) -> bool {
    let ValidityPeriod::Enhanced(enhanced) = validity else { return false };
    matches!(enhanced.period(), EnhancedPeriod::Relative(_) | EnhancedPeriod::Seconds(_))
}

/// The standard reads reserved codings like the default alphabet (23.038, clause 4); tshark shows
/// no text for them.
fn tshark_reads_no_reserved_coding(user_data: &UserData<'_>) -> bool {
    let scheme = user_data.coding_scheme;
    let reserved_set = scheme.0 >> 7 == 0 && scheme.0 & 0x0c == 0x0c && !scheme.is_compressed();
    scheme.group() == CodingGroup::Reserved || reserved_set
}

/// A report has room for up to 181 septets (9.2.2.1a); tshark shows 160, which is what other
/// messages hold.
fn tshark_cuts_text_off(user_data: &UserData<'_>) -> bool {
    user_data.coding_scheme.counts_septets() && user_data.length > 160
}

/// It has only some of the national language tables.
fn tshark_knows_the_tables(shift: Shift) -> bool {
    shift == Shift::DEFAULT
}

/// Two escapes are a space to the standard (23.038, 6.2.1.1), and so may one be that nothing
/// follows; tshark takes the second of two for the start of another pair.
fn tshark_mistakes_the_escapes(septets: &[u8]) -> bool {
    septets.last() == Some(&0x1b) || septets.windows(2).any(|pair| pair == [0x1b, 0x1b])
}

/// The text as tshark shows it: an escape that the extension table does not know gives U+FFFD
/// there, where the standard asks for the main table's character.
fn tshark_text(septets: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = septets;
    while let Some((&septet, behind)) = rest.split_first() {
        rest = behind;
        let shifted = rest.first().copied().filter(|_| septet == 0x1b);
        let Some(shifted) = shifted else {
            Shift::DEFAULT.decode(&[septet], &mut text);
            continue;
        };
        rest = &rest[1..];
        let (mut escaped, mut plain) = (String::new(), String::new());
        Shift::DEFAULT.decode(&[0x1b, shifted], &mut escaped);
        Shift::DEFAULT.decode(&[shifted], &mut plain);
        text.push_str(if escaped == plain { "\u{fffd}" } else { &escaped });
    }
    text
}

/// Text as it stands in a column.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\u{c}' => escaped.push_str("\\f"),
            '\t' => escaped.push_str("\\t"),
            character => escaped.push(character),
        }
    }
    escaped
}

fn hex_of(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
