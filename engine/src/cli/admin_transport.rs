//! How the command line's HTTP client reaches an engine: by the Unix socket in a data directory, or
//! by an admin port.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::admin_stream::AdminStream;
use super::remote::Remote;
use host::unix_socket;
use host::unix_socket::ADMIN_SOCKET;
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

/// The way to an engine.
pub(super) enum AdminWay {
    /// The socket in this data directory.
    Socket(PathBuf),
    /// A port.
    Port(Remote),
}

impl fmt::Display for AdminWay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(data_dir) => {
                write!(formatter, "admin socket {}", data_dir.join(ADMIN_SOCKET).display())
            }
            Self::Port(remote) => write!(formatter, "admin port {}", remote.url()),
        }
    }
}

/// Connects by one way.
pub(super) struct AdminConnector {
    way: AdminWay,
    /// The connection by which it was found that an engine listens: the first one to be used.
    first: Mutex<Option<AdminStream>>,
}

impl AdminConnector {
    pub(super) fn new(way: AdminWay, first: AdminStream) -> Self {
        Self { way, first: Mutex::new(Some(first)) }
    }

    fn open(&self) -> Result<AdminStream, Error> {
        match &self.way {
            AdminWay::Socket(data_dir) => {
                Ok(AdminStream::Socket(unix_socket::connect(data_dir, ADMIN_SOCKET)?))
            }
            AdminWay::Port(remote) => {
                remote.connect().map_err(|error| Error::Io(std::io::Error::other(error.sentence)))
            }
        }
    }
}

impl fmt::Debug for AdminConnector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the {}", self.way)
    }
}

impl<In: Transport> Connector<In> for AdminConnector {
    type Out = AdminTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<In>,
    ) -> Result<Option<AdminTransport>, Error> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stream = match first {
            Some(stream) => stream,
            None => self.open()?,
        };
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(AdminTransport { stream, buffers, cut: None }))
    }
}

/// A connection as the HTTP client takes it.
pub(super) struct AdminTransport {
    stream: AdminStream,
    buffers: LazyBuffers,
    /// Why the engine takes no more of the request: it may have answered before its end.
    cut: Option<std::io::Error>,
}

impl fmt::Debug for AdminTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a connection to an admin door")
    }
}

/// What a system call said, where it was not the end of its time.
fn told(error: std::io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

/// Whether the other side has closed.
fn is_closed(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(kind, BrokenPipe | ConnectionReset | ConnectionAborted)
}

/// The time that is left, as a socket takes it: none at all is no bound.
fn left(timeout: NextTimeout) -> Option<Duration> {
    timeout.not_zero().map(|left| *left)
}

impl Transport for AdminTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.cut.is_some() {
            return Ok(());
        }
        self.stream.limit_writes(left(timeout))?;
        let output = &self.buffers.output()[..amount];
        match self.stream.write_all(output) {
            // Whoever refuses a file answers and closes: the answer says more than this error.
            Err(error) if is_closed(error.kind()) => self.cut = Some(error),
            written => written.map_err(|error| told(error, timeout))?,
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.limit_reads(left(timeout))?;
        let amount = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Without an answer what cut the request off is what there is to say.
                Ok(0) | Err(_) if self.cut.is_some() => {
                    return Err(self.cut.take().map_or(Error::ConnectionFailed, Error::Io));
                }
                read => break read.map_err(|error| told(error, timeout))?,
            }
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// Each request has a connection of its own: a command makes few, and an engine may close one
    /// at any time.
    fn is_open(&mut self) -> bool {
        false
    }
}
