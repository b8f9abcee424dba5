//! A drill of a broadcast: an engine in a fresh directory, contracts, a list over HTTP, one start,
//! and how long it takes until every recipient has an outcome.
//!
//! Everything is done as an operator would do it, through the engine's own commands.

use super::beside::{BesideFigures, Stage};
use super::emergencies::EmergencyFigures;
use super::engine::{ask, run_command};
use super::place::{self, Place};
use super::{DrillError, Engine, FIRST_MSN, Start, XPID, import};
use crate::console::Console;
use crate::format::{grouped, time};
use crate::os;
use crate::sink::Sink;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wire::json;

/// Areas of the list.
const AREAS: [&str; 8] = ["01100", "13101", "13102", "14100", "23100", "27100", "40130", "47201"];
/// How often it is looked where the broadcast stands.
const LOOK: Duration = Duration::from_millis(50);
/// A broadcast of which nothing changes for so long stands still.
const STALLS_AFTER: Duration = Duration::from_secs(60);
/// The bounds hold for a network that answers at once: with latency it is the network's room, not
/// the engine, that says how long ten million take. Arguments for the engine may set another.
const WITHOUT_LATENCY: [&str; 2] = ["--network-latency-ms", "0"];
/// The page of a report.
const PAGE: &str = "broadcast.html";

/// What a drill of a broadcast is to do.
#[derive(Clone, Debug)]
pub struct BroadcastDrill {
    /// Recipients.
    pub recipients: u64,
    /// Rows a second; 0: as fast as it goes.
    pub per_second: u32,
    /// `power` or `process`.
    pub durability: String,
    /// `uring` or `poll`; `None`: as the engine finds it.
    pub io: Option<String>,
    /// The engine's shards; `None`: one for each CPU of the engine.
    pub shards: Option<usize>,
    /// The engine's CPUs; empty: all.
    pub engine_cpus: Vec<usize>,
    /// A directory to work in and to keep; `None`: a temporary one.
    pub directory: Option<PathBuf>,
    /// Keep the temporary directory.
    pub keep: bool,
    /// Write a page into this directory.
    pub report: Option<PathBuf>,
    /// Whether it is looked at what a broadcast holds beside its speed.
    pub beside: bool,
    /// More arguments for `hayauma serve`.
    pub engine_arguments: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct BroadcastFigures {
    /// Recipients.
    pub recipients: u64,
    /// The engine's shards.
    pub shards: usize,
    /// What the engine's records survived.
    pub durability: String,
    /// The simulated network answered at once; otherwise as the engine was told.
    pub without_latency: bool,
    /// The list over HTTP until it was durable, in seconds.
    pub import_s: f64,
    /// The dry run.
    pub check_s: f64,
    /// The start, asked and answered, the command's own time with it.
    pub start_s: f64,
    /// From the start's answer until every recipient had an outcome.
    pub run_s: f64,
    /// Recipients a second over that.
    pub per_second: f64,
    /// CPU microseconds of the engine's process for each recipient.
    pub cpu_us_per_recipient: f64,
    /// Anonymous memory at the end, octets, and what it was before the start.
    pub anonymous_octets: u64,
    /// What it was with all contracts, before the start.
    pub anonymous_before_octets: u64,
    /// Octets of the data directory at the end.
    pub data_octets: u64,
    /// Octets that were appended to the journals, for each recipient.
    pub journal_octets_per_recipient: f64,
    /// From the start, asked, to the first outcome that was seen.
    pub first_seen_s: f64,
    /// Emergency pushes beside it.
    pub emergencies: Option<EmergencyFigures>,
    /// What it holds beside its speed.
    pub beside: Option<BesideFigures>,
    /// The results as CSV, in seconds.
    pub results_s: f64,
    /// Recipients by outcome.
    pub outcomes: std::collections::BTreeMap<String, u64>,
    /// Seconds since the start and recipients delivered until then.
    pub curve: Vec<(f64, u64)>,
    /// What was wrong.
    pub faults: Vec<String>,
}

/// What the drill reads of a broadcast's document.
#[derive(Deserialize)]
struct Standing {
    #[serde(default)]
    counts: std::collections::BTreeMap<String, u64>,
    #[serde(default)]
    adds_up: bool,
    #[serde(default)]
    ended: Option<Nothing>,
    #[serde(default)]
    check: Option<Check>,
}

#[derive(Deserialize)]
struct Nothing {}

#[derive(Deserialize)]
pub(super) struct Check {
    pub(super) digest: String,
    pub(super) targeted: u64,
}

impl BroadcastDrill {
    /// Does it all.
    ///
    /// # Errors
    /// What did not start, or a command that was refused.
    pub fn carry_out(&self) -> Result<BroadcastFigures, DrillError> {
        let place = Place::open(self.directory.as_deref(), self.keep)?;
        let (data_dir, log) = (place.path().join("data"), place.path().join("engine.log"));
        let cpus = match self.engine_cpus.as_slice() {
            [] => os::available_cpus(),
            given => given.to_vec(),
        };
        let shards = self.shards.unwrap_or(cpus.len()).max(1);
        let without_latency = self.is_without_latency();
        let more: Vec<String> = WITHOUT_LATENCY
            .iter()
            .filter(|_| without_latency)
            .map(|argument| (*argument).to_owned())
            .chain(self.engine_arguments.iter().cloned())
            .collect();
        let start = Start {
            data_dir: &data_dir,
            log: &log,
            durability: &self.durability,
            io: self.io.as_deref(),
            shards,
            cpus: &cpus,
            more: &more,
            tls: None,
        };
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sink_cpus: Vec<usize> = cpus.last().copied().into_iter().collect();
        let sink = Sink::start(any_port, &sink_cpus)
            .map_err(|source| DrillError::System { doing: "open the notification sink", source })?;
        Console::step(&format!("starting the engine in {}", place.path().display()));
        let mut engine = Engine::start(&start)?;
        let mut stage = Stage {
            data_dir: &data_dir,
            engine: &mut engine,
            sink: &sink,
            generator_cpus: &sink_cpus,
        };
        let mut figures = self.measure(&place, &mut stage)?;
        figures.shards = shards;
        engine.stop()?;
        figures.data_octets = place::octets_of(&data_dir);
        if let Some(directory) = &self.report {
            let fault = |source| DrillError::System { doing: "write the report", source };
            std::fs::create_dir_all(directory).map_err(fault)?;
            let page = directory.join(PAGE);
            std::fs::write(&page, figures.page()).map_err(fault)?;
            Console::step(&format!("the report is in {}", page.display()));
        }
        Ok(figures)
    }

