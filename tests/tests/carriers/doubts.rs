//! SMS of which a carrier did not say whether it took them, and an answer or a receipt that comes
//! all the same.

use super::{accepted, as_told, await_bound, carrier_figure, msn, one_about, site, told};
use std::time::Duration;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::smsc::{Manner, Smsc};
use tests::wait;

#[test]
fn a_receipt_that_repeats_the_reference_settles_what_was_in_doubt() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--response", "1"]);
    let engine = site.start();
    smsc.send_receipts(None);
    smsc.behave(&[Manner::Silent]);
    accepted(&engine, &Body::push(&msn(1), "doubt"));
    let sms = smsc.await_sms(1)[0].clone();
    assert!(sms.reference.is_some(), "the submit carries user_message_reference");
    wait::until_true("a push in doubt", || engine.admin().figure("holds") == 1);
    smsc.send_receipt_with_reference(&sms, "DELIVRD");
    assert_eq!(told(&one_about(&recorder, "doubt")), as_told("0000", "1", "00"));
    assert_eq!(smsc.sms().len(), 1, "it is not sent again");
    assert_eq!(carrier_figure(&engine, "alpha", "taken_late"), 1);
    engine.stop();
}

#[test]
fn where_nothing_is_to_be_sent_twice_a_push_in_doubt_ends_at_once() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--in-doubt", "fail", "--response", "1"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    for (number, manner) in [(1, Manner::HangUp), (2, Manner::Silent)] {
        smsc.behave(&[manner]);
        let reqid = format!("doubt-{number}");
        accepted(&engine, &Body::push(&msn(number), &reqid));
        assert_eq!(told(&one_about(&recorder, &reqid)), as_told("6008", "0", "46"), "{manner:?}");
    }
    accepted(&engine, &Body::push(&msn(1), "next"));
    assert_eq!(told(&one_about(&recorder, "next")), as_told("0000", "1", "00"));
    let sent: Vec<_> = smsc.sms().into_iter().map(|sms| sms.to).collect();
    assert_eq!(sent, ["819010000001", "819010000002", "819010000001"], "none is sent twice");
    assert_eq!(engine.admin().figure("holds"), 0);
    engine.stop();
}

#[test]
fn an_xpid_may_have_nothing_sent_twice_whatever_the_carrier_is_set_to() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--response", "1"]);
    site.must(&["client", "set", XPID, "--in-doubt", "fail"]);
    assert!(site.must(&["client", "show", XPID]).contains("never sent again"));
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    smsc.behave(&[Manner::Silent]);
    accepted(&engine, &Body::push(&msn(1), "doubt"));
    assert_eq!(told(&one_about(&recorder, "doubt")), as_told("6008", "0", "46"));
    // At once, and the other way round too.
    site.must(&["client", "set", XPID, "--in-doubt", "resend"]);
    smsc.behave(&[Manner::Silent]);
    accepted(&engine, &Body::push(&msn(2), "held"));
    wait::until_true("a push in doubt", || engine.admin().figure("holds") == 1);
    assert_eq!(smsc.sms().len(), 2, "none is sent twice");
    engine.stop();
}

