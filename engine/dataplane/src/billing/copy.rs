//! Copying the billing log of a shard while an engine may be appending to it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::limits::SLOT_OCTETS;
use super::read::files_of_shard;
use host::directory::sync_directory;

/// Copies the event files in `from` to `to`, which is made, and syncs them: each as it stood at one
/// moment. Returns their octets.
///
/// # Errors
/// What the system said.
pub fn copy_log(from: &Path, to: &Path) -> io::Result<u64> {
    fs::create_dir_all(to)?;
    let mut octets_in_all = 0;
    for file in files_of_shard(from, 0)? {
        // Slots are written in their order: whatever stood when the first reading ended had been
        // written before the second one began.
        let written = slots_written(&fs::read(&file.path)?);
        let mut octets = fs::read(&file.path)?;
        let end = (written * SLOT_OCTETS).min(octets.len());
        octets[end..].fill(0);
        let mut copy = File::create(to.join(file.path.file_name().unwrap_or_default()))?;
        copy.write_all(&octets)?;
        copy.sync_all()?;
        octets_in_all += octets.len() as u64;
    }
    sync_directory(to)?;
    Ok(octets_in_all)
}

/// The number of slots up to the last one that holds anything.
fn slots_written(octets: &[u8]) -> usize {
    let (slots, _) = octets.as_chunks::<SLOT_OCTETS>();
    slots.iter().rposition(|slot| slot.iter().any(|&octet| octet != 0)).map_or(0, |last| last + 1)
}