    /// Whether nobody asked for a latency.
    fn is_without_latency(&self) -> bool {
        !self.engine_arguments.iter().any(|argument| argument.starts_with(WITHOUT_LATENCY[0]))
    }

    /// One broadcast to its end, and what is looked at beside it.
    fn measure(
        &self,
        place: &Place,
        stage: &mut Stage<'_>,
    ) -> Result<BroadcastFigures, DrillError> {
        let data_dir = stage.data_dir;
        let command = |words: &[&str]| command_at(data_dir, words);
        let (list, import_s) = self.prepare(place, data_dir, stage.sink)?;
        let mut draft =
            |reqid: &str, pace: u32| self.draft(place.path(), data_dir, (&list, reqid, pace));
        let Draft { broadcast, check, check_s } = draft("drill", self.per_second)?;
        let recipients = check.targeted;
        let journal = |engine: &Engine| engine.metric("hayauma_journal_reached_octets_total");
        let journal_before = journal(stage.engine).unwrap_or_default();
        let (cpu_before, memory_before) = (stage.engine.cpu_time(), stage.engine.memory());
        let words = ["broadcast", "start", &broadcast, "--digest", &check.digest];
        let targeted = recipients.to_string();
        let (start_s, _) = timed(|| command(&[&words[..], &["--recipients", &targeted]].concat()))?;
        let (ran, emergencies) = self.await_end(stage, (&broadcast, recipients))?;
        let Ran { counts, curve, run_s, cpu_after } = ran;
        let journal_octets = journal(stage.engine).unwrap_or_default();
        let journal_octets = journal_octets.saturating_sub(journal_before);
        let cpu = cpu_after.saturating_sub(cpu_before);
        let memory = stage.engine.memory();
        let (results_s, results) = timed(|| command(&["broadcast", "results", &broadcast]))?;
        let mut faults = faults_of(&counts, recipients);
        if results.lines().count() as u64 != recipients + 1 {
            faults.push("the results do not have a line for each recipient.".to_owned());
        }
        let beside = self.beside.then(|| stage.measure(recipients, &mut draft)).transpose()?;
        faults.extend(emergencies.iter().flat_map(|seen| seen.faults(run_s)));
        faults.extend(beside.iter().flat_map(BesideFigures::faults));
        let first_seen_s = curve.iter().find(|(_, delivered)| *delivered > 0);
        let first_seen_s = start_s + first_seen_s.map_or(run_s, |(seconds, _)| *seconds);
        let each = |of_all: f64| of_all / recipients.max(1) as f64;
        Ok(BroadcastFigures {
            recipients,
            shards: 0,
            durability: self.durability.clone(),
            without_latency: self.is_without_latency(),
            import_s,
            check_s,
            start_s,
            run_s,
            per_second: recipients as f64 / run_s.max(1e-9),
            cpu_us_per_recipient: each(cpu.as_secs_f64() * 1e6),
            anonymous_octets: memory.anonymous_octets,
            anonymous_before_octets: memory_before.anonymous_octets,
            journal_octets_per_recipient: each(journal_octets as f64),
            first_seen_s,
            emergencies,
            beside,
            data_octets: 0,
            results_s,
            outcomes: counts,
            curve,
            faults,
        })
    }

