//! How a thread trades answer time for company, by how busy it is: when the next commit of each of
//! its shards begins, and whether the thread looks up for each completion or for several at once.
//!
//! A thread with time on its hands commits as soon as the device is free and wakes at once: an
//! answer waits for nothing but its sync. The busier it is, the longer records gather for one sync,
//! up to the configured bound, and the more completions it takes in one turn: what it saves there
//! is what it needs to keep up.
//!
//! Records that no answer waits for begin a commit by themselves only after a millisecond, or that
//! bound where it is shorter: as a rule the next push's commit takes them along, which at 2,000
//! pushes a second saves the third of all commits and a sixth of the engine's CPU time.
//!
//! A CPU that sleeps takes tens of microseconds to wake up, several times in an answer. A shard
//! that may (`--idle-poll-us`) keeps it awake while pushes come: it looks for work without sleeping
//! for so long after it last had some, but not while a commit is under way.
//!
//! Pure: times come in as arguments.

use crate::shard::Uncommitted;

/// Over how long the busy share is measured, in nanoseconds.
const WINDOW_NS: u64 = 2_000_000;
/// Of so many parts a new window counts for one.
const SMOOTHING: u64 = 4;
/// The whole, in which shares are expressed.
const WHOLE: u64 = 1024;
/// From this busy share on records gather...
const GATHER_FROM: u64 = WHOLE / 4;
/// ...and from this one on for as long as is allowed.
const GATHER_FULLY_FROM: u64 = WHOLE * 3 / 4;
/// The longest that records wait for a commit that an answer needs, in nanoseconds.
const UNAWAITED_NS_MAX: u64 = 1_000_000;
/// From this busy share on the shard waits for several completions before it looks up.
const PACED_FROM: u64 = WHOLE / 4;
/// The longest such wait, in nanoseconds.
pub(super) const PACED_WAIT_NS: u64 = 50_000;
/// The completions that end it.
pub(super) const PACED_COMPLETIONS: usize = 16;

const _: () = assert!(GATHER_FROM < GATHER_FULLY_FROM && PACED_FROM <= GATHER_FROM);

/// When one shard's commits begin.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    began_ns: u64,
    /// Since when there are records to commit that no answer waits for.
    unawaited_since_ns: Option<u64>,
}

impl Rhythm {
    /// A commit of everything so far begins.
    pub(super) fn note_commit(&mut self, now_ns: u64) {
        (self.began_ns, self.unawaited_since_ns) = (now_ns, None);
    }
}

/// The pace of one thread.
#[derive(Debug)]
pub(super) struct TurnPace {
    gather_ns_max: u64,
    window_began_ns: u64,
    busy_ns: u64,
    busy_share: u64,
    poll_ns: u64,
    /// When the last turn ended that found anything to do.
    worked_ns: u64,
}

impl TurnPace {
    /// A shard that does nothing yet; records gather for at most `gather_us_max` microseconds, and
    /// for `poll_us` after it had work it looks for more without sleeping.
    pub(super) fn new(gather_us_max: u64, poll_us: u64) -> Self {
        Self {
            gather_ns_max: gather_us_max * 1000,
            window_began_ns: 0,
            busy_ns: 0,
            busy_share: 0,
            poll_ns: poll_us * 1000,
            worked_ns: 0,
        }
    }

    /// A turn took from `began_ns` to `ended_ns` of the monotonic clock; whether it found anything
    /// to do.
    pub(super) fn note_turn(&mut self, began_ns: u64, ended_ns: u64, busy: bool) {
        if busy {
            self.busy_ns += ended_ns.saturating_sub(began_ns);
            self.worked_ns = ended_ns;
        }
        let window_ns = ended_ns.saturating_sub(self.window_began_ns);
        if window_ns >= WINDOW_NS {
            let share = (self.busy_ns.min(window_ns) * WHOLE) / window_ns;
            // A shard that slept through several windows was idle in all of them.
            let windows = (window_ns / WINDOW_NS).min(SMOOTHING);
            self.busy_share =
                (self.busy_share * (SMOOTHING - windows) + share * windows) / SMOOTHING;
            (self.window_began_ns, self.busy_ns) = (ended_ns, 0);
        }
    }

    /// When the next commit of a shard begins, on the monotonic clock; `None` while there is
    /// nothing to commit.
    pub(super) fn commit_due_ns(
        &self,
        rhythm: &mut Rhythm,
        uncommitted: Uncommitted,
        now_ns: u64,
    ) -> Option<u64> {
        let gathered_ns = rhythm.began_ns + self.gather_ns();
        match uncommitted {
            Uncommitted::Nothing => None,
            Uncommitted::Awaited => Some(gathered_ns),
            Uncommitted::Unawaited => {
                let since_ns = *rhythm.unawaited_since_ns.get_or_insert(now_ns);
                Some(gathered_ns.max(since_ns + self.gather_ns_max.min(UNAWAITED_NS_MAX)))
            }
        }
    }

    /// Until when a shard without work looks for more instead of sleeping, on the monotonic clock.
    pub(super) fn poll_until_ns(&self) -> u64 {
        self.worked_ns + self.poll_ns
    }

