//! How fast the message center's own time runs: as real time, or for a rehearsal many times as fast.
//!
//! The message center is told times and never asks for one, so its schedules (retries, alert jitter, resends, the
//! parking of notifications, the memory of keys) run faster when the times it is told do. Times cross over at the
//! shard's calls of it and nowhere else: the journal, the billing log and everything that leaves the engine speak of
//! real time. Lifetimes are divided when a push is accepted; an `expiry` is a real time and stays one, and so is what
//! a push client asks for by Retry-After.
//!
//! At pace 1 both times are the same and nothing is calculated.

/// The fastest that a rehearsal may run: nearly a day in a second.
pub const TIME_SCALE_MAX: u64 = 86_400;
/// The latest that the message center's time can be: it keeps 48 bits.
const CENTER_END_MS: u64 = (1 << 48) - 1;
/// The message center's time at the moment when the engine started: as far from both ends as it gets. At the fastest
/// pace it lasts for 18 days, at 3,600 for more than a year; then the message center's time stands still.
const CENTER_START_MS: u64 = 1 << 47;
const HOUR_MS: u64 = 3_600_000;

/// The relation between real time and the message center's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    scale: u64,
    started_ms: u64,
}

impl Pace {
    /// `scale` seconds of the message center's in a real one, 1 to [`TIME_SCALE_MAX`]; `now_ms` is the real time at
    /// which the engine starts, in Unix milliseconds.
    ///
    /// # Panics
    /// When `scale` is out of its range: the configuration has checked it.
    pub fn new(scale: u64, now_ms: u64) -> Self {
        assert!((1..=TIME_SCALE_MAX).contains(&scale), "a time scale that the configuration lets through");
        Self { scale, started_ms: now_ms }
    }

    /// The message center's time at a real one.
    pub fn center(&self, real_ms: u64) -> u64 {
        if self.scale == 1 {
            return real_ms;
        }
        let since_start = i128::from(real_ms) - i128::from(self.started_ms);
        let center = i128::from(CENTER_START_MS) + since_start * i128::from(self.scale);
        center.clamp(0, i128::from(CENTER_END_MS)) as u64
    }

    /// The first real millisecond at which the message center's time is `center_ms` or later.
    pub fn real(&self, center_ms: u64) -> u64 {
        if self.scale == 1 {
            return center_ms;
        }
        let since_start = i128::from(center_ms) - i128::from(CENTER_START_MS);
        let (scale, rest) = (i128::from(self.scale), i128::from(since_start % i128::from(self.scale) > 0));
        let real = i128::from(self.started_ms) + since_start / scale + rest;
        u64::try_from(real.max(0)).unwrap_or(u64::MAX)
    }

    /// Real milliseconds in which so many of the message center's go by.
    pub fn real_span(&self, center_ms: u64) -> u64 {
        center_ms / self.scale
    }

    /// When a push accepted at `now_ms` expires, given what its unscaled lifetime and `expiry` come to.
    pub fn expires_ms(
        &self,
        now_ms: u64,
        unscaled_ms: u64,
        lifetime_hours: u8,
        expiry_ms: Option<u64>,
    ) -> u64 {
        if self.scale == 1 {
            return unscaled_ms;
        }
        // A lifetime of 00 leaves an hour for the single attempt.
        let lifetime_ms = u64::from(lifetime_hours.max(1)) * HOUR_MS;
        (now_ms + self.real_span(lifetime_ms)).min(expiry_ms.unwrap_or(u64::MAX))
    }

    /// Seconds of the message center's for what a push client asked for in real ones.
    pub fn center_seconds(&self, real_seconds: u32) -> u32 {
        u32::try_from(u64::from(real_seconds) * self.scale).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    #[test]
    fn at_pace_one_both_times_are_the_same() {
        let pace = Pace::new(1, NOW_MS);
        for time in [0, 1, NOW_MS, u64::MAX] {
            assert_eq!((pace.center(time), pace.real(time)), (time, time));
        }
        assert_eq!(pace.expires_ms(NOW_MS, 7, 1, None), 7);
        assert_eq!(pace.center_seconds(u32::MAX), u32::MAX);
    }

    #[test]
    fn spans_are_scaled_and_real_times_come_back_as_they_were() {
        for scale in [2, 60, 3_600, TIME_SCALE_MAX] {
            let pace = Pace::new(scale, NOW_MS);
            assert_eq!(pace.center(NOW_MS + 10) - pace.center(NOW_MS), 10 * scale);
            for time in [NOW_MS - 15 * 86_400_000, NOW_MS - 1, NOW_MS, NOW_MS + 1, NOW_MS + 72 * HOUR_MS] {
                assert_eq!(pace.real(pace.center(time)), time, "scale {scale}");
            }
        }
    }

    #[test]
    fn what_is_due_is_due_by_the_real_millisecond_that_is_named_for_it() {
        let pace = Pace::new(60, NOW_MS);
        for ahead_ms in 0..200 {
            let due_ms = pace.center(NOW_MS) + ahead_ms;
            let real_ms = pace.real(due_ms);
            assert!(pace.center(real_ms) >= due_ms && pace.center(real_ms - 1) < due_ms, "{ahead_ms}");
        }
    }

    #[test]
    fn a_lifetime_is_divided_and_an_expiry_is_not() {
        let pace = Pace::new(3_600, NOW_MS);
        assert_eq!(pace.expires_ms(NOW_MS, NOW_MS + 2 * HOUR_MS, 2, None), NOW_MS + 2_000);
        assert_eq!(pace.expires_ms(NOW_MS, NOW_MS + HOUR_MS, 0, None), NOW_MS + 1_000);
        assert_eq!(pace.expires_ms(NOW_MS, NOW_MS + 500, 2, Some(NOW_MS + 500)), NOW_MS + 500);
        assert_eq!(pace.expires_ms(NOW_MS, NOW_MS + 9_000, 72, Some(NOW_MS + 9_000)), NOW_MS + 9_000);
        assert_eq!(pace.center_seconds(3), 10_800);
    }
}
