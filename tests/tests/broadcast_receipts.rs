//! Rows of broadcasts while the carriers that have them say nothing yet, and rows that may have
//! arrived when something ends them: what others are told, and what the bill says.

use hayauma::control::broadcasts::ProgressDocument;
use std::collections::BTreeMap;
use tests::bill::Bill;
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::carriers::{add_carrier, await_bound};
use tests::engine::Engine;
use tests::push::XPID;
use tests::site::Site;
use tests::smsc::{Manner, Smsc};
use tests::wait;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

/// A place whose phones all go by this carrier.
fn site(alpha: &Smsc, more: &[&str]) -> Site {
    let site = Site::new(tests::programs!());
    add_carrier(&site, "alpha", alpha.address(), more);
    site.must(&["carrier", "route", "add", "0900", "alpha"]);
    site
}

fn start(site: &Site) -> Engine {
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    engine
}

/// Rows by outcome, from the table of results.
fn results(site: &Site, broadcast: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in site.must(&["broadcast", "results", broadcast]).lines().skip(1) {
        let outcome = line.split(',').nth(4).expect("a row").to_owned();
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}

/// What the bill of the XPID has in these columns.
fn billed<const N: usize>(site: &Site, columns: [&str; N]) -> [u64; N] {
    let bill = Bill::of_these_days(site);
    columns.map(|column| bill.sum(XPID, column))
}

#[test]
fn rows_that_were_attempted_and_withdrawn_are_billed_as_cancelled() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set_lines(&[(format!("{}-{}", msn(0), msn(19)), "absent")]);
    let people = Broadcaster::new(&site, 30);
    let engine = site.start();
    let list = people.list(&rows(30));
    let broadcast = people.started(&manifest(&list, "02", "wrong", ""));
    wait::until_true("20 held, 10 delivered", || {
        let progress = people.status(&broadcast);
        (count(&progress, "held"), count(&progress, "delivered")) == (20, 10)
    });
    site.must(&["broadcast", "withdraw", &broadcast, &msn(3)]);
    site.must(&["broadcast", "cancel", &broadcast, "--reason", "wrong area"]);
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "cancelled"), 20, "{:?}", progress.counts);
    let counts = results(&site, &broadcast);
    assert_eq!((counts["cancelled"], counts["delivered"]), (20, 10), "{counts:?}");
    engine.stop();
    let columns = ["accepted", "delivered", "cancelled"];
    assert_eq!(billed(&site, columns), [30, 10, 20], "as the results say");
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn rows_that_a_carrier_gives_up_at_a_cancel_are_billed_as_cancelled() {
    let alpha = Smsc::start();
    let site = site(&alpha, &["--cancel", "true"]);
    let people = Broadcaster::new(&site, 20);
    alpha.send_receipts(None);
    let engine = start(&site);
    let list = people.list(&rows(20));
    let broadcast = people.started(&manifest(&list, "02", "wrong", ""));
    wait::until_true("all at the carrier", || {
        count(&people.status(&broadcast), "handed_over") == 20
    });
    site.must(&["broadcast", "cancel", &broadcast, "--reason", "wrong area"]);
    assert_eq!(count(&people.ended(&broadcast), "cancelled"), 20);
    engine.stop();
    let columns = ["accepted", "delivered", "cancelled", "segments"];
    assert_eq!(billed(&site, columns), [20, 0, 20, 0]);
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn who_follows_those_that_were_reached_waits_for_the_receipts_of_what_carriers_have() {
    let alpha = Smsc::start();
    let site = site(&alpha, &[]);
    let people = Broadcaster::new(&site, 20);
    alpha.send_receipts(None);
    let engine = start(&site);
    let list = people.list(&rows(20));
    let first = people.started(&manifest(&list, "02", "first", ""));
    wait::until_true("all at the carrier", || count(&people.status(&first), "handed_over") == 20);
    let sms = alpha.sms();
    let areas = r#""areas":["13101","27100","01100"]"#;
    let following = |reqid: &str, outcomes: &str| {
        let of = format!(r#"{areas},"of":{{"broadcast":"{first}","outcomes":{outcomes}}}"#);
        people.started(&manifest(&list, "02", reqid, "").replace(areas, &of))
    };
    let to_reached = following("reached", r#"["delivered"]"#);
    let to_missed = following("missed", r#"["failed"]"#);
    // This one takes back what they may have: it does not wait.
    let may_have = r#"["in_flight","handed_over","delivered","partial","in_doubt"]"#;
    let to_holders = following("holders", may_have);
    wait::until_true("holders have theirs", || {
        count(&people.status(&to_holders), "handed_over") == 20
    });
    assert_eq!(count(&people.status(&to_reached), "waiting"), 20);
    assert_eq!(count(&people.status(&to_missed), "waiting"), 20);
    alpha.send_receipts(Some("DELIVRD"));
    for (number, one) in sms.iter().enumerate() {
        alpha.send_receipt(&one.id, if number < 15 { "DELIVRD" } else { "UNDELIV" });
    }
    for (broadcast, expected) in [(&to_reached, [15, 5]), (&to_missed, [5, 15])] {
        let progress = people.ended(broadcast);
        let ends = ["delivered", "skipped"].map(|outcome| count(&progress, outcome));
        assert_eq!(ends, expected, "{:?}", progress.counts);
    }
    engine.stop();
}

#[test]
fn a_row_that_a_carrier_may_have_is_in_doubt_when_its_contract_goes() {
    let alpha = Smsc::start();
    let site = site(&alpha, &[]);
    let people = Broadcaster::new(&site, 1);
    alpha.behave(&[Manner::Silent]);
    let engine = start(&site);
    let list = people.list(&rows(1));
    let broadcast = people.started(&manifest(&list, "02", "gone", ""));
    alpha.await_sms(1);
    engine.kill();
    site.must(&["contract", "remove", XPID, &msn(0)]);
    let engine = start(&site);
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "in_doubt"), 1, "{:?}", progress.counts);
    engine.stop();
    assert_eq!(billed(&site, ["accepted", "failed"]), [1, 1], "it was a push");
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn results_say_what_the_figures_say_while_a_cancelled_broadcast_waits_for_receipts() {
    let alpha = Smsc::start();
    let site = site(&alpha, &[]);
    let people = Broadcaster::new(&site, 1_000);
    alpha.send_receipts(None);
    let engine = start(&site);
    let list = people.list(&rows(1_000));
    let paced = r#""pace":{"per_second":50},"#;
    let broadcast = people.started(&manifest(&list, "02", "stopped", paced));
    let sms = alpha.await_sms(20);
    site.must(&["broadcast", "cancel", &broadcast, "--reason", "wrong area"]);
    let stopped = wait::until("what waited is cancelled", || {
        let progress = people.status(&broadcast);
        let [cancelled, handed] =
            ["cancelled", "handed_over"].map(|outcome| count(&progress, outcome));
        (cancelled + handed == 1_000).then_some([cancelled, handed])
    });
    let counts = results(&site, &broadcast);
    let said = ["cancelled", "handed_over", "waiting"]
        .map(|outcome| counts.get(outcome).copied().unwrap_or_default());
    assert_eq!(said, [stopped[0], stopped[1], 0], "as the figures: {counts:?}");
    assert!(stopped[1] >= sms.len() as u64, "{stopped:?}");
    for one in alpha.sms() {
        alpha.send_receipt(&one.id, "DELIVRD");
    }
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "cancelled"), stopped[0], "{:?}", progress.counts);
    engine.stop();
}
