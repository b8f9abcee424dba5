//! A look at a cluster from outside: its servers, its logs, its nodes and who has what.

use super::connect::connect;
use super::entries::{read_beat, read_part};
use super::error::NatsError;
use super::hosting::runtime;
use super::limits::{
    BEATS_WATCHED, ORDER, READER_KEPT, REPLICAS, ROUND_TRIPS, SETUP, SURVEYED_MAX, WATCHES_MAX,
};
use super::monitor::{ServerSeen, check, look};
use super::names::{Key, Names};
use super::setup::{
    bucket_stream, check_settings, check_times, cluster_entry, refused, streams_there,
    wanted_streams,
};
use crate::cluster::beats::Beat;
use crate::cluster::node::NodeName;
use crate::cluster::ownership::ClusterTimes;
use crate::cluster::ports::PartEntry;
use crate::cluster::servers::{ClusterName, LogServers};
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::stream::{Config as StreamConfig, Info};
use async_nats::jetstream::{Context, ContextBuilder};
use futures_util::StreamExt as _;
use host::clock;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// A node as its beats show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeSeen {
    /// Its last beat.
    pub beat: Beat,
    /// Whether another one came while it was looked at.
    pub beats: bool,
    /// How old the last one is by this machine's clock, in milliseconds.
    pub age_ms: u64,
}

/// The state of one log, of a partition or another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogState {
    /// The stream's name.
    pub name: String,
    /// The server that leads it, if one does.
    pub leader: Option<String>,
    /// Copies that it is meant to have.
    pub copies: usize,
    /// Copies that are there and have everything, the leader's included.
    pub current: usize,
    /// The lowest sequence in it.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// What it has, in octets.
    pub octets: u64,
    /// What it may have; 0 without a bound.
    pub octets_max: u64,
    /// What it is set to that the cluster's is not, as a sentence.
    pub amiss: Option<String>,
}

/// All that was seen.
#[derive(Debug)]
pub struct ClusterSurvey {
    /// Its partitions.
    pub partitions: u16,
    /// Whether a node with the times that were told may take part.
    pub times: Result<(), NatsError>,
    /// What each monitor says, in the order of the settings.
    pub servers: Vec<Result<ServerSeen, NatsError>>,
    /// Whether those servers that answered may hold the cluster's log.
    pub fitness: Result<(), NatsError>,
    /// The nodes.
    pub nodes: BTreeMap<NodeName, NodeSeen>,
    /// Who has which partition; those that nobody ever had are missing.
    pub parts: BTreeMap<u16, PartEntry>,
    /// The streams: those of the partitions in front.
    pub logs: Vec<Result<LogState, NatsError>>,
    /// The middle one of some round trips to a server.
    pub round_trip: Duration,
}

/// Looks at a cluster. It takes a second or two: beats are watched.
///
/// # Errors
/// No server answers, or there is no such cluster.
pub fn survey(
    servers: &LogServers,
    cluster: &ClusterName,
    times: ClusterTimes,
    must_sync: bool,
) -> Result<ClusterSurvey, NatsError> {
    let seen: Vec<_> = servers.monitors.iter().map(|address| look(address)).collect();
    let answered: Vec<ServerSeen> =
        seen.iter().filter_map(|seen| seen.as_ref().ok().cloned()).collect();
    let fitness = if seen.is_empty() {
        Err(NatsError::NoMonitors)
    } else {
        check(&answered, seen.len() - answered.len(), must_sync)
    };
    let names = Names::new(cluster);
    runtime()?.block_on(async {
        let client = connect(servers, "hayauma survey").await?;
        let context = ContextBuilder::new().timeout(SETUP).build(client);
        let there = streams_there(&context).await?;
        let none = || NatsError::NoCluster(cluster.clone());
        if !there.contains(&names.bucket_stream()) {
            return Err(none());
        }
        let entry = cluster_entry(&context, &names).await?.ok_or_else(none)?;
        let mut logs = Vec::new();
        let wanted = wanted_streams(&names, entry.partitions, 0);
        for config in wanted.into_iter().chain([bucket_stream(&names)]) {
            logs.push(if there.contains(&config.name) {
                Ok(log_state(&context, &config).await)
            } else {
                Err(NatsError::StreamGone(config.name))
            });
        }
        let (nodes, parts) = watch(&context, &names).await?;
        let round_trip = round_trip(&context, &names).await;
        Ok(ClusterSurvey {
            partitions: entry.partitions,
            times: check_times(cluster, entry, times),
            servers: seen,
            fitness,
            nodes,
            parts,
            logs,
            round_trip,
        })
    })
}

