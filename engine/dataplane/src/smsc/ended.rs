//! Pushes that have ended and whose push client is still to be told: they have left the slab, so
//! that a client that takes no notifications takes no place from a push that waits.
//!
//! Each is found by its number. In each list of an msn, a push client and a door, a ring,
//! notifications go out one at a time, in the order in which the pushes ended: a dead URL holds up
//! no receipt. Each client's pushes stand in one more list, oldest first: where the places end, the
//! client that has most gives up its oldest.
//!
//! What was given up, after a day or for want of a place, is `Parked`: journaled as such, and
//! kept for the operator.
//!
//! Never here: when a notification is sent again. Nothing is ever moved; memory is taken a block at
//! a time.

mod parked;
mod places;
#[cfg(test)]
mod tests;

pub(super) use parked::Parked;
pub use places::EndedId;
pub(super) use places::EndedPushes;

use crate::smsc::flags::EndedFlags;
use crate::smsc::pushes::Push;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn};
use wire::terms::time::CenterMs;

/// Which of a push's two notifications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotificationKind {
    /// E5, the push delivery complete notification.
    Complete,
    /// E7, the cancellation delivery notification.
    Cancellation,
}

/// One-bit facts about a push that has ended.
pub mod ended_flag {
    use crate::smsc::flags::EndedFlags;
    use crate::smsc::pushes::flag;

    /// The push client wants a delivery complete notification (E5).
    pub const WANTS_NOTIFICATION: EndedFlags = EndedFlags::of(flag::WANTS_NOTIFICATION);
    /// An E7 is due, or was.
    pub const CANCEL_ACCEPTED: EndedFlags = EndedFlags::of(flag::CANCEL_ACCEPTED);
    /// What became of a segment nobody knows.
    pub const IN_DOUBT: EndedFlags = EndedFlags::of(flag::IN_DOUBT);
    /// Receipts tell of it.
    pub const BY_SMPP: EndedFlags = EndedFlags::of(flag::BY_SMPP);
    /// E5 is done (acknowledged or parked).
    pub const COMPLETE_DONE: EndedFlags = EndedFlags::bit(3);
    /// E5 is parked: resends were given up, the operator may replay.
    pub const COMPLETE_PARKED: EndedFlags = EndedFlags::bit(4);
    /// E7 is done (acknowledged or parked).
    pub const CANCELLATION_DONE: EndedFlags = EndedFlags::bit(5);
    /// E7 is parked.
    pub const CANCELLATION_PARKED: EndedFlags = EndedFlags::bit(6);
    /// A notification has been handed to the notifier and is not settled yet.
    pub const NOTIFYING: EndedFlags = EndedFlags::bit(7);

    /// E5 or E7 is parked.
    pub const PARKED: EndedFlags = COMPLETE_PARKED.and(CANCELLATION_PARKED);
    /// What a push brings along when it ends.
    pub(super) const OF_PUSH: EndedFlags =
        WANTS_NOTIFICATION.and(CANCEL_ACCEPTED).and(IN_DOUBT).and(BY_SMPP);
    /// What comes about only then.
    pub(super) const OF_ENDED: EndedFlags =
        COMPLETE_DONE.and(CANCELLATION_DONE).and(PARKED).and(NOTIFYING);
}

const _: () = assert!(
    !ended_flag::OF_PUSH.has(ended_flag::OF_ENDED),
    "what is known of ended pushes alone has bits of its own"
);

/// What is known of a push that has ended.
#[derive(Clone, Copy, Debug)]
pub struct EndedPush {
    /// Its number.
    pub push_id: u64,
    /// Where the journal keeps its Accepted record (packed).
    pub position: u64,
    /// Which of the shard's ends it was; 0 where a journal does not say.
    pub end_number: u32,
    /// The final code.
    pub code: Code,
    /// One bit per delivered segment.
    pub delivered_mask: u16,
    /// See [`ended_flag`].
    flags: EndedFlags,
    pub(super) client: u16,
    msn: [u8; 5],
    ended_ms: [u8; 6],
    /// TP-Status of the last status report.
    pub tp_status: u8,
    /// Notifications tried since the last acknowledged one; saturates.
    pub tries: u8,
    /// The final state.
    pub state: State,
    /// Its class.
    pub class: Class,
    /// 1 to 10.
    pub segments: u8,
    /// What the last attempt went through, where that is known.
    pub domain: Option<Domain>,
}

