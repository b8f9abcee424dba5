//! Several carriers a route: shares by weight, one that dies or stands still, backups, and who
//! comes first after a rest.

use super::{
    BY_CARRIER, accepted, add_carrier, as_told, await_bound, carrier_figure, msn, one_about, told,
};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tests::engine::Engine;
use tests::push::{Body, XPID, expiry_in};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::smsc::{Manner, Smsc};
use tests::wait;

/// ESME_RTHROTTLED.
const THROTTLED: u32 = 0x58;

/// A place with two carriers and this route.
fn site(recorder: &Recorder, carriers: [&Smsc; 2], more: &[&str], route: &[&str]) -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &["--notify-url", &recorder.url(), "--class", "emergency"]);
    site.add_contracts(XPID, &["09010000000-09010000999"]);
    for (name, smsc) in ["alpha", "beta"].into_iter().zip(carriers) {
        add_carrier(&site, name, smsc.address(), more);
    }
    site.must(&[&["carrier", "route", "add", BY_CARRIER], route].concat());
    site
}

fn standard(number: u64) -> Body {
    Body::push(&msn(number), &format!("push-{number}"))
}

fn emergency(number: u64) -> Body {
    standard(number).with("comway", "1103")
}

/// Sends pushes of these numbers, a few hundred at most.
fn push_all(engine: &Engine, numbers: std::ops::Range<u64>) {
    let mut connection = engine.connect();
    let requests: Vec<u8> = numbers.clone().flat_map(|number| standard(number).request()).collect();
    connection.send(&requests);
    for _ in numbers {
        assert_eq!(connection.answer().code(), "0000");
    }
}

