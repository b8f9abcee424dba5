//! The carriers whose home is this thread: their connections, and the sessions on them.
//!
//! A carrier has a fixed number of sessions. Each has one connection at a time: its dialler says
//! when and where to connect, and a new connection is made only when the old one is gone. What is
//! submitted, and what answers and receipts mean, the carrier's home decides
//! (`network::smpp::home`); here are octets, deadlines and log lines.
//!
//! Never here: a push, an id, a password in a log.

mod secured;

use crate::io::budget::Budget;
use crate::io::driver::{Completion, Driver, Operation, Owner};
use crate::io::link::{Fate, Link, Session as LinkSession, Takes};
use crate::io::notifier::{RawAddress, connect, new_socket};
use crate::io::now::Now;
use crate::io::slots::Slots;
use crate::network::port::ReceiptReply;
use crate::network::smpp::exchange::Exchange;
use crate::network::smpp::home::Home;
use secured::layer;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use wire::smpp::dial::{Dialler, Dialling};
use wire::smpp::limits::{CONTROL_OCTETS_MAX, CONTROLS_MAX, PDU_OCTETS_MAX};
use wire::smpp::pdu::{Bind, BindKind, Body, MessageResp};
use wire::smpp::session::{CloseReason, Config, Event, RequestId, Session, VERSION_34};
use wire::smpp::status::Status;
use wire::terms::mix::mix;
use wire::terms::time::SteadyMs;

/// Room for the PDUs that a session makes by itself.
const CONTROLS_OCTETS: usize = CONTROLS_MAX * CONTROL_OCTETS_MAX;
/// Room for a bind or the answer to a message.
const SHORT_PDU_OCTETS_MAX: usize = 256;

/// One session of a carrier.
struct Line {
    dialler: Dialler,
    connection: Option<u32>,
}

/// One carrier.
struct Caller {
    home: Home,
    lines: Vec<Line>,
}

/// A connection to a carrier.
struct Outgoing {
    link: Link<Speaking>,
    caller: usize,
    line: usize,
    connected: bool,
    peer: SocketAddr,
    /// Boxed: the kernel reads it while the connect is under way.
    address: Box<RawAddress>,
}

/// The session on a connection.
struct Speaking {
    session: Session,
    output: Vec<u8>,
    name: (u32, u32),
    was_bound: bool,
    closed: Option<CloseReason>,
}

/// What a session asks for while it takes octets.
struct Desk<'a> {
    home: &'a mut Home,
    now: Now,
}

/// The carriers of a thread.
pub(crate) struct Carriers {
    callers: Vec<Caller>,
    outgoing: Slots<Outgoing>,
    budget: Rc<Budget>,
    chance: u64,
    called: u64,
    /// Whether a step of a handshake may be taken in this turn.
    may_shake_hands: bool,
    draining: bool,
}

impl Carriers {
    /// Those of `exchanges` whose home is shard `shard`; each awaits at most so many receipts.
    pub(crate) fn new(
        shard: usize,
        exchanges: &[Arc<Exchange>],
        awaited_max: usize,
        budget: Rc<Budget>,
        now: Now,
    ) -> Self {
        let own = exchanges.iter().filter(|exchange| exchange.home() == shard);
        let callers: Vec<Caller> = own
            .map(|exchange| {
                let carrier = &exchange.carrier;
                let dialler = || Dialler::new(carrier.hosts.len(), now.steady_ms.ms());
                let line = |_| Line { dialler: dialler(), connection: None };
                Caller {
                    lines: (0..carrier.sessions).map(line).collect(),
                    home: Home::new(Arc::clone(exchange), awaited_max, now.steady_ms.ms()),
                }
            })
            .collect();
        let connections = callers.iter().map(|caller| caller.lines.len()).sum();
        Self {
            callers,
            outgoing: Slots::with_capacity(connections),
            budget,
            chance: now.wall_ms.ms(),
            called: 0,
            may_shake_hands: false,
            draining: false,
        }
    }

    /// One turn: connections, what shards have sent, what may be submitted, what may be answered.
    pub(crate) fn work(&mut self, driver: &mut Driver, now: Now) -> bool {
        let mut busy = false;
        self.may_shake_hands = true;
        for at in 0..self.callers.len() {
            busy |= self.work_for(at, driver, now);
        }
        busy | !self.may_shake_hands
    }

