//! Servers that die, stand still, or whose answers are lost, under a node that publishes as fast as
//! it may.

use crate::{CLUSTER, PARTITIONS, cluster};
use hayauma::cluster::chunk::Chunk;
use hayauma::cluster::ownership::ClusterTimes;
use hayauma::cluster::succession::Succession;
use std::net::SocketAddr;
use tests::cluster_node::{ClusterNode, NodeOptions, NodeState};
use tests::nats::NatsServers;
use tests::nats_desk::{NatsDesk, setup};
use tests::tcp_proxy::TcpProxy;
use tests::wait;

/// A node that is there alone.
fn node(addresses: &[SocketAddr]) -> ClusterNode {
    let nats = setup(addresses, CLUSTER, PARTITIONS, "a");
    let times = ClusterTimes::default();
    let node = ClusterNode::start(NodeOptions { nats, life: 1, times, is_told: false });
    wait::until_true("all partitions", || node.state().owned() == usize::from(PARTITIONS));
    node
}

/// Waits until every partition has had another chunk acknowledged.
fn goes_on(node: &ClusterNode) {
    let before = node.state();
    wait::until_true("every partition to go on", || {
        let now = node.state();
        before.parts.iter().all(|(partition, part)| now.parts[partition].chunks > part.chunks + 1)
    });
    let NodeState { lost, stopped, .. } = node.state();
    assert_eq!((lost, stopped), (0, Vec::new()), "nobody else is there, and no log is damaged");
}

/// Reads every log as a successor would: nothing in it is missing, doubled or foreign, and all that
/// was acknowledged is there.
fn check(servers: &NatsServers, state: &NodeState) {
    let desk = NatsDesk::open(setup(&servers.addresses(), CLUSTER, PARTITIONS, "reader"));
    for partition in 0..PARTITIONS {
        let mut succession = Succession::from_floor(1);
        let acknowledged = state.parts[&partition].acknowledged;
        // A server that is behind may answer: its copy grows.
        wait::until_true("all that was acknowledged", || {
            for (sequence, octets) in desk.replayed(partition, succession.due()) {
                let chunk = Chunk::read(&octets, partition).expect("a chunk");
                let taken = succession.take(sequence, chunk.head, &chunk.body);
                assert_eq!(taken, Ok(()), "partition {partition}");
            }
            succession.next_record() >= acknowledged
        });
    }
}

fn leader_and_follower(servers: &NatsServers) -> (usize, usize) {
    servers.leader_and_follower(&format!("HY_{CLUSTER}_P000"))
}

fn longest_pause_ms(node: &ClusterNode) -> u64 {
    node.state().parts.values().map(|part| part.pause_ms).max().unwrap_or(0)
}

#[test]
fn servers_that_die_lose_nothing_that_was_acknowledged() {
    let Some(mut servers) = cluster() else { return };
    let node = node(&servers.addresses());
    goes_on(&node);
    let (_, follower) = leader_and_follower(&servers);
    node.forget_pauses();
    servers.kill(follower);
    goes_on(&node);
    println!("a follower's server is killed: {} ms", longest_pause_ms(&node));
    servers.restart(follower, "always");
    goes_on(&node);
    let (leader, _) = leader_and_follower(&servers);
    node.forget_pauses();
    servers.kill(leader);
    goes_on(&node);
    println!("the leader's server is killed: {} ms", longest_pause_ms(&node));
    servers.restart(leader, "always");
    goes_on(&node);
    let state = node.state();
    drop(node);
    check(&servers, &state);
}

#[test]
fn a_server_that_stands_still_loses_nothing_and_changes_nothing_when_it_goes_on() {
    let Some(servers) = cluster() else { return };
    let node = node(&servers.addresses());
    let (leader, _) = leader_and_follower(&servers);
    node.forget_pauses();
    servers.pause(leader);
    goes_on(&node);
    println!("the leader's server stands still: {} ms", longest_pause_ms(&node));
    servers.resume(leader);
    goes_on(&node);
    let state = node.state();
    drop(node);
    check(&servers, &state);
}

#[test]
fn a_lost_acknowledgement_is_found_in_the_log_and_nothing_is_stored_twice() {
    let Some(servers) = cluster() else { return };
    let proxy = TcpProxy::to(servers.addresses()[0]);
    let node = node(&[proxy.address()]);
    let desk = NatsDesk::open(setup(&servers.addresses(), CLUSTER, PARTITIONS, "reader"));
    for _ in 0..3 {
        goes_on(&node);
        proxy.swallow_answers();
        // What is under way is stored, and nobody is told.
        let ends = |desk: &NatsDesk| -> Vec<u64> {
            (0..PARTITIONS).map(|partition| desk.end(partition)).collect()
        };
        let mut before = ends(&desk);
        wait::until_true("the last chunk", || {
            let now = ends(&desk);
            std::mem::replace(&mut before, now.clone()) == now
        });
        proxy.cut();
        goes_on(&node);
    }
    let state = node.state();
    drop((node, desk));
    check(&servers, &state);
}
