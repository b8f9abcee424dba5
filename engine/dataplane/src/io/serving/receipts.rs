//! Receipts: ends of pushes on their way to the sessions that their customers have bound.
//!
//! A push's end is told by the shard that owns it. Its receipt goes out on a session of this
//! thread, or by a bounded ring to one that has one, which says on another ring how it was taken.
//! Each customer has a queue of its own and its sessions their windows, so one that takes nothing
//! holds up nobody else. Where no session receives, nothing is tried and nothing counted: what
//! waits goes when one binds. After a day it is parked.
//!
//! **Never here:** the order of an msn's receipts, which is the message center's: it hands over the
//! next when the one before is settled.

use crate::gateway::smpp::Seats;
use crate::io::block_queue::BlockQueue;
use crate::io::limits::{
    RECEIPTS_AFIELD_MAX, RECEIPTS_GIVEN_UP_MAX, RECEIPTS_PER_PEER_MAX, RECEIPTS_PER_TURN_MAX,
    SIFTED_BLOCKS_PER_TURN_MAX,
};
use crate::io::mesh::Mesh;
use crate::io::now::Now;
use crate::io::part::Part;
use crate::io::parts::{PartName, PartOrder, Parts};
use crate::io::served::ServedSessions;
use crate::io::serving::placed::Settled;
use crate::io::serving::session::{Member, Serving};
use crate::io::sifting::Sifting;
use crate::shard::NotificationResult;
use crossbeam::queue::ArrayQueue;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wire::smpp::customer::Told;
use wire::smpp::status::Status;
use wire::terms::ids::Xpid;

/// Not acknowledged: sent again by the schedule.
const FAILED: NotificationResult = NotificationResult::Failed { retry_after_seconds: None };

/// A receipt on its way to a thread that has a session for it.
struct Errand {
    xpid: Xpid,
    order: PartOrder,
    told: Told,
}

/// How it fared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fared {
    Acknowledged,
    Failed,
    /// There is no session for it any more.
    NobodyHere,
}

struct Report {
    xpid: Xpid,
    order: PartOrder,
    fared: Fared,
}

struct Ring {
    errands: ArrayQueue<Errand>,
    reports: ArrayQueue<Report>,
}

/// The rings between all threads; shared by them.
pub(in crate::io) struct Rings {
    threads: usize,
    rings: Vec<Ring>,
    /// How often a session that receives was bound.
    bound: AtomicU64,
}

impl Rings {
    pub(in crate::io) fn new(threads: usize) -> Arc<Self> {
        let ring = || Ring {
            errands: ArrayQueue::new(RECEIPTS_PER_PEER_MAX),
            reports: ArrayQueue::new(RECEIPTS_PER_PEER_MAX),
        };
        let rings = (0..threads * threads).map(|_| ring()).collect();
        Arc::new(Self { threads, rings, bound: AtomicU64::new(0) })
    }

    fn ring(&self, from: usize, to: usize) -> &Ring {
        &self.rings[from * self.threads + to]
    }
}

/// A receipt on a session.
struct Sent {
    xpid: Xpid,
    order: PartOrder,
    /// The thread whose shard's it is.
    home: usize,
}

/// What is due to one customer.
struct Mailbox {
    queue: BlockQueue<PartOrder>,
    /// Of other threads, for the sessions here.
    foreign: VecDeque<(usize, PartOrder, Told)>,
    /// Sessions of this thread that receive.
    sessions: Vec<u32>,
    /// Receipts that other threads have.
    afield: usize,
    /// Stands in the list of those to be served.
    is_ready: bool,
    turn: usize,
}

/// A thread's part.
pub(super) struct Receipts {
    thread: usize,
    rings: Arc<Rings>,
    boxes: HashMap<u64, Mailbox>,
    ready: VecDeque<u64>,
    /// How far what waits for a shard that is to leave was looked for.
    sifting: Option<Sifting>,
    sent: HashMap<u64, Sent>,
    next_token: u64,
    /// Errands that each peer has of this thread.
    afield: Vec<usize>,
    bound_seen: u64,
    pub(super) settled: Settled,
    pub(super) acknowledged: u64,
    pub(super) failed: u64,
    pub(super) sent_in_all: u64,
}

