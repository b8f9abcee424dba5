//! Where a data directory was made: a copy of it, or a backup, is told from the original.
//!
//! What waited when a copy was made would be sent a second time, and clients told twice. So a copy
//! is only looked at until somebody says that it takes the original's place.
//!
//! Never here: what looking on means; that is `io::Setup`'s and the broadcasts' desk's.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use host::directory::sync_directory;
use sha2::{Digest as _, Sha256};

/// The file that says where a data directory was made.
pub const ORIGIN_FILE: &str = "origin";
/// What a backup says in its place.
const BACKUP: &str = "backup\n";
/// Where systems keep what tells them from each other.
const MACHINE: &str = "/etc/machine-id";
const DIGITS: usize = 16;

/// What a data directory here says: the machine, by a digest of its identifier where it has one,
/// and the directory by its number.
fn here(data_dir: &Path) -> io::Result<String> {
    let machine = fs::read_to_string(MACHINE).unwrap_or_default();
    let digest = Sha256::digest(machine.trim().as_bytes());
    let digits: String = digest.iter().take(DIGITS / 2).map(|o| format!("{o:02x}")).collect();
    Ok(format!("machine {digits}\ndirectory {}\n", fs::metadata(data_dir)?.ino()))
}

/// Looks at where a directory was made; why it is only to be looked at, if that is so. One that
/// says nothing is from here from now on, and so is one that `takes_over`.
///
/// # Errors
/// The file cannot be read or written.
pub fn look(data_dir: &Path, takes_over: bool) -> io::Result<Option<&'static str>> {
    let here = here(data_dir)?;
    let path = data_dir.join(ORIGIN_FILE);
    let told = match fs::read_to_string(&path) {
        // A power cut left it so: a copy has what the original said.
        Ok(told) if told.is_empty() => None,
        Ok(told) => Some(told),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let why = match told {
        Some(told) if told == here => return Ok(None),
        Some(told) if told == BACKUP => "it is a backup",
        Some(told) if told.lines().next() != here.lines().next() => {
            "it was copied from another machine"
        }
        Some(_) => "it is a copy of another directory",
        None => return write(&path, &here).map(|()| None),
    };
    if takes_over {
        return write(&path, &here).map(|()| None);
    }
    Ok(Some(why))
}

/// Says of a copy that it is a backup.
///
/// # Errors
/// That cannot be written.
pub fn mark_backup(copy: &Path) -> io::Result<()> {
    write(&copy.join(ORIGIN_FILE), BACKUP)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_and_a_backup_are_looked_at_until_somebody_takes_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let [original, copy] = ["original", "copy"].map(|name| directory.path().join(name));
        for path in [&original, &copy] {
            fs::create_dir(path).expect("made");
        }
        assert_eq!(look(&original, false).expect("readable"), None, "nothing was said");
        assert_eq!(look(&original, false).expect("readable"), None);
        fs::copy(original.join(ORIGIN_FILE), copy.join(ORIGIN_FILE)).expect("copied");
        let why = look(&copy, false).expect("readable");
        assert_eq!(why, Some("it is a copy of another directory"));
        assert_eq!(look(&copy, false).expect("readable"), why, "until somebody says so");
        assert_eq!(look(&copy, true).expect("readable"), None);
        assert_eq!(look(&copy, false).expect("readable"), None);
        fs::write(copy.join(ORIGIN_FILE), "").expect("written");
        assert_eq!(look(&copy, false).expect("readable"), None, "a power cut is no copy");
        mark_backup(&copy).expect("written");
        assert_eq!(look(&copy, false).expect("readable"), Some("it is a backup"));
        let other = "machine 0000000000000000\ndirectory 1\n";
        fs::write(original.join(ORIGIN_FILE), other).expect("written");
        let why = look(&original, false).expect("readable");
        assert_eq!(why, Some("it was copied from another machine"));
    }
}
