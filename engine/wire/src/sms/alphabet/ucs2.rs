//! UCS-2 as terminals use it: UTF-16 code units, big-endian, surrogate pairs included.

// The groups are the fields of 24-bit lanes.
#![allow(clippy::unusual_byte_groupings)]

/// Code units of 16 bits that `text` takes (TS 23.038, 6.2.3).
pub fn ucs2_units(text: &str) -> usize {
    let (characters, pairs) = count_characters_and_pairs(text);
    characters + pairs
}

/// Characters of `text`, and how many of them take a second code unit.
pub(crate) fn count_characters_and_pairs(text: &str) -> (usize, usize) {
    let (mut characters, mut surrogates) = (0, 0);
    // Sums over 64 octets stay within one octet, which lets the compiler add sixteen at a time.
    for chunk in text.as_bytes().chunks(64) {
        let starts = chunk.iter().map(|&octet| u8::from(octet as i8 >= -0x40)).sum::<u8>();
        let pairs = chunk.iter().map(|&octet| u8::from(octet >= 0xf0)).sum::<u8>();
        characters += usize::from(starts);
        surrogates += usize::from(pairs);
    }
    (characters, surrogates)
}

/// Writes as many whole characters of `text` as fit into `out` and returns the octets of text read
/// and the octets written. A surrogate pair is never split.
pub(crate) fn encode_ucs2(text: &str, out: &mut [u8]) -> (usize, usize) {
    let (mut read, mut written) = (0, 0);
    loop {
        // Runs of three-octet characters, as in Japanese text, four at a time.
        let blocks = text.as_bytes()[read..].as_chunks::<12>().0;
        let targets = out[written..].as_chunks_mut::<8>().0;
        let mut whole = 0;
        for (block, target) in blocks.iter().zip(targets) {
            let Some(units) = four_three_octet_characters(block) else { break };
            *target = units;
            whole += 1;
        }
        read += 12 * whole;
        written += 8 * whole;
        let Some((character_read, character_written)) =
            encode_one(&text[read..], &mut out[written..])
        else {
            return (read, written);
        };
        read += character_read;
        written += character_written;
    }
}

/// Appends the text of big-endian code units to `text`: U+FFFD for each lone surrogate and for an
/// odd octet at the end.
//= TS 23.038 6.2.3
pub fn decode_ucs2(octets: &[u8], text: &mut String) {
    let (units, rest) = octets.as_chunks::<2>();
    let units = units.iter().map(|&unit| u16::from_be_bytes(unit));
    text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
    if !rest.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
}

/// Four three-octet sequences as four big-endian code units; `None` if the octets are anything
/// else.
///
/// Two sequences at a time stand in 24-bit lanes of one word, `1110aaaa 10bbbbbb 10cccccc` each.
fn four_three_octet_characters(octets: &[u8; 12]) -> Option<[u8; 8]> {
    const LEADS: u64 = 0xf0_0000_f0_0000;
    const THREE_OCTETS: u64 = 0xe0_0000_e0_0000;
    let (front, back) = (octets.first_chunk::<8>()?, octets.last_chunk::<8>()?);
    let front = u64::from_be_bytes(*front) >> 16;
    let back = u64::from_be_bytes(*back) & 0xffff_ffff_ffff;
    if front & LEADS != THREE_OCTETS || back & LEADS != THREE_OCTETS {
        return None;
    }
    let units = |lanes: u64| {
        lanes >> 4 & 0x00_f000_00_f000 | lanes >> 2 & 0x00_0fc0_00_0fc0 | lanes & 0x00_003f_00_003f
    };
    let (front, back) = (units(front), units(back));
    let front = front << 24 & 0xffff_0000_0000_0000 | front << 32 & 0xffff_0000_0000;
    let back = back >> 8 & 0xffff_0000 | back & 0xffff;
    Some((front | back).to_be_bytes())
}

fn encode_one(text: &str, out: &mut [u8]) -> Option<(usize, usize)> {
    // The octets are those of a string, so the lead octet tells how many follow it.
    let (unit, read) = match *text.as_bytes() {
        [] => return None,
        [one, ..] if one < 0x80 => (u16::from(one), 1),
        [lead, last, ..] if lead < 0xe0 => {
            (u16::from(lead & 0x1f) << 6 | u16::from(last & 0x3f), 2)
        }
        [lead, middle, last, ..] if lead < 0xf0 => {
            (u16::from(lead) << 12 | u16::from(middle & 0x3f) << 6 | u16::from(last & 0x3f), 3)
        }
        _ => return encode_pair(text, out),
    };
    *out.first_chunk_mut::<2>()? = unit.to_be_bytes();
    Some((read, 2))
}

fn encode_pair(text: &str, out: &mut [u8]) -> Option<(usize, usize)> {
    let above = u32::from(text.chars().next()?) - 0x1_0000;
    let [high, low] = [0xd800 | (above >> 10) as u16, 0xdc00 | (above & 0x3ff) as u16];
    //= TS 23.040 9.2.3.24.1 unsplit
    let target = out.first_chunk_mut::<4>()?;
    let ([high_first, high_last], [low_first, low_last]) = (high.to_be_bytes(), low.to_be_bytes());
    *target = [high_first, high_last, low_first, low_last];
    Some((4, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    //= TS 23.038 6.2.3
    #[test]
    fn text_of_every_width_reads_back() {
        let text = "aé漢字かな交じり文😀\u{10ffff}z漢字漢字漢字漢字a";
        let mut out = [0; 140];
        let (read, written) = encode_ucs2(text, &mut out);
        assert_eq!((read, written), (text.len(), ucs2_units(text) * 2));
        let mut back = String::new();
        decode_ucs2(&out[..written], &mut back);
        assert_eq!(back, text);
    }

    //= TS 23.040 9.2.3.24.1 unsplit
    #[test]
    fn a_surrogate_pair_that_does_not_fit_stays_out() {
        let mut out = [0; 6];
        assert_eq!(encode_ucs2("ab😀", &mut out), (2, 4));
        assert_eq!(encode_ucs2("a😀b", &mut out), (5, 6));
    }

    //= TS 23.038 6.2.3
    #[test]
    fn lone_surrogates_and_odd_octets_become_replacement_characters() {
        let mut text = String::new();
        decode_ucs2(&[0xd8, 0x3d, 0x00, 0x41, 0x00], &mut text);
        assert_eq!(text, "\u{fffd}A\u{fffd}");
    }
}
