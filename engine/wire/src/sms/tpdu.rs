//! Transfer protocol data units: the six kinds of short message TPDU, read and written field by
//! field (3GPP TS 23.040, 9.2.2).
//!
//! TP-MTI takes two bits and means another kind in each direction, so reading needs to know who
//! sent the TPDU; and a report has a failure cause only in an RP-ERROR, which the TPDU itself does
//! not say. Reserved values are kept. Bits that a kind leaves unused are ignored when read and zero
//! when written, as 9.2.2 orders.

mod command;
mod deliver;
pub mod first_octet;
mod parameters;
mod report;
mod status_report;
mod submit;
mod writer;

pub use command::Command;
pub use deliver::Deliver;
pub use parameters::Parameters;
pub use report::{DeliverReport, SubmitReport};
pub use status_report::StatusReport;
pub use submit::Submit;

use super::error::{Fault, Field, Reader, TpduError, clamp};
use super::limits::TPDU_OCTETS_MAX;
use super::status::FailureCause;

/// Who sent the TPDU to whom.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// From the terminal to the service centre: mobile originated.
    FromTerminal,
    /// From the service centre to the terminal: mobile terminated.
    ToTerminal,
}

/// What the relay layer said about a report.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReportContext {
    /// It came in an RP-ACK: no failure cause.
    Acknowledgement,
    /// It came in an RP-ERROR: a failure cause follows the first octet.
    Error,
    /// Nobody knows; an octet of 80 or above behind the first one is taken for a failure cause. A
    /// parameter indicator has that bit set only when it is extended, which no release of the
    /// standard does.
    Unknown,
}

/// Any TPDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tpdu<'a> {
    /// SMS-DELIVER.
    Deliver(Deliver<'a>),
    /// SMS-DELIVER-REPORT.
    DeliverReport(DeliverReport<'a>),
    /// SMS-SUBMIT.
    Submit(Submit<'a>),
    /// SMS-SUBMIT-REPORT.
    SubmitReport(SubmitReport<'a>),
    /// SMS-STATUS-REPORT.
    StatusReport(StatusReport<'a>),
    /// SMS-COMMAND.
    Command(Command<'a>),
}

impl<'a> Tpdu<'a> {
    /// Reads a TPDU. Octets behind its last field are an error unless a reserved bit of TP-PI
    /// announces them.
    ///
    /// # Errors
    /// More than 164 octets, a type that this sender has not, or a field that is cut short, above
    /// its bound or followed by
    /// octets that nothing announces: which field, where, and what is wrong with it.
    pub fn decode(
        octets: &'a [u8],
        direction: Direction,
        context: ReportContext,
    ) -> Result<Self, TpduError> {
        if octets.len() > TPDU_OCTETS_MAX {
            let fault = Fault::TooLarge { value: clamp(octets.len()), max: clamp(TPDU_OCTETS_MAX) };
            return Err(TpduError::new(Field::End, TPDU_OCTETS_MAX, fault));
        }
        let Some(&first) = octets.first() else {
            let fault = Fault::Truncated { needed: 1, available: 0 };
            return Err(TpduError::new(Field::FirstOctet, 0, fault));
        };
        //= TS 23.040 9.2.3.1 direction
        match (direction, first & first_octet::TYPE_MASK) {
            // A terminal reads the reserved type as SMS-DELIVER (9.2.3.1).
            //= TS 23.040 9.2.3.1 reserved
            (Direction::ToTerminal, first_octet::DELIVER | first_octet::RESERVED_TYPE) => {
                Deliver::decode(octets).map(Self::Deliver)
            }
            (Direction::ToTerminal, first_octet::SUBMIT) => {
                SubmitReport::decode(octets, context).map(Self::SubmitReport)
            }
            (Direction::ToTerminal, _) => StatusReport::decode(octets).map(Self::StatusReport),
            (Direction::FromTerminal, first_octet::DELIVER) => {
                DeliverReport::decode(octets, context).map(Self::DeliverReport)
            }
            (Direction::FromTerminal, first_octet::SUBMIT) => {
                Submit::decode(octets).map(Self::Submit)
            }
            (Direction::FromTerminal, first_octet::STATUS_REPORT_TYPE) => {
                Command::decode(octets).map(Self::Command)
            }
            (Direction::FromTerminal, _) => {
                Err(TpduError::new(Field::FirstOctet, 0, Fault::Illegal { value: first }))
            }
        }
    }

    /// Writes the TPDU to the front of `out`, of which [`TPDU_OCTETS_MAX`] octets always suffice,
    /// and returns the octets written.
    ///
    /// # Errors
    /// `out` is too small, or a field holds what cannot be written: user data of another length
    /// than TP-UDL says.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, TpduError> {
        match self {
            Self::Deliver(tpdu) => tpdu.encode(out),
            Self::DeliverReport(tpdu) => tpdu.encode(out),
            Self::Submit(tpdu) => tpdu.encode(out),
            Self::SubmitReport(tpdu) => tpdu.encode(out),
            Self::StatusReport(tpdu) => tpdu.encode(out),
            Self::Command(tpdu) => tpdu.encode(out),
        }
    }

    /// The kind's name in the standard.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Deliver(_) => "SMS-DELIVER",
            Self::DeliverReport(_) => "SMS-DELIVER-REPORT",
            Self::Submit(_) => "SMS-SUBMIT",
            Self::SubmitReport(_) => "SMS-SUBMIT-REPORT",
            Self::StatusReport(_) => "SMS-STATUS-REPORT",
            Self::Command(_) => "SMS-COMMAND",
        }
    }

    /// Who sends this kind.
    pub fn direction(&self) -> Direction {
        match self {
            Self::Deliver(_) | Self::SubmitReport(_) | Self::StatusReport(_) => {
                Direction::ToTerminal
            }
            Self::DeliverReport(_) | Self::Submit(_) | Self::Command(_) => Direction::FromTerminal,
        }
    }
}

/// The first octet of a TPDU that must be of the type `expected`.
fn read_first_octet(reader: &mut Reader<'_>, expected: u8) -> Result<u8, TpduError> {
    let first = reader.octet(Field::FirstOctet)?;
    let found = first & first_octet::TYPE_MASK;
    if found != expected {
        return Err(TpduError::new(Field::FirstOctet, 0, Fault::WrongType { found, expected }));
    }
    Ok(first)
}

/// TP-FCS where the context or, failing that, the octet itself says that there is one.
fn read_failure_cause(
    reader: &mut Reader<'_>,
    context: ReportContext,
) -> Result<Option<FailureCause>, TpduError> {
    //= TS 23.040 9.2.3.22 error
    let present = match context {
        ReportContext::Acknowledgement => false,
        ReportContext::Error => true,
        ReportContext::Unknown => {
            reader.remaining().first().is_some_and(|octet| octet & FailureCause::MARK != 0)
        }
    };
    if present {
        reader.octet(Field::FailureCause).map(|octet| Some(FailureCause(octet)))
    } else {
        Ok(None)
    }
}
