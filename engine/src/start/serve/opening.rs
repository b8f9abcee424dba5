//! Opening the shards at a start: their journals are replayed, contracts read, networks made, and
//! each is given to the thread that starts with it.

use crate::billing::BillingFiles;
use crate::control::handle::EngineHandle;
use crate::control::store::Store;
use crate::gateway::contracts::ContractTable;
use crate::gateway::fingerprint::FingerprintKeys;
use crate::gateway::registry::Registry;
use crate::io::ThreadShards;
use crate::io::mailbox::{OpenedShard, Ports};
use crate::journal::shards::shard_directory;
use crate::journal::{JournalConfig, JournalError, SegmentFactory};
use crate::network::limits::LINE_STATES_OCTETS_MAX;
use crate::network::line_states::{Line, LineStates};
use crate::network::simulated::{InNetwork, SimulatedNetwork};
use crate::network::simulation_config::SimulationConfig;
use crate::network::smpp::exchange::{CarrierPlan, Spread};
use crate::network::smpp::port::CarrierPort;
use crate::shard::{
    Durability, OpenError, OpenProgress, OpenStage, Shard, ShardConfig, ShardReport,
};
use crate::smsc::core::CoreLimits;
use crate::start::config::Config;
use crate::start::layout::Layout;
use host::clock;
use host::fatal::{Fatal, FatalReason};
use host::reading::read_bounded;
use std::sync::Arc;
use std::time::Duration;
use wire::terms::ownership::{shard_of, thread_of};
use wire::terms::time::WallMs;

/// Attempts that one thread may have in the core network at a time.
const ATTEMPTS_IN_FLIGHT_MAX: usize = 8192;
/// Ended keys remembered for each push that may be kept.
const ENDED_KEYS_PER_PUSH: u64 = 8;
/// How often the opening is looked at, and told of.
const OPENING_LOOK: Duration = Duration::from_millis(5);
const OPENING_TOLD_EVERY_NS: u64 = 1_000_000_000;
/// Contracts read between two looks.
const CONTRACTS_PER_LOOK: u64 = 1 << 14;

/// What shards are opened with that come to a running engine: those of a cluster's node.
#[cfg_attr(
    not(feature = "cluster"),
    expect(dead_code, reason = "no shard comes to an engine that is no node")
)]
pub(super) struct Opening {
    pub(super) config: Config,
    pub(super) keys: FingerprintKeys,
    pub(super) factory: Arc<SegmentFactory>,
    pub(super) registry: Arc<Registry>,
    pub(super) carriers: CarrierPlan,
    pub(super) billing_files: Arc<BillingFiles>,
    pub(super) ports: Ports,
    pub(super) handle: Arc<EngineHandle>,
}

/// Opens every shard: recovery reads whole journals, those of one thread one after the other.
/// Meanwhile the calling thread reads the contracts and says how far all is.
pub(super) fn open_shards(
    config: &Config,
    as_it_stands: (Layout, FingerprintKeys),
    factory: &SegmentFactory,
    (registry, carriers): (&Arc<Registry>, &CarrierPlan),
    store: &Store,
) -> Result<Vec<ThreadShards>, Fatal> {
    let line_states = Arc::new(line_states(config)?);
    let progress: Vec<Arc<OpenProgress>> = (0..config.partitions).map(|_| Arc::default()).collect();
    let (contracts, opened) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..config.shards)
            .map(|thread| {
                let (registry, progress) = (Arc::clone(registry), &progress);
                scope.spawn(move || {
                    let open = |number: usize| {
                        let own = (Arc::clone(&registry), carriers);
                        let progress = Arc::clone(&progress[number]);
                        open_shard(config, as_it_stands, number, factory, own, progress)
                    };
                    numbers_of(thread, config).map(open).collect::<Result<Vec<_>, Fatal>>()
                })
            })
            .collect();
        let mut teller = Teller::new(&progress);
        let contracts = load_contracts(store, config.partitions, &mut teller);
        while !threads.iter().all(|thread| thread.is_finished()) {
            std::thread::park_timeout(OPENING_LOOK);
            teller.tell(None);
        }
        let opened: Vec<Result<_, Fatal>> = threads
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| {
                    Err(Fatal::new(FatalReason::Bug, "a recovery thread ended badly"))
                })
            })
            .collect();
        (contracts, opened)
    });
    let mut contracts = contracts?;
    let mut threads = Vec::with_capacity(config.shards);
    for (thread, opened) in opened.into_iter().enumerate() {
        let simulation = simulation(config, thread);
        let among = numbers_of(thread, config).count();
        let mut shards = Vec::with_capacity(among);
        for (number, (mut shard, report)) in numbers_of(thread, config).zip(opened?) {
            tell(number, &report);
            shard.set_contracts(std::mem::take(&mut contracts[number]));
            let carriers = CarrierPort::new(number, carriers);
            let in_network = InNetwork::new(&simulation, among);
            shards.push(OpenedShard { shard, carriers, in_network, replica: None });
        }
        let network = SimulatedNetwork::of_nobody(simulation, Arc::clone(&line_states))
            .map_err(|error| Fatal::new(FatalReason::Configuration, error.to_string()))?;
        threads.push(ThreadShards { network, shards });
    }
    Ok(threads)
}

