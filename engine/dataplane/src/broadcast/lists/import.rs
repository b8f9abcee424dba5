//! A whole list into a version: octets in as they come, a synced file and an account out.

use std::fs::File;
use std::path::Path;

use wire::terms::mix::mix;

use super::account::Account;
use super::pieces::{Entry, Pieces};
use super::reader::{ListReader, ReadError, ReaderOptions, Row};
use super::writer::{self, WriteError};
use crate::broadcast::limits::LIST_ROWS_MAX;

/// Why there is no version.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// What came.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was to be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl ImportError {
    /// Whether the disk did not take it: what came may be right.
    pub fn is_of_disk(&self) -> bool {
        matches!(self, Self::Write(WriteError::Disk(_)))
    }
}

/// A version that was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// What became of every line.
    pub account: Account,
    /// SHA-256 of the file but its head.
    pub digest: [u8; 32],
}

/// An import under way.
///
/// [`Self::feed`] takes the file's octets in whatever pieces they come; then [`Self::finish`]
/// writes the version, or [`Self::account`] only says what it would be.
pub struct Import {
    reader: ListReader,
    pieces: Pieces,
    parameters: Vec<String>,
}

impl Import {
    /// An import that puts what memory does not hold into nameless files in `directory`.
    ///
    /// # Errors
    /// Too many parameters.
    pub fn new(options: ReaderOptions, directory: &Path) -> Result<Self, ImportError> {
        Self::on(options, Pieces::new(directory))
    }

    /// As [`Self::new`], with other pieces; for tests.
    pub(super) fn on(options: ReaderOptions, pieces: Pieces) -> Result<Self, ImportError> {
        let parameters = options.parameters.clone();
        let reader = ListReader::new(ReaderOptions { is_delta: false, ..options })?;
        Ok(Self { reader, pieces, parameters })
    }

    /// Takes octets of the file.
    ///
    /// # Errors
    /// What makes the file no list; the import is over then.
    pub fn feed(&mut self, octets: &[u8]) -> Result<(), ImportError> {
        let pieces = &mut self.pieces;
        self.reader.feed(octets, &mut |row| put(pieces, row))?;
        pieces.check().map_err(WriteError::from)?;
        // Duplicates are told when all is sorted: so many lines are no list anyway.
        let is_too_long = pieces.count() > 2 * u64::from(LIST_ROWS_MAX);
        if is_too_long { Err(WriteError::Rows.into()) } else { Ok(()) }
    }

    /// Nothing follows: writes the version into an empty file and syncs it.
    ///
    /// # Errors
    /// What makes it no list, and the disk's.
    pub fn finish(self, file: &File) -> Result<Version, ImportError> {
        let Self { reader, mut pieces, parameters } = self;
        let (mut account, attributes) = reader.finish(&mut |row| put(&mut pieces, row))?;
        pieces.check().map_err(WriteError::from)?;
        let counts = writer::settle(&mut pieces, &attributes, &mut account)?;
        let head = writer::write(&mut pieces, &attributes, &counts, &parameters, file)?;
        assert!(account.adds_up(), "every line is accounted for: {account:?}");
        Ok(Version { account, digest: head.digest })
    }

    /// Nothing follows: says what became of every line, and writes nothing.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn account(self) -> Result<Account, ImportError> {
        let Self { reader, mut pieces, .. } = self;
        let (mut account, attributes) = reader.finish(&mut |row| put(&mut pieces, row))?;
        pieces.check().map_err(WriteError::from)?;
        writer::settle(&mut pieces, &attributes, &mut account)?;
        assert!(account.adds_up(), "every line is accounted for: {account:?}");
        Ok(account)
    }
}

fn put(pieces: &mut Pieces, row: Row) {
    let Row { line, msn, attributes } = row;
    pieces.push(Entry { key: mix(msn.value()), line, attributes });
}
