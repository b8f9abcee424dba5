//! The message center as a whole, where its parts meet.

use crate::gateway::tests::allocations::octets_held;
use crate::smsc::alerts::{AlertIdentity, REMEMBERED_OCTETS};
use crate::smsc::closed_alerts::{CLOSED_RETENTION_MS, ClosedAlert};
use crate::smsc::core::{
    Core, CoreLimits, ENDED_PER_POLL_MAX, Effect, FinishOutcome, KeyVerdict, NewPush,
    NotificationKind, Settlement,
};
use crate::smsc::ended::EndedPush;
use crate::smsc::index_table::IndexTable;
use crate::smsc::limits::ENDED_MIN;
use crate::smsc::outcome::{AttemptResult, Failure};
use crate::smsc::pushes::flag;
use crate::smsc::recovery::{
    RecoveredEnd, RecoveredHold, RecoveredNotice, RecoveredProgress, Recovery,
};
use crate::smsc::retry::Cause;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn};
use wire::terms::mix::mix;
use wire::terms::time::CenterMs;

const LIMITS: CoreLimits =
    CoreLimits { pushes_max: 4, waiting_per_msn_max: 10, ended_keys_max: 100 };
const NOW_MS: CenterMs = CenterMs::new(1_000_000);

fn new_push(push_id: u64, msn: u64) -> NewPush {
    NewPush {
        push_id,
        position: push_id,
        key: push_id,
        content_digest: 1,
        msn: Msn::from_value(msn).expect("a legal msn"),
        class: Class::Standard,
        segments: 1,
        expires_ms: NOW_MS + 3_600_000,
        wants_notification: false,
        single_attempt: false,
        by_smpp: false,
        alert: None,
        client: 1,
        control: false,
        route: 0,
    }
}

fn end_of(push_id: u64) -> RecoveredEnd {
    RecoveredEnd {
        push_id,
        key: push_id,
        client: Some(1),
        content_digest: 1,
        state: State::Delivered,
        code: Code::ACCEPTED,
        ended_ms: NOW_MS,
        segments: 1,
        withdrawn: 0,
        domain: 0,
        tp_status: 0,
        alert: None,
        number: push_id as u32,
    }
}

/// Carries out what ends a push: its Ended record is durable at once.
fn settle(core: &mut Core) {
    while let Some(effect) = core.take_effect() {
        if let Effect::Ended(index) = effect {
            core.handle_end_durable(index, 1);
        }
    }
}

#[test]
fn a_push_cancelled_while_it_stands_in_a_lane_leaves_the_lane_whole() {
    let mut core = Core::new(LIMITS, NOW_MS);
    for push_id in 1..=3 {
        core.accept(new_push(push_id, push_id), NOW_MS);
    }
    core.handle_durable(4, |_| {});
    core.cancel(2, true, NOW_MS).expect("it waits");
    settle(&mut core);
    // The freed slot must not be handed out while the lane runs through it.
    core.accept(new_push(4, 4), NOW_MS);
    core.handle_durable(5, |_| {});
    let mut attempted = Vec::new();
    while let Some(index) = core.poll_attempt(0, NOW_MS) {
        attempted.push(core.push(index).push_id);
        assert!(attempted.len() <= 3, "the lane runs in a circle: {attempted:?}");
    }
    assert_eq!(attempted, [1, 3, 4]);
}

#[test]
fn recovery_needs_room_for_the_unfinished_alone() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    for push_id in 1..=20 {
        recovery.restore_accepted(new_push(push_id, push_id));
        recovery.restore_ended(end_of(push_id), 1);
    }
    recovery.restore_accepted(new_push(21, 21));
    let core =
        recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} pushes found no room"));
    assert_eq!(core.live(), 1);
    assert_eq!(core.key_verdict(7, 1, |_| 1), KeyVerdict::Repeat { segments: 1 });
}

#[test]
fn a_moved_push_stands_where_its_copy_stands_once_another_pushs_record_follows() {
    let (original, copy) =
        (NewPush { position: 10, ..new_push(1, 1) }, NewPush { position: 20, ..new_push(1, 1) });
    let place_before = |sequence: u64, push_id: Option<u64>| {
        let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
        for (sequence, new) in [(1, original), (2, copy)] {
            recovery.pass(sequence, false, || Some(1));
            recovery.restore_accepted(new);
        }
        recovery.pass(sequence, false, || push_id);
        recovery.live_positions().next()
    };
    assert_eq!(
        place_before(3, Some(1)),
        Some(10),
        "more of what belongs behind the copy may be missing"
    );
    assert_eq!(place_before(3, Some(2)), Some(20), "another push's record stands behind it");
    assert_eq!(place_before(3, None), Some(20), "as does a record about no push");
    assert_eq!(place_before(1 << 24, Some(2)), Some(10), "a run ended in between");
}

