//! One segment in memory, without any file: what a fuzzer opens.

use std::ops::ControlFlow;

use super::frame::LAG_UNKNOWN;
use super::limits::{
    BODY_OCTETS_MAX, FRAME_ALIGNMENT_OCTETS, HEADER_PAGE_OCTETS, SEGMENT_OCTETS_MIN,
};
use super::memory::Memory;
use super::record::Record;
use super::recovery::{Content, Owner, Sighting, find_frame, highest_sequence, walk};
use super::segment::{PageSight, Segment, SegmentHeader};
use super::stage::ChunkPool;

/// What opening a segment came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Examined {
    /// Sound records.
    pub records: u64,
    /// Damaged ranges and gaps.
    pub faults: u64,
    /// Where the next frame would go.
    pub tail: usize,
    /// The highest sequence of any sound frame.
    pub highest_sequence: u64,
}

/// Opens `octets` as recovery opens a segment, whatever they are, and hands every record to `view`.
pub fn examine(octets: &[u8], view: &mut dyn FnMut(u64, &Record<'_>)) -> Examined {
    let length = octets.len().next_multiple_of(FRAME_ALIGNMENT_OCTETS).max(HEADER_PAGE_OCTETS);
    let memory = Memory::copied_from(octets, length);
    let octets = memory.octets();
    let mut examined = Examined { tail: HEADER_PAGE_OCTETS, ..Examined::default() };
    let (owner, mut expected) = match SegmentHeader::sight(octets) {
        PageSight::Readable(header) => {
            let owner =
                Owner { shard: header.shard, segment: header.id, epoch: Some(header.epoch) };
            (owner, header.first_sequence)
        }
        _ => {
            let owner = Owner { shard: 0, segment: 1, epoch: None };
            match find_frame(octets, HEADER_PAGE_OCTETS, &owner, 0) {
                Some((_, due)) => (owner, due),
                None => return examined,
            }
        }
    };
    let end = walk(octets, owner, &mut expected, None, &mut |sighting| {
        match sighting {
            Sighting::Fault(_) => examined.faults += 1,
            Sighting::Frame(taken) => {
                if let Content::Record(record) = taken.content {
                    examined.records += 1;
                    view(taken.header.sequence, &record);
                }
            }
        }
        ControlFlow::Continue(())
    });
    examined.tail = end.tail;
    examined.highest_sequence = highest_sequence(octets, &owner, 0);
    examined
}

/// A segment whose frames carry these kinds and bodies, their checksums right, as many as fit: so
/// that a fuzzer gets past the checksums to what validates a body.
pub fn segment_of<'a>(frames: impl Iterator<Item = (u8, &'a [u8])>) -> Vec<u8> {
    let octets = SEGMENT_OCTETS_MIN;
    let header = SegmentHeader {
        shard: 0,
        id: 1,
        octets,
        epoch: 7,
        first_sequence: 1,
        previous_end: 1,
        sequence_floor: 0,
    };
    let memory = Memory::copied_from(&[], octets as usize);
    let mut pool = ChunkPool::default();
    let mut segment = Segment::begin(header, memory, None, &mut pool);
    for (sequence, (kind, body)) in (1..).zip(frames) {
        let body = &body[..body.len().min(BODY_OCTETS_MAX)];
        if !segment.has_room_for(body.len()) {
            break;
        }
        segment.append_with(kind, LAG_UNKNOWN, sequence, body.len(), &mut pool, |place| {
            place.copy_from_slice(body);
            body.len()
        });
    }
    segment.settle(0, segment.tail, true);
    segment.memory.octets().to_vec()
}
