//! The ways of rows: by which route each goes, and how many of all broadcasts wait in the lanes of
//! carriers for their first attempts.
//!
//! **Invariant:** no lane takes one in beyond its room, places that are kept among them.

use super::lane_room::LaneRoom;
use crate::gateway::registry::Registry;
use crate::network::port::{Dealers, Network};
use crate::network::routes::{CORE_NETWORK, Routes};
use crate::smsc::pushes::ROUTES;
use std::cell::Cell;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::time::SteadyMs;

/// Where a row goes: [`CORE_NETWORK`], or a route of carriers. `None`: the XPID has to know the
/// state of the line, which is a carrier's to know.
pub(super) fn way_of(
    (routes, registry): (&Routes, &Registry),
    (xpid, class): (Xpid, Class),
    msn: Msn,
) -> Option<u8> {
    let route = routes.route_of(msn, xpid, class);
    let knows_line = || registry.find(xpid).is_some_and(|of| of.registration.line_state);
    (route == CORE_NETWORK || !knows_line()).then_some(route)
}

/// Rows that wait in the lanes of carriers for their first attempts, of all broadcasts.
#[derive(Default)]
pub(super) struct ByRoute {
    queued: [Cell<usize>; ROUTES],
    /// Places of rows that were called back and have not come yet.
    kept: [Cell<usize>; ROUTES],
    rooms: [LaneRoom; ROUTES],
    /// Which carriers of each deal, as of this turn.
    dealers: [Dealers; ROUTES],
}

impl ByRoute {
    /// No place is kept.
    pub(super) fn forget_kept(&mut self) {
        self.kept = Default::default();
    }

    /// One more place is kept.
    pub(super) fn keep(&self, route: u8) {
        let kept = &self.kept[usize::from(route)];
        kept.set(kept.get() + 1);
    }

    /// One less is.
    pub(super) fn take_kept(&self, route: u8) {
        let kept = &self.kept[usize::from(route)];
        kept.set(kept.get().saturating_sub(1));
    }

    /// Whether one more may wait.
    pub(super) fn has_place(&self, route: u8) -> bool {
        let route = usize::from(route);
        self.queued[route].get() + self.kept[route].get() < self.rooms[route].most()
    }

    /// How many may.
    pub(super) fn room(&self, route: u8) -> usize {
        self.rooms[usize::from(route)].most()
    }

    /// Looks how many rows each lane has room for, by what has gone.
    pub(super) fn see_rooms(&mut self, now: SteadyMs) {
        for (room, queued) in self.rooms.iter_mut().zip(&self.queued) {
            room.see(queued.get(), now);
        }
    }

    /// Looks which carriers deal.
    pub(super) fn see(&mut self, network: &impl Network) {
        self.dealers = std::array::from_fn(|route| network.dealers(route as u8));
    }

    pub(super) fn dealers(&self, route: u8) -> &Dealers {
        &self.dealers[usize::from(route)]
    }

    pub(super) fn enter(&self, route: u8) {
        let queued = &self.queued[usize::from(route)];
        queued.set(queued.get() + 1);
        self.rooms[usize::from(route)].note_entered(queued.get());
    }

    pub(super) fn leave(&self, route: u8) {
        let queued = &self.queued[usize::from(route)];
        queued.set(queued.get().saturating_sub(1));
        self.rooms[usize::from(route)].note_left();
    }
}
