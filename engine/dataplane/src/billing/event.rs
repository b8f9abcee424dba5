//! An event and its slot. Pure: octets in, octets out.
//!
//! ```text
//! offset size  field         meaning
//!      0    1  event kind    1 accepted, 2 final, 3 rejected, 4 replayed; 0 an empty slot;
//!                            0x48 the file's head;
//!                            5 rows of broadcasts accepted, 6 ended: many at once
//!      1    1  class         1 standard, 2 urgent, 3 emergency, 9 exercise
//!      2    1  push kind     0 control, 1 text
//!      3    1  segments      1 to 10
//!      4    1  delivered     segments that arrived
//!      5    1  withdrawn     segments withdrawn
//!      6    1  domain        0 none, 1 circuit-switched, 2 packet-switched
//!      7    1  state         the message center's number of the final state, 0 where there is none
//!      8    2  code          the result code
//!     10    2  shard
//!     12    4  count         how often; 0 means once, as in every event of version 1
//!     16    8  push id       the push's id; of many rows the number of what tells of them; for
//!                            rejected and replayed the slot's number
//!     24    8  at            when it happened, or the first of them, Unix milliseconds
//!     32    8  accepted      when the push was accepted, Unix milliseconds; 0 where none was
//!     40    8  msn           without the leading 0; 0 for rejected and replayed
//!     48    8  xpid          0 for refusals that could not be kept apart by XPID
//!     56    4  slot          this slot's number in the file
//!     60    4  CRC32C of octets 0 to 59
//! ```
//! Rejected and replayed requests are counted by XPID, code and minute: an event says how many
//! there were.
//!
//! Slot 0 is the file's head: "HAYAUMAB", version (2), shard (2), day as YYYYMMDD (4), zeros,
//! CRC32C at 60. Version 2 has counts; files of version 1 are read as they are, and the head of one
//! that is appended to is raised. All integers are little-endian.

use super::limits::SLOT_OCTETS;
use crate::journal::crc32c;
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

/// What an event says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum EventKind {
    /// A push was accepted.
    Accepted = 1,
    /// A push reached its final state.
    Final = 2,
    /// A request was refused.
    Rejected = 3,
    /// A request was a repeat: 0001, or 0002 where the alert's sequence was known already.
    Replayed = 4,
    /// Rows of a broadcast were accepted, as many as the event counts.
    AcceptedMany = 5,
    /// Rows of a broadcast reached one final state.
    FinalMany = 6,
}

impl EventKind {
    /// Every kind, in ascending order of its number.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Final,
        Self::Rejected,
        Self::Replayed,
        Self::AcceptedMany,
        Self::FinalMany,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).wrapping_sub(1)).copied()
    }
}

/// One event. Numbers are those of the journal's records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// What it says.
    pub kind: EventKind,
    /// The push's id for Accepted and Final: never the sequence of some later copy of the record,
    /// or the same push would be billed twice after a restart. For the others the log sets the
    /// number of their slot.
    pub push_id: u64,
    /// When it happened: `accepted_ms` for Accepted, `ended_ms` for Final, the
    /// first of them for counts.
    pub at_ms: WallMs,
    /// When the push was accepted; 0 for Rejected and Replayed.
    pub accepted_ms: WallMs,
    /// The destination without its leading 0; 0 for counts.
    pub msn: u64,
    /// The contract; 0 for refusals that could not be kept apart.
    pub xpid: u64,
    /// The result code.
    pub code: u16,
    /// The class's number; 0 where it could not be read.
    pub class: u8,
    /// What was pushed: 0 control, 1 text.
    pub push_kind: u8,
    /// The message center's number of the final state; 0 where there is none.
    pub state: u8,
    /// Segments in all.
    pub segments: u8,
    /// Segments that arrived.
    pub delivered: u8,
    /// Segments withdrawn.
    pub withdrawn: u8,
    /// 0 none, 1 circuit-switched, 2 packet-switched.
    pub domain: u8,
    /// The shard.
    pub shard: u16,
    /// How often it happened; 0 and 1 both mean once.
    pub count: u32,
}

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Slot {
    /// Nothing yet.
    Empty,
    /// An event.
    Event(Event),
    /// The file's head.
    Head,
    /// Octets that are neither.
    Damaged,
}

