//! The ids under which receipts are awaited, in the order in which they came.
//!
//! Nothing here grows all at once: entries have memory a block at a time and are never moved, and
//! the table that finds them moves on with each entry. What is found under another id than before
//! is so entry by entry.
//!
//! Never here: what a receipt says, or what an id means.

use crate::network::port::AttemptToken;
use crate::smsc::index_table::GrowingTable;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use wire::smpp::id::Id;
use wire::smpp::limits::MESSAGE_ID_OCTETS_MAX;
use wire::terms::ids::Msn;
use wire::terms::time::SteadyMs;

/// Entries that memory is taken for at a time.
const BLOCK: usize = 1_024;
/// Last digits by which a receipt's number is compared with an msn: national and international
/// forms have them alike.
const COMPARED_DIGITS: usize = 8;
/// No entry.
const NONE: u32 = u32::MAX;

/// An id as it is compared: see [`wire::smpp::id`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum IdKey {
    Number(u128),
    Text(Arc<[u8]>),
}

impl IdKey {
    pub(super) fn of(id: Id<'_>) -> Self {
        match id {
            Id::Number(number) => Self::Number(number),
            Id::Text(text) => {
                let mut space = [0; MESSAGE_ID_OCTETS_MAX];
                let Some(small) = space.get_mut(..text.len()) else {
                    return Self::Text(text.to_ascii_lowercase().into());
                };
                small.copy_from_slice(text);
                small.make_ascii_lowercase();
                Self::Text((&*small).into())
            }
        }
    }
}

/// Whose segment an id is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Awaited {
    pub(super) token: AttemptToken,
    pub(super) push_id: u64,
    pub(super) segment: u8,
    pub(super) msn: Msn,
    /// When the carrier took it; zero: in a life of the engine before this.
    pub(super) since_ms: SteadyMs,
}

impl Awaited {
    /// Whether one of these numbers is that of the phone.
    pub(super) fn is_about(&self, numbers: [&[u8]; 2]) -> bool {
        let msn = self.msn.digits();
        let tail = &msn[msn.len() - COMPARED_DIGITS..];
        numbers.iter().any(|number| number.ends_with(tail))
    }
}

struct Entry {
    key: IdKey,
    /// `None`: the entry is free.
    whose: Option<Awaited>,
    /// Who came before and after it; of a free entry, the next free one.
    previous: u32,
    next: u32,
}

/// All of one carrier's.
pub(super) struct AwaitedIds {
    blocks: Vec<Vec<Entry>>,
    /// Entries that were ever used.
    used: u32,
    free: u32,
    oldest: u32,
    newest: u32,
    len: usize,
    table: GrowingTable,
    hasher: RandomState,
    /// The next entry that may have another key; beyond the last one: none has.
    to_rename: u32,
}

