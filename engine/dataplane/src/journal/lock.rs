//! The lock of a data directory: one engine at a time. `DATA/lock` is held with flock(2), so it
//! ends with the process that holds it, however that ends; its text says who holds it.
//!
//! The directory itself is held too: somebody who removes `lock` under a running engine, or puts a
//! copy of it back, lets no second engine in.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the data directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error(
        "the data directory {} is in use by {holder}; stop that engine, or give this one \
         another --data-dir",
        directory.display()
    )]
    HeldBy {
        /// The data directory.
        directory: PathBuf,
        /// Who.
        holder: LockHolder,
    },
    /// Another process holds the directory, and not the file `lock` that stands in it now.
    #[error(
        "the data directory {} is in use by an engine whose file `lock` was removed or replaced; \
         stop that engine (it still serves), and never remove `lock`",
        directory.display()
    )]
    LockRemoved {
        /// The data directory.
        directory: PathBuf,
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
pub struct LockHolder {
    /// The process id; `None` where the file `lock` does not say it: the holder has not written it
    /// yet, or the file was removed or replaced.
    pub pid: Option<u32>,
}

impl std::fmt::Display for LockHolder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) => write!(formatter, "process {pid}"),
            None => formatter.write_str("a process whose id the file `lock` does not tell"),
        }
    }
}

/// The held lock; dropping it gives the directory back.
#[derive(Debug)]
pub struct DataDirLock {
    file: File,
    // Where a file system locks no directories, `None`: the file's lock alone holds.
    _directory: Option<File>,
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
    /// [`LockError::HeldBy`] when another process, or this one, has it;
    /// [`LockError::LockRemoved`] when it has the directory alone; [`LockError::Io`] otherwise.
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
                Err(TryLockError::WouldBlock) if tries > 0 => {
                    tries -= 1;
                    wait_a_moment();
                }
                Err(TryLockError::WouldBlock) => {
                    let (directory, holder) = (directory.to_path_buf(), read_text(&file));
                    return Err(LockError::HeldBy { directory, holder });
                }
                Err(TryLockError::Error(source)) => return Err(io_error(source)),
            }
        }
        let _directory = match hold_directory(directory).map_err(io_error)? {
            Held::Now(handle) => handle,
            Held::BySomebody => {
                return Err(LockError::LockRemoved { directory: directory.to_path_buf() });
            }
        };
        let mut lock = Self { file, _directory };
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

/// Whether this process holds a directory now.
enum Held {
    Now(Option<File>),
    BySomebody,
}

fn hold_directory(directory: &Path) -> io::Result<Held> {
    let handle = File::open(directory)?;
    for _ in 0..LOCK_TRIES_MAX {
        match handle.try_lock() {
            Ok(()) => return Ok(Held::Now(Some(handle))),
            // A network's file system wants a file that may be written.
            Err(TryLockError::Error(_)) => return Ok(Held::Now(None)),
            Err(TryLockError::WouldBlock) => wait_a_moment(),
        }
    }
    Ok(Held::BySomebody)
}

/// A command that asks for the holder has the lock for an instant.
fn wait_a_moment() {
    #[expect(clippy::disallowed_methods, reason = "a start, before there is a shard")]
    std::thread::sleep(LOCK_TRY_INTERVAL);
}

/// Whether a process holds the directory, whatever its file `lock` says.
fn is_held(directory: &Path) -> io::Result<bool> {
    Ok(matches!(File::open(directory)?.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Who holds the lock of `directory` now; `None` when nobody does, whatever the file says.
///
/// # Errors
/// When the lock file exists and cannot be opened.
pub fn read_holder(directory: &Path) -> io::Result<Option<LockHolder>> {
    let file = match File::open(directory.join(LOCK_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match is_held(directory) {
                Ok(is_held) => Ok(is_held.then_some(LockHolder { pid: None })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        }
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        // Somebody may have put another `lock` there.
        Ok(()) => Ok(is_held(directory)?.then_some(LockHolder { pid: None })),
        Err(TryLockError::WouldBlock) => Ok(Some(read_text(&file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn read_text(mut file: &File) -> LockHolder {
    let mut text = String::new();
    let read = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.take(LOCK_TEXT_OCTETS_MAX).read_to_string(&mut text));
    // An earlier version wrote a second line.
    let pid = read.ok().and_then(|_| text.lines().next()?.parse().ok());
    LockHolder { pid }
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
            Err(LockError::HeldBy { holder, .. }) => {
                assert_eq!(holder.to_string(), format!("process {}", std::process::id()));
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
        let holder = read_holder(directory.path()).expect("readable");
        assert_eq!(holder, Some(LockHolder { pid: Some(std::process::id()) }));
        drop(lock);
        assert_eq!(read_holder(directory.path()).expect("readable"), None);
        DataDirLock::take(directory.path()).expect("free again");
    }

    #[test]
    fn a_lock_file_that_was_removed_or_replaced_lets_nobody_in() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let lock = DataDirLock::take(directory.path()).expect("nobody has it");
        let file = directory.path().join(LOCK_FILE);
        for replace in [false, true] {
            std::fs::remove_file(&file).expect("removed");
            if replace {
                std::fs::write(&file, "1\n").expect("written");
            }
            let holder = read_holder(directory.path()).expect("readable").expect("somebody");
            assert!(holder.to_string().starts_with("a process whose id"), "{holder}");
            let refused = DataDirLock::take(directory.path()).expect_err("held");
            assert!(matches!(refused, LockError::LockRemoved { .. }), "{refused}");
        }
        drop(lock);
        DataDirLock::take(directory.path()).expect("free again");
    }

    #[test]
    fn a_missing_directory_is_an_error_with_its_name() {
        let error =
            DataDirLock::take(Path::new("/nonexistent/hayauma")).expect_err("no such directory");
        assert!(error.to_string().contains("/nonexistent/hayauma"), "{error}");
    }
}
