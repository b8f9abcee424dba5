//! Where lists and broadcasts lie: a folder each, with a document and files that never change.
//!
//! A document is written beside the old one, synced, and renamed in its place: a crash leaves one
//! or the other.

use std::fs::{self, File};
use std::hash::BuildHasher as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use host::clock;
use host::reading::read_bounded;
use wire::json;

pub(super) const LISTS: &str = "lists";
pub(super) const BROADCASTS: &str = "broadcasts";
pub(super) const AREAS: &str = "areas";
const AREAS_DOCUMENT: &str = "areas.json";
pub(super) const TEMPLATES: &str = "templates";
const ANSWERS: &str = "answers";
const LIST_DOCUMENT: &str = "list.json";
const BROADCAST_DOCUMENT: &str = "broadcast.json";
const REPORT: &str = "report.json";
/// What says which ordinals were given.
pub(super) const ORDINALS: &str = "ordinals.json";
const OUTCOMES: &str = "outcomes";
/// How the name of a file ends that is there so that there is room.
pub(super) const ROOM: &str = "room";
/// How the name of a file ends that is being written.
pub(super) const PART: &str = "part";
/// A document of a broadcast may hold all of its texts.
const DOCUMENT_OCTETS_MAX: u64 = 64 << 20;

/// The folders in a data directory.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    data_dir: PathBuf,
}

impl Shelf {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned() }
    }

    pub(super) fn list(&self, list: &str) -> PathBuf {
        self.data_dir.join(LISTS).join(list)
    }

    pub(super) fn broadcast(&self, broadcast: &str) -> PathBuf {
        self.data_dir.join(BROADCASTS).join(broadcast)
    }

    /// The file of a list's version.
    pub(super) fn version(&self, list: &str, version: u32) -> PathBuf {
        self.list(list).join(format!("v{version:08}.list"))
    }

    /// The document of a broadcast.
    pub(super) fn broadcast_document(&self, broadcast: &str) -> PathBuf {
        self.broadcast(broadcast).join(BROADCAST_DOCUMENT)
    }

    /// The report that is kept when a broadcast's rows go.
    pub(super) fn report<T: DeserializeOwned>(&self, broadcast: &str) -> io::Result<T> {
        document(&self.broadcast(broadcast).join(REPORT))
    }

    pub(super) fn keep_report(&self, broadcast: &str, report: &impl Serialize) -> io::Result<()> {
        write(&self.broadcast(broadcast).join(REPORT), &octets_of(report)?)
    }

    /// The file of what became of a broadcast's rows.
    pub(super) fn outcomes(&self, broadcast: &str) -> PathBuf {
        self.broadcast(broadcast).join(OUTCOMES)
    }

    /// The room for that, while it is live.
    pub(super) fn outcomes_room(&self, broadcast: &str) -> PathBuf {
        self.broadcast(broadcast).join(OUTCOMES).with_extension(ROOM)
    }

    /// Makes room for the outcomes of so many rows: what a broadcast needs at its end is there from
    /// its start on.
    pub(super) fn make_outcomes_room(&self, broadcast: &str, rows: u64) -> io::Result<()> {
        let path = self.outcomes_room(broadcast);
        let file = File::options().write(true).create(true).truncate(false).open(&path)?;
        let made = make_room(&file, rows * 4 + 4).and_then(|()| file.sync_all());
        made.inspect_err(|_| drop(fs::remove_file(&path)))?;
        path.parent().map_or(Ok(()), sync)
    }

    /// Makes a new folder with its document; neither is there where that fails.
    pub(super) fn begin_list(&self, list: &str, document: &impl Serialize) -> io::Result<()> {
        let folder = self.list(list);
        let made = self.make(&folder).and_then(|()| self.keep_list(list, document));
        made.inspect_err(|_| drop(fs::remove_dir_all(folder)))
    }

    /// The same for a broadcast.
    pub(super) fn begin_broadcast(
        &self,
        broadcast: &str,
        document: &impl Serialize,
    ) -> io::Result<()> {
        let folder = self.broadcast(broadcast);
        let made = self.make(&folder).and_then(|()| self.keep_broadcast(broadcast, document));
        made.inspect_err(|_| drop(fs::remove_dir_all(folder)))
    }

    /// The folder of the catalogue of areas.
    pub(super) fn areas(&self) -> PathBuf {
        self.data_dir.join(AREAS)
    }

    /// What says which file of areas counts.
    pub(super) fn areas_loaded<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        let path = self.areas().join(AREAS_DOCUMENT);
        if path.exists() { document(&path).map(Some) } else { Ok(None) }
    }

    pub(super) fn keep_areas_loaded(&self, loaded: &impl Serialize) -> io::Result<()> {
        write(&self.areas().join(AREAS_DOCUMENT), &octets_of(loaded)?)
    }

    /// The folder of templates.
    pub(super) fn templates(&self) -> PathBuf {
        self.data_dir.join(TEMPLATES)
    }

    /// The folder of answers that were given.
    pub(super) fn answers(&self) -> PathBuf {
        self.data_dir.join(ANSWERS)
    }

    /// All templates.
    pub(super) fn all_templates<T: DeserializeOwned>(&self) -> io::Result<Vec<T>> {
        let entries = match fs::read_dir(self.templates()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            // A half written one has another ending.
            if path.extension().is_some_and(|extension| extension == "json") {
                found.push(document(&path)?);
            }
        }
        Ok(found)
    }

    pub(super) fn keep_template(&self, name: &str, document: &impl Serialize) -> io::Result<()> {
        write(&self.templates().join(format!("{name}.json")), &octets_of(document)?)
    }

    /// Makes a new folder.
    pub(super) fn make(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut at = folder;
        while let Some(parent) = at.parent()
            && at != self.data_dir
        {
            sync(parent)?;
            at = parent;
        }
        Ok(())
    }

    /// The lowest ordinal that no broadcast was given; 0 where nobody has written that down yet.
    pub(super) fn next_ordinal(&self) -> io::Result<u32> {
        let path = self.data_dir.join(BROADCASTS).join(ORDINALS);
        if path.exists() { document(&path) } else { Ok(0) }
    }

    pub(super) fn keep_next_ordinal(&self, next: u32) -> io::Result<()> {
        write(&self.data_dir.join(BROADCASTS).join(ORDINALS), &octets_of(&next)?)
    }

    /// Takes away what was being written when the engine died.
    pub(super) fn sweep(&self) {
        for folder in [LISTS, BROADCASTS].map(|name| self.data_dir.join(name)) {
            sweep_folder(&folder);
            let folders = fs::read_dir(folder).into_iter().flatten().flatten();
            folders.for_each(|folder| sweep_folder(&folder.path()));
        }
        let more = [self.areas(), self.templates(), self.answers()];
        more.iter().for_each(|folder| sweep_folder(folder));
    }

    /// The identifiers and documents of all lists.
    pub(super) fn lists<T: DeserializeOwned>(&self) -> io::Result<Vec<T>> {
        documents(&self.data_dir.join(LISTS), LIST_DOCUMENT)
    }

    /// The documents of all broadcasts.
    pub(super) fn broadcasts<T: DeserializeOwned>(&self) -> io::Result<Vec<T>> {
        documents(&self.data_dir.join(BROADCASTS), BROADCAST_DOCUMENT)
    }

    pub(super) fn keep_list(&self, list: &str, document: &impl Serialize) -> io::Result<()> {
        write(&self.list(list).join(LIST_DOCUMENT), &octets_of(document)?)
    }

    pub(super) fn keep_broadcast(
        &self,
        broadcast: &str,
        document: &impl Serialize,
    ) -> io::Result<()> {
        write(&self.broadcast_document(broadcast), &octets_of(document)?)
    }
}

