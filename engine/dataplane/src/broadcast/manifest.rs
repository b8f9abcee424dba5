//! What a broadcast is: read from JSON, checked field by field, with a digest that approvals bind.
//!
//! What is silent starts nothing: areas have to be named, or `everywhere` said; an emergency needs
//! an end. A field of an unknown name is refused, because a misspelt limit is no limit.

mod check;
mod within;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wire::json;
use wire::terms::ids::{Class, Kind};

use super::limits::MANIFEST_OCTETS_MAX;
use super::pace::WaveAfter;
use super::slice::OnDoubt;
use super::templates::TemplatePart;
pub use within::Within;

const SEGMENTS_MAX_DEFAULT: u8 = 3;

/// What is wrong with a manifest, where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}{sentence}", in_front(.place))]
pub struct ManifestError {
    /// 7103 where it is an area; otherwise the answer is HTTP's 400 alone.
    pub code: Option<u16>,
    /// As `/legs/0/areas/2`.
    pub place: String,
    /// Cause and remedy.
    pub sentence: String,
}

/// A place in front of its sentence; the whole manifest has none.
fn in_front(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}

pub(super) fn wrong(place: impl Into<String>, sentence: impl Into<String>) -> ManifestError {
    ManifestError { code: None, place: place.into(), sentence: sentence.into() }
}

pub(super) fn no_area(place: impl Into<String>, sentence: impl Into<String>) -> ManifestError {
    ManifestError { code: Some(7103), ..wrong(place, sentence) }
}

/// A manifest as it is written.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub struct Manifest {
    /// Whose contracts it stands on.
    pub xpid: String,
    /// Who phones show as its sender.
    pub sender: String,
    /// `01`, `02`, `03`, `09`.
    pub class: String,
    /// Stands in each recipient's place of a reqid.
    pub reqid: String,
    /// Audiences with their texts: a recipient of several gets the first.
    pub legs: Vec<Leg>,
    /// The chain's name, together with `alertseq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertid: Option<String>,
    /// Its place in the chain, 0 to 99.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alertseq: Option<u8>,
    /// No attempt from then on: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// The same in seconds from the start, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<u64>,
    /// `now`, or a time.
    #[serde(default = "now")]
    pub start: String,
    /// A start that is missed by more seconds is not made up for.
    #[serde(default = "quarter_of_an_hour")]
    pub too_late_after: u64,
    /// Seconds between the start and the first attempt.
    #[serde(default)]
    pub hold_seconds: u64,
    /// How fast.
    #[serde(default)]
    pub pace: RowPace,
    /// When what fails is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// What becomes of rows that a crash leaves in doubt; by class, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_doubt: Option<Doubt>,
    /// What the push client is told.
    #[serde(default)]
    pub notify: BroadcastNotify,
    /// What the check has to find.
    #[serde(default)]
    pub expect: Expect,
    /// The same text to the same phone.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// `ignored`: opt-outs do not count, class 03 only. `heeded`: they do, and that is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression: Option<Suppression>,
    /// Short messages that a text may take.
    #[serde(default = "segments_max")]
    pub segments_max: u8,
    /// What takes it back: looked at and agreed to together with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retraction: Option<PreparedRetraction>,
}

/// What takes a broadcast back, ready before it is sent.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub struct PreparedRetraction {
    /// Stands in each recipient's place of a reqid.
    pub reqid: String,
    /// What is said; what the legs' templates have for it, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<Texts>,
}

fn now() -> String {
    "now".to_owned()
}

fn quarter_of_an_hour() -> u64 {
    900
}

fn segments_max() -> u8 {
    SEGMENTS_MAX_DEFAULT
}

/// An audience and its texts.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub struct Leg {
    /// Who.
    pub audience: Audience,
    /// What.
    pub texts: Texts,
    /// Audiences within it that come one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<Wave>,
}

