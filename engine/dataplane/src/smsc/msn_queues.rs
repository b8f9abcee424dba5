//! One queue per msn, in order: the pushes that have not ended. Its head is the only push of its
//! msn that may have an attempt under way.
//!
//! A queue is a list through the slab, a ring: the last push points to the first. One table of
//! indices has each queue's last push, so a queue costs five octets and its name stands in the slab
//! alone.

use crate::smsc::index_table::{IndexTable, TablePlace};
use crate::smsc::pushes::{NONE, Push, PushIndex, Pushes};
use crate::smsc::state::State;
use wire::terms::ids::{Class, Msn};
use wire::terms::mix::mix;

/// Pushes of an msn that are looked at to count one client's.
const COUNTED_MAX: usize = 1_024;

/// A list that has pushes: where the table has it, and its last push.
#[derive(Clone, Copy)]
struct Found {
    place: TablePlace,
    last: PushIndex,
}

/// The queues of one shard's slice of msn space.
pub struct MsnQueues {
    lists: IndexTable,
}

fn hash_of(msn: Msn) -> u64 {
    // Not the hash that chose the shard: that one's high bits are alike here.
    mix(msn.value() << 1)
}

impl MsnQueues {
    /// Queues for a slab of `pushes_max`.
    pub fn new(pushes_max: usize) -> Self {
        Self { lists: IndexTable::new(pushes_max, pushes_max) }
    }

    /// See [`IndexTable::prefetch`].
    #[inline]
    pub fn prefetch(&self, msn: Msn) {
        self.lists.prefetch(hash_of(msn));
    }

    /// Pushes of `msn` that have not ended.
    pub fn waiting(&self, pushes: &Pushes, msn: Msn) -> u32 {
        self.find(pushes, msn).map_or(0, |list| u32::from(pushes[list.last].waiting_count()))
    }

    /// As [`Self::waiting`], of one push client, among the first `COUNTED_MAX`.
    pub fn waiting_of(&self, pushes: &Pushes, msn: Msn, client: u16) -> usize {
        let Some(Found { last, .. }) = self.find(pushes, msn) else { return 0 };
        let (mut index, mut count) = (last, 0);
        for _ in 0..COUNTED_MAX {
            index = pushes[index].next_in_msn;
            count += usize::from(pushes[index].client == client);
            if index == last {
                break;
            }
        }
        count
    }

    /// The push of `msn` whose turn it is.
    pub fn head(&self, pushes: &Pushes, msn: Msn) -> Option<PushIndex> {
        self.find(pushes, msn).map(|list| pushes[list.last].next_in_msn)
    }

    /// Whether it is the turn of `index` among its msn's waiting pushes.
    pub fn is_head(&self, pushes: &Pushes, index: PushIndex) -> bool {
        let push = &pushes[index];
        if push.state.is_final() {
            return false;
        }
        // Alone in its ring: nothing to be looked up.
        push.next_in_msn == index || self.head(pushes, push.msn()) == Some(index)
    }

    /// The push behind `index` in its msn's waiting list.
    pub fn behind(&self, pushes: &Pushes, index: PushIndex) -> Option<PushIndex> {
        let next = pushes[index].next_in_msn;
        // Behind the last one the ring begins again.
        (next != index && self.head(pushes, pushes[index].msn()) != Some(next)).then_some(next)
    }

    /// Puts `index` at the end of its msn's waiting list.
    //= delivery queue
    pub fn push_back(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let Some(Found { place, last }) = self.find(pushes, pushes[index].msn()) else {
            return self.begin(pushes, index);
        };
        pushes[index].next_in_msn = pushes[last].next_in_msn;
        pushes[last].next_in_msn = index;
        let count = pushes[last].waiting_count() + 1;
        pushes[index].set_waiting_count(count);
        self.lists.replace(place, index);
    }

