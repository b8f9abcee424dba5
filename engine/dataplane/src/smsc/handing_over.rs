//! How a push goes on and ends of which carriers have segments.
//!
//! A push is *handed over* when no segment of it is left to send: carriers took all that did not
//! arrive or fail otherwise. It has left its msn's queue then, so that the next push of the msn may
//! go, and its receipts decide. One whose receipts do not come ends an hour after its expiry.
//!
//! Invariants: a push that is handed over awaits a receipt; pushes that are handed over take at
//! most half of the slab: beyond that the oldest of the push client that has most ends early, so
//! that a carrier that sends no receipts stops no delivery, and no client's flood ends another's.

use crate::smsc::core::{Core, Effect};
use crate::smsc::handed::{ASKED_MS, Handing, RECEIPT_GRACE_MS, Receipt};
use crate::smsc::mutation::CoreMutation;
use crate::smsc::outcome::AttemptResult;
use crate::smsc::pushes::{PushIndex, flag};
use crate::smsc::retry;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::time::CenterMs;

/// Where a push goes that a carrier could not deliver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elsewhere {
    /// The carrier that could not.
    pub carrier: u8,
    /// The route without it.
    pub route: u8,
}

/// Places that one push which comes to be handed over may have to make: one, or more where a start
/// found too many.
const GIVEN_UP_AT_ONCE_MAX: usize = 2;

impl Core {
    /// Whether segments of it are at a carrier whose receipts may still come.
    pub fn is_at_carrier(&self, index: PushIndex) -> bool {
        self.handings.has(index) && self.awaited_mask(index) != 0
    }

    /// Pushes that are handed over and wait for receipts.
    pub fn handed(&self) -> usize {
        self.handings.handed()
    }

    /// The segments of the push that are not to be sent again.
    #[inline]
    pub fn settled_mask(&self, index: PushIndex) -> u16 {
        self.pushes[index].delivered_mask | self.handings.settled_mask(index)
    }

    /// The segments that a carrier took, and those that will not arrive with their code.
    pub fn handing(&self, index: PushIndex) -> Option<(u16, u16, Option<Code>)> {
        if !self.handings.has(index) {
            return None;
        }
        let handing = self.handings.get(index);
        Some((handing.taken_mask, handing.failed_mask, handing.code))
    }

    /// The segments that a carrier has and that no receipt came for.
    pub fn awaited(&self, index: PushIndex) -> u16 {
        if self.pushes.find(index).is_some() { self.awaited_mask(index) } else { 0 }
    }

    /// The segments that receipts are awaited for.
    fn awaited_mask(&self, index: PushIndex) -> u16 {
        let Handing { taken_mask, failed_mask, .. } = self.handings.get(index);
        taken_mask & !failed_mask & !self.pushes[index].delivered_mask
    }

    /// A carrier's receipt for a segment that it took. Whether it changed anything: one that comes
    /// again, or too late, does not. `push_id` guards against an index handed out again.
    pub fn handle_receipt(
        &mut self,
        index: PushIndex,
        push_id: u64,
        segment: u8,
        receipt: Receipt,
        now_ms: CenterMs,
    ) -> bool {
        self.time.see(now_ms);
        let known = self.pushes.find(index);
        let bit = 1u16 << segment;
        let is_awaited = known
            .is_some_and(|push| push.push_id == push_id && !push.state.is_final())
            && self.awaited_mask(index) & bit != 0;
        if !is_awaited {
            self.figures.reports_too_late += 1;
            return false;
        }
        match receipt {
            Receipt::Delivered => self.pushes[index].delivered_mask |= bit,
            Receipt::Failed(code) => self.handings.fail(index, bit, code),
        }
        match self.pushes[index].state {
            State::Handed if self.awaited_mask(index) == 0 => self.end_handed(index, now_ms),
            State::InFlight => self.effects.push_back(Effect::Handed(index)),
            _ if self.pushes[index].is_complete() => self.end_delivered(index, now_ms),
            _ => self.effects.push_back(Effect::Handed(index)),
        }
        true
    }

