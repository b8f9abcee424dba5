//! A row's turn in a whole engine: what is looked at in which order, reqids and alerts that single
//! pushes and broadcasts share, cancels of one recipient, stops and restarts.

use hayauma::control::broadcasts::ProgressDocument;
use std::ffi::OsStr;
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::engine::Engine;
use tests::push::{Body, XPID};
use tests::site::Site;
use tests::terminals::Terminals;
use tests::wait;
use wire::terms::rfc3339::parse_rfc3339;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

/// The answer's code to a request.
fn code(engine: &Engine, body: &Body) -> String {
    engine.connect().ask(&body.request()).code().as_str().to_owned()
}

/// Rows by code, from the table of results.
fn codes(site: &Site, broadcast: &str) -> std::collections::BTreeMap<String, String> {
    let text = site.must(&["broadcast", "results", broadcast]);
    let lines = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    lines.map(|fields| (fields[0].to_owned(), fields[5].to_owned())).collect()
}

#[test]
fn a_row_is_judged_at_its_turn_and_the_first_reason_counts() {
    let site = Site::new(tests::programs!());
    // Phones 0 to 3 have contracts, 4 to 7 have none.
    let people = Broadcaster::new(&site, 4);
    let engine = site.start();
    let suppressed = site.must(&["list", "create", "opt-outs", "--purpose", "suppression"]);
    let everybody: String = (0..8)
        .map(|number| format!("{},13101,{}\n", msn(number), ["ja", "fr"][number as usize % 2]))
        .collect();
    let list = people.list(&format!("msn,area,lang\n{everybody}"));
    let before = people.started(&manifest(&list, "02", "before", ""));
    assert_eq!(count(&people.ended(&before), "delivered"), 2, "phones 0 and 2");
    people.fill(suppressed.trim(), &format!("msn\n{}\n{}\n{}\n", msn(1), msn(4), msn(5)));
    let skips = r#""duplicates":{"window_seconds":600,"action":"skip"},"#;
    // Phone 2 got this text a moment ago, and so did phone 0, which nobody asks.
    let again = people.started(&manifest(&list, "02", "again", skips));
    people.ended(&again);
    let found = codes(&site, &again);
    let expected =
        ["7003", "7002", "7003", "7001", "7002", "7002", "2005", "2005"].iter().enumerate();
    for (number, code) in expected {
        assert_eq!(&found[&msn(number as u64)], code, "phone {number}: {found:?}");
    }
    // An emergency may say that opt-outs do not count.
    let ignored = r#""suppression":"ignored","#;
    let urgent = people.started(&manifest(&list, "03", "urgent", ignored));
    people.ended(&urgent);
    let found = codes(&site, &urgent);
    assert_eq!((&*found[&msn(0)], &*found[&msn(1)], &*found[&msn(4)]), ("0000", "7001", "2005"));
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn a_text_that_waits_for_its_phone_is_not_sent_there_a_second_time() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let people = Broadcaster::new(&site, 4);
    let engine = site.start();
    let list = people.list(&rows(4));
    let first = people.started(&manifest(&list, "02", "first", ""));
    wait::until_true("2 held", || count(&people.status(&first), "held") == 2);
    let skips = r#""duplicates":{"window_seconds":3600,"action":"skip"},"#;
    let second = people.started(&manifest(&list, "02", "second", skips));
    let progress = people.ended(&second);
    assert_eq!(count(&progress, "skipped"), 4, "{:?}", progress.counts);
    site.must(&["network", "set", "home", &format!("{}-{}", msn(0), msn(1))]);
    assert_eq!(count(&people.ended(&first), "delivered"), 4);
    engine.stop();
}

