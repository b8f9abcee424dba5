//! A carrier's limit: how much of it an engine uses that always has something to send, and how
//! often it is told that it was too fast.

use super::carried::{Carried, Setup};
use loadgen::smpp::smsc::{Settings, Smsc};
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use wire::smpp::status::Status;

/// SMS a second.
const RATE: u32 = 100;
/// What either side lets go at once at the beginning is used up by then, and a rest that it may
/// have cost is over.
const SETTLES: Duration = Duration::from_secs(15);
/// So long is looked at.
const FOR: Duration = Duration::from_secs(15);

/// How a limit was used.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RateFigures {
    /// SMS a second that the SMSC takes and the engine was told of.
    pub rate: u32,
    /// The share of it that was taken.
    pub used: f64,
    /// The share of submits that were answered ESME_RTHROTTLED.
    pub throttled: f64,
}

/// Measures it, once.
///
/// # Errors
/// One sentence: what did not start.
pub(super) fn measure((server, client): (&[usize], &[usize])) -> Result<RateFigures, String> {
    eprintln!("smpp: a limit of {RATE} a second");
    let settings = Settings {
        accounts: vec![("bench".to_owned(), String::new())],
        rate_per_s: RATE,
        ..Settings::default()
    };
    let smsc = Smsc::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), settings, client)
        .map_err(|error| format!("the SMSC did not start ({error})."))?;
    let pushes = 2 * u64::from(RATE) * (SETTLES + FOR).as_secs();
    let carried = Carried::start(&Setup {
        smsc: smsc.address(),
        settings: &["--rate", &RATE.to_string()],
        notify_url: None,
        is_paused: false,
        pushes,
        cpus: server,
    })?;
    carried.push(pushes, client)?;
    std::thread::sleep(SETTLES);
    let (begun, before) = (std::time::Instant::now(), smsc.report());
    std::thread::sleep(FOR);
    let (seconds, after) = (begun.elapsed().as_secs_f64(), smsc.report());
    carried.stop()?;
    let name = Status::THROTTLED.to_string();
    let throttled = |report: &loadgen::smpp::smsc::Report| {
        report.answers.get(&name).copied().unwrap_or_default()
    };
    let submits = (after.submits - before.submits).max(1) as f64;
    Ok(RateFigures {
        rate: RATE,
        used: (after.taken - before.taken) as f64 / (f64::from(RATE) * seconds),
        throttled: (throttled(&after) - throttled(&before)) as f64 / submits,
    })
}

pub(super) fn line(figures: &RateFigures) -> String {
    format!(
        "{:<34}{:>9.1} % used   {:.2} % ESME_RTHROTTLED",
        format!("a limit of {} a second", figures.rate),
        figures.used * 100.0,
        figures.throttled * 100.0
    )
}
