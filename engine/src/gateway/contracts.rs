//! Which msns are contracted with which XPIDs: one shard's slice of the contract table.
//!
//! Open addressing with linear probing over 8-octet entries: 34 bits of msn and 30 bits of an XPID's
//! number, which is looked up once. An msn with several contracts has several entries in the same run.
//! Removal moves the rest of the run back instead of leaving tombstones, so a table's speed does not depend
//! on its past. The table doubles when three quarters are full and never shrinks.

use super::limits::{XPIDS_PER_MSN_MAX, XPIDS_PER_TABLE_MAX};
use super::mixing::{NumberState, mix};
use crate::huge_pages;
use crate::ids::{Msn, Xpid};
use crate::prefetch::prefetch;
use std::collections::HashMap;
use thiserror::Error;

/// An entry holds its msn in the upper 34 bits and 1 + the XPID's number below; 0 is no entry.
const NUMBER_BITS: u32 = 30;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
const SLOTS_MIN: usize = 16;

const _: () = assert!(10_000_000_000 < 1u64 << (64 - NUMBER_BITS), "every msn fits 34 bits");
const _: () = assert!(XPIDS_PER_TABLE_MAX as u64 == NUMBER_MASK, "numbers 1 to the mask are XPIDs");

/// Why a contract cannot be entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ContractError {
    /// The msn has its ten contracts.
    #[error("the msn already has contracts with {XPIDS_PER_MSN_MAX} XPIDs; remove one of them first")]
    TooManyXpids,
    /// More different XPIDs than entries have bits for.
    #[error(
        "the contract table holds contracts with {XPIDS_PER_TABLE_MAX} XPIDs and has no room for another"
    )]
    TableFull,
}

/// One shard's contracts.
#[derive(Clone, Debug, Default)]
pub struct ContractTable {
    /// Length zero or a power of two.
    slots: Vec<u64>,
    contracts: usize,
    xpids: Vec<Xpid>,
    numbers: HashMap<Xpid, u32, NumberState>,
}

impl ContractTable {
    /// An empty table that takes `contracts` of them without growing; 8 octets each, rounded up to the next
    /// power of two above four thirds.
    pub fn with_capacity(contracts: usize) -> Self {
        let mut table = Self::default();
        if contracts > 0 {
            table.slots = vec![0; slots_for(contracts)];
            huge_pages::advise(&mut table.slots);
        }
        table
    }

    /// Enters a contract. `false` when it is there already.
    ///
    /// # Errors
    /// When the msn has ten contracts with other XPIDs.
    pub fn insert(&mut self, msn: Msn, xpid: Xpid) -> Result<bool, ContractError> {
        if (self.contracts + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let number = self.number_or_next(xpid)?;
        let entry = entry_of(msn, number);
        let mut of_this_msn = 0;
        let mut at = self.home(msn);
        while self.slots[at] != 0 {
            if self.slots[at] == entry {
                return Ok(false);
            }
            of_this_msn += usize::from(msn_value(self.slots[at]) == msn.value());
            at = self.after(at);
        }
        if of_this_msn >= XPIDS_PER_MSN_MAX {
            return Err(ContractError::TooManyXpids);
        }
        self.slots[at] = entry;
        self.contracts += 1;
        if number as usize == self.xpids.len() {
            self.xpids.push(xpid);
            self.numbers.insert(xpid, number);
        }
        Ok(true)
    }

    /// Ends a contract. `false` when there is none.
    pub fn remove(&mut self, msn: Msn, xpid: Xpid) -> bool {
        let Some(mut gap) = self.find(msn, xpid) else { return false };
        // Close the gap: an entry further down the run moves up if its home lies at or before the gap.
        let mut at = self.after(gap);
        while self.slots[at] != 0 {
            let home = self.home_of_value(msn_value(self.slots[at]));
            let mask = self.slots.len() - 1;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(gap) & mask {
                self.slots[gap] = self.slots[at];
                gap = at;
            }
            at = self.after(at);
        }
        self.slots[gap] = 0;
        self.contracts -= 1;
        true
    }

    /// Fetches the line in which the contracts of `msn` begin.
    #[inline]
    pub fn prefetch(&self, msn: Msn) {
        if !self.slots.is_empty() {
            prefetch(&self.slots[self.home(msn)]);
        }
    }

    /// Whether `msn` is contracted with `xpid`.
    #[inline]
    pub fn contains(&self, msn: Msn, xpid: Xpid) -> bool {
        self.find(msn, xpid).is_some()
    }

    /// Appends the XPIDs that `msn` has contracts with, at most ten, in no particular order.
    pub fn xpids_of(&self, msn: Msn, xpids: &mut Vec<Xpid>) {
        if self.slots.is_empty() {
            return;
        }
        let mut at = self.home(msn);
        while self.slots[at] != 0 {
            if msn_value(self.slots[at]) == msn.value() {
                xpids.push(self.xpid_of(self.slots[at]));
            }
            at = self.after(at);
        }
    }

    /// The number of contracts.
    pub fn len(&self) -> usize {
        self.contracts
    }

    /// Whether there is no contract.
    pub fn is_empty(&self) -> bool {
        self.contracts == 0
    }

    /// Every contract, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Msn, Xpid)> + '_ {
        let entries = self.slots.iter().copied().filter(|&entry| entry != 0);
        entries.filter_map(|entry| Some((Msn::from_value(msn_value(entry))?, self.xpid_of(entry))))
    }

