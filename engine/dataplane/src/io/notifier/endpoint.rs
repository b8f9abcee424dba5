//! A push client's notification server: where it is, what waits for it, and when it is tried.
//!
//! Never here: a connection, or what one carries.

use super::FAILED;
use super::places::Place;
use crate::gateway::registration::Registration;
use crate::io::block_queue::BlockQueue;
use crate::io::limits::{CONNECT_TIMEOUT_MS, ENDPOINT_PAUSE_MS_MAX, NOTIFICATION_TIMEOUT_MS};
use crate::io::now::Now;
use crate::io::parts::{PartOrder, Parts};
use std::net::SocketAddr;
use wire::push::notify_url::NotifyUrl;
use wire::push::sign::Secret;
use wire::terms::ids::Xpid;
use wire::terms::time::SteadyMs;

/// Where an XPID's notifications go, with its name looked up beside the shards (`io::names`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointPlan {
    /// The XPID.
    pub xpid: Xpid,
    /// The URL.
    pub url: NotifyUrl,
    /// The addresses of its host; empty while it cannot be resolved.
    pub addresses: Vec<SocketAddr>,
    /// Connections per shard.
    pub connections: u16,
    /// Requests under way on one connection.
    pub depth: u16,
    /// What requests are signed under, if at all.
    pub secrets: Vec<Secret>,
}

impl EndpointPlan {
    /// Whether both name the same addresses, in whatever order the name service gave them.
    pub(super) fn has_addresses_of(&self, other: &Self) -> bool {
        let sorted = |plan: &Self| {
            let mut addresses = plan.addresses.clone();
            addresses.sort_unstable();
            addresses
        };
        sorted(self) == sorted(other)
    }

    /// The plan of a registration; `None` without a URL.
    pub fn of(registration: &Registration, addresses: Vec<SocketAddr>) -> Option<Self> {
        Some(Self {
            xpid: registration.xpid,
            url: registration.notify_url.clone()?,
            addresses,
            connections: registration.notify_connections.max(1),
            depth: registration.notify_depth.max(1),
            secrets: registration.notify_secrets.clone(),
        })
    }
}

/// A push client's server, and what waits for it.
pub(super) struct Endpoint {
    pub(super) plan: EndpointPlan,
    /// With the time since which each waits.
    pub(super) queue: BlockQueue<(PartOrder, SteadyMs)>,
    /// When it last answered.
    pub(super) heard_ms: SteadyMs,
    pub(super) connections: Vec<u32>,
    pub(super) resting_until_ms: SteadyMs,
    pub(super) failures: u32,
    pub(super) next_address: usize,
    /// The server's own word, of the last connection that carried an answer: it closes after every
    /// response, so a connection carries one request.
    pub(super) closes: bool,
    pub(super) place: Place,
    /// What stands in its way, in words.
    pub(super) trouble: Option<String>,
    /// When a line of the log last said what its server does.
    pub(super) told_ms: Option<SteadyMs>,
    /// The log knows of the trouble: it is told of its end too.
    pub(super) is_told: bool,
}

impl Endpoint {
    /// A client that cannot be reached, or takes connections and answers nothing, has failed the
    /// orders that wait for it as much as those that were sent: their resends and their parking go
    /// by the schedule.
    pub(super) fn fail_what_waited_too_long(
        &mut self,
        parts: &mut Parts,
        now: Now,
        budget: &mut usize,
    ) {
        let patience_ms =
            if self.failures > 0 { CONNECT_TIMEOUT_MS } else { NOTIFICATION_TIMEOUT_MS };
        while *budget > 0
            && let Some(&(order, queued_ms)) = self.queue.front()
            && now.steady_ms >= queued_ms.max(self.heard_ms) + patience_ms
        {
            *budget -= 1;
            self.queue.pop_front();
            parts.settle(order, FAILED, now);
        }
    }

    /// Pauses connecting: 250 ms, doubling.
    pub(super) fn rest(&mut self, now: Now) {
        let pause_ms = 250u64 << self.failures.min(6);
        self.failures = self.failures.saturating_add(1);
        self.resting_until_ms = now.steady_ms + pause_ms.min(ENDPOINT_PAUSE_MS_MAX);
    }
}
