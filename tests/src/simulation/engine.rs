//! One shard of the simulated engine: the engine's own `Shard`, over a simulated disk, simulated
//! books and a simulated core network.

use super::bodies::xpid_of;
use super::books::Books;
use super::disk::{Disk, End};
use super::ledger::EntryIndex;
use super::network::msn_of;
use super::observer::{Noted, Observer};
use super::port::{Port, World};
use super::random::Random;
use super::scenario::Scenario;
use hayauma::billing::{BillingSync, BillingWrite, Event};
use hayauma::broadcast::mutation::RowMutation;
use hayauma::gateway::contracts::ContractTable;
use hayauma::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use hayauma::gateway::registration::Registration;
use hayauma::gateway::registry::Registry;
use hayauma::journal::{Commit, JournalConfig};
use hayauma::shard::Durability;
use hayauma::shard::{Ground, NotificationOrder, Shard, ShardConfig, TurnBudget};
use hayauma::smsc::mutation::CoreMutation;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use wire::push::notify_url::NotifyUrl;
use wire::terms::code::Code;
use wire::terms::ids::Class;
use wire::terms::ownership::shard_of;
use wire::terms::time::{SteadyMs, WallMs};

/// What an answer is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum About {
    Push(EntryIndex),
    Cancel(EntryIndex),
    /// This shard's part of a whole alert's cancel, by its number.
    AlertCancel(u32, u8),
    /// This shard's part of what the desk of broadcasts does, by its number.
    Desk(u32),
}

/// An answer that waits for its record to be durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) about: About,
    pub(super) code: Code,
    pub(super) until: u64,
}

/// Answers that wait, in the order in which they were given.
#[derive(Default)]
pub(super) struct Answers {
    waiting: VecDeque<Answer>,
    /// The lowest sequence that one of them waits for.
    least: u64,
}

impl Answers {
    pub(super) fn push_back(&mut self, answer: Answer) {
        self.least =
            if self.waiting.is_empty() { answer.until } else { self.least.min(answer.until) };
        self.waiting.push_back(answer);
    }

    /// Those that may leave. There may be many thousands: they are looked through only where one is
    /// among them.
    pub(super) fn take_durable(&mut self, durable: u64) -> Vec<Answer> {
        let mut ready = Vec::new();
        if self.waiting.is_empty() || self.least > durable {
            return ready;
        }
        self.least = u64::MAX;
        self.waiting.retain(|&answer| {
            let waits = answer.until > durable;
            if waits {
                self.least = self.least.min(answer.until);
            } else {
                ready.push(answer);
            }
            waits
        });
        ready
    }
}

/// One shard and what it stands on, which outlives it.
pub(super) struct Station {
    number: usize,
    /// `None` while the engine is down.
    pub(super) shard: Option<Shard<Books>>,
    pub(super) disk: Disk,
    pub(super) books: Books,
    pub(super) world: World,
    /// The shard's end of the world in this life.
    port: Port,
    pub(super) observer: Observer,
    pub(super) answers: Answers,
    /// Acceptances that are not durable yet, and records that an attempt begins.
    pub(super) undurable: VecDeque<(u64, EntryIndex)>,
    pub(super) commit: Option<Commit>,
    pub(super) billing_write: Option<BillingWrite>,
    pub(super) billing_sync: Option<BillingSync>,
    pub(super) wake_at_ms: u64,
}

/// What is the same in every life of every shard.
pub(super) struct Common {
    pub(super) registry: Arc<Registry>,
    pub(super) url: NotifyUrl,
    fingerprints: FingerprintKeys,
    mutation: CoreMutation,
    row_mutation: RowMutation,
}

impl Common {
    pub(super) fn new(
        scenario: &Scenario,
        random: &mut Random,
        mutation: CoreMutation,
        row_mutation: RowMutation,
    ) -> Self {
        let Ok(url) = NotifyUrl::parse("http://client.example/") else {
            unreachable!("it is a URL")
        };
        let registration = |client| {
            let mut registration = Registration::new(xpid_of(client), format!("client {client}"));
            registration.notify_url = Some(url.clone());
            for class in [Class::Urgent, Class::Emergency, Class::Exercise] {
                registration.classes = registration.classes.with(class);
            }
            registration
        };
        let registry = Arc::new(Registry::new((0..scenario.clients).map(registration).collect()));
        let mut key = [0; 16];
        key[..8].copy_from_slice(&random.bits().to_le_bytes());
        let fingerprints = FingerprintKeys { keyed: Fingerprints::new(key), older_until_ms: None };
        Self { registry, url, fingerprints, mutation, row_mutation }
    }
}

