//! How a push goes on and ends of which carriers have segments.
//!
//! A push is *handed over* when no segment of it is left to send: carriers took all that did not
//! arrive or fail otherwise. It has left its msn's queue then, so that the next push of the msn may
//! go, and its receipts decide. One whose receipts do not come ends an hour after its expiry.
//!
//! Invariants: a push that is handed over awaits a receipt; pushes that are handed over take at
//! most half of the slab: beyond that the oldest ends early, so that a carrier that sends no
//! receipts stops no delivery.

use crate::smsc::core::{Core, Effect};
use crate::smsc::handed::{ASKED_MS, CARRIER, Handing, RECEIPT_GRACE_MS, Receipt};
use crate::smsc::mutation::CoreMutation;
use crate::smsc::outcome::AttemptResult;
use crate::smsc::pushes::{PushIndex, flag};
use crate::smsc::retry;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::time::CenterMs;

/// Where a push goes that a carrier could not deliver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elsewhere {
    /// The carrier that could not.
    pub carrier: u8,
    /// The route without it.
    pub route: u8,
}

/// Places that one push which comes to be handed over may have to make.
const GIVEN_UP_AT_ONCE_MAX: usize = 2;

impl Core {
    /// Pushes that are handed over and wait for receipts.
    pub fn handed(&self) -> usize {
        self.handings.handed
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
        self.handings.leave();
        let push = &mut self.pushes[index];
        push.state = push.state.moved_to(State::Accepted);
        push.set_route(elsewhere.route);
        // Nothing is sent before what is recorded now is durable.
        push.set(flag::RECORD_BEGIN, true);
        push.set(flag::HOLD_RECORDED | flag::ALERTED | flag::OVERDUE, false);
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
        let (push_id, due_ms) = (push.push_id, push.expires_ms() + RECEIPT_GRACE_MS);
        self.start_timer(index, due_ms.max(now_ms));
        let head = self.queues.remove(&mut self.pushes, index);
        self.handings.enter(index, push_id);
        if let Some(head) = head {
            self.make_ready(head);
        }
        if self.awaited_mask(index) == 0 {
            return self.end_handed(index, now_ms);
        }
        self.give_up_oldest(now_ms);
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
        push.set_domain(CARRIER);
        // The attempt under way sends it again, and its outcome decides.
        if push.state != State::InFlight && push.full_mask() & !self.settled_mask(index) == 0 {
            self.hand_over(index, now_ms);
        }
        true
    }

    /// Beyond the bound the push that was handed over first ends without its receipts.
    fn give_up_oldest(&mut self, now_ms: CenterMs) {
        let mut given_up = 0;
        while given_up < GIVEN_UP_AT_ONCE_MAX {
            let Some(&(index, push_id)) = self.handings.order.front() else { return };
            let waits = self
                .pushes
                .find(index)
                .is_some_and(|push| push.push_id == push_id && push.state == State::Handed);
            if waits && self.handings.handed <= self.handings.handed_max {
                break;
            }
            self.handings.order.pop_front();
            if waits {
                given_up += 1;
                self.give_up_receipts(index, now_ms);
            }
        }
        // Behind one that waits for long others come and go.
        if self.handings.order.len() > 2 * self.handings.handed + BLOCK {
            let pushes = &self.pushes;
            self.handings.order.retain(|&(index, push_id)| {
                let push = pushes.find(index);
                push.is_some_and(|push| push.push_id == push_id && push.state == State::Handed)
            });
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
        let (push_id, due_ms) = (push.push_id, push.expires_ms() + RECEIPT_GRACE_MS);
        self.handings.enter(index, push_id);
        if self.awaited_mask(index) == 0 {
            return self.end_handed(index, now_ms);
        }
        self.start_timer(index, due_ms.max(now_ms));
    }
}

/// Stale entries of the order that are kept before they are looked for.
const BLOCK: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smsc::alerts::AlertIdentity;
    use crate::smsc::closed_alerts::ClosedAlert;
    use crate::smsc::core::{CoreLimits, NewPush, Settlement};
    use crate::smsc::outcome::{Failure, HoldReason};
    use crate::smsc::recovery::{RecoveredHanding, RecoveredProgress, Recovery};
    use wire::terms::ids::{Class, Msn};

