//! What a carrier could not deliver goes by another; and what carriers are asked of SMS that they
//! have.

use super::{
    BY_CARRIER, accepted, add_carrier, as_told, await_bound, carrier_figure, msn, one_about, site,
    told,
};
use std::collections::BTreeSet;
use std::time::Duration;
use tests::push::Body;
use tests::recorder::Recorder;
use tests::site::Site;
use tests::smsc::{Manner, Smsc};
use tests::wait;
use wire::smpp::command::Command;

/// Two carriers, of which the second has what the first could not deliver.
fn two(recorder: &Recorder, alpha: &Smsc, beta: &Smsc) -> Site {
    let site = site(recorder, alpha, &[]);
    add_carrier(&site, "beta", beta.address(), &[]);
    let route = ["carrier", "route", "add", BY_CARRIER, "alpha", "--backup", "beta", "--elsewhere"];
    assert!(site.must(&route).contains("paid twice"));
    site
}

#[test]
fn a_carrier_without_room_for_a_part_in_its_alphabet_is_passed_over_for_it() {
    let (recorder, alpha, beta) = (Recorder::start(), Smsc::start(), Smsc::start());
    let site = site(&recorder, &alpha, &[]);
    alpha.go_away(true);
    let engine = site.start();
    // Encoded for a carrier that lacks nothing: two parts of an alphabet that the other lacks.
    accepted(&engine, &Body::text(&msn(1), "parts", &"\u{e9}".repeat(200)));
    accepted(&engine, &Body::text(&msn(2), "plain", &"e".repeat(200)));
    add_carrier(&site, "beta", beta.address(), &["--alphabet", "ascii"]);
    let route = site.must(&["carrier", "route", "add", BY_CARRIER, "alpha", "beta"]);
    assert!(route.contains("other carriers"), "{route}");
    await_bound(&engine, "beta", 1);
    assert_eq!(told(&one_about(&recorder, "plain")), as_told("0000", "2", "00"));
    assert!(recorder.about("parts").is_empty(), "it waits for the first carrier");
    alpha.go_away(false);
    assert_eq!(told(&one_about(&recorder, "parts")), as_told("0000", "2", "00"));
    assert_eq!((alpha.sms().len(), beta.sms().len()), (2, 2));
    assert_eq!(carrier_figure(&engine, "beta", "refused"), 0);
    engine.stop();
}

#[test]
fn what_a_carrier_could_not_deliver_goes_by_another_once() {
    let (recorder, alpha, beta) = (Recorder::start(), Smsc::start(), Smsc::start());
    let site = two(&recorder, &alpha, &beta);
    assert!(site.must(&["carrier", "route", "list"]).contains("yes"));
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    await_bound(&engine, "beta", 1);
    alpha.send_receipts(Some("UNDELIV"));
    // Two segments: neither arrived by the first carrier, both do by the second.
    accepted(&engine, &Body::text(&msn(1), "saved", &"\u{5730}\u{9707}".repeat(60)));
    assert_eq!(told(&one_about(&recorder, "saved")), as_told("0000", "2", "00"));
    assert_eq!((alpha.sms().len(), beta.sms().len()), (2, 2));
    assert_eq!(alpha.sms()[1].text, beta.sms()[1].text);
    assert_eq!(engine.admin().figure("pushes_elsewhere"), 1);
    // Neither of them can: that is its end.
    beta.send_receipts(Some("UNDELIV"));
    accepted(&engine, &Body::push(&msn(2), "twice"));
    assert_eq!(told(&one_about(&recorder, "twice")), as_told("6012", "0", "40"));
    assert_eq!((alpha.sms().len(), beta.sms().len()), (3, 3));
    // What expired there is over, and what may be sent once is not sent again.
    alpha.send_receipts(Some("EXPIRED"));
    accepted(&engine, &Body::push(&msn(3), "over"));
    assert_eq!(told(&one_about(&recorder, "over")).0, "6001");
    alpha.send_receipts(Some("UNDELIV"));
    accepted(&engine, &Body::push(&msn(4), "single").with("lifetime", "00"));
    assert_eq!(told(&one_about(&recorder, "single")).0, "6012");
    assert_eq!((alpha.sms().len(), beta.sms().len()), (5, 3));
    let shown = site.must(&["push", "show", &msn(1), "saved"]);
    for words in ["carrier 1 could not deliver it", &format!("carrier 1 has {}", alpha.sms()[0].id)]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn what_goes_by_another_carrier_goes_there_after_a_kill_too() {
    let (recorder, alpha, beta) = (Recorder::start(), Smsc::start(), Smsc::start());
    let site = two(&recorder, &alpha, &beta);
    beta.go_away(true);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    alpha.send_receipts(Some("UNDELIV"));
    accepted(&engine, &Body::push(&msn(1), "waits"));
    wait::until_true("a push for the other", || engine.admin().figure("pushes_elsewhere") == 1);
    wait::until_true("an acknowledged receipt", || alpha.acknowledged() == 1);
    engine.kill();
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    beta.go_away(false);
    assert_eq!(told(&one_about(&recorder, "waits")), as_told("0000", "1", "00"));
    assert_eq!((alpha.sms().len(), beta.sms().len()), (1, 1));
    engine.stop();
}

#[test]
fn a_carrier_that_takes_cancels_is_sent_one_for_a_push_that_it_has() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let mut site = site(&recorder, &smsc, &["--cancel", "true"]);
    site.shards(2);
    let engine = site.start();
    // Of both shards, one of which is not the carrier's home.
    for number in 0..8 {
        let reqid = format!("cancelled-{number}");
        accepted(&engine, &Body::push(&msn(number), &reqid));
        smsc.await_sms(number as usize + 1);
        wait::until_true("it is handed over", || engine.admin().figure("pushes_handed_over") == 1);
        accepted(&engine, &Body::cancel(&msn(number), &reqid));
        assert_eq!(recorder.await_about(&reqid, 1)[0].gist(), ("0401", "0000"));
    }
    let ids: Vec<_> = smsc.sms().into_iter().map(|sms| (Command::CANCEL_SM, sms.id)).collect();
    assert_eq!(smsc.questions(), ids);
    assert_eq!(carrier_figure(&engine, "alpha", "cancels"), 8);
    engine.stop();
}

