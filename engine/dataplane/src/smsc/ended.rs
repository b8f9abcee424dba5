//! Pushes that have ended and whose push client is still to be told: they have left the slab, so
//! that a client that takes no notifications takes no place from a push that waits.
//!
//! Each is found by its number. In each list of an msn, a push client and a door, a ring,
//! notifications go out one at a time, in the order in which the pushes ended: a dead URL holds up
//! no receipt. Each client's pushes stand in one
//! more list, oldest first: where the places end, the client that has most gives up its oldest.
//! What is handed over to a carrier, and waits for word of it, will stand here too.
//!
//! What was given up, after a day or for want of a place, is `Parked`: journaled as such, and
//! kept for the operator.
//!
//! Never here: when a notification is sent again. Nothing is ever moved; memory is taken a block at
//! a time.

use crate::smsc::clients::ByClient;
use crate::smsc::flags::EndedFlags;
use crate::smsc::index_table::GrowingTable;
use crate::smsc::pushes::{NONE, Push};
use crate::smsc::shares::Shares;
use crate::smsc::state::State;
use std::collections::BTreeMap;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn};
use wire::terms::mix::mix;
use wire::terms::time::CenterMs;

/// Which of a push's two notifications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotificationKind {
    /// E5, the push delivery complete notification.
    Complete,
    /// E7, the cancellation delivery notification.
    Cancellation,
}

/// One-bit facts about a push that has ended.
pub mod ended_flag {
    use crate::smsc::flags::EndedFlags;
    use crate::smsc::pushes::flag;

    /// The push client wants a delivery complete notification (E5).
    pub const WANTS_NOTIFICATION: EndedFlags = EndedFlags::of(flag::WANTS_NOTIFICATION);
    /// An E7 is due, or was.
    pub const CANCEL_ACCEPTED: EndedFlags = EndedFlags::of(flag::CANCEL_ACCEPTED);
    /// What became of a segment nobody knows.
    pub const IN_DOUBT: EndedFlags = EndedFlags::of(flag::IN_DOUBT);
    /// Receipts tell of it.
    pub const BY_SMPP: EndedFlags = EndedFlags::of(flag::BY_SMPP);
    /// E5 is done (acknowledged or parked).
    pub const COMPLETE_DONE: EndedFlags = EndedFlags::bit(3);
    /// E5 is parked: resends were given up, the operator may replay.
    pub const COMPLETE_PARKED: EndedFlags = EndedFlags::bit(4);
    /// E7 is done (acknowledged or parked).
    pub const CANCELLATION_DONE: EndedFlags = EndedFlags::bit(5);
    /// E7 is parked.
    pub const CANCELLATION_PARKED: EndedFlags = EndedFlags::bit(6);
    /// A notification has been handed to the notifier and is not settled yet.
    pub const NOTIFYING: EndedFlags = EndedFlags::bit(7);

    /// E5 or E7 is parked.
    pub const PARKED: EndedFlags = COMPLETE_PARKED.and(CANCELLATION_PARKED);
    /// What a push brings along when it ends.
    pub(super) const OF_PUSH: EndedFlags =
        WANTS_NOTIFICATION.and(CANCEL_ACCEPTED).and(IN_DOUBT).and(BY_SMPP);
    /// What comes about only then.
    pub(super) const OF_ENDED: EndedFlags =
        COMPLETE_DONE.and(CANCELLATION_DONE).and(PARKED).and(NOTIFYING);
}

const _: () = assert!(
    !ended_flag::OF_PUSH.has(ended_flag::OF_ENDED),
    "what is known of ended pushes alone has bits of its own"
);

