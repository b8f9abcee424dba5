//! What the journal knows and the books lack, when a shard is opened: an event is entered unless it
//! stands in a file already, whichever file that is.
//!
//! An event is looked for in its own day's file first. The few that are not there are looked for in
//! the files of this shard from the push's acceptance on, where a late event stands, and, of pushes
//! that another shard or layout accepted, in the files of every shard: a push that was moved keeps
//! its place in the books.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;

use super::event::{Event, EventKind};
use super::known::Known;
use super::limits::LACKING_AT_ONCE_MAX;
use super::port::BillingError;
use super::port::Log;
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

/// The events of a journal that is being read, held against the files.
#[derive(Debug, Default)]
pub struct Lacking {
    /// Events that stand in a file, or will: of the days read so far.
    known: Known,
    read: BTreeSet<Day>,
    /// Not found in their own day's file, with whether the push came from elsewhere.
    missing: Vec<(Event, bool)>,
    entered: u64,
    /// Events that the device did not take.
    left: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Entered {
    /// Events entered.
    pub events: u64,
    /// Events that there was no room for, as the device takes none.
    pub left: u64,
    /// Which events stand in the books: for whoever enters the rest later.
    pub known: Known,
}

impl Lacking {
    /// Takes the event of a journal record; `is_foreign` where another shard, or this one in an
    /// earlier layout, had accepted the push.
    ///
    /// # Errors
    /// When the files cannot be read: without them nobody knows what is billed.
    pub fn check(
        &mut self,
        log: &mut impl Log,
        event: &Event,
        is_foreign: bool,
        now_ms: WallMs,
    ) -> Result<(), BillingError> {
        let day = Day::of(event.own_ms());
        if self.read.insert(day) {
            let known = &mut self.known;
            log.events_of(day, &mut |event| {
                known.note(event.kind, event.push_id);
            })?;
        }
        if self.known.note(event.kind, event.push_id) {
            self.missing.push((*event, is_foreign));
            if self.missing.len() >= LACKING_AT_ONCE_MAX {
                self.settle(log, now_ms)?;
            }
        }
        Ok(())
    }

    /// The journal is read: enters what is left to be entered.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn finish(mut self, log: &mut impl Log, now_ms: WallMs) -> Result<Entered, BillingError> {
        self.settle(log, now_ms)?;
        // What the device does not take now waits in the log.
        log.flush(now_ms);
        Ok(Entered { events: self.entered, left: self.left, known: self.known })
    }

    /// Enters those of the missing events that stand nowhere.
    fn settle(&mut self, log: &mut impl Log, now_ms: WallMs) -> Result<(), BillingError> {
        // From the acceptance on: an end that was moved while the clock had been set forward has a
        // later time than the event that stands in the books.
        let begun = |event: &Event| Day::of(event.accepted_ms.min(event.own_ms()));
        let Some(first_day) = self.missing.iter().map(|(event, _)| begun(event)).min() else {
            return Ok(());
        };
        let any_foreign = self.missing.iter().any(|&(_, is_foreign)| is_foreign);
        let mut sought: HashSet<(EventKind, u64)> =
            self.missing.iter().map(|(event, _)| (event.kind, event.push_id)).collect();
        log.events_from(first_day, any_foreign, &mut |event| {
            sought.remove(&(event.kind, event.push_id));
            if sought.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        for (event, _) in self.missing.drain(..) {
            if !sought.contains(&(event.kind, event.push_id)) {
                continue;
            }
            let has_room = self.left == 0 && (log.has_room() || log.flush(now_ms));
            if has_room && log.append(&event, now_ms) {
                self.entered += 1;
            } else {
                self.left += 1;
                self.known.forget(event.kind, event.push_id);
            }
        }
        Ok(())
    }
}
