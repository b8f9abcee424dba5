//! Reading delivery complete notifications (E5, E7) and answering them (E6, E8).

use crate::flat::{DECLARATION, Elements, number};
use std::io::Write;
use wire::terms::calendar::parse_jst_digits;

/// What the ledger needs of a notification. Texts are as they came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Notification<'a> {
    /// E7, about a cancellation, not E5.
    pub(crate) cancellation: bool,
    pub(crate) msn: &'a [u8],
    pub(crate) reqid: &'a [u8],
    pub(crate) xpid: &'a [u8],
    pub(crate) code: u16,
    /// `dlvnum`: segments delivered.
    pub(crate) delivered_segments: u32,
    /// `cmptime`: the second, in Unix time, in which the push ended.
    pub(crate) completed_unix_s: Option<u64>,
    /// `ntfid`, the same on each resend; empty where none came.
    pub(crate) notification_id: &'a [u8],
}

/// Reads a notification's body; `None` if an element that every notification has is missing or
/// senseless.
pub(crate) fn read(body: &[u8]) -> Option<Notification<'_>> {
    let mut event: &[u8] = b"";
    let mut code = None;
    let mut notification = Notification {
        cancellation: false,
        msn: b"",
        reqid: b"",
        xpid: b"",
        code: 0,
        delivered_segments: 0,
        completed_unix_s: None,
        notification_id: b"",
    };
    for (name, text) in Elements::of(body) {
        match name {
            b"fncid" => event = text,
            b"msn" => notification.msn = text,
            b"reqid" => notification.reqid = text,
            b"svcid" => notification.xpid = text,
            b"code" if text.len() == 4 => code = number(text),
            b"dlvnum" => notification.delivered_segments = number(text)?,
            b"cmptime" => {
                notification.completed_unix_s =
                    parse_jst_digits(text).map(|unix_ms| unix_ms / 1_000);
            }
            b"ntfid" => notification.notification_id = text,
            _ => {}
        }
    }
    notification.code = u16::try_from(code?).ok()?;
    notification.cancellation = match event {
        b"0301" => false,
        b"0401" => true,
        _ => return None,
    };
    let complete = !notification.msn.is_empty()
        && !notification.reqid.is_empty()
        && !notification.xpid.is_empty();
    complete.then_some(notification)
}

/// Appends the response that ends the resends of `notification`.
pub(crate) fn write_acknowledgement(target: &mut Vec<u8>, notification: &Notification<'_>) {
    const FIXED: usize = DECLARATION.len()
        + "<msn></msn>\r\n<reqid></reqid>\r\n<svcid></svcid>\r\n<code>0000</code>\r\n".len();
    let body_octets =
        FIXED + notification.msn.len() + notification.reqid.len() + notification.xpid.len();
    // Writing to a Vec cannot fail.
    let _ = write!(
        target,
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=UTF-8\r\n\
         Content-Length: {body_octets}\r\n\r\n{DECLARATION}"
    );
    let elements: [(&[u8], &[u8]); 4] = [
        (b"msn", notification.msn),
        (b"reqid", notification.reqid),
        (b"svcid", notification.xpid),
        (b"code", b"0000"),
    ];
    for (name, text) in elements {
        for part in [b"<", name, b">", text, b"</", name, b">\r\n"] {
            target.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::read_message;

    const BODY: &[u8] = b"<?xml version = \"1.0\" ?>\r\n<fncid>0301</fncid>\r\n\
        <comway>2101</comway>\r\n<msn>09012345678</msn>\r\n<reqid>r-1</reqid>\r\n\
        <svcid>00100000001</svcid>\r\n<sepmaxnum>2</sepmaxnum>\r\n<code>0000</code>\r\n\
        <dlvnum>2</dlvnum>\r\n<cmptime>20261122223430</cmptime>\r\n<ntfid>n7</ntfid>\r\n";

    #[test]
    fn a_notification_is_read_and_its_acknowledgement_has_the_length_it_states() {
        let notification = read(BODY).expect("legal");
        assert_eq!((notification.reqid, notification.code), (&b"r-1"[..], 0));
        assert_eq!(notification.completed_unix_s, Some(1_795_354_470));
        assert_eq!(
            (notification.delivered_segments, notification.notification_id),
            (2, &b"n7"[..])
        );
        let mut response = Vec::new();
        write_acknowledgement(&mut response, &notification);
        let head = read_message(&response).expect("legal").expect("complete");
        assert_eq!(head.octets(), response.len());
        let texts: Vec<_> =
            Elements::of(&response[head.head_octets..]).map(|(_, text)| text).collect();
        assert_eq!(texts, [&b"09012345678"[..], b"r-1", b"00100000001", b"0000"]);
    }

    #[test]
    fn a_body_that_lacks_what_every_notification_has_is_none() {
        let text = String::from_utf8_lossy(BODY);
        assert!(read(text.replace("0301", "0401").as_bytes()).expect("legal").cancellation);
        for missing in [
            "<code>0000</code>",
            "<reqid>r-1</reqid>",
            "<msn>09012345678</msn>",
            "<fncid>0301</fncid>",
        ] {
            assert_eq!(read(text.replace(missing, "").as_bytes()), None, "{missing}");
        }
        assert_eq!(read(text.replace("0301", "0101").as_bytes()), None);
    }
}
