//! One node's part of a cluster: it beats, watches the others, takes over what it should have, and
//! carries the errands of its partitions' ownership to the log and back. Pure but for the two ports
//! that it is given; times come in.
//!
//! The host is whoever has the partitions' records: it offers what is to be published, asks before
//! it acts, and hears of everything by [`Happening`]s.
//!
//! Invariants: of a partition one entry is being written at a time; an entry names a floor before
//! the log is cut there; an owner whose entry names somebody else's later term asks the log before
//! it does anything else.

use super::beats::{Beat, Beats};
use super::chunk::Chunk;
use super::flights::Behind;
use super::happening::Happening;
use super::kept::{Kept, publish};
use super::limits::{
    BEAT_MS, EARLY_LOOK_MS, LOOK_MS, MOVE_MS, MOVES_OF_DRAIN_MAX, REPEAT_MS, SWEEP_MS,
};
use super::mutation::NodeMutation;
use super::node::{Incarnation, NodeName};
use super::ownership::{ClusterTimes, Ownership, PartitionStanding};
use super::ports::{Liveness, LogNews, PartEntry, ReplicatedLog, Sight};
use super::rendezvous::{heir_of, home_of, next_move};
use super::words::{Errand, Told};
use std::collections::VecDeque;
use std::sync::Arc;
use wire::terms::time::SteadyMs;

/// What a node is set to.
#[derive(Clone, Copy, Debug)]
pub struct KeeperSetup {
    /// This life of the node.
    pub me: Incarnation,
    /// Partitions of the cluster.
    pub partitions: u16,
    /// The first record's number in the log of partition `n` is `n << number_bits`, and two: the
    /// one before is that of the record by which the first owner opens its journal.
    pub number_bits: u32,
    /// The cluster's times.
    pub times: ClusterTimes,
    /// A fault, for tests.
    pub mutation: NodeMutation,
}

/// How far a node is with leaving for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Departure {
    /// It stays.
    None,
    /// It beats no more, and its name is to go.
    Told,
    /// Its name is gone.
    Seen,
}

/// A node's part of a cluster.
#[derive(Debug)]
pub struct Keeper {
    setup: KeeperSetup,
    beats: Beats,
    kept: Vec<Kept>,
    beat: Beat,
    beaten: Option<SteadyMs>,
    departure: Departure,
    swept: SteadyMs,
    happenings: VecDeque<Happening>,
}

impl Keeper {
    /// A node that knows nothing of the others yet.
    pub fn new(setup: KeeperSetup) -> Self {
        let KeeperSetup { me, times, mutation, number_bits, .. } = setup;
        let keep = |partition: u16| {
            let base = (u64::from(partition) << number_bits) + 2;
            Kept {
                ownership: Ownership::new(me, partition, base, times).with(mutation),
                entry: None,
                revision: 0,
                writing: None,
                writing_revision: 0,
                octets: VecDeque::new(),
                heir: None,
                purge: 0,
                left: SteadyMs::ZERO,
                looked: SteadyMs::ZERO,
                reached_written: SteadyMs::ZERO,
            }
        };
        Self {
            setup,
            beats: Beats::new(me, times, mutation),
            kept: (0..setup.partitions).map(keep).collect(),
            beat: Beat { life: me.life, count: 0, is_draining: false },
            beaten: None,
            departure: Departure::None,
            swept: SteadyMs::ZERO,
            happenings: VecDeque::new(),
        }
    }

    /// The next thing that the host should hear of.
    pub fn happening(&mut self) -> Option<Happening> {
        self.happenings.pop_front()
    }

    /// Where a partition stands at this node.
    pub fn standing(&self, partition: u16) -> PartitionStanding {
        self.kept[usize::from(partition)].ownership.standing()
    }

    /// See [`Beats::twin`].
    pub fn twin(&self) -> Option<u64> {
        self.beats.twin()
    }

    /// See [`Beats::left_out`].
    pub fn left_out(&self) -> Option<NodeName> {
        self.beats.left_out()
    }

    /// Nodes that are there and take partitions.
    pub fn takers(&self, now: SteadyMs) -> usize {
        self.beats.takers(now).len()
    }

    /// The node that is said to have a partition.
    pub fn owner(&self, partition: u16) -> Option<NodeName> {
        self.kept[usize::from(partition)].entry.map(|entry| entry.owner)
    }

