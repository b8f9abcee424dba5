//! The fields of many random PDUs against Wireshark's decoder, run as `tshark`. Where it is not
//! installed the test says so and passes.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use wire::smpp::command::Command;

use crate::recipe::{Recipe, recipe};
use crate::skips::skip;
use crate::wireshark::{self, AGGREGATOR, Capture, TAG_PROTOCOL_NAME};

const PDUS: usize = 3_000;

/// The fields that are asked for, in the order of the columns.
const FIELDS: [&str; 23] = [
    "command_length",
    "command_id",
    "sequence_number",
    "service_type",
    "source_addr_ton",
    "source_addr_npi",
    "source_addr",
    "dest_addr_ton",
    "dest_addr_npi",
    "destination_addr",
    "esm.submit.msg_mode",
    "esm.submit.msg_type",
    "protocol_id",
    "priority_flag",
    "regdel.receipt",
    "data_coding",
    "sm_length",
    "message",
    "message_id",
    "user_message_reference",
    "message_state",
    "receipted_message_id",
    "message_payload",
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
    let recipes: Vec<Recipe> = (0..PDUS).map(|_| make()).collect();
    let observed = decode_by_tshark(&recipes);
    assert_eq!(observed.len(), recipes.len(), "{version} printed a line for every PDU");
    let (mut compared, mut differences) = (0, Vec::new());
    for (recipe, line) in recipes.iter().zip(&observed) {
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!(columns.len(), FIELDS.len(), "{line:?}");
        for (field, expected) in expectations(recipe) {
            let at =
                FIELDS.iter().position(|name| *name == field).expect("a field that is asked for");
            compared += 1;
            if !agrees(&expected, columns[at]) {
                let (found, command) = (columns[at], recipe.command);
                let hex = hex_of(&recipe.octets());
                differences.push(format!(
                    "{field} of {command}: expected {expected:?}, found {found:?} in {hex}"
                ));
            }
        }
    }
    println!("{PDUS} PDUs, {compared} fields compared with {version}");
    let shown = differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} differences, of which\n{shown}", differences.len());
    assert!(compared > 6 * PDUS, "the comparison is not empty");
}

/// One line of columns for every PDU.
fn decode_by_tshark(recipes: &[Recipe]) -> Vec<String> {
    let mut capture = Capture::new();
    for recipe in recipes {
        capture.add(&[(TAG_PROTOCOL_NAME, b"smpp\0\0\0\0")], &recipe.octets());
    }
    wireshark::columns(&capture, &[], "smpp", &FIELDS)
}

fn agrees(expected: &str, found: &str) -> bool {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    // How an empty text is printed.
    let found = found.split(AGGREGATOR).next().unwrap_or_default();
    let found = if matches!(found, "<MISSING>" | "(Default)") { "" } else { found };
    expected == found || number(expected).is_some_and(|value| number(found) == Some(value))
}

/// What tshark should print, field by field, of those that the PDU has.
fn expectations(recipe: &Recipe) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("command_length", recipe.octets().len().to_string()),
        ("command_id", format!("0x{:08x}", recipe.command.0)),
        ("sequence_number", recipe.sequence.to_string()),
    ];
    let is_message = matches!(recipe.command, Command::SUBMIT_SM | Command::DELIVER_SM);
    let is_data = recipe.command == Command::DATA_SM;
    if is_message || is_data {
        fields.extend([
            ("service_type", recipe.service_type.clone()),
            ("esm.submit.msg_mode", (recipe.esm_class & 3).to_string()),
            ("esm.submit.msg_type", (recipe.esm_class >> 2 & 0xF).to_string()),
            ("regdel.receipt", recipe.registered_delivery.to_string()),
            ("data_coding", recipe.data_coding.to_string()),
        ]);
        let reference = recipe.reference.map(|reference| reference.to_string());
        fields.push(("user_message_reference", reference.unwrap_or_default()));
    }
    if is_message {
        fields.extend([
            ("protocol_id", recipe.protocol_id.to_string()),
            ("priority_flag", recipe.priority_flag.to_string()),
            ("sm_length", recipe.text.len().to_string()),
            ("message", hex_of(&recipe.text)),
        ]);
    }
    if is_data {
        fields.push(("message_payload", hex_of(&recipe.text)));
    }
    if recipe.command == Command::DELIVER_SM {
        let state = recipe.state.map(|state| state.to_string());
        fields.push(("message_state", state.unwrap_or_default()));
        fields.push(("receipted_message_id", recipe.receipted.clone().unwrap_or_default()));
    }
    let has_id =
        matches!(recipe.command, Command::SUBMIT_SM_RESP | Command::QUERY_SM | Command::CANCEL_SM);
    if has_id {
        fields.push(("message_id", recipe.message_id.clone()));
    }
    if is_message || is_data || matches!(recipe.command, Command::QUERY_SM | Command::CANCEL_SM) {
        let (ton, npi, digits) = &recipe.source;
        fields.push(("source_addr_ton", ton.to_string()));
        fields.push(("source_addr_npi", npi.to_string()));
        fields.push(("source_addr", digits.clone()));
    }
    if is_message || is_data || recipe.command == Command::CANCEL_SM {
        let (ton, npi, digits) = &recipe.destination;
        fields.push(("dest_addr_ton", ton.to_string()));
        fields.push(("dest_addr_npi", npi.to_string()));
        fields.push(("destination_addr", digits.clone()));
    }
    fields
}

fn hex_of(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
