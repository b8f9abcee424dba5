//! SMS-DELIVER-REPORT and SMS-SUBMIT-REPORT, as acknowledgement and as error (3GPP TS 23.040,
//! 9.2.2.1a, 9.2.2.2a).

use super::first_octet as bits;
use super::parameters::Parameters;
use super::writer::{Writer, flag};
use super::{ReportContext, read_failure_cause, read_first_octet};
use crate::sms::error::{Field, Reader, TpduError};
use crate::sms::status::FailureCause;
use crate::sms::time::TimeStamp;

/// SMS-DELIVER-REPORT: the terminal's answer to an SMS-DELIVER or SMS-STATUS-REPORT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeliverReport<'a> {
    /// TP-FCS (TS 23.040, 9.2.3.22): there when the report travels in an RP-ERROR.
    pub failure_cause: Option<FailureCause>,
    /// TP-UDHI, TP-PI and what it announces.
    pub parameters: Parameters<'a>,
}

impl<'a> DeliverReport<'a> {
    /// Reads the TPDU.
    ///
    /// # Errors
    /// What [`Tpdu::decode`](super::Tpdu::decode) refuses, and another type.
    pub fn decode(octets: &'a [u8], context: ReportContext) -> Result<Self, TpduError> {
        let mut reader = Reader::new(octets);
        let first = read_first_octet(&mut reader, bits::DELIVER)?;
        let failure_cause = read_failure_cause(&mut reader, context)?;
        let indicator = Parameters::read_indicator(&mut reader)?;
        let header = first & bits::HEADER != 0;
        let parameters = Parameters::read_fields(&mut reader, indicator, header)?;
        Ok(Self { failure_cause, parameters })
    }

    /// Writes the TPDU and returns its octets.
    ///
    /// # Errors
    /// What [`Tpdu::encode`](super::Tpdu::encode) cannot write.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, TpduError> {
        let mut writer = Writer::new(out);
        writer.octet(bits::DELIVER | flag(self.parameters.header_indicated(), bits::HEADER));
        if let Some(cause) = self.failure_cause {
            writer.octet(cause.0);
        }
        self.parameters.write_indicator(&mut writer)?;
        self.parameters.write_fields(&mut writer)?;
        writer.finish()
    }
}

/// SMS-SUBMIT-REPORT: the service centre's answer to an SMS-SUBMIT or SMS-COMMAND.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubmitReport<'a> {
    /// TP-FCS (TS 23.040, 9.2.3.22): there when the report travels in an RP-ERROR.
    pub failure_cause: Option<FailureCause>,
    /// TP-SCTS (TS 23.040, 9.2.3.11): when the service centre received the message; a status report
    /// repeats it.
    pub service_centre_time_stamp: TimeStamp,
    /// TP-UDHI, TP-PI and what it announces.
    pub parameters: Parameters<'a>,
}

impl<'a> SubmitReport<'a> {
    /// Reads the TPDU.
    ///
    /// # Errors
    /// What [`Tpdu::decode`](super::Tpdu::decode) refuses, and another type.
    pub fn decode(octets: &'a [u8], context: ReportContext) -> Result<Self, TpduError> {
        let mut reader = Reader::new(octets);
        let first = read_first_octet(&mut reader, bits::SUBMIT)?;
        let failure_cause = read_failure_cause(&mut reader, context)?;
        let indicator = Parameters::read_indicator(&mut reader)?;
        let service_centre_time_stamp = TimeStamp(reader.array(Field::ServiceCentreTimeStamp)?);
        let header = first & bits::HEADER != 0;
        let parameters = Parameters::read_fields(&mut reader, indicator, header)?;
        Ok(Self { failure_cause, service_centre_time_stamp, parameters })
    }

    /// Writes the TPDU and returns its octets.
    ///
    /// # Errors
    /// What [`Tpdu::encode`](super::Tpdu::encode) cannot write.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, TpduError> {
        let mut writer = Writer::new(out);
        writer.octet(bits::SUBMIT | flag(self.parameters.header_indicated(), bits::HEADER));
        if let Some(cause) = self.failure_cause {
            writer.octet(cause.0);
        }
        self.parameters.write_indicator(&mut writer)?;
        writer.octets(&self.service_centre_time_stamp.0);
        self.parameters.write_fields(&mut writer)?;
        writer.finish()
    }
}
