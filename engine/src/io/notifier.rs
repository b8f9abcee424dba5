//! The notifier's sockets: kept-alive connections to the push clients' notification URLs.
//!
//! Each endpoint (an XPID's URL) has its own bounded set of connections and its own queue, so a
//! slow or dead push client fills only its own. A connection carries up to `depth` requests at a
//! time, answered in order. When an endpoint cannot be reached its orders stay in the queue for a
//! while and the endpoint rests; an order that waited too long for a client that answers nothing,
//! or that was sent and not acknowledged, goes back to the message center, which resends by the
//! schedule and parks it in the end. An acknowledgement counts only for the push that it names.
//!
//! All endpoints of a thread share one table of connections. One that carries nothing for a minute
//! is closed. In a full table a client with something due comes before a second connection of
//! another: clients without a connection wait in line for places, the longest idle connections are
//! closed for them, then second ones end with their last answer.

mod outbound;
mod places;
#[cfg(test)]
mod tests;

use crate::gateway::registration::Registration;
use crate::io::budget::Budget;
use crate::io::driver::{Completion, Driver, Operation, Owner};
use crate::io::host_addresses::HostAddresses;
use crate::io::limits::{
    ACKNOWLEDGEMENT_OCTETS_MAX, BUFFERS_KEPT_MS, CONNECT_TIMEOUT_MS, CONNECTS_PER_TURN_MAX,
    DRAIN_SILENCE_MS, ENDPOINT_PAUSE_MS_MAX, NOTIFICATION_TIMEOUT_MS, NOTIFIER_IDLE_MS_MAX,
    ORDERS_PER_TURN_MAX, QUEUED_FAILED_PER_SWEEP_MAX, RESPONSE_OCTETS_MAX,
};
use crate::io::link::{Fate, Link, Session, Takes};
use crate::io::now::Now;
use crate::io::parts::{PartName, PartOrder, Parts, take_out};
use crate::io::slots::Slots;
use crate::io::stream::Stream;
use crate::shard::NotificationResult;
pub use outbound::Outbound;
pub(super) use outbound::Troubles;
use places::Place;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd};
use std::rc::Rc;
use wire::push::notify::{
    Arrival, Body, ResponseOutcome, Subject, read_acknowledgement, read_response,
};
use wire::push::notify_url::NotifyUrl;
use wire::push::sign::Secret;
use wire::terms::ids::Xpid;
use wire::terms::time::SteadyMs;

/// Where an XPID's notifications go, with its name looked up beside the shards (`io::names`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointPlan {
    /// The XPID.
    pub xpid: Xpid,
    /// The URL.
    pub url: NotifyUrl,
    /// The addresses of its host; empty while it cannot be resolved.
    pub addresses: Vec<SocketAddr>,
    /// Connections per shard.
    pub connections: u16,
    /// Requests under way on one connection.
    pub depth: u16,
    /// What requests are signed under, if at all.
    pub secrets: Vec<Secret>,
}

impl EndpointPlan {
    /// Whether both name the same addresses, in whatever order the name service gave them.
    fn has_addresses_of(&self, other: &Self) -> bool {
        let sorted = |plan: &Self| {
            let mut addresses = plan.addresses.clone();
            addresses.sort_unstable();
            addresses
        };
        sorted(self) == sorted(other)
    }

    /// The plan of a registration; `None` without a URL.
    pub fn of(registration: &Registration, addresses: Vec<SocketAddr>) -> Option<Self> {
        Some(Self {
            xpid: registration.xpid,
            url: registration.notify_url.clone()?,
            addresses,
            connections: registration.notify_connections.max(1),
            depth: registration.notify_depth.max(1),
            secrets: registration.notify_secrets.clone(),
        })
    }
}

