//! The session's tables and times one by one, each as a probe that also has to catch the errors a
//! session could have.

use super::pair;
use super::samples::{submit, written};
use crate::smpp::command::Command;
use crate::smpp::limits::{SEQUENCE_MAX, UNBIND_MS};
use crate::smpp::pdu::{Bind, BindKind, BindResp, Body, Message, MessageResp, decode};
use crate::smpp::session::{
    CloseReason, Config, Event, Refusal, RequestId, Role, Session, SessionMutation, State, Verdict,
    may_send, verdict,
};
use crate::smpp::status::Status;
use crate::smpp::tlv::{Tag, TlvWriter, Tlvs};

/// Fails a probe.
macro_rules! ensure {
    ($so:expr, $($words:tt)+) => {
        let so: bool = $so;
        if !so {
            return Err(format!($($words)+));
        }
    };
}
pub(super) use ensure;

/// Whether a session behaves in one respect; the sentence says what it does instead.
type Probe = fn(SessionMutation) -> Result<(), String>;

const PROBES: [(&str, Probe); 19] = [
    ("answers in any order", answers_in_any_order_find_their_requests),
    ("window", no_more_is_outstanding_than_the_window_allows),
    ("sequence", numbers_go_around_and_leave_out_what_is_outstanding),
    ("nack", a_nack_answers_and_is_never_success),
    ("end", what_is_outstanding_at_the_end_is_in_doubt),
    ("response", three_requests_without_answer_end_the_session),
    ("enquire", silence_is_probed_and_ends_the_session),
    ("partial", a_pdu_that_stays_incomplete_ends_the_session),
    ("init", a_connection_that_nobody_binds_ends),
    ("old peer", an_old_peer_gets_no_tlvs),
    ("unbind", nothing_new_is_sent_after_an_unbind),
    ("peer's unbind", a_peers_unbind_waits_for_its_answers),
    ("unanswered unbind", an_unbind_without_answer_ends_after_five_seconds),
    ("unknown", an_unknown_command_costs_an_answer_only),
    ("bad length", a_length_that_no_pdu_has_ends_the_session),
    ("early enquire", an_enquire_link_is_answered_in_every_state),
    ("backpressure", reading_stops_at_the_window),
    ("bad requests", ten_bad_requests_in_a_row_end_the_session),
    ("acknowledgement", a_request_is_answered_by_its_owner_alone),
];

#[test]
fn a_session_does_what_the_tables_and_timers_say() {
    for (name, probe) in PROBES {
        assert_eq!(probe(SessionMutation::None), Ok(()), "{name}");
    }
}

#[test]
fn every_error_that_a_session_could_have_is_caught() {
    for mutation in SessionMutation::ALL {
        let caught: Vec<&str> = PROBES
            .iter()
            .filter(|(_, probe)| probe(mutation).is_err())
            .map(|&(name, _)| name)
            .collect();
        let in_traffic = (0..20).any(|seed| pair::run(seed, mutation).is_err());
        println!("{mutation:?}: {caught:?}, in traffic {in_traffic}");
        assert!(!caught.is_empty() || in_traffic, "{mutation:?} is caught by nothing");
    }
}

pub(super) fn config() -> Config {
    Config { window: 4, ..Config::carrier() }
}

/// Takes whole PDUs in; what they say, bodies aside.
pub(super) fn take(session: &mut Session, octets: &[u8], now_ms: u64) -> Vec<String> {
    let (mut at, mut events) = (0, Vec::new());
    loop {
        let taken = session.handle_octets(&octets[at..], now_ms);
        at += taken.octets;
        events.extend(taken.event.map(|event| format!("{event:?}")));
        if taken.octets == 0 || at == octets.len() {
            return events;
        }
    }
}

