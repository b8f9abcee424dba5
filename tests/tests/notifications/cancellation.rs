//! Cancelled and replaced pushes, and their E7 and E5.

use super::{QUIET, accepted, check_form, msn, site};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;

#[test]
fn a_push_cancelled_before_its_delivery_has_one_e7_and_no_e5() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    let long = Body::text(&msn(0), "withdrawn", &"a".repeat(300)).with("comway", "1103");
    let declined = Body::push(&msn(1), "declined").with("dlvntf", "0");
    for push in [&long, &declined] {
        accepted(&connection.ask(&push.request()));
    }
    accepted(&connection.ask(&Body::cancel(&msn(0), "withdrawn").with("comway", "1103").request()));
    accepted(&connection.ask(&Body::cancel(&msn(1), "declined").request()));
    for (push, reqid, segments) in [(long, "withdrawn", "2"), (declined, "declined", "1")] {
        let notices = recorder.await_about(reqid, 1);
        check_form(&notices[0], &push);
        assert_eq!(notices[0].gist(), ("0401", "0000"), "{reqid}");
        let counts = ["sepmaxnum", "dlvnum", "cnclnum"].map(|name| notices[0].get(name));
        assert_eq!(counts, [segments, "0", segments], "{reqid}");
        assert_eq!(notices[0].get("tpst"), "47", "{reqid}");
    }
    std::thread::park_timeout(QUIET);
    assert_eq!(recorder.notices().len(), 2);
    engine.stop();
}

//= push cancel race
#[test]
fn a_cancel_that_loses_the_race_is_told_after_the_delivery() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.set("--network-latency-ms", "400").set("--network-latency-jitter-ms", "0");
    let engine = site.start();
    let mut connection = engine.connect();
    let push = Body::push(&msn(0), "race");
    accepted(&connection.ask(&push.request()));
    tests::wait::until_true("an attempt", || engine.admin().figure("attempts_in_flight") == 1);
    accepted(&connection.ask(&Body::cancel(&msn(0), "race").request()));
    let again = connection.ask(&Body::cancel(&msn(0), "race").request());
    assert_eq!((again.status(), again.code().as_str()), (409, "3004"));
    let notices = recorder.await_about("race", 2);
    notices.iter().for_each(|notice| check_form(notice, &push));
    assert_eq!(
        notices.iter().map(|notice| notice.gist()).collect::<Vec<_>>(),
        [("0301", "0000"), ("0401", "3003")]
    );
    let counts = ["dlvnum", "cnclnum"].map(|name| notices[1].get(name));
    assert_eq!(counts, ["1", "0"]);
    assert_ne!(notices[0].get("ntfid"), notices[1].get("ntfid"));
    engine.stop();
}

#[test]
fn a_whole_alert_is_cancelled_over_all_shards() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    let lines: Vec<(String, &str)> = (0..40).map(|number| (msn(number), "absent")).collect();
    site.set_lines(&lines).shards(2);
    let engine = site.start();
    let mut connection = engine.connect();
    let push = |number: u64, alert: &str| {
        Body::push(&msn(number), &format!("{alert}-{number}"))
            .with("alertid", alert)
            .with("alertseq", "01")
    };
    for number in 0..40 {
        accepted(
            &connection.ask(&push(number, if number < 30 { "quake" } else { "other" }).request()),
        );
    }
    let shares: Vec<u64> = shares_of(&engine, "pushes_accepted", 40);
    assert!(shares.iter().all(|&share| share > 0), "both shards have some: {shares:?}");
    let answer = connection.ask(&Body::cancel_alert("quake", "all").request());
    accepted(&answer);
    let elements = answer.elements();
    assert_eq!(
        (elements.get("msn"), elements.get("reqid"), elements.get("svcid")),
        ("00000000000", "all", XPID)
    );
    let notices = recorder.await_count(30);
    assert!(
        notices
            .iter()
            .all(|notice| notice.gist() == ("0401", "0000") && notice.get("alertid") == "quake")
    );
    let again = connection.ask(&Body::cancel_alert("quake", "all-again").request());
    assert_eq!((again.status(), again.code().as_str()), (200, "0001"), "it was cancelled before");
    std::thread::park_timeout(QUIET);
    assert_eq!(recorder.notices().len(), 30, "the other alert's pushes still wait");
    assert_eq!(shares_of(&engine, "pushes_live", 10).iter().sum::<u64>(), 10);
    engine.stop();
}