    fn work_for(&mut self, at: usize, driver: &mut Driver, now: Now) -> bool {
        if self.callers[at].home.may_bind() && !self.draining {
            self.dial(at, driver, now);
        }
        let mut busy = false;
        for line in 0..self.callers[at].lines.len() {
            busy |= self.look_at(at, line, driver, now);
        }
        busy |= self.callers[at].home.take_permits(now.steady_ms.ms());
        self.callers[at].home.handle_time(now.steady_ms.ms());
        busy |= self.callers[at].home.pass_receipts();
        busy |= self.answer(at, now);
        for line in 0..self.callers[at].lines.len() {
            busy |= self.submit(at, line, driver, now);
        }
        self.called |= self.callers[at].home.take_called();
        busy
    }

    fn draw(&mut self) -> u64 {
        self.chance = mix(self.chance.wrapping_add(1));
        self.chance
    }

    /// Connects what is to be connected.
    fn dial(&mut self, at: usize, driver: &mut Driver, now: Now) {
        for line in 0..self.callers[at].lines.len() {
            let chance = self.draw();
            let this = &mut self.callers[at].lines[line];
            if this.connection.is_some() && this.dialler.poll_deadline().is_none() {
                continue;
            }
            match this.dialler.poll(now.steady_ms.ms(), chance) {
                Some(Dialling::Connect { host }) if this.connection.is_none() => {
                    self.connect(at, line, host, driver, now);
                }
                Some(Dialling::Connect { .. }) => {
                    // The old socket is not gone yet.
                    this.dialler.handle_lost(now.steady_ms.ms(), chance);
                }
                Some(Dialling::GiveUp) => {
                    if let Some(outgoing) =
                        this.connection.and_then(|index| self.outgoing.get_mut(index))
                    {
                        outgoing.link.stream.close();
                    }
                }
                None => {}
            }
        }
    }

    fn connect(&mut self, at: usize, line: usize, host: usize, driver: &mut Driver, now: Now) {
        let carrier = self.callers[at].home.carrier();
        let config = Config {
            window: carrier.window,
            enquire_link_ms: carrier.enquire_link_ms,
            response_ms: carrier.response_ms,
            ..Config::carrier()
        };
        let address = carrier.hosts[host];
        let layer = layer(carrier, host);
        let chance = self.draw();
        let socket = new_socket(&address).filter(|_| layer.is_ok());
        let budget = &self.budget;
        let index = socket.and_then(|socket| {
            self.outgoing.insert(|index, generation| {
                let session = Speaking {
                    session: Session::new(config, now.steady_ms.ms()),
                    output: Vec::new(),
                    name: (index, generation),
                    was_bound: false,
                    closed: None,
                };
                Outgoing {
                    link: Link::new(socket, (index, generation), Owner::Carrier, session, budget),
                    caller: at,
                    line,
                    connected: false,
                    peer: address,
                    address: RawAddress::of(&address),
                }
            })
        });
        let this = &mut self.callers[at].lines[line];
        let Some(index) = index else {
            return this.dialler.handle_lost(now.steady_ms.ms(), chance);
        };
        this.connection = Some(index);
        if let Some(outgoing) = self.outgoing.get_mut(index) {
            if let Ok(Some(tls)) = layer {
                outgoing.link.secure(tls);
            }
            connect(&mut outgoing.link.stream, &outgoing.address, driver);
        }
    }

    /// A connect, send or receive has completed.
    pub(crate) fn completed(&mut self, completion: &Completion, driver: &mut Driver, now: Now) {
        let index = completion.token.index;
        let found = self.outgoing.of_generation(index, completion.token.generation);
        let Some(outgoing) = found else {
            completion.buffer.inspect(|&buffer| driver.recycle(buffer));
            return;
        };
        let (at, line) = (outgoing.caller, outgoing.line);
        let alive = match completion.token.operation {
            Operation::Connect => {
                outgoing.link.stream.set_other_under_way(false);
                let made = completion.result >= 0 && !outgoing.link.stream.is_closing();
                if made {
                    outgoing.connected = true;
                    outgoing.may_call();
                    self.callers[at].lines[line].dialler.handle_connected();
                    outgoing.bind(self.callers[at].home.carrier(), now);
                    outgoing.link.flush(driver, now.steady_ms);
                    outgoing.link.read_on(driver);
                }
                made
            }
            Operation::HangUp => {
                let stream = &mut outgoing.link.stream;
                stream.hung_up(completion.result, driver) && !stream.is_closing()
            }
            Operation::Send => {
                let alive = outgoing.link.sent(completion);
                if alive {
                    outgoing.link.flush(driver, now.steady_ms);
                }
                alive
            }
            _ => {
                let home = &mut self.callers[at].home;
                let mut desk = Desk { home, now };
                let fate = outgoing.link.received(completion, driver, &mut desk);
                outgoing.link.count();
                fate == Fate::Goes
            }
        };
        if !alive {
            outgoing.leave();
        }
        self.look_at(at, line, driver, now);
    }

