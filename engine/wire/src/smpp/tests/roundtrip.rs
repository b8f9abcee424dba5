//! Any values that fields can hold are read back as they were written; any octets are read or
//! refused.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::smpp::address::Address;
use crate::smpp::coding::EsmClass;
use crate::smpp::command::Command;
use crate::smpp::pdu::{Body, Data, Message, MessageResp, decode, decode_leniently, encode};
use crate::smpp::receipt::Receipt;
use crate::smpp::status::Status;
use crate::smpp::tlv::{Tag, TlvWriter};

/// Text of a C-octet string: any octets but NUL.
fn text(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(1_u8.., 0..max)
}

fn address(max: usize) -> impl Strategy<Value = (u8, u8, Vec<u8>)> {
    (any::<u8>(), any::<u8>(), text(max))
}

proptest! {
    #[test]
    fn any_message_comes_back_as_it_was_written(
        service_type in text(6),
        source in address(21),
        destination in address(21),
        numbers in any::<[u8; 7]>(),
        schedule in text(17),
        validity in text(17),
        short_message in vec(any::<u8>(), 0..=255),
        parameters in vec((any::<u16>(), vec(any::<u8>(), 0..40)), 0..6),
        sequence in any::<u32>(),
        deliver in any::<bool>(),
    ) {
        let mut space = [0; 400];
        let mut tlvs = TlvWriter::new(&mut space);
        for (tag, value) in &parameters {
            tlvs.octets(Tag(*tag), value);
        }
        let tlvs = tlvs.finish().expect("room");
        let address = |(ton, npi, digits): &(u8, u8, Vec<u8>)| (*ton, *npi, digits.clone());
        let (source, destination) = (address(&source), address(&destination));
        let body = Body::Message(Message {
            service_type: &service_type,
            source: Address { ton: source.0, npi: source.1, digits: &source.2 },
            destination: Address { ton: destination.0, npi: destination.1, digits: &destination.2 },
            esm_class: EsmClass(numbers[0]),
            protocol_id: numbers[1],
            priority_flag: numbers[2],
            schedule_delivery_time: &schedule,
            validity_period: &validity,
            registered_delivery: numbers[3],
            replace_if_present_flag: numbers[4],
            data_coding: numbers[5],
            sm_default_msg_id: numbers[6],
            short_message: &short_message,
            tlvs,
        });
        let mut out = [0; 1024];
        let command = if deliver { Command::DELIVER_SM } else { Command::SUBMIT_SM };
        let octets =
            encode(&mut out, command, Status::OK, sequence, &body, true).expect("legal fields");
        let pdu = decode(&out[..octets]).expect("a PDU");
        prop_assert_eq!(pdu.body, body);
        prop_assert_eq!((pdu.header.command, pdu.header.sequence), (command, sequence));
        let read: Vec<(u16, Vec<u8>)> =
            tlvs.iter().map(|tlv| (tlv.tag.0, tlv.value.to_vec())).collect();
        prop_assert_eq!(read, parameters);
    }

    #[test]
    fn any_data_sm_and_any_answer_come_back_as_they_were_written(
        source in text(65),
        destination in text(65),
        message_id in text(65),
        payload in vec(any::<u8>(), 0..600),
    ) {
        let mut space = [0; 700];
        let mut tlvs = TlvWriter::new(&mut space);
        tlvs.octets(Tag::MESSAGE_PAYLOAD, &payload);
        let tlvs = tlvs.finish().expect("room");
        let source = Address { ton: 1, npi: 1, digits: &source };
        let destination = Address { ton: 1, npi: 1, digits: &destination };
        let mut out = [0; 1024];
        let data = Data { source, destination, tlvs, ..Data::default() };
        let answer = MessageResp { message_id: &message_id, tlvs };
        for (command, body) in [
            (Command::DATA_SM, Body::Data(data)),
            (Command::DATA_SM_RESP, Body::MessageResp(answer)),
        ] {
            let octets =
                encode(&mut out, command, Status::OK, 1, &body, true).expect("legal fields");
            prop_assert_eq!(decode(&out[..octets]).expect("a PDU").body, body);
        }
    }

    #[test]
    fn any_octets_are_read_or_refused(
        command in prop_oneof![
            any::<u32>(),
            (0..Command::ALL.len()).prop_map(|at| Command::ALL[at].0)
        ],
        status in 0_u32..4,
        body in vec(prop_oneof![Just(0_u8), any::<u8>()], 0..400),
    ) {
        let mut pdu = Vec::new();
        for number in [body.len() as u32 + 16, command, status, 7] {
            pdu.extend(number.to_be_bytes());
        }
        pdu.extend(&body);
        if let Ok(read) = decode_leniently(&pdu) {
            let (_, receipt) = (format!("{read:?}"), match read.body {
                Body::Message(message) => Receipt::of_message(&message),
                _ => None,
            });
            let error = receipt.and_then(|receipt| receipt.error);
            prop_assert!(error.is_none_or(|error| error.len() <= 8));
            prop_assert!(crate::smpp::describe::describe(&read).len() >= 4);
        }
    }
}
