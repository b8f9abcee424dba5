//! What carriers took: their ids, the records that say so, and their receipts.
//!
//! Invariants: what a carrier took is recorded before anything that its receipts cause; a receipt
//! is acknowledged when all that was appended until it was taken is durable, its record and the
//! one that its first coming caused among it; one that had to be acknowledged before its answer
//! came is recorded in one turn with that.

use super::questions::is_wanted_back;
use super::{Shard, fatal_if_full};
use crate::billing::Log;
use crate::journal::{Handed, Position, Record};
use crate::network::port::{
    ALL_SEGMENTS, Asked, AttemptToken, AwaitedSegment, CarrierQuestion, CarrierReceipt, Network,
    ReceiptSays,
};
use crate::smsc::by_push::ByPush;
use crate::smsc::core::Core;
use crate::smsc::handed::Receipt;
use crate::smsc::handing_over::Elsewhere;
use crate::smsc::mutation::CoreMutation;
use crate::smsc::pushes::{Push, PushIndex, flag};
use crate::smsc::row_ids::is_row;
use crate::smsc::state::State;
use std::collections::HashMap;
use wire::terms::code::Code;
use wire::terms::time::WallMs;

/// Segments of which carriers are told in a turn that their receipts are awaited: the homes take as
/// many.
const AWAITED_PER_TURN_MAX: usize = 512;
const _: () = assert!(AWAITED_PER_TURN_MAX >= u16::BITS as usize, "a push's come in one turn");

/// The ids of the segments of one push.
#[derive(Clone, Default, Debug)]
struct PushIds {
    /// In the order in which they were taken.
    ids: Vec<SegmentId>,
}

/// What a carrier calls a segment.
#[derive(Clone, Debug)]
struct SegmentId {
    segment: u8,
    carrier: u8,
    id: Box<[u8]>,
}

impl PushIds {
    fn note(&mut self, carrier: u8, taken_mask: u16, ids: &[u8]) {
        let mut rest = ids;
        for segment in (0..u16::BITS as u8).filter(|segment| taken_mask >> segment & 1 == 1) {
            let Some((&length, behind)) = rest.split_first() else { return };
            let Some((id, behind)) = behind.split_at_checked(usize::from(length)) else { return };
            self.ids.retain(|other| other.segment != segment);
            self.ids.push(SegmentId { segment, carrier, id: id.into() });
            rest = behind;
        }
    }

    /// These segments go by another carrier.
    fn drop_segments(&mut self, mask: u16) {
        self.ids.retain(|id| mask >> id.segment & 1 == 0);
    }

    /// The carriers that have any of these segments, each once.
    fn carriers(&self, mask: u16) -> Vec<u8> {
        let mut carriers: Vec<u8> =
            self.ids.iter().filter(|id| mask >> id.segment & 1 == 1).map(|id| id.carrier).collect();
        carriers.sort_unstable();
        carriers.dedup();
        carriers
    }

    /// Which of these segments the carrier has, and their ids as a record has them.
    fn as_recorded(&self, carrier: u8, of_these: u16) -> (u16, Vec<u8>) {
        let is_its = |id: &&SegmentId| id.carrier == carrier && of_these >> id.segment & 1 == 1;
        let mut sorted: Vec<_> = self.ids.iter().filter(is_its).collect();
        sorted.sort_by_key(|id| id.segment);
        let mut octets = Vec::new();
        let mut mask = 0;
        for SegmentId { segment, id, .. } in sorted {
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
    pushes: ByPush<PushIds>,
}

impl Ids {
    pub(super) fn note(&mut self, index: PushIndex, carrier: u8, taken_mask: u16, ids: &[u8]) {
        self.pushes.entry(index).note(carrier, taken_mask, ids);
    }

    /// The push has ended.
    #[inline]
    pub(super) fn forget(&mut self, index: PushIndex) {
        if !self.pushes.is_empty() {
            self.pushes.remove(index);
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
                if handed.goes_elsewhere() {
                    known.drop_segments(handed.failed_mask);
                } else {
                    known.note(handed.carrier, handed.taken_mask, handed.ids);
                }
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
                *ids.pushes.entry(index) = known;
            }
        }
        ids
    }
}

impl<L: Log> Shard<L> {
    /// A carrier took these segments. Where the push was cancelled meanwhile it is asked to deliver
    /// them no more.
    pub(super) fn note_taken(
        &mut self,
        index: PushIndex,
        carrier: u8,
        taken_mask: u16,
        now_ms: WallMs,
    ) {
        self.journal_taken(index, carrier, taken_mask, now_ms);
        self.ask_back(index, taken_mask);
    }

