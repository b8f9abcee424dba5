//! Clients that send and never read: what they make the engine hold is bounded, others are served,
//! they are closed in the end, and no drain waits for them. What clients held is given back when
//! they are idle.
//!
//! `HAYAUMA_TEST_UNREAD_CLIENTS=1000` has sockets as large as the kernel makes them, some gigabytes
//! of them; the ordinary tests have as many clients, whose kernels hold little.
//! `HAYAUMA_TEST_HALF_CLIENTS=5000` has more requests half there than the budget has octets.

use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tests::engine::Engine;
use tests::push::{Body, Request, XPID};
use tests::site::Site;
use tests::wait;

const MSN: &str = "09000000001";
const MIB: u64 = 1 << 20;
/// Clients of the ordinary test, and what the kernel holds of each.
const UNREAD_CLIENTS: u64 = 1_000;
const NARROW_OCTETS: usize = 16 * 1024;
/// What a thousand of them may cost the process.
const FLOOD_OCTETS_MAX: u64 = 256 * MIB;
/// What all connections of a shard hold before each gets no more than a little (`io::limits`).
const HELD_OCTETS_MAX: u64 = 64 * MIB;
/// The shortest request there is, whose answer is many times as long.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// A socket that takes nothing for so long is full at both ends.
const FULL_AFTER: Duration = Duration::from_millis(700);

fn site() -> Site {
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    site.add_contracts(XPID, &[MSN]);
    site
}

/// So many clients that pipeline as much as their sockets take, and read nothing.
fn flood(engine: &Engine, clients: u64, is_narrow: bool) -> Vec<TcpStream> {
    let requests = REQUEST.repeat(512);
    let connect = |_| {
        let client = TcpStream::connect(engine.push_address()).expect("a listener");
        if is_narrow {
            set_socket_recv_buffer_size(&client, NARROW_OCTETS).expect("a socket");
            set_socket_send_buffer_size(&client, NARROW_OCTETS).expect("a socket");
        }
        client.set_nonblocking(true).expect("a socket");
        (client, Instant::now(), 0)
    };
    let mut sockets: Vec<(TcpStream, Instant, usize)> = (0..clients).map(connect).collect();
    wait::until_within(Duration::from_secs(120), "full sockets", || {
        for (client, taken, at) in &mut sockets {
            // A request is never begun anew where the socket took half of it.
            match client.write(&requests[*at..]) {
                Ok(octets) => (*taken, *at) = (Instant::now(), (*at + octets) % requests.len()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("a client that reads nothing is cut off at once: {error}"),
            }
        }
        sockets.iter().all(|(_, taken, _)| taken.elapsed() > FULL_AFTER).then_some(())
    });
    sockets.into_iter().map(|(client, ..)| client).collect()
}

fn resident(engine: &Engine) -> u64 {
    loadgen::os::memory_of(engine.pid()).expect("a process").anonymous_octets
}

#[test]
fn clients_that_never_read_cost_a_bounded_amount_of_memory_and_others_are_served() {
    let told = std::env::var("HAYAUMA_TEST_UNREAD_CLIENTS").ok().and_then(|told| told.parse().ok());
    let clients = told.unwrap_or(UNREAD_CLIENTS);
    let site = site();
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push(MSN, "before").request()).code(), "0000");
    let before = resident(&engine);
    let flooding = flood(&engine, clients, told.is_none());
    let grown = resident(&engine).saturating_sub(before);
    let held = engine.admin().figure("connection_octets");
    println!("{clients} clients: {} MiB more, {} MiB held", grown / MIB, held / MIB);
    assert_eq!(engine.connect().ask(&Body::push(MSN, "beside").request()).code(), "0000");
    assert!(held > 0, "they are full");
    assert!(held <= HELD_OCTETS_MAX + clients * 160 * 1024, "{held} held");
    assert!(grown <= FLOOD_OCTETS_MAX * clients.max(1_000) / 1_000, "{} MiB", grown / MIB);
    drop(flooding);
    wait::until_true("nothing held", || engine.admin().figure("connection_octets") == 0);
    engine.stop();
}

/// A request with the longest body there is, without its last octet.
fn half_a_request() -> Vec<u8> {
    let body = vec![b'x'; 16 * 1024];
    let mut request = Request::post(&body).octets();
    request.pop();
    request
}

