//! Addresses: TP-Originating-, -Destination- and -Recipient-Address (3GPP TS 23.040, 9.1.2.5).
//!
//! The length octet counts useful semi-octets, not octets; an odd number of digits leaves 1111 in
//! the last high nibble; an alphanumeric address is packed 7-bit text.

use super::alphabet::{Coded, ESCAPE, Shift};
use super::error::{Fault, Field, Reader, TpduError, clamp};
use super::limits::{ADDRESS_DIGITS_MAX, ADDRESS_OCTETS_MAX, ALPHANUMERIC_CHARACTERS_MAX};
use super::septets;

/// Type-of-number, bits 6 to 4 of the type-of-address octet (TS 23.040, 9.1.2.5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum TypeOfNumber {
    /// 000
    Unknown = 0,
    /// 001: written with a leading `+`.
    International = 1,
    /// 010
    National = 2,
    /// 011
    NetworkSpecific = 3,
    /// 100
    Subscriber = 4,
    /// 101: GSM 7-bit default alphabet.
    Alphanumeric = 5,
    /// 110
    Abbreviated = 6,
    /// 111: reserved for extension.
    Reserved = 7,
}

impl TypeOfNumber {
    const ALL: [Self; 8] = [
        Self::Unknown,
        Self::International,
        Self::National,
        Self::NetworkSpecific,
        Self::Subscriber,
        Self::Alphanumeric,
        Self::Abbreviated,
        Self::Reserved,
    ];

    /// The type with these three bits; higher bits are ignored.
    //= TS 23.040 9.1.2.5 type
    pub const fn from_bits(bits: u8) -> Self {
        Self::ALL[(bits & 7) as usize]
    }
}

/// Numbering-plan-identification: ISDN/telephone (E.164), of 0 to 15 (TS 23.040, 9.1.2.5).
pub const PLAN_ISDN: u8 = 1;
/// Type of address for decimal digits as they are dialled: unknown type, ISDN plan.
pub const TYPE_UNKNOWN_ISDN: u8 = 0x81;
/// Type of address for an international number, ISDN plan.
pub const TYPE_INTERNATIONAL_ISDN: u8 = 0x91;
/// Type of address for text.
pub const TYPE_ALPHANUMERIC: u8 = 0xd0;

/// Why a text is no address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum AddressError {
    /// More digits or characters than the field holds.
    #[error("{length} are more than the {max} digits or characters that an address holds")]
    TooLong {
        /// How many there are.
        length: usize,
        /// How many fit.
        max: usize,
    },
    /// A character that is no digit, nor in the GSM 7-bit default alphabet.
    #[error("the character {character:?} cannot stand in an address")]
    Character {
        /// Which.
        character: char,
    },
    /// Nothing at all.
    #[error("the address is empty")]
    Empty,
}

/// An address field as it stands on the wire: length, type of address and value, at most 12 octets.
/// Any combination of type and digits is kept; what it means is read on demand.
#[derive(Clone, Copy)]
pub struct Address {
    octets: [u8; ADDRESS_OCTETS_MAX],
    length: u8,
}

impl Address {
    /// Decimal digits, and `*#abc`, in either case, with the given type of address octet. 0 to 20
    /// of them.
    ///
    /// # Errors
    /// More than 20 digits, or a character that is none.
    pub fn numeric(type_of_address: u8, digits: &[u8]) -> Result<Self, AddressError> {
        if digits.len() > ADDRESS_DIGITS_MAX {
            return Err(AddressError::TooLong { length: digits.len(), max: ADDRESS_DIGITS_MAX });
        }
        let mut octets = [0; ADDRESS_OCTETS_MAX];
        octets[0] = digits.len() as u8;
        octets[1] = type_of_address;
        for (pair, octet) in digits.chunks(2).zip(&mut octets[2..]) {
            //= TS 23.040 9.1.2.5 filler
            let high = pair.get(1).map_or(Ok(0xf), |&digit| nibble_of(digit))?;
            *octet = nibble_of(pair[0])? | high << 4;
        }
        Ok(Self { octets, length: 2 + digits.len().div_ceil(2) as u8 })
    }

