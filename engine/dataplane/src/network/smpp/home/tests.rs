//! The home of a carrier between one shard and a session that is told what to do.

use super::Home;
use crate::network::port::{
    Asked, AttemptSlot, AttemptToken, AwaitedSegment, CarrierQuestion, ReceiptReply,
};
use crate::network::routes::{CarrierChoice, Member, Routes, Rule};
use crate::network::smpp::carrier::Carrier;
use crate::network::smpp::exchange::{CarrierPlan, KnownCarrier, Permit, Spread};
use crate::network::smpp::port::CarrierPort;
use crate::network::smpp::submit::{Submit, SubmitSpace, is_writable};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wire::smpp::coding::{Alphabet, EsmClass};
use wire::smpp::command::Command;
use wire::smpp::oddities::Oddities;
use wire::smpp::pdu::{Bind, BindKind, BindResp, Body, Message, MessageResp, encode};
use wire::smpp::session::{Config, RequestId, Session, VERSION_34};
use wire::smpp::status::Status;
use wire::smpp::tlv::{Tag, Tlvs};
use wire::sms::septets;
use wire::terms::ids::Msn;
use wire::terms::time::{SteadyMs, WallMs};

fn carrier() -> Carrier {
    Carrier::of_tests()
}

/// A push that is not to be sent any more from then on.
fn permit(push: u32, leaves_by_ms: u64) -> Box<Permit> {
    let mut slot = AttemptSlot::new();
    slot.token = AttemptToken { partition: 0, push };
    slot.msn = Msn::from_value(9_010_000_000 + u64::from(push)).expect("a legal msn");
    slot.leaves_by_ms = SteadyMs::new(leaves_by_ms);
    slot.encode(0, |_| Ok::<_, ()>(0)).expect("room");
    Box::new(Permit { slot, serial: u64::from(push), ..Permit::new(0) })
}

/// The pushes that have come back to the shard.
fn come_back(home: &Home) -> Vec<u32> {
    std::iter::from_fn(|| home.exchange().settled(0).pop())
        .map(|permit| {
            assert!(permit.verdict.returned, "it was not sent");
            permit.slot.token.push
        })
        .collect()
}

/// Nothing is submitted all the while: the session may be stuck, or about to end.
#[test]
fn a_push_that_expires_at_its_home_comes_back_at_its_time_whatever_its_session_does() {
    let slow = Carrier { rate: 1, ..carrier() };
    let mut home = Home::new(&KnownCarrier::new(slow, Spread::even(1)), 100, SteadyMs::ZERO);
    home.session_bound(0);
    for (push, leaves_by_ms) in [(1, 9_000), (2, 4_000), (3, 6_000), (4, 4_000)] {
        let refused = home.exchange().permits(0).push(permit(push, leaves_by_ms));
        assert!(refused.is_ok());
    }
    home.take_permits(SteadyMs::ZERO);
    // No SMS may go for a second, so that nothing but an expiry is due.
    assert_eq!(home.pace.take(1, 3_900), 1);
    home.handle_time(SteadyMs::new(3_999));
    assert!(come_back(&home).is_empty());
    let due_ms = home.next_due_ms(SteadyMs::new(3_999));
    assert_eq!(due_ms, Some(SteadyMs::new(4_000)), "its expiry, not the next SMS");
    home.handle_time(SteadyMs::new(4_000));
    assert_eq!(come_back(&home), [2, 4]);
    assert_eq!(home.take_called(), 1, "its shard is told");
    home.handle_time(SteadyMs::new(6_000));
    assert_eq!((come_back(&home), home.in_hand()), (vec![3], 1));
    home.handle_time(SteadyMs::new(9_000));
    assert_eq!((come_back(&home), home.in_hand()), (vec![1], 0));
}

/// A plan with this carrier, and no route.
fn plan(known: &[KnownCarrier]) -> CarrierPlan {
    CarrierPlan { carriers: known.to_vec().into(), ..CarrierPlan::default() }
}

