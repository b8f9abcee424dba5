use super::super::body::Body;
use super::super::*;
use std::path::Path;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);

pub(super) fn config() -> JournalConfig {
    let budget_octets = 16 * u64::from(SEGMENT_OCTETS_MIN);
    JournalConfig { segment_octets: SEGMENT_OCTETS_MIN, ..JournalConfig::new(3, budget_octets) }
}

pub(super) fn accepted(push_id: u64, submits: &[u8]) -> Accepted<'_> {
    let mut reqid = [0; 23];
    reqid[..3].copy_from_slice(b"abc");
    Accepted {
        push_id,
        key_fingerprint: push_id * 31,
        content_digest: push_id * 37,
        msn: 9_012_345_678,
        xpid: 100_000_001,
        accepted_ms: 1_800_000_000_000,
        expires_ms: 1_800_003_600_000,
        alert_key_fingerprint: 5,
        alert_fingerprint: 6,
        reqid,
        reqid_length: 3,
        class: 3,
        kind: 1,
        wants_notification: true,
        single_attempt: false,
        segments: 2,
        message_reference: 17,
        concatenation_reference: 18,
        svcinst: 0b11,
        sender_index: 1,
        alert_sequence: 4,
        door: 0x0007_0009,
        sender: b"CITY",
        alert_id: b"quake-1",
        submits,
    }
}

pub(super) fn open(
    directory: &Path,
    factory: &SegmentFactory,
) -> (Journal, RecoveryReport, Vec<(Position, u64, RecordKind)>) {
    let mut seen = Vec::new();
    let (journal, report) =
        Journal::open(directory, config(), factory, &mut |position, sequence, record| {
            seen.push((position, sequence, record.kind()));
        })
        .expect("it opens");
    (journal, report, seen)
}

#[test]
fn more_than_one_commit_takes_is_written_by_the_next_and_read_all_the_while() {
    const PUSHES: usize = 4_500;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let factory = SegmentFactory::start().expect("a thread");
    // A commit takes a little less than one segment here: the second one has records that must wait
    // for the rest of the first.
    let octets = 17 << 20;
    let config =
        JournalConfig { segment_octets: octets, ..JournalConfig::new(3, 8 * u64::from(octets)) };
    let open = || {
        let mut found = Vec::new();
        let opened =
            Journal::open(directory.path(), config, &factory, &mut |position, sequence, record| {
                if record.kind() == RecordKind::Accepted {
                    found.push((position, sequence));
                }
            });
        (opened.expect("it opens").0, found)
    };
    let submits = [7; 3_900];
    let fill = |journal: &mut Journal| {
        let append = |_| {
            journal.wait_for_spares(WAIT);
            let push_id = journal.next_sequence();
            journal.append_accepted(&accepted(push_id, &submits)).expect("there is room")
        };
        (0..PUSHES).map(append).collect::<Vec<_>>()
    };
    let all_there = |journal: &Journal, places: &[(Position, u64)]| {
        assert!(places.iter().all(|(position, sequence)| {
            let record = journal.accepted(*position);
            record.push_id == *sequence && record.submits == submits
        }));
    };

    let (mut journal, _) = open();
    let mut places = fill(&mut journal);
    assert!(journal.figures().segments > 1, "the run spans segments");
    all_there(&journal, &places);
    let mut commit = journal.begin_commit().expect("something to write");
    assert!(commit.covers < journal.appended(), "one commit is bounded");
    let covers = commit.covers;
    journal.carry_out(&mut commit).expect("written");
    journal.finish_commit(&commit);
    all_there(&journal, &places);
    drop(journal);

    // What that one commit covers is what is found.
    let (mut journal, found) = open();
    places.retain(|&(_, sequence)| sequence < covers);
    assert_eq!(found, places);
    places.extend(fill(&mut journal));
    journal.commit_blocking().expect("written");
    assert_eq!(journal.durable(), journal.appended());
    all_there(&journal, &places);
    drop(journal);
    assert_eq!(open().1, places);
}