    /// See [`Ownership::may_act`].
    pub fn may_act(&self, now: SteadyMs, partition: u16) -> bool {
        self.kept[usize::from(partition)].ownership.may_act(now)
    }

    /// See [`Ownership::acts_until`].
    pub fn acts_until(&self, partition: u16) -> Option<SteadyMs> {
        self.kept[usize::from(partition)].ownership.acts_until()
    }

    /// See [`Ownership::next_record`].
    pub fn next_record(&self, partition: u16) -> u64 {
        self.kept[usize::from(partition)].ownership.next_record()
    }

    /// Whether records may be offered.
    pub fn has_room(&self, partition: u16) -> bool {
        self.kept[usize::from(partition)].ownership.has_room()
    }

    /// Gives away what this node has, and takes nothing more.
    pub fn drain(&mut self) {
        self.beat.is_draining = true;
    }

    /// Whether nothing is left of it here.
    pub fn is_drained(&self) -> bool {
        let me = self.setup.me.node;
        let is_away = |kept: &Kept| {
            // Whoever was given one has said so: before that it would look like one whose owner
            // died.
            kept.ownership.standing() == PartitionStanding::Elsewhere && !kept.is_said_of(me)
        };
        self.beat.is_draining && self.kept.iter().all(is_away)
    }

    /// Whether a node that drains has anything left that somebody takes or would take.
    pub fn awaits_takers(&self, now: SteadyMs) -> bool {
        let me = self.setup.me.node;
        let is_here = |kept: &Kept| match kept.ownership.standing() {
            PartitionStanding::Owned(_) | PartitionStanding::Closing => true,
            PartitionStanding::Elsewhere => kept.is_said_of(me),
            _ => false,
        };
        // Its own beat may still say that it takes some.
        self.kept.iter().any(is_here) && self.beats.takers(now).iter().any(|node| *node != me)
    }

    /// The node leaves for good: nobody waits for it any more. It may own nothing.
    pub fn depart(&mut self, nodes: &mut impl Liveness) {
        if self.departure == Departure::None {
            self.departure = Departure::Told;
            nodes.leave(self.setup.me.node);
        }
    }

    /// Whether the others have been told so.
    pub fn has_departed(&self) -> bool {
        self.departure == Departure::Seen
    }

    /// Publishes records (none: an alive chunk). `next` is the number behind the last. Whether
    /// there was room.
    pub fn offer(
        &mut self,
        now: SteadyMs,
        log: &mut impl ReplicatedLog,
        partition: u16,
        frames: &[u8],
        next: u64,
    ) -> bool {
        let kept = &mut self.kept[usize::from(partition)];
        let Some(Errand::Publish(flight)) = kept.ownership.offer(now, frames, next) else {
            return false;
        };
        publish(kept, log, partition, &flight, frames);
        true
    }

    /// Puts other records in the place of those under way, and sends them: a fault that tests put
    /// in.
    pub fn replace(
        &mut self,
        log: &mut impl ReplicatedLog,
        partition: u16,
        frames: &[u8],
        next: u64,
    ) {
        let kept = &mut self.kept[usize::from(partition)];
        if let Some(flight) = kept.ownership.replace(frames, next) {
            kept.octets.clear();
            publish(kept, log, partition, &flight, frames);
        }
    }

    /// Nothing is in flight any more of a partition that is to be given away.
    pub fn close(&mut self, now: SteadyMs, log: &mut impl ReplicatedLog, partition: u16) {
        let kept = &mut self.kept[usize::from(partition)];
        let Some((to, _, true)) = kept.heir else { return };
        let errand = kept.ownership.told(now, Told::Close(to));
        if let Some(Errand::Publish(flight)) = errand {
            publish(kept, log, partition, &flight, &[]);
        }
    }

    /// All that stands below this sequence is written further behind, acknowledged, and billed:
    /// the log may be cut there.
    pub fn purge(&mut self, partition: u16, below: u64) {
        let kept = &mut self.kept[usize::from(partition)];
        kept.purge = kept.purge.max(below);
    }

