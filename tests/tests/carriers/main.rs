//! Pushes that go by a carrier: submitted by SMPP, handed over, ended by a receipt, over refusals,
//! lost sessions, restarts and kills.

mod doubts;
mod elsewhere;
mod failover;
mod kills;
mod live;
mod pace;
mod peers;
mod references;
mod shares;
mod trial;

use std::time::Duration;
use tests::bill::Bill;
use tests::carriers::{add_carrier, await_bound, carrier_figure};
use tests::engine::Engine;
use tests::push::{Body, XPID};
use tests::recorder::{Notice, Recorder};
use tests::site::Site;
use tests::smsc::{Manner, PASSWORD, Smsc};
use tests::wait;

/// By a carrier: msns that begin so.
const BY_CARRIER: &str = "0901";

fn msn(number: u64) -> String {
    format!("{BY_CARRIER}{number:07}")
}

/// A place with a push client, and a carrier for some of its phones.
fn site(recorder: &Recorder, smsc: &Smsc, more: &[&str]) -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &["--notify-url", &recorder.url(), "--class", "emergency"]);
    site.add_contracts(XPID, &["09010000000-09010000999", "09020000000"]);
    add_carrier(&site, "alpha", smsc.address(), more);
    site.must(&["carrier", "route", "add", BY_CARRIER, "alpha"]);
    site
}

#[track_caller]
fn accepted(engine: &Engine, body: &Body) {
    assert_eq!(engine.connect().ask(&body.request()).code(), "0000");
}

#[track_caller]
fn one_about(recorder: &Recorder, reqid: &str) -> Notice {
    let notices = recorder.await_about(reqid, 1);
    let [notice] = &notices[..] else { panic!("{reqid}: {notices:?}") };
    notice.clone()
}

/// Code, delivered segments, TP-Status, and whether a domain is told.
fn told(notice: &Notice) -> (String, String, String, bool) {
    let get = |name: &str| notice.get(name).to_owned();
    (get("code"), get("dlvnum"), get("tpst"), notice.elements.find("domain").is_some())
}

fn as_told(code: &str, delivered: &str, status: &str) -> (String, String, String, bool) {
    (code.to_owned(), delivered.to_owned(), status.to_owned(), false)
}

#[test]
fn a_push_by_a_carrier_is_submitted_and_ends_with_its_receipt() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    accepted(&engine, &Body::text(&msn(1), "one", "Hello @ carrier"));
    assert_eq!(told(&one_about(&recorder, "one")), as_told("0000", "1", "00"));
    let sms = smsc.sms();
    assert_eq!(sms.len(), 1);
    assert_eq!((sms[0].to.as_str(), sms[0].from.as_str()), ("819010000001", "Hayauma"));
    // GSM 7-bit, a character an octet; `@` is 00.
    assert_eq!(sms[0].text, b"Hello \0 carrier");
    assert_eq!((sms[0].data_coding, sms[0].registered_delivery, sms[0].esm_class), (0, 1, 0));
    assert_eq!((sms[0].validity.len(), sms[0].validity.ends_with("000+")), (16, true));
    wait::until_true("an acknowledged receipt", || smsc.acknowledged() == 1);
    // Whom no carrier takes goes to the simulated network beside it.
    accepted(&engine, &Body::push("09020000000", "core"));
    let by_core = one_about(&recorder, "core");
    assert_eq!((by_core.get("code"), by_core.elements.find("domain")), ("0000", Some("PS")));
    assert_eq!(smsc.sms().len(), 1);
    engine.stop();
    let bill = Bill::of_these_days(&site);
    assert_eq!(["accepted", "delivered"].map(|column| bill.sum(XPID, column)), [2, 2]);
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn segments_of_a_long_push_go_in_their_order_and_each_needs_its_receipt() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    accepted(&engine, &Body::text(&msn(1), "long", &"\u{5730}\u{9707}".repeat(80)));
    let sms = smsc.await_sms(3);
    assert_eq!(sms.len(), 3);
    for (at, sms) in sms.iter().enumerate() {
        assert_eq!((sms.esm_class, sms.data_coding), (0x40, 8));
        assert_eq!(sms.text[..3], [5, 0, 3], "a concatenation header in front");
        assert_eq!(sms.text[4..6], [3, at as u8 + 1]);
    }
    wait::until_true("a push handed over", || engine.admin().figure("pushes_handed_over") == 1);
    smsc.send_receipt(&sms[2].id, "DELIVRD");
    smsc.send_receipt(&sms[0].id, "UNDELIV");
    wait::until_true("two receipts", || smsc.acknowledged() == 2);
    assert!(recorder.about("long").is_empty(), "one is missing");
    smsc.send_receipt(&sms[1].id, "DELIVRD");
    assert_eq!(told(&one_about(&recorder, "long")), as_told("6011", "2", "40"));
    engine.stop();
}

