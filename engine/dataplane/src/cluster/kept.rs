//! One partition as a node keeps it: its ownership, its entry, and what is under way of it.
//!
//! **Never here:** what is decided of several partitions, or told to the host: `keeper` does that.
//! **Invariants:** one entry is being written at a time; a later entry is not undone by an earlier.

use super::chunk::{self, ChunkBody};
use super::flights::Flight;
use super::happening::Happening;
use super::limits::REPEAT_MS;
use super::node::NodeName;
use super::ownership::{Ownership, PartitionStanding};
use super::ports::{Liveness, PartEntry, ReplicatedLog};
use std::collections::VecDeque;
use std::sync::Arc;
use wire::terms::time::SteadyMs;

/// One partition as a node keeps it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) ownership: Ownership,
    pub(super) entry: Option<PartEntry>,
    pub(super) revision: u64,
    /// The entry that is being written, and since when; whether it is a bid.
    pub(super) writing: Option<(PartEntry, SteadyMs, bool)>,
    /// The revision that it names.
    pub(super) writing_revision: u64,
    /// What is under way, the oldest in front.
    pub(super) octets: VecDeque<Arc<[u8]>>,
    /// To whom it is to go, since when, and whether the host has been told.
    pub(super) heir: Option<(NodeName, SteadyMs, bool)>,
    /// The log may be cut below this.
    pub(super) purge: u64,
    /// When a take-over was given up, or the partition was last this node's.
    pub(super) left: SteadyMs,
    pub(super) looked: SteadyMs,
    pub(super) reached_written: SteadyMs,
}

impl Kept {
    /// Whether its entry names this node.
    pub(super) fn is_said_of(&self, node: NodeName) -> bool {
        self.entry.is_some_and(|entry| entry.owner == node)
    }

    /// Takes note of an entry, unless a later one is known.
    pub(super) fn see(&mut self, entry: PartEntry, revision: u64) {
        if revision > self.revision {
            (self.entry, self.revision) = (Some(entry), revision);
        }
    }

    /// An entry was written; whether it was a bid that is still waited for.
    pub(super) fn wrote(&mut self, entry: &PartEntry) -> bool {
        match self.writing {
            Some((written, _, is_bid)) if written == *entry => {
                self.writing = None;
                is_bid
            }
            _ => false,
        }
    }

    /// The entry by which this node says that it is about to open.
    pub(super) fn bid(&self, me: NodeName) -> PartEntry {
        let none =
            PartEntry { owner: me, term: 0, floor: 1, reached: 0, heir: None, is_ready: false };
        self.entry.map_or(none, |entry| PartEntry {
            owner: me,
            heir: None,
            is_ready: false,
            ..entry
        })
    }

    /// Writes an entry, unless one is being written.
    pub(super) fn write(
        &mut self,
        now: SteadyMs,
        nodes: &mut impl Liveness,
        partition: u16,
        entry: PartEntry,
        is_bid: bool,
    ) {
        if !is_bid && self.writing.is_some_and(|(_, since, _)| now.since(since) < REPEAT_MS) {
            return;
        }
        self.writing = Some((entry, now, is_bid));
        self.writing_revision = self.revision;
        nodes.take(partition, entry, self.revision);
    }

    /// Writes what the entry of a partition of this node should say, where it says something else.
    pub(super) fn look_after(
        &mut self,
        now: SteadyMs,
        nodes: &mut impl Liveness,
        partition: u16,
        me: NodeName,
    ) {
        let (PartitionStanding::Owned(term), Some(reached)) =
            (self.ownership.standing(), self.ownership.reached())
        else {
            return;
        };
        let old = self.bid(me);
        let heir = self.heir.map(|(to, ..)| to);
        let kept = self.entry.filter(|entry| entry.heir == heir && entry.owner == me);
        let is_reached_due = now.since(self.reached_written) >= REPEAT_MS;
        let wanted = PartEntry {
            owner: me,
            term,
            floor: old.floor.max(self.purge),
            reached: if is_reached_due { reached } else { old.reached },
            heir,
            is_ready: kept.is_some_and(|entry| entry.is_ready),
        };
        if self.entry != Some(wanted) {
            if is_reached_due {
                self.reached_written = now;
            }
            self.write(now, nodes, partition, wanted, false);
        }
    }

    /// The partition is not, or not going to be, this node's.
    pub(super) fn left(&mut self, now: SteadyMs, happening: Happening) -> Happening {
        self.octets.clear();
        (self.heir, self.purge, self.left) = (None, 0, now);
        happening
    }
}

/// Publishes a chunk and keeps its octets until they are settled.
pub(super) fn publish(
    kept: &mut Kept,
    log: &mut impl ReplicatedLog,
    partition: u16,
    flight: &Flight,
    frames: &[u8],
) {
    let octets: Arc<[u8]> = match &flight.body {
        ChunkBody::Term(term) => chunk::encode(&flight.head, &term.encode()),
        ChunkBody::Records => chunk::encode(&flight.head, frames),
        ChunkBody::Alive => chunk::encode(&flight.head, &[]),
        ChunkBody::Closed(to) => chunk::encode(&flight.head, &to.octets()),
    }
    .into();
    kept.octets.push_back(Arc::clone(&octets));
    log.publish(partition, flight.expected, octets);
}