#[test]
fn a_moved_push_that_has_ended_stands_where_its_copy_stands_too() {
    let told = |position| NewPush { position, wants_notification: true, ..new_push(1, 1) };
    let parks = RecoveredNotice::Parked(NotificationKind::Complete);
    for is_parked in [false, true] {
        let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
        let mut sequence = 0;
        let mut pass = |recovery: &mut Recovery, push_id| {
            sequence += 1;
            recovery.pass(sequence, false, || push_id);
        };
        for position in [10, 20] {
            pass(&mut recovery, Some(1));
            recovery.restore_accepted(told(position));
            pass(&mut recovery, Some(1));
            recovery.restore_ended(end_of(1), 1);
            if is_parked {
                pass(&mut recovery, Some(1));
                recovery.restore_notified(1, parks);
            }
        }
        assert!(
            recovery.live_positions().eq([10]),
            "more of what belongs behind the copy may be missing"
        );
        pass(&mut recovery, Some(2));
        assert!(recovery.live_positions().eq([20]), "parked: {is_parked}");
    }
}

#[test]
fn a_push_that_was_not_held_any_more_is_in_doubt_whatever_the_clock_says_at_the_start() {
    for set_back_ms in [0, 600_000] {
        let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS - set_back_ms), 7);
        recovery.restore_accepted(new_push(1, 1));
        recovery.restore_held(1, &hold(NOW_MS, CenterMs::ZERO));
        let core =
            recovery.finish(NOW_MS - set_back_ms).unwrap_or_else(|refused| panic!("{refused}"));
        assert!(core.push(0).has(flag::IN_DOUBT), "{set_back_ms}");
    }
}

#[test]
fn a_held_push_is_in_doubt_where_the_clock_was_set_back_behind_its_hold() {
    let doubt = |start_ms| {
        [false, true].map(|single_attempt| {
            let mut recovery = Recovery::new(Core::new(LIMITS, start_ms), 7);
            recovery.restore_accepted(NewPush { single_attempt, ..new_push(1, 1) });
            recovery.restore_held(1, &hold(NOW_MS - 1_000, NOW_MS + 5_000));
            let core = recovery.finish(start_ms).unwrap_or_else(|refused| panic!("{refused}"));
            core.push(0).has(flag::IN_DOUBT)
        })
    };
    assert_eq!(doubt(NOW_MS), [false, false], "it waited when the engine ended");
    // Of a single attempt a record says that it has begun.
    assert_eq!(doubt(NOW_MS - 600_000), [true, false], "it may have been tried since");
}

#[test]
fn an_end_stands_at_the_time_of_its_last_copy_for_the_clock_may_have_been_set_between() {
    const DAY_MS: u64 = 86_400_000;
    let start_ms = NOW_MS + 28 * DAY_MS;
    for wants_notification in [false, true] {
        let mut recovery = Recovery::new(Core::new(LIMITS, start_ms), 7);
        for ended_ms in [NOW_MS, start_ms - 1_000] {
            recovery.restore_accepted(NewPush { wants_notification, ..new_push(1, 1) });
            recovery.restore_ended(RecoveredEnd { ended_ms, ..end_of(1) }, 1);
        }
        let mut core = recovery.finish(start_ms).unwrap_or_else(|refused| panic!("{refused}"));
        let ended_ms = core.ended(1).map(EndedPush::ended_ms);
        assert_eq!(ended_ms, wants_notification.then_some(start_ms - 1_000));
        core.handle_time(start_ms, usize::MAX);
        assert!(core.keys.find_ended(1).is_some(), "its key is remembered for a day");
    }
}

#[test]
fn a_parked_push_stays_parked_where_cleaning_had_moved_it_twice() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    for _ in 0..2 {
        recovery.restore_accepted(NewPush { wants_notification: true, ..new_push(1, 1) });
        recovery.restore_ended(end_of(1), 1);
        recovery.restore_notified(1, RecoveredNotice::Parked(NotificationKind::Complete));
    }
    let core =
        recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} pushes found no room"));
    assert_eq!((core.live(), core.parked(0).count()), (1, 1));
}

#[test]
fn a_push_that_goes_as_it_is_parked_is_named_by_what_its_owner_is_told() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    for push_id in 1..=2 {
        recovery
            .restore_accepted(NewPush { wants_notification: true, ..new_push(push_id, push_id) });
        recovery.restore_ended(end_of(push_id), 1);
    }
    let mut core =
        recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} pushes found no room"));
    let mut announced = Vec::new();
    while let Some(effect) = core.take_effect() {
        if let Effect::Notify(id, kind) = effect {
            announced.push((id, kind));
        }
    }
    // The second is let go before anybody has heard that it was parked.
    for (id, kind) in announced {
        core.handle_notification_gone(id, kind, NOW_MS);
    }
    assert!(core.discard(2));
    let mut told = Vec::new();
    while let Some(effect) = core.take_effect() {
        match effect {
            Effect::Parked { push_id, position, .. } => told.push(("parked", push_id, position)),
            Effect::Finished { push_id, position, .. } => {
                told.push(("finished", push_id, position))
            }
            _ => {}
        }
    }
    assert_eq!(told, [("parked", 1, 1), ("parked", 2, 2), ("finished", 2, 2)]);
}

