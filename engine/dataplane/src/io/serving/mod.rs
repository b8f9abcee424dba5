//! Customers: whoever binds to this SMSC by SMPP and pushes there, beside the push clients of HTTP.
//!
//! Connections come from an acceptor of their own, dealt out as push clients' are, and live on the
//! thread that took them. What a PDU means `wire::smpp` knows; here are sockets, places, deadlines,
//! and who may bind. A push goes to its owner as one of HTTP does, and its answer leaves when it is
//! durable.
//!
//! Never here: a decision about a push, a password. Invariants: a session has at most as many
//! requests unanswered as its account's window; connections that have not bound have few places, of
//! all and of one source, of which who has bound before keeps his; every bind that is refused is
//! answered after the same second. A registration that names a certificate is bound to with that
//! certificate alone.

mod admitting;
pub(super) mod binding;
mod desk;
mod multi;
mod placed;
mod question;
pub(super) mod receipts;
mod repute;
mod reqids;
mod rights;
mod secured;
mod session;
mod source;
mod turns;
mod unbound;
mod visitors;

use crate::io::budget::Budget;
use crate::io::driver::{Completion, Driver};
use crate::io::limits::{BUFFERS_KEPT_MS, DRAIN_SILENCE_MS, SEND_PROGRESS_MS_MAX};
use crate::io::marks::Marks;
use crate::io::mesh;
use crate::io::mesh::Mesh;
use crate::io::now::Now;
use crate::io::parts::{PartName, Parts};
use crate::io::pdu_trace::{PduTrace, TracedPeer, Tracer};
use crate::io::places::Door;
use crate::io::served::ServedSessions;
use crate::io::waits::{Moment, Waits};
use crate::shard::FoundPush;
use binding::Doorman;
use desk::Means;
use host::clock;
use receipts::{Receipts, Rings};
use rights::may_stay;
use secured::Securing;
use session::Serving;
use std::rc::Rc;
use std::sync::Arc;
use unbound::Unbound;
use wire::push::response::Answer;
use wire::smpp::session::CloseReason;
use wire::terms::ids::Xpid;
use wire::terms::time::SteadyMs;

/// What a thread serves customers with; nothing of it is there where no port is asked for.
pub(super) struct Reception {
    pub(super) door: Door,
    pub(super) doorman: Doorman,
    pub(super) rings: Arc<Rings>,
    pub(super) sessions_max: usize,
}

/// What customers did, for the metrics; see `io::mailbox::CUSTOMERS`.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) sessions: u64,
    pub(super) binds: u64,
    pub(super) bind_refusals: u64,
    pub(super) turned_away: u64,
    pub(super) handshakes_failed: u64,
    pub(super) submits: u64,
    pub(super) queries: u64,
    pub(super) cancels: u64,
    pub(super) oddities: u64,
    pub(super) receipts: u64,
    pub(super) receipts_acknowledged: u64,
    pub(super) receipts_failed: u64,
    pub(super) receipts_waiting: u64,
}

/// What a session of this customer is traced with, if it is.
fn tracer_of(trace: Option<&Arc<PduTrace>>, session: u32, xpid: Xpid) -> Option<Tracer> {
    Tracer::of(trace, session, |peer| *peer == TracedPeer::Customer(xpid))
}

/// The customers of a thread.
pub(super) struct Customers {
    /// Where connections come from; none where no port is asked for.
    door: Option<Door>,
    sessions: ServedSessions<Serving>,
    means: Means,
    receipts: Receipts,
    unbound: Unbound,
    /// When it may be told again that somebody came who can be no customer.
    outsider_told_ms: Option<SteadyMs>,
    draining: bool,
    securing: Securing,
    trace: Option<Arc<PduTrace>>,
}

impl Customers {
    pub(super) fn new(
        thread: usize,
        reception: Option<Reception>,
        budget: Rc<Budget>,
        now: Now,
    ) -> Self {
        let (door, doorman, rings, sessions_max) = match reception {
            Some(Reception { door, doorman, rings, sessions_max }) => {
                (Some(door), Some(doorman), rings, sessions_max)
            }
            None => (None, None, Rings::new(0), 0),
        };
        Self {
            door,
            sessions: ServedSessions::with_capacity(sessions_max, budget),
            means: Means::new(thread, doorman, now),
            receipts: Receipts::new(thread, rings),
            unbound: Unbound::default(),
            outsider_told_ms: None,
            draining: false,
            securing: Securing::default(),
            trace: None,
        }
    }

