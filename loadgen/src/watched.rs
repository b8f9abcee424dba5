//! An engine that runs already and is watched: what its process says about itself.

use crate::environment::without_tokens;
use crate::os::{self, Memory};
use crate::run::Outcome;
use crate::summary::us_per_push;
use std::path::PathBuf;
use std::time::Duration;

/// What a report says about a watched engine.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
pub struct WatchedFigures {
    /// Its process id.
    pub process: u32,
    /// Its arguments, without its own name and without tokens.
    pub arguments: Vec<String>,
    /// The CPUs it may use.
    pub cpus: Vec<usize>,
    /// The durability that its arguments name; `None` where they name none.
    pub durability: Option<String>,
    /// CPU seconds from the start of the load to its end.
    pub cpu_s: f64,
    /// CPU microseconds per accepted push.
    pub cpu_us_per_push: f64,
    /// Memory at the end of the run.
    pub memory: Memory,
}

/// The arguments of `process`; empty where there is no such process.
fn arguments_of(process: u32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let words = line.split(|&octet| octet == 0).filter(|word| !word.is_empty());
    words.skip(1).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// What stands behind `name`, as a word of its own or after an equals sign.
fn value_of(arguments: &[String], name: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == name);
    let next = at.and_then(|at| arguments.get(at + 1)).cloned();
    let joined = || {
        arguments
            .iter()
            .find_map(|argument| argument.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    next.or_else(joined)
}

/// The data directory that the arguments of `process` name.
pub(crate) fn data_dir_of(process: u32) -> Option<PathBuf> {
    let named = value_of(&arguments_of(process), "--data-dir")?;
    let base = std::fs::read_link(format!("/proc/{process}/cwd")).unwrap_or_default();
    Some(base.join(named))
}

impl WatchedFigures {
    /// What came of `process` in a run.
    pub(crate) fn of(process: u32, outcome: &Outcome) -> Self {
        let cpu_s = outcome.conditions.samples.iter().rev().find_map(|sample| sample.engine_cpu_s);
        let cpu_s = cpu_s.unwrap_or_default();
        let arguments = arguments_of(process);
        Self {
            process,
            durability: value_of(&arguments, "--durability"),
            arguments: without_tokens(arguments.into_iter()),
            cpus: os::cpus_of(process),
            cpu_s,
            cpu_us_per_push: us_per_push(Duration::from_secs_f64(cpu_s), outcome.tally.accepted),
            memory: os::memory_of(process).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_behind_their_name_or_an_equals_sign() {
        let words = ["serve", "--data-dir", "x", "--durability=process"].map(str::to_owned);
        assert_eq!(value_of(&words, "--data-dir"), Some("x".to_owned()));
        assert_eq!(value_of(&words, "--durability"), Some("process".to_owned()));
        assert_eq!(value_of(&words, "--shards"), None);
    }

    #[test]
    fn a_process_tells_its_arguments_and_cpus() {
        let own = std::process::id();
        assert_eq!(arguments_of(own), std::env::args().skip(1).collect::<Vec<_>>());
        assert!(!os::cpus_of(own).is_empty());
    }
}
