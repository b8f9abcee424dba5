//! Counting result codes from several threads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Result codes have four digits.
const CODES: usize = 10_000;

/// How often each result code came.
pub(super) struct Codes(Box<[AtomicU64]>);

impl Codes {
    /// No code came.
    pub(super) fn new() -> Self {
        Self((0..CODES).map(|_| AtomicU64::new(0)).collect())
    }

    /// One more of `code`.
    pub(super) fn count(&self, code: u16) {
        if let Some(count) = self.0.get(usize::from(code)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// How many came with each first digit; 0000 to 0999 count as 0.
    pub(super) fn by_class(&self) -> [u64; 10] {
        std::array::from_fn(|class| {
            self.0[class * 1_000..][..1_000].iter().map(|count| count.load(Relaxed)).sum()
        })
    }

    /// The codes that came and how often, ascending.
    pub(super) fn counts(&self) -> Vec<(u16, u64)> {
        let counts = self.0.iter().map(|count| count.load(Relaxed));
        (0u16..).zip(counts).filter(|&(_, count)| count > 0).collect()
    }
}
