//! What we write, read by another implementation of SMPP, the crate rusmpp, to the same values.
//!
//! It is given whole PDUs, since it takes the end of a PDU from its fields and not from
//! command_length.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rusmpp_core::command::borrowed::Command as Theirs;
use rusmpp_core::decode::borrowed::DecodeWithLength;
use rusmpp_core::encode::Encode;
use rusmpp_core::pdus::borrowed::Pdu;
use wire::smpp::command::Command;
use wire::smpp::limits::HEADER_OCTETS;

use crate::recipe::{Recipe, recipe};

const PDUS: usize = 4_000;
/// Optional parameters that it makes room for.
const TLVS_MAX: usize = 8;

#[test]
fn rusmpp_reads_what_we_write_to_the_same_values() {
    let mut runner = TestRunner::deterministic();
    let strategy = recipe();
    let mut compared = 0;
    for _ in 0..PDUS {
        let recipe = strategy.new_tree(&mut runner).expect("the strategy rejects little").current();
        let octets = recipe.octets();
        let read = Theirs::<TLVS_MAX>::decode(&octets[4..], octets.len() - 4);
        let (theirs, taken) = read.unwrap_or_else(|error| panic!("{error:?} in {recipe:?}"));
        assert_eq!(taken, octets.len() - 4, "it reads to the end of {recipe:?}");
        assert_eq!(theirs.sequence_number, recipe.sequence);
        assert_eq!(u32::from(theirs.id()), recipe.command.0);
        compared += usize::from(compare(&theirs, &recipe));
        // Written again by it, the same octets: every field had the value that was meant.
        let mut again = vec![0; octets.len() - 4];
        assert_eq!(theirs.encode(&mut again), octets.len() - 4);
        assert_eq!(again, octets[4..], "{recipe:?}");
        assert!(octets.len() >= HEADER_OCTETS);
    }
    assert!(compared > PDUS / 4, "{compared} of them are messages and answers");
}

/// Compares the fields that matter most by name; whether the PDU has them.
fn compare(theirs: &Theirs<'_, TLVS_MAX>, recipe: &Recipe) -> bool {
    match (theirs.pdu(), recipe.command) {
        (Some(Pdu::SubmitSm(submit)), Command::SUBMIT_SM) => {
            assert_eq!(submit.source_addr.as_str(), recipe.source.2);
            assert_eq!(submit.destination_addr.as_str(), recipe.destination.2);
            assert_eq!(submit.validity_period.as_str(), recipe.validity_period);
            assert_eq!(submit.short_message().as_ref(), recipe.text);
            assert_eq!(submit.protocol_id, recipe.protocol_id);
            assert_eq!(submit.tlvs().len(), usize::from(recipe.reference.is_some()));
            true
        }
        (Some(Pdu::DeliverSm(deliver)), Command::DELIVER_SM) => {
            assert_eq!(deliver.source_addr.as_str(), recipe.source.2);
            assert_eq!(deliver.short_message().as_ref(), recipe.text);
            let parameters =
                [recipe.reference.is_some(), recipe.state.is_some(), recipe.receipted.is_some()];
            let expected = parameters.into_iter().filter(|there| *there).count();
            assert_eq!(deliver.tlvs().len(), expected);
            true
        }
        (Some(Pdu::SubmitSmResp(answer)), Command::SUBMIT_SM_RESP) => {
            assert_eq!(answer.message_id().as_str(), recipe.message_id);
            true
        }
        _ => false,
    }
}
