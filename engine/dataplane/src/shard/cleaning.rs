//! Moving what still matters out of the oldest journal segment, a few records a turn, so that
//! accepting hardly notices.

use super::Shard;
use super::endings::{held_record, parked_record, progress_record};
use super::fatal_if_full;
use super::moved_before::MovedBefore;
use crate::billing::{BillingSync, Log};
use crate::journal::{
    AlertCancel, CancelAccepted, Cursor, Key, Position, Reached, Record, SegmentId, Trail,
};
use crate::smsc::core::NotificationKind;
use crate::smsc::ended::{EndedPush, ended_flag, parked_of};
use crate::smsc::keys::KEY_RETENTION_MS;
use crate::smsc::mutation::CoreMutation;
use crate::smsc::pushes::{PushIndex, flag};
use crate::smsc::state::State;
use wire::terms::time::WallMs;

/// Fewest records looked at in one turn, where the turn has time for them.
const RECORDS_PER_TURN_MIN: u64 = 64;
/// Records looked at for each that is appended.
const RECORDS_PER_APPENDED: u64 = 4;
/// Records that are read together, before it is asked for any of them whether it matters.
const RECORDS_TOGETHER: usize = 16;
/// How often a candidate is looked for, beside whenever the journal has grown.
const LOOK_INTERVAL_MS: u64 = 20;

/// A segment on its way out.
pub(super) struct Cleaning {
    segment: SegmentId,
    stage: Stage,
}

/// How far it is.
enum Stage {
    /// Its records are looked at.
    Walking(Cursor),
    /// Everything appended before this sequence must be durable and billed.
    Settling(u64),
    /// The billing log, which has the events of the segment's records, waits to be synced.
    SyncWanted,
    /// It is being synced.
    Syncing,
}

/// What a record of the segment tells.
enum Told {
    /// Nothing that matters once the push has gone on.
    Nothing,
    Acceptance {
        key: u64,
        push_id: u64,
    },
    /// Of a push, or its key, which was moved before.
    End(Key),
    AlertCancel(AlertCancel),
    /// Something of a broadcast.
    Note,
}

/// What is to be done about a record of the segment.
enum Keep {
    Dead,
    Push(PushIndex),
    /// The push with this number, which has ended and left the slab.
    Ended(u64),
    Key(Key),
    AlertCancel(CancelAccepted),
    /// A record of a broadcast, of which something may be needed.
    Note,
}

impl<L: Log> Shard<L> {
    /// Goes on with cleaning, and looks at so many records at most; whether there was anything to
    /// do.
    pub(super) fn clean(&mut self, now_ms: WallMs, most: usize) -> bool {
        if now_ms != self.journal_polled_ms {
            self.journal_polled_ms = now_ms;
            let even_ms = self.pace.even(now_ms);
            self.journal.poll(even_ms);
            if self.journal.retire_cleaned().is_some() {
                self.moved_before = MovedBefore::default();
            }
            if self.journal.is_quiet(even_ms) {
                self.core.touch_ahead();
            }
        }
        let durable = self.durable();
        match &mut self.cleaning {
            None => self.look_for_candidate(now_ms),
            // The segment could not go before the books have the events of its records.
            Some(_) if self.owed.is_some() => {}
            Some(Cleaning { stage: Stage::Walking(_), .. }) => {
                self.walk(now_ms, most as u64);
                return true;
            }
            Some(Cleaning { stage: stage @ Stage::Settling(_), .. }) => {
                let Stage::Settling(until) = *stage else { return false };
                let billed = self.ended.front().is_none_or(|ending| ending.sequence >= until);
                let billed = billed && self.broadcasts.are_billed_below(until);
                if durable >= until && billed {
                    *stage = Stage::SyncWanted;
                }
                if self.mutation == CoreMutation::CleanUnbilled && durable >= until {
                    let Some(Cleaning { segment, .. }) = self.cleaning.take() else { return false };
                    self.journal.cleaned(segment);
                }
            }
            Some(_) => {}
        }
        false
    }

