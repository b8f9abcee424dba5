//! When the push client is told: one notification of an msn at a time for each push client, in the
//! order in which the pushes ended, until it is acknowledged or parked.

use crate::smsc::core::{Core, Effect, FinishOutcome, NotificationKind};
use crate::smsc::ended::{EndedId, EndedPush, ended_flag};
use crate::smsc::mutation::CoreMutation;
use crate::smsc::notification_schedule;
use crate::smsc::pushes::{PushIndex, flag};
use crate::smsc::steady::TimerMs;
use crate::smsc::timer_wheel::TimerWheel;
use wire::terms::time::CenterMs;

impl Core {
    /// The Ended record of this push is durable: it leaves the slab. Its notifications may go out,
    /// in the msn's order, and its key is remembered for its time, with the digest of its content,
    /// which its Accepted record has.
    pub fn handle_end_durable(&mut self, index: PushIndex, content_digest: u64) {
        let push = EndedPush::of(&self.pushes[index]);
        self.forget(index, content_digest);
        if self.mutation == CoreMutation::AnnounceEarly && self.ended.find(push.push_id).is_some() {
            return;
        }
        if push.due().is_some() {
            self.await_taking(push);
        } else {
            self.finish(&push);
        }
    }

    /// Tells of a push whose end is not durable, which only a test ever asks for.
    pub(super) fn announce_early(&mut self, index: PushIndex) {
        let push = EndedPush::of(&self.pushes[index]);
        if push.due().is_some() {
            self.await_taking(push);
        }
    }

    /// The push client is to be told of this push, behind what else it is to be told of the msn.
    pub(super) fn await_taking(&mut self, push: EndedPush) {
        let index = self.place_ended(push);
        if self.ended.join_ring(index) || self.mutation == CoreMutation::NotifyOutOfOrder {
            self.announce_again(index);
        }
    }

    /// A place for an ended push; whoever has most gives up its oldest for it.
    pub(super) fn place_ended(&mut self, push: EndedPush) -> u32 {
        while self.ended.is_full()
            && let Some(oldest) = self.ended.gives_up(push.client)
        {
            self.park_for_room(oldest);
        }
        self.clients.hold(push.client);
        self.ended.insert(push)
    }

    /// The push client acknowledged the notification.
    pub fn handle_acknowledged(&mut self, id: EndedId, kind: NotificationKind) {
        match self.ended.at(id) {
            Some(index) => self.settle_notification(index, kind),
            None => self.take_parked(id.push_id, kind),
        }
    }

    /// The notification failed: it is resent by the schedule, `retry_after_seconds` honoured, or
    /// parked. Of what was parked meanwhile nothing is to be said.
    pub fn handle_notification_failed(
        &mut self,
        id: EndedId,
        kind: NotificationKind,
        retry_after_seconds: Option<u32>,
        now_ms: CenterMs,
        random: u64,
    ) {
        self.time.see(now_ms);
        let Some(index) = self.ended.at(id) else { return };
        let push = &mut self.ended[index];
        push.set(ended_flag::NOTIFYING, false);
        push.tries = push.tries.saturating_add(1);
        let since_end_ms = now_ms.since(push.ended_ms());
        let tries = u32::from(push.tries);
        let since_end_ms = if self.mutation == CoreMutation::ParkEarly && tries > 3 {
            u64::MAX
        } else {
            since_end_ms
        };
        let retry_after_seconds =
            retry_after_seconds.filter(|_| self.mutation != CoreMutation::IgnoreRetryAfter);
        match notification_schedule::next_resend_ms(
            tries,
            since_end_ms,
            retry_after_seconds,
            random,
        ) {
            Some(delay_ms) => {
                self.figures.notification_resends += 1;
                self.start_resend_timer(index, now_ms + delay_ms);
            }
            None => self.park(index, kind),
        }
    }

    /// The push client wants this notification no more, now or later: it is parked at once.
    pub fn handle_notification_gone(
        &mut self,
        id: EndedId,
        kind: NotificationKind,
        now_ms: CenterMs,
    ) {
        self.time.see(now_ms);
        let Some(index) = self.ended.at(id) else { return };
        let push = &mut self.ended[index];
        push.tries = push.tries.saturating_add(1);
        self.park(index, kind);
    }

    /// Lets go of what is parked of this push: nothing is due for it any more. `false` when nothing
    /// of it is parked.
    pub fn discard(&mut self, push_id: u64) -> bool {
        let Some(push) = self.parked.remove(push_id) else { return false };
        self.figures.parked_let_go += 1;
        self.part_with(&push);
        true
    }