impl Station {
    pub(super) fn new(number: usize, scenario: &Scenario, random: &mut Random) -> Self {
        let world = World::default();
        Self {
            number,
            shard: None,
            disk: Disk::new(random.bits(), scenario.lazy_disk),
            books: Books::default(),
            port: world.port(scenario.attempts_max),
            world,
            observer: Observer::default(),
            answers: Answers::default(),
            undurable: VecDeque::new(),
            commit: None,
            billing_write: None,
            billing_sync: None,
            wake_at_ms: u64::MAX,
        }
    }

    /// The shard, while the engine is up.
    pub(super) fn up(&mut self) -> &mut Shard<Books> {
        match &mut self.shard {
            Some(shard) => shard,
            None => unreachable!("nobody asks an engine that is down"),
        }
    }

    /// A turn of the shard, to which its network is lent.
    pub(super) fn turn(&mut self, now_ms: WallMs, budget: &TurnBudget) -> bool {
        match &mut self.shard {
            Some(shard) => shard.turn(&mut self.port, now_ms, budget),
            None => unreachable!("nobody asks an engine that is down"),
        }
    }

    /// When a turn has something to do, by the wall clock.
    pub(super) fn next_due_ms(&self) -> Option<WallMs> {
        self.shard.as_ref().and_then(|shard| shard.next_due_ms(&self.port))
    }

    /// The process starts and opens its directory.
    pub(super) fn open(
        &mut self,
        scenario: &Scenario,
        common: &Common,
        wall_ms: WallMs,
        steady_ms: SteadyMs,
        random: &mut Random,
    ) -> Result<(), String> {
        let first_sequence = ((self.number as u64) << 46) + 1;
        let config = ShardConfig {
            number: self.number,
            shards: scenario.shards,
            durability: if scenario.power { Durability::Power } else { Durability::Process },
            limits: scenario.limits,
            journal: JournalConfig {
                segment_octets: scenario.segment_octets,
                without_syncs: !scenario.power,
                first_sequence,
                ..JournalConfig::new(self.number as u16, scenario.journal_octets)
            },
            seed: random.bits(),
            time_scale: 1,
            routes: Arc::default(),
            fingerprints: common.fingerprints,
            injections: Vec::new(),
            progress: Arc::default(),
        };
        let ground = Ground {
            directory: PathBuf::from("simulated"),
            storage: Box::new(self.disk.clone()),
            billing: self.books.clone(),
            reference_seed: random.bits(),
            mutation: common.mutation,
        };
        let opened = Shard::open_on(ground, &config, Arc::clone(&common.registry), wall_ms);
        let (mut shard, report) = opened.map_err(|error| error.to_string())?;
        if !report.journal.damages.is_empty() {
            return Err(format!(
                "the end of an engine has damaged its journal: {:?}",
                report.journal.damages
            ));
        }
        self.port = self.world.port(scenario.attempts_max);
        shard.keep_time(wall_ms, steady_ms);
        shard.set_contracts(self.contracts(scenario));
        shard.mutate_broadcasts(common.row_mutation);
        self.shard = Some(shard);
        Ok(())
    }

    fn contracts(&self, scenario: &Scenario) -> ContractTable {
        let msns = (0..scenario.lines)
            .map(msn_of)
            .filter(|&msn| shard_of(msn, scenario.shards) == self.number);
        let mut contracts =
            ContractTable::with_capacity(scenario.lines as usize * usize::from(scenario.clients));
        for msn in msns {
            for client in 0..scenario.clients {
                // There are fewer clients than an msn has places for.
                let _ = contracts.insert(msn, xpid_of(client));
            }
        }
        contracts
    }

    /// The engine ends, with what was under way; the events that the books lose.
    pub(super) fn end(&mut self, end: End, random: &mut Random) -> Vec<Event> {
        self.observer.end();
        self.disk.begin_end(end);
        if let (Some(shard), Some(mut commit)) = (&mut self.shard, self.commit.take()) {
            // How far its writes reach the disk is the disk's to say.
            let _ = shard.carry_out_commit(&mut commit);
        }
        self.shard = None;
        self.disk.finish_end();
        *self.world.queues() = Default::default();
        self.answers = Answers::default();
        self.undurable.clear();
        (self.billing_write, self.billing_sync) = (None, None);
        self.wake_at_ms = u64::MAX;
        self.books.end(random, end == End::PowerLost)
    }

    /// What the shard has recorded since this was asked last.
    pub(super) fn take_records(&mut self) -> Result<Vec<Noted>, String> {
        match &self.shard {
            Some(shard) => self.observer.take(shard),
            None => Ok(Vec::new()),
        }
    }

    /// The next notification, and its request.
    pub(super) fn take_notification(
        &mut self,
        url: &NotifyUrl,
    ) -> Option<(NotificationOrder, Vec<u8>)> {
        let shard = self.up();
        let order = shard.take_notification()?;
        let mut request = Vec::new();
        shard.write_notification(order, url, &mut request)?;
        Some((order, request))
    }
}
