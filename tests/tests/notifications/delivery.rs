//! What a delivered push's notification says, and which pushes are notified at all.

use super::{QUIET, accepted, add_client, check_form, msn, site};
use tests::push::Body;
use tests::recorder::Recorder;
use tests::wait;

#[test]
fn the_class_the_segments_and_the_alert_come_back() {
    let recorder = Recorder::start();
    let site = site(&recorder);
    let engine = site.start();
    let mut connection = engine.connect();
    let long = "\u{5730}\u{9707}".repeat(100);
    for (number, comway, segments) in
        [(0, "1101", "3"), (1, "1102", "3"), (2, "1103", "3"), (3, "1109", "3")]
    {
        let reqid = format!("class-{comway}");
        let push = Body::text(&msn(number), &reqid, &long).with("comway", comway);
        let push = push.with("alertid", "quake.2026").with("alertseq", "01");
        accepted(&connection.ask(&push.request()));
        let notices = recorder.await_about(&reqid, 1);
        check_form(&notices[0], &push);
        assert_eq!((notices[0].get("sepmaxnum"), notices[0].get("dlvnum")), (segments, segments));
        assert_eq!(notices[0].gist(), ("0301", "0000"));
    }
    engine.stop();
}

//= push notify wanted
#[test]
fn only_who_wants_notifications_gets_them() {
    const QUIET_CLIENT: &str = "00100000002";
    const NOWHERE: &str = "00100000003";
    let recorder = Recorder::start();
    let site = site(&recorder);
    add_client(&site, QUIET_CLIENT, &recorder, &["--no-notify"]);
    site.add_client(NOWHERE, &[]);
    site.add_contracts(NOWHERE, &[&msn(0)]);
    let engine = site.start();
    let mut connection = engine.connect();
    let push = |reqid: &str, xpid: &str| Body::push(&msn(0), reqid).with("svcid", xpid);
    for (push, _) in [
        (push("by-default", tests::push::XPID), true),
        (push("asked", tests::push::XPID).with("dlvntf", "1"), true),
        (push("declined", tests::push::XPID).with("dlvntf", "0"), false),
        (push("quiet", QUIET_CLIENT), false),
        (push("quiet-asked", QUIET_CLIENT).with("dlvntf", "1"), true),
        (push("nowhere", NOWHERE).with("dlvntf", "1"), false),
    ] {
        accepted(&connection.ask(&push.request()));
    }
    wait::until_true("six deliveries", || engine.admin().figure("pushes_delivered") == 6);
    recorder.await_count(3);
    std::thread::park_timeout(QUIET);
    let notices = recorder.notices();
    let mut told: Vec<&str> = notices.iter().map(|notice| notice.get("reqid")).collect();
    told.sort_unstable();
    assert_eq!(told, ["asked", "by-default", "quiet-asked"]);
    wait::until_true("an empty engine", || engine.admin().figure("pushes_live") == 0);
    engine.stop();
}

#[test]
fn notifications_share_kept_connections() {
    let recorder = Recorder::start();
    let site = site(&recorder);
    site.must(&[
        "client",
        "set",
        tests::push::XPID,
        "--notify-connections",
        "2",
        "--notify-depth",
        "4",
    ]);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..300 {
        connection.send(&Body::push(&msn(number), &format!("kept-{number}")).request());
    }
    for _ in 0..300 {
        accepted(&connection.answer());
    }
    recorder.await_count(300);
    let connections = recorder.connections();
    assert!((1..=2).contains(&connections), "{connections} connections for 300 notifications");
    engine.stop();
}
