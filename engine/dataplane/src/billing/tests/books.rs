//! Days and months as they are billed.

use super::super::read::files_as_they_stand;
use super::super::sums::{days_of, span_of};
use super::*;

#[test]
fn a_day_adds_up_and_what_is_open_is_carried_over() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for push_id in 1..=10 {
        append(&mut log, &accepted(push_id, 7, noon()));
    }
    for (push_id, code) in [(1, 0), (2, 0), (3, 6011), (4, 5002), (5, 6006), (6, 6002), (7, 11)] {
        append(&mut log, &ended(push_id, 7, noon() + 1000, code));
    }
    append(&mut log, &Event { withdrawn: 3, delivered: 0, ..ended(8, 7, noon() + 2000, 0) });
    for (kind, code) in
        [(EventKind::Rejected, 2005), (EventKind::Replayed, 1), (EventKind::Replayed, 2)]
    {
        log.count_request(kind, 7, code, noon());
    }
    log.count_request(EventKind::Rejected, 7, 2005, noon());
    assert!(!log.write_due_counts(noon()), "their minute is not over");
    assert!(log.write_due_counts(noon() + 60_000) && log.flush(noon() + 60_000));
    assert_eq!(log.requests_unwritten(), 0);
    append(&mut log, &ended(9, 7, noon() + 24 * HOUR_MS, 0));

    let today = day(data.path(), day_of("20261122")).expect("readable");
    let it = row(&today, 7);
    assert_eq!((it.billed.opening, it.billed.accepted, it.billed.closing()), (0, 10, 2));
    assert_eq!(it.billed.ended, [2, 1, 1, 1, 1, 1, 1]);
    assert_eq!((it.billed.segments, it.rejected, it.replayed, it.suppressed), (6, 2, 1, 1));

    let tomorrow = day(data.path(), day_of("20261123")).expect("readable");
    let it = row(&tomorrow, 7);
    assert_eq!((it.billed.opening, it.billed.accepted, it.billed.closing()), (2, 0, 1));
    assert_eq!(it.billed.ended(Column::Delivered), 1);
    let after = day(data.path(), day_of("20261130")).expect("readable");
    assert_eq!((row(&after, 7).billed.opening, row(&after, 7).billed.closing()), (1, 1));
    let before = day(data.path(), day_of("20261121")).expect("readable");
    assert_eq!(before.rows, []);

    let all = month(data.path(), 2026, 11).expect("readable");
    assert_eq!(
        (row(&all, 7).billed.accepted, row(&all, 7).billed.ended(Column::Delivered)),
        (10, 3)
    );
    let books = reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable");
    assert_eq!(books.findings, Vec::<String>::new());
    assert_eq!((books.accepted, books.open, books.days), (10, 1, 2));
    assert_eq!(
        (books.events, books.rejected[&2005], books.replayed, books.suppressed),
        (22, 2, 1, 1)
    );
}

#[test]
fn exercises_stand_in_columns_of_their_own() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    append(&mut log, &Event { class: 9, ..accepted(1, 7, noon()) });
    append(&mut log, &Event { class: 9, ..ended(1, 7, noon(), 0) });
    append(&mut log, &accepted(2, 7, noon()));
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
        "xpid,opening,accepted,delivered,partial,refused,expired,failed,cancelled,replaced,\
         closing,segments,\
         exercise_opening,exercise_accepted,exercise_delivered,exercise_partial,exercise_refused,\
         exercise_expired,exercise_failed,exercise_cancelled,exercise_replaced,\
         exercise_closing,exercise_segments,\
         rejected,replayed,suppressed,adjustment"
    );
    assert_eq!(lines[1], "00000000007,0,1,0,0,0,0,0,0,0,1,0,0,1,1,0,0,0,0,0,0,0,3,0,0,0,0");
    assert_eq!(lines[2], lines[1].replace("00000000007", "total"));
    assert_eq!(lines.len(), 3);
}

#[test]
fn what_a_running_engine_appends_between_two_readings_is_in_neither() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for push_id in 1..=4 {
        append(&mut log, &accepted(push_id, 7, noon()));
    }
    let files = files_as_they_stand(data.path()).expect("readable");
    let (first, last) = days_of(2026, 11).expect("a month");
    let before = span_of(&files, first, last).expect("readable");
    append(&mut log, &accepted(5, 7, noon() + 1));
    append(&mut log, &ended(1, 7, noon() + 2, 0));
    assert_eq!(span_of(&files, first, last).expect("readable"), before);
    assert_eq!(row(&before, 7).billed.accepted, 4);
    let files = files_as_they_stand(data.path()).expect("readable");
    let after = span_of(&files, first, last).expect("readable");
    assert_eq!(after, month(data.path(), 2026, 11).expect("readable"), "room ahead is no slot");
    assert_eq!((row(&after, 7).billed.accepted, row(&after, 7).billed.closing()), (5, 4));
}

