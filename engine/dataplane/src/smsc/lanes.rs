//! The attempt queue: one order for all attempts of a shard.
//!
//! 1. By class: emergency before urgent before standard before exercise. Standard pushes have two
//!    lanes, control and text, that take turns. While a higher class floods, every twentieth turn
//!    goes to urgent, every twentieth to standard control and every twentieth to standard text, so
//!    that none of them stands still. Exercise comes when nobody else waits.
//! 2. Inside a lane push clients take turns (deficit round robin): each sends what makes up
//!    [`QUANTUM_SEGMENTS`], and what a long push took beyond that is taken from its next turn. One
//!    client's burst delays another by a turn.
//! 3. The pushes of one client in one lane go in the order in which they came.
//! 4. Rows of broadcasts are one flow beside all clients of their lane: where both wait, they take
//!    turns, counted in segments. Whoever puts rows in has put them in their order.
//!
//! Each route, the core network and each carrier, has an order of this kind of its own.
//!
//! A push stands in its lane at most once. Each client's queue is a list through the slab, so
//! taking turns costs the same however many wait and nothing is allocated for a push.
//!
//! Never here: whether a push may be attempted, nor by which of its msn's pushes.

use crate::smsc::clients::ByClient;
use crate::smsc::limits::QUANTUM_SEGMENTS;
use crate::smsc::pushes::{NONE, Push, PushIndex, Pushes, flag};
use crate::smsc::row_ids::is_row;
use wire::terms::ids::Class;

const LANES: usize = 5;
const EMERGENCY: usize = 0;
const URGENT: usize = 1;
const STANDARD_CONTROL: usize = 2;
const STANDARD_TEXT: usize = 3;
/// One turn in this many is given to each lane that has a floor: 5 %.
const FLOOR_TURNS: u32 = 20;
/// Which of so many turns it is, spread out.
const FLOORS: [(u32, usize); 3] = [(0, STANDARD_CONTROL), (7, URGENT), (13, STANDARD_TEXT)];
/// No client.
const NOBODY: u16 = u16::MAX;

/// One client's queues: a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct ClientQueues {
    queues: [Queue; LANES],
    /// By lane: whose turn comes next.
    next: [u16; LANES],
    /// By lane: segments that the client may send before that.
    credit: [i8; LANES],
}

const _: () = assert!(size_of::<ClientQueues>() == 64);

impl ClientQueues {
    const EMPTY: Self = Self {
        queues: [Queue { head: NONE, tail: NONE }; LANES],
        next: [NOBODY; LANES],
        credit: [0; LANES],
    };
}

/// The pushes of one client in one lane, linked through the slab.
#[derive(Clone, Copy)]
struct Queue {
    head: PushIndex,
    tail: PushIndex,
}

/// One lane: the clients whose pushes wait in it, in the order of their turns, linked through their
/// queues.
#[derive(Clone, Copy)]
struct Lane {
    first: u16,
    last: u16,
}

/// The lanes of one route.
pub struct Lanes {
    lanes: [Lane; LANES],
    /// One bit for each lane in which somebody waits.
    waiting: u8,
    clients: ByClient<ClientQueues>,
    /// Rows of broadcasts, by lane.
    rows: [Queue; LANES],
    /// One bit for each lane in which rows wait.
    rows_waiting: u8,
    /// By lane: segments that pushes of clients had more than rows, since both wait.
    owed: [i8; LANES],
    turn: u32,
    /// Whether the last standard push was a text.
    text_last: bool,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            lanes: [Lane { first: NOBODY, last: NOBODY }; LANES],
            waiting: 0,
            clients: ByClient::default(),
            rows: [Queue { head: NONE, tail: NONE }; LANES],
            rows_waiting: 0,
            owed: [0; LANES],
            turn: 0,
            text_last: false,
        }
    }
}

impl Lanes {
    /// Puts `index` at the end of its client's queue in its lane, unless it already stands there.
    pub fn push(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let push = &mut pushes[index];
        if push.has(flag::IN_LANE) {
            return;
        }
        push.set(flag::IN_LANE, true);
        push.next_in_lane = NONE;
        if is_row(push.push_id) {
            return self.push_row(pushes, index, false);
        }
        let (lane, client) = (lane_of(push), push.client);
        self.clients.reach(client, ClientQueues::EMPTY);
        let queue = &mut self.clients[client].queues[lane];
        let tail = std::mem::replace(&mut queue.tail, index);
        if tail == NONE {
            queue.head = index;
            self.join(lane, client);
        } else {
            pushes[tail].next_in_lane = index;
        }
    }

