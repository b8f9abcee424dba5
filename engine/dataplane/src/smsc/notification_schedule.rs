//! When a notification that the push client did not acknowledge is sent again, and when it is given
//! up.
//!
//! Resends follow after 1, 5 and 30 seconds, 2 and 10 minutes, then every 30 minutes, jittered,
//! until 24 hours after the push's end; then the notification is parked (6101) for the operator to
//! replay.
//!
//! A client that answers with Retry-After is not asked again before that time, nor all at once when
//! it has come: what waits is spread over a fifth of it. Should it reach beyond the 24 hours, one
//! last resend is made when they end.
//!
//! Never here: a timer, a connection, the order of an msn's notifications.

use crate::smsc::retry::{JITTER_PERCENT, below, with_jitter};

/// From the push's end to the parking of its notification, in milliseconds.
//= push notify parked
pub const RESEND_MS_MAX: u64 = 24 * 3_600_000;

/// Before the second, third … try, in milliseconds; the last delay repeats.
//= push notify schedule
const DELAYS_MS: [u64; 6] = [1_000, 5_000, 30_000, 120_000, 600_000, 1_800_000];

/// Beside the time that a client asks for: the engine's clock may be a turn old when it reads the
/// answer.
const ASKED_MARGIN_MS: u64 = 50;

/// Milliseconds from now to the next resend; `None` when the notification is to be parked.
///
/// `tries` counts the tries so far, the one that just failed included; `since_end_ms` is the time
/// since the push's end; `random` is any 64 random bits.
pub fn next_resend_ms(
    tries: u32,
    since_end_ms: u64,
    retry_after_seconds: Option<u32>,
    random: u64,
) -> Option<u64> {
    let left_ms = RESEND_MS_MAX.saturating_sub(since_end_ms);
    if left_ms == 0 {
        return None;
    }
    let index = (tries.saturating_sub(1) as usize).min(DELAYS_MS.len() - 1);
    let scheduled_ms = with_jitter(DELAYS_MS[index], random);
    let asked_ms = retry_after_seconds.map_or(0, |seconds| {
        let asked_ms = u64::from(seconds) * 1_000;
        asked_ms + ASKED_MARGIN_MS + below(random, asked_ms * JITTER_PERCENT / 100 + 1)
    });
    if asked_ms > scheduled_ms {
        return Some(asked_ms.min(left_ms));
    }
    (scheduled_ms < left_ms).then_some(scheduled_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u64 = u64::MAX / 2;

    //= push notify schedule
    #[test]
    fn resends_follow_the_schedule_of_the_interface() {
        let seconds = [1, 5, 30, 120, 600, 1_800, 1_800, 1_800];
        for (index, seconds) in seconds.into_iter().enumerate() {
            let delay_ms = next_resend_ms(index as u32 + 1, 0, None, MIDDLE).expect("within a day");
            assert!(delay_ms.abs_diff(seconds * 1_000) <= 1, "try {index}: {delay_ms}");
        }
    }

    #[test]
    fn jitter_spreads_each_resend_by_a_fifth() {
        assert_eq!(next_resend_ms(6, 0, None, 0), Some(1_440_000));
        assert_eq!(next_resend_ms(6, 0, None, u64::MAX), Some(2_160_000));
    }

    //= push notify parked
    #[test]
    fn a_day_after_the_end_the_notification_is_parked() {
        assert_eq!(next_resend_ms(50, RESEND_MS_MAX, None, 0), None);
        assert_eq!(next_resend_ms(50, RESEND_MS_MAX + 1, Some(1), 0), None);
        assert_eq!(
            next_resend_ms(50, RESEND_MS_MAX - 1_440_000, None, 0),
            None,
            "the next one would be late"
        );
        assert_eq!(next_resend_ms(50, RESEND_MS_MAX - 1_440_001, None, 0), Some(1_440_000));
    }

    #[test]
    fn a_day_of_failures_makes_about_fifty_tries() {
        let (mut tries, mut since_end_ms) = (1, 0);
        while let Some(delay_ms) = next_resend_ms(tries, since_end_ms, None, MIDDLE) {
            since_end_ms += delay_ms;
            tries += 1;
        }
        assert!((50..=55).contains(&tries), "{tries}");
        assert!(since_end_ms < RESEND_MS_MAX);
    }

    //= push notify later
    #[test]
    fn retry_after_is_waited_for_but_never_shortens_the_schedule() {
        assert_eq!(next_resend_ms(1, 0, Some(60), 0), Some(60_050));
        assert_eq!(next_resend_ms(1, 0, Some(60), u64::MAX), Some(72_050), "not all at once");
        assert_eq!(next_resend_ms(6, 0, Some(1), 0), Some(1_440_000));
        assert_eq!(next_resend_ms(1, 0, Some(0), 0), Some(800));
    }

    #[test]
    fn retry_after_beyond_the_day_leaves_one_last_try_at_its_end() {
        let since_end_ms = RESEND_MS_MAX - 5_000;
        assert_eq!(next_resend_ms(3, since_end_ms, Some(u32::MAX), 0), Some(5_000));
        assert_eq!(next_resend_ms(4, since_end_ms + 5_000, Some(u32::MAX), 0), None);
    }
}
