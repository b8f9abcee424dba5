//! Who is there: the beats of the nodes as one of them sees them, and whom it may suspect.
//!
//! A node is suspected when its beat has not changed for the lease, and only by a node whose own
//! beat has come back lately: where it does not, the beats are ill, and nobody knows anything of
//! anybody. Once they are well again everybody waits a whole lease anew. Pure.

use super::limits::{FORGOTTEN_LEASES, JUDGE_MS, NODES_MAX};
use super::mutation::NodeMutation;
use super::node::{Incarnation, NodeName};
use super::ownership::ClusterTimes;
use std::collections::BTreeMap;
use wire::terms::time::SteadyMs;

/// What a node writes to say that it is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Beat {
    /// The node's life.
    pub life: u64,
    /// Goes up with each beat of it.
    pub count: u64,
    /// It takes nothing more, and gives away what it has.
    pub is_draining: bool,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    beat: Beat,
    changed: SteadyMs,
    /// Since when this life has been seen without a lease's silence.
    there_since: SteadyMs,
    /// A second beat of it has come: the first may be what a node that is gone has left.
    beats: bool,
}

/// The beats as one node sees them.
#[derive(Clone, Debug)]
pub struct Beats {
    me: Incarnation,
    /// Another life with this node's name, and whether it goes on beating.
    twin: Option<(Beat, bool)>,
    /// The last node for which there was no room, and when its beat came.
    left_out: Option<(NodeName, SteadyMs)>,
    times: ClusterTimes,
    mutation: NodeMutation,
    nodes: BTreeMap<NodeName, Seen>,
    /// Since when this node's own beats have come back without a gap.
    well_since: Option<SteadyMs>,
    own_seen: SteadyMs,
}

impl Beats {
    /// Nobody seen yet.
    pub fn new(me: Incarnation, times: ClusterTimes, mutation: NodeMutation) -> Self {
        let nodes = BTreeMap::new();
        let own_seen = SteadyMs::ZERO;
        let (twin, left_out, well_since) = (None, None, None);
        Self { me, twin, left_out, times, mutation, nodes, well_since, own_seen }
    }

    /// The other life that has this node's name and beats at the same time, if there is one: two
    /// processes were started as one node.
    pub fn twin(&self) -> Option<u64> {
        self.twin.filter(|(_, beats)| *beats).map(|(beat, _)| beat.life)
    }

    /// The node that beats and is not looked at, if there is one: a cluster's most are there. One
    /// that has not beaten for a lease has gone.
    pub fn left_out(&self) -> Option<NodeName> {
        self.left_out.map(|(node, _)| node)
    }

    /// A beat was seen, one's own as any other. More nodes than a cluster may have are not looked
    /// at, but for those that have been silent for long: they make room.
    pub fn see(&mut self, now: SteadyMs, node: NodeName, beat: Beat) {
        if node == self.me.node && beat.life != self.me.life {
            return self.see_twin(beat);
        }
        if node == self.me.node {
            self.see_own(now);
        }
        let lease_ms = self.times.lease_ms;
        self.left_out = self.left_out.filter(|(_, seen)| now.since(*seen) < lease_ms);
        if !self.nodes.contains_key(&node) && self.nodes.len() == NODES_MAX && !self.make_room(now)
        {
            self.left_out = Some((node, now));
            return;
        }
        self.is_not_left_out(node);
        let new = Seen { beat, changed: now, there_since: now, beats: false };
        let seen = self.nodes.entry(node).or_insert(new);
        // What was overtaken on its way says nothing.
        if (beat.life, beat.count) <= (seen.beat.life, seen.beat.count) {
            return;
        }
        let is_same = seen.beat.life == beat.life && now.since(seen.changed) < lease_ms;
        let there_since = if is_same { seen.there_since } else { now };
        *seen = Seen { beat, changed: now, there_since, beats: true };
    }

