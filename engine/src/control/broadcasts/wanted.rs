//! What is asked for a broadcast: each request's body.

use serde::{Deserialize, Serialize};

use crate::broadcast::manifest::{
    Doubt, Duplicates, Expect, Leg, PreparedRetraction, Retry, RowPace, Suppression, Texts,
};

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