#[test]
fn requests_that_are_half_there_are_counted_and_cost_a_bounded_amount_of_memory() {
    let told = std::env::var("HAYAUMA_TEST_HALF_CLIENTS").ok().and_then(|told| told.parse().ok());
    let clients: u64 = told.unwrap_or(1_000);
    let site = site();
    let engine = site.start();
    assert_eq!(engine.connect().ask(&Body::push(MSN, "before").request()).code(), "0000");
    let before = resident(&engine);
    let half = half_a_request();
    let connect = |_| {
        let mut client = TcpStream::connect(engine.push_address()).expect("a listener");
        client.write_all(&half).expect("the engine reads it");
        client
    };
    let flooding: Vec<TcpStream> = (0..clients).map(connect).collect();
    let expected = (clients * half.len() as u64).min(HELD_OCTETS_MAX);
    wait::until_true("all of them counted", || {
        let held = engine.admin().figure("connection_octets");
        assert!(held <= clients * 40 * 1024, "{held} octets held");
        held >= expected
    });
    let grown = resident(&engine).saturating_sub(before);
    println!("{clients} clients: {} MiB more", grown / MIB);
    assert!(grown <= FLOOD_OCTETS_MAX * clients.max(1_000) / 1_000, "{} MiB", grown / MIB);
    assert_eq!(engine.connect().ask(&Body::push(MSN, "beside").request()).code(), "0000");
    if clients * half.len() as u64 > HELD_OCTETS_MAX {
        // They are given up long before the ten seconds that a request has otherwise.
        let begun = Instant::now();
        wait::until_true("room again", || {
            engine.admin().figure("connection_octets") <= HELD_OCTETS_MAX
        });
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    }
    drop(flooding);
    wait::until_true("nothing held", || engine.admin().figure("connection_octets") == 0);
    engine.stop();
}

#[test]
fn a_client_that_takes_nothing_is_closed_in_the_end() {
    let mut site = site();
    site.set("--idle-timeout-ms", "6000");
    let engine = site.start();
    let _flooding = flood(&engine, 3, false);
    wait::until_true("closed clients", || engine.admin().figure("connections_stuck") == 3);
    wait::until_true("their places", || engine.admin().figure("connections") == 0);
    engine.stop();
}

#[test]
fn a_client_that_leaves_its_answers_unread_does_not_take_the_whole_drain() {
    let mut site = site();
    site.set("--drain-timeout-ms", "60000");
    let engine = site.start();
    let _flooding = flood(&engine, 3, false);
    let begun = Instant::now();
    engine.stop();
    assert!(begun.elapsed() < Duration::from_secs(15), "the drain took {:?}", begun.elapsed());
}

#[test]
fn a_client_that_reads_slowly_gets_every_answer_through_a_drain() {
    const PUSHES: u64 = 2_700;
    let mut site = site();
    site.set("--waiting-per-msn-max", "10000").set("--drain-timeout-ms", "60000").shards(1);
    let engine = site.start();
    let mut client = TcpStream::connect(engine.push_address()).expect("a listener");
    // What it has read is said to the engine at once, not by the megabyte.
    set_socket_recv_buffer_size(&client, 8 * 1024).expect("a socket");
    let request = |number| Body::push(MSN, &format!("slow-{number}")).request();
    client.write_all(&(0..PUSHES).flat_map(request).collect::<Vec<u8>>()).expect("room for it");
    wait::until_true("all answered", || engine.admin().figure("pushes_accepted") == PUSHES);
    engine.ask_to_stop();
    let (mut read, begun) = (Vec::new(), Instant::now());
    let mut piece = [0; 2 * 1024];
    loop {
        let octets = client.read(&mut piece).expect("answers, and then the end");
        if octets == 0 {
            break;
        }
        read.extend_from_slice(&piece[..octets]);
        // Some 40 KiB in a second: the slow pace is what is tested, and no event would set it.
        let due = begun + Duration::from_micros(read.len() as u64 * 25);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let answers = read.windows(9).filter(|octets| octets == b"HTTP/1.1 ").count();
    assert_eq!(answers as u64, PUSHES, "{} octets read in {:?}", read.len(), begun.elapsed());
    assert!(begun.elapsed() > Duration::from_secs(5), "it read slowly");
    assert_eq!(engine.wait().code(), Some(0));
}

#[test]
fn idle_clients_give_their_buffers_back() {
    let site = site();
    let engine = site.start();
    let mut clients: Vec<_> = (0..50).map(|_| engine.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let requests: Vec<u8> = (0..64)
            .flat_map(|push| Body::push(MSN, &format!("idle-{number}-{push}")).request())
            .collect();
        client.send(&requests);
    }
    for client in &mut clients {
        (0..64).for_each(|_| drop(client.answer()));
    }
    let connections = || engine.admin().figure("connections");
    wait::until_true("nothing held", || engine.admin().figure("connection_octets") == 0);
    assert_eq!(connections(), 50, "they are all still there");
    for client in &mut clients {
        assert_eq!(client.ask(&Body::cancel(MSN, "never").request()).code(), "3002");
    }
    engine.stop();
}
