//! The push clients' side of a shard: its connections, requests to peers and their answers,
//! gatherings.

mod handshakes;

use crate::io::budget::Budget;
use crate::io::connection::{Connection, Ending, Patience};
use crate::io::desk::{Gated, ShardDesk, origin_of};
use crate::io::driver::{Completion, Driver, Owner};
use crate::io::gathering::{Gathering, Gatherings, Next, Part};
use crate::io::limits::{
    ACCEPTED_PER_TURN_MAX, BOXLESS_PER_SWEEP, BUFFERS_KEPT_MS, FIRST_REQUEST_CROWDED_MS,
    FIRST_REQUEST_MS, HALF_REQUEST_MS_MAX, HALF_REQUEST_OCTETS_KEPT, PARCELS_PER_TURN_MAX,
    SILENT_MS_MIN,
};
use crate::io::link::{Fate, Link, Session};
use crate::io::mesh;
use crate::io::mesh::{Mesh, Parcel, Sender};
use crate::io::now::Now;
use crate::io::places::Door;
use crate::io::portions::Portion;
use crate::io::slots::Slots;
use crate::io::waits::{Moment, Waits};
use crate::shard::{FoundPush, Reply, Shard};
use handshakes::{Handshakes, Shaken};
use host::clock;
use rustix::net::getpeername;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use wire::push::response::Answer;
use wire::terms::code::Code;
use wire::terms::time::SteadyMs;

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
    /// Closed before their first request to make room for others.
    pub(super) evicted: u64,
    /// Closed because no first request came in time.
    pub(super) silent: u64,
    /// Closed because their answers were not taken in time.
    pub(super) stuck: u64,
    /// How their handshakes came out.
    pub(super) shaken: Shaken,
}

pub(super) struct Front {
    limits: FrontLimits,
    connections: Slots<Link<Connection>>,
    budget: Rc<Budget>,
    gatherings: Gatherings,
    gated: VecDeque<(u64, Gated)>,
    /// Connections whose front answer waits for the durable mark.
    waiting: Vec<u32>,
    /// Connections with answers or output to look at in this turn.
    touched: Vec<u32>,
    /// Connections whose next request waits for a box to its owner, longest waiting first.
    boxless: VecDeque<(u32, u32)>,
    sweep_at: usize,
    flushed_durable: u64,
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
    /// How long answers wait here, of pushes that this shard owns.
    pub(super) waits: Waits,
}

/// Where a connection comes from; `None` where it is gone already.
pub(super) fn peer_of(socket: &OwnedFd) -> Option<IpAddr> {
    let peer = getpeername(socket).ok().flatten()?;
    SocketAddr::try_from(peer).ok().map(|peer| peer.ip())
}

