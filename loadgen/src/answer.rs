//! Reading push responses (E2) as fast as they come.

use crate::flat::Elements;
use crate::http::{HttpError, read_message, status};
use crate::reqid::{REQID_OCTETS, RunId};

/// One push response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    /// Octets of head and body.
    pub(crate) octets: usize,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The result code.
    pub(crate) code: u16,
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

/// Reads the answer at the start of `buffer`; `Ok(None)` while it is incomplete.
pub(crate) fn read(buffer: &[u8], run: &RunId) -> Result<Option<Answer>, HttpError> {
    let Some(head) = read_message(buffer)? else {
        return Ok(None);
    };
    let body = &buffer[head.head_octets..head.octets()];
    let (code, echo) = canonical(body, run).map_or_else(|| general(body, run), Ok)?;
    Ok(Some(Answer {
        octets: head.octets(),
        status: status(buffer)?,
        code,
        echo,
        retry_after_seconds: head.retry_after_seconds,
        close: head.close,
    }))
}

/// Where the reqid's text stands in a canonical body: behind the declaration, the msn and `<reqid>`.
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

/// Any order, any line ends.
fn general(body: &[u8], run: &RunId) -> Result<(u16, Echo), HttpError> {
    let mut code = None;
    let mut echo = Echo::Absent;
    for (name, text) in Elements::of(body) {
        match name {
            b"code" if text.len() == 4 => code = crate::flat::number(text),
            b"reqid" if !text.is_empty() => echo = run.index_of(text).map_or(Echo::Foreign, Echo::Push),
            _ => {}
        }
    }
    code.map(|code| (code as u16, echo)).ok_or(HttpError::NotOurs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, body: &str) -> Vec<u8> {
        format!(
            "HTTP/1.1 {status}\r\nDate: Sun, 22 Nov 2026 13:34:30 GMT\r\nContent-Length: {}\r\n\r\n{body}",
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
        assert_eq!(general(body.as_bytes(), &run), Ok((0, Echo::Push(41))));
        let read = read(&answer("200 OK", &body), &run).expect("legal").expect("complete");
        assert_eq!((read.status, read.code, read.echo), (200, 0, Echo::Push(41)));
    }

    #[test]
    fn other_orders_and_line_ends_are_read_as_well() {
        let run = RunId::from_number(77);
        let unusual = body(&run, 41, "0001").replace("\r\n", "\n");
        assert_eq!(canonical(unusual.as_bytes(), &run), None);
        assert_eq!(general(unusual.as_bytes(), &run), Ok((1, Echo::Push(41))));
        let refused =
            read(&answer("400 Bad Request", "<code>1002</code>"), &run).expect("legal").expect("complete");
        assert_eq!((refused.status, refused.code, refused.echo), (400, 1002, Echo::Absent));
    }

    #[test]
    fn another_runs_reqid_is_foreign_and_a_body_without_code_is_a_fault() {
        let run = RunId::from_number(77);
        let foreign = body(&RunId::from_number(78), 41, "0000");
        assert_eq!(
            read(&answer("200 OK", &foreign), &run).expect("legal").expect("complete").echo,
            Echo::Foreign
        );
        assert_eq!(read(&answer("200 OK", "<html></html>"), &run), Err(HttpError::NotOurs));
    }
}
