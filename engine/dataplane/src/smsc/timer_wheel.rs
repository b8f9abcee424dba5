//! A hierarchical timer wheel over the indices of a slab: at most one timer for each index.
//!
//! Start, stop and expiry cost O(1) whatever the number of timers; a timer moves down at most once
//! a level, so five times in its life. `advance` spends a budget and goes on where it stopped, so a
//! storm of timers never holds the caller up.
//!
//! Never here: a clock, an allocation after construction, a call-back that may start or stop
//! timers.
//!
//! How it works: time is counted in ticks. A timer lives at the level of the highest group of six
//! bits in which its tick differs from the current one, in the bucket that those six bits name.
//! Buckets are doubly linked lists whose links are the slab's own indices, twelve octets a timer:
//! at a list's ends, and only there, a link names the bucket.
//!
//! Invariants:
//! - a timer never expires before its time, and at latest one tick after it when `advance` is
//!   called in time;
//! - while no `advance` is half done, the current tick's bucket is empty at every level above the
//!   lowest;
//! - at each level but the highest, the occupied buckets lie at or above the current one.

use host::huge_pages;
use host::huge_pages::TouchedAhead;

/// The resolution that the message center uses, in milliseconds.
pub const RESOLUTION_MS_DEFAULT: u64 = 16;

/// The longest a timer runs, in ticks: at a resolution of 16 ms 198 days.
pub const RANGE_TICKS: u64 = (1 << 30) - 1;

/// Timers that one [`TimerWheel::expire_one`] moves down at most.
pub const MOVES_PER_CALL_MAX: u32 = 256;

const LEVEL_BITS: u32 = 6;
const BUCKETS_PER_LEVEL: u32 = 1 << LEVEL_BITS;
/// Ticks are compared in 32 bits: five levels of six bits and one of the two bits left.
const LEVELS: u32 = 6;
const TOP_LEVEL: u32 = LEVELS - 1;
/// Buckets of the top level that ticks of 32 bits can name.
const TOP_BUCKETS: u32 = 1 << (u32::BITS - TOP_LEVEL * LEVEL_BITS);
const NONE: u32 = u32::MAX;
/// A link that names a bucket, in the bits below, and not a timer.
const BUCKET: u32 = 1 << 31;

const _: () = assert!(TOP_BUCKETS == 4, "the top level holds the two highest bits of a tick");
const _: () =
    assert!(RANGE_TICKS < 1 << (TOP_LEVEL * LEVEL_BITS), "a timer never laps the top level");
const _: () =
    assert!(RANGE_TICKS * RESOLUTION_MS_DEFAULT >= 80 * 3_600_000, "the longest lifetime fits");
const _: () = assert!(size_of::<Timer>() == TIMER_OCTETS);
const _: () = assert!(LEVELS * BUCKETS_PER_LEVEL < !BUCKET, "a bucket's number fits a link");

/// Octets of a timer.
pub const TIMER_OCTETS: usize = 12;

#[derive(Clone, Copy)]
struct Timer {
    /// The timer behind it in its bucket; of the last one, `BUCKET` and the bucket's number.
    next: u32,
    /// As `next`, to the front; `NONE` while it does not run.
    previous: u32,
    /// The low 32 bits of the tick at which it expires.
    due_tick: u32,
}

impl Timer {
    const STOPPED: Self = Self { next: NONE, previous: NONE, due_tick: 0 };
}

/// The bucket that a link names.
fn bucket_of(link: u32) -> Option<usize> {
    (link & BUCKET != 0).then_some((link & !BUCKET) as usize)
}

#[derive(Clone, Copy)]
struct Bucket {
    first: u32,
    last: u32,
}

/// The wheel. Order of calls: `start` and `stop` at any time; `advance` or `expire_one` when the
/// time has come to `next_due_ms`, and again while that is not in the future.
pub struct TimerWheel {
    resolution_ms: u64,
    base_ms: u64,
    current_tick: u64,
    count: usize,
    capacity: usize,
    /// As long as the highest index started so far, so that memory is touched only as the slab
    /// fills.
    timers: Vec<Timer>,
    touched: TouchedAhead,
    buckets: [Bucket; (LEVELS * BUCKETS_PER_LEVEL) as usize],
    occupied: [u64; LEVELS as usize],
}

impl TimerWheel {
    /// A wheel of the default resolution for the indices below `capacity`, whose time begins at
    /// `now_ms`.
    pub fn new(capacity: usize, now_ms: u64) -> Self {
        Self::with_resolution(capacity, RESOLUTION_MS_DEFAULT, now_ms)
    }

