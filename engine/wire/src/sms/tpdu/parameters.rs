//! TP-Parameter-Indicator and the optional fields that it announces in reports (3GPP TS 23.040,
//! 9.2.3.27).

use super::writer::{Writer, flag};
use crate::sms::coding_scheme::CodingScheme;
use crate::sms::error::{Fault, Field, Reader, TpduError};
use crate::sms::limits::REPORT_USER_DATA_OCTETS_MAX;
use crate::sms::protocol_identifier::ProtocolIdentifier;
use crate::sms::user_data::UserData;

/// TP-PI, and TP-PID, TP-DCS and TP-UD where it says that they are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parameters<'a> {
    /// Bits 3 to 6 of TP-PI, which are reserved, where they stand; other bits are zero.
    pub reserved_bits: u8,
    /// The octets that follow TP-PI because its bit 7 is set. All but the last have that bit set
    /// too.
    pub extension: &'a [u8],
    /// TP-PID.
    pub protocol_identifier: Option<ProtocolIdentifier>,
    /// TP-DCS. Without it user data is read as GSM 7-bit default alphabet.
    pub coding_scheme: Option<CodingScheme>,
    /// TP-UDL and TP-UD, at most 159 octets; its coding scheme must be the one above.
    pub user_data: Option<UserData<'a>>,
    /// What follows the user data where a reserved bit is set. A receiver discards it.
    pub discarded: &'a [u8],
}

/// The bits of TP-PI.
pub(super) mod indicator {
    pub(in crate::sms::tpdu) const PROTOCOL_IDENTIFIER: u8 = 0x01;
    pub(in crate::sms::tpdu) const CODING_SCHEME: u8 = 0x02;
    pub(in crate::sms::tpdu) const USER_DATA: u8 = 0x04;
    pub(in crate::sms::tpdu) const RESERVED: u8 = 0x78;
    pub(in crate::sms::tpdu) const EXTENSION: u8 = 0x80;
}

impl<'a> Parameters<'a> {
    /// TP-PI without its extension octets.
    pub fn indicator(&self) -> u8 {
        self.reserved_bits & indicator::RESERVED
            | flag(self.protocol_identifier.is_some(), indicator::PROTOCOL_IDENTIFIER)
            | flag(self.coding_scheme.is_some(), indicator::CODING_SCHEME)
            | flag(self.user_data.is_some(), indicator::USER_DATA)
            | flag(!self.extension.is_empty(), indicator::EXTENSION)
    }

    /// Reads TP-PI, with extension octets if it has any. What it announces comes later: in an
    /// SMS-SUBMIT-REPORT the time stamp stands between.
    pub(super) fn read_indicator(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), TpduError> {
        let indicator = reader.octet(Field::ParameterIndicator)?;
        if indicator & indicator::EXTENSION == 0 {
            return Ok((indicator, &[]));
        }
        let extended = |octet: &&u8| **octet & indicator::EXTENSION != 0;
        //= TS 23.040 9.2.3.27 extension
        let octets = 1 + reader.remaining().iter().take_while(extended).count();
        Ok((indicator, reader.take(Field::ParameterIndicator, octets)?))
    }

    /// Reads the fields that TP-PI announces, to the end of the TPDU.
    pub(super) fn read_fields(
        reader: &mut Reader<'a>,
        (indicator, extension): (u8, &'a [u8]),
        header_indicated: bool,
    ) -> Result<Self, TpduError> {
        let announced = |bit| indicator & bit != 0;
        let mut parameters =
            Self { reserved_bits: indicator & indicator::RESERVED, extension, ..Self::default() };
        //= TS 23.040 9.2.3.27 announced
        if announced(indicator::PROTOCOL_IDENTIFIER) {
            let octet = reader.octet(Field::ProtocolIdentifier)?;
            parameters.protocol_identifier = Some(ProtocolIdentifier(octet));
        }
        if announced(indicator::CODING_SCHEME) {
            parameters.coding_scheme = Some(CodingScheme(reader.octet(Field::CodingScheme)?));
        }
        if announced(indicator::USER_DATA) {
            //= TS 23.040 9.2.3.27 alphabet
            let scheme = parameters.coding_scheme.unwrap_or_default();
            let max = REPORT_USER_DATA_OCTETS_MAX;
            parameters.user_data = Some(UserData::read(reader, scheme, header_indicated, max)?);
        }
        //= TS 23.040 9.2.3.27 discarded
        if parameters.announces_more() {
            parameters.discarded = reader.take(Field::End, reader.remaining().len())?;
        }
        reader.finish()?;
        Ok(parameters)
    }

    pub(super) fn write_indicator(&self, writer: &mut Writer<'_>) -> Result<(), TpduError> {
        // Each extension octet but the last says that another follows.
        for (at, &value) in self.extension.iter().enumerate() {
            let another = at + 1 < self.extension.len();
            if (value & indicator::EXTENSION != 0) != another {
                return Err(illegal(Field::ParameterIndicator, writer, value));
            }
        }
        writer.octet(self.indicator());
        writer.octets(self.extension);
        Ok(())
    }

    pub(super) fn write_fields(&self, writer: &mut Writer<'_>) -> Result<(), TpduError> {
        if let Some(protocol_identifier) = self.protocol_identifier {
            writer.octet(protocol_identifier.0);
        }
        if let Some(coding_scheme) = self.coding_scheme {
            writer.octet(coding_scheme.0);
        }
        if let Some(user_data) = &self.user_data {
            if user_data.coding_scheme != self.coding_scheme.unwrap_or_default() {
                return Err(illegal(Field::CodingScheme, writer, user_data.coding_scheme.0));
            }
            writer.user_data(user_data, REPORT_USER_DATA_OCTETS_MAX)?;
        }
        if let (Some(&value), false) = (self.discarded.first(), self.announces_more()) {
            return Err(illegal(Field::End, writer, value));
        }
        writer.octets(self.discarded);
        Ok(())
    }

    /// TP-UDHI.
    pub(super) fn header_indicated(&self) -> bool {
        self.user_data.is_some_and(|user_data| user_data.header_indicated)
    }

    /// Whether a reserved bit says that further fields may follow.
    fn announces_more(&self) -> bool {
        self.reserved_bits & indicator::RESERVED != 0
            || self.extension.iter().any(|octet| octet & !indicator::EXTENSION != 0)
    }
}

fn illegal(field: Field, writer: &Writer<'_>, value: u8) -> TpduError {
    TpduError::new(field, writer.position(), Fault::Illegal { value })
}
