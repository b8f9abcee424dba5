//! A sending thread: a set of connections, one poll, and the pushes that are its share.
//!
//! It renders what is due into the connections that have room, writes, waits, reads answers and
//! enters them into the ledger. Nothing is allocated per push. A lost connection is made again and
//! what it owed is sent again, octet by octet the same.

mod connection;
pub(crate) mod esme;
mod notes;
#[cfg(test)]
mod tests;
mod upkeep;
mod work;

use crate::answer::{Answer, Echo};
use crate::latency::{Latencies, Phases, Series};
use crate::ledger::Ledger;
use crate::limits::{ALARM_NS_MAX, HOUSEKEEPING_NS, PACING_QUANTUM_NS, WINDOW_RECHECK_NS};
use crate::live::Board;
use crate::os::Alarm;
use crate::plan::Plan;
use crate::template::Templates;
use crate::tls::TargetStream;
use connection::{Connection, InFlight, Received, State};
use esme::Submitting;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use notes::{Moment, note_first_send, since_ns};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use work::Work;

const ALARM: Token = Token(usize::MAX);
const EVENTS_MAX: usize = 1_024;
/// Requests of an open loop that share a write where so many are due.
const WRITE_REQUESTS_MIN: usize = 4;
/// A send this long after its intended time counts as late.
const LATE_NS: u64 = 1_000_000;

/// What all threads of a run share.
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) templates: Templates,
    /// Where the target is an SMSC.
    pub(crate) submitting: Option<Arc<Submitting>>,
    pub(crate) board: Board,
    pub(crate) connections_lost: AtomicU64,
    pub(crate) stop: AtomicBool,
    pub(crate) interrupted: AtomicBool,
    pub(crate) give_up: AtomicBool,
}

/// What one thread measured.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// From the intended (open loop) or first actual (closed loop) send to the final answer.
    pub answer_times: Latencies,
    /// From the actual send of a request to its answer.
    pub service_times: Latencies,
    /// Open loop: from the intended to the actual send.
    pub lateness: Latencies,
    /// Open loop: the part of the lateness that is the generator's own; what the window and full
    /// connections held back does not count.
    pub own_lateness: Latencies,
    /// The same by quarter seconds.
    pub own_quarters: Series,
    /// Open loop: sends that fell due while the window was shut or no connection had room.
    pub held_back: u64,
    /// The latencies over time, the warm-up's apart from the load's; notifications are the sink's
    /// to enter.
    pub phases: Phases,
    /// Share of its time, 0 to 1, that each sending thread spent on a CPU.
    pub busy: Vec<f64>,
    /// Open loop: sends later than a millisecond.
    pub late: u64,
    /// Requests sent again after their connection was lost, or behind an answer that closed it.
    pub resent: u64,
    /// Requests sent again because the answer said "come again later".
    pub retried: u64,
    /// Connections lost.
    pub connections_lost: u64,
    /// Connections that the target closed as HTTP allows, and which were made again.
    pub connections_closed: u64,
    /// Connections that could not be made before the load began.
    pub connections_missing: u64,
    /// Connections that never carried an answer.
    pub connections_silent: u64,
    /// Answers out of their turn on a connection.
    pub misordered: u64,
    /// Answers that could not be read or belong to no request.
    pub malformed: u64,
    /// Answers of an SMSC that say no, by their command_status.
    pub statuses: BTreeMap<u32, u64>,
    /// Answers of an SMSC that took a message and gave it no id: no receipt can name it.
    pub nameless: u64,
    /// Why the last connection was lost, if one was.
    pub last_fault: Option<String>,
    /// Why the thread gave up, if it did.
    pub failure: Option<String>,
}

impl Sent {
    /// Adds what another thread measured.
    pub(crate) fn add(&mut self, other: &Self) {
        self.answer_times.add(&other.answer_times);
        self.service_times.add(&other.service_times);
        self.lateness.add(&other.lateness);
        self.own_lateness.add(&other.own_lateness);
        self.own_quarters.add(&other.own_quarters);
        self.held_back += other.held_back;
        self.phases.add(&other.phases);
        self.busy.extend_from_slice(&other.busy);
        self.late += other.late;
        self.resent += other.resent;
        self.retried += other.retried;
        self.connections_lost += other.connections_lost;
        self.connections_closed += other.connections_closed;
        self.connections_missing += other.connections_missing;
        self.connections_silent += other.connections_silent;
        self.misordered += other.misordered;
        self.malformed += other.malformed;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.nameless += other.nameless;
        self.last_fault = self.last_fault.take().or_else(|| other.last_fault.clone());
        self.failure = self.failure.take().or_else(|| other.failure.clone());
    }
}

