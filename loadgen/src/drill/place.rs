//! The directory of a drill: fresh, on a file system that keeps what is written, gone afterwards
//! unless kept.

use super::DrillError;
use crate::machine::is_volatile;
use std::io;
use std::path::{Path, PathBuf};

/// The directory and who removes it.
pub(super) struct Place {
    directory: PathBuf,
    /// Removes the directory when dropped; none where it is kept.
    _temporary: Option<tempfile::TempDir>,
}

impl Place {
    /// `wanted`, which must be absent or empty and is kept; else a new temporary directory.
    pub(super) fn open(wanted: Option<&Path>, keep: bool) -> Result<Self, DrillError> {
        let fault = |source| DrillError::System { doing: "make the drill's directory", source };
        if let Some(directory) = wanted {
            std::fs::create_dir_all(directory).map_err(fault)?;
            if std::fs::read_dir(directory).map_err(fault)?.next().is_some() {
                return Err(DrillError::DirectoryNotEmpty(directory.to_owned()));
            }
            return Ok(Self { directory: directory.to_owned(), _temporary: None });
        }
        let temporary = temporary().map_err(fault)?;
        if keep {
            return Ok(Self { directory: temporary.keep(), _temporary: None });
        }
        Ok(Self { directory: temporary.path().to_owned(), _temporary: Some(temporary) })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.directory
    }
}

/// In the system's directory for temporary files, or one that outlives a boot if that is only
/// memory: a drill under durability "power" has to write to a device.
fn temporary() -> io::Result<tempfile::TempDir> {
    let places = [std::env::temp_dir(), PathBuf::from("/var/tmp"), PathBuf::from(".")];
    let make = |place: &Path| tempfile::Builder::new().prefix("hayauma-drill-").tempdir_in(place);
    let lasting =
        places.iter().filter(|place| !is_volatile(place)).find_map(|place| make(place).ok());
    lasting.map_or_else(|| make(&places[0]), Ok)
}

/// Octets that the files below `directory` take on the device.
pub(super) fn octets_of(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => octets_of(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_place_is_removed_and_a_used_directory_is_refused() {
        let place = Place::open(None, false).expect("a place for temporary files");
        let path = place.path().to_owned();
        std::fs::write(path.join("file"), [7; 10_000]).expect("a writable directory");
        assert!(octets_of(&path) >= 8_192);
        assert!(matches!(Place::open(Some(&path), false), Err(DrillError::DirectoryNotEmpty(_))));
        drop(place);
        assert!(!path.exists());
    }
}
