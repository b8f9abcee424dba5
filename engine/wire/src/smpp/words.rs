//! Octets looked for eight at a time: the fields of a PDU are short, and each is looked through
//! once.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

/// Zero where none of a word's octets is.
#[inline(always)]
pub(super) fn zeros_of(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// Where the first octet of 0 is.
#[inline]
pub(super) fn first_zero(octets: &[u8]) -> Option<usize> {
    first(octets, zeros_of, |octet| octet == 0)
}

/// Where the first blank or control character is.
#[inline]
pub(super) fn first_blank(octets: &[u8]) -> Option<usize> {
    let below = |word: u64| word.wrapping_sub(LOW * 0x21) & !word & HIGH;
    first(octets, below, |octet| octet <= b' ')
}

/// The first octet that `is_it`; `mark` sets the highest bit of the first such octet of a word, and
/// of none before it.
#[inline]
fn first(octets: &[u8], mark: impl Fn(u64) -> u64, is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = octets.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let marked = mark(u64::from_le_bytes(*word));
        if marked != 0 {
            return Some(8 * at + marked.trailing_zeros() as usize / 8);
        }
    }
    if rest.is_empty() {
        return None;
    }
    let Some(last) = octets.last_chunk::<8>() else {
        return rest.iter().position(|&octet| is_it(octet));
    };
    // The last eight octets, of which those before `rest` are none.
    let marked = mark(u64::from_le_bytes(*last));
    (marked != 0).then(|| octets.len() - 8 + marked.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn eight_at_a_time_finds_what_one_by_one_does(
            octets in vec(prop_oneof![any::<u8>(), 0_u8..0x24, Just(0x80)], 0..40),
        ) {
            prop_assert_eq!(first_zero(&octets), octets.iter().position(|&octet| octet == 0));
            prop_assert_eq!(first_blank(&octets), octets.iter().position(|&octet| octet <= b' '));
        }
    }
}
