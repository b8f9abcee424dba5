use super::*;
use crate::network::port::AttemptToken;
use wire::smpp::command::Command;
use wire::smpp::session::RequestId;
use wire::terms::ids::Msn;

fn reply(sequence: u32) -> ReceiptReply {
    let request = RequestId { command: Command::DELIVER_SM, sequence };
    ReceiptReply { carrier: 1, session: (0, 1), request: Some(request) }
}

fn awaited(push_id: u64) -> Awaited {
    let msn = Msn::from_value(9_010_000_000 + push_id).expect("a legal msn");
    let token = AttemptToken { partition: 0, push: 1 };
    Awaited { token, push_id, segment: 0, msn, since_ms: SteadyMs::ZERO }
}

const SAYS: ReceiptSays = ReceiptSays::Delivered;

fn receive(receipts: &mut Receipts, id: &str, sequence: u32, now_ms: u64) -> Received {
    let (id, reply, now_ms) = (id.as_bytes(), reply(sequence), SteadyMs::new(now_ms));
    receipts.receive(Arrived { id, says: SAYS, numbers: [b"", b"12345"], reply }, now_ms)
}

fn await_id(receipts: &mut Receipts, id: &[u8], awaited: Awaited) {
    assert_eq!(receipts.await_id(id, awaited), None, "no receipt has come");
}

fn next(receipts: &mut Receipts) -> Option<u64> {
    receipts.matched.pop_front().map(|receipt| receipt.push_id)
}

#[test]
fn receipts_that_would_match_in_other_forms_say_which_are_to_be_set() {
    let mut receipts = Receipts::new(IdForms::default(), 100);
    for number in 0..40u64 {
        await_id(&mut receipts, format!("{:08X}", 0xB8BE00 + number).as_bytes(), awaited(number));
    }
    for number in 0..19 {
        receive(&mut receipts, &(0xB8BE00 + number).to_string(), 1, 0);
    }
    receive(&mut receipts, "nobody's", 1, 0);
    assert_eq!(receipts.take_advice(), None, "twenty in a row");
    for number in 0..20 {
        receive(&mut receipts, &(0xB8BE00 + number).to_string(), 1, 0);
    }
    let advice = receipts.take_advice().expect("plain by now");
    assert!(advice.contains("--response-ids hex --receipt-ids decimal"), "{advice}");
    receive(&mut receipts, &0xB8BE00.to_string(), 1, 0);
    assert_eq!(receipts.take_advice(), None, "once");
}

#[test]
fn a_receipt_finds_its_segment_in_the_forms_of_the_carrier_and_once() {
    let forms = IdForms { response: IdForm::Hex, receipt: IdForm::Decimal };
    let mut receipts = Receipts::new(forms, 10);
    assert_eq!(receipts.await_id(b"00B8BE19", awaited(7)), None);
    assert_eq!(receive(&mut receipts, "12107289", 1, 0), Received::Matched);
    assert_eq!(next(&mut receipts), Some(7));
    assert_eq!(receive(&mut receipts, "12107289", 2, 0), Received::Kept);
    // No zero is left out where ids are text.
    let mut receipts = Receipts::new(IdForms::default(), 10);
    await_id(&mut receipts, b"00b8be19", awaited(7));
    assert_eq!(receive(&mut receipts, "B8BE19", 1, 0), Received::Kept);
    assert_eq!(receive(&mut receipts, "00B8BE19", 2, 0), Received::Matched);
}

#[test]
fn ids_awaited_as_text_are_found_when_the_operator_says_that_they_are_numbers() {
    let mut receipts = Receipts::new(IdForms::default(), 10);
    await_id(&mut receipts, b"00B8BE19", awaited(7));
    receipts.set_forms(IdForms { response: IdForm::Hex, receipt: IdForm::Decimal });
    receipts.handle_time(SteadyMs::ZERO);
    assert_eq!(receive(&mut receipts, "12107289", 1, 0), Received::Matched);
}

