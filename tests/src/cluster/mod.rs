//! A cluster in virtual time: nodes with the engine's own keepers, a replicated log for each
//! partition, and the store in which the nodes find each other.
//!
//! Everything follows from one seed. Nodes die and come again, are paused and go on unaware, are
//! cut off from the log, the store or each other, come later, drain. Logs lose their leader for
//! seconds, acknowledgements are lost, doubled and late, publishes arrive seconds after they were
//! sent, replicas answer that are behind. Clocks run up to a tenth fast or slow. After every event
//! the rules of `ledger` must hold; then the faults end, and all must come to its end in bounded
//! time. [`explorer`] goes through every order of happenings of two owners of one partition.

mod desk;
pub mod explorer;
mod faults;
mod ledger;
mod log;
mod node;
mod part;
mod store;
mod traffic;
mod work;

use crate::seeded::Seeded;
use desk::{LogOrder, StoreOrder};
use faults::{Fault, Faults};
use hayauma::cluster::mutation::NodeMutation;
use hayauma::cluster::ports::{LogNews, Sight};
use ledger::{Attempted, Checked, Ledger, rule};
pub use ledger::{Counts, Violation};
use log::SimulatedLog;
use node::Node;
use std::collections::BTreeMap;
use store::{SimulatedBilling, SimulatedStore};

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Everything follows from it.
    pub seed: u64,
    /// Nodes; 0 is three to seven, as the seed has it.
    pub nodes: usize,
    /// Partitions.
    pub partitions: u16,
    /// Pushes.
    pub pushes: u64,
    /// A deliberate fault of the nodes.
    pub mutation: NodeMutation,
    /// Whether what happens is told on stderr.
    pub is_told: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The same for the same seed.
    pub trace_hash: u64,
    /// What happened, in numbers.
    pub counts: Counts,
}

/// The one line that replays a run.
pub fn replay_command(options: &Options) -> String {
    let Options { seed, nodes, partitions, pushes, mutation, .. } = options;
    let mutation = match mutation {
        NodeMutation::None => String::new(),
        mutation => format!(" --mutation {mutation:?}"),
    };
    format!(
        "cargo run --release -p tests --bin cluster_simulate -- --seed {seed} --nodes {nodes} \
         --partitions {partitions} --pushes {pushes}{mutation}"
    )
}

/// Faults and pushes come until then.
const FAULTS_MS: u64 = 26_000;
/// What all has to come to its end within, once the faults have ended: an election, a lease, and
/// what is asked again after that.
const SETTLE_MS: u64 = 16_000;
/// Between two looks of a node at its clock.
const TICK_MS: u64 = 50;

/// What happens.
#[derive(Clone, Debug)]
enum Event {
    Tick { at: usize },
    ToLog { from: usize, order: LogOrder },
    ToStore { from: usize, order: StoreOrder },
    News { at: usize, life: u64, news: LogNews },
    Sight { at: usize, life: u64, sight: Sight },
    Client { push: u64 },
    Ask { push: u64 },
    Asked { at: usize, push: u64, is_request: bool },
    AttemptEnds { at: usize, by: Attempted, partition: u16, push: u64 },
    Fault(Fault),
    Restart { at: usize },
    Reconnect { at: usize },
}

/// The world.
struct World {
    options: Options,
    random: Seeded,
    faults: Faults,
    now_ms: u64,
    order: u64,
    events: BTreeMap<(u64, u64), Event>,
    nodes: Vec<Node>,
    logs: Vec<SimulatedLog>,
    billing: Vec<SimulatedBilling>,
    store: SimulatedStore,
    ledger: Ledger,
    trace: u64,
}

/// Runs one simulation to its end.
///
/// # Errors
/// The first rule that was broken.
pub fn run(options: &Options) -> Result<Report, Violation> {
    let mut world = World::new(options);
    world.begin();
    while let Some(((at_ms, _), event)) = world.events.pop_first() {
        if at_ms > FAULTS_MS + SETTLE_MS {
            break;
        }
        world.now_ms = at_ms;
        world.ledger.counts.events += 1;
        world.trace = (world.trace ^ at_ms).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(29);
        world.happen(event)?;
    }
    world.check_end()?;
    Ok(Report { trace_hash: world.trace, counts: world.ledger.counts })
}