const HEAD_MAGIC: [u8; 8] = *b"HAYAUMAB";
/// The version that is written; every earlier one is read.
pub(super) const VERSION: u16 = 2;

impl Event {
    /// How often it happened.
    pub fn times(&self) -> u64 {
        u64::from(self.count.max(1))
    }

    /// What it counts for where events wait: a slot, but for requests, which are counted.
    pub(super) fn weight(&self) -> u64 {
        if self.is_of_rows() { 1 } else { self.times() }
    }

    /// Whether it is of rows of a broadcast.
    pub(super) fn is_of_rows(&self) -> bool {
        matches!(self.kind, EventKind::AcceptedMany | EventKind::FinalMany)
    }

    /// The moment whose day is the event's own: no event's day lies before its push's acceptance,
    /// though the clock was set back in between.
    pub(super) fn own_ms(&self) -> WallMs {
        self.at_ms.max(self.accepted_ms)
    }

    /// The slot with this number that holds the event.
    pub(super) fn encode(&self, slot: u32) -> [u8; SLOT_OCTETS] {
        let mut octets = [0; SLOT_OCTETS];
        octets[0] = self.kind as u8;
        octets[1] = self.class;
        octets[2] = self.push_kind;
        octets[3] = self.segments;
        octets[4] = self.delivered;
        octets[5] = self.withdrawn;
        octets[6] = self.domain;
        octets[7] = self.state;
        octets[8..10].copy_from_slice(&self.code.to_le_bytes());
        octets[10..12].copy_from_slice(&self.shard.to_le_bytes());
        octets[12..16].copy_from_slice(&self.count.to_le_bytes());
        octets[16..24].copy_from_slice(&self.push_id.to_le_bytes());
        octets[24..32].copy_from_slice(&self.at_ms.ms().to_le_bytes());
        octets[32..40].copy_from_slice(&self.accepted_ms.ms().to_le_bytes());
        octets[40..48].copy_from_slice(&self.msn.to_le_bytes());
        octets[48..56].copy_from_slice(&self.xpid.to_le_bytes());
        octets[56..60].copy_from_slice(&slot.to_le_bytes());
        seal(octets)
    }

    /// The event outside a file.
    pub fn octets(&self) -> [u8; SLOT_OCTETS] {
        self.encode(0)
    }

    /// The event that stands in these octets; none where they are none.
    pub fn from_octets(octets: &[u8; SLOT_OCTETS]) -> Option<Self> {
        match Self::decode(octets, 0) {
            Slot::Event(event) => Some(event),
            Slot::Empty | Slot::Head | Slot::Damaged => None,
        }
    }

    /// Reads the slot with this number.
    pub(super) fn decode(octets: &[u8; SLOT_OCTETS], slot: u32) -> Slot {
        if *octets == [0; SLOT_OCTETS] {
            return Slot::Empty;
        }
        if seal(*octets) != *octets {
            return Slot::Damaged;
        }
        if slot == 0 && octets[0..8] == HEAD_MAGIC {
            return Slot::Head;
        }
        let Some(kind) = EventKind::from_number(octets[0]).filter(|_| read_u32(octets, 56) == slot)
        else {
            return Slot::Damaged;
        };
        Slot::Event(Self {
            kind,
            class: octets[1],
            push_kind: octets[2],
            segments: octets[3],
            delivered: octets[4],
            withdrawn: octets[5],
            domain: octets[6],
            state: octets[7],
            code: u16::from_le_bytes([octets[8], octets[9]]),
            shard: u16::from_le_bytes([octets[10], octets[11]]),
            count: read_u32(octets, 12),
            push_id: read_u64(octets, 16),
            at_ms: WallMs::new(read_u64(octets, 24)),
            accepted_ms: WallMs::new(read_u64(octets, 32)),
            msn: read_u64(octets, 40),
            xpid: read_u64(octets, 48),
        })
    }
}

