//! Files as memory. All `unsafe` code here is turning a mapping into octets, and asking which of
//! its pages are there.

use std::fs::File;
use std::io;

use memmap2::{MmapOptions, MmapRaw};

use super::limits::PAGE_OCTETS;

/// Pages of one question to the system.
const PAGES_ASKED: usize = 64;

/// Octets that a shared mapping of a file holds, or plain memory.
#[derive(Debug)]
pub(crate) enum Memory {
    /// A shared, writable mapping of a file, or pages of zeros that are the process's alone.
    Mapped(MmapRaw),
    /// Memory of the process: a copy of a file that is only looked at, or a simulated disk.
    Heap(Box<[Block]>),
}

/// Sixteen octets that begin at a multiple of sixteen.
#[derive(Clone, Copy, Default, Debug)]
#[repr(C, align(16))]
pub(crate) struct Block([u8; 16]);

impl Default for Memory {
    /// No octets.
    fn default() -> Self {
        Self::Heap(Box::default())
    }
}

impl Memory {
    /// Maps a whole file for reading and writing. Its pages are not entered ahead: a page that is
    /// mapped for reading first costs more at its first store than one that is not mapped at all.
    pub(super) fn map(file: &File) -> io::Result<Self> {
        MmapOptions::new().map_raw(file).map(Self::Mapped)
    }

    /// Zeros that begin with a page: memory of nobody's but the process.
    pub(super) fn zeros_in_pages(length: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(length).map_anon()?;
        Ok(Self::Mapped(MmapRaw::from(map)))
    }

    /// A copy of `octets`, filled up with zeros to `length`, a multiple of 16.
    pub(super) fn copied_from(octets: &[u8], length: usize) -> Self {
        assert!(octets.len() <= length && length.is_multiple_of(16));
        let mut memory = Self::Heap(vec![Block::default(); length / 16].into_boxed_slice());
        memory.octets_mut()[..octets.len()].copy_from_slice(octets);
        memory
    }

    /// Whether so many octets from `from`, a multiple of the page, are in memory; of a mapped file,
    /// whether the system has all their pages. Where these are larger than [`PAGE_OCTETS`] it says
    /// no.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn is_present(&self, from: usize, octets: usize) -> io::Result<bool> {
        let Self::Mapped(map) = self else { return Ok(true) };
        assert!(from.is_multiple_of(PAGE_OCTETS) && from + octets <= map.len());
        let mut present = [0_u8; PAGES_ASKED];
        let end = from + octets;
        for from in (from..end).step_by(PAGES_ASKED * PAGE_OCTETS) {
            let length = (end - from).min(PAGES_ASKED * PAGE_OCTETS);
            let pages = &mut present[..length.div_ceil(PAGE_OCTETS)];
            // SAFETY: the range lies within the mapping, which outlives the call, and begins with a
            // page, as the mapping does and as every multiple of a page from there does; the kernel
            // writes an octet a page of that range, of which there are no more than `pages` has.
            if unsafe {
                libc::mincore(map.as_mut_ptr().add(from).cast(), length, pages.as_mut_ptr())
            } != 0
            {
                return Err(io::Error::last_os_error());
            }
            if pages.iter().any(|page| page & 1 == 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many octets there are.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Mapped(map) => map.len(),
            Self::Heap(blocks) => blocks.len() * 16,
        }
    }

    /// The octets before `end`: what lies behind may be changing, by writes to the mapped file.
    pub(crate) fn octets_until(&self, end: usize) -> &[u8] {
        match self {
            Self::Mapped(map) => {
                assert!(end <= map.len());
                // SAFETY: as in `octets`, for a part of the mapping; nobody writes to this part of
                // the file.
                unsafe { std::slice::from_raw_parts(map.as_ptr(), end) }
            }
            Self::Heap(_) => &self.octets()[..end],
        }
    }

    /// All octets. Of a mapping: while nobody writes to the file.
    pub(crate) fn octets(&self) -> &[u8] {
        match self {
            // SAFETY: the mapping is live as long as `self`, readable over its whole length, and
            // its file is never shortened while the data directory's lock is held. Inside this
            // process it is written through `octets_mut` alone, which borrows `self` exclusively;
            // no other process writes it, the lock forbids it.
            Self::Mapped(map) => unsafe { std::slice::from_raw_parts(map.as_ptr(), map.len()) },
            // SAFETY: a slice of `Block` is as many times 16 initialised octets without padding.
            Self::Heap(blocks) => unsafe {
                std::slice::from_raw_parts(blocks.as_ptr().cast(), blocks.len() * 16)
            },
        }
    }

    pub(crate) fn octets_mut(&mut self) -> &mut [u8] {
        match self {
            // SAFETY: as in `octets`; the mapping was made writable, and `&mut self` makes this the
            // only reference.
            Self::Mapped(map) => unsafe {
                std::slice::from_raw_parts_mut(map.as_mut_ptr(), map.len())
            },
            // SAFETY: as in `octets`, every octet pattern is a valid `Block`, and `&mut self` makes
            // this the only reference.
            Self::Heap(blocks) => unsafe {
                std::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), blocks.len() * 16)
            },
        }
    }
}
