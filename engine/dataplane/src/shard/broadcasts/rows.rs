//! Rows in the message center: their attempts, and what becomes of them.

use super::asking::by_alert;
use super::feed::withdrawal;
use super::{Broadcasts, Part, Shard, class_place};
use crate::billing::Log;
use crate::broadcast::limits::SLAB_PERCENT_MAX;
use crate::broadcast::outcomes::{LEFT_IN_DOUBT, Outcome};
use crate::broadcast::running::TextForm;
use crate::broadcast::slice::{ARRIVED, MAY_HAVE_IT, OnDoubt, Order, Turn, WITHDRAWN};
use crate::gateway::registry::Registered;
use crate::network::port::{AttemptSlot, AttemptToken};
use crate::network::routes::CORE_NETWORK;
use crate::smsc::pushes::{Push, PushIndex, flag};
use crate::smsc::row_ids::{row_at, row_id, row_position};
use crate::smsc::rows::{NewRow, RowBefore, owner_of};
use crate::smsc::state::State;
use crate::smsc::wait_reason::WaitReason;
use wire::sms::limits::TIME_OCTETS;
use wire::terms::code::Code;
use wire::terms::time::{SteadyMs, WallMs};

/// How long a row of which carriers have some waits while nothing of it may be sent.
const POSTPONED_MS: u64 = 1_000;

impl Part {
    /// A row as the message center takes it, by this route and in this form; `None` where it has
    /// no text.
    pub(super) fn new_row(&self, place: u32, (route, form): (u8, TextForm)) -> Option<NewRow> {
        let number = self.number_of(place);
        let (terms, recipient) = (&self.broadcast.terms, self.broadcast.recipients.row(number));
        let segments = self.broadcast.segments_in(recipient.text, form)?;
        let (word, mark) = (self.slice.word(place), self.slice.mark(place));
        let before = RowBefore {
            attempts: word.attempts,
            delivered_mask: mark & ARRIVED,
            in_doubt: mark & MAY_HAVE_IT != 0,
            // 0: its record names none, as of what was under way when cleaning moved it.
            code: Code::from_number(word.code)
                .filter(|code| word.outcome == Outcome::Held && *code != Code::ACCEPTED),
            handing: self.handed_before(place),
            withdrawn: mark & WITHDRAWN != 0,
        };
        Some(NewRow {
            push_id: row_id(terms.ordinal, number),
            position: row_position(terms.ordinal, place),
            owner: owner_of(terms.xpid.value()),
            msn: recipient.msn,
            class: terms.class,
            segments,
            expires_ms: self.expires,
            once: terms.once,
            route,
            form: form.number(),
            before,
        })
    }

    /// What of a row's attempt its broadcast says; segments that are settled are left out.
    fn fill(&self, (place, form): (u32, TextForm), settled: u16, slot: &mut AttemptSlot) {
        let broadcast = &self.broadcast;
        let recipient = broadcast.recipients.row(self.number_of(place));
        slot.msn = recipient.msn;
        slot.message_reference = broadcast.message_reference;
        slot.scts = broadcast.scts;
        let text = broadcast.text_in(recipient.text, form);
        for (segment, deliver) in text.iter().flat_map(|text| text.delivers.iter().enumerate()) {
            if settled >> segment & 1 == 1 {
                continue;
            }
            let encoded = slot.encode(segment, |out| {
                out[..deliver.len()].copy_from_slice(deliver);
                Ok::<_, ()>(deliver.len())
            });
            debug_assert!(encoded.is_ok(), "a copy does not fail");
        }
    }

    /// What a carrier is told of a row beside that; it may go until then.
    fn fill_for_carrier(
        &self,
        push: &Push,
        (expires, leaves_by): (WallMs, SteadyMs),
        slot: &mut AttemptSlot,
    ) {
        slot.push_id = push.push_id;
        (slot.expires_ms, slot.leaves_by_ms) = (expires, leaves_by);
        slot.in_doubt = push.has(flag::IN_DOUBT);
        // Beside what the carrier is set up with.
        slot.doubt_is_final |= self.on_doubt == OnDoubt::Leave;
        slot.set_sender(self.broadcast.terms.sender.as_bytes());
    }

    /// A row has its turn. The first counts against its XPID's volume of the day, if it comes to an
    /// attempt: one that is used up stops the broadcast before the row begins.
    fn begin(
        &mut self,
        (place, is_first): (u32, bool),
        registered: Option<&Registered>,
        seconds: u32,
        now_ms: WallMs,
    ) -> Turn {
        let counted = registered.filter(|_| is_first);
        if counted.is_some_and(|registered| !registered.meter.has_volume(now_ms)) {
            self.stop(Code::VOLUME_USED_UP);
        }
        let turn = self.slice.begin(place, seconds);
        if let (Turn::Attempt, Some(registered)) = (turn, counted) {
            registered.meter.charge(now_ms);
        }
        turn
    }

