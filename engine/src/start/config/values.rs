//! The kinds of value a setting can have, each read the same way from a flag, a variable and the file.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// What the answer `0000` promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Synced to the device: survives the loss of power.
    Power,
    /// Written to the journal's file: survives the death of the process, not the loss of power.
    Process,
}

impl fmt::Display for Durability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Power => "power",
            Self::Process => "process",
        })
    }
}

/// What carries octets between the engine and the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Io {
    /// io_uring where all that it needs is there, else `poll`.
    #[default]
    Auto,
    /// io_uring, or no start.
    Uring,
    /// An epoll and a committing thread beside each shard: where io_uring is forbidden or too old.
    Poll,
}

/// A number in a file: as such, or as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

/// A size: `1048576`, `64MiB`, `8GiB`, or with KB, MB, GB for powers of ten.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub struct Octets(pub u64);

const SIZE_UNITS: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl FromStr for Octets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (digits, factor) = SIZE_UNITS
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|digits| (digits.trim_end(), *factor)))
            .unwrap_or((text, 1));
        let number: Option<u64> = digits.parse().ok();
        number.and_then(|number| number.checked_mul(factor)).map(Self).ok_or_else(|| {
            format!("{text} is not a size: use a number of octets, or one with KiB, MiB or GiB")
        })
    }
}

impl TryFrom<NumberOrText> for Octets {
    type Error = String;

    fn try_from(value: NumberOrText) -> Result<Self, String> {
        match value {
            NumberOrText::Number(number) => Ok(Self(number)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

/// How often a delivery attempt of the simulated network ends otherwise than delivered: each from 0 to 1;
/// together at most 1, but for `hlr_failing`, which is drawn by itself, and the four of the reports, which are drawn
/// together of the attempts in which something arrived.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct OutcomeRates {
    /// Absent subscriber.
    pub absent: f64,
    /// Memory capacity exceeded.
    pub memory_full: f64,
    /// Subscriber busy.
    pub busy: f64,
    /// System failure, timeout or congestion.
    pub failing: f64,
    /// Protocol error.
    pub protocol_error: f64,
    /// Failure of the packet network alone: the circuit-switched one delivers where the route falls back on
    /// it.
    pub ps_failing: f64,
    /// The HLR does not answer.
    pub hlr_failing: f64,
    /// The reports of some segments come by themselves; the attempt may have timed out by then.
    pub report_late: f64,
    /// The reports of some segments never come.
    pub report_lost: f64,
    /// The reports come twice.
    pub report_twice: f64,
    /// The reports come before the attempt's outcome.
    pub report_early: f64,
}

/// The rate that is drawn by itself.
const HLR_FAILING: &str = "hlr-failing";
/// How the rates begin that are drawn together with each other and nothing else.
const REPORT: &str = "report-";

impl OutcomeRates {
    fn named(&self) -> [(&'static str, f64); 11] {
        [
            ("absent", self.absent),
            ("memory-full", self.memory_full),
            ("busy", self.busy),
            ("failing", self.failing),
            ("protocol-error", self.protocol_error),
            ("ps-failing", self.ps_failing),
            (HLR_FAILING, self.hlr_failing),
            ("report-late", self.report_late),
            ("report-lost", self.report_lost),
            ("report-twice", self.report_twice),
            ("report-early", self.report_early),
        ]
    }

    fn rate_mut(&mut self, name: &str) -> Option<&mut f64> {
        match name {
            "absent" => Some(&mut self.absent),
            "memory-full" => Some(&mut self.memory_full),
            "busy" => Some(&mut self.busy),
            "failing" => Some(&mut self.failing),
            "protocol-error" => Some(&mut self.protocol_error),
            "ps-failing" => Some(&mut self.ps_failing),
            HLR_FAILING => Some(&mut self.hlr_failing),
            "report-late" => Some(&mut self.report_late),
            "report-lost" => Some(&mut self.report_lost),
            "report-twice" => Some(&mut self.report_twice),
            "report-early" => Some(&mut self.report_early),
            _ => None,
        }
    }

    /// Whether each is a probability and all together are one.
    pub(super) fn check(&self) -> Result<(), String> {
        let (mut sum, mut reports) = (0.0, 0.0);
        for (name, rate) in self.named() {
            if !(0.0..=1.0).contains(&rate) {
                return Err(format!("the rate of {name} is {rate}, which is not from 0 to 1"));
            }
            if name.starts_with(REPORT) {
                reports += rate;
            } else if name != HLR_FAILING {
                sum += rate;
            }
        }
        if let Some(over) = [sum, reports].into_iter().find(|&sum| sum > 1.0) {
            return Err(format!("the rates add up to {over}, which is over 1"));
        }
        Ok(())
    }
}

impl FromStr for OutcomeRates {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut rates = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, rate) = part.split_once('=').ok_or_else(|| format!("{part} is not NAME=RATE"))?;
            let known = rates.named().map(|(name, _)| name).join(", ");
            let slot = rates
                .rate_mut(name.trim())
                .ok_or_else(|| format!("{name} is not an outcome: use {known}"))?;
            *slot = rate.trim().parse().map_err(|_| format!("{rate} is not a number from 0 to 1"))?;
        }
        rates.check()?;
        Ok(rates)
    }
}
