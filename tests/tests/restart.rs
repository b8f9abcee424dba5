//! An orderly stop and the second start: nothing half done is cut off, and everything is found
//! again.

use std::time::{Duration, Instant};
use tests::bill::Bill;
use tests::engine::Engine;
use tests::http::Connection;
use tests::load::Load;
use tests::push::{Body, XPID};
use tests::recorder::{Recorder, Reply};
use tests::site::Site;
use tests::wait;

const MSN: &str = "09012345678";
const OTHER_XPID: &str = "00100000002";

/// One of the contracted range.
fn msn(number: u64) -> String {
    format!("{:011}", 9_000_000_000 + number)
}

fn site(recorder: &Recorder) -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_contracts(XPID, &[MSN, "09000000000-09000000999"]);
    site
}

#[track_caller]
fn ask(engine: &Engine, body: &Body) -> String {
    engine.connect().ask(&body.request()).code()
}

#[test]
fn a_second_start_finds_registrations_contracts_and_keys() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.shards(2);
    let engine = site.start();
    // Changed while it runs.
    site.add_client(
        OTHER_XPID,
        &["--token-file", &site.token_file("secret"), "--class", "emergency"],
    );
    site.add_contracts(OTHER_XPID, &[MSN]);
    let push = |number: u64| Body::push(&msn(number), &format!("key-{number}"));
    for number in 0..50 {
        assert_eq!(ask(&engine, &push(number)), "0000");
    }
    recorder.await_count(50);
    let before = site.must(&["client", "list", "--json"]);
    engine.stop();
    let engine = site.start();
    assert_eq!(site.must(&["client", "list", "--json"]), before);
    for number in 0..50 {
        assert_eq!(ask(&engine, &push(number)), "0001", "the key of an ended push is remembered");
        assert_eq!(ask(&engine, &push(number).with("data", "00")), "3001");
        assert_eq!(ask(&engine, &Body::cancel(&msn(number), &format!("key-{number}"))), "3003");
    }
    let other = Body::push(MSN, "other").with("svcid", OTHER_XPID).with("comway", "1103");
    let answer = engine.connect().ask(&other.request_with_token("secret"));
    assert_eq!(answer.code(), "0000");
    assert_eq!(engine.connect().ask(&other.request()).code(), "2001");
    engine.stop();
    assert_eq!(recorder.notices().len(), 50, "nothing is told again");
}

#[test]
fn undelivered_pushes_go_on_after_a_restart_and_reach_a_line_that_came_home() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.set_lines(&[("09000000000-09000000019", "absent")]);
    let engine = site.start();
    let push = |number: u64| {
        let text = "\u{5730}\u{9707}".repeat(1 + number as usize * 5);
        Body::text(&msn(number), &format!("waits-{number}"), &text)
    };
    for number in 0..20 {
        assert_eq!(ask(&engine, &push(number)), "0000");
    }
    assert_eq!(ask(&engine, &Body::cancel("09000000007", "waits-7")), "0000");
    recorder.await_about("waits-7", 1);
    engine.stop();
    // Still absent at the second start, at home at the third.
    let engine = site.start();
    wait::until_true("19 pushes that wait", || engine.admin().figure("pushes_live") == 19);
    assert_eq!(ask(&engine, &push(3)), "0001");
    assert_eq!(ask(&engine, &Body::cancel("09000000007", "waits-7")), "3004");
    assert_eq!(ask(&engine, &Body::cancel("09000000008", "waits-8")), "0000");
    recorder.await_about("waits-8", 1);
    engine.stop();
    site.set_lines(&[("09000000000-09000000019", "home")]);
    let engine = site.start();
    let notices = recorder.await_count(20);
    for number in 0..20 {
        let reqid = format!("waits-{number}");
        let of_push: Vec<_> =
            notices.iter().filter(|notice| notice.get("reqid") == reqid).collect();
        let [notice] = &of_push[..] else { panic!("{reqid}: {of_push:?}") };
        let expected = if [7, 8].contains(&number) { ("0401", "0000") } else { ("0301", "0000") };
        assert_eq!(notice.gist(), expected, "{reqid}");
        let segments = notice.get("sepmaxnum");
        let delivered = if expected.0 == "0401" { "0" } else { segments };
        assert_eq!(notice.get("dlvnum"), delivered, "{reqid}");
    }
    engine.stop();
    let bill = Bill::of_these_days(&site);
    assert_eq!(
        ["accepted", "delivered", "cancelled"].map(|column| bill.sum(XPID, column)),
        [20, 18, 2]
    );
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

