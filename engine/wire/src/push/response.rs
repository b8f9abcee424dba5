//! The answers E2 and E4: exact bytes, one write per answer.
//!
//! The body is the declaration and five elements, `msn`, `reqid`, `svcid`, `sepmaxnum`, `code`,
//! always all five and in this order, every line ended by CRLF. An element that could not be read
//! from the request is there and empty; `sepmaxnum` is 0 when nothing was segmented. For the
//! published sample (11-digit msn, 23-octet reqid, 11-digit svcid, one segment) the body is 163
//! octets.

use super::limits::ANSWER_OCTETS_MAX;
use crate::http::{HttpRefusal, RequestHead};
use crate::push::request::Echo;
use crate::terms::code::Code;
use crate::terms::ids::{Msn, Reqid, Xpid};

/// The value of `Content-Type` in every request and answer of the interface.
pub const CONTENT_TYPE: &str = "text/xml; charset=UTF-8";

/// The first line of every body, its CRLF included.
pub(super) const DECLARATION: &[u8] = b"<?xml version = \"1.0\" ?>\r\n";

/// The body of an answer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Answer {
    /// The result.
    pub code: Code,
    /// As the request had it; `None` when it could not be read.
    pub msn: Option<Msn>,
    /// As the request had it; `None` when it could not be read.
    pub reqid: Option<Reqid>,
    /// As the request had it (`svcid`); `None` when it could not be read.
    pub xpid: Option<Xpid>,
    /// `sepmaxnum`: the number of SMS the push was cut into, 0 when nothing was.
    pub segments: u8,
}

impl Answer {
    /// The answer to a body that the scanner refused, with what it could read.
    pub fn refused(code: Code, echo: &Echo<'_>) -> Self {
        Self { code, msn: echo.msn(), reqid: echo.reqid(), xpid: echo.xpid(), segments: 0 }
    }

    /// The answer to a request whose body was not read at all.
    pub fn bare(code: Code) -> Self {
        Self { code, msn: None, reqid: None, xpid: None, segments: 0 }
    }
}

/// What the head of an answer says beyond the code's own status. `Default` is a plain kept-alive
/// answer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct AnswerHead {
    /// A status other than the code's own: 405 for 1011.
    pub status_override: Option<u16>,
    /// `Retry-After`, which the codes 8xxx have; whoever answers says how long.
    pub retry_after_seconds: Option<u16>,
    /// `Connection: close`.
    pub close: bool,
    /// `Allow: POST`.
    pub allow_post: bool,
    /// `Connection: keep-alive`, which an HTTP/1.0 client needs to see. Not together with `close`.
    pub announce_keep_alive: bool,
    /// The head alone, its length that of the body which another method would have been answered
    /// with.
    pub head_only: bool,
}

impl AnswerHead {
    /// For the answer to a request whose head was accepted, without `Retry-After`.
    pub fn of_request(head: &RequestHead<'_>) -> Self {
        Self {
            status_override: None,
            retry_after_seconds: None,
            close: !head.keep_alive,
            allow_post: false,
            announce_keep_alive: head.announce_keep_alive,
            head_only: false,
        }
    }

    /// For the answer to a refused head.
    pub fn of_refusal(refusal: &HttpRefusal) -> Self {
        Self {
            status_override: Some(refusal.status),
            retry_after_seconds: None,
            close: refusal.close,
            allow_post: refusal.allow_post,
            announce_keep_alive: refusal.announce_keep_alive,
            head_only: refusal.head_only,
        }
    }
}

const STATUS_200: &[u8] = b"HTTP/1.1 200 OK\r\nDate: ";
const AFTER_DATE: &[u8] = b"\r\nContent-Type: text/xml; charset=UTF-8\r\nContent-Length: ";
/// The octets of a body whose five texts are empty.
const EMPTY_BODY_OCTETS: usize = DECLARATION.len() + 13 + 17 + 17 + 25 + 15;

/// Appends one whole HTTP answer to `out`. `date` is the value of `Date`, see
/// [`crate::terms::calendar::http_date`].
//= push answer octets
pub fn write_answer(out: &mut Vec<u8>, date: &[u8; 29], answer: &Answer, head: &AnswerHead) {
    let mut line = Line::<ANSWER_OCTETS_MAX>::new();
    let status = head.status_override.unwrap_or_else(|| answer.code.http_status());
    if status == 200 {
        line.put(STATUS_200);
    } else {
        line.put(b"HTTP/1.1 ");
        line.put_number(u64::from(status));
        line.put(b" ");
        line.put(reason(status));
        line.put(b"\r\nDate: ");
    }
    line.put(date);
    line.put(AFTER_DATE);
    line.put_number(body_octets(answer) as u64);
    put_rare_headers(&mut line, status, head);
    line.put(b"\r\n\r\n");
    if !head.head_only {
        put_body(&mut line, answer);
    }
    out.extend_from_slice(line.octets());
}

