//! The files that every HdrHistogram tool reads: `.hlog`, a histogram for each interval and stage,
//! and `.hgrm`, the percentile curve of one stage as text.
//!
//! Values in the histograms are nanoseconds; the percentile text is in milliseconds. A stage is the
//! tag of its lines; the warm-up's tags begin with `warm-up.`.

use crate::latency::{Latencies, Phases, Series};
use crate::limits::INTERVAL_NS;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

/// Lines of the percentile text for each halving of the distance to 100 %.
const STEPS_PER_HALVING: u32 = 5;
const WARM_UP: &str = "warm-up.";
const NS_PER_MS: f64 = 1e6;

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the interval log is no histogram of this program: write the report again.")]
pub struct LogError {
    /// Which line, from 1, comments not counted.
    pub line: usize,
}

/// Writes all intervals of all stages; `began_unix_ms` is the start of the load.
pub fn write_log(phases: &Phases, began_unix_ms: u64, target: &mut impl Write) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let start = UNIX_EPOCH + Duration::from_millis(began_unix_ms);
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(
            "[Logged by hayauma-load; latencies in nanoseconds, the column of maxima in \
             milliseconds]",
        )
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(NS_PER_MS)
        .begin_log_with(target, &mut serializer)?;
    let mut lines: Vec<(u64, String, Latencies)> = Vec::new();
    for (prefix, stages) in [(WARM_UP, &phases.warm_up), ("", &phases.load)] {
        for (name, series) in stages.named() {
            lines.extend(
                series
                    .intervals()
                    .map(|(number, counts)| (number, format!("{prefix}{name}"), counts)),
            );
        }
    }
    // Readers expect ascending times.
    lines.sort_by_key(|(number, ..)| *number);
    let interval = Duration::from_nanos(INTERVAL_NS);
    for (number, name, counts) in &lines {
        let begin = Duration::from_nanos(number * INTERVAL_NS);
        log.write_histogram(counts.histogram(), begin, interval, Tag::new(name))
            .map_err(io::Error::other)?;
    }
    Ok(())
}

/// Reads what `write_log` wrote.
pub fn read_log(text: &[u8]) -> Result<Phases, LogError> {
    let mut phases = Phases::default();
    let mut deserializer = Deserializer::new();
    for (at, entry) in IntervalLogIterator::new(text).enumerate() {
        let fault = || LogError { line: at + 1 };
        let LogEntry::Interval(interval) = entry.map_err(|_| fault())? else {
            continue;
        };
        let octets = base64(interval.encoded_histogram().as_bytes()).ok_or_else(fault)?;
        let histogram: Histogram<u64> =
            deserializer.deserialize(&mut &octets[..]).map_err(|_| fault())?;
        let tag = interval.tag().map(|tag| tag.as_str()).unwrap_or_default();
        let (warm_up, stage) =
            tag.strip_prefix(WARM_UP).map_or((false, tag), |stage| (true, stage));
        let mut latencies = Latencies::default();
        for step in histogram.iter_recorded() {
            latencies.record_n(step.value_iterated_to(), step.count_since_last_iteration());
        }
        let number = interval.start_timestamp().as_nanos() as u64 / INTERVAL_NS;
        phases.of(warm_up).stage(stage).ok_or_else(fault)?.insert(number, &latencies);
    }
    Ok(phases)
}

/// Writes the percentile curve of all intervals together.
pub fn write_percentiles(series: &Series, target: &mut impl Write) -> io::Result<()> {
    let total = series.total();
    let histogram = total.histogram();
    writeln!(
        target,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut count = 0;
    for step in histogram.iter_quantiles(STEPS_PER_HALVING) {
        count += step.count_since_last_iteration();
        let (value, quantile) =
            (step.value_iterated_to() as f64 / NS_PER_MS, step.quantile_iterated_to());
        if quantile < 1.0 {
            let nines = 1.0 / (1.0 - quantile);
            writeln!(target, "{value:>12.6} {quantile:>14.12} {count:>10} {nines:>14.2}")?;
        } else {
            writeln!(target, "{value:>12.6} {quantile:>14.12} {count:>10}")?;
        }
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_MS, histogram.stdev() / NS_PER_MS);
    let buckets = histogram.buckets();
    writeln!(target, "#[Mean    = {mean:>12.6}, StdDeviation   = {deviation:>12.6}]")?;
    let longest = histogram.max() as f64 / NS_PER_MS;
    writeln!(target, "#[Max     = {longest:>12.6}, Total count    = {:>12}]", histogram.len())?;
    writeln!(target, "#[Buckets = {buckets:>12}, SubBuckets     = {:>12}]", 2048)
}

/// Decodes the standard alphabet, padding or not.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0u32, 0);
    for &character in text.iter().filter(|&&character| character != b'=') {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, held) = (bits << 6 | u32::from(value), held + 6);
        if held >= 8 {
            held -= 8;
            octets.push((bits >> held) as u8);
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::below;

    fn phases() -> Phases {
        let mut phases = Phases::default();
        for index in 0..50_000u64 {
            let latency_ns = 50_000 + below(1, index, 1_000) * below(2, index, 20_000);
            phases.load.answer.record(index * 100_000, latency_ns);
            phases.load.service.record(index * 100_000, latency_ns / 2);
            phases.of(index < 10_000).lateness.record(index * 100_000, 1_000 + latency_ns / 100);
        }
        phases
    }

    #[test]
    fn a_log_that_was_written_is_read_to_the_same_counts() {
        let (phases, mut text) = (phases(), Vec::new());
        write_log(&phases, 1_795_000_000_123, &mut text).expect("memory takes it");
        let read = read_log(&text).expect("legal");
        for (before, after) in [(&phases.load, &read.load), (&phases.warm_up, &read.warm_up)] {
            for ((name, before), (_, after)) in before.named().into_iter().zip(after.named()) {
                let counts = |series: &Series| -> Vec<(u64, u64, u64)> {
                    series
                        .intervals()
                        .map(|(number, l)| (number, l.count(), l.percentile_ns(99.0)))
                        .collect()
                };
                assert_eq!(counts(before), counts(after), "{name}");
            }
        }
        assert_eq!(read.load.answer.total().count(), 50_000);
        assert_eq!(read.warm_up.lateness.total().count(), 10_000);
    }

    #[test]
    fn a_damaged_log_is_refused_with_its_line() {
        let mut text = Vec::new();
        write_log(&phases(), 1_795_000_000_123, &mut text).expect("memory takes it");
        let length = text.len();
        text.truncate(length - 40);
        text.extend_from_slice(b"!\n");
        assert!(read_log(&text).expect_err("damaged").to_string().ends_with('.'));
    }

    #[test]
    fn the_percentile_text_ends_with_the_longest_and_the_whole_count() {
        let (phases, mut text) = (phases(), Vec::new());
        write_percentiles(&phases.load.answer, &mut text).expect("memory takes it");
        let text = String::from_utf8(text).expect("UTF-8");
        let last: Vec<&str> = text
            .lines()
            .rfind(|line| !line.starts_with('#'))
            .expect("lines")
            .split_whitespace()
            .collect();
        assert_eq!(last[1..], ["1.000000000000", "50000"]);
        let longest = phases.load.answer.total().percentile_ns(100.0) as f64 / 1e6;
        assert!((last[0].parse::<f64>().expect("a number") / longest - 1.0).abs() < 1e-3);
    }
}