/// Threads without a shard: those of a cluster's node, to which partitions come later.
pub(super) fn bare_threads(config: &Config) -> Result<Vec<ThreadShards>, Fatal> {
    let line_states = Arc::new(line_states(config)?);
    let bare = |thread| {
        let simulation = simulation(config, thread);
        let network = SimulatedNetwork::of_nobody(simulation, Arc::clone(&line_states))
            .map_err(|error| Fatal::new(FatalReason::Configuration, error.to_string()))?;
        Ok(ThreadShards { network, shards: Vec::new() })
    };
    (0..config.shards).map(bare).collect()
}

/// What a shard has under way in the network of its thread.
pub(super) fn in_network(config: &Config, number: usize) -> InNetwork {
    let among = config.partitions.div_ceil(config.shards);
    InNetwork::new(&simulation(config, usize::from(thread_of(number, config.shards))), among)
}

/// The contracts of these shards, which ascend, read anew.
pub(super) fn contracts_of(
    store: &Store,
    numbers: &[u16],
    shards: usize,
) -> Result<Vec<ContractTable>, Fatal> {
    let in_all = store.contracts_in_all().map_err(Fatal::from)? as usize;
    let each = in_all.div_ceil(shards);
    let table = || ContractTable::with_capacity(each + each / 256);
    let mut tables: Vec<ContractTable> = numbers.iter().map(|_| table()).collect();
    let loaded = store.for_each_contract(|msn, xpid| {
        if let Ok(at) = numbers.binary_search(&(shard_of(msn, shards) as u16)) {
            // The store keeps the bound of ten XPIDs per msn, so the table takes every row.
            let _ = tables[at].insert(msn, xpid);
        }
    });
    loaded.map_err(Fatal::from)?;
    Ok(tables)
}

/// The shards that a thread starts with.
fn numbers_of(thread: usize, config: &Config) -> impl Iterator<Item = usize> + use<> {
    let threads = config.shards;
    let shards = 0..config.partitions;
    shards.filter(move |&shard| usize::from(thread_of(shard, threads)) == thread)
}

/// How many threads and shards the engine has.
pub(super) fn spread(config: &Config) -> Spread {
    Spread { threads: config.shards, shards: config.partitions }
}

/// Says once a second how far the opening is.
struct Teller<'a> {
    progress: &'a [Arc<OpenProgress>],
    begun_ns: u64,
    told_ns: u64,
}

impl<'a> Teller<'a> {
    fn new(progress: &'a [Arc<OpenProgress>]) -> Self {
        let now_ns = clock::monotonic_ns();
        Self { progress, begun_ns: now_ns, told_ns: now_ns }
    }

    /// `contracts`: how many are read, as long as they are being read.
    fn tell(&mut self, contracts: Option<u64>) {
        let now_ns = clock::monotonic_ns();
        if now_ns - self.told_ns < OPENING_TOLD_EVERY_NS {
            return;
        }
        self.told_ns = now_ns;
        let seconds = (now_ns - self.begun_ns) / 1_000_000_000;
        if let Some(contracts) = contracts {
            tracing::info!(seconds, contracts, "opening: reading the contracts");
        }
        for (shard, progress) in self.progress.iter().enumerate() {
            let records = progress.records();
            match progress.stage() {
                OpenStage::Reading => {
                    let percent = progress.percent();
                    tracing::info!(
                        seconds,
                        shard,
                        records,
                        percent,
                        "opening: reading the journal"
                    );
                }
                OpenStage::Restoring => {
                    tracing::info!(seconds, shard, records, "opening: putting pushes to work")
                }
                OpenStage::Done => {}
            }
        }
    }
}

fn open_shard(
    config: &Config,
    (layout, fingerprints): (Layout, FingerprintKeys),
    number: usize,
    factory: &SegmentFactory,
    own: (Arc<Registry>, &CarrierPlan),
    progress: Arc<OpenProgress>,
) -> Result<(Shard, ShardReport), Fatal> {
    let journal = journal_config(config, number, layout.shards, layout.first_sequence(number));
    open_with(config, (journal, fingerprints), number, factory, own, progress)
}

