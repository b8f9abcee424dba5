//! A cheap, thorough mix of 64 bits for the gateway's own tables.

use std::hash::{BuildHasherDefault, Hasher};

/// Spreads every bit of `value` over all 64: the finaliser of the splitmix64 generator.
#[inline]
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A hasher for keys that are one number, such as an XPID. The numbers come from the operator, not from the
/// network: no protection against chosen collisions is needed.
#[derive(Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0 ^ value);
    }

    fn write(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.write_u64(u64::from(octet));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Builds [`NumberHasher`]s.
pub(super) type NumberState = BuildHasherDefault<NumberHasher>;