#[test]
fn a_key_used_again_after_its_day_belongs_to_the_later_push() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    let again = NewPush { key: 1, content_digest: 2, ..new_push(2, 1) };
    recovery.restore_accepted(new_push(1, 1));
    recovery.restore_accepted(again);
    recovery.restore_ended(end_of(1), 1);
    let mut core =
        recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} pushes found no room"));
    assert_eq!(core.find_live(1, 2).map(|index| core.push(index).push_id), Some(2));
    core.cancel(1, true, NOW_MS).expect("the later push waits");
}

/// Fills a message center with pushes to as many msns, each attempted once and held for an absent
/// subscriber; the octets of memory that it takes for each.
fn octets_per_waiting_push(pushes: usize, alert: bool) -> f64 {
    let before = octets_held();
    let limits = CoreLimits { pushes_max: pushes, waiting_per_msn_max: 100, ended_keys_max: 1 };
    let mut core = Core::new(limits, NOW_MS);
    let identity = |number: u64| AlertIdentity { key: mix(number), alert: mix(7), sequence: 1 };
    for push_id in 1..=pushes as u64 {
        let alert = alert.then(|| identity(push_id));
        core.accept(NewPush { key: mix(push_id), alert, ..new_push(push_id, push_id) }, NOW_MS);
        core.handle_durable(push_id + 1, |_| {});
        let index = core.poll_attempt(0, NOW_MS).expect("it is its turn");
        let result = AttemptResult::Failed(Failure::Absent);
        let absent =
            Settlement { result, delivered_mask: 0, unanswered_mask: 0, taken_mask: 0, domain: 1 };
        core.handle_outcome(index, absent, NOW_MS, push_id);
    }
    assert_eq!(
        (core.live(), core.room_for(Msn::ALL, Class::Standard, 1)),
        (pushes, Err(Code::STORAGE_FULL))
    );
    (octets_held() - before) as f64 / pushes as f64
}

#[test]
fn a_waiting_push_takes_at_most_96_octets_of_index() {
    let octets = octets_per_waiting_push(1 << 17, false);
    assert!(octets <= 96.0, "{octets:.1} octets");
}

#[test]
fn a_waiting_push_of_an_alert_takes_no_more_beside_what_outlives_it() {
    const PUSHES: usize = 1 << 17;
    let octets = octets_per_waiting_push(PUSHES, true);
    // The memory of the msn's highest sequence stays when the push is long gone, like a key: it has
    // a bound of its own.
    let outlives =
        REMEMBERED_OCTETS as f64 + 2.0 * IndexTable::octets_for(PUSHES) as f64 / PUSHES as f64;
    assert!(octets - outlives <= 96.0, "{octets:.1} octets, of which {outlives:.1} outlive it");
}

/// A message center with `count` pushes of one alert, each to a phone of its own, the first of them
/// in flight.
fn alerted(count: u64) -> (Core, u64) {
    const ALERT: u64 = 0x9E37_79B9_7F4A_7C15;
    let limits = CoreLimits { pushes_max: count as usize, ..LIMITS };
    let mut core = Core::new(limits, NOW_MS);
    for push_id in 1..=count {
        let alert = AlertIdentity { key: mix(push_id), alert: ALERT, sequence: 1 };
        core.accept(
            NewPush { key: mix(push_id), alert: Some(alert), ..new_push(push_id, push_id) },
            NOW_MS,
        );
    }
    core.handle_durable(count + 1, |_| {});
    (core, ALERT)
}

fn cancel_at(sequence: u64) -> ClosedAlert {
    ClosedAlert { sequence, at_ms: NOW_MS, share: 1, found: true, told: true }
}

