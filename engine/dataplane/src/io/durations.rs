//! Durations counted in buckets that widen with them: two to a doubling, from 8 microseconds to a
//! second.
//!
//! Bounded, and cheap enough for every answer: a shift and an addition.

/// The bound of the first bucket is 2 to the power of this, in microseconds.
const FIRST_POWER: u32 = 3;
/// The bound of the last one is 2 to the power of this, in microseconds: 1.05 seconds.
const LAST_POWER: u32 = 20;
/// Buckets with a bound.
pub(super) const BOUNDED: usize = 2 * (LAST_POWER - FIRST_POWER) as usize + 1;
/// All buckets: what took longer than every bound has one too.
pub(super) const BUCKETS: usize = BOUNDED + 1;

/// The bounds in microseconds: 8, 12, 16, 24, 32 and so on. A bucket counts what took no longer
/// than its bound, and longer than the one before.
pub(super) fn bound_us(bucket: usize) -> u64 {
    let power = 1 << (FIRST_POWER as usize + bucket / 2);
    power + (bucket as u64 % 2) * power / 2
}

/// How many durations fell into each bucket, and their sum.
#[derive(Clone, Debug)]
pub(super) struct Durations {
    counts: [u64; BUCKETS],
    sum_ns: u64,
}

impl Default for Durations {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], sum_ns: 0 }
    }
}

impl Durations {
    /// Counts one.
    pub(super) fn record(&mut self, ns: u64) {
        self.counts[bucket_of(ns)] += 1;
        self.sum_ns += ns;
    }

    /// Counts so many of the same length.
    pub(super) fn record_many(&mut self, ns: u64, number: u64) {
        self.counts[bucket_of(ns)] += number;
        self.sum_ns += ns * number;
    }

    /// How many fell into each bucket.
    pub(super) fn counts(&self) -> &[u64; BUCKETS] {
        &self.counts
    }

    /// The sum of all, in nanoseconds.
    pub(super) fn sum_ns(&self) -> u64 {
        self.sum_ns
    }
}

fn bucket_of(ns: u64) -> usize {
    // What is exactly at a bound stays below it.
    let below_us = ns.div_ceil(1000).saturating_sub(1);
    if below_us >> FIRST_POWER == 0 {
        return 0;
    }
    let power = below_us.ilog2();
    let upper_half = (below_us >> (power - 1)) & 1;
    (2 * (power - FIRST_POWER) as usize + 1 + upper_half as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_in_two_steps() {
        assert_eq!((0..7).map(bound_us).collect::<Vec<_>>(), [8, 12, 16, 24, 32, 48, 64]);
        assert_eq!(bound_us(BOUNDED - 1), 1 << LAST_POWER);
    }

    #[test]
    fn each_duration_falls_between_the_bounds_around_it() {
        for bucket in 0..BOUNDED {
            let bound_ns = bound_us(bucket) * 1000;
            assert_eq!(bucket_of(bound_ns), bucket, "{bound_ns} ns are still within their bound");
            assert_eq!(bucket_of(bound_ns + 1), bucket + 1, "{bound_ns} ns and one are not");
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn counts_and_sum_tell_of_all() {
        let mut durations = Durations::default();
        [5_000, 9_000, 9_500, 40_000_000_000].into_iter().for_each(|ns| durations.record(ns));
        assert_eq!(
            (durations.counts()[0], durations.counts()[1], durations.counts()[BUCKETS - 1]),
            (1, 2, 1)
        );
        assert_eq!(durations.sum_ns(), 40_000_023_500);
    }
}
