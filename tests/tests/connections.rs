//! Push clients' connections as a whole: dealt evenly, gone when the client is gone, and never so
//! many that others are shut out.

use rustix::net::sockopt::set_socket_linger;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::engine::Engine;
use tests::push::{Body, XPID};
use tests::site::Site;
use tests::wait;

const MSN: &str = "09000000001";
/// The XPID of a client with a token.
const OTHER: &str = "00100000002";

fn site() -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN]);
    site
}

fn connect(engine: &Engine, count: usize) -> Vec<TcpStream> {
    let address = engine.push_address();
    (0..count).map(|_| TcpStream::connect(address).expect("a listener")).collect()
}

/// Push connections of each shard.
fn connections(engine: &Engine) -> Vec<u64> {
    engine.admin().status().shards.iter().map(|shard| shard.figures["connections"]).collect()
}

fn await_connections(engine: &Engine, count: u64) {
    wait::until("as many connections", || {
        (connections(engine).iter().sum::<u64>() == count).then_some(())
    });
}

/// A new client's push is accepted.
#[track_caller]
fn assert_served(engine: &Engine, reqid: &str) {
    assert_eq!(engine.connect().ask(&Body::push(MSN, reqid).request()).code(), "0000", "{reqid}");
}

#[test]
fn connections_are_dealt_evenly_however_many_shards_there_are() {
    const CONNECTIONS: usize = 64;
    for shards in [2, 4, 8] {
        let mut site = Site::new(tests::programs!());
        site.shards(shards).set("--queue-bytes", "256MiB").set("--durability", "process");
        let engine = site.start();
        let mut clients = connect(&engine, CONNECTIONS);
        await_connections(&engine, CONNECTIONS as u64);
        let dealt = connections(&engine);
        let most = *dealt.iter().max().expect("shards");
        assert!(most as f64 <= 1.2 * CONNECTIONS as f64 / shards as f64, "{dealt:?}");
        // Places that become free are filled again, wherever they are.
        clients.truncate(CONNECTIONS / 4);
        await_connections(&engine, clients.len() as u64);
        clients.extend(connect(&engine, CONNECTIONS - clients.len()));
        await_connections(&engine, CONNECTIONS as u64);
        let dealt = connections(&engine);
        let most = *dealt.iter().max().expect("shards");
        assert!(most as f64 <= 1.2 * CONNECTIONS as f64 / shards as f64, "refilled: {dealt:?}");
        engine.stop();
    }
}

/// A reset right behind octets makes two wake-ups of the socket, for which the kernel may look
/// once.
#[test]
fn connections_that_are_reset_in_the_middle_of_a_request_are_gone_at_once() {
    const CLIENTS: usize = 4;
    const RESETS: usize = 1_000;
    let mut site = site();
    site.set("--request-timeout-ms", "60000");
    let engine = site.start();
    let request = Body::push(MSN, "never").request();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (engine, request) = (&engine, &request);
            scope.spawn(move || {
                for round in 0..RESETS {
                    let mut connection =
                        TcpStream::connect(engine.push_address()).expect("a listener");
                    let octets = 1 + (client * RESETS + round) * 7 % (request.len() - 1);
                    connection.write_all(&request[..octets]).expect("a peer that takes octets");
                    set_socket_linger(&connection, Some(Duration::ZERO)).expect("a socket");
                }
            });
        }
    });
    let taken = || engine.admin().figure("connections_accepted");
    wait::until_true("every connection", || taken() == (CLIENTS * RESETS) as u64);
    wait::until_within(Duration::from_secs(5), "the end of every connection", || {
        (engine.admin().figure("connections") == 0).then_some(())
    });
    assert_served(&engine, "after");
    engine.stop();
}

/// Connections that never say anything, where this host lets one process have so many.
const IDLE: usize = 10_000;
/// A host whose descriptors allow no more than these proves nothing.
const IDLE_MIN: usize = 1_500;
/// Pushes beside them, and the most that nine in ten of these may take in a build without
/// optimisation, with everything else that runs beside it.
const BESIDE: u64 = 50;
const BESIDE_MOST: Duration = Duration::from_millis(300);

