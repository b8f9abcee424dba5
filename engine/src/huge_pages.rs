//! Huge pages for memory that is large and looked into at random: without them most looks into a table of a hundred
//! mebibytes also miss the processor's table of pages.
//!
//! The `unsafe` calls here are advice to the kernel, which changes no octet of the memory.

/// Octets below which advice is not worth a system call.
const WORTH_OCTETS: usize = 4 << 20;
const PAGE_OCTETS: usize = 4096;
/// A huge page: what is touched ahead with one call.
const STRETCH_OCTETS: usize = 2 << 20;
/// Octets beyond those in use that are touched ahead: 180,000 pushes of the slab.
const AHEAD_OCTETS: usize = 16 << 20;

/// Asks the kernel for huge pages behind all that `memory` has room for. It may decline: nothing changes then but speed.
pub(crate) fn advise<T>(memory: &mut Vec<T>) {
    let octets = memory.capacity() * size_of::<T>();
    if octets < WORTH_OCTETS || cfg!(miri) {
        return;
    }
    let skipped = memory.as_ptr().cast::<u8>().align_offset(PAGE_OCTETS).min(octets);
    let length = (octets - skipped) / PAGE_OCTETS * PAGE_OCTETS;
    let start = memory.as_mut_ptr().cast::<u8>().wrapping_add(skipped);
    // SAFETY: the range lies within one allocation that `memory` owns, and advice on page sizes keeps its contents.
    let _ = unsafe { libc::madvise(start.cast(), length, libc::MADV_HUGEPAGE) };
}

/// Touches all of `memory`, which is used anywhere from the first entry on: a table that is filled at random touches a new
/// huge page with almost each of its first entries, one after the other, and whoever waits for these waits for all of it.
pub(crate) fn touch<T>(memory: &mut [T]) {
    let octets = size_of_val(memory);
    if octets < WORTH_OCTETS || cfg!(miri) {
        return;
    }
    // SAFETY: the octets are those of `memory`.
    unsafe { populate(memory.as_mut_ptr().cast(), octets) };
}

/// Has the kernel touch the pages of so many octets from `address` on. Kernels before 5.14 decline.
///
/// # Safety
/// The octets lie within one allocation that the caller may write to.
unsafe fn populate(address: *mut u8, octets: usize) {
    let in_page = address.addr() % PAGE_OCTETS;
    let start = address.wrapping_sub(in_page);
    // SAFETY: the range begins in the page of the first of these octets and ends with the last one, and the kernel touches
    // its pages without changing what they hold.
    let _ = unsafe { libc::madvise(start.cast(), in_page + octets, libc::MADV_POPULATE_WRITE) };
}

/// How far a vector that grows within its capacity has memory behind it. A huge page is cleared where it is first touched,
/// which takes a tenth of a millisecond, and two on a virtual machine whose host has to find the memory first: better while
/// nobody waits than in the middle of a burst.
#[derive(Debug, Default)]
pub(crate) struct TouchedAhead {
    /// From the vector's start.
    octets: usize,
}

impl TouchedAhead {
    /// Touches the next stretch of the room behind what `memory` holds, if not enough of it is touched yet; whether it did.
    pub(crate) fn extend<T>(&mut self, memory: &mut Vec<T>) -> bool {
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
        let mut memory = fresh();
        super::touch(&mut memory);
        assert_eq!(pages(memory), (64 << 20) / super::PAGE_OCTETS - 1);
        let mut memory: Vec<u64> = (0..8 << 20).collect();
        super::touch(&mut memory);
        assert!(memory.iter().copied().eq(0..8 << 20), "what it held");
    }

    #[test]
    #[cfg_attr(miri, ignore = "the kernel is asked")]
    fn what_is_touched_ahead_is_bounded_and_moves_on_with_what_is_used() {
        let (mut touched, mut memory) = (super::TouchedAhead::default(), Vec::<u64>::with_capacity(8 << 20));
        assert!(resident_pages(memory.spare_capacity_mut()) < 16, "fresh memory");
        let calls = std::iter::repeat_with(|| touched.extend(&mut memory)).take_while(|&more| more).count();
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
