//! The push clients' side of a shard: its connections, requests to peers and their answers,
//! gatherings.

mod handshakes;

use crate::gateway::registry::Credential;
use crate::io::budget::Budget;
use crate::io::connection::{Connection, Desk, Ending, Gate, Patience};
use crate::io::driver::{Completion, Driver, Owner};
use crate::io::limits::{
    ACCEPTED_PER_TURN_MAX, BUFFERS_KEPT_MS, FIRST_REQUEST_CROWDED_MS, FIRST_REQUEST_MS,
    PARCELS_PER_TURN_MAX, SILENT_MS_MIN,
};
use crate::io::link::{Fate, Link, Session};
use crate::io::mesh;
use crate::io::mesh::{Mesh, Parcel};
use crate::io::now::Now;
use crate::io::places::Door;
use crate::io::slots::Slots;
use crate::io::waits::{Moment, Waits};
use crate::shard::{Foreseen, Origin, Reply, Shard};
use handshakes::{Handshakes, Shaken};
use host::clock;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use wire::push::response::Answer;
use wire::terms::code::Code;
use wire::terms::time::SteadyMs;

/// A whole alert's cancel, answered when every shard has.
struct Gathering {
    connection: u32,
    generation: u32,
    answer_number: u64,
    remaining: u32,
    withdrawn: u32,
    /// A shard had answered this cancel before.
    repeated: bool,
    /// A shard could not be asked or refused: the client must ask again.
    failed: Option<Code>,
    answer: Answer,
}

/// What waits for the durable mark besides the connections' own answers.
enum Gated {
    /// A peer's request, and when it arrived here.
    Parcel(Box<Parcel>, Moment),
    Gathering(u32),
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
    gatherings: Slots<Gathering>,
    gated: VecDeque<(u64, Gated)>,
    /// Connections whose front answer waits for the durable mark.
    waiting: Vec<u32>,
    /// Connections with answers or output to look at in this turn.
    touched: Vec<u32>,
    sweep_at: usize,
    flushed_durable: u64,
    /// Where new connections come from.
    door: Door,
    /// Connections in the order in which they came; those that wait for their first request are all
    /// in it.
    silent: VecDeque<(u32, u32)>,
    handshakes: Handshakes,
    pub(super) visits: Visits,
    /// How long answers wait here, of pushes that this shard owns.
    pub(super) waits: Waits,
}

/// What a request needs of the shard while its connection is borrowed.
struct ShardDesk<'a> {
    shard: &'a mut Shard,
    mesh: &'a mut Mesh,
    gatherings: &'a mut Slots<Gathering>,
    gated: &'a mut VecDeque<(u64, Gated)>,
    connection: u32,
    generation: u32,
    now: Now,
    arrived: Moment,
}

