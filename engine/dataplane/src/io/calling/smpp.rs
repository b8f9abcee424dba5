//! The carriers whose home is this thread: their connections, and the sessions on them.
//!
//! A carrier has a fixed number of sessions. Each has one connection at a time: its dialler says
//! when and where to connect, and a new connection is made only when the old one is gone. What is
//! submitted, and what answers and receipts mean, the carrier's home decides
//! (`network::smpp::home`); here are octets, deadlines and log lines.
//!
//! Never here: a push, an id, a password in a log.

mod caller;
mod secured;
mod speaking;
#[cfg(test)]
mod tests;

use crate::io::budget::Budget;
use crate::io::connecting::{RawAddress, connect, new_socket};
use crate::io::driver::{Completion, Driver, Operation, Owner};
use crate::io::link::{Fate, Link};
use crate::io::now::Now;
use crate::io::pdu_trace::{PduTrace, TracedPeer, Tracer};
use crate::io::slots::Slots;
use crate::network::smpp::carrier::{CARRIERS_MAX, Carrier, SESSIONS_MAX};
use crate::network::smpp::exchange::CarrierPlan;
use crate::network::smpp::home::Home;
use caller::{Caller, change_caller};
use secured::layer;
use speaking::{Desk, OUTPUT_OCTETS_MAX, SHORT_PDU_OCTETS_MAX, Speaking};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use wire::smpp::dial::Dialling;
use wire::smpp::pdu::Bind;
use wire::smpp::session::{CloseReason, Config, Session, State, VERSION_34};
use wire::terms::mix::mix;
use wire::terms::time::SteadyMs;

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

/// What a session of this carrier is traced with, if it is.
fn tracer_of(trace: Option<&Arc<PduTrace>>, line: usize, name: &str) -> Option<Tracer> {
    let is_its = |peer: &TracedPeer| matches!(peer, TracedPeer::Carrier(of) if of == name);
    Tracer::of(trace, line as u32, is_its)
}

/// The carriers of a thread.
pub(crate) struct Carriers {
    thread: usize,
    callers: Vec<Caller>,
    outgoing: Slots<Outgoing>,
    awaited_max: usize,
    budget: Rc<Budget>,
    chance: u64,
    called: u64,
    /// Whether a step of a handshake may be taken in this turn.
    may_shake_hands: bool,
    draining: bool,
    /// Somebody only looks at what there is: no carrier is bound.
    looks_on: bool,
    trace: Option<Arc<PduTrace>>,
}

impl Carriers {
    /// Those of `exchanges` whose home is thread `thread`; each awaits at most so many receipts.
    pub(crate) fn new(
        thread: usize,
        plan: &CarrierPlan,
        awaited_max: usize,
        budget: Rc<Budget>,
        now: Now,
    ) -> Self {
        let mut carriers = Self {
            thread,
            callers: Vec::new(),
            outgoing: Slots::with_capacity(2 * CARRIERS_MAX * usize::from(SESSIONS_MAX)),
            awaited_max,
            budget,
            chance: now.wall_ms.ms(),
            called: 0,
            may_shake_hands: false,
            draining: false,
            looks_on: false,
            trace: None,
        };
        carriers.change(plan, now);
        carriers
    }

    /// The same, where none is to be bound: receipts that one took would be lost to another engine
    /// that has the account.
    pub(crate) fn looking_on(self, looks_on: bool) -> Self {
        Self { looks_on, ..self }
    }

    /// These are the carriers from now on. Sessions go on where nothing was changed that they were
    /// bound with; others end when their last answers are there, and are bound anew.
    pub(crate) fn change(&mut self, plan: &CarrierPlan, now: Now) {
        let now_ms = now.steady_ms;
        let thread = self.thread;
        let own = || plan.carriers.iter().filter(|known| known.exchange.home() == thread);
        for caller in &mut self.callers {
            caller.gone = !own().any(|known| caller.home.is_of(&known.exchange));
            if caller.gone {
                caller.retire(0..caller.lines.len(), now_ms);
            }
        }
        self.forget_the_gone();
        for known in own() {
            let found = self.callers.iter_mut().find(|one| one.home.is_of(&known.exchange));
            match found {
                Some(caller) => change_caller(caller, &known.carrier, now_ms),
                None => {
                    let home = Home::new(known, self.awaited_max, now_ms);
                    let mut caller = Caller { home, lines: Vec::new(), gone: false };
                    for _ in 0..caller.sessions() {
                        caller.lines.push(caller.new_line(now_ms));
                    }
                    self.callers.push(caller);
                }
            }
        }
    }

