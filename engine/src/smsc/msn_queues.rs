//! One queue per msn, in order: the pushes that wait; and one per msn and push client: the ended ones whose notifications
//! are due.
//!
//! Both are intrusive lists over the slab; a push is in at most one of them. The waiting list's head is the
//! only push of its msn that may have an attempt under way.
//!
//! A list is a ring: the last push points to the first. One table of indices has each list's last push, so a list costs
//! five octets and its name stands in the slab alone. What a client that takes no notifications leaves behind is nobody
//! else's list: it costs others nothing.

use crate::smsc::index_table::{IndexTable, Place};
use crate::smsc::pushes::{NONE, Push, PushIndex, Pushes, flag};
use crate::smsc::state::State;
use wire::terms::ids::{Class, Msn};
use wire::terms::mix::mix;

/// Pushes of an msn that are looked at to count one client's.
const COUNTED_MAX: usize = 1_024;

/// The lists of an msn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Waiting,
    /// Of this push client.
    //= push notify in order
    Notifying(u16),
}

impl Kind {
    /// The notification list in which this push stands or belongs.
    fn notifying(push: &Push) -> Self {
        Self::Notifying(push.client)
    }
}

/// A list that has pushes: where the table has it, and its last push.
#[derive(Clone, Copy)]
struct Found {
    place: Place,
    last: PushIndex,
}

/// The queues of one shard's slice of msn space.
pub struct MsnQueues {
    lists: IndexTable,
    /// Pushes looked at.
    #[cfg(test)]
    pub(super) steps: std::cell::Cell<u64>,
}

fn hash_of(msn: Msn, kind: Kind) -> u64 {
    // Not the hash that chose the shard: that one's high bits are alike here.
    mix(match kind {
        Kind::Waiting => msn.value() << 1,
        // The msn has 34 bits.
        Kind::Notifying(client) => u64::from(client) << 35 | msn.value() << 1 | 1,
    })
}

impl MsnQueues {
    /// Queues for a slab of `pushes_max`.
    pub fn new(pushes_max: usize) -> Self {
        Self {
            lists: IndexTable::new(pushes_max, pushes_max),
            #[cfg(test)]
            steps: std::cell::Cell::new(0),
        }
    }

    /// See [`IndexTable::prefetch`].
    #[inline]
    pub fn prefetch(&self, msn: Msn) {
        self.lists.prefetch(hash_of(msn, Kind::Waiting));
    }

    /// Pushes of `msn` that have not ended.
    pub fn waiting(&self, pushes: &Pushes, msn: Msn) -> u32 {
        self.find(pushes, msn, Kind::Waiting).map_or(0, |list| u32::from(pushes[list.last].waiting_count()))
    }

    /// As [`Self::waiting`], of one push client, among the first `COUNTED_MAX`.
    pub fn waiting_of(&self, pushes: &Pushes, msn: Msn, client: u16) -> usize {
        let Some(Found { last, .. }) = self.find(pushes, msn, Kind::Waiting) else { return 0 };
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
        self.find(pushes, msn, Kind::Waiting).map(|list| pushes[list.last].next_in_msn)
    }

