//! `cargo run --profile counted -p micro -- check`: counts the instructions of the hot paths and
//! holds them against `bench/micro/limits.toml`. Wall time is too noisy for continuous integration;
//! instructions are not.

mod callgrind;
mod cases;
mod limits;

use callgrind::RUN_ARGUMENT;
use cases::CASES;
use clap::{Parser, Subcommand};
use limits::{COMPILER, Limits};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Parser)]
#[command(
    name = "micro",
    about = "Instructions and nanoseconds of the hot paths",
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Count instructions under callgrind; fail where an operation takes more than its limit
    Check,
    /// Count instructions and write them as the new limits
    Renew,
    /// Time each operation instead, for a quiet machine
    Time,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == RUN_ARGUMENT).is_some() {
        return run_case(arguments);
    }
    let outcome = match Arguments::parse().command {
        Command::Check => check(),
        Command::Renew => renew(),
        Command::Time => {
            time();
            Ok(())
        }
    };
    outcome.map_or_else(
        |sentence| {
            eprintln!("micro: {sentence}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// One case and nothing else: what callgrind looks at.
fn run_case(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let name = arguments.next().unwrap_or_default();
    let count = arguments.next().and_then(|count| count.parse().ok());
    match (CASES.iter().find(|case| case.name == name), count) {
        (Some(case), Some(count)) => {
            (case.run)(count);
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

fn check() -> Result<(), String> {
    if callgrind::version().is_none() {
        println!(
            "micro skipped: there is no valgrind to count instructions with; install the package \
             valgrind."
        );
        return Ok(());
    }
    let limits = Limits::read()?;
    let (headroom_percent, reason) = limits.headroom(COMPILER, has_avx2());
    if let Some(reason) = reason {
        println!(
            "micro: {reason}; {headroom_percent} % above a limit are allowed instead of {}",
            limits.headroom_percent
        );
    }
    let counts = count()?;
    let mut faults = Vec::new();
    for (case, counted) in CASES.iter().zip(counts) {
        let limit = limits.instructions.get(case.name).copied().unwrap_or_default();
        println!(
            "{} instructions {counted:.1} limit {limit:.1} ratio {:.3}",
            case.name,
            counted / limit
        );
        faults.extend(limits.judge(case.name, counted, headroom_percent));
        if counted < limit * (1.0 - headroom_percent / 100.0) {
            println!("micro: {} has become faster; keep it so with \"micro renew\"", case.name);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\nmicro: ")) }
}

fn renew() -> Result<(), String> {
    let valgrind =
        callgrind::version().ok_or("there is no valgrind; install the package valgrind.")?;
    let counts = count()?;
    let (headroom_percent, foreign_headroom_percent) = Limits::read()
        .map_or((5.0, 30.0), |old| (old.headroom_percent, old.foreign_headroom_percent));
    let limits = Limits {
        rustc: COMPILER.to_owned(),
        valgrind,
        headroom_percent,
        foreign_headroom_percent,
        instructions: Default::default(),
    };
    let counted: Vec<_> = CASES
        .iter()
        .zip(counts)
        .map(|(case, counted)| (case.name, counted, case.operation))
        .collect();
    let text = limits.text(&counted);
    print!("{text}");
    let path = limits::path();
    std::fs::write(&path, text)
        .map_err(|error| format!("{} cannot be written ({error}).", path.display()))
}

fn count() -> Result<Vec<f64>, String> {
    let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    callgrind::count(&names)
}

fn time() {
    const FEW: u64 = 1_000;
    const MANY: u64 = 11_000;
    for case in &CASES {
        let timed = |count| {
            let begun = Instant::now();
            (case.run)(count);
            begun.elapsed().as_secs_f64()
        };
        // The best of a few: what disturbs only ever adds.
        let best = |count| (0..5).map(|_| timed(count)).fold(f64::MAX, f64::min);
        let each_ns = (best(MANY) - best(FEW)).max(0.0) * 1e9 / (MANY - FEW) as f64;
        println!("{} ns {each_ns:.1}", case.name);
    }
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}