    /// Puts `index`, which was taken out and could not be attempted, back before all others: it is
    /// the next of its lane.
    pub fn push_front(&mut self, pushes: &mut Pushes, index: PushIndex) {
        let push = &mut pushes[index];
        if push.has(flag::IN_LANE) {
            return;
        }
        push.set(flag::IN_LANE, true);
        if is_row(push.push_id) {
            return self.push_row(pushes, index, true);
        }
        let (lane, client) = (lane_of(push), push.client);
        self.clients.reach(client, ClientQueues::EMPTY);
        let queue = &mut self.clients[client].queues[lane];
        let head = std::mem::replace(&mut queue.head, index);
        pushes[index].next_in_lane = head;
        if head == NONE {
            queue.tail = index;
            self.join_first(lane, client);
        }
    }

    /// Puts `index` into its client's queue behind those at its head that go before it, a few.
    pub fn push_behind(
        &mut self,
        pushes: &mut Pushes,
        index: PushIndex,
        goes_before: impl Fn(&Push) -> bool,
    ) {
        let push = &pushes[index];
        let (lane, client) = (lane_of(push), push.client);
        if push.has(flag::IN_LANE) || is_row(push.push_id) {
            return self.push_front(pushes, index);
        }
        self.clients.reach(client, ClientQueues::EMPTY);
        let queue = &mut self.clients[client].queues[lane];
        let (mut before, mut next) = (NONE, queue.head);
        while next != NONE && goes_before(&pushes[next]) {
            (before, next) = (next, pushes[next].next_in_lane);
        }
        if before == NONE {
            return self.push_front(pushes, index);
        }
        if next == NONE {
            queue.tail = index;
        }
        pushes[index].set(flag::IN_LANE, true);
        pushes[index].next_in_lane = next;
        pushes[before].next_in_lane = index;
    }

    /// As [`Self::join`], and its turn comes first.
    fn join_first(&mut self, lane: usize, client: u16) {
        let first = std::mem::replace(&mut self.lanes[lane].first, client);
        let entry = &mut self.clients[client];
        (entry.next[lane], entry.credit[lane]) = (first, QUANTUM_SEGMENTS);
        if first == NOBODY {
            self.lanes[lane].last = client;
            self.waiting |= 1 << lane;
        }
    }

    /// Takes the next push out.
    #[inline]
    pub fn pop(&mut self, pushes: &mut Pushes) -> Option<PushIndex> {
        let lane = self.choose()?;
        self.pop_of(lane, pushes)
    }

    /// Takes the next emergency out.
    pub fn pop_emergency(&mut self, pushes: &mut Pushes) -> Option<PushIndex> {
        (self.waiting >> EMERGENCY & 1 == 1).then(|| self.pop_of(EMERGENCY, pushes))?
    }

    #[inline]
    fn pop_of(&mut self, lane: usize, pushes: &mut Pushes) -> Option<PushIndex> {
        if self.rows_waiting >> lane & 1 == 1
            && let Some(row) = self.take_turns(pushes, lane)
        {
            return Some(row);
        }
        let client = self.lanes[lane].first;
        let entry = &mut self.clients[client];
        let queue = &mut entry.queues[lane];
        let index = queue.head;
        let push = &mut pushes[index];
        push.set(flag::IN_LANE, false);
        queue.head = push.next_in_lane;
        entry.credit[lane] -= push.segments as i8;
        if queue.head == NONE {
            queue.tail = NONE;
            self.leave(lane);
        } else if entry.credit[lane] <= 0 {
            entry.credit[lane] += QUANTUM_SEGMENTS;
            self.pass_turn(lane);
        }
        Some(index)
    }

    /// Whether anything stands in it.
    pub fn has_waiting(&self) -> bool {
        self.waiting != 0
    }

