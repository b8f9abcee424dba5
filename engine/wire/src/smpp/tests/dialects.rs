//! Receipts as SMSCs write them.

use super::samples::submit;
use crate::smpp::coding::EsmClass;
use crate::smpp::limits::RECEIPT_TEXT_OCTETS_MAX;
use crate::smpp::pdu::Message;
use crate::smpp::receipt::{MessageState, NetworkError, Receipt, ReceiptText};
use crate::smpp::tlv::{Tag, TlvWriter, Tlvs};
use crate::terms::calendar::Civil;

fn receipt<'a>(text: &'a [u8], tlvs: Tlvs<'a>) -> Receipt<'a> {
    let message = Message { esm_class: EsmClass::RECEIPT, short_message: text, tlvs, ..submit() };
    Receipt::of_message(&message).expect("a receipt")
}

fn read(text: &str) -> Receipt<'_> {
    receipt(text.as_bytes(), Tlvs::NONE)
}

fn date(hour: u8, minute: u8, second: u8) -> Option<Civil> {
    Some(Civil { year: 2026, month: 11, day: 22, hour, minute, second })
}

#[test]
fn the_text_of_the_appendix_is_read_whole() {
    let text = "id:0123456789 sub:003 dlvrd:002 submit date:2611222234 done date:2611222235 \
        stat:DELIVRD err:000 text:Hello: id:9 stat:EXPIRED";
    let read = read(text);
    assert_eq!(read.id, Some(&b"0123456789"[..]));
    assert_eq!((read.submitted(), read.delivered()), (Some(3), Some(2)));
    assert_eq!((read.submit_date(), read.done_date()), (date(22, 34, 0), date(22, 35, 0)));
    assert_eq!((read.state, read.unknown_word), (Some(MessageState::Delivered), None));
    assert_eq!(read.error, Some(&b"000"[..]));
    assert_eq!(read.text, Some(&b"Hello: id:9 stat:EXPIRED"[..]), "the message may say anything");
}

/// Each differs from the appendix as some SMSC does.
#[test]
fn every_dialect_tells_the_id_and_the_state() {
    use MessageState::{Accepted, Delivered, Enroute, Expired, Rejected, Undeliverable};
    for (text, id, state, error) in [
        (
            "id:a-b sub:1 dlvrd:1 submit date:261122223430 done date:20261122223430 stat:DELIVRD \
             err:0000 Text:x",
            "a-b",
            Delivered,
            Some("0000"),
        ),
        ("ID:7 STAT:delivrd ERR:0 TEXT:", "7", Delivered, Some("0")),
        ("stat:EXPIRED id:7", "7", Expired, None),
        ("id: 7 stat: UNDELIV err: 027", "7", Undeliverable, Some("027")),
        ("id :7 stat :REJECTD", "7", Rejected, None),
        (
            "id:7 submit date:0000000000 done date:0000000000 stat:FAILED err:12345678 Text:",
            "7",
            Undeliverable,
            Some("12345678"),
        ),
        ("id:7 stat:BUFFERD err:123456789", "7", Enroute, None),
        ("id:7 submit_date:2611222234 stat:ACCEPTED", "7", Accepted, None),
        ("err: id:7 sub: stat:DELIVRD", "7", Delivered, None),
        ("text:hello id:7 stat:DELIVRD", "7", Delivered, None),
        ("junk 5 id:7\r\nstat:DELIVRD\0", "7", Delivered, None),
        ("id:7 id:8 stat:DELIVRD stat:EXPIRED", "7", Delivered, None),
    ] {
        let read = read(text);
        assert_eq!(read.id, Some(id.as_bytes()), "{text}");
        assert_eq!(read.state, Some(state), "{text}");
        assert_eq!(read.error, error.map(str::as_bytes), "{text}");
    }
    let dates = read("id:7 submit date:261122223430 done date:20261122223431 stat:DELIVRD");
    assert_eq!((dates.submit_date(), dates.done_date()), (date(22, 34, 30), date(22, 34, 31)));
    let unknown = read("id:7 stat:WEIRD");
    assert_eq!((unknown.state, unknown.unknown_word), (None, Some(&b"WEIRD"[..])));
    let repeated = read("id:7 err:000 text:stat:DELIVRD sub:009");
    assert_eq!(
        (repeated.state, repeated.submitted()),
        (None, None),
        "a message's text is no receipt"
    );
    for nothing in ["", "id:", ":", "text:", "identity:7 status:DELIVRD", "id7 stat"] {
        let read = read(nothing);
        assert_eq!((read.id, read.state), (None, None), "{nothing}");
    }
}

