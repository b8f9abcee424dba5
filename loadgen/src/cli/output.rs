//! What a command was asked for, on stdout. A reader that has gone away is no failure; an output
//! that takes nothing is one, told when all else is done.

use std::io::{self, ErrorKind, Write};

/// Writes `text` to stdout.
///
/// # Errors
/// One sentence that says why it could not be written.
pub(super) fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    unless_reader_gone(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

pub(super) fn unless_reader_gone(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("the output cannot be written ({error}): check where it goes."))
        }
        _ => Ok(()),
    }
}
