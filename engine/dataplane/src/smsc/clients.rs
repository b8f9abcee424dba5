//! The push clients that have something in this shard, numbered from 0 in as few bits as possible:
//! what is shared among them is counted by that number, and their queues are found by it.
//!
//! A client is entered with its first push and forgotten when nothing counts for it any more; its
//! number goes to another then. Beyond [`CLIENTS_MAX`] clients at once whoever comes stands under
//! one number with the others: they share a turn and a share, and wait for each other. Nobody
//! leaves that number for one of its own while anything counts for it there, so that what is kept
//! in order by the number stays in order.
//!
//! Never here: an XPID's registration or contracts. Memory is taken a block at a time: nobody waits
//! for more than that.

use crate::smsc::index_table::GrowingTable;
use crate::smsc::limits::CLIENTS_MAX;
use std::collections::VecDeque;
use wire::terms::mix::mix;

/// The identity of all of whom nobody says who they are.
pub(super) const UNKNOWN: u64 = u64::MAX - 1;
/// The identity of nobody.
const NOBODY: u64 = u64::MAX;

/// Entries that memory is taken for at a time.
const BLOCK: usize = 256;

/// One entry for each number of a client. Memory comes a block at a time, and nothing is ever
/// moved.
pub(super) struct ByClient<T> {
    blocks: Vec<Box<[T]>>,
}

impl<T> Default for ByClient<T> {
    fn default() -> Self {
        Self { blocks: Vec::new() }
    }
}

impl<T: Copy> ByClient<T> {
    /// Takes memory for this client, should it have none; its entry is `empty` then.
    #[inline]
    pub(super) fn reach(&mut self, client: u16, empty: T) {
        while usize::from(client) / BLOCK >= self.blocks.len() {
            self.blocks.push(vec![empty; BLOCK].into());
        }
    }

    /// The client's entry; `None` where none was ever reached.
    #[inline]
    pub(super) fn find(&self, client: u16) -> Option<&T> {
        self.blocks
            .get(usize::from(client) / BLOCK)
            .map(|block| &block[usize::from(client) % BLOCK])
    }
}

impl<T> std::ops::Index<u16> for ByClient<T> {
    type Output = T;
    #[inline]
    fn index(&self, client: u16) -> &T {
        &self.blocks[usize::from(client) / BLOCK][usize::from(client) % BLOCK]
    }
}

impl<T> std::ops::IndexMut<u16> for ByClient<T> {
    #[inline]
    fn index_mut(&mut self, client: u16) -> &mut T {
        &mut self.blocks[usize::from(client) / BLOCK][usize::from(client) % BLOCK]
    }
}

/// What counts for a client.
#[derive(Clone, Copy)]
struct Client {
    /// Who it is, by a number that no two clients share.
    identity: u64,
    /// Places in the slab of live pushes.
    live: u32,
    /// Whatever else stands under the number.
    kept: u32,
}

impl Client {
    const NONE: Self = Self { identity: NOBODY, live: 0, kept: 0 };

    fn is_gone(&self) -> bool {
        self.live == 0 && self.kept == 0
    }
}

/// The clients of one shard.
pub(super) struct Clients {
    numbers: GrowingTable,
    entries: ByClient<Client>,
    /// The lowest number that nobody ever had.
    next: u16,
    free: VecDeque<u16>,
    /// Whoever was entered last: the next one is often the same.
    last: u16,
    /// The number of all for whom there is none: behind all others.
    crowd: u16,
}

impl Default for Clients {
    fn default() -> Self {
        Self::with_bound(CLIENTS_MAX)
    }
}

impl Clients {
    fn with_bound(clients_max: u16) -> Self {
        let mut entries = ByClient::default();
        entries.reach(0, Client::NONE);
        Self {
            numbers: GrowingTable::new(usize::from(clients_max)),
            entries,
            next: 0,
            free: VecDeque::new(),
            last: 0,
            crowd: clients_max,
        }
    }

    /// The number under which this client stands, or would if it came now and there is no room for
    /// a number of its own; `None` where nothing counts for it.
    #[inline]
    pub(super) fn find(&self, identity: u64) -> Option<u16> {
        if self.entries[self.last].identity == identity {
            return Some(self.last);
        }
        let found = self
            .numbers
            .find(mix(identity), |number| self.entries[number as u16].identity == identity);
        found.map(|number| number as u16).or_else(|| self.is_crowded().then_some(self.crowd))
    }

