//! Where requests begin and end on a connection, and how long it lives.

use super::{MSN, check_answer, probe, site};
use std::io::Read as _;
use std::time::Duration;
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

//= push http kept
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
    let closing =
        Request::post(&Body::push(MSN, "last").octets()).header("Connection", "close").octets();
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
    // A request that is read ahead is refused where it stands, and those behind it are taken: at
    // every place of a look ahead.
    let refused = Request::post(b"nonsense").octets();
    for place in 0..20 {
        let mut stream = Vec::new();
        (0..20).for_each(|number| {
            stream.extend(if number == place { refused.clone() } else { push(number) })
        });
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
    let closing =
        Request::post(&Body::push(MSN, "closing").octets()).header("Connection", "close").octets();
    let mut connection = engine.connect();
    connection
        .send(&[push(0), push(1), closing, Body::push(MSN, "never").request(), push(2)].concat());
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
    let refused =
        Request::post(&body).header("Expect", "100-continue").header("Content-Length", "20000");
    let mut connection = engine.connect();
    check_answer("too large a body", &connection.ask(&refused.head()), 413, "1010");
    assert!(connection.is_closed_by_peer());
    engine.stop();
}

#[test]
fn a_client_that_waits_for_leave_behind_unanswered_requests_gets_it_in_its_place() {
    let mut site = site();
    site.set("--request-timeout-ms", "2000");
    let engine = site.start();
    let body = Body::push(MSN, "expect-behind").octets();
    let waiting = Request::post(&body).header("Expect", "100-continue");
    for before in [1, 2, 20] {
        let mut connection = engine.connect();
        let first: Vec<u8> = (0..before)
            .flat_map(|n| Body::push(MSN, &format!("before-{before}-{n}")).request())
            .collect();
        connection.send(&[first, waiting.head()].concat());
        for number in 0..before {
            assert_eq!(
                connection.answer().elements().get("reqid"),
                format!("before-{before}-{number}")
            );
        }
        assert_eq!(connection.answer().status_line, "HTTP/1.1 100 Continue", "behind {before}");
        assert!(["0000", "0001"].contains(&connection.ask(&body).code().as_str()));
        assert_eq!(connection.ask(&probe()).status(), 200, "the next request");
    }
    engine.stop();
}

#[test]
fn the_answer_to_head_has_no_body_and_leaves_the_connection_in_step() {
    let site = site();
    let engine = site.start();
    for (path, status) in [("/smsgw/", "405 Method Not Allowed"), ("/", "404 Not Found")] {
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: gateway.example\r\n\r\n");
        let mut connection = engine.connect();
        // With a body behind the first head, what follows would be taken for the second answer.
        connection.send(&[head.as_bytes(), head.as_bytes(), &probe()].concat());
        connection.finish();
        let mut said = String::new();
        connection.stream().read_to_string(&mut said).expect("answers and an end");
        let answers: Vec<&str> = said.split("HTTP/1.1 ").collect();
        assert_eq!(answers.len(), 4, "{said}");
        for answer in &answers[1..3] {
            assert!(answer.starts_with(status) && answer.ends_with("\r\n\r\n"), "{said}");
            assert!(answer.contains("Content-Length: 118\r\n") && !answer.contains('<'), "{said}");
        }
        assert!(answers[3].starts_with("200 OK\r\n"), "{said}");
    }
    let mut connection = engine.connect();
    connection.send(b"HEAD /smsgw/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    let mut said = String::new();
    connection.stream().read_to_string(&mut said).expect("an answer and an end");
    assert!(said.starts_with("HTTP/1.1 400 ") && said.ends_with("\r\n\r\n"), "{said}");
    engine.stop();
}

#[test]
fn a_client_in_the_middle_of_a_long_body_sees_why_it_is_refused() {
    let site = site();
    let engine = site.start();
    let body = vec![b'a'; 8 << 20];
    for round in 0..4 {
        for (name, request, status, code) in [
            ("too long", Request::post(&body), 413, "1010"),
            ("chunked", Request::post(&body).header("Transfer-Encoding", "chunked"), 411, "1009"),
            ("malformed", Request::post(&body).header("Host", ""), 400, "1001"),
            ("elsewhere", Request::post(&body).line("POST / HTTP/1.1"), 404, "1011"),
        ] {
            let mut connection = engine.connect();
            // It reads only once all is sent.
            let sent = connection.try_send(&request.octets());
            assert!(sent.is_ok(), "{name}, round {round}: reset while it sent: {sent:?}");
            check_answer(name, &connection.answer(), status, code);
            assert!(connection.is_closed_by_peer(), "{name}");
        }
    }
    engine.stop();
}

#[test]
fn a_client_that_is_being_left_is_waited_for_within_bounds() {
    let site = site();
    let engine = site.start();
    let refused = Request::post(b"").header("Content-Length", "99999999").head();
    // One that never closes, and one that never stops sending.
    let (mut silent, mut endless) = (engine.connect(), engine.connect());
    check_answer("silent", &silent.ask(&refused), 413, "1010");
    check_answer("endless", &endless.ask(&refused), 413, "1010");
    let begun = std::time::Instant::now();
    let block = vec![b'a'; 1 << 20];
    let sent = (0..200).take_while(|_| endless.try_send(&block).is_ok()).count();
    assert!(sent < 100, "{sent} MiB were taken");
    tests::wait::until_true("an end of both", || engine.admin().figure("connections") == 0);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    engine.stop();
}
