//! A log that is whole is taken, and every one that lacks, doubles or mixes anything is not.

use super::super::chunk::TermBody;
use super::*;

fn owner(name: &str) -> Incarnation {
    Incarnation { node: NodeName::parse(name).expect("a name"), life: 1 }
}

/// A log as it is written: two terms, the first of which is closed.
fn log() -> Vec<(u64, ChunkHead, ChunkBody)> {
    let mut log = Log::default();
    log.term("a", 100);
    log.records(3);
    log.records(2);
    log.alive();
    log.push(ChunkKind::Closed, ChunkBody::Closed(owner("b").node), 0);
    log.term("b", 1_000);
    log.alive();
    log.records(4);
    log.0
}

#[derive(Default)]
struct Log(Vec<(u64, ChunkHead, ChunkBody)>);

impl Log {
    fn push(&mut self, kind: ChunkKind, body: ChunkBody, records: u64) {
        let (sequence, before, _) = *self.0.last().expect("a term");
        let term = if before.kind == ChunkKind::Term { sequence } else { before.term };
        let head = ChunkHead {
            kind,
            term,
            number: before.number + 1,
            first: before.next,
            next: before.next + records,
            link: before.checksum(),
            ..before
        };
        self.0.push((sequence + 1, head, body));
    }

    fn term(&mut self, name: &str, first: u64) {
        let last = self.0.last();
        let previous_end = last.map_or(0, |(sequence, ..)| *sequence);
        let head = ChunkHead {
            partition: 0,
            kind: ChunkKind::Term,
            term: 0,
            number: 0,
            first,
            next: first,
            octets: 40,
            link: last.map_or(0, |(_, head, _)| head.checksum()),
            body_checksum: 0,
        };
        let body = ChunkBody::Term(TermBody { owner: owner(name), opening: 1, previous_end });
        self.0.push((previous_end + 1, head, body));
    }

    fn records(&mut self, records: u64) {
        self.push(ChunkKind::Records, ChunkBody::Records, records);
    }

    fn alive(&mut self) {
        self.push(ChunkKind::Alive, ChunkBody::Alive, 0);
    }
}

fn read(floor: u64, log: &[(u64, ChunkHead, ChunkBody)]) -> Result<Succession, LogBreak> {
    let mut succession = Succession::from_floor(floor);
    log.iter().try_for_each(|(sequence, head, body)| succession.take(*sequence, *head, body))?;
    Ok(succession)
}

#[test]
fn a_whole_log_is_taken_from_its_beginning_and_from_every_floor() {
    let log = log();
    for from in 0..log.len() {
        let read = read(from as u64 + 1, &log[from..]).expect("whole");
        let end = read.end().expect("something");
        assert_eq!((end.sequence, end.term, read.next_record()), (8, 6, 1_004));
        assert_eq!(read.link(), log[7].1.checksum());
        assert_eq!(end.owner, (from < 6).then(|| owner("b")), "its term chunk may be purged");
    }
    assert_eq!(read(1, &log[..5]).expect("whole").end().and_then(|end| end.closed_for), {
        Some(owner("b").node)
    });
}

#[test]
fn a_chunk_that_is_missing_doubled_or_moved_is_seen() {
    let log = log();
    for at in 0..log.len() - 1 {
        let mut missing = log.clone();
        missing.remove(at);
        assert!(read(1, &missing).is_err(), "without chunk {at}");
        // The server may have numbered anew what was left.
        let renumbered: Vec<_> = missing
            .iter()
            .enumerate()
            .map(|(at, (_, head, body))| (at as u64 + 1, *head, *body))
            .collect();
        assert!(read(1, &renumbered).is_err(), "without chunk {at}, renumbered");
        let mut swapped = log.clone();
        swapped.swap(at, at + 1);
        (swapped[at].0, swapped[at + 1].0) = (at as u64 + 1, at as u64 + 2);
        assert!(read(1, &swapped).is_err(), "chunks {at} and {} swapped", at + 1);
    }
    let due = LogBreak::Sequence { due: 1, found: 2 };
    assert_eq!(read(1, &log[1..]), Err(due));
}

/// The chunk with its link made right, as a writer that has read the log would make it.
fn linked(log: &[(u64, ChunkHead, ChunkBody)], head: ChunkHead) -> (u64, ChunkHead, ChunkBody) {
    let (sequence, before, _) = log[log.len() - 1];
    (sequence + 1, ChunkHead { link: before.checksum(), ..head }, ChunkBody::Records)
}

#[test]
fn a_chunk_of_an_older_term_behind_a_newer_one_is_seen_even_with_the_right_link() {
    let mut log = log();
    let before = log[7].1;
    let records = ChunkHead { number: before.number + 1, first: 1_004, next: 1_005, ..before };
    log.push(linked(&log, ChunkHead { term: 1, ..records }));
    assert_eq!(read(1, &log), Err(LogBreak::Term(9)));
    let (_, head, body) = log.pop().expect("a chunk");
    log.push((9, ChunkHead { term: 6, ..head }, body));
    assert!(read(1, &log).is_ok(), "the owner's own");
}

#[test]
fn an_owner_neither_repeats_nor_skips_a_number_nor_goes_on_behind_its_end() {
    let log = log();
    let before = log[7].1;
    let good = ChunkHead { number: before.number + 1, first: 1_004, next: 1_005, ..before };
    let behind = |head| read(1, &[&log[..], &[linked(&log, head)]].concat()).map(|_| ());
    assert_eq!(behind(good), Ok(()));
    for number in [before.number, before.number + 2] {
        assert_eq!(behind(ChunkHead { number, ..good }), Err(LogBreak::Term(9)));
    }
    for first in [1_003, 1_005] {
        let wrong = ChunkHead { first, next: first + 1, ..good };
        assert_eq!(behind(wrong), Err(LogBreak::Records(9)));
    }
    let closed = &log[..5];
    let head = ChunkHead { number: 5, ..closed[3].1 };
    let after = [closed, &[linked(closed, head)]].concat();
    assert_eq!(read(1, &after), Err(LogBreak::Term(6)), "closed");
    // A term that begins below the one before would give numbers twice.
    let mut again = log.clone();
    again[5].1.first = 105;
    again[5].1.next = 105;
    assert_eq!(read(1, &again[..6]), Err(LogBreak::Records(6)));
}

#[test]
fn a_log_begins_with_a_term_unless_it_was_purged() {
    let log = log();
    let moved = [(1, log[1].1, log[1].2)];
    assert_eq!(read(1, &moved), Err(LogBreak::Term(1)));
    let mut linked = log[0];
    linked.1.link = 5;
    assert_eq!(read(1, &[linked]), Err(LogBreak::Link(1)));
}
