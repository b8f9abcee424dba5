//! What is told to threads that have no room, or have ended.

use super::*;
use crate::broadcast::slice::Order;
use crate::control::carriers::CarrierSettings;
use crate::control::engine::Engine as _;
use crate::io::mailbox::ShardMessage;
use crate::io::names::{Hanging, INTERVALS};
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::ownership::{Holder, shard_of};

/// Leaves no room in a mailbox.
fn fill(port: &ThreadPort) {
    let (done, _) = bounded(1);
    let pause = || ThreadMessage::Pause { paused: false, done: Done(done.clone()) };
    while port.sender.try_send(pause()).is_ok() {}
}

/// So many threads of which none takes a message by itself, and a handle that waits so long for
/// each.
fn idle(threads: usize, patience: Duration) -> (Vec<Arc<ThreadPort>>, Arc<EngineHandle>) {
    idle_of(Ports::new(threads, threads), patience)
}

/// As [`idle`], of these threads.
fn idle_of(ports: Ports, patience: Duration) -> (Vec<Arc<ThreadPort>>, Arc<EngineHandle>) {
    let threads = ports.threads.clone();
    (threads, handle_of(ports, patience))
}

/// The handle of these threads.
fn handle_of(ports: Ports, patience: Duration) -> Arc<EngineHandle> {
    let names = HostNames::new(Hanging, INTERVALS);
    let registry = Arc::new(Registry::new(Vec::new()));
    let as_planned = (DriverKind::Uring, CarrierOrders::default(), CarrierPlan::default());
    let mut handle = EngineHandle::new(ports, registry, names, as_planned);
    Arc::get_mut(&mut handle).expect("nobody else has it").patience = patience;
    handle
}

/// Long enough for whoever answers at once.
const SHORT: Duration = Duration::from_millis(100);

/// So many contracts of one XPID.
fn contracts(count: u64) -> Vec<(Msn, Xpid)> {
    let xpid = Xpid::from_value(100_000_001).expect("a legal XPID");
    let numbers = 9_010_000_000..9_010_000_000 + count;
    numbers.map(|number| (Msn::from_value(number).expect("a legal msn"), xpid)).collect()
}

