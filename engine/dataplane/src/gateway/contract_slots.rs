//! The slots of a contract table: open addressing with linear probing over 8-octet entries, each 34
//! bits of msn, eight of a concatenation reference, and 22 bits of an XPID's number, which is
//! looked up once. An msn with several contracts has several entries in the same run. Removal moves
//! the rest of the run back instead of leaving tombstones, so a table's speed does not depend on
//! its past.
//!
//! The number of slots is fixed, and [`super::contracts`] decides when there are to be more.

use host::huge_pages::Zeros;
use host::prefetch::prefetch;
use wire::terms::ids::Msn;
use wire::terms::mix::mix;

/// An entry holds its msn in the upper 34 bits, below that eight that say which concatenation
/// reference the XPID's last long push to the msn carried, and 1 + the XPID's number in the lowest;
/// 0 is no entry.
const NUMBER_BITS: u32 = 22;
pub(super) const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
const REFERENCE_MASK: u64 = 0xFF << NUMBER_BITS;
const MSN_SHIFT: u32 = NUMBER_BITS + 8;

const _: () = assert!(10_000_000_000 < 1u64 << (64 - MSN_SHIFT), "every msn fits 34 bits");

#[inline]
pub(super) fn entry_of(msn: Msn, number: u32) -> u64 {
    msn.value() << MSN_SHIFT | (u64::from(number) + 1)
}

#[inline]
pub(super) fn msn_value(entry: u64) -> u64 {
    entry >> MSN_SHIFT
}

/// The reference that an entry keeps.
pub(super) fn reference_of(entry: u64) -> u8 {
    (entry >> NUMBER_BITS) as u8
}

/// The entry with another reference.
pub(super) fn with_reference(entry: u64, reference: u8) -> u64 {
    without_reference(entry) | u64::from(reference) << NUMBER_BITS
}

/// Whose contract an entry is, whatever reference it keeps.
#[inline]
pub(super) fn without_reference(entry: u64) -> u64 {
    entry & !REFERENCE_MASK
}

/// So many slots, a power of two or none. At least one is always empty where there are any.
#[derive(Debug, Default)]
pub(super) struct ContractSlots {
    entries: Zeros<u64>,
}

impl ContractSlots {
    /// Empty ones; memory is taken as they are used.
    pub(super) fn with_number(slots: usize) -> Self {
        assert!(slots.is_power_of_two());
        Self { entries: Zeros::new(slots) }
    }

    /// How many.
    pub(super) fn number(&self) -> usize {
        self.entries.len()
    }

    /// Touches memory that entries will be put into; `false` when all of it is touched.
    pub(super) fn touch_next(&mut self) -> bool {
        self.entries.touch_next()
    }

    /// Where the entry of this contract stands, whatever reference it keeps; `wanted` has none.
    #[inline]
    pub(super) fn find(&self, wanted: u64) -> Option<usize> {
        if self.entries.is_empty() {
            return None;
        }
        let mut at = self.home(msn_value(wanted));
        while without_reference(self.entries[at]) != wanted {
            if self.entries[at] == 0 {
                return None;
            }
            at = self.after(at);
        }
        Some(at)
    }

    /// Gives the entry at a place another reference.
    pub(super) fn set_reference(&mut self, place: usize, reference: u8) {
        self.entries[place] = with_reference(self.entries[place], reference);
    }

    /// Fetches the line in which the entries of `msn` begin.
    #[inline]
    pub(super) fn prefetch(&self, msn: Msn) {
        if !self.entries.is_empty() {
            prefetch(&self.entries[self.home(msn.value())]);
        }
    }

