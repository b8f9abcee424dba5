//! `--idle-poll-us`: a shard that has just had work looks for more without sleeping, for as long as
//! was asked for and no longer, and answers, delivers and notifies meanwhile.

use loadgen::os;
use std::time::{Duration, Instant};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;

const MSN: &str = "09000000001";
/// More CPU time than a sleeping engine takes meanwhile, ten milliseconds in a second.
const POLLED: Duration = Duration::from_millis(200);
const POLLED_WITHIN: Duration = Duration::from_secs(5);
/// A look at whether the engine sleeps: it does if it takes no more than a third of such a time.
const LOOK: Duration = Duration::from_millis(150);

fn cpu_time(engine: &tests::engine::Engine) -> Duration {
    os::fine_cpu_time_of(engine.pid()).expect("a process that runs")
}

/// Waits until a look finds the engine asleep.
fn await_sleep(engine: &tests::engine::Engine) {
    tests::wait::until("an engine that sleeps", || {
        let (begun, before) = (Instant::now(), cpu_time(engine));
        while begun.elapsed() < LOOK {
            std::thread::yield_now();
        }
        (cpu_time(engine) - before < LOOK / 3).then_some(())
    });
}

#[test]
fn a_shard_polls_after_a_push_and_sleeps_when_no_more_come() {
    let recorder = Recorder::start();
    let mut site = Site::new(tests::programs!());
    site.set("--shards", "1").set("--idle-poll-us", "1000000");
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_contracts(XPID, &[MSN]);
    let engine = site.start();
    // It makes its first segments ready before.
    await_sleep(&engine);
    let before = cpu_time(&engine);
    assert_eq!(engine.connect().ask(&Body::push(MSN, "one").request()).code(), "0000");
    recorder.await_count(1);
    tests::wait::until_within(POLLED_WITHIN, "an engine that polls", || {
        (cpu_time(&engine) > before + POLLED).then_some(())
    });
    await_sleep(&engine);
    engine.stop();
}
