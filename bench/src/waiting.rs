//! An engine in which pushes wait, ten million of them: what they take of its pace, its memory and
//! its start.
//!
//! Every push is sent over HTTP to a phone of its own that is absent, is accepted durably,
//! attempted, and held. When all are held, bursts of the same size go to the full engine and, in
//! turn, to a fresh one that holds a few thousand; the full one is killed with SIGKILL, started
//! again, and has to have every push.

use crate::cpus::Sides;
use crate::results::{Beginning, Recording};
use crate::spread::Rounds;
use clap::Args;
use loadgen::drill::waiting::{Burst, Setting, Waiting as Engine};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Phones contracted beside those that are filled: for the bursts, and for the first push after the
/// restart.
const SPARE: u64 = 1000;
/// Pushes that are sent between two looks while the engine is filled.
const STEP: u64 = 1_000_000;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct Waiting {
    /// Pushes that wait in the full engine
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    pub waiting: u64,
    /// Pushes that wait in the engine beside it
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub few: u64,
    /// Pushes of a burst
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub burst: u64,
    /// Bursts to each
    #[arg(long, value_name = "N", default_value_t = 11)]
    pub rounds: u64,
    /// What the answer 0000 survives
    #[arg(long, value_name = "WHAT", default_value = "power", value_parser = ["power", "process"])]
    pub durability: String,
    /// An empty directory for the full engine's data [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    sides: Sides,
    #[command(flatten)]
    recording: Recording,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Pushes that waited in the full engine before the bursts.
    pub waiting: u64,
    /// And in the one beside it.
    pub few: u64,
    /// Pushes of a burst.
    pub burst: u64,
    /// What the answers survived.
    pub durability: String,
    /// The engines' CPUs.
    pub server_cpus: Vec<usize>,
    /// The generator's CPUs.
    pub client_cpus: Vec<usize>,
    /// Pushes accepted per second while it was filled.
    pub fill_per_s: f64,
    /// CPU microseconds of the engine per push meanwhile, the attempt included.
    pub fill_us: f64,
    /// Pushes accepted per second in bursts to the full engine.
    pub full_per_s: Rounds,
    /// And to the other.
    pub few_per_s: Rounds,
    /// The former over the latter, round by round.
    pub ratio: Rounds,
    /// CPU microseconds of the engine per push in bursts to the full one.
    pub full_us: Rounds,
    /// And to the other.
    pub few_us: Rounds,
    /// Octets of the full engine's memory that are no file's.
    pub anonymous_octets: u64,
    /// Octets of its journal and books on the device.
    pub data_octets: u64,
    /// Seconds from the start after SIGKILL to the first answer 0000.
    pub restart_s: f64,
    /// Lines that said meanwhile how far it was.
    pub progress_lines: usize,
    /// Pushes that were accepted before and are not there any more.
    pub lost: u64,
}

