//! What the control plane tells a thread, and the shards of it.

use super::ThreadTurn;
use crate::io::limits::{LIVE_LISTED_MAX, PARKED_PAGE_MAX};
use crate::io::mailbox::{ShardMessage, ThreadMessage};
use crate::io::now::Now;
use crate::network::line_states::Line;
use crate::network::smpp::exchange::CarrierPlan;
use wire::terms::ids::Msn;

impl ThreadTurn {
    /// Takes what the mailbox holds, but of contracts one message: a turn is short. Whether there
    /// was any.
    pub(super) fn take_messages(&mut self, now: Now) -> bool {
        let mut busy = false;
        while let Some(message) = self.port.next_message() {
            busy = true;
            let is_long = matches!(
                &message,
                ThreadMessage::To(
                    _,
                    ShardMessage::AddContracts { .. } | ShardMessage::RemoveContracts { .. }
                )
            );
            self.take_message(message, now);
            if is_long {
                break;
            }
        }
        if self.draining_since_ms.is_none() && self.port.is_drain_asked() {
            self.begin_drain(now);
            busy = true;
        }
        busy
    }

    fn take_message(&mut self, message: ThreadMessage, now: Now) {
        match message {
            ThreadMessage::To(shard, message) => self.take_for_shard(shard, message, now),
            ThreadMessage::Registrations { registry, endpoints, done } => {
                self.parts.set_registry(registry);
                self.notifier.set_plans(&endpoints);
                done.signal();
            }
            ThreadMessage::Addresses(addresses) => self.notifier.set_addresses(&addresses),
            ThreadMessage::HostAddresses(host) => self.notifier.live_at(host),
            ThreadMessage::Figures(done) => {
                self.publish_figures();
                done.signal();
            }
            ThreadMessage::Carriers { plan, done } => {
                self.change_carriers(&plan, now);
                done.signal();
            }
            ThreadMessage::Acceptance(acceptance) => self.front.accept_with(acceptance),
            ThreadMessage::CustomerAcceptance(acceptance) => {
                self.customers.accept_with(acceptance);
            }
            ThreadMessage::Trace(trace) => {
                self.carriers.trace_with(&trace);
                self.customers.trace_with(&trace);
            }
            ThreadMessage::Outbound(outbound) => self.notifier.send_with(*outbound),
            ThreadMessage::Pause { paused, done } => {
                self.paused = paused;
                let paused = paused || self.draining_since_ms.is_some();
                self.parts.for_each(|part| {
                    part.shard.pause(paused || part.closes());
                    part.show_obstacles();
                });
                done.signal();
            }
            ThreadMessage::Open { opened, status, reply } => {
                let _ = reply.try_send(self.open_shard(opened, status));
            }
            ThreadMessage::Close { shard, reply } => self.close_shard(shard, reply, now),
        }
    }

    /// A word to one shard. Where it is not here any more the reply is dropped: whoever asked sees
    /// that nobody answers.
    fn take_for_shard(&mut self, shard: usize, message: ShardMessage, now: Now) {
        let Some(part) = self.parts.of_number(shard) else { return };
        match message {
            ShardMessage::AddContracts { rows, done } => {
                for &(msn, xpid) in &rows {
                    // The store holds the bound of ten XPIDs per msn; the table refuses what it
                    // would refuse.
                    let _ = part.shard.contracts_mut().insert(msn, xpid);
                }
                done.signal();
            }
            ShardMessage::RemoveContracts { rows, done } => {
                for &(msn, xpid) in &rows {
                    part.shard.contracts_mut().remove(msn, xpid);
                }
                done.signal();
            }
            ShardMessage::Parked { xpid, action, from, reply } => {
                let (page, now_ms) = ((from, PARKED_PAGE_MAX), now.wall_ms);
                let mut page = part.shard.act_on_parked(action, xpid, page, now_ms);
                for one in &mut page.parked {
                    one.why = self.notifier.trouble_of(one.xpid);
                }
                // A control plane that gave up waiting is no concern of the shard.
                let _ = reply.try_send(page);
            }
            ShardMessage::Live { msn, reply } => {
                let _ = reply.try_send(part.shard.live_pushes(msn, LIVE_LISTED_MAX));
            }
            ShardMessage::Lines { msns, line, reply } => {
                let _ = reply.try_send(self.set_lines(shard, &msns, line, now));
            }
            ShardMessage::Broadcast(message) => {
                part.orders.take(message, &mut part.shard, now.wall_ms);
            }
        }
    }

    /// These are the carriers and routes from now on.
    fn change_carriers(&mut self, plan: &CarrierPlan, now: Now) {
        self.parts.for_each(|part| {
            part.carriers.change(plan);
            part.shard.set_carriers(plan);
        });
        self.carriers.change(plan, now);
    }

    /// Puts these lines of the simulated network, all of one shard, into another state.
    fn set_lines(
        &mut self,
        shard: usize,
        msns: &[Msn],
        line: Line,
        now: Now,
    ) -> Result<(), String> {
        let Some(part) = self.parts.of_number(shard) else { return Ok(()) };
        let now_ms = part.shard.network_ms(now.wall_ms);
        self.simulated.lend_to(part.place() as usize);
        let simulated = &mut self.simulated;
        let mut set = msns.iter().map(|&msn| simulated.set_line_state(msn, line, now_ms));
        set.try_for_each(|set| set.map_err(|error| error.to_string()))
    }
}