/// What is known of a push that has ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedPush {
    /// Its number.
    pub push_id: u64,
    /// Where the journal keeps its Accepted record (packed).
    pub position: u64,
    /// Which of the shard's ends it was; 0 where a journal does not say.
    pub end_number: u32,
    /// The final code.
    pub code: Code,
    /// One bit per delivered segment.
    pub delivered_mask: u16,
    /// See [`ended_flag`].
    flags: EndedFlags,
    pub(super) client: u16,
    msn: [u8; 5],
    ended_ms: [u8; 6],
    /// TP-Status of the last status report.
    pub tp_status: u8,
    /// Notifications tried since the last acknowledged one; saturates.
    pub tries: u8,
    /// The final state.
    pub state: State,
    /// Its class.
    pub class: Class,
    /// 1 to 10.
    pub segments: u8,
    /// The domain of the last attempt: 0 unknown, 1 CS, 2 PS.
    pub domain: u8,
}

impl EndedPush {
    /// What goes on of a push in its final state.
    #[inline]
    pub fn of(push: &Push) -> Self {
        let [a, b, c, d, e, ..] = push.msn().value().to_le_bytes();
        let [f, g, h, i, j, k, ..] = push.ended_ms().ms().to_le_bytes();
        Self {
            push_id: push.push_id,
            position: push.position,
            end_number: push.end_number(),
            code: push.code,
            delivered_mask: push.delivered_mask,
            flags: EndedFlags::of(push.flags).only(ended_flag::OF_PUSH),
            client: push.client,
            msn: [a, b, c, d, e],
            ended_ms: [f, g, h, i, j, k],
            tp_status: push.tp_status(),
            tries: 0,
            state: push.state,
            class: push.class,
            segments: push.segments,
            domain: push.domain(),
        }
    }

    /// The destination.
    pub fn msn(&self) -> Msn {
        let [a, b, c, d, e] = self.msn;
        match Msn::from_value(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])) {
            Some(msn) => msn,
            None => unreachable!("only msns are stored"),
        }
    }

    /// When it came to its final state.
    pub fn ended_ms(&self) -> CenterMs {
        let [a, b, c, d, e, f] = self.ended_ms;
        CenterMs::new(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }

    pub(super) fn set_ended_ms(&mut self, ended_ms: CenterMs) {
        let [a, b, c, d, e, f, ..] = ended_ms.ms().to_le_bytes();
        self.ended_ms = [a, b, c, d, e, f];
    }

    /// Whether `flag` is set.
    pub fn has(&self, flag: EndedFlags) -> bool {
        self.flags.has(flag)
    }

    pub(super) fn set(&mut self, flag: EndedFlags, on: bool) {
        self.flags.set(flag, on);
    }

    /// Segments that arrived.
    pub fn delivered(&self) -> u8 {
        self.delivered_mask.count_ones() as u8
    }

    /// As [`Push::withdrawn`].
    pub fn withdrawn(&self) -> u8 {
        let in_doubt = self.has(ended_flag::IN_DOUBT);
        if self.state == State::Cancelled && !in_doubt {
            self.segments - self.delivered()
        } else {
            0
        }
    }

    /// What E7 says: the code of a cancelled one; of another, why it was too late.
    pub fn cancel_code(&self) -> Code {
        match self.state {
            State::Cancelled => self.code,
            //= push cancel race
            State::Delivered => Code::ALREADY_DELIVERED,
            _ => Code::ALREADY_ENDED,
        }
    }

    /// Whether receipts tell of it.
    pub fn is_by_smpp(&self) -> bool {
        self.has(ended_flag::BY_SMPP)
    }

    /// Which ring it stands in: notifications of one go out one after the other.
    fn ring(&self) -> Ring {
        Ring { msn: self.msn(), client: self.client, by_smpp: self.is_by_smpp() }
    }

    /// Whether the push client is to be told anything of it, or was.
    pub fn is_told(&self) -> bool {
        self.wants_complete() || self.has(ended_flag::CANCEL_ACCEPTED)
    }

    fn wants_complete(&self) -> bool {
        self.has(ended_flag::WANTS_NOTIFICATION) && self.state != State::Cancelled
    }

    /// The notification that comes next, if one is due.
    pub fn due(&self) -> Option<NotificationKind> {
        if self.wants_complete() && !self.has(ended_flag::COMPLETE_DONE) {
            return Some(NotificationKind::Complete);
        }
        let cancellation =
            self.has(ended_flag::CANCEL_ACCEPTED) && !self.has(ended_flag::CANCELLATION_DONE);
        cancellation.then_some(NotificationKind::Cancellation)
    }

    /// The push client has taken this notification.
    pub(super) fn set_done(&mut self, kind: NotificationKind) {
        self.set(done_of(kind), true);
    }

    /// This notification is given up for now.
    pub(super) fn set_parked(&mut self, kind: NotificationKind) {
        self.set(done_of(kind) | parked_of(kind), true);
    }

    /// What is parked is due again.
    pub(super) fn set_due_again(&mut self) {
        for kind in [NotificationKind::Complete, NotificationKind::Cancellation] {
            if self.has(parked_of(kind)) {
                self.set(done_of(kind) | parked_of(kind), false);
            }
        }
        // It may have been under way when it was parked: whoever has it in hand asks for it by a
        // place that it has left.
        self.set(ended_flag::NOTIFYING, false);
        self.tries = 0;
    }

    /// The push client took after all what is parked.
    pub(super) fn set_taken(&mut self, kind: NotificationKind) {
        self.set(parked_of(kind), false);
    }
}

