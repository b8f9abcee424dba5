//! Idle engines, and engines of which little is asked, beside programs that keep every CPU busy: do
//! they live, and do their shards turn? A shard's executor that parks with work at hand shows here.
//!
//! The rule: no engine ends, and its watchdog wakes no shard but in moments in which a bare thread
//! on the same CPU was late too ([`bare_thread`](crate::bare_thread)).

use crate::bare_thread::{BareThreads, LATE, LateMoment, WakeWatch, Wakes};
use crate::engine::{Engine, Programs};
use crate::http::Connection;
use crate::push::{Body, XPID};
use crate::site::Site;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two looks at the engines.
const LOOK: Duration = Duration::from_millis(50);
/// Between two pushes, and between two admin changes.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// Phones that pushes go to, in turn.
const PHONES: u64 = 1_000;
/// Late moments that a report names one by one.
const NAMED_MAX: usize = 20;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct AliveRun {
    /// How many engines.
    pub engines: usize,
    /// The shards of each; `None`: one with two shards, the next with one, and so on.
    pub shards: Option<usize>,
    /// Threads that do nothing but keep a CPU busy.
    pub busy_loops: usize,
    /// How long.
    pub lasts: Duration,
    /// Whether each engine gets a push and an admin change a second.
    pub is_used: bool,
}

/// One engine of a run.
struct Watched {
    // The engine ends before the directory under it goes.
    engine: Option<Engine>,
    site: Site,
    cpus: Vec<usize>,
    watch: WakeWatch,
    ended: Option<String>,
    asked: Asked,
}

/// What an engine was asked.
#[derive(Clone, Default, Debug)]
struct Asked {
    requests: u64,
    refused: u64,
    longest: Duration,
}

/// How one engine fared.
#[derive(Clone, Debug)]
pub struct EngineLife {
    /// The CPU of each shard.
    pub cpus: Vec<usize>,
    /// How it ended, where it did before it was told to.
    pub ended: Option<String>,
    /// Turns of its shards.
    pub turns: u64,
    /// Wakes of the watchdog.
    pub wakes: u64,
    /// Those that are the engine's own.
    pub own_wakes: Vec<Wakes>,
    /// Pushes and admin changes.
    pub requests: u64,
    /// Those that were refused or not answered.
    pub refused: u64,
    /// The longest time to an answer.
    pub longest: Duration,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct AliveReport {
    /// What was run.
    pub run: AliveRun,
    /// The engines in the order of their starts.
    pub engines: Vec<EngineLife>,
    /// Moments in which the machine stood still.
    pub late: Vec<LateMoment>,
    begun: Instant,
}

impl AliveRun {
    /// Runs it. Engines end with the calling thread.
    ///
    /// # Panics
    /// When an engine does not come up.
    pub fn run(&self, programs: Programs, mut tell: impl FnMut(&str)) -> AliveReport {
        let cpus = loadgen::os::available_cpus();
        let mut watched: Vec<Watched> =
            (0..self.engines).map(|number| self.start(programs, number, &cpus)).collect();
        let bare = BareThreads::beside(&cpus);
        let begun = Instant::now();
        let is_over = AtomicBool::new(false);
        let used = std::thread::scope(|scope| {
            for number in 0..self.busy_loops {
                let cpu = cpus[number % cpus.len()];
                let is_over = &is_over;
                scope.spawn(move || keep_busy(cpu, is_over));
            }
            let users: Vec<_> = watched
                .iter()
                .filter(|_| self.is_used)
                .map(|watched| {
                    let (address, admin) = (watched.site.push_address(), watched.site.admin());
                    let is_over = &is_over;
                    scope.spawn(move || {
                        use_engine(|| Connection::try_open(address).ok(), &admin, is_over)
                    })
                })
                .collect();
            // Whatever happens to this thread, the others must end.
            let end = EndsRun(&is_over);
            self.watch(&mut watched, begun, &mut tell);
            drop(end);
            users.into_iter().map(|user| user.join().expect("a user")).collect::<Vec<Asked>>()
        });
        for (watched, used) in watched.iter_mut().zip(used) {
            watched.asked = used;
        }
        let late = bare.end();
        let engines = watched.into_iter().map(|watched| watched.end(&late)).collect();
        AliveReport { run: *self, engines, late, begun }
    }

    fn start(&self, programs: Programs, number: usize, cpus: &[usize]) -> Watched {
        let shards = self.shards.unwrap_or(2 - number % 2).clamp(1, cpus.len());
        let cpus: Vec<usize> =
            (0..shards).map(|shard| cpus[(number / 2 + shard) % cpus.len()]).collect();
        let mut site = Site::new(programs);
        let mut listed = cpus.clone();
        listed.sort_unstable();
        site.set("--shards", &shards.to_string());
        site.set("--cpus", &loadgen::os::format_cpus(&listed));
        site.add_client(XPID, &[]);
        site.add_contracts(XPID, &["09000000000-09000000999"]);
        let engine = site.start();
        let watch = WakeWatch::of(engine.admin());
        Watched {
            engine: Some(engine),
            site,
            cpus: listed,
            watch,
            ended: None,
            asked: Asked::default(),
        }
    }

