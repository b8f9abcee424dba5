//! What follows when a push ends: its journal record, its billing event, its notifications.

use super::books::Owed;
use super::events::ended_event;
use super::{NotificationOrder, Shard, fatal_if_full};
use crate::billing::Log;
use crate::journal::{
    Accepted, ArchivedNotified, CancelAccepted, Ended, Held, Notified, Position, Progress,
};
use crate::network::port::Asked;
use crate::shard::events::accepted_event;
use crate::smsc::core::{Effect, FinishOutcome, NotificationKind};
use crate::smsc::ended::EndedPush;
use crate::smsc::mutation::CoreMutation;
use crate::smsc::pushes::{Push, PushIndex, flag};
use crate::smsc::recovery::RecoveredNotice;
use crate::testing::kill_points::{KillPoint, kill_point};
use wire::push::notify;
use wire::push::notify::{Notification, Subject};
use wire::push::notify_url::NotifyUrl;
use wire::push::sign::Secret;
use wire::terms::domain::Domain;
use wire::terms::ids::{Class, Msn, Xpid};
use wire::terms::time::WallMs;

/// Outcomes of a Notified record: everything due was acknowledged; one is parked, and the push
/// stays; what was parked was let go.
const NOTICE_ACKNOWLEDGED: u8 = 0;
const NOTICE_PARKED: u8 = 1;
const NOTICE_LET_GO: u8 = 2;

/// Endings whose keys are fetched from memory at a time.
const ENDS_FETCHED: usize = 8;

/// An end whose record is not durable yet. What the record says is kept for the books, and for the
/// key.
pub(super) struct Ending {
    pub(super) sequence: u64,
    index: PushIndex,
    record: Ended,
}

/// How a notification went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotificationResult {
    /// HTTP 2xx and code 0000.
    Acknowledged,
    /// Anything else; the push client may have said when to come again.
    Failed { retry_after_seconds: Option<u32> },
    /// HTTP 410: the push client wants none there, now or later.
    Gone,
}

impl<L: Log> Shard<L> {
    /// Carries out what the message center asks for.
    pub(super) fn carry_out_effects(&mut self, now_ms: WallMs) -> bool {
        let mut busy = false;
        while let Some(effect) = self.core.take_effect() {
            busy = true;
            match effect {
                Effect::Progress(index) => self.journal_progress(index, now_ms),
                Effect::Begin(index) if self.core.push(index).is_row() => {
                    self.journal_row_begin(index, now_ms);
                }
                Effect::Begin(index) => self.journal_begin(index, now_ms),
                Effect::Handed(index) => self.journal_handed(index, now_ms),
                Effect::Elsewhere(index, mask) => self.journal_elsewhere(index, mask, now_ms),
                Effect::Ask(index) => self.ask_carriers(index, Asked::Query),
                Effect::CancelAccepted(index) if self.core.push(index).is_row() => {
                    self.ask_carriers(index, Asked::Cancel);
                }
                Effect::CancelAccepted(index) => {
                    self.journal_cancel(index, now_ms);
                    self.ask_carriers(index, Asked::Cancel);
                }
                Effect::Ended(index) if self.core.push(index).is_row() => {
                    self.row_ended(index, now_ms);
                }
                Effect::Ended(index) => self.journal_end(index),
                Effect::Notify(push, kind) => {
                    self.notifications.push_back(NotificationOrder { push, kind });
                }
                Effect::NotifyBySmpp(push, kind) => {
                    self.customer_orders.push_back(NotificationOrder { push, kind });
                }
                Effect::Parked { push_id, position, kind, tries } => {
                    let xpid = xpid_of(&self.journal.accepted(Position::from_bits(position)));
                    self.parked_news.note(xpid);
                    let record = parked_record(push_id, kind, tries, now_ms);
                    fatal_if_full(self.journal.append_notified(&record));
                }
                Effect::Finished { push_id, position, outcome, tries } => {
                    let outcome = match outcome {
                        FinishOutcome::NothingDue => None,
                        FinishOutcome::Acknowledged => Some(NOTICE_ACKNOWLEDGED),
                        FinishOutcome::LetGo => Some(NOTICE_LET_GO),
                    };
                    if let Some(outcome) = outcome {
                        let tries = u16::from(tries).saturating_add(1);
                        let record = Notified {
                            push_id,
                            cancellation: false,
                            at_ms: now_ms.ms(),
                            outcome,
                            tries,
                        };
                        fatal_if_full(self.journal.append_notified(&record));
                    }
                    self.journal.release(Position::from_bits(position));
                }
            }
        }
        busy
    }

