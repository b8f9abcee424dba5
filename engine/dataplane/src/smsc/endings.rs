//! How a push's time in the queue goes on and ends: held, expired, cancelled, replaced, delivered.

use crate::smsc::closed_alerts::ClosedAlert;
use crate::smsc::core::{Core, Effect};
use crate::smsc::mutation::CoreMutation;
use crate::smsc::pushes::{PushIndex, flag};
use crate::smsc::retry;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::time::CenterMs;

impl Core {
    pub(super) fn request_cancel(&mut self, index: PushIndex, told: bool, now_ms: CenterMs) {
        self.pushes[index].set_cancel_accepted(told);
        let waits = !matches!(self.pushes[index].state, State::InFlight | State::Handed);
        if waits && self.mutation != CoreMutation::DeliverAfterCancel {
            self.end_cancelled(index, now_ms);
        }
    }

    /// Whether the push belongs to an alert that was cancelled as a whole and this has not reached
    /// it yet.
    pub(super) fn is_of_closed_alert(&self, index: PushIndex) -> bool {
        self.alert_cancel_of(index).is_some()
    }

    /// The cancel of the push's whole alert, if there was one that has not reached it yet.
    pub(super) fn alert_cancel_of(&self, index: PushIndex) -> Option<ClosedAlert> {
        let push = &self.pushes[index];
        if self.closed_alerts.is_empty()
            || !push.has(flag::ALERT)
            || push.has(flag::CANCEL_ACCEPTED)
        {
            return None;
        }
        let alert = self.alerts.alert_of(&self.pushes, index)?;
        let closed = self.closed_alerts.find(alert)?;
        let reaches = push.push_id < closed.sequence
            && self.mutation != CoreMutation::AttemptAfterAlertCancel;
        reaches.then_some(closed)
    }

    /// The cancel of its whole alert reaches the push, if there was one.
    pub(super) fn heed_alert_cancel(&mut self, index: PushIndex) {
        if let Some(cancel) = self.alert_cancel_of(index) {
            self.pushes[index].set_cancel_accepted(cancel.told);
            self.effects.push_back(Effect::CancelAccepted(index));
        }
    }

    /// Withdraws a push of a cancelled alert.
    pub(super) fn withdraw(&mut self, index: PushIndex, now_ms: CenterMs) {
        self.heed_alert_cancel(index);
        if !matches!(self.pushes[index].state, State::InFlight | State::Handed) {
            self.end_cancelled(index, now_ms);
        }
    }

    /// Goes on withdrawing the pushes of cancelled alerts, at most `budget` of them.
    pub(super) fn withdraw_closed(&mut self, now_ms: CenterMs, budget: usize) {
        for _ in 0..budget {
            let Some(first) = self.closed_alerts.withdrawing.front_mut() else { return };
            // From the last one down: whatever takes the place of one that leaves has been looked
            // at.
            first.left = first.left.min(self.alerts.member_count(first.alert));
            if first.left == 0 {
                self.closed_alerts.withdrawing.pop_front();
                continue;
            }
            first.left -= 1;
            let member = self.alerts.member(first.alert, first.left);
            if let Some(index) = member
                && self.is_of_closed_alert(index)
            {
                self.withdraw(index, now_ms);
            }
        }
    }

    /// The push is withdrawn. What a carrier has of it cannot be: the receipts decide then.
    pub(super) fn end_cancelled(&mut self, index: PushIndex, now_ms: CenterMs) {
        if self.give_up_rest(index, Code::REPLACED, now_ms) {
            return;
        }
        let push = &self.pushes[index];
        let partly = push.delivered_mask != 0 || push.has(flag::IN_DOUBT);
        let code = if partly { Code::CANCELLED_IN_PART } else { Code::ACCEPTED };
        self.end(index, State::Cancelled, code, retry::TP_STATUS_DELETED_BY_ORIGINATOR, now_ms);
    }

