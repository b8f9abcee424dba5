use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::*;
use crate::calendar::Day;

const HOUR_MS: u64 = 3_600_000;

fn day_of(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

/// 2026-11-22 12:00 JST.
fn noon() -> u64 {
    day_of("20261122").start_ms() + 12 * HOUR_MS
}

fn accepted(push_id: u64, xpid: u64, at_ms: u64) -> Event {
    Event {
        kind: EventKind::Accepted,
        push_id,
        at_ms,
        accepted_ms: at_ms,
        msn: 9_012_345_678,
        xpid,
        code: 0,
        class: 1,
        push_kind: 1,
        state: 0,
        segments: 3,
        delivered: 0,
        withdrawn: 0,
        domain: 0,
        shard: 0,
    }
}

fn ended(push_id: u64, xpid: u64, at_ms: u64, code: u16) -> Event {
    let delivered = if code == 0 { 3 } else { 0 };
    Event { kind: EventKind::Final, code, delivered, domain: 2, ..accepted(push_id, xpid, at_ms) }
}

fn open(data: &Path) -> BillingLog {
    BillingLog::open(&data.join("shard-000").join("billing"), 0).expect("it opens")
}

fn row(report: &Report, xpid: u64) -> Row {
    *report.rows.iter().find(|row| row.xpid == xpid).expect("the contract has a row")
}

#[test]
fn a_day_adds_up_and_what_is_open_is_carried_over() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for push_id in 1..=10 {
        log.append(&accepted(push_id, 7, noon()));
    }
    for (push_id, code) in [(1, 0), (2, 0), (3, 6011), (4, 5002), (5, 6006), (6, 6002), (7, 11)] {
        log.append(&ended(push_id, 7, noon() + 1000, code));
    }
    log.append(&Event { withdrawn: 3, delivered: 0, ..ended(8, 7, noon() + 2000, 0) });
    log.append(&Event { kind: EventKind::Rejected, code: 2005, ..accepted(0, 7, noon()) });
    log.append(&Event { kind: EventKind::Replayed, code: 1, ..accepted(0, 7, noon()) });
    log.append(&Event { kind: EventKind::Replayed, code: 2, ..accepted(0, 7, noon()) });
    log.append(&ended(9, 7, noon() + 24 * HOUR_MS, 0));

    let today = day(data.path(), day_of("20261122")).expect("readable");
    let it = row(&today, 7);
    assert_eq!((it.billed.opening, it.billed.accepted, it.billed.closing()), (0, 10, 2));
    assert_eq!(it.billed.ended, [2, 1, 1, 1, 1, 1, 1]);
    assert_eq!((it.billed.segments, it.rejected, it.replayed, it.suppressed), (6, 1, 1, 1));

    let tomorrow = day(data.path(), day_of("20261123")).expect("readable");
    let it = row(&tomorrow, 7);
    assert_eq!((it.billed.opening, it.billed.accepted, it.billed.closing()), (2, 0, 1));
    assert_eq!(it.billed.ended(Column::Delivered), 1);
    let after = day(data.path(), day_of("20261130")).expect("readable");
    assert_eq!((row(&after, 7).billed.opening, row(&after, 7).billed.closing()), (1, 1));
    let before = day(data.path(), day_of("20261121")).expect("readable");
    assert_eq!(before.rows, []);

    let all = month(data.path(), 2026, 11).expect("readable");
    assert_eq!((row(&all, 7).billed.accepted, row(&all, 7).billed.ended(Column::Delivered)), (10, 3));
    let books = reconcile(data.path()).expect("readable");
    assert_eq!(books.findings, Vec::<String>::new());
    assert_eq!((books.accepted, books.open, books.days), (10, 1, 2));
}

#[test]
fn exercises_stand_in_columns_of_their_own() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    log.append(&Event { class: 9, ..accepted(1, 7, noon()) });
    log.append(&Event { class: 9, ..ended(1, 7, noon(), 0) });
    log.append(&accepted(2, 7, noon()));
    let report = day(data.path(), day_of("20261122")).expect("readable");
    let it = row(&report, 7);
    assert_eq!((it.billed.accepted, it.billed.segments), (1, 0));
    assert_eq!((it.exercise.accepted, it.exercise.segments, it.exercise.closing()), (1, 3, 0));
    let mut text = Vec::new();
    write_csv(&report, &mut text).expect("memory takes it");
    let text = String::from_utf8(text).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "xpid,opening,accepted,delivered,partial,refused,expired,failed,cancelled,replaced,closing,segments,\
         exercise_opening,exercise_accepted,exercise_delivered,exercise_partial,exercise_refused,exercise_expired,\
         exercise_failed,exercise_cancelled,exercise_replaced,exercise_closing,exercise_segments,\
         rejected,replayed,suppressed"
    );
    assert_eq!(lines[1], "00000000007,0,1,0,0,0,0,0,0,0,1,0,0,1,1,0,0,0,0,0,0,0,3,0,0,0");
    assert_eq!(lines[2], lines[1].replace("00000000007", "total"));
    assert_eq!(lines.len(), 3);
}

