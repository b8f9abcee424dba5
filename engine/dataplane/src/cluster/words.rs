//! What an ownership of a partition is told, and what it asks to be carried out.

use super::chunk::{ChunkBody, ChunkHead};
use super::flights::{Behind, Flight};
use super::node::NodeName;
use super::succession::LogBreak;

/// What this node is asked to do, or is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Told {
    /// Take the partition over.
    Take,
    /// Read along: its owner means to give it to this node.
    Follow {
        /// The lowest sequence that the log may begin at.
        floor: u64,
    },
    /// The bid was taken: others know who is about to open it.
    BidTaken {
        /// The lowest sequence that the log may begin at.
        floor: u64,
        /// A sequence that is known to have been acknowledged.
        reached: u64,
    },
    /// Somebody else's bid was taken, or the move that was read along with is off.
    Beaten,
    /// A checked chunk of the log.
    Chunk(u64, ChunkHead, ChunkBody),
    /// A message of the log that is no chunk of this partition.
    Unreadable(u64),
    /// The log's last sequence.
    End(u64),
    /// A publish with this expectation was stored at this sequence.
    Acknowledged {
        /// The expectation.
        expected: u64,
        /// Where it was stored.
        sequence: u64,
    },
    /// A publish with this expectation was refused: the log's last sequence is another.
    Refused {
        /// The expectation.
        expected: u64,
    },
    /// What the log's leader has at a sequence that was asked for.
    Found(u64, Behind),
    /// Give the partition to this node.
    Close(NodeName),
}

/// What is to be carried out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Errand {
    /// Tell the others that this node is about to open the partition.
    Bid,
    /// Bring the messages from this sequence on, and then the log's last sequence.
    Replay(u64),
    /// Bring the log's last sequence.
    LookAtEnd,
    /// Publish a chunk.
    Publish(Flight),
    /// Publish once more the octets that were published before.
    PublishAgain(Flight),
    /// Ask the log's leader for the message of this sequence.
    Ask(u64),
    /// This node owns the partition.
    Own {
        /// The sequence of its term chunk.
        term: u64,
        /// The number of its first record.
        first: u64,
    },
    /// A chunk is acknowledged: every record below this number is in the log.
    Release {
        /// The number behind the last.
        next: u64,
        /// The chunk's sequence.
        sequence: u64,
    },
    /// The partition was given away.
    Given(NodeName),
    /// The partition is somebody else's.
    Lost {
        /// Whether it is certain that the chunk under way is not in the log, nor ever will be.
        is_refused: bool,
    },
    /// Somebody else writes, or has it: what was read is of no use.
    GiveUp,
    /// The log is not what was written. Nobody serves the partition until that is mended.
    Stop(LogBreak),
}
