//! The file of areas that was loaded last.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};

use serde::{Deserialize, Serialize};

use super::shelf::Shelf;
use crate::broadcast::areas::AreaCatalogue;
use crate::broadcast::areas::features::{FeatureError, FeatureNames, FeatureReader};
use crate::broadcast::limits::FEATURE_OCTETS_MAX;

/// What was loaded, as it is kept beside the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AreasLoaded {
    /// The file.
    pub file: String,
    /// The property that is the code.
    pub code_property: String,
    /// The property that is the name.
    pub name_property: String,
    /// Features that were taken.
    pub features: u64,
    /// Features without a code.
    pub without_code: u64,
    /// Areas in all, with those that come with the program.
    pub areas: usize,
    /// Who loaded it.
    pub by: String,
    /// When, in Japan.
    pub at: String,
}

/// The catalogue that was loaded last. Where it cannot be read it is the program's own: what only
/// the file knew is refused then, and nobody is alarmed who was not meant.
pub(super) fn loaded(shelf: &Shelf) -> AreaCatalogue {
    let read = || -> io::Result<Option<AreaCatalogue>> {
        let Some(loaded) = shelf.areas_loaded::<AreasLoaded>()? else { return Ok(None) };
        let names = FeatureNames { code: loaded.code_property, name: loaded.name_property };
        let mut reader = FeatureReader::new(names);
        let mut lines = BufReader::new(File::open(shelf.areas().join(loaded.file))?);
        let other = |error: FeatureError| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut some = lines.by_ref().take(FEATURE_OCTETS_MAX as u64 + 1);
            if some.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            reader.take(line.strip_suffix(b"\n").unwrap_or(&line)).map_err(other)?;
        }
        reader.finish().map(Some).map_err(other)
    };
    match read() {
        Ok(catalogue) => catalogue.unwrap_or_else(AreaCatalogue::of_japan),
        Err(error) => {
            tracing::error!(%error, "the areas that were loaded cannot be read: load them again");
            AreaCatalogue::of_japan()
        }
    }
}
