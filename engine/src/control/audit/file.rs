//! The audit's file that is written: whole lines, synced; a new one each month.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Act, AuditKnown, AuditLine, Head};
use crate::control::limits::AUDIT_LINE_OCTETS_MAX;
use host::directory::sync_directory;
use wire::json;
use wire::terms::calendar;
use wire::terms::time::WallMs;

/// The file of the month that runs.
pub const FILE_NAME: &str = "audit.jsonl";

/// What is wrong with a file that another one stands in place of.
const REPLACED: &str = "another file has been put in its place: put the engine's own back";
/// What is wrong with one that is gone.
const MOVED: &str = "it was moved away: put it back";
/// What is wrong with one that is shorter than what was written to it.
const CUT: &str = "it was cut: put its lines back";

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
    /// The last line, where its act was not done.
    undone: Option<AuditLine>,
    /// Its last line is not the one that the registry knows.
    is_broken_off: bool,
}

/// A line that may follow: the registry is told its hash before it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NextLine {
    text: String,
    month: String,
    head: Head,
}

impl NextLine {
    /// How much there is once it stands.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The line, with its end.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
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
    /// Opens the audit of a data directory. `known` is what the registry knows of it. One line
    /// beyond that, which a crash left there, is taken in where it is the one that the registry was
    /// told of.
    ///
    /// # Errors
    /// When the file cannot be read or mended.
    pub fn open(directory: &Path, known: AuditKnown) -> Result<Self, AuditError> {
        let mut log = Self {
            directory: directory.to_owned(),
            file: None,
            octets: 0,
            month: String::new(),
            first: 0,
            head: known.head,
            undone: None,
            is_broken_off: false,
        };
        let path = log.path();
        log.read_end(known).map_err(|source| AuditError { path, source })?;
        Ok(log)
    }

    /// How much there is.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Whether it ends otherwise than the registry knows: lines were cut, put there, or are in a
    /// file that is gone. What follows goes on from what the registry knows, so it shows.
    pub fn is_broken_off(&self) -> bool {
        self.is_broken_off
    }

    /// The line of an act that was not done, because the engine ended before; once.
    pub fn take_undone(&mut self) -> Option<AuditLine> {
        self.undone.take()
    }

    /// The line of an act as it would follow now.
    pub fn next(&self, now_ms: WallMs, actor: &str, act: &Act) -> NextLine {
        let time = calendar::jst_text(now_ms.ms());
        let number = self.head.lines + 1;
        let mut text = act.line(number, &time, actor, &self.head.last_sha256);
        if text.len() > AUDIT_LINE_OCTETS_MAX {
            // What an act shows is bounded where it is made; no reader takes a longer line.
            let what = &act.what[..act.what.floor_char_boundary(1_000)];
            text = Act::new(what).line(number, &time, actor, &self.head.last_sha256);
        }
        let head = Head { lines: number, last_sha256: Sha256::digest(text.as_bytes()).into() };
        text.push('\n');
        NextLine { text, month: month_of(&time).unwrap_or_default(), head }
    }

    /// Writes a line and syncs it; how much there is with it.
    ///
    /// # Errors
    /// Nothing was written then: the act may not be done.
    pub fn append(&mut self, next: NextLine) -> Result<Head, AuditError> {
        let path = self.path();
        self.write(next).map_err(|source| {
            self.file = None;
            AuditError { path, source }
        })?;
        Ok(self.head)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }

    fn write(&mut self, next: NextLine) -> io::Result<()> {
        if self.octets > 0 && next.month > self.month {
            if let Some(file) = &self.file {
                self.check_still_there(file)?;
            }
            self.put_away()?;
        }
        let octets = self.octets;
        let file = self.file()?;
        let written =
            file.write_all_at(next.text.as_bytes(), octets).and_then(|()| file.sync_data());
        if let Err(error) = written {
            let _ = file.set_len(octets);
            return Err(error);
        }
        if self.octets == 0 {
            self.first = next.head.lines;
        }
        self.octets += next.text.len() as u64;
        self.month = self.month.clone().max(next.month);
        self.head = next.head;
        Ok(())
    }

