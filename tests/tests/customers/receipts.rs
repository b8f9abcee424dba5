//! Receipts, queries and cancels.

use crate::office::{ID, Office, PASSWORD, msn};
use std::collections::HashSet;
use std::time::Duration;
use tests::bill::Bill;
use tests::esme::{Esme, Pdu, Receipt, Submit, command, tag};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::wait;

/// A line that nobody answers.
const ABSENT: &str = "absent";

pub(crate) fn query(esme: &mut Esme, id: &str) -> Pdu {
    let body = [id.as_bytes(), &[0, 0, 0, 0]].concat();
    esme.ask(command::QUERY_SM, &body)
}

pub(crate) fn cancel(esme: &mut Esme, id: &str, msn: Option<&str>) -> u32 {
    let mut body = [&[0], id.as_bytes(), &[0, 0, 0, 0]].concat();
    body.extend([2, 1]);
    body.extend_from_slice(msn.unwrap_or_default().as_bytes());
    body.push(0);
    esme.ask(command::CANCEL_SM, &body).status
}

#[test]
fn a_receipt_names_the_id_the_state_and_the_reference_in_text_and_parameters() {
    let office = Office::new();
    let engine = office.start();
    let mut esme = office.bind();
    let submit = Submit {
        source: (5, 0, "Hayauma".into()),
        ..Submit::text(&msn(1), "hello").with(tag::USER_MESSAGE_REFERENCE, &[0x12, 0x34])
    };
    let id = esme.accepted(&submit);
    assert!(id.len() <= 19 && id.bytes().all(|octet| octet.is_ascii_digit()), "{id}");
    let receipt = esme.take_receipt();
    assert_eq!((receipt.esm_class, receipt.from.as_str()), (4, "819010000001"));
    assert_eq!(receipt.to, "Hayauma");
    let fields = ["id", "sub", "dlvrd", "stat", "err"].map(|name| receipt.field(name));
    assert_eq!(fields, [&id, "001", "001", "DELIVRD", "000"]);
    assert_eq!(receipt.tlv(tag::RECEIPTED_MESSAGE_ID), Some(&[id.as_bytes(), &[0]].concat()[..]));
    assert_eq!(receipt.tlv(tag::MESSAGE_STATE), Some(&[2][..]));
    assert_eq!(receipt.tlv(tag::USER_MESSAGE_REFERENCE), Some(&[0x12, 0x34][..]));
    // A destination as it is dialled comes back as it is dialled.
    let national = Submit { destination: (2, 1, msn(1)), ..Submit::text(&msn(1), "hello") };
    esme.accepted(&national);
    assert_eq!(esme.take_receipt().from, msn(1));
    engine.stop();
}

#[test]
fn a_receipt_repeats_the_text_for_a_customer_that_wants_it() {
    let office = Office::with(&["--receipt-text", "true", "--smpp-alphabet", "latin-1"]);
    let engine = office.start();
    let mut esme = office.bind();
    let ucs2: Vec<u8> = "\u{5730}\u{9707}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let plain = Submit::text(&msn(1), "");
    for (submit, repeated) in [
        (
            Submit { text: b"\xfcber all: stat:X id:7".to_vec(), ..plain.clone() },
            "\u{FC}ber all: stat:X id:",
        ),
        (Submit { text: b"short".to_vec(), ..plain.clone() }, "short"),
        // What data_coding 0 cannot carry is left out.
        (Submit { text: ucs2, data_coding: 8, ..plain }, ""),
    ] {
        let id = esme.accepted(&submit);
        let receipt = esme.take_receipt();
        assert_eq!((receipt.field("id"), receipt.field("stat")), (id.as_str(), "DELIVRD"));
        let (_, text) = receipt.text.split_once("text:").expect("the last field");
        assert_eq!(text, repeated);
    }
    engine.stop();
}

#[test]
fn a_receipt_comes_behind_the_answer_of_its_submit() {
    const SUBMITS: usize = 1_500;
    const WINDOW: usize = 50;
    let mut office = Office::new();
    // Answers wait for those of the other shard before them, and receipts could overtake them.
    office.set("--network-latency-ms", "0").set("--network-latency-jitter-ms", "0").shards(2);
    let engine = office.start();
    let mut esme = office.bind();
    let (mut sent, mut receipts, mut answered) = (0, 0, HashSet::new());
    while receipts < SUBMITS {
        while sent < SUBMITS && sent - answered.len() < WINDOW {
            let phone = msn(sent as u64 % 1_000);
            esme.request(command::SUBMIT_SM, &Submit::text(&phone, "hello").body());
            sent += 1;
        }
        let pdu = esme.await_one("a PDU", |_| true);
        if pdu.command == command::DELIVER_SM {
            let receipt = Receipt::read(&pdu);
            assert!(answered.contains(receipt.field("id")), "{} of {receipts}", receipt.text);
            esme.answer(command::DELIVER_SM, receipt.sequence, 0);
            receipts += 1;
        } else {
            assert_eq!((pdu.command, pdu.status), (command::ANSWER | command::SUBMIT_SM, 0));
            answered.insert(pdu.id());
        }
    }
    assert_eq!(answered.len(), SUBMITS);
    engine.stop();
}

