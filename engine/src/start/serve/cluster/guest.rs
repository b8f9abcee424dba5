//! The keeper and the shards, on the thread of NATS: what the one says becomes words to the others,
//! and their records become chunks.
//!
//! Invariants: a chunk has whole frames, in the order of their numbers, and none is offered before
//! the one in front of it was acknowledged; a log is cut only below what the journal holds no more,
//! and behind its billing events, which are kept in a log of their own.

use super::membership::Member;
use super::moving::{Job, Movers};
use super::rebuild::spool_path;
use super::spool::Spool;
use super::stopping::{Stop, StopWords};
use crate::cluster::chunk::ChunkHead;
use crate::cluster::figures::{NodeFigures, place};
use crate::cluster::happening::Happening;
use crate::cluster::keeper::{Keeper, KeeperSetup};
use crate::cluster::limits::{CHUNK_HEAD_OCTETS, CHUNK_OCTETS_MAX, NODES_MAX};
use crate::cluster::mutation::NodeMutation;
use crate::cluster::node::{Incarnation, NodeName};
use crate::cluster::ownership::PartitionStanding;
use crate::cluster::ports::{Liveness, ReplicatedLog};
use crate::io::mailbox::Ports;
use crate::io::replica::{Records, Replica};
use crate::journal::first_frames;
use crate::journal::numbering::SHARD_BITS;
use crate::journal::shards::shard_directory;
use crate::nats::{BooksKeeper, NatsGuest, NatsLog, NatsStore, NatsWake};
use host::clock;
use host::fatal::{Fatal, FatalReason};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use wire::terms::time::SteadyMs;

/// Octets of frames that one chunk takes.
const FRAMES_OCTETS_MAX: usize = CHUNK_OCTETS_MAX - CHUNK_HEAD_OCTETS;
/// How long the books of a log that is to be cut may take to be kept, before that is ordered again.
const BOOKS_KEPT_MS: u64 = 60_000;
/// Places of a log that are remembered for cutting it.
const REACHES_MAX: usize = 1_024;

/// Records on their way, some of them offered.
struct Pending {
    records: Records,
    at: usize,
    /// The number of the first that was not offered.
    first: u64,
}

/// Where in a log records stand: for each of some chunks, its sequence and the number behind its
/// last record, ascending.
#[derive(Default)]
pub(super) struct Reaches(Vec<(u64, u64)>);

impl Reaches {
    /// A chunk stands at the end.
    pub(super) fn note(&mut self, sequence: u64, next: u64) {
        match self.0.last_mut() {
            // One without records: what stands in front of it goes with it.
            Some(last) if last.1 == next => last.0 = sequence,
            _ => self.0.push((sequence, next)),
        }
        if self.0.len() > REACHES_MAX {
            // Every second one is enough, and the last.
            let mut nth = self.0.len();
            self.0.retain(|_| {
                nth -= 1;
                nth.is_multiple_of(2)
            });
        }
    }

    /// Below which sequence the log has nothing that is needed, where records below this number are
    /// not; none where that is nothing.
    pub(super) fn cut(&mut self, needed_from: u64) -> Option<u64> {
        let gone = self.0.iter().take_while(|(_, next)| *next <= needed_from).count();
        let (last, _) = self.0.drain(..gone).next_back()?;
        Some(last + 1)
    }
}

/// A partition as its node serves it.
#[derive(Default)]
struct Kept {
    /// While it is this node's.
    replica: Option<Arc<Replica>>,
    spool: Option<Spool>,
    pending: Option<Pending>,
    reaches: Reaches,
    /// It is to be given away.
    closes: bool,
    /// It has stopped for that.
    has_stopped: bool,
    /// The lowest sequence of its log; 0 while that is not known.
    floor: u64,
    /// Below which sequence its log is to be cut, once its books are kept, and since when that is
    /// being done.
    cut: Option<(u64, SteadyMs)>,
    /// When the chunk under way was offered.
    offered: Option<SteadyMs>,
    /// When it was bid for.
    bid: Option<SteadyMs>,
    /// Its log had no room when the chunk under way was published last.
    is_full: bool,
}