    /// Ends every contract; the memory stays.
    pub fn clear(&mut self) {
        self.slots.fill(0);
        self.contracts = 0;
        self.xpids.clear();
        self.numbers.clear();
    }

    #[inline]
    fn find(&self, msn: Msn, xpid: Xpid) -> Option<usize> {
        let wanted = entry_of(msn, *self.numbers.get(&xpid)?);
        let mut at = self.home(msn);
        while self.slots[at] != wanted {
            if self.slots[at] == 0 {
                return None;
            }
            at = self.after(at);
        }
        Some(at)
    }

    fn number_or_next(&self, xpid: Xpid) -> Result<u32, ContractError> {
        if let Some(&number) = self.numbers.get(&xpid) {
            return Ok(number);
        }
        if self.xpids.len() >= XPIDS_PER_TABLE_MAX {
            return Err(ContractError::TableFull);
        }
        Ok(self.xpids.len() as u32)
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        let mut larger = vec![0; slots];
        huge_pages::advise(&mut larger);
        let old = std::mem::replace(&mut self.slots, larger);
        for entry in old.into_iter().filter(|&entry| entry != 0) {
            let mut at = self.home_of_value(msn_value(entry));
            while self.slots[at] != 0 {
                at = self.after(at);
            }
            self.slots[at] = entry;
        }
    }

    #[inline]
    fn home(&self, msn: Msn) -> usize {
        self.home_of_value(msn.value())
    }

