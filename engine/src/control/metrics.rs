//! The metrics page: every figure of every shard in the Prometheus text form, read at the moment of
//! the scrape.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::gauges::Gauges;
use super::queue::QueueDocument;
use crate::cluster::figures::NODE_FIGURES;
use crate::control::engine::Engine;
use crate::io::figures::{FigureKind, ShardFigures};
use crate::network::smpp::figures::CarrierState;
use crate::shard::CLASSES;
use host::log;
use wire::terms::ids::Class;

/// The media type of [`Metrics::render`]'s text.
pub const METRICS_MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Renders the figures of an engine.
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Metrics that ask `control` at every scrape, and whoever else has some.
    pub fn new(control: Arc<dyn Engine>, gauges: Gauges) -> Self {
        let mut registry = Registry::with_prefix("hayauma");
        registry.register_collector(Box::new(QueueCollector { control: Arc::clone(&control) }));
        registry.register_collector(Box::new(BuildCollector { control: Arc::clone(&control) }));
        registry.register_collector(Box::new(CarrierCollector { control: Arc::clone(&control) }));
        registry.register_collector(Box::new(NodeCollector { control: Arc::clone(&control) }));
        registry.register_collector(Box::new(ShardCollector { control }));
        registry.register_collector(Box::new(gauges));
        registry.register_collector(Box::new(ProcessCollector));
        Self { registry }
    }

    /// The whole page.
    ///
    /// # Errors
    ///
    /// Only when a figure's name or label cannot be rendered, which is a bug.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut page = String::with_capacity(16 << 10);
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

/// What runs: its version, and the driver that carries its octets.
struct BuildCollector {
    control: Arc<dyn Engine>,
}

impl fmt::Debug for BuildCollector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BuildCollector")
    }
}

impl Collector for BuildCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Version of the engine and the driver that carries its octets";
        let mut family = encoder.encode_descriptor("build_info", help, None, MetricType::Gauge)?;
        let labels =
            [("version", env!("CARGO_PKG_VERSION")), ("driver", self.control.driver().word())];
        ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)
    }
}

/// What the homes of carriers count: one family a figure, one line a carrier.
struct CarrierCollector {
    control: Arc<dyn Engine>,
}

impl fmt::Debug for CarrierCollector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CarrierCollector")
    }
}

impl Collector for CarrierCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let carriers = self.control.carriers();
        let Some(first) = carriers.first() else { return Ok(()) };
        for (at, figure) in first.figures.iter().enumerate() {
            let kind = if figure.only_rises { MetricType::Counter } else { MetricType::Gauge };
            let mut family = encoder.encode_descriptor(figure.name, figure.help, None, kind)?;
            for carrier in &carriers {
                let (labels, value) =
                    ([("carrier", carrier.name.as_str())], carrier.figures[at].value);
                let line = family.encode_family(&labels)?;
                if figure.only_rises {
                    ConstCounter::new(value).encode(line)?;
                } else {
                    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(line)?;
                }
            }
        }
        encode_kinds(&mut encoder, &carriers)?;
        encode_carrier_times(&mut encoder, &carriers)
    }
}

