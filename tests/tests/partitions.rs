//! Several partitions a thread: two threads share sixteen slices of the phone numbers, and a client
//! sees no difference. Pushes, cancels, notifications, books, kills and another layout work as with
//! one slice a thread.

use std::collections::BTreeSet;
use tests::bill::Bill;
use tests::engine::Engine;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::wait;
use wire::terms::ids::Msn;
use wire::terms::ownership::shard_of;

const PARTITIONS: usize = 16;
const FIRST_MSN: u64 = 9_000_000_000;
/// Pushes to phones that are there.
const DONE: u64 = 400;
/// Pushes of an alert to phones that are away.
const ALERTED: u64 = 200;
/// Pushes to phones that are away which nobody cancels.
const WAITING: u64 = 64;

fn msn(number: u64) -> String {
    format!("{:011}", FIRST_MSN + number)
}

fn done(number: u64) -> Body {
    Body::push(&msn(number), &format!("done-{number}"))
}

fn alerted(number: u64) -> Body {
    Body::push(&msn(1_000 + number), &format!("alert-{number}"))
        .with("alertid", "quake-1")
        .with("alertseq", "05")
        .with("lifetime", "72")
}

fn waiting(number: u64) -> Body {
    Body::push(&msn(2_000 + number), &format!("waits-{number}")).with("lifetime", "72")
}

/// The codes of all answers on one connection, on which everything is asked at once.
fn codes(engine: &Engine, bodies: impl Iterator<Item = Body>) -> BTreeSet<String> {
    let mut connection = engine.connect();
    let mut asked = 0;
    for body in bodies {
        connection.send(&body.request());
        asked += 1;
    }
    (0..asked).map(|_| connection.answer().code()).collect()
}

#[track_caller]
fn all(code: &str, engine: &Engine, bodies: impl Iterator<Item = Body>) {
    assert_eq!(codes(engine, bodies), BTreeSet::from([code.to_owned()]));
}

/// Two threads with so many partitions; phones of 1,000 to 2,999 are away.
fn site(recorder: &Recorder, threads: usize, partitions: usize) -> Site {
    let mut site = Site::new(tests::programs!());
    site.shards(threads).set("--partitions", &partitions.to_string());
    site.set("--queue-bytes", "128MiB").set("--segment-bytes", "512KiB").set("--log", "warn");
    site.set_lines(&[("09000001000-09000002999", "absent")]);
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_contracts(XPID, &["09000000000-09000002999"]);
    site
}

/// The figures that each shard shows under this name in the metrics.
fn by_shard(engine: &Engine, name: &str) -> Vec<u64> {
    let text = engine.admin().request("GET", "/metrics", "").text();
    let prefix = format!("hayauma_{name}{{shard=\"");
    let lines = text.lines().filter(|line| line.starts_with(&prefix));
    lines.map(|line| line.rsplit(' ').next().expect("a value").parse().expect("a count")).collect()
}

#[test]
fn sixteen_partitions_on_two_threads_are_one_engine_to_a_client_over_kills_and_other_layouts() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, 2, PARTITIONS);
    let engine = site.start();
    all("0000", &engine, (0..DONE).map(done));
    all("0000", &engine, (0..ALERTED).map(alerted));
    all("0000", &engine, (0..WAITING).map(waiting));
    recorder.await_count(DONE as usize);
    check_figures(&engine);
    check_reading(&site);
    all("0000", &engine, std::iter::once(Body::cancel(&msn(2_000), "waits-0")));

    // What is accepted outlives a kill, and its repeat is known wherever it is asked for.
    engine.admin().await_durable();
    engine.kill();
    let engine = site.start();
    all("0001", &engine, (0..DONE).map(done).chain((0..ALERTED).map(alerted)));

    // A whole alert is cancelled in all partitions behind one answer, and closed in all.
    all("0000", &engine, std::iter::once(Body::cancel_alert("quake-1", "no-quake")));
    all("3004", &engine, (0..50).map(|more| alerted(ALERTED + more)));
    all("0001", &engine, std::iter::once(Body::cancel_alert("quake-1", "no-quake")));
    all("3002", &engine, std::iter::once(Body::cancel_alert("flood-1", "no-flood")));
    recorder.await_count((DONE + 1 + ALERTED) as usize);
    engine.stop();

    // To as many partitions as threads, to a lone one, and back.
    let live = WAITING - 1;
    for (threads, partitions) in [(2, 2), (1, 1), (2, PARTITIONS)] {
        site.shards(threads).set("--partitions", &partitions.to_string());
        let engine = site.start();
        assert_eq!(engine.admin().status().shards.len(), partitions);
        wait::until_true("what waits", || engine.admin().figure("pushes_live") == live);
        all("0001", &engine, (1..WAITING).map(waiting).chain((0..DONE).map(done)));
        engine.stop();
    }
    site.set_lines(&[("09000001000-09000002999", "home")]);
    let engine = site.start();
    wait::until_true("nothing left", || {
        engine.admin().figure("contracts") > 0 && engine.admin().figure("pushes_live") == 0
    });
    engine.stop();
    check_books(&site);
}

/// Every partition has its slice, and what the threads show is counted once.
fn check_figures(engine: &Engine) {
    let mut owned = vec![0; PARTITIONS];
    for number in (0..DONE).chain(1_000..1_000 + ALERTED).chain(2_000..2_000 + WAITING) {
        owned[shard_of(Msn::from_value(FIRST_MSN + number).expect("an msn"), PARTITIONS)] += 1;
    }
    assert_eq!(by_shard(engine, "pushes_accepted_total"), owned);
    assert_eq!(by_shard(engine, "turns_total").iter().filter(|&&turns| turns > 0).count(), 2);
    let asked = DONE + ALERTED + WAITING;
    let asked_at: u64 = by_shard(engine, "requests_total").iter().sum();
    // A request is counted where it came and where it was taken, if that is on another thread.
    assert!((asked..=2 * asked).contains(&asked_at), "{asked_at}");
}

/// What operators look at has all partitions in it.
fn check_reading(site: &Site) {
    let all = (ALERTED + WAITING).to_string();
    wait::until_true("all that waits", || site.must(&["queue"]).contains(&all));
    for number in [0, 7, 33] {
        let said = site.must(&["push", "show", &msn(2_000 + number), &format!("waits-{number}")]);
        assert!(said.contains("absent"), "{said}");
    }
}

/// Every push was billed once, and the books add up.
fn check_books(site: &Site) {
    let bill = Bill::of_these_days(site);
    assert_eq!(bill.sum(XPID, "accepted"), DONE + ALERTED + WAITING);
    assert_eq!(bill.sum(XPID, "delivered"), DONE + WAITING - 1);
    let proof = site.must(&["billing", "reconcile"]);
    assert!(proof.contains("open pushes: 0") && proof.contains("the books add up"), "{proof}");
    assert!(site.must(&["queue", "verify"]).contains("no damage"));
}

#[test]
fn partitions_that_the_threads_cannot_share_evenly_are_refused_with_what_would_do() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let told = site.serve_and_fail(&["--partitions", "5"]);
    assert!(told.refusal().contains("use 6"), "{}", told.refusal());
    let told = site.serve_and_fail(&["--partitions", "257"]);
    assert!(told.refusal().contains("1 to 256"), "{}", told.refusal());
}