    /// The files of the billing log that must be synced before the walked segment may go.
    pub fn begin_billing_sync(&mut self) -> Option<BillingSync> {
        let Some(Cleaning { segment, stage: stage @ Stage::SyncWanted }) = &mut self.cleaning
        else {
            return None;
        };
        if self.owed.is_some() {
            return None;
        }
        match self.billing.begin_sync() {
            Some(sync) => {
                *stage = Stage::Syncing;
                Some(sync)
            }
            None => {
                if self.billing.is_clean() {
                    self.journal.cleaned(*segment);
                    self.cleaning = None;
                } else {
                    self.billing.hurry();
                }
                None
            }
        }
    }

    /// The files of `sync` are synced.
    pub fn finish_billing_sync(&mut self, sync: &BillingSync) {
        self.billing.finish_sync(sync);
        if let Some(Cleaning { segment, stage: Stage::Syncing }) = self.cleaning.take() {
            self.journal.cleaned(segment);
        }
    }

    fn look_for_candidate(&mut self, now_ms: WallMs) {
        let (looked_ms, reach) = self.cleaning_looked;
        // A clock that was set back must not stop the looking.
        let looked_lately = now_ms.abs_diff(looked_ms) < LOOK_INTERVAL_MS;
        if looked_lately && !self.journal.has_grown_since(reach) {
            return;
        }
        self.cleaning_looked = (now_ms, self.journal.reach());
        let even_ms = self.even_or_wall(now_ms);
        self.dead_octets = self.journal.dead_octets(even_ms);
        self.cleaning = self.journal.cleaning_candidate(even_ms).map(|segment| Cleaning {
            segment,
            stage: Stage::Walking(self.journal.cursor(segment)),
        });
    }

    fn walk(&mut self, now_ms: WallMs, most: u64) {
        let Some(Cleaning { segment, stage: Stage::Walking(mut cursor) }) = self.cleaning.take()
        else {
            return;
        };
        // Four times the pace of appending: cleaning must win against accepting, and a segment be
        // walked before much of the next is filled. What a turn has no time for is made up for in
        // those that follow.
        let appended = self.journal.appended() - self.appended_at_last_turn;
        self.cleaning_owed = self.cleaning_owed.saturating_add(RECORDS_PER_APPENDED * appended);
        let budget = self.cleaning_owed.max(RECORDS_PER_TURN_MIN).min(most);
        self.cleaning_owed = self.cleaning_owed.saturating_sub(budget);
        let mut left = budget;
        while left > 0 {
            let most = left.min(RECORDS_TOGETHER as u64);
            let together: [_; RECORDS_TOGETHER] =
                std::array::from_fn(|n| self.next_told(&mut cursor, (n as u64) < most));
            let is_end = together[most as usize - 1].is_none();
            for (position, told) in together.into_iter().flatten() {
                self.used.cleaned += 1;
                self.keep_or_drop(position, told, now_ms);
            }
            if is_end {
                self.cleaning_owed = 0;
                let stage = Stage::Settling(self.journal.appended());
                self.cleaning = Some(Cleaning { segment, stage });
                return;
            }
            left -= most;
        }
        self.cleaning = Some(Cleaning { segment, stage: Stage::Walking(cursor) });
    }

    /// What the next record tells, where one is wanted and there is one. The processor is told to
    /// fetch what says whether it matters: that lies in tables larger than any cache, and it
    /// fetches several lines in the time of one.
    fn next_told(&self, cursor: &mut Cursor, wanted: bool) -> Option<(Position, Told)> {
        if !wanted {
            return None;
        }
        let (position, record) = self.journal.step_record(cursor)?;
        let told = record.map_or(Told::Nothing, |record| told_by(&record));
        match &told {
            Told::Acceptance { key, push_id } => self.core.prefetch_known(*key, *push_id),
            Told::End(key) => self.core.prefetch_end(key.fingerprint, key.push_id),
            Told::Nothing | Told::AlertCancel(_) | Told::Note => {}
        }
        Some((position, told))
    }

