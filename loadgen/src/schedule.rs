//! When each push of an open loop is meant to be sent.
//!
//! Invariant: the intended time of push `i` is computed from `i` alone, never from the push before
//! it, so that nothing the target does can move it and no rounding adds up.

mod table;

use crate::random::splitmix;
use std::sync::Arc;
use table::Table;

const NS_PER_SECOND: u128 = 1_000_000_000;

/// When each push is due, fixed before the run.
#[derive(Clone, PartialEq, Debug)]
pub struct Schedule {
    kind: Kind,
}

#[derive(Clone, PartialEq, Debug)]
enum Kind {
    Constant {
        rate_per_second: u64,
    },
    /// Ascending intended times, one a push.
    Table(Arc<Table>),
}

/// One stretch of a load.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase", tag = "arrivals")]
pub enum Stretch {
    /// Evenly spaced pushes.
    Constant {
        /// Pushes per second.
        rate_per_s: f64,
        /// How long.
        seconds: f64,
    },
    /// Exponential gaps.
    Poisson {
        /// Pushes per second, in the mean.
        rate_per_s: f64,
        /// How long.
        seconds: f64,
    },
    /// A rate that changes evenly.
    Ramp {
        /// Pushes per second at the beginning.
        from_per_s: f64,
        /// Pushes per second at the end.
        to_per_s: f64,
        /// How long.
        seconds: f64,
    },
    /// Evenly spaced pushes, and at regular times many at once.
    Burst {
        /// Pushes per second between the bursts.
        rate_per_s: f64,
        /// Pushes of each burst.
        pushes: u64,
        /// From one burst to the next; the first comes at the beginning.
        every_s: f64,
        /// How long.
        seconds: f64,
    },
}

impl Schedule {
    /// `rate_per_second` pushes each second; at least one.
    pub fn constant(rate_per_second: u64) -> Self {
        assert!(rate_per_second > 0, "a schedule needs a rate");
        Self { kind: Kind::Constant { rate_per_second } }
    }

    /// The stretches one after the other; the same `seed` gives the same times. Four octets a push.
    pub fn of(stretches: &[Stretch], seed: u64) -> Self {
        let mut times = Table::default();
        let mut begin_s = 0.0;
        for stretch in stretches {
            stretch.append(begin_s, seed, &mut times);
            begin_s += stretch.seconds();
        }
        Self { kind: Kind::Table(Arc::new(times)) }
    }

    /// How many pushes there are; a constant rate goes on without end.
    pub fn pushes(&self) -> Option<u64> {
        match &self.kind {
            Kind::Constant { .. } => None,
            Kind::Table(times) => Some(times.len()),
        }
    }

    /// The intended send time of push `index`, in nanoseconds from the start of the load.
    pub fn intended_ns(&self, index: u64) -> u64 {
        match &self.kind {
            Kind::Constant { rate_per_second } => {
                let intended = u128::from(index) * NS_PER_SECOND / u128::from(*rate_per_second);
                u64::try_from(intended).unwrap_or(u64::MAX)
            }
            Kind::Table(times) => times.at(index).unwrap_or(u64::MAX),
        }
    }

    /// How many pushes are due `elapsed_ns` after the start of the load: those with an index below
    /// the result.
    pub fn due(&self, elapsed_ns: u64) -> u64 {
        match &self.kind {
            Kind::Constant { rate_per_second } => {
                // index · 1e9 / rate, rounded down, is at most `elapsed` exactly while index · 1e9
                // < (elapsed + 1) · rate.
                let passed = (u128::from(elapsed_ns) + 1) * u128::from(*rate_per_second);
                u64::try_from(passed.div_ceil(NS_PER_SECOND)).unwrap_or(u64::MAX)
            }
            Kind::Table(times) => times.due(elapsed_ns),
        }
    }
}

impl Stretch {
    /// How long it is.
    pub fn seconds(&self) -> f64 {
        match *self {
            Self::Constant { seconds, .. }
            | Self::Poisson { seconds, .. }
            | Self::Ramp { seconds, .. }
            | Self::Burst { seconds, .. } => seconds,
        }
    }

    /// Pushes it has, in the mean.
    pub fn pushes(&self) -> f64 {
        match *self {
            Self::Constant { rate_per_s, seconds } | Self::Poisson { rate_per_s, seconds } => {
                rate_per_s * seconds
            }
            Self::Ramp { from_per_s, to_per_s, seconds } => (from_per_s + to_per_s) / 2.0 * seconds,
            Self::Burst { rate_per_s, pushes, every_s, seconds } => {
                rate_per_s * seconds + (seconds / every_s).ceil() * pushes as f64
            }
        }
    }

    /// The same with every rate multiplied by `factor`.
    pub fn scaled(&self, factor: f64) -> Self {
        let mut scaled = *self;
        match &mut scaled {
            Self::Constant { rate_per_s, .. } | Self::Poisson { rate_per_s, .. } => {
                *rate_per_s *= factor
            }
            Self::Ramp { from_per_s, to_per_s, .. } => {
                *from_per_s *= factor;
                *to_per_s *= factor;
            }
            Self::Burst { rate_per_s, pushes, .. } => {
                *rate_per_s *= factor;
                *pushes = (*pushes as f64 * factor).round() as u64;
            }
        }
        scaled
    }

