//! Huge pages for memory that is large and looked into at random: without them most looks into a table of a hundred
//! mebibytes also miss the processor's table of pages.
//!
//! The one `unsafe` call here is advice to the kernel, which changes no octet of the memory.

/// Octets below which advice is not worth a system call.
const WORTH_OCTETS: usize = 4 << 20;
const PAGE_OCTETS: usize = 4096;

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

#[cfg(test)]
mod tests {
    #[test]
    fn advice_leaves_what_is_there() {
        let mut memory: Vec<u64> = (0..1 << 20).collect();
        super::advise(&mut memory);
        assert!(memory.iter().copied().eq(0..1 << 20));
        super::advise(&mut Vec::<u64>::new());
    }
}
