//! The books as a shard sees them: files in its directory ([`super::BillingLog`]), or what a test
//! makes up.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::RawFd;
use std::path::PathBuf;

use super::event::{Event, EventKind, VERSION};
use super::limits::DAYS_OPEN_MAX;
use crate::journal::Write;
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

/// Files that one sync names: the open days.
pub const SYNC_FILES_MAX: usize = DAYS_OPEN_MAX;

/// One shard's billing event log, driven by the shard's thread alone. Events are appended to
/// memory, and written some together by whoever drives the shard: nothing here waits for a device
/// but [`Self::flush`].
pub trait Log {
    /// Appends an Accepted or Final event. It will stand in the file of its own day where that is
    /// still open when it is written, or else of the oldest day that is. `false`: there is no room
    /// for it now, and it is to be appended again later, those that followed it too.
    #[must_use]
    fn append(&mut self, event: &Event, now_ms: WallMs) -> bool;

    /// What is to be written next, of the events that were appended; `None` while they gather, a
    /// write or sync is under way, or the device is left alone for a moment after it has refused
    /// one. The caller carries the write out and calls [`Self::finish_write`].
    fn begin_write(&mut self, now_ms: WallMs) -> Option<BillingWrite>;

    /// The write is done, whole or as far as it got before it failed: what is left of it is tried
    /// again later.
    fn finish_write(&mut self, write: &BillingWrite, outcome: io::Result<()>, now_ms: WallMs);

    /// What was appended is written as soon as it can be.
    fn hurry(&mut self);

    /// Writes all that was appended, and waits until that is done; whether the device took it. Not
    /// while a write is under way.
    fn flush(&mut self, now_ms: WallMs) -> bool;

    /// Whether all that was appended stands in files.
    fn is_written(&self) -> bool;

    /// Accepted and Final events that were appended and stand in no file yet.
    fn events_unwritten(&self) -> u64;

    /// Accepted and Final events that wait because the device did not take them.
    fn events_refused(&self) -> u64;

    /// Whether a write has failed for want of room on the device since this was asked last.
    fn has_lacked_room(&mut self) -> bool;

    /// Counts a refused or repeated request.
    fn count_request(&mut self, kind: EventKind, xpid: u64, code: u16, now_ms: WallMs);

    /// Appends counts whose minute is over, some of them a turn; whether there were any.
    fn write_due_counts(&mut self, now_ms: WallMs) -> bool;

    /// Appends all counts, though their minute is not over: at a stop. Whether none is left.
    fn write_all_counts(&mut self, now_ms: WallMs) -> bool;

    /// Requests that are counted and stand in no file yet.
    fn requests_unwritten(&self) -> u64;

    /// Whether there is room to append an event.
    fn has_room(&self) -> bool;

    /// Whether the device is left alone for a moment because it has refused a write.
    fn is_refused(&self, now_ms: WallMs) -> bool;

    /// The next write is tried at once.
    fn retry_now(&mut self);

    /// When there is something to do: events that have gathered, counts whose minute is over, or
    /// events that there was no room for, where the caller `owes` some.
    fn next_due_ms(&self, owes: bool) -> Option<WallMs>;

    /// Whether every event appended is on the device: journal segments may be retired only then.
    fn is_clean(&self) -> bool;

    /// Names the files that hold events not synced yet; `None` while a write or sync is under way,
    /// events wait to be written, or there are no such files. The caller syncs them all and calls
    /// [`Self::finish_sync`].
    fn begin_sync(&mut self) -> Option<BillingSync>;

    /// Takes note that every file of the sync was synced.
    fn finish_sync(&mut self, sync: &BillingSync);

    /// Hands out the events that stand in the file of a day, if there is one, in their order.
    ///
    /// # Errors
    /// When it cannot be read.
    fn events_of(&self, day: Day, view: &mut dyn FnMut(&Event)) -> Result<(), BillingError>;

    /// Hands out the events that stand in the files from a day on, of this shard or of all, until
    /// `view` has seen enough.
    ///
    /// # Errors
    /// When one cannot be read.
    fn events_from(
        &self,
        first: Day,
        of_all_shards: bool,
        view: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<(), BillingError>;
}

/// Why an event could not be written or a log not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// A file or directory cannot be written.
    #[error(
        "cannot write the billing events in {}: {source}; free some disk space or check its \
         permissions",
        path.display()
    )]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or directory cannot be read.
    #[error(
        "cannot read the billing events in {}: {source}; check its permissions and the device",
        path.display()
    )]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file was written by a later version.
    #[error(
        "{} has format version {version}, this engine reads 1 to {VERSION}; use the engine that \
         wrote it",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it says.
        version: u16,
    },
}

/// The files to sync (fdatasync is enough) so that every event appended before is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BillingSync {
    /// `None` behind the last.
    pub files: [Option<RawFd>; SYNC_FILES_MAX],
}

/// Events on their way to a file, as their octets: the log's, which keeps them as they are, and the
/// file open, until the write is finished.
#[derive(Debug)]
pub struct BillingWrite {
    /// The write. No sync goes with it.
    pub write: Write,
}
