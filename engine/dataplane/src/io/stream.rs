//! One TCP connection on the driver: what both the push clients' and the notifier's connections are
//! made of.
//!
//! Two output buffers take turns: the session's fills, while the stream's is being sent and must
//! not move. A stream is freed only after every operation on it has completed.

use crate::io::driver::{Driver, Operation, Owner, Token};
use crate::io::limits::{SEND_LOOK_LATE_MS, SEND_LOOK_MS, SEND_OCTETS_MAX, SEND_SOCKET_OCTETS};
use rustix::net::sockopt::{set_socket_send_buffer_size, set_tcp_nodelay};
use rustix::net::{SendFlags, Shutdown, send, shutdown};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use wire::terms::time::SteadyMs;

pub(super) struct Stream {
    socket: OwnedFd,
    index: u32,
    generation: u32,
    owner: Owner,
    sending: Vec<u8>,
    sent: usize,
    /// When the send under way began, or the peer was last seen to take something of it, steady
    /// milliseconds.
    taken_ms: SteadyMs,
    /// When that was last looked for, and what the kernel still held of what was sent.
    looked_ms: SteadyMs,
    in_kernel: Option<libc::c_int>,
    send_under_way: bool,
    receive_under_way: bool,
    /// The receive under way was asked to stop.
    stopping: bool,
    other_under_way: bool,
    /// The driver waits for the peer's end.
    watched: bool,
    /// The peer's end came, or was never waited for.
    hung_up: bool,
    closing: bool,
}

