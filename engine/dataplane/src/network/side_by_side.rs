//! The network as it is lent to a shard: its thread's simulated core network, and beside it the
//! shard's end of the carriers.
//!
//! A push goes by the route that it was given when it was accepted: 0 is the core network, others
//! are carriers. Where no carrier is set up, nothing here costs more than a look at an empty list.

use crate::network::port::{
    AttemptHandle, AttemptOutcome, AttemptSlot, AttemptToken, AwaitedSegment, CarrierQuestion,
    CarrierReceipt, Dealers, Network, ReceiptReply, StatusReport,
};
use crate::network::routes::CORE_NETWORK;
use crate::network::simulated::SimulatedNetwork;
use crate::network::smpp::port::CarrierPort;
use wire::terms::ids::Msn;
use wire::terms::time::EvenMs;

/// Both networks, for as long as they are lent.
pub struct SideBySide<'a> {
    simulated: &'a mut SimulatedNetwork,
    carriers: &'a mut CarrierPort,
}

impl<'a> SideBySide<'a> {
    /// For the shard in this place among its thread's, with its own end of the carriers.
    #[inline]
    pub fn lent(
        simulated: &'a mut SimulatedNetwork,
        place: usize,
        carriers: &'a mut CarrierPort,
    ) -> Self {
        simulated.lend_to(place);
        Self { simulated, carriers }
    }
}

impl Network for SideBySide<'_> {
    fn last_route(&self) -> u8 {
        self.carriers.last_route()
    }

    fn dealers(&self, route: u8) -> Dealers {
        self.carriers.dealers(route)
    }

    fn slots(&self) -> usize {
        self.simulated.slots()
    }

    #[inline]
    fn reserve(&mut self, route: u8) -> Option<AttemptHandle> {
        if route == CORE_NETWORK {
            self.simulated.reserve(route)
        } else {
            self.carriers.reserve(route, false)
        }
    }

    fn reserve_for_emergency(&mut self, route: u8) -> Option<AttemptHandle> {
        self.carriers.reserve(route, true)
    }

    #[inline]
    fn unfit(&mut self, handle: &AttemptHandle) -> Option<u8> {
        if CarrierPort::is_its(handle) { self.carriers.unfit(handle) } else { None }
    }

    fn recall(&mut self, push: Option<u32>) {
        self.carriers.recall(push);
    }

    fn has_recalled(&self) -> bool {
        self.carriers.has_recalled()
    }

    #[inline]
    fn slot(&mut self, handle: &AttemptHandle) -> &mut AttemptSlot {
        if CarrierPort::is_its(handle) {
            return self.carriers.slot(handle);
        }
        self.simulated.slot(handle)
    }

    #[inline]
    fn submit(&mut self, handle: AttemptHandle, now_ms: EvenMs) {
        if CarrierPort::is_its(&handle) {
            return self.carriers.submit(&handle);
        }
        self.simulated.submit(handle, now_ms);
    }

    #[inline]
    fn release(&mut self, handle: AttemptHandle) {
        if CarrierPort::is_its(&handle) {
            return self.carriers.release(&handle);
        }
        self.simulated.release(handle);
    }

    #[inline]
    fn poll(&mut self, now_ms: EvenMs) -> Option<AttemptOutcome<'_>> {
        if self.carriers.has_outcomes() {
            return self.carriers.poll();
        }
        self.simulated.poll(now_ms)
    }

    fn next_token(&self) -> Option<AttemptToken> {
        self.simulated.next_token()
    }

    fn reports(&mut self, now_ms: EvenMs) -> Option<StatusReport<'_>> {
        self.simulated.reports(now_ms)
    }

    fn await_reachable(&mut self, msn: Msn, now_ms: EvenMs) {
        self.simulated.await_reachable(msn, now_ms);
    }

    fn reachable(&mut self, now_ms: EvenMs) -> Option<Msn> {
        self.carriers.reachable().or_else(|| self.simulated.reachable(now_ms))
    }

    fn receipts(&mut self) -> Option<CarrierReceipt> {
        self.carriers.receipts()
    }

    fn acknowledge(&mut self, reply: ReceiptReply) {
        self.carriers.acknowledge(reply);
    }

    fn room_for_questions(&self, carrier: u8) -> usize {
        self.carriers.room_for_questions(carrier)
    }

    fn let_go_of_questions(&mut self, carrier: u8, count: u64) {
        self.carriers.let_go_of_questions(carrier, count);
    }

    fn ask(&mut self, question: CarrierQuestion) {
        self.carriers.ask(question);
    }

    fn await_receipt(&mut self, segment: AwaitedSegment<'_>) {
        self.carriers.await_receipt(segment);
    }

    fn all_awaited(&mut self) {
        self.carriers.all_awaited();
    }

    fn next_due_ms(&self) -> Option<EvenMs> {
        self.simulated.next_due_ms()
    }
}
