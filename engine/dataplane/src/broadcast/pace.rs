//! How fast rows may have their turns: a bucket of tokens with a ramp, which gives way when the
//! network says that it is too much.
//!
//! Counts in millionths of a row, so that no rate is rounded away, and holds a fiftieth of a
//! second: what was not used is not made up for later, and no second has more than its pace and
//! that.

use wire::terms::time::SteadyMs;

use super::limits::{CONGESTED_PERCENT, RAMP_FIRST_PERCENT, RECOVERED_PERCENT_A_SECOND};

const MICRO: u64 = 1_000_000;
/// What a bucket holds, as a part of a second's rows.
const BURSTS_A_SECOND: u64 = 50;

/// A pace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Rows a second; 0: as the network takes it.
    full: u32,
    ramp_ms: u64,
    started: SteadyMs,
    /// What congestion has left of it, in rows a second.
    limit: Option<u32>,
    tokens_micro: u64,
    filled: SteadyMs,
    /// Rows of the second that is running, and how many of them the network refused.
    sent: u32,
    congested: u32,
    second: SteadyMs,
}

impl Bucket {
    /// A pace that begins now and is reached after the ramp; 0 rows a second is no bound.
    pub fn new(per_second: u32, ramp_seconds: u32, now: SteadyMs) -> Self {
        Self {
            full: per_second,
            ramp_ms: u64::from(ramp_seconds) * 1_000,
            started: now,
            limit: None,
            tokens_micro: 0,
            filled: now,
            sent: 0,
            congested: 0,
            second: now,
        }
    }

    /// Another pace, from now on and at once; what congestion has left of it holds on.
    pub fn set_pace(&mut self, per_second: u32) {
        (self.full, self.ramp_ms) = (per_second, 0);
    }

    /// Another part of the same pace of all: the ramp goes on.
    pub fn set_share(&mut self, per_second: u32) {
        self.full = per_second;
    }

    /// The pace at this moment, in rows a second; `None`: no bound.
    pub fn rate(&self, now: SteadyMs) -> Option<u32> {
        let ramped = (self.full > 0).then(|| {
            let since_ms = now.since(self.started);
            if since_ms >= self.ramp_ms {
                return self.full;
            }
            let risen = (100 - RAMP_FIRST_PERCENT) * since_ms / self.ramp_ms.max(1);
            let percent = RAMP_FIRST_PERCENT + risen;
            ((u64::from(self.full) * percent / 100) as u32).max(1)
        });
        match (ramped, self.limit) {
            (Some(ramped), Some(limit)) => Some(ramped.min(limit)),
            (bound, limit) => bound.or(limit),
        }
    }

    /// Takes up to `wanted` rows; gives how many have their turns now.
    pub fn take(&mut self, now: SteadyMs, wanted: u32) -> u32 {
        self.pass_seconds(now);
        let Some(rate) = self.rate(now) else {
            self.filled = now;
            self.sent += wanted;
            return wanted;
        };
        // And one row more, or slow paces would lose the part of a row that comes between two
        // looks.
        let most_micro = u64::from(rate) * MICRO / BURSTS_A_SECOND + MICRO;
        let since_ms = now.since(self.filled).min(1_000);
        self.filled = self.filled.max(now);
        let filled_micro = self.tokens_micro + u64::from(rate) * since_ms * (MICRO / 1_000);
        self.tokens_micro = filled_micro.min(most_micro);
        let taken = wanted.min((self.tokens_micro / MICRO) as u32);
        self.tokens_micro -= u64::from(taken) * MICRO;
        self.sent += taken;
        taken
    }

    /// Rows that were taken and did not have their turns.
    pub fn give_back(&mut self, rows: u32) {
        if rows == 0 {
            return;
        }
        self.sent = self.sent.saturating_sub(rows);
        self.tokens_micro = self.tokens_micro.saturating_add(u64::from(rows) * MICRO);
    }

