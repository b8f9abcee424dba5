//! submit_sm as a push: what each field means, and what is refused.

use crate::office::{Office, msn};
use std::collections::BTreeSet;
use tests::bill::Bill;
use tests::esme::{Esme, MultiAnswer, Submit, command, tag};
use tests::push::{Body, XPID};
use tests::smsc::{PASSWORD, SYSTEM_ID, Sms, Smsc};

/// An office whose phones are reached by a carrier that shows what it was given.
fn by_carrier(smsc: &Smsc, more: &[&str]) -> Office {
    let office = Office::with(more);
    let file = office.path("alpha.secret");
    std::fs::write(&file, PASSWORD).expect("a writable directory");
    let (host, file) = (smsc.address().to_string(), file.display().to_string());
    office.must(&[
        "carrier",
        "add",
        "alpha",
        "--host",
        &host,
        "--system-id",
        SYSTEM_ID,
        "--password-file",
        &file,
    ]);
    office.must(&["carrier", "route", "add", "0901", "alpha"]);
    office
}

fn only(sms: &[Sms]) -> &Sms {
    let [sms] = sms else { panic!("one SMS: {sms:?}") };
    sms
}

#[test]
fn a_message_in_every_coding_comes_out_as_it_went_in() {
    let smsc = Smsc::start();
    let office = by_carrier(&smsc, &["--class", "urgent"]);
    let engine = office.start();
    let mut esme = office.bind();
    let ucs2: Vec<u8> = "\u{5730}\u{9707}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let plain = Submit::text(&msn(1), "");
    let cases: [(Submit, &[u8], u8, u8); 6] = [
        // `@` is 00 in GSM 7-bit, and an escape stays what it is.
        (Submit { text: b"a\0b\x1be".to_vec(), ..plain.clone() }, b"a\0b\x1be", 0, 0),
        (Submit { text: b"a@b".to_vec(), data_coding: 1, ..plain.clone() }, b"a\0b", 0, 0),
        (Submit { text: b"\xfcber".to_vec(), data_coding: 3, ..plain.clone() }, b"\x7eber", 0, 0),
        (Submit { text: ucs2.clone(), data_coding: 8, ..plain.clone() }, &ucs2, 8, 0),
        (Submit { text: vec![1, 2, 0xFF], data_coding: 4, ..plain.clone() }, &[1, 2, 0xFF], 4, 0),
        (
            Submit { text: b"flash".to_vec(), data_coding: 0xF0, priority: 2, ..plain },
            b"flash",
            0xF0,
            1,
        ),
    ];
    for (number, (submit, text, data_coding, priority)) in cases.into_iter().enumerate() {
        let id = esme.accepted(&submit);
        let sms = smsc.await_sms(number + 1).last().expect("one").clone();
        assert_eq!((&sms.text[..], sms.data_coding), (text, data_coding), "case {number}");
        assert_eq!((sms.to.as_str(), sms.priority), ("819010000001", priority));
        assert_eq!((sms.from.as_str(), sms.esm_class), ("Hayauma", 0));
        let receipt = esme.take_receipt();
        assert_eq!((receipt.field("id"), receipt.field("stat")), (id.as_str(), "DELIVRD"));
    }
    engine.stop();
}

#[test]
fn parts_that_the_customer_has_cut_stay_what_they_are_and_are_a_push_each() {
    let smsc = Smsc::start();
    let office = by_carrier(&smsc, &[]);
    let engine = office.start();
    let mut esme = office.bind();
    let header = |number: u8| vec![5, 0, 3, 77, 2, number];
    // A surrogate pair cut in two: neither half is a character.
    let halves = [[0xD8, 0x3D], [0xDE, 0x00]];
    for (number, half) in (1..).zip(halves) {
        let text = [header(number), half.to_vec()].concat();
        let part = Submit { text, esm_class: 0x40, data_coding: 8, ..Submit::text(&msn(1), "") };
        esme.accepted(&part);
        let sms = smsc.await_sms(usize::from(number)).last().expect("one").clone();
        assert_eq!(sms.text, [&header(number)[..], &half].concat());
        assert_eq!((sms.esm_class, sms.data_coding), (0x40, 8));
        esme.take_receipt();
    }
    // The same by parameters.
    let sar = Submit::text(&msn(1), "part")
        .with(tag::SAR_MSG_REF_NUM, &[1, 9])
        .with(tag::SAR_TOTAL_SEGMENTS, &[3])
        .with(tag::SAR_SEGMENT_SEQNUM, &[2]);
    esme.accepted(&sar);
    let sms = smsc.await_sms(3).last().expect("one").clone();
    assert_eq!(sms.text, b"\x05\x00\x03\x09\x03\x02part");
    esme.take_receipt();
    engine.stop();
    assert_eq!(Bill::of_these_days(&office).sum(XPID, "accepted"), 3);
}