    /// A receipt says that a segment cannot be delivered by this carrier, and is the last that the
    /// push awaits: what did not arrive goes by another, once. `false` where the receipt is to be
    /// taken as any other; only a push that may be sent again, has time left and is wanted still
    /// goes on.
    pub fn go_elsewhere(
        &mut self,
        index: PushIndex,
        push_id: u64,
        segment: u8,
        elsewhere: Elsewhere,
        now_ms: CenterMs,
    ) -> bool {
        self.time.see(now_ms);
        let bit = 1u16 << segment;
        let unwanted = flag::CANCEL_ACCEPTED | flag::REPLACE_REQUESTED | flag::SINGLE_ATTEMPT;
        let may_go = self.pushes.find(index).is_some_and(|push| {
            push.push_id == push_id
                && push.state == State::Handed
                && !push.has(unwanted)
                && now_ms < push.expires_ms()
        });
        if !may_go || self.is_of_closed_alert(index) || self.awaited_mask(index) != bit {
            return false;
        }
        let Handing { failed_mask, avoided, .. } = self.handings.get(index);
        if avoided != 0 {
            return false;
        }
        let mask = failed_mask & !self.pushes[index].delivered_mask | bit;
        self.handings.send_elsewhere(index, mask, elsewhere.carrier);
        self.handings.leave(index, self.pushes[index].client);
        let push = &mut self.pushes[index];
        push.state = push.state.moved_to(State::Accepted);
        push.set_route(elsewhere.route);
        // Nothing is sent before what is recorded now is durable.
        push.set(flag::RECORD_BEGIN, true);
        push.set(flag::HOLD_RECORDED | flag::ALERTED | flag::OVERDUE, false);
        push.set(flag::BEGUN_FOR_GOOD, false);
        let expires_ms = push.expires_ms();
        self.start_timer(index, expires_ms);
        self.effects.push_back(Effect::Elsewhere(index, mask));
        self.place_in_queue(index);
        self.make_ready(index);
        true
    }

    /// The carrier that could not deliver the push, so that it goes by another; 0: none.
    pub fn avoided(&self, index: PushIndex) -> u8 {
        self.handings.get(index).avoided
    }

    /// Whether carriers are asked at last of which no receipts come.
    pub fn set_asks(&mut self, asks: bool) {
        self.handings.asks = asks;
    }

    /// Whether nothing of the push is left to send after an attempt that ended so.
    pub(super) fn is_out_of_hand(&mut self, index: PushIndex, result: AttemptResult) -> bool {
        let push = &self.pushes[index];
        let in_doubt = push.has(flag::IN_DOUBT);
        // What cannot or need not be sent any more will not arrive; the receipts of the rest count.
        let code = match result {
            AttemptResult::HandedOver | AttemptResult::Delivered => None,
            AttemptResult::Failed(failure) if failure.is_final() => Some(failure.final_code()),
            AttemptResult::Refused(code) => Some(code),
            AttemptResult::Doubted => Some(Code::EXPIRED_BUSY),
            _ if push.has(flag::CANCEL_ACCEPTED | flag::REPLACE_REQUESTED) => Some(Code::REPLACED),
            AttemptResult::Returned => None,
            _ if push.has(flag::SINGLE_ATTEMPT) && in_doubt => Some(Code::EXPIRED_BUSY),
            _ if push.has(flag::SINGLE_ATTEMPT) => Some(Code::SINGLE_TRY_FAILED),
            _ => None,
        };
        let left = push.full_mask() & !self.settled_mask(index);
        if let Some(code) = code {
            self.handings.fail(index, left, code);
            return true;
        }
        left == 0
    }

    /// No segment is left to send: the push leaves its queue, and its receipts decide.
    pub(super) fn hand_over(&mut self, index: PushIndex, now_ms: CenterMs) {
        let push = &mut self.pushes[index];
        push.state = push.state.moved_to(State::Handed);
        let (client, due_ms) = (push.client, push.expires_ms() + RECEIPT_GRACE_MS);
        self.start_timer(index, due_ms.max(now_ms));
        let head = self.queues.remove(&mut self.pushes, index);
        self.handings.enter(index, client);
        if let Some(head) = head {
            self.make_ready(head);
        }
        if self.awaited_mask(index) == 0 {
            return self.end_handed(index, now_ms);
        }
        self.give_up_oldest(client, now_ms);
    }

    /// Nothing more of the push is to be sent while a carrier has some of its segments: the others
    /// will not arrive, and the receipts of the first decide. Whether that is so.
    pub(super) fn give_up_rest(&mut self, index: PushIndex, code: Code, now_ms: CenterMs) -> bool {
        let is_handed = self.pushes[index].state == State::Handed;
        if is_handed || !self.handings.has(index) || self.awaited_mask(index) == 0 {
            return false;
        }
        let left = self.pushes[index].full_mask() & !self.settled_mask(index);
        self.handings.fail(index, left, code);
        self.effects.push_back(Effect::Handed(index));
        self.hand_over(index, now_ms);
        true
    }

    /// A carrier took a segment in an attempt in which that was in doubt: it is not sent again.
    /// Whether that is news.
    pub fn handle_taken_late(
        &mut self,
        index: PushIndex,
        push_id: u64,
        segment: u8,
        now_ms: CenterMs,
    ) -> bool {
        self.time.see(now_ms);
        let known = self.pushes.find(index);
        let bit = 1u16 << segment;
        if known.is_none_or(|push| push.push_id != push_id || push.state.is_final())
            || self.settled_mask(index) & bit != 0
        {
            return false;
        }
        self.handings.take(index, bit);
        let push = &mut self.pushes[index];
        push.set_domain(Some(Domain::Carrier));
        // The attempt under way sends it again, and its outcome decides.
        if push.state != State::InFlight && push.full_mask() & !self.settled_mask(index) == 0 {
            self.hand_over(index, now_ms);
        }
        true
    }

