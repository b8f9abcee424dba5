//! Running threads, and shards that leave one and come to another.

use super::*;
use crate::gateway::contracts::ContractTable;
use crate::gateway::fingerprint::{FingerprintKeys, Fingerprints};
use crate::gateway::registration::Registration;
use crate::io::figures::ControlError;
use crate::io::limits::PARTS_PER_THREAD_MAX;
use crate::io::mailbox::ShardMessage;
use crate::io::replica::Replica;
use crate::journal::{JournalConfig, LooseFrames, SegmentFactory};
use crate::network::line_states::{Line, LineStates};
use crate::network::simulated::InNetwork;
use crate::network::simulation_config::SimulationConfig;
use crate::network::smpp::port::CarrierPort;
use crate::shard::{Shard, ShardConfig};
use crate::smsc::core::CoreLimits;
use host::clock;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use wire::push::client;
use wire::terms::ids::{Msn, Xpid};
use wire::terms::ownership::shard_of;
use wire::terms::time::{SteadyMs, WallMs};

const CLIENT: u64 = 100_000_001;
const FIRST_MSN: u64 = 9_000_000_000;
/// Dealt to two threads: 0 and 2, 1 and 3.
const SHARDS: usize = 4;

fn registry() -> Arc<Registry> {
    let xpid = Xpid::from_value(CLIENT).expect("an XPID");
    Arc::new(Registry::new(vec![Registration::new(xpid, "client")]))
}

fn simulation() -> SimulationConfig {
    // Nothing is delivered while the test looks.
    SimulationConfig { latency_ms: 60_000, in_flight_max: 64, ..SimulationConfig::default() }
}

/// An opened shard of this number, of so many, with contracts for a thousand phones.
fn opened(place: &Path, factory: &SegmentFactory, number: usize, shards: usize) -> OpenedShard {
    let mut journal = JournalConfig::new(number as u16, 16 << 20);
    (journal.segment_octets, journal.without_syncs) = (1 << 20, true);
    journal.first_sequence = ((number as u64) << 46) + 1;
    let keyed = Fingerprints::new([7; 16]);
    let config = ShardConfig {
        number,
        shards,
        durability: Durability::Process,
        limits: CoreLimits { pushes_max: 100, waiting_per_msn_max: 10, ended_keys_max: 100 },
        journal,
        seed: 7,
        time_scale: 1,
        routes: Arc::default(),
        fingerprints: FingerprintKeys { keyed, older_until_ms: None },
        injections: Vec::new(),
        progress: Arc::default(),
    };
    let now_ms = WallMs::new(clock::unix_ms());
    let directory = crate::journal::shards::shard_directory(place, number);
    let mut shard =
        Shard::open(&directory, &config, factory, registry(), now_ms).expect("a shard").0;
    let mut contracts = ContractTable::with_capacity(1_000);
    let xpid = Xpid::from_value(CLIENT).expect("an XPID");
    for msn in msns(number, shards).take(100) {
        contracts.insert(msn, xpid).expect("a contract more");
    }
    shard.set_contracts(contracts);
    packed(shard)
}

fn packed(shard: Shard) -> OpenedShard {
    let carriers = CarrierPort::new(shard.number(), &CarrierPlan::default());
    OpenedShard { shard, carriers, in_network: InNetwork::new(&simulation(), 2), replica: None }
}

/// The msns of a shard, of so many.
fn msns(number: usize, shards: usize) -> impl Iterator<Item = Msn> {
    let all = (FIRST_MSN..).filter_map(Msn::from_value);
    all.filter(move |&msn| shard_of(msn, shards) == number)
}

struct Running {
    runtime: Runtime,
    address: std::net::SocketAddr,
    factory: SegmentFactory,
    place: tempfile::TempDir,
}

/// Two threads that share four shards.
fn running() -> Running {
    running_as(false)
}