/// Who gets a text.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub struct Audience {
    /// The list.
    pub list: String,
    /// Its version; the newest at the check, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Codes of areas, or `everywhere`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub areas: Option<Areas>,
    /// In these areas only who lives within these shapes, of those of whom that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
    /// Only rows of these languages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Only rows with one of these values of a parameter.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, Vec<String>>,
    /// But none of these lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Only whom another broadcast reached, missed, or left in doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<OtherBroadcast>,
}

/// Areas by code, or all there are.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Areas {
    /// `everywhere`.
    Word(String),
    /// Codes.
    Codes(Vec<String>),
}

/// Recipients of another broadcast, by outcome.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub struct OtherBroadcast {
    /// Its identifier.
    pub broadcast: String,
    /// Outcomes.
    pub outcomes: Vec<super::outcomes::Outcome>,
    /// The leg of it that they are of, from 0; all where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<u32>,
}

/// What is sent.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, Serialize)]
pub struct Texts {
    /// Texts by language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<String, String>,
    /// Languages that stand in for others, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<String>,
    /// Values that all recipients have in common.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Values that an area's recipients have in common, by the area's code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub area_parameters: BTreeMap<String, BTreeMap<String, String>>,
    /// The name of a template, instead; `name@3` is its third version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Which of the template's texts.
    #[serde(default, skip_serializing_if = "TemplatePart::is_variants")]
    pub part: TemplatePart,
    /// A control SMS in hexadecimal, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// A whole user data header of it, its length first, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udh: Option<String>,
    /// TP-PID of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u8>,
    /// TP-DCS of it; 4, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dcs: Option<u8>,
}

/// A part of an audience that begins later than the one before.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub struct Wave {
    /// Lists whose recipients are in it, as they are at the check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<String>,
    /// So many recipients at most, from every area its share, instead. A wave with neither is
    /// everybody else: the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u32>,
    /// Begins when so many percent of the one before have been reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_percent: Option<u8>,
    /// Begins so many seconds after the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<u64>,
    /// Begins when somebody says so, and not before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_order: bool,
}

impl Wave {
    /// When it begins, beside the one before; `None` for the first.
    pub fn after(&self) -> Option<WaveAfter> {
        match (self.after_percent, self.after_seconds, self.after_order) {
            (Some(percent), None, false) => Some(WaveAfter::Percent(percent)),
            (None, Some(seconds), false) => Some(WaveAfter::Seconds(seconds)),
            (None, None, true) => Some(WaveAfter::Order),
            _ => None,
        }
    }
}

/// How fast; 0 is as fast as the network takes it.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct RowPace {
    /// Rows a second, in all.
    pub per_second: u32,
    /// In each area.
    pub per_area: u32,
    /// By each carrier.
    pub per_carrier: u32,
    /// In each group of numbers with one HLR.
    pub per_hlr_group: u32,
    /// Seconds until the pace is reached.
    pub ramp_seconds: u32,
    /// Its share beside other broadcasts of its class.
    pub weight: u16,
    /// Percent of the network's room that it may take.
    pub share_max: u8,
}

impl Default for RowPace {
    fn default() -> Self {
        Self {
            per_second: 0,
            per_area: 0,
            per_carrier: 0,
            per_hlr_group: 0,
            ramp_seconds: 0,
            weight: 1,
            share_max: 90,
        }
    }
}

/// When what fails is tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Retry {
    /// By what schedule.
    pub schedule: Schedule,
    /// Rows whose turn has not come go first.
    pub first_attempts_before_retries: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self { schedule: Schedule::Class, first_attempts_before_retries: true }
    }
}

/// A schedule of retries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The class's.
    Class,
    /// None.
    Once,
    /// Until the deadline.
    UntilDeadline,
}

/// See [`OnDoubt`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Doubt {
    /// Sent again.
    Again,
    /// Left.
    Leave,
}

/// What the push client is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BroadcastNotify {
    /// How it goes.
    #[default]
    Summary,
    /// Each recipient.
    Each,
}

/// What the check has to find; otherwise it does not start: 7106.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Expect {
    /// The least and the most recipients.
    pub recipients: Option<[u64; 2]>,
    /// The most short messages of a text.
    pub segments_max: Option<u8>,
    /// The most that it costs.
    pub cost_max: Option<u64>,
}

