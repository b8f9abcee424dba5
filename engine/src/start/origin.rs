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

/// What a data directory says of where it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Birthplace {
    /// Here.
    Here,
    /// Nothing: it is new, of a program that noted nothing, or a power cut left it so. A copy has
    /// what the original said.
    Unsaid,
    /// Not here, in these words.
    Elsewhere(&'static str),
}

/// Looks at where a directory was made.
///
/// # Errors
/// The file cannot be read.
pub fn look(data_dir: &Path) -> io::Result<Birthplace> {
    let here = here(data_dir)?;
    let told = match fs::read_to_string(data_dir.join(ORIGIN_FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        told => told?,
    };
    Ok(match told {
        told if told.is_empty() => Birthplace::Unsaid,
        told if told == here => Birthplace::Here,
        told if told == BACKUP => Birthplace::Elsewhere("it is a backup"),
        told if told.lines().next() != here.lines().next() => {
            Birthplace::Elsewhere("it was copied from another machine")
        }
        _ => Birthplace::Elsewhere("it is a copy of another directory"),
    })
}

/// The directory is from here from now on.
///
/// # Errors
/// The file cannot be written.
pub fn note_here(data_dir: &Path) -> io::Result<()> {
    write(&data_dir.join(ORIGIN_FILE), &here(data_dir)?)
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
    fn a_copy_and_a_backup_are_from_elsewhere_until_they_take_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let [original, copy] = ["original", "copy"].map(|name| directory.path().join(name));
        for path in [&original, &copy] {
            fs::create_dir(path).expect("made");
        }
        let told = |path: &Path| look(path).expect("readable");
        assert_eq!(told(&original), Birthplace::Unsaid);
        note_here(&original).expect("written");
        assert_eq!(told(&original), Birthplace::Here);
        fs::copy(original.join(ORIGIN_FILE), copy.join(ORIGIN_FILE)).expect("copied");
        let elsewhere = Birthplace::Elsewhere("it is a copy of another directory");
        assert_eq!([told(&copy), told(&copy)], [elsewhere; 2], "until somebody says so");
        note_here(&copy).expect("written");
        assert_eq!(told(&copy), Birthplace::Here);
        fs::write(copy.join(ORIGIN_FILE), "").expect("written");
        assert_eq!(told(&copy), Birthplace::Unsaid, "a power cut is no copy");
        mark_backup(&copy).expect("written");
        assert_eq!(told(&copy), Birthplace::Elsewhere("it is a backup"));
        let other = "machine 0000000000000000\ndirectory 1\n";
        fs::write(original.join(ORIGIN_FILE), other).expect("written");
        let elsewhere = Birthplace::Elsewhere("it was copied from another machine");
        assert_eq!(told(&original), elsewhere);
    }
}
