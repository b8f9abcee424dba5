//! What a commit writes: parts of segments, and the end mark behind them.

use crate::journal::limits::{FRAME_HEADER_OCTETS, PAGE_OCTETS};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU8, Ordering};

/// Whether a write may sync what it writes (`RWF_DSYNC`), or a sync of the file is to follow it.
///
/// That is found out once for the process. From then on no error is taken for a refusal: it may be
/// the device's, and a sync after a sync that failed succeeds and proves nothing.
static WAY: Way = Way(AtomicU8::new(Way::UNKNOWN));

struct Way(AtomicU8);

impl Way {
    const UNKNOWN: u8 = 0;
    const AT_ONCE: u8 = 1;
    const AFTERWARDS: u8 = 2;

    fn is(&self, way: u8) -> bool {
        self.0.load(Ordering::Relaxed) == way
    }

    fn set(&self, way: u8) {
        self.0.store(way, Ordering::Relaxed);
    }
}

/// The calls by which one write becomes durable.
trait Calls {
    /// Whether the process may make the call that syncs as it writes: asked of no file.
    fn may_write_with_sync(&self) -> bool;

    fn write(&self) -> io::Result<usize>;

    fn write_with_sync(&self) -> io::Result<usize>;

    fn sync(&self) -> io::Result<()>;
}

fn write_durably(calls: &impl Calls, way: &Way) -> io::Result<usize> {
    if way.is(Way::AT_ONCE) {
        return calls.write_with_sync();
    }
    let written = calls.write()?;
    calls.sync()?;
    if way.is(Way::UNKNOWN) {
        way.set(learn(calls)?);
    }
    Ok(written)
}

/// Writes again what is durable already: a file system that cannot sync as it writes says so of
/// octets that nothing depends on.
fn learn(calls: &impl Calls) -> io::Result<u8> {
    if !calls.may_write_with_sync() {
        return Ok(Way::AFTERWARDS);
    }
    match calls.write_with_sync() {
        Ok(_) => Ok(Way::AT_ONCE),
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(Way::AFTERWARDS),
        Err(error) => Err(error),
    }
}

pub(super) static END_MARK: [u8; FRAME_HEADER_OCTETS + PAGE_OCTETS] =
    [0; FRAME_HEADER_OCTETS + PAGE_OCTETS];

/// Where the end mark behind `until` ends, in a file of `length` octets: at least a frame's header
/// behind it, if there is room, and at the end of a page.
pub(super) fn mark_end(until: usize, length: usize) -> usize {
    (until + FRAME_HEADER_OCTETS).next_multiple_of(PAGE_OCTETS).min(length)
}

/// Octets in memory that are to be written, as the kernel takes them. It only names them: who reads
/// them promises that they are still there ([`Write::write`]).
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Part(pub(super) libc::iovec);

// SAFETY: a part only names octets. Reading them is unsafe, from whatever thread, and needs them
// where they are, unchanged.
unsafe impl Send for Part {}

// SAFETY: as above; a shared part gives nobody more than to read the same octets.
unsafe impl Sync for Part {}

