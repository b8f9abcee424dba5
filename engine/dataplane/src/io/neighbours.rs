//! The peer link: requests for partitions that other nodes of a cluster hold, and theirs for
//! partitions that are here.
//!
//! It is one more thread of the mesh. A request for a partition of another node is a parcel to it,
//! as one for another thread's shard is. It sends the form to that node and brings the answer home
//! in the same box. What another node sends becomes a parcel to the thread that holds the
//! partition. A request is handed on once: where nobody holds the partition it is answered 8002.
//!
//! **Never here:** what a request says, who owns a partition. **Invariants:** whoever connects
//! shows the cluster's secret before anything of it is read, and a certificate before that where
//! the nodes speak TLS. What was sent and not answered within its time is 9002, for nobody knows
//! what became of it, and so is what was sent to a node whose partition is another's since. What
//! could not be sent is 8002. As much is under way as there are boxes.

mod frames;

use crate::io::driver::{Sleeper, Waker};
use crate::io::limits::{NEIGHBOUR_CLIENTS_MAX, NEIGHBOUR_CONNECTIONS_MAX};
use crate::io::mailbox::Ports;
use crate::io::mesh::{Lanes, Mesh, Origin, Parcel, Sender};
use crate::io::portions::Portion;
use crate::io::tls::PeerTls;
use crossbeam::channel::{self, bounded};
use frames::{AnswerFrame, RequestFrame, Wire, hello};
use host::clock;
use host::fatal::{Fatal, FatalReason};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::push::response::Answer;
use wire::submission::form::{self, FormOrder};
use wire::terms::code::Code;
use wire::terms::ids::Class;
use wire::terms::ownership::Holder;

/// What was sent is answered within this, or nobody knows what became of it. A node that says
/// nothing at all for so long is called anew.
const PATIENCE_NS: u64 = 10_000_000_000;
/// The same where the partition has become another node's meanwhile: a node that gives one away has
/// answered before that, and one that died or stands still does not answer any more.
const MOVED_PATIENCE_NS: u64 = 1_000_000_000;
/// Between two tries to reach a node.
const RETRY_NS: u64 = 250_000_000;
/// To reach a node.
const CONNECT: Duration = Duration::from_millis(1_000);
/// Between two words about peers that are not let in: they try again at once.
const TOLD_EVERY_NS: u64 = 60_000_000_000;
/// The longest rest: times are looked at then.
const REST_NS: i64 = 50_000_000;

/// The nodes of a cluster, as one of them sees them.
#[derive(Clone, Debug)]
pub struct Neighbourhood {
    /// This node's place among them.
    pub me: usize,
    /// Where each listens for the others.
    pub addresses: Vec<SocketAddr>,
    /// What they know each other by.
    pub secret: [u8; 32],
    /// Partitions of the cluster.
    pub partitions: usize,
    /// What they speak TLS with, where they do.
    pub tls: Option<PeerTls>,
}

/// A link that listens, and does not run yet.
pub(super) struct PeerLink {
    neighbours: Neighbourhood,
    listener: TcpListener,
    sleeper: Sleeper,
    patience_ns: u64,
}

/// A running link.
pub(super) struct RunningLink {
    waker: Waker,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl RunningLink {
    /// Ends it.
    pub(super) fn end(self) {
        self.ends.store(true, Ordering::Release);
        self.waker.rouse();
        let _ = self.thread.join();
    }
}

impl PeerLink {
    /// Takes the node's own address.
    ///
    /// # Errors
    /// It cannot be had.
    pub(super) fn open(neighbours: &Neighbourhood) -> Result<Self, Fatal> {
        let address = neighbours.addresses[neighbours.me];
        let unusable = |error: std::io::Error| {
            let cause = format!("the peer port {address} cannot be used ({error})");
            let remedy = "correct this node's address in `peers` of the cluster's file";
            Fatal::with_remedy(FatalReason::PortUnavailable, cause, remedy)
        };
        let listener = TcpListener::bind(address).map_err(unusable)?;
        listener.set_nonblocking(true).map_err(unusable)?;
        let sleeper = Sleeper::new().map_err(unusable)?;
        let neighbours = neighbours.clone();
        Ok(Self { neighbours, listener, sleeper, patience_ns: PATIENCE_NS })
    }

