//! What nodes say to each other: frames with their length in front, and a connection that waits for
//! nobody.
//!
//! A request is its number (8), the partition (2), the client's place (4), whether the alert's
//! pushes were found elsewhere (1), and the form. An answer is the request's number (8), the code
//! (2), segments (1), how many pushes were withdrawn (4), msn (8) and xpid (8; all ones: none), and
//! the reqid. All integers are little-endian.

use crate::io::tls::PeerSecurity;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use wire::push::response::Answer;
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Reqid, Xpid};

/// How whoever connects begins.
const MAGIC: [u8; 8] = *b"HAYAPEER";
/// Octets of a frame behind its length, at most: a form has far fewer.
const FRAME_OCTETS_MAX: usize = 256 * 1024;
/// Octets that are read at a time.
const READ_OCTETS: usize = 64 * 1024;
/// Octets of a connection that wait to be read or sent, at most.
const WAITING_OCTETS_MAX: usize = 64 * 1024 * 1024;

/// In the place of an msn or an xpid: there is none.
const NONE: u64 = u64::MAX;

/// What is said before anything else.
pub(super) fn hello(secret: &[u8; 32]) -> [u8; 40] {
    let mut octets = [0; 40];
    octets[..8].copy_from_slice(&MAGIC);
    octets[8..].copy_from_slice(secret);
    octets
}

/// A connection.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    /// TLS, where the nodes speak it.
    security: Option<Box<PeerSecurity>>,
    pub(super) output: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    read: usize,
    /// Why the other end is not spoken to, where TLS says so.
    pub(super) refusal: Option<String>,
}

impl Wire {
    /// # Errors
    /// The connection is gone.
    pub(super) fn new(stream: TcpStream, security: Option<PeerSecurity>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let security = security.map(Box::new);
        let (output, input) = (Vec::new(), Vec::new());
        Ok(Self { stream, security, output, sent: 0, input, read: 0, refusal: None })
    }

    pub(super) fn has_output(&self) -> bool {
        let of_tls = self.security.as_ref().is_some_and(|security| security.has_output());
        self.sent < self.output.len() || of_tls
    }

    /// Takes what has come; whether more may.
    pub(super) fn receive(&mut self) -> bool {
        if self.read > 0 {
            self.input.drain(..self.read);
            self.read = 0;
        }
        let before = self.input.len();
        while self.input.len() < WAITING_OCTETS_MAX {
            match self.receive_once() {
                Ok(true) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What came before the end is read first: the next look finds the end again.
                Ok(false) => return self.input.len() > before,
                Err(error) => {
                    if error.kind() == ErrorKind::InvalidData {
                        self.refusal = Some(error.to_string());
                    }
                    return self.input.len() > before;
                }
            }
        }
        true
    }

    /// Takes what one look at the connection brings; whether more may come.
    fn receive_once(&mut self) -> io::Result<bool> {
        if let Some(security) = &mut self.security {
            return security.take(&mut self.stream, &mut self.input);
        }
        let before = self.input.len();
        self.input.resize(before + READ_OCTETS, 0);
        let read = self.stream.read(&mut self.input[before..]);
        self.input.truncate(before + *read.as_ref().unwrap_or(&0));
        read.map(|octets| octets > 0)
    }

    /// Gives the connection what it takes of the output.
    fn send_once(&mut self) -> io::Result<usize> {
        let rest = &self.output[self.sent..];
        match &mut self.security {
            Some(security) => security.give(&mut self.stream, rest),
            None => self.stream.write(rest),
        }
    }

