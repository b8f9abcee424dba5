//! Broadcasts under the deterministic simulator, over the engine's own shards: many seeds, and
//! proof that it notices what is broken.

use hayauma::broadcast::mutation::RowMutation;
use hayauma::broadcast::outcomes::Outcome;
use hayauma::smsc::mutation::CoreMutation;
use std::panic::catch_unwind;
use tests::simulation::rows::RowCounts;
use tests::simulation::{Options, ROW_MUTATIONS, replay_command, run};

/// Seeds of the everyday run; the same on every machine.
const SEEDS: u64 = 300;
const PUSHES_PER_SEED: u64 = 30;
/// Seeds within which every deliberate fault must be noticed.
const SEEDS_TO_NOTICE: u64 = 400;

fn options(seed: u64) -> Options {
    Options {
        seed,
        pushes: PUSHES_PER_SEED,
        mutation: CoreMutation::None,
        has_broadcasts: true,
        row_mutation: RowMutation::None,
        is_told: false,
    }
}

#[test]
fn the_rules_of_broadcasts_hold_for_every_seed_and_much_happens() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let sums = std::thread::scope(|scope| {
        let of_thread = |thread: u64| {
            move || {
                let mut total = RowCounts::default();
                for seed in (1..=SEEDS).filter(|seed| seed % threads == thread) {
                    match run(&options(seed)) {
                        Ok(report) => total.add(&report.rows),
                        Err(violation) => {
                            let replay = replay_command(&options(seed));
                            panic!("seed {seed}: {}\nreplay: {replay}", violation.0);
                        }
                    }
                }
                total
            }
        };
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(of_thread(thread))).collect();
        let mut total = RowCounts::default();
        for thread in threads {
            total.add(&thread.join().expect("every rule holds"));
        }
        total
    });
    let ended = |outcome: Outcome| sums.ended[outcome as usize];
    for outcome in [
        Outcome::Delivered,
        Outcome::Partial,
        Outcome::Refused,
        Outcome::Failed,
        Outcome::Expired,
        Outcome::Cancelled,
        Outcome::Replaced,
        Outcome::InDoubt,
    ] {
        assert!(ended(outcome) > 20, "{outcome:?}: {sums:?}");
    }
    assert!(sums.orders > 200 && sums.doubts > 200 && sums.repeated > 20, "{sums:?}");
    assert!(sums.stops > 20 && sums.retracted > 100 && sums.notes_lost > 100, "{sums:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [7, 77] {
        let hash =
            || run(&options(seed)).map(|report| report.trace_hash).map_err(|violation| violation.0);
        assert_eq!(hash(), hash(), "seed {seed}");
    }
}

#[test]
fn every_deliberate_fault_of_broadcasts_is_noticed() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut unnoticed = Vec::new();
    for row_mutation in ROW_MUTATIONS {
        let is_noticed = (1..=SEEDS_TO_NOTICE).any(|seed| {
            let options = Options { row_mutation, ..options(seed) };
            // A panic shows nothing: what the engine asserts is no rule of the simulator.
            catch_unwind(|| run(&options)).is_ok_and(|outcome| outcome.is_err())
        });
        if !is_noticed {
            unnoticed.push(row_mutation);
        }
    }
    std::panic::set_hook(hook);
    assert!(unnoticed.is_empty(), "the simulator does not notice {unnoticed:?}");
}
