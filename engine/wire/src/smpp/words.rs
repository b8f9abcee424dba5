//! Octets looked for eight at a time: the fields of a PDU are short, and each is looked through
//! once.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;
/// A field of so many octets is copied in three words.
const SHORT_OCTETS_MAX: usize = 24;

/// Where the first octet of 0 is.
#[inline]
pub(super) fn first_zero(octets: &[u8]) -> Option<usize> {
    first(octets, |word| word.wrapping_sub(LOW) & !word & HIGH, |octet| octet == 0)
}

/// Copies a field into a place of its length, in words where it is short; whether one of its octets
/// is 0.
#[inline]
pub(super) fn copy_field(field: &[u8], place: &mut [u8]) -> bool {
    debug_assert_eq!(field.len(), place.len());
    if field.len() > SHORT_OCTETS_MAX {
        place.copy_from_slice(field);
        return first_zero(field).is_some();
    }
    if let (Some(first), Some(last)) = (field.first_chunk::<8>(), field.last_chunk::<8>()) {
        if let Some(to) = place.first_chunk_mut() {
            *to = *first;
        }
        let mut zero = has_zero(u64::from_le_bytes(*first));
        if let (Some(middle), Some(to)) = (chunk(field, 8), place.get_mut(8..16)) {
            to.copy_from_slice(middle);
            zero |= has_zero(u64::from_le_bytes(*middle));
        }
        if let Some(to) = place.last_chunk_mut() {
            *to = *last;
        }
        return zero | has_zero(u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (field.first_chunk::<4>(), field.last_chunk::<4>()) {
        if let Some(to) = place.first_chunk_mut() {
            *to = *first;
        }
        if let Some(to) = place.last_chunk_mut() {
            *to = *last;
        }
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        return has_zero(first | last << 32);
    }
    let mut zero = false;
    for (to, &octet) in place.iter_mut().zip(field) {
        *to = octet;
        zero |= octet == 0;
    }
    zero
}

/// The eight octets from this one on.
#[inline]
fn chunk(octets: &[u8], at: usize) -> Option<&[u8; 8]> {
    octets.get(at..)?.first_chunk()
}

/// Whether one of the octets is 0.
#[inline]
const fn has_zero(word: u64) -> bool {
    word.wrapping_sub(LOW) & !word & HIGH != 0
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
            let mut copied = vec![7; octets.len()];
            prop_assert_eq!(copy_field(&octets, &mut copied), octets.contains(&0));
            prop_assert_eq!(&copied, &octets);
            prop_assert_eq!(first_zero(&octets), octets.iter().position(|&octet| octet == 0));
            prop_assert_eq!(first_blank(&octets), octets.iter().position(|&octet| octet <= b' '));
        }
    }
}
