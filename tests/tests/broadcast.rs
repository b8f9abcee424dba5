//! Broadcasts in a whole engine: two people, lists, rows, orders, restarts.

use hayauma::control::broadcasts::ProgressDocument;
use std::time::{Duration, Instant};
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::engine::Finished;
use tests::site::Site;
use tests::terminals::Terminals;
use tests::wait;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

#[test]
fn an_emergency_is_agreed_on_by_two_and_every_row_has_its_end() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 90);
    let engine = site.start();
    let mut file = rows(100);
    file += &format!("{},13101,fr\n", msn(20));
    let list = people.list(&file);
    let broadcast = people.draft(&manifest(&list, "03", "flood-1", ""));
    let check = people.check(&broadcast);
    assert_eq!((check.addressed.targeted, check.addressed.without_text), (100, 1));
    assert!(check.needs_approval);
    let start = |recipients: &str| {
        site.run(&[
            "broadcast",
            "start",
            &broadcast,
            "--digest",
            &check.digest,
            "--recipients",
            recipients,
        ])
    };
    assert!(start("100").stderr.contains("approve it first"), "7105");
    let own = site.run(&["broadcast", "approve", &broadcast, &check.digest]);
    assert!(own.stderr.contains("ask somebody else"), "{}", own.stderr);
    let other = people.second(&["broadcast", "approve", &broadcast, "00"]);
    assert!(other.stderr.contains("no dry run of this digest"), "{}", other.stderr);
    let approved = people.second(&["broadcast", "approve", &broadcast, &check.digest]);
    assert_eq!(approved.status, Some(0), "{}", approved.stderr);
    assert!(start("99").stderr.contains("100 recipients"), "7106");
    let started = start("100");
    assert_eq!(started.status, Some(0), "{}", started.stderr);
    assert_eq!(start("100").status, Some(0), "a start that is repeated gets the same answer");
    let progress = people.ended(&broadcast);
    assert_eq!(progress.state, "finished");
    let ends = ["delivered", "refused", "skipped"].map(|outcome| count(&progress, outcome));
    assert_eq!(ends, [89, 10, 1]);
    let codes = &progress.document.ended.as_ref().expect("ended").codes;
    assert_eq!((codes.get("2005"), codes.get("7001")), (Some(&10), Some(&1)));
    let results = people.results(&broadcast);
    assert_eq!(results["skipped"], [msn(20)]);
    assert_eq!(results["delivered"].len(), 89);
    assert_eq!(engine.admin().figure("attempts"), 89);
    let table = site.must(&["broadcast", "results", &broadcast]);
    let row = |phone: &str| {
        let line = table.lines().find(|line| line.starts_with(phone)).expect("a line");
        line.split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    let header = "msn,area,lang,leg,outcome,code,segments,delivered,attempts,ended_at";
    assert_eq!(table.lines().next(), Some(header));
    let reached = row(&results["delivered"][0]);
    assert_eq!(reached[6..9], ["1", "1", "1"], "{reached:?}");
    let ended = wire::terms::rfc3339::parse_rfc3339(&reached[9]).expect("a time").ms();
    assert!(ended.abs_diff(host::clock::unix_ms()) < 120_000, "{reached:?}");
    assert_eq!(row(&msn(20))[6..9], ["0", "0", "0"], "it has no text");
    let unreached = site.must(&["broadcast", "results", &broadcast, "--unreached", "--json"]);
    assert_eq!(unreached.lines().count(), 11);
    engine.stop();
    let books = site.must(&["billing", "reconcile"]);
    assert!(books.contains("the books add up"), "{books}");
    let audit = site.must(&["audit"]);
    assert!(audit.contains(&format!("broadcast start {broadcast}")), "{audit}");
}