    fn watch(&self, watched: &mut [Watched], begun: Instant, tell: &mut impl FnMut(&str)) {
        let mut told_minutes = 0;
        while begun.elapsed() < self.lasts {
            watched.iter_mut().for_each(Watched::look);
            let minutes = begun.elapsed().as_secs() / 60;
            if minutes > told_minutes {
                told_minutes = minutes;
                let wakes: u64 = watched.iter().map(|watched| watched.watch.wakes()).sum();
                let ended = watched.iter().filter(|watched| watched.ended.is_some()).count();
                tell(&format!("{minutes} min: {ended} ended, {wakes} watchdog wakes"));
            }
            std::thread::park_timeout(LOOK);
        }
    }
}

impl Watched {
    fn look(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        if let Some(status) = engine.ended() {
            let said = engine.log();
            self.ended = Some(format!("{status}: {}", said.lines().last().unwrap_or_default()));
            self.engine = None;
            return;
        }
        self.watch.look_if_due();
    }

    fn end(mut self, late: &[LateMoment]) -> EngineLife {
        if let Some(engine) = self.engine.take() {
            if !self.watch.look() {
                self.ended = Some("its admin port does not answer".to_owned());
            }
            engine.ask_to_stop();
            let status = engine.wait();
            if !status.success() {
                self.ended = Some(format!("told to stop, {status}"));
            }
        }
        EngineLife {
            own_wakes: self.watch.own(late, &self.cpus),
            turns: self.watch.turns(),
            wakes: self.watch.wakes(),
            cpus: self.cpus,
            ended: self.ended,
            requests: self.asked.requests,
            refused: self.asked.refused,
            longest: self.asked.longest,
        }
    }
}

struct EndsRun<'a>(&'a AtomicBool);

impl Drop for EndsRun<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn keep_busy(cpu: usize, is_over: &AtomicBool) {
    loadgen::os::pin_thread(&[cpu]).expect("a CPU of this process");
    while !is_over.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

/// A push and an admin change a second, until it is over.
fn use_engine(
    connect: impl Fn() -> Option<Connection>,
    admin: &crate::admin::Admin,
    is_over: &AtomicBool,
) -> Asked {
    let mut asked = Asked::default();
    let mut connection = None;
    let mut due = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::park_timeout(wait.min(LOOK));
            continue;
        }
        due += ASKED_EVERY;
        let number = asked.requests / 2;
        let push =
            Body::push(&msn(number % PHONES), &format!("alive-{number}")).with("lifetime", "01");
        asked.ask(|| {
            connection = connection.take().or_else(&connect);
            let stream = connection.as_mut()?;
            let answer = match stream.try_send(&push.request()) {
                Ok(()) => stream.try_answer().ok().flatten(),
                Err(_) => None,
            };
            if answer.is_none() {
                connection = None;
            }
            answer.map(|answer| answer.code() == "0000")
        });
        let rows = format!(r#"{{"xpid":"{XPID}","msns":["{}"]}}"#, msn(PHONES + number));
        asked.ask(|| {
            let answer = admin.try_request("POST", "/contracts", &rows)?;
            Some((200..300).contains(&answer.status()))
        });
    }
    asked
}

fn msn(number: u64) -> String {
    format!("{:011}", 9_000_000_000 + number)
}

impl Asked {
    fn ask(&mut self, ask: impl FnOnce() -> Option<bool>) {
        let at = Instant::now();
        let is_taken = ask().unwrap_or_default();
        self.longest = self.longest.max(at.elapsed());
        self.requests += 1;
        self.refused += u64::from(!is_taken);
    }
}

impl AliveReport {
    /// What broke the rule, a sentence each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (number, engine) in self.engines.iter().enumerate() {
            if let Some(ended) = &engine.ended {
                faults.push(format!("engine {number} ended: {ended}"));
            }
            for Wakes { shard, count, to, .. } in &engine.own_wakes {
                let (at, cpu) = (to.saturating_duration_since(self.begun), engine.cpus[*shard]);
                let at = at.as_secs_f64();
                faults.push(format!(
                    "engine {number}: {count} wakes of shard {shard} on CPU {cpu}, at {at:.1} s"
                ));
            }
        }
        faults
    }
}

impl fmt::Display for AliveReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.run.lasts.as_secs_f64();
        let asked =
            if self.run.is_used { "one push and one admin change a second" } else { "idle" };
        let (engines, busy) = (self.engines.len(), self.run.busy_loops);
        writeln!(
            formatter,
            "{engines} engines, {asked}, beside {busy} busy loops, {seconds:.0} s"
        )?;
        writeln!(
            formatter,
            "engine  shards  CPUs  turns/s  wakes  its own  requests  refused  longest  ended"
        )?;
        for (number, engine) in self.engines.iter().enumerate() {
            writeln!(
                formatter,
                "{number:>6}  {:>6}  {:>4}  {:>7.0}  {:>5}  {:>7}  {:>8}  {:>7}  {:>4} ms  {}",
                engine.cpus.len(),
                loadgen::os::format_cpus(&engine.cpus),
                engine.turns as f64 / seconds,
                engine.wakes,
                engine.own_wakes.iter().map(|wakes| wakes.count).sum::<u64>(),
                engine.requests,
                engine.refused,
                engine.longest.as_millis(),
                engine.ended.as_deref().unwrap_or("no")
            )?;
        }
        let longest = self.late.iter().map(|moment| moment.by).max().unwrap_or_default();
        writeln!(
            formatter,
            "a bare thread on each CPU was late by more than {} ms {} times, by {} ms at most",
            LATE.as_millis(),
            self.late.len(),
            longest.as_millis()
        )?;
        for moment in self.late.iter().take(NAMED_MAX) {
            let at = moment.due.saturating_duration_since(self.begun).as_secs_f64();
            writeln!(
                formatter,
                "  after {at:.1} s on CPU {} by {} ms",
                moment.cpu,
                moment.by.as_millis()
            )?;
        }
        if self.late.len() > NAMED_MAX {
            writeln!(formatter, "  and {} more", self.late.len() - NAMED_MAX)?;
        }
        Ok(())
    }
}
