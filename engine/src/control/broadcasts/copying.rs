//! Lists and broadcasts in a copy of a data directory, while an engine may be at work in it.
//!
//! They are copied before the journals: what was started by then has its records there. What ended
//! while the journals were copied may have none any more, so its end is copied once more behind
//! them. What was started meanwhile stays the draft that it was: a copy starts nothing that it does
//! not know the fate of.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::documents::Stage;
use super::folders::{BROADCASTS, LISTS};
use super::shelf::{AREAS, ORDINALS, ROOM, Shelf, TEMPLATES, is_left};

/// How deep folders stand there.
const DEPTH_MAX: usize = 3;

/// What was copied in front of the journals.
#[derive(Debug)]
pub struct CopiedBroadcasts {
    /// Octets of all files.
    pub octets: u64,
    started: Vec<String>,
}

/// Copies lists and broadcasts, before the journals are.
///
/// # Errors
/// What the system says.
pub fn copy_broadcasts(data_dir: &Path, target: &Path) -> io::Result<CopiedBroadcasts> {
    let mut octets = 0;
    for folder in [LISTS, BROADCASTS, AREAS, TEMPLATES] {
        octets += copy_folder(&data_dir.join(folder), &target.join(folder), 0)?;
    }
    let documents = Shelf::new(target).broadcasts()?.documents;
    let started = documents.into_iter().filter(|document| document.stage == Stage::Started);
    let started = started.map(|document| document.broadcast).collect();
    Ok(CopiedBroadcasts { octets, started })
}

/// Copies the ends of those that ended meanwhile; more octets.
///
/// # Errors
/// What the system says.
pub fn copy_ends(data_dir: &Path, target: &Path, copied: &CopiedBroadcasts) -> io::Result<u64> {
    let mut octets = 0;
    // Of ordinals that were given meanwhile the journals have something: they are not given again.
    let [from, to] = [data_dir, target].map(|place| place.join(BROADCASTS).join(ORDINALS));
    if from.exists() {
        fs::create_dir_all(target.join(BROADCASTS))?;
        octets += fs::copy(&from, &to)?;
        File::open(&to)?.sync_all()?;
    }
    for broadcast in &copied.started {
        let [from, to] = [data_dir, target].map(|place| Shelf::new(place).broadcast(broadcast));
        // Once more: a document may name a file that was not there when the folder was listed.
        octets += copy_folder(&from, &to, 1)? + copy_folder(&from, &to, 1)?;
    }
    Ok(octets)
}

/// Whether a file is there already. All but documents never change.
fn is_copied(from: &Path, to: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).map(|found| found.len());
    let is_document = from.extension().is_some_and(|extension| extension == "json");
    let (Ok(wanted), Ok(found)) = (length(from), length(to)) else { return false };
    !is_document && wanted == found
}

/// Copies a folder that may not be there. A document is read as a whole, the old one or the new
/// one; a file that goes meanwhile is not needed, and one without its name yet is none.
fn copy_folder(from: &Path, to: &Path, depth: usize) -> io::Result<u64> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    fs::create_dir_all(to)?;
    let mut octets = 0;
    for entry in entries {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if is_left(&path) || path.extension().is_some_and(|extension| extension == ROOM) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            octets += if depth < DEPTH_MAX { copy_folder(&path, &target, depth + 1)? } else { 0 };
            continue;
        }
        if is_copied(&path, &target) {
            continue;
        }
        octets += match fs::copy(&path, &target) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        File::open(&target)?.sync_all()?;
    }
    File::open(to)?.sync_all()?;
    Ok(octets)
}
