//! A plan as a file: TOML with phases, arrivals, a mix and destinations.
//!
//! ```toml
//! target = "127.0.0.1:8080"
//! sink = "127.0.0.1:9000"
//! seed = 7
//! [msns]
//! range = "09000000000:100000"
//! order = "zipf"
//! [[phase]]
//! kind = "warm-up"
//! arrivals = "constant"
//! rate_per_s = 500
//! seconds = 2
//! [[phase]]
//! kind = "load"
//! arrivals = "poisson"
//! rate_per_s = 5000
//! seconds = 10
//! ```
//!
//! `[[request]]` tables say what is sent, in shares by `weight`: pushes of `kind = "text"` or
//! `"control"`, a `"repeat"` or `"cancel"` of an earlier one, or a `"bad"` request with the `fault`
//! it has. `[[client]]` adds registrations that pushes may name by `xpid`. With an `[smpp]` table
//! the target is an SMSC. `examples/plan.toml` shows every key.

mod requests;
mod smpp;

use crate::mix::Mix;
use crate::msns::{Msns, Order};
use crate::plan::{Arrivals, Load, Plan};
use crate::reqid::RunId;
use crate::schedule::{Schedule, Stretch};
use crate::target::Target;
use crate::tls::{TargetTls, TlsIdentity};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use wire::terms::ids::Xpid;

/// A plan that was read and the sink it asks for.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What to do.
    pub plan: Plan,
    /// Where to take notifications; without it none are asked for.
    pub sink: Option<SocketAddr>,
    warm_up: Vec<Stretch>,
    load: Vec<Stretch>,
}

/// Why a plan cannot be used: one sentence with the remedy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ScenarioError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    target: Option<String>,
    tls: Option<bool>,
    tls_ca: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    sink: Option<SocketAddr>,
    xpid: Option<String>,
    token: Option<String>,
    class: Option<String>,
    lifetime_hours: Option<u8>,
    mix: Option<String>,
    seed: Option<u64>,
    connections: Option<usize>,
    pipeline: Option<usize>,
    window: Option<u64>,
    threads: Option<usize>,
    spin_us: Option<u64>,
    cpus: Option<String>,
    engine_process: Option<u32>,
    smpp: Option<smpp::Table>,
    msns: Option<Numbers>,
    client: Option<Vec<OtherClient>>,
    request: Option<Vec<requests::Request>>,
    phase: Vec<Phase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherClient {
    xpid: String,
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    range: Option<String>,
    order: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum PhaseKind {
    WarmUp,
    Load,
    Drain,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Phase {
    kind: PhaseKind,
    arrivals: Option<String>,
    rate_per_s: Option<f64>,
    from_per_s: Option<f64>,
    to_per_s: Option<f64>,
    steps_per_s: Option<Vec<f64>>,
    burst_pushes: Option<u64>,
    burst_every_s: Option<f64>,
    seconds: f64,
}

impl Scenario {
    /// Reads a plan.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let file: File = toml::from_str(text).map_err(|fault| {
            let detail = fault.message().replace('\n', " ");
            let line = fault.span().map_or(0, |span| text[..span.start].lines().count().max(1));
            ScenarioError(format!("line {line} is not understood ({detail}): correct it."))
        })?;
        file.scenario().map_err(ScenarioError)
    }

    /// The mean rate of the load's phases, per second.
    pub fn rate_per_s(&self) -> f64 {
        let pushes: f64 = self.load.iter().map(Stretch::pushes).sum();
        pushes / self.load.iter().map(Stretch::seconds).sum::<f64>()
    }

    /// The plan with every rate changed alike, so that the load's mean rate is `rate_per_s`; a run
    /// of its own.
    pub fn at_rate(&self, rate_per_s: f64) -> Plan {
        let factor = rate_per_s / self.rate_per_s();
        let scaled = |stretches: &[Stretch]| -> Vec<Stretch> {
            stretches.iter().map(|stretch| stretch.scaled(factor)).collect()
        };
        let mut plan = self.plan.clone();
        plan.run = RunId::from_time();
        arrive(&mut plan, &scaled(&self.warm_up), &scaled(&self.load));
        plan
    }
}

