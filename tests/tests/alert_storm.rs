//! A hundred thousand subscribers come back within one second: no turn of the shard does more than
//! its share of the work that this makes, and every push that comes in the middle of it is accepted
//! in the turn in which it comes.
//!
//! The shard is the engine's own, with its journal and the simulated network, driven in virtual
//! time. `HAYAUMA_TEST_TIMING=1` also holds the turns to a length in real time, for a quiet
//! machine. A smaller storm goes through a whole engine, its sockets and its driver.

use hayauma::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use hayauma::gateway::registration::Registration;
use hayauma::gateway::registry::{Credential, Registry};
use hayauma::journal::{JournalConfig, SegmentFactory};
use hayauma::network::line_states::{Line, LineStates};
use hayauma::network::port::{AttemptHandle, AttemptOutcome, AttemptSlot, Network, StatusReport};
use hayauma::network::simulated::SimulatedNetwork;
use hayauma::network::simulation_config::SimulationConfig;
use hayauma::shard::{Durability, Origin, Reply, Shard, ShardConfig, TurnBudget};
use hayauma::smsc::core::CoreLimits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tests::bill::Bill;
use tests::load::Load;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::wait;
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::time::{EvenMs, WallMs};

const SUBSCRIBERS: u64 = 100_000;
/// Phones that were never away.
const PRESENT: u64 = 10_000;
const FIRST_MSN: u64 = 9_000_000_000;
const START_MS: u64 = 1_795_000_000_000;
const ACCEPTED_PER_TURN: u64 = 5;
/// All come back within this time, and each queue is released with up to two seconds of jitter.
const STORM_MS: u64 = 1_000;
const JITTER_MS: u64 = 2_000;
const BUDGET: TurnBudget = TurnBudget {
    timers: 1_024,
    attempts: 512,
    outcomes: 512,
    records: 512,
    looks: 1_024,
    counted: 4_096,
};
/// What a turn may take on a quiet machine.
const TURN_MAX: Duration = Duration::from_millis(20);

/// What the network was asked for.
#[derive(Default)]
struct Seen {
    /// When the first subscriber is back; 0 before it is known.
    storm_ms: AtomicU64,
    alerts: AtomicU64,
    attempts: AtomicU64,
    outcomes: AtomicU64,
}

/// The simulated network, whose subscribers come back all at once.
struct StormNetwork {
    inner: SimulatedNetwork,
    seen: Arc<Seen>,
    back: u64,
}

impl StormNetwork {
    fn new(seen: Arc<Seen>) -> Self {
        let absent = format!("{}-{},absent\n", msn(0), msn(SUBSCRIBERS - 1));
        let lines = LineStates::parse(&absent, Line::HOME).expect("a good file");
        let inner =
            SimulatedNetwork::new(SimulationConfig::default(), Arc::new(lines)).expect("good");
        Self { inner, seen, back: 0 }
    }

    /// When the next subscriber is back.
    fn next_back_ms(&self) -> Option<EvenMs> {
        let storm_ms = self.seen.storm_ms.load(Relaxed);
        (storm_ms != 0 && self.back < SUBSCRIBERS)
            .then(|| EvenMs::new(storm_ms + self.back * STORM_MS / SUBSCRIBERS))
    }
}

impl Network for StormNetwork {
    fn reserve(&mut self, route: u8) -> Option<AttemptHandle> {
        self.inner.reserve(route)
    }

    fn slot(&mut self, handle: &AttemptHandle) -> &mut AttemptSlot {
        self.inner.slot(handle)
    }

    fn submit(&mut self, handle: AttemptHandle, now_ms: EvenMs) {
        self.seen.attempts.fetch_add(1, Relaxed);
        self.inner.submit(handle, now_ms);
    }

    fn release(&mut self, handle: AttemptHandle) {
        self.inner.release(handle);
    }

    fn poll(&mut self, now_ms: EvenMs) -> Option<AttemptOutcome<'_>> {
        let outcome = self.inner.poll(now_ms);
        self.seen.outcomes.fetch_add(u64::from(outcome.is_some()), Relaxed);
        outcome
    }

    fn reports(&mut self, now_ms: EvenMs) -> Option<StatusReport<'_>> {
        self.inner.reports(now_ms)
    }

    fn reachable(&mut self, now_ms: EvenMs) -> Option<Msn> {
        while self.next_back_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let back = Msn::parse(msn(self.back).as_bytes()).expect("an msn");
            self.inner.set_line_state(back, Line::HOME, now_ms).expect("room");
            self.back += 1;
        }
        let alert = self.inner.reachable(now_ms);
        self.seen.alerts.fetch_add(u64::from(alert.is_some()), Relaxed);
        alert
    }

    fn next_due_ms(&self) -> Option<EvenMs> {
        [self.inner.next_due_ms(), self.next_back_ms()].into_iter().flatten().min()
    }
}

fn msn(number: u64) -> String {
    format!("{:011}", FIRST_MSN + number)
}

