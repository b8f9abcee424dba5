//! What a node is before it runs: its file, its cluster as the servers tell it, its directory.

use super::books::events_of_chunk;
use super::registry::RegistryOrder;
use crate::control::store::Store;
use crate::gateway::fingerprint::FingerprintKeys;
use crate::io::neighbours::Neighbourhood;
use crate::io::tls::PeerTls;
use crate::journal::shards::{shard_directory, shard_numbers};
use crate::nats::{BooksKeeper, NatsSetup, NatsWake, RegistryLog, survey};
use crate::shard::Durability;
use crate::start::config::cluster::ClusterConfig;
use crate::start::config::{Config, read_bounded};
use crate::start::{fingerprint_key, layout};
use host::clock;
use host::directory::sync_directory;
use host::fatal::{Fatal, FatalReason};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// The file of a node's data directory that names its cluster and itself.
pub(in crate::start::serve) const MEMBER_FILE: &str = "cluster";
/// A secret of fewer octets could be guessed.
const SECRET_OCTETS_MIN: usize = 16;
/// The longest secret.
const SECRET_OCTETS_MAX: u64 = 4_096;

/// A node of a cluster.
#[derive(Clone, Debug)]
pub(in crate::start::serve) struct Member {
    pub(super) cluster: ClusterConfig,
    pub(super) partitions: u16,
    secret: [u8; 32],
    tls: Option<PeerTls>,
    durability: Durability,
    /// This life's number.
    pub(super) life: u64,
}

fn unfit(cause: impl Into<String>, remedy: &str) -> Fatal {
    Fatal::with_remedy(FatalReason::Configuration, cause, remedy)
}

impl Member {
    /// Looks at the cluster, and has the settings be those of a node.
    ///
    /// # Errors
    /// The file, the cluster or the settings are not such as a node can serve with.
    pub(in crate::start::serve) fn join(config: Config) -> Result<(Config, Option<Self>), Fatal> {
        let Some(file) = &config.cluster else { return Ok((config, None)) };
        let told = |error: &dyn std::fmt::Display| {
            Fatal::told(FatalReason::Configuration, error.to_string())
        };
        let cluster = ClusterConfig::read(file).map_err(|error| told(&error))?;
        check_settings(&config)?;
        if !cluster.peers.contains_key(&cluster.node) {
            let cause = format!("{} names no address of node {}", file.display(), cluster.node);
            return Err(unfit(
                cause,
                "name every node under [cluster.peers]: a = \"10.0.0.1:8090\"",
            ));
        }
        let secret = read_secret(&cluster)?;
        check_peers(&cluster)?;
        let tls = cluster.peer_tls.as_ref().map(PeerTls::read).transpose();
        let tls = tls.map_err(|error| told(&error))?;
        let durability = config.durability;
        let must_sync = durability == Durability::Power;
        let seen = survey(&cluster.servers, &cluster.name, cluster.times, must_sync);
        let seen = seen.map_err(|error| told(&error))?;
        seen.fitness.map_err(|error| told(&error))?;
        seen.times.map_err(|error| told(&error))?;
        for log in seen.logs {
            // What nobody leads at the moment is waited for.
            let log = log.map_err(|error| told(&error))?;
            log.amiss.map_or(Ok(()), |amiss| Err(told(&amiss)))?;
        }
        let partitions = seen.partitions;
        let config =
            config.with_partitions(usize::from(partitions)).map_err(|error| told(&error))?;
        // The log is what makes a record last: the local journal is read by this process alone.
        let config = Config { durability: Durability::Process, ..config };
        Ok((config, Some(Self { cluster, partitions, secret, tls, durability, life: 0 })))
    }

    /// What `0000` promises: which sync the servers have.
    pub(in crate::start::serve) fn durability(&self) -> Durability {
        self.durability
    }

    /// What the node needs of NATS.
    pub(super) fn nats(&self) -> NatsSetup {
        NatsSetup {
            servers: self.cluster.servers.clone(),
            cluster: self.cluster.name.clone(),
            partitions: self.partitions,
            me: self.cluster.node,
        }
    }

    /// Who keeps the books of logs that are cut.
    ///
    /// # Errors
    /// The system has no room for its thread.
    pub(super) fn books_keeper(&self, wake: &NatsWake) -> Result<BooksKeeper, Fatal> {
        let ClusterConfig { servers, name, node, .. } = &self.cluster;
        BooksKeeper::start((servers, name, *node), events_of_chunk, wake.clone())
            .map_err(|error| Fatal::told(FatalReason::HostUnfit, error.to_string()))
    }

    /// The nodes, in the order by which they are numbered.
    pub(in crate::start::serve) fn neighbours(&self) -> Neighbourhood {
        let me = self.cluster.peers.keys().take_while(|&&node| node != self.cluster.node).count();
        Neighbourhood {
            me,
            addresses: self.cluster.peers.values().copied().collect(),
            secret: derived(b"peers", &self.secret),
            partitions: usize::from(self.partitions),
            tls: self.tls.clone(),
        }
    }

