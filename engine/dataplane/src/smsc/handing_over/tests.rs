use super::*;
use crate::smsc::alerts::AlertIdentity;
use crate::smsc::closed_alerts::ClosedAlert;
use crate::smsc::core::{CoreLimits, NewPush, Settlement};
use crate::smsc::limits::BEGUN_AHEAD_MAX;
use crate::smsc::outcome::{Failure, HoldReason};
use crate::smsc::recovery::{RecoveredHanding, RecoveredProgress, Recovery};
use wire::terms::ids::{Class, Msn};
use wire::terms::time::WallMs;

const LIMITS: CoreLimits =
    CoreLimits { pushes_max: 4, waiting_per_msn_max: 10, ended_keys_max: 100 };
const NOW_MS: CenterMs = CenterMs::new(1_000_000);
const EXPIRES_MS: CenterMs = CenterMs::new(1_000_000 + 3_600_000);
const ROUTE: u8 = 3;

fn push(push_id: u64, segments: u8) -> NewPush {
    NewPush {
        push_id,
        position: push_id,
        key: push_id,
        content_digest: 1,
        msn: Msn::from_value(7).expect("a legal msn"),
        class: Class::Standard,
        segments,
        expires_ms: EXPIRES_MS,
        wants_notification: false,
        single_attempt: false,
        by_smpp: false,
        alert: None,
        client: 1,
        control: false,
        route: ROUTE,
    }
}

fn settled(result: AttemptResult, taken_mask: u16) -> Settlement {
    let domain = if result == AttemptResult::Returned { None } else { Some(Domain::Carrier) };
    Settlement { result, delivered_mask: 0, unanswered_mask: 0, taken_mask, domain }
}

/// A message center with these pushes to one phone, the first of them in flight.
fn in_flight(pushes: &[NewPush]) -> (Core, PushIndex) {
    let mut core = Core::new(LIMITS, NOW_MS);
    for &push in pushes {
        core.accept(push, NOW_MS);
    }
    core.handle_durable(u64::MAX, |_| {});
    let index = core.poll_attempt(ROUTE, NOW_MS).expect("its turn");
    assert_eq!(core.poll_attempt(0, NOW_MS), None, "none of them goes by the core network");
    (core, index)
}

fn effects(core: &mut Core) -> Vec<Effect> {
    std::iter::from_fn(|| core.take_effect()).collect()
}

#[test]
fn what_comes_back_is_the_next_again_and_counts_no_attempt() {
    let (mut core, index) = in_flight(&[push(1, 1), push(2, 1)]);
    core.handle_outcome(index, settled(AttemptResult::Returned, 0), NOW_MS, 0);
    assert_eq!((core.push(index).state, core.push(index).attempts()), (State::Queued, 0));
    assert_eq!(core.poll_attempt(ROUTE, NOW_MS), Some(index));
    // Its time goes on meanwhile.
    core.handle_outcome(index, settled(AttemptResult::Returned, 0), EXPIRES_MS, 0);
    assert_eq!((core.push(index).state, core.push(index).code), (State::Expired, Code::EXPIRED));
}