    fn journal_taken(&mut self, index: PushIndex, carrier: u8, taken_mask: u16, now_ms: WallMs) {
        self.counted.segments_taken += u64::from(taken_mask.count_ones());
        let known = self.ids.pushes.get(index);
        let (mask, ids) =
            known.map(|known| known.as_recorded(carrier, taken_mask)).unwrap_or_default();
        self.append_handed(index, carrier, (mask, &ids), now_ms);
    }

    /// Appends a Handed record of what receipts said.
    pub(super) fn journal_handed(&mut self, index: PushIndex, now_ms: WallMs) {
        if self.core.push(index).is_row() {
            return self.note_handing(index, None, now_ms);
        }
        if !self.core.push(index).state.is_final() {
            self.append_handed(index, 0, (0, &[]), now_ms);
        }
    }

    /// Cleaning has moved the push: what carriers have of it is recorded again behind it.
    pub(super) fn journal_handed_again(&mut self, index: PushIndex, now_ms: WallMs) {
        if self.core.handing(index).is_none() || self.core.push(index).state.is_final() {
            return;
        }
        let known = self.ids.pushes.get(index).cloned().unwrap_or_default();
        if self.core.avoided(index) != 0 {
            self.append_elsewhere(index, 0, now_ms);
        }
        let carriers = known.carriers(u16::MAX);
        if carriers.is_empty() {
            return self.journal_handed(index, now_ms);
        }
        for carrier in carriers {
            let (mask, ids) = known.as_recorded(carrier, u16::MAX);
            self.append_handed(index, carrier, (mask, &ids), now_ms);
        }
    }

    /// What a carrier could not deliver of the push goes by another.
    pub(super) fn journal_elsewhere(&mut self, index: PushIndex, mask: u16, now_ms: WallMs) {
        if self.core.push(index).is_row() {
            return self.row_goes_elsewhere(index, now_ms);
        }
        self.counted.pushes_elsewhere += 1;
        if let Some(known) = self.ids.pushes.get_mut(index) {
            known.drop_segments(mask);
        }
        self.append_elsewhere(index, mask, now_ms);
    }

    fn append_elsewhere(&mut self, index: PushIndex, mask: u16, now_ms: WallMs) {
        let push = self.core.push(index);
        let record = Handed {
            push_id: push.push_id,
            at_ms: now_ms.ms(),
            taken_mask: 0,
            failed_mask: mask,
            delivered_mask: push.delivered_mask,
            attempts: attempts_of(push),
            code: 0,
            carrier: self.core.avoided(index),
            in_doubt: push.has(flag::IN_DOUBT),
            ids: &[],
        };
        fatal_if_full(self.journal.append_handed(&record));
    }

    /// What carriers are asked about each of these segments of the push of which no receipt came.
    pub(super) fn questions_about(
        &self,
        index: PushIndex,
        segments: u16,
        asked: Asked,
    ) -> impl Iterator<Item = CarrierQuestion> + '_ {
        let push = self.core.live_at(index);
        let awaited = self.core.awaited(index) & segments;
        let rows = push.filter(|push| push.is_row());
        let rows = rows.map(|push| self.broadcasts.questions_of(push, awaited, asked));
        let single = push.filter(|push| !push.is_row()).zip(self.ids.pushes.get(index));
        let singles = single.map(move |(push, known)| {
            let sender = self.journal.accepted(Position::from_bits(push.position)).sender;
            let is_asked = move |id: &&SegmentId| awaited >> id.segment & 1 == 1;
            known.ids.iter().filter(is_asked).map(move |id| CarrierQuestion {
                carrier: id.carrier,
                asked,
                msn: push.msn(),
                sender: sender.into(),
                id: id.id.clone(),
            })
        });
        rows.into_iter().flatten().chain(singles.into_iter().flatten())
    }