/// The same; whether they only look on.
fn running_as(looks_on: bool) -> Running {
    let place = tempfile::tempdir().expect("a directory");
    let factory = SegmentFactory::start().expect("a thread");
    let lines = Arc::new(LineStates::parse("", Line::HOME).expect("a good file"));
    let threads = (0..2).map(|thread| ThreadShards {
        network: SimulatedNetwork::of_nobody(simulation(), Arc::clone(&lines)).expect("a network"),
        shards: [thread, thread + 2]
            .map(|number| opened(place.path(), &factory, number, SHARDS))
            .into(),
    });
    let setup = Setup {
        driver: DriverKind::Poll,
        cpus: vec![0],
        push_connections_max: 16,
        notification_connections_max: 4,
        customer_sessions_max: 4,
        request_timeout_ms: 10_000,
        idle_timeout_ms: 60_000,
        drain_timeout_ms: 100,
        durability: Durability::Process,
        commit_delay_us_max: 0,
        idle_poll_us: 0,
        acceptance: None,
        customer_acceptance: None,
        outbound: Outbound::default(),
        inject_sync_failure: None,
        inject_sync_hangs: None,
        carriers: CarrierPlan::default(),
        receipts_awaited_max: 16,
        looks_on,
        neighbours: None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let doors = (vec![listener], Vec::new());
    let runtime = Runtime::start(&setup, threads.collect(), &registry(), Vec::new(), doors);
    Running { runtime: runtime.expect("it runs"), address, factory, place }
}

impl Running {
    /// A connection to one of the threads: they are dealt out in turn.
    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("it takes connections");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        socket
    }

    fn end(self) {
        let ports = self.runtime.ports();
        ports.threads.iter().for_each(|port| port.ask_to_drain());
        self.runtime.join();
        drop((self.factory, self.place));
    }
}

/// The code of the answer to a push.
fn push(socket: &mut TcpStream, msn: Msn, reqid: &str) -> String {
    send(socket, msn, reqid);
    code(socket)
}

/// Sends a push.
fn send(socket: &mut TcpStream, msn: Msn, reqid: &str) {
    let msn = String::from_utf8_lossy(&msn.digits()).into_owned();
    let body = format!(
        "<?xml version=\"1.0\"?>\r\n<fncid>0101</fncid>\r\n<comway>1101</comway>\r\n\
         <msn>{msn}</msn>\r\n<reqid>{reqid}</reqid>\r\n<svcid>{CLIENT:011}</svcid>\r\n\
         <lifetime>01</lifetime>\r\n<ctrlflg>0</ctrlflg>\r\n<data>FFFFFFFFFF</data>\r\n"
    );
    let mut request = Vec::new();
    client::write_request(&mut request, "here", None, body.as_bytes());
    socket.write_all(&request).expect("it is taken");
}

/// The code of the next answer.
fn code(socket: &mut TcpStream) -> String {
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let octets = socket.read(&mut part).expect("an answer");
        assert!(octets > 0, "the connection stays");
        answer.extend_from_slice(&part[..octets]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((_, rest)) = text.split_once("<code>")
            && let Some((code, _)) = rest.split_once("</code>")
        {
            return code.to_owned();
        }
    }
}

#[test]
fn a_shard_leaves_a_running_thread_and_comes_to_another_with_all_that_it_knows() {
    let running = running();
    let ports = running.runtime.ports();
    let mut sockets = [running.connect(), running.connect()];
    let moving = msns(2, SHARDS).next().expect("an msn");
    for shard in 0..SHARDS {
        let msn = msns(shard, SHARDS).next().expect("an msn");
        for (at, socket) in sockets.iter_mut().enumerate() {
            assert_eq!(push(socket, msn, &format!("before-{at}")), "0000", "shard {shard}");
        }
    }
    // Its attempts wait in the network for a minute: it is let go without them.
    let shard = ports.close(2).expect("it leaves");
    assert_eq!((shard.number(), ports.holders.thread_of(2)), (2, None));
    for socket in &mut sockets {
        assert_eq!(push(socket, moving, "between"), "8002", "nobody serves it");
        let other = msns(0, SHARDS).next().expect("an msn");
        assert_eq!(push(socket, other, "before-0"), "0001", "others go on");
    }
    assert_eq!(ports.close(2).map(drop), Err(ControlError::Elsewhere(2)));
    let (reply, _) = bounded(1);
    let ask = ShardMessage::Live { msn: moving, reply };
    assert_eq!(ports.send(2, ask), Err(ControlError::Elsewhere(2)));

    ports.open(1, packed(*shard)).expect("there is a place");
    assert_eq!(ports.holders.thread_of(2), Some(1));
    for (at, socket) in sockets.iter_mut().enumerate() {
        assert_eq!(push(socket, moving, &format!("before-{at}")), "0001", "it knows them");
        assert_eq!(push(socket, moving, &format!("behind-{at}")), "0000");
    }
    running.end();
}