    /// The PDUs of this carrier's sessions are kept from now on, and no others.
    pub(crate) fn trace_with(&mut self, trace: &Arc<PduTrace>) {
        self.trace = Some(Arc::clone(trace));
        for index in self.outgoing.indices() {
            let Some(outgoing) = self.outgoing.get_mut(index) else { continue };
            let name = &self.callers[outgoing.caller].home.carrier().name;
            outgoing.link.session.tracer = tracer_of(Some(trace), outgoing.line, name);
        }
    }

    /// Lets go of carriers that are there no more, whose sessions have ended, and of which no shard
    /// has anything: with them goes what they awaited.
    fn forget_the_gone(&mut self) {
        for at in (0..self.callers.len()).rev() {
            let caller = &self.callers[at];
            let is_over = caller.lines.iter().all(|line| line.connection.is_none());
            if !(caller.gone && is_over && caller.home.is_alone()) {
                continue;
            }
            self.callers.swap_remove(at);
            let moved = self.callers.len();
            for index in self.outgoing.indices() {
                if let Some(outgoing) = self.outgoing.get_mut(index)
                    && outgoing.caller == moved
                {
                    outgoing.caller = at;
                }
            }
        }
    }

    /// Whether there is any.
    pub(crate) fn is_empty(&self) -> bool {
        self.callers.is_empty()
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
        if self.callers[at].home.may_bind() && !self.draining && !self.looks_on {
            self.dial(at, driver, now);
        }
        let mut busy = false;
        for line in 0..self.callers[at].lines.len() {
            busy |= self.look_at(at, line, driver, now);
        }
        self.unbind_retired(at, driver, now);
        busy |= self.callers[at].home.take_permits(now.steady_ms);
        let home = &mut self.callers[at].home;
        home.handle_time(now.steady_ms);
        if let Some(advice) = home.take_advice() {
            let carrier = &home.carrier().name;
            tracing::warn!(carrier, advice, "receipts match no id as ids are set");
        }
        if let Some(is_choked) = home.take_choking() {
            let carrier = &home.carrier().name;
            match is_choked {
                true => tracing::warn!(
                    carrier,
                    "it has refused everything for load for five minutes: its backups take over"
                ),
                false => tracing::info!(carrier, "it is not choked any more"),
            }
        }
        busy |= self.callers[at].home.pass_receipts();
        busy |= self.answer(at, now);
        for line in 0..self.callers[at].lines.len() {
            busy |= self.submit(at, line, driver, now);
        }
        self.callers[at].home.make_room(now.steady_ms);
        self.called |= self.callers[at].home.take_called();
        busy
    }

    fn draw(&mut self) -> u64 {
        self.chance = mix(self.chance.wrapping_add(1));
        self.chance
    }

    /// Unbinds sessions that are to end and whose last answers are there.
    fn unbind_retired(&mut self, at: usize, driver: &mut Driver, now: Now) {
        let now_ms = now.steady_ms;
        for line in 0..self.callers[at].lines.len() {
            let Caller { home, lines, .. } = &mut self.callers[at];
            let Some(until_ms) = lines[line].retiring_until_ms else { continue };
            let Some(outgoing) =
                lines[line].connection.and_then(|index| self.outgoing.get_mut(index))
            else {
                // Nothing is left of it: what is bound next is bound with the new settings.
                lines[line].retiring_until_ms = None;
                lines[line].dialler.begin_anew(now_ms.ms());
                continue;
            };
            if !outgoing.connected {
                outgoing.link.stream.close();
            } else if home.outstanding(line) == 0 || now_ms >= until_ms {
                outgoing.link.session.session.unbind(now_ms.ms());
            }
            self.look_at(at, line, driver, now);
        }
    }

