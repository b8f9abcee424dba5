//! What flows once the handshake is over: answers in order, however records are cut, however long
//! the answers get, to the last one of a drain.

use crate::{MSN, site};
use std::io::Write as _;
use std::process::{Command, Stdio};
use tests::push::Body;
use tests::tls::{Authority, Secure};
use tests::wait;

/// Both drivers, where the host has them.
const DRIVERS: [&str; 2] = ["auto", "poll"];

fn push(number: usize) -> Vec<u8> {
    Body::push(MSN, &format!("tls-{number}")).request()
}

#[test]
fn a_push_over_tls_is_accepted_and_the_next_connection_resumes() {
    for driver in DRIVERS {
        let authority = Authority::new();
        let mut site = site(&authority);
        site.set("--io", driver).shards(2);
        let engine = site.start();
        let config = authority.client(None);
        for number in 0..6 {
            let mut client = Secure::open(engine.push_address(), &config).expect("a handshake");
            // Whichever shard it meets: all seal tickets by the same key.
            assert_eq!(client.is_resumed(), number > 0, "{driver}, connection {number}");
            assert_eq!(client.ask(&push(number)).code(), "0000", "{driver}");
            assert_eq!(client.ask(&push(number)).code(), "0001", "{driver}");
            client.say_goodbye();
            assert!(matches!(client.try_answer(), Ok(None)), "{driver}: a goodbye is answered");
        }
        let admin = engine.admin();
        assert_eq!((admin.figure("tls_handshakes"), admin.figure("tls_resumed")), (6, 5));
        assert_eq!((admin.figure("tls_failed"), admin.figure("tls_dropped")), (0, 0));
        engine.stop();
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_however_long_the_answers_get() {
    for driver in DRIVERS {
        let authority = Authority::new();
        let mut site = site(&authority);
        site.set("--io", driver);
        let engine = site.start();
        let mut client =
            Secure::open(engine.push_address(), &authority.client(None)).expect("a handshake");
        const REQUESTS: usize = 5_000;
        let requests: Vec<u8> = (0..REQUESTS)
            .flat_map(|number| {
                Body::push("09000000001", &format!("uncontracted-{number}")).request()
            })
            .collect();
        let sealed = client.seal(&requests);
        let mut writer = client.socket.try_clone().expect("a descriptor");
        let writing = std::thread::spawn(move || writer.write_all(&sealed));
        for number in 0..REQUESTS {
            let answer = client.answer();
            let reqid = answer.elements().get("reqid").to_owned();
            assert_eq!(reqid, format!("uncontracted-{number}"), "{driver}");
        }
        writing.join().expect("no panic").expect("a connection that takes all");
        engine.stop();
    }
}

#[test]
fn records_cut_anywhere_and_single_octets_are_put_together() {
    let authority = Authority::new();
    let site = site(&authority);
    let engine = site.start();
    let mut client =
        Secure::begin(engine.push_address(), &authority.client(None)).expect("a connection");
    let hello = client.seal(b"");
    hello.iter().for_each(|&octet| client.socket.write_all(&[octet]).expect("sent"));
    while client.tls.is_handshaking() {
        client.tls.read_tls(&mut client.socket).expect("octets");
        client.tls.process_new_packets().expect("a good server");
    }
    let request = push(0);
    let mut sealed = client.seal(&request);
    sealed.iter().for_each(|&octet| client.socket.write_all(&[octet]).expect("sent"));
    assert_eq!(client.answer().code(), "0000");
    for cut in 1..sealed.len() {
        sealed = client.seal(&request);
        let cut = cut.min(sealed.len() - 1);
        client.socket.write_all(&sealed[..cut]).expect("sent");
        client.socket.write_all(&sealed[cut..]).expect("sent");
        assert_eq!(client.answer().code(), "0001", "cut at {cut}");
    }
    engine.stop();
}

#[test]
fn a_drain_gives_every_answer_and_says_goodbye() {
    for driver in DRIVERS {
        let authority = Authority::new();
        let mut site = site(&authority);
        site.set("--io", driver);
        let engine = site.start();
        let config = authority.client(None);
        let mut client = Secure::open(engine.push_address(), &config).expect("a handshake");
        let mut idle = Secure::open(engine.push_address(), &config).expect("a handshake");
        let half = Secure::begin(engine.push_address(), &config).expect("a connection");
        let requests: Vec<u8> = (0..50).flat_map(push).collect();
        client.try_send(&requests).expect("sent");
        wait::until_true("a push", || engine.admin().figure("pushes_accepted") > 0);
        engine.ask_to_stop();
        let mut answered = 0;
        while let Some(answer) = client.try_answer().expect("a goodbye, and no cut") {
            assert!(["0000", "8004"].contains(&answer.code().as_str()), "{answer:?}");
            answered += 1;
        }
        assert!(answered > 0, "{driver}");
        assert!(idle.try_answer().expect("a goodbye, and no cut").is_none(), "{driver}");
        assert!(engine.wait().success(), "{driver}");
        drop(half);
    }
}

#[test]
fn openssl_sends_a_push_and_older_versions_of_tls_are_refused() {
    let is_there = Command::new("openssl").arg("version").output();
    if !is_there.is_ok_and(|output| output.status.success()) {
        return;
    }
    let authority = Authority::new();
    let site = site(&authority);
    let engine = site.start();
    let trusted = site.path("authority.pem");
    std::fs::write(&trusted, authority.pem()).expect("a writable directory");
    let ask = |more: &[&str]| {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-connect"])
            .arg(engine.push_address().to_string())
            .arg("-CAfile")
            .arg(&trusted)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl");
        let last = Body::push(MSN, "by-openssl").octets();
        let request = tests::push::Request::post(&last).header("Connection", "close").octets();
        let _ = child.stdin.take().expect("a pipe").write_all(&request);
        let output = child.wait_with_output().expect("it ends");
        (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (said, complaints) = ask(&["-no_ign_eof", "-ign_eof"]);
    assert!(said.contains("<code>0000</code>"), "{said}{complaints}");
    let (said, complaints) = ask(&["-tls1_2", "-ign_eof"]);
    assert!(said.is_empty() && complaints.contains("protocol version"), "{said}{complaints}");
    engine.stop();
}
