//! What is kept of a broadcast at its end, how long, and what remembers it.

use super::*;

#[test]
fn an_end_that_cannot_be_kept_waits_longer_each_time_and_keeps_no_other_from_its_end() {
    let bench = Bench::new(1, 10);
    let [stuck, other] = ["a", "b"].map(|reqid| bench.started(reqid, ""));
    let outcomes = bench.directory.path().join("broadcasts").join(&stuck).join("outcomes");
    // A file does not take a folder's name.
    std::fs::create_dir(&outcomes).expect("a folder");
    for broadcast in [&stuck, &other] {
        bench.desk.order(broadcast, CANCEL).expect("cancelled");
    }
    let now = Now::read().steady;
    let asked = || {
        let asked = bench.engine.broadcasts.words_asked.lock().expect("no panic");
        asked.get(&bench.ordinal(&stuck)).copied().unwrap_or_default()
    };
    let stage = |broadcast: &str| {
        let mut standing = bench.desk.standing();
        standing.entry(broadcast).expect("there").document.stage
    };
    bench.desk.look(now).expect_err("a folder is in the way");
    assert_eq!((stage(&stuck), stage(&other)), (Stage::Started, Stage::Ended));
    let tries = asked();
    for later_ms in [200, 5_000, 9_999] {
        bench.desk.look(now + later_ms).expect("nothing is tried");
    }
    assert_eq!(asked(), tries, "it is not tried again for ten seconds");
    bench.desk.look(now + 10_000).expect_err("still in the way");
    bench.desk.look(now + 29_999).expect("the second pause is twice the first");
    std::fs::remove_dir(&outcomes).expect("removed");
    bench.desk.look(now + 30_000).expect("kept");
    assert_eq!(stage(&stuck), Stage::Ended);
}

#[test]
fn what_a_broadcast_needs_at_its_end_is_there_from_its_start_on() {
    use std::os::unix::fs::MetadataExt as _;
    let bench = Bench::new(1, 5_000);
    let broadcast = bench.started("a", "");
    let folder = bench.directory.path().join("broadcasts").join(&broadcast);
    let room = std::fs::metadata(folder.join("outcomes.room")).expect("there is room");
    assert_eq!(room.len(), 5_000 * 4 + 4);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.desk.look(Now::read().steady).expect("kept");
    let kept = std::fs::metadata(folder.join("outcomes")).expect("kept");
    assert_eq!((kept.ino(), kept.len()), (room.ino(), room.len()), "in the very place");
    let (_, words) = bench.desk.words(&broadcast).expect("readable");
    assert_eq!(words.len(), 5_000);
}

#[test]
fn rows_go_when_their_time_is_over_and_the_report_stays() {
    let mut bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    let now_ms = wall_now();
    bench.desk.look(Now::read().steady).expect("kept");
    let before = bench.desk.report(&broadcast).expect("a report");
    let folder = bench.directory.path().join("broadcasts").join(&broadcast);
    let files = || std::fs::read_dir(&folder).expect("there").count();
    let at = |days: u64| now_ms + days * DAY_MS;
    let kept = u64::from(KEPT_DAYS);
    bench.retire(at(kept - 1), 0);
    bench.retire(at(kept) - 1, DAY_MS);
    assert_eq!(files(), 3, "document, recipients, outcomes");
    bench.retire(at(kept + 1), 2 * DAY_MS);
    assert_eq!(files(), 3, "the clock may have made a step");
    bench.retire(at(0), 2 * DAY_MS + 60_000);
    bench.retire(at(kept + 2), 3 * DAY_MS);
    assert_eq!(files(), 3, "it had made one, and was set right");
    bench.retire(at(kept + 3), 4 * DAY_MS);
    assert_eq!(files(), 2, "document, report");
    let after = bench.desk.report(&broadcast).expect("a report");
    assert_eq!((after.reasons, after.adds_up), (before.reasons, true));
    let refusal = bench.desk.words(&broadcast).expect_err("no rows");
    assert!(refusal.sentence.contains("report"), "{}", refusal.sentence);
    let progress = bench.desk.progress(&broadcast, true).expect("it is still shown");
    assert_eq!((progress.state.as_str(), progress.adds_up), ("cancelled", true));
    bench.restart(|_| true);
    assert_eq!(bench.desk.report(&broadcast).expect("a report").snapshot.targeted, 10);
}

