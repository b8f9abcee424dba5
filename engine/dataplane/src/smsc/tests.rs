//! The message center as a whole, where its parts meet.

mod alerts;
mod ended;
mod handed;
mod recovery;

use crate::gateway::tests::allocations::octets_held;
use crate::smsc::alerts::{AlertIdentity, REMEMBERED_OCTETS};
use crate::smsc::core::{Core, CoreLimits, Effect, NewPush, Settlement};
use crate::smsc::index_table::IndexTable;
use crate::smsc::outcome::{AttemptResult, Failure};
use crate::smsc::recovery::RecoveredEnd;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
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
        domain: None,
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
        let absent = Settlement {
            result,
            delivered_mask: 0,
            unanswered_mask: 0,
            taken_mask: 0,
            domain: Some(Domain::Cs),
        };
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
