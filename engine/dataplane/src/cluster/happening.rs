//! What a node hears of its part of a cluster.
//!
//! **Never here:** what is done about it: that is the host's.

use super::node::NodeName;
use super::succession::LogBreak;
use std::sync::Arc;

/// What the host hears of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happening {
    /// The log is read from its floor on: whatever was read before is to be dropped.
    Begin(u16),
    /// A checked chunk of the log, in its turn, and its sequence.
    Read(u16, u64, Arc<[u8]>),
    /// What was read is of no use: somebody else writes.
    Drop(u16),
    /// This node owns the partition.
    Owned {
        /// Which.
        partition: u16,
        /// Its term.
        term: u64,
        /// The number of the first record.
        first: u64,
    },
    /// Every record below this number is in the log.
    Released {
        /// Which partition's.
        partition: u16,
        /// The number behind the last.
        next: u64,
        /// The chunk's sequence.
        sequence: u64,
    },
    /// The same octets are published again.
    Resent(u16),
    /// The log has no room for what is under way: it is tried again, and nothing new should come.
    Full(u16),
    /// The partition is to be given away: once nothing is in flight, `Keeper::close`.
    Closing(u16),
    /// It is not to be given away after all.
    Staying(u16),
    /// It was given away.
    Given(u16, NodeName),
    /// It is somebody else's. Whether what was under way is certainly not in the log.
    Lost {
        /// Which.
        partition: u16,
        /// Nothing of it is, nor will be.
        is_refused: bool,
    },
    /// Its log is damaged: nobody serves it.
    Stopped(u16, LogBreak),
    /// It is being taken over from this node, as far as that is known.
    Bidding(u16, Option<NodeName>),
}
