//! What time it is, as the control plane's rooms ask for it: types, never numbers.
//!
//! Never here: a clock of its own. `host::clock` alone reads one.

use host::clock;
use wire::terms::time::{SteadyMs, WallMs};

/// What the wall clock shows; an operator may set it at any moment.
pub fn wall_now() -> WallMs {
    WallMs::new(clock::unix_ms())
}

/// What the steady clock shows, which nobody sets.
pub fn steady_now() -> SteadyMs {
    SteadyMs::from_ns(clock::monotonic_ns())
}
