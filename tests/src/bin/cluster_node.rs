//! `cluster_node`: a node of a cluster over real NATS as a process of its own, so that a test can
//! kill it. It says on stdout what it owns and what is acknowledged to it.
//!
//! `cluster_node CLUSTER.TOML PARTITIONS LIFE SETTLE_MS`

use hayauma::cluster::ownership::ClusterTimes;
use hayauma::nats::NatsSetup;
use hayauma::start::config::cluster::ClusterConfig;
use std::path::Path;
use std::process::ExitCode;
use tests::cluster_node::{ClusterNode, NodeOptions};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, numbers @ ..] = &arguments[..] else { return usage() };
    let numbers: Result<Vec<u64>, _> = numbers.iter().map(|number| number.parse()).collect();
    let Ok(Ok([partitions, life, settle_ms])) = numbers.map(<[u64; 3]>::try_from) else {
        return usage();
    };
    let config = match ClusterConfig::read(Path::new(file)) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let nats = NatsSetup {
        servers: config.servers,
        cluster: config.name,
        partitions: partitions as u16,
        me: config.node,
    };
    let times = ClusterTimes { settle_ms, ..config.times };
    ClusterNode::start(NodeOptions { nats, life, times, is_told: true }).run();
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: cluster_node CLUSTER.TOML PARTITIONS LIFE SETTLE_MS");
    ExitCode::FAILURE
}