    /// Waits until every recipient has an outcome, with emergency pushes meanwhile.
    fn await_end(
        &self,
        stage: &Stage<'_>,
        (broadcast, recipients): (&str, u64),
    ) -> Result<(Ran, Option<EmergencyFigures>), DrillError> {
        let begun = Instant::now();
        let run = || -> Result<Ran, DrillError> {
            let mut curve = Vec::new();
            let counts = watch(stage.data_dir, broadcast, recipients, (begun, &mut curve))?;
            let run_s = begun.elapsed().as_secs_f64();
            Ok(Ran { counts, curve, run_s, cpu_after: stage.engine.cpu_time() })
        };
        match self.beside {
            true => stage.emergencies(recipients).beside(run).map(|(ran, seen)| (ran, Some(seen))),
            false => Ok((run()?, None)),
        }
    }

    /// Contracts and a list, and how long that took to be durable.
    fn prepare(
        &self,
        place: &Place,
        data_dir: &Path,
        sink: &Sink,
    ) -> Result<(String, f64), DrillError> {
        let command = |words: &[&str]| command_at(data_dir, words);
        let (xpid, url) = (format!("{XPID:011}"), sink.url());
        let client = ["client", "add", &xpid, "--client", "drill", "--sender", "Hayauma"];
        let classes = ["--class", "urgent", "--class", "emergency", "--notify-url", &url];
        let classes = [&classes[..], &["--broadcasts", "class"]].concat();
        command(&[&client[..], &classes].concat())?;
        let imported = import(place.path(), data_dir, self.recipients)?;
        let recipients = grouped(self.recipients);
        Console::step(&format!("{recipients} contracts imported in {}", time(imported)));
        let file = self.write_list(place.path())?;
        let list = command(&["list", "create", "everybody"])?.trim().to_owned();
        let (import_s, _) = timed(|| command(&["list", "import", &list, &file]))?;
        Console::step(&format!("the list is durable after {import_s:.2} s"));
        Ok((list, import_s))
    }

    /// A draft to everybody on the list and its dry run.
    fn draft(
        &self,
        directory: &Path,
        data_dir: &Path,
        said: (&str, &str, u32),
    ) -> Result<Draft, DrillError> {
        let command = |words: &[&str]| command_at(data_dir, words);
        let manifest = write_manifest(directory, said)?;
        let broadcast = command(&["broadcast", "create", &manifest])?.trim().to_owned();
        let (check_s, _) = timed(|| command(&["broadcast", "check", &broadcast]))?;
        let check = standing(data_dir, &broadcast).and_then(|standing| standing.check);
        let Some(check) = check else { return Err(silent()) };
        Ok(Draft { broadcast, check, check_s })
    }

    fn write_list(&self, directory: &Path) -> Result<String, DrillError> {
        let path = directory.join("recipients.csv");
        let write = || -> std::io::Result<()> {
            let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(&path)?);
            writeln!(file, "msn,area,lang")?;
            for number in 0..self.recipients {
                let area = AREAS[number as usize % AREAS.len()];
                let language = if number % 10 == 0 { "en" } else { "ja" };
                writeln!(file, "{:011},{area},{language}", FIRST_MSN + number)?;
            }
            file.flush()
        };
        write().map_err(|source| DrillError::System { doing: "write the list", source })?;
        Ok(path.display().to_string())
    }
}

