//! Who did what with a broadcast: the lines of the audit that name it or one of its lists.
//!
//! There is one chain of hashes, the audit's. What is kept here is a look into its files, read on
//! from where the last look ended; a line itself is read again where all of it is wanted.
//!
//! **Invariants:** bounded by [`NAMES_MAX`] names and [`LINES_MAX`] lines for each.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use simd_json::prelude::{ValueAsScalar as _, ValueObjectAccess as _};

use super::folders::{BROADCASTS, LISTS};
use crate::control::audit::{self, AuditLine};
use crate::control::limits::AUDIT_LINE_OCTETS_MAX;
use wire::json;

/// Broadcasts and lists whose acts are remembered; the oldest go.
const NAMES_MAX: usize = 4_096;
/// How many are left of them when some have to go.
const NAMES_LEFT: usize = NAMES_MAX / 4 * 3;
/// Acts of one that are remembered; the oldest go.
const LINES_MAX: usize = 64;
/// Characters of a reason that are shown; the audit has all of it.
const REASON_CHARACTERS_MAX: usize = 40;
/// Lines that a report takes.
pub(super) const EXTRACT_LINES_MAX: usize = 10_000;
/// Where broadcasts and lists stand, each in a folder of its name.
const FOLDERS: [&str; 2] = [BROADCASTS, LISTS];
/// What identifiers of broadcasts and lists begin with.
const PREFIXES: [&str; 2] = ["bc-", "li-"];

/// An act as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ActLine {
    /// The number of its line in the audit.
    pub number: u64,
    /// In Japan, with the zone.
    pub time: String,
    /// `uid:NAME`, or the name of a token.
    pub actor: String,
    /// What was done.
    pub act: String,
    /// Why, where somebody said so: its first characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the looks have found.
#[derive(Debug, Default)]
struct Found {
    /// The number of the last line that was read.
    last: u64,
    /// Where the next look goes on, and in which file: its first line's number.
    place: (u64, u64),
    by_name: BTreeMap<String, VecDeque<ActLine>>,
}

/// The acts of a data directory.
#[derive(Debug)]
pub(super) struct Acts {
    data_dir: PathBuf,
    found: Mutex<Found>,
}

/// Lines of the audit as they are kept, and what they are held against.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AuditExtract {
    /// Lines of the whole audit at that moment.
    pub lines: u64,
    /// SHA-256 of the last of them, in hexadecimal.
    pub digest: String,
    /// The lines that name the broadcast or its lists, each as it stands in the audit.
    pub extract: Vec<String>,
}

impl Acts {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), found: Mutex::default() }
    }

    /// The newest acts of any of these names, the newest first.
    pub(super) fn newest(&self, names: &[String], most: usize) -> io::Result<Vec<ActLine>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.read_on(&self.data_dir)?;
        let all = names.iter().filter_map(|name| found.by_name.get(name)).flatten();
        let by_number: BTreeMap<u64, &ActLine> = all.map(|line| (line.number, line)).collect();
        Ok(by_number.into_values().rev().take(most).cloned().collect())
    }

    /// All lines of these names, as they are kept.
    pub(super) fn extract(&self, names: &[String]) -> io::Result<AuditExtract> {
        let mut extract = AuditExtract::default();
        let mut last = Vec::new();
        for path in audit::files(&self.data_dir)? {
            each_line(&path, 0, |octets| {
                extract.lines += 1;
                last = octets.to_vec();
                let Some(line) = named(octets) else { return };
                let is_wanted = words(&line.act).any(|word| names.iter().any(|name| name == word));
                if is_wanted && extract.extract.len() < EXTRACT_LINES_MAX {
                    extract.extract.push(String::from_utf8_lossy(octets).into_owned());
                }
            })?;
        }
        extract.digest = audit::digest_of_line(&last);
        Ok(extract)
    }
}

impl Found {
    fn read_on(&mut self, data_dir: &Path) -> io::Result<()> {
        let files = audit::files(data_dir)?;
        // A file that got another name since is read from its beginning, and known lines passed by.
        let first = files.last().map(|path| first_number(path)).transpose()?.unwrap_or_default();
        let (from, place) = self.place;
        let (wanted, place) = match files.last() {
            Some(current) if first == from && from > 0 => (vec![current.clone()], place),
            _ => (files, 0),
        };
        for (at, path) in wanted.iter().enumerate() {
            let from = if at == 0 { place } else { 0 };
            let end = each_line(path, from, |octets| self.take(octets, data_dir))?;
            self.place = (first, end);
        }
        Ok(())
    }

