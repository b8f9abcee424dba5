//! A shard whose records go to a replicated log too: what it may say while it does not know
//! whether the partition is still its own.
//!
//! What it accepts waits for the log, which takes it from the owner alone. What it would answer
//! from memory does not: somebody else may have accepted meanwhile what it has never seen. So it
//! asks to come again instead (8002), and whoever keeps the log is asked.

use super::Shard;
use super::asked::Reply;
use super::taking_back::TakingBack;
use crate::billing::Log;
use wire::push::response::Answer;
use wire::terms::code::Code;

/// Why answers are not what they seem.
pub(super) mod doubt {
    /// The journal's files have lost their names.
    pub(in crate::shard) const NAMES_LOST: u8 = 1;
    /// The partition may be somebody else's by now.
    pub(in crate::shard) const MAY_NOT_ACT: u8 = 2;
    /// It is on its way to somebody else.
    pub(in crate::shard) const LEAVES: u8 = 4;
    /// Somebody was asked to come again for want of [`MAY_NOT_ACT`].
    pub(in crate::shard) const ASKED: u8 = 8;
}

impl<L: Log> Shard<L> {
    /// Whether the journal's files have lost their names.
    #[inline]
    pub(super) fn has_lost_names(&self) -> bool {
        self.doubts & doubt::NAMES_LOST != 0
    }

    /// Whether the shard may act on what it remembers: it is asked before each turn.
    pub fn let_act(&mut self, may_act: bool) {
        let may_not = u8::from(!may_act) * doubt::MAY_NOT_ACT;
        self.doubts = self.doubts & !doubt::MAY_NOT_ACT | may_not;
    }

    /// The partition is on its way to somebody else: new pushes find it there soon.
    pub fn begin_to_leave(&mut self) {
        self.doubts |= doubt::LEAVES;
    }

    /// It stays after all, or goes on elsewhere.
    pub fn stay(&mut self) {
        self.doubts &= !doubt::LEAVES;
        self.taking_back = TakingBack::No;
    }

    /// Whether anything waits for leave to act: an attempt, a notification by either door, or
    /// somebody who was asked to come again since this was called last.
    pub fn wants_to_act(&mut self) -> bool {
        let was_asked = self.doubts & doubt::ASKED != 0;
        self.doubts &= !doubt::ASKED;
        let has_ends = !self.notifications.is_empty() || !self.customer_orders.is_empty();
        was_asked || has_ends || self.core.has_queued()
    }

    /// What is answered in doubt.
    #[cold]
    pub(super) fn doubted(&mut self, reply: Reply) -> Reply {
        if self.has_lost_names() {
            return not_durable(reply);
        }
        let durable = self.durable();
        let leaves = self.doubts & doubt::LEAVES != 0;
        let is_memory = self.doubts & doubt::MAY_NOT_ACT != 0;
        match reply {
            Reply::Now(answer) if leaves && answer.code == Code::PAUSED => again(answer),
            Reply::Now(answer) if is_memory && is_of_memory(answer.code) => self.ask_again(answer),
            // Nothing was written that the log has not: it waits for nobody.
            Reply::WhenDurable(answer, sequence) if is_memory && sequence <= durable => {
                self.ask_again(answer)
            }
            Reply::EveryShard { client, answer, withdrawn, sequence }
                if is_memory && sequence <= durable =>
            {
                self.doubts |= doubt::ASKED;
                let answer = Answer { code: Code::OVERLOAD, ..answer };
                Reply::EveryShard { client, answer, withdrawn, sequence }
            }
            other => self.awaiting(other),
        }
    }

    fn ask_again(&mut self, answer: Answer) -> Reply {
        self.doubts |= doubt::ASKED;
        again(answer)
    }
}

fn again(answer: Answer) -> Reply {
    Reply::Now(Answer { code: Code::OVERLOAD, ..answer })
}

/// Whether the code says what the partition remembers, and not what the request is.
fn is_of_memory(code: Code) -> bool {
    (3_000..4_000).contains(&code.number())
}

/// What is answered where records go to files without a name: what waits for them can never leave.
fn not_durable(reply: Reply) -> Reply {
    match reply {
        Reply::WhenDurable(answer, _) | Reply::EveryShard { answer, .. } => {
            Reply::Now(Answer { code: Code::NOT_DURABLE, ..answer })
        }
        other => other,
    }
}
