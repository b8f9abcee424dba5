//! Cancellation before, during and after delivery, of one push and of a whole alert.

use super::{accepted, await_figure, check_sooner, msn, set_lines, site};
use std::time::{Duration, Instant};
use tests::push::Body;
use tests::recorder::Recorder;

//= push cancel push
#[test]
fn a_push_that_waits_is_withdrawn_and_never_tried_again() {
    let recorder = Recorder::start();
    // The next attempt would come after 12 s at the earliest: the cancel does not wait for it.
    let mut site = site(&recorder, 20);
    site.set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    for (number, reqid) in [(0, "withdrawn"), (1, "goes-on")] {
        accepted(
            &connection.ask(&Body::push(&msn(number), reqid).with("lifetime", "72").request()),
        );
    }
    tests::wait::until_true("both held", || engine.admin().figure("holds") >= 2);
    let begun = Instant::now();
    accepted(&connection.ask(&Body::cancel(&msn(0), "withdrawn").request()));
    let notices = recorder.await_about("withdrawn", 1);
    check_sooner(begun, Duration::from_secs(8));
    assert_eq!(notices[0].gist(), ("0401", "0000"));
    assert_eq!(["dlvnum", "cnclnum", "tpst"].map(|name| notices[0].get(name)), ["0", "1", "47"]);
    set_lines(&site, "home", &[&msn(0), &msn(1)]);
    assert_eq!(recorder.await_about("goes-on", 1)[0].gist(), ("0301", "0000"));
    await_figure(&engine, "pushes_live", 0);
    let delivered = engine.admin().figure("segments_delivered");
    assert_eq!(
        (delivered, recorder.notices().len()),
        (1, 2),
        "the withdrawn push's line was home too"
    );
    engine.stop();
}

#[test]
fn a_push_of_which_segments_arrived_is_withdrawn_in_part() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, 1);
    // Every attempt is struck from one of its segments on; the next one is minutes away.
    site.unset("--rehearsal-time-scale").set("--network-outcomes", "busy=1");
    let engine = site.start();
    let mut connection = engine.connect();
    let text = "a".repeat(153 * 10);
    for number in 0..10 {
        accepted(
            &connection.ask(&Body::text(&msn(number), &format!("part-{number}"), &text).request()),
        );
    }
    tests::wait::until_true("ten holds", || engine.admin().figure("holds") == 10);
    for number in 0..10 {
        accepted(&connection.ask(&Body::cancel(&msn(number), &format!("part-{number}")).request()));
    }
    let notices = recorder.await_count(10);
    for notice in &notices {
        let [delivered, withdrawn] =
            ["dlvnum", "cnclnum"].map(|name| notice.get(name).parse::<u32>().expect("a number"));
        let code = if delivered == 0 { "0000" } else { "0012" };
        assert_eq!((notice.gist(), delivered + withdrawn), (("0401", code), 10), "{notice:?}");
    }
    assert!(
        notices.iter().any(|notice| notice.get("code") == "0012"),
        "no attempt got anything through"
    );
    engine.stop();
}

#[test]
fn a_cancel_during_the_attempt_loses_the_race_and_one_after_it_is_refused() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, 60);
    site.set("--network-latency-ms", "400").set("--network-latency-jitter-ms", "0");
    let engine = site.start();
    let mut connection = engine.connect();
    accepted(&connection.ask(&Body::push(&msn(0), "race").request()));
    tests::wait::until_true("an attempt", || engine.admin().figure("attempts_in_flight") == 1);
    accepted(&connection.ask(&Body::cancel(&msn(0), "race").request()));
    let notices = recorder.await_about("race", 2);
    let gists: Vec<_> = notices.iter().map(|notice| notice.gist()).collect();
    assert_eq!(gists, [("0301", "0000"), ("0401", "3003")]);
    let late = connection.ask(&Body::cancel(&msn(0), "race").request());
    assert_eq!((late.status(), late.code().as_str()), (409, "3003"));
    engine.stop();
}

//= push cancel push
#[test]
fn a_cancel_during_an_attempt_that_fails_withdraws_the_push() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, 3_600);
    site.set("--network-latency-ms", "400").set("--network-latency-jitter-ms", "0");
    site.set_lines(&[(msn(0), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    accepted(&connection.ask(&Body::push(&msn(0), "race").with("lifetime", "72").request()));
    tests::wait::until_true("an attempt", || engine.admin().figure("attempts_in_flight") == 1);
    accepted(&connection.ask(&Body::cancel(&msn(0), "race").request()));
    let notices = recorder.await_about("race", 1);
    assert_eq!(notices[0].gist(), ("0401", "0000"));
    await_figure(&engine, "pushes_cancelled", 1);
    engine.stop();
}

//= push cancel alert
#[test]
fn after_the_answer_to_a_whole_alerts_cancel_no_shard_begins_an_attempt_of_it() {
    const PHONES: u64 = 60;
    let recorder = Recorder::start();
    // Retries come every few hundred milliseconds on every line.
    let mut site = site(&recorder, 1_000);
    let lines: Vec<(String, &str)> = (0..PHONES).map(|number| (msn(number), "absent")).collect();
    site.set_lines(&lines).shards(2);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..PHONES {
        let push = Body::push(&msn(number), &format!("quake-{number}")).with("lifetime", "72");
        let push = if number < PHONES - 1 {
            push.with("alertid", "quake").with("alertseq", "01")
        } else {
            push
        };
        accepted(&connection.ask(&push.request()));
    }
    tests::wait::until_true("all held", || engine.admin().figure("holds") >= PHONES);
    accepted(&connection.ask(&Body::cancel_alert("quake", "all").request()));
    let again = connection.ask(&Body::cancel_alert("quake", "all").request());
    assert_eq!((again.status(), again.code().as_str()), (200, "0001"), "it was answered before");
    // Everybody is back: whoever still waits is delivered to at once.
    set_lines(&site, "home", &[&format!("{}-{}", msn(0), msn(PHONES - 1))]);
    let notices = recorder.await_count(PHONES as usize);
    let told = |gist| notices.iter().filter(|notice| notice.gist() == gist).count() as u64;
    assert_eq!((told(("0401", "0000")), told(("0301", "0000"))), (PHONES - 1, 1));
    await_figure(&engine, "pushes_live", 0);
    assert_eq!(
        engine.admin().figure("segments_delivered"),
        1,
        "the push that was no part of the alert"
    );
    engine.stop();
}
