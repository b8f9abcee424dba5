//! The slab of live pushes: one fixed-size entry each, addressed by a 32-bit index, never moved.
//!
//! An entry holds what the message center decides by; the push's content stays in the journal's
//! mapping. An index is handed out again only after [`Pushes::remove`].

use crate::smsc::flags::PushFlags;
use crate::smsc::retry::Cause;
use crate::smsc::state::State;
use host::huge_pages;
use host::huge_pages::TouchedAhead;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn};
use wire::terms::pace::CENTER_BITS;
use wire::terms::time::CenterMs;

/// Index of a live push in the slab.
pub type PushIndex = u32;
/// "No push": the end of every intrusive list.
pub const NONE: PushIndex = PushIndex::MAX;

/// The number that a free slot carries, so that nobody takes it for the push that was there.
const NO_PUSH: u64 = u64::MAX;

/// One-bit facts about a push.
pub mod flag {
    use crate::smsc::flags::PushFlags;

    /// The push client wants a delivery complete notification (E5).
    pub const WANTS_NOTIFICATION: PushFlags = PushFlags::bit(0);
    /// lifetime 00: one attempt.
    pub const SINGLE_ATTEMPT: PushFlags = PushFlags::bit(1);
    /// A cancel was accepted; once the push has ended: and an E7 is due.
    pub const CANCEL_ACCEPTED: PushFlags = PushFlags::bit(2);
    /// The push stands in a lane of the attempt queue.
    pub const IN_LANE: PushFlags = PushFlags::bit(3);
    /// Its next attempt begins only behind a durable record that says so. That attempt is its only
    /// one, or begins before the time that its last Held record names.
    pub const RECORD_BEGIN: PushFlags = PushFlags::bit(4);
    /// No record of a begin is newer than its last Held record: an attempt that begins sooner than
    /// that names needs one.
    pub const HOLD_RECORDED: PushFlags = PushFlags::bit(5);
    /// The push belongs to an alert.
    pub const ALERT: PushFlags = PushFlags::bit(6);
    /// A push of a higher alertseq waits to take this one's place.
    pub const REPLACE_REQUESTED: PushFlags = PushFlags::bit(8);
    /// It has left while it still stood in a lane: the slot is freed when the lane lets go of it.
    pub const GONE: PushFlags = PushFlags::bit(14);
    /// An alert for the msn came while it was in flight, or releases it already.
    pub const ALERTED: PushFlags = PushFlags::bit(9);
    /// Of a cancel that was accepted no E7 is due, since the push client had no notification URL.
    pub const CANCEL_UNTOLD: PushFlags = PushFlags::bit(10);
    /// A segment was sent and nobody answered for it, or may have been when the engine died: the
    /// terminal may have it, and a report may still come.
    pub const IN_DOUBT: PushFlags = PushFlags::bit(12);
    /// A control SMS.
    pub const CONTROL: PushFlags = PushFlags::bit(13);
    /// A durable record says that an attempt has begun whose SMS are never sent again: should the
    /// engine die before the outcome is recorded, the push ends. A hold begins anew.
    pub const BEGUN_FOR_GOOD: PushFlags = PushFlags::bit(11);
    /// It came by SMPP: its push client is told by receipts.
    pub const BY_SMPP: PushFlags = PushFlags::bit(15);
    /// While a journal is read, of a held push: the time that its Held record names has passed, or
    /// may have before the clock was set back.
    pub(crate) const OVERDUE: PushFlags = PushFlags::bit(7);
}

/// What the message center knows of a live push: one cache line.
///
/// Facts that are never true at once share their place: the expiry and the moment of the end, the
/// counts of holds and what is known only once it ended.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Push {
    /// The journal sequence of its Accepted record: unique within the shard for ever.
    pub push_id: u64,
    /// Where the journal keeps its Accepted record (packed).
    pub position: u64,
    /// Fingerprint of (svcid, msn, reqid). Of a row of a broadcast: the form of its text.
    pub key: u64,
    /// Next push of the same msn in its queue; the last one's is the first.
    pub(super) next_in_msn: PushIndex,
    /// Next push of its client in the lane; of a free slot, the next free one.
    pub(super) next_in_lane: PushIndex,
    /// What is remembered of its alert and msn; see [`crate::smsc::alerts`]. Once ended: which of
    /// the shard's ends it was.
    pub(super) remembered_alert: u32,
    /// While held: the code it would expire with. Once ended: the final code.
    pub code: Code,
    /// One bit per delivered segment.
    pub delivered_mask: u16,
    /// See [`flag`].
    pub flags: PushFlags,
    /// Whose it is; see [`crate::smsc::clients`].
    pub(super) client: u16,
    /// Of the last push in its msn's queue: how many there are.
    pub(super) waiting_count: u16,
    /// The msn in the low 34 bits; above it two bits of domain and four of hold reason.
    pub(super) packed_msn: [u8; 5],
    /// The route in the highest three bits. Below it Unix milliseconds, 45 bits: the expiry, and
    /// from the final state on when that was reached.
    pub(super) moment_ms: [u8; 6],
    /// Until the final state: how often it was held for each cause, four bits each, saturating.
    /// From then on: the TP-Status.
    pub(super) counts: [u8; 3],
    /// Where it stands.
    pub state: State,
    /// Its class.
    pub class: Class,
    /// Attempts in which something was sent to the terminal; saturates.
    pub(super) attempts: u8,
    /// 1 to 10.
    pub segments: u8,
}

