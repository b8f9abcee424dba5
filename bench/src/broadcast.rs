//! What a recipient of a broadcast costs beside a single push, in the same run.
//!
//! Single pushes: the drill's life cycle, each push accepted, delivered over the simulated network,
//! ended, billed and notified. Rows: one broadcast to as many phones as are wanted, delivered over
//! the same network, their outcomes durable and billed. What is compared is CPU time of the
//! engine's whole process for each, on the same CPUs, in turn.

use crate::cpus::Sides;
use crate::results::{Beginning, Recording};
use crate::spread::Rounds;
use clap::Args;
use loadgen::drill::{BroadcastDrill, BroadcastFigures, Drill};
use loadgen::mix::Mix;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub struct Broadcast {
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: usize,
    /// Recipients of the broadcast of a round
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    pub recipients: u64,
    /// Single pushes of a round
    #[arg(long, value_name = "N", default_value_t = 300_000)]
    pub pushes: u64,
    #[command(flatten)]
    sides: Sides,
    #[command(flatten)]
    recording: Recording,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Single pushes of a round.
    pub pushes: u64,
    /// CPU microseconds of the engine for each.
    pub push_us: Rounds,
    /// CPU microseconds of the engine for each recipient.
    pub row_us: Rounds,
    /// A recipient's over a push's, round by round.
    pub ratio: Rounds,
    /// The broadcasts.
    pub broadcasts: Vec<BroadcastFigures>,
}

impl Broadcast {
    /// Measures, prints a line, and appends to the results.
    ///
    /// # Errors
    /// One sentence: what did not start, or what was wrong with the engine's books.
    pub fn run(&self) -> Result<(), String> {
        let beginning = Beginning::of("broadcast");
        let (server, client) = self.sides.cpus();
        let (mut pushes, mut broadcasts) = (Vec::new(), Vec::new());
        for round in 0..self.rounds.max(1) {
            eprintln!("broadcast: round {} of {}", round + 1, self.rounds);
            pushes.push(self.single(&server, &client)?);
            broadcasts.push(self.broadcast(&server)?);
        }
        let rows: Vec<f64> =
            broadcasts.iter().map(|figures| figures.cpu_us_per_recipient).collect();
        let ratios = rows.iter().zip(&pushes).map(|(row, push)| row / push).collect();
        let figures = Figures {
            pushes: self.pushes,
            push_us: Rounds::of(pushes),
            row_us: Rounds::of(rows),
            ratio: Rounds::of(ratios),
            broadcasts,
        };
        if !self.recording.json {
            println!(
                "broadcast push_us {:.3} row_us {:.3} ratio {:.3} spread {:.3}",
                figures.push_us.median,
                figures.row_us.median,
                figures.ratio.median,
                figures.ratio.spread
            );
            figures.broadcasts.iter().for_each(|broadcast| print!("{}", broadcast.text()));
        }
        self.recording.keep(&beginning.into_record(figures))
    }

    fn single(&self, server: &[usize], client: &[usize]) -> Result<f64, String> {
        let drill = Drill {
            pushes: self.pushes,
            engine_cpus: server.to_vec(),
            generator_cpus: client.to_vec(),
            threads: Some(1),
            mix: Mix::sample(),
            ..Drill::default()
        };
        let summary = drill
            .carry_out(&Arc::new(AtomicBool::new(false)))
            .map_err(|error| error.to_string())?;
        if !summary.clean {
            return Err(format!("the engine's books are not clean: {}", summary.faults.join(" ")));
        }
        summary
            .engine
            .map(|engine| engine.cpu_us_per_push)
            .ok_or_else(|| "the drill does not say what the engine took.".to_owned())
    }

    fn broadcast(&self, server: &[usize]) -> Result<BroadcastFigures, String> {
        let drill = BroadcastDrill {
            recipients: self.recipients,
            per_second: 0,
            durability: "power".to_owned(),
            io: None,
            shards: None,
            engine_cpus: server.to_vec(),
            directory: None,
            keep: false,
            report: None,
            beside: false,
            engine_arguments: Vec::new(),
        };
        let figures = drill.carry_out().map_err(|error| error.to_string())?;
        if figures.faults.is_empty() { Ok(figures) } else { Err(figures.faults.join(" ")) }
    }
}