#[test]
fn carriers_told_before_a_shards_first_turn_leave_what_it_awaits_to_be_told() {
    let known = KnownCarrier::new(carrier(), Spread::even(1));
    let mut home = Home::new(&known, 100, SteadyMs::ZERO);
    let mut port = CarrierPort::new(0, &plan(std::slice::from_ref(&known)));
    // An address was found, or an order came.
    port.change(&plan(std::slice::from_ref(&known)));
    assert!(!home.may_bind(), "the shard has not said what it awaits");
    let msn = Msn::from_value(9_010_000_001).expect("a legal msn");
    let token = AttemptToken { partition: 0, push: 1 };
    let id = &b"00B8BE19"[..];
    port.await_receipt(AwaitedSegment { token, push_id: 1, msn, carrier: 1, segment: 0, id });
    port.all_awaited();
    assert!(home.may_bind());
    home.handle_time(SteadyMs::ZERO);
    assert_eq!(home.exchange().figures.awaited.load(Ordering::Relaxed), 1);
    // One that is new later on has nothing of the shard's.
    let other = KnownCarrier::new(Carrier { number: 2, ..carrier() }, Spread::even(1));
    let mut others = Home::new(&other, 100, SteadyMs::ZERO);
    assert!(!others.may_bind());
    port.change(&plan(&[known, other]));
    assert!(others.may_bind() && home.may_bind());
}

#[test]
fn what_waits_for_a_session_that_unbinds_comes_back_at_once_and_nothing_more_goes_by_it() {
    let mut home = Home::new(&KnownCarrier::new(carrier(), Spread::even(1)), 100, SteadyMs::ZERO);
    home.session_bound(0);
    assert!(home.exchange().permits(0).push(permit(1, 9_000)).is_ok());
    home.take_permits(SteadyMs::ZERO);
    assert_eq!(home.in_hand(), 1);
    home.retire(0);
    assert_eq!(come_back(&home), [1]);
    assert!(home.exchange().permits(0).push(permit(2, 9_000)).is_ok());
    home.take_permits(SteadyMs::ZERO);
    assert_eq!(come_back(&home), [2]);
    home.session_bound(0);
    assert!(home.exchange().permits(0).push(permit(3, 9_000)).is_ok());
    home.take_permits(SteadyMs::ZERO);
    assert_eq!((come_back(&home), home.in_hand()), (vec![], 1), "bound anew, it takes again");
}

/// A push of one segment: its header, and its text as septets.
fn text_push(header: &[u8], text: &[u8]) -> AttemptSlot {
    let septets = [&vec![0; (8 * header.len()).div_ceil(7)][..], text].concat();
    let mut user_data = [0; 160];
    let octets = septets::pack(&septets, &mut user_data);
    user_data[..header.len()].copy_from_slice(header);
    let indicated = if header.is_empty() { 0 } else { 0x40 };
    let head = [0x04 | indicated, 0, 0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, septets.len() as u8];
    let mut slot = AttemptSlot::new();
    slot.msn = Msn::from_value(9_010_000_000).expect("a legal msn");
    let tpdu = [&head[..], &user_data[..octets]].concat();
    let encoded = slot.encode(0, |space| {
        space[..tpdu.len()].copy_from_slice(&tpdu);
        Ok::<_, ()>(tpdu.len())
    });
    encoded.expect("room");
    slot
}

