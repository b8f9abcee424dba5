//! What a node shows of its part of a cluster: whoever works for it writes, whoever is asked reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// A figure of a node: its name, whether it only rises, and what it is.
pub type NodeFigureName = (&'static str, bool, &'static str);

/// Every figure, in the order in which they are shown.
pub const NODE_FIGURES: [NodeFigureName; 12] = [
    ("cluster_nodes", false, "Nodes of the cluster that beat and take partitions"),
    ("cluster_partitions_owned", false, "Partitions that this node owns"),
    ("cluster_partitions_coming", false, "Partitions on their way to this node"),
    ("cluster_partitions_stopped", false, "Partitions that this node found damaged"),
    ("cluster_takeovers", true, "Partitions that this node took that nobody gave it"),
    ("cluster_takeover_milliseconds", false, "From bid to term of the last take-over"),
    ("cluster_given", true, "Partitions that this node gave away"),
    ("cluster_fenced", true, "Partitions that another node took from this one"),
    ("cluster_chunks", true, "Chunks of this node that the logs have acknowledged"),
    ("cluster_ack_milliseconds", true, "Time that those took from their first sending, in all"),
    ("cluster_resends", true, "Chunks that were published again"),
    ("cluster_log_full", true, "Times that a log had no room for a chunk"),
];

/// Places of figures among [`NODE_FIGURES`].
pub mod place {
    /// Nodes that beat.
    pub const NODES: usize = 0;
    /// Partitions owned.
    pub const OWNED: usize = 1;
    /// Partitions on their way.
    pub const COMING: usize = 2;
    /// Partitions stopped.
    pub const STOPPED: usize = 3;
    /// Take-overs.
    pub const TAKEOVERS: usize = 4;
    /// How long the last one took.
    pub const TAKEOVER_MS: usize = 5;
    /// Partitions given away.
    pub const GIVEN: usize = 6;
    /// Partitions lost.
    pub const FENCED: usize = 7;
    /// Chunks acknowledged.
    pub const CHUNKS: usize = 8;
    /// How long they took.
    pub const ACK_MS: usize = 9;
    /// Chunks published again.
    pub const RESENDS: usize = 10;
    /// Logs without room.
    pub const FULL: usize = 11;
}

/// The figures of one node.
#[derive(Debug, Default)]
pub struct NodeFigures([AtomicU64; NODE_FIGURES.len()]);

impl NodeFigures {
    /// One of them grows.
    pub fn add(&self, place: usize, more: u64) {
        self.0[place].fetch_add(more, Ordering::Relaxed);
    }

    /// One of them is this now.
    pub fn set(&self, place: usize, value: u64) {
        self.0[place].store(value, Ordering::Relaxed);
    }

    /// All of them.
    pub fn read(&self) -> [u64; NODE_FIGURES.len()] {
        std::array::from_fn(|place| self.0[place].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_the_figure_that_it_is_called_after() {
        for (at, name) in [
            (place::NODES, "cluster_nodes"),
            (place::OWNED, "cluster_partitions_owned"),
            (place::COMING, "cluster_partitions_coming"),
            (place::STOPPED, "cluster_partitions_stopped"),
            (place::TAKEOVERS, "cluster_takeovers"),
            (place::TAKEOVER_MS, "cluster_takeover_milliseconds"),
            (place::GIVEN, "cluster_given"),
            (place::FENCED, "cluster_fenced"),
            (place::CHUNKS, "cluster_chunks"),
            (place::ACK_MS, "cluster_ack_milliseconds"),
            (place::RESENDS, "cluster_resends"),
            (place::FULL, "cluster_log_full"),
        ] {
            assert_eq!(NODE_FIGURES[at].0, name);
        }
        let figures = NodeFigures::default();
        figures.add(place::CHUNKS, 2);
        figures.add(place::CHUNKS, 3);
        figures.set(place::OWNED, 7);
        assert_eq!((figures.read()[place::CHUNKS], figures.read()[place::OWNED]), (5, 7));
    }
}
