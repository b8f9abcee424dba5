//! How fast a carrier is sent to: its rate, and what it answers when that is too much.
//!
//! Pure: it is told the time, in milliseconds of its owner's clock, counts SMS (segments, not
//! pushes), and says when the next may go. All sessions of a carrier share one [`CarrierPace`].
//!
//! Two bounds hold: a bucket of 100 ms' depth, and in any second no more SMS than the rate, however
//! the carrier cuts its seconds: one that counts strictly has nothing to refuse.

/// The bucket holds what the rate gives in this time.
const DEPTH_MS: u64 = 100;
/// How long the carrier rests after a lone ESME_RTHROTTLED: what the bucket holds is not sent.
const BRIEF_MS: u64 = DEPTH_MS;
/// How long it rests after one that is not alone.
const THROTTLED_MS: u64 = 1_000;
/// A further one so soon says that the rate is too high, not that a clock differs by a little.
const LONE_MS: u64 = 3_000;
/// How long it rests after the first ESME_RMSGQFUL, and how long at most.
const QUEUE_FULL_MS: u64 = 5_000;
const QUEUE_FULL_MS_MAX: u64 = 60_000;
/// After so long with nothing but refusals for its load the carrier is choked.
const CHOKED_MS: u64 = 300_000;
/// The whole rate, in its smallest parts: halved four times it is 1.
const FACTOR_WHOLE: u64 = 16;
/// How often the factor grows by one part.
const GROW_MS: u64 = 1_000;
/// Parts of one SMS in the bucket: at a rate of r SMS a second and a factor of f sixteenths, r × f
/// parts come in a millisecond, so that nothing is ever rounded.
const SMS: i64 = 1_000 * FACTOR_WHOLE as i64;
/// A second and as much as SMS may be late on their way, in milliseconds: in so long no more go
/// than the rate gives in a second.
const SECOND_MS: u64 = 1_010;
/// Longer than any bucket takes to fill: one SMS at a sixteenth of one a second.
const FILLED_MS_MAX: u64 = 16_000;

/// What went in the last second, by the millisecond.
#[derive(Clone, Debug)]
struct LastSecond {
    counts: Box<[u32]>,
    /// Of all of them.
    sum: u32,
    now_ms: u64,
}

impl LastSecond {
    fn new(now_ms: u64) -> Self {
        Self { counts: vec![0; SECOND_MS as usize].into(), sum: 0, now_ms }
    }

    fn count(&mut self, at_ms: u64) -> &mut u32 {
        &mut self.counts[(at_ms % SECOND_MS) as usize]
    }

    /// It is so late: what went longer ago does not count any more.
    fn advance(&mut self, now_ms: u64) {
        if now_ms >= self.now_ms + SECOND_MS {
            self.counts.fill(0);
            self.sum = 0;
        } else {
            for at_ms in self.now_ms + 1..=now_ms {
                self.sum -= std::mem::take(self.count(at_ms));
            }
        }
        self.now_ms = self.now_ms.max(now_ms);
    }

    fn add(&mut self, count: u32) {
        *self.count(self.now_ms) += count;
        self.sum += count;
    }

    fn give_back(&mut self, count: u32) {
        let now_ms = self.now_ms;
        let place = self.count(now_ms);
        let count = count.min(*place);
        *place -= count;
        self.sum -= count;
    }

    /// When fewer than `most` will have gone.
    fn below_ms(&mut self, most: u32) -> u64 {
        let mut left = self.sum;
        for passed_ms in 0..SECOND_MS {
            if left < most {
                return self.now_ms + passed_ms;
            }
            left -= *self.count(self.now_ms + passed_ms + 1);
        }
        self.now_ms + SECOND_MS
    }
}

