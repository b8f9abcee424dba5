//! The proof that the books are right: what went in is what came out and what is still there, per XPID and in
//! all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::event::{Event, EventKind};
use super::read::{EventFile, files_of_engine, read_events};
use super::sums::{Report, ReportError, Row, count_file, span};
use crate::calendar::Day;
use crate::ids::Class;

/// Findings that a report lists one by one; further ones are only counted.
const FINDINGS_LISTED_MAX: usize = 100;

/// What was proved, and what was not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReconcileReport {
    /// Events read.
    pub events: u64,
    /// Days with events.
    pub days: u64,
    /// Contracts with events.
    pub xpids: u64,
    /// Requests: accepted, replayed, suppressed, and rejected by code.
    pub accepted: u64,
    /// Answered 0001.
    pub replayed: u64,
    /// Answered 0002.
    pub suppressed: u64,
    /// Refused, by code.
    pub rejected: BTreeMap<u16, u64>,
    /// Accepted and not ended.
    pub open: u64,
    /// What does not fit, in plain sentences, the first hundred.
    pub findings: Vec<String>,
    /// How many there are in all.
    pub findings_in_all: u64,
}

impl ReconcileReport {
    /// Whether the books are right.
    pub fn is_clean(&self) -> bool {
        self.findings_in_all == 0
    }

    fn find(&mut self, finding: impl FnOnce() -> String) {
        self.findings_in_all += 1;
        if self.findings.len() < FINDINGS_LISTED_MAX {
            self.findings.push(finding());
        }
    }
}

/// Proves, from the event files of a data directory:
/// - every push accepted once has at most one end, and every end a push;
/// - per XPID: opening + accepted = delivered + partial + refused + expired + failed + cancelled + replaced +
///   closing, where closing is counted push by push and not by subtraction;
/// - per shard and day: no gap and no unreadable slot among the events (a push's number is its own in the whole
///   directory, so that its end is found in whichever shard it came, should it have moved);
/// - every month is the sum of its days, and every day begins with what the one before left open.
///
/// Keeps one entry in memory for each push that is open at the end, and for each push of the day being read.
///
/// # Errors
/// When the directory or a file cannot be read.
pub fn reconcile(data_directory: &Path) -> Result<ReconcileReport, ReportError> {
    let files = files_of_engine(data_directory)
        .map_err(|source| ReportError { path: data_directory.to_path_buf(), source })?;
    let mut report = ReconcileReport::default();
    let open = follow_pushes(&files, &mut report)?;
    report.open = open.len() as u64;
    check_closing(data_directory, &files, &open, &mut report)?;
    check_months(data_directory, &files, &mut report)?;
    Ok(report)
}

/// A push that is open: its contract, and whether it is an exercise.
#[derive(Clone, Copy)]
struct Open {
    xpid: u64,
    exercise: bool,
}

fn follow_pushes(
    files: &[EventFile],
    report: &mut ReconcileReport,
) -> Result<HashMap<u64, Open>, ReportError> {
    let mut open = HashMap::new();
    let mut xpids = BTreeSet::new();
    let mut days = BTreeSet::new();
    let mut ends: Vec<(u64, usize)> = Vec::new();
    for (place, file) in files.iter().enumerate() {
        days.insert(file.day);
        let mut ends_of_file = Vec::new();
        let state = read_events(&file.path, &mut |event| {
            report.events += 1;
            xpids.insert(event.xpid);
            if Day::of(event.at_ms) != file.day {
                report.find(|| format!("{}: an event of {}", file.path.display(), Day::of(event.at_ms)));
            }
            follow_event(event, file, &mut open, &mut ends_of_file, report);
        })
        .map_err(|source| ReportError { path: file.path.clone(), source })?;
        for (what, slots) in [("unreadable", state.damaged), ("empty", state.empty)] {
            if slots > 0 {
                report.find(|| format!("{}: {slots} {what} slots among the events", file.path.display()));
            }
        }
        ends.extend(ends_of_file.into_iter().map(|push_id| (push_id, place)));
        // An end may stand in front of its acceptance where recovery entered the acceptance later, or where the push
        // moved to a shard whose file is read before: at the end of the day both are there.
        if files.get(place + 1).is_none_or(|next| next.day != file.day) {
            for (push_id, place) in ends.drain(..) {
                if open.remove(&push_id).is_none() {
                    let path = files[place].path.display();
                    report.find(|| {
                        format!("{path}: push {push_id} ended and was never accepted, or ended twice")
                    });
                }
            }
        }
    }
    report.xpids = xpids.len() as u64;
    report.days = days.len() as u64;
    Ok(open)
}

