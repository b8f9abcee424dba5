//! Who owns an msn: the shard that an msn belongs to.

use crate::terms::ids::Msn;
use crate::terms::mix::mix;

/// The shard that owns `msn`, of `shards`.
pub fn shard_of(msn: Msn, shards: usize) -> usize {
    ((u128::from(mix(msn.value())) * shards as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_msn_has_one_owner_and_the_slices_are_even() {
        let mut owned = [0u32; 3];
        for number in 0..30_000 {
            let msn = Msn::from_value(9_000_000_000 + number).expect("a legal msn");
            owned[shard_of(msn, 3)] += 1;
        }
        assert!(owned.iter().all(|&count| (9_500..10_500).contains(&count)), "{owned:?}");
        assert_eq!(shard_of(Msn::ALL, 1), 0);
    }
}
