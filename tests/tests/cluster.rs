//! A cluster in virtual time, and every order of happenings of two owners: the rules hold, and
//! whatever is broken on purpose is noticed.

use hayauma::cluster::mutation::NodeMutation;
use tests::cluster::explorer::{Bounds, Explored, explore};
use tests::cluster::{Counts, Options, Violation, replay_command, run};

/// Seeds of the everyday run; the same on every machine.
const SEEDS: u64 = 150;
/// Seeds within which every deliberate fault must be noticed.
const SEEDS_TO_NOTICE: u64 = 400;

fn options(seed: u64) -> Options {
    let mutation = NodeMutation::None;
    Options { seed, nodes: 0, partitions: 4, pushes: 60, mutation, is_told: false }
}

#[test]
fn the_rules_hold_for_every_seed_and_a_run_meets_what_it_is_meant_to_meet() {
    let mut total = Counts::default();
    for seed in 1..=SEEDS {
        let options = options(seed);
        match run(&options) {
            Ok(report) => total.add(&report.counts),
            Err(violation) => {
                panic!("seed {seed}: {}\nreplay: {}", violation.0, replay_command(&options))
            }
        }
    }
    assert_eq!(total.accepted, SEEDS * 60, "{total:?}");
    let met = [
        total.opened > SEEDS * 5,
        total.given > SEEDS,
        total.fenced > SEEDS / 10,
        total.resent > SEEDS,
        total.given_up > SEEDS / 10,
        total.purged > SEEDS,
        total.repeated_attempts > SEEDS / 30,
        total.denied > SEEDS / 10,
        total.disturbances > SEEDS,
    ];
    assert!(met.iter().all(|met| *met), "{met:?} {total:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let hash = |seed| run(&options(seed)).map(|report| report.trace_hash).map_err(|found| found.0);
    for seed in [3, 33, 333] {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
    assert_ne!(hash(3), hash(33), "another seed is another run");
}

/// Words of what shows that a node is broken like this: another rule's words show nothing.
fn words_of(mutation: NodeMutation) -> &'static [&'static str] {
    match mutation {
        NodeMutation::None => &[],
        NodeMutation::DepthTwo => &["does not follow the one in front of it"],
        NodeMutation::NoExpectation => &["does not follow", "not its owner's next", "do not go on"],
        NodeMutation::SentIsAcknowledged => &["was answered 0000 and is not in its log"],
        NodeMutation::NoActRule
        | NodeMutation::ActFromLastSending
        | NodeMutation::NoWaitBeforeOpening => &["begins behind term", "and denied when asked"],
        NodeMutation::NoActRuleForDenials => &["and denied when asked"],
        NodeMutation::ResendOther => {
            &["was answered 0000 and is not in its log", "does not follow"]
        }
        NodeMutation::PurgeBeforeAcknowledged => &["and is cut off at"],
        NodeMutation::NoJump => &["was given twice", "do not go on"],
        NodeMutation::DoubtAskedAnywhere => &["asked of a replica that is behind"],
        NodeMutation::SuspectWhileIll => &["suspects"],
        NodeMutation::BillWithoutThrough => &["billed 2 times", "billed 3 times"],
        NodeMutation::PurgeUnbilled => &["billed 0 times"],
    }
}

#[test]
fn every_deliberate_fault_is_noticed_by_its_own_rule() {
    let mut unnoticed = Vec::new();
    // It takes a pause between two answers about a late chunk: the explorer goes there at once.
    let is_simulated = |mutation: &NodeMutation| *mutation != NodeMutation::ActFromLastSending;
    for mutation in NodeMutation::ALL.into_iter().filter(is_simulated) {
        let words = words_of(mutation);
        let noticed = |seed: u64| {
            let Violation(found) = run(&Options { mutation, ..options(seed) }).err()?;
            words.iter().any(|words| found.contains(words)).then_some((seed, found))
        };
        match (1..=SEEDS_TO_NOTICE).find_map(noticed) {
            Some((seed, found)) => println!("{mutation:?}: seed {seed}: {found}"),
            None => unnoticed.push(mutation),
        }
    }
    assert!(unnoticed.is_empty(), "the simulator does not notice {unnoticed:?}");
}

/// States that the everyday run looks at, the nearest first.
const STATES: usize = 200_000;

fn explored(mutation: NodeMutation) -> Explored {
    let (chunks, steps, takes) = (3, 6, 2);
    explore(&Bounds { chunks, steps, takes, doubled: true, states_max: STATES, mutation })
}

/// Within bounds that leave no more than what shows a fault.
fn narrowly_explored(mutation: NodeMutation) -> Explored {
    let (chunks, steps, takes) = (2, 4, 1);
    let states_max = 1_000_000;
    explore(&Bounds { chunks, steps, takes, doubled: false, states_max, mutation })
}

#[test]
fn in_every_order_of_happenings_the_fence_holds_at_depth_one() {
    let explored = explored(NodeMutation::None);
    println!("{} states, {} of them taken over", explored.states, explored.taken_over);
    assert_eq!(explored.counterexample, None);
    assert!(explored.taken_over > 500, "the other node takes over: {explored:?}");
}

#[test]
fn depth_two_is_no_fence_and_the_shortest_way_shows_it() {
    let Explored { counterexample, states, .. } = explored(NodeMutation::DepthTwo);
    let (broken, way) = counterexample.expect("two chunks under way are no fence");
    println!("{states} states: {broken}\n{}", way.join("\n"));
    assert!(broken.contains("does not follow the one in front of it"), "{broken}");
}

#[test]
fn without_expectation_act_rule_or_waiting_there_is_a_counterexample() {
    for (mutation, words) in [
        (NodeMutation::NoExpectation, "the chunk at sequence"),
        (NodeMutation::NoActRule, "may act with term 1"),
        (NodeMutation::NoWaitBeforeOpening, "may act with term 1"),
        (NodeMutation::ActFromLastSending, "may act with term 1"),
    ] {
        let (broken, _) = narrowly_explored(mutation).counterexample.expect("a counterexample");
        assert!(broken.contains(words), "{mutation:?}: {broken}");
    }
}