#[test]
fn the_cancel_of_a_large_alert_takes_no_time_and_no_push_of_it_is_attempted_any_more() {
    const COUNT: u64 = 100_000;
    const BUDGET: usize = 1_024;
    let (mut core, alert) = alerted(COUNT);
    let in_flight = core.poll_attempt(0, NOW_MS).expect("the first");
    assert_eq!(core.cancel_alert(alert, cancel_at(COUNT + 1)), COUNT as u32);
    assert_eq!(core.take_effect(), None, "the cancel itself touches none of them");
    assert_eq!(
        core.poll_attempt(0, NOW_MS),
        None,
        "what was about to be attempted is withdrawn instead"
    );
    let count = |core: &mut Core| {
        let (mut cancels, mut ends) = (0, 0);
        while let Some(effect) = core.take_effect() {
            match effect {
                Effect::CancelAccepted(_) => cancels += 1,
                Effect::Ended(index) => {
                    assert_eq!(core.push(index).state, State::Cancelled);
                    ends += 1;
                }
                other => unreachable!("{other:?}"),
            }
        }
        (cancels, ends)
    };
    let (_, mut ended) = count(&mut core);
    assert_eq!(ended, ENDED_PER_POLL_MAX, "a few at a time");
    while core.next_due_ms() == Some(NOW_MS) {
        core.handle_time(NOW_MS, BUDGET);
        assert_eq!(core.poll_attempt(0, NOW_MS), None);
        let (cancels, ends) = count(&mut core);
        assert!(cancels <= BUDGET + ENDED_PER_POLL_MAX, "{cancels} in one turn");
        ended += ends;
    }
    assert_eq!(ended, COUNT as usize - 1, "all but the one in flight");
    assert!(core.push(in_flight).has(flag::CANCEL_ACCEPTED), "which has been told");
    assert_eq!(core.alert_members(alert), 1);
}

#[test]
fn a_push_of_a_cancelled_alert_that_arrives_before_its_turn_is_told_that_the_cancel_came_too_late()
{
    let (mut core, alert) = alerted(3);
    let in_flight = core.poll_attempt(0, NOW_MS).expect("the first");
    core.cancel_alert(alert, cancel_at(4));
    let settlement = Settlement {
        result: AttemptResult::Delivered,
        delivered_mask: 1,
        unanswered_mask: 0,
        taken_mask: 0,
        domain: 2,
    };
    core.handle_outcome(in_flight, settlement, NOW_MS, 0);
    assert_eq!(core.take_effect(), Some(Effect::CancelAccepted(in_flight)));
    assert_eq!(core.take_effect(), Some(Effect::Ended(in_flight)));
    let push = core.push(in_flight);
    assert_eq!(
        (push.state, EndedPush::of(push).cancel_code()),
        (State::Delivered, Code::ALREADY_DELIVERED)
    );
}

#[test]
fn an_alert_puts_off_no_retry_that_comes_sooner() {
    let mut core = Core::new(LIMITS, NOW_MS);
    core.accept(NewPush { class: Class::Emergency, ..new_push(1, 1) }, NOW_MS);
    core.handle_durable(2, |_| {});
    let index = core.poll_attempt(0, NOW_MS).expect("its turn");
    let result = AttemptResult::Failed(Failure::SystemFailure);
    let failed =
        Settlement { result, delivered_mask: 0, unanswered_mask: 0, taken_mask: 0, domain: 2 };
    // Five seconds, less a fifth.
    core.handle_outcome(index, failed, NOW_MS, 0);
    let msn = core.push(index).msn();
    core.handle_alert(msn, NOW_MS + 3_900, u64::MAX);
    core.handle_alert(msn, NOW_MS + 3_950, u64::MAX);
    core.handle_time(NOW_MS + 4_016, 10);
    assert_eq!(core.poll_attempt(0, NOW_MS + 4_016), Some(index));
}

#[test]
fn alerts_have_a_begin_recorded_once_for_each_hold_that_is_recorded() {
    let mut core = Core::new(LIMITS, NOW_MS);
    let index = core.accept(new_push(1, 1), NOW_MS);
    core.handle_durable(2, |_| {});
    let msn = core.push(index).msn();
    let result = AttemptResult::Failed(Failure::Absent);
    let absent =
        Settlement { result, delivered_mask: 0, unanswered_mask: 0, taken_mask: 0, domain: 2 };
    let mut begins = Vec::new();
    for round in 0..8 {
        let now_ms = NOW_MS + 60_000 * round;
        let mut attempt = core.poll_attempt(0, now_ms);
        while let Some(effect) = core.take_effect() {
            assert_eq!(effect, Effect::Begin(index));
            begins.push(round);
            core.handle_begin_journaled(index, 10 + round);
            core.handle_durable(11 + round, |_| {});
            attempt = core.poll_attempt(0, now_ms);
        }
        assert_eq!(attempt, Some(index), "round {round}");
        core.handle_outcome(index, absent, now_ms, 0);
        if [2, 5].contains(&round) {
            core.note_hold_recorded(index);
        }
        core.handle_alert(msn, now_ms, 0);
        core.handle_time(now_ms + 30_000, 10);
    }
    assert_eq!(begins, [3, 6], "after the holds that the journal has");
}

