//! How a thread without work rests: in its driver, for longer the longer it is idle, and never
//! beyond what is due by itself.

use super::{ThreadTurn, refused};
use crate::io::now::Now;
use crate::io::pace::{PACED_COMPLETIONS, PACED_WAIT_NS};
use crate::network::side_by_side::SideBySide;
use host::clock;
use wire::terms::time::WallMs;

/// How long a thread rests at a time when it has just become idle: what is due by itself is known
/// to the millisecond.
const REST_NS: u64 = 1_000_000;
/// After so many rests of one length in a row it rests twice as long...
const RESTS_OF_ONE_LENGTH: u32 = 8;
/// ...up to this: well within the times in which the watchdog and `/healthz` expect a turn.
const REST_NS_MAX: u64 = 25_000_000;

impl ThreadTurn {
    /// Nothing to do at this moment: rests in the driver until a completion, a call, or something
    /// due by itself.
    pub(in crate::io) fn rest(&mut self) {
        let commits = self.commits();
        let is_awaited = || commits || self.parts.iter().any(|part| !part.shard.is_settled());
        if self.pace.is_paced() && is_awaited() {
            // No answer can leave before a sync is done, and more is on its way: what comes within
            // a moment is taken together.
            return self.wait(PACED_COMPLETIONS, PACED_WAIT_NS);
        }
        let poll_until_ns = self.pace.poll_until_ns();
        // Not while a commit is under way: the kernel's worker that issues its flush would wait,
        // and yielding lets only threads of the engine's own scheduling group go first.
        if !commits && clock::monotonic_ns() < poll_until_ns {
            return self.poll(poll_until_ns);
        }
        self.rests = self.rests.saturating_add(1);
        self.driver.begin_rest();
        if !self.has_arrivals() {
            let rest_ns = self.rest_ns();
            self.wait(1, rest_ns);
        }
        self.driver.wake_up();
    }

    /// Looks for arrivals again and again without sleeping, until then or as long as an idle thread
    /// may rest.
    fn poll(&mut self, until_ns: u64) {
        let until_ns = until_ns.min(clock::monotonic_ns() + self.rest_ns());
        loop {
            self.enter();
            if !self.completions.is_empty()
                || self.has_arrivals()
                || clock::monotonic_ns() >= until_ns
            {
                return;
            }
            // Whoever shares this CPU gets on.
            std::thread::yield_now();
        }
    }

    /// How long the thread may rest.
    fn rest_ns(&mut self) -> u64 {
        let commit_due_ns = self.parts.iter().filter_map(|part| part.commit_due_ns()).min();
        if let Some(due_ns) = commit_due_ns {
            return due_ns.saturating_sub(clock::monotonic_ns()).clamp(1, REST_NS);
        }
        let idle = self.rests / RESTS_OF_ONE_LENGTH;
        if idle == 0 || self.draining_since_ms.is_some() || self.leaving.is_some() {
            return REST_NS;
        }
        let longest_ns = (REST_NS << idle.min(u64::BITS - REST_NS.ilog2() - 2)).min(REST_NS_MAX);
        let due_ms = self.shards_due_ms();
        let due_in_ms =
            due_ms.map_or(u64::MAX, |due_ms| due_ms.since(WallMs::new(clock::unix_ms())));
        let due_in_ms = due_in_ms.min(self.carriers_due_in_ms());
        due_in_ms.saturating_mul(1_000_000).clamp(REST_NS, longest_ns)
    }

    /// When the next of the shards has work again if nothing else happens.
    fn shards_due_ms(&mut self) -> Option<WallMs> {
        let mut due_ms: Option<WallMs> = None;
        let simulated = &mut self.simulated;
        self.parts.for_each(|part| {
            let place = part.place() as usize;
            let network = SideBySide::lent(simulated, place, &mut part.carriers);
            due_ms = [due_ms, part.shard.next_due_ms(&network)].into_iter().flatten().min();
        });
        due_ms
    }

    fn carriers_due_in_ms(&mut self) -> u64 {
        if self.carriers.is_empty() {
            return u64::MAX;
        }
        let now = Now::read();
        let due_ms = self.carriers.next_due_ms(now);
        due_ms.map_or(u64::MAX, |due_ms| due_ms.since(now.steady_ms))
    }

    /// Whether another thread or the control plane has put anything before this one.
    fn has_arrivals(&self) -> bool {
        let drain_asked = self.draining_since_ms.is_none() && self.port.is_drain_asked();
        drain_asked
            || self.mesh.has_arrivals()
            || self.parts.iter().any(|part| part.has_log_news())
            || self.port.has_messages()
            || self.front.has_visitors()
            || self.customers.has_arrivals()
            || self
                .parts
                .iter()
                .any(|part| !part.carriers.is_empty() && part.carriers.has_arrivals())
            || !self.carriers.is_empty() && self.carriers.has_arrivals()
    }

    fn wait(&mut self, completions: usize, wait_ns: u64) {
        if let Err(error) = self.driver.wait(completions, wait_ns) {
            refused("wait", &error);
        }
    }
}
