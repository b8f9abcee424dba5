//! A phone that is forgotten, and versions of lists that grow old.

use super::super::tally::Tally;
use super::*;
use crate::broadcast::outcomes::RowWord;

fn phone(number: u64) -> Msn {
    msn(number)
}

/// The rows of a broadcast, each with its outcome.
fn outcomes(bench: &Bench, broadcast: &str) -> Vec<(u64, Outcome)> {
    let (recipients, words) = bench.desk.words(broadcast).expect("readable");
    let word = |number: u32| RowWord::from_bits(words[number as usize]).expect("a word").outcome;
    let mut found: Vec<(u64, Outcome)> = (0..recipients.rows())
        .map(|number| (recipients.row(number).msn.value(), word(number)))
        .collect();
    found.sort_unstable_by_key(|(msn, _)| *msn);
    found
}

fn ended(bench: &Bench) -> String {
    let broadcast = bench.started("a", "");
    bench.deliver(&broadcast, 4);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.settle(&broadcast);
    bench.desk.look(Now::read().steady).expect("kept");
    broadcast
}

#[test]
fn what_became_of_a_forgotten_phone_is_not_known_and_of_all_others_as_before() {
    let mut bench = Bench::new(1, 10);
    let broadcast = ended(&bench);
    let running = bench.started("b", "");
    let before = outcomes(&bench, &broadcast);
    let forgotten = bench.desk.forget(phone(3)).expect("forgotten");
    assert_eq!(forgotten.broadcasts, std::slice::from_ref(&broadcast));
    assert_eq!(
        forgotten.remaining,
        std::slice::from_ref(&running),
        "what runs keeps its rows, and is named"
    );
    let rest: Vec<_> = before.into_iter().filter(|(msn, _)| *msn != phone(3).value()).collect();
    assert_eq!(outcomes(&bench, &broadcast), rest);
    bench.restart(|_| true);
    assert_eq!(outcomes(&bench, &broadcast), rest);
    assert_eq!(bench.desk.recipient(&broadcast, phone(3)).expect_err("gone").code, 3002);
    bench.desk.recipient(&broadcast, phone(4)).expect("it is there");
    assert!(bench.desk.report(&broadcast).expect("a report").adds_up);
    let names = std::fs::read_dir(bench.directory.path().join("broadcasts").join(&broadcast));
    assert_eq!(names.expect("there").count(), 3, "document, recipients, outcomes");
}

#[test]
fn a_crash_while_a_row_is_forgotten_leaves_all_of_a_broadcast_or_all_but_that() {
    let mut bench = Bench::new(1, 10);
    let broadcast = ended(&bench);
    let whole = outcomes(&bench, &broadcast);
    let folder = bench.directory.path().join("broadcasts").join(&broadcast);
    let before = std::fs::read(folder.join("outcomes")).expect("readable");
    // It died before the document named the others.
    std::fs::write(folder.join("outcomes.forgotten"), [0; 40]).expect("written");
    bench.restart(|_| true);
    assert!(!folder.join("outcomes.forgotten").exists());
    assert_eq!(outcomes(&bench, &broadcast), whole);
    // And behind that: the document has the recipients without it, the outcomes lack their name.
    bench.desk.forget(phone(3)).expect("forgotten");
    let rest = outcomes(&bench, &broadcast);
    std::fs::rename(folder.join("outcomes"), folder.join("outcomes.forgotten")).expect("renamed");
    std::fs::write(folder.join("outcomes"), before).expect("written");
    std::fs::write(folder.join("recipients-OLD"), "its number").expect("written");
    bench.restart(|_| true);
    assert_eq!(outcomes(&bench, &broadcast), rest);
    assert!(!folder.join("recipients-OLD").exists());
}

