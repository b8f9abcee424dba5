//! A broadcast that is taken back by what was agreed to with it, in a whole engine.

use hayauma::control::broadcasts::ProgressDocument;
use std::collections::BTreeSet;
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::site::Site;
use tests::wait;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

#[test]
fn whoever_has_the_text_gets_the_retraction_that_was_agreed_to_whatever_dies() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let people = Broadcaster::new(&site, 400);
    let mut engine = site.start();
    let list = people.list(&rows(300));
    let ready = r#""pace":{"per_second":40},"retraction":{"reqid":"sorry",
        "texts":{"variants":{"ja":"誤りです","en":"It was wrong"},"fallback":["en"]}},"#;
    let broadcast = people.started(&manifest(&list, "03", "wrong", ready));
    wait::until_true("some rows", || count(&people.status(&broadcast), "delivered") > 10);
    let said =
        site.must(&["broadcast", "cancel", &broadcast, "--reason", "wrong area", "--retract"]);
    engine.kill();
    engine = site.start();
    let retraction = wait::until("the retraction", || {
        let retracting = people.status(&broadcast).document.retracting.expect("it was noted");
        retracting.is_done.then_some(retracting.broadcast).flatten()
    });
    let ended = people.ended(&retraction);
    assert!(said.contains(&format!("its retraction {retraction} starts when")), "{said}");
    assert_eq!(ended.state, "finished", "{:?}", ended.counts);
    // It is over: a cancel of it cancels nothing, and says so.
    let vain = site.run(&["broadcast", "cancel", &retraction]);
    assert_eq!(vain.status, Some(1), "{}", vain.stdout);
    assert!(vain.stderr.contains("over already (finished): nothing is"), "{}", vain.stderr);
    let audit = site.must(&["audit"]);
    let line = format!("not done: broadcast cancel {retraction}");
    assert!(audit.contains(&line), "{audit}");
    let before = people.results(&broadcast);
    let may_have = ["delivered", "partial", "in_doubt"];
    let may_have: BTreeSet<&String> =
        may_have.iter().flat_map(|outcome| before.get(*outcome)).flatten().collect();
    let after = people.results(&retraction);
    let told: BTreeSet<&String> = after["delivered"].iter().collect();
    assert_eq!(told, may_have, "exactly those");
    assert!(may_have.len() < 300, "{:?}", ended.counts);
    let approvals = &ended.document.approvals;
    assert_eq!(approvals.len(), 1, "as it was agreed to with the broadcast");
    assert_eq!(ended.document.manifest.reqid, "sorry");
    let audit = std::fs::read_to_string(site.data_dir().join("audit.jsonl")).expect("the audit");
    assert!(audit.contains(r#""retract":"yes""#), "{audit}");
    assert!(!audit.contains("誤り") && !audit.contains("It was wrong"), "no text stands in it");
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn what_has_no_retraction_ready_is_stopped_all_the_same() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 60);
    let engine = site.start();
    let list = people.list(&rows(50));
    let slow = r#""pace":{"per_second":5},"#;
    let broadcast = people.started(&manifest(&list, "02", "stopped", slow));
    let said = site.run(&["broadcast", "cancel", &broadcast, "--retract"]);
    assert_eq!(said.status, Some(1), "{}", said.stdout);
    assert!(said.stderr.contains("no retraction was prepared"), "{}", said.stderr);
    let progress = people.ended(&broadcast);
    assert_eq!(progress.state, "cancelled");
    assert!(count(&progress, "cancelled") > 0, "{:?}", progress.counts);
    engine.stop();
}

#[test]
fn what_is_for_those_whom_a_live_broadcast_reaches_waits_for_each_of_them() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let people = Broadcaster::new(&site, 20);
    let engine = site.start();
    let list = people.list(&rows(10));
    let first = people.started(&manifest(&list, "02", "first", ""));
    wait::until_true("8 delivered", || count(&people.status(&first), "delivered") == 8);
    let areas = r#""areas":["13101","27100","01100"]"#;
    let of = format!(r#"{areas},"of":{{"broadcast":"{first}","outcomes":["delivered"]}}"#);
    let second = people.started(&manifest(&list, "02", "second", "").replace(areas, &of));
    wait::until_true("8 delivered, 2 wait", || {
        let progress = people.status(&second);
        (count(&progress, "delivered"), count(&progress, "waiting")) == (8, 2)
    });
    // One comes to another end, and one is reached behind a death.
    site.must(&["broadcast", "withdraw", &first, &msn(0)]);
    engine.kill();
    let engine = site.start();
    site.must(&["network", "set", "home", &msn(1)]);
    let progress = people.ended(&second);
    let ends = ["delivered", "skipped"].map(|outcome| count(&progress, outcome));
    assert_eq!(ends, [9, 1], "{:?}", progress.counts);
    let skipped = site.must(&["broadcast", "recipient", &second, &msn(0)]);
    assert!(skipped.contains("skipped (7005)"), "{skipped}");
    engine.stop();
}

#[test]
fn a_retraction_of_what_is_paused_goes_to_all_who_have_the_text_however_many_wait_for_theirs() {
    const ALL: u64 = 2_000;
    let mut site = Site::new(tests::programs!());
    // One phone in twenty is there.
    let away = (0..ALL).step_by(20).map(|number| format!("{}-{}", msn(number), msn(number + 18)));
    let away: Vec<(String, &str)> = away.map(|phones| (phones, "absent")).collect();
    site.shards(2).set_lines(&away);
    let people = Broadcaster::new(&site, ALL);
    let mut engine = site.start();
    let list = people.list(&rows(ALL));
    let first = people.started(&manifest(&list, "02", "first", ""));
    wait::until_true("one in twenty has it", || {
        let progress = people.status(&first);
        (count(&progress, "delivered"), count(&progress, "held")) == (ALL / 20, ALL / 20 * 19)
    });
    site.must(&["broadcast", "pause", &first]);
    let areas = r#""areas":["13101","27100","01100"]"#;
    let of = format!(r#"{areas},"of":{{"broadcast":"{first}","outcomes":["delivered"]}}"#);
    let wrong = manifest(&list, "02", "wrong", r#""pace":{"per_second":500},"#);
    let second = people.started(&wrong.replace(areas, &of));
    wait::until_true("whoever has the text is told", || {
        let progress = people.status(&second);
        (count(&progress, "delivered"), count(&progress, "waiting")) == (ALL / 20, ALL / 20 * 19)
    });
    // What waits for the other's rows has not begun, and a death leaves no doubt of it.
    engine.kill();
    engine = site.start();
    let doubts = people.status(&second).doubts;
    assert!(doubts <= 200, "{doubts} in doubt");
    site.must(&["broadcast", "resume", &first]);
    for (phones, _) in &away {
        site.must(&["network", "set", "home", phones]);
    }
    let progress = people.ended(&first);
    assert_eq!(count(&progress, "delivered"), ALL, "{:?}", progress.counts);
    let progress = people.ended(&second);
    assert_eq!(count(&progress, "delivered"), ALL, "{:?}", progress.counts);
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}
