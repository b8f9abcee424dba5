//! No shard stands still with work at hand. The published executor can take "preempted" for "idle"
//! and park; it showed at low, steady load while something else kept the shard's CPU busy. The
//! watchdog's wakes are the alarm: there is none.
//!
//! `HAYAUMA_TEST_STANDSTILL_SECONDS` watches a shard at low load for longer than a few seconds.

use std::time::{Duration, Instant};
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
    let begun = Instant::now();
    let (answers, longest) = std::thread::scope(|scope| {
        scope.spawn(|| {
            // On the shard's own CPU: the admin thread and this one take turns with the shard.
            loadgen::os::pin_thread(&[cpu]).expect("a CPU of this process");
            while begun.elapsed() < WATCHED {
                assert_eq!(engine.admin().status().shards.len(), 1);
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
    let wakes = engine.admin().figure("watchdog_wakes");
    println!(
        "{answers} answers, the longest after {longest:?}, the watchdog woke the shard {wakes} \
         times"
    );
    assert!(longest < STANDSTILL, "an answer took {longest:?}; {wakes} wakes");
    assert!(answers > 2_000, "{answers} answers in {WATCHED:?}");
    // A wake is a standstill of a tenth of a second that the engine did not end by itself.
    assert_eq!(wakes, 0, "the watchdog had to wake the shard");
    engine.stop();
}

#[test]
fn a_shard_at_low_load_beside_busy_loops_never_stands_still() {
    let told =
        std::env::var("HAYAUMA_TEST_STANDSTILL_SECONDS").ok().and_then(|told| told.parse().ok());
    let watched = told.map_or(WATCHED_AT_LOW_LOAD, Duration::from_secs);
    let cpu = tests::cpus::spread();
    let mut site = Site::new(tests::programs!());
    site.set("--cpus", &cpu.to_string()).set("--durability", "process");
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &["09000000000-09000000999"]);
    let engine = site.start();
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
            std::thread::park_timeout(Duration::from_millis(asked % 30));
        }
    });
    let wakes = engine.admin().figure("watchdog_wakes");
    println!("{asked} requests in {watched:?}, the longest took {longest:?}, {wakes} wakes");
    assert_eq!(wakes, 0, "the watchdog had to wake the shard; the longest answer took {longest:?}");
    engine.stop();
}

#[test]
fn a_shard_that_stands_still_is_seen_at_the_admin_port() {
    let mut site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &["09000000000-09000000999"]);
    site.set("--log", "error").inject("stall=1");
    let engine = site.start();
    let admin = engine.admin();
    assert_eq!(admin.request("GET", "/readyz", "").text(), "ready\n");
    engine.connect().send(&Body::push("09000000000", "stuck").request());
    let unhealthy =
        || admin.try_request("GET", "/healthz", "").filter(|answer| answer.status() == 503);
    let told = tests::wait::until("an unhealthy engine", unhealthy);
    assert!(told.text().contains("shards: 0"), "{}", told.text());
    let told = admin.try_request("GET", "/readyz", "").expect("an answer");
    assert!(told.status() == 503 && told.text().contains("\"stalled\""), "{}", told.text());
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