/// The rate of one carrier.
#[derive(Clone, Debug)]
pub struct CarrierPace {
    /// SMS a second; 0: none.
    rate: u32,
    /// Sixteenths of the rate that are used: 1 to 16.
    factor: u64,
    /// When the factor grew last, or was halved.
    grown_ms: u64,
    /// In parts of an SMS.
    level: i64,
    filled_ms: u64,
    paused_until_ms: u64,
    /// The rest is that of a lone ESME_RTHROTTLED.
    rests_briefly: bool,
    /// When the last ESME_RTHROTTLED came that counted.
    throttled_ms: Option<u64>,
    queue_full_ms: u64,
    last_second: LastSecond,
    /// Since when every answer has been a refusal for load.
    refused_since_ms: Option<u64>,
}

impl CarrierPace {
    /// A carrier of `rate` SMS a second, up to 1,000,000; 0 where it has no limit. The bucket is
    /// full.
    pub fn new(rate: u32, now_ms: u64) -> Self {
        let mut pace = Self {
            rate: rate.min(1_000_000),
            factor: FACTOR_WHOLE,
            grown_ms: now_ms,
            level: 0,
            filled_ms: now_ms,
            paused_until_ms: 0,
            rests_briefly: false,
            throttled_ms: None,
            queue_full_ms: QUEUE_FULL_MS,
            last_second: LastSecond::new(now_ms),
            refused_since_ms: None,
        };
        pace.level = pace.depth();
        pace
    }

    /// Another rate from now on; what the carrier said of the old one counts for the new one too.
    pub fn set_rate(&mut self, rate: u32, now_ms: u64) {
        self.fill(now_ms);
        self.rate = rate.min(1_000_000);
        self.level = self.level.min(self.depth());
    }

    /// How many SMS fit the bucket, in its parts: what comes in 100 ms, and at least one.
    fn depth(&self) -> i64 {
        (i64::from(self.rate) * (DEPTH_MS * FACTOR_WHOLE) as i64).max(SMS)
    }

    /// Sixteenths of the configured rate that are used now.
    pub fn factor_sixteenths(&self) -> u8 {
        self.factor as u8
    }

    /// Whether SMS may go now: how many, up to `wanted`. They are taken from the bucket, so all of
    /// them have to go or to be given back.
    pub fn take(&mut self, wanted: u32, now_ms: u64) -> u32 {
        self.fill(now_ms);
        if now_ms < self.paused_until_ms {
            return 0;
        }
        if self.rate == 0 {
            return wanted;
        }
        let there = (self.level / SMS).max(0) as u64;
        self.last_second.advance(now_ms);
        let left = self.rate.saturating_sub(self.last_second.sum);
        let taken = u64::from(wanted).min(there) as u32;
        let taken = taken.min(left);
        self.last_second.add(taken);
        self.level -= i64::from(taken) * SMS;
        taken
    }

    /// So many SMS go beside those that were taken: a message that cannot be sent in parts. What is
    /// not there is owed, and the next SMS wait for it.
    pub fn owe(&mut self, count: u32, now_ms: u64) {
        if self.rate == 0 || count == 0 {
            return;
        }
        self.fill(now_ms);
        self.last_second.advance(now_ms);
        self.last_second.add(count);
        self.level -= i64::from(count) * SMS;
    }

    /// How many SMS may go within so long, at least one; many where there is no limit.
    pub fn within(&mut self, span_ms: u64, now_ms: u64) -> u32 {
        if self.rate == 0 {
            return u32::MAX;
        }
        self.fill(now_ms);
        let comes = (span_ms * u64::from(self.rate) * self.factor) as i64;
        ((self.level + comes) / SMS).clamp(1, i64::from(u32::MAX)) as u32
    }

    /// Puts back what was taken and not sent.
    pub fn give_back(&mut self, count: u32) {
        self.last_second.give_back(count);
        self.level = (self.level + i64::from(count) * SMS).min(self.depth());
    }