    /// Time has gone by, or something has come in: call it often, at least each `LOOK_MS / 2`.
    pub fn tick(&mut self, now: SteadyMs, log: &mut impl ReplicatedLog, nodes: &mut impl Liveness) {
        while let Some(sight) = nodes.seen() {
            self.sight(now, log, nodes, sight);
        }
        while let Some(news) = log.news() {
            self.news(now, log, nodes, news);
        }
        let is_beat_due = self.beaten.is_none_or(|at| now.since(at) >= BEAT_MS);
        if is_beat_due && self.departure == Departure::None {
            self.beaten = Some(now);
            self.beat.count += 1;
            nodes.beat(self.setup.me.node, self.beat);
        }
        for partition in 0..self.setup.partitions {
            let errand = self.kept[usize::from(partition)].ownership.tick(now);
            self.carry(now, log, nodes, partition, errand);
        }
        if now.since(self.swept) >= SWEEP_MS {
            self.swept = now;
            self.begin_moves(now);
            for partition in 0..self.setup.partitions {
                self.sweep(now, log, nodes, partition);
            }
        }
    }

    fn sight(
        &mut self,
        now: SteadyMs,
        log: &mut impl ReplicatedLog,
        nodes: &mut impl Liveness,
        sight: Sight,
    ) {
        match sight {
            Sight::Beat(node, beat) => self.beats.see(now, node, beat),
            Sight::Left(node) => {
                self.beats.leave(node);
                if node == self.setup.me.node && self.departure == Departure::Told {
                    self.departure = Departure::Seen;
                }
            }
            Sight::Entry { partition, entry, revision } => {
                let Some(kept) = self.kept.get_mut(usize::from(partition)) else { return };
                kept.see(entry, revision);
            }
            Sight::Taken { partition, entry, revision } => {
                let Some(kept) = self.kept.get_mut(usize::from(partition)) else { return };
                kept.see(entry, revision);
                let is_bid = kept.wrote(&entry);
                if is_bid {
                    let PartEntry { floor, reached, .. } = entry;
                    let told = Told::BidTaken { floor, reached };
                    let errand = kept.ownership.told(now, told);
                    if errand.is_some() {
                        self.happenings.push_back(Happening::Begin(partition));
                    }
                    self.carry(now, log, nodes, partition, errand);
                }
            }
            Sight::NotTaken { partition, revision } => {
                let Some(kept) = self.kept.get_mut(usize::from(partition)) else { return };
                // The answer to a writing that was given up.
                if kept.writing_revision != revision {
                    return;
                }
                if let Some((_, _, true)) = kept.writing.take() {
                    let errand = kept.ownership.told(now, Told::Beaten);
                    self.carry(now, log, nodes, partition, errand);
                }
            }
        }
    }

    fn news(
        &mut self,
        now: SteadyMs,
        log: &mut impl ReplicatedLog,
        nodes: &mut impl Liveness,
        news: LogNews,
    ) {
        let (partition, told) = match news {
            LogNews::Stored { partition, expected, sequence } => {
                (partition, Told::Acknowledged { expected, sequence })
            }
            LogNews::Refused { partition, expected } => (partition, Told::Refused { expected }),
            // Whether it is in the log after all is asked as of any that nobody answers for.
            LogNews::Full { partition, .. } => {
                return self.happenings.push_back(Happening::Full(partition));
            }
            LogNews::Behind { partition, sequence, message, end } => {
                let behind = match message.as_deref().map(|octets| Chunk::read(octets, partition)) {
                    Some(Ok(chunk)) => Behind::Chunk(chunk.head, chunk.body),
                    Some(Err(_)) => Behind::Unreadable,
                    None => Behind::Nothing { end },
                };
                (partition, Told::Found(sequence, behind))
            }
            LogNews::Message { partition, sequence, octets } => {
                return self.message(now, log, nodes, partition, sequence, octets);
            }
            LogNews::End { partition, last } => (partition, Told::End(last)),
        };
        let Some(kept) = self.kept.get_mut(usize::from(partition)) else { return };
        let errand = kept.ownership.told(now, told);
        self.carry(now, log, nodes, partition, errand);
    }

    /// A message of a log that is read.
    fn message(
        &mut self,
        now: SteadyMs,
        log: &mut impl ReplicatedLog,
        nodes: &mut impl Liveness,
        partition: u16,
        sequence: u64,
        octets: Arc<[u8]>,
    ) {
        let Some(kept) = self.kept.get_mut(usize::from(partition)) else { return };
        let told = match Chunk::read(&octets, partition) {
            Ok(chunk) => Told::Chunk(sequence, chunk.head, chunk.body),
            Err(_) => Told::Unreadable(sequence),
        };
        // What was asked for twice comes twice: the host hears of it once.
        let is_new = kept.ownership.read_up_to() < sequence;
        let errand = kept.ownership.told(now, told);
        if is_new && kept.ownership.read_up_to() == sequence {
            self.happenings.push_back(Happening::Read(partition, sequence, octets));
        }
        self.carry(now, log, nodes, partition, errand);
    }