    fn append(&self, begin_s: f64, seed: u64, times: &mut Table) {
        let at = |second: f64| ((begin_s + second) * 1e9) as u64;
        let whole = |pushes: f64| (pushes + 1e-6).floor() as u64;
        let even = |rate_per_s: f64, seconds: f64| {
            (0..whole(rate_per_s * seconds)).map(move |number| at(number as f64 / rate_per_s))
        };
        match *self {
            Self::Constant { rate_per_s, seconds } => {
                even(rate_per_s, seconds).for_each(|time| times.push(time))
            }
            Self::Poisson { rate_per_s, seconds } => {
                let seed = splitmix(seed ^ times.len());
                let mut second = 0.0;
                for number in 0.. {
                    second += exponential(seed, number) / rate_per_s;
                    if second >= seconds {
                        break;
                    }
                    times.push(at(second));
                }
            }
            Self::Ramp { from_per_s, to_per_s, seconds } => {
                // The count after t seconds is from·t + slope·t²/2; solved for t in the form that
                // no slope of 0 breaks.
                let slope = (to_per_s - from_per_s) / seconds;
                for number in 0..whole(self.pushes()) {
                    let number = number as f64;
                    let root = (from_per_s * from_per_s + 2.0 * slope * number).max(0.0).sqrt();
                    times.push(at(if number == 0.0 {
                        0.0
                    } else {
                        2.0 * number / (from_per_s + root)
                    }));
                }
            }
            Self::Burst { rate_per_s, pushes, every_s, seconds } => {
                let mut between = even(rate_per_s, seconds).peekable();
                let bursts = (0..)
                    .map(|number| number as f64 * every_s)
                    .take_while(|&second| second < seconds);
                for burst in bursts.map(at) {
                    while let Some(time) = between.next_if(|&time| time < burst) {
                        times.push(time);
                    }
                    (0..pushes).for_each(|_| times.push(burst));
                }
                between.for_each(|time| times.push(time));
            }
        }
    }
}

/// An exponential random number of mean 1.
fn exponential(seed: u64, number: u64) -> f64 {
    let uniform = (splitmix(seed ^ splitmix(number)) >> 11) as f64 / (1u64 << 53) as f64;
    -(1.0 - uniform).ln()
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
            for elapsed in
                [0, 1, 24_999, 25_000, 333_333_332, 333_333_333, 1_000_000_000, 60_000_000_000]
            {
                let due = schedule.due(elapsed);
                assert!(schedule.intended_ns(due - 1) <= elapsed, "rate {rate} elapsed {elapsed}");
                assert!(schedule.intended_ns(due) > elapsed, "rate {rate} elapsed {elapsed}");
            }
        }
    }

    fn times(stretches: &[Stretch], seed: u64) -> Vec<u64> {
        let schedule = Schedule::of(stretches, seed);
        (0..schedule.pushes().expect("a table")).map(|index| schedule.intended_ns(index)).collect()
    }

    #[test]
    fn poisson_arrivals_have_exponential_gaps_and_come_back_with_their_seed() {
        let stretch = [Stretch::Poisson { rate_per_s: 5_000.0, seconds: 20.0 }];
        let first = times(&stretch, 7);
        assert_eq!(first, times(&stretch, 7));
        assert_ne!(first, times(&stretch, 8));
        assert!((99_000..101_000).contains(&first.len()), "{}", first.len());
        let gaps: Vec<f64> =
            first.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e9).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // An exponential distribution's deviation is its mean, and 1/e of the gaps are longer than
        // it.
        assert!((0.98..1.02).contains(&(variance.sqrt() / mean)), "{}", variance.sqrt() / mean);
        let longer = gaps.iter().filter(|&&gap| gap > mean).count() as f64 / gaps.len() as f64;
        assert!((0.36..0.376).contains(&longer), "{longer}");
    }

    #[test]
    fn a_ramp_reaches_each_rate_when_it_should_and_a_burst_comes_at_once() {
        let ramp = times(&[Stretch::Ramp { from_per_s: 0.0, to_per_s: 1_000.0, seconds: 2.0 }], 1);
        assert_eq!(ramp.len(), 1_000);
        let first_half = ramp.iter().filter(|&&time_ns| time_ns < 1_000_000_000).count();
        assert!((249..=251).contains(&first_half), "{first_half}");
        let burst = Stretch::Burst { rate_per_s: 10.0, pushes: 100, every_s: 1.0, seconds: 3.0 };
        let burst = times(&[burst], 1);
        assert_eq!(burst.len(), 330);
        assert_eq!(burst.iter().filter(|&&time_ns| time_ns == 1_000_000_000).count(), 101);
        assert!(burst.is_sorted());
    }

    #[test]
    fn stretches_follow_each_other_and_due_agrees_with_the_times() {
        let stretches = [
            Stretch::Constant { rate_per_s: 100.0, seconds: 1.0 },
            Stretch::Constant { rate_per_s: 300.0, seconds: 1.0 },
        ];
        let schedule = Schedule::of(&stretches, 1);
        assert_eq!(schedule.pushes(), Some(400));
        assert_eq!(
            (schedule.intended_ns(99), schedule.intended_ns(100)),
            (990_000_000, 1_000_000_000)
        );
        assert_eq!((schedule.due(999_999_999), schedule.due(1_000_000_000)), (100, 101));
        assert_eq!((schedule.due(u64::MAX), schedule.intended_ns(400)), (400, u64::MAX));
    }
}
