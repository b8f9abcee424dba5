//! The event log of one shard: appending, syncing, and what recovery needs.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::event::{Event, EventKind, encode_head};
use super::limits::{
    CHUNK_OCTETS, CHUNK_SLOTS, DAYS_OPEN_MAX, RETRY_EVENTS, SLOT_OCTETS, WAITING_EVENTS_MAX,
};
use super::read::{file_name, read_events};
use crate::calendar::Day;
use crate::journal::{Memory, sync_directory};

/// Files that one sync names: the open days and the directory.
pub const SYNC_FILES_MAX: usize = DAYS_OPEN_MAX + 1;

/// Why an event could not be written or a log not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the billing events in {}: {source}; free some disk space or check its permissions", path.display())]
pub struct BillingError {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The files to sync (fdatasync is enough) so that every event appended before is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BillingSync {
    /// `None` behind the last.
    pub files: [Option<RawFd>; SYNC_FILES_MAX],
}

/// One shard's billing event log, driven by the shard's thread alone. Appending writes 64 octets of memory;
/// every 4,096 events it also grows the file, which takes some ten microseconds. A full device makes it keep
/// events in memory, up to a bound, and try again; [`Self::is_clean`] is false meanwhile, so that the journal
/// keeps the records they come from.
#[derive(Debug)]
pub struct BillingLog {
    directory: PathBuf,
    directory_file: File,
    directory_is_new: bool,
    shard: u16,
    /// The day last written first.
    days: VecDeque<DayFile>,
    /// Events that found the device full, oldest first.
    waiting: VecDeque<Event>,
    lost: u64,
    appends_until_retry: u32,
    syncing: bool,
    /// By day, of the days that recovery asked for.
    known: BTreeMap<Day, Known>,
}

impl BillingLog {
    /// Opens the log in `directory` (`DATA/shard-NNN/billing`), which is made if it is missing.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn open(directory: &Path, shard: u16) -> Result<Self, BillingError> {
        let failed = |source| BillingError { path: directory.to_path_buf(), source };
        if !directory.is_dir() {
            fs::create_dir_all(directory).map_err(failed)?;
            if let Some(parent) = directory.parent() {
                sync_directory(parent).map_err(failed)?;
            }
        }
        Ok(Self {
            directory: directory.to_path_buf(),
            directory_file: File::open(directory).map_err(failed)?,
            directory_is_new: false,
            shard,
            days: VecDeque::with_capacity(DAYS_OPEN_MAX),
            waiting: VecDeque::new(),
            lost: 0,
            appends_until_retry: 0,
            syncing: false,
            known: BTreeMap::new(),
        })
    }

