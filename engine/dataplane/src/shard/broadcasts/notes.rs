//! What broadcasts write into the journal, how it is read again, and what the books get of it.

use super::untold::{UntoldNotes, is_billed};
use super::{OwedRows, Part, Shard};
use crate::billing::{Event, EventKind, Log};
use crate::broadcast::life::Life;
use crate::broadcast::outcomes::{Outcome, RowWord};
use crate::broadcast::slice::codec::{self, BookLine, LINES_MAX, RecordBooks};
use crate::broadcast::slice::{ARRIVED, SliceRecord};
use crate::journal::{BroadcastNote, Position, SegmentId};
use crate::shard::fatal_if_full;
use crate::smsc::row_ids::row_id;
use crate::smsc::state::State;
use crate::testing::kill_points;
use crate::testing::kill_points::{KillPoint, kill_point};
use std::collections::BTreeMap;
use wire::terms::ids::Kind;
use wire::terms::time::WallMs;

/// The message center's number of an outcome; `None` while it is open.
fn state_of(outcome: Outcome) -> Option<State> {
    Some(match outcome {
        Outcome::Delivered => State::Delivered,
        Outcome::Partial => State::Partial,
        Outcome::Refused => State::Refused,
        Outcome::Failed | Outcome::InDoubt => State::Failed,
        Outcome::Expired => State::Expired,
        Outcome::Cancelled => State::Cancelled,
        Outcome::Replaced => State::Replaced,
        _ => return None,
    })
}

impl Part {
    /// What the books get of these entries, each row once when it is first told of and once when it
    /// has ended; and how many of the entries fit with it.
    fn books_of(&mut self, entries: &[(u32, RowWord)]) -> (RecordBooks, usize) {
        let terms = &self.broadcast.terms;
        let is_control = terms.kind == Kind::Control;
        let mut counts: BTreeMap<BookLine, u16> = BTreeMap::new();
        let mut fit = 0;
        for (row, word) in entries {
            // A row may need two lines more.
            if counts.len() + 2 > LINES_MAX {
                break;
            }
            fit += 1;
            if !is_billed(*word) {
                continue;
            }
            let segments = self.segments_of(*row).unwrap_or(1);
            let line = BookLine { segments, is_control, ..BookLine::default() };
            let (bits, bit) = (&mut self.accepted[*row as usize / 64], 1 << (row % 64));
            if *bits & bit == 0 {
                *bits |= bit;
                *counts.entry(line).or_default() += 1;
            }
            if let Some(state) = state_of(word.outcome) {
                let (state, delivered) = (state.number(), word.segments);
                let line = BookLine { is_final: true, state, delivered, code: word.code, ..line };
                *counts.entry(line).or_default() += 1;
            }
        }
        let lines: Vec<BookLine> =
            counts.into_iter().map(|(line, rows)| BookLine { rows, ..line }).collect();
        let number = self.records;
        self.records += 1;
        let (xpid, class) = (terms.xpid.value(), terms.class.number());
        (RecordBooks { number, xpid, class, lines }, fit)
    }
}

impl<L: Log> Shard<L> {
    /// The first record of a broadcast: from now on the shard knows that it was started.
    pub(super) fn note_start(&mut self, part: &mut Part, now_ms: WallMs) {
        self.append_note(
            part,
            &SliceRecord::Stands(Life::Holding),
            &RecordBooks::default(),
            now_ms,
        );
        kill_point(KillPoint::RowsTold);
    }

    /// Appends what the slice wants written down.
    pub(super) fn flush(&mut self, part: &mut Part, now_ms: WallMs) -> bool {
        let mut busy = false;
        while let Some(mut record) = part.slice.poll_record() {
            busy = true;
            let mut books = RecordBooks::default();
            if let SliceRecord::Outcomes(entries) = &mut record {
                let (lines, fit) = part.books_of(entries);
                books = lines;
                part.slice.stage_again(entries.split_off(fit));
            }
            let sequence = self.append_note(part, &record, &books, now_ms);
            part.slice.appended(sequence);
            self.note_arrived(part, &record);
            kill_point(match &record {
                SliceRecord::Claimed(_) => KillPoint::RowsClaimed,
                SliceRecord::Outcomes(_) => KillPoint::RowsEnded,
                SliceRecord::Order(_) => KillPoint::RowsOrdered,
                _ => KillPoint::RowsTold,
            });
            if !books.lines.is_empty() {
                part.owed.push_back(OwedRows { sequence, at_ms: now_ms, books, entered: 0 });
            }
        }
        busy
    }