    #[inline]
    fn home_of_value(&self, msn_value: u64) -> usize {
        mix(msn_value) as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    fn xpid_of(&self, entry: u64) -> Xpid {
        self.xpids[(entry & NUMBER_MASK) as usize - 1]
    }
}

fn slots_for(contracts: usize) -> usize {
    (contracts * 4 / 3 + 1).next_power_of_two().max(SLOTS_MIN)
}

#[inline]
fn entry_of(msn: Msn, number: u32) -> u64 {
    msn.value() << NUMBER_BITS | (u64::from(number) + 1)
}

#[inline]
fn msn_value(entry: u64) -> u64 {
    entry >> NUMBER_BITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn msn(value: u64) -> Msn {
        Msn::from_value(value).expect("below 10^10")
    }

    fn xpid(value: u64) -> Xpid {
        Xpid::from_value(value).expect("below 10^11")
    }

    #[test]
    fn an_msn_has_at_most_ten_xpids() {
        let mut table = ContractTable::default();
        for value in 0..10 {
            assert_eq!(table.insert(msn(1), xpid(value)), Ok(true));
        }
        assert_eq!(table.insert(msn(1), xpid(10)), Err(ContractError::TooManyXpids));
        assert_eq!(table.insert(msn(1), xpid(9)), Ok(false));
        assert_eq!(table.insert(msn(2), xpid(10)), Ok(true));
        assert!(table.remove(msn(1), xpid(3)));
        assert_eq!(table.insert(msn(1), xpid(10)), Ok(true));
        assert_eq!(table.len(), 11);
    }

    #[test]
    fn an_empty_table_has_nothing() {
        let mut table = ContractTable::default();
        assert!(!table.contains(msn(1), xpid(1)) && !table.remove(msn(1), xpid(1)) && table.is_empty());
        let mut xpids = Vec::new();
        table.xpids_of(msn(1), &mut xpids);
        assert!(xpids.is_empty());
    }

    #[test]
    fn the_extreme_numbers_are_kept_apart() {
        let mut table = ContractTable::with_capacity(4);
        let last = (msn(9_999_999_999), xpid(99_999_999_999));
        assert_eq!(table.insert(msn(0), xpid(0)), Ok(true));
        assert_eq!(table.insert(last.0, last.1), Ok(true));
        assert!(table.contains(msn(0), xpid(0)) && table.contains(last.0, last.1));
        assert!(!table.contains(msn(0), last.1) && !table.contains(last.0, xpid(0)));
    }

    #[test]
    fn a_million_contracts_fit_the_announced_capacity() {
        let mut table = ContractTable::with_capacity(1_000_000);
        let slots = table.slots.len();
        for value in 0..1_000_000 {
            assert_eq!(table.insert(msn(9_000_000_000 + value), xpid(100_000_001)), Ok(true));
        }
        assert_eq!((table.len(), table.slots.len()), (1_000_000, slots));
        assert!((0..1_000_000).all(|value| table.contains(msn(9_000_000_000 + value), xpid(100_000_001))));
        assert!(!table.contains(msn(9_001_000_000), xpid(100_000_001)));
    }

    proptest! {
        /// Few msns and XPIDs, so that runs grow long, wrap round and lose entries in the middle.
        #[test]
        fn the_table_does_what_a_map_of_sets_does(
            steps in prop::collection::vec((0u8..10, 0u64..12, 0u64..14), 1..600)
        ) {
            let mut table = ContractTable::default();
            let mut model: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            for (action, msn_value, xpid_value) in steps {
                let (msn, xpid) = (msn(msn_value), xpid(xpid_value));
                let row = model.entry(msn_value).or_default();
                let known = row.contains(&xpid_value);
                prop_assert_eq!(table.contains(msn, xpid), known);
                if action < 6 {
                    let expected = match (known, row.len() < XPIDS_PER_MSN_MAX) {
                        (true, _) => Ok(false),
                        (false, true) => Ok(true),
                        (false, false) => Err(ContractError::TooManyXpids),
                    };
                    prop_assert_eq!(table.insert(msn, xpid), expected);
                    if expected == Ok(true) {
                        row.push(xpid_value);
                    }
                } else {
                    prop_assert_eq!(table.remove(msn, xpid), known);
                    row.retain(|&value| value != xpid_value);
                }
                let mut xpids = Vec::new();
                table.xpids_of(msn, &mut xpids);
                xpids.sort_unstable();
                row.sort_unstable();
                prop_assert_eq!(xpids.iter().map(|xpid| xpid.value()).collect::<Vec<_>>(), row.clone());
                prop_assert_eq!(table.len(), model.values().map(Vec::len).sum::<usize>());
            }
            let mut contracts: Vec<_> = table.iter().map(|(msn, xpid)| (msn.value(), xpid.value())).collect();
            contracts.sort_unstable();
            let expected: Vec<_> =
                model.iter().flat_map(|(&msn, row)| row.iter().map(move |&xpid| (msn, xpid))).collect();
            prop_assert_eq!(contracts, expected);
        }
    }
}
