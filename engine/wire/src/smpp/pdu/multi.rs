//! submit_multi and its answer (SMPP 3.4, 4.5).
//!
//! Both are rare and can be long, so they are kept as the octets that were read, which are read
//! again where their fields are wanted: the bodies of all other PDUs stay as small as they are.

use std::fmt;

use super::super::address::Address;
use super::super::error::{Fault, Field, PduError};
use super::super::limits::{ADDRESS_OCTETS_MAX, MESSAGE_ID_OCTETS_MAX, SERVICE_TYPE_OCTETS_MAX};
use super::super::reader::Reader;
use super::super::status::Status;
use super::super::tlv::Tlvs;
use super::super::writer::Writer;
use super::message::{Message, read_destination, read_source};

/// dest_flag of an address (SMPP 3.4, 5.2.25).
const PHONE: u8 = 1;
/// dest_flag of a distribution list.
const LIST: u8 = 2;

/// Whom a submit_multi names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// A phone.
    Phone(Address<'a>),
    /// A distribution list that the SMSC has: 0 to 20 octets.
    List(&'a [u8]),
}

impl<'a> Destination<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, PduError> {
        let unknown = reader.error(Field::DestinationFlag, Fault::Unknown);
        match reader.octet(Field::DestinationFlag)? {
            PHONE => read_destination(reader, ADDRESS_OCTETS_MAX).map(Self::Phone),
            LIST => reader.text(Field::ListName, ADDRESS_OCTETS_MAX).map(Self::List),
            _ => Err(unknown),
        }
    }

    /// The address that unsuccess_sme names it by: a list by its name.
    pub fn address(self) -> Address<'a> {
        match self {
            Self::Phone(address) => address,
            Self::List(name) => Address { digits: name, ..Address::default() },
        }
    }
}

/// The destinations of a submit_multi, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Destinations<'a> {
    octets: &'a [u8],
    count: u8,
}

impl<'a> Destinations<'a> {
    /// So many destinations, as their octets stand on the wire.
    pub fn new(octets: &'a [u8], count: u8) -> Self {
        Self { octets, count }
    }

    /// How many there are.
    pub fn count(self) -> u8 {
        self.count
    }

    /// Their octets as they stand on the wire.
    pub fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Destination<'a>> {
        let mut reader = Reader::new(self.octets, 0);
        (0..self.count).map_while(move |_| Destination::read(&mut reader).ok())
    }
}

/// submit_multi: one message to several phones (SMPP 3.4, 4.5.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Multi<'a> {
    /// The whole body, which was read once.
    octets: &'a [u8],
}

impl<'a> Multi<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<(Self, Option<PduError>), PduError> {
        let octets = reader.rest();
        let (_, _, fault) = parts(reader)?;
        Ok((Self { octets }, fault))
    }

    /// What all destinations are sent; its own destination is empty.
    pub fn message(self) -> Message<'a> {
        parts(&mut Reader::new(self.octets, 0)).map(|(message, ..)| message).unwrap_or_default()
    }

    /// Whom it is for.
    pub fn destinations(self) -> Destinations<'a> {
        parts(&mut Reader::new(self.octets, 0)).map(|(_, all, _)| all).unwrap_or_default()
    }

    pub(super) fn write(self, writer: &mut Writer<'_>) -> Result<(), PduError> {
        writer.bytes(Field::Body, self.octets)
    }
}

type Parts<'a> = (Message<'a>, Destinations<'a>, Option<PduError>);

fn parts<'a>(reader: &mut Reader<'a>) -> Result<Parts<'a>, PduError> {
    let service_type = reader.text(Field::ServiceType, SERVICE_TYPE_OCTETS_MAX)?;
    let source = read_source(reader, ADDRESS_OCTETS_MAX)?;
    let count = reader.octet(Field::DestinationCount)?;
    let all = reader.rest();
    for _ in 0..count {
        Destination::read(reader)?;
    }
    let octets = &all[..all.len() - reader.rest().len()];
    let head = (service_type, source, Address::default());
    let (message, fault) = Message::read_behind(head, reader)?;
    Ok((message, Destinations { octets, count }, fault))
}