/// The guest.
pub(super) struct NodeGuest {
    keeper: Keeper,
    me: NodeName,
    life: u64,
    /// In the order by which they are numbered.
    nodes: Vec<NodeName>,
    kept: Vec<Kept>,
    ports: Ports,
    data_dir: PathBuf,
    movers: Movers,
    books: BooksKeeper,
    wake: NatsWake,
    stop: Stop,
    words: Arc<StopWords>,
    /// The node that was told to be one too many.
    left_out: Option<NodeName>,
    figures: Arc<NodeFigures>,
    /// Times that a log was read in this life.
    spools: u64,
}

/// The clock by which shards act.
fn now() -> SteadyMs {
    SteadyMs::from_ns(clock::monotonic_ns()) + 1
}

impl NodeGuest {
    pub(super) fn new(
        member: &Member,
        (ports, data_dir): (Ports, PathBuf),
        (movers, books): (Movers, BooksKeeper),
        wake: &NatsWake,
        (stop, words, figures): (Stop, Arc<StopWords>, Arc<NodeFigures>),
    ) -> Self {
        let (me, partitions) = (member.cluster.node, member.partitions);
        let keeper = Keeper::new(KeeperSetup {
            me: Incarnation { node: me, life: member.life },
            partitions,
            number_bits: SHARD_BITS,
            times: member.cluster.times,
            mutation: NodeMutation::None,
        });
        Self {
            keeper,
            me,
            life: member.life,
            nodes: member.cluster.peers.keys().copied().collect(),
            kept: (0..partitions).map(|_| Kept::default()).collect(),
            ports,
            data_dir,
            movers,
            books,
            wake: wake.clone(),
            stop,
            words,
            left_out: None,
            figures,
            spools: 0,
        }
    }

    /// A turn over any two ports.
    fn work(&mut self, log: &mut impl ReplicatedLog, nodes: &mut impl Liveness) -> ControlFlow<()> {
        let now = now();
        self.keeper.tick(now, log, nodes);
        self.look_for_twin();
        self.look_for_one_too_many();
        while let Some(happening) = self.keeper.happening() {
            self.count(now, &happening);
            self.hear(happening);
        }
        while let Some(partition) = self.movers.next_stopped() {
            let kept = &mut self.kept[usize::from(partition)];
            kept.has_stopped = kept.closes;
        }
        while let Some((partition, below)) = self.books.done() {
            self.cut(partition, below);
        }
        for partition in 0..self.kept.len() as u16 {
            self.serve(now, log, partition);
        }
        self.show(now);
        self.stop.go_on(now, &self.words, &mut self.keeper, nodes)
    }

    /// Two processes that are one node would take each partition from each other for ever: the one
    /// that began later ends.
    fn look_for_twin(&self) {
        let Some(life) = self.keeper.twin().filter(|life| *life < self.life) else { return };
        let cause = format!(
            "another process is node {} of the cluster (its life is {life}, this one's {})",
            self.me, self.life
        );
        let remedy = "give each node a name of its own (`node` in its cluster's file)";
        Fatal::with_remedy(FatalReason::Configuration, cause, remedy).end_process()
    }

    /// A cluster has so many nodes at most: one more is given nothing.
    fn look_for_one_too_many(&mut self) {
        let left_out = self.keeper.left_out();
        if std::mem::replace(&mut self.left_out, left_out) == left_out {
            return;
        }
        let Some(node) = left_out else { return };
        tracing::error!(
            %node,
            "{NODES_MAX} nodes of the cluster are there, which is the most: this one is given \
             nothing until another one stops"
        );
    }

    /// The books below this sequence are kept: the log may be cut there.
    fn cut(&mut self, partition: u16, below: u64) {
        let kept = &mut self.kept[usize::from(partition)];
        // It may have been told of by an earlier ownership: only what this journal holds no more
        // goes.
        let Some((wanted, _)) = kept.cut.filter(|(wanted, _)| below <= *wanted) else { return };
        kept.floor = kept.floor.max(below);
        if wanted == below {
            kept.cut = None;
        }
        self.keeper.purge(partition, below);
    }

    /// Shows how its partitions stand.
    fn show(&self, now: SteadyMs) {
        let mut counts = [0; 3];
        for partition in 0..self.kept.len() as u16 {
            let of = match self.keeper.standing(partition) {
                PartitionStanding::Elsewhere => continue,
                PartitionStanding::Owned(_) | PartitionStanding::Closing => 0,
                PartitionStanding::Taking | PartitionStanding::Following(_) => 1,
                PartitionStanding::Stopped(_) => 2,
            };
            counts[of] += 1;
        }
        for (place, count) in [place::OWNED, place::COMING, place::STOPPED].into_iter().zip(counts)
        {
            self.figures.set(place, count);
        }
        self.figures.set(place::NODES, self.keeper.takers(now) as u64);
    }

