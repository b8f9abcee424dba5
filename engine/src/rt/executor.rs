//! The shard's thread: a glommio executor, pinned to its CPU, that runs turns and parks when there is nothing
//! to do.
//!
//! The published glommio can mistake "preempted" for "idle" and park with work at hand. What keeps that from
//! hurting here: the preempt timer is far longer than a turn, no task is always runnable, the ticker task wakes
//! a parked executor, and a watchdog outside the executors wakes a shard that stands still and ends the process
//! if waking does not help. Only this file names glommio.

use crate::fatal::{Fatal, FatalReason};
use crate::rt::control::ShardPort;
use crate::rt::turn::ShardTurn;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use std::cell::Cell;
use std::os::fd::FromRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Never under 5 ms: short preempt timers are what the executor's defect bites on.
const PREEMPT_TIMER: Duration = Duration::from_millis(20);
/// Memory that the executor registers for its own I/O; the data path uses none of it.
const EXECUTOR_IO_OCTETS: usize = 128 * 1024;
const EXECUTOR_RING_DEPTH: usize = 64;
/// How often a parked shard looks up of itself.
const IDLE_TICK: Duration = Duration::from_millis(10);
/// A shard without a turn for so long is woken from outside.
const STALL: Duration = Duration::from_millis(100);
/// Looks of the watchdog at a standing shard after which the process ends.
const STALLED_LOOKS_MAX: u32 = 100;

/// Starts a shard's thread on `cpu`. `prepare` runs on it first.
///
/// # Errors
/// What glommio says when it cannot set up its rings.
pub(super) fn start(
    shard: usize,
    cpu: usize,
    prepare: impl FnOnce() -> ShardTurn + Send + 'static,
) -> Result<ExecutorJoinHandle<()>, glommio::GlommioError<()>> {
    LocalExecutorBuilder::new(Placement::Fixed(cpu))
        .name(&format!("shard-{shard}"))
        .preempt_timer(PREEMPT_TIMER)
        .io_memory(EXECUTOR_IO_OCTETS)
        .ring_depth(EXECUTOR_RING_DEPTH)
        .spawn(move || async move { run(prepare()).await })
}

async fn run(mut turn: ShardTurn) {
    // SAFETY: the descriptor is a duplicate that only this file object owns.
    let event = unsafe { glommio::io::BufferedFile::from_raw_fd(libc::dup(turn.event_descriptor())) };
    let parked = Rc::new(Cell::new(false));
    let ticker = glommio::spawn_local(tick(Rc::clone(&parked), turn.waker()));
    while !turn.is_stopped() {
        if turn.turn() {
            glommio::yield_if_needed().await;
            continue;
        }
        if turn.prepare_to_park() {
            parked.set(true);
            // A failed read only means that the shard looks for work at once.
            let _ = event.read_at(0, 8).await;
            parked.set(false);
            turn.unpark();
        } else {
            glommio::yield_if_needed().await;
        }
    }
    turn.end();
    ticker.cancel().await;
}

/// Has the parked shard look up now and then, and the executor never park for longer.
async fn tick(parked: Rc<Cell<bool>>, waker: crate::rt::ring::Waker) {
    loop {
        glommio::timer::sleep(IDLE_TICK).await;
        if parked.get() {
            waker.rouse();
        }
    }
}

/// Watches the shards from an ordinary thread until `stop`.
pub(super) fn watch(ports: &[Arc<ShardPort>], stop: &AtomicBool) {
    let mut seen: Vec<(u64, u32)> = ports.iter().map(|_| (0, 0)).collect();
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(STALL);
        for (shard, (port, (turns, looks))) in ports.iter().zip(&mut seen).enumerate() {
            let now = port.status.turns();
            if now != *turns || now == 0 || port.status.has_ended() {
                (*turns, *looks) = (now, 0);
                continue;
            }
            *looks += 1;
            port.status.note_watchdog_wake();
            port.rouse();
            if *looks >= STALLED_LOOKS_MAX {
                let seconds = STALL.as_secs_f64() * f64::from(STALLED_LOOKS_MAX);
                let cause = format!("shard {shard} made no turn for {seconds:.0} s and could not be woken");
                Fatal::new(FatalReason::ShardStalled, cause).end_process();
            }
        }
    }
}
