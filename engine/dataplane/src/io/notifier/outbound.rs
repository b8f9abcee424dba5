//! Where notifications go, and over what: no address that the guard forbids is connected to, and
//! an `https` URL is spoken to over TLS, with the server's certificate checked.
//!
//! What stands in the way of an endpoint is kept in words as long as it does, and told when it
//! begins and when it ends.
//!
//! Never here: a look-up of a name, or what a connection carries.

use super::Notifier;
use super::endpoint::Endpoint;
use super::session::Settling;
use crate::io::driver::Driver;
use crate::io::guard::{Forbidden, Guard};
use crate::io::host_addresses::HostAddresses;
use crate::io::limits::{QUEUED_FAILED_PER_SWEEP_MAX, TROUBLE_TOLD_EVERY_MS};
use crate::io::link::Fate;
use crate::io::link::tls::Tls;
use crate::io::now::Now;
use crate::io::parts::Parts;
use crate::io::tls::Calling;
use crate::shard::NotificationResult;
use std::net::{IpAddr, SocketAddr};
use wire::terms::ids::Xpid;

/// What notifications are sent with, and where they may not go.
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    /// Where they may not go.
    pub guard: Guard,
    /// What connections to `https` URLs are secured with.
    pub calling: Option<Calling>,
}

/// How often something stood in the way.
#[derive(Clone, Copy, Default)]
pub(in crate::io) struct Troubles {
    /// TLS with a notification server failed.
    pub(in crate::io) insecure: u64,
    /// Notifications parked because they may not go where their URL leads.
    pub(in crate::io) forbidden: u64,
}

impl Notifier {
    /// Notifications are sent with this from now on. Connections that are secured otherwise end
    /// with their last answer.
    pub(in crate::io) fn send_with(&mut self, outbound: Outbound) {
        let calling = outbound.calling.map(|calling| calling.of_a_shard());
        self.outbound = Outbound { calling, ..outbound };
        let mut stale = Vec::new();
        for (&key, endpoint) in &mut self.endpoints {
            if endpoint.plan.url.is_secure() {
                stale.append(&mut endpoint.connections);
                self.ready.push(key);
            }
        }
        self.retire(&stale);
    }

    /// This host has these addresses from now on.
    pub(in crate::io) fn live_at(&mut self, host: HostAddresses) {
        self.host = host;
    }

    /// The endpoint's next address that may be connected to. Where an address was registered that
    /// may not, what waits for it is parked: it is never dropped, and goes when the operator allows
    /// it or has another URL. A name may lead elsewhere in a moment: what waits for that goes by
    /// the schedule, as where a name leads nowhere.
    pub(super) fn next_address(
        &mut self,
        key: u64,
        parts: &mut Parts,
        now: Now,
    ) -> Option<SocketAddr> {
        let endpoint = self.endpoints.get_mut(&key)?;
        let mut forbidden: Option<Forbidden> = None;
        for _ in 0..endpoint.plan.addresses.len() {
            let addresses = &endpoint.plan.addresses;
            let address = addresses[endpoint.next_address % addresses.len()];
            endpoint.next_address = endpoint.next_address.wrapping_add(1);
            match self.outbound.guard.refusal(address, &self.host) {
                None => return Some(address),
                refusal => forbidden = refusal,
            }
        }
        let Some(forbidden) = forbidden else {
            endpoint.rest(now);
            return None;
        };
        endpoint.has_trouble(forbidden.to_string());
        if !leads_nowhere_else(endpoint.plan.url.host()) {
            endpoint.rest(now);
            return None;
        }
        // The rest comes to it in a later sweep.
        for _ in 0..QUEUED_FAILED_PER_SWEEP_MAX {
            let Some((order, _)) = endpoint.queue.pop_front() else { break };
            self.troubles.forbidden += 1;
            parts.settle(order, NotificationResult::Gone, now);
        }
        None
    }