#[test]
fn a_cancelled_alert_is_withdrawn_after_an_outage_that_is_longer_than_alerts_stay_closed() {
    const ALERT: u64 = 0x9E37_79B9_7F4A_7C15;
    let later_ms = NOW_MS + CLOSED_RETENTION_MS + 3_600_000;
    let mut recovery = Recovery::new(Core::new(LIMITS, later_ms), 7);
    for push_id in [1, 5] {
        let alert = AlertIdentity { key: mix(push_id), alert: ALERT, sequence: 1 };
        let expires_ms = later_ms + 3_600_000;
        recovery.restore_accepted(NewPush {
            alert: Some(alert),
            expires_ms,
            ..new_push(push_id, push_id)
        });
    }
    recovery.restore_alert_cancel(ALERT, cancel_at(3));
    assert!(recovery.alerts_to_withdraw().contains(&ALERT));
    let mut core =
        recovery.finish(later_ms).unwrap_or_else(|refused| panic!("{refused} found no room"));
    settle(&mut core);
    let attempted = core.poll_attempt(0, later_ms).map(|index| core.push(index).push_id);
    assert_eq!(
        attempted,
        Some(5),
        "the one that came after the cancel goes on, the other is withdrawn"
    );
    assert_eq!(core.poll_attempt(0, later_ms), None);
    assert_eq!(core.closed_alert(ALERT), None, "its day is over");
}

#[test]
fn a_clock_set_forward_by_more_than_a_day_opens_no_alert_whose_pushes_still_wait() {
    const COUNT: u64 = 100;
    let (mut core, alert) = alerted(COUNT);
    core.cancel_alert(alert, cancel_at(COUNT + 1));
    let later_ms = NOW_MS + CLOSED_RETENTION_MS + 3_600_000;
    while core.live() > 0 {
        core.handle_time(later_ms, 8);
        assert_eq!(core.poll_attempt(0, later_ms), None);
        while let Some(effect) = core.take_effect() {
            if let Effect::Ended(index) = effect {
                assert_eq!(core.push(index).state, State::Cancelled);
                core.handle_end_durable(index, 1);
            } else if let Effect::Notify(index, kind) = effect {
                core.handle_acknowledged(index, kind);
            }
        }
    }
    core.handle_time(later_ms, 8);
    assert_eq!(core.closed_alert(alert), None);
}

#[test]
fn a_push_cancelled_for_a_client_without_a_notification_url_is_gone_at_once() {
    let mut core = Core::new(LIMITS, NOW_MS);
    for (round, push_id) in (1..=100).enumerate() {
        core.accept(new_push(push_id, 1), NOW_MS);
        core.handle_durable(push_id + 1, |_| {});
        // One of three is in flight when the cancel comes, and its attempt fails.
        let in_flight = if round % 3 == 0 { core.poll_attempt(0, NOW_MS) } else { None };
        core.cancel(push_id, false, NOW_MS).expect("it waits");
        if let Some(index) = in_flight {
            assert!(!core.push(index).is_cancel_told());
            let result = AttemptResult::Failed(Failure::Absent);
            let absent = Settlement {
                result,
                delivered_mask: 0,
                unanswered_mask: 0,
                taken_mask: 0,
                domain: 1,
            };
            core.handle_outcome(index, absent, NOW_MS, 1);
        }
        while let Some(effect) = core.take_effect() {
            match effect {
                Effect::Ended(index) => {
                    assert_eq!(core.push(index).state, State::Cancelled);
                    core.handle_end_durable(index, 1);
                }
                Effect::Finished { outcome, .. } => assert_eq!(outcome, FinishOutcome::NothingDue),
                other => unreachable!("{other:?}"),
            }
        }
        core.poll_attempt(0, NOW_MS);
        assert_eq!(core.live(), 0, "push {push_id}");
        assert_eq!(core.cancel(push_id, false, NOW_MS), Err((Code::ALREADY_CANCELLED, 1)));
    }
}

#[test]
fn recovery_keeps_no_place_for_a_cancel_of_which_nobody_is_told() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    let cancelled =
        |push_id| RecoveredEnd { state: State::Cancelled, withdrawn: 1, ..end_of(push_id) };
    for push_id in 1..=20 {
        recovery.restore_accepted(new_push(push_id, push_id));
        recovery.restore_cancel(push_id, false);
        recovery.restore_ended(cancelled(push_id), 0);
    }
    recovery.restore_accepted(new_push(21, 21));
    recovery.restore_cancel(21, true);
    recovery.restore_ended(cancelled(21), 0);
    let mut core =
        recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} found no room"));
    assert_eq!(core.live(), 1, "only the one of which somebody is to be told");
    assert!(matches!(core.take_effect(), Some(Effect::Notify(..))));
}