    /// The carriers that have any of those segments, each once, as far as they can be asked that.
    pub(super) fn carriers_that_have(
        &self,
        index: PushIndex,
        segments: u16,
        asked: Asked,
    ) -> Vec<u8> {
        let awaited = self.core.awaited(index) & segments;
        let mut carriers = match self.core.live_at(index) {
            Some(push) if push.is_row() => self.broadcasts.carriers_of(push, awaited),
            _ => self.ids.pushes.get(index).map_or_else(Vec::new, |known| known.carriers(awaited)),
        };
        carriers.retain(|carrier| asked == Asked::Cancel || self.routes.is_queried(*carrier));
        carriers
    }

    fn append_handed(
        &mut self,
        index: PushIndex,
        carrier: u8,
        (taken_mask, ids): (u16, &[u8]),
        now_ms: WallMs,
    ) {
        let (_, failed_mask, code) = self.core.handing(index).unwrap_or_default();
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
        let (mut busy, mut left) = (false, budget);
        let (taken, mut has_rows) = (self.receipts.len(), false);
        while left > 0
            && let Some(receipt) = network.receipts()
        {
            busy = true;
            has_rows |= is_row(receipt.push_id);
            self.take_receipt(&receipt, now_ms);
            // One that came with an outcome is recorded in the turn in which that is.
            if !receipt.is_answered {
                left -= 1;
                self.receipts.push_back((self.journal.appended(), receipt.reply));
            }
        }
        if has_rows {
            // What became of rows is written down many at once, and acknowledged behind that.
            self.flush_rows(now_ms);
            let appended = self.journal.appended();
            self.receipts.iter_mut().skip(taken).for_each(|(sequence, _)| *sequence = appended);
        }
        busy
    }

    fn take_receipt(&mut self, receipt: &CarrierReceipt, now_ms: WallMs) {
        if receipt.segment != ALL_SEGMENTS {
            return self.take_receipt_of(receipt, receipt.segment, now_ms);
        }
        let index = self.index_spoken_of(receipt.token.push, receipt.push_id);
        let known = self.core.live_at(index).filter(|push| push.push_id == receipt.push_id);
        let segments =
            known.map_or_else(|| self.segments_of_row(receipt.push_id), |push| push.segments);
        for segment in 0..segments {
            self.take_receipt_of(receipt, segment, now_ms);
        }
    }

    fn take_receipt_of(&mut self, receipt: &CarrierReceipt, segment: u8, now_ms: WallMs) {
        let push_id = receipt.push_id;
        let index = self.index_spoken_of(receipt.token.push, push_id);
        let center_ms = self.pace.center(now_ms);
        if let Some(id) = &receipt.late_id {
            let is_news = self.core.handle_taken_late(index, push_id, segment, center_ms);
            if is_news {
                self.note_taken_late(index, receipt.reply.carrier, segment, id, now_ms);
                self.carry_out_effects(now_ms);
            } else if receipt.says != Some(ReceiptSays::Delivered) {
                // Another copy has been sent, and its own receipt decides.
                return;
            }
        }
        let says = match receipt.says {
            Some(ReceiptSays::Delivered) => Receipt::Delivered,
            Some(ReceiptSays::Failed(code)) => Receipt::Failed(code),
            None => return,
        };
        let is_here = self.core.live_at(index).is_some_and(|push| push.push_id == push_id);
        if !is_here {
            match says {
                Receipt::Delivered => self.note_row_arrived(push_id, segment),
                Receipt::Failed(code) => self.note_row_failed(push_id, segment, code),
            }
        }
        if let Receipt::Failed(code) = says
            && self.goes_elsewhere(index, push_id, segment, (receipt.reply.carrier, code), now_ms)
        {
            self.carry_out_effects(now_ms);
            return;
        }
        if self.core.handle_receipt(index, push_id, segment, says, center_ms) {
            self.counted.segments_delivered += u64::from(says == Receipt::Delivered);
            self.carry_out_effects(now_ms);
        }
    }

