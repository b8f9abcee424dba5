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
fn each_of_many_requests_in_one_piece_is_answered_in_its_place_whatever_stands_between() {
    let site = site();
    let engine = site.start();
    let push = |number: usize| Body::push(MSN, &format!("many-{number}")).request();
    // A request that is read ahead is refused where it stands, and those behind it are taken: at every place of a look ahead.
    let refused = Request::post(b"nonsense").octets();
    for place in 0..20 {
        let mut stream = Vec::new();
        (0..20)
            .for_each(|number| stream.extend(if number == place { refused.clone() } else { push(number) }));
        let half = push(20);
        let mut connection = engine.connect();
        connection.send(&[stream.as_slice(), &half[..half.len() / 2]].concat());
        for number in 0..20 {
            let answer = connection.answer();
            let expected = if number == place { String::new() } else { format!("many-{number}") };
            assert_eq!(answer.elements().get("reqid"), expected, "{place}");
            assert_ne!(answer.code(), if number == place { "0000" } else { "1001" }, "{place}");
        }
        connection.send(&half[half.len() / 2..]);
        assert_eq!(connection.answer().elements().get("reqid"), "many-20");
    }
    // One that closes in the middle of a look ahead: what was read behind it is forgotten.
    let closing = Request::post(&Body::push(MSN, "closing").octets()).header("Connection", "close").octets();
    let mut connection = engine.connect();
    connection.send(&[push(0), push(1), closing, Body::push(MSN, "never").request(), push(2)].concat());
    for reqid in ["many-0", "many-1", "closing"] {
        assert_eq!(connection.answer().elements().get("reqid"), reqid);
    }
    assert!(connection.is_closed_by_peer());
    assert_eq!(engine.connect().ask(&Body::push(MSN, "never").request()).code(), "0000");
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
