//! `hayauma billing`: days and months as CSV, and the proof that the books are right.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::table::plural;
use super::{CliError, Place, print};
use crate::billing::{
    Gathered, ReconcileReport, Report, ReportError, day, gather, month, reconcile, write_csv,
};
use crate::control::store::STORE_FILE_NAME;
use crate::journal::shards::shard_numbers;
use crate::shard::books::events_of_note;
use wire::terms::calendar::Day;

/// Total what was delivered, per JST day and month and XPID, as CSV; of a running engine too.
#[derive(Args, Debug)]
pub struct BillingCommand {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// One JST day per XPID, as CSV
    Day {
        /// The day: 2026-11-22 or 20261122
        #[arg(value_parser = parse_day)]
        date: Day,
    },
    /// One month per XPID, as CSV: the sum of its days
    Month {
        /// The month: 2026-11 or 202611
        #[arg(value_parser = parse_month)]
        month: Month,
    },
    /// Prove that each push was accepted once, ended once or is open, and that nothing of the
    /// journal is missing
    Reconcile,
    /// Make books of those of several nodes of a cluster, each event once, in a directory that
    /// `--data-dir` names then
    Gather {
        /// Where to: a directory that is empty or not there
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
        /// The cluster's file: its log has every push's events, whatever became of a node's disk
        #[cfg(feature = "cluster")]
        #[arg(long, value_name = "FILE", required_unless_present = "nodes")]
        cluster: Option<PathBuf>,
        /// The data directories of the nodes, or copies of them: with counts of refused requests
        #[cfg_attr(not(feature = "cluster"), arg(required = true))]
        #[arg(value_name = "NODE_DIR")]
        nodes: Vec<PathBuf>,
    },
}

impl BillingCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let (text, outcome) = perform(&self.what, &self.place.data_dir()?)?;
        print(&text)?;
        outcome
    }
}

/// A month of a year.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Month {
    /// The year.
    pub year: u16,
    /// 1 to 12.
    pub number: u8,
}

/// What to print, and whether that is good.
fn perform(what: &What, data_directory: &Path) -> Result<(String, Result<(), CliError>), CliError> {
    let unreadable = |error: ReportError| CliError::new(error.to_string());
    // Who gathers names directories of its own.
    let read: &[PathBuf] = match what {
        What::Gather { nodes, .. } => nodes,
        _ => &[data_directory.to_owned()],
    };
    for directory in read {
        if directory.is_dir() && !is_of_an_engine(directory).map_err(CliError::new)? {
            return Err(CliError::new(format!(
                "{} is no data directory: it has neither a registry nor a shard; name the one that \
                 the engine serves with --data-dir",
                directory.display()
            )));
        }
    }
    match what {
        What::Day { date } => sums_text(&day(data_directory, *date).map_err(unreadable)?),
        What::Month { month: Month { year, number } } => {
            sums_text(&month(data_directory, *year, *number).map_err(unreadable)?)
        }
        What::Reconcile => {
            let report = reconcile(data_directory, &events_of_note).map_err(unreadable)?;
            Ok(findings_text(&report))
        }
        #[cfg(feature = "cluster")]
        What::Gather { into, cluster: Some(file), nodes } => {
            let gathered = super::cluster::gather_books(file, nodes, into)?;
            Ok(gathered_text(&gathered, nodes.len() as u64))
        }
        What::Gather { into, nodes, .. } => {
            let gathered = gather(nodes, into).map_err(unreadable)?;
            Ok(gathered_text(&gathered, nodes.len() as u64))
        }
    }
}

/// Whether there is anything that an engine or a command leaves in its data directory.
fn is_of_an_engine(directory: &Path) -> Result<bool, String> {
    if directory.join(STORE_FILE_NAME).exists() {
        return Ok(true);
    }
    let shards = shard_numbers(directory).map_err(|error| {
        format!("{} cannot be read ({error}): correct its permissions", directory.display())
    })?;
    Ok(!shards.is_empty())
}

fn sums_text(report: &Report) -> Result<(String, Result<(), CliError>), CliError> {
    let mut text = Vec::new();
    write_csv(report, &mut text)
        .map_err(|error| CliError::new(format!("the CSV cannot be written: {error}")))?;
    let damaged: u64 = report.damaged.iter().map(|(_, slots)| slots).sum();
    let outcome = match report.damaged.first() {
        None => Ok(()),
        Some((file, _)) => Err(CliError::new(format!(
            "{damaged} billing events cannot be read and are missing in the sums, the first in {}: \
             restore that file from a backup",
            file.display()
        ))),
    };
    Ok((String::from_utf8_lossy(&text).into_owned(), outcome))
}

fn gathered_text(gathered: &Gathered, nodes: u64) -> (String, Result<(), CliError>) {
    let Gathered { events, doubled, damaged } = gathered;
    let text = format!(
        "{events} {}; {nodes} {} read; {doubled} met again\n",
        plural(*events, "event", "events"),
        plural(nodes, "node's books", "nodes' books"),
    );
    let outcome = match damaged.first() {
        None => Ok(()),
        Some((file, slots)) => Err(CliError::new(format!(
            "{slots} billing events cannot be read in {}, and more files may have such: restore it \
             from a backup and gather again",
            file.display()
        ))),
    };
    (text, outcome)
}

