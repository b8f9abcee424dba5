//! Ids of pushes that bring none.
//!
//! SMPP has no id of the client's own, so each submit_sm is a push of its own. Its id tells of the
//! shard that took it and of that shard's start, and counts.

use wire::terms::ids::Reqid;
use wire::terms::time::WallMs;

/// Digits of base 32, all of type A.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// What an id begins with.
const FIRST: u8 = b's';
/// Characters for the shard and its start: 60 bits.
const START_DIGITS: usize = 12;
/// Characters for the count: 50 bits.
const COUNT_DIGITS: usize = 10;

/// Makes the ids of one shard.
pub(super) struct Reqids {
    text: [u8; 1 + START_DIGITS + COUNT_DIGITS],
    count: u64,
}

impl Reqids {
    /// Those of a shard that starts now.
    pub(super) fn new(shard: usize, now_ms: WallMs) -> Self {
        let mut text = [FIRST; 1 + START_DIGITS + COUNT_DIGITS];
        // 48 bits of time last for 8,900 years.
        let start = now_ms.ms() << 12 | (shard as u64 & 0xFFF);
        render(start, &mut text[1..=START_DIGITS]);
        Self { text, count: 0 }
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Reqid {
        self.count += 1;
        render(self.count, &mut self.text[1 + START_DIGITS..]);
        match Reqid::parse(&self.text) {
            Some(reqid) => reqid,
            None => unreachable!("23 characters of type A"),
        }
    }
}

fn render(mut number: u64, out: &mut [u8]) {
    for place in out.iter_mut().rev() {
        *place = DIGITS[(number % 32) as usize];
        number /= 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_differ_within_a_start_between_starts_and_between_shards() {
        let mut seen = HashSet::new();
        for (shard, at_ms) in
            [(0, 1_795_354_470_000), (1, 1_795_354_470_000), (0, 1_795_354_470_001)]
        {
            let mut reqids = Reqids::new(shard, WallMs::new(at_ms));
            for _ in 0..1000 {
                assert!(seen.insert(reqids.next().as_bytes().to_vec()));
            }
        }
    }
}
