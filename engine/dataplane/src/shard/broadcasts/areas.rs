//! The pace that each area of a broadcast has for itself, held where rows are claimed: what is not
//! claimed cannot go.
//!
//! **Invariants:** an area has one pace, whatever legs and waves its rows are in; the shares that
//! the shards have of it are no more than that pace together; what is claimed and has not had its
//! turn is no more than comes between two looks, so nothing gathers while others have the network.
//! **Not here:** retries, which come when phones come back.

use std::collections::BTreeMap;

use crate::broadcast::recipients::{Recipients, ShardRun};
use wire::terms::time::SteadyMs;

/// How often claims are looked at where areas have paces: each piece is written down.
const LOOKS_A_SECOND: u64 = 10;
const MICRO: u64 = 1_000_000;

/// A shard's share of the pace of one area.
#[derive(Clone, PartialEq, Eq, Debug)]
struct AreaPace {
    /// Millionths of a row a second.
    rate_micro: u64,
    tokens_micro: u64,
    filled: SteadyMs,
    /// Rows that were granted and have not had their turns.
    waiting: u32,
}

impl AreaPace {
    /// The share of so many rows a second that these rows are of all.
    fn new(per_second: u32, (here, all): (u32, u32), now: SteadyMs) -> Self {
        let whole = u64::from(per_second) * MICRO * u64::from(here);
        let rate_micro = (whole / u64::from(all.max(1))).max(1);
        Self { rate_micro, tokens_micro: 0, filled: now, waiting: 0 }
    }

    fn take(&mut self, now: SteadyMs, wanted: u32) -> u32 {
        // And one row more, or slow paces would lose the part of a row between two looks.
        let most_micro = self.rate_micro / LOOKS_A_SECOND + MICRO;
        let since_ms = now.since(self.filled).min(3_600_000);
        self.filled = self.filled.max(now);
        self.tokens_micro =
            (self.tokens_micro + self.rate_micro * since_ms / 1_000).min(most_micro);
        let room = ((most_micro / MICRO) as u32).saturating_sub(self.waiting);
        let taken = wanted.min((self.tokens_micro / MICRO) as u32).min(room);
        self.tokens_micro -= u64::from(taken) * MICRO;
        self.waiting += taken;
        taken
    }
}

/// The paces of a part's areas.
pub(super) struct AreaPaces {
    /// For each run the place of its area's pace.
    of_run: Vec<u32>,
    paces: Vec<AreaPace>,
    looked: SteadyMs,
}

impl AreaPaces {
    /// So many rows a second in each area, in all shards; `None` for 0.
    pub(super) fn new(
        per_area: u32,
        recipients: &Recipients,
        runs: &[ShardRun],
        now: SteadyMs,
    ) -> Option<Self> {
        if per_area == 0 {
            return None;
        }
        // Rows of each area, here and in all.
        let mut areas: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for (run, of_shard) in recipients.runs().iter().zip(runs) {
            let (here, all) = areas.entry(run.area).or_default();
            (*here, *all) = (*here + of_shard.slice.rows, *all + run.rows);
        }
        let places: BTreeMap<u32, u32> = areas.keys().copied().zip(0..).collect();
        let of_run = recipients.runs().iter().map(|run| places[&run.area]).collect();
        let paces = areas.values().map(|rows| AreaPace::new(per_area, *rows, now)).collect();
        Some(Self { of_run, paces, looked: now })
    }

    /// Whether it is time to look again.
    pub(super) fn is_due(&mut self, now: SteadyMs) -> bool {
        let is_due = now.since(self.looked) >= 1_000 / LOOKS_A_SECOND;
        if is_due {
            self.looked = now;
        }
        is_due
    }

    fn of_run(&mut self, run: u32) -> &mut AreaPace {
        &mut self.paces[self.of_run[run as usize] as usize]
    }

    /// How many of the rows that are wanted of a run may go now.
    pub(super) fn grant(&mut self, run: u32, wanted: u32, now: SteadyMs) -> u32 {
        self.of_run(run).take(now, wanted)
    }

    /// A row of a run has had its turn, or waits for another's.
    pub(super) fn note_turn(&mut self, run: u32) {
        let pace = self.of_run(run);
        pace.waiting = pace.waiting.saturating_sub(1);
    }

    /// A row of a run has its turn again.
    pub(super) fn note_back(&mut self, run: u32) {
        self.of_run(run).waiting += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> SteadyMs {
        SteadyMs::new(ms)
    }

    #[test]
    fn the_shards_have_no_more_together_than_the_area() {
        for (per_area, shards) in [(10, 16), (1, 16), (50, 16), (7, 3), (200, 1)] {
            let mut paces: Vec<AreaPace> =
                (0..shards).map(|_| AreaPace::new(per_area, (100, 100 * shards), at(0))).collect();
            let mut taken = 0;
            for look in 1..=600 {
                for pace in &mut paces {
                    let rows = pace.take(at(look * 100), 32);
                    pace.waiting -= rows;
                    taken += rows;
                }
            }
            let most = per_area * 60;
            assert!(taken <= most, "{per_area} of {shards}: {taken} in a minute");
            assert!(taken + shards + 1 >= most, "{per_area} of {shards}: {taken} in a minute");
        }
    }

    #[test]
    fn what_has_no_turns_does_not_gather() {
        let mut pace = AreaPace::new(20, (10, 10), at(0));
        let taken: u32 = (1..=600).map(|look| pace.take(at(look * 100), 32)).sum();
        assert_eq!(taken, 3, "what comes between two looks, and one");
    }
}
