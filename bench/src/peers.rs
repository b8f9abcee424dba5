//! The engine beside Kannel: the same job over the same kind of requests, from the same client, to
//! the same sink, on the same CPUs, in turn.
//!
//! The job: take a one-segment text over HTTP, keep it on the device, deliver it, and tell the
//! client by a callback that it was delivered. Kept-alive connections, one request in flight on
//! each, and callbacks one at a time on each of their connections: neither side may pipeline.
//! Kannel keeps messages in its spool store (a file a message) and, another row, in its file store
//! (one log); it syncs neither, so the engine under `--durability process` gives the same promise
//! and under `power` a stronger one.
//!
//! CPU time is that of all processes of a side over the whole job. Kannel's network is outside its
//! processes and free of charge; the engine's is inside and counted.

mod book;
mod client;
mod figures;
mod gateway;
mod kannel;
mod server;
mod sink;
mod wire;

pub(crate) use kannel::child;
pub use kannel::{CHILD_ARGUMENT, become_child};

use crate::cpus::Sides;
use crate::results::{Beginning, Recording};
use book::Book;
use clap::Args;
use client::Sent;
use figures::Round;
pub use figures::{Figures, Ratios, ServerFigures};
use gateway::Gateway;
use kannel::{Kannel, Out, Programs, Store};
use loadgen::machine::Machine;
use loadgen::os;
use server::Server;
use sink::Sink;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first message's msn.
const FIRST_MSN: u64 = 9_000_000_000;
/// 66 characters of GSM 7-bit: one segment on either side.
const TEXT: &str = "Earthquake off Miyagi. Strong shaking is near. Keep calm, cover.";
/// Messages before the counted ones: a share of these, at least some.
const WARM_UP_SHARE: u64 = 20;
const WARM_UP_MIN: u64 = 64;
/// Connections of the client where messages go out by SMPP.
const CONNECTIONS_BY_SMPP: u64 = 64;
/// How long no receipt at all may come.
const STALL_AFTER: Duration = Duration::from_secs(20);
/// How long surplus receipts are awaited.
const LINGER: Duration = Duration::from_millis(250);

/// What to compare.
#[derive(Args, Clone, Debug)]
pub struct Peers {
    /// Rounds of each server
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u64).range(1..=100)
    )]
    pub rounds: u64,
    /// Messages of a round
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20_000,
        value_parser = clap::value_parser!(u64).range(1..=10_000_000)
    )]
    pub messages: u64,
    /// Connections of the client, and at most of the callbacks
    #[arg(
        long,
        value_name = "N",
        default_value_t = 64,
        value_parser = clap::value_parser!(u64).range(1..=1_000)
    )]
    pub connections: u64,
    /// How Kannel keeps messages; may be repeated [default: spool and file]
    #[arg(long, value_name = "STORE", value_parser = ["spool", "file", "none"])]
    pub kannel_store: Vec<String>,
    /// Directory for Kannel's store [default: /dev/shm where there is one]
    #[arg(long, value_name = "DIR")]
    pub kannel_place: Option<PathBuf>,
    #[command(flatten)]
    sides: Sides,
    #[command(flatten)]
    recording: Recording,
}

/// The engine's durabilities.
const DURABILITIES: [&str; 2] = ["process", "power"];

/// One of the servers that take turns.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Contender {
    /// With this store.
    Kannel(String),
    /// Under this durability.
    Hayauma(&'static str),
}

