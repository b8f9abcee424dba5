//! Figures that other rooms add to the metrics page, asked for at each scrape.
//!
//! **Never here:** what a figure says. **Invariant:** whoever gives them waits for no shard.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Labels with their values.
type Labels = Vec<(&'static str, String)>;

/// Figures of one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GaugeFamily {
    /// Without the prefix of all.
    pub name: &'static str,
    /// What they are.
    pub help: &'static str,
    /// Each with its labels.
    pub lines: Vec<(Labels, u64)>,
}

/// Whoever has some; nobody, by default.
#[derive(Clone, Default)]
pub struct Gauges(Option<Arc<dyn Fn() -> Vec<GaugeFamily> + Send + Sync>>);

impl Gauges {
    /// What this one gives.
    pub fn of(give: impl Fn() -> Vec<GaugeFamily> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(give)))
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in self.0.iter().flat_map(|give| give()) {
            let GaugeFamily { name, help, lines } = family;
            let mut encoded = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, value) in &lines {
                let labels: Vec<(&str, &str)> =
                    labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let value = i64::try_from(*value).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(encoded.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