    /// Puts an emergency push in front of its msn's other pushes: behind a head whose attempt is
    /// under way and behind the emergency pushes that came before. O(emergency pushes that wait for
    /// the msn).
    pub fn push_front(&mut self, pushes: &mut Pushes, index: PushIndex) {
        self.insert_behind(pushes, index, |push, is_head| {
            push.class == Class::Emergency || (is_head && push.state == State::InFlight)
        });
    }

    /// A head whose attempt has failed steps behind the emergency pushes that came meanwhile;
    /// `false` when there is none.
    //= delivery queue
    pub fn let_emergencies_pass(&mut self, pushes: &mut Pushes, head: PushIndex) -> bool {
        let next = pushes[head].next_in_msn;
        if next == head
            || pushes[head].class == Class::Emergency
            || pushes[next].class != Class::Emergency
        {
            return false;
        }
        assert!(self.is_head(pushes, head), "only the head of a queue is ever attempted");
        self.unlink(pushes, head);
        self.insert_behind(pushes, head, |push, _| push.class == Class::Emergency);
        true
    }

    /// Takes a push out of its msn's queue; whose turn it is there then.
    pub fn remove(&mut self, pushes: &mut Pushes, index: PushIndex) -> Option<PushIndex> {
        self.unlink(pushes, index)
    }

    fn find(&self, pushes: &Pushes, msn: Msn) -> Option<Found> {
        let place = self.lists.find(hash_of(msn), |index| pushes[index].msn() == msn)?;
        Some(Found { place, last: self.lists.index_at(place) })
    }

    /// `index` is alone.
    fn begin(&mut self, pushes: &mut Pushes, index: PushIndex) {
        pushes[index].next_in_msn = index;
        pushes[index].set_waiting_count(1);
        self.lists.insert(hash_of(pushes[index].msn()), index);
    }

    /// Puts `index` into the waiting list behind the first pushes for which `stays_in_front` holds;
    /// it is told of each whether it is the head.
    fn insert_behind(
        &mut self,
        pushes: &mut Pushes,
        index: PushIndex,
        stays_in_front: impl Fn(&Push, bool) -> bool,
    ) {
        let Some(Found { place, last }) = self.find(pushes, pushes[index].msn()) else {
            return self.begin(pushes, index);
        };
        let head = pushes[last].next_in_msn;
        let mut before = last;
        let mut next = head;
        while stays_in_front(&pushes[next], next == head) {
            before = next;
            next = pushes[next].next_in_msn;
            if next == head {
                break;
            }
        }
        pushes[index].next_in_msn = next;
        pushes[before].next_in_msn = index;
        let count = pushes[last].waiting_count() + 1;
        // Behind the last one, and not in front of the first: the ring looks the same.
        let is_last = before == last && stays_in_front(&pushes[last], last == head);
        let last = if is_last { index } else { last };
        pushes[last].set_waiting_count(count);
        self.lists.replace(place, last);
    }