    const LIMITS: CoreLimits =
        CoreLimits { pushes_max: 4, waiting_per_msn_max: 10, ended_keys_max: 100 };
    const NOW_MS: CenterMs = CenterMs::new(1_000_000);
    const EXPIRES_MS: CenterMs = CenterMs::new(1_000_000 + 3_600_000);
    const ROUTE: u8 = 3;

    fn push(push_id: u64, segments: u8) -> NewPush {
        NewPush {
            push_id,
            position: push_id,
            key: push_id,
            content_digest: 1,
            msn: Msn::from_value(7).expect("a legal msn"),
            class: Class::Standard,
            segments,
            expires_ms: EXPIRES_MS,
            wants_notification: false,
            single_attempt: false,
            by_smpp: false,
            alert: None,
            client: 1,
            control: false,
            route: ROUTE,
        }
    }

    fn settled(result: AttemptResult, taken_mask: u16) -> Settlement {
        let domain = if result == AttemptResult::Returned { 0 } else { CARRIER };
        Settlement { result, delivered_mask: 0, unanswered_mask: 0, taken_mask, domain }
    }

    /// A message center with these pushes to one phone, the first of them in flight.
    fn in_flight(pushes: &[NewPush]) -> (Core, PushIndex) {
        let mut core = Core::new(LIMITS, NOW_MS);
        for &push in pushes {
            core.accept(push, NOW_MS);
        }
        core.handle_durable(u64::MAX, |_| {});
        let index = core.poll_attempt(ROUTE, NOW_MS).expect("its turn");
        assert_eq!(core.poll_attempt(0, NOW_MS), None, "none of them goes by the core network");
        (core, index)
    }

    fn effects(core: &mut Core) -> Vec<Effect> {
        std::iter::from_fn(|| core.take_effect()).collect()
    }

    #[test]
    fn what_comes_back_is_the_next_again_and_counts_no_attempt() {
        let (mut core, index) = in_flight(&[push(1, 1), push(2, 1)]);
        core.handle_outcome(index, settled(AttemptResult::Returned, 0), NOW_MS, 0);
        assert_eq!((core.push(index).state, core.push(index).attempts()), (State::Queued, 0));
        assert_eq!(core.poll_attempt(ROUTE, NOW_MS), Some(index));
        // Its time goes on meanwhile.
        core.handle_outcome(index, settled(AttemptResult::Returned, 0), EXPIRES_MS, 0);
        assert_eq!(
            (core.push(index).state, core.push(index).code),
            (State::Expired, Code::EXPIRED)
        );
    }

    #[test]
    fn a_push_is_handed_over_when_nothing_is_left_to_send_and_the_next_may_go() {
        let (mut core, index) = in_flight(&[push(1, 2), push(2, 1)]);
        let failed = AttemptResult::Failed(Failure::SystemFailure);
        core.handle_outcome(index, settled(failed, 0b01), NOW_MS, 0);
        assert_eq!((core.push(index).state, core.settled_mask(index)), (State::Held, 0b01));
        let due_ms = NOW_MS + 60_000;
        core.handle_time(due_ms, 64);
        assert_eq!(core.poll_attempt(ROUTE, due_ms), Some(index));
        core.handle_outcome(index, settled(AttemptResult::HandedOver, 0b10), due_ms, 0);
        assert_eq!((core.push(index).state, core.handed()), (State::Handed, 1));
        let next = core.poll_attempt(ROUTE, due_ms).expect("the next push of the msn");
        assert_eq!(core.push(next).push_id, 2);
        effects(&mut core);
        assert!(core.handle_receipt(index, 1, 1, Receipt::Delivered, due_ms));
        assert_eq!(effects(&mut core), [Effect::Handed(index)]);
        assert!(!core.handle_receipt(index, 1, 1, Receipt::Delivered, due_ms), "once");
        assert!(!core.handle_receipt(index, 9, 0, Receipt::Delivered, due_ms), "another's");
        assert!(core.handle_receipt(index, 1, 0, Receipt::Failed(Code::EXPIRED), due_ms));
        let push = core.push(index);
        assert_eq!((push.state, push.code, push.delivered()), (State::Partial, Code::PARTIAL, 1));
        assert_eq!((effects(&mut core), core.handed()), (vec![Effect::Ended(index)], 0));
    }