#[test]
fn what_is_changed_after_its_dry_run_starts_nothing() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 10);
    let engine = site.start();
    let list = people.list(&rows(10));
    let broadcast = people.draft(&manifest(&list, "02", "a", ""));
    let check = people.check(&broadcast);
    assert!(!check.needs_approval);
    let path = site.path("other.json").display().to_string();
    std::fs::write(&path, manifest(&list, "02", "b", "")).expect("a writable directory");
    site.must(&["broadcast", "change", &broadcast, &path]);
    let start = ["broadcast", "start", &broadcast, "--digest", &check.digest, "--recipients", "10"];
    assert!(
        site.run(&start).stderr.contains("no dry run that holds"),
        "{}",
        site.run(&start).stderr
    );
    // And what an author wrote is not started by whoever may only write.
    let second = people.second(&start);
    assert!(second.stderr.contains("operator"), "{}", second.stderr);
    people.start(&broadcast);
    assert_eq!(count(&people.ended(&broadcast), "delivered"), 10);
    engine.stop();
}

#[test]
fn a_pause_stops_all_attempts_and_a_resume_sends_no_row_twice() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let people = Broadcaster::new(&site, 3_000);
    let book = site.path("terminals");
    let engine = site.spawn(&[("HAYAUMA_TEST_TERMINALS", book.as_os_str())]);
    wait::until_true("a healthy engine", || engine.admin().is_healthy());
    let list = people.list(&rows(3_000));
    let pace = r#""pace":{"per_second":1500},"#;
    let broadcast = people.started(&manifest(&list, "02", "paced", pace));
    for round in 1..4 {
        wait::until_true("some rows", || {
            count(&people.status(&broadcast), "delivered") > round * 300
        });
        site.must(&["broadcast", "pause", &broadcast]);
        let paused = engine.admin().figure("attempts");
        wait::until_true("what is in flight", || {
            count(&people.status(&broadcast), "in_flight") == 0
        });
        let progress = people.status(&broadcast);
        assert_eq!(progress.state, "paused");
        assert_eq!(engine.admin().figure("attempts"), paused, "an attempt in a pause");
        site.must(&["broadcast", "resume", &broadcast]);
    }
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "delivered"), 3_000);
    engine.stop();
    let book = Terminals::read(&book);
    assert_eq!((book.pushes, book.segments), (3_000, 3_000));
    assert!(book.repeated.is_empty() && book.repeated_in_flight == 0, "{book:?}");
}

#[test]
fn after_the_answer_to_a_cancel_no_row_begins_anywhere() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set("--network-latency-ms", "30").set("--network-latency-jitter-ms", "10");
    let absent: Vec<(String, &str)> = (0..500).map(|number| (msn(number), "absent")).collect();
    site.set_lines(&absent);
    let people = Broadcaster::new(&site, 20_000);
    let engine = site.start();
    let list = people.list(&rows(20_000));
    let broadcast = people.started(&manifest(&list, "02", "stopped", ""));
    wait::until_true("some rows", || count(&people.status(&broadcast), "delivered") > 1_000);
    let asked = Instant::now();
    site.must(&["broadcast", "cancel", &broadcast, "--reason", "a test"]);
    let answered = asked.elapsed();
    let attempts = engine.admin().figure("attempts");
    let progress = people.ended(&broadcast);
    assert_eq!(engine.admin().figure("attempts"), attempts, "an attempt after the answer");
    assert_eq!(progress.state, "cancelled");
    let reached = count(&progress, "delivered");
    assert_eq!(reached + count(&progress, "cancelled"), 20_000, "{:?}", progress.counts);
    assert!(reached >= 1_000 && count(&progress, "cancelled") > 0, "{:?}", progress.counts);
    assert!(answered < Duration::from_secs(5), "{answered:?}");
    // Once more is no error.
    let said = site.must(&["broadcast", "cancel", &broadcast]);
    assert!(said.contains("cancelled: stopped class 02, 20000 recipients"), "{said}");
    engine.stop();
}