/// The PDUs that a session made by itself: command, status, sequence.
pub(super) fn made(session: &mut Session) -> Vec<(Command, u32, u32)> {
    let (mut out, mut pdus) = ([0; 1024], Vec::new());
    let octets = session.poll_output(&mut out);
    let mut rest = &out[..octets];
    while let Ok(Some(pdu)) = crate::smpp::frame::first_pdu(rest) {
        let header = decode(pdu).expect("ours").header;
        pdus.push((header.command, header.status.0, header.sequence));
        rest = &rest[pdu.len()..];
    }
    pdus
}

pub(super) fn events(session: &mut Session) -> Vec<Event<'static>> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

pub(super) fn bind(version: u8) -> Bind<'static> {
    Bind {
        kind: BindKind::Transceiver,
        system_id: b"hayauma1",
        password: b"secret",
        system_type: b"",
        interface_version: version,
        addr_ton: 0,
        addr_npi: 0,
        address_range: b"",
    }
}

/// A client that an SMSC of this version has bound at time 0, its own bind being number 1.
pub(super) fn bound_client(mutation: SessionMutation, version: u8, config: Config) -> Session {
    let mut session = Session::new(config, 0);
    session.mutate(mutation);
    let mut out = [0; 200];
    session.bind(&mut out, &bind(0x34), 0).expect("open");
    let mut space = [0; 8];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.octet(Tag::SC_INTERFACE_VERSION, version);
    let body = Body::BindResp(BindResp { system_id: b"SMSC", tlvs: tlvs.finish().expect("room") });
    take(&mut session, &written(Command::BIND_TRANSCEIVER_RESP, 0, 1, &body), 0);
    assert_eq!(session.state(), State::BoundTrx);
    session
}

/// A server that a client of this version has bound at time 0.
pub(super) fn bound_server(mutation: SessionMutation, version: u8, config: Config) -> Session {
    let mut session = Session::new(config, 0);
    session.mutate(mutation);
    let request = written(Command::BIND_TRANSCEIVER, 0, 1, &Body::Bind(bind(version)));
    assert_eq!(take(&mut session, &request, 0).len(), 1);
    let mut out = [0; 200];
    let octets = session.answer_bind(&mut out, Status::OK, b"Hayauma", 0).expect("room");
    let answer = decode(&out[..octets]).expect("ours");
    let knows_tlvs = version >= 0x34 || mutation == SessionMutation::TlvsToAll;
    let Body::BindResp(body) = answer.body else { panic!("{answer:?}") };
    let said = version.clamp(0x33, 0x50);
    assert_eq!(body.interface_version(), knows_tlvs.then_some(said));
    session
}

fn send(session: &mut Session, token: u64, now_ms: u64) -> Result<usize, Refusal> {
    let mut out = [0; 400];
    session.request(&mut out, Command::SUBMIT_SM, &Body::Message(submit()), token, now_ms)
}

fn ok_answer(sequence: u32) -> Vec<u8> {
    let body = Body::MessageResp(MessageResp { message_id: b"7", tlvs: Tlvs::NONE });
    written(Command::SUBMIT_SM_RESP, 0, sequence, &body)
}

pub(super) fn submit_of(sequence: u32) -> Vec<u8> {
    written(Command::SUBMIT_SM, 0, sequence, &Body::Message(submit()))
}

fn answers_in_any_order_find_their_requests(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_client(mutation, 0x34, config());
    for token in 10..14 {
        send(&mut session, token, 0).map_err(|refusal| refusal.to_string())?;
    }
    // The bind was number 1, so these are 2 to 5.
    for (sequence, token) in [(4, 12), (2, 10), (5, 13), (3, 11)] {
        let octets = ok_answer(sequence);
        let taken = session.handle_octets(&octets, 5);
        let Some(Event::Answer { token: told, status, body, waited_ms, .. }) = taken.event else {
            return Err(format!("{taken:?}"));
        };
        ensure!(
            (told, status, waited_ms) == (token, Status::OK, 5),
            "{sequence} is taken for {told}"
        );
        ensure!(body.message_id() == Some(b"7"), "the id is told");
    }
    let late = take(&mut session, &ok_answer(3), 6);
    ensure!(late.is_empty() && session.counts().unexpected_answers == 1, "an answer counts once");
    Ok(())
}

