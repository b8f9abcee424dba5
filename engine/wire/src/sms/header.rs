//! The user data header: information elements at the front of TP-User-Data (3GPP TS 23.040,
//! 9.2.3.24).
//!
//! Reading follows the standard's own leniency: elements of unknown kind are kept and skipped, of
//! elements that may stand only once the last wins, an element whose content makes no sense is
//! passed over, and a header whose elements do not fill it exactly is ignored as a whole.

mod names;

pub(crate) use names::well_known_port;

use super::alphabet::{Language, Shift};
use super::septets;

/// Information element identifiers that this room knows by name (9.2.3.24).
pub mod identifier {
    /// Concatenated short messages, 8-bit reference number.
    pub const CONCATENATION_8: u8 = 0x00;
    /// Special SMS message indication.
    pub const SPECIAL_MESSAGE: u8 = 0x01;
    /// Application port addressing, 8-bit.
    pub const PORTS_8: u8 = 0x04;
    /// Application port addressing, 16-bit.
    pub const PORTS_16: u8 = 0x05;
    /// SMSC control parameters.
    pub const SMSC_CONTROL: u8 = 0x06;
    /// UDH source indicator.
    pub const UDH_SOURCE: u8 = 0x07;
    /// Concatenated short messages, 16-bit reference number.
    pub const CONCATENATION_16: u8 = 0x08;
    /// National language single shift.
    pub const SINGLE_SHIFT: u8 = 0x24;
    /// National language locking shift.
    pub const LOCKING_SHIFT: u8 = 0x25;
}

/// Octets that an 8-bit concatenation element takes, identifier and length included.
pub const CONCATENATION_8_OCTETS: usize = 5;
/// Octets that a 16-bit concatenation element takes.
pub const CONCATENATION_16_OCTETS: usize = 6;
/// Octets that a national language shift element takes.
pub const SHIFT_OCTETS: usize = 3;

/// Why a user data header cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum HeaderFault {
    /// UDHL is not the number of octets that follow it.
    #[error("the header length octet says {announced}, {available} octets follow")]
    Length {
        /// What UDHL says.
        announced: u8,
        /// Octets that are there.
        available: u16,
    },
    /// An element runs past the end of the header, or has no room for its own length.
    #[error("the element at octet {octet} of the header runs past its end")]
    ElementOverrun {
        /// Where the element starts, UDHL being octet 0.
        octet: u8,
    },
    /// A client's header may not bring a concatenation element: the gateway writes its own.
    #[error("the header brings a concatenation element of its own at octet {octet}")]
    Concatenation {
        /// Where the element starts.
        octet: u8,
    },
    /// The header leaves no room for content.
    #[error("the header leaves no room for content")]
    NoRoom,
}

/// One information element as it stands in the header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Element<'a> {
    /// Information-Element-Identifier.
    pub identifier: u8,
    /// Information-Element-Data, 0 to 137 octets.
    pub data: &'a [u8],
}

/// What an element says, for the kinds that this room acts on; everything else is kept as it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Information<'a> {
    /// A part of a concatenated message (9.2.3.24.1, 9.2.3.24.8).
    Concatenation(Concatenation),
    /// Special SMS message indication (9.2.3.24.2): store bit, indication type and profile; and the
    /// count.
    SpecialMessage {
        /// Bit 7: store the message; bits 6 and 5 profile; bits 4 to 0 basic and extended type.
        indication: u8,
        /// Messages waiting, 0 to 255.
        count: u8,
    },
    /// Application ports (9.2.3.24.3, 9.2.3.24.4).
    Ports(Ports),
    /// SMSC control parameters (9.2.3.24.5): which reports are wanted, and what to do with this
    /// header.
    SmscControl(u8),
    /// UDH source indicator (9.2.3.24.6): 1 sender, 2 receiver, 3 SMSC.
    UdhSource(u8),
    /// National language single shift (9.2.3.24.15).
    SingleShift(Language),
    /// National language locking shift (9.2.3.24.16).
    LockingShift(Language),
    /// Any other kind, a reserved value, or a length that the kind does not have.
    Other(Element<'a>),
}

