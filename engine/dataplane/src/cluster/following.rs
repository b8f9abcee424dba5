//! Reading a partition's log in front of taking it over: from its floor to its end, and then how
//! long the end has stood still.

use super::chunk::{ChunkBody, ChunkHead};
use super::limits::{LOOK_MS, REPEAT_MS, SHORT_MS};
use super::node::NodeName;
use super::succession::{LogBreak, Succession};
use wire::terms::time::SteadyMs;

/// The end of a log as it was seen, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StandingEnd {
    /// The last sequence.
    pub end: u64,
    /// When it was seen first.
    pub since: SteadyMs,
}

impl StandingEnd {
    /// An end that was seen now.
    pub fn seen(now: SteadyMs, end: u64) -> Self {
        Self { end, since: now }
    }

    /// It was seen again; a lower one comes from a replica that is behind.
    pub fn see(&mut self, now: SteadyMs, end: u64) {
        if end > self.end {
            *self = Self::seen(now, end);
        }
    }
}

/// What a reader needs, or has found out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reading {
    /// Nothing at the moment.
    Rest,
    /// Messages from this sequence on.
    From(u64),
    /// The log's last sequence.
    End,
    /// Somebody writes: there is nothing to take over.
    Alive,
    /// The end has been reached, and nobody writes any more.
    Still,
    /// The log is not what it was.
    Broken(LogBreak),
}

/// A reader of one log.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Following {
    /// What was read.
    pub succession: Succession,
    /// A sequence that the log is known to have acknowledged.
    reached: u64,
    standing: StandingEnd,
    /// Whether the end was reached once: what comes behind it somebody has written meanwhile.
    is_caught_up: bool,
    /// The owner means to give the partition away: chunks of its term are what is waited for.
    pub is_move: bool,
    asked: SteadyMs,
    short_since: Option<SteadyMs>,
}

impl Following {
    /// Begins to read a log from `floor` on. `standing` is what is known of its end.
    pub fn new(
        now: SteadyMs,
        floor: u64,
        reached: u64,
        standing: Option<StandingEnd>,
        is_move: bool,
    ) -> Self {
        Self {
            succession: Succession::from_floor(floor),
            reached,
            standing: standing.unwrap_or_else(|| StandingEnd::seen(now, 0)),
            is_caught_up: false,
            is_move,
            asked: now,
            short_since: None,
        }
    }

    /// The sequence up to which was read.
    pub fn end(&self) -> u64 {
        self.succession.due() - 1
    }

    /// What is known of the log's end.
    pub fn standing(&self) -> StandingEnd {
        self.standing
    }

    /// Whether the end was reached.
    pub fn is_caught_up(&self) -> bool {
        self.is_caught_up
    }

    /// Messages are asked for: when, so that they are asked for again.
    pub fn begin(&mut self, now: SteadyMs) -> Reading {
        self.asked = now;
        Reading::From(self.succession.due())
    }

    /// Looks whether an answer is overdue, or the end is to be looked at. `act_ms` is how long it
    /// has to stand still, `me` who reads.
    pub fn tick(&mut self, now: SteadyMs, act_ms: u64, me: NodeName) -> Reading {
        if self.is_caught_up && self.is_still(now, act_ms, me) {
            return Reading::Still;
        }
        let since = now.since(self.asked);
        if !self.is_caught_up && since >= REPEAT_MS {
            return self.begin(now);
        }
        if self.is_caught_up && since >= LOOK_MS {
            self.asked = now;
            return Reading::End;
        }
        Reading::Rest
    }

    /// Whether the end stands still: of a log that was closed for this node, at once.
    fn is_still(&self, now: SteadyMs, act_ms: u64, me: NodeName) -> bool {
        let closed_for = self.succession.end().and_then(|end| end.closed_for);
        let is_end = self.standing.end == self.end();
        if !is_end {
            return false;
        }
        closed_for == Some(me) || !self.is_move && now.since(self.standing.since) >= act_ms
    }

    /// A checked chunk was read.
    pub fn read(
        &mut self,
        now: SteadyMs,
        me: NodeName,
        sequence: u64,
        head: ChunkHead,
        body: &ChunkBody,
    ) -> Reading {
        // The answer to a question that was asked twice.
        if sequence < self.succession.due() {
            return Reading::Rest;
        }
        self.asked = now;
        if let Err(found) = self.succession.take(sequence, head, body) {
            return Reading::Broken(found);
        }
        self.standing.see(now, sequence);
        let is_for_me = *body == ChunkBody::Closed(me);
        if self.is_caught_up && !self.is_move && !is_for_me {
            return Reading::Alive;
        }
        Reading::Rest
    }

    /// The log's last sequence was told.
    pub fn ends(&mut self, now: SteadyMs, last: u64, act_ms: u64, me: NodeName) -> Reading {
        if last < self.reached {
            return self.is_short(now, last);
        }
        self.standing.see(now, last);
        if last > self.end() {
            return self.begin(now);
        }
        // A replica that is behind says nothing new.
        if last < self.end() {
            return Reading::Rest;
        }
        self.short_since = None;
        self.is_caught_up = true;
        if self.is_still(now, act_ms, me) { Reading::Still } else { Reading::Rest }
    }

    /// A log that is shorter than it was: a replica may be behind, for a while.
    fn is_short(&mut self, now: SteadyMs, last: u64) -> Reading {
        let since = *self.short_since.get_or_insert(now);
        if now.since(since) < SHORT_MS {
            return Reading::Rest;
        }
        Reading::Broken(LogBreak::Short { end: last, reached: self.reached })
    }
}
