//! Pushes that have ended: their notifications, and what is parked.

use super::{LIMITS, NOW_MS, end_of, new_push};
use crate::smsc::core::{
    Core, CoreLimits, Effect, FinishOutcome, NewPush, NotificationKind, Settlement,
};
use crate::smsc::limits::ENDED_MIN;
use crate::smsc::outcome::{AttemptResult, Failure};
use crate::smsc::recovery::{RecoveredEnd, RecoveredNotice, Recovery};
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn};

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
                domain: Some(Domain::Cs),
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

/// Delivers a push, whose end is durable at once; the effects that follow.
fn delivered(core: &mut Core, new: NewPush) -> Vec<Effect> {
    core.accept(new, NOW_MS);
    core.handle_durable(new.push_id + 1, |_| {});
    let index = core.poll_attempt(0, NOW_MS).expect("it is its turn");
    let result = AttemptResult::Delivered;
    let settlement = Settlement {
        result,
        delivered_mask: 1,
        unanswered_mask: 0,
        taken_mask: 0,
        domain: Some(Domain::Cs),
    };
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
fn of_two_clients_that_have_alike_the_one_that_asks_for_a_place_gives_up_its_own_oldest() {
    let mut core = Core::new(LIMITS, NOW_MS);
    let of = |client, push_id| NewPush {
        client,
        wants_notification: true,
        ..new_push(push_id, push_id)
    };
    // Turn about, until the places are all taken.
    for push_id in 1..=ENDED_MIN as u64 {
        delivered(&mut core, of(1 + push_id % 2, push_id));
    }
    // Odd numbers are the second client's, even ones the first one's.
    for (asks, push_id) in (ENDED_MIN as u64 + 1..).take(20).enumerate() {
        let client = if asks < 10 { 1 } else { 2 };
        let effects = delivered(&mut core, of(client, push_id));
        let own_oldest = if asks < 10 { 2 + 2 * asks as u64 } else { 1 + 2 * (asks as u64 - 10) };
        let parked = |effect: &Effect| match *effect {
            Effect::Parked { push_id, .. } => Some(push_id),
            _ => None,
        };
        assert_eq!(effects.iter().filter_map(parked).collect::<Vec<_>>(), [own_oldest]);
    }
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
