//! Who owns a partition, as one node sees it: a table of states and happenings. Pure: times come
//! in, and errands come out, which [`super::keeper`] carries to the log.
//!
//! | state \ happening | take | bid taken | chunk, end | end stands still | acknowledged | foreign chunk | closed |
//! |---|---|---|---|---|---|---|---|
//! | elsewhere | bidding | | the end is kept | | | | |
//! | bidding | | reading | the end is kept | | | | |
//! | reading | ends a move: takes over | | reads on; gives up if somebody writes | opening | | | |
//! | opening | | | | | owning | gives up | |
//! | owning | | | | | releases, owning; closed: elsewhere | lost: elsewhere | closing |
//! | stopped | | | | | | | |
//!
//! Invariants: a chunk is published with the last sequence that this node knows, and no other is
//! under way; what is acknowledged stands in the log behind this owner's term chunk, with no other
//! term chunk between; nobody acts on a chunk that was first sent `act_ms - 500` ago; an owner
//! that has closed neither acts nor publishes.

use super::chunk::{ChunkBody, ChunkHead, ChunkKind, TermBody};
use super::flights::{Flight, Flights, Settled};
use super::following::{Following, Reading, StandingEnd};
use super::limits::{ACT_MARGIN_MS, GAPS_MAX, RECORD_JUMP, REPEAT_MS};
use super::mutation::NodeMutation;
use super::node::{Incarnation, NodeName};
use super::succession::{LogBreak, Succession};
use super::words::{Errand, Told};
use crate::journal::crc32c;
use wire::terms::time::SteadyMs;

/// The times of a cluster, the same at every node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClusterTimes {
    /// Silence after which a node counts as dead.
    pub lease_ms: u64,
    /// How long a log's end has to stand still before somebody else opens it.
    pub act_ms: u64,
    /// So long a node must be there before partitions are moved to it.
    pub settle_ms: u64,
}

impl Default for ClusterTimes {
    fn default() -> Self {
        use super::limits::{ACT_MS_DEFAULT, LEASE_MS_DEFAULT, SETTLE_MS_DEFAULT};
        Self { lease_ms: LEASE_MS_DEFAULT, act_ms: ACT_MS_DEFAULT, settle_ms: SETTLE_MS_DEFAULT }
    }
}

/// What an owner knows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Owning {
    term: u64,
    succession: Succession,
    flights: Flights,
    /// When the last acknowledged chunk was sent first.
    proved: SteadyMs,
    closing: Option<NodeName>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Stage {
    Elsewhere(Option<StandingEnd>),
    Bidding { asked: SteadyMs, seen: Option<StandingEnd> },
    Reading(Following),
    Opening(Following, Flights),
    Owning(Owning),
    Stopped(LogBreak),
}

/// Where a partition stands at this node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PartitionStanding {
    /// Somebody else's, or nobody's.
    Elsewhere,
    /// On its way to this node.
    Taking,
    /// Read along with its owner; whether its end was reached.
    Following(bool),
    /// This node's, with this term.
    Owned(u64),
    /// Given away; the last chunk is under way.
    Closing,
    /// The log is damaged.
    Stopped(LogBreak),
}

/// One partition at one node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ownership {
    me: Incarnation,
    partition: u16,
    /// The first record's number in an empty log.
    base: u64,
    times: ClusterTimes,
    mutation: NodeMutation,
    /// Readings in a row that met a log which somebody had cut meanwhile.
    gaps: u8,
    /// Term chunks that this life has made.
    openings: u64,
    stage: Stage,
}

impl Ownership {
    /// A partition of which nothing is known. `base` is the number of its very first record.
    pub fn new(me: Incarnation, partition: u16, base: u64, times: ClusterTimes) -> Self {
        let stage = Stage::Elsewhere(None);
        Self {
            me,
            partition,
            base,
            times,
            mutation: NodeMutation::None,
            gaps: 0,
            openings: 0,
            stage,
        }
    }