#[test]
fn carriers_share_by_weight_and_a_push_has_one() {
    let (recorder, alpha, beta) = (Recorder::start(), Smsc::start(), Smsc::start());
    let site = site(&recorder, [&alpha, &beta], &[], &["alpha:70", "beta:30"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    await_bound(&engine, "beta", 1);
    push_all(&engine, 0..400);
    recorder.await_count(400);
    let (of_alpha, of_beta) = (alpha.sms().len(), beta.sms().len());
    assert_eq!(of_alpha + of_beta, 400);
    assert!((260..=300).contains(&of_alpha), "{of_alpha} of 400 by 70 %");
    engine.stop();
}

#[test]
fn when_a_carrier_is_killed_the_other_has_all_its_pushes_within_ten_seconds() {
    kill_a_carrier(1);
}

#[test]
fn when_a_carrier_is_killed_the_other_has_the_pushes_of_several_partitions_a_thread_too() {
    kill_a_carrier(4);
}

fn kill_a_carrier(partitions_a_thread: usize) {
    let (recorder, alpha, beta) = (Recorder::start(), Smsc::start(), Smsc::start());
    // Nothing ends but by a receipt: what is in doubt would be seen twice.
    let more = ["--rate", "50"];
    let mut site = site(&recorder, [&alpha, &beta], &more, &["alpha", "beta"]);
    site.partitions_a_thread(partitions_a_thread);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    await_bound(&engine, "beta", 1);
    push_all(&engine, 0..200);
    alpha.await_sms(10);
    let before = alpha.sms();
    drop(alpha);
    let died = Instant::now();
    let in_doubt = |engine: &Engine| carrier_figure(engine, "alpha", "in_doubt");
    let all = wait::until_within(Duration::from_secs(10), "all but those in doubt", || {
        let (alphas, doubt) = (before.len() as u64, in_doubt(&engine));
        Some(beta.sms()).filter(|sms| sms.len() as u64 + alphas + doubt >= 200)
    });
    assert!(died.elapsed() < Duration::from_secs(10));
    assert!(in_doubt(&engine) <= 10, "no more than the window");
    let phones: BTreeSet<_> = before.iter().chain(&all).map(|sms| sms.to.clone()).collect();
    assert!(phones.len() as u64 + in_doubt(&engine) >= 200, "{}", phones.len());
    engine.stop();
}

#[test]
fn a_carrier_that_stands_still_loses_its_pushes_to_the_other_within_25_seconds() {
    let (recorder, alpha, beta) = (Recorder::start(), Smsc::start(), Smsc::start());
    let route = ["alpha", "--backup", "beta", "--failover-after", "10"];
    let site = site(&recorder, [&alpha, &beta], &["--rate", "20", "--sessions", "2"], &route);
    let engine = site.start();
    await_bound(&engine, "alpha", 2);
    await_bound(&engine, "beta", 2);
    push_all(&engine, 0..60);
    alpha.await_sms(5);
    alpha.play_dead(true);
    let still = Instant::now();
    wait::until_within(Duration::from_secs(25), "all but those in doubt", || {
        let doubt = carrier_figure(&engine, "alpha", "in_doubt");
        let phones: BTreeSet<_> =
            alpha.sms().into_iter().chain(beta.sms()).map(|sms| sms.to).collect();
        (phones.len() as u64 + doubt >= 60 && !beta.sms().is_empty()).then_some(())
    });
    assert!(still.elapsed() > Duration::from_secs(9), "a backup does not take over at once");
    assert!(carrier_figure(&engine, "alpha", "in_doubt") <= 20);
    engine.stop();
}

#[test]
fn a_backup_takes_emergencies_at_once_and_others_when_the_carrier_has_been_down_for_so_long() {
    let (recorder, beta) = (Recorder::start(), Smsc::start());
    let alpha = Smsc::start();
    let route = ["alpha", "--backup", "beta", "--failover-after", "3"];
    let site = site(&recorder, [&alpha, &beta], &[], &route);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    await_bound(&engine, "beta", 1);
    push_all(&engine, 0..5);
    recorder.await_count(5);
    assert!(beta.sms().is_empty(), "a backup has nothing while the other is up");
    drop(alpha);
    wait::until_true("a lost session", || carrier_figure(&engine, "alpha", "sessions_bound") == 0);
    let down = Instant::now();
    accepted(&engine, &standard(10));
    accepted(&engine, &emergency(11));
    one_about(&recorder, "push-11");
    let first = down.elapsed();
    assert!(first < Duration::from_secs(2), "an emergency after {first:?}");
    assert_eq!(beta.sms().len(), 1, "the other one waits");
    one_about(&recorder, "push-10");
    assert!(down.elapsed() >= Duration::from_millis(2_500), "{:?}", down.elapsed());
    engine.stop();
}

#[test]
fn an_emergency_is_the_first_after_the_rest_of_a_throttled_carrier() {
    rest_a_throttled_carrier(1);
}

#[test]
fn an_emergency_of_one_of_several_partitions_is_the_first_after_a_carriers_rest() {
    rest_a_throttled_carrier(4);
}

fn rest_a_throttled_carrier(partitions_a_thread: usize) {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    // One is on its way to the carrier and another waits at its home, so that it could be first.
    let mut site = super::site(&recorder, &smsc, &["--window", "1", "--rate", "200"]);
    site.partitions_a_thread(partitions_a_thread);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let mut rests = Vec::new();
    // A busy machine may be late: the quickest of a few counts.
    for round in 0..5u64 {
        let (before, first) = (smsc.sms().len(), 100 * round);
        // A lone one makes it rest for no more than a moment; the second is in earnest.
        smsc.behave(&[Manner::Status(THROTTLED), Manner::Status(THROTTLED)]);
        push_all(&engine, first..first + 20);
        let throttled = smsc.await_sms(before + 2)[before + 1].at;
        wait::until_true("a resting carrier", || carrier_figure(&engine, "alpha", "dealing") == 0);
        accepted(&engine, &emergency(first + 50));
        let sms = smsc.await_sms(before + 3);
        assert_eq!(sms[before + 2].to, format!("81{}", &msn(first + 50)[1..]), "the first PDU");
        rests.push(sms[before + 2].at - throttled);
        recorder.await_count(21 * (round as usize + 1));
        if rests.iter().any(|rest| *rest <= Duration::from_millis(1_200)) {
            return engine.stop();
        }
    }
    panic!("{rests:?}");
}

#[test]
fn an_emergency_goes_to_a_backup_while_the_carrier_rests() {
    let (recorder, alpha, beta) = (Recorder::start(), Smsc::start(), Smsc::start());
    let route = ["alpha", "--backup", "beta"];
    let site = site(&recorder, [&alpha, &beta], &["--window", "1"], &route);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    await_bound(&engine, "beta", 1);
    // ESME_RMSGQFUL: five seconds.
    alpha.behave(&[Manner::Status(0x14)]);
    accepted(&engine, &standard(1));
    wait::until_true("a resting carrier", || carrier_figure(&engine, "alpha", "dealing") == 0);
    let rests = Instant::now();
    accepted(&engine, &emergency(2));
    one_about(&recorder, "push-2");
    assert!(rests.elapsed() < Duration::from_secs(2), "{:?}", rests.elapsed());
    assert_eq!((alpha.sms().len(), beta.sms().len()), (1, 1));
    one_about(&recorder, "push-1");
    assert_eq!(alpha.sms().len(), 2, "the other one kept its place");
    engine.stop();
}

#[test]
fn what_is_cancelled_before_it_is_written_never_leaves() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let mut site = super::site(&recorder, &smsc, &["--rate", "2", "--window", "100"]);
    site.shards(2);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    push_all(&engine, 0..12);
    smsc.await_sms(1);
    // The last ones first: they wait, in the lanes or at the carrier's home.
    let mut connection = engine.connect();
    let mut withdrawn = BTreeSet::new();
    for number in (0..12).rev() {
        let cancel = Body::cancel(&msn(number), &format!("push-{number}"));
        let before = smsc.sms().len();
        let code = connection.ask(&cancel.request()).code();
        // What is answered was looked for: nothing of it comes from now on.
        let phone = format!("81{}", &msn(number)[1..]);
        let went = smsc.sms().iter().any(|sms| sms.to == phone);
        if code == "0000" && !went {
            withdrawn.insert(phone);
        }
        assert!(before <= 12);
    }
    assert!(withdrawn.len() >= 6, "{withdrawn:?}");
    recorder.await_count(12);
    let sent: BTreeSet<_> = smsc.sms().into_iter().map(|sms| sms.to).collect();
    assert_eq!(sent.intersection(&withdrawn).count(), 0, "{sent:?} {withdrawn:?}");
    engine.stop();
}

#[test]
fn what_expires_before_it_is_written_never_leaves() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = super::site(&recorder, &smsc, &["--rate", "1", "--window", "100"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let expiry = expiry_in(4);
    for number in 0..20 {
        accepted(&engine, &standard(number).with("expiry", &expiry));
    }
    let notices = recorder.await_count(20);
    let expired = notices.iter().filter(|notice| notice.get("code") == "6001").count();
    assert!(expired >= 12, "{expired} expired");
    assert_eq!(smsc.sms().len() + expired, 20, "what was sent was delivered");
    let last = smsc.sms().last().map(|sms| sms.validity.clone()).unwrap_or_default();
    assert!(smsc.sms().iter().all(|sms| sms.validity == last));
    engine.stop();
}

#[test]
fn what_expires_while_its_session_waits_for_answers_never_leaves() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let more = ["--window", "1", "--rate", "200"];
    let site = super::site(&recorder, &smsc, &more);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    smsc.behave(&[Manner::Late]);
    accepted(&engine, &standard(1));
    smsc.await_sms(1);
    // It is at the carrier's home, and the window is full.
    let (expiry, began) = (expiry_in(3), Instant::now());
    accepted(&engine, &standard(2).with("expiry", &expiry));
    assert_eq!(one_about(&recorder, "push-2").get("code"), "6001");
    // After ten seconds the session would have counted as down.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    smsc.answer_late();
    smsc.send_receipt(&smsc.sms()[0].id, "DELIVRD");
    assert_eq!(told(&one_about(&recorder, "push-1")), as_told("0000", "1", "00"));
    assert_eq!(smsc.sms().len(), 1);
    engine.stop();
}

#[test]
fn a_carrier_that_unbinds_is_dealt_nothing_more_while_its_last_receipts_are_answered() {
    let (recorder, alpha, beta) = (Recorder::start(), Smsc::start(), Smsc::start());
    let route = ["alpha", "--backup", "beta", "--failover-after", "60"];
    let site = site(&recorder, [&alpha, &beta], &[], &route);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    await_bound(&engine, "beta", 1);
    // It is answered after two seconds: its id may become known. So long the session stays.
    alpha.send_receipt("nobody's", "DELIVRD");
    alpha.unbind();
    wait::until_true("a rest", || carrier_figure(&engine, "alpha", "dealing") == 0);
    assert_eq!((alpha.bound(), alpha.acknowledged()), (1, 0), "it is there all the same");
    accepted(&engine, &emergency(1));
    assert_eq!(told(&one_about(&recorder, "push-1")), as_told("0000", "1", "00"));
    assert_eq!((alpha.sms().len(), beta.sms().len()), (0, 1));
    await_bound(&engine, "alpha", 1);
    wait::until_true("an acknowledged receipt", || alpha.acknowledged() == 1);
    engine.stop();
}

#[test]
fn a_session_that_answers_nothing_holds_up_no_other() {
    hold_up_one_session(1);
}

#[test]
fn a_session_that_answers_nothing_holds_up_no_partition_of_a_thread() {
    hold_up_one_session(4);
}

fn hold_up_one_session(partitions_a_thread: usize) {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let mut site = super::site(&recorder, &smsc, &["--sessions", "2", "--window", "2"]);
    site.partitions_a_thread(partitions_a_thread);
    let engine = site.start();
    await_bound(&engine, "alpha", 2);
    // One session's window is full of what is never answered.
    smsc.behave(&[Manner::Silent; 2]);
    push_all(&engine, 0..2);
    smsc.await_sms(2);
    push_all(&engine, 10..200);
    accepted(&engine, &emergency(300));
    let began = Instant::now();
    one_about(&recorder, "push-300");
    recorder.await_count(100);
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert_eq!(told(&one_about(&recorder, "push-300")), as_told("0000", "1", "00"));
    engine.stop();
}