    fn take(&mut self, octets: &[u8], data_dir: &Path) {
        let Some(line) = named(octets) else { return };
        if line.number <= self.last {
            return;
        }
        self.last = line.number;
        for name in words(&line.act) {
            let lines = self.by_name.entry(name.to_owned()).or_default();
            lines.push_back(ActLine {
                number: line.number,
                time: line.time.clone(),
                actor: line.actor.clone(),
                act: line.act.clone(),
                reason: reason_of(&line),
            });
            if lines.len() > LINES_MAX {
                lines.pop_front();
            }
        }
        if self.by_name.len() > NAMES_MAX {
            // Acts on what never was, or is gone, go before any other's.
            self.by_name.retain(|name, _| {
                FOLDERS.iter().any(|folder| data_dir.join(folder).join(name).is_dir())
            });
            // That looks for every folder, so it makes room for many names at once.
            while self.by_name.len() > NAMES_LEFT {
                self.by_name.pop_first();
            }
        }
    }
}

/// Why it was done, if it says so.
fn reason_of(line: &AuditLine) -> Option<String> {
    let reason = line.after.get("reason")?.as_str()?.trim();
    (!reason.is_empty()).then(|| reason.chars().take(REASON_CHARACTERS_MAX).collect())
}

/// The identifiers in an act's words.
fn words(act: &str) -> impl Iterator<Item = &str> {
    let words = act.split([' ', ',']);
    words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
}

/// The line, if its act can name a broadcast or a list.
fn named(octets: &[u8]) -> Option<AuditLine> {
    let is_near =
        PREFIXES.iter().any(|prefix| memchr::memmem::find(octets, prefix.as_bytes()).is_some());
    is_near.then(|| json::read(&mut octets.to_vec()).ok()).flatten()
}

/// The number of a file's first line; 0 where it has none.
fn first_number(path: &Path) -> io::Result<u64> {
    let mut first = Vec::new();
    let most = AUDIT_LINE_OCTETS_MAX as u64 + 1;
    BufReader::new(File::open(path)?).take(most).read_until(b'\n', &mut first)?;
    Ok(json::read::<AuditLine>(&mut first).map_or(0, |line| line.number))
}

/// Hands over each whole line from an octet on, without its end; where the last one ended.
fn each_line(path: &Path, from: u64, mut take: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut file = BufReader::new(file);
    let (mut at, mut line) = (from, Vec::new());
    loop {
        line.clear();
        let most = AUDIT_LINE_OCTETS_MAX as u64 + 1;
        let octets = file.by_ref().take(most).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(at);
        }
        at += octets as u64;
        take(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_on_what_is_not_there_put_out_nobody_elses() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(directory.path().join(BROADCASTS).join("bc-0")).expect("a folder");
        let mut found = Found::default();
        let line = |number: u64, name: &str| {
            format!(
                r#"{{"number":{number},"time":"t","actor":"a","act":"broadcast check {name}",
                "before":null,"after":null,"previous":""}}"#
            )
        };
        found.take(line(1, "bc-0").as_bytes(), directory.path());
        for number in 0..=NAMES_MAX as u64 {
            found.take(line(number + 2, &format!("bc-Z{number}")).as_bytes(), directory.path());
        }
        assert!(found.by_name.contains_key("bc-0") && found.by_name.len() <= NAMES_MAX);
    }

    #[test]
    fn of_more_than_are_remembered_many_go_at_once_and_the_oldest_of_those_that_are_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let folder = directory.path().join(BROADCASTS);
        let mut found = Found::default();
        for number in 0..=NAMES_MAX as u64 {
            let name = format!("bc-{number:05}");
            std::fs::create_dir_all(folder.join(&name)).expect("a folder");
            let line = format!(
                r#"{{"number":{},"time":"t","actor":"a","act":"broadcast check {name}",
                "before":null,"after":null,"previous":""}}"#,
                number + 1
            );
            found.take(line.as_bytes(), directory.path());
        }
        assert_eq!(found.by_name.len(), NAMES_LEFT, "the next look at folders is far away");
        let oldest = found.by_name.keys().next().expect("some");
        assert_eq!(*oldest, format!("bc-{:05}", NAMES_MAX + 1 - NAMES_LEFT));
    }
}
