//! An engine of one shard whose pushes all go by one carrier.

use loadgen::drill::engine::{Engine, Start, run_command};
use loadgen::mix::Mix;
use loadgen::msns::Msns;
use loadgen::plan::Plan;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use wire::terms::ids::{Msn, Xpid};

/// The push client.
const XPID: u64 = 100_000_001;
/// Its phones: 09000000000 and those behind it.
const FIRST_MSN: u64 = 9_000_000_000;
const PHONES: u64 = 100_000;
/// The carrier's name.
const CARRIER: &str = "bench";
/// Requests in flight of the push client: connections, and on each.
const CONNECTIONS: usize = 16;
const PIPELINE: usize = 32;
/// Pushes that are sent and not told of, at most.
const UNDER_WAY_MAX: u64 = 16_384;
/// What a push takes of the journal, and what it has beside.
const QUEUE_OCTETS_PER_PUSH: u64 = 2_048;
const QUEUE_OCTETS_MIN: u64 = 256 << 20;
/// How long a carrier may take to be bound, and pushes to go on.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked: a page of metrics costs the engine's CPU a little.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// What is carried.
pub(super) struct Setup<'a> {
    /// Where the carrier is.
    pub(super) smsc: SocketAddr,
    /// Its settings beside those that every one has.
    pub(super) settings: &'a [&'a str],
    /// Where notifications go; `None`: nobody is notified.
    pub(super) notify_url: Option<&'a str>,
    /// Whether the carrier is handed nothing until [`Carried::resume`].
    pub(super) is_paused: bool,
    /// Pushes that there will be.
    pub(super) pushes: u64,
    /// The engine's CPUs, of which it has the first.
    pub(super) cpus: &'a [usize],
}

/// A running engine; dropping it kills it.
pub(super) struct Carried {
    directory: tempfile::TempDir,
    pub(super) engine: Engine,
}

impl Carried {
    /// Starts it under `power`, and waits until the carrier is bound.
    ///
    /// # Errors
    /// One sentence: what did not start.
    pub(super) fn start(setup: &Setup<'_>) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("hayauma-bench-").tempdir();
        let directory = directory
            .map_err(|error| format!("there is no place for the engine's data ({error})."))?;
        let data_dir = directory.path().join("data");
        register(setup, &data_dir)?;
        let pushes_max = (setup.pushes * 2).max(65_536).to_string();
        let queue = (QUEUE_OCTETS_MIN + setup.pushes * QUEUE_OCTETS_PER_PUSH).to_string();
        let more = ["--pushes-max", &pushes_max, "--queue-bytes", &queue].map(str::to_owned);
        let start = Start {
            data_dir: &data_dir,
            log: &directory.path().join("engine.log"),
            durability: "power",
            io: None,
            shards: 1,
            cpus: &setup.cpus[..setup.cpus.len().min(1)],
            tls: None,
            more: &more,
        };
        let engine = Engine::start(&start).map_err(|error| error.to_string())?;
        let carried = Self { directory, engine };
        carried.await_figure("sessions_bound", 1)?;
        Ok(carried)
    }

    /// What the push client sends.
    ///
    /// # Errors
    /// None but for a bug here.
    pub(super) fn plan(&self, pushes: u64, notify: bool, cpus: &[usize]) -> Result<Plan, String> {
        Ok(Plan {
            pushes,
            xpid: Xpid::from_value(XPID).ok_or("the XPID is legal")?,
            msns: Msns::Range {
                first: Msn::from_value(FIRST_MSN).ok_or("the msn is legal")?,
                count: PHONES,
            },
            mix: Mix::text(),
            notify,
            connections: CONNECTIONS,
            pipeline: PIPELINE,
            window: notify.then_some(UNDER_WAY_MAX),
            cpus: cpus.to_vec(),
            ..Plan::new(self.engine.listen)
        })
    }

    /// Pushes so many, without notifications, from these CPUs; every one has to be taken.
    ///
    /// # Errors
    /// How many were not.
    pub(super) fn push(&self, pushes: u64, cpus: &[usize]) -> Result<(), String> {
        let plan = self.plan(pushes, false, cpus)?;
        let outcome = loadgen::run::run(plan, None).map_err(|error| error.to_string())?;
        if outcome.tally.accepted != pushes {
            return Err(format!("not every push was taken: {}.", outcome.tally));
        }
        Ok(())
    }

    /// Hands the carrier pushes from now on.
    ///
    /// # Errors
    /// What the command says.
    pub(super) fn resume(&self) -> Result<(), String> {
        let data_dir = self.directory.path().join("data");
        command(&["carrier", "resume", CARRIER], &data_dir)
    }

    /// A figure of the carrier, without its prefix.
    pub(super) fn figure(&self, name: &str) -> u64 {
        self.engine.metric(&format!("hayauma_carrier_{name}")).unwrap_or_default()
    }

    /// Waits until a figure of the carrier has come this far; when it was seen, and how far it had
    /// come then.
    ///
    /// # Errors
    /// It goes no further.
    pub(super) fn await_figure(&self, name: &str, least: u64) -> Result<(Instant, u64), String> {
        let (mut last, mut progress) = (0, Instant::now());
        loop {
            let value = self.figure(name);
            let now = Instant::now();
            if value >= least {
                return Ok((now, value));
            }
            if value > last {
                (last, progress) = (value, now);
            } else if progress.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.directory.path().join("engine.log"));
                let log = log.unwrap_or_default();
                let end = log.lines().last().unwrap_or_default().to_owned();
                return Err(format!(
                    "{name} of the carrier stays at {value}; the log ends: {end}."
                ));
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// It did not end so.
    pub(super) fn stop(self) -> Result<(), String> {
        self.engine.stop().map(|_| ()).map_err(|error| error.to_string())
    }
}

fn command(words: &[&str], data_dir: &Path) -> Result<(), String> {
    let place = [OsStr::new("--data-dir"), data_dir.as_os_str()];
    let arguments: Vec<&OsStr> = words.iter().map(OsStr::new).chain(place).collect();
    run_command(&arguments).map(|_| ()).map_err(|error| error.to_string())
}

fn register(setup: &Setup<'_>, data_dir: &Path) -> Result<(), String> {
    let xpid = format!("{XPID:011}");
    let range = format!("{FIRST_MSN:011}-{:011}", FIRST_MSN + PHONES - 1);
    let mut client = vec!["client", "add", &xpid, "--client", "bench", "--sender", "Hayauma"];
    if let Some(url) = setup.notify_url {
        let more = ["--notify-url", url, "--notify-connections", "4", "--notify-depth", "16"];
        client.extend(more);
    }
    let host = setup.smsc.to_string();
    let carrier = ["carrier", "add", CARRIER, "--host", &host, "--system-id", CARRIER];
    let mut orders = vec![
        client,
        vec!["contract", "add", &xpid, &range],
        [&carrier[..], setup.settings].concat(),
        vec!["carrier", "route", "add", "0", CARRIER],
    ];
    if setup.is_paused {
        orders.push(vec!["carrier", "pause", CARRIER]);
    }
    orders.iter().try_for_each(|order| command(order, data_dir))
}
