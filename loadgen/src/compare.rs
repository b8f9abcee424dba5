//! Whether runs differ: each figure beside its difference from the first run's, and whether that
//! exceeds the noise.
//!
//! The noise of a figure is estimated from the run itself: it is computed for several stretches of
//! the run apart, and their scatter tells how far the whole may be off. A difference must exceed
//! three times that and a floor for what changes from start to start of the same program.

use crate::latency::{Latencies, Series};
use crate::report::Report;
use serde::Serialize;
use simd_json::prelude::{ValueAsArray, ValueAsScalar, ValueObjectAccess};

/// Stretches that a run is divided into.
const STRETCHES: usize = 8;
/// Standard errors that a difference must exceed.
const ERRORS: f64 = 3.0;
/// What latencies of the same program differ by from run to run, as a share.
const LATENCY_FLOOR: f64 = 0.15;
/// What rates and CPU times of the same program differ by from run to run, as a share.
const RATE_FLOOR: f64 = 0.08;

/// One figure of two runs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Difference {
    /// Which figure, with its unit.
    pub figure: &'static str,
    /// In the first run.
    pub first: f64,
    /// In the other.
    pub other: f64,
    /// What the two may differ by without being different, in the figure's unit.
    pub noise: f64,
    /// Whether they differ by more.
    pub differs: bool,
}

/// A figure with the scatter of its stretches.
struct Figure {
    value: f64,
    error: f64,
}

/// Compares `other` with `first`. Figures that one of them lacks are left out.
pub fn compare(first: &Report, other: &Report) -> Vec<Difference> {
    let (one, two) = (figures(first), figures(other));
    one.into_iter()
        .zip(two)
        .filter(|((_, _, first), (_, _, other))| first.value > 0.0 && other.value > 0.0)
        .map(|((figure, floor, first), (_, _, other))| {
            let scatter = ERRORS * first.error.hypot(other.error);
            let noise = scatter.max(floor * (first.value + other.value) / 2.0);
            let differs = (first.value - other.value).abs() > noise;
            Difference { figure, first: first.value, other: other.value, noise, differs }
        })
        .collect()
}

fn figures(report: &Report) -> Vec<(&'static str, f64, Figure)> {
    let stages = &report.phases.load;
    let cpu = Figure { value: report.number(&["engine", "cpu_us_per_push"]), error: 0.0 };
    vec![
        ("accepted per second", RATE_FLOOR, rate(report)),
        ("answer, median, ms", LATENCY_FLOOR, latency(&stages.answer, 50.0)),
        ("answer, 99 %, ms", LATENCY_FLOOR, latency(&stages.answer, 99.0)),
        ("notification, median, ms", LATENCY_FLOOR, latency(&stages.notification, 50.0)),
        ("notification, 99 %, ms", LATENCY_FLOOR, latency(&stages.notification, 99.0)),
        ("engine CPU per push, µs", RATE_FLOOR, cpu),
    ]
}

fn rate(report: &Report) -> Figure {
    let samples = report.at(&["timeline"]).and_then(|value| value.as_array());
    let points: Vec<Point> = samples
        .into_iter()
        .flatten()
        .filter_map(|sample| {
            let figure = |name: &str| sample.get(name)?.cast_f64();
            Some(Point {
                at_s: figure("at_s")?,
                sent: figure("sent")?,
                accepted: figure("accepted")?,
            })
        })
        .collect();
    Figure {
        value: report.number(&["answered_per_s"]),
        error: standard_error(&steady_rates(&points)),
    }
}

/// How far a run was at one moment.
#[derive(Clone, Copy)]
struct Point {
    at_s: f64,
    sent: f64,
    accepted: f64,
}

/// The rates of stretches in which the load was under way from beginning to end: starting and
/// running out are no scatter.
fn steady_rates(points: &[Point]) -> Vec<f64> {
    let all = points.last().map_or(0.0, |last| last.sent);
    let steady = |pair: &&[Point]| pair[1].at_s - pair[0].at_s > 0.1 && pair[1].sent < all;
    let grown =
        |pair: &[Point]| (pair[1].accepted - pair[0].accepted) / (pair[1].at_s - pair[0].at_s);
    let rates: Vec<f64> = points.windows(2).skip(1).filter(steady).map(grown).collect();
    let chunk = rates.len().div_ceil(STRETCHES).max(1);
    rates.chunks(chunk).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect()
}

fn latency(series: &Series, percent: f64) -> Figure {
    let intervals: Vec<Latencies> = series.intervals().map(|(_, latencies)| latencies).collect();
    let chunk = intervals.len().div_ceil(STRETCHES).max(1);
    let stretches: Vec<f64> = intervals
        .chunks(chunk)
        .map(|chunk| {
            let mut sum = Latencies::default();
            chunk.iter().for_each(|latencies| sum.add(latencies));
            sum.percentile_ns(percent) as f64 / 1e6
        })
        .collect();
    Figure {
        value: series.total().percentile_ns(percent) as f64 / 1e6,
        error: standard_error(&stretches),
    }
}

/// How far the mean of such stretches may be off.
fn standard_error(stretches: &[f64]) -> f64 {
    let count = stretches.len() as f64;
    if count < 2.0 {
        return 0.0;
    }
    let mean = stretches.iter().sum::<f64>() / count;
    let variance =
        stretches.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (variance / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_shrinks_with_the_number_of_stretches() {
        assert_eq!(standard_error(&[5.0]), 0.0);
        assert!((standard_error(&[1.0, 3.0]) - 1.0).abs() < 1e-12);
        assert!(standard_error(&[1.0, 3.0, 1.0, 3.0, 1.0, 3.0]) < 0.5);
    }

    #[test]
    fn the_start_and_the_end_of_a_run_are_no_scatter_of_its_rate() {
        let point = |at_s, sent, accepted| Point { at_s, sent, accepted };
        let points = [
            point(0.0, 0.0, 0.0),
            point(0.25, 150.0, 90.0),
            point(0.5, 250.0, 190.0),
            point(0.75, 350.0, 290.0),
            point(1.0, 400.0, 390.0),
            point(1.25, 400.0, 400.0),
        ];
        assert_eq!(steady_rates(&points), [400.0, 400.0]);
    }
}