fn follow_event(
    event: &Event,
    file: &EventFile,
    open: &mut HashMap<u64, Open>,
    ends: &mut Vec<u64>,
    report: &mut ReconcileReport,
) {
    let key = event.push_id;
    match event.kind {
        EventKind::Accepted => {
            report.accepted += 1;
            let push = Open { xpid: event.xpid, exercise: event.class == Class::Exercise.number() };
            if open.insert(key, push).is_some() {
                report.find(|| format!("{}: push {} was accepted twice", file.path.display(), event.push_id));
            }
        }
        EventKind::Final => {
            if open.remove(&key).is_none() {
                ends.push(event.push_id);
            }
        }
        EventKind::Rejected => *report.rejected.entry(event.code).or_default() += 1,
        EventKind::Replayed if event.code == crate::push::code::Code::ALERT_KNOWN.number() => {
            report.suppressed += 1
        }
        EventKind::Replayed => report.replayed += 1,
    }
}

/// The sums over all days must leave open exactly the pushes that are open.
fn check_closing(
    data_directory: &Path,
    files: &[EventFile],
    open: &HashMap<u64, Open>,
    report: &mut ReconcileReport,
) -> Result<(), ReportError> {
    let (Some(first), Some(last)) = (files.first(), files.last()) else {
        return Ok(());
    };
    let mut counted: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
    for push in open.values() {
        let (billed, exercise) = counted.entry(push.xpid).or_default();
        *if push.exercise { exercise } else { billed } += 1;
    }
    let whole = span(data_directory, first.day, last.day)?;
    for row in &whole.rows {
        let (billed, exercise) = counted.remove(&row.xpid).unwrap_or_default();
        for (name, closing, counted) in
            [("", row.billed.closing(), billed), ("exercise ", row.exercise.closing(), exercise)]
        {
            if closing != counted {
                report.find(|| {
                    format!(
                        "xpid {:011}: the sums leave {closing} {name}pushes open, counted are {counted}",
                        row.xpid
                    )
                });
            }
        }
    }
    for xpid in counted.keys() {
        report.find(|| format!("xpid {xpid:011}: open pushes and no sums"));
    }
    Ok(())
}

/// Every month's report must be the sum of its days', and each day must begin with what the one before left
/// open.
fn check_months(
    data_directory: &Path,
    files: &[EventFile],
    report: &mut ReconcileReport,
) -> Result<(), ReportError> {
    let mut sums: BTreeMap<u32, BTreeMap<u64, Row>> = BTreeMap::new();
    let mut damaged: Vec<(PathBuf, u64)> = Vec::new();
    for file in files {
        count_file(file, sums.entry(file.day.number() / 100).or_default(), &mut damaged)?;
    }
    let mut opening: BTreeMap<u64, Row> = BTreeMap::new();
    for (month, days) in sums {
        let (year, number) = ((month / 100) as u16, (month % 100) as u8);
        let whole = super::sums::month(data_directory, year, number)?;
        let mut expected = opening;
        for (xpid, row) in days {
            expected.entry(xpid).or_insert_with(|| Row { xpid, ..Row::default() }).add(&row);
        }
        expected.retain(|_, row| *row != Row { xpid: row.xpid, ..Row::default() });
        let expected = Report { rows: expected.into_values().collect(), damaged: Vec::new() };
        if expected.rows != whole.rows {
            report.find(|| format!("month {year:04}-{number:02} is not the sum of its days"));
        }
        opening = expected.rows.iter().map(|row| (row.xpid, row.carried())).collect();
    }
    Ok(())
}
