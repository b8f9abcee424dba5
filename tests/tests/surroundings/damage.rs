//! Journal files that something has damaged.

use super::{MSN, site, site_with_client};
use hayauma::journal::{Record, survey};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tests::engine::Engine;
use tests::push::Body;
use tests::site::Site;

/// Pushes that wait, and so have to be found again.
const PUSHES: u64 = 60;
/// Octets at the start of a segment before its first record.
const HEADER_OCTETS: usize = 4_096;

fn push(number: u64) -> Body {
    Body::push(&format!("{:011}", 9_000_000_000 + number), &format!("damage-{number}"))
}

/// A stopped engine's place, its journal full of waiting pushes.
fn filled() -> Site {
    let mut site = site_with_client();
    site.set_lines(&[("09000000000-09000000999", "absent")]);
    let engine = site.start();
    for number in 0..PUSHES {
        assert_eq!(engine.connect().ask(&push(number).request()).code(), "0000");
    }
    engine.stop();
    site
}

/// The codes with which the pushes' repeats are answered.
fn repeats(engine: &Engine) -> Vec<String> {
    (0..PUSHES).map(|number| engine.connect().ask(&push(number).request()).code()).collect()
}

#[test]
fn a_damaged_record_is_told_with_file_and_offset_and_the_others_are_kept() {
    let site = filled();
    let (file, octets) = segment(&site);
    // In the middle of what was written, three octets of a push's Accepted record, which alone
    // names its reqid: the Held records between would cost nothing.
    let reqid = format!("damage-{}", PUSHES / 2);
    let at = octets
        .windows(reqid.len())
        .position(|octets| octets == reqid.as_bytes())
        .expect("its record");
    flip(&file, at, 3);
    let engine = site.start();
    let log = engine.log();
    let told = log.lines().find(|line| line.contains("damaged journal segment"));
    let told = told.unwrap_or_else(|| panic!("nothing about damage in {log}"));
    assert!(told.contains(&file.display().to_string()), "{told}");
    let offset: usize = number_behind(told, "offset=");
    let length: usize = number_behind(told, "octets=");
    assert!((offset..offset + length).contains(&at), "{at} in {told}");
    assert!(length < 2_000 && number_behind(told, "records_missing=") <= 2, "{told}");
    let codes = repeats(&engine);
    let kept = codes.iter().filter(|code| *code == "0001").count() as u64;
    assert!((PUSHES - 2..PUSHES).contains(&kept), "{kept} of {PUSHES} kept: {codes:?}");
    assert!(codes.iter().all(|code| code == "0001" || code == "0000"), "{codes:?}");
    engine.stop();
    let again = site.start();
    assert_eq!(repeats(&again), vec!["0001"; PUSHES as usize], "it goes on with what it has");
    again.stop();
}

#[test]
fn a_damaged_header_page_costs_no_record() {
    let site = filled();
    let (file, _) = segment(&site);
    flip(&file, 0, HEADER_OCTETS);
    let engine = site.start();
    assert!(engine.log().contains("damaged journal segment"), "{}", engine.log());
    assert_eq!(repeats(&engine), vec!["0001"; PUSHES as usize]);
    engine.stop();
}

#[test]
fn a_record_cut_short_as_by_a_crash_is_no_damage() {
    let mut site = filled();
    let (file, octets) = segment(&site);
    let end = octets.iter().rposition(|&octet| octet != 0).expect("records");
    // The last octets of the last push's record never reached the device, nor what came behind.
    let mut last_push = 0;
    survey(file.parent().expect("a directory"), &mut |position, _, record| {
        if let Record::Accepted(_) = record {
            last_push = position.offset() as usize;
        }
    })
    .expect("a readable journal");
    write_at(&file, last_push + 100, &vec![0; end + 1 - last_push - 100]);
    site.set("--log", "info");
    let engine = site.start();
    let log = engine.log();
    assert!(!log.contains("damaged") && !log.contains("ERROR"), "{log}");
    let told = log
        .lines()
        .find(|line| line.contains("torn end"))
        .unwrap_or_else(|| panic!("no torn end in {log}"));
    assert!(told.contains(&file.display().to_string()), "{told}");
    assert!((HEADER_OCTETS..end).contains(&number_behind(told, "offset=")), "{end} in {told}");
    let codes = repeats(&engine);
    let (last, others) = codes.split_last().expect("some pushes");
    assert!(last == "0000" && others.iter().all(|code| code == "0001"), "{codes:?}");
    engine.stop();
}

