//! One shard of the simulated engine: the real message center over a model of its journal.

use super::journal::{Framed, Journal, NO_ENTRY, Record};
use super::ledger::EntryIndex;
use hayauma::smsc::core::{Core, CoreLimits, FinishOutcome, NewPush, NotificationKind};
use hayauma::smsc::ended::{EndedPush, ended_flag, parked_of};
use hayauma::smsc::keys::KEY_RETENTION_MS;
use hayauma::smsc::mutation::Mutation;
use hayauma::smsc::pushes::{Push, PushIndex, flag};
use hayauma::smsc::recovery::{RecoveredEnd, RecoveredHold, RecoveredNotice, RecoveredProgress, Recovery};
use hayauma::smsc::retry::Cause;
use hayauma::smsc::state::State;
use std::collections::VecDeque;
use wire::terms::code::Code;

/// Records looked at in one round of cleaning.
const CLEANED_AT_ONCE: usize = 48;
/// The share of the journal that a round goes through when there is much of it.
const CLEANED_SHARE: u64 = 16;

/// What an answer is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum About {
    Push(EntryIndex),
    Cancel(EntryIndex),
    /// This shard's part of a whole alert's cancel, by its number.
    AlertCancel(u32),
}

/// An answer that waits for its record to be durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) about: About,
    pub(super) code: Code,
    pub(super) until: u64,
}

/// One shard.
pub(super) struct Shard {
    pub(super) core: Core,
    pub(super) journal: Journal,
    pub(super) answers: VecDeque<Answer>,
    /// Ended records that are not durable yet.
    pub(super) ended: VecDeque<(u64, PushIndex)>,
    /// Records that an attempt begins, not durable yet.
    pub(super) beginning: VecDeque<(u64, EntryIndex)>,
    pub(super) in_flight: usize,
    pub(super) commit_under_way: bool,
    pub(super) wake_at_ms: u64,
    limits: CoreLimits,
    mutation: Mutation,
}

impl Shard {
    pub(super) fn new(limits: CoreLimits, mutation: Mutation, wall_ms: u64) -> Self {
        Self {
            core: empty_core(limits, mutation, wall_ms),
            journal: Journal::default(),
            answers: VecDeque::new(),
            ended: VecDeque::new(),
            beginning: VecDeque::new(),
            in_flight: 0,
            commit_under_way: false,
            wake_at_ms: u64::MAX,
            limits,
            mutation,
        }
    }

    /// The process dies; of what is not durable, `survivors` records stay.
    pub(super) fn crash(&mut self, survivors: u64) -> Vec<Framed> {
        self.answers.clear();
        self.ended.clear();
        self.beginning.clear();
        self.in_flight = 0;
        self.commit_under_way = false;
        self.wake_at_ms = u64::MAX;
        self.journal.crash(survivors)
    }

    /// The process starts again and reads its journal.
    pub(super) fn recover(&mut self, wall_ms: u64, random: u64) -> Result<(), String> {
        let mut recovery = Recovery::new(empty_core(self.limits, self.mutation, wall_ms), random);
        for framed in self.journal.iter() {
            match framed.record {
                Record::Accepted(new) => recovery.restore_accepted(new),
                Record::Progress { push_id, progress } => recovery.restore_progress(push_id, progress),
                Record::Held { push_id, hold } => recovery.restore_held(push_id, &hold),
                Record::Cancel { push_id } => recovery.restore_cancel(push_id, true),
                Record::Ended { end, delivered } => recovery.restore_ended(end, delivered),
                Record::Notified { push_id, notice } => recovery.restore_notified(push_id, notice),
                Record::Key(end) => recovery.restore_key(end),
                Record::AlertCancel { fingerprint, cancel, .. } => {
                    recovery.restore_alert_cancel(fingerprint, cancel);
                }
            }
        }
        self.core =
            recovery.finish(wall_ms).map_err(|more| format!("{more} recovered pushes found no room"))?;
        Ok(())
    }

    /// The Ended record of an ended push.
    pub(super) fn end_record(push: &EndedPush, alert: Option<(u64, u8)>, new: &NewPush) -> Record {
        let end = RecoveredEnd {
            push_id: push.push_id,
            key: new.key,
            client: Some(new.client),
            content_digest: new.content_digest,
            state: push.state,
            code: push.code,
            ended_ms: push.ended_ms(),
            segments: push.segments,
            withdrawn: push.withdrawn(),
            domain: push.domain,
            tp_status: push.tp_status,
            alert,
            number: push.end_number,
        };
        Record::Ended { end, delivered: push.delivered() }
    }

    /// What the engine reads from the push's Accepted record.
    pub(super) fn accepted_of(&self, push: &Push) -> NewPush {
        *self.journal.accepted(push.position >> 32)
    }

    pub(super) fn finished_record(push_id: u64, outcome: FinishOutcome) -> Option<Record> {
        let notified = outcome != FinishOutcome::NothingDue;
        notified.then_some(Record::Notified { push_id, notice: RecoveredNotice::Finished })
    }

