//! The drill: an engine in a fresh directory, a client, contracts, a million pushes, every
//! notification, the bill.
//!
//! Everything is done as an operator would do it, through the engine's own commands; nothing of the
//! engine runs in the generator's process.

mod beside;
mod bill;
mod broadcast;
mod certificate;
mod emergencies;
pub mod engine;
mod histogram;
mod place;
pub mod waiting;

pub use beside::BesideFigures;
pub use broadcast::{BroadcastDrill, BroadcastFigures};
pub use emergencies::EmergencyFigures;
pub use engine::ENGINE_ARGUMENT;

use crate::console::Console;
use crate::format::{grouped, time};
use crate::limits::LINGER;
use crate::machine::Machine;
use crate::mix::Mix;
use crate::msns::Msns;
use crate::os;
use crate::plan::{Load, Plan};
use crate::report::{Report, ReportError};
use crate::run::{Outcome, Run, RunError};
use crate::sink::Sink;
use crate::summary::{EngineFigures, Summary, us_per_push};
use certificate::OwnCertificate;
use engine::{Engine, Start, run_command};
use histogram::Histogram;
use place::Place;
use std::ffi::OsStr;
use std::io::{BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::terms::calendar::Day;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::time::WallMs;

/// A commit that took longer is a slow one: the bound of the engine's buckets just above 2 ms.
const SLOW_COMMIT_S: f64 = 0.002_048;
/// The lowest msn of a drill.
const FIRST_MSN: u64 = 9_000_000_000;
/// The drill's registration.
const XPID: u64 = 100_000_001;
/// Contracts of a drill that names no number of its own: one for each push up to this many.
const CONTRACTS_DEFAULT_MAX: u64 = 1_000_000;
/// Most contracts a drill imports.
const CONTRACTS_MAX: u64 = 100_000_000;

/// What a drill is to do.
#[derive(Clone, Debug)]
pub struct Drill {
    /// Pushes to send.
    pub pushes: u64,
    /// Contracts to import; each is one msn. `None`: as many as pushes, at most a million.
    pub contracts: Option<u64>,
    /// `power` or `process`.
    pub durability: String,
    /// `uring` or `poll`; `None`: as the engine finds it.
    pub io: Option<String>,
    /// The engine's shards; `None`: one for each of its CPUs.
    pub shards: Option<usize>,
    /// The engine's CPUs; empty: the first half of those there are.
    pub engine_cpus: Vec<usize>,
    /// The generator's CPUs; empty: the rest.
    pub generator_cpus: Vec<usize>,
    /// Connections to the engine.
    pub connections: usize,
    /// Requests in flight on each.
    pub pipeline: usize,
    /// Pushes sent and not yet notified, at most.
    pub window: u64,
    /// Closed loop, or open at a rate.
    pub load: Load,
    /// How long the generator's CPUs are kept busy before the load begins, so that others leave
    /// them.
    pub settle: Duration,
    /// The first so many pushes, whose times are kept apart.
    pub warm_up: u64,
    /// Sending threads; `None`: half the generator's CPUs.
    pub threads: Option<usize>,
    /// How long before a send is due its thread looks at the clock instead of sleeping.
    pub spin: Duration,
    /// Push class.
    pub class: Class,
    /// What the pushes carry.
    pub mix: Mix,
    /// Chooses shapes and the order of msns.
    pub seed: u64,
    /// How long notifications may make no progress.
    pub stall_after: Duration,
    /// The engine's notification connections, per shard.
    pub notify_connections: usize,
    /// Notifications in flight on each of them.
    pub notify_depth: usize,
    /// A directory to work in and to keep; `None`: a temporary one.
    pub directory: Option<PathBuf>,
    /// Keep the temporary directory.
    pub keep: bool,
    /// Whether the pushes are sent over TLS, with a certificate made for this drill.
    pub tls: bool,
    /// Whether the pushes ask for notifications.
    pub notify: bool,
    /// Write the report into this directory.
    pub report: Option<PathBuf>,
    /// More arguments for `hayauma serve`.
    pub engine_arguments: Vec<String>,
}

impl Default for Drill {
    fn default() -> Self {
        Self {
            pushes: 1_000_000,
            contracts: None,
            durability: "power".to_owned(),
            io: None,
            shards: None,
            engine_cpus: Vec::new(),
            generator_cpus: Vec::new(),
            connections: 16,
            pipeline: 64,
            window: 16_384,
            load: Load::Closed,
            settle: Duration::ZERO,
            warm_up: 0,
            threads: None,
            spin: Duration::ZERO,
            class: Class::Standard,
            mix: Mix::emergency(),
            seed: 20_261_122,
            stall_after: crate::limits::STALL_AFTER,
            notify_connections: 4,
            notify_depth: 16,
            directory: None,
            keep: false,
            tls: false,
            notify: true,
            report: None,
            engine_arguments: Vec::new(),
        }
    }
}

/// Why a drill did not come to its end; each message says what to do or what the engine said.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// Something that the system did not grant.
    #[error("the drill could not {doing} ({source}): free what is missing and start it again.")]
    System {
        /// What was to be done.
        doing: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The directory has something in it.
    #[error(
        "{} is not empty: name a new directory for the drill, or leave --data-dir away.",
        .0.display()
    )]
    DirectoryNotEmpty(PathBuf),
    /// Too many contracts, or none.
    #[error("{0} contracts will not do: choose 1 to {CONTRACTS_MAX}.")]
    Contracts(u64),
    /// The engine's process has ended.
    #[error("the engine ended by itself ({status}); {log}")]
    EngineEnded {
        /// How.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// It never became healthy.
    #[error("the engine was not healthy after {seconds} s; {log}")]
    EngineUnhealthy {
        /// How long was waited.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// It does not end on SIGTERM.
    #[error("the engine had not ended {seconds} s after SIGTERM; {log}")]
    EngineHangs {
        /// How long was waited.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// One of the engine's commands failed.
    #[error("\"hayauma {command}\" failed ({status}): {said}")]
    Command {
        /// Its arguments.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote to stderr.
        said: String,
    },
    /// Pushes were refused that should not be.
    #[error("of {sent} pushes {accepted} were accepted: look into the engine's log.")]
    NotAccepted {
        /// Pushes sent.
        sent: u64,
        /// Pushes accepted.
        accepted: u64,
    },
    /// Attempts make no progress.
    #[error(
        "the engine has made {attempts} of {expected} attempts and goes no further: look into its \
         log."
    )]
    AttemptsStall {
        /// Attempts that there should be.
        expected: u64,
        /// Attempts that there are.
        attempts: u64,
    },
    /// The engine has nothing to do and does not come to rest.
    #[error("the engine has no work and still is at it after {seconds} s: look into its log.")]
    NoRest {
        /// How long was waited.
        seconds: u64,
    },
    /// Ctrl-C before there was anything to report.
    #[error("the drill was interrupted before its load began: there is nothing to report.")]
    Interrupted,
    /// No certificate could be made.
    #[error("the drill could not make a certificate for itself ({0}): report this line.")]
    Certificate(String),
    /// The bill cannot be read.
    #[error("the engine's daily bill cannot be read: {detail}.")]
    Bill {
        /// Why.
        detail: String,
    },
    /// The run could not begin.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl Drill {
    /// Does it all. `stop`, once set, ends the sending early; what was sent is still brought to its
    /// end.
    pub fn carry_out(&self, stop: &Arc<AtomicBool>) -> Result<Summary, DrillError> {
        self.carry_out_in_full(stop).map(|(summary, _)| summary)
    }

    /// The same, with all that was counted beside the summary of it.
    pub fn carry_out_in_full(
        &self,
        stop: &Arc<AtomicBool>,
    ) -> Result<(Summary, Outcome), DrillError> {
        let contracts = self.contracts()?;
        let (engine_cpus, generator_cpus) = self.cpus();
        // What cannot be carried out is refused before anything is started.
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        self.plan(any_port, contracts, &generator_cpus).check().map_err(RunError::from)?;
        let place = Place::open(self.directory.as_deref(), self.keep)?;
        let data_dir = place.path().join("data");
        let log = place.path().join("engine.log");
        let sink_cpus: Vec<usize> = generator_cpus.last().copied().into_iter().collect();
        let sink = Sink::start(any_port, &sink_cpus)
            .map_err(|source| DrillError::System { doing: "open the notification sink", source })?;
        let shards = self.shards.unwrap_or(engine_cpus.len()).max(1);
        let certificate = self.tls.then(|| OwnCertificate::make(place.path())).transpose()?;
        let start = Start {
            data_dir: &data_dir,
            log: &log,
            durability: &self.durability,
            io: self.io.as_deref(),
            shards,
            cpus: &engine_cpus,
            tls: certificate.as_ref(),
            more: &self.engine_arguments,
        };
        Console::step(&format!("starting the engine in {}", place.path().display()));
        let mut engine = Engine::start(&start)?;
        engine.instead_of_uring().iter().for_each(|line| Console::step(line));
        let imported_within = self.prepare(&place, &sink, contracts, stop)?;
        let mut plan = self.plan(engine.listen, contracts, &generator_cpus);
        plan.watched = Some(engine.process());
        plan.tls = certificate.map(OwnCertificate::trusted);
        os::keep_busy(&os::joined(&engine_cpus, &generator_cpus), self.settle);
        let (cpu_before, page_before) = (engine.cpu_time(), engine.metrics());
        let began_ms = unix_ms();
        let outcome = send(&plan, &sink, &mut engine, stop)?;
        let (cpu_after, memory, page) = (engine.cpu_time(), engine.memory(), engine.metrics());
        let histogram =
            |name: &str| Histogram::read(&page, name).since(&Histogram::read(&page_before, name));
        let times = |name: &str| histogram(name).percentiles();
        let (engine_cpu, started_within) =
            (cpu_after.saturating_sub(cpu_before), engine.started_within);
        let stopped_within = engine.stop()?;
        // What the engine sent while it drained still goes into the ledger.
        std::thread::sleep(LINGER);
        let mut summary = Summary::new("drill", &plan, &outcome, Machine::here(Some(place.path())));
        summary.engine = Some(EngineFigures {
            durability: self.durability.clone(),
            driver: engine::driver(&page).unwrap_or_default(),
            shards,
            cpus: engine_cpus,
            started_within_s: started_within.as_secs_f64(),
            contracts,
            imported_within_s: imported_within.as_secs_f64(),
            cpu_s: engine_cpu.as_secs_f64(),
            cpu_us_per_push: us_per_push(engine_cpu, outcome.tally.accepted),
            cpu_total_s: cpu_after.as_secs_f64(),
            memory,
            data_octets: place::octets_of(&data_dir),
            stopped_within_s: stopped_within.as_secs_f64(),
            commit_times: times("hayauma_commit_seconds"),
            slow_commits: histogram("hayauma_commit_seconds").over(SLOW_COMMIT_S),
            own_times: times("hayauma_answer_own_seconds"),
        });
        self.compare(&mut summary, &data_dir, began_ms)?;
        self.tell_what_stays(&summary, &outcome, &place)?;
        Ok((summary, outcome))
    }

    /// Registers the clients and imports the contracts: how long the import took.
    fn prepare(
        &self,
        place: &Place,
        sink: &Sink,
        contracts: u64,
        stop: &AtomicBool,
    ) -> Result<Duration, DrillError> {
        let data_dir = place.path().join("data");
        let prepared = self
            .register(&data_dir, sink)
            .and_then(|()| import(place.path(), &data_dir, contracts));
        // Ctrl-C at a terminal ends the commands too; that is no failure of theirs.
        if stop.load(Relaxed) {
            return Err(DrillError::Interrupted);
        }
        let within = prepared?;
        Console::step(&format!("{} contracts imported in {}", grouped(contracts), time(within)));
        Ok(within)
    }

    /// Writes the report, where one is wanted, and says what is left behind.
    fn tell_what_stays(
        &self,
        summary: &Summary,
        outcome: &Outcome,
        place: &Place,
    ) -> Result<(), DrillError> {
        if let Some(directory) = &self.report {
            let page = Report::write(directory, summary, &outcome.sent.phases)?;
            Console::step(&format!("the report is in {}", page.display()));
        }
        if self.keep || self.directory.is_some() {
            Console::step(&format!("the engine's data and log stay in {}", place.path().display()));
        }
        Ok(())
    }

    fn contracts(&self) -> Result<u64, DrillError> {
        let contracts =
            self.contracts.unwrap_or_else(|| self.pushes.clamp(1, CONTRACTS_DEFAULT_MAX));
        if contracts == 0 || contracts > CONTRACTS_MAX {
            Err(DrillError::Contracts(contracts))
        } else {
            Ok(contracts)
        }
    }

    /// The engine's CPUs and the generator's: apart where there are two, shared where there is one.
    fn cpus(&self) -> (Vec<usize>, Vec<usize>) {
        let all = os::available_cpus();
        let half = (all.len() / 2).max(1);
        let or = |given: &[usize], otherwise: &[usize]| {
            if given.is_empty() { otherwise.to_vec() } else { given.to_vec() }
        };
        let rest = if all.len() > 1 { &all[half..] } else { &all[..] };
        (or(&self.engine_cpus, &all[..half]), or(&self.generator_cpus, rest))
    }

    fn register(&self, data_dir: &Path, sink: &Sink) -> Result<(), DrillError> {
        let xpid = format!("{XPID:011}");
        let url = sink.url();
        let (connections, depth) =
            (self.notify_connections.to_string(), self.notify_depth.to_string());
        let mut arguments: Vec<&OsStr> =
            ["client", "add", &xpid, "--client", "drill", "--sender", "Hayauma"]
                .into_iter()
                .chain([
                    "--notify-url",
                    &url,
                    "--notify-connections",
                    &connections,
                    "--notify-depth",
                    &depth,
                ])
                .map(OsStr::new)
                .collect();
        let class = format!("{:?}", self.class).to_lowercase();
        if self.class != Class::Standard {
            arguments.extend(["--class", &class].map(OsStr::new));
        }
        arguments.extend([OsStr::new("--data-dir"), data_dir.as_os_str()]);
        run_command(&arguments).map(|_| ())
    }

    fn plan(&self, target: SocketAddr, contracts: u64, generator_cpus: &[usize]) -> Plan {
        let threads = self.threads.unwrap_or_else(|| generator_cpus.len().div_ceil(2)).max(1);
        let mut plan = Plan::new(target);
        plan.xpid = Xpid::from_value(XPID).unwrap_or(plan.xpid);
        plan.class = self.class;
        plan.msns =
            Msns::Range { first: Msn::from_value(FIRST_MSN).unwrap_or(Msn::ALL), count: contracts };
        plan.pushes = self.pushes;
        plan.mix = self.mix.clone();
        plan.load = self.load.clone();
        plan.warm_up = self.warm_up;
        plan.connections = self.connections.max(threads);
        plan.pipeline = self.pipeline;
        plan.window = Some(self.window);
        plan.notify = self.notify;
        plan.threads = threads;
        plan.spin = self.spin;
        plan.cpus = generator_cpus.to_vec();
        plan.spare_cpus = os::cpus_beside(&os::joined(&self.cpus().0, generator_cpus));
        plan.seed = self.seed;
        plan.patience.stall_after = self.stall_after;
        // The engine is a child that is watched: when it dies there is nothing to wait for.
        plan.patience.reconnect_for = Duration::from_secs(5);
        plan
    }

    /// Enters the bill into the summary, and what is wrong.
    fn compare(
        &self,
        summary: &mut Summary,
        data_dir: &Path,
        began_ms: u64,
    ) -> Result<(), DrillError> {
        let xpid = format!("{XPID:011}");
        let (first, last) = (Day::of(WallMs::new(began_ms)), Day::of(WallMs::new(unix_ms())));
        let mut billed = crate::summary::BillingFigures::default();
        let mut day = first;
        loop {
            let date = day.to_string();
            let arguments = ["billing", "day", &date, "--data-dir"].map(OsStr::new);
            let bill = run_command(&[&arguments[..], &[data_dir.as_os_str()]].concat())?;
            let figures = bill::read(&bill, &xpid)?;
            billed.accepted += figures.accepted;
            billed.delivered += figures.delivered;
            billed.segments =
                figures.segments.map(|segments| billed.segments.unwrap_or_default() + segments);
            if day.number() >= last.number() {
                break;
            }
            day = day.next();
        }
        let differences = bill::differences(&billed, &summary.ledger, summary.segments_delivered);
        // Without notifications the ledger does not know what was delivered, nor where nobody
        // waited for the last of them.
        let comparable = self.notify && summary.cut_short.is_none();
        for sentence in differences.into_iter().filter(|_| comparable) {
            summary.fault(sentence);
        }
        summary.billing = Some(billed);
        let ledger = summary.ledger;
        if ledger.refused > 0 {
            summary.fault(format!(
                "{} pushes were refused; a drill expects none.",
                grouped(ledger.refused)
            ));
        }
        Ok(())
    }
}