    /// Carries an errand out.
    fn carry(
        &mut self,
        now: SteadyMs,
        log: &mut impl ReplicatedLog,
        nodes: &mut impl Liveness,
        partition: u16,
        errand: Option<Errand>,
    ) {
        let Some(errand) = errand else { return };
        let me = self.setup.me.node;
        let kept = &mut self.kept[usize::from(partition)];
        let happening = match errand {
            Errand::Bid => {
                let owner = kept.entry.map(|entry| entry.owner);
                kept.write(now, nodes, partition, kept.bid(me), true);
                Some(Happening::Bidding(partition, owner))
            }
            Errand::Replay(from) => {
                log.replay(partition, from);
                None
            }
            Errand::LookAtEnd => {
                log.look_at_end(partition);
                None
            }
            Errand::Publish(flight) => {
                publish(kept, log, partition, &flight, &[]);
                None
            }
            Errand::PublishAgain(flight) => {
                if let Some(octets) = kept.octets.front() {
                    log.publish(partition, flight.expected, Arc::clone(octets));
                }
                Some(Happening::Resent(partition))
            }
            Errand::Ask(sequence) => {
                log.read_behind(partition, sequence);
                None
            }
            Errand::Own { term, first } => {
                kept.octets.pop_front();
                (kept.heir, kept.purge) = (None, 0);
                kept.look_after(now, nodes, partition, me);
                Some(Happening::Owned { partition, term, first })
            }
            Errand::Release { next, sequence } => {
                kept.octets.pop_front();
                Some(Happening::Released { partition, next, sequence })
            }
            Errand::Given(to) => Some(kept.left(now, Happening::Given(partition, to))),
            Errand::Lost { is_refused } => {
                Some(kept.left(now, Happening::Lost { partition, is_refused }))
            }
            Errand::GiveUp => Some(kept.left(now, Happening::Drop(partition))),
            Errand::Stop(found) => Some(kept.left(now, Happening::Stopped(partition, found))),
        };
        self.happenings.extend(happening);
    }

    /// Begins to move what another node should have: one partition at a time, to nodes that have
    /// been there for a while; some at a time, to any that takes them, from a node that drains.
    fn begin_moves(&mut self, now: SteadyMs) {
        let (most, takers) = match self.beat.is_draining {
            true => (MOVES_OF_DRAIN_MAX, self.beats.takers(now)),
            false => (1, self.beats.settled(now)),
        };
        let under_way = self.kept.iter().filter(|kept| kept.heir.is_some()).count();
        for _ in under_way..most {
            let stays = |kept: &Kept| {
                let is_owned = matches!(kept.ownership.standing(), PartitionStanding::Owned(_));
                is_owned && kept.heir.is_none()
            };
            let owned = (0..self.setup.partitions)
                .filter(|partition| stays(&self.kept[usize::from(*partition)]));
            let next = next_move(self.setup.me.node, owned.collect::<Vec<_>>(), &takers);
            let Some((partition, to)) = next else { return };
            self.kept[usize::from(partition)].heir = Some((to, now, false));
        }
    }

    /// Looks at one partition: whether it should be taken, looked at, or its entry be mended.
    fn sweep(
        &mut self,
        now: SteadyMs,
        log: &mut impl ReplicatedLog,
        nodes: &mut impl Liveness,
        partition: u16,
    ) {
        let me = self.setup.me.node;
        match self.standing(partition) {
            PartitionStanding::Owned(term) => self.sweep_owned(now, log, nodes, partition, term),
            PartitionStanding::Following(is_caught_up) => {
                let is_owner_gone = self.is_owner_gone(now, partition);
                let kept = &mut self.kept[usize::from(partition)];
                let errand = match kept.entry {
                    Some(entry) if entry.heir != Some(me) => Told::Beaten,
                    _ if is_owner_gone => Told::Take,
                    Some(entry) if is_caught_up && !entry.is_ready => {
                        let entry = PartEntry { is_ready: true, ..entry };
                        return kept.write(now, nodes, partition, entry, false);
                    }
                    _ => return,
                };
                let errand = kept.ownership.told(now, errand);
                self.carry(now, log, nodes, partition, errand);
            }
            PartitionStanding::Elsewhere => self.sweep_elsewhere(now, log, nodes, partition),
            PartitionStanding::Taking
            | PartitionStanding::Closing
            | PartitionStanding::Stopped(_) => {}
        }
    }