    /// The same with a fault, for tests.
    pub fn with(self, mutation: NodeMutation) -> Self {
        Self { mutation, ..self }
    }

    /// Where it stands.
    pub fn standing(&self) -> PartitionStanding {
        match &self.stage {
            Stage::Elsewhere(_) => PartitionStanding::Elsewhere,
            Stage::Reading(following) if following.is_move => {
                PartitionStanding::Following(following.is_caught_up())
            }
            Stage::Bidding { .. } | Stage::Reading(_) | Stage::Opening(..) => {
                PartitionStanding::Taking
            }
            Stage::Owning(owning) if owning.closing.is_some() => PartitionStanding::Closing,
            Stage::Owning(owning) => PartitionStanding::Owned(owning.term),
            Stage::Stopped(found) => PartitionStanding::Stopped(*found),
        }
    }

    /// Whether an attempt may begin, a notification leave, or a question be answered from memory.
    /// What its owner cannot do now it can once an alive chunk is acknowledged.
    pub fn may_act(&self, now: SteadyMs) -> bool {
        let Stage::Owning(owning) = &self.stage else { return false };
        let within = self.times.act_ms.saturating_sub(ACT_MARGIN_MS);
        owning.closing.is_none()
            && (self.mutation == NodeMutation::NoActRule || now.since(owning.proved) < within)
    }

    /// The end of the time in which an owner may act on what is acknowledged; none for who is none,
    /// or has closed.
    pub fn acts_until(&self) -> Option<SteadyMs> {
        let Stage::Owning(owning) = &self.stage else { return None };
        let within = self.times.act_ms.saturating_sub(ACT_MARGIN_MS);
        owning.closing.is_none().then_some(owning.proved + within)
    }

    /// Whether a chunk may be offered.
    pub fn has_room(&self) -> bool {
        match &self.stage {
            Stage::Owning(owning) => {
                owning.closing.is_none() && owning.flights.has_room(self.mutation)
            }
            _ => false,
        }
    }

    /// The sequence up to which a reader has read; 0 where nothing is being read.
    pub fn read_up_to(&self) -> u64 {
        match &self.stage {
            Stage::Reading(following) => following.end(),
            _ => 0,
        }
    }

    /// The last acknowledged sequence of an owner.
    pub fn reached(&self) -> Option<u64> {
        match &self.stage {
            Stage::Owning(owning) => owning.succession.end().map(|end| end.sequence),
            _ => None,
        }
    }

    /// The number that an owner's next record has, behind all that is acknowledged or under way; 0
    /// for who is none.
    pub fn next_record(&self) -> u64 {
        match &self.stage {
            Stage::Owning(owning) => {
                let last = owning.flights.last().map(|flight| flight.head.next);
                last.unwrap_or_else(|| owning.succession.next_record())
            }
            _ => 0,
        }
    }

    /// Whether an owner has a chunk under way.
    pub fn is_busy(&self) -> bool {
        matches!(&self.stage, Stage::Owning(owning) if !owning.flights.is_empty())
    }

    /// Publishes records: `frames` are those of `first` and all below `next`; none is an alive
    /// chunk. Nothing where there is no room.
    pub fn offer(&mut self, now: SteadyMs, frames: &[u8], next: u64) -> Option<Errand> {
        if !self.has_room() {
            return None;
        }
        let kind = if frames.is_empty() { ChunkKind::Alive } else { ChunkKind::Records };
        let body = if frames.is_empty() { ChunkBody::Alive } else { ChunkBody::Records };
        self.publish(now, kind, body, frames, next)
    }

    /// Puts other records in the place of those under way: a fault that tests put in.
    pub fn replace(&mut self, frames: &[u8], next: u64) -> Option<Flight> {
        let Stage::Owning(owning) = &mut self.stage else { return None };
        let flight = *owning.flights.oldest()?;
        let (octets, body_checksum) = (frames.len() as u32, crc32c(frames));
        owning.flights.replace(ChunkHead { next, octets, body_checksum, ..flight.head });
        owning.flights.oldest().copied()
    }