/// Gives the plan its pushes and their times.
fn arrive(plan: &mut Plan, warm_up: &[Stretch], load: &[Stretch]) {
    plan.warm_up = Schedule::of(warm_up, plan.seed).pushes().unwrap_or_default();
    let schedule = Schedule::of(&[warm_up, load].concat(), plan.seed);
    plan.pushes = schedule.pushes().unwrap_or_default();
    plan.load = Load::Planned(schedule);
    let of = |warm_up| move |stretch: &Stretch| Arrivals { warm_up, stretch: *stretch };
    plan.arrivals = warm_up.iter().map(of(true)).chain(load.iter().map(of(false))).collect();
}

impl File {
    fn scenario(self) -> Result<Scenario, String> {
        let (target, tls) = self.target()?;
        let mut plan = Plan::new(target);
        plan.tls = tls;
        let (warm_up, load) = self.phases(&mut plan)?;
        plan.seed = self.seed.unwrap_or(plan.seed);
        arrive(&mut plan, &warm_up, &load);
        plan.notify = self.sink.is_some();
        smpp::apply(self.smpp, &mut plan)?;
        plan.token = self.token;
        plan.window = self.window;
        plan.watched = self.engine_process;
        plan.lifetime_hours = self.lifetime_hours.unwrap_or(plan.lifetime_hours);
        plan.connections = self.connections.unwrap_or(plan.connections);
        plan.pipeline = self.pipeline.unwrap_or(plan.pipeline);
        plan.threads = self.threads.unwrap_or(plan.threads);
        plan.spin = self.spin_us.map_or(plan.spin, Duration::from_micros);
        if let Some(text) = self.xpid {
            plan.xpid = xpid(&text)?;
        }
        if let Some(class) = self.class {
            plan.class = requests::class(&class)?;
        }
        for client in self.client.unwrap_or_default() {
            plan.other_clients.push((xpid(&client.xpid)?, client.token));
        }
        match (self.mix, self.request) {
            (Some(_), Some(_)) => {
                return Err(
                    "mix and request tables say the same: leave one of them away.".to_owned()
                );
            }
            (Some(mix), None) => plan.mix = Mix::named(&mix)?,
            (None, Some(tables)) => {
                let client_of = |text: Option<&str>| client_of(&plan, text);
                plan.mix = requests::mix(&tables, client_of)?;
            }
            (None, None) => {}
        }
        if let Some(cpus) = self.cpus {
            plan.cpus = crate::os::parse_cpus(&cpus)?;
        }
        if let Some(numbers) = self.msns {
            if let Some(range) = numbers.range {
                plan.msns = Msns::parse(&range)?;
            }
            plan.order = numbers.order.map_or(Ok(plan.order), |order| Order::named(&order))?;
        }
        plan.check().map_err(|fault| fault.to_string())?;
        Ok(Scenario { plan, sink: self.sink, warm_up, load })
    }

    /// Where the plan sends to, and what TLS is spoken with there.
    fn target(&self) -> Result<(SocketAddr, Option<TargetTls>), String> {
        let target = Target::parse(self.target.as_deref().unwrap_or("127.0.0.1:8080"))?;
        let shown = match (&self.tls_cert, &self.tls_key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            _ => return Err("tls_cert and tls_key go together: give both.".to_owned()),
        };
        let identity = TlsIdentity { authorities: self.tls_ca.clone(), shown };
        if self.tls.unwrap_or(target.is_secure) {
            let tls = TargetTls::read(&identity, &target.host);
            return Ok((target.address, Some(tls.map_err(|fault| fault.to_string())?)));
        }
        if target.is_secure || identity != TlsIdentity::default() {
            return Err("the plan names a target or files for TLS and speaks it not: name the \
                        target https://, or set tls = true."
                .to_owned());
        }
        Ok((target.address, None))
    }

