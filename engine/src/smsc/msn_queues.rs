//! One queue per msn, in order: the pushes that wait, and the ended ones whose notifications are due.
//!
//! Both are intrusive lists over the slab; a push is in exactly one of them. The waiting list's head is the
//! only push of its msn that may have an attempt under way.

use crate::ids::{Class, Msn};
use crate::smsc::pushes::{NONE, Push, PushIndex, Pushes};
use crate::smsc::state::State;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Spreads msns, which are dense and sequential, over 64 bits.
#[derive(Default, Clone, Copy)]
pub struct MsnHasher(u64);

impl Hasher for MsnHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only msns are hashed here");
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = mix(value);
    }
}

/// A 64-bit finaliser (two multiply-xorshift rounds): every input bit reaches every output bit.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 29)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    value ^ (value >> 32)
}

#[derive(Clone, Copy)]
struct List {
    head: PushIndex,
    tail: PushIndex,
}

const EMPTY: List = List { head: NONE, tail: NONE };

#[derive(Clone, Copy)]
struct MsnQueue {
    waiting: List,
    notifying: List,
    waiting_count: u32,
}

/// The queues of one shard's slice of msn space.
#[derive(Default)]
pub struct MsnQueues {
    queues: HashMap<u64, MsnQueue, BuildHasherDefault<MsnHasher>>,
}

impl MsnQueues {
    /// Pushes of `msn` that have not ended.
    pub fn waiting(&self, msn: Msn) -> u32 {
        self.queues.get(&msn.value()).map_or(0, |queue| queue.waiting_count)
    }

    /// The push of `msn` whose turn it is.
    pub fn head(&self, msn: Msn) -> Option<PushIndex> {
        self.queues.get(&msn.value()).map(|queue| queue.waiting.head).filter(|&head| head != NONE)
    }

    /// The push behind `index` in its msn's waiting list.
    pub fn behind(&self, pushes: &Pushes, index: PushIndex) -> Option<PushIndex> {
        Some(pushes[index].next_in_msn).filter(|&next| next != NONE)
    }

    /// Puts `index` at the end of its msn's waiting list.
    pub fn push_back(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let queue = self.queue(pushes[index].msn);
        queue.waiting_count += 1;
        append(pushes, &mut queue.waiting, index);
    }

    /// Puts an emergency push in front of its msn's other pushes: behind a head whose attempt is under way and
    /// behind the emergency pushes that came before. O(emergency pushes that wait for the msn).
    pub fn push_front(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let queue = self.queue(pushes[index].msn);
        queue.waiting_count += 1;
        insert_behind(pushes, &mut queue.waiting, index, |push, is_head| {
            push.class == Class::Emergency || (is_head && push.state == State::InFlight)
        });
    }

    /// A head whose attempt has failed steps behind the emergency pushes that came meanwhile; `false` when there is
    /// none.
    pub fn let_emergencies_pass(&mut self, pushes: &mut Pushes, head: PushIndex) -> bool {
        let next = pushes[head].next_in_msn;
        if next == NONE || pushes[head].class == Class::Emergency || pushes[next].class != Class::Emergency {
            return false;
        }
        let list = &mut self.queue(pushes[head].msn).waiting;
        assert_eq!(list.head, head, "only the head of a queue is ever attempted");
        list.head = next;
        insert_behind(pushes, list, head, |push, _| push.class == Class::Emergency);
        true
    }

    /// Takes `index` out of the waiting list and puts it at the end of the notification list.
    pub fn move_to_notifying(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let queue = self.queue(pushes[index].msn);
        unlink(pushes, &mut queue.waiting, index);
        queue.waiting_count -= 1;
        append(pushes, &mut queue.notifying, index);
    }

    /// Puts an ended push that is in no list at the end of its msn's notification list.
    pub fn push_notifying(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let queue = self.queue(pushes[index].msn);
        append(pushes, &mut queue.notifying, index);
    }

    /// The ended push of `msn` whose notification comes first among the client's: a push client that takes none
    /// does not hold up another client's for the same phone.
    pub fn first_notifying(&self, pushes: &Pushes, msn: Msn, client: u32) -> Option<PushIndex> {
        let mut index = self.queues.get(&msn.value())?.notifying.head;
        while index != NONE && pushes[index].client != client {
            index = pushes[index].next_in_msn;
        }
        (index != NONE).then_some(index)
    }

    /// At most `most` pushes of `msn`: those that wait, in their order, then those whose notifications are due.
    pub fn pushes_of(&self, pushes: &Pushes, msn: Msn, most: usize) -> Vec<PushIndex> {
        let Some(queue) = self.queues.get(&msn.value()) else { return Vec::new() };
        let mut found = Vec::new();
        for mut index in [queue.waiting.head, queue.notifying.head] {
            while index != NONE && found.len() < most {
                found.push(index);
                index = pushes[index].next_in_msn;
            }
        }
        found
    }

    /// Takes `index` out of the notification list; the msn's entry goes when nothing is left of it.
    pub fn remove_notifying(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let msn = pushes[index].msn;
        let queue = self.queue(msn);
        unlink(pushes, &mut queue.notifying, index);
        if queue.waiting.head == NONE && queue.notifying.head == NONE {
            self.queues.remove(&msn.value());
        }
    }

    /// Msns with anything waiting or to be notified.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// Whether no msn has anything.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    fn queue(&mut self, msn: Msn) -> &mut MsnQueue {
        self.queues.entry(msn.value()).or_insert(MsnQueue {
            waiting: EMPTY,
            notifying: EMPTY,
            waiting_count: 0,
        })
    }
}

fn append(pushes: &mut Pushes, list: &mut List, index: PushIndex) {
    pushes[index].next_in_msn = NONE;
    if list.tail == NONE {
        list.head = index;
    } else {
        pushes[list.tail].next_in_msn = index;
    }
    list.tail = index;
}

/// Puts `index` behind the first pushes of the list for which `stays_in_front` holds; it is told of each whether it
/// is the head.
fn insert_behind(
    pushes: &mut Pushes,
    list: &mut List,
    index: PushIndex,
    stays_in_front: impl Fn(&Push, bool) -> bool,
) {
    let mut before = NONE;
    let mut next = list.head;
    while next != NONE && stays_in_front(&pushes[next], before == NONE) {
        before = next;
        next = pushes[next].next_in_msn;
    }
    pushes[index].next_in_msn = next;
    if before == NONE {
        list.head = index;
    } else {
        pushes[before].next_in_msn = index;
    }
    if next == NONE {
        list.tail = index;
    }
}

/// O(position in the list); a list is bounded by `waiting_per_msn_max`.
fn unlink(pushes: &mut Pushes, list: &mut List, index: PushIndex) {
    let next = pushes[index].next_in_msn;
    if list.head == index {
        list.head = next;
        if next == NONE {
            list.tail = NONE;
        }
        return;
    }
    let mut before = list.head;
    while pushes[before].next_in_msn != index {
        before = pushes[before].next_in_msn;
        assert!(before != NONE, "the push is not in its msn's list");
    }
    pushes[before].next_in_msn = next;
    if list.tail == index {
        list.tail = before;
    }
}