/// Destinations that were not taken, each with its status: unsuccess_sme, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures<'a> {
    octets: &'a [u8],
    count: u8,
}

impl<'a> Failures<'a> {
    /// So many, as [`Failures::put`] has written them.
    pub fn new(octets: &'a [u8], count: u8) -> Self {
        Self { octets, count }
    }

    /// Writes one behind what is there.
    pub fn put(out: &mut Vec<u8>, address: &Address<'_>, status: Status) {
        out.extend_from_slice(&[address.ton, address.npi]);
        out.extend_from_slice(address.digits);
        out.push(0);
        out.extend_from_slice(&status.0.to_be_bytes());
    }

    /// How many there are.
    pub fn count(self) -> u8 {
        self.count
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = (Address<'a>, Status)> {
        let mut reader = Reader::new(self.octets, 0);
        (0..self.count).map_while(move |_| read_failure(&mut reader).ok())
    }
}

fn read_failure<'a>(reader: &mut Reader<'a>) -> Result<(Address<'a>, Status), PduError> {
    let address = read_destination(reader, ADDRESS_OCTETS_MAX)?;
    let mut status = 0;
    for _ in 0..4 {
        status = status << 8 | u32::from(reader.octet(Field::ErrorStatus)?);
    }
    Ok((address, Status(status)))
}

/// submit_multi_resp (SMPP 3.4, 4.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct MultiResp<'a> {
    /// The id: 0 to 64 octets.
    pub message_id: &'a [u8],
    /// Who was not taken.
    pub failures: Failures<'a>,
    /// Optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl<'a> MultiResp<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        if reader.rest().is_empty() {
            return None;
        }
        let message_id = reader.text(Field::MessageId, MESSAGE_ID_OCTETS_MAX).ok()?;
        let count = reader.octet(Field::FailureCount).ok()?;
        let all = reader.rest();
        for _ in 0..count {
            read_failure(reader).ok()?;
        }
        let failures = Failures { octets: &all[..all.len() - reader.rest().len()], count };
        Some(Self { message_id, failures, tlvs: Tlvs::read(reader).0 })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>, with_tlvs: bool) -> Result<(), PduError> {
        writer.text(Field::MessageId, self.message_id, MESSAGE_ID_OCTETS_MAX)?;
        writer.octets(Field::FailureCount, [self.failures.count])?;
        writer.bytes(Field::FailureCount, self.failures.octets)?;
        if with_tlvs {
            writer.bytes(Field::OptionalPart, self.tlvs.octets())?;
        }
        Ok(())
    }
}

/// Counts alone: addresses are phone numbers, and the text is nobody's to read.
macro_rules! debug_by_count {
    ($($name:ident)*) => {
        $(impl fmt::Debug for $name<'_> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut shown = formatter.debug_struct(stringify!($name));
                shown.field("count", &self.count).finish_non_exhaustive()
            }
        })*
    };
}

debug_by_count! { Destinations Failures }

impl fmt::Debug for Destination<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self, Self::Phone(_)) { "Phone" } else { "List" };
        formatter.debug_struct(kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for Multi<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Multi");
        shown.field("destinations", &self.destinations().count()).finish_non_exhaustive()
    }
}

