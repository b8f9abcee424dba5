//! Where requests begin and end on a connection, and how long it lives.

use super::{MSN, check_answer, probe, site};
use tests::push::{Body, Request};

#[test]
fn a_request_may_come_in_any_pieces() {
    let site = site();
    let engine = site.start();
    let requests: Vec<Vec<u8>> =
        (0..3).map(|number| Body::push(MSN, &format!("piece-{number}")).request()).collect();
    let stream = requests.concat();
    for size in [1, 2, 3, 7, 61, 300] {
        let mut connection = engine.connect();
        for piece in stream.chunks(size) {
            connection.send(piece);
        }
        for number in 0..3 {
            let answer = connection.answer();
            assert_eq!(answer.elements().get("reqid"), format!("piece-{number}"));
            assert_eq!(answer.code(), if size == 1 { "0000" } else { "0001" }, "pieces of {size}");
        }
    }
    engine.stop();
}

#[test]
fn a_connection_is_kept_and_closed_as_the_client_says() {
    let site = site();
    let engine = site.start();
    let body = Body::push(MSN, "kept").octets();
    let post = || Request::post(&body);
    let old = || post().line("POST /smsgw/ HTTP/1.0");
    for (name, request, kept, said) in [
        ("HTTP/1.1", post(), true, None),
        ("HTTP/1.1 that closes", post().header("Connection", "close"), false, Some("close")),
        (
            "HTTP/1.1 that closes, in capitals",
            post().header("Connection", "Foo, CLOSE"),
            false,
            Some("close"),
        ),
        ("HTTP/1.0", old(), false, Some("close")),
        ("HTTP/1.0 that stays", old().header("Connection", "keep-alive"), true, Some("keep-alive")),
    ] {
        let mut connection = engine.connect();
        let answer = connection.ask(&request.octets());
        assert_eq!(answer.header("Connection"), said, "{name}");
        if kept {
            check_answer(name, &connection.ask(&probe()), 200, &connection_code(&answer.code()));
        } else {
            assert!(connection.is_closed_by_peer(), "{name}");
        }
    }
    engine.stop();
}

/// The probe is new the first time only.
fn connection_code(of_first: &str) -> String {
    if of_first == "0000" { "0000" } else { "0001" }.to_owned()
}

#[test]
fn what_follows_a_request_that_closes_is_not_answered() {
    let site = site();
    let engine = site.start();
    let closing = Request::post(&Body::push(MSN, "last").octets()).header("Connection", "close").octets();
    let mut connection = engine.connect();
    connection.send(&[closing, probe()].concat());
    check_answer("the last", &connection.answer(), 200, "0000");
    assert!(connection.is_closed_by_peer());
    super::await_figure(&engine, "requests", 1);
    engine.stop();
}

#[test]
fn a_client_that_ends_its_sending_still_gets_every_answer() {
    let site = site();
    let engine = site.start();
    let mut connection = engine.connect();
    for number in 0..50 {
        connection.send(&Body::push(MSN, &format!("end-{number}")).request());
    }
    connection.finish();
    for number in 0..50 {
        assert_eq!(connection.answer().elements().get("reqid"), format!("end-{number}"));
    }
    assert!(connection.is_closed_by_peer());
    engine.stop();
}

#[test]
fn a_client_that_waits_for_leave_to_send_its_body_gets_it() {
    let site = site();
    let engine = site.start();
    let body = Body::push(MSN, "expect").octets();
    let request = Request::post(&body).header("Expect", "100-continue");
    let mut connection = engine.connect();
    let interim = connection.ask(&request.head());
    assert_eq!((interim.status_line.as_str(), interim.body.len()), ("HTTP/1.1 100 Continue", 0));
    check_answer("the body", &connection.ask(&body), 200, "0000");
    check_answer("the next request", &connection.ask(&probe()), 200, "0000");
    let refused = Request::post(&body).header("Expect", "100-continue").header("Content-Length", "20000");
    let mut connection = engine.connect();
    check_answer("too large a body", &connection.ask(&refused.head()), 413, "1010");
    assert!(connection.is_closed_by_peer());
    engine.stop();
}