    /// Deadlines of a session, what happened on it, and its end.
    fn look_at(&mut self, at: usize, line: usize, driver: &mut Driver, now: Now) -> bool {
        let Some(index) = self.callers[at].lines[line].connection else { return false };
        let chance = self.draw();
        let Caller { home, lines } = &mut self.callers[at];
        let Some(outgoing) = self.outgoing.get_mut(index) else { return false };
        if self.may_shake_hands && outgoing.step_is_due() {
            self.may_shake_hands = false;
            outgoing.shake_hands(home, driver, now);
        }
        let speaking = &mut outgoing.link.session;
        if outgoing.connected {
            if speaking.session.poll_deadline().is_some_and(|due_ms| now.steady_ms.ms() >= due_ms) {
                speaking.session.handle_time(now.steady_ms.ms());
            }
            speaking.take_events(home);
            speaking.take_output();
        }
        let is_bound = speaking.session.state().is_bound();
        if is_bound && !std::mem::replace(&mut speaking.was_bound, true) {
            lines[line].dialler.handle_bound();
            home.session_bound(line);
            tracing::info!(carrier = home.carrier().name, session = line, "bound");
        }
        let mut busy = false;
        if let Some(reason) = speaking.closed.take() {
            busy = true;
            let refusal = match reason {
                CloseReason::Refused(status) => Some(status),
                _ => None,
            };
            if let Some(status) = refusal {
                lines[line].dialler.handle_refused(status);
            }
            home.session_lost(line, refusal.is_some());
            let (carrier, reason) = (&home.carrier().name, reason.to_string());
            tracing::warn!(carrier, session = line, reason, "a session has ended");
            outgoing.link.send_now();
            outgoing.link.stream.close();
        } else {
            outgoing.link.flush(driver, now.steady_ms);
        }
        if outgoing.link.stream.is_over() {
            let was_connected = outgoing.connected;
            self.outgoing.remove(index);
            let this = &mut lines[line];
            this.connection = None;
            if was_connected || this.dialler.is_connecting() {
                this.dialler.handle_lost(now.steady_ms.ms(), chance);
            }
        }
        busy
    }

    /// Answers the carrier's messages that may be answered.
    fn answer(&mut self, at: usize, now: Now) -> bool {
        let mut busy = false;
        while let Some((reply, request)) = self.callers[at].home.take_reply() {
            busy = true;
            let (index, generation) = reply.session;
            // Of a session that is gone it comes again.
            if let Some(outgoing) = self.outgoing.of_generation(index, generation) {
                outgoing.link.session.answer(request, now);
            }
        }
        busy
    }

    fn submit(&mut self, at: usize, line: usize, driver: &mut Driver, now: Now) -> bool {
        let Some(index) = self.callers[at].lines[line].connection else { return false };
        let Some(outgoing) = self.outgoing.get_mut(index) else { return false };
        let link = &mut outgoing.link;
        let Speaking { session, output, .. } = &mut link.session;
        let mut busy = false;
        if session.state().is_bound() {
            let home = &mut self.callers[at].home;
            busy = home.submit(line, session, output, (now.steady_ms.ms(), now.wall_ms.ms()));
        }
        link.flush(driver, now.steady_ms);
        // A session that had as many of the carrier's messages as it may reads on.
        if outgoing.connected && !link.stream.is_closing() {
            let home = &mut self.callers[at].home;
            link.resume(driver, &mut Desk { home, now });
        }
        busy
    }

    /// When there is something to do by itself, steady milliseconds.
    pub(crate) fn next_due_ms(&mut self, now: Now) -> Option<u64> {
        let mut due_ms: Option<u64> = None;
        for caller in &mut self.callers {
            let home_ms = caller.home.next_due_ms(now.steady_ms.ms());
            let dial_ms = caller.lines.iter().filter_map(|line| line.dialler.poll_deadline()).min();
            let sessions_ms = caller
                .lines
                .iter()
                .filter_map(|line| line.connection)
                .filter_map(|index| {
                    self.outgoing.get_mut(index)?.link.session.session.poll_deadline()
                })
                .min();
            due_ms = [due_ms, home_ms, dial_ms, sessions_ms].into_iter().flatten().min();
        }
        due_ms
    }

    /// Whether shards have put anything before a carrier of this thread.
    pub(crate) fn has_arrivals(&self) -> bool {
        self.callers.iter().any(|caller| caller.home.exchange().has_for_home())
    }

    /// The shards that something was put before since the last call.
    pub(crate) fn take_called(&mut self) -> u64 {
        std::mem::take(&mut self.called)
    }