/// How many pushes a class gets in, one client each or all of one, to as many msns or to one.
fn taken(
    core: &mut Core,
    class: Class,
    client: impl Fn(u64) -> u64,
    msn: impl Fn(u64) -> u64,
) -> u64 {
    let mut taken = 0;
    loop {
        let push_id = core.live() as u64 + 1;
        let (msn, client) = (msn(push_id), client(push_id));
        let new = NewPush { class, client, ..new_push(push_id, msn) };
        if core.room_for(new.msn, class, client).is_err() {
            return taken;
        }
        core.accept(new, NOW_MS);
        taken += 1;
    }
}

#[test]
fn places_are_left_for_whoever_matters_more() {
    let limits = CoreLimits { pushes_max: 1_000, waiting_per_msn_max: 1_000, ended_keys_max: 1 };
    let everybody = |number: u64| number;
    for msn in [(|number| number) as fn(u64) -> u64, |_| 1] {
        let mut core = Core::new(limits, NOW_MS);
        let classes = [Class::Exercise, Class::Standard, Class::Urgent, Class::Emergency];
        assert_eq!(
            classes.map(|class| taken(&mut core, class, everybody, msn)),
            [800, 100, 50, 50]
        );
    }
}

#[test]
fn a_client_that_takes_all_it_gets_leaves_a_part_of_each_classs_places_to_the_others() {
    let limits = CoreLimits { pushes_max: 1_000, waiting_per_msn_max: 100, ended_keys_max: 1 };
    let mut core = Core::new(limits, NOW_MS);
    // One phone, then many.
    assert_eq!(taken(&mut core, Class::Standard, |_| 1, |_| 1), 80, "of the 90 places of a phone");
    assert_eq!(taken(&mut core, Class::Emergency, |_| 2, |_| 1), 18);
    assert_eq!(taken(&mut core, Class::Standard, |_| 1, |number| number), 704);
    assert!(taken(&mut core, Class::Standard, |_| 3, |number| number) > 50);
    assert!(taken(&mut core, Class::Emergency, |_| 2, |number| number) > 50);
}

/// Delivers a push, whose end is durable at once; the effects that follow.
fn delivered(core: &mut Core, new: NewPush) -> Vec<Effect> {
    core.accept(new, NOW_MS);
    core.handle_durable(new.push_id + 1, |_| {});
    let index = core.poll_attempt(0, NOW_MS).expect("it is its turn");
    let result = AttemptResult::Delivered;
    let settlement =
        Settlement { result, delivered_mask: 1, unanswered_mask: 0, taken_mask: 0, domain: 1 };
    core.handle_outcome(index, settlement, NOW_MS, new.push_id);
    assert_eq!(core.take_effect(), Some(Effect::Ended(index)));
    core.handle_end_durable(index, 1);
    std::iter::from_fn(|| core.take_effect()).collect()
}

#[test]
fn ended_pushes_take_no_place_from_those_that_wait_and_the_oldest_of_whoever_has_most_is_parked() {
    let mut core = Core::new(LIMITS, NOW_MS);
    let of = |client, push_id| NewPush {
        client,
        wants_notification: true,
        ..new_push(push_id, push_id)
    };
    // A client that takes none, far beyond the four places of the slab; and before it another one,
    // slow to answer.
    let quiet = delivered(&mut core, of(2, 1));
    let [Effect::Notify(quiet, kind)] = quiet[..] else { unreachable!("{quiet:?}") };
    for push_id in 2..=ENDED_MIN as u64 {
        assert_eq!(core.room_for(Msn::ALL, Class::Standard, 1), Ok(()));
        assert!(matches!(delivered(&mut core, of(1, push_id))[..], [Effect::Notify(..)]));
    }
    let late = core.ended(2).map(|push| push.push_id);
    assert_eq!((late, core.parked(0).count()), (Some(2), 0));
    for push_id in 1..=100 {
        let effects = delivered(&mut core, of(1, ENDED_MIN as u64 + push_id));
        let parked = Effect::Parked { push_id: push_id + 1, position: push_id + 1, kind, tries: 0 };
        assert_eq!(effects[0], parked, "the flood gives up its own, oldest first");
    }
    assert_eq!((core.parked(0).count(), core.figures().parked_for_room), (100, 100));
    assert_eq!(core.live(), ENDED_MIN + 100, "nothing is lost");
    core.handle_acknowledged(quiet, kind);
    assert!(matches!(core.take_effect(), Some(Effect::Finished { push_id: 1, .. })));
    // With a place free again the operator has one sent again; it is due behind the others of its
    // msn and client.
    assert!(core.replay(2) && !core.replay(3), "there is one place");
    assert!(matches!(core.take_effect(), Some(Effect::Notify(..))));
    assert!(core.discard(3));
    let let_go = FinishOutcome::LetGo;
    assert_eq!(
        core.take_effect(),
        Some(Effect::Finished { push_id: 3, position: 3, outcome: let_go, tries: 0 })
    );
}

