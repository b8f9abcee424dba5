//! The engine over TLS 1.3 beside the same engine over plain TCP: the same pushes from the same
//! generator over connections that are kept, on the same CPUs, in turn.
//!
//! Each round is a drill of its own: a fresh engine, every push accepted, delivered, notified and
//! billed. Handshakes are made before the load begins and are in no figure. Notifications are
//! plain on either side. Pushes are safe from the death of the process only: a device that syncs
//! slowly would hide what TLS costs.

use crate::cpus::Sides;
use crate::results::{Beginning, Recording};
use crate::spread::Rounds;
use clap::Args;
use loadgen::drill::Drill;
use loadgen::mix::Mix;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What TLS has to leave of the plain rate.
const RATIO_MIN: f64 = 0.6;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct TlsBench {
    /// Rounds of each
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: usize,
    /// Pushes of an unpipelined round; a pipelined one has three times as many
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub pushes: u64,
    /// What the answer 0000 survives
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "process",
        value_parser = ["power", "process"]
    )]
    pub durability: String,
    #[command(flatten)]
    sides: Sides,
    #[command(flatten)]
    recording: Recording,
}

/// How requests come.
#[derive(Clone, Copy, Debug)]
struct Arriving {
    name: &'static str,
    connections: usize,
    pipeline: usize,
    pushes_factor: u64,
}

const ARRIVING: [Arriving; 2] = [
    Arriving { name: "unpipelined", connections: 64, pipeline: 1, pushes_factor: 1 },
    Arriving { name: "pipelined", connections: 16, pipeline: 16, pushes_factor: 3 },
];

/// The figures of one way in which requests come.
#[derive(Clone, Debug, Serialize)]
pub struct TlsCase {
    /// `unpipelined` or `pipelined`.
    pub load: &'static str,
    /// Connections.
    pub connections: usize,
    /// Requests in flight on each.
    pub pipeline: usize,
    /// Pushes of a round.
    pub pushes: u64,
    /// Pushes notified per second over TLS.
    pub tls_per_s: Rounds,
    /// And plainly.
    pub plain_per_s: Rounds,
    /// The former over the latter, round by round.
    pub ratio: Rounds,
    /// CPU microseconds of the engine per push over TLS.
    pub tls_us: Rounds,
    /// And plainly.
    pub plain_us: Rounds,
    /// CPU microseconds of the generator per push over TLS.
    pub generator_tls_us: Rounds,
    /// And plainly.
    pub generator_plain_us: Rounds,
}

/// What a run of the bench found.
#[derive(Clone, Debug, Serialize)]
pub struct TlsBenchFigures {
    /// Rounds of each.
    pub rounds: usize,
    /// What the answers survived.
    pub durability: String,
    /// The engine's CPUs.
    pub server_cpus: Vec<usize>,
    /// The generator's CPUs.
    pub client_cpus: Vec<usize>,
    /// What came out.
    pub cases: Vec<TlsCase>,
}

/// One drill.
#[derive(Clone, Copy)]
struct Round {
    per_s: f64,
    engine_us: f64,
    generator_us: f64,
}

impl TlsBench {
    /// Measures, prints a line a case, and appends to the results.
    ///
    /// # Errors
    /// One sentence: what did not start, what was wrong with the books, or that TLS leaves less of
    /// the plain rate than it has to.
    pub fn run(&self) -> Result<(), String> {
        let beginning = Beginning::of("tls");
        let (server_cpus, client_cpus) = self.sides.cpus();
        let mut cases = Vec::new();
        for arriving in ARRIVING {
            let case = self.case(arriving, &server_cpus, &client_cpus)?;
            if !self.recording.json {
                println!("{}", line(&case));
            }
            cases.push(case);
        }
        let missed = missed(&cases);
        let durability = self.durability.clone();
        let figures =
            TlsBenchFigures { rounds: self.rounds, durability, server_cpus, client_cpus, cases };
        self.recording.keep(&beginning.into_record(figures))?;
        missed.map_or(Ok(()), Err)
    }

    /// Both in turn; neither is always the first.
    fn case(
        &self,
        arriving: Arriving,
        server: &[usize],
        client: &[usize],
    ) -> Result<TlsCase, String> {
        let (mut plain, mut secure) = (Vec::new(), Vec::new());
        for round in 0..self.rounds.max(1) {
            for turn in 0..2 {
                let tls = (round + turn) % 2 == 1;
                let name = if tls { "TLS" } else { "plain" };
                eprintln!("tls: {name} {}, round {} of {}", arriving.name, round + 1, self.rounds);
                let measured = self.round(arriving, tls, server, client)?;
                if tls { &mut secure } else { &mut plain }.push(measured);
            }
        }
        Ok(case_of(arriving, self.pushes * arriving.pushes_factor, &secure, &plain))
    }

