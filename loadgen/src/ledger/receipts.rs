//! What SMPP senders enter: answers by status, and receipts.

use super::{
    ACCEPTED, DELIVERED, DUPLICATED, IN_DOUBT, Ledger, NAMELESS, NOTIFIED, Noted, REFUSED, SENT,
    TWICE, Times,
};
use crate::smpp::matching::Told;
use std::sync::atomic::Ordering::Relaxed;
use wire::smpp::receipt::MessageState;

/// Bits of a mark that hold the state; the others are the message id's.
const STATE_MASK: u32 = 0xF;
/// How far apart pushes of the same reference are.
const REFERENCES: u64 = 1 << 16;

impl Ledger {
    /// Push `index` was refused for good.
    pub(crate) fn note_refused(&self, index: u64, now_ns: u64) {
        self.flags[index as usize].fetch_or(REFUSED, Relaxed);
        self.sending.last_answer_ns.fetch_max(now_ns, Relaxed);
        self.sending.refused.fetch_add(1, Relaxed);
    }

    /// Push `index` got no answer and is submitted again: an SMSC may take it twice.
    pub(crate) fn note_doubt(&self, index: u64) {
        self.flags[index as usize].fetch_or(IN_DOUBT, Relaxed);
    }

    /// Push `index` was taken, and no id given for it.
    pub(crate) fn note_nameless(&self, index: u64) {
        self.flags[index as usize].fetch_or(NAMELESS, Relaxed);
    }

    /// Receipts for messages that are not of this run.
    pub(crate) fn note_strangers(&self, count: u64) {
        self.sinking.foreign.fetch_add(count, Relaxed);
    }

    /// A receipt for push `index`. Senders come here at once.
    pub(crate) fn note_receipt(&self, index: u64, told: &Told) -> Noted {
        if !self.notify {
            self.note_strangers(1);
            return Noted::Foreign;
        }
        let mark = told.id as u32 & !STATE_MASK | u32::from(told.state.number()) & STATE_MASK;
        // The mark is there before the flag says so.
        let marks = &self.marks[index as usize];
        let first = marks.compare_exchange(0, mark, Relaxed, Relaxed);
        let flags = &self.flags[index as usize];
        match first {
            Ok(_) => {
                let delivered = told.state == MessageState::Delivered;
                flags.fetch_or(NOTIFIED | (u16::from(delivered) * DELIVERED), Relaxed);
                self.sinking.notified.fetch_add(1, Relaxed);
                self.sinking.delivered.fetch_add(u64::from(delivered), Relaxed);
                self.sinking.last_notification_ns.fetch_max(told.at_ns, Relaxed);
                self.notification_codes.count(code_of(told.state));
                Noted::First(self.receipt_times(index, told.at_ns))
            }
            Err(earlier) if earlier == mark => {
                self.sinking.resent.fetch_add(1, Relaxed);
                Noted::Resent
            }
            Err(earlier) => {
                let other_message = (earlier ^ mark) & !STATE_MASK != 0;
                if other_message && flags.load(Relaxed) & IN_DOUBT != 0 {
                    let known = flags.fetch_or(TWICE, Relaxed) & TWICE != 0;
                    self.sinking.taken_twice.fetch_add(u64::from(!known), Relaxed);
                    return Noted::Resent;
                }
                flags.fetch_or(DUPLICATED, Relaxed);
                self.sinking.duplicated.fetch_add(1, Relaxed);
                Noted::Duplicated
            }
        }
    }

    fn receipt_times(&self, index: u64, at_ns: u64) -> Times {
        let sent_ns = self.sent_ns(index, at_ns);
        let intended_ns = match &self.schedule {
            Some(schedule) => self.start_ns() + schedule.intended_ns(index),
            None => sent_ns,
        };
        Times {
            notification_ns: at_ns.saturating_sub(intended_ns),
            delivery_ns: None,
            late_ns: sent_ns.saturating_sub(intended_ns),
            warm_up: index < self.warm_up,
        }
    }

    /// The youngest push of this reference to this msn of which a message has an id that is not
    /// known; by what a receipt repeats of its message. `msn` is without its first digit.
    pub(crate) fn nameless_push(&self, reference: u16, msn: &[u8]) -> Option<u64> {
        let requests = self.requests();
        let below = requests.checked_sub(u64::from(reference))?.div_ceil(REFERENCES);
        (0..below).rev().map(|turn| turn * REFERENCES + u64::from(reference)).find(|&index| {
            let flags = self.flags[index as usize].load(Relaxed);
            let has_no_id = flags & (ACCEPTED | REFUSED) == 0 || flags & (NAMELESS | IN_DOUBT) != 0;
            flags & SENT != 0 && has_no_id && self.destinations.of(index).digits()[1..] == *msn
        })
    }
}

/// The code that a push ends with where its carrier says this.
fn code_of(state: MessageState) -> u16 {
    match state {
        MessageState::Delivered => 0,
        MessageState::Expired => 6001,
        MessageState::Deleted => 6010,
        MessageState::Undeliverable | MessageState::Rejected | MessageState::Skipped => 6012,
        _ => 6013,
    }
}