    /// What an endpoint is spoken to with beneath HTTP.
    ///
    /// # Errors
    /// Why it cannot be spoken to, as a clause.
    pub(super) fn layer(&self, endpoint: &Endpoint) -> Result<Option<Tls>, String> {
        if !endpoint.plan.url.is_secure() {
            return Ok(None);
        }
        let calling = self.outbound.calling.as_ref();
        let calling = calling.ok_or_else(|| "TLS is not set up".to_owned())?;
        calling.call(endpoint.plan.url.host()).map(|call| Some(Tls::calling(call)))
    }

    /// Notes a connection whose handshake can go on.
    pub(super) fn note_handshake(&mut self, index: u32) {
        let Some(outgoing) = self.outgoing.get_mut(index) else { return };
        if outgoing.link.lists_step() {
            self.handshakes_due.push_back(outgoing.link.stream.name());
        }
    }

    /// Takes one step of one handshake.
    pub(in crate::io) fn shake_hands(
        &mut self,
        parts: &mut Parts,
        driver: &mut Driver,
        now: Now,
    ) -> bool {
        while let Some((index, generation)) = self.handshakes_due.pop_front() {
            let Some(outgoing) = self.outgoing.of_generation(index, generation) else { continue };
            if !outgoing.link.begins_step() {
                continue;
            }
            // The server's time to its next word begins.
            outgoing.opened_ms = now.steady_ms;
            let fate = outgoing.link.take_step(&mut Settling { parts, now });
            if fate == Ok(Fate::Goes) {
                outgoing.connected = outgoing.link.is_open();
                outgoing.link.flush(driver, now.steady_ms);
                outgoing.link.read_on(driver);
                self.ready.push(outgoing.endpoint);
                self.note_handshake(index);
            } else {
                self.give_up(index, parts, now);
                self.remove_if_quiet(index);
            }
            return true;
        }
        false
    }

    /// What stands in the way of a client's notifications: what was seen last, or that none may go
    /// where its URL leads. After a start nobody tries to send what is parked for that.
    pub(in crate::io) fn trouble_of(&self, xpid: Xpid) -> Option<String> {
        let endpoint = self.endpoints.get(&xpid.value())?;
        let refusal = |&address| self.outbound.guard.refusal(address, &self.host);
        let refused =
            || -> Option<Vec<Forbidden>> { endpoint.plan.addresses.iter().map(refusal).collect() };
        let trouble = endpoint.trouble.clone();
        trouble.or_else(|| refused()?.last().map(ToString::to_string))
    }
}

/// Whether a URL's host is an address, or this host by its own name: no look-up changes that.
fn leads_nowhere_else(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

impl Endpoint {
    /// Something stands in its way; told when that is news.
    pub(super) fn has_trouble(&mut self, why: String) {
        if self.trouble.as_ref() != Some(&why) {
            let xpid = self.plan.xpid;
            tracing::warn!(%xpid, "notifications cannot be sent: {why}");
            self.trouble = Some(why);
            self.is_told = true;
        }
    }

    /// Its server has answered: with this status where it took nothing.
    pub(super) fn has_answered(&mut self, refused: Option<u16>, now: Now) {
        let server = self.plan.url.authority();
        let why = match refused {
            None => return self.has_recovered(),
            Some(status @ 200..300) => {
                format!("{server} answers {status} without the body that acknowledges")
            }
            Some(status) => format!("{server} answers {status}"),
        };
        self.is_troubled_lately(why, now);
    }

    /// As [`Self::has_trouble`], of what may change with every answer: the log has a line a minute.
    pub(super) fn is_troubled_lately(&mut self, why: String, now: Now) {
        if self.is_told && self.trouble.as_ref() == Some(&why) {
            return;
        }
        let is_due =
            self.told_ms.is_none_or(|told_ms| now.steady_ms >= told_ms + TROUBLE_TOLD_EVERY_MS);
        if is_due {
            tracing::warn!(xpid = %self.plan.xpid, "notifications are not taken: {why}");
            self.told_ms = Some(now.steady_ms);
        }
        self.is_told = is_due;
        self.trouble = Some(why);
    }

    /// Nothing does any more.
    pub(super) fn has_recovered(&mut self) {
        let was_told = std::mem::take(&mut self.is_told);
        if self.trouble.take().is_some() && was_told {
            tracing::info!(xpid = %self.plan.xpid, "notifications are taken again");
        }
    }
}
