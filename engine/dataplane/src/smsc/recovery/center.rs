//! What a recovery asks of the message center's own tables: what each push was about, where it
//! stands, and how it goes on.

use super::RecoveredProgress;
use crate::smsc::core::{Core, NotificationKind};
use crate::smsc::ended::EndedPush;
use crate::smsc::mutation::CoreMutation;
use crate::smsc::pushes::{Push, PushIndex, flag};
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::ids::Class;
use wire::terms::time::CenterMs;

impl Push {
    /// Whether its records say that no attempt of it was under way.
    fn waits_by_its_records(&self) -> bool {
        match self.state {
            State::Held => !self.has(flag::OVERDUE),
            State::Handed => true,
            // No attempt of it begins without a record that says so.
            _ => self.has(flag::SINGLE_ATTEMPT) && self.has(flag::RECORD_BEGIN),
        }
    }

    pub(super) fn restore_progress(
        &mut self,
        progress: &RecoveredProgress,
        mutation: CoreMutation,
    ) {
        self.delivered_mask |= progress.delivered_mask & self.full_mask();
        self.set_attempts(progress.attempts.min(255) as u8);
        if progress.in_doubt && mutation != CoreMutation::ForgetDoubtAtRecovery {
            self.set(flag::IN_DOUBT, true);
        }
    }
}

impl Core {
    /// Ends are numbered on from the highest number; as they begin anew one day, the highest is the
    /// one that the others are closer behind.
    pub(super) fn note_end_number(&mut self, number: u32) {
        if number != 0 && (self.ends == 0 || number.wrapping_sub(self.ends) < 1 << 31) {
            self.ends = number;
        }
    }

    /// In which order ended pushes come back: as they ended. Ends from before they were numbered
    /// come first, by their times.
    fn restored_rank(&self, push: &EndedPush) -> (u32, CenterMs, u64) {
        if push.end_number == 0 || self.mutation == CoreMutation::NotifyByTimeAtRecovery {
            return (0, push.ended_ms(), push.push_id);
        }
        // The latest has the highest rank, the one that would come after it if it were older than
        // all others has 1.
        (u32::MAX - self.ends.wrapping_sub(push.end_number), CenterMs::ZERO, 0)
    }

    /// Puts the ended pushes into the order in which they ended, and begins to tell of them.
    pub(super) fn restore_rings(&mut self) {
        let mut order: Vec<u32> = self.ended.iter().map(|(index, _)| index).collect();
        order.sort_unstable_by_key(|&index| self.restored_rank(&self.ended[index]));
        self.ended.reorder(&order);
        for index in order {
            if self.ended.join_ring(index) || self.mutation == CoreMutation::NotifyOutOfOrder {
                self.announce_again(index);
            }
        }
    }

    /// This notification is parked.
    pub(super) fn restore_parked(&mut self, push_id: u64, kind: NotificationKind) {
        if let Some(push) = self.parked.find_mut(push_id) {
            push.set_parked(kind);
        } else if let Some(index) = self.ended.find(push_id) {
            self.ended[index].set_parked(kind);
            if self.ended[index].due().is_none() {
                let (push, _) = self.ended.remove(index);
                self.parked.insert(push);
            }
        }
    }

    /// Nothing is due or parked of this push any more.
    pub(super) fn drop_ended(&mut self, push_id: u64) {
        let ended = self.ended.find(push_id).map(|index| self.ended.remove(index).0);
        if let Some(push) = ended.or_else(|| self.parked.remove(push_id)) {
            self.clients.release(push.client);
        }
    }

    pub(super) fn restore_place(&mut self, index: PushIndex) {
        if self.pushes[index].state == State::Handed {
            return;
        }
        self.place_in_queue(index);
        let push = &mut self.pushes[index];
        if push.state != State::Held {
            push.state = push.state.moved_to(State::Accepted);
        }
    }

    /// A push that may have been under way when the engine died: nobody can say that a cancel
    /// withdrew it.
    pub(super) fn doubt_if_under_way(&mut self, index: PushIndex) {
        let push = &self.pushes[index];
        let waits = push.waits_by_its_records();
        let all = self.mutation == CoreMutation::DoubtAllAtRecovery;
        let trusts = self.mutation == CoreMutation::TrustHeadsAtRecovery;
        if all || (!waits && !trusts && self.may_have_been_in_flight(index)) {
            self.pushes[index].set(flag::IN_DOUBT, true);
        }
    }

    /// Whether no push that comes before it in its msn's queue kept it from being attempted.
    /// Emergency pushes that came later may have gone ahead of it meanwhile. Another one before it
    /// may have ended, and the record of that be lost, unless its own records say that it waited.
    fn may_have_been_in_flight(&self, index: PushIndex) -> bool {
        if self.queues.is_head(&self.pushes, index) {
            return true;
        }
        let Push { push_id, class, .. } = self.pushes[index];
        let mut before = self.waiting(self.pushes[index].msn()).take_while(|&other| other != index);
        before.all(|other| {
            let other = &self.pushes[other];
            let went_ahead = other.class == Class::Emergency && class != Class::Emergency;
            went_ahead && other.push_id > push_id || !other.waits_by_its_records()
        })
    }

    pub(super) fn restore_start(&mut self, index: PushIndex, now_ms: CenterMs) {
        self.pushes[index].set(flag::OVERDUE, false);
        let push = self.pushes[index];
        if push.state.is_final() {
            // Another one that came back has ended it.
        } else if push.state == State::Handed {
            // Complete or not: who leaves those that are handed over has come among them.
            self.restore_handed(index, now_ms);
        } else if push.is_complete() {
            self.end_delivered(index, now_ms);
        } else if push.has(flag::CANCEL_ACCEPTED) {
            self.end_cancelled(index, now_ms);
        } else if self.is_of_closed_alert(index) {
            self.withdraw(index, now_ms);
        } else if self.alerts.is_outdated(&self.pushes, index) {
            self.replace(index, now_ms);
        } else if push.has_begun() {
            // Its one attempt had begun, and nobody will ever say what has become of it.
            self.pushes[index].set(flag::IN_DOUBT, true);
            self.end_short(index, State::Expired, Code::EXPIRED_BUSY, now_ms);
        } else if push.state == State::Held {
            let due_ms = self.due_ms(index).unwrap_or(now_ms);
            self.start_timer(index, due_ms.min(push.expires_ms().max(now_ms)));
        } else {
            self.start_timer(index, push.expires_ms().max(now_ms));
            self.make_ready(index);
        }
    }
}
