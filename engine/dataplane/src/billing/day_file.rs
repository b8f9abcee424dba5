//! One day's file: opened at its end, given room ahead of need. Waits for the device; a shard that
//! serves has the thread of `files` do that.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::event::encode_head;
use super::limits::{CHUNK_OCTETS, CHUNK_SLOTS, ROOM_SLOTS_MIN, SLOT_OCTETS};
use super::read::{file_name, read_events};
use host::directory::sync_directory;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

/// The name of a file that is there for the next day: room for its first events, whatever the
/// device says at midnight.
const NEXT_DAY_FILE: &str = "next-day.tmp";

/// A day's file that takes events.
#[derive(Debug)]
pub(super) struct DayFile {
    path: PathBuf,
    file: Arc<File>,
    pub(super) day: Day,
    start_ms: WallMs,
    end_ms: WallMs,
    /// The slot that the next event gets.
    pub(super) next_slot: u64,
    /// Slots that there is room for on the device.
    room_slots: u64,
    /// More room was asked for.
    pub(super) grows: bool,
    /// Something was written that no sync covers.
    pub(super) dirty: bool,
}

impl DayFile {
    /// Opens the file of a day in `directory`, or makes it from the one that is there for the next
    /// day. It and its name are durable then.
    ///
    /// # Errors
    /// What the system said: a new file has its head and some room, or there is none.
    pub(super) fn open(directory: &Path, shard: u16, day: Day) -> io::Result<Self> {
        let path = directory.join(file_name(day));
        // A link counts, wherever it leads.
        if fs::symlink_metadata(&path).is_err() {
            let next = directory.join(NEXT_DAY_FILE);
            if next.exists() {
                fs::rename(next, &path)?;
            }
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path)?;
        let end = read_events(&path, &mut |_| {})?.end;
        let head = encode_head(shard, day);
        let mut standing = [0; SLOT_OCTETS];
        if end > 0 {
            file.read_exact_at(&mut standing, 0)?;
        }
        if standing != head {
            if end > 0 {
                tracing::info!(
                    file = %path.display(),
                    "a billing file of an earlier version takes events of this one"
                );
            }
            // What is appended now has counts.
            file.write_all_at(&head, 0)?;
        }
        let next_slot = end.max(1);
        let mut opened = Self {
            path,
            room_slots: file.metadata()?.len() / SLOT_OCTETS as u64,
            file: Arc::new(file),
            day,
            start_ms: day.start_ms(),
            end_ms: day.next().start_ms(),
            next_slot,
            grows: false,
            dirty: false,
        };
        if opened.wants_room() {
            // Where there is none the device says so when it is written to.
            let _ = opened.growth().carry_out().map(|slots| opened.room_slots = slots);
        }
        opened.file.sync_all()?;
        sync_directory(directory)?;
        Ok(opened)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Where in the file the next event goes, octets.
    pub(super) fn offset(&self) -> u64 {
        self.next_slot * SLOT_OCTETS as u64
    }

    pub(super) fn covers(&self, at_ms: WallMs) -> bool {
        (self.start_ms..self.end_ms).contains(&at_ms)
    }

    /// A sync of all that was written begins: the descriptor to sync.
    pub(super) fn begin_sync(&mut self) -> RawFd {
        self.dirty = false;
        self.descriptor()
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.dirty = false;
        Ok(())
    }

    /// Whether it is to be given more room.
    pub(super) fn wants_room(&self) -> bool {
        !self.grows && self.room_slots < self.next_slot + ROOM_SLOTS_MIN
    }

    /// What gives it more.
    pub(super) fn growth(&self) -> Growth {
        let slots = (self.next_slot + ROOM_SLOTS_MIN).next_multiple_of(CHUNK_SLOTS);
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        Growth { file, path, day: self.day, from: self.room_slots, until: slots }
    }

    /// It was given room for so many slots in all.
    pub(super) fn note_room(&mut self, slots: Option<u64>) {
        self.grows = false;
        self.room_slots = slots.unwrap_or(self.room_slots);
    }
}

/// Room that a file is to be given.
#[derive(Debug)]
pub(super) struct Growth {
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    pub(super) day: Day,
    from: u64,
    until: u64,
}

impl Growth {
    /// Gives it; the slots that there is room for then.
    pub(super) fn carry_out(&self) -> io::Result<u64> {
        // A write may have gone beyond what there was room for.
        let from = (self.from * SLOT_OCTETS as u64).max(self.file.metadata()?.len());
        let until = self.until * SLOT_OCTETS as u64;
        if from < until {
            make_room(&self.file, from, until - from)?;
        }
        Ok(self.until)
    }
}

/// Makes the file for the next day, unless it is there.
///
/// # Errors
/// What the system said; nothing is left behind then.
pub(super) fn make_next_day(directory: &Path) -> io::Result<()> {
    let path = directory.join(NEXT_DAY_FILE);
    if path.exists() {
        return Ok(());
    }
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&path)?;
    let made = make_room(&file, 0, CHUNK_OCTETS as u64).and_then(|()| file.sync_all());
    if made.is_err() {
        let _ = fs::remove_file(&path);
    }
    made?;
    sync_directory(directory)
}

/// Takes room on the device, which reads as zeros. A file system that cannot do that is written to.
fn make_room(file: &File, from: u64, octets: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), from, octets) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let pieces = (0..octets).step_by(CHUNK_OCTETS);
            let mut pieces = pieces.map(|at| (from + at, CHUNK_OCTETS.min((octets - at) as usize)));
            pieces.try_for_each(|(at, piece)| file.write_all_at(&ZEROS[..piece], at))
        }
        Err(error) => Err(error.into()),
    }
}

static ZEROS: [u8; CHUNK_OCTETS] = [0; CHUNK_OCTETS];
