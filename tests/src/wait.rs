//! Waiting for what another process or thread brings about: a condition, looked at again and again
//! until a deadline.

use std::time::{Duration, Instant};

/// How long a condition that should come true within milliseconds is waited for: a machine may be
/// busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// Waits until `look` finds something.
///
/// # Panics
/// When it has not after [`PATIENCE`]; `what` says what was missing.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

/// Waits at most `patience` until `look` finds something.
///
/// # Panics
/// When it has not by then.
#[track_caller]
pub fn until_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {} s for {what}", patience.as_secs_f32());
        std::thread::park_timeout(LOOK);
    }
}

/// Waits until `condition` holds.
///
/// # Panics
/// As [`until`].
#[track_caller]
pub fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}
