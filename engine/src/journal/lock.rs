//! The lock of a data directory: one engine at a time. `DATA/lock` is held with flock(2), so it
//! ends with the process that holds it, however that ends; its text says who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the data directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it. `pid` is 0 where the holder has not written it yet.
    #[error(
        "the data directory {} is in use by process {pid}; stop that engine, or give this one \
         another --data-dir",
        directory.display()
    )]
    HeldBy {
        /// The data directory.
        directory: PathBuf,
        /// The holder's process id.
        pid: u32,
    },
    /// The lock file cannot be opened, locked or written.
    #[error(
        "cannot lock the data directory {}: {source}; check that it exists and may be written",
        directory.display()
    )]
    Io {
        /// The data directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Who holds a data directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The process id.
    pub pid: u32,
}

/// The held lock; dropping it gives the directory back.
#[derive(Debug)]
pub struct DataDirLock {
    file: File,
}

/// The name of the lock file in a data directory.
const LOCK_FILE: &str = "lock";
/// How often a lock that somebody has is tried again, and after how long.
const LOCK_TRIES_MAX: u32 = 10;
const LOCK_TRY_INTERVAL: Duration = Duration::from_millis(10);
/// More than a lock file ever holds.
const LOCK_TEXT_OCTETS_MAX: u64 = 256;

impl DataDirLock {
    /// Takes the lock of `directory`, which must exist, and writes this process's id into it.
    ///
    /// # Errors
    /// [`LockError::HeldBy`] when another process, or this one, has it; [`LockError::Io`]
    /// otherwise.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let io_error = |source| LockError::Io { directory: directory.to_path_buf(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(LOCK_FILE))
            .map_err(io_error)?;
        let mut tries = LOCK_TRIES_MAX;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // A command that asks for the holder has the lock for an instant.
                Err(TryLockError::WouldBlock) if tries > 0 => {
                    tries -= 1;
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "a start, before there is a shard"
                    )]
                    std::thread::sleep(LOCK_TRY_INTERVAL);
                }
                Err(TryLockError::WouldBlock) => {
                    let pid = read_text(&file).map_or(0, |holder| holder.pid);
                    return Err(LockError::HeldBy { directory: directory.to_path_buf(), pid });
                }
                Err(TryLockError::Error(source)) => return Err(io_error(source)),
            }
        }
        let mut lock = Self { file };
        lock.write_text().map_err(io_error)?;
        Ok(lock)
    }

    fn write_text(&mut self) -> io::Result<()> {
        let text = format!("{}\n", std::process::id());
        self.file.seek(SeekFrom::Start(0))?;
        // Over what stood there, whose place on a full device may be the last one.
        match self.file.write_all(text.as_bytes()) {
            Ok(()) => self.file.set_len(text.len() as u64),
            // The lock holds without it; commands cannot tell who has it.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => self.file.set_len(0),
            Err(error) => Err(error),
        }
    }
}

/// Who holds the lock of `directory` now; `None` when nobody does, whatever the file says.
///
/// # Errors
/// When the lock file exists and cannot be opened.
pub fn read_holder(directory: &Path) -> io::Result<Option<Holder>> {
    let file = match File::open(directory.join(LOCK_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read_text(&file).unwrap_or(Holder { pid: 0 }))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn read_text(mut file: &File) -> Option<Holder> {
    file.seek(SeekFrom::Start(0)).ok()?;
    let mut text = String::new();
    file.take(LOCK_TEXT_OCTETS_MAX).read_to_string(&mut text).ok()?;
    // An earlier version wrote a second line.
    Some(Holder { pid: text.lines().next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_the_holder_and_the_lock_ends_with_its_owner() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(read_holder(directory.path()).expect("readable"), None);
        let lock = DataDirLock::take(directory.path()).expect("nobody has it");
        match DataDirLock::take(directory.path()) {
            Err(LockError::HeldBy { pid, .. }) => assert_eq!(pid, std::process::id()),
            other => panic!("expected a refusal, got {other:?}"),
        }
        let holder = read_holder(directory.path()).expect("readable");
        assert_eq!(holder, Some(Holder { pid: std::process::id() }));
        drop(lock);
        assert_eq!(read_holder(directory.path()).expect("readable"), None);
        DataDirLock::take(directory.path()).expect("free again");
    }

    #[test]
    fn a_missing_directory_is_an_error_with_its_name() {
        let error =
            DataDirLock::take(Path::new("/nonexistent/hayauma")).expect_err("no such directory");
        assert!(error.to_string().contains("/nonexistent/hayauma"), "{error}");
    }
}
