//! Lists and broadcasts as they are kept and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::beside::AnswersBeside;
use super::figures::Snapshot;
use super::forecast::Forecast;
use super::foreseen_rows::ForeseenRows;
use super::reach::ReachCurve;
use crate::broadcast::audience::{Addressed, AddressedText};
use crate::broadcast::manifest::{
    Doubt, Duplicates, Expect, Leg, Manifest, PreparedRetraction, Retry, RowPace, Suppression,
    Texts,
};
use crate::broadcast::running::RowsOf;
use crate::gateway::broadcasting::People;

/// A list to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListWanted {
    /// What people call it.
    pub name: String,
    /// What its recipients are told.
    pub purpose: String,
    /// Why they may be.
    pub consent: String,
    /// Names of the columns that texts may ask for.
    pub parameters: Vec<String>,
    /// The XPIDs that may use it; none: all, for tokens that are bound to none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub xpids: Vec<String>,
}

/// A list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListDocument {
    /// Its identifier.
    pub list: String,
    /// What people call it.
    pub name: String,
    /// What its recipients are told.
    pub purpose: String,
    /// Why they may be.
    pub consent: String,
    /// Names of the columns that texts may ask for.
    pub parameters: Vec<String>,
    /// The XPIDs that may use it; none: all, for tokens that are bound to none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xpids: Vec<String>,
    /// It came with a broadcast, and goes when nothing stands on it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_of_one: bool,
    /// Its versions, oldest first.
    pub versions: Vec<VersionDocument>,
}

impl ListDocument {
    /// Whether broadcasts of this XPID may stand on it.
    pub fn is_for(&self, xpid: &str) -> bool {
        self.xpids.is_empty() || self.xpids.iter().any(|known| known == xpid)
    }

    /// The version that is used where none is named: the newest that is not refused.
    pub fn newest(&self) -> Option<&VersionDocument> {
        self.versions.iter().rev().find(|version| !version.is_refused)
    }
}

/// A version of a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionDocument {
    /// From 1.
    pub version: u32,
    /// SHA-256 of its file, in hexadecimal.
    pub digest: String,
    /// Recipients.
    pub rows: u64,
    /// Lines that were refused.
    pub refused: u64,
    /// Whether so many were that it is not to be used: 7102.
    pub is_refused: bool,
    /// Who imported it.
    pub by: String,
    /// When, in Japan.
    pub at: String,
    /// The same in Unix milliseconds; 0 where an earlier program wrote it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub at_ms: u64,
    /// Who has taken it as it is, though too many lines were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What became of the lines of the file that a version is of; no line of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VersionAccount {
    /// Lines of the file.
    pub lines: u64,
    /// Records: lines, or lines that quotes hold together, other than header and blank ones.
    pub records: u64,
    /// Blank lines.
    pub blank: u64,
    /// Records of an msn that a later one has too.
    pub duplicates: u64,
    /// Those of them that say something else than the next.
    pub conflicts: u64,
    /// Numbers whose leading zero was put back.
    pub repaired: u64,
    /// How often each way of writing was taken off.
    pub spellings: BTreeMap<String, u64>,
    /// Refused records by reason.
    pub refused: BTreeMap<String, u64>,
    /// Recipients by area.
    pub areas: BTreeMap<String, u64>,
    /// Recipients by language.
    pub languages: BTreeMap<String, u64>,
    /// Columns that are not read.
    pub ignored_columns: Vec<String>,
}

/// A version with what became of its file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionShown {
    /// The list.
    pub list: String,
    /// The version.
    #[serde(flatten)]
    pub version: VersionDocument,
    /// The lines of its file; `None` where an earlier program took it in.
    pub account: Option<VersionAccount>,
}

/// A row of a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RowShown {
    /// The list.
    pub list: String,
    /// The version.
    pub version: u32,
    /// Its number, from 0.
    pub row: u32,
    /// The phone.
    pub msn: String,
    /// Its area; empty where that is unknown.
    pub area: String,
    /// Its language; empty for none.
    pub lang: String,
    /// Its own values of the list's parameters.
    pub params: BTreeMap<String, String>,
}

/// Whoever has a phone forgotten says which.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetWanted {
    /// The phone.
    pub msn: String,
}

