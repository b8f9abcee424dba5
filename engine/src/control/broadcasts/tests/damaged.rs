//! Files that do not say what was written: nobody is sent to who must not be, and nothing else
//! stands still.

use super::super::desk::BroadcastDesk;
use super::super::documents::Stage;
use super::super::lists::{ImportWanted, Piece};
use super::super::now::Now;
use super::{Bench, CANCEL, DAY_MS, KEPT_DAYS, ListWanted, follower};
use crate::broadcast::lists::reader::ReaderOptions;
use crate::control::engine::Engine as _;
use crate::control::now::wall_now;
use hyper::body::Bytes;
use std::path::Path;
use wire::terms::ids::Msn;

/// Turns one bit over.
fn damage(file: &Path, from_end: bool) {
    let mut octets = std::fs::read(file).expect("readable");
    // The head stands in front, the rows behind it; checksums are the last.
    let at = if from_end { octets.len() / 2 } else { 3 };
    octets[at] ^= 1;
    std::fs::write(file, octets).expect("written");
}

fn version(bench: &Bench, list: &str, number: u32) -> std::path::PathBuf {
    bench.directory.path().join("lists").join(list).join(format!("v{number:08}.list"))
}

#[test]
fn where_nobody_can_read_which_numbers_were_given_the_documents_say_it_or_nothing_starts() {
    let mut bench = Bench::new(1, 10);
    let first = bench.started("a", "");
    let given = bench.ordinal(&first);
    let folder = bench.directory.path().join("broadcasts");
    std::fs::write(folder.join("ordinals.json"), "{").expect("written");
    bench.restart(|_| true);
    let second = bench.started("b", "");
    assert!(bench.ordinal(&second) > given);
    std::fs::write(folder.join("ordinals.json"), "{").expect("written");
    std::fs::write(folder.join(&first).join("broadcast.json"), "{").expect("written");
    bench.restart(|_| true);
    let (draft, digest, found) = bench.checked("c", "");
    let refusal = bench.desk.start(&draft, &digest, found, "operator").expect_err("which number?");
    assert!(refusal.sentence.contains("nobody knows which numbers"), "{}", refusal.sentence);
}

#[test]
fn a_list_of_which_a_row_is_damaged_addresses_nobody_and_is_not_changed() {
    let bench = Bench::new(1, 3_000);
    let broadcast = bench.draft("a", "");
    damage(&version(&bench, &bench.list, 1), true);
    let refusal = bench.desk.check(&broadcast).expect_err("somebody else would get it");
    assert!(refusal.sentence.contains("checksum"), "{}", refusal.sentence);
    let (pieces, taken) = tokio::sync::mpsc::channel(2);
    let change = Bytes::from_static(b"{\"op\":\"delete\",\"msn\":\"09000000001\"}\n");
    pieces.try_send(Piece::Octets(change)).expect("room");
    pieces.try_send(Piece::End).expect("room");
    let (options, by) = (ReaderOptions::default(), "somebody".to_owned());
    let list = bench.list.clone();
    let wanted = ImportWanted { list, base: Some(1), may_be_empty: false, options, by };
    let refusal = bench.desk.import(wanted, taken).err().expect("no good list comes of it");
    assert!(refusal.sentence.contains("checksum"), "{}", refusal.sentence);
}

#[test]
fn who_was_on_a_suppression_list_stays_when_it_cannot_be_read() {
    let mut bench = Bench::new(1, 100);
    let list = bench.suppress(0..30);
    let known = |bench: &Bench| bench.engine.suppressed.lock().expect("no panic").len();
    let file = version(&bench, &list, 1);
    let whole = std::fs::read(&file).expect("readable");
    damage(&file, false);
    bench.suppress(50..52);
    assert_eq!(known(&bench), 32, "those of the other list, and those who were known");
    let checked = bench.checked("a", "");
    bench.restart(|_| true);
    let draft = bench.draft("b", "");
    let refusal = bench.desk.check(&draft).expect_err("nobody knows who wants none");
    assert!(refusal.sentence.contains("suppression list"), "{}", refusal.sentence);
    let (broadcast, digest, recipients) = checked;
    bench.desk.start(&broadcast, &digest, recipients, "operator").expect_err("likewise");
    std::fs::write(&file, whole).expect("put back");
    bench.desk.publish_suppression_again(Now::read().steady + 60_000);
    assert_eq!(known(&bench), 32);
    bench.desk.start(&broadcast, &digest, recipients, "operator").expect("they are known");
}

#[test]
fn what_runs_waits_for_a_suppression_list_that_cannot_be_read() {
    let mut bench = Bench::new(1, 100);
    let list = bench.suppress(0..5);
    let broadcast = bench.started("a", "");
    let file = version(&bench, &list, 1);
    let whole = std::fs::read(&file).expect("readable");
    damage(&file, false);
    bench.restart(|_| false);
    let ordinal = bench.ordinal(&broadcast);
    assert_eq!(bench.engine.broadcasts.lives(ordinal), [None], "nothing is sent to them");
    std::fs::write(&file, whole).expect("put back");
    let later = Now::read().steady + 60_000;
    bench.desk.publish_suppression_again(later);
    bench.desk.tell_untold(later);
    assert!(bench.engine.broadcasts.lives(ordinal)[0].is_some());
}

