//! Ten million timers: what each costs, counted and not timed, and that nobody looks at those that
//! are not due.

use hayauma::smsc::timer_wheel::{RESOLUTION_MS_DEFAULT, TimerWheel};

const TIMERS: u32 = 10_000_000;
const HOUR_MS: u64 = 3_600_000;
const START_MS: u64 = 1_795_000_000_000;
/// Timers expired or moved in one call.
const BUDGET: u32 = 100_000;

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

#[test]
fn ten_million_timers_cost_a_bounded_number_of_steps_each_and_idle_ones_none() {
    let mut wheel = TimerWheel::new(TIMERS as usize, START_MS);
    let mut random = Random(7);
    // Between two hours and three days ahead: the lifetimes of pushes that wait.
    for index in 0..TIMERS {
        wheel.start(index, START_MS + 2 * HOUR_MS + random.below(70 * HOUR_MS));
    }
    assert_eq!(wheel.len(), TIMERS as usize);

    // For a minute, tick by tick: with a budget of nothing, so that a single timer touched would
    // end it.
    let mut now_ms = START_MS;
    while now_ms < START_MS + 60_000 {
        now_ms += RESOLUTION_MS_DEFAULT;
        let idle = wheel.advance(now_ms, 0, &mut |index| unreachable!("timer {index} is not due"));
        assert!(
            idle,
            "a timer was looked at {} ms after the start, and none is due",
            now_ms - START_MS
        );
    }

    // Every second one is stopped and started again: what counts is where it stands then.
    for index in (0..TIMERS).step_by(2) {
        assert!(wheel.stop(index));
    }
    assert_eq!(wheel.len(), TIMERS as usize / 2);
    for index in (0..TIMERS).step_by(2) {
        wheel.start(index, now_ms + 2 * HOUR_MS + random.below(70 * HOUR_MS));
    }

    // All expire once; the budget that this takes is the number of timers expired or moved down a
    // level.
    let mut expired = vec![false; TIMERS as usize];
    let (mut count, mut touched) = (0u64, 0u64);
    while let Some(due_ms) = wheel.next_due_ms() {
        // At most one call more than whole budgets for every point of time with something to do.
        while !wheel.advance(due_ms, BUDGET, &mut |index| {
            assert!(
                !std::mem::replace(&mut expired[index as usize], true),
                "timer {index} expired twice"
            );
            count += 1;
        }) {
            touched += u64::from(BUDGET);
        }
    }
    assert_eq!(count, u64::from(TIMERS));
    let each = touched as f64 / f64::from(TIMERS);
    println!("{count} timers expired, {each:.2} times looked at each");
    assert!(each <= 6.0, "a timer is looked at {each} times in its life: once a level at most");
}
