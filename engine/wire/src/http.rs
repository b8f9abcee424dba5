//! The HTTP/1.1 server side: from received octets to the few facts about a request that the gateway
//! needs.
//!
//! One resource, one method: `POST /smsgw/` with `Content-Type: text/xml` (optionally
//! `charset=UTF-8`) and exactly one `Content-Length`. The head is parsed by httparse; framing is
//! decided here and is strict, so that no two readers of one stream can disagree about where a
//! request ends:
//!
//! - `Transfer-Encoding` in any form is refused (411, 1009) and the connection closes,
//!   `Content-Length` or not;
//! - a repeated `Content-Length`, even of equal values, and one that is not plain digits are
//!   malformed (400);
//! - a target in absolute form (`http://host/smsgw/`) counts as its path; a query makes it another
//!   path (404); a letter of the path may be percent-encoded (RFC 3986 section 6.2.2.2);
//! - a head longer than [`HEAD_OCTETS_MAX`] or of more than [`HEADERS_MAX`] lines is malformed;
//! - an HTTP/1.1 request without `Host`, and any with two, an empty or an impossible one is
//!   malformed (RFC 9112 section 3.2), although nothing here routes by host: whoever stands in
//!   front may;
//! - HTTP/1.2 to 1.9 count as HTTP/1.1 (RFC 9110 section 2.5);
//! - a `Content-Encoding` other than `identity` is a media type that is not taken (415).
//!
//! Empty lines before a request are skipped, as RFC 9112 section 2.2 asks. A connection persists by
//! default in HTTP/1.1, and in HTTP/1.0 only when the client says `Connection: keep-alive`. The
//! answer to HEAD has no body.
//!
//! **Never here:** the body, or the meaning of `Authorization` (see the engine's gateway).

mod memory;

use crate::push::limits::{BODY_OCTETS_MAX, HEAD_OCTETS_MAX, HEADERS_MAX};
use crate::terms::code::Code;
use memchr::memchr;
use std::mem::MaybeUninit;

pub use memory::HeadMemory;

/// What to send to a client that waits with its body until it is told to go on.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const PATH: &[u8] = b"/smsgw/";

/// What the octets received so far are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeadOutcome<'a> {
    /// Not a whole head yet: receive more.
    Partial,
    /// A request for the gateway.
    Complete(RequestHead<'a>),
    /// Something else.
    Refused(HttpRefusal),
}

/// A request for the gateway, its body not yet looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestHead<'a> {
    /// Octets of the head, the empty line included; the body begins there.
    pub head_octets: usize,
    /// Octets of the body, at most [`BODY_OCTETS_MAX`].
    pub body_octets: usize,
    /// Whether the connection stays open after the answer.
    pub keep_alive: bool,
    /// Whether the answer must say `Connection: keep-alive`: an HTTP/1.0 client that asked for it.
    pub announce_keep_alive: bool,
    /// The value of `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// Whether the client waits for [`CONTINUE`] before it sends the body.
    pub expect_continue: bool,
}

/// Why a request is none for the gateway, and how to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpRefusal {
    /// 1001 malformed HTTP, 1008 media type, 1009 no usable length, 1010 too large, 1011 path or
    /// method.
    pub code: Code,
    /// The HTTP status of the answer: 400, 404, 405, 411, 413, 415 or 417.
    pub status: u16,
    /// Whether the connection closes after the answer: where the request ends is not known, or not
    /// worth reading.
    pub close: bool,
    /// Whether the answer must say `Allow: POST`.
    pub allow_post: bool,
    /// Whether the answer must say `Connection: keep-alive`.
    pub announce_keep_alive: bool,
    /// Whether the answer ends with its head, whatever length it names: the request was HEAD.
    pub head_only: bool,
    /// Head and body of the refused request: what to drop before the next one. `None` exactly when
    /// `close`.
    pub skip_octets: Option<usize>,
}

