//! Reading what a target answers to a push request: push responses (E2) as fast as they come, and
//! every other answer of HTTP/1.x by its status.
//!
//! An answer in the usual form is told by [`usual_answer`]; chunks, bodies that the end of the
//! connection ends, interim answers, other versions and field forms are read by the push-client
//! interface's own reader of responses.

use crate::flat::Elements;
use crate::http::{HttpError, usual_answer};
use crate::limits::MESSAGE_OCTETS_MAX;
use crate::reqid::{REQID_OCTETS, RunId};
use std::time::{SystemTime, UNIX_EPOCH};
use wire::push::client::{ResponseOutcome, read_response};
use wire::push::limits::{ANSWER_OCTETS_MAX, CLIENT_RESPONSE_OCTETS_MAX};

/// One answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    /// Octets of head and body.
    pub(crate) octets: usize,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The result code; `None` where the body is no push response: a proxy's page, another service.
    pub(crate) code: Option<u16>,
    /// Which push the echoed reqid names.
    pub(crate) echo: Echo,
    /// Retry-After in seconds.
    pub(crate) retry_after_seconds: Option<u32>,
    /// Whether the connection ends after this answer.
    pub(crate) close: bool,
}

/// The reqid of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Echo {
    /// This push of the run.
    Push(u64),
    /// Absent or empty: a refusal that could not read it.
    Absent,
    /// Not of this run.
    Foreign,
}

/// Reads the answer at the start of `buffer`; `Ok(None)` while it is incomplete. `ended`: nothing
/// more will come.
pub(crate) fn read(buffer: &[u8], ended: bool, run: &RunId) -> Result<Option<Answer>, HttpError> {
    if buffer.is_empty() {
        return Ok(None);
    }
    let Some((status, head)) = usual_answer(buffer) else {
        return read_unusual(buffer, ended, run);
    };
    let Some(body) = buffer.get(head.head_octets..head.octets()) else {
        return Ok(None);
    };
    let (code, echo) =
        canonical(body, run).map_or_else(|| general(body, run), |(code, echo)| (Some(code), echo));
    Ok(Some(Answer {
        octets: head.octets(),
        status,
        code,
        echo,
        retry_after_seconds: head.retry_after_seconds,
        close: head.close,
    }))
}

/// The same for an answer of any framing.
#[cold]
fn read_unusual(buffer: &[u8], ended: bool, run: &RunId) -> Result<Option<Answer>, HttpError> {
    let response = match read_response(buffer, ended) {
        ResponseOutcome::Complete(response) => response,
        ResponseOutcome::Partial => return Ok(None),
        ResponseOutcome::Malformed if !b"HTTP/1.".starts_with(&buffer[..buffer.len().min(7)]) => {
            return Err(HttpError::NotHttp);
        }
        // Cut off by the end of the connection.
        ResponseOutcome::Malformed if ended => return Ok(None),
        ResponseOutcome::Malformed => return Err(HttpError::Broken),
    };
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ms = since_1970.as_millis() as u64;
    // A chunked body that does not fit is longer than any push response.
    let mut scratch = [0; ANSWER_OCTETS_MAX];
    let (code, echo) =
        response.body.joined(&mut scratch).map_or((None, Echo::Absent), |body| general(body, run));
    Ok(Some(Answer {
        octets: response.octets,
        status: response.status,
        code,
        echo,
        retry_after_seconds: response.retry_after_seconds(unix_ms),
        close: !response.keep_alive,
    }))
}

const _: () =
    assert!(CLIENT_RESPONSE_OCTETS_MAX <= MESSAGE_OCTETS_MAX, "a receive buffer holds any answer");

/// Where the reqid's text stands in a canonical body: behind the declaration, the msn and
/// `<reqid>`.
const REQID_AT: usize = 57;
/// `<code>0000</code>` and CRLF at a canonical body's end.
const CODE_LINE_OCTETS: usize = 19;

/// The canonical order and line ends with a reqid of ours, told by fixed offsets.
fn canonical(body: &[u8], run: &RunId) -> Option<(u16, Echo)> {
    let reqid = body.get(REQID_AT..REQID_AT + REQID_OCTETS)?;
    let (rest, code_line) = body.split_last_chunk::<CODE_LINE_OCTETS>()?;
    let in_place = rest.get(REQID_AT - 7..REQID_AT)? == b"<reqid>"
        && rest.get(REQID_AT + REQID_OCTETS..REQID_AT + REQID_OCTETS + 8)? == b"</reqid>"
        && code_line.starts_with(b"<code>")
        && code_line.ends_with(b"</code>\r\n");
    if !in_place {
        return None;
    }
    let code = crate::flat::number(&code_line[6..10])?;
    Some((code as u16, Echo::Push(run.index_of(reqid)?)))
}

