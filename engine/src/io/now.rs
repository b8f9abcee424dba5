//! The two times of a turn.

use host::clock;
use wire::terms::time::WallMs;

/// One moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// What is written, shown and compared with what clients asked for. May be
    /// set back.
    pub(super) wall_ms: WallMs,
    /// Milliseconds that only ever grow, never 0: time-outs and intervals.
    pub(super) steady_ms: u64,
    /// The monotonic clock, in nanoseconds.
    pub(super) steady_ns: u64,
}

impl Now {
    pub(super) fn read() -> Self {
        let steady_ns = clock::monotonic_ns();
        Self {
            wall_ms: WallMs::new(clock::unix_ms()),
            steady_ms: steady_ns / 1_000_000 + 1,
            steady_ns,
        }
    }
}
