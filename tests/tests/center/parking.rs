//! Notifications that nobody took for 24 hours: parked, listed, and sent again when the operator
//! says so.

use super::{OTHER, accepted, add_client, msn, site_for};
use tests::push::{Body, XPID};
use tests::recorder::{Recorder, Reply};
use tests::site::Site;

/// A day takes a second.
const SCALE: u64 = 86_400;

#[track_caller]
fn listed(site: &Site, more: &[&str]) -> Vec<String> {
    let said = site.must(&[&["notify", "list"], more].concat());
    let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
    let count = lines.pop().expect("a line that counts");
    assert_eq!(count, format!("{} parked", lines.len()));
    lines
}

//= push notify parked
#[test]
fn what_a_dead_sink_never_took_is_parked_listed_and_replayed() {
    let address = tests::ports::free_address();
    let mut site = site_for(&format!("http://{address}/notify"), SCALE);
    site.set_lines(&[(msn(1), "unknown")]);
    let engine = site.start();
    let mut connection = engine.connect();
    for (number, reqid) in [(0, "delivered"), (1, "failed")] {
        accepted(&connection.ask(&Body::push(&msn(number), reqid).request()));
    }
    tests::wait::until_true("both parked", || engine.admin().figure("notifications_parked") == 2);
    engine.admin().await_durable();
    // What is parked outlives the engine, however it ends.
    engine.kill();
    let engine = site.start();
    let lines = listed(&site, &[]);
    for (reqid, number, code) in [("delivered", 0, "0000"), ("failed", 1, "6002")] {
        let line =
            lines.iter().find(|line| line.contains(reqid)).unwrap_or_else(|| panic!("{lines:?}"));
        let has = [msn(number), XPID.to_owned(), code.to_owned(), "E5".to_owned()];
        assert!(has.iter().all(|word| line.contains(word.as_str())), "{line}");
    }
    assert_eq!(listed(&site, &["--xpid", OTHER]), [""; 0]);
    let recorder = Recorder::start_at(address, |_| Reply::Acknowledge);
    assert!(site.must(&["notify", "replay"]).ends_with("2 sent again\n"));
    let notices = recorder.await_count(2);
    for (reqid, code) in [("delivered", "0000"), ("failed", "6002")] {
        let notice =
            notices.iter().find(|notice| notice.get("reqid") == reqid).expect("one of each");
        assert_eq!(notice.gist(), ("0301", code));
    }
    tests::wait::until_true("nothing left", || engine.admin().figure("pushes_live") == 0);
    assert_eq!(listed(&site, &[]), [""; 0]);
    assert_eq!(recorder.notices().len(), 2);
    engine.stop();
}

#[test]
fn what_fails_again_is_parked_again_and_another_clients_stays_parked() {
    let recorder = Recorder::answering(|_| Reply::Status(500, None));
    let url = recorder.url();
    let site = site_for(&url, SCALE);
    add_client(&site, OTHER, &url);
    let engine = site.start();
    let mut connection = engine.connect();
    for xpid in [XPID, OTHER] {
        accepted(&connection.ask(&Body::push(&msn(0), "refused").with("svcid", xpid).request()));
    }
    tests::wait::until_true("both parked", || engine.admin().figure("notifications_parked") == 2);
    let tries = recorder.notices().len();
    assert!(site.must(&["notify", "replay", "--xpid", OTHER]).ends_with("1 sent again\n"));
    tests::wait::until_true("parked again", || engine.admin().figure("notifications_parked") == 3);
    let again = &recorder.notices()[tries..];
    assert!(
        !again.is_empty() && again.iter().all(|notice| notice.get("svcid") == OTHER),
        "{again:?}"
    );
    assert_eq!(listed(&site, &[]).len(), 2);
    engine.stop();
    let finished = site.run(&["notify", "list"]);
    assert!(finished.refusal().contains("no engine holds the data directory"), "{finished:?}");
}
