//! What carriers are still to be asked about pushes that they have, cancel_sm and query_sm, as fast
//! as they find room for it.
//!
//! **Never here:** whether a push is to be asked about, or what comes of it. **Invariants:** who is
//! to be asked is asked, however many there are at once: what finds no room waits for it, up to a
//! bound beyond which the oldest is let go and told of; what a receipt has settled meanwhile is
//! asked of nobody; one carrier's questions keep no other's waiting.

use super::Shard;
use crate::billing::Log;
use crate::network::port::{Asked, CarrierQuestion, Network};
use crate::smsc::pushes::{Push, PushIndex, flag};
use std::collections::{BTreeMap, VecDeque};
use wire::sms::limits::SEGMENTS_MAX;
use wire::terms::time::WallMs;

/// Pushes that wait to be asked about, of each carrier: sixteen octets each.
const WAITING_MAX: usize = 1 << 22;
/// Memory is taken for so many of them at a time.
const BLOCK: usize = 4_096;
/// Pushes that a carrier is asked about in one turn.
const PER_TURN_MAX: usize = 256;
/// How often a turn is wanted while some wait, milliseconds.
const ASKED_EVERY_MS: u64 = 20;

/// A push that a carrier is to be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ToAsk {
    push_id: u64,
    index: PushIndex,
    /// Those of its segments that are meant.
    segments: u16,
    asked: Asked,
}
const _: () = assert!(size_of::<ToAsk>() == 16, "as many octets as are promised");

/// Those of one carrier, the first one first.
#[derive(Default)]
struct Waiting {
    blocks: VecDeque<VecDeque<ToAsk>>,
    count: usize,
    /// Pushes that it was not asked about, for there were too many, and nobody has counted yet.
    let_go: u64,
}

impl Waiting {
    /// One more waits; whether the oldest had to go for it.
    fn push(&mut self, to_ask: ToAsk) -> bool {
        let is_full = self.count >= WAITING_MAX && self.pop().is_some();
        self.let_go += u64::from(is_full);
        if self.blocks.back().is_none_or(|block| block.len() == BLOCK) {
            self.blocks.push_back(VecDeque::with_capacity(BLOCK));
        }
        if let Some(block) = self.blocks.back_mut() {
            block.push_back(to_ask);
            self.count += 1;
        }
        is_full
    }

    fn pop(&mut self) -> Option<ToAsk> {
        let block = self.blocks.front_mut()?;
        let to_ask = block.pop_front();
        if block.is_empty() {
            self.blocks.pop_front();
        }
        self.count -= usize::from(to_ask.is_some());
        to_ask
    }
}

/// What a shard has its carriers asked.
#[derive(Default)]
pub(super) struct Questions {
    by_carrier: BTreeMap<u8, Waiting>,
    /// Pushes that no carrier was asked about, for there were too many.
    let_go: u64,
    /// When those that wait are looked at again; `None`: none wait.
    due_ms: Option<WallMs>,
}

impl Questions {
    pub(super) fn due_ms(&self) -> Option<WallMs> {
        self.due_ms
    }

    fn add(&mut self, carrier: u8, to_ask: ToAsk) {
        if self.by_carrier.entry(carrier).or_default().push(to_ask) {
            self.let_go += 1;
            if self.let_go.is_power_of_two() {
                let let_go = self.let_go;
                tracing::warn!(carrier, let_go, "a carrier is not asked about all that it has");
            }
        }
    }
}

impl<L: Log> Shard<L> {
    /// The carriers that have segments of the push of which no receipt came are asked about it.
    pub(super) fn ask_carriers(&mut self, index: PushIndex, asked: Asked) {
        self.ask_about(index, u16::MAX, asked);
    }

    /// Carriers have taken these segments of a push. Where that was cancelled meanwhile they are
    /// asked to deliver it no more.
    pub(super) fn ask_back(&mut self, index: PushIndex, taken_mask: u16) {
        if is_wanted_back(self.core.push(index)) {
            self.ask_about(index, taken_mask, Asked::Cancel);
        }
    }

    fn ask_about(&mut self, index: PushIndex, segments: u16, asked: Asked) {
        let Some(push_id) = self.core.live_at(index).map(|push| push.push_id) else { return };
        for carrier in self.carriers_that_have(index, segments, asked) {
            self.by_carriers.questions.add(carrier, ToAsk { push_id, index, segments, asked });
        }
    }

    /// Puts questions to the network, as many as their carriers have room for.
    #[inline]
    pub(super) fn put_questions(&mut self, network: &mut impl Network, now_ms: WallMs) {
        if !self.by_carriers.questions.by_carrier.is_empty() {
            self.put_all_questions(network, now_ms);
        }
    }

    fn put_all_questions(&mut self, network: &mut impl Network, now_ms: WallMs) {
        let mut questions = std::mem::take(&mut self.by_carriers.questions);
        for (carrier, waiting) in &mut questions.by_carrier {
            let let_go = std::mem::take(&mut waiting.let_go);
            if let_go > 0 {
                network.let_go_of_questions(*carrier, let_go);
            }
            for _ in 0..PER_TURN_MAX {
                if network.room_for_questions(*carrier) < usize::from(SEGMENTS_MAX) {
                    break;
                }
                let Some(to_ask) = waiting.pop() else { break };
                let ToAsk { push_id, index, segments, asked } = to_ask;
                let is_live = |push: &Push| push.push_id == push_id;
                if !self.core.live_at(index).is_some_and(is_live) {
                    continue;
                }
                let its = |question: &CarrierQuestion| question.carrier == *carrier;
                let questions = self.questions_about(index, segments, asked);
                questions.filter(its).for_each(|one| network.ask(one));
            }
        }
        questions.by_carrier.retain(|_, waiting| waiting.count > 0);
        let waits = !questions.by_carrier.is_empty();
        questions.due_ms = waits.then(|| now_ms + ASKED_EVERY_MS);
        self.by_carriers.questions = questions;
    }
}

/// Whether what a carrier has of a push is not to be delivered any more.
pub(super) fn is_wanted_back(push: &Push) -> bool {
    push.has(flag::CANCEL_ACCEPTED) && !push.state.is_final()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_ask(push_id: u64) -> ToAsk {
        let (index, segments) = (push_id as PushIndex, u16::MAX);
        ToAsk { push_id, index, segments, asked: Asked::Cancel }
    }

    #[test]
    fn those_that_wait_are_asked_in_their_order_and_beyond_the_bound_the_oldest_goes() {
        let mut waiting = Waiting::default();
        let more = 3 * BLOCK as u64 / 2;
        for push_id in 0..WAITING_MAX as u64 + more {
            assert_eq!(waiting.push(to_ask(push_id)), push_id >= WAITING_MAX as u64, "{push_id}");
        }
        assert_eq!((waiting.count, waiting.let_go), (WAITING_MAX, more));
        for push_id in more..WAITING_MAX as u64 + more {
            assert_eq!(waiting.pop(), Some(to_ask(push_id)));
        }
        assert_eq!((waiting.pop(), waiting.count, waiting.blocks.len()), (None, 0, 0));
    }
}
