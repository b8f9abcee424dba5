//! Frames outside a segment: whole frames one behind the other, as a commit carries them, in a
//! piece of memory that came from somewhere else.
//!
//! Nothing is skipped or mended here: a frame that is not exactly what is due ends the reading.

use super::checksum::crc32c;
use super::frame::{FrameHeader, HeaderSight, LAG_UNKNOWN, RecordKind, frame_octets};
use super::limits::{BODY_OCTETS_MAX, FRAME_HEADER_OCTETS};
use super::record::Record;
use rkyv::util::AlignedVec;

/// A record's body begins at a multiple of this.
const RECORD_ALIGNMENT: usize = 16;

/// A frame that was checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LooseFrame<'a> {
    /// What the record is.
    pub kind: RecordKind,
    /// The record's number.
    pub sequence: u64,
    /// The record, without the padding behind it.
    pub body: &'a [u8],
}

impl LooseFrame<'_> {
    /// Hands the record out, at a place in memory that suits it; none where it is no record that
    /// others than the journal read.
    pub fn read<T>(&self, look: impl FnOnce(&Record<'_>) -> T) -> Option<T> {
        let mut aligned = AlignedVec::<RECORD_ALIGNMENT>::with_capacity(self.body.len());
        aligned.extend_from_slice(self.body);
        Record::read(self.kind, &aligned).map(|record| look(&record))
    }
}

/// Why the frames do not read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameBreak {
    /// The header is zero, cut short, or its checksum does not fit.
    #[error("no frame begins at octet {0}")]
    NoHeader(usize),
    /// The header names a kind, length or sequence that no frame here has, or another's shard.
    #[error("the frame at octet {0} does not belong there")]
    Foreign(usize),
    /// The body is not what was written.
    #[error("the record of the frame at octet {0} is damaged")]
    Body(usize),
    /// The frames name other sequences than is due.
    #[error("sequence {found} stands where {due} is due")]
    Sequence {
        /// The sequence that is due.
        due: u64,
        /// The one that stands there.
        found: u64,
    },
}

/// Reads whole frames of one shard, whose sequences ascend by one.
#[derive(Clone, Debug)]
pub struct LooseFrames<'a> {
    octets: &'a [u8],
    at: usize,
    shard: u16,
    due: u64,
    is_broken: bool,
}

impl<'a> LooseFrames<'a> {
    /// Frames of `shard` from the sequence `first` on; nothing else may stand in `octets`.
    pub fn new(octets: &'a [u8], shard: u16, first: u64) -> Self {
        Self { octets, at: 0, shard, due: first, is_broken: false }
    }

    /// The sequence that is due next.
    pub fn due(&self) -> u64 {
        self.due
    }

    fn read(&mut self) -> Result<LooseFrame<'a>, FrameBreak> {
        let at = self.at;
        let rest = &self.octets[at..];
        let HeaderSight::Readable(header) = FrameHeader::sight(rest) else {
            return Err(FrameBreak::NoHeader(at));
        };
        let kind = RecordKind::from_number(header.kind).filter(|_| header.fits(rest.len()));
        let Some(kind) = kind.filter(|_| header.shard == self.shard) else {
            return Err(FrameBreak::Foreign(at));
        };
        if header.sequence != self.due {
            return Err(FrameBreak::Sequence { due: self.due, found: header.sequence });
        }
        let length = header.length as usize;
        let body = &rest[FRAME_HEADER_OCTETS..][..length];
        if crc32c(body) != header.body_checksum {
            return Err(FrameBreak::Body(at));
        }
        self.at += frame_octets(length);
        self.due += 1;
        Ok(LooseFrame { kind, sequence: header.sequence, body })
    }
}

impl<'a> Iterator for LooseFrames<'a> {
    type Item = Result<LooseFrame<'a>, FrameBreak>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_broken || self.at == self.octets.len() {
            return None;
        }
        let read = self.read();
        self.is_broken = read.is_err();
        Some(read)
    }
}

