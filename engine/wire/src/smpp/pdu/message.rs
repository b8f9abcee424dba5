//! submit_sm, deliver_sm, data_sm, replace_sm and their answers (SMPP 3.4, 4.4, 4.6, 4.7 and 4.10).

use std::fmt;

use super::super::address::Address;
use super::super::coding::EsmClass;
use super::super::error::{Fault, Field, PduError};
use super::super::limits::{
    ADDRESS_OCTETS_MAX, LONG_ADDRESS_OCTETS_MAX, MESSAGE_ID_OCTETS_MAX, SERVICE_TYPE_OCTETS_MAX,
    SM_LENGTH_MAX, TIME_OCTETS_MAX,
};
use super::super::oddities::Oddities;
use super::super::reader::Reader;
use super::super::tlv::{Tag, Tlvs};
use super::super::words::first_zero;
use super::super::writer::{Head, Writer};

/// submit_sm or deliver_sm: both have the same fields (SMPP 3.4, 4.4.1 and 4.6.1).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Message<'a> {
    /// 0 to 5 octets, mostly none.
    pub service_type: &'a [u8],
    /// Who sent it.
    pub source: Address<'a>,
    /// Whom it is for.
    pub destination: Address<'a>,
    /// Mode, type and features.
    pub esm_class: EsmClass,
    /// TP-PID.
    pub protocol_id: u8,
    /// 0 to 3, 3 the highest (5.2.14).
    pub priority_flag: u8,
    /// When it is to be delivered; empty: at once.
    pub schedule_delivery_time: &'a [u8],
    /// Until when; empty: as the SMSC has it.
    pub validity_period: &'a [u8],
    /// Which receipts are wanted (5.2.17).
    pub registered_delivery: u8,
    /// 1: in place of one that waits (5.2.18).
    pub replace_if_present_flag: u8,
    /// How the text is coded (5.2.19).
    pub data_coding: u8,
    /// A message that the SMSC has; 0: none (5.2.20).
    pub sm_default_msg_id: u8,
    /// User data header and text: 0 to 254 octets, up to 255 from peers of 5.0 (5.2.22).
    pub short_message: &'a [u8],
    /// Optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl<'a> Message<'a> {
    /// The octets of the message, from short_message or from message_payload (5.2.21).
    ///
    /// # Errors
    /// It has both.
    pub fn content(&self) -> Result<&'a [u8], PduError> {
        match self.tlvs.find(Tag::MESSAGE_PAYLOAD) {
            None => Ok(self.short_message),
            Some(payload) if self.short_message.is_empty() => Ok(payload.value),
            Some(_) => {
                let (field, fault) = (Field::MessagePayload, Fault::TwoMessages);
                Err(PduError { field, offset: 0, fault })
            }
        }
    }

    pub(super) fn oddities(&self) -> Oddities {
        let is_odd = |time: &[u8]| !time.is_empty() && time.len() + 1 != TIME_OCTETS_MAX;
        let times = is_odd(self.schedule_delivery_time) || is_odd(self.validity_period);
        let addresses = self.source.digits.is_ascii() && self.destination.digits.is_ascii();
        self.tlvs
            .oddities()
            .with_if(times, Oddities::TIME_LENGTH)
            .with_if(!addresses, Oddities::ADDRESS_OCTETS)
    }

    #[inline(always)]
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<(Self, Option<PduError>), PduError> {
        let service_type = reader.text(Field::ServiceType, SERVICE_TYPE_OCTETS_MAX)?;
        let source = read_source(reader, ADDRESS_OCTETS_MAX)?;
        let destination = read_destination(reader, ADDRESS_OCTETS_MAX)?;
        Self::read_behind((service_type, source, destination), reader)
    }

    /// The fields behind the addresses, which submit_multi has too.
    #[inline(always)]
    pub(super) fn read_behind(
        (service_type, source, destination): (&'a [u8], Address<'a>, Address<'a>),
        reader: &mut Reader<'a>,
    ) -> Result<(Self, Option<PduError>), PduError> {
        let esm_class = EsmClass(reader.octet(Field::EsmClass)?);
        let protocol_id = reader.octet(Field::ProtocolId)?;
        let priority_flag = reader.octet(Field::PriorityFlag)?;
        let schedule_delivery_time = reader.text(Field::ScheduleDeliveryTime, TIME_OCTETS_MAX)?;
        let validity_period = reader.text(Field::ValidityPeriod, TIME_OCTETS_MAX)?;
        let registered_delivery = reader.octet(Field::RegisteredDelivery)?;
        let replace_if_present_flag = reader.octet(Field::ReplaceIfPresent)?;
        let data_coding = reader.octet(Field::DataCoding)?;
        let sm_default_msg_id = reader.octet(Field::DefaultMessageId)?;
        let (short_message, cut) = read_short_message(reader)?;
        let (tlvs, fault) = Tlvs::read(reader);
        let message = Self {
            service_type,
            source,
            destination,
            esm_class,
            protocol_id,
            priority_flag,
            schedule_delivery_time,
            validity_period,
            registered_delivery,
            replace_if_present_flag,
            data_coding,
            sm_default_msg_id,
            short_message,
            tlvs,
        };
        Ok((message, cut.or(fault)))
    }

    #[inline]
    pub(super) fn write(&self, writer: &mut Writer<'_>, with_tlvs: bool) -> Result<(), PduError> {
        // Where anything is out of the ordinary the fields are written one by one: that names the
        // one that cannot be.
        if !writer.head(|head| self.write_head(head)) {
            self.write_fields(writer)?;
        }
        writer.message(self.short_message, SM_LENGTH_MAX)?;
        if with_tlvs && !self.tlvs.is_empty() {
            writer.few(Field::OptionalPart, self.tlvs.octets())?;
        }
        Ok(())
    }

    /// The fields before the text.
    #[inline(always)]
    fn write_head(&self, head: &mut Head<'_>) {
        head.text(self.service_type, SERVICE_TYPE_OCTETS_MAX);
        head.octets([self.source.ton, self.source.npi]);
        head.text(self.source.digits, ADDRESS_OCTETS_MAX);
        head.octets([self.destination.ton, self.destination.npi]);
        head.text(self.destination.digits, ADDRESS_OCTETS_MAX);
        head.octets([self.esm_class.0, self.protocol_id, self.priority_flag]);
        head.text(self.schedule_delivery_time, TIME_OCTETS_MAX);
        head.text(self.validity_period, TIME_OCTETS_MAX);
        head.octets([
            self.registered_delivery,
            self.replace_if_present_flag,
            self.data_coding,
            self.sm_default_msg_id,
        ]);
    }

    #[cold]
    fn write_fields(&self, writer: &mut Writer<'_>) -> Result<(), PduError> {
        writer.text(Field::ServiceType, self.service_type, SERVICE_TYPE_OCTETS_MAX)?;
        write_source(writer, &self.source, ADDRESS_OCTETS_MAX)?;
        write_destination(writer, &self.destination, ADDRESS_OCTETS_MAX)?;
        let octets = [self.esm_class.0, self.protocol_id, self.priority_flag];
        writer.octets(Field::EsmClass, octets)?;
        writer.text(Field::ScheduleDeliveryTime, self.schedule_delivery_time, TIME_OCTETS_MAX)?;
        writer.text(Field::ValidityPeriod, self.validity_period, TIME_OCTETS_MAX)?;
        let octets = [
            self.registered_delivery,
            self.replace_if_present_flag,
            self.data_coding,
            self.sm_default_msg_id,
        ];
        writer.octets(Field::RegisteredDelivery, octets)
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses are phone numbers, and the text is nobody's to read.
        formatter
            .debug_struct("Message")
            .field("esm_class", &self.esm_class)
            .field("data_coding", &self.data_coding)
            .field("short_message_octets", &self.short_message.len())
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}

/// data_sm (SMPP 3.4, 4.7.1): its text is message_payload.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Data<'a> {
    /// 0 to 5 octets, mostly none.
    pub service_type: &'a [u8],
    /// Who sent it: an address of up to 64 octets.
    pub source: Address<'a>,
    /// Whom it is for.
    pub destination: Address<'a>,
    /// Mode, type and features.
    pub esm_class: EsmClass,
    /// Which receipts are wanted.
    pub registered_delivery: u8,
    /// How the text is coded.
    pub data_coding: u8,
    /// Optional parameters, the text among them.
    pub tlvs: Tlvs<'a>,
}

