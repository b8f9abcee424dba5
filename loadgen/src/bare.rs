//! A responder that does nothing but answer: the limit that a real gateway is measured against, and
//! the wall that shows how fast the load generator itself is.
//!
//! One thread, one poll. It reads no element; it copies the msn and the reqid from their fixed
//! places in a canonical request into the fixed answer, so that the generator can check its
//! answers. For tests of the instrument it can answer late, stop, or hold to a rate, and says how
//! long it kept each answer back.

use crate::clock::Clock;
use crate::http::read_message;
use crate::latency::Latencies;
use crate::os::Alarm;
use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const ALARM: Token = Token(usize::MAX - 2);
const EVENTS_MAX: usize = 1_024;
const INPUT_OCTETS: usize = 64 * 1024;
const MSN_AT: usize = 75;
const REQID_AT: usize = 101;
const COPIED_OCTETS: usize = 49;
const ANSWER: &str = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 13:34:30 GMT\r\n\
    Content-Type: text/xml; charset=UTF-8\r\nContent-Length: 163\r\n\r\n\
    <?xml version = \"1.0\" ?>\r\n<msn>00000000000</msn>\r\n\
    <reqid>00000000000000000000000</reqid>\r\n<svcid>00100000001</svcid>\r\n\
    <sepmaxnum>1</sepmaxnum>\r\n<code>0000</code>\r\n";
/// Where the answer's msn begins: from there on, `COPIED_OCTETS` are the same in request and
/// answer.
const ANSWER_MSN_AT: usize = ANSWER.len() - 163 + 31;

const _: () = assert!(REQID_AT + 23 == MSN_AT + COPIED_OCTETS);

/// A responder; dropping it closes it.
pub struct Bare {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    kept_back: Arc<Mutex<Latencies>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// How to answer late; the default answers at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Behaviour {
    /// Each answer comes this much later.
    pub delay: Duration,
    /// Every N-th answer comes later by `slow` as well; 0: none.
    pub slow_every: u64,
    /// See `slow_every`.
    pub slow: Duration,
    /// Before answer number N, from 1, everything stops for `stall`; 0: never.
    pub stall_at: u64,
    /// See `stall_at`.
    pub stall: Duration,
    /// At most so many answers a second, evenly spaced; 0: no limit.
    pub rate_per_second: u64,
}

/// The responder's thread.
pub(crate) struct Server {
    poll: Poll,
    listener: TcpListener,
    alarm: Alarm,
    connections: Vec<Option<Connection>>,
    pace: Pace,
}

/// What the responder's thread keeps beside its connections.
struct Pace {
    behaviour: Behaviour,
    clock: Clock,
    answered: Arc<AtomicU64>,
    /// When the rate allows the next answer.
    free_ns: u64,
    /// Until when everything stops.
    stalled_until_ns: u64,
    kept_back: Arc<Mutex<Latencies>>,
}

/// An answer that waits: up to where it reaches in the output, since when and until when.
struct Held {
    end: usize,
    since_ns: u64,
    due_ns: u64,
}

struct Connection {
    held: VecDeque<Held>,
    stream: TcpStream,
    input: Box<[u8]>,
    filled: usize,
    output: Vec<u8>,
    written: usize,
}

impl Bare {
    /// Listens on `listen` (port 0: any free port) with a thread bound to `cpus` (none: not bound).
    pub fn start(listen: SocketAddr, cpus: &[usize]) -> io::Result<Self> {
        Self::behaving(listen, cpus, Behaviour::default())
    }

