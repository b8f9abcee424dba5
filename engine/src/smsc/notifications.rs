//! When the push client is told: one notification of an msn at a time for each push client, in the order in which
//! the pushes ended, until it is acknowledged or parked.

use crate::smsc::core::{Core, Effect, FinishOutcome, NotificationKind};
use crate::smsc::mutation::Mutation;
use crate::smsc::notification_schedule;
use crate::smsc::pushes::{Push, PushIndex, flag};
use crate::smsc::state::State;

impl Core {
    /// The Ended record of this push is durable: its notifications may go out, in the msn's order. The digest of its
    /// content, which its Accepted record has, is remembered with its key.
    pub fn handle_end_durable(&mut self, index: PushIndex, content_digest: u64) {
        self.pushes[index].set_content_digest(content_digest);
        self.announce(index);
    }

    pub(super) fn announce(&mut self, index: PushIndex) {
        self.pushes[index].set(flag::ANNOUNCED, true);
        if self.queues.first_notifying(&self.pushes, index) == Some(index) {
            self.announce_first(index);
        } else if self.mutation == Mutation::NotifyOutOfOrder {
            self.announce_again(index);
        }
    }

    /// The push client acknowledged the notification.
    pub fn handle_acknowledged(&mut self, index: PushIndex, kind: NotificationKind) {
        self.settle_notification(index, kind);
    }

    /// The notification failed: it is resent by the schedule, `retry_after_seconds` honoured, or parked.
    pub fn handle_notification_failed(
        &mut self,
        index: PushIndex,
        kind: NotificationKind,
        retry_after_seconds: Option<u32>,
        now_ms: u64,
        random: u64,
    ) {
        self.time.see(now_ms);
        let push = &mut self.pushes[index];
        push.set(flag::NOTIFYING, false);
        let tries = push.notify_tries().saturating_add(1);
        push.set_notify_tries(tries);
        let since_end_ms = now_ms.saturating_sub(push.ended_ms());
        let tries = u32::from(tries);
        let since_end_ms =
            if self.mutation == Mutation::ParkEarly && tries > 3 { u64::MAX } else { since_end_ms };
        let retry_after_seconds = retry_after_seconds.filter(|_| self.mutation != Mutation::IgnoreRetryAfter);
        match notification_schedule::next_resend_ms(tries, since_end_ms, retry_after_seconds, random) {
            Some(delay_ms) => {
                self.figures.notification_resends += 1;
                self.start_timer(index, now_ms + delay_ms);
            }
            None => self.park(index, kind),
        }
    }

    /// The push client wants this notification no more, now or later: it is parked at once.
    pub fn handle_notification_gone(&mut self, index: PushIndex, kind: NotificationKind, now_ms: u64) {
        self.time.see(now_ms);
        let push = &mut self.pushes[index];
        push.set_notify_tries(push.notify_tries().saturating_add(1));
        self.park(index, kind);
    }

    /// Lets go of what is parked of this push: nothing is due for it any more. `false` when nothing of it is parked.
    pub fn discard(&mut self, push_id: u64) -> bool {
        let Some(index) = self.parked.remove(&push_id) else { return false };
        self.figures.parked_let_go += 1;
        self.finish(index);
        true
    }