/// Reads the head of the request that `buffer` begins with. Octets beyond the head are not looked
/// at.
pub fn read_head(buffer: &[u8]) -> HeadOutcome<'_> {
    //= push http head
    let window = &buffer[..buffer.len().min(HEAD_OCTETS_MAX)];
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(window, &mut headers) {
        Ok(httparse::Status::Complete(head_octets)) => match Facts::gather(&request) {
            Some(facts) => facts.judge(&request, head_octets),
            None => HeadOutcome::Refused(malformed(is_head(window))),
        },
        Ok(httparse::Status::Partial) if buffer.len() < HEAD_OCTETS_MAX => HeadOutcome::Partial,
        Err(httparse::Error::Version) => {
            read_newer(window).unwrap_or_else(|| HeadOutcome::Refused(malformed(is_head(window))))
        }
        Ok(httparse::Status::Partial) | Err(_) => HeadOutcome::Refused(malformed(is_head(window))),
    }
}

/// Reads a head of HTTP/1.2 to 1.9 as one of HTTP/1.1; `None` if it is neither.
#[cold]
fn read_newer(window: &[u8]) -> Option<HeadOutcome<'_>> {
    const NAME: &[u8] = b" HTTP/1.";
    let line_at = window.iter().position(|octet| !matches!(octet, b'\r' | b'\n'))?;
    let line_end = memchr(b'\n', &window[line_at..]).map_or(window.len(), |at| line_at + at);
    let line =
        window[line_at..line_end].strip_suffix(b"\r").unwrap_or_else(|| &window[line_at..line_end]);
    let (digit, before) = line.split_last()?;
    if !matches!(digit, b'2'..=b'9') || !before.ends_with(NAME) {
        return None;
    }
    let mut copy = [0; HEAD_OCTETS_MAX];
    let copy = &mut copy[..window.len()];
    copy.copy_from_slice(window);
    copy[line_at + before.len()] = b'1';
    Some(match read_head(copy) {
        HeadOutcome::Partial if window.len() < HEAD_OCTETS_MAX => HeadOutcome::Partial,
        HeadOutcome::Partial => HeadOutcome::Refused(malformed(is_head(window))),
        HeadOutcome::Refused(refusal) => HeadOutcome::Refused(refusal),
        HeadOutcome::Complete(head) => {
            // What was found in the copy stands at the same place in the original.
            let original = |value: &[u8]| {
                let at = value.as_ptr().addr() - copy.as_ptr().addr();
                &window[at..at + value.len()]
            };
            HeadOutcome::Complete(RequestHead {
                authorization: head.authorization.map(original),
                ..head
            })
        }
    })
}

/// Whether these octets begin a HEAD request, however it goes on.
fn is_head(window: &[u8]) -> bool {
    let begin = window.iter().position(|octet| !matches!(octet, b'\r' | b'\n'));
    begin.is_some_and(|at| window[at..].starts_with(b"HEAD "))
}

//= push http kept
fn malformed(head_only: bool) -> HttpRefusal {
    HttpRefusal {
        code: Code::NOT_FLAT_FORM,
        status: 400,
        close: true,
        allow_post: false,
        announce_keep_alive: false,
        head_only,
        skip_octets: None,
    }
}

/// What the header lines say, each line read once.
#[derive(Default)]
struct Facts<'a> {
    content_length: Option<u64>,
    transfer_encoding: bool,
    content_types: u8,
    media_type_is_right: bool,
    has_host: bool,
    content_encoding: bool,
    authorization: Option<&'a [u8]>,
    expect_continue: bool,
    expects_other: bool,
    close: bool,
    keep_alive: bool,
}

