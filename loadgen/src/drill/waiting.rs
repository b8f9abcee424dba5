//! An engine full of pushes that wait: every subscriber is absent, every push goes to a phone of
//! its own.
//!
//! The drill's parts in another order: fill, measure a burst, look at the memory, kill, start
//! again, count.

use super::engine::{Engine, Start};
use super::place::{Place, octets_of};
use super::{DrillError, FIRST_MSN, XPID, import};
use crate::mix::Mix;
use crate::msns::Msns;
use crate::os::{self, Memory};
use crate::plan::Plan;
use crate::reqid::RunId;
use crate::run;
use crate::summary::Percentiles;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use wire::terms::ids::{Msn, Xpid};

/// Lifetime of the pushes, hours: the longest.
const LIFETIME_HOURS: u8 = 72;
/// Octets of journal for each push: its record, and the reserve to finish it.
const QUEUE_OCTETS_PER_PUSH: u64 = 1024;
/// Octets of journal beside that.
const QUEUE_OCTETS_MIN: u64 = 1 << 30;
/// How long the attempts may make no progress.
const ATTEMPTS_STALL: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);
/// An engine rests that takes less processor time than this between two looks, and nothing of the
/// device, so often in a row.
const REST: (Duration, u32) = (Duration::from_millis(2), 5);
/// How long an engine without work may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(20);
/// What the engine's log says of an opening that is under way.
const PROGRESS_WORD: &str = "opening:";

/// How the engine and the load are set up.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Pushes that the engine is to have room for; as many phones are contracted.
    pub pushes_max: u64,
    /// `power` or `process`.
    pub durability: String,
    /// The engine's CPUs, one shard each.
    pub engine_cpus: Vec<usize>,
    /// The generator's CPUs.
    pub generator_cpus: Vec<usize>,
    /// Connections.
    pub connections: usize,
    /// Requests in flight on each.
    pub pipeline: usize,
    /// Where the engine's data go; `None`: a temporary directory.
    pub directory: Option<PathBuf>,
}

/// One burst of pushes.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    /// Pushes accepted per second, from the first send to the last answer.
    pub accepted_per_s: f64,
    /// CPU microseconds of the engine per push.
    pub engine_us: f64,
    /// From the send to the answer.
    pub answers: Percentiles,
}

/// How a start after kill -9 went.
#[derive(Clone, Copy, Debug)]
pub struct Restart {
    /// From the start of the process to its first answer 0000.
    pub first_accepted_s: f64,
    /// Lines that said how far it was.
    pub progress_lines: usize,
    /// Pushes that wait now, that first one included.
    pub waiting: u64,
}

/// A running engine and what waits in it.
pub struct Waiting {
    engine: Option<Engine>,
    place: Place,
    setting: Setting,
    sent: u64,
    /// Attempts of this process once every push has had its first one.
    attempts_expected: u64,
    runs: u64,
}

impl Waiting {
    /// Starts an engine whose subscribers are absent, and contracts the phones.
    ///
    /// # Errors
    /// See [`DrillError`].
    pub fn start(setting: Setting) -> Result<Self, DrillError> {
        let place = Place::open(setting.directory.as_deref(), false)?;
        let mut waiting =
            Self { engine: None, place, setting, sent: 0, attempts_expected: 0, runs: 0 };
        waiting.engine = Some(waiting.start_engine()?);
        let data_dir = waiting.data_dir();
        let xpid = format!("{XPID:011}");
        let register =
            ["client", "add", &xpid, "--client", "waiting", "--sender", "Hayauma", "--data-dir"];
        let register: Vec<&OsStr> =
            register.iter().map(OsStr::new).chain([data_dir.as_os_str()]).collect();
        super::engine::run_command(&register)?;
        import(waiting.place.path(), &data_dir, waiting.setting.pushes_max)?;
        Ok(waiting)
    }

    /// Sends pushes to as many phones that have none yet; all must be accepted.
    ///
    /// # Errors
    /// See [`DrillError`].
    pub fn send(&mut self, pushes: u64) -> Result<Burst, DrillError> {
        let Some(engine) = &mut self.engine else {
            unreachable!("an engine runs between two calls")
        };
        engine.check()?;
        self.runs += 1;
        let mut plan = Plan::new(engine.listen);
        plan.xpid = Xpid::from_value(XPID).unwrap_or(plan.xpid);
        plan.lifetime_hours = LIFETIME_HOURS;
        let first = Msn::from_value(FIRST_MSN + self.sent).unwrap_or(Msn::ALL);
        plan.msns = Msns::Range { first, count: pushes };
        plan.pushes = pushes;
        plan.mix = Mix::sample();
        plan.notify = false;
        plan.connections = self.setting.connections;
        plan.pipeline = self.setting.pipeline;
        plan.cpus.clone_from(&self.setting.generator_cpus);
        plan.seed += self.runs;
        plan.run = RunId::from_time();
        let before = engine.cpu_time();
        let outcome = run::run(plan, None)?;
        let cpu = engine.cpu_time().saturating_sub(before);
        engine.check()?;
        if outcome.tally.accepted != pushes {
            return Err(DrillError::NotAccepted { sent: pushes, accepted: outcome.tally.accepted });
        }
        self.sent += pushes;
        self.attempts_expected += pushes;
        Ok(Burst {
            accepted_per_s: pushes as f64 / outcome.answered_within.as_secs_f64(),
            engine_us: cpu.as_secs_f64() * 1e6 / pushes as f64,
            answers: Percentiles::of(&outcome.sent.phases.load.answer.total()),
        })
    }

