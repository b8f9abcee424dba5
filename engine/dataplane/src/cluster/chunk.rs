//! The chunk: what a partition's replicated log holds as one message. A head of 64 octets, and
//! behind it whole frames of the journal, or what the kind says.
//!
//! ```text
//! offset size  field           meaning
//!      0    8  magic           HAYAUMAC
//!      8    2  version         1
//!     10    2  partition       whose log it is
//!     12    4  kind            1 term, 2 records, 3 alive, 4 closed
//!     16    8  term            sequence in the log of the owner's term chunk; 0 in that one
//!     24    8  number          0 in the term chunk, ascending by one behind it
//!     32    8  first           number of the first record
//!     40    8  next            number of the record behind the last
//!     48    4  octets          of the body
//!     52    4  link            head checksum of the chunk before; 0 in a log's first
//!     56    4  body checksum   CRC32C of the body
//!     60    4  head checksum   CRC32C of octets 0 to 59
//! ```
//! All integers are little-endian. The body of a term chunk is the node (16), its life (8), which
//! of this life's openings it is (8) and the sequence at which the log ended before (8); that of a
//! closed chunk the node that the partition goes to (16); an alive chunk has none.
//!
//! The link takes in the head before, and that one its body: so who reads a log from one end to the
//! other has proved that nothing within is missing, altered or foreign, whatever the log's server
//! did. Pure: octets in, octets out.

use super::limits::{CHUNK_HEAD_OCTETS, CHUNK_OCTETS_MAX, NODE_NAME_OCTETS_MAX};
use super::node::{Incarnation, NodeName};
use crate::journal::{FrameBreak, LooseFrames, SEQUENCE_END, crc32c};

const MAGIC: [u8; 8] = *b"HAYAUMAC";
const VERSION: u16 = 1;
const TERM_BODY_OCTETS: usize = 40;

/// What a chunk is. The numbers are part of the format.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum ChunkKind {
    /// A node becomes the owner.
    Term = 1,
    /// Records of the journal.
    Records = 2,
    /// The owner is there.
    Alive = 3,
    /// The owner has ended, for another one.
    Closed = 4,
}

impl ChunkKind {
    fn from_number(number: u32) -> Option<Self> {
        [Self::Term, Self::Records, Self::Alive, Self::Closed]
            .into_iter()
            .find(|kind| *kind as u32 == number)
    }
}

/// A chunk's head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChunkHead {
    /// Whose log it is.
    pub partition: u16,
    /// What the chunk is.
    pub kind: ChunkKind,
    /// The sequence of the term chunk of its owner; 0 in that one.
    pub term: u64,
    /// Its number within the term.
    pub number: u64,
    /// The first record's number.
    pub first: u64,
    /// The number behind the last record's.
    pub next: u64,
    /// Octets of the body.
    pub octets: u32,
    /// The checksum of the head before; 0 in a log's first chunk.
    pub link: u32,
    /// The checksum of the body.
    pub body_checksum: u32,
}

/// Why octets are no chunk of this log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChunkError {
    /// Fewer octets than a head has, or more than a chunk may have.
    #[error("a message of {0} octets is no chunk")]
    Length(usize),
    /// It does not begin as chunks do.
    #[error("the message is no chunk of this program")]
    Magic,
    /// A later program wrote it.
    #[error("the chunk has version {0}, which this program does not know: use the newer program")]
    Version(u16),
    /// The head is not what was written.
    #[error("the chunk's head is damaged")]
    Head,
    /// The body is not what was written.
    #[error("the chunk's body is damaged")]
    Body,
    /// A chunk of another partition.
    #[error("the chunk is one of partition {0}")]
    Partition(u16),
    /// The fields contradict each other.
    #[error("the chunk's fields contradict each other")]
    Fields,
    /// A record within is not what is due.
    #[error("the chunk's records do not read: {0}")]
    Frames(#[from] FrameBreak),
}

impl ChunkHead {
    /// The 64 octets of this head.
    pub fn encode(&self) -> [u8; CHUNK_HEAD_OCTETS] {
        let mut octets = [0; CHUNK_HEAD_OCTETS];
        octets[0..8].copy_from_slice(&MAGIC);
        octets[8..10].copy_from_slice(&VERSION.to_le_bytes());
        octets[10..12].copy_from_slice(&self.partition.to_le_bytes());
        octets[12..16].copy_from_slice(&(self.kind as u32).to_le_bytes());
        octets[16..24].copy_from_slice(&self.term.to_le_bytes());
        octets[24..32].copy_from_slice(&self.number.to_le_bytes());
        octets[32..40].copy_from_slice(&self.first.to_le_bytes());
        octets[40..48].copy_from_slice(&self.next.to_le_bytes());
        octets[48..52].copy_from_slice(&self.octets.to_le_bytes());
        octets[52..56].copy_from_slice(&self.link.to_le_bytes());
        octets[56..60].copy_from_slice(&self.body_checksum.to_le_bytes());
        let checksum = crc32c(&octets[..60]);
        octets[60..64].copy_from_slice(&checksum.to_le_bytes());
        octets
    }

    /// The head's checksum: what the next chunk's link says.
    pub fn checksum(&self) -> u32 {
        read_u32(&self.encode(), 60)
    }

