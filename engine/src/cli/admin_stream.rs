//! The octets between the command line and an engine, whichever way they go.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::io::tls::SecureStream;

/// A connection to an engine.
pub(super) enum AdminStream {
    Socket(UnixStream),
    Plain(TcpStream),
    Secure(Box<SecureStream>),
}

impl AdminStream {
    pub(super) fn limit_writes(&self, to: Option<Duration>) -> std::io::Result<()> {
        match self {
            Self::Socket(socket) => socket.set_write_timeout(to),
            Self::Plain(socket) => socket.set_write_timeout(to),
            Self::Secure(stream) => stream.socket().set_write_timeout(to),
        }
    }

    pub(super) fn limit_reads(&self, to: Option<Duration>) -> std::io::Result<()> {
        match self {
            Self::Socket(socket) => socket.set_read_timeout(to),
            Self::Plain(socket) => socket.set_read_timeout(to),
            Self::Secure(stream) => stream.socket().set_read_timeout(to),
        }
    }

    pub(super) fn write_all(&mut self, octets: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Socket(socket) => socket.write_all(octets),
            Self::Plain(socket) => socket.write_all(octets),
            Self::Secure(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }

    pub(super) fn read(&mut self, octets: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.read(octets),
            Self::Plain(socket) => socket.read(octets),
            Self::Secure(stream) => stream.read(octets),
        }
    }
}
