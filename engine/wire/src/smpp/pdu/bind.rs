//! bind_transmitter, bind_receiver, bind_transceiver and their answers (SMPP 3.4, 4.1).

use std::fmt;

use super::super::command::Command;
use super::super::error::{Field, PduError};
use super::super::limits::{
    ADDRESS_RANGE_OCTETS_MAX, PASSWORD_OCTETS_MAX, SYSTEM_ID_OCTETS_MAX, SYSTEM_TYPE_OCTETS_MAX,
};
use super::super::reader::Reader;
use super::super::tlv::{Tag, Tlvs};
use super::super::writer::Writer;

/// Which way messages go on a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BindKind {
    /// From the ESME to the SMSC.
    Transmitter,
    /// From the SMSC to the ESME.
    Receiver,
    /// Both ways.
    Transceiver,
}

impl BindKind {
    /// The kind that this request asks for.
    pub const fn of_request(command: Command) -> Option<Self> {
        match command {
            Command::BIND_TRANSMITTER => Some(Self::Transmitter),
            Command::BIND_RECEIVER => Some(Self::Receiver),
            Command::BIND_TRANSCEIVER => Some(Self::Transceiver),
            _ => None,
        }
    }

    /// The kind that this answer is of.
    pub const fn of_answer(command: Command) -> Option<Self> {
        match command {
            Command::BIND_TRANSMITTER_RESP => Some(Self::Transmitter),
            Command::BIND_RECEIVER_RESP => Some(Self::Receiver),
            Command::BIND_TRANSCEIVER_RESP => Some(Self::Transceiver),
            _ => None,
        }
    }

    /// The request for it.
    pub const fn request(self) -> Command {
        match self {
            Self::Transmitter => Command::BIND_TRANSMITTER,
            Self::Receiver => Command::BIND_RECEIVER,
            Self::Transceiver => Command::BIND_TRANSCEIVER,
        }
    }
}

/// A bind request (SMPP 3.4, 4.1.1, 4.1.3, 4.1.5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// Which of the three.
    pub kind: BindKind,
    /// Who binds: 0 to 15 octets.
    pub system_id: &'a [u8],
    /// Its password: 0 to 8 octets.
    pub password: &'a [u8],
    /// What kind of system it is: 0 to 12 octets, mostly none.
    pub system_type: &'a [u8],
    /// The version of SMPP, 34h for 3.4; whatever peers say.
    pub interface_version: u8,
    /// Type of number of `address_range`.
    pub addr_ton: u8,
    /// Numbering plan of `address_range`.
    pub addr_npi: u8,
    /// Addresses that the ESME serves: 0 to 40 octets. Ignored here.
    pub address_range: &'a [u8],
}

impl<'a> Bind<'a> {
    pub(super) fn read(kind: BindKind, reader: &mut Reader<'a>) -> Result<Self, PduError> {
        let bind = Self {
            kind,
            system_id: reader.text(Field::SystemId, SYSTEM_ID_OCTETS_MAX)?,
            password: reader.text(Field::Password, PASSWORD_OCTETS_MAX)?,
            system_type: reader.text(Field::SystemType, SYSTEM_TYPE_OCTETS_MAX)?,
            interface_version: reader.octet(Field::InterfaceVersion)?,
            addr_ton: reader.octet(Field::AddressTon)?,
            addr_npi: reader.octet(Field::AddressNpi)?,
            address_range: reader.text(Field::AddressRange, ADDRESS_RANGE_OCTETS_MAX)?,
        };
        reader.end();
        Ok(bind)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), PduError> {
        writer.text(Field::SystemId, self.system_id, SYSTEM_ID_OCTETS_MAX)?;
        writer.text(Field::Password, self.password, PASSWORD_OCTETS_MAX)?;
        writer.text(Field::SystemType, self.system_type, SYSTEM_TYPE_OCTETS_MAX)?;
        let octets = [self.interface_version, self.addr_ton, self.addr_npi];
        writer.octets(Field::InterfaceVersion, octets)?;
        writer.text(Field::AddressRange, self.address_range, ADDRESS_RANGE_OCTETS_MAX)
    }
}

impl fmt::Debug for Bind<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password is nobody's to read.
        formatter
            .debug_struct("Bind")
            .field("kind", &self.kind)
            .field("system_id", &self.system_id.escape_ascii().to_string())
            .field("interface_version", &self.interface_version)
            .finish_non_exhaustive()
    }
}

/// The answer to a bind (SMPP 3.4, 4.1.2, 4.1.4, 4.1.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BindResp<'a> {
    /// Who answers: 0 to 15 octets.
    pub system_id: &'a [u8],
    /// `sc_interface_version`.
    pub tlvs: Tlvs<'a>,
}

impl<'a> BindResp<'a> {
    /// The version of SMPP that the SMSC says it speaks.
    pub fn interface_version(&self) -> Option<u8> {
        u8::try_from(self.tlvs.number(Tag::SC_INTERFACE_VERSION)?).ok()
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        if reader.rest().is_empty() {
            return None;
        }
        let system_id = reader.last_text(Field::SystemId, SYSTEM_ID_OCTETS_MAX).ok()?;
        Some(Self { system_id, tlvs: Tlvs::read(reader).0 })
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>, with_tlvs: bool) -> Result<(), PduError> {
        writer.text(Field::SystemId, self.system_id, SYSTEM_ID_OCTETS_MAX)?;
        if with_tlvs {
            writer.bytes(Field::OptionalPart, self.tlvs.octets())?;
        }
        Ok(())
    }
}
