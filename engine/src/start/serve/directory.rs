//! The data directory as a whole, before anything in it is used: open to this user only, and
//! nothing that counts missing or empty beside a queue of pushes.
//!
//! Never here: what is in a journal, which is recovery's.

use super::cluster::MEMBER_FILE;
use super::doors::TOKEN_FILE;
use crate::control::store::{STORE_FILE_NAME, StoreError};
use crate::start::fingerprint_key::KEY_FILE;
use crate::start::origin::ORIGIN_FILE;
use crate::start::time_scale::REHEARSAL_FILE;
use host::fatal::Fatal;
use host::unix_socket::ADMIN_SOCKET;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What others may do with a file.
const OTHERS: u32 = 0o077;
/// How deep directories stand in a data directory: `resharding/shard-000/journal`.
const DEPTH_MAX: usize = 4;

/// Refuses a queue of pushes without the registrations that it needs, and takes from others what
/// they may do with the files. To be called with the lock held.
///
/// # Errors
/// What is missing, and how it comes back.
pub(super) fn check(data_dir: &Path) -> Result<(), Fatal> {
    if let Some(lost) = StoreError::lost(data_dir) {
        return Err(lost.into());
    }
    close_to_others(data_dir);
    Ok(())
}

/// Everything in the directory, and the directory itself where nothing of anybody else stands in
/// it, is this user's only from now on. Says once what was found otherwise.
fn close_to_others(data_dir: &Path) {
    let mut open = Vec::new();
    let is_ours_alone = find_open(data_dir, 0, &mut open).unwrap_or(false);
    if is_open(data_dir) {
        if is_ours_alone {
            open.push(data_dir.to_path_buf());
        } else {
            tracing::warn!(
                directory = %data_dir.display(),
                "other users may look into the data directory, and it holds files that are not the \
                 engine's: close it with `chmod go-rwx`, or move those files"
            );
        }
    }
    let (mut closed, mut refused) = (0, None);
    for path in open {
        match close(&path) {
            Ok(()) => closed += 1,
            Err(error) => refused = refused.or(Some((path, error))),
        }
    }
    if closed > 0 {
        let directory = data_dir.display();
        tracing::warn!(
            %directory,
            closed,
            "other users could read files of the data directory; now they cannot"
        );
    }
    if let Some((path, error)) = refused {
        let path = path.display();
        tracing::warn!(
            %path,
            %error,
            "other users may read this, and it cannot be changed: close it with `chmod go-rwx`"
        );
    }
}

/// Finds what is open to others; whether all of it is the engine's. What is not the engine's is
/// left alone.
fn find_open(directory: &Path, depth: usize, open: &mut Vec<PathBuf>) -> io::Result<bool> {
    let mut is_ours_alone = true;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if depth == 0 && !entry.file_name().to_str().is_some_and(is_ours) {
            is_ours_alone = false;
            continue;
        }
        let path = entry.path();
        if is_open(&path) {
            open.push(path.clone());
        }
        if path.is_dir() && depth < DEPTH_MAX {
            // One that cannot be read holds up no start: its journal will say so.
            let _ = find_open(&path, depth + 1, open);
        }
    }
    Ok(is_ours_alone)
}

/// Whether the engine makes such a name in a data directory.
fn is_ours(name: &str) -> bool {
    let beginnings = [
        ADMIN_SOCKET,
        TOKEN_FILE,
        "audit",
        MEMBER_FILE,
        "lock",
        "resharded",
        "resharding",
        "shard-",
        "shards",
        STORE_FILE_NAME,
        ORIGIN_FILE,
        REHEARSAL_FILE,
    ];
    name.strip_suffix(".new").unwrap_or(name) == KEY_FILE
        || beginnings.iter().any(|beginning| name.starts_with(beginning))
}

/// Whether others may read it. A link to a file leads to somebody else's; one to a directory is
/// where an operator has put a part of this one.
fn is_open(path: &Path) -> bool {
    let leads_away = fs::symlink_metadata(path).is_ok_and(|named| named.is_symlink());
    fs::metadata(path).is_ok_and(|standing| {
        let is_foreign = leads_away && !standing.is_dir();
        !is_foreign && standing.permissions().mode() & OTHERS != 0
    })
}

fn close(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OTHERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it stands").permissions().mode() & 0o777
    }

    #[test]
    fn what_others_may_read_is_closed_and_what_is_not_the_engines_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        let journal = crate::journal::shards::shard_directory(&data, 0).join("journal");
        fs::create_dir_all(&journal).expect("writable");
        let paths = [
            data.join("lock"),
            data.join("registry.sqlite-wal"),
            journal.join("segment-00000001.log"),
        ];
        for path in &paths {
            fs::write(path, "x").expect("writable");
            fs::set_permissions(path, Permissions::from_mode(0o644)).expect("ours");
        }
        for path in [&data, &journal] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("ours");
        }
        close_to_others(&data);
        assert_eq!(paths.each_ref().map(|path| mode(path)), [0o600; 3]);
        assert_eq!([mode(&data), mode(&journal)], [0o700; 2]);
        // A link with a name of ours leads to what is not.
        let foreign = directory.path().join("foreign");
        fs::write(&foreign, "x").expect("writable");
        fs::set_permissions(&foreign, Permissions::from_mode(0o644)).expect("ours");
        std::os::unix::fs::symlink(&foreign, data.join(ADMIN_SOCKET)).expect("writable");
        close_to_others(&data);
        assert_eq!(mode(&foreign), 0o644);
        // A directory that holds more than a data directory is somebody's own.
        let notes = data.join("notes.txt");
        fs::write(&notes, "x").expect("writable");
        for (path, open) in [(&notes, 0o644), (&data, 0o755), (&paths[0], 0o640)] {
            fs::set_permissions(path, Permissions::from_mode(open)).expect("ours");
        }
        close_to_others(&data);
        assert_eq!([mode(&notes), mode(&data), mode(&paths[0])], [0o644, 0o755, 0o600]);
    }
}