/// A shard with its network.
struct Storm {
    shard: Shard,
    network: StormNetwork,
}

/// The shard, and what makes its journal's segments.
fn shard(directory: &std::path::Path, seen: &Arc<Seen>) -> (Storm, SegmentFactory) {
    let xpid = Xpid::parse(XPID.as_bytes()).expect("an XPID");
    let registry = Registry::new(vec![Registration::new(xpid, "client")]);
    let mut journal = JournalConfig::new(0, 1 << 30);
    journal.without_syncs = true;
    let config = ShardConfig {
        number: 0,
        shards: 1,
        durability: Durability::Process,
        limits: CoreLimits {
            pushes_max: 2 * SUBSCRIBERS as usize,
            waiting_per_msn_max: 100,
            ended_keys_max: 4 * SUBSCRIBERS as usize,
        },
        journal,
        seed: 7,
        time_scale: 1,
        routes: Arc::default(),
        fingerprints: FingerprintKeys { keyed: Fingerprints::new([7; 16]), older_until_ms: None },
        injections: Vec::new(),
        progress: Arc::default(),
    };
    let factory = SegmentFactory::start().expect("a thread");
    let opened =
        Shard::open(directory, &config, &factory, Arc::new(registry), WallMs::new(START_MS));
    let mut shard = opened.expect("an empty directory opens").0;
    for number in 0..SUBSCRIBERS + PRESENT {
        let msn = Msn::parse(msn(number).as_bytes()).expect("an msn");
        shard.contracts_mut().insert(msn, xpid).expect("a contract more");
    }
    let network = StormNetwork::new(Arc::clone(seen));
    (Storm { shard, network }, factory)
}

/// The code that a push is answered with, and the sequence that must be written before the answer
/// leaves.
fn push(storm: &mut Storm, to: u64, reqid: &str, now_ms: u64) -> (Code, u64) {
    let body = Body::push(&msn(to), reqid).octets();
    let origin = Origin { authorization: None, credential: &mut Credential::default() };
    match storm.shard.handle_request(&body, origin, WallMs::new(now_ms)) {
        Reply::Now(answer) => (answer.code, 0),
        Reply::WhenDurable(answer, sequence) => (answer.code, sequence),
        other => unreachable!("{other:?}"),
    }
}

/// A turn of the shard, and the commit of what it appended.
fn work(storm: &mut Storm, now_ms: u64) {
    storm.shard.turn(&mut storm.network, WallMs::new(now_ms), &BUDGET);
    storm.shard.commit_blocking().expect("a device that writes");
}

/// One turn with pushes in it; how long it took.
fn turn(storm: &mut Storm, seen: &Seen, turns: &mut u64, now_ms: u64) -> Duration {
    let counts = || [&seen.alerts, &seen.attempts, &seen.outcomes].map(|count| count.load(Relaxed));
    let before = counts();
    let started = Instant::now();
    let mut last = 0;
    for _ in 0..ACCEPTED_PER_TURN {
        *turns += 1;
        let answer =
            push(storm, SUBSCRIBERS + *turns % PRESENT, &format!("meanwhile-{turns}"), now_ms);
        assert_eq!(answer.0, Code::ACCEPTED);
        last = answer.1;
    }
    work(storm, now_ms);
    assert!(last <= storm.shard.durable(), "a push is answered in the turn in which it comes");
    let took = started.elapsed();
    for ((what, before), after) in
        ["alerts", "attempts", "outcomes"].iter().zip(before).zip(counts())
    {
        assert!(after - before <= 512, "{} {what} in one turn", after - before);
    }
    took
}

#[test]
fn an_alert_storm_delays_no_acceptance() {
    let directory = tempfile::tempdir().expect("a directory");
    let seen = Arc::new(Seen::default());
    let (mut storm, _factory) = shard(directory.path(), &seen);
    let mut now_ms = START_MS;
    for number in 0..SUBSCRIBERS {
        // Faster than the device makes segments: the journal asks for patience.
        wait::until("a segment", || {
            match push(&mut storm, number, &format!("waits-{number}"), now_ms).0 {
                Code::OVERLOAD => {
                    work(&mut storm, now_ms);
                    None
                }
                code => {
                    assert_eq!(code, Code::ACCEPTED);
                    Some(())
                }
            }
        });
        if number % 256 == 0 {
            now_ms += 1;
            work(&mut storm, now_ms);
        }
    }
    while seen.outcomes.load(Relaxed) < SUBSCRIBERS {
        now_ms += 1;
        work(&mut storm, now_ms);
    }
    let delivered = |seen: &Seen, pushes: u64| seen.outcomes.load(Relaxed) - SUBSCRIBERS == pushes;

    let mut pushes = 0;
    let mut calm: Vec<Duration> = Vec::new();
    for _ in 0..1_000 {
        now_ms += 1;
        calm.push(turn(&mut storm, &seen, &mut pushes, now_ms));
    }
    seen.storm_ms.store(now_ms + 1, Relaxed);
    let end_ms = now_ms + STORM_MS + JITTER_MS + 200;
    let mut stormy: Vec<Duration> = Vec::new();
    while now_ms < end_ms {
        now_ms += 1;
        stormy.push(turn(&mut storm, &seen, &mut pushes, now_ms));
    }
    assert_eq!(seen.alerts.load(Relaxed), SUBSCRIBERS);
    // The last turn's own pushes are still under way.
    work(&mut storm, now_ms + 1);
    work(&mut storm, now_ms + 2);
    assert!(
        delivered(&seen, SUBSCRIBERS + pushes),
        "everybody has been reached {} ms after the alerts",
        JITTER_MS
    );

    for (name, turns) in [("calm", &mut calm), ("storm", &mut stormy)] {
        turns.sort_unstable();
        let (median, most) = (turns[turns.len() / 2], turns[turns.len() - 1]);
        println!(
            "{name}: {} turns, median {median:?}, 99 % {:?}, longest {most:?}",
            turns.len(),
            turns[turns.len() * 99 / 100]
        );
    }
    if std::env::var_os("HAYAUMA_TEST_TIMING").is_some() {
        let most = stormy[stormy.len() - 1];
        assert!(most <= TURN_MAX, "the longest turn of the storm took {most:?}");
    }
}

