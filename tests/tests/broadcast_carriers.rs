//! Broadcasts whose rows go by carriers, in a whole engine: shares, throttling, a carrier that dies
//! in the middle, kills of the engine, cancels, receipts behind a restart, alphabets, paces, and
//! routes that change meanwhile.

use hayauma::control::broadcasts::ProgressDocument;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::carriers::{add_carrier, await_bound, carrier_figure};
use tests::push::XPID;
use tests::site::Site;
use tests::smsc::{Manner, Sms, Smsc};
use tests::wait;
use wire::smpp::command::Command;

/// Phones that go by carriers: all that tests address.
const ALL: &str = "0900";
/// Requests outstanding on a session.
const WINDOW: usize = 10;
/// SMS that may be answered between two commits of a shard.
const PER_COMMIT_MAX: usize = 64;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

/// A place of two shards with these carriers, and one route for all phones.
fn site(carriers: &[(&str, &Smsc, &[&str])]) -> Site {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    for (name, smsc, more) in carriers {
        add_carrier(&site, name, smsc.address(), more);
    }
    let names = carriers.iter().map(|(name, ..)| *name);
    let route: Vec<&str> = ["carrier", "route", "add", ALL].into_iter().chain(names).collect();
    site.must(&route);
    site
}

/// How a carrier writes a phone.
fn to(number: u64) -> String {
    format!("81{}", &msn(number)[1..])
}

/// SMS that carriers took, by phone.
fn copies<'a>(of: impl IntoIterator<Item = &'a Smsc>) -> BTreeMap<String, usize> {
    let mut copies = BTreeMap::new();
    let all = of.into_iter().flat_map(Smsc::sms);
    for sms in all.filter(|sms| sms.status.is_none_or(|status| status == 0)) {
        *copies.entry(sms.to).or_default() += 1;
    }
    copies
}

/// Every phone has the text, and no more came twice than this.
fn assert_ledger(copies: &BTreeMap<String, usize>, rows: u64, twice_max: usize) -> usize {
    let lost: Vec<u64> = (0..rows).filter(|number| !copies.contains_key(&to(*number))).collect();
    assert!(lost.is_empty(), "{} lost: {:?}", lost.len(), &lost[..lost.len().min(10)]);
    let twice: usize = copies.values().map(|copies| copies - 1).sum();
    assert!(twice <= twice_max, "{twice} came twice, {twice_max} at most");
    twice
}

/// Whether it is the text that takes the first one back.
fn takes_back(sms: &Sms) -> bool {
    let wrong: Vec<u8> = "誤".encode_utf16().flat_map(u16::to_be_bytes).collect();
    sms.text.starts_with(&wrong) || sms.text.starts_with(b"It was wrong")
}

fn submitted(sms: &[Sms]) -> BTreeSet<String> {
    sms.iter().filter(|sms| sms.status == Some(0)).map(|sms| sms.to.clone()).collect()
}

