//! Addresses: type of number, numbering plan and digits (SMPP 3.4, 5.2.5 to 5.2.9), and how they
//! name a line of ours.

use std::fmt;

use crate::terms::ids::{MSN_DIGITS, Msn};

/// Types of number (SMPP 3.4, 5.2.5).
pub mod ton {
    /// As the digits say.
    pub const UNKNOWN: u8 = 0;
    /// With the country code.
    pub const INTERNATIONAL: u8 = 1;
    /// As it is dialled within the country.
    pub const NATIONAL: u8 = 2;
    /// A short number of the network.
    pub const NETWORK_SPECIFIC: u8 = 3;
    /// Letters.
    pub const ALPHANUMERIC: u8 = 5;
}

/// Numbering plans (SMPP 3.4, 5.2.6).
pub mod npi {
    /// As the digits say.
    pub const UNKNOWN: u8 = 0;
    /// E.163 and E.164.
    pub const ISDN: u8 = 1;
}

/// Digits of a sender up to which it is a short number of the network.
const SHORT_NUMBER_DIGITS_MAX: usize = 6;
/// Digits of a country code of E.164.
const COUNTRY_DIGITS_MAX: usize = 3;
/// Octets of an address that is written: a country code and 20 digits.
const WRITTEN_OCTETS_MAX: usize = 20;

/// An address as it is on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Address<'a> {
    /// Type of number, see [`ton`]; whatever peers send.
    pub ton: u8,
    /// Numbering plan, see [`npi`].
    pub npi: u8,
    /// Digits or letters; mostly ASCII.
    pub digits: &'a [u8],
}

impl fmt::Debug for Address<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the digits: they are somebody's number.
        write!(formatter, "{}/{} of {} octets", self.ton, self.npi, self.digits.len())
    }
}

/// An address that was made here, with room of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OwnAddress {
    ton: u8,
    npi: u8,
    digits: [u8; WRITTEN_OCTETS_MAX],
    length: u8,
}

impl OwnAddress {
    fn new(ton: u8, npi: u8, pieces: [&[u8]; 2]) -> Option<Self> {
        let mut digits = [0; WRITTEN_OCTETS_MAX];
        let mut length = 0;
        for piece in pieces {
            digits.get_mut(length..length + piece.len())?.copy_from_slice(piece);
            length += piece.len();
        }
        Some(Self { ton, npi, digits, length: length as u8 })
    }

    /// As a PDU has it.
    pub fn as_address(&self) -> Address<'_> {
        let digits = &self.digits[..usize::from(self.length)];
        Address { ton: self.ton, npi: self.npi, digits }
    }
}

impl fmt::Debug for OwnAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_address(), formatter)
    }
}

/// A country code of E.164, such as 81: one to three digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Country {
    digits: [u8; COUNTRY_DIGITS_MAX],
    length: u8,
}

impl Country {
    /// Japan.
    pub const JAPAN: Self = Self { digits: *b"81\0", length: 2 };

    /// Reads one to three digits that do not begin with 0.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let legal = (1..=COUNTRY_DIGITS_MAX).contains(&text.len())
            && text.iter().all(u8::is_ascii_digit)
            && text[0] != b'0';
        legal.then(|| {
            let mut digits = [0; COUNTRY_DIGITS_MAX];
            digits[..text.len()].copy_from_slice(text);
            Self { digits, length: text.len() as u8 }
        })
    }

    /// Its digits.
    pub fn digits(&self) -> &[u8] {
        &self.digits[..usize::from(self.length)]
    }
}

/// How a carrier wants destinations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DestinationForm {
    /// The country code and the msn without its 0: 1/1.
    #[default]
    International,
    /// The msn as it is: 2/1.
    National,
}

/// The destination of a submit_sm to `msn`.
///
/// # Panics
/// Never for the lengths that a country code and an msn have.
pub fn destination(msn: Msn, country: Country, form: DestinationForm) -> OwnAddress {
    let digits = msn.digits();
    let made = match form {
        DestinationForm::International => {
            OwnAddress::new(ton::INTERNATIONAL, npi::ISDN, [country.digits(), &digits[1..]])
        }
        DestinationForm::National => OwnAddress::new(ton::NATIONAL, npi::ISDN, [&digits, &[]]),
    };
    made.expect("14 digits at most")
}

