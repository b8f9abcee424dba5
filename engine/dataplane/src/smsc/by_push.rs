//! Something that a few of the slab's pushes have, found by their index there.
//!
//! Memory comes and goes a block at a time, and nothing is ever moved: no push waits for a table
//! that grows, however many come to have it.
//!
//! Never here: what it is that they have.

use crate::smsc::pushes::PushIndex;

/// Entries that memory is taken for at a time.
const BLOCK: usize = 1_024;

/// Indices that are near each other.
struct Block<T> {
    entries: Box<[Option<T>]>,
    /// How many of them have it.
    used: usize,
}

/// What some pushes have.
pub struct ByPush<T> {
    blocks: Vec<Option<Block<T>>>,
    len: usize,
}

impl<T> Default for ByPush<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), len: 0 }
    }
}

impl<T> ByPush<T> {
    /// How many pushes have it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none has it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What this push has.
    #[inline]
    pub fn get(&self, index: PushIndex) -> Option<&T> {
        let (block, at) = place_of(index);
        self.blocks.get(block)?.as_ref()?.entries[at].as_ref()
    }

    /// As [`Self::get`], to be changed.
    pub fn get_mut(&mut self, index: PushIndex) -> Option<&mut T> {
        let (block, at) = place_of(index);
        self.blocks.get_mut(block)?.as_mut()?.entries[at].as_mut()
    }

    /// What this push has; from now on the default, if that was nothing.
    pub fn entry(&mut self, index: PushIndex) -> &mut T
    where
        T: Default,
    {
        let (block, at) = place_of(index);
        while self.blocks.len() <= block {
            self.blocks.push(None);
        }
        let block = self.blocks[block].get_or_insert_with(|| Block {
            entries: std::iter::repeat_with(|| None).take(BLOCK).collect(),
            used: 0,
        });
        let entry = &mut block.entries[at];
        if entry.is_none() {
            block.used += 1;
            self.len += 1;
        }
        entry.get_or_insert_with(T::default)
    }

    /// The push has it no more.
    pub fn remove(&mut self, index: PushIndex) -> Option<T> {
        let (at_block, at) = place_of(index);
        let block = self.blocks.get_mut(at_block)?.as_mut()?;
        let had = block.entries[at].take()?;
        block.used -= 1;
        self.len -= 1;
        if block.used == 0 {
            self.blocks[at_block] = None;
        }
        Some(had)
    }

    /// All that have it, from this index on.
    pub fn iter_from(&self, first: PushIndex) -> impl Iterator<Item = (PushIndex, &T)> {
        let (first_block, first_at) = place_of(first);
        let blocks = self.blocks.iter().enumerate().skip(first_block);
        let there = blocks.filter_map(|(number, block)| Some((number, block.as_ref()?)));
        there.flat_map(move |(number, block)| {
            let passed = if number == first_block { first_at } else { 0 };
            let entries = block.entries.iter().enumerate().skip(passed);
            entries.filter_map(move |(at, entry)| {
                Some(((number * BLOCK + at) as PushIndex, entry.as_ref()?))
            })
        })
    }
}

#[inline]
fn place_of(index: PushIndex) -> (usize, usize) {
    (index as usize / BLOCK, index as usize % BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use wire::terms::mix::mix;

    #[test]
    fn it_does_what_a_map_does_and_keeps_no_memory_for_nobody() {
        const PUSHES: u64 = 20_000;
        let (mut some, mut model) = (ByPush::<u64>::default(), BTreeMap::new());
        let mut random = 5u64;
        for step in 0..100_000u64 {
            random = mix(random.wrapping_add(1));
            let index = (random % PUSHES) as PushIndex;
            match random >> 62 {
                0 => assert_eq!(some.remove(index), model.remove(&index)),
                1 => assert_eq!(some.get_mut(index), model.get_mut(&index)),
                _ => {
                    *some.entry(index) += step;
                    *model.entry(index).or_default() += step;
                }
            }
            assert_eq!((some.get(index), some.len()), (model.get(&index), model.len()));
        }
        for first in [0, 1, 1_023, 1_024, 1_500, 19_999, 20_000, 40_000] {
            let (there, wanted) = (some.iter_from(first), model.range(first..));
            assert!(there.eq(wanted.map(|(&index, entry)| (index, entry))), "from {first}");
        }
        model.keys().for_each(|&index| assert!(some.remove(index).is_some()));
        assert!(some.is_empty() && some.blocks.iter().all(Option::is_none));
    }
}