fn no_more_is_outstanding_than_the_window_allows(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_client(mutation, 0x34, config());
    for token in 0..4 {
        ensure!(send(&mut session, token, 0).is_ok(), "four fit");
    }
    ensure!(send(&mut session, 4, 0) == Err(Refusal::WindowFull), "the fifth does not");
    ensure!(session.outstanding() == 4 && session.room() == 0, "four are outstanding");
    take(&mut session, &ok_answer(3), 0);
    ensure!(send(&mut session, 4, 0).is_ok(), "an answer makes room");
    Ok(())
}

fn numbers_go_around_and_leave_out_what_is_outstanding(
    mutation: SessionMutation,
) -> Result<(), String> {
    let mut session = bound_client(mutation, 0x34, config());
    let sequence_of = |session: &mut Session| {
        let mut out = [0; 400];
        let body = Body::Message(submit());
        let octets = session.request(&mut out, Command::SUBMIT_SM, &body, 0, 0).expect("room");
        decode(&out[..octets]).expect("ours").header.sequence
    };
    ensure!(sequence_of(&mut session) == 2, "the bind was 1");
    session.set_next_sequence(SEQUENCE_MAX);
    ensure!(sequence_of(&mut session) == SEQUENCE_MAX, "the highest");
    ensure!(sequence_of(&mut session) == 1, "and the lowest behind it");
    ensure!(sequence_of(&mut session) == 3, "2 is outstanding");
    Ok(())
}

fn a_nack_answers_and_is_never_success(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_client(mutation, 0x34, config());
    for (sequence, status) in [(2, 3), (3, 0)] {
        send(&mut session, 1, 0).map_err(|refusal| refusal.to_string())?;
        let octets = written(Command::GENERIC_NACK, status, sequence, &Body::Empty);
        match session.handle_octets(&octets, 0).event {
            Some(Event::Answer { status: Status(3), .. }) => {}
            other => return Err(format!("{other:?}")),
        }
    }
    send(&mut session, 1, 0).map_err(|refusal| refusal.to_string())?;
    let other = written(Command::QUERY_SM_RESP, 8, 4, &Body::Empty);
    ensure!(take(&mut session, &other, 0).is_empty(), "another command's answer is none");
    ensure!(session.outstanding() == 1, "it still waits");
    Ok(())
}

fn what_is_outstanding_at_the_end_is_in_doubt(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_client(mutation, 0x34, config());
    for token in 0..3 {
        send(&mut session, token, 0).map_err(|refusal| refusal.to_string())?;
    }
    session.handle_end();
    let mut expected: Vec<Event<'_>> = (0..3).map(|token| Event::InDoubt { token }).collect();
    expected.push(Event::Closed { reason: CloseReason::Ended });
    let seen = events(&mut session);
    ensure!(seen == expected, "{seen:?}");
    ensure!(session.poll_deadline().is_none() && session.poll_event().is_none(), "it ends once");
    ensure!(send(&mut session, 9, 0) == Err(Refusal::NotBound), "and for good");
    Ok(())
}

