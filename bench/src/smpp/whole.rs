//! The whole way of a push by a carrier, beside Kannel: taken over HTTP, submitted, answered,
//! receipted, told to the push client. One session, window 10, the same SMSC for both, in turn.
//!
//! The SMSC acknowledges at TCP's level all that arrives at once: Kannel gathers small PDUs until
//! then, and is several times slower without. Its store is none at all, its fastest; the engine
//! keeps each push safe from the loss of power.

use super::carried::{Carried, Setup};
use crate::peers::{CarriedByKannel, kannel_by_smpp};
use crate::responder::Responder;
use crate::spread::Rounds;
use loadgen::sink::Sink;
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr};

/// Kannel's messages are so many times fewer: it is that much slower.
const KANNEL_SHARE: u64 = 10;

/// The engine and Kannel, from HTTP to the receipt's notification.
#[derive(Clone, Debug, Serialize)]
pub struct WholeFigures {
    /// The engine's pushes of a round.
    pub pushes: u64,
    /// Pushes a second, each receipted and told.
    pub engine_per_s: Rounds,
    /// CPU microseconds of the engine for each.
    pub engine_us: Rounds,
    /// Kannel's version; `None`: it is not installed.
    pub kannel: Option<String>,
    /// Kannel's messages a second, likewise.
    pub kannel_per_s: Rounds,
    /// CPU microseconds of its processes for each.
    pub kannel_us: Rounds,
    /// The engine's rate over Kannel's, round by round.
    pub ratio: Rounds,
}

/// Measures `rounds` rounds of so many pushes.
///
/// # Errors
/// One sentence: what did not start, or was not accounted for.
pub(super) fn measure(
    rounds: usize,
    pushes: u64,
    sides: (&[usize], &[usize]),
) -> Result<WholeFigures, String> {
    let (mut engine, mut kannel) = (Vec::new(), Vec::new());
    let mut version = None;
    for number in 0..rounds.max(1) {
        eprintln!("smpp: HTTP to receipt, round {} of {rounds}", number + 1);
        engine.push(engine_round(pushes, sides)?);
        let smsc = start_smsc(sides.1)?;
        let messages = (pushes / KANNEL_SHARE).max(1);
        match kannel_by_smpp(smsc.address(), messages, sides)? {
            Some(CarriedByKannel { version: its, per_s, cpu_us }) => {
                version = Some(its);
                kannel.push((per_s, cpu_us));
            }
            None if number == 0 => eprintln!("smpp: Kannel is not installed and left out"),
            None => {}
        }
    }
    let of = |rounds: &[(f64, f64)], figure: fn(&(f64, f64)) -> f64| {
        Rounds::of(rounds.iter().map(figure).collect())
    };
    let ratio = engine.iter().zip(&kannel).map(|(engine, kannel)| engine.0 / kannel.0);
    Ok(WholeFigures {
        pushes,
        ratio: Rounds::of(ratio.collect()),
        engine_per_s: of(&engine, |round| round.0),
        engine_us: of(&engine, |round| round.1),
        kannel: version,
        kannel_per_s: of(&kannel, |round| round.0),
        kannel_us: of(&kannel, |round| round.1),
    })
}

fn start_smsc(cpus: &[usize]) -> Result<Responder, String> {
    Responder::quick_smsc(cpus).map_err(|error| format!("the SMSC did not start ({error})."))
}

/// Rate and CPU time.
fn engine_round(pushes: u64, (server, client): (&[usize], &[usize])) -> Result<(f64, f64), String> {
    let smsc = start_smsc(client)?;
    let sink = Sink::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), client)
        .map_err(|error| format!("the sink did not start ({error})."))?;
    let carried = Carried::start(&Setup {
        smsc: smsc.address(),
        settings: &["--window", "10", "--sessions", "1"],
        notify_url: Some(&sink.url()),
        is_paused: false,
        pushes,
        cpus: server,
    })?;
    let plan = carried.plan(pushes, true, client)?;
    let before = carried.engine.cpu_time();
    let outcome = loadgen::run::run(plan, Some(&sink)).map_err(|error| error.to_string())?;
    let used = carried.engine.cpu_time().saturating_sub(before);
    if !outcome.is_clean() || outcome.tally.accepted != pushes {
        return Err(format!("not every push is accounted for: {}.", outcome.tally));
    }
    carried.stop()?;
    let per_s = pushes as f64 / outcome.settled_within.as_secs_f64();
    Ok((per_s, used.as_secs_f64() * 1e6 / pushes as f64))
}

pub(super) fn line(figures: &WholeFigures) -> String {
    format!(
        "{:<34}{:>9.0} /s   engine {:.2} µs   Kannel {:.0} /s {:.2} µs   ratio {:.1}",
        "HTTP to receipt, window 10",
        figures.engine_per_s.median,
        figures.engine_us.median,
        figures.kannel_per_s.median,
        figures.kannel_us.median,
        figures.ratio.median
    )
}
