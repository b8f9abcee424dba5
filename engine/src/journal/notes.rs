//! What a shard's part of a broadcast writes down, and the room for it.
//!
//! The journal does not read the octets. It counts how many of each segment are needed, as whoever
//! writes them says: they are appended again like a push's records when their segment is cleaned.

use rkyv::api::low;
use rkyv::rancor::Failure;
use rkyv::ser::allocator::SubAllocator;
use rkyv::ser::writer::Buffer;
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

use super::append::AppendError;
use super::body::{Body, written};
use super::frame::{Kind, frame_octets};
use super::log::{Journal, Position, SegmentId};

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

impl Body for BroadcastNoteBody<'_> {
    const KIND: Kind = Kind::Broadcast;

    fn body_octets_max(&self) -> usize {
        size_of::<ArchivedBroadcastNote<'_>>() + self.octets.len() + 7
    }

    fn write(&self, target: &mut [u8]) -> usize {
        written(low::to_bytes_in_with_alloc::<_, _, Failure>(
            self,
            Buffer::from(target),
            SubAllocator::empty(),
        ))
    }
}

impl Journal {
    /// Appends what is to be known of a broadcast, and counts it as needed. Draws on the reserve.
    ///
    /// # Errors
    /// As [`Self::append_ended`].
    pub fn append_broadcast(
        &mut self,
        note: &BroadcastNote<'_>,
    ) -> Result<(Position, u64), AppendError> {
        let (position, sequence) = self.append_reserved(&note.body())?;
        self.need_broadcast(position);
        Ok((position, sequence))
    }

    /// Whether so many octets more can be promised to broadcasts, whatever the device says from now
    /// on.
    pub fn has_room_for_rows(&mut self, octets: u64) -> bool {
        let needed = self.reserved_octets() + octets;
        self.has_present(needed)
    }

    /// So many octets are kept for what is still to be said of rows that were claimed.
    pub fn promise_rows(&mut self, octets: u64) {
        self.row_octets = octets;
    }

    /// The record at `position` is needed.
    pub fn need_broadcast(&mut self, position: Position) {
        let octets = self.note_octets(position);
        if let Some(index) = self.segment_index(position.segment) {
            self.segments[index].noted_octets += octets;
        }
    }

    /// So many octets of records in this segment are needed no more; one that is gone by now has
    /// none.
    pub fn release_broadcast(&mut self, segment: SegmentId, octets: u64) {
        if let Some(index) = self.segment_index(segment.0) {
            let noted = &mut self.segments[index].noted_octets;
            *noted = noted.saturating_sub(octets);
        }
    }

    /// Octets of the frame at `position`; 0 where none can be read.
    pub fn note_octets(&self, position: Position) -> u64 {
        let frame = self
            .segment_index(position.segment)
            .and_then(|index| self.segments[index].frame_octets_at(position.offset as usize));
        frame.unwrap_or_default() as u64
    }
}

const _: () = assert!(
    frame_octets(size_of::<ArchivedBroadcastNote<'static>>()) <= 64,
    "a note costs no more than a frame and a few octets beside what it says"
);

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::super::record::Record;
    use super::*;

    #[test]
    fn what_a_broadcast_writes_down_is_read_as_it_was_written() {
        for octets in [&b""[..], b"\x05\x04", &[7; 3_900]] {
            let note = BroadcastNote { ordinal: 9, at_ms: 1_000, octets };
            let mut body = Memory::copied_from(&[], 4096);
            let length = note.body().write(body.octets_mut());
            assert!(length <= note.body().body_octets_max());
            match Record::read(Kind::Broadcast, &body.octets()[..length]) {
                Some(Record::Broadcast(record)) => assert_eq!(record.to_native(), note),
                _ => panic!("no such record"),
            }
        }
    }
}
