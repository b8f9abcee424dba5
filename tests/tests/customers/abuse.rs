//! What is no SMPP, what is SMPP filled badly, and too much of it.

use crate::office::{ID, Office, PASSWORD, msn};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tests::esme::{Esme, Pdu, Submit, command, pdu};
use tests::push::XPID;
use tests::wait;

fn nack(status: u32, sequence: u32) -> Pdu {
    Pdu { command: command::GENERIC_NACK, status, sequence, body: Vec::new() }
}

#[test]
fn what_is_no_pdu_is_answered_and_closed_and_harms_nobody() {
    let office = Office::new();
    let engine = office.start();
    let mut good = office.bind();
    let garbage: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0; 64],
        &[0, 0, 0, 15, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7],
        &[0, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7],
    ];
    for octets in garbage {
        let mut esme = Esme::connect(office.smpp);
        esme.send(octets);
        let said = esme.await_end();
        assert!(
            matches!(&said[..], [one] if one.command == command::GENERIC_NACK && one.status == 2),
            "{octets:?}: {said:?}"
        );
    }
    good.accepted(&Submit::text(&msn(1), "hello"));
    engine.stop();
}

#[test]
fn a_pdu_filled_badly_costs_an_answer_and_the_tenth_in_a_row_the_session() {
    let office = Office::new();
    let engine = office.start();
    let mut esme = office.bind();
    let whole = Submit::text(&msn(1), "hello").body();
    // Every truncation of a submit_sm: framed well, and never a word of the next PDU.
    for octets in 0..whole.len() {
        let answer = esme.ask(command::SUBMIT_SM, &whole[..octets]);
        assert_eq!(answer.command, command::ANSWER | command::SUBMIT_SM, "{octets}");
        assert!([0x01, 0xC2].contains(&answer.status), "{octets}: {:02X}", answer.status);
        assert_eq!(esme.submit(&Submit::text(&msn(1), "hello")).0, 0, "behind {octets}");
    }
    let answer = esme.ask(command::SUBMIT_SM, &[&whole[..], &[4, 0x24, 0, 9, 1]].concat());
    assert_eq!(answer.status, 0xC0, "a parameter beyond the end");
    let unknown = esme.ask(0x77, &[]);
    assert_eq!(unknown, nack(3, unknown.sequence));
    for _ in 0..10 {
        esme.request(command::SUBMIT_SM, &whole[..5]);
    }
    let said = esme.await_end();
    assert_eq!(said.len(), 10, "{said:?}");
    engine.stop();
}

#[test]
fn every_octet_turned_over_leaves_the_session_or_ends_it_and_the_engine_lives() {
    let office = Office::new();
    let mut engine = office.start();
    let whole = pdu(command::SUBMIT_SM, 7, &Submit::text(&msn(1), "hello").body());
    let mut esme = office.bind();
    for at in 0..whole.len() {
        for bits in [0x01, 0x80, 0xFF] {
            let mut octets = whole.clone();
            octets[at] ^= bits;
            esme.send(&octets);
            // What was made shorter leaves octets that are no PDU; longer, it waits for more.
            if at < 4 || esme_is_gone(&mut esme) {
                esme = office.bind();
            }
        }
    }
    assert!(engine.is_running());
    engine.stop();
}

/// Whether the session has ended: an enquire_link has no answer.
fn esme_is_gone(esme: &mut Esme) -> bool {
    let sequence = esme.request(command::ENQUIRE_LINK, &[]);
    !esme.answers(sequence)
}

#[test]
fn connections_that_do_not_bind_have_few_places_and_little_time() {
    let office = Office::new();
    let engine = office.start();
    let mut bound = office.bind();
    let begun = Instant::now();
    let mut silent: Vec<Esme> = (0..20).map(|_| Esme::connect(office.smpp)).collect();
    let turned_away = || engine.admin().figure("smpp_turned_away");
    wait::until_true("closed at accept", || turned_away() == 12);
    bound.accepted(&Submit::text(&msn(1), "hello"));
    for esme in &mut silent {
        esme.await_end();
    }
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(9) && took < Duration::from_secs(15), "{took:?}");
    office.bind().unbind();
    engine.stop();
}

#[test]
fn strangers_who_do_not_bind_keep_no_customer_out_however_many_come() {
    let office = Office::new();
    let engine = office.start();
    // As many as there are places for, from as many sources as it takes, and they come again.
    let stranger = |number: usize| {
        let from = IpAddr::from([127, 0, 1 + (number % 2) as u8, 2 + (number % 16) as u8]);
        Esme::connect_from(from, office.smpp)
    };
    let mut strangers: VecDeque<Esme> = (0..65).map(stranger).collect();
    wait::until_true("every place taken", || engine.admin().figure("smpp_turned_away") == 1);
    for round in 0..20 {
        let begun = Instant::now();
        let mut esme = office.bind();
        assert!(begun.elapsed() < Duration::from_secs(5), "{round}: {:?}", begun.elapsed());
        esme.accepted(&Submit::text(&msn(round), "hello"));
        esme.unbind();
        for number in 0..8 {
            strangers.pop_front();
            strangers.push_back(stranger(number));
        }
    }
    engine.stop();
}

#[test]
fn whoever_is_in_no_accounts_networks_is_closed_at_accept() {
    let office = Office::new();
    office.must(&["client", "set", XPID, "--network", "127.0.0.1/32"]);
    let engine = office.start();
    let outside: IpAddr = [127, 0, 0, 2].into();
    for _ in 0..100 {
        assert_eq!(Esme::connect_from(outside, office.smpp).await_end(), []);
    }
    wait::until_true("counted", || engine.admin().figure("smpp_turned_away") == 100);
    office.bind().accepted(&Submit::text(&msn(1), "hello"));
    let log = engine.log();
    let told = log.matches("no account's networks have its address").count();
    assert!(told == 1 && log.contains("127.0.0.2"), "{log}");
    // Another account may bind from there, and the door is open.
    office.add_customer("00100000002", "other", "secret", &["--network", "127.0.0.2/32"]);
    let mut esme = Esme::connect_from(outside, office.smpp);
    assert_eq!(esme.bind(command::BIND_TRANSCEIVER, "other", "secret", 0x34).status, 0);
    engine.stop();
}

#[test]
fn a_flood_without_reading_is_held_back_by_the_window_and_the_socket() {
    let office = Office::with(&["--smpp-window", "10"]);
    let engine = office.start();
    let mut flood = office.bind();
    let submit = pdu(
        command::SUBMIT_SM,
        1,
        &Submit { registered_delivery: 0, ..Submit::text(&msn(1), "x") }.body(),
    );
    flood.set_write_timeout(Duration::from_millis(500));
    let many = submit.repeat(2_000);
    let sent = (0..200).take_while(|_| flood.send(&many)).count();
    // Somebody else is served meanwhile, and what the flood holds has a bound.
    let mut other = Esme::bound(office.smpp, command::BIND_TRANSCEIVER, ID, PASSWORD);
    let begun = Instant::now();
    other.submit(&Submit::text(&msn(2), "hello"));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?} behind {sent}", begun.elapsed());
    assert!(engine.admin().figure("connection_octets") < 8 << 20);
    drop(flood);
    engine.stop();
}