struct Endpoint {
    plan: EndpointPlan,
    /// With the time since which each waits.
    queue: VecDeque<(PartOrder, SteadyMs)>,
    /// When it last answered.
    heard_ms: SteadyMs,
    connections: Vec<u32>,
    resting_until_ms: SteadyMs,
    failures: u32,
    next_address: usize,
    /// The server's own word, of the last connection that carried an answer: it closes after every
    /// response, so a connection carries one request.
    closes: bool,
    place: Place,
    /// What stands in its way, in words.
    trouble: Option<String>,
}

/// A notification that was sent.
struct UnderWay {
    order: PartOrder,
    subject: Subject,
    deadline_ms: SteadyMs,
}

struct Outgoing {
    link: Link<Notifying>,
    endpoint: u64,
    connected: bool,
    opened_ms: SteadyMs,
    peer: SocketAddr,
    /// Boxed: the kernel reads it while the connect is under way.
    address: Box<RawAddress>,
}

/// The session with a notification server: notifications out, responses in.
struct Notifying {
    output: Vec<u8>,
    under_way: VecDeque<UnderWay>,
    /// A response has arrived in part, and how far.
    partial: Option<Arrival>,
    /// The peer announced that it closes: nothing more is sent on it.
    closes: bool,
    /// The endpoint has no use for it any more: it ends with its last answer, which says nothing
    /// about the endpoint.
    retired: bool,
    /// Whether the peer has answered anything.
    answered: bool,
    /// Whether its first answer kept the connection, until the endpoint has learnt it.
    first_kept: Option<bool>,
    /// When it last had something under way or began.
    used_ms: SteadyMs,
}

/// What a response is settled with.
struct Settling<'a> {
    parts: &'a mut Parts,
    now: Now,
}

/// An address as the kernel reads it.
pub(super) struct RawAddress {
    storage: libc::sockaddr_storage,
    octets: u32,
}

pub(super) struct Notifier {
    endpoints: HashMap<u64, Endpoint>,
    outgoing: Slots<Outgoing>,
    budget: Rc<Budget>,
    sweep_at: usize,
    ready: Vec<u64>,
    /// Endpoints without a connection that found the table full, each once, longest waiting first.
    line: VecDeque<u64>,
    /// Connections that may be begun in this turn.
    connects_left: usize,
    /// What waited for endpoints that are gone.
    left_behind: VecDeque<VecDeque<(PartOrder, SteadyMs)>>,
    outbound: Outbound,
    host: HostAddresses,
    /// Connections whose TLS handshake can go on, each once.
    handshakes_due: VecDeque<(u32, u32)>,
    pub(super) troubles: Troubles,
}

impl Notifier {
    pub(super) fn new(connections_max: usize, budget: Rc<Budget>) -> Self {
        Self {
            endpoints: HashMap::new(),
            outgoing: Slots::with_capacity(connections_max),
            budget,
            sweep_at: 0,
            ready: Vec::with_capacity(64),
            line: VecDeque::new(),
            connects_left: 0,
            left_behind: VecDeque::new(),
            outbound: Outbound::default(),
            host: HostAddresses::read(),
            handshakes_due: VecDeque::new(),
            troubles: Troubles::default(),
        }
    }

    /// Takes the endpoints in force; what waits for one that goes away fails, some of it at a time,
    /// and is resent by the schedule. One that is as it was costs a look at it, and goes on resting
    /// where it rests.
    pub(super) fn set_plans(&mut self, plans: &[EndpointPlan]) {
        let mut old = std::mem::take(&mut self.endpoints);
        for plan in plans {
            let key = plan.xpid.value();
            let endpoint = match old.remove(&key) {
                Some(known) if known.plan == *plan => {
                    self.endpoints.insert(key, known);
                    continue;
                }
                Some(known) => {
                    let moved = known.plan.url != plan.url || !known.plan.has_addresses_of(plan);
                    let kept = if moved { 0 } else { usize::from(plan.connections) };
                    let mut connections = known.connections;
                    self.busiest_first(&mut connections);
                    let surplus = connections.split_off(kept.min(connections.len()));
                    self.retire(&surplus);
                    let closes = known.closes && !moved;
                    Endpoint {
                        plan: plan.clone(),
                        resting_until_ms: SteadyMs::ZERO,
                        closes,
                        trouble: known.trouble.filter(|_| !moved),
                        connections,
                        ..known
                    }
                }
                None => Endpoint {
                    plan: plan.clone(),
                    queue: VecDeque::new(),
                    heard_ms: SteadyMs::ZERO,
                    connections: Vec::new(),
                    resting_until_ms: SteadyMs::ZERO,
                    failures: 0,
                    next_address: 0,
                    closes: false,
                    place: Place::NotAwaited,
                    trouble: None,
                },
            };
            self.endpoints.insert(key, endpoint);
            self.ready.push(key);
        }
        for endpoint in old.into_values() {
            self.retire(&endpoint.connections);
            if !endpoint.queue.is_empty() {
                self.left_behind.push_back(endpoint.queue);
            }
        }
    }

