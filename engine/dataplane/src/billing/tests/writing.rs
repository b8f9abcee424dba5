//! How events come to their files: together, in bounded room, again where the device refused.

use super::*;

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
