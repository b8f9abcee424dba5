//! The three PDUs that one SMS by a carrier costs: submit_sm out, its answer in, its receipt in.

use std::hint::black_box;

use wire::smpp::address::Address;
use wire::smpp::coding::EsmClass;
use wire::smpp::command::Command;
use wire::smpp::pdu::{Body, Message, MessageResp, decode, encode};
use wire::smpp::receipt::Receipt;
use wire::smpp::session::{Config, Event, Session};
use wire::smpp::status::Status;
use wire::smpp::tlv::{Tag, TlvWriter, Tlvs};

const SOURCE: Address<'static> = Address { ton: 5, npi: 0, digits: b"Hayauma" };
const DESTINATION: Address<'static> = Address { ton: 1, npi: 1, digits: b"819012345678" };
/// A receipt's text, as long as most are.
const RECEIPT: &[u8] =
    b"id:9223372036854775807 sub:001 dlvrd:001 submit date:2611222234 done date:2611222235 \
    stat:DELIVRD err:000 text:hello, this is a tex";

/// A message of 140 octets: a submit_sm of 208.
fn message<'a>(text: &'a [u8], tlvs: Tlvs<'a>) -> Message<'a> {
    Message {
        source: SOURCE,
        destination: DESTINATION,
        validity_period: b"261122133430000+",
        registered_delivery: 1,
        short_message: text,
        tlvs,
        ..Message::default()
    }
}

fn written(command: Command, body: &Body<'_>) -> Vec<u8> {
    let mut out = [0; 1024];
    let octets = encode(&mut out, command, Status::OK, 1, body, true).expect("legal fields");
    out[..octets].to_vec()
}

pub(super) fn encode_submit(count: u64) {
    let mut space = [0; 16];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.short(Tag::USER_MESSAGE_REFERENCE, 7);
    let tlvs = tlvs.finish().expect("room");
    let mut out = [0; 512];
    for number in 0..count {
        let body = Body::Message(message(&[b'x'; 134], tlvs));
        let sequence = number as u32;
        let octets =
            encode(&mut out, Command::SUBMIT_SM, Status::OK, sequence, black_box(&body), true);
        assert!(octets.is_ok_and(|octets| octets > 200));
        black_box(&out);
    }
}

pub(super) fn decode_answer(count: u64) {
    let body = MessageResp { message_id: b"9223372036854775807", tlvs: Tlvs::NONE };
    let octets = written(Command::SUBMIT_SM_RESP, &Body::MessageResp(body));
    for _ in 0..count {
        let read = decode(black_box(&octets));
        assert!(read.as_ref().is_ok_and(|pdu| pdu.body.message_id().is_some()));
    }
}

pub(super) fn decode_receipt(count: u64) {
    let mut space = [0; 64];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.text(Tag::RECEIPTED_MESSAGE_ID, b"9223372036854775807").octet(Tag::MESSAGE_STATE, 2);
    let tlvs = tlvs.finish().expect("room");
    let body = Message { esm_class: EsmClass::RECEIPT, ..message(RECEIPT, tlvs) };
    let octets = written(Command::DELIVER_SM, &Body::Message(body));
    for _ in 0..count {
        let Body::Message(message) = decode(black_box(&octets)).expect("a receipt").body else {
            panic!("a message");
        };
        let receipt = black_box(Receipt::of_message(&message)).expect("a receipt");
        assert!(receipt.state.is_some());
    }
}

pub(super) fn session(count: u64) {
    let mut session = Session::new(Config::carrier(), 0);
    let mut out = [0; 512];
    let bind = wire::smpp::pdu::Bind {
        kind: wire::smpp::pdu::BindKind::Transceiver,
        system_id: b"esme",
        password: b"secret",
        system_type: b"",
        interface_version: 0x34,
        addr_ton: 0,
        addr_npi: 0,
        address_range: b"",
    };
    session.bind(&mut out, &bind, 0).expect("open");
    session.handle_octets(&written(Command::BIND_TRANSCEIVER_RESP, &Body::Empty), 0);
    let body = Body::Message(message(&[b'x'; 134], Tlvs::NONE));
    let answer = MessageResp { message_id: b"9223372036854775807", tlvs: Tlvs::NONE };
    let mut answer = written(Command::SUBMIT_SM_RESP, &Body::MessageResp(answer));
    for token in 0..count {
        let octets = session.request(&mut out, Command::SUBMIT_SM, black_box(&body), token, token);
        assert!(octets.is_ok_and(|octets| octets > 200));
        answer[12..16].copy_from_slice(&out[12..16]);
        let taken = session.handle_octets(black_box(&answer), token);
        assert!(matches!(taken.event, Some(Event::Answer { .. })));
    }
}