    /// Whether it is the turn of `index` among its msn's waiting pushes.
    pub fn is_head(&self, pushes: &Pushes, index: PushIndex) -> bool {
        let push = &pushes[index];
        if push.has(flag::IN_NOTIFYING) {
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
        self.append(pushes, Kind::Waiting, index);
    }

    /// Puts an emergency push in front of its msn's other pushes: behind a head whose attempt is under way and
    /// behind the emergency pushes that came before. O(emergency pushes that wait for the msn).
    pub fn push_front(&mut self, pushes: &mut Pushes, index: PushIndex) {
        self.insert_behind(pushes, index, |push, is_head| {
            push.class == Class::Emergency || (is_head && push.state == State::InFlight)
        });
    }

    /// A head whose attempt has failed steps behind the emergency pushes that came meanwhile; `false` when there is
    /// none.
    //= delivery queue
    pub fn let_emergencies_pass(&mut self, pushes: &mut Pushes, head: PushIndex) -> bool {
        let next = pushes[head].next_in_msn;
        if next == head || pushes[head].class == Class::Emergency || pushes[next].class != Class::Emergency {
            return false;
        }
        assert!(self.is_head(pushes, head), "only the head of a queue is ever attempted");
        self.unlink(pushes, Kind::Waiting, head);
        self.insert_behind(pushes, head, |push, _| push.class == Class::Emergency);
        true
    }

    /// Takes `index` out of the waiting list and puts it at the end of the notification list.
    pub fn move_to_notifying(&mut self, pushes: &mut Pushes, index: PushIndex) {
        self.unlink(pushes, Kind::Waiting, index);
        self.append(pushes, Kind::notifying(&pushes[index]), index);
    }

    /// Puts an ended push that is in no list at the end of its notification list.
    pub fn push_notifying(&mut self, pushes: &mut Pushes, index: PushIndex) {
        self.append(pushes, Kind::notifying(&pushes[index]), index);
    }

    /// The ended push that comes first among those of `like`'s msn and push client: a client that takes none does not
    /// hold up another client's for the same phone.
    pub fn first_notifying(&self, pushes: &Pushes, like: PushIndex) -> Option<PushIndex> {
        let (msn, client) = (pushes[like].msn(), pushes[like].client);
        if pushes[like].has(flag::IN_NOTIFYING) && pushes[like].next_in_msn == like {
            return Some(like);
        }
        self.first_notifying_of(pushes, msn, client)
    }

    /// As [`Self::first_notifying`], of a push that has left.
    pub(super) fn first_notifying_of(&self, pushes: &Pushes, msn: Msn, client: u16) -> Option<PushIndex> {
        self.find(pushes, msn, Kind::Notifying(client)).map(|list| pushes[list.last].next_in_msn)
    }

    /// At most `most` pushes of `msn`: those that wait, in their order, then those of each of `clients` whose notifications
    /// are due.
    pub fn pushes_of(
        &self,
        pushes: &Pushes,
        msn: Msn,
        clients: impl Iterator<Item = u16>,
        most: usize,
    ) -> Vec<PushIndex> {
        let mut found = Vec::new();
        for kind in std::iter::once(Kind::Waiting).chain(clients.map(Kind::Notifying)) {
            let Some(Found { last, .. }) = self.find(pushes, msn, kind) else { continue };
            let mut index = last;
            while found.len() < most {
                index = pushes[index].next_in_msn;
                found.push(index);
                if index == last {
                    break;
                }
            }
        }
        found
    }

    /// Takes `index` out of the notification list; the list's entry goes when nothing is left of it.
    pub fn remove_notifying(&mut self, pushes: &mut Pushes, index: PushIndex) {
        self.unlink(pushes, Kind::notifying(&pushes[index]), index);
        pushes[index].set(flag::IN_NOTIFYING, false);
    }

    fn find(&self, pushes: &Pushes, msn: Msn, kind: Kind) -> Option<Found> {
        let is = |index| {
            #[cfg(test)]
            self.steps.set(self.steps.get() + 1);
            let push: &Push = &pushes[index];
            let is_kind = match kind {
                Kind::Waiting => !push.has(flag::IN_NOTIFYING),
                Kind::Notifying(client) => push.has(flag::IN_NOTIFYING) && push.client == client,
            };
            push.msn() == msn && is_kind
        };
        let place = self.lists.find(hash_of(msn, kind), is)?;
        Some(Found { place, last: self.lists.index_at(place) })
    }

    fn append(&mut self, pushes: &mut Pushes, kind: Kind, index: PushIndex) {
        let msn = pushes[index].msn();
        let found = self.find(pushes, msn, kind);
        pushes[index].set(flag::IN_NOTIFYING, kind != Kind::Waiting);
        let Some(Found { place, last }) = found else { return self.begin(pushes, kind, index) };
        pushes[index].next_in_msn = pushes[last].next_in_msn;
        pushes[last].next_in_msn = index;
        if kind == Kind::Waiting {
            let count = pushes[last].waiting_count() + 1;
            pushes[index].set_waiting_count(count);
        }
        self.lists.replace(place, index);
    }

    /// `index` is alone.
    fn begin(&mut self, pushes: &mut Pushes, kind: Kind, index: PushIndex) {
        pushes[index].next_in_msn = index;
        if kind == Kind::Waiting {
            pushes[index].set_waiting_count(1);
        }
        self.lists.insert(hash_of(pushes[index].msn(), kind), index);
    }

    /// Puts `index` into the waiting list behind the first pushes for which `stays_in_front` holds; it is told of each
    /// whether it is the head.
    fn insert_behind(
        &mut self,
        pushes: &mut Pushes,
        index: PushIndex,
        stays_in_front: impl Fn(&Push, bool) -> bool,
    ) {
        let Some(Found { place, last }) = self.find(pushes, pushes[index].msn(), Kind::Waiting) else {
            return self.begin(pushes, Kind::Waiting, index);
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

    /// O(position in the list); a list is bounded by `waiting_per_msn_max`.
    fn unlink(&mut self, pushes: &mut Pushes, kind: Kind, index: PushIndex) {
        let msn = pushes[index].msn();
        let Some(Found { place, last }) = self.find(pushes, msn, kind) else {
            unreachable!("a push that is taken out of its msn's list stands in it");
        };
        if pushes[index].next_in_msn == index {
            assert_eq!(last, index, "a push alone in its ring is the list");
            self.lists.remove(hash_of(msn, kind), place);
            pushes[index].next_in_msn = NONE;
            return;
        }
        let mut before = last;
        while pushes[before].next_in_msn != index {
            #[cfg(test)]
            self.steps.set(self.steps.get() + 1);
            before = pushes[before].next_in_msn;
            assert!(before != last, "the push is not in its msn's list");
        }
        pushes[before].next_in_msn = pushes[index].next_in_msn;
        pushes[index].next_in_msn = NONE;
        let count = pushes[last].waiting_count();
        let last = if last == index { before } else { last };
        if kind == Kind::Waiting {
            pushes[last].set_waiting_count(count - 1);
        }
        self.lists.replace(place, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, VecDeque};

    #[derive(Default)]
    struct Model {
        waiting: VecDeque<PushIndex>,
        notifying: [VecDeque<PushIndex>; 2],
    }

    /// The queues beside lists of the obvious kind, for each msn and client.
    //= delivery queue
    #[test]
    fn the_queues_do_what_lists_do() {
        const PUSHES: usize = 64;
        let mut pushes = Pushes::with_capacity(PUSHES);
        let mut queues = MsnQueues::new(PUSHES);
        let mut models: BTreeMap<u64, Model> = BTreeMap::new();
        let mut random = 11u64;
        for step in 0..40_000 {
            random = mix(random.wrapping_add(1));
            let msn = Msn::from_value(9_000_000_000 + random % 5).expect("legal");
            let model = models.entry(msn.value()).or_default();
            let any =
                |list: &VecDeque<PushIndex>| list.get((random >> 40) as usize % list.len().max(1)).copied();
            match random >> 8 & 7 {
                0..=3 if !pushes.is_full() => {
                    let class = if random >> 16 & 3 == 0 { Class::Emergency } else { Class::Standard };
                    let mut push = Push { class, client: (random >> 20 & 1) as u16, ..Push::EMPTY };
                    push.set_msn(msn);
                    let index = pushes.insert(push).expect("room");
                    if class == Class::Emergency {
                        let in_front = |(at, index): &(usize, &PushIndex)| {
                            pushes[**index].class == Class::Emergency
                                || *at == 0 && pushes[**index].state == State::InFlight
                        };
                        let at = model.waiting.iter().enumerate().take_while(in_front).count();
                        model.waiting.insert(at, index);
                        queues.push_front(&mut pushes, index);
                    } else {
                        model.waiting.push_back(index);
                        queues.push_back(&mut pushes, index);
                    }
                }
                4 => {
                    if let Some(&head) = model.waiting.front() {
                        pushes[head].state = State::InFlight;
                        let passed = queues.let_emergencies_pass(&mut pushes, head);
                        let standard = pushes[head].class != Class::Emergency;
                        let emergencies = model.waiting.iter().skip(1);
                        let count =
                            emergencies.take_while(|&&next| pushes[next].class == Class::Emergency).count();
                        assert_eq!(passed, standard && count > 0, "step {step}");
                        if passed {
                            model.waiting.pop_front();
                            model.waiting.insert(count, head);
                            pushes[head].state = State::Queued;
                        }
                    }
                }
                5 | 6 => {
                    if let Some(index) = any(&model.waiting) {
                        model.waiting.retain(|&other| other != index);
                        model.notifying[usize::from(pushes[index].client)].push_back(index);
                        pushes[index].set_ended(State::Expired, wire::terms::code::Code::EXPIRED, 1, 0);
                        queues.move_to_notifying(&mut pushes, index);
                        pushes[index].set_content_digest(u64::MAX);
                    }
                }
                _ => {
                    let client = (random >> 20 & 1) as usize;
                    if let Some(index) = any(&model.notifying[client]) {
                        model.notifying[client].retain(|&other| other != index);
                        queues.remove_notifying(&mut pushes, index);
                        assert_eq!(pushes[index].content_digest(), u32::MAX);
                        pushes.remove(index);
                    }
                }
            }
            assert_eq!(queues.waiting(&pushes, msn) as usize, model.waiting.len(), "step {step}");
            assert_eq!(queues.head(&pushes, msn), model.waiting.front().copied(), "step {step}");
            for (at, &index) in model.waiting.iter().enumerate() {
                assert_eq!(queues.is_head(&pushes, index), at == 0, "step {step}");
                assert_eq!(queues.behind(&pushes, index), model.waiting.get(at + 1).copied(), "step {step}");
            }
            for list in &model.notifying {
                for &index in list {
                    assert!(!queues.is_head(&pushes, index));
                    assert_eq!(queues.first_notifying(&pushes, index), list.front().copied(), "step {step}");
                }
            }
        }
    }
}