    /// Text of at most 11 septets: type alphanumeric.
    ///
    /// # Errors
    /// More than 11 septets, or a character that the default alphabet has not. An empty text is an
    /// address without digits.
    pub fn alphanumeric(text: &str) -> Result<Self, AddressError> {
        let mut septets = [0; ALPHANUMERIC_CHARACTERS_MAX];
        let mut count = 0;
        for character in text.chars() {
            let coded =
                Shift::DEFAULT.encode(character).ok_or(AddressError::Character { character })?;
            let (escape, septet) = match coded {
                Coded::Plain(septet) => (None, septet),
                Coded::Escaped(septet) => (Some(ESCAPE), septet),
            };
            for septet in escape.into_iter().chain([septet]) {
                if count == ALPHANUMERIC_CHARACTERS_MAX {
                    let length = text.chars().count();
                    return Err(AddressError::TooLong { length, max: ALPHANUMERIC_CHARACTERS_MAX });
                }
                septets[count] = septet;
                count += 1;
            }
        }
        let mut octets = [0; ADDRESS_OCTETS_MAX];
        let value = septets::pack(&septets[..count], &mut octets[2..]);
        //= TS 23.040 9.1.2.5 text
        octets[0] = (count * 7).div_ceil(4) as u8;
        octets[1] = TYPE_ALPHANUMERIC;
        Ok(Self { octets, length: 2 + value as u8 })
    }

    /// The same value with another type of address octet.
    pub fn with_type(mut self, type_of_address: u8) -> Self {
        self.octets[1] = type_of_address;
        self
    }

