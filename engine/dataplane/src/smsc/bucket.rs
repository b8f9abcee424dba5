//! Looks at all cells of a bucket of [`super::index_table`] at once: a push asks some fifteen
//! buckets in its life.
//!
//! Where the processor compares four words in one instruction, which every x86-64 does, that is
//! asked for by name: left to itself the compiler makes three times as many instructions of it.
//!
//! The one `unsafe` call here enters code for instructions that the whole architecture has.
//!
//! Never here: what a cell means.

/// Words of a cache line.
const WORDS: usize = 16;

/// One bit for each word whose bits under `mask` are those of `wanted`, that of the first one
/// lowest.
#[inline]
pub(super) fn equal(words: &[u32; WORDS], mask: u32, wanted: u32) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instructions that the function is compiled for.
    unsafe {
        equal_by_four(words, mask, wanted)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        equal_by_one(words, mask, wanted)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn equal_by_four(words: &[u32; WORDS], mask: u32, wanted: u32) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_cmpeq_epi32, _mm_movemask_epi8, _mm_packs_epi16,
        _mm_packs_epi32, _mm_set_epi32, _mm_set1_epi32,
    };
    let (mask, wanted) = (_mm_set1_epi32(mask as i32), _mm_set1_epi32(wanted as i32));
    // All ones where a word is one that is wanted.
    let four = |first: usize| -> __m128i {
        let [a, b, c, d] = std::array::from_fn(|n| words[first + n] as i32);
        _mm_cmpeq_epi32(_mm_and_si128(_mm_set_epi32(d, c, b, a), mask), wanted)
    };
    // All ones stay all ones where they are made narrower: an octet a word in the end.
    let low = _mm_packs_epi32(four(0), four(4));
    let high = _mm_packs_epi32(four(8), four(12));
    _mm_movemask_epi8(_mm_packs_epi16(low, high)) as u32
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn equal_by_one(words: &[u32; WORDS], mask: u32, wanted: u32) -> u32 {
    let is = |&word: &u32| u32::from(word & mask == wanted);
    words.iter().enumerate().fold(0, |bits, (at, word)| bits | is(word) << at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::terms::mix::mix;

    #[test]
    fn all_cells_at_once_are_what_they_are_one_by_one() {
        let mut found = 0;
        for seed in 0..20_000u64 {
            let narrow = [u32::MAX, 0xffff_f000, 1, 0][seed as usize % 4];
            // Few values, so that many are alike; the highest bit is a sign to some instructions.
            let word = |n: u64| (mix(seed << 8 | n) as u32 & 0x8000_1003) >> (seed % 3);
            let words = std::array::from_fn(|n| word(n as u64));
            let wanted = word(seed % 19) & narrow;
            let bits = equal(&words, narrow, wanted);
            assert_eq!(bits, equal_by_one(&words, narrow, wanted), "{words:x?} {narrow:x}");
            found += bits.count_ones();
        }
        assert!(found > 20_000, "{found}");
    }
}
