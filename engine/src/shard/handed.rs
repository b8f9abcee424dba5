//! What carriers took: their ids, the records that say so, and their receipts.
//!
//! Invariants: what a carrier took is recorded before anything that its receipts cause; a receipt
//! is acknowledged when all that was appended until it was taken is durable, its record and the
//! one that its first coming caused among it.

use super::{Shard, fatal_if_full};
use crate::billing::Log;
use crate::journal::{Handed, Record};
use crate::network::port::{Network, ReceiptSays, Token};
use crate::smsc::core::Core;
use crate::smsc::handed::Receipt;
use crate::smsc::pushes::{Push, PushIndex, flag};
use crate::smsc::state::State;
use std::collections::HashMap;
use wire::terms::code::Code;
use wire::terms::time::WallMs;

/// The carrier's ids of the segments of one push.
#[derive(Clone, Default, Debug)]
struct PushIds {
    carrier: u8,
    /// Segment and id, in the order in which they were taken.
    ids: Vec<(u8, Box<[u8]>)>,
}

impl PushIds {
    fn note(&mut self, carrier: u8, taken_mask: u16, ids: &[u8]) {
        self.carrier = carrier;
        let mut rest = ids;
        for segment in (0..u16::BITS as u8).filter(|segment| taken_mask >> segment & 1 == 1) {
            let Some((&length, behind)) = rest.split_first() else { return };
            let Some((id, behind)) = behind.split_at_checked(usize::from(length)) else { return };
            self.ids.retain(|&(other, _)| other != segment);
            self.ids.push((segment, id.into()));
            rest = behind;
        }
    }

    /// The mask of the segments, and their ids as a record has them.
    fn as_recorded(&self) -> (u16, Vec<u8>) {
        let mut sorted: Vec<_> = self.ids.iter().collect();
        sorted.sort_by_key(|(segment, _)| *segment);
        let mut octets = Vec::new();
        let mut mask = 0;
        for (segment, id) in sorted {
            mask |= 1 << segment;
            octets.push(id.len() as u8);
            octets.extend_from_slice(id);
        }
        (mask, octets)
    }
}

/// The ids of what carriers have of a shard's pushes.
#[derive(Default)]
pub(super) struct Ids {
    pushes: HashMap<PushIndex, PushIds>,
}

impl Ids {
    pub(super) fn note(&mut self, index: PushIndex, carrier: u8, taken_mask: u16, ids: &[u8]) {
        self.pushes.entry(index).or_default().note(carrier, taken_mask, ids);
    }

    /// The push has ended.
    #[inline]
    pub(super) fn forget(&mut self, index: PushIndex) {
        if !self.pushes.is_empty() {
            self.pushes.remove(&index);
        }
    }
}

/// Ids as a journal is read, by the pushes' numbers.
#[derive(Default)]
pub(super) struct ReadIds {
    pushes: HashMap<u64, PushIds>,
}

impl ReadIds {
    pub(super) fn look(&mut self, record: &Record<'_>) {
        match record {
            Record::Handed(handed) => {
                let handed = handed.to_native();
                let known = self.pushes.entry(handed.push_id).or_default();
                known.note(handed.carrier, handed.taken_mask, handed.ids);
            }
            Record::Ended(ended) if !self.pushes.is_empty() => {
                self.pushes.remove(&ended.push_id.to_native());
            }
            _ => {}
        }
    }

    /// Those of pushes that live.
    pub(super) fn of_live(mut self, core: &Core) -> Ids {
        let mut ids = Ids::default();
        if self.pushes.is_empty() {
            return ids;
        }
        for index in 0..core.indices_used() as PushIndex {
            let Some(push) = core.live_at(index).filter(|push| !push.state.is_final()) else {
                continue;
            };
            if let Some(known) = self.pushes.remove(&push.push_id) {
                ids.pushes.insert(index, known);
            }
        }
        ids
    }
}

