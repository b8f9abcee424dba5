//! TP-User-Data with its length and header (3GPP TS 23.040, 9.2.3.16, 9.2.3.23, 9.2.3.24).
//!
//! TP-UDL counts septets for 7-bit text, header and fill bits included, and octets otherwise; only
//! TP-DCS says which. A header that cannot be used is ignored, but what stands behind it is still
//! the content.

use super::alphabet::{Alphabet, Shift, decode_ucs2};
use super::coding_scheme::{CharacterSet, CodingScheme};
use super::error::{Fault, Field, Reader, TpduError, clamp};
use super::header::{Header, HeaderFault, text_starts_at_septet};
use super::limits::REPORT_USER_DATA_SEPTETS_MAX;
use super::septets;

/// TP-User-Data as it stands on the wire, with what is needed to read it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct UserData<'a> {
    /// TP-DCS (TS 23.040, 9.2.3.10).
    pub coding_scheme: CodingScheme,
    /// TP-UDHI (TS 23.040, 9.2.3.23).
    pub header_indicated: bool,
    /// TP-UDL: septets of 7-bit text, octets otherwise, 0 to 255 (TS 23.040, 9.2.3.16).
    pub length: u8,
    /// TP-UD: as many octets as TP-UDL stands for under this coding scheme.
    pub octets: &'a [u8],
}