#[test]
fn a_push_is_handed_over_when_nothing_is_left_to_send_and_the_next_may_go() {
    let (mut core, index) = in_flight(&[push(1, 2), push(2, 1)]);
    let failed = AttemptResult::Failed(Failure::SystemFailure);
    core.handle_outcome(index, settled(failed, 0b01), NOW_MS, 0);
    assert_eq!((core.push(index).state, core.settled_mask(index)), (State::Held, 0b01));
    let due_ms = NOW_MS + 60_000;
    core.handle_time(due_ms, 64);
    assert_eq!(core.poll_attempt(ROUTE, due_ms), Some(index));
    core.handle_outcome(index, settled(AttemptResult::HandedOver, 0b10), due_ms, 0);
    assert_eq!((core.push(index).state, core.handed()), (State::Handed, 1));
    let next = core.poll_attempt(ROUTE, due_ms).expect("the next push of the msn");
    assert_eq!(core.push(next).push_id, 2);
    effects(&mut core);
    assert!(core.handle_receipt(index, 1, 1, Receipt::Delivered, due_ms));
    assert_eq!(effects(&mut core), [Effect::Handed(index)]);
    assert!(!core.handle_receipt(index, 1, 1, Receipt::Delivered, due_ms), "once");
    assert!(!core.handle_receipt(index, 9, 0, Receipt::Delivered, due_ms), "another's");
    assert!(core.handle_receipt(index, 1, 0, Receipt::Failed(Code::EXPIRED), due_ms));
    let push = core.push(index);
    assert_eq!((push.state, push.code, push.delivered()), (State::Partial, Code::PARTIAL, 1));
    assert_eq!((effects(&mut core), core.handed()), (vec![Effect::Ended(index)], 0));
}

#[test]
fn receipts_that_do_not_come_end_a_push_an_hour_after_its_expiry() {
    let (mut core, index) = in_flight(&[push(1, 1)]);
    core.handle_outcome(index, settled(AttemptResult::HandedOver, 1), NOW_MS, 0);
    core.handle_time(EXPIRES_MS + RECEIPT_GRACE_MS - 1_000, 64);
    assert_eq!(core.push(index).state, State::Handed);
    core.handle_time(EXPIRES_MS + RECEIPT_GRACE_MS + 1_000, 64);
    let push = core.push(index);
    assert_eq!((push.state, push.code), (State::Failed, Code::NO_RECEIPT));
    assert_eq!(push.tp_status(), 0x40);
}

#[test]
fn what_waits_for_receipts_takes_half_of_the_places() {
    let (mut core, first) = in_flight(&[push(1, 1), push(2, 1), push(3, 1)]);
    core.handle_outcome(first, settled(AttemptResult::HandedOver, 1), NOW_MS, 0);
    for _ in 0..2 {
        let index = core.poll_attempt(ROUTE, NOW_MS).expect("the next");
        core.handle_outcome(index, settled(AttemptResult::HandedOver, 1), NOW_MS, 0);
    }
    assert_eq!((core.push(first).code, core.handed()), (Code::NO_RECEIPT, 2));
}

#[test]
fn what_may_be_sent_once_is_not_sent_again_in_doubt() {
    let once = NewPush { single_attempt: true, ..push(1, 1) };
    let mut core = Core::new(LIMITS, NOW_MS);
    core.accept(once, NOW_MS);
    core.handle_durable(2, |_| {});
    assert_eq!(core.poll_attempt(ROUTE, NOW_MS), None, "a record comes first");
    let begun = effects(&mut core);
    let [Effect::Begin(index)] = begun[..] else { panic!("{begun:?}") };
    core.handle_begin_journaled(index, 2);
    core.handle_durable(3, |_| {});
    assert_eq!(core.poll_attempt(ROUTE, NOW_MS), Some(index));
    let doubt = AttemptResult::Held(HoldReason::InDoubt, Code::EXPIRED_BUSY);
    core.handle_outcome(index, Settlement { unanswered_mask: 1, ..settled(doubt, 0) }, NOW_MS, 0);
    let push = core.push(index);
    assert_eq!((push.state, push.code), (State::Expired, Code::EXPIRED_BUSY));
    assert!(push.has(flag::IN_DOUBT));
}