#[test]
fn a_damaged_document_keeps_nothing_else_from_going_on() {
    let mut bench = Bench::new(1, 10);
    let damages: [fn(&str) -> Vec<u8>; 4] = [
        |text| text.as_bytes()[..text.len() / 2].to_vec(),
        |_| Vec::new(),
        |_| vec![0xff; 100],
        |text| text.replace("bc-", "bc-0").into_bytes(),
    ];
    let broken: Vec<String> = (0..damages.len())
        .map(|number| {
            let broadcast = bench.started(&format!("r{number}"), "");
            let file = bench.directory.path().join("broadcasts").join(&broadcast);
            let file = file.join("broadcast.json");
            let text = std::fs::read_to_string(&file).expect("readable");
            std::fs::write(&file, damages[number](&text)).expect("written");
            broadcast
        })
        .collect();
    let whole = bench.started("whole", "");
    bench.restart(|_| false);
    assert!(bench.engine.broadcasts.lives(bench.ordinal(&whole))[0].is_some(), "it goes on");
    for broadcast in &broken {
        let refusal = bench.desk.progress(broadcast, false).expect_err("nobody can say");
        assert!(refusal.sentence.contains("damaged"), "{}", refusal.sentence);
    }
    let all = bench.desk.all(&super::XpidSight::whole()).expect("shown");
    let damaged = all.iter().filter(|progress| progress.state == "damaged");
    assert_eq!(damaged.count(), broken.len(), "and somebody sees that");
    let may_follow = bench.engine.broadcasts.may_follow.lock().expect("no panic").clone();
    assert_eq!(may_follow, None, "nobody knows which records are theirs");
}

#[test]
fn a_list_whose_document_is_damaged_may_be_one_of_those_who_want_none() {
    let mut bench = Bench::new(1, 10);
    let list = bench.suppress(0..3);
    let file = bench.directory.path().join("lists").join(&list).join("list.json");
    std::fs::write(&file, "{").expect("written");
    bench.restart(|_| true);
    let refusal = bench.desk.check(&bench.draft("a", "")).expect_err("nobody knows");
    assert!(refusal.sentence.contains("damaged"), "{}", refusal.sentence);
}

#[test]
fn what_a_crash_left_of_what_went_goes_at_the_next_start() {
    let mut bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    let now_ms = wall_now();
    bench.desk.look(Now::read().steady).expect("kept");
    let folder = bench.directory.path().join("broadcasts").join(&broadcast);
    let rows = |folder: &Path| {
        let files = std::fs::read_dir(folder).expect("there").flatten();
        let names: Vec<_> = files.map(|file| file.file_name()).collect();
        names.into_iter().filter(|name| !name.to_string_lossy().ends_with(".json")).count()
    };
    let kept = bench.directory.path().join("kept");
    std::fs::create_dir(&kept).expect("made");
    for file in std::fs::read_dir(&folder).expect("there").flatten() {
        std::fs::copy(file.path(), kept.join(file.file_name())).expect("copied");
    }
    let later_ms = now_ms + (u64::from(KEPT_DAYS) + 1) * DAY_MS;
    bench.retire(later_ms, 0);
    bench.retire(later_ms, DAY_MS);
    assert_eq!(rows(&folder), 0);
    // The document says that they are gone; the crash came before they were.
    for file in std::fs::read_dir(&kept).expect("there").flatten() {
        let name = file.file_name();
        if !name.to_string_lossy().ends_with(".json") {
            std::fs::copy(file.path(), folder.join(name)).expect("copied");
        }
    }
    assert_eq!(rows(&folder), 2);
    // Another was being removed, and its document went first.
    let gone = bench.directory.path().join("broadcasts").join("bc-GONE");
    std::fs::create_dir(&gone).expect("made");
    std::fs::write(gone.join("recipients-X"), "rows").expect("written");
    bench.restart(|_| true);
    assert_eq!(rows(&folder), 0);
    assert!(!gone.exists());
}

