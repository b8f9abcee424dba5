//! Who may bind, and how.

use crate::office::{ID, Office, PASSWORD, msn};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tests::esme::{Esme, Submit, command, tag};
use tests::push::XPID;
use tests::wait;

const ALREADY_BOUND: u32 = 0x05;
const INVALID_BIND_STATE: u32 = 0x04;
const BIND_FAILED: u32 = 0x0D;
const INVALID_PASSWORD: u32 = 0x0E;
const INVALID_SYSTEM_ID: u32 = 0x0F;

#[test]
fn each_kind_of_bind_may_what_it_is_for() {
    let office = Office::new();
    let _engine = office.start();
    for (kind, may_submit) in [
        (command::BIND_TRANSMITTER, true),
        (command::BIND_RECEIVER, false),
        (command::BIND_TRANSCEIVER, true),
    ] {
        let mut esme = Esme::connect(office.smpp);
        // Real clients look whether somebody is there before they bind.
        assert_eq!(esme.ask(command::ENQUIRE_LINK, &[]).status, 0);
        assert_eq!(esme.submit(&Submit::text(&msn(1), "early")).0, INVALID_BIND_STATE);
        let answer = esme.bind(kind, ID, PASSWORD, 0x34);
        assert_eq!((answer.status, answer.command), (0, kind | command::ANSWER));
        assert_eq!(answer.id(), "Hayauma");
        assert_eq!(answer.body[8..], [0x02, 0x10, 0, 1, 0x34], "sc_interface_version");
        assert_eq!(esme.bind(kind, ID, PASSWORD, 0x34).status, ALREADY_BOUND);
        let (status, _) = esme.submit(&Submit::text(&msn(1), "hello"));
        assert_eq!(status, if may_submit { 0 } else { INVALID_BIND_STATE });
        esme.unbind();
    }
}

#[test]
fn a_client_of_3_3_is_sent_no_optional_parameters() {
    let office = Office::new();
    let _engine = office.start();
    let mut esme = Esme::connect(office.smpp);
    let answer = esme.bind(command::BIND_TRANSCEIVER, ID, PASSWORD, 0x33);
    assert_eq!((answer.status, &answer.body[..]), (0, &b"Hayauma\0"[..]));
    esme.accepted(&Submit::text(&msn(1), "hello"));
    let receipt = esme.take_receipt();
    assert_eq!((receipt.field("stat"), receipt.tlv(tag::MESSAGE_STATE)), ("DELIVRD", None));
}

#[test]
fn whoever_may_not_bind_is_told_why_and_after_the_same_second() {
    let office = Office::with(&["--bind-type", "transceiver", "--binds-max", "1"]);
    office.add_customer("00100000002", "far", "secret", &["--network", "192.0.2.0/24"]);
    office.add_customer(
        "00100000003",
        "off",
        "secret",
        &["--network", "127.0.0.0/8", "--suspended"],
    );
    let _engine = office.start();
    let bound = office.bind();
    let transceiver = command::BIND_TRANSCEIVER;
    let cases = [
        ("nobody", PASSWORD, transceiver, INVALID_SYSTEM_ID),
        (ID, "wrong", transceiver, INVALID_PASSWORD),
        (ID, PASSWORD, command::BIND_RECEIVER, BIND_FAILED),
        (ID, PASSWORD, transceiver, ALREADY_BOUND),
    ];
    for (id, password, kind, status) in cases {
        let begun = Instant::now();
        let mut esme = Esme::connect(office.smpp);
        assert_eq!(esme.bind(kind, id, password, 0x34).status, status, "{id} {password}");
        assert!(begun.elapsed() >= Duration::from_secs(1), "{id}: {:?}", begun.elapsed());
        assert_eq!(esme.await_end(), [], "it says no more");
    }
    bound.unbind();
    office.bind().unbind();
    for id in ["far", "off"] {
        let status = Esme::connect(office.smpp).bind(transceiver, id, "secret", 0x34).status;
        assert_eq!(status, BIND_FAILED, "{id}");
    }
}

