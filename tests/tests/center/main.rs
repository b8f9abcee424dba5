//! The message center's schedules through real sockets: absence and return, expiry, cancellation,
//! replacement, and push clients that do not take their notifications. The schedules run scaled, as
//! in a rehearsal, so that hours pass in seconds; the sockets, the journal and the clock are real.

mod alerts;
mod cancelling;
mod clock;
mod lives;
mod parking;
mod replacing;
mod resending;
mod schedules;
mod waiting;

use std::time::{Duration, Instant};
use tests::engine::Engine;
use tests::http::Answer;
use tests::push::XPID;
use tests::recorder::Recorder;
use tests::site::Site;

/// The XPID of a second push client.
const OTHER: &str = "00100000002";

/// The msns that are contracted are those from 0 to 999.
fn msn(number: u64) -> String {
    format!("{:011}", 9_000_000_000 + number)
}

/// A place where the usual push client is registered with this recorder, and schedules run `scale`
/// times as fast.
fn site(recorder: &Recorder, scale: u64) -> Site {
    site_for(&recorder.url(), scale)
}

/// As [`site`], with notifications to this URL.
fn site_for(url: &str, scale: u64) -> Site {
    let mut site = Site::new(tests::programs!());
    site.set("--rehearsal-time-scale", &scale.to_string());
    add_client(&site, XPID, url);
    site
}

fn add_client(site: &Site, xpid: &str, url: &str) {
    site.add_client(xpid, &["--notify-url", url, "--class", "emergency"]);
    site.add_contracts(xpid, &[&format!("{}-{}", msn(0), msn(999))]);
}

#[track_caller]
fn accepted(answer: &Answer) {
    assert_eq!((answer.status(), answer.code().as_str()), (200, "0000"), "{answer:?}");
}

/// Puts lines of the simulated network into another state.
#[track_caller]
fn set_lines(site: &Site, state: &str, msns: &[&str]) {
    let said = site.must(&[&["network", "set", state], msns].concat());
    assert!(said.starts_with("changed "), "{said}");
}

/// Waits until a figure has this value. Figures are shown a few times a second; one that ends up
/// higher than it should was right on its way there only if somebody else has seen all that there
/// is to count.
#[track_caller]
fn await_figure(engine: &Engine, name: &str, value: u64) {
    tests::wait::until_true(&format!("{name} = {value}"), || engine.admin().figure(name) == value);
}

/// Checks that what began at `since` took less than `most`: it did not wait for something that
/// takes longer.
#[track_caller]
fn check_sooner(since: Instant, most: Duration) {
    let took = since.elapsed();
    assert!(took < most, "it took {took:?}");
}