    fn publish(
        &mut self,
        now: SteadyMs,
        kind: ChunkKind,
        body: ChunkBody,
        octets: &[u8],
        next: u64,
    ) -> Option<Errand> {
        let Stage::Owning(owning) = &mut self.stage else { return None };
        let end = owning.succession.end()?;
        let before = owning.flights.last().map_or(end.head, |flight| flight.head);
        let expected = owning.flights.last().map_or(end.sequence, |flight| flight.expected + 1);
        let head = ChunkHead {
            partition: self.partition,
            kind,
            term: owning.term,
            number: before.number + 1,
            first: before.next,
            next,
            octets: octets.len() as u32,
            link: before.checksum(),
            body_checksum: crc32c(octets),
        };
        let flight = Flight::new(now, expected, head, body);
        owning.flights.push(flight);
        Some(Errand::Publish(flight))
    }

    /// Time has gone by.
    pub fn tick(&mut self, now: SteadyMs) -> Option<Errand> {
        let (act_ms, me) = (self.still_ms(), self.me.node);
        match &mut self.stage {
            Stage::Bidding { asked, seen } if now.since(*asked) >= REPEAT_MS => {
                self.stage = Stage::Elsewhere(*seen);
                Some(Errand::GiveUp)
            }
            Stage::Reading(following) => {
                let reading = following.tick(now, act_ms, me);
                self.go_on(now, reading)
            }
            Stage::Opening(_, flights) => {
                let settled = flights.tick(now);
                self.opening(settled)
            }
            Stage::Owning(owning) => {
                let settled = owning.flights.tick(now);
                self.owning(settled)
            }
            Stage::Elsewhere(_) | Stage::Bidding { .. } | Stage::Stopped(_) => None,
        }
    }

    fn still_ms(&self) -> u64 {
        if self.mutation == NodeMutation::NoWaitBeforeOpening { 0 } else { self.times.act_ms }
    }

    /// Something has happened.
    pub fn told(&mut self, now: SteadyMs, told: Told) -> Option<Errand> {
        match told {
            Told::Take => self.take(now),
            Told::Follow { floor } => self.follow(now, floor),
            Told::BidTaken { floor, reached } => self.bid_taken(now, floor, reached),
            Told::Beaten => self.beaten(),
            Told::Chunk(sequence, head, body) => self.chunk(now, sequence, head, &body),
            Told::Unreadable(sequence) => self.unreadable(sequence),
            Told::End(last) => self.end(now, last),
            Told::Close(to) => self.close(now, to),
            Told::Acknowledged { .. } | Told::Refused { .. } | Told::Found(..) => {
                self.answered(now, &told)
            }
        }
    }

    fn take(&mut self, now: SteadyMs) -> Option<Errand> {
        let seen = match &self.stage {
            Stage::Elsewhere(seen) => *seen,
            // The owner died while it gave the partition away.
            Stage::Reading(following) if following.is_move => Some(following.standing()),
            _ => return None,
        };
        self.stage = Stage::Bidding { asked: now, seen };
        Some(Errand::Bid)
    }

    fn follow(&mut self, now: SteadyMs, floor: u64) -> Option<Errand> {
        let Stage::Elsewhere(seen) = &self.stage else { return None };
        let following = Following::new(now, floor, 0, *seen, true);
        let from = following.succession.due();
        self.stage = Stage::Reading(following);
        Some(Errand::Replay(from))
    }

    fn bid_taken(&mut self, now: SteadyMs, floor: u64, reached: u64) -> Option<Errand> {
        let Stage::Bidding { seen, .. } = &self.stage else { return None };
        let following = Following::new(now, floor, reached, *seen, false);
        let from = following.succession.due();
        self.stage = Stage::Reading(following);
        Some(Errand::Replay(from))
    }

