//! One day's file, its last chunk mapped.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::event::{Event, EventKind, encode_head};
use super::limits::{CHUNK_OCTETS, CHUNK_SLOTS, SLOT_OCTETS};
use super::read::read_events;
use crate::journal::Memory;
use wire::terms::calendar::Day;

/// A day's file that takes events.
#[derive(Debug)]
pub(super) struct DayFile {
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
    pub(super) fn open(path: PathBuf, shard: u16, day: Day) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let end = read_events(&path, &mut |_| {})?.end;
        let chunk_number = end / CHUNK_SLOTS;
        // A head of an earlier version is raised: what is appended now has counts.
        let head = encode_head(shard, day);
        let mut standing = [0; SLOT_OCTETS];
        if end > 0 {
            file.read_exact_at(&mut standing, 0)?;
            if standing != head {
                tracing::info!(
                    file = %path.display(),
                    "a billing file of an earlier version takes events of this one"
                );
                file.write_all_at(&head, 0)?;
            }
        }
        let chunk = map_chunk(&file, chunk_number)?;
        let (start_ms, end_ms) = (day.start_ms(), day.next().start_ms());
        let mut opened =
            Self { path, file, start_ms, end_ms, chunk, chunk_number, next_slot: end, dirty: true };
        if end == 0 {
            opened.put(&head);
        }
        Ok(opened)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn covers(&self, at_ms: u64) -> bool {
        (self.start_ms..self.end_ms).contains(&at_ms)
    }

    /// Whether something was appended that no sync covers.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// A sync of all that was appended begins: the descriptor to sync.
    pub(super) fn begin_sync(&mut self) -> RawFd {
        self.dirty = false;
        self.file.as_raw_fd()
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.dirty = false;
        Ok(())
    }

    pub(super) fn append(&mut self, event: &Event) -> io::Result<()> {
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

/// Maps a chunk of the file, which is zero-filled by writing first if the file ends before it: so a
/// full device is an error here and never a signal at the first store.
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