#[test]
fn recovery_enters_what_is_missing_and_nothing_twice() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for push_id in 1..=5000 {
        log.append(&accepted(push_id, 7, noon()));
    }
    log.append(&ended(1, 7, noon(), 0));
    drop(log);
    let mut log = open(data.path());
    let mut entered = 0;
    for push_id in 100..=5010 {
        entered += u32::from(log.ensure(&accepted(push_id, 7, noon())));
    }
    assert_eq!(entered, 10);
    assert!(log.ensure(&ended(100, 7, noon(), 0)));
    assert!(!log.ensure(&ended(100, 7, noon(), 0)), "a record moved forward is the same push");
    let report = day(data.path(), day_of("20261122")).expect("readable");
    assert_eq!((row(&report, 7).billed.accepted, row(&report, 7).billed.closing()), (5010, 5008));
}

#[test]
fn recovery_looks_into_earlier_days_as_far_as_needed() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    log.append(&accepted(1, 7, noon() - 48 * HOUR_MS));
    log.append(&accepted(2, 7, noon() - 24 * HOUR_MS));
    log.append(&accepted(3, 7, noon()));
    drop(log);
    let mut log = open(data.path());
    for (push_id, hours) in [(2, 24), (3, 0)] {
        assert!(!log.ensure(&accepted(push_id, 7, noon() - hours * HOUR_MS)));
    }
}

#[test]
fn a_half_written_last_slot_is_written_over_and_damage_before_it_is_counted() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for push_id in 1..=3 {
        log.append(&accepted(push_id, 7, noon()));
    }
    drop(log);
    let path = data.path().join("shard-000/billing/events-20261122.bin");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("it is there");
    file.write_all_at(&[9; 20], 3 * 64).expect("written");
    let report = day(data.path(), day_of("20261122")).expect("readable");
    assert_eq!((row(&report, 7).billed.accepted, report.damaged.len()), (2, 0));

    let mut log = open(data.path());
    assert!(log.ensure(&accepted(3, 7, noon())), "the torn one is missing and entered again");
    assert!(!log.ensure(&accepted(2, 7, noon())));
    file.write_all_at(&[9; 20], 64).expect("written");
    let report = day(data.path(), day_of("20261122")).expect("readable");
    assert_eq!(row(&report, 7).billed.accepted, 2);
    assert_eq!(report.damaged, [(path, 1)]);
    assert!(!reconcile(data.path()).expect("readable").is_clean());
}

#[test]
fn reconcile_finds_an_end_without_a_push_and_a_push_accepted_twice() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    log.append(&ended(1, 7, noon(), 0));
    log.append(&accepted(2, 7, noon()));
    log.append(&accepted(2, 7, noon()));
    let books = reconcile(data.path()).expect("readable");
    assert!(books.findings.iter().any(|finding| finding.contains("push 1 ended")), "{books:?}");
    assert!(books.findings.iter().any(|finding| finding.contains("push 2 was accepted twice")), "{books:?}");
}

#[test]
fn syncing_names_the_files_that_hold_unsynced_events() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    assert!(log.is_clean() && log.begin_sync().is_none());
    log.append(&accepted(1, 7, noon()));
    log.append(&accepted(2, 7, noon() + 24 * HOUR_MS));
    let sync = log.begin_sync().expect("there is something to sync");
    assert_eq!(sync.files.iter().flatten().count(), 3, "two days and the directory");
    assert!(!log.is_clean() && log.begin_sync().is_none(), "one at a time");
    log.append(&accepted(3, 7, noon()));
    log.finish_sync(&sync);
    assert!(!log.is_clean(), "what came during the sync is not covered by it");
    let sync = log.begin_sync().expect("the third event");
    assert_eq!(sync.files.iter().flatten().count(), 1);
    log.finish_sync(&sync);
    assert!(log.is_clean());
}

#[test]
fn events_wait_in_memory_while_the_file_cannot_grow_and_are_written_when_it_can() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    // A directory in the file's place refuses to be written, as a full device does.
    let path = data.path().join("shard-000/billing/events-20261122.bin");
    std::fs::create_dir(&path).expect("made");
    for push_id in 1..=10 {
        log.append(&accepted(push_id, 7, noon()));
    }
    assert!(!log.is_clean(), "the journal must keep the records of these");
    assert!(log.sync().is_err());
    std::fs::remove_dir(&path).expect("removed");
    for push_id in 11..=3000 {
        log.append(&accepted(push_id, 7, noon()));
    }
    log.sync().expect("synced");
    assert!(log.is_clean());
    let report = day(data.path(), day_of("20261122")).expect("readable");
    assert_eq!(row(&report, 7).billed.accepted, 3000);
    assert!(reconcile(data.path()).expect("readable").is_clean());
}