/// A thread ready to send: its connections are made.
pub(crate) struct Sender {
    shared: Arc<Shared>,
    number: usize,
    poll: Poll,
    alarm: Alarm,
    connections: Vec<Connection>,
    /// Connections with room, the longest waiting first.
    line: VecDeque<usize>,
    work: Work,
    in_flight: usize,
    up: usize,
    last_up_ns: u64,
    housekeeping_ns: u64,
    window_shut: bool,
    /// Requests in flight on one connection: one where the target closes after each answer.
    depth: usize,
    /// Whether the target has given a proper answer.
    heard: bool,
    /// Since when it owes answers and gives none, and how many connections ended without one since
    /// then.
    silent_since_ns: u64,
    fruitless: u64,
    /// What the target is, where it is no push gateway.
    refusal: Option<String>,
    /// Whether the last turn left no room for what falls due, and when that ended.
    blocked: bool,
    unblocked_ns: u64,
    start_ns: u64,
    /// The last interval that was shown on the board.
    shown: Option<u64>,
    sent: Sent,
}

impl Sender {
    /// Takes over connected sockets.
    pub(crate) fn new(
        shared: Arc<Shared>,
        number: usize,
        streams: Vec<TargetStream<std::net::TcpStream>>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm::new()?;
        poll.registry().register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, Interest::READABLE)?;
        let request_octets = shared.templates.octets_max();
        let mut connections = Vec::with_capacity(streams.len());
        for (at, stream) in streams.into_iter().enumerate() {
            let mut stream = stream.into_polled()?;
            poll.registry().register(
                &mut stream.socket,
                Token(at),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            connections.push(Connection::new(stream, shared.plan.pipeline, request_octets));
        }
        let up = connections.len();
        Ok(Self {
            work: Work::new(0, 1, 0, None, 0),
            line: (0..up).collect(),
            in_flight: 0,
            last_up_ns: 0,
            housekeeping_ns: 0,
            window_shut: false,
            depth: shared.plan.pipeline,
            heard: false,
            silent_since_ns: 0,
            fruitless: 0,
            refusal: None,
            blocked: false,
            unblocked_ns: 0,
            start_ns: 0,
            shown: None,
            sent: Sent::default(),
            shared,
            number,
            poll,
            alarm,
            connections,
            up,
        })
    }

