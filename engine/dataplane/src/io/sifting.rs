//! What waits for a shard that is to leave is looked for in the queues of all clients, some of it
//! in each turn.
//!
//! Never here: what becomes of it. Invariant: what waited when the search began is found, whatever
//! comes and goes meanwhile: nothing of a shard that is to leave comes any more.

use crate::io::block_queue::BlockQueue;
use crate::io::parts::PartName;

/// How far somebody has looked.
pub(super) struct Sifting {
    name: PartName,
    /// Whose queues are still to be looked through.
    keys: Vec<u64>,
    /// Blocks of the last one's that were, from its end on.
    looked: usize,
}

impl Sifting {
    /// Goes on with the search for this shard, which begins with these queues.
    pub(super) fn goes_on(
        place: &mut Option<Self>,
        name: PartName,
        keys: impl FnOnce() -> Vec<u64>,
    ) -> &mut Self {
        if place.as_ref().is_some_and(|search| search.name != name) {
            *place = None;
        }
        place.get_or_insert_with(|| Self { name, keys: keys(), looked: 0 })
    }

    /// Whose queue is the next to be looked through; `None`: all are.
    pub(super) fn key(&self) -> Option<u64> {
        self.keys.last().copied()
    }

    /// Takes what is the shard's out of the next block of that queue, if it is still there.
    pub(super) fn look<T>(
        &mut self,
        queue: Option<&mut BlockQueue<T>>,
        name_of: impl Fn(&T) -> PartName,
    ) -> Vec<T> {
        let name = self.name;
        let is_its = |one: &T| name_of(one) == name;
        let found = queue.and_then(|queue| queue.sift(&mut self.looked, is_its));
        if found.is_none() {
            self.keys.pop();
            self.looked = 0;
        }
        found.unwrap_or_default()
    }
}
