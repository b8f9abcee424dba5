//! What a run is to do: everything that is fixed before its first push.

use crate::limits::{
    ANSWER_WITHIN, CONNECTIONS_MAX, LINGER, PIPELINE_REQUESTS_MAX, PUSHES_MAX, RATE_PER_SECOND_MAX,
    RECONNECT_FOR, SESSIONS_MAX, SPIN_MAX, STALL_AFTER, THREADS_MAX,
};
use crate::mix::Mix;
use crate::msns::{Msns, Order};
use crate::reqid::RunId;
use crate::schedule::{Schedule, Stretch};
use crate::smpp::account::Account;
use crate::tls::TargetTls;
use std::net::SocketAddr;
use std::time::Duration;
use wire::smpp::limits::WINDOW_PDUS_MAX;
use wire::terms::ids::{Class, Msn, Xpid};

/// A run. Build one with `Plan::new` and change what differs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the engine takes pushes.
    pub target: SocketAddr,
    /// What TLS is spoken with there; `None`: plain HTTP.
    pub tls: Option<TargetTls>,
    /// The registration the pushes are sent under.
    pub xpid: Xpid,
    /// The registration's bearer token, if it has one.
    pub token: Option<String>,
    /// Further registrations, which shapes of the mix may name: XPID and token.
    pub other_clients: Vec<(Xpid, Option<String>)>,
    /// The class of all pushes.
    pub class: Class,
    /// Hours the message center may keep a push, 0 to 72.
    pub lifetime_hours: u8,
    /// Where the pushes go.
    pub msns: Msns,
    /// In which order.
    pub order: Order,
    /// How many pushes.
    pub pushes: u64,
    /// What they carry.
    pub mix: Mix,
    /// When they are sent.
    pub load: Load,
    /// TCP connections, over all threads.
    pub connections: usize,
    /// Requests in flight on one connection, at most.
    pub pipeline: usize,
    /// Pushes sent and not yet notified (or, without notifications, not yet answered), at most;
    /// `None`: no bound.
    pub window: Option<u64>,
    /// Whether the pushes ask for a delivery complete notification.
    pub notify: bool,
    /// Sending threads.
    pub threads: usize,
    /// The CPUs the threads are bound to, one each in turn; empty: not bound.
    pub cpus: Vec<usize>,
    /// For so long before a send is due its thread looks at the clock instead of sleeping until
    /// then: a thread that sleeps wakes up late, by tens of microseconds that would count as the
    /// target's. Zero: it sleeps.
    pub spin: Duration,
    /// CPUs of nobody, from which the engine's memory and time are read; empty: the threads' own.
    pub spare_cpus: Vec<usize>,
    /// Chooses shapes and the order of msns; the same seed sends the same pushes.
    pub seed: u64,
    /// Goes into every reqid. Two runs with the same id against one engine repeat each other's
    /// pushes.
    pub run: RunId,
    /// How long to wait for what does not come.
    pub patience: Patience,
    /// The first so many pushes are warm-up: their latencies are kept apart.
    pub warm_up: u64,
    /// What a planned load's schedule was made of, for the report.
    pub arrivals: Vec<Arrivals>,
    /// The account that the pushes are submitted under where the target is an SMSC; `None`: it
    /// takes HTTP. A connection is a session then, `pipeline` its window, a notification a receipt.
    pub smpp: Option<Account>,
    /// A process whose CPU time and memory are watched during the run: the engine's, where it is
    /// here.
    pub watched: Option<u32>,
    /// Whether a thread looks at the machine meanwhile, a thousand times a second. A run beside
    /// something else that is measured does without.
    pub observed: bool,
}

/// A registration that sends pushes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) xpid: Xpid,
    pub(crate) token: Option<&'a str>,
}

/// When pushes are sent.
#[derive(Clone, PartialEq, Debug)]
pub enum Load {
    /// The next push goes out when an earlier one is answered.
    Closed,
    /// Push i goes out i / `rate_per_second` after the start, whatever the target does.
    Open {
        /// Pushes per second, over all threads.
        rate_per_second: u64,
    },
    /// Each push has its own time, at least one for every push of the plan.
    Planned(Schedule),
}

/// A stretch of a planned load.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub struct Arrivals {
    /// Whether it only warms up.
    pub warm_up: bool,
    /// When its pushes come.
    #[serde(flatten)]
    pub stretch: Stretch,
}

