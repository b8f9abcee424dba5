//! What the shards of one thread may do in a turn, all of them together.

use crate::io::limits::{
    ATTEMPTS_PER_TURN_MAX, CLEANED_PER_TURN_MAX, COUNTED_PER_TURN_MAX, LOOKS_PER_TURN_MAX,
    TIMERS_PER_TURN_MAX, WORK_PER_SHARD_MIN,
};
use crate::shard::TurnBudget;

/// What is left of a turn for the shards that have not had theirs.
///
/// Each has its part of most work. Records that cleaning looks at are one store for all: where one
/// shard has all of the traffic, it needs what the others leave, or its journal fills with records
/// that nobody needs any more. The thread begins each turn with another shard.
pub(super) struct Allotment {
    each: TurnBudget,
    records: usize,
}

impl Allotment {
    /// For so many shards.
    pub(super) fn among(shards: usize) -> Self {
        let part_of = |all: usize| (all / shards.max(1)).max(WORK_PER_SHARD_MIN);
        let each = TurnBudget {
            timers: part_of(TIMERS_PER_TURN_MAX),
            attempts: part_of(ATTEMPTS_PER_TURN_MAX),
            outcomes: part_of(ATTEMPTS_PER_TURN_MAX),
            records: WORK_PER_SHARD_MIN,
            looks: part_of(LOOKS_PER_TURN_MAX),
            counted: part_of(COUNTED_PER_TURN_MAX),
        };
        Self { each, records: CLEANED_PER_TURN_MAX }
    }

    /// What the next shard may do.
    pub(super) fn next(&self) -> TurnBudget {
        TurnBudget { records: self.records.max(self.each.records), ..self.each }
    }

    /// That shard's cleaning has looked at so many records.
    pub(super) fn take_records(&mut self, looked_at: usize) {
        self.records = self.records.saturating_sub(looked_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shard_cleans_as_much_as_all_leave_it_and_all_together_are_bounded() {
        let mut idle = Allotment::among(32);
        for _ in 0..31 {
            assert_eq!(idle.next().records, CLEANED_PER_TURN_MAX);
            idle.take_records(0);
        }
        assert_eq!(idle.next().records, CLEANED_PER_TURN_MAX, "the one that has the traffic");
        let mut busy = Allotment::among(32);
        let mut in_all = 0;
        for _ in 0..32 {
            let records = busy.next().records;
            busy.take_records(records);
            in_all += records;
            assert!(records >= WORK_PER_SHARD_MIN, "each gets on");
        }
        assert!(in_all <= CLEANED_PER_TURN_MAX + 31 * WORK_PER_SHARD_MIN, "{in_all}");
    }

    #[test]
    fn looks_at_pushes_are_dealt_so_that_a_turn_is_as_long_with_many_shards_as_with_one() {
        let looks = |shards| shards * Allotment::among(shards).next().looks;
        assert_eq!((looks(1), looks(64)), (LOOKS_PER_TURN_MAX, LOOKS_PER_TURN_MAX));
        let counted = |shards| shards * Allotment::among(shards).next().counted;
        assert_eq!((counted(1), counted(64)), (COUNTED_PER_TURN_MAX, COUNTED_PER_TURN_MAX));
    }
}