    /// The number of this client, which has one from now on. To be followed by something that
    /// counts.
    #[inline]
    pub(super) fn enter(&mut self, identity: u64) -> u16 {
        let number = self.find(identity).unwrap_or_else(|| self.number_of_new(identity));
        if number == self.crowd {
            self.entries.reach(number, Client::NONE);
        } else {
            self.last = number;
        }
        number
    }

    /// Places in the slab that this client has.
    #[inline]
    pub(super) fn live(&self, client: u16) -> usize {
        self.entries.find(client).map_or(0, |entry| entry.live as usize)
    }

    /// It has one place more in the slab.
    #[inline]
    pub(super) fn add_live(&mut self, client: u16) {
        self.entries[client].live += 1;
    }

    /// It has one place less there.
    #[inline]
    pub(super) fn take_live(&mut self, client: u16) {
        self.entries[client].live -= 1;
        self.forget_if_gone(client);
    }

    /// Something else stands under its number.
    #[inline]
    pub(super) fn hold(&mut self, client: u16) {
        self.entries[client].kept += 1;
    }

    /// That stands there no more.
    #[inline]
    pub(super) fn release(&mut self, client: u16) {
        self.entries[client].kept -= 1;
        self.forget_if_gone(client);
    }

    /// Whether whoever comes stands with the others.
    fn is_crowded(&self) -> bool {
        let all_taken = self.free.is_empty() && self.next == self.crowd;
        all_taken || self.entries.find(self.crowd).is_some_and(|crowd| !crowd.is_gone())
    }

    fn number_of_new(&mut self, identity: u64) -> u16 {
        if self.is_crowded() {
            return self.crowd;
        }
        let number = self.free.pop_front().unwrap_or(self.next);
        if number == self.next {
            self.next += 1;
        }
        self.entries.reach(number, Client::NONE);
        self.entries[number] = Client { identity, ..Client::NONE };
        let entries = &self.entries;
        self.numbers.insert(mix(identity), u32::from(number), |number| {
            mix(entries[number as u16].identity)
        });
        number
    }

    fn forget_if_gone(&mut self, client: u16) {
        let entry = &mut self.entries[client];
        if entry.is_gone() && client != self.crowd {
            let identity = std::mem::replace(&mut entry.identity, NOBODY);
            self.numbers.remove(mix(identity), u32::from(client));
            self.free.push_back(client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(clients: &mut Clients, identity: u64) -> u16 {
        let number = clients.enter(identity);
        clients.add_live(number);
        number
    }

    #[test]
    fn clients_have_numbers_while_something_counts_for_them() {
        let mut clients = Clients::default();
        assert_eq!(clients.find(7), None);
        let (seven, eight) = (entered(&mut clients, 7), entered(&mut clients, 8));
        assert_ne!(seven, eight);
        assert_eq!(entered(&mut clients, 7), seven);
        assert_eq!((clients.live(seven), clients.live(eight)), (2, 1));
        clients.hold(seven);
        clients.take_live(seven);
        clients.take_live(seven);
        assert_eq!(clients.find(7), Some(seven), "something is kept of it");
        clients.release(seven);
        assert_eq!((clients.find(7), clients.find(8)), (None, Some(eight)));
        assert_eq!(entered(&mut clients, 9), seven, "the number is another's now");
    }

    #[test]
    fn twenty_thousand_clients_are_told_apart() {
        let mut clients = Clients::default();
        let numbers: Vec<u16> =
            (0..20_000).map(|identity| entered(&mut clients, identity)).collect();
        for (identity, &number) in (0..).zip(&numbers) {
            assert_eq!((clients.find(identity), clients.live(number)), (Some(number), 1));
            clients.take_live(number);
            assert_eq!(clients.find(identity), None);
        }
    }

    #[test]
    fn beyond_the_bound_clients_share_a_number_until_none_of_them_has_anything() {
        let mut clients = Clients::with_bound(2);
        let (first, second) = (entered(&mut clients, 1), entered(&mut clients, 2));
        let crowd = entered(&mut clients, 3);
        assert!(crowd != first && crowd != second);
        clients.take_live(first);
        assert_eq!(entered(&mut clients, 3), crowd, "what is kept in order by its number stays so");
        assert_eq!((entered(&mut clients, 4), clients.live(crowd)), (crowd, 3));
        for _ in 0..3 {
            clients.take_live(crowd);
        }
        assert_eq!(entered(&mut clients, 4), first);
    }
}