#[test]
fn what_was_under_way_when_it_was_parked_and_is_taken_after_all_is_done_with() {
    let mut core = Core::new(LIMITS, NOW_MS);
    let of = |push_id| NewPush { wants_notification: true, ..new_push(push_id, push_id) };
    let [Effect::Notify(id, kind)] = delivered(&mut core, of(1))[..] else {
        unreachable!("it is told at once")
    };
    for push_id in 2..=ENDED_MIN as u64 + 1 {
        delivered(&mut core, of(push_id));
    }
    assert_eq!(core.ended_by(id).map(|push| push.due()), Some(None), "it is parked");
    core.handle_notification_failed(id, kind, None, NOW_MS, 0);
    assert_eq!(
        (core.parked(0).count(), core.take_effect()),
        (1, None),
        "and a failure says nothing new"
    );
    core.handle_acknowledged(id, kind);
    let outcome = FinishOutcome::Acknowledged;
    assert_eq!(
        core.take_effect(),
        Some(Effect::Finished { push_id: 1, position: 1, outcome, tries: 0 })
    );
    assert!(core.ended_by(id).is_none());
    core.handle_acknowledged(id, kind);
    assert_eq!(core.take_effect(), None);
}

#[test]
fn whoever_has_most_of_what_is_parked_is_taken_no_more_until_somebody_sees_to_it() {
    let mut core = Core::new(LIMITS, NOW_MS);
    let of = |client, push_id| NewPush {
        client,
        wants_notification: true,
        ..new_push(push_id, push_id)
    };
    let mut push_id = 0;
    while core.room_for(Msn::ALL, Class::Emergency, 1).is_ok() {
        push_id += 1;
        delivered(&mut core, of(1, push_id));
    }
    assert_eq!((push_id, core.parked(0).count()), (2 * ENDED_MIN as u64, ENDED_MIN));
    assert_eq!(core.room_for(Msn::ALL, Class::Exercise, 2), Ok(()));
    delivered(&mut core, of(2, push_id + 1));
    assert_eq!(core.room_for(Msn::ALL, Class::Exercise, 2), Ok(()));
    let parked: Vec<u64> = core.parked(0).map(|push| push.push_id).take(10).collect();
    assert!(parked.into_iter().all(|push_id| core.discard(push_id)));
    assert_eq!(core.room_for(Msn::ALL, Class::Emergency, 1), Ok(()));
}

#[test]
fn recovery_brings_back_what_is_due_in_its_order_and_what_is_parked_aside() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    let told = |push_id| NewPush { wants_notification: true, ..new_push(push_id, 1) };
    let parked = RecoveredNotice::Parked(NotificationKind::Complete);
    // They ended the other way round than cleaning has left their records.
    for push_id in 1..=40 {
        recovery.restore_accepted(told(push_id));
        recovery.restore_ended(RecoveredEnd { number: 100 - push_id as u32, ..end_of(push_id) }, 1);
        match push_id % 4 {
            0 => recovery.restore_notified(push_id, parked),
            1 => recovery.restore_notified(push_id, RecoveredNotice::Finished),
            _ => {}
        }
        // What a crash left of a copy.
        recovery.restore_accepted(NewPush { position: 1_000 + push_id, ..told(push_id) });
    }
    assert_eq!(recovery.live_positions().count(), 30);
    let mut core =
        recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} found no room"));
    assert!(core.parked(0).map(|push| push.push_id).eq((4..=40).step_by(4)));
    let mut order = Vec::new();
    while let Some(effect) = core.take_effect() {
        if let Effect::Notify(id, kind) = effect {
            order.push(id.push_id);
            core.handle_acknowledged(id, kind);
        }
    }
    assert!(
        order.iter().copied().eq((1..=40u64).rev().filter(|push_id| push_id % 4 > 1)),
        "{order:?}"
    );
    assert_eq!(core.live(), 10);
}

/// How many pushes are looked at while `others` pushes of another client to the same phone end and
/// are acknowledged, beside `backlog` of a client that takes no notifications.
fn looks_beside_a_backlog(backlog: u64, others: u64) -> u64 {
    let limits = CoreLimits { pushes_max: 30_000, waiting_per_msn_max: 10, ended_keys_max: 20_000 };
    let mut core = Core::new(limits, NOW_MS);
    let of = |client, push_id| NewPush { client, wants_notification: true, ..new_push(push_id, 7) };
    for push_id in 1..=backlog {
        delivered(&mut core, of(1, push_id));
    }
    let before = core.ended.steps.get();
    for push_id in backlog + 1..=backlog + others {
        let effects = delivered(&mut core, of(2, push_id));
        let [Effect::Notify(id, kind)] = effects[..] else { unreachable!("{effects:?}") };
        core.handle_acknowledged(id, kind);
        assert!(matches!(core.take_effect(), Some(Effect::Finished { .. })));
    }
    core.ended.steps.get() - before
}

