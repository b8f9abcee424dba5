//! How long single pushes waited for their answers while a broadcast went out.
//!
//! **Never here:** a clock. **Invariant:** what was before the broadcast is not counted; where its
//! beginning was not seen, nothing is told.

use serde::{Deserialize, Serialize};

use crate::io::figures::ShardFigures;

/// The name of the answers' times.
const ANSWERS: &str = "answer_seconds";

/// Answers by how long they took, up to a moment.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Answers {
    /// Bounds in seconds, ascending, with how many took no longer and longer than the one before.
    buckets: Vec<(f64, u64)>,
    above: u64,
}

/// Answers to single pushes between a broadcast's start and its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AnswersBeside {
    /// How many.
    pub answers: u64,
    /// Half of them took no longer, in microseconds.
    pub p50_us: u64,
    /// And of a hundred ninety-nine.
    pub p99_us: u64,
}

impl Answers {
    /// Of all shards.
    pub(super) fn of(shards: &[ShardFigures]) -> Self {
        let mut all = Self::default();
        let times = shards.iter().flat_map(|shard| &shard.times);
        for times in times.filter(|times| times.name == ANSWERS) {
            if all.buckets.is_empty() {
                all.buckets = times.buckets.iter().map(|(bound, _)| (*bound, 0)).collect();
            }
            for (sum, (_, count)) in all.buckets.iter_mut().zip(&times.buckets) {
                sum.1 += count;
            }
            all.above += times.above;
        }
        all
    }

    /// Those since another moment.
    pub(super) fn since(&self, before: &Self) -> AnswersBeside {
        let counts: Vec<(f64, u64)> = (0..)
            .zip(&self.buckets)
            .map(|(at, (bound, count))| {
                let earlier = before.buckets.get(at).map_or(0, |(_, count)| *count);
                (*bound, count.saturating_sub(earlier))
            })
            .collect();
        let above = self.above.saturating_sub(before.above);
        let answers = counts.iter().map(|(_, count)| count).sum::<u64>() + above;
        let within = |percent: u64| {
            let (wanted, mut seen) = ((answers * percent).div_ceil(100), 0);
            let bucket = counts.iter().find(|(_, count)| {
                seen += count;
                seen >= wanted
            });
            // What is above all bounds took at least as long as the last.
            bucket.or_else(|| counts.last()).map_or(0, |(bound, _)| (bound * 1e6).round() as u64)
        };
        if answers == 0 {
            return AnswersBeside::default();
        }
        AnswersBeside { answers, p50_us: within(50), p99_us: within(99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::figures::Times;

    fn shard(buckets: &[u64; 3], above: u64) -> ShardFigures {
        let bounds = [0.001, 0.01, 0.1];
        let times = Times {
            name: ANSWERS,
            help: "",
            buckets: bounds.into_iter().zip(buckets.iter().copied()).collect(),
            above,
            sum_s: 0.0,
        };
        ShardFigures { shard: 0, figures: Vec::new(), times: vec![times] }
    }

    #[test]
    fn only_what_was_answered_meanwhile_counts() {
        let before = Answers::of(&[shard(&[1_000, 0, 0], 7), shard(&[0, 0, 5], 0)]);
        let after = Answers::of(&[shard(&[1_060, 30, 0], 7), shard(&[0, 8, 7], 0)]);
        let beside = after.since(&before);
        assert_eq!(beside, AnswersBeside { answers: 100, p50_us: 1_000, p99_us: 100_000 });
        assert_eq!(before.since(&before), AnswersBeside::default());
        let slow = Answers::of(&[shard(&[1_000, 0, 0], 10), shard(&[0, 0, 5], 0)]);
        assert_eq!(slow.since(&before).p50_us, 100_000, "at least");
        assert_eq!(Answers::of(&[]).since(&before), AnswersBeside::default());
    }
}
