//! The slab of live pushes: one fixed-size entry each, addressed by a 32-bit index, never moved.
//!
//! An entry holds what the message center decides by; the push's content stays in the journal's mapping. An
//! index is handed out again only after [`Pushes::remove`].

use crate::ids::{Class, Msn};
use crate::push::code::Code;
use crate::smsc::retry::Cause;
use crate::smsc::state::State;

/// Index of a live push in the slab.
pub type PushIndex = u32;
/// "No push": the end of every intrusive list.
pub const NONE: PushIndex = PushIndex::MAX;

/// The number that a free slot carries, so that nobody takes it for the push that was there.
const NO_PUSH: u64 = u64::MAX;

/// One-bit facts about a push.
pub mod flag {
    /// The push client wants a delivery complete notification (E5).
    pub const WANTS_NOTIFICATION: u16 = 1;
    /// lifetime 00: one attempt.
    pub const SINGLE_ATTEMPT: u16 = 1 << 1;
    /// A cancel was accepted: an E7 is due.
    pub const CANCEL_ACCEPTED: u16 = 1 << 2;
    /// The push stands in a lane of the attempt queue.
    pub const IN_LANE: u16 = 1 << 3;
    /// The final state is durable: notifications may go out.
    pub const ANNOUNCED: u16 = 1 << 4;
    /// E5 is done (acknowledged or parked).
    pub const COMPLETE_DONE: u16 = 1 << 5;
    /// The push belongs to an alert.
    pub const ALERT: u16 = 1 << 6;
    /// E5 is parked: resends were given up, the operator may replay.
    pub const COMPLETE_PARKED: u16 = 1 << 7;
    /// A push of a higher alertseq waits to take this one's place.
    pub const REPLACE_REQUESTED: u16 = 1 << 8;
    /// Finished while it still stood in a lane: the slot is freed when the lane lets go of it.
    pub const GONE: u16 = 1 << 14;
    /// Of an ended push: a notification has been handed to the notifier and is not settled yet.
    pub const NOTIFYING: u16 = 1 << 9;
    /// Of a waiting push: an alert for the msn came while it was in flight, or releases it already. It shares its bit
    /// with [`NOTIFYING`].
    pub const ALERTED: u16 = 1 << 9;
    /// E7 is done (acknowledged or parked).
    pub const CANCELLATION_DONE: u16 = 1 << 10;
    /// E7 is parked.
    pub const CANCELLATION_PARKED: u16 = 1 << 11;
    /// A segment was sent and nobody answered for it: the terminal may have it, and a report may still come.
    pub const IN_DOUBT: u16 = 1 << 12;
    /// A control SMS.
    pub const CONTROL: u16 = 1 << 13;

    /// E5 or E7 is parked.
    pub const PARKED: u16 = COMPLETE_PARKED | CANCELLATION_PARKED;
}

/// What the message center knows of a live push.
#[derive(Clone, Copy, Debug)]
pub struct Push {
    /// The journal sequence of its Accepted record: unique within the shard for ever.
    pub push_id: u64,
    /// Where the journal keeps its Accepted record (packed).
    pub position: u64,
    /// Fingerprint of (svcid, msn, reqid).
    pub key: u64,
    /// Unix milliseconds; no delivery from then on.
    pub expires_ms: u64,
    /// Unix milliseconds of the final state; 0 while it lives.
    pub ended_ms: u64,
    /// The destination.
    pub msn: Msn,
    /// Next push of the same msn, in the waiting or in the notification list.
    pub(super) next_in_msn: PushIndex,
    /// Next push in the lane.
    pub(super) next_in_lane: PushIndex,
    /// Whose notifications keep their order among themselves: a fold of the svcid.
    pub client: u32,
    /// How often it was held for each cause: four bits each, saturating.
    pub(super) holds: u32,
    /// While held: the code it would expire with. Once ended: the final code.
    pub code: Code,
    /// What E7 will say.
    pub cancel_code: Code,
    /// One bit per delivered segment.
    pub delivered_mask: u16,
    /// See [`flag`].
    pub flags: u16,
    /// Where it stands.
    pub state: State,
    /// Its class.
    pub class: Class,
    /// Attempts in which something was sent to the terminal; saturates.
    pub attempts: u8,
    /// 1 to 10.
    pub segments: u8,
    /// 0 unknown, 1 CS, 2 PS.
    pub domain: u8,
    /// TP-Status of the last status report.
    pub tp_status: u8,
    /// Notifications tried since the last acknowledged one; saturates.
    pub notify_tries: u8,
    /// The owner's number for what held it last; 0 while nothing did. The message center does not read it.
    pub hold_reason: u8,
}

