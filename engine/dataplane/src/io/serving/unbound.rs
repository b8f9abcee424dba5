//! Connections that have not bound: which there are, and who goes where there are too many.
//!
//! They have few places. Where those are taken whoever takes most of them gives one up: of the net
//! with most connections the source with most loses the one that has waited longest. So a stranger,
//! however often it comes, loses its own, and a customer that binds at once stays.
//!
//! Never here: a socket, a session. Invariants: there are at most `UNBOUND_MAX`, and of one source
//! `UNBOUND_PER_SOURCE_MAX`.

use super::source::Source;
use crate::io::limits::{UNBOUND_MAX, UNBOUND_PER_SOURCE_MAX};
use wire::terms::time::SteadyMs;

/// Index and generation of a session.
type Name = (u32, u32);

struct Waiting {
    name: Name,
    source: Source,
    since_ms: SteadyMs,
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
        assert!(self.goes_for(source, |_| false).is_none(), "room was made before");
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

    /// Who has to go so that one from this source may come; `None`: there is room. One whose
    /// password is being looked at `asks`, and goes behind those that do not.
    pub(super) fn goes_for(&self, source: Source, asks: impl Fn(Name) -> bool) -> Option<Name> {
        let of_source = |number: u64| self.count(|one| one.source.number() == number);
        let number = if of_source(source.number()) >= UNBOUND_PER_SOURCE_MAX {
            source.number()
        } else if self.waiting.len() >= UNBOUND_MAX {
            let net = self.most(|_| true, Source::net)?;
            self.most(|source| source.net() == net, Source::number)?
        } else {
            return None;
        };
        let its = || self.waiting.iter().filter(|one| one.source.number() == number);
        let goes = its().find(|one| !asks(one.name)).or_else(|| its().next());
        goes.map(|one| one.name)
    }

    fn count(&self, is: impl Fn(&Waiting) -> bool) -> usize {
        self.waiting.iter().filter(|one| is(one)).count()
    }

    /// What most of these sources have in common; of several such, that of the longest waiting.
    fn most(&self, among: impl Fn(Source) -> bool, common: fn(Source) -> u64) -> Option<u64> {
        let mut most = (0, None);
        for one in self.waiting.iter().filter(|one| among(one.source)) {
            let value = common(one.source);
            let count = self.count(|other| common(other.source) == value);
            if count > most.0 {
                most = (count, Some(value));
            }
        }
        most.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn source(text: &str) -> Source {
        Source::of(text.parse::<IpAddr>().expect("an address"))
    }

    /// Has connections come, each making room; who went for each.
    fn come(unbound: &mut Unbound, sources: impl IntoIterator<Item = String>) -> Vec<Option<Name>> {
        let mut went = Vec::new();
        for text in sources {
            let source = source(&text);
            let goes = unbound.goes_for(source, |_| false);
            goes.iter().for_each(|&name| assert!(unbound.leave(name)));
            let newest = unbound.waiting.last().map_or(0, |one| one.name.0);
            unbound.enter((newest + 1, 0), source, SteadyMs::new(1));
            went.push(goes);
        }
        went
    }

    #[test]
    fn a_source_loses_its_longest_waiting_beyond_eight_whichever_addresses_it_writes() {
        let mut unbound = Unbound::default();
        let went = come(&mut unbound, (1..=9).map(|host| format!("2001:db8::{host}")));
        assert_eq!(went[..8], [None; 8]);
        assert_eq!((went[8], unbound.len()), (Some((1, 0)), 8));
    }

    #[test]
    fn of_a_full_house_the_net_with_most_loses_one_and_nobody_else() {
        let mut unbound = Unbound::default();
        assert_eq!(come(&mut unbound, ["192.0.2.1".to_owned()]), [None]);
        // Whoever has a net has thousands of sources, each of which comes once.
        let strangers =
            |first: u32| (first..first + 200).map(|number| format!("2001:db8:0:{number:x}::1"));
        let went = come(&mut unbound, strangers(0));
        assert_eq!(went.iter().flatten().count(), 201 - UNBOUND_MAX);
        assert_eq!((unbound.len(), unbound.longest().map(|(name, _)| name)), (64, Some((1, 0))));
        // Another comes at any time, and a stranger goes for it.
        let went = come(&mut unbound, ["198.51.100.1".to_owned()]);
        assert_ne!(went, [Some((1, 0))]);
        come(&mut unbound, strangers(1_000));
        let is_there = |text: &str| unbound.count(|one| one.source == source(text)) == 1;
        assert!(is_there("192.0.2.1") && is_there("198.51.100.1"));
    }

    #[test]
    fn one_whose_password_is_looked_at_goes_behind_those_that_say_nothing() {
        let mut unbound = Unbound::default();
        let from = source("192.0.2.1");
        (0..8).for_each(|number| unbound.enter((number, 0), from, SteadyMs::new(1)));
        assert_eq!(unbound.goes_for(from, |(number, _)| number < 3), Some((3, 0)));
        assert_eq!(unbound.goes_for(from, |_| true), Some((0, 0)), "there has to be one");
        assert_eq!(unbound.goes_for(source("192.0.2.2"), |_| false), None);
    }
}