#[test]
fn threads_that_look_on_take_no_push_from_their_first_turn_on() {
    let running = running_as(true);
    for shard in 0..SHARDS {
        let msn = msns(shard, SHARDS).next().expect("an msn");
        assert_eq!(push(&mut running.connect(), msn, "never"), "8004", "shard {shard}");
    }
    running.end();
}

#[test]
fn a_thread_takes_no_shard_that_it_has_and_none_that_the_engine_has_not() {
    let running = running();
    let ports = running.runtime.ports();
    for number in [0, 1] {
        let elsewhere = tempfile::tempdir().expect("a directory");
        let again = opened(elsewhere.path(), &running.factory, number, SHARDS);
        let refused = ports.open(number, again).expect_err("it is there");
        assert!(refused.to_string().contains("there already"), "{refused}");
    }
    let elsewhere = tempfile::tempdir().expect("a directory");
    let none = opened(elsewhere.path(), &running.factory, SHARDS, SHARDS + 1);
    assert_eq!(ports.open(0, none), Err(ControlError::Elsewhere(SHARDS)));
    running.end();
}

#[test]
fn a_thread_has_places_for_a_bounded_number_of_shards_and_a_name_is_of_one_life() {
    let place = tempfile::tempdir().expect("a directory");
    let factory = SegmentFactory::start().expect("a thread");
    let mut parts = Parts::new(2, registry());
    let mut seat = |number| {
        let OpenedShard { shard, carriers, .. } = opened(place.path(), &factory, number, 2);
        parts.open(shard, carriers, ShardStatus::new(), None)
    };
    assert_eq!((seat(0), seat(1)), (Some(0), Some(1)));
    let name = parts.name_of(1).expect("it is here");
    assert!(parts.named(name).is_some() && !parts.expects(1) && !parts.is_full());
    let closed = parts.close(1).expect("it is here");
    assert!(parts.named(name).is_none() && parts.place_of(1).is_none() && parts.expects(1));
    let (shard, carriers) = (closed.into_shard(), CarrierPort::new(1, &CarrierPlan::default()));
    let again = parts.open(shard, carriers, ShardStatus::new(), None);
    assert_eq!(again, Some(1), "the place serves again");
    assert!(parts.named(name).is_none(), "what was asked of the one before finds nobody");
    assert!(PARTS_PER_THREAD_MAX <= usize::from(u16::MAX), "a gate names a place");
}

#[test]
fn a_drain_waits_for_nothing_of_a_shard_that_is_lost() {
    let running = running();
    let ports = running.runtime.ports();
    let shard = ports.close(2).expect("it leaves");
    let replica = Arc::new(Replica::new(shard.journal().next_sequence(), || {}));
    let with_log = OpenedShard { replica: Some(Arc::clone(&replica)), ..packed(*shard) };
    ports.open(1, with_log).expect("there is a place");
    let mut socket = running.connect();
    let msn = msns(2, SHARDS).next().expect("an msn");
    send(&mut socket, msn, "waits");
    until("its record", || replica.next_records());
    // Its keeper does not come to close it: the device is not what is waited for.
    replica.lose();
    ports.wake(2);
    running.end();
}

/// Looks again and again until it is there.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = clock::instant();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} does not come");
        std::thread::yield_now();
    }
}

#[test]
fn of_a_shard_with_a_replicated_log_no_answer_leaves_before_the_log_has_its_record() {
    let running = running();
    let ports = running.runtime.ports();
    let shard = ports.close(2).expect("it leaves");
    let first = shard.journal().next_sequence();
    let replica = Arc::new(Replica::new(first, || {}));
    let with_log = OpenedShard { replica: Some(Arc::clone(&replica)), ..packed(*shard) };
    ports.open(1, with_log).expect("there is a place");
    let mut sockets = [running.connect(), running.connect()];
    let msn = msns(2, SHARDS).next().expect("an msn");
    for (at, socket) in sockets.iter_mut().enumerate() {
        send(socket, msn, &format!("waits-{at}"));
        let records = until("a commit", || replica.next_records());
        let mut frames = LooseFrames::new(&records.frames, 2, records.first);
        assert!(frames.by_ref().all(|frame| frame.is_ok()) && frames.due() == records.next);
        // Both threads have turned since then: others' answers have left.
        let mut other = [running.connect(), running.connect()];
        for shard in [0, 1, 3] {
            let msn = msns(shard, SHARDS).next().expect("an msn");
            for socket in &mut other {
                assert!(["0000", "0001"].contains(&push(socket, msn, "other").as_str()));
            }
        }
        socket.set_nonblocking(true).expect("a socket");
        let early = socket.read(&mut [0; 64]).map_err(|error| error.kind());
        assert_eq!(early, Err(std::io::ErrorKind::WouldBlock), "the log has not answered");
        socket.set_nonblocking(false).expect("a socket");
        replica.acknowledge(records.next);
        ports.wake(2);
        assert_eq!(code(socket), "0000");
    }
    running.end();
}

