//! Reading HTTP responses: what a push client's server sends back, from any octets.
//!
//! Interim responses (1xx) are skipped. A body is delimited by `Transfer-Encoding: chunked`, by
//! `Content-Length`, or by the end of the stream; 204 and 304 have none. Nothing is allocated: a
//! chunked body stays as received and is joined into the caller's buffer on demand.

use crate::push::limits::{CLIENT_RESPONSE_OCTETS_MAX, HEADERS_MAX};
use crate::terms::calendar;
use memchr::memchr;
use std::mem::MaybeUninit;

/// What the octets received so far are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseOutcome<'a> {
    /// Not a whole response yet: receive more.
    Partial,
    /// One whole response.
    Complete(ClientResponse<'a>),
    /// Not HTTP, cut off by the end of the stream, or longer than the limit: close the connection.
    Malformed,
}

/// A final response (2xx to 5xx).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientResponse<'a> {
    /// Octets of the buffer that the response took, skipped interim responses included.
    pub octets: usize,
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// Whether the connection can carry another request.
    pub keep_alive: bool,
    retry_after: Option<&'a [u8]>,
    date: Option<&'a [u8]>,
    /// The body.
    pub body: Body<'a>,
}

impl ClientResponse<'_> {
    /// `Retry-After` in seconds; a date counts from the response's own `Date`, or from `now_ms`
    /// where it has none.
    //= push notify later
    pub fn retry_after_seconds(&self, now_ms: u64) -> Option<u32> {
        let value = self.retry_after?;
        if let Some(seconds) = parse_length(value) {
            return Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        let later_ms = calendar::parse_http_date(value, now_ms)?;
        let from_ms =
            self.date.and_then(|date| calendar::parse_http_date(date, now_ms)).unwrap_or(now_ms);
        Some(u32::try_from(later_ms.saturating_sub(from_ms).div_ceil(1000)).unwrap_or(u32::MAX))
    }
}

/// A response's body inside the receive buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// In one piece.
    Whole(&'a [u8]),
    /// With its chunk lines, checked.
    Chunked(&'a [u8]),
}

impl<'a> Body<'a> {
    /// The body in one piece: the buffer itself, or its chunks joined in `scratch`. `None` if
    /// `scratch` is too small.
    pub fn joined(&self, scratch: &'a mut [u8]) -> Option<&'a [u8]> {
        let mut rest = match *self {
            Self::Whole(octets) => return Some(octets),
            Self::Chunked(octets) => octets,
        };
        let mut length = 0;
        while let Chunk::Data { data, after } = read_chunk(rest) {
            scratch.get_mut(length..length + data.len())?.copy_from_slice(data);
            length += data.len();
            rest = after;
        }
        Some(&scratch[..length])
    }
}

/// Reads the first final response in `buffer`. `at_end_of_stream` says that nothing more will come.
///
/// Answers `Malformed` for an empty or unfinished buffer at the end of the stream, and when
/// [`CLIENT_RESPONSE_OCTETS_MAX`] octets do not hold a whole response.
pub fn read_response(buffer: &[u8], at_end_of_stream: bool) -> ResponseOutcome<'_> {
    let cut_off = buffer.len() > CLIENT_RESPONSE_OCTETS_MAX;
    let window = &buffer[..buffer.len().min(CLIENT_RESPONSE_OCTETS_MAX)];
    match read(window, at_end_of_stream && !cut_off) {
        ResponseOutcome::Partial
            if at_end_of_stream || buffer.len() >= CLIENT_RESPONSE_OCTETS_MAX =>
        {
            ResponseOutcome::Malformed
        }
        outcome => outcome,
    }
}

fn read(buffer: &[u8], at_end_of_stream: bool) -> ResponseOutcome<'_> {
    let mut offset = 0;
    loop {
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            &buffer[offset..],
            &mut headers,
        );
        let head_octets = match parsed {
            Ok(httparse::Status::Complete(octets)) => octets,
            Ok(httparse::Status::Partial) => return ResponseOutcome::Partial,
            Err(_) => return ResponseOutcome::Malformed,
        };
        offset += head_octets;
        match response.code {
            Some(100 | 102..=199) => {}
            Some(status @ 200..=599) => {
                let Some(head) = Head::gather(&response) else { return ResponseOutcome::Malformed };
                return head.with_body(status, buffer, offset, at_end_of_stream);
            }
            _ => return ResponseOutcome::Malformed,
        }
    }
}

/// What the header lines say.
#[derive(Default)]
struct Head<'a> {
    content_length: Option<usize>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    is_1_1: bool,
    date: Option<&'a [u8]>,
    retry_after: Option<&'a [u8]>,
}

