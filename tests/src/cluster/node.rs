//! A node: the engine's own keeper, and for each partition a shard as small as it can be.

use super::desk::{LogDesk, StoreDesk};
use super::part::ModelPart;
use hayauma::cluster::keeper::{Keeper, KeeperSetup};
use hayauma::cluster::mutation::NodeMutation;
use hayauma::cluster::node::{Incarnation, NodeName};
use hayauma::cluster::ownership::{ClusterTimes, PartitionStanding};
use wire::terms::time::SteadyMs;

/// Numbers of records of one partition: 2 to the power of this.
const NUMBER_BITS: u32 = 46;
/// What a node's clock shows when the world begins.
const CLOCK_START_MS: u64 = 1_000_000;

/// One node over its lives.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) me: Incarnation,
    pub(super) keeper: Keeper,
    pub(super) parts: Vec<ModelPart>,
    pub(super) log: LogDesk,
    pub(super) store: StoreDesk,
    /// Its clock's milliseconds in a thousand.
    rate: u64,
    pub(super) is_up: bool,
    pub(super) paused_until_ms: u64,
    pub(super) cut_until_ms: u64,
    pub(super) mute_until_ms: u64,
    pub(super) alone_until_ms: u64,
    /// When a death, pause or cut of it ended last, or will.
    pub(super) disturbed_ms: Option<u64>,
}

pub(super) fn name(number: usize) -> NodeName {
    NodeName::parse(&format!("n{number}")).expect("a name")
}

pub(super) const TIMES: ClusterTimes =
    ClusterTimes { lease_ms: 2_500, act_ms: 1_500, settle_ms: 4_000 };

fn keeper(me: Incarnation, partitions: u16, mutation: NodeMutation) -> Keeper {
    Keeper::new(KeeperSetup { me, partitions, number_bits: NUMBER_BITS, times: TIMES, mutation })
}

impl Node {
    pub(super) fn new(number: usize, partitions: u16, rate: u64, mutation: NodeMutation) -> Self {
        let me = Incarnation { node: name(number), life: 1 };
        Self {
            me,
            keeper: keeper(me, partitions, mutation),
            parts: (0..partitions).map(ModelPart::new).collect(),
            log: LogDesk::default(),
            store: StoreDesk::default(),
            rate,
            is_up: true,
            paused_until_ms: 0,
            cut_until_ms: 0,
            mute_until_ms: 0,
            alone_until_ms: 0,
            disturbed_ms: None,
        }
    }

    /// What its clock shows.
    pub(super) fn clock(&self, now_ms: u64) -> SteadyMs {
        SteadyMs::new(CLOCK_START_MS + now_ms * self.rate / 1_000)
    }

    /// It begins a new life, which knows nothing.
    pub(super) fn restart(&mut self, mutation: NodeMutation) {
        self.me.life += 1;
        let partitions = self.parts.len() as u16;
        self.keeper = keeper(self.me, partitions, mutation);
        self.parts = (0..partitions).map(ModelPart::new).collect();
        (self.log, self.store) = (LogDesk::default(), StoreDesk::default());
        self.is_up = true;
    }

    pub(super) fn is_awake(&self, now_ms: u64) -> bool {
        self.is_up && self.paused_until_ms <= now_ms
    }

    pub(super) fn is_cut(&self, now_ms: u64) -> bool {
        self.cut_until_ms > now_ms
    }

    pub(super) fn is_mute(&self, now_ms: u64) -> bool {
        self.is_cut(now_ms) || self.mute_until_ms > now_ms
    }

    pub(super) fn owns(&self, partition: u16) -> bool {
        matches!(
            self.keeper.standing(partition),
            PartitionStanding::Owned(_) | PartitionStanding::Closing
        )
    }

    /// Something befalls it until then.
    pub(super) fn disturb(&mut self, until_ms: u64) {
        self.disturbed_ms = Some(self.disturbed_ms.unwrap_or(0).max(until_ms));
    }
}
