//! Damage to files: reported with its place, and everything intact is kept.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::super::*;
use super::roundtrip::{accepted, config, open};

/// A journal of 400 synced pushes over several segments: the directory, and each record's place and
/// sequence.
fn written(factory: &SegmentFactory) -> (tempfile::TempDir, Vec<(Position, u64)>) {
    written_with(factory, config())
}

fn written_with(
    factory: &SegmentFactory,
    config: JournalConfig,
) -> (tempfile::TempDir, Vec<(Position, u64)>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut journal, _) =
        Journal::open(directory.path(), config, factory, &mut |_, _, _| {}).expect("it opens");
    let mut places = Vec::new();
    for round in 0..400 {
        journal.wait_for_spares(std::time::Duration::from_secs(30));
        places.push(
            journal
                .append_accepted(&accepted(journal.next_sequence(), &[9; 290]))
                .expect("there is room"),
        );
        if round % 16 == 0 && !config.without_syncs {
            journal.commit_blocking().expect("synced");
        }
    }
    // The last ones are written and not synced.
    if let Some(mut commit) = journal.begin_commit() {
        commit.with_sync = false;
        journal.carry_out(&mut commit).expect("written");
    }
    (directory, places)
}

fn file_of(directory: &Path, position: Position) -> PathBuf {
    directory.join(format!("segment-{:08}.log", position.segment().number()))
}

fn overwrite(file: &Path, offset: u64, octets: &[u8]) {
    let file = OpenOptions::new().write(true).open(file).expect("it is there");
    file.write_all_at(octets, offset).expect("written");
}

fn flip(file: &Path, offset: u64) {
    let handle = OpenOptions::new().read(true).write(true).open(file).expect("it is there");
    let mut octet = [0];
    handle.read_exact_at(&mut octet, offset).expect("readable");
    handle.write_all_at(&[octet[0] ^ 0x10], offset).expect("written");
}

#[test]
fn a_damaged_record_is_reported_with_its_place_and_all_others_are_kept() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    let (position, sequence) = places[57];
    // Once in the header, once in the body.
    for within in [5, 100] {
        let file = file_of(directory.path(), position);
        flip(&file, u64::from(position.offset()) + within);
        let (journal, report, seen) = open(directory.path(), &factory);
        let [damage] = &report.damages[..] else { panic!("one damage, not {:?}", report.damages) };
        assert_eq!((&damage.file, damage.offset), (&file, u64::from(position.offset())));
        assert_eq!((damage.sequence, damage.records_missing), (sequence, 1));
        assert!(report.lost_durable_records());
        let kept: BTreeSet<u64> = seen.iter().map(|(_, sequence, _)| *sequence).collect();
        let missing: Vec<_> =
            places.iter().filter(|(_, sequence)| !kept.contains(sequence)).collect();
        assert_eq!(missing, [&(position, sequence)]);
        assert!(journal.try_accepted(position).is_err());
        drop(journal);
        flip(&file, u64::from(position.offset()) + within);
    }
}

#[test]
fn a_record_is_checked_again_when_it_is_read_from_its_file_and_not_while_it_is_staged() {
    let factory = SegmentFactory::start().expect("a thread");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut journal, _, _) = open(directory.path(), &factory);
    let append = |journal: &mut Journal| {
        journal.wait_for_spares(std::time::Duration::from_secs(30));
        let push_id = journal.next_sequence();
        journal.append_accepted(&accepted(push_id, &[9; 290])).expect("there is room")
    };
    let (damaged, sound) = (append(&mut journal), append(&mut journal));
    journal.commit_blocking().expect("synced");
    let (position, sequence) = damaged;
    flip(&file_of(directory.path(), position), u64::from(position.offset()) + 40);
    assert_eq!(journal.accepted(position).push_id, sequence, "memory has it");
    while journal.figures().segments == 1 {
        append(&mut journal);
    }
    journal.commit_blocking().expect("synced");
    assert_eq!(journal.accepted(sound.0).push_id, sound.1);
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        journal.accepted(position).push_id
    }));
    let said = read.expect_err("the file has something else");
    assert!(
        said.downcast_ref::<String>().is_some_and(|said| said.contains("is damaged")),
        "{said:?}"
    );
}

