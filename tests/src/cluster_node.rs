//! A node of a cluster over real NATS: the engine's own keeper, and partitions that live in memory.
//!
//! It takes what it should have, publishes records as fast as they are acknowledged, and says what
//! it hears. Its state can be looked at from other threads.

use hayauma::cluster::chunk::Chunk;
use hayauma::cluster::happening::Happening;
use hayauma::cluster::keeper::{Keeper, KeeperSetup};
use hayauma::cluster::mutation::NodeMutation;
use hayauma::cluster::node::Incarnation;
use hayauma::cluster::ownership::ClusterTimes;
use hayauma::journal::{LooseFrame, RecordKind, append_loose};
use hayauma::nats::{NatsGuest, NatsLog, NatsSetup, NatsStore, NatsWake, host};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use wire::terms::time::SteadyMs;

/// Numbers of records of one partition: 2 to the power of this.
const NUMBER_BITS: u32 = 46;
/// Records of a chunk.
const RECORDS: u64 = 16;
/// Octets of a record.
const RECORD_OCTETS: usize = 250;

/// What a node is to do.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Where its ports lead to.
    pub nats: NatsSetup,
    /// A number that no other life of this node has.
    pub life: u64,
    /// The times of the cluster.
    pub times: ClusterTimes,
    /// Whether happenings are told on stdout.
    pub is_told: bool,
}

/// One partition as its node knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartState {
    /// Its term, while it is this node's.
    pub term: Option<u64>,
    /// Every record below this is acknowledged by this node.
    pub acknowledged: u64,
    /// The number behind the highest record that was read.
    pub read: u64,
    /// Chunks that were acknowledged to this node.
    pub chunks: u64,
    /// The longest time between two acknowledgements, in milliseconds.
    pub pause_ms: u64,
    last: Option<SteadyMs>,
}

/// What a node knows.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    /// Its partitions.
    pub parts: BTreeMap<u16, PartState>,
    /// Partitions that somebody else opened behind this node.
    pub lost: u64,
    /// Take-overs that were given up.
    pub given_up: u64,
    /// Partitions that were given away.
    pub given: u64,
    /// Chunks that were published again.
    pub resent: u64,
    /// Times that a log had no room.
    pub full: u64,
    /// Partitions whose log is damaged, with the cause.
    pub stopped: Vec<String>,
}

