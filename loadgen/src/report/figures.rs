//! What the page draws: which lines of a report go into which chart.

use super::Report;
use super::axis::{Scale, milliseconds, octets, plain};
use super::chart::{Chart, Line, Stroke};
use crate::latency::{Latencies, Series};
use crate::limits::INTERVAL_NS;
use simd_json::OwnedValue;
use simd_json::prelude::{ValueArrayAccess, ValueAsArray, ValueAsScalar, ValueObjectAccess};

/// Points of a line over time; longer runs are drawn in longer intervals.
const POINTS_MAX: u64 = 240;
/// Colours: each stage keeps its own in all charts.
const ANSWER: usize = 0;
const NOTIFICATION: usize = 1;
const DELIVERY: usize = 2;
const GENERATOR: usize = 3;
const OTHER: usize = 5;

const SECONDS: &str = "seconds since the start of the load";

/// Every chart of a run, in the order of the page; those without lines are left out when they are
/// drawn.
pub(super) fn of(report: &Report) -> Vec<Chart> {
    let stages = &report.phases.load;
    vec![
        percentiles(report),
        rate(report),
        refusals(report),
        over_time(
            "Answer over time",
            "From the intended send to the answer; the area lies between median and 99 %.",
            &stages.answer,
            ANSWER,
        ),
        over_time(
            "Notification over time",
            "From the intended send to the delivery notification.",
            &stages.notification,
            NOTIFICATION,
        ),
        over_time(
            "Lateness of the generator",
            "How much later than intended requests left: the instrument's own error.",
            &stages.lateness,
            GENERATOR,
        ),
        counters(
            report,
            "CPUs in use",
            "1 is one CPU at work all the time.",
            &[
                ("engine", "engine_cpu_s", ANSWER, Stroke::Solid),
                ("generator", "generator_cpu_s", GENERATOR, Stroke::Dashed),
            ],
            Scale::Linear,
            true,
        ),
        counters(
            report,
            "Memory of the engine",
            "Resident memory: its own, and with the mapped pages of the journal.",
            &[
                ("own", "engine_own_octets", ANSWER, Stroke::Solid),
                ("with mapped files", "engine_resident_octets", DELIVERY, Stroke::Dashed),
            ],
            Scale::Octets,
            false,
        ),
    ]
}

fn percentiles(report: &Report) -> Chart {
    let stages = &report.phases.load;
    let open = report.text(&["plan", "load"]) != "closed";
    let lines = [
        ("answer", &stages.answer, ANSWER, Stroke::Solid),
        ("answer, from the actual send", &stages.service, ANSWER, Stroke::Dashed),
        ("notification", &stages.notification, NOTIFICATION, Stroke::Solid),
        (
            "notification, from the actual send",
            &stages.notification_service,
            NOTIFICATION,
            Stroke::Dashed,
        ),
        ("delivery, at the latest", &stages.delivery, DELIVERY, Stroke::Dotted),
        ("lateness of the generator", &stages.lateness, GENERATOR, Stroke::Dotted),
    ];
    Chart {
        title: "How long it took, by percentile".to_owned(),
        says: "Read upwards from 99 %: 99 of 100 took at most so long. Each step to the right \
            holds a tenth of the rest.",
        x_name: "per cent of the requests",
        x: Scale::Nines,
        y: Scale::Logarithmic,
        y_text: milliseconds,
        lines: lines
            .into_iter()
            // A closed loop has only one time.
            .filter(|(_, _, colour, stroke)| open || (*colour, *stroke) != (ANSWER, Stroke::Dashed))
            .map(|(name, series, colour, stroke)| Line {
                name: name.to_owned(),
                points: curve(&series.total()),
                colour,
                stroke,
            })
            .collect(),
        band: None,
        wide: true,
    }
}

/// The percentile curve in milliseconds, up to the last percentile that a measurement carries.
pub(super) fn curve(total: &Latencies) -> Vec<(f64, f64)> {
    if total.count() == 0 {
        return Vec::new();
    }
    let last = 1.0 - 1.0 / total.count() as f64;
    let shares = (0..=140).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 20.0));
    shares
        .filter(|&share| share <= last)
        .map(|share| (share, total.percentile_ns(share * 100.0) as f64 / 1e6))
        .collect()
}

fn rate(report: &Report) -> Chart {
    let mut chart = counters(
        report,
        "Pushes per second",
        "What was meant to be sent, what was sent, and what came of it.",
        &[
            ("target", "due", OTHER, Stroke::Thin),
            ("sent", "sent", GENERATOR, Stroke::Dotted),
            ("accepted", "accepted", ANSWER, Stroke::Solid),
            ("notified", "notified", NOTIFICATION, Stroke::Dashed),
        ],
        Scale::Linear,
        true,
    );
    chart.lines.retain(|line| line.points.iter().any(|point| point.1 != 0.0));
    chart
}

