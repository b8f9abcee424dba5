//! Where a record lies: the segment, and the place in it.

use std::path::PathBuf;

/// A segment's number: ascending, never used twice in one directory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentId(pub(super) u32);

impl SegmentId {
    /// The number in the file's name.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Where a record lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    pub(super) segment: u32,
    pub(super) offset: u32,
}

impl Position {
    /// The segment.
    pub fn segment(self) -> SegmentId {
        SegmentId(self.segment)
    }

    /// The offset of the record's frame in the segment's file, octets.
    pub fn offset(self) -> u32 {
        self.offset
    }

    /// In one number, for an index that counts its octets.
    pub fn to_bits(self) -> u64 {
        u64::from(self.segment) << 32 | u64::from(self.offset)
    }

    /// Back from [`Self::to_bits`].
    pub fn from_bits(bits: u64) -> Self {
        Self { segment: (bits >> 32) as u32, offset: bits as u32 }
    }
}

/// A record that cannot be read any more although it was written: the medium, or something else on
/// this machine, changed the file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the record at offset {offset} of {} is damaged; stop the engine and run `hayauma queue \
     verify`",
    file.display()
)]
pub struct DamagedRecord {
    /// The segment's file.
    pub file: PathBuf,
    /// The offset of the frame.
    pub offset: u32,
}
