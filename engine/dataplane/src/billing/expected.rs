//! What the journals of a data directory say that the books must hold.

use host::clock;
use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use super::event::{Event, EventKind};
use super::known::Known;
use super::read::{files_of_engine, read_events};
use super::sums::ReportError;
use crate::billing::findings::ReconcileReport;
use crate::journal::{BroadcastNote, Record, read_holder, survey};

/// How long a running engine may take to enter what it is about to enter.
const ON_ITS_WAY: Duration = Duration::from_secs(3);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Lacking events that are looked for again; more are no matter of a moment.
const LOOKED_FOR_MAX: usize = 1 << 20;

/// What the books get of a broadcast's record with this sequence, which stands in the journal of
/// the shard of this number: whoever writes such records knows.
pub type EventsOfRows<'a> = dyn Fn(u16, u64, &BroadcastNote<'_>) -> Vec<Event> + 'a;

/// The pushes of all journals, and which of them ended.
pub(super) struct Expected {
    events: Known,
    /// Journals that cannot be read, with the cause.
    unread: Vec<String>,
}

impl Expected {
    /// Reads the journals, also of a running engine.
    pub(super) fn read(data_directory: &Path, of_rows: &EventsOfRows<'_>) -> io::Result<Self> {
        let mut expected = Self { events: Known::default(), unread: Vec::new() };
        for number in crate::journal::shards::shard_numbers(data_directory)? {
            let journal =
                crate::journal::shards::shard_directory(data_directory, number).join("journal");
            if !journal.is_dir() {
                continue;
            }
            let events = &mut expected.events;
            let read = survey(&journal, &mut |_, sequence, record| match record {
                Record::Accepted(accepted) => {
                    events.note(EventKind::Accepted, accepted.push_id.to_native());
                }
                Record::Ended(ended) => {
                    events.note(EventKind::Final, ended.push_id.to_native());
                }
                Record::Broadcast(note) => {
                    for event in of_rows(number as u16, sequence, &note.to_native()) {
                        events.note(event.kind, event.push_id);
                    }
                }
                _ => {}
            });
            if let Err(error) = read {
                expected.unread.push(error.to_string());
            }
        }
        Ok(expected)
    }

    /// How many acceptances and ends of the range are expected and not known to be entered.
    pub(super) fn lacking_in(
        &self,
        entered: &Known,
        range: &Range<u64>,
        data_directory: &Path,
    ) -> Result<(u64, u64), ReportError> {
        let mut lacking = HashSet::new();
        let mut in_all = (0, 0);
        self.events.visit(&mut |kind, push_id| {
            if range.contains(&push_id) && !entered.contains(kind, push_id) {
                *if kind == EventKind::Accepted { &mut in_all.0 } else { &mut in_all.1 } += 1;
                if lacking.len() < LOOKED_FOR_MAX {
                    lacking.insert((kind, push_id));
                }
            }
        });
        let since = clock::instant();
        while !lacking.is_empty()
            && lacking.len() < LOOKED_FOR_MAX
            && clock::instant() - since < ON_ITS_WAY
        {
            if !is_served(data_directory) {
                break;
            }
            #[expect(clippy::disallowed_methods, reason = "a command, not the engine")]
            std::thread::sleep(LOOK_INTERVAL);
            for (kind, _) in entered_since(data_directory, &mut lacking)? {
                *if kind == EventKind::Accepted { &mut in_all.0 } else { &mut in_all.1 } -= 1;
            }
        }
        Ok(in_all)
    }

    /// Says what is lacking.
    pub(super) fn tell(&self, report: &mut ReconcileReport, data_directory: &Path) {
        report.is_served = is_served(data_directory);
        for cause in &self.unread {
            report.find(|| format!("the books cannot be held against a journal: {cause}"));
        }
        let (accepted, ended) = report.lacking;
        if accepted + ended > 0 {
            let who = if report.is_served {
                "the engine enters them once the device has room"
            } else {
                "the engine ended before it had entered them, and its next start does"
            };
            report.find(|| {
                format!(
                    "{accepted} accepted pushes and {ended} ends, each of one push or of rows of a \
                     broadcast, stand in the journal and are not in the books yet: {who}"
                )
            });
        }
    }
}

/// Whether an engine serves in the directory.
fn is_served(data_directory: &Path) -> bool {
    matches!(read_holder(data_directory), Ok(Some(_)))
}

/// Takes from `lacking` what stands in the newest files by now.
fn entered_since(
    data_directory: &Path,
    lacking: &mut HashSet<(EventKind, u64)>,
) -> Result<Vec<(EventKind, u64)>, ReportError> {
    let failed = |source| ReportError { path: data_directory.to_path_buf(), source };
    let files = files_of_engine(data_directory).map_err(failed)?;
    let Some(last) = files.last().map(|file| file.day) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for file in files.iter().rev().take_while(|file| file.day.next() >= last) {
        let read = read_events(&file.path, &mut |event| {
            let event = (event.kind, event.push_id);
            if lacking.remove(&event) {
                found.push(event);
            }
        });
        read.map_err(|source| ReportError { path: file.path.clone(), source })?;
    }
    Ok(found)
}
