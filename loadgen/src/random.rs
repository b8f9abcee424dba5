//! Numbers that look random and are the same in every run with the same seed.

/// One SplitMix64 step: a well-mixed function of `state`. (Steele, Lea, Flood: "Fast splittable
/// pseudorandom number generators", 2014.)
pub fn splitmix(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The random number that belongs to `index` under `seed`, scaled to `0..bound`.
pub fn below(seed: u64, index: u64, bound: u64) -> u64 {
    let mixed = splitmix(splitmix(seed) ^ index);
    ((u128::from(mixed) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_published_generator() {
        // SplitMix64 seeded with 0: the state steps by the golden gamma.
        assert_eq!(splitmix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(splitmix(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn every_value_below_the_bound_comes_up_about_equally_often() {
        let mut counts = [0u32; 10];
        for index in 0..10_000 {
            counts[below(7, index, 10) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (900..1_100).contains(&count)), "{counts:?}");
    }
}