    #[test]
    fn receipts_that_do_not_come_end_a_push_an_hour_after_its_expiry() {
        let (mut core, index) = in_flight(&[push(1, 1)]);
        core.handle_outcome(index, settled(AttemptResult::HandedOver, 1), NOW_MS, 0);
        core.handle_time(EXPIRES_MS + RECEIPT_GRACE_MS - 1_000, 64);
        assert_eq!(core.push(index).state, State::Handed);
        core.handle_time(EXPIRES_MS + RECEIPT_GRACE_MS + 1_000, 64);
        let push = core.push(index);
        assert_eq!((push.state, push.code), (State::Failed, Code::NO_RECEIPT));
        assert_eq!(push.tp_status(), 0x40);
    }

    #[test]
    fn what_waits_for_receipts_takes_half_of_the_places() {
        let (mut core, first) = in_flight(&[push(1, 1), push(2, 1), push(3, 1)]);
        core.handle_outcome(first, settled(AttemptResult::HandedOver, 1), NOW_MS, 0);
        for _ in 0..2 {
            let index = core.poll_attempt(ROUTE, NOW_MS).expect("the next");
            core.handle_outcome(index, settled(AttemptResult::HandedOver, 1), NOW_MS, 0);
        }
        assert_eq!((core.push(first).code, core.handed()), (Code::NO_RECEIPT, 2));
    }

    #[test]
    fn what_may_be_sent_once_is_not_sent_again_in_doubt() {
        let once = NewPush { single_attempt: true, ..push(1, 1) };
        let mut core = Core::new(LIMITS, NOW_MS);
        core.accept(once, NOW_MS);
        core.handle_durable(2, |_| {});
        assert_eq!(core.poll_attempt(ROUTE, NOW_MS), None, "a record comes first");
        let begun = effects(&mut core);
        let [Effect::Begin(index)] = begun[..] else { panic!("{begun:?}") };
        core.handle_begin_journaled(index, 2);
        core.handle_durable(3, |_| {});
        assert_eq!(core.poll_attempt(ROUTE, NOW_MS), Some(index));
        let doubt = AttemptResult::Held(HoldReason::InDoubt, Code::EXPIRED_BUSY);
        core.handle_outcome(
            index,
            Settlement { unanswered_mask: 1, ..settled(doubt, 0) },
            NOW_MS,
            0,
        );
        let push = core.push(index);
        assert_eq!((push.state, push.code), (State::Expired, Code::EXPIRED_BUSY));
        assert!(push.has(flag::IN_DOUBT));
    }

    /// A push of two segments, of which a carrier has the first; the other is held, at `NOW_MS`.
    fn taken_in_part(alert: Option<AlertIdentity>) -> (Core, PushIndex) {
        let (mut core, index) = in_flight(&[NewPush { alert, ..push(1, 2) }]);
        let failed = AttemptResult::Failed(Failure::SystemFailure);
        core.handle_outcome(index, settled(failed, 0b01), NOW_MS, 0);
        assert_eq!(core.push(index).state, State::Held);
        (core, index)
    }

    /// The push is handed over, and a receipt for its first segment ends it in this state.
    fn assert_receipt_decides(core: &mut Core, index: PushIndex, state: State, what: &str) {
        assert_eq!(core.push(index).state, State::Handed, "{what}");
        assert!(core.handle_receipt(index, 1, 0, Receipt::Delivered, NOW_MS), "{what}");
        let push = core.push(index);
        assert_eq!((push.state, push.delivered()), (state, 1), "{what}");
    }

    const ALERT: AlertIdentity = AlertIdentity { key: 5, alert: 6, sequence: 1 };