impl Front {
    pub(super) fn new(limits: FrontLimits, door: Door, budget: Rc<Budget>) -> Self {
        Self {
            limits,
            connections: Slots::with_capacity(limits.connections_max),
            budget,
            gatherings: Slots::with_capacity(limits.connections_max),
            gated: VecDeque::with_capacity(1024),
            waiting: Vec::with_capacity(1024),
            touched: Vec::with_capacity(1024),
            sweep_at: 0,
            flushed_durable: 0,
            door,
            silent: VecDeque::new(),
            handshakes: Handshakes::default(),
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
        for _ in 0..ACCEPTED_PER_TURN_MAX {
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

    /// Whether the acceptor has put anything before this shard.
    pub(super) fn has_visitors(&self) -> bool {
        self.door.has_arrivals()
    }

    fn take_visitor(&mut self, socket: OwnedFd, driver: &mut Driver, now: Now) {
        let session = Connection::new(self.limits.patience, now.steady_ms);
        let budget = &self.budget;
        let make = |index, generation| {
            Link::new(socket, (index, generation), Owner::Front, session, budget)
        };
        let index = self.connections.insert(make);
        let Some(index) = index else {
            unreachable!("the acceptor deals only what there are places for")
        };
        self.begin_handshake(index, now);
        let Some(connection) = self.connections.get_mut(index) else { return };
        self.visits.taken += 1;
        connection.read_on(driver);
        let name = connection.stream.name();
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
    /// now.
    fn make_room(&mut self, now: Now) {
        if let Some((index, since_ms)) = self.longest_silent()
            && now.steady_ms >= since_ms + SILENT_MS_MIN
        {
            self.visits.evicted += 1;
            self.dismiss(index);
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
                _ => return self.door.show_silent_since(silent.map(|(_, since_ms)| since_ms)),
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
            self.note_handshake(index);
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
            match shard.handle_request(&parcel.body, Origin::Peer, now.wall_ms) {
                Reply::Now(answer) => {
                    parcel.answer = Some(answer);
                    mesh.send_answer(parcel);
                }
                Reply::WhenDurable(answer, sequence) => {
                    parcel.answer = Some(answer);
                    self.gated.push_back((sequence, Gated::Parcel(parcel, arrived)));
                }
                Reply::EveryShard { answer, withdrawn, sequence } => {
                    parcel.answer = Some(answer);
                    parcel.count = withdrawn;
                    self.gated.push_back((sequence, Gated::Parcel(parcel, arrived)));
                }
                Reply::Owner(_) => unreachable!("a peer hands over only what this shard owns"),
            }
        }
        while let Some((peer, parcel)) = mesh.next_answer() {
            busy = true;
            self.take_answer(&parcel);
            mesh.keep(peer, parcel);
        }
        busy
    }

    fn take_answer(&mut self, parcel: &Parcel) {
        let Some(answer) = parcel.answer else { return };
        let origin = parcel.origin;
        if let Some(gathering) = origin.gathering {
            return self.gather(gathering, parcel.count, answer);
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
    fn gather(&mut self, index: u32, withdrawn: u32, answer: Answer) {
        let Some(gathering) = self.gatherings.get_mut(index) else { return };
        gathering.remaining -= 1;
        gathering.withdrawn += withdrawn;
        match answer.code {
            Code::ACCEPTED | Code::PUSH_NOT_FOUND => {}
            Code::REPEATED => gathering.repeated = true,
            code => gathering.failed = Some(code),
        }
        if gathering.remaining > 0 {
            return;
        }
        if let Some(mut done) = self.gatherings.remove(index) {
            done.answer.code = match done.failed {
                Some(code) => code,
                None if done.withdrawn > 0 => Code::ACCEPTED,
                None if done.repeated => Code::REPEATED,
                None => Code::PUSH_NOT_FOUND,
            };
            self.fill(done.connection, done.generation, done.answer_number, done.answer);
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
        let durable = shard.durable();
        let leaves = self.waits.moment(clock::monotonic_ns());
        while let Some((sequence, _)) = self.gated.front()
            && *sequence <= durable
        {
            match self.gated.pop_front() {
                Some((_, Gated::Parcel(parcel, arrived))) => {
                    self.waits.answered(arrived, leaves);
                    mesh.send_answer(parcel);
                }
                Some((_, Gated::Gathering(index))) => {
                    if let Some(answer) =
                        self.gatherings.get_mut(index).map(|gathering| gathering.answer)
                    {
                        self.gather(index, 0, answer);
                    }
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
        if link.session.waits_for_durable() && !link.session.listed {
            link.session.listed = true;
            self.waiting.push(index);
        }
    }

    /// Looks at some connections for peers that are too slow.
    pub(super) fn sweep(&mut self, driver: &mut Driver, now: Now, budget: usize) {
        let (indices, next) = self.connections.sweep(self.sweep_at, budget);
        self.sweep_at = next;
        self.drop_half_done(now);
        self.tell_trouble(now);
        self.show_silent(now);
        for index in indices {
            let Some(link) = self.connections.get_mut(index) else { continue };
            let is_overdue = now.steady_ms >= link.session.due_ms();
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
                Gated::Gathering(index) => {
                    if let Some(gathering) = self.gatherings.get_mut(index) {
                        let answer = Answer { code: Code::NOT_DURABLE, ..gathering.answer };
                        self.gather(index, 0, answer);
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

impl Desk for ShardDesk<'_> {
    type Foreseen<'body> = Foreseen<'body>;

    fn foresee<'body>(&self, body: &'body [u8]) -> Foreseen<'body> {
        self.shard.foresee(body)
    }

    fn fetch(&self, foreseen: &Foreseen<'_>) {
        self.shard.fetch(foreseen);
    }

    fn now_ms(&self) -> SteadyMs {
        self.now.steady_ms
    }

    fn request(
        &mut self,
        foreseen: &Foreseen<'_>,
        body: &[u8],
        authorization: Option<&[u8]>,
        credential: &mut Credential,
        number: u64,
    ) -> (Answer, Gate) {
        let origin = Origin::Client { authorization, credential };
        match self.shard.handle_foreseen(foreseen, origin, self.now.wall_ms) {
            Reply::Now(answer) => (answer, Gate::Open),
            Reply::WhenDurable(answer, sequence) => (answer, Gate::Durable(sequence, self.arrived)),
            Reply::Owner(owner) => {
                let origin = self.origin(number, None);
                if self.mesh.send_request(owner, origin, body) {
                    return (PLACEHOLDER, Gate::Elsewhere);
                }
                (self.shard.refuse_for_overload(body, self.now.wall_ms), Gate::Open)
            }
            Reply::EveryShard { answer, withdrawn, sequence } => {
                self.gather_from_all(body, number, answer, withdrawn, sequence)
            }
        }
    }
}

/// Whether the client has not asked anything yet, and still may.
fn is_silent(link: &Link<Connection>) -> bool {
    link.session.is_silent() && !link.stream.is_closing()
}

/// Stands in an answer's place until another shard fills it.
const PLACEHOLDER: Answer =
    Answer { code: Code::INTERNAL, msn: None, reqid: None, xpid: None, segments: 0 };

impl ShardDesk<'_> {
    fn origin(&self, answer: u64, gathering: Option<u32>) -> mesh::Origin {
        mesh::Origin {
            shard: self.shard.number() as u16,
            connection: self.connection,
            generation: self.generation,
            answer,
            gathering,
        }
    }

    fn gather_from_all(
        &mut self,
        body: &[u8],
        number: u64,
        answer: Answer,
        withdrawn: u32,
        sequence: u64,
    ) -> (Answer, Gate) {
        let (connection, generation) = (self.connection, self.generation);
        let gathering = self.gatherings.insert(|_, _| Gathering {
            connection,
            generation,
            answer_number: number,
            remaining: 1,
            withdrawn,
            repeated: false,
            failed: None,
            answer,
        });
        let Some(gathering) = gathering else {
            return (self.shard.refuse_for_overload(body, self.now.wall_ms), Gate::Open);
        };
        for peer in (0..self.mesh.shards()).filter(|&peer| peer != self.shard.number()) {
            let origin = self.origin(number, Some(gathering));
            let sent = self.mesh.send_request(peer, origin, body);
            if let Some(gathering) = self.gatherings.get_mut(gathering) {
                if sent {
                    gathering.remaining += 1;
                } else {
                    // The client asks again; what was withdrawn stays withdrawn.
                    gathering.failed = Some(Code::OVERLOAD);
                }
            }
        }
        self.gated.push_back((sequence, Gated::Gathering(gathering)));
        (PLACEHOLDER, Gate::Elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::driver::{DriverKind, Waker};
    use crate::io::places::Places;
    use std::os::unix::net::UnixStream;
    use wire::terms::time::WallMs;

    fn at(steady_ms: u64) -> Now {
        Now {
            wall_ms: WallMs::new(steady_ms),
            steady_ms: SteadyMs::new(steady_ms),
            steady_ns: steady_ms * 1_000_000,
        }
    }

    /// A shard of four places, so many of them taken at 1,000 ms by clients that say nothing.
    fn visited(clients: usize) -> (Front, Driver, Vec<UnixStream>) {
        let mut driver = Driver::new(DriverKind::Poll, 0, None).expect("a driver");
        let places = Places::new(1, 4).expect("places");
        let wakers = [Waker::into_the_void().expect("a waker")];
        let patience = Patience { request_ms: 10_000, idle_ms: 600_000 };
        let limits = FrontLimits { connections_max: 4, patience };
        let mut front = Front::new(limits, places.door(0), Budget::new());
        let (clients, servers): (Vec<_>, Vec<_>) =
            (0..clients).map(|_| UnixStream::pair().expect("a pair")).unzip();
        servers.into_iter().for_each(|server| places.deal(server.into(), 0, &wakers));
        assert!(front.take_visitors(&mut driver, at(1_000)));
        (front, driver, clients)
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
