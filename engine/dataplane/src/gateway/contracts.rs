//! Which msns are contracted with which XPIDs: one shard's slice of the contract table.
//!
//! The table doubles when three quarters of its slots are full and never shrinks. It does so by and
//! by, because somebody waits behind each insertion: the memory of the next one is taken and
//! touched while the last sixteenth is filled, and then each change moves a few entries.

use super::contract_slots::{
    ContractSlots, Leaving, NUMBER_MASK, entry_of, msn_value, reference_of, with_reference,
    without_reference,
};
use super::limits::{XPIDS_PER_MSN_MAX, XPIDS_PER_TABLE_MAX};
use super::registry::NumberState;
use std::collections::HashMap;
use thiserror::Error;
use wire::terms::ids::{Msn, Xpid};

const SLOTS_MIN: usize = 16;
/// While a table grows, each insertion looks at so many slots of the old one: at twice as many as
/// must be for the last to move before the new one is full.
const MOVED_PER_INSERT: usize = 4;
/// Of the next table a huge page is touched with every so many insertions: twice as many as must
/// be.
const INSERTS_PER_TOUCH: usize = 4096;

const _: () = assert!(XPIDS_PER_TABLE_MAX as u64 == NUMBER_MASK, "numbers 1 to the mask are XPIDs");

/// Why a contract cannot be entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ContractError {
    /// The msn has its ten contracts.
    #[error(
        "the msn already has contracts with {XPIDS_PER_MSN_MAX} XPIDs; remove one of them first"
    )]
    TooManyXpids,
    /// More different XPIDs than entries have bits for.
    #[error(
        "the contract table holds contracts with {XPIDS_PER_TABLE_MAX} XPIDs and has no room for \
         another"
    )]
    TableFull,
}

/// One shard's contracts.
#[derive(Debug, Default)]
pub struct ContractTable {
    /// Where new ones go.
    slots: ContractSlots,
    growth: Growth,
    contracts: usize,
    /// The reference that the next contract begins with: one that is entered anew goes on where
    /// chance will have it.
    first_reference: u8,
    xpids: Vec<Xpid>,
    numbers: HashMap<Xpid, u32, NumberState>,
}

/// How far the next doubling is.
#[derive(Debug, Default)]
enum Growth {
    #[default]
    None,
    /// The next table's memory is being touched.
    Touching(ContractSlots),
    /// All new contracts go into the new table, and those of the one before move.
    Moving(Leaving),
}

impl ContractTable {
    /// An empty table that takes `contracts` of them without growing; 8 octets each, rounded up to
    /// the next power of two above four thirds.
    pub fn with_capacity(contracts: usize) -> Self {
        let slots = if contracts > 0 {
            ContractSlots::with_number(slots_for(contracts))
        } else {
            ContractSlots::default()
        };
        Self { slots, ..Self::default() }
    }

    /// Enters a contract. `false` when it is there already.
    ///
    /// # Errors
    /// When the msn has ten contracts with other XPIDs.
    pub fn insert(&mut self, msn: Msn, xpid: Xpid) -> Result<bool, ContractError> {
        self.grow();
        let number = self.number_or_next(xpid)?;
        let entry = entry_of(msn, number);
        let mut of_this_msn = 0;
        for other in self.entries_of(msn) {
            if without_reference(other) == entry {
                return Ok(false);
            }
            of_this_msn += 1;
        }
        //= push right contract
        if of_this_msn >= XPIDS_PER_MSN_MAX {
            return Err(ContractError::TooManyXpids);
        }
        self.slots.insert(with_reference(entry, self.first_reference));
        self.first_reference = self.first_reference.wrapping_add(1);
        self.contracts += 1;
        if number as usize == self.xpids.len() {
            self.xpids.push(xpid);
            self.numbers.insert(xpid, number);
        }
        Ok(true)
    }

    /// Ends a contract. `false` when there is none.
    pub fn remove(&mut self, msn: Msn, xpid: Xpid) -> bool {
        let Some(&number) = self.numbers.get(&xpid) else { return false };
        let entry = entry_of(msn, number);
        let found = self.slots.find(entry);
        if let Some(place) = found {
            self.slots.remove(place);
        } else if let Growth::Moving(leaving) = &mut self.growth
            && let Some(place) = leaving.slots().find(entry)
        {
            leaving.slots_mut().remove(place);
        } else {
            return false;
        }
        self.contracts -= 1;
        true
    }

    /// Fetches the line in which the contracts of `msn` begin.
    #[inline]
    pub fn prefetch(&self, msn: Msn) {
        self.slots.prefetch(msn);
    }