    #[test]
    fn what_a_carrier_has_of_a_push_decides_however_the_rest_is_given_up() {
        let (mut core, index) = taken_in_part(None);
        core.cancel(1, true, NOW_MS).expect("it lives");
        assert_receipt_decides(&mut core, index, State::Cancelled, "cancelled");
        assert_eq!(core.push(index).code, Code::CANCELLED_IN_PART);

        let (mut core, index) = taken_in_part(Some(ALERT));
        let cancel = ClosedAlert { sequence: 9, at_ms: NOW_MS, share: 0, found: true, told: true };
        core.cancel_alert(ALERT.alert, cancel);
        core.handle_time(NOW_MS, 64);
        assert_receipt_decides(&mut core, index, State::Cancelled, "its alert is cancelled");

        let (mut core, index) = taken_in_part(Some(ALERT));
        let newer = AlertIdentity { sequence: 2, ..ALERT };
        core.accept(NewPush { alert: Some(newer), ..push(2, 1) }, NOW_MS);
        assert_receipt_decides(&mut core, index, State::Partial, "replaced");

        let (mut core, index) = taken_in_part(None);
        let protocol = AttemptResult::Failed(Failure::ProtocolError);
        for _ in 0..16 {
            let Some(due_ms) = core.due_ms(index).filter(|_| core.push(index).state == State::Held)
            else {
                break;
            };
            core.handle_time(due_ms, 64);
            if core.poll_attempt(ROUTE, due_ms) == Some(index) {
                core.handle_outcome(index, settled(protocol, 0), due_ms, 0);
            }
        }
        assert_receipt_decides(&mut core, index, State::Partial, "its schedule is at an end");

        let handed = RecoveredHanding {
            progress: RecoveredProgress {
                delivered_mask: 0,
                attempts: 1,
                in_doubt: false,
                begun: false,
            },
            taken_mask: 0b01,
            failed_mask: 0,
            code: None,
        };
        let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
        recovery.restore_accepted(push(1, 2));
        recovery.restore_handed(1, &handed);
        recovery.restore_cancel(1, true);
        let mut core = recovery.finish(NOW_MS).expect("room");
        let index = core.find(1).expect("it lives");
        assert_receipt_decides(&mut core, index, State::Cancelled, "cancelled before a restart");
    }

    #[test]
    fn a_late_answer_settles_what_was_in_doubt_and_nothing_is_sent_again() {
        let (mut core, index) = in_flight(&[push(1, 1), push(2, 1)]);
        let doubt = AttemptResult::Held(HoldReason::InDoubt, Code::EXPIRED_BUSY);
        let doubted = Settlement { unanswered_mask: 1, ..settled(doubt, 0) };
        core.handle_outcome(index, doubted, NOW_MS, 0);
        assert_eq!(core.push(index).state, State::Held);
        assert!(!core.handle_taken_late(index, 9, 0, NOW_MS), "another's");
        assert!(core.handle_taken_late(index, 1, 0, NOW_MS));
        assert!(!core.handle_taken_late(index, 1, 0, NOW_MS), "once");
        assert_eq!(core.push(index).state, State::Handed);
        let next = core.poll_attempt(ROUTE, NOW_MS).expect("the next push of the msn");
        assert_eq!(core.push(next).push_id, 2);
        core.handle_time(NOW_MS + 600_000, 64);
        assert_eq!(core.push(index).state, State::Handed, "its hold is over and it stays");
        assert!(core.handle_receipt(index, 1, 0, Receipt::Delivered, NOW_MS));
        assert_eq!(core.push(index).state, State::Delivered);
        // The second copy is under way: its outcome decides, with the first one counted in.
        let (mut core, index) = in_flight(&[push(1, 1)]);
        core.handle_outcome(index, doubted, NOW_MS, 0);
        let due_ms = core.due_ms(index).expect("a hold");
        core.handle_time(due_ms, 64);
        assert_eq!(core.poll_attempt(ROUTE, due_ms), Some(index));
        assert!(core.handle_taken_late(index, 1, 0, due_ms));
        core.handle_outcome(index, doubted, due_ms, 0);
        assert_eq!(core.push(index).state, State::Handed);
    }