#[test]
fn a_long_text_in_message_payload_or_data_sm_is_segmented_here() {
    let smsc = Smsc::start();
    let office = by_carrier(&smsc, &[]);
    let engine = office.start();
    let mut esme = office.bind();
    let long = "a".repeat(400);
    let by_payload = Submit::text(&msn(1), "").with(tag::MESSAGE_PAYLOAD, long.as_bytes());
    let id = esme.accepted(&by_payload);
    assert_eq!(smsc.await_sms(3).len(), 3);
    let receipt = esme.take_receipt();
    let parts = (receipt.field("sub"), receipt.field("dlvrd"));
    assert_eq!((receipt.field("id"), parts), (id.as_str(), ("003", "003")));
    let data = Submit::text(&msn(1), &long);
    let answer = esme.ask(command::DATA_SM, &data.data_body());
    assert_eq!((answer.command, answer.status), (command::ANSWER | command::DATA_SM, 0));
    assert_eq!(smsc.await_sms(6).len(), 6);
    assert_eq!(esme.take_receipt().field("id"), answer.id());
    engine.stop();
}

#[test]
fn what_cannot_be_a_push_is_refused_by_the_letter() {
    let office = Office::new();
    let engine = office.start();
    let mut esme = office.bind();
    let good = || Submit::text(&msn(1), "hello");
    let to = |ton: u8, digits: &str| Submit { destination: (ton, 1, digits.into()), ..good() };
    let from = |digits: &str| Submit { source: (5, 0, digits.into()), ..good() };
    let udh = |text: &[u8]| Submit { esm_class: 0x40, text: text.to_vec(), ..good() };
    let sar = |submit: Submit| {
        submit
            .with(tag::SAR_MSG_REF_NUM, &[0, 1])
            .with(tag::SAR_TOTAL_SEGMENTS, &[2])
            .with(tag::SAR_SEGMENT_SEQNUM, &[1])
    };
    let cases: [(&str, Submit, u32); 23] = [
        ("with the trunk's 0", to(2, "09010000001"), 0),
        ("of unknown type", to(0, "09010000001"), 0),
        ("with a plus", to(0, "+819010000001"), 0),
        ("another country", to(1, "19010000001"), 0x0B),
        ("too short", to(1, "8190100"), 0x0B),
        ("not contracted", to(1, "819020000000"), 0x0B),
        ("a registered sender", from("Hayauma"), 0),
        ("another's sender", from("Nobody"), 0x0A),
        ("a sender of other characters", from("a b"), 0x0A),
        ("scheduled", Submit { schedule: "261122133430000+".into(), ..good() }, 0x61),
        ("replacing", Submit { replace: 1, ..good() }, 0x54),
        ("of the SMSC's own", Submit { default_message: 1, ..good() }, 0x63),
        ("expired", Submit { validity: "200101000000000+".into(), ..good() }, 0x62),
        ("no time", Submit { validity: "tomorrow".into(), ..good() }, 0x62),
        ("an hour", Submit { validity: "000000010000000R".into(), ..good() }, 0),
        ("empty", Submit { text: Vec::new(), ..good() }, 0x01),
        ("two texts", good().with(tag::MESSAGE_PAYLOAD, b"x"), 0x01),
        ("a coding that nobody has", Submit { data_coding: 0x55, ..good() }, 0x45),
        ("no GSM 7-bit", Submit { text: vec![0x80], ..good() }, 0x45),
        ("a header that overruns", udh(&[9, 0, 3, 1, 2, 1]), 0x43),
        ("a header twice", sar(udh(b"\x05\x00\x03\x01\x02\x01x")), 0x43),
        ("a part too long", sar(Submit { text: vec![b'a'; 154], ..good() }), 0x01),
        ("too long", Submit::text(&msn(1), "").with(tag::MESSAGE_PAYLOAD, &[b'a'; 2000]), 0x01),
    ];
    for (what, submit, status) in cases {
        assert_eq!(esme.submit(&submit).0, status, "{what}");
    }
    let list = esme.ask(command::BROADCAST_SM, &[0]);
    assert_eq!((list.command, list.status), (command::GENERIC_NACK, 0x03));
    let outbind = esme.ask(command::OUTBIND, b"a\0b\0");
    assert_eq!((outbind.command, outbind.status), (command::GENERIC_NACK, 0x03));
    engine.stop();
}

