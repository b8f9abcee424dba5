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
    /// `YYYYMM` of its last line.
    month: String,
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
            found.push(directory.join(&*name));
        }
    }
    found.sort();
    let current = directory.join(FILE_NAME);
    if current.exists() {
        found.push(current);
    }
    Ok(found)
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
        let month = time[..4].to_owned() + &time[5..7];
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
        self.octets += line.len() as u64;
        self.month = self.month.clone().max(month);
        self.head = Head { lines: number, last_sha256 };
        Ok(())
    }

    /// The file, made if there is none.
    fn file(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            let path = self.path();
            let is_new = !path.exists();
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(path)?;
            // What lies beyond the whole lines is what a crash left of one that was never answered.
            file.set_len(self.octets)?;
            if is_new {
                sync_directory(&self.directory)?;
            }
            self.file = Some(file);
        }
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The month is over: the file gets its name, and the next line begins another.
    fn put_away(&mut self) -> io::Result<()> {
        let name = |more: &str| self.directory.join(format!("audit-{}{more}.jsonl", self.month));
        let taken = |path: &PathBuf| path.exists();
        // A clock that was set back and forth may have closed the month before.
        let names = std::iter::once(String::new()).chain((1..).map(|more| format!("+{more}")));
        let to = names.map(|more| name(&more)).find(|path| !taken(path));
        fs::rename(self.path(), to.ok_or(io::ErrorKind::AlreadyExists)?)?;
        sync_directory(&self.directory)?;
        (self.file, self.octets) = (None, 0);
        Ok(())
    }

    /// Finds where the whole lines of the file end, and takes in those that the registry does not
    /// know yet.
    fn read_end(&mut self) -> io::Result<()> {
        let text = match fs::read(self.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let whole = text.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        self.octets = whole as u64;
        for line in text[..whole].split(|octet| *octet == b'\n') {
            let Ok(read) = json::read::<AuditLine>(&mut line.to_vec()) else { continue };
            if read.time.len() > 7 {
                self.month = read.time[..4].to_owned() + &read.time[5..7];
            }
            if read.number == self.head.lines + 1
                && read.previous == super::hex(&self.head.last_sha256)
            {
                self.head = Head { lines: read.number, last_sha256: Sha256::digest(line).into() };
            }
        }
        Ok(())
    }
}