    /// The network refused a row because it has too much to do.
    pub fn congested(&mut self) {
        self.congested += 1;
    }

    /// What congestion has left of the pace, in rows a second.
    pub fn limited_to(&self) -> Option<u32> {
        self.limit
    }

    /// At the end of each second: too much congestion halves the pace, a second without gives some
    /// of it back.
    fn pass_seconds(&mut self, now: SteadyMs) {
        let seconds = now.since(self.second) / 1_000;
        if seconds == 0 {
            return;
        }
        self.second = self.second + seconds * 1_000;
        let (sent, congested) =
            (std::mem::take(&mut self.sent), std::mem::take(&mut self.congested));
        if u64::from(congested) * 100 > u64::from(sent) * CONGESTED_PERCENT {
            let pace = self.limit.map_or(sent, |limit| limit.min(sent.max(1)));
            self.limit = Some((pace / 2).max(1));
            return;
        }
        if let Some(limit) = self.limit {
            let whole = if self.full > 0 { self.full } else { limit };
            let step = u64::from(whole) * RECOVERED_PERCENT_A_SECOND / 100;
            let raised = u64::from(limit) + step.max(1) * seconds;
            // Without a bound of its own the limit goes when it no longer binds.
            let is_free = if self.full > 0 {
                raised >= u64::from(self.full)
            } else {
                u64::from(sent) * 2 < raised
            };
            self.limit = (!is_free).then_some(raised.min(u64::from(u32::MAX)) as u32);
        }
    }
}

/// When a wave begins, beside the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaveAfter {
    /// So many seconds later.
    Seconds(u64),
    /// When so many percent of its rows have been reached.
    Percent(u8),
    /// When somebody says so.
    Order,
}

