//! Whether the target stood still for some milliseconds now and then: a run's answers by quarter
//! seconds. A percentile of the whole run hides that; its quarters do not.
//!
//! Quarters in which the generator itself was late say nothing about the target, and are left out;
//! what the target held back is the target's.

use crate::latency::Series;
use serde::Serialize;
use std::collections::BTreeMap;

/// Quarters in which 99 % of the sends were later than this by the generator's own doing are left
/// out, in nanoseconds.
const OWN_LATENESS_NS_MAX: u64 = 300_000;
/// The 99 % of a quarter stays within so many times the median quarter's.
const TIMES_MAX: u64 = 3;
/// With fewer answers a quarter has no 99 %.
const ANSWERS_MIN: u64 = 100;

/// The quarter seconds of a run.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Quarters {
    /// Those with answers enough.
    pub counted: u64,
    /// Those of them in which the generator was in time.
    pub in_time: u64,
    /// The 99 % of the answers in the median one of these, in milliseconds.
    pub median_p99_ms: f64,
    /// And in the worst.
    pub worst_p99_ms: f64,
    /// How many of them took more than three times the median one's.
    pub beyond: u64,
}

impl Quarters {
    /// Of the answers' times and the generator's own lateness; `None` where no quarter has enough
    /// of either.
    pub fn of(answers: &Series, own_lateness: &Series) -> Option<Self> {
        let late: BTreeMap<u64, u64> =
            own_lateness.intervals().map(|(at, late)| (at, late.percentile_ns(99.0))).collect();
        let enough = answers.intervals().filter(|(_, answers)| answers.count() >= ANSWERS_MIN);
        let (mut counted, mut in_time) = (0, Vec::new());
        for (at, answers) in enough {
            counted += 1;
            // Without a send in it whoever was late had been so before.
            if late.get(&at).is_some_and(|late_ns| *late_ns < OWN_LATENESS_NS_MAX) {
                in_time.push(answers.percentile_ns(99.0));
            }
        }
        in_time.sort_unstable();
        let (median_ns, worst_ns) = (*in_time.get(in_time.len() / 2)?, *in_time.last()?);
        let ms = |ns: u64| ns as f64 / 1e6;
        let is_beyond = |ns: &&u64| **ns > TIMES_MAX * median_ns;
        Some(Self {
            counted,
            in_time: in_time.len() as u64,
            median_p99_ms: ms(median_ns),
            worst_p99_ms: ms(worst_ns),
            beyond: in_time.iter().filter(is_beyond).count() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::INTERVAL_NS;

    /// So many quarters of a thousand answers, each with this 99 % and this lateness.
    fn series(quarters: &[(u64, u64)]) -> (Series, Series) {
        let (mut answers, mut late) = (Series::default(), Series::default());
        for (number, (answer_ns, late_ns)) in (0..).zip(quarters) {
            for _ in 0..1_000 {
                answers.record(number * INTERVAL_NS, *answer_ns);
                late.record(number * INTERVAL_NS, *late_ns);
            }
        }
        (answers, late)
    }

    #[test]
    fn a_quarter_that_takes_over_three_times_the_median_is_counted_where_the_generator_was_in_time()
    {
        const MS: u64 = 1_000_000;
        let mut quarters = vec![(MS, 1_000); 20];
        quarters[3] = (4 * MS, 1_000);
        quarters[7] = (9 * MS, 400_000);
        quarters[9] = (2 * MS, 1_000);
        let (answers, late) = series(&quarters);
        let found = Quarters::of(&answers, &late).expect("quarters");
        assert_eq!((found.counted, found.in_time, found.beyond), (20, 19, 1));
        assert!((found.median_p99_ms - 1.0).abs() < 0.01, "{found:?}");
        assert!((found.worst_p99_ms - 4.0).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn a_run_without_enough_answers_has_none() {
        assert_eq!(Quarters::of(&Series::default(), &Series::default()), None);
        let (answers, _) = series(&[(1_000, 0)]);
        assert_eq!(Quarters::of(&answers, &Series::default()), None, "nobody was in time");
    }
}
