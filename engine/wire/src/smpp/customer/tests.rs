//! Submissions of chosen messages, and the tables of statuses and states.

use super::*;
use crate::smpp::address::{Address, Country};
use crate::smpp::coding::{Alphabet, EsmClass};
use crate::smpp::pdu::Message;
use crate::smpp::receipt::{MessageState, Receipt};
use crate::smpp::status::Status;
use crate::smpp::tlv::{Tag, TlvWriter, Tlvs};
use crate::sms::segment::{Content, PlanOptions, plan};
use crate::submission::{Door, Receipts, Submission};
use crate::terms::code::Code;
use crate::terms::ids::{Class, Kind, Msn, Reqid, Xpid};

const NOW_MS: u64 = 1_795_354_470_000;

fn terms() -> Terms {
    Terms {
        xpid: Xpid::from_value(100_000_001).expect("legal"),
        alphabet: Alphabet::Gsm,
        country: Country::JAPAN,
        urgent: true,
        emergency: false,
    }
}

fn message() -> Message<'static> {
    Message {
        destination: Address { ton: 1, npi: 1, digits: b"819012345678" },
        short_message: b"hello",
        ..Message::default()
    }
}

fn own() -> Reqid {
    Reqid::parse(b"own").expect("of type A")
}

fn read<'a>(message: &Message<'a>, room: &'a mut Room) -> Result<Submission<'a>, Status> {
    submission(message, &terms(), own, NOW_MS, room)
}

#[track_caller]
fn refusal(message: Message<'_>) -> Status {
    read(&message, &mut Room::default()).expect_err("no push")
}

#[test]
fn a_message_becomes_the_push_that_it_asks_for() {
    let mut room = Room::default();
    let push = read(&message(), &mut room).expect("a push");
    assert_eq!(push.msn, Msn::parse(b"09012345678").expect("an msn"));
    assert_eq!((push.class, push.kind, push.reqid), (Class::Standard, Kind::Text, own()));
    assert_eq!(push.content, Ok(Content::Part(b"hello")), "one SMS of septets as they are");
    assert_eq!((push.coding_scheme, push.header), (Some(0), &[][..]));
    assert_eq!((push.lifetime_hours, push.expiry_ms), (24, None));
    assert_eq!((push.sender, push.alert, push.protocol_identifier), (None, None, None));
    let Door::Smpp(asked) = push.door else { panic!("by SMPP") };
    assert_eq!((asked.receipts, asked.reference), (Receipts::Nothing, None));
    assert!(!asked.is_national);
}

#[test]
fn validity_is_a_lifetime_and_an_expiry_of_three_days_at_most() {
    let of = |validity: &'static [u8], esm_class: u8| {
        let message =
            Message { validity_period: validity, esm_class: EsmClass(esm_class), ..message() };
        read(&message, &mut Room::default()).map(|push| (push.lifetime_hours, push.expiry_ms))
    };
    assert_eq!(of(b"", 0), Ok((24, None)));
    assert_eq!(of(b"", 1), Ok((0, None)), "a datagram is tried once");
    assert_eq!(of(b"000000010000000R", 0), Ok((72, Some(NOW_MS + 3_600_000))));
    assert_eq!(of(b"000010000000000R", 0), Ok((72, Some(NOW_MS + 72 * 3_600_000))));
    assert_eq!(of(b"000000010000000R", 1), Ok((0, Some(NOW_MS + 3_600_000))));
    assert_eq!(of(b"261122143430000+", 0), Ok((72, Some(NOW_MS + 3_600_000))));
    for past in [&b"261122133430000+"[..], b"000000000000000R", b"soon"] {
        assert_eq!(of(past.to_vec().leak(), 0), Err(Status::INVALID_EXPIRY));
    }
}

#[test]
fn priorities_are_lowered_to_what_the_registration_may() {
    let class = |priority_flag, emergency| {
        let terms = Terms { emergency, ..terms() };
        let message = Message { priority_flag, ..message() };
        submission(&message, &terms, own, NOW_MS, &mut Room::default()).map(|push| push.class)
    };
    assert_eq!(
        [0, 1, 2, 3].map(|flag| class(flag, true).expect("a push")),
        [Class::Standard, Class::Urgent, Class::Emergency, Class::Emergency]
    );
    assert_eq!(class(3, false), Ok(Class::Urgent));
    assert_eq!(class(4, true), Err(Status::INVALID_PRIORITY));
}

