//! Huge pages for memory that is large and looked into at random: without them most looks into a
//! table of a hundred mebibytes also miss the processor's table of pages.
//!
//! The `unsafe` calls here are advice to the kernel, which changes no octet of memory that anybody
//! reads again, and the look at a mapping as the numbers that it holds.

use memmap2::MmapMut;
use std::alloc::Layout;
use std::ptr::NonNull;

/// Octets below which advice is not worth a system call.
const WORTH_OCTETS: usize = 4 << 20;
const PAGE_OCTETS: usize = 4096;
/// A huge page: what is touched ahead with one call.
pub const STRETCH_OCTETS: usize = 2 << 20;
/// Octets beyond those in use that are touched ahead: 180,000 pushes of the slab.
const AHEAD_OCTETS: usize = 16 << 20;

/// Asks the kernel for huge pages behind all that `memory` has room for. It may decline: nothing
/// changes then but speed.
pub fn advise<T>(memory: &mut Vec<T>) {
    let octets = memory.capacity() * size_of::<T>();
    if octets < WORTH_OCTETS || cfg!(miri) {
        return;
    }
    let skipped = memory.as_ptr().cast::<u8>().align_offset(PAGE_OCTETS).min(octets);
    let length = (octets - skipped) / PAGE_OCTETS * PAGE_OCTETS;
    let start = memory.as_mut_ptr().cast::<u8>().wrapping_add(skipped);
    // SAFETY: the range lies within one allocation that `memory` owns, and advice on page sizes
    // keeps its contents.
    let _ = unsafe { libc::madvise(start.cast(), length, libc::MADV_HUGEPAGE) };
}

/// Has the kernel touch the pages of so many octets from `address` on. Kernels before 5.14 decline.
///
/// # Safety
/// The octets lie within one allocation that the caller may write to.
unsafe fn populate(address: *mut u8, octets: usize) {
    let in_page = address.addr() % PAGE_OCTETS;
    let start = address.wrapping_sub(in_page);
    TOUCHED.set(TOUCHED.get() + octets);
    // SAFETY: the range begins in the page of the first of these octets and ends with the last one,
    // and the kernel touches its pages without changing what they hold.
    let _ = unsafe { libc::madvise(start.cast(), in_page + octets, libc::MADV_POPULATE_WRITE) };
}

/// Octets of a table up to which it stands in ordinary memory: a mapping of its own costs a small
/// one more than all of its use, two system calls and a page fault for each 4 KiB.
const ORDINARY_OCTETS_MAX: usize = 64 << 10;

/// A number of which any octets are a value.
pub trait Plain: Copy {
    /// None.
    const ZERO: Self;
}
impl Plain for u32 {
    const ZERO: Self = 0;
}
impl Plain for u64 {
    const ZERO: Self = 0;
}

/// What holds the numbers, kept for its end.
enum Memory<T> {
    /// There are none.
    Nothing,
    /// A mapping of their own.
    Mapped { _map: MmapMut },
    /// A few stand where everything else does. A vector, not a box: its memory stays reachable by
    /// pointer when the value moves.
    Ordinary { _numbers: Vec<T> },
}

/// So many numbers in memory of their own, zeros at first. The kernel is asked for address space at
/// once and for memory as it is touched, by use or, a stretch at a time, ahead of it: whoever waits
/// for all of a large table waits for 10 ms for each 40 mebibytes, and ten times as long on a
/// virtual machine whose host has to find them first. It is given back a stretch at a time too.
pub struct Zeros<T> {
    _memory: Memory<T>,
    start: NonNull<T>,
    length: usize,
    /// Octets from the beginning that are touched, and that are given back.
    touched: usize,
    given_back: usize,
}

// SAFETY: the numbers are this value's alone, and reached through it alone.
unsafe impl<T: Plain + Send> Send for Zeros<T> {}
// SAFETY: as above; whoever shares it can only read them.
unsafe impl<T: Plain + Sync> Sync for Zeros<T> {}

impl<T> Default for Zeros<T> {
    fn default() -> Self {
        let memory = Memory::Nothing;
        Self { _memory: memory, start: NonNull::dangling(), length: 0, touched: 0, given_back: 0 }
    }
}

impl<T: Plain> Zeros<T> {
    /// So many zeros.
    pub fn new(length: usize) -> Self {
        if length == 0 {
            return Self::default();
        }
        let octets = length * size_of::<T>();
        if octets <= ORDINARY_OCTETS_MAX {
            return Self::ordinary(length);
        }
        let map = MmapMut::map_anon(octets);
        let (Ok(mut map), Ok(layout)) = (map, Layout::array::<T>(length)) else {
            // As every other allocation that fails.
            std::alloc::handle_alloc_error(Layout::new::<T>())
        };
        let Some(start) = NonNull::new(map.as_mut_ptr().cast::<T>()) else {
            std::alloc::handle_alloc_error(layout)
        };
        if octets >= WORTH_OCTETS && !cfg!(miri) {
            // SAFETY: the range is the mapping, and advice on page sizes keeps its contents.
            let _ = unsafe { libc::madvise(start.as_ptr().cast(), octets, libc::MADV_HUGEPAGE) };
        }
        Self { _memory: Memory::Mapped { _map: map }, start, length, ..Self::default() }
    }

