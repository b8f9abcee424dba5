//! Histograms of latencies: made alike, merged by adding, never averaged.

use crate::limits::{INTERVAL_NS, LATENCY_DIGITS, LATENCY_NS_MAX, LATENCY_NS_MIN};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Latencies in nanoseconds, from a tenth of a microsecond to ten minutes; longer ones count as ten
/// minutes.
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

    /// Counts the same latency `count` times.
    pub fn record_n(&mut self, latency_ns: u64, count: u64) {
        self.histogram.saturating_record_n(latency_ns, count);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency, in nanoseconds, that `percent` of those counted do not exceed.
    pub fn percentile_ns(&self, percent: f64) -> u64 {
        self.histogram.value_at_percentile(percent)
    }

    /// Adds counts.
    pub(crate) fn add_counts(&mut self, counts: &[Counted]) {
        counts.iter().for_each(|counted| self.record_n(counted.latency_ns, counted.count));
    }

    /// The counts themselves.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }
}

/// Latencies over time: the counts of each interval of a run, apart. Recording costs what recording
/// into one histogram costs; an interval that is over is kept as the counts that are not zero.
#[derive(Clone, Debug, Default)]
pub struct Series {
    current: Option<Box<Latencies>>,
    /// Since the start of the load, when the current interval is over.
    end_ns: u64,
    intervals: BTreeMap<u64, Vec<Counted>>,
}

/// So many latencies of about this length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Counted {
    latency_ns: u64,
    count: u64,
}

impl Series {
    /// Counts one latency, `since_start_ns` after the start of the load. The times must not go back
    /// by more than what the interval of the earlier call reaches.
    pub fn record(&mut self, since_start_ns: u64, latency_ns: u64) {
        if since_start_ns >= self.end_ns {
            self.turn(since_start_ns);
        }
        self.current.get_or_insert_default().record(latency_ns);
    }

    /// Adds all that `other` counted, interval by interval.
    pub fn add(&mut self, other: &Self) {
        self.close();
        let mut other = other.clone();
        other.close();
        for (number, counts) in other.intervals {
            self.intervals.entry(number).or_default().extend(counts);
        }
    }

    /// All intervals in one.
    pub fn total(&self) -> Latencies {
        let mut total = self.current.as_deref().cloned().unwrap_or_default();
        for counted in self.intervals.values().flatten() {
            total.record_n(counted.latency_ns, counted.count);
        }
        total
    }

    /// Every interval with its number, ascending; those without a latency are left out.
    pub fn intervals(&self) -> impl Iterator<Item = (u64, Latencies)> {
        let mut closed = self.clone();
        closed.close();
        closed.intervals.into_iter().map(|(number, counts)| {
            let mut latencies = Latencies::default();
            for counted in counts {
                latencies.record_n(counted.latency_ns, counted.count);
            }
            (number, latencies)
        })
    }

    /// The last `count` intervals that have ended, the latest first.
    pub(crate) fn ended(&self, count: usize) -> impl Iterator<Item = (u64, &[Counted])> {
        self.intervals.iter().rev().take(count).map(|(number, counts)| (*number, &counts[..]))
    }

    /// Puts a whole histogram into the interval `number`.
    pub fn insert(&mut self, number: u64, latencies: &Latencies) {
        self.intervals.entry(number).or_default().extend(counted(latencies));
    }

    fn turn(&mut self, since_start_ns: u64) {
        self.close();
        self.end_ns = (since_start_ns / INTERVAL_NS + 1) * INTERVAL_NS;
    }

    fn close(&mut self) {
        if let Some(current) = &mut self.current
            && current.count() > 0
        {
            let number = (self.end_ns / INTERVAL_NS).saturating_sub(1);
            self.intervals.entry(number).or_default().extend(counted(current));
            current.histogram.reset();
        }
    }
}

