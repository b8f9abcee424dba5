//! The thread beside a shard that writes its commits, syncs them, and writes and syncs its billing
//! log.
//!
//! It does one thing after the other, in the order in which they were asked for. It decides nothing
//! and tries nothing again: what the kernel answered is the completion.

use crate::io::driver::token::{Completion, Token};
use crate::io::driver::wake::{Bed, Waker};
use crate::io::limits::COMMITTING_MAX;
use crate::journal::Write;
use crossbeam::queue::ArrayQueue;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

/// What the thread is asked for.
enum Job {
    Write { write: Write, with_sync: bool, token: Token },
    Sync { file: RawFd, token: Token },
}

/// What shard and thread have in common.
///
/// The thread sleeps by parking, not in a channel: a channel's receiver yields some times before it
/// sleeps, and a thread that yields is made to wait behind all others by newer kernels.
struct Desk {
    jobs: ArrayQueue<Job>,
    done: ArrayQueue<Completion>,
    is_over: AtomicBool,
}

/// The shard's end of it. The thread ends when this is dropped.
pub(super) struct Committing {
    desk: Arc<Desk>,
    thread: Thread,
}

impl Committing {
    /// Starts the thread on the CPU of the calling one, the shard's. Elsewhere it would wait behind
    /// whatever runs there, milliseconds for each commit; here the shard lets it on.
    pub(super) fn start(shard: usize, bed: &Arc<Bed>) -> io::Result<Self> {
        let desk = Arc::new(Desk {
            jobs: ArrayQueue::new(COMMITTING_MAX),
            done: ArrayQueue::new(COMMITTING_MAX),
            is_over: AtomicBool::new(false),
        });
        let (its_desk, waker) = (Arc::clone(&desk), Waker::of(bed));
        let thread =
            std::thread::Builder::new().name(format!("commit-{shard}")).spawn(move || {
                its_desk.work(&waker);
            })?;
        Ok(Self { desk, thread: thread.thread().clone() })
    }

    /// Writes what is left of `write`.
    ///
    /// # Safety
    /// Its octets must stay where they are, unchanged, until the completion was reaped.
    pub(super) unsafe fn write(&self, write: &Write, with_sync: bool, token: Token) {
        self.ask(Job::Write { write: write.rest(), with_sync, token });
    }

    /// Makes what was written to `file` durable; it stays open until the completion was reaped.
    pub(super) fn sync(&self, file: RawFd, token: Token) {
        self.ask(Job::Sync { file, token });
    }

    fn ask(&self, job: Job) {
        let refused = self.desk.jobs.push(job);
        assert!(refused.is_ok(), "a shard has one commit and one job of the billing log under way");
        self.thread.unpark();
    }

    pub(super) fn has_done(&self) -> bool {
        !self.desk.done.is_empty()
    }

    pub(super) fn next_done(&self) -> Option<Completion> {
        self.desk.done.pop()
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        self.desk.is_over.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Desk {
    fn work(&self, waker: &Waker) {
        while !self.is_over.load(Ordering::SeqCst) {
            while let Some(job) = self.jobs.pop() {
                let kept = self.done.push(job.carry_out());
                assert!(kept.is_ok(), "no more is done than was asked for");
                waker.wake();
            }
            // What was put here meanwhile ends this at once.
            std::thread::park();
        }
    }
}

impl Job {
    fn carry_out(self) -> Completion {
        let (token, outcome) = match self {
            Self::Write { write, with_sync, token } => {
                // SAFETY: who asked for it keeps the octets, and the file open, until its
                // completion was reaped.
                (token, unsafe { write.write(with_sync) })
            }
            Self::Sync { file, token } => {
                // SAFETY: who asked for the sync keeps the file open until its completion was
                // reaped.
                let file = unsafe { BorrowedFd::borrow_raw(file) };
                (token, rustix::fs::fdatasync(file).map(|()| 0).map_err(io::Error::from))
            }
        };
        Completion::last(token, result_of(outcome))
    }
}

/// As a system call gives it.
fn result_of(outcome: io::Result<usize>) -> i32 {
    match outcome {
        Ok(octets) => i32::try_from(octets).unwrap_or(i32::MAX),
        Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
    }
}
