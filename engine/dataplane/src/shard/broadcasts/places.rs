//! Places in the lanes of carriers: few rows wait there for their first attempts. A row that finds
//! none lets those of other ways pass, outside the window of claims; it is called back when there
//! is a place, which is kept for it.
//!
//! **Invariants:** carriers that take nothing keep no row of another way waiting, up to a bound; a
//! place is kept for a row only while that may begin, and for no more rows than the pace lets
//! through now.

use super::asking::{Earlier, Others};
use super::by_route::ByRoute;
use super::{Broadcasts, Part, Shard};
use crate::billing::Log;
use crate::broadcast::life::End;
use crate::broadcast::limits::PASSED_ROWS_MAX;
use crate::broadcast::outcomes::Outcome;
use crate::broadcast::recipients::Recipient;
use crate::network::routes::CORE_NETWORK;
use crate::smsc::pushes::{PushIndex, ROUTES};
use crate::smsc::rows::NewRow;
use std::collections::BTreeMap;
use wire::terms::time::{SteadyMs, WallMs};

/// Rows of one broadcast that find no place in one turn.
const FULL_PER_TURN_MAX: u32 = 64;
/// How often rows are looked at for which there is no place, milliseconds: somebody may have
/// withdrawn them.
const LOOKED_EVERY_MS: u64 = 50;

const _: () = assert!(ROUTES <= u8::BITS as usize, "a bit for each");

/// What becomes of a row whose turn has come.
pub(super) enum Look {
    /// It waits for others to its phone.
    PutOff,
    /// It waits for the carriers of this route.
    Full(u8),
    /// It waits for what becomes of another broadcast's row.
    Defer,
    /// It has ended, with this code.
    End(Outcome, u16),
    /// A carrier had it from before a start, and its receipts say that all of it arrived.
    Arrived(u8),
    /// A push of its alert ends it.
    Stop(End),
    /// It is a push from now on; the text of the other one is older.
    Enter(NewRow, Option<PushIndex>),
}

/// What came of putting rows in.
#[derive(Clone, Copy, Default)]
pub(super) struct Fed {
    /// Rows that went in, to go by the core network.
    pub(super) entered: usize,
    /// The same, by carriers.
    pub(super) carried: usize,
    /// Segments that they take, and one for each row that ended without.
    pub(super) spent: u32,
    /// Rows that were put off.
    pub(super) put_off: u32,
}

/// What a part knows of its rows' ways.
#[derive(Default)]
pub(super) struct Places {
    /// One bit for each route by which a row of it goes that had its turn.
    ways: u8,
    /// A row of it has had its turn since this start.
    has_looked: bool,
    /// Rows that were called back, and the routes that keep places for them.
    kept: BTreeMap<u32, u8>,
    /// Rows that found no place in this turn.
    full: u32,
    /// When those that wait outside the window were looked at last.
    looked: SteadyMs,
}

impl Broadcasts {
    /// Places are kept for rows that were called back and may still begin.
    pub(super) fn keep_places(&mut self) {
        if self.parts.iter().all(|part| part.carried.places.ways <= 1) {
            return;
        }
        self.by_route.forget_kept();
        for part in &mut self.parts {
            let (slice, kept) = (&part.slice, &mut part.carried.places.kept);
            let goes_on = slice.goes_on();
            kept.retain(|place, _| goes_on && slice.word(*place).outcome == Outcome::Waiting);
            kept.values().for_each(|route| self.by_route.keep(*route));
        }
    }
}

impl Part {
    /// Rows of it go this way.
    fn note_way(&mut self, look: &Look) {
        self.carried.places.has_looked = true;
        let route = match look {
            Look::Full(route) => *route,
            Look::Enter(row, _) => row.route,
            _ => return,
        };
        self.carried.places.ways |= 1 << route;
    }

    /// Whether all rows of it that had their turns go by carriers: none waits for the core network.
    pub(super) fn goes_by_carriers(&self) -> bool {
        let ways = self.carried.places.ways;
        ways != 0 && ways >> CORE_NETWORK & 1 == 0
    }

    /// How many rows may wait in the lanes of the carriers by which all of its rows go; `None`:
    /// some go by the core network, or no row of it has had its turn.
    pub(super) fn room_in_lanes(&self, by_route: &ByRoute) -> Option<usize> {
        let is_way = |route: &u8| self.carried.places.ways >> route & 1 == 1;
        let room = |route| by_route.room(route);
        self.goes_by_carriers().then(|| (0..ROUTES as u8).filter(is_way).map(room).sum())
    }

    /// Whether more than are claimed would go on now: rows have had their turns, and where they go
    /// by carriers only there is a place in a lane of theirs.
    pub(super) fn has_use_for_more(&self, by_route: &ByRoute) -> bool {
        let Places { ways, has_looked, .. } = self.carried.places;
        let mut routes = (0..ROUTES as u8).filter(|route| ways >> route & 1 == 1);
        has_looked && (!self.goes_by_carriers() || routes.any(|route| by_route.has_place(route)))
    }

