//! A hash table that holds nothing but indices into a slab: five octets an entry, and its keys stay
//! in the slab.
//!
//! A bucket is one cache line: fifteen cells and a count of the entries that found it full and went
//! on to the next bucket. A cell is an index in as many bits as the slab needs and, in the bits
//! left, a part of the hash, so that hardly a look goes to a slab entry in vain. Removing needs no
//! tombstones: it takes the count back.
//!
//! [`IndexTable`] has the size that it was made with: no entry ever waits for a rehash.
//! [`GrowingTable`] doubles, and no entry waits for that either: the memory of the next one is
//! taken and touched while the last sixteenth is filled, a stretch at a time, and then each entry
//! moves a bucket.
//!
//! Never here: the keys. The caller brings a hash, whose 64 bits must be uniform, and says which
//! index it means.
//!
//! Invariant: a bucket's count is the number of entries whose home lies at or before it and who
//! stand behind it.

use crate::smsc::bucket;
use host::huge_pages::Zeros;
use host::prefetch::prefetch_at;

/// Cells of a bucket.
const SLOTS: usize = 15;
/// Words of a bucket: the cells, and the count of the entries that passed it.
const WORDS: usize = SLOTS + 1;
/// A bit for each cell.
const CELLS: u32 = (1 << SLOTS) - 1;
const LINE_OCTETS: usize = WORDS * size_of::<u32>();
/// Entries for which a bucket is reckoned: 85 per cent of its cells, in hundredths.
const LOAD_HUNDREDTHS: usize = 1275;
/// The most that a table's index may be: one bit of a cell at least is left for the hash.
pub const INDEX_MAX: usize = (1 << 31) - 2;

const _: () = assert!(LINE_OCTETS == 64, "a bucket is a cache line");

/// Where an entry stands, until the next change of the table.
#[derive(Clone, Copy, Debug)]
pub struct TablePlace {
    word: usize,
}

/// A table of fixed size.
pub struct IndexTable {
    /// The buckets; of a large table the first begins a page.
    words: Zeros<u32>,
    buckets: usize,
    capacity: usize,
    len: usize,
    /// The bits of a cell that hold an index and one: zero is nobody.
    index_mask: u32,
}

impl IndexTable {
    /// A table for `capacity` entries whose indices are below `indices`. All of its memory is
    /// touched at once, so that no entry waits for that: [`IndexTable::octets_for`] says how much
    /// it is.
    pub fn new(capacity: usize, indices: usize) -> Self {
        let mut table = Self::untouched(capacity, indices);
        table.words.touch_all();
        table
    }

    /// The same, and its memory is touched as it is used.
    fn untouched(capacity: usize, indices: usize) -> Self {
        assert!(indices <= INDEX_MAX, "an index has 31 bits");
        let buckets = buckets_for(capacity);
        let words = Zeros::new(buckets * WORDS);
        let index_bits = u32::BITS - (indices as u32).leading_zeros();
        Self { words, buckets, capacity, len: 0, index_mask: (1 << index_bits) - 1 }
    }

    /// Octets that a table for `capacity` entries takes.
    pub fn octets_for(capacity: usize) -> usize {
        buckets_for(capacity) * LINE_OCTETS
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.len >= self.capacity
    }