    fn beaten(&mut self) -> Option<Errand> {
        let seen = match &self.stage {
            Stage::Bidding { seen, .. } => *seen,
            Stage::Reading(following) if following.is_move => Some(following.standing()),
            _ => return None,
        };
        self.stage = Stage::Elsewhere(seen);
        Some(Errand::GiveUp)
    }

    fn chunk(
        &mut self,
        now: SteadyMs,
        sequence: u64,
        head: ChunkHead,
        body: &ChunkBody,
    ) -> Option<Errand> {
        let me = self.me.node;
        let Stage::Reading(following) = &mut self.stage else { return None };
        let reading = following.read(now, me, sequence, head, body);
        self.go_on(now, reading)
    }

    fn unreadable(&mut self, sequence: u64) -> Option<Errand> {
        match &self.stage {
            Stage::Reading(_) => self.stop(LogBreak::Chunk(sequence)),
            _ => None,
        }
    }

    fn end(&mut self, now: SteadyMs, last: u64) -> Option<Errand> {
        let (act_ms, me) = (self.still_ms(), self.me.node);
        match &mut self.stage {
            Stage::Elsewhere(seen) | Stage::Bidding { seen, .. } => {
                seen.get_or_insert(StandingEnd::seen(now, last)).see(now, last);
                None
            }
            Stage::Reading(following) => {
                let reading = following.ends(now, last, act_ms, me);
                self.go_on(now, reading)
            }
            _ => None,
        }
    }

    /// What a reader has found out leads to the next errand.
    fn go_on(&mut self, now: SteadyMs, reading: Reading) -> Option<Errand> {
        match reading {
            Reading::Rest => None,
            Reading::From(sequence) => Some(Errand::Replay(sequence)),
            Reading::End => Some(Errand::LookAtEnd),
            // The owner is there: it has cut the log meanwhile, and its entry says where.
            Reading::Broken(_) if self.is_reading_along() => self.give_up(),
            Reading::Broken(LogBreak::Sequence { due, found })
                if found > due && self.gaps < GAPS_MAX =>
            {
                self.gaps += 1;
                self.give_up()
            }
            Reading::Broken(found) => self.stop(found),
            Reading::Alive => self.give_up(),
            Reading::Still => self.open(now),
        }
    }

    fn is_reading_along(&self) -> bool {
        matches!(&self.stage, Stage::Reading(following) if following.is_move)
    }

    fn give_up(&mut self) -> Option<Errand> {
        let seen = match &self.stage {
            Stage::Reading(following) | Stage::Opening(following, _) => Some(following.standing()),
            _ => None,
        };
        self.stage = Stage::Elsewhere(seen);
        Some(Errand::GiveUp)
    }

    fn stop(&mut self, found: LogBreak) -> Option<Errand> {
        self.stage = Stage::Stopped(found);
        Some(Errand::Stop(found))
    }

    /// Publishes the term chunk behind the end that was read.
    fn open(&mut self, now: SteadyMs) -> Option<Errand> {
        let Stage::Reading(following) = &self.stage else { return None };
        let previous_end = following.end();
        let jump = if self.mutation == NodeMutation::NoJump { 0 } else { RECORD_JUMP };
        let first = (following.succession.next_record() + jump).max(self.base);
        self.openings += 1;
        let body = TermBody { owner: self.me, opening: self.openings, previous_end };
        let octets = body.encode();
        let head = ChunkHead {
            partition: self.partition,
            kind: ChunkKind::Term,
            term: 0,
            number: 0,
            first,
            next: first,
            octets: octets.len() as u32,
            link: following.succession.link(),
            body_checksum: crc32c(&octets),
        };
        let flight = Flight::new(now, previous_end, head, ChunkBody::Term(body));
        let mut flights = Flights::default();
        flights.push(flight);
        self.stage = Stage::Opening(following.clone(), flights);
        Some(Errand::Publish(flight))
    }

