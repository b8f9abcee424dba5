//! A file as memory that is only read.

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// The octets of a file that nobody changes any more, or a copy of some.
#[derive(Debug)]
pub struct Mapped(Octets);

#[derive(Debug)]
enum Octets {
    File(Mmap),
    Copy(Vec<u8>),
}

impl Mapped {
    /// Maps a whole file, which was written and synced before it got its name, and is never written
    /// again; or what a file has that only grows. Its pages come from the device when they are
    /// looked at.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self::copied(Vec::new()));
        }
        // SAFETY: files that are mapped here are complete when they get their names, and nothing of
        // this program writes to them after that; of one that grows, only what lies behind the
        // mapped octets is written. Whoever cuts one short while it is mapped makes
        // the process end by SIGBUS, with a sentence that says so.
        let mapped = unsafe { Mmap::map(file)? };
        Ok(Self(Octets::File(mapped)))
    }

    /// Octets that are in memory anyway.
    pub fn copied(octets: Vec<u8>) -> Self {
        Self(Octets::Copy(octets))
    }
}

impl AsRef<[u8]> for Mapped {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Octets::File(mapped) => mapped,
            Octets::Copy(octets) => octets,
        }
    }
}
