//! Rows of which a carrier took a part, or nothing: what becomes of the rest over cancels, pauses,
//! deaths and changed alphabets, and what the books and the volume have of them.

use hayauma::control::broadcasts::ProgressDocument;
use std::time::Duration;
use tests::bill::Bill;
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::carriers::{add_carrier, await_bound, carrier_figure};
use tests::push::{Body, XPID};
use tests::site::Site;
use tests::smsc::{Manner, Sms, Smsc};
use tests::wait;

/// ESME_RTHROTTLED.
const THROTTLED: u32 = 0x58;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

/// A place whose phones all go by one carrier.
fn site(carrier: &Smsc, more: &[&str]) -> Site {
    let site = Site::new(tests::programs!());
    add_carrier(&site, "alpha", carrier.address(), more);
    site.must(&["carrier", "route", "add", "0900", "alpha"]);
    site
}

/// A manifest whose texts take two segments each.
fn of_two_segments(manifest: &str) -> String {
    let (ja, en) = ("避難してください", "Leave now");
    manifest.replace(ja, &ja.repeat(10)).replace(en, &format!("{en} ").repeat(20))
}

/// The carrier takes the next segment, and finds that all behind it come too fast.
fn takes_one_segment(carrier: &Smsc) {
    carrier.send_receipts(None);
    carrier.behave(&[Manner::Take]);
    carrier.behave(&[Manner::Status(THROTTLED); 1_000]);
}

/// What the carrier took of all that came.
fn taken(carrier: &Smsc) -> Vec<Sms> {
    carrier.sms().into_iter().filter(|sms| sms.status == Some(0)).collect()
}

#[test]
fn what_a_carrier_took_a_part_of_is_in_the_books_once_however_the_rest_ends() {
    let alpha = Smsc::start();
    let site = site(&alpha, &["--cancel", "true"]);
    let people = Broadcaster::new(&site, 10);
    takes_one_segment(&alpha);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(1));
    let broadcast = people.started(&of_two_segments(&manifest(&list, "02", "parts", "")));
    wait::until_true("a part at the carrier", || {
        carrier_figure(&engine, "alpha", "throttled") > 0 && taken(&alpha).len() == 1
    });
    site.must(&["broadcast", "cancel", &broadcast, "--reason", "wrong"]);
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "cancelled"), 1, "{:?}", progress.counts);
    let asked: Vec<String> = alpha.questions().into_iter().map(|(_, id)| id).collect();
    let parts: Vec<String> = taken(&alpha).into_iter().map(|sms| sms.id).collect();
    assert_eq!(asked, parts, "the part that it had");
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
    let accepted = Bill::of_these_days(&site).sum(XPID, "accepted");
    assert_eq!(accepted, 1, "the carrier charges for it");
}

#[test]
fn a_receipt_counts_that_comes_while_its_row_waits_for_its_turn() {
    let alpha = Smsc::start();
    let site = site(&alpha, &[]);
    let people = Broadcaster::new(&site, 10);
    takes_one_segment(&alpha);
    let mut engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(1));
    let broadcast = people.started(&of_two_segments(&manifest(&list, "02", "early", "")));
    wait::until_true("a part at the carrier", || {
        carrier_figure(&engine, "alpha", "throttled") > 0 && taken(&alpha).len() == 1
    });
    site.must(&["broadcast", "pause", &broadcast]);
    engine.kill();
    engine = site.start();
    await_bound(&engine, "alpha", 1);
    alpha.send_receipt(&taken(&alpha)[0].id, "UNDELIV");
    wait::until_true("its acknowledgement", || alpha.acknowledged() == 1);
    engine.kill();
    engine = site.start();
    alpha.behave_as_usual();
    alpha.send_receipts(Some("UNDELIV"));
    site.must(&["broadcast", "resume", &broadcast]);
    let progress = people.ended_within(&broadcast, Duration::from_secs(30));
    assert_eq!(count(&progress, "failed"), 1, "{:?}", progress.counts);
    assert_eq!(taken(&alpha).len(), 2, "each segment once");
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn the_rest_of_a_text_goes_in_the_form_of_what_is_out_whatever_the_alphabet_is_by_then() {
    let alpha = Smsc::start();
    let site = site(&alpha, &["--alphabet", "ascii"]);
    let people = Broadcaster::new(&site, 10);
    takes_one_segment(&alpha);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&format!("msn,area,lang\n{},13101,en\n", msn(0)));
    // Nine tens of characters: one segment of GSM's, two of UCS-2.
    let text = "Küste ".repeat(15);
    let manifest = manifest(&list, "02", "forms", "").replace("Leave now", text.trim());
    let broadcast = people.started(&manifest);
    wait::until_true("a part at the carrier", || {
        carrier_figure(&engine, "alpha", "throttled") > 0 && taken(&alpha).len() == 1
    });
    engine.kill();
    site.must(&["carrier", "set", "alpha", "--alphabet", "gsm"]);
    let engine = site.start();
    alpha.send_receipts(Some("DELIVRD"));
    alpha.behave_as_usual();
    await_bound(&engine, "alpha", 1);
    let first = taken(&alpha)[0].id.clone();
    alpha.send_receipt(&first, "DELIVRD");
    assert_eq!(count(&people.ended(&broadcast), "delivered"), 1);
    let codings: Vec<u8> = taken(&alpha).iter().map(|sms| sms.data_coding).collect();
    assert_eq!(codings, [8, 8], "two halves of one text");
    engine.stop();
}

#[test]
fn a_row_that_came_back_and_was_never_sent_takes_nothing_of_the_days_volume() {
    let alpha = Smsc::start();
    let site = site(&alpha, &[]);
    let people = Broadcaster::new(&site, 10);
    site.must(&["client", "set", XPID, "--volume", "1"]);
    alpha.behave(&[Manner::Status(THROTTLED); 1_000]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(1));
    let broadcast = people.started(&manifest(&list, "02", "volume", ""));
    wait::until_true("it came back", || carrier_figure(&engine, "alpha", "throttled") > 0);
    site.must(&["broadcast", "cancel", &broadcast, "--reason", "wrong"]);
    assert_eq!(count(&people.ended(&broadcast), "cancelled"), 1);
    let single = Body::push(&msn(7), "single").request();
    assert_eq!(engine.connect().ask(&single).code(), "0000", "the volume is all there");
    engine.stop();
}
