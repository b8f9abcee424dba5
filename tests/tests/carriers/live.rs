//! Carriers and routes that are changed while the engine serves: nothing is lost.

use super::{
    BY_CARRIER, accepted, add_carrier, as_told, await_bound, carrier_figure, msn, one_about, site,
    told,
};
use std::collections::BTreeSet;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::smsc::Smsc;
use tests::wait;

#[test]
fn the_first_carrier_of_a_serving_engine_has_the_pushes_that_wait_from_its_route_on() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    // The simulated network takes its time: pushes wait behind the first of each phone, and those
    // go by the carrier.
    site.set("--network-latency-ms", "2000");
    site.add_client(XPID, &["--notify-url", &recorder.url()]);
    site.add_contracts(XPID, &["09010000000-09010000999"]);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..60 {
        connection.send(&Body::push(&msn(number % 20), &format!("push-{number}")).request());
    }
    for _ in 0..60 {
        assert_eq!(connection.answer().code(), "0000");
    }
    add_carrier(&site, "alpha", smsc.address(), &[]);
    site.must(&["carrier", "route", "add", BY_CARRIER, "alpha"]);
    let notices = recorder.await_count(60);
    assert!(notices.iter().all(|notice| notice.get("code") == "0000"));
    assert_eq!(smsc.sms().len(), 40, "all but those that were under way, and none twice");
    assert!(site.must(&["carrier", "list"]).contains("up"));
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn an_xpid_that_has_to_know_the_line_goes_by_no_carrier_whatever_the_routes_become() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let mut site = Site::new(tests::programs!());
    // The second push of the phone waits behind the first.
    site.set("--network-latency-ms", "2000");
    let notifies = ["--notify-url", &recorder.url(), "--line-state", "true"];
    site.add_client(XPID, &notifies);
    site.add_contracts(XPID, &["09010000000-09010000999"]);
    assert!(site.must(&["client", "show", XPID]).contains("line state required"));
    let engine = site.start();
    accepted(&engine, &Body::push(&msn(1), "first"));
    accepted(&engine, &Body::push(&msn(1), "second"));
    add_carrier(&site, "alpha", smsc.address(), &[]);
    site.must(&["carrier", "route", "add", BY_CARRIER, "alpha"]);
    await_bound(&engine, "alpha", 1);
    let refused = engine.connect().ask(&Body::push(&msn(2), "third").request());
    assert_eq!(refused.code(), "2006");
    for reqid in ["first", "second"] {
        let notice = one_about(&recorder, reqid);
        assert_eq!(notice.get("code"), "0000");
        assert!(notice.elements.find("domain").is_some(), "by the core network");
    }
    assert!(smsc.sms().is_empty());
    site.must(&["client", "set", XPID, "--line-state", "false"]);
    accepted(&engine, &Body::push(&msn(2), "fourth"));
    assert_eq!(told(&one_about(&recorder, "fourth")), as_told("0000", "1", "00"));
    assert_eq!(smsc.sms().len(), 1);
    engine.stop();
}

#[test]
fn pushes_that_wait_for_a_carrier_go_by_the_core_network_once_their_xpid_has_to_know_the_line() {
    let recorder = Recorder::start();
    let away = Smsc::start_at(tests::ports::free_address());
    let site = site(&recorder, &away, &[]);
    drop(away);
    let engine = site.start();
    accepted(&engine, &Body::push(&msn(1), "waits"));
    site.must(&["client", "set", XPID, "--line-state", "true"]);
    let notice = one_about(&recorder, "waits");
    assert_eq!(notice.get("code"), "0000");
    assert!(notice.elements.find("domain").is_some(), "by the core network");
    for body in [
        Body::push(&msn(2), "no-right"),
        Body::text(&msn(2), "too-long", &"a".repeat(3_000)),
        Body::push(&msn(2), "empty").with("data", ""),
        Body::text(&msn(1), "waits", "the reqid of another"),
        Body::push(&msn(1), "waits"),
    ] {
        let refused = engine.connect().ask(&body.request());
        assert_eq!(refused.code(), "2006", "before whatever else is wrong with it");
    }
    let other = Body::text("09099999999", "not-contracted", &"a".repeat(3_000));
    assert_eq!(engine.connect().ask(&other.request()).code(), "2005", "a right before that");
    engine.stop();
}

#[test]
fn pushes_that_wait_for_the_core_network_go_by_a_carrier_once_their_xpid_may() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let mut site = Site::new(tests::programs!());
    // The second push of the phone waits behind the first.
    site.set("--network-latency-ms", "4000");
    site.add_client(XPID, &["--notify-url", &recorder.url(), "--line-state", "true"]);
    site.add_contracts(XPID, &["09010000000-09010000999"]);
    let engine = site.start();
    accepted(&engine, &Body::push(&msn(1), "first"));
    accepted(&engine, &Body::push(&msn(1), "second"));
    add_carrier(&site, "alpha", smsc.address(), &[]);
    site.must(&["carrier", "route", "add", BY_CARRIER, "alpha"]);
    site.must(&["client", "set", XPID, "--line-state", "false"]);
    assert_eq!(told(&one_about(&recorder, "second")), as_told("0000", "1", "00"));
    assert_eq!(smsc.sms().len(), 1);
    engine.stop();
}