/// Writes the contracts as CSV and imports them.
fn import(directory: &Path, data_dir: &Path, contracts: u64) -> Result<Duration, DrillError> {
    let path = directory.join("contracts.csv");
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(&path)?);
        writeln!(file, "msn,xpid")?;
        for number in 0..contracts {
            writeln!(file, "{:011},{XPID:011}", FIRST_MSN + number)?;
        }
        file.flush()
    };
    write().map_err(|source| DrillError::System { doing: "write the contracts", source })?;
    let begun = Instant::now();
    let arguments = [OsStr::new("contract"), OsStr::new("import"), path.as_os_str()];
    run_command(&[&arguments[..], &[OsStr::new("--data-dir"), data_dir.as_os_str()]].concat())?;
    Ok(begun.elapsed())
}

fn send(
    plan: &Plan,
    sink: &Sink,
    engine: &mut Engine,
    stop: &Arc<AtomicBool>,
) -> Result<Outcome, DrillError> {
    let mut console = Console::new(plan.pushes, plan.notify);
    let run = Run::start(plan.clone(), Some(sink))?;
    let stopper = run.stopper();
    let mut ended = Ok(());
    let mut stopping = false;
    let outcome = run.wait_and_look(|run| {
        console.show(run);
        if stop.load(Relaxed) && !std::mem::replace(&mut stopping, true) {
            console.note(crate::cli::INTERRUPTED);
            stopper.interrupt();
        }
        if ended.is_ok() {
            ended = engine.check();
        } else {
            stopper.give_up();
        }
    });
    console.finish();
    ended.map(|()| outcome)
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