#[test]
fn a_recipients_reqid_is_the_broadcasts_and_withdraws_that_one_row() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set_lines(&[(msn(0), "absent")]);
    let people = Broadcaster::new(&site, 20);
    let engine = site.start();
    let list = people.list(&rows(10));
    let broadcast = people.started(&manifest(&list, "02", "flood.1", ""));
    wait::until_true("9 delivered, 1 held", || {
        let progress = people.status(&broadcast);
        (count(&progress, "delivered"), count(&progress, "held")) == (9, 1)
    });
    let push = |number: u64| Body::push(&msn(number), "flood.1");
    assert_eq!(code(&engine, &push(3)), "3001", "a recipient's");
    assert_eq!(code(&engine, &push(0)), "3001", "one that waits");
    assert_eq!(code(&engine, &push(15)), "0000", "nobody's");
    let cancel = |number: u64| Body::cancel(&msn(number), "flood.1");
    assert_eq!(code(&engine, &cancel(3)), "3003", "it is delivered");
    assert_eq!(code(&engine, &cancel(0)), "0000");
    assert_eq!(code(&engine, &cancel(0)), "3004", "it was withdrawn");
    assert_eq!(code(&engine, &cancel(16)), "3002", "nobody knows it");
    let progress = people.ended(&broadcast);
    assert_eq!((count(&progress, "delivered"), count(&progress, "cancelled")), (9, 1));
    // A day long, over a restart.
    engine.stop();
    let engine = site.start();
    assert_eq!(code(&engine, &push(3)), "3001");
    assert_eq!(code(&engine, &cancel(3)), "3003");
    assert_eq!(code(&engine, &cancel(0)), "3004");
    engine.stop();
}

#[test]
fn of_an_alert_the_older_text_never_follows_the_newer_whichever_way_each_is_sent() {
    let mut site = Site::new(tests::programs!());
    let absent: Vec<(String, &str)> = (0..4).map(|number| (msn(number), "absent")).collect();
    site.set_lines(&absent);
    let people = Broadcaster::new(&site, 20);
    let engine = site.start();
    let single = |number: u64, reqid: &str, sequence: &str| {
        let push = Body::push(&msn(number), reqid).with("lifetime", "72");
        push.with("alertid", "flood").with("alertseq", sequence)
    };
    // Phone 0 waits for an older single push, phone 1 for a newer one.
    assert_eq!(code(&engine, &single(0, "s0", "02")), "0000");
    assert_eq!(code(&engine, &single(1, "s1", "09")), "0000");
    let list = people.list(&rows(8));
    let chain = r#""alertid":"flood","alertseq":5,"#;
    let broadcast = people.started(&manifest(&list, "02", "chain", chain));
    wait::until_true("3 held, 1 replaced", || {
        let progress = people.status(&broadcast);
        (count(&progress, "held"), count(&progress, "replaced")) == (3, 1)
    });
    wait::until_true("the older one's end", || engine.admin().figure("pushes_replaced") == 1);
    assert_eq!(code(&engine, &single(2, "s2", "04")), "0002", "a row has a newer text");
    assert_eq!(code(&engine, &single(5, "s5", "05")), "0002", "as has who got it");
    assert_eq!(code(&engine, &single(3, "s3", "06")), "0000", "this one is newer");
    site.must(&["network", "set", "home", &format!("{}-{}", msn(0), msn(3))]);
    let progress = people.ended(&broadcast);
    let ends = ["delivered", "replaced"].map(|outcome| count(&progress, outcome));
    assert_eq!(ends, [6, 2], "{:?}", progress.counts);
    let results = people.results(&broadcast);
    let mut replaced = results["replaced"].clone();
    replaced.sort();
    assert_eq!(replaced, [msn(1), msn(3)]);
    engine.stop();
}

#[test]
fn the_cancel_of_a_whole_alert_ends_its_broadcasts_too() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let people = Broadcaster::new(&site, 10);
    let engine = site.start();
    let list = people.list(&rows(6));
    let chain = r#""alertid":"quake","alertseq":0,"#;
    let broadcast = people.started(&manifest(&list, "02", "whole", chain));
    wait::until_true("2 held", || count(&people.status(&broadcast), "held") == 2);
    assert_eq!(code(&engine, &Body::cancel_alert("storm", "c0")), "3002", "another's");
    assert_eq!(code(&engine, &Body::cancel_alert("quake", "c1")), "0000");
    assert_eq!(code(&engine, &Body::cancel_alert("quake", "c2")), "0001");
    let progress = people.ended(&broadcast);
    let ends = ["delivered", "cancelled"].map(|outcome| count(&progress, outcome));
    assert_eq!((ends, progress.state.as_str()), ([4, 2], "cancelled"));
    engine.stop();
}

