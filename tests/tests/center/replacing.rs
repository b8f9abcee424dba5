//! Alerts: a higher sequence takes the place of a lower one that was not delivered, and a lower one
//! never follows.

use super::{accepted, await_figure, msn, set_lines, site};
use tests::push::Body;
use tests::recorder::Recorder;

fn alert(reqid: &str, sequence: &str) -> Body {
    let push = Body::push(&msn(0), reqid).with("lifetime", "72");
    push.with("alertid", "flood").with("alertseq", sequence)
}

//= push alert replaced
#[test]
fn only_the_highest_sequence_reaches_a_subscriber_who_comes_back() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, 600);
    site.set_lines(&[(msn(0), "absent")]);
    let engine = site.start();
    let mut connection = engine.connect();
    accepted(&connection.ask(&alert("second", "02").request()));
    tests::wait::until_true("a hold", || engine.admin().figure("holds") >= 1);
    accepted(&connection.ask(&alert("fifth", "05").request()));
    assert_eq!(recorder.await_about("second", 1)[0].gist(), ("0301", "0011"));
    for (reqid, sequence) in [("third", "03"), ("fifth-again", "05"), ("second-again", "02")] {
        let known = connection.ask(&alert(reqid, sequence).request());
        assert_eq!((known.status(), known.code().as_str()), (200, "0002"), "{reqid}");
    }
    set_lines(&site, "home", &[&msn(0)]);
    assert_eq!(recorder.await_about("fifth", 1)[0].gist(), ("0301", "0000"));
    let late = connection.ask(&alert("fourth", "04").request());
    assert_eq!(late.code(), "0002", "nor after the higher one's delivery");
    await_figure(&engine, "pushes_live", 0);
    assert_eq!(engine.admin().figure("segments_delivered"), 1);
    assert_eq!(recorder.notices().len(), 2);
    engine.stop();
}

#[test]
fn a_sequence_in_flight_is_replaced_when_its_attempt_fails() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, 600);
    site.set("--network-latency-ms", "400").set("--network-latency-jitter-ms", "0");
    site.set_lines(&[(msn(0), "absent-after-accept")]);
    let engine = site.start();
    let mut connection = engine.connect();
    accepted(&connection.ask(&alert("first", "01").request()));
    tests::wait::until_true("an attempt", || engine.admin().figure("attempts_in_flight") == 1);
    accepted(&connection.ask(&alert("second", "02").request()));
    assert_eq!(recorder.await_about("first", 1)[0].gist(), ("0301", "0011"));
    set_lines(&site, "home", &[&msn(0)]);
    assert_eq!(recorder.await_about("second", 1)[0].gist(), ("0301", "0000"));
    await_figure(&engine, "pushes_live", 0);
    assert_eq!(engine.admin().figure("segments_delivered"), 1);
    engine.stop();
}

//= push alert known
#[test]
fn what_an_alert_has_reached_is_remembered_over_a_restart() {
    let recorder = Recorder::start();
    let mut site = site(&recorder, 60);
    site.set_lines(&[(msn(0), "home")]);
    let engine = site.start();
    accepted(&engine.connect().ask(&alert("second", "02").request()));
    assert_eq!(recorder.await_about("second", 1)[0].gist(), ("0301", "0000"));
    engine.kill();
    let engine = site.start();
    let mut connection = engine.connect();
    assert_eq!(connection.ask(&alert("first", "01").request()).code(), "0002");
    accepted(&connection.ask(&alert("third", "03").request()));
    assert_eq!(recorder.await_about("third", 1)[0].gist(), ("0301", "0000"));
    engine.stop();
}