impl World {
    fn new(options: &Options) -> Self {
        let mut random = Seeded::new(options.seed ^ 0x636C_7573_7465_7221);
        let nodes = if options.nodes == 0 { 3 + random.below(5) as usize } else { options.nodes };
        let faults = Faults::draw(&mut random);
        let partitions = options.partitions;
        let rates: Vec<u64> = (0..nodes).map(|_| 905 + random.below(191)).collect();
        let node = |at: usize| Node::new(at, partitions, rates[at], options.mutation);
        Self {
            options: *options,
            random,
            faults,
            now_ms: 0,
            order: 0,
            events: BTreeMap::new(),
            nodes: (0..nodes).map(node).collect(),
            logs: (0..partitions).map(SimulatedLog::new).collect(),
            billing: (0..partitions).map(|_| SimulatedBilling::default()).collect(),
            store: SimulatedStore::default(),
            ledger: Ledger::default(),
            trace: 0xCBF2_9CE4_8422_2325,
        }
    }

    fn begin(&mut self) {
        for at in 0..self.nodes.len() {
            self.after(at as u64 % TICK_MS, Event::Tick { at });
        }
        for push in 0..self.options.pushes {
            let at_ms = 3_000 + self.random.below(FAULTS_MS - 3_000);
            self.after(at_ms, Event::Client { push });
            let asked_ms = at_ms + self.random.below(9_000);
            self.after(asked_ms, Event::Ask { push });
            self.after(asked_ms + 2_500, Event::Ask { push });
        }
        for (at_ms, fault) in self.faults.drawn(&mut self.random, self.nodes.len()) {
            self.after(at_ms, Event::Fault(fault));
        }
    }

    fn after(&mut self, delay_ms: u64, event: Event) {
        self.order += 1;
        self.events.insert((self.now_ms + delay_ms, self.order), event);
    }

    fn are_faults_over(&self) -> bool {
        self.now_ms >= FAULTS_MS
    }

    fn happen(&mut self, event: Event) -> Checked {
        match event {
            Event::Tick { at } => {
                self.after(TICK_MS, Event::Tick { at });
                self.wake(at)
            }
            Event::ToLog { from, order } => self.log_takes(from, order),
            Event::ToStore { from, order } => {
                self.store_takes(from, order);
                Ok(())
            }
            Event::News { at, life, ref news } => {
                let node = &mut self.nodes[at];
                if let Some(later) = later(node, self.now_ms, life) {
                    self.after(later, event);
                } else if node.is_up && node.me.life == life && !node.is_cut(self.now_ms) {
                    node.log.news.push_back(news.clone());
                    return self.wake(at);
                }
                Ok(())
            }
            Event::Sight { at, life, sight } => {
                let node = &mut self.nodes[at];
                if let Some(later) = later(node, self.now_ms, life) {
                    self.after(later, event);
                } else if node.is_up && node.me.life == life && !node.is_mute(self.now_ms) {
                    node.store.sights.push_back(sight);
                    return self.wake(at);
                }
                Ok(())
            }
            Event::Client { push } => {
                self.client(push);
                Ok(())
            }
            Event::Ask { push } => {
                self.ask(push);
                Ok(())
            }
            Event::Asked { at, push, is_request } => self.asked(at, push, is_request),
            Event::AttemptEnds { at, by, partition, push } => {
                let node = &self.nodes[at];
                if let Some(later) = later(node, self.now_ms, by.by.life) {
                    self.after(later, event);
                    return Ok(());
                }
                self.attempt_ends(at, by, partition, push)
            }
            Event::Fault(fault) => {
                self.befall(fault);
                Ok(())
            }
            Event::Restart { at } => {
                self.nodes[at].restart(self.options.mutation);
                self.reconnect(at);
                Ok(())
            }
            Event::Reconnect { at } => {
                self.reconnect(at);
                Ok(())
            }
        }
    }

    fn check_end(&self) -> Checked {
        for partition in 0..self.options.partitions {
            let owner = self.nodes.iter().find(|node| {
                let is_there = node.is_awake(self.now_ms) && node.owns(partition);
                let log = &self.logs[usize::from(partition)];
                is_there && node.parts[usize::from(partition)].term == log.term
            });
            rule!(
                owner.is_some(),
                "nobody serves partition {partition} within an election, a lease and two seconds"
            );
        }
        self.ledger.check_end(self.options.pushes, &self.logs, &self.billing)
    }
}

/// Milliseconds until a paused node goes on: what comes for it waits.
fn later(node: &Node, now_ms: u64, life: u64) -> Option<u64> {
    let is_paused = node.is_up && node.me.life == life && node.paused_until_ms > now_ms;
    is_paused.then(|| node.paused_until_ms - now_ms)
}
