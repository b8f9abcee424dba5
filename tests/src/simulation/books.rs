//! The simulated books of one shard: events in memory, of which a loss of power keeps what was
//! synced and any of the rest. What was appended is written some time later, and an end of the
//! engine in between keeps a beginning of it at most. Days are closed as the engine's own log
//! closes them. A device that is full takes nothing, or the beginning of a write.

use super::random::Random;
use hayauma::billing::{
    BillingError, BillingSync, BillingWrite, Event, EventKind, Log, SYNC_FILES_MAX,
};
use hayauma::journal::Write;
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

/// After a write that failed the next is tried this much later.
const RETRY_MS: u64 = 500;
/// How long after its midnight a day still takes events.
const CLOSING_MS: u64 = 500;
/// Events that may wait to be written: so few that there are often more.
const STAGED_MAX: usize = 24;
/// Events of one write.
const WRITE_MAX: usize = 16;
/// What an event takes in a file.
const SLOT_OCTETS: usize = 64;

static SLOTS: [u8; WRITE_MAX * SLOT_OCTETS] = [0; WRITE_MAX * SLOT_OCTETS];

/// The books. Clones are the same ones.
#[derive(Clone, Default, Debug)]
pub(super) struct Books(Arc<Mutex<State>>);

#[derive(Default, Debug)]
struct State {
    /// The events in files, each with the day of its file.
    events: Vec<(Day, Event)>,
    /// Those that wait to be written, and how many of them are on their way.
    staged: VecDeque<Event>,
    writing: usize,
    /// So many are on the device, and so many will be when the sync under way is done.
    synced: usize,
    syncing: Option<usize>,
    /// Those in files that nobody who checks them has seen.
    unseen: Vec<Event>,
    open_from_ms: WallMs,
    is_full: bool,
    lacked_room: bool,
    retry_at_ms: Option<WallMs>,
    requests: u64,
}

impl Books {
    /// Whether the device is full from now on.
    pub(super) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Events that came into files since this was asked last.
    pub(super) fn take_new(&self) -> Vec<Event> {
        std::mem::take(&mut self.state().unseen)
    }

