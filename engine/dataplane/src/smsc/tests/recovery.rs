//! What a start makes of the journal's records.

use super::{LIMITS, NOW_MS, end_of, new_push};
use crate::smsc::core::{
    Core, CoreLimits, Effect, KeyVerdict, NewPush, NotificationKind, Settlement,
};
use crate::smsc::ended::EndedPush;
use crate::smsc::outcome::{AttemptResult, Failure};
use crate::smsc::pushes::flag;
use crate::smsc::recovery::{
    RecoveredEnd, RecoveredHold, RecoveredNotice, RecoveredProgress, Recovery,
};
use crate::smsc::retry::Cause;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::Class;
use wire::terms::mix::mix;
use wire::terms::time::CenterMs;

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

/// A push that was held as absent at `at_ms` for the time that is left until `next_ms`, and twice
/// before.
fn hold(at_ms: CenterMs, next_ms: CenterMs) -> RecoveredHold {
    RecoveredHold {
        progress: RecoveredProgress {
            delivered_mask: 0,
            attempts: 3,
            in_doubt: false,
            begun: false,
            for_good: false,
        },
        at_ms,
        next_ms,
        code: Code::EXPIRED_ABSENT,
        cause: Cause::Absent,
        reason: 1,
        domain: Some(Domain::Ps),
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
        domain: Some(Domain::Ps),
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
