//! The sink's thread: one poll over the listener and all connections.

use super::connection::Connection;
use super::{Misbehaviour, Shared};
use crate::clock::Clock;
use crate::http::read_message;
use crate::ledger::{Ledger, Noted};
use crate::notification::{self, Notification};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const EVENTS_MAX: usize = 1_024;
/// Pause before the listener is tried again after a time of being down.
const RELISTEN: Duration = Duration::from_millis(5);

/// See the module's head.
pub(super) struct Server {
    shared: Arc<Shared>,
    poll: Poll,
    waker: Arc<Waker>,
    address: SocketAddr,
    listener: Option<TcpListener>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    clock: Clock,
    generation: u64,
    ledger: Option<Arc<Ledger>>,
    misbehaviour: Misbehaviour,
    /// Notifications seen, for every N-th.
    seen: u64,
    /// Whether any connection may hold answers back.
    holding: bool,
}

/// What becomes of a connection.
#[derive(PartialEq, Eq)]
enum Fate {
    Keep,
    Close,
}

impl Server {
    pub(super) fn new(shared: Arc<Shared>, listener: std::net::TcpListener) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            shared,
            poll,
            waker,
            address,
            listener: Some(listener),
            connections: Vec::new(),
            free: Vec::new(),
            clock: Clock::start(),
            generation: 0,
            ledger: None,
            misbehaviour: Misbehaviour::default(),
            seen: 0,
            holding: false,
        })
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Serves until told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.shared.stop.load(Relaxed) {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return;
            }
            self.catch_up();
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    Token(at) => self.serve(at, event.is_read_closed()),
                }
            }
            self.flush_held();
        }
    }

    /// Takes over a new ledger or misbehaviour.
    fn catch_up(&mut self) {
        let generation = self.shared.generation.load(Relaxed);
        if generation != self.generation {
            self.generation = generation;
            let book = self.shared.book();
            self.ledger.clone_from(&book.ledger);
            self.misbehaviour = book.misbehaviour;
            drop(book);
            if let Some(ledger) = &self.ledger {
                self.clock = ledger.clock();
            }
        }
        if self.misbehaviour.down {
            self.listener = None;
            self.connections.clear();
            self.free.clear();
        } else if self.listener.is_none() {
            self.listen_again();
        }
    }

    /// Opens the same address again; if it cannot be had yet, the next turn tries once more.
    fn listen_again(&mut self) {
        let Ok(mut listener) = TcpListener::bind(self.address) else {
            return;
        };
        if self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE).is_ok() {
            self.listener = Some(listener);
            self.accept();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if self.listener.is_none() && !self.misbehaviour.down {
            return Some(RELISTEN);
        }
        if !self.holding {
            return None;
        }
        let due_ns = self.connections.iter().flatten().filter_map(Connection::next_due_ns).min()?;
        Some(Duration::from_nanos(due_ns.saturating_sub(self.clock.now_ns())))
    }

    fn accept(&mut self) {
        while let Some(listener) = &self.listener {
            let Ok((mut stream, _)) = listener.accept() else {
                return;
            };
            let at = self.free.pop().unwrap_or(self.connections.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut stream, Token(at), interest).is_err() {
                self.free.push(at);
                return;
            }
            // Without it answers would only be slower.
            let _ = stream.set_nodelay(true);
            if at == self.connections.len() {
                self.connections.push(None);
            }
            self.connections[at] = Some(Connection::new(stream));
            self.shared.connections.fetch_add(1, Relaxed);
        }
    }

    /// Reads, answers and writes on connection `at`. `ended`: the peer has closed its side.
    fn serve(&mut self, at: usize, ended: bool) {
        let Some(mut connection) = self.connections.get_mut(at).and_then(Option::take) else {
            return;
        };
        connection.ended |= ended;
        if self.exchange(&mut connection).is_ok_and(|fate| fate == Fate::Keep) {
            self.connections[at] = Some(connection);
        } else {
            self.free.push(at);
        }
    }

    fn exchange(&mut self, connection: &mut Connection) -> io::Result<Fate> {
        loop {
            connection.flush(self.clock.now_ns())?;
            if !connection.has_room() {
                return Ok(Fate::Keep);
            }
            if !connection.receive()? || self.take_messages(connection) == Fate::Close {
                return Ok(Fate::Close);
            }
            connection.flush(self.clock.now_ns())?;
            if !connection.unread {
                return Ok(Fate::Keep);
            }
        }
    }

    fn take_messages(&mut self, connection: &mut Connection) -> Fate {
        let now_ns = self.clock.now_ns();
        loop {
            let answer_from = connection.output_octets();
            let (input, output) = connection.parts();
            let head = match read_message(input) {
                Ok(Some(head)) => head,
                Ok(None) => return Fate::Keep,
                Err(_) => {
                    self.shared.malformed.fetch_add(1, Relaxed);
                    return Fate::Close;
                }
            };
            let fate = match notification::read(&input[head.head_octets..head.octets()]) {
                Some(notification) => self.take_notification(&notification, now_ns, output),
                None => {
                    self.shared.malformed.fetch_add(1, Relaxed);
                    output.extend_from_slice(
                        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
                    );
                    Fate::Keep
                }
            };
            connection.consume(head.octets());
            if !self.misbehaviour.delay.is_zero() {
                connection.hold(answer_from, now_ns + self.misbehaviour.delay.as_nanos() as u64);
                self.holding = true;
            }
            if fate == Fate::Close || head.close {
                // The answer, if there is one, still goes out.
                let _ = connection.flush(now_ns);
                return Fate::Close;
            }
        }
    }

    fn take_notification(
        &mut self,
        notification: &Notification<'_>,
        now_ns: u64,
        output: &mut Vec<u8>,
    ) -> Fate {
        self.seen += 1;
        self.shared.notifications.fetch_add(1, Relaxed);
        if let Some(ledger) = &self.ledger
            && let Noted::First(times) = ledger.note_notification(notification, now_ns)
        {
            let since_start_ns = now_ns.saturating_sub(ledger.start_ns());
            let open = ledger.schedule().is_some();
            let mut book = self.shared.book();
            let stages = book.times.of(times.warm_up);
            stages.notification.record(since_start_ns, times.notification_ns);
            if let Some(delivery_ns) = times.delivery_ns {
                stages.delivery.record(since_start_ns, delivery_ns);
                if open {
                    stages
                        .delivery_service
                        .record(since_start_ns, delivery_ns.saturating_sub(times.late_ns));
                }
            }
            if open {
                let service_ns = times.notification_ns.saturating_sub(times.late_ns);
                stages.notification_service.record(since_start_ns, service_ns);
            }
        }
        let every = |count: u64| count > 0 && self.seen.is_multiple_of(count);
        if every(self.misbehaviour.close_every) {
            self.shared.failed.fetch_add(1, Relaxed);
            return Fate::Close;
        }
        if every(self.misbehaviour.fail_every) {
            self.shared.failed.fetch_add(1, Relaxed);
            output.extend_from_slice(
                b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            );
        } else {
            notification::write_acknowledgement(output, notification);
        }
        Fate::Keep
    }

    /// Writes held answers whose time has come.
    fn flush_held(&mut self) {
        if !self.holding {
            return;
        }
        let now_ns = self.clock.now_ns();
        for at in 0..self.connections.len() {
            let due = self.connections[at].as_ref().and_then(Connection::next_due_ns);
            if due.is_some_and(|due_ns| due_ns <= now_ns) {
                self.serve(at, false);
            }
        }
        self.holding =
            self.connections.iter().flatten().any(|connection| connection.next_due_ns().is_some());
    }
}