impl<'a> Head<'a> {
    /// `None` when the end of the body cannot be told.
    fn gather(response: &httparse::Response<'_, 'a>) -> Option<Self> {
        let mut head = Self { is_1_1: response.version == Some(1), ..Self::default() };
        for header in response.headers.iter() {
            let name = header.name;
            if name.eq_ignore_ascii_case("content-length") {
                let length = parse_length(header.value)?;
                if head.content_length.replace(length).is_some_and(|earlier| earlier != length) {
                    return None;
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if head.chunked || !header.value.eq_ignore_ascii_case(b"chunked") {
                    return None;
                }
                head.chunked = true;
            } else if name.eq_ignore_ascii_case("connection") {
                for token in header.value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii) {
                    head.close |= token.eq_ignore_ascii_case(b"close");
                    head.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if name.eq_ignore_ascii_case("retry-after") {
                head.retry_after = Some(header.value);
            } else if name.eq_ignore_ascii_case("date") {
                head.date = Some(header.value);
            }
        }
        Some(head)
    }

    fn with_body(
        self,
        status: u16,
        buffer: &'a [u8],
        offset: usize,
        at_end: bool,
    ) -> ResponseOutcome<'a> {
        let rest = &buffer[offset..];
        let mut keep_alive = !self.close && (self.is_1_1 || self.keep_alive);
        let (body, body_octets) = if matches!(status, 204 | 304) {
            keep_alive &= !self.chunked && self.content_length.unwrap_or(0) == 0;
            (Body::Whole(&[]), 0)
        } else if self.chunked {
            // A length beside chunks is how responses are split: believe the chunks, then hang up.
            keep_alive &= self.content_length.is_none();
            match chunked_octets(rest) {
                Ok(Some(octets)) => (Body::Chunked(&rest[..octets]), octets),
                Ok(None) => return ResponseOutcome::Partial,
                Err(BadChunk) => return ResponseOutcome::Malformed,
            }
        } else if let Some(length) = self.content_length {
            if length > CLIENT_RESPONSE_OCTETS_MAX {
                return ResponseOutcome::Malformed;
            }
            let Some(body) = rest.get(..length) else { return ResponseOutcome::Partial };
            (Body::Whole(body), length)
        } else if at_end {
            keep_alive = false;
            (Body::Whole(rest), rest.len())
        } else {
            return ResponseOutcome::Partial;
        };
        ResponseOutcome::Complete(ClientResponse {
            octets: offset + body_octets,
            status,
            keep_alive,
            retry_after: self.retry_after,
            date: self.date,
            body,
        })
    }
}

fn parse_length(value: &[u8]) -> Option<usize> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0usize, |length, digit| {
        length.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
    }))
}

struct BadChunk;

/// Octets of a whole chunked body, trailer lines included; `None` when it is not all there.
fn chunked_octets(body: &[u8]) -> Result<Option<usize>, BadChunk> {
    let mut rest = body;
    loop {
        match read_chunk(rest) {
            Chunk::Data { after, .. } => rest = after,
            Chunk::Partial => return Ok(None),
            Chunk::Bad => return Err(BadChunk),
            Chunk::Last { after } => {
                rest = after;
                break;
            }
        }
    }
    loop {
        let Some(line_feed) = memchr(b'\n', rest) else { return Ok(None) };
        let line = rest[..line_feed].strip_suffix(b"\r").unwrap_or(&rest[..line_feed]);
        rest = &rest[line_feed + 1..];
        if line.is_empty() {
            return Ok(Some(body.len() - rest.len()));
        }
    }
}

/// How the end of what follows a head is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// Another head: this response is interim.
    Interim,
    /// So many octets follow.
    Length(usize),
    /// Chunks follow.
    Chunked,
    /// The end of the stream ends the body.
    UntilTheEnd,
    /// Nothing that could be told.
    Malformed,
}

/// What a whole head says of that; the same as [`read_response`] makes of it.
pub(super) fn framing(head: &[u8]) -> Framing {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        head,
        &mut headers,
    );
    let (Ok(httparse::Status::Complete(_)), Some(status)) = (parsed, response.code) else {
        return Framing::Malformed;
    };
    match (status, Head::gather(&response)) {
        (100 | 102..=199, _) => Framing::Interim,
        (204 | 304, Some(_)) => Framing::Length(0),
        (200..=599, Some(Head { chunked: true, .. })) => Framing::Chunked,
        (200..=599, Some(Head { content_length: Some(length), .. })) => {
            if length > CLIENT_RESPONSE_OCTETS_MAX {
                Framing::Malformed
            } else {
                Framing::Length(length)
            }
        }
        (200..=599, Some(_)) => Framing::UntilTheEnd,
        _ => Framing::Malformed,
    }
}

pub(super) enum Chunk<'a> {
    Data { data: &'a [u8], after: &'a [u8] },
    Last { after: &'a [u8] },
    Partial,
    Bad,
}

/// One chunk: its size line, whose extensions are passed over, its data and the CRLF behind them.
pub(super) fn read_chunk(text: &[u8]) -> Chunk<'_> {
    let Some(line_feed) = memchr(b'\n', text) else { return Chunk::Partial };
    let Some(line) = text[..line_feed].strip_suffix(b"\r") else { return Chunk::Bad };
    let size_text = line.split(|&octet| octet == b';').next().unwrap_or_default().trim_ascii_end();
    if size_text.is_empty() {
        return Chunk::Bad;
    }
    let mut size = 0usize;
    for &digit in size_text {
        let Some(digit) = char::from(digit).to_digit(16) else { return Chunk::Bad };
        size = size * 16 + digit as usize;
        if size > CLIENT_RESPONSE_OCTETS_MAX {
            return Chunk::Bad;
        }
    }
    let after_line = &text[line_feed + 1..];
    if size == 0 {
        return Chunk::Last { after: after_line };
    }
    match after_line.get(size..size + 2) {
        Some(b"\r\n") => Chunk::Data { data: &after_line[..size], after: &after_line[size + 2..] },
        Some(_) => Chunk::Bad,
        None => Chunk::Partial,
    }
}