#[test]
fn what_is_never_sent_again_is_attempted_behind_a_record_and_keeps_its_place() {
    let mut core = Core::new(CoreLimits { pushes_max: 100, ..LIMITS }, NOW_MS);
    for push_id in 1..=80 {
        let msn = Msn::from_value(push_id).expect("a legal msn");
        core.accept(NewPush { msn, ..push(push_id, 1) }, NOW_MS);
    }
    core.handle_durable(81, |_| {});
    let mut sequence = 81;
    while let Some(index) = core.poll_attempt(ROUTE, NOW_MS) {
        if !core.begin_for_good(index) {
            break;
        }
        core.handle_begin_journaled(index, sequence);
        sequence += 1;
    }
    assert_eq!(sequence - 81, BEGUN_AHEAD_MAX as u64, "not all that wait");
    let number = |index: Option<PushIndex>| index.map(|index| u64::from(index) + 1);
    assert_eq!(number(core.poll_attempt(ROUTE, NOW_MS)), Some(33), "others have not begun");
    assert!(!core.begin_for_good(32), "it waits");
    core.handle_durable(83, |_| {});
    assert_eq!(number(core.poll_attempt(ROUTE, NOW_MS)), Some(1));
    // It comes back, and others begin meanwhile: it is the next, and needs no record again.
    core.handle_outcome(0, settled(AttemptResult::Returned, 0), NOW_MS, 0);
    core.handle_durable(sequence, |_| {});
    for expected in [1, 2, 3] {
        let index = core.poll_attempt(ROUTE, NOW_MS).expect("it has begun");
        assert_eq!(number(Some(index)), Some(expected));
        assert!(core.push(index).has(flag::BEGUN_FOR_GOOD));
    }
    let failed = AttemptResult::Failed(Failure::SystemFailure);
    core.handle_outcome(0, settled(failed, 0), NOW_MS, 0);
    assert_eq!(core.push(0).state, State::Held);
    assert!(!core.push(0).has(flag::BEGUN_FOR_GOOD), "its next attempt begins anew");
}

#[test]
fn what_is_never_sent_again_ends_where_the_engine_died_behind_its_record() {
    let progress = RecoveredProgress {
        delivered_mask: 0,
        attempts: 0,
        in_doubt: false,
        begun: true,
        for_good: true,
    };
    let recovered = |records: &dyn Fn(&mut Recovery)| {
        let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
        recovery.restore_accepted(push(1, 2));
        recovery.restore_progress(1, progress);
        records(&mut recovery);
        *recovery.finish(NOW_MS).expect("room").push(0)
    };
    let ended = recovered(&|_| {});
    assert_eq!((ended.state, ended.code), (State::Expired, Code::EXPIRED_BUSY));
    assert!(ended.has(flag::IN_DOUBT));
    let handed = RecoveredHanding {
        progress: RecoveredProgress { begun: false, for_good: false, ..progress },
        taken_mask: 0b11,
        failed_mask: 0,
        code: None,
    };
    let took = recovered(&|recovery| recovery.restore_handed(1, &handed));
    assert_eq!(took.state, State::Handed);
    // Cleaning says it in the other order.
    let took = recovered(&|recovery| {
        recovery.restore_handed(1, &handed);
        recovery.restore_progress(1, progress);
    });
    assert_eq!(took.state, State::Handed);
    let part = RecoveredHanding { taken_mask: 0b01, ..handed };
    let took = recovered(&|recovery| recovery.restore_handed(1, &part));
    assert_eq!(took.state, State::Handed, "the receipt of the first part decides");
}