    /// A higher alertseq arrived: `lower` ends as replaced, at once or when its attempt settles.
    //= push alert replaced
    pub(super) fn replace(&mut self, lower: PushIndex, now_ms: CenterMs) {
        if self.mutation == CoreMutation::SkipReplacement {
            return;
        }
        match self.pushes[lower].state {
            state if state.is_final() => {}
            // Whoever has it decides.
            State::InFlight | State::Handed => {
                self.pushes[lower].set(flag::REPLACE_REQUESTED, true);
            }
            _ => self.end_short(lower, State::Replaced, Code::REPLACED, now_ms),
        }
    }

    /// Every segment arrived. What else waits for the msn as absent or full need not wait any
    /// longer.
    pub(super) fn end_delivered(&mut self, index: PushIndex, now_ms: CenterMs) {
        self.heed_alert_cancel(index);
        let head =
            self.end(index, State::Delivered, Code::ACCEPTED, retry::TP_STATUS_DELIVERED, now_ms);
        if let Some(head) = head {
            self.release_if_held(head);
        }
    }

    /// A final verdict that is not complete delivery: partial if any segment arrived. Where a
    /// carrier has others, their receipts decide.
    pub(super) fn end_short(
        &mut self,
        index: PushIndex,
        state: State,
        code: Code,
        now_ms: CenterMs,
    ) {
        self.heed_alert_cancel(index);
        if self.pushes[index].has(flag::CANCEL_ACCEPTED) {
            return self.end_cancelled(index, now_ms);
        }
        if self.give_up_rest(index, code, now_ms) {
            return;
        }
        let tp_status = if self.pushes[index].domain() == Some(Domain::Carrier) {
            retry::tp_status_by_carrier(code)
        } else {
            retry::tp_status_of(code)
        };
        if self.pushes[index].delivered_mask != 0 {
            self.end(index, State::Partial, Code::PARTIAL, tp_status, now_ms);
        } else {
            self.end(index, state, code, tp_status, now_ms);
        }
    }

    /// The attempt failed for now: wait for the retry time or an alert, within the lifetime.
    pub(super) fn hold(
        &mut self,
        index: PushIndex,
        cause: retry::Cause,
        now_ms: CenterMs,
        random: u64,
    ) {
        self.hold_for(index, cause, None, now_ms, random);
    }

    /// As [`Self::hold`], for so long where that is said, whatever the schedule says.
    pub(super) fn hold_for(
        &mut self,
        index: PushIndex,
        cause: retry::Cause,
        delay_ms: Option<u64>,
        now_ms: CenterMs,
        random: u64,
    ) {
        self.heed_alert_cancel(index);
        let push = &mut self.pushes[index];
        if push.has(flag::CANCEL_ACCEPTED) {
            return self.end_cancelled(index, now_ms);
        }
        if push.has(flag::REPLACE_REQUESTED) {
            return self.end_short(index, State::Replaced, Code::REPLACED, now_ms);
        }
        //= push time once
        if push.has(flag::SINGLE_ATTEMPT) {
            return self.end_short(index, State::Failed, Code::SINGLE_TRY_FAILED, now_ms);
        }
        push.code = cause.code_at_expiry();
        if now_ms >= push.expires_ms() {
            return self.expire(index, now_ms);
        }
        let holds = push.count_hold(cause);
        let alerted = push.has(flag::ALERTED) && cause.awaits_alert();
        push.set(flag::ALERTED, alerted);
        let scheduled_ms =
            delay_ms.or_else(|| retry::next_retry_ms(cause, holds, push.class, random));
        let delay_ms = match scheduled_ms {
            Some(_) if alerted => retry::alert_jitter_ms(random),
            Some(delay_ms) => delay_ms,
            None => {
                let code = push.code;
                return self.end_short(index, State::Failed, code, now_ms);
            }
        };
        push.state = push.state.moved_to(State::Held);
        push.set(flag::BEGUN_FOR_GOOD, false);
        let delay_ms =
            if self.mutation == CoreMutation::NeverRetry { u64::MAX / 2 } else { delay_ms };
        let due_ms = (now_ms + delay_ms).min(push.expires_ms());
        let msn = push.msn();
        self.start_timer(index, due_ms);
        if self.queues.let_emergencies_pass(&mut self.pushes, index)
            && let Some(head) = self.queues.head(&self.pushes, msn)
        {
            self.make_ready(head);
        }
    }

