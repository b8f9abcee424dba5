//! The engine beside Kannel: the same job over the same kind of requests, from the same client, to the same sink, on
//! the same CPUs, in turn.
//!
//! The job: take a one-segment text over HTTP, keep it on the device, deliver it, and tell the client by a callback
//! that it was delivered. Kept-alive connections, one request in flight on each, and callbacks one at a time on each of
//! their connections: neither side may pipeline. Kannel keeps messages in its spool store, its safest; it never syncs,
//! so the engine under `--durability process` gives the same promise and under `power` a stronger one.
//!
//! CPU time is that of all processes of a side over the whole job. Kannel's network is outside its processes and free
//! of charge; the engine's is inside and counted.

mod book;
mod client;
mod gateway;
mod kannel;
mod server;
mod sink;

pub use kannel::{CHILD_ARGUMENT, become_child};

use crate::cpus::Sides;
use crate::results::{Beginning, Recording};
use crate::spread::Rounds;
use book::Book;
use clap::Args;
use client::Sent;
use gateway::Gateway;
use kannel::{Kannel, Programs};
use loadgen::os;
use serde::Serialize;
use server::Server;
use sink::Sink;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first message's msn.
const FIRST_MSN: u64 = 9_000_000_000;
/// 66 characters of GSM 7-bit: one segment on either side.
const TEXT: &str = "Earthquake off Miyagi. Strong shaking is near. Keep calm, cover.";
/// Messages before the counted ones: a share of these, at least some.
const WARM_UP_SHARE: u64 = 20;
const WARM_UP_MIN: u64 = 64;
/// How long no receipt at all may come.
const STALL_AFTER: Duration = Duration::from_secs(20);
/// How long surplus receipts are awaited.
const LINGER: Duration = Duration::from_millis(250);

/// What to compare.
#[derive(Args, Clone, Debug)]
pub struct Peers {
    /// Rounds of each server
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub rounds: u64,
    /// Messages of a round
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub messages: u64,
    /// Connections of the client, and at most of the callbacks
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub connections: u64,
    /// Where Kannel keeps messages; with none a kill loses them all
    #[arg(long, value_name = "STORE", default_value = "spool", value_parser = ["spool", "file", "none"])]
    pub kannel_store: String,
    #[command(flatten)]
    sides: Sides,
    #[command(flatten)]
    recording: Recording,
}

/// The servers, in the order of the first round.
const SERVERS: [(&str, &str); 3] = [("kannel", ""), ("hayauma", "process"), ("hayauma", "power")];

/// The figures of one server.
#[derive(Clone, Debug, Serialize)]
pub struct ServerFigures {
    /// `kannel` or `hayauma`.
    pub server: &'static str,
    /// Kannel's store, or what the engine's answer survives.
    pub keeps: String,
    /// Messages accepted per second, until the last answer.
    pub accepted_per_s: Rounds,
    /// Messages delivered per second, until the last one.
    pub delivered_per_s: Rounds,
    /// Messages receipted per second, until the last receipt.
    pub notified_per_s: Rounds,
    /// CPU microseconds per message of all its processes.
    pub cpu_us: Rounds,
    /// The same, process by process.
    pub cpu_us_by_process: BTreeMap<&'static str, Rounds>,
    /// From send to answer, in milliseconds.
    pub answer_p50_ms: Rounds,
    /// The same.
    pub answer_p99_ms: Rounds,
    /// From send to receipt, in milliseconds.
    pub receipt_p50_ms: Rounds,
    /// The same.
    pub receipt_p99_ms: Rounds,
    /// Peak memory of all its processes, in octets.
    pub peak_octets: Rounds,
}

/// The engine over Kannel, round by round.
#[derive(Clone, Debug, Serialize)]
pub struct Ratios {
    /// What the engine's answer survived.
    pub durability: &'static str,
    /// How many times as many messages per second were accepted.
    pub accepted: Rounds,
    /// How many times as many were receipted.
    pub notified: Rounds,
    /// Into how many parts Kannel's CPU time per message would have to be cut.
    pub cpu: Rounds,
}

