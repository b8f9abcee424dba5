//! The engine beside a responder that does nothing but answer, over the same requests, on the same CPUs, in turn.
//!
//! What is compared is CPU time per request of the server's whole process, which a busy host disturbs least. The
//! responder's process answers at once and never notifies; beside it stands what the engine does for a push: parsing,
//! admission, the durable journal, delivery over the simulated network, and in the whole life cycle the notification.

use crate::spread::Rounds;
use clap::Args;
use loadgen::bare::Bare;
use loadgen::drill::Drill;
use loadgen::environment::{Environment, revision};
use loadgen::machine::Machine;
use loadgen::mix::Mix;
use loadgen::os;
use loadgen::plan::Plan;
use serde::Serialize;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// First argument that turns this executable into the bare responder.
pub const RESPONDER_ARGUMENT: &str = "__responder";

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct Limit {
    /// Rounds of each case
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: usize,
    /// Pushes of an unpipelined round; a pipelined one has three times as many
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub pushes: u64,
    /// What the engine's answer 0000 survives: power or process
    #[arg(long, value_name = "WHAT", default_value = "power", value_parser = ["power", "process"])]
    pub durability: String,
    /// Print one JSON document instead of lines
    #[arg(long)]
    pub json: bool,
    /// Append the figures to this file, one JSON line a run
    #[arg(long, value_name = "FILE", default_value = "bench/results/limit.jsonl")]
    pub results: PathBuf,
}

/// One way to load both.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    load: &'static str,
    connections: usize,
    pipeline: usize,
    notify: bool,
    pushes_factor: u64,
}

const CASES: [Case; 4] = [
    Case {
        name: "accept",
        load: "unpipelined",
        connections: 64,
        pipeline: 1,
        notify: false,
        pushes_factor: 1,
    },
    Case {
        name: "accept",
        load: "pipelined",
        connections: 16,
        pipeline: 16,
        notify: false,
        pushes_factor: 3,
    },
    Case {
        name: "lifecycle",
        load: "unpipelined",
        connections: 64,
        pipeline: 1,
        notify: true,
        pushes_factor: 1,
    },
    Case {
        name: "lifecycle",
        load: "pipelined",
        connections: 16,
        pipeline: 16,
        notify: true,
        pushes_factor: 3,
    },
];

/// The figures of one case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseFigures {
    /// `accept` (no notification asked for) or `lifecycle`.
    pub case: &'static str,
    /// `unpipelined` or `pipelined`.
    pub load: &'static str,
    /// Connections.
    pub connections: usize,
    /// Requests in flight on each.
    pub pipeline: usize,
    /// Pushes of a round.
    pub pushes: u64,
    /// CPU microseconds per push of the engine's process.
    pub engine_us: Rounds,
    /// CPU microseconds per request of the responder's process.
    pub bare_us: Rounds,
    /// The engine's over the responder's, round by round.
    pub ratio: Rounds,
    /// Pushes per second end to end with the engine.
    pub engine_per_s: Rounds,
    /// Requests per second with the responder.
    pub bare_per_s: Rounds,
    /// CPU microseconds per request of the generator against the responder.
    pub generator_us: Rounds,
}

/// A run of the bench.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Which bench.
    pub bench: &'static str,
    /// When, in Unix milliseconds.
    pub at_unix_ms: u64,
    /// Of the checkout.
    pub revision: Option<String>,
    /// What the engine's answers survive.
    pub durability: String,
    /// The server's CPUs.
    pub server_cpus: Vec<usize>,
    /// The generator's CPUs.
    pub generator_cpus: Vec<usize>,
    /// Where.
    pub machine: Machine,
    /// How.
    pub environment: Environment,
    /// What came out.
    pub cases: Vec<CaseFigures>,
}

/// One server in one round.
struct Round {
    cpu_us: f64,
    per_s: f64,
    generator_us: f64,
}

impl Limit {
    /// Measures, prints a line a case, and appends to the results.
    pub fn run(&self) -> Result<(), String> {
        let all = os::available_cpus();
        let half = (all.len() / 2).max(1);
        let server_cpus = all[..half].to_vec();
        let generator_cpus = if all.len() > 1 { all[half..].to_vec() } else { all };
        let mut cases = Vec::new();
        for case in CASES {
            let figures = self.case(case, &server_cpus, &generator_cpus)?;
            if !self.json {
                println!("{}", line(&figures));
            }
            cases.push(figures);
        }
        let environment = Environment::here();
        let figures = Figures {
            bench: "limit",
            at_unix_ms: unix_ms(),
            revision: revision(),
            durability: self.durability.clone(),
            server_cpus,
            generator_cpus,
            machine: Machine::here(Some(Path::new("."))),
            environment,
            cases,
        };
        let json = simd_json::to_string(&figures)
            .map_err(|fault| format!("the figures cannot be written ({fault})."))?;
        if self.json {
            println!("{json}");
        }
        append(&self.results, &json).map_err(|error| {
            format!("{} cannot be written ({error}): name another with --results.", self.results.display())
        })
    }

