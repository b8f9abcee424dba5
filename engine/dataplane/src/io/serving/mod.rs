//! Customers: whoever binds to this SMSC by SMPP and pushes there, beside the push clients of HTTP.
//!
//! Connections come from an acceptor of their own, dealt out as push clients' are, and live on the
//! thread that took them. What a PDU means `wire::smpp` knows; here are sockets, places, deadlines,
//! and who may bind. A push goes to its owner as one of HTTP does, and its answer leaves when it is
//! durable.
//!
//! Never here: a decision about a push, a password. Invariants: a session has at most as many
//! requests unanswered as its account's window; connections that have not bound have few places, of
//! all and of one source; every bind that is refused is answered after the same second. A
//! registration that names a certificate is bound to with that certificate alone.

pub(super) mod binding;
mod desk;
mod multi;
mod placed;
pub(super) mod receipts;
mod reqids;
mod secured;
mod session;

use crate::gateway::certificate::CertificateDigest;
use crate::gateway::registry::Registered;
use crate::gateway::smpp::{PasswordDigest, SmppAccount};
use crate::io::budget::Budget;
use crate::io::connection::Ending;
use crate::io::driver::{Completion, Driver, Owner};
use crate::io::front::peer_of;
use crate::io::limits::{
    ACCEPTED_PER_TURN_MAX, BIND_REFUSED_AFTER_MS, BUFFERS_KEPT_MS, DRAIN_SILENCE_MS,
    SEND_PROGRESS_MS_MAX, SILENT_MS_MIN, UNBOUND_MAX, UNBOUND_PER_SOURCE_MAX,
};
use crate::io::link::{Fate, Link};
use crate::io::marks::Marks;
use crate::io::mesh;
use crate::io::mesh::Mesh;
use crate::io::now::Now;
use crate::io::parts::{PartName, Parts};
use crate::io::places::Door;
use crate::io::slots::Slots;
use crate::io::waits::{Moment, Waits};
use crate::shard::FoundPush;
use binding::{Doorman, Verdict};
use desk::{CustomerDesk, Refusal, put_refusal};
use host::clock;
use placed::Applicant;
use receipts::{Receipts, Rings};
use reqids::Reqids;
use secured::Securing;
use session::Serving;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use wire::push::response::Answer;
use wire::smpp::customer::Room;
use wire::smpp::session::CloseReason;
use wire::smpp::status::Status;
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

/// The customers of a thread.
pub(super) struct Customers {
    reception: Option<(Door, Doorman)>,
    sessions: Slots<Link<Serving>>,
    budget: Rc<Budget>,
    receipts: Receipts,
    refusals: Vec<Refusal>,
    /// Connections that have not bound, in the order in which they came, and how many there are.
    silent: VecDeque<(u32, u32)>,
    unbound: usize,
    unbound_of: HashMap<IpAddr, u32>,
    scratch: Room,
    reqids: Reqids,
    /// Sessions to look at in this turn.
    touched: Vec<u32>,
    sweep_at: usize,
    draining: bool,
    counts: Counts,
    securing: Securing,
}

impl Customers {
    pub(super) fn new(
        thread: usize,
        reception: Option<Reception>,
        budget: Rc<Budget>,
        now: Now,
    ) -> Self {
        let (reception, rings, sessions_max) = match reception {
            Some(Reception { door, doorman, rings, sessions_max }) => {
                (Some((door, doorman)), rings, sessions_max)
            }
            None => (None, Rings::new(0), 0),
        };
        Self {
            reception,
            sessions: Slots::with_capacity(sessions_max),
            budget,
            receipts: Receipts::new(thread, rings),
            refusals: Vec::new(),
            silent: VecDeque::new(),
            unbound: 0,
            unbound_of: HashMap::new(),
            scratch: Room::default(),
            reqids: Reqids::new(thread, now.wall_ms),
            touched: Vec::new(),
            sweep_at: 0,
            draining: false,
            counts: Counts::default(),
            securing: Securing::default(),
        }
    }

