//! Reads result lines back, whatever bench they are of.

use simd_json::OwnedValue;
use simd_json::prelude::{ValueAsArray, ValueAsObject, ValueAsScalar, ValueObjectAccess};
use std::path::Path;

/// Words that stand beside a figure and say whose it is, in the order in which they are read.
const WORDS: [&str; 8] =
    ["case", "load", "server", "keeps", "durability", "store", "records", "rate_per_s"];

/// One run.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Run {
    /// Which bench.
    pub(super) bench: String,
    at_unix_ms: u64,
    /// When, JST.
    pub(super) at: String,
    /// Of the checkout.
    pub(super) revision: String,
    /// Processor and CPUs: what makes runs comparable.
    pub(super) machine: String,
    /// Kernel.
    pub(super) kernel: String,
    /// All figures of several rounds.
    pub(super) figures: Vec<Figure>,
}

/// One figure of a run.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Figure {
    /// Whose: `accept unpipelined`; empty for the run's own.
    pub(super) label: String,
    /// What: `engine_us`.
    pub(super) metric: String,
    /// Of the rounds.
    pub(super) median: f64,
    /// Of the rounds, as a share of the median.
    pub(super) spread: f64,
}

impl Run {
    /// The figure, if the run has it.
    pub(super) fn figure(&self, label: &str, metric: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.label == label && figure.metric == metric)
    }

    /// Its median.
    pub(super) fn median(&self, label: &str, metric: &str) -> Option<f64> {
        self.figure(label, metric).map(|figure| figure.median)
    }

    fn of(line: &str) -> Option<Self> {
        let mut octets = line.as_bytes().to_vec();
        let value: OwnedValue = wire::json::read(&mut octets).ok()?;
        let host = value.get("host")?;
        let text = |value: &OwnedValue, name: &str| Some(value.get(name)?.as_str()?.to_owned());
        let at_unix_ms = value.get("at_unix_ms")?.as_u64()?;
        let mut figures = Vec::new();
        for (name, part) in sorted(&value) {
            collect(name, part, "", &mut figures);
        }
        Some(Self {
            bench: text(&value, "bench")?,
            at_unix_ms,
            at: jst(at_unix_ms),
            revision: text(&value, "revision").unwrap_or_default(),
            machine: format!("{} · {} CPUs", text(host, "cpu_model")?, host.get("cpus")?.as_u64()?),
            kernel: text(host, "kernel")?,
            figures,
        })
    }
}

/// All runs in the directory's files, oldest first.
///
/// # Errors
/// One sentence that names the file, and the line.
pub(super) fn read(directory: &Path) -> Result<Vec<Run>, String> {
    let unreadable = |path: &Path, error: std::io::Error| {
        format!("{} cannot be read ({error}).", path.display())
    };
    let entries = std::fs::read_dir(directory).map_err(|error| unreadable(directory, error))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let mut runs = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let run = Run::of(line);
            runs.push(run.ok_or_else(|| {
                format!("{}, line {}, is no result of a bench.", path.display(), number + 1)
            })?);
        }
    }
    runs.sort_by_key(|run| run.at_unix_ms);
    Ok(runs)
}

/// Goes down into objects and lists; a list's entries are told apart by their words.
fn collect(name: &str, value: &OwnedValue, label: &str, figures: &mut Vec<Figure>) {
    if let Some(list) = value.as_array() {
        list.iter().for_each(|entry| descend(entry, label, figures));
    } else if value.as_object().is_some() {
        let number = |name: &str| value.get(name).and_then(|value| value.cast_f64());
        match (number("median"), number("spread")) {
            (Some(median), Some(spread)) => {
                figures.push(Figure {
                    label: label.to_owned(),
                    metric: name.to_owned(),
                    median,
                    spread,
                });
            }
            _ => descend(value, label, figures),
        }
    }
}

fn descend(value: &OwnedValue, label: &str, figures: &mut Vec<Figure>) {
    // A case's name says its durability.
    let has_case = value.get("case").is_some();
    let words = WORDS.iter().filter(|word| !(has_case && **word == "durability"));
    let words: Vec<String> = words.filter_map(|word| word_of(value.get(*word)?, word)).collect();
    let label = if words.is_empty() { label.to_owned() } else { words.join(" ") };
    for (name, part) in sorted(value) {
        collect(name, part, &label, figures);
    }
}

fn word_of(value: &OwnedValue, name: &str) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| Some(format!("{name} {}", value.as_u64()?)))
}

/// An object's members in an order that does not change from run to run.
fn sorted(value: &OwnedValue) -> Vec<(&str, &OwnedValue)> {
    let members = value.as_object().into_iter().flat_map(|object| object.iter());
    let mut members: Vec<_> = members.map(|(name, part)| (name.as_str(), part)).collect();
    members.sort_by_key(|(name, _)| *name);
    members
}

/// `2026-11-25 16:31`.
fn jst(unix_ms: u64) -> String {
    let digits: String =
        wire::terms::calendar::jst_digits(unix_ms).iter().map(|&digit| char::from(digit)).collect();
    format!(
        "{}-{}-{} {}:{}",
        &digits[..4],
        &digits[4..6],
        &digits[6..8],
        &digits[8..10],
        &digits[10..12]
    )
}