/// The latencies of one phase of a run, stage by stage. Those counted from the intended send are
/// what a push client sees; those from the actual send, the service times, are what the target did.
#[derive(Clone, Debug, Default)]
pub struct Stages {
    /// From the intended (open loop) or first actual (closed loop) send to the final answer.
    pub answer: Series,
    /// From the actual send of a request to its answer.
    pub service: Series,
    /// From the intended or first actual send to the last moment at which the push can have been
    /// delivered: the end of the second that its notification names, or the notification's arrival
    /// if that is earlier.
    pub delivery: Series,
    /// Open loop: the same from the first actual send.
    pub delivery_service: Series,
    /// From the intended or first actual send to the first notification.
    pub notification: Series,
    /// Open loop: the same from the first actual send.
    pub notification_service: Series,
    /// From the intended to the actual send.
    pub lateness: Series,
}

/// The latencies of a run, phase by phase.
#[derive(Clone, Debug, Default)]
pub struct Phases {
    /// Of the pushes that only warm up.
    pub warm_up: Stages,
    /// Of all others.
    pub load: Stages,
}

/// The stages' names.
const STAGES: [&str; 7] = [
    "answer",
    "service",
    "delivery",
    "delivery-service",
    "notification",
    "notification-service",
    "lateness",
];

impl Stages {
    /// Every stage under its name.
    pub fn named(&self) -> [(&'static str, &Series); 7] {
        let series = [
            &self.answer,
            &self.service,
            &self.delivery,
            &self.delivery_service,
            &self.notification,
            &self.notification_service,
            &self.lateness,
        ];
        std::array::from_fn(|at| (STAGES[at], series[at]))
    }

    /// The stage with this name.
    pub fn stage(&mut self, name: &str) -> Option<&mut Series> {
        let series = [
            &mut self.answer,
            &mut self.service,
            &mut self.delivery,
            &mut self.delivery_service,
            &mut self.notification,
            &mut self.notification_service,
            &mut self.lateness,
        ];
        STAGES.iter().zip(series).find(|(known, _)| **known == name).map(|(_, series)| series)
    }
}

impl Phases {
    /// The warm-up's stages or the load's.
    pub fn of(&mut self, warm_up: bool) -> &mut Stages {
        if warm_up { &mut self.warm_up } else { &mut self.load }
    }

    /// Adds all that `other` counted.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in [(&mut self.warm_up, &other.warm_up), (&mut self.load, &other.load)] {
            for (name, series) in other.named() {
                if let Some(stage) = own.stage(name) {
                    stage.add(series);
                }
            }
        }
    }
}

fn counted(latencies: &Latencies) -> impl Iterator<Item = Counted> {
    latencies.histogram.iter_recorded().map(|step| Counted {
        latency_ns: step.value_iterated_to(),
        count: step.count_since_last_iteration(),
    })
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
        assert!(
            (LATENCY_NS_MAX..LATENCY_NS_MAX + LATENCY_NS_MAX / 500).contains(&longest),
            "{longest}"
        );
    }

    #[test]
    fn a_series_keeps_intervals_apart_and_its_total_is_their_sum() {
        let (mut first, mut second, mut whole) =
            (Series::default(), Series::default(), Latencies::default());
        for step in 0..1_000u64 {
            let (at_ns, latency_ns) = (step * 3_000_000, 20_000 + step * 1_717);
            let series = if step % 2 == 0 { &mut first } else { &mut second };
            series.record(at_ns, latency_ns);
            whole.record(latency_ns);
        }
        first.add(&second);
        let numbers: Vec<u64> = first.intervals().map(|(number, _)| number).collect();
        assert_eq!(numbers, (0..12).collect::<Vec<_>>());
        assert_eq!(first.intervals().map(|(_, latencies)| latencies.count()).sum::<u64>(), 1_000);
        let total = first.total();
        for percent in [0.0, 25.0, 50.0, 99.0, 99.9, 100.0] {
            assert_eq!(total.percentile_ns(percent), whole.percentile_ns(percent), "{percent}");
        }
    }
}
