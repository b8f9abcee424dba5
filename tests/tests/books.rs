//! The books stay right whatever the device and the clock do: events are entered once, in a day
//! that is open, as soon as the device takes them, and what is not entered yet is told.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::bill::Bill;
use tests::engine::Engine;
use tests::push::{Body, XPID, day_in};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::skips::skip;
use tests::wait;

/// Pushes of the tests.
const PUSHES: u64 = 300;
/// Repeats of the first of them.
const REPEATS: u64 = 40;
/// Requests without a contract.
const REFUSED: u64 = 30;

fn msn(number: u64) -> String {
    format!("{:011}", 9_000_000_000 + number)
}

fn site(recorder: &Recorder) -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_contracts(XPID, &["09000000000-09000000999"]);
    site
}

fn ask(engine: &Engine, bodies: impl Iterator<Item = Body>, code: &str) {
    let mut connection = engine.connect();
    for body in bodies {
        assert_eq!(connection.ask(&body.request()).code(), code, "{body:?}");
    }
}

/// Pushes that are delivered and told, repeats and refusals.
fn trade(engine: &Engine, recorder: &Recorder) {
    let push = |number: u64| Body::push(&msn(number), &format!("push-{number}"));
    ask(engine, (0..PUSHES).map(push), "0000");
    ask(engine, (0..REPEATS).map(push), "0001");
    ask(engine, (0..REFUSED).map(|number| Body::push(&msn(5_000 + number), "stranger")), "2005");
    recorder.await_count(PUSHES as usize);
}

/// Links to nowhere in the place of the next event files: they refuse to be written, as a full
/// device does.
fn fill_device(site: &Site) -> Vec<PathBuf> {
    let days = [-1, 0, 1].map(day_in);
    let paths = days.map(|day| site.data_dir().join(format!("shard-000/billing/events-{day}.bin")));
    for path in &paths {
        std::os::unix::fs::symlink("/nonexistent/device", path).expect("no file yet");
    }
    paths.into()
}

fn free_device(paths: &[PathBuf]) {
    paths.iter().for_each(|path| std::fs::remove_file(path).expect("a link"));
}