    /// The pushes that have a parked notification, oldest first, from the push number `from` on.
    pub fn parked(&self, from: u64) -> impl Iterator<Item = &EndedPush> + '_ {
        self.parked.from(from)
    }

    /// Whether an ended push may be of this client: clients without a number of their own share
    /// one.
    pub fn may_be_of(&self, push: &EndedPush, client: u64) -> bool {
        self.clients.find(client) == Some(push.client)
    }

    /// Sends what is parked of this push again, behind what else waits for its msn and client;
    /// `false` when nothing of it is parked, or there is no place for it. One more failure parks it
    /// again.
    pub fn replay(&mut self, push_id: u64) -> bool {
        if self.ended.is_full() {
            return false;
        }
        let Some(mut push) = self.parked.remove(push_id) else { return false };
        push.set_due_again();
        let index = self.ended.insert(push);
        if self.ended.join_ring(index) {
            self.announce_again(index);
        }
        true
    }

    pub(super) fn announce_again(&mut self, index: u32) {
        let push = &mut self.ended[index];
        if let Some(kind) = push.due()
            && !push.has(ended_flag::NOTIFYING)
        {
            push.set(ended_flag::NOTIFYING, true);
            let notify = if push.is_by_smpp() { Effect::NotifyBySmpp } else { Effect::Notify };
            self.effects.push_back(notify(self.ended.id(index), kind));
        }
    }

    fn start_resend_timer(&mut self, index: u32, due_ms: CenterMs) {
        let TimerMs(due_ms) = self.time.timer_of(due_ms);
        let (places, TimerMs(now_ms)) = (self.ended.places(), self.time.now());
        let timers = self.resends.get_or_insert_with(|| Box::new(TimerWheel::new(places, now_ms)));
        timers.start(index, due_ms);
    }

    fn park(&mut self, index: u32, kind: NotificationKind) {
        self.note_parked(index, kind);
        self.settle_notification(index, kind);
    }

    /// There is no place for it any more: all that is due of it is parked.
    fn park_for_room(&mut self, index: u32) {
        self.figures.parked_for_room += 1;
        while let Some(kind) = self.ended[index].due() {
            self.note_parked(index, kind);
        }
        self.leave_ended(index);
    }

    fn note_parked(&mut self, index: u32, kind: NotificationKind) {
        self.figures.parked += 1;
        let push = &mut self.ended[index];
        push.set_parked(kind);
        let EndedPush { push_id, position, tries, .. } = *push;
        self.effects.push_back(Effect::Parked { push_id, position, kind, tries });
    }

    fn settle_notification(&mut self, index: u32, kind: NotificationKind) {
        let push = &mut self.ended[index];
        push.set(ended_flag::NOTIFYING, false);
        push.set_done(kind);
        if push.due().is_some() {
            push.tries = 0;
            return self.announce_again(index);
        }
        self.leave_ended(index);
    }

    /// Nothing is due for the push for now: it leaves, and stays among what is parked if something
    /// is. The next of its msn and client is told.
    fn leave_ended(&mut self, index: u32) {
        if let Some(timers) = &mut self.resends {
            timers.stop(index);
        }
        let (push, next) = self.ended.remove(index);
        if push.has(ended_flag::PARKED) {
            self.parked.insert(push);
        } else {
            self.part_with(&push);
        }
        if let Some(next) = next
            && self.mutation != CoreMutation::StallNotifications
        {
            self.announce_again(next);
        }
    }

    /// A notification that was under way when it was parked was taken after all.
    fn take_parked(&mut self, push_id: u64, kind: NotificationKind) {
        let Some(push) = self.parked.find_mut(push_id) else { return };
        push.set_taken(kind);
        if !push.has(ended_flag::PARKED)
            && let Some(push) = self.parked.remove(push_id)
        {
            self.part_with(&push);
        }
    }

    /// Nothing is to be told of the push any more.
    fn part_with(&mut self, push: &EndedPush) {
        self.finish(push);
        self.clients.release(push.client);
    }

    fn finish(&mut self, push: &EndedPush) {
        let outcome = if push.has(ended_flag::PARKED) {
            FinishOutcome::LetGo
        } else if push.has(ended_flag::COMPLETE_DONE) || push.has(ended_flag::CANCELLATION_DONE) {
            FinishOutcome::Acknowledged
        } else {
            FinishOutcome::NothingDue
        };
        let EndedPush { push_id, position, tries, .. } = *push;
        self.effects.push_back(Effect::Finished { push_id, position, outcome, tries });
    }

    /// Takes an ended push out of the slab; its key stays known for its time.
    pub(super) fn forget(&mut self, index: PushIndex, content_digest: u64) {
        self.keys.retire(
            &self.pushes,
            index,
            content_digest,
            &mut self.clients,
            self.time.center(),
        );
        if self.pushes[index].has(flag::IN_LANE) {
            // The lane's links run through this slot: handing it out again now would cut the lane.
            self.pushes[index].set(flag::GONE, true);
        } else {
            self.free_place(index);
        }
    }
}
