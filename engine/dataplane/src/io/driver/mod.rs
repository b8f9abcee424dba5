//! The drivers: what carries octets between a shard and the kernel, and what a shard rests in.
//!
//! There are two, and a turn cannot tell which it has. `uring` is the shard's own io_uring.
//! `poll` is for hosts that forbid it or are too old for it: an epoll for the sockets, and a
//! thread beside the shard that writes and syncs its commits. Both speak in operations and
//! completions: what is asked for here is done some time, and said by a `Completion` of a later
//! `Driver::turn`. Nothing but `Driver::wait` waits.
//!
//! One driver is told from the other by a branch at each call, of which a turn makes some for each
//! connection and none for each push.
//!
//! Invariants: a received buffer belongs to the caller from its completion until
//! `Driver::recycle`. Under `poll` no ring is ever made, here or by the executor.

mod choice;
mod poll;
#[cfg(test)]
mod tests;
mod token;
mod uring;
mod wake;

pub use choice::{DriverKind, DriverRefusal, poll_refusal};
pub(crate) use choice::{executor_refusal, ring_refusal};
pub(crate) use token::{Completion, GENERATION_MASK, Operation, Owner, Token};
pub(crate) use wake::{Sleeper, Waker};

use crate::journal::Write;
use poll::Poller;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use uring::Ring;
use wake::Bed;

/// What carries a shard's octets.
pub(crate) enum Driver {
    Uring(Box<Ring>),
    Poll(Box<Poller>),
}

impl Driver {
    /// Sets the driver of a shard up on the calling thread, which must be the one that uses it. The
    /// kernel's workers may write its commits on `worker_cpus`, or else on the CPU of this thread.
    ///
    /// # Errors
    /// What the kernel answered.
    pub(crate) fn new(
        kind: DriverKind,
        shard: usize,
        worker_cpus: Option<&[usize]>,
    ) -> io::Result<Self> {
        match kind {
            DriverKind::Uring => {
                let ring = Ring::new()?;
                if let Some(cpus) = worker_cpus {
                    ring.set_worker_cpus(&host::cpus::cpu_set(cpus));
                }
                Ok(Self::Uring(Box::new(ring)))
            }
            DriverKind::Poll => Ok(Self::Poll(Box::new(Poller::new(shard)?))),
        }
    }

    fn bed(&self) -> &Arc<Bed> {
        match self {
            Self::Uring(ring) => ring.bed(),
            Self::Poll(poller) => poller.bed(),
        }
    }

    /// A handle by which other threads wake the shard.
    pub(crate) fn waker(&self) -> Waker {
        Waker::of(self.bed())
    }

    /// The shard is about to wait: others call it from now on. Look once more at all that they may
    /// have put before it.
    pub(crate) fn begin_rest(&self) {
        self.bed().lie_down();
    }

    /// The shard is awake: it looks of itself, and need not be woken.
    pub(crate) fn wake_up(&self) {
        self.bed().get_up();
    }

    /// A call of another thread has completed: the next one will.
    pub(crate) fn listen(&mut self) {
        if let Self::Uring(ring) = self {
            ring.listen();
        }
    }

    /// The octets that a receive put into `buffer`.
    pub(crate) fn received(&self, buffer: u16, octets: usize) -> &[u8] {
        match self {
            Self::Uring(ring) => ring.received(buffer, octets),
            Self::Poll(poller) => poller.received(buffer, octets),
        }
    }

    /// Gives a buffer back.
    pub(crate) fn recycle(&mut self, buffer: u16) {
        match self {
            Self::Uring(ring) => ring.recycle(buffer),
            Self::Poll(poller) => poller.recycle(buffer),
        }
    }

    /// Completes once the peer of `socket` has ended the connection or its half of it.
    pub(crate) fn watch(&mut self, socket: BorrowedFd<'_>, token: Token) {
        match self {
            Self::Uring(ring) => ring.watch(socket, token),
            Self::Poll(poller) => poller.watch(socket, token),
        }
    }

