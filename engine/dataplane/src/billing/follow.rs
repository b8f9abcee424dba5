//! Following every push of a range of numbers through all event files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use super::columns::{Column, column_of_end};
use super::event::{Event, EventKind};
use super::expected::Expected;
use super::known::Known;
use super::read::{EventFile, read_within};
use super::sums::ReportError;
use crate::billing::findings::ReconcileReport;
use wire::terms::calendar::Day;
use wire::terms::code::Code;
use wire::terms::ids::Class;
use wire::terms::time::WallMs;

/// A push that is open: its contract, and whether it is an exercise.
#[derive(Clone, Copy)]
struct Open {
    xpid: u64,
    exercise: bool,
}

/// Rows of broadcasts that are open, by XPID, those of exercises apart.
pub(super) type OpenRows = BTreeMap<(u64, bool), i64>;

/// One reading of the files.
pub(super) struct Follow {
    range: Range<u64>,
    blocks_max: usize,
    known: Known,
    open: HashMap<u64, Open>,
    open_rows: OpenRows,
    /// Ends whose push was not met yet, and the place of their file.
    unmatched: HashMap<u64, usize>,
    xpids: BTreeSet<u64>,
    report: ReconcileReport,
    /// More pushes than are kept in mind: the reading is to be done again up to this number.
    limit: Option<u64>,
}

impl Follow {
    /// A reading for pushes with these numbers.
    pub(super) fn new(range: Range<u64>, blocks_max: usize) -> Self {
        Self {
            range,
            blocks_max,
            known: Known::default(),
            open: HashMap::new(),
            open_rows: BTreeMap::new(),
            unmatched: HashMap::new(),
            xpids: BTreeSet::new(),
            report: ReconcileReport::default(),
            limit: None,
        }
    }

    /// Reads the files; the number up to which it can be done at a time where that is lower than
    /// the range's end.
    pub(super) fn read(&mut self, files: &[EventFile]) -> Result<Option<u64>, ReportError> {
        for (place, file) in files.iter().enumerate() {
            let end_ms = file.day.next().start_ms();
            let state = read_within(&file.path, file.slots, &mut |event| {
                if self.limit.is_none() {
                    self.take(event, files, place, end_ms);
                }
            })
            .map_err(|source| ReportError { path: file.path.clone(), source })?;
            if self.limit.is_some() {
                return Ok(self.limit);
            }
            for (what, slots) in [("unreadable", state.damaged), ("empty", state.empty)] {
                if slots > 0 && self.is_first() {
                    self.report.find(|| {
                        format!("{}: {slots} {what} slots among the events", file.path.display())
                    });
                }
            }
        }
        Ok(None)
    }

    /// What was found; the pushes left open are added to `open` by XPID, those of exercises apart,
    /// and so are rows of broadcasts to `rows`. A row's acceptance and its end have different
    /// numbers, which may lie in different ranges.
    pub(super) fn finish(
        mut self,
        files: &[EventFile],
        expected: &Expected,
        (open, rows): (&mut BTreeMap<u64, (i64, i64)>, &mut OpenRows),
        data_directory: &Path,
    ) -> Result<ReconcileReport, ReportError> {
        for (push_id, place) in std::mem::take(&mut self.unmatched) {
            let path = files[place].path.display();
            self.report.find(|| format!("{path}: push {push_id} ended and was never accepted"));
        }
        for push in self.open.values() {
            let (billed, exercise) = open.entry(push.xpid).or_default();
            *if push.exercise { exercise } else { billed } += 1;
        }
        self.report.lacking = expected.lacking_in(&self.known, &self.range, data_directory)?;
        self.report.open = self.open.len() as u64;
        for (whose, count) in self.open_rows {
            *rows.entry(whose).or_default() += count;
        }
        self.report.xpids = self.xpids.len() as u64;
        self.report.days = files.iter().map(|file| file.day).collect::<HashSet<Day>>().len() as u64;
        Ok(self.report)
    }

    fn is_first(&self) -> bool {
        self.range.start == 0
    }

