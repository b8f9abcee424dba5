//! One socket under epoll: what was asked of it, and what the kernel has said that can be done.

use crate::io::driver::token::Token;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// That a socket has something to receive, an end or an error included.
const READABLE: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;
/// That it takes octets, or says why it never will.
const WRITABLE: u32 = (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) as u32;
/// That the peer has ended it, or its half of it.
const ENDED: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;

/// Octets that are being sent: their owner keeps them where they are until the completion was
/// reaped.
struct Sending {
    octets: *const u8,
    length: usize,
    sent: usize,
}

/// What a receive came to.
pub(super) enum Read {
    Nothing,
    Octets(usize),
    /// It goes no further: the end, or an errno as a negative number.
    Ended(i32),
}

/// The socket of one place; a place that never had one has none.
pub(super) struct Socket {
    descriptor: RawFd,
    generation: Option<u32>,
    sending: Option<Sending>,
    pub(super) connecting: bool,
    pub(super) receiving: bool,
    pub(super) watching: bool,
    readable: bool,
    pub(super) writable: bool,
    ended: u32,
    /// Its place stands in the line of those that are to be received from.
    queued: bool,
    /// The errno by which epoll refused it, or 0.
    pub(super) broken: i32,
}

impl Default for Socket {
    fn default() -> Self {
        Self {
            descriptor: -1,
            generation: None,
            sending: None,
            connecting: false,
            receiving: false,
            watching: false,
            readable: false,
            writable: true,
            ended: 0,
            queued: false,
            broken: 0,
        }
    }
}

impl Socket {
    /// The next one of the place that was the one's `before`, with which it keeps its place in
    /// line.
    pub(super) fn of(descriptor: BorrowedFd<'_>, token: Token, before: &Self) -> Self {
        Self {
            descriptor: descriptor.as_raw_fd(),
            generation: Some(token.generation),
            queued: before.queued,
            ..Self::default()
        }
    }

    /// Whether it is the token's socket, not another one that had its place.
    pub(super) fn is(&self, token: Token) -> bool {
        self.generation == Some(token.generation)
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation.unwrap_or_default()
    }

    /// Takes note of what epoll says.
    pub(super) fn note(&mut self, events: u32) {
        self.readable |= events & READABLE != 0;
        self.writable |= events & WRITABLE != 0;
        self.ended |= events & ENDED;
    }

    /// # Safety
    /// `octets` must stay where it is, unchanged, until [`Self::send_on`] gave a result.
    pub(super) unsafe fn begin_to_send(&mut self, octets: &[u8]) {
        self.sending = Some(Sending { octets: octets.as_ptr(), length: octets.len(), sent: 0 });
    }

    /// How a connect came out, if it was asked for and has.
    pub(super) fn connected(&mut self) -> Option<i32> {
        if !self.connecting || !self.writable && self.broken == 0 {
            return None;
        }
        self.connecting = false;
        Some(if self.broken == 0 { -error_of(self.descriptor) } else { -self.broken })
    }

    /// Sends as much as the socket takes; how many octets were sent once that is all, or an errno
    /// as a negative number.
    pub(super) fn send_on(&mut self) -> Option<i32> {
        let sending = self.sending.as_mut()?;
        let result = loop {
            if self.broken != 0 {
                break -self.broken;
            }
            if !self.writable {
                return None;
            }
            let left = sending.length - sending.sent;
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: whoever sends keeps the octets where they are until this gives a result, and
            // `sent` is not beyond them; the socket is open, because its owner frees it only when
            // nothing is under way on it.
            let sent = unsafe {
                libc::send(self.descriptor, sending.octets.add(sending.sent).cast(), left, flags)
            };
            match usize::try_from(sent) {
                Ok(sent) => {
                    sending.sent += sent;
                    if sending.sent == sending.length {
                        break sending.sent as i32;
                    }
                }
                Err(_) => match io::Error::last_os_error().raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN) => self.writable = false,
                    errno => break -errno.unwrap_or(libc::EIO),
                },
            }
        };
        self.sending = None;
        Some(result)
    }

    /// What the peer's end looks like, if it is watched for and has come.
    pub(super) fn hung_up(&mut self) -> Option<i32> {
        if !self.watching || self.ended == 0 && self.broken == 0 {
            return None;
        }
        self.watching = false;
        Some(if self.broken == 0 { self.ended as i32 } else { -self.broken })
    }

    /// Whether it is to be received from now and has not stood in line; from now on it does.
    pub(super) fn wants_a_read(&mut self) -> bool {
        let wants = self.receiving && (self.readable || self.broken != 0);
        wants && !std::mem::replace(&mut self.queued, true)
    }

    /// Receives once, if it still stands in line and is to be received from.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Read {
        if !std::mem::replace(&mut self.queued, false) || !self.receiving {
            return Read::Nothing;
        }
        if self.broken != 0 {
            return self.end(-self.broken);
        }
        // SAFETY: the buffer takes as many octets as it is said to; the socket is open, because its
        // owner frees it only when no receive is under way.
        let received = unsafe {
            libc::recv(
                self.descriptor,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
            )
        };
        match usize::try_from(received) {
            Ok(0) => self.end(0),
            Ok(octets) => {
                // Less than there was room for does not mean that there is no more: a receive stops
                // before an urgent octet, and of what lies behind it the kernel has told already.
                self.receiving = octets < buffer.len();
                Read::Octets(octets)
            }
            Err(_) => match io::Error::last_os_error().raw_os_error() {
                Some(libc::EINTR) => Read::Nothing,
                Some(libc::EAGAIN) => {
                    self.readable = false;
                    Read::Nothing
                }
                errno => self.end(-errno.unwrap_or(libc::EIO)),
            },
        }
    }

    fn end(&mut self, result: i32) -> Read {
        self.receiving = false;
        Read::Ended(result)
    }
}

/// Begins to connect; whether it is connected already. The address is not needed any more when this
/// returns.
///
/// # Safety
/// `address` must be a socket address of so many octets.
pub(super) unsafe fn begin_to_connect(
    socket: BorrowedFd<'_>,
    address: *const libc::sockaddr,
    octets: u32,
) -> io::Result<bool> {
    rustix::io::ioctl_fionbio(socket, true)?;
    // SAFETY: the caller's promise, handed on.
    if unsafe { libc::connect(socket.as_raw_fd(), address, octets) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // Interrupted, it goes on in the background.
        Some(libc::EINPROGRESS | libc::EINTR) => Ok(false),
        _ => Err(error),
    }
}

/// The error that waits on a socket, or 0.
fn error_of(descriptor: RawFd) -> i32 {
    let mut error: libc::c_int = 0;
    let mut octets = size_of::<libc::c_int>() as u32;
    // SAFETY: the kernel writes an integer of that length; the socket is open, because a connect is
    // under way on it.
    let outcome = unsafe {
        libc::getsockopt(
            descriptor,
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            (&raw mut error).cast(),
            &raw mut octets,
        )
    };
    if outcome == 0 { error } else { libc::EIO }
}
