//! The executor's known defect, watched for: it can take "preempted" for "idle" and park a shard that has work at hand.
//! It showed on unpipelined connections while something else kept the shard's CPU busy; what the engine does about it
//! has to keep every standstill too short to be felt.

use std::time::{Duration, Instant};
use tests::push::{Body, XPID};
use tests::site::Site;

const CONNECTIONS: usize = 32;
const WATCHED: Duration = Duration::from_secs(4);
/// The longest that an answer may take.
const STANDSTILL: Duration = Duration::from_secs(1);

#[test]
fn no_unpipelined_connection_stands_still_while_the_shards_cpu_is_busy() {
    let cpu = tests::cpus::spread();
    let mut site = Site::new(tests::programs!());
    site.set("--cpus", &cpu.to_string()).set("--durability", "process");
    // Large segments: a shard that has to wait for the next one answers 8002, which is not what is watched here.
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
    println!("{answers} answers, the longest after {longest:?}, the watchdog woke the shard {wakes} times");
    assert!(longest < STANDSTILL, "an answer took {longest:?}; {wakes} wakes");
    assert!(answers > 2_000, "{answers} answers in {WATCHED:?}");
    // A wake is a standstill of a tenth of a second that the engine did not end by itself.
    assert!(wakes <= 5, "the watchdog had to wake the shard {wakes} times");
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
