//! The message center of one shard as a pure state machine.
//!
//! It owns the live pushes, their per-msn queues, keys, alerts and timers. It does no I/O, reads no clock and
//! draws no random numbers: times, durable sequences and randomness come in as arguments, [`Effect`]s go out.
//!
//! Order of calls, in each turn of the owner: the commands ([`Core::accept`], [`Core::cancel`], …) and
//! `handle_*` methods as things happen; after each of them [`Core::take_effect`] until `None`; then
//! [`Core::poll_attempt`] as long as the core network has room.
//!
//! Invariants:
//! * at most one attempt per msn is under way, and it is that of the msn's queue head;
//! * no attempt starts before the push is durable, nor from its expiry on;
//! * every push reaches exactly one final state, reported by exactly one [`Effect::Ended`];
//! * notifications of an msn go out one at a time, in the order in which its pushes ended.

use crate::ids::{Class, Msn};
use crate::network::port::{AttemptResult, Failure};
use crate::push::code::Code;
use crate::smsc::alerts::{AlertIdentity, Alerts};
use crate::smsc::keys::{KeyEntry, Keys};
use crate::smsc::lanes::Lanes;
use crate::smsc::msn_queues::MsnQueues;
use crate::smsc::notification_schedule;
use crate::smsc::pushes::{NONE, Push, PushIndex, Pushes, flag};
use crate::smsc::retry;
use crate::smsc::state::State;
use crate::smsc::timer_wheel::TimerWheel;
use std::collections::VecDeque;

/// Bounds of one message center.
#[derive(Clone, Copy, Debug)]
pub struct CoreLimits {
    /// Live pushes, those included whose notification is still due.
    pub pushes_max: usize,
    /// Pushes that may wait for one msn; one more is refused with 8005.
    pub waiting_per_msn_max: u32,
    /// Keys of ended pushes remembered.
    pub ended_keys_max: usize,
}

/// Which of a push's two notifications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotificationKind {
    /// E5, the push delivery complete notification.
    Complete,
    /// E7, the cancellation delivery notification.
    Cancellation,
}

/// What the owner has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Journal a Progress record: an attempt delivered some segments and more will be tried.
    Progress(PushIndex),
    /// Journal an Ended record; once it is durable write the billing event and call
    /// [`Core::handle_end_durable`].
    Ended(PushIndex),
    /// Send this notification now.
    Notify(PushIndex, NotificationKind),
    /// Resends were given up after 24 hours: journal it as parked.
    Parked(PushIndex, NotificationKind),
    /// Nothing is due for this push any more: journal a Notified record and release its Accepted record.
    /// The entry is gone: what the owner needs is here.
    Finished { push_id: u64, position: u64, notified: bool, tries: u8 },
}

/// What a push's key says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyVerdict {
    /// Never seen.
    New,
    /// An identical repeat: the number of segments it was accepted with.
    Repeat { segments: u8 },
    /// The reqid was used with other content.
    Reused,
}

/// A push to be accepted; its Accepted record stands in the journal.
#[derive(Clone, Copy, Debug)]
pub struct NewPush {
    /// Sequence of the Accepted record.
    pub push_id: u64,
    /// Packed position of the Accepted record.
    pub position: u64,
    /// Fingerprint of (svcid, msn, reqid).
    pub key: u64,
    /// Digest of the content.
    pub content_digest: u64,
    /// Destination.
    pub msn: Msn,
    /// Class.
    pub class: Class,
    /// Segments, 1 to 10.
    pub segments: u8,
    /// Unix milliseconds.
    pub expires_ms: u64,
    /// Whether an E5 is wanted and can be sent.
    pub wants_notification: bool,
    /// lifetime 00.
    pub single_attempt: bool,
    /// The alert it belongs to.
    pub alert: Option<AlertIdentity>,
}

/// Counters since start; the owner publishes them.
#[derive(Clone, Copy, Default, Debug)]
pub struct CoreFigures {
    /// Pushes ended, by final state number.
    pub ended: [u64; 11],
    /// Attempts begun.
    pub attempts: u64,
    /// Notifications resent.
    pub notification_resends: u64,
    /// Notifications parked.
    pub parked: u64,
}

