//! The states of a push as a table, with the moves that are legal.
//!
//! Anything else is a bug, and [`State::moved_to`] asserts it. The final states are final: nothing
//! leaves them.

/// Where a push stands. The numbers of the final states stand in journals and bills and never
/// change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum State {
    /// In the journal but not yet durable: no attempt may start.
    Received = 0,
    /// Its turn has come: the head of its msn's queue, in a lane for an attempt.
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
    /// Durable, behind others in its msn's queue.
    Accepted = 11,
    /// Carriers have taken what there was to send: their receipts decide. It has left its msn's
    /// queue.
    Handed = 12,
}

use State::{
    Accepted, Cancelled, Delivered, Expired, Failed, Handed, Held, InFlight, Partial, Queued,
    Received, Refused, Replaced,
};

/// The legal moves. `Received` may end at once: by a cancel, by expiry, by a replacement.
/// `Received` moves to `Held` when a journal says that the push was held. `Queued` goes back to
/// `Accepted` when an emergency push has gone ahead of it. `InFlight` goes back to `Queued` when a
/// carrier takes nothing for the moment. `Handed` goes back to `Accepted` when a carrier could not
/// deliver and another one is to. What waits is left for `Delivered` when
/// a report comes after its attempt was given up.
const MOVES: &[(State, &[State])] = &[
    (Received, &[Accepted, Held, Cancelled, Expired, Replaced]),
    (Queued, &[InFlight, Accepted, Handed, Delivered, Cancelled, Expired, Partial, Replaced]),
    (
        InFlight,
        &[Held, Handed, Queued, Delivered, Partial, Refused, Failed, Expired, Cancelled, Replaced],
    ),
    (Held, &[Accepted, Handed, Delivered, Cancelled, Expired, Partial, Replaced]),
    (Delivered, &[]),
    (Partial, &[]),
    (Refused, &[]),
    (Failed, &[]),
    (Expired, &[]),
    (Cancelled, &[]),
    (Replaced, &[]),
    (Accepted, &[Queued, Handed, Delivered, Cancelled, Expired, Partial, Replaced]),
    (Handed, &[Accepted, Delivered, Partial, Failed, Expired, Cancelled, Replaced]),
];

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Received, Queued, InFlight, Held, Delivered, Partial, Refused, Failed, Expired, Cancelled,
        Replaced, Accepted, Handed,
    ];

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
        (Delivered as u8..=Replaced as u8).contains(&(self as u8))
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
        assert_eq!(State::from_number(13), None);
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

    #[test]
    fn a_push_passes_every_state_of_its_way_and_skips_none() {
        let way = [Received, Accepted, Queued, InFlight, Held];
        for (place, state) in way.into_iter().enumerate() {
            let onward = way.get(place + 1).copied().unwrap_or(Accepted);
            assert!(state.may_move_to(onward), "{state:?} to {onward:?}");
            for skipped in way.into_iter().filter(|&next| next != onward) {
                let overtaken = state == Queued && skipped == Accepted;
                let recovered = state == Received && skipped == Held;
                let returned = state == InFlight && skipped == Queued;
                let legal = overtaken || recovered || returned;
                assert_eq!(state.may_move_to(skipped), legal, "{state:?} to {skipped:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "a push cannot move from Delivered to Held")]
    fn an_illegal_move_is_a_bug_that_stops_the_engine() {
        let _ = Delivered.moved_to(Held);
    }
}