fn three_requests_without_answer_end_the_session(mutation: SessionMutation) -> Result<(), String> {
    let patient = Config { enquire_link_ms: 0, ..config() };
    let mut session = bound_client(mutation, 0x34, patient);
    send(&mut session, 1, 1_000).map_err(|refusal| refusal.to_string())?;
    ensure!(session.poll_deadline() == Some(61_000), "due {:?}", session.poll_deadline());
    session.handle_time(60_999);
    ensure!(session.poll_event().is_none(), "not before its time");
    session.handle_time(61_000);
    ensure!(events(&mut session) == [Event::InDoubt { token: 1 }], "in doubt at its time");
    for token in 2..5 {
        send(&mut session, token, 61_000).map_err(|refusal| refusal.to_string())?;
    }
    let late = take(&mut session, &ok_answer(2), 61_500);
    let is_its = late.len() == 1 && late[0].starts_with("LateAnswer { token: 1,");
    ensure!(is_its, "a late answer is told of as such: {late:?}");
    ensure!(take(&mut session, &ok_answer(2), 61_500).is_empty(), "once");
    ensure!(take(&mut session, &ok_answer(3), 61_500).len() == 1, "an answer in time ends the row");
    send(&mut session, 5, 61_600).map_err(|refusal| refusal.to_string())?;
    session.handle_time(121_600);
    let doubts = [3, 4, 5].map(|token| Event::InDoubt { token });
    let seen = events(&mut session);
    ensure!(seen[..seen.len().min(3)] == doubts, "{seen:?}");
    let closed = Event::Closed { reason: CloseReason::Unanswered };
    ensure!(seen.get(3) == Some(&closed), "the third in a row ends it: {seen:?}");
    Ok(())
}

fn silence_is_probed_and_ends_the_session(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_client(mutation, 0x34, config());
    ensure!(session.poll_deadline() == Some(30_000), "due {:?}", session.poll_deadline());
    session.handle_time(30_000);
    ensure!(made(&mut session) == [(Command::ENQUIRE_LINK, 0, 2)], "one enquire_link");
    take(&mut session, &written(Command::ENQUIRE_LINK_RESP, 0, 2, &Body::Empty), 31_000);
    ensure!(session.poll_deadline() == Some(61_000), "due {:?}", session.poll_deadline());
    // With a request outstanding five seconds are enough.
    send(&mut session, 1, 40_000).map_err(|refusal| refusal.to_string())?;
    ensure!(session.poll_deadline() == Some(45_000), "due {:?}", session.poll_deadline());
    session.handle_time(45_000);
    ensure!(made(&mut session).len() == 1, "an enquire_link at once");
    ensure!(
        !session.is_silent(49_999) && session.is_silent(50_000),
        "down for dealing after ten seconds"
    );
    session.handle_time(54_999);
    ensure!(session.state() == State::BoundTrx, "ten seconds for the answer");
    session.handle_time(55_000);
    ensure!(session.state() == State::Closed, "and no longer");
    let never = Config { enquire_link_ms: 0, ..config() };
    let mut session = bound_client(mutation, 0x34, never);
    session.handle_time(10_000_000);
    ensure!(made(&mut session).is_empty() && session.poll_deadline().is_none(), "0 is never");
    Ok(())
}

fn a_pdu_that_stays_incomplete_ends_the_session(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_client(mutation, 0x34, config());
    let enquire = written(Command::ENQUIRE_LINK, 0, 9, &Body::Empty);
    for octets in 1..16 {
        // An octet a second keeps no connection.
        take(&mut session, &enquire[..octets], octets as u64 * 1_000);
        session.handle_time(octets as u64 * 1_000);
        let over = session.state() == State::Closed;
        ensure!(over == (octets > 10), "after {octets} s");
    }
    let closed = Event::Closed { reason: CloseReason::Partial };
    ensure!(events(&mut session) == [closed], "for that reason");
    Ok(())
}

fn a_connection_that_nobody_binds_ends(mutation: SessionMutation) -> Result<(), String> {
    for config in [Config::carrier(), Config::customer()] {
        let mut session = Session::new(config, 5);
        session.mutate(mutation);
        ensure!(session.poll_deadline() == Some(10_005), "due {:?}", session.poll_deadline());
        take(&mut session, &written(Command::ENQUIRE_LINK, 0, 9, &Body::Empty), 9_000);
        session.handle_time(10_005);
        made(&mut session);
        let closed = Event::Closed { reason: CloseReason::NotBound };
        ensure!(events(&mut session) == [closed], "{:?}", config.role);
    }
    Ok(())
}

