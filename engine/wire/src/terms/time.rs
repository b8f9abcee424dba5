//! The engine's four times, each a type of its own: no two of them are mixed up.
//!
//! All are milliseconds in a `u64`, and cost what a `u64` costs. A span of time is a plain `u64`
//! whose name ends in `_ms`; a time plus a span is a time, and [`since`](WallMs::since) gives the
//! span between two. From one time to another there is one way, [`Pace`](crate::terms::pace::Pace).
//!
//! | type | whose time | who speaks it |
//! |---|---|---|
//! | [`WallMs`] | Unix time, which an operator may set | journal, billing, clients, days |
//! | [`SteadyMs`] | since the process started, set by nobody | rates, time-outs, intervals |
//! | [`EvenMs`] | Unix time as if nobody had set it since the start | the core network, cleaning |
//! | [`CenterMs`] | even time, in a rehearsal many times as fast | the message center |
//!
//! Never here: a clock.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

macro_rules! times {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
        #[derive(Deserialize, Serialize)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Before every other time.
            pub const ZERO: Self = Self(0);
            /// After every other time.
            pub const NEVER: Self = Self(u64::MAX);

            /// The time of so many milliseconds, as it was stored or as the clock shows it.
            pub const fn new(ms: u64) -> Self {
                Self(ms)
            }

            /// Its milliseconds, to be stored or shown.
            pub const fn ms(self) -> u64 {
                self.0
            }

            /// Milliseconds that have gone by since `earlier`; 0 where that is later.
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }

            /// So much later, at most [`Self::NEVER`].
            pub const fn saturating_add(self, span_ms: u64) -> Self {
                Self(self.0.saturating_add(span_ms))
            }

            /// So much earlier, at least [`Self::ZERO`].
            pub const fn saturating_sub(self, span_ms: u64) -> Self {
                Self(self.0.saturating_sub(span_ms))
            }

            /// The span between both, whichever is the later.
            pub const fn abs_diff(self, other: Self) -> u64 {
                self.0.abs_diff(other.0)
            }
        }

        impl Add<u64> for $name {
            type Output = Self;

            fn add(self, span_ms: u64) -> Self {
                Self(self.0 + span_ms)
            }
        }

        impl Sub<u64> for $name {
            type Output = Self;

            fn sub(self, span_ms: u64) -> Self {
                Self(self.0 - span_ms)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )*};
}

times! {
    /// What the wall clock shows: milliseconds since 1970-01-01 00:00 UTC. May be set back or
    /// forward at any moment.
    WallMs;
    /// A clock that only ever grows and that nobody sets: milliseconds since the process started.
    SteadyMs;
    /// What the wall clock would show had nobody set it since the start.
    EvenMs;
    /// The message center's own time: [`EvenMs`], or in a rehearsal a time that runs faster.
    CenterMs;
}

impl SteadyMs {
    /// The time at so many nanoseconds of the same clock.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_lead_from_one_time_to_another_of_the_same_kind() {
        let (early, late) = (WallMs::new(1_000), WallMs::new(1_250));
        assert_eq!((early + 250, late - 250), (late, early));
        assert_eq!((late.since(early), early.since(late)), (250, 0));
        assert_eq!((early.abs_diff(late), late.abs_diff(early)), (250, 250));
        assert_eq!(WallMs::ZERO.saturating_sub(1), WallMs::ZERO);
        assert_eq!(late.saturating_add(u64::MAX), WallMs::NEVER);
    }

    #[test]
    fn a_time_is_shown_as_its_milliseconds_and_takes_no_more_room() {
        assert_eq!(format!("{:>6}", CenterMs::new(42)), "    42");
        assert_eq!(size_of::<SteadyMs>(), size_of::<u64>());
        assert_eq!(EvenMs::new(7).ms(), 7);
        assert_eq!(SteadyMs::from_ns(1_999_999), SteadyMs::new(1));
    }
}