/// Subscribers of the storm through a whole engine.
const ENGINE_SUBSCRIBERS: u64 = 20_000;
/// Senders of what waits for them.
const SENDERS: usize = 2;
/// Emergencies to phones that were never away, and the time between two.
const EMERGENCIES: u64 = 200;
const EMERGENCY_PACE: Duration = Duration::from_millis(10);
/// The most that nine in ten of their answers may take in a build without optimisation, with
/// everything else that runs beside it.
const ANSWERED_WITHIN: Duration = Duration::from_millis(300);
/// Who sends them.
const QUIET: &str = "00100000002";

fn waiting(number: u64) -> Body {
    Body::push(&msn(number), &format!("waits-{number}")).with("lifetime", "72")
}

/// An engine with subscribers that are away, and a push that waits for each.
fn stormy_site(recorder: &Recorder) -> Site {
    let mut site = Site::new(tests::programs!());
    site.set("--segment-bytes", "4MiB").set("--queue-bytes", "256MiB").shards(2);
    site.set("--durability", "process").set("--log", "warn");
    site.add_client(XPID, &[]);
    site.add_client(QUIET, &["--notify-url", &recorder.url(), "--class", "emergency"]);
    for xpid in [XPID, QUIET] {
        site.add_contracts(xpid, &[&format!("{}-{}", msn(0), msn(ENGINE_SUBSCRIBERS + 999))]);
    }
    site.set_lines(&[(format!("{}-{}", msn(0), msn(ENGINE_SUBSCRIBERS - 1)), "absent")]);
    site
}

#[test]
fn an_alert_storm_in_a_whole_engine_keeps_no_emergency_waiting_under_either_driver() {
    let recorder = Recorder::start();
    let site = stormy_site(&recorder);
    let engine = site.start();
    let load = Load::new(ENGINE_SUBSCRIBERS as usize, waiting);
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| load.send(engine.push_address()));
        }
    });
    while load.count() < ENGINE_SUBSCRIBERS {
        load.send_again(engine.push_address());
    }
    wait::until_true("all of them held", || engine.admin().figure("holds") >= load.count());
    let all = format!("{}-{}", msn(0), msn(ENGINE_SUBSCRIBERS - 1));
    let mut connection = engine.connect();
    let mut took = Vec::new();
    site.must(&["network", "set", "home", &all]);
    for number in 0..EMERGENCIES {
        let push = Body::push(&msn(ENGINE_SUBSCRIBERS + number), &format!("now-{number}"))
            .with("svcid", QUIET)
            .with("comway", "1103");
        let begun = Instant::now();
        assert_eq!(connection.ask(&push.request()).code(), "0000", "emergency {number}");
        took.push(begun.elapsed());
        std::thread::park_timeout(EMERGENCY_PACE.saturating_sub(begun.elapsed()));
    }
    for notice in recorder.await_count(EMERGENCIES as usize) {
        assert_eq!(notice.gist(), ("0301", "0000"), "{notice:?}");
    }
    wait::until_true("an empty queue", || engine.admin().figure("pushes_live") == 0);
    wait::until_true("books", || engine.admin().figure("billing_events_owed") == 0);
    engine.stop();
    took.sort_unstable();
    let most = took[took.len() * 9 / 10];
    println!("answers in the storm: median {:?}, 90 % {most:?}", took[took.len() / 2]);
    assert!(most <= ANSWERED_WITHIN, "{most:?}");
    let bill = Bill::of_these_days(&site);
    assert_eq!(bill.sum(XPID, "delivered"), ENGINE_SUBSCRIBERS);
    assert_eq!(bill.sum(QUIET, "delivered"), EMERGENCIES);
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}
