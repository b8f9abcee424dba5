//! What the message center remembers of push keys: every live push's and, for 24 hours, every ended one's.
//!
//! A key is the 64-bit fingerprint of (svcid, msn, reqid). A live push's stands in the slab, and its content's digest in
//! its Accepted record: here it costs five octets. An ended push's takes [`ENDED_KEY_OCTETS`] and five to ten octets of
//! table: fingerprint, end, and 32 bits of the digest by which a repeat is told from a reqid used for something else.
//! There is a bound to them: at the bound the oldest is forgotten early, and counted.

use crate::smsc::index_table::{GrowingTable, IndexTable, Place};
use crate::smsc::pushes::{PushIndex, Pushes};
use crate::smsc::state::State;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// How long an ended push's key is remembered: at least this long and less than a second longer.
//= push once remembered
pub const KEY_RETENTION_MS: u64 = 24 * 3_600_000;

/// Octets of an ended push's key, the table's part aside.
pub const ENDED_KEY_OCTETS: usize = 24;

/// Ended keys that memory is taken for at a time.
const CHUNK_KEYS: usize = 4096;

/// A hasher for values that are already uniform: it passes 64 bits through.
#[derive(Default, Clone, Copy)]
pub struct PassThrough(u64);

impl Hasher for PassThrough {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only 64-bit keys are hashed here");
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A map from uniform 64-bit fingerprints.
pub type FingerprintMap<V> = HashMap<u64, V, BuildHasherDefault<PassThrough>>;

/// The key of a push that has ended and left the slab.
#[derive(Clone, Copy, Debug)]
pub struct EndedKey {
    fingerprint: u64,
    /// The low 32 bits of the seconds of its end, rounded up: only differences count, and none is near 68 years.
    ended_s: u32,
    /// The low bits of the content's digest.
    digest: u32,
    /// The low 48 bits of the push's number.
    push_id: [u8; 6],
    /// The final state in the low four bits, the segments above.
    state_and_segments: u8,
}

const _: () = assert!(size_of::<EndedKey>() == ENDED_KEY_OCTETS);

/// Bits of a push's number that an ended key keeps.
const PUSH_ID_BITS: u32 = 48;

impl EndedKey {
    const NONE: Self = Self { fingerprint: 0, ended_s: 0, digest: 0, push_id: [0; 6], state_and_segments: 0 };

    /// Whole seconds since the end; negative where the clock was set back behind it.
    fn age_s(&self, now_ms: u64) -> i32 {
        ((now_ms / 1000) as u32).wrapping_sub(self.ended_s) as i32
    }

    /// What is to be remembered of an ended push; `digest` are the low bits of its content's.
    pub fn new(
        fingerprint: u64,
        push_id: u64,
        digest: u32,
        state: State,
        segments: u8,
        ended_ms: u64,
    ) -> Self {
        let [a, b, c, d, e, f, ..] = push_id.to_le_bytes();
        Self {
            fingerprint,
            ended_s: ended_ms.div_ceil(1000) as u32,
            digest,
            push_id: [a, b, c, d, e, f],
            state_and_segments: state.number() | segments << 4,
        }
    }

    /// The final state.
    pub fn state(&self) -> State {
        match State::from_number(self.state_and_segments & 15) {
            Some(state) => state,
            None => unreachable!("a state was stored"),
        }
    }

    /// Segments that the push had.
    pub fn segments(&self) -> u8 {
        self.state_and_segments >> 4
    }

    /// Whether the push was accepted with this content; the low bits of the digest say so.
    pub fn has_content(&self, content_digest: u64) -> bool {
        self.digest == content_digest as u32
    }

    /// Whether it is the push with this number.
    pub fn is_of(&self, push_id: u64) -> bool {
        self.push_id[..] == push_id.to_le_bytes()[..6]
    }