    /// Fetches the line in which an entry with this hash stands, if there is one, and the next: a
    /// fifth of the buckets of a full table are passed by some.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let home = self.home(hash) * WORDS;
        prefetch_at(&self.words, home);
        prefetch_at(&self.words, home + WORDS);
    }

    /// The first entry with this hash for which `is` holds.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<TablePlace> {
        let tag = self.tag(hash);
        let mut bucket = self.home(hash);
        for _ in 0..self.buckets {
            let words = self.bucket(bucket);
            let mut hits = bucket::equal(words, !self.index_mask, tag) & CELLS;
            while hits != 0 {
                let slot = hits.trailing_zeros() as usize;
                // A free cell looks like one whose part of the hash is zero.
                let entry = words[slot] & self.index_mask;
                if entry != 0 && is(entry - 1) {
                    return Some(TablePlace { word: bucket * WORDS + slot });
                }
                hits &= hits - 1;
            }
            if words[SLOTS] == 0 {
                return None;
            }
            bucket = self.next(bucket);
        }
        None
    }

    /// The index that stands at `place`.
    #[inline]
    pub fn index_at(&self, place: TablePlace) -> u32 {
        (self.words[place.word] & self.index_mask) - 1
    }

    /// Another index with the same hash takes the place.
    #[inline]
    pub fn replace(&mut self, place: TablePlace, index: u32) {
        let word = &mut self.words[place.word];
        *word = *word & !self.index_mask | (index + 1);
    }

    /// Enters an index. Nothing is looked for: an equal entry is the caller's to rule out.
    ///
    /// # Panics
    /// When the table is full.
    #[inline]
    pub fn insert(&mut self, hash: u64, index: u32) {
        assert!(!self.is_full(), "a table of indices is as large as its slab");
        let entry = self.tag(hash) | (index + 1);
        let mut bucket = self.home(hash);
        loop {
            let words = self.bucket_mut(bucket);
            let free = bucket::equal(words, u32::MAX, 0) & CELLS;
            if free != 0 {
                words[free.trailing_zeros() as usize] = entry;
                self.len += 1;
                return;
            }
            words[SLOTS] += 1;
            bucket = self.next(bucket);
        }
    }

    /// Takes out what stands at `place`, whose hash this is.
    #[inline]
    pub fn remove(&mut self, hash: u64, place: TablePlace) {
        let stands_in = place.word / WORDS;
        let mut bucket = self.home(hash);
        while bucket != stands_in {
            self.bucket_mut(bucket)[SLOTS] -= 1;
            bucket = self.next(bucket);
        }
        self.words[place.word] = 0;
        self.len -= 1;
    }

    /// What stands in this bucket, cell by cell.
    fn entries_of(&self, bucket: usize) -> [Option<u32>; SLOTS] {
        let words = self.bucket(bucket);
        std::array::from_fn(|slot| {
            let word = words[slot];
            (word != 0).then(|| (word & self.index_mask) - 1)
        })
    }

    /// Whether no entry whose home lies before this bucket stands in it or behind it.
    fn is_passed_by_none(&self, bucket: usize) -> bool {
        bucket == 0 || self.bucket(bucket - 1)[SLOTS] == 0
    }

    fn bucket(&self, bucket: usize) -> &[u32; WORDS] {
        let at = bucket * WORDS;
        match self.words[at..].first_chunk() {
            Some(words) => words,
            None => unreachable!("buckets lie within the words"),
        }
    }

    fn bucket_mut(&mut self, bucket: usize) -> &mut [u32; WORDS] {
        let at = bucket * WORDS;
        match self.words[at..].first_chunk_mut() {
            Some(words) => words,
            None => unreachable!("buckets lie within the words"),
        }
    }

    /// The high bits of the hash choose the bucket, the low ones stand in the cell.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.buckets as u128) >> 64) as usize
    }

    #[inline]
    fn tag(&self, hash: u64) -> u32 {
        (hash as u32) & !self.index_mask
    }

    #[inline]
    fn next(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets { 0 } else { bucket + 1 }
    }
}

fn buckets_for(capacity: usize) -> usize {
    (capacity * 100).div_ceil(LOAD_HUNDREDTHS) + 1
}

/// A table that grows as it fills. While it does, each entry made moves one bucket of the old half
/// on: nobody waits for the whole.
pub struct GrowingTable {
    current: IndexTable,
    growth: Growth,
    indices: usize,
}

/// How far the next doubling is.
enum Growth {
    None,
    /// The next table's memory is being touched.
    Touching(IndexTable),
    /// All new entries go into the new table, and those of the old one move: the next bucket.
    Moving(IndexTable, usize),
}

/// Entries for which a growing table begins.
const GROWING_FROM: usize = 1024;
/// Of the next table a huge page is touched with every so many entries: three times as many as must
/// be.
const ENTRIES_PER_TOUCH: usize = 4096;

impl GrowingTable {
    /// An empty table for indices below `indices`.
    pub fn new(indices: usize) -> Self {
        Self { current: IndexTable::new(GROWING_FROM, indices), growth: Growth::None, indices }
    }

    /// Entries.
    pub(super) fn len(&self) -> usize {
        self.current.len() + self.old().map_or(0, IndexTable::len)
    }

