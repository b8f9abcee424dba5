//! What esm_class and data_coding say, and the text of a message by its coding (SMPP 3.4, 5.2.12
//! and 5.2.19).

use std::fmt;

use crate::sms::alphabet::{Coded, ESCAPE, Shift, decode_ucs2};
use crate::sms::limits::USER_DATA_SEPTETS_MAX;
use crate::sms::septets;

/// The message's mode, type and features (SMPP 3.4, 5.2.12).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EsmClass(pub u8);

impl EsmClass {
    /// Mode and type as they are by default.
    pub const DEFAULT: Self = Self(0x00);
    /// A receipt of how a message ended.
    pub const RECEIPT: Self = Self(0x04);
    /// A message on the way of another one.
    pub const INTERMEDIATE: Self = Self(0x20);
    /// Bit of messages with a user data header before the text.
    pub const HEADER: u8 = 0x40;
    /// Bits of the type.
    const TYPE: u8 = 0x3C;
    /// Bits of the mode.
    const MODE: u8 = 0x03;
    /// The highest mode.
    pub const MODE_MAX: u8 = Self::MODE;
    /// Mode of messages that are sent once and not stored.
    const DATAGRAM: u8 = 0x01;

    /// Whether it is a receipt, final or intermediate: bits 5 to 2 are 0001 or 1000.
    pub const fn is_receipt(self) -> bool {
        matches!(self.0 & Self::TYPE, 0x04 | 0x20)
    }

    /// Whether it tells of a message that has not ended.
    pub const fn is_intermediate(self) -> bool {
        self.0 & Self::TYPE == Self::INTERMEDIATE.0
    }

    /// Whether a user data header stands before the text.
    pub const fn has_header(self) -> bool {
        self.0 & Self::HEADER != 0
    }

    /// Whether it is to be sent once and not stored.
    pub const fn is_datagram(self) -> bool {
        self.0 & Self::MODE == Self::DATAGRAM
    }
}

impl fmt::Debug for EsmClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:02X}", self.0)
    }
}

/// How the SMSC codes text of data_coding 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Alphabet {
    /// GSM 7-bit, one septet an octet.
    #[default]
    Gsm,
    /// GSM 7-bit, eight septets in seven octets.
    GsmPacked,
    /// ISO 8859-1.
    Latin1,
    /// ASCII.
    Ascii,
}

/// What a message holds by its data_coding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Coding {
    /// Text in this alphabet.
    Text(Alphabet),
    /// Text as UTF-16, the high octet first.
    Ucs2,
    /// Octets that are not text.
    Octets,
    /// As a TP-DCS of TS 23.038 with a message class says.
    TpDcs(u8),
}

impl Coding {
    /// What `data_coding` says of a customer's message, text of data_coding 0 being in `default`.
    /// `None` for codings that are not taken (4007).
    pub const fn of(data_coding: u8, default: Alphabet) -> Option<Self> {
        match data_coding {
            0 => Some(Self::Text(default)),
            1 => Some(Self::Text(Alphabet::Ascii)),
            3 => Some(Self::Text(Alphabet::Latin1)),
            2 | 4 => Some(Self::Octets),
            8 => Some(Self::Ucs2),
            // Class and alphabet, the reserved alphabet left out; and the group of data coding and
            // class.
            0x10..=0x1B | 0xF0..=0xF7 => Some(Self::TpDcs(data_coding)),
            _ => None,
        }
    }
}

/// The data_coding that says the same as a TP-DCS: 04 is `binary`, 4 or 2 as the carrier wants it,
/// every other is what it is.
pub const fn data_coding_of(tp_dcs: u8, binary: u8) -> u8 {
    match tp_dcs {
        0x04 => binary,
        other => other,
    }
}

/// Appends the text of `octets` to `text`; `false` where they are no text of this alphabet.
pub fn read_text(octets: &[u8], alphabet: Alphabet, text: &mut String) -> bool {
    match alphabet {
        Alphabet::Gsm => {
            let fits = octets.iter().all(|&septet| septet < 0x80);
            if fits {
                Shift::DEFAULT.decode(octets, text);
            }
            fits
        }
        Alphabet::GsmPacked => read_packed(octets, text),
        Alphabet::Latin1 => {
            text.extend(octets.iter().map(|&octet| char::from(octet)));
            true
        }
        Alphabet::Ascii => {
            let fits = octets.is_ascii();
            if fits {
                text.extend(octets.iter().map(|&octet| char::from(octet)));
            }
            fits
        }
    }
}

