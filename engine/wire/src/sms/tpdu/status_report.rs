//! SMS-STATUS-REPORT (3GPP TS 23.040, 9.2.2.3).

use super::first_octet as bits;
use super::parameters::Parameters;
use super::read_first_octet;
use super::writer::{Writer, flag};
use crate::sms::address::Address;
use crate::sms::error::{Field, Reader, TpduError};
use crate::sms::status::Status;
use crate::sms::time::TimeStamp;

/// SMS-STATUS-REPORT: what became of a submitted message or of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusReport<'a> {
    /// TP-MMS (TS 23.040, 9.2.3.2): more messages wait. On the wire the bit is set when none do.
    pub more_messages: bool,
    /// TP-LP (TS 23.040, 9.2.3.28).
    pub loop_prevention: bool,
    /// TP-SRQ (TS 23.040, 9.2.3.26): the report answers an SMS-COMMAND, not an SMS-SUBMIT.
    pub answers_command: bool,
    /// TP-MR of the SMS-SUBMIT or SMS-COMMAND (TS 23.040, 9.2.3.6).
    pub message_reference: u8,
    /// TP-RA (TS 23.040, 9.2.3.14).
    pub recipient_address: Address,
    /// TP-SCTS: the time stamp that the service centre gave the message.
    pub service_centre_time_stamp: TimeStamp,
    /// TP-DT (TS 23.040, 9.2.3.13): when it was delivered, or last tried.
    pub discharge_time: TimeStamp,
    /// TP-ST (TS 23.040, 9.2.3.15).
    pub status: Status,
    /// TP-UDHI, TP-PI and what it announces; TP-PI may be left out.
    pub parameters: Option<Parameters<'a>>,
}

impl<'a> StatusReport<'a> {
    /// Reads the TPDU.
    ///
    /// # Errors
    /// What [`Tpdu::decode`](super::Tpdu::decode) refuses, and another type.
    pub fn decode(octets: &'a [u8]) -> Result<Self, TpduError> {
        let mut reader = Reader::new(octets);
        let first = read_first_octet(&mut reader, bits::STATUS_REPORT_TYPE)?;
        let message_reference = reader.octet(Field::MessageReference)?;
        let recipient_address = Address::of_field(reader.address(Field::RecipientAddress)?);
        let service_centre_time_stamp = TimeStamp(reader.array(Field::ServiceCentreTimeStamp)?);
        let discharge_time = TimeStamp(reader.array(Field::DischargeTime)?);
        let status = Status(reader.octet(Field::Status)?);
        let parameters = if reader.remaining().is_empty() {
            None
        } else {
            let indicator = Parameters::read_indicator(&mut reader)?;
            Some(Parameters::read_fields(&mut reader, indicator, first & bits::HEADER != 0)?)
        };
        Ok(Self {
            more_messages: first & bits::NO_MORE_MESSAGES == 0,
            loop_prevention: first & bits::LOOP_PREVENTION != 0,
            //= TS 23.040 9.2.3.26
            answers_command: first & bits::STATUS_REPORT != 0,
            message_reference,
            recipient_address,
            service_centre_time_stamp,
            discharge_time,
            status,
            parameters,
        })
    }

    /// Writes the TPDU and returns its octets.
    ///
    /// # Errors
    /// What [`Tpdu::encode`](super::Tpdu::encode) cannot write.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, TpduError> {
        let mut writer = Writer::new(out);
        let header = self.parameters.is_some_and(|parameters| parameters.header_indicated());
        writer.octet(
            bits::STATUS_REPORT_TYPE
                | flag(!self.more_messages, bits::NO_MORE_MESSAGES)
                | flag(self.loop_prevention, bits::LOOP_PREVENTION)
                | flag(self.answers_command, bits::STATUS_REPORT)
                | flag(header, bits::HEADER),
        );
        writer.octet(self.message_reference);
        writer.octets(self.recipient_address.as_octets());
        writer.octets(&self.service_centre_time_stamp.0);
        writer.octets(&self.discharge_time.0);
        writer.octet(self.status.0);
        if let Some(parameters) = &self.parameters {
            parameters.write_indicator(&mut writer)?;
            parameters.write_fields(&mut writer)?;
        }
        writer.finish()
    }
}