/// Any order, any line ends; without a code it is no push response.
fn general(body: &[u8], run: &RunId) -> (Option<u16>, Echo) {
    let mut code = None;
    let mut echo = Echo::Absent;
    for (name, text) in Elements::of(body) {
        match name {
            b"code" if text.len() == 4 => code = crate::flat::number(text),
            b"reqid" if !text.is_empty() => {
                echo = run.index_of(text).map_or(Echo::Foreign, Echo::Push)
            }
            _ => {}
        }
    }
    code.map_or((None, Echo::Absent), |code| (Some(code as u16), echo))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(octets: &[u8], run: &RunId) -> Answer {
        read(octets, false, run).expect("legal").expect("complete")
    }

    fn answer(status: &str, body: &str) -> Vec<u8> {
        format!(
            "HTTP/1.1 {status}\r\nDate: Sun, 22 Nov 2026 13:34:30 GMT\r\nContent-Length: {}\r\n\r\n\
             {body}",
            body.len()
        )
        .into_bytes()
    }

    fn body(run: &RunId, index: u64, code: &str) -> String {
        let mut reqid = [0; REQID_OCTETS];
        run.write(index, &mut reqid);
        let reqid = String::from_utf8_lossy(&reqid);
        format!(
            "{}<msn>09012345678</msn>\r\n<reqid>{reqid}</reqid>\r\n<svcid>00100000001</svcid>\r\n\
             <sepmaxnum>1</sepmaxnum>\r\n<code>{code}</code>\r\n",
            crate::flat::DECLARATION
        )
    }

    #[test]
    fn the_canonical_answer_of_163_octets_takes_the_fast_way() {
        let run = RunId::from_number(77);
        let body = body(&run, 41, "0000");
        assert_eq!(body.len(), 163);
        assert_eq!(canonical(body.as_bytes(), &run), Some((0, Echo::Push(41))));
        assert_eq!(general(body.as_bytes(), &run), (Some(0), Echo::Push(41)));
        let read = whole(&answer("200 OK", &body), &run);
        assert_eq!((read.status, read.code, read.echo), (200, Some(0), Echo::Push(41)));
    }

    #[test]
    fn other_orders_and_line_ends_are_read_as_well() {
        let run = RunId::from_number(77);
        let unusual = body(&run, 41, "0001").replace("\r\n", "\n");
        assert_eq!(canonical(unusual.as_bytes(), &run), None);
        assert_eq!(general(unusual.as_bytes(), &run), (Some(1), Echo::Push(41)));
        let refused = whole(&answer("400 Bad Request", "<code>1002</code>"), &run);
        assert_eq!((refused.status, refused.code, refused.echo), (400, Some(1002), Echo::Absent));
    }

    #[test]
    fn every_framing_of_http_1_gives_the_same_answer_as_the_usual_one() {
        let run = RunId::from_number(77);
        let body = body(&run, 41, "8001");
        let usual = whole(&answer("429 Too Many Requests", &body), &run);
        let (front, back) = body.split_at(100);
        let length = body.len();
        for (head, text, close) in [
            (
                "HTTP/1.1 429 x\r\nTransfer-Encoding: chunked\r\n".to_owned(),
                chunked(&[front, back]),
                false,
            ),
            (format!("HTTP/1.0 429 x\r\ncontent-length: {length}\r\n"), body.clone(), true),
            (
                format!("HTTP/1.0 429 x\r\nConnection: keep-alive\r\nContent-Length: {length}\r\n"),
                body.clone(),
                false,
            ),
            (format!("HTTP/1.1 429 x\nCONTENT-LENGTH:{length}\n"), body.clone(), false),
            (
                format!("HTTP/1.1 429 x\r\nContent-Length: {length}\r\nConnection: a, close\r\n"),
                body.clone(),
                true,
            ),
            (
                format!(
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 x\r\nContent-Length: {length}\r\n"
                ),
                body.clone(),
                false,
            ),
            ("HTTP/1.1 429 x\r\nServer: y\r\n".to_owned(), body.clone(), true),
        ] {
            let line_end = if head.contains("\r\n") { "\r\n" } else { "\n" };
            let octets = format!("{head}{line_end}{text}").into_bytes();
            let until_the_end = head.contains("Server");
            for cut in 0..octets.len() {
                assert_eq!(read(&octets[..cut], false, &run), Ok(None), "{head} cut at {cut}");
            }
            let found = read(&octets, until_the_end, &run).expect("legal").expect("complete");
            assert_eq!(found, Answer { octets: octets.len(), close, ..usual }, "{head}");
        }
    }

    fn chunked(parts: &[&str]) -> String {
        let chunks = parts.iter().map(|part| format!("{:x};ext=1\r\n{part}\r\n", part.len()));
        chunks.collect::<String>() + "0\r\nTrailer: z\r\n\r\n"
    }

    #[test]
    fn another_runs_reqid_is_foreign_and_a_body_without_code_is_no_push_response() {
        let run = RunId::from_number(77);
        let foreign = body(&RunId::from_number(78), 41, "0000");
        assert_eq!(whole(&answer("200 OK", &foreign), &run).echo, Echo::Foreign);
        let page = whole(&answer("502 Bad Gateway", "<html></html>"), &run);
        assert_eq!((page.status, page.code, page.echo), (502, None, Echo::Absent));
    }

    #[test]
    fn what_is_not_http_is_told_at_once_and_what_is_cut_off_is_no_answer() {
        let run = RunId::from_number(77);
        for other in
            [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"\x15\x03\x01\x00\x02\x02\x46", b"220 mail\r\n"]
        {
            assert_eq!(read(other, false, &run), Err(HttpError::NotHttp));
        }
        assert_eq!(read(b"HTT", true, &run), Ok(None));
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel", true, &run), Ok(None));
    }
}
