//! The engine beside a responder that does nothing but answer, over the same requests from the same
//! generator, on the same CPUs, in turn.
//!
//! What is compared is CPU time per request of the server's whole process, which a busy host
//! disturbs least. The responder parses nothing, keeps nothing and answers at once. Beside it
//! stand, each on a fresh engine:
//!
//! - `accept`: a push becomes durable and is answered. Head and body are read, the registration and
//!   the contract checked, the SMS-SUBMIT made, the record appended and synced (group commit).
//!   Nothing is delivered: the simulated network keeps the attempts it has room for (8,192)
//!   unanswered for ten minutes, so no other attempt begins, and no notification is asked for.
//!   Every push stays in memory, so the case has the first touch of that memory in it.
//! - `accept-process`: the same under `--durability process`, where the answer does not wait for
//!   the device. The difference is what syncing costs the engine's own CPU.
//! - `lifecycle`: each push is accepted, delivered over the simulated network at its default
//!   latency, its status report read, its end journaled and billed, and the push client notified,
//!   which acknowledges.
//!
//! The kernel's work for the file system outside the process (journal threads, block layer) is in
//! no figure.

use crate::cpus::Sides;
use crate::responder::Responder;
use crate::results::{Beginning, Recording};
use crate::spread::Rounds;
use clap::{Args, ValueEnum};
use loadgen::drill::Drill;
use loadgen::mix::Mix;
use loadgen::plan::Plan;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct Limit {
    /// Rounds of each case
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: usize,
    /// Pushes of an unpipelined round; a pipelined one has three times as many
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub pushes: u64,
    /// Only this case; may be repeated
    #[arg(long, value_name = "CASE")]
    pub only: Vec<Case>,
    #[command(flatten)]
    sides: Sides,
    #[command(flatten)]
    recording: Recording,
}

/// What the engine does for each push.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// Accepted durably (power) and answered; nothing is delivered
    Accept,
    /// The same, safe from the death of the process only
    AcceptProcess,
    /// Accepted durably (power), delivered and notified
    Lifecycle,
}

/// How requests come.
#[derive(Clone, Copy, Debug)]
struct Load {
    name: &'static str,
    connections: usize,
    pipeline: usize,
    pushes_factor: u64,
}

const LOADS: [Load; 2] = [
    Load { name: "unpipelined", connections: 64, pipeline: 1, pushes_factor: 1 },
    Load { name: "pipelined", connections: 16, pipeline: 16, pushes_factor: 3 },
];

/// Keeps an attempt on its way for longer than any run, and lets the engine end with it.
const HELD: [&str; 6] = [
    "--network-latency-ms",
    "600000",
    "--network-latency-jitter-ms",
    "0",
    "--drain-timeout-ms",
    "0",
];

/// The figures of one case under one load.
#[derive(Clone, Debug, Serialize)]
pub struct CaseFigures {
    /// What the engine did.
    pub case: Case,
    /// `unpipelined` or `pipelined`.
    pub load: &'static str,
    /// What the engine's answers survived.
    pub durability: &'static str,
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
    /// Pushes per second with the engine: answered, or in the whole life cycle notified.
    pub engine_per_s: Rounds,
    /// Requests per second with the responder.
    pub bare_per_s: Rounds,
    /// CPU microseconds per request of the generator against the responder.
    pub generator_us: Rounds,
}

/// What a run of the bench found.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Rounds of each case.
    pub rounds: usize,
    /// The server's CPUs.
    pub server_cpus: Vec<usize>,
    /// The generator's CPUs; it sends from one thread.
    pub client_cpus: Vec<usize>,
    /// What came out.
    pub cases: Vec<CaseFigures>,
}

/// One server in one round.
struct Round {
    cpu_us: f64,
    per_s: f64,
    generator_us: f64,
}

impl Case {
    const ALL: [Self; 3] = [Self::Accept, Self::AcceptProcess, Self::Lifecycle];

    fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::AcceptProcess => "accept-process",
            Self::Lifecycle => "lifecycle",
        }
    }

    fn durability(self) -> &'static str {
        if self == Self::AcceptProcess { "process" } else { "power" }
    }
}

impl Limit {
    /// Measures, prints a line a case, and appends to the results.
    ///
    /// # Errors
    /// One sentence: what did not start, or what was wrong with the engine's books.
    pub fn run(&self) -> Result<(), String> {
        let beginning = Beginning::of("limit");
        let (server_cpus, client_cpus) = self.sides.cpus();
        let mut cases = Vec::new();
        for load in LOADS {
            let figures = self.load(load, &server_cpus, &client_cpus)?;
            if !self.recording.json {
                figures.iter().for_each(|figures| println!("{}", line(figures)));
            }
            cases.extend(figures);
        }
        let figures = Figures { rounds: self.rounds, server_cpus, client_cpus, cases };
        self.recording.keep(&beginning.into_record(figures))
    }