    fn old(&self) -> Option<&IndexTable> {
        match &self.growth {
            Growth::Moving(old, _) => Some(old),
            _ => None,
        }
    }

    /// See [`IndexTable::prefetch`].
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.current.prefetch(hash);
        if let Some(old) = self.old() {
            old.prefetch(hash);
        }
    }

    /// The index with this hash for which `is` holds.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        if let Some(place) = self.current.find(hash, &mut is) {
            return Some(self.current.index_at(place));
        }
        let old = self.old()?;
        old.find(hash, is).map(|place| old.index_at(place))
    }

    /// Enters an index; `hash_of` tells the hash of every index that is in the table.
    #[inline]
    pub fn insert(&mut self, hash: u64, index: u32, hash_of: impl Fn(u32) -> u64) {
        let (entries, capacity) = (self.current.len(), self.current.capacity);
        if entries >= capacity - capacity / 16 || !matches!(self.growth, Growth::None) {
            self.grow(&hash_of);
        }
        self.current.insert(hash, index);
    }

    /// Another index of the same hash takes the place of one.
    pub(super) fn replace(&mut self, hash: u64, index: u32, by: u32) {
        let old = match &mut self.growth {
            Growth::Moving(old, _) => Some(old),
            _ => None,
        };
        for table in [Some(&mut self.current), old].into_iter().flatten() {
            if let Some(place) = table.find(hash, |found| found == index) {
                return table.replace(place, by);
            }
        }
        unreachable!("an index that is replaced stands under its hash");
    }

    /// Takes an index out; `false` when it is not there under this hash.
    #[inline]
    pub fn remove(&mut self, hash: u64, index: u32) -> bool {
        if let Some(place) = self.current.find(hash, |found| found == index) {
            self.current.remove(hash, place);
            return true;
        }
        let Growth::Moving(old, _) = &mut self.growth else { return false };
        let place = old.find(hash, |found| found == index);
        if let Some(place) = place {
            old.remove(hash, place);
        }
        place.is_some()
    }

    /// Before an entry: makes room for it, and does its part for those to come.
    fn grow(&mut self, hash_of: &impl Fn(u32) -> u64) {
        let (entries, capacity) = (self.current.len(), self.current.capacity);
        match &mut self.growth {
            Growth::None if entries >= capacity - capacity / 16 && capacity < self.indices => {
                self.growth = Growth::Touching(IndexTable::untouched(2 * capacity, self.indices));
            }
            Growth::Touching(next) if entries.is_multiple_of(ENTRIES_PER_TOUCH) => {
                next.words.touch_next();
            }
            Growth::Moving(..) => self.move_on(hash_of),
            _ => {}
        }
        if self.current.is_full() {
            let Growth::Touching(next) = std::mem::replace(&mut self.growth, Growth::None) else {
                unreachable!("half a table is moved long before the whole is full")
            };
            let old = std::mem::replace(&mut self.current, next);
            self.growth = Growth::Moving(old, 0);
        }
    }

    /// Moves a bucket of the old table.
    fn move_on(&mut self, hash_of: &impl Fn(u32) -> u64) {
        let Growth::Moving(old, bucket) = &mut self.growth else { return };
        // All of them are asked for their hashes first: the processor waits for memory once, and
        // not for one after the other.
        let entries = old.entries_of(*bucket);
        let hashes = entries.map(|index| index.map(hash_of));
        for (index, hash) in entries.into_iter().zip(hashes) {
            let (Some(index), Some(hash)) = (index, hash) else { continue };
            let Some(place) = old.find(hash, |found| found == index) else {
                unreachable!("an index stands under its hash");
            };
            old.remove(hash, place);
            self.current.insert(hash, index);
        }
        debug_assert!(old.entries_of(*bucket).iter().all(Option::is_none), "all have moved");
        *bucket += 1;
        if *bucket == old.buckets {
            self.growth = Growth::None;
        } else if old.is_passed_by_none(*bucket) {
            old.words.give_back_before(*bucket * WORDS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use wire::terms::mix::mix;

    /// Hashes of which many share a home and their low bits.
    fn hash_of(key: u64) -> u64 {
        if key.is_multiple_of(3) { mix(key) } else { mix(key % 4) }
    }

    #[test]
    fn the_table_does_what_a_map_does_at_any_load_it_is_made_for() {
        const ENTRIES: u32 = 3_000;
        let mut table = IndexTable::new(ENTRIES as usize, ENTRIES as usize);
        // By index: the key that the slab has there.
        let mut keys: BTreeMap<u32, u64> = BTreeMap::new();
        let mut random = 7u64;
        for _ in 0..60_000 {
            random = mix(random.wrapping_add(1));
            let index = (random % u64::from(ENTRIES)) as u32;
            let key = u64::from(index);
            let place = table.find(hash_of(key), |found| keys.get(&found) == Some(&key));
            assert_eq!(place.is_some(), keys.contains_key(&index));
            match place {
                // More come than go, so that it fills up.
                Some(place) if random >> 60 < 5 => {
                    assert_eq!(table.index_at(place), index);
                    table.remove(hash_of(key), place);
                    keys.remove(&index);
                }
                Some(place) => table.replace(place, index),
                None => {
                    table.insert(hash_of(key), index);
                    keys.insert(index, key);
                }
            }
            assert_eq!(table.len(), keys.len());
        }
        assert!(keys.len() > ENTRIES as usize / 2);
        for (&index, &key) in &keys {
            let place = table.find(hash_of(key), |found| found == index).expect("it was entered");
            table.remove(hash_of(key), place);
        }
        assert!(
            table.is_empty() && table.words.iter().all(|&word| word == 0),
            "counts go back to nothing"
        );
    }

    #[test]
    fn a_full_table_takes_every_index_and_finds_it() {
        for capacity in [1, 2, 15, 16, 100, 4_095, 4_096] {
            let mut table = IndexTable::new(capacity, capacity);
            for index in 0..capacity as u32 {
                table.insert(mix(u64::from(index)), index);
            }
            assert!(table.is_full());
            for index in 0..capacity as u32 {
                let place =
                    table.find(mix(u64::from(index)), |found| found == index).expect("it is there");
                assert_eq!(table.index_at(place), index);
            }
            assert!(table.find(mix(u64::MAX), |_| false).is_none());
        }
    }

    #[test]
    fn no_entry_of_a_growing_table_does_more_than_its_part_of_a_doubling() {
        const ENTRIES: u32 = 1_200_000;
        let mut table = GrowingTable::new(ENTRIES as usize);
        let hash = |index: u32| mix(u64::from(index));
        let (mut touched_max, mut moved_max, mut hashed) = (0, 0, std::cell::Cell::new(0));
        host::huge_pages::touched_since_last_asked();
        for index in 0..ENTRIES {
            let counted = |index| {
                hashed.set(hashed.get() + 1);
                hash(index)
            };
            table.insert(hash(index), index, counted);
            touched_max = touched_max.max(host::huge_pages::touched_since_last_asked());
            moved_max = moved_max.max(std::mem::take(hashed.get_mut()));
        }
        assert!(table.current.capacity > 1 << 20, "it doubled above a million");
        assert!(moved_max <= SLOTS, "{moved_max} entries moved by one");
        assert!(
            touched_max <= host::huge_pages::STRETCH_OCTETS,
            "{touched_max} octets touched by one"
        );
        assert!(
            (0..ENTRIES)
                .all(|index| table.find(hash(index), |found| found == index) == Some(index))
        );
    }

    #[test]
    fn a_growing_table_loses_nothing_while_it_moves() {
        const ENTRIES: u32 = 50_000;
        let mut table = GrowingTable::new(ENTRIES as usize);
        let hash = |index: u32| mix(u64::from(index));
        for index in 0..ENTRIES {
            table.insert(hash(index), index, hash);
            let earlier = index / 2;
            assert_eq!(
                table.find(hash(earlier), |found| found == earlier),
                Some(earlier),
                "at {index}"
            );
            if index % 5 == 4 {
                assert!(
                    table.remove(hash(index - 3), index - 3)
                        && !table.remove(hash(index - 3), index - 3)
                );
                table.insert(hash(index - 3), index - 3, hash);
            }
        }
        assert_eq!(table.len(), ENTRIES as usize);
        for index in 0..ENTRIES {
            assert!(table.remove(hash(index), index));
        }
        assert_eq!(table.len(), 0);
    }
}
