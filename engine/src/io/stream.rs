//! One TCP connection on the driver: what both the push clients' and the notifier's connections are made of.
//!
//! Two output buffers take turns: one is being sent and must not move, the other fills. A stream is freed only
//! after every operation on it has completed.

use crate::io::driver::{Driver, Operation, Owner, Token};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

pub(super) struct Stream {
    socket: OwnedFd,
    index: u32,
    generation: u32,
    owner: Owner,
    /// Fill this; [`Stream::flush`] sends it.
    pub(super) output: Vec<u8>,
    sending: Vec<u8>,
    sent: usize,
    send_under_way: bool,
    receive_under_way: bool,
    other_under_way: bool,
    /// The driver waits for the peer's end.
    watched: bool,
    /// The peer's end came, or was never waited for.
    hung_up: bool,
    closing: bool,
}

impl Stream {
    pub(super) fn new(socket: OwnedFd, index: u32, generation: u32, owner: Owner) -> Self {
        let no_delay: libc::c_int = 1;
        // SAFETY: sets an integer option on a descriptor that we own; a failure only costs latency.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_NODELAY,
                (&raw const no_delay).cast(),
                size_of::<libc::c_int>() as u32,
            );
        }
        Self {
            socket,
            index,
            generation,
            owner,
            output: Vec::new(),
            sending: Vec::new(),
            sent: 0,
            send_under_way: false,
            receive_under_way: false,
            other_under_way: false,
            watched: false,
            hung_up: false,
            closing: false,
        }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Index and generation.
    pub(super) fn name(&self) -> (u32, u32) {
        (self.index, self.generation)
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Writes what it can at once, without the driver: the last words of a process that ends.
    pub(super) fn send_now(&mut self) {
        if !self.send_under_way && !self.output.is_empty() {
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: the buffer lives through the call and the descriptor is ours; what is not taken is lost with
            // the process, which is about to end.
            unsafe {
                libc::send(self.socket.as_raw_fd(), self.output.as_ptr().cast(), self.output.len(), flags)
            };
            self.output.clear();
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Octets that wait to be sent or are being sent.
    pub(super) fn unsent(&self) -> usize {
        self.output.len() + self.sending.len() - self.sent
    }

    /// Keeps receiving, unless it already does or the stream is closing.
    pub(super) fn receive(&mut self, driver: &mut Driver) {
        if !self.receive_under_way && !self.closing {
            self.receive_under_way = true;
            driver.receive(self.descriptor(), self.token(Operation::Receive));
            if !self.watched && !self.hung_up {
                self.watched = true;
                driver.watch(self.descriptor(), self.token(Operation::HangUp));
            }
        }
    }

    /// The peer has ended the connection, or its half of it; `false`: nothing more can come, close it.
    ///
    /// A multishot receive can miss that: where octets and the end arrive together, the kernel may count two wake-ups
    /// and look once. A receive that begins anew sees both.
    pub(super) fn hung_up(&mut self, result: i32, driver: &mut Driver) -> bool {
        (self.watched, self.hung_up) = (false, true);
        self.stop_receiving(driver);
        let is_gone = result < 0 || result & i32::from(libc::POLLHUP | libc::POLLERR) != 0;
        self.receive_under_way || !is_gone
    }

    /// Stops receiving; what is already under way may still come.
    pub(super) fn stop_receiving(&mut self, driver: &mut Driver) {
        if self.receive_under_way {
            driver.stop_receiving(self.token(Operation::Receive));
        }
    }

    pub(super) fn receive_ended(&mut self) {
        self.receive_under_way = false;
    }

    /// Marks another operation (connect) as begun or done.
    pub(super) fn set_other_under_way(&mut self, under_way: bool) {
        self.other_under_way = under_way;
    }

    /// Starts to send what has gathered, unless a send is under way.
    pub(super) fn flush(&mut self, driver: &mut Driver) {
        if self.send_under_way || self.closing {
            return;
        }
        if self.sent == self.sending.len() {
            if self.output.is_empty() {
                return;
            }
            self.sending.clear();
            self.sent = 0;
            std::mem::swap(&mut self.sending, &mut self.output);
        }
        self.send_under_way = true;
        let token = self.token(Operation::Send);
        // SAFETY: `sending` is neither changed nor dropped while `send_under_way` is set: `flush` returns early
        // and the owner frees a stream only when `is_quiet`.
        unsafe { driver.send(self.socket.as_fd(), &self.sending[self.sent..], token) };
    }

    /// A send completed with `result`; `false`: the peer is gone.
    pub(super) fn send_ended(&mut self, result: i32) -> bool {
        self.send_under_way = false;
        if result <= 0 {
            return false;
        }
        self.sent += result as usize;
        true
    }

    /// Sends no more: the peer reads an end behind what was sent, and may still be read from.
    pub(super) fn finish(&mut self) {
        self.shut_down(libc::SHUT_WR);
    }

    /// Begins to close: every operation under way will complete soon.
    pub(super) fn close(&mut self) {
        if !self.closing {
            self.closing = true;
            self.shut_down(libc::SHUT_RDWR);
        }
    }

    fn shut_down(&mut self, how: libc::c_int) {
        // SAFETY: shuts down a socket that we own; a failure means that it is not connected any more.
        unsafe { libc::shutdown(self.socket.as_raw_fd(), how) };
    }

    /// Whether no operation is under way: a closing stream may be dropped.
    pub(super) fn is_quiet(&self) -> bool {
        !(self.send_under_way || self.receive_under_way || self.other_under_way || self.watched)
    }

    pub(super) fn token(&self, operation: Operation) -> Token {
        Token::new(self.owner, operation, self.index, self.generation)
    }
}
