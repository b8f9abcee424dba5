//! Opening a shard: its journal is replayed into an empty message center, and what was unfinished
//! goes on.

use super::books::Owed;
use super::broadcasts::{Broadcasts, UntoldNotes};
use super::figures::Counted;
use super::opening::{OpenError, ShardConfig, ShardReport};
use super::progress::OpenStage;
use super::reading::{Read, Reading};
use super::{ParkedNews, Shard, records};
use crate::billing::{BillingFiles, BillingLog, Entered, Log};
use crate::gateway::contracts::ContractTable;
use crate::gateway::registry::Registry;
use crate::journal::{Journal, Position, RecoveryReport, SegmentFactory, Storage};
use crate::network::port::Network;
use crate::smsc::core::Core;
use crate::smsc::mutation::CoreMutation;
use crate::smsc::pushes::PushIndex;
use crate::smsc::recovery::Recovery;
use crate::smsc::state::State;
use crate::smsc::wait_reason::WaitReason;
use crate::testing::kill_points::{KillPoint, kill_point};
use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::sms::segment::SUBMITS_OCTETS_MAX;
use wire::terms::mix::mix;
use wire::terms::pace::Pace;
use wire::terms::time::{CenterMs, EvenMs, WallMs};

/// What a shard stands on.
pub struct Ground<L> {
    /// What the journal's storage is called.
    pub directory: PathBuf,
    /// Where the journal's segments lie.
    pub storage: Box<dyn Storage>,
    /// The books.
    pub billing: L,
    /// Where the references of messages and of long ones begin: another number at each start.
    pub reference_seed: u64,
    /// A deliberate fault: none but in a test.
    pub mutation: CoreMutation,
}

impl Shard {
    /// Opens the shard in `directory` (its own folder of the data directory).
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        directory: &Path,
        config: &ShardConfig,
        factory: &SegmentFactory,
        registry: Arc<Registry>,
        now_ms: WallMs,
    ) -> Result<(Self, ShardReport), OpenError> {
        crate::journal::check(&config.journal)?;
        let billing = BillingLog::open(directory, config.number as u16, now_ms)?;
        let directory = directory.join("journal");
        config.progress.set_octets_in_all(octets_in_use(&directory));
        let ground = Ground {
            storage: Box::new(factory.storage(&directory)),
            directory,
            billing,
            reference_seed: std::hash::RandomState::new().hash_one(config.seed),
            mutation: CoreMutation::None,
        };
        Self::open_on(ground, config, registry, now_ms)
    }

    /// From now on the shard's billing files are opened and given room by that thread.
    pub fn make_billing_files_ahead(&mut self, files: &BillingFiles) {
        self.billing.make_files_ahead(files);
    }
}