    /// Carries a write out, as far as the device lets it.
    pub(super) fn carry_out(
        &self,
        write: &mut BillingWrite,
        random: &mut Random,
    ) -> io::Result<()> {
        let state = self.state();
        let octets = write.write.octets_left();
        let taken = if state.is_full { random.below(octets as u64) as usize } else { octets };
        write.write.advance(taken);
        if state.is_full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// The engine dies: a beginning of what was on its way reaches the files, and the rest is gone.
    pub(super) fn die(&self, random: &mut Random) {
        let mut state = self.state();
        let reached = random.below(state.writing as u64 + 1) as usize;
        state.write(reached);
        state.staged.clear();
        (state.writing, state.syncing, state.retry_at_ms, state.requests) = (0, None, None, 0);
    }

    /// What the loss of power takes of the events in files.
    pub(super) fn end(&self, random: &mut Random, power_lost: bool) -> Vec<Event> {
        let mut state = self.state();
        let mut lost = Vec::new();
        if power_lost {
            let synced = state.synced;
            let rest = state.events.split_off(synced);
            for (day, event) in rest {
                if random.chance(500) {
                    state.events.push((day, event));
                } else {
                    lost.push(event);
                }
            }
        }
        state.synced = state.events.len();
        lost
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_time(&mut self, now_ms: WallMs) {
        let open = Day::of(now_ms.saturating_sub(CLOSING_MS)).start_ms();
        self.open_from_ms = self.open_from_ms.max(open);
    }

    /// The first of the staged events stand in their files.
    fn write(&mut self, events: usize) {
        for event in self.staged.drain(..events) {
            let at_ms = event.at_ms.max(event.accepted_ms).max(self.open_from_ms);
            self.events.push((Day::of(at_ms), event));
            self.unseen.push(event);
        }
    }

    fn refuse(&mut self, now_ms: WallMs) {
        (self.retry_at_ms, self.lacked_room) = (Some(now_ms + RETRY_MS), true);
    }
}

impl Log for Books {
    fn append(&mut self, event: &Event, _: WallMs) -> bool {
        let has_room = self.has_room();
        if has_room {
            self.state().staged.push_back(*event);
        }
        has_room
    }

    fn begin_write(&mut self, now_ms: WallMs) -> Option<BillingWrite> {
        let is_refused = self.is_refused(now_ms);
        let mut state = self.state();
        let is_busy = state.writing > 0 || state.syncing.is_some();
        if is_busy || is_refused || state.staged.is_empty() {
            return None;
        }
        state.note_time(now_ms);
        state.writing = state.staged.len().min(WRITE_MAX);
        let octets = &SLOTS[..state.writing * SLOT_OCTETS];
        Some(BillingWrite { write: Write::of_octets(None, 0, octets) })
    }

    fn finish_write(&mut self, write: &BillingWrite, outcome: io::Result<()>, now_ms: WallMs) {
        let mut state = self.state();
        let left = write.write.octets_left().div_ceil(SLOT_OCTETS);
        let written = std::mem::take(&mut state.writing) - left;
        state.write(written);
        match outcome {
            Ok(()) => state.retry_at_ms = None,
            Err(_) => state.refuse(now_ms),
        }
    }

    fn hurry(&mut self) {}

    fn flush(&mut self, now_ms: WallMs) -> bool {
        let mut state = self.state();
        if state.staged.is_empty() {
            return true;
        }
        if state.is_full {
            state.refuse(now_ms);
            return false;
        }
        state.note_time(now_ms);
        let events = state.staged.len();
        state.write(events);
        true
    }

    fn is_written(&self) -> bool {
        self.state().staged.is_empty()
    }

    fn events_unwritten(&self) -> u64 {
        self.state().staged.len() as u64
    }

    fn events_refused(&self) -> u64 {
        let state = self.state();
        if state.retry_at_ms.is_some() { state.staged.len() as u64 } else { 0 }
    }

    fn has_lacked_room(&mut self) -> bool {
        std::mem::take(&mut self.state().lacked_room)
    }

    fn count_request(&mut self, _: EventKind, _: u64, _: u16, _: WallMs) {
        self.state().requests += 1;
    }

    fn write_due_counts(&mut self, _: WallMs) -> bool {
        false
    }

    fn write_all_counts(&mut self, _: WallMs) -> bool {
        self.state().requests = 0;
        true
    }

    fn requests_unwritten(&self) -> u64 {
        self.state().requests
    }

    fn has_room(&self) -> bool {
        self.state().staged.len() < STAGED_MAX
    }

    fn is_refused(&self, now_ms: WallMs) -> bool {
        let retry_at_ms = self.state().retry_at_ms;
        retry_at_ms
            .is_some_and(|retry_at_ms| now_ms < retry_at_ms && now_ms + RETRY_MS >= retry_at_ms)
    }

    fn retry_now(&mut self) {
        self.state().retry_at_ms = None;
    }

    fn next_due_ms(&self, owes: bool) -> Option<WallMs> {
        let state = self.state();
        (owes || !state.staged.is_empty()).then(|| state.retry_at_ms.unwrap_or(WallMs::ZERO))
    }

    fn is_clean(&self) -> bool {
        let state = self.state();
        state.staged.is_empty() && state.syncing.is_none() && state.synced == state.events.len()
    }

    fn begin_sync(&mut self) -> Option<BillingSync> {
        let mut state = self.state();
        let is_busy = state.syncing.is_some() || !state.staged.is_empty();
        if is_busy || state.synced == state.events.len() {
            return None;
        }
        state.syncing = Some(state.events.len());
        Some(BillingSync { files: [None; SYNC_FILES_MAX] })
    }

    fn finish_sync(&mut self, _: &BillingSync) {
        let mut state = self.state();
        state.synced = state.syncing.take().unwrap_or(state.synced);
    }

    fn events_of(&self, day: Day, view: &mut dyn FnMut(&Event)) -> Result<(), BillingError> {
        self.state()
            .events
            .iter()
            .filter(|(known, _)| *known == day)
            .for_each(|(_, event)| view(event));
        Ok(())
    }

    fn events_from(
        &self,
        first: Day,
        _: bool,
        view: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<(), BillingError> {
        for (_, event) in self.state().events.iter().filter(|(day, _)| *day >= first) {
            if view(event).is_break() {
                break;
            }
        }
        Ok(())
    }
}