    /// The file, made if there is none yet. It has to be the one that was written before, as long
    /// as it was left: a line behind other octets, or in a file without a name, is no evidence.
    fn file(&mut self) -> io::Result<&File> {
        if let Some(file) = &self.file {
            self.check_still_there(file)?;
        } else {
            let path = self.path();
            let mut options = OpenOptions::new();
            options.write(true).create(self.octets == 0).truncate(false).mode(0o600);
            let file = options.open(path)?;
            if file.metadata()?.len() < self.octets {
                return Err(io::Error::other(CUT));
            }
            // What lies beyond the whole lines is what a crash left of one that was never answered.
            file.set_len(self.octets)?;
            // However it came there: whoever made it may have failed before its name was kept.
            sync_directory(&self.directory)?;
            self.file = Some(file);
        }
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether the name still leads to the open file, with all that was written to it. Where the
    /// whole directory is gone there is no better place than the open file.
    fn check_still_there(&self, file: &File) -> io::Result<()> {
        let named = match fs::metadata(self.path()) {
            // The engine tells of that itself: it takes no push, and ends for good when it ends.
            Err(_) if !self.directory.exists() => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(io::Error::other(MOVED));
            }
            named => named?,
        };
        let open = file.metadata()?;
        if (named.dev(), named.ino()) != (open.dev(), open.ino()) {
            return Err(io::Error::other(REPLACED));
        }
        if open.len() < self.octets {
            return Err(io::Error::other(CUT));
        }
        Ok(())
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

    /// Finds where the whole lines of the file end, and what its month is. Reads no more of it than
    /// its ends: a month may have millions of lines.
    fn read_end(&mut self, known: AuditKnown) -> io::Result<()> {
        let all = files(&self.directory)?;
        let put_away: Vec<&PathBuf> = all.iter().filter(|path| **path != self.path()).collect();
        let names = put_away.iter().filter_map(|path| month_in_name(path));
        self.month = names.max().unwrap_or_default();
        let mut end = match File::open(self.path()) {
            Ok(file) => FileEnd::read(&file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => FileEnd::default(),
            Err(error) => return Err(error),
        };
        self.octets = end.octets;
        if let Some(first) = &end.first {
            self.first = first.number;
            self.month = month_of(&first.time).unwrap_or_default().max(self.month.clone());
        }
        if end.last.is_empty()
            && let Some(before) = put_away.last()
        {
            end = FileEnd::read(&File::open(before)?)?;
        }
        let last_sha256: [u8; 32] = Sha256::digest(&end.last).into();
        if known.next_sha256 == Some(last_sha256) {
            self.head = Head { lines: known.head.lines + 1, last_sha256 };
            self.undone = json::read(&mut end.last).ok();
        } else {
            self.is_broken_off = known.head.lines > 0 && known.head.last_sha256 != last_sha256;
        }
        Ok(())
    }
}

/// Takes what stands behind the line of this number out of a copy of an audit: an engine may have
/// gone on while it was copied.
///
/// # Errors
/// When a file cannot be read or written.
pub fn cut_behind(directory: &Path, number: u64) -> io::Result<()> {
    while let Some(path) = files(directory)?.pop() {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let mut end = FileEnd::read(&file)?;
        while end.octets > 0 {
            let is_behind = json::read::<AuditLine>(&mut end.last.clone())
                .is_ok_and(|last| last.number > number);
            if is_behind {
                end.octets -= end.last.len() as u64 + 1;
            }
            file.set_len(end.octets)?;
            if !is_behind {
                return file.sync_all();
            }
            end = FileEnd::read(&file)?;
        }
        fs::remove_file(path)?;
    }
    Ok(())
}

/// What the ends of a file say.
#[derive(Default)]
struct FileEnd {
    /// Octets of its whole lines.
    octets: u64,
    first: Option<AuditLine>,
    /// Its last whole line, without its end.
    last: Vec<u8>,
}

impl FileEnd {
    fn read(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut first = Vec::new();
        let longest = AUDIT_LINE_OCTETS_MAX as u64 + 1;
        BufReader::new(file).take(longest).read_until(b'\n', &mut first)?;
        let first = json::read(&mut first).ok();
        // A line that a crash cut, and the whole one before it.
        let from = length.saturating_sub(2 * longest);
        let mut tail = vec![0; (length - from) as usize];
        file.read_exact_at(&mut tail, from)?;
        let Some(end) = tail.iter().rposition(|octet| *octet == b'\n') else {
            return Ok(Self { octets: 0, first: None, last: Vec::new() });
        };
        let begin = tail[..end].iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        Ok(Self { octets: from + end as u64 + 1, first, last: tail[begin..end].to_vec() })
    }
}

/// The month of `audit-YYYYMM-NUMBER.jsonl`.
fn month_in_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    name.split('-').nth(1).map(str::to_owned)
}