/// What went out: data_coding, and the text.
fn sent(smsc: &Smsc, count: usize) -> Vec<(u8, Vec<u8>)> {
    smsc.await_sms(count).into_iter().map(|sms| (sms.data_coding, sms.text)).collect()
}

#[test]
fn a_carriers_own_alphabet_is_written_and_what_it_lacks_goes_as_ucs_2() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--alphabet", "latin-1", "--data-coding", "00=03"]);
    let checked = site.must(&["carrier", "route", "check", &msn(1), XPID]);
    assert!(checked.contains("Latin-1 lacks goes as UCS-2"), "{checked}");
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    accepted(&engine, &Body::text(&msn(1), "western", "Gr\u{fc}\u{df}e @ [1]"));
    one_about(&recorder, "western");
    accepted(&engine, &Body::text(&msn(1), "greek", "\u{394}\u{3a9}"));
    one_about(&recorder, "greek");
    let greek = vec![0x03, 0x94, 0x03, 0xA9];
    let western = b"Gr\xfc\xdfe @ [1]".to_vec();
    assert_eq!(sent(&smsc, 2), [(3, western), (8, greek.clone())]);
    // Several segments: a header, then the text of each.
    accepted(&engine, &Body::text(&msn(1), "long", &"\u{fc}".repeat(200)));
    one_about(&recorder, "long");
    let long = &sent(&smsc, 4)[2..];
    assert!(long.iter().all(|(coding, text)| *coding == 3 && text[..3] == [5, 0, 3]));
    assert_eq!([&long[0].1[6..], &long[1].1[6..]].concat(), [0xFC; 200]);
    // A poorer carrier makes the whole route poorer, a backup too.
    let beta = Smsc::start();
    add_carrier(&site, "beta", beta.address(), &["--alphabet", "ascii"]);
    site.must(&["carrier", "route", "add", BY_CARRIER, "alpha", "--backup", "beta"]);
    accepted(&engine, &Body::text(&msn(1), "poorer", "\u{fc}"));
    one_about(&recorder, "poorer");
    assert_eq!(sent(&smsc, 5)[4], (8, vec![0, 0xFC]));
    engine.stop();
}

#[test]
fn what_a_receipt_or_a_refusal_says_is_what_the_push_client_is_told() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    let ends = [
        ("EXPIRED", "6001", "46"),
        ("DELETED", "6010", "48"),
        ("UNDELIV", "6012", "40"),
        ("REJECTD", "6012", "40"),
        ("UNKNOWN", "6013", "40"),
    ];
    for (stat, code, status) in ends {
        smsc.send_receipts(Some(stat));
        accepted(&engine, &Body::push(&msn(1), stat));
        assert_eq!(told(&one_about(&recorder, stat)), as_told(code, "0", status), "{stat}");
    }
    for (status, code) in [(0x0B, "6002"), (0x45, "6005")] {
        smsc.behave(&[Manner::Status(status)]);
        let reqid = format!("status-{status}");
        accepted(&engine, &Body::push(&msn(1), &reqid));
        assert_eq!(told(&one_about(&recorder, &reqid)), as_told(code, "0", "40"), "{status:02X}");
    }
    engine.stop();
}

#[test]
fn a_throttled_push_keeps_its_place_and_counts_no_attempt() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--window", "1"]);
    let engine = site.start();
    smsc.behave(&[Manner::Status(0x58)]);
    let mut connection = engine.connect();
    for number in 0..5 {
        connection.send(&Body::push(&msn(1), &format!("in-order-{number}")).request());
    }
    for _ in 0..5 {
        assert_eq!(connection.answer().code(), "0000");
    }
    recorder.await_count(5);
    let sms = smsc.sms();
    assert_eq!(sms.len(), 6, "one is sent twice");
    assert_eq!(sms[0].text, sms[1].text);
    assert_eq!(engine.admin().figure("holds"), 0, "no schedule was entered");
    let reqids: Vec<_> =
        recorder.notices().iter().map(|notice| notice.get("reqid").to_owned()).collect();
    let expected: Vec<_> = (0..5).map(|number| format!("in-order-{number}")).collect();
    assert_eq!(reqids, expected);
    engine.stop();
}