#[test]
fn where_how_and_when_one_binds_is_looked_at_before_the_password() {
    let office = Office::with(&["--bind-type", "transceiver"]);
    let local = "127.0.0.0/8";
    office.add_customer("00100000002", "far", "secret", &["--network", "192.0.2.0/24"]);
    office.add_customer("00100000003", "off", "secret", &["--network", local, "--suspended"]);
    let engine = office.start();
    let (transceiver, receiver) = (command::BIND_TRANSCEIVER, command::BIND_RECEIVER);
    let cases =
        [("far", "secret", transceiver), ("off", "secret", transceiver), (ID, PASSWORD, receiver)];
    for (number, (id, right, kind)) in cases.into_iter().enumerate() {
        for password in [right, "guess"] {
            let begun = Instant::now();
            let from = IpAddr::from([127, 0, 0, 2 + number as u8]);
            let mut esme = Esme::connect_from(from, office.smpp);
            let status = esme.bind(kind, id, password, 0x34).status;
            assert_eq!(status, BIND_FAILED, "{id} by {password}: it learns nothing of it");
            assert!(begun.elapsed() >= Duration::from_secs(1), "{id}: {:?}", begun.elapsed());
        }
    }
    // They count as any other that fail.
    let from: IpAddr = [127, 0, 0, 2].into();
    for _ in 0..3 {
        let mut esme = Esme::connect_from(from, office.smpp);
        assert_eq!(esme.bind(transceiver, "far", "secret", 0x34).status, BIND_FAILED);
    }
    assert_eq!(Esme::connect_from(from, office.smpp).await_end(), [], "refused at accept");
    engine.stop();
}

#[test]
fn the_fifth_failure_within_a_minute_is_the_last() {
    let office = Office::new();
    let engine = office.start();
    let refused = |password: &str| {
        let mut esme = Esme::connect(office.smpp);
        esme.bind(command::BIND_TRANSCEIVER, ID, password, 0x34).status
    };
    (0..5).for_each(|_| assert_eq!(refused("guess"), INVALID_PASSWORD));
    let mut esme = Esme::connect(office.smpp);
    assert_eq!(esme.await_end(), [], "refused at accept, the right password or not");
    assert_eq!(engine.admin().figure("smpp_bind_refusals"), 5);
    assert!(engine.admin().figure("smpp_turned_away") >= 1);
}

#[test]
fn a_password_follows_another_without_a_gap_and_an_account_can_be_taken_away() {
    let office = Office::new();
    office.add_customer("00100000002", "other", "secret", &["--network", "127.0.0.0/8"]);
    let engine = office.start();
    let set = |passwords: &str| {
        let file = office.path("passwords");
        std::fs::write(&file, passwords).expect("a writable directory");
        let file = file.display().to_string();
        office.must(&["client", "set", XPID, "--smpp-password-file", &file]);
    };
    let status = |password: &str| {
        let mut esme = Esme::connect(office.smpp);
        esme.bind(command::BIND_TRANSCEIVER, ID, password, 0x34).status
    };
    set("secret08\nnewone\n");
    assert_eq!([PASSWORD, "newone"].map(status), [0, 0]);
    set("newone\n");
    assert_eq!([PASSWORD, "newone"].map(status), [INVALID_PASSWORD, 0]);
    let mut esme = Esme::connect(office.smpp);
    assert_eq!(esme.bind(command::BIND_TRANSCEIVER, ID, "newone", 0x34).status, 0);
    let shown = office.must(&["client", "show", XPID]);
    assert!(shown.contains("as client1, 1 password,") && !shown.contains("argon2"), "{shown}");
    office.must(&["client", "set", XPID, "--no-smpp"]);
    let unbind = esme.await_one("an unbind", |pdu| pdu.command == command::UNBIND);
    esme.answer(command::UNBIND, unbind.sequence, 0);
    esme.await_end();
    assert_eq!(status("newone"), INVALID_SYSTEM_ID);
    let refused = office.run(&["client", "set", XPID, "--smpp-window", "5"]);
    assert!(refused.refusal().contains("--system-id"), "{}", refused.stderr);
    drop(engine);
}