    /// What customers did until now.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            sessions: (self.sessions.len() - self.unbound) as u64,
            receipts: self.receipts.sent_in_all,
            receipts_acknowledged: self.receipts.acknowledged,
            receipts_failed: self.receipts.failed,
            receipts_waiting: self.receipts.waiting() as u64,
            ..self.counts
        }
    }

    /// Whether a connection, a verdict or a peer's receipt waits.
    pub(super) fn has_arrivals(&self) -> bool {
        let Some((door, doorman)) = &self.reception else { return false };
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
        if self.reception.is_some() {
            busy |= self.take_visitors(driver, now);
            busy |= self.take_verdicts(parts, mesh, now);
            busy |= self.refuse_due(now);
        }
        // Orders come without a port too, of pushes that came while there was one.
        busy |= match self.draining {
            true => self.receipts.finish(parts, mesh, now),
            false => self.receipts.work(&mut self.sessions, parts, mesh, now),
        };
        let touched = std::mem::take(&mut self.receipts.touched);
        touched.into_iter().for_each(|index| self.touch(index));
        busy
    }

    fn take_visitors(&mut self, driver: &mut Driver, now: Now) -> bool {
        let mut busy = false;
        if self.reception.as_ref().is_some_and(|(door, _)| door.is_asked_for_room()) {
            busy = true;
            self.make_room(now);
        }
        for _ in 0..ACCEPTED_PER_TURN_MAX {
            let Some((door, doorman)) = &self.reception else { break };
            let Some(socket) = door.next() else { break };
            busy = true;
            let source = peer_of(&socket);
            let is_refused = door.is_closed()
                || self.unbound >= UNBOUND_MAX
                || source.is_some_and(|source| {
                    let others = self.unbound_of.get(&source).copied().unwrap_or(0);
                    others >= UNBOUND_PER_SOURCE_MAX || doorman.refuses(source, now.steady_ms)
                });
            if is_refused {
                // The socket closes as it is dropped.
                self.counts.turned_away += 1;
                door.give_back();
            } else {
                self.take_visitor(socket, source, driver, now);
            }
        }
        busy
    }

    fn take_visitor(
        &mut self,
        socket: OwnedFd,
        source: Option<IpAddr>,
        driver: &mut Driver,
        now: Now,
    ) {
        let (budget, mut session) = (&self.budget, Serving::new(source, now.steady_ms));
        session.counts_as_unbound = true;
        let make = |index, generation| {
            Link::new(socket, (index, generation), Owner::Customer, session, budget)
        };
        let Some(index) = self.sessions.insert(make) else {
            unreachable!("the acceptor deals only what there are places for")
        };
        self.unbound += 1;
        if let Some(source) = source {
            *self.unbound_of.entry(source).or_insert(0) += 1;
        }
        self.secure(index);
        let Some(link) = self.sessions.get_mut(index) else { return };
        link.read_on(driver);
        let name = link.stream.name();
        self.silent.push_back(name);
        self.show_silent();
    }

    /// The connection is none of those any more that have not bound.
    fn count_bound(&mut self, index: u32) {
        let Some(link) = self.sessions.get_mut(index) else { return };
        if !std::mem::take(&mut link.session.counts_as_unbound) {
            return;
        }
        self.unbound -= 1;
        let Some(source) = link.session.source else { return };
        if let Some(count) = self.unbound_of.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.unbound_of.remove(&source);
            }
        }
    }

    /// The connection that has waited longest for its bind.
    fn longest_unbound(&mut self) -> Option<(u32, SteadyMs)> {
        while let Some(&(index, generation)) = self.silent.front() {
            match self.sessions.of_generation(index, generation) {
                Some(link) if link.session.is_unbound() && !link.stream.is_closing() => {
                    return Some((index, link.session.opened_ms));
                }
                _ => self.silent.pop_front(),
            };
        }
        None
    }

    fn show_silent(&mut self) {
        let since_ms = self.longest_unbound().map(|(_, since_ms)| since_ms);
        if let Some((door, _)) = &self.reception {
            door.show_silent_since(since_ms);
        }
    }

    fn make_room(&mut self, now: Now) {
        if let Some((index, since_ms)) = self.longest_unbound()
            && now.steady_ms >= since_ms + SILENT_MS_MIN
        {
            self.dismiss(index);
        }
        self.show_silent();
    }

    fn dismiss(&mut self, index: u32) {
        if let Some(link) = self.sessions.get_mut(index) {
            link.session.end_session();
            link.stream.close();
        }
        self.touch(index);
    }

    fn take_verdicts(&mut self, parts: &mut Parts, mesh: &mut Mesh, now: Now) -> bool {
        let mut busy = false;
        while let Some((_, doorman)) = &self.reception
            && let Some(verdict) = doorman.next_verdict()
        {
            busy = true;
            self.take_verdict(verdict, parts, mesh, now);
        }
        busy
    }

    fn take_verdict(&mut self, verdict: Verdict, parts: &Parts, mesh: &mut Mesh, now: Now) {
        let Verdict { session: name, by } = verdict;
        let (index, generation) = name;
        let Some((_, doorman)) = &self.reception else { return };
        let Some(link) = self.sessions.of_generation(index, generation) else { return };
        let Some(applicant) = link.session.applicant.take() else { return };
        let since_ms = applicant.since_ms;
        let source = link.session.source;
        let proved = (source, link.session.certificate);
        let found = by.ok_or(Status::INVALID_PASSWORD).and_then(|by| {
            let judged = judge(parts, applicant, proved, &by, now);
            if judged == Err(Status::BIND_FAILED) {
                doorman.note_failed(source);
            }
            judged.map(|()| by)
        });
        match found {
            Ok(by) => self.admit(index, (applicant, by), parts, mesh, now),
            Err(status) => {
                let refusal = Refusal { session: name, status, since_ms };
                put_refusal(&mut self.refusals, refusal);
            }
        }
    }

    fn admit(
        &mut self,
        index: u32,
        (applicant, by): (Applicant, PasswordDigest),
        parts: &Parts,
        mesh: &mut Mesh,
        now: Now,
    ) {
        let Some((registered, account)) = account_of(parts, applicant) else { return };
        let Some(link) = self.sessions.get_mut(index) else { return };
        link.session.admit((registered, account), applicant.kind, by, now.steady_ms);
        self.counts.binds += 1;
        let (xpid, kind) = (applicant.xpid, applicant.kind);
        tracing::info!(%xpid, ?kind, "a customer has bound");
        if let Some(member) = &link.session.member
            && member.receives()
        {
            self.receipts.session_bound(index, member, &registered.seats, mesh);
        }
        self.count_bound(index);
        self.touch(index);
    }

    /// Answers binds that are refused, each when its second is over.
    fn refuse_due(&mut self, now: Now) -> bool {
        // No more than there are connections that have not bound.
        let is_due =
            |refusal: &mut Refusal| now.steady_ms >= refusal.since_ms + BIND_REFUSED_AFTER_MS;
        let due: Vec<Refusal> = self.refusals.extract_if(.., is_due).collect();
        let busy = !due.is_empty();
        for Refusal { session: (index, generation), status, .. } in due {
            self.counts.bind_refusals += 1;
            if let Some(link) = self.sessions.of_generation(index, generation) {
                let source = link.session.source.map(|source| source.to_string());
                tracing::warn!(source, %status, "a bind was refused");
                link.session.answer_bind(status, now.steady_ms);
                self.touch(index);
            }
        }
        busy
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
        let Some(link) = self.sessions.of_generation(name.0, name.1) else {
            completion.buffer.inspect(|&buffer| driver.recycle(buffer));
            return;
        };
        let mut desk = CustomerDesk {
            parts,
            mesh,
            doorman: self.reception.as_ref().map(|(_, doorman)| doorman),
            refusals: &mut self.refusals,
            settled: &mut self.receipts.settled,
            scratch: &mut self.scratch,
            reqids: &mut self.reqids,
            counts: &mut self.counts,
            session: name,
            now,
            arrived,
        };
        if link.received(completion, driver, &mut desk) == Fate::Broken {
            link.session.end_session();
            link.close();
        }
        self.note_handshake(name.0);
        self.touch(name.0);
    }

    /// The peer has ended the connection, or its half of it.
    pub(super) fn hung_up(&mut self, completion: &Completion, driver: &mut Driver) {
        let (index, generation) = (completion.token.index, completion.token.generation);
        if let Some(link) = self.sessions.of_generation(index, generation) {
            if !link.stream.hung_up(completion.result, driver) {
                link.session.end_session();
                link.stream.close();
            }
            self.touch(index);
        }
    }

    /// A send completed.
    pub(super) fn sent(&mut self, completion: &Completion) {
        let (index, generation) = (completion.token.index, completion.token.generation);
        if let Some(link) = self.sessions.of_generation(index, generation) {
            if !link.sent(completion) {
                link.session.end_session();
                link.stream.close();
            }
            self.touch(index);
        }
    }

    /// Has the session looked at when the turn flushes, once.
    fn touch(&mut self, index: u32) {
        if let Some(link) = self.sessions.get_mut(index)
            && !std::mem::replace(&mut link.session.touched, true)
        {
            self.touched.push(index);
        }
    }

    /// A peer's answer to a request of a session.
    pub(super) fn fill(&mut self, origin: mesh::Origin, answer: Answer, found: Option<FoundPush>) {
        if let Some(link) = self.sessions.of_generation(origin.connection, origin.generation) {
            link.session.fill(origin.answer, answer, found);
            self.touch(origin.connection);
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
            let durable = part.shard.answerable();
            let mut waiting = part.customers.take(durable);
            for index in waiting.drain(..) {
                self.unlist(index);
            }
            part.customers.keep(waiting);
        });
        if self.touched.is_empty() {
            return false;
        }
        let leaves = waits.moment(clock::monotonic_ns());
        let mut touched = std::mem::take(&mut self.touched);
        for index in touched.drain(..) {
            self.flush_session(index, leaves, driver, parts, mesh, waits, now);
        }
        std::mem::swap(&mut self.touched, &mut touched);
        self.touched.append(&mut touched);
        !self.touched.is_empty()
    }

    /// A shard is to leave the thread: receipts that wait for it fail.
    pub(super) fn give_back(&mut self, name: PartName, parts: &mut Parts, now: Now) {
        self.receipts.give_back(name, parts, now);
    }

    /// The session stands in no shard's list any more.
    fn unlist(&mut self, index: u32) {
        if let Some(link) = self.sessions.get_mut(index) {
            link.session.listed = false;
            self.touch(index);
        }
    }

    /// The shard in this place leaves the thread: whoever waits for its mark waits no longer.
    pub(super) fn part_from(&mut self, place: u32, parts: &mut Parts) {
        let listed = parts.get_mut(place).map(|part| part.customers.take_all());
        listed.into_iter().flatten().for_each(|index| self.unlist(index));
        for index in self.sessions.indices() {
            if let Some(link) = self.sessions.get_mut(index)
                && link.session.part_from(place as u16, parts.marks())
            {
                self.touch(index);
            }
        }
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
        let Some(link) = self.sessions.get_mut(index) else { return };
        link.session.touched = false;
        link.session.write_answers(parts.marks(), waits, leaves, now.steady_ms);
        let name = link.stream.name();
        if link.session.resumes(link.unconsumed()) && !link.stream.is_closing() {
            let mut desk = CustomerDesk {
                parts,
                mesh,
                doorman: self.reception.as_ref().map(|(_, doorman)| doorman),
                refusals: &mut self.refusals,
                settled: &mut self.receipts.settled,
                scratch: &mut self.scratch,
                reqids: &mut self.reqids,
                counts: &mut self.counts,
                session: name,
                now,
                arrived: waits.moment(now.steady_ns),
            };
            link.resume(driver, &mut desk);
            // What was resumed may have been answered at once, and nothing else would send it.
            link.session.write_answers(parts.marks(), waits, leaves, now.steady_ms);
        } else {
            link.read_on(driver);
        }
        link.session.take_events(&mut self.receipts.settled.lost);
        link.flush(driver, now.steady_ms);
        let unsent = link.unsent();
        match link.session.ending(unsent, now.steady_ms) {
            Ending::Not => {}
            Ending::ByHalf => link.finish(driver, now.steady_ms),
            Ending::AtOnce => link.close(),
        }
        let is_over = link.stream.is_over();
        if let Some(place) = link.session.waits_for_durable()
            && !link.session.listed
            && !is_over
            && let Some(part) = parts.get_mut(place)
        {
            link.session.listed = true;
            part.customers.push(index);
        }
        let parts = link.session.closed().filter(|_| !link.session.has_parted);
        if let Some(reason) = parts {
            self.part(index, reason, mesh);
        }
        if is_over {
            self.count_bound(index);
            self.sessions.remove(index);
            if let Some((door, _)) = &self.reception {
                door.give_back();
            }
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
        let (indices, next) = self.sessions.sweep(self.sweep_at, budget);
        self.sweep_at = next;
        self.receipts.sweep(parts, now);
        for index in indices {
            let Some(link) = self.sessions.get_mut(index) else { continue };
            let is_due = link.session.keep_time(now.steady_ms);
            let is_sent_away = self.securing.accepting.sends_away(link);
            if link.session.lingers_too_long(now.steady_ms)
                || link.is_stuck(now.steady_ms, SEND_PROGRESS_MS_MAX)
            {
                self.dismiss(index);
            } else if is_due || is_sent_away || !may_stay(&link.session, parts) {
                if !is_due {
                    link.session.unbind(now.steady_ms);
                }
                self.touch(index);
            } else if link.session.is_quiet_since(now.steady_ms.saturating_sub(BUFFERS_KEPT_MS)) {
                link.shrink(driver);
            }
        }
    }

    /// The device failed: everybody who waits for it is told, as far as the sockets take it at
    /// once.
    pub(super) fn fail_durable(&mut self, now_ms: SteadyMs) {
        self.doubt();
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
        for index in self.sessions.indices() {
            if let Some(link) = self.sessions.get_mut(index) {
                link.session.fail_durable();
                self.touch(index);
            }
        }
    }

    /// Takes no further connection.
    pub(super) fn close(&mut self) {
        self.draining = true;
        if let Some((door, _)) = &self.reception {
            door.close();
        }
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
                self.touch(index);
            }
            let Some(link) = self.sessions.get_mut(index) else { continue };
            left += usize::from(!link.is_given_up(since_ms, now.steady_ms));
        }
        left == 0 && self.receipts.under_way() == 0 || now.steady_ms >= since_ms + DRAINED_MS_MAX
    }
}

