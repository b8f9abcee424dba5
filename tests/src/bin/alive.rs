//! `alive`: engines that have nothing to do, and engines of which little is asked, beside programs
//! that keep every CPU busy. A table at the end says how each fared; the exit status is 1 where one
//! ended, or had to be woken while the machine itself did not stand still.
//!
//! `--minutes M` (or `--seconds S`) for each part; `--part idle|used|both`; `--engines N`;
//! `--shards 1|2|mixed`; `--busy N`. It is its own engine: the built file is all it needs.

use std::process::ExitCode;
use std::time::Duration;
use tests::alive::AliveRun;
use tests::engine::Programs;

/// What is run unless told otherwise.
const DEFAULT: AliveRun = AliveRun {
    engines: 8,
    shards: None,
    busy_loops: 6,
    lasts: Duration::from_secs(30 * 60),
    is_used: false,
};

fn main() -> ExitCode {
    // An engine's command line, and no option of this program's own.
    if std::env::args().nth(1).is_some_and(|first| !first.starts_with("--")) {
        loadgen::os::end_with_parent();
        return hayauma::cli::run(std::env::args_os());
    }
    let Some((run, parts)) = read(std::env::args().skip(1)) else {
        eprintln!(
            "usage: alive [--minutes M | --seconds S] [--part idle|used|both] [--engines N] \
             [--shards 1|2|mixed] [--busy N]"
        );
        return ExitCode::from(2);
    };
    let Some(itself) =
        std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok())
    else {
        eprintln!("the path of this program cannot be told");
        return ExitCode::FAILURE;
    };
    let itself: &'static str = itself.leak();
    let programs = Programs { engine: itself, load: itself };
    let mut faults = Vec::new();
    for &is_used in parts {
        let report = AliveRun { is_used, ..run }.run(programs, |line| eprintln!("{line}"));
        println!("{report}");
        faults.extend(report.faults());
    }
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What to run, and whether each part of it is used.
fn read(mut arguments: impl Iterator<Item = String>) -> Option<(AliveRun, &'static [bool])> {
    let (mut run, mut parts): (_, &[bool]) = (DEFAULT, &[false, true]);
    while let Some(name) = arguments.next() {
        let value = arguments.next()?;
        let number = value.parse::<u64>().ok();
        match (name.as_str(), number, value.as_str()) {
            ("--minutes", Some(minutes), _) => run.lasts = Duration::from_secs(minutes * 60),
            ("--seconds", Some(seconds), _) => run.lasts = Duration::from_secs(seconds),
            ("--engines", Some(engines), _) => run.engines = engines.max(1) as usize,
            ("--busy", Some(busy), _) => run.busy_loops = busy as usize,
            ("--shards", Some(shards @ 1..=2), _) => run.shards = Some(shards as usize),
            ("--shards", _, "mixed") => run.shards = None,
            ("--part", _, "idle") => parts = &[false],
            ("--part", _, "used") => parts = &[true],
            ("--part", _, "both") => parts = &[false, true],
            _ => return None,
        }
    }
    Some((run, parts))
}