    /// Whether its push was accepted after `push_id`. Numbers are compared on a circle: those of one key are never half
    /// of 2^48 apart.
    fn is_later_than(&self, push_id: u64) -> bool {
        let [a, b, c, d, e, f] = self.push_id;
        let own = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        let ahead = own.wrapping_sub(push_id) & ((1 << PUSH_ID_BITS) - 1);
        ahead != 0 && ahead < 1 << (PUSH_ID_BITS - 1)
    }
}

/// The table of keys.
pub struct Keys {
    live: IndexTable,
    ended: EndedKeys,
    /// Ended keys forgotten before their 24 hours because the table was at its bound.
    pub forgotten_early: u64,
}

impl Keys {
    /// Keys of at most `live_max` live pushes, and of at most `ended_max` ended ones.
    pub fn new(live_max: usize, ended_max: usize) -> Self {
        Self {
            live: IndexTable::new(live_max, live_max),
            ended: EndedKeys::new(ended_max.max(1)),
            forgotten_early: 0,
        }
    }

    /// See [`IndexTable::prefetch`].
    #[inline]
    pub fn prefetch(&self, fingerprint: u64) {
        self.live.prefetch(fingerprint);
        self.ended.table.prefetch(fingerprint);
    }

    /// The live push with this key.
    #[inline]
    pub fn find_live(&self, pushes: &Pushes, fingerprint: u64) -> Option<PushIndex> {
        self.place_of_live(pushes, fingerprint).map(|place| self.live.index_at(place))
    }

    /// The ended push with this key, if no live one has it again.
    #[inline]
    pub fn find_ended(&self, fingerprint: u64) -> Option<&EndedKey> {
        self.ended.find(fingerprint).map(|handle| self.ended.at(handle))
    }

    /// Remembers the key of the slab entry `index`, which no live push has: whoever accepts a push
    /// has asked for its key a moment ago, and what is found once need not be sought again.
    pub fn insert_new(&mut self, pushes: &Pushes, index: PushIndex) {
        let fingerprint = pushes[index].key;
        debug_assert!(self.find_live(pushes, fingerprint).is_none(), "a live push has this key");
        self.live.insert(fingerprint, index);
    }

    /// Remembers a live push's key, that of the slab entry `index`. An earlier push's use of it is over.
    pub fn insert_live(&mut self, pushes: &Pushes, index: PushIndex) {
        let fingerprint = pushes[index].key;
        match self.place_of_live(pushes, fingerprint) {
            // Two live pushes with one key: only while a journal is read that says later how the first one ended.
            Some(place) => self.live.replace(place, index),
            None => self.live.insert(fingerprint, index),
        }
    }

    /// The push at `index` leaves the slab as if it had never been; `false` when the key is another push's by now.
    pub fn forget_live(&mut self, pushes: &Pushes, index: PushIndex) -> bool {
        let fingerprint = pushes[index].key;
        match self.live.find(fingerprint, |found| found == index) {
            Some(place) => {
                self.live.remove(fingerprint, place);
                true
            }
            None => false,
        }
    }

    /// The push at `index`, which has ended, leaves the slab: its key goes on for 24 hours from its end, or from now where
    /// a clock that was set back since says that the end is yet to come.
    pub fn retire(&mut self, pushes: &Pushes, index: PushIndex, now_ms: u64) {
        if !self.forget_live(pushes, index) {
            return;
        }
        let push = &pushes[index];
        let (state, segments, ended_ms) = (push.state, push.segments, push.ended_ms().min(now_ms));
        let key = EndedKey::new(push.key, push.push_id, push.content_digest(), state, segments, ended_ms);
        self.forgotten_early += u64::from(self.ended.push(key));
    }

    /// Puts an ended push's key back, at recovery; a later push's use of the key stays.
    pub fn restore_ended(&mut self, pushes: &Pushes, key: EndedKey, push_id: u64) {
        if let Some(index) = self.find_live(pushes, key.fingerprint) {
            if pushes[index].push_id >= push_id {
                return;
            }
            self.forget_live(pushes, index);
        }
        if self
            .find_ended(key.fingerprint)
            .is_some_and(|known| known.is_of(push_id) || known.is_later_than(push_id))
        {
            return;
        }
        self.forgotten_early += u64::from(self.ended.push(key));
    }

    /// Forgets at most `budget` keys whose time is over.
    pub fn forget_expired(&mut self, now_ms: u64, budget: usize) {
        for _ in 0..budget {
            match self.ended.oldest() {
                Some(ended) if ended.age_s(now_ms) >= (KEY_RETENTION_MS / 1000) as i32 => {
                    self.ended.forget_oldest();
                }
                _ => return,
            }
        }
    }

