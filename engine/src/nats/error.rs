//! Why the servers cannot be used, each with what mends it.

use super::limits::{SERVERS_MIN, VERSION_MIN};
use crate::cluster::limits::{CHUNK_OCTETS_MAX, PARTITIONS_MAX, PARTITIONS_MIN};
use crate::cluster::servers::ClusterName;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// The thread has no runtime.
    #[error("the thread of NATS cannot start ({0}): free memory or file handles")]
    Runtime(std::io::Error),
    /// A credentials file that cannot be read.
    #[error("{path} cannot be read as NATS credentials ({why}): name a .creds file")]
    Credentials {
        /// The file.
        path: String,
        /// What is amiss.
        why: String,
    },
    /// An address that is none.
    #[error("{0} is no address of a NATS server: write nats://host:port or tls://host:port")]
    Address(String),
    /// No server answers.
    #[error("no NATS server answers ({0}): check `nats` in cluster.toml, and whether they run")]
    Unreachable(String),
    /// A server refuses to do something.
    #[error("NATS refuses to {what} ({why})")]
    Refused {
        /// What was asked for.
        what: String,
        /// What it said.
        why: String,
    },
    /// Too few servers.
    #[error(
        "{0} NATS servers are one too few to keep three copies: name {SERVERS_MIN} in \
         `nats_monitor` and join them by `cluster` in their configuration"
    )]
    TooFew(usize),
    /// No monitors.
    #[error(
        "`nats_monitor` is missing in cluster.toml: name the address of each server's monitor, \
         http://host:8222, so that it can be seen whether the servers sync"
    )]
    NoMonitors,
    /// A monitor that does not answer.
    #[error("{address} does not say what the server is set to ({why}): set `http` there")]
    Monitor {
        /// The monitor.
        address: String,
        /// Why.
        why: String,
    },
    /// An old server.
    #[error(
        "{server} is NATS {version}, which can forget what it acknowledged: use {} or newer",
        version_text(VERSION_MIN)
    )]
    Old {
        /// Its name.
        server: String,
        /// Its version.
        version: String,
    },
    /// JetStream is off.
    #[error("{0} keeps no streams: add `jetstream {{ store_dir: ..., sync_interval: always }}`")]
    NoJetStream(String),
    /// A server that acknowledges before it syncs.
    #[error(
        "{0} acknowledges before its disk has it, and a power cut of all servers then loses what \
         was acknowledged: set `jetstream {{ sync_interval: always }}`, or use --durability process"
    )]
    NotSynced(String),
    /// Messages that are too large for a server.
    #[error(
        "{server} takes messages of {octets} octets, a chunk has up to {CHUNK_OCTETS_MAX}: set \
         `max_payload: 8MB`"
    )]
    Payload {
        /// Its name.
        server: String,
        /// What it takes.
        octets: u64,
    },
    /// A number of partitions that cannot be.
    #[error(
        "{0} partitions cannot be: use a power of two from {PARTITIONS_MIN} to {PARTITIONS_MAX}"
    )]
    Partitions(u16),
    /// Another cluster's servers.
    #[error(
        "these NATS servers hold the cluster {}: use its name, or other servers", .0.as_str()
    )]
    Another(ClusterName),
    /// The cluster has another number of partitions.
    #[error(
        "the cluster {} has {there} partitions, which never change: leave out --partitions, or \
         use another name",
        .cluster.as_str()
    )]
    OtherPartitions {
        /// Which.
        cluster: ClusterName,
        /// What it has.
        there: u16,
    },
    /// The cluster has other times.
    #[error(
        "the cluster {} has lease_ms = {lease_ms} and act_ms = {act_ms}: write the same into \
         cluster.toml, or two nodes would act at once",
        .cluster.as_str()
    )]
    OtherTimes {
        /// Which.
        cluster: ClusterName,
        /// Its lease.
        lease_ms: u64,
        /// How long its nodes wait for an end to stand still.
        act_ms: u64,
    },
    /// There is no such cluster.
    #[error(
        "there is no cluster {} on these NATS servers: make it by `hayauma cluster init`",
        .0.as_str()
    )]
    NoCluster(ClusterName),
    /// A stream is there with other settings than the cluster's.
    #[error(
        "the stream {stream} has {setting} = {there}, and the cluster's has {wanted}: set that by \
         the NATS tool, or delete the stream if nothing of the cluster is in it"
    )]
    OtherStream {
        /// The stream.
        stream: String,
        /// What of it.
        setting: &'static str,
        /// What it is.
        there: String,
        /// What it must be.
        wanted: String,
    },
    /// A stream of the cluster is gone.
    #[error(
        "the stream {0} is gone, and with it what it held: restore it from a back-up before any \
         node is started"
    )]
    StreamGone(String),
}

/// A version as people write it.
pub(super) fn version_text((major, minor, patch): (u32, u32, u32)) -> String {
    format!("{major}.{minor}.{patch}")
}

/// Reads a version: `2.15.1`, or with something behind a hyphen.
pub(super) fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let (numbers, behind) = text.split_once('-').unwrap_or((text, ""));
    let mut parts = numbers.split('.').map(str::parse::<u32>);
    let version = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    // What comes before a release is not that release.
    let is_before = ["preview", "beta", "dev", "RC", "rc"].iter().any(|word| behind.contains(word));
    let lower = (version.0, version.1, version.2.saturating_sub(u32::from(is_before)));
    parts.next().is_none().then_some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (text, is_taken) in [
            ("2.12.3", true),
            ("2.12.3-RC.1", false),
            ("2.12.10", true),
            ("2.12.2", false),
            ("2.9.10", false),
            ("2.15.1", true),
            ("3.0.0", true),
            ("2.15.0-dev", true),
            ("2.12", false),
            ("2.12.3.4", false),
            ("", false),
        ] {
            let found = parse_version(text).is_some_and(|version| version >= VERSION_MIN);
            assert_eq!(found, is_taken, "{text}");
        }
        assert_eq!(version_text(VERSION_MIN), "2.12.3");
    }
}
