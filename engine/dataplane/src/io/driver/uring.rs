//! The shard's own io_uring: sockets and journal commits, with received bytes in registered
//! buffers.
//!
//! Single issuer and deferred task work: the kernel posts completions only when the shard asks, so
//! a busy shard pays one system call a turn however many sockets it serves. A shard with nothing to
//! do rests in the ring. Other threads wake it by an eventfd that the ring reads: such a call is a
//! completion like any other.
//!
//! Invariant: a received buffer belongs to the caller from [`Completion`] until [`Ring::recycle`].

use super::token::{Completion, Operation, Token};
use super::wake::Bed;
use crate::io::limits::{
    COMPLETIONS_PER_ENTER, COMPLETIONS_PER_TURN_MAX, RECEIVE_BUFFER_OCTETS, RECEIVE_BUFFERS,
    RECEIVED_PER_TURN_OCTETS_MAX, RING_COMPLETIONS, RING_ENTRIES,
};
use crate::journal::Write;
use io_uring::types::BufRingEntry;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

const BUFFER_GROUP: u16 = 1;

/// The ring.
pub(crate) struct Ring {
    ring: IoUring,
    backlog: VecDeque<squeue::Entry>,
    buffers: Vec<u8>,
    buffer_ring: *mut BufRingEntry,
    buffer_tail: u16,
    bed: Arc<Bed>,
    /// Boxed: the kernel writes the count of calls there.
    call_count: Box<[u8; 8]>,
    /// The last receive that was ended because it had filled a buffer.
    ended: Option<Token>,
}

impl Ring {
    /// Sets up the ring, its receive buffers and its wake-ups on the calling thread, which must be
    /// the one that uses it.
    ///
    /// # Errors
    /// What the kernel answered; `choice` words it for the operator.
    pub(super) fn new() -> io::Result<Self> {
        let ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_cqsize(RING_COMPLETIONS)
            .build(RING_ENTRIES)?;
        let bed = Arc::new(Bed::new()?);
        let mut ring = Self {
            ring,
            backlog: VecDeque::with_capacity(RING_ENTRIES as usize),
            buffers: vec![0; usize::from(RECEIVE_BUFFERS) * RECEIVE_BUFFER_OCTETS],
            buffer_ring: std::ptr::null_mut(),
            buffer_tail: 0,
            bed,
            call_count: Box::default(),
            ended: None,
        };
        ring.register_buffers()?;
        ring.listen();
        Ok(ring)
    }

    /// Lets the kernel's workers, which write the commits, run on these CPUs. Where the kernel
    /// refuses they run on the one of the thread that uses the ring.
    pub(super) fn set_worker_cpus(&self, cpus: &libc::cpu_set_t) {
        let _ = self.ring.submitter().register_iowq_aff(cpus);
    }

    fn register_buffers(&mut self) -> io::Result<()> {
        let octets = usize::from(RECEIVE_BUFFERS) * size_of::<BufRingEntry>();
        // SAFETY: an anonymous private mapping of a fixed length; page-aligned as the kernel wants
        // it.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                octets,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        self.buffer_ring = memory.cast();
        // SAFETY: the mapping holds RECEIVE_BUFFERS entries and lives as long as the ring (unmapped
        // in drop, after the ring is gone from use).
        unsafe {
            self.ring.submitter().register_buf_ring_with_flags(
                memory as u64,
                RECEIVE_BUFFERS,
                BUFFER_GROUP,
                0,
            )?;
        }
        for buffer in 0..RECEIVE_BUFFERS {
            self.recycle(buffer);
        }
        Ok(())
    }

    /// Where the shard rests.
    pub(super) fn bed(&self) -> &Arc<Bed> {
        &self.bed
    }

    /// Has the next call of another thread complete, with [`Operation::Call`].
    pub(super) fn listen(&mut self) {
        let octets = self.call_count.len() as u32;
        let entry = opcode::Read::new(
            types::Fd(self.bed.call().as_raw_fd()),
            self.call_count.as_mut_ptr(),
            octets,
        );
        self.queue(entry.build().user_data(Token::of_turn(Operation::Call, 0).pack()));
    }

    /// The octets that a receive put into `buffer`.
    pub(super) fn received(&self, buffer: u16, octets: usize) -> &[u8] {
        let start = usize::from(buffer) * RECEIVE_BUFFER_OCTETS;
        &self.buffers[start..start + octets]
    }

