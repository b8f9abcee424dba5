//! The push client of the comparison: the same closed loop for every server. One thread, kept-alive
//! connections, one request in flight on each; what a request looks like and which answer is a yes,
//! the server's own [`Dialect`] says.

use super::book::Book;
use super::wire::write_out;
use loadgen::latency::Latencies;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};
use wire::push::client::{ResponseOutcome, read_response};

const INPUT_OCTETS: usize = 16 * 1024;
/// How long no answer at all may come.
const STALL_AFTER: Duration = Duration::from_secs(20);

/// How one server is spoken to.
pub(super) trait Dialect: Send + Sync {
    /// Appends the whole request for message `number`.
    fn request(&self, number: u64, out: &mut Vec<u8>);
    /// Whether the answer means "accepted".
    fn accepts(&self, status: u16, body: &[u8]) -> bool;
}

/// What the client saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// When the first request left, on the book's clock.
    pub(super) first_ns: u64,
    /// When the last answer came.
    pub(super) last_answer_ns: u64,
    /// From the send to the answer.
    pub(super) answer_times: Latencies,
}

struct Connection {
    stream: TcpStream,
    output: Vec<u8>,
    written: usize,
    input: Box<[u8]>,
    filled: usize,
    sent_ns: u64,
    busy: bool,
}

/// Sends the messages of `range` over `connections`, each when an earlier one on its connection is
/// answered.
///
/// # Errors
/// One sentence: a connection that broke, an answer that is no yes, or none for twenty seconds.
pub(super) fn send(
    address: SocketAddr,
    connections: usize,
    range: Range<u64>,
    dialect: &dyn Dialect,
    book: &Book,
) -> Result<Sent, String> {
    let broken = |error: io::Error| format!("a connection to {address} broke ({error}).");
    let mut poll = Poll::new().map_err(broken)?;
    let mut lines = Vec::with_capacity(connections);
    for at in 0..connections {
        lines.push(Connection::open(address, at, &poll).map_err(broken)?);
    }
    let mut client = Client {
        dialect,
        book,
        next: range.start,
        end: range.end,
        sent: Sent::default(),
        answered: 0,
    };
    client.sent.first_ns = book.now_ns();
    for line in &mut lines {
        client.next_request(line).map_err(broken)?;
    }
    let messages = range.end - range.start;
    let mut events = Events::with_capacity(1024);
    let mut last_progress = Instant::now();
    while client.answered < messages {
        if let Err(error) = poll.poll(&mut events, Some(Duration::from_millis(500)))
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(broken(error));
        }
        if !events.is_empty() {
            last_progress = Instant::now();
        } else if last_progress.elapsed() > STALL_AFTER {
            return Err(format!(
                "{address} answered {} of {messages} requests and then no more.",
                client.answered
            ));
        }
        for event in &events {
            client.exchange(&mut lines[event.token().0])?;
        }
    }
    Ok(client.sent)
}

struct Client<'a> {
    dialect: &'a dyn Dialect,
    book: &'a Book,
    next: u64,
    end: u64,
    sent: Sent,
    answered: u64,
}

impl Client<'_> {
    /// Reads what has come, and sends the next request once the answer is whole.
    fn exchange(&mut self, line: &mut Connection) -> Result<(), String> {
        let broken = |error: io::Error| format!("a connection broke under a request ({error}).");
        line.flush().map_err(broken)?;
        loop {
            match line.stream.read(&mut line.input[line.filled..]) {
                Ok(0) if line.busy => {
                    return Err("the server closed a connection under a request.".to_owned());
                }
                Ok(0) => return Ok(()),
                Ok(octets) => line.filled += octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(error)),
            }
            match read_response(&line.input[..line.filled], false) {
                ResponseOutcome::Partial => continue,
                ResponseOutcome::Malformed => return Err("an answer is no HTTP.".to_owned()),
                ResponseOutcome::Complete(response) => {
                    let mut scratch = [0; 1024];
                    let body = response.body.joined(&mut scratch).unwrap_or_default();
                    if !self.dialect.accepts(response.status, body) {
                        let text = String::from_utf8_lossy(body);
                        return Err(format!(
                            "an answer is no yes: {} {}",
                            response.status,
                            text.trim()
                        ));
                    }
                    if !response.keep_alive {
                        return Err("the server does not keep connections alive.".to_owned());
                    }
                }
            }
            let now_ns = self.book.now_ns();
            self.sent.answer_times.record(now_ns.saturating_sub(line.sent_ns));
            self.sent.last_answer_ns = now_ns;
            self.answered += 1;
            (line.filled, line.busy) = (0, false);
            self.next_request(line).map_err(broken)?;
        }
    }

    fn next_request(&mut self, line: &mut Connection) -> io::Result<()> {
        if self.next == self.end {
            return Ok(());
        }
        let number = self.next;
        self.next += 1;
        line.output.clear();
        self.dialect.request(number, &mut line.output);
        (line.written, line.busy, line.sent_ns) = (0, true, self.book.now_ns());
        self.book.note_sent(number, line.sent_ns);
        line.flush()
    }
}

impl Connection {
    fn open(address: SocketAddr, at: usize, poll: &Poll) -> io::Result<Self> {
        // Made before it is non-blocking: a run begins with all its connections.
        let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(
            &mut stream,
            Token(at),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let input = vec![0; INPUT_OCTETS].into_boxed_slice();
        Ok(Self {
            stream,
            output: Vec::new(),
            written: 0,
            input,
            filled: 0,
            sent_ns: 0,
            busy: false,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        write_out(&mut self.stream, &self.output, &mut self.written)
    }
}