    fn case(&self, case: Case, server: &[usize], generator: &[usize]) -> Result<CaseFigures, String> {
        let pushes = self.pushes * case.pushes_factor;
        let (mut engine, mut bare) = (Vec::new(), Vec::new());
        for round in 0..self.rounds.max(1) {
            // Neither is always the first: what the round before left behind meets both.
            if round % 2 == 0 {
                engine.push(self.engine(case, pushes, server, generator)?);
                bare.push(responder(case, pushes, server, generator)?);
            } else {
                bare.push(responder(case, pushes, server, generator)?);
                engine.push(self.engine(case, pushes, server, generator)?);
            }
        }
        let rounds =
            |rounds: &[Round], figure: fn(&Round) -> f64| Rounds::of(rounds.iter().map(figure).collect());
        let ratios = engine.iter().zip(&bare).map(|(engine, bare)| engine.cpu_us / bare.cpu_us).collect();
        Ok(CaseFigures {
            case: case.name,
            load: case.load,
            connections: case.connections,
            pipeline: case.pipeline,
            pushes,
            engine_us: rounds(&engine, |round| round.cpu_us),
            bare_us: rounds(&bare, |round| round.cpu_us),
            ratio: Rounds::of(ratios),
            engine_per_s: rounds(&engine, |round| round.per_s),
            bare_per_s: rounds(&bare, |round| round.per_s),
            generator_us: rounds(&bare, |round| round.generator_us),
        })
    }

    fn engine(
        &self,
        case: Case,
        pushes: u64,
        server: &[usize],
        generator: &[usize],
    ) -> Result<Round, String> {
        let drill = Drill {
            pushes,
            durability: self.durability.clone(),
            engine_cpus: server.to_vec(),
            generator_cpus: generator.to_vec(),
            connections: case.connections,
            pipeline: case.pipeline,
            threads: Some(1),
            mix: Mix::sample(),
            notify: case.notify,
            ..Drill::default()
        };
        let summary =
            drill.carry_out(&Arc::new(AtomicBool::new(false))).map_err(|error| error.to_string())?;
        if !summary.clean {
            return Err(format!("the engine's books are not clean: {}", summary.faults.join(" ")));
        }
        let cpu_us = summary.engine.as_ref().map_or(0.0, |engine| engine.cpu_us_per_push);
        Ok(Round { cpu_us, per_s: summary.accepted_per_s, generator_us: summary.generator.cpu_us_per_push })
    }
}

/// The line that a script reads.
fn line(figures: &CaseFigures) -> String {
    format!(
        "{} {} engine_us {:.2} bare_us {:.2} ratio {:.2} spread {:.2} engine_per_s {:.0} bare_per_s {:.0}",
        figures.case,
        figures.load,
        figures.engine_us.median,
        figures.bare_us.median,
        figures.ratio.median,
        figures.ratio.spread,
        figures.engine_per_s.median,
        figures.bare_per_s.median
    )
}

fn responder(case: Case, pushes: u64, server: &[usize], generator: &[usize]) -> Result<Round, String> {
    let responder =
        Responder::start(server).map_err(|error| format!("the responder did not start ({error})."))?;
    let mut plan = Plan::new(responder.address);
    plan.pushes = pushes;
    plan.mix = Mix::sample();
    plan.notify = false;
    (plan.connections, plan.pipeline) = (case.connections, case.pipeline);
    plan.cpus = generator.to_vec();
    let before = responder.cpu_us();
    let outcome = loadgen::run::run(plan, None).map_err(|error| error.to_string())?;
    let cpu_us = (responder.cpu_us() - before) / pushes as f64;
    if outcome.tally.accepted != pushes {
        return Err(format!("the responder answered {} of {pushes} requests.", outcome.tally.accepted));
    }
    Ok(Round {
        cpu_us,
        per_s: pushes as f64 / outcome.answered_within.as_secs_f64(),
        generator_us: outcome.generator_cpu.as_secs_f64() * 1e6 / pushes as f64,
    })
}

/// A responder in a process of its own; dropping it ends it.
struct Responder {
    child: Child,
    address: SocketAddr,
}

impl Responder {
    fn start(cpus: &[usize]) -> std::io::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg(RESPONDER_ARGUMENT)
            .arg(os::format_cpus(&cpus[..1]))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut text = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut text)?;
        }
        let address = text.trim().parse().map_err(std::io::Error::other)?;
        Ok(Self { child, address })
    }

    fn cpu_us(&self) -> f64 {
        os::fine_cpu_time_of(self.child.id()).unwrap_or_default().as_secs_f64() * 1e6
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The responder's process: says where it listens and answers until its input ends.
pub fn respond(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    os::end_with_parent();
    let cpus = arguments.next().and_then(|list| os::parse_cpus(list.to_str()?).ok()).unwrap_or_default();
    let Ok(bare) = Bare::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &cpus) else {
        return ExitCode::FAILURE;
    };
    println!("{}", bare.address());
    let mut rest = String::new();
    let _ = std::io::stdin().read_line(&mut rest);
    ExitCode::SUCCESS
}

fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}

fn append(path: &Path, json: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{json}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_one_line_of_names_and_numbers() {
        let one = |value: f64| Rounds::of(vec![value]);
        let figures = CaseFigures {
            case: "accept",
            load: "unpipelined",
            connections: 64,
            pipeline: 1,
            pushes: 10,
            engine_us: one(12.1),
            bare_us: one(6.4),
            ratio: Rounds::of(vec![1.89, 1.85, 1.95]),
            engine_per_s: one(50_000.0),
            bare_per_s: one(100_000.0),
            generator_us: one(3.0),
        };
        assert_eq!(
            line(&figures),
            "accept unpipelined engine_us 12.10 bare_us 6.40 ratio 1.89 spread 0.05 engine_per_s 50000 bare_per_s 100000"
        );
    }
}