impl fmt::Debug for MultiResp<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.message_id.escape_ascii().to_string();
        let mut shown = formatter.debug_struct("MultiResp");
        shown.field("message_id", &id).field("failures", &self.failures).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Body, decode, decode_leniently, encode};
    use super::*;
    use crate::smpp::command::Command;
    use crate::smpp::limits::PDU_OCTETS_MAX;
    use crate::smpp::tlv::Tag;

    /// To two phones and a list, by hand.
    const BODY: &[u8] = b"\x00\x05\x00Ueda\x00\x03\
        \x01\x01\x01819012345678\x00\x02friends\x00\x01\x00\x0009087654321\x00\
        \x00\x00\x01\x00\x00\x01\x00\x00\x00\x05hello\x02\x04\x00\x02\x00\x07";

    fn pdu_of(command: Command, body: &[u8]) -> Vec<u8> {
        let mut pdu = vec![0; PDU_OCTETS_MAX];
        let octets = encode(&mut pdu, command, Status::OK, 7, &Body::Other(body), true);
        pdu.truncate(octets.expect("room"));
        pdu
    }

    fn multi(pdu: &[u8]) -> Multi<'_> {
        match decode(pdu).expect("readable").body {
            Body::Multi(multi) => multi,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_message_to_several_is_read_to_its_end() {
        let pdu = pdu_of(Command::SUBMIT_MULTI, BODY);
        let multi = multi(&pdu);
        let phone = |ton, npi, digits| Destination::Phone(Address { ton, npi, digits });
        let all: Vec<_> = multi.destinations().iter().collect();
        assert_eq!(all.len(), 3);
        assert!(all[0] == phone(1, 1, b"819012345678") && all[2] == phone(0, 0, b"09087654321"));
        assert!(all[1] == Destination::List(b"friends"));
        let message = multi.message();
        assert_eq!((message.source.digits, message.short_message), (&b"Ueda"[..], &b"hello"[..]));
        assert_eq!((message.priority_flag, message.registered_delivery), (1, 1));
        assert_eq!(message.tlvs.number(Tag::USER_MESSAGE_REFERENCE), Some(7));
        let mut again = vec![0; pdu.len()];
        let body = Body::Multi(multi);
        let octets = encode(&mut again, Command::SUBMIT_MULTI, Status::OK, 7, &body, true);
        assert_eq!((octets, &again), (Ok(pdu.len()), &pdu));
    }

    #[test]
    fn every_truncation_and_every_flip_is_told_or_read_and_never_beyond_the_end() {
        let whole = pdu_of(Command::SUBMIT_MULTI, BODY);
        for length in 0..BODY.len() {
            let cut = pdu_of(Command::SUBMIT_MULTI, &BODY[..length]);
            // The TLV is left out; one surplus octet is read around, more are half a TLV.
            let is_whole = [6, 5].contains(&(BODY.len() - length));
            assert_eq!(decode(&cut).is_ok(), is_whole, "{length}");
        }
        for at in 16..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(pdu) = decode_leniently(&flipped)
                    && let Body::Multi(multi) = pdu.body
                {
                    let destinations = multi.destinations();
                    assert_eq!(destinations.iter().count(), usize::from(destinations.count()));
                }
            }
        }
        let mut unknown = BODY.to_vec();
        unknown[9] = 3;
        let error = decode(&pdu_of(Command::SUBMIT_MULTI, &unknown)).map(drop).expect_err("a flag");
        assert_eq!(error.status(), Status::INVALID_DESTINATION_FLAG);
    }

    #[test]
    fn an_answer_names_who_was_not_taken() {
        let mut octets = Vec::new();
        let phone = Address { ton: 1, npi: 1, digits: b"819012345678" };
        Failures::put(&mut octets, &phone, Status::THROTTLED);
        let list = Destination::List(b"friends").address();
        Failures::put(&mut octets, &list, Status::INVALID_LIST_NAME);
        let failures = Failures::new(&octets, 2);
        let answer = MultiResp { message_id: b"4711", failures, ..MultiResp::default() };
        let mut pdu = [0; 128];
        let (command, body) = (Command::SUBMIT_MULTI_RESP, Body::MultiResp(answer));
        let written = encode(&mut pdu, command, Status::OK, 7, &body, true).expect("room");
        let Body::MultiResp(read) = decode(&pdu[..written]).expect("readable").body else {
            panic!("another body")
        };
        assert_eq!((read.message_id, read.failures.count()), (&b"4711"[..], 2));
        let told: Vec<_> = read.failures.iter().collect();
        assert_eq!(told, [(phone, Status::THROTTLED), (list, Status::INVALID_LIST_NAME)]);
    }
}
