//! Who did what: `audit.jsonl` in the data directory, one line for each act through any door.
//!
//! A line holds the SHA-256 of the line before it, across months too: whatever is changed, taken
//! out or put in between shows. What is cut from the end, or put there, shows in the registry,
//! which keeps how many lines there are and the hash of the last one.
//!
//! An act goes so: the registry is told the hash of the line that is to follow; the line is written
//! and synced; the act is done, and with it, in one transaction where it is one of the registry,
//! the line counts. So there is no act without a line, and a line that a crash left uncounted is
//! one whose act was not done: the next opening says so in a line of its own. An act that fails has
//! a second line too.
//!
//! Files: `audit.jsonl` for the month that runs in Japan, `audit-YYYYMM-NUMBER.jsonl` for those
//! before, by the latest month in it and the number of its first line.
//!
//! **Never here:** a token, a text. Nothing runs on a shard's thread.

mod file;
mod verify;

pub use file::{AuditError, AuditLog, FILE_NAME, NextLine, cut_behind, files};
pub use verify::{Verdict, verify, verify_extract};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use simd_json::OwnedValue;

use super::limits::AUDIT_MSNS_SHOWN_MAX;

/// How much of the audit there is: kept in the registry, apart from the audit itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Head {
    /// Lines.
    pub lines: u64,
    /// SHA-256 of the last one; zeros where there is none.
    pub last_sha256: [u8; 32],
}

/// What the registry knows of the audit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AuditKnown {
    /// How much there is at least.
    pub head: Head,
    /// SHA-256 of the line that may stand behind that, written before its act was done.
    pub next_sha256: Option<[u8; 32]>,
}

/// One act, before it has a number and a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    what: String,
    before: String,
    after: String,
}

/// A line as it is read.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AuditLine {
    /// From 1.
    pub number: u64,
    /// In Japan, with the zone.
    pub time: String,
    /// `uid:NAME`, or the name of a token.
    pub actor: String,
    /// What was done.
    pub act: String,
    /// What stood there.
    pub before: OwnedValue,
    /// What stands there.
    pub after: OwnedValue,
    /// SHA-256 of the line before, in hexadecimal.
    pub previous: String,
}

impl Act {
    /// An act in words, such as `client set 00100000001`.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), before: "null".to_owned(), after: "null".to_owned() }
    }

    /// What was done, in words.
    pub fn words(&self) -> &str {
        &self.what
    }

    /// With what stood there.
    #[must_use]
    pub fn before(self, document: &impl Serialize) -> Self {
        Self { before: json(document), ..self }
    }

    /// With what is to stand there.
    #[must_use]
    pub fn after(self, document: &impl Serialize) -> Self {
        Self { after: json(document), ..self }
    }

    /// The line that follows when the act was not done after all.
    #[must_use]
    pub fn failed(&self, why: &str) -> Self {
        Self::new(format!("not done: {}", self.what)).after(&why)
    }

    /// The line that follows when the engine ended between this line and its act.
    pub fn undone(line: &AuditLine) -> Self {
        Self::new(line.act.clone()).interrupted()
    }

    /// The line that follows when the engine ended in the act.
    #[must_use]
    pub fn interrupted(self) -> Self {
        let why = "the engine ended before it was done";
        Self::new(format!("not done: {}", self.what)).after(&why)
    }

    /// The line that follows when some of the act stands and the rest was not done.
    #[must_use]
    pub fn done_in_part(&self, why: &str) -> Self {
        Self::new(format!("done in part: {}", self.what)).after(&why)
    }

    /// The line's octets, without its end.
    fn line(&self, number: u64, time: &str, actor: &str, previous: &[u8; 32]) -> String {
        format!(
            "{{\"number\":{number},\"time\":{},\"actor\":{},\"act\":{},\"before\":{},\"after\":{},\
             \"previous\":\"{}\"}}",
            json(&time),
            json(&actor),
            json(&self.what),
            self.before,
            self.after,
            hex(previous)
        )
    }
}

/// Whether something rests, as an act shows it.
#[derive(Serialize)]
pub struct Paused {
    /// An engine answers pushes 8004, a carrier gets none.
    pub paused: bool,
}

/// Msns as an act shows them: how many words, and the first of them.
pub fn some_msns(words: &[String]) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct Some {
        msns: usize,
        first: Vec<String>,
    }
    Some { msns: words.len(), first: words.iter().take(AUDIT_MSNS_SHOWN_MAX).cloned().collect() }
}

fn json(document: &impl Serialize) -> String {
    simd_json::to_string(document).unwrap_or_else(|_| "null".to_owned())
}

/// SHA-256 of a line without its end, in hexadecimal.
pub fn digest_of_line(line: &[u8]) -> String {
    hex(&Sha256::digest(line))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests;
