//! Which endpoints there are: as the registrations say, at the addresses that their names have.
//!
//! What waits for one that goes away fails, some of it at a time, and is resent by the schedule.

use super::endpoint::{Endpoint, EndpointPlan};
use super::places::Place;
use super::{FAILED, Notifier};
use crate::io::block_queue::BlockQueue;
use crate::io::now::Now;
use crate::io::parts::Parts;
use std::net::SocketAddr;
use wire::terms::ids::Xpid;
use wire::terms::time::SteadyMs;

impl Notifier {
    /// Takes the endpoints in force; what waits for one that goes away fails, some of it at a time,
    /// and is resent by the schedule. One that is as it was costs a look at it, and goes on resting
    /// where it rests.
    pub(in crate::io) fn set_plans(&mut self, plans: &[EndpointPlan]) {
        let mut old = std::mem::take(&mut self.endpoints);
        for plan in plans {
            let key = plan.xpid.value();
            let endpoint = match old.remove(&key) {
                Some(known) if known.plan == *plan => {
                    self.endpoints.insert(key, known);
                    continue;
                }
                Some(known) => {
                    let moved = known.plan.url != plan.url || !known.plan.has_addresses_of(plan);
                    let kept = if moved { 0 } else { usize::from(plan.connections) };
                    let mut connections = known.connections;
                    self.busiest_first(&mut connections);
                    let surplus = connections.split_off(kept.min(connections.len()));
                    self.retire(&surplus);
                    let closes = known.closes && !moved;
                    Endpoint {
                        plan: plan.clone(),
                        resting_until_ms: SteadyMs::ZERO,
                        closes,
                        trouble: known.trouble.filter(|_| !moved),
                        connections,
                        ..known
                    }
                }
                None => Endpoint {
                    plan: plan.clone(),
                    queue: BlockQueue::default(),
                    heard_ms: SteadyMs::ZERO,
                    connections: Vec::new(),
                    resting_until_ms: SteadyMs::ZERO,
                    failures: 0,
                    next_address: 0,
                    closes: false,
                    place: Place::NotAwaited,
                    trouble: None,
                    told_ms: None,
                    is_told: false,
                },
            };
            self.endpoints.insert(key, endpoint);
            self.ready.push(key);
        }
        for endpoint in old.into_values() {
            self.retire(&endpoint.connections);
            if !endpoint.queue.is_empty() {
                self.left_behind.push_back(endpoint.queue);
            }
        }
    }

    /// What waited for endpoints that are gone has failed.
    pub(super) fn fail_what_was_left_behind(
        &mut self,
        parts: &mut Parts,
        now: Now,
        budget: &mut usize,
    ) {
        while *budget > 0
            && let Some(orders) = self.left_behind.front_mut()
        {
            match orders.pop_front() {
                Some((order, _)) => {
                    *budget -= 1;
                    parts.settle(order, FAILED, now);
                }
                None => drop(self.left_behind.pop_front()),
            }
        }
    }

    /// Takes the addresses that the hosts' names have now. A connection to one that is no longer
    /// among them ends when what was asked on it is answered.
    pub(in crate::io) fn set_addresses(&mut self, addresses: &[(Xpid, Vec<SocketAddr>)]) {
        for (xpid, addresses) in addresses {
            let key = xpid.value();
            let Some(endpoint) = self.endpoints.get_mut(&key) else { continue };
            if endpoint.plan.addresses == *addresses {
                continue;
            }
            endpoint.plan.addresses.clone_from(addresses);
            endpoint.resting_until_ms = SteadyMs::ZERO;
            let outgoing = &mut self.outgoing;
            let stale = |index: &u32| {
                outgoing.get_mut(*index).is_some_and(|outgoing| !addresses.contains(&outgoing.peer))
            };
            let stale: Vec<u32> = endpoint.connections.iter().copied().filter(stale).collect();
            endpoint.connections.retain(|index| !stale.contains(index));
            self.ready.push(key);
            self.retire(&stale);
        }
    }
}
