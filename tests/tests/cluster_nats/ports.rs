//! What the two ports promise.

use crate::{CLUSTER, PARTITIONS, cluster};
use tests::nats_desk::{NatsDesk, setup};
use tests::wait;

#[test]
fn a_log_stores_what_expects_its_end_and_gives_it_back() {
    let Some(servers) = cluster() else { return };
    let desk = NatsDesk::open(setup(&servers.addresses(), CLUSTER, PARTITIONS, "a"));
    publish_and_ask(&desk);
    let stored = vec![(1, b"one".to_vec()), (2, b"two".to_vec())];
    wait::until_true("what is stored", || desk.replayed(3, 1) == stored);
}

fn publish_and_ask(desk: &NatsDesk) {
    assert_eq!(desk.end(3), 0, "an empty log");
    assert_eq!(desk.published(3, 0, b"one"), Some(1));
    assert_eq!(desk.published(3, 0, b"one"), None, "the same expectation again");
    assert_eq!(desk.published(3, 2, b"far"), None, "an expectation that is ahead");
    assert_eq!(desk.published(3, 1, b"two"), Some(2));
    assert_eq!(desk.behind(3, 2), (Some(b"two".to_vec()), 2));
    assert_eq!(desk.behind(3, 3), (None, 2), "nothing stands there yet");
    assert_eq!(desk.end(4), 0, "another partition has a log of its own");
}