#[test]
fn what_was_appended_is_read_back_and_recovered() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let factory = SegmentFactory::start().expect("a thread");
    let path = directory.path().join("shard-003").join("journal");
    let (mut journal, report, seen) = open(&path, &factory);
    assert_eq!((report.records, seen.len()), (0, 0));
    let submits = [7; 290];
    let mut appended = Vec::new();
    for _ in 0..300 {
        journal.wait_for_spares(WAIT);
        let (position, sequence) = journal
            .append_accepted(&accepted(journal.next_sequence(), &submits))
            .expect("there is room");
        let record = journal.accepted(position);
        assert_eq!(record.push_id, sequence);
        assert_eq!(
            (record.submits, record.sender, record.reqid()),
            (&submits[..], &b"CITY"[..], &b"abc"[..])
        );
        appended.push((position, sequence, RecordKind::Accepted));
        let (position, after) = journal
            .append_progress(&Progress {
                push_id: sequence,
                at_ms: 1,
                delivered_mask: 1,
                attempts: 2,
                code: 6006,
                in_doubt: false,
                begun: Progress::NOT_BEGUN,
            })
            .expect("the reserve holds it");
        appended.push((position, after, RecordKind::Progress));
    }
    assert!(journal.figures().segments > 1, "the run spans segments");
    journal.commit_blocking().expect("synced");
    assert_eq!(journal.durable(), journal.appended());
    drop(journal);

    let (journal, report, seen) = open(&path, &factory);
    let of_pushes: Vec<_> =
        seen.iter().copied().filter(|(_, _, kind)| *kind != RecordKind::Opened).collect();
    assert_eq!(of_pushes, appended);
    assert_eq!(report.damages, []);
    assert_eq!(report.torn, None);
    assert_eq!(report.count(RecordKind::Accepted), 300);
    assert!(
        journal.next_sequence() > appended.last().expect("some").1 + (1 << 20),
        "numbers are never given twice"
    );
}

/// The body of a Held record, aligned as a frame's is.
#[repr(C, align(16))]
struct HeldOctets([u8; 32]);

#[test]
fn a_hold_is_read_as_it_was_written_and_one_from_before_holds_were_counted_as_none() {
    let held = Held {
        push_id: 7,
        at_ms: 1_000,
        next_ms: 2_000,
        delivered_mask: 1,
        attempts: 2,
        code: 6006,
        reason: 1,
        domain: 2,
        holds: [0x21, 0x43, 0x65],
        in_doubt: true,
    };
    let read = |octets: &HeldOctets| match Record::read(RecordKind::Held, &octets.0) {
        Some(Record::Held(held)) => held.to_native(),
        _ => panic!("no Held record"),
    };
    let mut octets = HeldOctets([0; 32]);
    assert_eq!(held.write(&mut octets.0), 32);
    assert_eq!(read(&octets), held);
    // Version 1 as it was: eight octets each of push, time and next time.
    let mut octets = HeldOctets([0; 32]);
    for (at, value) in [(0, 7u64), (8, 1_000), (16, 2_000)] {
        octets.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    octets.0[24..].copy_from_slice(&[1, 0, 2, 0, 0x76, 0x17, 1, 2]);
    assert_eq!(read(&octets), Held { holds: [0; 3], in_doubt: false, ..held });
}

#[test]
fn what_a_carrier_took_is_read_as_it_was_written() {
    use super::super::memory::Memory;
    for ids in [&b""[..], b"\x0800B8BE19\x011"] {
        let handed = Handed {
            push_id: 7,
            at_ms: 1_000,
            taken_mask: 0b101,
            failed_mask: 0b10,
            delivered_mask: 0b1000,
            attempts: 2,
            code: 6012,
            carrier: 3,
            in_doubt: true,
            ids,
        };
        let mut body = Memory::copied_from(&[], 4096);
        let octets = handed.body().write(body.octets_mut());
        assert!(octets <= handed.body().body_octets_max());
        match Record::read(RecordKind::Handed, &body.octets()[..octets]) {
            Some(Record::Handed(record)) => assert_eq!(record.to_native(), handed),
            _ => panic!("no Handed record"),
        }
    }
}

#[test]
fn an_accepted_record_is_read_whatever_its_reserved_octets_say() {
    use super::super::memory::Memory;
    // The fixed part as version 1 has always had it: nine numbers, 24 octets of which four became
    // the door and the others are reserved, 33 octets, three pointers.
    assert_eq!(size_of::<ArchivedAccepted<'_>>(), 160);
    let submits = [7; 290];
    let mut body = Memory::copied_from(&[], 4096);
    let octets = accepted(5, &submits).body().write(body.octets_mut());
    let door = octets - 160 + 72;
    assert_eq!(body.octets()[door..door + 4], accepted(5, &submits).door.to_le_bytes());
    let reserved = door + 4..door + 24;
    assert!(body.octets()[reserved.clone()].iter().all(|&octet| octet == 0));
    body.octets_mut()[reserved].fill(0xFF);
    match Record::read(RecordKind::Accepted, &body.octets()[..octets]) {
        Some(Record::Accepted(record)) => {
            assert_eq!((record.push_id.to_native(), record.reqid()), (5, &b"abc"[..]));
            assert_eq!((&*record.sender, &*record.submits), (&b"CITY"[..], &submits[..]));
        }
        _ => panic!("an earlier build wrote it"),
    }
}