fn put_rare_headers(line: &mut Line<ANSWER_OCTETS_MAX>, status: u16, head: &AnswerHead) {
    if status == 401 {
        line.put(b"\r\nWWW-Authenticate: Bearer");
    }
    if let Some(seconds) = head.retry_after_seconds {
        line.put(b"\r\nRetry-After: ");
        line.put_number(u64::from(seconds));
    }
    if head.allow_post {
        line.put(b"\r\nAllow: POST");
    }
    if head.close {
        line.put(b"\r\nConnection: close");
    } else if head.announce_keep_alive {
        line.put(b"\r\nConnection: keep-alive");
    }
}

fn body_octets(answer: &Answer) -> usize {
    let msn = if answer.msn.is_some() { 11 } else { 0 };
    let reqid = answer.reqid.as_ref().map_or(0, |reqid| reqid.as_bytes().len());
    let svcid = if answer.xpid.is_some() { 11 } else { 0 };
    let sepmaxnum = match answer.segments {
        0..=9 => 1,
        10..=99 => 2,
        _ => 3,
    };
    EMPTY_BODY_OCTETS + msn + reqid + svcid + sepmaxnum + 4
}

//= push answer elements
fn put_body(line: &mut Line<ANSWER_OCTETS_MAX>, answer: &Answer) {
    line.put(DECLARATION);
    line.put(b"<msn>");
    if let Some(msn) = answer.msn {
        line.put(&msn.digits());
    }
    line.put(b"</msn>\r\n<reqid>");
    if let Some(reqid) = &answer.reqid {
        line.put(reqid.as_bytes());
    }
    line.put(b"</reqid>\r\n<svcid>");
    if let Some(xpid) = answer.xpid {
        line.put(&xpid.digits());
    }
    line.put(b"</svcid>\r\n<sepmaxnum>");
    line.put_number(u64::from(answer.segments));
    line.put(b"</sepmaxnum>\r\n<code>");
    line.put(&answer.code.digits());
    line.put(b"</code>\r\n");
}

fn reason(status: u16) -> &'static [u8] {
    match status {
        200 => b"OK",
        400 => b"Bad Request",
        401 => b"Unauthorized",
        403 => b"Forbidden",
        404 => b"Not Found",
        405 => b"Method Not Allowed",
        408 => b"Request Timeout",
        409 => b"Conflict",
        411 => b"Length Required",
        413 => b"Content Too Large",
        415 => b"Unsupported Media Type",
        417 => b"Expectation Failed",
        422 => b"Unprocessable Content",
        429 => b"Too Many Requests",
        500 => b"Internal Server Error",
        503 => b"Service Unavailable",
        _ => b"Other",
    }
}

/// A fixed buffer that a message is put together in before it goes out in one piece.
pub(super) struct Line<const OCTETS_MAX: usize> {
    buffer: [u8; OCTETS_MAX],
    length: usize,
}

impl<const OCTETS_MAX: usize> Line<OCTETS_MAX> {
    pub(super) fn new() -> Self {
        Self { buffer: [0; OCTETS_MAX], length: 0 }
    }

    /// Appends. The callers' messages have a fixed longest form, for which the limits make room.
    #[inline]
    pub(super) fn put(&mut self, octets: &[u8]) {
        self.buffer[self.length..self.length + octets.len()].copy_from_slice(octets);
        self.length += octets.len();
    }

