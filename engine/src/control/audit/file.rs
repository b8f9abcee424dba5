//! The audit's file that is written: whole lines, synced; a new one each month.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Act, AuditLine, Head};
use crate::control::limits::AUDIT_LINE_OCTETS_MAX;
use host::directory::sync_directory;
use wire::json;
use wire::terms::calendar;

/// The file of the month that runs.
pub const FILE_NAME: &str = "audit.jsonl";

/// Why an act was refused: its line could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "the audit {} cannot be written ({source}), and nothing is done without it: free some space on \
     the device or correct the file's permissions, then try again",
    path.display()
)]
pub struct AuditError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The audit, open for more.
pub struct AuditLog {
    directory: PathBuf,
    file: Option<File>,
    /// Octets of the whole lines in it.
    octets: u64,
    /// `YYYYMM`, the latest of all lines: a clock that is set back begins no month again.
    month: String,
    /// Number of its first line; 0 where it has none.
    first: u64,
    head: Head,
}

/// The audit's files in `directory`, in the order of their lines.
///
/// # Errors
/// When the directory cannot be read.
pub fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("audit-") && name.ends_with(".jsonl") {
            found.push((first_line(&name), directory.join(&*name)));
        }
    }
    found.sort();
    let mut found: Vec<PathBuf> = found.into_iter().map(|(_, path)| path).collect();
    let current = directory.join(FILE_NAME);
    if current.exists() {
        found.push(current);
    }
    Ok(found)
}

/// The number in `audit-YYYYMM-NUMBER.jsonl`; 0 in another name.
fn first_line(name: &str) -> u64 {
    let number = name.strip_suffix(".jsonl").and_then(|name| name.split('-').nth(2));
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// `YYYYMM` of a line's time, if it begins as a time does.
fn month_of(time: &str) -> Option<String> {
    Some(time.get(..4)?.to_owned() + time.get(5..7)?)
}

impl AuditLog {
    /// Opens the audit of a data directory. `head` is what the registry knows of it; lines beyond
    /// that, which a crash left there, are taken in where they follow on it.
    ///
    /// # Errors
    /// When the file cannot be read or mended.
    pub fn open(directory: &Path, head: Head) -> Result<Self, AuditError> {
        let mut log = Self {
            directory: directory.to_owned(),
            file: None,
            octets: 0,
            month: String::new(),
            first: 0,
            head,
        };
        let path = log.path();
        log.read_end().map_err(|source| AuditError { path, source })?;
        Ok(log)
    }

    /// Writes the line of an act and syncs it; how much there is with it.
    ///
    /// # Errors
    /// Nothing was written then: the act may not be done.
    pub fn append(&mut self, now_ms: u64, actor: &str, act: &Act) -> Result<Head, AuditError> {
        let path = self.path();
        self.write(now_ms, actor, act).map_err(|source| {
            self.file = None;
            AuditError { path, source }
        })?;
        Ok(self.head)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }

    fn write(&mut self, now_ms: u64, actor: &str, act: &Act) -> io::Result<()> {
        let time = calendar::jst_text(now_ms);
        let month = month_of(&time).ok_or(io::ErrorKind::InvalidData)?;
        if self.octets > 0 && month > self.month {
            self.put_away()?;
        }
        let number = self.head.lines + 1;
        let mut line = act.line(number, &time, actor, &self.head.last_sha256);
        if line.len() > AUDIT_LINE_OCTETS_MAX {
            // What an act shows is bounded where it is made; no reader takes a longer line.
            line = Act::new(&act.what[..act.what.floor_char_boundary(1_000)]).line(
                number,
                &time,
                actor,
                &self.head.last_sha256,
            );
        }
        let last_sha256 = Sha256::digest(line.as_bytes()).into();
        line.push('\n');
        let octets = self.octets;
        let file = self.file()?;
        let written = file.write_all_at(line.as_bytes(), octets).and_then(|()| file.sync_data());
        if let Err(error) = written {
            let _ = file.set_len(octets);
            return Err(error);
        }
        if self.octets == 0 {
            self.first = number;
        }
        self.octets += line.len() as u64;
        self.month = self.month.clone().max(month);
        self.head = Head { lines: number, last_sha256 };
        Ok(())
    }

    /// The file, made if there is none.
    fn file(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            let path = self.path();
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(path)?;
            // What lies beyond the whole lines is what a crash left of one that was never answered.
            file.set_len(self.octets)?;
            // However it came there: whoever made it may have failed before its name was kept.
            sync_directory(&self.directory)?;
            self.file = Some(file);
        }
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The month is over: the file gets its name, and the next line begins another.
    fn put_away(&mut self) -> io::Result<()> {
        let name = format!("audit-{}-{}.jsonl", self.month, self.first);
        let to = self.directory.join(name);
        if to.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(self.path(), to)?;
        (self.file, self.octets, self.first) = (None, 0, 0);
        sync_directory(&self.directory)
    }

    /// Finds where the whole lines of the file end, and takes in those that the registry does not
    /// know yet; they may begin in the file before it.
    fn read_end(&mut self) -> io::Result<()> {
        let put_away = files(&self.directory)?.into_iter().rfind(|path| *path != self.path());
        if let Some(before) = put_away {
            self.take_in(&fs::read(before)?);
        }
        let text = match fs::read(self.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        (self.first, self.octets) = self.take_in(&text);
        Ok(())
    }

    /// Reads the lines of a file: the number of its first, and the octets of all whole ones.
    fn take_in(&mut self, text: &[u8]) -> (u64, u64) {
        let whole = text.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        let mut first = 0;
        for line in text[..whole].split(|octet| *octet == b'\n') {
            let Ok(read) = json::read::<AuditLine>(&mut line.to_vec()) else { continue };
            if let Some(month) = month_of(&read.time).filter(|month| *month > self.month) {
                self.month = month;
            }
            if first == 0 {
                first = read.number;
            }
            if read.number == self.head.lines + 1
                && read.previous == super::hex(&self.head.last_sha256)
            {
                self.head = Head { lines: read.number, last_sha256: Sha256::digest(line).into() };
            }
        }
        (first, whole as u64)
    }
}
