//! The shard's thread, pinned to its CPU, on which the shard's loop runs from beginning to end:
//! under the driver `uring` inside a glommio executor, under `poll` a plain thread, because glommio
//! has io_uring underneath.
//!
//! The published glommio can mistake "preempted" for "idle" and park with work at hand. So the loop
//! never awaits and the executor never parks: a shard without work rests in its own driver, by one
//! wait with a time-out ([`ShardTurn::rest`]). A watchdog outside the executors is the alarm: it
//! counts each time it finds a shard without a turn, wakes it, and ends the process when that does
//! not help. Only this file names glommio.

use crate::io::driver::DriverKind;
use crate::io::mailbox::ShardPort;
use crate::io::turn::ShardTurn;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use host::clock;
use host::fatal::{Fatal, FatalReason};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Memory that the executor registers for its own I/O, of which there is none.
const EXECUTOR_IO_OCTETS: usize = 128 * 1024;
const EXECUTOR_RING_DEPTH: usize = 64;
/// How inexact a plain thread's time-outs may be.
const TIMER_SLACK_NS: u64 = 1_000;
/// A shard without a turn for so long stands still.
const STALL: Duration = Duration::from_millis(100);
/// A look of the watchdog that comes so late tells nothing of the shards: the machine stood still.
const LATE_LOOK_NS: u64 = 2 * STALL.as_nanos() as u64;
/// Looks of the watchdog at a standing shard after which the process ends.
const STALLED_LOOKS_MAX: u32 = 100;

/// A shard's running thread.
pub(super) enum ShardThread {
    Executor(ExecutorJoinHandle<()>),
    Plain(std::thread::JoinHandle<()>),
}

/// Why no executor starts here; `None`: one does.
pub(super) fn refusal() -> Option<String> {
    let thread = executor(LocalExecutorBuilder::new(Placement::Unbound)).spawn(|| async {});
    thread.and_then(ExecutorJoinHandle::join).err().map(|error| error.to_string())
}

fn executor(builder: LocalExecutorBuilder) -> LocalExecutorBuilder {
    builder.io_memory(EXECUTOR_IO_OCTETS).ring_depth(EXECUTOR_RING_DEPTH)
}

impl ShardThread {
    /// Starts a shard's thread on `cpu`. `prepare` runs on it first.
    ///
    /// # Errors
    /// What glommio says when it cannot set up its rings, or the system when it has no further
    /// thread.
    pub(super) fn start(
        driver: DriverKind,
        shard: usize,
        cpu: usize,
        prepare: impl FnOnce() -> ShardTurn + Send + 'static,
    ) -> Result<Self, String> {
        let name = format!("shard-{shard}");
        match driver {
            DriverKind::Uring => executor(LocalExecutorBuilder::new(Placement::Fixed(cpu)))
                .name(&name)
                .spawn(move || async move { run(prepare()) })
                .map(Self::Executor)
                .map_err(|error| error.to_string()),
            DriverKind::Poll => std::thread::Builder::new()
                .name(name)
                .spawn(move || {
                    host::cpus::run_on(&[cpu]);
                    // Waits of some tens of microseconds are not to take twice as long.
                    let _ =
                        rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
                    run(prepare());
                })
                .map(Self::Plain)
                .map_err(|error| error.to_string()),
        }
    }

    /// Waits until the shard has drained.
    ///
    /// # Errors
    /// How the thread ended otherwise.
    pub(super) fn join(self) -> Result<(), String> {
        match self {
            Self::Executor(thread) => thread.join().map_err(|error| error.to_string()),
            Self::Plain(thread) => thread.join().map_err(|_| "it panicked".to_owned()),
        }
    }
}

/// Runs the shard to its end, without ever giving the executor a chance to park.
fn run(mut turn: ShardTurn) {
    while !turn.is_stopped() {
        if !turn.turn() {
            turn.rest();
        }
    }
    turn.end();
}

/// Watches the shards from an ordinary thread until `stop`.
pub(super) fn watch(ports: &[Arc<ShardPort>], stop: &AtomicBool) {
    let mut seen: Vec<(u64, u32)> = ports.iter().map(|_| (0, 0)).collect();
    let mut looked_ns = clock::monotonic_ns();
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(STALL);
        let now_ns = clock::monotonic_ns();
        let is_late = now_ns - std::mem::replace(&mut looked_ns, now_ns) > LATE_LOOK_NS;
        for (shard, (port, (turns, looks))) in ports.iter().zip(&mut seen).enumerate() {
            let now = port.status.turns();
            if now != *turns || now == 0 || port.status.has_ended() {
                (*turns, *looks) = (now, 0);
                continue;
            }
            if is_late {
                continue;
            }
            *looks += 1;
            port.status.note_watchdog_wake();
            port.rouse();
            if *looks >= STALLED_LOOKS_MAX {
                let seconds = STALL.as_secs_f64() * f64::from(STALLED_LOOKS_MAX);
                let cause =
                    format!("shard {shard} made no turn for {seconds:.0} s and could not be woken");
                Fatal::new(FatalReason::ShardStalled, cause).end_process();
            }
        }
    }
}
