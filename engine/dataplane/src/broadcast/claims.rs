//! Which rows have their turn next: pieces of 32 rows, from all areas in turn.
//!
//! A shard's rows of an area are one piece of the list (see [`super::lists`]); a cursor in each
//! says how far claims have come, so what was claimed is as little to remember as there are areas.
//! Areas follow each other in bit-reversed order: no area is served as a block, and neighbours are
//! far apart.

use crate::broadcast::limits::{PIECE_ROWS, WAVES_MAX};

/// A shard's rows of one area.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunSlice {
    /// The number of the first row, within the shard's state.
    pub first: u32,
    /// Rows.
    pub rows: u32,
    /// The wave they belong to, from 0.
    pub wave: u8,
}

/// Rows that are claimed together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Piece {
    /// The place of their run.
    pub run: u32,
    /// The first row.
    pub first: u32,
    /// How many rows follow each other.
    pub rows: u32,
}

impl Piece {
    /// The rows' numbers.
    pub fn numbers(self) -> std::ops::Range<u32> {
        self.first..self.first + self.rows
    }
}

/// How far the claims of one shard have come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expansion {
    runs: Vec<RunSlice>,
    /// For each run, how many rows are claimed.
    claimed: Vec<u32>,
    /// The runs in the order of their turns.
    order: Vec<u32>,
    turn: usize,
    /// Rows of each wave that are not claimed.
    left: [u32; WAVES_MAX],
    rows: u32,
}

impl Expansion {
    /// Nothing is claimed. Runs without rows take no turn.
    ///
    /// # Panics
    /// When the runs are not one behind the other, or a wave is none.
    pub fn new(runs: Vec<RunSlice>) -> Self {
        let mut left = [0; WAVES_MAX];
        let mut rows = 0;
        for run in &runs {
            assert_eq!(run.first, rows, "a shard's runs follow each other");
            rows += run.rows;
            left[usize::from(run.wave)] += run.rows;
        }
        let order = bit_reversed(runs.len() as u32);
        Self { claimed: vec![0; runs.len()], order, turn: 0, left, rows, runs }
    }

    /// All rows.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Rows that are not claimed.
    pub fn unclaimed(&self) -> u32 {
        self.left.iter().sum()
    }

    /// Rows of the first `waves` waves that are not claimed.
    pub fn unclaimed_of(&self, waves: u8) -> u32 {
        self.left.iter().take(usize::from(waves)).sum()
    }

    /// Claims the next pieces of the first `waves` waves, with `rows_max` rows at most.
    pub fn next(&mut self, rows_max: u32, waves: u8) -> Vec<Piece> {
        self.next_within(rows_max, waves, |_, rows| rows)
    }

    /// The same, of each run no more than `granted` gives of what is wanted.
    pub fn next_within(
        &mut self,
        rows_max: u32,
        waves: u8,
        mut granted: impl FnMut(u32, u32) -> u32,
    ) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut room = rows_max.min(self.unclaimed_of(waves));
        // Runs that had nothing, one behind the other: after all of them nobody has.
        let mut idle = 0;
        while room > 0 && idle < self.order.len() {
            idle += 1;
            let run = self.order[self.turn];
            self.turn = (self.turn + 1) % self.order.len();
            let slice = self.runs[run as usize];
            let claimed = self.claimed[run as usize];
            let wanted = (slice.rows - claimed).min(PIECE_ROWS).min(room);
            if wanted == 0 || slice.wave >= waves {
                continue;
            }
            let rows = granted(run, wanted).min(wanted);
            if rows == 0 {
                continue;
            }
            idle = 0;
            let piece = Piece { run, first: slice.first + claimed, rows };
            self.claim(piece);
            room -= rows;
            pieces.push(piece);
        }
        pieces
    }

    /// Claims a piece; what is claimed already stays so. A record that is read twice says nothing
    /// new.
    ///
    /// # Panics
    /// When it is none of the run, or leaves rows out.
    pub fn claim(&mut self, piece: Piece) {
        let slice = self.runs[piece.run as usize];
        let claimed = &mut self.claimed[piece.run as usize];
        let (from, to) = (piece.first - slice.first, piece.first + piece.rows - slice.first);
        assert!(from <= *claimed && to <= slice.rows, "{piece:?} of {slice:?} behind {claimed}");
        let more = to.saturating_sub(*claimed);
        *claimed += more;
        self.left[usize::from(slice.wave)] -= more;
    }

    /// Claims all of a run up to the end of a piece, whatever lies before it.
    pub(super) fn reach(&mut self, piece: Piece) {
        let slice = self.runs[piece.run as usize];
        let rows = piece.first + piece.rows - slice.first;
        self.claim(Piece { run: piece.run, first: slice.first, rows });
    }

    /// Whether the claims of a run end with this piece.
    pub(super) fn ends_with(&self, piece: Piece) -> bool {
        let (slice, claimed) = (self.runs[piece.run as usize], self.claimed[piece.run as usize]);
        piece.first + piece.rows == slice.first + claimed
    }

    /// Whether a piece that was read is one of these runs.
    pub(super) fn has(&self, piece: Piece) -> bool {
        self.runs.get(piece.run as usize).is_some_and(|slice| {
            piece.first >= slice.first
                && piece.rows <= slice.rows
                && piece.first - slice.first <= slice.rows - piece.rows
        })
    }

    /// For each run, how many rows are claimed: what a checkpoint keeps.
    pub fn cursors(&self) -> &[u32] {
        &self.claimed
    }

    /// Claims everything up to these cursors.
    pub fn claim_up_to(&mut self, cursors: &[u32]) {
        for (run, rows) in cursors.iter().copied().enumerate() {
            let piece = Piece { run: run as u32, first: self.runs[run].first, rows };
            self.claim(piece);
        }
    }

    /// Takes back what was claimed beyond these cursors: no record of it was ever made.
    pub(super) fn unclaim_to(&mut self, cursors: &[u32]) {
        for (run, rows) in cursors.iter().copied().enumerate() {
            let back = self.claimed[run] - rows;
            self.claimed[run] = rows;
            self.left[usize::from(self.runs[run].wave)] += back;
        }
    }

    /// The rows of a run that are not claimed.
    pub(super) fn unclaimed_rows(&self, run: u32) -> std::ops::Range<u32> {
        let slice = self.runs[run as usize];
        slice.first + self.claimed[run as usize]..slice.first + slice.rows
    }

    /// The rows that are claimed, in the order of their numbers.
    pub fn claimed_rows(&self) -> impl Iterator<Item = u32> {
        let runs = self.runs.iter().zip(&self.claimed);
        runs.flat_map(|(run, claimed)| run.first..run.first + claimed)
    }
}