impl EndedPush {
    /// What goes on of a push in its final state.
    #[inline]
    pub fn of(push: &Push) -> Self {
        let [a, b, c, d, e, ..] = push.msn().value().to_le_bytes();
        let [f, g, h, i, j, k, ..] = push.ended_ms().ms().to_le_bytes();
        Self {
            push_id: push.push_id,
            position: push.position,
            end_number: push.end_number(),
            code: push.code,
            delivered_mask: push.delivered_mask,
            flags: EndedFlags::of(push.flags).only(ended_flag::OF_PUSH),
            client: push.client,
            msn: [a, b, c, d, e],
            ended_ms: [f, g, h, i, j, k],
            tp_status: push.tp_status(),
            tries: 0,
            state: push.state,
            class: push.class,
            segments: push.segments,
            domain: push.domain(),
        }
    }

    /// The destination.
    pub fn msn(&self) -> Msn {
        let [a, b, c, d, e] = self.msn;
        match Msn::from_value(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])) {
            Some(msn) => msn,
            None => unreachable!("only msns are stored"),
        }
    }

    /// When it came to its final state.
    pub fn ended_ms(&self) -> CenterMs {
        let [a, b, c, d, e, f] = self.ended_ms;
        CenterMs::new(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }

    pub(super) fn set_ended_ms(&mut self, ended_ms: CenterMs) {
        let [a, b, c, d, e, f, ..] = ended_ms.ms().to_le_bytes();
        self.ended_ms = [a, b, c, d, e, f];
    }

    /// Whether `flag` is set.
    pub fn has(&self, flag: EndedFlags) -> bool {
        self.flags.has(flag)
    }

    pub(super) fn set(&mut self, flag: EndedFlags, on: bool) {
        self.flags.set(flag, on);
    }

    /// Segments that arrived.
    pub fn delivered(&self) -> u8 {
        self.delivered_mask.count_ones() as u8
    }

    /// As [`Push::withdrawn`].
    pub fn withdrawn(&self) -> u8 {
        let in_doubt = self.has(ended_flag::IN_DOUBT);
        if self.state == State::Cancelled && !in_doubt {
            self.segments - self.delivered()
        } else {
            0
        }
    }

    /// What E7 says: the code of a cancelled one; of another, why it was too late.
    pub fn cancel_code(&self) -> Code {
        match self.state {
            State::Cancelled => self.code,
            //= push cancel race
            State::Delivered => Code::ALREADY_DELIVERED,
            _ => Code::ALREADY_ENDED,
        }
    }

    /// Whether receipts tell of it.
    pub fn is_by_smpp(&self) -> bool {
        self.has(ended_flag::BY_SMPP)
    }

    /// Whether the push client is to be told anything of it, or was.
    pub fn is_told(&self) -> bool {
        self.wants_complete() || self.has(ended_flag::CANCEL_ACCEPTED)
    }

    fn wants_complete(&self) -> bool {
        self.has(ended_flag::WANTS_NOTIFICATION) && self.state != State::Cancelled
    }

    /// The notification that comes next, if one is due.
    pub fn due(&self) -> Option<NotificationKind> {
        if self.wants_complete() && !self.has(ended_flag::COMPLETE_DONE) {
            return Some(NotificationKind::Complete);
        }
        let cancellation =
            self.has(ended_flag::CANCEL_ACCEPTED) && !self.has(ended_flag::CANCELLATION_DONE);
        cancellation.then_some(NotificationKind::Cancellation)
    }

    /// The push client has taken this notification.
    pub(super) fn set_done(&mut self, kind: NotificationKind) {
        self.set(done_of(kind), true);
    }

    /// This notification is given up for now.
    pub(super) fn set_parked(&mut self, kind: NotificationKind) {
        self.set(done_of(kind) | parked_of(kind), true);
    }

    /// What is parked is due again.
    pub(super) fn set_due_again(&mut self) {
        for kind in [NotificationKind::Complete, NotificationKind::Cancellation] {
            if self.has(parked_of(kind)) {
                self.set(done_of(kind) | parked_of(kind), false);
            }
        }
        // It may have been under way when it was parked: whoever has it in hand asks for it by a
        // place that it has left.
        self.set(ended_flag::NOTIFYING, false);
        self.tries = 0;
    }

    /// The push client took after all what is parked.
    pub(super) fn set_taken(&mut self, kind: NotificationKind) {
        self.set(parked_of(kind), false);
    }
}

fn done_of(kind: NotificationKind) -> EndedFlags {
    match kind {
        NotificationKind::Complete => ended_flag::COMPLETE_DONE,
        NotificationKind::Cancellation => ended_flag::CANCELLATION_DONE,
    }
}

/// The flag that says that this notification is parked.
pub fn parked_of(kind: NotificationKind) -> EndedFlags {
    match kind {
        NotificationKind::Complete => ended_flag::COMPLETE_PARKED,
        NotificationKind::Cancellation => ended_flag::CANCELLATION_PARKED,
    }
}
