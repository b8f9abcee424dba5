//! The books as a shard sees them: files in its directory ([`super::BillingLog`]), or what a test
//! makes up.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::RawFd;
use std::path::PathBuf;

use super::event::{Event, EventKind, VERSION};
use super::limits::DAYS_OPEN_MAX;
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

/// Files that one sync names: the open days and the directory.
pub const SYNC_FILES_MAX: usize = DAYS_OPEN_MAX + 1;

/// One shard's billing event log, driven by the shard's thread alone.
pub trait Log {
    /// Appends an Accepted or Final event, in the file of its own day where that is still open, or
    /// else of the oldest day that is. Never waits for a sync. `false`: the device takes nothing
    /// now, and the event is to be appended again later, those that followed it too.
    #[must_use]
    fn append(&mut self, event: &Event, now_ms: WallMs) -> bool;

    /// Counts a refused or repeated request.
    fn count_request(&mut self, kind: EventKind, xpid: u64, code: u16, now_ms: WallMs);

    /// Writes counts whose minute is over, some of them a turn; whether there were any.
    fn write_due_counts(&mut self, now_ms: WallMs) -> bool;

    /// Writes all counts, though their minute is not over: at a stop. Whether none is left.
    fn write_all_counts(&mut self, now_ms: WallMs) -> bool;

    /// Requests that are counted and stand in no file yet.
    fn requests_unwritten(&self) -> u64;

    /// Whether a write may be tried: not for a moment after one has failed.
    fn may_write(&self, now_ms: WallMs) -> bool;

    /// The next write is tried at once.
    fn retry_now(&mut self);

    /// When there is something to write: counts whose minute is over, or events that the device did
    /// not take, where the caller `owes` some.
    fn next_due_ms(&self, owes: bool) -> Option<WallMs>;

    /// Whether every event appended is on the device: journal segments may be retired only then.
    fn is_clean(&self) -> bool;

    /// Names the files that hold events not synced yet; `None` while a sync is under way or when
    /// there are none. The caller syncs them all and calls [`Self::finish_sync`].
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
