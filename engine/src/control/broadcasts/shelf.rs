//! Where lists and broadcasts lie: a folder each, with a document and files that never change.
//!
//! A document is written beside the old one, synced, and renamed in its place: a crash leaves one
//! or the other.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::BuildHasher as _;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::documents::BroadcastDocument;
use super::folders::{BROADCASTS, LISTS};
use super::list_documents::ListDocument;
pub(super) use super::whole_file::{Part, is_left, sync, write};
use host::clock;
use host::reading::read_bounded;
use wire::json;

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
const FORGOTTEN: &str = "forgotten";
/// What the names of files of recipients begin with.
pub(super) const RECIPIENTS: &str = "recipients";
/// How the names of what is kept beside a version's rows end.
const ACCOUNT: &str = "account";
const REFUSED: &str = "refused";
/// How a file begins that says that an import is under way.
const IMPORTING: &str = "importing";
/// How a folder ends that is being removed.
const REMOVED: &str = "removed";
/// How the name of a file ends that is there so that there is room.
pub(super) const ROOM: &str = "room";
/// So many octets of the device are left to others where room is made for a broadcast's end.
const LEFT_FREE_OCTETS: u64 = 8 << 20;
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

    /// What became of the lines of the file that a version is of.
    pub(super) fn account(&self, list: &str, version: u32) -> PathBuf {
        self.version(list, version).with_extension(ACCOUNT)
    }

    /// The lines of it that are no rows, as a table.
    pub(super) fn refused_lines(&self, list: &str, version: u32) -> PathBuf {
        self.version(list, version).with_extension(REFUSED)
    }

    /// What is kept of a file beside its rows.
    pub(super) fn keep_account(
        &self,
        (list, version): (&str, u32),
        account: &impl Serialize,
        refused: &str,
    ) -> io::Result<()> {
        write(&self.account(list, version), &octets_of(account)?)?;
        write(&self.refused_lines(list, version), refused.as_bytes())
    }

    pub(super) fn read_account<T: DeserializeOwned>(
        &self,
        list: &str,
        version: u32,
    ) -> io::Result<T> {
        document(&self.account(list, version))
    }

    /// Removes all of a version; what cannot be costs room and nothing else.
    pub(super) fn remove_version(&self, list: &str, version: u32) {
        let files = [
            self.version(list, version),
            self.account(list, version),
            self.refused_lines(list, version),
        ];
        files.iter().for_each(|file| drop(fs::remove_file(file)));
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

    /// What is to stand in its place, as one of the rows is forgotten.
    pub(super) fn other_outcomes(&self, broadcast: &str) -> PathBuf {
        self.broadcast(broadcast).join(OUTCOMES).with_extension(FORGOTTEN)
    }

    pub(super) fn write_other_outcomes(&self, broadcast: &str, words: &[u32]) -> io::Result<()> {
        write(&self.other_outcomes(broadcast), &octets_of_outcomes(words))
    }

    pub(super) fn use_other_outcomes(&self, broadcast: &str) -> io::Result<()> {
        fs::rename(self.other_outcomes(broadcast), self.outcomes(broadcast))?;
        sync(&self.broadcast(broadcast))
    }

    /// Removes files of recipients that a document does not name.
    pub(super) fn remove_other_recipients(&self, document: &BroadcastDocument) {
        let own = document.check.as_ref().map(|check| check.file.as_str());
        let files = fs::read_dir(self.broadcast(&document.broadcast)).into_iter().flatten();
        for file in files.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with(RECIPIENTS) && Some(name.as_str()) != own {
                let _ = fs::remove_file(file.path());
            }
        }
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

    /// All templates that can be read, and why others cannot.
    pub(super) fn all_templates<T: DeserializeOwned>(&self) -> io::Result<(Vec<T>, Vec<String>)> {
        let entries = match fs::read_dir(self.templates()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
            Err(error) => return Err(error),
        };
        let (mut found, mut damaged) = (Vec::new(), Vec::new());
        for entry in entries {
            let path = entry?.path();
            // A half written one has another ending.
            if path.extension().is_some_and(|extension| extension == "json") {
                match document(&path) {
                    Ok(template) => found.push(template),
                    Err(error) => damaged.push(error.to_string()),
                }
            }
        }
        Ok((found, damaged))
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
        for folders in [LISTS, BROADCASTS] {
            let folders = fs::read_dir(self.data_dir.join(folders)).into_iter().flatten().flatten();
            for folder in folders.map(|folder| folder.path()).filter(|folder| folder.is_dir()) {
                // One that was being removed when the engine died, or made.
                if is_left_over(&folder) {
                    let _ = fs::remove_dir_all(folder);
                }
            }
        }
        let more = [self.areas(), self.templates(), self.answers()];
        more.iter().for_each(|folder| sweep_folder(folder));
    }

    /// Removes a folder with all that is in it: from one moment to the next nothing of it counts.
    pub(super) fn remove(&self, folder: &Path) -> io::Result<()> {
        let removed = folder.with_extension(REMOVED);
        fs::rename(folder, &removed)?;
        // What stays of it goes at the next start.
        let _ = fs::remove_dir_all(removed);
        folder.parent().map_or(Ok(()), sync)
    }

    /// Says that an import into a list is under way, until it is dropped.
    pub(super) fn mark_import(&self, list: &str) -> io::Result<Part> {
        Part::of(&self.list(list).join(IMPORTING))
    }

    /// The documents of all lists.
    pub(super) fn lists(&self) -> io::Result<Found<ListDocument>> {
        documents::<ListDocument>(&self.data_dir.join(LISTS), LIST_DOCUMENT, |list| &list.list)
    }

    /// The documents of all broadcasts.
    pub(super) fn broadcasts(&self) -> io::Result<Found<BroadcastDocument>> {
        let folder = self.data_dir.join(BROADCASTS);
        documents::<BroadcastDocument>(&folder, BROADCAST_DOCUMENT, |document| &document.broadcast)
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

fn sweep_folder(folder: &Path) {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    for file in files.filter(|file| is_left(file)) {
        // One that stays costs room and nothing else.
        let _ = fs::remove_file(file);
    }
}

/// The lists into which an import was under way when the engine died, each as often as it was. To
/// be asked before the desk is opened, which takes that away.
pub fn interrupted_imports(data_dir: &Path) -> Vec<String> {
    let folders = fs::read_dir(data_dir.join(LISTS)).into_iter().flatten().flatten();
    let of_list = |folder: fs::DirEntry| {
        let names = names_in(&folder.path()).unwrap_or_default();
        let marks = names.iter().filter(|name| name.starts_with(IMPORTING)).count();
        vec![folder.file_name().to_string_lossy().into_owned(); marks]
    };
    folders.flat_map(of_list).collect()
}

fn is_removed(folder: &Path) -> bool {
    folder.extension().is_some_and(|found| found == REMOVED)
}

fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let files = fs::read_dir(folder)?;
    Ok(files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect())
}

/// Whether a folder has no more than a draft's dry run without the draft.
fn is_left_over(folder: &Path) -> bool {
    let is_of_draft = |names: Vec<String>| names.iter().all(|name| name.starts_with(RECIPIENTS));
    is_removed(folder) || names_in(folder).is_ok_and(is_of_draft)
}

/// Whether a folder has what stands beside a document: somebody may bring that back.
fn has_own_files(folder: &Path) -> bool {
    let is_own = |name: &String| {
        let of_list = [".list", ".account", ".refused"];
        name.starts_with(OUTCOMES) || of_list.iter().any(|end| name.ends_with(end))
    };
    !is_removed(folder) && names_in(folder).unwrap_or_default().iter().any(is_own)
}

/// Has the device keep so many octets for a file; where it cannot promise that, nobody does. Where
/// little would be left for others, nothing is taken: a device gives what it has piece by piece,
/// and whoever writes meanwhile would find none.
fn make_room(file: &File, octets: u64) -> io::Result<()> {
    let has = file.metadata()?.len();
    let device = fstatvfs(file)?;
    let free = device.f_bavail.saturating_mul(device.f_frsize);
    let leaves = free.saturating_sub(octets.saturating_sub(has));
    if has < octets && leaves < LEFT_FREE_OCTETS {
        let sentence = format!("{free} octets are free, and others need {LEFT_FREE_OCTETS}");
        return Err(io::Error::new(io::ErrorKind::StorageFull, sentence));
    }
    match fallocate(file, FallocateFlags::empty(), 0, octets) {
        Err(Errno::OPNOTSUPP) => Ok(()),
        made => Ok(made?),
    }
}

/// The words of all rows as they are kept: with a checksum behind them.
pub(super) fn octets_of_outcomes(words: &[u32]) -> Vec<u8> {
    let mut octets: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let checksum = crc32c::crc32c(&octets);
    octets.extend_from_slice(&checksum.to_le_bytes());
    octets
}

fn octets_of(document: &impl Serialize) -> io::Result<Vec<u8>> {
    simd_json::to_vec(document).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Documents, and those that cannot be read: the names of their folders, and why.
pub(super) struct Found<T> {
    pub(super) documents: Vec<T>,
    pub(super) damaged: BTreeMap<String, String>,
}

impl<T> Found<T> {
    /// All of them.
    ///
    /// # Errors
    /// One cannot be read.
    pub(super) fn whole(self) -> io::Result<Vec<T>> {
        match self.damaged.into_values().next() {
            None => Ok(self.documents),
            Some(why) => Err(io::Error::new(io::ErrorKind::InvalidData, why)),
        }
    }
}

/// The documents in the folders of a folder, each read by itself: one that is damaged keeps no
/// other from being read. `own` is the name of the folder that a document belongs in.
fn documents<T: DeserializeOwned>(
    folder: &Path,
    name: &str,
    own: fn(&T) -> &str,
) -> io::Result<Found<T>> {
    let mut found = Found { documents: Vec::new(), damaged: BTreeMap::new() };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let (of, path) =
            (entry.file_name().to_string_lossy().into_owned(), entry.path().join(name));
        // A folder without a document is somebody else's, unless it has what stands beside one; a
        // file is none.
        let is_none = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => !has_own_files(&entry.path()),
            kind => kind == io::ErrorKind::NotADirectory,
        };
        let document = match read_bounded(&path, DOCUMENT_OCTETS_MAX) {
            Err(error) if is_none(&error) => continue,
            Err(error) => Err(format!("{}: {error}", path.display())),
            Ok(text) => of_text::<T>(&text, &path).map_err(|error| error.to_string()),
        };
        let document = document.and_then(|document| {
            if own(&document) == of {
                return Ok(document);
            }
            Err(format!("{}: it is the document of {}", path.display(), own(&document)))
        });
        match document {
            Ok(document) => found.documents.push(document),
            Err(why) => drop(found.damaged.insert(of, why)),
        }
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