    /// All cases under one load. The servers take turns within each round, and the order moves on
    /// from round to round, so that what one leaves behind (dirty pages, a warm clock) meets every
    /// other.
    fn load(
        &self,
        load: Load,
        server: &[usize],
        client: &[usize],
    ) -> Result<Vec<CaseFigures>, String> {
        let cases: Vec<Case> = Case::ALL
            .into_iter()
            .filter(|case| self.only.is_empty() || self.only.contains(case))
            .collect();
        let pushes = self.pushes * load.pushes_factor;
        let mut engine: Vec<Vec<Round>> = cases.iter().map(|_| Vec::new()).collect();
        let mut bare = Vec::new();
        for round in 0..self.rounds.max(1) {
            for turn in 0..=cases.len() {
                let at = (turn + round) % (cases.len() + 1);
                if let Some(&case) = cases.get(at) {
                    eprintln!(
                        "limit: {} {}, round {} of {}",
                        case.name(),
                        load.name,
                        round + 1,
                        self.rounds
                    );
                    engine[at].push(engine_round(case, load, pushes, server, client)?);
                } else {
                    bare.push(bare_round(load, pushes, server, client)?);
                }
            }
        }
        let figures = cases.into_iter().zip(engine);
        Ok(figures.map(|(case, engine)| figures_of(case, load, pushes, &engine, &bare)).collect())
    }
}

fn figures_of(
    case: Case,
    load: Load,
    pushes: u64,
    engine: &[Round],
    bare: &[Round],
) -> CaseFigures {
    let rounds = |rounds: &[Round], figure: fn(&Round) -> f64| {
        Rounds::of(rounds.iter().map(figure).collect())
    };
    let ratios =
        engine.iter().zip(bare).map(|(engine, bare)| engine.cpu_us / bare.cpu_us).collect();
    CaseFigures {
        case,
        load: load.name,
        durability: case.durability(),
        connections: load.connections,
        pipeline: load.pipeline,
        pushes,
        engine_us: rounds(engine, |round| round.cpu_us),
        bare_us: rounds(bare, |round| round.cpu_us),
        ratio: Rounds::of(ratios),
        engine_per_s: rounds(engine, |round| round.per_s),
        bare_per_s: rounds(bare, |round| round.per_s),
        generator_us: rounds(bare, |round| round.generator_us),
    }
}

fn engine_round(
    case: Case,
    load: Load,
    pushes: u64,
    server: &[usize],
    client: &[usize],
) -> Result<Round, String> {
    let lifecycle = case == Case::Lifecycle;
    let held = if lifecycle { &[][..] } else { &HELD[..] };
    let drill = Drill {
        pushes,
        durability: case.durability().to_owned(),
        engine_cpus: server.to_vec(),
        generator_cpus: client.to_vec(),
        connections: load.connections,
        pipeline: load.pipeline,
        threads: Some(1),
        mix: Mix::sample(),
        notify: lifecycle,
        engine_arguments: held.iter().map(|&argument| argument.to_owned()).collect(),
        ..Drill::default()
    };
    let summary =
        drill.carry_out(&Arc::new(AtomicBool::new(false))).map_err(|error| error.to_string())?;
    if !summary.clean {
        return Err(format!("the engine's books are not clean: {}", summary.faults.join(" ")));
    }
    let cpu_us = summary.engine.as_ref().map_or(0.0, |engine| engine.cpu_us_per_push);
    let per_s = if lifecycle { summary.notified_per_s } else { summary.answered_per_s };
    Ok(Round { cpu_us, per_s, generator_us: summary.generator.cpu_us_per_push })
}

fn bare_round(
    load: Load,
    pushes: u64,
    server: &[usize],
    client: &[usize],
) -> Result<Round, String> {
    let responder = Responder::start(server)
        .map_err(|error| format!("the responder did not start ({error})."))?;
    let mut plan = Plan::new(responder.address());
    plan.pushes = pushes;
    plan.mix = Mix::sample();
    plan.notify = false;
    (plan.connections, plan.pipeline) = (load.connections, load.pipeline);
    plan.cpus = client.to_vec();
    let before = responder.cpu_time();
    let outcome = loadgen::run::run(plan, None).map_err(|error| error.to_string())?;
    let used = responder.cpu_time().saturating_sub(before);
    if outcome.tally.accepted != pushes {
        return Err(format!(
            "the responder answered {} of {pushes} requests.",
            outcome.tally.accepted
        ));
    }
    let each_us = |time: Duration| time.as_secs_f64() * 1e6 / pushes as f64;
    Ok(Round {
        cpu_us: each_us(used),
        per_s: pushes as f64 / outcome.answered_within.as_secs_f64(),
        generator_us: each_us(outcome.generator_cpu),
    })
}

/// The line that a script reads.
fn line(figures: &CaseFigures) -> String {
    format!(
        "{} {} engine_us {:.2} bare_us {:.2} ratio {:.2} spread {:.2} engine_per_s {:.0} \
         bare_per_s {:.0} durability {}",
        figures.case.name(),
        figures.load,
        figures.engine_us.median,
        figures.bare_us.median,
        figures.ratio.median,
        figures.ratio.spread,
        figures.engine_per_s.median,
        figures.bare_per_s.median,
        figures.durability
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_one_line_of_names_and_numbers() {
        let round = |cpu_us, per_s| Round { cpu_us, per_s, generator_us: 3.0 };
        let engine = [round(12.1, 50_000.0), round(11.1, 51_000.0), round(12.9, 49_000.0)];
        let bare = [round(6.4, 100_000.0), round(6.0, 100_000.0), round(6.6, 100_000.0)];
        let figures = figures_of(Case::Accept, LOADS[0], 10, &engine, &bare);
        assert_eq!(
            line(&figures),
            "accept unpipelined engine_us 12.10 bare_us 6.40 ratio 1.89 spread 0.06 \
             engine_per_s 50000 bare_per_s 100000 durability power"
        );
    }
}
