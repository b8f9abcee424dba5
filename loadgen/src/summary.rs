//! A run's figures in the form that is written as JSON and printed as text.

use crate::conditions::Sample;
use crate::environment::Environment;
use crate::format::per_second;
use crate::latency::{Latencies, Series};
use crate::ledger::{Answers, Tally};
use crate::machine::Machine;
use crate::mix::Composition;
use crate::msns::Order;
use crate::os::Memory;
use crate::plan::{Arrivals, Load, Plan};
use crate::quarters::Quarters;
use crate::run::{CutShort, Outcome};
use crate::trust::Trust;
use crate::watched::WatchedFigures;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::smpp::status::Status;

/// Everything a run reports. Times are in the units that the fields' names end in.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// `drill` or `push`.
    pub command: &'static str,
    /// Version of the load generator.
    pub version: &'static str,
    /// Unix time of the report.
    pub reported_at_unix_ms: u64,
    /// What was to be done.
    pub plan: PlanFigures,
    /// Where.
    pub machine: Machine,
    /// From the first send to the last final answer.
    pub answered_within_s: f64,
    /// From the first send to the last first notification.
    pub settled_within_s: f64,
    /// Accepted pushes per second until the last answer.
    pub answered_per_s: f64,
    /// Accepted pushes per second end to end.
    pub accepted_per_s: f64,
    /// Delivered pushes per second end to end.
    pub delivered_per_s: f64,
    /// Notified pushes per second end to end.
    pub notified_per_s: f64,
    /// From the intended (open loop) or actual (closed loop) send to the final answer.
    pub answer_times: Percentiles,
    /// From the actual send to the answer.
    pub service_times: Percentiles,
    /// From the intended or actual send to the last moment at which a push can have been delivered:
    /// notifications name whole seconds.
    pub delivery_times: Percentiles,
    /// The same from the actual send. Open loop only.
    pub delivery_service_times: Option<Percentiles>,
    /// From the intended or actual send to the first notification.
    pub notification_times: Percentiles,
    /// The same from the actual send. Open loop only.
    pub notification_service_times: Option<Percentiles>,
    /// From the intended to the actual send: how late the generator was. Open loop only.
    pub lateness: Option<Percentiles>,
    /// The part of the lateness that is the generator's own. Open loop only.
    pub own_lateness: Option<Percentiles>,
    /// Whether the target stood still now and then. Open loop only.
    pub quarters: Option<Quarters>,
    /// Sends that the window or full connections held back. Open loop only.
    pub held_back: u64,
    /// Sends more than a millisecond late. Open loop only.
    pub late_sends: u64,
    /// Answers by result code, those to be repeated later included.
    pub answer_codes: BTreeMap<String, u64>,
    /// Answers without a push response, by HTTP status.
    pub http_errors: BTreeMap<String, u64>,
    /// Answers of an SMSC that say no, by the name of their command_status.
    pub smpp_statuses: BTreeMap<String, u64>,
    /// Answers of an SMSC that took a message and gave it no id.
    pub smpp_nameless: u64,
    /// First notifications by result code.
    pub notification_codes: BTreeMap<String, u64>,
    /// Answers to repeats, cancels and bad requests, held against what they must be.
    pub answers: Vec<Answers>,
    /// SMS segments that the first notifications reported delivered.
    pub segments_delivered: u64,
    /// Requests sent again after a lost connection.
    pub resent_requests: u64,
    /// Requests sent again because the answer said so (8xxx).
    pub retried_requests: u64,
    /// Connections lost.
    pub connections_lost: u64,
    /// Connections that the target closed in order, and which were made again.
    pub connections_closed: u64,
    /// Answers out of their turn.
    pub misordered_answers: u64,
    /// Answers that could not be read.
    pub malformed_answers: u64,
    /// The generator's own cost.
    pub generator: GeneratorFigures,
    /// The engine's cost; only where the run started it.
    pub engine: Option<EngineFigures>,
    /// A watched engine that the run did not start.
    pub engine_process: Option<WatchedFigures>,
    /// What the engine billed; only where the run could ask.
    pub billing: Option<BillingFigures>,
    /// The ledger's balance.
    pub ledger: Tally,
    /// Whether the figures can be trusted, and why not.
    pub trust: Trust,
    /// Where and how the run was carried out.
    pub environment: Environment,
    /// The course of the run.
    pub timeline: Vec<Sample>,
    /// How far the run had come when it was interrupted; absent if it came to its end.
    pub cut_short: Option<CutShort>,
    /// What is wrong, one sentence each; empty in a clean run.
    pub faults: Vec<String>,
    /// Whether nothing is wrong, in an interrupted run with the part that was carried out.
    pub clean: bool,
    /// The ledger's balance in one line.
    pub verdict: String,
}