impl<'a> Data<'a> {
    /// The octets of the message; none where it has none.
    pub fn content(&self) -> &'a [u8] {
        self.tlvs.find(Tag::MESSAGE_PAYLOAD).map_or(&[], |payload| payload.value)
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<(Self, Option<PduError>), PduError> {
        let service_type = reader.text(Field::ServiceType, SERVICE_TYPE_OCTETS_MAX)?;
        let source = read_source(reader, LONG_ADDRESS_OCTETS_MAX)?;
        let destination = read_destination(reader, LONG_ADDRESS_OCTETS_MAX)?;
        let esm_class = EsmClass(reader.octet(Field::EsmClass)?);
        let registered_delivery = reader.octet(Field::RegisteredDelivery)?;
        let data_coding = reader.octet(Field::DataCoding)?;
        let (tlvs, fault) = Tlvs::read(reader);
        let data = Self {
            service_type,
            source,
            destination,
            esm_class,
            registered_delivery,
            data_coding,
            tlvs,
        };
        Ok((data, fault))
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), PduError> {
        writer.text(Field::ServiceType, self.service_type, SERVICE_TYPE_OCTETS_MAX)?;
        write_source(writer, &self.source, LONG_ADDRESS_OCTETS_MAX)?;
        write_destination(writer, &self.destination, LONG_ADDRESS_OCTETS_MAX)?;
        let octets = [self.esm_class.0, self.registered_delivery, self.data_coding];
        writer.octets(Field::EsmClass, octets)?;
        // data_sm came with 3.4, and without its optional part it says nothing.
        writer.bytes(Field::OptionalPart, self.tlvs.octets())
    }
}

