//! Which wave a row of a leg is in.

use wire::terms::ids::Msn;

use super::PinnedList;
use crate::broadcast::manifest::Wave;

/// The waves of a leg, as its rows are gone through: run by run, and in each wave by wave.
pub(super) struct Sorter<'a, 'b> {
    waves: &'a [Wave],
    /// For each wave the lists whose recipients are in it.
    lists: &'a [Vec<PinnedList<'b>>],
    /// Rows of all runs.
    all: u64,
    /// Rows that each wave may still take, where it counts them: of all runs, and of this one.
    left: Vec<(u32, u32)>,
    /// Rows of this run that a wave has taken.
    taken: Vec<u64>,
}

impl<'a, 'b> Sorter<'a, 'b> {
    pub(super) fn new(waves: &'a [Wave], lists: &'a [Vec<PinnedList<'b>>], all: u64) -> Self {
        let left = waves.iter().map(|wave| (wave.rows.unwrap_or_default(), 0)).collect();
        Self { waves, lists, all, left, taken: Vec::new() }
    }

    /// How many waves there are, at least one.
    pub(super) fn count(&self) -> u8 {
        self.waves.len().max(1) as u8
    }

    /// A run of so many rows begins: where a wave counts its rows, each run gives its share.
    pub(super) fn begin_run(&mut self, rows: u32) {
        if self.waves.is_empty() {
            return;
        }
        self.taken.clear();
        self.taken.resize((rows as usize).div_ceil(64), 0);
        for (wave, (left, of_run)) in self.waves.iter().zip(&mut self.left) {
            let wanted = u64::from(wave.rows.unwrap_or_default());
            let share = (wanted * u64::from(rows)).div_ceil(self.all.max(1));
            *of_run = (*left).min(share as u32);
        }
    }

    /// Whether this wave takes the row at this place of the run, which no wave before has taken.
    pub(super) fn takes(&mut self, wave: u8, place: u32, msn: Msn) -> bool {
        let Some(asked) = self.waves.get(usize::from(wave)) else { return true };
        let (word, bit) = (&mut self.taken[place as usize / 64], 1 << (place % 64));
        if *word & bit != 0 {
            return false;
        }
        let (left, of_run) = &mut self.left[usize::from(wave)];
        let is_in = match (asked.rows, asked.lists.is_empty()) {
            (Some(_), _) if *of_run == 0 => false,
            (Some(_), _) => {
                (*left, *of_run) = (*left - 1, *of_run - 1);
                true
            }
            (None, false) => {
                let lists = self.lists.get(usize::from(wave)).into_iter().flatten();
                lists.into_iter().any(|list| list.view.find(msn).is_some())
            }
            (None, true) => true,
        };
        if is_in {
            *word |= bit;
        }
        is_in
    }
}
