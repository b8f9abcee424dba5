//! A sending thread that submits by SMPP: a set of sessions, one poll, and the pushes that are its
//! share.
//!
//! Each session is a transceiver: it submits what is due as far as its window allows, and takes
//! receipts, which lead to their pushes by message id or reference. A push without an answer, when
//! its session is lost or its time is over, is submitted again; SMPP cannot say whether it was
//! taken before. A session that is lost is bound anew. Nothing is allocated per push but the ids.

mod line;
mod receipts;

use super::notes::{Moment, note_first_send, since_ns};
use super::work::{Job, Work};
use super::{ALARM, EVENTS_MAX, Sent, Shared, WRITE_REQUESTS_MIN, pause_ns};
use crate::ledger::Progress;
use crate::limits::{
    ALARM_NS_MAX, BIND_WITHIN, HOUSEKEEPING_NS, RECONNECT_PAUSE_NS_MAX, UNBIND_WITHIN,
    WINDOW_RECHECK_NS,
};
use crate::os::Alarm;
use crate::smpp::account::Account;
use crate::smpp::compose::Composer;
use crate::smpp::link::Link;
use crate::smpp::matching::Matching;
use line::Line;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wire::smpp::command::Command;
use wire::smpp::pdu::Body;
use wire::smpp::session::Config;
use wire::smpp::status::{Consequence, Status};

/// What the SMPP senders of a run share.
pub(crate) struct Submitting {
    pub(crate) account: Account,
    pub(crate) composer: Composer,
    matching: Mutex<Matching>,
}

impl Submitting {
    pub(crate) fn new(plan: &crate::plan::Plan, account: &Account) -> Self {
        Self {
            account: account.clone(),
            composer: Composer::new(plan, account),
            matching: Mutex::new(Matching::new(account.ids)),
        }
    }

    fn matching(&self) -> MutexGuard<'_, Matching> {
        self.matching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A push that was submitted and has no answer.
#[derive(Clone, Copy, Debug)]
struct Outstanding {
    job: Job,
    sent_ns: u64,
}

/// See the module's head.
pub(crate) struct Esme {
    shared: Arc<Shared>,
    submitting: Arc<Submitting>,
    number: usize,
    poll: Poll,
    alarm: Alarm,
    lines: Vec<Line>,
    /// Which line is served first in the next turn.
    turn: usize,
    work: Work,
    outstanding: Vec<Option<Outstanding>>,
    free: Vec<usize>,
    bound: usize,
    last_bound_ns: u64,
    housekeeping_ns: u64,
    window_shut: bool,
    blocked: bool,
    unblocked_ns: u64,
    start_ns: u64,
    shown: Option<u64>,
    /// How far the run was when a receipt last came, and when.
    seen: Progress,
    seen_ns: u64,
    sent: Sent,
}

impl Esme {
    /// Takes over connected sockets and asks to bind on each.
    pub(crate) fn new(
        shared: Arc<Shared>,
        submitting: Arc<Submitting>,
        number: usize,
        streams: Vec<std::net::TcpStream>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm::new()?;
        poll.registry().register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, Interest::READABLE)?;
        let places = streams.len() * shared.plan.pipeline;
        let mut esme = Self {
            lines: Vec::with_capacity(streams.len()),
            turn: 0,
            work: Work::new(0, 1, 0, None, 0),
            outstanding: vec![None; places],
            free: (0..places).rev().collect(),
            bound: 0,
            last_bound_ns: 0,
            housekeeping_ns: 0,
            window_shut: false,
            blocked: false,
            unblocked_ns: 0,
            start_ns: 0,
            shown: None,
            seen: Progress::default(),
            seen_ns: 0,
            sent: Sent::default(),
            shared,
            submitting,
            number,
            poll,
            alarm,
        };
        for stream in streams {
            stream.set_nonblocking(true)?;
            esme.lines.push(Line::default());
            esme.open(esme.lines.len() - 1, TcpStream::from_std(stream))?;
        }
        Ok(esme)
    }

