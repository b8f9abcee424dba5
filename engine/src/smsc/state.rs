//! The states of a push as a table, with the moves that are legal.
//!
//! Anything else is a bug, and [`State::moved_to`] asserts it. The final states are final: nothing leaves them.

/// Where a push stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum State {
    /// In the journal but not yet durable: no attempt may start.
    Received = 0,
    /// Durable, waiting for its turn in its msn's queue.
    Queued = 1,
    /// An attempt is under way in the core network.
    InFlight = 2,
    /// Waiting for a retry time or an alert; what holds it is the push's `code`.
    Held = 3,
    /// Every segment arrived.
    Delivered = 4,
    /// Some segments arrived, the rest never will.
    Partial = 5,
    /// The delivery control said no (5001–5005).
    Refused = 6,
    /// The network or the terminal said no for good.
    Failed = 7,
    /// Its time ran out first.
    Expired = 8,
    /// Withdrawn by the push client or the operator.
    Cancelled = 9,
    /// A higher alertseq took its place.
    Replaced = 10,
}

use State::{
    Cancelled, Delivered, Expired, Failed, Held, InFlight, Partial, Queued, Received, Refused, Replaced,
};

/// The legal moves. `Received` may end at once: by a cancel, by expiry, by a replacement.
/// `Queued` and `Held` are left for `Delivered` when a report comes after its attempt was given up.
const MOVES: &[(State, &[State])] = &[
    (Received, &[Queued, Cancelled, Expired, Replaced]),
    (Queued, &[InFlight, Delivered, Cancelled, Expired, Partial, Replaced]),
    (InFlight, &[Held, Delivered, Partial, Refused, Failed, Expired, Cancelled, Replaced]),
    (Held, &[Queued, Delivered, Cancelled, Expired, Partial, Replaced]),
    (Delivered, &[]),
    (Partial, &[]),
    (Refused, &[]),
    (Failed, &[]),
    (Expired, &[]),
    (Cancelled, &[]),
    (Replaced, &[]),
];

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 11] =
        [Received, Queued, InFlight, Held, Delivered, Partial, Refused, Failed, Expired, Cancelled, Replaced];

    /// The state with this number, as the journal keeps it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The number the journal keeps.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether the push has ended.
    pub fn is_final(self) -> bool {
        self as u8 >= Delivered as u8
    }

    /// Whether the table allows the move.
    pub fn may_move_to(self, next: Self) -> bool {
        MOVES[usize::from(self.number())].1.contains(&next)
    }

    /// The next state.
    ///
    /// # Panics
    /// If the table forbids the move: that is a bug in the message center, never the world's doing.
    #[must_use]
    pub fn moved_to(self, next: Self) -> Self {
        assert!(self.may_move_to(next), "a push cannot move from {self:?} to {next:?}");
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_one_row_per_state_in_order() {
        for (row, (state, _)) in MOVES.iter().enumerate() {
            assert_eq!(usize::from(state.number()), row);
            assert_eq!(State::from_number(state.number()), Some(*state));
        }
        assert_eq!(State::from_number(11), None);
    }

    #[test]
    fn final_states_are_left_by_nothing_and_every_other_state_can_end() {
        for state in State::ALL {
            let moves = MOVES[usize::from(state.number())].1;
            assert_eq!(state.is_final(), moves.is_empty(), "{state:?}");
            if !state.is_final() {
                assert!(moves.contains(&Cancelled) && moves.contains(&Expired), "{state:?}");
            }
        }
    }
}
