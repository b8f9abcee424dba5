//! Rows of broadcasts in the message center: pushes that no Accepted record stands for.
//!
//! A row enters when its turn comes and leaves when it has ended; from there it is a push of its
//! class, in its msn's queue, with the schedule and the alerts of one. It has no key and no alert,
//! nobody is notified of it by itself, and its owner, not the journal, knows its content.
//!
//! A row goes by the route that its owner names, and what carriers have of it comes in with it.
//!
//! Never here: which row comes next, or what is written down of it.

use crate::smsc::core::{Core, Effect, NewPush};
use crate::smsc::pushes::{PushIndex, flag};
use crate::smsc::retry::Cause;
use crate::smsc::state::State;
use wire::terms::code::Code;
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn};
use wire::terms::time::CenterMs;

/// Beside an XPID's number: its rows, which are counted apart from its pushes.
const ROWS: u64 = 1 << 62;

/// Whose the rows of this XPID's broadcasts are: what they take is counted together, and ends no
/// row of another's and no push.
pub const fn owner_of(xpid: u64) -> u64 {
    xpid | ROWS
}

/// A row whose turn has come.
#[derive(Clone, Copy, Debug)]
pub struct NewRow {
    /// Its number as a push.
    pub push_id: u64,
    /// See `row_ids::row_position`.
    pub position: u64,
    /// Whose it is: see [`owner_of`].
    pub owner: u64,
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
    /// Where it goes: 0 the core network, or the number of a route of carriers.
    pub route: u8,
    /// Which form of its text goes that way: the owner's to know.
    pub form: u8,
    /// What became of it before it comes in.
    pub before: RowBefore,
}

impl NewRow {
    /// Whether all of it has arrived.
    pub fn has_arrived(&self) -> bool {
        self.before.delivered_mask.count_ones() >= u32::from(self.segments)
    }
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
    /// What carriers have of it.
    pub handing: RowHanded,
    /// It was withdrawn while carriers had it.
    pub withdrawn: bool,
}