    /// The stretches of the warm-up and of the load; the drain's time goes into the plan.
    fn phases(&self, plan: &mut Plan) -> Result<(Vec<Stretch>, Vec<Stretch>), String> {
        let (mut warm_up, mut load) = (Vec::new(), Vec::new());
        for phase in &self.phase {
            if !(phase.seconds > 0.0 && phase.seconds <= 86_400.0) {
                return Err("a phase needs between 0 and 86400 seconds.".to_owned());
            }
            match phase.kind {
                PhaseKind::WarmUp if !load.is_empty() => {
                    return Err("a warm-up comes before the load: put its phase first.".to_owned());
                }
                PhaseKind::WarmUp => warm_up.extend(phase.stretches()?),
                PhaseKind::Load => load.extend(phase.stretches()?),
                PhaseKind::Drain => {
                    plan.patience.stall_after = Duration::from_secs_f64(phase.seconds)
                }
            }
        }
        if load.is_empty() {
            return Err("the plan sends nothing: give it a phase of kind \"load\".".to_owned());
        }
        let pushes: f64 = warm_up.iter().chain(&load).map(Stretch::pushes).sum();
        let most = crate::limits::PUSHES_PLANNED_MAX;
        if !(pushes >= 1.0 && pushes <= most as f64) {
            return Err(format!(
                "the phases make {pushes:.0} pushes: choose rates and times for 1 to {most}."
            ));
        }
        Ok((warm_up, load))
    }
}

fn xpid(text: &str) -> Result<Xpid, String> {
    Xpid::parse(text.as_bytes())
        .ok_or_else(|| format!("\"{text}\" is not an XPID: write eleven digits in quotes."))
}

/// Which of the plan's clients has this XPID; the plan's own where none is named.
fn client_of(plan: &Plan, text: Option<&str>) -> Result<usize, String> {
    let Some(text) = text else { return Ok(0) };
    let wanted = xpid(text)?;
    plan.clients()
        .position(|client| client.xpid == wanted)
        .ok_or_else(|| format!("no client has the XPID \"{text}\": add it in a [[client]] table."))
}

