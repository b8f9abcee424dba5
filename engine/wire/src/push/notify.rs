//! The way back: the notifications E5 and E7 that the gateway sends, and the responses E6 and E8
//! that it reads.
//!
//! A notification ends its resends when the push client answers HTTP 2xx *and* the body says 0000;
//! both are read here, from any octets that the other side may send.

mod arrival;
mod reader;

use super::limits::NOTIFICATION_BODY_OCTETS_MAX;
use super::message::{Message, octet_digits};
use super::response::{DECLARATION, Line};
use crate::push::notify_url::NotifyUrl;
use crate::push::sign::{Secret, write_signature};
use crate::terms::calendar;
use crate::terms::code::Code;
use crate::terms::domain::Domain;
use crate::terms::ids::{Class, Msn, REQID_OCTETS_MAX, Reqid, Xpid};

pub use super::message::MessageError;
pub use arrival::Arrival;
pub use reader::{Body, ClientResponse, ResponseOutcome, read_response};

/// E5, or E7 when `cancellation`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Notification<'a> {
    /// Whether a cancellation was accepted for the push: E7, fncid 0401.
    pub cancellation: bool,
    /// The push's class.
    pub class: Class,
    /// The push's destination.
    pub msn: Msn,
    /// The push's id, 1 to 23 octets of type A.
    pub reqid: &'a [u8],
    /// `svcid`.
    pub xpid: Xpid,
    /// `sepmaxnum`: segments of the push, 1 to 10.
    pub segments: u8,
    /// How the push ended.
    pub code: Code,
    /// `dlvnum`: segments delivered.
    pub delivered: u8,
    /// `cnclnum`: segments withdrawn; only E7 carries it.
    pub withdrawn: u8,
    /// `cmptime`, Unix milliseconds; the wire carries whole seconds.
    pub completed_ms: u64,
    /// `ntfid`: 1 to 20 octets of type A, the same on each resend.
    pub notification_id: &'a [u8],
    /// `trynum`: 1 on the first send.
    pub try_number: u16,
    /// Where known.
    pub domain: Option<Domain>,
    /// `tpst`: TP-Status of the report, where known.
    pub tp_status: Option<u8>,
    /// Where known.
    pub alert_id: Option<&'a [u8]>,
}

/// The push that a notification is about, as its acknowledgement has to name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject {
    msn: Msn,
    xpid: Xpid,
    reqid: [u8; REQID_OCTETS_MAX],
    reqid_octets: u8,
}

impl Subject {
    /// What `notification` is about.
    pub fn of(notification: &Notification<'_>) -> Self {
        let mut reqid = [0; REQID_OCTETS_MAX];
        let octets = notification.reqid.len().min(REQID_OCTETS_MAX);
        reqid[..octets].copy_from_slice(&notification.reqid[..octets]);
        Self { msn: notification.msn, xpid: notification.xpid, reqid, reqid_octets: octets as u8 }
    }

    /// Whether `acknowledgement` names it: msn, reqid and svcid.
    //= push notify acknowledged
    pub fn is_named_by(&self, acknowledgement: &Acknowledgement) -> bool {
        self.msn == acknowledgement.msn
            && self.xpid == acknowledgement.xpid
            && acknowledgement.reqid.as_bytes() == &self.reqid[..usize::from(self.reqid_octets)]
    }
}

/// Appends the whole HTTP request to `out`: POST to the registration's URL, head and body.
pub fn write_notification(out: &mut Vec<u8>, url: &NotifyUrl, notification: &Notification<'_>) {
    write_signed_notification(out, url, notification, (&[], 0));
}

/// The same, signed under these secrets at that Unix time in seconds.
pub fn write_signed_notification(
    out: &mut Vec<u8>,
    url: &NotifyUrl,
    notification: &Notification<'_>,
    (secrets, unix_s): (&[Secret], u64),
) {
    let body = notification_body(notification);
    let mut length = Line::<24>::new();
    length.put_number(body.octets().len() as u64);
    length.put(b"\r\n");
    out.extend_from_slice(url.request_head().as_bytes());
    out.extend_from_slice(length.octets());
    write_signature(out, secrets, unix_s, body.octets());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.octets());
}