    #[test]
    fn a_push_in_doubt_is_held_twice_as_long_each_time() {
        let (mut core, index) = in_flight(&[push(1, 1)]);
        let doubt = AttemptResult::Held(HoldReason::InDoubt, Code::EXPIRED_BUSY);
        let doubted = Settlement { unanswered_mask: 1, ..settled(doubt, 0) };
        let mut now_ms = NOW_MS;
        for minutes in [1, 2, 4, 8] {
            core.handle_outcome(index, doubted, now_ms, 0);
            let due_ms = core.due_ms(index).expect("a hold");
            let held_ms = due_ms.since(now_ms);
            assert!((held_ms).abs_diff(minutes * 60_000) < 2_000, "{held_ms}");
            now_ms = due_ms + 1_000;
            core.handle_time(now_ms, 64);
            assert_eq!(core.poll_attempt(ROUTE, now_ms), Some(index));
        }
    }

    #[test]
    fn pushes_that_wait_follow_a_change_of_routes_and_keep_their_order() {
        let mut core = Core::new(CoreLimits { pushes_max: 100, ..LIMITS }, NOW_MS);
        let other = |push_id: u64| NewPush {
            msn: Msn::from_value(push_id).expect("a legal msn"),
            class: if push_id == 4 { Class::Emergency } else { Class::Standard },
            ..push(push_id, 1)
        };
        for push_id in 1..=5 {
            core.accept(other(push_id), NOW_MS);
        }
        core.handle_durable(u64::MAX, |_| {});
        for index in 0..core.indices_used() as PushIndex {
            core.set_route(index, 5);
        }
        core.begin_sorting();
        while core.sort(1) {}
        assert_eq!(core.poll_attempt(ROUTE, NOW_MS), None, "nothing goes by the old route");
        assert_eq!(core.poll_emergency(5, NOW_MS).map(|index| core.push(index).push_id), Some(4));
        assert_eq!(core.poll_emergency(5, NOW_MS), None);
        let polled: Vec<u64> = std::iter::from_fn(|| core.poll_attempt(5, NOW_MS))
            .map(|index| u64::from(index) + 1)
            .collect();
        assert_eq!(polled, [1, 2, 3, 5]);
    }

    #[test]
    fn what_was_handed_over_is_found_again_and_nothing_else_is_sent() {
        let handed = |taken_mask, failed_mask, delivered_mask| RecoveredHanding {
            progress: RecoveredProgress {
                delivered_mask,
                attempts: 1,
                in_doubt: false,
                begun: false,
            },
            taken_mask,
            failed_mask,
            code: (failed_mask != 0).then_some(Code::CARRIER_FAILED),
        };
        let mut recovery = Recovery::new(Core::new(LIMITS, NOW_MS), 7);
        for (push_id, segments) in [(1, 2), (2, 2), (3, 1)] {
            recovery.restore_accepted(push(push_id, segments));
        }
        recovery.restore_handed(1, &handed(0b11, 0, 0));
        recovery.restore_handed(1, &handed(0, 0b01, 0));
        recovery.restore_handed(2, &handed(0b01, 0, 0));
        recovery.restore_handed(3, &handed(0b1, 0, 0));
        recovery.restore_handed(3, &handed(0, 0, 0b1));
        let mut core = recovery.finish(NOW_MS).expect("room");
        let index = |core: &Core, key| core.find(key).expect("it lives");
        let first = index(&core, 1);
        assert_eq!((core.push(first).state, core.handed()), (State::Handed, 1));
        assert!(!core.push(first).has(flag::IN_DOUBT));
        let second = core.poll_attempt(ROUTE, NOW_MS).expect("the rest of the second");
        assert_eq!((core.push(second).push_id, core.settled_mask(second)), (2, 0b01));
        assert_eq!(core.push(index(&core, 3)).state, State::Delivered);
        assert!(core.handle_receipt(first, 1, 1, Receipt::Failed(Code::CARRIER_FAILED), NOW_MS));
        let push = core.push(first);
        assert_eq!((push.state, push.code), (State::Failed, Code::CARRIER_FAILED));
    }
}
