//! The push client's side of the interface: renders what a push client sends (E1, E3, E6, E8) and
//! reads what it receives (E2, E4, E5, E7). Used by the load generator, the tests and the examples,
//! never by the gateway itself.
//!
//! HTTP responses are read with [`super::notify::read_response`], whichever side they come from.

use super::entities;
use super::limits::NOTIFICATION_ID_OCTETS_MAX;
use super::limits::{ALERT_ID_OCTETS_MAX, BODY_OCTETS_MAX, HEAD_OCTETS_MAX, HEADERS_MAX};
use super::message::{Message, octet_digits, parse_number, parse_octet};
use super::notify::Notification;
use super::response::{Answer, CONTENT_TYPE, DECLARATION, Line};
use super::scan::{Alert, CancelTarget};
use crate::terms::calendar;
use crate::terms::code::Code;
use crate::terms::domain::Domain;
use crate::terms::ids::{Class, Msn, Reqid, Xpid, is_a_type};
use std::mem::MaybeUninit;

pub use super::message::MessageError;
pub use super::notify::{Body, ClientResponse, ResponseOutcome, read_response};

/// The elements of a push request. Values are written as they are given: a test may give wrong
/// ones.
#[derive(Clone, Copy, Debug)]
pub struct PushFields<'a> {
    /// The last two digits of `comway`.
    pub class: Class,
    /// The destination.
    pub msn: Msn,
    /// 1 to 23 octets of type A.
    pub reqid: &'a [u8],
    /// `svcid`.
    pub xpid: Xpid,
    /// `lifetime`: hours, 0 to 72.
    pub lifetime_hours: u8,
    /// `pid`.
    pub protocol_identifier: Option<u8>,
    /// `dcs`.
    pub coding_scheme: Option<u8>,
    /// `udh`: the octets, the length octet first.
    pub user_data_header: Option<&'a [u8]>,
    /// `oadr`.
    pub sender: Option<&'a [u8]>,
    /// `dlvntf`.
    pub wants_notification: Option<bool>,
    /// `expiry`, Unix milliseconds; the wire carries whole seconds.
    pub expiry_ms: Option<u64>,
    /// `alertid` and `alertseq`.
    pub alert: Option<Alert<'a>>,
    /// `ctrlflg` and `data`.
    pub content: PushContent<'a>,
}

