//! A partition's journal, made of its log: every record under its number, but for those that speak
//! of the files of whoever wrote them.

use super::spool::for_each_chunk;
use crate::cluster::chunk::{Chunk, ChunkError, ChunkKind};
use crate::cluster::limits::CHUNK_HEAD_OCTETS;
use crate::journal::{
    AppendError, FrameBreak, Journal, JournalConfig, JournalError, LooseFrames, RecordKind,
    SegmentFactory,
};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why no journal can be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum RebuildError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What was read of the log is no chunk: it was one when it came.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// Its records do not read.
    #[error(transparent)]
    Frames(#[from] FrameBreak),
    /// The journal cannot be made.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It has no room.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Files that a log is read to.
const SPOOL: &str = "log-";

/// Where the shard in this directory keeps its journal.
pub(super) fn journal_directory(shard: &Path) -> PathBuf {
    shard.join("journal")
}

/// Where its log is read to for the n-th time in this life: what was read before may be in use
/// still.
pub(super) fn spool_path(shard: &Path, nth: u64) -> PathBuf {
    shard.join(format!("{SPOOL}{nth}"))
}

/// Lets go of the journal in the directory of a shard.
///
/// # Errors
/// What the system said.
pub(super) fn clear_journal(shard: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(journal_directory(shard)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Lets go of all that an earlier life has left of a log: its journal, and what was read.
///
/// # Errors
/// What the system said.
pub(super) fn clear(shard: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(shard)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(SPOOL)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    clear_journal(shard)
}

/// Makes the journal in this directory of the chunks in a file; how many records it has. Nothing is
/// there before, and nothing is made where there are no records.
///
/// # Errors
/// Why it cannot be made.
pub(super) fn rebuild(
    spool: &Path,
    directory: &Path,
    config: JournalConfig,
    factory: &SegmentFactory,
) -> Result<u64, RebuildError> {
    let (mut made, mut records): (Option<Journal>, u64) = (None, 0);
    for_each_chunk::<RebuildError>(spool, |octets| {
        let head = Chunk::read(octets, config.shard)?.head;
        if head.kind != ChunkKind::Records {
            return Ok(());
        }
        for frame in LooseFrames::new(&octets[CHUNK_HEAD_OCTETS..], config.shard, head.first) {
            let frame = frame?;
            // The files of whoever wrote it, not these.
            if matches!(frame.kind, RecordKind::Opened | RecordKind::Cleaned) {
                continue;
            }
            if made.is_none() {
                std::fs::create_dir_all(directory)?;
                let config = JournalConfig { first_sequence: frame.sequence - 1, ..config };
                made = Some(Journal::open(directory, config, factory, &mut |_, _, _| {})?.0);
            }
            if let Some(journal) = &mut made {
                journal.append_as(frame.kind, frame.sequence, frame.body)?;
                records += 1;
            }
        }
        made.as_mut().map_or(Ok(()), Journal::commit_blocking)?;
        Ok(())
    })?;
    Ok(records)
}

#[cfg(test)]
mod tests;
