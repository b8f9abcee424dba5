//! One TCP connection with a session of SMPP on it, of either role.

use crate::limits::{RECEIVE_OCTETS, SEND_BACKLOG_OCTETS_MAX};
use mio::event::Event;
use mio::net::TcpStream;
use std::io::{self, Read, Write};
use wire::smpp::limits::PDU_OCTETS_MAX;
use wire::smpp::session::{Config, Session};

/// Octets that the longest PDU finds free in the output before another one is written.
const ROOM_OCTETS: usize = PDU_OCTETS_MAX;

/// See the module's head.
pub(crate) struct Link {
    pub(crate) stream: TcpStream,
    pub(crate) session: Session,
    pub(crate) input: Input,
    pub(crate) output: Output,
    /// Whether the peer has closed its side, as an event said: no further one will, so what is
    /// there is read to its end.
    ended: bool,
}

/// What has arrived and was not taken.
pub(crate) struct Input {
    octets: Box<[u8]>,
    read: usize,
    filled: usize,
}

/// What was written and is not sent.
pub(crate) struct Output {
    octets: Box<[u8]>,
    sent: usize,
    filled: usize,
}

/// What one read brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// Octets, and there may be more, or the end.
    More,
    /// All there were, or nothing.
    Rest,
    /// The peer has closed its side.
    End,
}

impl Link {
    /// Over a connection that has just been made or accepted.
    pub(crate) fn new(stream: TcpStream, config: Config, now_ms: u64) -> Self {
        // Without it PDUs would only be slower.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            session: Session::new(config, now_ms),
            input: Input { octets: vec![0; RECEIVE_OCTETS].into_boxed_slice(), read: 0, filled: 0 },
            output: Output::new(),
            ended: false,
        }
    }

    /// Takes note of what an event says beside that there is something to read or to write.
    pub(crate) fn note(&mut self, event: &Event) {
        self.ended |= event.is_read_closed() || event.is_error();
    }

    /// Reads once.
    pub(crate) fn receive(&mut self) -> io::Result<Received> {
        let input = &mut self.input;
        if input.read > 0 {
            input.octets.copy_within(input.read..input.filled, 0);
            input.filled -= input.read;
            input.read = 0;
        }
        let space = &mut input.octets[input.filled..];
        if space.is_empty() {
            // What is there is taken before more is read.
            return Ok(Received::Rest);
        }
        loop {
            match self.stream.read(space) {
                Ok(0) => return Ok(Received::End),
                Ok(octets) => {
                    input.filled += octets;
                    // A read that does not fill the space has emptied the socket (epoll(7),
                    // question 9).
                    let is_all = octets < space.len() && !self.ended;
                    return Ok(if is_all { Received::Rest } else { Received::More });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Received::Rest);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Has the system acknowledge what has arrived now. It forgets that soon, so it is told again
    /// at every read.
    pub(crate) fn acknowledge_at_once(&self) {
        // Without it a peer would only be slower.
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.stream, true);
    }

    /// Sends what the session made by itself and all that was written, until the socket takes no
    /// more.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let octets = self.session.poll_output(self.output.space());
        self.output.wrote(octets);
        let Output { octets, sent, filled } = &mut self.output;
        while *sent < *filled {
            match self.stream.write(&octets[*sent..*filled]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        (*sent, *filled) = (0, 0);
        Ok(())
    }
}

impl Input {
    /// What has arrived.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets[self.read..self.filled]
    }

    /// The first `octets` of it are done with.
    pub(crate) fn take(&mut self, octets: usize) {
        self.read += octets;
    }
}

impl Output {
    fn new() -> Self {
        let octets = vec![0; SEND_BACKLOG_OCTETS_MAX + 2 * ROOM_OCTETS].into_boxed_slice();
        Self { octets, sent: 0, filled: 0 }
    }

    /// Whether another PDU may be written.
    pub(crate) fn has_room(&self) -> bool {
        self.filled < SEND_BACKLOG_OCTETS_MAX
    }

    /// Where the next PDU goes.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.sent > 0 && self.filled + ROOM_OCTETS > self.octets.len() {
            self.octets.copy_within(self.sent..self.filled, 0);
            self.filled -= self.sent;
            self.sent = 0;
        }
        &mut self.octets[self.filled..]
    }

    /// So many octets were written there.
    pub(crate) fn wrote(&mut self, octets: usize) {
        self.filled += octets;
    }
}
