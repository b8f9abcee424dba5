//! What the message center remembers of push keys: every live push's and, for 24 hours, every ended
//! one's.
//!
//! A key is the 64-bit fingerprint of (svcid, msn, reqid). A live push's stands in the slab, and
//! its content's digest in its Accepted record: here it costs five octets. An ended push's takes
//! [`ENDED_KEY_OCTETS`] and five to ten octets of table: fingerprint, end, and 32 bits of the
//! digest by which a repeat is told from a reqid used for something else. There is a bound to them:
//! at the bound one is forgotten early, and counted. It is the oldest of the push client that has
//! most, so that one client's flood forgets its own.

use crate::smsc::clients::{ByClient, Clients};
use crate::smsc::index_table::{GrowingTable, IndexTable, TablePlace};
use crate::smsc::limits::CLIENTS_MAX;
use crate::smsc::pushes::{PushIndex, Pushes};
use crate::smsc::shares::Shares;
use crate::smsc::state::State;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use wire::terms::time::CenterMs;

/// How long an ended push's key is remembered: at least this long and less than a second longer.
//= push once remembered
pub const KEY_RETENTION_MS: u64 = 24 * 3_600_000;

/// Octets of an ended push's key, the table's part aside.
pub const ENDED_KEY_OCTETS: usize = 24;

/// The same in seconds.
const KEY_RETENTION_S: i32 = (KEY_RETENTION_MS / 1000) as i32;

