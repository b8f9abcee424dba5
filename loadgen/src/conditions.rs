//! What the machine did to a run: pauses, stolen time, and the course of the run over time.
//!
//! A thread of its own looks; it never touches a push. Before the load it spins for a moment: what
//! the clock skips there is the machine's. During the load it sleeps a millisecond at a time: what
//! it oversleeps is a hiccup that any thread beside it may have had (after Gil Tene's jHiccup).
//! Every quarter of a second it notes how far the run is.

use crate::clock::Clock;
use crate::latency::Latencies;
use crate::ledger::{Ledger, Progress};
use crate::limits::INTERVAL_NS;
use crate::os;
use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the clock is watched before the load.
const SPIN: Duration = Duration::from_millis(20);
/// The sleep whose overshoot is a hiccup.
const NAP: Duration = Duration::from_millis(1);

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// The longest that the clock skipped while a thread spun before the load, in nanoseconds.
    pub baseline_pause_ns: u64,
    /// By how much sleeps of a millisecond were too long during the load.
    pub hiccups: Latencies,
    /// Share, 0 to 1, of all CPUs' time during the load that the hypervisor gave to others.
    pub steal: f64,
    /// Share, 0 to 1, of all CPUs' time during the load that was used by whomever.
    pub machine_busy: f64,
    /// The course of the run.
    pub samples: Vec<Sample>,
}

/// How far a run was at one moment; all counts are since the start of the load.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Since the start of the load.
    pub at_s: f64,
    /// Open loop: requests that have fallen due.
    pub due: Option<u64>,
    /// Pushes sent.
    pub sent: u64,
    /// Answers that refuse, by the first digit of their code: position 0 counts 1xxx.
    pub refusals: [u64; 9],
    /// Pushes accepted.
    pub accepted: u64,
    /// Pushes refused.
    pub refused: u64,
    /// Pushes notified.
    pub notified: u64,
    /// CPU time of the generator.
    pub generator_cpu_s: f64,
    /// CPU time of the watched process, where there is one.
    pub engine_cpu_s: Option<f64>,
    /// Its resident memory that is no file's.
    pub engine_own_octets: Option<u64>,
    /// Its resident memory with the pages of its mapped files.
    pub engine_resident_octets: Option<u64>,
}

/// A thread that looks.
pub(crate) struct Observer {
    stop: Arc<AtomicBool>,
    started: Arc<AtomicBool>,
    thread: Option<JoinHandle<Conditions>>,
}

/// Jiffies of all CPUs since boot.
#[derive(Clone, Copy, Default)]
struct Jiffies {
    total: u64,
    idle: u64,
    steal: u64,
}

