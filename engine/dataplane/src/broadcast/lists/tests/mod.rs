//! Recipients' files of our own, of shapes that people are known to send.

mod agreement;
mod changes;
mod files;
mod versions;

use std::fs::File;
use std::path::Path;

use tempfile::{TempDir, tempdir};

use super::account::Account;
use super::import::{Import, ImportError, Version};
use super::reader::ReaderOptions;

/// SplitMix64.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

fn directory() -> TempDir {
    tempdir().expect("a directory")
}

fn new_file(path: &Path) -> File {
    File::options().read(true).write(true).create(true).truncate(true).open(path).expect("a file")
}

/// Imports octets in pieces of `piece`.
fn import(
    octets: &[u8],
    piece: usize,
    options: &ReaderOptions,
) -> Result<(Version, Vec<u8>), ImportError> {
    let directory = directory();
    let path = directory.path().join("list");
    let mut import = Import::new(options.clone(), directory.path())?;
    for octets in octets.chunks(piece) {
        import.feed(octets)?;
    }
    let version = import.finish(&new_file(&path))?;
    Ok((version, std::fs::read(&path).expect("the version")))
}

#[track_caller]
fn account(text: &str) -> Account {
    import(text.as_bytes(), 1 << 20, &ReaderOptions::default()).expect("a list").0.account
}