    /// Whether those that wait outside the window are looked at in this turn: while there is no
    /// place for them, now and then.
    pub(super) fn looks_again(&mut self, by_route: &ByRoute, now: SteadyMs) -> bool {
        let is_for_rows = !self.broadcast.terms.of.is_empty();
        let places = &mut self.carried.places;
        places.full = 0;
        let is_way = |route: &u8| places.ways >> route & 1 == 1;
        let mut carriers = (CORE_NETWORK + 1..ROUTES as u8).filter(is_way).peekable();
        let may_go = carriers.peek().is_none() || carriers.any(|route| by_route.has_place(route));
        let looks = is_for_rows || may_go || now.since(places.looked) >= LOOKED_EVERY_MS;
        if looks {
            places.looked = now;
        }
        looks
    }

    /// Whether so many of its rows found no place that others have their turns first.
    pub(super) fn has_passed_many(&self) -> bool {
        self.carried.places.full >= FULL_PER_TURN_MAX
    }

    /// Whether a row for which this route has no place lets others pass, that have one by another.
    fn lets_pass(&self, route: u8, by_route: &ByRoute) -> bool {
        let has_place = |other: u8| other == CORE_NETWORK || by_route.has_place(other);
        let others = (0..ROUTES as u8).filter(|other| self.carried.places.ways >> other & 1 == 1);
        self.slice.deferred().0 < PASSED_ROWS_MAX
            && others.filter(|other| *other != route).any(has_place)
    }

    /// Whether a row may go by a route now, or be called back to go soon: by the paces of carriers,
    /// and as many are called back as the pace lets through.
    fn has_turn_by(
        &mut self,
        (place, route): (u32, u8),
        by_route: &ByRoute,
        now: SteadyMs,
    ) -> bool {
        if route == CORE_NETWORK {
            return true;
        }
        let is_called = self.slice.is_deferred(place);
        let may_be_called = self.carried.places.kept.len() < self.tokens as usize;
        (may_be_called || !is_called) && self.may_go_by(route, by_route, now)
    }

    /// A row was called back: there is a place for it.
    fn keep_place(&mut self, place: u32, route: u8, by_route: &ByRoute) {
        if route != CORE_NETWORK {
            self.carried.places.kept.insert(place, route);
            by_route.keep(route);
        }
    }

    /// A row that was called back has come; whether a place was kept for it.
    fn take_place(&mut self, place: u32, by_route: &ByRoute) -> bool {
        if self.carried.places.kept.is_empty() {
            return false;
        }
        let route = self.carried.places.kept.remove(&place);
        if let Some(route) = route {
            by_route.take_kept(route);
        }
        route.is_some()
    }
}

impl<L: Log> Shard<L> {
    /// What becomes of a row whose turn has come, where it may have to wait for carriers.
    #[inline]
    pub(super) fn look_in_turn(
        &self,
        part: &mut Part,
        known: (Others<'_>, &Option<(Vec<Earlier<'_>>, WallMs)>),
        (place, recipient): (u32, &Recipient),
        now: SteadyMs,
    ) -> Look {
        let by_route = known.0.by_route;
        let has_place = part.take_place(place, by_route);
        let look = match self.look_at(part, known, (place, recipient)) {
            Look::Enter(row, _)
                if !has_place && !part.has_turn_by((place, row.route), by_route, now) =>
            {
                Look::Full(row.route)
            }
            look => look,
        };
        part.note_way(&look);
        look
    }

    /// Has a row wait that does not go on now; whether it is one.
    #[inline]
    pub(super) fn waits(
        &self,
        part: &mut Part,
        (place, look): (u32, &Look),
        (by_route, fed): (&ByRoute, &mut Fed),
        now_ms: WallMs,
    ) -> bool {
        let is_deferred = part.slice.is_deferred(place);
        match look {
            // Rows of other ways pass it.
            Look::Full(route) if is_deferred || part.lets_pass(*route, by_route) => {
                part.defer(place);
                part.carried.places.full += 1;
            }
            // It is looked at again when others have had their turns.
            Look::Full(_) => {
                part.slice.put_off(place);
                part.carried.places.full += 1;
            }
            Look::PutOff if !is_deferred => {
                part.slice.put_off(place);
                fed.put_off += 1;
            }
            // How many are looked at is bounded by the searches that they take.
            Look::PutOff | Look::Defer => part.defer(place),
            Look::Enter(row, _) if is_deferred => {
                self.recall_row(part, (place, row.route), by_route, now_ms);
            }
            Look::End(..) | Look::Arrived(_) | Look::Stop(_) | Look::Enter(..) => return false,
        }
        true
    }

    /// What a row waited for outside the window lets it go on, as fast as its area may, and with a
    /// place among those that wait for its carriers.
    fn recall_row(
        &self,
        part: &mut Part,
        (place, route): (u32, u8),
        by_route: &ByRoute,
        now_ms: WallMs,
    ) {
        let (run, steady) = (part.run_of(place) as u32, self.pace.steady(now_ms));
        let areas = part.areas.as_mut();
        if areas.is_some_and(|areas| areas.grant(run, 1, steady) == 0) {
            part.does_not_go_by(route, by_route);
            part.slice.defer(place);
        } else {
            part.slice.recall(place);
            part.keep_place(place, route, by_route);
        }
    }
}