/// The session is unbound by the engine, and its connection ends.
#[track_caller]
fn is_unbound(mut esme: Esme) {
    let unbind = esme.await_one("an unbind", |pdu| pdu.command == command::UNBIND);
    esme.answer(command::UNBIND, unbind.sequence, 0);
    esme.await_end();
}

#[test]
fn a_session_stays_no_longer_than_it_might_bind_anew() {
    let office = Office::new();
    let engine = office.start();
    let file = office.path("passwords").display().to_string();
    let set = |more: &[&str]| {
        office.must(&[&["client", "set", XPID], more].concat());
    };
    let passwords = |lines: &str| {
        std::fs::write(&file, lines).expect("a writable directory");
        set(&["--smpp-password-file", &file]);
    };
    let bind = |password: &str, kind| Esme::bound(office.smpp, kind, ID, password);
    // A password that leaked: who came in by it goes, who came in by another stays.
    passwords("secret08\nnewone\n");
    let by_old = bind(PASSWORD, command::BIND_TRANSCEIVER);
    let mut by_new = bind("newone", command::BIND_TRANSCEIVER);
    passwords("newone\n");
    is_unbound(by_old);
    by_new.accepted(&Submit::text(&msn(1), "still here"));
    // Ways to bind that are not its any more.
    let mut transmitter = bind("newone", command::BIND_TRANSMITTER);
    set(&["--bind-type", "transmitter"]);
    is_unbound(by_new);
    transmitter.accepted(&Submit::text(&msn(2), "still here"));
    // A network that is not its any more.
    set(&["--network", "192.0.2.0/24"]);
    is_unbound(transmitter);
    drop(engine);
}

#[test]
fn two_registrations_have_no_system_id_in_common() {
    let office = Office::new();
    let engine = office.start();
    let file = office.path(&format!("password-{ID}")).display().to_string();
    let arguments = ["client", "add", "00100000002", "--client", "other", "--system-id", ID];
    let account = ["--smpp-password-file", &file, "--smpp-from-anywhere"];
    let refused = office.run(&[&arguments[..], &account].concat());
    assert!(refused.refusal().contains(XPID), "{}", refused.stderr);
    drop(engine);
}

#[test]
fn a_drain_unbinds_and_answers_what_it_has_taken() {
    let office = Office::new();
    let engine = office.start();
    let mut esme = office.bind();
    let numbers: Vec<u32> = (0..20)
        .map(|n| esme.request(command::SUBMIT_SM, &Submit::text(&msn(n), "hello").body()))
        .collect();
    for number in numbers {
        assert_eq!(esme.await_answer(number).status, 0);
    }
    engine.ask_to_stop();
    let unbind = esme.await_one("an unbind", |pdu| pdu.command == command::UNBIND);
    esme.answer(command::UNBIND, unbind.sequence, 0);
    esme.await_end();
    assert!(engine.wait().success());
}

#[test]
fn sessions_are_shown_and_seats_come_back() {
    let office = Office::with(&["--binds-max", "2"]);
    let engine = office.start();
    let figure = |name: &str| engine.admin().figure(name);
    let (one, two) = (office.bind(), office.bind());
    assert_eq!(figure("smpp_sessions"), 2);
    drop(one);
    wait::until_true("a seat", || figure("smpp_sessions") == 1);
    office.bind().unbind();
    drop(two);
    wait::until_true("no session", || figure("smpp_sessions") == 0);
    assert_eq!(figure("smpp_binds"), 3);
}