    /// Unbinds what carries nothing; whether all sessions have ended.
    pub(crate) fn drain(&mut self, driver: &mut Driver, now: Now) -> bool {
        self.draining = true;
        for at in 0..self.callers.len() {
            if self.callers[at].home.in_hand() > 0 {
                continue;
            }
            for line in 0..self.callers[at].lines.len() {
                let Some(index) = self.callers[at].lines[line].connection else { continue };
                if let Some(outgoing) = self.outgoing.get_mut(index) {
                    if outgoing.connected {
                        outgoing.link.session.session.unbind(now.steady_ms.ms());
                    } else {
                        outgoing.link.stream.close();
                    }
                }
                self.look_at(at, line, driver, now);
            }
        }
        self.outgoing.len() == 0
    }
}

impl Outgoing {
    /// Where it leads.
    fn address(&self) -> SocketAddr {
        self.peer
    }

    fn bind(&mut self, carrier: &crate::network::smpp::carrier::Carrier, now: Now) {
        let bind = Bind {
            kind: BindKind::Transceiver,
            system_id: carrier.system_id.as_bytes(),
            password: carrier.password.as_bytes(),
            system_type: carrier.system_type.as_bytes(),
            interface_version: VERSION_34,
            addr_ton: 0,
            addr_npi: 0,
            address_range: &[],
        };
        let mut pdu = [0; SHORT_PDU_OCTETS_MAX];
        let speaking = &mut self.link.session;
        match speaking.session.bind(&mut pdu, &bind, now.steady_ms.ms()) {
            Ok(octets) => speaking.output.extend_from_slice(&pdu[..octets]),
            // The carrier's settings were checked when they were made.
            Err(_) => speaking.session.close(),
        }
    }
}

impl Speaking {
    /// The connection has ended.
    fn hang_up(&mut self) {
        self.session.handle_end();
    }

    fn take_events(&mut self, home: &mut Home) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::InDoubt { token } => home.handle_doubt(token),
                Event::Closed { reason } => self.closed = Some(reason),
                _ => {}
            }
        }
    }

    /// What the session says by itself.
    fn take_output(&mut self) {
        let mut pdus = [0; CONTROLS_OCTETS];
        let octets = self.session.poll_output(&mut pdus);
        self.output.extend_from_slice(&pdus[..octets]);
    }

    fn answer(&mut self, request: RequestId, now: Now) {
        let mut pdu = [0; SHORT_PDU_OCTETS_MAX];
        let body = Body::MessageResp(MessageResp::default());
        let answered =
            self.session.answer(&mut pdu, request, Status::OK, &body, now.steady_ms.ms());
        if let Ok(octets) = answered {
            self.output.extend_from_slice(&pdu[..octets]);
        }
    }
}

impl LinkSession for Speaking {
    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn due_ms(&self) -> SteadyMs {
        self.session.poll_deadline().map_or(SteadyMs::NEVER, SteadyMs::new)
    }

    fn wants_more(&self, unconsumed: usize, _most: usize) -> bool {
        unconsumed < 2 * PDU_OCTETS_MAX && self.session.is_reading()
    }

    fn held(&self) -> usize {
        self.output.capacity()
    }

    fn shrink(&mut self) {
        if self.output.is_empty() {
            self.output = Vec::new();
        }
    }
}

impl Takes<Desk<'_>> for Speaking {
    fn take(&mut self, octets: &[u8], _room: usize, desk: &mut Desk<'_>) -> Option<usize> {
        let (mut at, now_ms) = (0, desk.now.steady_ms.ms());
        loop {
            let taken = self.session.handle_octets(&octets[at..], now_ms);
            at += taken.octets;
            let is_done = taken.octets == 0;
            match taken.event {
                Some(Event::Answer { token, status, body, oddities, .. })
                    if desk.home.handle_answer(token, status, &body, oddities, now_ms) =>
                {
                    self.session.close();
                }
                Some(Event::Request { request, body, oddities }) => {
                    let carrier = desk.home.carrier().number;
                    let reply =
                        ReceiptReply { carrier, session: self.name, request: Some(request) };
                    if desk.home.handle_message(&body, oddities, reply, now_ms) {
                        self.answer(request, desk.now);
                    }
                }
                _ => {}
            }
            self.take_events(desk.home);
            self.take_output();
            if is_done || self.closed.is_some() {
                return Some(at);
            }
        }
    }

    fn end(&mut self, _unconsumed: &[u8], desk: &mut Desk<'_>) {
        self.session.handle_end();
        self.take_events(desk.home);
    }
}
