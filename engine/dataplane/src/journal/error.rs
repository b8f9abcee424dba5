//! Why a journal cannot be opened or written.

use crate::journal::segment::VERSION;
use std::io;
use std::path::PathBuf;

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory cannot be read or written.
    #[error("cannot open the journal: {}: {source}", path.display())]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// A segment was written by another version.
    #[error(
        "{} has format version {version}, this engine reads {VERSION}; use the engine that wrote \
         it",
        path.display()
    )]
    Version {
        /// The segment's file.
        path: PathBuf,
        /// The version it says.
        version: u16,
    },
    /// A segment of another shard lies here.
    #[error(
        "{} belongs to shard {found}, not {expected}; put it back where it came from",
        path.display()
    )]
    OtherShard {
        /// The segment's file.
        path: PathBuf,
        /// The shard it says.
        found: u16,
        /// The shard that was opened.
        expected: u16,
    },
    /// No segment could be made to append to.
    #[error("cannot begin a journal segment in {}: {reason}", directory.display())]
    NoSegment {
        /// The journal's directory.
        directory: PathBuf,
        /// Why not.
        reason: String,
    },
}
