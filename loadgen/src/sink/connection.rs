//! One connection to the sink: what has arrived, what is to be answered and when.

use crate::limits::{MESSAGE_OCTETS_MAX, RECEIVE_OCTETS};
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// Unwritten answers above which no more notifications are read.
const ANSWER_BACKLOG_OCTETS_MAX: usize = 1 << 20;

/// See the module's head.
pub(super) struct Connection {
    stream: TcpStream,
    input: Box<[u8]>,
    read: usize,
    filled: usize,
    output: Vec<u8>,
    written: usize,
    /// Answers held back: due time and where their octets begin in `output`.
    held: VecDeque<(u64, usize)>,
    /// Whether the socket may hold more than was read.
    pub(super) unread: bool,
    /// Whether the peer has closed its side, which no further event will tell.
    pub(super) ended: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            input: vec![0; RECEIVE_OCTETS].into_boxed_slice(),
            read: 0,
            filled: 0,
            output: Vec::with_capacity(RECEIVE_OCTETS),
            written: 0,
            held: VecDeque::new(),
            unread: false,
            ended: false,
        }
    }

    /// Reads once; false when the peer has closed.
    pub(super) fn receive(&mut self) -> io::Result<bool> {
        self.input.copy_within(self.read..self.filled, 0);
        self.filled -= self.read;
        self.read = 0;
        let space = &mut self.input[self.filled..];
        self.unread = false;
        loop {
            match self.stream.read(space) {
                Ok(0) => return Ok(space.is_empty()),
                Ok(octets) => {
                    self.filled += octets;
                    self.unread = self.ended || octets == space.len();
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What has arrived and was not consumed, and where answers go.
    pub(super) fn parts(&mut self) -> (&[u8], &mut Vec<u8>) {
        (&self.input[self.read..self.filled], &mut self.output)
    }

    /// `octets` of what has arrived are done with.
    pub(super) fn consume(&mut self, octets: usize) {
        self.read += octets;
    }

    /// Octets in the output.
    pub(super) fn output_octets(&self) -> usize {
        self.output.len()
    }

    /// The output from octet `from` on may not leave before `due_ns`.
    pub(super) fn hold(&mut self, from: usize, due_ns: u64) {
        self.held.push_back((due_ns, from));
    }

    /// When the next held answer is due.
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        self.held.front().map(|&(due_ns, _)| due_ns)
    }

    /// Whether there is room for more answers.
    pub(super) fn has_room(&self) -> bool {
        self.output.len() - self.written < ANSWER_BACKLOG_OCTETS_MAX
    }

    /// Writes what is due until the socket takes no more.
    pub(super) fn flush(&mut self, now_ns: u64) -> io::Result<()> {
        let mut end = self.output.len();
        while let Some(&(due_ns, held_from)) = self.held.front() {
            if due_ns > now_ns {
                end = held_from;
                break;
            }
            self.held.pop_front();
        }
        while self.written < end {
            match self.stream.write(&self.output[self.written..end]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(octets) => self.written += octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.compact();
        Ok(())
    }

    /// Forgets written octets: all of them, or those before what is held back once they are many.
    fn compact(&mut self) {
        if self.written < self.output.len() && self.written < MESSAGE_OCTETS_MAX {
            return;
        }
        self.output.drain(..self.written);
        for (_, held_from) in &mut self.held {
            *held_from -= self.written;
        }
        self.written = 0;
    }
}