#[test]
fn a_change_of_forms_is_made_some_ids_a_turn_and_a_receipt_waits_for_its_own() {
    const IDS: u64 = 3 * RENAMED_PER_TURN_MAX as u64;
    let mut receipts = Receipts::new(IdForms::default(), IDS as usize + 1);
    for number in 0..IDS {
        await_id(&mut receipts, format!("{number:08X}").as_bytes(), awaited(number));
    }
    receipts.set_forms(IdForms { response: IdForm::Hex, receipt: IdForm::Decimal });
    await_id(&mut receipts, format!("{IDS:08X}").as_bytes(), awaited(IDS));
    assert_eq!(receive(&mut receipts, &IDS.to_string(), 1, 0), Received::Matched);
    assert_eq!(next(&mut receipts), Some(IDS), "it came behind the change");
    for number in [0, IDS - 1] {
        assert_eq!(receive(&mut receipts, &number.to_string(), 1, 0), Received::Kept);
    }
    let turns = [(Some(0), true), (None, true), (Some(IDS - 1), true), (None, false)];
    for (found, left) in turns {
        receipts.handle_time(SteadyMs::ZERO);
        assert_eq!((next(&mut receipts), receipts.awaited.is_renaming()), (found, left));
        assert_eq!(
            receipts.next_due_ms() == Some(SteadyMs::ZERO),
            left,
            "the next turn comes at once"
        );
    }
    assert_eq!(receive(&mut receipts, "77", 2, 0), Received::Matched);
}

#[test]
fn ids_that_mean_the_same_once_they_are_numbers_are_awaited_both() {
    let mut receipts = Receipts::new(IdForms::default(), 10);
    await_id(&mut receipts, b"0A", awaited(7));
    await_id(&mut receipts, b"A", awaited(8));
    receipts.set_forms(IdForms { response: IdForm::Hex, receipt: IdForm::Hex });
    receipts.handle_time(SteadyMs::ZERO);
    assert_eq!((receipts.awaited(), receipts.given_again), (2, 1));
    for _ in 0..2 {
        assert_eq!(receive(&mut receipts, "0a", 1, 0), Received::Matched);
    }
}

#[test]
fn ids_given_again_that_mean_the_same_once_they_are_numbers_are_awaited_all() {
    let mut receipts = Receipts::new(IdForms::default(), 10);
    for (push_id, id) in (7..).zip([b"0A".as_slice(), b"0A", b"A", b"A"]) {
        await_id(&mut receipts, id, awaited(push_id));
    }
    receipts.set_forms(IdForms { response: IdForm::Hex, receipt: IdForm::Hex });
    receipts.handle_time(SteadyMs::ZERO);
    assert_eq!(receipts.awaited(), 4);
    for _ in 0..4 {
        assert_eq!(receive(&mut receipts, "0a", 1, 0), Received::Matched);
    }
    assert_eq!(receipts.awaited(), 0);
}

#[test]
fn one_that_comes_early_is_matched_when_its_id_is_known_and_answered_in_two_seconds() {
    let mut receipts = Receipts::new(IdForms::default(), 10);
    assert_eq!(receive(&mut receipts, "1", 1, 0), Received::Kept);
    assert_eq!(receive(&mut receipts, "1", 2, 1), Received::Useless);
    assert_eq!((receipts.unknown, receipts.unmatched), (2, 0), "they are seen at once");
    receipts.handle_time(SteadyMs::new(EARLY_UNANSWERED_MS - 1));
    assert!(receipts.replies.is_empty());
    receipts.handle_time(SteadyMs::new(EARLY_UNANSWERED_MS));
    receipts.handle_time(SteadyMs::new(EARLY_UNANSWERED_MS + 1));
    assert_eq!(receipts.replies.pop_front(), Some(reply(1)), "once");
    assert!(receipts.replies.is_empty());
    let now_ms = SteadyMs::new(EARLY_UNANSWERED_MS);
    assert!(receipts.next_due_ms() > Some(now_ms), "nothing is due for now");
    let early = receipts.await_id(b"1", awaited(7)).expect("it has come");
    assert_eq!((early.push_id, early.reply.request), (7, None), "it is answered already");
    // Beyond a minute it is let go, answered and counted.
    assert_eq!(receive(&mut receipts, "2", 3, 5_000), Received::Kept);
    receipts.handle_time(SteadyMs::new(5_000 + EARLY_KEPT_MS));
    assert_eq!((receipts.unmatched, receipts.replies.pop_front()), (1, Some(reply(3))));
    assert_eq!(receipts.await_id(b"2", awaited(8)), None);
    // No answer names an id so long.
    assert_eq!(receive(&mut receipts, &"9".repeat(65), 4, 0), Received::Useless);
    assert_eq!(receipts.unmatched, 2);
}