//= push notify elements
fn notification_body(notification: &Notification<'_>) -> Line<NOTIFICATION_BODY_OCTETS_MAX> {
    let mut line = Line::new();
    line.put(DECLARATION);
    line.put(if notification.cancellation {
        b"<fncid>0401</fncid>\r\n<comway>210"
    } else {
        b"<fncid>0301</fncid>\r\n<comway>210"
    });
    line.put_number(u64::from(notification.class.number()));
    line.put(b"</comway>\r\n<msn>");
    line.put(&notification.msn.digits());
    line.put(b"</msn>\r\n<reqid>");
    line.put(notification.reqid);
    line.put(b"</reqid>\r\n<svcid>");
    line.put(&notification.xpid.digits());
    line.put(b"</svcid>\r\n<sepmaxnum>");
    line.put_number(u64::from(notification.segments));
    line.put(b"</sepmaxnum>\r\n<code>");
    line.put(&notification.code.digits());
    line.put(b"</code>\r\n<dlvnum>");
    line.put_number(u64::from(notification.delivered));
    line.put(b"</dlvnum>\r\n");
    if notification.cancellation {
        line.put(b"<cnclnum>");
        line.put_number(u64::from(notification.withdrawn));
        line.put(b"</cnclnum>\r\n");
    }
    line.put(b"<cmptime>");
    line.put(&calendar::jst_digits(notification.completed_ms));
    line.put(b"</cmptime>\r\n<ntfid>");
    line.put(notification.notification_id);
    line.put(b"</ntfid>\r\n<trynum>");
    line.put_number(u64::from(notification.try_number));
    line.put(b"</trynum>\r\n");
    put_where_known(&mut line, notification);
    line
}

fn put_where_known(line: &mut Line<NOTIFICATION_BODY_OCTETS_MAX>, notification: &Notification<'_>) {
    match notification.domain {
        Some(Domain::Cs) => line.put(b"<domain>CS</domain>\r\n"),
        Some(Domain::Ps) => line.put(b"<domain>PS</domain>\r\n"),
        // A carrier does not say through which it went.
        Some(Domain::Carrier) => {}
        None => {}
    }
    if let Some(status) = notification.tp_status {
        line.put(b"<tpst>");
        line.put(&octet_digits(status));
        line.put(b"</tpst>\r\n");
    }
    if let Some(alert_id) = notification.alert_id {
        line.put(b"<alertid>");
        line.put(alert_id);
        line.put(b"</alertid>\r\n");
    }
}

/// E6 or E8: a push client's response to a notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledgement {
    /// As the notification had it.
    pub msn: Msn,
    /// As the notification had it.
    pub reqid: Reqid,
    /// As the notification had it.
    pub xpid: Xpid,
    /// Four digits; 0 ends the resends. Not limited to the codes that the gateway knows.
    pub code_number: u16,
}

/// Reads the body of E6 or E8. Elements may come in any order and unknown ones are passed over.
///
/// # Errors
/// When the body is not the flat form or one of its four elements is missing, repeated or outside
/// its type.
pub fn read_acknowledgement(body: &[u8]) -> Result<Acknowledgement, MessageError> {
    let message = Message::read(body, &["msn", "reqid", "svcid", "code"])?;
    Ok(Acknowledgement {
        msn: message.required(0, Msn::parse)?,
        reqid: message.required(1, Reqid::parse)?,
        xpid: message.required(2, Xpid::parse)?,
        code_number: message.required(3, parse_code_number)?,
    })
}

fn parse_code_number(text: &[u8]) -> Option<u16> {
    if text.len() != 4 {
        return None;
    }
    super::message::parse_number(text).map(|number| number as u16)
}

#[cfg(test)]
mod tests;