/// Bits of a cause's count of holds.
const HOLD_BITS: u32 = 4;
/// Where the count stops: no schedule changes after so many tries.
const HOLDS_MAX: u32 = (1 << HOLD_BITS) - 1;

const _: () = assert!(Cause::ALL.len() as u32 * HOLD_BITS <= u32::BITS);
// The index of a waiting push is what bounds how many can wait.
const _: () = assert!(size_of::<Push>() <= 80);

impl Push {
    /// A push of which nothing is known yet: what the fields are before they are filled in.
    pub(super) const EMPTY: Self = Self {
        push_id: 0,
        position: 0,
        key: 0,
        expires_ms: 0,
        ended_ms: 0,
        msn: Msn::ALL,
        next_in_msn: NONE,
        next_in_lane: NONE,
        client: 0,
        holds: 0,
        code: Code::EXPIRED,
        cancel_code: Code::ACCEPTED,
        delivered_mask: 0,
        flags: 0,
        state: State::Received,
        class: Class::Standard,
        attempts: 0,
        segments: 1,
        domain: 0,
        tp_status: 0,
        notify_tries: 0,
        hold_reason: 0,
    };

    /// Whether `flag` is set.
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Sets or clears `flag`.
    pub fn set(&mut self, flag: u16, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }

    /// Segments that arrived.
    pub fn delivered(&self) -> u8 {
        self.delivered_mask.count_ones() as u8
    }

    /// Whether every segment arrived.
    pub fn is_complete(&self) -> bool {
        self.delivered_mask == self.full_mask()
    }

    /// Segments that a cancel withdrew. None where a segment was sent and nobody answered for it, be it because the
    /// engine died: what has become of it nobody knows, and the code, cancelled in part, says so.
    pub fn withdrawn(&self) -> u8 {
        let in_doubt = self.has(flag::IN_DOUBT);
        if self.state == State::Cancelled && !in_doubt { self.segments - self.delivered() } else { 0 }
    }

    /// Counts a hold for this cause; how many there were, this one included.
    pub(super) fn count_hold(&mut self, cause: Cause) -> u32 {
        let shift = cause as u32 * HOLD_BITS;
        let count = (self.holds >> shift & HOLDS_MAX) + 1;
        if count <= HOLDS_MAX {
            self.holds += 1 << shift;
        }
        count
    }

    /// The mask with one bit for every segment.
    pub fn full_mask(&self) -> u16 {
        ((1u32 << self.segments) - 1) as u16
    }
}

/// The slab.
pub struct Pushes {
    entries: Vec<Push>,
    free: Vec<PushIndex>,
    capacity: usize,
}

impl Pushes {
    /// A slab for at most `capacity` pushes. Address space is reserved now, memory is touched as it is used.
    pub fn with_capacity(capacity: usize) -> Self {
        assert!(capacity < NONE as usize, "the last index means none");
        Self { entries: Vec::with_capacity(capacity), free: Vec::with_capacity(capacity), capacity }
    }

    /// Live pushes.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether none lives.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no further push can be taken.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity
    }

    /// Puts `push` in; `None` when full.
    pub fn insert(&mut self, push: Push) -> Option<PushIndex> {
        if let Some(index) = self.free.pop() {
            self.entries[index as usize] = push;
            return Some(index);
        }
        if self.entries.len() == self.capacity {
            return None;
        }
        self.entries.push(push);
        Some((self.entries.len() - 1) as PushIndex)
    }

    /// How many indices were ever used: every live push's is below.
    pub fn high_water(&self) -> usize {
        self.entries.len()
    }

    /// The live push at `index`, if there is one.
    pub fn live_at(&self, index: PushIndex) -> Option<&Push> {
        self.find(index).filter(|push| push.push_id != NO_PUSH && !push.has(flag::GONE))
    }

    /// The entry at `index`, live or not; `None` beyond what was ever used.
    pub fn find(&self, index: PushIndex) -> Option<&Push> {
        self.entries.get(index as usize)
    }

    /// Takes the push out; its index may be handed out again.
    pub fn remove(&mut self, index: PushIndex) {
        self.entries[index as usize].push_id = NO_PUSH;
        self.free.push(index);
    }
}

impl std::ops::Index<PushIndex> for Pushes {
    type Output = Push;
    fn index(&self, index: PushIndex) -> &Push {
        &self.entries[index as usize]
    }
}

impl std::ops::IndexMut<PushIndex> for Pushes {
    fn index_mut(&mut self, index: PushIndex) -> &mut Push {
        &mut self.entries[index as usize]
    }
}