    /// What wakes it.
    pub(super) fn waker(&self) -> Waker {
        self.sleeper.waker()
    }

    /// Runs it as the last of the mesh's threads.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub(super) fn start(
        self,
        ports: &Ports,
        lanes: &Arc<Lanes>,
        wakers: Vec<Waker>,
        shard_cpus: Vec<usize>,
    ) -> std::io::Result<RunningLink> {
        let (waker, ends) = (self.waker(), Arc::new(AtomicBool::new(false)));
        let mesh =
            Mesh::new(wakers.len() - 1, Arc::clone(lanes), Arc::clone(&ports.holders), wakers);
        let (made_by, made) = bounded(self.neighbours.addresses.len());
        let nodes = self.neighbours.addresses.iter().map(|_| Node::default()).collect();
        let mut running = Link {
            ports: ports.clone(),
            mesh,
            ends: Arc::clone(&ends),
            made,
            made_by,
            nodes,
            guests: BTreeMap::new(),
            next: 0,
            told_ns: None,
            link: self,
        };
        let thread = std::thread::Builder::new().name("peers".to_owned()).spawn(move || {
            host::cpus::leave_cpus(&shard_cpus);
            running.run();
        })?;
        Ok(RunningLink { waker, ends, thread })
    }
}

/// A request that was sent to another node.
struct Sent {
    parcel: Box<Parcel>,
    at_ns: u64,
}

/// Another node, as this one speaks to it.
#[derive(Default)]
struct Node {
    wire: Option<Wire>,
    is_connecting: bool,
    tried_ns: u64,
    /// When it was connected to, or said anything.
    heard_ns: u64,
    /// By their numbers: the oldest in front.
    sent: BTreeMap<u64, Sent>,
}

/// A node that speaks to this one.
struct Guest {
    wire: Wire,
    /// It has shown the secret.
    is_known: bool,
    /// When it came.
    since_ns: u64,
    /// Its requests that are not answered.
    open: usize,
}

type Made = (usize, Option<TcpStream>);

struct Link {
    link: PeerLink,
    ports: Ports,
    mesh: Mesh,
    ends: Arc<AtomicBool>,
    made: channel::Receiver<Made>,
    made_by: channel::Sender<Made>,
    nodes: Vec<Node>,
    guests: BTreeMap<u32, Guest>,
    /// Of requests and of guests.
    next: u64,
    /// When somebody was not let in and it was said.
    told_ns: Option<u64>,
}

impl Link {
    fn run(&mut self) {
        while !self.ends.load(Ordering::Acquire) {
            self.rest();
            let now_ns = clock::monotonic_ns();
            self.connect(now_ns);
            self.hand_on(now_ns);
            self.bring_home();
            self.hear_nodes(now_ns);
            self.give_up(now_ns);
            self.take_guests(now_ns);
            self.hear_guests(now_ns);
            self.flush();
            self.mesh.wake_peers();
            let owes = self.nodes.iter().any(|node| !node.sent.is_empty())
                || self.guests.values().any(|guest| guest.open > 0);
            self.mesh.all_quiet(!owes);
        }
    }