    /// What waited for endpoints that are gone has failed.
    fn fail_what_was_left_behind(&mut self, parts: &mut Parts, now: Now, budget: &mut usize) {
        while *budget > 0
            && let Some(orders) = self.left_behind.front_mut()
        {
            match orders.pop_front() {
                Some((order, _)) => {
                    *budget -= 1;
                    parts.settle(order, FAILED, now);
                }
                None => drop(self.left_behind.pop_front()),
            }
        }
    }

    /// Takes the addresses that the hosts' names have now. A connection to one that is no longer
    /// among them ends when what was asked on it is answered.
    pub(super) fn set_addresses(&mut self, addresses: &[(Xpid, Vec<SocketAddr>)]) {
        for (xpid, addresses) in addresses {
            let key = xpid.value();
            let Some(endpoint) = self.endpoints.get_mut(&key) else { continue };
            if endpoint.plan.addresses == *addresses {
                continue;
            }
            endpoint.plan.addresses.clone_from(addresses);
            endpoint.resting_until_ms = SteadyMs::ZERO;
            let outgoing = &mut self.outgoing;
            let stale = |index: &u32| {
                outgoing.get_mut(*index).is_some_and(|outgoing| !addresses.contains(&outgoing.peer))
            };
            let stale: Vec<u32> = endpoint.connections.iter().copied().filter(stale).collect();
            endpoint.connections.retain(|index| !stale.contains(index));
            self.ready.push(key);
            self.retire(&stale);
        }
    }

    /// Requests under way that a drain waits for: of push clients that have said something lately,
    /// or may still begin to.
    pub(super) fn awaited(&mut self, draining_since_ms: SteadyMs, now: Now) -> usize {
        let mut count = 0;
        for index in self.outgoing.indices() {
            let Some(outgoing) = self.outgoing.get_mut(index) else { continue };
            let heard_ms = self
                .endpoints
                .get(&outgoing.endpoint)
                .map_or(SteadyMs::ZERO, |endpoint| endpoint.heard_ms);
            if now.steady_ms < heard_ms.max(draining_since_ms) + DRAIN_SILENCE_MS {
                count += outgoing.link.session.under_way.len();
            }
        }
        count
    }

    /// A shard is to leave the thread: what waits here for it fails, some of it at a time, and is
    /// resent by the schedule. Whether nothing of it waits or is under way any more.
    pub(super) fn give_back(
        &mut self,
        name: PartName,
        parts: &mut Parts,
        now: Now,
        mut budget: usize,
    ) -> bool {
        let queues = self.endpoints.values_mut().map(|endpoint| &mut endpoint.queue);
        for queue in queues.chain(&mut self.left_behind) {
            let given = take_out(queue, budget, |(due, _)| due.part == name);
            budget -= given.len();
            given.into_iter().for_each(|(due, _)| parts.settle(due, FAILED, now));
        }
        let is_under_way = |outgoing: &mut Outgoing| {
            outgoing.link.session.under_way.iter().any(|sent| sent.order.part == name)
        };
        let indices = self.outgoing.indices();
        budget > 0
            && !indices.iter().any(|&index| self.outgoing.get_mut(index).is_some_and(is_under_way))
    }

