//! Events that wait to be written, in bounded room. Pure: no file, no clock.
//!
//! Invariants: an event leaves only when its slot is written whole; while a write is under way its
//! octets stay as they are.

use std::collections::VecDeque;

use super::event::{Event, EventKind};
use super::limits::{
    GATHER_MS, SLOT_OCTETS, STAGED_EVENTS_MAX, WRITE_EVENTS_FAIR, WRITE_EVENTS_MAX,
};
use wire::terms::time::WallMs;

/// What waits.
#[derive(Debug)]
pub(super) struct Stage {
    /// In the order of appending.
    events: VecDeque<Event>,
    /// The slots of the first of them, while they are being written.
    encoded: Vec<u8>,
    /// How many of them are Accepted and Final events.
    push_events: u64,
    /// How many requests the others count.
    requests: u64,
    /// When the first of them was appended, or was left over by a write.
    since_ms: WallMs,
    /// They are to be written without gathering more.
    hurries: bool,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            events: VecDeque::with_capacity(STAGED_EVENTS_MAX),
            encoded: Vec::with_capacity(WRITE_EVENTS_MAX * SLOT_OCTETS),
            push_events: 0,
            requests: 0,
            since_ms: WallMs::ZERO,
            hurries: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.events.len() < STAGED_EVENTS_MAX
    }

    /// Accepted and Final events that wait.
    pub(super) fn push_events(&self) -> u64 {
        self.push_events
    }

    /// Requests that the counts among them count.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    pub(super) fn first(&self) -> Option<&Event> {
        self.events.front()
    }

    /// The octets of the write under way.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Takes an event, if there is room.
    pub(super) fn append(&mut self, event: &Event, now_ms: WallMs) -> bool {
        let has_room = self.has_room();
        if has_room {
            if self.events.is_empty() {
                self.since_ms = now_ms;
            }
            *self.weight_of(event) += event.weight();
            self.events.push_back(*event);
        }
        has_room
    }

    /// The first of them is to be written soon.
    pub(super) fn hurry(&mut self) {
        self.hurries = !self.events.is_empty();
    }

    /// Whether they are to be written now.
    pub(super) fn is_due(&self, now_ms: WallMs) -> bool {
        // A clock that was set back ends the waiting too.
        let has_waited = now_ms >= self.since_ms + GATHER_MS || now_ms < self.since_ms;
        let gathered = self.events.len();
        gathered > 0 && (self.hurries || gathered >= WRITE_EVENTS_FAIR || has_waited)
    }

    /// When they are to be written if nothing else happens.
    pub(super) fn due_ms(&self) -> Option<WallMs> {
        let gather_ms = if self.hurries { 0 } else { GATHER_MS };
        (!self.events.is_empty()).then_some(self.since_ms + gather_ms)
    }

    /// The slots, from this one on, of the first events, as long as they are `fit`.
    pub(super) fn encode(&mut self, first_slot: u64, fit: impl Fn(&Event) -> bool) -> &[u8] {
        self.encoded.clear();
        let events = self.events.iter().take(WRITE_EVENTS_MAX).take_while(|event| fit(event));
        for (slot, event) in (first_slot..).zip(events) {
            let octets = match event.kind {
                EventKind::Accepted
                | EventKind::Final
                | EventKind::AcceptedMany
                | EventKind::FinalMany => event.encode(slot as u32),
                EventKind::Rejected | EventKind::Replayed => {
                    Event { push_id: slot, ..*event }.encode(slot as u32)
                }
            };
            self.encoded.extend_from_slice(&octets);
        }
        &self.encoded
    }

    /// The write of the encoded slots is over, but for so many octets; how many of them stand in
    /// the file. The others are encoded again.
    pub(super) fn remove_written(&mut self, octets_left: usize, now_ms: WallMs) -> u64 {
        let written = (self.encoded.len() - octets_left) / SLOT_OCTETS;
        for _ in 0..written {
            if let Some(event) = self.events.pop_front() {
                *self.weight_of(&event) -= event.weight();
            }
        }
        self.encoded.clear();
        self.since_ms = now_ms;
        self.hurries &= !self.events.is_empty();
        written as u64
    }

    fn weight_of(&mut self, event: &Event) -> &mut u64 {
        match event.kind {
            EventKind::Accepted
            | EventKind::Final
            | EventKind::AcceptedMany
            | EventKind::FinalMany => &mut self.push_events,
            EventKind::Rejected | EventKind::Replayed => &mut self.requests,
        }
    }
}
