//! What a shard's part of a broadcast writes down. The journal does not read the octets.

use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

/// Something that is to be known of a broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BroadcastNote<'a> {
    /// Which broadcast: its number in the data directory.
    pub ordinal: u32,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// What: `broadcast::slice::codec` reads it.
    pub octets: &'a [u8],
}

/// The body of such a record.
#[derive(Archive, Serialize)]
#[rkyv(archived = ArchivedBroadcastNote, resolver = BroadcastNoteResolver)]
pub struct BroadcastNoteBody<'a> {
    at_ms: u64,
    ordinal: u32,
    #[rkyv(with = InlineAsBox)]
    octets: &'a [u8],
}

impl BroadcastNoteBody<'_> {
    pub(super) fn noted_octets(&self) -> usize {
        self.octets.len()
    }
}

impl<'a> BroadcastNote<'a> {
    pub(super) fn body(&self) -> BroadcastNoteBody<'a> {
        BroadcastNoteBody { at_ms: self.at_ms, ordinal: self.ordinal, octets: self.octets }
    }
}

impl ArchivedBroadcastNote<'_> {
    /// The values.
    pub fn to_native(&self) -> BroadcastNote<'_> {
        BroadcastNote {
            ordinal: self.ordinal.to_native(),
            at_ms: self.at_ms.to_native(),
            octets: &self.octets,
        }
    }
}
