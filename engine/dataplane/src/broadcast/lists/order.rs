//! The order of rows: by `mix` of their msn, which shards are told by too. It has an inverse, so a
//! row's place in the order says its msn.

/// The inverses of `mix`'s two factors, modulo 2^64.
const FIRST_INVERSE: u64 = inverse(0x9E37_79B9_7F4A_7C15);
const SECOND_INVERSE: u64 = inverse(0xD6E8_FEB8_6659_FD93);

/// Newton's iteration: each step doubles the bits that are right.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut step = 0;
    while step < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

const _: () = assert!(FIRST_INVERSE.wrapping_mul(0x9E37_79B9_7F4A_7C15) == 1);

/// The value whose `mix` is `mixed`.
pub(super) fn unmix(mixed: u64) -> u64 {
    let value = mixed ^ (mixed >> 32);
    let value = value.wrapping_mul(SECOND_INVERSE);
    let value = value ^ (value >> 29) ^ (value >> 58);
    let value = value.wrapping_mul(FIRST_INVERSE);
    value ^ (value >> 32)
}

#[cfg(test)]
mod tests {
    use wire::terms::mix::mix;

    use super::*;

    #[test]
    fn what_is_mixed_is_found_again() {
        for value in (0..10_000u64).chain([u64::MAX, 9_999_999_999, 1 << 63, 0x0123_4567_89ab_cdef])
        {
            assert_eq!(unmix(mix(value)), value);
            assert_eq!(mix(unmix(value)), value);
        }
    }
}