/// A manifest to everybody on the list, at so many rows a second; 0: as fast as it goes.
fn write_manifest(
    directory: &Path,
    (list, reqid, per_second): (&str, &str, u32),
) -> Result<String, DrillError> {
    let path = directory.join("manifest.json");
    let areas: Vec<String> = AREAS.iter().map(|area| format!("\"{area}\"")).collect();
    let text = format!(
        r#"{{"xpid":"{XPID:011}","sender":"Hayauma","class":"02","reqid":"{reqid}",
        "lifetime":3600,"pace":{{"per_second":{}}},"legs":[{{"audience":{{"list":"{list}",
        "areas":[{}]}},"texts":{{"variants":
        {{"ja":"避難してください","en":"Leave now"}}}}}}]}}"#,
        per_second,
        areas.join(",")
    );
    std::fs::write(&path, text)
        .map_err(|source| DrillError::System { doing: "write the manifest", source })?;
    Ok(path.display().to_string())
}

/// A broadcast that is over: its counts, how it went, how long it took, the engine's CPU time then.
struct Ran {
    counts: std::collections::BTreeMap<String, u64>,
    curve: Vec<(f64, u64)>,
    run_s: f64,
    cpu_after: Duration,
}

/// What is ready to be started.
pub(super) struct Draft {
    pub(super) broadcast: String,
    pub(super) check: Check,
    check_s: f64,
}

/// Rows by outcome at this moment; `None` where nobody says so.
pub(super) fn counts_now(
    data_dir: &Path,
    broadcast: &str,
) -> Option<std::collections::BTreeMap<String, u64>> {
    standing(data_dir, broadcast).map(|standing| standing.counts)
}

pub(super) fn command_at(data_dir: &Path, words: &[&str]) -> Result<String, DrillError> {
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    run_command(&[&words[..], &[OsStr::new("--data-dir"), data_dir.as_os_str()]].concat())
}

fn timed<T>(work: impl FnOnce() -> Result<T, DrillError>) -> Result<(f64, T), DrillError> {
    let begun = Instant::now();
    let done = work()?;
    Ok((begun.elapsed().as_secs_f64(), done))
}

fn silent() -> DrillError {
    let source = std::io::Error::other("it does not say where the broadcast stands");
    DrillError::System { doing: "ask the engine", source }
}

/// Where the broadcast stands; `None` where nobody says so at this moment.
fn standing(data_dir: &Path, broadcast: &str) -> Option<Standing> {
    let answer = ask(data_dir, &format!("/broadcasts/{broadcast}")).ok()?;
    let head = answer.windows(4).position(|octets| octets == b"\r\n\r\n")?;
    json::read(&mut answer[head + 4..].to_vec()).ok()
}

/// Watches until every recipient has an outcome; the counts then.
fn watch(
    data_dir: &Path,
    broadcast: &str,
    targeted: u64,
    (begun, curve): (Instant, &mut Vec<(f64, u64)>),
) -> Result<std::collections::BTreeMap<String, u64>, DrillError> {
    let mut changed = Instant::now();
    let mut last = std::collections::BTreeMap::new();
    loop {
        if let Some(standing) = standing(data_dir, broadcast) {
            let open = ["waiting", "in_flight", "held", "handed_over"];
            let open: u64 = open.iter().filter_map(|name| standing.counts.get(*name)).sum();
            let delivered = standing.counts.get("delivered").copied().unwrap_or_default();
            curve.push((begun.elapsed().as_secs_f64(), delivered));
            let all: u64 = standing.counts.values().sum();
            if standing.ended.is_some() || standing.adds_up && all == targeted && open == 0 {
                return Ok(standing.counts);
            }
            if standing.counts != last {
                (last, changed) = (standing.counts, Instant::now());
            }
        }
        if changed.elapsed() > STALLS_AFTER {
            let attempts = last.values().sum();
            return Err(DrillError::AttemptsStall { expected: targeted, attempts });
        }
        std::thread::park_timeout(LOOK);
    }
}

