//! What this shard enters in the books: the events of its journal's records, once each, and counts
//! of refusals.
//!
//! Where a push has its events follows from the push: the layout and shard that accepted it, which
//! its number says. Its acceptance stands there, its end in the log of the shard that had it when
//! it ended, however often cleaning or another layout copied its records.
//!
//! When the device takes no event, the journal is what remembers: from then on events are not
//! appended but owed, and once there is room they are read from the journal again, some records a
//! turn, until that has caught up. Meanwhile no segment is cleaned. Nothing here waits.

use super::Shard;
use super::events::ended_event;
use crate::billing::{BillingWrite, Event, EventKind, Known, Log};
use crate::broadcast::slice::codec::{self, RecordBooks};
use crate::journal::{BroadcastNote, Cursor, FrameBreak, LooseFrames, Record};
use crate::shard::broadcasts::events_of;
use crate::shard::events::accepted_event;
use crate::testing::kill_points::{KillPoint, kill_point};
use std::collections::VecDeque;
use wire::terms::time::WallMs;

/// Fewest records of the journal looked at for events that are owed.
const OWED_RECORDS_MIN: usize = 8;

/// Events that are in the journal and not in the books.
pub(super) struct Owed {
    filter: Filter,
    /// How far the journal was read; `None` before the first try.
    cursor: Option<Cursor>,
    /// How many events.
    events: u64,
}

/// Which records have no event yet.
enum Filter {
    /// All from these sequences on: of acceptances, of ends.
    From { accepted: u64, ended: u64 },
    /// Those that are not known to have one; of rows, in records below this sequence: this life's
    /// have theirs kept beside.
    Unknown(Known, u64),
}

impl Owed {
    /// The device did not take one event: what follows is owed too, acceptances and ends from these
    /// sequences on.
    pub(super) fn from(accepted: u64, ended: u64) -> Self {
        Self { filter: Filter::From { accepted, ended }, cursor: None, events: 1 }
    }

    /// Recovery could not enter so many; it knows which events stand in the books. This life's
    /// records have sequences from `first` on.
    pub(super) fn at_start(events: u64, known: Known, first: u64) -> Self {
        Self { filter: Filter::Unknown(known, first), cursor: None, events }
    }

    /// One more event is not appended.
    pub(super) fn note(&mut self) {
        self.events += 1;
    }

    fn lowest(&self) -> u64 {
        match self.filter {
            Filter::From { accepted, ended } => accepted.min(ended),
            Filter::Unknown(..) => 0,
        }
    }

    /// The event of a record, where it is owed. `moved_ends`: Ended records that cleaning appended
    /// again.
    fn event_of(
        &self,
        record: &Record<'_>,
        sequence: u64,
        home: EventHome,
        moved_ends: &VecDeque<u64>,
    ) -> Option<Event> {
        let is_first = match (&self.filter, record) {
            (Filter::From { accepted, .. }, Record::Accepted(record)) => {
                sequence >= *accepted && record.push_id.to_native() == sequence
            }
            (Filter::From { ended, .. }, Record::Ended(_)) => {
                sequence >= *ended && moved_ends.binary_search(&sequence).is_err()
            }
            _ => true,
        };
        let (event, _) = home.event(record, sequence).filter(|_| is_first)?;
        match &self.filter {
            Filter::Unknown(known, _) if known.contains(event.kind, event.push_id) => None,
            _ => Some(event),
        }
    }

    /// Enters those events of a broadcast's record that a start could not; whether there was room.
    /// Rows that ended since have their events kept beside.
    fn enter_rows<L: Log>(
        &mut self,
        record: &Record<'_>,
        sequence: u64,
        home: EventHome,
        billing: &mut L,
        now_ms: WallMs,
    ) -> bool {
        let (Filter::Unknown(known, first), Record::Broadcast(note)) = (&mut self.filter, record)
        else {
            return true;
        };
        if sequence >= *first {
            return true;
        }
        for event in home.many(&note.to_native(), sequence) {
            if known.contains(event.kind, event.push_id) {
                continue;
            }
            if !billing.append(&event, now_ms) {
                return false;
            }
            known.note(event.kind, event.push_id);
            self.events = self.events.saturating_sub(1);
        }
        true
    }

