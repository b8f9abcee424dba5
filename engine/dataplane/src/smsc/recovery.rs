//! Rebuilding the message center from the journal, record by record, in the order in which they
//! stand.
//!
//! Every `restore_*` is idempotent: cleaning copies a push's Accepted record forward and behind it
//! all that has become of the push, so its records may be seen twice, and its Ended record before
//! the copy of its Accepted record. A crash may leave such a copy without what belongs behind it.
//! So:
//! * a copy that comes while an earlier Accepted record of its push stands counts once a record
//!   that is not of this push follows in the next sequence: what belongs behind the copy is whole
//!   then, and the push stands where the copy stands. Until then it stands where it stood, and the
//!   next cleaning copies it again. So it does too where both were copied from another layout,
//!   whose runs cannot be told apart any more;
//! * a copy that comes after the push's Ended record, and is followed by no other, is of a push
//!   that has ended.
//!
//! A push that was held waits on as its newest Held record says. The head of an msn's queue of
//! which no record says that it waited at the moment of this start may have been under way when the
//! engine died: it is in doubt from then on. That changes what a cancel answers and nothing else.
//!
//! A push of which nothing is due any more leaves the slab as soon as the journal says so: the
//! journal holds many more of them than the slab has room for.

mod center;

use crate::smsc::clients::UNKNOWN;
use crate::smsc::closed_alerts::ClosedAlert;
use crate::smsc::core::{Core, NewPush, NotificationKind};
use crate::smsc::ended::EndedPush;
use crate::smsc::index_table::IndexTable;
use crate::smsc::keys::EndedKey;
use crate::smsc::mutation::CoreMutation;
use crate::smsc::pushes::{NONE, PushIndex, flag};
use crate::smsc::retry::{self, Cause};
use crate::smsc::state::State;
use std::collections::{HashMap, HashSet};
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::mix::mix;
use wire::terms::time::CenterMs;

/// A push's final state as the journal keeps it.
#[derive(Clone, Copy, Debug)]
pub struct RecoveredEnd {
    /// The push's number.
    pub push_id: u64,
    /// Its key.
    pub key: u64,
    /// Whose it was: the number of the XPID, where the record says so.
    pub client: Option<u64>,
    /// Digest of its content.
    pub content_digest: u64,
    /// The final state.
    pub state: State,
    /// The final code.
    pub code: Code,
    /// When it ended.
    pub ended_ms: CenterMs,
    /// Segments.
    pub segments: u8,
    /// Segments that a cancel withdrew.
    pub withdrawn: u8,
    /// What the last attempt went through, where that is known.
    pub domain: Option<Domain>,
    /// TP-Status.
    pub tp_status: u8,
    /// Fingerprint of (svcid, msn, alertid) and the alertseq: what was accepted for the msn
    /// outlives the push.
    pub alert: Option<(u64, u8)>,
    /// Which of the shard's ends it was; 0 where the journal does not say.
    pub number: u32,
}

/// How far a Progress record says that a push has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecoveredProgress {
    /// The segments that arrived: bit 0 is the first.
    pub delivered_mask: u16,
    /// Attempts in which something was sent.
    pub attempts: u16,
    /// A segment may have arrived of which nobody said so.
    pub in_doubt: bool,
    /// From this record on an attempt may have been under way.
    pub begun: bool,
    /// And what it sent is never sent again.
    pub for_good: bool,
}

/// What a Held record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecoveredHold {
    /// How far the push has come.
    pub progress: RecoveredProgress,
    /// When it was held.
    pub at_ms: CenterMs,
    /// When it was to be tried again.
    pub next_ms: CenterMs,
    /// The code that its expiry would carry.
    pub code: Code,
    /// What held it.
    pub cause: Cause,
    /// The owner's number for what held it.
    pub reason: u8,
    /// What the last attempt went through, where that is known.
    pub domain: Option<Domain>,
    /// How often it was held for each cause, as
    /// [`Push::holds`](crate::smsc::pushes::Push::holds) says it; all zero in records from before
    /// that was kept.
    pub holds: [u8; 3],
}