fn an_old_peer_gets_no_tlvs(mutation: SessionMutation) -> Result<(), String> {
    let mut space = [0; 64];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.short(Tag::USER_MESSAGE_REFERENCE, 7);
    let tlvs = tlvs.finish().expect("room");
    let mut space = [0; 64];
    let mut payload = TlvWriter::new(&mut space);
    payload.octets(Tag::MESSAGE_PAYLOAD, b"text");
    let payload = payload.finish().expect("room");
    for (version, counts_as) in [(0, 0x33), (0x33, 0x33), (0x34, 0x34), (0x50, 0x50), (0x99, 0x50)]
    {
        let mut session = bound_server(mutation, version, Config::customer());
        ensure!(session.peer_version() == counts_as, "{version:02X}");
        let mut out = [0; 400];
        let body = Body::Message(Message { tlvs, ..submit() });
        let octets = session.request(&mut out, Command::DELIVER_SM, &body, 1, 0);
        let octets = octets.map_err(|refusal| refusal.to_string())?;
        let Body::Message(message) = decode(&out[..octets]).expect("ours").body else {
            return Err("a message".to_owned());
        };
        ensure!(message.tlvs.is_empty() == (counts_as < 0x34), "{version:02X} gets what it knows");
        let body = Body::Message(Message { tlvs: payload, short_message: b"", ..submit() });
        let sent = session.request(&mut out, Command::DELIVER_SM, &body, 2, 0);
        ensure!((sent == Err(Refusal::NeedsTlvs)) == (counts_as < 0x34), "{version:02X}: {sent:?}");
    }
    Ok(())
}

fn nothing_new_is_sent_after_an_unbind(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_client(mutation, 0x34, config());
    send(&mut session, 1, 0).map_err(|refusal| refusal.to_string())?;
    session.unbind(100);
    ensure!(made(&mut session) == [(Command::UNBIND, 0, 3)], "one unbind");
    ensure!(send(&mut session, 2, 100) == Err(Refusal::NotBound), "nothing new");
    ensure!(take(&mut session, &ok_answer(2), 200).len() == 1, "answers still count");
    let request = written(Command::DELIVER_SM, 0, 7, &Body::Message(submit()));
    take(&mut session, &request, 200);
    ensure!(made(&mut session) == [(Command::DELIVER_SM_RESP, 4, 7)], "new requests are refused");
    take(&mut session, &written(Command::UNBIND_RESP, 0, 3, &Body::Empty), 300);
    let closed = Event::Closed { reason: CloseReason::Unbound };
    ensure!(events(&mut session) == [closed], "the answer ends it");
    Ok(())
}

fn a_peers_unbind_waits_for_its_answers(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_server(mutation, 0x34, Config::customer());
    let request = RequestId { command: Command::SUBMIT_SM, sequence: 2 };
    let octets = [submit_of(2), written(Command::UNBIND, 0, 3, &Body::Empty)].concat();
    take(&mut session, &octets, 0);
    ensure!(made(&mut session).is_empty(), "the submit_sm is to be answered first");
    let mut out = [0; 100];
    let answer = Body::MessageResp(MessageResp { message_id: b"1", tlvs: Tlvs::NONE });
    let octets = session.answer(&mut out, request, Status::OK, &answer, 10);
    ensure!(octets.is_ok_and(|octets| octets > 16), "it can be answered");
    ensure!(session.poll_event().is_none(), "the unbind_resp is to be written first");
    ensure!(made(&mut session) == [(Command::UNBIND_RESP, 0, 3)], "then the unbind");
    let closed = Event::Closed { reason: CloseReason::Unbound };
    ensure!(events(&mut session) == [closed], "then the end");
    Ok(())
}

