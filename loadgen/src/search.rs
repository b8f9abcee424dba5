//! The highest rate that a target holds: steps up, halves the gap, then confirms by repeating.

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

/// One trial.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Trial {
    /// Pushes per second.
    pub rate_per_s: f64,
    /// The answers' 99 % value.
    pub p99_ms: f64,
    /// Whether it met the limit without an error.
    pub held: bool,
}

/// What a search found.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// The highest rate that was held and confirmed; 0 if none was.
    pub held_per_s: f64,
    /// The lowest rate above it that was not held; `None` if all were.
    pub not_held_per_s: Option<f64>,
    /// Every trial, in order.
    pub trials: Vec<Trial>,
}

impl Default for Search {
    fn default() -> Self {
        Self { first_per_s: 1_000.0, precision: 0.02, confirmations: 3, trials_max: 60 }
    }
}

impl Search {
    /// Searches with `attempt`, which runs one trial at a rate. A trial that fails is tried again before it counts: one
    /// hiccup of the machine is not the target's limit.
    pub fn find<E>(&self, mut attempt: impl FnMut(f64) -> Result<Trial, E>) -> Result<Found, E> {
        let mut trials = Vec::new();
        let mut held_at = |rate_per_s: f64, trials: &mut Vec<Trial>| -> Result<bool, E> {
            for _ in 0..2 {
                let trial = attempt(rate_per_s)?;
                trials.push(trial);
                if trial.held {
                    return Ok(true);
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
        // What was held once by luck is not the answer: go down in small steps until it is held every time.
        'confirm: while low > 0.0 && (trials.len() as u32) < self.trials_max {
            for _ in 0..self.confirmations {
                if !held_at(low, &mut trials)? {
                    high = Some(low);
                    low *= 1.0 - self.precision;
                    continue 'confirm;
                }
            }
            break;
        }
        Ok(Found { held_per_s: low, not_held_per_s: high, trials })
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
            Ok(Trial { rate_per_s, p99_ms: 1.0, held: holds(rate_per_s, number) })
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
}
