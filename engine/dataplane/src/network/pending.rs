//! What waits in the simulated network for its time: attempts for their latency, lines for their
//! alert.
//!
//! Both have room for all that may wait, taken at construction.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::hash::BuildHasherDefault;

use crate::network::due_ring::DueRing;
use crate::network::line_states::MsnHasher;
use wire::terms::ids::Msn;
use wire::terms::time::EvenMs;

/// Attempts in flight, by the time they are due.
pub(crate) enum Delays {
    /// All wait equally long, so the order of submission is the order of time.
    Constant(VecDeque<(EvenMs, u32)>),
    Jittered(DueRing),
}

impl Delays {
    /// Room for `count_max` attempts.
    pub(crate) fn new(count_max: usize, has_jitter: bool) -> Self {
        if has_jitter {
            Self::Jittered(DueRing::new(count_max))
        } else {
            Self::Constant(VecDeque::with_capacity(count_max))
        }
    }

    /// The attempt in `slot` is due at `due_ms`; among equally long delays never before an earlier
    /// one.
    pub(crate) fn push(&mut self, due_ms: EvenMs, slot: u32) {
        match self {
            Self::Constant(queue) => queue.push_back((due_ms, slot)),
            Self::Jittered(ring) => ring.push(due_ms.ms(), slot),
        }
    }

    /// The slot of the next attempt that is due by `now_ms`.
    pub(crate) fn pop(&mut self, now_ms: EvenMs) -> Option<u32> {
        match self {
            Self::Constant(queue) => {
                queue.front().filter(|&&(due_ms, _)| due_ms <= now_ms)?;
                queue.pop_front().map(|(_, slot)| slot)
            }
            Self::Jittered(ring) => ring.pop(now_ms.ms()),
        }
    }

    pub(crate) fn next_due_ms(&self) -> Option<EvenMs> {
        match self {
            Self::Constant(queue) => queue.front().map(|&(due_ms, _)| due_ms),
            Self::Jittered(ring) => ring.first().map(|(due_ms, _)| EvenMs::new(due_ms)),
        }
    }

    /// The slot of the attempt that is due next.
    pub(crate) fn next_slot(&self) -> Option<u32> {
        match self {
            Self::Constant(queue) => queue.front().map(|&(_, slot)| slot),
            Self::Jittered(ring) => ring.first().map(|(_, slot)| slot),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Constant(queue) => queue.len(),
            Self::Jittered(ring) => ring.len(),
        }
    }
}

/// The HLR's message waiting data: the lines that an alert is owed to. Beyond its room no alert is
/// raised, and the message center's retry timers do alone.
pub(crate) struct AwaitedLines {
    count_max: usize,
    waiting: HashSet<u64, BuildHasherDefault<MsnHasher>>,
    /// Due time, order of raising, msn.
    raised: BinaryHeap<Reverse<(EvenMs, u64, u64)>>,
    sequence: u64,
}

impl AwaitedLines {
    /// Room for `count_max` lines.
    pub(crate) fn new(count_max: usize) -> Self {
        // A hash table that is at most half full cleans itself up in place and never grows.
        let waiting =
            HashSet::with_capacity_and_hasher(2 * count_max, BuildHasherDefault::default());
        Self { count_max, waiting, raised: BinaryHeap::with_capacity(2 * count_max), sequence: 0 }
    }

    /// An attempt at `msn` ended absent or full. With `due_ms` the line is ready again by itself
    /// then.
    pub(crate) fn await_line(&mut self, msn: Msn, due_ms: Option<EvenMs>) {
        if self.waiting.len() >= self.count_max || !self.waiting.insert(msn.value()) {
            return;
        }
        if let Some(due_ms) = due_ms {
            self.push(msn, due_ms);
        }
    }

    /// `msn` is ready again: alerts if somebody waits for it.
    pub(crate) fn raise(&mut self, msn: Msn, now_ms: EvenMs) {
        if self.waiting.contains(&msn.value()) {
            self.push(msn, now_ms);
        }
    }

    fn push(&mut self, msn: Msn, due_ms: EvenMs) {
        // A line raised by hand before its own time stands here twice; the second is dropped when
        // popped.
        if self.raised.len() < 2 * self.count_max {
            self.raised.push(Reverse((due_ms, self.sequence, msn.value())));
            self.sequence += 1;
        }
    }

    /// The next alert that is due by `now_ms`.
    pub(crate) fn pop(&mut self, now_ms: EvenMs) -> Option<Msn> {
        while self.next_due_ms()? <= now_ms {
            let Reverse((_, _, msn)) = self.raised.pop()?;
            if self.waiting.remove(&msn) {
                return Msn::from_value(msn);
            }
        }
        None
    }

    pub(crate) fn next_due_ms(&self) -> Option<EvenMs> {
        self.raised.peek().map(|&Reverse((due_ms, _, _))| due_ms)
    }
}
