//! Which waves of a broadcast have their turns, and how many of each were reached.
//!
//! **Never here:** when a wave is due: whoever sees all shards orders it. **Invariants:** what is
//! open stays open, over a crash too; a broadcast of one wave is looked at for none.

use super::{Order, Outcome, SliceRecord};
use crate::broadcast::claims::RunSlice;
use crate::broadcast::limits::WAVES_MAX;

/// Where the waves of a part stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WaveFigures {
    /// How many have their turns.
    pub open: u8,
    /// Rows of the last of them.
    pub rows: u32,
    /// Of these delivered, as far as that is durable.
    pub reached: u32,
    /// Rows that are not claimed and whose wave has no turn yet.
    pub unopened: u32,
}

#[derive(Clone, Debug)]
pub(super) struct WavesOpen {
    open: u8,
    /// Where each wave's runs begin: first row and wave; empty where there is one wave.
    runs: Vec<(u32, u8)>,
    rows: [u32; WAVES_MAX],
    reached: [u32; WAVES_MAX],
}

impl WavesOpen {
    pub(super) fn new(runs: &[RunSlice]) -> Self {
        let mut rows = [0; WAVES_MAX];
        for run in runs {
            rows[usize::from(run.wave)] += run.rows;
        }
        let has_several = runs.iter().any(|run| run.wave > 0);
        let of_runs = runs.iter().filter(|run| has_several && run.rows > 0);
        let runs = of_runs.map(|run| (run.first, run.wave)).collect();
        Self { open: 1, runs, rows, reached: [0; WAVES_MAX] }
    }

    pub(super) fn open(&self) -> u8 {
        self.open
    }

    /// Opens so many; whether that is news.
    pub(super) fn open_to(&mut self, open: u8) -> bool {
        let is_news = open > self.open && usize::from(open) <= WAVES_MAX;
        if is_news {
            self.open = open;
        }
        is_news
    }

    /// The wave of a row.
    #[inline]
    pub(super) fn of(&self, row: u32) -> u8 {
        if self.runs.is_empty() {
            return 0;
        }
        let behind = self.runs.partition_point(|(first, _)| *first <= row);
        behind.checked_sub(1).map_or(0, |at| self.runs[at].1)
    }

    /// Rows of a wave became this.
    pub(super) fn note(&mut self, wave: u8, outcome: Outcome, rows: u32) {
        if outcome == Outcome::Delivered {
            self.reached[usize::from(wave)] += rows;
        }
    }

    pub(super) fn figures(&self) -> WaveFigures {
        let last = usize::from(self.open) - 1;
        let (rows, reached) = (self.rows[last], self.reached[last]);
        WaveFigures { open: self.open, rows, reached, unopened: 0 }
    }

    /// What a journal that is cleaned has to say again.
    pub(super) fn record(&self) -> SliceRecord {
        SliceRecord::Order(Order::Wave { open: self.open })
    }
}