    /// As `start`, answering late.
    pub fn behaving(listen: SocketAddr, cpus: &[usize], behaviour: Behaviour) -> io::Result<Self> {
        let mut server = Server::new(listen, behaviour, Clock::start())?;
        let address = server.address()?;
        let waker = Waker::new(server.poll.registry(), WAKER)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (answered, kept_back) =
            (Arc::clone(&server.pace.answered), Arc::clone(&server.pace.kept_back));
        let (stop_here, cpus) = (Arc::clone(&stop), cpus.to_vec());
        let thread = std::thread::Builder::new().name("bare".to_owned()).spawn(move || {
            // A responder that may run anywhere is only slower.
            let _ = crate::os::pin_thread(&cpus);
            let mut events = Events::with_capacity(EVENTS_MAX);
            // A poll that fails ends the responder, and its clients see it gone.
            while !stop_here.load(Relaxed) && server.turn(&mut events, None).is_ok() {}
        })?;
        Ok(Self { address, stop, answered, kept_back, waker, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Relaxed)
    }

    /// How long answers that had to wait were kept back, from their request's arrival to their
    /// sending.
    pub fn kept_back(&self) -> Latencies {
        self.kept_back.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Server {
    /// Listens on `listen`.
    pub(crate) fn new(listen: SocketAddr, behaviour: Behaviour, clock: Clock) -> io::Result<Self> {
        let mut listener = TcpListener::bind(listen)?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let alarm = Alarm::new()?;
        poll.registry().register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, Interest::READABLE)?;
        let pace = Pace {
            behaviour,
            clock,
            answered: Arc::default(),
            free_ns: 0,
            stalled_until_ns: 0,
            kept_back: Arc::default(),
        };
        Ok(Self { poll, listener, alarm, connections: Vec::new(), pace })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Waits for requests or what is due, at most for `timeout`, and answers.
    pub(crate) fn turn(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        if let Err(error) = self.poll.poll(events, timeout)
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in &*events {
            match event.token() {
                WAKER | ALARM => {}
                LISTENER => self.accept()?,
                Token(at) => {
                    if let Some(connection) = &mut self.connections[at]
                        && (!connection.exchange(&mut self.pace).unwrap_or(false)
                            || event.is_read_closed())
                    {
                        self.connections[at] = None;
                    }
                }
            }
        }
        if self.pace.behaviour == Behaviour::default() { Ok(()) } else { self.release() }
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((mut stream, _)) = self.listener.accept() {
            stream.set_nodelay(true)?;
            let (token, interest) =
                (Token(self.connections.len()), Interest::READABLE | Interest::WRITABLE);
            self.poll.registry().register(&mut stream, token, interest)?;
            self.connections.push(Some(Connection::new(stream)));
        }
        Ok(())
    }

    /// Sends what is due and sets the alarm for what is due next.
    fn release(&mut self) -> io::Result<()> {
        let now_ns = self.pace.clock.now_ns();
        // What a stall left unread no event will tell again.
        let over = self.pace.stalled_until_ns > 0 && self.pace.stalled_until_ns <= now_ns;
        if over {
            self.pace.stalled_until_ns = 0;
        }
        for slot in &mut self.connections {
            let Some(connection) = slot else { continue };
            let due = connection.held.front().is_some_and(|held| held.due_ns <= now_ns);
            if (over || due) && !connection.exchange(&mut self.pace).unwrap_or(false) {
                *slot = None;
            }
        }
        match self.next_due_ns() {
            Some(next_ns) => self.alarm.set(next_ns.saturating_sub(self.pace.clock.now_ns())),
            None => Ok(()),
        }
    }

    /// Requests read so far.
    #[cfg(test)]
    pub(crate) fn read(&self) -> u64 {
        self.pace.answered.load(Relaxed)
    }

    /// Answers that had to wait and were sent.
    #[cfg(test)]
    pub(crate) fn released(&self) -> u64 {
        self.pace.kept_back.lock().unwrap_or_else(PoisonError::into_inner).count()
    }

    /// Whether it stands still at present.
    #[cfg(test)]
    pub(crate) fn is_stalled(&self) -> bool {
        self.pace.is_stalled()
    }

    /// When something is due without a request; `None` if nothing is.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        if self.pace.stalled_until_ns > 0 {
            return Some(self.pace.stalled_until_ns);
        }
        let held =
            self.connections.iter().flatten().filter_map(|connection| connection.held.front());
        held.map(|held| held.due_ns).min()
    }
}

impl Pace {
    /// When the answer to a request that arrived now may be sent; `None`: at once.
    fn due_ns(&mut self, now_ns: u64) -> Option<u64> {
        let number = self.answered.fetch_add(1, Relaxed) + 1;
        if self.behaviour == Behaviour::default() {
            return None;
        }
        let behaviour = self.behaviour;
        if number == behaviour.stall_at {
            self.stalled_until_ns = now_ns + behaviour.stall.as_nanos() as u64;
        }
        let mut due_ns = (now_ns + behaviour.delay.as_nanos() as u64).max(self.stalled_until_ns);
        if behaviour.slow_every > 0 && number.is_multiple_of(behaviour.slow_every) {
            due_ns += behaviour.slow.as_nanos() as u64;
        }
        if let Some(gap_ns) = 1_000_000_000u64.checked_div(behaviour.rate_per_second) {
            self.free_ns = self.free_ns.max(now_ns) + gap_ns;
            due_ns = due_ns.max(self.free_ns);
        }
        Some(due_ns)
    }