#[test]
fn what_a_client_leaves_untaken_costs_another_clients_notifications_nothing() {
    let [alone, beside] = [1, 10_000].map(|backlog| looks_beside_a_backlog(backlog, 100));
    assert!(beside <= alone + 10, "{beside} pushes looked at, {alone} without a backlog");
}

/// A push that was held as absent at `at_ms` for the time that is left until `next_ms`, and twice
/// before.
fn hold(at_ms: CenterMs, next_ms: CenterMs) -> RecoveredHold {
    RecoveredHold {
        progress: RecoveredProgress {
            delivered_mask: 0,
            attempts: 3,
            in_doubt: false,
            begun: false,
        },
        at_ms,
        next_ms,
        code: Code::EXPIRED_ABSENT,
        cause: Cause::Absent,
        reason: 1,
        domain: 2,
        holds: [3, 0, 0],
    }
}

#[test]
fn retries_whose_time_passed_in_an_outage_are_spread() {
    const PUSHES: u64 = 60_000;
    const WAITED_MS: u64 = 300_000;
    let limits = CoreLimits { pushes_max: PUSHES as usize, ..LIMITS };
    let mut recovery = Recovery::new(Core::new(limits, NOW_MS), 7);
    for push_id in 1..=PUSHES {
        recovery.restore_accepted(NewPush { key: mix(push_id), ..new_push(push_id, push_id) });
        recovery.restore_held(push_id, &hold(NOW_MS - WAITED_MS - 1_000, NOW_MS - 1_000));
    }
    let mut core =
        recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} pushes found no room"));
    let (mut most, mut all) = (0, 0);
    // A fifth of what each had to wait.
    for second in 0..=WAITED_MS / 5_000 {
        let (now_ms, mut attempts) = (NOW_MS + second * 1_000, 0);
        core.handle_time(now_ms, usize::MAX);
        while core.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            core.handle_time(now_ms, usize::MAX);
        }
        while core.poll_attempt(0, now_ms).is_some() {
            attempts += 1;
        }
        (most, all) = (most.max(attempts), all + attempts);
    }
    assert_eq!(all, PUSHES, "all of them are tried in that time");
    assert!(most < 1_400, "{most} within a second");
}

#[test]
fn a_hold_goes_on_after_a_start_as_if_there_had_been_none() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    recovery.restore_accepted(new_push(1, 1));
    recovery.restore_held(1, &hold(NOW_MS - 1_000, NOW_MS + 5_000));
    let mut core =
        recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} pushes found no room"));
    let index = core.find_live(1, 1).expect("it lives");
    let push = core.push(index);
    assert_eq!((push.state, push.code, push.hold_reason()), (State::Held, Code::EXPIRED_ABSENT, 1));
    assert!(!push.has(flag::IN_DOUBT));
    core.handle_time(NOW_MS + 4_999, 10);
    assert_eq!(core.poll_attempt(0, NOW_MS + 4_999), None);
    core.handle_time(NOW_MS + 5_016, 10);
    assert_eq!(core.poll_attempt(0, NOW_MS + 5_016), Some(index));
    let absent = AttemptResult::Failed(Failure::Absent);
    let settlement = Settlement {
        result: absent,
        delivered_mask: 0,
        unanswered_mask: 0,
        taken_mask: 0,
        domain: 2,
    };
    core.handle_outcome(index, settlement, NOW_MS + 5_016, u64::MAX / 2);
    // The fourth delay of the schedule, 40 minutes.
    let due_ms = core.due_ms(index).expect("it waits");
    assert!(due_ms.abs_diff(NOW_MS + 5_016 + 2_400_000) <= 16, "{due_ms}");
}

#[test]
fn what_may_have_been_under_way_is_in_doubt_and_what_a_waiting_push_kept_back_is_not() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    for push_id in 1..=3 {
        recovery.restore_accepted(NewPush { single_attempt: push_id == 2, ..new_push(push_id, 1) });
    }
    // Came later and went ahead.
    recovery.restore_accepted(NewPush { class: Class::Emergency, ..new_push(4, 1) });
    let mut core =
        recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} pushes found no room"));
    let doubt = [1, 2, 3, 4].map(|push_id| {
        let index = core.find_live(push_id, push_id).expect("it lives");
        core.push(index).has(flag::IN_DOUBT)
    });
    assert_eq!(doubt, [true, false, false, true]);
    let (index, _) = core.cancel(1, true, NOW_MS).expect("it waits");
    let push = core.push(index);
    assert_eq!((push.code, push.withdrawn()), (Code::CANCELLED_IN_PART, 0));
    let (index, _) = core.cancel(2, true, NOW_MS).expect("it waits");
    assert_eq!((core.push(index).code, core.push(index).withdrawn()), (Code::ACCEPTED, 1));
}
