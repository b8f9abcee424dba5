//! Rebuilding the message center from the journal, record by record, in the order in which they stand.
//!
//! Every `restore_*` is idempotent: cleaning copies records forward, so a push's records may be seen twice, and
//! its Ended record before the copy of its Accepted record. A push of which nothing is due any more leaves the slab
//! as soon as the journal says so: the journal holds many more of them than the slab has room for.

use crate::push::code::Code;
use crate::smsc::core::{Core, NewPush, NotificationKind};
use crate::smsc::keys::KeyEntry;
use crate::smsc::mutation::Mutation;
use crate::smsc::pushes::{NONE, PushIndex, flag};
use crate::smsc::state::State;
use std::collections::HashMap;

/// A push's final state as the journal keeps it.
#[derive(Clone, Copy, Debug)]
pub struct RecoveredEnd {
    /// The push's number.
    pub push_id: u64,
    /// Its key.
    pub key: u64,
    /// Digest of its content.
    pub content_digest: u64,
    /// The final state.
    pub state: State,
    /// The final code.
    pub code: Code,
    /// Unix milliseconds.
    pub ended_ms: u64,
    /// Segments.
    pub segments: u8,
    /// 0 unknown, 1 CS, 2 PS.
    pub domain: u8,
    /// TP-Status.
    pub tp_status: u8,
    /// Fingerprint of (svcid, msn, alertid) and the alertseq: what was accepted for the msn outlives the push.
    pub alert: Option<(u64, u8)>,
}

/// What a Notified record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecoveredNotice {
    /// Nothing is due for the push any more.
    Finished,
    /// This notification is parked.
    Parked(NotificationKind),
}

/// The replay of one shard's journal into an empty message center.
pub struct Recovery {
    core: Core,
    live: HashMap<u64, PushIndex>,
    refused: u64,
}

impl Recovery {
    /// Starts with an empty `core`.
    pub fn new(core: Core) -> Self {
        Self { core, live: HashMap::new(), refused: 0 }
    }

    /// An Accepted record.
    pub fn restore_accepted(&mut self, new: NewPush) {
        if let Some(&index) = self.live.get(&new.push_id) {
            self.core.pushes[index].position = new.position;
            return;
        }
        if self.core.pushes.is_full() {
            self.refused += 1;
            return;
        }
        let index = self.core.enter(&new);
        self.live.insert(new.push_id, index);
        if let Some(alert) = new.alert {
            self.core.pushes[index].set(flag::ALERT, true);
            self.core.alerts.enter(index, alert);
        }
    }

    /// A Progress record.
    pub fn restore_progress(&mut self, push_id: u64, delivered_mask: u16, attempts: u16) {
        if let Some(&index) = self.live.get(&push_id) {
            let push = &mut self.core.pushes[index];
            push.delivered_mask |= delivered_mask & push.full_mask();
            push.attempts = attempts.min(255) as u8;
        }
    }

    /// A CancelAccepted record.
    pub fn restore_cancel(&mut self, push_id: u64) {
        if let Some(&index) = self.live.get(&push_id) {
            self.core.pushes[index].set(flag::CANCEL_ACCEPTED, true);
        }
    }