    /// The entries of `msn`.
    pub(super) fn of_msn(&self, msn: Msn) -> impl Iterator<Item = u64> + '_ {
        let first = if self.entries.is_empty() { 0 } else { self.home(msn.value()) };
        let run =
            (0..self.entries.len()).map(move |step| self.entries[(first + step) & self.mask()]);
        run.take_while(|&entry| entry != 0).filter(move |&entry| msn_value(entry) == msn.value())
    }

    /// Every entry, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.entries.iter().copied().filter(|&entry| entry != 0)
    }

    /// Puts in an entry that is not there. There must be room for it and an empty slot.
    pub(super) fn insert(&mut self, entry: u64) {
        let mut at = self.home(msn_value(entry));
        while self.entries[at] != 0 {
            at = self.after(at);
        }
        self.entries[at] = entry;
    }

    /// Takes out what stands at `gap`.
    pub(super) fn remove(&mut self, mut gap: usize) {
        // Close the gap: an entry further down the run moves up if its home lies at or before the
        // gap.
        let (mut at, mask) = (self.after(gap), self.mask());
        while self.entries[at] != 0 {
            let home = self.home(msn_value(self.entries[at]));
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(gap) & mask {
                self.entries[gap] = self.entries[at];
                gap = at;
            }
            at = self.after(at);
        }
        self.entries[gap] = 0;
    }

    #[inline]
    fn home(&self, msn_value: u64) -> usize {
        mix(msn_value) as usize & self.mask()
    }

    #[inline]
    fn mask(&self) -> usize {
        self.entries.len().wrapping_sub(1)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & self.mask()
    }
}

/// Slots whose entries move to others, some at a time. Always whole runs, so that what is left is
/// found as before.
#[derive(Debug)]
pub(super) struct Leaving {
    slots: ContractSlots,
    /// The next slot to be looked at: the one before it is empty.
    at: usize,
    left: usize,
}

impl Leaving {
    pub(super) fn new(mut slots: ContractSlots) -> Self {
        let empty = slots.entries.iter().position(|&entry| entry == 0).unwrap_or(0);
        let (at, left) = (slots.after(empty), slots.number());
        // Those before it are the last to move.
        slots.entries.keep_before(at);
        Self { slots, at, left }
    }

    /// What has not moved yet.
    pub(super) fn slots(&self) -> &ContractSlots {
        &self.slots
    }

    pub(super) fn slots_mut(&mut self) -> &mut ContractSlots {
        &mut self.slots
    }

    /// Slots that are to be looked at yet.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Looks at `budget` slots, and at as many more as it takes to the end of a run, and moves what
    /// stands there; whether anything is left. Memory that nothing stands in any more is given
    /// back.
    pub(super) fn move_some(&mut self, budget: usize, target: &mut ContractSlots) -> bool {
        let mut looked_at = 0;
        while self.left > 0 {
            let entry = std::mem::take(&mut self.slots.entries[self.at]);
            self.at = self.slots.after(self.at);
            self.left -= 1;
            looked_at += 1;
            if entry != 0 {
                target.insert(entry);
            } else if looked_at >= budget {
                break;
            }
        }
        self.slots.entries.give_back_before(self.at);
        self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_move_whole_and_what_is_left_is_found_meanwhile() {
        const SLOTS: usize = 1 << 12;
        let entry = |value: u64| entry_of(Msn::from_value(value).expect("below 10^10"), 7);
        let mut full = ContractSlots::with_number(SLOTS);
        let entries: Vec<u64> = (0..SLOTS as u64 * 3 / 4).map(entry).collect();
        entries.iter().for_each(|&entry| full.insert(entry));
        let (mut leaving, mut target) = (Leaving::new(full), ContractSlots::with_number(2 * SLOTS));
        let mut steps = 0;
        while leaving.move_some(4, &mut target) {
            steps += 1;
            let step = steps % entries.len();
            for &entry in entries.iter().skip(step).step_by(97) {
                let places = [leaving.slots().find(entry), target.find(entry)];
                assert_eq!(places.iter().flatten().count(), 1, "it stands in one of the two");
            }
        }
        assert!(steps > SLOTS / 64, "{steps} steps: a run is short");
        assert!(entries.iter().all(|&entry| target.find(entry).is_some()));
        assert_eq!((leaving.slots().iter().count(), target.iter().count()), (0, entries.len()));
    }
}
