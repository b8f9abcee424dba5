//! Rows of broadcasts in the message center: pushes that no Accepted record stands for.
//!
//! A row enters when its turn comes and leaves when it has ended; from there it is a push of its
//! class, in its msn's queue, with the schedule and the alerts of one. It has no key and no alert,
//! nobody is notified of it by itself, and its owner, not the journal, knows its content.
//!
//! Never here: which row comes next, or what is written down of it.

use crate::smsc::core::{Core, NewPush};
use crate::smsc::pushes::{PushIndex, flag};
use crate::smsc::retry::Cause;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn};
use wire::terms::time::CenterMs;

/// Whose rows all are: no XPID.
const OWNER: u64 = u64::MAX - 2;

/// A row whose turn has come.
#[derive(Clone, Copy, Debug)]
pub struct NewRow {
    /// Its number as a push.
    pub push_id: u64,
    /// See `row_ids::row_position`.
    pub position: u64,
    /// Destination.
    pub msn: Msn,
    /// Class.
    pub class: Class,
    /// Segments, 1 to 10.
    pub segments: u8,
    /// No delivery from then on.
    pub expires_ms: CenterMs,
    /// It is attempted once.
    pub once: bool,
    /// What became of it before it comes in.
    pub before: RowBefore,
}

/// What is known of a row that was attempted before it comes in.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowBefore {
    /// Attempts; beyond 15 they count as 15.
    pub attempts: u8,
    /// The segments that arrived: bit 0 is the first.
    pub delivered_mask: u16,
    /// It may have arrived though nobody said so.
    pub in_doubt: bool,
    /// While it is held: the code it would expire with.
    pub code: Option<Code>,
}

/// Why a row is taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Withdrawal {
    /// Its broadcast was cancelled.
    Cancelled,
    /// Its broadcast's time is over.
    Expired,
    /// A newer text takes its place.
    Replaced,
}

impl Core {
    /// Whether rows may take one more place of the slab, of which they have so many percent at
    /// most.
    pub fn has_place_for_row(&self, percent: usize) -> bool {
        self.pushes.len() < self.limits.pushes_max / 100 * percent
    }

    /// Whether one more push may wait for this msn.
    pub fn may_wait_for(&self, msn: Msn) -> bool {
        self.queues.waiting(&self.pushes, msn) < self.limits.waiting_per_msn_max
    }

    /// Takes a row, for which there is a place.
    pub fn enter_row(&mut self, row: &NewRow, now_ms: CenterMs) -> PushIndex {
        self.time.see(now_ms);
        let index = self.place_row(row);
        self.place_in_queue(index);
        self.make_ready(index);
        if self.pushes[index].state == State::Accepted {
            self.start_timer(index, row.expires_ms.max(now_ms));
        }
        index
    }

    /// Takes a row that was held before this start, until `due_ms`.
    pub fn enter_held_row(
        &mut self,
        row: &NewRow,
        due_ms: CenterMs,
        now_ms: CenterMs,
    ) -> PushIndex {
        self.time.see(now_ms);
        let index = self.place_row(row);
        self.place_in_queue(index);
        let push = &mut self.pushes[index];
        push.state = State::Held;
        push.set(flag::HOLD_RECORDED, true);
        self.start_timer(index, due_ms.max(now_ms).min(row.expires_ms));
        index
    }

    fn place_row(&mut self, row: &NewRow) -> PushIndex {
        let index = self.enter(&NewPush {
            push_id: row.push_id,
            position: row.position,
            key: 0,
            content_digest: 0,
            msn: row.msn,
            class: row.class,
            segments: row.segments,
            expires_ms: row.expires_ms,
            control: false,
            client: OWNER,
            wants_notification: false,
            single_attempt: false,
            alert: None,
            route: 0,
            by_smpp: false,
        });
        let (push, before) = (&mut self.pushes[index], &row.before);
        push.state = push.state.moved_to(State::Accepted);
        push.set(flag::SINGLE_ATTEMPT, row.once);
        push.set(flag::IN_DOUBT, before.in_doubt);
        push.delivered_mask = before.delivered_mask & push.full_mask();
        push.set_attempts(before.attempts);
        if let Some(code) = before.code {
            push.code = code;
            // Its schedule goes on where it stood.
            for cause in Cause::ALL.into_iter().filter(|cause| cause.code_at_expiry() == code) {
                for _ in 0..before.attempts {
                    push.count_hold(cause);
                }
            }
        }
        index
    }