/// Which part of which concatenated message this is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Concatenation {
    /// The same in every part: 0 to 255 in the 8-bit form, 0 to 65535 in the 16-bit form.
    pub reference: u16,
    /// Whether the reference came in 16 bits.
    pub wide: bool,
    /// Parts in all, 1 to 255.
    pub total: u8,
    /// This part, from 1 to `total`.
    pub sequence: u8,
}

/// Application ports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ports {
    /// The receiving port, which stands first on the wire.
    pub destination: u16,
    /// The sending port.
    pub source: u16,
    /// Whether they came in 16 bits.
    pub wide: bool,
}

impl Ports {
    /// Whether one of them is a number that 9.2.3.24.3 and 9.2.3.24.4 reserve: 0 to 239 in 8 bits,
    /// 49152 and above in
    /// 16. A terminal passes such an element over.
    //= TS 23.040 9.2.3.24.3 reserved
    pub const fn is_reserved(self) -> bool {
        let Self { destination, source, wide } = self;
        if wide {
            destination >= 49_152 || source >= 49_152
        } else {
            destination < 240 || source < 240
        }
    }
}

/// A well-formed user data header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Header<'a> {
    /// The elements, without UDHL.
    elements: &'a [u8],
}

impl<'a> Header<'a> {
    /// A header given whole, its length octet first and nothing behind it.
    ///
    /// # Errors
    /// A length octet that does not count the rest, or an element that runs past the end.
    pub fn parse(octets: &'a [u8]) -> Result<Self, HeaderFault> {
        let (&announced, elements) =
            octets.split_first().ok_or(HeaderFault::Length { announced: 0, available: 0 })?;
        if usize::from(announced) != elements.len() {
            let available = super::error::clamp(elements.len());
            return Err(HeaderFault::Length { announced, available });
        }
        Self::of_elements(elements)
    }

    /// The header at the front of TP-User-Data or why it is to be ignored, and how many octets it
    /// takes there, its length octet included, whether it is sound or not: what follows is content
    /// in any case.
    pub fn read(user_data: &'a [u8]) -> (Result<Self, HeaderFault>, usize) {
        let Some((&announced, rest)) = user_data.split_first() else {
            return (Err(HeaderFault::Length { announced: 0, available: 0 }), 0);
        };
        //= TS 23.040 9.2.3.24 length
        match rest.get(..usize::from(announced)) {
            Some(elements) => (Self::of_elements(elements), 1 + elements.len()),
            None => {
                let available = super::error::clamp(rest.len());
                (Err(HeaderFault::Length { announced, available }), user_data.len())
            }
        }
    }

    fn of_elements(elements: &'a [u8]) -> Result<Self, HeaderFault> {
        let mut at = 0;
        while at < elements.len() {
            let end = elements.get(at + 1).map(|&length| at + 2 + usize::from(length));
            //= TS 23.040 9.2.3.24 overrun
            if end.is_none_or(|end| end > elements.len()) {
                return Err(HeaderFault::ElementOverrun { octet: (at + 1) as u8 });
            }
            at = end.unwrap_or(elements.len());
        }
        Ok(Self { elements })
    }

