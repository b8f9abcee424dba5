//! What a commit writes: parts of segments, and the end mark behind them.

use crate::journal::limits::{FRAME_HEADER_OCTETS, PAGE_OCTETS};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a write with `RWF_DSYNC` was refused: from then on a sync of the file follows each write.
static DSYNC_REFUSED: AtomicBool = AtomicBool::new(false);

/// Whether the call itself was refused, not what it was to do.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM))
}

pub(super) static END_MARK: [u8; FRAME_HEADER_OCTETS + PAGE_OCTETS] = [0; FRAME_HEADER_OCTETS + PAGE_OCTETS];

/// Where the end mark behind `until` ends, in a file of `length` octets: at least a frame's header behind it, if there is
/// room, and at the end of a page.
pub(super) fn mark_end(until: usize, length: usize) -> usize {
    (until + FRAME_HEADER_OCTETS).next_multiple_of(PAGE_OCTETS).min(length)
}

/// Octets in memory that are to be written, as the kernel takes them.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Part(pub(super) libc::iovec);

// SAFETY: a part names octets that stay where they are, unchanged, until the commit is finished; reading them from another
// thread, which is all that anybody does by it, needs no more.
unsafe impl Send for Part {}

// SAFETY: as above; a shared part gives nobody more than to read the same octets.
unsafe impl Sync for Part {}

impl Part {
    pub fn of(octets: &[u8]) -> Self {
        Self(libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() })
    }

    pub(super) fn octets(&self) -> usize {
        self.0.iov_len
    }

    /// Leaves the first `octets` of it out.
    fn advance(&mut self, octets: usize) {
        self.0.iov_base = self.0.iov_base.cast::<u8>().wrapping_add(octets).cast();
        self.0.iov_len -= octets;
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} octets", self.octets())
    }
}

/// What a commit writes to one file, at consecutive offsets.
#[derive(Clone, Debug)]
pub struct Write {
    /// The segment's number.
    pub segment: u32,
    /// The offsets of the file between which its records are written; the end mark goes behind them.
    pub from: usize,
    pub until: usize,
    pub(super) file: Option<RawFd>,
    pub(super) offset: u64,
    pub(super) parts: Vec<Part>,
    /// Parts that are written whole.
    pub(super) parts_done: usize,
}

impl Write {
    /// The file.
    ///
    /// # Panics
    /// When the journal's segments are simulated and have no files.
    pub fn file(&self) -> RawFd {
        match self.file {
            Some(file) => file,
            None => unreachable!("simulated segments are written by who simulates them"),
        }
    }

    /// Between which octets of the segment its records lie.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.from..self.until
    }

    /// Where in the file the rest of it goes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What of it is still to be written. The octets stay where they are, unchanged, until the commit is finished.
    pub fn parts(&self) -> &[Part] {
        &self.parts[self.parts_done..]
    }

    /// So many octets of the rest were written; whether that was all of it.
    pub fn advance(&mut self, mut octets: usize) -> bool {
        self.offset += octets as u64;
        while let Some(part) = self.parts.get_mut(self.parts_done) {
            if octets < part.octets() {
                part.advance(octets);
                return false;
            }
            octets -= part.octets();
            self.parts_done += 1;
        }
        assert_eq!(octets, 0, "more was written than was asked for");
        true
    }

    /// Octets that are still to be written.
    pub fn octets_left(&self) -> usize {
        self.parts().iter().map(Part::octets).sum()
    }

    /// Writes what is left, and waits until that is done; how many octets were taken, which may be fewer. Only until the commit
    /// is finished: the octets are the journal's again then.
    ///
    /// # Errors
    /// When the write or sync fails; the journal must not be used any more then.
    pub fn write(&self, with_sync: bool) -> io::Result<usize> {
        if !with_sync {
            return self.write_parts(0);
        }
        if !DSYNC_REFUSED.load(Ordering::Relaxed) {
            match self.write_parts(libc::RWF_DSYNC) {
                // Refused before anything was written: by the kernel, the file system, or a container's profile.
                Err(error) if is_refusal(&error) => DSYNC_REFUSED.store(true, Ordering::Relaxed),
                written => return written,
            }
        }
        let written = self.write_parts(0)?;
        // SAFETY: the journal keeps the file open.
        let file = unsafe { BorrowedFd::borrow_raw(self.file()) };
        rustix::fs::fdatasync(file)?;
        Ok(written)
    }

    /// Without flags it is the older call, which every profile allows.
    fn write_parts(&self, flags: libc::c_int) -> io::Result<usize> {
        let (parts, offset) = (self.parts(), self.offset as libc::off_t);
        let (first, count) = (parts.as_ptr().cast(), parts.len() as libc::c_int);
        loop {
            // SAFETY: a part is laid out as the iovec that it is, and `Part` promises that its octets can be read; the
            // journal keeps the file open.
            let written = unsafe {
                match flags {
                    0 => libc::pwritev(self.file(), first, count, offset),
                    flags => libc::pwritev2(self.file(), first, count, offset, flags),
                }
            };
            match usize::try_from(written) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => return Ok(written),
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Writes it, and waits until it is done.
    pub fn carry_out(&mut self, with_sync: bool) -> io::Result<()> {
        while !self.advance(self.write(with_sync)?) {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_mark_covers_a_frame_header_and_ends_with_a_page_or_the_file() {
        let length = 4 * PAGE_OCTETS;
        for until in (PAGE_OCTETS..=length).step_by(16) {
            let end = mark_end(until, length);
            assert!(end - until <= END_MARK.len());
            assert!(end == length || end.is_multiple_of(PAGE_OCTETS) && end - until >= FRAME_HEADER_OCTETS);
            assert!(end - until < FRAME_HEADER_OCTETS + PAGE_OCTETS, "no page is written without need");
        }
    }
}
