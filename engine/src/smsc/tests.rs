//! The message center as a whole, where its parts meet.

use crate::ids::{Class, Msn};
use crate::push::code::Code;
use crate::smsc::core::{Core, CoreLimits, Effect, KeyVerdict, NewPush};
use crate::smsc::recovery::{RecoveredEnd, Recovery};
use crate::smsc::state::State;

const LIMITS: CoreLimits = CoreLimits { pushes_max: 4, waiting_per_msn_max: 10, ended_keys_max: 100 };
const NOW_MS: u64 = 1_000_000;

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
        alert: None,
        client: 1,
        control: false,
    }
}

fn end_of(push_id: u64) -> RecoveredEnd {
    RecoveredEnd {
        push_id,
        key: push_id,
        content_digest: 1,
        state: State::Delivered,
        code: Code::ACCEPTED,
        ended_ms: NOW_MS,
        segments: 1,
        withdrawn: 0,
        domain: 0,
        tp_status: 0,
        alert: None,
    }
}

/// Carries out what ends a push: its Ended record is durable at once.
fn settle(core: &mut Core) {
    while let Some(effect) = core.take_effect() {
        if let Effect::Ended(index) = effect {
            core.handle_end_durable(index);
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
    core.cancel(2, NOW_MS).expect("it waits");
    settle(&mut core);
    // The freed slot must not be handed out while the lane runs through it.
    core.accept(new_push(4, 4), NOW_MS);
    core.handle_durable(5, |_| {});
    let mut attempted = Vec::new();
    while let Some(index) = core.poll_attempt(NOW_MS) {
        attempted.push(core.push(index).push_id);
        assert!(attempted.len() <= 3, "the lane runs in a circle: {attempted:?}");
    }
    assert_eq!(attempted, [1, 3, 4]);
}

#[test]
fn recovery_needs_room_for_the_unfinished_alone() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS));
    for push_id in 1..=20 {
        recovery.restore_accepted(new_push(push_id, push_id));
        recovery.restore_ended(end_of(push_id), 1);
    }
    recovery.restore_accepted(new_push(21, 21));
    let core = recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} pushes found no room"));
    assert_eq!(core.live(), 1);
    assert_eq!(core.key_verdict(7, 1), KeyVerdict::Repeat { segments: 1 });
}

#[test]
fn a_key_used_again_after_its_day_belongs_to_the_later_push() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS));
    let again = NewPush { key: 1, content_digest: 2, ..new_push(2, 1) };
    recovery.restore_accepted(new_push(1, 1));
    recovery.restore_accepted(again);
    recovery.restore_ended(end_of(1), 1);
    let mut core = recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} pushes found no room"));
    assert_eq!(core.find_live(1, 2).map(|index| core.push(index).push_id), Some(2));
    core.cancel(1, NOW_MS).expect("the later push waits");
}