//= push cancel closed
#[test]
fn a_cancelled_alert_takes_no_further_push_in_any_shard_not_even_after_a_crash() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.shards(2);
    let push = |number: u64, reqid: &str| {
        Body::push(&msn(number), &format!("{reqid}-{number}"))
            .with("alertid", "quake")
            .with("alertseq", "02")
    };
    let refused = |connection: &mut tests::http::Connection, reqid: &str| {
        for number in 0..40 {
            let answer = connection.ask(&push(number, reqid).request());
            assert_eq!((answer.status(), answer.code().as_str()), (409, "3004"), "{number}");
        }
    };
    site.set_lines(&[(msn(50), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    // One shard knows a push of it, the other knows none.
    accepted(&connection.ask(&push(50, "first").request()));
    accepted(&connection.ask(&Body::cancel_alert("quake", "all").request()));
    assert_eq!(recorder.await_about("first-50", 1)[0].gist(), ("0401", "0000"));
    refused(&mut connection, "early");
    engine.kill();
    let engine = site.start();
    let mut connection = engine.connect();
    refused(&mut connection, "late");
    let other = push(0, "other").with("alertid", "flood");
    accepted(&connection.ask(&other.request()));
    assert_eq!(
        recorder.await_about("other-0", 1)[0].gist(),
        ("0301", "0000"),
        "another alert is its own"
    );
    tests::wait::until_true("the one attempt", || engine.admin().figure("pushes_delivered") == 1);
    assert_eq!(engine.admin().figure("attempts"), 1);
    engine.stop();
}

//= push cancel unknown
#[test]
fn the_cancel_of_an_alert_of_which_no_push_waits_leaves_nothing() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.shards(2);
    let push = |number: u64, alert: &str| {
        Body::push(&msn(number), &format!("{alert}-{number}"))
            .with("alertid", alert)
            .with("alertseq", "02")
    };
    let engine = site.start();
    let mut connection = engine.connect();
    accepted(&connection.ask(&push(0, "over").request()));
    recorder.await_about("over-0", 1);
    for alert in ["never", "over"] {
        for reqid in ["all", "all", "again"] {
            let answer = connection.ask(&Body::cancel_alert(alert, reqid).request());
            assert_eq!((answer.status(), answer.code().as_str()), (404, "3002"), "{alert} {reqid}");
        }
        for number in 1..20 {
            accepted(&connection.ask(&push(number, alert).request()));
        }
    }
    recorder.await_count(39);
    assert_eq!(shares_of(&engine, "alerts_closed", 0).iter().sum::<u64>(), 0);
    engine.stop();
}

//= push alert replaced
#[test]
fn a_higher_sequence_of_an_alert_takes_the_place_of_a_lower_one() {
    let recorder = Recorder::start();
    let mut site = site(&recorder);
    site.set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    let push = |msn: &str, reqid: &str, sequence: &str| {
        Body::push(msn, reqid).with("alertid", "quake").with("alertseq", sequence)
    };
    let first = push(&msn(0), "first", "01");
    accepted(&connection.ask(&first.request()));
    accepted(&connection.ask(&push(&msn(1), "elsewhere", "01").request()));
    accepted(&connection.ask(&Body::push(&msn(0), "no-alert").request()));
    accepted(&connection.ask(&push(&msn(0), "second", "07").request()));
    let notices = recorder.await_about("first", 1);
    check_form(&notices[0], &first);
    assert_eq!(notices[0].gist(), ("0301", "0011"));
    assert_eq!((notices[0].get("dlvnum"), notices[0].get("tpst")), ("0", "47"));
    std::thread::park_timeout(QUIET);
    assert_eq!(recorder.notices().len(), 1, "nothing else was replaced");
    let known = connection.ask(&push(&msn(0), "third", "07").request());
    assert_eq!((known.status(), known.code().as_str()), (200, "0002"));
    engine.stop();
}

/// Each shard's figure, once they add up to `sum`.
fn shares_of(engine: &tests::engine::Engine, figure: &str, sum: u64) -> Vec<u64> {
    tests::wait::until(figure, || {
        let shares: Vec<u64> =
            engine.admin().status().shards.iter().map(|shard| shard.figures[figure]).collect();
        (shares.iter().sum::<u64>() == sum).then_some(shares)
    })
}