    /// Takes the shards' orders and puts as many on the wire as the endpoints' connections carry.
    pub(super) fn send_orders(&mut self, parts: &mut Parts, driver: &mut Driver, now: Now) -> bool {
        let mut busy = false;
        // Each takes a record of the journal; after a start there may be a million of them.
        let most = ORDERS_PER_TURN_MAX.div_ceil(parts.len().max(1));
        for nth in 0..parts.len() {
            busy |= self.take_orders(nth, most, parts, now);
        }
        self.connects_left = CONNECTS_PER_TURN_MAX;
        let mut ready = std::mem::take(&mut self.ready);
        for key in ready.drain(..) {
            self.serve(key, parts, driver, now);
        }
        ready.append(&mut self.ready);
        self.ready = ready;
        busy || self.connects_left == 0
    }

    /// Takes so many orders at most of the shard whose turn is the n-th; whether it had any.
    fn take_orders(&mut self, nth: usize, most: usize, parts: &mut Parts, now: Now) -> bool {
        let Some(name) = parts.name_at(nth) else { return false };
        let Some(part) = parts.at(nth).filter(|part| !part.closes()) else { return false };
        for taken in 0..most {
            let Some(order) = part.shard.take_notification() else { return taken > 0 };
            let key = part.shard.notification_xpid(order).value();
            match self.endpoints.get_mut(&key) {
                Some(endpoint) => {
                    if endpoint.queue.is_empty() {
                        self.ready.push(key);
                    }
                    endpoint.queue.push_back((PartOrder { part: name, order }, now.steady_ms));
                }
                None => part.shard.settle_unaddressed(order, now.wall_ms),
            }
        }
        true
    }

    fn serve(&mut self, key: u64, parts: &mut Parts, driver: &mut Driver, now: Now) {
        let Some(endpoint) = self.endpoints.get_mut(&key) else { return };
        let depth = if endpoint.closes { 1 } else { usize::from(endpoint.plan.depth) };
        let mut at = 0;
        while !endpoint.queue.is_empty() && at < endpoint.connections.len() {
            let index = endpoint.connections[at];
            at += 1;
            let Some(outgoing) = self.outgoing.get_mut(index) else { continue };
            let link = &mut outgoing.link;
            if !outgoing.connected || link.session.ends() || link.stream.is_closing() {
                continue;
            }
            while link.session.under_way.len() < depth
                && let Some((order, _)) = endpoint.queue.pop_front()
            {
                let plan = &endpoint.plan;
                let signing = (&plan.secrets[..], now.wall_ms.ms() / 1000);
                let out = &mut link.session.output;
                // A part that has left tells of it where it is now.
                let Some(part) = parts.named(order.part) else { continue };
                let shard = &mut part.shard;
                let written = shard.write_signed_notification(order.order, &plan.url, signing, out);
                let Some(subject) = written else { continue };
                let deadline_ms = now.steady_ms + NOTIFICATION_TIMEOUT_MS;
                link.session.under_way.push_back(UnderWay { order, subject, deadline_ms });
            }
            link.flush(driver, now.steady_ms);
        }
        let connections_max = usize::from(endpoint.plan.connections);
        let rests = now.steady_ms < endpoint.resting_until_ms;
        if !endpoint.queue.is_empty() && !rests && endpoint.connections.len() < connections_max {
            // Those that are being made are for what waits, however long that takes.
            let being_made = endpoint.connections.iter().filter(|&&index| {
                let made = |outgoing: &mut Outgoing| outgoing.connected || outgoing.is_closing();
                !self.outgoing.get_mut(index).is_none_or(made)
            });
            let wanted = endpoint.queue.len().div_ceil(depth).saturating_sub(being_made.count());
            let wanted = wanted.min(connections_max - endpoint.connections.len());
            // The first connection of a client comes before the second of another.
            let wanted = match endpoint.connections.len() {
                0 if self.outgoing.is_full()
                    || !self.line.is_empty() && endpoint.place != Place::Granted =>
                {
                    return self.stand_in_line(key);
                }
                0 => wanted.min(1 + self.outgoing.spare()),
                _ => wanted.min(self.outgoing.spare()),
            };
            for _ in 0..wanted {
                if self.connects_left == 0 {
                    self.ready.push(key);
                    break;
                }
                if !self.open(key, parts, driver, now) {
                    break;
                }
                self.connects_left -= 1;
            }
        }
    }

