//! HTTP/1.1 on a socket, octet by octet: the push client's side of a connection.

use crate::flat::Elements;
use host::unix_socket;
use host::unix_socket::ADMIN_SOCKET;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long an answer may take; an engine that runs answers within milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A connection to an engine.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    heard: Heard,
}

/// What came and is no whole answer yet.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    octets: Vec<u8>,
}

impl Heard {
    /// The next answer, of what `receive` appends; `None` when that ended cleanly before one began.
    pub(crate) fn answer(
        &mut self,
        mut receive: impl FnMut(&mut Vec<u8>) -> std::io::Result<usize>,
    ) -> std::io::Result<Option<Answer>> {
        loop {
            if let Some((answer, octets)) = Answer::read(&self.octets)? {
                self.octets.drain(..octets);
                return Ok(Some(answer));
            }
            if receive(&mut self.octets)? == 0 {
                let is_half = !self.octets.is_empty();
                return if is_half { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(None) };
            }
        }
    }
}

/// An answer that has to be there.
#[track_caller]
pub(crate) fn expected(answer: std::io::Result<Option<Answer>>) -> Answer {
    match answer {
        Ok(Some(answer)) => answer,
        Ok(None) => panic!("the connection closed without an answer"),
        Err(error) => panic!("no answer: {error}"),
    }
}

/// A whole HTTP response.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status line, without its CRLF.
    pub status_line: String,
    /// Name and value of every header line, in their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address)
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"))
    }

    /// Connects.
    ///
    /// # Errors
    /// What the system says.
    pub fn try_open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
        stream.set_nodelay(true)?;
        Self::over(stream)
    }

    /// A connection over a socket that is connected.
    ///
    /// # Panics
    /// When it takes no time-outs.
    pub fn of(socket: OwnedFd) -> Self {
        Self::over(socket.into()).expect("a connected socket")
    }

    /// Connects to the admin socket of a data directory.
    ///
    /// # Errors
    /// What the system says.
    pub fn try_open_admin(data_dir: &Path) -> std::io::Result<Self> {
        let stream: UnixStream = unix_socket::connect(data_dir, ADMIN_SOCKET)?;
        // What is done to a connection here is the same for every kind of stream.
        Self::over(OwnedFd::from(stream).into())
    }

    fn over(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self { stream, heard: Heard::default() })
    }

    /// Sends octets.
    ///
    /// # Panics
    /// When the connection takes none.
    pub fn send(&mut self, octets: &[u8]) {
        self.try_send(octets)
            .unwrap_or_else(|error| panic!("the connection takes no octets: {error}"));
    }

    /// Sends octets.
    ///
    /// # Errors
    /// What the system says; a peer that has closed is no bug of the caller.
    pub fn try_send(&mut self, octets: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Sends no more: the peer reads an end.
    pub fn finish(&mut self) {
        // A peer that is gone needs no end.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Sends octets and reads the answer.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn ask(&mut self, octets: &[u8]) -> Answer {
        self.send(octets);
        self.answer()
    }

    /// Reads the next answer.
    ///
    /// # Panics
    /// When none comes, or something that is no HTTP answer.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        expected(self.try_answer())
    }

    /// Reads the next answer; `None` when the connection ended cleanly before one began.
    ///
    /// # Errors
    /// A time-out, a reset, or an end within an answer.
    pub fn try_answer(&mut self) -> std::io::Result<Option<Answer>> {
        let Self { stream, heard } = self;
        heard.answer(|octets| receive(stream, octets))
    }

    /// The next answer if it is there within a few milliseconds.
    pub fn try_answer_if_due(&mut self) -> Option<Answer> {
        self.set_patience(Duration::from_millis(5));
        let answer = self.try_answer().ok().flatten();
        self.set_patience(ANSWER_WITHIN);
        answer
    }

    /// Whether the peer has closed; waits for it, and finds out at once that another answer comes
    /// instead.
    pub fn is_closed_by_peer(&mut self) -> bool {
        if !self.heard.octets.is_empty() {
            return false;
        }
        match receive(&mut self.stream, &mut self.heard.octets) {
            Ok(octets) => octets == 0,
            Err(error) => {
                matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
            }
        }
    }

    /// How long the reads that follow may take.
    ///
    /// # Panics
    /// When it is no time at all.
    pub fn set_patience(&mut self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).expect("a time above zero");
    }

    /// A second handle of the same connection: one reads while the other writes.
    ///
    /// # Panics
    /// When the process is out of descriptors.
    pub fn try_clone(&self) -> Self {
        let stream = self.stream.try_clone().expect("a free descriptor");
        Self { stream, heard: Heard::default() }
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

fn receive(stream: &mut TcpStream, heard: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut buffer = [0; 64 * 1024];
    let octets = stream.read(&mut buffer)?;
    heard.extend_from_slice(&buffer[..octets]);
    Ok(octets)
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {:?} {:?}", self.status_line, self.headers, self.text())
    }
}

impl Answer {
    /// Reads the answer that `octets` begin with, and how many they are; `None` while it is not
    /// whole.
    fn read(octets: &[u8]) -> std::io::Result<Option<(Self, usize)>> {
        let Some(head_octets) = octets.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let wrong = |what: &str| std::io::Error::new(ErrorKind::InvalidData, what.to_owned());
        let head = std::str::from_utf8(&octets[..head_octets])
            .map_err(|_| wrong("a head that is not UTF-8"))?;
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default().to_owned();
        if !status_line.starts_with("HTTP/1.1 ") {
            return Err(wrong(&format!("no status line: {status_line:?}")));
        }
        let header = |line: &str| {
            line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let headers: Option<Vec<_>> = lines.map(header).collect();
        let headers = headers.ok_or_else(|| wrong(&format!("no header line in {head:?}")))?;
        let mut answer = Self { status_line, headers, body: Vec::new() };
        let body_at = head_octets + 4;
        let length = match answer.header("Content-Length") {
            Some(length) => {
                length.parse().map_err(|_| wrong("a Content-Length that is no number"))?
            }
            // An interim answer has no body.
            None if answer.status() < 200 => 0,
            None => return Err(wrong("an answer without Content-Length")),
        };
        let Some(body) = octets.get(body_at..body_at + length) else { return Ok(None) };
        answer.body = body.to_vec();
        Ok(Some((answer, body_at + length)))
    }

    /// The status code; 0 when it is none.
    pub fn status(&self) -> u16 {
        self.status_line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
    }

    /// The value of the header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The elements of the body.
    ///
    /// # Panics
    /// When the body is not in the flat form.
    #[track_caller]
    pub fn elements(&self) -> Elements {
        Elements::read(&self.body).unwrap_or_else(|error| panic!("{}: {error}", self.status_line))
    }

    /// The result code.
    ///
    /// # Panics
    /// As [`Answer::elements`].
    #[track_caller]
    pub fn code(&self) -> String {
        self.elements().get("code").to_owned()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
