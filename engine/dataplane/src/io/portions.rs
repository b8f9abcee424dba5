//! How many of a bounded number of things each push client has in use: boxes for parcels to one
//! shard, gatherings.
//!
//! A client may take one more while it has less than eight times as many in use as are free. So one
//! alone gets eight ninths of them, two get eight seventeenths each, and whoever comes then still
//! finds some, whatever the others do. Things that are kept back count as taken for those they are
//! not kept for.
//!
//! Never here: the things themselves. Invariant: a client has as many in use as it was given and
//! has not returned, whatever number it has in a later registry. Its number is its XPID's position
//! in the registry.

use crate::io::limits::PORTION_OF_FREE;

/// Whether a client may take one more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Portion {
    /// It may.
    Free,
    /// It may when one of its own has come back.
    Used,
    /// It has none in use, and none is free for it.
    Nothing,
}

/// What each client has in use.
#[derive(Default)]
pub(super) struct Portions {
    in_use: Vec<u32>,
}

impl Portions {
    /// Whether this client may take one of `free` things, of which `kept` are for others.
    pub(super) fn of(&self, client: u32, free: usize, kept: usize) -> Portion {
        let in_use = self.in_use.get(client as usize).copied().unwrap_or_default();
        if (in_use as usize) < PORTION_OF_FREE * free.saturating_sub(kept) {
            Portion::Free
        } else if in_use > 0 {
            Portion::Used
        } else {
            Portion::Nothing
        }
    }

    /// The client has taken one.
    pub(super) fn take(&mut self, client: u32) {
        let at = client as usize;
        if at >= self.in_use.len() {
            self.in_use.resize(at + 1, 0);
        }
        self.in_use[at] += 1;
    }

    /// It has come back.
    ///
    /// # Panics
    /// When the client has none in use.
    pub(super) fn give_back(&mut self, client: u32) {
        self.in_use[client as usize] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the clients in turn what they may have of `all`, until none may have more.
    fn taken(clients: u32, all: usize, kept: usize) -> Vec<usize> {
        let (mut portions, mut free) = (Portions::default(), all);
        let mut taken = vec![0; clients as usize];
        loop {
            let before = free;
            for client in 0..clients {
                if portions.of(client, free, kept) == Portion::Free {
                    portions.take(client);
                    taken[client as usize] += 1;
                    free -= 1;
                }
            }
            if free == before {
                return taken;
            }
        }
    }

    #[test]
    fn clients_get_as_much_as_each_other_and_leave_some_however_many_they_are() {
        for (clients, kept) in [(1, 0), (3, 0), (1, 512), (10, 512), (100, 512)] {
            let taken = taken(clients, 4_096, kept);
            let each = 8 * (4_096 - kept) / (8 * taken.len() + 1);
            let is_even = |&taken: &usize| taken.abs_diff(each) <= 1;
            assert!(taken.iter().all(is_even), "{clients} clients get {taken:?}, not {each}");
            assert!(taken.iter().sum::<usize>() < 4_096 - kept, "{clients} clients");
        }
    }

    #[test]
    fn whoever_has_its_portion_waits_for_its_own_and_whoever_has_none_is_told() {
        let mut portions = Portions::default();
        portions.take(7);
        assert_eq!((portions.of(7, 0, 0), portions.of(7, 1, 1)), (Portion::Used, Portion::Used));
        assert_eq!((portions.of(8, 1, 0), portions.of(8, 1, 1)), (Portion::Free, Portion::Nothing));
        portions.give_back(7);
        assert_eq!((portions.of(7, 1, 0), portions.of(7, 0, 0)), (Portion::Free, Portion::Nothing));
    }
}
