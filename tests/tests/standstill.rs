//! No shard stands still with work at hand. The published executor can take "preempted" for "idle"
//! and park; it showed at low, steady load while something else kept the shard's CPU busy. The
//! watchdog's wakes are the alarm: there is none, those moments aside in which the machine itself
//! stood still ([`tests::bare_thread`]).
//!
//! `HAYAUMA_TEST_STANDSTILL_SECONDS` watches shards at low load for longer than a few seconds;
//! `just heavy alive` watches eight engines for half an hour.

use std::time::{Duration, Instant};
use tests::alive::AliveRun;
use tests::bare_thread::{BareThreads, WakeWatch};
use tests::push::{Body, XPID};
use tests::site::Site;

const CONNECTIONS: usize = 32;
const WATCHED: Duration = Duration::from_secs(3);
/// How long a shard at low load is watched unless told otherwise.
const WATCHED_AT_LOW_LOAD: Duration = Duration::from_secs(4);
/// Threads that keep the shard's CPU busy.
const BUSY_LOOPS: usize = 3;
/// The longest that an answer may take.
const STANDSTILL: Duration = Duration::from_secs(1);

/// How long shards at low load are watched.
fn watched_at_low_load() -> Duration {
    let told =
        std::env::var("HAYAUMA_TEST_STANDSTILL_SECONDS").ok().and_then(|told| told.parse().ok());
    told.map_or(WATCHED_AT_LOW_LOAD, Duration::from_secs)
}

/// Holds the rule: no wake but those of the machine.
#[track_caller]
fn check_wakes(mut watch: WakeWatch, bare: BareThreads, cpu: usize, longest: Duration) {
    assert!(watch.look(), "the admin port answers");
    let late = bare.end();
    let (wakes, own) = (watch.wakes(), watch.own(&late, &[cpu]));
    println!("the longest answer took {longest:?}; {wakes} wakes, the engine's own: {own:?}");
    println!("a bare thread on its CPU was late: {late:?}");
    assert!(own.is_empty(), "the watchdog had to wake the shard; an answer took {longest:?}");
}

#[test]
fn no_unpipelined_connection_stands_still_while_the_shards_cpu_is_busy() {
    let cpu = tests::cpus::spread();
    let mut site = Site::new(tests::programs!());
    site.set("--cpus", &cpu.to_string()).set("--durability", "process");
    // Large segments: a shard that has to wait for the next one answers 8002, which is not what is
    // watched here.
    site.set("--segment-bytes", "16MiB").set("--queue-bytes", "256MiB");
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &["09000000000-09000000999"]);
    let engine = site.start();
    let (mut watch, bare) = (WakeWatch::of(engine.admin()), BareThreads::beside(&[cpu]));
    let begun = Instant::now();
    let (answers, longest) = std::thread::scope(|scope| {
        scope.spawn(|| {
            // On the shard's own CPU: the admin thread and this one take turns with the shard.
            loadgen::os::pin_thread(&[cpu]).expect("a CPU of this process");
            while begun.elapsed() < WATCHED {
                assert!(watch.look(), "the admin port answers");
            }
        });
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let engine = &engine;
                scope.spawn(move || ask_again_and_again(engine, number))
            })
            .collect();
        clients.into_iter().fold((0, Duration::ZERO), |(sum, longest), client| {
            let (answers, slowest) = client.join().expect("a client that got its answers");
            (sum + answers, longest.max(slowest))
        })
    });
    // A wake is a standstill of a tenth of a second that the engine did not end by itself.
    check_wakes(watch, bare, cpu, longest);
    assert!(longest < STANDSTILL, "an answer took {longest:?}");
    assert!(answers > 2_000, "{answers} answers in {WATCHED:?}");
    engine.stop();
}

#[test]
fn a_shard_at_low_load_beside_busy_loops_never_stands_still() {
    let watched = watched_at_low_load();
    let cpu = tests::cpus::spread();
    let mut site = Site::new(tests::programs!());
    site.set("--cpus", &cpu.to_string()).set("--durability", "process");
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &["09000000000-09000000999"]);
    let engine = site.start();
    let (mut watch, bare) = (WakeWatch::of(engine.admin()), BareThreads::beside(&[cpu]));
    let begun = Instant::now();
    let (mut asked, mut longest) = (0, Duration::ZERO);
    std::thread::scope(|scope| {
        for _ in 0..BUSY_LOOPS {
            scope.spawn(|| {
                loadgen::os::pin_thread(&[cpu]).expect("a CPU of this process");
                while begun.elapsed() < watched {
                    std::hint::spin_loop();
                }
            });
        }
        let mut connection = engine.connect();
        while begun.elapsed() < watched {
            let msn = format!("{:011}", 9_000_000_000_u64 + asked % 1_000);
            let at = Instant::now();
            if asked % 4 == 3 {
                let msn = 9_000_001_000_u64 + asked;
                let rows = format!(r#"{{"xpid":"{XPID}","msns":["{msn:011}"]}}"#);
                engine.admin().request("POST", "/contracts", &rows);
            } else {
                let code =
                    connection.ask(&Body::push(&msn, &format!("low-{asked}")).request()).code();
                assert!(code == "0000" || code == "8005", "{code}");
            }
            longest = longest.max(at.elapsed());
            asked += 1;
            watch.look_if_due();
            std::thread::park_timeout(Duration::from_millis(asked % 30));
        }
    });
    println!("{asked} requests in {watched:?}");
    check_wakes(watch, bare, cpu, longest);
    engine.stop();
}

