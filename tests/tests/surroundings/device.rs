//! A device that fails or is full.

use super::{MSN, check_refusal, site, site_with_client};
use std::process::Command;
use std::time::{Duration, Instant};
use tests::engine::Finished;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::small_device::{SmallDevice, TAKEN};

#[test]
fn a_sync_that_fails_answers_9002_and_ends_the_engine_with_its_own_status() {
    let mut site = site_with_client();
    site.set("--durability", "power").inject("sync-failure=6");
    // Nothing but the pushes is journalled, so that each sync is waited for by a push client.
    site.set_lines(&[(MSN, "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    let mut accepted = 0;
    let last = loop {
        let answer = connection.ask(&Body::push(MSN, &format!("sync-{accepted}")).request());
        if answer.code() != "0000" {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 100, "the sync does not fail");
    };
    assert_eq!((last.status(), last.code().as_str()), (500, "9002"), "{last:?}");
    let log = engine.log();
    let status = engine.wait();
    assert_eq!(status.code(), Some(20), "{log}");
    let log = std::fs::read_to_string(site.path("engine.log")).expect("a log");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(
        log.starts_with("hayauma: ") && log.contains("durable") && log.contains("0000"),
        "{log}"
    );
    site.inject_nothing();
    let engine = site.start();
    for number in 0..accepted {
        let answer = engine.connect().ask(&Body::push(MSN, &format!("sync-{number}")).request());
        assert_eq!(answer.code(), "0001", "what was answered 0000 is there");
    }
    engine.stop();
}

/// Asks an engine to stop; how long that took, its status and its log.
fn stop(site: &Site, engine: tests::engine::Engine) -> (Duration, Option<i32>, String) {
    let begun = Instant::now();
    engine.ask_to_stop();
    let status = engine.wait();
    let log = std::fs::read_to_string(site.path("engine.log")).expect("a log");
    (begun.elapsed(), status.code(), log)
}

#[test]
fn a_stop_waits_for_a_sync_that_never_ends_no_longer_than_a_drain_may_take_and_says_so() {
    let mut site = site_with_client();
    site.set("--drain-timeout-ms", "500").set("--durability", "power");
    site.set_lines(&[(MSN, "absent")]);
    let push = |number: u32| Body::push(MSN, &format!("hang-{number}")).request();
    let engine = site.start();
    assert_eq!(engine.connect().ask(&push(0)).code(), "0000");
    engine.stop();
    // Each sync of this one hangs: whatever is appended and not durable stays so.
    site.inject("sync-hangs=1");
    let engine = site.start();
    let mut connection = engine.connect();
    connection.send(&[push(1), push(2), push(3)].concat());
    tests::wait::until_true("a commit that hangs", || {
        let totals = engine.admin().status().totals;
        totals["journal_appended"] > totals["journal_durable"]
    });
    let (took, status, log) = stop(&site, engine);
    assert_eq!(status, Some(20), "{log}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(log.contains("500 ms") && log.contains("has not answered a write to the journal"));
    site.inject_nothing();
    let engine = site.start();
    assert_eq!(engine.connect().ask(&push(0)).code(), "0001");
    engine.stop();
}

#[test]
fn a_stop_waits_for_a_billing_file_that_never_opens_no_longer_than_a_drain_may_take() {
    let mut site = site_with_client();
    site.set("--drain-timeout-ms", "500").set("--log", "warn");
    // Whoever opens one of these and reads it waits for ever, as on a device that does not answer.
    let days = [-1, 0, 1].map(tests::push::day_in);
    let engine = site.start();
    let files = days.map(|day| site.data_dir().join(format!("shard-000/billing/events-{day}.bin")));
    for file in &files {
        assert!(Command::new("mkfifo").arg(file).status().expect("coreutils").success());
    }
    for number in 0..3 {
        let push = Body::push(MSN, &format!("hang-{number}")).request();
        assert_eq!(engine.connect().ask(&push).code(), "0000");
    }
    tests::wait::until_true("ends", || engine.admin().figure("pushes_live") == 0);
    let (took, status, log) = stop(&site, engine);
    assert_eq!(status, Some(17), "{log}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(log.contains("6 wait in the journal") && log.contains("does not answer"), "{log}");
    files.iter().for_each(|file| std::fs::remove_file(file).expect("a FIFO"));
    site.start().stop();
    let proof = site.must(&["billing", "reconcile"]);
    assert!(proof.contains("accepted 3 ") && proof.contains("the books add up"), "{proof}");
}

#[test]
fn a_bug_ends_the_engine_with_one_line_and_costs_nothing_accepted() {
    let mut site = site_with_client();
    site.inject("panic=3");
    let engine = site.start();
    let push = |number: u32| Body::push(MSN, &format!("bug-{number}")).request();
    for number in 0..2 {
        assert_eq!(engine.connect().ask(&push(number)).code(), "0000");
    }
    let mut connection = engine.connect();
    connection.send(&push(2));
    assert!(connection.is_closed_by_peer());
    assert_eq!(engine.wait().code(), Some(23));
    let log = std::fs::read_to_string(site.path("engine.log")).expect("a log");
    assert!(
        log.lines().count() == 1 && log.contains("a rehearsed panic") && !log.contains("panicked"),
        "{log}"
    );
    site.inject_nothing();
    let engine = site.start();
    for (number, code) in [(0, "0001"), (1, "0001"), (2, "0000")] {
        assert_eq!(engine.connect().ask(&push(number)).code(), code);
    }
    engine.stop();
}

#[test]
fn a_full_device_is_told_at_the_start() {
    let site = site();
    let Some(device) = shared_device(&site, 8) else { return };
    let finished = Finished::of(device.serve(&site), "serve on a small device");
    check_refusal("a full device", &finished, 17, &["MiB free", "--data-dir"]);
}

#[test]
fn a_device_that_fills_up_refuses_pushes_and_goes_on_with_what_it_has() {
    let mut site = site();
    // Room for the queue is asked for that the device does not have.
    site.set("--queue-bytes", "1GiB").set("--segment-bytes", "4MiB").set("--demo", "true");
    site.set("--network-default-line-state", "absent").set("--durability", "process");
    let Some(device) = shared_device(&site, 64) else { return };
    let engine = site.start_command(device.serve(&site));
    let mut connection = engine.connect();
    let text = "a".repeat(1_500);
    let push = |number: u64| {
        Body::text(&format!("{:011}", 9_000_000_000 + number), &format!("fill-{number}"), &text)
    };
    let mut accepted = 0;
    let refused = loop {
        let answer = connection.ask(&push(accepted).request());
        match answer.code().as_str() {
            "0000" => accepted += 1,
            // The next segment is being made, or cannot be made: the same push again says which.
            "8002" => {}
            _ => break answer,
        }
        assert!(accepted < 60_000, "so little room holds no {accepted} pushes of ten segments");
    };
    assert_eq!((refused.status(), refused.code().as_str()), (503, "8003"), "{refused:?}");
    assert!(accepted > 1_000, "{accepted}");
    assert!(refused.header("Retry-After").is_some());
    for number in [0, accepted / 2, accepted - 1] {
        assert_eq!(connection.ask(&push(number).request()).code(), "0001");
        let cancel =
            Body::cancel(&format!("{:011}", 9_000_000_000 + number), &format!("fill-{number}"));
        assert_eq!(
            connection.ask(&cancel.request()).code(),
            "0000",
            "what follows from an accepted push has room"
        );
    }
    // Somebody makes room on the device: it is used without a restart.
    std::fs::remove_file(device.path(TAKEN)).expect("what somebody else has taken");
    let before = accepted;
    tests::wait::until_true("pushes accepted again", || {
        match connection.ask(&push(accepted).request()).code().as_str() {
            "0000" => accepted += 1,
            "8002" | "8003" => {}
            other => panic!("{other}"),
        }
        accepted > before + 2_000
    });
    engine.stop();
}

#[test]
fn a_full_budget_refuses_pushes_finishes_what_it_has_and_uses_again_what_that_frees() {
    let recorder = Recorder::start();
    let mut site = site();
    site.add_client(XPID, &["--notify-url", &recorder.url(), "--notify-depth", "16"]);
    site.add_contracts(XPID, &["09000000000-09000000999"]);
    site.set("--queue-bytes", "6MiB")
        .set("--segment-bytes", "256KiB")
        .set("--durability", "process");
    site.set("--network-default-line-state", "absent");
    let engine = site.start();
    let mut connection = engine.connect();
    let text = "a".repeat(1_500);
    let msn = |number: u64| format!("{:011}", 9_000_000_000 + number % 1_000);
    let push = |number: u64| Body::text(&msn(number), &format!("budget-{number}"), &text);
    let fill = |connection: &mut tests::http::Connection, next: &mut u64| {
        let first = *next;
        loop {
            let answer = connection.ask(&push(*next).request());
            match answer.code().as_str() {
                "0000" => *next += 1,
                "8002" => {}
                "8003" => {
                    assert_eq!(
                        (answer.status(), answer.header("Retry-After").is_some()),
                        (503, true)
                    );
                    return *next - first;
                }
                other => panic!("{other}"),
            }
        }
    };
    let mut next = 0;
    let taken = fill(&mut connection, &mut next);
    assert!(taken > 500, "{taken} pushes fit into 6 MiB");
    let journal = site.data_dir().join("shard-000").join("journal");
    let octets = || -> u64 {
        let files = std::fs::read_dir(&journal).expect("a journal");
        files.filter_map(|file| file.ok()?.metadata().ok()).map(|metadata| metadata.len()).sum()
    };
    assert!(octets() <= (6 << 20) + (512 << 10), "{} octets on the device", octets());
    // What was accepted goes on: repeats are known, and each push can be withdrawn, which takes
    // records of its own.
    for number in 0..taken {
        assert_eq!(connection.ask(&push(number).request()).code(), "0001");
        let cancel = Body::cancel(&msn(number), &format!("budget-{number}"));
        assert_eq!(connection.ask(&cancel.request()).code(), "0000", "push {number}");
    }
    tests::wait::until_true("an empty queue", || engine.admin().figure("pushes_live") == 0);
    // Their keys stay for a day; all the rest of the room comes back, without a restart.
    let mut again = 0;
    tests::wait::until_true("room", || {
        again += fill(&mut connection, &mut next);
        again > taken / 2
    });
    assert!(octets() <= (6 << 20) + (512 << 10), "{} octets on the device", octets());
    engine.stop();
}

#[test]
fn a_start_on_a_full_device_delivers_what_was_accepted_and_accepts_again_when_there_is_room() {
    check_start_on_full_device(tests::engine::Engine::kill);
}

#[test]
fn a_stop_leaves_a_directory_that_starts_on_a_full_device_too() {
    check_start_on_full_device(tests::engine::Engine::stop);
}

#[test]
fn another_number_of_shards_on_a_full_device_is_refused_and_the_old_number_named() {
    let mut site = site_with_client();
    site.set("--durability", "process").set("--network-default-line-state", "absent");
    site.shards(1);
    let Some(device) = SmallDevice::with_data_of(&site, 48) else { return };
    let engine = site.start_command(device.serve(&site));
    let push = |number: usize| Body::push(MSN, &format!("layout-{number}")).request();
    for number in 0..3 {
        assert_eq!(engine.connect().ask(&push(number)).code(), "0000");
    }
    engine.stop();
    device.fill_up();
    site.shards(2);
    let finished = Finished::of(device.serve(&site), "serve with two shards");
    check_refusal("a full device", &finished, 17, &["2 shards", "--shards 1", "free space"]);
    site.shards(1);
    let engine = site.start_command(device.serve(&site));
    for number in 0..3 {
        assert_eq!(engine.connect().ask(&push(number)).code(), "0001");
    }
    engine.stop();
}

#[test]
fn a_device_that_the_engines_own_spares_fill_takes_billing_events_all_the_same() {
    const PUSHES: u64 = 8_000;
    let mut site = site();
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &["09000000000-09000009999"]);
    site.set("--durability", "process").set("--segment-bytes", "4MiB").set("--queue-bytes", "1GiB");
    site.shards(1);
    let Some(device) = SmallDevice::with_data_of(&site, 64) else { return };
    let engine = site.start_command(device.serve(&site));
    // A quiet journal has some spares more than it must.
    let journal = device.path("data/shard-000/journal");
    tests::wait::until_true("spares", || {
        let files = std::fs::read_dir(&journal).expect("a journal").flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("segment-")).count() >= 6
    });
    device.fill_up();
    let mut connection = engine.connect();
    for number in 0..PUSHES {
        let push =
            Body::push(&format!("{:011}", 9_000_000_000 + number), &format!("book-{number}"));
        tests::wait::until_true("room", || connection.ask(&push.request()).code() == "0000");
    }
    tests::wait::until_true("an empty queue", || engine.admin().figure("pushes_live") == 0);
    tests::wait::until_true("books", || engine.admin().figure("billing_events_owed") == 0);
    engine.stop();
    let mut reconcile = device.command();
    reconcile.arg(site.command::<&str>(&[]).get_program()).args(["billing", "reconcile"]);
    reconcile.arg("--data-dir").arg(device.data_dir());
    let proved = Finished::of(reconcile, "billing reconcile");
    assert_eq!(proved.status, Some(0), "{proved:?}");
    assert!(proved.stdout.contains(&format!("accepted {PUSHES} ")), "{proved:?}");
}

fn check_start_on_full_device(end: fn(tests::engine::Engine)) {
    const HELD: usize = 40;
    let recorder = Recorder::start();
    let mut site = site();
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_contracts(XPID, &["09000000000-09000099999"]);
    site.set("--durability", "process").set("--network-default-line-state", "absent");
    let Some(device) = SmallDevice::with_data_of(&site, 48) else { return };
    let text = "a".repeat(1_500);
    let push = |number: usize| {
        Body::text(&format!("{:011}", 9_000_000_000 + number), &format!("full-{number}"), &text)
    };
    let engine = site.start_command(device.serve(&site));
    let mut connection = engine.connect();
    for number in 0..HELD {
        assert_eq!(connection.ask(&push(number).request()).code(), "0000");
    }
    end(engine);
    let ballast = device.fill_up();
    site.set("--network-default-line-state", "home");
    let engine = site.start_command(device.serve(&site));
    let mut connection = engine.connect();
    recorder.await_count(HELD);
    // What is on the device already takes some more; then it is full, and the device has nothing to
    // give.
    let mut next = HELD;
    let refused = loop {
        let answer = connection.ask(&push(next).request());
        match answer.code().as_str() {
            "0000" => next += 1,
            "8002" => {}
            _ => break answer,
        }
        assert!(next < 40_000, "so little room holds no {next} pushes");
    };
    assert_eq!((refused.status(), refused.code().as_str()), (503, "8003"), "{refused:?}");
    assert!(refused.header("Retry-After").is_some());
    // However often it refuses, what was accepted is delivered; what that frees is used again.
    let mut refusals = 0;
    let mut ask = |next: &mut usize| match connection.ask(&push(*next).request()).code().as_str() {
        "0000" => *next += 1,
        "8002" | "8003" => refusals += 1,
        other => panic!("{other}"),
    };
    (0..2_000).for_each(|_| ask(&mut next));
    recorder.await_count(next);
    std::fs::remove_file(ballast).expect("the ballast");
    let before = next;
    tests::wait::until_true("pushes accepted again", || {
        ask(&mut next);
        next > before + 1_000
    });
    recorder.await_count(next);
    assert!(refusals > 0);
    engine.stop();
}

/// A device of so many MiB, of which two fifths are somebody else's.
fn shared_device(site: &Site, mebibytes: u32) -> Option<SmallDevice> {
    let device = SmallDevice::with_data_of(site, mebibytes)?;
    device.take(u64::from(mebibytes) * 2 / 5);
    Some(device)
}