#[test]
fn nobody_waits_for_a_replicated_log_longer_than_its_time_and_what_it_takes_later_is_known() {
    let running = running();
    let ports = running.runtime.ports();
    let shard = ports.close(2).expect("it leaves");
    let first = shard.journal().next_sequence();
    let replica = Replica::new(first, || {}).with_patience(Duration::from_millis(300));
    let replica = Arc::new(replica);
    replica.let_act(SteadyMs::from_ns(clock::monotonic_ns()) + 3_600_000);
    let with_log = OpenedShard { replica: Some(Arc::clone(&replica)), ..packed(*shard) };
    ports.open(1, with_log).expect("there is a place");
    // Both threads have connections, and one of them hands its request to the other.
    let mut sockets = [running.connect(), running.connect()];
    let msn = msns(2, SHARDS).next().expect("an msn");
    for (at, socket) in sockets.iter_mut().enumerate() {
        assert_eq!(push(socket, msn, &format!("unknown-{at}")), "9002", "nobody knows");
    }
    // The connections go on, and what the log takes at last is known.
    let records = until("a commit", || replica.next_records());
    replica.acknowledge(records.next);
    ports.wake(2);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until("the end", || {
                if let Some(records) = replica.next_records() {
                    replica.acknowledge(records.next);
                    ports.wake(2);
                }
                is_over.load(Relaxed).then_some(())
            });
        });
        for (at, socket) in sockets.iter_mut().enumerate() {
            assert_eq!(push(socket, msn, &format!("unknown-{at}")), "0001", "it was taken");
        }
        is_over.store(true, Relaxed);
    });
    running.end();
}

#[test]
fn a_shard_that_may_not_act_says_nothing_from_memory_and_one_that_is_lost_leaves_at_once() {
    let running = running();
    let ports = running.runtime.ports();
    let shard = ports.close(2).expect("it leaves");
    let replica = Arc::new(Replica::new(shard.journal().next_sequence(), || {}));
    let with_log = OpenedShard { replica: Some(Arc::clone(&replica)), ..packed(*shard) };
    ports.open(1, with_log).expect("there is a place");
    let mut sockets = [running.connect(), running.connect()];
    let msn = msns(2, SHARDS).next().expect("an msn");
    let acknowledge = |what: &str| {
        let records = until(what, || replica.next_records());
        replica.acknowledge(records.next);
        ports.wake(2);
    };
    send(&mut sockets[0], msn, "known");
    acknowledge("its record");
    assert_eq!(code(&mut sockets[0]), "0000");
    until("its attempt's wish", || replica.take_wish().then_some(()));
    for socket in &mut sockets {
        assert_eq!(push(socket, msn, "known"), "8002", "somebody else may know better");
    }
    until("their wish", || replica.take_wish().then_some(()));
    replica.let_act(SteadyMs::from_ns(clock::monotonic_ns()) + 3_600_000);
    ports.wake(2);
    for socket in &mut sockets {
        assert_eq!(push(socket, msn, "known"), "0001");
    }
    for (at, socket) in sockets.iter_mut().enumerate() {
        send(socket, msn, &format!("unknown-{at}"));
    }
    until("their record", || replica.next_records());
    replica.lose();
    ports.wake(2);
    // An attempt is under way for a minute: nobody waits for it.
    drop(ports.close(2).expect("it leaves"));
    let [events, requests] = ports.shards[2].unbilled.each_ref().map(|of| of.load(Relaxed));
    assert_eq!((events, requests), (0, 0), "what it has counted is in its books");
    for socket in &mut sockets {
        let code = code(socket);
        assert!(["9002", "8002"].contains(&code.as_str()), "{code}");
        assert_eq!(push(socket, msn, "known"), "8002", "nobody serves it here");
    }
    running.end();
}
