//! The key of a data directory's fingerprints, in a file of its own: `DATA/key`.
//!
//! It is made with the directory, read by its owner only, and goes wherever the directory's
//! journals go. Without it the pushes in them are not found by their reqids any more: a directory
//! whose key is damaged does not start.
//!
//! A directory from before there were keys gets one at its next start, and the file says when: for
//! [`OLDER_ASKED_MS`] look-ups ask by the fingerprints from before too.

use crate::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use host::directory::sync_directory;
use host::fatal::{Fatal, FatalReason};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use wire::terms::time::WallMs;

/// The file's name.
pub const KEY_FILE: &str = "key";

/// For so long after the key was made fingerprints from before it are asked for: a lifetime of 72
/// hours, a day of notifications, a day in which the key is remembered, and a day more.
pub const OLDER_ASKED_MS: u64 = 6 * 24 * 3_600_000;

/// The longest that the file may be.
const OCTETS_MAX: u64 = 256;

/// Reads the directory's key; makes one where there is none. `is_fresh` says that no engine ever
/// served in it.
///
/// # Errors
/// One sentence: the file cannot be read, made, or understood.
pub fn take(data_dir: &Path, is_fresh: bool, now_ms: WallMs) -> Result<FingerprintKeys, Fatal> {
    let path = data_dir.join(KEY_FILE);
    let unusable = |error: io::Error| {
        Fatal::new(
            FatalReason::DataDirUnusable,
            format!("{} cannot be used ({error})", path.display()),
        )
    };
    match read(data_dir).map_err(unusable)? {
        Some(text) => parse(&text).ok_or_else(|| {
            let cause = format!("{} holds no key", path.display());
            let remedy =
                "put the file back from a backup of this directory: its pushes are found by it";
            Fatal::with_remedy(FatalReason::DataDirUnusable, cause, remedy)
        }),
        None => {
            let text =
                text_of(&random_key().map_err(unusable)?, (!is_fresh).then_some(now_ms.ms()));
            write(data_dir, &text).map_err(unusable)?;
            parse(&text).ok_or_else(|| unusable(io::Error::from(ErrorKind::InvalidData)))
        }
    }
}

/// Has the directory's key be this one, which all nodes of a cluster have.
///
/// # Errors
/// The file cannot be read or made.
pub fn put(data_dir: &Path, key: &[u8; 16]) -> io::Result<FingerprintKeys> {
    let text = text_of(key, None);
    if read(data_dir)?.as_ref() != Some(&text) {
        write(data_dir, &text)?;
    }
    parse(&text).ok_or_else(|| io::Error::from(ErrorKind::InvalidData))
}

/// The directory's key for who only looks; `None` where there is none, or none that can be read.
pub fn look(data_dir: &Path) -> Option<FingerprintKeys> {
    read(data_dir).ok().flatten().and_then(|text| parse(&text))
}

/// Copies the key to another directory, where there is one.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    match read(from)? {
        Some(text) => write(to, &text),
        None => Ok(()),
    }
}

fn read(data_dir: &Path) -> io::Result<Option<String>> {
    let file = match File::open(data_dir.join(KEY_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut octets = Vec::new();
    file.take(OCTETS_MAX).read_to_end(&mut octets)?;
    Ok(Some(String::from_utf8_lossy(&octets).into_owned()))
}

/// The file is there as a whole or not at all, also after a power cut.
fn write(data_dir: &Path, text: &str) -> io::Result<()> {
    let fresh = data_dir.join("key.new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, data_dir.join(KEY_FILE))?;
    sync_directory(data_dir)
}

fn random_key() -> io::Result<[u8; 16]> {
    let mut key = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(key)
}

fn text_of(key: &[u8; 16], made_ms: Option<u64>) -> String {
    let hex: String = key.iter().map(|octet| format!("{octet:02x}")).collect();
    let older = made_ms.map(|made_ms| format!(" after {made_ms}")).unwrap_or_default();
    format!("key {hex}{older}\n")
}

fn parse(text: &str) -> Option<FingerprintKeys> {
    let mut words = text.strip_suffix('\n')?.split(' ');
    let (Some("key"), Some(hex)) = (words.next(), words.next()) else { return None };
    let mut key = [0; 16];
    if hex.len() != 2 * key.len() || !hex.is_ascii() {
        return None;
    }
    for (at, octet) in key.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    let older_until_ms = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some("after"), Some(made), None) => {
            Some(made.parse::<u64>().ok()?.saturating_add(OLDER_ASKED_MS))
        }
        _ => return None,
    };
    Some(FingerprintKeys { keyed: Fingerprints::new(key), older_until_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let place = tempfile::tempdir().expect("a directory");
        let first =
            take(place.path(), true, WallMs::new(7)).unwrap_or_else(|fatal| panic!("{fatal:?}"));
        assert_eq!(first.older_until_ms, None);
        let text = fs::read_to_string(place.path().join(KEY_FILE)).expect("the key");
        assert!(take(place.path(), false, WallMs::new(9)).is_ok());
        assert_eq!(fs::read_to_string(place.path().join(KEY_FILE)).expect("the key"), text);
        let mode = fs::metadata(place.path().join(KEY_FILE)).expect("the key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_directory_from_before_is_asked_by_both_for_some_days() {
        let place = tempfile::tempdir().expect("a directory");
        for _ in 0..2 {
            let keys = take(place.path(), false, WallMs::new(7_000))
                .unwrap_or_else(|fatal| panic!("{fatal:?}"));
            assert_eq!(keys.older_until_ms, Some(7_000 + OLDER_ASKED_MS));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_never_replaced() {
        let place = tempfile::tempdir().expect("a directory");
        for text in ["", "key\n", "key 00\n", "key 000102030405060708090a0b0c0d0e0f", "key zz"] {
            fs::write(place.path().join(KEY_FILE), text).expect("a file");
            assert!(
                take(place.path(), false, WallMs::new(7)).is_err() && look(place.path()).is_none(),
                "{text:?}"
            );
            assert_eq!(fs::read_to_string(place.path().join(KEY_FILE)).expect("the file"), text);
        }
    }
}