    /// What customers did until now.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            sessions: self.sessions.len().saturating_sub(self.unbound.len()) as u64,
            receipts: self.receipts.sent_in_all,
            receipts_acknowledged: self.receipts.acknowledged,
            receipts_failed: self.receipts.failed,
            receipts_waiting: self.receipts.waiting() as u64,
            ..self.means.counts
        }
    }

    /// The PDUs of this peer's sessions are kept from now on, and no others.
    pub(super) fn trace_with(&mut self, trace: &Arc<PduTrace>) {
        self.trace = Some(Arc::clone(trace));
        for index in self.sessions.indices() {
            let Some(link) = self.sessions.get_mut(index) else { continue };
            let xpid = link.session.member.as_ref().map(|member| member.xpid);
            link.session.tracer = xpid.and_then(|xpid| tracer_of(Some(trace), index, xpid));
        }
    }

    /// Whether a connection, a verdict or a peer's receipt waits.
    pub(super) fn has_arrivals(&self) -> bool {
        let (Some(door), Some(doorman)) = (&self.door, &self.means.doorman) else { return false };
        door.has_arrivals()
            || doorman.has_verdicts()
            || self.receipts.has_arrivals()
            || self.securing.is_due()
    }

    /// One turn's work beside completions: who comes, who may bind, receipts.
    pub(super) fn work(
        &mut self,
        driver: &mut Driver,
        parts: &mut Parts,
        mesh: &mut Mesh,
        now: Now,
    ) -> bool {
        let mut busy = false;
        if self.door.is_some() {
            busy |= self.take_visitors(driver, parts, now);
            busy |= self.take_verdicts(parts, mesh, now);
            busy |= self.refuse_due(now);
        }
        // Orders come without a port too, of pushes that came while there was one.
        busy | match self.draining {
            true => self.receipts.finish(parts, mesh, now),
            false => self.receipts.work(&mut self.sessions, parts, mesh, now),
        }
    }

    /// Octets arrived on a connection, or it ended.
    pub(super) fn received(
        &mut self,
        completion: &Completion,
        driver: &mut Driver,
        parts: &mut Parts,
        mesh: &mut Mesh,
        now: Now,
        arrived: Moment,
    ) {
        let name = (completion.token.index, completion.token.generation);
        let settled = &mut self.receipts.settled;
        let mut desk = self.means.desk(settled, (parts, mesh), name, now, arrived);
        if self.sessions.received(completion, driver, &mut desk) {
            self.note_handshake(name.0);
        }
    }

    /// The peer has ended the connection, or its half of it.
    pub(super) fn hung_up(&mut self, completion: &Completion, driver: &mut Driver) {
        self.sessions.hung_up(completion, driver);
    }

    /// A send completed.
    pub(super) fn sent(&mut self, completion: &Completion) {
        self.sessions.sent(completion);
    }

    /// A peer's answer to a request of a session.
    pub(super) fn fill(&mut self, origin: mesh::Origin, answer: Answer, found: Option<FoundPush>) {
        if let Some(link) = self.sessions.of_generation(origin.connection, origin.generation) {
            link.session.fill(origin.answer, answer, found);
            self.sessions.touch(origin.connection);
        }
    }

    /// Lets go what the shards' durable marks, as they were looked at last, have passed; writes
    /// answers and starts sends.
    pub(super) fn flush(
        &mut self,
        driver: &mut Driver,
        parts: &mut Parts,
        mesh: &mut Mesh,
        waits: &mut Waits,
        now: Now,
    ) -> bool {
        parts.for_each(|part| {
            self.sessions.let_go(&mut part.customers, part.shard.answerable());
        });
        if !self.sessions.has_touched() {
            return false;
        }
        let leaves = waits.moment(clock::monotonic_ns());
        let mut touched = self.sessions.take_touched();
        for index in touched.drain(..) {
            self.flush_session(index, leaves, driver, parts, mesh, waits, now);
        }
        self.sessions.keep_touched(touched)
    }

    /// A shard is to leave the thread: receipts that wait for it fail, some at a time. Whether none
    /// waits any more.
    pub(super) fn give_back(&mut self, name: PartName, parts: &mut Parts, now: Now) -> bool {
        self.receipts.give_back(name, parts, now)
    }

    /// The shard in this place leaves the thread: whoever waits for its mark waits no longer.
    pub(super) fn part_from(&mut self, place: u32, parts: &mut Parts) {
        let listed = parts.get_mut(place).map(|part| part.customers.take_all());
        self.sessions.part_from(place, listed.unwrap_or_default(), parts.marks());
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a thread that a session meets")]
    fn flush_session(
        &mut self,
        index: u32,
        leaves: Moment,
        driver: &mut Driver,
        parts: &mut Parts,
        mesh: &mut Mesh,
        waits: &mut Waits,
        now: Now,
    ) {
        let Some(link) = self.sessions.look_at(index) else { return };
        link.session.write_answers(parts.marks(), waits, leaves, now.steady_ms);
        let name = link.stream.name();
        if link.session.resumes(link.unconsumed()) && !link.stream.is_closing() {
            let (settled, arrived) = (&mut self.receipts.settled, waits.moment(now.steady_ns));
            let mut desk = self.means.desk(settled, (parts, mesh), name, now, arrived);
            link.resume(driver, &mut desk);
            // What was resumed may have been answered at once, and nothing else would send it.
            link.session.write_answers(parts.marks(), waits, leaves, now.steady_ms);
        } else {
            link.read_on(driver);
        }
        link.session.take_events(&mut self.receipts.settled.lost);
        let is_over = link.send_or_end(driver, now.steady_ms);
        let parting = link.session.closed().filter(|_| !link.session.has_parted);
        if !is_over {
            self.sessions.list(index, parts, |part| &mut part.customers);
        }
        if let Some(reason) = parting {
            self.part(index, reason, mesh);
        }
        if is_over {
            self.count_bound(index);
            self.sessions.remove(index);
            self.door.iter().for_each(Door::give_back);
            self.show_silent();
        }
    }

    /// A session has ended: its seat is free, and its receipts are another's.
    fn part(&mut self, index: u32, reason: CloseReason, mesh: &mut Mesh) {
        let Some(link) = self.sessions.get_mut(index) else { return };
        link.session.has_parted = true;
        let source = link.session.source.map(|source| source.to_string());
        let reason = reason.to_string();
        match link.session.leave() {
            Some(member) => {
                let xpid = member.xpid;
                tracing::info!(%xpid, source, reason, "a customer's session has ended");
                if member.receives() {
                    self.receipts.session_gone(index, &member, mesh);
                }
            }
            None => tracing::debug!(source, reason, "a connection has ended that had not bound"),
        }
        self.count_bound(index);
    }

    /// Looks at some sessions for deadlines, and at receipts that nobody took for a day.
    pub(super) fn sweep(
        &mut self,
        driver: &mut Driver,
        parts: &mut Parts,
        now: Now,
        budget: usize,
    ) {
        let indices = self.sessions.sweep(budget);
        self.receipts.sweep(parts, now);
        for index in indices {
            let Some(link) = self.sessions.get_mut(index) else { continue };
            let is_due = link.session.keep_time(now.steady_ms);
            let is_sent_away = self.securing.accepting.sends_away(link);
            if link.session.lingers_too_long(now.steady_ms)
                || link.is_stuck(now.steady_ms, SEND_PROGRESS_MS_MAX)
            {
                self.sessions.dismiss(index);
            } else if is_due || is_sent_away || !stays(&link.session, parts) {
                if !is_due {
                    link.session.unbind(now.steady_ms);
                }
                self.sessions.touch(index);
            } else if link.session.is_quiet_since(now.steady_ms.saturating_sub(BUFFERS_KEPT_MS)) {
                link.shrink(driver);
            }
        }
    }

    /// The device failed: everybody who waits for it is told, as far as the sockets take it at
    /// once.
    pub(super) fn fail_durable(&mut self, now_ms: SteadyMs) {
        self.sessions.doubt();
        for index in self.sessions.indices() {
            if let Some(link) = self.sessions.get_mut(index) {
                let (waits, moment) = (&mut Waits::default(), Moment::default());
                link.session.write_answers(&Marks::NONE, waits, moment, now_ms);
                link.send_now();
            }
        }
    }

    /// What was appended is not to be relied on any more: whoever waits for it is told so.
    pub(super) fn doubt(&mut self) {
        self.sessions.doubt();
    }

    /// Takes no further connection.
    pub(super) fn close(&mut self) {
        self.draining = true;
        self.door.iter().for_each(Door::close);
    }

    /// Unbinds what has nothing to say; whether all sessions have ended, or need not be waited for
    /// any more in a drain that began then.
    pub(super) fn drain(&mut self, since_ms: SteadyMs, now: Now) -> bool {
        let is_late = now.steady_ms >= since_ms + DRAIN_SILENCE_MS;
        let mut left = 0;
        for index in self.sessions.indices() {
            let Some(link) = self.sessions.get_mut(index) else { continue };
            if link.session.is_idle() || is_late {
                link.session.unbind(now.steady_ms);
                self.sessions.touch(index);
            }
            let Some(link) = self.sessions.get_mut(index) else { continue };
            left += usize::from(!link.is_given_up(since_ms, now.steady_ms));
        }
        left == 0 && self.receipts.under_way() == 0 || now.steady_ms >= since_ms + DRAINED_MS_MAX
    }
}

/// How long a drain waits for customers in all: for answers, and for an unbind to be answered.
const DRAINED_MS_MAX: u64 = DRAIN_SILENCE_MS + wire::smpp::limits::UNBIND_MS;

/// Whether who has bound might still bind so.
fn stays(session: &Serving, parts: &Parts) -> bool {
    session.member.as_ref().is_none_or(|member| {
        let bound = (member.xpid, member.kind, &member.by);
        may_stay(parts, bound, (session.source, session.certificate))
    })
}
