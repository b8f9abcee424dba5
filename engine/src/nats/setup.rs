//! Makes the streams and the bucket of a cluster, once.
//!
//! The entry that says what the cluster is comes last: without it nothing of the cluster counts,
//! and making it can be begun anew. With it, what is missing is lost, and is never made again.

use super::connect::connect;
use super::entries::{ClusterEntry, read_cluster, write_cluster};
use super::error::NatsError;
use super::hosting::runtime;
use super::limits::{
    BILLING_KEPT, DOUBLED_WINDOW, ENVELOPE_OCTETS_MAX, REPLICAS, SETUP, SETUP_AGAIN,
    SETUP_TRIES_MAX,
};
use super::monitor;
use super::names::{Key, Names, cluster_of};
use crate::cluster::limits::{CHUNK_OCTETS_MAX, PARTITIONS_MAX, PARTITIONS_MIN};
use crate::cluster::ownership::ClusterTimes;
use crate::cluster::servers::{ClusterName, LogServers};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{Context, ContextBuilder, ErrorCode, kv};
use futures_util::TryStreamExt as _;
use std::collections::BTreeSet;
use tokio::time::sleep;

/// What a cluster is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClusterPlan {
    /// Partitions; none is what is there, or the smallest number.
    pub partitions: Option<u16>,
    /// The times of all its nodes.
    pub times: ClusterTimes,
    /// Octets that each partition's log may have.
    pub partition_octets: u64,
    /// Whether the servers must sync before they acknowledge.
    pub must_sync: bool,
}

/// What was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InitDone {
    /// The cluster's partitions.
    pub partitions: u16,
    /// Streams that were made, the bucket's included; 0 where all was there.
    pub made: usize,
}

/// Makes a cluster, or finds that it is there.
///
/// # Errors
/// The servers cannot hold it, hold another one, or refuse.
pub fn init(
    servers: &LogServers,
    cluster: &ClusterName,
    plan: &ClusterPlan,
) -> Result<InitDone, NatsError> {
    if let Some(partitions) = plan.partitions {
        check_partitions(partitions)?;
    }
    if servers.monitors.is_empty() {
        return Err(NatsError::NoMonitors);
    }
    let seen: Result<Vec<_>, _> =
        servers.monitors.iter().map(|address| monitor::look(address)).collect();
    monitor::check(&seen?, 0, plan.must_sync)?;
    runtime()?.block_on(async {
        let client = connect(servers, "hayauma init").await?;
        let context = ContextBuilder::new().timeout(SETUP).build(client);
        make(&context, cluster, plan).await
    })
}

/// Whether a cluster may have so many partitions.
fn check_partitions(partitions: u16) -> Result<(), NatsError> {
    let range = PARTITIONS_MIN..=PARTITIONS_MAX;
    if range.contains(&usize::from(partitions)) && partitions.is_power_of_two() {
        Ok(())
    } else {
        Err(NatsError::Partitions(partitions))
    }
}

/// The servers refuse to do something.
pub(super) fn refused(what: &str) -> impl Fn(String) -> NatsError {
    let what = what.to_owned();
    move |why| NatsError::Refused { what: what.clone(), why }
}

async fn make(
    context: &Context,
    cluster: &ClusterName,
    plan: &ClusterPlan,
) -> Result<InitDone, NatsError> {
    let names = Names::new(cluster);
    let there = streams_there(context).await?;
    if let Some(other) =
        there.iter().filter_map(|name| cluster_of(name)).find(|other| other != cluster)
    {
        return Err(NatsError::Another(other));
    }
    let entry = if there.contains(&names.bucket_stream()) {
        cluster_entry(context, &names).await?
    } else {
        None
    };
    if let Some(entry) = entry {
        return is_there(context, &names, (cluster, plan), entry, &there).await;
    }
    let partitions = plan.partitions.unwrap_or(PARTITIONS_MIN as u16);
    let mut made = 0;
    for config in wanted_streams(&names, partitions, plan.partition_octets) {
        if there.contains(&config.name) {
            check_stream(context, &config).await?;
        } else {
            make_stream(context, config).await?;
            made += 1;
        }
    }
    if there.contains(&names.bucket_stream()) {
        check_stream(context, &bucket_stream(&names)).await?;
    } else {
        let config = kv::Config {
            bucket: names.bucket(),
            history: 1,
            num_replicas: REPLICAS,
            storage: StorageType::File,
            ..kv::Config::default()
        };
        let done = context.create_key_value(config).await;
        done.map_err(|error| refused("make the bucket")(error.to_string()))?;
        made += 1;
    }
    let ClusterTimes { lease_ms, act_ms, .. } = plan.times;
    write_entry(context, &names, ClusterEntry { partitions, lease_ms, act_ms }).await?;
    Ok(InitDone { partitions, made })
}