type Sessions = ServedSessions<Serving>;

impl Receipts {
    pub(super) fn new(thread: usize, rings: Arc<Rings>) -> Self {
        Self {
            thread,
            afield: vec![0; rings.threads],
            rings,
            boxes: HashMap::new(),
            ready: VecDeque::new(),
            sifting: None,
            sent: HashMap::new(),
            next_token: 0,
            bound_seen: 0,
            settled: Settled::default(),
            acknowledged: 0,
            failed: 0,
            sent_in_all: 0,
        }
    }

    /// How many wait, or are under way.
    pub(super) fn waiting(&self) -> usize {
        let queued: usize = self.boxes.values().map(|one| one.queue.len()).sum();
        queued + self.sent.len() + self.afield.iter().sum::<usize>()
    }

    /// Receipts on sessions of this thread that are not answered.
    pub(super) fn under_way(&self) -> usize {
        self.sent.len()
    }

    fn mailbox(&mut self, xpid: Xpid) -> &mut Mailbox {
        self.boxes.entry(xpid.value()).or_insert_with(|| Mailbox {
            queue: BlockQueue::default(),
            foreign: VecDeque::new(),
            sessions: Vec::new(),
            afield: 0,
            is_ready: false,
            turn: 0,
        })
    }

    fn make_ready(&mut self, xpid: Xpid) {
        let mailbox = self.mailbox(xpid);
        if !std::mem::replace(&mut mailbox.is_ready, true) {
            self.ready.push_back(xpid.value());
        }
    }

    /// A session that receives has been bound.
    pub(super) fn session_bound(
        &mut self,
        index: u32,
        member: &Member,
        seats: &Seats,
        mesh: &mut Mesh,
    ) {
        let mailbox = self.mailbox(member.xpid);
        mailbox.sessions.push(index);
        if mailbox.sessions.len() == 1 {
            seats.show_receivers(self.thread, true);
            self.rings.bound.fetch_add(1, Ordering::SeqCst);
            // Whoever has something for it looks now.
            mesh.note_called(u64::MAX);
        }
        self.make_ready(member.xpid);
    }

    /// A session has ended; what it had under way is in [`Settled::lost`].
    pub(super) fn session_gone(&mut self, index: u32, member: &Member, mesh: &mut Mesh) {
        let (thread, xpid) = (self.thread, member.xpid);
        let mailbox = self.mailbox(xpid);
        mailbox.sessions.retain(|&other| other != index);
        if !mailbox.sessions.is_empty() {
            return;
        }
        member.seats().show_receivers(thread, false);
        for (home, order, _) in std::mem::take(&mut self.mailbox(xpid).foreign) {
            self.report(home, Report { xpid, order, fared: Fared::NobodyHere }, mesh);
        }
        self.make_ready(xpid);
    }

    fn report(&mut self, home: usize, report: Report, mesh: &mut Mesh) {
        let refused = self.rings.ring(home, self.thread).reports.push(report);
        assert!(refused.is_ok(), "there are no more reports than errands");
        mesh.note_called(1 << (home % 64));
    }

    /// Whether another thread has put anything before this one.
    pub(super) fn has_arrivals(&self) -> bool {
        let own = self.thread;
        self.rings.bound.load(Ordering::SeqCst) != self.bound_seen
            || (0..self.rings.threads).any(|peer| {
                !self.rings.ring(peer, own).errands.is_empty()
                    || !self.rings.ring(own, peer).reports.is_empty()
            })
    }

