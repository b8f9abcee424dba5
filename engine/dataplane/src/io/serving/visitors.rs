//! Customers as they come: whoever can be none is closed at accept, and of those that have not
//! bound some make room for others.

use super::Customers;
use super::repute::Repute;
use super::source::Source;
use super::unbound::{Room, Seen};
use crate::io::driver::{Driver, Owner};
use crate::io::front::peer_of;
use crate::io::limits::{ACCEPTED_PER_TURN_MAX, OUTSIDER_TOLD_EVERY_MS, SILENT_MS_MIN};
use crate::io::now::Now;
use crate::io::parts::Parts;
use crate::io::places::Door;
use crate::io::serving::session::Serving;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use wire::terms::mix::mix;

impl Customers {
    /// Takes the sockets that the acceptor has dealt to this thread.
    pub(super) fn take_visitors(
        &mut self,
        driver: &mut Driver,
        parts: &mut Parts,
        now: Now,
    ) -> bool {
        let mut busy = false;
        if self.door.as_ref().is_some_and(Door::is_asked_for_room) {
            busy = true;
            self.make_room(now);
        }
        for _ in 0..ACCEPTED_PER_TURN_MAX {
            let Some(socket) = self.door.as_ref().and_then(Door::next) else { break };
            busy = true;
            match peer_of(&socket).filter(|&address| self.may_come(address, parts, now)) {
                Some(address) => self.take_visitor(socket, address, driver, now),
                None => {
                    // The socket closes as it is dropped.
                    self.means.counts.turned_away += 1;
                    self.door.iter().for_each(Door::give_back);
                }
            }
        }
        busy
    }

    /// Whether a connection from here is taken: some account may bind from there, and nobody there
    /// has just failed again and again.
    fn may_come(&mut self, address: IpAddr, parts: &Parts, now: Now) -> bool {
        let (Some(door), Some(doorman)) = (&self.door, &self.means.doorman) else { return false };
        if door.is_closed() || doorman.refuses(Source::of(address), now.steady_ms) {
            return false;
        }
        let has_account = parts.registry().may_bind_from(address);
        if !has_account && self.outsider_told_ms.is_none_or(|told_ms| now.steady_ms >= told_ms) {
            self.outsider_told_ms = Some(now.steady_ms + OUTSIDER_TOLD_EVERY_MS);
            tracing::warn!(
                source = %address,
                "a connection of SMPP was closed at accept: no account's networks have its \
                 address; `hayauma client set XPID --network` names another"
            );
        }
        has_account
    }

    fn take_visitor(&mut self, socket: OwnedFd, address: IpAddr, driver: &mut Driver, now: Now) {
        let source = Source::of(address);
        let room = self.unbound.room_for(source, &self.seen(now), mix(now.steady_ns));
        match room {
            Room::Free => {}
            Room::Of((index, _)) => self.turn_out(index),
            Room::None => {
                // The socket closes as it is dropped.
                self.means.counts.turned_away += 1;
                return self.door.iter().for_each(Door::give_back);
            }
        }
        let session = Serving::new(Some(address), now.steady_ms);
        let index = self.sessions.insert(socket, Owner::Customer, session);
        self.secure(index);
        let Some(link) = self.sessions.get_mut(index) else { return };
        link.read_on(driver);
        let name = link.stream.name();
        self.unbound.enter(name, source, now.steady_ms);
        self.show_silent();
    }

    /// The connection is none of those any more that have not bound.
    pub(super) fn count_bound(&mut self, index: u32) {
        if let Some(link) = self.sessions.get_mut(index) {
            self.unbound.leave(link.stream.name());
        }
    }

    /// Shows the acceptor since when somebody has not bound.
    pub(super) fn show_silent(&mut self) {
        let since_ms = self.unbound.longest().map(|(_, since_ms)| since_ms);
        self.door.iter().for_each(|door| door.show_silent_since(since_ms));
    }

    /// What decides who goes: what sources are known for, and whose password is looked at.
    fn seen(&self, now: Now) -> Seen<impl Fn(Source) -> Repute, impl Fn((u32, u32)) -> bool> {
        let (doorman, sessions) = (self.means.doorman.as_ref(), &self.sessions);
        Seen {
            repute: move |source| {
                doorman.map_or(Repute::New, |doorman| doorman.repute(source, now.steady_ms))
            },
            asks: move |(index, _): (u32, u32)| {
                sessions.get(index).is_some_and(|link| link.session.applicant.is_some())
            },
        }
    }

    fn turn_out(&mut self, index: u32) {
        self.means.counts.turned_away += 1;
        self.count_bound(index);
        self.sessions.dismiss(index);
    }

    /// Closes the connection of the worst repute that has waited longest for its bind, unless it
    /// came just now.
    fn make_room(&mut self, now: Now) {
        let first = self.unbound.first_to_go(&self.seen(now));
        if let Some(((index, _), since_ms)) = first
            && now.steady_ms >= since_ms + SILENT_MS_MIN
        {
            self.turn_out(index);
        }
        self.show_silent();
    }
}
