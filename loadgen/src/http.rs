//! As much of HTTP/1.1 as the instrument needs to read fast: heads in their usual form, bodies with
//! a known length.
//!
//! A request that the sink or the bare responder gets must have that form. An answer that has
//! another one is left to the general reader (see `answer`), so that a sender reads every framing
//! of HTTP/1.x.

use crate::limits::MESSAGE_OCTETS_MAX;
use memchr::{memchr, memmem};

/// What a message's head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// Octets of the start line and the fields, with the blank line.
    pub(crate) head_octets: usize,
    /// Octets of the body.
    pub(crate) body_octets: usize,
    /// `Connection: close`.
    pub(crate) close: bool,
    /// `Retry-After` in seconds.
    pub(crate) retry_after_seconds: Option<u32>,
}

impl Head {
    /// Head and body together.
    pub(crate) fn octets(&self) -> usize {
        self.head_octets + self.body_octets
    }
}

/// Why what came is no message this instrument can read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The body has no length, or one that is not a number.
    #[error("a message without a usable Content-Length")]
    NoLength,
    /// Larger than `MESSAGE_OCTETS_MAX`.
    #[error("a message of more than {MESSAGE_OCTETS_MAX} octets")]
    TooLarge,
    /// A head or framing that HTTP/1.x does not allow, or an answer that is too long.
    #[error("an HTTP answer that breaks the protocol, or of more than {MESSAGE_OCTETS_MAX} octets")]
    Broken,
    /// Not HTTP/1.x.
    #[error("an answer that is not HTTP/1.x")]
    NotHttp,
}

/// Reads the head at the start of `buffer`. `Ok(None)`: not all of the message (head and body) is
/// there yet.
pub(crate) fn read_message(buffer: &[u8]) -> Result<Option<Head>, HttpError> {
    let Some(end) = memmem::find(buffer, b"\r\n\r\n") else {
        return if buffer.len() >= MESSAGE_OCTETS_MAX {
            Err(HttpError::TooLarge)
        } else {
            Ok(None)
        };
    };
    let head = read_fields(&buffer[..end + 2], end + 4)?;
    if head.octets() > MESSAGE_OCTETS_MAX {
        return Err(HttpError::TooLarge);
    }
    Ok((buffer.len() >= head.octets()).then_some(head))
}

fn read_fields(text: &[u8], head_octets: usize) -> Result<Head, HttpError> {
    let mut head =
        Head { head_octets, body_octets: usize::MAX, close: false, retry_after_seconds: None };
    let mut rest = text;
    while let Some(end) = memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(value) = value_of(line, b"content-length") {
                    head.body_octets =
                        crate::flat::number(value).ok_or(HttpError::NoLength)? as usize;
                } else if let Some(value) = value_of(line, b"connection") {
                    head.close = value.eq_ignore_ascii_case(b"close");
                }
            }
            Some(b'r') => {
                if let Some(value) = value_of(line, b"retry-after") {
                    head.retry_after_seconds = crate::flat::number(value);
                }
            }
            _ => {}
        }
    }
    if head.body_octets == usize::MAX { Err(HttpError::NoLength) } else { Ok(head) }
}

/// The value of the field in `line` if it has this lower-case `name`.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (field, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    field.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// The status and head of an answer whose head is whole and of the usual form: HTTP/1.1, CRLF line
/// ends, one `Content-Length`, nothing that a reader has to think about. `None` for all others,
/// which are legal as well.
pub(crate) fn usual_answer(buffer: &[u8]) -> Option<(u16, Head)> {
    let digits = buffer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let status = crate::flat::number(digits)? as u16;
    // Interim answers are followed by another head; 204 and 304 have no body, whatever their length
    // says.
    if !(200..600).contains(&status) || matches!(status, 204 | 304) {
        return None;
    }
    let end = memmem::find(buffer, b"\r\n\r\n")?;
    let mut head = Head {
        head_octets: end + 4,
        body_octets: usize::MAX,
        close: false,
        retry_after_seconds: None,
    };
    let mut rest = &buffer[..end + 2];
    while let Some(end) = memchr(b'\n', rest) {
        let line = rest[..end].strip_suffix(b"\r")?;
        rest = &rest[end + 1..];
        match line.first()?.to_ascii_lowercase() {
            b'c' => {
                if let Some(value) = value_of(line, b"content-length") {
                    let twice = head.body_octets != usize::MAX;
                    head.body_octets = crate::flat::number(value).filter(|_| !twice)? as usize;
                } else if let Some(value) = value_of(line, b"connection") {
                    head.close |= value.eq_ignore_ascii_case(b"close");
                    if !head.close && !value.eq_ignore_ascii_case(b"keep-alive") {
                        return None;
                    }
                }
            }
            b'r' => {
                if let Some(value) = value_of(line, b"retry-after") {
                    head.retry_after_seconds = Some(crate::flat::number(value)?);
                }
            }
            b't' if value_of(line, b"transfer-encoding").is_some() => return None,
            b' ' | b'\t' => return None,
            _ => {}
        }
    }
    (head.body_octets <= MESSAGE_OCTETS_MAX - head.head_octets.min(MESSAGE_OCTETS_MAX))
        .then_some((status, head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_complete_only_with_its_whole_body() {
        let message =
            b"HTTP/1.1 503 x\r\ncontent-LENGTH: 5\r\nRetry-After:  7 \r\nConnection: Close\r\n\r\n\
              hello";
        for cut in 0..message.len() {
            assert_eq!(read_message(&message[..cut]), Ok(None), "cut at {cut}");
        }
        let head = read_message(message).expect("legal").expect("complete");
        assert_eq!(
            head,
            Head {
                head_octets: message.len() - 5,
                body_octets: 5,
                close: true,
                retry_after_seconds: Some(7)
            }
        );
        assert_eq!(usual_answer(message), Some((503, head)));
    }

    #[test]
    fn an_answer_in_another_form_than_the_usual_one_is_left_to_the_general_reader() {
        let usual = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\
            \r\nhello";
        assert!(usual_answer(usual.as_bytes()).is_some_and(|(_, head)| !head.close));
        for (from, to) in [
            ("HTTP/1.1", "HTTP/1.0"),
            ("200", "100"),
            ("200", "204"),
            ("200", "2x0"),
            ("Date: x\r\n", "Date: x\n"),
            ("Date: x", " folded"),
            ("Date: x", "transfer-Encoding: chunked"),
            ("Date: x", "content-length: 5"),
            ("Date: x", "Retry-After: Sun, 22 Nov 2026 13:34:30 GMT"),
            ("Connection: keep-alive", "Connection: x, close"),
            ("Content-Length: 5", "Content-Length: 5, 5"),
            ("Content-Length: 5", "Content-Length: 99999999"),
            ("Content-Length: 5", "Server: y"),
            ("\r\n\r\n", "\r\n"),
        ] {
            let unusual = usual.replacen(from, to, 1);
            assert_eq!(usual_answer(unusual.as_bytes()), None, "{unusual}");
        }
    }

    #[test]
    fn messages_without_a_length_or_beyond_the_limit_are_faults() {
        assert_eq!(read_message(b"HTTP/1.1 200 OK\r\n\r\n"), Err(HttpError::NoLength));
        assert_eq!(
            read_message(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
            Err(HttpError::NoLength)
        );
        assert_eq!(
            read_message(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"),
            Err(HttpError::TooLarge)
        );
        assert_eq!(read_message(&vec![b'x'; MESSAGE_OCTETS_MAX]), Err(HttpError::TooLarge));
        assert_eq!(usual_answer(b"SMTP"), None);
    }
}