    /// An Ended record, or a Key record that cleaning left of one.
    pub fn restore_ended(&mut self, end: RecoveredEnd, delivered: u8) {
        if let Some((key, sequence)) = end.alert {
            self.core.alerts.remember(key, sequence, None);
        }
        let Some(&index) = self.live.get(&end.push_id) else {
            let entry = KeyEntry {
                content_digest: end.content_digest,
                push_id: end.push_id,
                index: NONE,
                code: end.code,
                state: end.state,
                segments: end.segments,
            };
            self.core.keys.restore_ended(end.key, entry, end.ended_ms);
            return;
        };
        let push = &mut self.core.pushes[index];
        push.state = end.state;
        push.code = end.code;
        push.ended_ms = end.ended_ms;
        push.domain = end.domain;
        push.tp_status = end.tp_status;
        if push.delivered() != delivered {
            push.delivered_mask = ((1u32 << delivered.min(push.segments)) - 1) as u16;
        }
        if push.has(flag::CANCEL_ACCEPTED) {
            push.cancel_code = match end.state {
                State::Cancelled => end.code,
                State::Delivered => Code::ALREADY_DELIVERED,
                _ => Code::ALREADY_ENDED,
            };
        }
        let nothing_due = !push.has(flag::WANTS_NOTIFICATION) && !push.has(flag::CANCEL_ACCEPTED);
        self.core.keys.note_end(end.key, end.push_id, end.state, end.code);
        if nothing_due {
            self.retire(end.push_id, index);
        }
    }

    /// A Notified record.
    pub fn restore_notified(&mut self, push_id: u64, notice: RecoveredNotice) {
        let Some(&index) = self.live.get(&push_id) else { return };
        let push = &mut self.core.pushes[index];
        match notice {
            RecoveredNotice::Finished if push.state.is_final() => self.retire(push_id, index),
            RecoveredNotice::Finished => {}
            RecoveredNotice::Parked(NotificationKind::Complete) => {
                push.set(flag::COMPLETE_DONE | flag::COMPLETE_PARKED, true);
            }
            RecoveredNotice::Parked(NotificationKind::Cancellation) => {
                push.set(flag::CANCELLATION_DONE | flag::CANCELLATION_PARKED, true);
            }
        }
    }

    fn retire(&mut self, push_id: u64, index: PushIndex) {
        self.core.forget(index);
        self.live.remove(&push_id);
    }

    /// Packed positions of the Accepted records of every push in the slab: the journal has to keep them until each
    /// push is finished.
    pub fn live_positions(&self) -> impl Iterator<Item = u64> + '_ {
        self.live.values().map(|&index| self.core.pushes[index].position)
    }

    /// Puts what was unfinished back to work. Effects are waiting in the core afterwards.
    ///
    /// # Errors
    /// The number of pushes that found no room because the slab is smaller than what the journal holds.
    pub fn finish(mut self, now_ms: u64) -> Result<Core, u64> {
        if self.refused > 0 {
            return Err(self.refused);
        }
        let core = &mut self.core;
        let mut indices: Vec<PushIndex> = self.live.into_values().collect();
        indices.sort_unstable_by_key(|&index| (core.pushes[index].ended_ms, core.pushes[index].push_id));
        if core.mutation == Mutation::LoseTimerAtRecovery {
            indices.retain(|&index| {
                core.pushes[index].state.is_final() || core.pushes[index].push_id.is_multiple_of(2)
            });
        }
        indices.retain(|&index| !core.set_aside_if_parked(index));
        for &index in &indices {
            core.restore_place(index);
        }
        for &index in &indices {
            core.restore_start(index, now_ms);
        }
        Ok(self.core)
    }
}

impl Core {
    fn restore_place(&mut self, index: PushIndex) {
        self.place_in_queue(index);
        if self.pushes[index].state.is_final() {
            self.queues.move_to_notifying(&mut self.pushes, index);
        } else {
            self.pushes[index].state = State::Queued;
        }
    }

    fn restore_start(&mut self, index: PushIndex, now_ms: u64) {
        let push = self.pushes[index];
        if push.state.is_final() {
            self.handle_end_durable(index);
        } else if push.is_complete() {
            self.end_delivered(index, now_ms);
        } else if push.has(flag::CANCEL_ACCEPTED) {
            // A push cancelled while nothing was under way ended in the same breath.
            self.end_cancelled_in_doubt(index, now_ms);
        } else if self.alerts.is_outdated(index) {
            self.replace(index, now_ms);
        } else {
            self.start_timer(index, push.expires_ms.max(now_ms));
            self.make_ready(index);
        }
    }
}
