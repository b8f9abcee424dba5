//! The cluster's ports over three real NATS servers: commands, fence, replay, faults of servers,
//! and the take-over of a node that died. Without a `nats-server` that is new enough each is
//! skipped with a sentence.

mod commands;
mod faults;
mod fence;
mod ports;
mod take_over;

use hayauma::cluster::ownership::ClusterTimes;
use hayauma::cluster::servers::{ClusterName, LogServers};
use hayauma::nats::{ClusterPlan, init};
use tests::nats::{NatsServers, urls};

/// Partitions of every cluster here: the fewest.
const PARTITIONS: u16 = 16;
/// Room of a partition's log, in octets.
const PARTITION_OCTETS: u64 = 64 << 20;
/// The cluster's name.
const CLUSTER: &str = "kanto";

/// Three servers with a cluster's streams on them; none where no program is there.
fn cluster() -> Option<NatsServers> {
    let servers = NatsServers::start()?;
    let plan = ClusterPlan {
        partitions: Some(PARTITIONS),
        times: ClusterTimes::default(),
        partition_octets: PARTITION_OCTETS,
        must_sync: true,
    };
    let log = LogServers {
        addresses: urls("nats", &servers.addresses()),
        monitors: urls("http", &servers.monitors()),
        ..LogServers::default()
    };
    let done = init(&log, &ClusterName::parse(CLUSTER).expect("a name"), &plan).expect("a cluster");
    assert_eq!((done.partitions, done.made), (PARTITIONS, usize::from(PARTITIONS) + 3));
    Some(servers)
}