    fn round(
        &self,
        arriving: Arriving,
        tls: bool,
        server: &[usize],
        client: &[usize],
    ) -> Result<Round, String> {
        let drill = Drill {
            pushes: self.pushes * arriving.pushes_factor,
            durability: self.durability.clone(),
            engine_cpus: server.to_vec(),
            generator_cpus: client.to_vec(),
            connections: arriving.connections,
            pipeline: arriving.pipeline,
            threads: Some(1),
            mix: Mix::sample(),
            tls,
            ..Drill::default()
        };
        let summary = drill
            .carry_out(&Arc::new(AtomicBool::new(false)))
            .map_err(|error| error.to_string())?;
        if !summary.clean {
            return Err(format!("the engine's books are not clean: {}", summary.faults.join(" ")));
        }
        Ok(Round {
            per_s: summary.notified_per_s,
            engine_us: summary.engine.as_ref().map_or(0.0, |engine| engine.cpu_us_per_push),
            generator_us: summary.generator.cpu_us_per_push,
        })
    }
}

fn case_of(arriving: Arriving, pushes: u64, secure: &[Round], plain: &[Round]) -> TlsCase {
    let rounds = |rounds: &[Round], figure: fn(&Round) -> f64| {
        Rounds::of(rounds.iter().map(figure).collect())
    };
    let ratios = secure.iter().zip(plain).map(|(secure, plain)| secure.per_s / plain.per_s);
    TlsCase {
        load: arriving.name,
        connections: arriving.connections,
        pipeline: arriving.pipeline,
        pushes,
        ratio: Rounds::of(ratios.collect()),
        tls_per_s: rounds(secure, |round| round.per_s),
        plain_per_s: rounds(plain, |round| round.per_s),
        tls_us: rounds(secure, |round| round.engine_us),
        plain_us: rounds(plain, |round| round.engine_us),
        generator_tls_us: rounds(secure, |round| round.generator_us),
        generator_plain_us: rounds(plain, |round| round.generator_us),
    }
}

/// The cases in which TLS leaves too little, in one sentence.
fn missed(cases: &[TlsCase]) -> Option<String> {
    let short = cases.iter().filter(|case| case.ratio.median < RATIO_MIN);
    let named: Vec<String> =
        short.map(|case| format!("{:.2} of it {}", case.ratio.median, case.load)).collect();
    (!named.is_empty()).then(|| {
        format!(
            "TLS has to leave {RATIO_MIN} of the plain rate, and leaves {}.",
            named.join(" and ")
        )
    })
}

/// The line that a script reads.
fn line(case: &TlsCase) -> String {
    format!(
        "{} tls_per_s {:.0} plain_per_s {:.0} ratio {:.2} spread {:.2} must {RATIO_MIN:.2} \
         engine_tls_us {:.2} engine_plain_us {:.2} generator_tls_us {:.2} generator_plain_us {:.2}",
        case.load,
        case.tls_per_s.median,
        case.plain_per_s.median,
        case.ratio.median,
        case.ratio.spread,
        case.tls_us.median,
        case.plain_us.median,
        case.generator_tls_us.median,
        case.generator_plain_us.median
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_one_line_and_one_that_leaves_too_little_is_named() {
        let rounds = |rates: [f64; 3], engine_us, generator_us| {
            rates.map(|per_s| Round { per_s, engine_us, generator_us })
        };
        let plain = rounds([50_000.0, 52_000.0, 48_000.0], 12.0, 3.0);
        let enough = rounds([40_000.0, 39_000.0, 42_000.0], 15.0, 6.5);
        let good = case_of(ARRIVING[0], 10, &enough, &plain);
        assert_eq!(
            line(&good),
            "unpipelined tls_per_s 40000 plain_per_s 50000 ratio 0.80 spread 0.16 must 0.60 \
             engine_tls_us 15.00 engine_plain_us 12.00 generator_tls_us 6.50 \
             generator_plain_us 3.00"
        );
        assert_eq!(missed(std::slice::from_ref(&good)), None);
        let little = rounds([25_000.0; 3], 24.0, 6.5);
        let bad = case_of(ARRIVING[1], 30, &little, &plain);
        let sentence = missed(&[good, bad]).expect("too little");
        assert!(sentence.contains("0.50 of it pipelined") && !sentence.contains("unpipelined"));
    }
}