    /// Appends an event. Never waits for a sync. On a full device the event is kept in memory; beyond 65,536
    /// such events it is dropped, to be entered by the next start from the journal, which is not cleaned
    /// until then ([`Self::is_clean`]).
    pub fn append(&mut self, event: &Event) {
        match self.write_waiting().and_then(|none_waits| Ok(none_waits && self.write(event)?)) {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, waiting = self.waiting.len(), "billing events wait in memory");
                self.appends_until_retry = RETRY_EVENTS;
            }
        }
        if self.waiting.len() < WAITING_EVENTS_MAX {
            self.waiting.push_back(*event);
        } else {
            self.lost += 1;
        }
    }

    /// For recovery: appends the event of a journal record unless its day's file has it, or it was ensured
    /// since. Says whether it was appended. Only Accepted and Final events can be ensured.
    pub fn ensure(&mut self, event: &Event) -> bool {
        let day = Day::of(event.at_ms);
        if !self.known.contains_key(&day) {
            let mut known = Known::default();
            let path = self.directory.join(file_name(day));
            match read_events(&path, &mut |event| {
                known.note(event);
            }) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(file = %path.display(), %error, "billing events cannot be read"),
            }
            self.known.insert(day, known);
        }
        let is_new = self.known.get_mut(&day).is_some_and(|known| known.note(event));
        if is_new {
            self.append(event);
        }
        is_new
    }

    /// Recovery is over: forgets which events were there.
    pub fn finish_recovery(&mut self) {
        self.known = BTreeMap::new();
    }

    /// Whether events wait in memory for a full device, or are left to the next start: a sync would not cover them, and
    /// the journal must keep their records.
    pub fn owes(&self) -> bool {
        !self.waiting.is_empty() || self.lost > 0
    }

    /// Whether every event appended is on the device: journal segments may be retired only then.
    pub fn is_clean(&self) -> bool {
        !self.owes() && !self.syncing && !self.directory_is_new && self.days.iter().all(|day| !day.dirty)
    }

    /// Names the files that hold events not synced yet; `None` while a sync is under way or when there are
    /// none. The caller syncs them all and calls [`Self::finish_sync`].
    pub fn begin_sync(&mut self) -> Option<BillingSync> {
        if self.syncing || (!self.directory_is_new && self.days.iter().all(|day| !day.dirty)) {
            return None;
        }
        let mut sync = BillingSync { files: [None; SYNC_FILES_MAX] };
        let mut places = sync.files.iter_mut();
        for day in self.days.iter_mut().filter(|day| day.dirty) {
            day.dirty = false;
            if let Some(place) = places.next() {
                *place = Some(day.file.as_raw_fd());
            }
        }
        if self.directory_is_new
            && let Some(place) = places.next()
        {
            *place = Some(self.directory_file.as_raw_fd());
        }
        self.directory_is_new = false;
        self.syncing = true;
        Some(sync)
    }

    /// Takes note that every file of the sync was synced.
    pub fn finish_sync(&mut self, _sync: &BillingSync) {
        assert!(self.syncing, "a sync is finished once, after it was begun");
        self.syncing = false;
    }

    /// Syncs everything that was appended. Waits for the device.
    ///
    /// # Errors
    /// When a sync fails, or events wait in memory because the device is full: the journal must keep its
    /// records. A failed sync must end the engine; it proves nothing to try again.
    pub fn sync(&mut self) -> Result<(), BillingError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| BillingError { path, source }
        };
        if !self.waiting.is_empty() || self.lost > 0 {
            return Err(failed(&self.directory)(io::ErrorKind::StorageFull.into()));
        }
        for day in self.days.iter_mut().filter(|day| day.dirty) {
            day.file.sync_data().map_err(failed(&day.path))?;
            day.dirty = false;
        }
        if self.directory_is_new {
            self.directory_file.sync_all().map_err(failed(&self.directory))?;
            self.directory_is_new = false;
        }
        Ok(())
    }

    /// Events that could not be kept at all; the next start writes them from the journal.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes an event: `Ok(true)`.
    fn write(&mut self, event: &Event) -> Result<bool, BillingError> {
        let at_front = self.days.front().is_some_and(|day| day.covers(event.at_ms));
        if !at_front {
            self.bring_to_front(event.at_ms)?;
        }
        let Some(day) = self.days.front_mut() else { unreachable!("the event's day was opened") };
        day.append(event).map_err(|source| BillingError { path: day.path.clone(), source })?;
        Ok(true)
    }

    /// Writes what waits, every so many events; whether nothing waits any more.
    fn write_waiting(&mut self) -> Result<bool, BillingError> {
        if self.waiting.is_empty() {
            return Ok(true);
        }
        if self.appends_until_retry > 0 {
            self.appends_until_retry -= 1;
            return Ok(false);
        }
        while let Some(first) = self.waiting.front().copied() {
            self.write(&first)?;
            self.waiting.pop_front();
        }
        Ok(true)
    }

    fn bring_to_front(&mut self, at_ms: u64) -> Result<(), BillingError> {
        if let Some(place) = self.days.iter().position(|day| day.covers(at_ms)) {
            self.days.swap(0, place);
            return Ok(());
        }
        let day = Day::of(at_ms);
        let path = self.directory.join(file_name(day));
        let failed = |source| BillingError { path: path.clone(), source };
        if self.days.len() >= DAYS_OPEN_MAX
            && let Some(oldest) = self.days.back()
        {
            if oldest.dirty || self.syncing {
                oldest.file.sync_data().map_err(failed)?;
            }
            if self.syncing {
                // Its descriptor is named by the sync under way: it must stay open. Two days at once beside a
                // third happen only when the clock was set; wait for the next append.
                return Err(failed(io::Error::from(io::ErrorKind::WouldBlock)));
            }
            self.days.pop_back();
        }
        self.directory_is_new |= !path.exists();
        let file = DayFile::open(path.clone(), self.shard, day).map_err(failed)?;
        self.days.push_front(file);
        Ok(())
    }
}