/// Opens the shard of this number with this journal.
pub(super) fn open_with(
    config: &Config,
    (mut journal, fingerprints): (JournalConfig, FingerprintKeys),
    number: usize,
    factory: &SegmentFactory,
    (registry, carriers): (Arc<Registry>, &CarrierPlan),
    progress: Arc<OpenProgress>,
) -> Result<(Shard, ShardReport), Fatal> {
    journal.hands_over = !carriers.carriers.is_empty();
    let shard_config = ShardConfig {
        number,
        shards: config.partitions,
        durability: config.durability,
        limits: limits_of(config, config.pushes_max / config.partitions as u64),
        journal,
        seed: config.network.seed.wrapping_add(number as u64),
        time_scale: config.rehearsal_time_scale,
        routes: Arc::clone(&carriers.routes),
        fingerprints,
        injections: config.inject.clone(),
        progress,
    };
    let directory = shard_directory(&config.data_dir, number);
    let now_ms = WallMs::new(clock::unix_ms());
    Shard::open(&directory, &shard_config, factory, registry, now_ms).map_err(
        |error| match &error {
            OpenError::TooManyPushes(_) => {
                Fatal::told(FatalReason::Configuration, error.to_string())
            }
            OpenError::Journal(JournalError::NoSegment { .. }) => {
                Fatal::new(FatalReason::StorageFull, error.to_string())
            }
            _ => Fatal::new(FatalReason::JournalUnusable, error.to_string()),
        },
    )
}

/// A shard's bounds when it may keep so many pushes.
pub(super) fn limits_of(config: &Config, pushes_max: u64) -> CoreLimits {
    let pushes_max = pushes_max.max(1);
    CoreLimits {
        pushes_max: pushes_max as usize,
        waiting_per_msn_max: config.waiting_per_msn_max,
        ended_keys_max: (pushes_max * ENDED_KEYS_PER_PUSH) as usize,
    }
}

/// The journal of shard `number` of so many.
pub(super) fn journal_config(
    config: &Config,
    number: usize,
    shards: usize,
    first_sequence: u64,
) -> JournalConfig {
    let mut journal = JournalConfig::new(number as u16, config.queue_octets / shards as u64);
    journal.segment_octets = config.segment_octets as u32;
    journal.without_syncs = config.durability == Durability::Process;
    journal.first_sequence = first_sequence;
    journal
}

pub(super) fn tell(number: usize, report: &ShardReport) {
    let journal = &report.journal;
    tracing::info!(
        shard = number,
        records = journal.records,
        unfinished = report.live,
        billing_events_added = report.billed,
        "journal recovered"
    );
    if let Some(torn) = &journal.torn {
        tracing::info!(
            shard = number,
            file = %torn.file.display(),
            offset = torn.offset,
            "torn end, as a crash leaves it"
        );
    }
    for damage in &journal.damages {
        tracing::error!(
            shard = number,
            file = %damage.file.display(),
            offset = damage.offset,
            octets = damage.octets,
            records_missing = damage.records_missing,
            "damaged journal segment; every intact record is kept"
        );
    }
}

fn line_states(config: &Config) -> Result<LineStates, Fatal> {
    let wrong = |cause: String| Fatal::new(FatalReason::Configuration, cause);
    let default = Line::parse(&config.network.default_line_state)
        .map_err(|error| wrong(format!("default_line_state: {error}")))?;
    let Some(path) = &config.network.line_states else { return Ok(LineStates::uniform(default)) };
    let text = read_bounded(path, LINE_STATES_OCTETS_MAX).map_err(|error| {
        wrong(format!("the line states {} cannot be read ({error})", path.display()))
    })?;
    LineStates::parse(&text, default).map_err(|error| wrong(format!("{}: {error}", path.display())))
}

fn simulation(config: &Config, number: usize) -> SimulationConfig {
    let network = &config.network;
    SimulationConfig {
        latency_ms: u64::from(network.latency_ms - network.latency_jitter_ms),
        latency_jitter_ms: 2 * u64::from(network.latency_jitter_ms),
        rates: network.outcome_rates,
        seed: network.seed.wrapping_add(number as u64),
        in_flight_max: ATTEMPTS_IN_FLIGHT_MAX,
        alerts_waiting_max: network.alerts_max as usize,
        time_scale: network.time_scale.max(1.0) as u64,
        ..SimulationConfig::default()
    }
}

/// The contract table of each shard.
fn load_contracts(
    store: &Store,
    shards: usize,
    teller: &mut Teller<'_>,
) -> Result<Vec<ContractTable>, Fatal> {
    let each = (store.contracts_in_all().map_err(Fatal::from)? as usize).div_ceil(shards);
    // The slices are even up to a few in a thousand.
    let mut tables: Vec<_> =
        (0..shards).map(|_| ContractTable::with_capacity(each + each / 256)).collect();
    let mut read = 0u64;
    let loaded = store.for_each_contract(|msn, xpid| {
        // The store keeps the bound of ten XPIDs per msn, so the table takes every row.
        let _ = tables[shard_of(msn, shards)].insert(msn, xpid);
        read += 1;
        if read.is_multiple_of(CONTRACTS_PER_LOOK) {
            teller.tell(Some(read));
        }
    });
    let rows = loaded.map_err(Fatal::from)?;
    tracing::info!(rows, "contracts loaded");
    Ok(tables)
}
