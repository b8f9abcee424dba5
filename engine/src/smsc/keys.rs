//! What the message center remembers of push keys: every live push's and, for 24 hours, every ended one's.
//!
//! A key is the 64-bit fingerprint of (svcid, msn, reqid); the content is compared by a 64-bit digest. The
//! table is bounded: at the bound the oldest ended key is forgotten early, and counted.

use crate::push::code::Code;
use crate::smsc::pushes::{NONE, PushIndex};
use crate::smsc::state::State;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// How long an ended push's key is remembered.
pub const KEY_RETENTION_MS: u64 = 24 * 3_600_000;

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

/// What is known of one key.
#[derive(Clone, Copy, Debug)]
pub struct KeyEntry {
    /// Digest of the content that the key was first used with.
    pub content_digest: u64,
    /// The push's number.
    pub push_id: u64,
    /// The live push, or [`NONE`] once it has left the slab.
    pub index: PushIndex,
    /// The final code, once ended.
    pub code: Code,
    /// The state, kept current from the end on.
    pub state: State,
    /// Number of segments, for the answer to a repeat.
    pub segments: u8,
}

/// A key whose push has left the slab, in the order in which they did.
#[derive(Clone, Copy)]
struct EndedKey {
    fingerprint: u64,
    /// The key may be another push's by the time it is forgotten here.
    push_id: u64,
    ended_ms: u64,
}

/// The table of keys.
pub struct Keys {
    entries: FingerprintMap<KeyEntry>,
    ended: VecDeque<EndedKey>,
    ended_max: usize,
    /// Ended keys forgotten before their 24 hours because the table was at its bound.
    pub forgotten_early: u64,
}

impl Keys {
    /// A table that keeps at most `ended_max` keys of ended pushes; live ones are bounded by the slab.
    pub fn new(ended_max: usize) -> Self {
        Self {
            entries: FingerprintMap::default(),
            ended: VecDeque::new(),
            ended_max: ended_max.max(1),
            forgotten_early: 0,
        }
    }

    /// What is known of `fingerprint`.
    pub fn find(&self, fingerprint: u64) -> Option<&KeyEntry> {
        self.entries.get(&fingerprint)
    }

    /// Remembers a live push's key.
    pub fn insert(&mut self, fingerprint: u64, entry: KeyEntry) {
        self.entries.insert(fingerprint, entry);
    }

    /// Notes that the push of this key has its final state; it still lives in the slab.
    pub fn note_end(&mut self, fingerprint: u64, push_id: u64, state: State, code: Code) {
        if let Some(entry) = self.entry_of(fingerprint, push_id) {
            entry.state = state;
            entry.code = code;
        }
    }

    /// The push has left the slab: its key goes on for 24 hours from `ended_ms`.
    pub fn retire(&mut self, fingerprint: u64, push_id: u64, ended_ms: u64) {
        if let Some(entry) = self.entry_of(fingerprint, push_id) {
            entry.index = NONE;
            self.ended.push_back(EndedKey { fingerprint, push_id, ended_ms });
        }
        if self.ended.len() > self.ended_max {
            self.forgotten_early += 1;
            self.forget_oldest();
        }
    }

    /// Puts an ended push's key back, at recovery; a later push's use of the key stays.
    pub fn restore_ended(&mut self, fingerprint: u64, entry: KeyEntry, ended_ms: u64) {
        if self.entries.get(&fingerprint).is_some_and(|known| known.push_id >= entry.push_id) {
            return;
        }
        self.entries.insert(fingerprint, KeyEntry { index: NONE, ..entry });
        self.ended.push_back(EndedKey { fingerprint, push_id: entry.push_id, ended_ms });
    }

    /// Forgets at most `budget` keys whose time is over.
    pub fn forget_expired(&mut self, now_ms: u64, budget: usize) {
        for _ in 0..budget {
            match self.ended.front() {
                Some(ended) if ended.ended_ms + KEY_RETENTION_MS <= now_ms => self.forget_oldest(),
                _ => return,
            }
        }
    }

    /// Forgets a key as if its time were over.
    pub(super) fn forget(&mut self, fingerprint: u64) {
        self.entries.remove(&fingerprint);
    }

    /// Keys held, live and ended.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry, if it is still this push's: after 24 hours a client may use a reqid again.
    fn entry_of(&mut self, fingerprint: u64, push_id: u64) -> Option<&mut KeyEntry> {
        self.entries.get_mut(&fingerprint).filter(|entry| entry.push_id == push_id)
    }

    fn forget_oldest(&mut self) {
        let Some(ended) = self.ended.pop_front() else { return };
        let same = |entry: &KeyEntry| entry.push_id == ended.push_id && entry.index == NONE;
        if self.entries.get(&ended.fingerprint).is_some_and(same) {
            self.entries.remove(&ended.fingerprint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(push_id: u64) -> KeyEntry {
        KeyEntry {
            content_digest: 7,
            push_id,
            index: 1,
            code: Code::ACCEPTED,
            state: State::Received,
            segments: 1,
        }
    }

    #[test]
    fn a_key_is_remembered_for_a_day_after_the_end() {
        let mut keys = Keys::new(10);
        keys.insert(1, entry(1));
        keys.retire(1, 1, 1000);
        keys.forget_expired(1000 + KEY_RETENTION_MS - 1, 10);
        assert!(keys.find(1).is_some());
        keys.forget_expired(1000 + KEY_RETENTION_MS, 10);
        assert!(keys.find(1).is_none());
    }

    #[test]
    fn a_key_used_again_is_remembered_for_a_day_after_its_second_end() {
        let mut keys = Keys::new(10);
        keys.restore_ended(1, entry(1), 1000);
        keys.insert(1, entry(2));
        keys.retire(1, 2, 5000);
        keys.restore_ended(1, entry(1), 1000);
        keys.forget_expired(1000 + KEY_RETENTION_MS, 10);
        assert_eq!(keys.find(1).map(|entry| entry.push_id), Some(2));
        keys.forget_expired(5000 + KEY_RETENTION_MS, 10);
        assert!(keys.is_empty());
    }

    #[test]
    fn at_the_bound_the_oldest_ended_key_goes_and_live_keys_stay() {
        let mut keys = Keys::new(2);
        keys.insert(9, entry(9));
        for key in 1..=3 {
            keys.insert(key, entry(key));
            keys.retire(key, key, key);
        }
        assert!(keys.find(1).is_none());
        assert!(keys.find(2).is_some() && keys.find(3).is_some() && keys.find(9).is_some());
        assert_eq!(keys.forgotten_early, 1);
    }
}