    fn note_entered(&mut self, event: &Event) {
        self.events = self.events.saturating_sub(1);
        if let Filter::Unknown(known, _) = &mut self.filter {
            known.note(event.kind, event.push_id);
        }
    }
}

/// The layout and shard whose journal it is.
#[derive(Clone, Copy, Debug)]
pub struct EventHome {
    pub(super) generation: u64,
    pub(super) shard: u16,
}

impl EventHome {
    /// The shard whose journal gives sequences from `first_sequence` on.
    pub fn new(first_sequence: u64, shard: u16) -> Self {
        Self { generation: crate::journal::numbering::generation(first_sequence), shard }
    }

    /// The billing event that goes with a record, if one does and this shard may be its place; and
    /// whether the push was accepted in an earlier layout: then its end may stand in the log of the
    /// shard that had it before.
    pub fn event(self, record: &Record<'_>, sequence: u64) -> Option<(Event, bool)> {
        // Its event was durable in the log of the shard that it came from before it was copied.
        if crate::journal::numbering::is_copied(sequence) {
            return None;
        }
        let is_foreign =
            |push_id| crate::journal::numbering::generation(push_id) != self.generation;
        match record {
            // As was that of every acceptance in an earlier layout, though cleaning has moved the
            // record since.
            Record::Accepted(accepted) if is_foreign(accepted.push_id.to_native()) => None,
            Record::Accepted(accepted) => {
                Some((accepted_event(&accepted.to_native(), self.shard), false))
            }
            Record::Ended(ended) => {
                let ended = ended.to_native();
                Some((ended_event(&ended, self.shard), is_foreign(ended.push_id)))
            }
            _ => None,
        }
    }
}

/// The billing events of a broadcast's record in the journal of this shard.
pub fn events_of_note(shard: u16, sequence: u64, note: &BroadcastNote<'_>) -> Vec<Event> {
    // The layout says nothing of rows.
    EventHome { generation: 0, shard }.many(note, sequence)
}

/// Hands out the billing events of the records in a chunk's frames, whose first has this number.
///
/// # Errors
/// The frames do not read.
pub fn events_of_frames(
    frames: &[u8],
    partition: u16,
    first: u64,
    each: &mut dyn FnMut(&Event),
) -> Result<(), FrameBreak> {
    let home = EventHome { generation: 0, shard: partition };
    for frame in LooseFrames::new(frames, partition, first) {
        let frame = frame?;
        if let Some(Some((event, _))) = frame.read(|record| home.event(record, frame.sequence)) {
            each(&event);
        }
    }
    Ok(())
}

impl EventHome {
    /// The billing events of a broadcast's record, each of many rows.
    pub(crate) fn many(self, note: &BroadcastNote<'_>, sequence: u64) -> Vec<Event> {
        if crate::journal::numbering::is_copied(sequence) {
            return Vec::new();
        }
        let books = codec::read_books(note.octets);
        let of = |books: &RecordBooks| {
            events_of(note.ordinal, WallMs::new(note.at_ms), books, self.shard).collect()
        };
        books.as_ref().map_or_else(Vec::new, of)
    }
}

impl<L: Log> Shard<L> {
    /// Enters what is owed and can be entered, and counts whose minute is over; whether there was
    /// any. To be called when everything below `durable` is settled.
    pub(super) fn keep_books(&mut self, durable: u64, now_ms: WallMs) -> bool {
        let counted = self.billing.write_due_counts(now_ms);
        let entered = self.enter_owed(durable, now_ms);
        if self.billing.has_lacked_room() {
            self.journal.make_room();
        } else if self.owed.is_none() && self.billing.events_refused() == 0 {
            self.journal.take_room();
        }
        entered | counted
    }

    /// The events that are to be written next, if there are any.
    pub fn begin_billing_write(&mut self, now_ms: WallMs) -> Option<BillingWrite> {
        let write = self.billing.begin_write(now_ms)?;
        kill_point(KillPoint::BooksBegun);
        Some(write)
    }

