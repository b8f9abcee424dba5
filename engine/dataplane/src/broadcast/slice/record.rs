//! What a slice is told and says: plans, orders, records, turns.

use crate::broadcast::claims::{Piece, RunSlice};
use crate::broadcast::life::{End, Life, Step};
use crate::broadcast::mutation::RowMutation;
use crate::broadcast::outcomes::RowWord;
use crate::broadcast::slice::RowHanding;

/// What becomes of rows that are in doubt after a crash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnDoubt {
    /// They are sent again.
    Again,
    /// They are not: 7004.
    Leave,
}

/// What somebody orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Rows may begin.
    Start,
    /// Nothing begins for now.
    Pause,
    /// It goes on.
    Resume,
    /// It ends.
    End(End),
    /// A broadcast of its chain with this alertseq began.
    Chain {
        /// The other's alertseq.
        alertseq: u8,
    },
    /// Further waves have their turns.
    Wave {
        /// How many have from now on.
        open: u8,
    },
}

impl Order {
    /// What it is in a broadcast's life, where that takes it; `None`: it leaves that as it is.
    pub fn step(self) -> Option<Step> {
        Some(match self {
            Self::Start => Step::HoldOver,
            Self::Pause => Step::Pause,
            Self::Resume => Step::Resume,
            Self::End(end) => Step::End(end),
            Self::Chain { .. } => Step::End(End::Replaced),
            Self::Wave { .. } => return None,
        })
    }
}

/// A record of the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SliceRecord {
    /// An order.
    Order(Order),
    /// Where the broadcast stands: at its start, and where cleaning moves its orders.
    Stands(Life),
    /// Rows that are about to have their turns.
    Claimed(Vec<Piece>),
    /// What became of rows.
    Outcomes(Vec<(u32, RowWord)>),
    /// Rows that crashes left in doubt.
    Doubts {
        /// How many, of all crashes.
        total: u32,
    },
    /// What is known of rows that go on and their words have no place for: see `Slice::mark`.
    Marks(Vec<(u32, u16)>),
    /// What carriers have of rows that go on: all that is known of each.
    Handed(Vec<(u32, RowHanding)>),
    /// The engine was stopped, and nothing is under way. What follows says that it goes on.
    Rests,
}

/// What it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The shard's rows.
    pub runs: Vec<RunSlice>,
    /// Its place in its chain.
    pub alertseq: u8,
    /// Rows in doubt.
    pub on_doubt: OnDoubt,
    /// A deliberate fault.
    pub mutation: RowMutation,
}

/// What a row's turn comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// It is attempted.
    Attempt,
    /// Not now: it stays held.
    NotNow,
    /// It has ended without.
    Ended,
}