    /// Counts what has happened.
    fn count(&mut self, now: SteadyMs, happening: &Happening) {
        match *happening {
            Happening::Bidding(partition, _) => {
                self.kept[usize::from(partition)].bid = Some(now);
            }
            // It was given up.
            Happening::Drop(partition) => self.kept[usize::from(partition)].bid = None,
            Happening::Owned { partition, .. } => {
                // What another node gives away is not bid for.
                if let Some(bid) = self.kept[usize::from(partition)].bid.take() {
                    self.figures.set(place::TAKEOVER_MS, now.since(bid));
                    self.figures.add(place::TAKEOVERS, 1);
                }
            }
            Happening::Released { partition, .. } => {
                let offered = self.kept[usize::from(partition)].offered.take();
                self.figures.add(place::CHUNKS, 1);
                self.figures.add(place::ACK_MS, offered.map_or(0, |offered| now.since(offered)));
            }
            Happening::Given(..) => self.figures.add(place::GIVEN, 1),
            Happening::Lost { .. } => self.figures.add(place::FENCED, 1),
            Happening::Full(_) => self.figures.add(place::FULL, 1),
            Happening::Resent(_) => self.figures.add(place::RESENDS, 1),
            _ => {}
        }
    }

    fn hear(&mut self, happening: Happening) {
        match happening {
            Happening::Begin(partition) => {
                self.spools += 1;
                let path = spool_path(&self.directory(partition), self.spools);
                let kept = &mut self.kept[usize::from(partition)];
                (kept.reaches, kept.floor) = (Reaches::default(), 0);
                kept.spool = Some(Spool::begin(&path).unwrap_or_else(|error| unusable(&error)));
            }
            Happening::Read(partition, sequence, octets) => {
                let kept = &mut self.kept[usize::from(partition)];
                if kept.floor == 0 {
                    kept.floor = sequence;
                }
                if let Some(head) =
                    octets.first_chunk().and_then(|head| ChunkHead::decode(head).ok())
                {
                    kept.reaches.note(sequence, head.next);
                }
                if let Some(Err(error)) = kept.spool.as_mut().map(|spool| spool.put(&octets)) {
                    unusable(&error);
                }
            }
            Happening::Drop(partition) => self.kept[usize::from(partition)].spool = None,
            Happening::Owned { partition, term, first } => self.own(partition, term, first),
            Happening::Released { partition, next, sequence } => {
                self.released(partition, next, sequence);
            }
            Happening::Closing(partition) => {
                self.kept[usize::from(partition)].closes = true;
                self.movers.order(Job::Close { partition });
            }
            Happening::Staying(partition) => {
                let kept = &mut self.kept[usize::from(partition)];
                if std::mem::take(&mut kept.closes)
                    && let Some(replica) = &kept.replica
                {
                    let replica = Arc::clone(replica);
                    self.movers.order(Job::Stay { partition, replica });
                }
                kept.has_stopped = false;
            }
            Happening::Given(partition, to) => {
                tracing::info!(partition, %to, "partition given away");
                self.kept[usize::from(partition)] = Kept::default();
                self.movers.order(Job::Forget { partition });
            }
            Happening::Lost { partition, .. } => {
                tracing::warn!(partition, "partition lost: another node has taken it over");
                self.leave(partition);
            }
            Happening::Stopped(partition, found) => {
                tracing::error!(partition, %found, "partition stopped: its log is damaged");
                self.leave(partition);
            }
            Happening::Full(partition) => self.tell_full(partition),
            Happening::Resent(partition) => {
                tracing::debug!(partition, "a chunk is sent again");
            }
            Happening::Bidding(partition, _) => tracing::debug!(partition, "partition bid for"),
        }
    }

    /// The log has everything below this number.
    fn released(&mut self, partition: u16, next: u64, sequence: u64) {
        let kept = &mut self.kept[usize::from(partition)];
        kept.reaches.note(sequence, next);
        if std::mem::take(&mut kept.is_full) {
            tracing::info!(partition, "the log of the partition has room again");
        }
        if let Some(replica) = &kept.replica {
            replica.acknowledge(next);
        }
    }

