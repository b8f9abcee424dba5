//! SMS-COMMAND (3GPP TS 23.040, 9.2.2.4).

use super::first_octet as bits;
use super::read_first_octet;
use super::writer::{Writer, flag};
use crate::sms::address::Address;
use crate::sms::error::{Fault, Field, Reader, TpduError, clamp};
use crate::sms::header::{Header, HeaderFault};
use crate::sms::protocol_identifier::ProtocolIdentifier;
use crate::sms::status::CommandType;

/// SMS-COMMAND: asks the service centre to do something, mostly with an earlier message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command<'a> {
    /// TP-UDHI: the command data starts with a user data header.
    pub header_indicated: bool,
    /// TP-SRR (TS 23.040, 9.2.3.5).
    pub status_report_requested: bool,
    /// TP-MR (TS 23.040, 9.2.3.6).
    pub message_reference: u8,
    /// TP-PID (TS 23.040, 9.2.3.9).
    pub protocol_identifier: ProtocolIdentifier,
    /// TP-CT (TS 23.040, 9.2.3.19).
    pub command_type: CommandType,
    /// TP-MN (TS 23.040, 9.2.3.18): TP-MR of the message that the command is about.
    pub message_number: u8,
    /// TP-DA (TS 23.040, 9.2.3.8).
    pub destination_address: Address,
    /// TP-CD (TS 23.040, 9.2.3.21), whose length TP-CDL counts in octets; as much as the TPDU
    /// holds.
    pub command_data: &'a [u8],
}

impl<'a> Command<'a> {
    /// The header at the front of TP-CD, if TP-UDHI promises one: as it reads, or why it is to be
    /// ignored; and the octets behind it.
    //= TS 23.040 9.2.3.21
    pub fn split_data(&self) -> (Option<Result<Header<'a>, HeaderFault>>, &'a [u8]) {
        if !self.header_indicated {
            return (None, self.command_data);
        }
        let (header, taken) = Header::read(self.command_data);
        (Some(header), &self.command_data[taken..])
    }

    /// Reads the TPDU.
    ///
    /// # Errors
    /// What [`Tpdu::decode`](super::Tpdu::decode) refuses, and another type.
    pub fn decode(octets: &'a [u8]) -> Result<Self, TpduError> {
        let mut reader = Reader::new(octets);
        let first = read_first_octet(&mut reader, bits::STATUS_REPORT_TYPE)?;
        let message_reference = reader.octet(Field::MessageReference)?;
        let protocol_identifier = ProtocolIdentifier(reader.octet(Field::ProtocolIdentifier)?);
        let command_type = CommandType(reader.octet(Field::CommandType)?);
        //= TS 23.040 9.2.3.18
        let message_number = reader.octet(Field::MessageNumber)?;
        let destination_address = Address::of_field(reader.address(Field::DestinationAddress)?);
        //= TS 23.040 9.2.3.20
        let length = reader.octet(Field::CommandDataLength)?;
        let command_data = reader.take(Field::CommandData, usize::from(length))?;
        reader.finish()?;
        Ok(Self {
            header_indicated: first & bits::HEADER != 0,
            status_report_requested: first & bits::STATUS_REPORT != 0,
            message_reference,
            protocol_identifier,
            command_type,
            message_number,
            destination_address,
            command_data,
        })
    }

    /// Writes the TPDU and returns its octets.
    ///
    /// # Errors
    /// What [`Tpdu::encode`](super::Tpdu::encode) cannot write.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, TpduError> {
        let mut writer = Writer::new(out);
        writer.octet(
            bits::STATUS_REPORT_TYPE
                | flag(self.status_report_requested, bits::STATUS_REPORT)
                | flag(self.header_indicated, bits::HEADER),
        );
        writer.octets(&[
            self.message_reference,
            self.protocol_identifier.0,
            self.command_type.0,
            self.message_number,
        ]);
        writer.octets(self.destination_address.as_octets());
        let Ok(length) = u8::try_from(self.command_data.len()) else {
            let (value, max) = (clamp(self.command_data.len()), u16::from(u8::MAX));
            let fault = Fault::TooLarge { value, max };
            return Err(TpduError::new(Field::CommandDataLength, writer.position(), fault));
        };
        writer.octet(length);
        writer.octets(self.command_data);
        writer.finish()
    }
}
