//! Carriers at a start: what the registry says of them, looked up and checked.

use crate::control::store::Store;
use crate::network::routes::Routes;
use crate::network::smpp::exchange::Exchange;
use host::fatal::{Fatal, FatalReason};
use std::sync::Arc;

/// The carriers of an engine, and which pushes go by them.
pub(super) struct Carriers {
    pub(super) exchanges: Arc<[Arc<Exchange>]>,
    pub(super) routes: Arc<Routes>,
}

impl Carriers {
    /// Reads them from the store and looks up their hosts.
    pub(super) fn load(store: &Store, shards: usize) -> Result<Self, Fatal> {
        let mut exchanges = Vec::new();
        for (number, settings) in store.carriers().map_err(Fatal::from)? {
            let carrier = settings.resolve(number).map_err(|sentence| {
                let remedy = format!("correct it with `hayauma carrier set {}`", settings.name);
                Fatal::with_remedy(FatalReason::Configuration, sentence, remedy)
            })?;
            if carrier.tls.is_none() {
                warn_if_open(&carrier.name, &carrier.hosts);
            }
            exchanges.push(Exchange::new(carrier, shards));
        }
        let mut rules = store.routes().map_err(Fatal::from)?;
        // A carrier that is gone takes nothing: its pushes would wait for ever.
        rules.retain(|rule| exchanges.iter().any(|known| known.carrier.number == rule.carrier));
        Ok(Self { exchanges: exchanges.into(), routes: Arc::new(Routes::new(rules)) })
    }
}

/// Whether nobody listens on the way to this address but who belongs there.
pub(super) fn is_closed(ip: std::net::IpAddr) -> bool {
    match ip {
        std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        std::net::IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
    }
}

/// Plain SMPP to an address that others may listen on the way to is said once.
fn warn_if_open(carrier: &str, hosts: &[std::net::SocketAddr]) {
    if let Some(host) = hosts.iter().find(|host| !is_closed(host.ip())) {
        tracing::warn!(carrier, %host, "the carrier is spoken to without TLS on a public address");
    }
}