#[test]
fn rows_that_are_held_follow_routes_as_they_come_and_go() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let people = Broadcaster::new(&site, 10);
    let engine = site.start();
    let list = people.list(&rows(6));
    let broadcast = people.started(&manifest(&list, "02", "carried", ""));
    wait::until_true("2 held", || count(&people.status(&broadcast), "held") == 2);
    // Nobody listens there, and all phones go by it from now on.
    let (password, host) = (site.token_file("secret"), tests::ports::free_address().to_string());
    let account = ["--system-id", "hayauma", "--password-file", &password, "--host", &host];
    site.must(&[&["carrier", "add", "alpha"], &account[..]].concat());
    site.must(&["carrier", "route", "add", "0900", "alpha"]);
    assert_eq!(code(&engine, &Body::push(&msn(7), "waits")), "0000");
    wait::until_true("a push that waits for it", || site.must(&["queue"]).contains("queued"));
    assert_eq!(count(&people.status(&broadcast), "held"), 2);
    site.must(&["network", "set", "home", &msn(0), &msn(1)]);
    let queued = || site.must(&["queue"]).contains("queued");
    wait::until_true("rows that wait for it", queued);
    assert_eq!(count(&people.status(&broadcast), "delivered"), 4, "none by the core network");
    site.must(&["carrier", "route", "remove", "0900"]);
    assert_eq!(count(&people.ended(&broadcast), "delivered"), 6);
    engine.stop();
}

#[test]
fn a_planned_stop_leaves_no_row_in_doubt_and_none_unsent() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let people = Broadcaster::new(&site, 4_000);
    let book = site.path("terminals");
    let environment: [(&str, &OsStr); 1] = [("HAYAUMA_TEST_TERMINALS", book.as_os_str())];
    let serve = || {
        let engine = site.spawn(&environment);
        wait::until_true("a healthy engine", || engine.admin().is_healthy());
        engine
    };
    let mut engine = serve();
    let list = people.list(&rows(4_000));
    // What is in doubt is left by this class, so that a row that is would never be sent.
    let pace = r#""pace":{"per_second":2000},"#;
    let broadcast = people.started(&manifest(&list, "01", "stops", pace));
    for round in 1..4 {
        wait::until_true("some rows", || {
            count(&people.status(&broadcast), "delivered") > round * 500
        });
        engine.stop();
        engine = serve();
    }
    let progress = people.ended(&broadcast);
    assert_eq!((count(&progress, "delivered"), progress.doubts), (4_000, 0), "{progress:?}");
    engine.stop();
    let book = Terminals::read(&book);
    assert_eq!((book.pushes, book.segments), (4_000, 4_000));
    assert!(book.repeated.is_empty() && book.repeated_in_flight == 0, "{book:?}");
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn a_registration_that_lacks_something_pauses_the_broadcast_and_says_so() {
    let mut site = Site::new(tests::programs!());
    site.shards(1);
    let people = Broadcaster::new(&site, 500);
    site.must(&["client", "set", XPID, "--volume", "120"]);
    let engine = site.start();
    let list = people.list(&rows(300));
    let broadcast = people.started(&manifest(&list, "02", "much", ""));
    let is_paused = |progress: &ProgressDocument| progress.state == "paused";
    wait::until_true("a pause", || is_paused(&people.status(&broadcast)));
    wait::until_true("what is under way", || count(&people.status(&broadcast), "in_flight") == 0);
    let progress = people.status(&broadcast);
    assert_eq!(count(&progress, "delivered"), 120, "to the last row of the volume");
    assert!(progress.stopped_by.is_some_and(|why| why.starts_with("2007")));
    site.must(&["client", "set", XPID, "--volume", "0"]);
    site.must(&["broadcast", "resume", &broadcast]);
    assert_eq!(count(&people.ended(&broadcast), "delivered"), 300);
    engine.stop();
}

