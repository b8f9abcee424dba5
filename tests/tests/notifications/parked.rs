//! Notifications that a push client wants no more: parked at once, listed, discarded for good, and
//! summed up in the log.

use super::{accepted, add_client, msn, site};
use tests::push::{Body, XPID};
use tests::recorder::{Recorder, Reply};
use tests::wait;

const OTHER: &str = "00100000002";
const PUSHES: u64 = 40;

//= push notify gone
#[test]
fn what_a_client_answers_with_410_is_parked_at_once_and_can_be_discarded_for_good() {
    park_list_and_discard(1);
}

#[test]
fn what_several_partitions_of_a_thread_park_is_listed_and_summed_up_as_one() {
    park_list_and_discard(4);
}

fn park_list_and_discard(partitions_a_thread: usize) {
    let recorder = Recorder::answering(|_| Reply::Status(410, None));
    let mut site = site(&recorder);
    site.partitions_a_thread(partitions_a_thread);
    add_client(&site, OTHER, &recorder, &[]);
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..PUSHES {
        accepted(&connection.ask(&Body::push(&msn(number), &format!("gone-{number}")).request()));
    }
    accepted(&connection.ask(&Body::push(&msn(0), "kept").with("svcid", OTHER).request()));
    wait::until_true("41 parked notifications", || {
        engine.admin().figure("notifications_parked") == PUSHES + 1
    });
    assert_eq!(recorder.notices().len() as u64, PUSHES + 1, "each was sent once");

    let listed = site.must(&["notify", "list"]);
    assert_eq!(listed.lines().last(), Some("41 parked"));
    let refused = site.run(&["notify", "discard"]);
    assert!(refused.refusal().contains("name whose notifications to discard"), "{refused:?}");
    let answer =
        engine.admin().try_request("POST", "/notifications/discard", "").expect("an answer");
    assert_eq!(answer.status(), 400, "{answer:?}");
    let discarded = site.must(&["notify", "discard", "--xpid", XPID]);
    assert_eq!(discarded.lines().last(), Some("40 discarded"));
    assert!(discarded.contains("gone-39") && !discarded.contains("kept"), "{discarded}");
    wait::until_true("one push left", || engine.admin().figure("pushes_live") == 1);
    engine.admin().await_durable();
    engine.stop();

    // A sum for each client, the first ones at once and the rest at the end: not a line for each
    // notification, nor for each partition.
    let engine = site.start();
    let log = engine.log();
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains("notifications parked (6101)")).collect();
    assert!((1..=4).contains(&lines.len()), "{lines:?}");
    let sum = |field: &str| -> u64 {
        let counts = lines.iter().filter_map(|line| {
            let (_, rest) = line.split_once(&format!(" {field}="))?;
            rest.split(' ').next()?.parse::<u64>().ok()
        });
        counts.sum()
    };
    assert_eq!((sum("parked"), sum("gone")), (PUSHES + 1, PUSHES + 1), "{lines:?}");

    // No start brings back what was discarded.
    let listed = site.must(&["notify", "list"]);
    assert!(listed.contains(" kept ") && listed.ends_with("1 parked\n"), "{listed}");
    assert_eq!(site.must(&["notify", "discard", "--all"]).lines().last(), Some("1 discarded"));
    wait::until_true("an empty engine", || engine.admin().figure("pushes_live") == 0);
    engine.stop();
}
