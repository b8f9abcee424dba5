//! The engine's shards under the deterministic simulator: many seeds, and proof that it notices what is broken.

use hayauma::smsc::mutation::Mutation;
use std::panic::catch_unwind;
use tests::simulation::{Options, replay_command, run};

/// Seeds of the everyday run; the same on every machine.
const SEEDS: u64 = 2_000;
const PUSHES_PER_SEED: u64 = 60;
/// Seeds within which every deliberate fault must be noticed.
const SEEDS_TO_NOTICE: u64 = 400;

fn options(seed: u64) -> Options {
    Options { seed, pushes: PUSHES_PER_SEED, mutation: Mutation::None, is_told: false }
}

#[test]
fn the_rules_hold_for_every_seed() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                for seed in (1..=SEEDS).filter(|seed| seed % threads == thread) {
                    let options = options(seed);
                    if let Err(violation) = run(&options) {
                        panic!("seed {seed}: {}\nreplay: {}", violation.0, replay_command(&options));
                    }
                }
            });
        }
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [7, 77, 777] {
        let hash = || run(&options(seed)).map(|report| report.trace_hash).map_err(|violation| violation.0);
        assert_eq!(hash(), hash(), "seed {seed}");
    }
    let hash = |seed| run(&options(seed)).map(|report| report.trace_hash).ok();
    assert_ne!(hash(7), hash(8), "another seed is another run");
}

#[test]
fn a_run_meets_what_it_is_meant_to_meet() {
    let mut total = tests::simulation::ledger::Counts::default();
    for seed in 1..=300 {
        match run(&options(seed)) {
            Ok(report) => total.add(&report.counts),
            Err(violation) => panic!("seed {seed}: {}", violation.0),
        }
    }
    // Delivered, partial, refused, failed, expired, cancelled and replaced all occur.
    assert!(total.ended[4..].iter().all(|&count| count > 20), "{total:?}");
    assert!(total.crashes > 100 && total.records_lost > 100, "{total:?}");
    assert!(total.moved > 100, "cleaning has little to do: {total:?}");
    assert!(total.repeats > 300 && total.segments_repeated > 100 && total.parked > 20, "{total:?}");
}

#[test]
fn every_deliberate_fault_is_noticed() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let unnoticed: Vec<Mutation> = Mutation::ALL
        .into_iter()
        .filter(|&mutation| {
            (1..=SEEDS_TO_NOTICE).all(|seed| {
                let options = Options { mutation, ..options(seed) };
                // A state machine that asserts its own ruin has been noticed as well.
                matches!(catch_unwind(|| run(&options)), Ok(Ok(_)))
            })
        })
        .collect();
    std::panic::set_hook(hook);
    assert!(unnoticed.is_empty(), "the simulator does not notice {unnoticed:?}");
}