impl<L: Log> Shard<L> {
    /// Opens a shard on any storage, with any books.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(
        Ground { directory, storage, mut billing, reference_seed, mutation }: Ground<L>,
        config: &ShardConfig,
        registry: Arc<Registry>,
        now_ms: WallMs,
    ) -> Result<(Self, ShardReport), OpenError> {
        let pace = Pace::new(config.time_scale, now_ms);
        let recovery = begin_recovery(config, mutation, pace.center(now_ms));
        let reading = Reading::new(config, recovery, &mut billing, mutation, now_ms);
        let (mut journal, report, read) = read_back(reading, config, &directory, storage)?;
        let Read { recovery, entered, waiting, moved_before, ids, untold } = read;
        config.progress.enter(OpenStage::Restoring);
        let broadcasts = hold_live(&mut journal, &recovery, untold, mutation);
        let core = recovery.finish(pace.center(now_ms)).map_err(OpenError::TooManyPushes)?;
        let (owed, billed) = owed_of(entered, journal.appended());
        let shard = Self {
            number: config.number,
            shards: config.shards,
            durability: config.durability,
            pace,
            registry,
            contracts: ContractTable::with_capacity(0),
            fingerprints: config.fingerprints.keyed,
            alerts_had_older: config.fingerprints.older_until_ms.is_some(),
            older_until_ms: older_until(config, &pace, now_ms),
            ids: ids.of_live(&core),
            core,
            first_of_run: journal.next_sequence(),
            journal,
            billing,
            owed,
            moved_ends: VecDeque::new(),
            in_flight: 0,
            by_carriers: Default::default(),
            taking_back: Default::default(),
            receipts: VecDeque::new(),
            routes: Arc::clone(&config.routes),
            resuming: true,
            intake_paused: false,
            names: Arc::default(),
            doubts: 0,
            message_reference: mix(reference_seed) as u8,
            concatenation_reference: 0,
            reference_seed,
            mutation,
            scratch: Some(Box::default()),
            submits: Box::new([0; SUBMITS_OCTETS_MAX]),
            stamps: records::Stamps::new(),
            ended: VecDeque::with_capacity(1024),
            notifications: VecDeque::with_capacity(1024),
            customer_orders: VecDeque::new(),
            cleaning: None,
            moved_before,
            dead_octets: 0,
            cleaning_looked: Default::default(),
            appended_at_last_turn: 0,
            cleaning_owed: 0,
            used: Default::default(),
            awaited: 0,
            journal_polled_ms: WallMs::ZERO,
            random: config.seed | 1,
            injections: config.injections.clone(),
            pushes_seen: 0,
            counted: Counted::default(),
            parked_news: ParkedNews::default(),
            waiting,
            broadcasts,
        };
        Ok(shard.opened(config, now_ms, (report, billed)))
    }
}

/// What recovery could not enter into the books, and how many events it did. This life's records
/// have sequences from `first` on.
fn owed_of(entered: Entered, first: u64) -> (Option<Owed>, u64) {
    let Entered { events, left, known } = entered;
    ((left > 0).then(|| Owed::at_start(left, known, first)), events)
}

/// Until when fingerprints of the older key count, where that is still to come.
fn older_until(config: &ShardConfig, pace: &Pace, now_ms: WallMs) -> Option<EvenMs> {
    let until_ms = config.fingerprints.older_until_ms.map(WallMs::new);
    until_ms.filter(|&until_ms| now_ms < until_ms).map(|until_ms| pace.even(until_ms))
}

/// Opens the journal and has every record of it read.
fn read_back<L: Log>(
    mut reading: Reading<'_, L>,
    config: &ShardConfig,
    directory: &Path,
    storage: Box<dyn Storage>,
) -> Result<(Journal, RecoveryReport, Read), OpenError> {
    let (journal, report) =
        Journal::open_on(directory, config.journal, storage, &mut |position, sequence, record| {
            reading.take(position, sequence, &record);
            config.progress.note_record(reading.records, reading.octets);
        })?;
    Ok((journal, report, reading.finish()?))
}

/// A message center of which nothing is known yet.
fn begin_recovery(config: &ShardConfig, mutation: CoreMutation, center_ms: CenterMs) -> Recovery {
    let mut core = Core::new(config.limits, center_ms);
    core.mutate(mutation);
    Recovery::new(core, config.seed)
}

/// The segments with the records of what lives are not to be cleaned away, and there is room to
/// finish it. What the journal has of broadcasts waits until somebody tells of them.
fn hold_live(
    journal: &mut Journal,
    recovery: &Recovery,
    untold: BTreeMap<u32, UntoldNotes>,
    mutation: CoreMutation,
) -> Broadcasts {
    let unheld = if mutation == CoreMutation::LeaveUnheldAtOpen { 1 } else { 0 };
    for position in recovery.live_positions().skip(unheld) {
        journal.hold(Position::from_bits(position));
    }
    let broadcasts = Broadcasts::with_untold(untold, journal);
    journal.give_back_cleaned();
    journal.prepare_reserve();
    broadcasts
}