    /// Says once that a log has no room: it is published to again and again.
    fn tell_full(&mut self, partition: u16) {
        let kept = &mut self.kept[usize::from(partition)];
        if std::mem::replace(&mut kept.is_full, true) {
            return;
        }
        tracing::error!(
            partition,
            "the log of the partition has no room: nothing that is pushed to it is answered until \
             max_bytes of its stream is raised, or the disks of its servers have room"
        );
    }

    fn directory(&self, partition: u16) -> PathBuf {
        shard_directory(&self.data_dir, usize::from(partition))
    }

    fn own(&mut self, partition: u16, term: u64, first: u64) {
        tracing::info!(partition, term, "partition owned");
        let wake = self.wake.clone();
        let replica = Arc::new(Replica::new(first, move || wake.wake()));
        let kept = &mut self.kept[usize::from(partition)];
        kept.replica = Some(Arc::clone(&replica));
        if kept.floor == 0 {
            kept.floor = term;
        }
        kept.cut = None;
        (kept.pending, kept.closes, kept.has_stopped) = (None, false, false);
        let Some(spool) = kept.spool.take() else {
            unreachable!("a log is read from its floor before it is owned")
        };
        let spool = spool.end().unwrap_or_else(|error| unusable(&error));
        self.movers.order(Job::Open { partition, first, spool, replica });
    }

    /// The partition is not this node's any more.
    fn leave(&mut self, partition: u16) {
        let kept = std::mem::take(&mut self.kept[usize::from(partition)]);
        let Some(replica) = kept.replica else { return };
        replica.lose();
        self.ports.wake(usize::from(partition));
        self.movers.order(Job::Drop { partition });
    }

    /// Does for one partition what is due.
    fn serve(&mut self, now: SteadyMs, log: &mut impl ReplicatedLog, partition: u16) {
        let kept = &mut self.kept[usize::from(partition)];
        let Some(replica) = kept.replica.clone() else {
            let owner = self.keeper.owner(partition).filter(|&owner| owner != self.me);
            let node = owner.and_then(|owner| self.nodes.iter().position(|&node| node == owner));
            self.ports.show_elsewhere(usize::from(partition), node.map(|node| node as u16));
            return;
        };
        if kept.has_stopped {
            return self.keeper.close(now, log, partition);
        }
        let acts_until = self.keeper.acts_until(partition).unwrap_or(SteadyMs::ZERO);
        replica.let_act(acts_until);
        if self.keeper.has_room(partition) {
            if kept.pending.is_none() {
                let pending = |records: Records| {
                    let first = records.first;
                    Pending { records, at: 0, first }
                };
                kept.pending = replica.next_records().map(pending);
            }
            if let Some(pending) = &mut kept.pending {
                let rest = &pending.records.frames[pending.at..];
                let (octets, frames) = first_frames(rest, FRAMES_OCTETS_MAX);
                let next = pending.first + frames;
                if self.keeper.offer(now, log, partition, &rest[..octets], next) {
                    (pending.at, pending.first) = (pending.at + octets, next);
                    kept.offered = Some(now);
                }
                if pending.first >= pending.records.next {
                    kept.pending = None;
                }
            } else if replica.take_wish() && now >= acts_until {
                let next = self.keeper.next_record(partition);
                if self.keeper.offer(now, log, partition, &[], next) {
                    kept.offered = Some(now);
                }
            }
        }
        if let Some(below) = kept.reaches.cut(replica.needed_from()) {
            kept.cut = Some((below, SteadyMs::ZERO));
        }
        // What is not told of within its time has failed, and is kept again.
        if let Some((below, since)) = &mut kept.cut
            && (*since == SteadyMs::ZERO || now.since(*since) >= BOOKS_KEPT_MS)
            && self.books.keep(partition, kept.floor, *below)
        {
            *since = now;
        }
        if replica.has_word() {
            self.ports.wake(usize::from(partition));
        }
    }
}

fn unusable(error: &std::io::Error) -> ! {
    let cause = format!("what is read of a partition's log cannot be written ({error})");
    Fatal::new(FatalReason::StorageFull, cause).end_process()
}

impl NatsGuest for NodeGuest {
    fn turn(&mut self, log: &mut NatsLog, nodes: &mut NatsStore) -> ControlFlow<()> {
        self.work(log, nodes)
    }
}

#[cfg(test)]
mod tests;