//= TS 23.040 3.2.1
#[test]
fn a_lifetime_that_ends_while_the_engine_is_down_has_ended_at_the_start() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.set_lines(&[(MSN, "absent")]);
    let engine = site.start();
    let push = Body::push(MSN, "over").with("expiry", &tests::push::expiry_in(2));
    assert_eq!(ask(&engine, &push), "0000");
    let accepted = Instant::now();
    wait::until_true("an attempt", || engine.admin().figure("holds") == 1);
    engine.stop();
    wait::until_true("the end of its lifetime", || accepted.elapsed() > Duration::from_secs(2));
    let engine = site.start();
    let notices = recorder.await_about("over", 1);
    assert_eq!(notices[0].get("code"), "6006", "what held it is remembered");
    engine.stop();
}

#[test]
fn held_pushes_wait_on_over_a_kill_and_are_not_attempted_at_the_start() {
    const PUSHES: u64 = 400;
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.set_lines(&[("09000000000-09000000999", "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..PUSHES {
        let push = Body::push(&msn(number), &format!("held-{number}")).with("lifetime", "72");
        connection.send(&push.request());
    }
    for number in 0..PUSHES {
        assert_eq!(connection.answer().code(), "0000", "push {number}");
    }
    wait::until_true("all of them held", || engine.admin().figure("holds") == PUSHES);
    engine.admin().await_durable();
    let shown = |number: u64| {
        let said = site.must(&["push", "show", &msn(number), &format!("held-{number}")]);
        let now = said.lines().last().unwrap_or_default();
        // Timers have ticks: the time is the same to the minute.
        now[34..now.rfind('.').map_or(now.len(), |point| point - 3)].to_owned()
    };
    let before = [0, 7, PUSHES - 1].map(shown);
    assert!(
        before.iter().all(|now| now.contains("absent") && now.contains("again 2")),
        "{before:?}"
    );
    engine.kill();
    let engine = site.start();
    wait::until_true("all of them wait", || engine.admin().figure("pushes_live") == PUSHES);
    assert_eq!(
        [0, 7, PUSHES - 1].map(shown),
        before,
        "when they are tried again, and why they wait"
    );
    assert_eq!(engine.admin().figure("attempts"), 0, "their time has not come");
    // Who waited and was not under way is withdrawn for certain.
    assert_eq!(ask(&engine, &Body::cancel(&msn(7), "held-7")), "0000");
    let notices = recorder.await_about("held-7", 1);
    assert_eq!((notices[0].gist(), notices[0].get("cnclnum")), (("0401", "0000"), "1"));
    engine.stop();
}

#[test]
fn notifications_of_a_phone_leave_in_the_order_of_the_ends_over_a_kill() {
    const PUSHES: u64 = 60;
    let address = tests::ports::free_address();
    let deaf = Recorder::start_at(address, |_| Reply::Status(503, None));
    let mut site = site(&deaf);
    site.set_lines(&[(MSN, "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..PUSHES {
        let push = Body::push(MSN, &format!("order-{number}")).with("lifetime", "72");
        assert_eq!(connection.ask(&push.request()).code(), "0000");
    }
    // The last one first, and many of them within a millisecond.
    for number in (0..PUSHES).rev() {
        connection.send(&Body::cancel(MSN, &format!("order-{number}")).request());
    }
    for _ in 0..PUSHES {
        assert_eq!(connection.answer().code(), "0000");
    }
    engine.admin().await_durable();
    engine.kill();
    drop(deaf);
    let recorder = Recorder::start_at(address, |_| Reply::Acknowledge);
    let engine = site.start();
    let notices = recorder.await_count(PUSHES as usize);
    let told: Vec<&str> = notices.iter().map(|notice| notice.get("reqid")).collect();
    let ended: Vec<String> = (0..PUSHES).rev().map(|number| format!("order-{number}")).collect();
    assert_eq!(told, ended);
    engine.stop();
}

#[test]
fn pending_notifications_are_sent_after_a_restart() {
    let address = tests::ports::free_address();
    let site = {
        let recorder = Recorder::start_at(address, |_| Reply::Acknowledge);
        site(&recorder)
    };
    let engine = site.start();
    for number in 0..30 {
        assert_eq!(ask(&engine, &Body::push(&msn(number), &format!("told-{number}"))), "0000");
    }
    wait::until_true("30 deliveries", || engine.admin().figure("pushes_delivered") == 30);
    engine.stop();
    let engine = site.start();
    wait::until_true("30 that wait", || engine.admin().figure("pushes_live") == 30);
    engine.kill();
    let recorder = Recorder::start_at(address, |_| Reply::Acknowledge);
    let engine = site.start();
    let notices = recorder.await_count(30);
    assert!(notices.iter().all(|notice| notice.gist() == ("0301", "0000")), "{notices:?}");
    wait::until_true("nothing left", || engine.admin().figure("pushes_live") == 0);
    engine.stop();
    let engine = site.start();
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    engine.stop();
    assert_eq!(recorder.notices().len(), 30, "what was acknowledged is not told again");
}

#[test]
fn a_volume_that_was_used_up_stays_so_over_a_restart() {
    let recorder = Recorder::start();
    let site = site(&recorder);
    site.add_client(OTHER_XPID, &["--volume", "3"]);
    site.add_contracts(OTHER_XPID, &[MSN]);
    let push = |number: u32| Body::push(MSN, &format!("volume-{number}")).with("svcid", OTHER_XPID);
    let engine = site.start();
    for number in 0..3 {
        assert_eq!(ask(&engine, &push(number)), "0000");
    }
    assert_eq!(ask(&engine, &push(3)), "2007");
    engine.stop();
    let engine = site.start();
    assert_eq!(ask(&engine, &push(4)), "2007");
    engine.stop();
}

#[test]
fn sigterm_answers_what_was_asked_finishes_attempts_and_ends_with_0() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.set("--network-latency-ms", "300").set("--network-latency-jitter-ms", "0").shards(2);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..200 {
        connection.send(&Body::push(&msn(number), &format!("drain-{number}")).request());
    }
    for number in 0..200 {
        assert_eq!(connection.answer().code(), "0000", "push {number}");
    }
    wait::until_true("attempts", || engine.admin().figure("attempts_in_flight") > 100);
    let begun = Instant::now();
    engine.ask_to_stop();
    let status = engine.wait();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(8), "a drain of {:?}", begun.elapsed());
    assert!(connection.is_closed_by_peer(), "a kept connection ends with the engine");
    assert!(Connection::try_open(site.push_address()).is_err(), "nobody listens any more");
    let delivered = Bill::of_these_days(&site).sum(XPID, "delivered");
    assert!(delivered > 100, "attempts that were under way came to their end: {delivered}");
    let engine = site.start();
    recorder.await_count(200);
    wait::until_true("the figures", || engine.admin().figure("notifications_acknowledged") > 0);
    assert_eq!(
        engine.admin().figure("attempts"),
        200 - delivered,
        "what was delivered is not delivered again"
    );
    wait::until_true("nothing left", || engine.admin().figure("pushes_live") == 0);
    engine.stop();
    assert_eq!(recorder.notices().len(), 200, "each push is told once over the stop");
}

#[test]
fn the_admin_port_stops_the_engine_too() {
    let recorder = Recorder::start();
    let site = site(&recorder);
    let engine = site.start();
    assert_eq!(ask(&engine, &Body::push(MSN, "stop")), "0000");
    engine.admin().request("POST", "/stop", "");
    assert!(engine.wait().success());
}

#[test]
fn a_stop_does_not_wait_for_a_push_client_that_never_answers() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.set("--drain-timeout-ms", "1000");
    // Takes connections and says nothing.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", deaf.local_addr().expect("a bound listener"));
    site.must(&["client", "set", XPID, "--notify-url", &url]);
    let engine = site.start();
    assert_eq!(ask(&engine, &Body::push(MSN, "deaf")), "0000");
    wait::until_true("a delivery", || engine.admin().figure("pushes_delivered") == 1);
    let begun = Instant::now();
    engine.stop();
    assert!(begun.elapsed() < Duration::from_secs(6), "a stop of {:?}", begun.elapsed());
    site.must(&["client", "set", XPID, "--notify-url", &recorder.url()]);
    let engine = site.start();
    assert_eq!(recorder.await_about("deaf", 1)[0].gist(), ("0301", "0000"));
    engine.stop();
}

/// Loads an engine with so many pushes that wait for absent phones.
fn fill(engine: &Engine, pushes: usize) {
    let load = Load::new(pushes, |number| {
        Body::push(&msn(number), &format!("queued-{number}")).with("lifetime", "72")
    });
    std::thread::scope(|scope| {
        (0..2).for_each(|_| drop(scope.spawn(|| load.send(engine.push_address()))));
    });
    // A slow device has refused some: they come again.
    wait::until_true("half of them are queued", || {
        let is_enough = load.acked().len() > pushes / 2;
        if !is_enough {
            load.send_again(engine.push_address());
        }
        is_enough
    });
}

#[test]
fn the_first_pushes_after_a_start_with_a_large_queue_are_taken() {
    const PUSHES: usize = 40_000;
    let mut site = site(&Recorder::start());
    site.set_lines(&[("09000000000-09000099999", "absent")]);
    site.add_contracts(XPID, &["09000001000-09000099999"]);
    let engine = site.start();
    fill(&engine, PUSHES);
    engine.stop();
    // The queue moves into new journals, whose reserve is not on the device yet.
    let engine = site.shards(2).start();
    let mut connection = engine.connect();
    for number in 0..200 {
        let push = Body::push(&msn(50_000 + number), &format!("first-{number}"));
        assert_eq!(connection.ask(&push.request()).code(), "0000", "push {number}");
    }
    engine.stop();
}
