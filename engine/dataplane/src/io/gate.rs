//! When an answer may leave, whichever door its request came through.

use crate::io::marks::Marks;
use crate::io::waits::{Moment, Waits};

/// When an answer may leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gate {
    /// At once.
    Open,
    /// When the durable mark of the shard in this place has reached this sequence; when the request
    /// arrived.
    Durable(u16, u64, Moment),
    /// When another shard has answered.
    Elsewhere,
}

/// What becomes of a gate when its shard leaves the thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parting {
    /// It does not wait for that shard.
    Untouched,
    /// The mark has reached it.
    Durable,
    /// Nobody will ever know whether it is durable.
    NotDurable,
}

impl Gate {
    /// Whether the answer may leave, at the moment `leaves`; one that waited for a mark counts
    /// among the waits.
    #[inline]
    pub(super) fn lets_go(self, durable: &Marks, waits: &mut Waits, leaves: Moment) -> bool {
        match self {
            Self::Open => true,
            Self::Durable(place, sequence, arrived) if durable.have_reached(place, sequence) => {
                waits.answered(usize::from(place), arrived, leaves);
                true
            }
            Self::Durable(..) | Self::Elsewhere => false,
        }
    }

    /// The place of the shard for whose durable mark it waits.
    pub(super) fn awaited_place(self) -> Option<u32> {
        match self {
            Self::Durable(place, ..) => Some(u32::from(place)),
            Self::Open | Self::Elsewhere => None,
        }
    }

    /// The shard in this place leaves the thread.
    pub(super) fn part_from(self, place: u16, durable: &Marks) -> Parting {
        match self {
            Self::Durable(its, sequence, _) if its == place => {
                if durable.have_reached(place, sequence) {
                    Parting::Durable
                } else {
                    Parting::NotDurable
                }
            }
            _ => Parting::Untouched,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_leaves_when_the_mark_of_its_own_shard_has_reached_it() {
        let mut marks = Marks::default();
        let (own, other) =
            (Gate::Durable(1, 7, Moment::default()), Gate::Durable(0, 7, Moment::default()));
        let lets_go = |gate: Gate, marks: &Marks| {
            gate.lets_go(marks, &mut Waits::default(), Moment::default())
        };
        marks.set(1, 6);
        assert!(!lets_go(own, &marks));
        marks.set(1, 7);
        assert!(lets_go(own, &marks) && !lets_go(other, &marks));
        assert!(lets_go(Gate::Open, &marks) && !lets_go(Gate::Elsewhere, &marks));
        assert_eq!((own.awaited_place(), Gate::Elsewhere.awaited_place()), (Some(1), None));
    }

    #[test]
    fn who_waits_for_a_shard_that_leaves_is_told_whether_its_record_is_durable() {
        let mut marks = Marks::default();
        marks.set(1, 7);
        let at = |sequence| Gate::Durable(1, sequence, Moment::default());
        assert_eq!(at(7).part_from(1, &marks), Parting::Durable);
        assert_eq!(at(8).part_from(1, &marks), Parting::NotDurable);
        assert_eq!(at(8).part_from(0, &marks), Parting::Untouched);
        assert_eq!(Gate::Elsewhere.part_from(1, &marks), Parting::Untouched);
    }
}
