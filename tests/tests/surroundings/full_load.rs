//! The device becomes full while clients push as fast as they can, stays so, and has room again:
//! new pushes are refused with the right code meanwhile, what was accepted is served, pushes are
//! accepted again by themselves, and the books are whole and true without a restart.
//!
//! `HAYAUMA_TEST_FULL_DEVICE_SECONDS=60` keeps it full for a minute.

use super::site;
use std::time::{Duration, Instant};
use tests::bill::Bill;
use tests::engine::{Engine, Finished};
use tests::http::Connection;
use tests::load::Load;
use tests::push::{Body, XPID, day_in};
use tests::recorder::Recorder;
use tests::small_device::SmallDevice;
use tests::wait;

const MEBIBYTES: u32 = 64;
const FULL_FOR: Duration = Duration::from_secs(3);
const SENDERS: usize = 2;
/// More pushes than are sent in a minute.
const PUSHES_MAX: usize = 30_000_000;
/// Another client, of which some pushes wait.
const QUIET: &str = "00100000002";
const QUIET_HELD: u64 = 60;
const QUIET_PHONE: u64 = 19_000;
/// Phones that are absent, and that are there.
const ABSENT_PHONES: u64 = 10_000;
const HOME_PHONES: u64 = 5_000;
/// How long the queue may take to become empty in the end.
const EMPTIED_WITHIN: Duration = Duration::from_secs(120);

fn msn(number: u64) -> String {
    format!("{:011}", 9_000_000_000 + number)
}

/// Every other push waits for an absent phone, so that what must be kept fills the device.
fn push(number: u64) -> Body {
    let (phone, lifetime) = if number.is_multiple_of(2) {
        (number / 2 % ABSENT_PHONES, "72")
    } else {
        (ABSENT_PHONES + number / 2 % HOME_PHONES, "01")
    };
    Body::text(&msn(phone), &format!("load-{number}"), &"a".repeat(1_500))
        .with("lifetime", lifetime)
}

fn quiet_push(number: u64) -> Body {
    Body::push(&msn(QUIET_PHONE + number), &format!("quiet-{number}"))
        .with("svcid", QUIET)
        .with("lifetime", "72")
}

fn set_lines(engine: &Engine, msns: &str, state: &str) {
    let change = format!(r#"{{"msns":["{msns}"],"state":"{state}"}}"#);
    engine.admin().request("PUT", "/network/lines", &change);
}

fn full_for() -> Duration {
    let told = std::env::var("HAYAUMA_TEST_FULL_DEVICE_SECONDS").ok();
    told.and_then(|told| told.parse().ok()).map_or(FULL_FOR, Duration::from_secs)
}

/// Fills the device again and again, and holds what must be true of a full one.
fn stay_full(device: &SmallDevice, engine: &Engine, load: &Load, recorder: &Recorder) {
    let mut connection = engine.connect();
    let before = load.full();
    // Their phones come back now, and their attempts within two seconds: on a full device no act
    // of an operator is taken, for it could not be audited.
    for at in (0..QUIET_HELD).step_by(3) {
        set_lines(engine, &msn(QUIET_PHONE + at + 1), "home");
    }
    wait::until_true("pushes refused for want of room", || {
        device.fill_up();
        load.full() > before + 1_000
    });
    let (begun, accepted) = (Instant::now(), load.count());
    for at in (0..QUIET_HELD).step_by(3) {
        device.fill_up();
        // What was accepted is known, can be withdrawn, and is delivered.
        check_code(&mut connection, &quiet_push(at), "0001");
        let cancel = Body::cancel(&msn(QUIET_PHONE + at), &format!("quiet-{at}"));
        check_code(&mut connection, &cancel.with("svcid", QUIET), "0000");
        recorder.await_about(&format!("quiet-{at}"), 1);
        let delivered = recorder.await_about(&format!("quiet-{}", at + 1), 1);
        assert_eq!(delivered[0].gist(), ("0301", "0000"));
    }
    while begun.elapsed() < full_for() {
        device.fill_up();
        std::thread::park_timeout(Duration::from_millis(100));
    }
    println!(
        "full for {:?}: {} refused, {} accepted meanwhile",
        begun.elapsed(),
        load.full() - before,
        load.count() - accepted
    );
}

#[track_caller]
fn check_code(connection: &mut Connection, body: &Body, code: &str) {
    let answer = connection.ask(&body.request());
    assert_eq!(answer.code(), code, "{answer:?}");
}

/// A billing command where the device is mounted.
fn billing(device: &SmallDevice, program: &std::ffi::OsStr, arguments: &[&str]) -> Finished {
    let mut command = device.command();
    command.arg(program).arg("billing").args(arguments);
    command.arg("--data-dir").arg(device.data_dir());
    Finished::of(command, "billing")
}

#[test]
fn a_device_that_is_full_for_some_time_at_full_load_costs_neither_service_nor_books() {
    let recorder = Recorder::start();
    let mut site = site();
    site.add_client(XPID, &[]);
    site.add_client(QUIET, &["--notify-url", &recorder.url()]);
    for xpid in [XPID, QUIET] {
        site.add_contracts(xpid, &["09000000000-09000019999"]);
    }
    site.set("--durability", "process").set("--segment-bytes", "1MiB").set("--queue-bytes", "1GiB");
    site.set("--pushes-max", "1000000").shards(1);
    let absent = format!("{}-{}", msn(0), msn(ABSENT_PHONES - 1));
    let quiet = format!("{}-{}", msn(QUIET_PHONE), msn(QUIET_PHONE + QUIET_HELD - 1));
    site.set_lines(&[(absent.as_str(), "absent"), (quiet.as_str(), "absent")]);
    let Some(device) = SmallDevice::with_data_of(&site, MEBIBYTES) else { return };
    let engine = site.start_command(device.serve(&site));
    let mut connection = engine.connect();
    for number in 0..QUIET_HELD {
        check_code(&mut connection, &quiet_push(number), "0000");
    }
    let load = Load::new(PUSHES_MAX, push);
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| load.send(engine.push_address()));
        }
        let _ended = load.ends_with_this();
        load.await_more(2_000);
        stay_full(&device, &engine, &load, &recorder);
        std::fs::remove_file(device.path("ballast")).expect("the ballast");
        load.await_more(5_000);
    });
    for phones in [&absent, &quiet] {
        set_lines(&engine, phones, "home");
    }
    wait::until_within(EMPTIED_WITHIN, "an empty queue", || {
        (engine.admin().figure("pushes_live") == 0).then_some(())
    });
    wait::until_true("books", || engine.admin().figure("billing_events_owed") == 0);
    let program = site.command::<&str>(&[]).get_program().to_owned();
    let accepted = load.count() + QUIET_HELD;
    // The engine still runs.
    wait::until_true("books that add up", || {
        billing(&device, &program, &["reconcile"]).status == Some(0)
    });
    let proof = billing(&device, &program, &["reconcile"]).stdout;
    assert!(proof.contains(&format!("accepted {accepted} ")), "{accepted} in {proof}");
    engine.stop();
    let proof = billing(&device, &program, &["reconcile"]);
    assert_eq!(proof.status, Some(0), "{proof:?}");
    let days = [-1, 0, 1].map(day_in);
    let bills = days.map(|day| Bill::read(&billing(&device, &program, &["day", &day]).stdout));
    let sum = |column| bills.iter().map(|bill| bill.sum(XPID, column)).sum::<u64>();
    assert_eq!((sum("accepted"), sum("delivered")), (load.count(), load.count()));
    assert_eq!(sum("rejected"), load.refused(), "each refused request is counted");
}