    /// Reads a head; its body is not looked at.
    ///
    /// # Errors
    /// The octets are no head of a chunk.
    pub fn decode(octets: &[u8; CHUNK_HEAD_OCTETS]) -> Result<Self, ChunkError> {
        if octets[0..8] != MAGIC {
            return Err(ChunkError::Magic);
        }
        if read_u32(octets, 60) != crc32c(&octets[..60]) {
            return Err(ChunkError::Head);
        }
        let version = u16::from_le_bytes([octets[8], octets[9]]);
        if version != VERSION {
            return Err(ChunkError::Version(version));
        }
        let kind = ChunkKind::from_number(read_u32(octets, 12)).ok_or(ChunkError::Fields)?;
        let head = Self {
            partition: u16::from_le_bytes([octets[10], octets[11]]),
            kind,
            term: read_u64(octets, 16),
            number: read_u64(octets, 24),
            first: read_u64(octets, 32),
            next: read_u64(octets, 40),
            octets: read_u32(octets, 48),
            link: read_u32(octets, 52),
            body_checksum: read_u32(octets, 56),
        };
        if head.is_sound() { Ok(head) } else { Err(ChunkError::Fields) }
    }

    /// Whether kind, term, numbers and length are such as go together.
    fn is_sound(&self) -> bool {
        let is_term = self.kind == ChunkKind::Term;
        let has_records = self.kind == ChunkKind::Records;
        let octets = self.octets as usize;
        let fits = match self.kind {
            ChunkKind::Term => octets == TERM_BODY_OCTETS,
            ChunkKind::Records => octets > 0 && octets <= CHUNK_OCTETS_MAX - CHUNK_HEAD_OCTETS,
            ChunkKind::Alive => octets == 0,
            ChunkKind::Closed => octets == NODE_NAME_OCTETS_MAX,
        };
        fits && is_term == (self.term == 0)
            && is_term == (self.number == 0)
            && has_records == (self.first < self.next)
            && self.first <= self.next
            && self.next <= SEQUENCE_END
    }
}

/// What a term chunk says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TermBody {
    /// The node that becomes the owner.
    pub owner: Incarnation,
    /// Which of its openings of this partition it is, ascending: without it a node that opens once
    /// more could take its older term chunk for the new one.
    pub opening: u64,
    /// The sequence at which the log ended before.
    pub previous_end: u64,
}

impl TermBody {
    /// The body's octets.
    pub fn encode(&self) -> [u8; TERM_BODY_OCTETS] {
        let mut octets = [0; TERM_BODY_OCTETS];
        octets[..16].copy_from_slice(&self.owner.node.octets());
        octets[16..24].copy_from_slice(&self.owner.life.to_le_bytes());
        octets[24..32].copy_from_slice(&self.opening.to_le_bytes());
        octets[32..40].copy_from_slice(&self.previous_end.to_le_bytes());
        octets
    }

    fn decode(octets: &[u8]) -> Option<Self> {
        let octets: &[u8; TERM_BODY_OCTETS] = octets.try_into().ok()?;
        let node = NodeName::from_octets(*octets.first_chunk()?)?;
        let owner = Incarnation { node, life: read_u64(octets, 16) };
        let (opening, previous_end) = (read_u64(octets, 24), read_u64(octets, 32));
        Some(Self { owner, opening, previous_end })
    }
}

/// What a chunk says besides its head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChunkBody {
    /// A node becomes the owner.
    Term(TermBody),
    /// Frames of the journal.
    Records,
    /// Nothing.
    Alive,
    /// The node that the partition goes to.
    Closed(NodeName),
}

/// A chunk that was checked, with every frame in it.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Its head.
    pub head: ChunkHead,
    /// What it says besides.
    pub body: ChunkBody,
    frames: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Reads a message of the log of `partition` and checks all of it.
    ///
    /// # Errors
    /// It is no chunk, another partition's, or not what was written.
    pub fn read(octets: &'a [u8], partition: u16) -> Result<Self, ChunkError> {
        let length = ChunkError::Length(octets.len());
        let (head, body) = octets.split_first_chunk::<CHUNK_HEAD_OCTETS>().ok_or(length)?;
        if octets.len() > CHUNK_OCTETS_MAX {
            return Err(length);
        }
        let head = ChunkHead::decode(head)?;
        if head.partition != partition {
            return Err(ChunkError::Partition(head.partition));
        }
        if head.octets as usize != body.len() || head.body_checksum != crc32c(body) {
            return Err(ChunkError::Body);
        }
        let fields = ChunkError::Fields;
        let said = match head.kind {
            ChunkKind::Term => ChunkBody::Term(TermBody::decode(body).ok_or(fields)?),
            ChunkKind::Records => ChunkBody::Records,
            ChunkKind::Alive => ChunkBody::Alive,
            ChunkKind::Closed => {
                let name = body.first_chunk().and_then(|name| NodeName::from_octets(*name));
                ChunkBody::Closed(name.ok_or(fields)?)
            }
        };
        let frames = if head.kind == ChunkKind::Records { body } else { &[] };
        let chunk = Self { head, body: said, frames };
        let mut reader = chunk.frames();
        for frame in reader.by_ref() {
            frame?;
        }
        if reader.due() == head.next { Ok(chunk) } else { Err(fields) }
    }

    /// Its frames: kind, sequence and body of each. All were checked.
    pub fn frames(&self) -> LooseFrames<'a> {
        LooseFrames::new(self.frames, self.head.partition, self.head.first)
    }
}

/// The octets of a chunk: its head, and `body` behind it.
///
/// # Panics
/// When head and body do not go together.
pub fn encode(head: &ChunkHead, body: &[u8]) -> Vec<u8> {
    assert!(
        head.is_sound() && head.octets as usize == body.len() && head.body_checksum == crc32c(body),
        "a chunk's head is made for its body: {head:?}"
    );
    [&head.encode()[..], body].concat()
}

fn read_u32(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

fn read_u64(octets: &[u8], at: usize) -> u64 {
    u64::from(read_u32(octets, at)) | u64::from(read_u32(octets, at + 4)) << 32
}

#[cfg(test)]
mod tests;
