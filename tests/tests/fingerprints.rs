//! What pushes and alerts are found by: fingerprints under a key of the directory's own, and in a
//! directory from before there were keys by the older ones too.

use hayauma::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use hayauma::shard::OpenError;
use std::os::unix::fs::PermissionsExt as _;
use tests::engine::Finished;
use tests::lone_shard::{LoneShard, START_MS, Setup, msn};
use tests::push::{Body, XPID};
use tests::site::Site;
use wire::terms::code::Code;

const DAYS_6_MS: u64 = 6 * 24 * 3_600_000;

fn alert_push(number: u64, reqid: &str, sequence: &str) -> Body {
    let push = Body::push(&msn(number), reqid).with("lifetime", "72");
    push.with("alertid", "quake").with("alertseq", sequence)
}

/// A shard as an engine from before there were keys leaves it: a push that waits, one that was
/// cancelled, and an alert to two phones.
fn from_before(directory: &std::path::Path) -> Setup {
    let mut setup = Setup::new(&[XPID]);
    setup.clients[0].notified = false;
    setup.fingerprints = FingerprintKeys { keyed: Fingerprints::open(), older_until_ms: None };
    let mut lone = LoneShard::open(directory, &setup, START_MS);
    for body in [
        Body::push(&msn(0), "waits").with("lifetime", "72"),
        Body::push(&msn(1), "ended"),
        alert_push(2, "quake-2", "03"),
        alert_push(3, "quake-3", "03"),
    ] {
        assert_eq!(lone.ask_patiently(&body, START_MS), Code::ACCEPTED);
    }
    assert_eq!(lone.ask(&Body::cancel(&msn(1), "ended"), START_MS), Code::ACCEPTED);
    for later_ms in 0..50 {
        lone.work(START_MS + later_ms);
    }
    setup
}

#[test]
fn a_directory_from_before_there_were_keys_sends_nothing_twice_and_its_pushes_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = from_before(directory.path());
    let until_ms = Some(START_MS + DAYS_6_MS);
    setup.fingerprints =
        FingerprintKeys { keyed: Fingerprints::new([9; 16]), older_until_ms: until_ms };
    let now_ms = START_MS + 1_000;
    for round in 0..2 {
        let mut lone = LoneShard::open(directory.path(), &setup, now_ms);
        let waits = Body::push(&msn(0), "waits").with("lifetime", "72");
        assert_eq!(lone.ask(&waits, now_ms), Code::REPEATED, "round {round}");
        assert_eq!(lone.ask(&waits.with("data", "00"), now_ms), Code::REQID_REUSED);
        assert_eq!(lone.ask(&Body::push(&msn(1), "ended"), now_ms), Code::REPEATED);
        assert_eq!(lone.ask(&Body::cancel(&msn(1), "ended"), now_ms), Code::ALREADY_CANCELLED);
        assert_eq!(lone.ask(&alert_push(2, "other", "03"), now_ms), Code::ALERT_KNOWN);
        let fresh = Body::push(&msn(9), &format!("fresh-{round}"));
        assert_eq!(lone.ask_patiently(&fresh, now_ms), Code::ACCEPTED);
        lone.work(now_ms);
    }
    let mut lone = LoneShard::open(directory.path(), &setup, now_ms);
    assert_eq!(lone.ask(&alert_push(2, "higher", "04"), now_ms), Code::ACCEPTED);
    lone.work(now_ms);
    assert_eq!(lone.figure("pushes_replaced"), 1, "the lower sequence from before");
    assert_eq!(lone.ask(&Body::cancel_alert("quake", "all"), now_ms), Code::ACCEPTED);
    assert_eq!(lone.ask(&alert_push(5, "late", "01"), now_ms), Code::ALREADY_CANCELLED);
    for later_ms in 0..50 {
        lone.work(now_ms + later_ms);
    }
    assert_eq!(
        lone.figure("pushes_cancelled"),
        2,
        "the one from before and the one that came later"
    );
    assert_eq!(lone.ask(&Body::cancel(&msn(0), "waits"), now_ms), Code::ACCEPTED);
}

#[test]
fn a_directory_is_not_opened_with_a_key_that_it_was_not_written_with() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::new(&[XPID]);
    let mut lone = LoneShard::open(directory.path(), &setup, START_MS);
    assert_eq!(lone.ask_patiently(&Body::push(&msn(0), "waits"), START_MS), Code::ACCEPTED);
    lone.work(START_MS);
    drop(lone);
    setup.fingerprints.keyed = Fingerprints::new([8; 16]);
    let opened = LoneShard::try_open(directory.path(), &setup, START_MS);
    assert!(matches!(opened.err(), Some(OpenError::ForeignKey)));
}

#[test]
fn the_key_is_its_owners_alone_goes_with_a_backup_and_is_missed_when_it_is_gone() {
    let mut site = Site::new(tests::programs!());
    site.set_lines(&[(msn(0), "absent")]);
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[&msn(0)]);
    let engine = site.start();
    let push = Body::push(&msn(0), "waits").with("lifetime", "72").request();
    assert_eq!(engine.connect().ask(&push).code(), "0000");
    let key = site.data_dir().join("key");
    let text = std::fs::read_to_string(&key).expect("a key");
    assert_eq!(std::fs::metadata(&key).expect("a key").permissions().mode() & 0o777, 0o600);
    let copy = site.path("copy");
    let [from, to] = [site.data_dir(), copy.clone()].map(|path| path.display().to_string());
    let backup = Finished::of(site.command(&["queue", "backup", &from, &to]), "queue backup");
    assert_eq!(backup.status, Some(0), "{}", backup.stderr);
    assert_eq!(std::fs::read_to_string(copy.join("key")).expect("the copy's key"), text);
    engine.stop();
    std::fs::remove_file(&key).expect("the key");
    let refused = site.serve_and_fail(&[]);
    assert!(refused.refusal().contains("key"), "{}", refused.stderr);
    std::fs::copy(copy.join("key"), &key).expect("the key, put back");
    let engine = site.start();
    assert_eq!(engine.connect().ask(&push).code(), "0001");
    engine.stop();
}
