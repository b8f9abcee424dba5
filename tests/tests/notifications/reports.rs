//! SMS-STATUS-REPORTs that go astray between the core network and the message center.

use super::{accepted, msn, site};
use tests::push::Body;
use tests::recorder::Recorder;
use tests::site::Site;

const PUSHES: u64 = 60;
const SEGMENTS: usize = 3;

/// Network times a hundredth: an attempt times out after 100 ms, a report is on its way for up to
/// 600 ms. A retry would come after 30 seconds at the earliest.
fn astray(recorder: &Recorder, rate: &str) -> Site {
    let mut site = site(recorder);
    site.set("--network-outcomes", rate).set("--network-time-scale", "100").shards(2);
    site
}

fn push(number: u64) -> Body {
    Body::text(&msn(number % 20), &format!("push-{number}"), &"a".repeat(153 * SEGMENTS))
}

//= TS 23.040 3.2.9
//= TS 23.040 9.2.3.6 report
#[test]
fn late_and_early_and_repeated_reports_find_their_segments_and_nothing_is_sent_twice() {
    for rate in
        ["report-late=1", "report-early=1", "report-twice=1", "report-late=0.5,report-twice=0.5"]
    {
        let recorder = Recorder::start();
        let site = astray(&recorder, rate);
        let engine = site.start();
        let mut connection = engine.connect();
        for number in 0..PUSHES {
            accepted(&connection.ask(&push(number).request()));
        }
        for notice in recorder.await_count(PUSHES as usize) {
            assert_eq!(notice.gist(), ("0301", "0000"), "{rate}");
            assert_eq!((notice.get("dlvnum"), notice.get("tpst")), ("3", "00"), "{rate}");
        }
        let figure = |name| engine.admin().figure(name);
        // A report that comes a second time may come after everybody was told.
        tests::wait::until_true("the figures are published", || {
            figure("pushes_delivered") == PUSHES && figure("status_reports") > 0
        });
        assert_eq!(
            figure("segments_delivered"),
            PUSHES * SEGMENTS as u64,
            "{rate}: each segment counts once"
        );
        assert_eq!(figure("attempts"), PUSHES, "{rate}: each push was sent once");
        engine.stop();
    }
}

#[test]
fn a_cancel_after_an_attempt_that_nobody_answered_for_does_not_call_it_withdrawn() {
    let recorder = Recorder::start();
    let site = astray(&recorder, "report-lost=1");
    let engine = site.start();
    let mut connection = engine.connect();
    let body = Body::push(&msn(0), "in-doubt");
    accepted(&connection.ask(&body.request()));
    let is_held = || {
        engine.admin().figure("attempts") == 1 && engine.admin().figure("attempts_in_flight") == 0
    };
    tests::wait::until_true("the attempt timed out", is_held);
    accepted(&connection.ask(&Body::cancel(&msn(0), "in-doubt").request()));
    let notice = recorder.await_about("in-doubt", 1).remove(0);
    assert_eq!(notice.gist(), ("0401", "0012"));
    assert_eq!(["dlvnum", "cnclnum"].map(|name| notice.get(name)), ["0", "0"]);
    engine.stop();
}