    /// One turn: what peers sent, what sessions said, what the shards have to tell.
    pub(super) fn work(
        &mut self,
        sessions: &mut Sessions,
        parts: &mut Parts,
        mesh: &mut Mesh,
        now: Now,
    ) -> bool {
        let mut busy = self.settle(parts, mesh, now);
        busy |= self.take_errands();
        busy |= self.take_reports(parts, now);
        let bound = self.rings.bound.load(Ordering::SeqCst);
        if bound != self.bound_seen {
            self.bound_seen = bound;
            let waiting = self.boxes.iter().filter(|(_, one)| !one.queue.is_empty());
            let waiting: Vec<u64> = waiting.map(|(&xpid, _)| xpid).collect();
            waiting.into_iter().filter_map(Xpid::from_value).for_each(|xpid| self.make_ready(xpid));
            busy = true;
        }
        busy |= self.take_orders(parts, now);
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else { break };
            self.serve(key, sessions, parts, mesh, now);
            busy = true;
        }
        busy
    }

    /// A turn of a drain: what is under way ends, and nothing new begins.
    pub(super) fn finish(&mut self, parts: &mut Parts, mesh: &mut Mesh, now: Now) -> bool {
        let mut busy = self.settle(parts, mesh, now);
        for peer in 0..self.rings.threads {
            while let Some(errand) = self.rings.ring(peer, self.thread).errands.pop() {
                let Errand { xpid, order, .. } = errand;
                self.report(peer, Report { xpid, order, fared: Fared::NobodyHere }, mesh);
                busy = true;
            }
        }
        busy | self.take_reports(parts, now)
    }

    /// What sessions said.
    fn settle(&mut self, parts: &mut Parts, mesh: &mut Mesh, now: Now) -> bool {
        let mut settled = std::mem::take(&mut self.settled);
        let busy = !settled.answered.is_empty() || !settled.lost.is_empty();
        for (token, status) in settled.answered.drain(..) {
            // With the two others the customer says that it wants none.
            let is_taken = matches!(
                status,
                Status::OK | Status::RECEIVER_PERMANENT | Status::RECEIVER_REJECTED
            );
            let fared = if is_taken { Fared::Acknowledged } else { Fared::Failed };
            self.settle_one(token, fared, parts, mesh, now);
        }
        for token in settled.lost.drain(..) {
            self.settle_one(token, Fared::Failed, parts, mesh, now);
        }
        self.settled = settled;
        busy
    }

    fn settle_one(
        &mut self,
        token: u64,
        fared: Fared,
        parts: &mut Parts,
        mesh: &mut Mesh,
        now: Now,
    ) {
        let Some(Sent { xpid, order, home }) = self.sent.remove(&token) else { return };
        self.make_ready(xpid);
        if home == self.thread {
            self.conclude(order, fared, parts, now);
        } else {
            self.report(home, Report { xpid, order, fared }, mesh);
        }
    }

    fn conclude(&mut self, order: PartOrder, fared: Fared, parts: &mut Parts, now: Now) {
        let result = match fared {
            Fared::Acknowledged => {
                self.acknowledged += 1;
                NotificationResult::Acknowledged
            }
            Fared::Failed | Fared::NobodyHere => {
                self.failed += 1;
                FAILED
            }
        };
        parts.settle(order, result, now);
    }

    /// Receipts of other threads for sessions here.
    fn take_errands(&mut self) -> bool {
        let mut busy = false;
        for peer in 0..self.rings.threads {
            for _ in 0..RECEIPTS_PER_TURN_MAX {
                let errand = self.rings.ring(peer, self.thread).errands.pop();
                let Some(Errand { xpid, order, told }) = errand else { break };
                busy = true;
                self.mailbox(xpid).foreign.push_back((peer, order, told));
                self.make_ready(xpid);
            }
        }
        busy
    }

    /// How receipts fared that other threads have.
    fn take_reports(&mut self, parts: &mut Parts, now: Now) -> bool {
        let mut busy = false;
        for peer in 0..self.rings.threads {
            while let Some(report) = self.rings.ring(self.thread, peer).reports.pop() {
                busy = true;
                let Report { xpid, order, fared } = report;
                self.afield[peer] -= 1;
                let mailbox = self.mailbox(xpid);
                mailbox.afield -= 1;
                if fared == Fared::NobodyHere {
                    mailbox.queue.push_front(order);
                } else {
                    self.conclude(order, fared, parts, now);
                }
                self.make_ready(xpid);
            }
        }
        busy
    }

    /// Ends that the shards have to tell.
    fn take_orders(&mut self, parts: &mut Parts, now: Now) -> bool {
        let most = RECEIPTS_PER_TURN_MAX.div_ceil(parts.len().max(1));
        let mut busy = false;
        for nth in 0..parts.len() {
            busy |= self.take_orders_of(nth, most, parts, now);
        }
        busy
    }

    /// Takes so many orders at most of the shard whose turn is the n-th; whether it had any.
    fn take_orders_of(&mut self, nth: usize, most: usize, parts: &mut Parts, now: Now) -> bool {
        let Some(name) = parts.name_at(nth) else { return false };
        let may_begin = |part: &&mut Part| !part.closes() && part.may_act(now.steady_ms);
        let Some(part) = parts.at(nth).filter(may_begin) else { return false };
        for taken in 0..most {
            let Some(order) = part.shard.next_customer_receipt() else { return taken > 0 };
            match part.shard.receipt(order) {
                Some((xpid, Some(_))) => {
                    self.mailbox(xpid).queue.push_back(PartOrder { part: name, order });
                    self.make_ready(xpid);
                }
                // Nobody asked for this one.
                Some((_, None)) => {
                    let result = NotificationResult::Acknowledged;
                    part.shard.settle_notification(order, result, now.wall_ms);
                }
                None => {}
            }
        }
        true
    }

    /// A shard is to leave the thread: what waits here for it fails, some of it at a time, and is
    /// told again by the schedule; what its customers or other threads have is not waited for.
    /// Whether nothing waits for it any more.
    pub(super) fn give_back(&mut self, name: PartName, parts: &mut Parts, now: Now) -> bool {
        let waits = |(_, mailbox): &(&u64, &Mailbox)| !mailbox.queue.is_empty();
        let keys = || self.boxes.iter().filter(waits).map(|(key, _)| *key).collect();
        let search = Sifting::goes_on(&mut self.sifting, name, keys);
        for _ in 0..SIFTED_BLOCKS_PER_TURN_MAX {
            let Some(key) = search.key() else { break };
            let queue = self.boxes.get_mut(&key).map(|mailbox| &mut mailbox.queue);
            let its = search.look(queue, |due| due.part);
            its.into_iter().for_each(|due| parts.settle(due, FAILED, now));
        }
        search.key().is_none()
    }

    /// Sends what one customer's sessions can take.
    fn serve(
        &mut self,
        key: u64,
        sessions: &mut Sessions,
        parts: &mut Parts,
        mesh: &mut Mesh,
        now: Now,
    ) {
        let Some(xpid) = Xpid::from_value(key) else { return };
        self.mailbox(xpid).is_ready = false;
        while let Some(index) = self.session_with_room(xpid, sessions) {
            let mailbox = self.mailbox(xpid);
            let (home, order, told) = match mailbox.foreign.pop_front() {
                Some(foreign) => foreign,
                None => {
                    let Some(order) = mailbox.queue.pop_front() else { break };
                    // What was parked or replaced meanwhile is nobody's any more.
                    let Some(told) = told_of(order, parts) else { continue };
                    (self.thread, order, told)
                }
            };
            if self.comes_before_its_answer(xpid, told.key, sessions) {
                let is_own = home == self.thread;
                let mailbox = self.mailbox(xpid);
                if is_own {
                    mailbox.queue.push_front(order);
                } else {
                    mailbox.foreign.push_front((home, order, told));
                }
                self.make_ready(xpid);
                break;
            }
            self.send(index, xpid, (home, order), &told, sessions, now);
        }
        let mailbox = self.mailbox(xpid);
        if mailbox.sessions.is_empty() && !mailbox.queue.is_empty() {
            self.send_afield(xpid, parts, mesh);
        }
        let mailbox = self.mailbox(xpid);
        let is_empty = mailbox.queue.is_empty() && mailbox.foreign.is_empty();
        if is_empty && mailbox.sessions.is_empty() && mailbox.afield == 0 && !mailbox.is_ready {
            self.boxes.remove(&key);
        }
    }

    /// Whether a session of the customer here has still to answer the submit of this push.
    fn comes_before_its_answer(&mut self, xpid: Xpid, key: u64, sessions: &mut Sessions) -> bool {
        let own = &self.mailbox(xpid).sessions;
        let owes = |index: u32| {
            sessions.get_mut(index).is_some_and(|link| link.session.owes_answer_of(key))
        };
        own.iter().copied().any(owes)
    }

    /// The customer's session here that has most room, if any has some.
    fn session_with_room(&mut self, xpid: Xpid, sessions: &mut Sessions) -> Option<u32> {
        let own = &self.mailbox(xpid).sessions;
        let room = |index: u32, sessions: &mut Sessions| {
            sessions.get_mut(index).map_or(0, |link| link.session.receipt_room())
        };
        let rooms = own.iter().map(|&index| (room(index, sessions), index));
        let (room, index) = rooms.max()?;
        (room > 0).then_some(index)
    }

    fn send(
        &mut self,
        index: u32,
        xpid: Xpid,
        (home, order): (usize, PartOrder),
        told: &Told,
        sessions: &mut Sessions,
        now: Now,
    ) {
        let Some(link) = sessions.get_mut(index) else { return };
        self.next_token += 1;
        let token = self.next_token;
        self.sent.insert(token, Sent { xpid, order, home });
        if link.session.tell(told, token, now.steady_ms) {
            self.sent_in_all += 1;
            sessions.touch(index);
        } else {
            // It cannot be written: no session would take it. Tried again by the schedule.
            self.settled.lost.push(token);
        }
    }

    /// Gives receipts to threads that have sessions for them.
    fn send_afield(&mut self, xpid: Xpid, parts: &mut Parts, mesh: &mut Mesh) {
        let registered = parts.registry().find(xpid);
        let Some(seats) = registered.map(|registered| Arc::clone(&registered.seats)) else {
            return;
        };
        let (own, threads) = (self.thread, self.rings.threads);
        let peers: Vec<usize> = seats.receivers(threads).filter(|&peer| peer != own).collect();
        if peers.is_empty() {
            return;
        }
        loop {
            let mailbox = self.mailbox(xpid);
            if mailbox.afield >= RECEIPTS_AFIELD_MAX {
                return;
            }
            let Some(order) = mailbox.queue.pop_front() else { return };
            mailbox.turn = mailbox.turn.wrapping_add(1);
            let peer = peers[mailbox.turn % peers.len()];
            let Some(told) = told_of(order, parts) else { continue };
            let is_full = self.afield[peer] >= RECEIPTS_PER_PEER_MAX;
            let errand = Errand { xpid, order, told };
            if is_full || self.rings.ring(own, peer).errands.push(errand).is_err() {
                // Reports make it ready again.
                self.mailbox(xpid).queue.push_front(order);
                return;
            }
            self.afield[peer] += 1;
            self.mailbox(xpid).afield += 1;
            mesh.note_called(1 << (peer % 64));
        }
    }

    /// Gives up what nobody took for a day: the message center parks it.
    pub(super) fn sweep(&mut self, parts: &mut Parts, now: Now) {
        let mut left = RECEIPTS_GIVEN_UP_MAX;
        for mailbox in self.boxes.values_mut() {
            while left > 0
                && let Some(&order) = mailbox.queue.front()
                && is_overdue(order, parts, now)
            {
                left -= 1;
                mailbox.queue.pop_front();
                parts.settle(order, FAILED, now);
            }
        }
    }
}

/// What a receipt says; `None` when there is nothing to be told any more, or its shard has left.
fn told_of(due: PartOrder, parts: &mut Parts) -> Option<Told> {
    parts.named(due.part)?.shard.receipt(due.order)?.1
}

/// Whether nobody has taken it for a day.
fn is_overdue(due: PartOrder, parts: &mut Parts, now: Now) -> bool {
    let part = parts.named(due.part);
    part.is_none_or(|part| part.shard.is_receipt_overdue(due.order, now.wall_ms))
}
