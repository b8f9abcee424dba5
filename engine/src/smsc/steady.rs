//! Time for timers that goes on evenly when the wall clock does not.
//!
//! Timers count on a time of their own that never runs backward and does not stand still either:
//! when the wall clock is set back by an hour, a retry due in five minutes stays due in five
//! minutes. Set forward, timers come early, which does no harm. Expiry is a matter of the wall
//! clock: whoever is woken asks it again.
//!
//! Never here: a clock. The caller brings the wall time in Unix milliseconds.

/// The timers' own time, made of wall times as they are seen.
#[derive(Clone, Copy, Debug)]
pub struct SteadyTime {
    wall_ms: u64,
    /// What the wall clock has lost by being set back, in all.
    ahead_ms: u64,
}

impl SteadyTime {
    /// Begins at a wall time.
    pub fn new(wall_ms: u64) -> Self {
        Self { wall_ms, ahead_ms: 0 }
    }

    /// Sees the wall clock; gives the steady time of this moment.
    pub fn see(&mut self, wall_ms: u64) -> u64 {
        self.ahead_ms += self.wall_ms.saturating_sub(wall_ms);
        self.wall_ms = wall_ms;
        self.steady_of(wall_ms)
    }

    /// Whether the wall clock was ever seen to be set back.
    pub fn was_set_back(&self) -> bool {
        self.ahead_ms > 0
    }

    /// The wall time that was seen last.
    pub fn wall(&self) -> u64 {
        self.wall_ms
    }

    /// The steady time at which the wall clock will show `wall_ms` if nobody sets it.
    pub fn steady_of(&self, wall_ms: u64) -> u64 {
        wall_ms.saturating_add(self.ahead_ms)
    }

    /// What the wall clock will show at a steady time if nobody sets it.
    pub fn wall_of(&self, steady_ms: u64) -> u64 {
        steady_ms.saturating_sub(self.ahead_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_neither_stops_nor_turns_the_timers() {
        let mut time = SteadyTime::new(10_000);
        assert_eq!(time.see(12_000), 12_000);
        assert_eq!(time.see(2_000), 12_000, "the step itself takes no time");
        assert_eq!(time.see(2_500), 12_500);
        assert_eq!(time.wall_of(13_000), 3_000);
        assert_eq!(time.steady_of(3_000), 13_000);
    }

    #[test]
    fn a_clock_set_forward_carries_the_timers_along() {
        let mut time = SteadyTime::new(0);
        assert_eq!(time.see(3_600_000), 3_600_000);
        assert_eq!(time.see(0), 3_600_000);
        assert_eq!(time.see(3_600_000), 7_200_000);
    }
}
