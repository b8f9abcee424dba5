//! What a server says of itself at its monitor: its version, and whether it syncs before it
//! acknowledges. Nothing else shows that from outside.

use super::error::{NatsError, parse_version};
use super::limits::{ENVELOPE_OCTETS_MAX, MONITOR, MONITOR_OCTETS_MAX, SERVERS_MIN, VERSION_MIN};
use crate::cluster::limits::CHUNK_OCTETS_MAX;
use host::clock;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// A server as its monitor shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerSeen {
    /// Its name.
    pub name: String,
    /// Its identity, new with each start.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The longest message that it takes, in octets.
    pub payload_octets_max: u64,
    /// Whether it keeps streams.
    pub has_streams: bool,
    /// Whether it syncs before it acknowledges.
    pub is_synced: bool,
    /// Servers that keep streams together with it, itself included; 0 if it is alone.
    pub set: u64,
    /// How far its clock is from this machine's, in milliseconds, as far as the way there tells.
    pub clock_skew_ms: u64,
}

#[derive(Deserialize)]
struct Varz {
    server_id: String,
    server_name: String,
    version: String,
    max_payload: u64,
    now: String,
}

/// What the server says of its streams. `/varz` says some of it too, but leaves out what it is set
/// to for ever where it was asked once before the streams were up.
#[derive(Deserialize)]
struct Jsz {
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    config: JszConfig,
    #[serde(default)]
    meta_cluster: JszMeta,
}

#[derive(Deserialize, Default)]
struct JszConfig {
    #[serde(default)]
    sync_always: bool,
}

#[derive(Deserialize, Default)]
struct JszMeta {
    #[serde(default)]
    cluster_size: u64,
}

/// Asks one monitor.
///
/// # Errors
/// It does not answer, or not as a monitor of NATS.
pub(super) fn look(address: &str) -> Result<ServerSeen, NatsError> {
    let amiss = |why: String| NatsError::Monitor { address: address.to_owned(), why };
    let asked_ms = clock::unix_ms();
    let varz: Varz = ask(address, "varz").map_err(amiss)?;
    let half_way_ms = asked_ms.midpoint(clock::unix_ms());
    let jsz: Jsz = ask(address, "jsz").map_err(amiss)?;
    let now = async_nats::datetime::parse_rfc3339(&varz.now);
    let now = now.map_err(|error| amiss(format!("its clock shows {}: {error}", varz.now)))?;
    let now_ms = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    Ok(ServerSeen {
        name: varz.server_name,
        id: varz.server_id,
        version: varz.version,
        payload_octets_max: varz.max_payload,
        has_streams: !jsz.disabled,
        is_synced: jsz.config.sync_always,
        set: jsz.meta_cluster.cluster_size,
        clock_skew_ms: now_ms.abs_diff(half_way_ms),
    })
}

/// Asks for one document of a monitor.
fn ask<T: DeserializeOwned>(address: &str, what: &str) -> Result<T, String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(MONITOR)).build();
    let agent = ureq::Agent::new_with_config(config);
    let url = format!("{}/{what}", address.trim_end_matches('/'));
    let mut answer = agent.get(&url).call().map_err(|error| error.to_string())?;
    let body = answer.body_mut().with_config().limit(MONITOR_OCTETS_MAX);
    let mut octets = body.read_to_vec().map_err(|error| error.to_string())?;
    wire::json::read(&mut octets).map_err(|error| error.to_string())
}

/// Whether these servers can hold a cluster's log, with so many more that do not answer now.
///
/// # Errors
/// What is amiss with which.
pub(super) fn check(seen: &[ServerSeen], silent: usize, must_sync: bool) -> Result<(), NatsError> {
    for server in seen {
        let name = || server.name.clone();
        if parse_version(&server.version).is_none_or(|version| version < VERSION_MIN) {
            return Err(NatsError::Old { server: name(), version: server.version.clone() });
        }
        if !server.has_streams {
            return Err(NatsError::NoJetStream(name()));
        }
        if must_sync && !server.is_synced {
            return Err(NatsError::NotSynced(name()));
        }
        let octets = server.payload_octets_max;
        if octets < (CHUNK_OCTETS_MAX + ENVELOPE_OCTETS_MAX) as u64 {
            return Err(NatsError::Payload { server: name(), octets });
        }
    }
    let different: BTreeSet<&str> = seen.iter().map(|server| server.id.as_str()).collect();
    let together = seen.iter().map(|server| server.set).min().unwrap_or(0);
    let together = usize::try_from(together).unwrap_or(usize::MAX);
    let count = (different.len() + silent).min(together);
    if count < SERVERS_MIN { Err(NatsError::TooFew(count)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(number: usize) -> ServerSeen {
        ServerSeen {
            name: format!("n{number}"),
            id: format!("N{number}"),
            version: "2.15.1".to_owned(),
            payload_octets_max: 1 << 20,
            has_streams: true,
            is_synced: true,
            set: 3,
            clock_skew_ms: 0,
        }
    }

    fn with(change: impl Fn(&mut ServerSeen)) -> Vec<ServerSeen> {
        let mut seen: Vec<ServerSeen> = (1..=3).map(server).collect();
        change(&mut seen[1]);
        seen
    }

    #[test]
    fn servers_that_could_lose_what_they_acknowledged_are_refused() {
        assert!(check(&with(|_| ()), 0, true).is_ok());
        assert!(check(&with(|_| ())[..2], 1, true).is_ok(), "one is down");
        assert!(check(&[], 3, true).is_err(), "nobody says what they are");
        let refused = |seen: &[ServerSeen], must_sync, words: &str| {
            let error = check(seen, 0, must_sync).expect_err(words).to_string();
            assert!(error.contains(words), "{words}: {error}");
        };
        refused(&with(|server| server.version = "2.9.10".to_owned()), false, "use 2.12.3 or newer");
        refused(&with(|server| server.has_streams = false), false, "n2 keeps no streams");
        refused(&with(|server| server.is_synced = false), true, "sync_interval: always");
        refused(&with(|server| server.payload_octets_max = 512 << 10), true, "max_payload");
        refused(&with(|server| server.id = "N1".to_owned()), true, "2 NATS servers are one too");
        refused(&with(|server| server.set = 0), true, "0 NATS servers");
        refused(&with(|_| ())[..2], true, "2 NATS servers");
        assert!(
            check(&with(|server| server.is_synced = false), 0, false).is_ok(),
            "not under power"
        );
    }
}