    /// Sends what can be sent; whether more may be.
    pub(super) fn send(&mut self) -> bool {
        while self.has_output() {
            match self.send_once() {
                Ok(0) => break,
                Ok(octets) => self.sent += octets,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
        self.output.len() - self.sent <= WAITING_OCTETS_MAX
    }

    /// Whether what has come begins with these octets, which are taken then; none while too little
    /// has come.
    pub(super) fn takes(&mut self, wanted: &[u8]) -> Option<bool> {
        let come = self.input.get(self.read..self.read + wanted.len())?;
        // All of them are looked at, so that the time tells nothing.
        let other = come.iter().zip(wanted).fold(0, |other, (left, right)| other | left ^ right);
        self.read += wanted.len();
        Some(other == 0)
    }

    /// The next frame, if it is there whole; `Some(None)` where none can be.
    pub(super) fn next_frame(&mut self) -> Option<Option<&[u8]>> {
        let rest = &self.input[self.read..];
        let octets = u32::from_le_bytes(*rest.first_chunk()?) as usize;
        if octets > FRAME_OCTETS_MAX {
            return Some(None);
        }
        let frame = self.input.get(self.read + 4..self.read + 4 + octets)?;
        self.read += 4 + octets;
        Some(Some(frame))
    }
}

/// A request on its way to another node.
pub(super) struct RequestFrame<'a> {
    pub(super) number: u64,
    pub(super) shard: u16,
    pub(super) client: u32,
    pub(super) found_elsewhere: bool,
    pub(super) form: &'a [u8],
}

impl<'a> RequestFrame<'a> {
    pub(super) fn write(&self, output: &mut Vec<u8>) {
        let octets = (15 + self.form.len()) as u32;
        output.extend_from_slice(&octets.to_le_bytes());
        output.extend_from_slice(&self.number.to_le_bytes());
        output.extend_from_slice(&self.shard.to_le_bytes());
        output.extend_from_slice(&self.client.to_le_bytes());
        output.push(u8::from(self.found_elsewhere));
        output.extend_from_slice(self.form);
    }

    pub(super) fn read(octets: &'a [u8]) -> Option<Self> {
        let mut rest = octets;
        let number = u64::from_le_bytes(take(&mut rest)?);
        let shard = u16::from_le_bytes(take(&mut rest)?);
        let client = u32::from_le_bytes(take(&mut rest)?);
        let [found_elsewhere] = take(&mut rest)?;
        let found_elsewhere = found_elsewhere != 0;
        Some(Self { number, shard, client, found_elsewhere, form: rest })
    }
}

/// An answer on its way home.
#[derive(Debug)]
pub(super) struct AnswerFrame {
    pub(super) number: u64,
    pub(super) count: u32,
    pub(super) answer: Answer,
}

impl AnswerFrame {
    pub(super) fn write(&self, output: &mut Vec<u8>) {
        let reqid = self.answer.reqid.as_ref().map_or(&[][..], Reqid::as_bytes);
        let octets = (31 + reqid.len()) as u32;
        output.extend_from_slice(&octets.to_le_bytes());
        output.extend_from_slice(&self.number.to_le_bytes());
        output.extend_from_slice(&self.answer.code.number().to_le_bytes());
        output.push(self.answer.segments);
        output.extend_from_slice(&self.count.to_le_bytes());
        let msn = self.answer.msn.map_or(NONE, |msn| msn.value());
        let xpid = self.answer.xpid.map_or(NONE, |xpid| xpid.value());
        output.extend_from_slice(&msn.to_le_bytes());
        output.extend_from_slice(&xpid.to_le_bytes());
        output.extend_from_slice(reqid);
    }

    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let mut rest = octets;
        let number = u64::from_le_bytes(take(&mut rest)?);
        let code = Code::from_number(u16::from_le_bytes(take(&mut rest)?))?;
        let [segments] = take(&mut rest)?;
        let count = u32::from_le_bytes(take(&mut rest)?);
        let msn = Msn::from_value(u64::from_le_bytes(take(&mut rest)?));
        let xpid = Xpid::from_value(u64::from_le_bytes(take(&mut rest)?));
        let reqid = Reqid::parse(rest);
        Some(Self { number, count, answer: Answer { code, msn, reqid, xpid, segments } })
    }
}

fn take<const OCTETS: usize>(rest: &mut &[u8]) -> Option<[u8; OCTETS]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}
