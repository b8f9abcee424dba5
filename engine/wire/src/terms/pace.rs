//! How fast the message center's own time runs: as real time, or for a rehearsal many times as
//! fast.
//!
//! The message center is told times and never asks for one, so its schedules (retries, alert
//! jitter, resends, the parking of notifications, the memory of keys) run faster when the times it
//! is told do. Times cross over at the shard's calls of it and nowhere else: the journal, the
//! billing log and everything that leaves the engine speak of real time. Lifetimes are divided when
//! a push is accepted; an `expiry` is a real time and stays one, and so is what a push client asks
//! for by Retry-After.
//!
//! Neither time steps when the wall clock is set: whoever drives the shard shows it a steady clock
//! beside the wall clock ([`Pace::see`]), and by how much the wall clock was moved since the start
//! is taken off where times cross over. So a clock that is set ends no push early and keeps none
//! too long, forgets no key and puts off no retry. A clock that is only steered is followed.
//!
//! At pace 1, while nobody sets the clock, wall, even and center time are the same.

use crate::terms::time::{CenterMs, EvenMs, SteadyMs, WallMs};

/// The fastest that a rehearsal may run: nearly a day in a second.
pub const TIME_SCALE_MAX: u64 = 86_400;
/// Bits of the message center's time, which a push keeps its expiry in: eleven hundred years from
/// 1970 on at pace one.
pub const CENTER_BITS: u32 = 45;
/// The latest that the message center's time can be.
const CENTER_END_MS: u64 = (1 << CENTER_BITS) - 1;
/// The message center's time at the moment when the engine started: as far from both ends as it
/// gets. At the fastest pace it lasts for two days, at 3,600 for eight weeks; then the message
/// center's time stands still.
const CENTER_START_MS: u64 = 1 << (CENTER_BITS - 1);
const HOUR_MS: u64 = 3_600_000;
/// By so much the wall clock may have gone astray from the steady one before that counts as a step.
/// Below it lie the milliseconds between two readings, and what steering a clock comes to in
/// minutes.
const STEP_MS: u64 = 250;

/// The relation between real time and the message center's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    scale: u64,
    started: WallMs,
    /// How far the wall clock is ahead of the steady one: when both were seen first, and last.
    ahead_ms: Option<(i64, i64)>,
    /// By how much the wall clock was set forward since the start, in all.
    moved_ms: i64,
}

impl Pace {
    /// `scale` seconds of the message center's in a real one, 1 to [`TIME_SCALE_MAX`]; the engine
    /// starts at `now`.
    ///
    /// # Panics
    /// When `scale` is out of its range: the configuration has checked it.
    pub fn new(scale: u64, now: WallMs) -> Self {
        assert!(
            (1..=TIME_SCALE_MAX).contains(&scale),
            "a time scale that the configuration lets through"
        );
        Self { scale, started: now, ahead_ms: None, moved_ms: 0 }
    }

    /// Sees the wall clock, and a clock that nobody sets, at the same moment.
    pub fn see(&mut self, wall: WallMs, steady: SteadyMs) {
        let ahead_ms = wall.ms() as i64 - steady.ms() as i64;
        let (first_ms, last_ms) = self.ahead_ms.get_or_insert((ahead_ms, ahead_ms));
        *last_ms = ahead_ms;
        let moved_ms = ahead_ms - *first_ms;
        if moved_ms.abs_diff(self.moved_ms) >= STEP_MS {
            self.moved_ms = moved_ms;
        }
    }

    /// The steady clock at a time of the wall clock; the same where no steady clock was ever seen.
    pub fn steady(&self, wall: WallMs) -> SteadyMs {
        let ahead_ms = self.ahead_ms.map_or(0, |(_, last_ms)| last_ms);
        SteadyMs::new(wall.ms().saturating_add_signed(-ahead_ms))
    }

    /// What the wall clock would show had nobody set it since the start.
    pub fn even(&self, wall: WallMs) -> EvenMs {
        EvenMs::new(wall.ms().saturating_add_signed(-self.moved_ms))
    }

    /// What the wall clock shows at an even time.
    pub fn wall(&self, even: EvenMs) -> WallMs {
        WallMs::new(even.ms().saturating_add_signed(self.moved_ms))
    }

    /// The message center's time at one of the wall clock.
    pub fn center(&self, wall: WallMs) -> CenterMs {
        let even = self.even(wall);
        if self.scale == 1 {
            return CenterMs::new(even.ms());
        }
        let since_start = i128::from(even.ms()) - i128::from(self.started.ms());
        let center = i128::from(CENTER_START_MS) + since_start * i128::from(self.scale);
        CenterMs::new(center.clamp(0, i128::from(CENTER_END_MS)) as u64)
    }

    /// The first millisecond of the wall clock at which the message center's time is `center` or
    /// later.
    pub fn real(&self, center: CenterMs) -> WallMs {
        if self.scale == 1 {
            return self.wall(EvenMs::new(center.ms()));
        }
        let since_start = i128::from(center.ms()) - i128::from(CENTER_START_MS);
        let (scale, rest) =
            (i128::from(self.scale), i128::from(since_start % i128::from(self.scale) > 0));
        let even = i128::from(self.started.ms()) + since_start / scale + rest;
        self.wall(EvenMs::new(u64::try_from(even.max(0)).unwrap_or(u64::MAX)))
    }