#[test]
fn devices_get_octets_where_the_registration_allows_that() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 20);
    let engine = site.start();
    let list = people.list(&rows(10));
    let text = manifest(&list, "02", "octets", "");
    let from = text.find(r#""texts":"#).expect("its texts");
    let control = format!("{}\"texts\":{{\"control\":\"C0FFEE\",\"pid\":64}}}}]}}", &text[..from]);
    let broadcast = people.draft(&control);
    site.must(&["client", "set", XPID, "--kind", "text", "--kind", "control"]);
    let found = people.check(&broadcast).addressed.texts;
    assert_eq!((found.len(), found[0].text.as_str()), (1, "c0ffee pid 64"));
    site.must(&["client", "set", XPID, "--kind", "text"]);
    let refused = site.run(&["broadcast", "check", &broadcast]);
    assert!(refused.stderr.contains("2006"), "{}", refused.stderr);
    site.must(&["client", "set", XPID, "--kind", "text", "--kind", "control"]);
    people.start(&broadcast);
    assert_eq!(count(&people.ended(&broadcast), "delivered"), 10);
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn one_recipient_is_shown_and_withdrawn_and_stays_so() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let people = Broadcaster::new(&site, 20);
    let engine = site.start();
    let list = people.list(&rows(10));
    let broadcast = people.started(&manifest(&list, "02", "one", ""));
    wait::until_true("8 delivered, 2 held", || {
        let progress = people.status(&broadcast);
        (count(&progress, "delivered"), count(&progress, "held")) == (8, 2)
    });
    let shown = |number: u64| site.must(&["broadcast", "recipient", &broadcast, &msn(number)]);
    assert!(
        shown(3).contains("of area 13101: delivered (0000), 1 segment arrived"),
        "{}",
        shown(3)
    );
    assert!(shown(1).contains(": held (6006)"), "{}", shown(1));
    let withdraw = |number: u64| site.run(&["broadcast", "withdraw", &broadcast, &msn(number)]);
    let withdrawn = withdraw(0);
    assert!(withdrawn.stdout.contains(": cancelled"), "{}", withdrawn.stderr);
    for (number, why) in [(0, "withdrawn"), (3, "delivered"), (15, "does not address")] {
        let refused = withdraw(number);
        assert_eq!(refused.status, Some(1), "{number}: {}", refused.stdout);
        assert!(refused.stderr.contains(why), "{number}: {}", refused.stderr);
    }
    engine.kill();
    let engine = site.start();
    site.must(&["network", "set", "home", &msn(0)]);
    site.must(&["network", "set", "home", &msn(1)]);
    let progress = people.ended(&broadcast);
    let ends = ["delivered", "cancelled"].map(|outcome| count(&progress, outcome));
    assert_eq!(ends, [9, 1], "{:?}", progress.counts);
    assert!(shown(0).contains(": cancelled") && shown(1).contains(": delivered"), "{}", shown(0));
    let audit = std::fs::read_to_string(site.data_dir().join("audit.jsonl")).expect("the audit");
    let withdrawn = format!("broadcast withdraw {broadcast}");
    let mut lines = audit.lines().filter(|line| line.contains(&withdrawn)).peekable();
    assert!(lines.peek().is_some() && lines.all(|line| !line.contains(&msn(0))), "{audit}");
    engine.stop();
}

#[test]
fn an_area_has_a_pace_of_its_own_whatever_shards_have_its_rows() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let people = Broadcaster::new(&site, 600);
    let engine = site.start();
    let list = people.list(&rows(600));
    let broadcast = people.started(&manifest(&list, "02", "areas", r#""pace":{"per_area":50},"#));
    assert_eq!(count(&people.ended(&broadcast), "delivered"), 600);
    let text = site.must(&["broadcast", "results", &broadcast]);
    let mut seconds: std::collections::BTreeMap<(&str, u64), u32> = Default::default();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let ended_ms = parse_rfc3339(fields[9]).expect("a time").ms();
        *seconds.entry((fields[1], ended_ms / 1_000)).or_default() += 1;
    }
    // Of two hundred in each area; a second that is slow to write may have some of the one before.
    let most = seconds.values().max().copied().unwrap_or_default();
    assert!(most <= 75, "{seconds:?}");
    let ended = || seconds.keys().map(|(_, second)| *second);
    let lasted = ended().max().zip(ended().min()).map(|(last, first)| last - first);
    assert!(lasted.is_some_and(|lasted| (3..=20).contains(&lasted)), "{seconds:?}");
    engine.stop();
}