    /// The octets behind UDHL.
    pub fn element_octets(self) -> &'a [u8] {
        self.elements
    }

    /// Octets on the wire, UDHL included.
    pub fn octets(self) -> usize {
        1 + self.elements.len()
    }

    /// The elements in the order in which they stand.
    pub fn elements(self) -> Elements<'a> {
        Elements { rest: self.elements }
    }

    /// The last concatenation element that makes sense, if there is one.
    pub fn concatenation(self) -> Option<Concatenation> {
        self.last(|information| match information {
            Information::Concatenation(concatenation) => Some(concatenation),
            _ => None,
        })
    }

    /// The last port addressing element, if there is one.
    pub fn ports(self) -> Option<Ports> {
        self.last(|information| match information {
            Information::Ports(ports) => Some(ports),
            _ => None,
        })
    }

    /// The tables that the text uses if it is 7-bit text.
    pub fn shift(self) -> Shift {
        let locking = self.last(|information| match information {
            Information::LockingShift(language) => Some(language),
            _ => None,
        });
        let single = self.last(|information| match information {
            Information::SingleShift(language) => Some(language),
            _ => None,
        });
        Shift { locking, single }
    }

    /// Where the first element with one of `identifiers` starts, UDHL being octet 0.
    pub(crate) fn position_of(self, identifiers: &[u8]) -> Option<u8> {
        let mut elements = self.elements();
        loop {
            let at = 1 + self.elements.len() - elements.rest.len();
            let element = elements.next()?;
            if identifiers.contains(&element.identifier) {
                return Some(at as u8);
            }
        }
    }

    //= TS 23.040 9.2.3.24 last
    fn last<T>(self, select: impl Fn(Information<'a>) -> Option<T>) -> Option<T> {
        self.elements().filter_map(|element| select(element.information())).last()
    }
}

/// The elements of a header, in order.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (&identifier, rest) = self.rest.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (data, rest) = rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        Some(Element { identifier, data })
    }
}

impl<'a> Element<'a> {
    /// What the element says.
    //= TS 23.040 9.2.3.24 unknown
    pub fn information(self) -> Information<'a> {
        self.known().unwrap_or(Information::Other(self))
    }

    fn known(self) -> Option<Information<'a>> {
        Some(match (self.identifier, self.data) {
            (identifier::CONCATENATION_8, &[reference, total, sequence]) => {
                Information::Concatenation(Concatenation::new(
                    reference.into(),
                    false,
                    total,
                    sequence,
                )?)
            }
            (identifier::CONCATENATION_16, &[high, low, total, sequence]) => {
                let reference = u16::from_be_bytes([high, low]);
                Information::Concatenation(Concatenation::new(reference, true, total, sequence)?)
            }
            (identifier::SPECIAL_MESSAGE, &[indication, count]) => {
                Information::SpecialMessage { indication, count }
            }
            (identifier::PORTS_8, &[destination, source]) => Information::Ports(Ports {
                destination: destination.into(),
                source: source.into(),
                wide: false,
            }),
            (
                identifier::PORTS_16,
                &[destination_high, destination_low, source_high, source_low],
            ) => Information::Ports(Ports {
                destination: u16::from_be_bytes([destination_high, destination_low]),
                source: u16::from_be_bytes([source_high, source_low]),
                wide: true,
            }),
            (identifier::SMSC_CONTROL, &[selected]) => Information::SmscControl(selected),
            (identifier::UDH_SOURCE, &[source]) => Information::UdhSource(source),
            (identifier::SINGLE_SHIFT, &[number]) => {
                Information::SingleShift(Language::from_number(number)?)
            }
            (identifier::LOCKING_SHIFT, &[number]) => {
                Information::LockingShift(Language::from_number(number)?)
            }
            _ => return None,
        })
    }

    /// The name that TS 23.040, 9.2.3.24, gives the identifier.
    pub fn name(self) -> &'static str {
        names::name_of(self.identifier)
    }
}

impl Concatenation {
    /// `None` where the standard says to ignore the element: a zero, or a part beyond the last.
    //= TS 23.040 9.2.3.24.1 ignored
    pub fn new(reference: u16, wide: bool, total: u8, sequence: u8) -> Option<Self> {
        let legal = sequence != 0 && sequence <= total && (wide || reference <= 0xff);
        legal.then_some(Self { reference, wide, total, sequence })
    }
}