#[test]
fn pushes_that_wait_for_a_carrier_that_is_away_go_by_another_one_as_soon_as_the_route_says_so() {
    let (recorder, beta) = (Recorder::start(), Smsc::start());
    let away = Smsc::start_at(tests::ports::free_address());
    let site = site(&recorder, &away, &[]);
    drop(away);
    let engine = site.start();
    for number in 0..50 {
        accepted(&engine, &Body::push(&msn(number), &format!("push-{number}")));
    }
    add_carrier(&site, "beta", beta.address(), &[]);
    site.must(&["carrier", "route", "add", BY_CARRIER, "beta"]);
    recorder.await_count(50);
    assert_eq!(beta.sms().len(), 50);
    // Nothing is awaited of it: it may go.
    let removed = site.must(&["carrier", "remove", "alpha"]);
    assert!(removed.contains("is removed"), "{removed}");
    assert!(!site.must(&["carrier", "list"]).contains("alpha"));
    engine.stop();
}

#[test]
fn a_carrier_that_is_changed_under_load_is_bound_anew_and_nothing_is_lost_or_sent_twice() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--rate", "200"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let mut connection = engine.connect();
    let numbers = 0..600u64;
    let requests: Vec<u8> = numbers
        .clone()
        .flat_map(|number| Body::push(&msn(number), &format!("push-{number}")).request())
        .collect();
    connection.send(&requests);
    for _ in numbers.clone() {
        assert_eq!(connection.answer().code(), "0000");
    }
    for (change, sessions) in [
        (["--window", "3"], 1),
        (["--sessions", "3"], 3),
        (["--rate", "400"], 3),
        (["--system-type", "x"], 3),
        (["--sessions", "1"], 1),
    ] {
        site.must(&[&["carrier", "set", "alpha"], &change[..]].concat());
        wait::until_true("the sessions that were ordered", || smsc.bound() == sessions);
    }
    site.must(&["carrier", "rebind", "alpha"]);
    recorder.await_count(600);
    let phones: BTreeSet<_> = smsc.sms().into_iter().map(|sms| sms.to).collect();
    assert_eq!((phones.len(), smsc.sms().len()), (600, 600), "each once");
    assert_eq!(carrier_figure(&engine, "alpha", "in_doubt"), 0);
    engine.stop();
}

#[test]
fn a_paused_carrier_takes_no_push_and_its_receipts_come_all_the_same() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    accepted(&engine, &Body::push(&msn(1), "before"));
    smsc.await_sms(1);
    wait::until_true("it is handed over", || engine.admin().figure("pushes_handed_over") == 1);
    site.must(&["carrier", "pause", "alpha"]);
    accepted(&engine, &Body::push(&msn(2), "meanwhile"));
    assert!(site.must(&["carrier", "list"]).contains("paused"));
    smsc.send_receipt(&smsc.sms()[0].id, "DELIVRD");
    assert_eq!(told(&one_about(&recorder, "before")), as_told("0000", "1", "00"));
    assert_eq!(smsc.sms().len(), 1);
    smsc.send_receipts(Some("DELIVRD"));
    site.must(&["carrier", "resume", "alpha"]);
    one_about(&recorder, "meanwhile");
    engine.stop();
}

#[test]
fn a_carrier_whose_receipts_are_awaited_is_not_removed_by_mistake_and_its_number_not_used_again() {
    let (recorder, smsc, beta) = (Recorder::start(), Smsc::start(), Smsc::start());
    smsc.send_receipts(None);
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    accepted(&engine, &Body::push(&msn(1), "awaited"));
    wait::until_true("it is handed over", || engine.admin().figure("pushes_handed_over") == 1);
    site.must(&["carrier", "route", "remove", BY_CARRIER]);
    let refused = site.run(&["carrier", "remove", "alpha"]);
    assert!(refused.refusal().contains("1 receipts"), "{}", refused.stderr);
    site.must(&["carrier", "remove", "alpha", "--forget-receipts"]);
    wait::until_true("an orderly end", || smsc.bound() == 0);
    // The ids of the next carrier are its own, though they are the same.
    let added = add_beta(&site, &beta);
    assert!(added.contains("number 2"), "{added}");
    engine.stop();
    let engine = site.start();
    await_bound(&engine, "beta", 1);
    beta.send_receipt(&smsc.sms()[0].id, "DELIVRD");
    wait::until_true("an acknowledged receipt", || beta.acknowledged() == 1);
    assert!(recorder.about("awaited").is_empty(), "it was another carrier's");
    engine.stop();
}

fn add_beta(site: &Site, beta: &Smsc) -> String {
    let (host, password) =
        (beta.address().to_string(), site.path("carrier.secret").display().to_string());
    site.must(&[
        "carrier",
        "add",
        "beta",
        "--host",
        &host,
        "--system-id",
        "hayauma",
        "--password-file",
        &password,
    ])
}

#[test]
fn every_change_of_carriers_stands_in_the_audit_and_no_password_does() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    site.must(&["carrier", "set", "alpha", "--rate", "50"]);
    site.must(&["carrier", "pause", "alpha"]);
    engine.stop();
    site.must(&["carrier", "route", "remove", BY_CARRIER]);
    let audit = site.must(&["audit"]);
    for act in [
        "carrier add alpha",
        "carrier route add",
        "carrier set alpha",
        "carrier pause alpha",
        "carrier route remove",
    ] {
        assert!(audit.contains(act), "{act}: {audit}");
    }
    let file = std::fs::read_to_string(site.data_dir().join("audit.jsonl")).expect("an audit");
    assert!(!file.contains(tests::smsc::PASSWORD), "a password in the audit");
    site.must(&["audit", "verify"]);
}