/// Slot 0 of a file.
pub(super) fn encode_head(shard: u16, day: Day) -> [u8; SLOT_OCTETS] {
    let mut octets = [0; SLOT_OCTETS];
    octets[0..8].copy_from_slice(&HEAD_MAGIC);
    octets[8..10].copy_from_slice(&VERSION.to_le_bytes());
    octets[10..12].copy_from_slice(&shard.to_le_bytes());
    octets[12..16].copy_from_slice(&day.number().to_le_bytes());
    seal(octets)
}

/// Whether a file's head was written by a version that this engine does not read.
pub(super) fn foreign_version(head: &[u8; SLOT_OCTETS]) -> Option<u16> {
    let version = u16::from_le_bytes([head[8], head[9]]);
    let is_ours = (1..=VERSION).contains(&version);
    (head[0..8] == HEAD_MAGIC && seal(*head) == *head && !is_ours).then_some(version)
}

fn seal(mut octets: [u8; SLOT_OCTETS]) -> [u8; SLOT_OCTETS] {
    let checksum = crc32c(&octets[..60]);
    octets[60..64].copy_from_slice(&checksum.to_le_bytes());
    octets
}

fn read_u32(octets: &[u8; SLOT_OCTETS], at: usize) -> u32 {
    u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

fn read_u64(octets: &[u8; SLOT_OCTETS], at: usize) -> u64 {
    u64::from(read_u32(octets, at)) | u64::from(read_u32(octets, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            kind: EventKind::Final,
            push_id: 0x0102_0304_0506_0708,
            at_ms: WallMs::new(1_800_000_000_123),
            accepted_ms: WallMs::new(1_799_999_999_000),
            msn: 9_012_345_678,
            xpid: 100_000_001,
            code: 6011,
            class: 3,
            push_kind: 1,
            state: 5,
            segments: 4,
            delivered: 2,
            withdrawn: 1,
            domain: 2,
            shard: 7,
            count: 40_000,
        }
    }

    #[test]
    fn a_slot_reads_back_and_only_in_its_own_place() {
        let octets = event().encode(9);
        assert_eq!(Event::decode(&octets, 9), Slot::Event(event()));
        assert_eq!(Event::decode(&octets, 10), Slot::Damaged);
        assert_eq!(Event::decode(&[0; SLOT_OCTETS], 9), Slot::Empty);
        assert_eq!(Event::from_octets(&event().octets()), Some(event()));
        assert_eq!(Event::from_octets(&octets), None);
        assert_eq!(&octets[16..24], &[8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(&octets[12..16], &40_000u32.to_le_bytes());
        for (count, times) in [(0, 1), (1, 1), (7, 7)] {
            assert_eq!(Event { count, ..event() }.times(), times);
        }
    }

    #[test]
    fn any_flipped_bit_is_damage() {
        let octets = event().encode(1);
        for bit in 0..SLOT_OCTETS * 8 {
            let mut flipped = octets;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Event::decode(&flipped, 1), Slot::Damaged, "bit {bit}");
        }
    }

    #[test]
    fn the_head_is_known_in_slot_zero() {
        let day = Day::parse("20261122").expect("a day");
        let head = encode_head(3, day);
        assert_eq!(Event::decode(&head, 0), Slot::Head);
        assert_eq!(Event::decode(&head, 1), Slot::Damaged);
        assert_eq!(foreign_version(&head), None);
        for (version, foreign) in [(0u16, Some(0)), (1, None), (VERSION + 1, Some(VERSION + 1))] {
            let mut other = head;
            other[8..10].copy_from_slice(&version.to_le_bytes());
            assert_eq!(foreign_version(&seal(other)), foreign);
        }
        assert_eq!(&head[12..16], &20_261_122u32.to_le_bytes());
    }
}
