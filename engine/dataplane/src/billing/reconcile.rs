//! The proof that the books are right: what went in is what came out and what is still there, per
//! XPID and in all; no push twice, and none that the journal knows missing.

use crate::billing::findings::ReconcileReport;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::expected::{EventsOfRows, Expected};
use super::follow::{Follow, OpenRows};
use super::limits::BLOCKS_MAX;
use super::read::{EventFile, files_as_they_stand};
use super::sums::{ReportError, Row, count_file, days_of, row_of, span_of};

/// Proves, from the event files and the journals of a data directory:
/// - every push is accepted once and ends once at most, and every end has its push, whatever lies
///   between;
/// - per XPID: opening + accepted = delivered + partial + refused + expired + failed + cancelled +
///   replaced + closing, where closing is counted push by push and not by subtraction;
/// - per shard and day: no gap and no unreadable slot among the events (a push's number is its own
///   in the whole directory, so that its end is found in whichever shard it came, should it have
///   moved), and no event of a later day;
/// - every month is the sum of its days, and every day begins with what the one before left open;
/// - every accepted push and every end that a journal holds stands in the books, and so does what
///   `of_rows` says of its records of broadcasts. Of a running
///   engine, what is just on its way is waited for.
///
/// Keeps two bits for each push, in blocks of 512 MiB in all at most, and an entry for each push
/// that is open; where there are more pushes the files are read several times. The journals' part
/// takes two bits for each of their pushes.
///
/// # Errors
/// When the directory or a file cannot be read.
pub fn reconcile(
    data_directory: &Path,
    of_rows: &EventsOfRows<'_>,
) -> Result<ReconcileReport, ReportError> {
    reconcile_within(data_directory, of_rows, BLOCKS_MAX)
}

/// As [`reconcile`], with so many blocks of pushes in mind at a time.
pub(super) fn reconcile_within(
    data_directory: &Path,
    of_rows: &EventsOfRows<'_>,
    blocks_max: usize,
) -> Result<ReconcileReport, ReportError> {
    let failed = |source| ReportError { path: data_directory.to_path_buf(), source };
    // Before the books: whatever has an event in a running engine has its record by then.
    let expected = Expected::read(data_directory, of_rows).map_err(failed)?;
    // A running engine goes on: every reading below is of the same events.
    let files = files_as_they_stand(data_directory).map_err(failed)?;
    let mut report = ReconcileReport::default();
    let mut open: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
    let mut rows = OpenRows::new();
    let (mut from, mut until) = (0, u64::MAX);
    loop {
        let mut follow = Follow::new(from..until, blocks_max);
        if let Some(limit) = follow.read(&files)? {
            until = limit;
            continue;
        }
        let part = follow.finish(&files, &expected, (&mut open, &mut rows), data_directory)?;
        if from == 0 {
            report = part
        } else {
            report.add_pushes_of(part)
        }
        if until == u64::MAX {
            break;
        }
        (from, until) = (until, u64::MAX);
    }
    add_rows(&rows, &mut open, &mut report);
    expected.tell(&mut report, data_directory);
    check_closing(&files, open, &mut report)?;
    check_months(&files, &mut report)?;
    Ok(report)
}

/// Rows of broadcasts that are open are open pushes, and no more of them end than were accepted.
fn add_rows(rows: &OpenRows, open: &mut BTreeMap<u64, (i64, i64)>, report: &mut ReconcileReport) {
    for (&(xpid, is_exercise), &count) in rows {
        let (billed, exercise) = open.entry(xpid).or_default();
        *if is_exercise { exercise } else { billed } += count;
        report.open = report.open.saturating_add_signed(count);
        if count < 0 {
            let more = -count;
            report.find(|| {
                format!("xpid {xpid:011}: {more} rows of broadcasts ended and were never accepted")
            });
        }
    }
}

/// The sums over all days must leave open exactly the pushes that are open.
fn check_closing(
    files: &[EventFile],
    mut open: BTreeMap<u64, (i64, i64)>,
    report: &mut ReconcileReport,
) -> Result<(), ReportError> {
    let (Some(first), Some(last)) = (files.first(), files.last()) else {
        return Ok(());
    };
    for (xpid, row) in span_of(files, first.day, last.day)?.by_xpid() {
        let (billed, exercise) = open.remove(&xpid).unwrap_or_default();
        for (name, closing, counted) in
            [("", row.billed.closing(), billed), ("exercise ", row.exercise.closing(), exercise)]
        {
            if closing != counted {
                report.find(|| {
                    format!(
                        "xpid {xpid:011}: the sums leave {closing} {name}pushes open, counted \
                         are {counted}"
                    )
                });
            }
        }
    }
    for xpid in open.keys() {
        report.find(|| format!("xpid {xpid:011}: open pushes and no sums"));
    }
    Ok(())
}

/// Every month's report must be the sum of its days', and each day must begin with what the one
/// before left open.
fn check_months(files: &[EventFile], report: &mut ReconcileReport) -> Result<(), ReportError> {
    let months: BTreeSet<u32> = files.iter().map(|file| file.day.number() / 100).collect();
    let mut damaged: Vec<(PathBuf, u64)> = Vec::new();
    let mut expected: BTreeMap<u64, Row> = BTreeMap::new();
    for month in months {
        for file in files.iter().filter(|file| file.day.number() / 100 == month) {
            count_file(file, &mut damaged, &mut |event| {
                row_of(&mut expected, event.xpid).count(event)
            })?;
        }
        let (year, number) = ((month / 100) as u16, (month % 100) as u8);
        // A month of a file's day is a month.
        let Some((first, last)) = days_of(year, number) else { continue };
        let whole = span_of(files, first, last)?.by_xpid();
        expected.retain(|&xpid, row| *row != Row { xpid, ..Row::default() });
        if expected != whole {
            report.find(|| format!("month {year:04}-{number:02} is not the sum of its days"));
        }
        expected = expected.into_iter().map(|(xpid, row)| (xpid, row.carried())).collect();
    }
    Ok(())
}
