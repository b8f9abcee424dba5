//! What a row's word has no place for: which of its segments arrived while it goes on, that it may
//! have arrived though nobody said so, that somebody withdrew it. And the rest at a planned stop,
//! after which nothing is in doubt.
//!
//! **Invariants:** a mark is written down before or with the outcome that it goes with; what may
//! have arrived once may have it until it is known to have arrived; after a rest no row begins
//! before a durable record says that it goes on.

use super::{Outcome, RowMutation, Slice, SliceRecord};
use crate::broadcast::life::End;

/// Of a mark: it may have arrived.
pub const MAY_HAVE_IT: u16 = 1 << 15;
/// Of a mark: somebody withdrew it while its turn or its attempt was to come to an end.
pub const WITHDRAWN: u16 = 1 << 14;
/// Of a mark: the segments that arrived.
pub const ARRIVED: u16 = (1 << 10) - 1;
/// Marks that one record has at most.
pub const MARKS_OF_A_RECORD_MAX: usize = 640;

/// Whether rows may begin again after a rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waking {
    /// They may.
    Awake,
    /// The record that says so is to be appended.
    Wanted,
    /// It has this sequence.
    Appended(u64),
}

impl Waking {
    /// A record has this sequence; it is the last one that was wanted where `is_last`.
    pub(super) fn appended(&mut self, sequence: u64, is_last: bool) {
        if *self == Self::Wanted && is_last {
            *self = Self::Appended(sequence);
        }
    }

    /// All records up to this one are durable.
    pub(super) fn durable(&mut self, sequence: u64) {
        if let Self::Appended(needed) = *self
            && needed <= sequence
        {
            *self = Self::Awake;
        }
    }
}

impl Slice {
    /// What is known of a row that goes on beside its word: the segments that arrived, the first
    /// one's bit lowest, [`MAY_HAVE_IT`] and [`WITHDRAWN`].
    pub fn mark(&self, row: u32) -> u16 {
        self.marks.get(&row).copied().unwrap_or_default()
    }

    /// So much is known of a row; what is new of it is written down.
    pub fn note_mark(&mut self, row: u32, mark: u16) {
        let known = self.mark(row);
        if known | mark != known {
            self.marks.insert(row, known | mark);
            self.marked.push(row);
        }
    }

    pub(super) fn is_withdrawn(&self, row: u32) -> bool {
        !self.marks.is_empty() && self.mark(row) & WITHDRAWN != 0
    }

    /// Whether an attempt of a row has not ended yet.
    pub fn is_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// Rows that the next start would find in doubt, were this the end.
    pub fn in_doubt_at_end(&self) -> u64 {
        if self.rests || self.life.is_over() {
            return 0;
        }
        let has_begun = |row: &u32| {
            matches!(self.word(*row).outcome, Outcome::Waiting | Outcome::InFlight)
                && !self.is_deferred(*row)
        };
        self.expansion.claimed_rows().filter(has_begun).count() as u64
    }

    /// The engine stops, or it is paused, and nothing is under way: what is claimed has not begun.
    pub fn rest(&mut self) {
        self.wants_rest = !self.rests && !self.life.is_over();
    }

    /// The record that says so, once all else is said.
    pub(super) fn poll_rest(&mut self) -> Option<SliceRecord> {
        let wants_rest = std::mem::take(&mut self.wants_rest);
        self.rests |= wants_rest;
        wants_rest.then_some(SliceRecord::Rests)
    }

    /// It goes on: rows begin once a record says that they do.
    pub fn end_rest(&mut self) {
        self.wants_rest = false;
        self.break_rest();
        if self.waking == Waking::Wanted && self.orders.is_empty() {
            self.orders.push_back(SliceRecord::Stands(self.life));
        }
    }

    /// A record of it was appended again, behind the rest.
    pub fn disturb(&mut self) {
        self.break_rest();
    }

    /// A record follows the rest. Until one is durable a start finds the rest, so no row begins.
    pub(super) fn break_rest(&mut self) {
        if std::mem::take(&mut self.rests) {
            self.waking = Waking::Wanted;
        }
    }

