//! Which push a sender sends next: what was lost, what comes again later, and what is new and due.

use crate::limits::{ATTEMPTS_MAX, LOSSES_MAX, RETRY_PAUSE_NS, RETRY_PAUSE_NS_MAX};
use crate::schedule::Schedule;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// One push to send.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Job {
    pub(super) index: u64,
    /// Times it was sent before.
    pub(super) attempts: u32,
    /// Connections that were lost while it was the oldest request on them.
    pub(super) losses: u32,
    /// When it was first sent; meaningless before.
    pub(super) first_sent_ns: u64,
    /// The push that its answer names; itself, unless it repeats or cancels another.
    pub(super) subject: u64,
    /// Whether that push had no answer yet when this was first sent.
    pub(super) early: bool,
}

/// The pushes of one sender: every `stride`-th from its number on. Times are on the run's clock.
#[derive(Debug)]
pub(super) struct Work {
    next: u64,
    end: u64,
    stride: u64,
    schedule: Option<Schedule>,
    start_ns: u64,
    lost: VecDeque<Job>,
    later: BinaryHeap<Reverse<(u64, Job)>>,
}

impl Work {
    pub(super) fn new(
        number: u64,
        stride: u64,
        pushes: u64,
        schedule: Option<Schedule>,
        start_ns: u64,
    ) -> Self {
        let (lost, later) = (VecDeque::new(), BinaryHeap::new());
        Self { next: number, end: pushes, stride, schedule, start_ns, lost, later }
    }

    /// The next push that may go out now. New ones are held back unless `window_open`.
    pub(super) fn take(&mut self, now_ns: u64, window_open: bool) -> Option<Job> {
        if let Some(job) = self.lost.pop_front() {
            return Some(job);
        }
        if self.later.peek().is_some_and(|Reverse((due_ns, _))| *due_ns <= now_ns) {
            return self.later.pop().map(|Reverse((_, job))| job);
        }
        if !window_open || self.next >= self.end || self.intended_ns(self.next) > now_ns {
            return None;
        }
        let job = Job {
            index: self.next,
            attempts: 0,
            losses: 0,
            first_sent_ns: 0,
            subject: self.next,
            early: false,
        };
        self.next += self.stride;
        Some(job)
    }

    /// How many new pushes are due: those of a closed loop are all due at once.
    pub(super) fn due(&self, now_ns: u64) -> u64 {
        let due = match &self.schedule {
            Some(schedule) => schedule.due(now_ns.saturating_sub(self.start_ns)).min(self.end),
            None => self.end,
        };
        due.saturating_sub(self.next).div_ceil(self.stride)
    }

    /// The push's intended send time; in a closed loop there is none, and any time will do.
    pub(super) fn intended_ns(&self, index: u64) -> u64 {
        self.schedule.as_ref().map_or(0, |schedule| self.start_ns + schedule.intended_ns(index))
    }

    /// Takes back a push whose connection is gone. A target answers in order, so only the `oldest`
    /// request of a connection can be why it was lost; false if this one was that too often.
    pub(super) fn again_now(&mut self, job: Job, oldest: bool) -> bool {
        let losses = job.losses + u32::from(oldest);
        let allowed = losses < LOSSES_MAX;
        if allowed {
            self.lost.push_back(Job { attempts: job.attempts + 1, losses, ..job });
        }
        allowed
    }

    /// Takes back a push that was told to come again; false if it was sent as often as a push may
    /// be.
    pub(super) fn again_later(
        &mut self,
        job: Job,
        retry_after_seconds: Option<u32>,
        now_ns: u64,
    ) -> bool {
        let job = Job { attempts: job.attempts + 1, ..job };
        let asked_ns = retry_after_seconds
            .map_or(RETRY_PAUSE_NS, |seconds| u64::from(seconds) * 1_000_000_000);
        let allowed = job.attempts < ATTEMPTS_MAX;
        if allowed {
            self.later.push(Reverse((now_ns + asked_ns.min(RETRY_PAUSE_NS_MAX), job)));
        }
        allowed
    }

    /// When something falls due without anything arriving; `None` if nothing does.
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        let new = (self.next < self.end).then(|| self.intended_ns(self.next));
        let later = self.later.peek().map(|Reverse((due_ns, _))| *due_ns);
        match (new, later) {
            (Some(new), Some(later)) => Some(new.min(later)),
            (one, other) => one.or(other),
        }
    }

    /// The first push that was not taken yet.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether something waits to be sent on a connection.
    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Whether new pushes are left.
    pub(super) fn has_new(&self) -> bool {
        self.next < self.end
    }

    /// Whether nothing is left to send.
    pub(super) fn is_done(&self) -> bool {
        !self.has_new() && self.lost.is_empty() && self.later.is_empty()
    }

    /// Begins no further push.
    pub(super) fn stop(&mut self) {
        self.end = self.next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_senders_share_all_pushes_between_them() {
        let mut indices: Vec<u64> = Vec::new();
        for number in 0..2 {
            let mut work = Work::new(number, 2, 7, None, 0);
            assert_eq!(work.due(0), 4 - number);
            indices.extend(std::iter::from_fn(|| work.take(0, true)).map(|job| job.index));
            assert!(work.is_done());
        }
        assert_eq!(indices, [0, 2, 4, 6, 1, 3, 5]);
    }

    #[test]
    fn an_open_loop_gives_out_what_is_due_and_says_when_the_next_is() {
        let mut work = Work::new(0, 1, 10, Some(Schedule::constant(1_000)), 500);
        assert_eq!(work.take(499, true), None);
        assert_eq!(work.next_due_ns(), Some(500));
        assert_eq!((work.due(2_000_500), work.take(2_000_500, false)), (3, None));
        let taken = std::iter::from_fn(|| work.take(2_000_500, true)).count();
        assert_eq!((taken, work.next_due_ns()), (3, Some(3_000_500)));
    }

    #[test]
    fn lost_pushes_go_first_and_told_ones_after_their_pause_even_with_the_window_shut() {
        let mut work = Work::new(0, 1, 3, None, 0);
        let first = work.take(0, true).expect("new");
        let second = work.take(0, true).expect("new");
        assert!(work.again_later(first, Some(2), 1_000) && work.again_now(second, true));
        assert_eq!(work.take(1_000, false).map(|job| (job.index, job.attempts)), Some((1, 1)));
        assert_eq!(work.take(1_000, false), None);
        assert_eq!(
            work.take(2_000_001_000, false).map(|job| (job.index, job.attempts)),
            Some((0, 1))
        );
        work.stop();
        assert!(work.is_done());
    }

    #[test]
    fn a_push_is_not_sent_without_end() {
        let mut work = Work::new(0, 1, 1, None, 0);
        let job = Job {
            attempts: ATTEMPTS_MAX - 1,
            losses: LOSSES_MAX - 1,
            ..work.take(0, true).expect("new")
        };
        assert!(!work.again_now(job, true) && !work.again_later(job, None, 0));
        assert!(work.is_done());
        // Behind another request it is not the cause of anything.
        assert!(work.again_now(job, false) && work.has_lost());
    }
}
