//! Line-state files of the simulated network.

use std::path::Path;

/// Writes a line-state file with these msns and states.
///
/// # Panics
/// When it cannot be written.
pub fn write<M: std::fmt::Display>(path: &Path, lines: &[(M, &str)]) {
    let mut text = String::from("msn,state\n");
    for (msn, state) in lines {
        text += &format!("{msn},{state}\n");
    }
    std::fs::write(path, text).expect("a writable directory");
}
