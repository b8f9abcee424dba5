//! The engine beside smpp34's `perf_esme`, both against smpp34's `perf_smsc`: one session, window
//! 10, in turn.
//!
//! perf_esme has all its messages before it begins. So has the engine: they wait in its journal
//! while the carrier is paused, and what is counted begins when it is resumed. The SMSC gives every
//! message the same id and sends no receipts, so what it takes counts as delivered.

use super::carried::{Carried, LOOK, Setup};
use crate::peers::child;
use crate::spread::Rounds;
use serde::Serialize;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Requests outstanding.
const WINDOW: &str = "10";
/// The engine's rate may be counted once so large a part has gone: what the command that resumes
/// the carrier takes is none of it.
const BEGUN_PART: u64 = 20;
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

/// smpp34's programs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    smsc: PathBuf,
    esme: PathBuf,
}

/// The engine and perf_esme at perf_smsc.
#[derive(Clone, Debug, Serialize)]
pub struct BesideFigures {
    /// Messages of a round.
    pub pushes: u64,
    /// submit_sm a second of the engine, answered, each recorded and ended.
    pub engine_per_s: Rounds,
    /// Of perf_esme.
    pub esme_per_s: Rounds,
    /// The former over the latter, round by round.
    pub ratio: Rounds,
}

impl Programs {
    /// `None` where they are not installed.
    pub(super) fn find() -> Option<Self> {
        let named = std::env::var_os("HAYAUMA_PEERS").map(PathBuf::from);
        let own = named.unwrap_or_else(|| "target/peers".into()).join("bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places: Vec<PathBuf> = std::env::split_paths(&path).chain([own]).collect();
        let find = |name: &str| places.iter().map(|at| at.join(name)).find(|file| file.is_file());
        Some(Self { smsc: find("perf_smsc")?, esme: find("perf_esme")? })
    }
}

/// A child that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures both `rounds` times.
///
/// # Errors
/// One sentence: what did not start, or went no further.
pub(super) fn measure(
    programs: &Programs,
    rounds: usize,
    pushes: u64,
    (server, client): (&[usize], &[usize]),
) -> Result<BesideFigures, String> {
    let (mut engine, mut esme) = (Vec::new(), Vec::new());
    for number in 0..rounds.max(1) {
        eprintln!("smpp: beside perf_esme, round {} of {rounds}", number + 1);
        let (_smsc, address) = start_smsc(programs, client)?;
        // Neither is always the first.
        for turn in 0..2 {
            if (number + turn) % 2 == 0 {
                esme.push(run_esme(programs, address, pushes, server)?);
            } else {
                engine.push(run_engine(address, pushes, (server, client))?);
            }
        }
    }
    let ratio = engine.iter().zip(&esme).map(|(engine, esme)| engine / esme).collect();
    Ok(BesideFigures {
        pushes,
        ratio: Rounds::of(ratio),
        engine_per_s: Rounds::of(engine),
        esme_per_s: Rounds::of(esme),
    })
}

fn start_smsc(programs: &Programs, cpus: &[usize]) -> Result<(Running, SocketAddr), String> {
    let fault = |error: std::io::Error| format!("perf_smsc did not start ({error}).");
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(fault)?;
    let mut command = child(&programs.smsc, cpus);
    command.env("SMSC_BIND", address.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running(command.spawn().map_err(fault)?);
    let begun = Instant::now();
    while let Err(error) = TcpStream::connect(address) {
        if begun.elapsed() > LISTENS_WITHIN {
            return Err(fault(error));
        }
        std::thread::park_timeout(LOOK);
    }
    Ok((running, address))
}

/// Submits a second of perf_esme, as it says.
fn run_esme(
    programs: &Programs,
    smsc: SocketAddr,
    pushes: u64,
    cpus: &[usize],
) -> Result<f64, String> {
    let fault = |error: std::io::Error| format!("perf_esme did not run ({error}).");
    let mut command: Command = child(&programs.esme, cpus);
    command.env("SMSC_ADDR", smsc.to_string()).env("COUNT", pushes.to_string());
    command.env("WINDOW", WINDOW).env("SESSIONS", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running(command.spawn().map_err(fault)?);
    let mut said = String::new();
    if let Some(mut output) = running.0.stdout.take() {
        output.read_to_string(&mut said).map_err(fault)?;
    }
    rate_in(&said).ok_or_else(|| format!("perf_esme says no rate: {:?}.", said.trim()))
}

/// The number before `submit_sm/s`.
fn rate_in(said: &str) -> Option<f64> {
    said.split_once(" submit_sm/s")?.0.rsplit(' ').next()?.parse().ok()
}

fn run_engine(
    smsc: SocketAddr,
    pushes: u64,
    (server, client): (&[usize], &[usize]),
) -> Result<f64, String> {
    let settings = ["--window", WINDOW, "--sessions", "1", "--receipts", "false"];
    let carried = Carried::start(&Setup {
        smsc,
        settings: &settings,
        notify_url: None,
        is_paused: true,
        pushes,
        cpus: server,
    })?;
    carried.push(pushes, client)?;
    carried.resume()?;
    let (begun, before) = carried.await_figure("taken_total", pushes / BEGUN_PART)?;
    let (ended, after) = carried.await_figure("taken_total", pushes)?;
    carried.stop()?;
    let seconds = (ended - begun).as_secs_f64().max(1e-9);
    Ok((after - before) as f64 / seconds)
}

pub(super) fn line(figures: &BesideFigures) -> String {
    format!(
        "{:<34}{:>9.0} /s   perf_esme {:.0} /s   ratio {:.2}   (spread {:.0} %)",
        "at perf_smsc, window 10",
        figures.engine_per_s.median,
        figures.esme_per_s.median,
        figures.ratio.median,
        figures.ratio.spread * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_what_perf_esme_says() {
        let said = "perf-esme: 200000 submit_sm in 4.00s = 50000 submit_sm/s  (1 sessions x ...)\n";
        assert_eq!(rate_in(said), Some(50_000.0));
        assert_eq!(rate_in("perf-esme: refused\n"), None);
    }
}
