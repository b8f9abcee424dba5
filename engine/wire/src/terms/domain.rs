//! The domain of the core network that a segment goes through.

/// The network domain that a push was delivered through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Domain {
    /// Circuit switched, by an MSC.
    Cs = 0,
    /// Packet switched, by an SGSN or its successors.
    Ps = 1,
}
