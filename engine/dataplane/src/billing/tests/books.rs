use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::read::{EventFile, files_as_they_stand, files_looked_at, slots_written};
use super::super::reconcile::reconcile_within;
use super::super::sums::{days_of, span_of};
use super::super::*;
use wire::terms::calendar::Day;
use wire::terms::time::WallMs;

const HOUR_MS: u64 = 3_600_000;

fn day_of(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

/// 2026-11-22 12:00 JST.
fn noon() -> WallMs {
    day_of("20261122").start_ms() + 12 * HOUR_MS
}

fn accepted(push_id: u64, xpid: u64, at_ms: WallMs) -> Event {
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
        count: 0,
    }
}

fn ended(push_id: u64, xpid: u64, at_ms: WallMs, code: u16) -> Event {
    let delivered = if code == 0 { 3 } else { 0 };
    Event { kind: EventKind::Final, code, delivered, domain: 2, ..accepted(push_id, xpid, at_ms) }
}

/// Of rows of a broadcast: accepted, or ended.
fn rows(kind: EventKind, number: u64, count: u32) -> Event {
    let delivered = if kind == EventKind::FinalMany { 3 } else { 0 };
    let push_id = 1 << 62 | number;
    Event { kind, count, delivered, domain: 2, ..accepted(push_id, 7, noon()) }
}

/// The log of shard 0 at noon.
fn open(data: &Path) -> BillingLog {
    open_at(data, 0, noon())
}

fn open_at(data: &Path, shard: u16, now_ms: WallMs) -> BillingLog {
    let directory = crate::journal::shards::shard_directory(data, usize::from(shard));
    BillingLog::open(&directory, shard, now_ms).expect("it opens")
}

#[track_caller]
fn append(log: &mut BillingLog, event: &Event) {
    append_at(log, event, noon());
}

/// Appends an event and has it written.
#[track_caller]
fn append_at(log: &mut BillingLog, event: &Event, now_ms: WallMs) {
    assert!(log.append(event, now_ms) && log.flush(now_ms), "the device takes it");
}

fn file_of(data: &Path, day: &str) -> std::path::PathBuf {
    data.join(format!("shard-000/billing/events-{day}.bin"))
}

fn row(report: &Report, xpid: u64) -> Row {
    *report.rows.iter().find(|row| row.xpid == xpid).expect("the contract has a row")
}

/// Enters what lacks of these events; how many that were.
#[track_caller]
fn recover(log: &mut BillingLog, events: &[(Event, bool)], now_ms: WallMs) -> u64 {
    let mut lacking = Lacking::default();
    for (event, is_foreign) in events {
        lacking.check(log, event, *is_foreign, now_ms).expect("readable");
    }
    let entered = lacking.finish(log, now_ms).expect("readable");
    assert_eq!(entered.left, 0);
    entered.events
}

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

#[test]
fn reconcile_finds_an_end_without_a_push_and_every_second_event_whatever_lies_between() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    append(&mut log, &ended(1, 7, noon(), 0));
    for hours in [0, 24, 48] {
        // Accepted, ended, and both again in another day: the sums alone would not show it.
        let at_ms = noon() + hours * HOUR_MS;
        append_at(&mut log, &accepted(2, 7, at_ms), at_ms);
        append_at(&mut log, &ended(2, 7, at_ms, 0), at_ms);
    }
    let mut other = open_at(data.path(), 1, noon() + 48 * HOUR_MS);
    append_at(&mut other, &accepted(3 << 46, 8, noon() + 48 * HOUR_MS), noon() + 48 * HOUR_MS);
    let books = reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable");
    let has = |text: &str| books.findings.iter().any(|finding| finding.contains(text));
    assert!(has("push 1 ended and was never accepted"), "{books:?}");
    assert!(has("push 2 of xpid 00000000007 was accepted twice"), "{books:?}");
    assert!(has("push 2 of xpid 00000000007 ended twice"), "{books:?}");
    assert_eq!((books.twice.clone(), books.open), ([(7, (2, 2))].into(), 1));
}