/// The numbers below `count`, in the order of their reversed bits.
fn bit_reversed(count: u32) -> Vec<u32> {
    let bits = u32::BITS - count.saturating_sub(1).leading_zeros();
    let reversed =
        |number: u32| if bits == 0 { 0 } else { number.reverse_bits() >> (u32::BITS - bits) };
    (0..1u32 << bits).map(reversed).filter(|number| *number < count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(rows: &[u32]) -> Vec<RunSlice> {
        let mut first = 0;
        let runs = rows.iter().map(|&rows| {
            first += rows;
            RunSlice { first: first - rows, rows, wave: 0 }
        });
        runs.collect()
    }

    #[test]
    fn every_row_is_claimed_once_whatever_the_portions() {
        for portion in [1, 31, 32, 33, 1_000] {
            let mut expansion = Expansion::new(runs(&[100, 0, 1, 33, 64, 7]));
            let mut seen = vec![0; 205];
            while expansion.unclaimed() > 0 {
                let pieces = expansion.next(portion, 1);
                let rows: u32 = pieces.iter().map(|piece| piece.rows).sum();
                assert!(rows <= portion && rows > 0);
                pieces
                    .iter()
                    .flat_map(|piece| piece.numbers())
                    .for_each(|row| seen[row as usize] += 1);
            }
            assert!(seen.iter().all(|count| *count == 1), "portion {portion}");
            assert_eq!(expansion.next(portion, 1), []);
            assert_eq!(expansion.claimed_rows().count(), 205);
        }
    }

    #[test]
    fn areas_take_turns_and_neighbours_stand_apart() {
        assert_eq!(bit_reversed(8), [0, 4, 2, 6, 1, 5, 3, 7]);
        assert_eq!(bit_reversed(5), [0, 4, 2, 1, 3]);
        assert_eq!((bit_reversed(1), bit_reversed(0)), (vec![0], vec![0; 0]));
        let mut expansion = Expansion::new(runs(&[1_000; 16]));
        let turns: Vec<u32> =
            expansion.next(16 * PIECE_ROWS, 1).iter().map(|piece| piece.run).collect();
        let mut sorted = turns.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..16).collect::<Vec<u32>>(), "each area once before one comes again");
    }

    #[test]
    fn a_later_wave_waits_for_its_opening() {
        let mut slices = runs(&[40, 40, 40]);
        slices[1].wave = 1;
        let mut expansion = Expansion::new(slices);
        let first: Vec<Piece> = expansion.next(1_000, 1);
        assert!(first.iter().all(|piece| piece.run != 1));
        assert_eq!((expansion.unclaimed_of(1), expansion.unclaimed()), (0, 40));
        assert_eq!(expansion.next(1_000, 1), []);
        assert_eq!(expansion.next(1_000, 2).iter().map(|piece| piece.rows).sum::<u32>(), 40);
    }

    #[test]
    fn a_run_that_is_granted_nothing_holds_up_no_other_and_nobody_turns_for_ever() {
        let mut expansion = Expansion::new(runs(&[100, 100, 100]));
        let mut left = [40, 0, 7];
        let mut granted = |run: u32, rows: u32| {
            let given = rows.min(left[run as usize]);
            left[run as usize] -= given;
            given
        };
        let pieces = expansion.next_within(1_000, 1, &mut granted);
        let of_run = |run: u32| pieces.iter().filter(|p| p.run == run).map(|p| p.rows).sum::<u32>();
        assert_eq!([0, 1, 2].map(of_run), [40, 0, 7]);
        assert_eq!(expansion.next_within(1_000, 1, |_, _| 0), []);
        assert_eq!(expansion.unclaimed(), 253);
    }

    #[test]
    fn claims_that_are_read_again_change_nothing() {
        let mut expansion = Expansion::new(runs(&[100, 50]));
        let pieces: Vec<Piece> = (0..3).flat_map(|_| expansion.next(40, 1)).collect();
        let mut recovered = Expansion::new(runs(&[100, 50]));
        for _ in 0..2 {
            pieces.iter().for_each(|piece| recovered.claim(*piece));
        }
        assert_eq!(recovered.cursors(), expansion.cursors());
        let mut from_checkpoint = Expansion::new(runs(&[100, 50]));
        from_checkpoint.claim_up_to(expansion.cursors());
        assert_eq!(from_checkpoint.cursors(), expansion.cursors());
        assert_eq!(from_checkpoint.unclaimed(), expansion.unclaimed());
    }
}
