//! The names of notification hosts: looked up beside everything else.

use std::time::{Duration, Instant};
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;

const MSN: &str = "09012345678";
/// Nothing that is measured here has anything to wait for; a resolver that hangs took ten seconds
/// for each name.
const WITHIN: Duration = Duration::from_secs(5);

#[test]
fn a_resolver_that_hangs_delays_neither_a_start_nor_a_change_nor_a_stop() {
    let mut site = Site::new(tests::programs!());
    for number in 0..6 {
        let xpid = format!("0010000000{number}");
        site.add_client(&xpid, &["--notify-url", &format!("http://sink-{number}.example/")]);
        site.add_contracts(&xpid, &[MSN]);
    }
    site.inject("name-look-up=1");
    let begun = Instant::now();
    let engine = site.start();
    assert!(begun.elapsed() < WITHIN, "a start of {:?}", begun.elapsed());
    assert_eq!(engine.connect().ask(&Body::push(MSN, "named").request()).code(), "0000");
    let begun = Instant::now();
    site.must(&["client", "set", XPID, "--notify-url", "http://moved.example/"]);
    assert!(begun.elapsed() < WITHIN, "a change of {:?}", begun.elapsed());
    // An address needs no resolver.
    let recorder = Recorder::start();
    site.must(&["client", "set", XPID, "--notify-url", &recorder.url()]);
    assert_eq!(engine.connect().ask(&Body::push(MSN, "addressed").request()).code(), "0000");
    recorder.await_about("addressed", 1);
    let begun = Instant::now();
    engine.stop();
    assert!(begun.elapsed() < WITHIN, "a stop of {:?}", begun.elapsed());
}

#[test]
fn a_notification_finds_its_host_by_name() {
    let site = Site::new(tests::programs!());
    let recorder = Recorder::start();
    let url = recorder.url().replace("127.0.0.1", "localhost");
    assert!(url.contains("localhost"));
    site.add_client(XPID, &["--notify-url", &url]);
    site.add_contracts(XPID, &[MSN]);
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push(MSN, "local").request()).code(), "0000");
    recorder.await_about("local", 1);
    engine.stop();
}