    /// The terminals' book of tests: what arrived stands in the journal now.
    fn note_arrived(&self, part: &Part, record: &SliceRecord) {
        if !cfg!(debug_assertions) {
            return;
        }
        let note = |row: u32, mask: u16| {
            let push_id = row_id(part.ordinal(), part.number_of(row));
            kill_points::appended(self.number, self.journal.appended(), push_id, mask);
        };
        match record {
            SliceRecord::Outcomes(entries) => {
                let arrived = |word: &RowWord| word.outcome == Outcome::Delivered;
                let arrived = entries.iter().filter(|(_, word)| arrived(word));
                arrived.for_each(|(row, word)| note(*row, ((1u32 << word.segments) - 1) as u16));
            }
            SliceRecord::Marks(entries) => {
                entries.iter().for_each(|(row, mark)| note(*row, mark & ARRIVED));
            }
            _ => {}
        }
    }

    fn append_note(
        &mut self,
        part: &mut Part,
        record: &SliceRecord,
        books: &RecordBooks,
        now_ms: WallMs,
    ) -> u64 {
        // One for some hundred rows.
        let mut octets = Vec::new();
        codec::write(record, books, &mut octets);
        let note = BroadcastNote { ordinal: part.ordinal(), at_ms: now_ms.ms(), octets: &octets };
        let (position, sequence) = fatal_if_full(self.journal.append_broadcast(&note));
        self.need(part, position);
        sequence
    }

    /// Appends again what a record in a segment that is cleaned says and is still needed.
    pub(in crate::shard) fn move_note(&mut self, position: Position, now_ms: WallMs) {
        let Ok((_, crate::journal::Record::Broadcast(note))) = self.journal.read(position) else {
            return;
        };
        let note = note.to_native();
        let (ordinal, read) = (note.ordinal, codec::read(note.octets));
        let Some((record, _)) = read else { return };
        let mut broadcasts = std::mem::take(&mut self.broadcasts);
        if let Some(notes) = broadcasts.untold.get_mut(&ordinal) {
            self.move_untold(notes, (ordinal, &record), position, now_ms);
        }
        if let Some(part) = broadcasts.find_mut(ordinal) {
            // What has overtaken it stands in the journal before it is left out.
            self.flush(part, now_ms);
            part.slice.disturb();
            for record in part.slice.said_again(&record) {
                let number = part.records.saturating_sub(1);
                let books = RecordBooks { number, ..RecordBooks::default() };
                self.append_note(part, &record, &books, now_ms);
            }
            self.release_note(&mut part.needed, position);
        }
        self.broadcasts = broadcasts;
    }

    /// As [`Self::move_note`], of a broadcast of which nobody has told yet.
    fn move_untold(
        &mut self,
        notes: &mut UntoldNotes,
        (ordinal, record): (u32, &SliceRecord),
        position: Position,
        now_ms: WallMs,
    ) {
        for record in notes.said_again(record, notes.is_last_rest(position)) {
            let books = RecordBooks { number: notes.last_record(), ..RecordBooks::default() };
            let mut octets = Vec::new();
            codec::write(&record, &books, &mut octets);
            let note = BroadcastNote { ordinal, at_ms: now_ms.ms(), octets: &octets };
            let (moved, _) = fatal_if_full(self.journal.append_broadcast(&note));
            *notes.needed.entry(moved.segment()).or_default() += self.journal.note_octets(moved);
            notes.note_rest(moved, &record);
        }
        self.release_note(&mut notes.needed, position);
    }