#[test]
fn what_must_not_act_twice_is_not_sent_again_when_the_engine_dies_before_the_answer() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--window", "1", "--rate", "1"]);
    site.must(&["client", "set", XPID, "--in-doubt", "fail"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    smsc.behave(&[Manner::Status(8)]);
    // It is refused for now: a new attempt is a new record, behind the one of its hold.
    accepted(&engine, &Body::push(&msn(1), "held"));
    wait::until_true("a hold", || engine.admin().figure("holds") == 1);
    smsc.behave(&[Manner::Silent]);
    accepted(&engine, &Body::push(&msn(2), "under-way"));
    smsc.await_sms(2);
    // Nothing of these leaves: the window is full.
    for number in 3..303 {
        accepted(&engine, &Body::push(&msn(number), &format!("waits-{number}")));
    }
    engine.kill();
    site.must(&["carrier", "set", "alpha", "--rate", "0", "--window", "50"]);
    let engine = site.start();
    assert_eq!(told(&one_about(&recorder, "under-way")), as_told("6008", "0", "46"));
    recorder.await_count(302 - 1);
    let codes = |code: &str| recorder.notices().iter().filter(|of| of.get("code") == code).count();
    // Few of those that wait may have begun by the journal when the engine died.
    assert!(
        codes("6008") <= 1 + 2 * 32 && codes("0000") + codes("6008") == 301,
        "{}",
        codes("6008")
    );
    let mut sent: Vec<_> = smsc.sms().into_iter().map(|sms| sms.to).collect();
    let all = sent.len();
    sent.sort_unstable();
    sent.dedup();
    assert_eq!((sent.len(), all), (all, all), "none is sent twice");
    assert_eq!(all - 1, codes("0000") + 1, "each that was told as delivered, and the two");
    engine.stop();
}

#[test]
fn a_stop_in_good_order_ends_nothing_that_was_about_to_leave() {
    const PUSHES: u64 = 120;
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--window", "5", "--rate", "5"]);
    site.must(&["client", "set", XPID, "--in-doubt", "fail"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    for number in 0..PUSHES {
        let lifetime = if number % 2 == 0 { "00" } else { "05" };
        let push = Body::push(&msn(number), &format!("waits-{number}"));
        accepted(&engine, &push.with("lifetime", lifetime));
    }
    smsc.await_sms(2);
    engine.stop();
    site.must(&["carrier", "set", "alpha", "--rate", "0", "--window", "50"]);
    let engine = site.start();
    recorder.await_count(PUSHES as usize);
    let failed = recorder.notices().iter().filter(|notice| notice.get("code") != "0000").count();
    assert_eq!(failed, 0, "pushes that never left and were given up");
    assert_eq!(smsc.sms().len() as u64, PUSHES, "each is sent once");
    engine.stop();
}

#[test]
fn an_answer_that_comes_late_settles_what_was_in_doubt() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--response", "1"]);
    let engine = site.start();
    smsc.send_receipts(None);
    smsc.behave(&[Manner::Late]);
    accepted(&engine, &Body::push(&msn(1), "late"));
    wait::until_true("a push in doubt", || engine.admin().figure("holds") == 1);
    smsc.answer_late();
    wait::until_true("a push handed over", || engine.admin().figure("pushes_handed_over") == 1);
    engine.admin().await_durable();
    engine.kill();
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    smsc.send_receipt(&smsc.sms()[0].id, "DELIVRD");
    assert_eq!(told(&one_about(&recorder, "late")), as_told("0000", "1", "00"));
    assert_eq!(smsc.sms().len(), 1, "it is not sent again, before the kill or after it");
    engine.stop();
}

#[test]
fn a_cancel_of_a_push_of_which_a_carrier_has_a_part_is_decided_by_the_receipts() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let site = site(&recorder, &smsc, &["--window", "1"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    smsc.behave(&[Manner::Take, Manner::Status(0x08)]);
    let two = "\u{5730}\u{9707}".repeat(60);
    accepted(&engine, &Body::text(&msn(1), "part", &two));
    wait::until_true("the rest is held", || engine.admin().figure("holds") == 1);
    accepted(&engine, &Body::cancel(&msn(1), "part"));
    wait::until_true("it is handed over", || engine.admin().figure("pushes_handed_over") == 1);
    assert!(recorder.about("part").is_empty(), "nobody knows yet");
    smsc.send_receipt(&smsc.sms()[0].id, "DELIVRD");
    let notices = recorder.await_about("part", 1);
    assert_eq!(notices[0].gist(), ("0401", "0012"), "withdrawn in part");
    assert_eq!(smsc.sms().len(), 2, "the rest is not sent again");
    engine.stop();
}

#[test]
fn pushes_whose_segments_two_carriers_have_are_found_again_after_a_kill() {
    let (recorder, alpha, beta) = (Recorder::start(), Smsc::start(), Smsc::start());
    alpha.send_receipts(None);
    beta.send_receipts(None);
    let site = site(&recorder, &alpha, &["--window", "1"]);
    super::add_carrier(&site, "beta", beta.address(), &[]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    alpha.behave(&[Manner::Take, Manner::Status(0x14)]);
    accepted(&engine, &Body::text(&msn(1), "both", &"\u{5730}\u{9707}".repeat(60)));
    wait::until_true("a resting carrier", || carrier_figure(&engine, "alpha", "dealing") == 0);
    site.must(&["carrier", "route", "add", super::BY_CARRIER, "beta"]);
    beta.await_sms(1);
    wait::until_true("it is handed over", || engine.admin().figure("pushes_handed_over") == 1);
    engine.admin().await_durable();
    engine.kill();
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    await_bound(&engine, "beta", 1);
    alpha.send_receipt(&alpha.sms()[0].id, "DELIVRD");
    beta.send_receipt(&beta.sms()[0].id, "DELIVRD");
    let notices = wait::until_within(Duration::from_secs(20), "both receipts", || {
        Some(recorder.about("both")).filter(|notices| !notices.is_empty())
    });
    assert_eq!(told(&notices[0]), as_told("0000", "2", "00"));
    engine.stop();
}