    /// Everything below the durable mark: pushes may be attempted, endings are billed and notified.
    pub(super) fn settle_durable(&mut self, now_ms: WallMs) -> bool {
        let durable = self.durable();
        let (journal, billing, shard) = (&self.journal, &mut self.billing, self.number as u16);
        let ended_from = self.ended.front().map_or(durable, |ending| ending.sequence);
        let (owed, mut busy) = (&mut self.owed, false);
        self.core.handle_durable(durable, |push| {
            busy = true;
            if let Some(owed) = owed {
                return owed.note();
            }
            let accepted = journal.accepted(Position::from_bits(push.position));
            if !billing.append(&accepted_event(&accepted, shard), now_ms) {
                *owed = Some(Owed::from(push.push_id, ended_from));
            }
        });
        let settled = if self.mutation == CoreMutation::BillEndEarly {
            self.journal.appended()
        } else {
            durable
        };
        let mut fetched = 0;
        while self.ended.front().is_some_and(|ending| ending.sequence < settled)
            && let Some(Ending { sequence, index, record }) = self.ended.pop_front()
        {
            busy = true;
            if fetched == 0 {
                fetched = self.fetch_ends(&record);
            }
            fetched -= 1;
            kill_point(KillPoint::EndedUnbilled);
            let event = ended_event(&record, shard);
            match &mut self.owed {
                Some(owed) => owed.note(),
                None if self.billing.append(&event, now_ms) => {}
                owed => *owed = Some(Owed::from(durable, sequence)),
            }
            kill_point(KillPoint::EndedBilled);
            self.core.handle_end_durable(index, record.content_digest);
            self.carry_out_effects(now_ms);
        }
        busy | self.keep_books(durable, now_ms)
    }

    /// Has the processor fetch what this ending and the next will ask for, several at a time as
    /// [`Self::fetch`] does; how many these are.
    fn fetch_ends(&self, first: &Ended) -> usize {
        let next = self.ended.iter().take(ENDS_FETCHED - 1).map(|ending| &ending.record);
        for record in std::iter::once(first).chain(next) {
            self.core.prefetch_end(record.key_fingerprint, record.push_id);
        }
        ENDS_FETCHED
    }

    /// The next notification to send. Nothing is to be said of what is done with or parked by now.
    pub fn take_notification(&mut self) -> Option<NotificationOrder> {
        while let Some(order) = self.notifications.pop_front() {
            if self.core.ended_by(order.push).is_some() {
                return Some(order);
            }
        }
        None
    }

    /// Writes the request that carries `order` to `url`; returns what its acknowledgement has to
    /// name. `None` when the push is done with by now.
    pub fn write_notification(
        &self,
        order: NotificationOrder,
        url: &NotifyUrl,
        out: &mut Vec<u8>,
    ) -> Option<Subject> {
        self.write_signed_notification(order, url, (&[], 0), out)
    }