fn an_unbind_without_answer_ends_after_five_seconds(
    mutation: SessionMutation,
) -> Result<(), String> {
    let mut session = bound_client(mutation, 0x34, config());
    session.unbind(100);
    made(&mut session);
    ensure!(session.poll_deadline() == Some(100 + UNBIND_MS), "due {:?}", session.poll_deadline());
    session.handle_time(100 + UNBIND_MS);
    ensure!(session.state() == State::Closed, "five seconds");
    let mut session = bound_server(mutation, 0x34, Config::customer());
    take(&mut session, &[submit_of(2), written(Command::UNBIND, 0, 3, &Body::Empty)].concat(), 0);
    session.handle_time(UNBIND_MS);
    ensure!(session.state() == State::Closed, "the peer's too");
    Ok(())
}

fn an_unknown_command_costs_an_answer_only(mutation: SessionMutation) -> Result<(), String> {
    for mut session in
        [bound_client(mutation, 0x34, config()), bound_server(mutation, 0x34, Config::customer())]
    {
        for command in [Command(0x77), Command::OUTBIND, Command::BROADCAST_SM] {
            take(&mut session, &written(command, 0, 0x8000_0009, &Body::Empty), 0);
            ensure!(made(&mut session) == [(Command::GENERIC_NACK, 3, 0x8000_0009)], "{command}");
        }
        take(&mut session, &written(Command(0x8000_0077), 0, 9, &Body::Empty), 0);
        ensure!(made(&mut session).is_empty(), "an answer is never answered");
        ensure!(session.state() == State::BoundTrx, "the session stays");
    }
    Ok(())
}

fn a_length_that_no_pdu_has_ends_the_session(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_server(mutation, 0x34, Config::customer());
    let mut octets = written(Command::ENQUIRE_LINK, 0, 9, &Body::Empty);
    octets[1] = 1;
    take(&mut session, &octets, 0);
    ensure!(session.poll_event().is_none(), "the nack goes first");
    ensure!(made(&mut session) == [(Command::GENERIC_NACK, 2, 9)], "a nack");
    let seen = events(&mut session);
    ensure!(matches!(seen[..], [Event::Closed { reason: CloseReason::NoPdu(_) }]), "{seen:?}");
    Ok(())
}

fn an_enquire_link_is_answered_in_every_state(mutation: SessionMutation) -> Result<(), String> {
    let mut fresh = Session::new(Config::customer(), 0);
    fresh.mutate(mutation);
    let mut binding = fresh.clone();
    take(&mut binding, &written(Command::BIND_TRANSCEIVER, 0, 1, &Body::Bind(bind(0x34))), 0);
    let mut unbinding = bound_client(mutation, 0x34, config());
    unbinding.unbind(0);
    made(&mut unbinding);
    let bound = bound_client(mutation, 0x34, config());
    for mut session in [fresh, binding, bound, unbinding] {
        let state = session.state();
        take(&mut session, &written(Command::ENQUIRE_LINK, 0, 0, &Body::Empty), 0);
        ensure!(made(&mut session) == [(Command::ENQUIRE_LINK_RESP, 0, 0)], "{state:?}");
    }
    Ok(())
}

fn reading_stops_at_the_window(mutation: SessionMutation) -> Result<(), String> {
    let narrow = Config { inbound_window: 3, ..Config::customer() };
    let mut session = bound_server(mutation, 0x34, narrow);
    let octets: Vec<u8> = (2..10).flat_map(submit_of).collect();
    ensure!(take(&mut session, &octets, 0).len() == 3, "three are read");
    ensure!(!session.is_reading(), "and nothing more");
    session.handle_time(60_000);
    session.handle_time(71_000);
    ensure!(session.state() == State::BoundTrx, "which is not the peer's doing");
    let request = RequestId { command: Command::SUBMIT_SM, sequence: 3 };
    let mut out = [0; 100];
    session.answer(&mut out, request, Status::SYSTEM_ERROR, &Body::Empty, 71_000).expect("room");
    ensure!(session.is_reading(), "an answer makes room");
    // Answers that nobody writes hold the peer back too.
    let mut session = bound_server(mutation, 0x34, narrow);
    let octets = written(Command::ENQUIRE_LINK, 0, 9, &Body::Empty).repeat(100);
    take(&mut session, &octets, 0);
    let answered = made(&mut session).len();
    ensure!((1..100).contains(&answered), "{answered} without a write");
    Ok(())
}