impl<L: Log> Shard<L> {
    /// A carrier took these segments.
    pub(super) fn journal_taken(&mut self, index: PushIndex, taken_mask: u16, now_ms: WallMs) {
        self.counted.segments_taken += u64::from(taken_mask.count_ones());
        self.journal_handed(index, taken_mask, now_ms);
    }

    /// Appends a Handed record with the ids of these segments.
    pub(super) fn journal_handed(&mut self, index: PushIndex, taken_mask: u16, now_ms: WallMs) {
        let (known, ids) = match self.ids.pushes.get(&index) {
            Some(push) if taken_mask != 0 => {
                let of_these = |&&(segment, _): &&(u8, Box<[u8]>)| taken_mask >> segment & 1 == 1;
                let ids = push.ids.iter().filter(of_these).cloned().collect();
                PushIds { carrier: push.carrier, ids }.as_recorded()
            }
            _ => (0, Vec::new()),
        };
        self.append_handed(index, known, &ids, now_ms);
    }

    /// Cleaning has moved the push: what carriers have of it is recorded again behind it.
    pub(super) fn journal_handed_again(&mut self, index: PushIndex, now_ms: WallMs) {
        if self.core.handing(index).is_none() || self.core.push(index).state.is_final() {
            return;
        }
        let known = self.ids.pushes.get(&index).map(PushIds::as_recorded);
        let (mask, ids) = known.unwrap_or_default();
        self.append_handed(index, mask, &ids, now_ms);
    }

    fn append_handed(&mut self, index: PushIndex, taken_mask: u16, ids: &[u8], now_ms: WallMs) {
        let (_, failed_mask, code) = self.core.handing(index).unwrap_or_default();
        let carrier = self.ids.pushes.get(&index).map_or(0, |push| push.carrier);
        let push = self.core.push(index);
        let record = Handed {
            push_id: push.push_id,
            at_ms: now_ms.ms(),
            taken_mask,
            failed_mask,
            delivered_mask: push.delivered_mask,
            attempts: attempts_of(push),
            code: code.map_or(0, Code::number),
            carrier,
            in_doubt: push.has(flag::IN_DOUBT),
            ids,
        };
        fatal_if_full(self.journal.append_handed(&record));
    }

    /// Takes the receipts that carriers have for this shard.
    pub(super) fn take_receipts(
        &mut self,
        network: &mut impl Network,
        now_ms: WallMs,
        budget: usize,
    ) -> bool {
        let mut busy = false;
        for _ in 0..budget {
            let Some(receipt) = network.receipts() else { break };
            busy = true;
            let says = match receipt.says {
                ReceiptSays::Delivered => Receipt::Delivered,
                ReceiptSays::Failed(code) => Receipt::Failed(code),
            };
            let (index, push_id, segment) = (receipt.token.push, receipt.push_id, receipt.segment);
            let center_ms = self.pace.center(now_ms);
            if self.core.handle_receipt(index, push_id, segment, says, center_ms) {
                self.counted.segments_delivered += u64::from(says == Receipt::Delivered);
                self.carry_out_effects(now_ms);
            }
            self.receipts.push_back((self.journal.appended(), receipt.reply));
        }
        busy
    }

    /// Receipts whose records are durable are acknowledged.
    pub(super) fn acknowledge_receipts(&mut self, network: &mut impl Network) -> bool {
        let durable = self.durable();
        let mut busy = false;
        while let Some(&(sequence, reply)) = self.receipts.front()
            && sequence <= durable
        {
            self.receipts.pop_front();
            network.acknowledge(reply);
            busy = true;
        }
        busy
    }

    /// At a start: the carriers are told which receipts are awaited.
    pub(super) fn await_receipts(&mut self, network: &mut impl Network) {
        for (&index, known) in &self.ids.pushes {
            let push = self.core.push(index);
            let token = Token { partition: self.number as u32, push: index };
            for (segment, id) in &known.ids {
                network.await_receipt(token, push.push_id, known.carrier, *segment, id);
            }
        }
        network.all_awaited();
    }
}

fn attempts_of(push: &Push) -> u16 {
    debug_assert!(push.state != State::Received, "nobody takes what is not durable");
    u16::from(push.attempts())
}