#[test]
fn rows_go_by_two_carriers_of_which_one_throttles_and_one_dies_and_none_is_lost() {
    let (alpha, beta) = (Smsc::start(), Smsc::start());
    let site = site(&[("alpha", &alpha, &["--rate", "600"]), ("beta", &beta, &["--rate", "400"])]);
    let people = Broadcaster::new(&site, 2_000);
    alpha.limit(450);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    await_bound(&engine, "beta", 1);
    let list = people.list(&rows(2_000));
    // An emergency's doubts are held for ten seconds.
    let broadcast = people.started(&manifest(&list, "03", "both", ""));
    wait::until_true("a good deal by both", || {
        beta.sms().len() > 200 && carrier_figure(&engine, "alpha", "throttled") > 0
    });
    beta.go_away(true);
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "delivered"), 2_000, "{:?}", progress.counts);
    assert_eq!(progress.state, "finished");
    let twice = assert_ledger(&copies([&alpha, &beta]), 2_000, WINDOW);
    let in_doubt = carrier_figure(&engine, "beta", "in_doubt") as usize;
    assert!(twice <= in_doubt, "{twice} came twice, {in_doubt} in doubt");
    let results = people.results(&broadcast);
    assert_eq!(results["delivered"].len(), 2_000);
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn kills_of_the_engine_lose_no_row_and_what_comes_twice_is_bounded() {
    const KILLS: usize = 4;
    let (alpha, beta) = (Smsc::start(), Smsc::start());
    let more: &[&str] = &["--rate", "300"];
    let site = site(&[("alpha", &alpha, more), ("beta", &beta, more)]);
    let people = Broadcaster::new(&site, 2_000);
    let mut engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(2_000));
    let broadcast = people.started(&manifest(&list, "03", "killed", ""));
    for kill in 1..=KILLS {
        wait::until_true("some rows", || {
            alpha.sms().len() + beta.sms().len() > kill * 300 || people.ended_by_now(&broadcast)
        });
        engine.kill();
        engine = site.start();
    }
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "delivered"), 2_000, "{:?}", progress.counts);
    assert!(progress.doubts > 0, "kills that leave nothing in doubt prove nothing");
    let bound = KILLS * (2 * WINDOW + 2 * PER_COMMIT_MAX);
    let twice = assert_ledger(&copies([&alpha, &beta]), 2_000, bound);
    assert!(twice as u64 <= progress.doubts, "{twice} twice, {} in doubt", progress.doubts);
    println!("{KILLS} kills: {} rows in doubt, {twice} came twice, lost 0", progress.doubts);
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn a_kill_beside_a_slow_carrier_leaves_in_doubt_what_goes_out_in_a_moment_and_no_more() {
    for (class, more) in [("02", r#""on_doubt":"leave","#), ("02", ""), ("03", "")] {
        let alpha = Smsc::start();
        let site = site(&[("alpha", &alpha, &["--rate", "20"])]);
        let people = Broadcaster::new(&site, 2_000);
        let engine = site.start();
        await_bound(&engine, "alpha", 1);
        let list = people.list(&rows(2_000));
        let broadcast = people.started(&manifest(&list, class, "slow", more));
        // Its windows were empty at first; now it is as slow as it is.
        alpha.await_sms(100);
        engine.kill();
        let engine = site.start();
        let doubts = people.status(&broadcast).doubts;
        // Its window, what it takes in a tenth of a second, and what one commit makes durable.
        let bound = (WINDOW + 2 + PER_COMMIT_MAX) as u64;
        println!("{doubts} of 2,000 rows of class {class} in doubt {more}");
        assert!((1..=bound).contains(&doubts), "{doubts} of class {class} in doubt {more}");
        engine.stop();
        assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
    }
}

#[test]
fn a_stop_beside_an_sms_without_an_answer_leaves_that_one_in_doubt_and_no_other() {
    const STOPS: usize = 4;
    let alpha = Smsc::start();
    let mut site = site(&[("alpha", &alpha, &["--rate", "100"])]);
    site.set("--drain-timeout-ms", "500");
    let people = Broadcaster::new(&site, 2_000);
    let mut engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(2_000));
    let broadcast = people.started(&manifest(&list, "02", "unanswered", ""));
    for stop in 1..=STOPS {
        let before = alpha.sms().len();
        alpha.behave(&[Manner::Silent]);
        alpha.await_sms(before + 40);
        engine.stop();
        engine = site.start();
        let doubts = people.status(&broadcast).doubts;
        assert!(doubts <= stop as u64, "{doubts} in doubt behind {stop} stops");
    }
    site.must(&["broadcast", "cancel", &broadcast, "--reason", "enough"]);
    let progress = people.ended(&broadcast);
    assert!(count(&progress, "in_doubt") <= STOPS as u64, "{:?}", progress.counts);
    assert!(count(&progress, "cancelled") > 1_000, "{:?}", progress.counts);
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn what_is_in_doubt_by_a_carrier_is_left_where_the_manifest_says_so() {
    let alpha = Smsc::start();
    let site = site(&[("alpha", &alpha, &["--rate", "20"])]);
    let people = Broadcaster::new(&site, 10);
    alpha.behave(&[Manner::HangUp]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(10));
    let broadcast = people.started(&manifest(&list, "02", "left", r#""on_doubt":"leave","#));
    let progress = people.ended(&broadcast);
    let in_doubt = count(&progress, "in_doubt");
    assert!(in_doubt >= 1 && in_doubt <= WINDOW as u64, "{:?}", progress.counts);
    assert_eq!(count(&progress, "delivered") + in_doubt, 10, "{:?}", progress.counts);
    assert_eq!(copies([&alpha]).values().max(), Some(&1), "nobody got it twice");
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn receipts_that_come_behind_a_death_end_their_rows_and_nothing_is_sent_again() {
    let alpha = Smsc::start();
    let site = site(&[("alpha", &alpha, &[])]);
    let people = Broadcaster::new(&site, 100);
    alpha.send_receipts(None);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(100));
    let broadcast = people.started(&manifest(&list, "02", "late", ""));
    let handed = |rows: u64| count(&people.status(&broadcast), "handed_over") == rows;
    wait::until_true("all at the carrier", || handed(100));
    wait::until_true("the queue", || site.must(&["queue"]).contains("handed over"));
    engine.kill();
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    assert!(handed(100), "as before");
    let sms = alpha.sms();
    assert_eq!(sms.len(), 100);
    for one in &sms[..90] {
        alpha.send_receipt(&one.id, "DELIVRD");
    }
    wait::until_true("90 delivered", || count(&people.status(&broadcast), "delivered") == 90);
    engine.kill();
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    for one in &sms[90..] {
        alpha.send_receipt(&one.id, "UNDELIV");
    }
    // What is repeated says nothing new.
    alpha.send_receipt(&sms[0].id, "UNDELIV");
    let progress = people.ended(&broadcast);
    let ends = ["delivered", "failed"].map(|outcome| count(&progress, outcome));
    assert_eq!((ends, progress.doubts), ([90, 10], 0), "{:?}", progress.counts);
    assert_eq!(alpha.sms().len(), 100, "nothing was sent again");
    let shown = site.must(&["broadcast", "results", &broadcast, "--outcome", "failed"]);
    assert!(shown.lines().skip(1).all(|line| line.contains("6012")), "{shown}");
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn a_cancel_stops_what_waits_and_asks_carriers_for_what_they_have() {
    let alpha = Smsc::start();
    let site = site(&[("alpha", &alpha, &["--rate", "100", "--cancel", "true"])]);
    let people = Broadcaster::new(&site, 1_000);
    alpha.send_receipts(None);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(1_000));
    let broadcast = people.started(&manifest(&list, "02", "stopped", ""));
    alpha.await_sms(40);
    site.must(&["broadcast", "cancel", &broadcast, "--reason", "wrong"]);
    // By the engine's own count: what is in the socket the carrier reads a little later.
    let sent = carrier_figure(&engine, "alpha", "submits");
    let progress = people.ended(&broadcast);
    let sent_in_all = carrier_figure(&engine, "alpha", "submits");
    assert_eq!(sent_in_all, sent, "nothing is submitted behind the answer");
    assert_eq!(alpha.sms().len() as u64, sent);
    assert_eq!(count(&progress, "cancelled"), 1_000, "{:?}", progress.counts);
    assert_eq!(progress.state, "cancelled");
    let asked: BTreeSet<String> = alpha
        .questions()
        .into_iter()
        .filter(|(command, _)| *command == Command::CANCEL_SM)
        .map(|(_, id)| id)
        .collect();
    let taken: BTreeSet<String> = alpha.sms().into_iter().map(|sms| sms.id).collect();
    assert_eq!(asked, taken, "each that it had");
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn whoever_may_have_the_text_by_a_carrier_gets_the_retraction_and_nobody_else() {
    let alpha = Smsc::start();
    let site = site(&[("alpha", &alpha, &["--rate", "100"])]);
    let people = Broadcaster::new(&site, 600);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(600));
    // Half of them have a receipt, the others are handed over.
    let ready = r#""retraction":{"reqid":"sorry",
        "texts":{"variants":{"ja":"誤りです","en":"It was wrong"},"fallback":["en"]}},"#;
    let broadcast = people.started(&manifest(&list, "03", "wrong", ready));
    alpha.await_sms(30);
    alpha.send_receipts(None);
    alpha.await_sms(60);
    site.must(&["broadcast", "cancel", &broadcast, "--reason", "wrong area", "--retract"]);
    alpha.send_receipts(Some("DELIVRD"));
    let retraction = wait::until("the retraction", || {
        let retracting = people.status(&broadcast).document.retracting.expect("it was noted");
        retracting.is_done.then_some(retracting.broadcast).flatten()
    });
    let progress = people.ended(&retraction);
    assert_eq!(progress.state, "finished", "{:?}", progress.counts);
    let (told, first): (Vec<Sms>, Vec<Sms>) = alpha.sms().into_iter().partition(takes_back);
    assert!(first.len() < 500, "it was stopped in the middle");
    assert_eq!(submitted(&told), submitted(&first), "exactly those");
    engine.stop();
}

#[test]
fn an_update_stops_the_older_text_asks_it_back_and_no_phone_gets_it_behind_the_newer() {
    let alpha = Smsc::start();
    let site = site(&[("alpha", &alpha, &["--rate", "100", "--cancel", "true"])]);
    let people = Broadcaster::new(&site, 400);
    alpha.send_receipts(None);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(400));
    let chained = |reqid: &str, sequence: u8, text: &str| {
        let chain = format!(r#""alertid":"flood","alertseq":{sequence},"#);
        let manifest = manifest(&list, "03", reqid, &chain);
        people.started(&manifest.replace("避難してください", text).replace("Leave now", text))
    };
    let older = chained("older", 0, "Leave now");
    alpha.await_sms(40);
    alpha.send_receipts(Some("DELIVRD"));
    let newer = chained("newer", 1, "Stay where you are");
    assert_eq!(count(&people.ended(&newer), "delivered"), 400);
    let progress = people.ended(&older);
    assert_eq!(progress.state, "replaced");
    let taken: Vec<Sms> = alpha.sms().into_iter().filter(|sms| sms.status == Some(0)).collect();
    let is_newer = |sms: &Sms| sms.text.starts_with(b"Stay");
    assert!(taken.iter().filter(|sms| !is_newer(sms)).count() < 300, "it was stopped");
    let mut told = BTreeSet::new();
    for sms in &taken {
        let is_first = !told.contains(&sms.to);
        assert!(is_newer(sms) || is_first, "the older text behind the newer: {sms:?}");
        told.extend(is_newer(sms).then(|| sms.to.clone()));
    }
    let asked = alpha.questions().into_iter().filter(|(command, _)| *command == Command::CANCEL_SM);
    let asked: BTreeSet<String> = asked.map(|(_, id)| id).collect();
    let olds = taken.iter().filter(|sms| !is_newer(sms)).map(|sms| sms.id.clone());
    let unasked: Vec<String> = olds.filter(|id| !asked.contains(id)).collect();
    let delivered = count(&progress, "delivered") as usize;
    assert!(unasked.len() <= delivered, "{} were not asked back: {unasked:?}", unasked.len());
    assert_eq!(count(&progress, "replaced") as usize, 400 - delivered, "{:?}", progress.counts);
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn rows_of_a_carrier_that_is_down_wait_keep_their_place_and_are_cancelled_or_sent() {
    let alpha = Smsc::start();
    alpha.go_away(true);
    let site = site(&[("alpha", &alpha, &[])]);
    let people = Broadcaster::new(&site, 400);
    let engine = site.start();
    let list = people.list(&rows(300));
    let broadcast = people.started(&manifest(&list, "02", "waits", ""));
    wait::until_true("rows in the lane", || site.must(&["queue"]).contains("queued"));
    site.must(&["broadcast", "pause", &broadcast]);
    site.must(&["broadcast", "resume", &broadcast]);
    // Few rows have had their turns: this one may end when its own comes.
    site.must(&["broadcast", "withdraw", &broadcast, &msn(7)]);
    // A death while nothing was sent leaves in doubt what was claimed, and no more.
    engine.kill();
    let engine = site.start();
    alpha.go_away(false);
    let progress = people.ended(&broadcast);
    let ends = ["delivered", "cancelled"].map(|outcome| count(&progress, outcome));
    assert_eq!(ends, [299, 1], "{:?}", progress.counts);
    assert_eq!(people.results(&broadcast)["cancelled"], [msn(7)]);
    assert!(progress.doubts <= 2 * PER_COMMIT_MAX as u64, "{}", progress.doubts);
    let copies = copies([&alpha]);
    assert_eq!((copies.len(), copies.values().max()), (299, Some(&1)));
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn a_text_goes_in_the_alphabet_that_all_carriers_of_its_route_have() {
    let alpha = Smsc::start();
    let site = site(&[("alpha", &alpha, &["--alphabet", "ascii"])]);
    let people = Broadcaster::new(&site, 10);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(6));
    let manifest = manifest(&list, "02", "text", "").replace("Leave now", "Verlaßt die Küste");
    let broadcast = people.started(&manifest);
    assert_eq!(count(&people.ended(&broadcast), "delivered"), 6);
    // Half of them are Japanese; ASCII lacks two characters of the others.
    assert!(alpha.sms().iter().all(|sms| sms.data_coding == 8), "{:?}", alpha.sms());
    site.must(&["carrier", "set", "alpha", "--alphabet", "gsm"]);
    let before = alpha.sms().len();
    let again = people.started(&manifest.replace("\"text\"", "\"again\""));
    assert_eq!(count(&people.ended(&again), "delivered"), 6);
    let plain = alpha.sms()[before..].iter().filter(|sms| sms.data_coding == 0).count();
    assert_eq!(plain, 3);
    engine.stop();
}

#[test]
fn an_xpid_that_has_to_know_the_line_sends_no_row_by_a_carrier() {
    let alpha = Smsc::start();
    let site = site(&[("alpha", &alpha, &[])]);
    let people = Broadcaster::new(&site, 10);
    site.must(&["client", "set", XPID, "--line-state", "true"]);
    let engine = site.start();
    let list = people.list(&rows(6));
    let broadcast = people.started(&manifest(&list, "02", "lines", ""));
    assert_eq!(count(&people.ended(&broadcast), "refused"), 6);
    let shown = site.must(&["broadcast", "results", &broadcast]);
    assert!(shown.lines().skip(1).all(|line| line.contains("2006")), "{shown}");
    assert!(alpha.sms().is_empty());
    engine.stop();
}

#[test]
fn what_one_carrier_could_not_deliver_of_a_broadcast_goes_by_the_other_once() {
    let (alpha, beta) = (Smsc::start(), Smsc::start());
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    add_carrier(&site, "alpha", alpha.address(), &[]);
    add_carrier(&site, "beta", beta.address(), &[]);
    site.must(&["carrier", "route", "add", ALL, "alpha", "--backup", "beta", "--elsewhere"]);
    alpha.send_receipts(Some("UNDELIV"));
    let people = Broadcaster::new(&site, 50);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    await_bound(&engine, "beta", 1);
    let list = people.list(&rows(40));
    let broadcast = people.started(&manifest(&list, "02", "elsewhere", ""));
    assert_eq!(count(&people.ended(&broadcast), "delivered"), 40);
    assert_eq!((alpha.sms().len(), beta.sms().len()), (40, 40));
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn one_carriers_rows_do_not_keep_the_others_waiting() {
    let (alpha, beta) = (Smsc::start(), Smsc::start());
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    add_carrier(&site, "alpha", alpha.address(), &[]);
    add_carrier(&site, "beta", beta.address(), &["--rate", "1000"]);
    // Four of ten phones go by alpha, which is away: more than wait for it in all windows.
    alpha.go_away(true);
    site.must(&["carrier", "route", "add", ALL, "beta"]);
    for prefix in ["09000001", "09000002", "09000003", "09000004"] {
        site.must(&["carrier", "route", "add", prefix, "alpha"]);
    }
    let people = Broadcaster::new(&site, 10_000);
    let engine = site.start();
    await_bound(&engine, "beta", 1);
    let list = people.list(&rows(10_000));
    let broadcast = people.started(&manifest(&list, "02", "apart", ""));
    let delivered = || count(&people.status(&broadcast), "delivered");
    wait::until_within(Duration::from_secs(60), "all of beta's", || {
        (delivered() == 6_000).then_some(())
    });
    alpha.go_away(false);
    assert_eq!(count(&people.ended(&broadcast), "delivered"), 10_000);
    assert_eq!(copies([&alpha, &beta]).values().max(), Some(&1));
    engine.stop();
}

#[test]
fn rows_that_waited_for_their_carrier_go_at_the_pace_once_all_others_are_done() {
    let (alpha, beta) = (Smsc::start(), Smsc::start());
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    add_carrier(&site, "alpha", alpha.address(), &[]);
    add_carrier(&site, "beta", beta.address(), &[]);
    alpha.go_away(true);
    site.must(&["carrier", "route", "add", ALL, "beta"]);
    site.must(&["carrier", "route", "add", "09000001", "alpha"]);
    site.must(&["carrier", "route", "add", "09000002", "alpha"]);
    let people = Broadcaster::new(&site, 4_000);
    let engine = site.start();
    await_bound(&engine, "beta", 1);
    let list = people.list(&rows(4_000));
    let pace = r#""pace":{"per_second":1000,"per_carrier":800},"#;
    let broadcast = people.started(&manifest(&list, "02", "paced", pace));
    let delivered = || count(&people.status(&broadcast), "delivered");
    wait::until_within(Duration::from_secs(60), "all of beta's", || {
        (delivered() == 2_000).then_some(())
    });
    alpha.go_away(false);
    // Two thousand at 800 a second, and what it takes to bind.
    let progress = people.ended_within(&broadcast, Duration::from_secs(30));
    assert_eq!(count(&progress, "delivered"), 4_000, "{:?}", progress.counts);
    engine.stop();
}

#[test]
fn a_cancel_asks_carriers_about_each_row_however_many_they_have() {
    const ROWS: u64 = 12_000;
    let alpha = Smsc::start();
    let site = site(&[("alpha", &alpha, &["--cancel", "true"])]);
    let people = Broadcaster::new(&site, ROWS);
    alpha.send_receipts(None);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(ROWS));
    let broadcast = people.started(&manifest(&list, "02", "wrong", ""));
    wait::until_within(Duration::from_secs(60), "all at the carrier", || {
        (count(&people.status(&broadcast), "handed_over") == ROWS).then_some(())
    });
    site.must(&["broadcast", "cancel", &broadcast, "--reason", "wrong"]);
    let progress = people.ended_within(&broadcast, Duration::from_secs(60));
    assert_eq!(count(&progress, "cancelled"), ROWS, "{:?}", progress.counts);
    let asked: BTreeSet<String> = alpha.questions().into_iter().map(|(_, id)| id).collect();
    assert_eq!(asked.len() as u64, ROWS, "each that it had");
    engine.stop();
}

#[test]
fn what_goes_elsewhere_goes_there_behind_a_death_too() {
    let (alpha, beta) = (Smsc::start(), Smsc::start());
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    add_carrier(&site, "alpha", alpha.address(), &[]);
    add_carrier(&site, "beta", beta.address(), &[]);
    beta.go_away(true);
    site.must(&["carrier", "route", "add", ALL, "alpha", "--backup", "beta", "--elsewhere"]);
    alpha.send_receipts(Some("UNDELIV"));
    let people = Broadcaster::new(&site, 50);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    let list = people.list(&rows(40));
    let broadcast = people.started(&manifest(&list, "02", "elsewhere", ""));
    wait::until_true("all are to go by beta", || count(&people.status(&broadcast), "held") == 40);
    engine.kill();
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    beta.go_away(false);
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "delivered"), 40, "{:?}", progress.counts);
    assert_eq!((alpha.sms().len(), beta.sms().len()), (40, 40));
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}
