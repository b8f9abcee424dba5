//! The identifiers that every room of the house speaks: msn, XPID, reqid, and a push's class and
//! kind.
//!
//! Parsed once at the border and valid ever after: a value of one of these types always renders to
//! a legal element of the push-client interface. Nothing here allocates.

/// Digits of an msn on the wire, the leading 0 included.
pub const MSN_DIGITS: usize = 11;
/// Digits of an XPID (`svcid`) on the wire.
pub const XPID_DIGITS: usize = 11;
/// Longest `reqid`, in octets.
pub const REQID_OCTETS_MAX: usize = 23;

const _: () = assert!(!is_a_type(0), "what stands behind a reqid is told from it");

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

/// A request id: 1 to 23 octets of `[0-9A-Za-z._-]`, chosen by the push client, unique per (XPID,
/// msn).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reqid {
    octets: [u8; REQID_OCTETS_MAX],
    length: u8,
}

impl Reqid {
    /// Checks length and alphabet; `None` if either is wrong.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > REQID_OCTETS_MAX {
            return None;
        }
        // The octets of type A are counted, all at once: the zeros behind the text are none.
        let mut padded = [0; REQID_OCTETS_MAX.next_multiple_of(16)];
        padded[..text.len()].copy_from_slice(text);
        let mut legal = 0;
        for octet in padded {
            legal += u8::from(is_a_type(octet));
        }
        let octets = *padded.first_chunk()?;
        (usize::from(legal) == text.len()).then_some(Self { octets, length: legal })
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
pub const fn is_a_type(octet: u8) -> bool {
    let is_digit = octet.wrapping_sub(b'0') < 10;
    let is_letter = (octet | 0x20).wrapping_sub(b'a') < 26;
    // Without a branch, so that the octets of a text are looked at all at once.
    is_digit | is_letter | (octet == b'.') | (octet == b'_') | (octet == b'-')
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
    /// The classes, the one that matters most first.
    pub const BY_WEIGHT: [Self; 4] =
        [Self::Emergency, Self::Urgent, Self::Standard, Self::Exercise];

    /// Its word at the command line, in settings and figures.
    pub fn word(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Urgent => "urgent",
            Self::Emergency => "emergency",
            Self::Exercise => "exercise",
        }
    }

    /// The class with this word, if there is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::BY_WEIGHT.into_iter().find(|class| class.word() == word)
    }

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

/// The eleven digits of a number below 10^11.
fn render_digits(value: u64) -> [u8; 11] {
    const SPLIT: u64 = 100_000_000;
    let mut digits = [0; 11];
    digits[..3].copy_from_slice(&eight_digits(value / SPLIT)[5..]);
    digits[3..].copy_from_slice(&eight_digits(value % SPLIT));
    digits
}

/// The digits of a number below 10^8, halved until they stand apart: all of a step's divisions are
/// one multiplication.
fn eight_digits(value: u64) -> [u8; 8] {
    // Two numbers below 10^4, 32 bits each, the front one in the low half.
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    // 10,486 of 2^20 are a hundredth, and 103 of 2^10 a tenth, of what can stand here.
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    let ones = tens | ((twos - tens * 10) << 8);
    (ones | 0x3030_3030_3030_3030).to_le_bytes()
}

const _: () = assert!(MSN_DIGITS == 11 && XPID_DIGITS == 11, "both are rendered alike");

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
    fn every_digit_is_rendered_in_its_place() {
        let check = |value: u64| {
            let digits = render_digits(value);
            assert_eq!(std::str::from_utf8(&digits), Ok(format!("{value:011}").as_str()));
        };
        // Each half of eight digits on its own, and both with what stands around them.
        for half in 0..10_000 {
            check(half);
            check(half * 10_000);
            check(half * 10_000 + (9_999 - half));
            check(half % 1_000 * 100_000_000 + half);
        }
        check(99_999_999_999);
    }

    #[test]
    fn a_reqid_keeps_its_octets_and_refuses_other_alphabets() {
        assert_eq!(Reqid::parse(b"a.b_c-1").expect("legal").as_bytes(), b"a.b_c-1");
        assert!(Reqid::parse(&[b'x'; 23]).is_some());
        assert!(Reqid::parse(&[b'x'; 24]).is_none());
        assert!(Reqid::parse(b"").is_none());
        assert!(Reqid::parse(b"a b").is_none());
        let type_a = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-";
        for octet in 0..=u8::MAX {
            assert_eq!(is_a_type(octet), type_a.contains(&octet), "{octet}");
            for at in 0..REQID_OCTETS_MAX {
                let mut text = [b'x'; REQID_OCTETS_MAX];
                text[at] = octet;
                assert_eq!(Reqid::parse(&text).is_some(), is_a_type(octet), "{octet} at {at}");
                assert_eq!(
                    Reqid::parse(&text[..=at]).is_some(),
                    is_a_type(octet),
                    "{octet} at the end"
                );
            }
        }
    }
}
