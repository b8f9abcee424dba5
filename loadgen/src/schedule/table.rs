//! Ascending times at four octets each: a block keeps its first time whole and the others as
//! distances from it.
//!
//! A distance is counted in units of 2^n ns, the smallest n with which the block's longest distance
//! fits: a nanosecond while a block lasts less than four seconds. What is read is what counts as
//! intended, so that nothing is lost by it.

/// Times of one block.
const BLOCK: usize = 256;

/// See the module's head.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Table {
    blocks: Vec<Block>,
    distances: Vec<u32>,
    /// The times of the block that is not full yet.
    open: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Block {
    first_ns: u64,
    shift: u32,
}

impl Table {
    /// Adds a time, not before the last one.
    pub(super) fn push(&mut self, time_ns: u64) {
        debug_assert!(self.open.last().is_none_or(|&last_ns| last_ns <= time_ns), "times ascend");
        self.open.push(time_ns);
        if self.open.len() == BLOCK {
            let (first_ns, last_ns) = (self.open[0], self.open[BLOCK - 1]);
            let shift = 64 - ((last_ns - first_ns) >> 32).leading_zeros();
            self.blocks.push(Block { first_ns, shift });
            let distance = |time_ns: u64| ((time_ns - first_ns) >> shift) as u32;
            self.distances.extend(self.open.drain(..).map(distance));
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        (self.distances.len() + self.open.len()) as u64
    }

    /// The time with this number.
    pub(super) fn at(&self, index: u64) -> Option<u64> {
        let at = usize::try_from(index).ok()?;
        let Some(&distance) = self.distances.get(at) else {
            return self.open.get(at - self.distances.len()).copied();
        };
        let block = self.blocks[at / BLOCK];
        Some(block.first_ns + (u64::from(distance) << block.shift))
    }

    /// How many are not after `elapsed_ns`.
    pub(super) fn due(&self, elapsed_ns: u64) -> u64 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.at(middle).is_some_and(|time_ns| time_ns <= elapsed_ns) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::below;

    #[test]
    fn times_come_back_exactly_at_usual_rates_and_nearly_at_the_slowest() {
        for (gap_ns, unit_ns) in [(1, 1), (10_000_000, 1), (3_600_000_000_000, 1 << 18)] {
            let mut table = Table::default();
            let mut times = vec![5];
            for index in 1..3_000 {
                times.push(times[index - 1] + below(1, index as u64, gap_ns));
            }
            times.iter().for_each(|&time_ns| table.push(time_ns));
            assert_eq!((table.len(), table.at(3_000)), (3_000, None));
            for (index, &time_ns) in (0..).zip(&times) {
                let read = table.at(index).expect("there");
                assert!(
                    read <= time_ns && time_ns - read < unit_ns,
                    "{index}: {read} for {time_ns}"
                );
                assert!(table.due(read) > index && (read == 0 || table.due(read - 1) <= index));
            }
        }
    }
}
