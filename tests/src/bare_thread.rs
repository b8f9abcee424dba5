//! A bare thread beside the engine, and the rule by which a standstill is the engine's.
//!
//! The engine's watchdog counts a shard without a turn for a tenth of a second. On a machine that
//! is busy, or whose own host takes the CPU away, every thread may stand still so long. So a thread
//! that does nothing but sleep ten milliseconds at a time runs on each CPU of the shards. A wake of
//! the watchdog is the machine's only where that thread came late in the same moment; every other
//! one is the engine's.

use crate::admin::Admin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a bare thread sleeps at a time.
const SLEEP: Duration = Duration::from_millis(10);
/// The machine stood still when a bare thread came later than this.
pub const LATE: Duration = Duration::from_millis(50);
/// Between two looks at the engine's count of wakes.
const LOOK: Duration = Duration::from_millis(250);
/// A wake is counted so long after its standstill began, or sooner.
const COUNTED_WITHIN: Duration = Duration::from_millis(300);
/// A shard that goes on standing still is counted again after so long.
const COUNTED_AGAIN: Duration = Duration::from_millis(100);

/// A moment in which the machine stood still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LateMoment {
    /// The CPU on which the thread was late.
    pub cpu: usize,
    /// When it should have woken.
    pub due: Instant,
    /// How late it was.
    pub by: Duration,
}

/// The running bare threads.
#[derive(Debug)]
pub struct BareThreads {
    threads: Vec<JoinHandle<Vec<LateMoment>>>,
    is_over: Arc<AtomicBool>,
}

impl BareThreads {
    /// Starts one on each of these CPUs.
    pub fn beside(cpus: &[usize]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let threads = cpus.iter().map(|&cpu| {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || late_moments(cpu, &is_over))
        });
        Self { threads: threads.collect(), is_over }
    }

    /// Ends them; every late moment, in its order on each CPU.
    ///
    /// # Panics
    /// When one of them could not be pinned.
    pub fn end(self) -> Vec<LateMoment> {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.threads.into_iter().map(|thread| thread.join().expect("a bare thread"));
        ended.flatten().collect()
    }
}

fn late_moments(cpu: usize, is_over: &AtomicBool) -> Vec<LateMoment> {
    loadgen::os::pin_thread(&[cpu]).expect("a CPU of this process");
    let mut late = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let due = Instant::now() + SLEEP;
        std::thread::park_timeout(SLEEP);
        let by = due.elapsed();
        if by > LATE {
            late.push(LateMoment { cpu, due, by });
        }
    }
    late
}

/// Wakes of one shard that were counted between two looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wakes {
    /// The shard's number.
    pub shard: usize,
    /// How many.
    pub count: u64,
    /// The look before.
    pub from: Instant,
    /// The look that found them.
    pub to: Instant,
}

/// Looks at an engine's count of wakes, shard by shard.
#[derive(Debug)]
pub struct WakeWatch {
    admin: Admin,
    seen: Vec<u64>,
    looked: Instant,
    found: Vec<Wakes>,
    turns: u64,
}

impl WakeWatch {
    /// From now on; the engine has just started.
    pub fn of(admin: Admin) -> Self {
        Self { admin, seen: Vec::new(), looked: Instant::now(), found: Vec::new(), turns: 0 }
    }

    /// Looks, unless the last look was a moment ago.
    pub fn look_if_due(&mut self) {
        if self.looked.elapsed() >= LOOK {
            self.look();
        }
    }

    /// Looks; whether the engine answered. What one look misses, the next finds.
    pub fn look(&mut self) -> bool {
        let Some(status) = self.admin.try_status() else { return false };
        let to = Instant::now();
        let from = std::mem::replace(&mut self.looked, to);
        self.seen.resize(status.shards.len(), 0);
        for (shard, seen) in status.shards.iter().zip(&mut self.seen) {
            let now = shard.figures.get("watchdog_wakes").copied().unwrap_or_default();
            let count = now - std::mem::replace(seen, now);
            if count > 0 {
                self.found.push(Wakes { shard: shard.shard, count, from, to });
            }
        }
        self.turns = status.totals.get("turns").copied().unwrap_or_default();
        true
    }

    /// Turns of all shards up to the last look.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// All wakes so far.
    pub fn wakes(&self) -> u64 {
        self.found.iter().map(|wakes| wakes.count).sum()
    }

    /// The wakes that are the engine's own, shard `n` running on the CPU at `n`.
    pub fn own(&self, late: &[LateMoment], cpus: &[usize]) -> Vec<Wakes> {
        let found = self.found.iter();
        let own = found.map(|wakes| Wakes { count: own(wakes, late, cpus[wakes.shard]), ..*wakes });
        own.filter(|wakes| wakes.count > 0).collect()
    }
}

/// How many of these wakes are the engine's own, on this CPU.
fn own(wakes: &Wakes, late: &[LateMoment], cpu: usize) -> u64 {
    let since = wakes.from.checked_sub(COUNTED_WITHIN).unwrap_or(wakes.from);
    let beside = late.iter().filter(|moment| moment.cpu == cpu);
    let beside = beside.filter(|moment| moment.due <= wakes.to && moment.due + moment.by >= since);
    // One for the standstill, and one more for each tenth of a second that it lasted.
    let machine = beside.map(|moment| 1 + moment.by.as_millis() / COUNTED_AGAIN.as_millis());
    wakes.count.saturating_sub(machine.sum::<u128>() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_wake_is_the_machines_only_where_the_bare_thread_of_its_cpu_was_late_too() {
        let start = Instant::now() + ms(10_000);
        let at = |begun: u64| start + ms(begun);
        let wakes = |count| Wakes { shard: 0, count, from: at(1_000), to: at(1_250) };
        let late = |cpu, due, by: u64| LateMoment { cpu, due: at(due), by: ms(by) };
        assert_eq!(own(&wakes(2), &[], 0), 2);
        assert_eq!(own(&wakes(1), &[late(0, 900, 60)], 0), 0);
        assert_eq!(own(&wakes(2), &[late(0, 900, 60)], 0), 1, "too short for a second wake");
        assert_eq!(own(&wakes(4), &[late(0, 900, 310)], 0), 0);
        assert_eq!(own(&wakes(1), &[late(1, 900, 60)], 0), 1, "another CPU");
        assert_eq!(own(&wakes(1), &[late(0, 600, 60)], 0), 1, "long before");
        assert_eq!(own(&wakes(1), &[late(0, 1_251, 60)], 0), 1, "after");
    }
}
