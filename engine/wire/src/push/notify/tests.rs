use super::*;
use crate::push::client;
use crate::push::limits::CLIENT_RESPONSE_OCTETS_MAX;

fn notification() -> Notification<'static> {
    Notification {
        cancellation: false,
        class: Class::Standard,
        msn: Msn::parse(b"09012345678").expect("legal"),
        reqid: b"20261122223430-00000001",
        xpid: Xpid::parse(b"00100000001").expect("legal"),
        segments: 1,
        code: Code::ACCEPTED,
        delivered: 1,
        withdrawn: 0,
        completed_ms: 1_795_354_470_000,
        notification_id: b"0000000000000001",
        try_number: 1,
        domain: Some(Domain::Ps),
        tp_status: Some(0),
        alert_id: None,
    }
}

fn rendered(notification: &Notification<'_>) -> String {
    let url = NotifyUrl::parse("http://127.0.0.1:9000/notify?a=b").expect("legal");
    let mut out = b"before".to_vec();
    write_notification(&mut out, &url, notification);
    String::from_utf8(out).expect("ASCII").strip_prefix("before").expect("appended").to_owned()
}

fn complete(buffer: &[u8], at_end: bool) -> ClientResponse<'_> {
    match read_response(buffer, at_end) {
        ResponseOutcome::Complete(response) => response,
        other => panic!("{other:?} for {}", String::from_utf8_lossy(buffer)),
    }
}

//= push notify elements
#[test]
fn a_delivery_notification_has_its_elements_in_order() {
    let expected_body = "<?xml version = \"1.0\" ?>\r\n<fncid>0301</fncid>\r\n\
        <comway>2101</comway>\r\n<msn>09012345678</msn>\r\n\
        <reqid>20261122223430-00000001</reqid>\r\n<svcid>00100000001</svcid>\r\n\
        <sepmaxnum>1</sepmaxnum>\r\n<code>0000</code>\r\n<dlvnum>1</dlvnum>\r\n\
        <cmptime>20261122223430</cmptime>\r\n<ntfid>0000000000000001</ntfid>\r\n\
        <trynum>1</trynum>\r\n<domain>PS</domain>\r\n<tpst>00</tpst>\r\n";
    let expected = format!(
        "POST /notify?a=b HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n\
         Content-Type: text/xml; charset=UTF-8\r\nContent-Length: {}\r\n\r\n{expected_body}",
        expected_body.len()
    );
    assert_eq!(rendered(&notification()), expected);
}

//= push notify elements
#[test]
fn a_cancellation_notification_counts_what_was_withdrawn() {
    let text = rendered(&Notification {
        cancellation: true,
        class: Class::Exercise,
        code: Code::CANCELLED_IN_PART,
        segments: 10,
        delivered: 3,
        withdrawn: 7,
        domain: None,
        tp_status: None,
        alert_id: Some(b"quake-1"),
        ..notification()
    });
    assert!(text.contains("<fncid>0401</fncid>\r\n<comway>2109</comway>\r\n"));
    assert!(text.contains(
        "<sepmaxnum>10</sepmaxnum>\r\n<code>0012</code>\r\n\
         <dlvnum>3</dlvnum>\r\n<cnclnum>7</cnclnum>\r\n<cmptime>"
    ));
    assert!(text.ends_with("<trynum>1</trynum>\r\n<alertid>quake-1</alertid>\r\n"));
}

#[test]
fn what_the_gateway_writes_the_push_client_reads() {
    for cancellation in [false, true] {
        for (domain, tp_status, alert_id) in [
            (None, None, None),
            (Some(Domain::Cs), Some(0x46), Some(&b"alert"[..])),
            (Some(Domain::Ps), Some(0xff), None),
        ] {
            let withdrawn = if cancellation { 2 } else { 0 };
            let sent = Notification {
                cancellation,
                withdrawn,
                domain,
                tp_status,
                alert_id,
                ..notification()
            };
            let text = rendered(&sent);
            let client::NotificationHead::Complete { head_octets, body_octets, keep_alive } =
                client::read_notification_head(text.as_bytes())
            else {
                panic!("{text}")
            };
            assert!(keep_alive && head_octets + body_octets == text.len());
            assert_eq!(client::read_notification(&text.as_bytes()[head_octets..]), Ok(sent));
        }
    }
}

