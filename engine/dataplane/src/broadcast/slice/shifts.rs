//! What follows from records once they are durable: figures that change, and rows that are due
//! sooner.
//!
//! **Invariants:** figures change in the order of the records; a row that is due sooner is so
//! behind a durable record that says it.

use super::{Outcome, RowMutation, RowWord, Slice};

/// A change of the figures, in the order of the records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shift {
    /// The record that has to be durable; `None` until one is appended.
    pub(super) sequence: Option<u64>,
    pub(super) from: Outcome,
    pub(super) to: Outcome,
    pub(super) rows: u32,
    /// The wave of a row.
    pub(super) wave: u8,
}

impl Shift {
    /// Whether it may be shown, where all records up to this one are durable. That an attempt
    /// begins, or came to nothing, has no record of its own.
    fn is_done(&self, durable: u64) -> bool {
        match self.sequence {
            Some(needed) => needed <= durable,
            None => matches!(self.to, Outcome::InFlight | Outcome::Waiting),
        }
    }
}

/// A row that is due sooner, once its record is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Release {
    pub(super) sequence: Option<u64>,
    pub(super) row: u32,
    pub(super) seconds: u32,
}

impl Slice {
    /// A phone is reachable again: its row is due now, as soon as a record says so.
    ///
    /// # Panics
    /// When it is not held.
    pub fn release(&mut self, row: u32, seconds: u32) {
        let word = self.word(row);
        assert_eq!(word.outcome, Outcome::Held, "only what is held is released");
        if word.seconds > seconds {
            self.staged.push((row, RowWord { seconds, ..word }));
            self.releases.push_back(Release { sequence: None, row, seconds });
        }
    }

    pub(super) fn note_shift(&mut self, row: u32, from: Outcome, to: Outcome) {
        if self.mutation == RowMutation::OutcomeBeforeDurability {
            return self.counts.shift(from, to, 1);
        }
        let wave = self.waves.of(row);
        self.shifts.push_back(Shift { sequence: None, from, to, rows: 1, wave });
    }

    /// All records up to this one are durable: what follows from them is so.
    pub(super) fn show_durable(&mut self, sequence: u64) {
        while let Some(release) = self.releases.front().copied()
            && release.sequence.is_some_and(|needed| needed <= sequence)
        {
            self.releases.pop_front();
            let word = self.word(release.row);
            if word.outcome == Outcome::Held {
                let seconds = word.seconds.min(release.seconds);
                self.set_word(release.row, RowWord { seconds, ..word });
            }
        }
        while let Some(shift) = self.shifts.front().copied()
            && shift.is_done(sequence)
        {
            self.shifts.pop_front();
            self.counts.shift(shift.from, shift.to, shift.rows);
            self.waves.note(shift.wave, shift.to, shift.rows);
        }
    }
}
