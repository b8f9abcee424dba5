//! Receipts that carriers owe from before a start.

use hayauma::network::port::{
    AttemptHandle, AttemptOutcome, AttemptSlot, AttemptToken, AwaitedSegment, Network, Reports,
    StatusReport,
};
use hayauma::network::routes::{CarrierChoice, Routes, Rule};
use hayauma::network::smpp::carrier::Carrier;
use hayauma::network::smpp::exchange::{CarrierPlan, KnownCarrier, Spread};
use hayauma::smsc::outcome::AttemptResult;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tests::lone_shard::{LoneShard, START_MS, Setup, msn};
use tests::push::{Body, XPID};
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::Msn;
use wire::terms::time::EvenMs;

/// Segments of a push.
const SEGMENTS: usize = 2;

/// A carrier that takes whatever comes, and sends no receipt.
#[derive(Default)]
struct Taker {
    slot: AttemptSlot,
    taken: VecDeque<(AttemptToken, Msn)>,
    ids: Vec<u8>,
    count: u16,
    reports: Reports,
    /// What it was told of in this turn: the ids.
    awaited: Vec<Vec<u8>>,
    has_heard_all: bool,
}

impl Network for Taker {
    fn last_route(&self) -> u8 {
        1
    }

    fn reserve(&mut self, route: u8) -> Option<AttemptHandle> {
        self.slot.clear();
        (route == 1).then_some(AttemptHandle::of_slot(0))
    }

    fn slot(&mut self, _: &AttemptHandle) -> &mut AttemptSlot {
        &mut self.slot
    }

    fn submit(&mut self, handle: AttemptHandle, _: EvenMs) {
        assert_eq!((handle.slot(), self.slot.mask()), (0, (1 << SEGMENTS) - 1));
        self.taken.push_back((self.slot.token, self.slot.msn));
    }

    fn release(&mut self, handle: AttemptHandle) {
        assert_eq!(handle.slot(), 0);
    }

    fn poll(&mut self, _: EvenMs) -> Option<AttemptOutcome<'_>> {
        let (token, msn) = self.taken.pop_front()?;
        self.ids.clear();
        for _ in 0..SEGMENTS {
            self.count += 1;
            self.ids.push(2);
            self.ids.extend(self.count.to_be_bytes());
        }
        Some(AttemptOutcome {
            token,
            msn,
            result: AttemptResult::HandedOver,
            domain: Some(Domain::Carrier),
            row: 0,
            delivered_mask: 0,
            unanswered_mask: 0,
            taken_mask: (1 << SEGMENTS) - 1,
            carrier: 1,
            ids: &self.ids,
            reports: &self.reports,
        })
    }

    fn reports(&mut self, _: EvenMs) -> Option<StatusReport<'_>> {
        None
    }

    fn reachable(&mut self, _: EvenMs) -> Option<Msn> {
        None
    }

    fn await_receipt(&mut self, segment: AwaitedSegment<'_>) {
        assert!(!self.has_heard_all, "it was told that there are no more");
        assert_eq!(segment.carrier, 1);
        self.awaited.push(segment.id.to_vec());
    }

    fn all_awaited(&mut self) {
        self.has_heard_all = true;
    }

    fn next_due_ms(&self) -> Option<EvenMs> {
        None
    }
}

/// Everything goes by the first carrier.
fn plan() -> CarrierPlan {
    let choice = CarrierChoice::of(1);
    let rule = Rule { prefix: "0".to_owned(), xpid: None, class: None, choice };
    let routes = Arc::new(Routes::new(vec![rule]).expect("one choice"));
    let carriers = vec![KnownCarrier::new(Carrier::default(), Spread::even(1))].into();
    CarrierPlan { carriers, routes }
}

#[test]
fn a_start_tells_carriers_of_the_receipts_that_they_owe_some_in_a_turn_and_of_each_once() {
    const PUSHES: usize = 700;
    const TOLD_IN_A_TURN_MAX: usize = 512;
    let directory = tempfile::tempdir().expect("a directory");
    let setup = Setup::new(&[XPID]);
    let mut shard = LoneShard::open(directory.path(), &setup, START_MS);
    shard.shard.set_carriers(&plan());
    let mut carrier = Taker::default();
    let text = "a".repeat(200);
    for number in 0..PUSHES as u64 {
        let push = Body::text(&msn(number), &format!("push-{number}"), &text);
        assert_eq!(shard.ask_patiently(&push, START_MS), Code::ACCEPTED);
    }
    let ids = PUSHES * SEGMENTS;
    tests::wait::until_true("all taken", || {
        shard.work_over(&mut carrier, START_MS + 1);
        usize::from(carrier.count) == ids
    });
    assert!(carrier.has_heard_all && carrier.awaited.is_empty(), "nothing was owed before");
    drop(shard);

    let mut shard = LoneShard::open(directory.path(), &setup, START_MS + 1_000);
    shard.shard.set_carriers(&plan());
    let mut carrier = Taker::default();
    let mut told = BTreeSet::new();
    let mut turns = 0;
    while !carrier.has_heard_all {
        shard.work_over(&mut carrier, START_MS + 1_001);
        turns += 1;
        let some = std::mem::take(&mut carrier.awaited);
        assert!((1..=TOLD_IN_A_TURN_MAX).contains(&some.len()), "{} in turn {turns}", some.len());
        some.into_iter().for_each(|id| assert!(told.insert(id), "it is told of twice"));
    }
    assert_eq!((told.len(), turns), (ids, ids.div_ceil(TOLD_IN_A_TURN_MAX)));
    assert_eq!(carrier.count, 0, "nothing is sent again");
}