    /// Keys held, live and ended.
    pub fn len(&self) -> usize {
        self.live.len() + self.ended.table.len()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn place_of_live(&self, pushes: &Pushes, fingerprint: u64) -> Option<Place> {
        self.live.find(fingerprint, |index| pushes[index].key == fingerprint)
    }
}

/// The keys of ended pushes: a ring, oldest first, of which memory is taken and given back a chunk at a time, and a table
/// of the places in it.
struct EndedKeys {
    chunks: Vec<Option<Box<[EndedKey]>>>,
    table: GrowingTable,
    /// How many have been forgotten, and how many there have been, since the beginning.
    first: u64,
    next: u64,
    keys_max: usize,
}

impl EndedKeys {
    fn new(keys_max: usize) -> Self {
        let chunks = keys_max.div_ceil(CHUNK_KEYS) + 1;
        Self {
            chunks: vec![None; chunks],
            table: GrowingTable::new(chunks * CHUNK_KEYS),
            first: 0,
            next: 0,
            keys_max,
        }
    }

    /// The place in the ring of the key that came as number `number`.
    fn handle(&self, number: u64) -> u32 {
        (number % (self.chunks.len() * CHUNK_KEYS) as u64) as u32
    }

    fn at(&self, handle: u32) -> &EndedKey {
        let (chunk, place) = (handle as usize / CHUNK_KEYS, handle as usize % CHUNK_KEYS);
        match &self.chunks[chunk] {
            Some(keys) => &keys[place],
            None => unreachable!("a key in the ring has memory"),
        }
    }

    fn find(&self, fingerprint: u64) -> Option<u32> {
        self.table.find(fingerprint, |handle| self.at(handle).fingerprint == fingerprint)
    }

    fn oldest(&self) -> Option<&EndedKey> {
        (self.first < self.next).then(|| self.at(self.handle(self.first)))
    }

