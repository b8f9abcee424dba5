//! PDUs of our own making, one of each kind that is read.

use crate::smpp::address::Address;
use crate::smpp::coding::EsmClass;
use crate::smpp::command::Command;
use crate::smpp::pdu::{
    Alert, Bind, BindKind, BindResp, Body, Cancel, Data, Message, MessageResp, Query, QueryResp,
    Replace, encode,
};
use crate::smpp::status::Status;
use crate::smpp::tlv::{Tag, TlvWriter, Tlvs};

pub(super) const NUMBER: Address<'static> = Address { ton: 1, npi: 1, digits: b"819012345678" };
pub(super) const SENDER: Address<'static> = Address { ton: 5, npi: 0, digits: b"Hayauma" };

/// A receipt's text as appendix B has it.
pub(super) const RECEIPT: &[u8] =
    b"id:1234567890 sub:001 dlvrd:001 submit date:2611222234 done date:2611222235 \
    stat:DELIVRD err:000 text:hello";

pub(super) fn submit() -> Message<'static> {
    Message {
        source: SENDER,
        destination: NUMBER,
        validity_period: b"261122133430000+",
        registered_delivery: 1,
        short_message: b"hello, world",
        ..Message::default()
    }
}

pub(super) fn written(command: Command, status: u32, sequence: u32, body: &Body<'_>) -> Vec<u8> {
    let mut out = [0; 1024];
    let octets =
        encode(&mut out, command, Status(status), sequence, body, true).expect("it can be written");
    out[..octets].to_vec()
}

/// Takes a sample's command, status, sequence number and body.
type Each<'a> = &'a mut dyn FnMut(Command, u32, u32, &Body<'_>);

/// Hands every sample to `each`.
pub(super) fn for_each(mut each: impl FnMut(Command, u32, u32, &Body<'_>)) {
    let mut space = [0; 512];
    let mut tlvs = TlvWriter::new(&mut space);
    tlvs.text(Tag::RECEIPTED_MESSAGE_ID, b"1234567890")
        .octet(Tag::MESSAGE_STATE, 2)
        .short(Tag::USER_MESSAGE_REFERENCE, 0xABCD)
        .octets(Tag::NETWORK_ERROR_CODE, &[3, 0, 27])
        .octets(Tag(0x1400), b"vendor");
    let tlvs = tlvs.finish().expect("room");
    let mut space = [0; 512];
    let mut payload = TlvWriter::new(&mut space);
    payload.octets(Tag::MESSAGE_PAYLOAD, &[0x41; 300]);
    let payload = payload.finish().expect("room");
    each_of_binding(tlvs, &mut each);
    each_message(tlvs, payload, &mut each);
    each_question(&mut each);
    let alert = Alert { source: NUMBER, esme: SENDER, tlvs };
    each(Command::ALERT_NOTIFICATION, 0, 14, &Body::Alert(alert));
    each(Command::ENQUIRE_LINK, 0, 15, &Body::Empty);
    each(Command::ENQUIRE_LINK_RESP, 0, 15, &Body::Empty);
    each(Command::UNBIND, 0, 16, &Body::Empty);
    each(Command::UNBIND_RESP, 0, 16, &Body::Empty);
    each(Command::GENERIC_NACK, 3, 17, &Body::Empty);
    each(Command(0x0000_0077), 0, 18, &Body::Other(b"anything"));
}

fn each_of_binding(tlvs: Tlvs<'_>, each: Each<'_>) {
    let bind = Bind {
        kind: BindKind::Transceiver,
        system_id: b"hayauma1",
        password: b"secret",
        system_type: b"VMS",
        interface_version: 0x34,
        addr_ton: 0,
        addr_npi: 0,
        address_range: b"",
    };
    each(Command::BIND_TRANSCEIVER, 0, 1, &Body::Bind(bind));
    let transmitter = Bind { kind: BindKind::Transmitter, ..bind };
    each(Command::BIND_TRANSMITTER, 0, 2, &Body::Bind(transmitter));
    let receiver = Bind { kind: BindKind::Receiver, address_range: b"^8190.*", ..bind };
    each(Command::BIND_RECEIVER, 0, 3, &Body::Bind(receiver));
    let answer = BindResp { system_id: b"SMSC", tlvs };
    each(Command::BIND_TRANSCEIVER_RESP, 0, 1, &Body::BindResp(answer));
    each(Command::BIND_RECEIVER_RESP, 0x0D, 3, &Body::Empty);
}

/// Messages, their receipts and their answers.
fn each_message(tlvs: Tlvs<'_>, payload: Tlvs<'_>, each: Each<'_>) {
    each(Command::SUBMIT_SM, 0, 0x7FFF_FFFF, &Body::Message(submit()));
    let in_payload = Message { short_message: b"", tlvs: payload, ..submit() };
    each(Command::SUBMIT_SM, 0, 5, &Body::Message(in_payload));
    let header =
        Message { esm_class: EsmClass(0x40), short_message: &[5, 0, 3, 9, 2, 1, 65], ..submit() };
    each(Command::SUBMIT_SM, 0, 6, &Body::Message(header));
    let longest = Message { service_type: b"CMT", short_message: &[0x20; 254], ..submit() };
    each(Command::SUBMIT_SM, 0, 7, &Body::Message(longest));
    let id = MessageResp { message_id: b"00B8BE19", ..MessageResp::default() };
    each(Command::SUBMIT_SM_RESP, 0, 7, &Body::MessageResp(id));
    each(Command::SUBMIT_SM_RESP, 0x58, 8, &Body::Empty);
    let receipt =
        Message { esm_class: EsmClass::RECEIPT, short_message: RECEIPT, tlvs, ..submit() };
    each(Command::DELIVER_SM, 0, 9, &Body::Message(receipt));
    each(Command::DELIVER_SM_RESP, 0, 9, &Body::MessageResp(MessageResp::default()));
    let data = Data { source: SENDER, destination: NUMBER, tlvs: payload, ..Data::default() };
    each(Command::DATA_SM, 0, 10, &Body::Data(data));
    each(Command::DATA_SM_RESP, 0, 10, &Body::MessageResp(MessageResp { message_id: b"7", tlvs }));
}

/// Questions about a message, and changes to it.
fn each_question(each: Each<'_>) {
    each(Command::QUERY_SM, 0, 11, &Body::Query(Query { message_id: b"7", source: SENDER }));
    let found = QueryResp {
        message_id: b"7",
        final_date: b"261122133430000+",
        message_state: 2,
        error_code: 0,
    };
    each(Command::QUERY_SM_RESP, 0, 11, &Body::QueryResp(found));
    let cancel = Cancel {
        service_type: b"",
        message_id: b"7",
        source: SENDER,
        destination: Address::default(),
    };
    each(Command::CANCEL_SM, 0, 12, &Body::Cancel(cancel));
    each(Command::CANCEL_SM_RESP, 0x11, 12, &Body::Empty);
    let replace =
        Replace { message_id: b"7", source: SENDER, short_message: b"new", ..Replace::default() };
    each(Command::REPLACE_SM, 0, 13, &Body::Replace(replace));
}
