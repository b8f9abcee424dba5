//! Push clients as they come: dealt by the acceptor, given time to their first request, and closed
//! for others where places are rare.
//!
//! A first request is one of a registered client, with what its registration asks for. Whoever asks
//! anything else has the time of one that asks nothing, from when it came, so that nobody keeps a
//! place by what costs nothing.

use super::Front;
use crate::io::connection::Connection;
use crate::io::driver::{Driver, Owner};
use crate::io::limits::{
    ACCEPTED_PER_TURN_MAX, FIRST_REQUEST_CROWDED_MS, FIRST_REQUEST_MS, SILENT_MS_MIN,
};
use crate::io::link::Link;
use crate::io::now::Now;
use rustix::net::getpeername;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use wire::terms::time::SteadyMs;

/// Where a connection comes from; `None` where it is gone already.
pub(in crate::io) fn peer_of(socket: &OwnedFd) -> Option<IpAddr> {
    let peer = getpeername(socket).ok().flatten()?;
    SocketAddr::try_from(peer).ok().map(|peer| peer.ip())
}

impl Front {
    /// Takes the sockets that the acceptor has dealt to this thread.
    pub(in crate::io) fn take_visitors(&mut self, driver: &mut Driver, now: Now) -> bool {
        let mut busy = false;
        if self.door.is_asked_for_room() {
            busy = true;
            self.make_room(now);
        }
        self.holds_back = false;
        for _ in 0..ACCEPTED_PER_TURN_MAX {
            self.holds_back = !self.door.is_closed() && self.is_busy_with_handshakes(now);
            if self.holds_back {
                break;
            }
            let Some(socket) = self.door.next() else { break };
            busy = true;
            if self.door.is_closed() {
                // The socket closes as it is dropped.
                self.visits.refused += 1;
                self.door.give_back();
            } else {
                self.take_visitor(socket, driver, now);
            }
        }
        busy
    }

    /// Whether the acceptor has put anything before this thread that it may take.
    pub(in crate::io) fn has_visitors(&self) -> bool {
        self.door.has_arrivals() && !self.holds_back
    }

    fn take_visitor(&mut self, socket: OwnedFd, driver: &mut Driver, now: Now) {
        let session =
            Connection::new(self.limits.patience, now.steady_ms).coming_from(peer_of(&socket));
        let index = self.connections.insert(socket, Owner::Front, session);
        let is_shaking = self.begin_handshake(index, now);
        let Some(connection) = self.connections.get_mut(index) else { return };
        self.visits.taken += 1;
        connection.read_on(driver);
        if is_shaking {
            // Its time for a first request begins behind the handshake.
            return;
        }
        let name = connection.stream.name();
        self.note_silent(name);
    }

    /// A client can be heard from now on, and nobody knows it.
    pub(super) fn note_silent(&mut self, name: (u32, u32)) {
        if self.silent.len() >= 2 * self.limits.connections_max {
            // Those that have spoken, or are gone, stand behind one that has not.
            let connections = &mut self.connections;
            self.silent.retain(|&(index, generation)| {
                connections.of_generation(index, generation).is_some_and(|link| is_silent(link))
            });
        }
        self.silent.push_back(name);
    }

    /// The connection that has waited longest for its first request, and since when.
    fn longest_silent(&mut self) -> Option<(u32, SteadyMs)> {
        while let Some(&(index, generation)) = self.silent.front() {
            match self.connections.of_generation(index, generation) {
                Some(link) if is_silent(link) => return Some((index, link.session.opened_ms())),
                _ => self.silent.pop_front(),
            };
        }
        None
    }

    /// Closes the connection that has waited longest for its first request, unless it came just
    /// now; else a handshake whose client says no more.
    pub(super) fn make_room(&mut self, now: Now) {
        if let Some((index, since_ms)) = self.longest_silent()
            && now.steady_ms >= since_ms + SILENT_MS_MIN
        {
            self.visits.evicted += 1;
            self.connections.dismiss(index);
        } else {
            self.drop_longest_awaited(now);
        }
        self.show_silent(now);
    }

    /// Closes connections whose first request does not come, and shows the acceptor who is next.
    pub(super) fn show_silent(&mut self, now: Now) {
        let longest_ms =
            if self.door.is_crowded() { FIRST_REQUEST_CROWDED_MS } else { FIRST_REQUEST_MS };
        loop {
            let silent = self.longest_silent();
            match silent {
                Some((index, since_ms)) if now.steady_ms >= since_ms + longest_ms => {
                    self.visits.silent += 1;
                    self.connections.dismiss(index);
                }
                _ => {
                    let since_ms = silent.map(|(_, since_ms)| since_ms);
                    let since_ms = [since_ms, self.may_go_since_ms()].into_iter().flatten().min();
                    return self.door.show_silent_since(since_ms);
                }
            }
        }
    }
}

/// Whether no registered client has asked anything on it yet, and one still may.
fn is_silent(link: &Link<Connection>) -> bool {
    link.session.is_unknown() && !link.stream.is_closing()
}
