//! Who has the notifier's connections: places in a table that all endpoints of a shard share.
//!
//! Never here: what a connection carries. A connection that carries something is never closed for
//! another; it ends with its last answer. Invariant: an endpoint stands in the line at most once.

use super::Notifier;
use crate::io::limits::EVICTED_PER_SWEEP_MAX;

/// How an endpoint without a connection stands in the line for a place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// It does not wait for one.
    NotAwaited,
    /// It waits in the line.
    Awaited,
    /// It is its turn.
    Granted,
}

impl Notifier {
    /// Endpoints have no use for these connections any more: idle ones are closed, the others end
    /// with their last answer.
    pub(super) fn retire(&mut self, connections: &[u32]) {
        for &index in connections {
            if let Some(outgoing) = self.outgoing.get_mut(index) {
                outgoing.link.session.retired = true;
                if outgoing.link.session.under_way.is_empty() {
                    outgoing.link.close();
                }
            }
            self.remove_if_quiet(index);
        }
    }

    /// Retires one connection that its endpoint still counts on.
    pub(super) fn part_from(&mut self, index: u32) {
        let Some(outgoing) = self.outgoing.get_mut(index) else { return };
        if let Some(endpoint) = self.endpoints.get_mut(&outgoing.endpoint) {
            endpoint.connections.retain(|&other| other != index);
        }
        self.retire(&[index]);
    }

    pub(super) fn busiest_first(&mut self, connections: &mut [u32]) {
        connections.sort_by_cached_key(|&index| {
            let under_way = self
                .outgoing
                .get_mut(index)
                .map_or(0, |outgoing| outgoing.link.session.under_way.len());
            std::cmp::Reverse(under_way)
        });
    }

    /// An endpoint without a connection waits for a place in the table.
    pub(super) fn stand_in_line(&mut self, key: u64) {
        if let Some(endpoint) = self.endpoints.get_mut(&key)
            && endpoint.place != Place::Awaited
        {
            endpoint.place = Place::Awaited;
            self.line.push_back(key);
        }
    }

    /// A place is free: it is the turn of whoever waits longest and still has something to send.
    pub(super) fn call_next(&mut self) {
        while let Some(key) = self.line.pop_front() {
            let Some(endpoint) = self.endpoints.get_mut(&key) else { continue };
            endpoint.place = Place::NotAwaited;
            if !endpoint.queue.is_empty() {
                endpoint.place = Place::Granted;
                return self.ready.push(key);
            }
        }
    }

    /// Frees places for those that wait in line: of the connections that carry nothing the longest
    /// unused, and where these do not suffice of clients that have several all but one.
    pub(super) fn make_places(&mut self) {
        for _ in self.outgoing.len()..self.outgoing.capacity() {
            if self.line.is_empty() {
                return;
            }
            self.call_next();
        }
        let wanted = self.line.len().min(EVICTED_PER_SWEEP_MAX);
        if wanted == 0 {
            return;
        }
        let (mut idle, mut closing, mut ending) = (Vec::new(), 0, 0);
        for index in self.outgoing.indices() {
            let Some(outgoing) = self.outgoing.get_mut(index) else { continue };
            if outgoing.is_idle() {
                idle.push((outgoing.link.session.used_ms, index));
            }
            if outgoing.link.stream.is_closing() {
                closing += 1;
            } else if outgoing.link.session.ends() {
                ending += 1;
            }
        }
        // Only what closes already is a place at once: what ends with an answer may wait for that.
        let wanted = wanted.saturating_sub(closing);
        idle.sort_unstable();
        idle.truncate(wanted);
        let left = (wanted - idle.len()).saturating_sub(ending);
        for (_, index) in idle {
            self.part_from(index);
        }
        let mut second = Vec::new();
        for endpoint in self.endpoints.values_mut() {
            while second.len() < left
                && endpoint.connections.len() > 1
                && let Some(index) = endpoint.connections.pop()
            {
                second.push(index);
            }
        }
        self.retire(&second);
    }
}
