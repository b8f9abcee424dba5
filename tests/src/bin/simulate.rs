//! `simulate`: the deterministic simulator of the engine's shards, seed by seed.
//!
//! `cargo run --release -p tests --bin simulate -- --seed N --pushes M` replays one run; `--seeds
//! K` goes through K of them from N on, `--tell` lists every event. A run ends with its trace hash;
//! a broken rule with the seed and the command that replays it.

use hayauma::smsc::mutation::Mutation;
use std::process::ExitCode;
use std::time::Instant;
use tests::simulation::ledger::Counts;
use tests::simulation::{Options, replay_command, run};

fn main() -> ExitCode {
    let mut options = Options { seed: 1, pushes: 200, mutation: Mutation::None, is_told: false };
    let mut seeds = 1;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--tell" {
            options.is_told = true;
            continue;
        }
        let value = arguments.next();
        let number = value.as_deref().and_then(|value| value.replace('_', "").parse::<u64>().ok());
        match (name.as_str(), number, value) {
            ("--seed", Some(seed), _) => options.seed = seed,
            ("--seeds", Some(count), _) => seeds = count,
            ("--pushes", Some(pushes), _) => options.pushes = pushes.max(1),
            ("--mutation", _, Some(name)) => {
                match Mutation::ALL.into_iter().find(|m| format!("{m:?}") == name) {
                    Some(mutation) => options.mutation = mutation,
                    None => return usage(),
                }
            }
            _ => return usage(),
        }
    }
    simulate(options, seeds)
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: simulate [--seed N] [--seeds K] [--pushes M] [--tell] [--mutation {:?}]",
        Mutation::ALL
    );
    ExitCode::from(2)
}

fn simulate(first: Options, seeds: u64) -> ExitCode {
    let started = Instant::now();
    let mut total = Counts::default();
    for seed in first.seed..first.seed + seeds {
        let options = Options { seed, ..first };
        std::panic::set_hook(Box::new(move |panic| {
            eprintln!("seed {seed}: {panic}\nreplay: {}", replay_command(&options));
        }));
        match run(&options) {
            Ok(report) => {
                total.add(&report.counts);
                if seeds == 1 {
                    println!("{:#?}\nvirtual time {} s", report.counts, report.virtual_ms / 1000);
                    println!("trace hash {:016x}", report.trace_hash);
                }
            }
            Err(violation) => {
                eprintln!("seed {seed}: {}\nreplay: {}", violation.0, replay_command(&options));
                return ExitCode::FAILURE;
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{seeds} seeds, {} pushes, {} accepted, {} attempts, {} crashes, {} events in {seconds:.2} \
         s: {:.0} pushes a minute",
        total.pushes,
        total.accepted,
        total.attempts,
        total.crashes,
        total.events,
        total.pushes as f64 / seconds * 60.0
    );
    ExitCode::SUCCESS
}