#[test]
fn a_list_that_came_with_a_broadcast_goes_when_nothing_stands_on_it() {
    let mut bench = Bench::new(1, 10);
    let wanted = ListWanted { name: "for a".to_owned(), ..ListWanted::default() };
    let own = bench.desk.make_list_of_one(wanted).expect("a list").list;
    let stays = std::mem::replace(&mut bench.list, own.clone());
    bench.import("msn,area\n09000000001,13101\n");
    let broadcast = bench.started("a", "");
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.settle(&broadcast);
    bench.desk.look(Now::read().steady).expect("kept");
    let now_ms = wall_now();
    let is_there = |list: &str| bench.desk.list(list).is_ok();
    bench.retire(now_ms + 6 * DAY_MS, 0);
    bench.retire(now_ms + 7 * DAY_MS - 60_000, 2 * DAY_MS);
    assert!(is_there(&own), "it may have to be taken back");
    bench.retire(now_ms + 8 * DAY_MS, 3 * DAY_MS);
    bench.retire(now_ms + 9 * DAY_MS, 4 * DAY_MS);
    assert_eq!((is_there(&own), is_there(&stays)), (false, true));
}

#[test]
fn an_xpid_fills_the_places_of_no_others_lists() {
    let bench = Bench::new(1, 1);
    let make = |xpid: &str| {
        let xpids = vec![xpid.to_owned()];
        bench.desk.make_list(ListWanted { name: "x".to_owned(), xpids, ..ListWanted::default() })
    };
    for _ in 0..200 {
        make("00100000001").expect("there is room");
    }
    let refusal = make("00100000001").expect_err("too many");
    assert!(refusal.sentence.contains("200 lists"), "{}", refusal.sentence);
    make("00100000002").expect("others have room");
}

#[test]
fn a_version_goes_a_month_after_another_took_its_place_unless_something_stands_on_it() {
    let bench = Bench::new(1, 10);
    let numbers = || {
        let list = bench.desk.list(&bench.list).expect("there");
        list.versions.iter().map(|version| version.version).collect::<Vec<_>>()
    };
    let file = "msn,area\n09000000001,13101\n";
    bench.import(file);
    // It stands on the second.
    bench.started("a", "");
    bench.import(file);
    assert_eq!(numbers(), [1, 2, 3]);
    let now_ms = wall_now();
    let retire = |days: u64, even: u64| bench.retire(now_ms + days * DAY_MS, even * DAY_MS);
    retire(29, 0);
    retire(29, 2);
    assert_eq!(numbers(), [1, 2, 3]);
    retire(31, 3);
    assert_eq!(numbers(), [1, 2, 3], "the clock may have made a step");
    retire(32, 4);
    assert_eq!(numbers(), [2, 3]);
    let folder = bench.directory.path().join("lists").join(&bench.list);
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("there")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    files.retain(|name| name.starts_with("v00000001"));
    assert_eq!(files, [""; 0], "nothing of it is left");
}

#[test]
fn a_report_adds_up_and_says_what_is_in_the_books_before_and_behind_a_forgotten_phone() {
    let bench = Bench::new(1, 10);
    let broadcast = ended(&bench);
    let report = || {
        let report = bench.desk.report(&broadcast).expect("a report");
        let rows: u64 = report.reasons.iter().map(|reason| reason.rows).sum();
        (report.adds_up, rows, report.billed.recipients)
    };
    // Six were cancelled before their turn, and never were pushes.
    assert_eq!(report(), (true, 10, 4));
    let (recipients, _) = bench.desk.words(&broadcast).expect("readable");
    let first = recipients.row(0).msn;
    bench.desk.forget(first).expect("forgotten");
    assert_eq!(report(), (true, 9, 3), "the first of those who have it");
}

#[test]
fn a_dry_run_of_a_version_that_a_phone_was_forgotten_in_meanwhile_is_made_again() {
    let bench = Bench::new(1, 10);
    let other = bench.started("other", "");
    let mut manifest = bench.manifest("a", "");
    let mut second = manifest.legs[0].clone();
    let outcomes = vec![Outcome::Delivered];
    second.audience.of = Some(OtherBroadcast { broadcast: other, outcomes, leg: None });
    manifest.legs.push(second);
    let new = BroadcastDesk::next_identifier();
    let draft = bench.desk.create(new, manifest, "author").expect("a draft").broadcast;
    let desk = Arc::clone(&bench.desk);
    // The first leg's list is open by then.
    *bench.engine.broadcasts.behind_words.lock().expect("no panic") = Some(Box::new(move || {
        desk.forget(phone(5)).expect("forgotten");
    }));
    let refusal = bench.desk.check(&draft).expect_err("it has the phone");
    assert!(refusal.sentence.contains("changed meanwhile"), "{}", refusal.sentence);
    let check = bench.desk.check(&draft).expect("a dry run").check.expect("a dry run");
    assert_eq!(check.addressed.targeted, 9);
}