/// What a push carries.
#[derive(Clone, Copy, Debug)]
pub enum PushContent<'a> {
    /// A control push, its octets.
    Octets(&'a [u8]),
    /// A control push, its hex digits as they stand.
    Hex(&'a [u8]),
    /// A text push; `&`, `<` and `>` are written as references.
    Text(&'a str),
}

impl<'a> PushFields<'a> {
    /// A standard push for one hour without optional elements.
    pub fn new(xpid: Xpid, msn: Msn, reqid: &'a [u8], content: PushContent<'a>) -> Self {
        Self {
            class: Class::Standard,
            msn,
            reqid,
            xpid,
            lifetime_hours: 1,
            protocol_identifier: None,
            coding_scheme: None,
            user_data_header: None,
            sender: None,
            wants_notification: None,
            expiry_ms: None,
            alert: None,
            content,
        }
    }
}

/// Appends the body of E1 to `out`, in the canonical order with CRLF line ends.
pub fn write_push(out: &mut Vec<u8>, push: &PushFields<'_>) {
    out.extend_from_slice(DECLARATION);
    element(out, "fncid", b"0101");
    write_front(out, push.class, push.msn, push.reqid, push.xpid);
    element(out, "lifetime", &two_digits(push.lifetime_hours));
    element(out, "ctrlflg", if matches!(push.content, PushContent::Text(_)) { b"1" } else { b"0" });
    if let Some(identifier) = push.protocol_identifier {
        element(out, "pid", &octet_digits(identifier));
    }
    if let Some(scheme) = push.coding_scheme {
        element(out, "dcs", &octet_digits(scheme));
    }
    if let Some(header) = push.user_data_header {
        out.extend_from_slice(b"<udh>");
        write_hex(out, header);
        out.extend_from_slice(b"</udh>\r\n");
    }
    if let Some(sender) = push.sender {
        element(out, "oadr", sender);
    }
    if let Some(wanted) = push.wants_notification {
        element(out, "dlvntf", if wanted { b"1" } else { b"0" });
    }
    if let Some(expiry_ms) = push.expiry_ms {
        element(out, "expiry", &calendar::jst_digits(expiry_ms));
    }
    if let Some(alert) = push.alert {
        element(out, "alertid", alert.id);
        element(out, "alertseq", &two_digits(alert.sequence));
    }
    out.extend_from_slice(b"<data>");
    match push.content {
        PushContent::Octets(octets) => write_hex(out, octets),
        PushContent::Hex(digits) => out.extend_from_slice(digits),
        PushContent::Text(text) => entities::encode_entities(out, text),
    }
    out.extend_from_slice(b"</data>\r\n");
}

/// Appends the body of E3 to `out`.
pub fn write_cancel(out: &mut Vec<u8>, class: Class, xpid: Xpid, target: &CancelTarget<'_>) {
    out.extend_from_slice(DECLARATION);
    element(out, "fncid", b"0201");
    match target {
        CancelTarget::Push { msn, reqid } => write_front(out, class, *msn, reqid.as_bytes(), xpid),
        CancelTarget::Alert { reqid, alert_id } => {
            write_front(out, class, Msn::ALL, reqid.as_bytes(), xpid);
            element(out, "alertid", alert_id);
        }
    }
}

/// Appends a whole HTTP request to `out`: `POST /smsgw/` with this body. `authority` is host and
/// port; `token`, if given, goes into `Authorization: Bearer`.
pub fn write_request(out: &mut Vec<u8>, authority: &str, token: Option<&str>, body: &[u8]) {
    out.extend_from_slice(b"POST /smsgw/ HTTP/1.1\r\nHost: ");
    out.extend_from_slice(authority.as_bytes());
    if let Some(token) = token {
        out.extend_from_slice(b"\r\nAuthorization: Bearer ");
        out.extend_from_slice(token.as_bytes());
    }
    write_entity(out, body);
}

/// Reads the body of E2 or E4. Empty `msn`, `reqid` and `svcid` read as `None`.
///
/// # Errors
/// When the body is not the flat form or an element is missing, repeated or outside its type.
pub fn read_answer(body: &[u8]) -> Result<Answer, MessageError> {
    let message = Message::read(body, &["msn", "reqid", "svcid", "sepmaxnum", "code"])?;
    Ok(Answer {
        msn: message.unless_empty(0, Msn::parse)?,
        reqid: message.unless_empty(1, Reqid::parse)?,
        xpid: message.unless_empty(2, Xpid::parse)?,
        segments: message.required(3, parse_count)?,
        code: message.required(4, Code::parse)?,
    })
}

/// The head of a request that a push client's server received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotificationHead {
    /// Not a whole head yet.
    Partial,
    /// A POST with a known length.
    Complete {
        /// Octets of the head; the body begins there.
        head_octets: usize,
        /// Octets of the body.
        body_octets: usize,
        /// Whether the connection stays open.
        keep_alive: bool,
    },
    /// Not a notification: close the connection.
    Malformed,
}

/// Reads the head of a notification request, whatever its path.
pub fn read_notification_head(buffer: &[u8]) -> NotificationHead {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let window = &buffer[..buffer.len().min(HEAD_OCTETS_MAX)];
    let head_octets = match request.parse_with_uninit_headers(window, &mut headers) {
        Ok(httparse::Status::Complete(octets)) => octets,
        Ok(httparse::Status::Partial) if buffer.len() < HEAD_OCTETS_MAX => {
            return NotificationHead::Partial;
        }
        _ => return NotificationHead::Malformed,
    };
    let header = |wanted: &str| {
        request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(wanted))
    };
    let length = header("content-length").and_then(|header| parse_number(header.value));
    match length {
        Some(length) if request.method == Some("POST") && length as usize <= BODY_OCTETS_MAX => {
            let close = header("connection")
                .is_some_and(|header| header.value.eq_ignore_ascii_case(b"close"));
            let keep_alive = request.version == Some(1) && !close;
            NotificationHead::Complete { head_octets, body_octets: length as usize, keep_alive }
        }
        _ => NotificationHead::Malformed,
    }
}

const NOTIFICATION_ELEMENTS: &[&str; 15] = &[
    "fncid",
    "comway",
    "msn",
    "reqid",
    "svcid",
    "sepmaxnum",
    "code",
    "dlvnum",
    "cnclnum",
    "cmptime",
    "ntfid",
    "trynum",
    "domain",
    "tpst",
    "alertid",
];