/// How many octets whole frames take at the beginning of `octets`, at most `octets_max` together,
/// and how many frames these are. For frames that a journal has just made: their checksums are not
/// looked at.
pub fn first_frames(octets: &[u8], octets_max: usize) -> (usize, u64) {
    let (mut at, mut frames) = (0, 0);
    while let Some(header) = octets[at..].first_chunk::<FRAME_HEADER_OCTETS>() {
        let end = at + frame_octets(FrameHeader::length_and_kind(header).0);
        if end > octets_max || end > octets.len() {
            break;
        }
        (at, frames) = (end, frames + 1);
    }
    (at, frames)
}

/// Appends one frame to `target`: for copies and tests; a journal writes its own in place.
///
/// # Panics
/// When the body is empty or longer than any record.
pub fn append_loose(target: &mut Vec<u8>, shard: u16, frame: LooseFrame<'_>) {
    let LooseFrame { kind, sequence, body } = frame;
    assert!(!body.is_empty() && body.len() <= BODY_OCTETS_MAX, "no record has such a body");
    let header = FrameHeader {
        length: body.len() as u32,
        kind: kind.number(),
        lag: LAG_UNKNOWN,
        shard,
        segment: 0,
        epoch: 0,
        sequence,
        body_checksum: crc32c(body),
    };
    let end = target.len() + frame_octets(body.len());
    target.extend_from_slice(&header.encode());
    target.extend_from_slice(body);
    target.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<u8> {
        let mut octets = Vec::new();
        for (sequence, body) in [(7, &b"a"[..]), (8, &[9; 16][..]), (9, &[3; 40][..])] {
            append_loose(&mut octets, 2, LooseFrame { kind: RecordKind::Ended, sequence, body });
        }
        octets
    }

    #[test]
    fn frames_read_back_in_their_order() {
        let octets = frames();
        let mut reader = LooseFrames::new(&octets, 2, 7);
        let read: Vec<_> = reader.by_ref().map(|frame| frame.expect("whole")).collect();
        assert_eq!(reader.due(), 10);
        let bodies: Vec<usize> = read.iter().map(|frame| frame.body.len()).collect();
        assert_eq!((read[0].sequence, bodies), (7, vec![1, 16, 40]));
    }

    #[test]
    fn whole_frames_are_taken_as_far_as_there_is_room() {
        let octets = frames();
        // 32 octets of header each, and 16, 16 and 48 of body.
        for (octets_max, taken) in [(47, (0, 0)), (48, (48, 1)), (95, (48, 1)), (96, (96, 2))] {
            assert_eq!(first_frames(&octets, octets_max), taken, "{octets_max}");
        }
        assert_eq!(first_frames(&octets, usize::MAX), (octets.len(), 3));
        assert_eq!(first_frames(&octets[48..octets.len() - 1], usize::MAX), (48, 1), "cut short");
        assert_eq!(first_frames(&[], usize::MAX), (0, 0));
    }

    #[test]
    fn what_is_cut_foreign_or_out_of_turn_ends_the_reading() {
        let octets = frames();
        fn last(octets: &[u8], shard: u16, first: u64) -> Result<LooseFrame<'_>, FrameBreak> {
            LooseFrames::new(octets, shard, first).last().expect("something")
        }
        assert_eq!(last(&octets, 3, 7), Err(FrameBreak::Foreign(0)));
        assert_eq!(last(&octets, 2, 8), Err(FrameBreak::Sequence { due: 8, found: 7 }));
        assert_eq!(last(&octets[..octets.len() - 16], 2, 7), Err(FrameBreak::Foreign(96)));
        assert_eq!(last(&octets[..100], 2, 7), Err(FrameBreak::NoHeader(96)));
        let mut flipped = octets.clone();
        flipped[32] ^= 1;
        assert_eq!(last(&flipped, 2, 7), Err(FrameBreak::Body(0)));
    }
}
