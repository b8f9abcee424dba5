//! Rows whose turn has come and that wait for what becomes of another broadcast's. They leave the
//! window of claims, so that the rows behind them have their turns, and are looked at again some in
//! a turn. There are never more of them than the part has rows.
//!
//! **Invariants:** what is deferred has not begun, and a start knows that from the mark that says
//! so; it begins only behind a durable mark that says that it is no longer deferred.

use std::collections::VecDeque;

use super::{Life, Outcome, RowMutation, Slice};

/// Of a mark: it has had no turn yet, and waits outside the window of claims.
pub const DEFERRED: u16 = 1 << 13;
/// Of a mark: it waits there no more.
pub const RECALLED: u16 = 1 << 12;

/// The rows that wait outside the window of claims.
#[derive(Clone, Debug, Default)]
pub(super) struct Deferred {
    rows: VecDeque<u32>,
    /// How many of them may still be looked at in this turn.
    looks: usize,
    /// Rows that go on once the record with this sequence is durable; `None` until it is appended.
    recalled: VecDeque<(Option<u64>, u32)>,
}

impl Deferred {
    pub(super) fn len(&self) -> usize {
        self.rows.len() + self.recalled.len()
    }

    pub(super) fn has_looks(&self) -> bool {
        self.looks > 0 && !self.rows.is_empty()
    }

    /// The next one that may be looked at.
    pub(super) fn take(&mut self) -> Option<u32> {
        self.looks = self.looks.checked_sub(1)?;
        self.rows.pop_front()
    }

    pub(super) fn push(&mut self, row: u32) {
        self.rows.push_back(row);
    }

    /// All marks are appended, the last with this sequence.
    pub(super) fn appended(&mut self, sequence: u64) {
        let unnamed = self.recalled.iter_mut().rev().take_while(|(known, _)| known.is_none());
        unnamed.for_each(|(known, _)| *known = Some(sequence));
    }

    /// The next row whose record is durable, where all are up to this one.
    pub(super) fn take_recalled(&mut self, durable: u64) -> Option<u32> {
        let (known, row) = *self.recalled.front()?;
        known.filter(|needed| *needed <= durable)?;
        self.recalled.pop_front();
        Some(row)
    }
}

impl Slice {
    /// A row that was taken cannot begin before something is known of another broadcast's: it waits
    /// outside the window of claims.
    ///
    /// # Panics
    /// When it has begun.
    pub fn defer(&mut self, row: u32) {
        assert_eq!(self.word(row).outcome, Outcome::Waiting, "only what has not begun waits");
        self.note_mark(row, DEFERRED);
        self.deferred.push(row);
    }

    /// Whether a start would find that a row has not begun.
    pub fn is_deferred(&self, row: u32) -> bool {
        !self.marks.is_empty() && self.mark(row) & (DEFERRED | RECALLED) == DEFERRED
    }

    /// Whether a row is, and has no outcome.
    pub(super) fn waits_deferred(&self, row: u32) -> bool {
        self.is_deferred(row) && self.word(row).outcome == Outcome::Waiting
    }

    /// A row that was deferred and taken again is to go on: it has its turn as soon as a record
    /// says so.
    pub fn recall(&mut self, row: u32) {
        self.note_mark(row, RECALLED);
        if self.mutation == RowMutation::RecallNotAwaited {
            self.ready.push_back(row);
        } else {
            self.deferred.recalled.push_back((None, row));
        }
    }

    /// In this turn so many of those that are deferred are looked at again, behind all others.
    pub fn look_again(&mut self, most: usize) {
        self.deferred.looks = most.min(self.deferred.rows.len());
    }

    /// Rows that are deferred, and how many of them may still be looked at in this turn.
    pub fn deferred(&self) -> (usize, usize) {
        (self.deferred.len(), self.deferred.looks)
    }

    /// Rows that have had no turn: those that wait outside the window of claims are among them.
    pub fn without_turn(&self) -> u32 {
        let claimed = self.claimed_ahead() + self.deferred.len();
        self.expansion.unclaimed().saturating_add(claimed as u32)
    }

    /// After a start: a claimed row without an outcome waits as it did.
    pub(super) fn wait_again(&mut self, row: u32) {
        if self.is_deferred(row) {
            self.deferred.push(row);
        } else {
            self.ready.push_back(row);
        }
    }

    /// What is durable by now goes on.
    pub(super) fn go_on_recalled(&mut self, durable: u64) {
        while let Some(row) = self.deferred.take_recalled(durable) {
            let is_waiting = self.word(row).outcome == Outcome::Waiting;
            debug_assert!(is_waiting || matches!(self.life, Life::Closing(_) | Life::Ended(_)));
            if is_waiting {
                self.ready.push_back(row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::claims::RunSlice;
    use crate::broadcast::slice::{OnDoubt, Order, Plan};

    #[test]
    fn rows_that_wait_outside_the_window_are_left_to_do() {
        let runs = vec![RunSlice { first: 0, rows: 100, wave: 0 }];
        let (on_doubt, mutation) = (OnDoubt::Again, RowMutation::None);
        let mut slice = Slice::new(Plan { runs, alertseq: 0, on_doubt, mutation });
        slice.order(Order::Start);
        slice.claim(100);
        for sequence in 1.. {
            if slice.poll_record().is_none() {
                break;
            }
            slice.appended(sequence);
            slice.durable(sequence);
        }
        assert_eq!(slice.without_turn(), 100);
        // Ten begin, and all others wait for their carrier.
        for row in 0..100 {
            assert_eq!(slice.take_ready(1), Some(row));
            if row < 10 {
                slice.begin(row, 1);
            } else {
                slice.defer(row);
            }
        }
        assert_eq!((slice.unclaimed(), slice.claimed_ahead()), (0, 0));
        assert_eq!(slice.without_turn(), 90);
        slice.look_again(1);
        let row = slice.take_ready(2).expect("one that waited");
        slice.recall(row);
        assert_eq!(slice.without_turn(), 90, "it has had no turn yet");
    }
}
