//! A few rounds of one figure: their median and how far they lie apart.

use serde::Serialize;

/// Figures of some rounds.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Rounds {
    /// The middle one; of an even number the mean of the two.
    pub median: f64,
    /// From the smallest to the largest, as a share of the median.
    pub spread: f64,
    /// All of them, as they came.
    pub all: Vec<f64>,
}

impl Rounds {
    /// Of at least one figure.
    pub fn of(all: Vec<f64>) -> Self {
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted[..] {
            [] => 0.0,
            _ if sorted.len() % 2 == 1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        };
        let width = sorted.last().zip(sorted.first()).map_or(0.0, |(last, first)| last - first);
        let spread = if median > 0.0 { width / median } else { 0.0 };
        Self {
            median: short(median),
            spread: short(spread),
            all: all.into_iter().map(short).collect(),
        }
    }
}

/// To four decimals: results are kept for years, their noise is not.
fn short(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_the_spread_is_the_whole_width() {
        let odd = Rounds::of(vec![5.0, 1.0, 2.0]);
        assert_eq!((odd.median, odd.spread), (2.0, 2.0));
        assert_eq!(Rounds::of(vec![4.0, 2.0]).median, 3.0);
        assert_eq!(Rounds::of(Vec::new()).median, 0.0);
    }
}
