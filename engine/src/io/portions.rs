//! How many of a bounded number of things each push client has in use: boxes for parcels to one
//! shard, gatherings.
//!
//! A client may take one more while it has fewer in use than are free. So one alone gets half of
//! them, two a third each, and whoever comes then still finds some, whatever the others do. Things
//! that are kept back count as taken for those they are not kept for.
//!
//! Never here: the things themselves. Invariant: a client has as many in use as it was given and
//! has not returned, whatever number it has in a later registry. Its number is its XPID's position
//! in the registry.

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
        if kept + (in_use as usize) < free {
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
    fn one_client_gets_half_and_many_leave_as_much_as_each_of_them_has() {
        assert_eq!(taken(1, 4_096, 0), [2_048]);
        assert_eq!(taken(3, 4_096, 0), [1_024; 3]);
        assert_eq!(taken(1, 4_096, 512), [1_792]);
        let of_many = taken(100, 4_096, 512);
        assert!(of_many.iter().all(|&taken| (35..=36).contains(&taken)), "{of_many:?}");
        assert!(of_many.iter().sum::<usize>() < 4_096 - 512);
    }

    #[test]
    fn whoever_has_its_portion_waits_for_its_own_and_whoever_has_none_is_told() {
        let mut portions = Portions::default();
        portions.take(7);
        assert_eq!(portions.of(7, 1, 0), Portion::Used);
        assert_eq!((portions.of(8, 1, 0), portions.of(8, 1, 1)), (Portion::Free, Portion::Nothing));
        portions.give_back(7);
        assert_eq!((portions.of(7, 1, 0), portions.of(7, 0, 0)), (Portion::Free, Portion::Nothing));
    }
}
