//! What has begun by its record and was never sent, when the engine ends in good order: a record
//! takes its begin back, so that the next start sends it in place of ending it.
//!
//! Invariant: a push is looked at when nothing can be attempted any more.

use super::endings::progress_record;
use super::{Shard, fatal_if_full};
use crate::billing::Log;
use crate::journal::Progress;
use crate::smsc::pushes::PushIndex;
use wire::terms::time::WallMs;

/// How far the pushes have been looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum TakingBack {
    /// The engine goes on.
    #[default]
    No,
    /// Those below this place of the slab have been.
    Looking(usize),
    /// All have been; those that carriers give back are, as they come.
    Done,
}

impl<L: Log> Shard<L> {
    /// From now on nothing is attempted here any more.
    pub fn begin_to_take_back(&mut self) {
        if self.taking_back == TakingBack::No {
            self.taking_back = TakingBack::Looking(0);
        }
    }

    /// Whether every push has been looked at that was to be.
    pub fn has_taken_back(&self) -> bool {
        !matches!(self.taking_back, TakingBack::Looking(_))
    }

    /// Looks at some pushes; whether there are more.
    pub(super) fn take_back(&mut self, now_ms: WallMs) -> bool {
        let TakingBack::Looking(from) = self.taking_back else { return false };
        let used = self.core.indices_used();
        let to = (from + self.used.looks.max(1)).min(used);
        for index in from..to {
            self.take_back_begin(index as PushIndex, now_ms);
        }
        self.taking_back = if to < used { TakingBack::Looking(to) } else { TakingBack::Done };
        true
    }

    /// A carrier has given this push back, which it did not send.
    pub(super) fn take_back_returned(&mut self, index: PushIndex, now_ms: WallMs) {
        if self.taking_back != TakingBack::No {
            self.take_back_begin(index, now_ms);
        }
    }

    /// Where there is no room for the record beside what is kept for others the push has begun.
    fn take_back_begin(&mut self, index: PushIndex, now_ms: WallMs) {
        if self.journal.may_hand_over() && self.core.take_back_begin(index) {
            let record = progress_record(self.core.push(index), now_ms);
            let record = Progress { begun: Progress::TAKEN_BACK, ..record };
            fatal_if_full(self.journal.append_progress(&record));
        }
    }
}