#[test]
fn a_file_of_another_size_is_put_aside_and_told() {
    let mut site = filled();
    let (file, octets) = segment(&site);
    std::fs::write(file.with_file_name("00000099.seg"), &octets[..5_000])
        .expect("a writable directory");
    std::fs::write(file.with_file_name("notes.txt"), "not of the journal")
        .expect("a writable directory");
    site.set("--log", "warn");
    let engine = site.start();
    assert_eq!(repeats(&engine), vec!["0001"; PUSHES as usize]);
    engine.stop();
    assert!(file.with_file_name("notes.txt").exists(), "what is not its own it leaves alone");
}

#[test]
fn a_journal_of_nothing_but_noise_is_told_and_the_engine_serves() {
    let site = filled();
    let (file, octets) = segment(&site);
    let mut chance = tests::seeded::Seeded::new(7);
    let noise: Vec<u8> = (0..octets.len()).map(|_| chance.next_number() as u8).collect();
    std::fs::write(&file, &noise).expect("a writable directory");
    let engine = site.start();
    let log = engine.log();
    assert!(
        log.contains("damaged") && log.contains(&file.display().to_string()),
        "not a word of it: {log}"
    );
    let aside = std::fs::read(file.with_extension("damaged")).expect("the file under another name");
    assert!(aside == noise, "what cannot be read is not written over");
    assert_eq!(engine.connect().ask(&Body::push(MSN, "after-noise").request()).code(), "0000");
    engine.stop();
}

/// The journal's file with records, and its octets.
fn segment(site: &Site) -> (PathBuf, Vec<u8>) {
    let directory = site.data_dir().join("shard-000").join("journal");
    let mut written = Vec::new();
    for entry in std::fs::read_dir(&directory).expect("a journal") {
        let path = entry.expect("an entry").path();
        let octets = std::fs::read(&path).expect("a readable file");
        let is_written =
            octets.len() > HEADER_OCTETS && octets[HEADER_OCTETS..].iter().any(|&octet| octet != 0);
        if is_written && !path.to_string_lossy().ends_with(".tmp") {
            written.push((path, octets));
        }
    }
    assert_eq!(written.len(), 1, "one segment holds everything");
    written.remove(0)
}

fn flip(file: &Path, at: usize, count: usize) {
    let mut octets = vec![0; count];
    let mut opened = std::fs::File::open(file).expect("a readable file");
    opened.seek(SeekFrom::Start(at as u64)).expect("within the file");
    opened.read_exact(&mut octets).expect("within the file");
    for octet in &mut octets {
        *octet ^= 0x55;
    }
    write_at(file, at, &octets);
}

fn write_at(file: &Path, at: usize, octets: &[u8]) {
    let mut opened = std::fs::OpenOptions::new().write(true).open(file).expect("a writable file");
    opened.seek(SeekFrom::Start(at as u64)).expect("within the file");
    opened.write_all(octets).expect("room");
}

#[track_caller]
fn number_behind(line: &str, name: &str) -> usize {
    let rest = line.split(name).nth(1).unwrap_or_else(|| panic!("{name} in {line}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("a number behind {name} in {line}"))
}

#[test]
fn an_empty_directory_is_a_journal_too() {
    let site = site();
    std::fs::create_dir_all(site.data_dir().join("shard-000").join("journal"))
        .expect("a writable directory");
    site.start().stop();
}
