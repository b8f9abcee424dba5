//! What a start enters that books lack, and what of a file a crash left.

use std::os::unix::fs::FileExt;

use super::*;

#[test]
fn recovery_enters_what_is_missing_and_nothing_twice() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for push_id in 1..=5000 {
        append(&mut log, &accepted(push_id, 7, noon()));
    }
    append(&mut log, &ended(1, 7, noon(), 0));
    drop(log);
    let mut log = open(data.path());
    let mut events: Vec<_> =
        (100..=5010).map(|push_id| (accepted(push_id, 7, noon()), false)).collect();
    // A record moved forward is the same push.
    events.extend([(ended(100, 7, noon(), 0), false); 2]);
    assert_eq!(recover(&mut log, &events, noon()), 11);
    assert_eq!(recover(&mut log, &events, noon()), 0);
    let report = day(data.path(), day_of("20261122")).expect("readable");
    assert_eq!((row(&report, 7).billed.accepted, row(&report, 7).billed.closing()), (5010, 5008));
}

#[test]
fn recovery_looks_for_an_event_in_its_own_day_and_in_all_later_ones() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open_at(data.path(), 0, noon() - 48 * HOUR_MS);
    append_at(&mut log, &accepted(1, 7, noon() - 48 * HOUR_MS), noon() - 48 * HOUR_MS);
    // Entered a day late.
    append_at(&mut log, &accepted(2, 7, noon() - 48 * HOUR_MS), noon() - 24 * HOUR_MS);
    append(&mut log, &accepted(3, 7, noon()));
    drop(log);
    let events = [(1, 48), (2, 48), (3, 0)];
    let events =
        events.map(|(push_id, hours)| (accepted(push_id, 7, noon() - hours * HOUR_MS), false));
    assert_eq!(recover(&mut open(data.path()), &events, noon()), 0);
}

#[test]
fn the_end_of_a_push_from_another_layout_is_entered_once_in_the_whole_directory() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut other = open_at(data.path(), 1, noon());
    append(&mut other, &accepted(1, 7, noon()));
    append(&mut other, &accepted(2, 7, noon()));
    append(&mut other, &ended(1, 7, noon(), 0));
    let mut log = open(data.path());
    let events = [(ended(1, 7, noon(), 0), true), (ended(2, 7, noon(), 0), true)];
    assert_eq!(recover(&mut log, &events, noon()), 1);
    assert_eq!(recover(&mut log, &events, noon()), 0);
    assert_eq!(
        reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable").findings,
        Vec::<String>::new()
    );
}

#[test]
fn a_half_written_last_slot_is_written_over_and_damage_before_it_is_counted() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for push_id in 1..=3 {
        append(&mut log, &accepted(push_id, 7, noon()));
    }
    drop(log);
    let path = file_of(data.path(), "20261122");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("it is there");
    file.write_all_at(&[9; 20], 3 * 64).expect("written");
    let report = day(data.path(), day_of("20261122")).expect("readable");
    assert_eq!((row(&report, 7).billed.accepted, report.damaged.len()), (2, 0));

    let mut log = open(data.path());
    let events = [(accepted(3, 7, noon()), false), (accepted(2, 7, noon()), false)];
    assert_eq!(recover(&mut log, &events, noon()), 1, "the torn one is missing and entered again");
    file.write_all_at(&[9; 20], 64).expect("written");
    let report = day(data.path(), day_of("20261122")).expect("readable");
    assert_eq!(row(&report, 7).billed.accepted, 2);
    assert_eq!(report.damaged, [(path, 1)]);
    assert!(!reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable").is_clean());
}