#[test]
fn a_receipt_before_its_answer_counts_and_a_second_one_ends_nothing_twice() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    smsc.behave(&[Manner::ReceiptFirst]);
    accepted(&engine, &Body::push(&msn(1), "early"));
    assert_eq!(told(&one_about(&recorder, "early")), as_told("0000", "1", "00"));
    wait::until_true("an acknowledged receipt", || smsc.acknowledged() == 1);
    let id = smsc.sms()[0].id.clone();
    smsc.send_receipt(&id, "UNDELIV");
    smsc.send_receipt("no such id", "DELIVRD");
    wait::until_true("both acknowledged all the same", || smsc.acknowledged() == 3);
    assert_eq!(recorder.about("early").len(), 1);
    engine.stop();
}

#[test]
fn a_carrier_without_receipts_delivers_what_it_takes() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let site = site(&recorder, &smsc, &["--receipts", "false"]);
    let engine = site.start();
    accepted(&engine, &Body::push(&msn(1), "taken"));
    assert_eq!(told(&one_about(&recorder, "taken")), as_told("0000", "1", "00"));
    assert_eq!(smsc.sms()[0].registered_delivery, 0);
    engine.stop();
}

#[test]
fn pushes_wait_for_a_carrier_that_is_away_and_go_on_when_it_is_bound() {
    let recorder = Recorder::start();
    let address = tests::ports::free_address();
    let site = {
        let away = Smsc::start_at(address);
        site(&recorder, &away, &[])
    };
    let engine = site.start();
    accepted(&engine, &Body::push(&msn(1), "waits"));
    wait::until_true("a push that is counted", || site.must(&["queue"]).contains("queued"));
    assert_eq!(engine.admin().figure("attempts"), 0);
    let smsc = Smsc::start_at(address);
    assert_eq!(told(&one_about(&recorder, "waits")), as_told("0000", "1", "00"));
    // A session that is lost is bound again, and nothing of the old one is left.
    smsc.hang_up();
    wait::until_true("a second bind", || smsc.binds() == 2 && smsc.bound() == 1);
    accepted(&engine, &Body::push(&msn(2), "again"));
    one_about(&recorder, "again");
    engine.stop();
    wait::until_true("an orderly end", || smsc.bound() == 0);
}

#[test]
fn what_a_carrier_did_not_answer_is_in_doubt_and_sent_again() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    smsc.behave(&[Manner::HangUp]);
    accepted(&engine, &Body::push(&msn(1), "doubt").with("comway", "1103"));
    wait::until_true("a push in doubt", || engine.admin().figure("holds") == 1);
    wait::until_true("what holds it", || site.must(&["queue"]).contains("in doubt"));
    // What may be sent once only is not sent again.
    wait::until_true("a second bind", || smsc.binds() == 2 && smsc.bound() == 1);
    smsc.behave(&[Manner::HangUp]);
    accepted(&engine, &Body::push(&msn(2), "once").with("lifetime", "00"));
    assert_eq!(told(&one_about(&recorder, "once")), as_told("6008", "0", "46"));
    // An emergency waits ten seconds.
    let notices = wait::until_within(Duration::from_secs(60), "the second try", || {
        Some(recorder.about("doubt")).filter(|notices| !notices.is_empty())
    });
    assert_eq!(told(&notices[0]), as_told("0000", "1", "00"));
    assert_eq!(smsc.sms().len(), 3);
    assert_eq!(carrier_figure(&engine, "alpha", "resent_in_doubt"), 1);
    let metrics = engine.admin().request("GET", "/metrics", "").text();
    for line in [
        "hayauma_carrier_answers_total{carrier=\"alpha\",meaning=\"taken\"} 1",
        "hayauma_carrier_receipts_by_state_total{carrier=\"alpha\",state=\"delivered\"} 1",
        "hayauma_carrier_answer_seconds_count{carrier=\"alpha\"} 1",
        "hayauma_carrier_receipt_seconds_count{carrier=\"alpha\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} lacks: {metrics}");
    }
    let listed = site.must(&["carrier", "list"]);
    assert!(listed.contains("SINCE") && listed.contains("closed the connection"), "{listed}");
    engine.stop();
}

