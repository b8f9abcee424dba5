//! One segment: a fixed-size file, mapped, with a header page and then frames. What was appended
//! lately is staged.
//!
//! Never does: waiting, writing, syncing, deciding what a record means. Invariants: `tail` is where
//! the next frame goes, a multiple of 16; everything before it was verified by recovery or appended
//! by us.

use std::fs::File;

use super::checksum::crc32c;
use super::frame::{
    FrameHeader, HeaderSight, LAG_UNKNOWN, RecordKind, SEALED, SEALED_BODY_OCTETS, frame_octets,
    read_u32, read_u64,
};
use super::limits::{
    FRAME_HEADER_OCTETS, HEADER_PAGE_OCTETS, SEGMENT_HEADER_COPY_OFFSET, SEGMENT_HEADER_OCTETS,
    SEQUENCE_END,
};
use super::memory::Memory;
use super::recovery::Owner;
use super::stage::{ChunkPool, Stage};
use crate::journal::write::mark_end;
use crate::testing::kill_points::{KillPoint, kill_point};

/// The fields of a segment's header.
///
/// ```text
/// offset size  field
///      0    8  "HAYAUMAJ"
///      8    2  version, 1
///     10    2  shard
///     12    4  segment number
///     16    4  octets of the segment
///     20    4  epoch: a random number drawn when the segment was taken into use
///     24    8  sequence of the first frame
///     32    8  previous end: the sequence behind the last record of the segments before; below
///              the first sequence where the engine was opened anew in between
///     40    8  sequence floor: no sequence below this is given again; 0 where frames say it all
///     48   12  zero
///     60    4  CRC32C of octets 0 to 59
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentHeader {
    pub(super) shard: u16,
    pub(super) id: u32,
    pub(super) octets: u32,
    pub(super) epoch: u32,
    pub(super) first_sequence: u64,
    pub(super) previous_end: u64,
    pub(super) sequence_floor: u64,
}

/// The version of the format that this engine writes.
pub(super) const VERSION: u16 = 1;
const MAGIC: [u8; 8] = *b"HAYAUMAJ";

/// What a header page says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PageSight {
    /// Both places are zero: the segment was prepared and never taken into use.
    Zero,
    /// Neither copy can be read.
    Unreadable,
    /// Written by a version that this engine does not know.
    OtherVersion(u16),
    /// One copy at least is good.
    Readable(SegmentHeader),
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_OCTETS] {
        let mut octets = [0; SEGMENT_HEADER_OCTETS];
        octets[0..8].copy_from_slice(&MAGIC);
        octets[8..10].copy_from_slice(&VERSION.to_le_bytes());
        octets[10..12].copy_from_slice(&self.shard.to_le_bytes());
        octets[12..16].copy_from_slice(&self.id.to_le_bytes());
        octets[16..20].copy_from_slice(&self.octets.to_le_bytes());
        octets[20..24].copy_from_slice(&self.epoch.to_le_bytes());
        octets[24..32].copy_from_slice(&self.first_sequence.to_le_bytes());
        octets[32..40].copy_from_slice(&self.previous_end.to_le_bytes());
        octets[40..48].copy_from_slice(&self.sequence_floor.to_le_bytes());
        let checksum = crc32c(&octets[..60]);
        octets[60..64].copy_from_slice(&checksum.to_le_bytes());
        octets
    }

    /// Reads a segment's header page, the better copy of the two.
    pub(super) fn sight(page: &[u8]) -> PageSight {
        let copies =
            [0, SEGMENT_HEADER_COPY_OFFSET].map(|at| page.get(at..at + SEGMENT_HEADER_OCTETS));
        let mut sight = PageSight::Zero;
        for copy in copies {
            match copy.map_or(PageSight::Unreadable, Self::sight_copy) {
                PageSight::Zero => {}
                PageSight::Unreadable => sight = PageSight::Unreadable,
                readable => return readable,
            }
        }
        sight
    }

    fn sight_copy(octets: &[u8]) -> PageSight {
        if octets.iter().all(|&octet| octet == 0) {
            return PageSight::Zero;
        }
        if octets[0..8] != MAGIC || read_u32(octets, 60) != crc32c(&octets[..60]) {
            return PageSight::Unreadable;
        }
        let version = u16::from_le_bytes([octets[8], octets[9]]);
        if version != VERSION {
            return PageSight::OtherVersion(version);
        }
        let sequence = |at| Some(read_u64(octets, at)).filter(|&sequence| sequence < SEQUENCE_END);
        let (Some(first_sequence), Some(previous_end), Some(sequence_floor)) =
            (sequence(24), sequence(32), sequence(40))
        else {
            return PageSight::Unreadable;
        };
        PageSight::Readable(Self {
            shard: u16::from_le_bytes([octets[10], octets[11]]),
            id: read_u32(octets, 12),
            octets: read_u32(octets, 16),
            epoch: read_u32(octets, 20),
            first_sequence,
            previous_end,
            sequence_floor,
        })
    }
}