    /// Connects what is to be connected.
    fn dial(&mut self, at: usize, driver: &mut Driver, now: Now) {
        let sessions = self.callers[at].sessions();
        if self.callers[at].home.carrier().hosts.is_empty() {
            // Its name is not known yet.
            return;
        }
        for line in 0..sessions.min(self.callers[at].lines.len()) {
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
        let host = host % carrier.hosts.len();
        let address = carrier.hosts[host];
        let layer = layer(carrier, carrier.host_of.get(host).copied().unwrap_or(0));
        let chance = self.draw();
        let socket = new_socket(&address).filter(|_| layer.is_ok());
        let budget = &self.budget;
        let index = socket.and_then(|socket| {
            self.outgoing.insert(|index, generation| {
                let session = Session::new(config, now.steady_ms.ms());
                let session = Speaking::new(session, (index, generation));
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
        let name = &self.callers[at].home.carrier().name;
        let tracer = tracer_of(self.trace.as_ref(), line, name);
        let this = &mut self.callers[at].lines[line];
        let Some(index) = index else {
            return this.dialler.handle_lost(now.steady_ms.ms(), chance);
        };
        this.connection = Some(index);
        if let Some(outgoing) = self.outgoing.get_mut(index) {
            outgoing.link.session.tracer = tracer;
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
        let Caller { home, lines, .. } = &mut self.callers[at];
        let Some(outgoing) = self.outgoing.get_mut(index) else { return false };
        if self.may_shake_hands && outgoing.step_is_due() {
            self.may_shake_hands = false;
            outgoing.shake_hands(home, driver, now);
        }
        if outgoing.connected && outgoing.link.is_stuck(now.steady_ms, u64::MAX) {
            // It takes nothing of what it is sent.
            outgoing.link.session.session.handle_end();
        }
        let speaking = &mut outgoing.link.session;
        if outgoing.connected {
            if speaking.session.poll_deadline().is_some_and(|due_ms| now.steady_ms.ms() >= due_ms) {
                speaking.session.handle_time(now.steady_ms.ms());
            }
            home.set_silent(line, speaking.session.is_silent(now.steady_ms.ms()));
            speaking.take_events(home, now);
            speaking.take_output();
        }
        if speaking.session.state() == State::Unbinding {
            // The carrier unbinds: what waits goes by others, and does not wait for the goodbyes.
            home.retire(line);
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
            home.note_error(reason.clone());
            if lines[line].retiring_until_ms.is_some() {
                tracing::info!(carrier, session = line, reason, "a session has ended");
            } else {
                tracing::warn!(carrier, session = line, reason, "a session has ended");
            }
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
        let Speaking { session, output, written, leaving, tracer, .. } = &mut link.session;
        let mut busy = false;
        if session.state().is_bound() && output.len() < OUTPUT_OCTETS_MAX {
            let home = &mut self.callers[at].home;
            let mut note = |octets: usize, token: u64| {
                *written += octets as u64;
                leaving.push_back((*written, token));
            };
            let times = (now.steady_ms, now.wall_ms);
            let before = output.len();
            busy = home.submit(line, session, (output, &mut note), times);
            if let Some(tracer) = tracer {
                tracer.sent(&output[before..]);
            }
        }
        link.flush(driver, now.steady_ms);
        link.session.forget_what_has_left();
        // A session that had as many of the carrier's messages as it may reads on.
        if outgoing.connected && !link.stream.is_closing() {
            let home = &mut self.callers[at].home;
            link.resume(driver, &mut Desk { home, now });
        }
        busy
    }

    /// When there is something to do by itself.
    pub(crate) fn next_due_ms(&mut self, now: Now) -> Option<SteadyMs> {
        let (mut due_ms, dials): (Option<SteadyMs>, bool) = (None, !self.looks_on);
        for caller in &mut self.callers {
            let home_ms = caller.home.next_due_ms(now.steady_ms);
            let dial_ms = caller.lines.iter().filter_map(|line| line.dialler.poll_deadline()).min();
            let dial_ms = dial_ms.filter(|_| dials).map(SteadyMs::new);
            let sessions_ms = caller
                .lines
                .iter()
                .filter_map(|line| line.connection)
                .filter_map(|index| {
                    self.outgoing.get_mut(index)?.link.session.session.poll_deadline()
                })
                .min()
                .map(SteadyMs::new);
            due_ms = [due_ms, home_ms, dial_ms, sessions_ms].into_iter().flatten().min();
        }
        due_ms
    }

    /// Whether shards have put anything before a carrier of this thread.
    pub(crate) fn has_arrivals(&self) -> bool {
        self.callers.iter().any(|caller| caller.home.exchange().has_for_home())
    }

    /// The shards that something was put before since the last call, as [`Home::take_called`] says.
    pub(crate) fn take_called(&mut self) -> u64 {
        std::mem::take(&mut self.called)
    }

    /// What waits goes back, and sessions end when their last answers are there. Whether all have
    /// ended.
    pub(crate) fn drain(&mut self, now: Now) -> bool {
        if !std::mem::replace(&mut self.draining, true) {
            for caller in &mut self.callers {
                caller.retire(0..caller.lines.len(), now.steady_ms);
            }
        }
        self.outgoing.len() == 0
    }

    /// Ends all sessions at once: nobody waits for them any longer.
    pub(crate) fn hang_up(&mut self, driver: &mut Driver, now: Now) {
        for at in 0..self.callers.len() {
            for line in 0..self.callers[at].lines.len() {
                if let Some(index) = self.callers[at].lines[line].connection
                    && let Some(outgoing) = self.outgoing.get_mut(index)
                {
                    outgoing.link.session.session.close();
                    self.look_at(at, line, driver, now);
                }
            }
        }
    }
}

impl Outgoing {
    /// Where it leads.
    fn address(&self) -> SocketAddr {
        self.peer
    }

    fn bind(&mut self, carrier: &Carrier, now: Now) {
        let bind = Bind {
            kind: carrier.kind_of(self.line),
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
            Ok(octets) => speaking.say(&pdu[..octets]),
            // The carrier's settings were checked when they were made.
            Err(_) => speaking.session.close(),
        }
    }
}