    fn open(&mut self, key: u64, parts: &mut Parts, driver: &mut Driver, now: Now) -> bool {
        let Some(endpoint) = self.endpoints.get_mut(&key) else { return false };
        endpoint.place = Place::NotAwaited;
        if now.steady_ms < endpoint.resting_until_ms {
            return false;
        }
        let Some(address) = self.next_address(key, parts, now) else { return false };
        let Some(endpoint) = self.endpoints.get(&key) else { return false };
        let layer = self.layer(endpoint);
        let Some(endpoint) = self.endpoints.get_mut(&key) else { return false };
        let layer = match layer {
            Ok(layer) => layer,
            Err(why) => {
                endpoint.has_trouble(why);
                endpoint.rest(now);
                return false;
            }
        };
        let Some(socket) = new_socket(&address) else {
            endpoint.rest(now);
            return false;
        };
        let raw = RawAddress::of(&address);
        let (session, budget) = (Notifying::new(now.steady_ms), &self.budget);
        let index = self.outgoing.insert(|index, generation| Outgoing {
            link: Link::new(socket, (index, generation), Owner::Notifier, session, budget),
            endpoint: key,
            connected: false,
            opened_ms: now.steady_ms,
            peer: address,
            address: raw,
        });
        let Some(index) = index else {
            endpoint.rest(now);
            return false;
        };
        endpoint.connections.push(index);
        if let Some(outgoing) = self.outgoing.get_mut(index) {
            if let Some(tls) = layer {
                outgoing.link.secure(tls);
            }
            connect(&mut outgoing.link.stream, &outgoing.address, driver);
        }
        true
    }