/// The state of a stream that is there. One that nobody leads says nothing of itself.
async fn log_state(context: &Context, wanted: &StreamConfig) -> LogState {
    let (name, copies) = (wanted.name.clone(), REPLICAS);
    let Ok(Ok(stream)) = timeout(ORDER, context.get_stream(&name)).await else {
        let (first, last, octets, octets_max) = (0, 0, 0, 0);
        return LogState {
            name,
            leader: None,
            copies,
            current: 0,
            first,
            last,
            octets,
            octets_max,
            amiss: None,
        };
    };
    let Info { state, cluster, config, .. } = stream.cached_info();
    let cluster = cluster.clone().unwrap_or_default();
    let followers = cluster.replicas.iter().filter(|peer| peer.current && !peer.offline).count();
    LogState {
        name,
        current: followers + usize::from(cluster.leader.is_some()),
        leader: cluster.leader,
        copies,
        first: state.first_sequence,
        last: state.last_sequence,
        octets: state.bytes,
        octets_max: u64::try_from(config.max_bytes).unwrap_or(0),
        amiss: check_settings(config, wanted).err().map(|error| error.to_string()),
    }
}

type Watched = (BTreeMap<NodeName, NodeSeen>, BTreeMap<u16, PartEntry>);

/// The entries of the bucket, and which of the nodes beat meanwhile. Servers that show not all of
/// it are asked again: nobody is told that there are no nodes because nothing was heard of them.
async fn watch(context: &Context, names: &Names) -> Result<Watched, NatsError> {
    for _ in 0..WATCHES_MAX {
        if let Some(seen) = watch_once(context, names).await? {
            return Ok(seen);
        }
    }
    Err(refused("show who is there")("they have not shown all of the bucket in time".to_owned()))
}

/// One look at the bucket; none where not all of it came.
async fn watch_once(context: &Context, names: &Names) -> Result<Option<Watched>, NatsError> {
    let failed = refused("show who is there");
    let stream = context.get_stream_no_info(names.bucket_stream()).await;
    let stream = stream.map_err(|error| failed(error.to_string()))?;
    let config = Config {
        deliver_policy: DeliverPolicy::LastPerSubject,
        filter_subject: names.all_keys(),
        ack_policy: AckPolicy::None,
        inactive_threshold: READER_KEPT,
        num_replicas: 1,
        memory_storage: true,
        ..Config::default()
    };
    let consumer = stream.create_consumer(config).await;
    let consumer = consumer.map_err(|error| failed(error.to_string()))?;
    let pull = consumer.batch().max_messages(SURVEYED_MAX).expires(BEATS_WATCHED).messages();
    let mut batch = pull.await.map_err(|error| failed(error.to_string()))?;
    let (mut nodes, mut parts) = (BTreeMap::<NodeName, NodeSeen>::new(), BTreeMap::new());
    let mut is_whole = false;
    while let Ok(Some(Ok(message))) = timeout(BEATS_WATCHED + ORDER, batch.next()).await {
        let Ok(info) = message.info() else { continue };
        is_whole |= info.pending == 0;
        let at_ms = u64::try_from(info.published.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        match names.key_of(&message.subject) {
            Some(Key::Node(node)) => match read_beat(&message.payload) {
                Some(beat) => {
                    let beats = nodes.get(&node).is_some_and(|seen| seen.beat != beat);
                    let age_ms = clock::unix_ms().saturating_sub(at_ms);
                    nodes.insert(node, NodeSeen { beat, beats, age_ms });
                }
                None => {
                    nodes.remove(&node);
                }
            },
            Some(Key::Part(partition)) => {
                parts.extend(read_part(&message.payload).map(|entry| (partition, entry)));
            }
            Some(Key::Cluster) | None => {}
        }
    }
    Ok(is_whole.then_some((nodes, parts)))
}

/// The middle one of some round trips to the leader of the bucket.
async fn round_trip(context: &Context, names: &Names) -> Duration {
    let Ok(stream) = context.get_stream_no_info(names.bucket_stream()).await else { return ORDER };
    let mut trips = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let begun = clock::monotonic_ns();
        if !timeout(ORDER, stream.get_info()).await.is_ok_and(|info| info.is_ok()) {
            return ORDER;
        }
        trips.push(Duration::from_nanos(clock::monotonic_ns() - begun));
    }
    trips.sort_unstable();
    trips[ROUND_TRIPS / 2]
}
