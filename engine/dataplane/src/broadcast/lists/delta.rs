//! A version from the one before and what changes: merged in their order, not built anew.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use serde::Serialize;
use wire::terms::mix::mix;

use super::account::Refusal;
use super::attributes::{Attributes, Set};
use super::import::{ImportError, Version};
use super::pieces::{Entry, Pieces};
use super::reader::{DELETED, ListReader, ReaderOptions};
use super::view::ListView;
use super::writer::{self, WriteError};
use crate::broadcast::limits::{LIST_ROWS_MAX, PIECES};

/// What a delta did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Changes {
    /// Recipients that are new.
    pub added: u64,
    /// Recipients with other attributes.
    pub changed: u64,
    /// Recipients that were put as they are.
    pub unchanged: u64,
    /// Recipients that are gone.
    pub deleted: u64,
    /// Deletions of recipients that were not there: no error.
    pub unknown: u64,
}

/// Why a delta makes no version.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// What came, or what was to be written.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The version before.
    #[error("the version before is damaged at row {row}: restore its file, or import a whole list")]
    Base {
        /// The row.
        row: u32,
    },
}

/// A delta under way: [`Self::feed`] takes its octets, [`Self::finish`] merges.
pub struct Delta {
    reader: ListReader,
    pieces: Pieces,
    parameters: Vec<String>,
    directory: std::path::PathBuf,
    /// Changes that are taken at most.
    changes_max: u64,
}

impl Delta {
    /// A delta to a list with these parameters; see [`super::import::Import::new`].
    ///
    /// # Errors
    /// Too many parameters.
    pub fn new(options: ReaderOptions, directory: &Path) -> Result<Self, DeltaError> {
        let parameters = options.parameters.clone();
        let reader = ListReader::new(ReaderOptions { is_delta: true, ..options });
        let reader = reader.map_err(ImportError::from)?;
        Ok(Self {
            reader,
            pieces: Pieces::new(directory),
            parameters,
            directory: directory.to_owned(),
            // As many as an import takes lines: each of a phone may be changed twice.
            changes_max: 2 * u64::from(LIST_ROWS_MAX),
        })
    }

    /// The same, of fewer changes; for tests.
    #[cfg(test)]
    pub(super) fn of_at_most(self, changes_max: u64) -> Self {
        Self { changes_max, ..self }
    }

    /// Takes octets of the delta.
    ///
    /// # Errors
    /// What makes it none.
    pub fn feed(&mut self, octets: &[u8]) -> Result<(), DeltaError> {
        let pieces = &mut self.pieces;
        let fed = self.reader.feed(octets, &mut |row| {
            let (key, line, attributes) = (mix(row.msn.value()), row.line, row.attributes);
            pieces.push(Entry { key, line, attributes });
        });
        fed.map_err(ImportError::from)?;
        pieces.check().map_err(|error| ImportError::from(WriteError::from(error)))?;
        // What is put aside until all is sorted takes room on the journals' device.
        let is_too_long = pieces.count() > self.changes_max;
        if is_too_long { Err(ImportError::from(WriteError::Rows).into()) } else { Ok(()) }
    }

    /// Nothing follows: writes `base` with the changes into an empty file and syncs it.
    ///
    /// # Errors
    /// What makes it no delta, a base that is damaged, and the disk's.
    pub fn finish(
        self,
        base: &ListView<'_>,
        file: &File,
    ) -> Result<(Version, Changes), DeltaError> {
        let Self { reader, mut pieces, parameters, directory, .. } = self;
        let ended = reader.finish(&mut |row| {
            let (key, line, attributes) = (mix(row.msn.value()), row.line, row.attributes);
            pieces.push(Entry { key, line, attributes });
        });
        let (mut account, attributes) = ended.map_err(ImportError::from)?;
        let write = |error| ImportError::from(WriteError::from(error));
        pieces.check().map_err(write)?;
        let mut merge = Merge {
            base: Base { view: base, known: HashMap::new(), place: 0 },
            attributes,
            merged: Pieces::new(&directory),
            changes: Changes::default(),
        };
        for piece in 0..PIECES {
            let mut entries = pieces.take(piece).map_err(write)?;
            entries.sort_unstable();
            merge.piece(&entries)?;
        }
        merge.rest()?;
        let Merge { attributes, mut merged, changes, .. } = merge;
        merged.check().map_err(write)?;
        let counts = writer::settle(&mut merged, &attributes, &mut account);
        let counts = counts.map_err(ImportError::from)?;
        let head = writer::write(&mut merged, &attributes, &counts, &parameters, file);
        let head = head.map_err(ImportError::from)?;
        Ok((Version { account, digest: head.digest }, changes))
    }
}

