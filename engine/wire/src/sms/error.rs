//! What can be wrong with a TPDU: in which field, at which octet, and how.

use std::fmt;

/// A field of a TPDU, by its name in 3GPP TS 23.040.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Field {
    /// The first octet: TP-MTI and the flags beside it.
    FirstOctet,
    /// TP-Message-Reference.
    MessageReference,
    /// TP-Originating-Address.
    OriginatingAddress,
    /// TP-Destination-Address.
    DestinationAddress,
    /// TP-Recipient-Address.
    RecipientAddress,
    /// An address on its own, outside a TPDU.
    Address,
    /// TP-Protocol-Identifier.
    ProtocolIdentifier,
    /// TP-Data-Coding-Scheme.
    CodingScheme,
    /// TP-Service-Centre-Time-Stamp.
    ServiceCentreTimeStamp,
    /// TP-Discharge-Time.
    DischargeTime,
    /// TP-Validity-Period.
    ValidityPeriod,
    /// TP-Status.
    Status,
    /// TP-Failure-Cause.
    FailureCause,
    /// TP-Parameter-Indicator.
    ParameterIndicator,
    /// TP-Command-Type.
    CommandType,
    /// TP-Message-Number.
    MessageNumber,
    /// TP-Command-Data-Length.
    CommandDataLength,
    /// TP-Command-Data.
    CommandData,
    /// TP-User-Data-Length.
    UserDataLength,
    /// TP-User-Data.
    UserData,
    /// The user data header inside TP-User-Data.
    UserDataHeader,
    /// Behind the last field of the TPDU.
    End,
}

impl Field {
    /// The name by which the standard abbreviates the field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstOctet => "TP-MTI",
            Self::MessageReference => "TP-MR",
            Self::OriginatingAddress => "TP-OA",
            Self::DestinationAddress => "TP-DA",
            Self::RecipientAddress => "TP-RA",
            Self::Address => "address",
            Self::ProtocolIdentifier => "TP-PID",
            Self::CodingScheme => "TP-DCS",
            Self::ServiceCentreTimeStamp => "TP-SCTS",
            Self::DischargeTime => "TP-DT",
            Self::ValidityPeriod => "TP-VP",
            Self::Status => "TP-ST",
            Self::FailureCause => "TP-FCS",
            Self::ParameterIndicator => "TP-PI",
            Self::CommandType => "TP-CT",
            Self::MessageNumber => "TP-MN",
            Self::CommandDataLength => "TP-CDL",
            Self::CommandData => "TP-CD",
            Self::UserDataLength => "TP-UDL",
            Self::UserData => "TP-UD",
            Self::UserDataHeader => "TP-UDH",
            Self::End => "end of the TPDU",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How a field is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The octets end before the field does.
    #[error("needs {}, {}", counted(*needed), only(*available))]
    Truncated {
        /// Octets the field asks for.
        needed: u16,
        /// Octets that are there.
        available: u16,
    },
    /// A length or number is above what the standard allows.
    #[error("{value} is above the {max} that the standard allows")]
    TooLarge {
        /// The value found.
        value: u16,
        /// The largest legal one.
        max: u16,
    },
    /// A value that cannot stand here.
    #[error("the value {value:#04X} cannot stand here")]
    Illegal {
        /// The value found.
        value: u8,
    },
    /// Octets follow the last field and nothing in the TPDU announces them.
    #[error("{} beyond the last field", counted(*octets))]
    Trailing {
        /// How many.
        octets: u16,
    },
    /// The message type is not the expected one.
    #[error("the message type indicator is {found:02b}, not {expected:02b}")]
    WrongType {
        /// TP-MTI as found.
        found: u8,
        /// TP-MTI as expected.
        expected: u8,
    },
    /// The buffer to write into is too small.
    #[error("the output buffer holds {available} octets, {needed} are needed")]
    NoRoom {
        /// Octets that must be written.
        needed: u16,
        /// Octets that the buffer holds.
        available: u16,
    },
}

fn counted(count: u16) -> String {
    if count == 1 { "1 octet".to_owned() } else { format!("{count} octets") }
}

fn only(available: u16) -> String {
    match available {
        0 => "none is there".to_owned(),
        1 => "only 1 is there".to_owned(),
        _ => format!("only {available} are there"),
    }
}

/// A TPDU or a part of one that cannot be read or written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("{field} at octet {octet}: {fault}")]
pub struct TpduError {
    /// The field that is wrong.
    pub field: Field,
    /// Where it starts, counted from 0.
    pub octet: u16,
    /// What is wrong with it.
    pub fault: Fault,
}

impl TpduError {
    pub(crate) fn new(field: Field, octet: usize, fault: Fault) -> Self {
        Self { field, octet: clamp(octet), fault }
    }

    pub(crate) fn no_room(needed: usize, available: usize) -> Self {
        let fault = Fault::NoRoom { needed: clamp(needed), available: clamp(available) };
        Self::new(Field::End, available, fault)
    }
}

/// Positions and sizes in messages are far below 65,536; arbitrary input longer than that
/// saturates.
pub(crate) fn clamp(size: usize) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}

/// Walks a TPDU field by field.
pub(crate) struct Reader<'a> {
    octets: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { octets, position: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn remaining(&self) -> &'a [u8] {
        &self.octets[self.position..]
    }

    pub(crate) fn octet(&mut self, field: Field) -> Result<u8, TpduError> {
        Ok(self.take(field, 1)?[0])
    }

    pub(crate) fn take(&mut self, field: Field, count: usize) -> Result<&'a [u8], TpduError> {
        let rest = self.remaining();
        if rest.len() < count {
            let fault = Fault::Truncated { needed: clamp(count), available: clamp(rest.len()) };
            return Err(TpduError::new(field, self.position, fault));
        }
        self.position += count;
        Ok(&rest[..count])
    }

    pub(crate) fn array<const N: usize>(&mut self, field: Field) -> Result<[u8; N], TpduError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(field, N)?);
        Ok(array)
    }

    /// An address field: length in semi-octets, type of address, value (TS 23.040, 9.1.2.5).
    /// Returns the whole field.
    //= TS 23.040 9.1.2.5 length
    pub(crate) fn address(&mut self, field: Field) -> Result<&'a [u8], TpduError> {
        let start = self.position;
        let digits = self.octet(field)?;
        //= TS 23.040 9.1.2.5 most
        if usize::from(digits) > super::limits::ADDRESS_DIGITS_MAX {
            let max = clamp(super::limits::ADDRESS_DIGITS_MAX);
            return Err(TpduError::new(
                field,
                start,
                Fault::TooLarge { value: u16::from(digits), max },
            ));
        }
        self.take(field, 1 + usize::from(digits).div_ceil(2))?;
        Ok(&self.octets[start..self.position])
    }

    pub(crate) fn finish(&self) -> Result<(), TpduError> {
        let octets = self.remaining().len();
        if octets == 0 {
            return Ok(());
        }
        Err(TpduError::new(Field::End, self.position, Fault::Trailing { octets: clamp(octets) }))
    }
}
