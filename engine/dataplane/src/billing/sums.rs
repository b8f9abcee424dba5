//! Days and months, added up per XPID.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::columns::{Column, column_of_end};
use super::event::{Event, EventKind};
use super::read::{EventFile, files_of_engine, read_within};
use wire::terms::calendar::Day;
use wire::terms::code::Code;
use wire::terms::ids::Class;
use wire::terms::time::WallMs;

/// Why nothing could be added up.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read the billing events in {}: {source}; is that the engine's --data-dir?",
    path.display()
)]
pub struct ReportError {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Pushes counted over a span of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpanCounts {
    /// Accepted before the span and not ended before it. Below zero only where events are missing.
    pub opening: i64,
    /// Accepted in the span.
    pub accepted: u64,
    /// Ended in the span, by column, in the order of [`Column::ALL`].
    pub ended: [u64; Column::ALL.len()],
    /// Segments delivered, of the pushes that ended in the span.
    pub segments: u64,
}

impl SpanCounts {
    /// Pushes that ended in the span in this column.
    pub fn ended(&self, column: Column) -> u64 {
        self.ended[column as usize]
    }

    /// Open at the end of the span.
    pub fn closing(&self) -> i64 {
        self.opening + self.accepted as i64 - self.ended.iter().sum::<u64>() as i64
    }

    fn add(&mut self, other: &Self) {
        self.opening += other.opening;
        self.accepted += other.accepted;
        for (sum, part) in self.ended.iter_mut().zip(other.ended) {
            *sum += part;
        }
        self.segments += other.segments;
    }

    fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// One XPID's line of a report. Requests of no registered XPID are in none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Row {
    /// The contract's number.
    pub xpid: u64,
    /// What is billed.
    pub billed: SpanCounts,
    /// Exercises: recorded, never billed.
    pub exercise: SpanCounts,
    /// Requests of a registered XPID that were refused.
    pub rejected: u64,
    /// Identical repeats answered 0001.
    pub replayed: u64,
    /// Repeats of an alert's sequence answered 0002.
    pub suppressed: u64,
}

/// A day or a month: rows in ascending order of the XPID, and what was wrong with the files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// One for each XPID that had anything in the span or open before it.
    pub rows: Vec<Row>,
    /// What was entered in the span and happened in a day before it that was closed by then; with
    /// the pushes of it that were open before the span, which `rows` do not count. Rows and
    /// adjustments together are the span.
    pub adjustments: Vec<Row>,
    /// Slots that could not be read, with their file: the report lacks what they held.
    pub damaged: Vec<(PathBuf, u64)>,
}

impl Report {
    /// The sum of all rows and adjustments; its `xpid` is 0.
    pub fn totals(&self) -> Row {
        let mut totals = Row::default();
        for row in self.rows.iter().chain(&self.adjustments) {
            totals.add(row);
        }
        totals
    }

    /// Rows and adjustments added up per XPID.
    pub(super) fn by_xpid(&self) -> BTreeMap<u64, Row> {
        let mut sums = BTreeMap::new();
        for row in self.rows.iter().chain(&self.adjustments) {
            row_of(&mut sums, row.xpid).add(row);
        }
        sums
    }
}

impl Row {
    pub(super) fn add(&mut self, other: &Self) {
        self.billed.add(&other.billed);
        self.exercise.add(&other.exercise);
        self.rejected += other.rejected;
        self.replayed += other.replayed;
        self.suppressed += other.suppressed;
    }

    fn is_zero(&self) -> bool {
        *self == Self { xpid: self.xpid, ..Self::default() }
    }

    /// Counts an event of the span.
    pub(super) fn count(&mut self, event: &Event) {
        let counts = if event.class == Class::Exercise.number() {
            &mut self.exercise
        } else {
            &mut self.billed
        };
        let times = event.times();
        match event.kind {
            EventKind::Accepted | EventKind::AcceptedMany => counts.accepted += times,
            EventKind::Final | EventKind::FinalMany => {
                counts.ended[column_of_end(event) as usize] += times;
                counts.segments += u64::from(event.delivered) * times;
            }
            EventKind::Rejected => self.rejected += times,
            EventKind::Replayed if event.code == Code::ALERT_KNOWN.number() => {
                self.suppressed += times
            }
            EventKind::Replayed => self.replayed += times,
        }
    }

