//! When each push of an open loop is meant to be sent.
//!
//! Invariant: the intended time of push `i` is computed from `i` alone, never from the push before it, so that
//! nothing the target does can move it and no rounding adds up.

const NS_PER_SECOND: u128 = 1_000_000_000;

/// A constant-rate schedule, fixed before the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedule {
    rate_per_second: u64,
}

impl Schedule {
    /// `rate_per_second` pushes each second; at least one.
    pub fn constant(rate_per_second: u64) -> Self {
        assert!(rate_per_second > 0, "a schedule needs a rate");
        Self { rate_per_second }
    }

    /// The intended send time of push `index`, in nanoseconds from the start of the load.
    pub fn intended_ns(&self, index: u64) -> u64 {
        let intended = u128::from(index) * NS_PER_SECOND / u128::from(self.rate_per_second);
        u64::try_from(intended).unwrap_or(u64::MAX)
    }

    /// How many pushes are due `elapsed_ns` after the start of the load: those with an index below the result.
    pub fn due(&self, elapsed_ns: u64) -> u64 {
        // index · 1e9 / rate, rounded down, is at most `elapsed` exactly while index · 1e9 < (elapsed + 1) · rate.
        let passed = (u128::from(elapsed_ns) + 1) * u128::from(self.rate_per_second);
        u64::try_from(passed.div_ceil(NS_PER_SECOND)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intended_times_do_not_drift_at_rates_that_divide_badly() {
        let schedule = Schedule::constant(3);
        assert_eq!(schedule.intended_ns(0), 0);
        assert_eq!(schedule.intended_ns(1), 333_333_333);
        assert_eq!(schedule.intended_ns(3), 1_000_000_000);
        assert_eq!(schedule.intended_ns(3_000_000_000), 1_000_000_000_000_000_000);
        assert_eq!(Schedule::constant(999_983).intended_ns(999_983 * 86_400), 86_400_000_000_000);
    }

    #[test]
    fn due_counts_exactly_the_pushes_whose_intended_time_has_come() {
        for rate in [1, 3, 7, 40_000, 999_983, 3_000_000_000] {
            let schedule = Schedule::constant(rate);
            for elapsed in [0, 1, 24_999, 25_000, 333_333_332, 333_333_333, 1_000_000_000, 60_000_000_000] {
                let due = schedule.due(elapsed);
                assert!(schedule.intended_ns(due - 1) <= elapsed, "rate {rate} elapsed {elapsed}");
                assert!(schedule.intended_ns(due) > elapsed, "rate {rate} elapsed {elapsed}");
            }
        }
    }
}
