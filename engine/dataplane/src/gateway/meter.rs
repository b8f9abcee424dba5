//! One XPID's rate and volume, shared by every shard.
//!
//! Atomics without locks, touched only when a limit is set. The rate is a generic cell rate
//! algorithm: one number, the time at which the next push would be due if pushes came evenly, with
//! a burst of one second. The volume counts accepted pushes per day in Japan. Rows of broadcasts
//! have a rate of their own, with a burst of a fiftieth of a second, and take many at once.

use super::limits::{RATE_PER_SECOND_MAX, VOLUME_PER_DAY_MAX};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use wire::terms::calendar;
use wire::terms::time::{SteadyMs, WallMs};

const SECOND_NS: u64 = 1_000_000_000;
/// What rows of broadcasts may take at once, as a part of a second's.
const ROW_BURSTS_A_SECOND: u64 = 50;
/// The volume's number holds the day in the upper bits and the pushes of that day below.
const COUNT_BITS: u32 = 44;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

const _: () = assert!(VOLUME_PER_DAY_MAX == COUNT_MASK);

/// Counts one XPID's pushes against its limits. Survives a change of the registration.
#[derive(Debug, Default)]
pub struct Meter {
    /// 0 is unlimited.
    rate_per_second: AtomicU32,
    /// 0 is unlimited.
    volume_per_day: AtomicU64,
    /// Nanoseconds of the steady clock.
    due_ns: AtomicU64,
    /// Day and count.
    volume: AtomicU64,
    /// Rows of broadcasts; 0 is unlimited.
    rows_per_second: AtomicU32,
    /// As `due_ns`, of those.
    rows_due_ns: AtomicU64,
}

impl Meter {
    /// A meter that has counted nothing. 0 is unlimited; higher limits than the highest count as
    /// the highest.
    pub fn new(rate_per_second: u32, volume_per_day: u64) -> Self {
        let meter = Self::default();
        meter.set_limits(rate_per_second, volume_per_day);
        meter
    }

    /// Changes the limits and keeps the counts.
    pub fn set_limits(&self, rate_per_second: u32, volume_per_day: u64) {
        self.rate_per_second.store(rate_per_second.min(RATE_PER_SECOND_MAX), Ordering::Relaxed);
        self.volume_per_day.store(volume_per_day.min(VOLUME_PER_DAY_MAX), Ordering::Relaxed);
    }

