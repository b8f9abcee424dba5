//! SMS-DELIVER (3GPP TS 23.040, 9.2.2.1).

use super::first_octet as bits;
use super::writer::{Writer, flag};
use crate::sms::address::Address;
use crate::sms::coding_scheme::CodingScheme;
use crate::sms::error::{Fault, Field, Reader, TpduError};
use crate::sms::limits::USER_DATA_OCTETS_MAX;
use crate::sms::protocol_identifier::ProtocolIdentifier;
use crate::sms::time::TimeStamp;
use crate::sms::user_data::UserData;

/// SMS-DELIVER: a short message on its way to the terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deliver<'a> {
    /// TP-MTI was the reserved 11, which a terminal reads as SMS-DELIVER.
    pub reserved_type: bool,
    /// TP-MMS (TS 23.040, 9.2.3.2): more messages wait. On the wire the bit is set when none do.
    pub more_messages: bool,
    /// TP-LP (TS 23.040, 9.2.3.28): the message has been forwarded or spawned already.
    pub loop_prevention: bool,
    /// TP-SRI (TS 23.040, 9.2.3.4): a status report will go back to the sender.
    pub status_report_indication: bool,
    /// TP-RP (TS 23.040, 9.2.3.17).
    pub reply_path: bool,
    /// TP-OA (TS 23.040, 9.2.3.7).
    pub originating_address: Address,
    /// TP-PID (TS 23.040, 9.2.3.9).
    pub protocol_identifier: ProtocolIdentifier,
    /// TP-SCTS (TS 23.040, 9.2.3.11).
    pub service_centre_time_stamp: TimeStamp,
    /// TP-UDHI, TP-DCS, TP-UDL and TP-UD; at most 140 octets.
    pub user_data: UserData<'a>,
}

impl<'a> Deliver<'a> {
    /// Reads the TPDU.
    ///
    /// # Errors
    /// What [`Tpdu::decode`](super::Tpdu::decode) refuses, and another type.
    pub fn decode(octets: &'a [u8]) -> Result<Self, TpduError> {
        let mut reader = Reader::new(octets);
        let first = reader.octet(Field::FirstOctet)?;
        let found = first & bits::TYPE_MASK;
        if found != bits::DELIVER && found != bits::RESERVED_TYPE {
            let fault = Fault::WrongType { found, expected: bits::DELIVER };
            return Err(TpduError::new(Field::FirstOctet, 0, fault));
        }
        let originating_address = Address::of_field(reader.address(Field::OriginatingAddress)?);
        let protocol_identifier = ProtocolIdentifier(reader.octet(Field::ProtocolIdentifier)?);
        let coding_scheme = CodingScheme(reader.octet(Field::CodingScheme)?);
        let service_centre_time_stamp = TimeStamp(reader.array(Field::ServiceCentreTimeStamp)?);
        let header = first & bits::HEADER != 0;
        let user_data = UserData::read(&mut reader, coding_scheme, header, USER_DATA_OCTETS_MAX)?;
        reader.finish()?;
        Ok(Self {
            reserved_type: found == bits::RESERVED_TYPE,
            //= TS 23.040 9.2.3.2
            more_messages: first & bits::NO_MORE_MESSAGES == 0,
            loop_prevention: first & bits::LOOP_PREVENTION != 0,
            status_report_indication: first & bits::STATUS_REPORT != 0,
            reply_path: first & bits::REPLY_PATH != 0,
            originating_address,
            protocol_identifier,
            service_centre_time_stamp,
            user_data,
        })
    }

    /// Writes the TPDU and returns its octets.
    ///
    /// # Errors
    /// What [`Tpdu::encode`](super::Tpdu::encode) cannot write.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, TpduError> {
        let mut writer = Writer::new(out);
        writer.octet(
            if self.reserved_type { bits::RESERVED_TYPE } else { bits::DELIVER }
                | flag(!self.more_messages, bits::NO_MORE_MESSAGES)
                | flag(self.loop_prevention, bits::LOOP_PREVENTION)
                | flag(self.status_report_indication, bits::STATUS_REPORT)
                | flag(self.user_data.header_indicated, bits::HEADER)
                | flag(self.reply_path, bits::REPLY_PATH),
        );
        writer.octets(self.originating_address.as_octets());
        writer.octet(self.protocol_identifier.0);
        writer.octet(self.user_data.coding_scheme.0);
        writer.octets(&self.service_centre_time_stamp.0);
        writer.user_data(&self.user_data, USER_DATA_OCTETS_MAX)?;
        writer.finish()
    }
}