    /// A row that was polled is not attempted: it leaves as if it had never come.
    ///
    /// # Panics
    /// When no attempt of it was about to begin.
    pub fn take_row_back(&mut self, index: PushIndex) {
        assert_eq!(self.pushes[index].state, State::InFlight, "its attempt was about to begin");
        self.figures.attempts -= 1;
        self.timers.stop(index);
        let head = self.queues.remove(&mut self.pushes, index);
        self.free_place(index);
        if let Some(head) = head {
            self.make_ready(head);
        }
    }

    /// A row is not to be sent any more: it ends, at once or when its attempt settles.
    pub fn withdraw_row(&mut self, index: PushIndex, why: Withdrawal, now_ms: CenterMs) {
        self.time.see(now_ms);
        let push = &mut self.pushes[index];
        if push.state.is_final() {
            return;
        }
        let is_out = matches!(push.state, State::InFlight | State::Handed);
        match why {
            Withdrawal::Cancelled if is_out => push.set_cancel_accepted(false),
            Withdrawal::Cancelled => self.end_cancelled(index, now_ms),
            Withdrawal::Replaced if is_out => push.set(flag::REPLACE_REQUESTED, true),
            Withdrawal::Replaced => {
                self.end_short(index, State::Replaced, Code::REPLACED, now_ms);
            }
            Withdrawal::Expired if is_out => {}
            Withdrawal::Expired => self.expire(index, now_ms),
        }
    }

    /// A row is not sent from another time on. Its timer, which runs until the earlier of the two
    /// at the latest, looks again then.
    pub fn set_row_expiry(&mut self, index: PushIndex, expires_ms: CenterMs) {
        let push = &mut self.pushes[index];
        if !push.state.is_final() {
            push.set_expires_ms(expires_ms);
        }
    }