/// The plan's figures.
#[derive(Clone, Debug, Serialize)]
pub struct PlanFigures {
    /// Where the pushes went.
    pub target: String,
    /// What the target takes: `http`, `https` (TLS 1.3), or `smpp`, where a connection is a
    /// session, the pipeline its window and a notification a receipt.
    pub interface: &'static str,
    /// Requests to send.
    pub pushes: u64,
    /// `closed`, `open` or `planned`.
    pub load: &'static str,
    /// Open loop: pushes per second.
    pub rate_per_s: Option<u64>,
    /// Planned load: what its schedule was made of.
    pub arrivals: Vec<Arrivals>,
    /// TCP connections.
    pub connections: usize,
    /// Requests in flight on each, at most.
    pub pipeline: usize,
    /// Pushes not yet notified, at most.
    pub window: Option<u64>,
    /// Whether notifications were asked for.
    pub notify: bool,
    /// Sending threads.
    pub threads: usize,
    /// For so many microseconds before a send the thread did not sleep.
    pub spin_us: u64,
    /// The generator's CPUs; empty: any.
    pub cpus: Vec<usize>,
    /// Different msns.
    pub msns: u64,
    /// In which order they come.
    pub order: Order,
    /// The registrations that send.
    pub xpids: Vec<String>,
    /// Push class, where a request names none.
    pub class: String,
    /// Name of the mix.
    pub mix: &'static str,
    /// The first pushes, whose latencies are not counted.
    pub warm_up: u64,
    /// What the pushes are made of.
    pub composition: Composition,
    /// Chooses shapes and the order of msns.
    pub seed: u64,
    /// The run's part of every reqid.
    pub run: String,
}

/// Percentiles of a latency, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Percentiles {
    /// How many were counted.
    pub count: u64,
    /// Median.
    pub p50_ms: f64,
    /// Nine in ten.
    pub p90_ms: f64,
    /// 99 in 100.
    pub p99_ms: f64,
    /// 999 in 1,000.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// What the generator itself used.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct GeneratorFigures {
    /// CPU seconds from the start of the load to its end, sink included.
    pub cpu_s: f64,
    /// CPU microseconds per push.
    pub cpu_us_per_push: f64,
    /// Peak resident memory, in octets.
    pub peak_octets: u64,
}

/// What the engine used.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct EngineFigures {
    /// What an accepted push survives: `power` or `process`.
    pub durability: String,
    /// What carried its octets: `uring` or `poll`; empty where it does not say.
    pub driver: String,
    /// Shards.
    pub shards: usize,
    /// The engine's CPUs.
    pub cpus: Vec<usize>,
    /// From its start until it was healthy.
    pub started_within_s: f64,
    /// Contracts imported.
    pub contracts: u64,
    /// How long the import took.
    pub imported_within_s: f64,
    /// CPU seconds from the start of the load to its end.
    pub cpu_s: f64,
    /// CPU microseconds per accepted push.
    pub cpu_us_per_push: f64,
    /// CPU seconds of its whole life.
    pub cpu_total_s: f64,
    /// Memory at the end of the load.
    pub memory: Memory,
    /// Octets of the data directory on the device at the end.
    pub data_octets: u64,
    /// From SIGTERM to its end.
    pub stopped_within_s: f64,
    /// How long its commits took, by its own metrics, warm-up included.
    pub commit_times: Percentiles,
    /// How many commits took more than two milliseconds.
    pub slow_commits: u64,
    /// Its own part of the answers that waited for the device: without the time in which a commit
    /// was under way.
    pub own_times: Percentiles,
}

