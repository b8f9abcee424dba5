//! Carriers that are not there, or misbehave: they cost nobody else anything.

use super::{accepted, add_carrier, await_bound, msn, one_about, site};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;
use tests::push::{Body, XPID};
use tests::recorder::Recorder;
use tests::site::Site;
use tests::smsc::Smsc;
use tests::wait;

#[test]
fn a_carrier_whose_name_nobody_knows_keeps_no_engine_from_serving() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &[]);
    site.must(&["carrier", "add", "lost", "--host", "carrier.invalid:2775", "--system-id", "x"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 1);
    accepted(&engine, &Body::push(&msn(1), "served"));
    one_about(&recorder, "served");
    wait::until_true("a warning", || engine.log().contains("no host of the carrier"));
    engine.stop();
}

#[test]
fn a_carrier_without_transceivers_is_bound_by_a_transmitter_and_a_receiver() {
    let (recorder, smsc) = (Recorder::start(), Smsc::start());
    let site = site(&recorder, &smsc, &["--bind", "pair", "--sessions", "2"]);
    let engine = site.start();
    await_bound(&engine, "alpha", 4);
    for number in 0..20 {
        accepted(&engine, &Body::push(&msn(number), &format!("push-{number}")));
    }
    recorder.await_count(20);
    assert_eq!(smsc.kinds(), [2, 2, 0], "transmitters, receivers, transceivers");
    let by_transmitters = smsc.sms().iter().all(|sms| sms.by_transmitter);
    assert!(by_transmitters && smsc.sms().len() == 20);
    engine.stop();
}

/// The octets that a carrier may send and not be answered for before nothing is read from it: what
/// both sides' sockets hold, and some more.
const HELD_MAX: usize = 24 << 20;

#[test]
fn a_carrier_that_asks_on_and_on_and_reads_nothing_is_not_read_from_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let site = Site::new(tests::programs!());
    site.add_client(XPID, &[]);
    add_carrier(&site, "alpha", address, &[]);
    let engine = site.start();
    let (mut stream, _) = listener.accept().expect("a bind");
    let mut header = [0; 16];
    stream.read_exact(&mut header).expect("a bind");
    let sequence = &header[12..];
    let answer = [&[0, 0, 0, 17, 0x80, 0, 0, 9, 0, 0, 0, 0], sequence, &[0]].concat();
    stream.write_all(&answer).expect("a socket");
    stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a socket");
    let enquire = [0, 0, 0, 16, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 1];
    let many = enquire.repeat(4_096);
    let mut sent = 0;
    while sent < HELD_MAX {
        match stream.write(&many) {
            Ok(octets) => sent += octets,
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                break;
            }
            Err(_) => break,
        }
    }
    assert!(sent < HELD_MAX, "{sent} octets were read from a peer that takes no answer");
    engine.stop();
}
