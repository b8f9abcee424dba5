//! `hayauma billing`: days and months as CSV, and the proof that the books are right.

use std::io::{self, Write};
use std::path::Path;

use clap::Subcommand;

use crate::billing::{ReconcileReport, Report, ReportError, day, month, reconcile, write_csv};
use crate::calendar::Day;

/// What to add up.
#[derive(Clone, Debug, Subcommand)]
pub enum BillingCommand {
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
    /// Prove that what was accepted is what ended and what is still open
    Reconcile,
}

/// A month of a year.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Month {
    /// The year.
    pub year: u16,
    /// 1 to 12.
    pub number: u8,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum BillingCommandError {
    /// The events cannot be read.
    #[error(transparent)]
    Read(#[from] ReportError),
    /// The output cannot be written.
    #[error("cannot write the report: {0}")]
    Write(#[from] io::Error),
    /// The books are not right.
    #[error(
        "the books do not add up: {0} findings, listed above; keep the data directory as it is and ask for help"
    )]
    NotClean(u64),
}

/// Runs the command on a data directory, of a stopped or a running engine, and writes to `out`.
///
/// # Errors
/// See [`BillingCommandError`].
pub fn run(
    command: &BillingCommand,
    data_directory: &Path,
    out: &mut dyn Write,
) -> Result<(), BillingCommandError> {
    match command {
        BillingCommand::Day { date } => write_report(&day(data_directory, *date)?, out),
        BillingCommand::Month { month: Month { year, number } } => {
            write_report(&month(data_directory, *year, *number)?, out)
        }
        BillingCommand::Reconcile => write_findings(&reconcile(data_directory)?, out),
    }
}

fn write_report(report: &Report, out: &mut dyn Write) -> Result<(), BillingCommandError> {
    write_csv(report, out).map_err(|error| io::Error::other(error).into())
}

fn write_findings(report: &ReconcileReport, out: &mut dyn Write) -> Result<(), BillingCommandError> {
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    let rejected: u64 = report.rejected.values().sum();
    let requests = report.accepted + report.replayed + report.suppressed + rejected;
    writeln!(
        out,
        "{} events, {} days, {} XPIDs: requests {requests} = accepted {} + replayed {} + suppressed {} + rejected {rejected}",
        report.events, report.days, report.xpids, report.accepted, report.replayed, report.suppressed,
    )?;
    for (code, count) in &report.rejected {
        writeln!(out, "  rejected {code:04}: {count}")?;
    }
    writeln!(out, "open pushes: {}", report.open)?;
    if !report.is_clean() {
        return Err(BillingCommandError::NotClean(report.findings_in_all));
    }
    writeln!(out, "the books add up")?;
    Ok(())
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
    fn an_empty_data_directory_has_an_empty_report_and_clean_books() {
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut out = Vec::new();
        run(&BillingCommand::Reconcile, data.path(), &mut out).expect("clean");
        let date = parse_day("20261122").expect("a day");
        run(&BillingCommand::Day { date }, data.path(), &mut out).expect("readable");
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("the books add up") && text.contains("\ntotal,0,0"), "{text}");
    }

    #[test]
    fn a_wrong_directory_is_named() {
        let error = run(&BillingCommand::Reconcile, Path::new("/nonexistent/hayauma"), &mut Vec::new());
        assert!(error.expect_err("no such directory").to_string().contains("/nonexistent/hayauma"));
    }
}
