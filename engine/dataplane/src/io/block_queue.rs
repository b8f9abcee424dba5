//! A queue that may come to hold millions: its memory comes and goes a block at a time.
//!
//! Never here: what waits in it. Invariant: what is in it is never moved to make room for more, so
//! no turn grows with how much waits already.

use std::collections::VecDeque;

/// Entries that memory is taken for at a time.
const BLOCK: usize = 1_024;

/// First in, first out. What was taken may go back to the front.
pub(super) struct BlockQueue<T> {
    /// None of several is empty.
    blocks: VecDeque<VecDeque<T>>,
    len: usize,
}

impl<T> Default for BlockQueue<T> {
    fn default() -> Self {
        Self { blocks: VecDeque::new(), len: 0 }
    }
}

impl<T> BlockQueue<T> {
    /// How many are in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether none is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first one.
    pub(super) fn front(&self) -> Option<&T> {
        self.blocks.front()?.front()
    }

    /// It comes behind all others.
    pub(super) fn push_back(&mut self, one: T) {
        self.len += 1;
        match self.blocks.back_mut() {
            Some(block) if block.len() < BLOCK => block.push_back(one),
            last => {
                // The first block takes as much as it needs: most queues never have a second.
                let is_first = last.is_none();
                let mut block = VecDeque::with_capacity(if is_first { 0 } else { BLOCK });
                block.push_back(one);
                self.blocks.push_back(block);
            }
        }
    }

    /// It comes before all others.
    pub(super) fn push_front(&mut self, one: T) {
        self.len += 1;
        match self.blocks.front_mut() {
            Some(block) if block.len() < BLOCK => block.push_front(one),
            _ => self.blocks.push_front(VecDeque::from([one])),
        }
    }

    /// Takes the first one.
    pub(super) fn pop_front(&mut self) -> Option<T> {
        let block = self.blocks.front_mut()?;
        let one = block.pop_front()?;
        self.len -= 1;
        if block.is_empty() && self.blocks.len() > 1 {
            self.blocks.pop_front();
        }
        Some(one)
    }

    /// Takes those that `is_its` names out of one block; all others stay in their order. `looked`
    /// is how many blocks were looked through before, from the end on: what goes from the front
    /// meanwhile moves none of them, and behind what comes they are looked through once more.
    /// `None`: all are looked through.
    pub(super) fn sift(
        &mut self,
        looked: &mut usize,
        is_its: impl Fn(&T) -> bool,
    ) -> Option<Vec<T>> {
        let at = self.blocks.len().checked_sub(1 + *looked)?;
        let block = &mut self.blocks[at];
        let mut taken = Vec::new();
        for _ in 0..block.len() {
            match block.pop_front() {
                Some(one) if is_its(&one) => taken.push(one),
                other => block.extend(other),
            }
        }
        self.len -= taken.len();
        if block.is_empty() && self.blocks.len() > 1 {
            self.blocks.remove(at);
        } else {
            *looked += 1;
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::terms::mix::mix;

    #[test]
    fn it_does_what_a_queue_does_and_keeps_no_memory_for_nobody() {
        let (mut queue, mut model) = (BlockQueue::default(), VecDeque::new());
        let mut random = 7u64;
        for step in 0..200_000u64 {
            random = mix(random.wrapping_add(1));
            // It grows for a while, and shrinks for a while.
            let grows = step / 20_000 % 2 == 0;
            match random >> 61 {
                0 => {
                    queue.push_front(step);
                    model.push_front(step);
                }
                1..4 => {
                    queue.push_back(step);
                    model.push_back(step);
                }
                _ if grows && random & 1 == 0 => {}
                _ => assert_eq!(queue.pop_front(), model.pop_front()),
            }
            let seen = (queue.front(), queue.len(), queue.is_empty());
            assert_eq!(seen, (model.front(), model.len(), model.is_empty()));
            assert!(queue.blocks.len() <= 2 + queue.len() * 2 / BLOCK, "{}", queue.blocks.len());
        }
        while let Some(one) = model.pop_front() {
            assert_eq!(queue.pop_front(), Some(one));
        }
        assert_eq!((queue.pop_front(), queue.blocks.len()), (None, 1));
    }

    #[test]
    fn what_is_sifted_out_is_all_that_was_meant_though_others_come_and_go_meanwhile() {
        let is_its = |one: &u64| one.is_multiple_of(3) || (20_000..30_000).contains(one);
        let mut queue = BlockQueue::default();
        (0..50_000).for_each(|one| queue.push_back(one));
        let (mut looked, mut found, mut gone) = (0, Vec::new(), Vec::new());
        let mut looks = 0;
        while let Some(some) = queue.sift(&mut looked, is_its) {
            assert!(some.len() <= BLOCK, "a block at a time");
            found.extend(some);
            gone.extend((0..100).filter_map(|_| queue.pop_front()));
            // Of those that come behind none is meant.
            (0..100).for_each(|one| queue.push_back(100_000 + one * 3 + 1));
            queue.push_front(1);
            looks += 1;
        }
        assert!(looks < 100, "{looks} looks at 50 blocks");
        found.extend(gone.iter().filter(|one| is_its(one)));
        found.sort_unstable();
        assert!(found.into_iter().eq((0..50_000).filter(is_its)), "each once");
        let left: Vec<u64> = std::iter::from_fn(|| queue.pop_front()).collect();
        assert!(!left.iter().any(is_its), "none is left");
        let old: Vec<u64> = left.iter().copied().filter(|one| (2..50_000).contains(one)).collect();
        assert!(old.is_sorted() && queue.is_empty(), "the others are in their order");
    }

    #[test]
    fn what_waits_is_not_moved_however_many_come_behind_it_or_before_it() {
        let mut queue = BlockQueue::default();
        (0..100 * BLOCK as u64).for_each(|one| queue.push_back(one));
        let places = |queue: &BlockQueue<u64>| -> Vec<usize> {
            let ones = queue.blocks.iter().flatten();
            ones.filter(|one| **one < 100_000).map(|one| std::ptr::from_ref(one).addr()).collect()
        };
        let before = places(&queue);
        (0..1_000 * BLOCK as u64).for_each(|_| queue.push_back(u64::MAX));
        (0..1_000 * BLOCK as u64).for_each(|_| queue.push_front(u64::MAX));
        assert!(places(&queue) == before, "some are elsewhere");
    }
}