#[track_caller]
fn check_books(site: &Site) {
    let bill = Bill::of_these_days(site);
    let sums = ["accepted", "delivered", "closing", "replayed", "rejected"]
        .map(|name| bill.sum(XPID, name));
    assert_eq!(sums, [PUSHES, PUSHES, 0, REPEATS, REFUSED]);
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn after_a_full_device_events_are_written_when_there_is_room_and_lacking_ones_are_told() {
    let recorder = Recorder::start();
    let site = site(&recorder);
    let engine = site.start();
    let blocked = fill_device(&site);
    trade(&engine, &recorder);
    wait::until_true("events that wait", || {
        engine.admin().figure("billing_events_owed") == 2 * PUSHES
    });
    free_device(&blocked);
    // Nobody asks for anything any more.
    wait::until_true("no events that wait", || engine.admin().figure("billing_events_owed") == 0);
    let bill = Bill::of_these_days(&site);
    assert_eq!(["accepted", "delivered"].map(|name| bill.sum(XPID, name)), [PUSHES; 2]);
    engine.stop();
    check_books(&site);
}

#[test]
fn a_stop_with_events_unwritten_is_told_and_the_next_start_enters_them() {
    let recorder = Recorder::start();
    let site = site(&recorder);
    let engine = site.start();
    let blocked = fill_device(&site);
    trade(&engine, &recorder);
    engine.admin().await_durable();
    engine.ask_to_stop();
    let log = site.path("engine.log");
    let status = engine.wait();
    let said = std::fs::read_to_string(log).expect("a log");
    assert_eq!((status.code(), status.signal()), (Some(17), None), "{said}");
    let expected = format!("{} wait in the journal", 2 * PUSHES);
    assert!(said.contains(&expected), "{said}");
    assert!(
        said.contains(&format!("{} refused or repeated requests", REFUSED + REPEATS)),
        "{said}"
    );
    free_device(&blocked);
    let unproved = site.run(&["billing", "reconcile"]);
    let lacking = format!("{PUSHES} accepted pushes and {PUSHES} ends, ");
    let whole = unproved.stdout.starts_with(&lacking)
        && unproved.stdout.contains(" stand in the journal and are not in the books yet");
    assert!(whole, "{unproved:?}");
    assert!(unproved.status != Some(0) && !unproved.stdout.contains("add up"), "{unproved:?}");

    site.start().stop();
    let bill = Bill::of_these_days(&site);
    assert_eq!(["accepted", "delivered"].map(|name| bill.sum(XPID, name)), [PUSHES; 2]);
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn books_that_a_killed_engine_left_unfinished_ask_for_a_start_and_not_for_room() {
    let recorder = Recorder::start();
    let site = site(&recorder);
    let kill_at = [("HAYAUMA_TEST_KILL_AT", OsStr::new("ended-unbilled:1"))];
    let mut engine = site.spawn(&kill_at);
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    engine.connect().send(&Body::push(&msn(0), "unbilled").request());
    wait::until_true("its end", || engine.ended().is_some());
    let unproved = site.run(&["billing", "reconcile"]);
    let said = format!("{}{}", unproved.stdout, unproved.stderr);
    assert!(unproved.status == Some(1) && unproved.refusal().contains("start it once"), "{said}");
    assert!(!said.contains("disk") && !said.contains("room"), "{said}");
    site.start().stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn an_engine_starts_on_a_full_device_and_enters_what_lacks_when_there_is_room() {
    let recorder = Recorder::start();
    let site = site(&recorder);
    let engine = site.start();
    let blocked = fill_device(&site);
    trade(&engine, &recorder);
    engine.admin().await_durable();
    engine.kill();
    let engine = site.start();
    wait::until_true("events that wait", || {
        engine.admin().figure("billing_events_owed") == 2 * PUSHES
    });
    ask(&engine, std::iter::once(Body::push(&msn(900), "one-more")), "0000");
    recorder.await_count(PUSHES as usize + 1);
    free_device(&blocked);
    wait::until_true("no events that wait", || engine.admin().figure("billing_events_owed") == 0);
    engine.stop();
    let bill = Bill::of_these_days(&site);
    assert_eq!(["accepted", "delivered"].map(|name| bill.sum(XPID, name)), [PUSHES + 1; 2]);
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn a_client_at_its_rate_limit_adds_kilobytes_however_often_it_asks() {
    let recorder = Recorder::start();
    let site = site(&recorder);
    site.add_client("00100000002", &["--rate", "1"]);
    site.add_contracts("00100000002", &["09000000000"]);
    let engine = site.start();
    let mut connection = engine.connect();
    let mut codes = std::collections::BTreeMap::<String, u64>::new();
    for number in 0..3_000 {
        let body = Body::push(&msn(0), &format!("hammer-{number}")).with("svcid", "00100000002");
        *codes.entry(connection.ask(&body.request()).code()).or_default() += 1;
    }
    engine.stop();
    let refused = codes["8001"];
    assert!(refused > 2_000, "{codes:?}");
    assert_eq!(Bill::of_these_days(&site).sum("00100000002", "rejected"), refused);
    let files = std::fs::read_dir(site.data_dir().join("shard-000/billing")).expect("a directory");
    let octets =
        files.flat_map(|file| std::fs::read(file.expect("a file").path()).expect("readable"));
    let octets: Vec<u8> = octets.collect();
    let slots = octets.chunks(64).filter(|slot| slot.iter().any(|&octet| octet != 0)).count();
    // Some seconds, an event for each minute and code, and two for each push that got through.
    assert!(slots <= 2 + 2 * (3_000 - refused as usize) + 8, "{slots} events for {codes:?}");
}

/// The library that shows a process another time, where it is installed.
fn faketime() -> Option<&'static Path> {
    let places = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib64/faketime/libfaketimeMT.so.1",
        "/usr/lib/faketime/libfaketimeMT.so.1",
        "/usr/local/lib/faketime/libfaketimeMT.so.1",
    ];
    places.map(Path::new).into_iter().find(|place| place.exists())
}

/// An engine whose clock begins at this time, UTC.
fn start_at(site: &Site, faketime: &Path, time: &str) -> Engine {
    let mut command: Command = site.command(&site.serve_arguments());
    command.env("LD_PRELOAD", faketime).env("FAKETIME", format!("@{time}")).env("TZ", "UTC");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    site.start_command(command)
}

#[test]
fn closed_days_stay_closed_though_the_clock_steps_back_over_midnight() {
    let Some(faketime) = faketime() else {
        return skip("no libfaketime here, so the engine cannot be shown another time");
    };
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.set_lines(&[("09000000100-09000000199", "absent")]);
    let waiting = |from: u64, count: u64| {
        let push = |number: u64| {
            Body::push(&msn(number), &format!("waits-{number}")).with("lifetime", "72")
        };
        (from..from + count).map(push)
    };
    let done = |from: u64, count: u64| {
        (from..from + count).map(|number| Body::push(&msn(number), &format!("done-{number}")))
    };
    let day = |date: &str| site.must(&["billing", "day", date]);

    // The evening of the 22nd in Japan.
    let engine = start_at(&site, faketime, "2026-11-22 14:50:00");
    ask(&engine, done(0, 5).chain(waiting(100, 4)), "0000");
    recorder.await_count(5);
    engine.stop();
    let closed = day("2026-11-22");
    assert_eq!(Bill::read(&closed).sum(XPID, "closing"), 4);

    // Past midnight; then the clock is set back to the 22nd, and what waits is withdrawn.
    let engine = start_at(&site, faketime, "2026-11-22 15:00:10");
    ask(&engine, done(10, 5).chain(waiting(110, 3)), "0000");
    recorder.await_count(10);
    engine.stop();
    assert_eq!(day("2026-11-22"), closed);
    let engine = start_at(&site, faketime, "2026-11-22 14:30:00");
    let cancel = |number: u64| Body::cancel(&msn(number), &format!("waits-{number}"));
    ask(&engine, (100..104).chain(110..113).map(cancel), "0000");
    recorder.await_count(17);
    engine.stop();

    assert_eq!(day("2026-11-22"), closed);
    let bill = Bill::read(&day("2026-11-23"));
    let columns = ["opening", "accepted", "delivered", "cancelled", "closing"];
    assert_eq!(columns.map(|name| bill.sum(XPID, name)), [4, 8, 5, 7, 0]);
    // What ended in the closed day is told apart.
    let adjusted = day("2026-11-23").lines().filter(|line| line.ends_with(",1")).count();
    assert_eq!(adjusted, 1, "{}", day("2026-11-23"));
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

/// Enters an event once more behind the last one of a day's file, as nothing in the engine does:
/// the first that says that a push was accepted. Its push's id.
fn double_an_event(site: &Site) -> u64 {
    const SLOT_OCTETS: usize = 64;
    let files = [-1, 0, 1].map(day_in).map(|day| format!("shard-000/billing/events-{day}.bin"));
    let path = files.iter().map(|file| site.data_dir().join(file)).find(|path| path.exists());
    let path = path.expect("a day's events");
    let mut octets = std::fs::read(&path).expect("readable");
    let mut slots = octets.chunks_exact(SLOT_OCTETS);
    let mut doubled = slots.clone().find(|slot| slot[0] == 1).expect("an accepted push").to_vec();
    let last = slots.rposition(|slot| slot[0] != 0).expect("the head") + 1;
    doubled[56..60].copy_from_slice(&(last as u32).to_le_bytes());
    let checksum = hayauma::journal::crc32c(&doubled[..60]);
    doubled[60..].copy_from_slice(&checksum.to_le_bytes());
    octets.resize(octets.len().max((last + 1) * SLOT_OCTETS), 0);
    octets[last * SLOT_OCTETS..(last + 1) * SLOT_OCTETS].copy_from_slice(&doubled);
    std::fs::write(&path, octets).expect("writable");
    u64::from_le_bytes(doubled[16..24].try_into().expect("eight octets"))
}

#[test]
fn an_event_that_stands_twice_is_named_by_the_command_that_proves_the_books() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    let engine = site.shards(1).start();
    trade(&engine, &recorder);
    engine.stop();
    let sound = site.run(&["billing", "reconcile"]);
    assert!(sound.status == Some(0) && sound.stdout.contains("the books add up"), "{sound:?}");
    let push = double_an_event(&site);
    let proved = site.run(&["billing", "reconcile"]);
    let said = format!("{}{}", proved.stdout, proved.stderr);
    assert_eq!(proved.status, Some(1), "{said}");
    assert!(!said.contains("the books add up"), "{said}");
    let name = format!("push {push} of xpid {XPID}");
    assert!(said.contains(&name) && said.contains("accepted twice"), "{name}: {said}");
}
