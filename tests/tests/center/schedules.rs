//! Absent subscribers: tried again by the schedule, expired by the lifetime.

use super::{accepted, await_figure, msn, set_lines, site};
use std::time::{Duration, Instant};
use tests::push::{Body, expiry_in};
use tests::recorder::Recorder;

//= TS 23.040 3.2.1
#[test]
fn an_absent_subscriber_is_tried_again_by_the_schedule_until_the_lifetime_is_over() {
    let recorder = Recorder::start();
    // An hour takes a second: attempts follow after 5, 10, 20 minutes and so on, which is 83, 167
    // and 333 ms.
    let mut site = site(&recorder, 3_600);
    site.set_lines(&[(msn(0), "absent")]);
    let engine = site.start();
    let begun = Instant::now();
    accepted(&engine.connect().ask(&Body::push(&msn(0), "absent").request()));
    let notices = recorder.await_about("absent", 1);
    assert!(
        notices[0].at - begun >= Duration::from_millis(990),
        "expired after {:?}",
        notices[0].at - begun
    );
    assert_eq!(notices[0].gist(), ("0301", "6006"));
    assert_eq!((notices[0].get("dlvnum"), notices[0].get("tpst")), ("0", "46"));
    // The journal and the notification speak of real time.
    let ended = notices[0].get("cmptime");
    assert!(*ended <= *expiry_in(1) && *ended >= *expiry_in(-30), "{ended}");
    // 0, 5, 15 and 35 minutes after acceptance, ±20 %: the next one would come after the hour.
    await_figure(&engine, "pushes_live", 0);
    let attempts = engine.admin().figure("attempts");
    assert!((3..=5).contains(&attempts), "{attempts} attempts");
    assert_eq!(engine.admin().figure("holds"), attempts);
    engine.stop();
}

#[test]
fn a_subscriber_that_comes_back_unnoticed_is_found_by_the_schedule() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, 600);
    site.set_lines(&[(msn(0), "absent-after-accept")]);
    let engine = site.start();
    accepted(&engine.connect().ask(&Body::push(&msn(0), "found").with("lifetime", "72").request()));
    tests::wait::until_true("two attempts", || engine.admin().figure("holds") >= 2);
    set_lines(&site, "home", &[&msn(0)]);
    assert_eq!(recorder.await_about("found", 1)[0].gist(), ("0301", "0000"));
    engine.stop();
}

#[test]
fn a_real_expiry_stays_real_however_fast_the_schedules_run() {
    let recorder = Recorder::start();
    // 72 hours take three seconds.
    let mut site = site(&recorder, 86_400);
    site.set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    let long =
        Body::push(&msn(0), "lifetime").with("lifetime", "72").with("expiry", &expiry_in(3_600));
    let short = Body::push(&msn(1), "expiry").with("lifetime", "72").with("expiry", &expiry_in(2));
    let begun = Instant::now();
    for push in [&long, &short] {
        accepted(&connection.ask(&push.request()));
    }
    for (reqid, least_ms) in [("expiry", 900), ("lifetime", 2_900)] {
        let notices = recorder.await_about(reqid, 1);
        assert_eq!(notices[0].gist(), ("0301", "6006"), "{reqid}");
        let took = notices[0].at - begun;
        assert!(took >= Duration::from_millis(least_ms), "{reqid} expired after {took:?}");
    }
    let told = |reqid| recorder.about(reqid)[0].at;
    assert!(told("expiry") < told("lifetime"), "the real expiry of two seconds came first");
    engine.stop();
}

#[test]
fn a_rehearsal_is_refused_where_there_was_real_traffic() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, 60);
    site.unset("--rehearsal-time-scale");
    site.start().stop();
    let finished = site.serve_and_fail(&["--rehearsal-time-scale", "60"]);
    assert!(finished.refusal().contains("has served real traffic"), "{finished:?}");
    let finished = site.serve_and_fail(&["--rehearsal-time-scale", "100000"]);
    assert!(finished.refusal().contains("out of range"), "{finished:?}");
    let engine = site.start();
    assert!(!engine.log().contains("REHEARSAL"), "{}", engine.log());
    engine.stop();
}
