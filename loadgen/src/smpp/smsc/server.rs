//! The SMSC's thread: one poll over the listener and all sessions.

use super::super::link::{Link, Received};
use super::book::Book;
use super::messages::Messages;
use super::peer::{Account, Desk, Peer};
use super::submits::Late;
use super::{Act, Settings, Shared};
use crate::clock::Clock;
use crate::limits::{SMSC_CONNECTIONS_MAX, SMSC_TIMERS_MS};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use wire::smpp::session::{CloseReason, Config, Event, Role, State};

const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
const EVENTS_MAX: usize = 1_024;

/// See the module's head.
pub(super) struct Server {
    pub(super) shared: Arc<Shared>,
    poll: Poll,
    waker: Arc<Waker>,
    address: SocketAddr,
    listener: Option<TcpListener>,
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) origin_unix_ms: u64,
    pub(super) peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    serial: u64,
    pub(super) accounts: Vec<Account>,
    pub(super) messages: Messages,
    /// Answers that are held back.
    pub(super) late: BinaryHeap<Reverse<Late>>,
    /// submit_sm and data_sm that came.
    pub(super) submits: u64,
    /// Entries of the script that were carried out.
    played: usize,
    acts: Vec<Act>,
    still_until_ms: u64,
    down_until_ms: u64,
    timers_ms: u64,
}

/// What becomes of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Keep,
    /// What is written still goes out.
    Close,
    /// It is cut at once.
    Cut,
}

impl Server {
    pub(super) fn new(
        shared: Arc<Shared>,
        listener: std::net::TcpListener,
        settings: Settings,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let account = |(id, password): &(String, String)| {
            Account::new(id.as_bytes(), Some(password.as_bytes()), settings.rate_per_s)
        };
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Ok(Self {
            accounts: settings.accounts.iter().map(account).collect(),
            shared,
            poll,
            waker,
            address,
            listener: Some(listener),
            settings,
            clock: Clock::start(),
            origin_unix_ms: unix.unwrap_or_default().as_millis() as u64,
            peers: Vec::new(),
            free: Vec::new(),
            serial: 0,
            messages: Messages::default(),
            late: BinaryHeap::new(),
            submits: 0,
            played: 0,
            acts: Vec::new(),
            still_until_ms: 0,
            down_until_ms: 0,
            timers_ms: 0,
        })
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.now_ns() / 1_000_000
    }

