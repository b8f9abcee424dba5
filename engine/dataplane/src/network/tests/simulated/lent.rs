//! One network of a thread, lent to its shards in turn.

use super::*;

/// A network of so many slots, each attempt of which takes a second, lent by several shards.
fn shared(slots: usize, shards: usize) -> SimulatedNetwork {
    let configuration =
        SimulationConfig { latency_ms: 1_000, in_flight_max: slots, ..SimulationConfig::default() };
    let states = Arc::new(LineStates::uniform(Line::HOME));
    let opened: Vec<_> = (0..shards).map(|_| InNetwork::new(&configuration, shards)).collect();
    let mut network = SimulatedNetwork::of_nobody(configuration, states).expect("good");
    opened.into_iter().enumerate().for_each(|(place, own)| network.open(place, own));
    network
}

/// Takes as many slots as there are for whom the network is lent to.
fn take_all(network: &mut SimulatedNetwork) -> u32 {
    let mut taken = 0;
    while let Some(handle) = network.reserve(0) {
        network.release(handle);
        taken += 1;
        submit(network, &Attempt { token: taken, ..ATTEMPT }, msn(NUMBER), NOW);
    }
    taken
}

#[test]
fn a_shard_meets_its_own_attempts_only_and_one_that_is_closed_leaves_its_slots() {
    let mut network = shared(64, 3);
    for place in [2, 0] {
        network.lend_to(place);
        submit(&mut network, &Attempt { token: place as u32, ..ATTEMPT }, msn(NUMBER), NOW);
    }
    let later = NOW + 1_000;
    for (place, token) in [(1, None), (0, Some(0)), (2, Some(2)), (2, None)] {
        network.lend_to(place);
        assert_eq!(network.next_due_ms().is_some(), token.is_some(), "{place}");
        assert_eq!(poll(&mut network, later).map(|end| end.token), token, "{place}");
    }
    network.lend_to(1);
    let before = take_all(&mut network);
    network.close(1);
    network.open(1, InNetwork::new(&SimulationConfig::default(), 3));
    network.lend_to(1);
    assert_eq!(poll(&mut network, later), None, "what the one before had under way is gone");
    assert_eq!(take_all(&mut network), before, "and its slots are free");
}

#[test]
fn no_shard_takes_all_slots_of_its_thread_and_a_lone_one_may() {
    let mut alone = shared(900, 1);
    alone.lend_to(0);
    assert_eq!(take_all(&mut alone), 900);
    let mut network = shared(900, 2);
    network.lend_to(0);
    let first = take_all(&mut network);
    assert!((795..=805).contains(&first), "{first} of 900: eight ninths");
    network.lend_to(1);
    assert!(take_all(&mut network) >= 80, "the other finds some at once");
    // What comes back goes to whoever has less.
    network.lend_to(0);
    (0..5).for_each(|_| assert!(poll(&mut network, NOW + 1_000).is_some()));
    assert_eq!(network.reserve(0), None, "it has its portion still");
    network.lend_to(1);
    assert!(network.reserve(0).is_some());
}