#[test]
fn registered_delivery_says_which_ends_are_told() {
    let mut office = Office::new();
    office.set_lines(&[(msn(2), "unknown")]);
    let engine = office.start();
    let mut esme = office.bind();
    let mut told = Vec::new();
    for registered_delivery in 0..4 {
        for phone in [1, 2] {
            let submit = Submit { registered_delivery, ..Submit::text(&msn(phone), "hello") };
            told.push((registered_delivery, phone, esme.accepted(&submit)));
        }
    }
    let expected = |registered_delivery: u8, phone: u64| match registered_delivery {
        0 => false,
        1 => true,
        2 => phone == 2,
        _ => phone == 1,
    };
    let wanted: Vec<_> = told.iter().filter(|one| expected(one.0, one.1)).collect();
    let mut seen: Vec<(String, String)> = wanted
        .iter()
        .map(|_| {
            let receipt = esme.take_receipt();
            (receipt.field("id").to_owned(), receipt.field("stat").to_owned())
        })
        .collect();
    let stat = |phone: u64| if phone == 1 { "DELIVRD" } else { "UNDELIV" }.to_owned();
    let mut all: Vec<_> = wanted.iter().map(|(_, phone, id)| (id.clone(), stat(*phone))).collect();
    seen.sort();
    all.sort();
    assert_eq!(seen, all);
    assert!(esme.gets_no_receipt_for(Duration::from_millis(300)));
    engine.stop();
}

#[test]
fn receipts_wait_for_a_receiver_and_come_in_the_order_of_each_phone() {
    let office = Office::new();
    let engine = office.start();
    let mut sender = Esme::bound(office.smpp, command::BIND_TRANSMITTER, ID, PASSWORD);
    let ids: Vec<Vec<String>> = (0..3)
        .map(|phone| {
            (0..20).map(|_| sender.accepted(&Submit::text(&msn(phone), "hello"))).collect()
        })
        .collect();
    // One of each phone at a time is told of.
    wait::until_true("ends", || engine.admin().figure("smpp_receipts_waiting") == 3);
    assert!(sender.gets_no_receipt_for(Duration::from_millis(200)));
    assert_eq!(engine.admin().figure("notifications_failed"), 0, "nothing was tried");
    let mut receiver = Esme::bound(office.smpp, command::BIND_RECEIVER, ID, PASSWORD);
    let mut seen: Vec<Vec<String>> = vec![Vec::new(); 3];
    for _ in 0..60 {
        let receipt = receiver.take_receipt();
        let phone: usize = receipt.from[receipt.from.len() - 1..].parse().expect("a digit");
        seen[phone].push(receipt.field("id").to_owned());
    }
    assert_eq!(seen, ids);
    assert!(sender.gets_no_receipt_for(Duration::from_millis(50)), "not on a transmitter");
    wait::until_true("all taken", || engine.admin().figure("smpp_receipts_waiting") == 0);
    engine.stop();
}

#[test]
fn receipts_reach_a_session_of_any_shard() {
    let mut office = Office::new();
    office.shards(3);
    let engine = office.start();
    let mut sender = Esme::bound(office.smpp, command::BIND_TRANSMITTER, ID, PASSWORD);
    let mut ids: Vec<String> =
        (0..60).map(|phone| sender.accepted(&Submit::text(&msn(phone), "hello"))).collect();
    let mut receiver = Esme::bound(office.smpp, command::BIND_RECEIVER, ID, PASSWORD);
    let mut seen: Vec<String> =
        (0..60).map(|_| receiver.take_receipt().field("id").to_owned()).collect();
    ids.sort();
    seen.sort();
    assert_eq!(seen, ids);
    // Queries and cancels find the owner too.
    let id = sender.accepted(&Submit::text(&msn(7), "hello"));
    receiver.take_receipt();
    assert_eq!(query(&mut sender, &id).status, 0);
    assert_eq!(cancel(&mut sender, &id, None), 0x11, "delivered already");
    assert_eq!(query(&mut sender, "1234567").status, 0x67);
    assert_eq!(cancel(&mut sender, "1234567", None), 0x0C);
    engine.stop();
}

#[test]
fn a_receipt_that_is_not_taken_comes_again_and_one_slow_session_harms_no_other() {
    let office = Office::new();
    office.add_customer("00100000002", "other", "secret", &["--network", "127.0.0.0/8"]);
    office.add_contracts("00100000002", &["09010000000-09010000999"]);
    let engine = office.start();
    let mut esme = office.bind();
    let id = esme.accepted(&Submit::text(&msn(1), "hello"));
    let first = esme.await_receipt();
    esme.answer(command::DELIVER_SM, first.sequence, 0x14);
    let again = esme.await_receipt();
    assert_eq!((first.field("id"), again.field("id")), (id.as_str(), id.as_str()));
    // It takes nothing any more, and the session breaks.
    drop(esme);
    let mut esme = office.bind();
    assert_eq!(esme.take_receipt().field("id"), id);
    // A customer that answers nothing fills its own window alone.
    (0..200).for_each(|n| drop(esme.accepted(&Submit::text(&msn(n), "hello"))));
    esme.await_receipt();
    let mut other = Esme::bound(office.smpp, command::BIND_TRANSCEIVER, "other", "secret");
    for n in 0..100 {
        let id = other.accepted(&Submit::text(&msn(n), "hello"));
        assert_eq!(other.take_receipt().field("id"), id);
    }
    engine.stop();
}

