use super::*;
use crate::cluster::beats::Beat;
use crate::cluster::keeper::KeeperSetup;
use crate::cluster::mutation::NodeMutation;
use crate::cluster::node::{Incarnation, NodeName};
use crate::cluster::ownership::ClusterTimes;
use crate::cluster::ports::{LogNews, PartEntry, ReplicatedLog, Sight};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// A store and logs that say yes to everything, and remember who left.
#[derive(Default)]
struct Yes {
    sights: VecDeque<Sight>,
    revision: u64,
    left: usize,
}

impl Liveness for Yes {
    fn beat(&mut self, node: NodeName, beat: Beat) {
        self.sights.push_back(Sight::Beat(node, beat));
    }

    fn leave(&mut self, node: NodeName) {
        self.left += 1;
        self.sights.push_back(Sight::Left(node));
    }

    fn take(&mut self, partition: u16, entry: PartEntry, _: u64) {
        self.revision += 1;
        self.sights.push_back(Sight::Taken { partition, entry, revision: self.revision });
    }

    fn seen(&mut self) -> Option<Sight> {
        self.sights.pop_front()
    }
}

/// The same for the other port.
#[derive(Default)]
struct YesLog(VecDeque<LogNews>);

impl ReplicatedLog for YesLog {
    fn publish(&mut self, partition: u16, expected: u64, _: Arc<[u8]>) {
        self.0.push_back(LogNews::Stored { partition, expected, sequence: expected + 1 });
    }

    fn read_behind(&mut self, _: u16, _: u64) {}

    fn replay(&mut self, partition: u16, _: u64) {
        self.0.push_back(LogNews::End { partition, last: 0 });
    }

    fn look_at_end(&mut self, partition: u16) {
        self.0.push_back(LogNews::End { partition, last: 0 });
    }

    fn purge(&mut self, _: u16, _: u64) {}

    fn news(&mut self) -> Option<LogNews> {
        self.0.pop_front()
    }
}

struct Lone {
    keeper: Keeper,
    nodes: Yes,
    log: YesLog,
    words: StopWords,
    stop: Stop,
    drained: Arc<AtomicUsize>,
    now: SteadyMs,
}

impl Lone {
    fn new() -> Self {
        let node = NodeName::parse("a").expect("a name");
        let drained = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&drained);
        Self {
            keeper: Keeper::new(KeeperSetup {
                me: Incarnation { node, life: 1 },
                partitions: 16,
                number_bits: 46,
                times: ClusterTimes::default(),
                mutation: NodeMutation::None,
            }),
            nodes: Yes::default(),
            log: YesLog::default(),
            words: StopWords::default(),
            stop: Stop::new(10_000, move || {
                counted.fetch_add(1, Ordering::Relaxed);
            }),
            drained,
            now: SteadyMs::new(1),
        }
    }

    /// Lets so much time go by; whether all is over then.
    fn goes_on_for(&mut self, ms: u64) -> bool {
        for _ in 0..ms / 50 {
            self.now = self.now + 50;
            self.keeper.tick(self.now, &mut self.log, &mut self.nodes);
            while self.keeper.happening().is_some() {}
            let Self { stop, now, words, keeper, nodes, .. } = self;
            if stop.go_on(*now, words, keeper, nodes).is_break() {
                return true;
            }
        }
        false
    }
}

#[test]
fn a_node_that_nobody_would_take_anything_from_drains_at_once_and_keeps_its_name() {
    let mut lone = Lone::new();
    assert!(!lone.goes_on_for(10_000), "it serves");
    assert!(!lone.keeper.is_drained() && lone.drained.load(Ordering::Relaxed) == 0);
    lone.words.gives_away.store(true, Ordering::Release);
    assert!(!lone.goes_on_for(200));
    assert_eq!(lone.drained.load(Ordering::Relaxed), 1, "its threads drain, once");
    lone.words.ends.store(true, Ordering::Release);
    assert!(lone.goes_on_for(100));
    assert_eq!(lone.nodes.left, 0, "its partitions are still said to be its own");
}

#[test]
fn a_node_that_has_nothing_left_tells_the_others_that_it_goes_and_beats_no_more() {
    let mut lone = Lone::new();
    lone.words.gives_away.store(true, Ordering::Release);
    assert!(!lone.goes_on_for(5_000), "the threads have not drained");
    assert!(lone.keeper.is_drained() && lone.drained.load(Ordering::Relaxed) == 1);
    assert_eq!(lone.nodes.left, 0);
    lone.words.ends.store(true, Ordering::Release);
    assert!(lone.goes_on_for(200));
    assert_eq!(lone.nodes.left, 1);
    assert!(!lone.nodes.sights.iter().any(|sight| matches!(sight, Sight::Beat(..))));
}

#[test]
fn a_node_that_was_told_to_end_and_not_to_give_anything_away_ends() {
    let mut lone = Lone::new();
    assert!(!lone.goes_on_for(1_000));
    lone.words.ends.store(true, Ordering::Release);
    assert!(lone.goes_on_for(50));
    assert_eq!(lone.drained.load(Ordering::Relaxed), 0);
}