impl<L: Log> Shard<L> {
    /// What recovery left to do is done, and the shard is there.
    fn opened(
        mut self,
        config: &ShardConfig,
        now_ms: WallMs,
        (journal, billed): (RecoveryReport, u64),
    ) -> (Self, ShardReport) {
        let live = self.finish_open(config, now_ms);
        (self, ShardReport { journal, live, billed })
    }

    /// How many pushes go on.
    fn finish_open(&mut self, config: &ShardConfig, now_ms: WallMs) -> usize {
        self.core.set_asks(config.routes.any_queried());
        self.reroute_by_registry();
        self.carry_out_effects(now_ms);
        kill_point(KillPoint::RecoverOpened);
        config.progress.enter(OpenStage::Done);
        self.core.live()
    }

    /// The first turn: the network is told what pushes from before this start wait for. Carriers
    /// are told some of it in each turn from this one on.
    pub(super) fn resume(&mut self, network: &mut impl Network, now_ms: WallMs) {
        self.await_reachable(network, now_ms);
        self.by_carriers.awaits_from = Some(0);
    }

    /// Lines whose pushes were held as absent or full before this start are to be reported when
    /// they are ready.
    fn await_reachable(&mut self, network: &mut impl Network, now_ms: WallMs) {
        let even_ms = self.pace.even(now_ms);
        for index in 0..self.core.indices_used() as PushIndex {
            let Some(push) = self.core.live_at(index).filter(|push| push.state == State::Held)
            else {
                continue;
            };
            if WaitReason::from_number(push.hold_reason())
                .is_some_and(|reason| reason.cause().awaits_alert())
            {
                network.await_reachable(push.msn(), even_ms);
            }
        }
    }
}

/// Octets of the files in a directory; 0 where it is not there yet.
pub(super) fn octets_of_files(directory: &Path) -> u64 {
    octets_of(directory, |_| true)
}

/// As [`octets_of_files`], without the spares of a journal, which begin with zeros.
fn octets_in_use(directory: &Path) -> u64 {
    octets_of(directory, |entry| {
        let mut first = [0];
        let read = std::fs::File::open(entry.path()).and_then(|mut file| file.read(&mut first));
        read.is_ok() && first[0] != 0
    })
}

fn octets_of(directory: &Path, counts: impl Fn(&std::fs::DirEntry) -> bool) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().filter(counts);
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fingerprint::{FingerprintKeys, Fingerprints};
    use crate::journal::{JournalConfig, JournalError, SEGMENT_OCTETS_MIN};
    use crate::shard::Durability;
    use crate::smsc::core::CoreLimits;

    #[test]
    fn a_shard_is_not_opened_with_sizes_that_its_journal_cannot_have() {
        let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let factory = SegmentFactory::start().unwrap_or_else(|error| panic!("{error}"));
        let (whole, odd) = (SEGMENT_OCTETS_MIN, SEGMENT_OCTETS_MIN + 8);
        for (segment_octets, segments, is_refused) in
            [(odd, 8, true), (whole, 2, true), (whole, 8, false)]
        {
            let budget_octets = segments * u64::from(segment_octets);
            let keyed = Fingerprints::new([7; 16]);
            let config = ShardConfig {
                number: 0,
                shards: 1,
                durability: Durability::Process,
                limits: CoreLimits { pushes_max: 10, waiting_per_msn_max: 10, ended_keys_max: 10 },
                journal: JournalConfig { segment_octets, ..JournalConfig::new(0, budget_octets) },
                seed: 7,
                time_scale: 1,
                routes: Arc::default(),
                fingerprints: FingerprintKeys { keyed, older_until_ms: None },
                injections: Vec::new(),
                progress: Arc::default(),
            };
            let registry = Arc::new(Registry::new(Vec::new()));
            let now_ms = WallMs::new(1_000_000);
            let opened = Shard::open(place.path(), &config, &factory, registry, now_ms);
            let refused = matches!(opened, Err(OpenError::Journal(JournalError::Config(_))));
            assert_eq!(refused, is_refused, "{segments} segments of {segment_octets}");
        }
    }
}