/// Time-outs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// How long the target may be away before the run gives up.
    pub reconnect_for: Duration,
    /// How long an answer may take before its connection counts as lost.
    pub answer_within: Duration,
    /// How long notifications may make no progress before what is missing counts as lost.
    pub stall_after: Duration,
    /// How long to listen for surplus notifications once all are there.
    pub linger: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            reconnect_for: RECONNECT_FOR,
            answer_within: ANSWER_WITHIN,
            stall_after: STALL_AFTER,
            linger: LINGER,
        }
    }
}

/// Why a plan cannot be carried out; each message names the remedy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// No pushes, or more than a reqid can number.
    #[error("{0} pushes cannot be sent: choose 1 to {PUSHES_MAX}.")]
    Pushes(u64),
    /// No connection, too many, or fewer than threads.
    #[error(
        "{connections} connections for {threads} threads will not do: choose {threads} \
         to {CONNECTIONS_MAX} connections."
    )]
    Connections {
        /// Connections asked for.
        connections: usize,
        /// Threads asked for.
        threads: usize,
    },
    /// Pipeline depth out of range.
    #[error(
        "{0} requests in flight on a connection will not do: choose 1 to {PIPELINE_REQUESTS_MAX}."
    )]
    Pipeline(usize),
    /// Threads out of range.
    #[error("{0} sending threads will not do: choose 1 to {THREADS_MAX}.")]
    Threads(usize),
    /// Spinning before a send for too long.
    #[error(
        "{} microseconds of looking before a send will not do: choose 0 to {}.",
        .0.as_micros(), SPIN_MAX.as_micros()
    )]
    Spin(Duration),
    /// Rate out of range.
    #[error("a rate of {0} pushes per second will not do: choose 1 to {RATE_PER_SECOND_MAX}.")]
    Rate(u64),
    /// A window without room.
    #[error("a window of 0 pushes would let nothing out: choose 1 or more.")]
    Window,
    /// No destination.
    #[error("there is no msn to send to: give a range of at least one.")]
    Msns,
    /// A shape of a client that the plan does not have.
    #[error("the mix names client {0}, which the plan does not have: add it or change the mix.")]
    Client(usize),
    /// Lifetime out of range.
    #[error("a lifetime of {0} hours will not do: choose 0 to 72.")]
    Lifetime(u8),
    /// An account that cannot bind.
    #[error("{0}")]
    Account(&'static str),
    /// More sessions than a run has.
    #[error("{0} sessions are too many: choose 1 to {SESSIONS_MAX}.")]
    Sessions(usize),
    /// A window that no session has.
    #[error("a window of {0} will not do for a session: choose 1 to {WINDOW_PDUS_MAX}.")]
    SessionWindow(usize),
    /// Requests that an SMSC is not asked.
    #[error("an SMSC is sent pushes only: leave repeats, cancels and bad requests out of the mix.")]
    NotPlain,
    /// TLS with an SMSC.
    #[error("an SMSC is spoken to without TLS: leave it away, or use a tunnel.")]
    SmppTls,
    /// Notifications without a sink.
    #[error(
        "the pushes ask for notifications, but the run has no sink to take them: give it one or \
         turn them off."
    )]
    NoSink,
}

