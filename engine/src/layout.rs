//! How a data directory is laid out: the file that says for how many shards, and where each keeps its files.
//!
//! Everything made here is synced, names included, before anybody relies on it: a loss of power leaves the layout that
//! was or the one that is to be.

use crate::fatal::{Fatal, FatalReason};
use crate::journal::sync_directory;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The file that says for how many shards a data directory is laid out.
const SHARDS_FILE: &str = "shards";

/// Where a shard keeps its files.
pub fn shard_directory(data_dir: &Path, number: usize) -> PathBuf {
    data_dir.join(format!("shard-{number:03}"))
}

/// Whether no engine ever served in the directory.
pub fn is_fresh(data_dir: &Path) -> bool {
    !data_dir.join(SHARDS_FILE).exists()
}

/// Lays the directory out for `shards` shards if it is fresh.
///
/// # Errors
/// When it is laid out for another number, or cannot be read or written.
pub fn prepare(data_dir: &Path, shards: usize) -> Result<(), Fatal> {
    let path = data_dir.join(SHARDS_FILE);
    let unusable = |error: io::Error| {
        Fatal::new(FatalReason::DataDirUnusable, format!("{} cannot be used ({error})", path.display()))
    };
    match read_shards(data_dir).map_err(unusable)? {
        Some(laid_out) if laid_out == shards => Ok(()),
        Some(laid_out) => {
            let cause = format!(
                "the data directory {} is laid out for {laid_out} shards, not {shards}",
                data_dir.display()
            );
            let remedy = format!("start with --shards {laid_out} or choose another --data-dir");
            Err(Fatal::with_remedy(FatalReason::DataDirUnusable, cause, remedy))
        }
        None => lay_out(data_dir, shards).map_err(unusable),
    }
}

/// For how many shards the directory is laid out; `None` where nothing says so yet.
fn read_shards(data_dir: &Path) -> io::Result<Option<usize>> {
    let text = match fs::read_to_string(data_dir.join(SHARDS_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match text.trim().parse() {
        Ok(shards) if shards > 0 => Ok(Some(shards)),
        _ => {
            let message = format!("it says {:?} and no number of shards", text.trim());
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        }
    }
}

/// Makes the shards' directories, and then says how many there are.
fn lay_out(data_dir: &Path, shards: usize) -> io::Result<()> {
    for number in 0..shards {
        fs::create_dir_all(shard_directory(data_dir, number))?;
    }
    write_shards(data_dir, shards)?;
    // The directory itself may be new.
    match data_dir.canonicalize()?.parent() {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

/// Writes for how many shards the directory is laid out: what was said before stands until the new word is durable.
fn write_shards(data_dir: &Path, shards: usize) -> io::Result<()> {
    let fresh = data_dir.join("shards.tmp");
    let mut file = File::create(&fresh)?;
    writeln!(file, "{shards}")?;
    file.sync_all()?;
    fs::rename(&fresh, data_dir.join(SHARDS_FILE))?;
    sync_directory(data_dir)
}