    /// The same, signed under these secrets at that Unix time in seconds.
    pub fn write_signed_notification(
        &self,
        order: NotificationOrder,
        url: &NotifyUrl,
        signing: (&[Secret], u64),
        out: &mut Vec<u8>,
    ) -> Option<Subject> {
        let push = self.core.ended_by(order.push)?;
        let accepted = self.journal.accepted(Position::from_bits(push.position));
        let cancellation = order.kind == NotificationKind::Cancellation;
        let mut id = [0u8; 20];
        notification_id(push.push_id, cancellation, &mut id);
        let alert_id = accepted.alert_id;
        let notification = Notification {
            cancellation,
            class: push.class,
            msn: push.msn(),
            reqid: accepted.reqid(),
            xpid: xpid_of(&accepted),
            segments: push.segments,
            code: if cancellation { push.cancel_code() } else { push.code },
            delivered: push.delivered(),
            withdrawn: if cancellation { push.withdrawn() } else { 0 },
            completed_ms: self.pace.real(push.ended_ms()).ms(),
            notification_id: &id,
            try_number: u16::from(push.tries) + 1,
            domain: push.domain,
            tp_status: Some(push.tp_status),
            alert_id: (!alert_id.is_empty()).then_some(alert_id),
        };
        notify::write_signed_notification(out, url, &notification, signing);
        Some(Subject::of(&notification))
    }

    /// Where the notifications of this push go: its XPID.
    ///
    /// # Panics
    /// When the push is done with by now: to be asked of an order that was just taken.
    pub fn notification_xpid(&self, order: NotificationOrder) -> Xpid {
        match self.core.ended_by(order.push) {
            Some(push) => xpid_of(&self.journal.accepted(Position::from_bits(push.position))),
            None => unreachable!("the order was taken when nothing of the push was due"),
        }
    }

    /// Settles a notification that was sent, or could not be.
    pub fn settle_notification(
        &mut self,
        order: NotificationOrder,
        result: NotificationResult,
        now_ms: WallMs,
    ) {
        match result {
            NotificationResult::Acknowledged => {
                kill_point(KillPoint::Acknowledged);
                self.counted.notifications_acknowledged += 1;
                self.core.handle_acknowledged(order.push, order.kind);
            }
            NotificationResult::Failed { retry_after_seconds } => {
                self.counted.notifications_failed += 1;
                let random = self.next_random();
                self.core.handle_notification_failed(
                    order.push,
                    order.kind,
                    retry_after_seconds.map(|seconds| self.pace.center_seconds(seconds)),
                    self.pace.center(now_ms),
                    random,
                );
            }
            //= push notify gone
            NotificationResult::Gone => {
                self.counted.notifications_failed += 1;
                if self.core.ended_by(order.push).is_some() {
                    self.parked_news.note_gone(self.notification_xpid(order));
                }
                self.core.handle_notification_gone(
                    order.push,
                    order.kind,
                    self.pace.center(now_ms),
                );
            }
        }
        self.carry_out_effects(now_ms);
    }

    pub(super) fn journal_progress(&mut self, index: PushIndex, now_ms: WallMs) {
        let push = self.core.push(index);
        if push.is_row() {
            // What arrived of it is told with its outcome.
            return;
        }
        fatal_if_full(self.journal.append_progress(&progress_record(push, now_ms)));
    }

    pub(super) fn journal_begin(&mut self, index: PushIndex, now_ms: WallMs) {
        let push = self.core.push(index);
        let begun = begun_of(push).max(Progress::BEGUN);
        let record = Progress { begun, ..progress_record(push, now_ms) };
        let (_, sequence) = fatal_if_full(self.journal.append_progress(&record));
        self.core.handle_begin_journaled(index, sequence);
    }

    fn journal_cancel(&mut self, index: PushIndex, now_ms: WallMs) {
        let push = self.core.push(index);
        let record =
            CancelAccepted::of_push(push.push_id, now_ms.ms(), push.key, push.is_cancel_told());
        fatal_if_full(self.journal.append_cancel(&record));
    }

    fn journal_end(&mut self, index: PushIndex) {
        let record = self.ended_record(&EndedPush::of(self.core.push(index)));
        let (_, sequence) = fatal_if_full(self.journal.append_ended(&record));
        self.ids.forget(index);
        self.ended.push_back(Ending { sequence, index, record });
    }

