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

mod endpoint;
mod outbound;
mod places;
mod plans;
mod session;
#[cfg(test)]
mod tests;

use crate::io::block_queue::BlockQueue;
use crate::io::budget::Budget;
use crate::io::connecting::{RawAddress, connect, new_socket};
use crate::io::driver::{Completion, Driver, Operation, Owner};
use crate::io::host_addresses::HostAddresses;
use crate::io::limits::{
    BUFFERS_KEPT_MS, CONNECT_TIMEOUT_MS, CONNECTS_PER_TURN_MAX, DRAIN_SILENCE_MS,
    NOTIFICATION_TIMEOUT_MS, ORDERS_PER_TURN_MAX, QUEUED_FAILED_PER_SWEEP_MAX,
    SIFTED_BLOCKS_PER_TURN_MAX,
};
use crate::io::link::{Fate, Link, Session as _};
use crate::io::now::Now;
use crate::io::part::Part;
use crate::io::parts::{PartName, PartOrder, Parts};
use crate::io::sifting::Sifting;
use crate::io::slots::Slots;
use crate::shard::NotificationResult;
use endpoint::Endpoint;
pub use endpoint::EndpointPlan;
pub use outbound::Outbound;
pub(super) use outbound::Troubles;
use places::Place;
use session::{Notifying, Settling, UnderWay};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use wire::terms::time::SteadyMs;

/// What has failed is sent again by the message center's schedule.
const FAILED: NotificationResult = NotificationResult::Failed { retry_after_seconds: None };

struct Outgoing {
    link: Link<Notifying>,
    endpoint: u64,
    connected: bool,
    opened_ms: SteadyMs,
    peer: SocketAddr,
    /// Boxed: the kernel reads it while the connect is under way.
    address: Box<RawAddress>,
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
    left_behind: VecDeque<BlockQueue<(PartOrder, SteadyMs)>>,
    /// How far what waits for a shard that is to leave was looked for.
    sifting: Option<Sifting>,
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
            sifting: None,
            outbound: Outbound::default(),
            host: HostAddresses::read(),
            handshakes_due: VecDeque::new(),
            troubles: Troubles::default(),
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
    pub(super) fn give_back(&mut self, name: PartName, parts: &mut Parts, now: Now) -> bool {
        let waits = |(_, endpoint): &(&u64, &Endpoint)| !endpoint.queue.is_empty();
        let keys = || self.endpoints.iter().filter(waits).map(|(key, _)| *key).collect();
        let search = Sifting::goes_on(&mut self.sifting, name, keys);
        for _ in 0..SIFTED_BLOCKS_PER_TURN_MAX {
            let Some(key) = search.key() else { break };
            let queue = self.endpoints.get_mut(&key).map(|endpoint| &mut endpoint.queue);
            let its = search.look(queue, |(due, _)| due.part);
            its.into_iter().for_each(|(due, _)| parts.settle(due, FAILED, now));
        }
        let has_looked = search.key().is_none();
        let is_under_way = |outgoing: &mut Outgoing| {
            outgoing.link.session.under_way.iter().any(|sent| sent.order.part == name)
        };
        // What was left behind fails in the sweeps.
        let indices = self.outgoing.indices();
        has_looked
            && self.left_behind.is_empty()
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
        let may_begin = |part: &&mut Part| !part.closes() && part.may_act(now.steady_ms);
        let Some(part) = parts.at(nth).filter(may_begin) else { return false };
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
                && let Some((order, since_ms)) = endpoint.queue.pop_front()
            {
                let plan = &endpoint.plan;
                let signing = (&plan.secrets[..], now.wall_ms.ms() / 1000);
                let out = &mut link.session.output;
                // A part that has left tells of it where it is now.
                let Some(part) = parts.named(order.part) else { continue };
                if !part.may_act(now.steady_ms) {
                    // It is told in a moment whether it may.
                    part.ask_to_act();
                    endpoint.queue.push_front((order, since_ms));
                    self.ready.push(key);
                    at = endpoint.connections.len();
                    break;
                }
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
        let (answered, refused) = (outgoing.link.session.answered, outgoing.link.session.refused);
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
                endpoint.has_answered(refused, now);
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
        let was_there = outgoing.connected;
        let session = &mut outgoing.link.session;
        let (closes, answered, retired) = (session.closes, session.answered, session.retired);
        let refused = session.refused;
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
            } else if answered && !retired {
                endpoint.has_answered(refused, now);
            } else if !was_there && !retired {
                let why = format!("{} cannot be reached", endpoint.plan.url.authority());
                endpoint.is_troubled_lately(why, now);
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