/// The source of a submit_sm for the sender of a registration, 1 to 11 octets of ASCII: letters
/// 5/0, up to six digits 3/0, more digits `digits_ton`/`digits_npi` (default 1/1), with the country
/// code where they are international. `None` where it is longer than an address.
pub fn source(
    sender: &[u8],
    country: Country,
    digits_ton: u8,
    digits_npi: u8,
) -> Option<OwnAddress> {
    if !sender.iter().all(u8::is_ascii_digit) {
        return OwnAddress::new(ton::ALPHANUMERIC, npi::UNKNOWN, [sender, &[]]);
    }
    if sender.len() <= SHORT_NUMBER_DIGITS_MAX {
        return OwnAddress::new(ton::NETWORK_SPECIFIC, npi::UNKNOWN, [sender, &[]]);
    }
    match sender.strip_prefix(b"0") {
        Some(rest) if digits_ton == ton::INTERNATIONAL => {
            OwnAddress::new(digits_ton, digits_npi, [country.digits(), rest])
        }
        _ => OwnAddress::new(digits_ton, digits_npi, [sender, &[]]),
    }
}

/// The msn that a customer's destination names: 1/x with the country code, 2/x or 0/x as it is
/// dialled, and `+` with the country code in every type. `None` for everything else.
pub fn msn_of(address: &Address<'_>, country: Country) -> Option<Msn> {
    let international = |digits: &[u8]| {
        let rest = digits.strip_prefix(country.digits())?;
        let mut msn = [b'0'; MSN_DIGITS];
        // Eleven digits with the 0 of the trunk, and ten of them behind the country code.
        (rest.len() + 1 == MSN_DIGITS).then(|| msn[1..].copy_from_slice(rest))?;
        Msn::parse(&msn)
    };
    let named = match (address.digits.strip_prefix(b"+"), address.ton) {
        (Some(digits), _) => international(digits),
        (None, ton::INTERNATIONAL) => international(address.digits),
        (None, ton::NATIONAL | ton::UNKNOWN) => Msn::parse(address.digits),
        (None, _) => None,
    };
    named.filter(|&msn| msn != Msn::ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn msn() -> Msn {
        Msn::parse(b"09012345678").expect("an msn")
    }

    fn parts(address: &OwnAddress) -> (u8, u8, &[u8]) {
        let Address { ton, npi, digits } = address.as_address();
        (ton, npi, digits)
    }

    #[test]
    fn a_destination_is_written_and_read_back_in_every_form() {
        let japan = Country::JAPAN;
        let international = destination(msn(), japan, DestinationForm::International);
        assert_eq!(parts(&international), (1, 1, &b"819012345678"[..]));
        let national = destination(msn(), japan, DestinationForm::National);
        assert_eq!(parts(&national), (2, 1, &b"09012345678"[..]));
        for made in [international, national] {
            assert_eq!(msn_of(&made.as_address(), japan), Some(msn()));
        }
        let read = |ton, digits| msn_of(&Address { ton, npi: 1, digits }, japan);
        assert_eq!(read(0, b"09012345678"), Some(msn()));
        assert_eq!(read(0, b"+819012345678"), Some(msn()));
        assert_eq!(read(1, b"+819012345678"), Some(msn()));
        for (ton, wrong) in [
            (1, &b"09012345678"[..]),
            (0, b"819012345678"),
            (1, b"81901234567"),
            (1, b"8190123456789"),
            (1, b"449012345678"),
            (1, b"81901234567x"),
            (5, b"09012345678"),
            (2, b"00000000000"),
            (0, b""),
        ] {
            assert_eq!(read(ton, wrong), None, "{ton} {}", wrong.escape_ascii());
        }
    }

    #[test]
    fn a_sender_gets_the_type_that_its_characters_say() {
        let of = |sender: &'static [u8]| source(sender, Country::JAPAN, 1, 1).expect("fits");
        assert_eq!(parts(&of(b"Hayauma")), (5, 0, &b"Hayauma"[..]));
        assert_eq!(parts(&of(b"12345")), (3, 0, &b"12345"[..]));
        assert_eq!(parts(&of(b"0312345678")), (1, 1, &b"81312345678"[..]));
        assert_eq!(parts(&of(b"81312345678")), (1, 1, &b"81312345678"[..]));
        let national = source(b"0312345678", Country::JAPAN, 2, 1).expect("fits");
        assert_eq!(parts(&national), (2, 1, &b"0312345678"[..]));
        assert_eq!(source(&[b'1'; 21], Country::JAPAN, 1, 1), None);
        assert_eq!(Country::parse(b"81"), Some(Country::JAPAN));
        assert!(
            [&b""[..], b"081", b"1234", b"8x"].iter().all(|wrong| Country::parse(wrong).is_none())
        );
    }
}