impl NodeState {
    /// Partitions that are this node's.
    pub fn owned(&self) -> usize {
        self.parts.values().filter(|part| part.term.is_some()).count()
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: NodeState,
    is_over: bool,
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running node.
#[derive(Debug)]
pub struct ClusterNode {
    shared: Arc<Mutex<Shared>>,
    wake: NatsWake,
    thread: Option<JoinHandle<()>>,
}

impl ClusterNode {
    /// Starts a node on a thread of its own.
    pub fn start(options: NodeOptions) -> Self {
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let wake = NatsWake::default();
        let (theirs, woken) = (Arc::clone(&shared), wake.clone());
        let thread = std::thread::spawn(move || {
            let mut guest = NodeGuest::new(&options, theirs);
            host(&options.nats, &woken, &mut guest).expect("a thread of NATS");
        });
        Self { shared, wake, thread: Some(thread) }
    }

    /// What it knows now.
    pub fn state(&self) -> NodeState {
        locked(&self.shared).state.clone()
    }

    /// Forgets the longest pauses.
    pub fn forget_pauses(&self) {
        for part in locked(&self.shared).state.parts.values_mut() {
            part.pause_ms = 0;
        }
    }

    /// Works until the process ends.
    pub fn run(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for ClusterNode {
    fn drop(&mut self) {
        locked(&self.shared).is_over = true;
        self.wake.wake();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the node has failed");
        }
    }
}

struct NodeGuest {
    keeper: Keeper,
    partitions: u16,
    /// The number of the next record of each partition that is this node's.
    next: BTreeMap<u16, u64>,
    /// Those that are to be given away.
    closing: BTreeSet<u16>,
    shared: Arc<Mutex<Shared>>,
    is_told: bool,
}

fn now() -> SteadyMs {
    // A clock that shows 0 has never been looked at.
    SteadyMs::new(host::clock::monotonic_ns() / 1_000_000 + 1)
}

impl NodeGuest {
    fn new(options: &NodeOptions, shared: Arc<Mutex<Shared>>) -> Self {
        let partitions = options.nats.partitions;
        let setup = KeeperSetup {
            me: Incarnation { node: options.nats.me, life: options.life },
            partitions,
            number_bits: NUMBER_BITS,
            times: options.times,
            mutation: NodeMutation::None,
        };
        let keeper = Keeper::new(setup);
        Self {
            keeper,
            partitions,
            next: BTreeMap::new(),
            closing: BTreeSet::new(),
            shared,
            is_told: options.is_told,
        }
    }

    fn hear(&mut self, happening: Happening) {
        let mut shared = locked(&self.shared);
        let state = &mut shared.state;
        let mut left = None;
        match happening {
            Happening::Read(partition, _, octets) => {
                if let Ok(chunk) = Chunk::read(&octets, partition) {
                    state.parts.entry(partition).or_default().read = chunk.head.next;
                }
            }
            Happening::Owned { partition, term, first } => {
                let part = state.parts.entry(partition).or_default();
                (part.term, part.last, part.acknowledged) = (Some(term), Some(now()), 0);
                self.next.insert(partition, first);
                if self.is_told {
                    println!("owned {partition} {term} {}", part.read);
                }
            }
            Happening::Released { partition, next, .. } => {
                let part = state.parts.entry(partition).or_default();
                let now = now();
                let pause_ms = part.last.map_or(0, |last| now.since(last));
                part.pause_ms = part.pause_ms.max(pause_ms);
                (part.last, part.acknowledged) = (Some(now), next);
                part.chunks += 1;
                if self.is_told {
                    println!("acknowledged {partition} {next}");
                }
            }
            Happening::Lost { partition, .. } => {
                state.lost += 1;
                left = Some(partition);
            }
            Happening::Given(partition, _) => {
                state.given += 1;
                left = Some(partition);
            }
            Happening::Stopped(partition, found) => {
                state.stopped.push(format!("partition {partition}: {found}"));
                left = Some(partition);
            }
            Happening::Closing(partition) => {
                self.closing.insert(partition);
            }
            Happening::Staying(partition) => {
                self.closing.remove(&partition);
            }
            Happening::Drop(_) => state.given_up += 1,
            Happening::Resent(_) => state.resent += 1,
            Happening::Full(_) => state.full += 1,
            Happening::Begin(_) | Happening::Bidding(..) => {}
        }
        if let Some(partition) = left {
            state.parts.entry(partition).or_default().term = None;
            self.next.remove(&partition);
            self.closing.remove(&partition);
        }
    }

    fn frames(&self, partition: u16, first: u64) -> Vec<u8> {
        let body = [0x68; RECORD_OCTETS];
        let mut frames = Vec::new();
        for sequence in first..first + RECORDS {
            append_loose(
                &mut frames,
                partition,
                LooseFrame { kind: RecordKind::Accepted, sequence, body: &body },
            );
        }
        frames
    }
}

impl NatsGuest for NodeGuest {
    fn turn(&mut self, log: &mut NatsLog, nodes: &mut NatsStore) -> ControlFlow<()> {
        if locked(&self.shared).is_over {
            return ControlFlow::Break(());
        }
        self.keeper.tick(now(), log, nodes);
        while let Some(happening) = self.keeper.happening() {
            self.hear(happening);
        }
        for partition in self.closing.clone() {
            self.keeper.close(now(), log, partition);
        }
        for partition in 0..self.partitions {
            let Some(first) = self.next.get(&partition).copied() else { continue };
            if self.keeper.has_room(partition) && !self.closing.contains(&partition) {
                let frames = self.frames(partition, first);
                if self.keeper.offer(now(), log, partition, &frames, first + RECORDS) {
                    self.next.insert(partition, first + RECORDS);
                }
            }
        }
        ControlFlow::Continue(())
    }
}
