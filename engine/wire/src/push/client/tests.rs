use super::*;
use crate::push::response::{AnswerHead, write_answer};
use crate::push::samples::CANONICAL;

fn xpid() -> Xpid {
    Xpid::parse(b"00100000001").expect("legal")
}

fn msn() -> Msn {
    Msn::parse(b"09012345678").expect("legal")
}

#[test]
fn the_published_sample_is_written_octet_by_octet() {
    let reqid = b"20261122223430-00000001";
    for content in [PushContent::Octets(&[0xff; 5]), PushContent::Hex(b"FFFFFFFFFF")] {
        let mut body = Vec::new();
        let push =
            PushFields { lifetime_hours: 5, ..PushFields::new(xpid(), msn(), reqid, content) };
        write_push(&mut body, &push);
        assert_eq!(String::from_utf8_lossy(&body), String::from_utf8_lossy(CANONICAL));
    }
}

#[test]
fn the_answer_that_the_gateway_writes_is_read() {
    let full = Answer {
        code: Code::REPEATED,
        msn: Some(msn()),
        reqid: Reqid::parse(b"r-1"),
        xpid: Some(xpid()),
        segments: 10,
    };
    for answer in [full, Answer::bare(Code::NOT_FLAT_FORM)] {
        let mut out = Vec::new();
        let head = AnswerHead { retry_after_seconds: Some(7), ..AnswerHead::default() };
        write_answer(&mut out, b"Sun, 22 Nov 2026 13:34:30 GMT", &answer, &head);
        let ResponseOutcome::Complete(response) = read_response(&out, false) else {
            panic!("not whole")
        };
        assert_eq!((response.octets, response.status), (out.len(), answer.code.http_status()));
        assert_eq!(response.retry_after_seconds(0), Some(7));
        let Body::Whole(body) = response.body else { panic!("chunked") };
        assert_eq!(read_answer(body), Ok(answer));
    }
}

#[test]
fn a_bad_answer_or_notification_is_named() {
    let answer = "<?xml version=\"1.0\"?><msn></msn><reqid></reqid><svcid></svcid>\
        <sepmaxnum>0</sepmaxnum><code>1001</code>";
    assert_eq!(read_answer(answer.as_bytes()), Ok(Answer::bare(Code::NOT_FLAT_FORM)));
    let read = |from, to| read_answer(answer.replace(from, to).as_bytes());
    assert_eq!(read("<code>1001</code>", ""), Err(MessageError::Missing("code")));
    assert_eq!(read("1001", "0003"), Err(MessageError::BadValue("code")));
    assert_eq!(read(">0<", ">256<"), Err(MessageError::BadValue("sepmaxnum")));
    assert_eq!(read("<msn></msn>", "<msn>1</msn>"), Err(MessageError::BadValue("msn")));
    assert_eq!(read_notification(answer.as_bytes()), Err(MessageError::Missing("fncid")));
    let notification = "<?xml version=\"1.0\"?><fncid>0401</fncid>";
    assert_eq!(read_notification(notification.as_bytes()), Err(MessageError::Missing("cnclnum")));
    assert_eq!(
        read_notification(notification.replace("0401", "0101").as_bytes()),
        Err(MessageError::BadValue("fncid"))
    );
}

#[test]
fn a_notification_head_is_any_post_with_a_length() {
    let head = "POST /any HTTP/1.1\r\nContent-Length: 7\r\n\r\n";
    let complete = |keep_alive| NotificationHead::Complete {
        head_octets: head.len(),
        body_octets: 7,
        keep_alive,
    };
    assert_eq!(read_notification_head(head.as_bytes()), complete(true));
    assert_eq!(read_notification_head(head.replace("1.1", "1.0").as_bytes()), complete(false));
    assert_eq!(
        read_notification_head(&head.as_bytes()[..head.len() - 1]),
        NotificationHead::Partial
    );
    for (from, to) in [
        ("POST", "GET"),
        ("7", "x"),
        ("7", "99999"),
        ("Content-Length: 7", "X: y"),
        ("HTTP/1.1", "HTTP"),
    ] {
        assert_eq!(
            read_notification_head(head.replace(from, to).as_bytes()),
            NotificationHead::Malformed,
            "{to}"
        );
    }
}

#[test]
fn the_acknowledgement_response_is_whole() {
    let mut body = Vec::new();
    write_acknowledgement(&mut body, msn(), b"r-1", xpid(), Code::ACCEPTED);
    let mut out = Vec::new();
    write_acknowledgement_response(&mut out, &body);
    let ResponseOutcome::Complete(response) = read_response(&out, false) else {
        panic!("not whole")
    };
    assert_eq!(
        (response.status, response.keep_alive, response.body),
        (200, true, Body::Whole(&body))
    );
}
