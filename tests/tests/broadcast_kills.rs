//! The engine dies by SIGKILL under broadcasts, at named steps and anywhere: every row has one
//! outcome, and twice was sent only what was in flight or not yet durable, which is counted.
//!
//! `HAYAUMA_TEST_BROADCAST_KILLS=N` sets another number of kills anywhere,
//! `HAYAUMA_TEST_BROADCAST_ROWS=N` of recipients, `HAYAUMA_TEST_KILL_SEED=S` the seed, which is
//! printed. A hundred kills come upon one broadcast; then there is another.

use hayauma::control::broadcasts::{ProgressDocument, Stage};
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tests::broadcasts::{Broadcaster, manifest, rows};
use tests::engine::Engine;
use tests::seeded::Seeded;
use tests::site::Site;
use tests::terminals::Terminals;
use tests::wait;

/// Kills anywhere, and recipients, in a run of the tests.
const KILLS: u64 = 6;
const ROWS: u64 = 20_000;
/// Kills that come upon one broadcast.
const KILLS_OF_ONE: u64 = 100;
/// Rows that are compared one by one.
const LISTED_MAX: u64 = 200_000;
/// Recipients of a broadcast that dies at a named step.
const ROWS_AT_STEPS: u64 = 3_000;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// An engine that keeps the terminals' book, and dies at a step where that is said.
fn serve(site: &Site, book: &Path, dies_at: Option<&str>) -> Engine {
    let mut environment = vec![("HAYAUMA_TEST_TERMINALS", book.as_os_str())];
    environment.extend(dies_at.map(|order| ("HAYAUMA_TEST_KILL_AT", OsStr::new(order))));
    let engine = site.spawn(&environment);
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    engine
}

/// The table of results names each row once.
fn has_each_row_once(people: &Broadcaster<'_>, broadcast: &str, rows: u64) {
    let mut named: Vec<String> = people.results(broadcast).into_values().flatten().collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len() as u64, rows, "rows that have an outcome");
}

/// What has to hold of a broadcast of `count` rows once it has ended.
fn check(site: &Site, book: &Path, progress: &ProgressDocument, rows: u64) {
    let delivered = count(progress, "delivered");
    let others = count(progress, "cancelled") + count(progress, "in_doubt");
    assert_eq!(delivered + others, rows, "{:?}", progress.counts);
    let book = Terminals::read(book);
    assert!(book.repeated.is_empty(), "sent again although recorded: {:?}", book.repeated);
    assert!(book.repeated_in_flight <= progress.doubts, "{book:?}, {} in doubt", progress.doubts);
    assert!(book.pushes >= delivered, "{book:?} {:?}", progress.counts);
    assert!(
        book.pushes <= delivered + count(progress, "in_doubt"),
        "a phone has what is told as not sent: {book:?} {:?}",
        progress.counts
    );
    let books = site.must(&["billing", "reconcile"]);
    assert!(books.contains("the books add up"), "{books}");
}

/// One broadcast, and a death at this step of it; whether the engine died there.
fn dies_at(order: &str, ends_early: bool) -> bool {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set("--queue-bytes", "128MiB");
    let people = Broadcaster::new(&site, ROWS_AT_STEPS);
    let book: PathBuf = site.path("terminals");
    let mut engine = serve(&site, &book, Some(order));
    let list = people.list(&rows(ROWS_AT_STEPS));
    let pace = r#""pace":{"per_second":4000},"#;
    let broadcast = people.draft(&manifest(&list, "02", "step", pace));
    let check_of = people.check(&broadcast);
    let recipients = check_of.addressed.targeted.to_string();
    let start = ["broadcast", "start", &broadcast, "--digest", &check_of.digest];
    let start = [&start[..], &["--recipients", &recipients]].concat();
    site.run(&start);
    if ends_early {
        site.run(&["broadcast", "cancel", &broadcast]);
    }
    let until = Instant::now() + Duration::from_secs(8);
    let died = wait::until("a death, or an end", || match engine.ended() {
        Some(status) => Some(status.signal() == Some(9)),
        None => (Instant::now() >= until).then_some(false),
    });
    if !died {
        engine.kill();
    }
    let engine = serve(&site, &book, None);
    // Whoever was not answered asks again.
    if people.status(&broadcast).document.stage != Stage::Ended {
        site.must(&start);
    }
    if ends_early {
        site.must(&["broadcast", "cancel", &broadcast]);
    }
    let progress = people.ended(&broadcast);
    engine.stop();
    if !ends_early {
        assert_eq!(count(&progress, "delivered"), ROWS_AT_STEPS, "{order}: {:?}", progress.counts);
    }
    check(&site, &book, &progress, ROWS_AT_STEPS);
    died
}