#[test]
fn reconcile_tells_acceptances_of_rows_that_stand_twice_as_such_and_how_many_rows_that_are() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for _ in 0..2 {
        append(&mut log, &rows(EventKind::AcceptedMany, 64, 512));
    }
    append(&mut log, &rows(EventKind::FinalMany, 128, 512));
    let books = reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable");
    assert_eq!(books.twice.clone(), [(7, (512, 0))].into());
    let told = "512 rows of a broadcast of xpid 00000000007 accepted twice";
    assert!(books.findings.iter().any(|finding| finding.contains(told)), "{books:?}");
}

#[test]
fn no_end_of_a_running_engine_is_looked_at_without_its_acceptance_of_the_day_before() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let [today, tomorrow] = [noon(), noon() + 24 * HOUR_MS];
    let mut acceptances = open_at(data.path(), 0, today);
    let mut ends = open_at(data.path(), 1, tomorrow);
    append_at(&mut acceptances, &accepted(1, 7, today), today);
    append_at(&mut ends, &ended(1, 7, tomorrow, 0), tomorrow);
    let slots = |files: &[EventFile]| files.iter().map(|file| file.slots).collect::<Vec<_>>();
    let before = slots(&files_as_they_stand(data.path()).expect("readable"));
    let mut is_first = true;
    let files = files_looked_at(data.path(), |path| {
        let looked_at = slots_written(path)?;
        // Between the two looks a push is accepted before midnight, and ends behind it.
        if std::mem::take(&mut is_first) {
            append_at(&mut acceptances, &accepted(2, 7, today), today);
            append_at(&mut ends, &ended(2, 7, tomorrow, 0), tomorrow);
        }
        Ok(looked_at)
    });
    let seen = slots(&files.expect("readable"));
    assert_eq!(seen, [before[0] + 1, before[1]], "the acceptance alone");
}

#[test]
fn rows_whose_ends_have_numbers_far_from_their_acceptances_are_right_with_any_memory() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open_at(data.path(), 0, noon());
    for record in (0..40_000).step_by(5_000) {
        append(&mut log, &rows(EventKind::AcceptedMany, record, 500));
        append(&mut log, &rows(EventKind::FinalMany, 1 << 41 | record, 499));
    }
    for blocks_max in [1, 2, 7, 20] {
        let books =
            reconcile_within(data.path(), &|_, _, _| Vec::new(), blocks_max).expect("readable");
        assert!(books.is_clean(), "{blocks_max} blocks: {books:?}");
        assert_eq!(books.open, 8, "{blocks_max} blocks");
    }
    // One row more ends than there are.
    append(&mut log, &rows(EventKind::FinalMany, 1 << 42, 9));
    let books = reconcile_within(data.path(), &|_, _, _| Vec::new(), 1).expect("readable");
    assert!(books.findings.iter().any(|finding| finding.contains("rows")), "{books:?}");
}

#[test]
fn reconcile_comes_to_the_same_with_any_memory() {
    let data = tempfile::tempdir().expect("a temporary directory");
    for shard in 0..3 {
        let mut log = open_at(data.path(), shard, noon());
        for number in (0..40_000).step_by(40) {
            let push_id = (u64::from(shard) << 46) + number;
            append(&mut log, &accepted(push_id, 7 + number % 3, noon()));
            if number % 3 > 0 {
                append(&mut log, &ended(push_id, 7 + number % 3, noon(), 0));
            }
            if number % 9 == 8 {
                append(&mut log, &ended(push_id, 7 + number % 3, noon(), 0));
            }
        }
        // A row's end has a number far from that of its acceptance.
        for record in (0..40_000).step_by(5_000) {
            let number = u64::from(shard) << 33 | record;
            append(&mut log, &rows(EventKind::AcceptedMany, number, 500));
            append(&mut log, &rows(EventKind::FinalMany, 1 << 41 | number, 499));
        }
    }
    let mut whole = reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable");
    assert!(whole.findings_in_all > 100 && whole.open > 400, "{whole:?}");
    whole.findings.clear();
    for blocks_max in [1, 2, 7, 20] {
        let mut parts =
            reconcile_within(data.path(), &|_, _, _| Vec::new(), blocks_max).expect("readable");
        parts.findings.clear();
        assert_eq!(parts, whole, "{blocks_max} blocks");
    }
}

