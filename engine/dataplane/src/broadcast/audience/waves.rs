//! Which wave each row of a leg is in: decided for all of them before any is written, because a
//! wave that counts its rows takes them from everybody whom the leg addresses.
//!
//! **Invariants:** a row is in one wave; a wave that counts has as many rows as it asks for, or all
//! that are left; its rows lie evenly over areas and, within an area, over shards.

use wire::terms::ids::Msn;
use wire::terms::mix::mix;

use super::PinnedList;
use crate::broadcast::limits::WAVES_MAX;
use crate::broadcast::manifest::Wave;

/// Nobody whom the leg addresses.
const OUT: u8 = u8::MAX;
/// Somebody whose wave is not decided.
const OPEN: u8 = OUT - 1;
const _: () = assert!(WAVES_MAX < OPEN as usize);

/// The waves of a leg.
pub(super) struct Sorter<'a, 'b> {
    waves: &'a [Wave],
    /// For each wave the lists whose recipients are in it.
    lists: &'a [Vec<PinnedList<'b>>],
    /// By row of the leg's list, its wave; empty where the leg has no waves.
    of_row: Vec<u8>,
}

impl<'a, 'b> Sorter<'a, 'b> {
    /// Of a leg whose list has so many rows.
    pub(super) fn new(waves: &'a [Wave], lists: &'a [Vec<PinnedList<'b>>], rows: u32) -> Self {
        let rows = if waves.is_empty() { 0 } else { rows as usize };
        Self { waves, lists, of_row: vec![OUT; rows] }
    }

    /// How many waves there are, at least one.
    pub(super) fn count(&self) -> u8 {
        self.waves.len().max(1) as u8
    }

    /// Whether there is anything to decide.
    pub(super) fn are_there(&self) -> bool {
        !self.of_row.is_empty()
    }

    /// The leg addresses this row.
    pub(super) fn note(&mut self, row: u32) {
        self.of_row[row as usize] = OPEN;
    }

    /// All that are addressed are noted: decides the wave of each.
    pub(super) fn decide<E>(&mut self, msn_of: impl Fn(u32) -> Result<Msn, E>) -> Result<(), E> {
        let open = self.of_row.iter().filter(|wave| **wave == OPEN).count();
        let mut left = open as u64;
        for (number, wave) in (0u8..).zip(self.waves) {
            let lists = self.lists.get(usize::from(number)).map_or(&[][..], Vec::as_slice);
            let mut strata = wave.rows.map(|wanted| Strata::new(number, wanted.into(), left));
            for (row, of_row) in self.of_row.iter_mut().enumerate() {
                if *of_row != OPEN {
                    continue;
                }
                let is_in = match &mut strata {
                    Some(strata) => strata.takes_next(),
                    None if lists.is_empty() => true,
                    None => {
                        let msn = msn_of(row as u32)?;
                        lists.iter().any(|list| list.view.find(msn).is_some())
                    }
                };
                if is_in {
                    *of_row = number;
                    left -= 1;
                }
            }
        }
        Ok(())
    }

    /// Whether a row that is addressed is in this wave; without waves every row is in the first.
    #[inline]
    pub(super) fn is_in(&self, wave: u8, row: u32) -> bool {
        self.of_row.is_empty() || self.of_row[row as usize] == wave
    }
}

/// Rows that go by one after the other, of which some are taken: one of each stratum, all strata
/// being as large as each other, and which one of it by chance. So those who live in one area, and
/// whom one shard has, give the share that they are of all.
struct Strata {
    wave: u8,
    wanted: u64,
    all: u64,
    /// The row that comes next, the stratum that it is in, and which row of it is taken.
    row: u64,
    stratum: u64,
    taken: u64,
}

impl Strata {
    fn new(wave: u8, wanted: u64, all: u64) -> Self {
        let wanted = wanted.min(all);
        let mut strata = Self { wave, wanted, all, row: 0, stratum: 0, taken: 0 };
        strata.choose();
        strata
    }

    /// Where a stratum begins.
    fn first_of(&self, stratum: u64) -> u64 {
        // Fifty million of both, at most.
        stratum * self.all / self.wanted.max(1)
    }

    fn choose(&mut self) {
        let (first, end) = (self.first_of(self.stratum), self.first_of(self.stratum + 1));
        let chance = mix(u64::from(self.wave) << 32 | self.stratum);
        self.taken = first + chance % (end - first).max(1);
    }

    fn takes_next(&mut self) -> bool {
        let row = self.row;
        self.row += 1;
        if self.stratum == self.wanted {
            return false;
        }
        let is_taken = row == self.taken;
        if self.row == self.first_of(self.stratum + 1) {
            self.stratum += 1;
            self.choose();
        }
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows that are taken.
    fn taken(wanted: u64, all: u64) -> Vec<u64> {
        let mut strata = Strata::new(1, wanted, all);
        (0..all).filter(|_| strata.takes_next()).collect()
    }

    #[test]
    fn as_many_are_taken_as_are_wanted_and_from_everywhere() {
        for (wanted, all) in [(1, 10), (10, 10), (0, 10), (20, 10), (3, 7), (1_000, 174_100)] {
            assert_eq!(taken(wanted, all).len() as u64, wanted.min(all), "{wanted} of {all}");
        }
        // A thousand areas as large as each other give one each, from anywhere within them.
        let rows = taken(1_000, 100_000);
        assert!(rows.iter().enumerate().all(|(area, row)| row / 100 == area as u64));
        let in_first_half = rows.iter().filter(|row| *row % 100 < 50).count();
        assert!((400..600).contains(&in_first_half), "{in_first_half}");
        // Fewer than there are areas come from all over the country.
        let areas: Vec<u64> = taken(100, 174_100).iter().map(|row| row / 100).collect();
        assert!(areas.windows(2).all(|pair| pair[1] - pair[0] < 40), "{areas:?}");
    }
}