#[test]
fn a_row_of_what_is_over_is_not_withdrawn_from_what_has_its_reqid_now() {
    let bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    let ordinal = bench.ordinal(&broadcast);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.desk.look(Now::read().steady).expect("kept");
    let msn = Msn::parse(b"09000000000").expect("a phone");
    let refusal = bench.desk.withdraw(&broadcast, msn).expect_err("it is over");
    assert_eq!(refusal.code, wire::terms::code::Code::ALREADY_ENDED.number());
    let withdrawn = bench.engine.broadcasts.withdrawn.lock().expect("no panic");
    assert!(withdrawn.iter().all(|(asked, _)| *asked == ordinal), "its own rows alone");
}

#[test]
fn what_is_over_is_remembered_for_as_long_as_another_is_of_its_rows() {
    let mut bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    bench.engine.broadcasts.begin_all(bench.ordinal(&broadcast), Some(Outcome::Delivered));
    let draft = of(&bench, &broadcast);
    let (digest, found) = bench.agreed(&draft);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    let ordinal = bench.ordinal(&broadcast);
    bench.engine.broadcasts.settle(ordinal);
    let now_ms = wall_now();
    bench.desk.look(Now::read().steady).expect("kept");
    let outcomes = {
        let mut standing = bench.desk.standing();
        let mut document = standing.entry(&broadcast).expect("there").document.clone();
        document.ended.as_mut().expect("ended").at_ms = now_ms - 2 * DAY_MS;
        bench.desk.shelf.keep_broadcast(&broadcast, &document).expect("kept");
        standing.entry(&broadcast).expect("there").document = document;
        bench.desk.shelf.outcomes(&broadcast)
    };
    let is_remembered = |bench: &Bench| {
        let shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        let until = shards[0].past.get(&ordinal);
        until.is_some_and(|until| *until > now_ms + 3_000_000)
    };
    bench.engine.broadcasts.shards.lock().expect("no panic")[0].past.clear();
    // What became of its rows cannot be read for now.
    let hidden = outcomes.with_extension("hidden");
    std::fs::rename(&outcomes, &hidden).expect("moved");
    let refusal = bench.desk.start(&draft, &digest, found, "operator").expect_err("not told");
    assert!(refusal.sentence.contains(&broadcast), "{}", refusal.sentence);
    std::fs::rename(&hidden, &outcomes).expect("moved back");
    assert!(!is_remembered(&bench));
    bench.desk.tell_untold(Now::read().steady + 600_000);
    assert!(is_remembered(&bench), "its rows are asked for");
    bench.restart(|_| true);
    assert!(is_remembered(&bench), "and after a restart");
}

#[test]
fn what_is_over_is_forgotten_by_no_shard_that_does_not_remember_it() {
    let bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    let ordinal = bench.ordinal(&broadcast);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    *bench.engine.broadcasts.forgets_to_remember.lock().expect("no panic") = true;
    bench.desk.look(Now::read().steady).expect("kept");
    let is_known = |bench: &Bench| {
        let shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        shards.iter().all(|shard| shard.known.contains_key(&ordinal))
    };
    assert!(is_known(&bench), "a single push under its reqid finds it");
    *bench.engine.broadcasts.forgets_to_remember.lock().expect("no panic") = false;
    bench.desk.tell_untold(Now::read().steady + 600_000);
    assert!(!is_known(&bench), "and its memory by now");
}

#[test]
fn what_is_read_of_a_broadcast_while_it_ends_is_what_it_ended_as() {
    let bench = Bench::new(2, 100);
    let broadcast = bench.started("a", "");
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    let (desk, engine, name) =
        (Arc::clone(&bench.desk), Arc::clone(&bench.engine), broadcast.clone());
    let ordinal = bench.ordinal(&broadcast);
    *bench.engine.broadcasts.behind_words.lock().expect("no panic") = Some(Box::new(move || {
        desk.look(Now::read().steady).expect("its end is kept");
        assert!(desk.standing().entry(&name).expect("there").document.ended.is_some());
        let mut shards = engine.broadcasts.shards.lock().expect("no panic");
        shards[1].known.remove(&ordinal);
    }));
    let (recipients, words) = bench.desk.words(&broadcast).expect("readable");
    assert_eq!((recipients.rows(), words.len()), (100, 100));
}
