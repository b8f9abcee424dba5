//! Directories: made for the owner alone, and their entries synced to the device.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes the data directory if absent, open to this user only; one that exists keeps its
/// permissions.
///
/// # Errors
/// What the system said.
pub fn make_data_dir(data_dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir)
}

/// Makes the names in `directory` durable.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
