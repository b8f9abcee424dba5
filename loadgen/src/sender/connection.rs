//! One connection of a sender, plain or over TLS: what is rendered and not yet written, what is in
//! flight, what has arrived.

use super::work::Job;
use crate::answer::{self, Answer};
use crate::http::HttpError;
use crate::limits::{
    RECEIVE_OCTETS, RECONNECT_PAUSE_NS_MAX, RECONNECT_PAUSE_NS_MIN, SEND_BACKLOG_OCTETS_MAX,
};
use crate::reqid::RunId;
use crate::tls::TargetStream;
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io;

/// A request that was rendered and has no answer yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) job: Job,
    pub(super) sent_ns: u64,
}

/// Whether there is a socket.
pub(super) enum State {
    /// None; the next attempt is due then.
    Down { retry_at_ns: u64 },
    /// Under way.
    Connecting(TargetStream<TcpStream>),
    /// Made; a handshake of TLS may still be under way, behind which what is rendered leaves.
    Up(TargetStream<TcpStream>),
}

/// See the module's head.
pub(super) struct Connection {
    pub(super) state: State,
    pub(super) output: Vec<u8>,
    written: usize,
    input: Box<[u8]>,
    read: usize,
    filled: usize,
    pub(super) in_flight: VecDeque<InFlight>,
    /// Whether it stands in the sender's line of connections with room.
    pub(super) in_line: bool,
    /// Answers that came on it, over all its sockets.
    pub(super) answered: u64,
    /// Answers that came on the socket it has now.
    pub(super) answered_here: u64,
    pause_ns: u64,
}

/// What one read brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Received {
    /// Octets, and there are more.
    More,
    /// All octets there were; only the peer's end may still be behind them.
    Rest,
    /// Nothing.
    Nothing,
    /// The peer has closed.
    Closed,
}

impl Connection {
    /// Over a connected socket that stands in the line, with room for `pipeline` requests of at
    /// most `request_octets`.
    pub(super) fn new(
        stream: TargetStream<TcpStream>,
        pipeline: usize,
        request_octets: usize,
    ) -> Self {
        let output_octets =
            (pipeline * request_octets).min(SEND_BACKLOG_OCTETS_MAX + request_octets);
        Self {
            state: State::Up(stream),
            output: Vec::with_capacity(output_octets),
            written: 0,
            input: vec![0; RECEIVE_OCTETS].into_boxed_slice(),
            read: 0,
            filled: 0,
            in_flight: VecDeque::with_capacity(pipeline),
            in_line: true,
            answered: 0,
            answered_here: 0,
            pause_ns: RECONNECT_PAUSE_NS_MIN,
        }
    }

    /// How many requests may be added.
    pub(super) fn room(&self, pipeline: usize) -> usize {
        let open = matches!(self.state, State::Up(_))
            && self.output.len() - self.written < SEND_BACKLOG_OCTETS_MAX;
        if open { pipeline.saturating_sub(self.in_flight.len()) } else { 0 }
    }

    /// Writes what is rendered until the socket takes no more.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let State::Up(stream) = &mut self.state else {
            return Ok(());
        };
        self.written += stream.write_now(&self.output[self.written..])?;
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
        Ok(())
    }

    /// Reads once.
    pub(super) fn receive(&mut self) -> io::Result<Received> {
        let State::Up(stream) = &mut self.state else {
            return Ok(Received::Nothing);
        };
        if self.read > 0 {
            self.input.copy_within(self.read..self.filled, 0);
            self.filled -= self.read;
            self.read = 0;
        }
        // The buffer is as long as the longest answer, so an incomplete one always leaves room.
        let space = &mut self.input[self.filled..];
        loop {
            match stream.read_now(space) {
                Ok(0) => return Ok(Received::Closed),
                Ok(octets) => {
                    self.filled += octets;
                    // A read that does not fill the space has emptied the socket (epoll(7),
                    // question 9); one that opens a record has not.
                    let is_all = octets < space.len() && stream.is_plain();
                    return Ok(if is_all { Received::Rest } else { Received::More });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Received::Nothing);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the next complete answer out of what has arrived. `ended`: nothing more will.
    pub(super) fn next_answer(
        &mut self,
        ended: bool,
        run: &RunId,
    ) -> Result<Option<Answer>, HttpError> {
        let answer = answer::read(&self.input[self.read..self.filled], ended, run)?;
        if let Some(answer) = &answer {
            self.read += answer.octets;
            self.answered += 1;
            self.answered_here += 1;
            self.pause_ns = RECONNECT_PAUSE_NS_MIN;
        }
        Ok(answer)
    }

    /// Takes the request that an answer belongs to: the one it names, else the oldest. The flag
    /// tells whether the answer came in its turn.
    pub(super) fn take_request(&mut self, named: Option<u64>) -> Option<(InFlight, bool)> {
        let oldest = *self.in_flight.front()?;
        match named {
            Some(index) if index != oldest.job.subject => {
                let at = self.in_flight.iter().position(|request| request.job.subject == index)?;
                self.in_flight.remove(at).map(|request| (request, false))
            }
            _ => {
                self.in_flight.pop_front();
                Some((oldest, true))
            }
        }
    }

    /// What has arrived and is no whole answer.
    pub(super) fn unread(&self) -> &[u8] {
        &self.input[self.read..self.filled]
    }

    /// Whether everything rendered was written.
    pub(super) fn is_written(&self) -> bool {
        let is_sent = match &self.state {
            State::Up(stream) => stream.is_flushed(),
            _ => true,
        };
        self.written == self.output.len() && is_sent
    }

    /// The run ends: under TLS with a word of parting.
    pub(super) fn say_goodbye(&mut self) {
        if let State::Up(stream) = &mut self.state {
            stream.say_goodbye();
        }
    }

    /// Drops the socket and what was half sent and half received; the requests in flight stay for
    /// the caller. The next attempt comes at once if this socket carried answers, else after a
    /// pause that grows.
    pub(super) fn close(&mut self, now_ns: u64) {
        let pause_ns = if self.answered_here > 0 { 0 } else { self.pause_ns };
        self.state = State::Down { retry_at_ns: now_ns + pause_ns };
        if pause_ns > 0 {
            self.pause_ns = (self.pause_ns * 2).min(RECONNECT_PAUSE_NS_MAX);
        }
        self.answered_here = 0;
        self.output.clear();
        self.written = 0;
        self.read = 0;
        self.filled = 0;
    }
}