impl Part {
    pub(super) fn of(octets: &[u8]) -> Self {
        Self(libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() })
    }

    pub(super) fn octets(&self) -> usize {
        self.0.iov_len
    }

    /// The octets themselves.
    ///
    /// # Safety
    /// They are still there, and nobody changes them meanwhile.
    pub(super) unsafe fn seen(&self) -> &[u8] {
        // SAFETY: the caller's promise; a part was made of a slice of so many octets.
        unsafe { std::slice::from_raw_parts(self.0.iov_base.cast::<u8>(), self.0.iov_len) }
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

/// What a commit writes to one file, at consecutive offsets. The octets are the journal's.
#[derive(Debug)]
pub struct Write {
    /// The segment's number.
    pub segment: u32,
    /// The offsets of the file between which its records are written; the end mark goes behind
    /// them.
    pub from: usize,
    pub until: usize,
    pub(super) file: Option<RawFd>,
    pub(super) offset: u64,
    pub(super) parts: Vec<Part>,
    /// Parts that are written whole.
    pub(super) parts_done: usize,
}

impl Write {
    /// A write of `octets` to `file` at this offset, which has nothing to do with a segment: for
    /// what is written beside the journal. Without a file nobody carries it out but who simulates
    /// one. Whoever carries it out promises that the octets and the file are still there.
    pub fn of_octets(file: Option<RawFd>, offset: u64, octets: &[u8]) -> Self {
        let parts = vec![Part::of(octets)];
        Self { segment: 0, from: 0, until: 0, file, offset, parts, parts_done: 0 }
    }

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

    /// What of it is still to be written. The octets stay where they are, unchanged, until the
    /// commit is finished.
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

    /// What is left of it once more, for the thread that carries it out: it names the same octets.
    pub(crate) fn rest(&self) -> Self {
        Self { parts: self.parts().to_vec(), parts_done: 0, ..*self }
    }

    /// Writes what is left, and waits until that is done; how many octets were taken, which may be
    /// fewer.
    ///
    /// # Safety
    /// The commit was begun and is not finished, and its journal lives: the octets are the
    /// journal's again then, and the file may be closed.
    ///
    /// # Errors
    /// When the write or sync fails; the journal must not be used any more then.
    pub unsafe fn write(&self, with_sync: bool) -> io::Result<usize> {
        if !with_sync {
            return self.write_parts(0);
        }
        write_durably(self, &WAY)
    }

    /// Without flags it is the older call, which every profile allows.
    fn write_parts(&self, flags: libc::c_int) -> io::Result<usize> {
        let (parts, offset) = (self.parts(), self.offset as libc::off_t);
        let (first, count) = (parts.as_ptr().cast(), parts.len() as libc::c_int);
        loop {
            // SAFETY: a part is laid out as the iovec that it is; only `write` comes here, whose
            // caller promises that its octets can be read and the file is open.
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
    ///
    /// # Safety
    /// As of [`Self::write`].
    pub(super) unsafe fn carry_out(&mut self, with_sync: bool) -> io::Result<()> {
        // SAFETY: the caller's promise, handed on.
        while !self.advance(unsafe { self.write(with_sync)? }) {}
        Ok(())
    }
}

impl Calls for Write {
    /// Without a file the kernel has nothing but that to object; a container's profile, and a
    /// kernel without the call, say something else.
    fn may_write_with_sync(&self) -> bool {
        // SAFETY: no octets are named, and no file.
        let outcome = unsafe { libc::pwritev2(-1, std::ptr::null(), 0, 0, libc::RWF_DSYNC) };
        outcome < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EBADF)
    }

    fn write(&self) -> io::Result<usize> {
        self.write_parts(0)
    }

    fn write_with_sync(&self) -> io::Result<usize> {
        self.write_parts(libc::RWF_DSYNC)
    }

    fn sync(&self) -> io::Result<()> {
        // SAFETY: the journal keeps the file open.
        let file = unsafe { BorrowedFd::borrow_raw(self.file()) };
        Ok(rustix::fs::fdatasync(file)?)
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
            assert!(
                end == length
                    || end.is_multiple_of(PAGE_OCTETS) && end - until >= FRAME_HEADER_OCTETS
            );
            assert!(
                end - until < FRAME_HEADER_OCTETS + PAGE_OCTETS,
                "no page is written without need"
            );
        }
    }

    /// A file, and what is called of it: w(rites), s(yncs), and d for a write that syncs.
    #[derive(Default)]
    struct Scripted {
        forbidden: bool,
        /// How the writes that sync come out, in order; those after them go well.
        with_sync: std::cell::RefCell<Vec<i32>>,
        called: std::cell::RefCell<String>,
    }

    impl Calls for Scripted {
        fn may_write_with_sync(&self) -> bool {
            !self.forbidden
        }

        fn write(&self) -> io::Result<usize> {
            self.called.borrow_mut().push('w');
            Ok(8)
        }

        fn write_with_sync(&self) -> io::Result<usize> {
            self.called.borrow_mut().push('d');
            match self.with_sync.borrow_mut().pop() {
                None | Some(0) => Ok(8),
                Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            }
        }

        fn sync(&self) -> io::Result<()> {
            self.called.borrow_mut().push('s');
            Ok(())
        }
    }

    #[test]
    fn a_sync_that_fails_is_never_tried_again_whatever_its_error() {
        for errno in [libc::EPERM, libc::EOPNOTSUPP, libc::ENOSYS, libc::EIO, libc::ENOSPC] {
            let way = Way(AtomicU8::new(Way::UNKNOWN));
            let calls = Scripted { with_sync: vec![errno, 0, 0].into(), ..Scripted::default() };
            assert!((0..2).all(|_| write_durably(&calls, &way).is_ok()));
            let error = write_durably(&calls, &way).expect_err("an error is told");
            assert_eq!(error.raw_os_error(), Some(errno));
            assert_eq!(*calls.called.borrow(), "wsddd", "nothing follows the third write");
        }
    }

    #[test]
    fn a_write_that_syncs_is_found_unfit_only_by_octets_that_are_durable_already() {
        let forbidden = Scripted { forbidden: true, ..Scripted::default() };
        let unfit = Scripted { with_sync: vec![libc::EOPNOTSUPP].into(), ..Scripted::default() };
        for (calls, called) in [(forbidden, "wsws"), (unfit, "wsdws")] {
            let way = Way(AtomicU8::new(Way::UNKNOWN));
            assert!((0..2).all(|_| write_durably(&calls, &way).is_ok_and(|octets| octets == 8)));
            assert_eq!(*calls.called.borrow(), called);
        }
        for errno in [libc::EIO, libc::EPERM] {
            let broken = Scripted { with_sync: vec![errno].into(), ..Scripted::default() };
            let way = Way(AtomicU8::new(Way::UNKNOWN));
            assert!(write_durably(&broken, &way).is_err(), "the device's error");
        }
    }
}
