//! The two ports of a node: the replicated log of each partition, and the small store in which the
//! nodes say that they are there and who has what.
//!
//! Both take orders at once and answer by news, late, twice or never. Of the log one promise is
//! relied on: of all publishes that expect the same last sequence it stores at most one, whatever
//! is lost, late or doubled, and what it has acknowledged stays where it is. The store decides
//! nothing: it says whom to suspect and whom to ask.

use super::beats::Beat;
use super::node::NodeName;
use std::sync::Arc;

/// A replicated log for each partition.
pub trait ReplicatedLog {
    /// Stores a chunk if the log's last sequence is `expected`. Answered by [`LogNews::Stored`],
    /// [`LogNews::Refused`] or [`LogNews::Full`].
    fn publish(&mut self, partition: u16, expected: u64, chunk: Arc<[u8]>);
    /// Asks the log's leader, and nobody else, for the message of this sequence. Answered by
    /// [`LogNews::Behind`].
    fn read_behind(&mut self, partition: u16, sequence: u64);
    /// Asks for messages from this sequence on, some at a time. Answered by [`LogNews::Message`]
    /// for each and [`LogNews::End`]; any replica may answer.
    fn replay(&mut self, partition: u16, from: u64);
    /// Asks for the last sequence. Answered by [`LogNews::End`]; any replica may answer.
    fn look_at_end(&mut self, partition: u16);
    /// Lets go of all below this sequence.
    fn purge(&mut self, partition: u16, below: u64);
    /// What has come in, the oldest first.
    fn news(&mut self) -> Option<LogNews>;
}

/// What a log answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogNews {
    /// What was published with this expectation is stored.
    Stored {
        /// Whose log.
        partition: u16,
        /// The expectation.
        expected: u64,
        /// Where it stands.
        sequence: u64,
    },
    /// What was published with this expectation is refused: the last sequence is another.
    Refused {
        /// Whose log.
        partition: u16,
        /// The expectation.
        expected: u64,
    },
    /// What was published with this expectation is not stored: the log has no room.
    Full {
        /// Whose log.
        partition: u16,
        /// The expectation.
        expected: u64,
    },
    /// What the leader has at a sequence.
    Behind {
        /// Whose log.
        partition: u16,
        /// The sequence that was asked for.
        sequence: u64,
        /// The message; none where there is none, or none any more.
        message: Option<Arc<[u8]>>,
        /// The log's last sequence then.
        end: u64,
    },
    /// A message.
    Message {
        /// Whose log.
        partition: u16,
        /// Its sequence.
        sequence: u64,
        /// Its octets.
        octets: Arc<[u8]>,
    },
    /// The log's last sequence, as the replica that was asked knows it.
    End {
        /// Whose log.
        partition: u16,
        /// The last sequence.
        last: u64,
    },
}

/// Who has a partition, as the nodes tell each other. A hint: the fence is the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PartEntry {
    /// The node that has it, or is about to.
    pub owner: NodeName,
    /// The owner's term; while it is being taken over, the one before.
    pub term: u64,
    /// The lowest sequence that the log may begin at. Written before the log is cut.
    pub floor: u64,
    /// A sequence that the log has acknowledged.
    pub reached: u64,
    /// The node that it is to go to.
    pub heir: Option<NodeName>,
    /// That node has read all of the log.
    pub is_ready: bool,
}

/// Where the nodes say that they are there, and who has what.
pub trait Liveness {
    /// Says that this node is there.
    fn beat(&mut self, node: NodeName, beat: Beat);
    /// Says that this node leaves for good. Answered by [`Sight::Left`].
    fn leave(&mut self, node: NodeName);
    /// Writes who has a partition, if the entry's revision is still this one (0: none yet).
    /// Answered by [`Sight::Taken`] or [`Sight::NotTaken`].
    fn take(&mut self, partition: u16, entry: PartEntry, revision: u64);
    /// What has come in, the oldest first: every change, one's own too.
    fn seen(&mut self) -> Option<Sight>;
}

/// What a node sees of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// A beat.
    Beat(NodeName, Beat),
    /// A node has left for good.
    Left(NodeName),
    /// An entry has changed.
    Entry {
        /// Which partition's.
        partition: u16,
        /// The entry.
        entry: PartEntry,
        /// Its revision, ascending.
        revision: u64,
    },
    /// One's own entry was written.
    Taken {
        /// Which partition's.
        partition: u16,
        /// The entry.
        entry: PartEntry,
        /// Its revision.
        revision: u64,
    },
    /// One's own entry was not written: its revision is another.
    NotTaken {
        /// Which partition's.
        partition: u16,
        /// The revision that was named.
        revision: u64,
    },
}
