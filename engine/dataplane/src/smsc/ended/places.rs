//! The places of ended pushes that are due to be told: found by number, in a ring for each msn,
//! client and door, and in a list for each client.
//!
//! Invariants: nothing is ever moved; memory is taken a block at a time.

use super::EndedPush;
use crate::smsc::clients::ByClient;
use crate::smsc::flags::EndedFlags;
use crate::smsc::index_table::GrowingTable;
use crate::smsc::pushes::NONE;
use crate::smsc::shares::Shares;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn};
use wire::terms::mix::mix;

/// An ended push by its number, and where it stands as long as its client is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndedId {
    /// Its number.
    pub push_id: u64,
    index: u32,
}

/// A place: one cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Entry {
    push: EndedPush,
    /// The next of its msn and client, a ring; `NONE` while it stands in none. Of a free place, the
    /// next free one.
    next: u32,
    /// Of its client: the one that came before it, and the one that came after.
    older: u32,
    newer: u32,
}

const _: () = assert!(size_of::<Entry>() == 64);

/// A client's pushes, oldest first.
#[derive(Clone, Copy)]
struct ClientList {
    oldest: u32,
    newest: u32,
}

impl ClientList {
    const EMPTY: Self = Self { oldest: NONE, newest: NONE };
}

/// Entries that memory is taken for at a time.
const BLOCK: usize = 1024;
/// The number that a free place carries.
const NO_PUSH: u64 = u64::MAX;

/// The ended pushes of one shard that are due to be told.
pub(in crate::smsc) struct EndedPushes {
    blocks: Vec<Box<[Entry]>>,
    used: u32,
    free: u32,
    numbers: GrowingTable,
    rings: GrowingTable,
    lists: ByClient<ClientList>,
    shares: Shares,
    places: usize,
    /// Entries looked at to find those of an msn and client.
    #[cfg(test)]
    pub(in crate::smsc) steps: std::cell::Cell<u64>,
}

impl EndedPushes {
    /// So many places.
    pub(in crate::smsc) fn new(places: usize) -> Self {
        Self {
            blocks: Vec::new(),
            used: 0,
            free: NONE,
            numbers: GrowingTable::new(places),
            rings: GrowingTable::new(places),
            lists: ByClient::default(),
            shares: Shares::default(),
            places,
            #[cfg(test)]
            steps: std::cell::Cell::new(0),
        }
    }

    pub(in crate::smsc) fn len(&self) -> usize {
        self.shares.total()
    }

    pub(in crate::smsc) fn places(&self) -> usize {
        self.places
    }

    pub(in crate::smsc) fn is_full(&self) -> bool {
        self.len() >= self.places
    }

    /// Whose oldest has to go so that this client gets a place.
    pub(in crate::smsc) fn gives_up(&self, asking: u16) -> Option<u32> {
        let client = self.shares.gives_up(asking)?;
        Some(self.lists[client].oldest)
    }

    /// The place of the push with this number.
    pub(in crate::smsc) fn find(&self, push_id: u64) -> Option<u32> {
        if self.len() == 0 {
            return None;
        }
        self.numbers.find(mix(push_id), |index| self[index].push_id == push_id)
    }

    /// Fetches the line in which the place of the push with this number stands, or will stand.
    #[inline]
    pub(in crate::smsc) fn prefetch(&self, push_id: u64) {
        self.numbers.prefetch(mix(push_id));
    }

    /// As [`Self::find`], by where it stood when it was named.
    #[inline]
    pub(in crate::smsc) fn at(&self, id: EndedId) -> Option<u32> {
        (id.index < self.used && self[id.index].push_id == id.push_id).then_some(id.index)
    }

    pub(in crate::smsc) fn id(&self, index: u32) -> EndedId {
        EndedId { push_id: self[index].push_id, index }
    }

    /// How many places were ever used: every push stands in one below.
    pub(in crate::smsc) fn used(&self) -> u32 {
        self.used
    }

    pub(in crate::smsc) fn live_at(&self, index: u32) -> Option<&EndedPush> {
        (index < self.used).then(|| &self[index]).filter(|push| push.push_id != NO_PUSH)
    }

