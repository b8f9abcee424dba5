//! Broadcasts as they are kept and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::beside::AnswersBeside;
use super::figures::Snapshot;
use super::forecast::Forecast;
use super::foreseen_rows::ForeseenRows;
use super::reach::ReachCurve;
use super::takes_back::TakesBack;
use crate::broadcast::audience::{Addressed, AddressedText};
use crate::broadcast::manifest::{Manifest, Texts};
use crate::broadcast::running::RowsOf;
use crate::gateway::broadcasting::People;
use wire::terms::time::WallMs;

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How far the people are with a broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Being written.
    Draft,
    /// A dry run holds.
    Checked,
    /// Whoever has to has approved the dry run.
    Approved,
    /// It starts when it is time.
    Scheduled,
    /// The shards have it.
    Started,
    /// Nothing happens to it any more.
    Ended,
}

/// A dry run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CheckDocument {
    /// When.
    pub at_ms: WallMs,
    /// What approvals and the start repeat, in hexadecimal.
    pub digest: String,
    /// What was found.
    #[serde(flatten)]
    pub addressed: Addressed,
    /// The versions that it stands on: list, version, digest.
    pub lists: Vec<(String, u32, String)>,
    /// The templates that its texts are of, with their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub templates: BTreeMap<String, u32>,
    /// Whether somebody has to approve it.
    pub needs_approval: bool,
    /// How many people stand behind it, as its registration says.
    #[serde(default, skip_serializing_if = "People::are_two")]
    pub people: People,
    /// What somebody should look at.
    pub warnings: Vec<String>,
    /// How many get nothing, as things stood then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreseen: Option<ForeseenRows>,
    /// What its short messages cost, in yen, where its registration has a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    /// How long it would take, as things stood then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// The file of recipients.
    pub file: String,
    /// By leg, of which rows of a live broadcast it is; empty where no leg is of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<Option<RowsOf>>,
    /// What takes it back, as whoever has the text would get that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retraction: Vec<AddressedText>,
    /// By leg, the texts of what takes it back, written out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retraction_texts: Vec<Texts>,
}

/// An approval.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// Of what.
    pub digest: String,
    /// When.
    pub at_ms: WallMs,
}

/// A start that waits for its time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScheduleDocument {
    /// When it is due.
    pub due_ms: WallMs,
    /// Who ordered it.
    pub by: String,
    /// When: the dry run held then.
    pub ordered_ms: WallMs,
    /// The dry run's digest.
    pub digest: String,
    /// How many recipients it found.
    pub recipients: u64,
    /// Why it is due and not started yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StartDocument {
    /// The broadcast's number in this directory.
    pub ordinal: u32,
    /// Who.
    pub by: String,
    /// When.
    pub at_ms: WallMs,
    /// No attempt from then on.
    pub deadline_ms: WallMs,
}

/// Where somebody wanted it to stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WantedLife {
    /// Going on.
    Running,
    /// Paused.
    Paused,
    /// At its end.
    Cancelled,
}

/// An order that may not have come to every shard: it is told again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderedDocument {
    /// Where it is to stand.
    pub life: WantedLife,
    /// When that was ordered.
    pub at_ms: WallMs,
}

/// That it is to be taken back by what was prepared for that.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RetractingDocument {
    /// Who ordered that.
    pub by: String,
    /// When.
    pub at_ms: WallMs,
    /// The broadcast that does it, once it has an identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<String>,
    /// That was started, or nobody has the text, or it was given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_done: bool,
    /// Why it has not been started yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// A pace that somebody set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PaceSet {
    /// Rows a second; 0: as the network takes them.
    pub per_second: u32,
    /// Its share beside other broadcasts of its class.
    pub weight: u16,
    /// No attempt from then on; `None`: as it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<WallMs>,
    /// When.
    pub at_ms: WallMs,
    /// Who.
    pub by: String,
}

/// A wave that has its turns.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WaveOpened {
    /// Since when.
    pub at_ms: WallMs,
    /// Who opened it.
    pub by: String,
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndDocument {
    /// When the last row had.
    pub at_ms: WallMs,
    /// `finished`, `cancelled`, `expired` or `replaced`; of what was never started `missed`,
    /// `nobody`, `left` or `failed`, too.
    pub life: String,
    /// Rows by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Rows that ended, by code.
    pub codes: BTreeMap<String, u64>,
    /// Rows that crashes left in doubt.
    pub doubts: u64,
    /// How many were reached when.
    #[serde(default)]
    pub reach: ReachCurve,
    /// Answers to single pushes meanwhile; `None` where the engine was started in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_beside: Option<AnswersBeside>,
}

/// A broadcast.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BroadcastDocument {
    /// Its identifier.
    pub broadcast: String,
    /// How far it is.
    pub stage: Stage,
    /// Who wrote it.
    pub author: String,
    /// Who else changed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_by: Vec<String>,
    /// Who said no to it since somebody changed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected_by: Vec<String>,
    /// What it is.
    pub manifest: Manifest,
    /// Its dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckDocument>,
    /// Who approved that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The start that waits for its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<ScheduleDocument>,
    /// Its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<StartDocument>,
    /// What was ordered since and may not have come to every shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<OrderedDocument>,
    /// The pace that somebody set while it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<PaceSet>,
    /// All that were set, the newest last, as many as are remembered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paces: Vec<PaceSet>,
    /// The waves behind the first that were opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveOpened>,
    /// What it takes back.
    #[serde(default, skip_serializing_if = "TakesBack::is_unsaid")]
    pub takes_back: TakesBack,
    /// It is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retracting: Option<RetractingDocument>,
    /// Its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndDocument>,
    /// Rows of phones that were forgotten since.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgotten: u64,
    /// It was over for so long that nothing but its report is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rows_are_gone: bool,
    /// The events that its push client's server has taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
}

impl BroadcastDocument {
    /// The broadcast that it takes back.
    pub fn taken_back(&self) -> Option<&str> {
        self.takes_back.of(&self.manifest)
    }
}

/// A broadcast at this moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProgressDocument {
    /// The broadcast.
    #[serde(flatten)]
    pub document: BroadcastDocument,
    /// `draft`, `checked`, `approved`, `holding`, `running`, `paused`, `closing`, or how it ended;
    /// `untold` where a shard does not go on with it, `damaged` where nobody can read what it is.
    pub state: String,
    /// Recipients that it was targeted at.
    pub targeted: u64,
    /// Rows by outcome, as far as that is durable.
    pub counts: BTreeMap<String, u64>,
    /// Whether these are all of the targeted.
    pub adds_up: bool,
    /// Rows that crashes left in doubt.
    pub doubts: u64,
    /// Rows delivered in the last second.
    pub delivered_per_second: u64,
    /// Seconds from the start until so many percent of the targeted were reached.
    pub reached_after_s: BTreeMap<String, u32>,
    /// Why a shard has paused it by itself, or does not go on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// The engine only looks on: nothing is sent, whatever the state.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub looks_on: bool,
    /// The figures of this moment: what an event of its progress is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
}
