//! Another deadline while a broadcast runs, in a whole engine: nearer, and further away.

use hayauma::control::broadcasts::ProgressDocument;
use tests::broadcasts::{Broadcaster, manifest, msn, rows};
use tests::site::Site;
use tests::wait;
use wire::terms::rfc3339::rfc3339_of;
use wire::terms::time::WallMs;

fn count(progress: &ProgressDocument, outcome: &str) -> u64 {
    progress.counts.get(outcome).copied().unwrap_or_default()
}

fn in_seconds(seconds: u64) -> (u64, String) {
    let at_ms = host::clock::unix_ms() + seconds * 1_000;
    (at_ms, rfc3339_of(WallMs::new(at_ms)))
}

#[test]
fn a_deadline_that_is_moved_holds_for_rows_that_are_held_already() {
    let mut site = Site::new(tests::programs!());
    site.shards(2).set_lines(&[(msn(0), "absent"), (msn(1), "absent")]);
    let people = Broadcaster::new(&site, 20);
    let engine = site.start();
    let list = people.list(&rows(20));
    let held = |broadcast: &str| {
        wait::until_true("two held", || {
            let progress = people.status(broadcast);
            (count(&progress, "held"), count(&progress, "delivered")) == (2, 18)
        });
    };
    let pace = |broadcast: &str, deadline: &str| {
        site.must(&["broadcast", "pace", broadcast, "--deadline", deadline])
    };
    let nearer = people.started(&manifest(&list, "02", "nearer", ""));
    held(&nearer);
    let (at_ms, deadline) = in_seconds(2);
    pace(&nearer, &deadline);
    let progress = people.ended(&nearer);
    assert_eq!((progress.state.as_str(), count(&progress, "expired")), ("expired", 2));
    let ended_ms = progress.document.ended.as_ref().expect("ended").at_ms.ms();
    assert!(ended_ms + 1_000 >= at_ms, "{ended_ms} before {at_ms}");

    let later = people.started(&manifest(&list, "02", "later", ""));
    held(&later);
    let (soon_ms, soon) = in_seconds(6);
    pace(&later, &soon);
    pace(&later, &in_seconds(3_000).1);
    wait::until_true("the nearer deadline is over", || host::clock::unix_ms() > soon_ms + 500);
    let progress = people.status(&later);
    assert_eq!((progress.state.as_str(), count(&progress, "expired")), ("running", 0));
    engine.kill();
    let engine = site.start();
    site.must(&["network", "set", "home", &msn(0), &msn(1)]);
    assert_eq!(count(&people.ended(&later), "delivered"), 20);
    let over = site.run(&["broadcast", "pace", &later, "--deadline", &in_seconds(60).1]);
    assert!(over.stderr.contains("not running"), "{}", over.stderr);
    engine.stop();
}