#[test]
fn what_an_smsc_might_do_and_this_one_does_not_is_refused() {
    let schedule_delivery_time = b"261122143430000+";
    assert_eq!(refusal(Message { schedule_delivery_time, ..message() }), Status::INVALID_SCHEDULE);
    assert_eq!(
        refusal(Message { replace_if_present_flag: 1, ..message() }),
        Status::INVALID_REPLACE_FLAG
    );
    assert_eq!(
        refusal(Message { sm_default_msg_id: 1, ..message() }),
        Status::INVALID_DEFAULT_MESSAGE
    );
    let destination = Address { ton: 1, npi: 1, digits: b"14155550100" };
    assert_eq!(refusal(Message { destination, ..message() }), Status::INVALID_DESTINATION);
    for digits in [&b"twelve chars"[..], b"a b", b"\xe9t\xe9"] {
        let source = Address { ton: 5, npi: 0, digits };
        assert_eq!(refusal(Message { source, ..message() }), Status::INVALID_SOURCE);
    }
}

#[test]
fn content_is_by_its_data_coding_and_what_cannot_be_is_told_with_the_push() {
    let of = |data_coding, short_message: &'static [u8]| {
        let message = Message { data_coding, short_message, ..message() };
        let mut room = Room::default();
        let push = read(&message, &mut room).expect("a push");
        let content = push.content.map(|content| match content {
            Content::Text(text) => text.to_owned(),
            Content::Octets(octets) => format!("octets {octets:?}"),
            Content::Part(octets) => format!("part {octets:?}"),
        });
        (push.kind, push.coding_scheme, content)
    };
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(of(1, b"a@b"), (Kind::Text, None, ok("a@b")));
    assert_eq!(of(3, b"\xfcber"), (Kind::Text, None, ok("\u{fc}ber")));
    assert_eq!(of(8, b"\x57\x30"), (Kind::Text, None, ok("\u{5730}")));
    assert_eq!(of(4, &[1, 2]), (Kind::Control, None, ok("octets [1, 2]")));
    assert_eq!(of(2, &[1, 2]), (Kind::Control, None, ok("octets [1, 2]")));
    assert_eq!(of(0xF0, b"a"), (Kind::Text, Some(0xF0), ok("part [97]")));
    assert_eq!(of(0xF5, &[9]), (Kind::Control, Some(0xF5), ok("octets [9]")));
    assert_eq!(of(0, &[0x80]).2, Err(Code::NO_ALPHABET));
    assert_eq!(of(1, &[0x80]).2, Err(Code::NO_ALPHABET));
    assert_eq!(of(9, b"a").2, Err(Code::BAD_DCS));
    assert_eq!(of(0, b"").2, Err(Code::DATA_EMPTY));
}

fn sar(space: &mut [u8; 32]) -> Tlvs<'_> {
    let mut tlvs = TlvWriter::new(space);
    tlvs.short(Tag::SAR_MSG_REF_NUM, 0x0109).octet(Tag::SAR_TOTAL_SEGMENTS, 3);
    tlvs.octet(Tag::SAR_SEGMENT_SEQNUM, 2);
    tlvs.finish().expect("room")
}

