//! What holds for the room as a whole: no octets make it panic, and what one side writes the other
//! reads.

use super::client::{self, NotificationHead, PushContent, PushFields};
use super::notify::{ResponseOutcome, read_acknowledgement, read_response};
use super::samples;
use super::scan::{CancelTarget, Request, scan};
use crate::http::{HeadMemory, HeadOutcome, read_head};
use crate::terms::ids::{Class, Msn, Reqid, Xpid};
use proptest::prelude::*;

/// Octets that look like the interface's own more often than chance would.
fn likely_octets() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "<?xml version = \"1.0\" ?>\r\n",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<fncid>",
        "0101",
        "0201",
        "</fncid>",
        "<comway>1101</comway>",
        "<msn>09012345678</msn>\r\n",
        "<reqid>r-1</reqid>",
        "<svcid>00100000001</svcid>\n",
        "<lifetime>05</lifetime>",
        "<ctrlflg>",
        "0",
        "1",
        "</ctrlflg>",
        "<data>",
        "</data>",
        "&amp;",
        "&#x1F600;",
        "&",
        "<",
        ">",
        "</",
        "\r\n",
        "\n",
        " ",
        "<!--",
        "<![CDATA[",
        "POST /smsgw/ HTTP/1.1\r\n",
        "Content-Length: ",
        "163",
        "\r\n\r\n",
        "Content-Type: text/xml; charset=UTF-8\r\n",
        "Transfer-Encoding: chunked\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "Connection: close\r\n",
        "Retry-After: 5\r\n",
        "Expect: 100-continue\r\n",
        "<code>0000</code>",
        "<expiry>20261122223430</expiry>",
        "<udh>060504",
        "<alertid>a</alertid><alertseq>01</alertseq>",
    ]);
    let piece = prop_oneof![
        6 => pieces.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_octets_make_a_reader_panic(octets in likely_octets()) {
        let _ = scan(&octets).map_err(|refusal| refusal.answer());
        let _ = read_head(&octets);
        let _ = HeadMemory::new().read(&octets);
        let _ = read_acknowledgement(&octets);
        let _ = client::read_answer(&octets);
        let _ = client::read_notification(&octets);
        let _ = client::read_notification_head(&octets);
        for at_end in [false, true] {
            if let ResponseOutcome::Complete(response) = read_response(&octets, at_end) {
                prop_assert!(response.octets <= octets.len());
                let mut scratch = vec![0; octets.len()];
                prop_assert!(response.body.joined(&mut scratch).is_some());
                let _ = response.body.joined(&mut []);
            }
        }
    }

    #[test]
    fn raw_octets_make_no_reader_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = scan(&octets);
        let _ = read_head(&octets);
        let _ = read_response(&octets, true);
    }
}

#[test]
fn a_push_that_a_client_writes_is_read_as_it_was_meant() {
    let xpid = Xpid::parse(b"00100000001").expect("legal");
    let msn = Msn::parse(b"09012345678").expect("legal");
    let push = PushFields {
        class: Class::Emergency,
        lifetime_hours: 72,
        protocol_identifier: Some(0x41),
        coding_scheme: Some(0x18),
        user_data_header: Some(&[6, 5, 4, 0x0b, 0x84, 0x23, 0xf0]),
        sender: Some(b"Hayauma"),
        wants_notification: Some(false),
        expiry_ms: Some(1_795_354_470_000),
        alert: Some(super::scan::Alert { id: b"quake-1", sequence: 7 }),
        ..PushFields::new(xpid, msn, b"r-1", PushContent::Text("地震 <5+> & 津波"))
    };
    let mut body = Vec::new();
    client::write_push(&mut body, &push);
    let Ok(Request::Push(read)) = scan(&body) else { panic!("{:?}", scan(&body)) };
    assert_eq!((read.class, read.msn, read.xpid, read.lifetime_hours), (push.class, msn, xpid, 72));
    assert_eq!(read.reqid.as_bytes(), push.reqid);
    assert_eq!(
        (read.protocol_identifier, read.coding_scheme),
        (push.protocol_identifier, push.coding_scheme)
    );
    assert_eq!(read.udh_hex, Some(&b"0605040B8423F0"[..]));
    assert_eq!((read.sender, read.wants_notification), (push.sender, push.wants_notification));
    assert_eq!((read.expiry_ms, read.alert), (push.expiry_ms, push.alert));
    let mut scratch = [0; 128];
    assert_eq!(super::scan::decode_entities(read.data, &mut scratch), Ok("地震 <5+> & 津波"));
}

#[test]
fn a_cancellation_that_a_client_writes_is_read_as_it_was_meant() {
    let xpid = Xpid::parse(b"00100000001").expect("legal");
    let reqid = Reqid::parse(b"r-1").expect("legal");
    let targets = [
        CancelTarget::Push { msn: Msn::parse(b"09012345678").expect("legal"), reqid },
        CancelTarget::Alert { reqid, alert_id: b"quake-1" },
    ];
    for target in targets {
        let mut body = Vec::new();
        client::write_cancel(&mut body, Class::Urgent, xpid, &target);
        let Ok(Request::Cancel(read)) = scan(&body) else { panic!("{:?}", scan(&body)) };
        assert_eq!((read.xpid, read.target), (xpid, target));
    }
}

#[test]
fn the_request_a_client_writes_is_accepted_whole() {
    let mut request = Vec::new();
    client::write_request(&mut request, "127.0.0.1:8080", Some("secret"), samples::CANONICAL);
    let HeadOutcome::Complete(head) = read_head(&request) else {
        panic!("{:?}", read_head(&request))
    };
    assert_eq!(head.authorization, Some(&b"Bearer secret"[..]));
    assert!(head.keep_alive && !head.expect_continue);
    assert_eq!(&request[head.head_octets..], samples::CANONICAL);
    assert_eq!(head.body_octets, samples::CANONICAL.len());
    assert!(matches!(
        client::read_notification_head(&request),
        NotificationHead::Complete { keep_alive: true, .. }
    ));
}