impl Phase {
    fn stretches(&self) -> Result<Vec<Stretch>, String> {
        let seconds = self.seconds;
        let positive = |value: Option<f64>, name: &str| {
            value
                .filter(|value| *value > 0.0 && value.is_finite())
                .ok_or_else(|| format!("a phase of these arrivals needs {name} above 0."))
        };
        let rate = || positive(self.rate_per_s, "rate_per_s");
        Ok(match self.arrivals.as_deref().unwrap_or("constant") {
            "constant" => vec![Stretch::Constant { rate_per_s: rate()?, seconds }],
            "poisson" => vec![Stretch::Poisson { rate_per_s: rate()?, seconds }],
            "ramp" => {
                let from_per_s = self.from_per_s.unwrap_or_default().max(0.0);
                vec![Stretch::Ramp {
                    from_per_s,
                    to_per_s: positive(self.to_per_s, "to_per_s")?,
                    seconds,
                }]
            }
            "steps" => {
                let rates = self.steps_per_s.as_deref().unwrap_or_default();
                if rates.is_empty() {
                    return Err("a phase of steps needs steps_per_s, a list of rates.".to_owned());
                }
                let seconds = seconds / rates.len() as f64;
                let step = |rate: &f64| positive(Some(*rate), "steps_per_s");
                let steps = rates
                    .iter()
                    .map(|rate| Ok(Stretch::Constant { rate_per_s: step(rate)?, seconds }));
                steps.collect::<Result<_, String>>()?
            }
            "burst" => vec![Stretch::Burst {
                rate_per_s: rate()?,
                pushes: self.burst_pushes.unwrap_or_default(),
                every_s: positive(self.burst_every_s, "burst_every_s")?,
                seconds,
            }],
            other => {
                return Err(format!(
                    "\"{other}\" are no arrivals: choose constant, poisson, ramp, steps or burst."
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "target = \"127.0.0.1:1\"\nseed = 7\nconnections = 8\n[msns]\n\
        range = \"09000000000:500\"\norder = \"zipf\"\n[[phase]]\nkind = \"warm-up\"\n\
        rate_per_s = 100\nseconds = 1\n[[phase]]\nkind = \"load\"\narrivals = \"steps\"\n\
        steps_per_s = [200, 400]\nseconds = 2\n[[phase]]\nkind = \"load\"\narrivals = \"poisson\"\n\
        rate_per_s = 1000\nseconds = 1\n[[phase]]\nkind = \"drain\"\nseconds = 5\n";

    #[test]
    fn a_plan_is_read_into_phases_and_the_same_seed_gives_the_same_pushes() {
        let (first, second) = (
            Scenario::parse(PLAN).expect("legal").plan,
            Scenario::parse(PLAN).expect("legal").plan,
        );
        assert_eq!((first.warm_up, first.connections, first.seed), (100, 8, 7));
        assert_eq!(first.load, second.load);
        let Load::Planned(schedule) = &first.load else { unreachable!("a file's load is planned") };
        // Steps of a second each follow the warm-up's second.
        assert_eq!((schedule.due(1_999_999_999), schedule.due(2_999_999_999)), (300, 700));
        assert!((1_600..1_800).contains(&first.pushes), "{}", first.pushes);
        assert_eq!(first.patience.stall_after, Duration::from_secs(5));
        assert!(!first.notify && first.order == Order::Zipf);
    }

    #[test]
    fn a_plan_speaks_tls_where_its_target_says_so_or_it_does_itself() {
        let speaks = |text: &str| Scenario::parse(text).expect("legal").plan.tls.is_some();
        assert!(!speaks(PLAN));
        assert!(speaks(&PLAN.replace("127.0.0.1:1", "https://127.0.0.1:1")));
        assert!(speaks(&PLAN.replace("seed = 7", "tls = true")));
    }

    #[test]
    fn the_plan_of_the_examples_is_read_and_holds_every_kind_of_request() {
        let plan = Scenario::parse(include_str!("../../examples/plan.toml")).expect("legal").plan;
        let made = plan.mix.composition(plan.seed, plan.pushes);
        assert!(made.repeats > 0 && made.cancels > 0 && made.bad > 0 && made.texts > 0, "{made:?}");
        assert!(plan.warm_up > 0 && plan.clients().count() == 2);
    }

    #[test]
    fn a_plan_that_cannot_be_used_gets_one_sentence() {
        for (from, to, part) in [
            ("seed = 7", "sead = 7", "sead"),
            ("seed = 7", "tls_ca = \"ca.pem\"", "tls = true"),
            ("seed = 7", "tls = true\ntls_cert = \"c.pem\"", "give both"),
            ("seed = 7", "tls = true\ntls_ca = \"/gone.pem\"", "/gone.pem"),
            ("127.0.0.1:1", "https://127.0.0.1/x", "leave the path away"),
            ("seconds = 2", "seconds = 0", "seconds"),
            ("\"poisson\"", "\"fish\"", "no arrivals"),
            ("\"zipf\"", "\"zap\"", "no order"),
            ("steps_per_s = [200, 400]\n", "", "steps_per_s"),
            ("rate_per_s = 1000\n", "", "rate_per_s"),
            ("rate_per_s = 1000", "rate_per_s = 1e12", "pushes"),
            ("connections = 8", "connections = 0", "connections"),
            ("\"load\"", "\"warm-up\"", "load"),
            ("[msns]", "[[request]]\nkind = \"text\"\noctets = 5\n[msns]", "no octets"),
            ("[msns]", "[[request]]\nkind = \"bad\"\nfault = \"odd\"\n[msns]", "no fault"),
            ("[msns]", "[[request]]\nkind = \"text\"\ncharacters = [1, 671]\n[msns]", "too long"),
            (
                "[msns]",
                "[[request]]\nkind = \"text\"\nxpid = \"00000000005\"\n[msns]",
                "[[client]]",
            ),
            ("[msns]", "[[request]]\nkind = \"cancel\"\n[msns]", "no push"),
            ("[msns]", "[smpp]\nsystem_id = \"\"\n[msns]", "1 to 15 octets"),
            (
                "seed = 7",
                "seed = 7\nsink = \"127.0.0.1:2\"\nsmpp = { system_id = \"x\" }",
                "sink out",
            ),
        ] {
            let sentence = Scenario::parse(&PLAN.replace(from, to)).expect_err(from).to_string();
            assert!(
                sentence.contains(part) && sentence.ends_with('.') && !sentence.contains('\n'),
                "{sentence}"
            );
        }
    }
}
