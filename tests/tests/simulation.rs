//! The engine's shards under the deterministic simulator: many seeds, and proof that it notices
//! what is broken.

use hayauma::broadcast::mutation::RowMutation;
use hayauma::smsc::mutation::CoreMutation;
use std::panic::catch_unwind;
use tests::simulation::{Options, replay_command, run};

/// Seeds of the everyday run; the same on every machine.
const SEEDS: u64 = 2_000;
const PUSHES_PER_SEED: u64 = 60;
/// Seeds beyond those, each of which found a fault once: a cancel repeated behind a step of the
/// clock of sixteen days was forgotten by the next start.
const SEEDS_OF_FAULTS: [u64; 1] = [521_238];
/// Seeds within which every deliberate fault must be noticed.
const SEEDS_TO_NOTICE: u64 = 400;

fn options(seed: u64) -> Options {
    Options {
        seed,
        pushes: PUSHES_PER_SEED,
        mutation: CoreMutation::None,
        has_broadcasts: false,
        row_mutation: RowMutation::None,
        is_told: false,
    }
}

#[test]
fn the_rules_hold_for_every_seed() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let seeds = (1..=SEEDS).chain(SEEDS_OF_FAULTS);
                for seed in seeds.filter(|seed| seed % threads == thread) {
                    let options = options(seed);
                    if let Err(violation) = run(&options) {
                        panic!(
                            "seed {seed}: {}\nreplay: {}",
                            violation.0,
                            replay_command(&options)
                        );
                    }
                }
            });
        }
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [7, 77, 777] {
        let hash =
            || run(&options(seed)).map(|report| report.trace_hash).map_err(|violation| violation.0);
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
    // The clock is set by less than an hour, by hours and by days, forward and back.
    let [short, hours, days] = total.clock_steps;
    assert!(short.iter().all(|&count| count > 20), "{total:?}");
    assert!(hours.iter().chain(&days).all(|&count| count > 1), "{total:?}");
    // Delivered, partial, refused, failed, expired, cancelled and replaced all occur.
    assert!(total.ended[4..].iter().all(|&count| count > 20), "{total:?}");
    assert!(total.crashes > 100 && total.records_lost > 100, "{total:?}");
    assert!(total.moved > 100, "cleaning has little to do: {total:?}");
    assert!(total.repeats > 300 && total.segments_repeated > 100 && total.parked > 20, "{total:?}");
}

/// What the engine itself asserts where it is broken like this: words of the message. A panic with
/// other words may be one of the simulator, and shows nothing.
const ASSERTED: &[(CoreMutation, &str)] =
    &[(CoreMutation::LeaveUnheldAtOpen, "a push was released twice in segment ")];

/// Whether a run shows that the engine is broken; what it panicked with if that is no proof.
fn notices(options: &Options) -> Result<bool, String> {
    let payload = match catch_unwind(|| run(options)) {
        Ok(outcome) => return Ok(outcome.is_err()),
        Err(payload) => payload,
    };
    let said = payload.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no words");
    // A state machine that asserts its own ruin has been noticed as well.
    let is_known = |(mutation, words): &(CoreMutation, &str)| {
        *mutation == options.mutation && said.contains(words)
    };
    if ASSERTED.iter().any(is_known) { Ok(true) } else { Err(said.to_owned()) }
}

#[test]
fn every_deliberate_fault_is_noticed() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (mut unnoticed, mut unknown) = (Vec::new(), Vec::new());
    for mutation in CoreMutation::ALL {
        let mut seeds = 1..=SEEDS_TO_NOTICE;
        let is_noticed = seeds.any(|seed| match notices(&Options { mutation, ..options(seed) }) {
            Ok(is_noticed) => is_noticed,
            Err(said) => {
                unknown.push((mutation, seed, said));
                false
            }
        });
        if !is_noticed {
            unnoticed.push(mutation);
        }
    }
    std::panic::set_hook(hook);
    assert!(unknown.is_empty(), "panics that nobody expects: {unknown:#?}");
    assert!(unnoticed.is_empty(), "the simulator does not notice {unnoticed:?}");
}