/// What stands behind the header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Payload<'a> {
    /// 7-bit text: `count` septets from septet `first` of `octets` on.
    Septets {
        /// The whole TP-UD.
        octets: &'a [u8],
        /// Septets that the header and its fill bits cover.
        first: u8,
        /// Septets of text, at most 181; `octets` holds them.
        count: u8,
        /// The tables that the header names.
        shift: Shift,
    },
    /// UTF-16 code units, big-endian; an odd octet may be left at the end.
    Ucs2(&'a [u8]),
    /// Octets that are not text.
    Octets(&'a [u8]),
    /// Compressed text (TS 23.042), which this room does not read.
    Compressed(&'a [u8]),
}

impl<'a> UserData<'a> {
    /// Octets, 8-bit coded, without a header; at most 255.
    pub fn of_octets(octets: &'a [u8]) -> Self {
        let length = octets.len().min(usize::from(u8::MAX));
        Self {
            coding_scheme: CodingScheme::EIGHT_BIT,
            header_indicated: false,
            length: length as u8,
            octets: &octets[..length],
        }
    }

    /// Reads TP-UDL and TP-UD.
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        coding_scheme: CodingScheme,
        header_indicated: bool,
        octets_max: usize,
    ) -> Result<Self, TpduError> {
        let at = reader.position();
        let length = reader.octet(Field::UserDataLength)?;
        let needed = coding_scheme.user_data_octets(length);
        //= TS 23.040 9.2.3.16 whole
        if needed > octets_max {
            let fault = Fault::TooLarge { value: clamp(needed), max: clamp(octets_max) };
            return Err(TpduError::new(Field::UserDataLength, at, fault));
        }
        let octets = reader.take(Field::UserData, needed)?;
        Ok(Self { coding_scheme, header_indicated, length, octets })
    }

    /// Checks what [`Self::read`] would refuse, before writing.
    pub(crate) fn check(&self, at: usize, octets_max: usize) -> Result<(), TpduError> {
        let needed = self.coding_scheme.user_data_octets(self.length);
        if needed > octets_max {
            let fault = Fault::TooLarge { value: clamp(needed), max: clamp(octets_max) };
            return Err(TpduError::new(Field::UserDataLength, at, fault));
        }
        if needed != self.octets.len() {
            let fault =
                Fault::Truncated { needed: clamp(needed), available: clamp(self.octets.len()) };
            return Err(TpduError::new(Field::UserData, at + 1, fault));
        }
        Ok(())
    }

    /// The header, if TP-UDHI promises one: as it reads, or why it is to be ignored.
    pub fn header(&self) -> Option<Result<Header<'a>, HeaderFault>> {
        self.header_indicated.then(|| Header::read(self.octets).0)
    }

    /// The header if there is one and it is sound.
    pub fn sound_header(&self) -> Option<Header<'a>> {
        self.header()?.ok()
    }

    /// Octets that the header takes, sound or not, its length octet included.
    pub fn header_octets(&self) -> usize {
        if self.header_indicated { Header::read(self.octets).1 } else { 0 }
    }

    /// The alphabet of the text.
    //= TS 23.040 9.2.3.10
    pub fn alphabet(&self) -> Alphabet {
        match self.coding_scheme.character_set() {
            CharacterSet::Gsm7 => {
                Alphabet::Gsm7(self.sound_header().map_or(Shift::DEFAULT, Header::shift))
            }
            CharacterSet::EightBit => Alphabet::EightBit,
            CharacterSet::Ucs2 => Alphabet::Ucs2,
        }
    }

    /// What stands behind the header.
    pub fn payload(&self) -> Payload<'a> {
        let header = self.header_octets();
        let behind = &self.octets[header.min(self.octets.len())..];
        //= TS 23.038 4 compressed
        if self.coding_scheme.is_compressed() {
            return Payload::Compressed(behind);
        }
        match self.alphabet() {
            Alphabet::Gsm7(shift) => {
                // A value that was not read from a TPDU may promise more than it holds.
                let held = (self.octets.len() * 8 / 7).min(REPORT_USER_DATA_SEPTETS_MAX);
                let end = usize::from(self.length).min(held);
                let first = text_starts_at_septet(header).min(end);
                let (first, count) = (first as u8, (end - first) as u8);
                Payload::Septets { octets: self.octets, first, count, shift }
            }
            //= TS 23.038 6.2.2
            Alphabet::EightBit => Payload::Octets(behind),
            Alphabet::Ucs2 => Payload::Ucs2(behind),
        }
    }

    /// The text of this message alone; `None` for 8-bit data and compressed text.
    pub fn text(&self) -> Option<String> {
        let mut text = String::new();
        match self.payload() {
            Payload::Septets { octets, first, count, shift } => {
                let mut buffer = [0; REPORT_USER_DATA_SEPTETS_MAX];
                let septets = &mut buffer[..usize::from(count)];
                septets::unpack(octets, usize::from(first), septets);
                shift.decode(septets, &mut text);
            }
            Payload::Ucs2(octets) => decode_ucs2(octets, &mut text),
            Payload::Octets(_) | Payload::Compressed(_) => return None,
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(scheme: u8, header: bool, octets: &[u8]) -> UserData<'_> {
        let mut reader = Reader::new(octets);
        let data = UserData::read(&mut reader, CodingScheme(scheme), header, 140).expect("reads");
        reader.finish().expect("nothing behind");
        data
    }

    //= TS 23.040 9.2.3.16 header
    //= TS 23.040 9.2.3.23
    //= TS 23.040 9.2.3.24 fill
    #[test]
    fn fill_bits_follow_the_header_to_the_next_septet() {
        for (octets, text) in [
            (&[10, 5, 0, 3, 1, 2, 2, 0xc2, 0xe2, 0x31][..], "abc"),
            (&[11, 6, 8, 4, 0, 1, 2, 2, 0x61, 0xf1, 0x18], "abc"),
            (&[8, 3, 0x24, 1, 1, 0x08, 0x8b, 0xc7], "abc"),
        ] {
            assert_eq!(read(0, true, octets).text().as_deref(), Some(text));
        }
    }

    //= TS 23.040 9.2.3.24.15
    //= TS 23.040 9.2.3.24.16
    #[test]
    fn a_shift_in_the_header_changes_the_tables() {
        let data = read(0, true, &[7, 3, 0x24, 1, 1, 0xd8, 0x9c, 0x01]);
        assert_eq!(data.text().as_deref(), Some("ğ"));
        let data = read(0, true, &[6, 3, 0x25, 1, 1, 0x60, 0]);
        assert_eq!(data.text().as_deref(), Some("ğ"));
    }

    //= TS 23.040 9.2.3.24 overrun
    #[test]
    fn an_unsound_header_is_ignored_and_what_follows_is_read() {
        let data = read(4, true, &[5, 3, 0, 9, 1, 0xaa]);
        assert!(matches!(data.header(), Some(Err(HeaderFault::ElementOverrun { octet: 1 }))));
        assert_eq!(data.payload(), Payload::Octets(&[0xaa]));
        let overrun = read(0, true, &[3, 9, 0, 0]);
        assert_eq!(overrun.text().as_deref(), Some(""));
        let empty = read(0, true, &[0]);
        assert_eq!(empty.text().as_deref(), Some(""));
    }

    //= TS 23.040 9.2.3.16 whole
    #[test]
    fn the_length_must_be_there_and_legal() {
        let error = |octets: &[u8]| {
            UserData::read(&mut Reader::new(octets), CodingScheme::GSM7, false, 140)
                .expect_err("refused")
        };
        assert_eq!(error(&[]).field, Field::UserDataLength);
        assert_eq!(error(&[8, 0, 0]).fault, Fault::Truncated { needed: 7, available: 2 });
        assert_eq!(error(&[161, 0, 0]).fault, Fault::TooLarge { value: 141, max: 140 });
    }
}