    fn sweep_owned(
        &mut self,
        now: SteadyMs,
        log: &mut impl ReplicatedLog,
        nodes: &mut impl Liveness,
        partition: u16,
        term: u64,
    ) {
        let me = self.setup.me.node;
        let suspected = |to: NodeName| {
            self.beats.is_suspected(now, to) || !self.beats.takers(now).contains(&to)
        };
        let kept = &self.kept[usize::from(partition)];
        let is_move_off =
            kept.heir.is_some_and(|(to, since, _)| suspected(to) || now.since(since) >= MOVE_MS);
        let is_contested = kept.entry.is_some_and(|entry| entry.owner != me || entry.term > term);
        let next = kept.ownership.next_record();
        let kept = &mut self.kept[usize::from(partition)];
        if is_move_off && let Some((_, _, true)) = kept.heir.take() {
            self.happenings.push_back(Happening::Staying(partition));
        }
        let kept = &mut self.kept[usize::from(partition)];
        if is_contested && !kept.ownership.is_busy() {
            // Somebody thinks that this node is gone, or has opened behind it: the log tells which.
            self.offer(now, log, partition, &[], next);
        }
        let kept = &mut self.kept[usize::from(partition)];
        if kept.entry.is_none_or(|entry| entry.term <= term) {
            kept.look_after(now, nodes, partition, me);
        }
        let is_heir_ready =
            |entry: PartEntry, to: NodeName| entry.heir == Some(to) && entry.is_ready;
        if let (Some((to, _, is_told)), Some(entry)) = (&mut kept.heir, kept.entry)
            && is_heir_ready(entry, *to)
            && !*is_told
        {
            *is_told = true;
            self.happenings.push_back(Happening::Closing(partition));
        }
        if let Some(entry) = kept.entry
            && kept.purge > 0
            && entry.owner == me
            && entry.floor >= kept.purge
        {
            log.purge(partition, kept.purge);
            kept.purge = 0;
        }
    }

    fn is_owner_gone(&self, now: SteadyMs, partition: u16) -> bool {
        let entry = self.kept[usize::from(partition)].entry;
        entry.is_some_and(|entry| self.beats.is_suspected(now, entry.owner))
    }

    fn sweep_elsewhere(
        &mut self,
        now: SteadyMs,
        log: &mut impl ReplicatedLog,
        nodes: &mut impl Liveness,
        partition: u16,
    ) {
        let me = self.setup.me.node;
        let takers = self.beats.takers(now);
        let kept = &mut self.kept[usize::from(partition)];
        let has_waited =
            kept.left == SteadyMs::ZERO || now.since(kept.left) >= self.setup.times.lease_ms;
        let told = match kept.entry {
            Some(entry) if entry.heir == Some(me) && entry.owner != me => {
                if self.beats.is_suspected(now, entry.owner) {
                    Told::Take
                } else {
                    Told::Follow { floor: entry.floor }
                }
            }
            Some(entry) if entry.owner == me && has_waited => Told::Take,
            Some(entry) if self.beats.is_suspected(now, entry.owner) => {
                if heir_of(partition, &takers, entry.owner) != Some(me) {
                    return;
                }
                Told::Take
            }
            Some(entry) => {
                let silence_ms = self.beats.silence_ms(now, entry.owner).unwrap_or(0);
                let is_heir = heir_of(partition, &takers, entry.owner) == Some(me);
                if silence_ms >= EARLY_LOOK_MS && is_heir && now.since(kept.looked) >= LOOK_MS {
                    kept.looked = now;
                    log.look_at_end(partition);
                }
                return;
            }
            None if !self.beats.may_take_unowned(now)
                || home_of(partition, &takers) != Some(me) =>
            {
                return;
            }
            None => Told::Take,
        };
        if kept.writing.is_some_and(|(_, since, _)| now.since(since) < REPEAT_MS) {
            return;
        }
        let errand = kept.ownership.told(now, told);
        if matches!(told, Told::Follow { .. }) && errand.is_some() {
            self.happenings.push_back(Happening::Begin(partition));
        }
        self.carry(now, log, nodes, partition, errand);
    }
}
