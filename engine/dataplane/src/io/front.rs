//! The push clients' side of a thread: its connections, requests to peers and their answers,
//! gatherings.

mod handshakes;
mod peers;
#[cfg(test)]
mod tests;
mod visitors;

use crate::io::budget::Budget;
use crate::io::connection::{Connection, Patience};
use crate::io::desk::ThreadDesk;
use crate::io::driver::{Completion, Driver};
use crate::io::gated::Gated;
use crate::io::gathering::{Gatherings, Next, Saying};
use crate::io::limits::{
    BOXLESS_PER_SWEEP, BUFFERS_KEPT_MS, HALF_REQUEST_MS_MAX, HALF_REQUEST_OCTETS_KEPT,
};
use crate::io::link::{Link, Session};
use crate::io::marks::Marks;
use crate::io::mesh;
use crate::io::mesh::Mesh;
use crate::io::now::Now;
use crate::io::parts::Parts;
use crate::io::places::Door;
use crate::io::served::{ServedSession, ServedSessions};
use crate::io::waits::{Moment, Waits};
use crate::shard::FoundPush;
use handshakes::{Handshakes, Shaken};
use host::clock;
use std::collections::VecDeque;
use std::rc::Rc;
pub(super) use visitors::peer_of;
use wire::push::response::Answer;
use wire::terms::code::Code;
use wire::terms::time::SteadyMs;

/// What the connection of this name asks its thread for.
fn desk<'a>(
    gatherings: &'a mut Gatherings,
    (parts, mesh): (&'a mut Parts, &'a mut Mesh),
    session: (u32, u32),
    now: Now,
    arrived: Moment,
) -> ThreadDesk<'a> {
    ThreadDesk { parts, mesh, gatherings, session, now, arrived }
}

/// Time limits of the connections.
#[derive(Clone, Copy)]
pub(super) struct FrontLimits {
    pub(super) connections_max: usize,
    pub(super) patience: Patience,
}

/// What became of push clients' connections.
#[derive(Clone, Copy, Default)]
pub(super) struct Visits {
    /// Taken from the acceptor.
    pub(super) taken: u64,
    /// Closed unserved, because the engine drains.
    pub(super) refused: u64,
    /// Closed before a registered client's first request to make room for others.
    pub(super) evicted: u64,
    /// Closed because no such request came in time.
    pub(super) silent: u64,
    /// Closed because their answers were not taken in time.
    pub(super) stuck: u64,
    /// How their handshakes came out.
    pub(super) shaken: Shaken,
}

pub(super) struct Front {
    limits: FrontLimits,
    connections: ServedSessions<Connection>,
    gatherings: Gatherings,
    /// Connections whose next request waits for a box to its owner, longest waiting first.
    boxless: VecDeque<(u32, u32)>,
    /// Where new connections come from.
    door: Door,
    /// Connections in the order in which they came; those that wait for their first request are all
    /// in it.
    silent: VecDeque<(u32, u32)>,
    handshakes: Handshakes,
    /// Whether those that come wait until handshakes have got on.
    holds_back: bool,
    /// Answers of peers to customers' requests.
    pub(super) for_customers: Vec<(mesh::Origin, Answer, Option<FoundPush>)>,
    pub(super) visits: Visits,
    /// How long answers wait here, of pushes that shards of this thread own.
    pub(super) waits: Waits,
}

