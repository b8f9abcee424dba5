//! Rows on their way into a version: put into pieces by their order, each small enough to be sorted
//! by itself, and in files where there are many.
//!
//! The files have no names from the moment they are made: an import that is cut off leaves nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::broadcast::limits::{PIECES, ROWS_HELD_MAX};

/// A row: 16 octets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Entry {
    /// `mix` of the msn: what rows are sorted by.
    pub(super) key: u64,
    pub(super) line: u32,
    pub(super) attributes: u32,
}

const ENTRY_OCTETS: usize = 16;
const _: () = assert!(size_of::<Entry>() == ENTRY_OCTETS);

/// Rows in pieces.
pub(super) struct Pieces {
    held: Vec<Vec<Entry>>,
    held_count: usize,
    held_max: usize,
    files: Vec<File>,
    directory: PathBuf,
    count: u64,
    error: Option<io::Error>,
}

impl Pieces {
    /// Pieces whose files stand in `directory`, where there are any.
    pub(super) fn new(directory: &Path) -> Self {
        Self::holding(directory, ROWS_HELD_MAX)
    }

    /// As [`Self::new`], with another number of rows in memory; for tests.
    pub(super) fn holding(directory: &Path, held_max: usize) -> Self {
        Self {
            held: vec![Vec::new(); PIECES],
            held_count: 0,
            held_max,
            files: Vec::new(),
            directory: directory.to_owned(),
            count: 0,
            error: None,
        }
    }

    /// Rows that were put in.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Puts a row in; what fails is said by [`Self::check`].
    #[inline]
    pub(super) fn push(&mut self, entry: Entry) {
        let piece = (entry.key >> (64 - PIECES.ilog2())) as usize;
        self.held[piece].push(entry);
        self.count += 1;
        self.held_count += 1;
        if self.held_count >= self.held_max {
            self.spill();
        }
    }

    /// What failed so far.
    pub(super) fn check(&mut self) -> io::Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }

    fn spill(&mut self) {
        self.held_count = 0;
        let spilt = self.try_spill();
        if let (Err(error), None) = (spilt, &self.error) {
            self.error = Some(error);
        }
        self.held.iter_mut().for_each(Vec::clear);
    }

    fn try_spill(&mut self) -> io::Result<()> {
        if self.files.is_empty() {
            self.files =
                (0..PIECES).map(|_| nameless(&self.directory)).collect::<io::Result<_>>()?;
        }
        let mut octets = Vec::new();
        for (file, entries) in self.files.iter_mut().zip(&self.held) {
            write_entries(file, entries, &mut octets)?;
        }
        Ok(())
    }

    /// Takes a piece out.
    pub(super) fn take(&mut self, piece: usize) -> io::Result<Vec<Entry>> {
        let held = std::mem::take(&mut self.held[piece]);
        self.held_count -= held.len().min(self.held_count);
        let Some(file) = self.files.get_mut(piece) else { return Ok(held) };
        let mut octets = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut octets)?;
        let (whole, rest) = octets.as_chunks::<ENTRY_OCTETS>();
        assert!(rest.is_empty(), "entries are written whole");
        let mut entries: Vec<Entry> = whole.iter().map(read_entry).collect();
        entries.extend(held);
        Ok(entries)
    }

    /// Puts a piece back that was taken out, in its order.
    pub(super) fn put_back(&mut self, piece: usize, entries: Vec<Entry>) -> io::Result<()> {
        let Some(file) = self.files.get_mut(piece) else {
            self.held[piece] = entries;
            return Ok(());
        };
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        write_entries(file, &entries, &mut Vec::new())
    }
}

fn write_entries(file: &mut File, entries: &[Entry], octets: &mut Vec<u8>) -> io::Result<()> {
    octets.clear();
    for entry in entries {
        octets.extend_from_slice(&entry.key.to_le_bytes());
        octets.extend_from_slice(&entry.line.to_le_bytes());
        octets.extend_from_slice(&entry.attributes.to_le_bytes());
    }
    file.write_all(octets)
}

fn read_entry(octets: &[u8; ENTRY_OCTETS]) -> Entry {
    let word = u128::from_le_bytes(*octets);
    Entry { key: word as u64, line: (word >> 64) as u32, attributes: (word >> 96) as u32 }
}

/// A file for reading and writing that has lost its name.
pub(in crate::broadcast) fn nameless(directory: &Path) -> io::Result<File> {
    for number in 0u32.. {
        let path = directory.join(format!("import-{}-{number}.part", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("there are more numbers than files")
}