#[test]
fn syncing_names_the_files_that_hold_unsynced_events() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    assert!(log.is_clean() && log.begin_sync().is_none());
    append(&mut log, &accepted(1, 7, noon()));
    append(&mut log, &accepted(2, 7, noon() + 24 * HOUR_MS));
    let sync = log.begin_sync().expect("there is something to sync");
    assert_eq!(sync.files.iter().flatten().count(), 2, "two days");
    assert!(!log.is_clean() && log.begin_sync().is_none(), "one at a time");
    assert!(log.append(&accepted(3, 7, noon()), noon()));
    log.finish_sync(&sync);
    assert!(!log.is_clean() && log.begin_sync().is_none(), "what came meanwhile is to be written");
    assert!(log.flush(noon()));
    let sync = log.begin_sync().expect("the third event");
    assert_eq!(sync.files.iter().flatten().count(), 1);
    log.finish_sync(&sync);
    assert!(log.is_clean());
}

#[test]
fn a_device_that_takes_nothing_is_tried_again_and_what_it_refuses_waits_in_bounded_room() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    // A directory in the file's place refuses to be written, as a full device does.
    let path = file_of(data.path(), "20261122");
    std::fs::create_dir(&path).expect("made");
    for step in 0..200_000 {
        log.count_request(EventKind::Rejected, step % 10_000, 8001, noon());
    }
    log.write_all_counts(noon());
    assert!(!log.flush(noon()));
    assert_eq!(log.requests_unwritten(), 200_000);
    assert!(log.is_clean(), "refusals keep no segment from being cleaned");
    let mut taken = 0;
    while log.append(&accepted(1 + taken, 7, noon()), noon()) {
        taken += 1;
    }
    assert!((1_000..100_000).contains(&taken) && !log.has_room(), "{taken} events wait");
    assert!(!log.is_clean() && log.events_refused() == taken);
    std::fs::remove_dir(&path).expect("removed");
    assert!(!log.flush(noon() + 1), "it is left alone for a moment");
    assert!(log.flush(noon() + 1000) && log.events_refused() == 0);
    assert!(log.write_all_counts(noon() + 1000) && log.flush(noon() + 1000));
    assert_eq!(log.requests_unwritten(), 0);
    let books = reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable");
    let found = (books.accepted, books.rejected[&8001], books.is_clean());
    assert_eq!(found, (taken, 200_000, true));
    assert!(std::fs::metadata(&path).expect("a file").len() < 2 << 20);
}

#[test]
fn what_a_failed_write_left_is_written_again_in_a_moment_and_nothing_of_it_twice() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for push_id in 1..=3 {
        assert!(log.append(&accepted(push_id, 7, noon()), noon()));
    }
    log.hurry();
    let now_ms = noon();
    // One slot and a half reach the file, and then the device is full.
    let mut write = log.begin_write(now_ms).expect("three events are due");
    let octets = write.write.octets_left();
    log.carry_out(&mut BillingWrite { write: write.write.rest() }).expect("the file takes them");
    write.write.advance(octets / 2);
    log.finish_write(&write, Err(std::io::ErrorKind::StorageFull.into()), now_ms);
    assert_eq!((log.events_refused(), log.has_lacked_room()), (2, true));
    assert!(log.is_refused(now_ms) && log.begin_write(now_ms + 100).is_none(), "a moment's rest");
    let due_ms = log.next_due_ms(false).expect("it is tried again by itself");
    assert!(due_ms > now_ms && due_ms <= now_ms + 1_000, "{due_ms:?}");
    // The next one fails too, and is not the last either.
    let write = log.begin_write(due_ms).expect("the rest is tried again");
    assert_eq!(write.write.octets_left(), octets / 3 * 2, "without what is written");
    log.finish_write(&write, Err(std::io::ErrorKind::StorageFull.into()), due_ms);
    let due_ms = log.next_due_ms(false).expect("and again");
    let mut write = log.begin_write(due_ms).expect("the rest once more");
    log.carry_out(&mut write).expect("there is room");
    log.finish_write(&write, Ok(()), due_ms);
    assert!(log.is_written() && log.events_refused() == 0 && log.next_due_ms(false).is_none());
    let books = reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable");
    assert_eq!((books.accepted, books.is_clean()), (3, true));
}

