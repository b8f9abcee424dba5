//! Starts, orders and numbers: what the shards are told, and who hears of it late.

use super::*;

#[test]
fn what_was_started_is_never_ended_as_if_it_had_not_been() {
    let bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    let refusal = bench.desk.end_unstarted(&broadcast, "cancelled").expect_err("it runs");
    assert!(refusal.sentence.contains("started"), "{}", refusal.sentence);
    assert_eq!(
        bench.desk.progress(&broadcast, false).expect("there").document.stage,
        Stage::Started
    );
}

#[test]
fn a_cancel_beside_a_start_stops_it_whichever_comes_first() {
    let bench = Bench::new(2, 10);
    for round in 0..60 {
        let (broadcast, digest, recipients) = bench.checked(&format!("r{round}"), "");
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                let _ = bench.desk.start(&broadcast, &digest, recipients, "operator");
            });
            both.wait();
            bench.desk.order(&broadcast, CANCEL).expect("whoever stops it is not refused");
        });
        let document = bench.desk.progress(&broadcast, false).expect("there").document;
        if document.started.is_some() {
            let lives = bench.engine.broadcasts.lives(bench.ordinal(&broadcast));
            assert!(lives.iter().all(is_stopped), "round {round}: {lives:?}");
        } else {
            assert_eq!(document.stage, Stage::Ended, "round {round}");
        }
    }
}

