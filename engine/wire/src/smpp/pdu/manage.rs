//! query_sm, cancel_sm and alert_notification (SMPP 3.4, 4.8, 4.9 and 4.12).

use std::fmt;

use super::super::address::Address;
use super::super::error::{Field, PduError};
use super::super::limits::{
    ADDRESS_OCTETS_MAX, LONG_ADDRESS_OCTETS_MAX, MESSAGE_ID_OCTETS_MAX, SERVICE_TYPE_OCTETS_MAX,
    TIME_OCTETS_MAX,
};
use super::super::reader::Reader;
use super::super::tlv::Tlvs;
use super::super::writer::Writer;
use super::message::{read_destination, read_source, write_destination, write_source};

/// query_sm: what became of a message (SMPP 3.4, 4.8.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// The message: 0 to 64 octets.
    pub message_id: &'a [u8],
    /// Its source.
    pub source: Address<'a>,
}

impl<'a> Query<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, PduError> {
        let message_id = reader.text(Field::MessageId, MESSAGE_ID_OCTETS_MAX)?;
        let source = read_source(reader, ADDRESS_OCTETS_MAX)?;
        reader.end();
        Ok(Self { message_id, source })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), PduError> {
        writer.text(Field::MessageId, self.message_id, MESSAGE_ID_OCTETS_MAX)?;
        write_source(writer, &self.source, ADDRESS_OCTETS_MAX)
    }
}

/// query_sm_resp (SMPP 3.4, 4.8.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueryResp<'a> {
    /// The message: 0 to 64 octets.
    pub message_id: &'a [u8],
    /// When it reached its end, in the form of [`super::super::time`]; empty where it has not.
    pub final_date: &'a [u8],
    /// What became of it (5.2.28).
    pub message_state: u8,
    /// The network's error, 0 where there is none.
    pub error_code: u8,
}

impl<'a> QueryResp<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let answer = Self {
            message_id: reader.text(Field::MessageId, MESSAGE_ID_OCTETS_MAX).ok()?,
            final_date: reader.text(Field::FinalDate, TIME_OCTETS_MAX).ok()?,
            message_state: reader.octet(Field::MessageState).ok()?,
            error_code: reader.octet(Field::ErrorCode).ok()?,
        };
        reader.end();
        Some(answer)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), PduError> {
        writer.text(Field::MessageId, self.message_id, MESSAGE_ID_OCTETS_MAX)?;
        writer.text(Field::FinalDate, self.final_date, TIME_OCTETS_MAX)?;
        writer.octets(Field::MessageState, [self.message_state, self.error_code])
    }
}

/// cancel_sm: one message by its id, or those of an address pair (SMPP 3.4, 4.9.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cancel<'a> {
    /// 0 to 5 octets.
    pub service_type: &'a [u8],
    /// The message: 0 to 64 octets.
    pub message_id: &'a [u8],
    /// Its source.
    pub source: Address<'a>,
    /// Its destination; all empty where the id says enough.
    pub destination: Address<'a>,
}

impl<'a> Cancel<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, PduError> {
        let cancel = Self {
            service_type: reader.text(Field::ServiceType, SERVICE_TYPE_OCTETS_MAX)?,
            message_id: reader.text(Field::MessageId, MESSAGE_ID_OCTETS_MAX)?,
            source: read_source(reader, ADDRESS_OCTETS_MAX)?,
            destination: read_destination(reader, ADDRESS_OCTETS_MAX)?,
        };
        reader.end();
        Ok(cancel)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), PduError> {
        writer.text(Field::ServiceType, self.service_type, SERVICE_TYPE_OCTETS_MAX)?;
        writer.text(Field::MessageId, self.message_id, MESSAGE_ID_OCTETS_MAX)?;
        write_source(writer, &self.source, ADDRESS_OCTETS_MAX)?;
        write_destination(writer, &self.destination, ADDRESS_OCTETS_MAX)
    }
}

/// alert_notification: a phone is reachable again; it has no answer (SMPP 3.4, 4.12.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Alert<'a> {
    /// The phone: an address of up to 64 octets.
    pub source: Address<'a>,
    /// Who asked to be told.
    pub esme: Address<'a>,
    /// `ms_availability_status`.
    pub tlvs: Tlvs<'a>,
}

impl<'a> Alert<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<(Self, Option<PduError>), PduError> {
        let source = read_source(reader, LONG_ADDRESS_OCTETS_MAX)?;
        let esme = Address {
            ton: reader.octet(Field::EsmeTon)?,
            npi: reader.octet(Field::EsmeNpi)?,
            digits: reader.text(Field::Esme, LONG_ADDRESS_OCTETS_MAX)?,
        };
        let (tlvs, fault) = Tlvs::read(reader);
        Ok((Self { source, esme, tlvs }, fault))
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>, with_tlvs: bool) -> Result<(), PduError> {
        write_source(writer, &self.source, LONG_ADDRESS_OCTETS_MAX)?;
        writer.octets(Field::EsmeTon, [self.esme.ton, self.esme.npi])?;
        writer.text(Field::Esme, self.esme.digits, LONG_ADDRESS_OCTETS_MAX)?;
        let tlvs = if with_tlvs { self.tlvs } else { Tlvs::NONE };
        writer.bytes(Field::OptionalPart, tlvs.octets())
    }
}

/// Ids alone: addresses are phone numbers.
macro_rules! debug_by_id {
    ($($name:ident)*) => {
        $(impl fmt::Debug for $name<'_> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let id = self.message_id.escape_ascii().to_string();
                let mut shown = formatter.debug_struct(stringify!($name));
                shown.field("message_id", &id).finish_non_exhaustive()
            }
        })*
    };
}

debug_by_id! { Query QueryResp Cancel }

impl fmt::Debug for Alert<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Alert").field("tlvs", &self.tlvs).finish_non_exhaustive()
    }
}