/// Reads the body of E5 or E7.
///
/// # Errors
/// When the body is not the flat form or an element is missing, repeated or outside its type.
pub fn read_notification(body: &[u8]) -> Result<Notification<'_>, MessageError> {
    let message = Message::read(body, NOTIFICATION_ELEMENTS)?;
    let cancellation = message.required(0, parse_notification_function)?;
    let withdrawn = message.optional(8, parse_count)?;
    if cancellation && withdrawn.is_none() {
        return Err(MessageError::Missing("cnclnum"));
    }
    Ok(Notification {
        cancellation,
        class: message.required(1, parse_notification_class)?,
        msn: message.required(2, Msn::parse)?,
        reqid: message.required(3, |text| Reqid::parse(text).map(|_| text))?,
        xpid: message.required(4, Xpid::parse)?,
        segments: message.required(5, parse_count)?,
        code: message.required(6, Code::parse)?,
        delivered: message.required(7, parse_count)?,
        withdrawn: withdrawn.unwrap_or(0),
        completed_ms: message.required(9, calendar::parse_jst_digits)?,
        notification_id: message.required(10, |text| a_type(text, NOTIFICATION_ID_OCTETS_MAX))?,
        try_number: message.required(11, |text| {
            parse_number(text).and_then(|number| u16::try_from(number).ok())
        })?,
        domain: message.optional(12, parse_domain)?,
        tp_status: message.optional(13, parse_octet)?,
        alert_id: message.optional(14, |text| a_type(text, ALERT_ID_OCTETS_MAX))?,
    })
}

/// Appends the body of E6 or E8 to `out`.
pub fn write_acknowledgement(out: &mut Vec<u8>, msn: Msn, reqid: &[u8], xpid: Xpid, code: Code) {
    out.extend_from_slice(DECLARATION);
    element(out, "msn", &msn.digits());
    element(out, "reqid", reqid);
    element(out, "svcid", &xpid.digits());
    element(out, "code", &code.digits());
}

/// Appends a whole HTTP response with status 200 and this body (E6, E8) to `out`.
pub fn write_acknowledgement_response(out: &mut Vec<u8>, body: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 200 OK");
    write_entity(out, body);
}

/// Content-Type, Content-Length, the empty line and the body.
fn write_entity(out: &mut Vec<u8>, body: &[u8]) {
    out.extend_from_slice(b"\r\nContent-Type: ");
    out.extend_from_slice(CONTENT_TYPE.as_bytes());
    out.extend_from_slice(b"\r\nContent-Length: ");
    let mut length = Line::<20>::new();
    length.put_number(body.len() as u64);
    out.extend_from_slice(length.octets());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

/// `comway`, `msn`, `reqid` and `svcid`, which every request has.
fn write_front(out: &mut Vec<u8>, class: Class, msn: Msn, reqid: &[u8], xpid: Xpid) {
    element(out, "comway", &[b'1', b'1', b'0', b'0' + class.number()]);
    element(out, "msn", &msn.digits());
    element(out, "reqid", reqid);
    element(out, "svcid", &xpid.digits());
}

fn element(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
    out.extend_from_slice(text);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b">\r\n");
}

fn write_hex(out: &mut Vec<u8>, octets: &[u8]) {
    for &octet in octets {
        out.extend_from_slice(&octet_digits(octet));
    }
}

fn two_digits(number: u8) -> [u8; 2] {
    [b'0' + number / 10 % 10, b'0' + number % 10]
}

fn parse_count(text: &[u8]) -> Option<u8> {
    parse_number(text).and_then(|number| u8::try_from(number).ok())
}

fn parse_notification_function(text: &[u8]) -> Option<bool> {
    match text {
        b"0301" => Some(false),
        b"0401" => Some(true),
        _ => None,
    }
}

fn parse_notification_class(text: &[u8]) -> Option<Class> {
    match text {
        [b'2', b'1', b'0', class @ b'0'..=b'9'] => Class::from_number(class - b'0'),
        _ => None,
    }
}

fn parse_domain(text: &[u8]) -> Option<Domain> {
    match text {
        b"CS" => Some(Domain::Cs),
        b"PS" => Some(Domain::Ps),
        _ => None,
    }
}

fn a_type(text: &[u8], octets_max: usize) -> Option<&[u8]> {
    let legal =
        !text.is_empty() && text.len() <= octets_max && text.iter().all(|&octet| is_a_type(octet));
    legal.then_some(text)
}

#[cfg(test)]
mod tests;
