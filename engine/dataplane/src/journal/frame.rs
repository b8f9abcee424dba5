//! The frame: 32 octets in front of every record. Says how long the body is, what it is, whose it
//! is, and carries the checksums. Pure: octets in, octets out.
//!
//! ```text
//! offset size  field             meaning
//!      0    4  length            octets of the body, without the padding to a multiple of 16
//!      4    1  kind              see `RecordKind`
//!      5    1  lag               how many sequences durability lagged then: 0 to 127 as such,
//!                               above that 128 + 4 (e - 7) + m for (4 + m) 2^(e - 2) of them,
//!                               rounded up; 255 unknown
//!      6    2  shard             the shard that owns the journal
//!      8    4  segment           the segment's number: tells fresh frames from a recycled file's
//!     12    4  epoch             the segment's random number: no message can hold a forged frame
//!     16    8  sequence          this record's number, ascending by one from the first start on
//!     24    4  body checksum     CRC32C of the body
//!     28    4  header checksum   CRC32C of octets 0 to 27
//! ```
//! All integers are little-endian.

use super::checksum::crc32c;
use super::limits::{BODY_OCTETS_MAX, FRAME_ALIGNMENT_OCTETS, FRAME_HEADER_OCTETS, SEQUENCE_END};

/// What a record is. The numbers are part of the format.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum RecordKind {
    /// A push was accepted.
    Accepted = 1,
    /// An attempt was made and the push goes on.
    Progress = 2,
    /// A push reached its final state.
    Ended = 3,
    /// A cancellation was accepted.
    CancelAccepted = 4,
    /// A notification was acknowledged or parked.
    Notified = 5,
    /// The key of a finished push, moved forward by cleaning.
    Key = 6,
    /// The engine opened the journal: from here on the sequence continues behind a jump.
    Opened = 7,
    /// Everything still needed of a segment has been moved forward: it and all before it can go.
    Cleaned = 8,
    /// An attempt did not deliver and the push waits.
    Held = 9,
    /// A carrier has taken segments of a push, or has said what became of some.
    Handed = 10,
    /// Something of a broadcast: orders, claimed rows, what became of rows.
    Broadcast = 11,
}

impl RecordKind {
    /// Every kind, in ascending order of its number.
    pub const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Progress,
        Self::Ended,
        Self::CancelAccepted,
        Self::Notified,
        Self::Key,
        Self::Opened,
        Self::Cleaned,
        Self::Held,
        Self::Handed,
        Self::Broadcast,
    ];

    /// The kind with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).wrapping_sub(1)).copied()
    }

    /// The number in the frame.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The kind's name as the operator reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Progress => "progress",
            Self::Ended => "ended",
            Self::CancelAccepted => "cancel accepted",
            Self::Notified => "notified",
            Self::Key => "key",
            Self::Opened => "opened",
            Self::Cleaned => "cleaned",
            Self::Held => "held",
            Self::Handed => "handed",
            Self::Broadcast => "broadcast",
        }
    }
}

/// The kind of a frame that recovery laid over a damaged range, so that it is reported once and
/// walked over ever after. Its body is the range; the first 8 octets say how many sequences are
/// missing, and only they are covered by the body's checksum. Its own sequence is the first missing
/// one.
pub(super) const SEALED: u8 = 0xF0;
/// The part of a sealed range that means something.
pub(super) const SEALED_BODY_OCTETS: usize = 8;

/// The fields of a frame's header, checksum aside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FrameHeader {
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) lag: u8,
    pub(super) shard: u16,
    pub(super) segment: u32,
    pub(super) epoch: u32,
    pub(super) sequence: u64,
    pub(super) body_checksum: u32,
}

/// What stands where a frame's header may stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderSight {
    /// Thirty-two zero octets: nothing was written here.
    Zero,
    /// Octets whose checksum does not fit them.
    Unreadable,
    /// A header that somebody wrote; whether it belongs here is another question.
    Readable(FrameHeader),
}

