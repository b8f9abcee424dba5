//! The highest rate that a target holds: steps up, halves the gap, then confirms by repeating.
//!
//! A rate is held when the answers' 99 % value stays below the limit, nothing is refused or lost,
//! and answers do not come later and later: a rate above the target's capacity would pass the limit
//! only after some time.

use crate::latency::{Latencies, Series};
use crate::limits::INTERVAL_NS;
use crate::run::Outcome;
use std::time::Duration;

/// What counts as held.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Search {
    /// Rate of the first trial, per second.
    pub first_per_s: f64,
    /// The gap between held and not held, as a share of the rate, that ends the search.
    pub precision: f64,
    /// Trials in a row that the found rate must stand.
    pub confirmations: u32,
    /// Trials in all, at most.
    pub trials_max: u32,
}

/// What came of one trial.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Fast enough, without an error, from beginning to end.
    Held,
    /// Answers were slower than the limit.
    TooSlow,
    /// Answers were fast enough so far, but came later and later: the target does not keep up.
    FallsBehind,
    /// Pushes were refused or the books are not clean.
    Errors,
    /// The machine paused for so long that the trial says nothing about the target.
    Disturbed,
}

/// One trial.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Trial {
    /// Pushes per second.
    pub rate_per_s: f64,
    /// The answers' 99 % value.
    pub p99_ms: f64,
    /// By how much the answers' median grew in each second.
    pub growth_ms_per_s: f64,
    /// What came of it.
    pub verdict: Verdict,
}

/// What a search found: the limit lies between two rates.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// The highest rate that was held and confirmed; 0 if none was.
    pub held_per_s: f64,
    /// The lowest rate above it that was not held; `None` if all were.
    pub not_held_per_s: Option<f64>,
    /// Trials in a row that confirmed it.
    pub confirmed: u32,
    /// Every trial, in order.
    pub trials: Vec<Trial>,
}

impl Default for Search {
    fn default() -> Self {
        Self { first_per_s: 1_000.0, precision: 0.02, confirmations: 3, trials_max: 60 }
    }
}

impl Search {
    /// Searches with `attempt`, which runs one trial at a rate. A trial that fails is tried again
    /// before it counts, and one that the machine disturbed does not count at all: one hiccup is
    /// not the target's limit.
    pub fn find<E>(&self, mut attempt: impl FnMut(f64) -> Result<Trial, E>) -> Result<Found, E> {
        let mut trials = Vec::new();
        let mut held_at = |rate_per_s: f64, trials: &mut Vec<Trial>| -> Result<bool, E> {
            let (mut failures, mut disturbances) = (0, 0);
            while failures < FAILURES && disturbances < DISTURBANCES_MAX {
                let trial = attempt(rate_per_s)?;
                trials.push(trial);
                match trial.verdict {
                    Verdict::Held => return Ok(true),
                    Verdict::Disturbed => disturbances += 1,
                    _ => failures += 1,
                }
            }
            Ok(false)
        };
        let (mut low, mut high) = (0.0, None::<f64>);
        let mut rate = self.first_per_s;
        while (trials.len() as u32) < self.trials_max {
            if held_at(rate, &mut trials)? {
                low = rate;
            } else {
                high = Some(rate);
            }
            rate = match high {
                None => low * 2.0,
                Some(high) if high - low <= high * self.precision || high < 1.0 => break,
                Some(high) => (low + high) / 2.0,
            };
        }
        // What was held once by luck is not the answer: go down in small steps until it is held
        // every time.
        let mut confirmed = 0;
        while low > 0.0 && confirmed < self.confirmations && (trials.len() as u32) < self.trials_max
        {
            if held_at(low, &mut trials)? {
                confirmed += 1;
            } else {
                (high, confirmed) = (Some(low), 0);
                low *= 1.0 - self.precision;
            }
        }
        Ok(Found { held_per_s: low, not_held_per_s: high, confirmed, trials })
    }
}

/// Failures at one rate that mean that it is not held.
const FAILURES: u32 = 2;
/// Disturbed trials at one rate after which it counts as not held.
const DISTURBANCES_MAX: u32 = 6;
/// A median that grows by more than this share of the time that passes shows a target that does not
/// keep up.
const GROWTH_MAX: f64 = 0.01;

/// By how much the median of `answers` grew per second of the load: over its first and its last
/// quarter.
pub fn growth(answers: &Series) -> f64 {
    let intervals: Vec<(u64, Latencies)> = answers.intervals().collect();
    let quarter = intervals.len().div_ceil(4);
    let (Some(first), Some(last)) =
        (intervals.get(..quarter), intervals.get(intervals.len().saturating_sub(quarter)..))
    else {
        return 0.0;
    };
    let median_s = |part: &[(u64, Latencies)]| {
        let mut sum = Latencies::default();
        part.iter().for_each(|(_, latencies)| sum.add(latencies));
        sum.percentile_ns(50.0) as f64 / 1e9
    };
    let middle_s = |part: &[(u64, Latencies)]| {
        let sum: u64 = part.iter().map(|(number, _)| number).sum();
        sum as f64 / part.len().max(1) as f64 * INTERVAL_NS as f64 / 1e9
    };
    let passed_s = middle_s(last) - middle_s(first);
    if passed_s > 0.0 { (median_s(last) - median_s(first)) / passed_s } else { 0.0 }
}

