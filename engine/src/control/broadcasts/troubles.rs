//! What of broadcasts cannot be read: for probes, while an engine runs, and for `doctor`, from the
//! files alone.
//!
//! **Never here:** a change of anything.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::desk::BroadcastDesk;
use super::list_documents::ListDocument;
use super::memory::{SUPPRESSION, newest_suppressing};
use super::shelf::Shelf;
use super::standing::DAMAGED_REMEDY;
use crate::broadcast::lists::view::ListView;
use host::mapped::Mapped;

/// Sentences that are told; what is more is counted.
const TOLD_MAX: usize = 8;

fn damaged(what: &str, found: &BTreeMap<String, String>) -> Vec<String> {
    let sentence = |(name, why): (&String, &String)| format!("the {what} {name}: {why}");
    found.iter().map(sentence).collect()
}

/// The first of many, and how many more there are.
fn shortened(mut sentences: Vec<String>) -> Vec<String> {
    let more = sentences.len().saturating_sub(TOLD_MAX);
    sentences.truncate(TOLD_MAX);
    if more > 0 {
        sentences.push(format!("{more} more"));
    }
    sentences
}

impl BroadcastDesk {
    /// Whoever asks the engine whether all is well hears of what cannot be read.
    pub(super) fn note_troubles(&self) {
        let mut found = {
            let standing = self.standing();
            let broadcasts = damaged("broadcast", &standing.damaged);
            [broadcasts, damaged("list", &standing.damaged_lists)].concat()
        };
        found.extend(damaged("suppression list", &self.unread_suppression()));
        let found = shortened(found);
        if self.engine.troubles() != found {
            self.engine.note_troubles(found);
        }
    }
}

/// What of broadcasts cannot be read in a data directory, and what to do: a sentence each.
///
/// # Errors
/// A folder that cannot be read.
pub fn unreadable(data_dir: &Path) -> std::io::Result<Vec<String>> {
    let shelf = Shelf::new(data_dir);
    let (lists, broadcasts) = (shelf.lists()?, shelf.broadcasts()?);
    let mut found = damaged("broadcast", &broadcasts.damaged);
    found.extend(damaged("list", &lists.damaged));
    let is_one = |list: &&ListDocument| list.purpose == SUPPRESSION;
    let suppressing = lists.documents.iter().filter(is_one);
    for (list, version) in suppressing.filter_map(newest_suppressing) {
        if let Err(why) = verify(&shelf.version(&list, version)) {
            found.push(format!("the suppression list {list}: {why}"));
        }
    }
    Ok(shortened(found))
}

/// What to do about it.
pub const UNREADABLE_REMEDY: &str = DAMAGED_REMEDY;

fn verify(path: &Path) -> Result<(), String> {
    let octets = File::open(path).and_then(|file| Mapped::open(&file));
    let octets = octets.map_err(|error| format!("{}: {error}", path.display()))?;
    let view = ListView::open(octets.as_ref()).map_err(|error| error.to_string())?;
    view.verify().map_err(|error| error.to_string())
}
