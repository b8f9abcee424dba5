//! What holds a push, in the operator's words, finer than the code that its expiry would carry.

use crate::smsc::outcome::HoldReason;
use crate::smsc::outcome::{AttemptResult, Failure};
use crate::smsc::retry::Cause;
use wire::terms::code::Code;

/// What holds a push. The numbers stand in Held records and are never used for something else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum WaitReason {
    /// The subscriber is absent.
    Absent = 1,
    /// The terminal's memory is full.
    MemoryFull = 2,
    /// The subscriber is busy.
    Busy = 3,
    /// System failure, timeout or congestion of the serving network.
    SystemFailure = 4,
    /// The HLR did not answer.
    Network = 5,
    /// The network or the terminal refused the TPDU as such.
    ProtocolError = 6,
    /// The subscriber roams out of the packet network.
    PacketRoamingOut = 7,
    /// The carrier could not take it for now.
    Carrier = 8,
    /// A carrier did not say whether it took it.
    InDoubt = 9,
}

impl WaitReason {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Absent,
        Self::MemoryFull,
        Self::Busy,
        Self::SystemFailure,
        Self::Network,
        Self::ProtocolError,
        Self::PacketRoamingOut,
        Self::Carrier,
        Self::InDoubt,
    ];

    /// What an attempt's end holds a push for, if the push is held; `None` where it was delivered
    /// or refused.
    pub fn of(result: AttemptResult) -> Option<Self> {
        Some(match result {
            AttemptResult::Delivered
            | AttemptResult::Refused(_)
            | AttemptResult::HandedOver
            | AttemptResult::Returned
            | AttemptResult::Doubted => return None,
            AttemptResult::Held(HoldReason::Absent, _) => Self::Absent,
            AttemptResult::Held(HoldReason::MemoryFull, _) => Self::MemoryFull,
            AttemptResult::Held(HoldReason::NetworkFailure, _) => Self::Network,
            AttemptResult::Held(HoldReason::PacketRoamingOut, _) => Self::PacketRoamingOut,
            AttemptResult::Held(HoldReason::InDoubt, _) => Self::InDoubt,
            AttemptResult::Failed(Failure::Absent) => Self::Absent,
            AttemptResult::Failed(Failure::MemoryFull) => Self::MemoryFull,
            AttemptResult::Failed(Failure::Busy) => Self::Busy,
            AttemptResult::Failed(Failure::ProtocolError) => Self::ProtocolError,
            AttemptResult::Failed(_) => Self::SystemFailure,
        })
    }

    /// What holds a push that would expire with this code, where the code alone says it.
    pub fn from_code(code: u16) -> Option<Self> {
        let code = Code::from_number(code)?;
        Some(match code {
            Code::EXPIRED_ABSENT => Self::Absent,
            Code::EXPIRED_MEMORY_FULL => Self::MemoryFull,
            Code::PROTOCOL_ERROR => Self::ProtocolError,
            Code::PACKET_ROAMING_OUT => Self::PacketRoamingOut,
            _ => return None,
        })
    }

    /// Whose schedule the push waits by.
    pub fn cause(self) -> Cause {
        match self {
            Self::Absent => Cause::Absent,
            Self::MemoryFull => Cause::MemoryFull,
            Self::Busy => Cause::Busy,
            Self::SystemFailure | Self::Network | Self::Carrier | Self::InDoubt => {
                Cause::SystemFailure
            }
            Self::ProtocolError => Cause::ProtocolError,
            Self::PacketRoamingOut => Cause::PacketRoamingOut,
        }
    }

    /// The number in the journal.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The reason with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).wrapping_sub(1)).copied()
    }

    /// Its name as the operator reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::MemoryFull => "memory full",
            Self::Busy => "busy",
            Self::SystemFailure => "system failure",
            Self::Network => "HLR failure",
            Self::ProtocolError => "protocol error",
            Self::PacketRoamingOut => "packet roaming-out",
            Self::Carrier => "carrier",
            Self::InDoubt => "in doubt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_reasons_both_ways() {
        for reason in WaitReason::ALL {
            assert_eq!(WaitReason::from_number(reason.number()), Some(reason));
        }
        assert_eq!(WaitReason::from_number(0), None);
        assert_eq!(WaitReason::from_number(10), None);
    }
}