impl Waiting {
    /// Measures, prints a line a figure, and keeps the record.
    ///
    /// # Errors
    /// One sentence.
    pub fn run(&self) -> Result<(), String> {
        let beginning = Beginning::of("waiting");
        let (server_cpus, client_cpus) = self.sides.cpus();
        let setting = |pushes_max, directory| Setting {
            pushes_max,
            durability: self.durability.clone(),
            engine_cpus: server_cpus.clone(),
            generator_cpus: client_cpus.clone(),
            connections: 16,
            pipeline: 64,
            directory,
        };
        let room = self.waiting + self.rounds * self.burst + SPARE;
        let mut full = Engine::start(setting(room, self.data_dir.clone())).map_err(sentence)?;
        let (fill_per_s, fill_us) = self.fill(&mut full)?;
        full.await_attempts().map_err(sentence)?;
        let (mut full_bursts, mut few_bursts) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            let mut few =
                Engine::start(setting(self.few + self.burst + SPARE, None)).map_err(sentence)?;
            few.send(self.few).map_err(sentence)?;
            few.await_rest().map_err(sentence)?;
            full.await_rest().map_err(sentence)?;
            // Neither is always the first; and both have the same CPUs, so the second waits until
            // the first one rests.
            if round % 2 == 0 {
                few_bursts.push(self.burst(&mut few)?);
                full_bursts.push(self.burst(&mut full)?);
            } else {
                full_bursts.push(self.burst(&mut full)?);
                few_bursts.push(self.burst(&mut few)?);
            }
        }
        let (memory, data_octets) = (full.memory(), full.data_octets());
        let restart = full.kill_and_start().map_err(sentence)?;
        let ratios = full_bursts
            .iter()
            .zip(&few_bursts)
            .map(|(full, few)| full.accepted_per_s / few.accepted_per_s);
        let figures = Figures {
            waiting: self.waiting,
            few: self.few,
            burst: self.burst,
            durability: self.durability.clone(),
            fill_per_s,
            fill_us,
            ratio: Rounds::of(ratios.collect()),
            full_per_s: Rounds::of(full_bursts.iter().map(|burst| burst.accepted_per_s).collect()),
            few_per_s: Rounds::of(few_bursts.iter().map(|burst| burst.accepted_per_s).collect()),
            full_us: Rounds::of(full_bursts.iter().map(|burst| burst.engine_us).collect()),
            few_us: Rounds::of(few_bursts.iter().map(|burst| burst.engine_us).collect()),
            anonymous_octets: memory.anonymous_octets,
            data_octets,
            restart_s: restart.first_accepted_s,
            progress_lines: restart.progress_lines,
            lost: full.sent().saturating_sub(restart.waiting),
            server_cpus: server_cpus.clone(),
            client_cpus: client_cpus.clone(),
        };
        drop(full);
        if !self.recording.json {
            lines(&figures).iter().for_each(|line| println!("{line}"));
        }
        let lost = figures.lost;
        self.recording.keep(&beginning.into_record(figures))?;
        if lost > 0 { Err(format!("{lost} accepted pushes are gone.")) } else { Ok(()) }
    }

    /// Sends a burst, and returns when the engine has attempted all of it and rests again.
    fn burst(&self, engine: &mut Engine) -> Result<Burst, String> {
        let burst = engine.send(self.burst).map_err(sentence)?;
        engine.await_rest().map_err(sentence)?;
        Ok(burst)
    }

    /// Fills the engine; pushes per second, and CPU microseconds of the engine per push.
    fn fill(&self, full: &mut Engine) -> Result<(f64, f64), String> {
        let begun = Instant::now();
        let mut cpu_us = 0.0;
        let mut seconds = 0.0;
        while full.sent() < self.waiting {
            let step = STEP.min(self.waiting - full.sent());
            let burst = full.send(step).map_err(sentence)?;
            cpu_us += burst.engine_us * step as f64;
            seconds += step as f64 / burst.accepted_per_s;
            if self.waiting > STEP {
                eprintln!(
                    "bench: {} wait after {:.0} s · {:.0} /s · longest answer {:.1} ms",
                    full.sent(),
                    begun.elapsed().as_secs_f64(),
                    burst.accepted_per_s,
                    burst.answers.max_ms
                );
            }
        }
        Ok((
            self.waiting as f64 / seconds.max(f64::MIN_POSITIVE),
            cpu_us / self.waiting.max(1) as f64,
        ))
    }
}

fn sentence(error: loadgen::drill::DrillError) -> String {
    error.to_string()
}

/// The lines that a script reads.
fn lines(figures: &Figures) -> [String; 4] {
    [
        format!(
            "rate few {} full {} few_per_s {:.0} full_per_s {:.0} ratio {:.3} spread {:.3} \
             few_us {:.2} full_us {:.2}",
            figures.few,
            figures.waiting,
            figures.few_per_s.median,
            figures.full_per_s.median,
            figures.ratio.median,
            figures.ratio.spread,
            figures.few_us.median,
            figures.full_us.median
        ),
        format!(
            "fill waiting {} per_s {:.0} engine_us {:.2}",
            figures.waiting, figures.fill_per_s, figures.fill_us
        ),
        format!(
            "memory anonymous_octets {} per_push {:.1} data_octets {}",
            figures.anonymous_octets,
            figures.anonymous_octets as f64 / figures.waiting.max(1) as f64,
            figures.data_octets
        ),
        format!(
            "restart first_accepted_s {:.2} progress_lines {} lost {}",
            figures.restart_s, figures.progress_lines, figures.lost
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_name_and_pairs_of_name_and_number() {
        let one = |value: f64| Rounds::of(vec![value]);
        let figures = Figures {
            waiting: 10_000_000,
            few: 10_000,
            burst: 100_000,
            durability: "power".into(),
            server_cpus: vec![0],
            client_cpus: vec![1],
            fill_per_s: 70_000.0,
            fill_us: 9.5,
            full_per_s: one(90_000.0),
            few_per_s: one(100_000.0),
            ratio: one(0.9),
            full_us: one(9.0),
            few_us: one(8.0),
            anonymous_octets: 1_200_000_000,
            data_octets: 7_000_000_000,
            restart_s: 11.0,
            progress_lines: 10,
            lost: 0,
        };
        for line in lines(&figures) {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(words.len() % 2 == 1, "{line}");
            assert!(words[1..].chunks(2).all(|pair| pair[1].parse::<f64>().is_ok()), "{line}");
        }
        assert!(lines(&figures)[0].contains("ratio 0.900"));
    }
}