    /// Makes the data directory this node's, and lets go of what an earlier life has left of
    /// journals: the log has it.
    ///
    /// # Errors
    /// It is another node's, or a single machine's.
    pub(in crate::start::serve) fn take_directory(
        &mut self,
        data_dir: &Path,
    ) -> Result<FingerprintKeys, Fatal> {
        let unusable = |error: io::Error| {
            let cause = format!("{} cannot be used ({error})", data_dir.display());
            Fatal::new(FatalReason::DataDirUnusable, cause)
        };
        let (path, own) = (data_dir.join(MEMBER_FILE), self.words());
        let standing = fs::read_to_string(&path).ok();
        let mut lines = standing.as_deref().unwrap_or_default().lines();
        let (words, life) = (lines.next(), lines.next());
        match words {
            Some(words) if words == own => {}
            Some(words) => {
                let named = data_dir.display();
                let cause = format!("the data directory {named} is of `{words}`, not of `{own}`");
                let remedy = "choose another with --data-dir: each node has one of its own";
                return Err(Fatal::with_remedy(FatalReason::DataDirUnusable, cause, remedy));
            }
            None if !layout::is_fresh(data_dir) => {
                let cause = format!(
                    "the data directory {} holds the queue of an engine of its own, which a \
                     cluster's node cannot serve",
                    data_dir.display()
                );
                let remedy = "choose an empty one with --data-dir, and start the other engine \
                              without --cluster until its queue is empty";
                return Err(Fatal::with_remedy(FatalReason::DataDirUnusable, cause, remedy));
            }
            None => {}
        }
        // Lives ascend, whatever the clock was set to.
        let last = life.and_then(|life| life.parse().ok()).unwrap_or(0u64);
        self.life = clock::unix_ms().max(last + 1);
        write_words(data_dir, &format!("{own}\n{}\n", self.life)).map_err(unusable)?;
        for number in shard_numbers(data_dir).map_err(unusable)? {
            super::rebuild::clear(&shard_directory(data_dir, number)).map_err(unusable)?;
        }
        let key = derived(b"fingerprints", &self.secret);
        let key = key.first_chunk().unwrap_or(&[0; 16]);
        fingerprint_key::put(data_dir, key).map_err(unusable)
    }

    /// The registry is the cluster's from now on, and as the other nodes have it.
    ///
    /// # Errors
    /// Its log says nothing, or this registry has rows of its own and the cluster's has others.
    pub(in crate::start::serve) fn take_registry(&self, store: &mut Store) -> Result<(), Fatal> {
        let ClusterConfig { servers, name, node, .. } = &self.cluster;
        let log = RegistryLog::open(servers, name, *node)
            .map_err(|error| Fatal::told(FatalReason::HostUnfit, error.to_string()))?;
        store.follow_order(Box::new(RegistryOrder(log))).map_err(Fatal::from)
    }

    /// What stands in the file: the cluster and the node.
    pub(in crate::start::serve) fn words(&self) -> String {
        format!("{} {}", self.cluster.name, self.cluster.node)
    }
}

/// What was said before stands until the new words are durable: without them the directory would be
/// taken for that of an engine of its own.
fn write_words(data_dir: &Path, words: &str) -> io::Result<()> {
    let fresh = data_dir.join("cluster.tmp");
    let mut file = File::create(&fresh)?;
    file.write_all(words.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, data_dir.join(MEMBER_FILE))?;
    sync_directory(data_dir)
}

/// What a node cannot do yet, each with a sentence.
fn check_settings(config: &Config) -> Result<(), Fatal> {
    if !config.smpp.is_empty() {
        let cause = "a cluster's node takes no customers by SMPP yet";
        return Err(unfit(cause, "leave --smpp out"));
    }
    if config.broadcast.is_some() {
        let cause = "a cluster's node sends no broadcasts yet";
        return Err(unfit(cause, "leave --broadcast out"));
    }
    if config.rehearsal_time_scale > 1 {
        let cause = "a cluster has no rehearsals: its nodes' clocks must run as fast as others'";
        return Err(unfit(cause, "leave --rehearsal-time-scale out"));
    }
    Ok(())
}

/// What nodes say to each other is pushes and their secret: not in plain text over a network,
/// unless the operator says that it may be.
fn check_peers(cluster: &ClusterConfig) -> Result<(), Fatal> {
    let is_safe = cluster.peer_tls.is_some() || cluster.peers_plain;
    let open = cluster.peers.iter().find(|(_, address)| !is_safe && !address.ip().is_loopback());
    let Some((node, address)) = open else { return Ok(()) };
    let cause = format!("node {node} listens for the others at {address} in plain text");
    let remedy = "name peers_ca, peers_cert and peers_key in the cluster's file, or say \
                  `peers_plain = true` where nobody else is on that network";
    Err(unfit(cause, remedy))
}

/// The secret of the cluster, as a number that tells nothing of it.
fn read_secret(cluster: &ClusterConfig) -> Result<[u8; 32], Fatal> {
    let Some(path) = &cluster.secret else {
        let cause = "the cluster's file names no secret_file";
        let remedy = "name a file that holds the same secret at every node, such as one made by \
                      `openssl rand -hex 32`";
        return Err(unfit(cause, remedy));
    };
    let text = read_bounded(path, SECRET_OCTETS_MAX).map_err(|error| {
        let cause = format!("the secret_file {} cannot be read ({error})", path.display());
        unfit(cause, "correct the path or the file's permissions")
    })?;
    let secret = text.trim();
    if secret.len() < SECRET_OCTETS_MIN {
        let cause = format!("the secret in {} is too short", path.display());
        return Err(unfit(cause, "make one of at least 16 octets: `openssl rand -hex 32`"));
    }
    Ok(Sha256::digest(secret).into())
}

/// What one use has of the secret: no use tells of another.
fn derived(purpose: &[u8], secret: &[u8; 32]) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"hayauma ")
        .chain_update(purpose)
        .chain_update(secret)
        .finalize()
        .into()
}