    /// The places that are taken.
    pub(in crate::smsc) fn iter(&self) -> impl Iterator<Item = (u32, &EndedPush)> + '_ {
        (0..self.used).filter_map(|index| Some((index, self.live_at(index)?)))
    }

    /// Takes a push, the latest of its client; it stands in no ring yet. There is room.
    pub(in crate::smsc) fn insert(&mut self, push: EndedPush) -> u32 {
        assert!(!self.is_full(), "room is made before a push comes in");
        let index = self.take_place();
        *self.entry_mut(index) = Entry { push, next: NONE, older: NONE, newer: NONE };
        self.shares.add(push.client);
        self.link_newest(index);
        let Self { numbers, blocks, .. } = self;
        numbers.insert(mix(push.push_id), index, |index| {
            mix(blocks[index as usize / BLOCK][index as usize % BLOCK].push.push_id)
        });
        index
    }

    fn take_place(&mut self) -> u32 {
        if self.free != NONE {
            let index = self.free;
            self.free = self.entry(index).next;
            return index;
        }
        if self.used as usize == self.blocks.len() * BLOCK {
            self.blocks.push(vec![Entry::FREE; BLOCK].into());
        }
        self.used += 1;
        self.used - 1
    }

    /// Takes a push out; who is first in its ring now, if it was.
    pub(in crate::smsc) fn remove(&mut self, index: u32) -> (EndedPush, Option<u32>) {
        let push = self[index];
        let next = self.leave_ring(index);
        self.unlink(index);
        self.shares.take(push.client);
        let is_there = self.numbers.remove(mix(push.push_id), index);
        assert!(is_there, "a push is taken out once");
        *self.entry_mut(index) = Entry { next: self.free, ..Entry::FREE };
        self.free = index;
        (push, next)
    }

    /// Puts the push at the end of its ring; whether it is first.
    //= push notify in order
    pub(in crate::smsc) fn join_ring(&mut self, index: u32) -> bool {
        assert_eq!(self.entry(index).next, NONE, "a push stands in one ring");
        let ring = self[index].ring();
        let hash = ring.hash();
        let Some(last) = self.last_of(ring, hash) else {
            self.entry_mut(index).next = index;
            let Self { rings, blocks, .. } = self;
            rings.insert(hash, index, |index| {
                blocks[index as usize / BLOCK][index as usize % BLOCK].push.ring().hash()
            });
            return true;
        };
        self.entry_mut(index).next = std::mem::replace(&mut self.entry_mut(last).next, index);
        self.rings.replace(hash, last, index);
        false
    }

    /// Takes the push out of its ring, should it stand in one; who is first there now, if it was.
    /// Only the first ever leaves, unless the message center is broken on purpose: that costs the
    /// same however many there are.
    fn leave_ring(&mut self, index: u32) -> Option<u32> {
        let next = std::mem::replace(&mut self.entry_mut(index).next, NONE);
        if next == NONE {
            return None;
        }
        let ring = self[index].ring();
        let hash = ring.hash();
        if next == index {
            self.rings.remove(hash, index);
            return None;
        }
        let last = self.last_of(ring, hash)?;
        let mut before = if last == index { next } else { last };
        let was_first = last != index && self.entry(last).next == index;
        while self.entry(before).next != index {
            #[cfg(test)]
            self.steps.set(self.steps.get() + 1);
            before = self.entry(before).next;
        }
        self.entry_mut(before).next = next;
        if last == index {
            self.rings.replace(hash, index, before);
        }
        was_first.then_some(next)
    }

    fn last_of(&self, ring: Ring, hash: u64) -> Option<u32> {
        self.rings.find(hash, |index| {
            #[cfg(test)]
            self.steps.set(self.steps.get() + 1);
            self[index].ring() == ring
        })
    }

    /// At most `most` pushes of an msn and client, in their order, those of each door together.
    pub(in crate::smsc) fn of(&self, msn: Msn, client: u16, most: usize) -> Vec<u32> {
        let ring = |by_smpp| self.of_ring(Ring { msn, client, by_smpp }, most);
        let mut all = ring(false);
        all.extend(ring(true));
        all.truncate(most);
        all
    }

    fn of_ring(&self, ring: Ring, most: usize) -> Vec<u32> {
        let Some(last) = self.last_of(ring, ring.hash()) else { return Vec::new() };
        let mut all = vec![self.entry(last).next];
        while let Some(&index) = all.last().filter(|&&index| index != last) {
            all.push(self.entry(index).next);
            if all.len() > most {
                break;
            }
        }
        all.truncate(most);
        all
    }

    /// Puts the clients' lists in this order, which names all pushes; none stands in a ring.
    pub(in crate::smsc) fn reorder(&mut self, order: &[u32]) {
        for &index in order {
            self.unlink(index);
            self.link_newest(index);
        }
    }

    fn link_newest(&mut self, index: u32) {
        let client = self[index].client;
        self.lists.reach(client, ClientList::EMPTY);
        let newest = std::mem::replace(&mut self.lists[client].newest, index);
        let entry = self.entry_mut(index);
        (entry.older, entry.newer) = (newest, NONE);
        match newest {
            NONE => self.lists[client].oldest = index,
            newest => self.entry_mut(newest).newer = index,
        }
    }

    fn unlink(&mut self, index: u32) {
        let &Entry { older, newer, push: EndedPush { client, .. }, .. } = self.entry(index);
        match older {
            NONE => self.lists[client].oldest = newer,
            older => self.entry_mut(older).newer = newer,
        }
        match newer {
            NONE => self.lists[client].newest = older,
            newer => self.entry_mut(newer).older = older,
        }
    }

    fn entry(&self, index: u32) -> &Entry {
        &self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }

    fn entry_mut(&mut self, index: u32) -> &mut Entry {
        &mut self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }
}

impl Entry {
    const FREE: Self = Self {
        push: EndedPush {
            push_id: NO_PUSH,
            position: 0,
            end_number: 0,
            code: Code::EXPIRED,
            delivered_mask: 0,
            flags: EndedFlags::NONE,
            client: 0,
            msn: [0; 5],
            ended_ms: [0; 6],
            tp_status: 0,
            tries: 0,
            state: State::Expired,
            class: Class::Standard,
            segments: 1,
            domain: None,
        },
        next: NONE,
        older: NONE,
        newer: NONE,
    };
}

impl std::ops::Index<u32> for EndedPushes {
    type Output = EndedPush;
    fn index(&self, index: u32) -> &EndedPush {
        &self.entry(index).push
    }
}

impl std::ops::IndexMut<u32> for EndedPushes {
    fn index_mut(&mut self, index: u32) -> &mut EndedPush {
        &mut self.entry_mut(index).push
    }
}

/// Whose notifications go out one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ring {
    msn: Msn,
    client: u16,
    by_smpp: bool,
}

impl Ring {
    fn hash(self) -> u64 {
        // An msn has 34 bits, a client 16.
        mix(u64::from(self.by_smpp) << 50 | u64::from(self.client) << 34 | self.msn.value())
    }
}

impl EndedPush {
    /// Which ring it stands in: notifications of one go out one after the other.
    fn ring(&self) -> Ring {
        Ring { msn: self.msn(), client: self.client, by_smpp: self.is_by_smpp() }
    }
}
