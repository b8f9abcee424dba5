//! A responder that does nothing but answer: the limit that a real gateway is measured against, and the wall that
//! shows how fast the load generator itself is.
//!
//! One thread, one poll. It reads no element; it copies the msn and the reqid from their fixed places in a canonical
//! request into the fixed answer, so that the generator can check its answers. For tests of the instrument it can answer
//! late, stop, or hold to a rate, and says how long it kept each answer back.

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
const INPUT_OCTETS: usize = 64 * 1024;
const MSN_AT: usize = 75;
const REQID_AT: usize = 101;
const COPIED_OCTETS: usize = 49;
const ANSWER: &str = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 13:34:30 GMT\r\n\
    Content-Type: text/xml; charset=UTF-8\r\nContent-Length: 163\r\n\r\n<?xml version = \"1.0\" ?>\r\n\
    <msn>00000000000</msn>\r\n<reqid>00000000000000000000000</reqid>\r\n<svcid>00100000001</svcid>\r\n\
    <sepmaxnum>1</sepmaxnum>\r\n<code>0000</code>\r\n";
/// Where the answer's msn begins: from there on, `COPIED_OCTETS` are the same in request and answer.
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

/// What the responder's thread keeps beside its connections.
struct Pace {
    behaviour: Behaviour,
    clock: Clock,
    answered: Arc<AtomicU64>,
    /// When the rate allows the next answer.
    free_ns: u64,
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
        let mut listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let alarm = Alarm::new()?;
        poll.registry().register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, Interest::READABLE)?;
        let kept_back = Arc::new(Mutex::new(Latencies::default()));
        let pace = Pace {
            behaviour,
            clock: Clock::start(),
            answered: Arc::clone(&answered),
            free_ns: 0,
            kept_back: Arc::clone(&kept_back),
        };
        let (stop_here, cpus) = (Arc::clone(&stop), cpus.to_vec());
        let thread = std::thread::Builder::new().name("bare".to_owned()).spawn(move || {
            // A responder that may run anywhere is only slower.
            let _ = crate::os::pin_thread(&cpus);
            // A poll that fails ends the responder, and its clients see it gone.
            let _ = serve(poll, &alarm, &listener, &stop_here, pace);
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

    /// How long answers that had to wait were kept back, from their request's arrival to their sending.
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

fn serve(
    mut poll: Poll,
    alarm: &Alarm,
    listener: &TcpListener,
    stop: &AtomicBool,
    mut pace: Pace,
) -> io::Result<()> {
    let mut events = Events::with_capacity(1_024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    while !stop.load(Relaxed) {
        if let Err(error) = poll.poll(&mut events, None)
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in &events {
            match event.token() {
                WAKER | ALARM => {}
                LISTENER => {
                    while let Ok((mut stream, _)) = listener.accept() {
                        stream.set_nodelay(true)?;
                        let interest = Interest::READABLE | Interest::WRITABLE;
                        poll.registry().register(&mut stream, Token(connections.len()), interest)?;
                        connections.push(Some(Connection::new(stream)));
                    }
                }
                Token(at) => {
                    if let Some(connection) = &mut connections[at]
                        && (!connection.exchange(&mut pace).unwrap_or(false) || event.is_read_closed())
                    {
                        connections[at] = None;
                    }
                }
            }
        }
        if pace.behaviour != Behaviour::default() {
            release(&mut connections, &mut pace, alarm)?;
        }
    }
    Ok(())
}

/// Sends what is due and sets the alarm for what is due next.
fn release(connections: &mut [Option<Connection>], pace: &mut Pace, alarm: &Alarm) -> io::Result<()> {
    let now_ns = pace.clock.now_ns();
    let mut next_ns = u64::MAX;
    for slot in connections {
        let Some(connection) = slot else { continue };
        if connection.held.front().is_some_and(|held| held.due_ns <= now_ns)
            && !connection.exchange(pace).unwrap_or(false)
        {
            *slot = None;
            continue;
        }
        next_ns = next_ns.min(connection.held.front().map_or(u64::MAX, |held| held.due_ns));
    }
    if next_ns < u64::MAX { alarm.set(next_ns.saturating_sub(pace.clock.now_ns())) } else { Ok(()) }
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
            std::thread::sleep(behaviour.stall);
        }
        let mut due_ns = now_ns + behaviour.delay.as_nanos() as u64;
        if behaviour.slow_every > 0 && number.is_multiple_of(behaviour.slow_every) {
            due_ns += behaviour.slow.as_nanos() as u64;
        }
        if let Some(gap_ns) = 1_000_000_000u64.checked_div(behaviour.rate_per_second) {
            self.free_ns = self.free_ns.max(now_ns) + gap_ns;
            due_ns = due_ns.max(self.free_ns);
        }
        Some(due_ns)
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
                return self.flush(pace).map(|_| true);
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
