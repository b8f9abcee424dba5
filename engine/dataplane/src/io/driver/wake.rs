//! How other threads wake a shard that rests, whichever driver it rests in.
//!
//! A shard says that it rests before it looks once more at what others may have put before it.
//! Whoever puts something there looks afterwards whether it rests, and raises an eventfd only then:
//! a busy shard costs nobody a system call.

use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A wake-up handle for other threads.
#[derive(Clone, Debug)]
pub(crate) struct Waker {
    bed: Arc<Bed>,
}

/// Where a shard sleeps and others find it.
#[derive(Debug)]
pub(super) struct Bed {
    /// Whether the shard rests, or is about to.
    resting: AtomicBool,
    /// Wakes the resting shard.
    call: OwnedFd,
}

impl Waker {
    pub(super) fn of(bed: &Arc<Bed>) -> Self {
        Self { bed: Arc::clone(bed) }
    }

    /// A handle that wakes nobody.
    ///
    /// # Errors
    /// When the kernel gives no eventfd.
    pub(crate) fn into_the_void() -> io::Result<Self> {
        Ok(Self { bed: Arc::new(Bed::new()?) })
    }

    /// Has the shard look at what was put before it, if it sleeps; one that is awake looks of
    /// itself before it sleeps.
    pub(crate) fn wake(&self) {
        // The first to find it asleep calls. What was put before the shard was put before this, and
        // the shard says that it sleeps before it looks once more, all in one order: either this
        // sees that it sleeps, or it sees what was put.
        if self.bed.resting.swap(false, Ordering::SeqCst) {
            self.bed.raise();
        }
    }

    /// Ends the shard's rest, whatever it says of itself.
    pub(crate) fn rouse(&self) {
        self.bed.raise();
    }
}

/// Where a thread rests that has no driver.
#[derive(Debug)]
pub(crate) struct Sleeper {
    bed: Arc<Bed>,
}

impl Sleeper {
    /// # Errors
    /// When the kernel gives no eventfd.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { bed: Arc::new(Bed::new()?) })
    }

    /// What others wake it by.
    pub(crate) fn waker(&self) -> Waker {
        Waker::of(&self.bed)
    }

    /// Readable once it was called.
    pub(crate) fn call(&self) -> BorrowedFd<'_> {
        self.bed.call()
    }

    /// It is about to rest: it looks once more at what others may have put before it.
    pub(crate) fn lie_down(&self) {
        self.bed.lie_down();
    }

    /// It is awake; whether it was called.
    pub(crate) fn get_up(&self, was_called: bool) {
        self.bed.get_up();
        if was_called {
            let _ = rustix::io::read(&self.bed.call, &mut [0; 8]);
        }
    }
}

impl Bed {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { resting: AtomicBool::new(false), call: eventfd(0, EventfdFlags::CLOEXEC)? })
    }

    /// Readable once the resting shard was called.
    pub(super) fn call(&self) -> BorrowedFd<'_> {
        self.call.as_fd()
    }

    /// The shard is about to rest: others call it from now on.
    pub(super) fn lie_down(&self) {
        self.resting.store(true, Ordering::SeqCst);
    }

    /// The shard is awake: it need not be called.
    pub(super) fn get_up(&self) {
        self.resting.store(false, Ordering::Relaxed);
    }

    #[allow(
        clippy::host_endian_bytes,
        reason = "the kernel reads an eventfd's count in host order"
    )]
    fn raise(&self) {
        // The only possible failure is a counter at its limit, which means that a wake-up is
        // pending anyway.
        let _ = rustix::io::write(&self.call, &1u64.to_ne_bytes());
    }

    /// Whether a call is pending.
    #[cfg(test)]
    pub(super) fn is_called(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut waited = [PollFd::new(&self.call, PollFlags::IN)];
        poll(&mut waited, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready == 1)
    }
}
