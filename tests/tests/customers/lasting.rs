//! Restarts and kills: nothing acknowledged is lost, nothing is billed twice.

use crate::office::{ID, Office, PASSWORD, msn};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tests::bill::Bill;
use tests::esme::{Esme, Submit, command, tag};
use tests::push::XPID;
use tests::wait;

#[test]
fn receipts_that_nobody_took_come_after_a_kill() {
    let office = Office::new();
    let engine = office.start();
    let mut sender = Esme::bound(office.smpp, command::BIND_TRANSMITTER, ID, PASSWORD);
    let submit = |n: u64| {
        Submit::text(&msn(n), "hello").with(tag::USER_MESSAGE_REFERENCE, &(n as u16).to_be_bytes())
    };
    let ids: BTreeMap<String, u64> = (0..50).map(|n| (sender.accepted(&submit(n)), n)).collect();
    wait::until_true("ends", || engine.admin().figure("smpp_receipts_waiting") == 50);
    engine.admin().await_durable();
    engine.kill();
    let engine = office.start();
    let mut receiver = Esme::bound(office.smpp, command::BIND_RECEIVER, ID, PASSWORD);
    let mut seen = BTreeSet::new();
    while seen.len() < ids.len() {
        let receipt = receiver.take_receipt();
        let number = ids[receipt.field("id")];
        let reference = receipt.tlv(tag::USER_MESSAGE_REFERENCE).expect("the reference");
        assert_eq!(reference, (number as u16).to_be_bytes());
        seen.insert(number);
    }
    engine.stop();
    let bill = Bill::of_these_days(&office);
    assert_eq!(["accepted", "delivered"].map(|column| bill.sum(XPID, column)), [50, 50]);
    assert!(office.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn an_engine_that_looks_on_sends_no_receipt_and_they_come_when_it_goes_on() {
    const SYSTEM_ERROR: u32 = 8;
    let mut office = Office::new();
    let engine = office.start();
    let mut sender = Esme::bound(office.smpp, command::BIND_TRANSMITTER, ID, PASSWORD);
    let id = sender.accepted(&Submit::text(&msn(1), "hello"));
    wait::until_true("an end", || engine.admin().figure("smpp_receipts_waiting") == 1);
    engine.admin().await_durable();
    sender.unbind();
    engine.stop();
    office.set("--paused", "true");
    let engine = office.start();
    let mut esme = office.bind();
    assert_eq!(esme.submit(&Submit::text(&msn(2), "never")).0, SYSTEM_ERROR);
    assert!(esme.gets_no_receipt_for(Duration::from_millis(300)));
    esme.unbind();
    engine.stop();
    office.set("--paused", "false");
    let engine = office.start();
    assert_eq!(office.bind().take_receipt().field("id"), id);
    engine.stop();
}

#[test]
fn killed_under_load_it_loses_nothing_acknowledged_and_bills_nothing_twice() {
    const KILLS: u64 = 4;
    let office = Office::new();
    let mut accepted = BTreeSet::new();
    let mut told = BTreeSet::new();
    let mut number = 0;
    for round in 0..KILLS {
        let engine = office.start();
        let mut esme = office.bind();
        let mut under_way = BTreeMap::new();
        let until = std::time::Instant::now() + Duration::from_millis(150 + 70 * round);
        while std::time::Instant::now() < until {
            for _ in 0..20 {
                number += 1;
                let body = Submit::text(&msn(number % 1000), "hello").body();
                under_way.insert(esme.request(command::SUBMIT_SM, &body), ());
            }
            for pdu in esme.drain() {
                match pdu.command {
                    command::DELIVER_SM => {
                        let receipt = tests::esme::Receipt::read(&pdu);
                        esme.answer(command::DELIVER_SM, pdu.sequence, 0);
                        told.insert(receipt.field("id").to_owned());
                    }
                    answer if answer == command::ANSWER | command::SUBMIT_SM && pdu.status == 0 => {
                        assert!(accepted.insert(pdu.id()), "an id is given once");
                    }
                    _ => {}
                }
            }
        }
        engine.kill();
    }
    assert!(accepted.len() > 100, "{}", accepted.len());
    let engine = office.start();
    let mut esme = office.bind();
    while !accepted.is_subset(&told) {
        told.insert(esme.take_receipt().field("id").to_owned());
    }
    // What was taken and not answered has its receipts too.
    wait::until_true("an empty queue", || {
        for pdu in esme.drain() {
            if pdu.command == command::DELIVER_SM {
                esme.answer(command::DELIVER_SM, pdu.sequence, 0);
            }
        }
        engine.admin().figure("pushes_live") == 0
    });
    drop(esme);
    engine.stop();
    let bill = Bill::of_these_days(&office);
    let [taken, delivered] = ["accepted", "delivered"].map(|column| bill.sum(XPID, column));
    assert_eq!(taken, delivered);
    // What was taken and not answered before a kill is billed too.
    assert!(taken >= accepted.len() as u64, "{taken} of {}", accepted.len());
    assert!(office.must(&["billing", "reconcile"]).contains("the books add up"));
}
