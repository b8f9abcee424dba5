//! The identifiers that every room of the house speaks: msn, XPID, reqid, and a push's class and kind.
//!
//! Parsed once at the border and valid ever after: a value of one of these types always renders to a legal
//! element of the push-client interface. Nothing here allocates.

/// Digits of an msn on the wire, the leading 0 included.
pub const MSN_DIGITS: usize = 11;
/// Digits of an XPID (`svcid`) on the wire.
pub const XPID_DIGITS: usize = 11;
/// Longest `reqid`, in octets.
pub const REQID_OCTETS_MAX: usize = 23;

/// A destination phone number: 11 decimal digits of which the first is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Msn(u64);

impl Msn {
    /// The value that stands for "all msns" in a cancellation of a whole alert: 00000000000.
    pub const ALL: Self = Self(0);

    /// Reads exactly 11 digits with a leading 0; anything else is `None`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.first() != Some(&b'0') {
            return None;
        }
        parse_digits::<MSN_DIGITS>(text).map(Self)
    }

    /// The msn whose number without the leading 0 is `value`; `None` from 10^10 up.
    pub fn from_value(value: u64) -> Option<Self> {
        (value < 10_000_000_000).then_some(Self(value))
    }

    /// The number without the leading 0, below 10^10.
    pub fn value(self) -> u64 {
        self.0
    }

    /// The eleven digits.
    pub fn digits(self) -> [u8; MSN_DIGITS] {
        render_digits(self.0)
    }
}

impl std::fmt::Display for Msn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:011}", self.0)
    }
}

/// A push client's registration number (`svcid` on the wire): 11 decimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Xpid(u64);

impl Xpid {
    /// Reads exactly 11 digits; anything else is `None`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        parse_digits::<XPID_DIGITS>(text).map(Self)
    }

    /// The XPID with this number; `None` from 10^11 up.
    pub fn from_value(value: u64) -> Option<Self> {
        (value < 100_000_000_000).then_some(Self(value))
    }

    /// The number, below 10^11.
    pub fn value(self) -> u64 {
        self.0
    }

    /// The eleven digits.
    pub fn digits(self) -> [u8; XPID_DIGITS] {
        render_digits(self.0)
    }
}

impl std::fmt::Display for Xpid {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:011}", self.0)
    }
}

/// A request id: 1 to 23 octets of `[0-9A-Za-z._-]`, chosen by the push client, unique per (XPID, msn).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reqid {
    octets: [u8; REQID_OCTETS_MAX],
    length: u8,
}

impl Reqid {
    /// Checks length and alphabet; `None` if either is wrong.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > REQID_OCTETS_MAX || !text.iter().all(|&o| is_a_type(o)) {
            return None;
        }
        let mut octets = [0; REQID_OCTETS_MAX];
        octets[..text.len()].copy_from_slice(text);
        Some(Self { octets, length: text.len() as u8 })
    }

    /// The octets as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

impl std::fmt::Debug for Reqid {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

/// Whether `octet` belongs to the interface's type A, `[0-9A-Za-z._-]`.
pub fn is_a_type(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-')
}

/// The class of a push, the last two digits of `comway`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Class {
    /// `01`
    Standard = 1,
    /// `02`
    Urgent = 2,
    /// `03`
    Emergency = 3,
    /// `09`: recorded, never billed.
    Exercise = 9,
}

impl Class {
    /// The class with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Standard),
            2 => Some(Self::Urgent),
            3 => Some(Self::Emergency),
            9 => Some(Self::Exercise),
            _ => None,
        }
    }

    /// 1, 2, 3 or 9.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// What a push carries: `ctrlflg`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// `0`: octets for a device.
    Control = 0,
    /// `1`: text for a person.
    Text = 1,
}

impl Kind {
    /// The kind with this `ctrlflg`, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Control),
            1 => Some(Self::Text),
            _ => None,
        }
    }

    /// 0 or 1.
    pub fn number(self) -> u8 {
        self as u8
    }
}

fn parse_digits<const N: usize>(text: &[u8]) -> Option<u64> {
    let digits: &[u8; N] = text.try_into().ok()?;
    let mut value = 0u64;
    let mut valid = true;
    for &digit in digits {
        let number = digit.wrapping_sub(b'0');
        valid &= number < 10;
        value = value.wrapping_mul(10).wrapping_add(u64::from(number));
    }
    valid.then_some(value)
}

fn render_digits<const N: usize>(mut value: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_msn_is_eleven_digits_with_a_leading_zero() {
        let msn = Msn::parse(b"09012345678").expect("a legal msn");
        assert_eq!(msn.value(), 9_012_345_678);
        assert_eq!(&msn.digits(), b"09012345678");
        assert_eq!(msn.to_string(), "09012345678");
        for wrong in [&b"19012345678"[..], b"0901234567", b"090123456789", b"0901234567a", b""] {
            assert_eq!(Msn::parse(wrong), None);
        }
    }

    #[test]
    fn a_reqid_keeps_its_octets_and_refuses_other_alphabets() {
        assert_eq!(Reqid::parse(b"a.b_c-1").expect("legal").as_bytes(), b"a.b_c-1");
        assert!(Reqid::parse(&[b'x'; 23]).is_some());
        assert!(Reqid::parse(&[b'x'; 24]).is_none());
        assert!(Reqid::parse(b"").is_none());
        assert!(Reqid::parse(b"a b").is_none());
    }
}