/// The cluster is there: whether it is the one that is wanted, and whole.
async fn is_there(
    context: &Context,
    names: &Names,
    (cluster, plan): (&ClusterName, &ClusterPlan),
    entry: ClusterEntry,
    there: &BTreeSet<String>,
) -> Result<InitDone, NatsError> {
    let partitions = entry.partitions;
    if plan.partitions.is_some_and(|wanted| wanted != partitions) {
        let cluster = cluster.clone();
        return Err(NatsError::OtherPartitions { cluster, there: partitions });
    }
    check_times(cluster, entry, plan.times)?;
    let wanted = wanted_streams(names, partitions, plan.partition_octets);
    for config in wanted.into_iter().chain([bucket_stream(names)]) {
        if !there.contains(&config.name) {
            return Err(NatsError::StreamGone(config.name));
        }
        check_stream(context, &config).await?;
    }
    Ok(InitDone { partitions, made: 0 })
}

/// Whether a stream that is there keeps what it should keep. One that nobody leads is asked again.
async fn check_stream(context: &Context, wanted: &Config) -> Result<(), NatsError> {
    let mut tries = 0;
    loop {
        match context.get_stream(&wanted.name).await {
            Ok(stream) => return check_settings(&stream.cached_info().config, wanted),
            Err(_) if tries < SETUP_TRIES_MAX => tries += 1,
            Err(error) => {
                let what = format!("show the stream {}", wanted.name);
                return Err(refused(&what)(error.to_string()));
            }
        }
        sleep(SETUP_AGAIN).await;
    }
}

/// Whether a stream's settings are such that it lets go of nothing by itself. What room it has is
/// the operator's.
pub(super) fn check_settings(there: &Config, wanted: &Config) -> Result<(), NatsError> {
    let of = |config: &Config| {
        [
            ("retention", format!("{:?}", config.retention)),
            ("storage", format!("{:?}", config.storage)),
            ("discard", format!("{:?}", config.discard)),
            ("num_replicas", config.num_replicas.to_string()),
            ("max_age", format!("{} s", config.max_age.as_secs())),
            ("max_msgs", config.max_messages.to_string()),
            ("max_msgs_per_subject", config.max_messages_per_subject.to_string()),
            ("deny_delete", config.deny_delete.to_string()),
            ("deny_purge", config.deny_purge.to_string()),
            ("allow_direct", config.allow_direct.to_string()),
            ("subjects", config.subjects.join(", ")),
        ]
    };
    let pairs = of(there).into_iter().zip(of(wanted));
    match pairs.into_iter().find(|(there, wanted)| there.1 != wanted.1) {
        None => Ok(()),
        Some(((setting, there), (_, must))) => {
            let stream = wanted.name.clone();
            Err(NatsError::OtherStream { stream, setting, there, wanted: must })
        }
    }
}

/// Whether a node with these times may take part.
pub(super) fn check_times(
    cluster: &ClusterName,
    entry: ClusterEntry,
    times: ClusterTimes,
) -> Result<(), NatsError> {
    let ClusterEntry { lease_ms, act_ms, .. } = entry;
    if (lease_ms, act_ms) == (times.lease_ms, times.act_ms) {
        Ok(())
    } else {
        Err(NatsError::OtherTimes { cluster: cluster.clone(), lease_ms, act_ms })
    }
}

/// The names of all streams at these servers. A set whose servers are electing is asked again.
pub(super) async fn streams_there(context: &Context) -> Result<BTreeSet<String>, NatsError> {
    let mut tries = 0;
    loop {
        match context.stream_names().try_collect().await {
            Ok(names) => return Ok(names),
            Err(_) if tries < SETUP_TRIES_MAX => tries += 1,
            Err(error) => return Err(refused("name their streams")(error.to_string())),
        }
        sleep(SETUP_AGAIN).await;
    }
}

