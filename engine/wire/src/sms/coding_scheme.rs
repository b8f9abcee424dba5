//! TP-Data-Coding-Scheme: the alphabet, the message class and the message waiting groups in one
//! octet (3GPP TS 23.038, clause 4).
//!
//! Every octet has a meaning here: reserved codings are kept as they came and read, as the standard
//! orders, like the GSM 7-bit default alphabet.

/// How the characters of TP-User-Data are coded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CharacterSet {
    /// GSM 7-bit default alphabet, septets.
    Gsm7,
    /// 8-bit data, octets whose meaning is the application's.
    EightBit,
    /// UCS-2 and, in practice, UTF-16, big-endian.
    Ucs2,
}

/// The message class, bits 1 and 0 (TS 23.038, clause 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MessageClass {
    /// Class 0: shown at once, not stored.
    Zero,
    /// Class 1: default meaning ME-specific.
    One,
    /// Class 2: (U)SIM-specific.
    Two,
    /// Class 3: default meaning TE-specific.
    Three,
}

/// What a message waiting group indicates, bits 1 and 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WaitingKind {
    /// Voicemail message waiting.
    Voicemail,
    /// Fax message waiting.
    Fax,
    /// Electronic mail message waiting.
    ElectronicMail,
    /// Other message waiting.
    Other,
}

/// The coding group, bits 7 to 4 (TS 23.038, clause 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CodingGroup {
    /// 00xx: general data coding.
    General,
    /// 01xx: general data coding, message marked for automatic deletion.
    AutomaticDeletion,
    /// 1000 to 1011: reserved.
    Reserved,
    /// 1100: message waiting indication, discard message.
    WaitingDiscard,
    /// 1101: message waiting indication, store message, GSM 7-bit.
    WaitingStore,
    /// 1110: message waiting indication, store message, UCS-2.
    WaitingStoreUcs2,
    /// 1111: data coding and message class.
    DataAndClass,
}

/// One TP-DCS octet (TS 23.038, clause 4), any value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct CodingScheme(pub u8);

impl CodingScheme {
    /// 00: GSM 7-bit default alphabet, no class.
    pub const GSM7: Self = Self(0x00);
    /// 04: 8-bit data, no class.
    pub const EIGHT_BIT: Self = Self(0x04);
    /// 08: UCS-2, no class.
    pub const UCS2: Self = Self(0x08);

    /// The coding group.
    //= TS 23.038 4 group
    pub const fn group(self) -> CodingGroup {
        match self.0 >> 4 {
            0x0..=0x3 => CodingGroup::General,
            0x4..=0x7 => CodingGroup::AutomaticDeletion,
            0x8..=0xb => CodingGroup::Reserved,
            0xc => CodingGroup::WaitingDiscard,
            0xd => CodingGroup::WaitingStore,
            0xe => CodingGroup::WaitingStoreUcs2,
            _ => CodingGroup::DataAndClass,
        }
    }

    /// The character set; a reserved coding is read as GSM 7-bit (TS 23.038, clause 4).
    //= TS 23.038 4 reserved
    pub const fn character_set(self) -> CharacterSet {
        let bits = match self.group() {
            CodingGroup::General | CodingGroup::AutomaticDeletion => self.0 >> 2 & 3,
            CodingGroup::DataAndClass => self.0 >> 2 & 1,
            CodingGroup::WaitingStoreUcs2 => 2,
            CodingGroup::Reserved | CodingGroup::WaitingDiscard | CodingGroup::WaitingStore => 0,
        };
        match bits {
            1 => CharacterSet::EightBit,
            2 => CharacterSet::Ucs2,
            _ => CharacterSet::Gsm7,
        }
    }

    /// Whether the text is compressed (TS 23.042); only the general groups can say so.
    //= TS 23.038 4 compressed
    pub const fn is_compressed(self) -> bool {
        self.0 >> 7 == 0 && self.0 & 0x20 != 0
    }

    /// Whether the value is one that TS 23.038, clause 4, leaves open: a reserved group, alphabet
    /// or bit.
    pub const fn is_reserved(self) -> bool {
        match self.group() {
            CodingGroup::General | CodingGroup::AutomaticDeletion => self.0 & 0x0c == 0x0c,
            CodingGroup::Reserved => true,
            CodingGroup::WaitingDiscard
            | CodingGroup::WaitingStore
            | CodingGroup::WaitingStoreUcs2 => self.0 & 0x04 != 0,
            CodingGroup::DataAndClass => self.0 & 0x08 != 0,
        }
    }

