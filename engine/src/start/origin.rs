//! Where a data directory was made: a copy of it, or a backup, is told from the original.
//!
//! What waited when a copy was made would be sent a second time, and clients told twice. So a copy
//! is only looked at until somebody says that it takes the original's place.
//!
//! The first directory of a file system has the same number on each, so the file that says all this
//! tells of itself too: whatever copies it makes another file, with a number and a time of birth of
//! its own. The device keeps both over remounts and restarts. A copy of a whole device has the same
//! of all: that is told from nothing.
//!
//! Never here: what looking on means; that is `io::Setup`'s and the broadcasts' desk's.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use host::directory::sync_directory;
use sha2::{Digest as _, Sha256};

/// The file that says where a data directory was made.
pub const ORIGIN_FILE: &str = "origin";
/// What a backup says in its place.
const BACKUP: &str = "backup\n";
/// Where systems keep what tells them from each other.
const MACHINE: &str = "/etc/machine-id";
const DIGITS: usize = 16;

/// What systems that know no time of birth say in its place.
const NO_BIRTH: &str = "-";

/// What a data directory here says first: the machine, by a digest of its identifier where it has
/// one, and the directory by its number.
fn here(data_dir: &Path) -> io::Result<String> {
    let machine = fs::read_to_string(MACHINE).unwrap_or_default();
    let digest = Sha256::digest(machine.trim().as_bytes());
    let digits: String = digest.iter().take(DIGITS / 2).map(|o| format!("{o:02x}")).collect();
    Ok(format!("machine {digits}\ndirectory {}\n", fs::metadata(data_dir)?.ino()))
}

/// What the file that says so adds of itself: its number, and when it was made.
fn file_itself(file: &Metadata) -> String {
    let birth = file.created().ok().and_then(|birth| birth.duration_since(UNIX_EPOCH).ok());
    let birth = birth.map_or_else(|| NO_BIRTH.to_owned(), |birth| birth.as_nanos().to_string());
    format!("file {} {birth}\n", file.ino())
}

/// Whether the file is the one that a line tells of: by its number and, unless one of the two was
/// found by a system that knows no births, by that.
fn is_itself(told: &str, itself: &str) -> bool {
    let [told, itself] = [told, itself].map(|line| line.trim_end().rsplit_once(' '));
    let (Some((told, told_birth)), Some((itself, birth))) = (told, itself) else { return false };
    told == itself && (told_birth == birth || [told_birth, birth].contains(&NO_BIRTH))
}

/// What a data directory says of where it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Birthplace {
    /// Here.
    Here,
    /// Nothing, or not all that is said today: it is new, of an earlier program, or a power cut
    /// left it so. A copy has what the original said.
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
    let (told, itself) = match fs::File::open(data_dir.join(ORIGIN_FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => (String::new(), String::new()),
        file => {
            let file = file?;
            (io::read_to_string(&file)?, file_itself(&file.metadata()?))
        }
    };
    Ok(match told {
        // Earlier programs said no more than this.
        told if told.is_empty() || told == here => Birthplace::Unsaid,
        told if told.strip_prefix(&here).is_some_and(|line| is_itself(line, &itself)) => {
            Birthplace::Here
        }
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
    let here = here(data_dir)?;
    write(&data_dir.join(ORIGIN_FILE), |file| format!("{here}{}", file_itself(file)))
}

/// Says of a copy that it is a backup.
///
/// # Errors
/// That cannot be written.
pub fn mark_backup(copy: &Path) -> io::Result<()> {
    write(&copy.join(ORIGIN_FILE), |_| BACKUP.to_owned())
}

/// Writes what is to be said by a file that is known by then.
fn write(path: &Path, text: impl FnOnce(&Metadata) -> String) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = fs::File::create(&new)?;
    let text = text(&file.metadata()?);
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
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

    /// As where both are the first directories of their file systems, with the same number.
    #[test]
    fn a_copy_in_a_directory_of_the_same_number_is_told_by_the_file_that_was_copied() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        let told = || look(path).expect("readable");
        note_here(path).expect("written");
        assert_eq!(told(), Birthplace::Here);
        let (origin, copy) = (path.join(ORIGIN_FILE), path.join("copy"));
        fs::copy(&origin, &copy).expect("copied");
        fs::rename(&copy, &origin).expect("renamed");
        assert_eq!(told(), Birthplace::Elsewhere("it is a copy of another directory"));
        note_here(path).expect("written");
        assert_eq!(told(), Birthplace::Here, "it takes over");
        // What an earlier program said is said anew.
        fs::write(&origin, here(path).expect("readable")).expect("written");
        assert_eq!(told(), Birthplace::Unsaid);
    }

    #[test]
    fn a_file_is_itself_where_a_system_tells_of_births_and_another_does_not() {
        let born = "file 12 1795000000000000000\n";
        assert!(is_itself(born, born) && is_itself("file 12 -\n", born));
        assert!(is_itself(born, "file 12 -\n"));
        for other in ["file 13 1795000000000000000\n", "file 12 1795000000000000001\n", "", "x"] {
            assert!(!is_itself(born, other), "{other}");
        }
        assert!(!is_itself("file 13 -\n", born));
    }
}
