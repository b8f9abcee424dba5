//! The engine's answer under `power` beside one sync, in an open loop: of an engine that sleeps
//! when it has nothing to do, and of one that looks for work instead (`--idle-poll-us`).
//!
//! Two more stand beside them, at the same rate on the same CPUs, because a machine has a tail of
//! its own: the responder that keeps nothing (what the network, the generator and the CPU's sleep
//! take), and a thread that does nothing but write a page and sync it (what the CPU's sleep and the
//! device take). All take turns within a round, and the order moves on from round to round. What
//! falls due is looked for by whoever sends or writes it, for a moment before ([`SPIN`]): a thread
//! that sleeps until then wakes up late, and that would be the engine's.
//!
//! What of an engine's answer is the device's and what its own, the engine says itself: how long
//! its commits took, and the rest of the answers, in which no commit was under way ([`Served`]).
//! The device is a neighbour's too.
//!
//! All of them, and the generator, share the same CPUs, one if nothing else is said, and the others
//! are left to whatever else the machine does: that takes milliseconds at a time, and a tenth of a
//! percent of it on a CPU in use is all that one sees in the last thousandth. The generator costs
//! the engine more there than on a CPU of its own, and is not held up itself. Programs that find
//! these CPUs busy go elsewhere by themselves; the kernel's threads are moved ([`crate::shield`]),
//! where that is permitted.

use super::device::{Device, SyncTimes};
use super::{Append, DEVICE_OCTETS};
use crate::responder::Responder;
use crate::shield::{Shield, Shielded};
use crate::spread::Rounds;
use loadgen::drill::Drill;
use loadgen::latency::Latencies;
use loadgen::mix::Mix;
use loadgen::os;
use loadgen::plan::{Load, Plan};
use loadgen::summary::EngineFigures;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// An answer is late that takes longer than so many syncs.
const LATE_SYNCS: f64 = 5.0;
/// How long the CPUs are kept busy before each turn: what wakes up once a second has found another
/// one then.
const SETTLE: Duration = Duration::from_millis(2_500);
/// How long before a send or a write is due it is looked for.
const SPIN: Duration = Duration::from_micros(80);
/// The polling engine's `--idle-poll-us`: longer than from one push to the next.
const IDLE_POLL_US: &str = "1000";
/// Connections, and requests in flight on each.
const CONNECTIONS: usize = 16;
const PIPELINE: usize = 64;

/// The answer beside one sync.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerFigures {
    /// The CPUs of all of them.
    pub cpus: Vec<usize>,
    /// The generator's.
    pub load_cpus: Vec<usize>,
    /// What was kept off these CPUs.
    pub shielded: Option<Shielded>,
    /// Pushes per second, open loop.
    pub rate_per_s: u64,
    /// Pushes of a round.
    pub pushes: u64,
    /// The engine's, under `power`.
    pub engine: Tail,
    /// The same of an engine that polls.
    pub polling: Tail,
    /// The responder's, which keeps nothing.
    pub bare: Tail,
    /// The device's median: one page written and synced after the other, milliseconds.
    pub sync_p50_ms: Rounds,
    /// Their 99.9th percentile.
    pub sync_p999_ms: Rounds,
    /// The same at the rate of the pushes, from the moment it was due, milliseconds.
    pub paced_sync_p50_ms: Rounds,
    /// Their 99.9th percentile.
    pub paced_sync_p999_ms: Rounds,
    /// What the engine says of itself.
    pub engine_served: Served,
    /// The same of the engine that polls, polling included.
    pub polling_served: Served,
}

/// An engine's answers from within.
#[derive(Clone, Debug, Serialize)]
pub struct Served {
    /// CPU microseconds per push.
    pub engine_us: Rounds,
    /// Half of its commits, milliseconds, from the begin until the shard knew that they were done.
    pub commit_p50_ms: Rounds,
    /// 999 of 1,000 commits.
    pub commit_p999_ms: Rounds,
    /// 999 in 1,000 of the answers' own parts, in which no commit was under way, milliseconds.
    pub own_p999_ms: Rounds,
    /// The same over the device's median sync, round by round.
    pub own_p999_syncs: Rounds,
}

/// A server's answer times, from the intended send to the answer.
#[derive(Clone, Debug, Serialize)]
pub struct Tail {
    /// Whose: `engine`, `polling` or `bare`.
    pub server: &'static str,
    /// Half of them, milliseconds.
    pub p50_ms: Rounds,
    /// 99 in 100.
    pub p99_ms: Rounds,
    /// 999 in 1,000.
    pub p999_ms: Rounds,
    /// 999 in 1,000 over the device's median sync, round by round.
    pub p999_syncs: Rounds,
    /// Share of the answers that took longer than five of the device's median syncs.
    pub late: Rounds,
}

/// What an engine did in a round.
struct Turn {
    answers: Latencies,
    figures: EngineFigures,
}