impl WaveAfter {
    /// Whether it is due, `waited_ms` after the one before was opened, of which so many rows of all
    /// have been reached.
    pub fn is_due(self, waited_ms: u64, (reached, rows): (u64, u64)) -> bool {
        match self {
            Self::Seconds(seconds) => waited_ms >= seconds.saturating_mul(1_000),
            Self::Percent(percent) => {
                u128::from(reached) * 100 >= u128::from(rows) * u128::from(percent)
            }
            Self::Order => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> SteadyMs {
        SteadyMs::new(ms)
    }

    /// Rows taken in each second, by somebody who asks for more than there is every so often.
    fn run(bucket: &mut Bucket, from_ms: u64, seconds: u64, step_ms: u64) -> Vec<u32> {
        let rows = (0..seconds).map(|second| {
            let start_ms = from_ms + second * 1_000;
            (0..1_000 / step_ms)
                .map(|step| bucket.take(at(start_ms + step * step_ms), 100_000))
                .sum()
        });
        rows.collect()
    }

    #[test]
    fn a_pace_is_kept_over_minutes_and_in_every_second() {
        for (rate, step_ms) in [(33_333, 1), (33_333, 10), (1_000, 5), (7, 20), (1, 20)] {
            let mut bucket = Bucket::new(rate, 0, at(5_000));
            let seconds = run(&mut bucket, 5_000, 60, step_ms);
            let all: u64 = seconds.iter().map(|rows| u64::from(*rows)).sum();
            let wanted = u64::from(rate) * 60;
            assert!(wanted - all <= wanted / 100 + 1, "{all} of {wanted}");
            let most = rate + rate / 50 + 2;
            assert!(seconds.iter().all(|rows| *rows <= most), "{rate}: {seconds:?}");
        }
    }

    #[test]
    fn what_is_not_used_is_not_made_up_for() {
        let mut bucket = Bucket::new(1_000, 0, at(0));
        run(&mut bucket, 0, 1, 10);
        assert_eq!(bucket.take(at(60_000), 100_000), 21);
        assert_eq!(bucket.take(at(60_000), 100_000), 0);
        assert_eq!(bucket.take(at(59_000), 100_000), 0, "time that goes back gives nothing");
        assert_eq!(Bucket::new(0, 10, at(0)).take(at(1), 7_000_000), 7_000_000, "no bound");
    }

    #[test]
    fn what_is_given_back_is_taken_again_and_does_not_gather() {
        let mut bucket = Bucket::new(1_000, 0, at(0));
        let mut most = 0;
        for step in 0..1_000 {
            let taken = bucket.take(at(step * 10), 1_024);
            most = most.max(taken);
            bucket.give_back(taken);
        }
        assert_eq!(most, 21, "a fiftieth of a second and one");
        assert_eq!(run(&mut bucket, 10_000, 5, 10).iter().sum::<u32>(), 5_011);
    }

    #[test]
    fn a_ramp_begins_at_a_tenth_and_ends_at_the_pace() {
        let mut bucket = Bucket::new(10_000, 10, at(0));
        let seconds = run(&mut bucket, 0, 14, 10);
        assert!((1_000..1_600).contains(&seconds[0]), "{seconds:?}");
        assert!(seconds[..11].windows(2).all(|pair| pair[0] < pair[1]), "{seconds:?}");
        assert!(seconds[11..].iter().all(|rows| (9_900..=10_200).contains(rows)), "{seconds:?}");
    }

    #[test]
    fn congestion_halves_the_pace_and_calm_brings_it_back() {
        for full in [1_000, 0] {
            let mut bucket = Bucket::new(full, 0, at(0));
            let mut second = |start_ms: u64, congested: u32| {
                let rows: u32 =
                    (0..100).map(|step| bucket.take(at(start_ms + step * 10), 10)).sum();
                (0..congested).for_each(|_| bucket.congested());
                (rows, bucket.limited_to())
            };
            let (rows, limit) = second(0, 30);
            assert_eq!(limit, None, "of {rows}: a second is judged when it is over");
            let (halved, limit) = second(1_000, 100);
            assert!(halved <= 510 && limit.is_some(), "{halved}");
            let (quartered, _) = second(2_000, 0);
            assert!(quartered <= 270, "{quartered}");
            let mut last = quartered;
            for round in 3..40 {
                let (rows, _) = second(round * 1_000, 0);
                assert!(rows + 12 >= last, "{full}: {rows} after {last}");
                last = rows;
            }
            assert!(last >= 980, "{full}: {last}");
        }
    }

    #[test]
    fn another_pace_holds_from_the_next_row_on_and_congestion_stays_known() {
        let mut bucket = Bucket::new(1_000, 100, at(0));
        assert_eq!(bucket.rate(at(0)), Some(100), "the ramp");
        bucket.set_pace(400);
        assert_eq!(bucket.rate(at(0)), Some(400));
        let of_a_second = |bucket: &mut Bucket, from_ms: u64| {
            (0..1_000).map(|ms| bucket.take(at(from_ms + ms), 100)).sum::<u32>()
        };
        assert!(of_a_second(&mut bucket, 1_000).abs_diff(400) <= 10);
        (0..400).for_each(|_| bucket.congested());
        bucket.take(at(2_000), 1);
        bucket.set_pace(0);
        assert!(bucket.rate(at(2_000)).is_some_and(|rate| rate <= 205), "it is congested still");
    }

    #[test]
    fn a_wave_is_due_by_time_by_reach_or_by_nobodys_clock() {
        assert!(!WaveAfter::Seconds(60).is_due(59_999, (9, 9)));
        assert!(WaveAfter::Seconds(60).is_due(60_000, (0, 9)));
        assert!(!WaveAfter::Percent(80).is_due(u64::MAX, (79, 100)));
        assert!(WaveAfter::Percent(80).is_due(0, (80, 100)));
        assert!(WaveAfter::Percent(80).is_due(0, (0, 0)), "nobody is in it");
        assert!(!WaveAfter::Order.is_due(u64::MAX, (9, 9)));
    }
}