impl Peers {
    /// Measures, prints a line a server and a line a ratio, and appends to the results. Where
    /// Kannel is absent it prints why nothing was measured, and that is no error.
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
        let contenders = self.contenders();
        let mut rounds: Vec<Vec<Round>> = contenders.iter().map(|_| Vec::new()).collect();
        for round in 0..self.rounds as usize {
            // The order moves on, so that what one leaves behind meets every other.
            for turn in 0..contenders.len() {
                let at = (turn + round) % contenders.len();
                let (server, keeps) = contenders[at].names();
                eprintln!("peers: {server} {keeps}, round {} of {}", round + 1, self.rounds);
                rounds[at].push(self.round(
                    &contenders[at],
                    &programs,
                    &server_cpus,
                    &client_cpus,
                )?);
            }
        }
        let all = || contenders.iter().zip(&rounds);
        let servers: Vec<_> =
            all().map(|(contender, rounds)| ServerFigures::of(contender.names(), rounds)).collect();
        let mut ratios = Vec::new();
        for (engine, engine_rounds) in all() {
            for (kannel, kannel_rounds) in all() {
                if let (Contender::Hayauma(durability), Contender::Kannel(store)) = (engine, kannel)
                {
                    ratios.push(Ratios::of(durability, store, engine_rounds, kannel_rounds));
                }
            }
        }
        if !self.recording.json {
            servers.iter().for_each(|figures| println!("{}", figures.line()));
            ratios.iter().for_each(|ratios| println!("{}", ratios.line()));
        }
        let figures = Figures {
            kannel: programs.version,
            kannel_file_system: Machine::here(Some(&self.kannel_place())).file_system,
            messages: self.messages,
            connections: self.connections,
            server_cpus,
            client_cpus,
            servers,
            ratios,
        };
        self.recording.keep(&beginning.into_record(figures))
    }

    fn contenders(&self) -> Vec<Contender> {
        let stores = match &self.kannel_store[..] {
            [] => vec!["spool".to_owned(), "file".to_owned()],
            chosen => chosen.to_vec(),
        };
        let kannels = stores.into_iter().map(Contender::Kannel);
        kannels.chain(DURABILITIES.map(Contender::Hayauma)).collect()
    }

    fn round(
        &self,
        contender: &Contender,
        programs: &Programs,
        server_cpus: &[usize],
        client_cpus: &[usize],
    ) -> Result<Round, String> {
        let warm_up = (self.messages / WARM_UP_SHARE).max(WARM_UP_MIN);
        let book = Arc::new(Book::new(warm_up, self.messages));
        let sink = Sink::start(client_cpus, Arc::clone(&book))
            .map_err(|error| format!("the sink did not start ({error})."))?;
        let connections = self.connections as usize;
        let server: Box<dyn Server> = match contender {
            Contender::Kannel(kind) => {
                let store = Store { kind, place: &self.kannel_place() };
                Box::new(Kannel::start(
                    programs,
                    (store, Out::Fake),
                    server_cpus,
                    sink.address(),
                    TEXT,
                    book.clock(),
                )?)
            }
            Contender::Hayauma(durability) => {
                let messages = warm_up + self.messages;
                let address = sink.address();
                Box::new(Gateway::start(
                    durability,
                    server_cpus,
                    address,
                    connections,
                    messages,
                    TEXT,
                )?)
            }
        };
        let measured = self.measure(&*server, warm_up, &book, client_cpus);
        let round = measured.map_err(|sentence| {
            let (server_name, keeps) = contender.names();
            format!("{server_name} {keeps}: {sentence} Its log ends: {}", server.log_end())
        })?;
        server.stop()?;
        Ok(round)
    }

    /// In memory where that is possible. Kannel never syncs, so memory keeps as much as a device
    /// would when only the process dies, and a store of one file a message suffers from file
    /// systems that are slow to use the place of a deleted file again (ext4 without a journal
    /// avoids it for minutes): it gets the best there is.
    fn kannel_place(&self) -> PathBuf {
        let memory = || Some(PathBuf::from("/dev/shm")).filter(|place| place.is_dir());
        self.kannel_place.clone().or_else(memory).unwrap_or_else(std::env::temp_dir)
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
        let per_s = |last_ns: u64| {
            self.messages as f64 * 1e9 / last_ns.saturating_sub(sent.first_ns).max(1) as f64
        };
        let delivered_per_s = match server.delivered() {
            Some(delivered) if delivered.count - delivered_before != self.messages => {
                return Err(format!(
                    "{} of {} messages were delivered.",
                    delivered.count, self.messages
                ));
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
            cpu_us: before
                .into_iter()
                .zip(after)
                .map(|(before, (_, after))| used(before, after))
                .collect(),
            answer_ms: percentiles(&sent.answer_times),
            receipt_ms: percentiles(&book.receipt_times()),
            peak_octets: server.processes().into_iter().map(peak).sum::<u64>() as f64,
        })
    }
}

/// Kannel's figures where its messages go out by SMPP.
pub(crate) struct CarriedByKannel {
    /// As it calls itself.
    pub(crate) version: String,
    /// Messages a second, each receipted and told.
    pub(crate) per_s: f64,
    /// CPU microseconds of its processes for each.
    pub(crate) cpu_us: f64,
}

/// One round of Kannel between the client here and this SMSC, which everybody may bind to; `None`
/// where it is not installed.
///
/// # Errors
/// One sentence: what did not start, or which message was lost.
pub(crate) fn kannel_by_smpp(
    smsc: SocketAddr,
    messages: u64,
    (server, client): (&[usize], &[usize]),
) -> Result<Option<CarriedByKannel>, String> {
    let Ok(programs) = Programs::find() else { return Ok(None) };
    let peers = Peers {
        rounds: 1,
        messages,
        connections: CONNECTIONS_BY_SMPP,
        kannel_store: Vec::new(),
        kannel_place: None,
        sides: Sides::default(),
        recording: Recording::default(),
    };
    let warm_up = (messages / WARM_UP_SHARE).max(WARM_UP_MIN);
    let book = Arc::new(Book::new(warm_up, messages));
    let sink = Sink::start(client, Arc::clone(&book))
        .map_err(|error| format!("the sink did not start ({error})."))?;
    let store = Store { kind: "none", place: &peers.kannel_place() };
    let out = (store, Out::Smpp(smsc));
    let kannel = Kannel::start(&programs, out, server, sink.address(), TEXT, book.clock())?;
    let round = peers.measure(&kannel, warm_up, &book, client).map_err(|sentence| {
        format!("Kannel by SMPP: {sentence} Its log ends: {}", kannel.log_end())
    })?;
    let cpu_us = round.cpu_us.iter().map(|(_, used)| used).sum();
    Ok(Some(CarriedByKannel { version: programs.version, per_s: round.notified_per_s, cpu_us }))
}

impl Contender {
    fn names(&self) -> (&'static str, &str) {
        match self {
            Self::Kannel(store) => ("kannel", store),
            Self::Hayauma(durability) => ("hayauma", durability),
        }
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
            Err(_) if begun.elapsed() < STALL_AFTER => {
                std::thread::park_timeout(Duration::from_millis(100))
            }
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