/// What one round found.
struct Round {
    sync: SyncTimes,
    paced: SyncTimes,
    engine: Turn,
    polling: Turn,
    bare: Latencies,
}

impl AnswerFigures {
    /// Measures all rounds.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn measure(append: &Append, place: &Path) -> Result<Self, String> {
        let device = Device::open(&place.join("device"), DEVICE_OCTETS).map_err(unwritten)?;
        let mut rounds = Vec::new();
        let shield = append.shield()?;
        // What was written before, by whomever, is not written back meanwhile.
        os::sync();
        for number in 0..append.answer_rounds.max(1) {
            rounds.push(append.answer_round(&device, number)?);
        }
        Ok(Self::of(append, shield.as_ref().map(Shield::told), &rounds))
    }

    fn of(append: &Append, shielded: Option<&Shielded>, rounds: &[Round]) -> Self {
        let of = |figure: fn(&Round) -> f64| Rounds::of(rounds.iter().map(figure).collect());
        Self {
            cpus: append.answer_cpus(),
            load_cpus: append.answer_load_cpus(),
            shielded: shielded.cloned(),
            rate_per_s: append.rate,
            pushes: append.pushes,
            engine: Tail::of("engine", rounds, |round| &round.engine.answers),
            polling: Tail::of("polling", rounds, |round| &round.polling.answers),
            bare: Tail::of("bare", rounds, |round| &round.bare),
            sync_p50_ms: of(|round| round.sync.p50_ms),
            sync_p999_ms: of(|round| round.sync.p999_ms),
            paced_sync_p50_ms: of(|round| round.paced.p50_ms),
            paced_sync_p999_ms: of(|round| round.paced.p999_ms),
            engine_served: Served::of(rounds, |round| &round.engine.figures),
            polling_served: Served::of(rounds, |round| &round.polling.figures),
        }
    }

    /// The lines that a script reads.
    pub(super) fn lines(&self) -> [String; 5] {
        [
            Shielded::line(self.shielded.as_ref()),
            format!(
                "answer rate_per_s {} {} {}",
                self.rate_per_s,
                self.engine.pairs(),
                self.engine_served.pairs()
            ),
            format!(
                "polling rate_per_s {} {} {}",
                self.rate_per_s,
                self.polling.pairs(),
                self.polling_served.pairs()
            ),
            format!("bare rate_per_s {} {}", self.rate_per_s, self.bare.pairs()),
            format!(
                "sync p50_ms {:.3} p999_ms {:.3} paced_p50_ms {:.3} paced_p999_ms {:.3}",
                self.sync_p50_ms.median,
                self.sync_p999_ms.median,
                self.paced_sync_p50_ms.median,
                self.paced_sync_p999_ms.median
            ),
        ]
    }
}

impl Tail {
    fn of(server: &'static str, rounds: &[Round], times: fn(&Round) -> &Latencies) -> Self {
        let at = |round: &Round, percent| times(round).percentile_ns(percent) as f64 / 1e6;
        let of = |figure: &dyn Fn(&Round) -> f64| Rounds::of(rounds.iter().map(figure).collect());
        Self {
            server,
            p50_ms: of(&|round| at(round, 50.0)),
            p99_ms: of(&|round| at(round, 99.0)),
            p999_ms: of(&|round| at(round, 99.9)),
            p999_syncs: of(&|round| at(round, 99.9) / round.sync.p50_ms),
            late: of(&|round| late_share(times(round), LATE_SYNCS * round.sync.p50_ms)),
        }
    }

    fn pairs(&self) -> String {
        format!(
            "p50_ms {:.3} p99_ms {:.3} p999_ms {:.3} p999_syncs {:.2} spread {:.2} late {:.4}",
            self.p50_ms.median,
            self.p99_ms.median,
            self.p999_ms.median,
            self.p999_syncs.median,
            self.p999_syncs.spread,
            self.late.median
        )
    }
}

impl Served {
    fn of(rounds: &[Round], figures: fn(&Round) -> &EngineFigures) -> Self {
        let of = |figure: &dyn Fn(&Round) -> f64| Rounds::of(rounds.iter().map(figure).collect());
        Self {
            engine_us: of(&|round| figures(round).cpu_us_per_push),
            commit_p50_ms: of(&|round| figures(round).commit_times.p50_ms),
            commit_p999_ms: of(&|round| figures(round).commit_times.p999_ms),
            own_p999_ms: of(&|round| figures(round).own_times.p999_ms),
            own_p999_syncs: of(&|round| figures(round).own_times.p999_ms / round.sync.p50_ms),
        }
    }

    fn pairs(&self) -> String {
        format!(
            "engine_us {:.2} commit_p50_ms {:.3} commit_p999_ms {:.3} own_p999_ms {:.3} \
             own_p999_syncs {:.2}",
            self.engine_us.median,
            self.commit_p50_ms.median,
            self.commit_p999_ms.median,
            self.own_p999_ms.median,
            self.own_p999_syncs.median
        )
    }
}