    /// Whether rows may begin: after a planned stop not before a record says that they do.
    pub fn is_awake(&self) -> bool {
        self.waking == Waking::Awake || self.mutation == RowMutation::WakingNotAwaited
    }

    /// The next record of marks, if there are any.
    pub(super) fn poll_marks(&mut self) -> Option<SliceRecord> {
        if self.marked.is_empty() {
            return None;
        }
        let count = self.marked.len().min(MARKS_OF_A_RECORD_MAX);
        let rows: Vec<u32> = self.marked.drain(..count).collect();
        let entries = self.marks_of(rows.into_iter());
        // All of them may have ended meanwhile.
        if entries.is_empty() { self.poll_marks() } else { Some(SliceRecord::Marks(entries)) }
    }

    /// What records of marks say by now.
    pub(super) fn marks_again(&self, entries: &[(u32, u16)]) -> Vec<SliceRecord> {
        let entries = self.marks_of(entries.iter().map(|(row, _)| *row));
        if entries.is_empty() { Vec::new() } else { vec![SliceRecord::Marks(entries)] }
    }

    fn marks_of(&self, rows: impl Iterator<Item = u32>) -> Vec<(u32, u16)> {
        rows.filter_map(|row| Some((row, *self.marks.get(&row)?))).collect()
    }

    pub(super) fn replay_marks(&mut self, entries: &[(u32, u16)]) {
        if self.mutation == RowMutation::ForgetMarks {
            return;
        }
        let rows = self.words.len() as u32;
        for (row, mark) in entries.iter().filter(|(row, _)| *row < rows) {
            *self.marks.entry(*row).or_default() |= mark;
        }
    }

    /// All is read: marks are of rows that go on.
    pub(super) fn forget_marks_of_ended(&mut self) {
        let mut marks = std::mem::take(&mut self.marks);
        marks.retain(|row, _| !self.word(*row).outcome.is_final());
        self.marks = marks;
    }

    /// After a rest: what is claimed has its turn once a record says that it goes on.
    pub(super) fn wake(&mut self) {
        self.rests = false;
        if self.life.is_over() {
            return;
        }
        self.waking = Waking::Wanted;
        self.orders.push_back(SliceRecord::Stands(self.life));
        let is_waiting = |row: &u32| self.word(*row).outcome == Outcome::Waiting;
        let waiting: Vec<u32> = self.expansion.claimed_rows().filter(is_waiting).collect();
        waiting.into_iter().for_each(|row| self.wait_again(row));
    }

    /// A row of so many segments is not sent, for this reason. What may have gone before, or went,
    /// is told as [`Self::change_to_end`] does: whoever withdraws the text has to know.
    pub fn end_unsent(
        &mut self,
        (row, segments): (u32, u8),
        (outcome, code): (Outcome, u16),
        seconds: u32,
    ) {
        let mark = self.mark(row);
        let arrived = (mark & ARRIVED).count_ones() as u8;
        let (outcome, code) = match arrived {
            1.. if arrived >= segments => (Outcome::Delivered, None),
            1.. => (Outcome::Partial, None),
            0 if mark & MAY_HAVE_IT != 0 || self.is_at_carrier(row) => (Outcome::InDoubt, None),
            0 => (outcome, Some(code)),
        };
        self.ended_with(row, (outcome, code), arrived, seconds);
    }

    /// A row does not go on. One that may have arrived is in doubt, and one of which something did
    /// arrived in part: whoever withdraws the text has to know.
    pub fn change_to_end(&mut self, row: u32, end: End, seconds: u32) {
        let mark = self.mark(row);
        let outcome = match mark {
            _ if mark & ARRIVED != 0 => Outcome::Partial,
            _ if mark & MAY_HAVE_IT != 0 || self.is_at_carrier(row) => Outcome::InDoubt,
            _ => end.into(),
        };
        let arrived = (mark & ARRIVED).count_ones() as u8;
        self.ended_with(row, (outcome, None), arrived, seconds);
    }
}
