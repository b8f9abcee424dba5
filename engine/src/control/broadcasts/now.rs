//! This moment by two clocks: what people read goes by the wall's, which an operator may set;
//! durations and pauses go by the steady one.
//!
//! **Invariant:** a step of the wall's clock while the engine runs makes nothing older or younger,
//! and puts no order off. Over a start the times that were written down are all there is.

use crate::control::now::{steady_now, wall_now};
use wire::terms::time::{SteadyMs, WallMs};

/// This moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Now {
    pub(super) wall_ms: WallMs,
    pub(super) steady: SteadyMs,
}

impl Now {
    /// What the clocks show.
    pub(super) fn read() -> Self {
        let now = Self { steady: steady_now(), wall_ms: wall_now() };
        #[cfg(test)]
        let now = now.set_back(SET_BACK_MS.get());
        now
    }
}

#[cfg(test)]
thread_local! {
    static SET_BACK_MS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The wall's clock is set back, as far as this test's thread reads it here.
#[cfg(test)]
pub(super) fn set_back(span_ms: u64) {
    SET_BACK_MS.set(span_ms);
}

#[cfg(test)]
impl Now {
    /// So much later, by both.
    pub(super) fn later(self, span_ms: u64) -> Self {
        Self { wall_ms: self.wall_ms + span_ms, steady: self.steady + span_ms }
    }

    /// The same moment where somebody has set the wall's clock back.
    pub(super) fn set_back(self, span_ms: u64) -> Self {
        Self { wall_ms: self.wall_ms - span_ms, ..self }
    }

    /// The same moment where somebody has set the wall's clock forward.
    pub(super) fn set_forward(self, span_ms: u64) -> Self {
        Self { wall_ms: self.wall_ms + span_ms, ..self }
    }
}

/// How old something is of which only the wall's time was written down: by that when it is first
/// looked at, and from there on by the steady clock.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Age {
    of_ms: WallMs,
    /// How old it was when it was looked at first, and when that was.
    seen: Option<(u64, SteadyMs)>,
}

impl Age {
    /// Milliseconds since `at_ms`; another one begins anew.
    pub(super) fn since(&mut self, at_ms: WallMs, now: Now) -> u64 {
        let seen = self.seen.filter(|_| self.of_ms == at_ms);
        let (age_ms, then) = seen.unwrap_or_else(|| (now.wall_ms.since(at_ms), now.steady));
        *self = Self { of_ms: at_ms, seen: Some((age_ms, then)) };
        age_ms + now.steady.since(then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_clock_makes_nothing_older_or_younger() {
        const HOUR_MS: u64 = 3_600_000;
        let now = Now { wall_ms: WallMs::new(10 * HOUR_MS), steady: SteadyMs::new(5_000) };
        let begun = now.wall_ms - HOUR_MS;
        let mut age = Age::default();
        assert_eq!(age.since(begun, now), HOUR_MS);
        assert_eq!(age.since(begun, now.later(100).set_back(3 * HOUR_MS)), HOUR_MS + 100);
        assert_eq!(age.since(begun, now.later(200).set_forward(HOUR_MS)), HOUR_MS + 200);
        let set_back = now.later(300).set_back(3 * HOUR_MS);
        assert_eq!(age.since(set_back.wall_ms, set_back), 0, "what is written down now is new");
        assert_eq!(Age::default().since(begun, set_back), 0, "what lies ahead is new too");
    }
}
