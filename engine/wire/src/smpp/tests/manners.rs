//! What a session does with peers that are refused, old, odd, idle or hasty.

use super::samples::{self, submit, written};
use super::session::{bind, bound_client, bound_server, config, events, made, submit_of, take};
use crate::smpp::coding::EsmClass;
use crate::smpp::command::Command;
use crate::smpp::oddities::Oddities;
use crate::smpp::pdu::{Bind, BindKind, Body, Message, MessageResp, decode};
use crate::smpp::session::{
    CloseReason, Config, Event, Refusal, RequestId, Session, SessionMutation, State,
};
use crate::smpp::status::Status;
use crate::smpp::tlv::{Tag, TlvWriter};

#[test]
fn a_refused_bind_ends_both_sides() {
    let mut client = Session::new(Config::carrier(), 0);
    let mut out = [0; 200];
    client.bind(&mut out, &bind(0x34), 0).expect("open");
    assert_eq!(client.bind(&mut out, &bind(0x34), 0), Err(Refusal::NotBound), "once");
    take(&mut client, &written(Command::BIND_TRANSCEIVER_RESP, 5, 1, &Body::Empty), 0);
    assert_eq!(
        events(&mut client),
        [Event::Closed { reason: CloseReason::Refused(Status::ALREADY_BOUND) }]
    );
    let mut server = Session::new(Config::customer(), 0);
    take(
        &mut server,
        &written(
            Command::BIND_RECEIVER,
            0,
            7,
            &Body::Bind(Bind { kind: BindKind::Receiver, ..bind(0x34) }),
        ),
        0,
    );
    let octets = server.answer_bind(&mut out, Status::INVALID_PASSWORD, b"", 1_000).expect("room");
    let answer = decode(&out[..octets]).expect("ours").header;
    assert_eq!(
        (answer.command, answer.status.0, answer.sequence),
        (Command::BIND_RECEIVER_RESP, 0x0E, 7)
    );
    assert_eq!(octets, 16, "an error has no body");
    let reason = CloseReason::Refused(Status::INVALID_PASSWORD);
    assert_eq!(events(&mut server), [Event::Closed { reason }]);
    assert_eq!(server.answer_bind(&mut out, Status::OK, b"", 1_000), Ok(0), "too late");
}

#[test]
fn an_smsc_that_does_not_say_its_version_counts_as_it_is_set() {
    for version in [0x33, 0x34] {
        let mut session = Session::new(Config { unsaid_version: version, ..Config::carrier() }, 0);
        let mut out = [0; 200];
        session.bind(&mut out, &bind(0x34), 0).expect("open");
        take(&mut session, &written(Command::BIND_TRANSCEIVER_RESP, 0, 1, &Body::Empty), 0);
        assert_eq!((session.state(), session.peer_version()), (State::BoundTrx, version));
    }
}

#[test]
fn an_enquire_link_answered_with_another_number_shows_that_the_peer_is_there() {
    let mut session = bound_client(SessionMutation::None, 0x34, config());
    session.handle_time(30_000);
    assert_eq!(made(&mut session).len(), 1);
    take(&mut session, &written(Command::ENQUIRE_LINK_RESP, 0, 77, &Body::Empty), 30_500);
    assert_eq!(session.counts().unexpected_answers, 1);
    session.handle_time(41_000);
    assert_eq!(session.state(), State::BoundTrx);
}

#[test]
fn a_receipt_that_is_cut_short_is_taken_by_a_client_and_refused_by_nobody_else() {
    let receipt =
        Message { esm_class: EsmClass::RECEIPT, short_message: samples::RECEIPT, ..submit() };
    let mut octets = written(Command::DELIVER_SM, 0, 4, &Body::Message(receipt));
    let length = octets.len();
    octets[length - samples::RECEIPT.len() - 1] += 1;
    let mut session = bound_client(SessionMutation::None, 0x34, config());
    match session.handle_octets(&octets, 0).event {
        Some(Event::Request { request, oddities, .. }) => {
            assert_eq!(request, RequestId { command: Command::DELIVER_SM, sequence: 4 });
            assert!(oddities.has(Oddities::MESSAGE_CUT));
        }
        other => panic!("{other:?}"),
    }
    let text = Message { short_message: samples::RECEIPT, ..submit() };
    let mut octets = written(Command::DELIVER_SM, 0, 5, &Body::Message(text));
    octets[length - samples::RECEIPT.len() - 1] += 1;
    assert!(take(&mut session, &octets, 0).is_empty());
    assert_eq!(made(&mut session), [(Command::DELIVER_SM_RESP, 1, 5)]);
}