/// Counts of carriers by kind.
fn encode_kinds(
    encoder: &mut DescriptorEncoder<'_>,
    carriers: &[CarrierState],
) -> Result<(), fmt::Error> {
    for (at, kinds) in carriers[0].kinds.iter().enumerate() {
        let mut family =
            encoder.encode_descriptor(kinds.name, kinds.help, None, MetricType::Counter)?;
        for carrier in carriers {
            for (kind, count) in &carrier.kinds[at].counts {
                let labels = [("carrier", carrier.name.as_str()), (kinds.label, *kind)];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

/// How long carriers take.
fn encode_carrier_times(
    encoder: &mut DescriptorEncoder<'_>,
    carriers: &[CarrierState],
) -> Result<(), fmt::Error> {
    for (at, times) in carriers[0].times.iter().enumerate() {
        let mut family =
            encoder.encode_descriptor(times.name, times.help, None, MetricType::Histogram)?;
        for carrier in carriers {
            let of = &carrier.times[at];
            // The encoder writes the greatest number as infinity.
            let buckets: Vec<_> =
                of.buckets.iter().copied().chain([(f64::MAX, of.above)]).collect();
            let count = buckets.iter().map(|(_, count)| count).sum();
            let labels = [("carrier", carrier.name.as_str())];
            let mut line = family.encode_family(&labels)?;
            line.encode_histogram::<NoLabelSet>(of.sum_s, count, &buckets, None)?;
        }
    }
    Ok(())
}

/// What a cluster's node shows; nothing of an engine of its own.
struct NodeCollector {
    control: Arc<dyn Engine>,
}

impl fmt::Debug for NodeCollector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NodeCollector")
    }
}

impl Collector for NodeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(values) = self.control.node_figures() else { return Ok(()) };
        for ((name, only_rises, help), value) in NODE_FIGURES.into_iter().zip(values) {
            if only_rises {
                let line = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
                ConstCounter::new(value).encode(line)?;
            } else {
                let line = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(line)?;
            }
        }
        Ok(())
    }
}

struct ShardCollector {
    control: Arc<dyn Engine>,
}

impl fmt::Debug for ShardCollector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ShardCollector")
    }
}

impl Collector for ShardCollector {
    /// One family per figure, one line per shard: every shard gives the same names in the same
    /// order.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let shards = self.control.figures();
        let Some(first) = shards.first() else { return Ok(()) };
        for (at, figure) in first.figures.iter().enumerate() {
            let metric_type = match figure.kind {
                FigureKind::Counter => MetricType::Counter,
                FigureKind::Gauge => MetricType::Gauge,
            };
            let mut family =
                encoder.encode_descriptor(figure.name, figure.help, None, metric_type)?;
            for shard in &shards {
                let Some(of_shard) =
                    shard.figures.get(at).filter(|other| other.name == figure.name)
                else {
                    continue;
                };
                let labels = [("shard", shard.shard)];
                let line = family.encode_family(&labels)?;
                match figure.kind {
                    FigureKind::Counter => ConstCounter::new(of_shard.value).encode(line)?,
                    FigureKind::Gauge => {
                        ConstGauge::new(i64::try_from(of_shard.value).unwrap_or(i64::MAX))
                            .encode(line)?;
                    }
                }
            }
        }
        encode_times(&mut encoder, &shards)
    }
}

/// One histogram a family, of every shard.
fn encode_times(
    encoder: &mut DescriptorEncoder<'_>,
    shards: &[ShardFigures],
) -> Result<(), fmt::Error> {
    // Only the first shard of each thread has any.
    let Some(first) = shards.iter().find(|shard| !shard.times.is_empty()) else { return Ok(()) };
    for (at, times) in first.times.iter().enumerate() {
        let mut family =
            encoder.encode_descriptor(times.name, times.help, None, MetricType::Histogram)?;
        for shard in shards {
            let Some(of_shard) = shard.times.get(at).filter(|other| other.name == times.name)
            else {
                continue;
            };
            // The encoder writes the greatest number as infinity.
            let buckets: Vec<_> =
                of_shard.buckets.iter().copied().chain([(f64::MAX, of_shard.above)]).collect();
            let count = buckets.iter().map(|(_, count)| count).sum();
            let labels = [("shard", shard.shard)];
            let mut line = family.encode_family(&labels)?;
            line.encode_histogram::<NoLabelSet>(of_shard.sum_s, count, &buckets, None)?;
        }
    }
    Ok(())
}

/// What waits in each shard, as its last whole count has it: by what it waits for and class, by
/// age, and the age of the oldest. Nothing is asked of a shard at a scrape.
struct QueueCollector {
    control: Arc<dyn Engine>,
}

impl fmt::Debug for QueueCollector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("QueueCollector")
    }
}

const AGE_WORDS: [&str; 6] = ["below_1m", "below_10m", "below_1h", "below_6h", "below_1d", "older"];

