//! What reconciling finds, with whatever memory.

use super::super::read::{EventFile, files_as_they_stand, files_looked_at, slots_written};
use super::super::reconcile::reconcile_within;
use super::*;

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
fn what_counts_as_delivered_without_a_segment_that_arrived_is_found() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut log = open(data.path());
    append(&mut log, &rows(EventKind::AcceptedMany, 64, 20));
    let end = rows(EventKind::FinalMany, 128, 20);
    append(&mut log, &Event { delivered: 0, ..end });
    append(&mut log, &accepted(2, 7, noon()));
    append(&mut log, &Event { withdrawn: 3, delivered: 0, ..ended(2, 7, noon(), 0) });
    let books = reconcile(data.path(), &|_, _, _| Vec::new()).expect("readable");
    let told = "20 of xpid 00000000007 count as delivered, and no segment arrived";
    assert!(books.findings.iter().any(|finding| finding.contains(told)), "{books:?}");
    assert_eq!(books.findings_in_all, 1, "what was withdrawn is right: {books:?}");
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
