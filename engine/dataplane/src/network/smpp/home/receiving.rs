//! What a carrier sends: receipts, whose they are, and when they are answered.

use super::Home;
use crate::network::port::{ReceiptReply, ReceiptSays};
use crate::network::smpp::exchange::{RECEIPTS_UNDER_WAY_MAX, bit_of, next};
use crate::network::smpp::outcome::receipt_of;
use crate::network::smpp::receipts::{Arrived, Received};
use std::sync::atomic::Ordering;
use wire::smpp::address::msn_of;
use wire::smpp::oddities::Oddities;
use wire::smpp::pdu::Body;
use wire::smpp::receipt::Receipt;
use wire::smpp::session::RequestId;
use wire::terms::code::Code;
use wire::terms::ownership::shard_of;
use wire::terms::time::SteadyMs;

impl Home {
    /// Whether the ids of all pushes that were handed over before are here: only then may the
    /// carrier be bound to.
    pub fn may_bind(&mut self) -> bool {
        self.hear_announced();
        self.unannounced.is_empty() && self.announced.is_empty()
    }

    /// Takes what shards have told that they await, at the start or later.
    fn hear_announced(&mut self) {
        if self.exchange.take_announces() {
            for shard in 0..self.exchange.shards() {
                if let Some(awaited) = self.exchange.take_announced(shard) {
                    self.announced.extend(awaited);
                    self.unannounced.retain(|other| *other != shard);
                }
            }
        }
        // Some a turn: there may be millions.
        for (id, awaited) in self.announced.pop_front().into_iter().flatten() {
            let early = self.receipts.await_id(&id, awaited);
            self.receipts.matched.extend(early);
        }
    }

    /// A message of the carrier, which `reply` would answer. Whether it is to be answered at once;
    /// what is not is answered by [`Home::take_reply`].
    pub fn handle_message(
        &mut self,
        body: &Body<'_>,
        oddities: Oddities,
        reply: ReceiptReply,
        now_ms: SteadyMs,
    ) -> bool {
        self.note_oddities(oddities);
        let figures = &self.exchange.figures;
        let receipt = match body {
            Body::Message(message) => Receipt::of_message(message),
            Body::Data(data) => Receipt::of_data(data),
            _ => None,
        };
        let Some(receipt) = receipt else {
            figures.add(|figures| &figures.messages, 1);
            return true;
        };
        if let Some(state) = receipt.state {
            figures.details.note_receipt(state);
        }
        let says = receipt.state.filter(|_| !receipt.is_intermediate).and_then(receipt_of);
        let (Some(id), Some(says)) = (receipt.id, says) else { return true };
        let says = match says {
            ReceiptSays::Failed(Code::CARRIER_FAILED) => {
                ReceiptSays::Failed(self.carrier.meanings.of_error(&receipt))
            }
            says => says,
        };
        let numbers = numbers_of(body);
        let arrived = Arrived { id, says, numbers, reply };
        if let Some(reference) = receipt.user_message_reference
            && !self.receipts.awaits(id)
            && let Some(whose) = self.doubts.take_by_reference(reference, numbers)
        {
            self.exchange.figures.add(|figures| &figures.taken_late, 1);
            self.receipts.settle_doubt(&arrived, whose);
            return false;
        }
        let received = self.receipts.receive(arrived, now_ms);
        if received == Received::Matched && self.receipts.last_since_ms != SteadyMs::ZERO {
            let took_ms = now_ms.since(self.receipts.last_since_ms);
            self.exchange.figures.details.note_receipted(took_ms);
        }
        received == Received::Useless
    }

    /// alert_notification: the carrier says that a phone is reachable again, whose pushes need not
    /// wait for their next time.
    pub fn handle_alert(&mut self, body: &Body<'_>) {
        let Body::Alert(alert) = body else { return };
        let Some(msn) = msn_of(&alert.source, self.carrier.country) else { return };
        self.exchange.figures.add(|figures| &figures.alerts, 1);
        let owner = shard_of(msn, self.exchange.shards());
        // Where too many are said at once they wait for their times.
        if self.exchange.reachable(owner).push(msn).is_ok() {
            self.called |= bit_of(owner);
        }
    }

    /// What is probably set wrong: how ids are written. Once.
    pub fn take_advice(&mut self) -> Option<&'static str> {
        self.receipts.take_advice()
    }

    /// Pushes that expire while they wait for a session, and receipts that came early and whose ids
    /// stay unknown.
    pub fn handle_time(&mut self, now_ms: SteadyMs) {
        self.return_expired(now_ms);
        if self.unannounced.is_empty() {
            // What is told of late; the rest is looked at before anything is bound.
            self.hear_announced();
        }
        self.receipts.handle_time(now_ms);
        let figures = &self.exchange.figures;
        figures.awaited.store(self.receipts.awaited() as u64, Ordering::Relaxed);
        figures.unknown.store(self.receipts.unknown, Ordering::Relaxed);
        figures.unmatched.store(self.receipts.unmatched, Ordering::Relaxed);
        figures.ids_given_again.store(self.receipts.given_again, Ordering::Relaxed);
    }

    /// Passes receipts on to their shards, as many as their rings take.
    pub fn pass_receipts(&mut self) -> bool {
        let mut busy = false;
        for _ in 0..self.receipts.matched.len() {
            let Some(receipt) = self.receipts.matched.pop_front() else { break };
            let owner = receipt.token.partition as usize;
            if self.under_way[owner] >= RECEIPTS_UNDER_WAY_MAX {
                self.receipts.matched.push_back(receipt);
                continue;
            }
            let refused = self.exchange.receipts(owner).push(receipt);
            assert!(refused.is_ok(), "no more are under way than there are places");
            self.under_way[owner] += 1;
            self.exchange.figures.add(|figures| &figures.receipts, 1);
            self.called |= bit_of(owner);
            busy = true;
        }
        busy
    }

    /// The next message of the carrier that may be answered.
    pub fn take_reply(&mut self) -> Option<(ReceiptReply, RequestId)> {
        loop {
            let reply = self.next_reply()?;
            if let Some(request) = reply.request {
                return Some((reply, request));
            }
        }
    }

    fn next_reply(&mut self) -> Option<ReceiptReply> {
        if let Some(reply) = self.receipts.replies.pop_front() {
            return Some(reply);
        }
        let shards = self.exchange.shards();
        for _ in 0..shards {
            let owner = self.rotation % shards;
            if let Some(reply) = next(self.exchange.recorded(owner)) {
                self.under_way[owner] -= 1;
                return Some(reply);
            }
            self.rotation = self.rotation.wrapping_add(1);
        }
        None
    }
}

/// The addresses of a message of the carrier.
fn numbers_of<'a>(body: &Body<'a>) -> [&'a [u8]; 2] {
    match body {
        Body::Message(message) => [message.source.digits, message.destination.digits],
        Body::Data(data) => [data.source.digits, data.destination.digits],
        _ => [&[]; 2],
    }
}