    /// A record was moved: its segment is not needed for it any more.
    fn release_note(&mut self, needed: &mut BTreeMap<SegmentId, u64>, position: Position) {
        let (segment, octets) = (position.segment(), self.journal.note_octets(position));
        self.journal.release_broadcast(segment, octets);
        let left = needed.remove(&segment).unwrap_or_default().saturating_sub(octets);
        if left > 0 {
            needed.insert(segment, left);
        }
    }

    /// Enters in the books what durable records say; where the device takes no events it stays
    /// owed.
    pub(super) fn bill_rows(&mut self, part: &mut Part, durable: u64, now_ms: WallMs) {
        let shard = self.number as u16;
        let ordinal = part.ordinal();
        while let Some(owed) = part.owed.front_mut()
            && owed.sequence < durable
            && self.owed.is_none()
        {
            let events = events_of(ordinal, owed.at_ms, &owed.books, shard).skip(owed.entered);
            for event in events {
                if !self.billing.has_room() || !self.billing.append(&event, now_ms) {
                    return;
                }
                owed.entered += 1;
            }
            part.owed.pop_front();
        }
    }

    /// As [`Self::bill_rows`], of all: at a stop.
    pub(in crate::shard) fn bill_all_rows(&mut self, durable: u64, now_ms: WallMs) {
        let mut broadcasts = std::mem::take(&mut self.broadcasts);
        broadcasts.parts.iter_mut().for_each(|part| self.bill_rows(part, durable, now_ms));
        self.broadcasts = broadcasts;
    }
}

/// The events of a record with outcomes.
pub(in crate::shard) fn events_of(
    ordinal: u32,
    at_ms: WallMs,
    books: &RecordBooks,
    shard: u16,
) -> impl Iterator<Item = Event> + '_ {
    books.lines.iter().enumerate().map(move |(place, line)| Event {
        kind: if line.is_final { EventKind::FinalMany } else { EventKind::AcceptedMany },
        push_id: event_id(ordinal, shard, books.number, place),
        at_ms,
        accepted_ms: at_ms,
        msn: 0,
        xpid: books.xpid,
        code: line.code,
        class: books.class,
        push_kind: if line.is_control { Kind::Control } else { Kind::Text }.number(),
        state: line.state,
        segments: line.segments,
        delivered: line.delivered,
        withdrawn: withdrawn_of(line),
        domain: 0,
        shard,
        count: u32::from(line.rows),
    })
}

/// Segments that were taken back of each row: what did not arrive of one that ended as cancelled.
/// One that may have arrived has another end.
fn withdrawn_of(line: &BookLine) -> u8 {
    let is_cancelled = line.is_final && line.state == State::Cancelled.number();
    if is_cancelled { line.segments.saturating_sub(line.delivered) } else { 0 }
}

/// What tells an event of many rows from all others: no push has such a number.
fn event_id(ordinal: u32, shard: u16, record: u32, line: usize) -> u64 {
    const MANY: u64 = 1 << 62;
    MANY | u64::from(ordinal & 0xF_FFFF) << 41
        | u64::from(shard & 0xFF) << 33
        | u64::from(record & 0x7FF_FFFF) << 6
        | (line & 63) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::{Column, column_of};

    #[test]
    fn rows_that_were_withdrawn_say_so_to_the_books() {
        let accepted = BookLine { segments: 3, rows: 20, ..BookLine::default() };
        let end = |state: State, delivered| BookLine {
            is_final: true,
            state: state.number(),
            delivered,
            ..accepted
        };
        let lines = vec![accepted, end(State::Cancelled, 0), end(State::Delivered, 3)];
        let books = RecordBooks { number: 1, xpid: 7, class: 1, lines };
        let events: Vec<Event> = events_of(1, WallMs::ZERO, &books, 0).collect();
        let withdrawn: Vec<u8> = events.iter().map(|event| event.withdrawn).collect();
        assert_eq!(withdrawn, [0, 3, 0]);
        let columns = events[1..].iter().map(|event| column_of(event.code, event.withdrawn));
        assert_eq!(columns.collect::<Vec<_>>(), [Column::Cancelled, Column::Delivered]);
    }
}