#[test]
fn begins_by_the_core_network_keep_no_carrier_from_beginning() {
    let mut core = Core::new(CoreLimits { pushes_max: 100, ..LIMITS }, NOW_MS);
    let flood = BEGUN_AHEAD_MAX as u64 + 8;
    let to_phone = |push_id: u64, route: u8, single_attempt: bool| {
        let msn = Msn::from_value(push_id).expect("a legal msn");
        NewPush { msn, route, single_attempt, ..push(push_id, 1) }
    };
    for push_id in 1..=flood {
        core.accept(to_phone(push_id, 0, true), NOW_MS);
    }
    core.accept(to_phone(flood + 1, ROUTE, false), NOW_MS);
    core.accept(to_phone(flood + 2, ROUTE, true), NOW_MS);
    core.handle_durable(flood + 3, |_| {});
    assert_eq!(core.poll_attempt(0, NOW_MS), None, "a record comes first");
    let mut sequence = flood + 3;
    let mut journal = |core: &mut Core| {
        let begun = effects(core);
        for effect in &begun {
            let Effect::Begin(index) = *effect else { panic!("{effect:?}") };
            core.handle_begin_journaled(index, sequence);
            sequence += 1;
        }
        begun.len() as u64
    };
    assert_eq!(journal(&mut core), flood);
    let index = core.poll_attempt(ROUTE, NOW_MS).expect("its turn");
    assert!(core.begin_for_good(index), "the flood is another route's");
    assert_eq!(core.poll_attempt(ROUTE, NOW_MS), None);
    assert_eq!(journal(&mut core), 1, "the only attempt of the other begins too");
}

#[test]
fn what_has_begun_and_was_never_sent_is_not_ended_by_a_start_once_that_is_taken_back() {
    let begun = |for_good| RecoveredProgress {
        delivered_mask: 0,
        attempts: 0,
        in_doubt: false,
        begun: true,
        for_good,
    };
    for single_attempt in [false, true] {
        let new = NewPush { single_attempt, ..push(1, 1) };
        let mut core = Core::new(LIMITS, NOW_MS);
        core.accept(new, NOW_MS);
        core.handle_durable(2, |_| {});
        assert!(!core.take_back_begin(0), "it has not begun");
        let index = match core.poll_attempt(ROUTE, NOW_MS) {
            Some(index) => {
                assert!(core.begin_for_good(index));
                index
            }
            None => 0,
        };
        effects(&mut core);
        core.handle_begin_journaled(index, 2);
        assert!(core.take_back_begin(index) && !core.take_back_begin(index), "once");

        let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
        recovery.restore_accepted(new);
        recovery.restore_progress(1, begun(!single_attempt));
        recovery.restore_taken_back(1);
        let mut core = recovery.finish(NOW_MS).expect("room");
        assert_eq!(core.push(0).state, State::Queued, "single: {single_attempt}");
        // A single one begins anew by a record.
        let polled = core.poll_attempt(ROUTE, NOW_MS);
        assert_eq!(polled.is_none(), single_attempt);
        assert_eq!(effects(&mut core).len(), usize::from(single_attempt));
    }
}

/// A push of two segments, of which a carrier has the first; the other is held, at `NOW_MS`.
fn taken_in_part(alert: Option<AlertIdentity>) -> (Core, PushIndex) {
    let (mut core, index) = in_flight(&[NewPush { alert, ..push(1, 2) }]);
    let failed = AttemptResult::Failed(Failure::SystemFailure);
    core.handle_outcome(index, settled(failed, 0b01), NOW_MS, 0);
    assert_eq!(core.push(index).state, State::Held);
    (core, index)
}

/// The push is handed over, and a receipt for its first segment ends it in this state.
fn assert_receipt_decides(core: &mut Core, index: PushIndex, state: State, what: &str) {
    assert_eq!(core.push(index).state, State::Handed, "{what}");
    assert!(core.handle_receipt(index, 1, 0, Receipt::Delivered, NOW_MS), "{what}");
    let push = core.push(index);
    assert_eq!((push.state, push.delivered()), (state, 1), "{what}");
}

const ALERT: AlertIdentity = AlertIdentity { key: 5, alert: 6, sequence: 1 };