#[test]
fn a_pace_that_is_set_holds_at_once_and_over_a_restart() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let people = Broadcaster::new(&site, 3_000);
    let engine = site.start();
    let list = people.list(&rows(3_000));
    let slow = r#""pace":{"per_second":4},"#;
    let broadcast = people.started(&manifest(&list, "02", "slow", slow));
    wait::until_true("some rows", || count(&people.status(&broadcast), "delivered") > 4);
    engine.kill();
    let engine = site.start();
    let nothing = site.run(&["broadcast", "pace", &broadcast]);
    assert_eq!(nothing.status, Some(2), "{}", nothing.stderr);
    let weight = site.run(&["broadcast", "pace", &broadcast, "--weight", "1001"]);
    assert!(weight.stderr.contains("a weight is 1 to 1000"), "{}", weight.stderr);
    site.must(&["broadcast", "pace", &broadcast, "--per-second", "6"]);
    // At that pace it would take minutes; what is set last holds behind a death.
    site.must(&["broadcast", "pace", &broadcast, "--per-second", "0", "--weight", "3"]);
    engine.kill();
    let engine = site.start();
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "delivered"), 3_000);
    let pace = progress.document.pace.expect("it was set");
    assert_eq!((pace.per_second, pace.weight), (0, 3));
    assert_eq!(progress.document.manifest.pace.per_second, 4, "what was approved stays");
    let late = site.run(&["broadcast", "pace", &broadcast, "--per-second", "9"]);
    assert!(late.stderr.contains("not running"), "{}", late.stderr);
    engine.stop();
}

#[test]
fn an_engine_with_a_live_broadcast_keeps_its_number_of_shards_and_says_until_when() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set_lines(&[(msn(0), "absent")]);
    let engine;
    let broadcast = {
        let people = Broadcaster::new(&site, 20);
        engine = site.start();
        let list = people.list(&rows(10));
        let broadcast = people.started(&manifest(&list, "02", "stays", ""));
        wait::until_true("9 delivered", || count(&people.status(&broadcast), "delivered") == 9);
        broadcast
    };
    engine.stop();
    let refused = site.shards(3).serve_and_fail(&[]);
    let sentence = refused.refusal();
    let cause = format!("{broadcast} is under way, and its rows cannot move to other shards");
    assert!(sentence.contains(&cause), "{sentence}");
    assert!(sentence.contains("start with --shards 2 until it has ended"), "{sentence}");
    // What the sentence says to do is done.
    let engine = site.shards(2).start();
    site.must(&["network", "set", "home", &msn(0)]);
    wait::until_true("its end", || {
        site.must(&["broadcast", "status", &broadcast, "--json"]).contains(r#""ended":{"#)
    });
    engine.stop();
    let engine = site.shards(3).start();
    let results = site.must(&["broadcast", "results", &broadcast, "--outcome", "delivered"]);
    assert_eq!(results.lines().count(), 11, "it is remembered");
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

/// One event of rows is taken out of the books by hand.
#[test]
fn an_event_of_rows_that_is_missing_in_the_books_is_noticed() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 50);
    let engine = site.start();
    let list = people.list(&rows(50));
    let broadcast = people.started(&manifest(&list, "02", "billed", ""));
    assert_eq!(count(&people.ended(&broadcast), "delivered"), 50);
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
    let billing = site.data_dir().join("shard-000").join("billing");
    let files = std::fs::read_dir(&billing).expect("the books").flatten().map(|file| file.path());
    for file in files.filter(|path| path.is_file()) {
        std::fs::remove_file(file).expect("removed");
    }
    let books = site.run(&["billing", "reconcile"]);
    assert!(books.stdout.contains("are not in the books yet"), "{}{}", books.stdout, books.stderr);
}