/// What the engine's billing says about the run's XPID.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct BillingFigures {
    /// Pushes accepted.
    pub accepted: u64,
    /// Pushes delivered.
    pub delivered: u64,
    /// Segments, where the bill has them.
    pub segments: Option<u64>,
}

impl Percentiles {
    /// Of what was counted.
    pub fn of(latencies: &Latencies) -> Self {
        let at = |percent| latencies.percentile_ns(percent) as f64 / 1e6;
        Self {
            count: latencies.count(),
            p50_ms: at(50.0),
            p90_ms: at(90.0),
            p99_ms: at(99.0),
            p999_ms: at(99.9),
            max_ms: at(100.0),
        }
    }
}

impl GeneratorFigures {
    /// What this process took for so many pushes.
    fn of(outcome: &Outcome, attempted: u64) -> Self {
        let memory = crate::os::memory_of(std::process::id()).unwrap_or_default();
        Self {
            cpu_s: outcome.generator_cpu.as_secs_f64(),
            cpu_us_per_push: us_per_push(outcome.generator_cpu, attempted),
            peak_octets: memory.peak_octets,
        }
    }
}

impl Summary {
    /// The figures of a run that has ended.
    pub fn new(command: &'static str, plan: &Plan, outcome: &Outcome, machine: Machine) -> Self {
        let tally = outcome.ledger.tally();
        let settled = |count| per_second(count, outcome.settled_within);
        let open = plan.load != Load::Closed;
        let stages = &outcome.sent.phases.load;
        let stage = |series: &Series| Percentiles::of(&series.total());
        let since_1970 =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let mut summary = Self {
            command,
            version: env!("CARGO_PKG_VERSION"),
            reported_at_unix_ms: since_1970.as_millis() as u64,
            plan: PlanFigures::of(plan),
            machine,
            answered_within_s: outcome.answered_within.as_secs_f64(),
            settled_within_s: outcome.settled_within.as_secs_f64(),
            answered_per_s: per_second(tally.accepted, outcome.answered_within),
            accepted_per_s: settled(tally.accepted),
            delivered_per_s: settled(tally.delivered),
            notified_per_s: settled(tally.notified),
            answer_times: Percentiles::of(&outcome.sent.answer_times),
            service_times: Percentiles::of(&outcome.sent.service_times),
            delivery_times: stage(&stages.delivery),
            delivery_service_times: open.then(|| stage(&stages.delivery_service)),
            notification_times: Percentiles::of(&outcome.notification_times),
            notification_service_times: open.then(|| stage(&stages.notification_service)),
            lateness: open.then(|| Percentiles::of(&outcome.sent.lateness)),
            own_lateness: open.then(|| Percentiles::of(&outcome.sent.own_lateness)),
            quarters: Quarters::of(&stages.answer, &outcome.sent.own_quarters).filter(|_| open),
            held_back: outcome.sent.held_back,
            late_sends: outcome.sent.late,
            answer_codes: by_code(&outcome.ledger.answer_codes()),
            http_errors: by_number(&outcome.ledger.http_errors()),
            smpp_statuses: by_status(&outcome.sent.statuses),
            smpp_nameless: outcome.sent.nameless,
            notification_codes: by_code(&outcome.ledger.notification_codes()),
            answers: outcome.ledger.answers(),
            segments_delivered: outcome.ledger.segments_delivered(),
            resent_requests: outcome.sent.resent,
            retried_requests: outcome.sent.retried,
            connections_lost: outcome.sent.connections_lost,
            connections_closed: outcome.sent.connections_closed,
            misordered_answers: outcome.sent.misordered,
            malformed_answers: outcome.sent.malformed,
            generator: GeneratorFigures::of(outcome, tally.attempted),
            engine: None,
            engine_process: None,
            billing: None,
            ledger: tally,
            trust: Trust::of(outcome, open),
            environment: Environment::here(),
            timeline: outcome.conditions.samples.clone(),
            cut_short: outcome.cut_short,
            faults: faults(&tally, outcome),
            clean: true,
            verdict: match &outcome.cut_short {
                Some(cut) => format!("{} · {tally}", interrupted(cut)),
                None => tally.to_string(),
            },
        };
        summary.clean = summary.faults.is_empty();
        summary
    }