#[test]
fn a_death_at_any_step_of_a_broadcast_loses_no_row() {
    let has_kill_points = cfg!(debug_assertions);
    assert!(has_kill_points, "builds without debug assertions have no kill points");
    for (order, ends_early) in [
        ("rows-kept:1", false),
        ("rows-told:1", false),
        ("rows-claimed:2", false),
        ("row-turn:700", false),
        ("row-out:900", false),
        ("rows-ended:40", false),
        ("rows-written:1", false),
        ("rows-ordered:3", true),
    ] {
        assert!(dies_at(order, ends_early), "nothing died at {order}");
    }
}

#[test]
fn kills_under_a_broadcast_lose_no_row_and_count_what_is_in_doubt() {
    let seed = number("HAYAUMA_TEST_KILL_SEED").unwrap_or(20_261_129);
    let kills = number("HAYAUMA_TEST_BROADCAST_KILLS").unwrap_or(KILLS);
    let rows_each = number("HAYAUMA_TEST_BROADCAST_ROWS").unwrap_or(ROWS);
    let mut chance = Seeded::new(seed);
    let (mut killed, mut doubts, mut repeated) = (0, 0, 0);
    while killed < kills {
        let wanted = (kills - killed).min(KILLS_OF_ONE);
        let (died, progress, book) = kill_one(wanted, rows_each, &mut chance);
        killed += died;
        doubts += progress.doubts;
        repeated += book.repeated_in_flight;
        println!(
            "seed {seed}: {killed} kills so far, {doubts} rows in doubt, {repeated} segments sent \
             twice, lost 0"
        );
        assert!(died > 0, "kills came too late to be seen");
    }
    assert!(doubts > 0, "kills that leave nothing in doubt prove nothing");
}

/// Kills the engine under one broadcast as often as is wanted, if that lasts so long.
fn kill_one(
    wanted: u64,
    rows_each: u64,
    chance: &mut Seeded,
) -> (u64, ProgressDocument, Terminals) {
    let mut site = Site::new(tests::programs!());
    // What became of a row stands in the journal until all have ended.
    let queue = (rows_each * 64).max(128 << 20).to_string();
    site.shards(2).set("--queue-bytes", &queue);
    let people = Broadcaster::new(&site, rows_each);
    let book = site.path("terminals");
    let mut engine = serve(&site, &book, None);
    let list = people.list(&rows(rows_each));
    // So that it lasts as long as the kills: an engine lives for a third of a second.
    let per_second = (rows_each * 3 / (wanted + 2)).max(2_000);
    let pace = format!(r#""pace":{{"per_second":{per_second}}},"#);
    let broadcast = people.started(&manifest(&list, "02", "killed", &pace));
    let mut killed = 0;
    while killed < wanted {
        let wait_ms = 100 + chance.below(400);
        let until = Instant::now() + Duration::from_millis(wait_ms);
        wait::until_true("some time under load", || Instant::now() >= until);
        engine.kill();
        killed += 1;
        engine = serve(&site, &book, None);
        if people.status(&broadcast).document.ended.is_some() {
            break;
        }
    }
    let within = Duration::from_secs(120 + rows_each / 20_000);
    let progress = people.ended_within(&broadcast, within);
    if rows_each <= LISTED_MAX {
        has_each_row_once(&people, &broadcast, rows_each);
    }
    engine.stop();
    assert_eq!(count(&progress, "delivered"), rows_each, "{:?}", progress.counts);
    check(&site, &book, &progress, rows_each);
    // Of each shard what was claimed ahead, which is a tenth of a second, and what was under way.
    let of_one = (per_second / 10 + 2_000).min(50_000);
    assert!(progress.doubts < killed * of_one, "{} in doubt", progress.doubts);
    (killed, progress, Terminals::read(&book))
}