    /// Pushes sent and accepted.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Pushes that wait in the engine, as it says.
    pub fn waiting(&self) -> Option<u64> {
        self.engine.as_ref()?.metric("hayauma_pushes_live")
    }

    /// Waits until every push has been attempted, so that all are held.
    ///
    /// # Errors
    /// [`DrillError::AttemptsStall`] when their number does not rise any more.
    pub fn await_attempts(&mut self) -> Result<(), DrillError> {
        let mut seen = (0, Instant::now());
        loop {
            let figure = |name| {
                self.engine.as_ref().and_then(|engine| engine.metric(name)).unwrap_or_default()
            };
            let attempts = figure("hayauma_attempts_total");
            if attempts >= self.attempts_expected && figure("hayauma_attempts_in_flight") == 0 {
                return Ok(());
            }
            if attempts != seen.0 {
                seen = (attempts, Instant::now());
            }
            if seen.1.elapsed() > ATTEMPTS_STALL {
                return Err(DrillError::AttemptsStall {
                    expected: self.attempts_expected,
                    attempts,
                });
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// Waits until every push has been attempted and what the engine does afterwards is done too:
    /// spare segments, memory.
    ///
    /// # Errors
    /// As [`Self::await_attempts`], and [`DrillError::NoRest`].
    pub fn await_rest(&mut self) -> Result<(), DrillError> {
        self.await_attempts()?;
        let Some(engine) = &self.engine else { unreachable!("an engine runs between two calls") };
        let device_octets = || os::device_octets_of(engine.process()).unwrap_or_default();
        let (begun, mut rests) = (Instant::now(), 0);
        let mut before = (engine.cpu_time(), device_octets());
        while rests < REST.1 {
            if begun.elapsed() > REST_MAX {
                return Err(DrillError::NoRest { seconds: REST_MAX.as_secs() });
            }
            std::thread::park_timeout(LOOK);
            let now = (engine.cpu_time(), device_octets());
            let is_at_rest = now.0.saturating_sub(before.0) < REST.0 && now.1 == before.1;
            rests = if is_at_rest { rests + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }

    /// The engine's memory.
    pub fn memory(&self) -> Memory {
        self.engine.as_ref().map(Engine::memory).unwrap_or_default()
    }

    /// Octets of the engine's data on the device.
    pub fn data_octets(&self) -> u64 {
        octets_of(&self.data_dir())
    }

    /// Kills the engine, starts it again and sends it one push.
    ///
    /// # Errors
    /// See [`DrillError`].
    pub fn kill_and_start(&mut self) -> Result<Restart, DrillError> {
        let progress_before = self.progress_lines();
        if let Some(engine) = self.engine.take() {
            engine.kill();
        }
        let begun = Instant::now();
        self.engine = Some(self.start_engine()?);
        // Every push that waits is attempted anew.
        self.attempts_expected = self.sent;
        self.send(1)?;
        let first_accepted_s = begun.elapsed().as_secs_f64();
        let progress_lines = self.progress_lines() - progress_before;
        // The shards publish their figures a few times a second.
        let waiting = self.await_figure(self.sent);
        Ok(Restart { first_accepted_s, progress_lines, waiting })
    }

    /// The number of waiting pushes once it has come to `expected`, or what it is a little later.
    fn await_figure(&self, expected: u64) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let waiting = self.waiting().unwrap_or_default();
            if waiting == expected || Instant::now() > deadline {
                return waiting;
            }
            std::thread::park_timeout(LOOK);
        }
    }

    fn start_engine(&self) -> Result<Engine, DrillError> {
        let pushes_max = self.setting.pushes_max;
        let queue_octets = QUEUE_OCTETS_MIN + pushes_max * QUEUE_OCTETS_PER_PUSH;
        let more = [
            // Standard pushes of one client get four fifths of the places.
            "--pushes-max".to_owned(),
            (pushes_max * 5 / 4 + 64).to_string(),
            "--queue-bytes".to_owned(),
            queue_octets.to_string(),
            "--network-default-line-state".to_owned(),
            "absent".to_owned(),
            // Nobody comes back, and no engine is to enter more of them than another before its
            // HLR's memory is full.
            "--network-alerts-max".to_owned(),
            "0".to_owned(),
            "--log".to_owned(),
            "info".to_owned(),
        ];
        Engine::start(&Start {
            data_dir: &self.data_dir(),
            log: &self.log(),
            durability: &self.setting.durability,
            io: None,
            shards: self.setting.engine_cpus.len().max(1),
            cpus: &self.setting.engine_cpus,
            tls: None,
            more: &more,
        })
    }

    fn progress_lines(&self) -> usize {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().filter(|line| line.contains(PROGRESS_WORD)).count()
    }

    fn data_dir(&self) -> PathBuf {
        self.place.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.place.path().join("engine.log")
    }
}