/// data_coding, short_message and message_payload that the carrier is sent; `None`: nothing.
fn sent(slot: &AttemptSlot, carrier: &Carrier) -> Option<(u8, Vec<u8>, Option<Vec<u8>>)> {
    let mut space = SubmitSpace::new();
    let SubmitSpace { text, tlvs, .. } = &mut *space;
    let submit = Submit::new(slot, 0, carrier, WallMs::ZERO, text)?;
    let tlvs = submit.tlvs(carrier, tlvs);
    let message = submit.message(carrier, tlvs);
    let payload = message.tlvs.find(Tag::MESSAGE_PAYLOAD).map(|tlv| tlv.value.to_vec());
    Some((message.data_coding, message.short_message.to_vec(), payload))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// The carrier came into the push's route when that was accepted already.
#[test]
fn what_the_carriers_alphabet_lacks_is_sent_as_ucs2_where_that_has_room() {
    let ascii = Carrier { alphabet: Alphabet::Ascii, ..carrier() };
    let plain = text_push(&[], b"plain");
    assert_eq!(sent(&plain, &ascii), Some((0, b"plain".to_vec(), None)));
    // 05 is é.
    let short = text_push(&[], b"caf\x05");
    assert_eq!(sent(&short, &ascii), Some((8, utf16("café"), None)));
    let latin1 = Carrier { alphabet: Alphabet::Latin1, ..carrier() };
    assert_eq!(sent(&short, &latin1), Some((0, b"caf\xe9".to_vec(), None)));
    let long = text_push(&[], &[5; 100]);
    let payload = utf16(&"é".repeat(100));
    assert_eq!(sent(&long, &ascii), Some((8, Vec::new(), Some(payload))));
    let header = [5, 0, 3, 7, 2, 1];
    let part = text_push(&header, &[5; 60]);
    let expected = [&header[..], &utf16(&"é".repeat(60))].concat();
    assert_eq!(sent(&part, &ascii), Some((8, expected, None)));
    let long_part = text_push(&header, &[5; 153]);
    assert_eq!(sent(&long_part, &ascii), None, "a part stays one SMS");
    let writable = [&plain, &short, &long, &part, &long_part].map(|slot| is_writable(slot, &ascii));
    assert_eq!(writable, [true, true, true, true, false]);
    assert!(is_writable(&long_part, &latin1) && is_writable(&long_part, &carrier()));
}

#[test]
fn text_of_national_tables_is_never_read_as_the_default_alphabets() {
    // The Turkish tables, by which 07 is ı; by the default ones it is ì.
    let header = [3, 0x25, 1, 1];
    let push = text_push(&header, b"k\x07z");
    let latin1 = Carrier { alphabet: Alphabet::Latin1, ..carrier() };
    let expected = [&header[..], &utf16("kız")].concat();
    assert_eq!(sent(&push, &latin1), Some((8, expected, None)));
    let gsm = sent(&push, &carrier()).expect("as it is");
    assert_eq!((gsm.0, &gsm.1[4..]), (0, &b"k\x07z"[..]));
}

/// A moment of the steady clock.
fn ms(ms: u64) -> SteadyMs {
    SteadyMs::new(ms)
}

/// A session with room for two SMS, bound.
fn bound() -> Session {
    let mut session = Session::new(Config { window: 2, ..Config::carrier() }, 0);
    let bind = Bind {
        kind: BindKind::Transceiver,
        system_id: b"hayauma",
        password: b"",
        system_type: b"",
        interface_version: VERSION_34,
        addr_ton: 0,
        addr_npi: 0,
        address_range: &[],
    };
    let mut pdu = [0; 256];
    session.bind(&mut pdu, &bind, 0).expect("room");
    let body = Body::BindResp(BindResp { system_id: b"smsc", tlvs: Tlvs::NONE });
    let command = Command::BIND_TRANSCEIVER_RESP;
    let octets = encode(&mut pdu, command, Status::OK, 1, &body, true).expect("room");
    session.handle_octets(&pdu[..octets], 0);
    assert!(session.state().is_bound());
    session
}

/// A home with a bound session, and these pushes before it.
fn at_home(pushes: std::ops::RangeInclusive<u32>) -> Home {
    let known = KnownCarrier::new(Carrier { window: 2, ..carrier() }, Spread::even(1));
    let mut home = Home::new(&known, 100, ms(0));
    home.session_bound(0);
    put(&home, pushes);
    home.take_permits(ms(0));
    home
}

/// The shard sends these pushes, each an SMS.
fn put(home: &Home, pushes: std::ops::RangeInclusive<u32>) {
    for push in pushes {
        let mut slot = text_push(&[], b"plain");
        slot.token = AttemptToken { partition: 0, push };
        slot.push_id = u64::from(push);
        slot.leaves_by_ms = SteadyMs::new(1_000_000);
        let permit = Box::new(Permit { slot, serial: u64::from(push), ..Permit::new(0) });
        assert!(home.exchange().permits(0).push(permit).is_ok());
    }
}

/// Submits what may go: what each SMS was sent with.
fn submit(home: &mut Home, session: &mut Session) -> Vec<u64> {
    let mut tokens = Vec::new();
    home.submit(
        0,
        session,
        (&mut Vec::new(), &mut |_, token| tokens.push(token)),
        (ms(0), WallMs::ZERO),
    );
    tokens
}

#[test]
fn what_waits_comes_back_before_what_was_refused_for_load_and_the_last_first() {
    let mut home = at_home(1..=4);
    let mut session = bound();
    let tokens = submit(&mut home, &mut session);
    assert_eq!(tokens.len(), 2, "the window");
    assert!(home.exchange().is_dealing());
    put(&home, 5..=6);
    let refused = Status::THROTTLED;
    home.handle_answer(tokens[1], refused, &Body::Empty, Oddities::NONE, (5, ms(10)));
    assert!(!home.exchange().is_dealing(), "at once");
    assert_eq!(come_back(&home), [6, 5, 4, 3, 2], "each goes to the front of its lane");
    put(&home, 7..=8);
    home.take_permits(ms(11));
    assert_eq!(come_back(&home), [8, 7]);
    assert_eq!(home.in_hand(), 1, "the first waits for its answer");
}

#[test]
fn a_receipt_that_had_to_be_answered_before_its_answer_comes_with_the_permit() {
    let mut home = at_home(1..=2);
    let mut session = bound();
    let tokens = submit(&mut home, &mut session);
    let request = Some(RequestId { command: Command::DELIVER_SM, sequence: 7 });
    let reply = ReceiptReply { carrier: 1, session: (0, 1), request };
    for (number, came_ms) in [(b'1', 0), (b'2', 1_500)] {
        let text = [b"id:", &[number][..], b" stat:DELIVRD err:000 text:"].concat();
        let receipt = Body::Message(Message {
            esm_class: EsmClass::RECEIPT,
            short_message: &text,
            ..Message::default()
        });
        assert!(!home.handle_message(&receipt, Oddities::NONE, reply, ms(came_ms)));
    }
    home.handle_time(ms(2_000));
    assert!(home.take_reply().is_some() && home.take_reply().is_none(), "one waits still");
    for (token, id) in tokens.into_iter().zip([b"1", b"2"]) {
        let answer = MessageResp { message_id: id, ..MessageResp::default() };
        let body = Body::MessageResp(answer);
        home.handle_answer(token, Status::OK, &body, Oddities::NONE, (2_000, ms(2_000)));
    }
    let receipts: Vec<usize> = std::iter::from_fn(|| home.exchange().settled(0).pop())
        .map(|permit| permit.receipts.iter().filter(|receipt| receipt.is_answered).count())
        .collect();
    assert_eq!(receipts, [1, 0]);
    assert!(home.pass_receipts(), "the other may be lost: it is acknowledged behind its record");
    let passed = home.exchange().receipts(0).pop().expect("it is passed on");
    assert_eq!((passed.push_id, passed.is_answered, passed.reply), (2, false, reply));
    let counted = home.exchange().figures.receipts.load(Ordering::Relaxed);
    assert_eq!(counted, 2, "both are receipts of what was awaited");
}

/// Whoever counts what has left goes by it: what has left is never taken for unsent.
#[test]
fn each_octet_that_is_written_is_told_of_questions_too() {
    let carrier = Carrier { window: 4, queries: true, cancels: true, ..carrier() };
    let mut home = Home::new(&KnownCarrier::new(carrier, Spread::even(1)), 100, ms(0));
    home.session_bound(0);
    for (asked, id) in [(Asked::Query, b"1"), (Asked::Cancel, b"2")] {
        let msn = Msn::from_value(9_010_000_001).expect("a legal msn");
        let (sender, id) = (b"Hayauma".as_slice().into(), id.as_slice().into());
        let question = CarrierQuestion { carrier: 1, asked, msn, sender, id };
        assert!(home.exchange().questions(0).push(question).is_ok());
    }
    put(&home, 1..=1);
    home.take_permits(ms(0));
    let mut session = bound();
    session.set_windows(4, 4);
    let (mut output, mut told) = (Vec::new(), Vec::new());
    let mut note = |octets, token| told.push((octets, token));
    home.submit(0, &mut session, (&mut output, &mut note), (ms(0), WallMs::ZERO));
    assert_eq!(told.len(), 3, "two questions, and an SMS behind them");
    assert_eq!(told.iter().map(|(octets, _)| octets).sum::<usize>(), output.len());
    // Those that did not leave are as good as never asked: they are asked by the next session.
    told.iter().for_each(|&(_, token)| home.handle_unsent(token));
    home.session_lost(0, false);
    assert_eq!((come_back(&home), home.outstanding(0)), (vec![1], 0));
    home.session_bound(0);
    let (mut session, mut again) = (bound(), Vec::new());
    session.set_windows(4, 4);
    let mut note = |octets, _| again.push(octets);
    home.submit(0, &mut session, (&mut output, &mut note), (ms(0), WallMs::ZERO));
    assert_eq!(again.len(), 2, "each question");
}

/// A plan with these carriers, which share one route.
fn routed(known: &[KnownCarrier]) -> CarrierPlan {
    let member =
        |of: &KnownCarrier| Member { carrier: of.carrier.number, weight: 1, backup: false };
    let members = known.iter().map(member).collect();
    let choice = CarrierChoice { members, failover_after_s: 10, elsewhere: false };
    let rule = Rule { prefix: "0".to_owned(), xpid: None, class: None, choice };
    let routes = Arc::new(Routes::new(vec![rule]).expect("one choice"));
    CarrierPlan { routes, ..plan(known) }
}

#[test]
fn a_carrier_that_stays_full_is_waited_for_a_second_though_emergencies_are_looked_for() {
    let known =
        [1, 2].map(|number| KnownCarrier::new(Carrier { number, ..carrier() }, Spread::even(1)));
    let mut port = CarrierPort::new(0, &routed(&known));
    let mut homes = known.each_ref().map(|known| Home::new(known, 100, ms(0)));
    for home in &mut homes {
        home.session_bound(0);
        home.take_permits(ms(0));
    }
    homes[1].exchange().set_room(100);
    for now in (0..1_000).step_by(10) {
        port.see(ms(now));
        assert!(port.reserve(1, false).is_none(), "the first one's turn, {now}");
        let kept = port.reserve(1, true).expect("a permit that is free");
        port.release(&kept);
    }
    port.see(ms(1_000));
    assert!(port.reserve(1, false).is_some(), "the other takes it");
}

/// A shard looks for an emergency in each of its turns in which the carrier has no room.
#[test]
fn an_emergency_that_is_not_there_makes_no_room_for_others() {
    let known = KnownCarrier::new(carrier(), Spread::even(1));
    let mut port = CarrierPort::new(0, &routed(std::slice::from_ref(&known)));
    let mut home = Home::new(&known, 100, ms(0));
    home.session_bound(0);
    home.take_permits(ms(0));
    home.make_room(ms(0));
    let given = port.reserve(1, false).expect("there is room");
    port.release(&given);
    home.exchange().set_room(1);
    let taken = port.reserve(1, false).expect("there is room");
    port.release(&taken);
    assert!(home.exchange().has_room(), "what did not go has left its place");
    home.exchange().set_room(0);
    for _ in 0..3 {
        let kept = port.reserve(1, true).expect("a permit that is free");
        port.release(&kept);
        assert!(port.reserve(1, false).is_none(), "nothing was sent, and there is no room");
    }
}

fn cancel_of(number: u64) -> CarrierQuestion {
    let msn = Msn::from_value(9_010_000_001).expect("a legal msn");
    let (sender, id) = (b"Hayauma".as_slice().into(), number.to_string().as_bytes().into());
    CarrierQuestion { carrier: 1, asked: Asked::Cancel, msn, sender, id }
}

#[test]
fn each_question_is_put_however_many_there_are_and_all_shards_have_their_turns() {
    const EACH: u64 = 10_000;
    let carrier = Carrier { cancels: true, ..carrier() };
    let known = KnownCarrier::new(carrier, Spread::even(2));
    let mut ports =
        [0, 1].map(|shard| CarrierPort::new(shard, &plan(std::slice::from_ref(&known))));
    let mut home = Home::new(&known, 100, ms(0));
    home.session_bound(0);
    let (mut put, mut asked, mut session) = ([0; 2], 0, bound());
    session.set_windows(10, 10);
    let mut rounds = 0;
    while asked < 2 * EACH as usize {
        for (shard, port) in ports.iter_mut().enumerate() {
            while put[shard] < EACH && port.room_for_questions(1) > 0 {
                port.ask(cancel_of(put[shard]));
                put[shard] += 1;
            }
        }
        home.take_permits(ms(0));
        if rounds == 500 {
            assert!(put[0].abs_diff(put[1]) <= 10, "{put:?} of two that ask alike");
            assert!(put[0] < EACH, "they wait for room");
        }
        let (mut output, mut told) = (Vec::new(), Vec::new());
        let mut note = |_, token| told.push(token);
        home.submit(0, &mut session, (&mut output, &mut note), (ms(0), WallMs::ZERO));
        asked += told.len();
        for token in told {
            home.handle_answer(token, Status::OK, &Body::Empty, Oddities::NONE, (0, ms(0)));
        }
        session = bound();
        session.set_windows(10, 10);
        rounds += 1;
        assert!(rounds < 10_000, "{asked} were asked");
    }
    assert_eq!(put, [EACH; 2]);
    assert!(!home.exchange().has_for_home());
}

#[test]
fn questions_that_find_no_session_wait_without_waking_the_home() {
    let carrier = Carrier { cancels: true, ..carrier() };
    let known = KnownCarrier::new(carrier, Spread::even(1));
    let mut port = CarrierPort::new(0, &plan(std::slice::from_ref(&known)));
    let mut home = Home::new(&known, 100, ms(0));
    let mut put = 0;
    while port.room_for_questions(1) > 0 {
        port.ask(cancel_of(put));
        put += 1;
        home.take_permits(ms(0));
        assert!(put < 100_000, "there is a bound");
    }
    assert!(!home.exchange().has_for_home(), "nothing can be done about them");
    home.session_bound(0);
    let (mut output, mut told, mut session) = (Vec::new(), Vec::new(), bound());
    let mut note = |_, token| told.push(token);
    home.submit(0, &mut session, (&mut output, &mut note), (ms(0), WallMs::ZERO));
    assert!(home.exchange().has_for_home(), "there is room again");
    let let_go = |home: &Home| home.exchange().figures.questions_let_go.load(Ordering::Relaxed);
    assert_eq!(let_go(&home), 0);
    home.handle_doubt(told[0], ms(1));
    home.handle_doubt(told[0], ms(1));
    assert_eq!(let_go(&home), 1, "one had no answer");
    port.let_go_of_questions(1, 5);
    assert_eq!(let_go(&home), 6, "and five were not sent");
}

#[test]
fn while_sms_wait_half_of_a_window_is_theirs_however_much_is_asked() {
    let carrier = Carrier { window: 4, cancels: true, ..carrier() };
    let mut home = Home::new(&KnownCarrier::new(carrier, Spread::even(1)), 100, ms(0));
    home.session_bound(0);
    (0..20).for_each(|number| {
        assert!(home.exchange().questions(0).push(cancel_of(number)).is_ok());
    });
    put(&home, 1..=6);
    home.take_permits(ms(0));
    let mut session = bound();
    session.set_windows(4, 4);
    let (mut output, mut commands) = (Vec::new(), Vec::new());
    home.submit(
        0,
        &mut session,
        (&mut output, &mut |_, token| commands.push(token)),
        (ms(0), WallMs::ZERO),
    );
    assert_eq!((commands.len(), home.outstanding(0)), (4, 2));
}

#[test]
fn what_a_shard_awaits_and_tells_of_late_is_awaited_too() {
    let known = KnownCarrier::new(carrier(), Spread::even(1));
    let mut port = CarrierPort::new(0, &plan(std::slice::from_ref(&known)));
    let mut home = Home::new(&known, 100, ms(0));
    let awaited = |id: &'static [u8]| AwaitedSegment {
        token: AttemptToken { partition: 0, push: 1 },
        push_id: 1,
        msn: Msn::from_value(9_010_000_001).expect("a legal msn"),
        carrier: 1,
        segment: 0,
        id,
    };
    port.await_receipt(awaited(b"7"));
    port.all_awaited();
    while !home.may_bind() {}
    port.await_receipt(awaited(b"8"));
    port.all_awaited();
    port.all_awaited();
    home.handle_time(ms(1));
    assert_eq!(home.exchange().figures.awaited.load(Ordering::Relaxed), 2);
}
