//! How long answers wait, and for whom: for the device, while a commit is under way, or for the
//! shard itself.
//!
//! Both are told apart by a second clock, which goes on only while a commit is under way, of any
//! of the thread's shards ([`Moment::device_ns`]): what it went on by from a push's arrival to its
//! answer is the device's part, the rest is the shard's own. A commit is under way from its begin
//! until the shard knows that it is done: the kernel's worker that carries it out, and its way
//! back, count as the device's. An answer that stands behind another on its connection leaves
//! after it: that wait is in both.
//!
//! Pure: times come in as arguments.

use super::durations::Durations;

/// A moment, on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Moment {
    /// Of the monotonic clock, nanoseconds.
    ns: u64,
    /// For how long a commit was under way until then, nanoseconds.
    device_ns: u64,
}

/// One shard's commits.
#[derive(Clone, Debug, Default)]
struct Commits {
    began_ns: Option<u64>,
    /// What the last one took, and the answers that left since: those that it let go.
    last_ns: u64,
    let_go: u64,
}

/// The waits of one thread's answers, its shards' commits, and its turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    /// By the shards' places.
    of_shards: Vec<Commits>,
    /// Commits under way, and since when there is any.
    under_way: usize,
    any_since_ns: u64,
    device_ns: u64,
    /// From a push's arrival in the shard to the answer that waited for the device.
    pub(super) answers: Durations,
    /// Of these the shard's own part.
    pub(super) own: Durations,
    /// From a commit's begin until it is known to be done.
    pub(super) commits: Durations,
    /// The same, each as often as answers waited for it: a long commit under load is one of
    /// thousands, and holds up one in thirty answers.
    pub(super) commits_by_answers: Durations,
    /// Turns that found anything to do, from begin to end.
    pub(super) turns: Durations,
}

impl Waits {
    /// `ns` of the monotonic clock, on both.
    pub(super) fn moment(&self, ns: u64) -> Moment {
        let is_any = self.under_way > 0;
        let under_way_ns = if is_any { ns.saturating_sub(self.any_since_ns) } else { 0 };
        Moment { ns, device_ns: self.device_ns + under_way_ns }
    }

    /// A commit of the shard in this place begins; none of it is under way.
    pub(super) fn commit_begins(&mut self, place: usize, ns: u64) {
        if self.of_shards.len() <= place {
            self.of_shards.resize_with(place + 1, Commits::default);
        }
        debug_assert!(self.of_shards[place].began_ns.is_none(), "one commit of a shard at a time");
        self.of_shards[place].began_ns = Some(ns);
        if self.under_way == 0 {
            self.any_since_ns = ns;
        }
        self.under_way += 1;
    }

    /// The commit under way of the shard in this place is done.
    pub(super) fn commit_done(&mut self, place: usize, ns: u64) {
        let Some(of_shard) = self.of_shards.get_mut(place) else { return };
        let Some(began_ns) = of_shard.began_ns.take() else { return };
        let took_ns = ns.saturating_sub(began_ns);
        self.commits.record(took_ns);
        let let_go = std::mem::take(&mut of_shard.let_go);
        self.commits_by_answers.record_many(of_shard.last_ns, let_go);
        of_shard.last_ns = took_ns;
        self.under_way -= 1;
        if self.under_way == 0 {
            self.device_ns += ns.saturating_sub(self.any_since_ns);
        }
    }

    /// Enters the answers that left since the last commits: before anybody looks. Those of a
    /// shard's last commit are entered before its next one is done.
    pub(super) fn settle(&mut self) {
        for of_shard in &mut self.of_shards {
            let let_go = std::mem::take(&mut of_shard.let_go);
            self.commits_by_answers.record_many(of_shard.last_ns, let_go);
        }
    }

    /// The answer to a push that had arrived at the first moment leaves at the second, let go by
    /// the shard in this place.
    pub(super) fn answered(&mut self, place: usize, arrived: Moment, leaves: Moment) {
        if let Some(of_shard) = self.of_shards.get_mut(place) {
            of_shard.let_go += 1;
        }
        let in_all_ns = leaves.ns.saturating_sub(arrived.ns);
        let device_ns = leaves.device_ns.saturating_sub(arrived.device_ns);
        self.answers.record(in_all_ns);
        self.own.record(in_all_ns.saturating_sub(device_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of what was recorded, and how many.
    fn told(durations: &Durations) -> (u64, u64) {
        (durations.sum_ns(), durations.counts().iter().sum())
    }

    #[test]
    fn what_a_commit_takes_is_the_devices_and_the_rest_the_shards_own() {
        let mut waits = Waits::default();
        let arrived = waits.moment(1_000);
        waits.commit_begins(0, 1_500);
        waits.commit_done(0, 9_500);
        waits.answered(0, arrived, waits.moment(9_700));
        assert_eq!(told(&waits.commits), (8_000, 1));
        assert_eq!(told(&waits.answers), (8_700, 1));
        assert_eq!(told(&waits.own), (700, 1));
    }

    #[test]
    fn a_push_that_arrives_during_a_commit_waits_for_the_rest_of_it_and_the_next() {
        let mut waits = Waits::default();
        waits.commit_begins(0, 1_000);
        let arrived = waits.moment(4_000);
        waits.commit_done(0, 5_000);
        waits.commit_begins(0, 5_100);
        waits.commit_done(0, 7_100);
        waits.answered(0, arrived, waits.moment(7_150));
        assert_eq!(told(&waits.answers), (3_150, 1));
        assert_eq!(told(&waits.own), (150, 1));
    }

    #[test]
    fn a_commit_counts_as_often_as_answers_waited_for_it() {
        let mut waits = Waits::default();
        for (took_ns, answers) in [(1_000, 2), (9_000, 3), (5_000, 0)] {
            let arrived = waits.moment(10_000);
            waits.commit_begins(0, 10_000);
            waits.commit_done(0, 10_000 + took_ns);
            (0..answers).for_each(|_| waits.answered(0, arrived, waits.moment(20_000)));
        }
        waits.settle();
        waits.settle();
        assert_eq!(told(&waits.commits_by_answers), (2 * 1_000 + 3 * 9_000, 5));
        assert_eq!(told(&waits.commits), (15_000, 3));
    }

    #[test]
    fn a_clock_read_a_little_earlier_counts_as_no_wait() {
        let mut waits = Waits::default();
        let arrived = waits.moment(2_000);
        waits.answered(0, arrived, waits.moment(1_900));
        waits.commit_done(0, 3_000);
        assert_eq!(told(&waits.answers), (0, 1));
        assert_eq!(told(&waits.commits), (0, 0));
    }

    #[test]
    fn commits_of_two_shards_side_by_side_are_one_wait_for_the_device() {
        let mut waits = Waits::default();
        let arrived = waits.moment(1_000);
        waits.commit_begins(0, 1_000);
        waits.commit_begins(1, 2_000);
        waits.commit_done(0, 5_000);
        waits.answered(0, arrived, waits.moment(5_100));
        waits.commit_done(1, 9_000);
        waits.answered(1, arrived, waits.moment(9_300));
        waits.settle();
        assert_eq!(told(&waits.commits), (4_000 + 7_000, 2));
        assert_eq!(told(&waits.own), (300, 2));
        assert_eq!(told(&waits.commits_by_answers), (4_000 + 7_000, 2));
    }
}
