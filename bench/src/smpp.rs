//! What SMPP costs: the codec, two sessions that talk to each other in memory, the load generator's
//! senders against its SMSC over loopback, and customers of an engine beside its HTTP clients.
//!
//! - codec: nanoseconds of CPU time to write or read one PDU, of which an SMS takes three
//!   (submit_sm, its answer, the receipt) and the receipt's answer.
//! - session pair: a submit and its answer, through both state machines and their codec, without a
//!   socket.
//! - wire: submits a second and CPU time for each, of the SMSC's process and of the sender's, each
//!   on its own CPUs; with receipts an SMS is four PDUs. It is what an engine is set beside, and
//!   shows that the instrument is no bottleneck.
//! - at perf_smsc: an engine beside smpp34's perf_esme, one session, window 10.
//! - HTTP to receipt: a push's whole way by a carrier, beside Kannel at the same SMSC.
//! - customers: durable submit_sm a second at one shard, beside HTTP in the same run.
//! - a limit: how much of a hundred SMS a second is used.
//!
//! What has to be reached is printed beside what was; a figure that misses it fails the run.

mod beside;
mod carried;
mod customers;
mod memory;
mod musts;
mod rate;
mod whole;

use crate::cpus::Sides;
use crate::responder::Responder;
use crate::results::{Beginning, Recording};
use crate::spread::Rounds;
pub use beside::BesideFigures;
use clap::Args;
pub use customers::CustomerFigures;
use loadgen::mix::Mix;
use loadgen::plan::Plan;
use loadgen::smpp::account::Account;
use memory::Piece;
pub use musts::Must;
pub use rate::RateFigures;
use serde::Serialize;
use std::time::Duration;
pub use whole::WholeFigures;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct Smpp {
    /// Rounds of each case
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: usize,
    /// Pushes of a round over loopback; with a window of 1 a fifth of it
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub pushes: u64,
    /// PDUs of a round in memory
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub pdus: u64,
    /// Pushes of a round of customers, and of HTTP beside them
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    pub customer_pushes: u64,
    /// Pushes of a round of an engine by a carrier; Kannel has a tenth of it
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub carried_pushes: u64,
    /// Leave out what goes over sockets
    #[arg(long)]
    pub memory_only: bool,
    #[command(flatten)]
    sides: Sides,
    #[command(flatten)]
    recording: Recording,
}

/// How senders and SMSC talk.
#[derive(Clone, Copy, Debug)]
struct Load {
    name: &'static str,
    sessions: usize,
    window: usize,
    receipts: bool,
}

const LOADS: [Load; 4] = [
    Load { name: "window 1", sessions: 1, window: 1, receipts: false },
    Load { name: "window 10", sessions: 1, window: 10, receipts: false },
    Load { name: "window 10, receipts", sessions: 1, window: 10, receipts: true },
    Load { name: "4 sessions, window 50, receipts", sessions: 4, window: 50, receipts: true },
];

/// Nanoseconds of one thing that is done in memory.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryFigures {
    /// What.
    pub piece: &'static str,
    /// Nanoseconds each.
    pub ns: Rounds,
}

/// Senders and SMSC over loopback.
#[derive(Clone, Debug, Serialize)]
pub struct WireFigures {
    /// Sessions, window, whether there are receipts.
    pub load: &'static str,
    /// Transceivers.
    pub sessions: usize,
    /// Submits in flight on each.
    pub window: usize,
    /// Pushes of a round.
    pub pushes: u64,
    /// Pushes per second, answered and, where there are receipts, receipted.
    pub per_s: Rounds,
    /// CPU microseconds per push of the SMSC's process.
    pub smsc_us: Rounds,
    /// CPU microseconds per push of the sender's.
    pub sender_us: Rounds,
}

/// What a run of the bench found.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Rounds of each case.
    pub rounds: usize,
    /// The SMSC's CPUs.
    pub server_cpus: Vec<usize>,
    /// The sender's.
    pub client_cpus: Vec<usize>,
    /// Codec and sessions.
    pub memory: Vec<MemoryFigures>,
    /// Over loopback.
    pub wire: Vec<WireFigures>,
    /// An engine and perf_esme at perf_smsc.
    pub beside: Option<BesideFigures>,
    /// An engine and Kannel, from HTTP to the receipt.
    pub whole: Option<WholeFigures>,
    /// Customers of an engine, beside HTTP.
    pub customers: Option<CustomerFigures>,
    /// A carrier's limit.
    pub rate: Option<RateFigures>,
    /// What has to be reached.
    pub musts: Vec<Must>,
}

/// One round over loopback.
struct Round {
    per_s: f64,
    smsc_us: f64,
    sender_us: f64,
}

impl Smpp {
    /// Measures, prints a line a case, and appends to the results.
    ///
    /// # Errors
    /// One sentence: what did not start, or what was not accounted for.
    pub fn run(&self) -> Result<(), String> {
        let beginning = Beginning::of("smpp");
        let (server_cpus, client_cpus) = self.sides.cpus();
        let memory = self.all_in_memory(&client_cpus[..1])?;
        let rounds = self.rounds;
        let mut figures = Figures {
            rounds,
            memory,
            wire: Vec::new(),
            beside: None,
            whole: None,
            customers: None,
            rate: None,
            musts: Vec::new(),
            server_cpus,
            client_cpus,
        };
        if !self.memory_only {
            self.over_sockets(&mut figures)?;
        }
        figures.musts = musts::of(&figures);
        if !self.recording.json {
            lines(&figures).iter().for_each(|line| println!("{line}"));
        }
        let missed = musts::missed(&figures.musts);
        self.recording.keep(&beginning.into_record(figures))?;
        missed.map_or(Ok(()), Err)
    }