    /// What a person writes: `+` and digits is international, digits alone are of unknown type,
    /// anything else is text.
    ///
    /// # Errors
    /// An empty text, or what [`Self::numeric`] and [`Self::alphanumeric`] refuse.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (type_of_address, digits) = match text.strip_prefix('+') {
            Some(digits) => (TYPE_INTERNATIONAL_ISDN, digits),
            None => (TYPE_UNKNOWN_ISDN, text),
        };
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Self::numeric(type_of_address, digits.as_bytes());
        }
        Self::alphanumeric(text)
    }

    /// An address field on its own; nothing may follow it.
    ///
    /// # Errors
    /// A length above 20 semi-octets, or more or fewer octets than it asks for.
    pub fn decode(octets: &[u8]) -> Result<Self, TpduError> {
        let mut reader = Reader::new(octets);
        let address = Self::of_field(reader.address(Field::Address)?);
        reader.finish()?;
        Ok(address)
    }

    /// A service centre's address as RP- and AT-command layers carry it: its length counts octets,
    /// the type of address included (TS 24.011, 8.2.5.1). Nothing may follow it. A length of 0 is
    /// an address without digits.
    ///
    /// # Errors
    /// A length above 11 octets, or more or fewer octets than it says.
    pub fn decode_service_centre(octets: &[u8]) -> Result<Self, TpduError> {
        let mut reader = Reader::new(octets);
        let length = usize::from(reader.octet(Field::Address)?);
        if length > ADDRESS_OCTETS_MAX - 1 {
            let fault =
                Fault::TooLarge { value: clamp(length), max: clamp(ADDRESS_OCTETS_MAX - 1) };
            return Err(TpduError::new(Field::Address, 0, fault));
        }
        let field = reader.take(Field::Address, length)?;
        reader.finish()?;
        let Some((&type_of_address, value)) = field.split_first() else {
            return Ok(Self::of_field(&[0, TYPE_UNKNOWN_ISDN]));
        };
        let filled = value.last().is_some_and(|octet| octet >> 4 == 0xf);
        let mut octets = [0; ADDRESS_OCTETS_MAX];
        octets[0] = (value.len() * 2) as u8 - u8::from(filled);
        octets[1] = type_of_address;
        octets[2..2 + value.len()].copy_from_slice(value);
        Ok(Self { octets, length: 2 + value.len() as u8 })
    }

    /// A field that [`Reader::address`] has measured.
    pub(crate) fn of_field(field: &[u8]) -> Self {
        let mut octets = [0; ADDRESS_OCTETS_MAX];
        octets[..field.len()].copy_from_slice(field);
        Self { octets, length: field.len() as u8 }
    }

    /// The field as it stands on the wire.
    pub fn as_octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    /// Useful semi-octets in the value, 0 to 20.
    pub fn semi_octets(&self) -> u8 {
        self.octets[0]
    }

    /// The whole type of address octet, bit 7 included.
    pub fn type_of_address(&self) -> u8 {
        self.octets[1]
    }

    /// Bits 6 to 4 of it.
    pub fn type_of_number(&self) -> TypeOfNumber {
        TypeOfNumber::from_bits(self.octets[1] >> 4)
    }

    /// Bits 3 to 0 of it, 0 to 15.
    pub fn numbering_plan(&self) -> u8 {
        self.octets[1] & 0xf
    }

    /// The digits of an address that is not alphanumeric: `0-9*#abc`. A filler inside the digits
    /// ends them.
    pub fn digits(&self) -> Digits {
        let mut characters = [0; ADDRESS_DIGITS_MAX];
        let mut length = 0;
        for position in 0..usize::from(self.semi_octets()) {
            let nibble = self.octets[2 + position / 2] >> (4 * (position % 2)) & 0xf;
            if nibble == 0xf {
                break;
            }
            characters[length] = DIGITS[usize::from(nibble)];
            length += 1;
        }
        Digits { characters, length: length as u8 }
    }

    /// What a person reads: `+` before an international number, text for an alphanumeric address,
    /// else digits; of an address without digits, nothing.
    pub fn text(&self) -> String {
        match self.type_of_number() {
            TypeOfNumber::Alphanumeric => {
                //= TS 23.040 9.1.2.5 text
                let count = usize::from(self.semi_octets()) * 4 / 7;
                let mut buffer = [0; ALPHANUMERIC_CHARACTERS_MAX];
                let septets = &mut buffer[..count];
                septets::unpack(&self.octets[2..usize::from(self.length)], 0, septets);
                let mut text = String::new();
                Shift::DEFAULT.decode(septets, &mut text);
                text
            }
            TypeOfNumber::International if self.semi_octets() > 0 => {
                format!("+{}", self.digits().as_str())
            }
            _ => self.digits().as_str().to_owned(),
        }
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.as_octets() == other.as_octets()
    }
}

impl Eq for Address {}

impl std::fmt::Debug for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Address({:02X?})", self.as_octets())
    }
}

/// The digits of an address, at most 20 of `0-9*#abc` (TS 23.040, 9.1.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digits {
    characters: [u8; ADDRESS_DIGITS_MAX],
    length: u8,
}

impl Digits {
    /// The digits as ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.characters[..usize::from(self.length)]
    }

    /// The digits as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Digits by nibble (TS 23.040, 9.1.2.3); 1111 is the filler.
const DIGITS: [u8; 16] = *b"0123456789*#abc?";

fn nibble_of(digit: u8) -> Result<u8, AddressError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'*' => Ok(10),
        b'#' => Ok(11),
        b'a'..=b'c' => Ok(digit - b'a' + 12),
        b'A'..=b'C' => Ok(digit - b'A' + 12),
        _ => Err(AddressError::Character { character: char::from(digit) }),
    }
}

const _: () = assert!(
    ADDRESS_DIGITS_MAX * 4 / 7 == ALPHANUMERIC_CHARACTERS_MAX,
    "the longest legal address field decodes to no more characters than the buffer holds"
);