impl Trial {
    /// Judges a run at `rate_per_s`.
    pub fn of(outcome: &Outcome, rate_per_s: f64, p99: Duration) -> Self {
        let p99_ns = outcome.sent.answer_times.percentile_ns(99.0);
        let growth = growth(&outcome.sent.phases.load.answer);
        let limit_ns = p99.as_nanos() as u64;
        let pauses_ns = outcome.conditions.hiccups.percentile_ns(100.0);
        let verdict =
            if !outcome.is_clean() || outcome.tally.refused > 0 || outcome.tally.accepted == 0 {
                Verdict::Errors
            } else if p99_ns <= limit_ns && growth <= GROWTH_MAX {
                Verdict::Held
            } else if pauses_ns > limit_ns / 2 {
                Verdict::Disturbed
            } else if p99_ns > limit_ns {
                Verdict::TooSlow
            } else {
                Verdict::FallsBehind
            };
        Self { rate_per_s, p99_ms: p99_ns as f64 / 1e6, growth_ms_per_s: growth * 1e3, verdict }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn found(search: Search, mut holds: impl FnMut(f64, u32) -> bool) -> Found {
        let mut number = 0;
        let outcome: Result<Found, Infallible> = search.find(|rate_per_s| {
            number += 1;
            let verdict = if holds(rate_per_s, number) { Verdict::Held } else { Verdict::TooSlow };
            Ok(Trial { rate_per_s, p99_ms: 1.0, growth_ms_per_s: 0.0, verdict })
        });
        outcome.expect("trials do not fail")
    }

    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        for (first_per_s, limit) in [(100.0, 7_777.0), (50_000.0, 7_777.0), (7_777.0, 7_777.0)] {
            let found = found(Search { first_per_s, ..Search::default() }, |rate, _| rate <= limit);
            assert!(found.held_per_s <= limit && found.held_per_s >= limit * 0.98, "{found:?}");
            assert!(found.not_held_per_s.is_some_and(|rate| rate > limit), "{found:?}");
        }
    }

    #[test]
    fn a_single_hiccup_does_not_lower_the_limit() {
        let found = found(Search::default(), |rate, number| rate <= 7_777.0 && number % 5 != 0);
        assert!(found.held_per_s >= 7_777.0 * 0.98, "{found:?}");
    }

    #[test]
    fn a_target_that_holds_nothing_and_one_that_holds_everything_both_end_the_search() {
        assert_eq!(found(Search::default(), |_, _| false).held_per_s, 0.0);
        let all = found(Search { trials_max: 10, ..Search::default() }, |_, _| true);
        assert_eq!((all.not_held_per_s, all.trials.len()), (None, 10));
    }

    #[test]
    fn disturbed_trials_do_not_count_and_a_machine_that_is_never_quiet_ends_the_search() {
        let mut number = 0;
        let search = Search::default();
        let outcome: Result<Found, Infallible> = search.find(|rate_per_s| {
            number += 1;
            let verdict = match (number % 3, rate_per_s <= 7_777.0) {
                (0, true) => Verdict::Held,
                (0, false) => Verdict::FallsBehind,
                _ => Verdict::Disturbed,
            };
            Ok(Trial { rate_per_s, p99_ms: 1.0, growth_ms_per_s: 0.0, verdict })
        });
        let found = outcome.expect("trials do not fail");
        assert!(found.held_per_s >= 7_777.0 * 0.9, "{found:?}");
        let outcome: Result<Found, Infallible> = search.find(|rate_per_s| {
            Ok(Trial { rate_per_s, p99_ms: 1.0, growth_ms_per_s: 0.0, verdict: Verdict::Disturbed })
        });
        assert_eq!(outcome.expect("trials do not fail").held_per_s, 0.0);
    }

    #[test]
    fn a_median_that_grows_with_the_time_is_told_from_one_that_stays() {
        let series = |grows: f64| {
            let mut series = Series::default();
            for step in 0..4_000u64 {
                let at_ns = step * 1_000_000;
                series.record(at_ns, 5_000_000 + (at_ns as f64 * grows) as u64);
            }
            series
        };
        assert!(growth(&series(0.0)).abs() < 1e-9);
        assert!((growth(&series(0.03)) - 0.03).abs() < 0.002, "{}", growth(&series(0.03)));
    }
}