    /// Whether `msn` is contracted with `xpid`.
    #[inline]
    pub fn contains(&self, msn: Msn, xpid: Xpid) -> bool {
        let Some(&number) = self.numbers.get(&xpid) else { return false };
        let entry = entry_of(msn, number);
        self.slots.find(entry).is_some() || self.is_moving(entry)
    }

    /// The concatenation reference for a long push of `xpid` to `msn`: another one than that of the
    /// last long push to the msn, whichever of its XPIDs it came from. Where there is no contract,
    /// 0.
    pub fn next_reference(&self, msn: Msn, xpid: Xpid) -> u8 {
        let Some(&number) = self.numbers.get(&xpid) else { return 0 };
        let wanted = entry_of(msn, number);
        let Some(own) = self.entries_of(msn).find(|&entry| without_reference(entry) == wanted)
        else {
            return 0;
        };
        let mut reference = reference_of(own).wrapping_add(1);
        // Ten are taken at most.
        while self.entries_of(msn).any(|entry| reference_of(entry) == reference) {
            reference = reference.wrapping_add(1);
        }
        reference
    }

    /// A long push of `xpid` to `msn` carries this reference.
    pub fn note_reference(&mut self, msn: Msn, xpid: Xpid, reference: u8) {
        let Some(&number) = self.numbers.get(&xpid) else { return };
        let wanted = entry_of(msn, number);
        if let Some(place) = self.slots.find(wanted) {
            self.slots.set_reference(place, reference);
        } else if let Growth::Moving(leaving) = &mut self.growth
            && let Some(place) = leaving.slots().find(wanted)
        {
            leaving.slots_mut().set_reference(place, reference);
        }
    }

    /// Appends the XPIDs that `msn` has contracts with, at most ten, in no particular order.
    pub fn xpids_of(&self, msn: Msn, xpids: &mut Vec<Xpid>) {
        xpids.extend(self.entries_of(msn).map(|entry| self.xpid_of(entry)));
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
        let entries =
            self.slots.iter().chain(self.leaving().into_iter().flat_map(ContractSlots::iter));
        entries.filter_map(|entry| Some((Msn::from_value(msn_value(entry))?, self.xpid_of(entry))))
    }

    fn entries_of(&self, msn: Msn) -> impl Iterator<Item = u64> + '_ {
        self.slots
            .of_msn(msn)
            .chain(self.leaving().into_iter().flat_map(move |slots| slots.of_msn(msn)))
    }

    /// The slots of the table before, while its entries move.
    fn leaving(&self) -> Option<&ContractSlots> {
        match &self.growth {
            Growth::Moving(leaving) => Some(leaving.slots()),
            _ => None,
        }
    }

    #[cold]
    fn is_moving(&self, entry: u64) -> bool {
        self.leaving().is_some_and(|slots| slots.find(entry).is_some())
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

    /// Before an insertion: makes room for it, and does its part for those to come.
    fn grow(&mut self) {
        let slots = self.slots.number();
        match &mut self.growth {
            Growth::None if (self.contracts + 1) * 16 > slots * 11 => {
                self.growth =
                    Growth::Touching(ContractSlots::with_number((slots * 2).max(SLOTS_MIN)));
            }
            Growth::Touching(next) if self.contracts.is_multiple_of(INSERTS_PER_TOUCH) => {
                next.touch_next();
            }
            Growth::Moving(leaving) => {
                let is_left = leaving.move_some(MOVED_PER_INSERT, &mut self.slots);
                if !is_left {
                    self.growth = Growth::None;
                }
            }
            _ => {}
        }
        if (self.contracts + 1) * 4 <= slots * 3 {
            return;
        }
        match std::mem::take(&mut self.growth) {
            Growth::Touching(next) => {
                let full = std::mem::replace(&mut self.slots, next);
                if full.number() > 0 {
                    self.growth = Growth::Moving(Leaving::new(full));
                }
            }
            _ => unreachable!("a table moves long before the next one is full"),
        }
    }

    fn xpid_of(&self, entry: u64) -> Xpid {
        self.xpids[(entry & NUMBER_MASK) as usize - 1]
    }
}