    /// Waits until somebody has something for it, or a while.
    fn rest(&mut self) {
        let sleeper = &self.link.sleeper;
        sleeper.lie_down();
        let is_called = {
            let wires = self.nodes.iter().filter_map(|node| node.wire.as_ref());
            let wires = wires.chain(self.guests.values().map(|guest| &guest.wire));
            let interest = |wire: &Wire| match wire.has_output() {
                true => PollFlags::IN | PollFlags::OUT,
                false => PollFlags::IN,
            };
            let mut waited = vec![
                PollFd::from_borrowed_fd(sleeper.call(), PollFlags::IN),
                PollFd::new(&self.link.listener, PollFlags::IN),
            ];
            waited.extend(wires.map(|wire| PollFd::new(&wire.stream, interest(wire))));
            let rest_ns = if self.mesh.has_arrivals() { 0 } else { REST_NS };
            let _ = poll(&mut waited, Some(&Timespec { tv_sec: 0, tv_nsec: rest_ns }));
            !waited[0].revents().is_empty()
        };
        sleeper.get_up(is_called);
    }

    /// Keeps a connection to each other node.
    fn connect(&mut self, now_ns: u64) {
        while let Ok((at, stream)) = self.made.try_recv() {
            let node = &mut self.nodes[at];
            node.is_connecting = false;
            node.wire = stream.and_then(|stream| calling(&self.link.neighbours, at, stream));
            if let Some(wire) = &mut node.wire {
                wire.output.extend_from_slice(&hello(&self.link.neighbours.secret));
                node.heard_ns = now_ns;
            }
        }
        for at in (0..self.nodes.len()).filter(|&at| at != self.link.neighbours.me) {
            let node = &mut self.nodes[at];
            let rests = now_ns.saturating_sub(node.tried_ns) < RETRY_NS;
            if node.wire.is_some() || node.is_connecting || rests && node.tried_ns > 0 {
                continue;
            }
            node.tried_ns = now_ns;
            let address = self.link.neighbours.addresses[at];
            let (made_by, waker) = (self.made_by.clone(), self.link.waker());
            // To reach a machine that is gone takes its time: beside this thread.
            let begun = std::thread::Builder::new().name("peer".to_owned()).spawn(move || {
                let made = TcpStream::connect_timeout(&address, CONNECT).ok();
                let _ = made_by.send((at, made));
                waker.wake();
            });
            node.is_connecting = begun.is_ok();
        }
    }

    /// Sends what this engine's threads have for other nodes.
    fn hand_on(&mut self, now_ns: u64) {
        while let Some(mut parcel) = self.mesh.next_request() {
            let node = match self.mesh.holder(parcel.shard) {
                Holder::Node(node) => self.nodes.get_mut(usize::from(node)),
                Holder::Thread(_) | Holder::Nobody => None,
            };
            let Some((node, wire)) = node.and_then(|node| {
                let Node { wire, sent, .. } = node;
                wire.as_mut().map(|wire| (sent, wire))
            }) else {
                parcel.answer = Some(Answer::bare(Code::OVERLOAD));
                self.mesh.send_answer(parcel);
                continue;
            };
            self.next += 1;
            RequestFrame {
                number: self.next,
                shard: parcel.shard as u16,
                client: parcel.client(),
                found_elsewhere: parcel.found_elsewhere,
                form: &parcel.form,
            }
            .write(&mut wire.output);
            node.insert(self.next, Sent { parcel, at_ns: now_ns });
        }
    }

    /// Sends the answers of this engine's threads to the nodes that asked.
    fn bring_home(&mut self) {
        while let Some((thread, parcel)) = self.mesh.next_answer() {
            let guest = self.guests.get_mut(&parcel.origin.connection);
            if let (Some(guest), Some(answer)) = (guest, &parcel.answer) {
                guest.open -= 1;
                let (number, count) = (parcel.origin.answer, parcel.count);
                AnswerFrame { number, count, answer: *answer }.write(&mut guest.wire.output);
            }
            self.mesh.keep(thread, parcel);
        }
    }

