//! Connections that have not bound: which there are, and who goes where there are too many.
//!
//! They have few places. Where those are taken, one of the worst repute goes: of the net with most
//! connections and in it of the source with most, one whose password is not being looked at, by
//! chance. So who has bound before is never turned out by those that have not, and a stranger,
//! however often it comes, loses its own. Where all are alike and all passwords are being looked
//! at, whoever comes last goes: places are not turned over faster than passwords are checked.
//!
//! Never here: a socket, a session. Invariants: there are at most `UNBOUND_MAX`, and of one source
//! `UNBOUND_PER_SOURCE_MAX`.

use super::repute::Repute;
use super::source::Source;
use crate::io::limits::{UNBOUND_MAX, UNBOUND_PER_SOURCE_MAX};
use wire::terms::time::SteadyMs;

/// Index and generation of a session.
type Name = (u32, u32);

#[derive(Clone, Copy)]
struct Waiting {
    name: Name,
    source: Source,
    since_ms: SteadyMs,
}

/// Whether one more may come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    /// There is room.
    Free,
    /// It has the place of this one, which goes.
    Of(Name),
    /// There is none for it.
    None,
}

/// What is seen of connections by others: what a source is known for, and whether a connection's
/// password is being looked at.
pub(super) struct Seen<R, A> {
    pub(super) repute: R,
    pub(super) asks: A,
}

/// The connections of a thread that have not bound, in the order in which they came.
#[derive(Default)]
pub(super) struct Unbound {
    waiting: Vec<Waiting>,
}

impl Unbound {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// One has come. There has to be room for it.
    pub(super) fn enter(&mut self, name: Name, source: Source, now_ms: SteadyMs) {
        assert!(self.waiting.len() < UNBOUND_MAX, "room was made before");
        assert!(self.of_source(source) < UNBOUND_PER_SOURCE_MAX, "room was made before");
        self.waiting.push(Waiting { name, source, since_ms: now_ms });
    }

    /// It has bound, or is over. Whether it stood here.
    pub(super) fn leave(&mut self, name: Name) -> bool {
        let at = self.waiting.iter().position(|one| one.name == name);
        at.map(|at| self.waiting.remove(at)).is_some()
    }

    /// The one that has waited longest, and since when.
    pub(super) fn longest(&self) -> Option<(Name, SteadyMs)> {
        self.waiting.first().map(|one| (one.name, one.since_ms))
    }

    /// Who goes where a place is needed for others, and since when it is there: of the worst repute
    /// the longest waiting, those that ask behind those that do not.
    pub(super) fn first_to_go(
        &self,
        seen: &Seen<impl Fn(Source) -> Repute, impl Fn(Name) -> bool>,
    ) -> Option<(Name, SteadyMs)> {
        let first = self
            .waiting
            .iter()
            .min_by_key(|one| ((seen.repute)(one.source), (seen.asks)(one.name)));
        first.map(|one| (one.name, one.since_ms))
    }

    /// Whether one from this source may come, and who goes for it. `chance` decides between those
    /// that are alike.
    pub(super) fn room_for(
        &self,
        source: Source,
        seen: &Seen<impl Fn(Source) -> Repute, impl Fn(Name) -> bool>,
        chance: u64,
    ) -> Room {
        if self.of_source(source) >= UNBOUND_PER_SOURCE_MAX {
            let its = || self.waiting.iter().filter(|one| one.source == source);
            let goes = its().find(|one| !(seen.asks)(one.name)).or_else(|| its().next());
            return goes.map_or(Room::None, |one| Room::Of(one.name));
        }
        if self.waiting.len() < UNBOUND_MAX {
            return Room::Free;
        }
        let reputes: Vec<Repute> =
            self.waiting.iter().map(|one| (seen.repute)(one.source)).collect();
        let its = (seen.repute)(source);
        let Some(worst) = reputes.iter().copied().chain([its]).min() else { return Room::Free };
        let of_worst = self.waiting.iter().zip(&reputes).filter(|(_, repute)| **repute == worst);
        let mut candidates: Vec<Candidate> = of_worst
            .map(|(one, _)| Candidate { name: Some(one.name), source: one.source })
            .collect();
        if its == worst {
            candidates.push(Candidate { name: None, source });
        }
        keep_most(&mut candidates, Source::net);
        keep_most(&mut candidates, Source::number);
        let comes_last = candidates.iter().any(|one| one.name.is_none());
        let mut names: Vec<Name> = candidates.iter().filter_map(|one| one.name).collect();
        if names.iter().any(|&name| !(seen.asks)(name)) {
            names.retain(|&name| !(seen.asks)(name));
        } else if comes_last {
            return Room::None;
        }
        match names.len() as u64 {
            0 => Room::None,
            alike => Room::Of(names[(chance % alike) as usize]),
        }
    }