    /// A connect, send or receive of the notifier completed.
    pub(super) fn completed(
        &mut self,
        completion: &Completion,
        driver: &mut Driver,
        parts: &mut Parts,
        now: Now,
    ) {
        let index = completion.token.index;
        let outgoing = self.outgoing.of_generation(index, completion.token.generation);
        let Some(outgoing) = outgoing else {
            completion.buffer.inspect(|&buffer| driver.recycle(buffer));
            return;
        };
        let alive = match completion.token.operation {
            Operation::Connect => outgoing.connect_ended(completion.result, driver),
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
                let mut settling = Settling { parts, now };
                let fate = outgoing.link.received(completion, driver, &mut settling);
                outgoing.link.count();
                fate == Fate::Goes
            }
        };
        let key = outgoing.endpoint;
        let retired = outgoing.link.session.retired;
        let first_kept = outgoing.link.session.first_kept.take();
        // Under TLS a server may take the handshake and refuse us behind it.
        let answered = outgoing.link.session.answered;
        let is_good = outgoing.connected && (answered || outgoing.link.tls().is_none());
        if !retired
            && let Some(first_kept) = first_kept
            && let Some(endpoint) = self.endpoints.get_mut(&key)
        {
            endpoint.closes = !first_kept;
        }
        if alive
            && is_good
            && !retired
            && let Some(endpoint) = self.endpoints.get_mut(&key)
        {
            endpoint.failures = 0;
            endpoint.resting_until_ms = SteadyMs::ZERO;
            if completion.token.operation == Operation::Receive {
                endpoint.heard_ms = now.steady_ms;
            }
            if answered {
                endpoint.has_recovered();
            }
            if !endpoint.queue.is_empty() {
                self.ready.push(key);
            }
        }
        if !alive {
            self.give_up(index, parts, now);
        }
        self.note_handshake(index);
        self.remove_if_quiet(index);
    }

    /// The connection is no good: what was under way on it goes back to the message center.
    fn give_up(&mut self, index: u32, parts: &mut Parts, now: Now) {
        let Some(outgoing) = self.outgoing.get_mut(index) else { return };
        if outgoing.link.stream.is_closing() {
            return;
        }
        let key = outgoing.endpoint;
        let failure = outgoing.link.tls().and_then(|tls| tls.failure().map(ToString::to_string));
        outgoing.link.close();
        let session = &mut outgoing.link.session;
        let (closes, answered, retired) = (session.closes, session.answered, session.retired);
        let mut unanswered = std::mem::take(&mut session.under_way);
        let endpoint = self.endpoints.get_mut(&key);
        if closes && let Some(endpoint) = endpoint {
            // The server said that it takes no more on this connection: what was behind was never
            // its to answer.
            while let Some(sent) = unanswered.pop_back() {
                endpoint.queue.push_front((sent.order, now.steady_ms));
            }
        }
        for sent in unanswered {
            parts.settle(sent.order, FAILED, now);
        }
        self.troubles.insecure += u64::from(failure.is_some());
        if let Some(endpoint) = self.endpoints.get_mut(&key) {
            endpoint.connections.retain(|&other| other != index);
            if let Some(failure) = failure {
                // Not the whole URL: its path may hold what only its owner is to know.
                let server = endpoint.plan.url.authority();
                endpoint.has_trouble(format!("TLS with {server} failed: {failure}"));
            }
            if !answered && !retired {
                endpoint.rest(now);
            }
            if !endpoint.queue.is_empty() {
                self.ready.push(key);
            }
        }
    }

    fn remove_if_quiet(&mut self, index: u32) {
        let quiet =
            self.outgoing.get_mut(index).is_some_and(|outgoing| outgoing.link.stream.is_over());
        if quiet {
            self.outgoing.remove(index);
            self.call_next();
        }
    }

    /// Looks at some connections for answers that are overdue, and at endpoints whose rest is over.
    pub(super) fn sweep(
        &mut self,
        parts: &mut Parts,
        driver: &mut Driver,
        now: Now,
        budget: usize,
    ) {
        let (indices, next) = self.outgoing.sweep(self.sweep_at, budget);
        self.sweep_at = next;
        for index in indices {
            let Some(outgoing) = self.outgoing.get_mut(index) else { continue };
            let is_closing = outgoing.link.stream.is_closing();
            let is_overdue = now.steady_ms >= outgoing.link.session.due_ms();
            // What a step waits for this shard is not the server's time.
            let is_ours = outgoing.link.tls().is_some_and(|tls| tls.listed);
            let is_late = now.steady_ms >= outgoing.opened_ms + CONNECT_TIMEOUT_MS;
            let stuck = !outgoing.connected && is_late && !is_ours;
            let (idle, used_ms) = (outgoing.is_idle(), outgoing.link.session.used_ms);
            if (is_overdue && !idle || stuck) && !is_closing {
                self.give_up(index, parts, now);
            } else if idle && is_overdue {
                self.part_from(index);
            } else if idle && now.steady_ms >= used_ms + BUFFERS_KEPT_MS {
                outgoing.link.shrink(driver);
            }
            self.remove_if_quiet(index);
        }
        self.make_places();
        let mut budget = QUEUED_FAILED_PER_SWEEP_MAX;
        self.fail_what_was_left_behind(parts, now, &mut budget);
        for (&key, endpoint) in &mut self.endpoints {
            endpoint.fail_what_waited_too_long(parts, now, &mut budget);
            if !endpoint.queue.is_empty() && now.steady_ms >= endpoint.resting_until_ms {
                self.ready.push(key);
            }
        }
    }
}

/// The HTTP status by which a push client says that it wants no notification there any more.
const GONE: u16 = 410;

