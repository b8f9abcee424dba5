//! Refused and repeated requests, counted by XPID, code and minute until their minute is over.
//!
//! Bounded whatever clients send and the device refuses: at the bound the oldest counts are written
//! early; while nothing can be written, further requests are counted by code alone, so that their
//! sum stays right. Nothing here keeps the journal from being cleaned.

use std::collections::{HashMap, VecDeque};

use super::event::{Event, EventKind};
use super::limits::{COUNTS_BY_CODE_MAX, COUNTS_MAX, MINUTE_MS};
use wire::terms::time::WallMs;

/// What is counted together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    kind: EventKind,
    code: u16,
    xpid: u64,
    minute: u64,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    times: u32,
    first_ms: WallMs,
}

/// The counts of one shard.
#[derive(Debug)]
pub(super) struct RequestCounts {
    counts: HashMap<Key, Count>,
    /// In the order in which they were begun.
    order: VecDeque<Key>,
    requests: u64,
}

impl RequestCounts {
    pub(super) fn new() -> Self {
        let places = COUNTS_MAX + COUNTS_BY_CODE_MAX;
        Self {
            counts: HashMap::with_capacity(places),
            order: VecDeque::with_capacity(places),
            requests: 0,
        }
    }

    /// Counts a request.
    pub(super) fn note(&mut self, kind: EventKind, xpid: u64, code: u16, now_ms: WallMs) {
        self.requests += 1;
        let key = Key { kind, code, xpid, minute: now_ms.ms() / MINUTE_MS };
        if !self.count(key, now_ms, COUNTS_MAX) {
            let by_code = Key { xpid: 0, minute: 0, ..key };
            self.count(by_code, now_ms, COUNTS_MAX + COUNTS_BY_CODE_MAX);
        }
    }

    fn count(&mut self, key: Key, now_ms: WallMs, places: usize) -> bool {
        if let Some(count) = self.counts.get_mut(&key) {
            count.times = count.times.saturating_add(1);
            return true;
        }
        let has_room = self.counts.len() < places;
        if has_room {
            self.counts.insert(key, Count { times: 1, first_ms: now_ms });
            self.order.push_back(key);
        }
        has_room
    }

    /// Requests that are counted here and written nowhere.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether there is a count to be written at `now_ms`: its minute is over, or room is short.
    pub(super) fn is_due(&self, now_ms: WallMs) -> bool {
        let is_over = |key: &Key| key.minute != now_ms.ms() / MINUTE_MS;
        self.order.front().is_some_and(is_over) || self.counts.len() >= COUNTS_MAX
    }

    /// When the first count is to be written.
    pub(super) fn next_due_ms(&self) -> Option<WallMs> {
        self.order.front().map(|key| WallMs::new((key.minute + 1) * MINUTE_MS))
    }

    /// The event of the count that was begun first.
    pub(super) fn first(&self, shard: u16) -> Option<Event> {
        let key = self.order.front()?;
        let count = self.counts.get(key)?;
        Some(Event {
            kind: key.kind,
            push_id: 0,
            at_ms: count.first_ms,
            accepted_ms: WallMs::ZERO,
            msn: 0,
            xpid: key.xpid,
            code: key.code,
            class: 0,
            push_kind: 0,
            state: 0,
            segments: 0,
            delivered: 0,
            withdrawn: 0,
            domain: 0,
            shard,
            count: count.times,
        })
    }

    /// The event of the first count is written.
    pub(super) fn remove_first(&mut self) {
        if let Some(count) = self.order.pop_front().and_then(|key| self.counts.remove(&key)) {
            self.requests = self.requests.saturating_sub(u64::from(count.times));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_MS: WallMs = WallMs::new(1_795_000_020_000);

    #[test]
    fn requests_of_one_xpid_code_and_minute_are_one_event() {
        let mut counts = RequestCounts::new();
        for step in 0..100_000 {
            counts.note(EventKind::Rejected, 7, 8001, NOON_MS + step % 1000);
        }
        counts.note(EventKind::Rejected, 7, 8003, NOON_MS);
        counts.note(EventKind::Replayed, 8, 1, NOON_MS + MINUTE_MS);
        assert!(!counts.is_due(NOON_MS) && counts.is_due(NOON_MS + MINUTE_MS));
        // A clock that was set back ends a minute too.
        assert!(counts.is_due(NOON_MS - MINUTE_MS));
        let mut events = Vec::new();
        while let Some(event) = counts.first(3) {
            events.push((event.kind, event.xpid, event.code, event.times()));
            counts.remove_first();
        }
        let expected = [
            (EventKind::Rejected, 7, 8001, 100_000),
            (EventKind::Rejected, 7, 8003, 1),
            (EventKind::Replayed, 8, 1, 1),
        ];
        assert_eq!(events, expected);
        assert_eq!(counts.requests(), 0);
    }

    #[test]
    fn beyond_the_bound_the_sum_by_code_stays_right_in_bounded_room() {
        let mut counts = RequestCounts::new();
        for step in 0..20_000 {
            counts.note(EventKind::Rejected, 1 + step, 8001 + (step % 5) as u16, NOON_MS);
        }
        assert!(counts.is_due(NOON_MS));
        assert!(counts.counts.len() <= COUNTS_MAX + COUNTS_BY_CODE_MAX);
        assert_eq!(counts.requests(), 20_000);
        let mut by_code = std::collections::BTreeMap::new();
        while let Some(event) = counts.first(0) {
            *by_code.entry(event.code).or_insert(0) += event.times();
            counts.remove_first();
        }
        assert_eq!(by_code.into_values().collect::<Vec<_>>(), [4_000; 5]);
    }
}
