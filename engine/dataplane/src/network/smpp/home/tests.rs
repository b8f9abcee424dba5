//! The home of a carrier between one shard and a session that is told what to do.

use super::Home;
use crate::network::port::{AttemptSlot, AttemptToken, AwaitedSegment};
use crate::network::smpp::carrier::{Carrier, Long, Validity};
use crate::network::smpp::exchange::{CarrierPlan, KnownCarrier, Permit, Spread};
use crate::network::smpp::outcome::Verdict;
use crate::network::smpp::port::CarrierPort;
use std::sync::atomic::Ordering;
use wire::smpp::address::{Country, DestinationForm};
use wire::smpp::coding::Alphabet;
use wire::smpp::id::IdForms;
use wire::terms::ids::Msn;
use wire::terms::time::SteadyMs;

fn carrier() -> Carrier {
    Carrier {
        number: 1,
        name: "alpha".to_owned(),
        host_names: Vec::new(),
        hosts: Vec::new(),
        host_of: Vec::new(),
        tls: None,
        system_id: "hayauma".to_owned(),
        password: String::new(),
        system_type: String::new(),
        sessions: 1,
        pairs: false,
        window: 10,
        rate: 0,
        ids: IdForms::default(),
        country: Country::JAPAN,
        destination: DestinationForm::International,
        validity: Validity::Absolute,
        receipts: true,
        priority: true,
        alphabet: Alphabet::Gsm,
        long: Long::Udh,
        binary_coding: 4,
        codings: Vec::new(),
        source_ton: 1,
        source_npi: 1,
        mode: 0,
        service_type: String::new(),
        enquire_link_ms: 30_000,
        response_ms: 60_000,
        meanings: Default::default(),
        tlvs: true,
        rebinds: 0,
        cancels: false,
        queries: false,
        doubt_is_final: false,
        paused: false,
    }
}

/// A push that is not to be sent any more from then on.
fn permit(push: u32, leaves_by_ms: u64) -> Box<Permit> {
    let mut slot = AttemptSlot::new();
    slot.token = AttemptToken { partition: 0, push };
    slot.msn = Msn::from_value(9_010_000_000 + u64::from(push)).expect("a legal msn");
    slot.leaves_by_ms = SteadyMs::new(leaves_by_ms);
    slot.encode(0, |_| Ok::<_, ()>(0)).expect("room");
    Box::new(Permit { owner: 0, slot, verdict: Verdict::default(), ids: Vec::new() })
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
    let mut home = Home::new(&KnownCarrier::new(slow, Spread::even(1)), 100, 0);
    home.session_bound(0);
    for (push, leaves_by_ms) in [(1, 9_000), (2, 4_000), (3, 6_000), (4, 4_000)] {
        let refused = home.exchange().permits(0).push(permit(push, leaves_by_ms));
        assert!(refused.is_ok());
    }
    home.take_permits(0);
    // No SMS may go for a second, so that nothing but an expiry is due.
    assert_eq!(home.pace.take(1, 3_900), 1);
    home.handle_time(3_999);
    assert!(come_back(&home).is_empty());
    assert_eq!(home.next_due_ms(3_999), Some(4_000), "its expiry, not the next SMS");
    home.handle_time(4_000);
    assert_eq!(come_back(&home), [2, 4]);
    assert_eq!(home.take_called(), 1, "its shard is told");
    home.handle_time(6_000);
    assert_eq!((come_back(&home), home.in_hand()), (vec![3], 1));
    home.handle_time(9_000);
    assert_eq!((come_back(&home), home.in_hand()), (vec![1], 0));
}

/// A plan with this carrier, and no route.
fn plan(known: &[KnownCarrier]) -> CarrierPlan {
    CarrierPlan { carriers: known.to_vec().into(), ..CarrierPlan::default() }
}

#[test]
fn carriers_told_before_a_shards_first_turn_leave_what_it_awaits_to_be_told() {
    let known = KnownCarrier::new(carrier(), Spread::even(1));
    let mut home = Home::new(&known, 100, 0);
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
    home.handle_time(0);
    assert_eq!(home.exchange().figures.awaited.load(Ordering::Relaxed), 1);
    // One that is new later on has nothing of the shard's.
    let other = KnownCarrier::new(Carrier { number: 2, ..carrier() }, Spread::even(1));
    let mut others = Home::new(&other, 100, 0);
    assert!(!others.may_bind());
    port.change(&plan(&[known, other]));
    assert!(others.may_bind() && home.may_bind());
}

#[test]
fn what_waits_for_a_session_that_unbinds_comes_back_at_once_and_nothing_more_goes_by_it() {
    let mut home = Home::new(&KnownCarrier::new(carrier(), Spread::even(1)), 100, 0);
    home.session_bound(0);
    assert!(home.exchange().permits(0).push(permit(1, 9_000)).is_ok());
    home.take_permits(0);
    assert_eq!(home.in_hand(), 1);
    home.retire(0);
    assert_eq!(come_back(&home), [1]);
    assert!(home.exchange().permits(0).push(permit(2, 9_000)).is_ok());
    home.take_permits(0);
    assert_eq!(come_back(&home), [2]);
    home.session_bound(0);
    assert!(home.exchange().permits(0).push(permit(3, 9_000)).is_ok());
    home.take_permits(0);
    assert_eq!((come_back(&home), home.in_hand()), (vec![], 1), "bound anew, it takes again");
}