    /// Gives the partition away: the last chunk of this term. Not while one is under way.
    fn close(&mut self, now: SteadyMs, to: NodeName) -> Option<Errand> {
        match &mut self.stage {
            Stage::Owning(owning) if owning.closing.is_none() && owning.flights.is_empty() => {
                owning.closing = Some(to);
                let next = owning.succession.next_record();
                self.publish(now, ChunkKind::Closed, ChunkBody::Closed(to), &to.octets(), next)
            }
            _ => None,
        }
    }

    /// The log answers for a chunk under way.
    fn answered(&mut self, now: SteadyMs, told: &Told) -> Option<Errand> {
        let mutation = self.mutation;
        let (Stage::Opening(_, flights) | Stage::Owning(Owning { flights, .. })) = &mut self.stage
        else {
            return None;
        };
        let settled = match told {
            Told::Acknowledged { expected, sequence }
                if mutation == NodeMutation::NoExpectation =>
            {
                flights.acknowledged_anywhere(*expected, *sequence)
            }
            Told::Acknowledged { expected, sequence } => {
                flights.acknowledged(now, *expected, *sequence)
            }
            Told::Refused { expected } => flights.refused(now, *expected),
            Told::Found(sequence, behind) => flights.found(now, *sequence, behind),
            _ => return None,
        };
        match &self.stage {
            Stage::Opening(..) => self.opening(settled),
            _ => self.owning(settled),
        }
    }

    fn opening(&mut self, settled: Settled) -> Option<Errand> {
        match settled {
            Settled::Pending => None,
            Settled::Ask(sequence) => Some(Errand::Ask(sequence)),
            Settled::Again(flight) => Some(Errand::PublishAgain(flight)),
            Settled::Foreign { .. } => self.give_up(),
            Settled::Broken(found) => self.stop(found),
            Settled::Taken(flight, term) => {
                self.gaps = 0;
                let Stage::Opening(following, flights) = &self.stage else { return None };
                let mut succession = following.succession;
                if let Err(found) = succession.take(term, flight.head, &flight.body)
                    && self.mutation == NodeMutation::None
                {
                    return self.stop(found);
                }
                self.stage = Stage::Owning(Owning {
                    term,
                    succession,
                    flights: flights.clone(),
                    proved: flight.proves_from(self.mutation),
                    closing: None,
                });
                Some(Errand::Own { term, first: flight.head.first })
            }
        }
    }

    fn owning(&mut self, settled: Settled) -> Option<Errand> {
        match settled {
            Settled::Pending => None,
            Settled::Ask(sequence) => Some(Errand::Ask(sequence)),
            Settled::Again(flight) => Some(Errand::PublishAgain(flight)),
            Settled::Foreign { is_refused } => {
                self.stage = Stage::Elsewhere(None);
                Some(Errand::Lost { is_refused })
            }
            Settled::Broken(found) => self.stop(found),
            Settled::Taken(flight, sequence) => self.released(&flight, sequence),
        }
    }

    fn released(&mut self, flight: &Flight, sequence: u64) -> Option<Errand> {
        let Stage::Owning(owning) = &mut self.stage else { return None };
        let taken = owning.succession.take(sequence, flight.head, &flight.body);
        if let Err(found) = taken
            && self.mutation == NodeMutation::None
        {
            return self.stop(found);
        }
        owning.proved = owning.proved.max(flight.proves_from(self.mutation));
        if let ChunkBody::Closed(to) = flight.body {
            let standing = StandingEnd { end: sequence, since: flight.sent };
            self.stage = Stage::Elsewhere(Some(standing));
            return Some(Errand::Given(to));
        }
        Some(Errand::Release { next: flight.head.next, sequence })
    }
}

#[cfg(test)]
mod tests;