fn slots_for(contracts: usize) -> usize {
    (contracts * 4 / 3 + 1).next_power_of_two().max(SLOTS_MIN)
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

    //= push right contract
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

    //= TS 23.040 9.2.3.24.1 reference
    #[test]
    fn long_pushes_that_follow_each_other_to_a_phone_carry_different_references() {
        let mut table = ContractTable::default();
        for phone in 0..300 {
            for client in 0..10 {
                assert_eq!(table.insert(msn(phone), xpid(client)), Ok(true));
            }
        }
        let mut last = vec![None; 300];
        for step in 0..20_000_u64 {
            // Every phone has its turn, from one client in a row and from all of them.
            let (phone, client) = (step * 7 % 300, if step % 3 == 0 { step % 10 } else { 0 });
            let reference = table.next_reference(msn(phone), xpid(client));
            assert_ne!(last[phone as usize].replace(reference), Some(reference), "step {step}");
            table.note_reference(msn(phone), xpid(client), reference);
        }
        assert_eq!(table.len(), 3_000);
        assert!(table.contains(msn(7), xpid(3)) && table.insert(msn(7), xpid(3)) == Ok(false));
        // A contract that ends and begins anew does not begin with what was used last.
        let reference = table.next_reference(msn(7), xpid(3));
        table.note_reference(msn(7), xpid(3), reference);
        assert!(table.remove(msn(7), xpid(3)) && !table.contains(msn(7), xpid(3)));
        assert_eq!(table.next_reference(msn(7), xpid(3)), 0);
        assert_eq!(table.insert(msn(7), xpid(3)), Ok(true));
        assert_ne!(table.next_reference(msn(7), xpid(3)), reference);
    }

    #[test]
    fn an_empty_table_has_nothing() {
        let mut table = ContractTable::default();
        assert!(
            !table.contains(msn(1), xpid(1)) && !table.remove(msn(1), xpid(1)) && table.is_empty()
        );
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
        let slots = table.slots.number();
        for value in 0..1_000_000 {
            assert_eq!(table.insert(msn(9_000_000_000 + value), xpid(100_000_001)), Ok(true));
        }
        assert_eq!((table.len(), table.slots.number()), (1_000_000, slots));
        assert!(
            (0..1_000_000)
                .all(|value| table.contains(msn(9_000_000_000 + value), xpid(100_000_001)))
        );
        assert!(!table.contains(msn(9_001_000_000), xpid(100_000_001)));
    }

    #[test]
    fn a_table_that_doubles_has_every_contract_all_the_time() {
        const CONTRACTS: u64 = 30_000;
        let mut table = ContractTable::default();
        let mut doublings = 0;
        for value in 0..CONTRACTS {
            let was_moving = matches!(table.growth, Growth::Moving(_));
            assert_eq!(table.insert(msn(value), xpid(value % 7)), Ok(true));
            assert_eq!(table.insert(msn(value), xpid(value % 7)), Ok(false));
            doublings += u64::from(!was_moving && matches!(table.growth, Growth::Moving(_)));
            let earlier = value * 31 % (value + 1);
            assert!(table.contains(msn(earlier), xpid(earlier % 7)), "{earlier} of {value}");
            assert!(!table.contains(msn(earlier), xpid((earlier + 1) % 7)));
        }
        assert!(doublings >= 10, "{doublings} doublings");
        assert_eq!((table.len(), table.iter().count()), (CONTRACTS as usize, CONTRACTS as usize));
        for value in 0..CONTRACTS {
            assert!(
                table.remove(msn(value), xpid(value % 7))
                    && !table.remove(msn(value), xpid(value % 7))
            );
        }
        assert_eq!((table.len(), table.iter().count()), (0, 0));
    }

    #[test]
    fn no_insertion_does_more_than_its_part_of_a_doubling() {
        let mut table = ContractTable::with_capacity(1 << 20);
        let (mut moved_max, mut touched_max, mut left) = (0, 0, None);
        for value in 0..(1 << 21) {
            table.insert(msn(value), xpid(1)).expect("room");
            let now_left = match &table.growth {
                Growth::Moving(leaving) => Some(leaving.left()),
                _ => None,
            };
            if let (Some(before), now) = (left, now_left.unwrap_or(0)) {
                moved_max = moved_max.max(before - now);
            }
            left = now_left;
            touched_max = touched_max.max(host::huge_pages::touched_since_last_asked());
        }
        assert!((1..1_000).contains(&moved_max), "{moved_max} slots moved by one insertion");
        assert!(
            touched_max <= host::huge_pages::STRETCH_OCTETS,
            "{touched_max} octets touched by one insertion"
        );
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
                let xpids: Vec<u64> = xpids.iter().map(|xpid| xpid.value()).collect();
                prop_assert_eq!(&xpids, row);
                prop_assert_eq!(table.len(), model.values().map(Vec::len).sum::<usize>());
            }
            let mut contracts: Vec<_> =
                table.iter().map(|(msn, xpid)| (msn.value(), xpid.value())).collect();
            contracts.sort_unstable();
            let expected: Vec<_> = model
                .iter()
                .flat_map(|(&msn, row)| row.iter().map(move |&xpid| (msn, xpid)))
                .collect();
            prop_assert_eq!(contracts, expected);
        }
    }
}