#[test]
fn events_gather_for_a_moment_and_are_written_together() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    for push_id in 1..=10 {
        assert!(log.append(&accepted(push_id, 7, noon()), noon()));
        assert!(log.begin_write(noon() + push_id).is_none(), "more may come");
    }
    let due_ms = log.next_due_ms(false).expect("they are to be written");
    let mut write = log.begin_write(due_ms).expect("the time is over");
    assert_eq!(write.write.octets_left(), 10 * 64);
    assert!(
        log.append(&accepted(11, 7, noon()), due_ms) && log.begin_write(due_ms + 500).is_none()
    );
    // The device takes three of them and a part of the next.
    write.write.advance(3 * 64 + 20);
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    log.finish_write(&write, Err(full), due_ms);
    assert!(log.has_lacked_room() && !log.has_lacked_room(), "told once");
    assert_eq!(log.events_refused(), 8);
    assert!(log.begin_write(due_ms + 10).is_none(), "it is left alone for a moment");
    let write = log.begin_write(due_ms + 1_000).expect("the others");
    assert_eq!((write.write.octets_left(), write.write.offset()), (8 * 64, 4 * 64));
}

#[test]
fn a_thread_opens_the_files_and_gives_them_room_ahead() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    let files = BillingFiles::start_off(Vec::new()).expect("a thread");
    log.make_files_ahead(&files);
    let (mut now_ms, mut entered) = (noon(), 0);
    let begun = host::clock::instant();
    // More than one piece of a file's room, over a midnight.
    for moment in [noon(), noon() + 24 * HOUR_MS] {
        now_ms = now_ms.max(moment);
        let last = entered + 6_000;
        while entered < last || !log.is_written() {
            now_ms = now_ms + 1;
            for _ in 0..500.min(last - entered) {
                if log.append(&accepted(entered + 1, 7, moment), now_ms) {
                    entered += 1;
                }
            }
            log.hurry();
            if let Some(mut write) = log.begin_write(now_ms) {
                let outcome = log.carry_out(&mut write);
                log.finish_write(&write, outcome, now_ms);
            }
            assert!(begun.elapsed().as_secs() < 60, "the thread makes no file");
            std::thread::yield_now();
        }
    }
    drop((log, files));
    for day in ["20261122", "20261123"] {
        let length = std::fs::metadata(file_of(data.path(), day)).expect("a file").len();
        assert!(length.is_multiple_of(256 * 1024) && length > 6_000 * 64 + 64 * 1024, "{length}");
    }
    assert!(data.path().join("shard-000/billing/next-day.tmp").exists());
    let books = reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable");
    assert_eq!((books.findings, books.accepted), (vec![], 12_000));
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
fn an_end_before_its_acceptance_is_found() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    // As an engine wrote it whose clock was set back over midnight.
    let end = Event { accepted_ms: WallMs::ZERO, ..ended(1, 7, noon(), 0) };
    append(&mut log, &end);
    append(&mut log, &accepted(1, 7, noon() + 24 * HOUR_MS));
    let books = reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable");
    assert!(
        books.findings[0].contains("push 1 was accepted, and had ended on 20261122"),
        "{books:?}"
    );
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
