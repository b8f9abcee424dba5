//! `cluster.toml`: what a node has to know of its cluster. The same file at every node, but for
//! `node`.

use super::read_settings_file;
use crate::cluster::limits::{
    ACT_MARGIN_MS, ACT_MS_DEFAULT, ASK_MS, EARLY_LOOK_MS, LEASE_MS_DEFAULT, NODES_MAX,
    SETTLE_MS_DEFAULT,
};
use crate::cluster::node::NodeName;
use crate::cluster::ownership::ClusterTimes;
use crate::cluster::servers::{ClusterName, LogServers};
use crate::io::tls::PeerFiles;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The longest lease, in milliseconds.
const LEASE_MS_MAX: u64 = 60_000;
/// So long a node must be there before partitions are moved to it, in milliseconds.
const SETTLE_MS_MIN: u64 = 1_000;
const SETTLE_MS_MAX: u64 = 3_600_000;
/// The most addresses of servers.
const SERVERS_MAX: usize = 64;

/// A cluster as its file tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterConfig {
    /// The cluster.
    pub name: ClusterName,
    /// This node.
    pub node: NodeName,
    /// The servers of its replicated log.
    pub servers: LogServers,
    /// The times of all its nodes.
    pub times: ClusterTimes,
    /// Where each node listens for the others; empty where none is to serve.
    pub peers: BTreeMap<NodeName, SocketAddr>,
    /// The file with what the nodes know each other by.
    pub secret: Option<PathBuf>,
    /// What the nodes speak TLS to each other with.
    pub peer_tls: Option<PeerFiles>,
    /// They speak plain text, though other hosts may read along.
    pub peers_plain: bool,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterConfigError {
    /// It cannot be read.
    #[error("{path} cannot be read ({source}): name a cluster.toml of at most 1 MiB")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no such file.
    #[error("{path}, line {line}: {why}")]
    Form {
        /// The file.
        path: String,
        /// The line, from 1 on.
        line: usize,
        /// What is amiss.
        why: String,
    },
    /// A value that cannot be.
    #[error("{path}: {why}")]
    Value {
        /// The file.
        path: String,
        /// What is amiss, and what mends it.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterFile {
    cluster: ClusterTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterTable {
    name: String,
    node: String,
    nats: Vec<String>,
    #[serde(default)]
    nats_monitor: Vec<String>,
    nats_credentials: Option<PathBuf>,
    nats_ca: Option<PathBuf>,
    nats_cert: Option<PathBuf>,
    nats_key: Option<PathBuf>,
    #[serde(default)]
    peers: BTreeMap<String, String>,
    secret_file: Option<PathBuf>,
    peers_ca: Option<PathBuf>,
    peers_cert: Option<PathBuf>,
    peers_key: Option<PathBuf>,
    #[serde(default)]
    peers_plain: bool,
    #[serde(default = "lease_ms")]
    lease_ms: u64,
    #[serde(default = "act_ms")]
    act_ms: u64,
    #[serde(default = "settle_ms")]
    settle_ms: u64,
}

fn lease_ms() -> u64 {
    LEASE_MS_DEFAULT
}

fn act_ms() -> u64 {
    ACT_MS_DEFAULT
}

fn settle_ms() -> u64 {
    SETTLE_MS_DEFAULT
}

impl ClusterConfig {
    /// Reads a file. Paths in it are taken as they stand.
    ///
    /// # Errors
    /// It cannot be read, is no such file, or a value in it cannot be.
    pub fn read(path: &Path) -> Result<Self, ClusterConfigError> {
        let name = || path.display().to_string();
        let text = read_settings_file(path)
            .map_err(|source| ClusterConfigError::Unreadable { path: name(), source })?;
        let file: ClusterFile = toml::from_str(&text).map_err(|error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            ClusterConfigError::Form { path: name(), line, why: error.message().to_owned() }
        })?;
        Self::check(file.cluster).map_err(|why| ClusterConfigError::Value { path: name(), why })
    }

    fn check(table: ClusterTable) -> Result<Self, String> {
        let name = ClusterName::parse(&table.name).map_err(|error| format!("name: {error}"))?;
        let node = NodeName::parse(&table.node).map_err(|error| format!("node: {error}"))?;
        check_addresses("nats", &table.nats, &["nats://", "tls://"])?;
        if table.nats.is_empty() {
            return Err("nats: name at least one server, better all of them".to_owned());
        }
        check_addresses("nats_monitor", &table.nats_monitor, &["http://"])?;
        let certificate = match (table.nats_cert, table.nats_key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("nats_cert and nats_key: name both of them, or none".to_owned()),
        };
        let servers = LogServers {
            addresses: table.nats,
            monitors: table.nats_monitor,
            credentials: table.nats_credentials,
            authorities: table.nats_ca,
            certificate,
        };
        let times = check_times(table.lease_ms, table.act_ms)?;
        if !(SETTLE_MS_MIN..=SETTLE_MS_MAX).contains(&table.settle_ms) {
            let settle_ms = table.settle_ms;
            return Err(format!(
                "settle_ms: {settle_ms} cannot be, use {SETTLE_MS_MIN} to {SETTLE_MS_MAX}"
            ));
        }
        let times = ClusterTimes { settle_ms: table.settle_ms, ..times };
        let peers = check_peers(&table.peers)?;
        let peer_tls = match (table.peers_ca, table.peers_cert, table.peers_key) {
            (Some(authority), Some(certificate), Some(key)) => {
                Some(PeerFiles { authority, certificate, key })
            }
            (None, None, None) => None,
            _ => return Err("peers_ca, peers_cert and peers_key: name all, or none".to_owned()),
        };
        let (secret, peers_plain) = (table.secret_file, table.peers_plain);
        Ok(Self { name, node, servers, times, peers, secret, peer_tls, peers_plain })
    }
}

/// Where the nodes listen for each other.
fn check_peers(peers: &BTreeMap<String, String>) -> Result<BTreeMap<NodeName, SocketAddr>, String> {
    if peers.len() > NODES_MAX {
        return Err(format!("peers: {NODES_MAX} nodes are the most"));
    }
    let checked = peers.iter().map(|(node, address)| {
        let name = NodeName::parse(node).map_err(|error| format!("peers: {error}"))?;
        let address = address.parse().map_err(|_| {
            format!("peers.{node}: {address:?} is no IP:PORT, such as 10.0.0.1:8090")
        })?;
        Ok((name, address))
    });
    checked.collect()
}

fn check_addresses(field: &str, addresses: &[String], schemes: &[&str]) -> Result<(), String> {
    if addresses.len() > SERVERS_MAX {
        return Err(format!("{field}: {SERVERS_MAX} addresses are the most"));
    }
    let has_scheme = |address: &&String| {
        schemes
            .iter()
            .any(|scheme| address.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
    };
    match addresses.iter().find(|address| !has_scheme(address)) {
        Some(address) => {
            Err(format!("{field}: {address:?} does not begin with {}", schemes.join(" or ")))
        }
        None => Ok(()),
    }
}

/// Times with which nobody acts any more when the next one may begin, though clocks run within a
/// tenth of each other.
fn check_times(lease_ms: u64, act_ms: u64) -> Result<ClusterTimes, String> {
    let least = ACT_MARGIN_MS + ASK_MS + 1;
    // (act - margin) x 1.1 < act x 0.9
    let most = (ACT_MARGIN_MS * 11 - 1) / 2;
    if !(least..=most).contains(&act_ms) {
        return Err(format!("act_ms: {act_ms} cannot be, use {least} to {most}"));
    }
    let least = EARLY_LOOK_MS + act_ms;
    if !(least..=LEASE_MS_MAX).contains(&lease_ms) {
        return Err(format!(
            "lease_ms: {lease_ms} cannot be with act_ms = {act_ms}, use {least} to {LEASE_MS_MAX}"
        ));
    }
    Ok(ClusterTimes { lease_ms, act_ms, settle_ms: SETTLE_MS_DEFAULT })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "[cluster]\nname = 'kanto'\nnode = 'a'\nnats = ['tls://n1:4222', \
                         'nats://n2:4222']\nnats_monitor = ['http://n1:8222']\n";

    fn read(text: &str) -> Result<ClusterConfig, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("cluster.toml");
        std::fs::write(&path, text).expect("a file");
        ClusterConfig::read(&path)
            .map_err(|error| error.to_string().replace(&path.display().to_string(), "cluster.toml"))
    }

    #[test]
    fn a_file_says_what_the_cluster_is_and_the_rest_has_defaults() {
        let config = read(WHOLE).expect("a cluster");
        assert_eq!((config.name.as_str(), config.node.to_string().as_str()), ("kanto", "a"));
        assert_eq!(config.servers.addresses.len(), 2);
        assert_eq!(config.times, ClusterTimes::default());
        let config = read(&format!(
            "{WHOLE}nats_credentials = '/k.creds'\nnats_ca = 'ca.pem'\nnats_cert = 'c.pem'\n\
             nats_key = 'k.pem'\nlease_ms = 5000\nact_ms = 1000\n"
        ))
        .expect("a cluster");
        assert_eq!((config.times.lease_ms, config.times.act_ms), (5_000, 1_000));
        assert_eq!(config.servers.certificate, Some(("c.pem".into(), "k.pem".into())));
    }

    #[test]
    fn what_cannot_be_is_said_with_its_place() {
        for (from, to, words) in [
            ("'kanto'", "'Kanto'", "name: \"Kanto\" is no cluster's name"),
            ("'a'", "''", "node: \"\" is no node's name"),
            ("tls://n1", "n1", "nats: \"n1:4222\" does not begin with nats:// or tls://"),
            ("http://", "https://", "nats_monitor: \"https://n1:8222\" does not begin with"),
            ("node = 'a'", "", "missing field `node`"),
            ("node = 'a'", "nodes = 'a'", "unknown field `nodes`"),
            ("['tls://n1:4222', 'nats://n2:4222']", "[]", "nats: name at least one"),
            ("node = 'a'", "node = 'a'\nnats_key = 'k'", "name both of them"),
            ("node = 'a'", "node = 'a'\nact_ms = 800", "act_ms: 800 cannot be, use 801 to 2749"),
            ("node = 'a'", "node = 'a'\nact_ms = 2750", "act_ms: 2750 cannot be"),
            ("node = 'a'", "node = 'a'\nlease_ms = 2199", "use 2200 to 60000"),
            ("node = 'a'", "node = 'a'\nsettle_ms = 999", "settle_ms: 999 cannot be, use 1000"),
            ("node = 'a'", "node = 'a'\nlease_ms = -1", "cluster.toml, line "),
            ("node = 'a'", "node = 'a'\npeers = {A = '1.1.1.1:1'}", "peers: \"A\" is no node's"),
            ("node = 'a'", "node = 'a'\npeers = {b = 'x:1'}", "peers.b: \"x:1\" is no IP:PORT"),
            ("node = 'a'", "node = 'a'\npeers_ca = 'ca.pem'", "name all, or none"),
            ("[cluster]", "[clusters]", "unknown field `clusters`"),
        ] {
            let error = read(&WHOLE.replacen(from, to, 1)).expect_err(words);
            assert!(error.contains(words), "{words}: {error}");
        }
        assert!(read(&"x".repeat(2 << 20)).expect_err("too long").contains("longer than"));
    }

    #[test]
    fn with_the_longest_time_nobody_acts_when_the_next_one_may_begin() {
        for act_ms in 801..=2_749_u64 {
            assert!(check_times(60_000, act_ms).is_ok());
            assert!((act_ms - ACT_MARGIN_MS) * 11 < act_ms * 9, "{act_ms}");
        }
    }
}