const FAILED: NotificationResult = NotificationResult::Failed { retry_after_seconds: None };

impl Endpoint {
    /// A client that cannot be reached, or takes connections and answers nothing, has failed the
    /// orders that wait for it as much as those that were sent: their resends and their parking go
    /// by the schedule.
    fn fail_what_waited_too_long(&mut self, parts: &mut Parts, now: Now, budget: &mut usize) {
        let patience_ms =
            if self.failures > 0 { CONNECT_TIMEOUT_MS } else { NOTIFICATION_TIMEOUT_MS };
        while *budget > 0
            && let Some(&(order, queued_ms)) = self.queue.front()
            && now.steady_ms >= queued_ms.max(self.heard_ms) + patience_ms
        {
            *budget -= 1;
            self.queue.pop_front();
            parts.settle(order, FAILED, now);
        }
    }

    /// Pauses connecting: 250 ms, doubling.
    fn rest(&mut self, now: Now) {
        let pause_ms = 250u64 << self.failures.min(6);
        self.failures = self.failures.saturating_add(1);
        self.resting_until_ms = now.steady_ms + pause_ms.min(ENDPOINT_PAUSE_MS_MAX);
    }
}

impl Outgoing {
    fn connect_ended(&mut self, result: i32, driver: &mut Driver) -> bool {
        self.link.stream.set_other_under_way(false);
        if result < 0 || self.link.stream.is_closing() {
            return false;
        }
        self.connected = self.link.is_open();
        // Under TLS the hello is a step of the handshake, which takes its turn.
        if let Some(tls) = self.link.tls() {
            tls.may_call();
        }
        self.link.read_on(driver);
        true
    }

    /// Whether it ends.
    fn is_closing(&self) -> bool {
        self.link.stream.is_closing()
    }

    /// Whether it carries nothing and could.
    fn is_idle(&self) -> bool {
        let session = &self.link.session;
        self.connected
            && session.under_way.is_empty()
            && !session.ends()
            && !self.link.stream.is_closing()
    }
}

impl Session for Notifying {
    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// When its oldest notification must be answered; one that carries nothing ends a while after
    /// it last did.
    fn due_ms(&self) -> SteadyMs {
        match self.under_way.front() {
            Some(sent) => sent.deadline_ms,
            None if self.ends() => SteadyMs::NEVER,
            None => self.used_ms + NOTIFIER_IDLE_MS_MAX,
        }
    }

    fn wants_more(&self, _unconsumed: usize, _most: usize) -> bool {
        true
    }

    fn held(&self) -> usize {
        self.output.capacity() + self.under_way.capacity() * size_of::<UnderWay>()
    }

    fn shrink(&mut self) {
        if self.output.is_empty() {
            self.output = Vec::new();
        }
        if self.under_way.is_empty() {
            self.under_way = VecDeque::new();
        }
    }
}

impl Takes<Settling<'_>> for Notifying {
    /// `None` too when the connection is done: the peer announced its close and everything asked
    /// was answered, or a response is longer than any.
    fn take(&mut self, octets: &[u8], _room: usize, desk: &mut Settling<'_>) -> Option<usize> {
        if let Some(arrival) = &mut self.partial
            && !arrival.is_over(octets)
        {
            return (octets.len() <= RESPONSE_OCTETS_MAX).then_some(0);
        }
        let consumed = self.take_responses(octets, false, desk.parts, desk.now)?;
        let left = octets.len() - consumed;
        self.partial = (left > 0).then(Arrival::default);
        let is_done = self.ends() && self.under_way.is_empty();
        (left <= RESPONSE_OCTETS_MAX && !is_done).then_some(consumed)
    }

    fn end(&mut self, unconsumed: &[u8], desk: &mut Settling<'_>) {
        if !unconsumed.is_empty() {
            let _ = self.take_responses(unconsumed, true, desk.parts, desk.now);
        }
    }
}

