//! Where a journal's segments lie: files in a directory ([`super::FileStorage`]), or a disk that a
//! test makes up.
//!
//! A journal appends to memory and reads from memory: what a segment holds in its file it sees
//! through the segment's own octets, which are a mapping of that file, or a copy that
//! [`Segment::settle`] keeps up. So storage is asked only when a segment comes or goes and at a
//! start, never for a record, and may be behind a pointer.
//!
//! A disk that is made up has no files: its prepared and found segments hold copies. Whoever drives
//! the journal has it carry out its commits itself then ([`super::Journal::carry_out`]).

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::limits::HEADER_PAGE_OCTETS;
use super::memory::Memory;
use super::segment::Segment;
use crate::journal::error::JournalError;
use crate::journal::write::Write;

/// A segment ready for use: zero header page, its name durable.
#[derive(Debug)]
pub struct Prepared {
    pub(super) id: u32,
    pub(super) memory: Memory,
    pub(super) file: Option<File>,
    /// Its pages are in memory.
    pub(super) warm: bool,
}

impl Prepared {
    /// A segment that is no file, of this number and as long as `octets`; the header page is
    /// cleared.
    ///
    /// # Panics
    /// When `octets` are fewer than a header page, or no multiple of 16.
    pub fn without_file(id: u32, octets: &[u8]) -> Self {
        let mut memory = Memory::copied_from(octets, octets.len());
        memory.octets_mut()[..HEADER_PAGE_OCTETS].fill(0);
        Self { id, memory, file: None, warm: true }
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.id
    }
}

/// A segment as it lies there at a start, before its frames are read.
#[derive(Debug)]
pub struct Found {
    pub(super) id: u32,
    pub(super) memory: Memory,
    pub(super) file: Option<File>,
}

impl Found {
    /// A segment that is no file, of this number.
    ///
    /// # Panics
    /// When the number of octets is no multiple of 16.
    pub fn without_file(id: u32, octets: &[u8]) -> Self {
        Self { id, memory: Memory::copied_from(octets, octets.len()), file: None }
    }
}

/// Where a journal gets its segments from and gives them back to. One for each journal, driven by
/// its thread.
pub trait Storage: Send {
    /// Every segment that lies there, in any order: what a start reads. What was being made or put
    /// aside goes back.
    ///
    /// # Errors
    /// When it cannot be read.
    fn find(&mut self) -> Result<Vec<Found>, JournalError>;
    /// Asks for a segment of this number and size, with its pages in memory where it is to be
    /// `warm`. Never waits.
    fn order(&mut self, id: u32, octets: u32, warm: bool);
    /// The next segment that is ready, waiting up to `wait` for it.
    fn collect(&mut self, wait: Duration) -> Option<Result<Prepared, FactoryError>>;
    /// Gives a spare away to have its pages brought into memory; it is collected like a new one.
    /// Never waits.
    fn warm(&mut self, spare: Prepared);
    /// Whether this journal is about to run out of spares: those on order come at once then,
    /// whatever that costs others. Never waits.
    fn set_urgent(&mut self, is_urgent: bool);
    /// Gives room on the device back: that of a spare, and of whatever is kept for use again. Never
    /// waits.
    fn make_room(&mut self, spare: Option<Prepared>);
    /// Takes back a segment that is needed no more. Never waits.
    fn retire(&mut self, segment: Segment);
    /// Keeps a copy of damaged octets of a segment for whoever looks into it. Waits for the device.
    ///
    /// # Errors
    /// What the system said.
    fn quarantine(&mut self, id: u32, offset: usize, octets: &[u8]) -> io::Result<()>;
    /// Carries out one write of a commit, with a sync of what it writes or without. Waits for the
    /// device.
    ///
    /// # Errors
    /// What the system said; the journal must not be used any more then.
    fn write(
        &mut self,
        segment: &mut Segment,
        write: &mut Write,
        with_sync: bool,
    ) -> io::Result<()>;
    /// Makes what a segment's file holds durable. Waits for the device.
    ///
    /// # Errors
    /// What the system said.
    fn sync(&mut self, segment: &Segment) -> io::Result<()>;
    /// Puts a segment's file aside at once, so that no later start finds it. Waits for the device.
    ///
    /// # Errors
    /// What the system said.
    fn discard(&mut self, segment: Segment) -> io::Result<()>;
    /// Keeps a segment of which nothing can be read under another name, where no start looks for
    /// records.
    ///
    /// # Errors
    /// What the system said.
    fn put_aside(&mut self, id: u32) -> io::Result<()>;
    /// Takes back a segment of this number that recovery found unused. Never waits.
    fn adopt(&mut self, id: u32);
}

/// Why no spare segment could be made; the journal goes on with what it has and asks again later.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "no new journal segment in {}: {reason}; free some disk space or lower --queue-bytes",
    directory.display()
)]
pub struct FactoryError {
    /// The journal's directory.
    pub directory: PathBuf,
    /// What the system said.
    pub reason: String,
    /// Whether the device is full.
    pub full: bool,
}
