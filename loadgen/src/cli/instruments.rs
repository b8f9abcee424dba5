//! The commands that read plans and reports: search, compare, report.

use super::arguments::SearchArguments;
use super::output::print;
use super::{FAILED, interrupted};
use crate::compare::{Difference, compare as differences};
use crate::console::Console;
use crate::format::{grouped, three_digits};
use crate::report::Report;
use crate::run::Run;
use crate::scenario::Scenario;
use crate::search::{Found, Search, Trial, Verdict};
use crate::sink::Sink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// What a search says that was interrupted; its trials stand above that.
const STOPPED: &str = "interrupted before the limit was found.";

/// Reads a plan's file.
pub(super) fn read_scenario(path: &Path) -> Result<Scenario, String> {
    let text = host::reading::read_settings_file(path)
        .map_err(|error| format!("{} cannot be read ({error}): name a plan.", path.display()))?;
    Scenario::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

impl SearchArguments {
    pub(super) fn run(self) -> Result<ExitCode, String> {
        let scenario = read_scenario(&self.plan)?;
        let listen = |address| {
            Sink::start(address, &scenario.plan.cpus).map_err(|error| {
                format!("the sink cannot listen on {address} ({error}): name a free address.")
            })
        };
        let sink = scenario.sink.map(listen).transpose()?;
        let stop = interrupted()?;
        let search = Search { first_per_s: scenario.rate_per_s(), ..Search::default() };
        let found = search.find(|rate_per_s| {
            if stop.load(Relaxed) {
                return Err(STOPPED.to_owned());
            }
            let trial = attempt(&scenario, sink.as_ref(), rate_per_s, self.p99, &stop)?;
            let word = match trial.verdict {
                Verdict::Held => "held",
                Verdict::TooSlow => "not held: too slow",
                Verdict::FallsBehind => "not held: answers come later and later",
                Verdict::Errors => "not held: refusals or losses",
                Verdict::Disturbed => "disturbed by a pause of the machine: does not count",
            };
            let p99 = three_digits(trial.p99_ms);
            Console::step(&format!(
                "{:>12} /s  99 % {p99:>8} ms  {word}",
                grouped(rate_per_s as u64)
            ));
            Ok(trial)
        })?;
        print_found(&found, self.json)?;
        Ok(if found.held_per_s > 0.0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }
}

/// One run at one rate: held if its answers are fast enough, all pushes are accepted and the books
/// are clean.
fn attempt(
    scenario: &Scenario,
    sink: Option<&Sink>,
    rate_per_s: f64,
    p99: Duration,
    stop: &AtomicBool,
) -> Result<Trial, String> {
    let plan = scenario.at_rate(rate_per_s);
    let run = Run::start(plan, sink).map_err(|error| error.to_string())?;
    let stopper = run.stopper();
    let outcome = run.wait_and_look(|_| {
        if stop.load(Relaxed) {
            stopper.interrupt();
        }
    });
    if outcome.cut_short.is_some() {
        return Err(STOPPED.to_owned());
    }
    Ok(Trial::of(&outcome, rate_per_s, p99))
}

fn print_found(found: &Found, json: bool) -> Result<(), String> {
    if json {
        return print(&(simd_json::to_string(found).map_err(|fault| fault.to_string())? + "\n"));
    }
    let above = found.not_held_per_s.map_or_else(
        || "no rate was too high".to_owned(),
        |rate| format!("{} was not held", grouped(rate.round() as u64)),
    );
    print(&format!(
        "held {} per second, {} times in a row · {above} · {} trials\n",
        grouped(found.held_per_s as u64),
        found.confirmed,
        found.trials.len()
    ))
}

/// Compares every report with the first; the exit status says nothing about the outcome.
pub(super) fn compare(
    directories: &[PathBuf],
    json: bool,
    page: Option<&Path>,
) -> Result<ExitCode, String> {
    let read = |path: &PathBuf| Report::read(path).map_err(|error| error.to_string());
    let reports = directories.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let Some((first, others)) = reports.split_first() else {
        return Ok(ExitCode::SUCCESS);
    };
    let mut all: Vec<Vec<Difference>> = Vec::new();
    let mut text = String::new();
    for (directory, other) in directories.iter().skip(1).zip(others) {
        let found = differences(first, other);
        if !json {
            text += &differences_text(&directories[0], directory, &found);
        }
        all.push(found);
    }
    if json {
        text = simd_json::to_string(&all).map_err(|fault| fault.to_string())? + "\n";
    }
    if let Some(page) = page {
        let names = directories.iter().map(|directory| name_of(directory));
        let runs: Vec<(String, Report)> = names.zip(reports).collect();
        Report::draw_together(&runs, &all, page).map_err(|error| error.to_string())?;
        Console::step(&format!("the page is {}", page.display()));
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What a run is called on a page: its directory's own name.
fn name_of(directory: &Path) -> String {
    directory.file_name().unwrap_or(directory.as_os_str()).to_string_lossy().into_owned()
}

fn differences_text(first: &Path, other: &Path, differences: &[Difference]) -> String {
    let mut text = format!("{} and {}\n", first.display(), other.display());
    for difference in differences {
        let change = (difference.other / difference.first - 1.0) * 100.0;
        text += &format!(
            "  {:<26}{:>12}{:>12}  {change:>+7.1} %  noise ± {:<8} {}\n",
            difference.figure,
            three_digits(difference.first),
            three_digits(difference.other),
            three_digits(difference.noise),
            if difference.differs { "differs" } else { "within the noise" }
        );
    }
    let differ = differences.iter().any(|difference| difference.differs);
    text + "  the difference exceeds run-to-run noise: " + if differ { "yes\n" } else { "no\n" }
}

/// Draws the page of a report again.
pub(super) fn draw(directory: &Path) -> Result<ExitCode, String> {
    let page = Report::read(directory).and_then(|report| report.draw(directory));
    print(&format!("{}\n", page.map_err(|error| error.to_string())?.display()))?;
    Ok(ExitCode::SUCCESS)
}