    fn of_source(&self, source: Source) -> usize {
        self.waiting.iter().filter(|one| one.source == source).count()
    }
}

/// One that may have to go; without a name it is the one that comes.
struct Candidate {
    name: Option<Name>,
    source: Source,
}

/// Leaves those of whom most have this in common.
fn keep_most(candidates: &mut Vec<Candidate>, common: fn(Source) -> u64) {
    let values: Vec<u64> = candidates.iter().map(|one| common(one.source)).collect();
    let count = |value: u64| values.iter().filter(|&&other| other == value).count();
    let most = values.iter().map(|&value| count(value)).max().unwrap_or_default();
    candidates.retain(|one| count(common(one.source)) == most);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use wire::terms::mix::mix;

    fn source(text: &str) -> Source {
        Source::of(text.parse::<IpAddr>().expect("an address"))
    }

    fn of_strangers<A: Fn(Name) -> bool>(asks: A) -> Seen<impl Fn(Source) -> Repute, A> {
        Seen { repute: |_| Repute::New, asks }
    }

    /// Has connections come, each making room; what room there was for each.
    fn come(
        unbound: &mut Unbound,
        sources: impl IntoIterator<Item = String>,
        seen: &Seen<impl Fn(Source) -> Repute, impl Fn(Name) -> bool>,
    ) -> Vec<Room> {
        let mut rooms = Vec::new();
        for text in sources {
            let source = source(&text);
            let newest = unbound.waiting.iter().map(|one| one.name.0).max().unwrap_or_default();
            let room = unbound.room_for(source, seen, mix(u64::from(newest)));
            if let Room::Of(name) = room {
                assert!(unbound.leave(name));
            }
            if room != Room::None {
                unbound.enter((newest + 1, 0), source, SteadyMs::new(1));
            }
            rooms.push(room);
        }
        rooms
    }

    fn is_there(unbound: &Unbound, text: &str) -> bool {
        unbound.of_source(source(text)) == 1
    }

    /// Strangers of which each has a net of its own.
    fn botnet(first: u32) -> impl Iterator<Item = String> {
        (first..first + 300).map(|net| format!("10.{}.{}.1", net >> 8, net & 0xFF))
    }

    #[test]
    fn a_source_loses_its_longest_waiting_beyond_eight_whichever_addresses_it_writes() {
        let mut unbound = Unbound::default();
        let seen = of_strangers(|_| false);
        let rooms = come(&mut unbound, (1..=9).map(|host| format!("2001:db8::{host}")), &seen);
        assert_eq!(rooms[..8], [Room::Free; 8]);
        assert_eq!((rooms[8], unbound.len()), (Room::Of((1, 0)), 8));
    }

    #[test]
    fn of_a_full_house_the_net_with_most_loses_one_and_nobody_else() {
        let mut unbound = Unbound::default();
        let seen = of_strangers(|_| false);
        assert_eq!(come(&mut unbound, ["192.0.2.1".to_owned()], &seen), [Room::Free]);
        // Whoever has a net has thousands of sources, each of which comes once.
        let strangers =
            |first: u32| (first..first + 200).map(|number| format!("2001:db8:0:{number:x}::1"));
        let rooms = come(&mut unbound, strangers(0), &seen);
        let turned_out = rooms.iter().filter(|room| matches!(room, Room::Of(_))).count();
        assert_eq!(turned_out, 201 - UNBOUND_MAX);
        assert_eq!((unbound.len(), unbound.longest().map(|(name, _)| name)), (64, Some((1, 0))));
        // Another comes at any time, and a stranger goes for it.
        let rooms = come(&mut unbound, ["198.51.100.1".to_owned()], &seen);
        assert!(matches!(rooms[0], Room::Of(name) if name != (1, 0)), "{rooms:?}");
        come(&mut unbound, strangers(1_000), &seen);
        assert!(is_there(&unbound, "192.0.2.1") && is_there(&unbound, "198.51.100.1"));
    }

    #[test]
    fn one_whose_password_is_looked_at_goes_behind_those_that_say_nothing() {
        let mut unbound = Unbound::default();
        let from = source("192.0.2.1");
        (0..8).for_each(|number| unbound.enter((number, 0), from, SteadyMs::new(1)));
        let first_ask = of_strangers(|(number, _): Name| number < 3);
        assert_eq!(unbound.room_for(from, &first_ask, 0), Room::Of((3, 0)));
        assert_eq!(unbound.first_to_go(&first_ask), Some(((3, 0), SteadyMs::new(1))));
        let all_ask = of_strangers(|_| true);
        assert_eq!(unbound.room_for(from, &all_ask, 0), Room::Of((0, 0)), "there has to be one");
        assert_eq!(unbound.room_for(source("192.0.2.2"), &all_ask, 0), Room::Free);
    }

    #[test]
    fn who_has_bound_before_is_never_turned_out_by_strangers_of_however_many_nets() {
        let customer = source("192.0.2.1");
        let repute = |from: Source| match from {
            from if from == customer => Repute::Bound,
            from if from.net() == customer.net() => Repute::Near,
            _ => Repute::New,
        };
        // Whether they all ask or say nothing at all.
        for asks in [false, true] {
            let seen = Seen { repute, asks: |_| asks };
            let mut unbound = Unbound::default();
            come(&mut unbound, botnet(0), &seen);
            let rooms = come(&mut unbound, ["192.0.2.1".to_owned(), "192.0.2.7".to_owned()], &seen);
            assert!(rooms.iter().all(|room| matches!(room, Room::Of(_))), "{rooms:?}");
            come(&mut unbound, botnet(0).chain(botnet(1_000)), &seen);
            assert!(is_there(&unbound, "192.0.2.1") && is_there(&unbound, "192.0.2.7"));
            // Where only such are there, a stranger finds no room.
            let seen = Seen {
                repute: |from: Source| {
                    if from == source("10.0.0.1") { Repute::New } else { Repute::Bound }
                },
                asks: |_| asks,
            };
            come(&mut unbound, ["203.0.113.1".to_owned()], &seen);
            assert_eq!(unbound.room_for(source("10.0.0.1"), &seen, 7), Room::None);
        }
    }

    #[test]
    fn of_an_equal_house_nobody_goes_whose_password_is_looked_at() {
        let mut unbound = Unbound::default();
        // One has asked, and strangers who say nothing come from a net each, again and again.
        let seen = of_strangers(|name: Name| name == (1, 0));
        come(&mut unbound, ["192.0.2.1".to_owned()], &seen);
        for round in 0..10 {
            come(&mut unbound, botnet(round * 300), &seen);
        }
        assert!(is_there(&unbound, "192.0.2.1"));
        // Where all of them have asked, whoever comes last goes.
        let seen = of_strangers(|_| true);
        let rooms = come(&mut unbound, botnet(9_000), &seen);
        assert_eq!(rooms, vec![Room::None; 300]);
        // Where one of them goes there is a place, and no net has two of them.
        assert!(unbound.leave((1, 0)));
        assert_eq!(come(&mut unbound, ["198.51.100.1".to_owned()], &seen), [Room::Free]);
        assert_eq!(come(&mut unbound, ["198.51.100.2".to_owned()], &seen), [Room::None]);
    }

    #[test]
    fn a_net_whose_binds_fail_makes_room_for_one_of_which_nothing_is_known() {
        let mut unbound = Unbound::default();
        let customer = source("192.0.2.1");
        let all_new = of_strangers(|_| true);
        come(&mut unbound, botnet(0), &all_new);
        assert_eq!(unbound.room_for(customer, &all_new, 3), Room::None);
        let failed = unbound.waiting[5];
        let repute = |from: Source| match from == failed.source {
            true => Repute::Failed,
            false => Repute::New,
        };
        let seen = Seen { repute, asks: |_| true };
        assert_eq!(unbound.room_for(customer, &seen, 3), Room::Of(failed.name));
    }
}