    /// Gives a buffer back to the kernel.
    pub(super) fn recycle(&mut self, buffer: u16) {
        let start = usize::from(buffer) * RECEIVE_BUFFER_OCTETS;
        let address = self.buffers[start..].as_ptr() as u64;
        // SAFETY: the slot index is masked into the registered ring; the entry describes a buffer
        // inside `self.buffers`, which is never reallocated; the tail is published with release
        // order after the entry.
        unsafe {
            let entry =
                &mut *self.buffer_ring.add(usize::from(self.buffer_tail & (RECEIVE_BUFFERS - 1)));
            entry.set_addr(address);
            entry.set_len(RECEIVE_BUFFER_OCTETS as u32);
            entry.set_bid(buffer);
            self.buffer_tail = self.buffer_tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.buffer_ring).cast_mut();
            AtomicU16::from_ptr(tail).store(self.buffer_tail, Ordering::Release);
        }
    }

    /// Completes once the peer of `socket` has ended the connection or its half of it.
    pub(super) fn watch(&mut self, socket: BorrowedFd<'_>, token: Token) {
        let entry =
            opcode::PollAdd::new(types::Fd(socket.as_raw_fd()), libc::POLLRDHUP as u32).build();
        self.queue(entry.user_data(token.pack()));
    }

    /// Receives from `socket` into the ring's buffers until it ends, fails or is cancelled.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, token: Token) {
        if self.ended == Some(token) {
            self.ended = None;
        }
        let entry = opcode::RecvMulti::new(types::Fd(socket.as_raw_fd()), BUFFER_GROUP).build();
        self.queue(entry.user_data(token.pack()));
    }

    /// Receives from `socket` into one of the ring's buffers.
    pub(super) fn receive_once(&mut self, socket: BorrowedFd<'_>, token: Token) {
        let entry = opcode::Recv::new(types::Fd(socket.as_raw_fd()), std::ptr::null_mut(), 0);
        let entry = entry.buf_group(BUFFER_GROUP).build().flags(squeue::Flags::BUFFER_SELECT);
        self.queue(entry.user_data(token.pack()));
    }

    /// Sends all of `octets`.
    ///
    /// # Safety
    /// `octets` must stay where it is, unchanged, until the operation's completion was reaped.
    pub(super) unsafe fn send(&mut self, socket: BorrowedFd<'_>, octets: &[u8], token: Token) {
        let length = octets.len().min(u32::MAX as usize) as u32;
        let entry = opcode::Send::new(types::Fd(socket.as_raw_fd()), octets.as_ptr(), length)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build();
        self.queue(entry.user_data(token.pack()));
    }

    /// Connects `socket`.
    ///
    /// # Safety
    /// `address` must stay where it is, unchanged, until the operation's completion was reaped.
    pub(super) unsafe fn connect(
        &mut self,
        socket: BorrowedFd<'_>,
        address: *const libc::sockaddr,
        octets: u32,
        token: Token,
    ) {
        let entry = opcode::Connect::new(types::Fd(socket.as_raw_fd()), address, octets).build();
        self.queue(entry.user_data(token.pack()));
    }

    /// Writes what is left of `write`, durably where `with_sync`. It may come out shorter, as
    /// `pwritev` may.
    ///
    /// # Safety
    /// The octets and the list of parts must stay where they are, unchanged, until the operation's
    /// completion was reaped.
    pub(super) unsafe fn write(&mut self, write: &Write, with_sync: bool, token: Token) {
        let parts = write.parts();
        let entry =
            opcode::Writev::new(types::Fd(write.file()), parts.as_ptr().cast(), parts.len() as u32)
                .offset(write.offset())
                .rw_flags(if with_sync { libc::RWF_DSYNC } else { 0 })
                .build();
        // A file that is written through the page cache always takes a worker of the kernel: it is
        // handed to one at once.
        self.queue(entry.flags(squeue::Flags::ASYNC).user_data(token.pack()));
    }

    /// Makes everything written to `file` so far durable (data and what is needed to find it).
    pub(super) fn sync(&mut self, file: RawFd, token: Token) {
        let entry = opcode::Fsync::new(types::Fd(file)).flags(types::FsyncFlags::DATASYNC).build();
        self.queue(entry.user_data(token.pack()));
    }

    /// Cancels the operation with `token`.
    pub(super) fn cancel(&mut self, token: Token) {
        let done = Token { operation: Operation::Cancel, ..token };
        let entry = opcode::AsyncCancel::new(token.pack()).build();
        self.queue(entry.user_data(done.pack()));
    }

    /// Submits what is queued: a send that the socket takes at once has left when this returns.
    ///
    /// # Errors
    /// What the kernel answered, interruptions excepted.
    pub(super) fn submit(&mut self) -> io::Result<()> {
        self.fill_from_backlog();
        match self.ring.submit() {
            Err(error) if !is_transient(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Submits what is queued and collects what has completed; never waits. The kernel runs a
    /// bounded number of completions for each call, so this calls again while there may be more.
    ///
    /// # Errors
    /// What the kernel answered, interruptions excepted.
    pub(super) fn turn(&mut self, completions: &mut VecDeque<Completion>) -> io::Result<()> {
        let mut received = 0;
        loop {
            let before = completions.len();
            self.fill_from_backlog();
            let pending = self.ring.submission().len() as u32;
            const GET_EVENTS: u32 = 1;
            // SAFETY: no argument structure is passed; the entries' memory is guaranteed by those
            // who queued them.
            match unsafe { self.ring.submitter().enter::<()>(pending, 0, GET_EVENTS, None) } {
                Ok(_) => {}
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error),
            }
            completions.extend(self.ring.completion().filter_map(|entry| completion(&entry)));
            received += self.end_long_receives(completions.range(before..));
            let more = completions.len() - before >= COMPLETIONS_PER_ENTER
                && completions.len() < COMPLETIONS_PER_TURN_MAX
                && received < RECEIVED_PER_TURN_OCTETS_MAX;
            if self.backlog.is_empty() && !more {
                return Ok(());
            }
        }
    }

    /// A receive that goes on and fills its buffers would bring as much as its peer sends, before
    /// anybody can stop it: it ends. How many octets all have received.
    fn end_long_receives<'a>(
        &mut self,
        completions: impl Iterator<Item = &'a Completion>,
    ) -> usize {
        let mut received = 0;
        for completion in completions.filter(|completion| completion.buffer.is_some()) {
            received += completion.result.max(0) as usize;
            let is_full = completion.result as usize == RECEIVE_BUFFER_OCTETS;
            if is_full
                && completion.more
                && self.ended.replace(completion.token) != Some(completion.token)
            {
                self.cancel(completion.token);
            }
        }
        received
    }

    /// Submits what is queued and sleeps until so many operations have completed or `wait_ns` have
    /// passed, whichever comes first.
    ///
    /// # Errors
    /// What the kernel answered; interruptions and the end of the time are none.
    pub(super) fn wait(&mut self, completions: usize, wait_ns: u64) -> io::Result<()> {
        self.fill_from_backlog();
        let time = types::Timespec::from(std::time::Duration::from_nanos(wait_ns));
        let arguments = types::SubmitArgs::new().timespec(&time);
        match self.ring.submitter().submit_with_args(completions, &arguments) {
            Ok(_) => Ok(()),
            Err(error) if is_transient(&error) || error.raw_os_error() == Some(libc::ETIME) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn queue(&mut self, entry: squeue::Entry) {
        if !self.backlog.is_empty() || !self.try_queue(&entry) {
            self.backlog.push_back(entry);
        }
    }

    fn fill_from_backlog(&mut self) {
        while let Some(entry) = self.backlog.pop_front() {
            if !self.try_queue(&entry) {
                self.backlog.push_front(entry);
                return;
            }
        }
    }

    fn try_queue(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: the callers of the unsafe methods guarantee that the memory named in the entry
        // outlives the operation; the others name none.
        unsafe { self.ring.submission().push(entry).is_ok() }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let octets = usize::from(RECEIVE_BUFFERS) * size_of::<BufRingEntry>();
        let _ = self.ring.submitter().unregister_buf_ring(BUFFER_GROUP);
        if !self.buffer_ring.is_null() {
            // SAFETY: the mapping made in register_buffers, unmapped once, after the kernel let go
            // of it.
            unsafe { libc::munmap(self.buffer_ring.cast(), octets) };
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY))
}

fn completion(entry: &cqueue::Entry) -> Option<Completion> {
    Some(Completion {
        token: Token::unpack(entry.user_data())?,
        result: entry.result(),
        buffer: cqueue::buffer_select(entry.flags()),
        more: cqueue::more(entry.flags()),
    })
}