/// A segment in use.
#[derive(Debug)]
pub struct Segment {
    pub(super) header: SegmentHeader,
    /// Where the next frame goes.
    pub(super) tail: usize,
    /// Octets of Accepted frames whose pushes live.
    pub(super) live_octets: u64,
    /// Octets of its records of broadcasts that go on.
    pub(super) noted_octets: u64,
    /// Ended and Key frames, and until when the last of them counts.
    pub(super) keys: u32,
    pub(super) keys_ended_ms_max: u64,
    /// Set when everything worth keeping was moved forward: the sequence that must be durable
    /// before retiring.
    pub(super) cleaned: Option<u64>,
    /// What is not in the file yet, or only since a moment ago.
    pub(super) stage: Stage,
    /// The file, as it is read: nothing is stored into it once records are appended.
    pub(super) memory: Memory,
    /// `None` for simulated segments.
    pub(super) file: Option<File>,
}

impl Segment {
    /// A segment over `memory`, whose frames are to be found.
    pub(super) fn new(header: SegmentHeader, memory: Memory, file: Option<File>) -> Self {
        Self {
            header,
            tail: HEADER_PAGE_OCTETS,
            live_octets: 0,
            noted_octets: 0,
            keys: 0,
            keys_ended_ms_max: 0,
            cleaned: None,
            stage: Stage::new(HEADER_PAGE_OCTETS),
            memory,
            file,
        }
    }

    /// Takes prepared memory into use: stages the header page.
    pub(super) fn begin(
        header: SegmentHeader,
        memory: Memory,
        file: Option<File>,
        pool: &mut ChunkPool,
    ) -> Self {
        assert_eq!(
            memory.length(),
            header.octets as usize,
            "the factory makes segments of the ordered size"
        );
        let mut segment = Self::new(header, memory, file);
        segment.stage = Stage::new(0);
        segment.stage.make_room(HEADER_PAGE_OCTETS, 0, pool);
        write_header_page(&header, &mut segment.stage.room()[..HEADER_PAGE_OCTETS]);
        segment.stage.fill(HEADER_PAGE_OCTETS, header.first_sequence);
        segment
    }

    /// Recovery found the end of the frames: all of them stand in the file.
    pub(super) fn set_tail(&mut self, tail: usize) {
        self.tail = tail;
        self.stage = Stage::new(tail);
    }

    /// Whose frames are this segment's.
    pub(super) fn owner(&self) -> Owner {
        Owner { shard: self.header.shard, segment: self.header.id, epoch: Some(self.header.epoch) }
    }

    /// Octets behind the last frame.
    pub(super) fn room(&self) -> usize {
        self.memory.length() - self.tail
    }

    /// Whether a frame with a body of up to `body_octets_max` fits, with the end mark behind it.
    pub(super) fn has_room_for(&self, body_octets_max: usize) -> bool {
        frame_octets(body_octets_max) + FRAME_HEADER_OCTETS <= self.room()
    }