#[test]
fn the_order_to_drain_reaches_a_shard_whose_mailbox_is_full() {
    let (threads, handle) = idle(1, TAKEN_TIMEOUT);
    let port = &threads[0];
    fill(port);
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
    let (threads, handle) = idle(3, SHORT);
    fill(&threads[1]);
    // Nobody answers, so nobody is waited for.
    threads[2].status.note_ended();
    let alpha = CarrierSettings {
        name: "alpha".to_owned(),
        hosts: vec!["192.0.2.1:2775".to_owned()],
        system_id: "us".to_owned(),
        ..CarrierSettings::default()
    };
    assert_eq!(
        handle.publish_carriers(vec![(1, alpha)], Vec::new(), None),
        Err(ControlError::Stopping)
    );
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

/// How a contract stands with a shard that takes its mailbox's messages now; `None`: nothing was
/// said of it.
fn stands(port: &ThreadPort) -> Option<bool> {
    let mut stands = None;
    while let Some(message) = port.next_message() {
        match message {
            ThreadMessage::To(_, ShardMessage::AddContracts { .. }) => stands = Some(true),
            ThreadMessage::To(_, ShardMessage::RemoveContracts { .. }) => stands = Some(false),
            _ => {}
        }
    }
    stands
}

#[test]
fn contracts_that_a_shard_had_no_room_for_reach_it_later_in_their_order() {
    let (threads, handle) = idle(2, SHORT);
    let rows = contracts(64);
    // Nobody answers, and the first has no room either.
    fill(&threads[0]);
    assert_eq!(handle.add_contracts(&rows), Err(ControlError::Owed));
    // The order's repeat changes nothing in the store: it is the removal that nobody repeats.
    assert_eq!(handle.remove_contracts(&rows), Err(ControlError::Owed));
    assert_eq!((stands(&threads[0]), stands(&threads[1])), (None, Some(false)));
    assert!(handle.pay_contracts());
    assert_eq!(stands(&threads[0]), Some(false), "the last word is the store's");
    assert!(handle.pay_contracts());
    assert_eq!(stands(&threads[0]), None, "once is enough");
}

#[test]
fn contracts_that_change_while_a_nodes_shard_is_on_its_way_reach_it_when_it_is_there() {
    let ports = Ports::of_nobody(1, 16);
    let (thread, holders) = (Arc::clone(&ports.threads[0]), Arc::clone(&ports.holders));
    let handle = handle_of(ports, SHORT);
    let rows = contracts(64);
    assert_eq!(handle.add_contracts(&rows), Ok(()), "whoever opens one reads the store");
    let coming = shard_of(rows[0].0, 16);
    handle.expect_shard(coming);
    assert_eq!(handle.remove_contracts(&rows), Ok(()));
    assert!(handle.pay_contracts() || stands(&thread).is_none(), "it is not there yet");
    holders.set(coming, Holder::Thread(0));
    handle.pay_shard(coming);
    assert_eq!(stands(&thread), Some(false));
    // One that comes and goes elsewhere is owed nothing.
    holders.set(coming, Holder::Nobody);
    handle.expect_shard(coming);
    assert_eq!(handle.add_contracts(&rows), Ok(()));
    handle.pay_shard(coming);
    holders.set(coming, Holder::Thread(0));
    handle.pay_shard(coming);
    assert_eq!(stands(&thread), None);
}

#[test]
fn a_stop_of_a_node_gives_away_first_and_one_that_is_said_twice_drains_at_once() {
    let ports = Ports::of_nobody(1, 16);
    let port = Arc::clone(&ports.threads[0]);
    let handle = handle_of(ports, SHORT);
    let (told, gives) = bounded(2);
    handle.give_away_first(move || told.send(()).expect("somebody waits"));
    handle.stop();
    assert!(gives.try_recv().is_ok() && !port.is_drain_asked() && handle.is_stopping());
    handle.stop();
    assert!(gives.try_recv().is_err() && port.is_drain_asked());
}

#[test]
fn a_change_does_not_wait_for_a_shard_that_has_ended() {
    let (threads, handle) = idle(1, TAKEN_TIMEOUT);
    threads[0].status.note_ended();
    let begun = clock::instant();
    assert_eq!(handle.publish_registrations(Vec::new()), Err(ControlError::Stopping));
    assert!(begun.elapsed() < TAKEN_TIMEOUT / 2, "{:?}", begun.elapsed());
}

#[test]
fn an_order_to_a_broadcast_reaches_every_shard_whichever_of_them_takes_nothing() {
    let (threads, handle) = idle(2, TAKEN_TIMEOUT);
    let (standing, healthy) = (&threads[0], &threads[1]);
    fill(standing);
    std::thread::scope(|scope| {
        let told = scope.spawn(|| handle.order_broadcast(1, &[Order::Pause]));
        let heard = healthy.receiver.recv_timeout(TAKEN_TIMEOUT / 4).expect("it hears at once");
        let ThreadMessage::To(1, ShardMessage::Broadcast(message)) = heard else {
            panic!("it is told something else")
        };
        let BroadcastMessage::Ordered { reply, .. } = message else {
            panic!("it is told something else")
        };
        reply.send(true).expect("somebody waits");
        // The other one has ended: nobody waits for it any longer.
        standing.status.note_ended();
        while standing.receiver.try_recv().is_ok() {}
        assert_eq!(told.join().expect("no panic"), Err(ControlError::Stopping));
    });
}

#[test]
fn a_shard_that_is_silent_is_waited_for_once_and_keeps_contracts_from_no_other() {
    let (threads, handle) = idle(2, SHORT);
    let rows = contracts(40 * 1_024);
    let begun = clock::instant();
    let healthy = Arc::clone(&threads[1]);
    std::thread::scope(|scope| {
        let told = scope.spawn(|| handle.remove_contracts(&rows));
        let mut taken = 0;
        while taken < rows.iter().filter(|row| shard_of(row.0, 2) == 1).count() {
            let heard = healthy.receiver.recv_timeout(TAKEN_TIMEOUT).expect("it hears at once");
            if let ThreadMessage::To(1, ShardMessage::RemoveContracts { rows, done }) = heard {
                taken += rows.len();
                done.signal();
            }
        }
        assert_eq!(told.join().expect("no panic"), Err(ControlError::Owed));
    });
    assert!(begun.elapsed() < 10 * SHORT, "one wait, not one a message: {:?}", begun.elapsed());
    // It has still not answered: nobody waits for it again.
    let silent: Vec<_> = rows.iter().copied().filter(|row| shard_of(row.0, 2) == 0).collect();
    let begun = clock::instant();
    for _ in 0..20 {
        assert_eq!(handle.remove_contracts(&silent[..1]), Err(ControlError::Owed));
    }
    assert!(begun.elapsed() < 10 * SHORT, "it is not waited for again: {:?}", begun.elapsed());
    // All that it was told waits in its mailbox, in one order.
    assert_eq!(stands(&threads[0]), Some(false));
    assert!(handle.pay_contracts());
}

#[test]
fn what_a_partition_that_goes_elsewhere_was_owed_is_owed_no_more() {
    let (threads, handle) = idle_of(Ports::of_nobody(1, 1), SHORT);
    handle.ports.holders.set(0, Holder::Thread(0));
    fill(&threads[0]);
    let rows = contracts(1);
    assert_eq!(handle.add_contracts(&rows), Err(ControlError::Owed));
    handle.ports.holders.set(0, Holder::Node(1));
    assert_eq!(handle.remove_contracts(&rows), Ok(()), "who opens it reads the store");
    assert!(handle.pay_contracts(), "nothing is owed to nobody");
}

#[test]
fn a_shard_that_does_not_answer_is_not_taken_for_an_engine_that_stops() {
    let (_threads, handle) = idle(2, SHORT);
    assert_eq!(handle.publish_carriers(Vec::new(), Vec::new(), None), Err(ControlError::Owed));
    assert_eq!(handle.publish_registrations(Vec::new()), Err(ControlError::Owed));
    assert_eq!(handle.remove_contracts(&contracts(1)), Err(ControlError::Owed));
    assert_eq!(handle.pause(true), Err(ControlError::NoAnswer));
    assert_eq!(handle.order_broadcast(1, &[Order::Pause]), Err(ControlError::NoAnswer));
    handle.stop();
    assert_eq!(handle.pause(true), Err(ControlError::Stopping));
    assert_eq!(handle.publish_registrations(Vec::new()), Err(ControlError::Stopping));
}

#[test]
fn a_thread_that_takes_no_registrations_keeps_nothing_from_the_others() {
    let (threads, handle) = idle(2, SHORT);
    let rows = contracts(64);
    fill(&threads[0]);
    assert_eq!(handle.remove_contracts(&rows), Err(ControlError::Owed));
    while threads[0].next_message().is_some() {}
    // The first is well again, the other one stands still.
    fill(&threads[1]);
    assert_eq!(handle.publish_registrations(Vec::new()), Err(ControlError::Owed));
    while threads[0].next_message().is_some() {}
    assert!(!handle.publish_addresses());
    assert_eq!(stands(&threads[0]), Some(false), "it is told what it was owed");
    // It has the registrations: it is not told them again for the other one's sake.
    assert!(!handle.publish_addresses());
    while let Some(message) = threads[0].next_message() {
        assert!(!matches!(message, ThreadMessage::Registrations { .. }), "once is enough");
    }
}

#[test]
fn whoever_looks_at_carriers_and_registrations_waits_for_no_change_that_is_being_told() {
    let (_threads, handle) = idle(1, SHORT);
    // As while somebody pauses a carrier, and another changes a client, and a shard stands.
    let changes = (handle.carriers.lock(), handle.registry.lock());
    let (looked, seen) = bounded(1);
    let looking = Arc::clone(&handle);
    std::thread::spawn(move || {
        let xpid = Xpid::from_value(100_000_001).expect("a legal XPID");
        assert!(looking.carriers().is_empty() && looking.calling_for(xpid).is_none());
        let rows = looking.foresee(xpid, Class::Standard, &[]);
        let _ = looked.send(rows.is_ok_and(|rows| rows.carriers.is_empty()));
    });
    let seen = seen.recv_timeout(TAKEN_TIMEOUT);
    drop(changes);
    assert_eq!(seen, Ok(true), "it waited");
}
