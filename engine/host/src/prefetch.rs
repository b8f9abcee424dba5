//! Fetching ahead: memory that is about to be looked into at random, asked for while other work
//! goes on.
//!
//! A look into a table that is larger than any cache takes as long as a hundred instructions.
//! Whoever knows some time before which place it will be says so here, and goes on at once.
//!
//! The one `unsafe` call here changes no octet and reads none.

/// Has the processor fetch the cache line in which `place` begins. Nothing waits for it, and
/// nothing depends on it.
#[inline]
pub fn prefetch<T>(place: &T) {
    hint(place);
}

/// The same of the place `at` in `places`. Nobody looks whether there is one: beyond the end
/// something else is fetched, or nothing.
#[inline]
pub fn prefetch_at<T>(places: &[T], at: usize) {
    hint(places.as_ptr().wrapping_add(at));
}

#[inline]
fn hint<T>(place: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch is a hint about an address: it never faults and has no effect that a
    // program can see.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = place;
}