    /// Puts a row at the end of its lane's rows, or before all of them.
    fn push_row(&mut self, pushes: &mut Pushes, index: PushIndex, first: bool) {
        let lane = lane_of(&pushes[index]);
        let queue = &mut self.rows[lane];
        if queue.head == NONE {
            *queue = Queue { head: index, tail: index };
            pushes[index].next_in_lane = NONE;
        } else if first {
            pushes[index].next_in_lane = std::mem::replace(&mut queue.head, index);
        } else {
            let tail = std::mem::replace(&mut queue.tail, index);
            pushes[tail].next_in_lane = index;
        }
        self.rows_waiting |= 1 << lane;
        self.waiting |= 1 << lane;
    }

    /// Rows wait in this lane: takes the next one out, unless it is the turn of a client's push.
    #[cold]
    fn take_turns(&mut self, pushes: &mut Pushes, lane: usize) -> Option<PushIndex> {
        let client = self.lanes[lane].first;
        if client != NOBODY {
            let single = self.clients[client].queues[lane].head;
            if self.owed[lane] <= 0 {
                let owed = self.owed[lane].saturating_add(pushes[single].segments as i8);
                self.owed[lane] = owed.max(-QUANTUM_SEGMENTS);
                return None;
            }
        }
        let queue = &mut self.rows[lane];
        let index = queue.head;
        let push = &mut pushes[index];
        push.set(flag::IN_LANE, false);
        queue.head = push.next_in_lane;
        if client == NOBODY {
            self.owed[lane] = 0;
        } else {
            self.owed[lane] -= push.segments as i8;
        }
        if queue.head == NONE {
            queue.tail = NONE;
            self.rows_waiting &= !(1 << lane);
            if client == NOBODY {
                self.waiting &= !(1 << lane);
            }
        }
        Some(index)
    }

    /// The lane whose turn it is.
    fn choose(&mut self) -> Option<usize> {
        if self.waiting == 0 {
            return None;
        }
        self.turn = (self.turn + 1) % FLOOR_TURNS;
        for (turn, lane) in FLOORS {
            if self.turn == turn && self.waiting >> lane & 1 == 1 {
                return Some(lane);
            }
        }
        let first = self.waiting.trailing_zeros() as usize;
        if first == STANDARD_CONTROL && self.waiting >> STANDARD_TEXT & 1 == 1 {
            self.text_last = !self.text_last;
            return Some(if self.text_last { STANDARD_TEXT } else { STANDARD_CONTROL });
        }
        Some(first)
    }

    /// The client has pushes in this lane from now on: its turn comes last.
    fn join(&mut self, lane: usize, client: u16) {
        let entry = &mut self.clients[client];
        (entry.next[lane], entry.credit[lane]) = (NOBODY, QUANTUM_SEGMENTS);
        let last = std::mem::replace(&mut self.lanes[lane].last, client);
        if last == NOBODY {
            self.lanes[lane].first = client;
            self.waiting |= 1 << lane;
        } else {
            self.clients[last].next[lane] = client;
        }
    }

    /// The client whose turn it is has none left.
    fn leave(&mut self, lane: usize) {
        let Lane { first, last } = self.lanes[lane];
        if first == last {
            self.lanes[lane] = Lane { first: NOBODY, last: NOBODY };
            self.waiting &= !(1 << lane) | self.rows_waiting;
        } else {
            self.lanes[lane].first = self.clients[first].next[lane];
        }
    }

    /// The client whose turn it is comes last.
    fn pass_turn(&mut self, lane: usize) {
        let Lane { first, last } = self.lanes[lane];
        if first != last {
            self.lanes[lane] = Lane { first: self.clients[first].next[lane], last: first };
            self.clients[last].next[lane] = first;
            self.clients[first].next[lane] = NOBODY;
        }
    }
}