/// Writes the field for decimal digits of unknown type straight into `out` and returns its octets;
/// `None` when one is no digit, there are more than 20, or `out` is too small.
pub(crate) fn write_decimal(digits: &[u8], out: &mut [u8]) -> Option<usize> {
    let octets = 2 + digits.len().div_ceil(2);
    if digits.len() > ADDRESS_DIGITS_MAX || octets > out.len() {
        return None;
    }
    out[0] = digits.len() as u8;
    out[1] = TYPE_UNKNOWN_ISDN;
    let mut wrong = false;
    let (pairs, rest) = digits.as_chunks::<2>();
    for (&[low, high], octet) in pairs.iter().zip(&mut out[2..]) {
        wrong |= !low.is_ascii_digit() | !high.is_ascii_digit();
        *octet = low & 0xf | high << 4;
    }
    if let &[low] = rest {
        wrong |= !low.is_ascii_digit();
        //= TS 23.040 9.1.2.5 filler
        out[octets - 1] = low & 0xf | 0xf0;
    }
    (!wrong).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TS 23.040 9.1.2.5 filler
    #[test]
    fn digits_swap_their_semi_octets_and_an_odd_one_is_filled() {
        let address = Address::numeric(TYPE_UNKNOWN_ISDN, b"09012345678").expect("legal");
        assert_eq!(address.as_octets(), [11, 0x81, 0x90, 0x10, 0x32, 0x54, 0x76, 0xf8]);
        assert_eq!(address.text(), "09012345678");
        let mut out = [0; 12];
        assert_eq!(write_decimal(b"09012345678", &mut out), Some(8));
        assert_eq!(&out[..8], address.as_octets());
        assert_eq!(write_decimal(b"0901234567x", &mut out), None);
        assert_eq!(write_decimal(b"0901234567x8", &mut out), None);
        assert_eq!(write_decimal(&[b'1'; 21], &mut out), None);
        assert_eq!(write_decimal(b"1234", &mut out[..3]), None);
    }

    //= TS 23.040 9.1.2.3
    //= TS 23.040 9.1.2.5 type
    #[test]
    fn nibbles_above_nine_are_star_hash_and_letters() {
        let address = Address::numeric(0xa1, b"*#abc#*51").expect("legal");
        assert_eq!(address.as_octets(), [9, 0xa1, 0xba, 0xdc, 0xbe, 0x5a, 0xf1]);
        assert_eq!(address.text(), "*#abc#*51");
        assert_eq!(address.type_of_number(), TypeOfNumber::National);
    }

    //= TS 23.040 9.1.2.5 text
    #[test]
    fn seven_characters_of_text_are_thirteen_semi_octets() {
        for (text, semi_octets) in
            [("A", 2), ("AB", 4), ("message", 13), ("12345678", 14), ("InternetSMS", 20)]
        {
            let address = if text == "12345678" {
                Address::alphanumeric(text).expect("legal")
            } else {
                Address::parse(text).expect("legal")
            };
            assert_eq!(address.semi_octets(), semi_octets, "{text}");
            assert_eq!(address.text(), text);
            assert_eq!(Address::decode(address.as_octets()), Ok(address));
        }
        assert!(matches!(
            Address::alphanumeric("twelve chars"),
            Err(AddressError::TooLong { length: 12, .. })
        ));
        assert_eq!(Address::alphanumeric("あ"), Err(AddressError::Character { character: 'あ' }));
    }

    //= TS 23.040 9.1.2.5 most
    #[test]
    fn a_length_past_the_end_or_the_limit_is_refused() {
        assert!(matches!(
            Address::decode(&[11, 0x91, 0x21]),
            Err(TpduError { octet: 1, fault: Fault::Truncated { needed: 7, available: 2 }, .. })
        ));
        assert!(matches!(
            Address::decode(&[21, 0x91]),
            Err(TpduError { octet: 0, fault: Fault::TooLarge { value: 21, max: 20 }, .. })
        ));
    }
}
