//! Slots by the millisecond at which they are due: a line for each millisecond of a window that
//! moves with time.
//!
//! Putting and taking cost a look at one line each, however many slots wait; a heap of tens of
//! thousands costs a dozen. What is due outside the window (a delay of seconds, a clock that was
//! set back) waits in a heap beside it.
//!
//! Invariants: the lines stand for the window's first millisecond and those after it; slots that
//! are due at the same time come out in the order in which they went in; all room is taken at
//! construction.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Milliseconds of the window.
const WINDOW_MS: u64 = 1024;
const LINES: usize = WINDOW_MS as usize;
const WORDS: usize = LINES / 64;
/// No slot.
const NONE: u32 = u32::MAX;

/// The slots of one millisecond: the first and the last; those between hang together by
/// `DueRing::next`.
#[derive(Clone, Copy)]
struct DueLine {
    first: u32,
    last: u32,
}

/// See the module's head.
pub(crate) struct DueRing {
    lines: Box<[DueLine]>,
    /// One bit a line: whether anything stands in it.
    taken: [u64; WORDS],
    /// By slot: the next one in its line.
    next: Box<[u32]>,
    window_from_ms: u64,
    /// Slots that stand in lines.
    in_lines: usize,
    /// Due time, order of entry, slot.
    outside: BinaryHeap<Reverse<(u64, u64, u32)>>,
    entries: u64,
}

impl DueRing {
    /// Room for the slots below `slots`, each once.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            lines: vec![DueLine { first: NONE, last: NONE }; LINES].into(),
            taken: [0; WORDS],
            next: vec![NONE; slots].into(),
            window_from_ms: 0,
            in_lines: 0,
            outside: BinaryHeap::with_capacity(slots),
            entries: 0,
        }
    }

    /// `slot` is due at `due_ms`.
    pub(crate) fn push(&mut self, due_ms: u64, slot: u32) {
        if self.in_lines == 0 {
            // What comes next is due about then: somewhat before as well as somewhat after.
            self.window_from_ms = due_ms.saturating_sub(WINDOW_MS / 2);
        }
        if due_ms < self.window_from_ms || due_ms - self.window_from_ms >= WINDOW_MS {
            self.outside.push(Reverse((due_ms, self.entries, slot)));
            self.entries += 1;
            return;
        }
        let place = line_of(due_ms);
        let line = &mut self.lines[place];
        self.next[slot as usize] = NONE;
        if line.first == NONE {
            line.first = slot;
            self.taken[place / 64] |= 1 << (place % 64);
        } else {
            self.next[line.last as usize] = slot;
        }
        line.last = slot;
        self.in_lines += 1;
    }

    /// What is due next: when, and which slot.
    pub(crate) fn first(&self) -> Option<(u64, u32)> {
        let outside = self.outside.peek().map(|&Reverse((due_ms, _, slot))| (due_ms, slot));
        let in_lines =
            self.first_taken_ms().map(|due_ms| (due_ms, self.lines[line_of(due_ms)].first));
        match (outside, in_lines) {
            // What is outside and due at the same time went in earlier: it would have found its
            // line otherwise.
            (Some(outside), Some(inside)) if outside.0 > inside.0 => Some(inside),
            (outside, inside) => outside.or(inside),
        }
    }

    /// Takes what is due next if that is by `now_ms`.
    pub(crate) fn pop(&mut self, now_ms: u64) -> Option<u32> {
        let (due_ms, slot) = self.first().filter(|&(due_ms, _)| due_ms <= now_ms)?;
        if self
            .outside
            .peek()
            .is_some_and(|&Reverse((at_ms, _, outside))| (at_ms, outside) == (due_ms, slot))
        {
            self.outside.pop();
            return Some(slot);
        }
        let place = line_of(due_ms);
        let line = &mut self.lines[place];
        line.first = self.next[slot as usize];
        if line.first == NONE {
            line.last = NONE;
            self.taken[place / 64] &= !(1 << (place % 64));
        }
        self.in_lines -= 1;
        // Every line before this one is empty.
        self.window_from_ms = due_ms;
        Some(slot)
    }

    pub(crate) fn len(&self) -> usize {
        self.in_lines + self.outside.len()
    }

    /// The first millisecond of the window in which a slot is due.
    fn first_taken_ms(&self) -> Option<u64> {
        if self.in_lines == 0 {
            return None;
        }
        let start = line_of(self.window_from_ms);
        let from_start = u64::MAX << (start % 64);
        // The window's last lines stand before its first ones in the first word looked at: that one
        // comes again at the end.
        (0..=WORDS).find_map(|step| {
            let word = (start / 64 + step) % WORDS;
            let mask = match step {
                0 => from_start,
                WORDS => !from_start,
                _ => u64::MAX,
            };
            let taken = self.taken[word] & mask;
            let place = word * 64 + taken.trailing_zeros() as usize;
            (taken != 0).then(|| self.window_from_ms + ((place + LINES - start) % LINES) as u64)
        })
    }
}

fn line_of(due_ms: u64) -> usize {
    (due_ms % WINDOW_MS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::random::Random;

    /// The same by sorting.
    #[derive(Default)]
    struct Sorted(Vec<(u64, u64, u32)>);

    impl Sorted {
        fn pop(&mut self, now_ms: u64) -> Option<u32> {
            let first = *self.0.iter().min()?;
            if first.0 > now_ms {
                return None;
            }
            self.0.retain(|entry| *entry != first);
            Some(first.2)
        }
    }

    #[test]
    fn it_gives_what_sorting_gives_whatever_the_delays_and_the_clock() {
        const SLOTS: u32 = 64;
        for (seed, delay_max_ms) in
            [(1, 0), (2, 5), (3, 60), (4, 1_500), (5, 5_000), (6, WINDOW_MS)]
        {
            let mut random = Random::new(seed);
            let (mut ring, mut sorted) = (DueRing::new(SLOTS as usize), Sorted::default());
            let mut free: Vec<u32> = (0..SLOTS).collect();
            let (mut now_ms, mut entries) = (1_000_000, 0);
            for _ in 0..20_000 {
                for _ in 0..random.below(4) {
                    let Some(slot) = free.pop() else { break };
                    let due_ms = now_ms + random.below(delay_max_ms + 1);
                    ring.push(due_ms, slot);
                    sorted.0.push((due_ms, entries, slot));
                    entries += 1;
                }
                while let Some(slot) = sorted.pop(now_ms) {
                    assert_eq!(ring.first().map(|first| first.1), Some(slot), "seed {seed}");
                    assert_eq!(ring.pop(now_ms), Some(slot), "seed {seed}");
                    free.push(slot);
                }
                assert_eq!(ring.pop(now_ms), None, "seed {seed}");
                assert_eq!(
                    ring.first().map(|first| first.0),
                    sorted.0.iter().min().map(|first| first.0)
                );
                assert_eq!(ring.len(), sorted.0.len());
                now_ms = match random.below(200) {
                    0 => now_ms - 700,
                    1 => now_ms + 3_000,
                    _ => now_ms + random.below(4),
                };
            }
        }
    }
}
