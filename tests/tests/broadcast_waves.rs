//! Waves of a broadcast in a whole engine: what has not begun waits, over restarts and crashes.

use hayauma::control::broadcasts::ProgressDocument;
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::site::Site;
use tests::wait;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

/// A manifest of one leg with these waves.
fn with_waves(list: &str, reqid: &str, waves: &str) -> String {
    manifest(list, "02", reqid, "").replace("}}}]}", &format!("}}}},\"waves\":{waves}}}]}}"))
}

#[test]
fn a_wave_waits_for_its_order_whatever_dies_and_the_next_one_for_its_share() {
    let mut site = Site::new(tests::programs!());
    site.shards(2);
    let people = Broadcaster::new(&site, 300);
    let mut engine = site.start();
    let list = people.list(&rows(300));
    let responders = site.must(&["list", "create", "responders"]);
    people.fill(responders.trim(), &format!("msn\n{}\n{}\n{}\n", msn(4), msn(5), msn(9_999)));
    let waves = format!(
        r#"[{{"lists":["{}"]}},{{"rows":30,"after_order":true}},{{"after_percent":90}}]"#,
        responders.trim()
    );
    let broadcast = people.started(&with_waves(&list, "waves", &waves));
    let rests = |rows: u64| {
        wait::until_true("the wave's end", || {
            let progress = people.status(&broadcast);
            let snapshot = progress.snapshot.as_ref().expect("figures");
            count(&progress, "delivered") == rows && snapshot.pace.limited_by == "wave"
        });
    };
    rests(2);
    let first = people.results(&broadcast);
    assert!(first["delivered"].contains(&msn(4)) && first["delivered"].contains(&msn(5)));
    // What waits for an order waits on, behind a death and behind a stop.
    engine.kill();
    engine = site.start();
    rests(2);
    engine.stop();
    engine = site.start();
    rests(2);
    let early = site.run(&["broadcast", "wave", &broadcast, "3"]);
    assert!(early.stderr.contains("wave 2 comes before it"), "{}", early.stderr);
    let said = site.must(&["broadcast", "wave", &broadcast, "2"]);
    assert!(said.contains("wave 2 of 3"), "{said}");
    site.must(&["broadcast", "wave", &broadcast, "2"]);
    // All of the second are delivered: the third begins by itself.
    let progress = people.ended(&broadcast);
    assert_eq!((count(&progress, "delivered"), progress.state.as_str()), (300, "finished"));
    let mut began = progress.document.waves.iter().map(|wave| wave.by.as_str());
    assert_eq!(began.clone().count(), 2);
    assert!(
        began.next_back().is_some_and(|by| by == "the manifest"),
        "{:?}",
        progress.document.waves
    );
    engine.stop();
    assert!(site.must(&["billing", "reconcile"]).contains("the books add up"));
}

#[test]
fn a_cancel_stops_the_waves_that_never_began() {
    let site = Site::new(tests::programs!());
    let people = Broadcaster::new(&site, 90);
    let engine = site.start();
    let list = people.list(&rows(90));
    let waves = r#"[{"rows":30},{"after_order":true}]"#;
    let broadcast = people.started(&with_waves(&list, "tried", waves));
    wait::until_true("the first wave", || count(&people.status(&broadcast), "delivered") == 30);
    // From every area its share.
    let delivered = people.results(&broadcast)["delivered"].clone();
    let of_area = |area: u64| {
        delivered.iter().filter(|found| (0..90).any(|n| n % 3 == area && **found == msn(n))).count()
    };
    assert_eq!([0, 1, 2].map(of_area), [10, 10, 10]);
    site.must(&["broadcast", "cancel", &broadcast]);
    let progress = people.ended(&broadcast);
    let ends = ["delivered", "cancelled"].map(|outcome| count(&progress, outcome));
    assert_eq!((ends, progress.state.as_str()), ([30, 60], "cancelled"));
    let late = site.run(&["broadcast", "wave", &broadcast, "2"]);
    assert!(late.stderr.contains("not running"), "{}", late.stderr);
    engine.stop();
}
