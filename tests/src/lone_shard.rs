//! One shard of the engine with its journal and a simulated network, driven by hand: no socket, no
//! clock.
//!
//! What an operator meets only after a day, or with an engine that stands still for one, is a call
//! with another time here.

use crate::push::Body;
use hayauma::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use hayauma::gateway::registration::Registration;
use hayauma::gateway::registry::{Credential, Registry};
use hayauma::journal::{JournalConfig, SegmentFactory};
use hayauma::network::line_states::{Line, LineStates};
use hayauma::network::port::Network;
use hayauma::network::simulated::SimulatedNetwork;
use hayauma::network::simulation_config::SimulationConfig;
use hayauma::shard::figures::NAMES;
use hayauma::shard::{Durability, OpenError, Origin, Reply, Shard, ShardConfig, TurnBudget};
use hayauma::smsc::core::CoreLimits;
use std::path::Path;
use std::sync::Arc;
use wire::push::notify_url::NotifyUrl;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::time::{SteadyMs, WallMs};

/// When the tests begin.
pub const START_MS: u64 = 1_795_000_000_000;
/// What a turn of it may do.
pub const BUDGET: TurnBudget = TurnBudget {
    timers: 1_024,
    attempts: 512,
    outcomes: 512,
    records: 512,
    looks: 1_024,
    counted: 4_096,
};
/// The msns that are contracted begin here.
const FIRST_MSN: u64 = 9_000_000_000;
/// How many there are.
pub const PHONES: u64 = 1_000;

/// A push client's registration.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its XPID.
    pub xpid: &'static str,
    /// Whether it has a notification URL; nobody listens there.
    pub notified: bool,
    /// Its rate, pushes a second; 0 is unlimited.
    pub rate_per_second: u32,
}

/// What a shard is opened with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The push clients; each has a contract with every phone.
    pub clients: Vec<Client>,
    /// Live pushes.
    pub pushes_max: usize,
    /// Pushes that may wait for one phone.
    pub waiting_per_msn_max: u32,
    /// Whether the phones are absent.
    pub absent: bool,
    /// The first sequence of the shard's journal.
    pub first_sequence: u64,
    /// How fingerprints are made, and were.
    pub fingerprints: FingerprintKeys,
    /// The sizes of its journal.
    pub journal: JournalConfig,
}