/// The same text to the same phone within some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(default)]
pub struct Duplicates {
    /// How far back, in seconds.
    pub window_seconds: u64,
    /// What becomes of them.
    pub action: DuplicateAction,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self { window_seconds: 600, action: DuplicateAction::Warn }
    }
}

/// What becomes of a text that a phone had already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DuplicateAction {
    /// It is sent, and counted at the check.
    Warn,
    /// It is skipped: 7003.
    Skip,
}

/// Whether opt-outs count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Suppression {
    /// They do not; the report says so.
    Ignored,
    /// They do, and that is meant, however many they keep from an emergency.
    Heeded,
}

impl Manifest {
    /// Whether those who want no broadcasts get it.
    pub fn ignores_suppression(&self) -> bool {
        self.suppression == Some(Suppression::Ignored)
    }

    /// Reads a manifest and checks all that it says by itself.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn read(octets: &[u8]) -> Result<Self, ManifestError> {
        if octets.len() > MANIFEST_OCTETS_MAX {
            return Err(wrong("", format!("it has more than {MANIFEST_OCTETS_MAX} octets")));
        }
        let manifest: Self = json::read_exact(&mut octets.to_vec())
            .map_err(|error| wrong("", format!("it is no manifest ({error}): correct it")))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest, if all that it says by itself can be.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn checked(self) -> Result<Self, ManifestError> {
        self.check().map(|()| self)
    }

    /// The class.
    pub fn class(&self) -> Option<Class> {
        let number = (self.class.len() == 2).then(|| self.class.parse().ok()).flatten();
        number.and_then(Class::from_number)
    }

    /// Text for people, or octets for devices.
    pub fn kind(&self) -> Kind {
        let is_control = self.legs.iter().any(|leg| leg.texts.control.is_some());
        if is_control { Kind::Control } else { Kind::Text }
    }

    /// The same of what takes it back, if that is ready; a template has texts alone.
    pub fn kind_of_retraction(&self) -> Option<Kind> {
        let texts = self.retraction.as_ref()?.texts.as_ref();
        let is_control = texts.is_some_and(|texts| texts.control.is_some());
        Some(if is_control { Kind::Control } else { Kind::Text })
    }

    /// What becomes of rows in doubt.
    pub fn on_doubt(&self) -> OnDoubt {
        match (self.on_doubt, self.class()) {
            (Some(Doubt::Again), _) | (None, Some(Class::Emergency | Class::Urgent)) => {
                OnDoubt::Again
            }
            _ => OnDoubt::Leave,
        }
    }

    /// Its waves, if it has any: of the one leg that has.
    pub fn waves(&self) -> &[Wave] {
        self.legs
            .iter()
            .map(|leg| leg.waves.as_slice())
            .find(|waves| !waves.is_empty())
            .unwrap_or(&[])
    }

    /// Whether two people have to agree where the registration says nothing else: an emergency, or
    /// everywhere.
    pub fn asks_for_two(&self) -> bool {
        let is_everywhere = |leg: &Leg| matches!(leg.audience.areas, Some(Areas::Word(_)));
        self.class() == Some(Class::Emergency) || self.legs.iter().any(is_everywhere)
    }

    /// What approvals and the start are bound to: SHA-256 over the manifest as this program writes
    /// it, the digests of its lists' versions, and the check's counts.
    pub fn digest(&self, lists: &[(String, [u8; 32])], counts: &[u64]) -> [u8; 32] {
        let mut digest = Sha256::new();
        // Each part has its length in front: no two inputs are the same octets.
        let mut part = |octets: &[u8]| {
            digest.update((octets.len() as u64).to_le_bytes());
            digest.update(octets);
        };
        let written = simd_json::to_vec(self).unwrap_or_default();
        assert!(!written.is_empty(), "a manifest that was read can be written");
        part(&written);
        for (list, version) in lists {
            part(list.as_bytes());
            part(version);
        }
        counts.iter().for_each(|count| part(&count.to_le_bytes()));
        digest.finalize().into()
    }
}

#[cfg(test)]
mod tests;
