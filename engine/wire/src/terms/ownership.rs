//! Who owns an msn: msn → partition → thread or node.
//!
//! A partition is a slice of msn space; in an engine of its own it is called a shard. Which one an
//! msn is in never changes while there are so many. Who holds it does, where a thread gives it up
//! or another node takes it over: that stands in [`Holders`].

use crate::terms::ids::Msn;
use crate::terms::mix::mix;
use std::sync::atomic::{AtomicU32, Ordering};

/// The shard that owns `msn`, of `shards`: its partition.
pub fn shard_of(msn: Msn, shards: usize) -> usize {
    ((u128::from(mix(msn.value())) * shards as u128) >> 64) as usize
}

/// Who holds a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// Nobody serves it at the moment.
    Nobody,
    /// The thread of this engine with this number.
    Thread(u16),
    /// The node of the cluster with this number.
    Node(u16),
}

/// Where the kind of holder stands in an entry.
const KIND_BITS: u32 = 16;
const THREAD: u32 = 1 << KIND_BITS;
const NODE: u32 = 2 << KIND_BITS;

/// Who holds each partition: one table, which every thread reads without a lock. An entry changes
/// as a whole. Whoever sends to a holder that gave the partition up meanwhile is told so by it.
#[derive(Debug)]
pub struct Holders {
    entries: Box<[AtomicU32]>,
}

impl Holders {
    /// As many partitions as there are entries.
    pub fn new(holders: impl IntoIterator<Item = Holder>) -> Self {
        Self { entries: holders.into_iter().map(|holder| AtomicU32::new(pack(holder))).collect() }
    }

    /// So many partitions, dealt to so many threads in turn.
    pub fn dealt(partitions: usize, threads: usize) -> Self {
        Self::new((0..partitions).map(|partition| Holder::Thread(thread_of(partition, threads))))
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> usize {
        self.entries.len()
    }

    /// Who holds this partition; nobody where there is none of this number.
    #[inline]
    pub fn of(&self, partition: usize) -> Holder {
        let entry = self.entries.get(partition).map_or(0, |entry| entry.load(Ordering::Acquire));
        let number = entry as u16;
        match entry & !u32::from(u16::MAX) {
            THREAD => Holder::Thread(number),
            NODE => Holder::Node(number),
            _ => Holder::Nobody,
        }
    }

    /// The thread of this engine that holds this partition.
    #[inline]
    pub fn thread_of(&self, partition: usize) -> Option<usize> {
        match self.of(partition) {
            Holder::Thread(thread) => Some(usize::from(thread)),
            Holder::Nobody | Holder::Node(_) => None,
        }
    }

    /// From now on `holder` has it; nothing changes where there is no such partition.
    pub fn set(&self, partition: usize, holder: Holder) {
        if let Some(entry) = self.entries.get(partition) {
            entry.store(pack(holder), Ordering::Release);
        }
    }
}

fn pack(holder: Holder) -> u32 {
    match holder {
        Holder::Nobody => 0,
        Holder::Thread(number) => THREAD | u32::from(number),
        Holder::Node(number) => NODE | u32::from(number),
    }
}

/// The thread, of so many, that holds a partition when an engine of its own starts.
pub fn thread_of(partition: usize, threads: usize) -> u16 {
    (partition % threads.max(1)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_msn_has_one_owner_and_the_slices_are_even() {
        let mut owned = [0u32; 3];
        for number in 0..30_000 {
            let msn = Msn::from_value(9_000_000_000 + number).expect("a legal msn");
            owned[shard_of(msn, 3)] += 1;
        }
        assert!(owned.iter().all(|&count| (9_500..10_500).contains(&count)), "{owned:?}");
        assert_eq!(shard_of(Msn::ALL, 1), 0);
    }

    #[test]
    fn partitions_are_dealt_evenly_and_each_has_the_holder_it_was_given_last() {
        let holders = Holders::dealt(5, 2);
        let threads: Vec<_> = (0..6).map(|partition| holders.thread_of(partition)).collect();
        assert_eq!(threads, [Some(0), Some(1), Some(0), Some(1), Some(0), None]);
        for holder in [Holder::Node(7), Holder::Nobody, Holder::Thread(u16::MAX)] {
            holders.set(3, holder);
            assert_eq!((holders.of(3), holders.of(1)), (holder, Holder::Thread(1)));
        }
        holders.set(5, Holder::Thread(0));
        assert_eq!((holders.of(5), holders.partitions()), (Holder::Nobody, 5));
    }
}