impl Collector for QueueCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let document =
            QueueDocument::of(&self.control.waiting().into_iter().enumerate().collect::<Vec<_>>());
        let gauge = |count: u64| ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
        let help = "Live pushes by what they wait for and class";
        let mut family =
            encoder.encode_descriptor("waiting_pushes", help, None, MetricType::Gauge)?;
        for shard in &document.shards {
            for row in &shard.rows {
                let reason = row.reason.as_deref().unwrap_or_default();
                for (class, count) in CLASSES.map(Class::word).into_iter().zip(row.by_class) {
                    let number = shard.shard.unwrap_or_default().to_string();
                    let labels = [
                        ("shard", number.as_str()),
                        ("state", &row.state),
                        ("reason", reason),
                        ("class", class),
                    ];
                    gauge(count).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        let help = "Live pushes by the time since they were accepted";
        let mut family =
            encoder.encode_descriptor("waiting_pushes_by_age", help, None, MetricType::Gauge)?;
        for shard in &document.shards {
            for (at, age) in AGE_WORDS.into_iter().enumerate() {
                let number = shard.shard.unwrap_or_default().to_string();
                let count = shard.rows.iter().map(|row| row.by_age[at]).sum();
                let labels = [("shard", number.as_str()), ("age", age)];
                gauge(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Seconds since the oldest live push was accepted, 0 where none waits";
        let mut family =
            encoder.encode_descriptor("waiting_oldest_seconds", help, None, MetricType::Gauge)?;
        for shard in &document.shards {
            let oldest_ms = shard.rows.iter().filter_map(|row| row.oldest_ms).min();
            let age_ms = oldest_ms.map_or(0, |oldest_ms| shard.counted_ms.since(oldest_ms));
            let labels = [("shard", shard.shard.unwrap_or_default())];
            gauge(age_ms / 1000).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// CPU time and memory of the process, from procfs, and what its log lost.
#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let usage = ProcessUsage::read();
        let cpu = encoder.encode_descriptor(
            "process_cpu_seconds",
            "CPU time of the process",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(usage.cpu_seconds).encode(cpu)?;
        let help = "Log lines that found no room or no output";
        let dropped =
            encoder.encode_descriptor("log_lines_dropped", help, None, MetricType::Counter)?;
        ConstCounter::new(log::lines_dropped()).encode(dropped)?;
        for (name, help, kib) in [
            ("process_resident_memory_bytes", "Memory of the process now", usage.resident_kib),
            (
                "process_resident_memory_peak_bytes",
                "Most memory the process ever had",
                usage.resident_peak_kib,
            ),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(kib.saturating_mul(1024)).unwrap_or(i64::MAX))
                .encode(gauge)?;
        }
        Ok(())
    }
}

/// What the process has used so far; zeros where procfs does not say.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ProcessUsage {
    /// CPU time of all threads, user and system, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory, in KiB.
    pub resident_kib: u64,
    /// The most resident memory there ever was, in KiB.
    pub resident_peak_kib: u64,
}

/// Linux tells CPU time to user space in ticks of this many a second, on every architecture.
const CLOCK_TICKS_PER_SECOND: f64 = 100.0;

impl ProcessUsage {
    /// Reads it from `/proc/self`.
    pub fn read() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            cpu_seconds: cpu_seconds(&stat),
            resident_kib: status_kib(&status, "VmRSS:"),
            resident_peak_kib: status_kib(&status, "VmHWM:"),
        }
    }
}

/// utime and stime are the 14th and 15th fields; the 2nd, the command in parentheses, may hold
/// blanks.
fn cpu_seconds(stat: &str) -> f64 {
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0.0 };
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / CLOCK_TICKS_PER_SECOND
}

fn status_kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn procfs_lines_are_read_where_they_stand() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0";
        assert_eq!(cpu_seconds(stat), 3.0);
        assert_eq!(cpu_seconds(""), 0.0);
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n";
        assert_eq!((status_kib(status, "VmHWM:"), status_kib(status, "VmRSS:")), (2048, 1024));
        assert_eq!(status_kib(status, "VmNone:"), 0);
    }

    #[test]
    fn this_process_uses_memory() {
        let usage = ProcessUsage::read();
        assert!(usage.resident_kib > 0 && usage.resident_peak_kib >= usage.resident_kib);
    }
}
