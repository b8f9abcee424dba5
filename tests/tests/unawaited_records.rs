//! A shard tells records that an answer waits for from those that can wait for company: the ones
//! begin a commit at once, the others go with it or some time later (`io::pace`).

use hayauma::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use hayauma::gateway::registration::Registration;
use hayauma::gateway::registry::{Credential, Registry};
use hayauma::journal::{JournalConfig, SegmentFactory};
use hayauma::network::line_states::{Line, LineStates};
use hayauma::network::simulated::SimulatedNetwork;
use hayauma::network::simulation_config::SimulationConfig;
use hayauma::shard::{Durability, Origin, Reply, Shard, ShardConfig, TurnBudget, Uncommitted};
use hayauma::smsc::core::CoreLimits;
use std::sync::Arc;
use tests::push::{Body, XPID};
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::time::WallMs;

const MSN: &str = "09000000001";
const START_MS: u64 = 1_795_000_000_000;
const BUDGET: TurnBudget = TurnBudget {
    timers: 64,
    attempts: 64,
    outcomes: 64,
    records: 512,
    looks: 1_024,
    counted: 4_096,
};
/// Longer than any delivery takes in the simulated network.
const DELIVERED_WITHIN_MS: u64 = 10_000;

fn shard(directory: &std::path::Path, factory: &SegmentFactory) -> (Shard, SimulatedNetwork) {
    let xpid = Xpid::parse(XPID.as_bytes()).expect("an XPID");
    let registry = Registry::new(vec![Registration::new(xpid, "client")]);
    let mut journal = JournalConfig::new(0, 1 << 28);
    journal.without_syncs = true;
    let config = ShardConfig {
        number: 0,
        shards: 1,
        durability: Durability::Process,
        limits: CoreLimits { pushes_max: 100, waiting_per_msn_max: 10, ended_keys_max: 100 },
        journal,
        seed: 7,
        time_scale: 1,
        routes: Arc::default(),
        fingerprints: FingerprintKeys { keyed: Fingerprints::new([7; 16]), older_until_ms: None },
        injections: Vec::new(),
        progress: Arc::default(),
    };
    let lines = LineStates::parse("", Line::HOME).expect("a good file");
    let network =
        SimulatedNetwork::new(SimulationConfig::default(), Arc::new(lines)).expect("good");
    let opened =
        Shard::open(directory, &config, factory, Arc::new(registry), WallMs::new(START_MS));
    let mut shard = opened.expect("an empty directory opens").0;
    shard.contracts_mut().insert(Msn::parse(MSN.as_bytes()).expect("an msn"), xpid).expect("room");
    (shard, network)
}

/// The code that a push is answered with; it is sent again while the factory has no segment ready
/// yet.
fn push((shard, network): (&mut Shard, &mut SimulatedNetwork), reqid: &str, now_ms: u64) -> Code {
    let body = Body::push(MSN, reqid).octets();
    tests::wait::until("a segment", || {
        let origin = Origin { authorization: None, credential: &mut Credential::default() };
        let code = match shard.handle_request(&body, origin, WallMs::new(now_ms)) {
            Reply::Now(answer) | Reply::WhenDurable(answer, _) => answer.code,
            other => unreachable!("{other:?}"),
        };
        shard.turn(network, WallMs::new(now_ms), &TurnBudget { attempts: 0, ..BUDGET });
        (code != Code::OVERLOAD).then_some(code)
    })
}

//= push answer durable
#[test]
fn an_answer_waits_for_its_push_and_nobody_for_an_ending_until_its_push_is_repeated() {
    let directory = tempfile::tempdir().expect("a directory");
    let factory = SegmentFactory::start().expect("a thread");
    let (mut shard, mut network) = shard(directory.path(), &factory);
    assert_eq!(shard.uncommitted(), Uncommitted::Nothing);
    assert_eq!(push((&mut shard, &mut network), "one", START_MS), Code::ACCEPTED);
    assert_eq!(shard.uncommitted(), Uncommitted::Awaited);
    shard.commit_blocking().expect("a device that writes");
    assert_eq!(shard.uncommitted(), Uncommitted::Nothing);
    let ended_ms = (START_MS..START_MS + DELIVERED_WITHIN_MS).find(|&now_ms| {
        shard.turn(&mut network, WallMs::new(now_ms), &BUDGET);
        shard.uncommitted() != Uncommitted::Nothing
    });
    let ended_ms = ended_ms.expect("an ending");
    assert_eq!(shard.uncommitted(), Uncommitted::Unawaited);
    // The repeat's answer says what is written: it waits for the ending too.
    assert_eq!(push((&mut shard, &mut network), "one", ended_ms), Code::REPEATED);
    assert_eq!(shard.uncommitted(), Uncommitted::Awaited);
    shard.commit_blocking().expect("a device that writes");
    assert_eq!(shard.uncommitted(), Uncommitted::Nothing);
}