/// Ended keys of a client that memory is taken for at a time.
const CHUNK_KEYS: usize = 64;

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
    /// The low 32 bits of the seconds of its end, rounded up: only differences count, and none is
    /// near 68 years.
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
    const NONE: Self =
        Self { fingerprint: 0, ended_s: 0, digest: 0, push_id: [0; 6], state_and_segments: 0 };

    /// Whole seconds since the end; negative where the clock was set back behind it.
    pub(super) fn age_s(&self, now_ms: CenterMs) -> i32 {
        ((now_ms.ms() / 1000) as u32).wrapping_sub(self.ended_s) as i32
    }

    /// What is to be remembered of an ended push; `digest` are the low bits of its content's.
    pub fn new(
        fingerprint: u64,
        push_id: u64,
        digest: u32,
        state: State,
        segments: u8,
        ended_ms: CenterMs,
    ) -> Self {
        let [a, b, c, d, e, f, ..] = push_id.to_le_bytes();
        Self {
            fingerprint,
            ended_s: ended_ms.ms().div_ceil(1000) as u32,
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

    /// Whether its push was accepted after `push_id`. Numbers are compared on a circle: those of
    /// one key are never half of 2^48 apart.
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

    /// The same for live pushes alone.
    #[inline]
    pub fn prefetch_live(&self, fingerprint: u64) {
        self.live.prefetch(fingerprint);
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

    /// As [`Self::find_ended`], with its client.
    pub(super) fn find_owned(&self, fingerprint: u64) -> Option<(u16, &EndedKey)> {
        let handle = self.ended.find(fingerprint)?;
        let chunk = &self.ended.chunks[handle as usize / CHUNK_KEYS];
        Some((chunk.client, self.ended.at(handle)))
    }

    /// Remembers the key of the slab entry `index`, which no live push has: whoever accepts a push
    /// has asked for its key a moment ago, and what is found once need not be sought again.
    pub fn insert_new(&mut self, pushes: &Pushes, index: PushIndex) {
        let fingerprint = pushes[index].key;
        debug_assert!(self.find_live(pushes, fingerprint).is_none(), "a live push has this key");
        self.live.insert(fingerprint, index);
    }

    /// Remembers a live push's key, that of the slab entry `index`. An earlier push's use of it is
    /// over.
    pub fn insert_live(&mut self, pushes: &Pushes, index: PushIndex) {
        let fingerprint = pushes[index].key;
        match self.place_of_live(pushes, fingerprint) {
            // Two live pushes with one key: only while a journal is read that says later how the
            // first one ended.
            Some(place) => self.live.replace(place, index),
            None => self.live.insert(fingerprint, index),
        }
    }

    /// The push at `index` leaves the slab as if it had never been; `false` when the key is another
    /// push's by now.
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

    /// The push at `index`, which has ended, leaves the slab: its key goes on for 24 hours from its
    /// end, or from now where a clock that was set back since says that the end is yet to come.
    pub(super) fn retire(
        &mut self,
        pushes: &Pushes,
        index: PushIndex,
        content_digest: u64,
        clients: &mut Clients,
        now_ms: CenterMs,
    ) {
        if !self.forget_live(pushes, index) {
            return;
        }
        let push = &pushes[index];
        let (state, segments, ended_ms) = (push.state, push.segments, push.ended_ms().min(now_ms));
        let key =
            EndedKey::new(push.key, push.push_id, content_digest as u32, state, segments, ended_ms);
        self.forgotten_early += u64::from(self.ended.push(key, push.client, clients));
    }

    /// Puts an ended push's key back, at recovery; a later push's use of the key stays. `owner` is
    /// the push client's identity.
    pub(super) fn restore_ended(
        &mut self,
        pushes: &Pushes,
        key: EndedKey,
        push_id: u64,
        owner: u64,
        clients: &mut Clients,
    ) {
        if let Some(index) = self.find_live(pushes, key.fingerprint) {
            if pushes[index].push_id >= push_id {
                return;
            }
            self.forget_live(pushes, index);
        }
        // The same once more says a newer time where the clock was set between the two.
        let is_known = |known: &EndedKey| known.is_of(push_id) && known.ended_s == key.ended_s;
        if self
            .find_ended(key.fingerprint)
            .is_some_and(|known| is_known(known) || known.is_later_than(push_id))
        {
            return;
        }
        let client = clients.enter(owner);
        self.forgotten_early += u64::from(self.ended.push(key, client, clients));
    }

    /// Forgets at most `budget` keys whose time is over.
    pub(super) fn forget_expired(
        &mut self,
        clients: &mut Clients,
        now_ms: CenterMs,
        budget: usize,
    ) {
        self.ended.forget_expired(now_ms, budget, clients);
    }

    /// Keys held, live and ended.
    pub fn len(&self) -> usize {
        self.live.len() + self.ended.table.len()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn place_of_live(&self, pushes: &Pushes, fingerprint: u64) -> Option<TablePlace> {
        self.live.find(fingerprint, |index| pushes[index].key == fingerprint)
    }
}

/// Keys of one client: a list of chunks, oldest first.
#[derive(Clone, Copy)]
struct KeyList {
    first: u32,
    last: u32,
    /// Where in the first chunk the oldest key stands.
    from: u8,
    /// How many keys the last chunk has been given.
    until: u8,
    /// [`EndedKeys::expiries`] has an entry of it.
    is_timed: bool,
}

impl KeyList {
    const EMPTY: Self =
        Self { first: NO_CHUNK, last: NO_CHUNK, from: 0, until: 0, is_timed: false };
}

/// So many keys of one client, in the order in which they came.
struct Chunk {
    keys: Option<Box<[EndedKey; CHUNK_KEYS]>>,
    /// Whose list it is part of.
    client: u16,
    /// The chunk behind it in its client's list; of a free one, the next free one.
    next: u32,
}

/// The end of a list of chunks.
const NO_CHUNK: u32 = u32::MAX;

/// The keys of ended pushes: a list for each client, of which memory is taken and given back a
/// chunk at a time, and a table of the places in them.
struct EndedKeys {
    /// Room for all of them is set aside from the start, and its memory touched as it is used.
    chunks: Vec<Chunk>,
    free: u32,
    table: GrowingTable,
    lists: ByClient<KeyList>,
    shares: Shares,
    /// By the second of its oldest key's end, as it was once: each client that has keys. Seconds
    /// are counted from `since_s`.
    expiries: BinaryHeap<Reverse<(u32, u16)>>,
    since_s: Option<u32>,
    keys_max: usize,
}

impl EndedKeys {
    fn new(keys_max: usize) -> Self {
        // Of each client the first and the last chunk may have no more than one.
        let chunks_max =
            (keys_max.div_ceil(CHUNK_KEYS) + 2 * usize::from(CLIENTS_MAX)).min(keys_max) + 1;
        Self {
            chunks: Vec::with_capacity(chunks_max),
            free: NO_CHUNK,
            table: GrowingTable::new(chunks_max * CHUNK_KEYS),
            lists: ByClient::default(),
            shares: Shares::default(),
            expiries: BinaryHeap::new(),
            since_s: None,
            keys_max,
        }
    }

    fn at(&self, handle: u32) -> &EndedKey {
        match &self.chunks[handle as usize / CHUNK_KEYS].keys {
            Some(keys) => &keys[handle as usize % CHUNK_KEYS],
            None => unreachable!("a key in a list has memory"),
        }
    }

    fn find(&self, fingerprint: u64) -> Option<u32> {
        self.table.find(fingerprint, |handle| self.at(handle).fingerprint == fingerprint)
    }

    /// The place of a client's oldest key.
    fn oldest(&self, client: u16) -> Option<u32> {
        let list = self.lists.find(client).filter(|list| list.first != NO_CHUNK)?;
        Some(list.first * CHUNK_KEYS as u32 + u32::from(list.from))
    }

    /// Enters a key of a client; whether another had to go for it. An earlier push's use of the
    /// same key is forgotten.
    fn push(&mut self, key: EndedKey, client: u16, clients: &mut Clients) -> bool {
        if let Some(earlier) = self.find(key.fingerprint) {
            self.table.remove(key.fingerprint, earlier);
        }
        // Before the one that gives up a key may go with it.
        clients.hold(client);
        let full = self.shares.total() >= self.keys_max;
        if full && let Some(giving) = self.shares.gives_up(client) {
            self.forget_oldest(giving, clients);
        }
        let handle = self.append(key, client);
        self.shares.add(client);
        let Self { chunks, table, .. } = self;
        table.insert(key.fingerprint, handle, |handle| {
            let keys = chunks[handle as usize / CHUNK_KEYS].keys.as_ref();
            keys.map_or(0, |keys| keys[handle as usize % CHUNK_KEYS].fingerprint)
        });
        full
    }

    /// Puts a key at the end of its client's list; its place.
    fn append(&mut self, key: EndedKey, client: u16) -> u32 {
        self.lists.reach(client, KeyList::EMPTY);
        let list = self.lists[client];
        if list.last == NO_CHUNK || usize::from(list.until) == CHUNK_KEYS {
            let chunk = self.take_chunk(client);
            let list = &mut self.lists[client];
            let last = std::mem::replace(&mut list.last, chunk);
            list.until = 0;
            if last == NO_CHUNK {
                (list.first, list.from) = (chunk, 0);
                self.time(client, key.ended_s);
            } else {
                self.chunks[last as usize].next = chunk;
            }
        }
        let list = &mut self.lists[client];
        let (chunk, place) = (list.last as usize, usize::from(list.until));
        list.until += 1;
        match &mut self.chunks[chunk].keys {
            Some(keys) => keys[place] = key,
            None => unreachable!("the last chunk of a list has memory"),
        }
        (chunk * CHUNK_KEYS + place) as u32
    }

    fn take_chunk(&mut self, client: u16) -> u32 {
        let keys = Some(Box::new([EndedKey::NONE; CHUNK_KEYS]));
        if self.free == NO_CHUNK {
            assert!(
                self.chunks.len() < self.chunks.capacity(),
                "there is a chunk for all keys that there may be"
            );
            self.chunks.push(Chunk { keys, client, next: NO_CHUNK });
            return (self.chunks.len() - 1) as u32;
        }
        let chunk = self.free;
        self.free = self.chunks[chunk as usize].next;
        self.chunks[chunk as usize] = Chunk { keys, client, next: NO_CHUNK };
        chunk
    }

    fn forget_oldest(&mut self, client: u16, clients: &mut Clients) {
        let Some(handle) = self.oldest(client) else { return };
        // Not there when another push has used the key since.
        self.table.remove(self.at(handle).fingerprint, handle);
        let list = &mut self.lists[client];
        list.from += 1;
        let is_all = list.first == list.last && list.from == list.until;
        if is_all || usize::from(list.from) == CHUNK_KEYS {
            let chunk = &mut self.chunks[list.first as usize];
            let next = std::mem::replace(&mut chunk.next, self.free);
            chunk.keys = None;
            self.free = std::mem::replace(&mut list.first, next);
            list.from = 0;
            if is_all {
                *list = KeyList { is_timed: list.is_timed, ..KeyList::EMPTY };
            }
        }
        self.shares.take(client);
        clients.release(client);
    }

    /// Looks after the client's keys when the one of this end is a day old, unless it does so
    /// before.
    fn time(&mut self, client: u16, ended_s: u32) {
        if !self.lists[client].is_timed {
            self.lists[client].is_timed = true;
            let since_s = *self.since_s.get_or_insert_with(|| ended_s.wrapping_sub(1 << 31));
            self.expiries.push(Reverse((ended_s.wrapping_sub(since_s), client)));
        }
    }

    fn forget_expired(&mut self, now_ms: CenterMs, budget: usize, clients: &mut Clients) {
        let now_s = ((now_ms.ms() / 1000) as u32).wrapping_sub(self.since_s.unwrap_or(0));
        for _ in 0..budget {
            let Some(&Reverse((ended_s, client))) = self.expiries.peek() else { return };
            if (now_s.wrapping_sub(ended_s) as i32) < KEY_RETENTION_S {
                return;
            }
            // Of a key that is gone by now, or of the oldest.
            match self.oldest(client).map(|handle| self.at(handle)) {
                Some(oldest) if oldest.age_s(now_ms) >= KEY_RETENTION_S => {
                    self.forget_oldest(client, clients)
                }
                oldest => {
                    let ended_s = oldest.map(|oldest| oldest.ended_s);
                    self.expiries.pop();
                    self.lists[client].is_timed = false;
                    if let Some(ended_s) = ended_s {
                        self.time(client, ended_s);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
