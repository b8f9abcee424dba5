//! Files of settings and plans, read up to a bound.

use std::io;
use std::io::Read as _;
use std::path::Path;

/// Longest file of settings or of a plan, in octets.
pub const SETTINGS_FILE_OCTETS_MAX: u64 = 1 << 20;

/// Reads a file of settings or a plan. How deep it may nest, the TOML parser bounds by itself.
///
/// # Errors
/// As [`read_bounded`].
pub fn read_settings_file(path: &Path) -> io::Result<String> {
    read_bounded(path, SETTINGS_FILE_OCTETS_MAX)
}

/// Reads a file that people write, of at most so many octets, whatever the path leads to.
///
/// # Errors
/// What the system says; a file that is too long or no text.
pub fn read_bounded(path: &Path, octets_max: u64) -> io::Result<String> {
    let mut text = String::new();
    let octets = std::fs::File::open(path)?.take(octets_max + 1).read_to_string(&mut text)?;
    if octets as u64 > octets_max {
        return Err(io::Error::other(format!("longer than {octets_max} octets")));
    }
    Ok(text)
}
