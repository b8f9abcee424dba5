//! The journal beside the device: append and commit against writing and syncing the same octets one
//! after the other; and the engine's answer beside the time that one sync takes.

mod answer;
mod commit;
mod device;

pub use answer::{AnswerFigures, Tail};
pub use commit::CommitFigures;

use crate::cpus::{List, Sides};
use crate::results::{Beginning, Recording};
use clap::Args;
use loadgen::os;
use serde::Serialize;
use std::path::PathBuf;

/// Records of one commit, case by case: from a quiet hour's to a flood's.
const COMMIT_RECORDS: [u64; 4] = [16, 128, 1024, 8192];
/// Segments of the journal, and their size: what is appended in a round goes round in them several
/// times.
const SEGMENTS: u64 = 8;
const SEGMENT_OCTETS: u32 = 16 << 20;
/// Octets of the file that is written for comparison.
const DEVICE_OCTETS: u64 = SEGMENTS * SEGMENT_OCTETS as u64;
/// Octets of one write while it is filled with zeros, as the journal's own segments are.
const FILL_OCTETS: usize = 256 << 10;
const PAGE_OCTETS: usize = 4096;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct Append {
    /// Rounds of each case of append and commit
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: usize,
    /// Rounds of the answer, whose last thousandth a machine's single bad moment spoils
    #[arg(long, value_name = "N", default_value_t = 11)]
    pub answer_rounds: usize,
    /// How long each side appends or writes in a round, milliseconds; 0 leaves append and commit
    /// out
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    pub round_ms: u64,
    /// Pushes per second of the answer's open loop; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub rate: u64,
    /// Pushes of a round of the answer's open loop, behind a second's worth of warm-up
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub pushes: u64,
    /// Directory on the device [default: the system's for temporary files]
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// CPUs of engine, generator and syncs alike while the answer is measured [default: the last
    /// one, so that the others are there for whatever else the machine does]
    #[arg(long, value_name = "LIST", value_parser = crate::cpus::parse)]
    answer_cpus: Option<List>,
    /// CPUs of the generator alone while the answer is measured [default: the same]
    #[arg(long, value_name = "LIST", value_parser = crate::cpus::parse)]
    answer_load_cpus: Option<List>,
    /// Leave the kernel's own threads where they are while the answer is measured; else those that
    /// can be moved are kept off its CPUs, which takes root
    #[arg(long)]
    no_shield: bool,
    #[command(flatten)]
    sides: Sides,
    #[command(flatten)]
    recording: Recording,
}

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Rounds of each case of append and commit.
    pub rounds: usize,
    /// Whether all of it ran under a real-time policy of the kernel.
    pub real_time: bool,
    /// Append and commit.
    pub commits: Vec<CommitFigures>,
    /// The answer.
    pub answer: Option<AnswerFigures>,
}

impl Append {
    /// Measures, prints a line a case, and keeps the record.
    ///
    /// # Errors
    /// One sentence.
    pub fn run(&self) -> Result<(), String> {
        let beginning = Beginning::of("append");
        let place = self.directory.as_ref().map_or_else(tempfile::tempdir, tempfile::tempdir_in);
        let place = place.map_err(|error| format!("a directory cannot be made ({error})."))?;
        let mut commits = Vec::new();
        for records in self.commit_records() {
            let figures = CommitFigures::measure(self, place.path(), records).map_err(|error| {
                format!("the journal or the file beside it could not be written ({error}).")
            })?;
            self.say(&[figures.line()]);
            commits.push(figures);
        }
        let answer =
            if self.rate > 0 { Some(AnswerFigures::measure(self, place.path())?) } else { None };
        if let Some(answer) = &answer {
            self.say(&answer.lines());
        }
        let (rounds, real_time) = (self.rounds, os::is_real_time());
        self.recording.keep(&beginning.into_record(Figures { rounds, real_time, commits, answer }))
    }

    fn commit_records(&self) -> impl Iterator<Item = u64> {
        COMMIT_RECORDS.into_iter().take(if self.round_ms > 0 { COMMIT_RECORDS.len() } else { 0 })
    }

    fn answer_cpus(&self) -> Vec<usize> {
        let last = || os::available_cpus().last().copied().into_iter().collect();
        self.answer_cpus.as_ref().map_or_else(last, |list| list.0.clone())
    }

    fn answer_load_cpus(&self) -> Vec<usize> {
        self.answer_load_cpus.as_ref().map_or_else(|| self.answer_cpus(), |list| list.0.clone())
    }

    fn say(&self, lines: &[String]) {
        if !self.recording.json {
            lines.iter().for_each(|line| println!("{line}"));
        }
    }
}
