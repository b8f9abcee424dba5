//! Who gets in, and that those who only knock keep nobody out.

use crate::{MSN, ask_for_certificates, site};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tests::http::Connection;
use tests::push::{Body, XPID};
use tests::site::Site;
use tests::tls::{Authority, Made, Secure};
use tests::wait;

/// Clients that begin a handshake and say no more, where there are descriptors for them: many times
/// what a shard keeps half done.
const KNOCKING: usize = 10_000;
/// What a shard keeps half done: three quarters of its places, which are 4,096 where descriptors
/// suffice.
const HALF_DONE_MAX: usize = 3_072;
/// Descriptors that the test itself needs, and twice as many that the engine does.
const OTHER_DESCRIPTORS: usize = 500;

/// As many as this process and the engine have descriptors for.
fn most_knocking() -> usize {
    loadgen::os::raise_file_limit();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let most = limit.map_or(KNOCKING, |limit| limit as usize).saturating_sub(OTHER_DESCRIPTORS);
    if most < KNOCKING {
        println!("{most} half-open handshakes in place of {KNOCKING}: descriptors are few.");
    }
    most.min(KNOCKING)
}

fn push(reqid: &str) -> Vec<u8> {
    Body::push(MSN, reqid).request()
}

#[test]
fn clients_that_begin_a_handshake_and_say_no_more_stop_nobody() {
    let authority = Authority::new();
    let site = site(&authority);
    let engine = site.start();
    let config = authority.client(None);
    let hello = Secure::begin(engine.push_address(), &config).expect("a connection").seal(b"");
    let mut knocking = Vec::new();
    for number in 0..most_knocking() {
        let Ok(mut socket) = TcpStream::connect(engine.push_address()) else { break };
        // Nothing, an octet, half of a hello, all of it.
        let said = [0, 1, hello.len() / 2, hello.len()][number % 4];
        let _ = socket.write_all(&hello[..said]);
        knocking.push(socket);
    }
    assert!(knocking.len() > 1_500, "{} sockets", knocking.len());
    let begun = Instant::now();
    let mut client = Secure::open(engine.push_address(), &config).expect("a handshake");
    assert_eq!(client.ask(&push("among-many")).code(), "0000");
    // Before it stand the first steps of a quarter of them.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let admin = engine.admin();
    assert!(admin.figure("connections") as usize <= HALF_DONE_MAX + 100);
    // All that it keeps no place for are gone, and nobody that is done.
    let least = knocking.len().saturating_sub(HALF_DONE_MAX);
    wait::until_true("dropped handshakes", || admin.figure("tls_dropped") as usize >= least);
    assert_eq!(admin.figure("connections_evicted"), 0);
    assert_eq!(client.ask(&push("among-many")).code(), "0001");
    engine.stop();
}

#[test]
fn a_client_without_a_certificate_that_is_asked_for_gets_no_answer() {
    let (authority, others) = (Authority::new(), Authority::new());
    let clients = Authority::new();
    let mut site = site(&authority);
    ask_for_certificates(&mut site, &clients);
    let engine = site.start();
    let try_with = |shown: Option<&tests::tls::Certified>| {
        let mut client = Secure::open(engine.push_address(), &authority.client(shown))?;
        client.try_send(&push("certified"))?;
        client.try_answer()
    };
    let good = clients.certify(&["client"], Made::Well);
    let expired = clients.certify(&["client"], Made::Expired);
    let foreign = others.certify(&["client"], Made::Well);
    for (name, shown) in [("none", None), ("expired", Some(&expired)), ("foreign", Some(&foreign))]
    {
        let refused = try_with(shown).expect_err(name);
        assert!(
            refused.to_string().contains("ertificate") || name == "foreign",
            "{name}: {refused}"
        );
    }
    let answer = try_with(Some(&good)).expect("a handshake").expect("an answer");
    assert_eq!(answer.code(), "0000");
    wait::until_true("a count", || engine.admin().figure("tls_failed") == 3);
    wait::until_true("a word about it", || {
        engine.log().contains("the client shows no certificate, which is asked for here")
    });
    engine.stop();
}

#[test]
fn plain_http_on_a_port_for_tls_and_tls_on_a_plain_port_are_told_so() {
    let authority = Authority::new();
    let site = site(&authority);
    let engine = site.start();
    let mut plain = Connection::open(engine.push_address());
    let answer = plain.ask(&push("plain"));
    assert_eq!(answer.status(), 400);
    assert!(answer.text().contains("use https://"), "{answer:?}");
    assert!(plain.is_closed_by_peer());
    engine.stop();

    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    let engine = site.start();
    let config = authority.client(None);
    let mut client = Secure::begin(engine.push_address(), &config).expect("a connection");
    let hello = client.seal(b"");
    client.socket.write_all(&hello).expect("sent");
    let mut said = String::new();
    client.socket.read_to_string(&mut said).expect("an answer and an end");
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("use http://"), "{said}");
    engine.stop();
}

#[test]
fn files_that_do_not_go_together_end_the_start_with_a_sentence() {
    let authority = Authority::new();
    let mut site = site(&authority);
    let other = authority.certify(&["another"], Made::Well).write(site.directory(), "other");
    site.set("--tls-key", &other.1.display().to_string());
    let finished = site.serve_and_fail(&[]);
    assert_eq!(finished.status, Some(10), "{}", finished.stderr);
    assert!(finished.refusal().contains("cannot be used"), "{}", finished.stderr);
    site.unset("--tls-key");
    let finished = site.serve_and_fail(&[]);
    assert!(finished.refusal().contains("tls-cert is given without tls-key"), "{finished:?}");
}