fn ten_bad_requests_in_a_row_end_the_session(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_server(mutation, 0x34, Config::customer());
    let mut bad = submit_of(2);
    let length = bad.len();
    bad[length - submit().short_message.len() - 1] = 200;
    for round in 0..2 {
        for _ in 0..9 {
            take(&mut session, &bad, 0);
            ensure!(
                made(&mut session) == [(Command::SUBMIT_SM_RESP, 1, 2)],
                "each costs an answer"
            );
        }
        ensure!(session.state() == State::BoundTrx, "nine are forgiven");
        if round == 0 {
            take(&mut session, &submit_of(3), 0);
        }
    }
    take(&mut session, &bad, 0);
    ensure!(session.state() == State::Closed, "ten are not");
    Ok(())
}

fn a_request_is_answered_by_its_owner_alone(mutation: SessionMutation) -> Result<(), String> {
    let mut session = bound_server(mutation, 0x34, Config::customer());
    take(&mut session, &[submit_of(2), submit_of(3)].concat(), 0);
    session.handle_time(5_000);
    ensure!(made(&mut session).is_empty(), "no answer before its owner gives one");
    Ok(())
}

#[test]
fn the_table_of_requests_is_the_one_of_the_documents() {
    use State::{Binding, BoundRx, BoundTrx, BoundTx, Closed, Open, Unbinding};
    let (server, client) = (Role::Server, Role::Client);
    let refused = |number| Verdict::Refuse(Status(number));
    for state in [Open, Binding, BoundTx, BoundRx, BoundTrx, Unbinding, Closed] {
        let sends = matches!(state, BoundTx | BoundTrx);
        let receives = matches!(state, BoundRx | BoundTrx);
        let if_bound = |so, verdict| if so { verdict } else { refused(4) };
        for command in
            [Command::BIND_RECEIVER, Command::BIND_TRANSMITTER, Command::BIND_TRANSCEIVER]
        {
            let expected = if state == Open { Verdict::Decide } else { refused(5) };
            assert_eq!(verdict(server, state, command), expected);
            assert_eq!(verdict(client, state, command), Verdict::Nack);
        }
        for command in [Command::SUBMIT_SM, Command::DATA_SM, Command::QUERY_SM, Command::CANCEL_SM]
        {
            assert_eq!(
                verdict(server, state, command),
                if_bound(sends, Verdict::Take),
                "{state:?}"
            );
            assert_eq!(may_send(client, state, command), sends);
        }
        assert_eq!(verdict(server, state, Command::REPLACE_SM), if_bound(sends, refused(0x13)));
        for command in [Command::DELIVER_SM, Command::DATA_SM] {
            assert_eq!(
                verdict(client, state, command),
                if_bound(receives, Verdict::Take),
                "{state:?}"
            );
            assert_eq!(may_send(server, state, command), receives);
        }
        let alert = if receives { Verdict::Take } else { Verdict::Ignore };
        assert_eq!(verdict(client, state, Command::ALERT_NOTIFICATION), alert);
        for role in [server, client] {
            assert_eq!(verdict(role, state, Command::ENQUIRE_LINK), Verdict::Own);
            assert_eq!(verdict(role, state, Command::UNBIND), Verdict::Own);
            assert_eq!(verdict(role, state, Command(0x77)), Verdict::Nack);
        }
    }
}
