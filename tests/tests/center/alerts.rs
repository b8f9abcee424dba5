//! The network says that a subscriber is back, or has memory again.

use super::{accepted, await_figure, check_sooner, msn, set_lines, site};
use std::time::{Duration, Instant};
use tests::push::Body;
use tests::recorder::Recorder;

/// A schedule that is twenty times as fast: the alert's jitter takes 100 ms at most, the first
/// retry of an absent subscriber comes after 12 s at the earliest.
const SCALE: u64 = 20;
const BEFORE_ANY_RETRY: Duration = Duration::from_secs(10);

//= TS 23.040 3.2.7
//= delivery retry alert
#[test]
fn an_absent_subscriber_who_comes_back_gets_the_whole_queue_in_order_at_once() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, SCALE);
    site.set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    let begun = Instant::now();
    let reqids = ["first", "second", "third"];
    for reqid in reqids {
        accepted(&connection.ask(&Body::push(&msn(0), reqid).with("lifetime", "24").request()));
    }
    accepted(
        &connection.ask(&Body::push(&msn(1), "still-absent").with("lifetime", "24").request()),
    );
    tests::wait::until_true("both lines held", || engine.admin().figure("holds") == 2);
    assert_eq!(
        engine.admin().figure("attempts"),
        2,
        "what waits behind an absent head asks nobody"
    );
    set_lines(&site, "home", &[&msn(0)]);
    let notices = recorder.await_count(3);
    check_sooner(begun, BEFORE_ANY_RETRY);
    let order: Vec<&str> = notices.iter().map(|notice| notice.get("reqid")).collect();
    assert_eq!(order, reqids);
    assert!(notices.iter().all(|notice| notice.gist() == ("0301", "0000")), "{notices:?}");
    // One more for each, none for the line that is still absent.
    await_figure(&engine, "attempts", 5);
    engine.stop();
}

//= TS 23.040 3.2.7
#[test]
fn a_terminal_with_memory_again_gets_what_waits() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, SCALE);
    site.set_lines(&[(msn(0), "memory-full")]);
    let engine = site.start();
    let begun = Instant::now();
    accepted(&engine.connect().ask(&Body::text(&msn(0), "full", &"a".repeat(400)).request()));
    tests::wait::until_true("a hold", || engine.admin().figure("holds") == 1);
    set_lines(&site, "home", &[&msn(0)]);
    let notices = recorder.await_about("full", 1);
    check_sooner(begun, BEFORE_ANY_RETRY);
    assert_eq!((notices[0].gist(), notices[0].get("dlvnum")), (("0301", "0000"), "3"));
    engine.stop();
}

#[test]
fn what_waited_when_the_engine_was_killed_is_delivered_after_its_restart() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, SCALE);
    site.set_lines(&[(msn(0), "absent")]);
    let engine = site.start();
    accepted(
        &engine.connect().ask(&Body::push(&msn(0), "survivor").with("lifetime", "24").request()),
    );
    tests::wait::until_true("a hold", || engine.admin().figure("holds") == 1);
    engine.kill();
    let engine = site.start();
    tests::wait::until_true("held again", || engine.admin().figure("holds") == 1);
    set_lines(&site, "home", &[&msn(0)]);
    assert_eq!(recorder.await_about("survivor", 1)[0].gist(), ("0301", "0000"));
    engine.stop();
}
