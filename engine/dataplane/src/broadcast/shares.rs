//! Which of several live broadcasts of a class has the next turn: deficit round robin, by segments
//! and weights.
//!
//! Each has, when its turn comes round, a quantum of segments for each of its weight; what a turn
//! leaves or overdraws counts in the next. So shares are right whatever texts take, and one that
//! has nothing to send takes nothing along.

use super::limits::{LIVE_MAX, QUANTUM_SEGMENTS};

/// One broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Share {
    ordinal: u32,
    weight: u16,
    deficit: i64,
}

/// Live broadcasts of one class.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shares {
    shares: Vec<Share>,
    turn: usize,
    /// The quantum of this turn was given.
    is_given: bool,
}

impl Shares {
    /// A broadcast begins; `false` where there are as many as there may be (7110).
    ///
    /// # Panics
    /// When the weight is 0, or it is there already.
    pub fn add(&mut self, ordinal: u32, weight: u16) -> bool {
        assert!(weight > 0, "a weight that the manifest lets through");
        assert!(self.place(ordinal).is_none(), "a broadcast begins once");
        if self.shares.len() == LIVE_MAX {
            return false;
        }
        self.shares.push(Share { ordinal, weight, deficit: 0 });
        true
    }

    /// It is over.
    pub fn remove(&mut self, ordinal: u32) {
        let Some(place) = self.place(ordinal) else { return };
        self.shares.remove(place);
        if place < self.turn {
            self.turn -= 1;
        } else if place == self.turn {
            self.is_given = false;
        }
        self.turn %= self.shares.len().max(1);
    }

    /// Its weight is another from now on.
    pub fn set_weight(&mut self, ordinal: u32, weight: u16) {
        assert!(weight > 0, "a weight that the manifest lets through");
        if let Some(place) = self.place(ordinal) {
            self.shares[place].weight = weight;
        }
    }

    /// The broadcast whose turn it is, of those that have a row ready; [`Self::spend`] follows.
    pub fn next(&mut self, has_row: impl Fn(u32) -> bool) -> Option<u32> {
        // A debt is paid in a few rounds at most: a row takes ten segments.
        for _ in 0..2 * self.shares.len() {
            let share = &mut self.shares[self.turn];
            if !has_row(share.ordinal) {
                // What it did not use while it had nothing is gone; what it owes stays.
                share.deficit = share.deficit.min(0);
                self.pass();
                continue;
            }
            if !self.is_given {
                share.deficit += i64::from(share.weight) * QUANTUM_SEGMENTS;
                self.is_given = true;
            }
            if share.deficit > 0 {
                return Some(share.ordinal);
            }
            self.pass();
        }
        None
    }

    /// A row of it took so many segments.
    pub fn spend(&mut self, ordinal: u32, segments: u8) {
        if let Some(place) = self.place(ordinal) {
            self.shares[place].deficit -= i64::from(segments.max(1));
        }
    }

    /// It has rows and none that can have its turn now: the next one's turn comes.
    pub fn pass_over(&mut self, ordinal: u32) {
        if self.shares.get(self.turn).is_some_and(|share| share.ordinal == ordinal) {
            self.shares[self.turn].deficit = self.shares[self.turn].deficit.min(0);
            self.pass();
        }
    }

    fn pass(&mut self) {
        self.turn = (self.turn + 1) % self.shares.len();
        self.is_given = false;
    }

    fn place(&self, ordinal: u32) -> Option<usize> {
        self.shares.iter().position(|share| share.ordinal == ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments that each had, of `rows` rows; a row of broadcast `n` takes `takes[n]` segments.
    fn run(
        shares: &mut Shares,
        takes: &[u8],
        rows: u32,
        has_row: impl Fn(u32) -> bool,
    ) -> Vec<u64> {
        let mut had = vec![0; takes.len()];
        for _ in 0..rows {
            let Some(ordinal) = shares.next(&has_row) else { break };
            let segments = takes[ordinal as usize];
            shares.spend(ordinal, segments);
            had[ordinal as usize] += u64::from(segments);
        }
        had
    }

    #[test]
    fn shares_follow_the_weights_whatever_the_texts_take() {
        for (weights, takes) in [
            ([1, 1, 1], [1, 1, 1]),
            ([1, 1, 1], [1, 3, 10]),
            ([1, 2, 5], [2, 1, 10]),
            ([1, 1_000, 7], [10, 1, 1]),
        ] {
            let mut shares = Shares::default();
            for (ordinal, weight) in weights.into_iter().enumerate() {
                assert!(shares.add(ordinal as u32, weight));
            }
            let had = run(&mut shares, &takes, 400_000, |_| true);
            let all: u64 = had.iter().sum();
            let weight: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
            for (had, own) in had.iter().zip(weights) {
                let wanted = all * u64::from(own) / weight;
                let most_apart = all / 50 + u64::from(own) * 32;
                assert!(
                    had.abs_diff(wanted) <= most_apart,
                    "{had} and not {wanted}: {weights:?} {takes:?}"
                );
            }
        }
    }

    #[test]
    fn who_has_nothing_to_send_saves_nothing_and_holds_nobody_up() {
        let mut shares = Shares::default();
        (0..3).for_each(|ordinal| assert!(shares.add(ordinal, 1)));
        assert_eq!(run(&mut shares, &[1, 1, 1], 10_000, |ordinal| ordinal == 1), [0, 10_000, 0]);
        let had = run(&mut shares, &[1, 1, 1], 9_000, |_| true);
        assert!(had.iter().all(|had| had.abs_diff(3_000) <= 64), "{had:?}");
        assert_eq!(shares.next(|_| false), None);
        assert_eq!(Shares::default().next(|_| true), None);
    }

    #[test]
    fn broadcasts_come_and_go_and_there_is_a_bound() {
        let mut shares = Shares::default();
        for ordinal in 0..LIVE_MAX as u32 {
            assert!(shares.add(ordinal, 1));
        }
        assert!(!shares.add(1_000_000, 1), "7110");
        let mut takes = vec![1; LIVE_MAX];
        for ordinal in (0..LIVE_MAX as u32).rev().filter(|ordinal| *ordinal != 9) {
            run(&mut shares, &takes, 7, |_| true);
            shares.remove(ordinal);
        }
        takes.truncate(10);
        assert_eq!(run(&mut shares, &takes, 5, |_| true)[9], 5);
        shares.set_weight(9, 3);
        shares.remove(9);
        assert_eq!(shares.next(|_| true), None);
    }
}