    fn over_sockets(&self, figures: &mut Figures) -> Result<(), String> {
        let (server, client) = (figures.server_cpus.clone(), figures.client_cpus.clone());
        let (rounds, sides) = (self.rounds, (&server[..], &client[..]));
        figures.wire = self.over_loopback(&server, &client)?;
        match beside::Programs::find() {
            Some(programs) => {
                let measured = beside::measure(&programs, rounds, self.carried_pushes, sides)?;
                figures.beside = Some(measured);
            }
            None => eprintln!(
                "smpp: perf_smsc and perf_esme are not installed and left out; \
                 bench/install-smpp34.sh installs them"
            ),
        }
        figures.whole = Some(whole::measure(rounds, self.carried_pushes, sides)?);
        figures.customers = Some(customers::measure(rounds, self.customer_pushes, sides)?);
        figures.rate = Some(rate::measure(sides)?);
        Ok(())
    }

    /// On a thread of its own: the engine that is started later inherits this one's CPUs.
    fn all_in_memory(&self, cpus: &[usize]) -> Result<Vec<MemoryFigures>, String> {
        std::thread::scope(|scope| {
            let measured = scope.spawn(|| {
                let _ = loadgen::os::pin_thread(cpus);
                Piece::ALL.into_iter().map(|piece| self.in_memory(piece)).collect()
            });
            measured.join().map_err(|_| "measuring in memory panicked".to_owned())
        })
    }

    fn in_memory(&self, piece: Piece) -> MemoryFigures {
        let rounds = (0..self.rounds.max(1)).map(|_| piece.measure_ns(self.pdus)).collect();
        MemoryFigures { piece: piece.name(), ns: Rounds::of(rounds) }
    }

    /// All loads in turn within each round, so that what the machine does meets every one.
    fn over_loopback(
        &self,
        server: &[usize],
        client: &[usize],
    ) -> Result<Vec<WireFigures>, String> {
        let mut all: Vec<Vec<Round>> = LOADS.iter().map(|_| Vec::new()).collect();
        for round in 0..self.rounds.max(1) {
            for (load, rounds) in LOADS.iter().zip(&mut all) {
                eprintln!("smpp: {}, round {} of {}", load.name, round + 1, self.rounds);
                rounds.push(wire_round(*load, self.pushes_of(*load), server, client)?);
            }
        }
        let figures = LOADS.into_iter().zip(all).map(|(load, rounds)| {
            let of = |figure: fn(&Round) -> f64| Rounds::of(rounds.iter().map(figure).collect());
            WireFigures {
                load: load.name,
                sessions: load.sessions,
                window: load.window,
                pushes: self.pushes_of(load),
                per_s: of(|round| round.per_s),
                smsc_us: of(|round| round.smsc_us),
                sender_us: of(|round| round.sender_us),
            }
        });
        Ok(figures.collect())
    }

    fn pushes_of(&self, load: Load) -> u64 {
        if load.window == 1 { self.pushes.div_ceil(5) } else { self.pushes }
    }
}

fn wire_round(
    load: Load,
    pushes: u64,
    server: &[usize],
    client: &[usize],
) -> Result<Round, String> {
    let smsc =
        Responder::smsc(server).map_err(|error| format!("the SMSC did not start ({error})."))?;
    let plan = Plan {
        pushes,
        mix: Mix::text(),
        notify: load.receipts,
        connections: load.sessions,
        pipeline: load.window,
        cpus: client.to_vec(),
        smpp: Some(Account::new("bench", "")),
        ..Plan::new(smsc.address())
    };
    let before = smsc.cpu_time();
    let outcome = loadgen::run::run(plan, None).map_err(|error| error.to_string())?;
    let used = smsc.cpu_time().saturating_sub(before);
    if !outcome.is_clean() || outcome.tally.accepted != pushes {
        return Err(format!("not every push is accounted for: {}.", outcome.tally));
    }
    let each_us = |time: Duration| time.as_secs_f64() * 1e6 / pushes as f64;
    Ok(Round {
        per_s: pushes as f64 / outcome.settled_within.as_secs_f64(),
        smsc_us: each_us(used),
        sender_us: each_us(outcome.generator_cpu),
    })
}

fn lines(figures: &Figures) -> Vec<String> {
    let memory = figures.memory.iter();
    let mut lines: Vec<String> =
        memory.map(|one| format!("{:<34}{:>9.1} ns", one.piece, one.ns.median)).collect();
    lines.extend(figures.wire.iter().map(line));
    lines.extend(figures.beside.iter().map(beside::line));
    lines.extend(figures.whole.iter().map(whole::line));
    lines.extend(figures.customers.iter().map(customers::line));
    lines.extend(figures.rate.iter().map(rate::line));
    lines.extend(figures.musts.iter().map(Must::line));
    lines
}

fn line(figures: &WireFigures) -> String {
    format!(
        "{:<34}{:>9.0} /s   SMSC {:.2} µs   sender {:.2} µs   (spread {:.0} %)",
        figures.load,
        figures.per_s.median,
        figures.smsc_us.median,
        figures.sender_us.median,
        figures.per_s.spread * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_in_memory_takes_time_and_does_its_work() {
        for piece in Piece::ALL {
            assert!(piece.measure_ns(200) > 0.0, "{}", piece.name());
        }
    }
}