/// A new file for reading and writing, under a name that nobody looks for. It goes when it gets no
/// other: on a full device what was not finished takes no room.
pub(super) struct Part {
    /// What is written.
    pub(super) file: File,
    name: PathBuf,
    to: PathBuf,
    /// What was not finished keeps its room.
    stays: bool,
}

impl Part {
    /// What is to stand at `path` once it is whole. Two of the same path are two files.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = path.with_extension(format!("{number}.{PART}"));
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&name)?;
        Ok(Self { file, name, to: path.to_owned(), stays: false })
    }

    /// As [`Self::of`], in the place of a file that is there for it, if it is.
    pub(super) fn in_room(room: &Path, path: &Path) -> io::Result<Self> {
        match File::options().read(true).write(true).open(room) {
            Ok(file) => {
                let (name, to) = (room.to_owned(), path.to_owned());
                Ok(Self { file, name, to, stays: true })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::of(path),
            Err(error) => Err(error),
        }
    }

    /// Gives the file, which was synced, its name.
    pub(super) fn keep(self) -> io::Result<()> {
        fs::rename(&self.name, &self.to)?;
        self.to.parent().map_or(Ok(()), sync)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.stays {
            // Under its new name it is not here any more.
            let _ = fs::remove_file(&self.name);
        }
    }
}

fn sweep_folder(folder: &Path) {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    for file in files.filter(|file| file.extension().is_some_and(|found| found == PART)) {
        // One that stays costs room and nothing else.
        let _ = fs::remove_file(file);
    }
}

/// Has the device keep so many octets for a file; where it cannot promise that, nobody does.
fn make_room(file: &File, octets: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, octets) {
        Err(Errno::OPNOTSUPP) => Ok(()),
        made => Ok(made?),
    }
}

/// Writes a whole file in the place of another.
pub(super) fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut part = Part::of(path)?;
    part.file.write_all(octets)?;
    part.file.sync_all()?;
    part.keep()
}

fn octets_of(document: &impl Serialize) -> io::Result<Vec<u8>> {
    simd_json::to_vec(document).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn documents<T: DeserializeOwned>(folder: &Path, name: &str) -> io::Result<Vec<T>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path().join(name);
        let text = match read_bounded(&path, DOCUMENT_OCTETS_MAX) {
            Ok(text) => text,
            // A folder without a document was being made when the engine died; a file is none.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            Err(error) => {
                let text = format!("{}: {error}", path.display());
                return Err(io::Error::new(error.kind(), text));
            }
        };
        found.push(of_text(&text, &path)?);
    }
    Ok(found)
}

fn document<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let text = read_bounded(path, DOCUMENT_OCTETS_MAX).map_err(io::Error::other)?;
    of_text(&text, path)
}

fn of_text<T: DeserializeOwned>(text: &str, path: &Path) -> io::Result<T> {
    json::read(&mut text.as_bytes().to_vec()).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
    })
}

/// An identifier that no other list or broadcast has: in the order of time, then by chance.
pub(super) fn new_identifier(prefix: &str) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let chance = std::hash::RandomState::new().hash_one(clock::monotonic_ns());
    let more = std::hash::RandomState::new().hash_one(chance);
    let number =
        u128::from(clock::unix_ms()) << 80 | u128::from(chance) << 16 | u128::from(more & 0xFFFF);
    let digit = |at: u32| char::from(DIGITS[(number >> (5 * at)) as usize & 31]);
    let digits: String = (0..26).rev().map(digit).collect();
    format!("{prefix}-{digits}")
}