#[test]
fn what_ends_is_neither_paused_nor_resumed_and_whoever_asks_is_told() {
    let mut bench = Bench::new(2, 10);
    let running = bench.started("a", "");
    bench.begin_in(&running, &[0, 1]);
    bench.desk.order(&running, CANCEL).expect("cancelled");
    // While it holds, a pause aborts it: it does not go on from there.
    let held = bench.started("b", r#""hold_seconds":600,"#);
    bench.desk.order(&held, Order::Pause).expect("aborted");
    let refused = |bench: &Bench| {
        for (broadcast, order) in [(&running, Order::Pause), (&running, Order::Resume)]
            .into_iter()
            .chain([(&held, Order::Pause), (&held, Order::Resume)])
        {
            bench.desk.order(broadcast, order).expect_err("it ends");
        }
        bench.desk.order(&running, CANCEL).expect("whoever stops it is not refused");
        bench.desk.order(&held, CANCEL).expect("whoever stops it is not refused");
    };
    let refusal = bench.desk.order(&running, Order::Resume).expect_err("it ends");
    assert!(refusal.sentence.contains("at its end"), "{}", refusal.sentence);
    refused(&bench);
    // The shards have it in their journals, and the desk sees that.
    bench.restart(|_| true);
    bench.desk.look(Now::read().steady).expect("kept");
    refused(&bench);
}

#[test]
fn a_cancel_that_a_shard_did_not_hear_holds_there_after_a_restart() {
    let mut bench = Bench::new(2, 10);
    bench.stand(1, true);
    let (broadcast, digest, recipients) = bench.checked("a", "");
    let start = |bench: &Bench| bench.desk.start(&broadcast, &digest, recipients, "operator");
    start(&bench).expect_err("a shard stands");
    bench.desk.order(&broadcast, CANCEL).expect_err("a shard stands");
    let ordinal = bench.ordinal(&broadcast);
    let lives = bench.engine.broadcasts.lives(ordinal);
    assert!(is_stopped(&lives[0]) && lives[1].is_none(), "{lives:?}");
    bench.restart(|shard| shard == 0);
    let lives = bench.engine.broadcasts.lives(ordinal);
    assert!(lives.iter().all(is_stopped), "{lives:?}");
    // And whoever repeats the start starts nothing.
    start(&bench).expect("the same answer");
    assert!(bench.engine.broadcasts.lives(ordinal).iter().all(is_stopped));
}

#[test]
fn what_a_shard_did_not_hear_is_told_again_by_itself() {
    let bench = Bench::new(3, 30);
    bench.stand(1, true);
    let (broadcast, digest, recipients) = bench.checked("a", "");
    bench.desk.start(&broadcast, &digest, recipients, "operator").expect_err("a shard stands");
    let ordinal = bench.ordinal(&broadcast);
    let lives = bench.engine.broadcasts.lives(ordinal);
    assert!(lives[0].is_some() && lives[2].is_some(), "the others have begun: {lives:?}");
    let said = bench.desk.progress(&broadcast, false).expect("there").stopped_by;
    assert!(said.is_some_and(|said| said.contains("not in every shard")), "somebody can see it");
    bench.stand(1, false);
    let now = Now::read().steady;
    bench.desk.tell_untold(now);
    assert_eq!(bench.engine.broadcasts.lives(ordinal)[1], None, "it is too early");
    bench.desk.tell_untold(now + 60_000);
    assert_eq!(bench.engine.broadcasts.lives(ordinal)[1], Some(Life::Holding));
}

#[test]
fn an_order_reaches_a_shard_that_lacks_the_broadcast_together_with_it() {
    let bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    let ordinal = bench.ordinal(&broadcast);
    let forgets = || {
        let mut shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        shards[1].known.clear();
    };
    let others = || {
        let mut shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        let (slice, _) = shards[0].known.get_mut(&ordinal).expect("known");
        slice.order(Order::Start);
    };
    others();
    forgets();
    bench.desk.order(&broadcast, Order::Pause).expect("paused everywhere");
    assert_eq!(bench.engine.broadcasts.lives(ordinal)[0], Some(Life::Paused));
    assert_eq!(bench.engine.broadcasts.lives(ordinal)[1], Some(Life::Paused));
    bench.desk.order(&broadcast, Order::Resume).expect("goes on");
    assert_eq!(bench.engine.broadcasts.lives(ordinal), vec![Some(Life::Running); 2]);
    let ordered = || {
        let mut standing = bench.desk.standing();
        standing.entry(&broadcast).expect("there").document.ordered.clone()
    };
    assert_eq!(ordered(), None, "what holds no more is not kept");
    forgets();
    bench.desk.order(&broadcast, CANCEL).expect("cancelled everywhere");
    let lives = bench.engine.broadcasts.lives(ordinal);
    assert!(lives.iter().all(is_stopped), "{lives:?}");
    assert_eq!(ordered().expect("kept").life, WantedLife::Cancelled);
}

#[test]
fn an_older_text_does_not_follow_the_newer_in_a_shard_that_hears_of_both_late() {
    let mut bench = Bench::new(2, 10);
    let older = bench.started("a", r#""alertid":"flood","alertseq":0,"#);
    let newer = bench.started("b", r#""alertid":"flood","alertseq":1,"#);
    bench.restart(|_| false);
    let lives = bench.engine.broadcasts.lives(bench.ordinal(&older));
    let is_replaced = |life: &Option<Life>| life.is_some_and(|l| l.end() == Some(End::Replaced));
    assert!(lives.iter().all(is_replaced), "{lives:?}");
    let lives = bench.engine.broadcasts.lives(bench.ordinal(&newer));
    assert_eq!(lives, vec![Some(Life::Holding); 2]);
}

#[test]
fn an_ordinal_is_given_once_whatever_a_copy_of_the_directory_lacks() {
    let bench = Bench::new(1, 10);
    let draft = bench.checked("a", "");
    let copy = tempfile::tempdir().expect("a directory");
    let copied = crate::control::broadcasts::copy_broadcasts(bench.directory.path(), copy.path())
        .expect("copied");
    bench.desk.start(&draft.0, &draft.1, draft.2, "operator").expect("started");
    let given = bench.ordinal(&draft.0);
    // The journals are copied here: they have records of the start.
    crate::control::broadcasts::copy_ends(bench.directory.path(), copy.path(), &copied)
        .expect("copied");
    let mut restored = Bench::new(1, 10);
    restored.directory = copy;
    restored.list = bench.list.clone();
    restored.restart(|_| false);
    let other = restored.started("b", "");
    assert_ne!(restored.ordinal(&other), given, "its records would be read as this one's");
}

#[test]
fn an_ordinal_that_a_journal_has_is_not_given_again() {
    let mut bench = Bench::new(1, 10);
    let broadcast = bench.started("a", "");
    let given = bench.ordinal(&broadcast);
    std::fs::remove_dir_all(bench.directory.path().join("broadcasts")).expect("removed");
    bench.restart(|_| true);
    let other = bench.started("b", "");
    assert_ne!(bench.ordinal(&other), given);
}

#[test]
fn a_start_brings_those_along_who_want_none() {
    let bench = Bench::new(2, 10);
    let (broadcast, digest, found) = bench.checked("a", "");
    bench.stand(1, true);
    bench.suppress(0..3);
    bench.stand(1, false);
    bench.desk.start(&broadcast, &digest, found, "operator").expect("started");
    let shards = bench.engine.broadcasts.shards.lock().expect("no panic");
    assert!(shards.iter().all(|shard| shard.suppressed.len() == 3), "no row goes to them");
}

#[test]
fn a_pause_of_what_runs_is_a_pause_whatever_the_clock_says() {
    let bench = Bench::new(2, 10);
    // By the clock it holds still.
    let broadcast = bench.started("a", r#""hold_seconds":600,"#);
    bench.begin_in(&broadcast, &[0, 1]);
    {
        // The clock was set back behind the start.
        let mut standing = bench.desk.standing();
        let start = &mut standing.entry(&broadcast).expect("there").document.started;
        let start = start.as_mut().expect("started");
        start.at_ms = start.at_ms + 60_000;
    }
    bench.desk.refresh().expect("figures");
    bench.desk.order(&broadcast, Order::Pause).expect("paused");
    let lives = bench.engine.broadcasts.lives(bench.ordinal(&broadcast));
    assert_eq!(lives, [Some(Life::Paused); 2]);
}
