//! Pushes that are handed over, of several push clients.

use super::{NOW_MS, new_push, settle};
use crate::smsc::core::{Core, CoreLimits, NewPush, Settlement};
use crate::smsc::handed::Receipt;
use crate::smsc::outcome::AttemptResult;
use crate::smsc::recovery::{RecoveredHanding, RecoveredProgress, Recovery};
use wire::terms::domain::Domain;
use wire::terms::ids::Class;

/// How many may be handed over: half of the places.
const HANDED: usize = 100;
const LIMITS: CoreLimits =
    CoreLimits { pushes_max: 2 * HANDED, waiting_per_msn_max: 10, ended_keys_max: 1_000 };
const LOUD: u64 = 1;
const QUIET: u64 = 2;

/// A push to a phone of its own.
fn push_of(client: u64, push_id: u64) -> NewPush {
    NewPush { client, ..new_push(push_id, push_id) }
}

/// Has a carrier take a push; its receipt is to come.
fn hand_over(core: &mut Core, push: NewPush) {
    core.accept(push, NOW_MS);
    core.handle_durable(push.push_id + 1, |_| {});
    let index = core.poll_attempt(0, NOW_MS).expect("its turn");
    let result = AttemptResult::HandedOver;
    let taken = Settlement {
        result,
        delivered_mask: 0,
        unanswered_mask: 0,
        taken_mask: 1,
        domain: Some(Domain::Carrier),
    };
    core.handle_outcome(index, taken, NOW_MS, 0);
    settle(core);
}

/// Its receipt comes; whether it was awaited still.
fn is_delivered(core: &mut Core, push_id: u64) -> bool {
    let Some(index) = core.find(push_id) else { return false };
    let is_news = core.handle_receipt(index, push_id, 0, Receipt::Delivered, NOW_MS);
    settle(core);
    is_news
}

#[test]
fn whoever_has_most_handed_over_loses_its_oldest_and_nobody_else_does() {
    let mut core = Core::new(LIMITS, NOW_MS);
    hand_over(&mut core, NewPush { class: Class::Emergency, ..push_of(QUIET, 1) });
    (2..=300).for_each(|push_id| hand_over(&mut core, push_of(LOUD, push_id)));
    assert_eq!(core.handed(), HANDED);
    // What comes of the other later goes at the flood's cost too.
    hand_over(&mut core, push_of(QUIET, 301));
    assert_eq!(core.handed(), HANDED);
    assert!(is_delivered(&mut core, 1) && is_delivered(&mut core, 301), "the flood is another's");
    assert!(!is_delivered(&mut core, 202) && is_delivered(&mut core, 300), "its oldest went");
    assert_eq!(core.handed(), HANDED - 3);
}

#[test]
fn a_receipt_in_any_order_leaves_the_others_in_theirs() {
    let mut core = Core::new(LIMITS, NOW_MS);
    (1..=100).for_each(|push_id| hand_over(&mut core, push_of(LOUD, push_id)));
    for push_id in [1, 100, 50] {
        assert!(is_delivered(&mut core, push_id) && !is_delivered(&mut core, push_id));
    }
    (101..=105).for_each(|push_id| hand_over(&mut core, push_of(LOUD, push_id)));
    assert_eq!(core.handed(), HANDED);
    assert!([2, 3].map(|push_id| is_delivered(&mut core, push_id)) == [false; 2], "the oldest");
    assert!(
        (4..=105).all(|push_id| [50, 100].contains(&push_id) || is_delivered(&mut core, push_id))
    );
    assert_eq!(core.handed(), 0);
}

#[test]
fn shares_of_what_is_handed_over_outlast_a_start() {
    let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
    let progress = RecoveredProgress {
        delivered_mask: 0,
        attempts: 1,
        in_doubt: false,
        begun: false,
        for_good: false,
    };
    let taken = RecoveredHanding { progress, taken_mask: 1, failed_mask: 0, code: None };
    for push_id in 1..=100 {
        let client = if push_id == 1 { QUIET } else { LOUD };
        recovery.restore_accepted(push_of(client, push_id));
        recovery.restore_handed(push_id, &taken);
    }
    let mut core =
        recovery.finish(NOW_MS).unwrap_or_else(|refused| panic!("{refused} pushes found no room"));
    hand_over(&mut core, push_of(LOUD, 101));
    assert!(!is_delivered(&mut core, 2) && is_delivered(&mut core, 1));
}
