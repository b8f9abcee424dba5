//! How many rows may wait in the lane of one route: what its carriers take in a tenth of a second,
//! for a crash leaves in doubt what waits there.
//!
//! **Invariants:** the room is never less than a few rows, nor more than a lane's most; it grows as
//! soon as a full lane ran dry between two looks, and shrinks within a second to what is taken.

use crate::broadcast::limits::{CLAIMED_AHEAD_MS, ROUTE_ROWS_QUEUED_MAX, ROUTE_ROWS_QUEUED_MIN};
use std::cell::Cell;
use wire::terms::time::SteadyMs;

/// Tenths of a second of which the busiest counts.
const TENTHS: u8 = 10;

/// The room of one lane.
pub(super) struct LaneRoom {
    most: usize,
    /// It was full since the last look.
    was_full: Cell<bool>,
    /// Rows that left it since the tenth that is running began, and when that was.
    left: Cell<usize>,
    since: SteadyMs,
    /// The most that left it in one of the last tenths, and how many tenths those are.
    busiest: usize,
    tenths: u8,
}

impl Default for LaneRoom {
    fn default() -> Self {
        Self {
            most: ROUTE_ROWS_QUEUED_MIN,
            was_full: Cell::new(false),
            left: Cell::new(0),
            since: SteadyMs::ZERO,
            busiest: 0,
            tenths: 0,
        }
    }
}

impl LaneRoom {
    /// Rows that may wait.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// So many wait, and one has just come.
    pub(super) fn note_entered(&self, waiting: usize) {
        if waiting >= self.most {
            self.was_full.set(true);
        }
    }

    /// One has gone.
    pub(super) fn note_left(&self) {
        self.left.set(self.left.get() + 1);
    }

    /// Looks at what has gone since the last look; so many wait.
    pub(super) fn see(&mut self, waiting: usize, now: SteadyMs) {
        if self.was_full.take() && waiting == 0 {
            self.most = (self.most * 2).min(ROUTE_ROWS_QUEUED_MAX);
        }
        let past_ms = now.since(self.since);
        if past_ms < CLAIMED_AHEAD_MS {
            return;
        }
        // Whoever looks late finds what went in all that time.
        let left = self.left.take() as u64 * CLAIMED_AHEAD_MS;
        self.busiest = self.busiest.max(left.div_ceil(past_ms) as usize);
        self.since = now;
        self.tenths += 1;
        if self.tenths == TENTHS {
            self.most = self.most.min(self.busiest.max(ROUTE_ROWS_QUEUED_MIN));
            (self.busiest, self.tenths) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lane that is filled every five milliseconds for so many seconds, and of which so many are
    /// taken each time; the rows that were taken.
    fn fill(
        room: &mut LaneRoom,
        from_ms: u64,
        seconds: u64,
        takes: impl Fn(u64) -> usize,
    ) -> usize {
        let (mut waiting, mut taken) = (0, 0);
        for look in 0..seconds * 200 {
            room.see(waiting, SteadyMs::new(from_ms + look * 5));
            while waiting < room.most() {
                waiting += 1;
                room.note_entered(waiting);
            }
            let goes = takes(look).min(waiting);
            (0..goes).for_each(|_| room.note_left());
            (waiting, taken) = (waiting - goes, taken + goes);
        }
        taken
    }

    #[test]
    fn a_slow_carrier_has_a_few_rows_in_its_lane_and_a_fast_one_is_never_kept_waiting() {
        let mut room = LaneRoom::default();
        // Its windows are free at first; then twenty a second go.
        let slow = |look: u64| if look < 3 { 100 } else { usize::from(look.is_multiple_of(10)) };
        fill(&mut room, 1_000, 4, slow);
        assert_eq!(room.most(), ROUTE_ROWS_QUEUED_MIN);
        // Ten thousand a second from now on, then what comes of a large window once a second.
        let taken = fill(&mut room, 5_000, 4, |_| 50);
        assert!(taken >= 39_800, "{taken} of 40,000");
        let bursts = |look: u64| if look % 200 < 20 { 200 } else { 0 };
        let taken = fill(&mut room, 9_000, 4, bursts);
        assert!(taken >= 15_600, "{taken} of 16,000: it keeps its room between the bursts");
        fill(&mut room, 13_000, 4, slow);
        assert_eq!(room.most(), ROUTE_ROWS_QUEUED_MIN, "and gives it up when it is slow again");
    }
}