impl Front {
    pub(super) fn new(limits: FrontLimits, door: Door, budget: Rc<Budget>) -> Self {
        Self {
            limits,
            connections: ServedSessions::with_capacity(limits.connections_max, budget),
            gatherings: Gatherings::with_capacity(limits.connections_max),
            boxless: VecDeque::new(),
            door,
            silent: VecDeque::new(),
            handshakes: Handshakes::default(),
            holds_back: false,
            for_customers: Vec::new(),
            visits: Visits::default(),
            waits: Waits::default(),
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether nothing is owed to any push client that takes what it is sent, in a drain that began
    /// then.
    pub(super) fn is_quiet(&mut self, draining_since_ms: SteadyMs, now: Now) -> bool {
        let indices = self.connections.indices();
        let owes_nothing = |link: &mut Link<Connection>| {
            let unsent = link.unsent();
            link.session.is_idle(unsent) || link.is_given_up(draining_since_ms, now.steady_ms)
        };
        indices.iter().all(|&index| self.connections.get_mut(index).is_none_or(owes_nothing))
    }

    /// Octets arrived on a connection, or it ended.
    pub(super) fn received(
        &mut self,
        completion: &Completion,
        driver: &mut Driver,
        parts: &mut Parts,
        mesh: &mut Mesh,
        now: Now,
    ) {
        let name = (completion.token.index, completion.token.generation);
        let arrived = self.waits.moment(now.steady_ns);
        let mut desk = desk(&mut self.gatherings, (parts, mesh), name, now, arrived);
        if self.connections.received(completion, driver, &mut desk) && self.shakes_hands() {
            self.note_handshake(name.0, now);
        }
    }

    /// The peer has ended the connection, or its half of it.
    pub(super) fn hung_up(&mut self, completion: &Completion, driver: &mut Driver) {
        self.connections.hung_up(completion, driver);
    }

    /// A send completed.
    pub(super) fn sent(&mut self, completion: &Completion) {
        self.connections.sent(completion);
    }

    /// Lets go what the shards' durable marks, as they were looked at last, have passed; writes
    /// answers and starts sends.
    pub(super) fn flush(
        &mut self,
        driver: &mut Driver,
        parts: &mut Parts,
        mesh: &mut Mesh,
        date: &[u8; 29],
        now: Now,
    ) -> bool {
        let leaves = self.waits.moment(clock::monotonic_ns());
        for nth in 0..parts.len() {
            self.let_go(nth, leaves, parts, mesh, now);
        }
        while let Some(gated) = parts.loose.pop() {
            match gated {
                Gated::Parcel(parcel, _) => mesh.send_answer(parcel),
                Gated::Saying(index, saying) => self.take_saying(index, saying, parts, mesh, now),
            }
        }
        let mut touched = self.connections.take_touched();
        for index in touched.drain(..) {
            self.flush_connection(index, leaves, driver, parts, mesh, date, now);
        }
        // Requests that were resumed may have touched again.
        self.connections.keep_touched(touched) || !parts.loose.is_empty()
    }

    /// Lets go what the mark has passed of the shard whose turn is the n-th.
    fn let_go(&mut self, nth: usize, leaves: Moment, parts: &mut Parts, mesh: &mut Mesh, now: Now) {
        let Some(part) = parts.at(nth) else { return };
        let (place, durable) = (part.place() as usize, part.shard.answerable());
        while let Some(part) = parts.at(nth)
            && part.gated.front().is_some_and(|(sequence, _)| *sequence <= durable)
        {
            match part.gated.pop_front() {
                Some((_, Gated::Parcel(parcel, arrived))) => {
                    self.waits.answered(place, arrived, leaves);
                    mesh.send_answer(parcel);
                }
                Some((_, Gated::Saying(index, saying))) => {
                    self.take_saying(index, saying, parts, mesh, now);
                }
                None => break,
            }
        }
        if let Some(part) = parts.at(nth) {
            self.connections.let_go(&mut part.clients, durable);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a thread that a connection meets")]
    fn flush_connection(
        &mut self,
        index: u32,
        leaves: Moment,
        driver: &mut Driver,
        parts: &mut Parts,
        mesh: &mut Mesh,
        date: &[u8; 29],
        now: Now,
    ) {
        if self.shakes_hands() {
            self.count_out(index);
        }
        let Some(link) = self.connections.look_at(index) else { return };
        link.session.write_answers(parts.marks(), date, &mut self.waits, leaves);
        let (name, arrived) = (link.stream.name(), self.waits.moment(now.steady_ns));
        let mut desk = desk(&mut self.gatherings, (parts, mesh), name, now, arrived);
        if link.session.resumes(now.steady_ms) {
            link.resume(driver, &mut desk);
        } else {
            link.read_on(driver);
        }
        // What was resumed may have been answered at once, and nothing else would send it.
        link.session.write_answers(parts.marks(), date, &mut self.waits, leaves);
        if link.send_or_end(driver, now.steady_ms) {
            self.connections.remove(index);
            self.door.give_back();
            return;
        }
        let awaits_box = link.session.awaits_box();
        self.connections.list(index, parts, |part| &mut part.clients);
        if awaits_box {
            self.wait_for_box(index);
        }
    }

    /// Looks at some connections for peers that are too slow.
    pub(super) fn sweep(&mut self, driver: &mut Driver, now: Now, budget: usize) {
        let indices = self.connections.sweep(budget);
        self.drop_half_done(now);
        // One that was called in and is gone, or asks something else now, called no other.
        self.call_in(BOXLESS_PER_SWEEP);
        self.tell_trouble(now);
        self.show_silent(now);
        let half_until_ms = match self.connections.budget().is_overdrawn() {
            true => now.steady_ms.saturating_sub(HALF_REQUEST_MS_MAX),
            false => SteadyMs::ZERO,
        };
        for index in indices {
            self.send_away(index);
            self.hurry_handshake(index, half_until_ms);
            let Some(link) = self.connections.get_mut(index) else { continue };
            let is_hurried = link.session.is_half_since(half_until_ms)
                && link.unconsumed() > HALF_REQUEST_OCTETS_KEPT;
            let is_overdue = is_hurried || now.steady_ms >= link.session.due_ms();
            let is_slow = is_overdue && !link.session.lingers() && link.unsent() > 0;
            if is_slow || link.is_stuck(now.steady_ms, self.limits.patience.idle_ms) {
                self.visits.stuck += 1;
                self.connections.dismiss(index);
            } else if is_overdue && link.session.lingers() {
                self.connections.dismiss(index);
            } else if is_overdue {
                link.session.write_request_timeout();
                link.forget_input();
                self.connections.touch(index);
            } else if link.session.is_quiet_since(now.steady_ms.saturating_sub(BUFFERS_KEPT_MS)) {
                link.shrink(driver);
            }
        }
    }

    /// Lets a client go that has to come in anew, once it has its answers.
    fn send_away(&mut self, index: u32) {
        let Some(link) = self.connections.get_mut(index) else { return };
        if !link.session.lingers() && self.handshakes.accepting.sends_away(link) {
            link.session.end_after_answers();
            self.connections.touch(index);
        }
    }

    /// The device failed: everybody who waits for it is told, as far as the sockets take it at
    /// once.
    pub(super) fn fail_durable(&mut self, date: &[u8; 29]) {
        for index in self.connections.indices() {
            if let Some(connection) = self.connections.get_mut(index) {
                connection.session.fail_durable();
                connection.session.write_answers(
                    &Marks::NONE,
                    date,
                    &mut self.waits,
                    Moment::default(),
                );
                connection.send_now();
            }
        }
    }

    /// What was appended is not to be relied on any more: whoever waits for it is told 9002.
    pub(super) fn doubt(&mut self, parts: &mut Parts, mesh: &mut Mesh) {
        for nth in 0..parts.len() {
            let gated = parts.at(nth).map(|part| std::mem::take(&mut part.gated));
            gated.into_iter().flatten().for_each(|(_, gated)| self.fail_gated(gated, mesh));
        }
        self.connections.doubt();
    }

    /// The shard in this place leaves the thread: whoever waits for its mark waits no longer.
    pub(super) fn part_from(&mut self, place: u32, parts: &mut Parts, mesh: &mut Mesh) {
        let Some(part) = parts.get_mut(place) else { return };
        let (gated, listed) = (std::mem::take(&mut part.gated), part.clients.take_all());
        gated.into_iter().for_each(|(_, gated)| self.fail_gated(gated, mesh));
        self.connections.part_from(place, listed, parts.marks());
    }

    /// What waited for a mark is told 9002.
    fn fail_gated(&mut self, gated: Gated, mesh: &mut Mesh) {
        match gated {
            Gated::Parcel(mut parcel, _) => {
                if let Some(answer) = &mut parcel.answer {
                    answer.code = Code::NOT_DURABLE;
                }
                mesh.send_answer(parcel);
            }
            Gated::Saying(index, saying) => {
                let saying = Saying { code: Code::NOT_DURABLE, ..saying };
                // One that failed asks no shard for more.
                let gathering = self.gatherings.slots.get_mut(index);
                let next = gathering.map(|gathering| gathering.take(saying));
                if let Some(Next::Answer(answer)) = next {
                    self.answer_gathering(index, answer);
                }
            }
        }
    }

    /// Takes no further connection, and ends every one that has been answered.
    pub(super) fn close(&mut self) {
        self.door.close();
        for index in self.connections.indices() {
            if let Some(connection) = self.connections.get_mut(index) {
                connection.session.end_after_answers();
                self.connections.touch(index);
            }
        }
    }
}
