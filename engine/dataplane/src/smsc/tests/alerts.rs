//! Alerts: of a push client, cancelled as a whole, and of the HLR.

use super::{LIMITS, NOW_MS, new_push, settle};
use crate::smsc::alerts::AlertIdentity;
use crate::smsc::closed_alerts::{CLOSED_RETENTION_MS, ClosedAlert};
use crate::smsc::core::{Core, CoreLimits, Effect, NewPush, Settlement};
use crate::smsc::ended::EndedPush;
use crate::smsc::limits::ENDED_PER_POLL_MAX;
use crate::smsc::outcome::{AttemptResult, Failure};
use crate::smsc::pushes::flag;
use crate::smsc::recovery::Recovery;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::Class;
use wire::terms::mix::mix;
use wire::terms::time::WallMs;

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
    let recorded_ms = WallMs::ZERO;
    ClosedAlert { sequence, at_ms: NOW_MS, recorded_ms, share: 1, found: true, told: true }
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
        domain: Some(Domain::Ps),
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
    let failed = Settlement {
        result,
        delivered_mask: 0,
        unanswered_mask: 0,
        taken_mask: 0,
        domain: Some(Domain::Ps),
    };
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
    let absent = Settlement {
        result,
        delivered_mask: 0,
        unanswered_mask: 0,
        taken_mask: 0,
        domain: Some(Domain::Ps),
    };
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
