//! What a shard did not take, what the device did not keep, and what orders come to all the same.

use super::super::documents::Stage;
use super::super::now::Now;
use super::{Bench, CANCEL, is_stopped};
use crate::broadcast::life::Life;
use crate::broadcast::slice::Order;

#[test]
fn a_resume_that_a_shard_did_not_take_is_told_it_again() {
    let bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    bench.begin_in(&broadcast, &[0, 1]);
    bench.desk.order(&broadcast, Order::Pause).expect("paused");
    bench.stand(1, true);
    bench.desk.order(&broadcast, Order::Resume).expect_err("a shard stands");
    bench.stand(1, false);
    bench.desk.tell_untold(Now::read().steady + 60_000);
    let lives = bench.engine.broadcasts.lives(bench.ordinal(&broadcast));
    assert_eq!(lives, vec![Some(Life::Running); 2]);
}

#[test]
fn a_pause_holds_alike_in_shards_that_have_begun_and_in_those_that_have_not() {
    let bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    bench.begin_in(&broadcast, &[0]);
    bench.desk.order(&broadcast, Order::Pause).expect("paused");
    let lives = bench.engine.broadcasts.lives(bench.ordinal(&broadcast));
    assert_eq!(lives, vec![Some(Life::Paused); 2], "nobody's recipients are lost");
    // While it holds one touch aborts it, whatever a shard's own clock says.
    let held = bench.started("b", r#""hold_seconds":600,"#);
    bench.begin_in(&held, &[0]);
    bench.desk.order(&held, Order::Pause).expect("aborted");
    let lives = bench.engine.broadcasts.lives(bench.ordinal(&held));
    assert!(lives.iter().all(is_stopped), "{lives:?}");
}

#[test]
fn an_order_holds_on_a_full_device_and_is_kept_when_there_is_room() {
    let mut bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    bench.begin_in(&broadcast, &[0, 1]);
    bench.forget_in(&broadcast, 1);
    // Nothing can be written where there is no folder.
    let folder = bench.directory.path().join("broadcasts").join(&broadcast);
    let away = bench.directory.path().join("away");
    std::fs::rename(&folder, &away).expect("moved");
    let refusal = bench.desk.order(&broadcast, Order::Pause).expect_err("it is not kept");
    assert!(refusal.sentence.starts_with("it holds"), "{}", refusal.sentence);
    let ordinal = bench.ordinal(&broadcast);
    assert_eq!(bench.engine.broadcasts.lives(ordinal), vec![Some(Life::Paused); 2]);
    std::fs::rename(&away, &folder).expect("moved back");
    bench.desk.tell_untold(Now::read().steady + 60_000);
    bench.restart(|_| false);
    assert_eq!(bench.engine.broadcasts.lives(ordinal), vec![Some(Life::Paused); 2]);
}

#[test]
fn what_no_file_says_any_more_can_be_cancelled() {
    let mut bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    let ordinal = bench.ordinal(&broadcast);
    remove_recipients(&bench, &broadcast);
    bench.restart(|_| false);
    bench.desk.order(&broadcast, Order::Resume).expect_err("nothing can be sent");
    bench.desk.order(&broadcast, CANCEL).expect("whoever stops it is not refused");
    assert_eq!(stage(&bench, &broadcast), Stage::Ended, "and it holds no place any more");
    bench.desk.tell_untold(Now::read().steady);
    let may_follow = bench.engine.broadcasts.may_follow.lock().expect("no panic").clone();
    assert_eq!(may_follow, Some(Vec::new()), "nor {ordinal} its records");
    bench.started("b", "");
}

#[test]
fn one_broadcast_that_cannot_be_told_keeps_no_records_of_others() {
    let mut bench = Bench::new(2, 10);
    let [over, stuck] = ["a", "b"].map(|reqid| bench.started(reqid, ""));
    bench.desk.order(&over, CANCEL).expect("cancelled");
    bench.desk.look(Now::read().steady).expect("kept");
    remove_recipients(&bench, &stuck);
    bench.restart(|_| false);
    let may_follow = bench.engine.broadcasts.may_follow.lock().expect("no panic").clone();
    assert_eq!(may_follow, Some(vec![bench.ordinal(&stuck)]));
}

#[test]
fn an_end_that_a_shard_did_not_hear_is_told_it_again() {
    let bench = Bench::new(2, 10);
    let broadcast = bench.started("a", "");
    let ordinal = bench.ordinal(&broadcast);
    bench.desk.order(&broadcast, CANCEL).expect("cancelled");
    bench.stand(1, true);
    bench.desk.look(Now::read().steady).expect("kept");
    let knows = |shard: usize| {
        let shards = bench.engine.broadcasts.shards.lock().expect("no panic");
        (shards[shard].known.contains_key(&ordinal), shards[shard].past.contains_key(&ordinal))
    };
    assert_eq!((knows(0), knows(1)), ((false, true), (true, false)));
    bench.stand(1, false);
    bench.desk.tell_untold(Now::read().steady + 60_000);
    assert_eq!(knows(1), (false, true));
}

#[test]
fn opt_outs_that_a_shard_did_not_take_are_told_it_again() {
    let bench = Bench::new(2, 10);
    bench.stand(1, true);
    bench.suppress(0..3);
    let known = |shard: usize| {
        bench.engine.broadcasts.shards.lock().expect("no panic")[shard].suppressed.len()
    };
    assert_eq!((known(0), known(1)), (3, 0));
    bench.stand(1, false);
    bench.desk.publish_suppression_again(Now::read().steady + 60_000);
    assert_eq!(known(1), 3);
}

fn stage(bench: &Bench, broadcast: &str) -> Stage {
    bench.desk.standing().entry(broadcast).expect("there").document.stage
}

fn remove_recipients(bench: &Bench, broadcast: &str) {
    let file = {
        let mut standing = bench.desk.standing();
        let document = &standing.entry(broadcast).expect("there").document;
        document.check.as_ref().expect("a dry run").file.clone()
    };
    let folder = bench.directory.path().join("broadcasts").join(broadcast);
    std::fs::remove_file(folder.join(file)).expect("removed");
}