    /// A wheel whose ticks last `resolution_ms`, at least 1; its range is [`RANGE_TICKS`] times
    /// that.
    pub fn with_resolution(capacity: usize, resolution_ms: u64, now_ms: u64) -> Self {
        assert!(capacity < BUCKET as usize, "indices are 31 bits");
        assert!(resolution_ms >= 1, "a tick lasts");
        let mut timers = Vec::with_capacity(capacity);
        huge_pages::advise(&mut timers);
        Self {
            resolution_ms,
            base_ms: now_ms,
            current_tick: 0,
            count: 0,
            capacity,
            timers,
            touched: TouchedAhead::default(),
            buckets: [Bucket { first: NONE, last: NONE }; (LEVELS * BUCKETS_PER_LEVEL) as usize],
            occupied: [0; LEVELS as usize],
        }
    }

    /// Touches memory for timers to come, about a huge page; whether there was any to touch.
    pub(super) fn touch_ahead(&mut self) -> bool {
        self.touched.extend(&mut self.timers)
    }

    /// Timers running.
    pub fn len(&self) -> usize {
        self.count
    }

    /// No timer runs.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the timer of `index` runs.
    pub fn is_running(&self, index: u32) -> bool {
        self.timers.get(index as usize).is_some_and(|timer| timer.previous != NONE)
    }

    /// The time at which the timer of `index` is due; `None` when it does not run.
    pub fn due_ms(&self, index: u32) -> Option<u64> {
        let timer = self.timers.get(index as usize).filter(|timer| timer.previous != NONE)?;
        // Running timers are due at or after the current tick, and within 32 bits of it.
        let ahead = timer.due_tick.wrapping_sub(self.current_tick as u32);
        Some(self.base_ms + (self.current_tick + u64::from(ahead)) * self.resolution_ms)
    }

    /// Starts the timer of `index`, or moves it when it runs. It expires at the first `advance` to
    /// `due_ms` or later; a time in the past is due at once, one beyond the range is cut to it.
    pub fn start(&mut self, index: u32, due_ms: u64) {
        assert!((index as usize) < self.capacity, "an index beyond the slab");
        self.stop(index);
        if index as usize >= self.timers.len() {
            self.timers.resize(index as usize + 1, Timer::STOPPED);
        }
        let due_tick = due_ms.saturating_sub(self.base_ms).div_ceil(self.resolution_ms);
        let due_tick = due_tick.clamp(self.current_tick, self.current_tick + RANGE_TICKS);
        self.timers[index as usize].due_tick = due_tick as u32;
        self.link(index);
        self.count += 1;
    }

    /// Stops the timer of `index`; `false` when it did not run.
    pub fn stop(&mut self, index: u32) -> bool {
        if !self.is_running(index) {
            return false;
        }
        self.unlink(index);
        self.count -= 1;
        true
    }

    /// Lets the time come to `now_ms`: calls `expired` with the index of each timer whose time has
    /// come, in the order of their ticks. `budget` bounds the timers expired and moved; `false`
    /// means it was not enough and the rest waits for the next call. Time does not run backward: an
    /// earlier `now_ms` counts as the latest.
    pub fn advance(&mut self, now_ms: u64, mut budget: u32, expired: &mut impl FnMut(u32)) -> bool {
        let target_tick = self.target_tick(now_ms);
        loop {
            if !self.move_down(&mut budget) {
                return false;
            }
            while self.is_current_occupied(0) {
                if budget == 0 {
                    return false;
                }
                budget -= 1;
                if let Some(index) = self.pop_current() {
                    expired(index);
                }
            }
            if !self.step(target_tick) {
                return true;
            }
        }
    }

    /// The next timer whose time has come by `now_ms`; call until `None`. A call moves at most
    /// [`MOVES_PER_CALL_MAX`] timers: should that not do, it yields `None` although there is more,
    /// and [`next_due_ms`](Self::next_due_ms) says so.
    pub fn expire_one(&mut self, now_ms: u64) -> Option<u32> {
        let target_tick = self.target_tick(now_ms);
        let mut moves = MOVES_PER_CALL_MAX;
        loop {
            if !self.move_down(&mut moves) {
                return None;
            }
            if let Some(index) = self.pop_current() {
                return Some(index);
            }
            if !self.step(target_tick) {
                return None;
            }
        }
    }

