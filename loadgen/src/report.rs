//! The directory of a report: figures, histograms and a page to read, from which everything can be
//! drawn again.
//!
//! `summary.json`, `latencies.hlog` (all stages, every interval), `STAGE.hgrm` (the percentile
//! curve of a stage) and `report.html`, a page without scripts that needs no other file. The page
//! is drawn from the other two alone.

pub mod axis;
pub mod chart;
mod figures;
mod overlay;
mod page;
mod place;

use crate::compare::Difference;
use crate::hdr;
use crate::latency::Phases;
use crate::summary::Summary;
use simd_json::OwnedValue;
use simd_json::prelude::{TypedScalarValue, ValueAsScalar, ValueObjectAccess};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use wire::json;

const SUMMARY: &str = "summary.json";
const LOG: &str = "latencies.hlog";
const PAGE: &str = "report.html";

/// A page of our style without scripts that needs no other file; `body` is HTML, `title` too.
pub fn framed(title: &str, body: &str) -> String {
    page::frame(title, body)
}

/// Why a report cannot be written or read; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file that the system does not let us have.
    #[error("{} cannot be used ({source}): name a directory of your own.", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is not ours.
    #[error("{} cannot be read ({detail}): it is not the report of a run.", .path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        detail: String,
    },
}

/// A report in memory.
pub struct Report {
    /// The run's figures.
    pub summary: OwnedValue,
    /// Its latencies over time.
    pub phases: Phases,
}

impl Report {
    /// Writes `directory`, which need not exist; returns the path of the page.
    pub fn write(
        directory: &Path,
        summary: &Summary,
        phases: &Phases,
    ) -> Result<PathBuf, ReportError> {
        std::fs::create_dir_all(directory)
            .map_err(|source| ReportError::File { path: directory.to_owned(), source })?;
        let began_ms =
            summary.reported_at_unix_ms.saturating_sub((summary.settled_within_s * 1e3) as u64);
        save(&directory.join(SUMMARY), |file| writeln!(file, "{}", summary.to_json()))?;
        save(&directory.join(LOG), |file| hdr::write_log(phases, began_ms, file))?;
        for (name, series) in phases.load.named() {
            if series.total().count() > 0 {
                save(&directory.join(format!("{name}.hgrm")), |file| {
                    hdr::write_percentiles(series, file)
                })?;
            }
        }
        Self::read(directory)?.draw(directory)
    }

    /// Reads what `write` wrote.
    pub fn read(directory: &Path) -> Result<Self, ReportError> {
        let load = |name: &str| {
            let path = directory.join(name);
            std::fs::read(&path)
                .map_err(|source| ReportError::File { path: path.clone(), source })
                .map(|octets| (path, octets))
        };
        let (path, mut octets) = load(SUMMARY)?;
        let summary = json::read(&mut octets)
            .map_err(|fault| ReportError::Content { path, detail: fault.to_string() })?;
        let (path, octets) = load(LOG)?;
        let phases = hdr::read_log(&octets)
            .map_err(|fault| ReportError::Content { path, detail: fault.to_string() })?;
        Ok(Self { summary, phases })
    }

    /// Draws the page again; returns its path.
    pub fn draw(&self, directory: &Path) -> Result<PathBuf, ReportError> {
        let path = directory.join(PAGE);
        save(&path, |file| file.write_all(page::render(self).as_bytes()))?;
        Ok(path)
    }

    /// Writes the page that lays runs over each other, each under its name; `differences` are those
    /// of each run but the first.
    pub fn draw_together(
        runs: &[(String, Self)],
        differences: &[Vec<Difference>],
        path: &Path,
    ) -> Result<(), ReportError> {
        save(path, |file| file.write_all(overlay::render(runs, differences).as_bytes()))
    }

    /// The figure at the end of `path`; 0 where there is none.
    pub fn number(&self, path: &[&str]) -> f64 {
        self.at(path).and_then(|value| value.cast_f64()).unwrap_or_default()
    }

    /// The text at the end of `path`; empty where there is none.
    pub fn text(&self, path: &[&str]) -> &str {
        self.at(path).and_then(|value| value.as_str()).unwrap_or_default()
    }

    /// What stands at the end of `path`.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&OwnedValue> {
        path.iter()
            .try_fold(&self.summary, |value, name| value.get(*name))
            .filter(|value| !value.is_null())
    }
}

fn save(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), ReportError> {
    let attempt = || {
        let mut file = BufWriter::new(File::create(path)?);
        write(&mut file)?;
        file.flush()
    };
    attempt().map_err(|source| ReportError::File { path: path.to_owned(), source })
}