/// How long a drain waits for customers in all: for answers, and for an unbind to be answered.
const DRAINED_MS_MAX: u64 = DRAIN_SILENCE_MS + wire::smpp::limits::UNBIND_MS;

/// The account of whoever wants to bind, if it is there still.
fn account_of(parts: &Parts, applicant: Applicant) -> Option<(&Registered, &SmppAccount)> {
    let registered = parts.registry().find(applicant.xpid)?;
    Some((registered, registered.registration.smpp.as_ref()?))
}

/// Whether a customer whose password is right may bind; takes its seat.
fn judge(
    parts: &Parts,
    applicant: Applicant,
    (source, certificate): (Option<IpAddr>, Option<CertificateDigest>),
    by: &PasswordDigest,
    now: Now,
) -> Result<(), Status> {
    let (registered, account) = account_of(parts, applicant).ok_or(Status::INVALID_SYSTEM_ID)?;
    // It may have been taken away while it was looked at.
    if !account.passwords.contains(by) {
        return Err(Status::INVALID_PASSWORD);
    }
    let registration = &registered.registration;
    let comes_from = source.is_some_and(|source| registration.may_come_from(source));
    let has_its = registration.takes_certificate(certificate);
    let may = account.kinds.contains(applicant.kind) && registration.is_in_force(now.wall_ms);
    if !comes_from || !has_its || !may {
        return Err(Status::BIND_FAILED);
    }
    if registered.seats.take(account.binds_max) { Ok(()) } else { Err(Status::ALREADY_BOUND) }
}

/// Whether who has bound still has an account, and might bind so now: by that password, from
/// there, with that certificate and in that way.
fn may_stay(session: &Serving, parts: &Parts) -> bool {
    let Some(member) = &session.member else { return true };
    let registered = parts.registry().find(member.xpid);
    let Some(registration) = registered.map(|registered| &registered.registration) else {
        return false;
    };
    registration.smpp.as_ref().is_some_and(|account| {
        account.passwords.contains(&member.by)
            && account.kinds.contains(member.kind)
            && session.source.is_some_and(|source| registration.may_come_from(source))
            && registration.takes_certificate(session.certificate)
    })
}