#[test]
fn what_is_cancelled_on_its_way_to_a_carrier_is_asked_back_once_that_has_taken_it() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    smsc.behave(&[Manner::Late; 4]);
    let mut site = site(&recorder, &smsc, &["--cancel", "true"]);
    site.shards(2);
    let engine = site.start();
    let reqid = |number: u64| format!("late-{number}");
    for number in 0..4 {
        accepted(&engine, &Body::push(&msn(number), &reqid(number)));
    }
    let ids: BTreeSet<_> = smsc.await_sms(4).into_iter().map(|sms| sms.id).collect();
    for number in 0..4 {
        accepted(&engine, &Body::cancel(&msn(number), &reqid(number)));
    }
    assert!(smsc.questions().is_empty(), "nobody knows yet that it has any");
    smsc.answer_late();
    for number in 0..4 {
        assert_eq!(recorder.await_about(&reqid(number), 1)[0].gist(), ("0401", "0000"));
    }
    let asked: BTreeSet<_> = smsc.questions().into_iter().map(|(_, id)| id).collect();
    assert_eq!((asked, smsc.questions().len()), (ids, 4), "each once");
    engine.stop();
}

#[test]
fn a_cancel_that_found_no_session_is_put_to_its_carrier_behind_a_kill() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let site = site(&recorder, &smsc, &["--cancel", "true"]);
    let engine = site.start();
    accepted(&engine, &Body::push(&msn(1), "had"));
    wait::until_true("it is handed over", || engine.admin().figure("pushes_handed_over") == 1);
    smsc.go_away(true);
    wait::until_true("no session", || carrier_figure(&engine, "alpha", "sessions_bound") == 0);
    accepted(&engine, &Body::cancel(&msn(1), "had"));
    engine.kill();
    let engine = site.start();
    smsc.go_away(false);
    assert_eq!(recorder.await_about("had", 1)[0].gist(), ("0401", "0000"));
    assert_eq!(smsc.questions().len(), 1);
    engine.stop();
}

#[test]
fn a_carrier_that_takes_queries_is_asked_before_a_push_ends_without_its_receipt() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let mut site = site(&recorder, &smsc, &["--query", "true"]);
    // An hour of lifetime and one of grace are seven seconds, and an answer has 300 ms.
    site.set("--rehearsal-time-scale", "1000").shards(2);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    smsc.answer_queries(2);
    for number in 0..4 {
        let push = Body::push(&msn(number), &format!("asked-{number}")).with("lifetime", "01");
        accepted(&engine, &push);
    }
    smsc.await_sms(4);
    let notices = wait::until_within(Duration::from_secs(30), "the end of all", || {
        Some(recorder.notices()).filter(|notices| notices.len() >= 4)
    });
    // On a busy machine an answer may be late.
    let delivered = notices.iter().filter(|notice| notice.get("code") == "0000").count();
    let unknown = notices.iter().filter(|notice| notice.get("code") == "6013").count();
    assert_eq!(delivered + unknown, 4, "{notices:?}");
    assert!(delivered > 0, "{notices:?}");
    let asked: BTreeSet<_> = smsc.questions().into_iter().map(|(_, id)| id).collect();
    assert_eq!(asked, smsc.sms().into_iter().map(|sms| sms.id).collect());
    engine.stop();
}

#[test]
fn a_phone_that_a_carrier_says_is_reachable_again_is_tried_again_soon() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let mut site = site(&recorder, &smsc, &[]);
    site.shards(2);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    for number in 0..2 {
        // ESME_RSYSERR: it would be tried again in a minute.
        smsc.behave(&[Manner::Status(0x08)]);
        let reqid = format!("held-{number}");
        accepted(&engine, &Body::push(&msn(number), &reqid));
        wait::until_true("a push that waits", || engine.admin().figure("holds") == number + 1);
        smsc.say_reachable(&format!("81{}", &msn(number)[1..]));
        assert_eq!(told(&one_about(&recorder, &reqid)), as_told("0000", "1", "00"));
    }
    assert_eq!(carrier_figure(&engine, "alpha", "alerts"), 2);
    engine.stop();
}