/// 2026-11-23 00:00 JST, when the 22nd is over.
fn midnight() -> WallMs {
    day_of("20261123").start_ms()
}

#[test]
fn a_day_is_closed_half_a_second_after_its_midnight_and_never_opens_again() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for push_id in 1..=4 {
        append(&mut log, &accepted(push_id, 7, noon()));
    }
    // The record of an end of the last moment was on its way to the device.
    append_at(&mut log, &ended(1, 7, midnight() - 1, 0), midnight() + 40);
    append_at(&mut log, &accepted(5, 7, midnight() + 10), midnight() + 100);
    let closed = std::fs::read(file_of(data.path(), "20261122")).expect("readable");
    let reported = day(data.path(), day_of("20261122")).expect("readable");
    assert_eq!(
        (row(&reported, 7).billed.ended(Column::Delivered), row(&reported, 7).billed.closing()),
        (1, 3)
    );

    // A late end; then the clock is set back, and what ends now was accepted tomorrow.
    append_at(&mut log, &ended(2, 7, midnight() - 1, 0), midnight() + 1000);
    append_at(&mut log, &ended(3, 7, midnight() - HOUR_MS, 0), midnight() - HOUR_MS);
    let end = Event { accepted_ms: midnight() + 10, ..ended(5, 7, midnight() - HOUR_MS, 0) };
    append_at(&mut log, &end, midnight() - HOUR_MS);
    log.count_request(EventKind::Rejected, 7, 8001, midnight() - HOUR_MS);
    assert!(log.write_all_counts(midnight() - HOUR_MS) && log.flush(midnight() - HOUR_MS));
    drop(log);
    // So does a start with that clock, in a shard that never saw the new day.
    let mut other = open_at(data.path(), 1, midnight() - HOUR_MS);
    let late = [(ended(4, 7, midnight() - 2 * HOUR_MS, 0), false)];
    assert_eq!(recover(&mut other, &late, midnight() - HOUR_MS), 1);
    assert!(!data.path().join("shard-001/billing/events-20261122.bin").exists());

    assert_eq!(std::fs::read(file_of(data.path(), "20261122")).expect("readable"), closed);
    assert_eq!(day(data.path(), day_of("20261122")).expect("readable"), reported);
    let report = day(data.path(), day_of("20261123")).expect("readable");
    let it = row(&report, 7);
    let counts = (it.billed.opening, it.billed.accepted, it.billed.ended(Column::Delivered));
    assert_eq!((counts, it.billed.closing(), it.rejected), ((0, 1, 1), 0, 0));
    let [adjusted] = report.adjustments[..] else { panic!("{report:?}") };
    let counts = (
        adjusted.billed.opening,
        adjusted.billed.accepted,
        adjusted.billed.ended(Column::Delivered),
    );
    assert_eq!((counts, adjusted.billed.closing(), adjusted.rejected), ((3, 0, 3), 0, 1));
    let mut text = Vec::new();
    write_csv(&report, &mut text).expect("memory takes it");
    let lines = String::from_utf8(text).expect("text");
    let last: Vec<_> = lines.lines().filter_map(|line| line.rsplit(',').next()).collect();
    assert_eq!(last, ["adjustment", "0", "1", "0"]);
    let books = reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable");
    assert_eq!((books.findings, books.open), (vec![], 0));
}

#[test]
fn files_of_version_one_are_read_and_raised_and_those_of_a_later_one_refused() {
    let data = tempfile::tempdir().expect("a temporary directory");
    append(&mut open(data.path()), &accepted(1, 7, noon()));
    let path = file_of(data.path(), "20261122");
    let with_version = |version: u16| {
        let mut octets = std::fs::read(&path).expect("readable");
        octets[8..10].copy_from_slice(&version.to_le_bytes());
        let checksum = crc32c::crc32c(&octets[..60]);
        octets[60..64].copy_from_slice(&checksum.to_le_bytes());
        std::fs::write(&path, octets).expect("writable");
    };
    with_version(1);
    let report = day(data.path(), day_of("20261122")).expect("readable");
    assert_eq!(row(&report, 7).billed.accepted, 1);
    let mut log = open(data.path());
    assert_eq!(recover(&mut log, &[(accepted(1, 7, noon()), false)], noon()), 0);
    append(&mut log, &accepted(2, 7, noon()));
    assert_eq!(std::fs::read(&path).expect("readable")[8], 2, "it may have counts now");
    drop(log);
    with_version(3);
    let error =
        BillingLog::open(&data.path().join("shard-000"), 0, noon()).expect_err("a later version");
    assert!(
        error.to_string().contains("has format version 3, this engine reads 1 to 2"),
        "{error}"
    );
    let error = day(data.path(), day_of("20261122")).expect_err("a later version");
    assert!(error.to_string().contains("version 3"), "{error}");
}
