//! What a segment goes through: a domain of the core network, or a carrier.

/// What a push was delivered through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Domain {
    /// Circuit switched, by an MSC.
    Cs = 0,
    /// Packet switched, by an SGSN or its successors.
    Ps = 1,
    /// No domain that is known: a carrier has it.
    Carrier = 2,
}

impl Domain {
    /// The number that records carry; 0 stands there for none.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// The number that records carry of what went through this domain, or of what was not sent.
    pub fn number_of(domain: Option<Self>) -> u8 {
        domain.map_or(0, Self::number)
    }

    /// The domain with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Cs),
            2 => Some(Self::Ps),
            3 => Some(Self::Carrier),
            _ => None,
        }
    }
}
