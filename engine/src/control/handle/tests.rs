//! What is told to threads that have no room, or have ended.

use super::*;
use crate::io::names::{Hanging, INTERVALS};

/// Leaves no room in a mailbox.
fn fill(port: &ThreadPort) {
    let (done, _) = bounded(1);
    let pause = || ThreadMessage::Pause { paused: false, done: Done(done.clone()) };
    while port.sender.try_send(pause()).is_ok() {}
}

#[test]
fn the_order_to_drain_reaches_a_shard_whose_mailbox_is_full() {
    let ports = Ports::new(1, 1);
    let port = Arc::clone(&ports.threads[0]);
    fill(&port);
    let names = HostNames::new(Hanging, INTERVALS);
    let registry = Arc::new(Registry::new(Vec::new()));
    let handle = EngineHandle::new(
        ports,
        registry,
        names,
        (DriverKind::Uring, CarrierOrders::default(), CarrierPlan::default()),
    );
    let begun = clock::instant();
    handle.stop();
    assert!(port.is_drain_asked() && handle.is_stopping());
    assert!(begun.elapsed() < TAKEN_TIMEOUT / 2, "{:?}", begun.elapsed());
}

/// The names of the carriers that a thread was told of last.
fn told_of(port: &ThreadPort) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(message) = port.next_message() {
        if let ThreadMessage::Carriers { plan, .. } = message {
            names = plan.carriers.iter().map(|known| known.carrier.name.clone()).collect();
        }
    }
    names
}

#[test]
fn carriers_reach_every_thread_that_takes_them_and_later_the_one_that_did_not() {
    let ports = Ports::new(3, 3);
    let threads = ports.threads.clone();
    fill(&threads[1]);
    // Nobody answers, so nobody is waited for.
    threads[2].status.note_ended();
    let names = HostNames::new(Hanging, INTERVALS);
    let registry = Arc::new(Registry::new(Vec::new()));
    let handle = EngineHandle::new(
        ports,
        registry,
        names,
        (DriverKind::Uring, CarrierOrders::default(), CarrierPlan::default()),
    );
    let alpha = CarrierSettings {
        name: "alpha".to_owned(),
        hosts: vec!["192.0.2.1:2775".to_owned()],
        system_id: "us".to_owned(),
        ..CarrierSettings::default()
    };
    assert_eq!(handle.publish_carriers(vec![(1, alpha)], Vec::new()), Err(ControlError::Stopping));
    assert_eq!(
        (told_of(&threads[0]), told_of(&threads[2])),
        (vec!["alpha".to_owned()], vec!["alpha".to_owned()])
    );
    // The names' thread comes by again and again; no address has changed.
    assert!(told_of(&threads[1]).is_empty(), "it had no room");
    assert!(handle.publish_hosts());
    for port in &threads {
        assert_eq!(told_of(port), ["alpha"]);
    }
    assert!(handle.publish_hosts());
    assert!(told_of(&threads[1]).is_empty(), "once is enough");
}

#[test]
fn a_change_does_not_wait_for_a_shard_that_has_ended() {
    let ports = Ports::new(1, 1);
    ports.threads[0].status.note_ended();
    let names = HostNames::new(Hanging, INTERVALS);
    let registry = Arc::new(Registry::new(Vec::new()));
    let handle = EngineHandle::new(
        ports,
        registry,
        names,
        (DriverKind::Uring, CarrierOrders::default(), CarrierPlan::default()),
    );
    let begun = clock::instant();
    assert_eq!(handle.publish_registrations(Vec::new()), Err(ControlError::Stopping));
    assert!(begun.elapsed() < TAKEN_TIMEOUT / 2, "{:?}", begun.elapsed());
}