    /// Receives from `socket` into the driver's buffers: once, or where it `goes_on` until it ends,
    /// fails or is stopped, with a completion for each buffer. One that fills a buffer ends too,
    /// soon: who sends so much may have to wait before more of it is taken. One that goes on may
    /// bring [`BURST_OCTETS_MAX`] by then; a driver that can do so is told more cheaply.
    ///
    /// [`BURST_OCTETS_MAX`]: crate::io::limits::BURST_OCTETS_MAX
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>, goes_on: bool, token: Token) {
        match self {
            Self::Uring(ring) if goes_on => ring.receive(socket, token),
            Self::Uring(ring) => ring.receive_once(socket, token),
            Self::Poll(poller) => poller.receive(socket, token),
        }
    }

    /// Stops the receive with `token`: it ends with a completion of its own, behind what it has
    /// already received.
    pub(crate) fn stop_receiving(&mut self, token: Token) {
        match self {
            Self::Uring(ring) => ring.cancel(token),
            Self::Poll(poller) => poller.stop_receiving(token),
        }
    }

    /// Sends all of `octets`.
    ///
    /// # Safety
    /// `octets` must stay where it is, unchanged, until the operation's completion was reaped.
    pub(crate) unsafe fn send(&mut self, socket: BorrowedFd<'_>, octets: &[u8], token: Token) {
        // SAFETY: the caller's promise, handed on.
        unsafe {
            match self {
                Self::Uring(ring) => ring.send(socket, octets, token),
                Self::Poll(poller) => poller.send(socket, octets, token),
            }
        }
    }

    /// Connects `socket`.
    ///
    /// # Safety
    /// `address` must stay where it is, unchanged, until the operation's completion was reaped.
    pub(crate) unsafe fn connect(
        &mut self,
        socket: BorrowedFd<'_>,
        address: *const libc::sockaddr,
        octets: u32,
        token: Token,
    ) {
        // SAFETY: the caller's promise, handed on.
        unsafe {
            match self {
                Self::Uring(ring) => ring.connect(socket, address, octets, token),
                Self::Poll(poller) => poller.connect(socket, address, octets, token),
            }
        }
    }

    /// Writes what is left of `write`, durably where `with_sync`. It may come out shorter, as
    /// `pwritev` may.
    ///
    /// # Safety
    /// The octets and the list of parts must stay where they are, unchanged, until the operation's
    /// completion was reaped.
    pub(crate) unsafe fn write(&mut self, write: &Write, with_sync: bool, token: Token) {
        // SAFETY: the caller's promise, handed on.
        unsafe {
            match self {
                Self::Uring(ring) => ring.write(write, with_sync, token),
                Self::Poll(poller) => poller.write(write, with_sync, token),
            }
        }
    }

    /// Makes everything written to `file` so far durable (data and what is needed to find it).
    pub(crate) fn sync(&mut self, file: RawFd, token: Token) {
        match self {
            Self::Uring(ring) => ring.sync(file, token),
            Self::Poll(poller) => poller.sync(file, token),
        }
    }

    /// Has what is asked for begin: a send that the socket takes at once has left when this
    /// returns.
    ///
    /// # Errors
    /// What the kernel answered, interruptions excepted.
    pub(crate) fn submit(&mut self) -> io::Result<()> {
        match self {
            Self::Uring(ring) => ring.submit(),
            Self::Poll(_) => Ok(()),
        }
    }

    /// Has what is asked for begin and collects what has completed; never waits.
    ///
    /// # Errors
    /// What the kernel answered, interruptions excepted.
    pub(crate) fn turn(&mut self, completions: &mut VecDeque<Completion>) -> io::Result<()> {
        match self {
            Self::Uring(ring) => ring.turn(completions),
            Self::Poll(poller) => poller.turn(completions),
        }
    }

    /// Has what is asked for begin and sleeps until so many operations have completed, a commit
    /// among them if the driver cannot count, or `wait_ns` have passed, whichever comes first.
    ///
    /// # Errors
    /// What the kernel answered; interruptions and the end of the time are none.
    pub(crate) fn wait(&mut self, completions: usize, wait_ns: u64) -> io::Result<()> {
        match self {
            Self::Uring(ring) => ring.wait(completions, wait_ns),
            Self::Poll(poller) => poller.wait(completions, wait_ns),
        }
    }
}
