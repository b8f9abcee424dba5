//! Writing to a socket that does not block.

use std::io::{self, Write};

/// Writes `output` from `written` on until all is out or `stream` takes no more for now; `written`
/// says how far it came.
///
/// # Errors
/// What the socket says; [`io::ErrorKind::WriteZero`] when it takes nothing at all.
pub(super) fn write_out(
    stream: &mut impl Write,
    output: &[u8],
    written: &mut usize,
) -> io::Result<()> {
    while *written < output.len() {
        match stream.write(&output[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(octets) => *written += octets,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_takes_nothing_more_ends_the_writing() {
        let (mut room, mut written) = ([0; 3], 0);
        let told = write_out(&mut room.as_mut_slice(), b"four", &mut written);
        assert_eq!(
            (told.map_err(|error| error.kind()), written),
            (Err(io::ErrorKind::WriteZero), 3)
        );
    }
}
