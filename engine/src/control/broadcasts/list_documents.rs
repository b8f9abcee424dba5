//! Lists as they are kept and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::terms::time::WallMs;

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
    /// The same as a time; zero where an earlier program wrote it.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub at_ms: WallMs,
    /// Who has taken it as it is, though too many lines were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<String>,
}

fn is_unknown(at_ms: &WallMs) -> bool {
    *at_ms == WallMs::ZERO
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
    /// What has it still, or may: broadcasts that are under way or about to be, until they are
    /// over; whatever cannot be read or written, until that is mended.
    pub remaining: Vec<String>,
}