    fn keep_or_drop(&mut self, position: Position, told: Told, now_ms: WallMs) {
        match self.keep(position, told, now_ms) {
            Keep::Dead => {}
            Keep::Push(index) => self.move_forward(index, position, now_ms),
            Keep::Ended(push_id) => self.move_ended_forward(push_id, position, now_ms),
            Keep::Key(key) => {
                fatal_if_full(self.journal.append_key(&key));
            }
            Keep::AlertCancel(cancel) => {
                fatal_if_full(self.journal.append_cancel(&cancel));
            }
            Keep::Note => self.move_note(position, now_ms),
        }
    }

    fn keep(&self, position: Position, told: Told, now_ms: WallMs) -> Keep {
        match told {
            Told::Nothing => Keep::Dead,
            Told::Note => Keep::Note,
            Told::AlertCancel(cancel) => self.keep_cancel(position, &cancel),
            Told::End(key) => self.keep_key(position, key, now_ms),
            Told::Acceptance { key, push_id } => {
                if let Some(index) = self.core.find_live(key, push_id) {
                    let is_here = self.core.push(index).position == position.to_bits();
                    return if is_here { Keep::Push(index) } else { Keep::Dead };
                }
                let is_here = |push: &&EndedPush| push.position == position.to_bits();
                let ended = self.core.ended(push_id).filter(is_here);
                ended.map_or(Keep::Dead, |_| Keep::Ended(push_id))
            }
        }
    }

    /// The message center may remember a key longer than its day; a copy of it would begin that
    /// anew at each start.
    fn keep_key(&self, position: Position, key: Key, now_ms: WallMs) -> Keep {
        let ends_ms = key.ended_ms.saturating_add(self.pace.real_span(KEY_RETENTION_MS));
        if self.moved_before.has_key(position, key.push_id) {
            return Keep::Dead;
        }
        let remembered = self.core.remembers_ended(key.fingerprint, key.push_id);
        let forgets = self.mutation == CoreMutation::ForgetKeysInCleaning;
        if remembered && self.even_or_wall(now_ms).ms() < ends_ms && !forgets {
            Keep::Key(key)
        } else {
            Keep::Dead
        }
    }

    /// The earlier of what the wall clock shows and what it would show had nobody set it: by it no
    /// key is dropped whose day is not over, whichever of both its record was written by.
    pub(super) fn even_or_wall(&self, now_ms: WallMs) -> WallMs {
        WallMs::new(self.pace.even(now_ms).ms()).min(now_ms)
    }

    /// The cancel of a whole alert matters as long as the alert is closed; a push's own stands
    /// behind its copy.
    fn keep_cancel(&self, position: Position, cancel: &AlertCancel) -> Keep {
        if self.moved_before.has_alert(position, cancel.sequence) {
            return Keep::Dead;
        }
        match self.core.closed_alert(cancel.fingerprint) {
            Some(closed) if closed.sequence == cancel.sequence => {
                Keep::AlertCancel(CancelAccepted::of_alert(cancel))
            }
            _ => Keep::Dead,
        }
    }

    /// Appends a live push again, and behind it all that has become of it.
    fn move_forward(&mut self, index: PushIndex, position: Position, now_ms: WallMs) {
        let trail = self.trail(index, now_ms);
        if matches!(trail.reached, Reached::Hold(held) if held.next_ms != 0) {
            self.core.note_hold_recorded(index);
        }
        let moved = self.move_with(position, trail);
        self.journal_handed_again(index, now_ms);
        self.core.set_position(index, moved.to_bits());
    }

    /// As [`Self::move_forward`], of a push that has ended and left the slab.
    fn move_ended_forward(&mut self, push_id: u64, position: Position, now_ms: WallMs) {
        let Some(&push) = self.core.ended(push_id) else {
            unreachable!("it was here a moment ago")
        };
        let key = self.journal.accepted(position).key_fingerprint;
        let cancel = push
            .has(ended_flag::CANCEL_ACCEPTED)
            .then(|| CancelAccepted::of_push(push_id, now_ms.ms(), key, true));
        let moved =
            self.move_with(position, Trail { cancel, reached: self.end_again(&push, now_ms) });
        self.core.set_ended_position(push_id, moved.to_bits());
    }