impl fmt::Debug for Data<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Data")
            .field("esm_class", &self.esm_class)
            .field("data_coding", &self.data_coding)
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}

/// submit_sm_resp, deliver_sm_resp or data_sm_resp (SMPP 3.4, 4.4.2, 4.6.2 and 4.7.2).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageResp<'a> {
    /// The SMSC's id of the message: 0 to 64 octets; none in deliver_sm_resp.
    pub message_id: &'a [u8],
    /// Optional parameters, where the peer has some (5.0).
    pub tlvs: Tlvs<'a>,
}

impl<'a> MessageResp<'a> {
    /// The id, where there is one.
    pub fn id(&self) -> Option<&'a [u8]> {
        Some(self.message_id).filter(|id| !id.is_empty())
    }

    /// A body that is an id with its NUL, and nothing else.
    #[inline]
    pub(super) fn of_an_id(body: &'a [u8]) -> Option<Self> {
        let (&0, message_id) = body.split_last()? else { return None };
        let is_one = message_id.len() < MESSAGE_ID_OCTETS_MAX && first_zero(message_id).is_none();
        is_one.then_some(Self { message_id, tlvs: Tlvs::NONE })
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        if reader.rest().is_empty() {
            return None;
        }
        let message_id = reader.last_text(Field::MessageId, MESSAGE_ID_OCTETS_MAX).ok()?;
        let (tlvs, fault) = Tlvs::read(reader);
        reader.oddities = reader.oddities.with_if(fault.is_some(), Oddities::UNREADABLE_BODY);
        Some(Self { message_id, tlvs })
    }

    #[inline]
    pub(super) fn write(&self, writer: &mut Writer<'_>, with_tlvs: bool) -> Result<(), PduError> {
        writer.text(Field::MessageId, self.message_id, MESSAGE_ID_OCTETS_MAX)?;
        if with_tlvs && !self.tlvs.is_empty() {
            writer.bytes(Field::OptionalPart, self.tlvs.octets())?;
        }
        Ok(())
    }
}

impl fmt::Debug for MessageResp<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.message_id.escape_ascii().to_string();
        formatter
            .debug_struct("MessageResp")
            .field("message_id", &id)
            .field("tlvs", &self.tlvs)
            .finish()
    }
}

/// replace_sm (SMPP 3.4, 4.10.1).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Replace<'a> {
    /// The message to replace: 0 to 64 octets.
    pub message_id: &'a [u8],
    /// Its source.
    pub source: Address<'a>,
    /// When the new one is to be delivered.
    pub schedule_delivery_time: &'a [u8],
    /// Until when.
    pub validity_period: &'a [u8],
    /// Which receipts are wanted.
    pub registered_delivery: u8,
    /// A message that the SMSC has; 0: none.
    pub sm_default_msg_id: u8,
    /// The new text: 0 to 254 octets.
    pub short_message: &'a [u8],
    /// Optional parameters (5.0).
    pub tlvs: Tlvs<'a>,
}

