//! The shard's thread, pinned to its CPU, on which the shard's loop runs from beginning to end:
//! under the driver `uring` inside a glommio executor, under `poll` a plain thread, because glommio
//! has io_uring underneath.
//!
//! The published glommio can mistake "preempted" for "idle" and park with work at hand. So the loop
//! never awaits and the executor never parks: a shard without work rests in its own driver, by one
//! wait with a time-out ([`ThreadTurn::rest`]). The [watchdog](crate::io::watchdog) is the alarm.
//! Only this file names glommio.

use crate::io::driver::DriverKind;
use crate::io::turn::ThreadTurn;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use std::num::NonZeroU64;

/// Memory that the executor registers for its own I/O, of which there is none.
const EXECUTOR_IO_OCTETS: usize = 128 * 1024;
const EXECUTOR_RING_DEPTH: usize = 64;
/// How inexact a plain thread's time-outs may be.
const TIMER_SLACK_NS: u64 = 1_000;

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
        prepare: impl FnOnce() -> ThreadTurn + Send + 'static,
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
fn run(mut turn: ThreadTurn) {
    turn.show_thread();
    while !turn.is_stopped() {
        if !turn.turn() {
            turn.rest();
        }
    }
    turn.end();
}