/// What a Handed record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecoveredHanding {
    /// How far the push has come.
    pub progress: RecoveredProgress,
    /// The segments that a carrier took then.
    pub taken_mask: u16,
    /// The segments that will not arrive.
    pub failed_mask: u16,
    /// The code of those, if there are any.
    pub code: Option<Code>,
}

/// What a Handed record says of a push that goes by another carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecoveredElsewhere {
    /// How far the push has come.
    pub progress: RecoveredProgress,
    /// The carrier that could not deliver.
    pub carrier: u8,
    /// The segments that are sent again; none where that is only remembered.
    pub mask: u16,
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
    /// The slab's pushes by their numbers.
    live: IndexTable,
    /// No push with this number or a higher one has been seen.
    unseen_from: u64,
    /// The slab index of the push that was found last: its neighbour is often the next one.
    found: PushIndex,
    /// Copies of pushes whose Ended record came first, and whether a cancel's came behind them and
    /// its client is told: each comes in when the Ended record that belongs behind the copy does.
    copies: HashMap<u64, (NewPush, Option<bool>)>,
    /// The copy that was read last, while an earlier record of its push stands: the push's number,
    /// and the copy's place.
    last_copy: Option<(u64, u64)>,
    /// The sequence behind the record that was read last.
    next_sequence: u64,
    refused: u64,
    /// Jitters retries whose time has passed.
    random: u64,
}

impl Recovery {
    /// Starts with an empty `core`, at the time that it was made with; `random` is any 64 random
    /// bits.
    pub fn new(core: Core, random: u64) -> Self {
        let slots = core.pushes.capacity();
        Self {
            core,
            live: IndexTable::new(slots, slots),
            unseen_from: 0,
            found: NONE,
            copies: HashMap::new(),
            last_copy: None,
            next_sequence: 0,
            refused: 0,
            random,
        }
    }

    /// The push in the slab with this number.
    fn find(&mut self, push_id: u64) -> Option<PushIndex> {
        if push_id >= self.unseen_from {
            return None;
        }
        // A journal mostly speaks of pushes in the order in which it accepted them.
        let next = self.found.wrapping_add(1);
        if self.core.pushes.find(next).is_some_and(|push| push.push_id == push_id) {
            self.found = next;
            return Some(next);
        }
        let place =
            self.live.find(mix(push_id), |index| self.core.pushes[index].push_id == push_id)?;
        self.found = self.live.index_at(place);
        Some(self.found)
    }

    /// The record of this sequence comes next; `push_id` says whose it is. Before its `restore_*`.
    /// A record that was copied from another layout `is_renumbered`: what it follows was not next
    /// to it before.
    pub fn pass(
        &mut self,
        sequence: u64,
        is_renumbered: bool,
        push_id: impl FnOnce() -> Option<u64>,
    ) {
        let follows = std::mem::replace(&mut self.next_sequence, sequence + 1) == sequence;
        let Some((copied, position)) = self.last_copy else { return };
        // Where a run ended, or something is missing, nobody knows whether the copy is whole.
        // Another layout's numbers hide where that was.
        if !follows || is_renumbered {
            self.last_copy = None;
        } else if push_id() != Some(copied) {
            self.last_copy = None;
            if let Some(index) = self.find(copied) {
                self.core.pushes[index].position = position;
            } else {
                self.core.set_ended_position(copied, position);
            }
        }
    }

    /// An Accepted record.
    pub fn restore_accepted(&mut self, new: NewPush) {
        if self.find(new.push_id).is_some() || self.has_ended(new.push_id) {
            self.last_copy = Some((new.push_id, new.position));
            return;
        }
        if self.core.remembers_ended(new.key, new.push_id) {
            self.copies.insert(new.push_id, (new, None));
            return;
        }
        self.enter(new);
    }

    /// Whether the push with this number has ended and something of it is due or parked.
    fn has_ended(&self, push_id: u64) -> bool {
        push_id < self.unseen_from && self.core.ended(push_id).is_some()
    }