fn lane_of(push: &Push) -> usize {
    match push.class {
        Class::Emergency => EMERGENCY,
        Class::Urgent => URGENT,
        Class::Standard if push.has(flag::CONTROL) => STANDARD_CONTROL,
        Class::Standard => STANDARD_TEXT,
        Class::Exercise => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smsc::flags::PushFlags;
    use std::collections::{BTreeMap, VecDeque};
    use wire::terms::mix::mix;

    fn slab(kinds: &[(Class, bool)]) -> (Pushes, Lanes) {
        let pushes: Vec<Push> =
            kinds.iter().map(|&(class, control)| push_of(class, control)).collect();
        filled(&pushes)
    }

    fn push_of(class: Class, control: bool) -> Push {
        Push { class, flags: if control { flag::CONTROL } else { PushFlags::NONE }, ..Push::EMPTY }
    }

    fn filled(waiting: &[Push]) -> (Pushes, Lanes) {
        let mut pushes = Pushes::with_capacity(waiting.len());
        let mut lanes = Lanes::default();
        for &push in waiting {
            let index = pushes.insert(push).expect("room");
            lanes.push(&mut pushes, index);
        }
        (pushes, lanes)
    }

    /// How many of the next `turns` pushes are of this kind.
    fn among(
        turns: usize,
        pushes: &mut Pushes,
        lanes: &mut Lanes,
        is: impl Fn(&Push) -> bool,
    ) -> usize {
        let order: Vec<_> = (0..turns).filter_map(|_| lanes.pop(pushes)).collect();
        order.into_iter().filter(|&index| is(&pushes[index])).count()
    }

    fn is_control(push: &Push) -> bool {
        push.has(flag::CONTROL)
    }

    #[test]
    fn emergency_comes_first_and_exercise_last() {
        let kinds = [Class::Exercise, Class::Standard, Class::Urgent, Class::Emergency]
            .map(|class| (class, false));
        let (mut pushes, mut lanes) = slab(&kinds);
        let order: Vec<_> = std::iter::from_fn(|| lanes.pop(&mut pushes)).collect();
        assert_eq!(order, [3, 2, 1, 0]);
    }

    #[test]
    fn each_lower_class_but_exercise_has_one_turn_in_twenty_under_a_flood_of_emergencies() {
        let lower = [
            (Class::Urgent, false),
            (Class::Standard, true),
            (Class::Standard, false),
            (Class::Exercise, false),
        ];
        let mut kinds = vec![(Class::Emergency, false); 2_000];
        kinds.extend(lower.iter().flat_map(|&kind| [kind; 100]));
        for ((class, control), turns) in lower.into_iter().zip([50, 50, 50, 0]) {
            let (mut pushes, mut lanes) = slab(&kinds);
            let is = |push: &Push| push.class == class && is_control(push) == control;
            assert_eq!(
                among(1_000, &mut pushes, &mut lanes, is),
                turns,
                "{class:?}, control {control}"
            );
        }
    }

    #[test]
    fn standard_text_and_control_take_turns() {
        let mut kinds = vec![(Class::Standard, false); 10];
        kinds.extend([(Class::Standard, true); 10]);
        let (mut pushes, mut lanes) = slab(&kinds);
        assert_eq!(among(10, &mut pushes, &mut lanes, is_control), 5);
    }

    #[test]
    fn a_push_stands_in_its_lane_once() {
        let (mut pushes, mut lanes) = slab(&[(Class::Standard, true)]);
        lanes.push(&mut pushes, 0);
        assert_eq!(lanes.pop(&mut pushes), Some(0));
        assert_eq!(lanes.pop(&mut pushes), None);
        lanes.push(&mut pushes, 0);
        assert_eq!(lanes.pop(&mut pushes), Some(0));
    }

    #[test]
    fn one_clients_burst_delays_another_by_a_turn() {
        let of = |client| Push { client, ..push_of(Class::Urgent, false) };
        let mut waiting = vec![of(1); 1_000];
        waiting.extend([of(2), of(2)]);
        let (mut pushes, mut lanes) = filled(&waiting);
        let order: Vec<PushIndex> = (0..12).filter_map(|_| lanes.pop(&mut pushes)).collect();
        let order: Vec<u16> = order.into_iter().map(|index| pushes[index].client).collect();
        assert_eq!(order, [[1; 10].as_slice(), &[2, 2]].concat());
    }

    /// Rows and pushes of two clients that always wait: rows have half of the segments, whatever
    /// each takes.
    #[test]
    fn rows_and_single_pushes_of_a_class_take_turns() {
        use crate::smsc::row_ids::row_id;
        for (takes, row_takes) in [(1, 1), (10, 1), (1, 10), (3, 7)] {
            let of = |client| Push { client, segments: takes, ..push_of(Class::Urgent, false) };
            let row = Push { push_id: row_id(1, 1), segments: row_takes, ..of(9) };
            let mut waiting: Vec<Push> = (0..2_000).map(|_| row).collect();
            waiting.extend((0..2_000).map(|number| of(1 + number % 2)));
            let (mut pushes, mut lanes) = filled(&waiting);
            let mut sent = [0u32; 10];
            for _ in 0..400 {
                let index = lanes.pop(&mut pushes).expect("somebody waits");
                sent[usize::from(pushes[index].client)] += u32::from(pushes[index].segments);
            }
            assert!(sent[9].abs_diff(sent[1] + sent[2]) <= 22, "{takes}, {row_takes}: {sent:?}");
            let left = std::iter::from_fn(|| lanes.pop(&mut pushes)).count();
            assert_eq!(left, 3_600, "all of them come out");
        }
    }

    /// Two clients that always have pushes waiting, of ten segments and of one: each sends half of
    /// the segments.
    #[test]
    fn turns_are_reckoned_in_segments() {
        let of = |client, segments| Push { client, segments, ..push_of(Class::Standard, false) };
        let waiting: Vec<Push> =
            (0..2_000).map(|number| of(1 + number % 2, [1, 10][usize::from(number % 2)])).collect();
        let (mut pushes, mut lanes) = filled(&waiting);
        let mut sent = [0u32; 3];
        for _ in 0..500 {
            let index = lanes.pop(&mut pushes).expect("a push waits");
            sent[usize::from(pushes[index].client)] += u32::from(pushes[index].segments);
        }
        assert!(sent[1].abs_diff(sent[2]) <= 2 * QUANTUM_SEGMENTS as u32, "{sent:?}");
    }

    /// The lanes beside queues of the obvious kind: every push comes out once, those of a client in
    /// a lane in their order, and while a client waits in a lane no other is served there beyond
    /// two turns more.
    #[test]
    fn whatever_comes_and_goes_everybody_who_waits_is_served_in_turn() {
        const CLIENTS: usize = 7;
        let mut pushes = Pushes::with_capacity(512);
        let mut lanes = Lanes::default();
        let mut waiting: BTreeMap<(usize, u16), VecDeque<PushIndex>> = BTreeMap::new();
        let mut ahead: BTreeMap<(usize, u16), [u32; CLIENTS]> = BTreeMap::new();
        let mut random = 5u64;
        for step in 0..200_000 {
            random = mix(random.wrapping_add(1));
            // Floods and lulls.
            if (random >> 8) % 100 < [60, 40][step >> 12 & 1] && !pushes.is_full() {
                let classes = [Class::Emergency, Class::Urgent, Class::Standard, Class::Exercise];
                // Some clients have most of the pushes.
                let client = ((random >> 16) % 64 * ((random >> 24) % 64) / 600) as u16;
                let (class, control) =
                    (classes[(random >> 32) as usize % 4], random >> 40 & 1 == 1);
                let segments = 1 + (random >> 48) as u8 % 10;
                let push = Push { client, segments, ..push_of(class, control) };
                let index = pushes.insert(push).expect("room");
                let key = (lane_of(&pushes[index]), client);
                waiting.entry(key).or_default().push_back(index);
                lanes.push(&mut pushes, index);
            } else {
                let Some(index) = lanes.pop(&mut pushes) else {
                    assert!(waiting.values().all(VecDeque::is_empty), "step {step}");
                    continue;
                };
                let key = (lane_of(&pushes[index]), pushes[index].client);
                let queue = waiting.get_mut(&key);
                assert_eq!(queue.and_then(VecDeque::pop_front), Some(index), "step {step}");
                for (other, _) in
                    waiting.iter().filter(|(other, queue)| other.0 == key.0 && !queue.is_empty())
                {
                    let served = &mut ahead.entry(*other).or_default()[usize::from(key.1)];
                    *served += u32::from(pushes[index].segments);
                    assert!(*other == key || *served <= 3 * QUANTUM_SEGMENTS as u32, "step {step}");
                }
                ahead.remove(&key);
                pushes.remove(index);
            }
        }
    }
}
