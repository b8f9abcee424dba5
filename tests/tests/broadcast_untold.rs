//! What a journal has of broadcasts while nobody can tell of them, and what a kill leaves in doubt
//! of one that is paused.

use hayauma::control::broadcasts::ProgressDocument;
use std::path::PathBuf;
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::load::Load;
use tests::push::{Body, XPID};
use tests::site::Site;
use tests::wait;

/// Rows that wait for their phones.
const HELD: u64 = 2_000;
/// Pushes beside them, to phones of their own.
const FLOOD: u64 = 20_000;
const PRESENT: u64 = 9_100_000_000;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

fn recipients_of(site: &Site, broadcast: &str) -> PathBuf {
    let folder = site.data_dir().join("broadcasts").join(broadcast);
    let files = std::fs::read_dir(folder).expect("its folder").flatten();
    let mut found = files.filter(|file| file.file_name().to_string_lossy().contains("recipients"));
    found.next().expect("its recipients").path()
}

#[test]
fn cleaning_beside_a_broadcast_that_cannot_be_told_damages_nothing_and_says_so() {
    let mut site = Site::new(tests::programs!());
    site.shards(1).set("--segment-bytes", "256KiB").set("--queue-bytes", "256MiB");
    site.set_lines(&[(format!("{}-{}", msn(0), msn(HELD - 1)), "absent")]);
    let people = Broadcaster::new(&site, HELD);
    site.add_contracts(XPID, &["09100000000-09100004999"]);
    let engine = site.start();
    let broadcast = people.started(&manifest(&people.list(&rows(HELD)), "02", "held", ""));
    wait::until_true("all are held", || count(&people.status(&broadcast), "held") == HELD);
    engine.stop();
    let recipients = recipients_of(&site, &broadcast);
    let away = site.directory().join("away");
    std::fs::rename(&recipients, &away).expect("moved");
    let engine = site.start();
    let push = |number: u64| {
        let phone = format!("{:011}", PRESENT + number % 5_000);
        Body::push(&phone, &format!("flood-{number}"))
    };
    let flood = Load::new(FLOOD as usize, push);
    flood.send(engine.push_address());
    wait::until_true("all are taken", || {
        flood.send_again(engine.push_address());
        flood.acked().len() as u64 == FLOOD
    });
    let log = engine.log();
    assert!(!log.contains("cannot be read any more"), "{log}");
    engine.stop();
    std::fs::rename(&away, &recipients).expect("moved back");
    let engine = site.start();
    let progress = people.status(&broadcast);
    assert_eq!((count(&progress, "held"), progress.doubts), (HELD, 0), "{progress:?}");
    engine.stop();
}

#[test]
fn a_kill_leaves_nothing_of_a_paused_broadcast_in_doubt() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let people = Broadcaster::new(&site, 5_000);
    let engine = site.start();
    let paced = r#""pace":{"per_second":1000},"#;
    let broadcast = people.started(&manifest(&people.list(&rows(5_000)), "02", "paced", paced));
    wait::until_true("some are delivered", || count(&people.status(&broadcast), "delivered") > 300);
    site.must(&["broadcast", "pause", &broadcast]);
    wait::until_true("nothing is in flight", || {
        let progress = people.status(&broadcast);
        progress.state == "paused" && count(&progress, "in_flight") == 0
    });
    let before = people.status(&broadcast);
    engine.kill();
    let engine = site.start();
    let after = people.status(&broadcast);
    assert_eq!((after.doubts, &after.counts), (0, &before.counts));
    site.must(&["broadcast", "resume", &broadcast]);
    let ended = people.ended(&broadcast);
    assert_eq!((count(&ended, "delivered"), ended.doubts), (5_000, 0));
    engine.stop();
}

#[test]
fn a_kill_leaves_no_more_in_doubt_than_goes_out_in_a_tenth_of_a_second() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let people = Broadcaster::new(&site, 5_000);
    let engine = site.start();
    let slow = r#""pace":{"per_second":40},"#;
    let broadcast = people.started(&manifest(&people.list(&rows(5_000)), "02", "slow", slow));
    wait::until_true("some are delivered", || count(&people.status(&broadcast), "delivered") > 20);
    engine.kill();
    let engine = site.start();
    let doubts = people.status(&broadcast).doubts;
    assert!(doubts <= 16, "{doubts} in doubt at 40 a second");
    engine.stop();
}

#[test]
fn a_stop_says_how_many_rows_it_leaves_in_doubt() {
    let mut site = Site::new(tests::programs!());
    site.shards(1).set("--network-latency-ms", "20000").set("--drain-timeout-ms", "500");
    let people = Broadcaster::new(&site, 20);
    let engine = site.start();
    let broadcast = people.started(&manifest(&people.list(&rows(20)), "02", "slow", ""));
    wait::until_true("they are on their way", || engine.admin().figure("attempts_in_flight") == 20);
    engine.ask_to_stop();
    let log = wait::until("the drain's end", || {
        let log = engine.log();
        log.contains("drained").then_some(log)
    });
    assert!(log.contains("rows=20"), "{log}");
    engine.wait();
    let engine = site.start();
    assert_eq!(people.status(&broadcast).doubts, 20);
    engine.stop();
}