    /// Puts out the node that has been silent for the longest, if for so long that nobody waits for
    /// it: a lease is enough where one beat was seen and no other, as the watch begins with what
    /// nodes that are gone have left. While the beats themselves were away nobody was silent.
    /// Whether there is room now.
    fn make_room(&mut self, now: SteadyMs) -> bool {
        let Some(judging) = self.judging_since(now) else { return false };
        let lease_ms = self.times.lease_ms;
        let patience_ms =
            |seen: &Seen| if seen.beats { FORGOTTEN_LEASES * lease_ms } else { lease_ms };
        let is_gone = |seen: &Seen| now.since(seen.changed.max(judging)) >= patience_ms(seen);
        let others = self.nodes.iter().filter(|(node, _)| **node != self.me.node);
        let gone = others.filter(|(_, seen)| is_gone(seen)).min_by_key(|(_, seen)| seen.changed);
        let Some(gone) = gone.map(|(node, _)| *node) else { return false };
        self.nodes.remove(&gone);
        true
    }

    /// What a life of this node that has ended beat last is seen once.
    fn see_twin(&mut self, beat: Beat) {
        self.twin = match self.twin {
            Some((last, beats)) if last.life == beat.life => {
                Some((beat, beats || beat.count > last.count))
            }
            _ => Some((beat, false)),
        };
    }

    fn see_own(&mut self, now: SteadyMs) {
        if self.well_since.is_none() || now.since(self.own_seen) > JUDGE_MS {
            self.well_since = Some(now);
        }
        self.own_seen = now;
    }

    /// A node has left: nobody waits for it.
    pub fn leave(&mut self, node: NodeName) {
        self.nodes.remove(&node);
        self.is_not_left_out(node);
    }

    fn is_not_left_out(&mut self, node: NodeName) {
        self.left_out = self.left_out.filter(|(left_out, _)| *left_out != node);
    }

    /// Since when this node may judge others; none while the beats are ill.
    fn judging_since(&self, now: SteadyMs) -> Option<SteadyMs> {
        if self.mutation == NodeMutation::SuspectWhileIll {
            return Some(SteadyMs::ZERO);
        }
        self.well_since.filter(|_| now.since(self.own_seen) <= JUDGE_MS)
    }

    /// Whether the node counts as dead. One that was never seen does after a lease, too.
    pub fn is_suspected(&self, now: SteadyMs, node: NodeName) -> bool {
        if node == self.me.node {
            return false;
        }
        let Some(judging) = self.judging_since(now) else { return false };
        let changed = self.nodes.get(&node).map_or(SteadyMs::ZERO, |seen| seen.changed);
        now.since(changed.max(judging)) >= self.times.lease_ms
    }

    /// Milliseconds since the node's last beat; none if it was never seen, or if the beats are
    /// ill.
    pub fn silence_ms(&self, now: SteadyMs, node: NodeName) -> Option<u64> {
        self.judging_since(now)?;
        self.nodes.get(&node).map(|seen| now.since(seen.changed))
    }

    /// The nodes that may be given partitions: not suspected, and not draining.
    pub fn takers(&self, now: SteadyMs) -> Vec<NodeName> {
        let takes =
            |node: &NodeName, seen: &Seen| !seen.beat.is_draining && !self.is_suspected(now, *node);
        self.nodes.iter().filter(|(node, seen)| takes(node, seen)).map(|(node, _)| *node).collect()
    }

    /// Those of them that have been there long enough for partitions to be moved to them.
    pub fn settled(&self, now: SteadyMs) -> Vec<NodeName> {
        let settle_ms = self.times.settle_ms;
        let is_settled = |node: &NodeName| now.since(self.nodes[node].there_since) >= settle_ms;
        self.takers(now).into_iter().filter(is_settled).collect()
    }