    /// Enters a key; whether the oldest had to go for it. An earlier push's use of the same key is forgotten.
    fn push(&mut self, key: EndedKey) -> bool {
        if let Some(earlier) = self.find(key.fingerprint) {
            self.table.remove(key.fingerprint, earlier);
        }
        let full = self.next - self.first >= self.keys_max as u64;
        if full {
            self.forget_oldest();
        }
        let handle = self.handle(self.next);
        self.next += 1;
        let chunk = &mut self.chunks[handle as usize / CHUNK_KEYS];
        chunk.get_or_insert_with(|| vec![EndedKey::NONE; CHUNK_KEYS].into())[handle as usize % CHUNK_KEYS] =
            key;
        let Self { chunks, table, .. } = self;
        table.insert(key.fingerprint, handle, |handle| {
            let chunk = chunks[handle as usize / CHUNK_KEYS].as_ref();
            chunk.map_or(0, |keys| keys[handle as usize % CHUNK_KEYS].fingerprint)
        });
        full
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.oldest() else { return };
        let (fingerprint, handle) = (oldest.fingerprint, self.handle(self.first));
        // Not there when another push has used the key since.
        self.table.remove(fingerprint, handle);
        self.first += 1;
        let is_last_of_chunk = handle as usize % CHUNK_KEYS == CHUNK_KEYS - 1;
        if is_last_of_chunk {
            self.chunks[handle as usize / CHUNK_KEYS] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smsc::pushes::Push;
    use wire::terms::code::Code;

    fn ended(key: u64, push_id: u64, ended_ms: u64) -> EndedKey {
        EndedKey::new(key, push_id, 7, State::Delivered, 1, ended_ms)
    }

    fn live(pushes: &mut Pushes, keys: &mut Keys, key: u64, push_id: u64) -> PushIndex {
        let index = pushes.insert(Push { key, push_id, ..Push::EMPTY }).expect("room");
        keys.insert_new(pushes, index);
        index
    }

    fn retire(pushes: &mut Pushes, keys: &mut Keys, index: PushIndex, ended_ms: u64) {
        pushes[index].set_ended(State::Delivered, Code::ACCEPTED, ended_ms, 0);
        pushes[index].set_content_digest(7);
        keys.retire(pushes, index, ended_ms);
        pushes.remove(index);
    }

    //= push once remembered
    #[test]
    fn a_key_is_remembered_for_a_day_after_the_end() {
        let (mut pushes, mut keys) = (Pushes::with_capacity(10), Keys::new(10, 10));
        let index = live(&mut pushes, &mut keys, 1, 1);
        assert_eq!(keys.find_live(&pushes, 1), Some(index));
        retire(&mut pushes, &mut keys, index, 1000);
        assert!(keys.find_live(&pushes, 1).is_none());
        keys.forget_expired(1000 + KEY_RETENTION_MS - 1, 10);
        let known = keys.find_ended(1).expect("remembered");
        assert!(known.is_of(1) && known.has_content(7) && !known.has_content(8));
        assert_eq!((known.state(), known.segments()), (State::Delivered, 1));
        keys.forget_expired(1000 + KEY_RETENTION_MS, 10);
        assert!(keys.find_ended(1).is_none() && keys.is_empty());
    }

    #[test]
    #[should_panic(expected = "a live push has this key")]
    fn a_key_that_a_live_push_has_is_not_new() {
        let (mut pushes, mut keys) = (Pushes::with_capacity(10), Keys::new(10, 10));
        live(&mut pushes, &mut keys, 1, 1);
        let index = pushes.insert(Push { key: 1, push_id: 2, ..Push::EMPTY }).expect("room");
        keys.insert_new(&pushes, index);
    }

    #[test]
    fn a_key_used_again_is_remembered_for_a_day_after_its_second_end() {
        let (mut pushes, mut keys) = (Pushes::with_capacity(10), Keys::new(10, 10));
        keys.restore_ended(&pushes, ended(1, 1, 1000), 1);
        let index = live(&mut pushes, &mut keys, 1, 2);
        retire(&mut pushes, &mut keys, index, 5000);
        keys.restore_ended(&pushes, ended(1, 1, 1000), 1);
        keys.forget_expired(1000 + KEY_RETENTION_MS, 10);
        assert!(keys.find_ended(1).is_some_and(|known| known.is_of(2)));
        keys.forget_expired(5000 + KEY_RETENTION_MS, 10);
        assert!(keys.is_empty());
    }

    #[test]
    fn at_the_bound_the_oldest_ended_key_goes_and_live_keys_stay() {
        let (mut pushes, mut keys) = (Pushes::with_capacity(10), Keys::new(10, 2));
        live(&mut pushes, &mut keys, 9, 9);
        for key in 1..=3 {
            let index = live(&mut pushes, &mut keys, key, key);
            retire(&mut pushes, &mut keys, index, key);
        }
        assert!(keys.find_ended(1).is_none());
        assert!(keys.find_ended(2).is_some() && keys.find_ended(3).is_some());
        assert!(keys.find_live(&pushes, 9).is_some());
        assert_eq!(keys.forgotten_early, 1);
    }

    #[test]
    fn the_ring_goes_round_and_gives_its_memory_back() {
        const KEYS: u64 = 3 * CHUNK_KEYS as u64;
        let pushes = Pushes::with_capacity(1);
        let mut keys = Keys::new(1, KEYS as usize);
        for key in 0..4 * KEYS {
            keys.restore_ended(&pushes, ended(wire::terms::mix::mix(key), key, key), key);
            if key >= KEYS {
                assert!(keys.find_ended(wire::terms::mix::mix(key - KEYS + 1)).is_some(), "at {key}");
                assert!(keys.find_ended(wire::terms::mix::mix(key - KEYS)).is_none(), "at {key}");
            }
        }
        keys.forget_expired(4 * KEYS + 2 * KEY_RETENTION_MS, usize::MAX);
        assert!(keys.is_empty());
        assert!(keys.ended.chunks.iter().flatten().count() <= 1);
    }

    #[test]
    fn of_two_uses_of_a_key_the_later_one_is_known_even_where_numbers_wrap() {
        let pushes = Pushes::with_capacity(1);
        let mut keys = Keys::new(1, 10);
        let edge = 1u64 << PUSH_ID_BITS;
        keys.restore_ended(&pushes, ended(1, edge - 1, 1000), edge - 1);
        keys.restore_ended(&pushes, ended(1, edge + 5, 2000), edge + 5);
        keys.restore_ended(&pushes, ended(1, edge - 1, 1000), edge - 1);
        assert!(keys.find_ended(1).is_some_and(|known| known.is_of(edge + 5)));
    }
}