#[test]
fn a_run_without_syncs_keeps_every_other_record_too() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) =
        written_with(&factory, JournalConfig { without_syncs: true, ..config() });
    let (position, sequence) = places[57];
    flip(&file_of(directory.path(), position), u64::from(position.offset()) + 100);
    let (_, report, seen) = open(directory.path(), &factory);
    let [damage] = &report.damages[..] else { panic!("one damage, not {:?}", report.damages) };
    assert_eq!((damage.sequence, damage.records_missing, seen.len()), (sequence, 1, places.len()));
}

#[test]
fn what_stands_behind_an_unsynced_gap_was_never_acknowledged_and_is_dropped() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    // The last commit came with round 384: of what follows, one record does not reach the device.
    let (position, sequence) = places[390];
    flip(&file_of(directory.path(), position), u64::from(position.offset()) + 100);
    let (journal, report, seen) = open(directory.path(), &factory);
    assert_eq!(report.damages, []);
    let torn = report.torn.expect("the journal ends at the gap");
    assert_eq!((torn.offset, torn.dropped_records), (u64::from(position.offset()), true));
    assert!(seen.iter().all(|(_, seen, _)| *seen < sequence));
    assert!(journal.next_sequence() > places[399].1, "no number is given twice");
    drop(journal);
    let (_, report, _) = open(directory.path(), &factory);
    assert_eq!((report.torn, report.damages), (None, vec![]), "it is reported once");
}

#[test]
fn a_survey_finds_what_opening_would_and_changes_nothing() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    let look = || {
        let mut seen = Vec::new();
        let survey = survey(directory.path(), &mut |position, sequence, record| {
            if record.kind() == RecordKind::Accepted {
                seen.push((position, sequence));
            }
        })
        .expect("readable");
        (survey, seen)
    };
    let (survey, seen) = look();
    assert_eq!(seen, places);
    assert_eq!((survey.damages.len(), survey.gaps.len(), &survey.torn), (0, 0, &None));
    assert_eq!(survey.count(RecordKind::Accepted), 400);

    let (position, sequence) = places[57];
    flip(&file_of(directory.path(), position), u64::from(position.offset()) + 100);
    let (position_of_gap, _) = places[390];
    flip(&file_of(directory.path(), position_of_gap), u64::from(position_of_gap.offset()) + 100);
    for _ in 0..2 {
        let (survey, seen) = look();
        let [damage] = &survey.damages[..] else { panic!("one damage, not {:?}", survey.damages) };
        assert_eq!((damage.offset, damage.sequence), (u64::from(position.offset()), sequence));
        let [gap] = &survey.gaps[..] else { panic!("one gap, not {:?}", survey.gaps) };
        assert_eq!(gap.offset, u64::from(position_of_gap.offset()));
        assert_eq!(seen.len(), 398);
    }
    overwrite(&file_of(directory.path(), places[200].0), 0, &[0xAA; 4096]);
    let (survey, _) = look();
    assert!(
        survey.damages.iter().any(|damage| damage.case == "header page"),
        "{:?}",
        survey.damages
    );
}

#[test]
fn a_zeroed_page_costs_the_records_in_it_and_no_other() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    let page = places[200].0.offset() / 4096 * 4096;
    let file = file_of(directory.path(), places[200].0);
    overwrite(&file, u64::from(page), &[0; 4096]);
    let (_, report, seen) = open(directory.path(), &factory);
    let frame = u64::from(places[2].0.offset() - places[1].0.offset());
    let untouched = |(position, _): &&(Position, u64)| {
        let (start, end) = (u64::from(position.offset()), u64::from(position.offset()) + frame);
        file_of(directory.path(), *position) != file
            || end <= u64::from(page)
            || start >= u64::from(page) + 4096
    };
    let kept: BTreeSet<u64> = seen.iter().map(|(_, sequence, _)| *sequence).collect();
    let intact: Vec<_> = places.iter().filter(untouched).collect();
    assert!(intact.iter().all(|(_, sequence)| kept.contains(sequence)));
    assert_eq!(report.records_missing, (places.len() - intact.len()) as u64);
    assert_eq!(report.damages_in_all, 1);
}

#[test]
fn a_lost_header_page_is_rebuilt_from_the_frames() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    let file = file_of(directory.path(), places[200].0);
    overwrite(&file, 0, &[0xAA; 4096]);
    let (_, report, seen) = open(directory.path(), &factory);
    let kept: BTreeSet<u64> = seen.iter().map(|(_, sequence, _)| *sequence).collect();
    assert!(places.iter().all(|(_, sequence)| kept.contains(sequence)));
    let [damage] = &report.damages[..] else { panic!("one damage, not {:?}", report.damages) };
    assert_eq!((damage.case, damage.offset, damage.records_missing), ("header page", 0, 0));
}

