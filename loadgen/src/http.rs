//! As much of HTTP/1.1 as the instrument needs: heads of answers and notifications, bodies with a known length.

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
    /// Not HTTP, or not the elements expected.
    #[error("a message that is not of the push-client interface")]
    NotOurs,
}

/// Reads the head at the start of `buffer`. `Ok(None)`: not all of the message (head and body) is there yet.
pub(crate) fn read_message(buffer: &[u8]) -> Result<Option<Head>, HttpError> {
    let Some(end) = memmem::find(buffer, b"\r\n\r\n") else {
        return if buffer.len() >= MESSAGE_OCTETS_MAX { Err(HttpError::TooLarge) } else { Ok(None) };
    };
    let head = read_fields(&buffer[..end + 2], end + 4)?;
    if head.octets() > MESSAGE_OCTETS_MAX {
        return Err(HttpError::TooLarge);
    }
    Ok((buffer.len() >= head.octets()).then_some(head))
}

fn read_fields(text: &[u8], head_octets: usize) -> Result<Head, HttpError> {
    let mut head = Head { head_octets, body_octets: usize::MAX, close: false, retry_after_seconds: None };
    let mut rest = text;
    while let Some(end) = memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(value) = value_of(line, b"content-length") {
                    head.body_octets = crate::flat::number(value).ok_or(HttpError::NoLength)? as usize;
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

/// The three digits of an answer's status line.
pub(crate) fn status(buffer: &[u8]) -> Result<u16, HttpError> {
    let digits =
        buffer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or(HttpError::NotOurs)?;
    crate::flat::number(digits).map(|status| status as u16).ok_or(HttpError::NotOurs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_complete_only_with_its_whole_body() {
        let message =
            b"HTTP/1.1 503 x\r\ncontent-LENGTH: 5\r\nRetry-After:  7 \r\nConnection: Close\r\n\r\nhello";
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
        assert_eq!(status(message), Ok(503));
    }

    #[test]
    fn messages_without_a_length_or_beyond_the_limit_are_faults() {
        assert_eq!(read_message(b"HTTP/1.1 200 OK\r\n\r\n"), Err(HttpError::NoLength));
        assert_eq!(read_message(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), Err(HttpError::NoLength));
        assert_eq!(
            read_message(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"),
            Err(HttpError::TooLarge)
        );
        assert_eq!(read_message(&vec![b'x'; MESSAGE_OCTETS_MAX]), Err(HttpError::TooLarge));
        assert_eq!(status(b"SMTP"), Err(HttpError::NotOurs));
    }
}