#[test]
fn a_change_of_a_version_that_a_phone_was_forgotten_in_meanwhile_does_not_bring_it_back() {
    let bench = Bench::new(1, 10);
    let (pieces, taken) = tokio::sync::mpsc::channel(2);
    let change = format!("{{\"op\":\"put\",\"msn\":\"{}\",\"area\":\"13101\"}}\n", phone(20));
    pieces.try_send(Piece::Octets(Bytes::from(change))).expect("room");
    let (options, by) = (ReaderOptions::default(), "somebody".to_owned());
    let list = bench.list.clone();
    let wanted = ImportWanted { list, base: Some(1), may_be_empty: false, options, by };
    let desk = Arc::clone(&bench.desk);
    let import = std::thread::spawn(move || desk.import(wanted, taken).map(drop));
    // Once it has the first piece it has its base.
    while pieces.capacity() < 2 {
        std::thread::yield_now();
    }
    bench.desk.forget(phone(3)).expect("forgotten");
    pieces.try_send(Piece::End).expect("room");
    let refusal = import.join().expect("no panic").expect_err("its base is another");
    assert!(refusal.sentence.contains("another by now"), "{}", refusal.sentence);
    assert_eq!(bench.desk.list(&bench.list).expect("there").versions.len(), 1);
}

#[test]
fn phones_that_are_forgotten_at_once_are_all_forgotten() {
    const PHONES: u64 = 8;
    let bench = Bench::new(1, 200);
    let broadcast = ended(&bench);
    let begin = Barrier::new(PHONES as usize);
    std::thread::scope(|scope| {
        for number in 0..PHONES {
            let (desk, begin) = (&bench.desk, &begin);
            scope.spawn(move || {
                begin.wait();
                // While another is being forgotten nobody waits in here.
                while let Err(refusal) = desk.forget(phone(number)) {
                    assert!(refusal.sentence.contains("another phone"), "{}", refusal.sentence);
                    std::thread::yield_now();
                }
            });
        }
    });
    let version = bench.desk.open_version(None, &bench.list, Some(1)).expect("readable");
    let view = version.pinned().expect("whole").view;
    let left = (0..PHONES).filter(|number| view.find(phone(*number)).is_some()).count();
    assert_eq!((left, view.rows()), (0, 192));
    let known = &bench.desk.list(&bench.list).expect("there").versions[0];
    assert_eq!(known.rows, 192);
    let rows = outcomes(&bench, &broadcast);
    assert_eq!((rows.len(), rows[0].0), (192, phone(PHONES).value()));
}

#[test]
fn a_version_whose_document_a_crash_left_behind_is_named_as_it_is_when_somebody_asks_again() {
    let mut bench = Bench::new(1, 10);
    let document = bench.directory.path().join("lists").join(&bench.list).join("list.json");
    let before = std::fs::read(&document).expect("readable");
    bench.desk.forget(phone(3)).expect("forgotten");
    let named = bench.desk.list(&bench.list).expect("there").versions;
    // It died between the version's file and the list's document.
    std::fs::write(&document, before).expect("written");
    bench.restart(|_| true);
    assert_ne!(bench.desk.list(&bench.list).expect("there").versions, named);
    bench.desk.forget(phone(3)).expect("nothing is left of it");
    assert_eq!(bench.desk.list(&bench.list).expect("there").versions, named);
}