#[test]
fn the_longest_notification_fits_its_buffer() {
    let longest = Notification {
        cancellation: true,
        segments: 255,
        delivered: 255,
        withdrawn: 255,
        notification_id: &[b'n'; 20],
        try_number: u16::MAX,
        tp_status: Some(0xff),
        alert_id: Some(&[b'a'; 32]),
        ..notification()
    };
    assert!(rendered(&longest).len() > 500);
}

#[test]
fn an_acknowledgement_is_read_and_a_bad_one_named() {
    let mut body = Vec::new();
    let Notification { msn, reqid, xpid, .. } = notification();
    client::write_acknowledgement(&mut body, msn, reqid, xpid, Code::ACCEPTED);
    let expected =
        Acknowledgement { msn, reqid: Reqid::parse(reqid).expect("legal"), xpid, code_number: 0 };
    assert_eq!(read_acknowledgement(&body), Ok(expected));
    let text = String::from_utf8(body).expect("ASCII");
    let read = |text: String| read_acknowledgement(text.as_bytes());
    assert_eq!(
        read(text.replace("<code>0000", "<code>7777")).map(|read| read.code_number),
        Ok(7777)
    );
    assert_eq!(read(text.replace("\r\n", "") + "<remark>thanks</remark>"), Ok(expected));
    assert_eq!(
        read(text.replace("<code>0000", "<code>00000")),
        Err(MessageError::BadValue("code"))
    );
    assert_eq!(read(text.replace("<msn>0", "<msn>1")), Err(MessageError::BadValue("msn")));
    assert_eq!(read(text.replace("svcid", "SVCID")), Err(MessageError::Missing("svcid")));
    assert_eq!(read(text.clone() + "<code>0000</code>"), Err(MessageError::Repeated("code")));
    assert_eq!(read(text + "<code>"), Err(MessageError::NotFlatForm));
    assert_eq!(read(String::new()), Err(MessageError::NotFlatForm));
}

#[test]
fn a_response_with_a_length_is_read_and_the_next_one_left() {
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 500 X\r\n\r\n";
    let response = complete(text, false);
    assert_eq!((response.status, response.octets, response.keep_alive), (200, 43, true));
    assert_eq!((response.body, response.retry_after_seconds(0)), (Body::Whole(b"hello"), None));
    for octets in 0..43 {
        assert_eq!(read_response(&text[..octets], false), ResponseOutcome::Partial, "{octets}");
        assert_eq!(read_response(&text[..octets], true), ResponseOutcome::Malformed, "{octets}");
    }
}

#[test]
fn chunks_are_joined() {
    let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
        5\r\nhello\r\n00A ; x=y\r\n, chunks! \r\n0\r\nTrailer: t\r\n\r\nrest";
    let whole = text.len() - 4;
    let response = complete(text, false);
    assert_eq!((response.octets, response.keep_alive), (whole, true));
    assert_eq!(response.body.joined(&mut [0; 64]), Some(&b"hello, chunks! "[..]));
    assert_eq!(response.body.joined(&mut [0; 14]), None);
    for octets in 0..whole {
        assert_eq!(read_response(&text[..octets], false), ResponseOutcome::Partial, "{octets}");
    }
    for bad in [
        "x\r\n",
        "\r\n",
        "5\nhello\r\n",
        "5\r\nhelloX\r\n",
        "-1\r\n",
        "FFFFFFFFFFFFFFFFFF\r\n",
        "10001\r\n",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{bad}");
        assert_eq!(read_response(text.as_bytes(), false), ResponseOutcome::Malformed, "{bad:?}");
    }
}

#[test]
fn without_a_length_the_end_of_the_stream_ends_the_body() {
    let text = b"HTTP/1.0 200 OK\r\n\r\nhello";
    assert_eq!(read_response(text, false), ResponseOutcome::Partial);
    let response = complete(text, true);
    assert_eq!(
        (response.body, response.keep_alive, response.octets),
        (Body::Whole(b"hello"), false, text.len())
    );
}