    /// A time by which `advance` has something to do: never later than the first timer's tick,
    /// earlier when timers have to move down first. `None` while no timer runs.
    pub fn next_due_ms(&self) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let has_work_now = (0..LEVELS).any(|level| self.is_current_occupied(level));
        let tick = if has_work_now { Some(self.current_tick) } else { self.next_event_tick() };
        tick.map(|tick| self.base_ms + tick * self.resolution_ms)
    }

    /// Moves the timers of the current tick's buckets above the lowest level to where they now
    /// belong.
    fn move_down(&mut self, budget: &mut u32) -> bool {
        for level in (1..LEVELS).rev() {
            while self.is_current_occupied(level) {
                if *budget == 0 {
                    return false;
                }
                *budget -= 1;
                let index = self.buckets[self.current_bucket(level)].first;
                self.unlink(index);
                self.link(index);
            }
        }
        true
    }

    /// Takes the first timer of the current tick off the wheel.
    fn pop_current(&mut self) -> Option<u32> {
        let index = self.buckets[self.current_bucket(0)].first;
        if index == NONE {
            return None;
        }
        self.unlink(index);
        self.count -= 1;
        Some(index)
    }

    /// The tick of `now_ms`; time does not run backward.
    fn target_tick(&self, now_ms: u64) -> u64 {
        (now_ms.saturating_sub(self.base_ms) / self.resolution_ms).max(self.current_tick)
    }

    /// Goes on to the next tick with something to do, at most to `target_tick`; `false` when
    /// already there.
    fn step(&mut self, target_tick: u64) -> bool {
        if self.current_tick == target_tick {
            return false;
        }
        self.current_tick =
            self.next_event_tick().map_or(target_tick, |tick| tick.min(target_tick));
        true
    }

    /// The next tick after the current one at which a bucket expires or moves down.
    fn next_event_tick(&self) -> Option<u64> {
        for level in 0..TOP_LEVEL {
            let above = (!0 << self.position(level)) & !(1 << self.position(level));
            let occupied = self.occupied[level as usize] & above;
            if occupied != 0 {
                let shift = level * LEVEL_BITS;
                let lap = self.current_tick >> shift & !u64::from(BUCKETS_PER_LEVEL - 1);
                return Some((lap | u64::from(occupied.trailing_zeros())) << shift);
            }
        }
        let shift = TOP_LEVEL * LEVEL_BITS;
        (1..TOP_BUCKETS).find_map(|ahead| {
            let position = (self.position(TOP_LEVEL) + ahead) % TOP_BUCKETS;
            let is_occupied = self.occupied[TOP_LEVEL as usize] >> position & 1 == 1;
            is_occupied.then_some(((self.current_tick >> shift) + u64::from(ahead)) << shift)
        })
    }

    /// The current tick's place in `level`.
    fn position(&self, level: u32) -> u32 {
        self.current_tick as u32 >> (level * LEVEL_BITS) & (BUCKETS_PER_LEVEL - 1)
    }

    fn current_bucket(&self, level: u32) -> usize {
        (level * BUCKETS_PER_LEVEL + self.position(level)) as usize
    }

    fn is_current_occupied(&self, level: u32) -> bool {
        self.occupied[level as usize] >> self.position(level) & 1 == 1
    }

    /// Appends a timer to the bucket that its tick and the current one name.
    fn link(&mut self, index: u32) {
        let due_tick = self.timers[index as usize].due_tick;
        let difference = due_tick ^ self.current_tick as u32;
        let level = (difference | 1).ilog2() / LEVEL_BITS;
        let position = due_tick >> (level * LEVEL_BITS) & (BUCKETS_PER_LEVEL - 1);
        let number = level * BUCKETS_PER_LEVEL + position;
        let bucket = &mut self.buckets[number as usize];
        let mut previous = bucket.last;
        bucket.last = index;
        if previous == NONE {
            previous = BUCKET | number;
            bucket.first = index;
            self.occupied[level as usize] |= 1 << position;
        } else {
            self.timers[previous as usize].next = index;
        }
        self.timers[index as usize] = Timer { next: BUCKET | number, previous, due_tick };
    }

    fn unlink(&mut self, index: u32) {
        let timer = &mut self.timers[index as usize];
        let Timer { next, previous, .. } = *timer;
        timer.previous = NONE;
        match (bucket_of(previous), bucket_of(next)) {
            (None, None) => {
                self.timers[previous as usize].next = next;
                self.timers[next as usize].previous = previous;
            }
            (Some(number), None) => {
                self.buckets[number].first = next;
                self.timers[next as usize].previous = previous;
            }
            (None, Some(number)) => {
                self.buckets[number].last = previous;
                self.timers[previous as usize].next = next;
            }
            (Some(number), Some(_)) => {
                self.buckets[number] = Bucket { first: NONE, last: NONE };
                let (level, position) =
                    (number as u32 / BUCKETS_PER_LEVEL, number as u32 % BUCKETS_PER_LEVEL);
                self.occupied[level as usize] &= !(1 << position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// A seeded generator, xorshift64*.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
        }
    }

    fn advance_all(wheel: &mut TimerWheel, now_ms: u64) -> Vec<u32> {
        let mut expired = Vec::new();
        assert!(wheel.advance(now_ms, u32::MAX, &mut |index| expired.push(index)));
        expired
    }

    #[test]
    fn a_timer_expires_at_its_time_and_not_before() {
        for delay_ms in
            [0, 1, 15, 16, 17, 1_023, 1_024, 65_536, 5_000_000, 80 * 3_600_000, 180 * 86_400_000]
        {
            let mut wheel = TimerWheel::new(10, 1_000);
            wheel.start(3, 1_000 + delay_ms);
            assert_eq!(wheel.due_ms(3), Some(1_000 + delay_ms.next_multiple_of(16)));
            assert_eq!(wheel.due_ms(2), None);
            if delay_ms > 0 {
                assert!(advance_all(&mut wheel, 1_000 + delay_ms - 1).is_empty());
            }
            assert_eq!(
                advance_all(&mut wheel, 1_000 + delay_ms.next_multiple_of(16)),
                [3],
                "{delay_ms} ms"
            );
            assert!(wheel.is_empty());
            assert_eq!(wheel.next_due_ms(), None);
        }
    }

    #[test]
    fn a_time_beyond_the_range_is_cut_to_it() {
        let mut wheel = TimerWheel::with_resolution(1, 1, 0);
        wheel.start(0, u64::MAX);
        assert!(advance_all(&mut wheel, RANGE_TICKS - 1).is_empty());
        assert_eq!(advance_all(&mut wheel, RANGE_TICKS), [0]);
    }

    #[test]
    fn a_stopped_timer_never_expires_and_its_index_starts_again() {
        let mut wheel = TimerWheel::with_resolution(4, 1, 0);
        for index in 0..4 {
            wheel.start(index, 100);
        }
        assert!(wheel.stop(1));
        assert!(!wheel.stop(1));
        assert!(wheel.stop(3));
        assert!(wheel.stop(0));
        wheel.start(1, 100);
        assert_eq!(advance_all(&mut wheel, 100), [2, 1]);
    }

    #[test]
    fn starting_a_running_timer_moves_it() {
        let mut wheel = TimerWheel::with_resolution(2, 1, 0);
        wheel.start(0, 10);
        wheel.start(0, 5_000);
        assert_eq!(wheel.len(), 1);
        assert!(advance_all(&mut wheel, 4_999).is_empty());
        assert_eq!(advance_all(&mut wheel, 5_000), [0]);
    }

    #[test]
    fn a_clock_that_steps_back_stands_still() {
        let mut wheel = TimerWheel::with_resolution(2, 1, 10_000);
        assert!(advance_all(&mut wheel, 20_000).is_empty());
        assert!(advance_all(&mut wheel, 5_000).is_empty());
        wheel.start(0, 6_000);
        assert_eq!(advance_all(&mut wheel, 5_000), [0]);
    }

    #[test]
    fn timers_come_one_by_one_even_when_many_must_move_first() {
        let mut wheel = TimerWheel::with_resolution(5_000, 1, 0);
        for index in 0..5_000 {
            wheel.start(index, 1 << 24);
        }
        let mut expired = Vec::new();
        let mut calls = 0;
        while wheel.next_due_ms().is_some_and(|due_ms| due_ms <= 1 << 24) {
            expired.extend(wheel.expire_one(1 << 24));
            calls += 1;
        }
        assert_eq!(expired, (0..5_000).collect::<Vec<_>>());
        assert!(calls <= 5_000 + 5 * 5_000 / MOVES_PER_CALL_MAX + 1, "{calls} calls");
    }

    #[test]
    fn a_budget_bounds_a_call_and_loses_nothing() {
        let mut wheel = TimerWheel::with_resolution(1_000, 1, 0);
        for index in 0..1_000 {
            wheel.start(index, 100_000 + u64::from(index % 7));
        }
        let mut expired = BTreeSet::new();
        let mut calls = 0;
        loop {
            let before = expired.len();
            let is_done = wheel.advance(200_000, 10, &mut |index| assert!(expired.insert(index)));
            assert!(expired.len() - before <= 10);
            calls += 1;
            // A timer started while the wheel is behind is not lost either.
            if calls == 50 {
                wheel.start(0, 150_000);
            }
            if is_done {
                break;
            }
        }
        assert_eq!(expired.len(), 1_000);
        assert!(calls <= 6 * 1_000 / 10 + 10, "{calls} calls: at most one move a level");
    }

    /// The wheel beside the obvious model: a map from due tick to indices.
    fn agrees_with_the_model(seed: u64, resolution_ms: u64, first_tick: u64, steps: u32) {
        const INDICES: u64 = 300;
        let mut random = Random(seed | 1);
        let mut wheel = TimerWheel::with_resolution(INDICES as usize, resolution_ms, 7);
        let mut now_ms = 7 + first_tick * resolution_ms;
        assert!(advance_all(&mut wheel, now_ms).is_empty());
        let mut due_ms_of: BTreeMap<u32, u64> = BTreeMap::new();
        for step in 0..steps {
            let index = random.below(INDICES) as u32;
            match random.below(10) {
                0..=5 => {
                    let range_ms = 1 << random.below(29);
                    let due_ms = now_ms + random.below(range_ms * resolution_ms);
                    wheel.start(index, due_ms);
                    due_ms_of.insert(index, due_ms);
                }
                6 => assert_eq!(wheel.stop(index), due_ms_of.remove(&index).is_some()),
                _ => {
                    // Half the time straight to the wheel's own next time, to hit its edges.
                    let range_ms = 1 << random.below(24);
                    now_ms = match wheel.next_due_ms() {
                        Some(due_ms) if random.below(2) == 0 => now_ms.max(due_ms),
                        _ => now_ms + random.below(range_ms),
                    };
                    let budget = 1 + random.below(20) as u32;
                    loop {
                        let mut late = Vec::new();
                        let is_done = if budget > 10 {
                            wheel.advance(now_ms, budget, &mut |index| late.push(index))
                        } else {
                            late.extend(wheel.expire_one(now_ms));
                            late.is_empty()
                        };
                        for index in late {
                            let due_ms =
                                due_ms_of.remove(&index).expect("only running timers expire");
                            assert!(due_ms <= now_ms, "seed {seed} step {step}: early");
                        }
                        if is_done {
                            break;
                        }
                    }
                    let tick_ms = now_ms - (now_ms - 7) % resolution_ms;
                    assert!(
                        due_ms_of.values().all(|&due_ms| due_ms > tick_ms),
                        "seed {seed} step {step}: late"
                    );
                }
            }
            assert_eq!(wheel.len(), due_ms_of.len());
            match (wheel.next_due_ms(), due_ms_of.values().min()) {
                (None, None) => {}
                (Some(next_ms), Some(&due_ms)) => {
                    assert!(
                        next_ms < due_ms.max(now_ms) + resolution_ms,
                        "seed {seed} step {step}"
                    );
                }
                other => unreachable!("seed {seed} step {step}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_wheel_agrees_with_an_ordered_map() {
        for seed in 0..40 {
            agrees_with_the_model(seed, 1, 0, 2_000);
            agrees_with_the_model(seed, 16, seed, 2_000);
        }
    }

    #[test]
    fn the_wheel_agrees_with_an_ordered_map_where_ticks_wrap() {
        for seed in 0..20 {
            for edge in [1 << 30, 1 << 31, 1 << 32, 3 << 32] {
                agrees_with_the_model(seed, 16, edge - 1 - seed * 1_000, 1_000);
            }
        }
    }

    #[test]
    fn two_hundred_thousand_timers_all_expire_once_in_order() {
        const COUNT: u32 = 200_000;
        let mut random = Random(11);
        let mut wheel = TimerWheel::with_resolution(COUNT as usize, 16, 0);
        let mut due_ms_of = vec![0; COUNT as usize];
        for index in 0..COUNT {
            due_ms_of[index as usize] = random.below(72 * 3_600_000);
            wheel.start(index, due_ms_of[index as usize]);
        }
        let mut count = 0;
        let mut last_tick = 0;
        assert!(wheel.advance(72 * 3_600_000, u32::MAX, &mut |index| {
            let tick = due_ms_of[index as usize].div_ceil(16);
            assert!(tick >= last_tick, "out of order");
            last_tick = tick;
            count += 1;
        }));
        assert_eq!(count, COUNT);
        assert!(wheel.is_empty());
    }
}