    /// The Ended record of an ended push.
    pub(super) fn ended_record(&self, push: &EndedPush) -> Ended {
        let accepted = self.journal.accepted(Position::from_bits(push.position));
        Ended {
            push_id: push.push_id,
            key_fingerprint: accepted.key_fingerprint,
            content_digest: accepted.content_digest,
            alert_key_fingerprint: accepted.alert_key_fingerprint,
            msn: push.msn().value(),
            xpid: accepted.xpid,
            accepted_ms: accepted.accepted_ms,
            ended_ms: self.pace.real(push.ended_ms()).ms(),
            code: push.code.number(),
            state: push.state.number(),
            class: push.class.number(),
            kind: accepted.kind,
            segments: push.segments,
            delivered: push.delivered(),
            withdrawn: push.withdrawn(),
            domain: Domain::number_of(push.domain),
            tp_status: push.tp_status,
            alert_sequence: accepted.alert_sequence,
            notification_due: push.is_told(),
            end_number: push.end_number,
        }
    }
}

pub(super) fn progress_record(push: &Push, now_ms: WallMs) -> Progress {
    Progress {
        push_id: push.push_id,
        delivered_mask: push.delivered_mask,
        attempts: u16::from(push.attempts()),
        code: push.code.number(),
        at_ms: now_ms.ms(),
        in_doubt: push.has(flag::IN_DOUBT),
        begun: begun_of(push),
    }
}

/// What records say of an attempt that may be under way.
fn begun_of(push: &Push) -> u8 {
    match push.has_begun() {
        _ if push.has(flag::BEGUN_FOR_GOOD) => Progress::BEGUN_FOR_GOOD,
        true => Progress::BEGUN,
        false => Progress::NOT_BEGUN,
    }
}

/// That a push is held, and when it is tried again; `None` at once.
pub(super) fn held_record(push: &Push, now_ms: WallMs, next_ms: Option<WallMs>) -> Held {
    Held {
        push_id: push.push_id,
        at_ms: now_ms.ms(),
        next_ms: next_ms.map_or(0, WallMs::ms),
        delivered_mask: push.delivered_mask,
        attempts: u16::from(push.attempts()),
        code: push.code.number(),
        reason: push.hold_reason(),
        domain: Domain::number_of(push.domain()),
        holds: push.holds(),
        in_doubt: push.has(flag::IN_DOUBT),
    }
}

/// That a notification of this push is parked, after so many tries.
pub(super) fn parked_record(
    push_id: u64,
    kind: NotificationKind,
    tries: u8,
    now_ms: WallMs,
) -> Notified {
    Notified {
        push_id,
        cancellation: kind == NotificationKind::Cancellation,
        at_ms: now_ms.ms(),
        outcome: NOTICE_PARKED,
        tries: u16::from(tries),
    }
}

/// What a Notified record says.
pub(super) fn notice(record: &ArchivedNotified) -> RecoveredNotice {
    match (record.outcome, record.cancellation) {
        (NOTICE_PARKED, false) => RecoveredNotice::Parked(NotificationKind::Complete),
        (NOTICE_PARKED, true) => RecoveredNotice::Parked(NotificationKind::Cancellation),
        _ => RecoveredNotice::Finished,
    }
}

pub(super) fn xpid_of(accepted: &Accepted<'_>) -> Xpid {
    let xpid = Xpid::from_value(accepted.xpid);
    xpid.expect("an accepted push carries an XPID that was parsed")
}

/// `ntfid`: the shard that accepted the push, its number and which of the two notifications; the
/// same on every resend, after a restart, and with another number of shards.
//= push notify same
fn notification_id(push_id: u64, cancellation: bool, id: &mut [u8; 20]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let shard = crate::journal::numbering::origin(push_id);
    id[0] = HEX[usize::from(shard >> 4)];
    id[1] = HEX[usize::from(shard & 15)];
    for (at, octet) in id[2..18].iter_mut().enumerate() {
        *octet = HEX[(push_id >> (60 - 4 * at) & 15) as usize];
    }
    id[18] = b'-';
    id[19] = if cancellation { b'7' } else { b'5' };
}

/// What the two parts of a record's class and msn are after a journal was read: asserted, since it
/// was written from parsed values and its checksum held.
pub(super) fn identity(accepted: &Accepted<'_>) -> Option<(Msn, Class)> {
    Some((Msn::from_value(accepted.msn)?, Class::from_number(accepted.class)?))
}