/// The version before, in the order of `mix`.
struct Base<'a> {
    view: &'a ListView<'a>,
    /// The number of a set by run, language and parameters of the version before.
    known: HashMap<(usize, u8, u16), u32>,
    place: u32,
}

impl Base<'_> {
    /// The key of the next row and its attributes in the new version.
    fn peek(&mut self, attributes: &mut Attributes) -> Result<Option<(u64, u32)>, DeltaError> {
        if self.place == self.view.rows() {
            return Ok(None);
        }
        let row = self.view.in_order(self.place).unwrap_or(u32::MAX);
        let damaged = DeltaError::Base { row };
        let (Some(word), Some(run)) = (self.view.word(row), self.view.run_of(row)) else {
            return Err(damaged);
        };
        let key = (run, word.language, word.parameters);
        let number = match self.known.get(&key) {
            Some(number) => *number,
            None => {
                let number = self
                    .set(key, attributes)
                    .and_then(|set| attributes.number(set))
                    .map_err(|refusal| too_many(refusal).unwrap_or(damaged))?;
                self.known.insert(key, number);
                number
            }
        };
        Ok(Some((mix(word.msn.value()), number)))
    }

    fn set(
        &self,
        (run, language, parameters): (usize, u8, u16),
        attributes: &mut Attributes,
    ) -> Result<Set, Refusal> {
        Ok(Set {
            area: attributes.area(&self.view.area_text(run))?,
            language: attributes.language(self.view.language_text(language))?,
            parameters: attributes.packed_parameters(self.view.parameters_text(run, parameters))?,
        })
    }
}

/// Two versions have more together than there is room for: nothing is damaged.
fn too_many(refusal: Refusal) -> Option<DeltaError> {
    matches!(refusal, Refusal::Attributes | Refusal::Languages)
        .then(|| ImportError::from(WriteError::Sets).into())
}

struct Merge<'a> {
    base: Base<'a>,
    attributes: Attributes,
    merged: Pieces,
    changes: Changes,
}

impl Merge<'_> {
    /// Merges sorted changes with everything of the base up to the last of them.
    fn piece(&mut self, entries: &[Entry]) -> Result<(), DeltaError> {
        for changes in entries.chunk_by(|one, other| one.key == other.key) {
            let key = changes[0].key;
            let mut old = None;
            while let Some((known, number)) = self.base.peek(&mut self.attributes)?
                && known <= key
            {
                self.base.place += 1;
                if known == key {
                    old = Some(number);
                } else {
                    self.keep(known, number);
                }
            }
            self.change(key, old, changes)?;
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<(), DeltaError> {
        while let Some((key, number)) = self.base.peek(&mut self.attributes)? {
            self.base.place += 1;
            self.keep(key, number);
        }
        Ok(())
    }

    fn keep(&mut self, key: u64, attributes: u32) {
        self.merged.push(Entry { key, line: 0, attributes });
    }

    /// The changes of one msn, in the order of their lines.
    fn change(&mut self, key: u64, old: Option<u32>, changes: &[Entry]) -> Result<(), DeltaError> {
        let mut set = old.map(|number| self.attributes.set(number));
        for change in changes {
            set = match change.attributes {
                DELETED => {
                    self.changes.unknown += u64::from(set.is_none());
                    None
                }
                number => {
                    let newer = self.attributes.set(number);
                    Some(set.map_or_else(|| newer.settled(), |set| set.updated(newer)))
                }
            };
        }
        let count = match (old, set) {
            (None, None) => return Ok(()),
            (None, Some(_)) => &mut self.changes.added,
            (Some(_), None) => &mut self.changes.deleted,
            (Some(old), Some(set)) if self.attributes.set(old) == set => {
                &mut self.changes.unchanged
            }
            (Some(_), Some(_)) => &mut self.changes.changed,
        };
        *count += 1;
        if let Some(set) = set {
            let number = self.attributes.number(set);
            let is_full = ImportError::from(WriteError::Sets);
            self.keep(key, number.map_err(|_| is_full)?);
        }
        Ok(())
    }
}
