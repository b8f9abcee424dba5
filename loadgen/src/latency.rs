//! Histograms of latencies: made alike, merged by adding, never averaged.

use crate::limits::{LATENCY_DIGITS, LATENCY_NS_MAX, LATENCY_NS_MIN};
use hdrhistogram::Histogram;

/// Latencies in nanoseconds, from one microsecond to ten minutes; longer ones count as ten minutes.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        match Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, LATENCY_DIGITS) {
            Ok(histogram) => Self { histogram },
            Err(fault) => unreachable!("the bounds are constants: {fault}"),
        }
    }
}

impl Latencies {
    /// Counts one latency.
    pub fn record(&mut self, latency_ns: u64) {
        self.histogram.saturating_record(latency_ns);
    }

    /// Adds all that `other` counted.
    pub fn add(&mut self, other: &Self) {
        if let Err(fault) = self.histogram.add(&other.histogram) {
            unreachable!("all latency histograms have the same bounds: {fault}");
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency, in nanoseconds, that `percent` of those counted do not exceed.
    pub fn percentile_ns(&self, percent: f64) -> u64 {
        self.histogram.value_at_percentile(percent)
    }

    /// The counts themselves.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_three_digits_and_extremes_saturate() {
        let mut first = Latencies::default();
        let mut second = Latencies::default();
        for value in 1..=500u64 {
            first.record(value * 1_000_000);
            second.record((value + 500) * 1_000_000);
        }
        first.add(&second);
        assert_eq!(first.count(), 1_000);
        let median = first.percentile_ns(50.0);
        assert!((499_500_000..=500_500_000).contains(&median), "{median}");
        first.record(u64::MAX);
        let longest = first.percentile_ns(100.0);
        assert!((LATENCY_NS_MAX..LATENCY_NS_MAX + LATENCY_NS_MAX / 500).contains(&longest), "{longest}");
    }
}
