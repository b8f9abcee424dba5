//! What is remembered of where connections come from: which sources are refused at accept, from
//! where customers have bound, and from which nets binds have just failed.
//!
//! The thread that checks binds and the shards write, all of them read, and nobody waits: these are
//! tables of atomics. Nothing here outlives the process.
//!
//! **Invariants:** a table has as many places as it was made with. Only who has bound puts others
//! out of the table of those who have.

use super::source::Source;
use crate::io::limits::{BINDS_FAILED_MS, BOUND_FROM_MAX, FAILED_NETS, REFUSED_SOURCES};
use std::sync::atomic::{AtomicU64, Ordering};
use wire::terms::time::SteadyMs;

/// What a source is known for, the worst first: of too many the worst go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Repute {
    /// A bind from its net has failed within a minute, and nobody has bound from there.
    Failed,
    /// Nothing is known of it.
    New,
    /// A customer has bound from its net.
    Near,
    /// A customer has bound from it.
    Bound,
}

impl Repute {
    /// All, the worst first.
    pub(super) const ALL: [Self; 4] = [Self::Failed, Self::New, Self::Near, Self::Bound];
}

/// What is remembered of all sources.
pub(super) struct Reputes {
    refused: Until,
    failed_nets: Until,
    bound_from: Numbers,
}

impl Reputes {
    pub(super) fn new() -> Self {
        Self {
            refused: Until::new(REFUSED_SOURCES),
            failed_nets: Until::new(FAILED_NETS),
            bound_from: Numbers::new(BOUND_FROM_MAX),
        }
    }

    /// Connections from here are refused until then. One may push another out, which then is
    /// refused at its next bind.
    pub(super) fn refuse(&self, source: Source, until_ms: SteadyMs) {
        self.refused.put(source.number(), until_ms);
    }

    pub(super) fn is_refused(&self, source: Source, now_ms: SteadyMs) -> bool {
        self.refused.holds(source.number(), now_ms)
    }

    /// A bind from here has failed.
    pub(super) fn note_failed(&self, source: Source, now_ms: SteadyMs) {
        self.failed_nets.put(source.net(), now_ms + BINDS_FAILED_MS);
    }

    /// A customer has bound from here.
    pub(super) fn note_bound(&self, source: Source) {
        self.bound_from.put(source.number());
        self.bound_from.put(source.net());
    }

    pub(super) fn of(&self, source: Source, now_ms: SteadyMs) -> Repute {
        if self.bound_from.holds(source.number()) {
            Repute::Bound
        } else if self.bound_from.holds(source.net()) {
            Repute::Near
        } else if self.failed_nets.holds(source.net(), now_ms) {
            Repute::Failed
        } else {
            Repute::New
        }
    }
}

/// Numbers, each until its time. One may push another out.
struct Until {
    /// 24 bits of the number, and until when in 40 bits of steady milliseconds.
    places: Vec<AtomicU64>,
}

const UNTIL_BITS: u32 = 40;

impl Until {
    fn new(places: usize) -> Self {
        Self { places: (0..places).map(|_| AtomicU64::new(0)).collect() }
    }

    fn place(&self, number: u64) -> &AtomicU64 {
        &self.places[number as usize % self.places.len()]
    }

    fn put(&self, number: u64, until_ms: SteadyMs) {
        let until_ms = until_ms.ms() & ((1 << UNTIL_BITS) - 1);
        self.place(number).store(number >> UNTIL_BITS << UNTIL_BITS | until_ms, Ordering::Relaxed);
    }

    fn holds(&self, number: u64, now_ms: SteadyMs) -> bool {
        let known = self.place(number).load(Ordering::Relaxed);
        let is_its = known >> UNTIL_BITS == number >> UNTIL_BITS;
        is_its && known & ((1 << UNTIL_BITS) - 1) > now_ms.ms()
    }
}

/// Places that a number may stand in.
const WAYS: usize = 8;

/// A set of numbers. One goes where [`WAYS`] others came that share its places.
struct Numbers {
    places: Vec<AtomicU64>,
}

impl Numbers {
    fn new(places: usize) -> Self {
        assert!(places > 0 && places.is_multiple_of(WAYS), "whole sets");
        Self { places: (0..places).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The number as it stands in a place, of which 0 is an empty one, and its places.
    fn find(&self, number: u64) -> (u64, &[AtomicU64]) {
        let number = number.max(1);
        let at = number as usize % (self.places.len() / WAYS) * WAYS;
        (number, &self.places[at..at + WAYS])
    }

    fn holds(&self, number: u64) -> bool {
        let (number, places) = self.find(number);
        places.iter().any(|place| place.load(Ordering::Relaxed) == number)
    }

    fn put(&self, number: u64) {
        let (number, places) = self.find(number);
        let takes = |place: &AtomicU64| {
            let was = place.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
            was.is_ok() || was == Err(number)
        };
        if !places.iter().any(takes) {
            places[(number >> 32) as usize % WAYS].store(number, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().expect("an address"))
    }

    #[test]
    fn who_has_bound_is_known_by_source_and_net_whatever_fails_there_afterwards() {
        let reputes = Reputes::new();
        let now_ms = SteadyMs::new(1_000_000);
        let of = |text: &str| reputes.of(source(text), now_ms);
        assert_eq!(of("192.0.2.1"), Repute::New);
        reputes.note_failed(source("192.0.2.7"), now_ms);
        assert_eq!((of("192.0.2.1"), of("192.0.3.1")), (Repute::Failed, Repute::New));
        assert_eq!(reputes.of(source("192.0.2.1"), now_ms + BINDS_FAILED_MS), Repute::New);
        reputes.note_bound(source("192.0.2.1"));
        reputes.note_failed(source("192.0.2.1"), now_ms);
        assert_eq!((of("192.0.2.1"), of("192.0.2.9")), (Repute::Bound, Repute::Near));
    }

    #[test]
    fn failures_from_everywhere_put_nobody_out_who_has_bound() {
        let reputes = Reputes::new();
        let now_ms = SteadyMs::new(1_000_000);
        reputes.note_bound(source("2001:db8::1"));
        for net in 0..20_000_u32 {
            let net = source(&format!("2001:{:x}:{:x}::1", net >> 16, net & 0xFFFF));
            reputes.note_failed(net, now_ms);
            reputes.refuse(net, now_ms + 1);
        }
        assert_eq!(reputes.of(source("2001:db8::2"), now_ms), Repute::Bound);
        // All that customers may have bound from within bounds are known at the same time.
        (0..1_000_u32).for_each(|host| {
            reputes.note_bound(source(&format!("198.{}.{}.1", host >> 8, host & 0xFF)));
        });
        let known = (0..1_000_u32)
            .filter(|host| {
                let host = source(&format!("198.{}.{}.1", host >> 8, host & 0xFF));
                reputes.of(host, now_ms) == Repute::Bound
            })
            .count();
        assert!(known > 990, "{known}");
    }
}