#[test]
fn a_part_keeps_its_header_and_one_by_parameters_gets_it() {
    let mut room = Room::default();
    let esm_class = EsmClass(0x40);
    let cut = Message { esm_class, short_message: b"\x05\x00\x03\x01\x02\x01abc", ..message() };
    let push = read(&cut, &mut room).expect("a push");
    assert_eq!(push.header, b"\x05\x00\x03\x01\x02\x01");
    assert_eq!(push.content, Ok(Content::Part(b"abc")));
    let options = PlanOptions { client_udh: push.header, dcs: push.coding_scheme, national: false };
    let content = push.content.expect("a part");
    assert_eq!(plan(content, &options).expect("a plan").segments(), 1);
    let mut space = [0; 32];
    let tlvs = sar(&mut space);
    let by_parameters = Message { tlvs, ..message() };
    let mut room = Room::default();
    let push = read(&by_parameters, &mut room).expect("a push");
    assert_eq!(push.header, b"\x05\x00\x03\x09\x03\x02");
    assert_eq!(push.content, Ok(Content::Part(b"hello")));
    assert_eq!(refusal(Message { tlvs, ..cut }), Status::INVALID_ESM_CLASS, "one or the other");
    // A header without concatenation stands in front of text that may be long.
    let ports = Message { short_message: b"\x06\x05\x04\x15\x8a\x00\x00x", data_coding: 4, ..cut };
    let mut room = Room::default();
    let push = read(&ports, &mut room).expect("a push");
    assert_eq!((push.header.len(), push.content), (7, Ok(Content::Octets(b"x"))));
    for short_message in [&b""[..], &[9, 0, 3], &[3, 0, 3, 1]] {
        let bad = Message { short_message, ..cut };
        let mut room = Room::default();
        assert_eq!(read(&bad, &mut room).expect("a push").content, Err(Code::BAD_UDH));
    }
}

#[test]
fn packed_septets_behind_a_header_begin_at_the_next_whole_one() {
    use crate::sms::septets;
    let header = b"\x05\x00\x03\x01\x02\x01";
    let text = b"hello, packed";
    let skipped = septets::septets_covering(header.len());
    let mut unpacked = vec![0; skipped + text.len()];
    unpacked[skipped..].copy_from_slice(text);
    let mut packed = vec![0; septets::octets_for(unpacked.len())];
    septets::pack(&unpacked, &mut packed);
    packed[..header.len()].copy_from_slice(header);
    let message = Message { esm_class: EsmClass(0x40), short_message: packed.leak(), ..message() };
    let terms = Terms { alphabet: Alphabet::GsmPacked, ..terms() };
    let mut room = Room::default();
    let push = submission(&message, &terms, own, NOW_MS, &mut room).expect("a push");
    assert_eq!(push.content, Ok(Content::Part(text)));
}

#[test]
fn vendor_parameters_name_the_push_and_its_alert() {
    let with = |tag: Tag, value: &'static [u8]| {
        let mut space = [0; 128];
        let mut tlvs = TlvWriter::new(&mut space);
        tlvs.octets(tag, value).octets(Tag::VENDOR_ALERT_ID, b"quake-1");
        tlvs.octet(Tag::VENDOR_ALERT_SEQUENCE, 4).short(Tag::USER_MESSAGE_REFERENCE, 7);
        let tlvs = tlvs.finish().expect("room");
        let message = Message { tlvs, ..message() };
        let mut room = Room::default();
        let push = submission(&message, &terms(), own, NOW_MS, &mut room)?;
        let alert = push.alert.map(|alert| (alert.id.to_vec(), alert.sequence));
        let reference = push.door.asked().and_then(|asked| asked.reference);
        Ok((push.reqid.as_bytes().to_vec(), alert, reference))
    };
    let told = with(Tag::VENDOR_REQID, b"mine").expect("a push");
    assert_eq!(told, (b"mine".to_vec(), Some((b"quake-1".to_vec(), 4)), Some(7)));
    for value in [&b"a b"[..], b"", b"123456789012345678901234"] {
        assert_eq!(with(Tag::VENDOR_REQID, value), Err(Status::INVALID_TLV_VALUE));
    }
    assert_eq!(with(Tag::VENDOR_ALERT_ID, b"a b"), Err(Status::INVALID_TLV_VALUE));
}

//= push once key
#[test]
fn the_digest_is_of_all_that_makes_the_content() {
    let digest =
        |message: Message<'_>| read(&message, &mut Room::default()).map(|push| push.digest);
    let same = digest(message());
    assert_eq!(digest(message()), same);
    let source = Address { ton: 5, npi: 0, digits: b"City" };
    let validity_period = b"000000010000000R";
    for other in [
        Message { short_message: b"hellp", ..message() },
        Message { data_coding: 1, ..message() },
        Message { priority_flag: 1, ..message() },
        Message { registered_delivery: 1, ..message() },
        Message { source, ..message() },
        Message { validity_period, ..message() },
        Message { protocol_id: 0x41, ..message() },
    ] {
        assert_ne!(digest(other), same);
    }
}

