//! The two times of a turn.

use host::clock;
use wire::terms::time::{SteadyMs, WallMs};

/// One moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// What is written, shown and compared with what clients asked for. May be
    /// set back.
    pub(super) wall_ms: WallMs,
    /// Only ever grows, never 0: time-outs and intervals.
    pub(super) steady_ms: SteadyMs,
    /// The monotonic clock, in nanoseconds.
    pub(super) steady_ns: u64,
}

impl Now {
    pub(super) fn read() -> Self {
        let steady_ns = clock::monotonic_ns();
        Self {
            wall_ms: WallMs::new(clock::unix_ms()),
            steady_ms: SteadyMs::from_ns(steady_ns) + 1,
            steady_ns,
        }
    }
}
