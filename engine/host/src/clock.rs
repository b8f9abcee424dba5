//! The only place that asks the machine for the time. Rooms of the data path are given it as an
//! argument.
//!
//! Two clocks: [`unix_ms`] for what people and push clients read (expiry, completion, days), which
//! may be set back by an operator, and [`monotonic_ns`] for durations, which never goes back.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// Milliseconds since 1970-01-01 00:00 UTC; 0 on a host whose clock stands before that day.
#[expect(clippy::disallowed_methods, reason = "the one place that asks")]
pub fn unix_ms() -> u64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        Err(_) => 0,
    }
}

/// This moment, for deadlines and durations within one thread.
#[expect(clippy::disallowed_methods, reason = "the one place that asks")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Nanoseconds since this function was first called in this process; never goes back.
#[expect(clippy::disallowed_methods, reason = "the one place that asks")]
pub fn monotonic_ns() -> u64 {
    let elapsed = ORIGIN.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let readings: Vec<u64> = (0..1_000).map(|_| monotonic_ns()).collect();
        assert!(readings.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(readings[999] > readings[0], "a thousand readings take some time");
    }

    #[test]
    fn the_unix_clock_counts_milliseconds() {
        let year_2020_ms = 1_577_836_800_000;
        let year_2200_ms = 7_258_118_400_000;
        assert!((year_2020_ms..year_2200_ms).contains(&unix_ms()));
    }
}
