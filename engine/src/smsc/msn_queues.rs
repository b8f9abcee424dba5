//! One queue per msn, in order: the pushes that wait, and the ended ones whose notifications are due.
//!
//! Both are intrusive lists over the slab; a push is in exactly one of them. The waiting list's head is the
//! only push of its msn that may have an attempt under way.

use crate::ids::Msn;
use crate::smsc::pushes::{NONE, PushIndex, Pushes};
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

    /// Puts `index` at the end of its msn's waiting list.
    pub fn push_back(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let queue = self.queue(pushes[index].msn);
        queue.waiting_count += 1;
        append(pushes, &mut queue.waiting, index);
    }

    /// Puts `index` at the front, behind the head if `behind_head` (an attempt of the head is under way).
    pub fn push_front(&mut self, pushes: &mut Pushes, index: PushIndex, behind_head: bool) {
        let queue = self.queue(pushes[index].msn);
        queue.waiting_count += 1;
        let list = &mut queue.waiting;
        if behind_head && list.head != NONE {
            let head = list.head;
            pushes[index].next_in_msn = pushes[head].next_in_msn;
            pushes[head].next_in_msn = index;
            if list.tail == head {
                list.tail = index;
            }
        } else {
            pushes[index].next_in_msn = list.head;
            list.head = index;
            if list.tail == NONE {
                list.tail = index;
            }
        }
    }

    /// Takes `index` out of the waiting list and puts it at the end of the notification list.
    pub fn move_to_notifying(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let queue = self.queue(pushes[index].msn);
        unlink(pushes, &mut queue.waiting, index);
        queue.waiting_count -= 1;
        append(pushes, &mut queue.notifying, index);
    }

    /// The ended push of `msn` whose notification comes first.
    pub fn notifying_head(&self, msn: Msn) -> Option<PushIndex> {
        self.queues.get(&msn.value()).map(|queue| queue.notifying.head).filter(|&head| head != NONE)
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