#[test]
fn without_any_header_page_everything_is_found_by_its_frames() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    let files: BTreeSet<PathBuf> =
        places.iter().map(|(position, _)| file_of(directory.path(), *position)).collect();
    assert!(files.len() > 2);
    for file in &files {
        overwrite(file, 0, &[0; 4096]);
    }
    let surveyed = survey(directory.path(), &mut |_, _, _| {}).expect("readable");
    assert_eq!(surveyed.count(RecordKind::Accepted), places.len() as u64);
    let (_, report, seen) = open(directory.path(), &factory);
    let kept: BTreeSet<u64> = seen.iter().map(|(_, sequence, _)| *sequence).collect();
    assert!(places.iter().all(|(_, sequence)| kept.contains(sequence)), "{report:?}");
}

#[test]
fn a_segment_of_which_nothing_can_be_read_is_told_and_kept() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    let file = file_of(directory.path(), places[200].0);
    overwrite(&file, 0, &vec![0xA5; SEGMENT_OCTETS_MIN as usize]);
    let (_, report, _) = open(directory.path(), &factory);
    assert!(
        report.damages.iter().any(|damage| damage.case == "whole segment"),
        "{:?}",
        report.damages
    );
    assert!(report.lost_durable_records());
    let aside = std::fs::read(file.with_extension("damaged")).expect("kept under another name");
    assert!(aside.iter().all(|&octet| octet == 0xA5));
}

#[test]
fn one_torn_sector_of_the_header_page_is_no_damage() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    overwrite(&file_of(directory.path(), places[200].0), 0, &[0x55; 512]);
    let (_, report, _) = open(directory.path(), &factory);
    assert_eq!(report.damages, []);
}

#[test]
fn a_missing_segment_in_the_middle_is_reported() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    let middle = places[200].0.segment();
    let gone = places.iter().filter(|(position, _)| position.segment() == middle).count() as u64;
    std::fs::remove_file(file_of(directory.path(), places[200].0)).expect("removed");
    let (_, report, _) = open(directory.path(), &factory);
    assert_eq!((report.damages_in_all, report.records_missing), (1, gone));
    assert!(report.lost_durable_records());
}

#[test]
fn another_version_and_another_shard_are_refused_with_the_file() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    let other = JournalConfig { shard: 4, ..config() };
    let error = Journal::open(directory.path(), other, &factory, &mut |_, _, _| {})
        .expect_err("another shard's");
    assert!(error.to_string().contains("belongs to shard 3"), "{error}");

    let file = file_of(directory.path(), places[0].0);
    let mut header = std::fs::read(&file).expect("readable");
    header.truncate(64);
    header[8] = 9;
    let checksum = crc32c::crc32c(&header[..60]);
    header[60..].copy_from_slice(&checksum.to_le_bytes());
    overwrite(&file, 0, &header);
    overwrite(&file, 2048, &header);
    let error = Journal::open(directory.path(), config(), &factory, &mut |_, _, _| {})
        .expect_err("another version");
    assert!(error.to_string().contains("format version 9"), "{error}");
    assert!(error.to_string().contains("segment-"), "{error}");
}

#[test]
fn random_damage_never_panics_and_never_invents() {
    let factory = SegmentFactory::start().expect("a thread");
    let (directory, places) = written(&factory);
    let known: BTreeSet<(u64, u64)> =
        places.iter().map(|(position, sequence)| (position.to_bits(), *sequence)).collect();
    let mut random = super::disk::Random::new(11);
    for round in 0..60 {
        let place = places[random.below(places.len() as u64) as usize].0;
        let file = file_of(directory.path(), place);
        let length = std::fs::metadata(&file).expect("it is there").len();
        let offset = random.below(length);
        let mut garbage = vec![0; 1 + random.below(64).min(length - offset - 1) as usize];
        garbage.fill_with(|| random.next() as u8);
        overwrite(&file, offset, &garbage);
        let (_, _, seen) = open(directory.path(), &factory);
        for (position, sequence, kind) in seen {
            assert!(
                kind == RecordKind::Opened || known.contains(&(position.to_bits(), sequence)),
                "round {round}: record {sequence} at {position:?} was never written"
            );
        }
    }
}
