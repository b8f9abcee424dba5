//! The thread beside a shard that writes its commits, syncs them, and syncs its billing log.
//!
//! It does one thing after the other, in the order in which they were asked for. It decides nothing
//! and tries nothing again: what the kernel answered is the completion.

use crate::io::driver::token::{Completion, Token};
use crate::io::driver::wake::{Bed, Waker};
use crate::io::limits::COMMITTING_MAX;
use crate::journal::Write;
use crossbeam::channel::{Receiver, Sender, bounded};
use crossbeam::queue::ArrayQueue;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;

/// What the thread is asked for.
enum Job {
    Write { write: Write, with_sync: bool, token: Token },
    Sync { file: RawFd, token: Token },
}

/// The shard's end of it. The thread ends when this is dropped.
pub(super) struct Committing {
    jobs: Sender<Job>,
    done: Arc<ArrayQueue<Completion>>,
}

impl Committing {
    /// Starts the thread, on these CPUs or where the calling thread runs.
    pub(super) fn start(shard: usize, cpus: Option<&[usize]>, bed: &Arc<Bed>) -> io::Result<Self> {
        let (jobs, asked) = bounded(COMMITTING_MAX);
        let done = Arc::new(ArrayQueue::new(COMMITTING_MAX));
        let (told, waker) = (Arc::clone(&done), Waker::of(bed));
        let cpus = cpus.map(<[usize]>::to_vec);
        std::thread::Builder::new().name(format!("commit-{shard}")).spawn(move || {
            if let Some(cpus) = cpus {
                host::cpus::run_on(&cpus);
            }
            carry_out(&asked, &told, &waker);
        })?;
        Ok(Self { jobs, done })
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
        let refused = self.jobs.try_send(job);
        assert!(refused.is_ok(), "a shard has one commit and one sync of the billing log under way");
    }

    pub(super) fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    pub(super) fn next_done(&self) -> Option<Completion> {
        self.done.pop()
    }
}

fn carry_out(asked: &Receiver<Job>, done: &ArrayQueue<Completion>, waker: &Waker) {
    while let Ok(job) = asked.recv() {
        let (token, outcome) = match job {
            Job::Write { write, with_sync, token } => {
                // SAFETY: who asked for it keeps the octets, and the file open, until its
                // completion was reaped.
                (token, unsafe { write.write(with_sync) })
            }
            Job::Sync { file, token } => {
                // SAFETY: who asked for the sync keeps the file open until its completion was
                // reaped.
                let file = unsafe { BorrowedFd::borrow_raw(file) };
                (token, rustix::fs::fdatasync(file).map(|()| 0).map_err(io::Error::from))
            }
        };
        let kept = done.push(Completion::last(token, result_of(outcome)));
        assert!(kept.is_ok(), "no more is done than was asked for");
        waker.wake();
    }
}

/// As a system call gives it.
fn result_of(outcome: io::Result<usize>) -> i32 {
    match outcome {
        Ok(octets) => i32::try_from(octets).unwrap_or(i32::MAX),
        Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
    }
}