/// The message center of one shard.
pub struct Core {
    limits: CoreLimits,
    pub(super) pushes: Pushes,
    pub(super) queues: MsnQueues,
    pub(super) keys: Keys,
    pub(super) alerts: Alerts,
    lanes: Lanes,
    timers: TimerWheel,
    fresh: VecDeque<PushIndex>,
    effects: VecDeque<Effect>,
    figures: CoreFigures,
}

impl Core {
    /// An empty message center; `now_ms` starts its timers.
    pub fn new(limits: CoreLimits, now_ms: u64) -> Self {
        Self {
            limits,
            pushes: Pushes::with_capacity(limits.pushes_max),
            queues: MsnQueues::default(),
            keys: Keys::new(limits.ended_keys_max),
            alerts: Alerts::default(),
            lanes: Lanes::default(),
            timers: TimerWheel::new(limits.pushes_max, now_ms),
            fresh: VecDeque::new(),
            effects: VecDeque::new(),
            figures: CoreFigures::default(),
        }
    }

    // ---- getters ----

    /// The live push at `index`.
    pub fn push(&self, index: PushIndex) -> &Push {
        &self.pushes[index]
    }

    /// Live pushes.
    pub fn live(&self) -> usize {
        self.pushes.len()
    }

    /// Keys remembered.
    pub fn keys_held(&self) -> usize {
        self.keys.len()
    }

    /// Counters since start.
    pub fn figures(&self) -> &CoreFigures {
        &self.figures
    }

    /// What is known of `key`: the owner answers repeats from it.
    pub fn key_verdict(&self, key: u64, content_digest: u64) -> KeyVerdict {
        match self.keys.find(key) {
            None => KeyVerdict::New,
            Some(entry) if entry.content_digest == content_digest => {
                KeyVerdict::Repeat { segments: entry.segments }
            }
            Some(_) => KeyVerdict::Reused,
        }
    }

    /// The live push with this key and number, for cleaning and display.
    pub fn find_live(&self, key: u64, push_id: u64) -> Option<PushIndex> {
        self.keys.find(key).filter(|entry| entry.push_id == push_id && entry.index != NONE).map(|e| e.index)
    }

    /// The number of the live push with this key.
    pub fn live_push_id(&self, key: u64) -> Option<u64> {
        self.keys.find(key).filter(|entry| entry.index != NONE).map(|entry| entry.push_id)
    }

    /// Whether an ended push's key is still remembered under this number.
    pub fn remembers_ended(&self, key: u64, push_id: u64) -> bool {
        self.keys.find(key).is_some_and(|entry| entry.push_id == push_id && entry.index == NONE)
    }

    /// Whether a push for `msn` can be taken: 8003 when the slab is full, 8005 when too many wait.
    pub fn room_for(&self, msn: Msn) -> Result<(), Code> {
        if self.pushes.is_full() {
            return Err(Code::STORAGE_FULL);
        }
        if self.queues.waiting(msn) >= self.limits.waiting_per_msn_max {
            return Err(Code::TOO_MANY_WAITING);
        }
        Ok(())
    }

    /// Whether this alert and sequence, or a higher one, was already accepted for the msn (0002).
    pub fn knows_alert(&self, alert: &AlertIdentity) -> bool {
        self.alerts.knows(alert)
    }