    /// Appends decimal digits without leading zeros.
    #[inline]
    pub(super) fn put_number(&mut self, number: u64) {
        // Most are counts of segments.
        if number < 10 {
            return self.put(&[b'0' + number as u8]);
        }
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.put(&digits[at..]);
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &[u8; 29] = b"Sun, 22 Nov 2026 13:34:30 GMT";

    fn render(answer: &Answer, head: &AnswerHead) -> String {
        let mut out = Vec::new();
        write_answer(&mut out, DATE, answer, head);
        String::from_utf8(out).expect("an answer is ASCII")
    }

    fn sample() -> Answer {
        Answer {
            code: Code::ACCEPTED,
            msn: Msn::parse(b"09012345678"),
            reqid: Reqid::parse(b"20261122223430-00000001"),
            xpid: Xpid::parse(b"00100000001"),
            segments: 1,
        }
    }

    //= push answer octets
    #[test]
    fn the_sample_is_answered_with_a_body_of_163_octets() {
        let expected = "HTTP/1.1 200 OK\r\n\
            Date: Sun, 22 Nov 2026 13:34:30 GMT\r\n\
            Content-Type: text/xml; charset=UTF-8\r\n\
            Content-Length: 163\r\n\
            \r\n\
            <?xml version = \"1.0\" ?>\r\n\
            <msn>09012345678</msn>\r\n\
            <reqid>20261122223430-00000001</reqid>\r\n\
            <svcid>00100000001</svcid>\r\n\
            <sepmaxnum>1</sepmaxnum>\r\n\
            <code>0000</code>\r\n";
        assert_eq!(render(&sample(), &AnswerHead::default()), expected);
        let body = expected.split_once("\r\n\r\n").expect("a head and a body").1;
        assert_eq!(body.len(), 163);
    }

    #[test]
    fn the_length_is_right_for_every_answer() {
        let mut answers = vec![Answer::bare(Code::NOT_FLAT_FORM), sample()];
        answers.extend((0..=255).map(|segments| Answer { segments, ..sample() }));
        answers.extend(
            (1..=23).map(|n| Answer {
                reqid: Reqid::parse(&b"abcdefghijklmnopqrstuvw"[..n]),
                ..sample()
            }),
        );
        for &code in Code::ALL {
            answers.push(Answer { code, msn: None, ..sample() });
        }
        for answer in answers {
            let head = AnswerHead {
                status_override: None,
                retry_after_seconds: Some(u16::MAX),
                close: true,
                allow_post: true,
                announce_keep_alive: true,
                head_only: false,
            };
            let text = render(&answer, &head);
            assert!(text.len() <= ANSWER_OCTETS_MAX);
            let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
            let length = format!("\r\nContent-Length: {}\r\n", body.len());
            assert!(head.contains(&length), "{head}");
        }
    }

    #[test]
    fn a_head_alone_names_the_length_of_the_body_that_it_lacks() {
        let head =
            AnswerHead { head_only: true, status_override: Some(405), ..AnswerHead::default() };
        let text = render(&Answer::bare(Code::PATH_OR_METHOD), &head);
        let whole =
            render(&Answer::bare(Code::PATH_OR_METHOD), &AnswerHead { head_only: false, ..head });
        assert_eq!(text, whole[..whole.find("\r\n\r\n").expect("a head") + 4]);
    }

    //= push answer elements
    #[test]
    fn what_could_not_be_read_is_an_empty_element_in_its_place() {
        let text = render(
            &Answer::bare(Code::NOT_FLAT_FORM),
            &AnswerHead { close: true, ..AnswerHead::default() },
        );
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert!(text.contains("\r\nConnection: close\r\n"));
        assert!(text.ends_with(
            "\r\n\r\n<?xml version = \"1.0\" ?>\r\n<msn></msn>\r\n<reqid></reqid>\r\n\
             <svcid></svcid>\r\n<sepmaxnum>0</sepmaxnum>\r\n<code>1001</code>\r\n"
        ));
    }

    #[test]
    fn the_rare_headers_come_when_they_are_asked_for() {
        let method =
            AnswerHead { status_override: Some(405), allow_post: true, ..AnswerHead::default() };
        let text = render(&Answer::bare(Code::PATH_OR_METHOD), &method);
        assert!(
            text.starts_with("HTTP/1.1 405 Method Not Allowed\r\n")
                && text.contains("\r\nAllow: POST\r\n")
        );
        let later = AnswerHead { retry_after_seconds: Some(3), ..AnswerHead::default() };
        let text = render(&Answer { code: Code::RATE, ..sample() }, &later);
        assert!(
            text.starts_with("HTTP/1.1 429 Too Many Requests\r\n")
                && text.contains("\r\nRetry-After: 3\r\n")
        );
        let text = render(&Answer::bare(Code::NOT_AUTHENTICATED), &AnswerHead::default());
        assert!(text.contains("\r\nWWW-Authenticate: Bearer\r\n") && !text.contains("Connection"));
        let old = AnswerHead { announce_keep_alive: true, ..AnswerHead::default() };
        assert!(render(&sample(), &old).contains("\r\nConnection: keep-alive\r\n"));
    }

    #[test]
    fn every_status_of_the_code_table_has_a_reason() {
        for &code in Code::ALL {
            let status = code.http_status();
            assert!(status == 0 || reason(status) != b"Other", "{status}");
        }
    }
}