    /// Sends this thread's share; returns when each push is answered for good, or the target stays
    /// away.
    pub(crate) fn run(mut self) -> Sent {
        let cpu_before = crate::os::own_thread_cpu_time();
        self.begin();
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            match self.turn(&mut events, true) {
                Ok(false) => {}
                Ok(true) => break,
                Err(error) => {
                    self.sent.failure = Some(error);
                    break;
                }
            }
        }
        let cpu = crate::os::own_thread_cpu_time().saturating_sub(cpu_before);
        let passed_ns = self.now_ns().saturating_sub(self.start_ns).max(1);
        self.sent.busy = vec![cpu.as_nanos() as f64 / passed_ns as f64];
        self.end()
    }

    /// The load starts now.
    fn begin(&mut self) {
        let plan = &self.shared.plan;
        let ledger = &self.shared.ledger;
        let (number, stride) = (self.number as u64, plan.threads as u64);
        self.work =
            Work::new(number, stride, plan.pushes, ledger.schedule().cloned(), ledger.start_ns());
        self.start_ns = ledger.start_ns();
        self.last_up_ns = ledger.start_ns();
        self.silent_since_ns = ledger.start_ns();
    }

    /// Sends what is due, waits (or, without `wait`, only looks) and takes what has come; true when
    /// all is done.
    fn turn(&mut self, events: &mut Events, wait: bool) -> Result<bool, String> {
        self.dispatch();
        let given_up = self.shared.give_up.load(Relaxed);
        if self.work.is_done() && self.in_flight == 0 || given_up {
            return Ok(true);
        }
        let timeout = if wait {
            let now_ns = self.now_ns();
            self.timeout(now_ns).map_err(|error| format!("the sender's alarm failed: {error}."))?
        } else {
            Some(Duration::ZERO)
        };
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(format!("the sender's poll failed: {error}."));
            }
            _ => {}
        }
        for event in &*events {
            if event.token() != ALARM {
                self.handle(event);
            }
        }
        self.keep_house().map(|()| false)
    }

    /// What was measured.
    fn end(mut self) -> Sent {
        self.connections.iter_mut().for_each(Connection::say_goodbye);
        let silent = self.connections.iter().filter(|connection| connection.answered == 0).count();
        self.sent.connections_silent = silent as u64;
        self.sent.answer_times = self.sent.phases.load.answer.total();
        self.sent.service_times = self.sent.phases.load.service.total();
        self.sent.lateness = self.sent.phases.load.lateness.total();
        self.sent
    }

    fn now_ns(&self) -> u64 {
        self.shared.ledger.clock().now_ns()
    }

    /// Renders and writes what may go out now.
    fn dispatch(&mut self) {
        let now_ns = self.now_ns();
        let outstanding = self.shared.ledger.outstanding();
        let window =
            self.shared.plan.window.map_or(u64::MAX, |window| window.saturating_sub(outstanding));
        // Several threads share the window; each takes its part of what is left.
        let mut window =
            if window == 0 { 0 } else { window.div_ceil(self.shared.plan.threads as u64) };
        if self.blocked && window > 0 && !self.line.is_empty() {
            self.unblocked_ns = now_ns;
        }
        // An open loop spreads what is due over the connections, a few requests a write; a closed
        // loop fills each connection as it comes.
        let share = match self.work.due(now_ns) {
            _ if self.shared.ledger.schedule().is_none() => usize::MAX,
            due => {
                (due.min(window) as usize).div_ceil(self.line.len().max(1)).max(WRITE_REQUESTS_MIN)
            }
        };
        while let Some(&at) = self.line.front() {
            let room = self.connections[at].room(self.depth);
            let rendered = self.render(at, room.min(share), &mut window);
            if rendered > 0
                && let Err(error) = self.connections[at].flush()
            {
                self.lose(at, &error.to_string());
            }
            // Behind the others if it still has room, out of the line if it has none.
            if rendered > 0 || room == 0 {
                self.line.pop_front();
                self.connections[at].in_line = false;
                self.line_up(at);
            }
            if rendered < room.min(share) {
                break;
            }
        }
        self.window_shut = window == 0;
        self.blocked = self.window_shut || self.line.is_empty();
    }

    /// Renders up to `count` requests into connection `at`; returns how many there were.
    fn render(&mut self, at: usize, count: usize, window: &mut u64) -> usize {
        let now_ns = self.now_ns();
        let moment = Moment { now_ns, start_ns: self.start_ns, unblocked_ns: self.unblocked_ns };
        let connection = &mut self.connections[at];
        for rendered in 0..count {
            let Some(mut job) = self.work.take(now_ns, *window > 0) else {
                return rendered;
            };
            if job.attempts == 0 {
                *window -= 1;
                note_first_send(&self.shared, &self.work, &mut self.sent, moment, &mut job);
            }
            job.subject = self.shared.templates.render(job.index, &mut connection.output);
            if job.attempts == 0 && job.subject != job.index {
                job.early = !self.shared.ledger.is_settled(job.subject);
            }
            connection.in_flight.push_back(InFlight { job, sent_ns: now_ns });
            self.in_flight += 1;
        }
        count
    }

    /// Puts connection `at` into the line if it has room and is not there.
    fn line_up(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        if !connection.in_line && connection.room(self.depth) > 0 {
            connection.in_line = true;
            self.line.push_back(at);
        }
    }

    /// How long to wait for events; sets the alarm where milliseconds are too coarse.
    fn timeout(&mut self, now_ns: u64) -> io::Result<Option<Duration>> {
        let mut wait_ns = HOUSEKEEPING_NS;
        if self.window_shut && self.work.has_new() {
            wait_ns = wait_ns.min(WINDOW_RECHECK_NS);
        } else if !self.line.is_empty()
            && let Some(due_ns) = self.work.next_due_ns()
        {
            match pause_ns(due_ns.saturating_sub(now_ns), self.shared.plan.spin) {
                Some(pause_ns) => wait_ns = wait_ns.min(pause_ns),
                None => {
                    // Whoever shares this CPU gets on meanwhile.
                    std::thread::yield_now();
                    return Ok(Some(Duration::ZERO));
                }
            }
        }
        for connection in self.connections.iter().take(if self.up < self.connections.len() {
            usize::MAX
        } else {
            0
        }) {
            if let State::Down { retry_at_ns } = connection.state {
                wait_ns = wait_ns.min(retry_at_ns.saturating_sub(now_ns));
            }
        }
        if wait_ns < ALARM_NS_MAX {
            self.alarm.set(wait_ns)?;
        }
        Ok(Some(Duration::from_nanos(wait_ns.max(ALARM_NS_MAX))))
    }

    fn handle(&mut self, event: &Event) {
        let at = event.token().0;
        if matches!(self.connections[at].state, State::Connecting(_)) {
            self.finish_connecting(at);
        }
        if event.is_writable()
            && let Err(error) = self.connections[at].flush()
        {
            return self.lose(at, &error.to_string());
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(at, event.is_read_closed());
        }
        self.line_up(at);
    }

    /// Reads and settles all that has arrived. `ended`: the peer has closed its side, which no
    /// further event will tell.
    fn read(&mut self, at: usize, ended: bool) {
        loop {
            let received = match self.connections[at].receive() {
                Ok(received) => received,
                Err(error) => return self.lose(at, &error.to_string()),
            };
            if !self.take_answers(at, received == Received::Closed) {
                return;
            }
            match received {
                Received::More => {}
                Received::Rest if ended => {}
                Received::Rest | Received::Nothing => return,
                Received::Closed => return self.take_end(at),
            }
        }
    }

    /// Settles all whole answers that have arrived on connection `at`; false if they were the last
    /// on it. `ended`: nothing more will arrive.
    fn take_answers(&mut self, at: usize, ended: bool) -> bool {
        let now_ns = self.now_ns();
        loop {
            match self.connections[at].next_answer(ended, self.shared.templates.run()) {
                Ok(Some(answer)) => {
                    if !self.settle(at, answer, now_ns) {
                        self.distrust(at, "an answer that belongs to no request");
                        return false;
                    }
                    if self.connections[at].answered_here == 1 {
                        self.learn(&answer);
                    }
                    if answer.close {
                        self.part(at);
                        return false;
                    }
                }
                Ok(None) => return true,
                Err(fault) => {
                    self.distrust(at, &fault.to_string());
                    return false;
                }
            }
        }
    }

    /// The first answer on a connection tells whether the target keeps connections: where it does
    /// not, nothing is sent that it would not look at.
    fn learn(&mut self, answer: &Answer) {
        self.depth = if answer.close { 1 } else { self.shared.plan.pipeline };
        self.heard = true;
    }

    /// The target has closed its side of connection `at`.
    fn take_end(&mut self, at: usize) {
        let connection = &self.connections[at];
        let owes = !connection.in_flight.is_empty() || !connection.unread().is_empty();
        if owes || !connection.is_written() {
            self.lose(at, "the target closed the connection without an answer");
        } else {
            self.part(at);
        }
    }

    /// Enters an answer; false if no request waits for it.
    fn settle(&mut self, at: usize, answer: Answer, now_ns: u64) -> bool {
        let named = match answer.echo {
            Echo::Push(index) => Some(index),
            Echo::Absent => None,
            Echo::Foreign => return false,
        };
        let Some((request, in_turn)) = self.connections[at].take_request(named) else {
            return false;
        };
        self.in_flight -= 1;
        self.sent.misordered += u64::from(!in_turn);
        let since_start_ns = now_ns.saturating_sub(self.start_ns);
        let stages = self.sent.phases.of(request.job.index < self.shared.plan.warm_up);
        stages.service.record(since_start_ns, now_ns.saturating_sub(request.sent_ns));
        let ledger = &self.shared.ledger;
        (self.silent_since_ns, self.fruitless) = (now_ns, 0);
        if let Some(code) = answer.code {
            ledger.count_answer_code(code);
            if (8_000..9_000).contains(&code)
                && self.work.again_later(request.job, answer.retry_after_seconds, now_ns)
            {
                self.sent.retried += 1;
                return true;
            }
            ledger.note_answer(request.job.index, code, request.job.early, now_ns);
        } else {
            ledger.note_http_error(request.job.index, answer.status, now_ns);
        }
        let since_ns = since_ns(&self.shared, &self.work, &request.job);
        stages.answer.record(since_start_ns, now_ns.saturating_sub(since_ns));
        true
    }
}

/// How long to sleep before a send that is due in `left_ns`; `None`: not at all, it is looked for.
fn pause_ns(left_ns: u64, spin: Duration) -> Option<u64> {
    let spin_ns = spin.as_nanos() as u64;
    match spin_ns {
        0 => Some(left_ns.max(PACING_QUANTUM_NS)),
        _ => left_ns.checked_sub(spin_ns).filter(|&pause_ns| pause_ns > 0),
    }
}
