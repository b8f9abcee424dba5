//! Where each partition is: here, with a thread and a place in it, or at another node, or nowhere
//! at the moment. A table never changes: a change makes the next one, which takes its place whole.

use super::limits::{PARTITIONS_MAX, PARTITIONS_MIN};
use super::node::NodeName;
use wire::terms::ids::Msn;
use wire::terms::ownership::shard_of;

/// Where a partition is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PartitionHome {
    /// Nobody serves it: it is being taken over, or waits for that.
    #[default]
    Nowhere,
    /// Here.
    Here {
        /// The thread that serves it.
        thread: u16,
        /// Its place among the thread's partitions.
        part: u16,
    },
    /// At this node.
    At(NodeName),
}

/// Where all partitions are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionTable {
    version: u64,
    homes: Box<[PartitionHome]>,
}

impl PartitionTable {
    /// A table of so many partitions, none of them served; none if no cluster has so many.
    pub fn new(partitions: usize) -> Option<Self> {
        let is_fit =
            (PARTITIONS_MIN..=PARTITIONS_MAX).contains(&partitions) && partitions.is_power_of_two();
        let homes = vec![PartitionHome::Nowhere; partitions].into_boxed_slice();
        is_fit.then_some(Self { version: 0, homes })
    }

    /// Goes up with each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> usize {
        self.homes.len()
    }

    /// The partition of an msn.
    pub fn partition_of(&self, msn: Msn) -> u16 {
        shard_of(msn, self.homes.len()) as u16
    }

    /// Where a partition is; nowhere if there is none of that number.
    pub fn home(&self, partition: u16) -> PartitionHome {
        self.homes.get(usize::from(partition)).copied().unwrap_or_default()
    }

    /// The next table, in which one partition is elsewhere; none where nothing changes.
    pub fn with(&self, partition: u16, home: PartitionHome) -> Option<Self> {
        if self.homes.get(usize::from(partition)).is_none_or(|old| *old == home) {
            return None;
        }
        let mut next = Self { version: self.version + 1, homes: self.homes.clone() };
        next.homes[usize::from(partition)] = home;
        Some(next)
    }

    /// The partitions of one thread, with their places.
    pub fn of_thread(&self, wanted: u16) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.homes.iter().enumerate().filter_map(move |(partition, home)| match home {
            PartitionHome::Here { thread, part } if *thread == wanted => {
                Some((partition as u16, *part))
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_makes_the_next_table_and_leaves_the_one_before() {
        let table = PartitionTable::new(16).expect("a cluster may have so many");
        let here = PartitionHome::Here { thread: 1, part: 3 };
        let next = table.with(5, here).expect("a change");
        assert_eq!((table.home(5), next.home(5)), (PartitionHome::Nowhere, here));
        assert_eq!((table.version(), next.version()), (0, 1));
        assert_eq!(next.with(5, here), None, "nothing changes");
        assert_eq!(next.with(16, here), None, "there is no such partition");
        assert_eq!(next.of_thread(1).collect::<Vec<_>>(), [(5, 3)]);
        assert_eq!(next.of_thread(0).count(), 0);
        assert_eq!(next.home(99), PartitionHome::Nowhere);
    }

    #[test]
    fn a_cluster_has_a_power_of_two_of_partitions_within_its_bounds() {
        let fit = [16, 64, 256];
        for partitions in 0..600 {
            let is_fit = PartitionTable::new(partitions).is_some();
            assert_eq!(is_fit, fit.contains(&partitions) || [32, 128].contains(&partitions));
        }
    }

    #[test]
    fn an_msn_is_in_the_partition_that_owns_it() {
        let table = PartitionTable::new(64).expect("a cluster may have so many");
        for number in 0..1_000 {
            let msn = Msn::from_value(9_000_000_000 + number).expect("a legal msn");
            assert_eq!(usize::from(table.partition_of(msn)), shard_of(msn, 64));
        }
        assert_eq!(table.partitions(), 64);
    }
}
