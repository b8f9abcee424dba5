//! The journal: memory-mapped, append-only segments that hold what a shard has accepted and what
//! became of it.
//!
//! One [`Journal`] per shard, owned and driven by the shard's thread alone, in
//! `DATA/shard-NNN/journal/`, or on any other [`Storage`]. Appending serializes a record into
//! memory, at the staged end of the active segment. [`Journal::begin_commit`] names what is to be
//! written to which file, the shard has its driver write it, with a sync of the written range, and
//! [`Journal::finish_commit`] takes note: then a record survives the death of the process (written)
//! and the loss of power (synced). A write or sync that fails is never retried: what the device
//! holds is unknown then, and the engine must end.
//!
//! Space comes back in one order only, oldest segment first: what still matters in the oldest
//! segment is appended again ("moved forward"), and when that is durable the file is retired and
//! recycled. So a reader that starts at the oldest segment always sees a push's end after the push
//! itself, and never a push whose end is gone.
//!
//! What it never does: writing by itself while a shard runs, reading a clock, waiting (but for the
//! bounded case that [`Journal::append_ended`] and its kind name), interpreting a push. FORMAT.md
//! beside this file describes every octet.
//!
//! Invariants:
//! - sequences ascend by one within a run of the engine, and no sequence is ever given twice, not
//!   even after a crash that lost unsynced records;
//! - every record before a segment's tail was checked by recovery or appended by this process; what
//!   is read from a file is checked again, what is staged is memory of the process as any other;
//! - accepting never uses what is reserved for finishing what was accepted;
//! - `unsafe` code stands in `memory.rs`, `write.rs` and `checksum.rs` only.

mod accepted;
mod append;
mod backup;
mod body;
mod checksum;
mod cleaning;
mod commit;
pub mod error;
mod examine;
mod factory;
mod filling;
mod frame;
mod limits;
mod lock;
mod log;
mod loose;
mod memory;
mod moving;
mod names;
mod note;
mod notes;
pub mod numbering;
mod open;
mod position;
mod record;
mod recovery;
mod replay;
mod segment;
pub mod shards;
mod stage;
mod storage;
mod survey;
#[cfg(test)]
mod tests;
mod write;

pub use crate::journal::error::JournalError;
pub use crate::journal::write::{Part, Write};
pub use append::AppendError;
pub use backup::{BackupError, JournalCopy};
pub use checksum::crc32c;
pub use cleaning::{Cursor, Reach};
pub use commit::Commit;
pub use examine::{Examined, examine, segment_of};
pub use factory::{FileStorage, SegmentFactory};
pub use frame::RecordKind;
pub use limits::{
    BUDGET_SEGMENTS_MIN, COMMIT_FILES_MAX, DAMAGES_LISTED_MAX, KEY_KEEP_MS,
    RESERVE_OCTETS_PER_PUSH, RESERVE_SEGMENTS, SEGMENT_OCTETS_DEFAULT, SEGMENT_OCTETS_MAX,
    SEGMENT_OCTETS_MIN, SEQUENCE_END, SPARE_WAIT_MS,
};
pub use lock::{DataDirLock, LockError, LockHolder, read_holder};
pub use log::{DamagedRecord, Journal, JournalConfig, JournalFigures, Position, SegmentId};
pub use loose::{FrameBreak, LooseFrame, LooseFrames, append_loose, first_frames};
pub use moving::{Moved, Reached, Trail};
pub use names::{Names, NamesWatch};
pub use note::{ArchivedBroadcastNote, BroadcastNote, BroadcastNoteBody};
pub use open::check;
pub use record::{
    Accepted, AcceptedBody, AlertCancel, ArchivedAccepted, ArchivedCancelAccepted, ArchivedEnded,
    ArchivedHanded, ArchivedHeld, ArchivedKey, ArchivedNotified, ArchivedOpened, ArchivedProgress,
    CancelAccepted, Ended, Handed, HandedBody, Held, HeldBody, Key, Notified, Opened, Progress,
    Record,
};
pub use replay::{Damage, RecoveryReport, TornTail};
pub use segment::Segment;
pub use storage::{FactoryError, Found, Prepared, Storage};
pub use survey::{SegmentSurvey, Survey, first_sequence_max, has_segments, survey};
