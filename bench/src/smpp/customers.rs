//! Customers: durable submit_sm a second at an engine of one shard, beside its HTTP pushes a second
//! in the same run.
//!
//! Both loads come from the same senders, with as many connections and as many requests in flight
//! on each, over the same phones, in turn within each round and each to an engine that starts
//! afresh. No end is told, so both are what taking a push costs.

use crate::spread::Rounds;
use loadgen::drill::engine::{Engine, Start, run_command};
use loadgen::mix::Mix;
use loadgen::msns::Msns;
use loadgen::plan::Plan;
use loadgen::smpp::account::Account;
use serde::Serialize;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use wire::terms::ids::{Msn, Xpid};

/// The customer.
const XPID: u64 = 100_000_001;
const SYSTEM_ID: &str = "bench";
const PASSWORD: &str = "benchpw";
/// Its phones: 09000000000 and those behind it.
const FIRST_MSN: u64 = 9_000_000_000;
const PHONES: u64 = 100_000;
/// Sessions, and connections of HTTP.
const CONNECTIONS: usize = 8;
/// Requests in flight on each.
const WINDOW: usize = 256;

/// What customers and push clients of HTTP get from one shard.
#[derive(Clone, Debug, Serialize)]
pub struct CustomerFigures {
    /// Pushes of a round, either way.
    pub pushes: u64,
    /// Durable submit_sm a second.
    pub smpp_per_s: Rounds,
    /// Durable pushes over HTTP a second.
    pub http_per_s: Rounds,
    /// The first of the second.
    pub ratio: Rounds,
    /// CPU microseconds of the engine for each submit_sm.
    pub smpp_us: Rounds,
    /// The same for each push over HTTP.
    pub http_us: Rounds,
}

/// One round, either way.
struct Round {
    per_s: f64,
    engine_us: f64,
}

/// Measures `rounds` rounds of so many pushes.
///
/// # Errors
/// One sentence: what did not start, or what was not accounted for.
pub(super) fn measure(
    rounds: usize,
    pushes: u64,
    (server, client): (&[usize], &[usize]),
) -> Result<CustomerFigures, String> {
    let (mut smpp, mut http) = (Vec::new(), Vec::new());
    for number in 0..rounds.max(1) {
        for by_smpp in [true, false] {
            eprintln!(
                "smpp: customers {}, round {} of {rounds}",
                if by_smpp { "by SMPP" } else { "over HTTP" },
                number + 1
            );
            let round = round(by_smpp, pushes, server, client)?;
            if by_smpp { smpp.push(round) } else { http.push(round) }
        }
    }
    let of = |rounds: &[Round], figure: fn(&Round) -> f64| {
        Rounds::of(rounds.iter().map(figure).collect())
    };
    let ratio = smpp.iter().zip(&http).map(|(smpp, http)| smpp.per_s / http.per_s);
    Ok(CustomerFigures {
        pushes,
        ratio: Rounds::of(ratio.collect()),
        smpp_per_s: of(&smpp, |round| round.per_s),
        http_per_s: of(&http, |round| round.per_s),
        smpp_us: of(&smpp, |round| round.engine_us),
        http_us: of(&http, |round| round.engine_us),
    })
}

fn round(by_smpp: bool, pushes: u64, server: &[usize], client: &[usize]) -> Result<Round, String> {
    let directory = tempfile::Builder::new().prefix("hayauma-bench-").tempdir();
    let directory =
        directory.map_err(|error| format!("there is no place for the engine's data ({error})."))?;
    let data_dir = directory.path().join("data");
    let smpp = free_address().map_err(|error| format!("there is no free port ({error})."))?;
    let more = [
        "--smpp",
        &smpp.to_string(),
        "--network-latency-ms",
        "0",
        "--network-latency-jitter-ms",
        "0",
    ]
    .map(str::to_owned);
    register(directory.path(), &data_dir)?;
    let start = Start {
        data_dir: &data_dir,
        log: &directory.path().join("engine.log"),
        durability: "power",
        io: None,
        shards: 1,
        cpus: &server[..server.len().min(1)],
        tls: None,
        more: &more,
    };
    let engine = Engine::start(&start).map_err(|error| error.to_string())?;
    let xpid = Xpid::from_value(XPID).ok_or("the XPID is legal")?;
    let first = Msn::from_value(FIRST_MSN).ok_or("the msn is legal")?;
    let plan = Plan {
        pushes,
        xpid,
        msns: Msns::Range { first, count: PHONES },
        mix: Mix::text(),
        notify: false,
        connections: CONNECTIONS,
        pipeline: WINDOW,
        cpus: client.to_vec(),
        smpp: by_smpp.then(|| Account::new(SYSTEM_ID, PASSWORD)),
        ..Plan::new(if by_smpp { smpp } else { engine.listen })
    };
    let before = engine.cpu_time();
    let outcome = loadgen::run::run(plan, None).map_err(|error| error.to_string())?;
    let used = engine.cpu_time().saturating_sub(before);
    engine.stop().map_err(|error| error.to_string())?;
    if outcome.tally.accepted != pushes {
        return Err(format!("not every push was taken: {}.", outcome.tally));
    }
    Ok(Round {
        per_s: pushes as f64 / outcome.settled_within.as_secs_f64(),
        engine_us: used.as_secs_f64() * 1e6 / pushes as f64,
    })
}

pub(super) fn line(figures: &CustomerFigures) -> String {
    format!(
        "{:<34}{:>9.0} /s   HTTP {:.0} /s   ratio {:.2}   engine {:.2} µs and {:.2} µs",
        "customers, durable submit_sm",
        figures.smpp_per_s.median,
        figures.http_per_s.median,
        figures.ratio.median,
        figures.smpp_us.median,
        figures.http_us.median
    )
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn register(directory: &Path, data_dir: &Path) -> Result<(), String> {
    let password = directory.join("password");
    std::fs::write(&password, PASSWORD)
        .map_err(|error| format!("the password cannot be written ({error})."))?;
    let xpid = format!("{XPID:011}");
    let range = format!("{FIRST_MSN:011}-{:011}", FIRST_MSN + PHONES - 1);
    let binds = CONNECTIONS.to_string();
    let window = WINDOW.to_string();
    let place = [OsStr::new("--data-dir"), data_dir.as_os_str()];
    let client = ["client", "add", &xpid, "--client", "bench", "--sender", "Hayauma"];
    let account = ["--system-id", SYSTEM_ID, "--binds-max", &binds, "--smpp-window", &window];
    let rest = ["--network", "127.0.0.0/8", "--smpp-password-file"];
    let words = client.iter().chain(&account).chain(&rest).map(OsStr::new);
    let add: Vec<&OsStr> = words.chain([password.as_os_str()]).chain(place).collect();
    run_command(&add).map_err(|error| error.to_string())?;
    let contract = ["contract", "add", &xpid, &range];
    let add: Vec<&OsStr> = contract.iter().map(OsStr::new).chain(place).collect();
    run_command(&add).map(|_| ()).map_err(|error| error.to_string())
}