    /// Real milliseconds in which so many of the message center's go by.
    pub fn real_span(&self, center_ms: u64) -> u64 {
        center_ms / self.scale
    }

    /// When a push accepted at `now` expires, given what its unscaled lifetime and `expiry` come
    /// to.
    pub fn expires(
        &self,
        now: WallMs,
        unscaled: WallMs,
        lifetime_hours: u8,
        expiry: Option<WallMs>,
    ) -> WallMs {
        if self.scale == 1 {
            return unscaled;
        }
        // A lifetime of 00 leaves an hour for the single attempt.
        let lifetime_ms = u64::from(lifetime_hours.max(1)) * HOUR_MS;
        (now + self.real_span(lifetime_ms)).min(expiry.unwrap_or(WallMs::NEVER))
    }

    /// Seconds of the message center's for what a push client asked for in real ones.
    pub fn center_seconds(&self, real_seconds: u32) -> u32 {
        u32::try_from(u64::from(real_seconds) * self.scale).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallMs = WallMs::new(1_800_000_000_000);

    #[test]
    fn at_pace_one_both_times_are_the_same() {
        let pace = Pace::new(1, NOW);
        for ms in [0, 1, NOW.ms(), u64::MAX] {
            let (wall, center) = (WallMs::new(ms), CenterMs::new(ms));
            assert_eq!((pace.center(wall), pace.real(center)), (center, wall));
        }
        assert_eq!(pace.expires(NOW, NOW + 7, 1, None), NOW + 7);
        assert_eq!(pace.center_seconds(u32::MAX), u32::MAX);
    }

    #[test]
    fn spans_are_scaled_and_real_times_come_back_as_they_were() {
        for scale in [2, 60, 3_600, TIME_SCALE_MAX] {
            let pace = Pace::new(scale, NOW);
            assert_eq!(pace.center(NOW + 10).since(pace.center(NOW)), 10 * scale);
            // What the message center can tell at this pace, but for a second at either end.
            let reach_ms = (CENTER_START_MS / scale - 1_000).min(15 * 24 * HOUR_MS);
            assert!(reach_ms > 48 * HOUR_MS);
            for time in [NOW - reach_ms, NOW - 1, NOW, NOW + 1, NOW + reach_ms] {
                assert_eq!(pace.real(pace.center(time)), time, "scale {scale}");
            }
        }
    }

    #[test]
    fn what_is_due_is_due_by_the_real_millisecond_that_is_named_for_it() {
        let pace = Pace::new(60, NOW);
        for ahead_ms in 0..200 {
            let due = pace.center(NOW) + ahead_ms;
            let real = pace.real(due);
            assert!(pace.center(real) >= due && pace.center(real - 1) < due, "{ahead_ms}");
        }
    }

    #[test]
    fn a_clock_that_is_set_moves_neither_the_message_centers_time_nor_the_steady_one() {
        for scale in [1, 60] {
            let mut pace = Pace::new(scale, NOW);
            pace.see(NOW, SteadyMs::new(5_000));
            let (before, steady) = (pace.center(NOW), SteadyMs::new(5_010));
            for moved_ms in [26 * HOUR_MS as i64, -26 * (HOUR_MS as i64), -1_000, 0] {
                let wall = WallMs::new((NOW + 10).ms().saturating_add_signed(moved_ms));
                pace.see(wall, steady);
                assert_eq!(pace.center(wall), before + 10 * scale, "{moved_ms} ms");
                assert_eq!(pace.real(pace.center(wall)), wall, "{moved_ms} ms");
                assert_eq!(pace.steady(wall), steady);
                assert_eq!(pace.even(wall).ms(), (NOW + 10).ms());
            }
        }
    }

    #[test]
    fn a_clock_that_is_steered_is_followed() {
        let mut pace = Pace::new(1, NOW);
        pace.see(NOW, SteadyMs::new(5_000));
        pace.see(NOW + 1_000 + STEP_MS - 1, SteadyMs::new(6_000));
        assert_eq!(pace.center(NOW + 1_000).ms(), (NOW + 1_000).ms());
    }

    #[test]
    fn a_lifetime_is_divided_and_an_expiry_is_not() {
        let pace = Pace::new(3_600, NOW);
        assert_eq!(pace.expires(NOW, NOW + 2 * HOUR_MS, 2, None), NOW + 2_000);
        assert_eq!(pace.expires(NOW, NOW + HOUR_MS, 0, None), NOW + 1_000);
        assert_eq!(pace.expires(NOW, NOW + 500, 2, Some(NOW + 500)), NOW + 500);
        assert_eq!(pace.expires(NOW, NOW + 9_000, 72, Some(NOW + 9_000)), NOW + 9_000);
        assert_eq!(pace.center_seconds(3), 10_800);
    }
}