impl<'a> Replace<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<(Self, Option<PduError>), PduError> {
        let message_id = reader.text(Field::MessageId, MESSAGE_ID_OCTETS_MAX)?;
        let source = read_source(reader, ADDRESS_OCTETS_MAX)?;
        let schedule_delivery_time = reader.text(Field::ScheduleDeliveryTime, TIME_OCTETS_MAX)?;
        let validity_period = reader.text(Field::ValidityPeriod, TIME_OCTETS_MAX)?;
        let registered_delivery = reader.octet(Field::RegisteredDelivery)?;
        let sm_default_msg_id = reader.octet(Field::DefaultMessageId)?;
        let (short_message, cut) = read_short_message(reader)?;
        let (tlvs, fault) = Tlvs::read(reader);
        let replace = Self {
            message_id,
            source,
            schedule_delivery_time,
            validity_period,
            registered_delivery,
            sm_default_msg_id,
            short_message,
            tlvs,
        };
        Ok((replace, cut.or(fault)))
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>, with_tlvs: bool) -> Result<(), PduError> {
        writer.text(Field::MessageId, self.message_id, MESSAGE_ID_OCTETS_MAX)?;
        write_source(writer, &self.source, ADDRESS_OCTETS_MAX)?;
        writer.text(Field::ScheduleDeliveryTime, self.schedule_delivery_time, TIME_OCTETS_MAX)?;
        writer.text(Field::ValidityPeriod, self.validity_period, TIME_OCTETS_MAX)?;
        let octets = [self.registered_delivery, self.sm_default_msg_id];
        writer.octets(Field::RegisteredDelivery, octets)?;
        writer.message(self.short_message, SM_LENGTH_MAX)?;
        let tlvs = if with_tlvs { self.tlvs } else { Tlvs::NONE };
        writer.bytes(Field::OptionalPart, tlvs.octets())
    }
}

impl fmt::Debug for Replace<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.message_id.escape_ascii().to_string();
        formatter.debug_struct("Replace").field("message_id", &id).finish_non_exhaustive()
    }
}

/// sm_length and short_message; where the length goes beyond the PDU, what there is, and what is
/// wrong.
#[inline]
fn read_short_message<'a>(
    reader: &mut Reader<'a>,
) -> Result<(&'a [u8], Option<PduError>), PduError> {
    let announced = usize::from(reader.octet(Field::SmLength)?);
    let available = reader.rest().len();
    let cut = (announced > available).then(|| {
        let fault = Fault::Beyond { announced: announced as u16, available: available as u16 };
        reader.error(Field::ShortMessage, fault)
    });
    Ok((reader.octets_up_to(announced), cut))
}

#[inline]
pub(super) fn read_source<'a>(
    reader: &mut Reader<'a>,
    max: usize,
) -> Result<Address<'a>, PduError> {
    Ok(Address {
        ton: reader.octet(Field::SourceTon)?,
        npi: reader.octet(Field::SourceNpi)?,
        digits: reader.text(Field::Source, max)?,
    })
}

#[inline]
pub(super) fn read_destination<'a>(
    reader: &mut Reader<'a>,
    max: usize,
) -> Result<Address<'a>, PduError> {
    Ok(Address {
        ton: reader.octet(Field::DestinationTon)?,
        npi: reader.octet(Field::DestinationNpi)?,
        digits: reader.text(Field::Destination, max)?,
    })
}

#[inline]
pub(super) fn write_source(
    writer: &mut Writer<'_>,
    address: &Address<'_>,
    max: usize,
) -> Result<(), PduError> {
    writer.octets(Field::SourceTon, [address.ton, address.npi])?;
    writer.text(Field::Source, address.digits, max)
}

#[inline]
pub(super) fn write_destination(
    writer: &mut Writer<'_>,
    address: &Address<'_>,
    max: usize,
) -> Result<(), PduError> {
    writer.octets(Field::DestinationTon, [address.ton, address.npi])?;
    writer.text(Field::Destination, address.digits, max)
}