#[test]
fn what_a_carrier_has_of_a_push_decides_however_the_rest_is_given_up() {
    let (mut core, index) = taken_in_part(None);
    core.cancel(1, true, NOW_MS).expect("it lives");
    assert_receipt_decides(&mut core, index, State::Cancelled, "cancelled");
    assert_eq!(core.push(index).code, Code::CANCELLED_IN_PART);

    let (mut core, index) = taken_in_part(Some(ALERT));
    let recorded_ms = WallMs::ZERO;
    let cancel =
        ClosedAlert { sequence: 9, at_ms: NOW_MS, recorded_ms, share: 0, found: true, told: true };
    core.cancel_alert(ALERT.alert, cancel);
    core.handle_time(NOW_MS, 64);
    assert_receipt_decides(&mut core, index, State::Cancelled, "its alert is cancelled");

    let (mut core, index) = taken_in_part(Some(ALERT));
    let newer = AlertIdentity { sequence: 2, ..ALERT };
    core.accept(NewPush { alert: Some(newer), ..push(2, 1) }, NOW_MS);
    assert_receipt_decides(&mut core, index, State::Partial, "replaced");

    let (mut core, index) = taken_in_part(None);
    let protocol = AttemptResult::Failed(Failure::ProtocolError);
    for _ in 0..16 {
        let Some(due_ms) = core.due_ms(index).filter(|_| core.push(index).state == State::Held)
        else {
            break;
        };
        core.handle_time(due_ms, 64);
        if core.poll_attempt(ROUTE, due_ms) == Some(index) {
            core.handle_outcome(index, settled(protocol, 0), due_ms, 0);
        }
    }
    assert_receipt_decides(&mut core, index, State::Partial, "its schedule is at an end");

    let handed = RecoveredHanding {
        progress: RecoveredProgress {
            delivered_mask: 0,
            attempts: 1,
            in_doubt: false,
            begun: false,
            for_good: false,
        },
        taken_mask: 0b01,
        failed_mask: 0,
        code: None,
    };
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    recovery.restore_accepted(push(1, 2));
    recovery.restore_handed(1, &handed);
    recovery.restore_cancel(1, true);
    let mut core = recovery.finish(NOW_MS).expect("room");
    let index = core.find(1).expect("it lives");
    assert_receipt_decides(&mut core, index, State::Cancelled, "cancelled before a restart");
}

#[test]
fn a_late_answer_settles_what_was_in_doubt_and_nothing_is_sent_again() {
    let (mut core, index) = in_flight(&[push(1, 1), push(2, 1)]);
    let doubt = AttemptResult::Held(HoldReason::InDoubt, Code::EXPIRED_BUSY);
    let doubted = Settlement { unanswered_mask: 1, ..settled(doubt, 0) };
    core.handle_outcome(index, doubted, NOW_MS, 0);
    assert_eq!(core.push(index).state, State::Held);
    assert!(!core.handle_taken_late(index, 9, 0, NOW_MS), "another's");
    assert!(core.handle_taken_late(index, 1, 0, NOW_MS));
    assert!(!core.handle_taken_late(index, 1, 0, NOW_MS), "once");
    assert_eq!(core.push(index).state, State::Handed);
    let next = core.poll_attempt(ROUTE, NOW_MS).expect("the next push of the msn");
    assert_eq!(core.push(next).push_id, 2);
    core.handle_time(NOW_MS + 600_000, 64);
    assert_eq!(core.push(index).state, State::Handed, "its hold is over and it stays");
    assert!(core.handle_receipt(index, 1, 0, Receipt::Delivered, NOW_MS));
    assert_eq!(core.push(index).state, State::Delivered);
    // The second copy is under way: its outcome decides, with the first one counted in.
    let (mut core, index) = in_flight(&[push(1, 1)]);
    core.handle_outcome(index, doubted, NOW_MS, 0);
    let due_ms = core.due_ms(index).expect("a hold");
    core.handle_time(due_ms, 64);
    assert_eq!(core.poll_attempt(ROUTE, due_ms), Some(index));
    assert!(core.handle_taken_late(index, 1, 0, due_ms));
    core.handle_outcome(index, doubted, due_ms, 0);
    assert_eq!(core.push(index).state, State::Handed);
}