fn done_of(kind: NotificationKind) -> EndedFlags {
    match kind {
        NotificationKind::Complete => ended_flag::COMPLETE_DONE,
        NotificationKind::Cancellation => ended_flag::CANCELLATION_DONE,
    }
}

/// The flag that says that this notification is parked.
pub fn parked_of(kind: NotificationKind) -> EndedFlags {
    match kind {
        NotificationKind::Complete => ended_flag::COMPLETE_PARKED,
        NotificationKind::Cancellation => ended_flag::CANCELLATION_PARKED,
    }
}

/// An ended push by its number, and where it stands as long as its client is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndedId {
    /// Its number.
    pub push_id: u64,
    index: u32,
}

/// A place: one cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Entry {
    push: EndedPush,
    /// The next of its msn and client, a ring; `NONE` while it stands in none. Of a free place, the
    /// next free one.
    next: u32,
    /// Of its client: the one that came before it, and the one that came after.
    older: u32,
    newer: u32,
}

const _: () = assert!(size_of::<Entry>() == 64);

/// A client's pushes, oldest first.
#[derive(Clone, Copy)]
struct ClientList {
    oldest: u32,
    newest: u32,
}

impl ClientList {
    const EMPTY: Self = Self { oldest: NONE, newest: NONE };
}

/// Entries that memory is taken for at a time.
const BLOCK: usize = 1024;
/// The number that a free place carries.
const NO_PUSH: u64 = u64::MAX;

/// The ended pushes of one shard that are due to be told.
pub(super) struct EndedPushes {
    blocks: Vec<Box<[Entry]>>,
    used: u32,
    free: u32,
    numbers: GrowingTable,
    rings: GrowingTable,
    lists: ByClient<ClientList>,
    shares: Shares,
    places: usize,
    /// Entries looked at to find those of an msn and client.
    #[cfg(test)]
    pub(super) steps: std::cell::Cell<u64>,
}

impl EndedPushes {
    /// So many places.
    pub(super) fn new(places: usize) -> Self {
        Self {
            blocks: Vec::new(),
            used: 0,
            free: NONE,
            numbers: GrowingTable::new(places),
            rings: GrowingTable::new(places),
            lists: ByClient::default(),
            shares: Shares::default(),
            places,
            #[cfg(test)]
            steps: std::cell::Cell::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shares.total()
    }

    pub(super) fn places(&self) -> usize {
        self.places
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.places
    }

    /// Whose oldest has to go so that this client gets a place.
    pub(super) fn gives_up(&self, asking: u16) -> Option<u32> {
        let client = self.shares.gives_up(asking)?;
        Some(self.lists[client].oldest)
    }

    /// The place of the push with this number.
    pub(super) fn find(&self, push_id: u64) -> Option<u32> {
        if self.len() == 0 {
            return None;
        }
        self.numbers.find(mix(push_id), |index| self[index].push_id == push_id)
    }

    /// As [`Self::find`], by where it stood when it was named.
    #[inline]
    pub(super) fn at(&self, id: EndedId) -> Option<u32> {
        (id.index < self.used && self[id.index].push_id == id.push_id).then_some(id.index)
    }

    pub(super) fn id(&self, index: u32) -> EndedId {
        EndedId { push_id: self[index].push_id, index }
    }

    /// How many places were ever used: every push stands in one below.
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    pub(super) fn live_at(&self, index: u32) -> Option<&EndedPush> {
        (index < self.used).then(|| &self[index]).filter(|push| push.push_id != NO_PUSH)
    }

    /// The places that are taken.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &EndedPush)> + '_ {
        (0..self.used).filter_map(|index| Some((index, self.live_at(index)?)))
    }