    /// Adds something that is wrong.
    pub fn fault(&mut self, sentence: String) {
        self.faults.push(sentence);
        self.clean = false;
    }

    /// Whether the run came to its end and nothing is wrong: what its exit status says.
    pub fn succeeded(&self) -> bool {
        self.clean && self.cut_short.is_none()
    }

    /// As one JSON document.
    pub fn to_json(&self) -> String {
        match simd_json::to_string(self) {
            Ok(text) => crate::format::indented(&text),
            Err(fault) => unreachable!("a summary holds nothing that JSON cannot: {fault}"),
        }
    }
}

impl PlanFigures {
    fn of(plan: &Plan) -> Self {
        let (load, rate_per_s) = match &plan.load {
            Load::Closed => ("closed", None),
            Load::Open { rate_per_second } => ("open", Some(*rate_per_second)),
            Load::Planned(_) => ("planned", None),
        };
        Self {
            target: plan.target.to_string(),
            interface: match (&plan.smpp, &plan.tls) {
                (Some(_), _) => "smpp",
                (None, Some(_)) => "https",
                (None, None) => "http",
            },
            pushes: plan.pushes,
            load,
            rate_per_s,
            arrivals: plan.arrivals.clone(),
            connections: plan.connections,
            pipeline: plan.pipeline,
            window: plan.window,
            notify: plan.notify,
            threads: plan.threads,
            spin_us: plan.spin.as_micros() as u64,
            cpus: plan.cpus.clone(),
            msns: plan.msns.count(),
            class: format!("{:?}", plan.class).to_lowercase(),
            mix: plan.mix.name(),
            warm_up: plan.warm_up,
            composition: plan.mix.composition(plan.seed, plan.pushes),
            order: plan.order,
            xpids: plan
                .clients()
                .map(|client| String::from_utf8_lossy(&client.xpid.digits()).into_owned())
                .collect(),
            seed: plan.seed,
            run: plan.run.characters().to_owned(),
        }
    }
}

/// The beginning of an interrupted run's verdict line.
fn interrupted(cut: &CutShort) -> String {
    let after = crate::format::time(Duration::from_secs_f64(cut.after_s));
    format!("INTERRUPTED after {after} · sent {} of {}", cut.requests_sent, cut.requests_planned)
}

/// Microseconds of CPU time per push.
pub(crate) fn us_per_push(cpu: Duration, pushes: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / pushes.max(1) as f64
}

fn by_number(counts: &[(u16, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(number, count)| (number.to_string(), *count)).collect()
}

fn by_status(counts: &BTreeMap<u32, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(&status, count)| (Status(status).to_string(), *count)).collect()
}

fn by_code(counts: &[(u16, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(code, count)| (format!("{code:04}"), *count)).collect()
}

fn faults(tally: &Tally, outcome: &Outcome) -> Vec<String> {
    let mut faults = Vec::new();
    let mut count = |number: u64, sentence: &str| {
        if number > 0 {
            faults.push(format!("{} {sentence}", crate::format::grouped(number)));
        }
    };
    count(tally.lost.unwrap_or(0), "accepted pushes were never notified.");
    count(tally.duplicated, "notifications came for pushes that had another one already.");
    count(
        tally.unexpected,
        "notifications came for pushes that were refused, never sent or not of this run.",
    );
    // A run that was cut short waited for no more answers, and says so.
    let unanswered = if outcome.cut_short.is_some() { 0 } else { tally.unanswered };
    count(unanswered, "requests have no final answer.");
    count(
        tally.http_errors,
        "pushes were answered by HTTP without a push response: whether they were accepted, nobody \
         said.",
    );
    count(
        tally.wrongly_answered,
        "repeats, cancels or bad requests were answered otherwise than they must be.",
    );
    count(tally.accepted_twice, "pushes were answered 0000 twice.");
    count(outcome.sent.misordered, "answers came out of their turn.");
    if let Some(first) = outcome.ledger.lost(1).first()
        && tally.lost.unwrap_or(0) > 0
    {
        faults.push(format!("The first lost push is number {first} of the run."));
    }
    faults.extend(outcome.sent.failure.clone());
    faults
}