    /// The pushes that have a parked notification, oldest first, from the push number `from` on.
    pub fn parked(&self, from: u64) -> impl Iterator<Item = PushIndex> + '_ {
        self.parked.range(from..).map(|(_, &index)| index)
    }

    /// Sends what is parked of this push again, behind what else waits for its msn and client; `false` when nothing
    /// of it is parked. One more failure parks it again.
    pub fn replay(&mut self, push_id: u64) -> bool {
        let Some(index) = self.parked.remove(&push_id) else { return false };
        let push = &mut self.pushes[index];
        if push.has(flag::COMPLETE_PARKED) {
            push.set(flag::COMPLETE_DONE, false);
        }
        if push.has(flag::CANCELLATION_PARKED) {
            push.set(flag::CANCELLATION_DONE, false);
        }
        push.set(flag::PARKED, false);
        push.set_notify_tries(0);
        self.queues.push_notifying(&mut self.pushes, index);
        self.announce(index);
        true
    }

    /// The notification that comes next for an ended push, if one is due.
    pub(super) fn notification_due(push: &Push) -> Option<NotificationKind> {
        let complete = push.has(flag::WANTS_NOTIFICATION) && push.state != State::Cancelled;
        if complete && !push.has(flag::COMPLETE_DONE) {
            return Some(NotificationKind::Complete);
        }
        let cancellation = push.has(flag::CANCEL_ACCEPTED) && !push.has(flag::CANCELLATION_DONE);
        cancellation.then_some(NotificationKind::Cancellation)
    }

    pub(super) fn announce_again(&mut self, index: PushIndex) {
        let push = &mut self.pushes[index];
        if let Some(kind) = Self::notification_due(push)
            && !push.has(flag::NOTIFYING)
        {
            push.set(flag::NOTIFYING, true);
            self.effects.push_back(Effect::Notify(index, kind));
        }
    }

    /// Sends what is due for the first of its msn and client; passes those for which nothing is.
    fn announce_first(&mut self, first: PushIndex) {
        let (msn, client) = (self.pushes[first].msn(), self.pushes[first].client);
        let mut next = Some(first);
        while let Some(index) = next {
            let push = &self.pushes[index];
            if !push.has(flag::ANNOUNCED) {
                return;
            }
            if Self::notification_due(push).is_some() {
                return self.announce_again(index);
            }
            self.leave_notifying(index);
            if self.mutation == Mutation::StallNotifications {
                return;
            }
            next = self.queues.first_notifying_of(&self.pushes, msn, client);
        }
    }

    fn park(&mut self, index: PushIndex, kind: NotificationKind) {
        self.figures.parked += 1;
        self.pushes[index].set(
            match kind {
                NotificationKind::Complete => flag::COMPLETE_PARKED,
                NotificationKind::Cancellation => flag::CANCELLATION_PARKED,
            },
            true,
        );
        self.effects.push_back(Effect::Parked(index, kind));
        self.settle_notification(index, kind);
    }

    fn settle_notification(&mut self, index: PushIndex, kind: NotificationKind) {
        let push = &mut self.pushes[index];
        push.set(flag::NOTIFYING, false);
        match kind {
            NotificationKind::Complete => push.set(flag::COMPLETE_DONE, true),
            NotificationKind::Cancellation => push.set(flag::CANCELLATION_DONE, true),
        }
        if Self::notification_due(push).is_some() {
            push.set_notify_tries(0);
        }
        self.announce_first(index);
    }

    /// Nothing is due for the push for now: it leaves, unless something is parked.
    fn leave_notifying(&mut self, index: PushIndex) {
        self.timers.stop(index);
        self.queues.remove_notifying(&mut self.pushes, index);
        if !self.pushes[index].has(flag::PARKED) {
            return self.finish(index);
        }
        self.parked.insert(self.pushes[index].push_id, index);
        if self.parked.len() > self.parked_max
            && let Some((_, oldest)) = self.parked.pop_first()
        {
            self.figures.parked_let_go += 1;
            self.finish(oldest);
        }
    }

    fn finish(&mut self, index: PushIndex) {
        let push = self.pushes[index];
        let outcome = if push.has(flag::PARKED) {
            FinishOutcome::LetGo
        } else if push.has(flag::COMPLETE_DONE) || push.has(flag::CANCELLATION_DONE) {
            FinishOutcome::Acknowledged
        } else {
            FinishOutcome::NothingDue
        };
        self.forget(index);
        let (Push { push_id, position, .. }, tries) = (push, push.notify_tries());
        self.effects.push_back(Effect::Finished { push_id, position, outcome, tries });
    }

    /// Takes a push out of the slab; its key stays known for its time.
    pub(super) fn forget(&mut self, index: PushIndex) {
        let push = self.pushes[index];
        self.keys.retire(&self.pushes, index, &mut self.clients, self.time.wall());
        if push.has(flag::IN_LANE) {
            // The lane's links run through this slot: handing it out again now would cut the lane.
            self.pushes[index].set(flag::GONE, true);
        } else {
            self.free_place(index);
        }
    }

    /// Puts an ended push with something parked and nothing due aside, at recovery.
    pub(super) fn set_aside_if_parked(&mut self, index: PushIndex) -> bool {
        let push = &self.pushes[index];
        let parked = push.has(flag::PARKED) && Self::notification_due(push).is_none();
        if parked {
            self.parked.insert(push.push_id, index);
        }
        parked
    }
}
