//! Nothing on the encoding path allocates, nor does reading a TPDU: counted, not believed.

use crate::counting::allocations_of;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use wire::sms::address::Address;
use wire::sms::relay;
use wire::sms::relay::OriginatingAddress;
use wire::sms::segment::{
    Content, DeliverTemplate, Fragments, PlanOptions, Rules, SUBMITS_OCTETS_MAX, SubmitTemplate,
    encode_delivers, encode_submits, plan, plan_by_rules,
};
use wire::sms::tpdu::{Direction, ReportContext, Tpdu};

use crate::recipe::recipe;

/// Every alphabet, one segment and ten, with and without a header, clusters at the seams.
#[test]
fn planning_and_encoding_allocate_nothing() {
    let texts = [
        "hello".to_owned(),
        "plain letters ".repeat(100),
        "Grüße {€} ".repeat(100),
        "漢字か\u{3099}な😀".repeat(80),
        "👨‍👩‍👧👍🏽🇯🇵".repeat(30),
        "ığdır şöyle ".repeat(50),
        "नमस्ते क्षि ".repeat(50),
    ];
    let mut contents: Vec<Content<'_>> = texts.iter().map(|text| Content::Text(text)).collect();
    contents.push(Content::Octets(&[0x5a; 1200]));
    let headers: [&[u8]; 2] = [&[], &[6, 5, 4, 0x0b, 0x84, 0x23, 0xf0]];
    let originating = OriginatingAddress::parse("Hayauma").expect("legal");
    let submit = SubmitTemplate {
        destination: b"09012345678",
        first_message_reference: 250,
        concatenation_reference: 9,
        protocol_identifier: 0,
        validity_relative: Some(167),
        status_report_requested: true,
        reject_duplicates: true,
    };
    let deliver = DeliverTemplate {
        originating: &originating,
        scts: [0; 7],
        concatenation_reference: 9,
        protocol_identifier: 0,
        status_report_indication: true,
        more_messages: false,
    };
    let (mut out, mut relayed) = ([0; SUBMITS_OCTETS_MAX], [0; 164]);
    for &content in &contents {
        for client_udh in headers {
            for national in [false, true] {
                let options = PlanOptions { client_udh, dcs: None, national };
                let mut segments = 0;
                let counted = allocations_of(|| {
                    let plan = plan(content, &options).expect("ten segments at most");
                    encode_delivers(&plan, content, &options, &deliver, &mut out)
                        .expect("the buffer suffices");
                    let length = encode_submits(&plan, content, &options, &submit, &mut out);
                    for submit in relay::submits(&out[..length.expect("the buffer suffices")]) {
                        relay::deliver_from_submit(
                            submit,
                            &originating,
                            &[0; 7],
                            true,
                            &mut relayed,
                        )
                        .expect("a SUBMIT of ours can be relayed");
                        relay::status_report(submit, &[0; 7], &[0; 7], 0, &mut relayed)
                            .expect("fits");
                        segments += 1;
                    }
                    let rules = Rules { wide_reference: true, ..Rules::plain(255) };
                    let wide = plan_by_rules(content, &options, &rules).expect("a plan");
                    let mut fragments = Fragments::new(&wide, content, &options, 0x1234);
                    let mut user_data = [0; 140];
                    while fragments.write_next(&mut user_data).is_some() {}
                });
                assert!(segments > 0);
                assert_eq!(counted, 0, "{content:?} with {options:?}");
            }
        }
    }
}

#[test]
fn reading_and_writing_any_tpdu_allocates_nothing() {
    let mut runner = TestRunner::deterministic();
    let strategy = recipe();
    for _ in 0..500 {
        let recipe = strategy.new_tree(&mut runner).expect("the strategy rejects little").current();
        let octets = recipe.octets();
        let counted = allocations_of(|| {
            let mut out = [0; 164];
            for direction in [Direction::FromTerminal, Direction::ToTerminal] {
                if let Ok(tpdu) = Tpdu::decode(&octets, direction, ReportContext::Unknown) {
                    tpdu.encode(&mut out).expect("what was read can be written");
                }
            }
            let _ = relay::read_status_report(&octets);
            let _ = relay::read_deliver_report(&octets, true);
        });
        assert_eq!(counted, 0, "{recipe:?}");
    }
    assert_eq!(allocations_of(|| Address::parse("+819012345678")), 0);
    assert_eq!(allocations_of(|| Address::alphanumeric("Hayauma")), 0);
}
