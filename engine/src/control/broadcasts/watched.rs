//! What is seen of a broadcast while it runs: how fast it goes, how far it is, since when.
//!
//! **Never here:** clocks; whoever looks says when. All of it is lost with the process, and made
//! anew from the rows where it can be.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::now::Now;
use super::reach::ReachCurve;
use super::tally::Tally;
use crate::broadcast::life::{End, Life};
use crate::broadcast::outcomes::Outcome;
use crate::shard::SliceFigures;
use wire::terms::time::{SteadyMs, WallMs};

/// Looks that are remembered.
const LOOKS_MAX: usize = 64;
/// How far back they go, in milliseconds.
const LOOKS_MS_MAX: u64 = 12_000;
/// A rate is that of so long, in milliseconds.
const RATE_MS: u64 = 1_000;
/// Without an outcome for so long, in milliseconds, a broadcast stands still.
const STALL_MS: u64 = 10_000;

/// One look: when, and rows delivered in each shard, rows that ended in all.
#[derive(Clone, Debug)]
struct Look {
    at: SteadyMs,
    delivered: Vec<u64>,
    ended: u64,
}

/// What is seen.
#[derive(Debug, Default)]
pub(super) struct Watched {
    looks: VecDeque<Look>,
    pub(super) reach: ReachCurve,
    /// The state that was seen last, and since when.
    state: Option<(&'static str, WallMs)>,
    /// When a row ended last.
    moved: Option<SteadyMs>,
    pub(super) tally: Option<Arc<Tally>>,
    /// Attempts behind the first of a row, in a second, between the last two closer looks.
    pub(super) retries_per_second: u64,
    /// No closer look before.
    pub(super) next_look: SteadyMs,
    /// The look behind the broadcast's end was made.
    pub(super) is_last_look: bool,
    /// Events that are on their way to its push client's server.
    pub(super) telling: BTreeSet<&'static str>,
    /// It was started before this start of the engine.
    pub(super) is_resumed: bool,
}

/// Rows a second.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Speed {
    pub(super) now: u64,
    /// By shard.
    pub(super) shards: Vec<u64>,
    /// The slowest and the fastest second of late.
    pub(super) least: u64,
    pub(super) most: u64,
}

impl Watched {
    /// A closer look, behind the one before.
    pub(super) fn note_tally(&mut self, tally: Arc<Tally>) {
        if let Some(before) = &self.tally {
            let took_ms = tally.at_ms.since(before.at_ms).max(1);
            let retries = tally.retries().saturating_sub(before.retries());
            self.retries_per_second = retries * 1_000 / took_ms;
        }
        self.tally = Some(tally);
    }

    /// Another look at what has been running for `age_ms`.
    pub(super) fn look(
        &mut self,
        figures: &[SliceFigures],
        state: &'static str,
        (age_ms, now): (u64, Now),
    ) {
        let of = |outcome| {
            let rows = figures.iter().map(move |figures| u64::from(figures.counts.of(outcome)));
            rows.collect::<Vec<u64>>()
        };
        let delivered = of(Outcome::Delivered);
        let all: u64 = figures.iter().map(|figures| u64::from(figures.counts.sum())).sum();
        let open: u64 = figures.iter().map(|figures| u64::from(figures.counts.open())).sum();
        let ended = all - open;
        if self.state.is_none_or(|(before, _)| before != state) {
            self.state = Some((state, now.wall_ms));
        }
        if self.looks.back().is_none_or(|last| last.ended != ended) {
            self.moved = Some(now.steady);
        }
        let is_paused = figures.iter().any(|figures| figures.life == Life::Paused);
        let reached = delivered.iter().sum();
        self.reach.note(age_ms, reached, is_paused);
        let is_old = |look: &Look| now.steady.since(look.at) > LOOKS_MS_MAX;
        while self.looks.len() >= LOOKS_MAX || self.looks.front().is_some_and(is_old) {
            self.looks.pop_front();
        }
        // Looks that come close together say nothing about a rate.
        let is_close = |last: &Look| now.steady.since(last.at) < LOOKS_MS_MAX / 100;
        if !self.looks.back().is_some_and(is_close) {
            self.looks.push_back(Look { at: now.steady, delivered, ended });
        }
    }

    /// Since when it is in its state.
    pub(super) fn since_ms(&self) -> Option<WallMs> {
        self.state.map(|(_, since_ms)| since_ms)
    }

    /// Whether nothing has moved for too long.
    pub(super) fn stands_still(&self, now: SteadyMs) -> bool {
        self.moved.is_some_and(|moved| now.since(moved) >= STALL_MS)
    }

    /// How fast it goes.
    pub(super) fn speed(&self) -> Speed {
        let Some(last) = self.looks.back() else { return Speed::default() };
        let per_second = |from: &Look, to: &Look| {
            let ms = to.at.since(from.at).max(1);
            let pairs = to.delivered.iter().zip(&from.delivered);
            let rows = pairs.map(|(now, before)| now.saturating_sub(*before) * 1_000 / ms);
            rows.collect::<Vec<u64>>()
        };
        let back = |from: &Look, until: SteadyMs| until.since(from.at) >= RATE_MS;
        let before = |until: &Look| {
            let earlier = self.looks.iter().rev().find(|look| back(look, until.at));
            earlier.map(|earlier| per_second(earlier, until))
        };
        let first = self.looks.front().unwrap_or(last);
        let shards = before(last).unwrap_or_else(|| per_second(first, last));
        let all = self.looks.iter().filter_map(before).map(|shards| shards.iter().sum::<u64>());
        let (least, most) =
            all.fold((u64::MAX, 0), |(least, most), rate| (least.min(rate), most.max(rate)));
        let now: u64 = shards.iter().sum();
        Speed { now, shards, least: least.min(now), most: most.max(now) }
    }
}

/// Where a started broadcast stands, all shards together.
pub(super) fn state_of(figures: &[SliceFigures]) -> &'static str {
    let lives: Vec<Life> = figures.iter().map(|figures| figures.life).collect();
    let any = |life: Life| lives.contains(&life);
    let ended = |end| any(Life::Ended(end));
    if !lives.is_empty() && lives.iter().all(|life| life.is_over()) {
        let ends =
            [(End::Cancelled, "cancelled"), (End::Replaced, "replaced"), (End::Expired, "expired")];
        let found = ends.into_iter().find(|(end, _)| ended(*end));
        return found.map_or("finished", |(_, word)| word);
    }
    if lives.iter().any(|life| matches!(life, Life::Closing(_) | Life::Ended(_))) {
        "closing"
    } else if any(Life::Paused) {
        "paused"
    } else if any(Life::Holding) || lives.is_empty() {
        "holding"
    } else {
        "running"
    }
}