/// What carriers have of a row before it comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RowHanded {
    /// One bit for each segment that a carrier took.
    pub taken_mask: u16,
    /// One bit for each that will not arrive.
    pub failed_mask: u16,
    /// The code of those.
    pub code: Option<Code>,
    /// The carrier that could not deliver it; 0: none.
    pub avoided: u8,
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

    /// Whether there is a place for a row that carriers had before this start.
    pub fn has_place_for_handed_row(&self) -> bool {
        self.pushes.len() < self.limits.pushes_max
    }

    /// Takes a row that carriers had whole before this start: its receipts decide.
    pub fn enter_handed_row(&mut self, row: &NewRow, now_ms: CenterMs) -> PushIndex {
        self.time.see(now_ms);
        let index = self.place_row(row);
        let push = &mut self.pushes[index];
        push.set_domain(Some(Domain::Carrier));
        push.state = push.state.moved_to(State::Handed);
        if row.before.withdrawn {
            push.set_cancel_accepted(false);
            self.effects.push_back(Effect::CancelAccepted(index));
        }
        self.restore_handed(index, now_ms);
        index
    }

    /// Of a row that was polled nothing may be left to send: then its receipts decide, or have.
    /// Whether that is so.
    pub fn hand_over_settled(&mut self, index: PushIndex, now_ms: CenterMs) -> bool {
        if self.settled_mask(index) != self.pushes[index].full_mask() {
            return false;
        }
        self.time.see(now_ms);
        self.figures.attempts -= 1;
        self.effects.push_back(Effect::Handed(index));
        self.hand_over(index, now_ms);
        true
    }

    /// A row that was polled is not to go on for now, and carriers have some of it: it stays, and
    /// is looked at again after so long.
    ///
    /// # Panics
    /// When no attempt of it was about to begin.
    pub fn postpone_row(&mut self, index: PushIndex, delay_ms: u64, now_ms: CenterMs) {
        self.time.see(now_ms);
        let push = &mut self.pushes[index];
        assert_eq!(push.state, State::InFlight, "its attempt was about to begin");
        push.state = push.state.moved_to(State::Held);
        let due_ms = (now_ms + delay_ms).min(push.expires_ms().max(now_ms));
        self.figures.attempts -= 1;
        self.start_timer(index, due_ms);
    }

    fn place_row(&mut self, row: &NewRow) -> PushIndex {
        let index = self.enter(&NewPush {
            push_id: row.push_id,
            position: row.position,
            key: u64::from(row.form),
            content_digest: 0,
            msn: row.msn,
            class: row.class,
            segments: row.segments,
            expires_ms: row.expires_ms,
            control: false,
            client: row.owner,
            wants_notification: false,
            single_attempt: false,
            alert: None,
            route: row.route,
            by_smpp: false,
        });
        let (push, before) = (&mut self.pushes[index], &row.before);
        push.state = push.state.moved_to(State::Accepted);
        push.set(flag::SINGLE_ATTEMPT, row.once);
        push.set(flag::IN_DOUBT, before.in_doubt);
        push.delivered_mask = before.delivered_mask & push.full_mask();
        push.set_attempts(before.attempts);
        let RowHanded { taken_mask, failed_mask, code, avoided } = before.handing;
        if taken_mask | failed_mask != 0 || avoided != 0 {
            let full = push.full_mask();
            self.handings.restore(index, taken_mask & full, failed_mask & full, code);
            self.handings.avoid(index, avoided);
        }
        let push = &mut self.pushes[index];
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

    /// The text of a row of which nothing was sent goes in another form from now on.
    pub fn set_row_form(&mut self, index: PushIndex, form: u8, segments: u8) {
        let push = &mut self.pushes[index];
        debug_assert!(push.is_row() && push.state != State::InFlight, "nothing of it is out");
        (push.key, push.segments) = (u64::from(form), segments);
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
            Withdrawal::Cancelled if is_out && push.has(flag::CANCEL_ACCEPTED) => {}
            Withdrawal::Cancelled if is_out => {
                push.set_cancel_accepted(false);
                if push.state == State::Handed {
                    // Its carriers may still be kept from delivering it.
                    self.effects.push_back(Effect::CancelAccepted(index));
                }
            }
            Withdrawal::Cancelled => {
                // Carriers may have some of it, and are asked for that once it is handed over.
                push.set_cancel_accepted(false);
                self.end_cancelled(index, now_ms);
            }
            Withdrawal::Replaced if is_out && push.has(flag::REPLACE_REQUESTED) => {}
            Withdrawal::Replaced if is_out => {
                push.set(flag::REPLACE_REQUESTED, true);
                if push.state == State::Handed {
                    // The older text is not to come behind the newer.
                    self.effects.push_back(Effect::CancelAccepted(index));
                }
            }
            Withdrawal::Replaced => {
                push.set(flag::REPLACE_REQUESTED, true);
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
    use crate::smsc::core::{CoreLimits, Settlement};
    use crate::smsc::handed::Receipt;
    use crate::smsc::outcome::{AttemptResult, Failure};
    use crate::smsc::row_ids::{row_id, row_position};

    const LIMITS: CoreLimits =
        CoreLimits { pushes_max: 10, waiting_per_msn_max: 3, ended_keys_max: 10 };
    const NOW_MS: CenterMs = CenterMs::new(1_000_000);

    fn row(place: u32, msn: u64) -> NewRow {
        NewRow {
            push_id: row_id(5, place),
            position: row_position(5, place),
            owner: owner_of(7),
            msn: Msn::from_value(9_000_000_000 + msn).expect("an msn"),
            class: Class::Urgent,
            segments: 1,
            expires_ms: NOW_MS + 3_600_000,
            once: false,
            route: 0,
            form: 0,
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
    fn what_carriers_have_of_a_row_is_asked_back_once_however_it_is_withdrawn() {
        let mut core = Core::new(LIMITS, NOW_MS);
        let ways =
            [(Withdrawal::Cancelled, State::Cancelled), (Withdrawal::Replaced, State::Replaced)];
        for (place, (why, state)) in (0..).zip(ways) {
            let handing = RowHanded { taken_mask: 1, ..RowHanded::default() };
            let before = RowBefore { attempts: 1, handing, ..RowBefore::default() };
            let new = NewRow { route: 1, before, ..row(place, u64::from(place)) };
            let index = core.enter_handed_row(&new, NOW_MS);
            core.withdraw_row(index, why, NOW_MS);
            core.withdraw_row(index, why, NOW_MS);
            assert_eq!(core.take_effect(), Some(Effect::CancelAccepted(index)), "{why:?}");
            assert_eq!(core.take_effect(), None, "{why:?}");
            let deleted = Receipt::Failed(Code::WITHDRAWN_BY_OPERATOR);
            assert!(core.handle_receipt(index, new.push_id, 0, deleted, NOW_MS));
            assert_eq!(core.take_effect(), Some(Effect::Ended(index)), "{why:?}");
            assert_eq!(core.push(index).state, state);
            core.forget_row(index);
        }
    }

    #[test]
    fn what_a_carrier_has_of_a_row_that_waits_is_asked_back_when_it_is_withdrawn() {
        let ways =
            [(Withdrawal::Cancelled, State::Cancelled), (Withdrawal::Replaced, State::Replaced)];
        for (why, state) in ways {
            let mut core = Core::new(LIMITS, NOW_MS);
            let handing = RowHanded { taken_mask: 0b01, ..RowHanded::default() };
            let before = RowBefore { attempts: 1, handing, ..RowBefore::default() };
            let new = NewRow { route: 1, segments: 2, before, ..row(0, 1) };
            let index = core.enter_held_row(&new, NOW_MS + 60_000, NOW_MS);
            core.withdraw_row(index, why, NOW_MS);
            assert_eq!(core.take_effect(), Some(Effect::Handed(index)), "{why:?}");
            // Whoever writes that down asks, as it does for what is withdrawn while it is sent.
            let asks = flag::CANCEL_ACCEPTED | flag::REPLACE_REQUESTED;
            assert!(core.push(index).has(asks), "{why:?}");
            let deleted = Receipt::Failed(Code::WITHDRAWN_BY_OPERATOR);
            assert!(core.handle_receipt(index, new.push_id, 0, deleted, NOW_MS));
            assert_eq!(core.push(index).state, state, "{why:?}");
        }
    }

    #[test]
    fn a_flood_of_rows_without_receipts_ends_its_owners_and_no_others() {
        let mut core = Core::new(CoreLimits { pushes_max: 200, ..LIMITS }, NOW_MS);
        let handing = RowHanded { taken_mask: 1, ..RowHanded::default() };
        let before = RowBefore { attempts: 1, handing, ..RowBefore::default() };
        let mut hand_over = |xpid: u64, place: u32| {
            let of = NewRow { route: 1, before, owner: owner_of(xpid), ..row(place, place.into()) };
            let index = core.enter_row(&of, NOW_MS);
            assert_eq!(core.poll_attempt(1, NOW_MS), Some(index));
            assert!(core.hand_over_settled(index, NOW_MS));
            while let Some(effect) = core.take_effect() {
                if let Effect::Ended(ended) = effect {
                    let push = core.push(ended);
                    assert!(push.position >= row_position(5, 10), "another's: {push:?}");
                    core.forget_row(ended);
                }
            }
        };
        (0..10).for_each(|place| hand_over(8, place));
        (10..300).for_each(|place| hand_over(7, place));
        assert_eq!(core.handed(), 100, "half of the places");
    }

    #[test]
    fn a_row_of_which_nothing_is_left_to_send_is_not_attempted_and_its_receipts_decide() {
        let mut core = Core::new(LIMITS, NOW_MS);
        let handing = RowHanded { taken_mask: 0b01, ..RowHanded::default() };
        let before = RowBefore { delivered_mask: 0b10, handing, ..RowBefore::default() };
        let new = NewRow { route: 1, segments: 2, before, ..row(0, 1) };
        let index = core.enter_row(&new, NOW_MS);
        assert_eq!(core.poll_attempt(1, NOW_MS), Some(index));
        assert!(core.hand_over_settled(index, NOW_MS));
        assert_eq!(core.take_effect(), Some(Effect::Handed(index)));
        assert_eq!((core.push(index).state, core.figures().attempts), (State::Handed, 0));
        assert!(core.handle_receipt(index, new.push_id, 0, Receipt::Delivered, NOW_MS));
        assert_eq!(core.take_effect(), Some(Effect::Ended(index)));
        assert_eq!(core.push(index).state, State::Delivered);
        let fresh = core.enter_row(&row(1, 2), NOW_MS);
        assert_eq!(core.poll_attempt(0, NOW_MS), Some(fresh));
        assert!(!core.hand_over_settled(fresh, NOW_MS), "it has all to send");
        let all = RowBefore { delivered_mask: 0b11, ..before };
        assert!(NewRow { before: all, ..new }.has_arrived() && !new.has_arrived());
    }

    #[test]
    fn a_row_that_comes_back_has_what_it_had_of_segments_doubts_and_schedule() {
        let mut core = Core::new(LIMITS, NOW_MS);
        let code = Code::EXPIRED_ABSENT;
        let before = RowBefore {
            attempts: 3,
            delivered_mask: 0b101,
            in_doubt: true,
            ..RowBefore::default()
        };
        let before = RowBefore { code: Some(code), ..before };
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