    fn take(&mut self, event: &Event, files: &[EventFile], place: usize, end_ms: WallMs) {
        let file = &files[place];
        if self.is_first() {
            self.xpids.insert(event.xpid);
            self.count(event);
            self.hold_against_itself(event, file);
            // An earlier one is an adjustment of a closed day.
            if event.own_ms() >= end_ms {
                let day = Day::of(event.own_ms());
                self.report.find(|| format!("{}: an event of {day}", file.path.display()));
            }
        }
        let (kind, push_id) = (event.kind, event.push_id);
        let is_push = !matches!(kind, EventKind::Rejected | EventKind::Replayed);
        if !is_push || !self.range.contains(&push_id) {
            return;
        }
        if !self.known.note(kind, push_id) {
            return self.find_twice(event, file);
        }
        self.limit = self.known.halve(self.blocks_max);
        match kind {
            EventKind::AcceptedMany | EventKind::FinalMany => {
                let times = event.times() as i64;
                let exercise = event.class == Class::Exercise.number();
                *self.open_rows.entry((event.xpid, exercise)).or_default() +=
                    if kind == EventKind::AcceptedMany { times } else { -times };
            }
            EventKind::Accepted if self.known.contains(EventKind::Final, push_id) => {
                let earlier =
                    self.unmatched.remove(&push_id).filter(|&place| files[place].day < file.day);
                if let Some(place) = earlier {
                    let (ended, path) = (files[place].day, file.path.display());
                    self.report.find(|| {
                        format!("{path}: push {push_id} was accepted, and had ended on {ended}")
                    });
                }
            }
            EventKind::Accepted => {
                let exercise = event.class == Class::Exercise.number();
                self.open.insert(push_id, Open { xpid: event.xpid, exercise });
            }
            _ => {
                // An end may stand in front of its acceptance where recovery entered the acceptance
                // later, or where the push moved to a shard whose file is read before.
                if self.open.remove(&push_id).is_none() {
                    self.unmatched.insert(push_id, place);
                }
            }
        }
    }

    /// What counts as delivered has arrived.
    fn hold_against_itself(&mut self, event: &Event, file: &EventFile) {
        let is_end = matches!(event.kind, EventKind::Final | EventKind::FinalMany);
        if !is_end || event.delivered > 0 || column_of_end(event) != Column::Delivered {
            return;
        }
        let (path, xpid, times) = (file.path.display(), event.xpid, event.times());
        self.report.find(|| {
            format!(
                "{path}: {times} of xpid {xpid:011} count as delivered, and no segment arrived \
                 (event {:X})",
                event.push_id
            )
        });
    }

    fn find_twice(&mut self, event: &Event, file: &EventFile) {
        let twice = self.report.twice.entry(event.xpid).or_default();
        let what = match event.kind {
            EventKind::Accepted | EventKind::AcceptedMany => {
                twice.0 += event.times();
                "accepted"
            }
            _ => {
                twice.1 += event.times();
                "ended"
            }
        };
        self.report.find(|| {
            let (path, number, xpid) = (file.path.display(), event.push_id, event.xpid);
            match event.kind {
                EventKind::AcceptedMany | EventKind::FinalMany => {
                    let rows = event.times();
                    format!(
                        "{path}: {rows} rows of a broadcast of xpid {xpid:011} {what} twice (event \
                         {number:X})"
                    )
                }
                _ => {
                    let was = if what == "accepted" { "was " } else { "" };
                    format!("{path}: push {number} of xpid {xpid:011} {was}{what} twice")
                }
            }
        });
    }

    fn count(&mut self, event: &Event) {
        let (report, times) = (&mut self.report, event.times());
        report.events += 1;
        match event.kind {
            EventKind::Accepted | EventKind::AcceptedMany => report.accepted += times,
            EventKind::Final | EventKind::FinalMany => {}
            EventKind::Rejected => *report.rejected.entry(event.code).or_default() += times,
            EventKind::Replayed if event.code == Code::ALERT_KNOWN.number() => {
                report.suppressed += times
            }
            EventKind::Replayed => report.replayed += times,
        }
    }
}