impl Notifying {
    fn new(now_ms: SteadyMs) -> Self {
        Self {
            output: Vec::new(),
            under_way: VecDeque::new(),
            partial: None,
            closes: false,
            retired: false,
            answered: false,
            first_kept: None,
            used_ms: now_ms,
        }
    }

    /// Whether nothing more is sent on it.
    fn ends(&self) -> bool {
        self.closes || self.retired
    }

    /// Reads whole responses; returns the octets done with, or `None` when the peer speaks
    /// something else.
    fn take_responses(
        &mut self,
        octets: &[u8],
        at_end: bool,
        parts: &mut Parts,
        now: Now,
    ) -> Option<usize> {
        let mut at = 0;
        while at < octets.len() {
            match read_response(&octets[at..], at_end) {
                ResponseOutcome::Partial => return Some(at),
                ResponseOutcome::Malformed => return None,
                ResponseOutcome::Complete(response) => {
                    let UnderWay { order, subject, .. } = self.under_way.pop_front()?;
                    if !std::mem::replace(&mut self.answered, true) {
                        self.first_kept = Some(response.keep_alive);
                    }
                    self.used_ms = now.steady_ms;
                    let acknowledged = (200..300).contains(&response.status)
                        && says_done(&response.body, &subject);
                    let result = if acknowledged {
                        NotificationResult::Acknowledged
                    } else if response.status == GONE {
                        NotificationResult::Gone
                    } else {
                        let retry_after_seconds = response.retry_after_seconds(now.wall_ms.ms());
                        NotificationResult::Failed { retry_after_seconds }
                    };
                    parts.settle(order, result, now);
                    self.closes |= !response.keep_alive;
                    at += response.octets;
                }
            }
        }
        Some(at)
    }
}

/// Whether the body is an E6 or E8 with code 0000 that names the push of the notification.
fn says_done(body: &Body<'_>, subject: &Subject) -> bool {
    let mut scratch = [0; ACKNOWLEDGEMENT_OCTETS_MAX];
    let body = body.joined(&mut scratch);
    body.filter(|body| body.len() <= ACKNOWLEDGEMENT_OCTETS_MAX)
        .and_then(|body| read_acknowledgement(body).ok())
        //= push notify acknowledged
        .is_some_and(|said| said.code_number == 0 && subject.is_named_by(&said))
}

/// Begins to connect a stream. Whoever owns both frees them only when the stream is quiet, that is,
/// after the connect has completed: the kernel reads the address until then.
pub(super) fn connect(stream: &mut Stream, address: &RawAddress, driver: &mut Driver) {
    stream.set_other_under_way(true);
    let token = stream.token(Operation::Connect);
    let (storage, octets) = (&raw const address.storage, address.octets);
    // SAFETY: the address is boxed and its owner is freed only when the stream is quiet, that is,
    // after the connect has completed.
    unsafe { driver.connect(stream.descriptor(), storage.cast(), octets, token) };
}

impl RawAddress {
    /// The address as the kernel reads it.
    pub(super) fn of(address: &SocketAddr) -> Box<Self> {
        Box::new(raw_address(address))
    }
}

pub(super) fn new_socket(address: &SocketAddr) -> Option<OwnedFd> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: socket takes integers and returns a new descriptor or -1.
    let socket = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    // SAFETY: the descriptor was just created and nobody else owns it.
    (socket >= 0).then(|| unsafe { OwnedFd::from_raw_fd(socket) })
}

fn raw_address(address: &SocketAddr) -> RawAddress {
    // SAFETY: sockaddr_storage is plain data for which all zeroes is a value.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let octets = match address {
        SocketAddr::V4(address) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is larger than and aligned for every socket address.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(raw) };
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(address) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            };
            // SAFETY: as above.
            unsafe { (&raw mut storage).cast::<libc::sockaddr_in6>().write(raw) };
            size_of::<libc::sockaddr_in6>()
        }
    };
    RawAddress { storage, octets: octets as u32 }
}