impl AwaitedIds {
    /// So many at most.
    pub(super) fn new(most: usize) -> Self {
        Self {
            blocks: Vec::new(),
            used: 0,
            free: NONE,
            oldest: NONE,
            newest: NONE,
            len: 0,
            // One more comes before the oldest goes.
            table: GrowingTable::new(most + 1),
            hasher: RandomState::new(),
            to_rename: NONE,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn entry(&self, index: u32) -> &Entry {
        &self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }

    fn entry_mut(&mut self, index: u32) -> &mut Entry {
        &mut self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }

    fn find(&self, key: &IdKey) -> Option<u32> {
        self.table.find(self.hasher.hash_one(key), |index| self.entry(index).key == *key)
    }

    /// Whose segment this id is.
    pub(super) fn get(&self, key: &IdKey) -> Option<&Awaited> {
        self.entry(self.find(key)?).whose.as_ref()
    }

    /// This id is this one's from now on, the newest; whose it was before.
    pub(super) fn insert(&mut self, key: IdKey, whose: Awaited) -> Option<Awaited> {
        let older = self.remove(&key);
        let index = self.place();
        let hash = self.hasher.hash_one(&key);
        let before = std::mem::replace(&mut self.newest, index);
        *self.entry_mut(index) = Entry { key, whose: Some(whose), previous: before, next: NONE };
        match before {
            NONE => self.oldest = index,
            before => self.entry_mut(before).next = index,
        }
        let Self { table, blocks, hasher, .. } = self;
        table.insert(hash, index, hash_in(blocks, hasher));
        self.len += 1;
        older
    }

    /// Nothing is awaited under this id any more; whose it was.
    pub(super) fn remove(&mut self, key: &IdKey) -> Option<Awaited> {
        let index = self.find(key)?;
        self.remove_at(index)
    }

    /// The one that came first is awaited no longer.
    pub(super) fn remove_oldest(&mut self) {
        if self.oldest != NONE {
            self.remove_at(self.oldest);
        }
    }

    /// The table forgets it first.
    fn remove_at(&mut self, index: u32) -> Option<Awaited> {
        let hash = self.hasher.hash_one(&self.entry(index).key);
        assert!(self.table.remove(hash, index), "an entry stands under its key");
        let free = std::mem::replace(&mut self.free, index);
        let gone = Entry { key: IdKey::Number(0), whose: None, previous: NONE, next: free };
        let Entry { whose, previous, next, .. } = std::mem::replace(self.entry_mut(index), gone);
        match previous {
            NONE => self.oldest = next,
            previous => self.entry_mut(previous).next = next,
        }
        match next {
            NONE => self.newest = previous,
            next => self.entry_mut(next).previous = previous,
        }
        self.len -= 1;
        whose
    }

    /// A free entry.
    fn place(&mut self) -> u32 {
        if self.free != NONE {
            let index = self.free;
            self.free = self.entry(index).next;
            return index;
        }
        let index = self.used;
        self.used += 1;
        if index as usize / BLOCK == self.blocks.len() {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let fresh = Entry { key: IdKey::Number(0), whose: None, previous: NONE, next: NONE };
        self.blocks[index as usize / BLOCK].push(fresh);
        index
    }

    /// Every text may mean something else from now on: [`Self::next_to_rename`] gives them all.
    pub(super) fn rename_all(&mut self) {
        self.to_rename = 0;
    }

    /// Whether some may still stand under what they meant before.
    pub(super) fn is_renaming(&self) -> bool {
        self.to_rename < self.used
    }

    /// Looks at the next entry that may mean something else, and gives its text.
    pub(super) fn next_to_rename(&mut self) -> Option<(u32, Arc<[u8]>)> {
        let index = self.to_rename;
        self.to_rename += 1;
        match &self.entry(index) {
            Entry { key: IdKey::Text(text), whose: Some(_), .. } => Some((index, text.clone())),
            _ => None,
        }
    }

    /// The entry stands under this key from now on, and keeps its place before others. Where
    /// another has it the entry goes: whose it was.
    pub(super) fn rename(&mut self, index: u32, key: &IdKey) -> Option<Awaited> {
        if self.entry(index).key == *key {
            return None;
        }
        if self.find(key).is_some() {
            return self.remove_at(index);
        }
        let before = self.hasher.hash_one(&self.entry(index).key);
        assert!(self.table.remove(before, index), "an entry stands under its key");
        self.entry_mut(index).key = key.clone();
        let Self { table, blocks, hasher, .. } = self;
        table.insert(hasher.hash_one(key), index, hash_in(blocks, hasher));
        None
    }
}

/// The hash under which an entry stands.
fn hash_in(blocks: &[Vec<Entry>], hasher: &RandomState) -> impl Fn(u32) -> u64 {
    move |index| hasher.hash_one(&blocks[index as usize / BLOCK][index as usize % BLOCK].key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use wire::terms::mix::mix;

    fn awaited(push_id: u64) -> Awaited {
        let msn = Msn::from_value(9_010_000_000).expect("a legal msn");
        let token = AttemptToken { partition: 0, push: 1 };
        Awaited { token, push_id, segment: 0, msn, since_ms: SteadyMs::ZERO }
    }

    fn key(number: u64) -> IdKey {
        match number % 2 {
            0 => IdKey::Number(u128::from(number)),
            _ => IdKey::Text(number.to_string().into_bytes().into()),
        }
    }

    #[test]
    fn it_does_what_a_map_and_a_queue_do_while_it_grows() {
        const KEYS: u64 = 30_000;
        let mut ids = AwaitedIds::new(KEYS as usize);
        // By key: when it came, and whose it is.
        let mut model: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let mut random = 3u64;
        for step in 0..200_000u64 {
            random = mix(random.wrapping_add(1));
            let number = random % KEYS;
            match random >> 61 {
                0..=1 => {
                    let known = model.remove(&number).map(|(_, whose)| awaited(whose));
                    assert_eq!(ids.remove(&key(number)), known);
                }
                2 if step.is_multiple_of(8) => {
                    let oldest = model.iter().min_by_key(|(_, (came, _))| *came);
                    let oldest = oldest.map(|(&number, _)| number);
                    ids.remove_oldest();
                    if let Some(oldest) = oldest {
                        model.remove(&oldest);
                        assert!(ids.get(&key(oldest)).is_none());
                    }
                }
                _ => {
                    let known = model.insert(number, (step, step));
                    let older = known.map(|(_, whose)| awaited(whose));
                    assert_eq!(ids.insert(key(number), awaited(step)), older);
                }
            }
            let known = model.get(&number).map(|&(_, whose)| awaited(whose));
            assert_eq!((ids.get(&key(number)), ids.len()), (known.as_ref(), model.len()));
        }
        assert!(ids.used as usize <= KEYS as usize + 1, "free entries are used again");
    }

    #[test]
    fn no_id_takes_more_than_its_part_of_the_memory_for_a_million() {
        const IDS: u64 = 1_200_000;
        let mut ids = AwaitedIds::new(IDS as usize);
        let mut most = 0;
        host::huge_pages::touched_since_last_asked();
        for number in 0..IDS {
            ids.insert(IdKey::Number(u128::from(number)), awaited(number));
            most = most.max(host::huge_pages::touched_since_last_asked());
        }
        assert!(most <= host::huge_pages::STRETCH_OCTETS, "{most} octets touched by one");
        assert!(ids.blocks.iter().all(|block| block.capacity() == BLOCK), "none is ever moved");
        assert_eq!(ids.len(), IDS as usize);
    }
}