    /// Takes a push, the latest of its client; it stands in no ring yet. There is room.
    pub(super) fn insert(&mut self, push: EndedPush) -> u32 {
        assert!(!self.is_full(), "room is made before a push comes in");
        let index = self.take_place();
        *self.entry_mut(index) = Entry { push, next: NONE, older: NONE, newer: NONE };
        self.shares.add(push.client);
        self.link_newest(index);
        let Self { numbers, blocks, .. } = self;
        numbers.insert(mix(push.push_id), index, |index| {
            mix(blocks[index as usize / BLOCK][index as usize % BLOCK].push.push_id)
        });
        index
    }

    fn take_place(&mut self) -> u32 {
        if self.free != NONE {
            let index = self.free;
            self.free = self.entry(index).next;
            return index;
        }
        if self.used as usize == self.blocks.len() * BLOCK {
            self.blocks.push(vec![Entry::FREE; BLOCK].into());
        }
        self.used += 1;
        self.used - 1
    }

    /// Takes a push out; who is first in its ring now, if it was.
    pub(super) fn remove(&mut self, index: u32) -> (EndedPush, Option<u32>) {
        let push = self[index];
        let next = self.leave_ring(index);
        self.unlink(index);
        self.shares.take(push.client);
        let is_there = self.numbers.remove(mix(push.push_id), index);
        assert!(is_there, "a push is taken out once");
        *self.entry_mut(index) = Entry { next: self.free, ..Entry::FREE };
        self.free = index;
        (push, next)
    }

    /// Puts the push at the end of its ring; whether it is first.
    //= push notify in order
    pub(super) fn join_ring(&mut self, index: u32) -> bool {
        assert_eq!(self.entry(index).next, NONE, "a push stands in one ring");
        let ring = self[index].ring();
        let hash = ring.hash();
        let Some(last) = self.last_of(ring, hash) else {
            self.entry_mut(index).next = index;
            let Self { rings, blocks, .. } = self;
            rings.insert(hash, index, |index| {
                blocks[index as usize / BLOCK][index as usize % BLOCK].push.ring().hash()
            });
            return true;
        };
        self.entry_mut(index).next = std::mem::replace(&mut self.entry_mut(last).next, index);
        self.rings.replace(hash, last, index);
        false
    }

    /// Takes the push out of its ring, should it stand in one; who is first there now, if it was.
    /// Only the first ever leaves, unless the message center is broken on purpose: that costs the
    /// same however many there are.
    fn leave_ring(&mut self, index: u32) -> Option<u32> {
        let next = std::mem::replace(&mut self.entry_mut(index).next, NONE);
        if next == NONE {
            return None;
        }
        let ring = self[index].ring();
        let hash = ring.hash();
        if next == index {
            self.rings.remove(hash, index);
            return None;
        }
        let last = self.last_of(ring, hash)?;
        let mut before = if last == index { next } else { last };
        let was_first = last != index && self.entry(last).next == index;
        while self.entry(before).next != index {
            #[cfg(test)]
            self.steps.set(self.steps.get() + 1);
            before = self.entry(before).next;
        }
        self.entry_mut(before).next = next;
        if last == index {
            self.rings.replace(hash, index, before);
        }
        was_first.then_some(next)
    }

    fn last_of(&self, ring: Ring, hash: u64) -> Option<u32> {
        self.rings.find(hash, |index| {
            #[cfg(test)]
            self.steps.set(self.steps.get() + 1);
            self[index].ring() == ring
        })
    }

