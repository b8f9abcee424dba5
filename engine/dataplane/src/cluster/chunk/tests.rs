//! Every truncation, every flip, and every field that contradicts another.

use super::*;
use crate::journal::{LooseFrame, RecordKind, append_loose};

const PARTITION: u16 = 7;

fn frames(first: u64, count: u64) -> Vec<u8> {
    let mut octets = Vec::new();
    for sequence in first..first + count {
        let body = vec![sequence as u8; 5 + (sequence % 20) as usize];
        let frame = LooseFrame { kind: RecordKind::Accepted, sequence, body: &body };
        append_loose(&mut octets, PARTITION, frame);
    }
    octets
}

fn head(kind: ChunkKind, body: &[u8], records: u64) -> ChunkHead {
    let is_term = kind == ChunkKind::Term;
    ChunkHead {
        partition: PARTITION,
        kind,
        term: if is_term { 0 } else { 41 },
        number: if is_term { 0 } else { 3 },
        first: 1_000,
        next: 1_000 + records,
        octets: body.len() as u32,
        link: 0xFEED_BEEF,
        body_checksum: crc32c(body),
    }
}

fn owner() -> TermBody {
    let node = NodeName::parse("tokyo-1").expect("a name");
    TermBody { owner: Incarnation { node, life: 99 }, opening: 5, previous_end: 40 }
}

/// A chunk of each kind.
fn every_kind() -> Vec<Vec<u8>> {
    let records = frames(1_000, 4);
    let to = NodeName::parse("osaka").expect("a name").octets();
    vec![
        encode(&head(ChunkKind::Term, &owner().encode(), 0), &owner().encode()),
        encode(&head(ChunkKind::Records, &records, 4), &records),
        encode(&head(ChunkKind::Alive, &[], 0), &[]),
        encode(&head(ChunkKind::Closed, &to, 0), &to),
    ]
}

#[test]
fn a_chunk_of_each_kind_reads_back() {
    let chunks = every_kind();
    let read = |at: usize| Chunk::read(&chunks[at], PARTITION).expect("whole");
    assert_eq!(read(0).body, ChunkBody::Term(owner()));
    assert_eq!((read(2).body, read(2).frames().count()), (ChunkBody::Alive, 0));
    assert_eq!(read(3).body, ChunkBody::Closed(NodeName::parse("osaka").expect("a name")));
    let records = read(1);
    let frames: Vec<_> = records.frames().map(|frame| frame.expect("checked")).collect();
    let sequences: Vec<u64> = frames.iter().map(|frame| frame.sequence).collect();
    assert_eq!((records.body, sequences), (ChunkBody::Records, vec![1_000, 1_001, 1_002, 1_003]));
    assert_eq!((frames[1].kind, frames[1].body), (RecordKind::Accepted, &[233; 6][..]));
}

#[test]
fn the_octets_of_a_head_stand_where_the_format_says() {
    let octets = head(ChunkKind::Records, &[1, 2, 3], 4).encode();
    assert_eq!(&octets[0..12], b"HAYAUMAC\x01\x00\x07\x00");
    assert_eq!(&octets[12..32], &[2, 0, 0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((read_u64(&octets, 32), read_u64(&octets, 40)), (1_000, 1_004));
    assert_eq!(&octets[48..56], &[3, 0, 0, 0, 0xEF, 0xBE, 0xED, 0xFE]);
    assert_eq!(read_u32(&octets, 56), crc32c(&[1, 2, 3]));
    assert_eq!(read_u32(&octets, 60), crc32c(&octets[..60]));
}

#[test]
fn a_chunk_that_is_cut_anywhere_or_goes_on_is_none() {
    for chunk in every_kind() {
        for length in 0..chunk.len() {
            let read = Chunk::read(&chunk[..length], PARTITION).map(|chunk| chunk.head);
            assert!(read.is_err(), "{length} of {} octets", chunk.len());
        }
        let longer = [&chunk[..], &[0]].concat();
        assert!(Chunk::read(&longer, PARTITION).is_err());
    }
}

#[test]
fn one_flipped_bit_anywhere_is_seen() {
    for chunk in every_kind() {
        for bit in 0..chunk.len() * 8 {
            let mut flipped = chunk.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Chunk::read(&flipped, PARTITION).is_err(), "bit {bit}");
        }
    }
}

/// The chunk with a head that somebody altered and summed up anew.
fn altered(chunk: &[u8], alter: impl Fn(&mut ChunkHead)) -> Result<(), ChunkError> {
    let (front, body) = chunk.split_first_chunk().expect("a head");
    let mut head = ChunkHead::decode(front).expect("a head");
    alter(&mut head);
    Chunk::read(&[&head.encode()[..], body].concat(), PARTITION).map(|_| ())
}

#[test]
fn fields_that_contradict_each_other_are_refused_whatever_the_checksums_say() {
    for chunk in every_kind() {
        assert_eq!(altered(&chunk, |_| {}), Ok(()));
        let other = altered(&chunk, |head| head.partition += 1);
        assert_eq!(other, Err(ChunkError::Partition(8)));
        let alterations: [&dyn Fn(&mut ChunkHead); 7] = [
            &|head| head.term = if head.term == 0 { 1 } else { 0 },
            &|head| head.number = if head.number == 0 { 1 } else { 0 },
            &|head| head.next += 1,
            &|head| head.first += 1,
            &|head| (head.first, head.next) = (SEQUENCE_END, SEQUENCE_END + 1),
            &|head| head.octets += 1,
            &|head| head.body_checksum ^= 1,
        ];
        for (number, alter) in alterations.iter().enumerate() {
            assert!(altered(&chunk, alter).is_err(), "alteration {number}");
        }
    }
    let foreign = frames(2_000, 4);
    let read = |head: ChunkHead| {
        let octets = [&head.encode()[..], &foreign].concat();
        Chunk::read(&octets, PARTITION).map(|_| ())
    };
    let sequence = FrameBreak::Sequence { due: 1_000, found: 2_000 };
    assert_eq!(read(head(ChunkKind::Records, &foreign, 4)), Err(ChunkError::Frames(sequence)));
    let right = ChunkHead { first: 2_000, next: 2_004, ..head(ChunkKind::Records, &foreign, 4) };
    assert_eq!(read(right), Ok(()));
    assert_eq!(read(ChunkHead { next: 2_003, ..right }), Err(ChunkError::Fields));
}

#[test]
fn what_is_no_chunk_of_this_program_says_so() {
    let chunk = &every_kind()[2];
    let read = |octets: &[u8]| Chunk::read(octets, PARTITION).map(|_| ()).expect_err("no chunk");
    assert_eq!(read(&[b'x'; 64]), ChunkError::Magic);
    assert_eq!(read(&vec![0; CHUNK_OCTETS_MAX + 1]), ChunkError::Length(CHUNK_OCTETS_MAX + 1));
    let mut later = chunk.clone();
    later[8] = 2;
    let checksum = crc32c(&later[..60]);
    later[60..].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(read(&later), ChunkError::Version(2));
}

#[test]
#[should_panic(expected = "a chunk's head is made for its body")]
fn a_chunk_is_not_made_of_a_head_and_another_body() {
    encode(&head(ChunkKind::Records, &frames(1_000, 4), 4), &frames(1_000, 3));
}
