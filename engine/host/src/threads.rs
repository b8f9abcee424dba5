//! Threads as the system sees them: how far one has come, and the end of those beside the shards.
//!
//! A thread beside the shards may stand in a call to a device that does not answer: a stop waits
//! for it as long as that may be of use, and then leaves it behind. It ends with the process.

use crate::clock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a stop waits for a thread that has nothing to save: one whose device answers needs some
/// milliseconds.
pub const END_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// Where a thread is at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadMoment {
    /// It runs, or would if it were given a CPU: it waits for no event.
    pub is_runnable: bool,
    /// CPU time that it has used, in the system's ticks of ten milliseconds.
    pub cpu_ticks: u64,
}

impl ThreadMoment {
    /// What the system says of the thread `id` of this process; `None` where there is none such or
    /// procfs does not say.
    pub fn of(id: u32) -> Option<Self> {
        Self::read(&std::fs::read_to_string(format!("/proc/self/task/{id}/stat")).ok()?)
    }

    /// Reads a line of proc_pid_stat(5). The thread's name may hold blanks and brackets.
    fn read(stat: &str) -> Option<Self> {
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let is_runnable = fields.next()? == "R";
        // State is the third field; the times in user and in system mode are 14 and 15.
        let mut times = fields.skip(10).take(2).map(str::parse::<u64>);
        let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
        Some(Self { is_runnable, cpu_ticks: user + system })
    }

    /// Whether the thread only lacked a CPU from `before` until now: it was runnable both times and
    /// ran for no tick in between. One that stands in a call is not runnable, one that goes round a
    /// loop uses CPU time.
    pub fn lacked_a_cpu_since(self, before: Self) -> bool {
        self.is_runnable && before.is_runnable && self.cpu_ticks == before.cpu_ticks
    }
}

/// The number by which the system knows the calling thread.
pub fn this_thread() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

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
    fn the_line_of_a_thread_is_read_whatever_its_name_holds() {
        let stat = "71 (a) R 1) S 1 71 71 0 -1 4194560 95 0 0 0 12 30 0 0 20 0 9 0 331 1 2";
        let moment = ThreadMoment::read(stat).expect("a line");
        assert_eq!(moment, ThreadMoment { is_runnable: false, cpu_ticks: 42 });
        let stat = stat.replace(" S ", " R ");
        assert!(ThreadMoment::read(&stat).expect("a line").is_runnable);
        for cut in ["", "71 (a", "71 (a) R", "71 (a) R 1 2 3"] {
            assert_eq!(ThreadMoment::read(cut), None, "{cut}");
        }
    }

    #[test]
    fn a_thread_lacks_a_cpu_only_where_it_is_runnable_and_does_not_run() {
        let at = |is_runnable, cpu_ticks| ThreadMoment { is_runnable, cpu_ticks };
        assert!(at(true, 7).lacked_a_cpu_since(at(true, 7)));
        assert!(!at(true, 8).lacked_a_cpu_since(at(true, 7)), "it runs");
        assert!(!at(false, 7).lacked_a_cpu_since(at(true, 7)), "it waits for an event");
        assert!(!at(true, 7).lacked_a_cpu_since(at(false, 7)), "it has just been woken");
    }

    #[test]
    fn a_thread_in_a_wait_is_told_from_one_that_goes_round_a_loop() {
        let (tell, told) = crossbeam::channel::bounded(1);
        let (go_on, gate) = crossbeam::channel::bounded::<()>(0);
        let waiting = std::thread::spawn(move || {
            tell.send(this_thread()).expect("the test");
            let _ = gate.recv();
        });
        let id = told.recv().expect("the thread");
        let until = clock::instant() + Duration::from_secs(30);
        while ThreadMoment::of(id).expect("the thread").is_runnable {
            assert!(clock::instant() < until, "it waits");
            std::thread::yield_now();
        }
        drop(go_on);
        assert!(waiting.join().is_ok());
        let begun = ThreadMoment::of(this_thread()).expect("this thread");
        assert!(begun.is_runnable);
        let ran = || ThreadMoment::of(this_thread()).expect("this thread");
        while ran().cpu_ticks == begun.cpu_ticks {
            assert!(clock::instant() < until, "it runs");
        }
        assert!(!ran().lacked_a_cpu_since(begun));
    }

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