    fn enter(&mut self, new: NewPush) {
        if self.core.pushes.is_full() {
            self.refused += 1;
            return;
        }
        let index = self.core.enter(&new);
        self.core.keys.insert_live(&self.core.pushes, index);
        self.live.insert(mix(new.push_id), index);
        self.unseen_from = self.unseen_from.max(new.push_id + 1);
        if let Some(alert) = new.alert {
            self.core.pushes[index].set(flag::ALERT, true);
            self.core.alerts.enter(&mut self.core.pushes, index, alert);
        }
    }

    /// A Progress record.
    pub fn restore_progress(&mut self, push_id: u64, progress: RecoveredProgress) {
        let Some(index) = self.find(push_id) else { return };
        let mutation = self.core.mutation;
        let push = &mut self.core.pushes[index];
        if push.state.is_final() {
            return;
        }
        push.restore_progress(&progress, mutation);
        if progress.begun && push.state != State::Handed {
            let again = mutation == CoreMutation::AttemptAgainAtRecovery;
            push.set(flag::RECORD_BEGIN, again);
            push.set(flag::BEGUN_FOR_GOOD, progress.for_good && !again);
            push.set(flag::HOLD_RECORDED, false);
            self.release(index);
        }
    }

    /// A Progress record which says that the attempt that had begun was never made.
    pub fn restore_taken_back(&mut self, push_id: u64) {
        let Some(index) = self.find(push_id) else { return };
        let push = &mut self.core.pushes[index];
        if !push.state.is_final() && push.state != State::Handed {
            push.unbegin();
        }
    }

    /// A Held record: the push waits for what is left of its time.
    pub fn restore_held(&mut self, push_id: u64, hold: &RecoveredHold) {
        let Some(index) = self.find(push_id) else { return };
        let (now_ms, mutation) = (self.core.time.center(), self.core.mutation);
        let push = &mut self.core.pushes[index];
        if push.state.is_final() {
            return;
        }
        push.restore_progress(&hold.progress, mutation);
        push.code = hold.code;
        push.set_hold_reason(hold.reason);
        if hold.domain.is_some() {
            push.set_domain(hold.domain);
        }
        if mutation != CoreMutation::ForgetHoldsAtRecovery {
            push.set_holds(hold.holds);
        }
        if hold.holds == [0; 3] {
            push.count_hold(hold.cause);
        }
        if mutation == CoreMutation::RetryAllAtRecovery {
            return;
        }
        let waited_ms = hold.next_ms.since(hold.at_ms);
        let left_ms = hold.next_ms.since(now_ms);
        let overdue = left_ms == 0;
        let single = push.has(flag::SINGLE_ATTEMPT);
        // A clock that was set back makes no push wait for longer than it was to; then its attempt
        // comes before the time that its record names. And that time may have passed before the
        // clock was set back.
        let set_back = left_ms > waited_ms;
        push.state = State::Held;
        push.set(flag::OVERDUE, overdue || set_back && !single);
        push.set(flag::HOLD_RECORDED, true);
        push.set(flag::RECORD_BEGIN, single || set_back);
        push.set(flag::BEGUN_FOR_GOOD, false);
        let delay_ms = if overdue {
            retry::overdue_jitter_ms(waited_ms, mix(self.random ^ push_id))
        } else {
            left_ms.min(waited_ms)
        };
        self.core.start_timer(index, now_ms + delay_ms);
    }

    /// A Handed record: what a carrier took of the push, and what its receipts said.
    pub fn restore_handed(&mut self, push_id: u64, handed: &RecoveredHanding) {
        let Some(index) = self.find(push_id) else { return };
        let mutation = self.core.mutation;
        let push = &mut self.core.pushes[index];
        if push.state.is_final() || mutation == CoreMutation::LoseHandedAtRecovery {
            return;
        }
        push.restore_progress(&handed.progress, mutation);
        push.set_domain(Some(Domain::Carrier));
        let core = &mut self.core;
        core.handings.restore(index, handed.taken_mask, handed.failed_mask, handed.code);
        let push = &mut core.pushes[index];
        if core.handings.settled_mask(index) | push.delivered_mask == push.full_mask() {
            core.timers.stop(index);
            push.set(flag::OVERDUE, false);
            push.state = State::Handed;
        }
    }

