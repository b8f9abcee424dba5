//! Service instruction values: the delivery-control flags of a registration.

/// Service instruction values: five delivery-control flags, per XPID, as digits `susp spam limit
/// pscs roam`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Svcinst(u8);

impl Svcinst {
    /// The emergency preset 11111, by contract only.
    //= delivery flags preset
    pub const EMERGENCY: Self = Self(0b11111);

    /// Reads exactly five digits 0 or 1.
    //= delivery flags
    pub fn parse(text: &str) -> Option<Self> {
        let digits: &[u8; 5] = text.as_bytes().try_into().ok()?;
        digits
            .iter()
            .try_fold(0, |bits, digit| match digit {
                b'0' => Some(bits << 1),
                b'1' => Some(bits << 1 | 1),
                _ => None,
            })
            .map(Self)
    }

    /// The flags as the five lowest bits, `susp` the highest of them; other bits are dropped.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & 0b11111)
    }

    /// The inverse of [`Self::from_bits`].
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Deliver although the operator suspended the line.
    pub fn suspended(self) -> bool {
        self.0 & 0b10000 != 0
    }

    /// Deliver although SMS spam blocking is set.
    pub fn spam(self) -> bool {
        self.0 & 0b01000 != 0
    }

    /// Deliver although the limit plan's usage is exceeded.
    pub fn limit(self) -> bool {
        self.0 & 0b00100 != 0
    }

    /// Send by the circuit-switched network while roaming out of the packet network, where the
    /// operator table says so.
    pub fn circuit_switched(self) -> bool {
        self.0 & 0b00010 != 0
    }

    /// Deliver while roaming internationally.
    pub fn roaming(self) -> bool {
        self.0 & 0b00001 != 0
    }

    /// The five digits.
    pub fn digits(self) -> [u8; 5] {
        [4, 3, 2, 1, 0].map(|bit| b'0' + (self.0 >> bit & 1))
    }
}

/// 00011: by operator information, and roaming allowed.
impl Default for Svcinst {
    fn default() -> Self {
        Self(0b00011)
    }
}

impl std::fmt::Display for Svcinst {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:05b}", self.0)
    }
}

impl std::fmt::Debug for Svcinst {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:05b}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= delivery flags
    #[test]
    fn the_five_flags_are_five_digits() {
        let default = Svcinst::default();
        assert_eq!((&default.digits(), default.to_string().as_str()), (b"00011", "00011"));
        assert!(default.circuit_switched() && default.roaming());
        assert!(!default.suspended() && !default.spam() && !default.limit());
        assert_eq!(Svcinst::parse("11111"), Some(Svcinst::EMERGENCY));
        assert!(Svcinst::parse("10000").is_some_and(Svcinst::suspended));
        assert!(Svcinst::parse("01000").is_some_and(Svcinst::spam));
        assert!(Svcinst::parse("00100").is_some_and(Svcinst::limit));
        assert!(Svcinst::parse("00010").is_some_and(Svcinst::circuit_switched));
        assert!(Svcinst::parse("00001").is_some_and(Svcinst::roaming));
        for bits in 0..32 {
            let flags = Svcinst::from_bits(bits);
            assert_eq!(Svcinst::parse(&flags.to_string()), Some(flags));
            assert_eq!(Svcinst::from_bits(flags.bits() | 0xe0), flags);
        }
        for wrong in ["", "0001", "000111", "0002x", "00 11"] {
            assert_eq!(Svcinst::parse(wrong), None, "{wrong}");
        }
    }
}
