//! Which door a push came through, and what its client asked there to be told of it.

/// The door of a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Door {
    /// The push interface over HTTP: notifications go to the registration's URL.
    #[default]
    Http,
    /// SMPP: notifications are receipts, on sessions of the registration's `system_id`.
    Smpp(ReceiptsAsked),
}

/// What a submit_sm asked to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiptsAsked {
    /// Which ends.
    pub receipts: Receipts,
    /// `user_message_reference`, which a receipt repeats.
    pub reference: Option<u16>,
    /// It named the msn as it is dialled within the country, not with the country code.
    pub is_national: bool,
}

/// Which ends a customer wants a receipt of (SMPP 3.4, 5.2.17).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Receipts {
    /// None.
    Nothing = 0,
    /// All.
    Everything = 1,
    /// Those that are no delivery.
    Failures = 2,
    /// Deliveries.
    Deliveries = 3,
}

/// Bit of a push of SMPP; one of HTTP is all zeros.
const SMPP: u32 = 1;
/// The receipts' number stands here.
const RECEIPTS_SHIFT: u32 = 1;
const HAS_REFERENCE: u32 = 1 << 3;
const NATIONAL: u32 = 1 << 4;
/// The reference stands here.
const REFERENCE_SHIFT: u32 = 16;

impl Receipts {
    /// What `registered_delivery` asks for; its other bits are not looked at.
    pub const fn of(registered_delivery: u8) -> Self {
        match registered_delivery & 3 {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 => Self::Failures,
            _ => Self::Deliveries,
        }
    }

    /// Whether the end of a push is told: one that was `delivered`, or another one.
    pub const fn tell(self, delivered: bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Failures => !delivered,
            Self::Deliveries => delivered,
        }
    }
}

impl Door {
    /// As journals and parcels keep it; 0 for a push of HTTP.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Http => 0,
            Self::Smpp(ReceiptsAsked { receipts, reference, is_national }) => {
                let reference = match reference {
                    Some(reference) => HAS_REFERENCE | (reference as u32) << REFERENCE_SHIFT,
                    None => 0,
                };
                let national = if is_national { NATIONAL } else { 0 };
                SMPP | (receipts as u32) << RECEIPTS_SHIFT | reference | national
            }
        }
    }

    /// The inverse of [`Self::bits`]; what else stands in them is not looked at.
    pub const fn from_bits(bits: u32) -> Self {
        if bits & SMPP == 0 {
            return Self::Http;
        }
        let reference = (bits >> REFERENCE_SHIFT) as u16;
        Self::Smpp(ReceiptsAsked {
            receipts: Receipts::of((bits >> RECEIPTS_SHIFT) as u8),
            reference: if bits & HAS_REFERENCE != 0 { Some(reference) } else { None },
            is_national: bits & NATIONAL != 0,
        })
    }

    /// What was asked for at the door of SMPP.
    pub const fn asked(self) -> Option<ReceiptsAsked> {
        match self {
            Self::Http => None,
            Self::Smpp(asked) => Some(asked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_comes_out_of_its_bits_as_it_went_in() {
        assert_eq!((Door::Http.bits(), Door::from_bits(0)), (0, Door::Http));
        for registered_delivery in 0..4 {
            for reference in [None, Some(0), Some(7), Some(u16::MAX)] {
                for is_national in [false, true] {
                    let receipts = Receipts::of(registered_delivery);
                    let door = Door::Smpp(ReceiptsAsked { receipts, reference, is_national });
                    assert_eq!(Door::from_bits(door.bits()), door);
                }
            }
        }
    }

    #[test]
    fn registered_delivery_says_which_ends_are_told() {
        let told = |registered_delivery: u8| {
            [true, false].map(|delivered| Receipts::of(registered_delivery).tell(delivered))
        };
        assert_eq!([0, 1, 2, 3].map(told), [[false; 2], [true; 2], [false, true], [true, false]]);
        assert_eq!(told(0x10 | 1), [true; 2], "other bits are not looked at");
    }
}
