//! The simulated books of one shard: events in memory, of which a loss of power keeps what was
//! synced and any of the rest. Days are closed as the engine's own log closes them. A device that
//! is full takes nothing.

use super::random::Random;
use hayauma::billing::{BillingError, BillingSync, Event, EventKind, Log, SYNC_FILES_MAX};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

/// After a write that failed the next is tried this much later.
const RETRY_MS: u64 = 500;
/// How long after its midnight a day still takes events.
const CLOSING_MS: u64 = 500;

/// The books. Clones are the same ones.
#[derive(Clone, Default, Debug)]
pub(super) struct Books(Arc<Mutex<State>>);

#[derive(Default, Debug)]
struct State {
    /// The events, each with the day of the file in which it stands.
    events: Vec<(Day, Event)>,
    /// So many are on the device, and so many will be when the sync under way is done.
    synced: usize,
    syncing: Option<usize>,
    /// So many were shown to whoever checks them.
    shown: usize,
    open_from_ms: WallMs,
    is_full: bool,
    retry_at_ms: Option<WallMs>,
    requests: u64,
}

impl Books {
    /// Whether the device is full from now on.
    pub(super) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Events that were entered since this was asked last.
    pub(super) fn take_new(&self) -> Vec<Event> {
        let mut state = self.state();
        let from = std::mem::replace(&mut state.shown, usize::MAX);
        state.shown = state.events.len();
        state.events[from.min(state.shown)..].iter().map(|(_, event)| *event).collect()
    }

    /// The engine ends; the events that are lost.
    pub(super) fn end(&self, random: &mut Random, power_lost: bool) -> Vec<Event> {
        let mut state = self.state();
        (state.syncing, state.retry_at_ms, state.requests) = (None, None, 0);
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
        state.shown = state.events.len();
        lost
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_time(&mut self, now_ms: WallMs) {
        self.open_from_ms = self
            .open_from_ms
            .max(WallMs::new(Day::of(now_ms.saturating_sub(CLOSING_MS).ms()).start_ms()));
    }
}

impl Log for Books {
    fn append(&mut self, event: &Event, now_ms: WallMs) -> bool {
        if !self.may_write(now_ms) {
            return false;
        }
        let mut state = self.state();
        state.note_time(now_ms);
        if state.is_full {
            state.retry_at_ms = Some(now_ms + RETRY_MS);
            return false;
        }
        state.retry_at_ms = None;
        let at_ms = event.at_ms.max(event.accepted_ms).max(state.open_from_ms.ms());
        state.events.push((Day::of(at_ms), *event));
        true
    }

    fn count_request(&mut self, _: EventKind, _: u64, _: u16, _: WallMs) {
        self.state().requests += 1;
    }

    fn write_due_counts(&mut self, now_ms: WallMs) -> bool {
        self.state().note_time(now_ms);
        false
    }

    fn write_all_counts(&mut self, _: WallMs) -> bool {
        self.state().requests = 0;
        true
    }

    fn requests_unwritten(&self) -> u64 {
        self.state().requests
    }

    fn may_write(&self, now_ms: WallMs) -> bool {
        let retry_at_ms = self.state().retry_at_ms;
        retry_at_ms
            .is_none_or(|retry_at_ms| now_ms >= retry_at_ms || now_ms + RETRY_MS < retry_at_ms)
    }

    fn retry_now(&mut self) {
        self.state().retry_at_ms = None;
    }

    fn next_due_ms(&self, owes: bool) -> Option<WallMs> {
        owes.then(|| self.state().retry_at_ms.unwrap_or(WallMs::ZERO))
    }

    fn is_clean(&self) -> bool {
        let state = self.state();
        state.syncing.is_none() && state.synced == state.events.len()
    }

    fn begin_sync(&mut self) -> Option<BillingSync> {
        let mut state = self.state();
        if state.syncing.is_some() || state.synced == state.events.len() {
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