fn findings_text(report: &ReconcileReport) -> (String, Result<(), CliError>) {
    use std::fmt::Write as _;
    let mut text = String::new();
    for finding in &report.findings {
        let _ = writeln!(text, "{finding}");
    }
    let rejected: u64 = report.rejected.values().sum();
    let (accepted, replayed, suppressed) = (report.accepted, report.replayed, report.suppressed);
    let (events, days, xpids) = (report.events, report.days, report.xpids);
    let _ = writeln!(
        text,
        "{events} {}, {days} {}, {xpids} {}",
        plural(events, "event", "events"),
        plural(days, "day", "days"),
        plural(xpids, "XPID", "XPIDs")
    );
    let _ = writeln!(
        text,
        "requests {} = accepted {accepted} + replayed {replayed} + suppressed {suppressed} + \
         rejected {rejected}",
        accepted + replayed + suppressed + rejected,
    );
    for (code, count) in &report.rejected {
        let _ = writeln!(text, "  rejected {code:04}: {count}");
    }
    for (xpid, (accepted, ended)) in &report.twice {
        let _ = writeln!(
            text,
            "xpid {xpid:011}: {accepted} {} accepted twice, {ended} ended twice",
            plural(*accepted, "push", "pushes")
        );
    }
    let _ = writeln!(text, "open pushes: {}", report.open);
    if report.is_clean() {
        text += "the books add up\n";
        return (text, Ok(()));
    }
    if report.findings_in_all == 1 && report.lacking != (0, 0) {
        let sentence = if report.is_served {
            "the books lack what the journal holds: free some disk space, so that the engine can \
             enter it, and reconcile again"
        } else {
            "the books lack what the journal holds, because the engine ended before it had \
             finished them: start it once, and reconcile again"
        };
        return (text, Err(CliError::new(sentence.to_owned())));
    }
    let sentence = format!(
        "the books do not add up, {} findings stand above: keep the data directory as it is and \
         run `hayauma queue verify`",
        report.findings_in_all
    );
    (text, Err(CliError::new(sentence)))
}

fn parse_day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "not a day; write it as 2026-11-22".to_owned())
}

fn parse_month(text: &str) -> Result<Month, String> {
    let digits: String = text.chars().filter(|&letter| letter != '-').collect();
    let refused = || "not a month; write it as 2026-11".to_owned();
    if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(refused());
    }
    let number: u32 = digits.parse().map_err(|_| refused())?;
    let month = Month { year: (number / 100) as u16, number: (number % 100) as u8 };
    if (1..=12).contains(&month.number) { Ok(month) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::store::Store;

    #[test]
    fn days_and_months_are_read_in_both_forms_and_refused_with_the_right_one() {
        assert_eq!(parse_month("2026-11"), Ok(Month { year: 2026, number: 11 }));
        assert_eq!(parse_month("202611"), Ok(Month { year: 2026, number: 11 }));
        for wrong in ["2026-13", "2026", "20261122", "november"] {
            assert!(parse_month(wrong).expect_err("no month").contains("2026-11"));
        }
        assert_eq!(parse_day("2026-11-22"), parse_day("20261122"));
        assert!(parse_day("2026-02-30").is_err());
    }

    #[test]
    fn a_directory_that_no_engine_has_used_proves_nothing() {
        let data = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(data.path().join("notes.txt"), "mine").expect("writable");
        let date = parse_day("20261122").expect("a day");
        for what in [What::Reconcile, What::Day { date }] {
            let error = perform(&what, data.path()).expect_err("no data directory");
            assert!(error.sentence.contains("is no data directory"), "{error}");
        }
        let into = data.path().join("books");
        let gathering = |nodes| What::Gather {
            into: into.clone(),
            #[cfg(feature = "cluster")]
            cluster: None,
            nodes,
        };
        let nodes = vec![data.path().to_owned()];
        let error = perform(&gathering(nodes.clone()), &into).expect_err("no data directory");
        assert!(error.sentence.contains("is no data directory") && !into.exists(), "{error}");
        std::fs::create_dir(data.path().join("shard-000")).expect("writable");
        assert!(perform(&What::Reconcile, data.path()).is_ok());
        // What is gathered is such a directory, though it has no event; nobody looks at another.
        let elsewhere = std::env::temp_dir();
        assert!(perform(&gathering(nodes), &elsewhere).is_ok());
        assert!(perform(&What::Reconcile, &into).is_ok());
    }

    #[test]
    fn an_empty_data_directory_has_an_empty_report_and_clean_books() {
        let data = tempfile::tempdir().expect("a temporary directory");
        drop(Store::open(data.path()).expect("a registry"));
        let (text, outcome) = perform(&What::Reconcile, data.path()).expect("readable");
        assert!(text.contains("the books add up"), "{text}");
        assert_eq!(outcome, Ok(()));
        let date = parse_day("20261122").expect("a day");
        let (text, outcome) = perform(&What::Day { date }, data.path()).expect("readable");
        assert!(text.contains("\ntotal,0,0"), "{text}");
        assert_eq!(outcome, Ok(()));
    }

    #[test]
    fn a_wrong_directory_is_named() {
        let error = perform(&What::Reconcile, Path::new("/nonexistent/hayauma"))
            .expect_err("no such directory");
        assert!(error.sentence.contains("/nonexistent/hayauma"), "{error}");
    }
}
