//! The books of several nodes as one: each event of a push once, however many of them have entered
//! it.
//!
//! Who takes a partition over enters what it finds in the log, and whoever had it before may have
//! entered that too. Both have the same identity: the kind and the push's id. The one in the older
//! day stays, for there the event belongs: a later day has it as an adjustment. Counts of refused
//! and repeated requests are each node's own, and all of them stay.
//!
//! **Never here:** changing anything of a node's. **Invariants:** a node's files are read as far as
//! they are written when it begins; what is gathered is in a directory that was empty.

use super::event::{Event, EventKind, encode_head};
use super::known::Known;
use super::limits::SLOT_OCTETS;
use super::read::{EventFile, file_name, files_as_they_stand, read_within};
use super::sums::ReportError;
use crate::journal::shards::shard_directory;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use wire::terms::calendar::Day;

/// What came together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Gathered {
    /// Events that are in the books now.
    pub events: u64,
    /// Events that another node had as well.
    pub doubled: u64,
    /// Slots that hold something unreadable, by their file.
    pub damaged: Vec<(PathBuf, u64)>,
}

/// What a cluster's log has of one shard's events, handed out one by one.
pub type OfLog<'a> = dyn FnMut(u16, &mut dyn FnMut(&Event)) -> io::Result<()> + 'a;

/// Makes books of those of these nodes' data directories in `into`, which is empty or not there.
///
/// # Errors
/// A directory cannot be read or written, or `into` has something in it.
pub fn gather(nodes: &[PathBuf], into: &Path) -> Result<Gathered, ReportError> {
    gather_all(nodes, into, 0, &mut |_, _| Ok(()))
}

/// The same, with what `of_log` has of so many shards.
///
/// # Errors
/// As [`gather`], and what `of_log` says.
pub fn gather_all(
    nodes: &[PathBuf],
    into: &Path,
    shards: u16,
    of_log: &mut OfLog<'_>,
) -> Result<Gathered, ReportError> {
    make_empty(into).map_err(told(into))?;
    // Books are known by a shard's directory, though they have no event.
    fs::create_dir(shard_directory(into, 0)).map_err(told(into))?;
    // By shard, for a push has its place in one of them, and there by day.
    let mut files: BTreeMap<u16, Vec<EventFile>> =
        (0..shards).map(|shard| (shard, Vec::new())).collect();
    for node in nodes {
        for file in files_as_they_stand(node).map_err(told(node))? {
            files.entry(file.shard).or_default().push(file);
        }
    }
    let mut gathered = Gathered::default();
    for (shard, mut files) in files {
        files.sort();
        let place = shard_directory(into, usize::from(shard)).join("billing");
        let mut books = ShardBooks::begin(place, shard, &mut gathered);
        let read = of_log(shard, &mut |event| books.put(Day::of(event.own_ms()), event));
        read.map_err(told(into))?;
        for file in files {
            let state = read_within(&file.path, file.slots, &mut |event| {
                books.put(file.day, event);
            });
            let state = state.map_err(told(&file.path))?;
            if state.damaged > 0 {
                books.gathered.damaged.push((file.path, state.damaged));
            }
        }
        books.end().map_err(told(into))?;
    }
    Ok(gathered)
}

fn told(path: &Path) -> impl FnOnce(io::Error) -> ReportError + use<> {
    let path = path.to_path_buf();
    move |source| ReportError { path, source }
}

/// The gathered books of one shard, which are being made.
struct ShardBooks<'a> {
    place: PathBuf,
    shard: u16,
    known: Known,
    days: BTreeMap<Day, Gathering>,
    written: io::Result<()>,
    gathered: &'a mut Gathered,
}

impl<'a> ShardBooks<'a> {
    fn begin(place: PathBuf, shard: u16, gathered: &'a mut Gathered) -> Self {
        let (known, days, written) = (Known::default(), BTreeMap::new(), Ok(()));
        Self { place, shard, known, days, written, gathered }
    }

    /// Enters an event in the file of this day, unless it is there.
    fn put(&mut self, day: Day, event: &Event) {
        if self.written.is_err() {
            return;
        }
        if is_new(&mut self.known, event) {
            self.gathered.events += 1;
            self.written = self.write(day, event);
        } else {
            self.gathered.doubled += 1;
        }
    }

    fn write(&mut self, day: Day, event: &Event) -> io::Result<()> {
        let file = match self.days.entry(day) {
            Entry::Occupied(file) => file.into_mut(),
            Entry::Vacant(room) => {
                fs::create_dir_all(&self.place)?;
                let path = self.place.join(file_name(day));
                room.insert(Gathering::begin(&path, self.shard, day)?)
            }
        };
        file.put(event)
    }

    fn end(self) -> io::Result<()> {
        self.written?;
        self.days.into_values().try_for_each(Gathering::end)
    }
}

/// Whether the event was not met yet; a count is one of its own each time.
fn is_new(known: &mut Known, event: &Event) -> bool {
    let is_count = matches!(event.kind, EventKind::Rejected | EventKind::Replayed);
    is_count || known.note(event.kind, event.push_id)
}

/// Makes a directory in which there is nothing.
fn make_empty(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    if fs::read_dir(directory)?.next().is_some() {
        let message = "there is something in it: name one that is empty or not there";
        return Err(io::Error::new(ErrorKind::DirectoryNotEmpty, message));
    }
    Ok(())
}

/// A file of one shard and day that is being made.
struct Gathering {
    file: BufWriter<File>,
    slot: u32,
}

impl Gathering {
    fn begin(path: &Path, shard: u16, day: Day) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create_new(path)?);
        let head: [u8; SLOT_OCTETS] = encode_head(shard, day);
        file.write_all(&head)?;
        Ok(Self { file, slot: 0 })
    }

    fn put(&mut self, event: &Event) -> io::Result<()> {
        self.slot += 1;
        let is_count = matches!(event.kind, EventKind::Rejected | EventKind::Replayed);
        let push_id = if is_count { u64::from(self.slot) } else { event.push_id };
        self.file.write_all(&Event { push_id, ..*event }.encode(self.slot))
    }

    fn end(self) -> io::Result<()> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

#[cfg(test)]
mod tests;
