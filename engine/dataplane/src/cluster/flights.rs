//! The chunk that is under way to the log, until it is known what became of it.
//!
//! An answer that fails to come says nothing: the log is asked what stands behind the sequence that
//! was expected. Nothing does: the same octets are published again with the same expectation, and
//! of all these at most one is ever stored. The chunk does: it is acknowledged, from its first
//! sending on. Another one does: somebody else has opened the partition.

use super::chunk::{ChunkBody, ChunkHead};
use super::limits::{ASK_MS, IN_FLIGHT_MAX, SHORT_MS};
use super::mutation::NodeMutation;
use super::succession::LogBreak;
use std::collections::VecDeque;
use wire::terms::time::SteadyMs;

/// A chunk under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flight {
    /// The sequence that is expected to be the log's last.
    pub expected: u64,
    /// The chunk's head.
    pub head: ChunkHead,
    /// What it says besides.
    pub body: ChunkBody,
    /// When it was sent first. What it proves of its owner holds from here on, however often it
    /// was sent.
    pub sent: SteadyMs,
    sent_last: SteadyMs,
}

impl Flight {
    /// A chunk that is sent now.
    pub fn new(now: SteadyMs, expected: u64, head: ChunkHead, body: ChunkBody) -> Self {
        Self { expected, head, body, sent: now, sent_last: now }
    }

    /// From when on it proves that its owner was there.
    pub fn proves_from(&self, mutation: NodeMutation) -> SteadyMs {
        if mutation == NodeMutation::ActFromLastSending { self.sent_last } else { self.sent }
    }
}

/// What the log has behind a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Behind {
    /// A chunk.
    Chunk(ChunkHead, ChunkBody),
    /// A message that is no chunk of this partition.
    Unreadable,
    /// Nothing. The log's last sequence is told with it: above the one that was asked for, the
    /// message was there and has been purged.
    Nothing {
        /// The log's last sequence.
        end: u64,
    },
}

/// What is to be done about a chunk under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Settled {
    /// Nothing yet.
    Pending,
    /// Ask the log for the message of this sequence.
    Ask(u64),
    /// The chunk that was sent has to be sent again, with the same octets.
    Again(Flight),
    /// It stands in the log, at this sequence.
    Taken(Flight, u64),
    /// Somebody else's chunk stands in its place.
    Foreign {
        /// Whether it is certain that the chunk is not in the log, nor ever will be.
        is_refused: bool,
    },
    /// The log has lost what it acknowledged.
    Broken(LogBreak),
}

/// The chunks under way, the oldest in front.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flights {
    flights: VecDeque<Flight>,
    /// Since when the log is being asked about the oldest, and when it was asked last.
    doubt: Option<(SteadyMs, SteadyMs)>,
}

impl Flights {
    /// Whether another chunk may be sent.
    pub fn has_room(&self, mutation: NodeMutation) -> bool {
        let depth = if mutation == NodeMutation::DepthTwo { 2 } else { IN_FLIGHT_MAX };
        self.flights.len() < depth
    }

    /// Whether none is under way.
    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// The newest.
    pub fn last(&self) -> Option<&Flight> {
        self.flights.back()
    }

    /// The oldest, whose fate is settled first.
    pub fn oldest(&self) -> Option<&Flight> {
        self.flights.front()
    }

    /// Takes note of a chunk that is sent.
    pub fn push(&mut self, flight: Flight) {
        self.flights.push_back(flight);
    }

    /// Looks whether an answer is overdue.
    pub fn tick(&mut self, now: SteadyMs) -> Settled {
        let Some(flight) = self.flights.front() else { return Settled::Pending };
        match self.doubt {
            None if now.since(flight.sent_last) >= ASK_MS => self.ask(now),
            Some((_, asked)) if now.since(asked) >= ASK_MS => self.ask(now),
            _ => Settled::Pending,
        }
    }

    fn ask(&mut self, now: SteadyMs) -> Settled {
        let Some(flight) = self.flights.front() else { return Settled::Pending };
        let since = self.doubt.map_or(now, |(since, _)| since);
        self.doubt = Some((since, now));
        Settled::Ask(flight.expected + 1)
    }

    /// The log has stored at `sequence` what was published with the expectation `expected`.
    pub fn acknowledged(&mut self, now: SteadyMs, expected: u64, sequence: u64) -> Settled {
        match self.flights.front() {
            Some(flight) if flight.expected == expected => {}
            // The answer to something that is settled: late, or the second one.
            _ => return Settled::Pending,
        }
        // A log that takes a chunk elsewhere than it was told to is asked what it has done.
        if sequence != expected + 1 { self.ask(now) } else { self.take(sequence) }
    }

    /// As [`Self::acknowledged`], whatever was expected: a fault that tests put in.
    pub fn acknowledged_anywhere(&mut self, expected: u64, sequence: u64) -> Settled {
        match self.flights.front() {
            Some(flight) if flight.expected == expected => self.take(sequence),
            _ => Settled::Pending,
        }
    }

    fn take(&mut self, sequence: u64) -> Settled {
        self.doubt = None;
        self.flights.pop_front().map_or(Settled::Pending, |flight| Settled::Taken(flight, sequence))
    }

    /// The log has refused what was published with the expectation `expected`: its last sequence is
    /// another. That may be the chunk's own, stored before.
    pub fn refused(&mut self, now: SteadyMs, expected: u64) -> Settled {
        match self.flights.front() {
            Some(flight) if flight.expected == expected => self.ask(now),
            _ => Settled::Pending,
        }
    }

    /// The log's leader says what it has at `sequence`.
    pub fn found(&mut self, now: SteadyMs, sequence: u64, behind: &Behind) -> Settled {
        let Some((since, _)) = self.doubt else { return Settled::Pending };
        let Some(flight) = self.flights.front_mut() else { return Settled::Pending };
        if sequence != flight.expected + 1 {
            return Settled::Pending;
        }
        match behind {
            Behind::Chunk(head, body) if is_same(flight, head, body) => self.take(sequence),
            Behind::Chunk(..) => Settled::Foreign { is_refused: true },
            // It may be this very chunk, damaged where it is kept.
            Behind::Unreadable => Settled::Foreign { is_refused: false },
            // It was there and is purged. Only a successor does that: the chunk may have been it.
            Behind::Nothing { end } if *end >= sequence => Settled::Foreign { is_refused: false },
            Behind::Nothing { end } if *end == flight.expected => {
                flight.sent_last = now;
                self.doubt = None;
                Settled::Again(*flight)
            }
            Behind::Nothing { end } if now.since(since) >= SHORT_MS => {
                Settled::Broken(LogBreak::Short { end: *end, reached: flight.expected })
            }
            // A replica that is behind, or that has just been elected: it is asked again.
            Behind::Nothing { .. } => Settled::Pending,
        }
    }

    /// Puts another chunk in the place of the oldest: a fault that tests put in.
    pub fn replace(&mut self, head: ChunkHead) {
        if let Some(flight) = self.flights.front_mut() {
            flight.head = head;
        }
    }
}

/// Whether what stands in the log is the chunk under way: its term and number, and of a term chunk
/// its owner, tell.
fn is_same(flight: &Flight, head: &ChunkHead, body: &ChunkBody) -> bool {
    let names = |head: &ChunkHead| (head.kind, head.term, head.number);
    let owner = |body: &ChunkBody| match body {
        ChunkBody::Term(term) => Some(*term),
        _ => None,
    };
    names(&flight.head) == names(head) && owner(&flight.body) == owner(body)
}