    /// Takes `index` out of its list; the first of those that are left. O(position in the list); a
    /// list is bounded by `waiting_per_msn_max`.
    fn unlink(&mut self, pushes: &mut Pushes, index: PushIndex) -> Option<PushIndex> {
        let msn = pushes[index].msn();
        let Some(Found { place, last }) = self.find(pushes, msn) else {
            unreachable!("a push that is taken out of its msn's list stands in it");
        };
        if pushes[index].next_in_msn == index {
            assert_eq!(last, index, "a push alone in its ring is the list");
            self.lists.remove(hash_of(msn), place);
            pushes[index].next_in_msn = NONE;
            return None;
        }
        let mut before = last;
        while pushes[before].next_in_msn != index {
            before = pushes[before].next_in_msn;
            assert!(before != last, "the push is not in its msn's list");
        }
        pushes[before].next_in_msn = pushes[index].next_in_msn;
        pushes[index].next_in_msn = NONE;
        let count = pushes[last].waiting_count();
        let last = if last == index { before } else { last };
        pushes[last].set_waiting_count(count - 1);
        self.lists.replace(place, last);
        Some(pushes[last].next_in_msn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, VecDeque};
    use wire::terms::code::Code;
    use wire::terms::time::CenterMs;

    const PUSHES: usize = 64;

    /// The queues, and beside them lists of the obvious kind, one for each msn.
    struct Model {
        pushes: Pushes,
        queues: MsnQueues,
        lists: BTreeMap<u64, VecDeque<PushIndex>>,
    }

    impl Model {
        fn list(&mut self, msn: Msn) -> &mut VecDeque<PushIndex> {
            self.lists.entry(msn.value()).or_default()
        }

        fn add(&mut self, msn: Msn, class: Class, client: u16) {
            let mut push = Push { class, client, ..Push::EMPTY };
            push.set_msn(msn);
            let index = self.pushes.insert(push).expect("room");
            let list = self.lists.entry(msn.value()).or_default();
            if class != Class::Emergency {
                list.push_back(index);
                self.queues.push_back(&mut self.pushes, index);
                return;
            }
            let pushes = &self.pushes;
            let in_front = |(at, index): &(usize, &PushIndex)| {
                pushes[**index].class == Class::Emergency
                    || *at == 0 && pushes[**index].state == State::InFlight
            };
            let at = list.iter().enumerate().take_while(in_front).count();
            list.insert(at, index);
            self.queues.push_front(&mut self.pushes, index);
        }

        /// The first one's attempt failed: emergencies behind it go first.
        fn let_pass(&mut self, msn: Msn) {
            let list = self.lists.entry(msn.value()).or_default();
            let Some(&head) = list.front() else { return };
            self.pushes[head].state = State::InFlight;
            let passed = self.queues.let_emergencies_pass(&mut self.pushes, head);
            let pushes = &mut self.pushes;
            let is_emergency = |index: PushIndex| pushes[index].class == Class::Emergency;
            let count = list.iter().skip(1).take_while(|&&next| is_emergency(next)).count();
            assert_eq!(passed, !is_emergency(head) && count > 0);
            if passed {
                list.pop_front();
                list.insert(count, head);
                pushes[head].state = State::Queued;
            }
        }

        fn remove(&mut self, msn: Msn, random: u64) {
            let list = self.list(msn);
            let Some(&index) = list.get(random as usize % list.len().max(1)) else { return };
            list.retain(|&other| other != index);
            let next = list.front().copied();
            assert_eq!(self.queues.remove(&mut self.pushes, index), next);
            self.pushes[index].set_ended(State::Expired, Code::EXPIRED, CenterMs::new(1), 0);
            assert!(!self.queues.is_head(&self.pushes, index));
            self.pushes.remove(index);
        }

        fn check(&mut self, msn: Msn, step: u32) {
            let list = self.list(msn).clone();
            let Self { pushes, queues, .. } = self;
            assert_eq!(queues.waiting(pushes, msn) as usize, list.len(), "step {step}");
            assert_eq!(queues.head(pushes, msn), list.front().copied(), "step {step}");
            for (at, &index) in list.iter().enumerate() {
                let next = list.get(at + 1).copied();
                assert_eq!(queues.is_head(pushes, index), at == 0, "step {step}");
                assert_eq!(queues.behind(pushes, index), next, "step {step}");
            }
        }
    }

    //= delivery queue
    #[test]
    fn the_queues_do_what_lists_do() {
        let mut model = Model {
            pushes: Pushes::with_capacity(PUSHES),
            queues: MsnQueues::new(PUSHES),
            lists: BTreeMap::new(),
        };
        let mut random = 11u64;
        for step in 0..40_000 {
            random = mix(random.wrapping_add(1));
            let msn = Msn::from_value(9_000_000_000 + random % 5).expect("legal");
            let urgent = random >> 16 & 3 == 0;
            let class = if urgent { Class::Emergency } else { Class::Standard };
            match random >> 8 & 7 {
                0..=3 if !model.pushes.is_full() => {
                    model.add(msn, class, (random >> 20 & 1) as u16);
                }
                4 => model.let_pass(msn),
                _ => model.remove(msn, random >> 40),
            }
            model.check(msn, step);
        }
    }
}