    /// So few that no advice and no touching ahead is worth a thing.
    fn ordinary(length: usize) -> Self {
        const { assert!(ORDINARY_OCTETS_MAX < WORTH_OCTETS) };
        let mut numbers = vec![T::ZERO; length];
        let start = NonNull::new(numbers.as_mut_ptr()).unwrap_or(NonNull::dangling());
        debug_assert_eq!(numbers.len(), length);
        Self { _memory: Memory::Ordinary { _numbers: numbers }, start, length, ..Self::default() }
    }

    fn octets(&self) -> usize {
        self.length * size_of::<T>()
    }

    /// Octets from so many behind the beginning to the end of the huge page, so that the next
    /// stretch begins with one.
    fn stretch_at(&self, octets: usize) -> usize {
        let address = self.start.as_ptr().addr() + octets;
        (STRETCH_OCTETS - address % STRETCH_OCTETS).min(self.octets() - octets)
    }

    /// Touches the next stretch, if it is not in use anyway; `false` when all is touched.
    pub fn touch_next(&mut self) -> bool {
        if self.octets() < WORTH_OCTETS || self.touched >= self.octets() || cfg!(miri) {
            return false;
        }
        let stretch = self.stretch_at(self.touched);
        let address = self.start.as_ptr().cast::<u8>().wrapping_add(self.touched);
        self.touched += stretch;
        // SAFETY: the octets lie within the mapping.
        unsafe { populate(address, stretch) };
        true
    }

    /// Touches all of it: a table that is filled at random touches a new huge page with almost each
    /// of its first entries, one after the other, and whoever waits for these waits for all of it.
    pub fn touch_all(&mut self) {
        while self.touch_next() {}
    }

    /// What stands before this number is not given back.
    pub fn keep_before(&mut self, number: usize) {
        let octets = number.min(self.length) * size_of::<T>();
        self.given_back = octets + self.stretch_at(octets);
    }

    /// Nothing but zeros stands before this number any more, but for what is kept: gives the next
    /// whole stretch before it back to the kernel, if there is one.
    pub fn give_back_before(&mut self, number: usize) {
        let stretch = self.stretch_at(self.given_back);
        let until = self.given_back + stretch;
        if until > number.min(self.length) * size_of::<T>()
            || self.octets() < WORTH_OCTETS
            || cfg!(miri)
        {
            return;
        }
        let address = self.start.as_ptr().cast::<u8>().wrapping_add(self.given_back);
        self.given_back = until;
        // SAFETY: the range lies within the mapping and begins with a page; the mapping is this
        // value's alone, private and anonymous: what is read there from now on is zeros, as before.
        let _ = unsafe { libc::madvise(address.cast(), stretch, libc::MADV_DONTNEED) };
    }
}

impl<T: Plain> std::ops::Deref for Zeros<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the memory holds so many numbers, as a mapping that begins with a page or as a
        // vector that nobody else looks into, and any octets are such a number; of none, any
        // address will do.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl<T: Plain> std::ops::DerefMut for Zeros<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl<T: Plain> std::fmt::Debug for Zeros<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} numbers", self.length)
    }
}

