//! The driver `poll`, on every host: kills, order, a drain, notifications; what is said where
//! io_uring is forbidden; and that it needs nothing of io_uring, of writes that sync, or of kernels
//! after Linux 5.4.
//!
//! `HAYAUMA_TEST_IO=poll` has every other test of the whole program run under it.

use std::ffi::OsStr;
use std::process::Command;
use tests::engine::Finished;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::seccomp;
use tests::site::Site;
use tests::wait;

const FIRST_MSN: u64 = 9_000_000_000;
const MSNS: u64 = 200;
/// Requests in flight on a connection.
const DEPTH: u64 = 64;

fn site(more: &[&str]) -> Site {
    let mut site = Site::new(tests::programs!());
    site.unset("--io").add_client(XPID, more);
    site.add_contracts(XPID, &[&format!("{FIRST_MSN:011}-{:011}", FIRST_MSN + MSNS - 1)]);
    site
}

fn push(number: u64) -> Body {
    Body::push(&format!("{:011}", FIRST_MSN + number % MSNS), &format!("driven-{number}"))
}

/// Sends pushes from `first` on until the engine is gone: the numbers of those that were answered
/// 0000, in order.
fn send_until_it_dies(engine: &tests::engine::Engine, first: u64) -> Vec<u64> {
    let (mut acked, mut next) = (Vec::new(), first);
    let mut connection = engine.connect();
    loop {
        let batch = next..next + DEPTH;
        let requests: Vec<u8> = batch.clone().flat_map(|number| push(number).request()).collect();
        if connection.try_send(&requests).is_err() {
            return acked;
        }
        for number in batch {
            let Ok(Some(answer)) = connection.try_answer() else { return acked };
            let elements = answer.elements();
            assert_eq!(
                elements.get("reqid"),
                format!("driven-{number}"),
                "in the order of the requests"
            );
            match answer.code().as_str() {
                "0000" => acked.push(number),
                "8002" | "8003" | "8005" => {}
                other => panic!("push {number}: {other}"),
            }
        }
        next += DEPTH;
    }
}

#[test]
fn under_poll_kills_at_named_points_lose_nothing_that_was_answered() {
    for durability in ["power", "process"] {
        let mut site = site(&[]);
        site.set("--io", "poll")
            .set("--durability", durability)
            .set("--waiting-per-msn-max", "10000");
        site.set("--segment-bytes", "128KiB")
            .set("--network-default-line-state", "absent")
            .shards(2);
        let (mut acked, mut next) = (Vec::new(), 0);
        for order in [
            "commit-begun:30",
            "commit-torn:25",
            "commit-synced:40",
            "append-body:900",
            "switch-after:2",
        ] {
            let engine = site.spawn(&[("HAYAUMA_TEST_KILL_AT", OsStr::new(order))]);
            wait::until_true("a healthy engine", || engine.admin().is_healthy());
            let more = send_until_it_dies(&engine, next);
            assert_eq!(engine.wait().code(), None, "{order}: killed");
            // Beyond all that was sent, answered or not.
            next = 1_000 * (2 + more.last().copied().unwrap_or(next) / 1_000);
            acked.extend(more);
        }
        assert!(acked.len() > 500, "{} under {durability}", acked.len());
        let engine = site.start();
        assert_eq!(engine.admin().status().driver, "poll");
        let mut connection = engine.connect();
        for &number in &acked {
            assert_eq!(
                connection.ask(&push(number).request()).code(),
                "0001",
                "{number} under {durability}"
            );
        }
        engine.stop();
    }
}

#[test]
fn under_poll_pushes_are_notified_and_a_drain_ends_with_every_answer_given() {
    let recorder = Recorder::start();
    let mut site = site(&["--notify-url", &recorder.url()]);
    site.set("--io", "poll").shards(2);
    let engine = site.start();
    let mut connection = engine.connect();
    let requests: Vec<u8> = (0..DEPTH).flat_map(|number| push(number).request()).collect();
    connection.send(&requests);
    wait::until_true("the first pushes", || engine.admin().figure("pushes_accepted") > 0);
    engine.ask_to_stop();
    let mut answered = 0;
    while let Ok(Some(answer)) = connection.try_answer() {
        assert!(["0000", "8004"].contains(&answer.code().as_str()), "{answer:?}");
        answered += 1;
    }
    assert!(answered > 0, "answers are given in a drain");
    assert_eq!(engine.wait().code(), Some(0));
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..DEPTH {
        let code = connection.ask(&push(number).request()).code();
        assert!(["0000", "0001"].contains(&code.as_str()), "{number}: {code}");
    }
    for number in 0..DEPTH {
        recorder.await_about(&format!("driven-{number}"), 1);
    }
    engine.stop();
}

#[test]
fn where_io_uring_is_forbidden_the_engine_serves_by_poll_and_says_why() {
    let why = seccomp::why_without_io_uring(true).expect("a reason");
    for profile in ["no-io-uring", "no-io-uring-enter"] {
        let site = site(&[]);
        let engine = site.start_without(profile);
        assert_eq!(engine.connect().ask(&push(1).request()).code(), "0000", "{profile}");
        assert_eq!(engine.admin().status().driver, "poll", "{profile}");
        let metrics = engine.admin().request("GET", "/metrics", "").text();
        assert!(metrics.contains("driver=\"poll\"} 1"), "{metrics}");
        let said = std::fs::read_to_string(site.path("engine.out")).expect("what it said");
        let lines: Vec<&str> =
            said.lines().filter(|line| line.starts_with("driver: poll")).collect();
        assert!(
            matches!(lines[..], [line] if line.contains("io_uring") && line.contains(why)),
            "{said}"
        );
        engine.stop();
        let mut command = site.command(&["doctor"]);
        command.env(seccomp::VARIABLE, profile).arg("--data-dir").arg(site.path("another"));
        let finished = Finished::of(command, "doctor");
        assert_eq!(finished.status, Some(0), "{finished:?}");
        assert!(finished.stdout.contains("poll") && finished.stdout.contains(why), "{finished:?}");
    }
}

#[test]
fn where_io_uring_is_forbidden_the_drill_works_and_names_the_driver() {
    let site = site(&[]);
    let mut command = Command::new(tests::programs!().load);
    command.args(["drill", "--pushes", "3000", "--json", "drill.json", "--report", "report"]);
    command.args(["--", "--queue-bytes", "64MiB"]).current_dir(site.directory());
    command.env(seccomp::VARIABLE, "no-io-uring");
    let finished = Finished::of(command, "drill");
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("driver poll"), "{}", finished.stdout);
    let page = std::fs::read_to_string(site.path("report/report.html")).expect("a page");
    assert!(page.contains("driver") && page.contains("poll"), "the page names it");
}

#[test]
fn poll_touches_nothing_of_io_uring_nor_of_writes_that_sync_nor_of_later_kernels() {
    for profile in ["deadly-io-uring", "no-dsync", "linux-5.4"] {
        let mut site = site(&[]);
        site.set("--io", "poll").shards(2);
        let engine = site.start_without(profile);
        let mut connection = engine.connect();
        for number in 0..DEPTH {
            assert_eq!(connection.ask(&push(number).request()).code(), "0000", "{profile}");
        }
        assert!(engine.admin().figure("syncs") > 0, "{profile}");
        engine.kill();
        let engine = site.start_without(profile);
        let mut connection = engine.connect();
        for number in 0..DEPTH {
            assert_eq!(connection.ask(&push(number).request()).code(), "0001", "{profile}");
        }
        engine.stop();
    }
}
