//! A whole shard without sockets: everything that a push costs but the kernel.

use super::{FIRST_MSN, NOW_MS, SAMPLE, msn, registry, text_body, xpid};
use dataplane::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use dataplane::gateway::registry::Credential;
use dataplane::journal::{JournalConfig, SegmentFactory};
use dataplane::network::line_states::{Line, LineStates};
use dataplane::network::simulated::SimulatedNetwork;
use dataplane::network::simulation_config::SimulationConfig;
use dataplane::shard::{
    Durability, NotificationResult, Origin, Reply, Shard, ShardConfig, TurnBudget,
};
use dataplane::smsc::core::CoreLimits;
use std::hint::black_box;
use std::sync::Arc;
use wire::push::notify_url::NotifyUrl;
use wire::terms::ownership::shard_of;
use wire::terms::time::WallMs;

/// Msns with a contract; each has at most one push at a time.
const NOW: WallMs = WallMs::new(NOW_MS);
const MSNS: u64 = 1024;
const BUDGET: TurnBudget = TurnBudget {
    timers: 1_024,
    attempts: 512,
    outcomes: 512,
    records: 512,
    looks: 1_024,
    counted: 4_096,
};

/// Segments large enough that no loop needs a second one, and few.
pub(super) fn journal_config() -> JournalConfig {
    let mut config = JournalConfig::new(0, 64 << 20);
    config.segment_octets = 4 << 20;
    config.without_syncs = true;
    config
}

struct Bench {
    shard: Shard,
    network: SimulatedNetwork,
    credential: Credential,
    _factory: SegmentFactory,
    _place: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::of(0, 1)
    }

    /// One shard of several.
    fn of(number: usize, shards: usize) -> Self {
        let place = tempfile::tempdir().expect("a place for temporary files");
        let factory = SegmentFactory::start().expect("a thread");
        let config = ShardConfig {
            number,
            shards,
            durability: Durability::Process,
            limits: CoreLimits {
                pushes_max: 1 << 16,
                waiting_per_msn_max: 100,
                ended_keys_max: 1 << 16,
            },
            journal: JournalConfig { shard: number as u16, ..journal_config() },
            seed: 1,
            routes: Arc::default(),
            fingerprints: FingerprintKeys {
                keyed: Fingerprints::new([7; 16]),
                older_until_ms: None,
            },
            injections: Vec::new(),
            time_scale: 1,
            progress: Arc::default(),
        };
        let lines = Arc::new(LineStates::uniform(Line::HOME));
        let network = SimulatedNetwork::new(SimulationConfig::default(), lines)
            .expect("the defaults are legal");
        let opened = Shard::open(place.path(), &config, &factory, Arc::new(registry()), NOW);
        let mut shard = opened.expect("a fresh shard").0;
        for number in 0..MSNS {
            shard.contracts_mut().insert(msn(number), xpid()).expect("room");
        }
        Self { shard, network, credential: Credential::new(), _factory: factory, _place: place }
    }

    fn accept(&mut self, body: &[u8]) {
        let origin = Origin { authorization: None, credential: &mut self.credential };
        let reply = self.shard.handle_request(black_box(body), origin, NOW);
        assert!(matches!(reply, Reply::WhenDurable(..)), "{reply:?}");
    }

    /// Turns until every push is delivered and its notification acknowledged.
    fn finish(&mut self, url: &NotifyUrl, out: &mut Vec<u8>, pushes: u64) {
        let mut acknowledged = 0;
        while acknowledged < pushes {
            self.turn();
            while let Some(order) = self.shard.take_notification() {
                out.clear();
                self.shard.write_notification(order, url, out);
                black_box(&out);
                self.shard.settle_notification(order, NotificationResult::Acknowledged, NOW);
                acknowledged += 1;
            }
        }
        self.turn();
    }

    /// One turn, and the commit of what it appended.
    fn turn(&mut self) {
        self.shard.turn(&mut self.network, NOW, &BUDGET);
        self.commit();
    }

    fn commit(&mut self) {
        self.shard.commit_blocking().expect("a device that writes");
        assert!(self.shard.write_books_blocking(NOW), "a device that takes billing events");
    }
}

/// Writes msn and reqid of push `number` into a canonical body.
fn address(body: &mut [u8], number: u64) {
    const MSN_AT: usize = 75;
    const REQID_AT: usize = 101;
    put_digits(&mut body[MSN_AT..MSN_AT + 11], FIRST_MSN + number % MSNS);
    put_digits(&mut body[REQID_AT + 15..REQID_AT + 23], number);
}

fn put_digits(target: &mut [u8], mut value: u64) {
    for digit in target.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Pushes of one commit.
const BATCH: u64 = 16;

/// Each push comes to a shard that hands it to the one that owns its msn.
pub(super) fn intake_elsewhere(count: u64) {
    let (mut home, mut owner) = (Bench::of(0, 2), Bench::of(1, 2));
    let mut body = SAMPLE.to_vec();
    let mut form = Vec::new();
    let numbers = (0..).filter(|&number| shard_of(msn(number % MSNS), 2) == 1);
    for (taken, number) in numbers.take(count as usize).enumerate() {
        address(&mut body, number);
        let foreseen = home.shard.foresee(black_box(&body));
        let origin = Origin { authorization: None, credential: &mut home.credential };
        let reply = home.shard.handle_foreseen(&foreseen, origin, NOW);
        assert!(matches!(reply, Reply::Owner { shard: 1, .. }), "{reply:?}");
        form.clear();
        home.shard.write_form(&foreseen, &mut form);
        let reply = owner.shard.handle_form(black_box(&form), false, NOW);
        assert!(matches!(reply, Reply::WhenDurable(..)), "{reply:?}");
        if taken as u64 % BATCH == BATCH - 1 {
            owner.commit();
        }
    }
}

/// Pushes only come in; nothing is delivered.
pub(super) fn intake(count: u64) {
    let mut bench = Bench::new();
    let mut body = SAMPLE.to_vec();
    for number in 0..count {
        address(&mut body, number);
        bench.accept(&body);
        if number % BATCH == BATCH - 1 {
            bench.commit();
        }
    }
}

pub(super) fn lifecycle(count: u64) {
    run(SAMPLE.to_vec(), count);
}

pub(super) fn lifecycle_text(count: u64) {
    run(text_body(msn(0), b"20261122223430-00000001"), count);
}

/// Pushes come in by the batch, as they do under load.
fn run(mut body: Vec<u8>, count: u64) {
    let mut bench = Bench::new();
    let url = NotifyUrl::parse("http://127.0.0.1:9000/notify").expect("a legal URL");
    let mut out = Vec::with_capacity(4096);
    let mut number = 0;
    while number < count {
        let end = (number + BATCH).min(count);
        for number in number..end {
            address(&mut body, number);
            bench.accept(&body);
        }
        bench.finish(&url, &mut out, end - number);
        number = end;
    }
}
