//! Random PDUs that every decoder has to read: legal values in every field, optional parameters of
//! the right length.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::smpp::address::Address;
use wire::smpp::coding::EsmClass;
use wire::smpp::command::Command;
use wire::smpp::pdu::{Bind, BindKind, Body, Cancel, Data, Message, MessageResp, Query, encode};
use wire::smpp::status::Status;
use wire::smpp::tlv::{Tag, TlvWriter, Tlvs};

/// A PDU to make.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) command: Command,
    pub(crate) sequence: u32,
    pub(crate) source: (u8, u8, String),
    pub(crate) destination: (u8, u8, String),
    pub(crate) service_type: String,
    pub(crate) esm_class: u8,
    pub(crate) protocol_id: u8,
    pub(crate) priority_flag: u8,
    pub(crate) validity_period: &'static str,
    pub(crate) registered_delivery: u8,
    pub(crate) data_coding: u8,
    pub(crate) text: Vec<u8>,
    pub(crate) message_id: String,
    pub(crate) reference: Option<u16>,
    pub(crate) state: Option<u8>,
    pub(crate) receipted: Option<String>,
}

impl Recipe {
    /// Its octets.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut space = [0; 600];
        let tlvs = self.tlvs(&mut space);
        let address = |(ton, npi, digits): &'_ (u8, u8, String)| (*ton, *npi, digits.clone());
        let (source, destination) = (address(&self.source), address(&self.destination));
        let source = Address { ton: source.0, npi: source.1, digits: source.2.as_bytes() };
        let destination =
            Address { ton: destination.0, npi: destination.1, digits: destination.2.as_bytes() };
        let body = self.body(source, destination, tlvs);
        let mut out = [0; 1024];
        let octets = encode(&mut out, self.command, Status::OK, self.sequence, &body, true);
        out[..octets.expect("legal values")].to_vec()
    }

    fn tlvs<'a>(&self, space: &'a mut [u8]) -> Tlvs<'a> {
        let mut tlvs = TlvWriter::new(space);
        let (is_receipt, is_data) =
            (self.command == Command::DELIVER_SM, self.command == Command::DATA_SM);
        if let Some(reference) = self.reference {
            tlvs.short(Tag::USER_MESSAGE_REFERENCE, reference);
        }
        if let Some(state) = self.state.filter(|_| is_receipt) {
            tlvs.octet(Tag::MESSAGE_STATE, state);
        }
        if let Some(id) = self.receipted.as_ref().filter(|_| is_receipt) {
            tlvs.text(Tag::RECEIPTED_MESSAGE_ID, id.as_bytes());
        }
        if is_data {
            tlvs.octets(Tag::MESSAGE_PAYLOAD, &self.text);
        }
        tlvs.finish().expect("room")
    }

    fn body<'a>(
        &'a self,
        source: Address<'a>,
        destination: Address<'a>,
        tlvs: Tlvs<'a>,
    ) -> Body<'a> {
        let (service_type, message_id) = (self.service_type.as_bytes(), self.message_id.as_bytes());
        let (esm_class, data_coding) = (EsmClass(self.esm_class), self.data_coding);
        match self.command {
            Command::SUBMIT_SM_RESP => {
                Body::MessageResp(MessageResp { message_id, tlvs: Tlvs::NONE })
            }
            Command::QUERY_SM => Body::Query(Query { message_id, source }),
            Command::CANCEL_SM => {
                Body::Cancel(Cancel { service_type, message_id, source, destination })
            }
            Command::BIND_TRANSCEIVER => Body::Bind(Bind {
                kind: BindKind::Transceiver,
                system_id: service_type,
                password: b"secret",
                system_type: b"",
                interface_version: 0x34,
                addr_ton: source.ton,
                addr_npi: source.npi,
                address_range: b"",
            }),
            Command::DATA_SM => Body::Data(Data {
                service_type,
                source,
                destination,
                esm_class,
                registered_delivery: self.registered_delivery,
                data_coding,
                tlvs,
            }),
            Command::SUBMIT_SM | Command::DELIVER_SM => Body::Message(Message {
                service_type,
                source,
                destination,
                esm_class,
                protocol_id: self.protocol_id,
                priority_flag: self.priority_flag,
                validity_period: self.validity_period.as_bytes(),
                registered_delivery: self.registered_delivery,
                data_coding,
                short_message: &self.text,
                tlvs,
                ..Message::default()
            }),
            _ => Body::Empty,
        }
    }
}

fn address() -> impl Strategy<Value = (u8, u8, String)> {
    (0_u8..=6, prop_oneof![Just(0_u8), Just(1), Just(3), Just(8), Just(9)], "[0-9A-Za-z]{1,20}")
}

/// Any of them.
pub(crate) fn recipe() -> impl Strategy<Value = Recipe> {
    let command = prop_oneof![
        4 => Just(Command::SUBMIT_SM),
        4 => Just(Command::DELIVER_SM),
        2 => Just(Command::SUBMIT_SM_RESP),
        1 => Just(Command::DATA_SM),
        1 => Just(Command::QUERY_SM),
        1 => Just(Command::CANCEL_SM),
        1 => Just(Command::BIND_TRANSCEIVER),
        1 => Just(Command::ENQUIRE_LINK),
        1 => Just(Command::UNBIND_RESP),
    ];
    let header = (command, 1_u32..0x7FFF_FFFF, address(), address(), "[A-Z]{0,5}");
    let class = prop_oneof![Just(0_u8), Just(1), Just(3), Just(4), Just(8), Just(0x20)];
    let coding = prop_oneof![Just(0_u8), Just(1), Just(3), Just(4), Just(8)];
    let validity = prop_oneof![Just(""), Just("261122133430000+"), Just("000003040506000R")];
    let numbers = (class, any::<u8>(), 0_u8..4, validity, 0_u8..4, coding);
    let reference = proptest::option::of(any::<u16>());
    let state = proptest::option::of(0_u8..10);
    let receipted = proptest::option::of("[0-9A-F]{1,19}");
    let text = vec(any::<u8>(), 1..200);
    (header, numbers, text, "[0-9A-Fa-f-]{1,36}", reference, state, receipted).prop_map(
        |(header, numbers, text, message_id, reference, state, receipted)| {
            let (command, sequence, source, destination, service_type) = header;
            let (
                esm_class,
                protocol_id,
                priority_flag,
                validity_period,
                registered_delivery,
                data_coding,
            ) = numbers;
            Recipe {
                command,
                sequence,
                source,
                destination,
                service_type,
                esm_class,
                protocol_id,
                priority_flag,
                validity_period,
                registered_delivery,
                data_coding,
                text,
                message_id,
                reference,
                state,
                receipted,
            }
        },
    )
}