    /// Whether what this carrier could not deliver goes by another. Neither what expired there or
    /// was withdrawn does, nor that of which nobody knows.
    fn goes_elsewhere(
        &mut self,
        index: PushIndex,
        push_id: u64,
        segment: u8,
        (carrier, code): (u8, Code),
        now_ms: WallMs,
    ) -> bool {
        let is_over = [Code::EXPIRED, Code::WITHDRAWN_BY_OPERATOR, Code::NO_RECEIPT];
        let Some(push) = self.core.live_at(index).filter(|_| !is_over.contains(&code)) else {
            return false;
        };
        let route = self.routes.elsewhere_of(push.route(), carrier);
        // What it takes to write that down again has to be there beside what is kept for all.
        let Some(route) = route.filter(|_| self.journal.may_hand_over()) else { return false };
        let (elsewhere, center_ms) = (Elsewhere { carrier, route }, self.pace.center(now_ms));
        self.core.go_elsewhere(index, push_id, segment, elsewhere, center_ms)
    }

    fn note_taken_late(
        &mut self,
        index: PushIndex,
        carrier: u8,
        segment: u8,
        id: &[u8],
        now_ms: WallMs,
    ) {
        if self.core.push(index).is_row() {
            let with_length = [&[id.len() as u8][..], id].concat();
            return self.row_taken_late(index, (carrier, segment), &with_length, now_ms);
        }
        let with_length: Vec<u8> =
            std::iter::once(id.len() as u8).chain(id.iter().copied()).collect();
        self.ids.note(index, carrier, 1 << segment, &with_length);
        if !self.core.push(index).state.is_final() {
            self.note_taken(index, carrier, 1 << segment, now_ms);
        }
    }

    /// Receipts whose records are durable are acknowledged.
    pub(super) fn acknowledge_receipts(&mut self, network: &mut impl Network) -> bool {
        let durable = match self.mutation {
            CoreMutation::AcknowledgeReceiptEarly => u64::MAX,
            _ => self.durable(),
        };
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

    /// At a start: the carriers are told which receipts are awaited, some of them in a turn, for
    /// there may be millions. Whether there were any. Of what was cancelled nobody knows whether
    /// they were asked to deliver it no more: they are asked again.
    pub(super) fn await_receipts(&mut self, network: &mut impl Network) -> bool {
        let Some(from) = self.by_carriers.awaits_from.take() else { return false };
        let (mut left, mut cancelled) = (AWAITED_PER_TURN_MAX, Vec::new());
        for (index, known) in self.ids.pushes.iter_from(from) {
            if known.ids.len() > left {
                self.by_carriers.awaits_from = Some(index);
                break;
            }
            left -= known.ids.len();
            let push = self.core.push(index);
            cancelled.extend(is_wanted_back(push).then_some(index));
            let token = AttemptToken { partition: self.number as u32, push: index };
            for SegmentId { segment, carrier, id } in &known.ids {
                network.await_receipt(AwaitedSegment {
                    token,
                    push_id: push.push_id,
                    msn: push.msn(),
                    carrier: *carrier,
                    segment: *segment,
                    id,
                });
            }
        }
        cancelled.into_iter().for_each(|index| self.ask_carriers(index, Asked::Cancel));
        left < AWAITED_PER_TURN_MAX
    }
}

fn attempts_of(push: &Push) -> u16 {
    debug_assert!(push.state != State::Received, "nobody takes what is not durable");
    u16::from(push.attempts())
}