#[test]
fn idle_engines_and_engines_of_which_little_is_asked_live_and_turn_beside_busy_loops() {
    let lasts = watched_at_low_load() / 2;
    for is_used in [false, true] {
        let run = AliveRun { engines: 2, shards: None, busy_loops: 3, lasts, is_used };
        let report = run.run(tests::programs!(), |line| println!("{line}"));
        println!("{report}");
        assert_eq!(report.faults(), Vec::<String>::new());
        let has_turned = |turns: u64| turns as f64 > lasts.as_secs_f64() * 10.0;
        assert!(report.engines.iter().all(|engine| has_turned(engine.turns)), "{report}");
        assert!(report.engines.iter().all(|engine| is_used == (engine.requests > 0)), "{report}");
    }
}

#[test]
fn a_shard_that_stands_still_is_seen_at_the_admin_port() {
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &["09000000000-09000000999"]);
    let cpu = tests::cpus::spread();
    site.set("--cpus", &cpu.to_string()).set("--log", "error").inject("stall=1");
    let engine = site.start();
    let admin = engine.admin();
    let (mut watch, bare) = (WakeWatch::of(engine.admin()), BareThreads::beside(&[cpu]));
    assert_eq!(admin.request("GET", "/readyz", "").text(), "ready\n");
    engine.connect().send(&Body::push("09000000000", "stuck").request());
    let unhealthy =
        || admin.try_request("GET", "/healthz", "").filter(|answer| answer.status() == 503);
    let told = tests::wait::until("an unhealthy engine", unhealthy);
    assert!(told.text().contains("shards: 0"), "{}", told.text());
    let told = admin.try_request("GET", "/readyz", "").expect("an answer");
    assert!(told.status() == 503 && told.text().contains("\"stalled\""), "{}", told.text());
    // What the other tests here see none of is seen of it: ten wakes a second, the engine's own.
    tests::wait::until_true("wakes that are counted", || watch.look() && watch.wakes() >= 8);
    let late = bare.end();
    assert!(!watch.own(&late, &[cpu]).is_empty(), "the machine was late: {late:?}");
    engine.kill();
}

#[test]
fn an_engine_that_is_paused_is_healthy_and_not_ready() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let engine = site.start();
    let admin = engine.admin();
    // Shards that rest make their turns all the same.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1_500) {
        assert!(admin.is_healthy());
        std::thread::park_timeout(Duration::from_millis(100));
    }
    admin.request("POST", "/pause", "");
    let ready = || admin.try_request("GET", "/readyz", "").expect("an answer");
    let told =
        tests::wait::until("a paused engine", || Some(ready()).filter(|told| told.status() == 503));
    assert!(told.text().contains("\"paused\""), "{}", told.text());
    assert!(admin.is_healthy());
    admin.request("POST", "/resume", "");
    tests::wait::until_true("a ready engine", || ready().status() == 200);
    engine.stop();
}

/// One request after another; how many were answered and the longest time to an answer.
fn ask_again_and_again(engine: &tests::engine::Engine, number: usize) -> (u64, Duration) {
    let mut connection = engine.connect();
    let begun = Instant::now();
    let (mut answers, mut longest) = (0, Duration::ZERO);
    while begun.elapsed() < WATCHED {
        let msn = format!("{:011}", 9_000_000_000 + (answers * 31 + number as u64 * 7) % 1_000);
        let request = Body::push(&msn, &format!("{number}-{answers}")).request();
        let asked = Instant::now();
        let code = connection.ask(&request).code();
        longest = longest.max(asked.elapsed());
        assert!(code == "0000" || code == "8005", "{code}");
        answers += 1;
    }
    (answers, longest)
}

#[test]
fn a_shard_that_really_stands_still_ends_the_process() {
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &["09000000000-09000000999"]);
    site.set("--log", "error").inject("stall=2");
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push("09000000000", "before").request()).code(), "0000");
    let mut stuck = engine.connect();
    stuck.send(&Body::push("09000000000", "stuck").request());
    let status = engine.wait();
    assert_eq!(status.code(), Some(21));
    let log = std::fs::read_to_string(site.path("engine.log")).expect("a log");
    assert!(log.lines().count() == 1 && log.contains("shard 0 made no turn"), "{log}");
    site.inject_nothing();
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push("09000000000", "before").request()).code(), "0001");
    engine.stop();
}