    /// Serves until told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let shared = Arc::clone(&self.shared);
        while !shared.stop.load(Relaxed) {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return;
            }
            let was_still = self.still_until_ms > 0;
            if was_still && self.now_ms() < self.still_until_ms {
                continue;
            }
            let mut book = shared.book();
            self.still_until_ms = 0;
            self.mind_acts(&mut book);
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    Token(at) => {
                        if let Some(peer) = self.peers.get_mut(at).and_then(Option::as_mut) {
                            peer.link.note(event);
                        }
                        self.serve(at, &mut book);
                    }
                }
            }
            if was_still {
                // What came meanwhile was told and not looked at.
                self.accept();
                (0..self.peers.len()).for_each(|at| self.serve(at, &mut book));
            }
            self.send_late(&mut book);
            self.send_due(&mut book);
            self.mind_timers(&mut book);
            book.counts.receipts_waiting = self.messages.len() as u64;
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let now_ms = self.now_ms();
        let timers = (self.peers.len() > self.free.len()).then_some(self.timers_ms);
        let down = (self.down_until_ms > 0).then_some(self.down_until_ms);
        let late = self.late.peek().map(|Reverse(late)| late.due_ms);
        let all = [timers, down, late, self.messages.next_due_ms()];
        let first = match self.still_until_ms {
            0 => all.into_iter().flatten().min(),
            until_ms => Some(until_ms),
        };
        first.map(|due_ms| Duration::from_millis(due_ms.saturating_sub(now_ms)))
    }

    /// Has happen what its owner or the script says.
    fn mind_acts(&mut self, book: &mut Book) {
        self.acts.append(&mut self.shared.acts());
        for act in std::mem::take(&mut self.acts) {
            self.act(act, book);
        }
        let now_ms = self.now_ms();
        if self.down_until_ms > 0 && now_ms >= self.down_until_ms {
            self.listen_again(now_ms);
        }
    }

    /// Opens the same address again; if it cannot be had yet, it is tried once more soon.
    fn listen_again(&mut self, now_ms: u64) {
        self.down_until_ms = now_ms + SMSC_TIMERS_MS;
        let Ok(mut listener) = TcpListener::bind(self.address) else { return };
        if self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE).is_ok() {
            (self.listener, self.down_until_ms) = (Some(listener), 0);
            self.accept();
        }
    }

    fn act(&mut self, act: Act, book: &mut Book) {
        let after = |time: Duration| self.now_ms() + (time.as_millis() as u64).max(1);
        match act {
            Act::Heal => self.settings.faults = super::Faults::default(),
            Act::StandStill(time) => self.still_until_ms = after(time),
            Act::Cut => self.cut_all(book),
            Act::Down(time) => {
                self.down_until_ms = after(time);
                self.listener = None;
                self.cut_all(book);
            }
        }
    }

    fn cut_all(&mut self, book: &mut Book) {
        for at in 0..self.peers.len() {
            if let Some(peer) = self.peers[at].take() {
                book.counts.cut += 1;
                self.forget(at, peer, book);
            }
        }
    }

    /// Another submit has come: does the script say something?
    pub(super) fn mind_script(&mut self) {
        while let Some(&(at, act)) = self.settings.script.get(self.played)
            && self.submits >= at
        {
            self.played += 1;
            self.acts.push(act);
            // It happens in the next turn, which comes at once.
            let _ = self.waker.wake();
        }
    }

    fn accept(&mut self) {
        while let Some(listener) = &self.listener {
            let Ok((mut stream, _)) = listener.accept() else { return };
            if self.peers.len() - self.free.len() >= SMSC_CONNECTIONS_MAX {
                continue;
            }
            let at = self.free.pop().unwrap_or(self.peers.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut stream, Token(at), interest).is_err() {
                self.free.push(at);
                return;
            }
            if at == self.peers.len() {
                self.peers.push(None);
            }
            self.serial += 1;
            let link = Link::new(stream, self.config(), self.now_ms());
            self.peers[at] = Some(Peer { link, serial: self.serial, account: None });
        }
    }

    fn config(&self) -> Config {
        Config {
            role: Role::Server,
            window: self.settings.window,
            inbound_window: self.settings.inbound_window,
            enquire_link_ms: self.settings.enquire_link.as_millis() as u64,
            ..Config::customer()
        }
    }

    /// Reads, answers and writes on connection `at`.
    pub(super) fn serve(&mut self, at: usize, book: &mut Book) {
        let Some(mut peer) = self.peers.get_mut(at).and_then(Option::take) else { return };
        let fate = self.exchange(at, &mut peer, book);
        match fate {
            Fate::Keep => self.peers[at] = Some(peer),
            Fate::Close | Fate::Cut => {
                if fate == Fate::Close {
                    // What it said last; it may be gone already.
                    let _ = peer.link.flush();
                }
                self.forget(at, peer, book);
            }
        }
    }

    fn exchange(&mut self, at: usize, peer: &mut Peer, book: &mut Book) -> Fate {
        loop {
            let fate = self.take_pdus(at, peer, book);
            if fate != Fate::Keep {
                return fate;
            }
            if peer.link.flush().is_err() {
                return Fate::Cut;
            }
            if !peer.link.output.has_room() || !peer.link.session.is_reading() {
                return Fate::Keep;
            }
            if self.settings.quick_ack {
                peer.link.acknowledge_at_once();
            }
            match peer.link.receive() {
                Ok(Received::End) | Err(_) => {
                    peer.link.session.handle_end();
                    return self.take_pdus(at, peer, book);
                }
                Ok(Received::More) => {}
                Ok(Received::Rest) => {
                    let fate = self.take_pdus(at, peer, book);
                    return if peer.link.flush().is_err() { Fate::Cut } else { fate };
                }
            }
        }
    }

    /// Takes every whole PDU that has arrived.
    fn take_pdus(&mut self, at: usize, peer: &mut Peer, book: &mut Book) -> Fate {
        loop {
            let now_ms = self.now_ms();
            let Peer { link: Link { session, input, output, .. }, serial, account } = peer;
            if !output.has_room() {
                return Fate::Keep;
            }
            let taken = session.handle_octets(input.octets(), now_ms);
            let mut desk = Desk { session, output, at, serial: *serial, account };
            let mut fate = match taken.event {
                Some(event) => self.handle(event, &mut desk, book, now_ms),
                None => Fate::Keep,
            };
            while let Some(event) = desk.session.poll_event() {
                let quiet = self.handle(event, &mut desk, book, now_ms);
                fate = if fate == Fate::Keep { quiet } else { fate };
            }
            let octets = taken.octets;
            input.take(octets);
            if fate != Fate::Keep || octets == 0 {
                return fate;
            }
        }
    }

    fn handle(
        &mut self,
        event: Event<'_>,
        desk: &mut Desk<'_>,
        book: &mut Book,
        now_ms: u64,
    ) -> Fate {
        match event {
            Event::BindRequested { bind } => self.decide(&bind, desk, book, now_ms),
            Event::Request { request, body, oddities } => {
                book.note_oddities(oddities);
                return self.take_request(request, &body, desk, book, now_ms);
            }
            Event::Answer { token, status, oddities, .. } => {
                book.note_oddities(oddities);
                self.receipt_answered(token, status, book, now_ms);
            }
            Event::InDoubt { token } => self.receipt_in_doubt(token, now_ms),
            Event::Unbinding => book.counts.unbinds += 1,
            Event::Closed { reason } => {
                if reason != CloseReason::Unbound {
                    book.note_end(&reason.to_string());
                }
                return Fate::Close;
            }
            Event::Bound { .. } | Event::Alert { .. } | Event::LateAnswer { .. } => {}
        }
        Fate::Keep
    }

    /// Lets go of a connection: what it had outstanding is told, its account has a session less.
    fn forget(&mut self, at: usize, mut peer: Peer, book: &mut Book) {
        let now_ms = self.now_ms();
        peer.link.session.handle_end();
        while let Some(event) = peer.link.session.poll_event() {
            if let Event::InDoubt { token } = event {
                self.receipt_in_doubt(token, now_ms);
            }
        }
        let counts = peer.link.session.counts();
        book.counts.unexpected_answers += counts.unexpected_answers;
        book.counts.bad_requests += counts.bad_requests;
        book.counts.refused_requests += counts.refused_requests;
        if let Some(account) = peer.account.and_then(|account| self.accounts.get_mut(account)) {
            account.sessions -= 1;
            account.receivers.retain(|&receiver| receiver != at);
            book.counts.sessions -= 1;
        }
        self.free.push(at);
    }

    /// Lets time pass for every session, now and then.
    fn mind_timers(&mut self, book: &mut Book) {
        let now_ms = self.now_ms();
        if now_ms < self.timers_ms {
            return;
        }
        self.timers_ms = now_ms + SMSC_TIMERS_MS;
        for at in 0..self.peers.len() {
            let Some(peer) = &mut self.peers[at] else { continue };
            if peer.link.session.poll_deadline().is_some_and(|due_ms| due_ms <= now_ms) {
                peer.link.session.handle_time(now_ms);
                self.serve(at, book);
            }
        }
    }

    /// Whether receipts can be sent on connection `at` now.
    pub(super) fn can_receive(&self, at: usize) -> bool {
        self.peers[at].as_ref().is_some_and(|peer| {
            let link = &peer.link;
            let receives = matches!(link.session.state(), State::BoundRx | State::BoundTrx);
            receives && link.session.room() > 0 && link.output.has_room()
        })
    }
}