/// Bits of a moment, as many as the message center's time has. Above them stands the route.
const MOMENT_BITS: u32 = CENTER_BITS;
const MOMENT_MASK: u64 = (1 << MOMENT_BITS) - 1;
/// How many routes there can be, the core network among them.
pub const ROUTES: usize = 1 << (48 - MOMENT_BITS);
/// Bits of a cause's count of holds.
const HOLD_BITS: u32 = 4;
/// Where the count stops: no schedule changes after so many tries.
const HOLDS_MAX: u32 = (1 << HOLD_BITS) - 1;
/// Bits of `packed_msn` that are the msn.
const MSN_BITS: u32 = 34;

const _: () =
    assert!(Cause::ALL.len() as u32 * HOLD_BITS <= 24, "the counts of holds are three octets");
const _: () = assert!(10_000_000_000 < 1u64 << MSN_BITS, "every msn fits");
// The index of a waiting push is what bounds how many can wait.
const _: () = assert!(size_of::<Push>() == 64);

impl Push {
    /// A push of which nothing is known yet: what the fields are before they are filled in.
    pub(super) const EMPTY: Self = Self {
        push_id: 0,
        position: 0,
        key: 0,
        next_in_msn: NONE,
        next_in_lane: NONE,
        remembered_alert: NONE,
        code: Code::EXPIRED,
        delivered_mask: 0,
        flags: PushFlags::NONE,
        client: 0,
        waiting_count: 0,
        packed_msn: [0; 5],
        moment_ms: [0; 6],
        counts: [0; 3],
        state: State::Received,
        class: Class::Standard,
        attempts: 0,
        segments: 1,
    };

    /// The destination.
    #[inline]
    pub fn msn(&self) -> Msn {
        match Msn::from_value(self.packed_msn() & ((1 << MSN_BITS) - 1)) {
            Some(msn) => msn,
            None => unreachable!("only msns are stored"),
        }
    }

    pub(super) fn set_msn(&mut self, msn: Msn) {
        self.pack(0, MSN_BITS, msn.value());
    }

    /// What the last attempt went through, where that is known.
    pub fn domain(&self) -> Option<Domain> {
        Domain::from_number((self.packed_msn() >> MSN_BITS) as u8 & 3)
    }

    pub(super) fn set_domain(&mut self, domain: Option<Domain>) {
        self.pack(MSN_BITS, 2, u64::from(Domain::number_of(domain)));
    }

    /// The owner's number for what held it last, up to 15; 0 while nothing did. The message center
    /// does not read it.
    pub fn hold_reason(&self) -> u8 {
        (self.packed_msn() >> (MSN_BITS + 2)) as u8
    }

    pub(super) fn set_hold_reason(&mut self, reason: u8) {
        self.pack(MSN_BITS + 2, 4, u64::from(reason));
    }