    pub(super) fn timer_expired(&mut self, index: PushIndex, now_ms: CenterMs) {
        let push = &self.pushes[index];
        match push.state {
            // The outcome, which the network always gives, decides.
            State::InFlight => {}
            state if state.is_final() => {}
            State::Handed => self.receipts_overdue(index, now_ms),
            //= TS 23.040 3.2.1
            _ if now_ms >= push.expires_ms() && self.mutation != CoreMutation::SkipExpiry => {
                self.expire(index, now_ms)
            }
            State::Held => {
                // A clock that was set back may show less now than the time that its last Held
                // record names.
                if self.time.was_set_back() {
                    self.pushes[index].begin_sooner();
                }
                self.release(index);
            }
            // The clock was set back: its expiry is further away than it was.
            _ => {
                let expires_ms = push.expires_ms();
                self.start_timer(index, expires_ms);
            }
        }
    }

    /// A held push goes back into its queue; from now on its timer is that of its expiry.
    fn release(&mut self, index: PushIndex) {
        let push = &mut self.pushes[index];
        push.state = push.state.moved_to(State::Accepted);
        push.set(flag::ALERTED, false);
        let expires_ms = push.expires_ms();
        self.start_timer(index, expires_ms);
        self.make_ready(index);
    }

    /// A delivery proved the phone reachable: the push that is next there is tried if absence, full
    /// memory or roaming held it.
    fn release_if_held(&mut self, head: PushIndex) {
        if self.pushes[head].state == State::Held
            && retry::Cause::ALL
                .iter()
                .any(|c| c.awaits_alert() && c.code_at_expiry() == self.pushes[head].code)
        {
            self.pushes[head].begin_sooner();
            self.release(head);
        }
    }

    pub(super) fn expire(&mut self, index: PushIndex, now_ms: CenterMs) {
        let code = self.pushes[index].code;
        self.end_short(index, State::Expired, code, now_ms);
    }

    /// The push has come to its end. The push of its msn whose turn it is now.
    fn end(
        &mut self,
        index: PushIndex,
        state: State,
        code: Code,
        tp_status: u8,
        now_ms: CenterMs,
    ) -> Option<PushIndex> {
        self.timers.stop(index);
        let push = &mut self.pushes[index];
        let was_handed = push.state == State::Handed;
        push.set_ended(push.state.moved_to(state), code, now_ms, tp_status);
        self.figures.ended[usize::from(state.number())] += 1;
        if self.mutation == CoreMutation::ForgetKey {
            self.keys.forget_live(&self.pushes, index);
        }
        if self.pushes[index].has(flag::ALERT) {
            self.alerts.leave(&mut self.pushes, index);
        }
        // 0 says that a journal does not tell.
        self.ends = self.ends.checked_add(1).unwrap_or(1);
        self.pushes[index].set_end_number(self.ends);
        // What was handed over left the queue then.
        let head = if was_handed {
            self.handings.leave(index, self.pushes[index].client);
            None
        } else {
            self.queues.remove(&mut self.pushes, index)
        };
        self.effects.push_back(Effect::Ended(index));
        if self.mutation == CoreMutation::DoubleFinalState
            && self.figures.attempts.is_multiple_of(16)
        {
            self.effects.push_back(Effect::Ended(index));
        }
        if self.mutation == CoreMutation::AnnounceEarly {
            self.announce_early(index);
        }
        if let Some(head) = head {
            self.make_ready(head);
        }
        head
    }
}