    /// Takes the answers of other nodes.
    fn hear_nodes(&mut self, now_ns: u64) {
        let mut refused = None;
        for (at, node) in self.nodes.iter_mut().enumerate() {
            let Some(wire) = &mut node.wire else { continue };
            let mut goes_on = wire.receive();
            while goes_on && let Some(frame) = wire.next_frame() {
                let Some(frame) = frame.and_then(AnswerFrame::read) else {
                    goes_on = false;
                    break;
                };
                node.heard_ns = now_ns;
                // One that nobody waits for any more has no box.
                let Some(Sent { mut parcel, .. }) = node.sent.remove(&frame.number) else {
                    continue;
                };
                (parcel.answer, parcel.count) = (Some(frame.answer), frame.count);
                self.mesh.send_answer(parcel);
            }
            let patience_ns = self.link.patience_ns;
            let is_over = |since_ns: u64| now_ns.saturating_sub(since_ns) >= patience_ns;
            let is_due = node.sent.values().next().is_some_and(|sent| is_over(sent.at_ns));
            goes_on &= !(is_due && is_over(node.heard_ns));
            if !goes_on {
                refused = wire.refusal.take().map(|why| (at, why)).or(refused);
                node.wire = None;
                for (_, Sent { mut parcel, .. }) in std::mem::take(&mut node.sent) {
                    parcel.answer = Some(Answer::bare(Code::NOT_DURABLE));
                    self.mesh.send_answer(parcel);
                }
            }
        }
        if let Some((at, why)) = refused {
            let whom = format!("the node at {}", self.link.neighbours.addresses[at]);
            self.tell_refusal(&whom, &why);
        }
    }

    /// Says, now and then, who is not spoken to.
    fn tell_refusal(&mut self, whom: &str, why: &str) {
        let now_ns = clock::monotonic_ns();
        if self.told_ns.is_some_and(|told_ns| now_ns.saturating_sub(told_ns) < TOLD_EVERY_NS) {
            return;
        }
        self.told_ns = Some(now_ns);
        tracing::warn!(
            "{whom} is not taken for a node of this cluster ({why}): every node has the same \
             secret_file and peers_ca, and a certificate of that authority for its address"
        );
    }

    /// Answers what was not answered in time, and what was sent to a node whose partition is
    /// another's by now.
    fn give_up(&mut self, now_ns: u64) {
        for (at, node) in self.nodes.iter_mut().enumerate() {
            let age_ns = |sent: &Sent| now_ns.saturating_sub(sent.at_ns);
            let is_due = |sent: &Sent| {
                let holder = self.mesh.holder(sent.parcel.shard);
                age_ns(sent) >= self.link.patience_ns || holder != Holder::Node(at as u16)
            };
            let due: Vec<u64> = node
                .sent
                .iter()
                .take_while(|(_, sent)| age_ns(sent) >= MOVED_PATIENCE_NS)
                .filter(|(_, sent)| is_due(sent))
                .map(|(&number, _)| number)
                .collect();
            for number in due {
                let Some(Sent { mut parcel, .. }) = node.sent.remove(&number) else { continue };
                parcel.answer = Some(Answer::bare(Code::NOT_DURABLE));
                self.mesh.send_answer(parcel);
            }
        }
    }

    /// Takes those that connect. Where there is no place left, the one goes that has been silent
    /// longest of those that have not shown the secret.
    fn take_guests(&mut self, now_ns: u64) {
        while let Ok((stream, _)) = self.link.listener.accept() {
            if self.guests.len() >= NEIGHBOUR_CONNECTIONS_MAX {
                let strangers = self.guests.iter().filter(|(_, guest)| !guest.is_known);
                let oldest = strangers.min_by_key(|(_, guest)| guest.since_ns);
                let Some(name) = oldest.map(|(&name, _)| name) else { continue };
                self.guests.remove(&name);
            }
            if let Some(wire) = accepting(&self.link.neighbours, stream) {
                self.next += 1;
                let guest = Guest { wire, is_known: false, since_ns: now_ns, open: 0 };
                self.guests.insert(self.next as u32, guest);
            }
        }
    }

