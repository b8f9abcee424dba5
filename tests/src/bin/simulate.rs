//! `simulate`: the deterministic simulator of the engine's shards, seed by seed.
//!
//! `cargo run --release -p tests --bin simulate -- --seed N --pushes M` replays one run; `--seeds
//! K` goes through K of them from N on, on every CPU, and tells how far it is. With `--bookmark
//! FILE` a run that was cut off goes on where it was. `--broadcasts` has broadcasts beside the
//! pushes. `--tell` lists every event, `--mutations` every deliberate fault with the rule that
//! notices it. A run ends with its trace hash; a broken rule with the seed and the command that
//! replays it.

use hayauma::broadcast::mutation::RowMutation;
use hayauma::smsc::mutation::CoreMutation;
use std::cell::Cell;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tests::seeds::{Bookmark, Reached, run_all};
use tests::simulation::ledger::Counts;
use tests::simulation::rows::RowCounts;
use tests::simulation::{Options, ROW_MUTATIONS, replay_command, run};

/// Seeds within which every deliberate fault is noticed.
const SEEDS_TO_NOTICE: u64 = 400;

thread_local! {
    /// What this thread runs: a panic names it.
    static RUNNING: Cell<Option<Options>> = const { Cell::new(None) };
}

/// What is asked for.
struct Wanted {
    first: Options,
    /// `None`: one seed, told in full.
    seeds: Option<u64>,
    threads: usize,
    bookmark: Option<String>,
}

fn main() -> ExitCode {
    let first = Options {
        seed: 1,
        pushes: 200,
        mutation: CoreMutation::None,
        has_broadcasts: false,
        row_mutation: RowMutation::None,
        is_told: false,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut wanted = Wanted { first, seeds: None, threads, bookmark: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--tell" => {
                wanted.first.is_told = true;
                continue;
            }
            "--broadcasts" => {
                wanted.first.has_broadcasts = true;
                continue;
            }
            "--mutations" => return show_mutations(wanted.first),
            _ => {}
        }
        let value = arguments.next();
        let number = value.as_deref().and_then(|value| value.replace('_', "").parse::<u64>().ok());
        match (name.as_str(), number, value) {
            ("--seed", Some(seed), _) => wanted.first.seed = seed,
            ("--seeds", Some(count), _) => wanted.seeds = Some(count),
            ("--pushes", Some(pushes), _) => wanted.first.pushes = pushes.max(1),
            ("--threads", Some(threads), _) => wanted.threads = threads as usize,
            ("--bookmark", _, Some(path)) => wanted.bookmark = Some(path),
            ("--mutation", _, Some(name)) => {
                match CoreMutation::ALL.into_iter().find(|m| format!("{m:?}") == name) {
                    Some(mutation) => wanted.first.mutation = mutation,
                    None => return usage(),
                }
            }
            ("--row-mutation", _, Some(name)) => {
                match ROW_MUTATIONS.into_iter().find(|m| format!("{m:?}") == name) {
                    Some(mutation) => wanted.first.row_mutation = mutation,
                    None => return usage(),
                }
            }
            _ => return usage(),
        }
    }
    std::panic::set_hook(Box::new(|panic| match RUNNING.get() {
        Some(options) => {
            eprintln!("seed {}: {panic}\nreplay: {}", options.seed, replay_command(&options));
        }
        None => eprintln!("{panic}"),
    }));
    let ran = match wanted.seeds {
        None => run_one(&wanted.first),
        Some(seeds) => run_many(&wanted, seeds),
    };
    ran.map_or_else(
        |sentence| {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: simulate [--seed N] [--seeds K [--threads T] [--bookmark FILE]] [--pushes M] \
         [--broadcasts] [--tell] [--mutation {:?}] [--row-mutation {ROW_MUTATIONS:?}] | [--pushes \
         M] --mutations",
        CoreMutation::ALL
    );
    ExitCode::from(2)
}

fn run_named(options: &Options) -> Result<tests::simulation::Report, String> {
    RUNNING.set(Some(*options));
    run(options).map_err(|violation| {
        format!("seed {}: {}\nreplay: {}", options.seed, violation.0, replay_command(options))
    })
}

