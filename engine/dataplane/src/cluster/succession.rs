//! What may stand behind what in a partition's log. A reader that takes chunk after chunk has
//! proved the whole; a break stops the partition.

use super::chunk::{ChunkBody, ChunkHead, ChunkKind};
use super::node::{Incarnation, NodeName};

/// Why a chunk cannot stand where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum LogBreak {
    /// Messages are missing, or the log does not begin where it should.
    #[error("sequence {found} stands where {due} is due: messages of the log are missing")]
    Sequence {
        /// What is due.
        due: u64,
        /// What stands there.
        found: u64,
    },
    /// The link does not name the chunk before.
    #[error("the chunk at sequence {0} does not follow the one in front of it")]
    Link(u64),
    /// A chunk of an older term, or out of its turn.
    #[error("the chunk at sequence {0} is not its owner's next one")]
    Term(u64),
    /// A record's number that was given before, or one that is missing.
    #[error("the records of the chunk at sequence {0} do not go on where those before ended")]
    Records(u64),
    /// Octets that are no chunk of this partition.
    #[error("the message at sequence {0} is no whole chunk of this partition")]
    Chunk(u64),
    /// The log ends in front of what it has acknowledged.
    #[error("the log ends at sequence {end}, and {reached} was acknowledged: it was cut or lost")]
    Short {
        /// Where it ends.
        end: u64,
        /// What is known to have been acknowledged.
        reached: u64,
    },
}

/// The chunk at the end of what was read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LogEnd {
    /// Its sequence in the log.
    pub sequence: u64,
    /// Its head.
    pub head: ChunkHead,
    /// The term that it belongs to.
    pub term: u64,
    /// Whose term that is, where its term chunk was read.
    pub owner: Option<Incarnation>,
    /// The node that the partition was closed for.
    pub closed_for: Option<NodeName>,
}

/// A log as far as it was read: from `floor` on, or from where it was taken up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Succession {
    floor: u64,
    end: Option<LogEnd>,
}

impl Succession {
    /// Nothing read yet of a log whose first message has this sequence: 1, or higher behind a
    /// purge.
    pub fn from_floor(floor: u64) -> Self {
        Self { floor: floor.max(1), end: None }
    }

    /// The sequence that is due next.
    pub fn due(&self) -> u64 {
        self.end.map_or(self.floor, |end| end.sequence + 1)
    }

    /// The last chunk.
    pub fn end(&self) -> Option<&LogEnd> {
        self.end.as_ref()
    }

    /// The link of the chunk that would come next.
    pub fn link(&self) -> u32 {
        self.end.map_or(0, |end| end.head.checksum())
    }

    /// The number behind the highest that the log knows of a record; 0 in an empty log.
    pub fn next_record(&self) -> u64 {
        self.end.map_or(0, |end| end.head.next)
    }

    /// Takes the chunk at `sequence`.
    ///
    /// # Errors
    /// It cannot stand there; nothing was taken.
    pub fn take(
        &mut self,
        sequence: u64,
        head: ChunkHead,
        body: &ChunkBody,
    ) -> Result<(), LogBreak> {
        let due = self.due();
        if sequence != due {
            return Err(LogBreak::Sequence { due, found: sequence });
        }
        match &self.end {
            Some(end) => follows(end, sequence, &head)?,
            // Behind a purge what the first one followed is not known.
            None if sequence > 1 => {}
            None if head.kind != ChunkKind::Term => return Err(LogBreak::Term(sequence)),
            None if head.link != 0 => return Err(LogBreak::Link(sequence)),
            None => {}
        }
        let owner = self.end.and_then(|end| end.owner);
        let (term, owner) = match body {
            ChunkBody::Term(body) => (sequence, Some(body.owner)),
            _ => (head.term, owner),
        };
        let closed_for = match body {
            ChunkBody::Closed(node) => Some(*node),
            _ => None,
        };
        self.end = Some(LogEnd { sequence, head, term, owner, closed_for });
        Ok(())
    }
}

/// Whether the chunk may stand behind that one.
fn follows(end: &LogEnd, sequence: u64, head: &ChunkHead) -> Result<(), LogBreak> {
    if head.link != end.head.checksum() {
        return Err(LogBreak::Link(sequence));
    }
    let is_new = head.kind == ChunkKind::Term;
    if !is_new && (end.closed_for.is_some() || head.term != end.term) {
        return Err(LogBreak::Term(sequence));
    }
    if !is_new && head.number != end.head.number + 1 {
        return Err(LogBreak::Term(sequence));
    }
    let goes_on = if is_new { head.first > end.head.next } else { head.first == end.head.next };
    if goes_on { Ok(()) } else { Err(LogBreak::Records(sequence)) }
}

#[cfg(test)]
mod tests;
