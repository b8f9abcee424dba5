//! A broadcast at one moment, as figures: what `GET /broadcasts/ID` has in it, what every event of
//! `…/events` is, and what page and report are made of.
//!
//! **Invariant:** a snapshot takes at most [`SNAPSHOT_OCTETS_MAX`] octets of JSON, whatever the
//! broadcast, unless all of its areas were asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::acts::ActLine;
use crate::broadcast::outcomes::Outcome;
use wire::terms::time::WallMs;

/// Octets of a snapshot in JSON.
pub const SNAPSHOT_OCTETS_MAX: usize = 8 << 10;

/// When a share of the recipients was reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mark {
    /// `50`, `85`, `90`, `95`, `99` percent, or `last`.
    pub share: String,
    /// Milliseconds from the start; none: not yet.
    pub after_ms: Option<u64>,
    /// The same without pauses.
    pub running_ms: Option<u64>,
}

/// How many were reached when.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReachFigures {
    /// Milliseconds since the start, and rows delivered until then.
    pub curve: Vec<(u64, u64)>,
    /// By share of the targeted.
    pub of_targeted: Vec<Mark>,
    /// By share of those who can be reached: without refused and skipped ones.
    pub of_reachable: Vec<Mark>,
    /// Milliseconds of pauses.
    pub paused_ms: u64,
}

/// Rows a second.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RateFigures {
    /// Delivered in the last second.
    pub now: u64,
    /// Since the start, without pauses.
    pub mean: u64,
    /// The first, by shard.
    pub shards: Vec<u64>,
}

/// What holds it back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaceFigures {
    /// Rows a second that the manifest asks for; 0: as the network takes them.
    pub per_second: u32,
    /// Its share beside other broadcasts of its class.
    pub weight: u16,
    /// How many of its waves have their turns, and how many there are.
    #[serde(default)]
    pub waves: (u8, u8),
    /// `pace`, `registration`, `network`, `retries`, `receipts`, `storage`, `stall`, `pause`,
    /// `hold`, `wave`, or `nothing`.
    pub limited_by: String,
}

/// What is left, in seconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TimeLeft {
    /// At the present rate.
    pub seconds: u64,
    /// At the best rate of the last seconds.
    pub least: u64,
    /// At the worst.
    pub most: Option<u64>,
}

/// Rows of one kind, with their code in words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReasonFigures {
    /// The outcome.
    pub outcome: String,
    /// Four digits.
    pub code: String,
    /// What the code means.
    pub meaning: String,
    /// How many.
    pub rows: u64,
}

/// Rows of one area or language.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartFigures {
    /// Its code or tag.
    pub name: String,
    /// All of them.
    pub targeted: u64,
    /// Those that arrived.
    pub delivered: u64,
    /// Those that have not ended.
    pub open: u64,
    /// The rest.
    pub lost: u64,
}

/// The closer look: rows by code, area and language, as of a moment of its own.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Breakdown {
    /// When, Unix milliseconds.
    pub at_ms: WallMs,
    /// Whether all of the targeted are in it.
    pub adds_up: bool,
    /// Rows that are held, by reason.
    pub held: Vec<ReasonFigures>,
    /// Rows that ended otherwise than delivered, by code.
    pub failures: Vec<ReasonFigures>,
    /// The areas with the smallest share delivered.
    pub areas: Vec<PartFigures>,
    /// How many areas there are.
    pub areas_in_all: usize,
    /// By language.
    pub languages: Vec<PartFigures>,
    /// Segments that arrived.
    pub segments: u64,
}

/// A broadcast at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its identifier.
    pub broadcast: String,
    /// When, Unix milliseconds.
    pub at_ms: WallMs,
    /// `draft`, `checked`, `approved`, `scheduled`, `holding`, `running`, `paused`, `closing`, or
    /// how it ended.
    pub state: String,
    /// Since when, Unix milliseconds; none: before this start of the engine.
    pub since_ms: Option<WallMs>,
    /// When it was started, Unix milliseconds.
    pub started_ms: Option<WallMs>,
    /// No attempt from then on, Unix milliseconds.
    pub deadline_ms: Option<WallMs>,
    /// `01`, `02`, `03`; `09` is an exercise.
    pub class: String,
    /// What approvals and the start repeat.
    pub digest: Option<String>,
    /// Recipients that it was targeted at.
    pub targeted: u64,
    /// Rows by outcome, as far as that is durable.
    pub counts: BTreeMap<String, u64>,
    /// Whether these are all of the targeted.
    pub adds_up: bool,
    /// How fast it goes.
    pub rate: RateFigures,
    /// What holds it back.
    pub pace: PaceFigures,
    /// Attempts behind the first of a row, in a second, between the last two closer looks.
    #[serde(default)]
    pub retries_per_second: u64,
    /// Pushes and rows that wait for their turn, by class, as of the last count.
    #[serde(default)]
    pub lanes: BTreeMap<String, u64>,
    /// When the dry run foretold 85 % of their first attempts, in milliseconds since the start.
    #[serde(default)]
    pub goal_ms: Option<u64>,
    /// What is left.
    pub left: Option<TimeLeft>,
    /// How many were reached when.
    pub reach: ReachFigures,
    /// The closer look, where there is one yet.
    pub breakdown: Option<Breakdown>,
    /// Rows that crashes left in doubt.
    pub doubts: u64,
    /// What the dry run warned of.
    pub warnings: Vec<String>,
    /// Why a shard has paused it by itself, as a code and its meaning; or why not all shards go on
    /// with it, or do not say so.
    pub stopped_by: Option<String>,
    /// Who did what last, newest first.
    pub acts: Vec<ActLine>,
}

/// The code for which a shard has paused a broadcast by itself, of what it is said to be stopped
/// by: what else is said there is no pause.
pub fn code_of_pause(stopped_by: &str) -> Option<&str> {
    let code = stopped_by.split(' ').next()?;
    (code.len() == 4 && code.bytes().all(|digit| digit.is_ascii_digit())).then_some(code)
}

impl Snapshot {
    /// Rows of one outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.counts.get(outcome.word()).copied().unwrap_or_default()
    }

    /// Those of whom it is known that they have the text.
    pub fn reached(&self) -> u64 {
        self.count(Outcome::Delivered)
    }

    /// Hundredths of a percent of the targeted that were reached, never rounded up.
    pub fn reached_per_myriad(&self) -> u64 {
        (self.reached() * 10_000).checked_div(self.targeted).unwrap_or_default()
    }

    /// Whether nothing happens to it any more.
    pub fn is_over(&self) -> bool {
        is_end(&self.state)
    }
}

/// Whether nothing happens any more to a broadcast in this state.
pub(super) fn is_end(state: &str) -> bool {
    let was_sent = matches!(state, "finished" | "cancelled" | "expired" | "replaced" | "ended");
    was_sent || matches!(state, "missed" | "nobody" | "left" | "failed")
}