#[test]
fn a_submit_multi_is_a_push_to_each_phone_and_its_answer_names_who_was_not_taken() {
    let smsc = Smsc::start();
    let mut office = by_carrier(&smsc, &[]);
    // Some of the phones are another thread's.
    office.set("--shards", "2");
    let engine = office.start();
    let mut esme = office.bind();
    let submit = Submit::text(&msn(1), "hello").with(tag::USER_MESSAGE_REFERENCE, &[0, 9]);
    let phones: Vec<String> = [1, 2, 3, 4, 1].map(msn).into();
    let mut named: Vec<&str> = phones.iter().map(String::as_str).collect();
    named.push("09099999999");
    let answer = esme.ask(command::SUBMIT_MULTI, &submit.multi_body(&named, &["friends"]));
    assert_eq!(answer.status, 0);
    let MultiAnswer { id, failed, ids } = MultiAnswer::read(&answer);
    let refused = [("819099999999".to_owned(), 0x0B), ("friends".to_owned(), 0x34)];
    assert_eq!(failed, refused);
    assert_eq!((ids.len(), &ids[0], &ids[0]), (7, &id, &ids[4]), "one push to a phone");
    assert_eq!(ids[5..], ["", ""]);
    let sent: BTreeSet<String> = smsc.await_sms(4).into_iter().map(|sms| sms.to).collect();
    let expected: BTreeSet<String> = phones.iter().map(|msn| format!("81{}", &msn[1..])).collect();
    assert_eq!(sent, expected);
    let mut told = BTreeSet::new();
    for _ in 0..4 {
        let receipt = esme.take_receipt();
        assert_eq!(receipt.field("stat"), "DELIVRD");
        assert_eq!(receipt.tlv(tag::USER_MESSAGE_REFERENCE), Some(&[0, 9][..]));
        told.insert((receipt.from.clone(), receipt.field("id").to_owned()));
    }
    let each = phones.iter().zip(&ids).map(|(msn, id)| (format!("81{}", &msn[1..]), id.clone()));
    assert_eq!(told, each.collect());
    engine.stop();
}

#[test]
fn a_submit_multi_of_which_nothing_is_taken_costs_an_answer_and_no_more() {
    let office = Office::new();
    let engine = office.start();
    let mut esme = office.bind();
    let submit = Submit::text(&msn(1), "hello");
    let mut ask = |msns: &[&str], lists: &[&str], spoil: Option<usize>| {
        let mut body = submit.multi_body(msns, lists);
        if let Some(at) = spoil {
            body[at] = 9;
        }
        let answer = esme.ask(command::SUBMIT_MULTI, &body);
        assert_eq!(answer.command, command::SUBMIT_MULTI | command::ANSWER);
        assert!(answer.body.is_empty(), "{:?}", answer.body);
        answer.status
    };
    assert_eq!(ask(&[], &[], None), 0x33, "nobody");
    assert_eq!(ask(&["09099999999"], &["friends"], None), 0x0B, "a phone without a contract");
    assert_eq!(ask(&[], &["friends"], None), 0x34, "a list that is not there");
    let one = msn(1);
    assert_eq!(ask(&[&one], &[], Some(5)), 0x40, "neither phone nor list");
    assert_eq!(esme.submit(&submit).0, 0, "the session goes on");
    engine.stop();
}