/// The share of them that took longer than `limit_ms`.
fn late_share(times: &Latencies, limit_ms: f64) -> f64 {
    let limit_ns = (limit_ms * 1e6) as u64;
    let within = times.histogram().count_between(0, limit_ns);
    times.count().saturating_sub(within) as f64 / times.count().max(1) as f64
}

impl Append {
    /// Clears the CPUs of what is measured; refused, the machine is measured as it stands.
    fn shield(&self) -> Result<Option<Shield>, String> {
        if self.no_shield {
            return Ok(None);
        }
        Shield::raise(&os::joined(&self.answer_cpus(), &self.answer_load_cpus()))
            .map_err(|error| format!("the shield's process did not start ({error})."))
    }

    fn answer_round(&self, device: &Device, number: usize) -> Result<Round, String> {
        let (mut syncs, mut engine, mut polling, mut bare) = (None, None, None, None);
        for turn in 0..4 {
            match (turn + number) % 4 {
                0 => syncs = Some(self.syncs(device).map_err(unwritten)?),
                1 => engine = Some(self.engine(&[])?),
                2 => polling = Some(self.engine(&["--idle-poll-us", IDLE_POLL_US])?),
                _ => bare = Some(self.bare()?),
            }
        }
        match (syncs, engine, polling, bare) {
            (Some((sync, paced)), Some(engine), Some(polling), Some(bare)) => {
                Ok(Round { sync, paced, engine, polling, bare })
            }
            _ => unreachable!("four turns are all four of them"),
        }
    }

    /// On a thread of its own, because it is pinned.
    fn syncs(&self, device: &Device) -> std::io::Result<(SyncTimes, SyncTimes)> {
        let cpus = self.answer_cpus();
        os::keep_busy(&cpus, SETTLE);
        std::thread::scope(|scope| {
            let syncs = scope.spawn(|| {
                os::pin_thread(&cpus)?;
                Ok((device.single_syncs()?, device.paced_syncs(self.rate, self.pushes, SPIN)?))
            });
            syncs.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// What an engine with these arguments did.
    fn engine(&self, arguments: &[&str]) -> Result<Turn, String> {
        let drill = Drill {
            pushes: self.pushes + self.rate,
            warm_up: self.rate,
            engine_cpus: self.answer_cpus(),
            generator_cpus: self.answer_load_cpus(),
            shards: Some(1),
            settle: SETTLE,
            load: self.open_loop(),
            connections: CONNECTIONS,
            pipeline: PIPELINE,
            threads: Some(1),
            spin: SPIN,
            mix: Mix::sample(),
            engine_arguments: arguments.iter().copied().map(str::to_owned).collect(),
            ..Drill::default()
        };
        let measured = drill.carry_out_in_full(&Arc::new(AtomicBool::new(false)));
        let (summary, outcome) = measured.map_err(|error| error.to_string())?;
        if !summary.clean {
            return Err(format!("the engine's books are not clean: {}", summary.faults.join(" ")));
        }
        let figures = summary.engine.ok_or("the drill says nothing of its engine.")?;
        Ok(Turn { answers: outcome.sent.answer_times, figures })
    }

    fn bare(&self) -> Result<Latencies, String> {
        let (server_cpus, cpus) = (self.answer_cpus(), self.answer_load_cpus());
        let responder = Responder::start(&server_cpus)
            .map_err(|error| format!("the responder did not start ({error})."))?;
        let mut plan = Plan::new(responder.address());
        (plan.pushes, plan.warm_up) = (self.pushes + self.rate, self.rate);
        (plan.connections, plan.pipeline) = (CONNECTIONS, PIPELINE);
        plan.load = self.open_loop();
        (plan.mix, plan.spin) = (Mix::sample(), SPIN);
        plan.notify = false;
        plan.cpus.clone_from(&cpus);
        plan.spare_cpus = os::cpus_beside(&os::joined(&server_cpus, &cpus));
        os::keep_busy(&os::joined(&server_cpus, &cpus), SETTLE);
        let outcome = loadgen::run::run(plan, None).map_err(|error| error.to_string())?;
        if outcome.tally.accepted != self.pushes + self.rate {
            return Err(format!("the responder answered {} requests.", outcome.tally.accepted));
        }
        Ok(outcome.sent.answer_times)
    }

    fn open_loop(&self) -> Load {
        Load::Open { rate_per_second: self.rate }
    }
}

fn unwritten(error: std::io::Error) -> String {
    format!("the file beside the journal could not be written ({error}).")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_what_took_longer_than_the_limit() {
        let mut times = Latencies::default();
        times.record_n(100_000, 998);
        times.record_n(2_000_000, 2);
        assert!((late_share(&times, 0.5) - 0.002).abs() < 1e-9);
        assert_eq!(late_share(&times, 5.0), 0.0);
        assert_eq!(late_share(&Latencies::default(), 0.5), 0.0);
    }
}
