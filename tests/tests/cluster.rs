//! A cluster in virtual time, and every order of happenings of two owners: the rules hold, and
//! whatever is broken on purpose is noticed.

use hayauma::cluster::mutation::Mutation;
use tests::cluster::explorer::{Bounds, Explored, explore};
use tests::cluster::{Counts, Options, replay_command, run};

/// Seeds of the everyday run; the same on every machine.
const SEEDS: u64 = 150;
/// Seeds within which every deliberate fault must be noticed.
const SEEDS_TO_NOTICE: u64 = 1_500;

fn options(seed: u64) -> Options {
    let mutation = Mutation::None;
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
        total.given_up > SEEDS / 2,
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

#[test]
fn every_deliberate_fault_is_noticed() {
    let mut unnoticed = Vec::new();
    for mutation in Mutation::ALL {
        let noticed = |seed: u64| Some((seed, run(&Options { mutation, ..options(seed) }).err()?));
        match (1..=SEEDS_TO_NOTICE).find_map(noticed) {
            Some((seed, violation)) => println!("{mutation:?}: seed {seed}: {}", violation.0),
            None => unnoticed.push(mutation),
        }
    }
    assert!(unnoticed.is_empty(), "the simulator does not notice {unnoticed:?}");
}

fn explored(mutation: Mutation) -> Explored {
    explore(&Bounds {
        chunks: 3,
        steps: 4,
        takes: 1,
        doubled: false,
        states_max: 3_000_000,
        mutation,
    })
}

#[test]
fn in_every_order_of_happenings_the_fence_holds_at_depth_one() {
    let explored = explored(Mutation::None);
    assert_eq!(explored.counterexample, None);
    assert!(explored.is_whole, "{explored:?}");
    println!("{} states, {} of them taken over", explored.states, explored.taken_over);
    assert!(explored.taken_over > 1_000, "the other node takes over: {explored:?}");
}

#[test]
fn depth_two_is_no_fence_and_the_shortest_way_shows_it() {
    let Explored { counterexample, states, .. } = explored(Mutation::DepthTwo);
    let (broken, way) = counterexample.expect("two chunks under way are no fence");
    println!("{states} states: {broken}\n{}", way.join("\n"));
    assert!(broken.contains("does not follow the one in front of it"), "{broken}");
}

#[test]
fn without_expectation_act_rule_or_waiting_there_is_a_counterexample() {
    for (mutation, words) in [
        (Mutation::NoExpectation, "the chunk at sequence"),
        (Mutation::NoActRule, "may act with term 1"),
        (Mutation::NoWaitBeforeOpening, "may act with term 1"),
        (Mutation::ActFromLastSending, "may act with term 1"),
    ] {
        let (broken, _) = explored(mutation).counterexample.expect("a counterexample");
        assert!(broken.contains(words), "{mutation:?}: {broken}");
    }
}