#[test]
fn a_trace_shows_what_one_customer_says_and_nothing_of_another() {
    const OTHER: &str = "00100000002";
    let office = Office::new();
    office.add_customer(OTHER, "other", "secret", &["--network", "127.0.0.0/8"]);
    office.add_contracts(OTHER, &["09010000002"]);
    let engine = office.start();
    let (mut esme, mut second) = (office.bind(), office.bind());
    let mut other = Esme::bound(office.smpp, command::BIND_TRANSCEIVER, "other", "secret");
    let traced = std::thread::scope(|scope| {
        let trace = ["smpp", "trace", "--customer", XPID, "--seconds", "3", "--content"];
        let office = &office;
        let trace = scope.spawn(move || office.must(&trace));
        let shows =
            |words: &str| engine.admin().request("GET", "/smpp/trace", "").text().contains(words);
        // Each thread hears of the trace in a turn of its own.
        for (session, words) in [(&mut esme, "from the first"), (&mut second, "from the second")] {
            tests::wait::until_true(words, || {
                session.accepted(&Submit::text(&msn(1), &format!("hello {words}")));
                shows(words)
            });
        }
        other.accepted(&Submit::text(&msn(2), "hello from another"));
        second.accepted(&Submit::text(&msn(1), "hello to the end"));
        trace.join().expect("no panic")
    });
    assert!(!traced.contains("from another"), "{traced}");
    for part in ["(submit_sm)", "(submit_sm_resp)", "from the first", "from the second"] {
        assert!(traced.contains(part), "{part} lacks: {traced}");
    }
    engine.stop();
}

#[test]
fn a_peer_of_5_0_is_told_the_code_and_its_meaning() {
    let office = Office::new();
    let _engine = office.start();
    let mut esme = Esme::connect(office.smpp);
    let bound =
        esme.bind(command::BIND_TRANSCEIVER, crate::office::ID, crate::office::PASSWORD, 0x50);
    assert_eq!(bound.status, 0);
    let submit = Submit { data_coding: 0x55, ..Submit::text(&msn(1), "hello") };
    let answer = esme.ask(command::SUBMIT_SM, &submit.body());
    assert_eq!(answer.status, 0x104);
    let words = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(words.contains("4007 bad dcs"), "{words:?}");
}

#[test]
fn a_rate_throttles_and_what_waits_for_one_phone_is_bounded() {
    let mut office = Office::with(&["--rate", "5"]);
    office.set("--waiting-per-msn-max", "2").set("--network-default-line-state", "absent");
    let engine = office.start();
    let mut esme = office.bind();
    let statuses: Vec<u32> =
        (0..12).map(|n| esme.submit(&Submit::text(&msn(n), "hello")).0).collect();
    assert!(statuses.contains(&0x58) && statuses[..5] == [0; 5], "{statuses:X?}");
    office.must(&["client", "set", XPID, "--rate", "0"]);
    let statuses: Vec<u32> =
        (0..4).map(|_| esme.submit(&Submit::text(&msn(500), "hello")).0).collect();
    assert_eq!(statuses, [0, 0, 0x14, 0x14]);
    engine.stop();
}

#[test]
fn a_reqid_of_the_customers_own_makes_a_repeat_known_and_the_same_key_is_http_s_too() {
    let office = Office::new();
    let engine = office.start();
    let mut esme = office.bind();
    let submit = |text: &str| Submit::text(&msn(1), text).with(tag::REQID, b"mine-1");
    let id = esme.accepted(&submit("hello"));
    assert_eq!(esme.accepted(&submit("hello")), id, "a repeat has the same id");
    assert_eq!(esme.submit(&submit("other")).0, 0x45, "3001");
    let body = Body::text(&msn(1), "mine-1", "hello");
    assert_eq!(engine.connect().ask(&body.request()).code(), "3001");
    assert_ne!(esme.accepted(&Submit::text(&msn(1), "hello")), id);
    assert_ne!(esme.accepted(&Submit::text(&msn(1), "hello")), id);
    engine.stop();
    let bill = Bill::of_these_days(&office);
    assert_eq!(bill.sum(XPID, "accepted"), 3);
}

#[test]
fn an_emergency_is_lowered_to_what_the_registration_may() {
    let smsc = Smsc::start();
    let office = by_carrier(&smsc, &[]);
    let _engine = office.start();
    let mut esme = office.bind();
    esme.accepted(&Submit { priority: 3, ..Submit::text(&msn(1), "hello") });
    assert_eq!(only(&smsc.await_sms(1)).priority, 0);
    assert_eq!(esme.submit(&Submit { priority: 4, ..Submit::text(&msn(1), "hello") }).0, 0x06);
}