impl Plan {
    /// 1,000 single-segment control and text pushes to the demo's msns, closed loop, one thread.
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            tls: None,
            xpid: Xpid::from_value(100_000_001)
                .unwrap_or_else(|| unreachable!("an XPID of nine digits is legal")),
            token: None,
            other_clients: Vec::new(),
            class: Class::Standard,
            lifetime_hours: 24,
            msns: Msns::Range {
                first: Msn::from_value(9_000_000_000).unwrap_or(Msn::ALL),
                count: 100_000,
            },
            order: Order::Scattered,
            pushes: 1_000,
            mix: Mix::emergency(),
            load: Load::Closed,
            connections: 4,
            pipeline: 16,
            window: None,
            notify: true,
            threads: 1,
            cpus: Vec::new(),
            spin: Duration::ZERO,
            spare_cpus: Vec::new(),
            seed: 20_261_122,
            run: RunId::from_time(),
            patience: Patience::default(),
            warm_up: 0,
            arrivals: Vec::new(),
            smpp: None,
            watched: None,
            observed: true,
        }
    }

    /// All registrations, the plan's own first.
    pub(crate) fn clients(&self) -> impl Iterator<Item = Client<'_>> {
        let own = Client { xpid: self.xpid, token: self.token.as_deref() };
        let others = self.other_clients.iter();
        std::iter::once(own)
            .chain(others.map(|(xpid, token)| Client { xpid: *xpid, token: token.as_deref() }))
    }

    /// Whether the plan can be carried out.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.pushes == 0 || self.pushes > PUSHES_MAX {
            return Err(PlanError::Pushes(self.pushes));
        }
        if self.threads == 0 || self.threads > THREADS_MAX {
            return Err(PlanError::Threads(self.threads));
        }
        if self.connections < self.threads || self.connections > CONNECTIONS_MAX {
            return Err(PlanError::Connections {
                connections: self.connections,
                threads: self.threads,
            });
        }
        if self.pipeline == 0 || self.pipeline > PIPELINE_REQUESTS_MAX {
            return Err(PlanError::Pipeline(self.pipeline));
        }
        if let Load::Open { rate_per_second } = self.load
            && (rate_per_second == 0 || rate_per_second > RATE_PER_SECOND_MAX)
        {
            return Err(PlanError::Rate(rate_per_second));
        }
        if self.spin > SPIN_MAX {
            return Err(PlanError::Spin(self.spin));
        }
        if let Load::Planned(schedule) = &self.load
            && schedule.pushes().is_some_and(|times| times < self.pushes)
        {
            return Err(PlanError::Pushes(self.pushes));
        }
        if self.window == Some(0) {
            return Err(PlanError::Window);
        }
        if self.msns.count() == 0 {
            return Err(PlanError::Msns);
        }
        if let Some(shape) =
            self.mix.shapes().iter().find(|shape| shape.client > self.other_clients.len())
        {
            return Err(PlanError::Client(shape.client));
        }
        if self.lifetime_hours > 72 {
            return Err(PlanError::Lifetime(self.lifetime_hours));
        }
        self.smpp.as_ref().map_or(Ok(()), |account| self.check_smpp(account))
    }

    fn check_smpp(&self, account: &Account) -> Result<(), PlanError> {
        if let Some(fault) = account.fault() {
            return Err(PlanError::Account(fault));
        }
        if self.tls.is_some() {
            return Err(PlanError::SmppTls);
        }
        if self.connections > SESSIONS_MAX {
            return Err(PlanError::Sessions(self.connections));
        }
        if self.pipeline > WINDOW_PDUS_MAX {
            return Err(PlanError::SessionWindow(self.pipeline));
        }
        if self.mix.is_plain() { Ok(()) } else { Err(PlanError::NotPlain) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acts::Act;
    use crate::tls::TlsIdentity;

    #[test]
    fn a_plan_that_cannot_be_carried_out_is_refused_in_one_sentence() {
        let sound = Plan::new(SocketAddr::from(([127, 0, 0, 1], 1)));
        assert_eq!(sound.check(), Ok(()));
        let faults: [fn(&mut Plan); 15] = [
            |plan| {
                plan.tls = TargetTls::read(&TlsIdentity::default(), "localhost").ok();
                plan.smpp = Some(Account::new("load", ""));
            },
            |plan| plan.smpp = Some(Account::new("", "")),
            |plan| (plan.smpp, plan.connections) = (Some(Account::new("load", "")), 2_000),
            |plan| (plan.smpp, plan.pipeline) = (Some(Account::new("load", "")), 4_000),
            |plan| {
                plan.mix = Mix::with(
                    "own",
                    Mix::sample().shapes().to_vec(),
                    &[(Act::Cancel { after: 1 }, 1)],
                );
                plan.smpp = Some(Account::new("load", ""));
            },
            |plan| plan.pushes = 0,
            |plan| plan.spin = Duration::from_secs(1),
            |plan| plan.threads = 5,
            |plan| plan.threads = 0,
            |plan| plan.pipeline = 0,
            |plan| plan.load = Load::Open { rate_per_second: 0 },
            |plan| plan.window = Some(0),
            |plan| plan.msns = Msns::List([].into()),
            |plan| plan.lifetime_hours = 73,
            |plan| {
                let mut shapes = Mix::sample().shapes().to_vec();
                shapes[0].client = 1;
                plan.mix = Mix::of("own", shapes);
            },
        ];
        for fault in faults {
            let mut plan = sound.clone();
            fault(&mut plan);
            let sentence = plan.check().expect_err("a fault").to_string();
            assert!(sentence.ends_with('.') && !sentence.contains('\n'), "{sentence}");
        }
    }
}
