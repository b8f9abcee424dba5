use super::*;
use crate::billing::{day, reconcile};

fn event(kind: EventKind, push_id: u64, at: Day) -> Event {
    Event {
        kind,
        push_id,
        at_ms: at.start_ms() + 10 + push_id,
        accepted_ms: at.start_ms() + 5,
        msn: 9_012_345_678,
        xpid: 100_000_001,
        code: 5_000,
        class: 1,
        push_kind: 1,
        state: 1,
        segments: 1,
        delivered: 1,
        withdrawn: 0,
        domain: 1,
        shard: 3,
        count: 0,
    }
}

fn write(node: &Path, day: Day, events: &[Event]) {
    let place = shard_directory(node, 3).join("billing");
    fs::create_dir_all(&place).expect("a directory");
    let mut file = Gathering::begin(&place.join(file_name(day)), 3, day).expect("a file");
    events.iter().for_each(|event| file.put(event).expect("room"));
    file.end().expect("room");
}

#[test]
fn what_two_nodes_have_entered_stands_in_the_gathered_books_once_and_they_add_up() {
    let place = tempfile::tempdir().expect("a directory");
    let (a, b, into) = (place.path().join("a"), place.path().join("b"), place.path().join("all"));
    let today = Day::parse("20261122").expect("a day");
    let accepted = |id| event(EventKind::Accepted, id, today);
    let ended = |id| event(EventKind::Final, id, today);
    write(&a, today, &[accepted(1), accepted(2), ended(1), event(EventKind::Rejected, 9, today)]);
    // The successor found 1 and 2 in the log, and ended 2; it went on with 3.
    let behind = [accepted(1), ended(1), accepted(2), ended(2), accepted(3)];
    write(&b, today, &behind);
    let nodes = [a, b.clone()];
    let gathered = gather(&nodes, &into).expect("books");
    assert_eq!((gathered.events, gathered.doubled), (6, 3));
    let report = day(&into, today).expect("a day");
    let [row] = &report.rows[..] else { panic!("{:?}", report.rows) };
    assert_eq!((row.billed.accepted, row.billed.closing()), (3, 1));
    let proof = reconcile(&into, &|_, _, _| Vec::new()).expect("readable books");
    assert!(proof.is_clean() && proof.open == 1, "{:?}", proof.findings);
    let error = gather(&nodes, &into).expect_err("there is something in it");
    assert!(error.to_string().contains("name one that is empty"), "{error}");
    // The nodes' own are as they were.
    assert_eq!(day(&b, today).expect("a day").rows[0].billed.accepted, 3);
}

#[test]
fn what_a_log_has_stands_in_the_gathered_books_though_no_node_has_it_any_more() {
    let place = tempfile::tempdir().expect("a directory");
    let (a, into) = (place.path().join("a"), place.path().join("all"));
    let today = Day::parse("20261122").expect("a day");
    let accepted = |id| event(EventKind::Accepted, id, today);
    write(&a, today, &[accepted(1), event(EventKind::Replayed, 2, today)]);
    let mut of_log = |shard: u16, each: &mut dyn FnMut(&Event)| {
        let of_shard = if shard == 3 { 1..5 } else { 0..0 };
        of_shard.for_each(|id| each(&accepted(id)));
        Ok(())
    };
    let gathered = gather_all(&[a], &into, 16, &mut of_log).expect("books");
    assert_eq!((gathered.events, gathered.doubled), (5, 1));
    assert_eq!(day(&into, today).expect("a day").rows[0].billed.accepted, 4);
    let broken = place.path().join("broken");
    let mut silent = |_: u16, _: &mut dyn FnMut(&Event)| Err(io::Error::other("nobody answers"));
    let error = gather_all(&[], &broken, 16, &mut silent).expect_err("it says nothing");
    assert!(error.to_string().contains("nobody answers"), "{error}");
}

#[test]
fn an_event_that_one_node_has_as_an_adjustment_of_a_later_day_stands_in_its_own() {
    let place = tempfile::tempdir().expect("a directory");
    let (a, b, into) = (place.path().join("a"), place.path().join("b"), place.path().join("all"));
    let (today, next) = (Day::parse("20261122").expect("a day"), Day::parse("20261123"));
    let next = next.expect("a day");
    let pair = [event(EventKind::Accepted, 1, today), event(EventKind::Final, 1, today)];
    write(&a, next, &pair);
    write(&b, today, &pair);
    let gathered = gather(&[a, b], &into).expect("books");
    assert_eq!((gathered.events, gathered.doubled), (2, 2));
    assert_eq!(day(&into, today).expect("a day").rows.len(), 1);
    let report = day(&into, next).expect("a day");
    assert!(report.rows.is_empty() && report.adjustments.is_empty(), "{report:?}");
}