fn read_packed(octets: &[u8], text: &mut String) -> bool {
    let mut unpacked = [0; USER_DATA_SEPTETS_MAX];
    let mut count = octets.len() * 8 / 7;
    let Some(septets) = unpacked.get_mut(..count) else { return false };
    septets::unpack(octets, 0, septets);
    // The septet that only fills the last octet is none; a sender who means
    // `@` there adds one.
    if octets.len().is_multiple_of(7) && septets.last() == Some(&0) {
        count -= 1;
    }
    Shift::DEFAULT.decode(&septets[..count], text);
    true
}

/// Appends the text of UTF-16, the high octet first; a lone surrogate becomes U+FFFD.
pub fn read_ucs2(octets: &[u8], text: &mut String) {
    decode_ucs2(octets, text);
}

/// Writes `text` in `alphabet` and gives the octets; `None` where the alphabet lacks a character,
/// or `out` the room.
pub fn write_text(text: &str, alphabet: Alphabet, out: &mut [u8]) -> Option<usize> {
    match alphabet {
        Alphabet::Gsm => write_gsm(text, out),
        Alphabet::GsmPacked => {
            let mut unpacked = [0; USER_DATA_SEPTETS_MAX];
            let count = write_gsm(text, &mut unpacked)?;
            let octets = septets::octets_for(count);
            Some(septets::pack(&unpacked[..count], out.get_mut(..octets)?))
        }
        Alphabet::Latin1 => write_single(text, 0xFF, out),
        Alphabet::Ascii => write_single(text, 0x7F, out),
    }
}

/// Whether a carrier that takes its text in this alphabet can be given `text` as GSM 7-bit: every
/// character is one of both.
pub fn carries(text: &str, alphabet: Alphabet) -> bool {
    let last = match alphabet {
        Alphabet::Gsm | Alphabet::GsmPacked => u32::MAX,
        Alphabet::Latin1 => 0xFF,
        Alphabet::Ascii => 0x7F,
    };
    text.chars().all(|one| u32::from(one) <= last && Shift::DEFAULT.encode(one).is_some())
}

fn write_single(text: &str, last: u32, out: &mut [u8]) -> Option<usize> {
    let mut at = 0;
    for character in text.chars() {
        let octet = Some(u32::from(character)).filter(|&code| code <= last)?;
        *out.get_mut(at)? = octet as u8;
        at += 1;
    }
    Some(at)
}

