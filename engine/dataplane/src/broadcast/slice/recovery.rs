//! A slice after a crash: from a checkpoint, if there is one, and the records of the journal.
//!
//! **Invariants:** what is read twice says nothing new; what may have been sent is in doubt and is
//! counted so; a row that has an outcome never has its first turn again.

use std::borrow::Borrow;

use super::{
    Checkpoint, Life, MAY_HAVE_IT, OnDoubt, Outcome, Piece, Plan, RowMutation, Slice, SliceRecord,
    known,
};
use crate::broadcast::outcomes::Counts;

impl Slice {
    /// The state after a crash, as of `seconds` since the start: from a checkpoint, if there is
    /// one, and the records of the journal. Records that the checkpoint covers may be among them.
    pub fn recover<R: Borrow<SliceRecord>>(
        plan: Plan,
        checkpoint: Option<&Checkpoint>,
        records: impl IntoIterator<Item = R>,
        seconds: u32,
    ) -> Self {
        let (on_doubt, mutation) = (plan.on_doubt, plan.mutation);
        let mut slice = Self::new(plan);
        if let Some(checkpoint) = checkpoint {
            slice.life = checkpoint.life;
            slice.words.clone_from(&checkpoint.words);
            slice.marks.clone_from(&checkpoint.marks);
            slice.handings.clone_from(&checkpoint.handings);
            slice.doubts = checkpoint.doubts;
            slice.rests = checkpoint.rests;
            slice.waves.open_to(checkpoint.waves_open);
            slice.expansion.claim_up_to(&checkpoint.cursors);
        }
        for record in records {
            slice.replay(record.borrow());
        }
        slice.claim_what_has_begun();
        slice.forget_marks_of_ended();
        slice.count_words();
        slice.restore_handed(seconds);
        if slice.rests {
            slice.wake();
        } else {
            slice.resume_claimed(on_doubt, mutation, seconds);
        }
        slice.go_on_elsewhere(seconds);
        slice
    }

    pub(super) fn replay(&mut self, record: &SliceRecord) {
        self.rests = *record == SliceRecord::Rests;
        match record {
            SliceRecord::Order(order) => {
                self.obey_life(*order);
            }
            SliceRecord::Stands(life) => self.life = *life,
            // Claims become durable in their order: what comes later says that all before it was.
            SliceRecord::Claimed(pieces) => {
                for piece in pieces {
                    if self.expansion.has(*piece) {
                        self.expansion.reach(*piece);
                    }
                }
            }
            SliceRecord::Outcomes(entries) => {
                let rows = self.words.len() as u32;
                for (row, word) in entries.iter().filter(|(row, _)| *row < rows) {
                    // Read again from anywhere, records lead to the same end: the last one counts,
                    // and an end stays.
                    if !self.word(*row).outcome.is_final() {
                        self.set_word(*row, *word);
                    }
                }
            }
            SliceRecord::Doubts { total } => self.doubts = self.doubts.max(*total),
            SliceRecord::Marks(entries) => self.replay_marks(entries),
            SliceRecord::Handed(entries) => self.replay_handed(entries),
            SliceRecord::Rests => {}
        }
    }

    /// What has an outcome had been claimed, though the record of that may be lost with a damaged
    /// part of a journal: it must not have its turn again.
    pub(super) fn claim_what_has_begun(&mut self) {
        for run in 0..self.expansion.cursors().len() as u32 {
            let open = self.expansion.unclaimed_rows(run);
            let has_begun = |row: &u32| self.word(*row).outcome != Outcome::Waiting;
            if let Some(row) = open.clone().rev().find(has_begun) {
                let rows = row + 1 - open.start;
                self.expansion.reach(Piece { run, first: open.start, rows });
            }
        }
    }

    /// Figures from the words: all of them are durable.
    pub(super) fn count_words(&mut self) {
        self.counts = Counts::waiting(self.expansion.rows());
        for bits in &self.words {
            let outcome = known(*bits).outcome;
            if outcome != Outcome::Waiting {
                self.counts.shift(Outcome::Waiting, outcome, 1);
            }
            self.handed_over += u32::from(outcome == Outcome::HandedOver);
        }
        for (row, bits) in (0..).zip(&self.words) {
            self.waves.note(self.waves.of(row), known(*bits).outcome, 1);
        }
        if let Life::Closing(end) | Life::Ended(end) = self.life {
            self.counts.shift(Outcome::Waiting, end.into(), self.expansion.unclaimed());
        }
    }

    /// What was claimed and has no outcome, or was held and is due, may have been under way.
    pub(super) fn resume_claimed(
        &mut self,
        on_doubt: OnDoubt,
        mutation: RowMutation,
        seconds: u32,
    ) {
        if mutation == RowMutation::ForgetClaims {
            return;
        }
        let claimed = self.expansion.claimed_rows();
        let deferred: Vec<u32> = claimed.filter(|row| self.waits_deferred(*row)).collect();
        deferred.into_iter().for_each(|row| self.wait_again(row));
        let may_be_under_way = |row: &u32| {
            let word = self.word(*row);
            word.outcome == Outcome::Waiting && !self.is_deferred(*row)
                || (word.outcome == Outcome::Held && word.seconds <= seconds)
        };
        let rows: Vec<u32> = self.expansion.claimed_rows().filter(may_be_under_way).collect();
        if rows.is_empty() {
            return;
        }
        if mutation != RowMutation::TrustClaims {
            self.doubts += rows.len() as u32;
            self.orders.push_back(SliceRecord::Doubts { total: self.doubts });
        }
        let is_sent_again = on_doubt == OnDoubt::Again && !matches!(self.life, Life::Closing(_));
        for row in rows {
            self.note_mark(row, MAY_HAVE_IT);
            match self.word(row).outcome {
                _ if !is_sent_again || self.is_withdrawn(row) => {
                    self.change(row, Outcome::InDoubt, seconds)
                }
                Outcome::Waiting => self.ready.push_back(row),
                // What is held is tried again at its time anyway.
                _ => {}
            }
        }
    }
}
