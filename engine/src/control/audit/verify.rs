//! Reads the whole audit and says where it is not what was written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{AuditKnown, AuditLine, Head, file, hex};
use crate::control::limits::{AUDIT_FAULTS_MAX, AUDIT_LINE_OCTETS_MAX};
use wire::json;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Whole lines that were read.
    pub lines: u64,
    /// Files that were read.
    pub files: usize,
    /// What is amiss, a sentence each, up to a bound; none: nothing is.
    pub faults: Vec<String>,
}

/// Where the chain stands.
struct Chain {
    at: Head,
    known: AuditKnown,
    verdict: Verdict,
}

/// Checks every line against the one before it, and the end against what the registry knows.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(directory: &Path, known: AuditKnown) -> io::Result<Verdict> {
    let mut chain = Chain { at: Head::default(), known, verdict: Verdict::default() };
    for path in file::files(directory)? {
        chain.verdict.files += 1;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut file = BufReader::new(File::open(&path)?);
        for place in 1_u64.. {
            let mut line = Vec::new();
            let octets = AUDIT_LINE_OCTETS_MAX as u64 + 1;
            if file.by_ref().take(octets).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            chain.follow(&format!("{name} line {place}"), line);
            if chain.verdict.faults.len() >= AUDIT_FAULTS_MAX {
                return Ok(chain.verdict);
            }
        }
    }
    Ok(chain.end())
}

/// Checks lines that were taken out of the audit, with the number and the SHA-256 in hexadecimal of
/// the line that was its last then, against what stands there now.
///
/// # Errors
/// When a file cannot be read.
pub fn verify_extract(
    directory: &Path,
    (lines, digest): (u64, &str),
    extract: &[String],
) -> io::Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut wanted: BTreeMap<u64, &str> = BTreeMap::new();
    for line in extract {
        match json::read::<AuditLine>(&mut line.clone().into_bytes()) {
            Ok(read) if read.number <= lines => drop(wanted.insert(read.number, line)),
            Ok(read) => {
                faults.push(format!("line {} is behind the end of the extract", read.number))
            }
            Err(error) => {
                faults.push(format!("a line of the extract is no line of an audit: {error}"))
            }
        }
    }
    let mut number = 0;
    for path in file::files(directory)? {
        let mut file = BufReader::new(File::open(&path)?);
        let mut line = Vec::new();
        let octets = AUDIT_LINE_OCTETS_MAX as u64 + 1;
        while number < lines && file.by_ref().take(octets).read_until(b'\n', &mut line)? > 0 {
            number += 1;
            let end = line.len() - usize::from(line.ends_with(b"\n"));
            let is_other = |told: &str| told.as_bytes() != &line[..end];
            if wanted.remove(&number).is_some_and(is_other) {
                faults.push(format!("line {number} is not what the extract says it was"));
            }
            if number == lines && hex(&Sha256::digest(&line[..end])) != digest {
                faults.push(format!("line {number} is not the last line that the extract names"));
            }
            line.clear();
        }
    }
    if number < lines {
        faults.push(format!("the audit has {number} lines, and the extract was made of {lines}"));
    }
    faults.truncate(AUDIT_FAULTS_MAX);
    Ok(faults)
}

impl Chain {
    fn fault(&mut self, sentence: String) {
        self.verdict.faults.push(sentence);
    }

    /// Takes the next line, its end included.
    fn follow(&mut self, place: &str, mut line: Vec<u8>) {
        if line.pop() != Some(b'\n') {
            return self.fault(format!("{place} has no end: it was cut, or is longer than any"));
        }
        let sha256: [u8; 32] = Sha256::digest(&line).into();
        self.verdict.lines += 1;
        let expected = self.at.lines.saturating_add(1);
        let number = match json::read_exact::<AuditLine>(&mut line) {
            Ok(read) if read.number == expected && read.previous == hex(&self.at.last_sha256) => {
                expected
            }
            Ok(read) if read.number == expected => {
                self.fault(format!(
                    "{place} does not follow on the line before it: one of them was changed"
                ));
                expected
            }
            Ok(read) => {
                let number = read.number;
                self.fault(format!(
                    "{place} is number {number} where {expected} must stand: lines are missing"
                ));
                number
            }
            Err(error) => {
                self.fault(format!("{place} is no line of an audit ({error})"));
                expected
            }
        };
        self.at = Head { lines: number, last_sha256: sha256 };
        let known = self.known.head;
        if number == known.lines && sha256 != known.last_sha256 {
            self.fault(format!(
                "{place} is not what the registry knows as the last line: it was changed"
            ));
        }
        if number > known.lines
            && (number > known.lines.saturating_add(1) || self.known.next_sha256 != Some(sha256))
        {
            self.fault(format!("{place} is none that the registry knows of: it was put there"));
        }
    }

    fn end(mut self) -> Verdict {
        let known = self.known.head.lines;
        if self.at.lines < known {
            self.fault(format!(
                "the audit ends with line {} and the registry knows {known}: its end was cut",
                self.at.lines
            ));
        }
        self.verdict
    }
}
