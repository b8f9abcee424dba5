//! The shards' directories within a data directory, and the journals in them.

use crate::journal::has_segments;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where a shard keeps its files.
pub fn shard_directory(data_dir: &Path, number: usize) -> PathBuf {
    data_dir.join(format!("shard-{number:03}"))
}

/// Whether there is a journal with segments in the directory, or something there that cannot be
/// read.
pub fn has_journals(data_dir: &Path) -> bool {
    let Ok(numbers) = shard_numbers(data_dir) else { return data_dir.exists() };
    numbers.into_iter().any(|number| {
        has_segments(&shard_directory(data_dir, number).join("journal")).unwrap_or(true)
    })
}

/// The shards that have a directory.
pub fn shard_numbers(data_dir: &Path) -> io::Result<Vec<usize>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("shard-"));
        numbers.extend(digits.and_then(|digits| digits.parse::<usize>().ok()));
    }
    Ok(numbers)
}