    /// A Handed record that says that a push goes by another carrier; `route` gives the one
    /// without that carrier for the one that it has.
    pub fn restore_elsewhere(
        &mut self,
        push_id: u64,
        elsewhere: &RecoveredElsewhere,
        route: impl FnOnce(u8) -> Option<u8>,
    ) {
        let Some(index) = self.find(push_id) else { return };
        let mutation = self.core.mutation;
        let push = &mut self.core.pushes[index];
        if push.state.is_final() || mutation == CoreMutation::LoseHandedAtRecovery {
            return;
        }
        push.restore_progress(&elsewhere.progress, mutation);
        push.set_domain(Some(Domain::Carrier));
        if let Some(route) = route(push.route()) {
            push.set_route(route);
        }
        let was_handed = push.state == State::Handed;
        self.core.handings.send_elsewhere(index, elsewhere.mask, elsewhere.carrier);
        if was_handed && elsewhere.mask != 0 {
            self.core.pushes[index].set(flag::RECORD_BEGIN, true);
            self.core.pushes[index].set(flag::BEGUN_FOR_GOOD, false);
            self.release(index);
        }
    }

    /// The push is not held any more: it waits for its turn.
    fn release(&mut self, index: PushIndex) {
        self.core.timers.stop(index);
        let push = &mut self.core.pushes[index];
        push.set(flag::OVERDUE, false);
        push.state = State::Received;
    }

    /// A CancelAccepted record.
    pub fn restore_cancel(&mut self, push_id: u64, told: bool) {
        if self.core.mutation == CoreMutation::LoseCancelAtRecovery {
            return;
        }
        if let Some(index) = self.find(push_id) {
            self.core.pushes[index].set_cancel_accepted(told);
        } else if let Some((_, cancelled)) = self.copies.get_mut(&push_id) {
            *cancelled = Some(told);
        }
    }

    /// The cancel of a whole alert. It counts as long as it would have without the crash.
    pub fn restore_alert_cancel(&mut self, alert_fingerprint: u64, cancel: ClosedAlert) {
        // Were it later than now, because the clock was set back, it would stay closed for longer
        // than a day.
        let at_ms = cancel.at_ms.min(self.core.time.center());
        self.core.closed_alerts.close(alert_fingerprint, ClosedAlert { at_ms, ..cancel });
    }

    /// Accepted pushes that found no room in the slab.
    pub fn without_room(&self) -> u64 {
        self.refused
    }

    /// The cancelled alerts of which pushes still wait, by their fingerprints. Before
    /// [`Self::finish`].
    pub fn alerts_to_withdraw(&self) -> HashSet<u64> {
        let core = &self.core;
        let waits = core.pushes.iter().filter(|(_, push)| !push.state.is_final());
        waits
            .filter(|&(index, _)| core.is_of_closed_alert(index))
            .filter_map(|(index, _)| core.alerts.alert_of(&core.pushes, index))
            .collect()
    }

    /// A Key record: what cleaning left of an Ended record whose push was done with. Copies of that
    /// push that a crash left behind are as dead.
    pub fn restore_key(&mut self, end: RecoveredEnd) {
        self.copies.remove(&end.push_id);
        self.drop_all_of(end.push_id);
        self.restore_ended(end, 0);
    }