    #[inline]
    fn packed_msn(&self) -> u64 {
        let [a, b, c, d, e] = self.packed_msn;
        u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])
    }

    fn pack(&mut self, shift: u32, bits: u32, value: u64) {
        assert!(value < 1 << bits, "{value} does not fit {bits} bits");
        let others = self.packed_msn() & !(((1 << bits) - 1) << shift);
        let [a, b, c, d, e, ..] = (others | value << shift).to_le_bytes();
        self.packed_msn = [a, b, c, d, e];
    }

    /// No delivery from then on. Known until the push has ended.
    #[inline]
    pub fn expires_ms(&self) -> CenterMs {
        debug_assert!(!self.state.is_final(), "an ended push does not expire");
        self.moment()
    }

    pub(super) fn set_expires_ms(&mut self, expires_ms: CenterMs) {
        self.set_moment(expires_ms);
    }

    /// When it came to its final state; 0 while it lives.
    #[inline]
    pub fn ended_ms(&self) -> CenterMs {
        if self.state.is_final() { self.moment() } else { CenterMs::ZERO }
    }

    #[inline]
    fn moment_and_route(&self) -> u64 {
        let [a, b, c, d, e, f] = self.moment_ms;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    #[inline]
    fn moment(&self) -> CenterMs {
        CenterMs::new(self.moment_and_route() & MOMENT_MASK)
    }

    fn set_moment(&mut self, at_ms: CenterMs) {
        self.set_moment_and_route(at_ms, self.route());
    }

    #[inline]
    fn set_moment_and_route(&mut self, at_ms: CenterMs, route: u8) {
        let both = at_ms.ms().min(MOMENT_MASK) | u64::from(route) << MOMENT_BITS;
        let [a, b, c, d, e, f, ..] = both.to_le_bytes();
        self.moment_ms = [a, b, c, d, e, f];
    }

    /// The push has come to a final state at this time, with this code and TP-Status.
    pub(super) fn set_ended(
        &mut self,
        state: State,
        code: Code,
        ended_ms: CenterMs,
        tp_status: u8,
    ) {
        assert!(state.is_final(), "a push ends in a final state");
        if self.has(flag::CANCEL_UNTOLD) {
            // Nobody is to be told that it was cancelled.
            self.set(flag::CANCEL_ACCEPTED | flag::CANCEL_UNTOLD, false);
        }
        self.state = state;
        self.code = code;
        self.set_moment(ended_ms);
        self.counts = [tp_status, 0, 0];
    }

    /// Which of the shard's ends it was; 0 where a journal does not say. Known from its end on.
    pub fn end_number(&self) -> u32 {
        if self.state.is_final() { self.remembered_alert } else { 0 }
    }

    /// To be called when the push has left its alert, which has the place until then.
    pub(super) fn set_end_number(&mut self, number: u32) {
        assert!(self.state.is_final(), "only an end has a number");
        self.remembered_alert = number;
    }

    /// How often it was held for each [`Cause`], four bits each. Known until the push has ended.
    pub fn holds(&self) -> [u8; 3] {
        if self.state.is_final() { [0; 3] } else { self.counts }
    }

    pub(super) fn set_holds(&mut self, holds: [u8; 3]) {
        assert!(!self.state.is_final(), "an ended push is not held");
        self.counts = holds;
    }

    /// Attempts in which something was sent to the terminal; saturates. Known until the push has
    /// ended.
    pub fn attempts(&self) -> u8 {
        if self.state.is_final() { 0 } else { self.attempts }
    }

    pub(super) fn set_attempts(&mut self, attempts: u8) {
        assert!(!self.state.is_final(), "an ended push is not attempted");
        self.attempts = attempts;
    }

    /// Of the last push in its msn's waiting list: how many there are.
    pub(super) fn waiting_count(&self) -> u16 {
        self.waiting_count
    }

    pub(super) fn set_waiting_count(&mut self, count: u16) {
        self.waiting_count = count;
    }

    /// TP-Status of the last status report; 0 while the push lives.
    pub fn tp_status(&self) -> u8 {
        if self.state.is_final() { self.counts[0] } else { 0 }
    }

    /// Where it goes: 0 the core network, or the number of a carrier.
    pub fn route(&self) -> u8 {
        (self.moment_and_route() >> MOMENT_BITS) as u8
    }

    pub(super) fn set_route(&mut self, route: u8) {
        assert!(usize::from(route) < ROUTES, "there is no route {route}");
        self.set_moment_and_route(self.moment(), route);
    }

    /// Whether `flag` is set.
    pub fn has(&self, flag: PushFlags) -> bool {
        self.flags.has(flag)
    }

    /// Sets or clears `flag`.
    pub fn set(&mut self, flag: PushFlags, on: bool) {
        self.flags.set(flag, on);
    }

    /// Its next attempt may begin sooner than its last Held record says, if there is one that says
    /// so.
    pub(super) fn begin_sooner(&mut self) {
        if self.has(flag::HOLD_RECORDED) {
            self.set(flag::RECORD_BEGIN, true);
        }
    }

    /// Whether a record says that an attempt of it has begun that is its only one, or whose SMS are
    /// never sent again.
    pub fn has_begun(&self) -> bool {
        self.has(flag::BEGUN_FOR_GOOD)
            || self.has(flag::SINGLE_ATTEMPT) && !self.has(flag::RECORD_BEGIN)
    }

    /// The attempt that a record says to have begun was never made.
    pub(super) fn unbegin(&mut self) {
        self.set(flag::BEGUN_FOR_GOOD, false);
        if self.has(flag::SINGLE_ATTEMPT) {
            self.set(flag::RECORD_BEGIN, true);
        }
    }

    /// A cancel of the push was accepted; `told` says whether an E7 is due for it.
    pub(super) fn set_cancel_accepted(&mut self, told: bool) {
        if !self.state.is_final() {
            self.set(flag::CANCEL_ACCEPTED, true);
            self.set(flag::CANCEL_UNTOLD, !told);
        } else if told {
            self.set(flag::CANCEL_ACCEPTED, true);
        }
    }

    /// Whether the push client is told of a cancel that was accepted.
    pub fn is_cancel_told(&self) -> bool {
        !self.has(flag::CANCEL_UNTOLD)
    }

    /// Segments that arrived.
    pub fn delivered(&self) -> u8 {
        self.delivered_mask.count_ones() as u8
    }

    /// Whether every segment arrived.
    pub fn is_complete(&self) -> bool {
        self.delivered_mask == self.full_mask()
    }

    /// Segments that a cancel withdrew. None where a segment was sent and nobody answered for it,
    /// be it because the engine died: what has become of it nobody knows, and the code, cancelled
    /// in part, says so.
    pub fn withdrawn(&self) -> u8 {
        let in_doubt = self.has(flag::IN_DOUBT);
        if self.state == State::Cancelled && !in_doubt {
            self.segments - self.delivered()
        } else {
            0
        }
    }

    /// Counts a hold for this cause; how many there were, this one included.
    pub(super) fn count_hold(&mut self, cause: Cause) -> u32 {
        assert!(!self.state.is_final(), "an ended push is not held");
        let [a, b, c] = self.counts;
        let holds = u32::from_le_bytes([a, b, c, 0]);
        let shift = cause as u32 * HOLD_BITS;
        let count = (holds >> shift & HOLDS_MAX) + 1;
        if count <= HOLDS_MAX {
            let [a, b, c, _] = (holds + (1 << shift)).to_le_bytes();
            self.counts = [a, b, c];
        }
        count
    }

    /// How often it was held for this cause; saturates.
    pub(super) fn holds_for(&self, cause: Cause) -> u32 {
        let [a, b, c] = self.holds();
        u32::from_le_bytes([a, b, c, 0]) >> (cause as u32 * HOLD_BITS) & HOLDS_MAX
    }

    /// The mask with one bit for every segment.
    pub fn full_mask(&self) -> u16 {
        ((1u32 << self.segments) - 1) as u16
    }
}