    /// The message class, where the octet carries one.
    //= TS 23.038 4 class
    pub const fn class(self) -> Option<MessageClass> {
        let present = match self.group() {
            CodingGroup::General | CodingGroup::AutomaticDeletion => self.0 & 0x10 != 0,
            CodingGroup::DataAndClass => true,
            _ => false,
        };
        if !present {
            return None;
        }
        Some(match self.0 & 3 {
            0 => MessageClass::Zero,
            1 => MessageClass::One,
            2 => MessageClass::Two,
            _ => MessageClass::Three,
        })
    }

    /// For the message waiting groups: whether the indication is set active, and which it is.
    //= TS 23.038 4 waiting
    pub const fn waiting(self) -> Option<(bool, WaitingKind)> {
        let kind = match self.0 & 3 {
            0 => WaitingKind::Voicemail,
            1 => WaitingKind::Fax,
            2 => WaitingKind::ElectronicMail,
            _ => WaitingKind::Other,
        };
        match self.group() {
            CodingGroup::WaitingDiscard
            | CodingGroup::WaitingStore
            | CodingGroup::WaitingStoreUcs2 => Some((self.0 & 8 != 0, kind)),
            _ => None,
        }
    }

    /// Whether TP-UDL counts septets: GSM 7-bit, not compressed (TS 23.040, 9.2.3.16).
    //= TS 23.040 9.2.3.16 unit
    pub const fn counts_septets(self) -> bool {
        matches!(self.character_set(), CharacterSet::Gsm7) && !self.is_compressed()
    }

    /// Octets that a TP-UDL of `length` stands for under this scheme, 0 to 255 (TS 23.040,
    /// 9.2.3.16).
    pub const fn user_data_octets(self, length: u8) -> usize {
        if self.counts_septets() {
            super::septets::octets_for(length as usize)
        } else {
            length as usize
        }
    }
}

impl MessageClass {
    /// 0 to 3.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TS 23.038 4 group
    //= TS 23.038 4 reserved
    //= TS 23.038 4 class
    #[test]
    fn each_group_reads_its_own_bits() {
        for (octet, set, class) in [
            (0x00, CharacterSet::Gsm7, None),
            (0x03, CharacterSet::Gsm7, None),
            (0x04, CharacterSet::EightBit, None),
            (0x08, CharacterSet::Ucs2, None),
            (0x0c, CharacterSet::Gsm7, None),
            (0x10, CharacterSet::Gsm7, Some(0)),
            (0x1a, CharacterSet::Ucs2, Some(2)),
            (0x58, CharacterSet::Ucs2, Some(0)),
            (0x88, CharacterSet::Gsm7, None),
            (0xc8, CharacterSet::Gsm7, None),
            (0xd8, CharacterSet::Gsm7, None),
            (0xe0, CharacterSet::Ucs2, None),
            (0xf1, CharacterSet::Gsm7, Some(1)),
            (0xf6, CharacterSet::EightBit, Some(2)),
        ] {
            let scheme = CodingScheme(octet);
            assert_eq!(scheme.character_set(), set, "{octet:02X}");
            assert_eq!(scheme.class().map(MessageClass::number), class, "{octet:02X}");
        }
    }

    //= TS 23.038 4 waiting
    #[test]
    fn waiting_groups_say_what_waits_and_whether() {
        assert_eq!(CodingScheme(0xc8).waiting(), Some((true, WaitingKind::Voicemail)));
        assert_eq!(CodingScheme(0xd2).waiting(), Some((false, WaitingKind::ElectronicMail)));
        assert_eq!(CodingScheme(0xf8).waiting(), None);
        assert!(CodingScheme(0xcc).is_reserved() && !CodingScheme(0xc8).is_reserved());
    }

    //= TS 23.040 9.2.3.16 unit
    #[test]
    fn length_counts_septets_only_for_plain_seven_bit_text() {
        assert_eq!(CodingScheme(0x00).user_data_octets(160), 140);
        assert_eq!(CodingScheme(0x20).user_data_octets(140), 140);
        assert_eq!(CodingScheme(0xc0).user_data_octets(8), 7);
        assert_eq!(CodingScheme(0x08).user_data_octets(7), 7);
    }
}