    /// Waits until every session is bound, or some cannot be; gives how many are not.
    ///
    /// # Errors
    /// None is bound: one sentence that says why.
    pub(crate) fn bind_all(&mut self) -> Result<u64, String> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let until_ns = self.now_ns() + BIND_WITHIN.as_nanos() as u64;
        while self.lines.iter().any(Line::is_binding) && self.now_ns() < until_ns {
            self.wait(&mut events, Duration::from_millis(50))?;
            self.mind_sessions();
        }
        let missing = self.lines.iter().filter(|line| !line.is_bound).count();
        if self.bound == 0 {
            let (target, id) = (self.shared.plan.target, &self.submitting.account.system_id);
            let why = self.sent.last_fault.as_deref().unwrap_or("it does not answer");
            return Err(format!(
                "{target} does not let \"{id}\" bind ({why}): check address, name and password."
            ));
        }
        Ok(missing as u64)
    }

    /// Submits this thread's share; returns when each push is answered for good and every receipt
    /// is there, or does not come any more.
    pub(crate) fn run(mut self) -> Sent {
        let cpu_before = crate::os::own_thread_cpu_time();
        self.begin();
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            match self.turn(&mut events) {
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
        self.end(&mut events)
    }

    fn begin(&mut self) {
        let (plan, ledger) = (&self.shared.plan, &self.shared.ledger);
        let (number, stride) = (self.number as u64, plan.threads as u64);
        self.start_ns = ledger.start_ns();
        self.work =
            Work::new(number, stride, plan.pushes, ledger.schedule().cloned(), self.start_ns);
        (self.last_bound_ns, self.seen_ns) = (self.start_ns, self.start_ns);
    }

    /// Submits what is due, waits, takes what has come; true when all is done.
    fn turn(&mut self, events: &mut Events) -> Result<bool, String> {
        self.dispatch();
        if self.shared.give_up.load(Relaxed) || self.is_done() {
            return Ok(true);
        }
        let now_ns = self.now_ns();
        let timeout =
            self.timeout(now_ns).map_err(|error| format!("the sender's alarm failed: {error}."))?;
        self.wait(events, timeout)?;
        self.keep_house().map(|()| false)
    }

    /// Waits for events and takes them.
    fn wait(&mut self, events: &mut Events, timeout: Duration) -> Result<(), String> {
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(format!("the sender's poll failed: {error}."));
            }
            _ => {}
        }
        for event in &*events {
            if event.token() == ALARM {
                continue;
            }
            let at = event.token().0;
            if let Some(link) = self.lines.get_mut(at).and_then(|line| line.link.as_mut()) {
                link.note(event);
            }
            self.serve(at);
        }
        Ok(())
    }

    /// Unbinds, and gives what was measured.
    fn end(mut self, events: &mut Events) -> Sent {
        let (now_ns, now_ms) = (self.now_ns(), self.now_ms());
        for at in 0..self.lines.len() {
            self.lines[at].is_ending = true;
            if let Some(link) = &mut self.lines[at].link {
                link.session.unbind(now_ms);
            }
            self.serve(at);
        }
        let until_ns = now_ns + UNBIND_WITHIN.as_nanos() as u64;
        while self.lines.iter().any(|line| line.link.is_some()) && self.now_ns() < until_ns {
            if self.wait(events, Duration::from_millis(20)).is_err() {
                break;
            }
        }
        self.shared.ledger.note_strangers(self.submitting.matching().take_strangers());
        let silent = self.lines.iter().filter(|line| line.answered == 0).count();
        self.sent.connections_silent = silent as u64;
        self.sent.answer_times = self.sent.phases.load.answer.total();
        self.sent.service_times = self.sent.phases.load.service.total();
        self.sent.lateness = self.sent.phases.load.lateness.total();
        self.sent
    }

    fn now_ns(&self) -> u64 {
        self.shared.ledger.clock().now_ns()
    }

    fn now_ms(&self) -> u64 {
        self.now_ns() / 1_000_000
    }

    fn in_flight(&self) -> usize {
        self.outstanding.len() - self.free.len()
    }

    /// Whether everything was answered, and every receipt has come, or none does any more.
    fn is_done(&mut self) -> bool {
        if !self.work.is_done() || self.in_flight() > 0 {
            return false;
        }
        if !self.shared.plan.notify {
            return true;
        }
        let (now_ns, progress) = (self.now_ns(), self.shared.ledger.progress());
        if progress != self.seen {
            (self.seen, self.seen_ns) = (progress, now_ns);
        }
        let patience = &self.shared.plan.patience;
        let complete = self.shared.ledger.outstanding() == 0;
        let limit = if complete { patience.linger } else { patience.stall_after };
        now_ns.saturating_sub(self.seen_ns) >= limit.as_nanos() as u64
    }

    /// Submits what may go out now, spread over the sessions that have room.
    fn dispatch(&mut self) {
        let now_ns = self.now_ns();
        let plan = &self.shared.plan;
        let outstanding = self.shared.ledger.outstanding();
        let window = plan.window.map_or(u64::MAX, |window| window.saturating_sub(outstanding));
        // Several threads share the window; each takes its part of what is left.
        let mut window = if window == 0 { 0 } else { window.div_ceil(plan.threads as u64) };
        let count = self.lines.len();
        let free = self.lines.iter().filter(|line| line.room() > 0).count();
        if self.blocked && window > 0 && free > 0 {
            self.unblocked_ns = now_ns;
        }
        let share = match self.work.due(now_ns) {
            _ if self.shared.ledger.schedule().is_none() => usize::MAX,
            due => (due.min(window) as usize).div_ceil(free.max(1)).max(WRITE_REQUESTS_MIN),
        };
        self.turn = (self.turn + 1) % count.max(1);
        let mut more = true;
        for step in 0..count {
            let at = (self.turn + step) % count;
            let room = self.lines[at].room().min(share);
            if more && room > 0 {
                more = self.submit(at, room, &mut window);
                self.flush(at);
            }
        }
        self.window_shut = window == 0;
        self.blocked = self.window_shut || self.lines.iter().all(|line| line.room() == 0);
    }

    /// Submits up to `count` pushes on line `at`; false when no more may go out.
    fn submit(&mut self, at: usize, count: usize, window: &mut u64) -> bool {
        let now_ns = self.now_ns();
        let moment = Moment { now_ns, start_ns: self.start_ns, unblocked_ns: self.unblocked_ns };
        for _ in 0..count {
            let Some(mut job) = self.work.take(now_ns, *window > 0) else { return false };
            if job.attempts == 0 {
                *window -= 1;
                note_first_send(&self.shared, &self.work, &mut self.sent, moment, &mut job);
            }
            let (Some(link), Some(place)) = (&mut self.lines[at].link, self.free.pop()) else {
                unreachable!("a line with room has a link, and every window its places");
            };
            let written = self.submitting.composer.with_message(job.index, |message| {
                let body = Body::Message(*message);
                let (session, space) = (&mut link.session, link.output.space());
                session.request(space, Command::SUBMIT_SM, &body, place as u64, now_ns / 1_000_000)
            });
            match written {
                Ok(octets) => {
                    link.output.wrote(octets);
                    self.outstanding[place] = Some(Outstanding { job, sent_ns: now_ns });
                }
                Err(refusal) => {
                    // No session of this SMSC can carry it.
                    self.free.push(place);
                    self.sent.last_fault = Some(refusal.to_string());
                    self.shared.ledger.note_refused(job.index, now_ns);
                }
            }
        }
        true
    }

    /// The answer to a submit.
    fn settle(&mut self, at: usize, token: u64, status: Status, body: &Body<'_>) {
        let Some(Outstanding { job, sent_ns }) = self.release(token) else { return };
        let now_ns = self.now_ns();
        self.lines[at].answered += 1;
        let since_start_ns = now_ns.saturating_sub(self.start_ns);
        let stages = self.sent.phases.of(job.index < self.shared.plan.warm_up);
        stages.service.record(since_start_ns, now_ns.saturating_sub(sent_ns));
        let ledger = &self.shared.ledger;
        if status == Status::OK {
            ledger.count_answer_code(0);
            ledger.note_answer(job.index, 0, false, now_ns);
            match body.message_id() {
                Some(id) => self.note_id(id, job.index),
                None => {
                    self.sent.nameless += 1;
                    ledger.note_nameless(job.index);
                }
            }
        } else {
            *self.sent.statuses.entry(status.0).or_default() += 1;
            let come_again = matches!(
                status.consequence(),
                Consequence::SlowDown | Consequence::QueueFull | Consequence::SystemFailure
            );
            if come_again && self.work.again_later(job, None, now_ns) {
                self.sent.retried += 1;
                return;
            }
            ledger.note_refused(job.index, now_ns);
        }
        let since_ns = since_ns(&self.shared, &self.work, &job);
        let stages = self.sent.phases.of(job.index < self.shared.plan.warm_up);
        stages.answer.record(since_start_ns, now_ns.saturating_sub(since_ns));
    }

    /// A submit got no answer: it goes out again.
    fn doubt(&mut self, token: u64) {
        let Some(Outstanding { job, .. }) = self.release(token) else { return };
        self.shared.ledger.note_doubt(job.index);
        if self.work.again_now(job, true) {
            self.sent.resent += 1;
        } else {
            self.shared.ledger.note_abandoned();
        }
    }

    fn release(&mut self, token: u64) -> Option<Outstanding> {
        let place = token as usize;
        let outstanding = self.outstanding.get_mut(place)?.take()?;
        self.free.push(place);
        Some(outstanding)
    }

    /// How long to wait for events; sets the alarm where milliseconds are too coarse.
    fn timeout(&self, now_ns: u64) -> io::Result<Duration> {
        let mut wait_ns = HOUSEKEEPING_NS;
        if self.window_shut && self.work.has_new() {
            wait_ns = wait_ns.min(WINDOW_RECHECK_NS);
        } else if !self.blocked
            && let Some(due_ns) = self.work.next_due_ns()
        {
            match pause_ns(due_ns.saturating_sub(now_ns), self.shared.plan.spin) {
                Some(pause_ns) => wait_ns = wait_ns.min(pause_ns),
                None => {
                    // Whoever shares this CPU gets on meanwhile.
                    std::thread::yield_now();
                    return Ok(Duration::ZERO);
                }
            }
        }
        if wait_ns < ALARM_NS_MAX {
            self.alarm.set(wait_ns)?;
        }
        Ok(Duration::from_nanos(wait_ns.max(ALARM_NS_MAX)))
    }

    /// What must happen without an event: sessions bound anew, time-outs, the caller's stop.
    fn keep_house(&mut self) -> Result<(), String> {
        let now_ns = self.now_ns();
        if self.bound > 0 {
            self.last_bound_ns = now_ns;
        }
        if now_ns < self.housekeeping_ns {
            return Ok(());
        }
        self.housekeeping_ns = now_ns + HOUSEKEEPING_NS;
        self.mind_sessions();
        self.reopen(now_ns);
        let answers = &self.sent.phases.of(self.work.next() <= self.shared.plan.warm_up).answer;
        if let Some((number, counts)) = answers.ended(1).next()
            && self.shown != Some(number)
        {
            self.shared.board.add(number, counts);
            self.shown = Some(number);
        }
        if self.shared.stop.load(Relaxed) {
            self.work.stop();
        }
        let plan = &self.shared.plan;
        let away_ns = now_ns.saturating_sub(self.last_bound_ns);
        if away_ns > plan.patience.reconnect_for.as_nanos() as u64 {
            let why = self.sent.last_fault.as_deref().unwrap_or("it does not answer");
            let seconds = plan.patience.reconnect_for.as_secs_f64();
            return Err(format!(
                "{} has let nobody bind for {seconds} s ({why}): is it still running?",
                plan.target
            ));
        }
        Ok(())
    }

    /// Lets time pass for every session.
    fn mind_sessions(&mut self) {
        let now_ms = self.now_ms();
        for at in 0..self.lines.len() {
            let Some(link) = &mut self.lines[at].link else { continue };
            if link.session.poll_deadline().is_some_and(|due_ms| due_ms <= now_ms) {
                link.session.handle_time(now_ms);
                self.serve(at);
            }
        }
    }

    /// Begins a session on a connection that is made or under way.
    fn open(&mut self, at: usize, mut stream: TcpStream) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(at), interest)?;
        let (plan, now_ms) = (&self.shared.plan, self.now_ms());
        let config = Config {
            window: plan.pipeline as u16,
            response_ms: plan.patience.answer_within.as_millis() as u64,
            ..Config::carrier()
        };
        let mut link = Link::new(stream, config, now_ms);
        let bind = self.submitting.account.bind();
        let octets = link.session.bind(link.output.space(), &bind, now_ms);
        link.output.wrote(octets.map_err(|fault| io::Error::other(fault.to_string()))?);
        self.lines[at].link = Some(link);
        self.flush(at);
        Ok(())
    }

    /// Connects lines that were lost a while ago.
    fn reopen(&mut self, now_ns: u64) {
        for at in 0..self.lines.len() {
            let line = &self.lines[at];
            if line.link.is_some() || line.is_ending || line.retry_at_ns > now_ns {
                continue;
            }
            let made = TcpStream::connect(self.shared.plan.target);
            if made.and_then(|stream| self.open(at, stream)).is_err() {
                self.lines[at].retry_at_ns = now_ns + RECONNECT_PAUSE_NS_MAX;
            }
        }
    }
}