#[test]
fn tlvs_come_before_the_text() {
    let mut space = [0; 128];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.text(Tag::RECEIPTED_MESSAGE_ID, b"tlv-id")
        .octet(Tag::MESSAGE_STATE, 5)
        .octets(Tag::NETWORK_ERROR_CODE, &[3, 1, 2])
        .short(Tag::USER_MESSAGE_REFERENCE, 513);
    let read = receipt(b"id:text-id stat:DELIVRD err:001", tlvs.finish().expect("room"));
    assert_eq!(read.id, Some(&b"tlv-id"[..]));
    assert_eq!(read.state, Some(MessageState::Undeliverable));
    assert_eq!(read.network_error, Some(NetworkError { network: 3, code: 258 }));
    assert_eq!((read.user_message_reference, read.error), (Some(513), Some(&b"001"[..])));
}

#[test]
fn odd_tlvs_are_read_and_empty_ones_leave_the_text_its_say() {
    let mut space = [0; 300];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.octets(Tag::RECEIPTED_MESSAGE_ID, &[b'7'; 70]).short(Tag::MESSAGE_STATE, 8);
    let read = receipt(b"", tlvs.finish().expect("room"));
    assert_eq!((read.id, read.state), (Some(&[b'7'; 70][..]), Some(MessageState::Rejected)));
    let mut space = [0; 300];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.text(Tag::RECEIPTED_MESSAGE_ID, b"")
        .octet(Tag::MESSAGE_STATE, 99)
        .octets(Tag::NETWORK_ERROR_CODE, b"x");
    let read = receipt(b"id:7 stat:DELIVRD", tlvs.finish().expect("room"));
    assert_eq!((read.id, read.state), (Some(&b"7"[..]), Some(MessageState::Delivered)));
    assert_eq!(read.network_error, None);
}

#[test]
fn a_receipt_is_found_in_the_payload_and_behind_a_header_and_by_its_class_alone() {
    let mut space = [0; 128];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.octets(Tag::MESSAGE_PAYLOAD, b"id:7 stat:DELIVRD");
    assert_eq!(receipt(b"", tlvs.finish().expect("room")).id, Some(&b"7"[..]));
    let text = b"\x02\x00\x00id:7 stat:ENROUTE";
    let message = Message { esm_class: EsmClass(0x60), short_message: text, ..submit() };
    let read = Receipt::of_message(&message).expect("a receipt");
    assert_eq!((read.id, read.is_intermediate), (Some(&b"7"[..]), true));
    assert!(!read.state.is_some_and(MessageState::is_final));
    let message = Message { esm_class: EsmClass::DEFAULT, short_message: text, ..submit() };
    assert_eq!(Receipt::of_message(&message), None);
    let overrun = Message { esm_class: EsmClass(0x44), short_message: &[200, 1], ..submit() };
    assert_eq!(Receipt::of_message(&overrun).expect("a receipt").id, None);
}

#[test]
fn what_is_written_is_read_back_and_as_the_appendix_has_it() {
    const DONE_MS: u64 = 1_795_354_470_000;
    let written = ReceiptText {
        id: b"9223372036854775807",
        submitted: 1,
        delivered: 1,
        submit_ms: DONE_MS - 60_000,
        done_ms: DONE_MS,
        zone_minutes: 540,
        state: MessageState::Delivered,
        error: *b"000",
        text: b"a text of more than twenty octets",
    };
    let mut out = [0; RECEIPT_TEXT_OCTETS_MAX];
    let octets = written.write(&mut out).expect("room");
    let expected = "id:9223372036854775807 sub:001 dlvrd:001 submit date:2611222233 done \
        date:2611222234 stat:DELIVRD err:000 text:a text of more than ";
    assert_eq!(std::str::from_utf8(&out[..octets]), Ok(expected));
    let back = receipt(&out[..octets], Tlvs::NONE);
    assert_eq!(
        (back.id, back.state),
        (Some(&b"9223372036854775807"[..]), Some(MessageState::Delivered))
    );
    assert_eq!((back.submit_date(), back.done_date()), (date(22, 33, 0), date(22, 34, 0)));
    let longest = ReceiptText { id: &[b'7'; 64], submitted: 5000, ..written };
    assert!(longest.write(&mut out).is_some(), "the longest fits");
    assert_eq!(written.write(&mut out[..octets - 1]), None);
    for number in 0..10 {
        let state = MessageState::from_number(number).expect("a state");
        assert_eq!(MessageState::from_word(state.word().as_bytes()), Some(state));
        assert_eq!(u32::from(state.number()), number);
    }
    assert_eq!(MessageState::from_number(10), None);
}