fn refusals(report: &Report) -> Chart {
    let samples = samples(report);
    let lines = (0..9).map(|class| Line {
        name: format!("{}xxx", class + 1),
        points: course(samples, true, |sample| sample.get("refusals")?.get_idx(class)?.cast_f64()),
        colour: class,
        stroke: [Stroke::Solid, Stroke::Dashed, Stroke::Dotted][class % 3],
    });
    Chart {
        title: "Refusals per second, by code".to_owned(),
        says: "2xxx: registration and contract, 3xxx: the push's own state, 4xxx: content, 8xxx: \
            come again later.",
        x_name: SECONDS,
        x: Scale::Linear,
        y: Scale::Linear,
        y_text: plain,
        lines: lines.filter(|line| line.points.iter().any(|point| point.1 != 0.0)).collect(),
        band: None,
        wide: false,
    }
}

fn over_time(title: &str, says: &'static str, series: &Series, colour: usize) -> Chart {
    let merged = merged(series);
    let line = |name: &str, percent: f64, stroke| Line {
        name: name.to_owned(),
        points: at_percent(&merged, percent),
        colour,
        stroke,
    };
    Chart {
        title: title.to_owned(),
        says,
        x_name: SECONDS,
        x: Scale::Linear,
        y: Scale::Logarithmic,
        y_text: milliseconds,
        lines: vec![
            line("median", 50.0, Stroke::Solid),
            line("99 %", 99.0, Stroke::Dashed),
            line("longest", 100.0, Stroke::Thin),
        ],
        band: Some((0, 1)),
        wide: false,
    }
}

/// The value of each interval, over time in seconds; intervals are merged as far as a chart has
/// room.
pub(super) fn percentile_over_time(series: &Series, percent: f64) -> Vec<(f64, f64)> {
    at_percent(&merged(series), percent)
}

fn at_percent(merged: &[(f64, Latencies)], percent: f64) -> Vec<(f64, f64)> {
    merged
        .iter()
        .map(|(second, latencies)| (*second, latencies.percentile_ns(percent) as f64 / 1e6))
        .collect()
}

/// The latencies of each interval; short intervals are merged by adding.
fn merged(series: &Series) -> Vec<(f64, Latencies)> {
    let intervals: Vec<(u64, Latencies)> = series.intervals().collect();
    let last = intervals.last().map_or(0, |(number, _)| *number);
    let width = (last + 1).div_ceil(POINTS_MAX);
    let mut merged: Vec<(u64, Latencies)> = Vec::new();
    for (number, latencies) in intervals {
        match merged.last_mut() {
            Some((at, sum)) if *at == number / width => sum.add(&latencies),
            _ => merged.push((number / width, latencies)),
        }
    }
    let second = |at: u64| (at * width) as f64 * INTERVAL_NS as f64 / 1e9;
    merged.into_iter().map(|(at, latencies)| (second(at), latencies)).collect()
}

fn counters(
    report: &Report,
    title: &str,
    says: &'static str,
    names: &[(&str, &str, usize, Stroke)],
    y: Scale,
    rate: bool,
) -> Chart {
    let samples = samples(report);
    Chart {
        title: title.to_owned(),
        says,
        x_name: SECONDS,
        x: Scale::Linear,
        y,
        y_text: if y == Scale::Octets { octets } else { plain },
        lines: names
            .iter()
            .map(|(name, field, colour, stroke)| Line {
                name: (*name).to_owned(),
                points: course(samples, rate, |sample| sample.get(*field)?.cast_f64()),
                colour: *colour,
                stroke: *stroke,
            })
            .collect(),
        band: None,
        wide: false,
    }
}

/// Accepted pushes per second over time.
pub(super) fn accepted_over_time(report: &Report) -> Vec<(f64, f64)> {
    course(samples(report), true, |sample| sample.get("accepted")?.cast_f64())
}

fn samples(report: &Report) -> &[OwnedValue] {
    report
        .at(&["timeline"])
        .and_then(|value| value.as_array())
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// A counter of the samples: its growth per second, or itself.
fn course(
    samples: &[OwnedValue],
    rate: bool,
    figure: impl Fn(&OwnedValue) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let step = samples.len().div_ceil(POINTS_MAX as usize).max(1);
    let points: Vec<(f64, f64)> = samples
        .iter()
        .step_by(step)
        .filter_map(|sample| Some((sample.get("at_s")?.cast_f64()?, figure(sample)?)))
        .collect();
    if !rate {
        return points;
    }
    let grown =
        |pair: &[(f64, f64)]| (pair[1].0, (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0));
    points.windows(2).filter(|pair| pair[1].0 - pair[0].0 > 0.05).map(grown).collect()
}