    /// At most `most` pushes of an msn and client, in their order, those of each door together.
    pub(super) fn of(&self, msn: Msn, client: u16, most: usize) -> Vec<u32> {
        let ring = |by_smpp| self.of_ring(Ring { msn, client, by_smpp }, most);
        let mut all = ring(false);
        all.extend(ring(true));
        all.truncate(most);
        all
    }

    fn of_ring(&self, ring: Ring, most: usize) -> Vec<u32> {
        let Some(last) = self.last_of(ring, ring.hash()) else { return Vec::new() };
        let mut all = vec![self.entry(last).next];
        while let Some(&index) = all.last().filter(|&&index| index != last) {
            all.push(self.entry(index).next);
            if all.len() > most {
                break;
            }
        }
        all.truncate(most);
        all
    }

    /// Puts the clients' lists in this order, which names all pushes; none stands in a ring.
    pub(super) fn reorder(&mut self, order: &[u32]) {
        for &index in order {
            self.unlink(index);
            self.link_newest(index);
        }
    }

    fn link_newest(&mut self, index: u32) {
        let client = self[index].client;
        self.lists.reach(client, ClientList::EMPTY);
        let newest = std::mem::replace(&mut self.lists[client].newest, index);
        let entry = self.entry_mut(index);
        (entry.older, entry.newer) = (newest, NONE);
        match newest {
            NONE => self.lists[client].oldest = index,
            newest => self.entry_mut(newest).newer = index,
        }
    }

    fn unlink(&mut self, index: u32) {
        let &Entry { older, newer, push: EndedPush { client, .. }, .. } = self.entry(index);
        match older {
            NONE => self.lists[client].oldest = newer,
            older => self.entry_mut(older).newer = newer,
        }
        match newer {
            NONE => self.lists[client].newest = older,
            newer => self.entry_mut(newer).older = older,
        }
    }

    fn entry(&self, index: u32) -> &Entry {
        &self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }

    fn entry_mut(&mut self, index: u32) -> &mut Entry {
        &mut self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }
}

impl Entry {
    const FREE: Self = Self {
        push: EndedPush {
            push_id: NO_PUSH,
            position: 0,
            end_number: 0,
            code: Code::EXPIRED,
            delivered_mask: 0,
            flags: EndedFlags::NONE,
            client: 0,
            msn: [0; 5],
            ended_ms: [0; 6],
            tp_status: 0,
            tries: 0,
            state: State::Expired,
            class: Class::Standard,
            segments: 1,
            domain: 0,
        },
        next: NONE,
        older: NONE,
        newer: NONE,
    };
}

impl std::ops::Index<u32> for EndedPushes {
    type Output = EndedPush;
    fn index(&self, index: u32) -> &EndedPush {
        &self.entry(index).push
    }
}

impl std::ops::IndexMut<u32> for EndedPushes {
    fn index_mut(&mut self, index: u32) -> &mut EndedPush {
        &mut self.entry_mut(index).push
    }
}

/// Whose notifications go out one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ring {
    msn: Msn,
    client: u16,
    by_smpp: bool,
}

impl Ring {
    fn hash(self) -> u64 {
        // An msn has 34 bits, a client 16.
        mix(u64::from(self.by_smpp) << 50 | u64::from(self.client) << 34 | self.msn.value())
    }
}

/// The pushes of which something is parked and nothing due, by their numbers.
#[derive(Default)]
pub(super) struct Parked {
    pushes: BTreeMap<u64, EndedPush>,
    shares: Shares,
}

impl Parked {
    pub(super) fn len(&self) -> usize {
        self.pushes.len()
    }

    pub(super) fn find(&self, push_id: u64) -> Option<&EndedPush> {
        self.pushes.get(&push_id)
    }

    pub(super) fn find_mut(&mut self, push_id: u64) -> Option<&mut EndedPush> {
        self.pushes.get_mut(&push_id)
    }

