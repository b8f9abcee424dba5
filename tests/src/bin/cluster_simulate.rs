//! `cluster_simulate`: clusters in virtual time, seed by seed.
//!
//! `--seed N` replays one, `--seeds K` goes through K of them from N on on every CPU, `--explore`
//! goes through every order of happenings of two owners. A broken rule ends it with the seed and
//! the command that replays it.

use hayauma::cluster::mutation::NodeMutation;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tests::cluster::explorer::{Bounds, explore};
use tests::cluster::{Counts, Options, replay_command, run};

fn main() -> ExitCode {
    let mut options = Options {
        seed: 1,
        nodes: 0,
        partitions: 4,
        pushes: 60,
        mutation: NodeMutation::None,
        is_told: false,
    };
    let (mut seeds, mut steps) = (1, None);
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
            ("--nodes", Some(nodes), _) => options.nodes = nodes as usize,
            ("--partitions", Some(count), _) => options.partitions = count.clamp(1, 256) as u16,
            ("--pushes", Some(pushes), _) => options.pushes = pushes,
            ("--explore", Some(count), _) => steps = Some(count),
            ("--mutation", _, Some(name)) => {
                match NodeMutation::ALL.into_iter().find(|known| format!("{known:?}") == name) {
                    Some(mutation) => options.mutation = mutation,
                    None => return usage(),
                }
            }
            _ => return usage(),
        }
    }
    match steps {
        Some(steps) => look_everywhere(steps, options.mutation),
        None => simulate(options, seeds),
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: cluster_simulate [--seed N] [--seeds K] [--nodes N] [--partitions P] [--pushes M] \
         [--tell] [--mutation {:?}] | --explore STEPS [--mutation …]",
        NodeMutation::ALL
    );
    ExitCode::from(2)
}

fn look_everywhere(steps: u64, mutation: NodeMutation) -> ExitCode {
    let began = Instant::now();
    let bounds =
        Bounds { chunks: 3, steps, takes: 2, doubled: true, states_max: 200_000_000, mutation };
    let explored = explore(&bounds);
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} states, {} of them behind a take-over, all: {}, in {seconds:.1} s",
        explored.states, explored.taken_over, explored.is_whole
    );
    let Some((broken, way)) = explored.counterexample else { return ExitCode::SUCCESS };
    println!("{broken}\n{}", way.join("\n"));
    ExitCode::FAILURE
}

fn simulate(first: Options, seeds: u64) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(first.seed);
    let total = Mutex::new(Counts::default());
    let broken = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = broken.lock().is_ok_and(|broken| broken.is_some());
                    if seed >= first.seed + seeds || is_over {
                        return;
                    }
                    let options = Options { seed, ..first };
                    match run(&options) {
                        Ok(report) => {
                            if let Ok(mut total) = total.lock() {
                                total.add(&report.counts);
                            }
                        }
                        Err(violation) => {
                            if let Ok(mut broken) = broken.lock() {
                                *broken = Some((options, violation));
                            }
                        }
                    }
                }
            });
        }
    });
    if let Ok(Some((options, violation))) = broken.into_inner() {
        let command = replay_command(&options);
        eprintln!("seed {}: {}\nreplay: {command}", options.seed, violation.0);
        return ExitCode::FAILURE;
    }
    let seconds = began.elapsed().as_secs_f64();
    let counts = total.into_inner().unwrap_or_default();
    println!("{counts:#?}\n{seeds} seeds in {seconds:.1} s: {:.0} a minute", {
        seeds as f64 / seconds * 60.0
    });
    ExitCode::SUCCESS
}