    /// Appends an Accepted record again, and behind it what has become of its push; where it stands
    /// now.
    fn move_with(&mut self, position: Position, mut trail: Trail) -> Position {
        if self.mutation == CoreMutation::MoveWithoutTrail {
            trail = Trail { cancel: None, reached: Reached::Acceptance };
        }
        let Ok(moved) = fatal_if_full(self.journal.move_forward(position, &trail)) else {
            // It was intact a moment ago: the medium, or somebody else, changed the file.
            panic!("a live push's record could not be read while cleaning its segment");
        };
        self.moved_ends.extend(moved.ended);
        moved.position
    }

    /// What has become of a push that stands in the slab.
    fn trail(&self, index: PushIndex, now_ms: WallMs) -> Trail {
        let push = self.core.push(index);
        let cancel = push.has(flag::CANCEL_ACCEPTED).then(|| {
            CancelAccepted::of_push(push.push_id, now_ms.ms(), push.key, push.is_cancel_told())
        });
        let reached = if push.state.is_final() {
            self.end_again(&EndedPush::of(push), now_ms)
        } else if push.has(flag::BEGUN_FOR_GOOD) {
            // That counts for more than what held it before.
            Reached::Attempt(progress_record(push, now_ms))
        } else if push.hold_reason() != 0 {
            // One that is not held any more is tried at once after a crash, whatever the clock says
            // then.
            let due_ms = self.core.due_ms(index).filter(|_| push.state == State::Held);
            Reached::Hold(held_record(push, now_ms, due_ms.map(|due_ms| self.pace.real(due_ms))))
        } else if push.attempts() > 0
            || push.delivered_mask != 0
            || push.has(flag::IN_DOUBT)
            || push.has_begun()
        {
            Reached::Attempt(progress_record(push, now_ms))
        } else {
            Reached::Acceptance
        };
        Trail { cancel, reached }
    }

    /// That a push has ended, and which of its notifications are parked.
    fn end_again(&self, push: &EndedPush, now_ms: WallMs) -> Reached {
        let parked = [NotificationKind::Complete, NotificationKind::Cancellation].map(|kind| {
            push.has(parked_of(kind)).then(|| parked_record(push.push_id, kind, push.tries, now_ms))
        });
        Reached::End(self.ended_record(push), parked)
    }
}

fn told_by(record: &Record<'_>) -> Told {
    match record {
        Record::Accepted(accepted) => Told::Acceptance {
            key: accepted.key_fingerprint.to_native(),
            push_id: accepted.push_id.to_native(),
        },
        Record::Ended(ended) => Told::End(Key {
            fingerprint: ended.key_fingerprint.to_native(),
            content_digest: ended.content_digest.to_native(),
            alert_key_fingerprint: ended.alert_key_fingerprint.to_native(),
            push_id: ended.push_id.to_native(),
            ended_ms: ended.ended_ms.to_native(),
            code: ended.code.to_native(),
            state: ended.state,
            segments: ended.segments,
            alert_sequence: ended.alert_sequence,
        }),
        Record::Key(key) => Told::End(Key {
            fingerprint: key.fingerprint.to_native(),
            content_digest: key.content_digest.to_native(),
            alert_key_fingerprint: key.alert_key_fingerprint.to_native(),
            push_id: key.push_id.to_native(),
            ended_ms: key.ended_ms.to_native(),
            code: key.code.to_native(),
            state: key.state,
            segments: key.segments,
            alert_sequence: key.alert_sequence,
        }),
        Record::CancelAccepted(cancel) => {
            cancel.whole_alert().map_or(Told::Nothing, Told::AlertCancel)
        }
        Record::Broadcast(_) => Told::Note,
        _ => Told::Nothing,
    }
}