    /// When the next SMS may go; `now_ms` where one may go at once.
    pub fn next_ms(&mut self, now_ms: u64) -> u64 {
        self.fill(now_ms);
        let due = if self.rate == 0 || self.level >= SMS {
            now_ms
        } else {
            let lacking = (SMS - self.level) as u64;
            now_ms + lacking.div_ceil(u64::from(self.rate) * self.factor)
        };
        let due = if self.rate == 0 {
            due
        } else {
            self.last_second.advance(now_ms);
            due.max(self.last_second.below_ms(self.rate))
        };
        due.max(self.paused_until_ms)
    }

    /// The carrier answered ESME_RTHROTTLED. A lone one costs a tenth of a second and a sixteenth
    /// of the rate: the two clocks cut their seconds differently. A further one within three
    /// seconds means a second's rest and half the rate. Answers to what was sent before that rest
    /// began change nothing more.
    pub fn handle_throttled(&mut self, now_ms: u64) {
        self.fill(now_ms);
        self.refused_since_ms.get_or_insert(now_ms);
        if self.rests_in_earnest(now_ms) {
            return;
        }
        let is_lone = self.throttled_ms.is_none_or(|before_ms| now_ms >= before_ms + LONE_MS);
        self.throttled_ms = Some(now_ms);
        let (factor, rest_ms) = match is_lone {
            true => (self.factor - 1, BRIEF_MS),
            false => (self.factor / 2, THROTTLED_MS),
        };
        self.rests_briefly = is_lone;
        self.factor = factor.max(1);
        self.grown_ms = now_ms + rest_ms;
        self.paused_until_ms = now_ms + rest_ms;
    }

    /// The carrier answered ESME_RMSGQFUL: a rest of five seconds, twice as long each time up to a
    /// minute.
    pub fn handle_queue_full(&mut self, now_ms: u64) {
        self.fill(now_ms);
        self.refused_since_ms.get_or_insert(now_ms);
        if self.rests_in_earnest(now_ms) {
            return;
        }
        self.rests_briefly = false;
        self.paused_until_ms = now_ms + self.queue_full_ms;
        self.queue_full_ms = (self.queue_full_ms * 2).min(QUEUE_FULL_MS_MAX);
    }

    /// Whether a rest is under way that further refusals do not make longer.
    fn rests_in_earnest(&self, now_ms: u64) -> bool {
        now_ms < self.paused_until_ms && !self.rests_briefly
    }

    /// The carrier answered anything else: it is not choked, and the next rest of a full queue is
    /// short again.
    pub fn handle_other(&mut self) {
        self.refused_since_ms = None;
        self.queue_full_ms = QUEUE_FULL_MS;
    }

    /// Whether it has refused everything for its load for five minutes.
    pub fn is_choked(&self, now_ms: u64) -> bool {
        self.refused_since_ms.is_some_and(|since| now_ms >= since + CHOKED_MS)
    }

    /// Until when it rests; `None` where it does not.
    pub fn paused_until(&self, now_ms: u64) -> Option<u64> {
        Some(self.paused_until_ms).filter(|&until| now_ms < until)
    }

    /// Lets in what has come since the last time, and the factor grow.
    fn fill(&mut self, now_ms: u64) {
        let now_ms = now_ms.max(self.filled_ms);
        // The bucket fills by the factor of each second, so it goes in steps of what the factor
        // lasts.
        while self.filled_ms < now_ms {
            let grows_ms =
                if self.factor < FACTOR_WHOLE { self.grown_ms + GROW_MS } else { u64::MAX };
            let until_ms = now_ms.min(grows_ms.max(self.filled_ms));
            let elapsed_ms = (until_ms - self.filled_ms).min(FILLED_MS_MAX);
            let parts = elapsed_ms * u64::from(self.rate) * self.factor;
            self.level = (self.level + parts as i64).min(self.depth());
            self.filled_ms = until_ms;
            if until_ms >= grows_ms {
                self.factor += 1;
                self.grown_ms = grows_ms;
            }
        }
    }
}