    /// Unix milliseconds at which a timer may be due; `None` without timers.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.timers.next_due_ms()
    }

    /// The push's Accepted record was copied forward to here.
    pub fn set_position(&mut self, index: PushIndex, position: u64) {
        self.pushes[index].position = position;
    }

    // ---- commands ----

    /// Takes a push whose key is new and for which there is room.
    pub fn accept(&mut self, new: NewPush, now_ms: u64) -> PushIndex {
        let index = self.enter(&new);
        self.fresh.push_back(index);
        self.place_in_queue(index);
        self.timers.start(index, new.expires_ms.max(now_ms));
        if let Some(alert) = new.alert {
            self.pushes[index].set(flag::ALERT, true);
            if let Some(lower) = self.alerts.enter(index, alert) {
                self.replace(lower, now_ms);
            }
        }
        index
    }

    /// Withdraws the push with this key. `Ok`: the cancel is accepted (an E7 will follow) for a push of so many
    /// segments; `Err`: 3002–3005.
    pub fn cancel(&mut self, key: u64, now_ms: u64) -> Result<(PushIndex, u8), (Code, u8)> {
        let Some(entry) = self.keys.find(key).copied() else {
            return Err((Code::PUSH_NOT_FOUND, 0));
        };
        let refusal = match entry.state {
            State::Delivered => Some(Code::ALREADY_DELIVERED),
            State::Cancelled => Some(Code::ALREADY_CANCELLED),
            state if state.is_final() => Some(Code::ALREADY_ENDED),
            _ => None,
        };
        if let Some(code) = refusal {
            return Err((code, entry.segments));
        }
        if self.pushes[entry.index].has(flag::CANCEL_ACCEPTED) {
            return Err((Code::ALREADY_CANCELLED, entry.segments));
        }
        self.request_cancel(entry.index, now_ms);
        Ok((entry.index, entry.segments))
    }

    /// Withdraws every live push of an alert; calls `accepted` for each before it changes.
    /// Returns how many there were.
    pub fn cancel_alert(
        &mut self,
        alert_fingerprint: u64,
        now_ms: u64,
        mut accepted: impl FnMut(&Push),
    ) -> u32 {
        let mut count = 0;
        for index in self.alerts.members(alert_fingerprint) {
            let push = &self.pushes[index];
            if push.state.is_final() || push.has(flag::CANCEL_ACCEPTED) {
                continue;
            }
            accepted(push);
            self.request_cancel(index, now_ms);
            count += 1;
        }
        count
    }

    // ---- handle_* ----

    /// Everything with a sequence below `durable` is durable: fresh pushes may be attempted.
    /// `accepted` is called once for each, in order, for its billing event.
    pub fn handle_durable(&mut self, durable: u64, mut accepted: impl FnMut(&Push)) {
        while let Some(&index) = self.fresh.front() {
            if self.pushes[index].push_id >= durable {
                return;
            }
            self.fresh.pop_front();
            accepted(&self.pushes[index]);
            let push = &mut self.pushes[index];
            if push.state == State::Received {
                push.state = push.state.moved_to(State::Queued);
                self.make_ready(index);
            }
        }
    }

    /// The Ended record of this push is durable: its notifications may go out, in the msn's order.
    pub fn handle_end_durable(&mut self, index: PushIndex) {
        self.pushes[index].set(flag::ANNOUNCED, true);
        if self.queues.notifying_head(self.pushes[index].msn) == Some(index) {
            self.announce_head(self.pushes[index].msn);
        }
    }

    /// The core network settled an attempt.
    ///
    /// `delivered_mask`: the segments that arrived in it; `domain`: 0 unknown, 1 CS, 2 PS; `tp_status` of the last
    /// status report; `random` is uniform and jitters the next retry.
    pub fn handle_outcome(
        &mut self,
        index: PushIndex,
        result: AttemptResult,
        delivered_mask: u16,
        domain: u8,
        now_ms: u64,
        random: u64,
    ) {
        let push = &mut self.pushes[index];
        assert_eq!(push.state, State::InFlight, "an outcome for a push that has no attempt under way");
        assert_eq!(
            delivered_mask & !push.full_mask(),
            0,
            "an outcome for segments that the push does not have"
        );
        push.delivered_mask |= delivered_mask;
        push.domain = domain;
        push.attempts = push.attempts.saturating_add(1);
        let complete = push.delivered_mask == push.full_mask();
        match result {
            AttemptResult::Delivered if complete => self.end(index, State::Delivered, Code::ACCEPTED, now_ms),
            AttemptResult::Delivered => self.hold(index, Failure::SystemFailure.into(), now_ms, random),
            AttemptResult::Refused(code) => self.end_short(index, State::Refused, code, now_ms),
            AttemptResult::Failed(failure) if failure.is_final() => {
                self.end_short(index, State::Failed, failure.final_code(), now_ms);
            }
            AttemptResult::Failed(failure) => self.hold(index, failure.into(), now_ms, random),
            AttemptResult::Held(reason, _) => self.hold(index, reason.into(), now_ms, random),
        }
    }

    /// The HLR says that `msn` is reachable, or has memory, again: its queue is released with jitter.
    pub fn handle_alert(&mut self, msn: Msn, now_ms: u64, random: u64) {
        if let Some(head) = self.queues.head(msn)
            && self.pushes[head].state == State::Held
        {
            self.timers.start(head, now_ms + retry::alert_jitter_ms(random));
        }
    }

    /// Lets timers expire, at most `budget` of them.
    pub fn handle_time(&mut self, now_ms: u64, budget: usize) {
        for _ in 0..budget {
            let Some(index) = self.timers.expire_one(now_ms) else { break };
            self.timer_expired(index, now_ms);
        }
        self.keys.forget_expired(now_ms, budget);
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
        let push = &mut self.pushes[index];
        push.set(flag::NOTIFYING, false);
        push.notify_tries = push.notify_tries.saturating_add(1);
        let since_end_ms = now_ms.saturating_sub(push.ended_ms);
        let tries = u32::from(push.notify_tries);
        match notification_schedule::next_resend_ms(tries, since_end_ms, retry_after_seconds, random) {
            Some(delay_ms) => {
                self.figures.notification_resends += 1;
                self.timers.start(index, now_ms + delay_ms);
            }
            None => {
                self.figures.parked += 1;
                self.pushes[index].set(flag::PARKED, true);
                self.effects.push_back(Effect::Parked(index, kind));
                self.settle_notification(index, kind);
            }
        }
    }

    // ---- poll_* ----

    /// The next effect to carry out.
    pub fn take_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next push to attempt; it is in flight from now on and must be handed to the core network.
    pub fn poll_attempt(&mut self, now_ms: u64) -> Option<PushIndex> {
        while let Some(index) = self.lanes.pop(&mut self.pushes) {
            if self.pushes[index].has(flag::GONE) {
                self.pushes.remove(index);
                continue;
            }
            let push = &mut self.pushes[index];
            if push.state != State::Queued || self.queues.head(push.msn) != Some(index) {
                continue;
            }
            if now_ms >= push.expires_ms {
                self.expire(index, now_ms);
                continue;
            }
            push.state = push.state.moved_to(State::InFlight);
            self.figures.attempts += 1;
            return Some(index);
        }
        None
    }

    /// Puts an attempt back that the core network had no room for after all.
    pub fn return_attempt(&mut self, index: PushIndex) {
        let push = &mut self.pushes[index];
        push.state = push.state.moved_to(State::Queued);
        self.make_ready(index);
    }

    // ---- inside ----

    pub(super) fn enter(&mut self, new: &NewPush) -> PushIndex {
        let mut flags = 0;
        if new.wants_notification {
            flags |= flag::WANTS_NOTIFICATION;
        }
        if new.single_attempt {
            flags |= flag::SINGLE_ATTEMPT;
        }
        let push = Push {
            push_id: new.push_id,
            position: new.position,
            key: new.key,
            expires_ms: new.expires_ms,
            ended_ms: 0,
            msn: new.msn,
            next_in_msn: NONE,
            next_in_lane: NONE,
            code: Code::EXPIRED,
            cancel_code: Code::ACCEPTED,
            delivered_mask: 0,
            flags,
            state: State::Received,
            class: new.class,
            attempts: 0,
            segments: new.segments,
            domain: 0,
            tp_status: 0,
            notify_tries: 0,
        };
        let index = self.pushes.insert(push);
        let index = index.expect("room_for was asked before accepting");
        let entry = KeyEntry {
            content_digest: new.content_digest,
            push_id: new.push_id,
            index,
            code: Code::ACCEPTED,
            state: State::Received,
            segments: new.segments,
        };
        self.keys.insert(new.key, entry);
        index
    }

    pub(super) fn place_in_queue(&mut self, index: PushIndex) {
        let (class, msn) = (self.pushes[index].class, self.pushes[index].msn);
        if class != Class::Emergency {
            self.queues.push_back(&mut self.pushes, index);
            return;
        }
        let busy = self.queues.head(msn).is_some_and(|head| {
            let head = &self.pushes[head];
            head.state == State::InFlight || head.class == Class::Emergency
        });
        self.queues.push_front(&mut self.pushes, index, busy);
    }

    pub(super) fn start_timer(&mut self, index: PushIndex, due_ms: u64) {
        self.timers.start(index, due_ms);
    }

    pub(super) fn make_ready(&mut self, index: PushIndex) {
        let push = &self.pushes[index];
        if push.state == State::Queued && self.queues.head(push.msn) == Some(index) {
            self.lanes.push(&mut self.pushes, index);
        }
    }

    fn wake_head(&mut self, msn: Msn) {
        if let Some(head) = self.queues.head(msn) {
            self.make_ready(head);
        }
    }

    pub(super) fn request_cancel(&mut self, index: PushIndex, now_ms: u64) {
        self.pushes[index].set(flag::CANCEL_ACCEPTED, true);
        if self.pushes[index].state != State::InFlight {
            self.end_cancelled(index, now_ms);
        }
    }

    fn end_cancelled(&mut self, index: PushIndex, now_ms: u64) {
        let partly = self.pushes[index].delivered_mask != 0;
        let code = if partly { Code::CANCELLED_IN_PART } else { Code::ACCEPTED };
        self.pushes[index].cancel_code = code;
        self.pushes[index].tp_status = retry::TP_STATUS_DELETED_BY_ORIGINATOR;
        self.end(index, State::Cancelled, code, now_ms);
    }

    /// A higher alertseq arrived: `lower` ends as replaced, at once or when its attempt settles.
    fn replace(&mut self, lower: PushIndex, now_ms: u64) {
        match self.pushes[lower].state {
            state if state.is_final() => {}
            State::InFlight => self.pushes[lower].set(flag::REPLACE_REQUESTED, true),
            _ => self.end(lower, State::Replaced, Code::REPLACED, now_ms),
        }
    }

    /// A final verdict that is not complete delivery: partial if any segment arrived.
    fn end_short(&mut self, index: PushIndex, state: State, code: Code, now_ms: u64) {
        let cancel = self.pushes[index].has(flag::CANCEL_ACCEPTED);
        if cancel {
            return self.end_cancelled(index, now_ms);
        }
        self.pushes[index].tp_status = retry::tp_status_of(code);
        if self.pushes[index].delivered_mask != 0 {
            self.end(index, State::Partial, Code::PARTIAL, now_ms);
        } else {
            self.end(index, state, code, now_ms);
        }
    }

    /// The attempt failed for now: wait for the retry time or an alert, within the lifetime.
    fn hold(&mut self, index: PushIndex, cause: retry::Cause, now_ms: u64, random: u64) {
        let push = &mut self.pushes[index];
        if push.has(flag::CANCEL_ACCEPTED) {
            return self.end_cancelled(index, now_ms);
        }
        if push.has(flag::REPLACE_REQUESTED) {
            return self.end_short(index, State::Replaced, Code::REPLACED, now_ms);
        }
        if push.single_attempt() {
            return self.end_short(index, State::Failed, Code::SINGLE_TRY_FAILED, now_ms);
        }
        push.code = cause.code_at_expiry();
        if now_ms >= push.expires_ms {
            return self.expire(index, now_ms);
        }
        let attempts = u32::from(push.attempts);
        match retry::next_retry_ms(cause, attempts, push.class, random) {
            Some(delay_ms) => {
                push.state = push.state.moved_to(State::Held);
                let due_ms = (now_ms + delay_ms).min(push.expires_ms);
                let partly = push.delivered_mask != 0;
                self.timers.start(index, due_ms);
                if partly {
                    self.effects.push_back(Effect::Progress(index));
                }
            }
            None => {
                let code = push.code;
                self.end_short(index, State::Failed, code, now_ms);
            }
        }
    }

    fn timer_expired(&mut self, index: PushIndex, now_ms: u64) {
        let push = &mut self.pushes[index];
        match push.state {
            // The outcome, which the network always gives, decides.
            State::InFlight => {}
            state if state.is_final() => self.announce_again(index),
            _ if now_ms >= push.expires_ms => self.expire(index, now_ms),
            State::Held => {
                push.state = push.state.moved_to(State::Queued);
                let expires_ms = push.expires_ms;
                self.timers.start(index, expires_ms);
                self.make_ready(index);
            }
            _ => {
                let expires_ms = push.expires_ms;
                self.timers.start(index, expires_ms);
            }
        }
    }

    fn expire(&mut self, index: PushIndex, now_ms: u64) {
        let code = self.pushes[index].code;
        self.pushes[index].tp_status = retry::TP_STATUS_EXPIRED;
        if self.pushes[index].delivered_mask != 0 {
            self.end(index, State::Partial, Code::PARTIAL, now_ms);
        } else {
            self.end(index, State::Expired, code, now_ms);
        }
    }

    fn end(&mut self, index: PushIndex, state: State, code: Code, now_ms: u64) {
        self.timers.stop(index);
        let push = &mut self.pushes[index];
        push.state = push.state.moved_to(state);
        push.code = code;
        push.ended_ms = now_ms;
        if push.has(flag::CANCEL_ACCEPTED) && state != State::Cancelled {
            push.cancel_code =
                if state == State::Delivered { Code::ALREADY_DELIVERED } else { Code::ALREADY_ENDED };
        }
        let (key, push_id, msn) = (push.key, push.push_id, push.msn);
        self.figures.ended[usize::from(state.number())] += 1;
        self.keys.note_end(key, push_id, state, code);
        self.queues.move_to_notifying(&mut self.pushes, index);
        self.effects.push_back(Effect::Ended(index));
        self.wake_head(msn);
    }

    /// The notification that comes next for an ended push, if one is due.
    fn notification_due(&self, index: PushIndex) -> Option<NotificationKind> {
        let push = &self.pushes[index];
        let complete = push.has(flag::WANTS_NOTIFICATION) && push.state != State::Cancelled;
        if complete && !push.has(flag::COMPLETE_DONE) {
            return Some(NotificationKind::Complete);
        }
        push.has(flag::CANCEL_ACCEPTED).then_some(NotificationKind::Cancellation)
    }

    fn announce_again(&mut self, index: PushIndex) {
        if let Some(kind) = self.notification_due(index)
            && !self.pushes[index].has(flag::NOTIFYING)
        {
            self.pushes[index].set(flag::NOTIFYING, true);
            self.effects.push_back(Effect::Notify(index, kind));
        }
    }

    /// Sends what is due for the head of the msn's notification list; passes those for which nothing is.
    fn announce_head(&mut self, msn: Msn) {
        while let Some(index) = self.queues.notifying_head(msn) {
            if !self.pushes[index].has(flag::ANNOUNCED) {
                return;
            }
            if self.notification_due(index).is_some() {
                return self.announce_again(index);
            }
            self.finish(index);
        }
    }

    fn settle_notification(&mut self, index: PushIndex, kind: NotificationKind) {
        let push = &mut self.pushes[index];
        let msn = push.msn;
        push.set(flag::NOTIFYING, false);
        match kind {
            NotificationKind::Complete => push.set(flag::COMPLETE_DONE, true),
            NotificationKind::Cancellation => {
                push.set(flag::CANCEL_ACCEPTED, false);
                push.set(flag::COMPLETE_DONE, true);
            }
        }
        self.announce_head(msn);
    }

    fn finish(&mut self, index: PushIndex) {
        self.timers.stop(index);
        self.queues.remove_notifying(&mut self.pushes, index);
        let push = self.pushes[index];
        if push.has(flag::ALERT) {
            self.alerts.leave(index);
        }
        self.keys.retire(push.key, push.push_id, push.ended_ms);
        if push.has(flag::IN_LANE) {
            // The lane's links run through this slot: handing it out again now would cut the lane.
            self.pushes[index].set(flag::GONE, true);
        } else {
            self.pushes.remove(index);
        }
        self.effects.push_back(Effect::Finished {
            push_id: push.push_id,
            position: push.position,
            notified: push.has(flag::COMPLETE_DONE),
            tries: push.notify_tries,
        });
    }
}

impl Push {
    fn single_attempt(&self) -> bool {
        self.has(flag::SINGLE_ATTEMPT)
    }
}