#[test]
fn codes_have_the_statuses_that_customers_are_promised() {
    let of = |code| status_of(code, 0x34);
    for code in [Code::ACCEPTED, Code::REPEATED, Code::ALERT_KNOWN] {
        assert_eq!(of(code), Status::OK);
    }
    assert_eq!(of(Code::RATE), Status::THROTTLED);
    for code in [Code::OVERLOAD, Code::STORAGE_FULL, Code::TOO_MANY_WAITING] {
        assert_eq!(of(code), Status::QUEUE_FULL);
    }
    for code in [Code::PAUSED, Code::INTERNAL, Code::NOT_DURABLE] {
        assert_eq!(of(code), Status::SYSTEM_ERROR);
    }
    for code in [
        Code::SUSPENDED_CLIENT,
        Code::NOT_ALLOWED,
        Code::VOLUME_USED_UP,
        Code::REQID_REUSED,
        Code::NO_ALPHABET,
        Code::BAD_DCS,
    ] {
        assert_eq!(of(code), Status::SUBMIT_FAILED, "{code:?}");
    }
    assert_eq!(status_of(Code::BAD_DCS, 0x50), Status::INVALID_DATA_CODING);
    assert_eq!(of(Code::NOT_CONTRACTED), Status::INVALID_DESTINATION);
    assert_eq!(of(Code::PUSH_NOT_FOUND), Status::INVALID_MESSAGE_ID);
    assert_eq!(of(Code::ALREADY_DELIVERED), Status::CANCEL_FAILED);
}

#[test]
fn codes_have_the_states_that_receipts_tell() {
    use MessageState::{Deleted, Delivered, Expired, Rejected, Undeliverable, Unknown};
    for (codes, state) in [
        (&[0][..], Delivered),
        (&[6001, 6006, 6007, 6008], Expired),
        (&[11, 12, 6010], Deleted),
        (&[6002, 6003, 6004, 6005, 6009, 6011, 6012], Undeliverable),
        (&[5001, 5002, 5003, 5004, 5005], Rejected),
        (&[6013], Unknown),
    ] {
        for &number in codes {
            let code = Code::from_number(number).expect("a code");
            assert_eq!(state_of(code), state, "{number}");
        }
    }
    assert_eq!(error_of(Code::EXPIRED_ABSENT), *b"606");
    assert_eq!(error_of(Code::ACCEPTED), *b"000");
}

#[test]
fn a_receipt_is_read_back_as_what_was_told() {
    let told = Told {
        key: u64::MAX,
        msn: Msn::parse(b"09012345678").expect("an msn"),
        is_national: false,
        sender: Sender::new(b"City").expect("short"),
        segments: 3,
        delivered: 2,
        accepted_ms: NOW_MS,
        ended_ms: NOW_MS + 60_000,
        code: Code::PARTIAL,
        cancelled: false,
        reference: Some(9),
        text: Repeated::default(),
    };
    write_receipt(&told, Country::JAPAN, 540, |message| {
        let receipt = Receipt::of_message(message).expect("a receipt");
        assert_eq!(receipt.id, Some(&b"9223372036854775807"[..]));
        assert_eq!(receipt.state, Some(MessageState::Undeliverable));
        assert_eq!((receipt.submitted(), receipt.delivered()), (Some(3), Some(2)));
        assert_eq!((receipt.error, receipt.user_message_reference), (Some(&b"611"[..]), Some(9)));
        assert_eq!(message.source.digits, b"819012345678");
        assert_eq!((message.destination.ton, message.destination.digits), (5, &b"City"[..]));
    });
    let cancelled = Told { cancelled: true, code: Code::ACCEPTED, ..told };
    assert!(!cancelled.is_delivered());
    write_receipt(&cancelled, Country::JAPAN, 0, |message| {
        let receipt = Receipt::of_message(message).expect("a receipt");
        assert_eq!(receipt.state, Some(MessageState::Deleted));
    });
}
