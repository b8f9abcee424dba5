//! What must hold in a simulated cluster, whatever fails.

use super::part::Said;
use super::store::{Billed, SimulatedBilling};
use hayauma::cluster::chunk::Chunk;
use hayauma::cluster::node::Incarnation;
use std::collections::{BTreeMap, BTreeSet};

use super::log::SimulatedLog;

/// A broken rule, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation(pub String);

pub(super) type Checked = Result<(), Violation>;

/// Fails with words unless the condition holds.
macro_rules! rule {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err(Violation(format!($($words)+)));
        }
    };
}
pub(super) use rule;

/// What has happened, in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Events of the simulation.
    pub events: u64,
    /// Pushes that were answered 0000.
    pub accepted: u64,
    /// Attempts.
    pub attempts: u64,
    /// Attempts of a push that had been attempted before.
    pub repeated_attempts: u64,
    /// Partitions that were opened.
    pub opened: u64,
    /// Partitions that were given away.
    pub given: u64,
    /// Owners that were fenced.
    pub fenced: u64,
    /// Chunks that were published again.
    pub resent: u64,
    /// Take-overs that were given up.
    pub given_up: u64,
    /// Logs that were cut.
    pub purged: u64,
    /// Deaths, pauses and cuts.
    pub disturbances: u64,
    /// Denials that were answered.
    pub denied: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        let fields: [(&mut u64, u64); 12] = [
            (&mut self.events, other.events),
            (&mut self.accepted, other.accepted),
            (&mut self.attempts, other.attempts),
            (&mut self.repeated_attempts, other.repeated_attempts),
            (&mut self.opened, other.opened),
            (&mut self.given, other.given),
            (&mut self.fenced, other.fenced),
            (&mut self.resent, other.resent),
            (&mut self.given_up, other.given_up),
            (&mut self.purged, other.purged),
            (&mut self.disturbances, other.disturbances),
            (&mut self.denied, other.denied),
        ];
        for (sum, count) in fields {
            *sum += count;
        }
    }
}

/// An attempt that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempted {
    pub(super) by: Incarnation,
    pub(super) term: u64,
    pub(super) at_ms: u64,
}

/// What is known of the whole world, by nobody in it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) counts: Counts,
    /// Which push and life a record's number was given to.
    numbers: BTreeMap<u64, (u64, Incarnation)>,
    /// When a push was answered 0000 first.
    pub(super) accepted: BTreeMap<u64, u64>,
    attempts: BTreeMap<u64, Attempted>,
}

impl Ledger {
    /// A record is given a number.
    pub(super) fn numbered(&mut self, number: u64, push: u64, by: Incarnation) -> Checked {
        let before = self.numbers.insert(number, (push, by));
        rule!(before.is_none(), "number {number} was given twice: {before:?}, now {push} {by:?}");
        Ok(())
    }

    /// A push is answered 0000.
    pub(super) fn answered(&mut self, now_ms: u64, push: u64, log: &SimulatedLog) -> Checked {
        rule!(holds(log, push), "push {push} was answered 0000 and is not in its log");
        self.accepted.entry(push).or_insert_with(|| {
            self.counts.accepted += 1;
            now_ms
        });
        Ok(())
    }

    /// A push is said not to be known, to somebody who asked then.
    pub(super) fn denied(&mut self, push: u64, asked_ms: u64) -> Checked {
        self.counts.denied += 1;
        let accepted = self.accepted.get(&push);
        rule!(
            accepted.is_none_or(|at| *at > asked_ms),
            "push {push} was answered 0000 at {accepted:?} and denied when asked at {asked_ms}"
        );
        Ok(())
    }

    /// A chunk that is said to be in no log: no push of it may be.
    pub(super) fn refused(&self, records: &[(u64, Said)], log: &SimulatedLog) -> Checked {
        for (number, said) in records {
            let stored = log.all().find(|(_, chunk)| {
                let numbers = chunk.head.first..chunk.head.next;
                numbers.contains(number)
            });
            rule!(
                stored.is_none(),
                "push {} was answered 8002 and its record is in the log",
                said.push
            );
        }
        Ok(())
    }

