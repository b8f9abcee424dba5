//! Durations as the engine's metrics tell them: counts in buckets, of all shards together.
//!
//! A percentile lies somewhere within its bucket; it is told as if the bucket's durations were
//! spread evenly over it.

use crate::summary::Percentiles;

/// Counts by upper bound, ascending.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Histogram {
    /// The bound in seconds, infinite in the last one, and how many took no longer than that, in
    /// all.
    buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// The family `name` on a page of metrics; empty where the page does not have it.
    pub(super) fn read(page: &str, name: &str) -> Self {
        let mut buckets: Vec<(f64, u64)> = Vec::new();
        for (bound_s, count) in page.lines().filter_map(|line| bucket(line, name)) {
            match buckets.iter_mut().find(|(known_s, _)| *known_s == bound_s) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound_s, count)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { buckets }
    }

    /// What was counted after `earlier`.
    pub(super) fn since(mut self, earlier: &Self) -> Self {
        for (bound_s, count) in &mut self.buckets {
            let before = earlier.buckets.iter().find(|(earlier_s, _)| earlier_s == bound_s);
            *count = count.saturating_sub(before.map_or(0, |(_, count)| *count));
        }
        self
    }

    /// In milliseconds.
    pub(super) fn percentiles(&self) -> Percentiles {
        Percentiles {
            count: self.count(),
            p50_ms: self.at(0.5),
            p90_ms: self.at(0.9),
            p99_ms: self.at(0.99),
            p999_ms: self.at(0.999),
            max_ms: self.at(1.0),
        }
    }

    /// How many took longer than that bound, which is one of a bucket.
    pub(super) fn over(&self, bound_s: f64) -> u64 {
        let within = self.buckets.iter().rfind(|(known_s, _)| *known_s <= bound_s);
        self.count() - within.map_or(0, |(_, count)| *count)
    }

    fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |(_, count)| *count)
    }

    /// What this share of them stayed within; beyond the last bound there is only that to tell.
    fn at(&self, share: f64) -> f64 {
        let wanted = share * self.count() as f64;
        let (mut from_s, mut below) = (0.0, 0);
        for &(bound_s, count) in &self.buckets {
            if count > below && count as f64 >= wanted {
                let part = (wanted - below as f64) / (count - below) as f64;
                let until_s = if bound_s.is_finite() { bound_s } else { from_s };
                return (from_s + (until_s - from_s) * part) * 1e3;
            }
            (from_s, below) = (bound_s, count);
        }
        0.0
    }
}

/// Bound and count of a bucket's line of this family.
fn bucket(line: &str, name: &str) -> Option<(f64, u64)> {
    let (labels, value) = line.strip_prefix(name)?.strip_prefix("_bucket{")?.rsplit_once("} ")?;
    let bound =
        labels.split(',').find_map(|label| label.strip_prefix("le=\"")?.strip_suffix('"'))?;
    let bound_s = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
    Some((bound_s, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of both shards: over 1 ms, 1.5, 2, and over what any bound says.
    const SLOWER: [u64; 4] = [150, 150, 10, 10];
    const PAGE: &str = r#"# TYPE hayauma_commit_seconds histogram
hayauma_commit_seconds_sum{shard="0"} 0.5
hayauma_commit_seconds_count{shard="0"} 100
hayauma_commit_seconds_bucket{le="0.001",shard="0"} 40
hayauma_commit_seconds_bucket{le="0.002",shard="0"} 90
hayauma_commit_seconds_bucket{le="+Inf",shard="0"} 100
hayauma_commit_seconds_bucket{le="0.001",shard="1"} 10
hayauma_commit_seconds_bucket{le="0.002",shard="1"} 100
hayauma_commit_seconds_bucket{le="+Inf",shard="1"} 100
hayauma_commit_seconds_more_bucket{le="0.001",shard="0"} 7
"#;

    #[test]
    fn the_buckets_of_all_shards_are_one_histogram() {
        let told = Histogram::read(PAGE, "hayauma_commit_seconds").percentiles();
        assert_eq!(told.count, 200);
        // 50 within 1 ms and 190 within 2: the hundredth stands 50 of 140 into the second bucket.
        assert!((told.p50_ms - (1.0 + 50.0 / 140.0)).abs() < 1e-9, "{told:?}");
        assert!((told.max_ms - 2.0).abs() < 1e-9, "beyond the last bound: {told:?}");
    }

    #[test]
    fn what_was_counted_before_is_left_out() {
        let whole = Histogram::read(PAGE, "hayauma_commit_seconds");
        assert_eq!([0.001, 0.0015, 0.002, 9.0].map(|bound_s| whole.over(bound_s)), SLOWER);
        assert_eq!(whole.clone().since(&Histogram::default()), whole);
        assert_eq!(whole.clone().since(&whole).percentiles(), Percentiles::default());
    }

    #[test]
    fn an_engine_that_does_not_tell_has_counted_nothing() {
        assert_eq!(
            Histogram::read("# EOF\n", "hayauma_commit_seconds").percentiles(),
            Percentiles::default()
        );
    }
}