#[test]
fn some_responses_have_no_body_and_some_are_not_the_last() {
    let response = complete(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1", false);
    assert_eq!((response.status, response.octets, response.keep_alive), (204, 27, true));
    let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
        HTTP/1.1 304 X\r\n\r\n";
    let response = complete(text, false);
    assert_eq!((response.status, response.octets), (304, text.len()));
    assert_eq!(read_response(b"HTTP/1.1 100 Continue\r\n\r\n", false), ResponseOutcome::Partial);
    assert_eq!(read_response(b"HTTP/1.1 100 Continue\r\n\r\n", true), ResponseOutcome::Malformed);
    assert_eq!(
        read_response(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
        ResponseOutcome::Malformed
    );
    assert_eq!(read_response(b"HTTP/1.1 600 X\r\n\r\n", false), ResponseOutcome::Malformed);
}

#[test]
fn connections_persist_as_the_response_says() {
    for (head, keep_alive) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n", true),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n", false),
    ] {
        assert_eq!(
            complete(format!("{head}\r\n").as_bytes(), false).keep_alive,
            keep_alive,
            "{head}"
        );
    }
    let both =
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert!(!complete(both, false).keep_alive);
}

//= push notify later
#[test]
fn retry_after_counts_seconds_or_from_the_responses_own_date_or_from_now() {
    // Sun, 22 Nov 2026 13:34:30 GMT.
    const NOW_MS: u64 = 1_795_354_470_000;
    for (headers, seconds) in [
        ("Retry-After: 120\r\n", Some(120)),
        ("Retry-After: 99999999999\r\n", Some(u32::MAX)),
        ("Retry-After: soon\r\n", None),
        ("Retry-After: \r\n", None),
        ("Retry-After: Sun, 22 Nov 2026 13:34:30 GMT\r\n", Some(0)),
        ("Retry-After: Sun, 22 Nov 2026 13:35:30 GMT\r\n", Some(60)),
        ("Retry-After: Sunday, 22-Nov-26 13:35:30 GMT\r\n", Some(60)),
        ("Retry-After: Sun Nov 22 13:35:30 2026\r\n", Some(60)),
        ("Date: yesterday\r\nRetry-After: Sun Nov 22 13:35:30 2026\r\n", Some(60)),
        (
            "Date: Sun Nov 22 13:34:00 2026\r\nRetry-After: Sunday, 22-Nov-26 13:34:30 GMT\r\n",
            Some(30),
        ),
        (
            "Date: Sun, 22 Nov 2026 13:34:00 GMT\r\nRetry-After: Sun, 22 Nov 2026 13:34:30 GMT\r\n",
            Some(30),
        ),
        (
            "Date: Sun, 22 Nov 2026 13:35:00 GMT\r\nRetry-After: Sun, 22 Nov 2026 13:34:30 GMT\r\n",
            Some(0),
        ),
    ] {
        let text = format!("HTTP/1.1 503 X\r\nContent-Length: 0\r\n{headers}\r\n");
        assert_eq!(
            complete(text.as_bytes(), false).retry_after_seconds(NOW_MS),
            seconds,
            "{headers}"
        );
    }
}

#[test]
fn what_cannot_be_trusted_is_malformed() {
    for head in [
        "SSH-2.0-x\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert_eq!(read_response(head.as_bytes(), false), ResponseOutcome::Malformed, "{head}");
    }
    let same_twice = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(complete(same_twice, false).status, 200);
}

#[test]
fn no_response_is_waited_for_beyond_the_limit() {
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(CLIENT_RESPONSE_OCTETS_MAX - 1, b'x');
    assert_eq!(read_response(&endless, false), ResponseOutcome::Partial);
    assert!(matches!(read_response(&endless, true), ResponseOutcome::Complete(_)));
    endless.push(b'x');
    assert_eq!(read_response(&endless, false), ResponseOutcome::Malformed);
    endless.push(b'x');
    assert_eq!(read_response(&endless, true), ResponseOutcome::Malformed);
}