    /// An attempt begins. Whether an earlier one allows it says `was_disturbed`, of its owner since
    /// then.
    pub(super) fn attempt(
        &mut self,
        push: u64,
        attempt: Attempted,
        log: &SimulatedLog,
        was_disturbed: impl Fn(&Attempted) -> bool,
    ) -> Checked {
        self.counts.attempts += 1;
        rule!(
            log.term <= attempt.term,
            "an attempt of push {push} by {:?} of term {} begins behind term {}",
            attempt.by,
            attempt.term,
            log.term
        );
        rule!(holds(log, push), "push {push} is attempted and not in its log");
        if let Some(before) = self.attempts.insert(push, attempt) {
            self.counts.repeated_attempts += 1;
            rule!(
                before.term < attempt.term && was_disturbed(&before),
                "push {push} is attempted twice, and nothing befell the first: {before:?}"
            );
        }
        Ok(())
    }

    /// The log is about to be cut: what was answered must stand behind.
    pub(super) fn purging(&mut self, log: &SimulatedLog, below: u64) -> Checked {
        if below <= log.first() {
            return Ok(());
        }
        self.counts.purged += 1;
        let (mut before, mut behind) = (BTreeSet::new(), BTreeSet::new());
        for (sequence, push, _) in records(log) {
            let side = if sequence < below { &mut before } else { &mut behind };
            side.insert(push);
        }
        for push in before.difference(&behind) {
            let is_answered = self.accepted.contains_key(push);
            rule!(!is_answered, "push {push} was answered 0000 and is cut off at {below}");
        }
        Ok(())
    }

    /// Nothing happens any more.
    pub(super) fn check_end(
        &self,
        pushes: u64,
        logs: &[SimulatedLog],
        billing: &[SimulatedBilling],
    ) -> Checked {
        for push in 0..pushes {
            let at = (push % logs.len() as u64) as usize;
            let (log, billing) = (&logs[at], &billing[at]);
            rule!(
                self.accepted.contains_key(&push),
                "push {push} was not accepted within bounded time once all faults had ended"
            );
            rule!(holds(log, push), "push {push} is in no log at the end");
            rule!(
                self.attempts.contains_key(&push),
                "push {push} was never attempted, and nothing hinders it"
            );
            for is_end in [false, true] {
                let billed = billed((push, is_end), log, billing);
                rule!(billed == 1, "push {push}, end {is_end}: billed {billed} times");
            }
        }
        Ok(())
    }
}

/// How often an event stands in the batches, or in the log behind what they include.
fn billed(event: Billed, log: &SimulatedLog, billing: &SimulatedBilling) -> usize {
    let in_batches = billing.events.iter().filter(|one| **one == event).count();
    let behind = records(log).into_iter().filter(|(sequence, push, said)| {
        *sequence > billing.through && !said.is_copy && (*push, said.is_end) == event
    });
    in_batches + behind.count()
}

fn records(log: &SimulatedLog) -> Vec<(u64, u64, Said)> {
    let mut all = Vec::new();
    for (sequence, stored) in log.all() {
        if let Ok(chunk) = Chunk::read(&stored.octets, stored.head.partition) {
            all.extend(Said::all(&chunk).into_iter().map(|(_, said)| (sequence, said.push, said)));
        }
    }
    all
}

/// Whether the log knows of the push.
fn holds(log: &SimulatedLog, push: u64) -> bool {
    // The newest first: what is asked for was written lately.
    let mut newest = (log.first()..=log.last()).rev();
    newest.any(|sequence| {
        log.get(sequence).is_some_and(|stored| {
            Chunk::read(&stored.octets, stored.head.partition).is_ok_and(|chunk| {
                Said::all(&chunk).iter().any(|(_, said)| said.push == push && !said.is_end)
            })
        })
    })
}