#[test]
fn a_push_in_doubt_is_held_twice_as_long_each_time() {
    let (mut core, index) = in_flight(&[push(1, 1)]);
    let doubt = AttemptResult::Held(HoldReason::InDoubt, Code::EXPIRED_BUSY);
    let doubted = Settlement { unanswered_mask: 1, ..settled(doubt, 0) };
    let mut now_ms = NOW_MS;
    for minutes in [1, 2, 4, 8] {
        core.handle_outcome(index, doubted, now_ms, 0);
        let due_ms = core.due_ms(index).expect("a hold");
        let held_ms = due_ms.since(now_ms);
        assert!((held_ms).abs_diff(minutes * 60_000) < 2_000, "{held_ms}");
        now_ms = due_ms + 1_000;
        core.handle_time(now_ms, 64);
        assert_eq!(core.poll_attempt(ROUTE, now_ms), Some(index));
    }
}

#[test]
fn pushes_that_wait_follow_a_change_of_routes_and_keep_their_order() {
    let mut core = Core::new(CoreLimits { pushes_max: 100, ..LIMITS }, NOW_MS);
    let other = |push_id: u64| NewPush {
        msn: Msn::from_value(push_id).expect("a legal msn"),
        class: if push_id == 4 { Class::Emergency } else { Class::Standard },
        ..push(push_id, 1)
    };
    for push_id in 1..=5 {
        core.accept(other(push_id), NOW_MS);
    }
    core.handle_durable(u64::MAX, |_| {});
    for index in 0..core.indices_used() as PushIndex {
        core.set_route(index, 5);
    }
    core.begin_sorting();
    while core.sort(1) {}
    assert_eq!(core.poll_attempt(ROUTE, NOW_MS), None, "nothing goes by the old route");
    assert_eq!(core.poll_emergency(5, NOW_MS).map(|index| core.push(index).push_id), Some(4));
    assert_eq!(core.poll_emergency(5, NOW_MS), None);
    let polled: Vec<u64> = std::iter::from_fn(|| core.poll_attempt(5, NOW_MS))
        .map(|index| u64::from(index) + 1)
        .collect();
    assert_eq!(polled, [1, 2, 3, 5]);
}

#[test]
fn what_was_handed_over_is_found_again_and_nothing_else_is_sent() {
    let handed = |taken_mask, failed_mask, delivered_mask| RecoveredHanding {
        progress: RecoveredProgress {
            delivered_mask,
            attempts: 1,
            in_doubt: false,
            begun: false,
            for_good: false,
        },
        taken_mask,
        failed_mask,
        code: (failed_mask != 0).then_some(Code::CARRIER_FAILED),
    };
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    for (push_id, segments) in [(1, 2), (2, 2), (3, 1)] {
        recovery.restore_accepted(push(push_id, segments));
    }
    recovery.restore_handed(1, &handed(0b11, 0, 0));
    recovery.restore_handed(1, &handed(0, 0b01, 0));
    recovery.restore_handed(2, &handed(0b01, 0, 0));
    recovery.restore_handed(3, &handed(0b1, 0, 0));
    recovery.restore_handed(3, &handed(0, 0, 0b1));
    let mut core = recovery.finish(NOW_MS).expect("room");
    let index = |core: &Core, key| core.find(key).expect("it lives");
    let first = index(&core, 1);
    assert_eq!((core.push(first).state, core.handed()), (State::Handed, 1));
    assert!(!core.push(first).has(flag::IN_DOUBT));
    let second = core.poll_attempt(ROUTE, NOW_MS).expect("the rest of the second");
    assert_eq!((core.push(second).push_id, core.settled_mask(second)), (2, 0b01));
    assert_eq!(core.push(index(&core, 3)).state, State::Delivered);
    assert!(core.handle_receipt(first, 1, 1, Receipt::Failed(Code::CARRIER_FAILED), NOW_MS));
    let push = core.push(first);
    assert_eq!((push.state, push.code), (State::Failed, Code::CARRIER_FAILED));
}