    /// An Ended record.
    pub fn restore_ended(&mut self, end: RecoveredEnd, delivered: u8) {
        if let Some((key, sequence)) = end.alert {
            self.core.alerts.remember(key, sequence, None);
        }
        if let Some((copy, cancelled)) = self.copies.remove(&end.push_id) {
            self.enter(copy);
            if let Some(told) = cancelled {
                self.restore_cancel(end.push_id, told);
            }
        }
        let Some(index) = self.find(end.push_id) else {
            self.core.note_end_number(end.number);
            // A copy of its records says it by the clock as it was set when the copy was made.
            self.core.set_ended_time(end.push_id, end.ended_ms);
            let digest = end.content_digest as u32;
            let ended_ms = end.ended_ms.min(self.core.time.center());
            let key =
                EndedKey::new(end.key, end.push_id, digest, end.state, end.segments, ended_ms);
            let (owner, Core { pushes, clients, keys, .. }) = (end.client, &mut self.core);
            return keys.restore_ended(pushes, key, end.push_id, owner.unwrap_or(UNKNOWN), clients);
        };
        if !self.core.pushes[index].state.is_final() {
            self.core.timers.stop(index);
            self.core.alerts.leave(&mut self.core.pushes, index);
        }
        self.core.note_end_number(end.number);
        let push = &mut self.core.pushes[index];
        push.set_ended(end.state, end.code, end.ended_ms, end.tp_status);
        push.set_end_number(end.number);
        push.set_domain(end.domain);
        if push.delivered() != delivered {
            push.delivered_mask = ((1u32 << delivered.min(push.segments)) - 1) as u16;
        }
        if end.state == State::Cancelled && end.withdrawn != push.segments - push.delivered() {
            push.set(flag::IN_DOUBT, true);
        }
        let ended = EndedPush::of(push);
        self.part(end.push_id, index);
        self.core.forget(index, end.content_digest);
        if ended.due().is_some() {
            self.core.place_ended(ended);
        }
    }

    /// A Notified record.
    pub fn restore_notified(&mut self, push_id: u64, notice: RecoveredNotice) {
        if notice == RecoveredNotice::Finished {
            self.copies.remove(&push_id);
        }
        match notice {
            RecoveredNotice::Finished => self.drop_all_of(push_id),
            RecoveredNotice::Parked(kind) => self.core.restore_parked(push_id, kind),
        }
    }

    /// The push was done with: whatever is here of it is a copy that a crash left behind, or has
    /// been seen to.
    fn drop_all_of(&mut self, push_id: u64) {
        if let Some(index) = self.find(push_id) {
            // Its end stood before this copy, and may follow once more as a Key record.
            self.drop_copy(push_id, index);
        } else if push_id < self.unseen_from {
            self.core.drop_ended(push_id);
        }
    }

    fn part(&mut self, push_id: u64, index: PushIndex) {
        let place = self.live.find(mix(push_id), |found| found == index);
        let place = place.expect("a push in the slab is found by its number");
        self.live.remove(mix(push_id), place);
    }

    /// The push had ended and was done with before the copy that brought it in here.
    fn drop_copy(&mut self, push_id: u64, index: PushIndex) {
        self.part(push_id, index);
        if !self.core.pushes[index].state.is_final() {
            self.core.timers.stop(index);
            self.core.alerts.leave(&mut self.core.pushes, index);
        }
        self.core.keys.forget_live(&self.core.pushes, index);
        self.core.free_place(index);
    }

    /// Packed positions of the Accepted records of every push in the slab: the journal has to keep
    /// them until each push is finished.
    pub fn live_positions(&self) -> impl Iterator<Item = u64> + '_ {
        let ended = self.core.ended.iter().map(|(_, push)| push.position);
        let parked = self.core.parked.from(0).map(|push| push.position);
        self.core.pushes.iter().map(|(_, push)| push.position).chain(ended).chain(parked)
    }

    /// Puts what was unfinished back to work. Effects are waiting in the core afterwards.
    ///
    /// # Errors
    /// The number of pushes that found no room because the slab is smaller than what the journal
    /// holds.
    pub fn finish(mut self, now_ms: CenterMs) -> Result<Core, u64> {
        if self.refused > 0 {
            return Err(self.refused);
        }
        drop(self.live);
        let core = &mut self.core;
        let mut indices: Vec<PushIndex> = core.pushes.iter().map(|(index, _)| index).collect();
        indices.sort_unstable_by_key(|&index| core.pushes[index].push_id);
        if core.mutation == CoreMutation::LoseTimerAtRecovery {
            indices.retain(|&index| core.pushes[index].push_id.is_multiple_of(2));
        }
        for &index in &indices {
            core.restore_place(index);
        }
        for &index in &indices {
            core.doubt_if_under_way(index);
        }
        for &index in &indices {
            core.restore_start(index, now_ms);
        }
        core.restore_rings();
        // Behind the withdrawal: an alert may have been cancelled longer ago than alerts stay
        // closed.
        core.closed_alerts.forget_expired(now_ms, usize::MAX);
        Ok(self.core)
    }
}