impl std::fmt::Debug for Push {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Push")
            .field("push_id", &self.push_id)
            .field("msn", &self.msn())
            .field("state", &self.state)
            .field("code", &self.code)
            .field("segments", &self.segments)
            .field("delivered_mask", &self.delivered_mask)
            .field("flags", &self.flags)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// The slab. What is free is a list through the free slots.
pub struct Pushes {
    entries: Vec<Push>,
    touched: TouchedAhead,
    first_free: PushIndex,
    free: usize,
    capacity: usize,
}

impl Pushes {
    /// A slab for at most `capacity` pushes. Address space is reserved now, memory is touched as it
    /// is used.
    pub fn with_capacity(capacity: usize) -> Self {
        assert!(capacity < NONE as usize, "the last index means none");
        let mut entries = Vec::with_capacity(capacity);
        huge_pages::advise(&mut entries);
        Self { entries, touched: TouchedAhead::default(), first_free: NONE, free: 0, capacity }
    }

    /// Touches memory for pushes to come, about a huge page; whether there was any to touch.
    pub(super) fn touch_ahead(&mut self) -> bool {
        self.touched.extend(&mut self.entries)
    }

    /// Live pushes.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free
    }

    /// Pushes that there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
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
        if self.is_full() {
            return None;
        }
        if self.first_free != NONE {
            let index = self.first_free;
            self.first_free = self.entries[index as usize].next_in_lane;
            self.free -= 1;
            self.entries[index as usize] = push;
            return Some(index);
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

    /// The live pushes, in the order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = (PushIndex, &Push)> + '_ {
        let indexed =
            self.entries.iter().enumerate().map(|(index, push)| (index as PushIndex, push));
        indexed.filter(|(_, push)| push.push_id != NO_PUSH)
    }

    /// Takes the push out; its index may be handed out again.
    pub fn remove(&mut self, index: PushIndex) {
        let first_free = self.first_free;
        let entry = &mut self.entries[index as usize];
        assert_ne!(entry.push_id, NO_PUSH, "a push is taken out once");
        entry.push_id = NO_PUSH;
        entry.next_in_lane = first_free;
        self.first_free = index;
        self.free += 1;
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
