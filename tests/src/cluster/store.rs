//! The store in which nodes say that they are there and who has what: entries with revisions, and
//! for each partition the batches of billing events with what they include.

use hayauma::cluster::beats::Beat;
use hayauma::cluster::node::NodeName;
use hayauma::cluster::ports::PartEntry;
use std::collections::BTreeMap;

/// Entries and beats.
#[derive(Debug, Default)]
pub(super) struct SimulatedStore {
    pub(super) entries: BTreeMap<u16, (PartEntry, u64)>,
    pub(super) beats: BTreeMap<NodeName, Beat>,
    revision: u64,
    /// It answers nobody until then.
    pub(super) ill_until_ms: u64,
}

impl SimulatedStore {
    /// Writes an entry if its revision is still this one; the new revision.
    pub(super) fn take(&mut self, partition: u16, entry: PartEntry, revision: u64) -> Option<u64> {
        let now = self.entries.get(&partition).map_or(0, |(_, revision)| *revision);
        if now != revision {
            return None;
        }
        self.revision += 1;
        self.entries.insert(partition, (entry, self.revision));
        Some(self.revision)
    }
}

/// A billing event's identity: the push, and whether it is its end.
pub(super) type Billed = (u64, bool);

/// The billing batches of one partition.
#[derive(Debug, Default)]
pub(super) struct SimulatedBilling {
    /// Every event of every batch, in their order.
    pub(super) events: Vec<Billed>,
    /// Batches so far.
    pub(super) last: u64,
    /// The sequence of the log up to which they include everything.
    pub(super) through: u64,
}

impl SimulatedBilling {
    /// Stores a batch if so many are there; whether it was.
    pub(super) fn publish(&mut self, expected: u64, events: &[Billed], through: u64) -> bool {
        if self.last != expected {
            return false;
        }
        self.last += 1;
        self.through = through;
        self.events.extend_from_slice(events);
        true
    }
}
