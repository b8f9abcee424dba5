//! Which CPU an engine of one shard gets: tests run side by side, and shards are pinned.

use std::sync::atomic::{AtomicUsize, Ordering};

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A list for `--cpus`: every CPU of this process, a different one first at each call.
pub fn spread() -> usize {
    let cpus = loadgen::os::available_cpus();
    let turn = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() as usize;
    cpus[turn % cpus.len()]
}

/// Every CPU of this process as a list for `--cpus`.
pub fn all() -> String {
    loadgen::os::format_cpus(&loadgen::os::available_cpus())
}