impl Stream {
    pub(super) fn new(socket: OwnedFd, index: u32, generation: u32, owner: Owner) -> Self {
        // Failures only cost latency, and memory of the kernel.
        let _ = set_tcp_nodelay(&socket, true);
        let _ = set_socket_send_buffer_size(&socket, SEND_SOCKET_OCTETS);
        Self {
            socket,
            index,
            generation,
            owner,
            sending: Vec::new(),
            sent: 0,
            taken_ms: SteadyMs::ZERO,
            looked_ms: SteadyMs::ZERO,
            in_kernel: None,
            send_under_way: false,
            receive_under_way: false,
            stopping: false,
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
    /// Writes what it can at once, without the driver, behind what is being sent already: the last
    /// words of a process that ends.
    pub(super) fn send_now(&mut self, output: &[u8]) {
        if self.send_under_way {
            return;
        }
        // What is not taken is lost with the process, which is about to end; never what stands
        // before something that is taken.
        self.sent += self.write_now(&self.sending[self.sent..]);
        if self.sending() == 0 {
            self.write_now(output);
        }
    }

    /// How many of these octets the socket takes at once.
    fn write_now(&self, octets: &[u8]) -> usize {
        if octets.is_empty() {
            return 0;
        }
        send(&self.socket, octets, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).unwrap_or(0)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether it would begin to send at once.
    pub(super) fn is_free(&self) -> bool {
        !self.send_under_way && !self.closing && self.sending() == 0
    }

    /// Octets that are being sent.
    pub(super) fn sending(&self) -> usize {
        self.sending.len() - self.sent
    }

    /// Since when the peer has taken nothing of the send under way, steady milliseconds.
    ///
    /// A send completes when all of a piece was taken. Of a peer that reads slowly the kernel is
    /// asked: what it holds grows and shrinks as long as the peer reads. The first look only shows
    /// what to compare the next one with; one that comes late is in favour of the peer.
    pub(super) fn takes_nothing_since_ms(&mut self, now_ms: SteadyMs) -> Option<SteadyMs> {
        if self.send_under_way && now_ms >= self.looked_ms + SEND_LOOK_MS {
            let looked_ms = std::mem::replace(&mut self.looked_ms, now_ms);
            let in_kernel = octets_in_kernel(self.socket.as_fd());
            let takes = match self.in_kernel.replace(in_kernel) {
                Some(before) => before != in_kernel,
                None => now_ms >= looked_ms + SEND_LOOK_LATE_MS,
            };
            if takes {
                self.taken_ms = now_ms;
            }
        }
        self.send_under_way.then_some(self.taken_ms)
    }

    /// Octets of memory that it holds.
    pub(super) fn held(&self) -> usize {
        self.sending.capacity()
    }

    /// Gives the buffer back, if nothing is being sent.
    pub(super) fn shrink(&mut self) {
        if !self.send_under_way && self.sending() == 0 {
            (self.sending, self.sent) = (Vec::new(), 0);
        }
    }

    /// Receives, once or on and on, unless it already does or the stream is closing.
    pub(super) fn receive(&mut self, driver: &mut Driver, goes_on: bool) {
        if !self.receive_under_way && !self.closing {
            self.receive_under_way = true;
            driver.receive(self.descriptor(), goes_on, self.token(Operation::Receive));
            if !self.watched && !self.hung_up {
                self.watched = true;
                driver.watch(self.descriptor(), self.token(Operation::HangUp));
            }
        }
    }

    /// The peer has ended the connection, or its half of it; `false`: nothing more can come, close
    /// it.
    ///
    /// A multishot receive can miss that: where octets and the end arrive together, the kernel may
    /// count two wake-ups and look once. A receive that begins anew sees both.
    pub(super) fn hung_up(&mut self, result: i32, driver: &mut Driver) -> bool {
        (self.watched, self.hung_up) = (false, true);
        self.stop_receiving(driver);
        let is_gone = result < 0 || result & i32::from(libc::POLLHUP | libc::POLLERR) != 0;
        self.receive_under_way || !is_gone
    }

    /// Whether a receive is under way, or the stream is closing.
    pub(super) fn needs_no_receive(&self) -> bool {
        self.receive_under_way || self.closing
    }

    /// Stops receiving; what is already under way may still come.
    pub(super) fn stop_receiving(&mut self, driver: &mut Driver) {
        if self.receive_under_way && !std::mem::replace(&mut self.stopping, true) {
            driver.stop_receiving(self.token(Operation::Receive));
        }
    }

    pub(super) fn receive_ended(&mut self) {
        (self.receive_under_way, self.stopping) = (false, false);
    }

    /// Marks another operation (connect) as begun or done.
    pub(super) fn set_other_under_way(&mut self, under_way: bool) {
        self.other_under_way = under_way;
    }

    /// Starts to send what has gathered, unless a send is under way. A long one is sent in pieces,
    /// each of which is progress.
    pub(super) fn flush(&mut self, driver: &mut Driver, output: &mut Vec<u8>, now_ms: SteadyMs) {
        if self.send_under_way || self.closing {
            return;
        }
        if self.sent == self.sending.len() {
            if output.is_empty() {
                return;
            }
            self.sending.clear();
            self.sent = 0;
            std::mem::swap(&mut self.sending, output);
        }
        (self.send_under_way, self.in_kernel) = (true, None);
        (self.taken_ms, self.looked_ms) = (now_ms, now_ms);
        let piece = self.sent..self.sending.len().min(self.sent + SEND_OCTETS_MAX);
        let token = self.token(Operation::Send);
        // SAFETY: `sending` is neither changed nor dropped while `send_under_way` is set: `flush`
        // and `shrink` leave it alone then, and the owner frees a stream only when `is_quiet`.
        unsafe { driver.send(self.socket.as_fd(), &self.sending[piece], token) };
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
        self.shut_down(Shutdown::Write);
    }

    /// Begins to close: every operation under way will complete soon.
    pub(super) fn close(&mut self) {
        if !self.closing {
            self.closing = true;
            self.shut_down(Shutdown::Both);
        }
    }

    fn shut_down(&self, how: Shutdown) {
        // A failure means that it is not connected any more.
        let _ = shutdown(&self.socket, how);
    }

    /// Whether no operation is under way: a closing stream may be dropped.
    pub(super) fn is_quiet(&self) -> bool {
        !(self.send_under_way || self.receive_under_way || self.other_under_way || self.watched)
    }

    /// Whether it is closing and may be dropped.
    pub(super) fn is_over(&self) -> bool {
        self.closing && self.is_quiet()
    }

    pub(super) fn token(&self, operation: Operation) -> Token {
        Token::new(self.owner, operation, self.index, self.generation)
    }
}

/// Octets that were sent and that the peer's kernel has not taken; 0 where none can be counted.
fn octets_in_kernel(socket: BorrowedFd<'_>) -> libc::c_int {
    let mut octets: libc::c_int = 0;
    // SAFETY: the kernel writes an integer of that length, which lives over the call.
    let outcome = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut octets) };
    if outcome == 0 { octets } else { 0 }
}