/// What a run of the bench found.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Kannel's version.
    pub kannel: String,
    /// Messages of a round.
    pub messages: u64,
    /// Connections of the client.
    pub connections: u64,
    /// The servers' CPUs.
    pub server_cpus: Vec<usize>,
    /// The client's and the sink's CPUs.
    pub client_cpus: Vec<usize>,
    /// What came out.
    pub servers: Vec<ServerFigures>,
    /// Side by side.
    pub ratios: Vec<Ratios>,
}

/// One server in one round.
struct Round {
    accepted_per_s: f64,
    delivered_per_s: f64,
    notified_per_s: f64,
    cpu_us: Vec<(&'static str, f64)>,
    answer_ms: [f64; 2],
    receipt_ms: [f64; 2],
    peak_octets: f64,
}

impl Peers {
    /// Measures, prints a line a server and a line a ratio, and appends to the results. Where Kannel is absent it
    /// prints why nothing was measured, and that is no error.
    ///
    /// # Errors
    /// One sentence: what did not start, or which message was lost.
    pub fn run(&self) -> Result<(), String> {
        let programs = match Programs::find() {
            Ok(programs) => programs,
            Err(reason) => {
                println!("peers skipped: {reason}");
                return Ok(());
            }
        };
        let beginning = Beginning::of("peers");
        let (server_cpus, client_cpus) = self.sides.cpus();
        let mut rounds: [Vec<Round>; SERVERS.len()] = Default::default();
        for round in 0..self.rounds as usize {
            for turn in 0..SERVERS.len() {
                let at = (turn + round) % SERVERS.len();
                eprintln!(
                    "peers: {} {}, round {} of {}",
                    SERVERS[at].0,
                    SERVERS[at].1,
                    round + 1,
                    self.rounds
                );
                rounds[at].push(self.round(at, &programs, &server_cpus, &client_cpus)?);
            }
        }
        let keeps = |at: usize| if at == 0 { &self.kannel_store } else { SERVERS[at].1 };
        let servers: Vec<_> =
            (0..SERVERS.len()).map(|at| ServerFigures::of(SERVERS[at].0, keeps(at), &rounds[at])).collect();
        let ratios: Vec<_> =
            (1..SERVERS.len()).map(|at| Ratios::of(SERVERS[at].1, &rounds[at], &rounds[0])).collect();
        if !self.recording.json {
            servers.iter().for_each(|figures| println!("{}", figures.line()));
            ratios.iter().for_each(|ratios| println!("{}", ratios.line()));
        }
        let figures = Figures {
            kannel: programs.version,
            messages: self.messages,
            connections: self.connections,
            server_cpus,
            client_cpus,
            servers,
            ratios,
        };
        self.recording.keep(&beginning.into_record(figures))
    }

    fn round(
        &self,
        at: usize,
        programs: &Programs,
        server_cpus: &[usize],
        client_cpus: &[usize],
    ) -> Result<Round, String> {
        let warm_up = (self.messages / WARM_UP_SHARE).max(WARM_UP_MIN);
        let book = Arc::new(Book::new(warm_up, self.messages));
        let sink = Sink::start(client_cpus, Arc::clone(&book))
            .map_err(|error| format!("the sink did not start ({error})."))?;
        let connections = self.connections as usize;
        let server: Box<dyn Server> = if at == 0 {
            let store = &self.kannel_store;
            Box::new(Kannel::start(programs, store, server_cpus, sink.address(), TEXT, book.clock())?)
        } else {
            let messages = warm_up + self.messages;
            let durability = SERVERS[at].1;
            Box::new(Gateway::start(durability, server_cpus, sink.address(), connections, messages, TEXT)?)
        };
        let measured = self.measure(&*server, warm_up, &book, client_cpus);
        let round = measured.map_err(|sentence| {
            format!("{} {}: {sentence} Its log ends: {}", SERVERS[at].0, SERVERS[at].1, server.log_end())
        })?;
        server.stop()?;
        Ok(round)
    }