impl Setup {
    /// Clients with these XPIDs, and absent phones.
    pub fn new(xpids: &[&'static str]) -> Self {
        let client = |&xpid| Client { xpid, notified: true, rate_per_second: 0 };
        Self {
            clients: xpids.iter().map(client).collect(),
            pushes_max: 10_000,
            waiting_per_msn_max: 100,
            absent: true,
            first_sequence: 1,
            fingerprints: FingerprintKeys {
                keyed: Fingerprints::new([7; 16]),
                older_until_ms: None,
            },
            journal: journal(),
        }
    }
}

/// The shard, and what makes its journal's segments.
pub struct LoneShard {
    /// The engine's own.
    pub shard: Shard,
    network: SimulatedNetwork,
    factory: SegmentFactory,
}

/// The msn of a phone.
pub fn msn(number: u64) -> String {
    format!("{:011}", FIRST_MSN + number)
}

/// The journal's sizes.
pub fn journal() -> JournalConfig {
    let mut journal = JournalConfig::new(0, 256 << 20);
    journal.segment_octets = 4 << 20;
    journal.without_syncs = true;
    journal
}

/// The message center's bounds.
pub fn limits(setup: &Setup) -> CoreLimits {
    CoreLimits {
        pushes_max: setup.pushes_max,
        waiting_per_msn_max: setup.waiting_per_msn_max,
        ended_keys_max: 4 * setup.pushes_max,
    }
}

/// The registrations of the clients.
pub fn registry(setup: &Setup) -> Registry {
    let registration = |client: &Client| {
        let xpid = Xpid::parse(client.xpid.as_bytes()).expect("an XPID");
        let mut registration = Registration::new(xpid, "client");
        let url = || NotifyUrl::parse("http://127.0.0.1:9/").expect("a URL");
        registration.notify_url = client.notified.then(url);
        registration.rate_per_second = client.rate_per_second;
        for class in [Class::Urgent, Class::Emergency, Class::Exercise] {
            registration.classes = registration.classes.with(class);
        }
        registration
    };
    Registry::new(setup.clients.iter().map(registration).collect())
}

/// What a shard is opened with.
pub fn config(setup: &Setup) -> ShardConfig {
    ShardConfig {
        number: 0,
        shards: 1,
        durability: Durability::Process,
        limits: limits(setup),
        journal: JournalConfig { first_sequence: setup.first_sequence, ..setup.journal },
        seed: 7,
        time_scale: 1,
        routes: Arc::default(),
        fingerprints: setup.fingerprints,
        injections: Vec::new(),
        progress: Arc::default(),
    }
}

/// Gives each client a contract with every phone.
pub fn contract(shard: &mut Shard, setup: &Setup) {
    for client in &setup.clients {
        let xpid = Xpid::parse(client.xpid.as_bytes()).expect("an XPID");
        for number in 0..PHONES {
            let msn = Msn::parse(msn(number).as_bytes()).expect("an msn");
            shard.contracts_mut().insert(msn, xpid).expect("a contract more");
        }
    }
}

impl LoneShard {
    /// Opens the shard in `directory`.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn open(directory: &Path, setup: &Setup, now_ms: u64) -> Self {
        Self::try_open(directory, setup, now_ms).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Self::open`], where that may be refused.
    ///
    /// # Errors
    /// What the shard says.
    pub fn try_open(directory: &Path, setup: &Setup, now_ms: u64) -> Result<Self, OpenError> {
        let config = config(setup);
        let absent = format!("{}-{},absent\n", msn(0), msn(PHONES - 1));
        let states = if setup.absent { absent.as_str() } else { "" };
        let lines = LineStates::parse(states, Line::HOME).expect("a good file");
        let network =
            SimulatedNetwork::new(SimulationConfig::default(), Arc::new(lines)).expect("good");
        let factory = SegmentFactory::start().expect("a thread");
        let registry = Arc::new(registry(setup));
        let opened = Shard::open(directory, &config, &factory, registry, WallMs::new(now_ms));
        let mut shard = opened?.0;
        contract(&mut shard, setup);
        Ok(Self { shard, network, factory })
    }

    /// What makes segments, for other journals.
    pub fn factory(&self) -> &SegmentFactory {
        &self.factory
    }

    /// Takes one request; the code of its answer once that is durable.
    ///
    /// # Panics
    /// When the shard wants it answered by others.
    pub fn ask(&mut self, body: &Body, now_ms: u64) -> Code {
        let origin = Origin { authorization: None, credential: &mut Credential::default() };
        match self.shard.handle_request(&body.octets(), origin, WallMs::new(now_ms)) {
            Reply::Now(answer) => answer.code,
            Reply::WhenDurable(answer, _) => answer.code,
            other => unreachable!("{other:?}"),
        }
    }

    /// As [`Self::ask`], again while the journal asks for patience: a device may be slower than a
    /// test.
    pub fn ask_patiently(&mut self, body: &Body, now_ms: u64) -> Code {
        crate::wait::until("a segment", || match self.ask(body, now_ms) {
            Code::OVERLOAD => {
                self.work(now_ms);
                None
            }
            code => Some(code),
        })
    }

    /// Shows the shard a wall clock and a steady one, in milliseconds.
    pub fn keep_time(&mut self, wall_ms: u64, steady_ms: u64) {
        self.shard.keep_time(WallMs::new(wall_ms), SteadyMs::new(steady_ms));
    }

    /// A turn of the shard, and the commit of what it appended.
    ///
    /// # Panics
    /// When the device does not write.
    pub fn work(&mut self, now_ms: u64) {
        self.work_within(&BUDGET, now_ms);
    }

    /// As [`Self::work`], where the turn may do so much.
    ///
    /// # Panics
    /// When the device does not write.
    pub fn work_within(&mut self, budget: &TurnBudget, now_ms: u64) {
        self.shard.turn(&mut self.network, WallMs::new(now_ms), budget);
        self.settle(now_ms);
    }

    /// As [`Self::work`], over another network.
    ///
    /// # Panics
    /// When the device does not write.
    pub fn work_over(&mut self, network: &mut impl Network, now_ms: u64) {
        self.shard.turn(network, WallMs::new(now_ms), &BUDGET);
        self.settle(now_ms);
    }

    fn settle(&mut self, now_ms: u64) {
        self.shard.commit_blocking().expect("a device that writes");
        assert!(
            self.shard.write_books_blocking(WallMs::new(now_ms)),
            "a device that takes billing events"
        );
        // Cleaning waits for the books; nothing here cuts the power.
        if let Some(sync) = self.shard.begin_billing_sync() {
            self.shard.finish_billing_sync(&sync);
        }
    }

    /// A figure of the shard.
    ///
    /// # Panics
    /// When there is none of the name.
    pub fn figure(&self, name: &str) -> u64 {
        let at = NAMES.iter().position(|(known, _, _)| *known == name);
        self.shard.figures().values()[at.unwrap_or_else(|| panic!("no figure {name}"))]
    }
}
