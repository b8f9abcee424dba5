//! Emergency pushes beside a broadcast: how long each takes to its phone.
//!
//! **Invariant:** they are tens a second, and nothing looks at the machine meanwhile. So the
//! figures of the broadcast beside them are the broadcast's own: they take less than a hundredth
//! of the engine's time.

use super::engine::Engine;
use super::{DrillError, FIRST_MSN, XPID, send};
use crate::machine::Machine;
use crate::mix::Mix;
use crate::msns::Msns;
use crate::plan::{Load, Plan};
use crate::run::{Outcome, Run, RunError};
use crate::sink::Sink;
use crate::summary::Summary;
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use wire::terms::ids::{Class, Msn, Xpid};

/// How many a second.
const PER_SECOND: u64 = 50;
/// Phones that they go to, where there are as many recipients.
const PHONES_MAX: u64 = 1_000;
/// So many at most go beside a broadcast: it may last an hour.
const MOST: u64 = 3_600 * PER_SECOND;
/// An engine that is away for so long has ended.
const RECONNECTS_FOR: Duration = Duration::from_secs(5);

/// What became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct EmergencyFigures {
    /// Those that were sent.
    pub sent: u64,
    /// Those that were delivered.
    pub delivered: u64,
    /// From the send to the phone's report, at the 99th percentile, in milliseconds.
    pub delivered_p99_ms: f64,
    /// Their answers, likewise.
    pub answered_p99_ms: f64,
}

impl EmergencyFigures {
    fn of(plan: &Plan, outcome: &Outcome) -> Self {
        let summary = Summary::new("drill", plan, outcome, Machine::here(None));
        Self {
            sent: summary.ledger.attempted,
            delivered: summary.ledger.delivered,
            delivered_p99_ms: summary.delivery_times.p99_ms,
            answered_p99_ms: summary.answer_times.p99_ms,
        }
    }

    /// The time to the phone and that to the answer, as a page shows them.
    pub(super) fn shown(&self) -> [String; 2] {
        let ms = |ms: f64| match self.delivered {
            0 => "not seen".to_owned(),
            count => format!("{ms:.1} ms of {count}"),
        };
        [ms(self.delivered_p99_ms), ms(self.answered_p99_ms)]
    }

    /// What is missing beside a broadcast that took so many seconds. In one that is over at once
    /// none is due.
    pub(super) fn faults(&self, took_s: f64) -> Vec<String> {
        let Self { sent, delivered, .. } = *self;
        let due = (took_s * PER_SECOND as f64) as u64;
        let late = (sent < due / 2).then(|| {
            format!(
                "{sent} of {due} emergency pushes were sent beside the broadcast: have nothing \
                 else run on this machine."
            )
        });
        let lost = (delivered < sent).then(|| {
            format!("{delivered} of {sent} emergency pushes beside the broadcast arrived.")
        });
        late.into_iter().chain(lost).collect()
    }
}

/// Where they come from, and to which engine they go.
#[derive(Clone, Copy)]
pub(super) struct Emergencies<'a> {
    pub(super) listen: SocketAddr,
    pub(super) sink: &'a Sink,
    pub(super) cpus: &'a [usize],
    /// Recipients, all with contracts: they go to some of them.
    pub(super) recipients: u64,
}

impl Emergencies<'_> {
    fn plan(&self, pushes: u64) -> Plan {
        let mut plan = Plan::new(self.listen);
        plan.xpid = Xpid::from_value(XPID).unwrap_or(plan.xpid);
        plan.class = Class::Emergency;
        let first = Msn::from_value(FIRST_MSN).unwrap_or(Msn::ALL);
        plan.msns = Msns::Range { first, count: self.recipients.clamp(1, PHONES_MAX) };
        plan.pushes = pushes;
        plan.mix = Mix::emergency();
        plan.load = Load::Open { rate_per_second: PER_SECOND };
        plan.connections = 2;
        plan.threads = 1;
        plan.cpus = self.cpus.to_vec();
        plan.patience.reconnect_for = RECONNECTS_FOR;
        plan.observed = false;
        plan
    }

    /// Sends so many, and waits until they have arrived.
    pub(super) fn send(
        &self,
        pushes: u64,
        engine: &mut Engine,
    ) -> Result<EmergencyFigures, DrillError> {
        let plan = self.plan(pushes);
        let outcome = send(&plan, self.sink, engine, &Arc::new(AtomicBool::new(false)))?;
        Ok(EmergencyFigures::of(&plan, &outcome))
    }

    /// Sends some as long as something else takes.
    pub(super) fn beside<T>(
        &self,
        work: impl FnOnce() -> Result<T, DrillError>,
    ) -> Result<(T, EmergencyFigures), DrillError> {
        let plan = self.plan(MOST);
        let run = Run::start(plan.clone(), Some(self.sink))?;
        let stopper = run.stopper();
        std::thread::scope(|scope| {
            let waiting = std::thread::Builder::new().name("emergencies".to_owned());
            let waiting = waiting.spawn_scoped(scope, || run.wait()).map_err(RunError::from)?;
            let done = work();
            stopper.stop();
            if done.is_err() {
                // Nobody asks what became of them.
                stopper.give_up();
            }
            let outcome = waiting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((done?, EmergencyFigures::of(&plan, &outcome)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_beside_a_broadcast_and_those_that_did_not_arrive_are_faults() {
        let all = EmergencyFigures { sent: 200, delivered: 200, ..EmergencyFigures::default() };
        assert_eq!(all.faults(4.0), [""; 0]);
        let lost = EmergencyFigures { delivered: 199, ..all };
        assert_eq!(lost.faults(4.0).len(), 1, "{:?}", lost.faults(4.0));
        let few = EmergencyFigures { sent: 90, delivered: 90, ..all };
        assert_eq!(few.faults(4.0).len(), 1, "{:?}", few.faults(4.0));
        assert_eq!(EmergencyFigures::default().faults(4.0).len(), 1);
        assert_eq!(EmergencyFigures::default().faults(0.03), [""; 0], "it was over at once");
        assert_eq!(EmergencyFigures::default().shown()[0], "not seen");
        let seen = EmergencyFigures { delivered_p99_ms: 12.34, ..all };
        assert_eq!(seen.shown()[0], "12.3 ms of 200");
    }
}
