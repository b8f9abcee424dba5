//! Maps by numbers that the simulated world gives itself. Nobody chooses them to do harm, so they
//! are mixed and not hashed.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use wire::terms::mix::mix;

/// A map by such a number.
pub(super) type NumberMap<N, T> = HashMap<N, T, BuildHasherDefault<Mixer>>;

/// Mixes one number.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|&octet| self.write_u64(octet.into()));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(self.0 ^ number);
    }
}