    /// Counts one push against the rate; `false` (8001) when it comes too soon, and then nothing is
    /// counted. After a refusal there is room again within a second of the steady clock, which all
    /// shards share and nobody sets.
    pub fn rate(&self, steady_ms: SteadyMs) -> bool {
        let rate = self.rate_per_second.load(Ordering::Relaxed);
        if rate == 0 {
            return true;
        }
        // Rounded down: the rate may be exceeded by a thousandth, never fallen short of.
        let interval_ns = SECOND_NS / u64::from(rate);
        let burst_ns = interval_ns * u64::from(rate);
        let now_ns = steady_ms.ms().saturating_mul(1_000_000);
        let next = |due_ns: u64| {
            let next_ns = due_ns.max(now_ns).saturating_add(interval_ns);
            (next_ns - now_ns <= burst_ns).then_some(next_ns)
        };
        self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Changes the rate of broadcasts' rows.
    pub fn set_broadcast_rate(&self, rows_per_second: u32) {
        self.rows_per_second.store(rows_per_second.min(RATE_PER_SECOND_MAX), Ordering::Relaxed);
    }

    /// Whether the registration's broadcasts have a rate of rows to share.
    pub fn bounds_rows(&self) -> bool {
        self.rows_per_second.load(Ordering::Relaxed) != 0
    }

    /// Takes up to so many rows of broadcasts; how many may have their turns now.
    pub fn take_rows(&self, steady_ms: SteadyMs, wanted: u32) -> u32 {
        let rate = self.rows_per_second.load(Ordering::Relaxed);
        if rate == 0 || wanted == 0 {
            return wanted;
        }
        let interval_ns = SECOND_NS / u64::from(rate);
        let now_ns = steady_ms.ms().saturating_mul(1_000_000);
        // And one row, or slow rates would let through none.
        let until_ns = now_ns + SECOND_NS / ROW_BURSTS_A_SECOND + interval_ns;
        let mut taken = 0;
        let next = |due_ns: u64| {
            let from_ns = due_ns.max(now_ns);
            taken = u64::from(wanted).min(until_ns.saturating_sub(from_ns) / interval_ns);
            (taken > 0).then(|| from_ns + taken * interval_ns)
        };
        let updated = self.rows_due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        if updated.is_ok() { taken as u32 } else { 0 }
    }

    /// So many of those that were taken did not have their turns.
    pub fn give_rows_back(&self, rows: u32) {
        let rate = self.rows_per_second.load(Ordering::Relaxed);
        if rate == 0 || rows == 0 {
            return;
        }
        let ns = SECOND_NS / u64::from(rate) * u64::from(rows);
        let less = |due_ns: u64| Some(due_ns.saturating_sub(ns));
        let _ = self.rows_due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Whether the day's volume has room (otherwise 2007). Two shards may both see the last place:
    /// the day can end above its volume by the pushes that were between this look and
    /// [`Self::charge`], one per shard.
    pub fn has_volume(&self, now_ms: WallMs) -> bool {
        let limit = self.volume_per_day.load(Ordering::Relaxed);
        limit == 0
            || count_of(self.volume.load(Ordering::Relaxed), calendar::jst_day_index(now_ms.ms()))
                < limit
    }

    /// Counts one accepted push.
    pub fn charge(&self, now_ms: WallMs) {
        if self.volume_per_day.load(Ordering::Relaxed) == 0 {
            return;
        }
        let day = calendar::jst_day_index(now_ms.ms());
        let next = |volume| Some(day << COUNT_BITS | (count_of(volume, day) + 1).min(COUNT_MASK));
        // The closure always has a next value, so the update cannot fail.
        let _ = self.volume.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// What was counted just now was not sent after all.
    pub fn uncharge(&self, now_ms: WallMs) {
        let day = calendar::jst_day_index(now_ms.ms());
        let less = |volume| (count_of(volume, day) > 0).then(|| volume - 1);
        let _ = self.volume.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// The pushes counted on the day of `now_ms`; 0 when no volume is set.
    pub fn volume(&self, now_ms: WallMs) -> u64 {
        count_of(self.volume.load(Ordering::Relaxed), calendar::jst_day_index(now_ms.ms()))
    }

    /// Sets the count of the day of `now_ms`: after a restart, from the journal.
    pub fn restore_volume(&self, now_ms: WallMs, pushes: u64) {
        let day = calendar::jst_day_index(now_ms.ms());
        self.volume.store(day << COUNT_BITS | pushes.min(COUNT_MASK), Ordering::Relaxed);
    }
}

fn count_of(volume: u64, day: u64) -> u64 {
    if volume >> COUNT_BITS == day { volume & COUNT_MASK } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::terms::calendar::Day;

    const NOW_MS: u64 = 1_795_354_470_000;
    const NOW: WallMs = WallMs::new(NOW_MS);

    fn passed(meter: &Meter, attempts: u32, now_ms: u64) -> u32 {
        (0..attempts).map(|_| u32::from(meter.rate(SteadyMs::new(now_ms)))).sum()
    }

    #[test]
    fn a_second_of_pushes_may_come_at_once_and_then_one_an_interval() {
        for rate in [1, 3, 7, 10, 1000, 999_999, 1_000_000] {
            let meter = Meter::new(rate, 0);
            assert_eq!(passed(&meter, rate + 5, NOW_MS), rate, "rate {rate}");
            assert_eq!(
                passed(&meter, rate + 5, NOW_MS + 1000),
                rate,
                "rate {rate}, a second later"
            );
        }
        let meter = Meter::new(10, 0);
        assert_eq!(passed(&meter, 20, NOW_MS), 10);
        assert_eq!(passed(&meter, 5, NOW_MS + 99), 0);
        assert_eq!(passed(&meter, 5, NOW_MS + 100), 1);
        assert_eq!(passed(&meter, 5, NOW_MS + 550), 4);
    }

    #[test]
    fn rows_of_broadcasts_have_a_rate_of_their_own_in_every_second_and_whoever_asks() {
        for rate in [1, 7, 50, 1_000, 33_333] {
            let meter = Meter::new(1, 0);
            meter.set_broadcast_rate(rate);
            let taken_in = |second: u64| -> u32 {
                let looks = (0..200).map(|look| NOW_MS + second * 1_000 + look * 5);
                looks
                    .map(|at_ms| {
                        // Two shards; one of them cannot use all that it takes.
                        let first = meter.take_rows(SteadyMs::new(at_ms), 100_000);
                        meter.give_rows_back(first / 2);
                        first - first / 2 + meter.take_rows(SteadyMs::new(at_ms), 100_000)
                    })
                    .sum()
            };
            for second in 0..5 {
                let taken = taken_in(second);
                let most = rate + rate / 50 + 2;
                assert!((rate - rate / 50..=most).contains(&taken), "{rate}: {taken}");
            }
        }
        let meter = Meter::default();
        assert_eq!(meter.take_rows(SteadyMs::new(NOW_MS), 5_000), 5_000, "no limit");
    }

    #[test]
    fn without_limits_nothing_is_refused_or_counted() {
        let meter = Meter::new(0, 0);
        assert_eq!(passed(&meter, 10_000, NOW_MS), 10_000);
        assert!(meter.has_volume(NOW));
        meter.charge(NOW);
        assert_eq!(meter.volume(NOW), 0);
    }

    #[test]
    fn the_volume_ends_with_the_day_in_japan() {
        let meter = Meter::new(0, 3);
        let midnight_ms = Day::of(NOW).next().start_ms();
        for _ in 0..3 {
            assert!(meter.has_volume(NOW));
            meter.charge(NOW);
        }
        assert!(!meter.has_volume(NOW) && !meter.has_volume(midnight_ms - 1));
        assert!(meter.has_volume(midnight_ms));
        assert_eq!((meter.volume(midnight_ms - 1), meter.volume(midnight_ms)), (3, 0));
        meter.restore_volume(midnight_ms, 3);
        assert!(!meter.has_volume(midnight_ms));
        meter.set_limits(0, 4);
        assert!(meter.has_volume(midnight_ms));
        meter.uncharge(midnight_ms);
        assert_eq!(meter.volume(midnight_ms), 2);
        (0..4).for_each(|_| meter.uncharge(midnight_ms));
        assert_eq!(meter.volume(midnight_ms), 0, "no day has less than none");
    }

    #[test]
    fn shards_that_ask_at_once_share_one_rate() {
        let meter = Meter::new(5000, 1_000_000);
        let passed: u32 = std::thread::scope(|scope| {
            let ask = || {
                (0..5000).fold(0, |passed, _| {
                    meter.charge(NOW);
                    passed + u32::from(meter.rate(SteadyMs::new(NOW_MS)))
                })
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!((passed, meter.volume(NOW)), (5000, 20_000));
    }
}
