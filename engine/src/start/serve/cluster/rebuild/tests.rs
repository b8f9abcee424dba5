use super::*;
use crate::cluster::chunk::{ChunkHead, encode};
use crate::journal::{Key, LooseFrame, SEGMENT_OCTETS_MIN, append_loose};
use crate::start::serve::cluster::spool::Spool;

const SHARD: u16 = 3;

fn config(first_sequence: u64) -> JournalConfig {
    let mut config = JournalConfig::new(SHARD, 16 * u64::from(SEGMENT_OCTETS_MIN));
    config.segment_octets = SEGMENT_OCTETS_MIN;
    (config.without_syncs, config.first_sequence) = (true, first_sequence);
    config
}

fn open(directory: &Path, first: u64, factory: &SegmentFactory) -> (Journal, Vec<(u64, u64)>) {
    std::fs::create_dir_all(directory).expect("a directory");
    let mut keys = Vec::new();
    let (journal, _) =
        Journal::open(directory, config(first), factory, &mut |_, number, record| {
            if let crate::journal::Record::Key(key) = record {
                keys.push((number, key.push_id.to_native()));
            }
        })
        .expect("a journal");
    (journal, keys)
}

fn key(push_id: u64) -> Key {
    Key {
        fingerprint: push_id * 7,
        content_digest: 1,
        alert_key_fingerprint: 0,
        push_id,
        ended_ms: 1_000,
        code: 0,
        state: 4,
        segments: 1,
        alert_sequence: 0,
    }
}

/// Appends so many keys, and gives the frames of the commit that covers them.
fn frames(journal: &mut Journal, keys: u64) -> (Vec<u8>, u64, u64) {
    for _ in 0..keys {
        let number = journal.next_sequence();
        journal.append_key(&key(number)).expect("room");
    }
    let (first, mut octets) = (journal.begun(), Vec::new());
    let mut commit = journal.begin_commit().expect("something new");
    // SAFETY: it has just begun, and the journal lives.
    unsafe { commit.copy_frames(&mut octets) };
    journal.carry_out(&mut commit).expect("written");
    journal.finish_commit(&commit);
    (octets, first, commit.covers)
}

fn chunk(number: u64, frames: &[u8], first: u64, next: u64) -> Vec<u8> {
    let head = ChunkHead {
        partition: SHARD,
        kind: ChunkKind::Records,
        term: 1,
        number,
        first,
        next,
        octets: frames.len() as u32,
        link: 0,
        body_checksum: crate::journal::crc32c(frames),
    };
    encode(&head, frames)
}

#[test]
fn a_journal_that_is_made_of_a_log_has_every_record_under_its_number_and_goes_on_where_it_is_told()
{
    let place = tempfile::tempdir().expect("a directory");
    let factory = SegmentFactory::start().expect("a thread");
    let mut spool = Spool::begin(&place.path().join("log")).expect("a file");
    let mut wanted = Vec::new();
    // Two owners one after the other; the second one's numbers begin far behind. The first writes
    // more than one segment has room for.
    for (owner, first, commits) in [("a", 100, 40), ("b", 9_000_000, 2)] {
        let (mut journal, _) = open(&place.path().join(owner), first - 1, &factory);
        for number in 1..=commits {
            let (frames, begun, next) = frames(&mut journal, 200);
            assert_eq!(
                begun,
                first + (number - 1) * 200,
                "the record that opened it stays at home"
            );
            spool.put(&chunk(number, &frames, begun, next)).expect("room");
            wanted.extend((begun..next).map(|number| (number, number)));
        }
    }
    // What the old owner said of its own files is not true of these.
    let mut cleaned = Vec::new();
    let frame = |kind, sequence| LooseFrame { kind, sequence, body: &[1; 16] };
    append_loose(&mut cleaned, SHARD, frame(RecordKind::Cleaned, 9_000_400));
    append_loose(&mut cleaned, SHARD, frame(RecordKind::Opened, 9_000_401));
    spool.put(&chunk(3, &cleaned, 9_000_400, 9_000_402)).expect("room");
    let (mut last, _) = open(&place.path().join("c"), 9_000_401, &factory);
    let (frames, begun, next) = frames(&mut last, 5);
    spool.put(&chunk(4, &frames, begun, next)).expect("room");
    wanted.extend((begun..next).map(|number| (number, number)));

    let made = place.path().join("made");
    let path = spool.end().expect("written");
    let records = rebuild(&path, &made, config(1), &factory).expect("a journal");
    assert_eq!(records as usize, wanted.len());
    let jump = 9_000_407 + (1 << 24) + 1;
    let (journal, keys) = open(&made, jump, &factory);
    assert_eq!(keys, wanted);
    assert_eq!(journal.next_sequence(), jump + 1, "behind the record that opens it");
}

#[test]
fn of_a_log_without_records_no_journal_is_made_and_of_a_damaged_file_none_either() {
    let place = tempfile::tempdir().expect("a directory");
    let factory = SegmentFactory::start().expect("a thread");
    let (path, made) = (place.path().join("log"), place.path().join("made"));
    let spool = Spool::begin(&path).expect("a file").end().expect("written");
    assert_eq!(rebuild(&spool, &made, config(1), &factory).expect("nothing to do"), 0);
    assert!(!made.exists());

    let (mut journal, _) = open(&place.path().join("a"), 9, &factory);
    let (frames, begun, next) = frames(&mut journal, 3);
    let mut octets = chunk(1, &frames, begun, next);
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    let mut spool = Spool::begin(&path).expect("a file");
    spool.put(&octets).expect("room");
    let spool = spool.end().expect("written");
    let refused = rebuild(&spool, &made, config(1), &factory).expect_err("damaged");
    assert!(matches!(refused, RebuildError::Chunk(ChunkError::Body)), "{refused}");
}

#[test]
fn what_was_read_is_gone_unless_it_is_whole_and_a_start_lets_go_of_what_a_life_has_left() {
    let place = tempfile::tempdir().expect("a directory");
    let shard = place.path().join("shard-007");
    let [first, second] = [1, 2].map(|nth| spool_path(&shard, nth));
    let mut given_up = Spool::begin(&first).expect("a file");
    let mut whole = Spool::begin(&second).expect("a file");
    given_up.put(b"chunk").expect("room");
    whole.put(b"chunk").expect("room");
    drop(given_up);
    let ended = whole.end().expect("written");
    assert!(!first.exists() && ended == second && second.exists());
    std::fs::create_dir_all(journal_directory(&shard)).expect("a directory");
    std::fs::create_dir_all(shard.join("billing")).expect("a directory");
    clear(&shard).expect("removable");
    assert!(!second.exists() && !journal_directory(&shard).exists());
    assert!(shard.join("billing").exists(), "the books stay");
}
