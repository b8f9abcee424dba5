//! Runs on a real clock, judged with what the machine did to them.
//!
//! A run's own hiccup track says for how long threads of this machine were kept waiting. A figure
//! may be off by that much beside what its test allows; on a quiet machine that is nothing. A run
//! that fails is done again a few times with the reason printed, and the last one's failure is the
//! test's.

use loadgen::conditions::Conditions;

/// Attempts of one test.
const ATTEMPTS: u32 = 5;

/// Carries out `attempt` until it succeeds, at most a few times.
pub(crate) fn judge(test: &str, attempt: impl Fn() -> Result<(), String>) {
    for number in 1..=ATTEMPTS {
        match attempt() {
            Ok(()) => return,
            Err(reason) if number < ATTEMPTS => {
                println!("{test}: attempt {number} does not count: {reason}")
            }
            Err(reason) => panic!("{test}: {reason}"),
        }
    }
}

/// By how much the machine may have falsified a latency of this run, in nanoseconds.
#[allow(dead_code, reason = "not every test binary measures latencies")]
pub(crate) fn disturbance_ns(conditions: &Conditions) -> u64 {
    conditions.hiccups.percentile_ns(99.0)
}