impl<'a> Facts<'a> {
    /// `None` when a line makes the request malformed.
    fn gather(request: &httparse::Request<'_, 'a>) -> Option<Self> {
        let mut facts = Self::default();
        for header in request.headers.iter() {
            let name = header.name.as_bytes();
            match name.len() {
                4 if name.eq_ignore_ascii_case(b"host") => facts.host(header.value)?,
                6 if name.eq_ignore_ascii_case(b"expect") => facts.expect(header.value),
                10 if name.eq_ignore_ascii_case(b"connection") => facts.connection(header.value),
                12 if name.eq_ignore_ascii_case(b"content-type") => {
                    facts.content_type(header.value)
                }
                13 if name.eq_ignore_ascii_case(b"authorization") => {
                    facts.authorization(header.value)?
                }
                14 if name.eq_ignore_ascii_case(b"content-length") => {
                    facts.content_length(header.value)?
                }
                16 if name.eq_ignore_ascii_case(b"content-encoding") => {
                    facts.content_encoding |= !header.value.eq_ignore_ascii_case(b"identity");
                }
                //= push http chunks
                17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                    facts.transfer_encoding = true
                }
                _ => {}
            }
        }
        // HTTP/1.0 had no such line.
        (facts.has_host || request.version == Some(0)).then_some(facts)
    }

    /// `None` for a second one, for none at all and for what is no host.
    //= push http host
    fn host(&mut self, value: &[u8]) -> Option<()> {
        let is_first = !std::mem::replace(&mut self.has_host, true);
        (is_first && is_host(value)).then_some(())
    }

    /// `None` for a second one: which of them would count?
    fn authorization(&mut self, value: &'a [u8]) -> Option<()> {
        self.authorization.replace(value).is_none().then_some(())
    }

    /// `None` for a second one, whatever its value, and for one that is no number.
    fn content_length(&mut self, value: &[u8]) -> Option<()> {
        self.content_length.replace(parse_length(value)?).is_none().then_some(())
    }

    fn expect(&mut self, value: &[u8]) {
        if value.eq_ignore_ascii_case(b"100-continue") {
            self.expect_continue = true;
        } else {
            self.expects_other = true;
        }
    }

    fn connection(&mut self, value: &[u8]) {
        for token in value.split(|&octet| octet == b',').map(<[u8]>::trim_ascii) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn content_type(&mut self, value: &[u8]) {
        self.content_types = self.content_types.saturating_add(1);
        self.media_type_is_right = is_text_xml(value);
    }

    fn judge(self, request: &httparse::Request<'_, 'a>, head_octets: usize) -> HeadOutcome<'a> {
        let is_1_1 = request.version == Some(1);
        let expect_continue = is_1_1 && self.expect_continue;
        //= push http kept
        let keep_alive = !self.close && (is_1_1 || self.keep_alive);
        let announce_keep_alive = keep_alive && !is_1_1;
        let refuse = |code: Code, status: u16, end_is_known: bool| {
            let body_octets = self.content_length.unwrap_or(0);
            // A client that waits for "100 Continue" may send its body after the refusal or may
            // not: nobody can tell where its next request would begin.
            let readable = end_is_known
                && keep_alive
                && !self.transfer_encoding
                && !(expect_continue && body_octets > 0)
                && body_octets <= BODY_OCTETS_MAX as u64;
            HeadOutcome::Refused(HttpRefusal {
                code,
                status,
                close: !readable,
                allow_post: status == 405,
                announce_keep_alive: readable && announce_keep_alive,
                head_only: request.method == Some("HEAD"),
                skip_octets: readable.then(|| head_octets + body_octets as usize),
            })
        };
        let Some(path) = path_of(request.path.unwrap_or_default().as_bytes()) else {
            return HeadOutcome::Refused(malformed(request.method == Some("HEAD")));
        };
        //= push http resource
        if !is_our_path(path) {
            return refuse(Code::PATH_OR_METHOD, 404, true);
        }
        if request.method != Some("POST") {
            return refuse(Code::PATH_OR_METHOD, 405, true);
        }
        if is_1_1 && self.expects_other {
            return refuse(Code::NOT_FLAT_FORM, 417, false);
        }
        if self.content_types != 1 || !self.media_type_is_right || self.content_encoding {
            return refuse(Code::MEDIA_TYPE, 415, true);
        }
        //= push http length
        let body_octets = match self.content_length {
            Some(length) if !self.transfer_encoding => length,
            _ => return refuse(Code::NO_CONTENT_LENGTH, 411, false),
        };
        //= push http length
        if body_octets > BODY_OCTETS_MAX as u64 {
            return refuse(Code::TOO_LARGE, 413, false);
        }
        HeadOutcome::Complete(RequestHead {
            head_octets,
            body_octets: body_octets as usize,
            keep_alive,
            announce_keep_alive,
            authorization: self.authorization,
            expect_continue,
        })
    }
}