fn run_one(options: &Options) -> Result<(), String> {
    let report = run_named(options)?;
    println!("{:#?}\nvirtual time {} s", report.counts, report.virtual_ms / 1000);
    if options.has_broadcasts {
        println!("{:#?}", report.rows);
    }
    println!("trace hash {:016x}", report.trace_hash);
    Ok(())
}

fn run_many(wanted: &Wanted, seeds: u64) -> Result<(), String> {
    let Options { seed: first, pushes, mutation, has_broadcasts, .. } = wanted.first;
    let end = first + seeds;
    let beside = if has_broadcasts { " and broadcasts" } else { "" };
    let what =
        format!("simulate, {pushes} pushes{beside}, mutation {mutation:?}, seeds {first} to {end}");
    let bookmark = wanted.bookmark.as_ref().map(|path| Bookmark::new(Path::new(path), what));
    let from = match &bookmark {
        Some(bookmark) => bookmark.read()?.unwrap_or(first).clamp(first, end),
        None => first,
    };
    if from > first {
        eprintln!("{} of {seeds} seeds are done: going on with {from}", from - first);
    }
    let total = Mutex::new((Counts::default(), RowCounts::default()));
    let broken = Mutex::new(None);
    let run = |seed| match run_named(&Options { seed, ..wanted.first }) {
        Ok(report) => {
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.0.add(&report.counts);
            total.1.add(&report.rows);
            true
        }
        Err(sentence) => {
            broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(sentence);
            false
        }
    };
    let mut passed = Duration::ZERO;
    let reached = run_all(from..end, wanted.threads, run, |reached, since| {
        passed = since;
        eprintln!("{}", word(reached, from - first, seeds, since));
        bookmark.as_ref().map_or(Ok(()), |bookmark| bookmark.write(reached.all_below))
    })?;
    if let Some(sentence) = broken.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(sentence);
    }
    let (total, rows) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = passed.as_secs_f64().max(0.001);
    if has_broadcasts {
        println!("{rows:?}");
    }
    println!(
        "{} seeds, {} pushes, {} accepted, {} attempts, {} crashes, {} events in {seconds:.2} s: \
         {:.0} pushes a minute; every rule held from seed {first} to {}",
        reached.done,
        total.pushes,
        total.accepted,
        total.attempts,
        total.crashes,
        total.events,
        total.pushes as f64 / seconds * 60.0,
        end - 1
    );
    Ok(())
}

/// How far a run is, and how long it will take.
fn word(reached: Reached, before: u64, seeds: u64, since: Duration) -> String {
    let each_second = reached.done as f64 / since.as_secs_f64().max(0.001);
    let done = before + reached.done;
    let left_minutes = (seeds - done) as f64 / each_second.max(0.001) / 60.0;
    format!(
        "{done} of {seeds} seeds ({:.1} %), {each_second:.0} a second, {left_minutes:.0} min left",
        done as f64 * 100.0 / seeds.max(1) as f64
    )
}

/// Each deliberate fault, the first seed that shows it, and the rule that it breaks. Each is looked
/// for by a process of its own: what the engine itself asserts ends that.
fn show_mutations(first: Options) -> ExitCode {
    let mut unnoticed = 0;
    let of_pushes = CoreMutation::ALL.into_iter().map(|m| ("--mutation", format!("{m:?}")));
    let of_rows = ROW_MUTATIONS.into_iter().map(|m| ("--row-mutation", format!("{m:?}")));
    for (name, mutation) in of_pushes.chain(of_rows) {
        let said = std::env::current_exe().and_then(|program| {
            let mut command = Command::new(program);
            command
                .args(["--threads", "1", "--seeds", &SEEDS_TO_NOTICE.to_string()])
                .args(["--pushes", &first.pushes.to_string()])
                .args([name, &mutation]);
            if name == "--row-mutation" {
                command.arg("--broadcasts");
            }
            command.output()
        });
        let said = match said {
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => format!("{error}"),
        };
        let mut lines = said.lines();
        match lines.find(|line| line.starts_with("seed ")) {
            // Where the engine asserts, what it says stands in the next line.
            Some(line) if line.ends_with(':') => {
                println!("{mutation}: {line} {}", lines.next().unwrap_or_default());
            }
            Some(line) => println!("{mutation}: {line}"),
            None => {
                unnoticed += 1;
                println!("{mutation}: not noticed within {SEEDS_TO_NOTICE} seeds");
            }
        }
    }
    if unnoticed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