impl Front {
    pub(super) fn new(limits: FrontLimits, door: Door, budget: Rc<Budget>) -> Self {
        Self {
            limits,
            connections: Slots::with_capacity(limits.connections_max),
            budget,
            gatherings: Gatherings::with_capacity(limits.connections_max),
            gated: VecDeque::with_capacity(1024),
            waiting: Vec::with_capacity(1024),
            touched: Vec::with_capacity(1024),
            boxless: VecDeque::new(),
            sweep_at: 0,
            flushed_durable: 0,
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
        self.gated.is_empty()
            && indices.iter().all(|&index| self.connections.get_mut(index).is_none_or(owes_nothing))
    }

    /// Takes the sockets that the acceptor has dealt to this shard.
    pub(super) fn take_visitors(&mut self, driver: &mut Driver, now: Now) -> bool {
        let mut busy = false;
        if self.door.is_asked_for_room() {
            busy = true;
            self.make_room(now);
        }
        self.holds_back = false;
        for _ in 0..ACCEPTED_PER_TURN_MAX {
            self.holds_back = !self.door.is_closed() && self.is_busy_with_handshakes(now);
            if self.holds_back {
                break;
            }
            let Some(socket) = self.door.next() else { break };
            busy = true;
            if self.door.is_closed() {
                // The socket closes as it is dropped.
                self.visits.refused += 1;
                self.door.give_back();
            } else {
                self.take_visitor(socket, driver, now);
            }
        }
        busy
    }

    /// Whether the acceptor has put anything before this shard that it may take.
    pub(super) fn has_visitors(&self) -> bool {
        self.door.has_arrivals() && !self.holds_back
    }

    fn take_visitor(&mut self, socket: OwnedFd, driver: &mut Driver, now: Now) {
        let session =
            Connection::new(self.limits.patience, now.steady_ms).coming_from(peer_of(&socket));
        let budget = &self.budget;
        let make = |index, generation| {
            Link::new(socket, (index, generation), Owner::Front, session, budget)
        };
        let index = self.connections.insert(make);
        let Some(index) = index else {
            unreachable!("the acceptor deals only what there are places for")
        };
        let is_shaking = self.begin_handshake(index, now);
        let Some(connection) = self.connections.get_mut(index) else { return };
        self.visits.taken += 1;
        connection.read_on(driver);
        if is_shaking {
            // Its time for a first request begins behind the handshake.
            return;
        }
        let name = connection.stream.name();
        self.note_silent(name);
    }

    /// A client can be heard from now on, and has not asked anything.
    fn note_silent(&mut self, name: (u32, u32)) {
        if self.silent.len() >= 2 * self.limits.connections_max {
            // Those that have spoken, or are gone, stand behind one that has not.
            let connections = &mut self.connections;
            self.silent.retain(|&(index, generation)| {
                connections.of_generation(index, generation).is_some_and(|link| is_silent(link))
            });
        }
        self.silent.push_back(name);
    }

    /// The connection that has waited longest for its first request, and since when.
    fn longest_silent(&mut self) -> Option<(u32, SteadyMs)> {
        while let Some(&(index, generation)) = self.silent.front() {
            match self.connections.of_generation(index, generation) {
                Some(link) if is_silent(link) => return Some((index, link.session.opened_ms())),
                _ => self.silent.pop_front(),
            };
        }
        None
    }

    /// Closes the connection that has waited longest for its first request, unless it came just
    /// now; else a handshake whose client says no more.
    fn make_room(&mut self, now: Now) {
        if let Some((index, since_ms)) = self.longest_silent()
            && now.steady_ms >= since_ms + SILENT_MS_MIN
        {
            self.visits.evicted += 1;
            self.dismiss(index);
        } else {
            self.drop_longest_awaited(now);
        }
        self.show_silent(now);
    }

    /// Closes connections whose first request does not come, and shows the acceptor who is next.
    fn show_silent(&mut self, now: Now) {
        let longest_ms =
            if self.door.is_crowded() { FIRST_REQUEST_CROWDED_MS } else { FIRST_REQUEST_MS };
        loop {
            let silent = self.longest_silent();
            match silent {
                Some((index, since_ms)) if now.steady_ms >= since_ms + longest_ms => {
                    self.visits.silent += 1;
                    self.dismiss(index);
                }
                _ => {
                    let since_ms = silent.map(|(_, since_ms)| since_ms);
                    let since_ms = [since_ms, self.may_go_since_ms()].into_iter().flatten().min();
                    return self.door.show_silent_since(since_ms);
                }
            }
        }
    }

    fn dismiss(&mut self, index: u32) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.stream.close();
        }
        self.touch(index);
    }

    /// Octets arrived on a connection, or it ended.
    pub(super) fn received(
        &mut self,
        completion: &Completion,
        driver: &mut Driver,
        shard: &mut Shard,
        mesh: &mut Mesh,
        now: Now,
    ) {
        let index = completion.token.index;
        let connection = self.connections.of_generation(index, completion.token.generation);
        let Some(connection) = connection else {
            completion.buffer.inspect(|&buffer| driver.recycle(buffer));
            return;
        };
        let mut desk = ShardDesk {
            shard,
            mesh,
            gatherings: &mut self.gatherings,
            gated: &mut self.gated,
            connection: index,
            generation: completion.token.generation,
            now,
            arrived: self.waits.moment(now.steady_ns),
        };
        if connection.received(completion, driver, &mut desk) == Fate::Broken {
            connection.close();
        }
        if self.shakes_hands() {
            self.note_handshake(index, now);
        }
        self.touch(index);
    }

    /// The peer has ended the connection, or its half of it.
    pub(super) fn hung_up(&mut self, completion: &Completion, driver: &mut Driver) {
        let index = completion.token.index;
        if let Some(connection) = self.connections.of_generation(index, completion.token.generation)
        {
            if !connection.stream.hung_up(completion.result, driver) {
                connection.stream.close();
            }
            self.touch(index);
        }
    }

    /// Has the connection looked at when the turn flushes, once.
    fn touch(&mut self, index: u32) {
        if let Some(connection) = self.connections.get_mut(index)
            && !std::mem::replace(&mut connection.session.touched, true)
        {
            self.touched.push(index);
        }
    }

    /// A send completed.
    pub(super) fn sent(&mut self, completion: &Completion) {
        let index = completion.token.index;
        if let Some(connection) = self.connections.of_generation(index, completion.token.generation)
        {
            if !connection.sent(completion) {
                connection.stream.close();
            }
            self.touch(index);
        }
    }

    /// Requests that peers sent to this shard, and answers to those it sent.
    pub(super) fn take_parcels(&mut self, shard: &mut Shard, mesh: &mut Mesh, now: Now) -> bool {
        let mut busy = false;
        let arrived = self.waits.moment(now.steady_ns);
        for _ in 0..PARCELS_PER_TURN_MAX {
            let Some(mut parcel) = mesh.next_request() else { break };
            busy = true;
            if let Some(seek) = &parcel.seek {
                let (found, sequence) = shard.seek(seek, now.wall_ms);
                parcel.answer = Some(Answer::bare(found.code));
                parcel.found = Some(found);
                self.gated.push_back((sequence, Gated::Parcel(parcel, arrived)));
                continue;
            }
            match shard.handle_form(&parcel.form, parcel.found_elsewhere, now.wall_ms) {
                Reply::Now(answer) => {
                    parcel.answer = Some(answer);
                    mesh.send_answer(parcel);
                }
                Reply::WhenDurable(answer, sequence) => {
                    parcel.answer = Some(answer);
                    self.gated.push_back((sequence, Gated::Parcel(parcel, arrived)));
                }
                Reply::EveryShard { answer, withdrawn, sequence, .. } => {
                    parcel.answer = Some(answer);
                    parcel.count = withdrawn;
                    self.gated.push_back((sequence, Gated::Parcel(parcel, arrived)));
                }
                Reply::Owner { .. } => unreachable!("a peer hands over only what this shard owns"),
            }
        }
        let mut home = 0;
        while let Some((peer, parcel)) = mesh.next_answer() {
            busy = true;
            self.take_answer(peer, &parcel, shard, mesh, now);
            mesh.keep(peer, parcel);
            home += 1;
        }
        self.call_in(home);
        busy
    }

    /// So many boxes came home: as many connections that wait for one have their next request
    /// looked at, longest waiting first.
    fn call_in(&mut self, boxes: usize) {
        let mut called = 0;
        while called < boxes {
            let Some((index, generation)) = self.boxless.pop_front() else { return };
            if let Some(connection) = self.connections.of_generation(index, generation) {
                connection.session.is_boxless = false;
                self.touch(index);
                called += 1;
            }
        }
    }

    /// Has a connection wait for a box, where its next request needs one.
    fn wait_for_box(&mut self, index: u32) {
        if let Some(link) = self.connections.get_mut(index)
            && link.session.awaits_box()
            && !std::mem::replace(&mut link.session.is_boxless, true)
        {
            self.boxless.push_back(link.stream.name());
        }
    }

    fn take_answer(
        &mut self,
        peer: usize,
        parcel: &Parcel,
        shard: &mut Shard,
        mesh: &mut Mesh,
        now: Now,
    ) {
        let Some(answer) = parcel.answer else { return };
        let origin = parcel.origin;
        if origin.is_customer {
            let found = parcel.found.map(|found| FoundPush { code: answer.code, ..found });
            self.for_customers.push((origin, answer, found));
            return;
        }
        if let Some(gathering) = origin.gathering {
            let part = Part { shard: peer, code: answer.code, withdrawn: parcel.count };
            return self.take_part(gathering, part, shard, mesh, now);
        }
        self.fill(origin.connection, origin.generation, origin.answer, answer);
    }

    fn fill(&mut self, index: u32, generation: u32, number: u64, answer: Answer) {
        if let Some(connection) = self.connections.of_generation(index, generation) {
            connection.session.fill(number, answer);
            self.touch(index);
        }
    }

    /// One shard's part of a whole alert's cancel.
    fn take_part(&mut self, index: u32, part: Part, shard: &mut Shard, mesh: &mut Mesh, now: Now) {
        let Some(gathering) = self.gatherings.slots.get_mut(index) else { return };
        match gathering.take(part) {
            Next::Wait => {}
            Next::Answer(answer) => self.answer_gathering(index, answer),
            Next::Close(shards) => {
                for number in shards {
                    self.close_in(number, index, shard, mesh, now);
                }
            }
        }
    }

    /// Has a shard close an alert of which pushes wait in another one.
    fn close_in(
        &mut self,
        number: usize,
        index: u32,
        shard: &mut Shard,
        mesh: &mut Mesh,
        now: Now,
    ) {
        let Some(gathering) = self.gatherings.slots.get_mut(index) else { return };
        let Gathering { asker, client, form, .. } = gathering;
        let sender = Sender { client: *client, is_urgent: true };
        let origin = origin_of(shard, *asker, Some(index));
        let mut part = Part { shard: number, code: Code::OVERLOAD, withdrawn: 0 };
        // What was not done behind a record waits for none.
        let mut until = 0;
        if number == shard.number() {
            match shard.handle_form(form, true, now.wall_ms) {
                Reply::EveryShard { answer, withdrawn, sequence, .. } => {
                    (part.code, part.withdrawn, until) = (answer.code, withdrawn, sequence);
                }
                Reply::Now(answer) => part.code = answer.code,
                other => unreachable!("a whole alert's cancel is answered {other:?}"),
            }
        } else {
            let write = |parcel: &mut Vec<u8>| parcel.extend_from_slice(form);
            if mesh.send_request(number, origin, sender, true, write) == Portion::Free {
                return;
            }
        }
        self.gated.push_back((until, Gated::Part(index, part)));
    }

    fn answer_gathering(&mut self, index: u32, answer: Answer) {
        if let Some(Gathering { asker, .. }) = self.gatherings.end(index) {
            self.fill(asker.connection, asker.generation, asker.answer, answer);
        }
    }

    /// Whether somebody waits here for what has become durable since the last flush.
    pub(super) fn holds_answers_for(&self, durable: u64) -> bool {
        let gated = self.gated.front().is_some_and(|(sequence, _)| *sequence <= durable);
        durable > self.flushed_durable && !self.waiting.is_empty() || gated
    }

    /// Lets go what the durable mark has passed, writes answers and starts sends.
    pub(super) fn flush(
        &mut self,
        driver: &mut Driver,
        shard: &mut Shard,
        mesh: &mut Mesh,
        date: &[u8; 29],
        now: Now,
    ) -> bool {
        let durable = shard.answerable();
        let leaves = self.waits.moment(clock::monotonic_ns());
        while let Some((sequence, _)) = self.gated.front()
            && *sequence <= durable
        {
            match self.gated.pop_front() {
                Some((_, Gated::Parcel(parcel, arrived))) => {
                    self.waits.answered(arrived, leaves);
                    mesh.send_answer(parcel);
                }
                Some((_, Gated::Part(index, part))) => {
                    self.take_part(index, part, shard, mesh, now);
                }
                None => break,
            }
        }
        if durable > self.flushed_durable {
            self.flushed_durable = durable;
            let mut waiting = std::mem::take(&mut self.waiting);
            for index in waiting.drain(..) {
                if let Some(connection) = self.connections.get_mut(index) {
                    connection.session.listed = false;
                    self.touch(index);
                }
            }
            self.waiting = waiting;
        }
        let mut touched = std::mem::take(&mut self.touched);
        let busy = !touched.is_empty();
        for index in touched.drain(..) {
            self.flush_connection(index, (durable, leaves), driver, shard, mesh, date, now);
        }
        // Requests that were resumed may have touched again.
        std::mem::swap(&mut self.touched, &mut touched);
        self.touched.append(&mut touched);
        busy && !self.touched.is_empty()
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a shard that a connection meets")]
    fn flush_connection(
        &mut self,
        index: u32,
        (durable, leaves): (u64, Moment),
        driver: &mut Driver,
        shard: &mut Shard,
        mesh: &mut Mesh,
        date: &[u8; 29],
        now: Now,
    ) {
        if self.shakes_hands() {
            self.count_out(index);
        }
        let Some(link) = self.connections.get_mut(index) else { return };
        link.session.touched = false;
        link.session.write_answers(durable, date, &mut self.waits, leaves);
        let generation = link.stream.generation();
        let (gatherings, gated) = (&mut self.gatherings, &mut self.gated);
        let arrived = self.waits.moment(now.steady_ns);
        let mut desk = ShardDesk {
            shard,
            mesh,
            gatherings,
            gated,
            connection: index,
            generation,
            now,
            arrived,
        };
        if link.session.resumes(now.steady_ms) {
            link.resume(driver, &mut desk);
        } else {
            link.read_on(driver);
        }
        // What was resumed may have been answered at once, and nothing else would send it.
        link.session.write_answers(durable, date, &mut self.waits, leaves);
        link.flush(driver, now.steady_ms);
        let unsent = link.unsent();
        match link.session.ending(unsent, now.steady_ms) {
            Ending::Not => {}
            Ending::ByHalf => link.finish(driver, now.steady_ms),
            Ending::AtOnce => link.close(),
        }
        if link.stream.is_over() {
            self.connections.remove(index);
            self.door.give_back();
            return;
        }
        let awaits_box = link.session.awaits_box();
        if link.session.waits_for_durable() && !link.session.listed {
            link.session.listed = true;
            self.waiting.push(index);
        }
        if awaits_box {
            self.wait_for_box(index);
        }
    }

    /// Looks at some connections for peers that are too slow.
    pub(super) fn sweep(&mut self, driver: &mut Driver, now: Now, budget: usize) {
        let (indices, next) = self.connections.sweep(self.sweep_at, budget);
        self.sweep_at = next;
        self.drop_half_done(now);
        // One that was called in and is gone, or asks something else now, called no other.
        self.call_in(BOXLESS_PER_SWEEP);
        self.tell_trouble(now);
        self.show_silent(now);
        let half_until_ms = match self.budget.is_overdrawn() {
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
                self.dismiss(index);
            } else if is_overdue && link.session.lingers() {
                self.dismiss(index);
            } else if is_overdue {
                link.session.write_request_timeout();
                link.forget_input();
                self.touch(index);
            } else if link.session.is_quiet_since(now.steady_ms.saturating_sub(BUFFERS_KEPT_MS)) {
                link.shrink(driver);
            }
        }
    }

    /// Lets a client go that has to come in anew, once it has its answers.
    fn send_away(&mut self, index: u32) {
        let Some(link) = self.connections.get_mut(index) else { return };
        if !link.session.lingers() && self.handshakes.sends_away(link) {
            link.session.end_after_answers();
            self.touch(index);
        }
    }

    /// The device failed: everybody who waits for it is told, as far as the sockets take it at
    /// once.
    pub(super) fn fail_durable(&mut self, date: &[u8; 29]) {
        for index in self.connections.indices() {
            if let Some(connection) = self.connections.get_mut(index) {
                connection.session.fail_durable();
                connection.session.write_answers(0, date, &mut self.waits, Moment::default());
                connection.send_now();
            }
        }
    }

    /// What was appended is not to be relied on any more: whoever waits for it is told 9002.
    pub(super) fn doubt(&mut self, mesh: &mut Mesh) {
        for (_, gated) in std::mem::take(&mut self.gated) {
            match gated {
                Gated::Parcel(mut parcel, _) => {
                    if let Some(answer) = &mut parcel.answer {
                        answer.code = Code::NOT_DURABLE;
                    }
                    mesh.send_answer(parcel);
                }
                Gated::Part(index, part) => {
                    let part = Part { code: Code::NOT_DURABLE, ..part };
                    // One that failed asks no shard for more.
                    let next =
                        self.gatherings.slots.get_mut(index).map(|gathering| gathering.take(part));
                    if let Some(Next::Answer(answer)) = next {
                        self.answer_gathering(index, answer);
                    }
                }
            }
        }
        for index in self.connections.indices() {
            if let Some(connection) = self.connections.get_mut(index) {
                connection.session.fail_durable();
                self.touch(index);
            }
        }
    }

    /// Takes no further connection, and ends every one that has been answered.
    pub(super) fn close(&mut self) {
        self.door.close();
        for index in self.connections.indices() {
            if let Some(connection) = self.connections.get_mut(index) {
                connection.session.end_after_answers();
                self.touch(index);
            }
        }
    }
}