/// The path of a request target, which may be in absolute form; `None` if that names no host.
fn path_of(target: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"http://";
    if target.first() == Some(&b'/') || target.len() < SCHEME.len() {
        return Some(target);
    }
    let (scheme, rest) = target.split_at(SCHEME.len());
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Some(target);
    }
    let (host, path) =
        rest.split_at(rest.iter().position(|&octet| octet == b'/').unwrap_or(rest.len()));
    is_host(host).then_some(if path.is_empty() { b"/".as_slice() } else { path })
}

/// Whether a path is ours, with any of its letters percent-encoded.
fn is_our_path(path: &[u8]) -> bool {
    path == PATH || memchr(b'%', path).is_some() && is_our_path_decoded(path)
}

#[cold]
fn is_our_path_decoded(path: &[u8]) -> bool {
    let mut rest = path;
    let same = PATH.iter().all(|&wanted| {
        let (octet, after) = match rest {
            [b'%', high, low, after @ ..] => {
                let digit = |octet: u8| char::from(octet).to_digit(16);
                let octet =
                    digit(*high).zip(digit(*low)).map(|(high, low)| (high << 4 | low) as u8);
                // A slash that is encoded parts nothing.
                (octet.filter(u8::is_ascii_alphanumeric), after)
            }
            [octet, after @ ..] => (Some(*octet), after),
            [] => return false,
        };
        rest = after;
        octet == Some(wanted)
    });
    same && rest.is_empty()
}

/// A host that is not empty, with a port or without, as far as its characters tell.
fn is_host(value: &[u8]) -> bool {
    const NEVER: &[u8] = b"/?#@\\<>\"^`{|},";
    value.first().is_some_and(|&first| first != b':')
        && value.iter().all(|octet| octet.is_ascii_graphic() && !NEVER.contains(octet))
}

/// Plain digits; a number beyond every limit reads as `u64::MAX`.
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    let mut length = 0u64;
    for &digit in value {
        if !digit.is_ascii_digit() {
            return None;
        }
        length = length.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    Some(length)
}

/// `text/xml`, alone or with the one parameter `charset=UTF-8`, quoted or not; letter case does not
/// matter.
//= push http media type
fn is_text_xml(value: &[u8]) -> bool {
    let mut parts = value.split(|&octet| octet == b';').map(<[u8]>::trim_ascii);
    if !parts.next().is_some_and(|media| media.eq_ignore_ascii_case(b"text/xml")) {
        return false;
    }
    let mut charsets = 0;
    for parameter in parts {
        // RFC 9110 lets an empty parameter stand between two semicolons or at the end.
        if parameter.is_empty() {
            continue;
        }
        let Some(equals) = parameter.iter().position(|&octet| octet == b'=') else { return false };
        let name = parameter[..equals].trim_ascii();
        let value = parameter[equals + 1..].trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
        if !name.eq_ignore_ascii_case(b"charset") || !value.eq_ignore_ascii_case(b"utf-8") {
            return false;
        }
        charsets += 1;
    }
    charsets <= 1
}

#[cfg(test)]
mod tests;
