//! Customers as they come: dealt by the acceptor, turned away where too many have not bound, and
//! closed for others where places are rare.

use super::Customers;
use super::session::Serving;
use crate::io::driver::{Driver, Owner};
use crate::io::front::peer_of;
use crate::io::limits::{
    ACCEPTED_PER_TURN_MAX, SILENT_MS_MIN, UNBOUND_MAX, UNBOUND_PER_SOURCE_MAX,
};
use crate::io::now::Now;
use crate::io::places::Door;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use wire::terms::time::SteadyMs;

/// The connections that have not bound: how many there are, of all and of one source.
#[derive(Default)]
pub(super) struct Unbound {
    /// In the order in which they came, and some that have bound or are gone.
    silent: VecDeque<(u32, u32)>,
    count: usize,
    of_source: HashMap<IpAddr, u32>,
}

impl Unbound {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no place for one more from there.
    fn is_full_for(&self, source: Option<IpAddr>) -> bool {
        let others = source.and_then(|source| self.of_source.get(&source)).copied();
        self.count >= UNBOUND_MAX || others.unwrap_or(0) >= UNBOUND_PER_SOURCE_MAX
    }

    fn add(&mut self, source: Option<IpAddr>) {
        self.count += 1;
        if let Some(source) = source {
            *self.of_source.entry(source).or_insert(0) += 1;
        }
    }

    fn remove(&mut self, source: Option<IpAddr>) {
        self.count -= 1;
        let Some(source) = source else { return };
        if let Some(count) = self.of_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.of_source.remove(&source);
            }
        }
    }
}

impl Customers {
    /// Takes the sockets that the acceptor has dealt to this thread.
    pub(super) fn take_visitors(&mut self, driver: &mut Driver, now: Now) -> bool {
        let mut busy = false;
        if self.door.as_ref().is_some_and(Door::is_asked_for_room) {
            busy = true;
            self.make_room(now);
        }
        for _ in 0..ACCEPTED_PER_TURN_MAX {
            let (Some(door), Some(doorman)) = (&self.door, &self.means.doorman) else { break };
            let Some(socket) = door.next() else { break };
            busy = true;
            let source = peer_of(&socket);
            let is_refused = door.is_closed()
                || self.unbound.is_full_for(source)
                || source.is_some_and(|source| doorman.refuses(source, now.steady_ms));
            if is_refused {
                // The socket closes as it is dropped.
                self.means.counts.turned_away += 1;
                door.give_back();
            } else {
                self.take_visitor(socket, source, driver, now);
            }
        }
        busy
    }

    fn take_visitor(
        &mut self,
        socket: OwnedFd,
        source: Option<IpAddr>,
        driver: &mut Driver,
        now: Now,
    ) {
        let mut session = Serving::new(source, now.steady_ms);
        session.counts_as_unbound = true;
        let index = self.sessions.insert(socket, Owner::Customer, session);
        self.unbound.add(source);
        self.secure(index);
        let Some(link) = self.sessions.get_mut(index) else { return };
        link.read_on(driver);
        let name = link.stream.name();
        self.unbound.silent.push_back(name);
        self.show_silent();
    }

    /// The connection is none of those any more that have not bound.
    pub(super) fn count_bound(&mut self, index: u32) {
        let Some(link) = self.sessions.get_mut(index) else { return };
        if !std::mem::take(&mut link.session.counts_as_unbound) {
            return;
        }
        self.unbound.remove(link.session.source);
    }

    /// The connection that has waited longest for its bind.
    fn longest_unbound(&mut self) -> Option<(u32, SteadyMs)> {
        while let Some(&(index, generation)) = self.unbound.silent.front() {
            match self.sessions.of_generation(index, generation) {
                Some(link) if link.session.is_unbound() && !link.stream.is_closing() => {
                    return Some((index, link.session.opened_ms));
                }
                _ => self.unbound.silent.pop_front(),
            };
        }
        None
    }

    pub(super) fn show_silent(&mut self) {
        let since_ms = self.longest_unbound().map(|(_, since_ms)| since_ms);
        self.door.iter().for_each(|door| door.show_silent_since(since_ms));
    }

    fn make_room(&mut self, now: Now) {
        if let Some((index, since_ms)) = self.longest_unbound()
            && now.steady_ms >= since_ms + SILENT_MS_MIN
        {
            self.sessions.dismiss(index);
        }
        self.show_silent();
    }
}