thread_local! {
    static TOUCHED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Octets that this thread has touched ahead since it last asked: for tests of how much is touched
/// at once.
pub fn touched_since_last_asked() -> usize {
    TOUCHED.take()
}

/// How far a vector that grows within its capacity has memory behind it. A huge page is cleared
/// where it is first touched, which takes a tenth of a millisecond, and two on a virtual machine
/// whose host has to find the memory first: better while nobody waits than in the middle of a
/// burst.
#[derive(Debug, Default)]
pub struct TouchedAhead {
    /// From the vector's start.
    octets: usize,
}

impl TouchedAhead {
    /// Touches the next stretch of the room behind what `memory` holds, if not enough of it is
    /// touched yet; whether it did.
    pub fn extend<T>(&mut self, memory: &mut Vec<T>) -> bool {
        let (used, room) = (memory.len() * size_of::<T>(), memory.capacity() * size_of::<T>());
        let begin = self.octets.max(used);
        if room < WORTH_OCTETS || begin >= room.min(used + AHEAD_OCTETS) || cfg!(miri) {
            return false;
        }
        let address = memory.as_mut_ptr().cast::<u8>().wrapping_add(begin);
        // Up to the end of the huge page, so that the next one begins with the next call.
        let octets = (STRETCH_OCTETS - address.addr() % STRETCH_OCTETS).min(room - begin);
        self.octets = begin + octets;
        // SAFETY: `memory` has room for these octets.
        unsafe { populate(address, octets) };
        true
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn advice_leaves_what_is_there() {
        let mut memory: Vec<u64> = (0..1 << 20).collect();
        super::advise(&mut memory);
        assert!(memory.iter().copied().eq(0..1 << 20));
        super::advise(&mut Vec::<u64>::new());
    }

    /// Pages of this memory that are there.
    fn resident_pages(memory: &[std::mem::MaybeUninit<u64>]) -> usize {
        let start = memory.as_ptr().addr().next_multiple_of(super::PAGE_OCTETS);
        let pages = (size_of_val(memory) - super::PAGE_OCTETS) / super::PAGE_OCTETS;
        let mut seen = vec![0_u8; pages];
        // SAFETY: the range lies within `memory`, and `seen` has an octet for each of its pages.
        let code = unsafe {
            libc::mincore(start as *mut libc::c_void, pages * super::PAGE_OCTETS, seen.as_mut_ptr())
        };
        assert_eq!(code, 0);
        seen.iter().filter(|&&page| page & 1 == 1).count()
    }

    #[test]
    #[cfg_attr(miri, ignore = "the kernel is asked")]
    fn memory_that_is_touched_is_there_and_holds_what_it_held() {
        // More than the allocator ever takes from what was freed before: fresh memory.
        let fresh = || vec![0_u64; 8 << 20];
        let pages = |mut memory: Vec<u64>| {
            memory.clear();
            resident_pages(memory.spare_capacity_mut())
        };
        assert!(pages(fresh()) < 16, "memory that is not touched");
        let mut zeros = super::Zeros::<u64>::new(8 << 20);
        zeros[12_345] = 7;
        let stretches =
            std::iter::repeat_with(|| zeros.touch_next()).take_while(|&more| more).count();
        assert!((32..=33).contains(&stretches), "{stretches} stretches are 64 mebibytes");
        assert_eq!(resident(&zeros), (64 << 20) / super::PAGE_OCTETS);
        assert_eq!(zeros.iter().sum::<u64>(), 7, "what it held");
    }

    fn resident(zeros: &super::Zeros<u64>) -> usize {
        let pages = size_of_val(&**zeros) / super::PAGE_OCTETS;
        let mut seen = vec![0_u8; pages];
        // SAFETY: the range is the memory of `zeros`, and `seen` has an octet for each of its
        // pages.
        let code = unsafe {
            libc::mincore(zeros.as_ptr().cast_mut().cast(), pages * 4096, seen.as_mut_ptr())
        };
        assert_eq!(code, 0);
        seen.iter().filter(|&&page| page & 1 == 1).count()
    }

    #[test]
    #[cfg_attr(miri, ignore = "the kernel is asked")]
    fn memory_is_given_back_a_stretch_at_a_time_and_what_lies_behind_stays() {
        let mut zeros = super::Zeros::<u64>::new(1 << 20);
        zeros.touch_all();
        (500_000..1 << 20).for_each(|number| zeros[number] = number as u64);
        zeros.give_back_before(500_000);
        let after_one = resident(&zeros);
        assert!(
            (1_536..2_048).contains(&after_one),
            "one stretch of four is gone: {after_one} pages"
        );
        (0..10).for_each(|_| zeros.give_back_before(500_000));
        assert!(resident(&zeros) >= 1_024, "what lies behind is there");
        assert!(zeros[..500_000].iter().all(|&number| number == 0));
        assert!((500_000..1 << 20).all(|number| zeros[number] == number as u64));
    }

    #[test]
    #[cfg_attr(miri, ignore = "the kernel is asked")]
    fn what_is_touched_ahead_is_bounded_and_moves_on_with_what_is_used() {
        let (mut touched, mut memory) =
            (super::TouchedAhead::default(), Vec::<u64>::with_capacity(8 << 20));
        assert!(resident_pages(memory.spare_capacity_mut()) < 16, "fresh memory");
        let calls =
            std::iter::repeat_with(|| touched.extend(&mut memory)).take_while(|&more| more).count();
        assert!((8..=9).contains(&calls), "{calls} stretches are sixteen mebibytes");
        let ahead = resident_pages(memory.spare_capacity_mut());
        assert!((4095..4096 + 512).contains(&ahead), "{ahead} pages");
        memory.extend((0..1 << 18).map(|number| number * 3));
        assert!(touched.extend(&mut memory), "two mebibytes are used now");
        assert!(memory.iter().copied().eq((0..1 << 18).map(|number| number * 3)));
        while touched.extend(&mut memory) {
            memory.extend(std::iter::repeat_n(7, 1 << 18));
        }
        assert!(memory.len() + (1 << 18) <= memory.capacity(), "it ends before the room does");
        assert!(
            !super::TouchedAhead::default().extend(&mut Vec::<u64>::with_capacity(64)),
            "too little to matter"
        );
    }
}
