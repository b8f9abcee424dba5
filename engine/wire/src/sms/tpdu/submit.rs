//! SMS-SUBMIT (3GPP TS 23.040, 9.2.2.2).

use super::first_octet as bits;
use super::read_first_octet;
use super::writer::{Writer, flag};
use crate::sms::address::Address;
use crate::sms::coding_scheme::CodingScheme;
use crate::sms::error::{Field, Reader, TpduError};
use crate::sms::limits::USER_DATA_OCTETS_MAX;
use crate::sms::protocol_identifier::ProtocolIdentifier;
use crate::sms::time::{EnhancedValidity, TimeStamp, ValidityPeriod};
use crate::sms::user_data::UserData;

/// SMS-SUBMIT: a short message on its way to the service centre.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Submit<'a> {
    /// TP-RD: refuse the message if one with the same reference, originator and destination is
    /// still held.
    pub reject_duplicates: bool,
    /// TP-SRR (TS 23.040, 9.2.3.5).
    pub status_report_requested: bool,
    /// TP-RP (TS 23.040, 9.2.3.17).
    pub reply_path: bool,
    /// TP-MR (TS 23.040, 9.2.3.6).
    pub message_reference: u8,
    /// TP-DA (TS 23.040, 9.2.3.8).
    pub destination_address: Address,
    /// TP-PID (TS 23.040, 9.2.3.9).
    pub protocol_identifier: ProtocolIdentifier,
    /// TP-VPF and TP-VP (TS 23.040, 9.2.3.3 and 9.2.3.12).
    pub validity_period: ValidityPeriod,
    /// TP-UDHI, TP-DCS, TP-UDL and TP-UD; at most 140 octets.
    pub user_data: UserData<'a>,
}

impl<'a> Submit<'a> {
    /// Reads the TPDU.
    ///
    /// # Errors
    /// What [`Tpdu::decode`](super::Tpdu::decode) refuses, and another type.
    pub fn decode(octets: &'a [u8]) -> Result<Self, TpduError> {
        let mut reader = Reader::new(octets);
        let first = read_first_octet(&mut reader, bits::SUBMIT)?;
        let message_reference = reader.octet(Field::MessageReference)?;
        let destination_address = Address::of_field(reader.address(Field::DestinationAddress)?);
        let protocol_identifier = ProtocolIdentifier(reader.octet(Field::ProtocolIdentifier)?);
        let coding_scheme = CodingScheme(reader.octet(Field::CodingScheme)?);
        let validity_period = read_validity_period(&mut reader, first)?;
        let header = first & bits::HEADER != 0;
        let user_data = UserData::read(&mut reader, coding_scheme, header, USER_DATA_OCTETS_MAX)?;
        reader.finish()?;
        Ok(Self {
            reject_duplicates: first & bits::REJECT_DUPLICATES != 0,
            status_report_requested: first & bits::STATUS_REPORT != 0,
            reply_path: first & bits::REPLY_PATH != 0,
            message_reference,
            destination_address,
            protocol_identifier,
            validity_period,
            user_data,
        })
    }

    /// Writes the TPDU and returns its octets.
    ///
    /// # Errors
    /// What [`Tpdu::encode`](super::Tpdu::encode) cannot write.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, TpduError> {
        let mut writer = Writer::new(out);
        let format = match self.validity_period {
            ValidityPeriod::Absent => 0,
            ValidityPeriod::Relative(_) => bits::VALIDITY_RELATIVE,
            ValidityPeriod::Absolute(_) => bits::VALIDITY_ABSOLUTE,
            ValidityPeriod::Enhanced(_) => bits::VALIDITY_ENHANCED,
        };
        writer.octet(
            bits::SUBMIT
                | format
                | flag(self.reject_duplicates, bits::REJECT_DUPLICATES)
                | flag(self.status_report_requested, bits::STATUS_REPORT)
                | flag(self.user_data.header_indicated, bits::HEADER)
                | flag(self.reply_path, bits::REPLY_PATH),
        );
        writer.octet(self.message_reference);
        writer.octets(self.destination_address.as_octets());
        writer.octet(self.protocol_identifier.0);
        writer.octet(self.user_data.coding_scheme.0);
        match self.validity_period {
            ValidityPeriod::Absent => {}
            ValidityPeriod::Relative(value) => writer.octet(value),
            ValidityPeriod::Absolute(stamp) => writer.octets(&stamp.0),
            ValidityPeriod::Enhanced(validity) => writer.octets(&validity.0),
        }
        writer.user_data(&self.user_data, USER_DATA_OCTETS_MAX)?;
        writer.finish()
    }
}

//= TS 23.040 9.2.3.3
fn read_validity_period(reader: &mut Reader<'_>, first: u8) -> Result<ValidityPeriod, TpduError> {
    Ok(match first & bits::VALIDITY_MASK {
        bits::VALIDITY_RELATIVE => ValidityPeriod::Relative(reader.octet(Field::ValidityPeriod)?),
        bits::VALIDITY_ABSOLUTE => {
            ValidityPeriod::Absolute(TimeStamp(reader.array(Field::ValidityPeriod)?))
        }
        bits::VALIDITY_ENHANCED => {
            ValidityPeriod::Enhanced(EnhancedValidity(reader.array(Field::ValidityPeriod)?))
        }
        _ => ValidityPeriod::Absent,
    })
}