#[test]
fn a_customer_that_wants_no_receipt_says_so_once() {
    let office = Office::new();
    let engine = office.start();
    let mut esme = office.bind();
    for status in [0x65, 0x66] {
        esme.accepted(&Submit::text(&msn(1), "hello"));
        let receipt = esme.await_receipt();
        esme.answer(command::DELIVER_SM, receipt.sequence, status);
        wait::until_true("taken", || engine.admin().figure("smpp_receipts_waiting") == 0);
    }
    assert_eq!(engine.admin().figure("smpp_receipts_acknowledged"), 2);
    engine.stop();
}

#[test]
fn a_push_is_told_of_and_cancelled_by_its_id_and_by_nobody_else() {
    let mut office = Office::new();
    office.set("--network-default-line-state", ABSENT);
    office.add_customer("00100000002", "other", "secret", &["--network", "127.0.0.0/8"]);
    let engine = office.start();
    let mut esme = office.bind();
    let ids: Vec<String> = (0..3).map(|n| esme.accepted(&Submit::text(&msn(n), "hello"))).collect();
    let answer = query(&mut esme, &ids[0]);
    assert_eq!((answer.status, answer.id()), (0, ids[0].clone()));
    // Neither a date nor an error: on its way.
    assert_eq!(answer.body[ids[0].len() + 1..], [0, 1, 0]);
    let mut other = Esme::bound(office.smpp, command::BIND_TRANSCEIVER, "other", "secret");
    assert_eq!(query(&mut other, &ids[0]).status, 0x67);
    assert_eq!(cancel(&mut other, &ids[0], None), 0x0C);
    assert_eq!(cancel(&mut esme, &ids[0], None), 0);
    assert_eq!(cancel(&mut esme, &ids[1], Some(&msn(1))), 0);
    let mut told: Vec<(String, String)> = (0..2)
        .map(|_| esme.take_receipt())
        .map(|receipt| (receipt.field("id").to_owned(), receipt.field("stat").to_owned()))
        .collect();
    told.sort();
    let mut expected = [&ids[0], &ids[1]].map(|id| (id.clone(), "DELETED".to_owned()));
    expected.sort();
    assert_eq!(told, expected);
    assert_eq!(cancel(&mut esme, &ids[0], None), 0x11, "3004");
    let answer = query(&mut esme, &ids[0]);
    let at = ids[0].len() + 1;
    assert_eq!((answer.body.len(), answer.body[at + 17]), (at + 19, 4), "deleted, with a date");
    for wrong in ["", "abc", "007"] {
        assert_eq!(query(&mut esme, wrong).status, 0x67, "{wrong}");
    }
    // Who wants no receipt is told of no cancel.
    let silent = Submit { registered_delivery: 0, ..Submit::text(&msn(5), "hello") };
    let id = esme.accepted(&silent);
    assert_eq!(cancel(&mut esme, &id, None), 0);
    assert!(esme.gets_no_receipt_for(Duration::from_millis(200)));
    assert_eq!(esme.ask(command::REPLACE_SM, &[]).status & 0xFF, 0x13);
    engine.stop();
}

#[test]
fn a_push_of_http_is_told_to_its_url_and_one_of_smpp_to_its_session() {
    let recorder = Recorder::start();
    let office = Office::with(&["--notify-url", &recorder.url()]);
    let engine = office.start();
    let mut esme = office.bind();
    let id = esme.accepted(&Submit::text(&msn(1), "hello"));
    let code = engine.connect().ask(&Body::push(&msn(1), "over-http").request()).code().to_owned();
    assert_eq!(code, "0000");
    assert_eq!(esme.take_receipt().field("id"), id);
    assert_eq!(recorder.await_about("over-http", 1)[0].get("code"), "0000");
    assert!(esme.gets_no_receipt_for(Duration::from_millis(100)));
    assert_eq!(recorder.notices().len(), 1);
    engine.stop();
    assert_eq!(Bill::of_these_days(&office).sum(XPID, "delivered"), 2);
}

#[test]
fn a_dead_url_holds_up_no_receipt_of_the_same_phone() {
    let office = Office::with(&["--notify-url", "http://127.0.0.1:1/n"]);
    let engine = office.start();
    let mut esme = office.bind();
    let code = engine.connect().ask(&Body::push(&msn(1), "lost").request()).code().to_owned();
    assert_eq!(code, "0000");
    let id = esme.accepted(&Submit::text(&msn(1), "hello"));
    assert_eq!(esme.take_receipt().field("id"), id);
    engine.stop();
}