impl Observer {
    /// Spins for the baseline, then waits for `begin`; looks from the plan's CPUs, or from any
    /// where it has none.
    pub(crate) fn prepare(ledger: Arc<Ledger>, plan: &Plan) -> io::Result<Self> {
        let (stop, started) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stop_here, started_here) = (Arc::clone(&stop), Arc::clone(&started));
        let (baseline_pause_ns, watched) = (spin(), plan.watched);
        let (cpus, spare_cpus) = (plan.cpus.clone(), plan.spare_cpus.clone());
        let thread = std::thread::Builder::new().name("observer".to_owned()).spawn(move || {
            // Elsewhere it would wake a CPU of the engine a thousand times a second.
            let _ = os::pin_thread(&cpus);
            while !started_here.load(Relaxed) && !stop_here.load(Relaxed) {
                std::thread::park_timeout(NAP);
            }
            let conditions = Conditions { baseline_pause_ns, ..Conditions::default() };
            observe(conditions, &ledger, watched, (&cpus, &spare_cpus), &stop_here)
        })?;
        Ok(Self { stop, started, thread: Some(thread) })
    }

    /// The load starts now.
    pub(crate) fn begin(&self) {
        self.started.store(true, Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// The load has ended.
    pub(crate) fn end(mut self) -> Conditions {
        self.stop.store(true, Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn spin() -> u64 {
    let clock = Clock::start();
    let (mut last_ns, mut longest_ns) = (0, 0);
    while last_ns < SPIN.as_nanos() as u64 {
        let now_ns = clock.now_ns();
        longest_ns = longest_ns.max(now_ns - last_ns);
        last_ns = now_ns;
    }
    longest_ns
}

fn observe(
    mut conditions: Conditions,
    ledger: &Ledger,
    watched: Option<u32>,
    (cpus, spare_cpus): (&[usize], &[usize]),
    stop: &AtomicBool,
) -> Conditions {
    let generator_before = os::own_cpu_time();
    let engine_before = watched.and_then(os::fine_cpu_time_of);
    let jiffies_before = jiffies();
    let sample = |conditions: &mut Conditions| {
        // This takes half a millisecond, which those on the generator's CPUs need not wait for.
        let _ = os::pin_thread(spare_cpus);
        let since_start_ns = ledger.clock().now_ns().saturating_sub(ledger.start_ns());
        let memory = watched.and_then(|process| os::memory_of(process).ok());
        let engine_cpu = watched
            .and_then(os::fine_cpu_time_of)
            .zip(engine_before)
            .map(|(now, before)| now - before);
        let Progress { attempted, accepted, refused, notified, .. } = ledger.progress();
        conditions.samples.push(Sample {
            at_s: since_start_ns as f64 / 1e9,
            due: ledger
                .schedule()
                .map(|schedule| schedule.due(since_start_ns).min(ledger.requests())),
            sent: attempted,
            refusals: std::array::from_fn(|class| ledger.answer_classes()[class + 1]),
            accepted,
            refused,
            notified,
            generator_cpu_s: os::own_cpu_time().saturating_sub(generator_before).as_secs_f64(),
            engine_cpu_s: engine_cpu.map(|time| time.as_secs_f64()),
            engine_own_octets: memory.map(|memory| memory.anonymous_octets),
            engine_resident_octets: memory
                .map(|memory| memory.anonymous_octets + memory.file_octets),
        });
        if !spare_cpus.is_empty() {
            let _ = os::pin_thread(cpus);
        }
        since_start_ns
    };
    sample(&mut conditions);
    let mut next_sample_ns = INTERVAL_NS;
    while !stop.load(Relaxed) {
        let begun = Instant::now();
        std::thread::sleep(NAP);
        conditions.hiccups.record(begun.elapsed().saturating_sub(NAP).as_nanos() as u64);
        let now_ns = ledger.clock().now_ns().saturating_sub(ledger.start_ns());
        if now_ns >= next_sample_ns {
            next_sample_ns = (sample(&mut conditions) / INTERVAL_NS + 1) * INTERVAL_NS;
        }
    }
    sample(&mut conditions);
    let after = jiffies();
    let share =
        |part: u64| part as f64 / after.total.saturating_sub(jiffies_before.total).max(1) as f64;
    conditions.steal = share(after.steal.saturating_sub(jiffies_before.steal));
    conditions.machine_busy = 1.0 - share(after.idle.saturating_sub(jiffies_before.idle)).min(1.0);
    conditions
}

fn jiffies() -> Jiffies {
    jiffies_in(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
}

/// The first line of /proc/stat: user nice system idle iowait irq softirq steal; guest time is in
/// user time already.
fn jiffies_in(stat: &str) -> Jiffies {
    let line = stat.lines().next().unwrap_or_default();
    let fields: Vec<u64> = line
        .split_ascii_whitespace()
        .skip(1)
        .take(8)
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    let at = |position: usize| fields.get(position).copied().unwrap_or_default();
    Jiffies { total: fields.iter().sum(), idle: at(3) + at(4), steal: at(7) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_and_idle_time_are_read_from_the_kernels_first_line() {
        let jiffies = jiffies_in("cpu  100 1 20 300 40 5 6 28 9 0\ncpu0 1 1 1 1\n");
        assert_eq!((jiffies.total, jiffies.idle, jiffies.steal), (500, 340, 28));
        assert_eq!(jiffies_in("").total, 0);
    }
}