#[test]
fn a_late_answer_is_told_with_the_receipt_that_came_before_it() {
    let mut receipts = Receipts::new(IdForms::default(), 10);
    assert_eq!(receive(&mut receipts, "1", 1, 0), Received::Kept);
    receipts.handle_time(SteadyMs::new(EARLY_UNANSWERED_MS));
    receipts.await_late(1, b"1", awaited(7));
    let told = receipts.matched.pop_front().expect("it is told");
    assert_eq!((told.late_id.as_deref(), told.says), (Some(&b"1"[..]), Some(SAYS)));
    assert!(receipts.matched.is_empty() && receipts.awaited() == 0, "at once");
    receipts.await_late(1, b"2", awaited(8));
    let told = receipts.matched.pop_front().expect("it is told");
    assert_eq!((told.push_id, told.says, receipts.awaited()), (8, None, 1));
}

#[test]
fn what_is_kept_has_bounds() {
    let mut receipts = Receipts::new(IdForms::default(), 10);
    for number in 0..100u64 {
        await_id(&mut receipts, number.to_string().as_bytes(), awaited(number));
    }
    assert_eq!(receipts.awaited(), 10);
    for number in 1_000..1_000 + 2 * EARLY_MAX as u32 {
        receive(&mut receipts, &number.to_string(), number, 0);
    }
    assert_eq!((receipts.early.len(), receipts.kept.len()), (EARLY_MAX, EARLY_MAX));
    assert_eq!(receipts.replies.len(), EARLY_MAX, "who is let go is answered");
}

#[test]
fn receipts_that_come_early_and_are_matched_leave_nothing_behind_one_that_is_not() {
    let mut receipts = Receipts::new(IdForms::default(), 10);
    receive(&mut receipts, "nobody's", 1, 0);
    for number in 0..20_000u32 {
        let id = number.to_string();
        assert_eq!(receive(&mut receipts, &id, number, 1), Received::Kept);
        assert!(receipts.await_id(id.as_bytes(), awaited(1)).is_some());
    }
    assert_eq!(receipts.early.len(), 1);
    assert!(receipts.kept.len() <= 2 + STALE_MAX && receipts.unanswered.len() <= 2 + STALE_MAX);
}

#[test]
fn a_receipt_is_awaited_however_many_others_come_and_go_meanwhile() {
    let mut receipts = Receipts::new(IdForms::default(), 10);
    await_id(&mut receipts, b"late", awaited(7));
    for number in 0..10_000u32 {
        let id = format!("id-{number}");
        await_id(&mut receipts, id.as_bytes(), awaited(8));
        assert_eq!(receive(&mut receipts, &id, number, 0), Received::Matched);
        next(&mut receipts);
    }
    assert_eq!(receive(&mut receipts, "late", 1, 0), Received::Matched);
    assert_eq!(next(&mut receipts), Some(7));
}

#[test]
fn of_two_segments_with_one_id_the_receipts_number_says_which_it_is_for() {
    let of = |receipts: &mut Receipts, number: &[u8]| {
        let numbers = [number, b"Hayauma"];
        let arrived = Arrived { id: b"1", says: SAYS, numbers, reply: reply(1) };
        assert_eq!(receipts.receive(arrived, SteadyMs::ZERO), Received::Matched);
        next(receipts)
    };
    let mut receipts = Receipts::new(IdForms::default(), 10);
    for push_id in [7, 8, 9] {
        await_id(&mut receipts, b"1", awaited(push_id));
    }
    assert_eq!((receipts.awaited(), receipts.given_again), (3, 2));
    assert_eq!(of(&mut receipts, b"819010000009"), Some(9));
    await_id(&mut receipts, b"1", awaited(9));
    assert_eq!(of(&mut receipts, b"09010000008"), Some(8));
    assert_eq!(of(&mut receipts, b"somebody"), Some(7), "the oldest");
    assert_eq!((of(&mut receipts, b"somebody"), receipts.awaited()), (Some(9), 0));
}