    /// Stages one frame at the tail, which must have room, with the body written by `write`, which
    /// returns its octets. Returns (offset, octets of the frame).
    pub(super) fn append_with(
        &mut self,
        kind: u8,
        lag: u8,
        sequence: u64,
        body_octets_max: usize,
        pool: &mut ChunkPool,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> (usize, usize) {
        debug_assert!(self.has_room_for(body_octets_max));
        let offset = self.tail;
        self.stage.make_room(frame_octets(body_octets_max), offset, pool);
        let (header_octets, rest) = self.stage.room().split_at_mut(FRAME_HEADER_OCTETS);
        let length = write(&mut rest[..body_octets_max]);
        let octets = frame_octets(length);
        rest[length..octets - FRAME_HEADER_OCTETS].fill(0);
        let header = FrameHeader {
            length: length as u32,
            kind,
            lag,
            shard: self.header.shard,
            segment: self.header.id,
            epoch: self.header.epoch,
            sequence,
            body_checksum: crc32c(&rest[..length]),
        };
        kill_point(KillPoint::AppendBody);
        header_octets.copy_from_slice(&header.encode());
        kill_point(KillPoint::AppendWhole);
        self.stage.fill(octets, sequence + 1);
        self.tail = offset + octets;
        (offset, octets)
    }

    /// What stands from `offset` to the tail, or to the end of the chunk in which it is staged.
    fn octets_at(&self, offset: usize) -> Option<&[u8]> {
        if offset < HEADER_PAGE_OCTETS || offset >= self.tail {
            return None;
        }
        let start = self.stage.start(self.tail);
        if offset >= start {
            self.stage.octets_at(offset)
        } else {
            self.memory.octets_until(start).get(offset..)
        }
    }

    /// The octets in which frames are looked for where one is damaged: what is read from the file.
    pub(super) fn octets_in_file(&self) -> &[u8] {
        self.memory.octets_until(self.stage.start(self.tail))
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.header.id
    }

    /// What its file holds, as the journal sees it. While nobody writes to the file.
    pub fn octets(&self) -> &[u8] {
        self.memory.octets()
    }

    /// Of a segment without a file: what is staged from one offset to another stands in it now,
    /// with the end mark behind it where `is_whole`.
    pub fn settle(&mut self, from: usize, until: usize, is_whole: bool) {
        let target = self.memory.octets_mut();
        self.stage.view(from, until, &mut |at, octets| {
            target[at..at + octets.len()].copy_from_slice(octets)
        });
        if is_whole {
            let end = mark_end(until, target.len());
            target[until..end].fill(0);
        }
    }

    /// The frame at `offset`, if an intact one of this segment stands there: its header and body.
    pub(super) fn frame(&self, offset: usize) -> Option<(FrameHeader, &[u8])> {
        let octets = self.octets_at(offset).filter(|_| offset.is_multiple_of(16))?;
        let HeaderSight::Readable(header) = FrameHeader::sight(octets) else {
            return None;
        };
        let ours = header.segment == self.header.id && header.epoch == self.header.epoch;
        if !ours || !header.fits(octets.len()) {
            return None;
        }
        let body = &octets[FRAME_HEADER_OCTETS..FRAME_HEADER_OCTETS + header.length as usize];
        let is_intact = crc32c(&body[..header.checked_octets()]) == header.body_checksum;
        is_intact.then_some((header, body))
    }

    /// The body of the record of this kind at `offset`, which recovery checked or this process
    /// appended. What is staged stands in memory that only this process writes, and is taken as it
    /// stands, as everything else there is. What stands in the file is checked again: its page may
    /// have left memory and come back from the device.
    #[inline]
    pub(super) fn known_body(&self, kind: RecordKind, offset: usize) -> Option<&[u8]> {
        if let Some((length, number, rest)) = self.staged(offset) {
            return rest.get(..length).filter(|_| number == kind.number());
        }
        let (header, body) = self.frame(offset)?;
        (header.kind == kind.number()).then_some(body)
    }

    /// Of the frame at `offset`, if it is staged: octets of the body, the kind's number, and what
    /// stands behind the header.
    #[inline]
    fn staged(&self, offset: usize) -> Option<(usize, u8, &[u8])> {
        debug_assert!(
            offset >= HEADER_PAGE_OCTETS && offset.is_multiple_of(16),
            "where frames begin"
        );
        let (header, rest) =
            self.stage.octets_at(offset)?.split_first_chunk::<FRAME_HEADER_OCTETS>()?;
        let (length, number) = FrameHeader::length_and_kind(header);
        Some((length, number, rest))
    }

    /// Octets of the frame whose header stands at `offset`; the body is not looked at.
    pub(super) fn frame_octets_at(&self, offset: usize) -> Option<usize> {
        if let Some((length, ..)) = self.staged(offset) {
            return Some(frame_octets(length));
        }
        let octets = self.octets_at(offset)?;
        match FrameHeader::sight(octets) {
            HeaderSight::Readable(header)
                if header.segment == self.header.id && header.fits(octets.len()) =>
            {
                Some(frame_octets(header.length as usize))
            }
            _ => None,
        }
    }

    /// Lays a frame over a damaged range of at least 48 octets in which `missing` sequences from
    /// `sequence` on are lost.
    pub(super) fn seal(&mut self, offset: usize, octets: usize, sequence: u64, missing: u64) {
        let range = &mut self.memory.octets_mut()[offset..offset + octets];
        let (header_octets, body) = range.split_at_mut(FRAME_HEADER_OCTETS);
        body[..SEALED_BODY_OCTETS].copy_from_slice(&missing.to_le_bytes());
        let header = FrameHeader {
            length: body.len() as u32,
            kind: SEALED,
            lag: LAG_UNKNOWN,
            shard: self.header.shard,
            segment: self.header.id,
            epoch: self.header.epoch,
            sequence,
            body_checksum: crc32c(&body[..SEALED_BODY_OCTETS]),
        };
        header_octets.copy_from_slice(&header.encode());
    }

    /// Writes the header page anew, straight into the file: for recovery.
    pub(super) fn rewrite_header_page(&mut self) {
        let header = self.header;
        write_header_page(&header, &mut self.memory.octets_mut()[..HEADER_PAGE_OCTETS]);
    }
}

fn write_header_page(header: &SegmentHeader, page: &mut [u8]) {
    let octets = header.encode();
    page.fill(0);
    for at in [0, SEGMENT_HEADER_COPY_OFFSET] {
        page[at..at + SEGMENT_HEADER_OCTETS].copy_from_slice(&octets);
    }
}