    /// This row of adjustments takes the pushes that it ends, and that were open before the span,
    /// from `row`.
    fn take_opening_from(&mut self, row: &mut Self) {
        for (adjusted, counts) in
            [(&mut self.billed, &mut row.billed), (&mut self.exercise, &mut row.exercise)]
        {
            let opening = (-adjusted.closing()).max(0);
            adjusted.opening += opening;
            counts.opening -= opening;
        }
    }

    /// The row of the time behind the span: what is open is carried over.
    pub(super) fn carried(&self) -> Self {
        let carry =
            |counts: &SpanCounts| SpanCounts { opening: counts.closing(), ..SpanCounts::default() };
        Self {
            xpid: self.xpid,
            billed: carry(&self.billed),
            exercise: carry(&self.exercise),
            ..Self::default()
        }
    }
}

/// The report of one JST day, from the files of a stopped or a running engine.
///
/// # Errors
/// When the directory or a file cannot be read.
pub fn day(data_directory: &Path, day: Day) -> Result<Report, ReportError> {
    span(data_directory, day, day)
}

/// The report of one month: the sum of its days.
///
/// # Errors
/// When the directory or a file cannot be read, or there is no such month.
pub fn month(data_directory: &Path, year: u16, month: u8) -> Result<Report, ReportError> {
    let no_such = || ReportError {
        path: data_directory.to_path_buf(),
        source: io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("there is no month {year:04}-{month:02}"),
        ),
    };
    let (first, last) = days_of(year, month).ok_or_else(no_such)?;
    span(data_directory, first, last)
}

/// The first and the last day of a month.
pub(super) fn days_of(year: u16, month: u8) -> Option<(Day, Day)> {
    let day = |day: u8| Day::parse(&format!("{year:04}{month:02}{day:02}"));
    Some((day(1)?, (28..=31).rev().find_map(day)?))
}

/// The report of the days from `first` to `last`.
fn span(data_directory: &Path, first: Day, last: Day) -> Result<Report, ReportError> {
    let failed = |source| ReportError { path: data_directory.to_path_buf(), source };
    span_of(&files_of_engine(data_directory).map_err(failed)?, first, last)
}

/// The same from `files`, oldest first.
pub(super) fn span_of(files: &[EventFile], first: Day, last: Day) -> Result<Report, ReportError> {
    let (mut rows, mut adjustments) = (BTreeMap::new(), BTreeMap::new());
    let mut damaged = Vec::new();
    let mut carried = false;
    for file in files.iter().filter(|file| file.day <= last) {
        if file.day >= first && !carried {
            carry_over(&mut rows);
            carried = true;
        }
        let own_from_ms = if carried { first.start_ms() } else { WallMs::ZERO };
        count_file(file, &mut damaged, &mut |event| {
            let sums = if event.own_ms() < own_from_ms { &mut adjustments } else { &mut rows };
            row_of(sums, event.xpid).count(event);
        })?;
    }
    if !carried {
        carry_over(&mut rows);
    }
    for (&xpid, adjusted) in &mut adjustments {
        adjusted.take_opening_from(row_of(&mut rows, xpid));
    }
    let listed =
        |rows: BTreeMap<u64, Row>| rows.into_values().filter(|row: &Row| !row.is_zero()).collect();
    Ok(Report { rows: listed(rows), adjustments: listed(adjustments), damaged })
}

pub(super) fn row_of(rows: &mut BTreeMap<u64, Row>, xpid: u64) -> &mut Row {
    rows.entry(xpid).or_insert_with(|| Row { xpid, ..Row::default() })
}

pub(super) fn count_file(
    file: &EventFile,
    damaged: &mut Vec<(PathBuf, u64)>,
    count: &mut dyn FnMut(&Event),
) -> Result<(), ReportError> {
    let state = read_within(&file.path, file.slots, count)
        .map_err(|source| ReportError { path: file.path.clone(), source })?;
    if state.damaged > 0 {
        tracing::warn!(
            file = %file.path.display(),
            slots = state.damaged,
            "billing events cannot be read"
        );
        damaged.push((file.path.clone(), state.damaged));
    }
    Ok(())
}

fn carry_over(rows: &mut BTreeMap<u64, Row>) {
    for row in rows.values_mut() {
        *row = row.carried();
    }
    rows.retain(|_, row| !row.billed.is_zero() || !row.exercise.is_zero());
}