    /// Beyond the bound the oldest push of whoever has most ends without its receipts, so that this
    /// client has one more.
    fn give_up_oldest(&mut self, client: u16, now_ms: CenterMs) {
        for _ in 0..GIVEN_UP_AT_ONCE_MAX {
            let Some(index) = self.handings.goes_for(client) else { return };
            self.give_up_receipts(index, now_ms);
        }
    }

    /// The timer of a push that is handed over ran out.
    pub(super) fn receipts_overdue(&mut self, index: PushIndex, now_ms: CenterMs) {
        let due_ms = self.pushes[index].expires_ms() + RECEIPT_GRACE_MS;
        if now_ms < due_ms {
            // The clock was set back.
            return self.start_timer(index, due_ms);
        }
        if self.handings.asks && self.handings.ask(index) {
            self.effects.push_back(Effect::Ask(index));
            return self.start_timer(index, now_ms + ASKED_MS);
        }
        self.give_up_receipts(index, now_ms);
    }

    fn give_up_receipts(&mut self, index: PushIndex, now_ms: CenterMs) {
        self.pushes[index].set(flag::IN_DOUBT, true);
        let awaited = self.awaited_mask(index);
        self.handings.fail(index, awaited, Code::NO_RECEIPT);
        self.end_handed(index, now_ms);
    }

    /// Every segment has its receipt.
    fn end_handed(&mut self, index: PushIndex, now_ms: CenterMs) {
        if self.pushes[index].is_complete() {
            return self.end_delivered(index, now_ms);
        }
        if self.pushes[index].has(flag::REPLACE_REQUESTED) {
            return self.end_short(index, State::Replaced, Code::REPLACED, now_ms);
        }
        let code = self.handings.get(index).code.unwrap_or(Code::NO_RECEIPT);
        let expired =
            [Code::EXPIRED, Code::EXPIRED_ABSENT, Code::EXPIRED_MEMORY_FULL, Code::EXPIRED_BUSY];
        let state = if expired.contains(&code) { State::Expired } else { State::Failed };
        self.end_short(index, state, code, now_ms);
    }

    /// A carrier took nothing of the push and may take it in a moment: its place before others is
    /// kept, and no attempt counts.
    pub(super) fn put_back(&mut self, index: PushIndex, now_ms: CenterMs) {
        self.heed_alert_cancel(index);
        let push = &self.pushes[index];
        if push.has(flag::CANCEL_ACCEPTED) {
            return self.end_cancelled(index, now_ms);
        }
        if push.has(flag::REPLACE_REQUESTED) {
            return self.end_short(index, State::Replaced, Code::REPLACED, now_ms);
        }
        if now_ms >= push.expires_ms() {
            return self.expire(index, now_ms);
        }
        let push = &mut self.pushes[index];
        push.state = push.state.moved_to(State::Queued);
        push.set(flag::ALERTED, false);
        let (expires_ms, route) = (push.expires_ms(), usize::from(push.route()));
        self.start_timer(index, expires_ms);
        if self.mutation == CoreMutation::ReturnToBack {
            return self.lanes[route].push(&mut self.pushes, index);
        }
        self.lanes[route].push_front(&mut self.pushes, index);
    }

    /// A carrier did not say whether it took what was sent: nothing more is sent for a while. What
    /// may be sent only once is over.
    pub(super) fn hold_in_doubt(&mut self, index: PushIndex, now_ms: CenterMs, random: u64) {
        let push = &self.pushes[index];
        if push.has(flag::SINGLE_ATTEMPT) {
            return self.end_short(index, State::Expired, Code::EXPIRED_BUSY, now_ms);
        }
        let delay_ms =
            retry::in_doubt_hold_ms(push.class, push.holds_for(retry::Cause::SystemFailure));
        self.hold_for(index, retry::Cause::SystemFailure, Some(delay_ms), now_ms, random);
    }

    /// A push that was handed over before this start.
    pub(super) fn restore_handed(&mut self, index: PushIndex, now_ms: CenterMs) {
        let push = &self.pushes[index];
        let (client, due_ms) = (push.client, push.expires_ms() + RECEIPT_GRACE_MS);
        self.handings.enter(index, client);
        if self.awaited_mask(index) == 0 {
            return self.end_handed(index, now_ms);
        }
        self.start_timer(index, due_ms.max(now_ms));
    }
}

#[cfg(test)]
mod tests;