    fn measure(
        &self,
        server: &dyn Server,
        warm_up: u64,
        book: &Arc<Book>,
        client_cpus: &[usize],
    ) -> Result<Round, String> {
        let send = |range| send_pinned(server, self.connections as usize, range, book, client_cpus);
        // A single message first: the boxes may still be finding each other.
        retry(|| send(0..1))?;
        send(1..warm_up)?;
        await_receipts(book, warm_up)?;
        let delivered_before = server.delivered().map_or(0, |delivered| delivered.count);
        let before = cpu_times(server);
        let sent = send(warm_up..warm_up + self.messages)?;
        await_receipts(book, warm_up + self.messages)?;
        let after = cpu_times(server);
        std::thread::sleep(LINGER);
        if book.surplus() > 0 {
            return Err(format!(
                "{} receipts came twice, say no delivery, or are for no message.",
                book.surplus()
            ));
        }
        let per_s =
            |last_ns: u64| self.messages as f64 * 1e9 / last_ns.saturating_sub(sent.first_ns).max(1) as f64;
        let delivered_per_s = match server.delivered() {
            Some(delivered) if delivered.count - delivered_before != self.messages => {
                return Err(format!("{} of {} messages were delivered.", delivered.count, self.messages));
            }
            Some(delivered) => per_s(delivered.last_ns),
            None => per_s(book.last_receipt_ns()),
        };
        let used = |(name, before): (&'static str, Duration), after: Duration| {
            (name, after.saturating_sub(before).as_secs_f64() * 1e6 / self.messages as f64)
        };
        let percentiles = |latencies: &loadgen::latency::Latencies| {
            [50.0, 99.0].map(|percent| latencies.percentile_ns(percent) as f64 / 1e6)
        };
        let peak = |(_, process)| os::memory_of(process).unwrap_or_default().peak_octets;
        Ok(Round {
            accepted_per_s: per_s(sent.last_answer_ns),
            delivered_per_s,
            notified_per_s: per_s(book.last_receipt_ns()),
            cpu_us: before.into_iter().zip(after).map(|(before, (_, after))| used(before, after)).collect(),
            answer_ms: percentiles(&sent.answer_times),
            receipt_ms: percentiles(&book.receipt_times()),
            peak_octets: server.processes().into_iter().map(peak).sum::<u64>() as f64,
        })
    }
}

impl ServerFigures {
    fn of(server: &'static str, keeps: &str, rounds: &[Round]) -> Self {
        let figure = |figure: &dyn Fn(&Round) -> f64| Rounds::of(rounds.iter().map(figure).collect());
        let names =
            rounds.first().map(|round| round.cpu_us.iter().map(|(name, _)| *name)).into_iter().flatten();
        Self {
            server,
            keeps: keeps.to_owned(),
            accepted_per_s: figure(&|round| round.accepted_per_s),
            delivered_per_s: figure(&|round| round.delivered_per_s),
            notified_per_s: figure(&|round| round.notified_per_s),
            cpu_us: figure(&Round::cpu_us),
            cpu_us_by_process: names
                .enumerate()
                .map(|(at, name)| (name, figure(&|round| round.cpu_us[at].1)))
                .collect(),
            answer_p50_ms: figure(&|round| round.answer_ms[0]),
            answer_p99_ms: figure(&|round| round.answer_ms[1]),
            receipt_p50_ms: figure(&|round| round.receipt_ms[0]),
            receipt_p99_ms: figure(&|round| round.receipt_ms[1]),
            peak_octets: figure(&|round| round.peak_octets),
        }
    }

    fn line(&self) -> String {
        format!(
            "{} {} accepted_per_s {:.0} delivered_per_s {:.0} notified_per_s {:.0} cpu_us {:.1} spread {:.2} \
             answer_p50_ms {:.2} answer_p99_ms {:.2} receipt_p50_ms {:.2} receipt_p99_ms {:.2} peak_mib {:.0}",
            self.server,
            self.keeps,
            self.accepted_per_s.median,
            self.delivered_per_s.median,
            self.notified_per_s.median,
            self.cpu_us.median,
            self.cpu_us.spread,
            self.answer_p50_ms.median,
            self.answer_p99_ms.median,
            self.receipt_p50_ms.median,
            self.receipt_p99_ms.median,
            self.peak_octets.median / f64::from(1 << 20),
        )
    }
}

impl Ratios {
    fn of(durability: &'static str, engine: &[Round], kannel: &[Round]) -> Self {
        let ratio = |ratio: &dyn Fn(&Round, &Round) -> f64| {
            Rounds::of(engine.iter().zip(kannel).map(|(engine, kannel)| ratio(engine, kannel)).collect())
        };
        Self {
            durability,
            accepted: ratio(&|engine, kannel| engine.accepted_per_s / kannel.accepted_per_s),
            notified: ratio(&|engine, kannel| engine.notified_per_s / kannel.notified_per_s),
            cpu: ratio(&|engine, kannel| kannel.cpu_us() / engine.cpu_us()),
        }
    }