#[test]
fn a_list_that_was_being_taken_in_for_a_broadcast_when_the_engine_died_goes() {
    let mut bench = Bench::new(1, 10);
    let make = |is_of_one: bool| {
        let wanted = ListWanted { name: "x".to_owned(), ..ListWanted::default() };
        let desk = &bench.desk;
        let made = if is_of_one { desk.make_list_of_one(wanted) } else { desk.make_list(wanted) };
        made.expect("a list").list
    };
    let (unfilled, own, filled) = (make(true), make(false), make(true));
    bench.import_into(&filled, "msn,area\n09000000001,13101\n");
    bench.restart(|_| true);
    let is_there = |list: &str| bench.desk.list(list).is_ok();
    assert_eq!([&unfilled, &own, &filled].map(|list| is_there(list)), [false, true, true]);
    assert!(!bench.directory.path().join("lists").join(unfilled).exists());
}

#[test]
fn a_refused_line_goes_with_its_phone_however_that_is_written() {
    let bench = Bench::new(1, 10);
    let refused = "090-0000-0004,13101,x\n+81 90 0000 0004,13101,x\n090-0000-0005,13101,x\n";
    bench.import(&format!("msn,area\n09000000001,13101\n{refused}"));
    let table = || {
        let path = bench.desk.shelf.refused_lines(&bench.list, 2);
        std::fs::read_to_string(path).expect("readable")
    };
    assert_eq!(table().lines().count(), 4, "a header and three: {}", table());
    bench.desk.forget(phone(4)).expect("forgotten");
    let left = table();
    assert!(left.lines().count() == 2 && left.contains("0000-0005"), "{left}");
}

#[test]
fn a_version_of_which_a_row_cannot_be_read_may_have_any_phone_and_is_not_named_as_whole() {
    let bench = Bench::new(1, 10);
    let known = bench.desk.list(&bench.list).expect("there");
    let path = bench.desk.shelf.version(&bench.list, 1);
    let whole = std::fs::read(&path).expect("readable");
    // The rows lie behind the head and one run, and their order behind them.
    for at in (4_120..4_240).step_by(8) {
        let mut octets = whole.clone();
        octets[at] ^= 0x40;
        std::fs::write(&path, octets).expect("written");
        for number in 0..10 {
            let forgotten = bench.desk.forget(phone(number)).expect("as far as it goes");
            assert_eq!(forgotten.remaining, [format!("{}@1", bench.list)], "{number}");
        }
        assert_eq!(bench.desk.list(&bench.list).expect("there"), known, "the digest tells it");
    }
}

#[test]
fn a_forgotten_phone_of_many_zeros_takes_no_other_line_with_it() {
    let bench = Bench::new(1, 1);
    bench.import("msn,area\n09000000001,13101\n0900000120,13101,x\n00000000012,13101,x\n");
    let forgotten = bench.desk.forget(Msn::from_value(12).expect("an msn")).expect("forgotten");
    assert_eq!(forgotten.versions, [format!("{}@2", bench.list)], "whoever asks is told");
    let path = bench.desk.shelf.refused_lines(&bench.list, 2);
    let left = std::fs::read_to_string(path).expect("readable");
    assert!(left.lines().count() == 2 && left.contains("0900000120"), "{left}");
}

#[test]
fn a_closer_look_beside_which_a_phone_was_forgotten_does_not_stay() {
    let bench = Bench::new(1, 10);
    let broadcast = ended(&bench);
    let look = bench.desk.begin_look(&broadcast).expect("there").expect("nobody looked yet");
    let (recipients, words) = bench.desk.words(&broadcast).expect("readable");
    let found = Tally::of(&recipients, &words, wall_now());
    bench.desk.forget(phone(3)).expect("forgotten");
    let kept = bench.desk.end_look(&broadcast, &look, Ok(found)).expect("there");
    assert_eq!(kept, None, "it has the phone");
    let snapshot = bench.desk.snapshot(&broadcast, false).expect("a look");
    assert!(snapshot.adds_up, "{snapshot:?}");
    assert!(bench.desk.begin_look(&broadcast).expect("there").is_none(), "that one stays");
}
