//! The pace that each area of a broadcast has for itself, held where rows are claimed: what is not
//! claimed cannot go.
//!
//! **Invariant:** an area has one pace, whatever legs and waves its rows are in.

use std::collections::BTreeMap;

use super::share_of;
use crate::broadcast::pace::Bucket;
use crate::broadcast::recipients::{Recipients, ShardRun};
use wire::terms::time::SteadyMs;

/// How often claims are looked at where areas have paces: each piece is written down.
const LOOKS_A_SECOND: u64 = 10;

/// The paces of a part's areas.
pub(super) struct AreaPaces {
    /// For each run the place of its area's pace.
    of_run: Vec<u32>,
    buckets: Vec<Bucket>,
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
        let bucket = |rows: &(u32, u32)| {
            Bucket::new(share_of(per_area, *rows), 0, now).looked_at(LOOKS_A_SECOND)
        };
        Some(Self { of_run, buckets: areas.values().map(bucket).collect(), looked: now })
    }

    /// Whether it is time to look again.
    pub(super) fn is_due(&mut self, now: SteadyMs) -> bool {
        let is_due = now.since(self.looked) >= 1_000 / LOOKS_A_SECOND;
        if is_due {
            self.looked = now;
        }
        is_due
    }

    /// How many of the rows that are wanted of a run may go now.
    pub(super) fn grant(&mut self, run: u32, wanted: u32, now: SteadyMs) -> u32 {
        let place = self.of_run[run as usize] as usize;
        self.buckets[place].take(now, wanted)
    }
}