#[test]
fn what_a_phone_could_not_take_waits_over_a_restart_and_arrives_when_it_is_back() {
    let mut site = Site::new(tests::programs!());
    let lines: Vec<(String, &str)> = (0..50).map(|number| (msn(number), "absent")).collect();
    site.set_lines(&lines);
    let people = Broadcaster::new(&site, 200);
    let engine = site.start();
    let list = people.list(&rows(200));
    let broadcast = people.started(&manifest(&list, "02", "held", ""));
    wait::until_true("150 delivered, 50 held", || {
        let progress = people.status(&broadcast);
        (count(&progress, "delivered"), count(&progress, "held")) == (150, 50)
    });
    engine.stop();
    let arguments = site.serve_arguments().into_iter();
    let arguments: Vec<String> =
        arguments.map(|argument| argument.replace("--shards=1", "--shards=2")).collect();
    let elsewhere = Finished::of(site.command(&arguments), "serve");
    assert!(elsewhere.stderr.contains("until it has ended"), "{}", elsewhere.stderr);
    let engine = site.start();
    let progress = people.status(&broadcast);
    assert_eq!((count(&progress, "delivered"), count(&progress, "held")), (150, 50));
    assert_eq!((progress.doubts, progress.state.as_str()), (0, "running"));
    site.must(&["network", "set", "home", &format!("{}-{}", msn(0), msn(49))]);
    let progress = people.ended(&broadcast);
    assert_eq!(count(&progress, "delivered"), 200);
    assert_eq!(engine.admin().figure("pushes_live"), 0);
    engine.stop();
}

#[test]
fn a_retraction_reaches_exactly_those_who_have_the_text() {
    let mut site = Site::new(tests::programs!());
    let lines: Vec<(String, &str)> = (0..30).map(|number| (msn(number), "absent")).collect();
    site.set_lines(&lines);
    let people = Broadcaster::new(&site, 90);
    let engine = site.start();
    let list = people.list(&rows(100));
    let chain = r#""alertid":"flood","alertseq":0,"#;
    let broadcast = people.started(&manifest(&list, "02", "wrong", chain));
    wait::until_true("60 delivered", || count(&people.status(&broadcast), "delivered") == 60);
    site.must(&["broadcast", "cancel", &broadcast]);
    let cancelled = people.ended(&broadcast);
    assert_eq!((count(&cancelled, "delivered"), count(&cancelled, "cancelled")), (60, 30));
    let path = site.path("retraction.json").display().to_string();
    let texts = r#"{"reqid":"right","texts":{"variants":{"en":"It was wrong"},"fallback":["en"]}}"#;
    std::fs::write(&path, texts).expect("a writable directory");
    let retraction = site.must(&["broadcast", "retract", &broadcast, &path]).trim().to_owned();
    people.start(&retraction);
    let progress = people.ended(&retraction);
    assert_eq!((progress.targeted, count(&progress, "delivered")), (60, 60));
    assert_eq!(progress.document.manifest.alertseq, Some(1));
    let reached = |broadcast: &str| {
        let mut msns = people.results(broadcast)["delivered"].clone();
        msns.sort();
        msns
    };
    assert_eq!(reached(&broadcast), reached(&retraction));
    let audit = std::fs::read_to_string(site.data_dir().join("audit.jsonl")).expect("the audit");
    assert!(audit.contains("broadcast create") && audit.contains("broadcast retract"));
    assert!(!audit.contains("避難") && !audit.contains("Leave now"), "no text stands in it");
    engine.stop();
}

#[test]
fn a_list_that_lacks_too_many_lines_is_kept_and_not_used() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 10);
    let engine = site.start();
    let list = people.list(&rows(10));
    let bad: String = (0..20).map(|line| format!("{line},13101,ja\n")).collect();
    let path = site.path("bad.csv").display().to_string();
    std::fs::write(&path, format!("{}{bad}", rows(10))).expect("a writable directory");
    let refused = site.run(&["list", "import", &list, &path]);
    assert_eq!(refused.status, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("kept and not used"), "{}", refused.stderr);
    let broadcast = people.draft(&manifest(&list, "02", "bad", ""));
    assert_eq!(people.check(&broadcast).addressed.targeted, 10, "the version before is in force");
    // A change of the version before makes a good one.
    let path = site.path("changes.ndjson").display().to_string();
    let change = format!("{{\"op\":\"delete\",\"msn\":\"{}\"}}\n", msn(3));
    std::fs::write(&path, change).expect("a writable directory");
    let said = site.must(&["list", "import", &list, &path, "--base", "1"]);
    assert!(said.contains(r#""deleted":1"#), "{said}");
    assert_eq!(people.check(&broadcast).addressed.targeted, 9);
    engine.stop();
}