    /// The write is done, or failed and is tried again later.
    pub fn finish_billing_write(
        &mut self,
        write: &BillingWrite,
        outcome: std::io::Result<()>,
        now_ms: WallMs,
    ) {
        kill_point(KillPoint::BooksWritten);
        self.billing.finish_write(write, outcome, now_ms);
    }

    /// Writes all events, and waits until that is done: for tests and measurements that drive a
    /// shard without a ring. Whether the device took them.
    pub fn write_books_blocking(&mut self, now_ms: WallMs) -> bool {
        self.billing.flush(now_ms)
    }

    fn enter_owed(&mut self, durable: u64, now_ms: WallMs) -> bool {
        let Some(mut owed) = self.owed.take() else {
            while self.moved_ends.front().is_some_and(|&sequence| sequence < durable) {
                self.moved_ends.pop_front();
            }
            return false;
        };
        if !self.billing.has_room() {
            self.owed = Some(owed);
            return false;
        }
        let home = EventHome::new(self.journal.first_sequence(), self.number as u16);
        let mut cursor = owed.cursor.unwrap_or_else(|| self.journal.cursor_before(owed.lowest()));
        // A record has more to it than a push that is looked at.
        for _ in 0..(self.used.looks / 2).max(OWED_RECORDS_MIN) {
            let mut next = cursor;
            let read =
                self.journal.step_on(&mut next).map(|(position, _)| self.journal.read(position));
            let (sequence, record) = match read {
                Some(Ok(read)) if read.0 < durable => read,
                Some(Err(_)) => {
                    cursor = next;
                    continue;
                }
                // All that is settled has its event: from here on events are appended again.
                Some(Ok(_)) | None => {
                    tracing::info!(
                        shard = self.number,
                        "the billing events that waited are written"
                    );
                    return true;
                }
            };
            if !owed.enter_rows(&record, sequence, home, &mut self.billing, now_ms) {
                break;
            }
            if let Some(event) = owed.event_of(&record, sequence, home, &self.moved_ends) {
                if !self.billing.append(&event, now_ms) {
                    break;
                }
                owed.note_entered(&event);
            }
            cursor = next;
        }
        owed.cursor = Some(cursor);
        self.owed = Some(owed);
        true
    }

    /// A stop has begun: what waits for room is tried at once.
    pub fn begin_to_close_books(&mut self) {
        self.billing.retry_now();
    }

    /// At a stop: has written what is owed, a part a turn, and all counts. Whether nothing is left
    /// that the device takes.
    pub fn close_books(&mut self, now_ms: WallMs) -> bool {
        self.enter_owed(self.durable(), now_ms);
        self.bill_all_rows(self.durable(), now_ms);
        let counts = self.billing.write_all_counts(now_ms);
        self.billing.hurry();
        let has_all = self.owed.is_none() && self.broadcasts.events_owed() == 0;
        let is_written = counts && has_all && self.billing.is_written();
        is_written || self.billing.is_refused(now_ms)
    }

    /// Events that the journal has and the books lack, and requests that are counted and not in the
    /// books.
    pub fn unbilled(&self) -> (u64, u64) {
        (self.events_owed() + self.billing.events_refused(), self.billing.requests_unwritten())
    }

    /// As [`Self::unbilled`], when nothing more is going to be written.
    pub fn unbilled_at_end(&self) -> (u64, u64) {
        (self.events_owed() + self.billing.events_unwritten(), self.billing.requests_unwritten())
    }

    /// Events of pushes and of rows that the books are to get once they have room.
    fn events_owed(&self) -> u64 {
        self.owed.as_ref().map_or(0, |owed| owed.events) + self.broadcasts.events_owed()
    }

    /// Counts a request that was refused or a repeat.
    pub(super) fn count_request(&mut self, kind: EventKind, xpid: u64, code: u16, now_ms: WallMs) {
        self.billing.count_request(kind, xpid, code, now_ms);
    }
}