    /// Whether this node has judged for a whole lease: what nobody owns may be taken.
    pub fn may_take_unowned(&self, now: SteadyMs) -> bool {
        self.judging_since(now).is_some_and(|since| now.since(since) >= self.times.lease_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::parse(text).expect("a name")
    }

    fn beat(count: u64) -> Beat {
        Beat { life: 1, count, is_draining: false }
    }

    fn at(ms: u64) -> SteadyMs {
        SteadyMs::new(ms)
    }

    fn beats(mutation: NodeMutation) -> Beats {
        let mut beats =
            Beats::new(Incarnation { node: name("a"), life: 1 }, ClusterTimes::default(), mutation);
        for count in 0..10 {
            beats.see(at(count * 500), name("a"), beat(count));
            beats.see(at(count * 500), name("b"), beat(count));
        }
        beats
    }

    #[test]
    fn a_node_is_suspected_after_a_lease_of_silence_and_not_before() {
        let mut beats = beats(NodeMutation::None);
        for count in 10..20 {
            beats.see(at(count * 500), name("a"), beat(count));
            let silence = count * 500 - 4_500;
            assert_eq!(
                beats.is_suspected(at(count * 500), name("b")),
                silence >= 2_500,
                "{silence} ms of silence"
            );
        }
        assert!(!beats.is_suspected(at(9_600), name("a")), "nobody suspects itself");
        beats.see(at(9_600), name("b"), beat(10));
        assert!(!beats.is_suspected(at(9_600), name("b")));
    }

    #[test]
    fn while_the_beats_are_ill_nobody_is_suspected_and_after_that_a_lease_is_waited_for() {
        let mut beats = beats(NodeMutation::None);
        assert!(!beats.is_suspected(at(9_000), name("b")), "one's own beat does not come back");
        beats.see(at(12_000), name("a"), beat(10));
        assert!(!beats.is_suspected(at(12_000), name("b")));
        for count in 0..=5 {
            beats.see(at(12_000 + count * 500), name("a"), beat(11 + count));
            let is_suspected = beats.is_suspected(at(12_000 + count * 500), name("b"));
            assert_eq!(is_suspected, count == 5, "{count}");
        }
        assert_eq!(beats.takers(at(14_500)), [name("a")]);
    }

    #[test]
    fn a_node_that_was_never_seen_is_waited_for_as_any_other() {
        let mut beats = beats(NodeMutation::None);
        assert!(beats.is_suspected(at(4_500), name("c")));
        assert_eq!(beats.silence_ms(at(4_600), name("b")), Some(100));
        beats.leave(name("b"));
        assert_eq!(beats.silence_ms(at(4_600), name("b")), None);
        let mut fresh = Beats::new(
            Incarnation { node: name("a"), life: 1 },
            ClusterTimes::default(),
            NodeMutation::None,
        );
        fresh.see(at(100), name("a"), beat(1));
        assert!(!fresh.is_suspected(at(100), name("c")) && !fresh.may_take_unowned(at(100)));
    }

    #[test]
    fn a_process_with_the_same_name_is_noticed_and_the_last_beat_of_an_earlier_life_is_none() {
        let mut beats = beats(NodeMutation::None);
        let other = |life, count| Beat { life, ..beat(count) };
        beats.see(at(4_600), name("a"), other(7, 30));
        assert_eq!(beats.twin(), None, "it may have ended");
        beats.see(at(4_700), name("a"), other(7, 30));
        assert_eq!(beats.twin(), None, "told again");
        // It does not make this one's beats well.
        assert!(!beats.is_suspected(at(9_000), name("b")));
        beats.see(at(5_100), name("a"), other(7, 31));
        assert_eq!(beats.twin(), Some(7));
    }

    #[test]
    fn a_node_finds_room_among_names_that_are_gone_and_never_takes_that_of_one_that_beats() {
        let mut beats = beats(NodeMutation::None);
        // What sixty-two nodes have left, told when the watch begins.
        for gone in 0..NODES_MAX - 2 {
            beats.see(at(4_500), name(&format!("gone-{gone}")), beat(1));
        }
        let tell = |beats: &mut Beats, ms: u64| {
            for living in ["a", "b", "new-1", "new-2"] {
                beats.see(at(ms), name(living), beat(ms / 500));
            }
        };
        tell(&mut beats, 5_000);
        assert!(!beats.takers(at(5_000)).contains(&name("new-1")), "they may still come");
        assert_eq!(beats.left_out(), Some(name("new-2")));
        for ms in (5_500..=7_000).step_by(500) {
            tell(&mut beats, ms);
        }
        assert_eq!(beats.takers(at(7_000)), ["a", "b", "new-1", "new-2"].map(name));
        assert_eq!(beats.left_out(), None);
    }

    #[test]
    fn where_all_places_are_taken_by_nodes_that_beat_one_more_is_left_out_and_told_of() {
        let mut beats = Beats::new(
            Incarnation { node: name("z"), life: 1 },
            ClusterTimes::default(),
            NodeMutation::None,
        );
        for ms in (0..40_000).step_by(500) {
            for node in 0..NODES_MAX {
                beats.see(at(ms), name(&format!("node-{node}")), beat(ms));
            }
            beats.see(at(ms), name("z"), beat(ms));
        }
        assert_eq!(beats.left_out(), Some(name("z")));
        assert!(!beats.takers(at(39_500)).contains(&name("z")));
        // All but one go on.
        for ms in (40_000..70_000).step_by(500) {
            for node in 1..NODES_MAX {
                beats.see(at(ms), name(&format!("node-{node}")), beat(ms));
            }
            beats.see(at(ms), name("z"), beat(ms));
        }
        assert_eq!(beats.left_out(), None);
        assert!(beats.takers(at(69_500)).contains(&name("z")));
    }

    #[test]
    fn a_node_that_comes_when_all_names_are_of_nodes_that_are_gone_has_its_place_within_a_lease() {
        let mut beats = Beats::new(
            Incarnation { node: name("z"), life: 1 },
            ClusterTimes::default(),
            NodeMutation::None,
        );
        for gone in 0..NODES_MAX {
            beats.see(at(0), name(&format!("gone-{gone}")), beat(1));
        }
        for ms in (0..=2_500).step_by(500) {
            assert!(!beats.takers(at(ms)).contains(&name("z")));
            beats.see(at(ms), name("z"), beat(1 + ms));
        }
        assert!(beats.takers(at(2_500)).contains(&name("z")) && beats.left_out().is_none());
    }

    #[test]
    fn one_that_was_left_out_and_goes_away_is_told_of_no_longer_than_a_lease() {
        let mut beats = beats(NodeMutation::None);
        let tell = |beats: &mut Beats, ms: u64| {
            beats.see(at(ms), name("a"), beat(ms));
            for node in 0..NODES_MAX - 1 {
                beats.see(at(ms), name(&format!("node-{node}")), beat(ms));
            }
        };
        beats.leave(name("b"));
        tell(&mut beats, 5_000);
        beats.see(at(5_000), name("late"), beat(1));
        for ms in (5_500..=7_000).step_by(500) {
            tell(&mut beats, ms);
            assert_eq!(beats.left_out(), Some(name("late")), "{ms}");
        }
        tell(&mut beats, 7_500);
        assert_eq!(beats.left_out(), None, "it never left, and is gone");
    }

    #[test]
    fn while_the_beats_were_away_nobody_was_silent_and_nobody_loses_its_place_for_that() {
        let mut beats = beats(NodeMutation::None);
        let name_of = |node: usize| name(&format!("node-{node}"));
        let tell = |beats: &mut Beats, ms: u64, nodes: std::ops::Range<usize>| {
            nodes.for_each(|node| beats.see(at(ms), name_of(node), beat(ms)));
        };
        beats.leave(name("b"));
        for ms in [5_000, 5_500] {
            beats.see(at(ms), name("a"), beat(ms));
            tell(&mut beats, ms, 0..NODES_MAX - 1);
        }
        // Nothing for much longer than makes room. Then one more comes first.
        let back_ms = 5_500 + 2 * FORGOTTEN_LEASES * ClusterTimes::default().lease_ms;
        beats.see(at(back_ms), name("late"), beat(back_ms));
        beats.see(at(back_ms), name("a"), beat(back_ms));
        beats.see(at(back_ms), name("late"), beat(back_ms + 1));
        tell(&mut beats, back_ms, 0..NODES_MAX - 1);
        assert_eq!(beats.left_out(), Some(name("late")));
        assert_eq!(beats.takers(at(back_ms)).len(), NODES_MAX, "all have their places");
    }

    #[test]
    fn a_node_is_settled_when_one_life_of_it_has_been_there_for_long() {
        let mut beats = beats(NodeMutation::None);
        let times = ClusterTimes { settle_ms: 1_000, ..ClusterTimes::default() };
        beats.times = times;
        assert_eq!(beats.settled(at(4_500)), [name("a"), name("b")]);
        beats.see(at(4_600), name("b"), Beat { life: 2, ..beat(0) });
        assert_eq!(beats.settled(at(4_700)), [name("a")]);
        beats.see(at(4_700), name("a"), Beat { is_draining: true, ..beat(99) });
        assert_eq!(beats.takers(at(4_700)), [name("b")]);
    }
}
