//! A partition's log while it is read: its chunks in a file, one behind the other, so that memory
//! is bounded however long the log is.

use crate::cluster::limits::CHUNK_OCTETS_MAX;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// A file of chunks that is being written. It is gone with this value, unless it was ended.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    file: BufWriter<File>,
    is_whole: bool,
}

impl Spool {
    /// Begins it anew.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let file = BufWriter::new(File::create(path)?);
        Ok(Self { path: path.to_owned(), file, is_whole: false })
    }

    /// Puts a chunk behind the others.
    ///
    /// # Errors
    /// The device does not take it.
    pub(super) fn put(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(&(chunk.len() as u32).to_le_bytes())?;
        self.file.write_all(chunk)
    }

    /// It is whole.
    ///
    /// # Errors
    /// The device does not take it.
    pub(super) fn end(mut self) -> io::Result<PathBuf> {
        self.file.flush()?;
        self.is_whole = true;
        Ok(self.path.clone())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Hands out the chunks of a file, the oldest first.
///
/// # Errors
/// The file cannot be read, or `each` says why it does not go on.
pub(super) fn for_each_chunk<E: From<io::Error>>(
    path: &Path,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut file = BufReader::new(File::open(path)?);
    let (mut length, mut chunk) = ([0; 4], Vec::new());
    loop {
        match file.read_exact(&mut length) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let octets = u32::from_le_bytes(length) as usize;
        if octets > CHUNK_OCTETS_MAX {
            return Err(io::Error::from(ErrorKind::InvalidData).into());
        }
        chunk.resize(octets, 0);
        file.read_exact(&mut chunk)?;
        each(&chunk)?;
    }
}
