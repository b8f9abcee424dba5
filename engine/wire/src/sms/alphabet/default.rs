//! The GSM 7 bit default alphabet and its extension table (3GPP TS 23.038, 6.2.1).

/// The default alphabet, sixteen characters a line; position 1B is the escape and has no character
/// of its own.
const DEFAULT_TEXT: &str = concat!(
    "@£$¥èéùìòÇ\nØø\rÅå",
    "Δ_ΦΓΛΩΠΨΣΘΞ\0ÆæßÉ",
    " !\"#¤%&'()*+,-./",
    "0123456789:;<=>?",
    "¡ABCDEFGHIJKLMNO",
    "PQRSTUVWXYZÄÖÑÜ§",
    "¿abcdefghijklmno",
    "pqrstuvwxyzäöñüà",
);

/// A table of 128 characters by septet, as UTF-16 code units; 0 where the septet has no character.
pub(crate) type Table = [u16; 128];

/// The default alphabet as a table.
pub const DEFAULT: Table = default_table();

// The groups are septet, character and count.
#[allow(clippy::unusual_byte_groupings)]
/// The default extension table: form feed, `^{}\[~]|` and the euro sign.
//= TS 23.038 6.2.1.1 table
pub const EXTENSION: Table = overlay(
    [0; 128],
    &[&[
        0x0a_000c_01,
        0x14_005e_01,
        0x28_007b_01,
        0x29_007d_01,
        0x2f_005c_01,
        0x3c_005b_01,
        0x3d_007e_01,
        0x3e_005d_01,
        0x40_007c_01,
        0x65_20ac_01,
    ]],
);

/// Lays runs of the form `0xSS_CCCC_NN` over `base`: `NN` characters from U+`CCCC` at the septets
/// from `SS`.
pub const fn overlay(base: Table, layers: &[&[u32]]) -> Table {
    let mut table = base;
    let mut layer = 0;
    while layer < layers.len() {
        let mut index = 0;
        while index < layers[layer].len() {
            let run = layers[layer][index];
            let (septet, first, count) = (run >> 24, run >> 8 & 0xffff, run & 0xff);
            let mut offset = 0;
            while offset < count {
                table[(septet + offset) as usize] = (first + offset) as u16;
                offset += 1;
            }
            index += 1;
        }
        layer += 1;
    }
    table
}

/// The GSM 7-bit default alphabet, by septet (TS 23.038, 6.2.1).
pub const fn default_table() -> Table {
    let text = DEFAULT_TEXT.as_bytes();
    let mut table = [0; 128];
    let (mut at, mut septet) = (0, 0);
    while at < text.len() {
        // Every character of the alphabet takes one or two octets in UTF-8.
        let lead = text[at] as u16;
        if lead < 0x80 {
            table[septet] = lead;
            at += 1;
        } else {
            assert!(lead >> 5 == 0b110);
            table[septet] = (lead & 0x1f) << 6 | (text[at + 1] & 0x3f) as u16;
            at += 2;
        }
        septet += 1;
    }
    assert!(septet == 128);
    table
}