#[test]
fn an_idle_customer_is_unbound_where_that_is_wanted() {
    let idle = Config { inactivity_ms: 20_000, ..Config::customer() };
    let mut session = bound_server(SessionMutation::None, 0x34, idle);
    take(&mut session, &submit_of(2), 10_000);
    let request = RequestId { command: Command::SUBMIT_SM, sequence: 2 };
    let mut out = [0; 100];
    session
        .answer(&mut out, request, Status::OK, &Body::MessageResp(MessageResp::default()), 15_000)
        .expect("room");
    // An enquire_link is no work.
    take(&mut session, &written(Command::ENQUIRE_LINK, 0, 9, &Body::Empty), 30_000);
    made(&mut session);
    assert_eq!(session.poll_deadline(), Some(35_000));
    session.handle_time(35_000);
    assert_eq!(made(&mut session), [(Command::UNBIND, 0, 1)]);
    assert_eq!(session.state(), State::Unbinding);
}

#[test]
fn a_peer_of_5_0_is_told_more_of_an_error_and_no_other() {
    for (version, has_body) in [(0x33, false), (0x34, false), (0x50, true)] {
        let mut session = bound_server(SessionMutation::None, version, Config::customer());
        take(&mut session, &submit_of(2), 0);
        let request = RequestId { command: Command::SUBMIT_SM, sequence: 2 };
        let mut space = [0; 64];
        let mut tlvs = TlvWriter::new(&mut space);
        tlvs.text(Tag::ADDITIONAL_STATUS_INFO_TEXT, b"8001 too fast");
        let answer = MessageResp { message_id: b"", tlvs: tlvs.finish().expect("room") };
        let mut out = [0; 100];
        let body = Body::MessageResp(answer);
        let octets = session.answer(&mut out, request, Status::THROTTLED, &body, 0).expect("room");
        let expected = if has_body { body } else { Body::Empty };
        let answer = decode(&out[..octets]).expect("ours");
        assert_eq!(
            (answer.body, answer.header.status),
            (expected, Status::THROTTLED),
            "{version:02X}"
        );
    }
}

#[test]
fn every_unbind_gets_one_answer() {
    let mut session = bound_server(SessionMutation::None, 0x34, Config::customer());
    let unbind = |sequence| written(Command::UNBIND, 0, sequence, &Body::Empty);
    take(&mut session, &[submit_of(2), unbind(3), unbind(4)].concat(), 0);
    assert_eq!(made(&mut session), [(Command::UNBIND_RESP, 0, 4)]);
    let request = RequestId { command: Command::SUBMIT_SM, sequence: 2 };
    let mut out = [0; 100];
    session.answer(&mut out, request, Status::SYSTEM_ERROR, &Body::Empty, 1).expect("room");
    assert_eq!(made(&mut session), [(Command::UNBIND_RESP, 0, 3)]);
    // Both at once: each answers the other's, and goes when its own is answered.
    let mut session = bound_client(SessionMutation::None, 0x34, config());
    session.unbind(0);
    take(&mut session, &unbind(9), 0);
    assert_eq!(made(&mut session), [(Command::UNBIND, 0, 2), (Command::UNBIND_RESP, 0, 9)]);
    assert_eq!(session.state(), State::Unbinding);
    take(&mut session, &written(Command::UNBIND_RESP, 0, 2, &Body::Empty), 0);
    assert_eq!(events(&mut session), [Event::Closed { reason: CloseReason::Unbound }]);
}
