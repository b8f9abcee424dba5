//! A shard's end of the carriers.

use crate::network::port::{
    AttemptHandle, AttemptSlot, CarrierReceipt, Outcome, ReceiptReply, Reports, Token,
};
use crate::network::smpp::exchange::{AwaitedSegment, Exchange, Permit};
use crate::network::smpp::outcome::Verdict;
use std::sync::Arc;
use wire::terms::domain::Domain;

/// The bit that tells a carrier's handle from one of the core network.
const CARRIER_HANDLE: u32 = 1 << 31;

/// One carrier.
struct End {
    exchange: Arc<Exchange>,
    #[allow(
        clippy::vec_box,
        reason = "the boxes travel: their addresses are what the rings carry"
    )]
    free: Vec<Box<Permit>>,
    filling: Option<Box<Permit>>,
    /// A receipt that came before all outcomes were taken.
    held: Option<CarrierReceipt>,
    announced: Vec<AwaitedSegment>,
}

/// A shard's end of every carrier.
pub struct CarrierPort {
    shard: usize,
    ends: Vec<End>,
    /// The permit that came back last, and whose it is.
    settled: Option<(usize, Box<Permit>)>,
    reports: Reports,
    /// Homes that something was put before since the last call.
    called: u64,
}

impl CarrierPort {
    /// Shard `shard`'s end of these carriers.
    pub fn new(shard: usize, exchanges: &[Arc<Exchange>]) -> Self {
        let permit = || {
            let (slot, verdict) = (AttemptSlot::new(), Verdict::default());
            Box::new(Permit { owner: shard, slot, verdict, ids: Vec::new() })
        };
        let end = |exchange: &Arc<Exchange>| End {
            free: (0..exchange.carrier.permits(exchange.shards())).map(|_| permit()).collect(),
            exchange: Arc::clone(exchange),
            filling: None,
            held: None,
            announced: Vec::new(),
        };
        let ends = exchanges.iter().map(end).collect();
        Self { shard, ends, settled: None, reports: Reports::new(), called: 0 }
    }

    /// Whether there is any carrier.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether the handle is one of these.
    pub fn is_its(handle: &AttemptHandle) -> bool {
        handle.slot() & CARRIER_HANDLE != 0
    }

    /// Takes a permit of the carrier with this number; none where it takes nothing now, or all are
    /// under way.
    pub fn reserve(&mut self, route: u8) -> Option<AttemptHandle> {
        self.reclaim();
        let at = self.ends.iter().position(|end| end.exchange.carrier.number == route)?;
        let end = &mut self.ends[at];
        if !end.exchange.is_dealing() {
            return None;
        }
        let mut permit = end.free.pop()?;
        permit.slot.clear();
        end.filling = Some(permit);
        Some(AttemptHandle::of_slot(CARRIER_HANDLE | at as u32))
    }

    fn end_of(&mut self, handle: &AttemptHandle) -> &mut End {
        &mut self.ends[(handle.slot() & !CARRIER_HANDLE) as usize]
    }

    /// The slot to be filled.
    pub fn slot(&mut self, handle: &AttemptHandle) -> &mut AttemptSlot {
        let permit = self.end_of(handle).filling.as_mut();
        &mut permit.expect("a handle is of a permit that is being filled").slot
    }

    /// Sends the permit to the carrier's home.
    pub fn submit(&mut self, handle: &AttemptHandle) {
        let shard = self.shard;
        let end = self.end_of(handle);
        let permit = end.filling.take().expect("a permit is submitted once");
        assert!(permit.slot.mask() != 0, "an attempt sends at least one segment");
        let refused = end.exchange.permits(shard).push(permit);
        assert!(refused.is_ok(), "there are as many permits as places");
        let home = end.exchange.home();
        self.called |= 1 << home;
    }

    /// Gives a permit back unused.
    pub fn release(&mut self, handle: &AttemptHandle) {
        let end = self.end_of(handle);
        let permit = end.filling.take().expect("a permit is released once");
        end.free.push(permit);
    }

    /// Whether [`Self::poll`] has one.
    #[inline]
    pub fn has_outcomes(&self) -> bool {
        self.ends.iter().any(|end| !end.exchange.settled(self.shard).is_empty())
    }

    /// The outcome polled last has been read: its permit is free.
    fn reclaim(&mut self) {
        if let Some((at, permit)) = self.settled.take() {
            self.ends[at].free.push(permit);
        }
    }

    /// The next permit that came back.
    pub fn poll(&mut self) -> Option<Outcome<'_>> {
        self.reclaim();
        let shard = self.shard;
        let next = self.ends.iter().enumerate();
        let (at, permit) =
            next.filter_map(|(at, end)| Some((at, end.exchange.settled(shard).pop()?))).next()?;
        let carrier = self.ends[at].exchange.carrier.number;
        let (_, permit) = self.settled.insert((at, permit));
        let verdict = permit.verdict;
        Some(Outcome {
            token: permit.slot.token,
            msn: permit.slot.msn,
            result: verdict.result(),
            domain: verdict.is_attempt().then_some(Domain::Carrier),
            row: 0,
            delivered_mask: verdict.delivered_mask,
            unanswered_mask: verdict.doubt_mask,
            taken_mask: verdict.taken_mask,
            carrier,
            ids: &permit.ids,
            reports: &self.reports,
        })
    }

    /// The next receipt, once every outcome that came before it has been taken.
    pub fn receipts(&mut self) -> Option<CarrierReceipt> {
        let shard = self.shard;
        self.ends.iter_mut().find_map(|end| {
            let receipt = end.held.take().or_else(|| end.exchange.receipts(shard).pop())?;
            // It was put there behind the permit that it is about.
            if end.exchange.settled(shard).is_empty() {
                return Some(receipt);
            }
            end.held = Some(receipt);
            None
        })
    }

    /// What a receipt changed is durable.
    pub fn acknowledge(&mut self, reply: ReceiptReply) {
        let at = self.ends.iter().position(|end| end.exchange.carrier.number == reply.carrier);
        let Some(end) = at.map(|at| &self.ends[at]) else { return };
        // The home sends no more receipts than fit, so there is room for their replies.
        let _ = end.exchange.recorded(self.shard).push(reply);
        self.called |= 1 << end.exchange.home();
    }

    /// The shard starts with a segment that a carrier took before.
    pub fn await_receipt(
        &mut self,
        token: Token,
        push_id: u64,
        carrier: u8,
        segment: u8,
        id: &[u8],
    ) {
        let end = self.ends.iter_mut().find(|end| end.exchange.carrier.number == carrier);
        if let Some(end) = end {
            end.announced.push(AwaitedSegment { token, push_id, segment, id: id.into() });
        }
    }

    /// The shard has told of all that it awaits: carriers may bind.
    pub fn all_awaited(&mut self) {
        for end in &mut self.ends {
            end.exchange.announce(self.shard, std::mem::take(&mut end.announced));
            self.called |= 1 << end.exchange.home();
        }
    }

    /// Whether anything waits for the shard.
    pub fn has_arrivals(&self) -> bool {
        self.ends.iter().any(|end| end.held.is_some() || end.exchange.has_for(self.shard))
    }

    /// The shards whose threads are homes that something was put before since the last call.
    pub fn take_called(&mut self) -> u64 {
        std::mem::take(&mut self.called)
    }
}