/// One day's file, its last chunk mapped.
#[derive(Debug)]
struct DayFile {
    path: PathBuf,
    file: File,
    start_ms: u64,
    end_ms: u64,
    chunk: Memory,
    chunk_number: u64,
    next_slot: u64,
    dirty: bool,
}

impl DayFile {
    fn open(path: PathBuf, shard: u16, day: Day) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let end = read_events(&path, &mut |_| {})?.end;
        let chunk_number = end / CHUNK_SLOTS;
        let chunk = map_chunk(&file, chunk_number)?;
        let (start_ms, end_ms) = (day.start_ms(), day.next().start_ms());
        let mut opened =
            Self { path, file, start_ms, end_ms, chunk, chunk_number, next_slot: end, dirty: true };
        if end == 0 {
            opened.put(&encode_head(shard, day));
        }
        Ok(opened)
    }

    fn covers(&self, at_ms: u64) -> bool {
        (self.start_ms..self.end_ms).contains(&at_ms)
    }

    fn append(&mut self, event: &Event) -> io::Result<()> {
        let number = self.next_slot / CHUNK_SLOTS;
        if number != self.chunk_number {
            self.chunk = map_chunk(&self.file, number)?;
            self.chunk_number = number;
        }
        let octets = match event.kind {
            EventKind::Accepted | EventKind::Final => event.encode(self.next_slot as u32),
            EventKind::Rejected | EventKind::Replayed => {
                Event { push_id: self.next_slot, ..*event }.encode(self.next_slot as u32)
            }
        };
        self.put(&octets);
        Ok(())
    }

    fn put(&mut self, octets: &[u8; SLOT_OCTETS]) {
        let at = (self.next_slot % CHUNK_SLOTS) as usize * SLOT_OCTETS;
        self.chunk.octets_mut()[at..at + SLOT_OCTETS].copy_from_slice(octets);
        self.next_slot += 1;
        self.dirty = true;
    }
}

/// Maps a chunk of the file, which is zero-filled by writing first if the file ends before it: so a full
/// device is an error here and never a signal at the first store.
fn map_chunk(file: &File, number: u64) -> io::Result<Memory> {
    let start = number * CHUNK_OCTETS as u64;
    let end = start + CHUNK_OCTETS as u64;
    let length = file.metadata()?.len();
    if length < end {
        let missing = (end - length.max(start)) as usize;
        file.write_all_at(&ZEROS[..missing], length.max(start))?;
    }
    Memory::map_range(file, start, CHUNK_OCTETS)
}

static ZEROS: [u8; CHUNK_OCTETS] = [0; CHUNK_OCTETS];

/// Which pushes have their Accepted and their Final event: two bits a push, in blocks where there are any.
#[derive(Debug, Default)]
struct Known {
    blocks: BTreeMap<u64, Box<[[u64; WORDS]; 2]>>,
}

const WORDS: usize = 64;
const BLOCK_PUSHES: u64 = WORDS as u64 * 64;

impl Known {
    /// Notes an event; whether it is new. Rejected and Replayed events are not kept and never new.
    fn note(&mut self, event: &Event) -> bool {
        let table = match event.kind {
            EventKind::Accepted => 0,
            EventKind::Final => 1,
            EventKind::Rejected | EventKind::Replayed => return false,
        };
        let block =
            self.blocks.entry(event.push_id / BLOCK_PUSHES).or_insert_with(|| Box::new([[0; WORDS]; 2]));
        let place = event.push_id % BLOCK_PUSHES;
        let word = &mut block[table][(place / 64) as usize];
        let bit = 1 << (place % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}