    fn line(&self) -> String {
        format!(
            "ratio {} accepted {:.1} notified {:.1} cpu {:.1} spread {:.2}",
            self.durability, self.accepted.median, self.notified.median, self.cpu.median, self.cpu.spread
        )
    }
}

impl Round {
    fn cpu_us(&self) -> f64 {
        self.cpu_us.iter().map(|(_, used)| used).sum()
    }
}

/// The client on a thread of its own, bound to its CPUs.
fn send_pinned(
    server: &dyn Server,
    connections: usize,
    range: std::ops::Range<u64>,
    book: &Arc<Book>,
    cpus: &[usize],
) -> Result<Sent, String> {
    let (address, dialect, book, cpus) =
        (server.address(), server.dialect(), Arc::clone(book), cpus.to_vec());
    let thread = std::thread::Builder::new().name("client".to_owned()).spawn(move || {
        // A client that may run anywhere is only slower.
        let _ = os::pin_thread(&cpus);
        client::send(address, connections, range, &*dialect, &book)
    });
    let thread = thread.map_err(|error| format!("the client did not start ({error})."))?;
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Tries until it works, for a while.
fn retry(mut attempt: impl FnMut() -> Result<Sent, String>) -> Result<Sent, String> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(_) if begun.elapsed() < STALL_AFTER => std::thread::park_timeout(Duration::from_millis(100)),
            outcome => return outcome,
        }
    }
}

fn await_receipts(book: &Book, wanted: u64) -> Result<(), String> {
    let (mut seen, mut seen_at) = (book.receipts(), Instant::now());
    loop {
        let receipts = book.receipts();
        if receipts >= wanted {
            return Ok(());
        }
        if receipts > seen {
            (seen, seen_at) = (receipts, Instant::now());
        }
        if seen_at.elapsed() > STALL_AFTER {
            return Err(format!("{receipts} of {wanted} receipts came and then no more."));
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn cpu_times(server: &dyn Server) -> Vec<(&'static str, Duration)> {
    let time = |process| os::fine_cpu_time_of(process).unwrap_or_default();
    server.processes().into_iter().map(|(name, process)| (name, time(process))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(per_s: f64, cpu_us: f64) -> Round {
        Round {
            accepted_per_s: per_s,
            delivered_per_s: per_s,
            notified_per_s: per_s,
            cpu_us: vec![("a", cpu_us / 4.0), ("b", cpu_us * 0.75)],
            answer_ms: [1.0, 2.0],
            receipt_ms: [3.0, 4.0],
            peak_octets: 1024.0 * 1024.0,
        }
    }

    #[test]
    fn a_server_and_a_ratio_are_one_line_each() {
        let figures = ServerFigures::of("kannel", "spool", &[round(4_000.0, 400.0), round(4_400.0, 360.0)]);
        assert_eq!(
            figures.line(),
            "kannel spool accepted_per_s 4200 delivered_per_s 4200 notified_per_s 4200 cpu_us 380.0 spread 0.11 \
             answer_p50_ms 1.00 answer_p99_ms 2.00 receipt_p50_ms 3.00 receipt_p99_ms 4.00 peak_mib 1"
        );
        assert_eq!(figures.cpu_us_by_process["b"].median, 285.0);
        let ratios = Ratios::of("power", &[round(40_000.0, 20.0)], &[round(4_000.0, 400.0)]);
        assert_eq!(ratios.line(), "ratio power accepted 10.0 notified 10.0 cpu 20.0 spread 0.00");
    }
}