    /// A row that has ended, of which all is written down, leaves.
    ///
    /// # Panics
    /// When it has not ended.
    pub fn forget_row(&mut self, index: PushIndex) {
        assert!(self.pushes[index].state.is_final(), "what has not ended stays");
        if self.pushes[index].has(flag::IN_LANE) {
            // The lane's links run through this slot.
            self.pushes[index].set(flag::GONE, true);
        } else {
            self.free_place(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smsc::core::{CoreLimits, Effect, Settlement};
    use crate::smsc::outcome::{AttemptResult, Failure};
    use crate::smsc::row_ids::{row_id, row_position};
    use wire::terms::domain::Domain;

    const LIMITS: CoreLimits =
        CoreLimits { pushes_max: 10, waiting_per_msn_max: 3, ended_keys_max: 10 };
    const NOW_MS: CenterMs = CenterMs::new(1_000_000);

    fn row(place: u32, msn: u64) -> NewRow {
        NewRow {
            push_id: row_id(5, place),
            position: row_position(5, place),
            msn: Msn::from_value(9_000_000_000 + msn).expect("an msn"),
            class: Class::Urgent,
            segments: 1,
            expires_ms: NOW_MS + 3_600_000,
            once: false,
            before: RowBefore::default(),
        }
    }

    fn settled(result: AttemptResult, delivered_mask: u16) -> Settlement {
        Settlement {
            result,
            delivered_mask,
            unanswered_mask: 0,
            taken_mask: 0,
            domain: Some(Domain::Cs),
        }
    }

    #[test]
    fn a_row_is_delivered_after_what_waits_for_its_phone_and_leaves_without_a_trace() {
        let mut core = Core::new(LIMITS, NOW_MS);
        let first = core.enter_row(&row(0, 7), NOW_MS);
        let second = core.enter_row(&row(1, 7), NOW_MS);
        assert_eq!(core.poll_attempt(0, NOW_MS), Some(first));
        assert_eq!(core.poll_attempt(0, NOW_MS), None, "one attempt at a phone");
        core.handle_outcome(first, settled(AttemptResult::Delivered, 1), NOW_MS, 0);
        assert_eq!(core.take_effect(), Some(Effect::Ended(first)));
        core.forget_row(first);
        assert_eq!(core.poll_attempt(0, NOW_MS), Some(second));
        core.take_row_back(second);
        assert_eq!((core.live(), core.keys_held(), core.figures().attempts), (0, 0, 1));
        assert_eq!(core.waiting(row(0, 7).msn).count(), 0);
    }

    #[test]
    fn what_is_withdrawn_ends_now_or_when_its_attempt_settles() {
        let mut core = Core::new(LIMITS, NOW_MS);
        let out = core.enter_row(&row(0, 1), NOW_MS);
        assert_eq!(core.poll_attempt(0, NOW_MS), Some(out));
        let queued = core.enter_row(&row(1, 2), NOW_MS);
        let held = core.enter_held_row(&row(2, 3), NOW_MS + 60_000, NOW_MS);
        for index in [out, queued, held] {
            core.withdraw_row(index, Withdrawal::Cancelled, NOW_MS);
        }
        let mut ended = Vec::new();
        while let Some(effect) = core.take_effect() {
            let Effect::Ended(index) = effect else { panic!("{effect:?}") };
            ended.push((index, core.push(index).state, core.push(index).code));
            core.forget_row(index);
        }
        let cancelled = |index| (index, State::Cancelled, Code::ACCEPTED);
        assert_eq!(ended, [cancelled(queued), cancelled(held)]);
        let absent = AttemptResult::Failed(Failure::SystemFailure);
        core.handle_outcome(out, settled(absent, 0), NOW_MS, 0);
        assert_eq!(core.push(out).state, State::Cancelled);
        core.take_effect();
        core.forget_row(out);
        // The lane lets go of the slot that it was linked through.
        assert_eq!((core.poll_attempt(0, NOW_MS), core.live()), (None, 0));
    }

    #[test]
    fn a_row_that_comes_back_has_what_it_had_of_segments_doubts_and_schedule() {
        let mut core = Core::new(LIMITS, NOW_MS);
        let code = Code::EXPIRED_ABSENT;
        let before =
            RowBefore { attempts: 3, delivered_mask: 0b101, in_doubt: true, code: Some(code) };
        let long = NewRow { segments: 3, before, ..row(0, 1) };
        let index = core.enter_held_row(&long, NOW_MS, NOW_MS);
        let push = *core.push(index);
        assert_eq!((push.attempts(), push.delivered(), push.code), (3, 2, code));
        assert!(push.has(flag::IN_DOUBT));
        assert_eq!(core.settled_mask(index), 0b101, "what arrived is not sent again");
        let fresh = core.enter_held_row(&NewRow { segments: 3, ..row(1, 2) }, NOW_MS, NOW_MS);
        core.handle_time(NOW_MS, 10);
        let due = [fresh, index].map(|index| {
            while core.push(index).state != State::InFlight {
                core.poll_attempt(0, NOW_MS).expect("both are due");
            }
            let absent = AttemptResult::Failed(Failure::Absent);
            core.handle_outcome(index, settled(absent, 0), NOW_MS, u64::MAX / 2);
            core.due_ms(index).expect("it is held").since(NOW_MS)
        });
        assert!(due[1] > 3 * due[0], "the fourth wait is longer than the first: {due:?}");
        core.withdraw_row(index, Withdrawal::Expired, NOW_MS);
        assert_eq!(core.push(index).state, State::Partial);
    }

    #[test]
    fn rows_leave_places_and_phones_to_single_pushes() {
        let mut core = Core::new(CoreLimits { pushes_max: 100, ..LIMITS }, NOW_MS);
        for place in 0..3 {
            assert!(core.may_wait_for(row(0, 7).msn) && core.has_place_for_row(4));
            core.enter_row(&row(place, 7), NOW_MS);
        }
        assert!(!core.may_wait_for(row(0, 7).msn), "8005 puts a row off");
        core.enter_row(&row(3, 8), NOW_MS);
        assert!(!core.has_place_for_row(4) && core.has_place_for_row(5));
    }
}
