//! What a comparison found: a line for each server, a line for each pair.

use crate::spread::Rounds;
use serde::Serialize;
use std::collections::BTreeMap;

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
    /// Kannel's store.
    pub store: String,
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
    /// Type of the file system that Kannel's store lies on.
    pub kannel_file_system: Option<String>,
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
pub(super) struct Round {
    pub(super) accepted_per_s: f64,
    pub(super) delivered_per_s: f64,
    pub(super) notified_per_s: f64,
    pub(super) cpu_us: Vec<(&'static str, f64)>,
    pub(super) answer_ms: [f64; 2],
    pub(super) receipt_ms: [f64; 2],
    pub(super) peak_octets: f64,
}

impl ServerFigures {
    pub(super) fn of((server, keeps): (&'static str, &str), rounds: &[Round]) -> Self {
        let figure =
            |figure: &dyn Fn(&Round) -> f64| Rounds::of(rounds.iter().map(figure).collect());
        let names = rounds
            .first()
            .map(|round| round.cpu_us.iter().map(|(name, _)| *name))
            .into_iter()
            .flatten();
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

    pub(super) fn line(&self) -> String {
        format!(
            "{} {} accepted_per_s {:.0} delivered_per_s {:.0} notified_per_s {:.0} cpu_us {:.1} \
             spread {:.2} answer_p50_ms {:.2} answer_p99_ms {:.2} receipt_p50_ms {:.2} \
             receipt_p99_ms {:.2} peak_mib {:.0}",
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
    pub(super) fn of(
        durability: &'static str,
        store: &str,
        engine: &[Round],
        kannel: &[Round],
    ) -> Self {
        let ratio = |ratio: &dyn Fn(&Round, &Round) -> f64| {
            Rounds::of(
                engine.iter().zip(kannel).map(|(engine, kannel)| ratio(engine, kannel)).collect(),
            )
        };
        Self {
            durability,
            store: store.to_owned(),
            accepted: ratio(&|engine, kannel| engine.accepted_per_s / kannel.accepted_per_s),
            notified: ratio(&|engine, kannel| engine.notified_per_s / kannel.notified_per_s),
            cpu: ratio(&|engine, kannel| kannel.cpu_us() / engine.cpu_us()),
        }
    }

    pub(super) fn line(&self) -> String {
        format!(
            "ratio {}/{} accepted {:.1} notified {:.1} cpu {:.1} spread {:.2}",
            self.durability,
            self.store,
            self.accepted.median,
            self.notified.median,
            self.cpu.median,
            self.cpu.spread
        )
    }
}

impl Round {
    fn cpu_us(&self) -> f64 {
        self.cpu_us.iter().map(|(_, used)| used).sum()
    }
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
        let figures =
            ServerFigures::of(("kannel", "spool"), &[round(4_000.0, 400.0), round(4_400.0, 360.0)]);
        assert_eq!(
            figures.line(),
            "kannel spool accepted_per_s 4200 delivered_per_s 4200 notified_per_s 4200 \
             cpu_us 380.0 spread 0.11 answer_p50_ms 1.00 answer_p99_ms 2.00 receipt_p50_ms 3.00 \
             receipt_p99_ms 4.00 peak_mib 1"
        );
        assert_eq!(figures.cpu_us_by_process["b"].median, 285.0);
        let ratios =
            Ratios::of("power", "spool", &[round(40_000.0, 20.0)], &[round(4_000.0, 400.0)]);
        assert_eq!(
            ratios.line(),
            "ratio power/spool accepted 10.0 notified 10.0 cpu 20.0 spread 0.00"
        );
    }
}
