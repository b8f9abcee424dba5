//! Packing of 7-bit characters into octets (3GPP TS 23.038, 6.1.2.1.1) and back, eight at a time.
//!
//! The first septet fills the low bits of the first octet. Eight septets fill seven octets exactly,
//! so a 64-bit word with one septet in each octet becomes 56 bits by three steps of closing gaps. A
//! user data header needs no shifting: its fill bits put the text back on a septet boundary counted
//! from the start of TP-User-Data (TS 23.040, 9.2.3.24), so text is always packed behind as many
//! zero septets as the header covers.

/// Octets that `septets` septets occupy (TS 23.038, 6.1.2.1.1).
pub const fn octets_for(septets: usize) -> usize {
    (septets * 7).div_ceil(8)
}

/// Septets that a header of `octets` octets covers, its fill bits included.
pub const fn septets_covering(octets: usize) -> usize {
    (octets * 8).div_ceil(7)
}

/// Packs `septets`, one in the low seven bits of each octet, into the front of `out` and returns
/// the octets written: [`octets_for`] their number. Bits behind the last septet are zero.
///
/// The top bit of every input octet must be clear.
///
/// # Panics
/// When `out` is shorter than what is written.
pub fn pack(septets: &[u8], out: &mut [u8]) -> usize {
    let octets = octets_for(septets.len());
    let (groups, rest) = septets.as_chunks::<64>();
    let (whole, tail) = out[..octets].split_at_mut(groups.len() * 56);
    for (group, target) in groups.iter().zip(whole.as_chunks_mut::<56>().0) {
        pack_group(group, target);
    }
    let (words, rest) = rest.as_chunks::<8>();
    let (whole, tail) = tail.split_at_mut(words.len() * 7);
    for (word, target) in words.iter().zip(whole.as_chunks_mut::<7>().0) {
        let packed = pack_word(u64::from_le_bytes(*word)).to_le_bytes();
        *target = [packed[0], packed[1], packed[2], packed[3], packed[4], packed[5], packed[6]];
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        let packed = pack_word(u64::from_le_bytes(word)).to_le_bytes();
        let length = tail.len();
        tail.copy_from_slice(&packed[..length]);
    }
    octets
}

/// Unpacks `out.len()` septets from `octets`, skipping the first `skipped` septets, one into each
/// octet of `out`.
///
/// # Panics
/// When `octets` holds fewer than `skipped + out.len()` septets.
pub fn unpack(octets: &[u8], skipped: usize, out: &mut [u8]) {
    assert!(
        octets.len() >= octets_for(skipped + out.len()),
        "more septets asked for than the octets hold"
    );
    let bits = skipped * 7;
    let (mut at, shift) = (bits / 8, bits % 8);
    for target in out.chunks_mut(8) {
        // Eight septets behind a shift of up to seven bits lie in eight octets: 56 + 7 bits.
        let mut word = [0; 8];
        let source = &octets[at..octets.len().min(at + 8)];
        word[..source.len()].copy_from_slice(source);
        let septets = unpack_word(u64::from_le_bytes(word) >> shift).to_le_bytes();
        target.copy_from_slice(&septets[..target.len()]);
        at += 7;
    }
}

/// Packs 64 septets: eight words of 56 bits each are seven words of 64.
fn pack_group(septets: &[u8; 64], out: &mut [u8; 56]) {
    let mut packed = [0; 8];
    for (word, octets) in packed.iter_mut().zip(septets.as_chunks::<8>().0) {
        *word = pack_word(u64::from_le_bytes(*octets));
    }
    for (at, target) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *target = (packed[at] >> (8 * at) | packed[at + 1] << (56 - 8 * at)).to_le_bytes();
    }
}

/// Closes the gaps between eight septets that lie in eight octets: 56 bits.
fn pack_word(word: u64) -> u64 {
    let word = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x3fff_0000_3fff_0000) >> 2);
    (word & 0x0fff_ffff) | ((word & 0x0fff_ffff_0000_0000) >> 4)
}

/// Opens them again; what lies above 56 bits is ignored.
fn unpack_word(word: u64) -> u64 {
    let word = (word & 0x0fff_ffff) | ((word << 4) & 0x0fff_ffff_0000_0000);
    let word = (word & 0x0000_3fff_0000_3fff) | ((word << 2) & 0x3fff_0000_3fff_0000);
    (word & 0x007f_007f_007f_007f) | ((word << 1) & 0x7f00_7f00_7f00_7f00)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, one bit at a time.
    fn pack_naively(septets: &[u8]) -> Vec<u8> {
        let mut octets = vec![0u8; octets_for(septets.len())];
        for bit in 0..septets.len() * 7 {
            if septets[bit / 7] >> (bit % 7) & 1 == 1 {
                octets[bit / 8] |= 1 << (bit % 8);
            }
        }
        octets
    }

    //= TS 23.038 6.1.2.1.1
    #[test]
    fn packing_agrees_with_packing_bit_by_bit_at_every_length() {
        let septets: Vec<u8> =
            (0..200u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 25) as u8).collect();
        for length in 0..=septets.len() {
            let mut out = [0xff; 200];
            let octets = pack(&septets[..length], &mut out);
            assert_eq!(&out[..octets], pack_naively(&septets[..length]), "length {length}");
        }
    }

    //= TS 23.038 6.1.2.1.1
    #[test]
    fn unpacking_undoes_packing_from_every_start() {
        let septets: Vec<u8> =
            (0..180u32).map(|n| (n.wrapping_mul(2_246_822_519) >> 25) as u8).collect();
        let octets = pack_naively(&septets);
        for skipped in 0..septets.len() {
            let mut out = vec![0xff; septets.len() - skipped];
            unpack(&octets, skipped, &mut out);
            assert_eq!(out, &septets[skipped..], "skipping {skipped}");
        }
    }
}
