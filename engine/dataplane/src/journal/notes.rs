//! The room for what broadcasts write down.
//!
//! The journal counts how many octets of each segment are needed, as whoever writes them says: they
//! are appended again like a push's records when their segment is cleaned.

use super::append::AppendError;
use super::frame::frame_octets;
use super::log::{Journal, Position, SegmentId};
use super::note::{ArchivedBroadcastNote, BroadcastNote};

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
    use super::super::body::Body as _;
    use super::super::frame::RecordKind;
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
            match Record::read(RecordKind::Broadcast, &body.octets()[..length]) {
                Some(Record::Broadcast(record)) => assert_eq!(record.to_native(), note),
                _ => panic!("no such record"),
            }
        }
    }
}