    /// Something is wrong with its registration: it is paused, until somebody resumes it.
    pub(super) fn stop(&mut self, why: Code) {
        if self.slice.life().begins_rows() {
            tracing::warn!(ordinal = self.ordinal(), %why, "a broadcast is paused");
            self.stopped_by = Some(why);
            self.slice.order(Order::Pause);
        }
    }
}

impl Broadcasts {
    /// The part of a row in the message center, and the row's place in it.
    pub(super) fn of_push(&mut self, push: &Push) -> Option<(&mut Part, u32)> {
        let (ordinal, place) = row_at(push.position)?;
        self.find_mut(ordinal).map(|part| (part, place))
    }

    /// The same, to be looked at.
    pub(super) fn of_push_ref(&self, push: &Push) -> Option<(&Part, u32)> {
        let (ordinal, place) = row_at(push.position)?;
        self.find(ordinal).map(|part| (part, place))
    }

    /// When a row's broadcast was started; `None` where it is the place of an
    /// Accepted record.
    pub(in crate::shard) fn started_ms(&self, position: u64) -> Option<WallMs> {
        let (ordinal, _) = row_at(position)?;
        let started_ms =
            self.find(ordinal).map_or(WallMs::ZERO, |part| part.broadcast.terms.started_ms);
        Some(started_ms)
    }

    /// One row less waits for its first attempt.
    pub(super) fn note_begun(&mut self, push: &Push) {
        if push.route() != CORE_NETWORK {
            return self.by_route.leave(push.route());
        }
        let queued = &mut self.queued[class_place(push.class)];
        *queued = queued.saturating_sub(1);
    }

    /// One row more does.
    pub(super) fn note_queued(&mut self, push: &Push) {
        if push.route() != CORE_NETWORK {
            return self.by_route.enter(push.route());
        }
        self.queued[class_place(push.class)] += 1;
    }
}

impl<L: Log> Shard<L> {
    pub(super) fn has_place_for_row(&self) -> bool {
        self.core.has_place_for_row(SLAB_PERCENT_MAX)
    }

    /// A row was polled: fills the slot of its attempt, unless it is not to be attempted any more,
    /// or not now; then it has left the message center.
    pub(in crate::shard) fn begin_row(
        &mut self,
        index: PushIndex,
        slot: &mut AttemptSlot,
        now_ms: WallMs,
    ) -> bool {
        // Receipts may have settled the last of it while it was on its way here.
        if self.core.hand_over_settled(index, self.pace.center(now_ms))
            || self.core.is_at_carrier(index) && self.postpones(index, now_ms)
        {
            return false;
        }
        let (push, now) = (*self.core.push(index), self.pace.center(now_ms));
        let (in_flight, slots) = (self.broadcasts.in_flight, self.broadcasts.slots);
        let Some((part, place)) = self.broadcasts.of_push(&push) else {
            self.core.take_row_back(index);
            return false;
        };
        let is_first = part.slice.word(place).outcome == Outcome::Waiting;
        let by_network = is_first && push.route() == CORE_NETWORK;
        let has_no_slot = by_network && in_flight >= part.slots_max(slots);
        let registered = self.registry.find(part.broadcast.terms.xpid);
        let seconds = part.seconds(now);
        let alert = (&self.fingerprints, &self.core);
        let turn = match by_alert(alert, &part.broadcast.terms, push.msn()) {
            (Some(end), _) => {
                part.slice.change_to_end(place, end, seconds);
                Turn::Ended
            }
            // Rows of a higher class took the share since it was put in.
            (None, _) if has_no_slot => Turn::NotNow,
            (None, _) => part.begin((place, is_first), registered, seconds, now_ms),
        };
        if turn != Turn::Attempt {
            part.in_center -= 1;
            part.note_left(place);
            match turn {
                Turn::NotNow if is_first => part.give_back(place),
                Turn::NotNow => part.parked.push_back(place),
                _ => {}
            }
        } else {
            slot.token = AttemptToken { partition: self.number as u32, push: index };
            slot.class = push.class;
            slot.attempts_before = u16::from(push.attempts());
            let svcinst = registered.map(|registered| registered.registration.svcinst);
            slot.svcinst = svcinst.unwrap_or_default();
            let form = TextForm::from_number(push.key);
            part.fill((place, form), self.core.settled_mask(index), slot);
            if push.route() != CORE_NETWORK {
                let expires = self.pace.real(push.expires_ms());
                part.fill_for_carrier(&push, (expires, self.pace.steady(expires)), slot);
            }
        }
        if is_first {
            self.broadcasts.note_begun(&push);
        }
        if turn != Turn::Attempt {
            self.core.take_row_back(index);
        }
        turn == Turn::Attempt
    }