#[test]
fn what_was_handed_over_is_found_again_after_a_stop_and_after_a_kill() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let mut site = site(&recorder, &smsc, &["--sessions", "2"]);
    site.shards(2);
    let engine = site.start();
    for number in 0..20 {
        accepted(&engine, &Body::push(&msn(number), &format!("kept-{number}")));
    }
    let sms = smsc.await_sms(20);
    wait::until_true("20 handed over", || engine.admin().figure("pushes_handed_over") == 20);
    engine.admin().await_durable();
    engine.kill();
    // Receipts that come while the engine is away wait for it.
    for sms in &sms[..5] {
        smsc.send_receipt(&sms.id, "DELIVRD");
    }
    let engine = site.start();
    recorder.await_count(5);
    engine.stop();
    let engine = site.start();
    for sms in &sms[5..] {
        smsc.send_receipt(&sms.id, "DELIVRD");
    }
    recorder.await_count(20);
    wait::until_true("20 acknowledged receipts", || smsc.acknowledged() == 20);
    let codes = recorder.notices().iter().all(|notice| notice.get("code") == "0000");
    assert!(codes && recorder.notices().len() == 20);
    assert_eq!(smsc.sms().len(), 20, "nothing was sent again");
    assert_eq!(engine.admin().figure("pushes_handed_over"), 0);
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn a_cancel_of_what_a_carrier_has_waits_for_its_receipt() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    smsc.send_receipts(None);
    let site = site(&recorder, &smsc, &[]);
    let engine = site.start();
    for (number, stat) in ["DELIVRD", "UNDELIV"].into_iter().enumerate() {
        let (to, reqid) = (msn(number as u64), format!("cancelled-{number}"));
        accepted(&engine, &Body::push(&to, &reqid));
        smsc.await_sms(number + 1);
        wait::until_true("it is handed over", || engine.admin().figure("pushes_handed_over") == 1);
        accepted(&engine, &Body::cancel(&to, &reqid));
        assert!(recorder.about(&reqid).is_empty(), "nobody knows yet");
        smsc.send_receipt(&smsc.sms()[number].id, stat);
    }
    let delivered = recorder.await_about("cancelled-0", 2);
    assert_eq!(
        delivered.iter().map(Notice::gist).collect::<Vec<_>>(),
        [("0301", "0000"), ("0401", "3003")]
    );
    let withdrawn = recorder.await_about("cancelled-1", 1);
    assert_eq!(withdrawn[0].gist(), ("0401", "0000"));
    engine.stop();
}

#[test]
fn settings_and_routes_that_cannot_work_are_refused_with_a_sentence() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &[]);
    for (arguments, word) in [
        (&["carrier", "add", "alpha", "--host", "h:1", "--system-id", "x"][..], "there already"),
        (&["carrier", "add", "beta", "--system-id", "x"], "--host"),
        (&["carrier", "set", "alpha", "--window", "0"], "window"),
        (&["carrier", "set", "gamma", "--window", "1"], "no carrier"),
        (&["carrier", "remove", "alpha"], "still go"),
        (&["carrier", "route", "add", "09", "gamma"], "no carrier"),
        (&["carrier", "route", "remove", "0999"], "no such route"),
    ] {
        let finished = site.run(arguments);
        assert!(finished.refusal().contains(word), "{arguments:?}: {}", finished.stderr);
    }
    assert!(site.must(&["carrier", "list"]).contains("alpha"));
    assert!(!site.must(&["carrier", "list"]).contains(PASSWORD));
    assert!(site.must(&["carrier", "route", "check", &msn(1), XPID]).contains("carrier alpha"));
    assert!(
        site.must(&["carrier", "route", "check", "09020000000", XPID]).contains("core network")
    );
    // A wrong password is told, and the pushes wait.
    std::fs::write(site.path("wrong"), "wrong").expect("a writable directory");
    let wrong = site.path("wrong").display().to_string();
    site.must(&["carrier", "set", "alpha", "--password-file", &wrong]);
    let engine = site.start();
    wait::until_true("a refusal in the log", || engine.log().contains("ESME_RINVPASWD"));
    assert!(!engine.log().contains("wrong"), "no password is ever logged");
    engine.stop();
    for arguments in
        [["carrier", "route", "remove", BY_CARRIER].as_slice(), &["carrier", "remove", "alpha"]]
    {
        site.must(arguments);
    }
    assert!(site.must(&["carrier", "list"]).contains("no carriers"));
}