    /// Takes the requests of other nodes.
    fn hear_guests(&mut self, now_ns: u64) {
        let names: Vec<u32> = self.guests.keys().copied().collect();
        for name in names {
            let Some(mut guest) = self.guests.remove(&name) else { continue };
            let is_late = now_ns.saturating_sub(guest.since_ns) >= CONNECT.as_nanos() as u64;
            if self.hear_guest(name, &mut guest) && (guest.is_known || !is_late) {
                self.guests.insert(name, guest);
            }
        }
    }

    /// Whether it goes on.
    fn hear_guest(&mut self, name: u32, guest: &mut Guest) -> bool {
        let is_open = guest.wire.receive();
        if !guest.is_known {
            let refusal = match guest.wire.takes(&hello(&self.link.neighbours.secret)) {
                Some(true) => None,
                Some(false) => Some("it shows another secret".to_owned()),
                None if guest.wire.refusal.is_none() => return is_open,
                None => guest.wire.refusal.take(),
            };
            if let Some(why) = refusal {
                let from = guest.wire.stream.peer_addr();
                let from = from.map_or_else(|_| "?".to_owned(), |from| from.ip().to_string());
                self.tell_refusal(&format!("{from}, which calls the peer port,"), &why);
                return false;
            }
            guest.is_known = true;
        }
        while let Some(frame) = guest.wire.next_frame() {
            let Some(frame) = frame.and_then(RequestFrame::read) else { return false };
            let number = frame.number;
            match take_in(&mut self.mesh, &self.ports, name, &frame) {
                Some(Portion::Free) => guest.open += 1,
                Some(_) => {
                    let answer = Answer::bare(Code::OVERLOAD);
                    AnswerFrame { number, count: 0, answer }.write(&mut guest.wire.output);
                }
                None => return false,
            }
        }
        is_open
    }

    fn flush(&mut self) {
        for node in &mut self.nodes {
            if let Some(wire) = &mut node.wire {
                // What it has not sent is answered when the other end is looked at.
                wire.send();
            }
        }
        self.guests.retain(|_, guest| guest.wire.send());
    }
}

/// A connection that was made to another node.
fn calling(neighbours: &Neighbourhood, node: usize, stream: TcpStream) -> Option<Wire> {
    let security = match &neighbours.tls {
        Some(tls) => Some(tls.call(neighbours.addresses[node].ip())?),
        None => None,
    };
    Wire::new(stream, security).ok()
}

/// A connection that somebody has made to this node.
fn accepting(neighbours: &Neighbourhood, stream: TcpStream) -> Option<Wire> {
    let security = match &neighbours.tls {
        Some(tls) => Some(tls.accept()?),
        None => None,
    };
    Wire::new(stream, security).ok()
}

/// Hands a request to the thread that holds its partition; none where it is no request.
fn take_in(
    mesh: &mut Mesh,
    ports: &Ports,
    guest: u32,
    frame: &RequestFrame<'_>,
) -> Option<Portion> {
    let is_urgent = match form::read(frame.form).ok()? {
        FormOrder::Push(push) => push.class == Class::Emergency,
        FormOrder::Cancel(_) => true,
    };
    let Holder::Thread(_) = mesh.holder(usize::from(frame.shard)) else {
        return Some(Portion::Nothing);
    };
    let to = mesh.addressee(usize::from(frame.shard)).filter(|_| !ports.are_draining());
    let Some(to) = to else { return Some(Portion::Nothing) };
    let origin = Origin {
        thread: mesh.thread() as u16,
        connection: guest,
        generation: 0,
        answer: frame.number,
        gathering: None,
        is_customer: false,
    };
    let sender = Sender { client: frame.client.min(NEIGHBOUR_CLIENTS_MAX), is_urgent };
    let write = |form: &mut Vec<u8>| form.extend_from_slice(frame.form);
    Some(mesh.send_request(to, origin, sender, frame.found_elsewhere, write))
}

#[cfg(test)]
mod tests;