/// `lag` of a record written while nothing was known to be durable.
pub(super) const LAG_UNKNOWN: u8 = 255;
/// Lags below this are exact.
const LAG_EXACT_BELOW: u64 = 128;

impl FrameHeader {
    /// The 32 octets of this header.
    pub(super) fn encode(&self) -> [u8; FRAME_HEADER_OCTETS] {
        let mut octets = [0; FRAME_HEADER_OCTETS];
        octets[0..4].copy_from_slice(&self.length.to_le_bytes());
        octets[4] = self.kind;
        octets[5] = self.lag;
        octets[6..8].copy_from_slice(&self.shard.to_le_bytes());
        octets[8..12].copy_from_slice(&self.segment.to_le_bytes());
        octets[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        octets[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        octets[24..28].copy_from_slice(&self.body_checksum.to_le_bytes());
        let checksum = crc32c(&octets[..28]);
        octets[28..32].copy_from_slice(&checksum.to_le_bytes());
        octets
    }

    /// Reads what stands in the first 32 of `octets`; fewer octets are `Unreadable`.
    pub(super) fn sight(octets: &[u8]) -> HeaderSight {
        let Some(octets) = octets.first_chunk::<FRAME_HEADER_OCTETS>() else {
            return HeaderSight::Unreadable;
        };
        if *octets == [0; FRAME_HEADER_OCTETS] {
            return HeaderSight::Zero;
        }
        if read_u32(octets, 28) != crc32c(&octets[..28]) {
            return HeaderSight::Unreadable;
        }
        HeaderSight::Readable(Self {
            length: read_u32(octets, 0),
            kind: octets[4],
            lag: octets[5],
            shard: u16::from_le_bytes([octets[6], octets[7]]),
            segment: read_u32(octets, 8),
            epoch: read_u32(octets, 12),
            sequence: read_u64(octets, 16),
            body_checksum: read_u32(octets, 24),
        })
    }

    /// Octets of the body, and the kind's number, in a header that is not in doubt.
    #[inline]
    pub(super) fn length_and_kind(octets: &[u8; FRAME_HEADER_OCTETS]) -> (usize, u8) {
        (read_u32(octets, 0) as usize, octets[4])
    }

    /// Whether kind, sequence and length are such as this version writes, and the frame ends within
    /// `room` octets.
    pub(super) fn fits(&self, room: usize) -> bool {
        let length = self.length as usize;
        if self.sequence >= SEQUENCE_END {
            return false;
        }
        if self.kind == SEALED {
            return length >= SEALED_BODY_OCTETS && frame_octets(length) <= room;
        }
        RecordKind::from_number(self.kind).is_some()
            && length > 0
            && length <= BODY_OCTETS_MAX
            && frame_octets(length) <= room
    }

    /// The octets that the body's checksum covers, of those behind the header.
    pub(super) fn checked_octets(&self) -> usize {
        if self.kind == SEALED { SEALED_BODY_OCTETS } else { self.length as usize }
    }

    /// Every sequence below this was durable when the record was written.
    pub(super) fn durable_below(&self) -> u64 {
        match self.lag {
            LAG_UNKNOWN => 0,
            lag => self.sequence.saturating_sub(decode_lag(lag)),
        }
    }
}

/// Octets that a frame with a body of `length` octets takes, header and padding included.
pub(super) const fn frame_octets(length: usize) -> usize {
    FRAME_HEADER_OCTETS + length.next_multiple_of(FRAME_ALIGNMENT_OCTETS)
}

/// The `lag` of a record with this sequence while every sequence below `durable` is durable.
pub(super) fn lag_of(sequence: u64, durable: u64) -> u8 {
    let distance = sequence.saturating_sub(durable);
    if distance < LAG_EXACT_BELOW {
        return distance as u8;
    }
    let exponent = u64::from(distance.ilog2());
    let mantissa = distance >> (exponent - 2) & 3;
    let is_rounded = distance & ((1 << (exponent - 2)) - 1) != 0;
    let code = LAG_EXACT_BELOW + 4 * (exponent - 7) + mantissa + u64::from(is_rounded);
    code.min(u64::from(LAG_UNKNOWN)) as u8
}

fn decode_lag(lag: u8) -> u64 {
    match u64::from(lag).checked_sub(LAG_EXACT_BELOW) {
        None => u64::from(lag),
        Some(code) => (4 + code % 4) << (code / 4 + 5),
    }
}

pub(super) fn read_u32(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

pub(super) fn read_u64(octets: &[u8], at: usize) -> u64 {
    u64::from(read_u32(octets, at)) | u64::from(read_u32(octets, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FrameHeader {
        FrameHeader {
            length: 300,
            kind: RecordKind::Ended.number(),
            lag: 7,
            shard: 3,
            segment: 0x0102_0304,
            epoch: 0xDEAD_BEEF,
            sequence: 0x1122_3344_5566_7788,
            body_checksum: 0xCAFE_F00D,
        }
    }

    #[test]
    fn a_header_reads_back_and_its_octets_stand_where_the_format_says() {
        let octets = header().encode();
        assert_eq!(FrameHeader::sight(&octets), HeaderSight::Readable(header()));
        assert_eq!(&octets[0..8], &[0x2c, 0x01, 0, 0, 3, 7, 3, 0]);
        assert_eq!(&octets[8..16], &[4, 3, 2, 1, 0xef, 0xbe, 0xad, 0xde]);
        assert_eq!(&octets[16..24], &[0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
    }

    #[test]
    fn one_flipped_bit_makes_a_header_unreadable() {
        let octets = header().encode();
        for bit in 0..FRAME_HEADER_OCTETS * 8 {
            let mut flipped = octets;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::sight(&flipped), HeaderSight::Unreadable, "bit {bit}");
        }
        assert_eq!(FrameHeader::sight(&octets[..31]), HeaderSight::Unreadable);
        assert_eq!(FrameHeader::sight(&[0; 32]), HeaderSight::Zero);
    }

    #[test]
    fn the_lag_never_claims_more_than_was_durable_and_little_less() {
        for shift in 0..63 {
            for distance in [
                1u64 << shift,
                (1 << shift) + 1,
                (1 << shift) + (1 << shift >> 2),
                (2 << shift) - 1,
            ] {
                let durable = 1u64 << 62;
                let Some(sequence) = durable.checked_add(distance) else { continue };
                let record = FrameHeader { sequence, lag: lag_of(sequence, durable), ..header() };
                let claimed = record.durable_below();
                assert!(claimed <= durable, "distance {distance}");
                if record.lag != LAG_UNKNOWN {
                    assert!(
                        durable - claimed <= distance / 4,
                        "distance {distance} claimed {claimed}"
                    );
                }
            }
        }
        for distance in 0..128 {
            let record =
                FrameHeader { sequence: 500, lag: lag_of(500, 500 - distance), ..header() };
            assert_eq!(record.durable_below(), 500 - distance);
        }
    }

    #[test]
    fn a_sequence_that_no_journal_reaches_does_not_fit() {
        let room = frame_octets(300);
        assert!(FrameHeader { sequence: SEQUENCE_END - 1, ..header() }.fits(room));
        for sequence in [SEQUENCE_END, u64::MAX] {
            assert!(!FrameHeader { sequence, ..header() }.fits(room));
            assert!(!FrameHeader { sequence, kind: SEALED, ..header() }.fits(room));
        }
    }

    #[test]
    fn kinds_read_back_by_their_number() {
        for kind in RecordKind::ALL {
            assert_eq!(RecordKind::from_number(kind.number()), Some(kind));
        }
        assert_eq!(RecordKind::from_number(0), None);
        assert_eq!(RecordKind::from_number(12), None);
        assert_eq!(RecordKind::from_number(255), None);
    }
}