/// The septet that text behind a header of `octets` octets starts at, counted from 0 at the start
/// of TP-User-Data: the fill bits put it on a septet boundary (TS 23.040, 9.2.3.24).
//= TS 23.040 9.2.3.24 fill
pub const fn text_starts_at_septet(octets: usize) -> usize {
    septets::septets_covering(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TS 23.040 9.2.3.24 last
    //= TS 23.040 9.2.3.24.8
    #[test]
    fn of_repeated_elements_the_last_that_makes_sense_wins() {
        let mut header =
            [0x14, 0x00, 3, 1, 2, 1, 0x08, 4, 0x12, 0x34, 2, 2, 0x00, 3, 9, 2, 3, 0x24, 1, 1, 0x71];
        assert_eq!(
            Header::parse(&header),
            Err(HeaderFault::ElementOverrun { octet: 20 }),
            "an identifier without a length"
        );
        let header = &mut header[..20];
        header[0] = 19;
        let header = Header::parse(header).expect("well-formed");
        assert_eq!(header.elements().count(), 4);
        assert_eq!(
            header.concatenation(),
            Some(Concatenation { reference: 0x1234, wide: true, total: 2, sequence: 2 })
        );
        assert_eq!(header.shift(), Shift { locking: None, single: Some(Language::Turkish) });
        assert_eq!(header.position_of(&[0x24]), Some(17));
        assert_eq!(header.position_of(&[0x25]), None);
    }

    //= TS 23.040 9.2.3.24.3
    //= TS 23.040 9.2.3.24.3 reserved
    //= TS 23.040 9.2.3.24.4
    #[test]
    fn ports_name_the_destination_first() {
        let header = Header::parse(&[6, 0x05, 4, 0x0b, 0x84, 0x23, 0xf0]).expect("well-formed");
        assert_eq!(header.ports(), Some(Ports { destination: 2948, source: 9200, wide: true }));
        let reserved =
            |destination, source, wide| Ports { destination, source, wide }.is_reserved();
        assert!(
            !reserved(2948, 49_151, true) && reserved(49_152, 0, true) && reserved(0, 65_535, true)
        );
        assert!(!reserved(240, 255, false) && reserved(239, 255, false) && reserved(255, 0, false));
    }

    //= TS 23.040 9.2.3.24.2
    //= TS 23.040 9.2.3.24.5
    //= TS 23.040 9.2.3.24.6
    #[test]
    fn messages_that_wait_and_what_the_service_centre_is_told_are_read() {
        let octets = [10, 0x01, 2, 0x80, 3, 0x06, 1, 0x41, 0x07, 1, 3];
        let header = Header::parse(&octets).expect("well-formed");
        let information: Vec<_> = header.elements().map(Element::information).collect();
        let expected = [
            Information::SpecialMessage { indication: 0x80, count: 3 },
            Information::SmscControl(0x41),
            Information::UdhSource(3),
        ];
        assert_eq!(information, expected);
        let octets = [9, 0x01, 1, 0x80, 0x06, 2, 0, 0, 0x07, 0];
        let header = Header::parse(&octets).expect("well-formed");
        let mut said = header.elements().map(Element::information);
        let is_other = |information| matches!(information, Information::Other(_));
        assert!(said.all(is_other), "lengths that the kinds do not have");
    }

    //= TS 23.040 9.2.3.24 length
    #[test]
    fn a_header_that_overruns_is_ignored_but_still_takes_its_octets() {
        assert_eq!(Header::read(&[3, 0x00, 4, 1, b'a']).1, 4);
        assert!(Header::read(&[3, 0x00, 4, 1, b'a']).0.is_err());
        let (header, octets) = Header::read(&[9, 0x00, 3]);
        assert_eq!((header, octets), (Err(HeaderFault::Length { announced: 9, available: 2 }), 3));
        assert_eq!(Header::read(&[0, b'a']), (Ok(Header { elements: &[] }), 1));
    }
}
