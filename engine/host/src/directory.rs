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
///
/// # Errors
/// It cannot be opened, or the device failed the sync.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Writes a file anew that this user alone may read, whatever its mode was.
///
/// # Errors
/// What the system said.
pub fn write_private(path: &Path, octets: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(octets)
}
