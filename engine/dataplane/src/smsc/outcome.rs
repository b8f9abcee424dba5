//! What an attempt to deliver came to, in the words that the message center acts on.
//!
//! **Never here:** how a network finds it out.

use wire::terms::code::Code;

/// Why an attempt that was made did not deliver.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Failure {
    /// The serving network does not know the subscriber.
    Unknown = 1,
    /// Barred or not provisioned.
    Barred = 2,
    /// Illegal subscriber or equipment.
    Illegal = 3,
    /// The terminal is not equipped for SMS.
    NotEquipped = 4,
    /// Absent: no answer to the page.
    Absent = 5,
    /// The terminal's memory capacity is exceeded.
    MemoryFull = 6,
    /// The subscriber is busy.
    Busy = 7,
    /// System failure, timeout or congestion.
    SystemFailure = 8,
    /// The terminal or the network refused the TPDU as such.
    ProtocolError = 9,
    /// A carrier refused it for good.
    Rejected = 10,
}

impl Failure {
    /// Every failure.
    pub const ALL: [Self; 10] = [
        Self::Unknown,
        Self::Barred,
        Self::Illegal,
        Self::NotEquipped,
        Self::Absent,
        Self::MemoryFull,
        Self::Busy,
        Self::SystemFailure,
        Self::ProtocolError,
        Self::Rejected,
    ];

    /// The number that records carry; never reused for another failure.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The failure with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.number() == number)
    }

    /// One word for the operator.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Barred => "barred",
            Self::Illegal => "illegal",
            Self::NotEquipped => "not-equipped",
            Self::Absent => "absent",
            Self::MemoryFull => "memory-full",
            Self::Busy => "busy",
            Self::SystemFailure => "system-failure",
            Self::ProtocolError => "protocol-error",
            Self::Rejected => "rejected",
        }
    }

    /// The failure that the TP-FCS of an SMS-DELIVER-REPORT tells (TS 23.040 9.2.3.22). `None`: the
    /// terminal has this very message already (C5), which is as good as delivered.
    //= TS 23.040 9.2.3.22 cause
    pub fn from_cause(cause: u8) -> Option<Self> {
        Some(match cause {
            0xc5 => return None,
            0xd0 | 0xd3 => Self::MemoryFull,
            0xd1 => Self::NotEquipped,
            0xd4 => Self::Busy,
            0x80..=0xbf => Self::ProtocolError,
            _ => Self::SystemFailure,
        })
    }

    /// Whether the other domain may succeed where this failed. What the terminal itself refused it
    /// refuses in every domain.
    //= delivery other domain
    pub fn is_of_the_domain(self) -> bool {
        matches!(self, Self::Absent | Self::Busy | Self::SystemFailure)
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptResult {
    /// Every segment that was sent has been acknowledged.
    Delivered,
    /// The decision refused: final, with this code. Nothing was sent.
    Refused(Code),
    /// The push waits, and ends with this code if its lifetime does.
    Held(HoldReason, Code),
    /// It was tried and failed.
    Failed(Failure),
    /// Carriers took every segment that was sent.
    HandedOver,
    /// A carrier takes nothing for the moment, and what was not sent is to be tried again at once
    /// when it does. No attempt was made.
    Returned,
    /// A carrier did not say whether it took what was sent, and that is not to be sent again: it
    /// may have arrived.
    Doubted,
}

/// Why a push waits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum HoldReason {
    /// The HLR did not answer or failed.
    NetworkFailure = 1,
    /// The subscriber is absent: an alert will tell when it is back.
    Absent = 2,
    /// The terminal's memory is full: an alert will tell when there is room.
    MemoryFull = 3,
    /// The line roams out of the packet network, and pscs or its operator leaves no way that works.
    PacketRoamingOut = 4,
    /// Segments were sent to a carrier that did not answer: they may have arrived, or be on their
    /// way.
    InDoubt = 5,
}

impl HoldReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::NetworkFailure,
        Self::Absent,
        Self::MemoryFull,
        Self::PacketRoamingOut,
        Self::InDoubt,
    ];

    /// The number that records carry; never reused for another reason.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The reason with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.number() == number)
    }

    /// One word for the operator.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetworkFailure => "network-failure",
            Self::Absent => "absent",
            Self::MemoryFull => "memory-full",
            Self::PacketRoamingOut => "packet-roaming-out",
            Self::InDoubt => "in-doubt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_failures_and_reasons_both_ways() {
        for failure in Failure::ALL {
            assert_eq!(Failure::from_number(failure.number()), Some(failure));
        }
        for reason in HoldReason::ALL {
            assert_eq!(HoldReason::from_number(reason.number()), Some(reason));
        }
        assert_eq!(Failure::from_number(0), None);
        assert_eq!(HoldReason::from_number(0), None);
    }

    //= TS 23.040 9.2.3.22 cause
    #[test]
    fn every_failure_cause_says_what_becomes_of_the_push() {
        assert_eq!(Failure::from_cause(0xc5), None);
        for (cause, failure) in [
            (0x80, Failure::ProtocolError),
            (0x90, Failure::ProtocolError),
            (0xb0, Failure::ProtocolError),
            (0xc0, Failure::SystemFailure),
            (0xd0, Failure::MemoryFull),
            (0xd1, Failure::NotEquipped),
            (0xd2, Failure::SystemFailure),
            (0xd3, Failure::MemoryFull),
            (0xd4, Failure::Busy),
            (0xff, Failure::SystemFailure),
        ] {
            assert_eq!(Failure::from_cause(cause), Some(failure), "{cause:02x}");
        }
    }
}
