//! Drafts, and the versions of lists that they stand on.

use super::*;

#[test]
fn the_version_that_a_retraction_stands_on_is_kept_when_others_go() {
    let bench = Bench::new(1, 10);
    let broadcast = bench.started("a", r#""alertid":"flood","alertseq":0,"#);
    let draft = bench.checked("draft", "").0;
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.desk.look(Now::read().steady).expect("kept");
    {
        let mut standing = bench.desk.standing();
        let document = &mut standing.entry(&draft).expect("there").document;
        document.check.as_mut().expect("a dry run").at_ms = WallMs::ZERO;
    }
    let version = |number: u64| format!("msn,area\n{:011},13101\n", 9_000_000_000 + number);
    (0..7).for_each(|number| bench.import(&version(number)));
    let new = BroadcastDesk::next_identifier();
    let made = bench.desk.retract((&broadcast, new), follower("b"), "author").expect("a draft");
    bench.desk.check(&made.broadcast).expect("its version is there");
    bench.desk.order(&made.broadcast, CANCEL).expect("it is not wanted after all");
    {
        let mut standing = bench.desk.standing();
        let document = &mut standing.entry(&broadcast).expect("there").document;
        document.ended.as_mut().expect("ended").at_ms = WallMs::ZERO;
    }
    bench.import(&version(8));
    let versions = bench.desk.list(&bench.list).expect("there").versions;
    assert_eq!(versions.len(), 5, "what nobody can start or take back any more pins nothing");
}

#[test]
fn a_change_of_a_refused_version_makes_no_usable_one() {
    let bench = Bench::new(1, 10);
    let bad: String = (0..40).map(|line| format!("{line},13101\n")).collect();
    bench.import(&format!("msn,area\n{bad}"));
    let (pieces, taken) = tokio::sync::mpsc::channel(2);
    pieces.try_send(Piece::End).expect("room");
    let options = ReaderOptions::default();
    let (list, by) = (bench.list.clone(), "somebody".to_owned());
    let wanted = ImportWanted { list, base: Some(2), may_be_empty: false, options, by };
    let refusal = bench.desk.import(wanted, taken).err().expect("refused");
    assert!(refusal.sentence.contains("too many lines"), "{}", refusal.sentence);
}

#[test]
fn drafts_have_a_bound_and_go_when_nobody_goes_on_with_them() {
    let bench = Bench::new(1, 10);
    let create = |by: &str, number: usize| {
        let manifest = bench.manifest(&format!("r{number}"), "");
        bench.desk.create(BroadcastDesk::next_identifier(), manifest, by)
    };
    for number in 0..200 {
        create("script", number).expect("there is room");
    }
    let refusal = create("script", 200).expect_err("too many");
    assert!(refusal.sentence.contains("200 drafts"), "{}", refusal.sentence);
    create("somebody", 0).expect("others have room");
    // The newest warning of a source always has a place.
    let first = create("source town", 0).expect("there is room").broadcast;
    for number in 1..=200 {
        create("source town", number).expect("there is room");
    }
    let now_ms = wall_now();
    let stage = |broadcast: &str| {
        let mut standing = bench.desk.standing();
        standing.entry(broadcast).ok().map(|entry| entry.document.stage)
    };
    assert_eq!(stage(&first), Some(Stage::Ended));
    bench.retire(now_ms + 31 * DAY_MS, 0);
    bench.retire(now_ms + 32 * DAY_MS, DAY_MS);
    assert_eq!(stage(&first), None, "what never began is not shown for ever");
    create("script", 201).expect("the old ones went");
}

#[test]
fn a_dry_run_that_is_refused_leaves_no_file_and_neither_does_one_that_a_crash_cut_off() {
    let mut bench = Bench::new(1, 10);
    let retraction = r#""retraction":{"reqid":"r","texts":{"variants":{"en":"{{nothing}}"},
        "fallback":["en"]}},"#;
    let draft = bench.draft("a", retraction);
    let folder = bench.directory.path().join("broadcasts").join(&draft);
    let files = || {
        let files = std::fs::read_dir(&folder).expect("there").flatten();
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        bench.desk.check(&draft).expect_err("nobody has that parameter");
    }
    assert_eq!(files(), ["broadcast.json"]);
    std::fs::write(folder.join("recipients-LOST"), "its numbers").expect("written");
    bench.restart(|_| true);
    assert_eq!(files(), ["broadcast.json"]);
}