    /// Whether everything stands still at present.
    fn is_stalled(&self) -> bool {
        self.stalled_until_ns > 0 && self.clock.now_ns() < self.stalled_until_ns
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let input = vec![0; INPUT_OCTETS].into_boxed_slice();
        Self {
            held: VecDeque::new(),
            stream,
            input,
            filled: 0,
            output: Vec::with_capacity(INPUT_OCTETS),
            written: 0,
        }
    }

    /// Answers all that has arrived; false when the client has gone or sends what is no request.
    fn exchange(&mut self, pace: &mut Pace) -> io::Result<bool> {
        loop {
            if pace.is_stalled() {
                return Ok(true);
            }
            if !self.flush(pace)? {
                return Ok(true);
            }
            let octets = match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(octets) => octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            };
            self.filled += octets;
            let emptied = self.filled < self.input.len();
            let now_ns = pace.clock.now_ns();
            let mut at = 0;
            while let Ok(Some(head)) = read_message(&self.input[at..self.filled]) {
                let body = &self.input[at + head.head_octets..at + head.octets()];
                at += head.octets();
                let Some(copied) = body.get(MSN_AT..MSN_AT + COPIED_OCTETS) else {
                    return Ok(false);
                };
                let start = self.output.len();
                self.output.extend_from_slice(ANSWER.as_bytes());
                self.output[start + ANSWER_MSN_AT..][..COPIED_OCTETS].copy_from_slice(copied);
                if let Some(due_ns) = pace.due_ns(now_ns) {
                    self.held.push_back(Held { end: self.output.len(), since_ns: now_ns, due_ns });
                }
            }
            if at == 0 && !emptied {
                return Ok(false);
            }
            self.input.copy_within(at..self.filled, 0);
            self.filled -= at;
            if emptied {
                // A stall may have begun with what was just read.
                return if pace.is_stalled() { Ok(true) } else { self.flush(pace).map(|_| true) };
            }
        }
    }

    /// Writes what need not wait; false if the socket takes no more for now.
    fn flush(&mut self, pace: &Pace) -> io::Result<bool> {
        let ready = self.ready(pace);
        while self.written < ready {
            match self.stream.write(&self.output[self.written..ready]) {
                Ok(octets) => self.written += octets,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        } else if self.written > INPUT_OCTETS {
            self.output.drain(..self.written);
            self.held.iter_mut().for_each(|held| held.end -= self.written);
            self.written = 0;
        }
        Ok(true)
    }

    /// How far the output may be written now.
    fn ready(&mut self, pace: &Pace) -> usize {
        if self.held.is_empty() {
            return self.output.len();
        }
        let now_ns = pace.clock.now_ns();
        let mut kept_back = pace.kept_back.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ready = self.written;
        while let Some(held) = self.held.front().filter(|held| held.due_ns <= now_ns) {
            kept_back.record(now_ns - held.since_ns);
            ready = held.end;
            self.held.pop_front();
        }
        if self.held.is_empty() { self.output.len() } else { ready }
    }
}