#[test]
fn ten_thousand_idle_connections_stop_nobody() {
    loadgen::os::raise_file_limit();
    let site = site();
    let engine = site.start();
    let mut spoken = engine.connect();
    assert_eq!(spoken.ask(&Body::push(MSN, "first").request()).code(), "0000");
    let mut idle = Vec::new();
    while idle.len() < IDLE {
        match TcpStream::connect(engine.push_address()) {
            Ok(stream) => idle.push(stream),
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => break,
            Err(error) => panic!("connection {} is not taken: {error}", idle.len()),
        }
    }
    assert!(idle.len() >= IDLE_MIN, "{} descriptors are too few", idle.len());
    // The last descriptors are this test's own.
    idle.truncate(idle.len() - 20);
    let mut took: Vec<Duration> = (0..BESIDE)
        .map(|number| {
            let begun = Instant::now();
            assert_served(&engine, &format!("beside-{number}"));
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    println!("{} idle: median {:?}, longest {:?}", idle.len(), took[25], took[49]);
    assert!(took[BESIDE as usize * 9 / 10] <= BESIDE_MOST, "{took:?}");
    assert_eq!(spoken.ask(&Body::push(MSN, "first").request()).code(), "0001", "it has stayed");
    drop(idle);
    engine.stop();
}

#[test]
fn clients_that_never_ask_anything_make_room_for_one_that_does() {
    let mut site = site();
    site.set("--connections-max", "8");
    let engine = site.start();
    let mut spoken = engine.connect();
    assert_eq!(spoken.ask(&Body::push(MSN, "first").request()).code(), "0000");
    let mut silent = connect(&engine, 30);
    await_connections(&engine, 8);
    let begun = Instant::now();
    assert_served(&engine, "behind-silent");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(engine.admin().figure("connections_evicted") >= 24);
    assert_eq!(
        spoken.ask(&Body::push(MSN, "first").request()).code(),
        "0001",
        "who has spoken stays"
    );
    // The longest silent went first.
    let mut octet = [0];
    silent[0].set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    assert_eq!(silent[0].read(&mut octet).unwrap_or(0), 0, "the first is closed");
    engine.stop();
}

#[test]
fn clients_that_ask_what_nobody_registered_may_ask_make_room_for_one_that_does() {
    let mut site = site();
    let token = site.token_file("the-right-one");
    site.must(&["client", "add", OTHER, "--client", "other", "--token-file", &token]);
    site.set("--connections-max", "8");
    let engine = site.start();
    let mut spoken = engine.connect();
    assert_eq!(spoken.ask(&Body::push(MSN, "first").request()).code(), "0000");
    let page = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let push = Body::push(MSN, "never").with("svcid", OTHER);
    let asked = [page, push.request_with_token("wrong"), push.request()];
    for (round, octets) in asked.iter().enumerate() {
        let mut strangers = connect(&engine, 7);
        for stranger in &mut strangers {
            stranger.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
            stranger.write_all(octets).expect("a peer that takes octets");
            assert!(stranger.read(&mut [0; 1024]).is_ok_and(|octets| octets > 0), "an answer");
        }
        let begun = Instant::now();
        assert_served(&engine, &format!("behind-{round}"));
        assert!(begun.elapsed() < Duration::from_secs(10), "{round}: {:?}", begun.elapsed());
    }
    let again = spoken.ask(&Body::push(MSN, "first").request()).code();
    assert_eq!(again, "0001", "who is known stays");
    engine.stop();
}

#[test]
fn a_full_engine_leaves_clients_waiting_and_takes_them_when_others_go() {
    let mut site = site();
    site.shards(2).set("--connections-max", "2");
    let engine = site.start();
    let mut all: Vec<_> = (0..4).map(|_| engine.connect()).collect();
    for (place, client) in all.iter_mut().enumerate() {
        assert_eq!(client.ask(&Body::push(MSN, &format!("full-{place}")).request()).code(), "0000");
    }
    let mut waiting = engine.connect();
    waiting.send(&Body::push(MSN, "waiting").request());
    assert_eq!(connections(&engine), [2, 2]);
    all.pop();
    assert_eq!(waiting.answer().code(), "0000");
    assert_eq!(engine.admin().figure("connections_evicted"), 0);
    engine.stop();
}

#[test]
fn idle_connections_of_one_port_leave_descriptors_for_the_other_and_for_files() {
    let site = site();
    let start = || {
        let mut limited = Command::new("sh");
        let engine = site.command(&site.serve_arguments());
        limited.args(["-c", "ulimit -n 300 && exec \"$0\" \"$@\""]).arg(engine.get_program());
        limited
            .args(engine.get_args())
            .current_dir(site.directory())
            .stdin(std::process::Stdio::null());
        site.start_command(limited)
    };
    let engine = start();
    let admin = engine.admin();
    let idle: Vec<_> = (0..270).filter_map(|_| admin.try_connect()).collect();
    assert_served(&engine, "beside-admin");
    assert!(engine.admin().is_healthy(), "and beside each other");
    drop(idle);
    let idle = connect(&engine, 270);
    assert!(engine.admin().is_healthy());
    assert_eq!(engine.admin().request("GET", "/readyz", "").text(), "ready\n");
    assert_served(&engine, "beside-push");
    assert!(engine.log().contains("the limit is 300"), "{}", engine.log());
    drop(idle);
    engine.stop();
}