/// Where a phone was forgotten.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Forgotten {
    /// Versions of lists that had it, as `li-…@3`.
    pub versions: Vec<String>,
    /// Suppression lists among them: it is kept from no broadcast any more.
    pub suppression: Vec<String>,
    /// Broadcasts whose results had it.
    pub broadcasts: Vec<String>,
    /// Drafts whose dry run had it: they are to be checked again.
    pub drafts: Vec<String>,
    /// Broadcasts that have it still, as they are under way or about to be: again when they are
    /// over.
    pub remaining: Vec<String>,
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
    /// When, Unix milliseconds.
    pub at_ms: u64,
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
    /// When, Unix milliseconds.
    pub at_ms: u64,
}

/// A start that waits for its time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScheduleDocument {
    /// When it is due, Unix milliseconds.
    pub due_ms: u64,
    /// Who ordered it.
    pub by: String,
    /// When, Unix milliseconds: the dry run held then.
    pub ordered_ms: u64,
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
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// No attempt from then on, Unix milliseconds.
    pub deadline_ms: u64,
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
    /// When that was ordered, Unix milliseconds.
    pub at_ms: u64,
}

/// That it is to be taken back by what was prepared for that.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RetractingDocument {
    /// Who ordered that.
    pub by: String,
    /// When, Unix milliseconds.
    pub at_ms: u64,
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
    /// No attempt from then on, Unix milliseconds; `None`: as it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Who.
    pub by: String,
}

/// A wave that has its turns.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WaveOpened {
    /// Since when, Unix milliseconds.
    pub at_ms: u64,
    /// Who opened it.
    pub by: String,
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndDocument {
    /// When the last row had, Unix milliseconds.
    pub at_ms: u64,
    /// `finished`, `cancelled`, `expired` or `replaced`.
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
    /// The figures of this moment: what an event of its progress is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
}

/// Whoever approves or rejects names what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalWanted {
    /// The dry run's digest.
    pub digest: String,
}

/// Whoever starts says what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartWanted {
    /// The dry run's digest.
    pub digest: String,
    /// How many recipients the dry run found.
    pub recipients: u64,
}

/// Whoever makes it slower or faster says how; what is left out stays.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaceWanted {
    /// Rows a second; 0: as the network takes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// Its share beside other broadcasts of its class, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// No attempt from then on: RFC 3339. A later one than it has takes an approver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
}

/// Whoever opens a wave says which.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveWanted {
    /// From 1.
    pub wave: u8,
}

/// Why somebody stops it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CancelWanted {
    /// In words, for the audit.
    pub reason: String,
    /// Whether what was prepared for that takes it back at once.
    #[serde(skip_serializing_if = "Retract::is_no")]
    pub retract: Retract,
}

/// Whether a broadcast is taken back when it is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retract {
    /// It is stopped only.
    #[default]
    No,
    /// It is taken back.
    Yes,
}

impl Retract {
    fn is_no(&self) -> bool {
        *self == Self::No
    }
}

/// An update: what of the manifest is another than before. What is left out stays, but for a start,
/// a retraction and an end, which are of the one before alone.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateWanted {
    /// In place of a reqid.
    pub reqid: String,
    /// What is said to the same audience; or `legs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texts: Option<Texts>,
    /// Other audiences, each with its texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legs: Option<Vec<Leg>>,
    /// What those are told who have the text before, or may have it, and are addressed no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseWanted>,
    /// Seconds until its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<u64>,
    /// Its end, instead: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// `01`, `02`, `03`, `09`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Who phones show as its sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// A time, instead of now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Seconds between the start and the first attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<u64>,
    /// How fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<RowPace>,
    /// When what fails is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What becomes of rows that a crash leaves in doubt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_doubt: Option<Doubt>,
    /// What the check has to find.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
    /// The same text to the same phone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// Whether opt-outs count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppression: Option<Suppression>,
    /// Short messages that a text may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments_max: Option<u8>,
    /// What takes it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retraction: Option<PreparedRetraction>,
}

/// That it is over for those whom an update does not address.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseWanted {
    /// What is said; what the broadcast's template has for it, if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texts: Option<Texts>,
}

/// A retraction: what is sent next, to whom a broadcast has come, or may have.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowerWanted {
    /// In place of a reqid.
    pub reqid: String,
    /// What is said; a retraction says what the broadcast's template has for it, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<Texts>,
    /// Seconds until its end.
    #[serde(default)]
    pub lifetime: Option<u64>,
}