/// What the cluster is, if that was written.
pub(super) async fn cluster_entry(
    context: &Context,
    names: &Names,
) -> Result<Option<ClusterEntry>, NatsError> {
    let failed = refused("say what the cluster is");
    let stream = context.get_stream_no_info(names.bucket_stream()).await;
    let stream = stream.map_err(|error| failed(error.to_string()))?;
    match stream.get_last_raw_message_by_subject(&names.key(Key::Cluster)).await {
        Ok(message) => Ok(read_cluster(&message.payload)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}

async fn write_entry(
    context: &Context,
    names: &Names,
    entry: ClusterEntry,
) -> Result<(), NatsError> {
    let mut tries = 0;
    loop {
        let message = PublishMessage::build()
            .payload(write_cluster(entry).into())
            .expected_last_subject_sequence(0);
        let done = match context.send_publish(names.key(Key::Cluster), message).await {
            Ok(answer) => answer.await.map(drop),
            Err(error) => Err(error),
        };
        match done {
            // The server that was asked has not heard of the new bucket: nothing was stored.
            Err(error)
                if error.kind() == PublishErrorKind::StreamNotFound && tries < SETUP_TRIES_MAX =>
            {
                tries += 1;
            }
            done => {
                let failed = refused("write what the cluster is");
                return done.map_err(|error| failed(error.to_string()));
            }
        }
        sleep(SETUP_AGAIN).await;
    }
}

/// Every stream of a cluster but the bucket's.
pub(super) fn wanted_streams(names: &Names, partitions: u16, octets: u64) -> Vec<Config> {
    let base = Config {
        storage: StorageType::File,
        num_replicas: REPLICAS,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        deny_delete: true,
        allow_direct: false,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_bytes: -1,
        duplicate_window: DOUBLED_WINDOW,
        ..Config::default()
    };
    let part = |partition| Config {
        name: names.part_stream(partition),
        subjects: vec![names.part_subject(partition)],
        max_bytes: i64::try_from(octets).unwrap_or(i64::MAX),
        // The server counts a message's headers, too.
        max_message_size: (CHUNK_OCTETS_MAX + ENVELOPE_OCTETS_MAX) as i32,
        ..base.clone()
    };
    let mut wanted: Vec<Config> = (0..partitions).map(part).collect();
    let (name, subject) = names.billing();
    wanted.push(Config { name, subjects: vec![subject], max_age: BILLING_KEPT, ..base.clone() });
    let (name, subject) = names.registry();
    wanted.push(Config { name, subjects: vec![subject], ..base });
    wanted
}

/// The bucket's stream, as far as it is compared: the client makes it.
pub(super) fn bucket_stream(names: &Names) -> Config {
    Config {
        name: names.bucket_stream(),
        subjects: vec![names.all_keys()],
        storage: StorageType::File,
        num_replicas: REPLICAS,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        deny_delete: true,
        allow_direct: true,
        max_messages: -1,
        max_messages_per_subject: 1,
        ..Config::default()
    }
}

/// Makes one stream; servers that are still joining are asked again.
async fn make_stream(context: &Context, config: Config) -> Result<(), NatsError> {
    let what = format!("make the stream {}", config.name);
    let mut tries = 0;
    loop {
        let Err(error) = context.create_stream(config.clone()).await else { return Ok(()) };
        let source = std::error::Error::source(&error);
        let code = source
            .and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>())
            .map(async_nats::jetstream::Error::error_code);
        let is_joining = [ErrorCode::CLUSTER_NO_PEERS, ErrorCode::CLUSTER_NOT_AVAILABLE];
        if tries == SETUP_TRIES_MAX || code.is_none_or(|code| !is_joining.contains(&code)) {
            return Err(refused(&what)(error.to_string()));
        }
        tries += 1;
        sleep(SETUP_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_a_power_of_two_of_partitions_within_its_bounds() {
        for (partitions, is_taken) in
            [(16, true), (64, true), (256, true), (0, false), (8, false), (24, false), (512, false)]
        {
            assert_eq!(check_partitions(partitions).is_ok(), is_taken, "{partitions}");
        }
    }

    #[test]
    fn a_partition_has_a_stream_that_lets_go_of_nothing_by_itself() {
        let names = Names::new(&ClusterName::parse("kanto").expect("a name"));
        let wanted = wanted_streams(&names, 16, 1 << 30);
        assert_eq!(wanted.len(), 18);
        for config in &wanted[..16] {
            assert_eq!((config.discard, config.num_replicas), (DiscardPolicy::New, 3));
            assert!(config.deny_delete && !config.deny_purge && !config.allow_direct);
            assert_eq!((config.max_age, config.max_messages), (std::time::Duration::ZERO, -1));
            assert_eq!(config.max_bytes, 1 << 30);
        }
        for config in &wanted {
            assert_eq!(check_settings(config, config).map_err(|error| error.to_string()), Ok(()));
        }
        let names: BTreeSet<_> = wanted.iter().map(|config| config.name.clone()).collect();
        assert_eq!(names.len(), 18, "no two of one name");
    }

    #[test]
    fn a_stream_that_would_let_go_of_something_is_refused_by_what_is_amiss() {
        let names = Names::new(&ClusterName::parse("kanto").expect("a name"));
        let wanted = wanted_streams(&names, 16, 1 << 30).swap_remove(7);
        let day = std::time::Duration::from_secs(86_400);
        let of = |change: fn(&mut Config)| {
            let mut there = wanted.clone();
            change(&mut there);
            there
        };
        let aged = Config { max_age: day, ..wanted.clone() };
        for (there, words) in [
            (of(|there| there.discard = DiscardPolicy::Old), "discard = Old, and"),
            (of(|there| there.deny_delete = false), "deny_delete = false, and"),
            (of(|there| there.num_replicas = 1), "num_replicas = 1, and the cluster's has 3"),
            (of(|there| there.allow_direct = true), "allow_direct = true, and"),
            (of(|there| there.max_messages = 1_000), "max_msgs = 1000, and"),
            (of(|there| there.storage = StorageType::Memory), "storage = Memory, and"),
            (of(|there| there.retention = RetentionPolicy::WorkQueue), "retention = WorkQueue"),
            (of(|there| there.subjects.push("x".to_owned())), "subjects = hayauma.kanto.part.007"),
            (aged, "max_age = 86400 s, and"),
        ] {
            let error = check_settings(&there, &wanted).expect_err(words).to_string();
            assert!(error.contains(words) && error.contains("HY_kanto_P007"), "{words}: {error}");
        }
        let roomy = of(|there| there.max_bytes *= 2);
        assert!(check_settings(&roomy, &wanted).is_ok(), "room is the operator's");
    }
}
