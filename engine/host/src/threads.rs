//! The end of threads beside the shards. One of them may stand in a call to a device that does not
//! answer: a stop waits for it as long as that may be of use, and then leaves it behind. It ends
//! with the process.

use crate::clock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a stop waits for a thread that has nothing to save: one whose device answers needs some
/// milliseconds.
pub const END_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// Waits until `thread` has ended, until `deadline` at the latest; whether it has. A panic in it
/// has ended the process before this.
pub fn join_by(thread: JoinHandle<()>, deadline: Instant) -> bool {
    while !thread.is_finished() {
        if clock::instant() >= deadline {
            return false;
        }
        std::thread::park_timeout(LOOK);
    }
    let _ = thread.join();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_stands_still_is_left_behind_and_one_that_ends_is_waited_for() {
        let (go_on, gate) = crossbeam::channel::bounded::<()>(0);
        let standing = std::thread::spawn(move || {
            let _ = gate.recv();
        });
        let begun = clock::instant();
        assert!(!join_by(standing, begun + Duration::from_millis(20)));
        assert!(begun.elapsed() >= Duration::from_millis(20));
        drop(go_on);
        let ending = std::thread::spawn(|| {});
        assert!(join_by(ending, clock::instant() + Duration::from_secs(30)));
    }
}