fn write_gsm(text: &str, out: &mut [u8]) -> Option<usize> {
    let mut at = 0;
    for character in text.chars() {
        let (first, second) = match Shift::DEFAULT.encode(character)? {
            Coded::Plain(septet) => (septet, None),
            Coded::Escaped(septet) => (ESCAPE, Some(septet)),
        };
        *out.get_mut(at)? = first;
        at += 1;
        if let Some(septet) = second {
            *out.get_mut(at)? = septet;
            at += 1;
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(octets: &[u8], alphabet: Alphabet) -> Option<String> {
        let mut text = String::new();
        read_text(octets, alphabet, &mut text).then_some(text)
    }

    #[test]
    fn text_is_written_and_read_back_in_every_alphabet_that_has_it() {
        let all = [Alphabet::Gsm, Alphabet::GsmPacked, Alphabet::Latin1, Alphabet::Ascii];
        let mut out = [0; 200];
        for (text, lacking) in [
            ("Hello! 12345", &[][..]),
            // Eight septets fit seven octets, and one of them is not there.
            ("1234567", &[]),
            ("{€}", &[Alphabet::Latin1, Alphabet::Ascii]),
            ("Grüße @ home", &[Alphabet::Ascii]),
            ("Ω", &[Alphabet::Latin1, Alphabet::Ascii]),
            ("`", &[Alphabet::Gsm, Alphabet::GsmPacked]),
            ("漢", &all),
            ("", &[]),
        ] {
            for alphabet in all {
                let written = write_text(text, alphabet, &mut out);
                assert_eq!(
                    written.is_none(),
                    lacking.contains(&alphabet),
                    "{text} in {alphabet:?}"
                );
                if let Some(octets) = written {
                    assert_eq!(
                        text_of(&out[..octets], alphabet).as_deref(),
                        Some(text),
                        "{alphabet:?}"
                    );
                    let mut short = vec![0; octets.saturating_sub(1)];
                    assert_eq!(write_text(text, alphabet, &mut short).is_none(), octets > 0);
                }
            }
        }
        assert_eq!(text_of(&[0x80], Alphabet::Gsm), None);
        assert_eq!(text_of(&[0x80], Alphabet::Ascii), None);
        assert_eq!(text_of(&[0; 255], Alphabet::GsmPacked), None);
        assert_eq!(text_of(b"!", Alphabet::Gsm).as_deref(), Some("!"));
        let mut text = String::new();
        read_ucs2(&[0x6F, 0x22, 0xD8], &mut text);
        assert_eq!(text, "漢\u{FFFD}");
    }

    #[test]
    fn text_of_gsm_is_carried_in_another_alphabet_where_that_has_every_character() {
        for (text, latin1, ascii) in [
            ("plain", Some(&b"plain"[..]), Some(&b"plain"[..])),
            ("Gr\u{fc}\u{df}e @ [1] {2}", Some(b"Gr\xfc\xdfe @ [1] {2}"), None),
            ("100 \u{20ac}", None, None),
            ("\u{394}\u{3a9}", None, None),
        ] {
            assert!(carries(text, Alphabet::Gsm) && carries(text, Alphabet::GsmPacked));
            for (alphabet, expected) in [(Alphabet::Latin1, latin1), (Alphabet::Ascii, ascii)] {
                let mut out = [0; 64];
                let written = write_text(text, alphabet, &mut out);
                assert_eq!(written.map(|octets| &out[..octets]), expected, "{text}");
                assert_eq!(carries(text, alphabet), expected.is_some(), "{text}");
            }
        }
        // What is no text of GSM goes as UCS-2 whatever a carrier's alphabet has.
        assert!(!carries("\u{a2}", Alphabet::Latin1) && !carries("`", Alphabet::Ascii));
    }

    #[test]
    fn a_coding_is_what_the_documents_say() {
        let of = |data_coding| Coding::of(data_coding, Alphabet::GsmPacked);
        assert_eq!(of(0), Some(Coding::Text(Alphabet::GsmPacked)));
        assert_eq!(
            (of(1), of(3)),
            (Some(Coding::Text(Alphabet::Ascii)), Some(Coding::Text(Alphabet::Latin1)))
        );
        assert_eq!(
            (of(2), of(4), of(8)),
            (Some(Coding::Octets), Some(Coding::Octets), Some(Coding::Ucs2))
        );
        assert_eq!((of(0xF0), of(0x18)), (Some(Coding::TpDcs(0xF0)), Some(Coding::TpDcs(0x18))));
        for other in [5, 6, 7, 9, 10, 13, 14, 0x1C, 0x20, 0xC0, 0xEF, 0xF8, 0xFF] {
            assert_eq!(of(other), None, "{other:02X}");
        }
        assert_eq!([0, 4, 8, 0xF1].map(|dcs| data_coding_of(dcs, 2)), [0, 2, 8, 0xF1]);
    }

    #[test]
    fn an_esm_class_is_a_receipt_by_its_type_alone() {
        for octet in 0..=u8::MAX {
            let class = EsmClass(octet);
            let kind = octet >> 2 & 0xF;
            assert_eq!(class.is_receipt(), kind == 1 || kind == 8, "{octet:02X}");
            assert_eq!(class.is_intermediate(), kind == 8, "{octet:02X}");
            assert_eq!(class.has_header(), octet & 0x40 != 0);
            assert_eq!(class.is_datagram(), octet & 3 == 1);
        }
    }
}