    /// Moves what still matters out of the oldest records, as the engine's cleaning does.
    pub(super) fn clean(&mut self, wall_ms: u64) {
        let records_max = CLEANED_AT_ONCE.max((self.journal.next_sequence() / CLEANED_SHARE) as usize);
        let Some(candidates) = self.journal.cleaning_candidates(records_max) else { return };
        for framed in &candidates {
            match framed.record {
                Record::Accepted(new) => {
                    let live = self.core.find_live(new.key, new.push_id);
                    let here = |index: &PushIndex| self.core.push(*index).position == new.position;
                    if let Some(index) = live.filter(here) {
                        self.move_forward(index, framed.entry, new, wall_ms);
                    }
                    let ended = self.core.ended(new.push_id).copied();
                    if let Some(push) = ended.filter(|push| push.position == new.position) {
                        self.move_ended_forward(push, framed.entry, new);
                    }
                }
                Record::Ended { end, .. } | Record::Key(end) => {
                    let remembered = self.core.remembers_ended(end.key, end.push_id);
                    if remembered && wall_ms < end.ended_ms + KEY_RETENTION_MS {
                        self.journal.append_copy(framed.entry, Record::Key(end));
                    }
                }
                Record::AlertCancel { fingerprint, cancel, .. } => {
                    // A start may have moved a time that lay ahead of it: the sequence says which cancel it is.
                    let closed = self.core.closed_alert(fingerprint);
                    if closed.is_some_and(|closed| closed.sequence == cancel.sequence) {
                        self.journal.append_copy(NO_ENTRY, framed.record);
                    }
                }
                Record::Progress { .. }
                | Record::Held { .. }
                | Record::Cancel { .. }
                | Record::Notified { .. } => {}
            }
        }
        if !candidates.is_empty() {
            self.journal.moved(candidates.len());
        }
    }

    fn move_forward(&mut self, index: PushIndex, entry: EntryIndex, mut new: NewPush, wall_ms: u64) {
        new.position = self.journal.next_sequence() << 32 | u64::from(entry);
        self.core.set_position(index, new.position);
        self.journal.append_copy(entry, Record::Accepted(new));
        let push = *self.core.push(index);
        let push_id = push.push_id;
        if push.has(flag::CANCEL_ACCEPTED) {
            self.journal.append_copy(entry, Record::Cancel { push_id });
        }
        if push.state.is_final() {
            self.append_end_again(&EndedPush::of(&push), entry, &new);
        } else if push.hold_reason() != 0 {
            let due_ms = self.core.due_ms(index).filter(|_| push.state == State::Held);
            self.journal.append_copy(entry, held_record(&push, wall_ms, due_ms.unwrap_or(wall_ms)));
        } else if push.attempts() > 0 || push.delivered_mask != 0 || has_begun(&push) {
            self.journal.append_copy(entry, progress_record(&push, has_begun(&push)));
        }
    }

    fn move_ended_forward(&mut self, push: EndedPush, entry: EntryIndex, mut new: NewPush) {
        new.position = self.journal.next_sequence() << 32 | u64::from(entry);
        self.core.set_ended_position(push.push_id, new.position);
        self.journal.append_copy(entry, Record::Accepted(new));
        if push.has(ended_flag::CANCEL_ACCEPTED) {
            self.journal.append_copy(entry, Record::Cancel { push_id: push.push_id });
        }
        self.append_end_again(&push, entry, &new);
    }

    fn append_end_again(&mut self, push: &EndedPush, entry: EntryIndex, new: &NewPush) {
        let alert = new.alert.map(|alert| (alert.key, alert.sequence));
        self.journal.append_copy(entry, Self::end_record(push, alert, new));
        for kind in [NotificationKind::Complete, NotificationKind::Cancellation] {
            if push.has(parked_of(kind)) {
                let notice = RecoveredNotice::Parked(kind);
                self.journal.append_copy(entry, Record::Notified { push_id: push.push_id, notice });
            }
        }
    }

    /// Records that an attempt's end holds the push, if it does, as the engine does it: why, until when, and what was held
    /// before. Without `room` only what is new of the push's segments is recorded.
    pub(super) fn note_if_held(
        &mut self,
        index: PushIndex,
        before: (u16, bool),
        cause: Option<Cause>,
        wall_ms: u64,
        room: bool,
    ) -> Option<Record> {
        if self.core.push(index).state != State::Held {
            return None;
        }
        self.core.note_hold_reason(index, reason_of(cause.unwrap_or(Cause::SystemFailure)));
        let push = *self.core.push(index);
        let entry = push.position as EntryIndex;
        let record = if room {
            held_record(&push, wall_ms, self.core.due_ms(index).unwrap_or(wall_ms))
        } else if known_of(&push) != before {
            progress_record(&push, has_begun(&push))
        } else {
            return None;
        };
        self.journal.append(entry, record);
        Some(record)
    }
}

/// What an attempt may tell of a push's segments.
pub(super) fn known_of(push: &Push) -> (u16, bool) {
    (push.delivered_mask, push.has(flag::IN_DOUBT))
}

/// Whether a record says that the one attempt of the push has begun.
pub(super) fn has_begun(push: &Push) -> bool {
    push.has(flag::SINGLE_ATTEMPT) && !push.has(flag::RECORD_BEGIN)
}

fn reason_of(cause: Cause) -> u8 {
    cause as u8 + 1
}

fn progress_of(push: &Push, begun: bool) -> RecoveredProgress {
    RecoveredProgress {
        delivered_mask: push.delivered_mask,
        attempts: u16::from(push.attempts()),
        in_doubt: push.has(flag::IN_DOUBT),
        begun,
    }
}

pub(super) fn progress_record(push: &Push, begun: bool) -> Record {
    Record::Progress { push_id: push.push_id, progress: progress_of(push, begun) }
}

fn held_record(push: &Push, wall_ms: u64, next_ms: u64) -> Record {
    let hold = RecoveredHold {
        progress: progress_of(push, false),
        at_ms: wall_ms,
        next_ms,
        code: push.code,
        cause: Cause::ALL[usize::from(push.hold_reason() - 1)],
        reason: push.hold_reason(),
        domain: push.domain(),
        holds: push.holds(),
    };
    Record::Held { push_id: push.push_id, hold }
}

fn empty_core(limits: CoreLimits, mutation: Mutation, wall_ms: u64) -> Core {
    let mut core = Core::new(limits, wall_ms);
    core.mutate(mutation);
    core
}