    /// Whether a row of which carriers have some is not to go on now. What they have is not
    /// forgotten: their receipts decide.
    fn postpones(&mut self, index: PushIndex, now_ms: WallMs) -> bool {
        let (push, now) = (*self.core.push(index), self.pace.center(now_ms));
        let Some((part, _)) = self.broadcasts.of_push(&push) else { return false };
        let alert = (&self.fingerprints, &self.core);
        let end = by_alert(alert, &part.broadcast.terms, push.msn()).0;
        let end = end.or_else(|| part.slice.life().end());
        let postpones = end.is_some() || !part.slice.goes_on();
        if postpones {
            self.core.postpone_row(index, POSTPONED_MS, now);
        }
        if let Some(end) = end {
            self.core.withdraw_row(index, withdrawal(end), now);
        }
        postpones
    }

    /// What a status report names a row's segments by: TP-MR of the first, and TP-SCTS.
    pub(in crate::shard) fn row_reference(&self, push: &Push) -> Option<(u8, [u8; TIME_OCTETS])> {
        let (ordinal, _) = row_at(push.position)?;
        // A row leaves before its broadcast does.
        let broadcast = self.broadcasts.find(ordinal).map(|part| &part.broadcast);
        broadcast
            .map(|broadcast| (broadcast.message_reference, broadcast.scts))
            .or(Some((0, [0; _])))
    }

    /// A row's attempt did not deliver: it waits, until then.
    pub(in crate::shard) fn note_row_held(&mut self, index: PushIndex, next_ms: WallMs) {
        let push = *self.core.push(index);
        let next = self.pace.center(next_ms);
        let Some((part, place)) = self.broadcasts.of_push(&push) else { return };
        if push.hold_reason() == WaitReason::SystemFailure.number() {
            part.bucket.congested();
        }
        let (due, code) = (part.seconds(next), Some(push.code.number()));
        let doubt = if push.has(flag::IN_DOUBT) { MAY_HAVE_IT } else { 0 };
        part.slice.note_mark(place, push.delivered_mask | doubt);
        part.slice.ended_with(place, (Outcome::Held, code), push.delivered(), due);
        self.core.note_hold_recorded(index);
    }

    /// A row is attempted sooner than its record says: that is written down first.
    pub(in crate::shard) fn journal_row_begin(&mut self, index: PushIndex, now_ms: WallMs) {
        let push = *self.core.push(index);
        let now = self.pace.center(now_ms);
        let mut broadcasts = std::mem::take(&mut self.broadcasts);
        if let Some((part, place)) = broadcasts.of_push(&push) {
            if part.slice.word(place).outcome == Outcome::Held {
                let seconds = part.seconds(now);
                part.slice.release(place, seconds);
            }
            self.flush(part, now_ms);
        }
        self.broadcasts = broadcasts;
        let sequence = self.journal.appended().saturating_sub(1);
        self.core.handle_begin_journaled(index, sequence);
    }

    /// A row has ended: its slice is told, and it leaves.
    pub(in crate::shard) fn row_ended(&mut self, index: PushIndex, now_ms: WallMs) {
        let push = *self.core.push(index);
        let now = self.pace.center(now_ms);
        if let Some((part, place)) = self.broadcasts.of_push(&push) {
            part.in_center -= 1;
            part.note_left(place);
            let before = part.slice.word(place).outcome;
            let seconds = part.seconds(now);
            // Delivered of one that is in flight, and every other end of whatever is open.
            if !before.is_final() {
                let (outcome, code) = outcome_of(&push);
                part.slice.ended_with(place, (outcome, Some(code)), push.delivered(), seconds);
            }
            if before == Outcome::Waiting {
                self.broadcasts.note_begun(&push);
            }
        }
        self.core.forget_row(index);
    }
}

/// What became of a row, with its code. Whoever withdraws a text has to know who may have it: what
/// arrived in part is told so however it ended, and what may have arrived is in doubt.
fn outcome_of(push: &Push) -> (Outcome, u16) {
    let outcome = match push.state {
        State::Delivered => Outcome::Delivered,
        _ if push.delivered_mask != 0 => return (Outcome::Partial, Code::PARTIAL.number()),
        // A carrier has it, or had, and nobody says what became of it.
        _ if push.code == Code::NO_RECEIPT => return (Outcome::InDoubt, push.code.number()),
        _ if push.has(flag::IN_DOUBT) => return (Outcome::InDoubt, LEFT_IN_DOUBT),
        State::Partial => Outcome::Partial,
        State::Refused => Outcome::Refused,
        State::Failed => Outcome::Failed,
        State::Expired => Outcome::Expired,
        State::Cancelled => Outcome::Cancelled,
        State::Replaced => Outcome::Replaced,
        open => unreachable!("{open:?} is no end"),
    };
    (outcome, push.code.number())
}