    /// Shortest time between the beginnings of two commits, in nanoseconds.
    fn gather_ns(&self) -> u64 {
        let above = self.busy_share.clamp(GATHER_FROM, GATHER_FULLY_FROM) - GATHER_FROM;
        self.gather_ns_max * above / (GATHER_FULLY_FROM - GATHER_FROM)
    }

    /// Whether the shard is busy enough to wait for several completions.
    pub(super) fn is_paced(&self) -> bool {
        self.busy_share >= PACED_FROM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shard that is busy for `percent` of each tenth of a millisecond, for so long.
    fn after(pace: &mut TurnPace, from_ns: u64, length_ns: u64, percent: u64) -> u64 {
        let mut now_ns = from_ns;
        while now_ns < from_ns + length_ns {
            pace.note_turn(now_ns, now_ns + 1_000 * percent, true);
            now_ns += 100_000;
            pace.note_turn(now_ns - 1, now_ns - 1, false);
        }
        now_ns
    }

    #[test]
    fn an_idle_shard_lets_no_record_wait_and_a_full_one_lets_them_gather() {
        let mut pace = TurnPace::new(1_000, 0);
        let now_ns = after(&mut pace, 0, 20_000_000, 10);
        assert_eq!((pace.gather_ns(), pace.is_paced()), (0, false));
        let now_ns = after(&mut pace, now_ns, 40_000_000, 100);
        assert_eq!((pace.gather_ns(), pace.is_paced()), (1_000_000, true));
        after(&mut pace, now_ns, 40_000_000, 10);
        assert_eq!((pace.gather_ns(), pace.is_paced()), (0, false));
    }

    #[test]
    fn between_them_the_wait_grows_with_the_load_and_keeps_its_bound() {
        let mut before = 0;
        for percent in [20, 35, 45, 55, 65, 80] {
            let mut pace = TurnPace::new(1_000, 0);
            after(&mut pace, 0, 40_000_000, percent);
            assert!(pace.gather_ns() >= before && pace.gather_ns() <= 1_000_000, "{percent} %");
            before = pace.gather_ns();
        }
        assert_eq!(before, 1_000_000);
        let mut never = TurnPace::new(0, 0);
        after(&mut never, 0, 40_000_000, 100);
        assert_eq!(never.gather_ns(), 0);
    }

    #[test]
    fn what_an_answer_waits_for_is_committed_at_once_and_the_rest_with_it_or_in_bounded_time() {
        let (pace, mut rhythm) = (TurnPace::new(1_000, 0), Rhythm::default());
        assert_eq!(pace.commit_due_ns(&mut rhythm, Uncommitted::Nothing, 5_000_000), None);
        assert!(
            pace.commit_due_ns(&mut rhythm, Uncommitted::Awaited, 5_000_000)
                .is_some_and(|due_ns| due_ns <= 5_000_000)
        );
        assert_eq!(
            pace.commit_due_ns(&mut rhythm, Uncommitted::Unawaited, 6_000_000),
            Some(7_000_000)
        );
        assert_eq!(
            pace.commit_due_ns(&mut rhythm, Uncommitted::Unawaited, 6_900_000),
            Some(7_000_000)
        );
        assert!(
            pace.commit_due_ns(&mut rhythm, Uncommitted::Awaited, 6_950_000)
                .is_some_and(|due_ns| due_ns <= 6_950_000)
        );
        rhythm.note_commit(6_950_000);
        assert_eq!(
            pace.commit_due_ns(&mut rhythm, Uncommitted::Unawaited, 8_000_000),
            Some(9_000_000)
        );
        let (patient, mut slow) = (TurnPace::new(1_000_000, 0), Rhythm::default());
        assert_eq!(
            patient.commit_due_ns(&mut slow, Uncommitted::Unawaited, 8_000_000),
            Some(9_000_000)
        );
        let (never, mut at_once) = (TurnPace::new(0, 0), Rhythm::default());
        assert_eq!(
            never.commit_due_ns(&mut at_once, Uncommitted::Unawaited, 8_000_000),
            Some(8_000_000)
        );
    }

    #[test]
    fn a_long_sleep_is_idleness() {
        let mut pace = TurnPace::new(1_000, 0);
        let now_ns = after(&mut pace, 0, 40_000_000, 100);
        pace.note_turn(now_ns + 50_000_000, now_ns + 50_010_000, true);
        assert_eq!((pace.gather_ns(), pace.is_paced()), (0, false));
    }

    #[test]
    fn polling_goes_on_for_as_long_as_was_asked_for_after_the_last_work() {
        let mut pace = TurnPace::new(1_000, 200);
        pace.note_turn(5_000_000, 5_010_000, true);
        pace.note_turn(5_100_000, 5_101_000, false);
        assert_eq!(pace.poll_until_ns(), 5_210_000);
        let mut never = TurnPace::new(1_000, 0);
        never.note_turn(5_000_000, 5_010_000, true);
        assert_eq!(never.poll_until_ns(), 5_010_000);
    }
}