    /// Those from this number on, oldest first.
    pub(super) fn from(&self, push_id: u64) -> impl Iterator<Item = &EndedPush> + '_ {
        self.pushes.range(push_id..).map(|(_, push)| push)
    }

    pub(super) fn insert(&mut self, push: EndedPush) {
        self.shares.add(push.client);
        let before = self.pushes.insert(push.push_id, push);
        assert!(before.is_none(), "a push is parked once");
    }

    pub(super) fn remove(&mut self, push_id: u64) -> Option<EndedPush> {
        let push = self.pushes.remove(&push_id)?;
        self.shares.take(push.client);
        Some(push)
    }

    /// Whether this client has most of what is parked, or more than half as much.
    pub(super) fn are_mostly_of(&self, client: u16) -> bool {
        self.shares.gives_up(client) == Some(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smsc::pushes::flag;
    use std::collections::VecDeque;

    fn ended(push_id: u64, msn: u64, client: u16) -> EndedPush {
        let mut push = Push { push_id, client, flags: flag::WANTS_NOTIFICATION, ..Push::EMPTY };
        push.set_msn(Msn::from_value(msn).expect("a legal msn"));
        push.set_ended(State::Delivered, Code::ACCEPTED, CenterMs::new(push_id), 0);
        EndedPush::of(&push)
    }

    #[test]
    fn a_push_that_ended_says_the_same_as_before() {
        let push = ended(7, 9_999_999_999, 3);
        assert_eq!((push.push_id, push.msn().value(), push.ended_ms().ms()), (7, 9_999_999_999, 7));
        assert_eq!((push.state, push.due()), (State::Delivered, Some(NotificationKind::Complete)));
    }

    /// The places beside lists of the obvious kind: one for each msn and client, and one for each
    /// client.
    #[test]
    fn the_rings_and_the_clients_lists_do_what_lists_do() {
        const PLACES: usize = 3_000;
        let mut places = EndedPushes::new(PLACES);
        let mut rings: BTreeMap<(u64, u16), VecDeque<u64>> = BTreeMap::new();
        let mut lists: BTreeMap<u16, VecDeque<u64>> = BTreeMap::new();
        let mut random = 17u64;
        for step in 0..60_000u64 {
            random = mix(random.wrapping_add(1));
            let (msn, client) = (9_000_000_000 + random % 7, (random >> 16) as u16 % 5);
            let ring = rings.entry((msn, client)).or_default();
            // Floods and lulls.
            if (random >> 32) % 100 < [70, 40][(step >> 13 & 1) as usize] && !places.is_full() {
                let index = places.insert(ended(step, msn, client));
                assert_eq!(places.join_ring(index), ring.is_empty(), "step {step}");
                assert_eq!(places.at(places.id(index)), Some(index));
                ring.push_back(step);
                lists.entry(client).or_default().push_back(step);
            } else if let Some(first) = ring.pop_front() {
                let index = places.find(first).expect("it stands here");
                let id = places.id(index);
                let (push, next) = places.remove(index);
                assert_eq!(push.push_id, first);
                assert_eq!(
                    next.map(|next| places[next].push_id),
                    ring.front().copied(),
                    "step {step}"
                );
                assert_eq!((places.at(id), places.find(first)), (None, None));
                lists.entry(client).or_default().retain(|&other| other != first);
            }
            let of_ring = places.of(Msn::from_value(msn).expect("legal"), client, PLACES);
            if step % 16 == 0 {
                assert!(
                    of_ring
                        .iter()
                        .map(|&index| places[index].push_id)
                        .eq(rings[&(msn, client)].iter().copied())
                );
            }
            assert_eq!(places.len(), lists.values().map(VecDeque::len).sum::<usize>());
            let most = lists.values().map(VecDeque::len).max().unwrap_or(0);
            if let Some(index) = places.gives_up(client) {
                let (push_id, client) = (places[index].push_id, places[index].client);
                assert_eq!(lists[&client].front(), Some(&push_id), "step {step}");
                assert!(lists[&client].len() * 2 > most || most < 16, "step {step}");
            }
        }
        assert_eq!(places.iter().count(), places.len());
    }
}