#[test]
fn a_retraction_leaves_nobody_out_and_finds_its_lists_and_a_place() {
    let bench = Bench::new(1, 100);
    let except =
        bench.desk.make_list(ListWanted { name: "staff".to_owned(), ..ListWanted::default() });
    let except = except.expect("a list").list;
    bench.import_into(&except, "msn\n09000000007\n");
    let broadcast = {
        let mut manifest = bench.manifest("a", "");
        manifest.legs[0].audience.except = vec![except.clone()];
        let new = BroadcastDesk::next_identifier();
        let draft = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
        let (digest, recipients) = bench.agreed(&draft);
        assert_eq!(recipients, 99);
        bench.desk.start(&draft, &digest, recipients, "operator").expect("started");
        draft
    };
    for number in 0..200 {
        let manifest = bench.manifest(&format!("draft{number}"), "");
        let _ = bench.desk.create(BroadcastDesk::next_identifier(), manifest, "author");
    }
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.desk.look(Now::read().steady).expect("kept");
    for list in [&except, &bench.list] {
        let refusal = bench
            .desk
            .remove_list(list, &super::XpidSight::whole())
            .expect_err("it may have to be taken back");
        assert!(refusal.sentence.contains("taken back"), "{}", refusal.sentence);
    }
    let new = BroadcastDesk::next_identifier();
    let made = bench.desk.retract((&broadcast, new), follower("b"), "author").expect("a draft");
    assert!(made.manifest.legs[0].audience.except.is_empty());
    assert_eq!(made.stage, Stage::Draft);
}

#[test]
fn damaged_outcomes_keep_nobody_from_seeing_how_it_ended() {
    let bench = Bench::new(1, 100);
    let broadcast = bench.started("a", "");
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.desk.look(Now::read().steady).expect("kept");
    let folder = bench.directory.path().join("broadcasts").join(&broadcast);
    damage(&folder.join("outcomes"), true);
    let progress = bench.desk.progress(&broadcast, false).expect("shown");
    assert_eq!(progress.counts.get("cancelled"), Some(&100), "as it was kept at the end");
    let report = bench.desk.report(&broadcast).expect("a report");
    assert!(!report.adds_up, "and it says that its rows cannot be counted");
    let refusal = bench.desk.words(&broadcast).expect_err("damaged");
    assert_eq!(refusal.status.as_u16(), 500);
}

#[test]
fn rows_stay_where_somebody_has_moved_the_document_away() {
    let mut bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.desk.look(Now::read().steady).expect("kept");
    let document = bench.directory.path().join("broadcasts").join(&broadcast);
    let document = document.join("broadcast.json");
    let away = bench.directory.path().join("away.json");
    std::fs::rename(&document, &away).expect("moved");
    bench.restart(|_| true);
    let refusal = bench.desk.progress(&broadcast, false).expect_err("it cannot be read");
    assert!(refusal.sentence.contains("damaged"), "{}", refusal.sentence);
    std::fs::rename(&away, &document).expect("moved back");
    bench.restart(|_| true);
    assert_eq!(bench.desk.words(&broadcast).expect("all of it is there").1.len(), 10);
}

#[test]
fn what_cannot_be_read_is_told_to_whoever_asks_whether_all_is_well() {
    let mut bench = Bench::new(1, 10);
    let list = bench.suppress(0..3);
    let broadcast = bench.draft("a", "");
    bench.desk.note_troubles();
    assert_eq!(bench.engine.troubles(), Vec::<String>::new());
    damage(&version(&bench, &list, 1), true);
    let document = bench.directory.path().join("broadcasts").join(&broadcast);
    std::fs::write(document.join("broadcast.json"), "{").expect("written");
    bench.restart(|_| true);
    bench.desk.note_troubles();
    let told = bench.engine.troubles();
    let found = super::super::unreadable(bench.directory.path()).expect("readable folders");
    for sentences in [&told, &found] {
        assert!(sentences.len() == 2 && sentences[0].contains(&broadcast), "{sentences:?}");
        assert!(sentences[1].contains("suppression list") && sentences[1].contains(&list));
    }
}

#[test]
fn what_cannot_be_read_keeps_no_phone_from_being_forgotten_elsewhere() {
    let bench = Bench::new(1, 10);
    let over = |reqid: &str| {
        let broadcast = bench.started(reqid, "");
        bench.desk.order(&broadcast, CANCEL).expect("cancelled");
        bench.desk.look(Now::read().steady).expect("kept");
        broadcast
    };
    let (broken, whole) = (over("a"), over("b"));
    let wanted = ListWanted { name: "other".to_owned(), ..ListWanted::default() };
    let other = bench.desk.make_list(wanted).expect("a list").list;
    bench.import_into(&other, "msn,area\n09000000003,13101\n09000000004,13101\n");
    damage(&version(&bench, &bench.list, 1), false);
    let file = {
        let mut standing = bench.desk.standing();
        let document = &standing.entry(&broken).expect("there").document;
        document.check.as_ref().expect("a dry run").file.clone()
    };
    damage(&bench.directory.path().join("broadcasts").join(&broken).join(file), false);
    let phone = Msn::from_value(9_000_000_003).expect("an msn");
    let forgotten = bench.desk.forget(phone).expect("as far as it goes");
    assert_eq!(forgotten.versions, [format!("{other}@1")]);
    assert_eq!(forgotten.broadcasts, [whole]);
    assert_eq!(forgotten.remaining, [format!("{}@1", bench.list), broken]);
}
