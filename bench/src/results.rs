//! What a run leaves behind: one JSON line in `bench/results/`, with the revision and the machine
//! it was measured on.
//!
//! A line names no path and no host: it is committed, and read years later by people who know
//! neither.

use clap::Args;
use loadgen::environment::{Environment, revision};
use loadgen::machine::Machine;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the figures go; the same flags for every bench.
#[derive(Args, Clone, Debug, Default)]
pub struct Recording {
    /// Print one JSON document instead of lines
    #[arg(long)]
    pub json: bool,
    /// Directory of the results: one file a bench, one JSON line a run [default: bench/results of
    /// the checkout]
    #[arg(long, value_name = "DIR")]
    pub results: Option<PathBuf>,
    /// Leave no line in the results
    #[arg(long, conflicts_with = "results")]
    pub unrecorded: bool,
}

/// The machine and its state before the run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Host {
    /// The processor's name.
    pub cpu_model: String,
    /// CPUs that the bench may use.
    pub cpus: usize,
    /// Memory in octets.
    pub memory_octets: u64,
    /// Kernel name and release.
    pub kernel: String,
    /// Type of the file system that the servers write to.
    pub file_system: Option<String>,
    /// The frequency governor; `None` where the kernel offers none.
    pub governor: Option<String>,
    /// Load average of the last minute before the run, of 100ths of a running thread: a high one
    /// disturbs.
    pub load_average_percent: u64,
}

impl Host {
    /// This machine, now; `directory` lies on the file system that is written to.
    pub fn here(directory: &Path) -> Self {
        let (machine, environment) = (Machine::here(Some(directory)), Environment::here());
        Self {
            cpu_model: machine.cpu_model,
            cpus: machine.cpus,
            memory_octets: machine.memory_octets,
            kernel: machine.kernel,
            file_system: machine.file_system,
            governor: environment.governor,
            load_average_percent: environment.load_average_percent,
        }
    }
}

/// One run of a bench.
#[derive(Clone, Debug, Serialize)]
pub struct Record<T> {
    /// Which bench; also the name of its file.
    pub bench: &'static str,
    /// When it began, in Unix milliseconds.
    pub at_unix_ms: u64,
    /// Of the checkout that it was started in, with `+` where it had changes.
    pub revision: Option<String>,
    /// Where.
    pub host: Host,
    /// What came out.
    #[serde(flatten)]
    pub figures: T,
}

/// The head of a record, taken before anything loads the machine.
pub struct Beginning {
    bench: &'static str,
    at_unix_ms: u64,
    host: Host,
}

impl Beginning {
    /// Looks at the clock and at the machine.
    pub fn of(bench: &'static str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            bench,
            at_unix_ms: since.as_millis() as u64,
            host: Host::here(&std::env::temp_dir()),
        }
    }

    /// The record of the run.
    pub fn into_record<T>(self, figures: T) -> Record<T> {
        let Self { bench, at_unix_ms, host } = self;
        Record { bench, at_unix_ms, revision: revision(), host, figures }
    }
}

impl Recording {
    /// Prints the record where JSON was asked for, and appends it to the bench's file.
    ///
    /// # Errors
    /// One sentence, when the file cannot be written.
    pub fn keep<T: Serialize>(&self, record: &Record<T>) -> Result<(), String> {
        let json = simd_json::to_string(record)
            .map_err(|fault| format!("the figures cannot be written ({fault})."))?;
        if self.json {
            println!("{json}");
        }
        if self.unrecorded {
            return Ok(());
        }
        let directory = self.directory();
        append(&directory, record.bench, &json).map_err(|error| {
            format!(
                "{} cannot be written ({error}): name another directory with --results, or add \
                 --unrecorded.",
                directory.display()
            )
        })
    }

    /// The directory of the results.
    pub fn directory(&self) -> PathBuf {
        self.results.clone().unwrap_or_else(|| home().join("results"))
    }
}

/// The bench's own folder: cargo names it, else it lies below the working directory.
pub fn home() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("bench"), PathBuf::from)
}

fn append(directory: &Path, bench: &str, json: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let path = directory.join(bench).with_extension("jsonl");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{json}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Figures {
        ratio: f64,
    }

    #[test]
    fn every_run_adds_one_line_that_names_no_path_and_no_host() {
        let place = tempfile::tempdir().expect("a place for temporary files");
        let recording =
            Recording { json: false, results: Some(place.path().to_owned()), unrecorded: false };
        for ratio in [1.5, 2.5] {
            recording
                .keep(&Beginning::of("probe").into_record(Figures { ratio }))
                .expect("writable");
        }
        let text = std::fs::read_to_string(place.path().join("probe.jsonl")).expect("written");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[1].contains("\"ratio\":2.5") && lines[1].contains("\"kernel\":\"Linux "),
            "{text}"
        );
        assert!(
            !text.contains("/tmp") && !text.contains("hostname") && !text.contains("/dev/"),
            "{text}"
        );
    }
}
