//! What a slice has to say of how it stands: to a checkpoint, and to records that are read again
//! because what they stand in is to go.
//!
//! **Invariants:** both say what is appended and nothing more; what newer records have overtaken is
//! said no more; a row that is under way is told so that a start takes it for in doubt.

use super::{Life, Order, Outcome, Piece, RowHanding, RowWord, Slice, SliceRecord, known};
use std::collections::BTreeMap;

/// The state as of a record, for a file of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The last record that it covers.
    pub sequence: u64,
    pub(super) life: Life,
    pub(super) cursors: Vec<u32>,
    pub(super) words: Vec<u32>,
    pub(super) marks: BTreeMap<u32, u16>,
    pub(super) handings: BTreeMap<u32, RowHanding>,
    pub(super) doubts: u32,
    pub(super) waves_open: u8,
    pub(super) rests: bool,
}

impl Slice {
    /// What records that were read say now, to be appended again behind all others: entries that
    /// newer records have overtaken are left out.
    pub fn said_again(&self, record: &SliceRecord) -> Vec<SliceRecord> {
        match record {
            SliceRecord::Order(Order::Wave { .. }) => vec![self.waves.record()],
            SliceRecord::Order(_) | SliceRecord::Stands(_) => vec![SliceRecord::Stands(self.life)],
            SliceRecord::Doubts { .. } => vec![SliceRecord::Doubts { total: self.doubts }],
            SliceRecord::Marks(entries) => self.marks_again(entries),
            SliceRecord::Handed(entries) => self.handed_again(entries),
            // Rows have begun since.
            SliceRecord::Rests => Vec::new(),
            SliceRecord::Claimed(pieces) => {
                let pieces: Vec<Piece> =
                    pieces.iter().copied().filter(|piece| self.is_last_claim(*piece)).collect();
                if pieces.is_empty() { Vec::new() } else { vec![SliceRecord::Claimed(pieces)] }
            }
            SliceRecord::Outcomes(entries) => {
                let again = entries.iter().filter_map(|(row, said)| {
                    let now = self.recorded(*row);
                    (now.outcome != Outcome::Waiting && (now == *said || now.seconds == 0))
                        .then_some((*row, now))
                });
                let entries: Vec<(u32, RowWord)> = again.collect();
                if entries.is_empty() { Vec::new() } else { vec![SliceRecord::Outcomes(entries)] }
            }
        }
    }

    /// Whether the appended claims of a run end with this piece.
    fn is_last_claim(&self, piece: Piece) -> bool {
        let of_run = self.to_claim.iter().filter(|other| other.run == piece.run);
        match of_run.map(|other| other.first).min() {
            Some(first) => piece.first + piece.rows == first,
            None => self.expansion.ends_with(piece),
        }
    }

    /// What the newest record of a row has to say. A row that is under way again after it was held
    /// is told as due at once, so that a start takes it for in doubt.
    fn recorded(&self, row: u32) -> RowWord {
        let word = self.word(row);
        match word.outcome {
            Outcome::InFlight => RowWord { outcome: Outcome::Held, code: 0, seconds: 0, ..word },
            Outcome::Held => {
                let sooner = self.releases.iter().filter(|release| release.row == row);
                let seconds = sooner.map(|release| release.seconds).min();
                RowWord { seconds: seconds.map_or(word.seconds, |s| s.min(word.seconds)), ..word }
            }
            _ => word,
        }
    }

    /// The state as of the last record appended; all that was polled has to be.
    pub fn checkpoint(&self, sequence: u64) -> Checkpoint {
        let is_appended = self.staged.is_empty()
            && self.marked.is_empty()
            && self.newly_handed.is_empty()
            && self.orders.is_empty()
            && self.asked.is_none();
        assert!(is_appended, "orders and outcomes are appended first");
        let mut expansion = self.expansion.clone();
        // Claims that are not appended are not made.
        let mut cursors = expansion.cursors().to_vec();
        for piece in &self.to_claim {
            cursors[piece.run as usize] -= piece.rows;
        }
        expansion.claim_up_to(&cursors);
        let recorded = |bits: &u32| match known(*bits) {
            word @ RowWord { outcome: Outcome::InFlight, .. } => {
                RowWord { outcome: Outcome::Waiting, ..word }.to_bits()
            }
            _ => *bits,
        };
        let mut words: Vec<u32> = self.words.iter().map(recorded).collect();
        // What is released is due sooner by a record that may not be durable yet: here it is
        // covered.
        for release in &self.releases {
            let bits = &mut words[release.row as usize];
            let word = known(*bits);
            if word.outcome == Outcome::Held {
                let seconds = word.seconds.min(release.seconds);
                *bits = RowWord { seconds, ..word }.to_bits();
            }
        }
        Checkpoint {
            sequence,
            life: self.life,
            cursors,
            words,
            marks: self.marks.clone(),
            handings: self.handings.clone(),
            doubts: self.doubts,
            waves_open: self.waves.open(),
            rests: self.rests,
        }
    }
}