fn faults_of(counts: &std::collections::BTreeMap<String, u64>, targeted: u64) -> Vec<String> {
    let mut faults = Vec::new();
    if counts.values().sum::<u64>() != targeted {
        faults.push("the outcomes are not as many as the recipients.".to_owned());
    }
    if counts.get("delivered") != Some(&targeted) {
        faults.push(format!("not everybody was reached: {counts:?}."));
    }
    faults
}

impl BroadcastFigures {
    /// As lines for a person.
    pub fn text(&self) -> String {
        let mut text = format!(
            "broadcast to {} recipients, {} shards, durability {}, network {}\n",
            grouped(self.recipients),
            self.shards,
            self.durability,
            if self.without_latency { "without latency" } else { "as told" }
        );
        let _ = writeln!(text, "  {:<38} {:>14} {:>18}", "", "must", "seen");
        for (name, must, seen) in self.rows() {
            let _ = writeln!(text, "  {name:<38} {must:>14} {seen:>18}");
        }
        self.faults.iter().for_each(|fault| {
            let _ = writeln!(text, "  FAULT: {fault}");
        });
        text
    }

    /// What is to be held, each with its bound where it has one, and what was seen.
    fn rows(&self) -> Vec<(&'static str, String, String)> {
        let mib = |octets: u64| format!("{:.1} MiB", octets as f64 / f64::from(1 << 20));
        // Bounds in seconds are of ten million.
        let of_all = |seconds: f64| match self.recipients {
            10_000_000 => format!("{seconds} s"),
            _ => String::new(),
        };
        let none = String::new;
        let more = self.anonymous_octets.saturating_sub(self.anonymous_before_octets);
        let mut rows = vec![
            ("list over HTTP until durable", of_all(4.0), format!("{:.2} s", self.import_s)),
            ("dry run", of_all(3.0), format!("{:.2} s", self.check_s)),
            ("start, the command with it", none(), format!("{:.3} s", self.start_s)),
            ("first outcome seen", none(), format!("{:.3} s", self.first_seen_s)),
            ("until the last outcome", of_all(12.0), format!("{:.2} s", self.run_s)),
            ("recipients a second", none(), grouped(self.per_second as u64)),
            (
                "engine's CPU for each",
                "0.8 us".to_owned(),
                format!("{:.3} us", self.cpu_us_per_recipient),
            ),
            (
                "journal for each",
                "16 octets".to_owned(),
                format!("{:.1} octets", self.journal_octets_per_recipient),
            ),
            ("anonymous memory beside contracts", "128 MiB".to_owned(), mib(more)),
            ("data directory", none(), mib(self.data_octets)),
            ("results as CSV", of_all(10.0), format!("{:.2} s", self.results_s)),
        ];
        if let Some([delivered, answered]) = self.emergencies.map(|seen| seen.shown()) {
            rows.push(("emergencies beside it, delivered p99", "50 ms".to_owned(), delivered));
            rows.push(("emergencies beside it, answered p99", none(), answered));
        }
        rows.extend(self.beside.iter().flat_map(BesideFigures::rows));
        rows
    }

    /// As a page.
    pub fn page(&self) -> String {
        const WIDTH: f64 = 720.0;
        const HEIGHT: f64 = 240.0;
        let mut path = String::new();
        for (at, (seconds, delivered)) in self.curve.iter().enumerate() {
            let x = seconds / self.run_s.max(1e-9) * WIDTH;
            let y = HEIGHT - *delivered as f64 / self.recipients.max(1) as f64 * HEIGHT;
            let _ = write!(path, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { " L" });
        }
        let mut rows = String::new();
        for (name, must, seen) in self.rows() {
            let _ = write!(rows, "<tr><th>{name}</th><td>{must}</td><td>{seen}</td></tr>");
        }
        let faults: String =
            self.faults.iter().map(|fault| format!("<p><strong>{fault}</strong></p>")).collect();
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>A broadcast's drill\
             </title><style>body{{font:16px sans-serif;max-width:760px;margin:2em auto;padding:0 \
             1em}}th{{text-align:left;font-weight:normal;padding-right:2em}}td{{text-align:right}}\
             </style><h1>{} recipients</h1>{faults}<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             role=\"img\" aria-label=\"Recipients reached over {:.1} seconds\"><path d=\"{path}\" \
             fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\"/></svg><table><tr><th></th>\
             <td>must</td><td>seen</td></tr>{rows}</table>\
             </html>\n",
            grouped(self.recipients),
            self.run_s
        )
    }
}