/// Whether the client has not asked anything yet, and still may.
fn is_silent(link: &Link<Connection>) -> bool {
    link.session.is_silent() && !link.stream.is_closing()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::registry::Credential;
    use crate::io::budget::Share;
    use crate::io::connection::{Desk, Gate};
    use crate::io::driver::{DriverKind, Waker};
    use crate::io::limits::HELD_OCTETS_MAX;
    use crate::io::link::Takes;
    use crate::io::places::Places;
    use std::os::unix::net::UnixStream;
    use wire::terms::time::WallMs;

    pub(super) fn at(steady_ms: u64) -> Now {
        Now {
            wall_ms: WallMs::new(steady_ms),
            steady_ms: SteadyMs::new(steady_ms),
            steady_ns: steady_ms * 1_000_000,
        }
    }

    /// A shard of four places, so many of them taken at 1,000 ms by clients that say nothing.
    pub(super) fn visited(clients: usize) -> (Front, Driver, Vec<UnixStream>) {
        visited_over(clients, None)
    }

    /// The same over TLS.
    pub(super) fn visited_over(
        clients: usize,
        acceptance: Option<crate::io::tls::Acceptance>,
    ) -> (Front, Driver, Vec<UnixStream>) {
        let mut driver = Driver::new(DriverKind::Poll, 0, None).expect("a driver");
        let places = Places::new(1, 4).expect("places");
        let wakers = [Waker::into_the_void().expect("a waker")];
        let patience = Patience { request_ms: 10_000, idle_ms: 600_000 };
        let limits = FrontLimits { connections_max: 4, patience };
        let mut front = Front::new(limits, places.door(0), Budget::new());
        acceptance.into_iter().for_each(|acceptance| front.accept_with(acceptance));
        let (clients, servers): (Vec<_>, Vec<_>) =
            (0..clients).map(|_| UnixStream::pair().expect("a pair")).unzip();
        servers.into_iter().for_each(|server| places.deal(server.into(), 0, &wakers));
        assert!(front.take_visitors(&mut driver, at(1_000)));
        (front, driver, clients)
    }

    /// What a session asks of its shard while no request is whole: the time.
    struct At(SteadyMs);

    impl Desk for At {
        type Foreseen<'body> = ();

        fn foresee(&self, _body: &[u8]) {}

        fn fetch(&self, _foreseen: &()) {}

        fn now_ms(&self) -> SteadyMs {
            self.0
        }

        fn request(
            &mut self,
            _foreseen: &(),
            _authorization: Option<&[u8]>,
            _credential: &mut Credential,
            _number: u64,
        ) -> Option<(Answer, Gate)> {
            unreachable!("no request is whole")
        }
    }

    #[test]
    fn a_request_may_be_half_there_for_a_second_while_the_budget_is_overdrawn() {
        let (kept, long) = (HALF_REQUEST_OCTETS_KEPT, HALF_REQUEST_OCTETS_KEPT + 1);
        let cases = [
            (HELD_OCTETS_MAX, long, 11_000),
            (HELD_OCTETS_MAX + 1, kept, 11_000),
            (HELD_OCTETS_MAX + 1, long, 2_000),
        ];
        for (held, octets, ends_ms) in cases {
            let (mut front, mut driver, _clients) = visited(1);
            let mut others = Share::of(&front.budget);
            others.note(held);
            let half = b"POST /smsgw/ HTTP/1.1\r\n";
            let link = front.connections.get_mut(0).expect("the first place");
            assert_eq!(link.session.take(half, 1 << 20, &mut At(SteadyMs::new(1_000))), Some(0));
            link.leave_unconsumed(octets);
            let mut is_given_up = |now_ms| {
                front.sweep(&mut driver, at(now_ms), 256);
                let link = front.connections.get_mut(0).expect("the first place");
                link.session.output().starts_with(b"HTTP/1.1 408 ")
            };
            assert!(
                !is_given_up(ends_ms - 1) && is_given_up(ends_ms),
                "{held} octets held, {octets} by it"
            );
        }
    }

    #[test]
    fn a_client_has_a_minute_for_its_first_request_and_ten_seconds_where_places_are_rare() {
        for (clients, ends_ms) in [(2, 61_000), (3, 11_000)] {
            let (mut front, mut driver, _clients) = visited(clients);
            front.sweep(&mut driver, at(ends_ms - 1), 256);
            assert_eq!(front.visits.silent, 0, "{clients} clients");
            front.sweep(&mut driver, at(ends_ms), 256);
            assert_eq!(front.visits.silent, clients as u64, "{clients} clients");
        }
    }
}
