//! The book of a run: what became of every request, in two octets each.
//!
//! Senders write what was sent and answered, the sink what was notified; both at once, without
//! locks. The book is balanced by `tally`, at the end and as often as one likes before. Invariants:
//! a flag once set stays set; a push counts as notified once, by its first notification; a
//! notification may come before the answer, so whether one was unexpected is only told by the
//! tally.

mod answers;
mod codes;
mod receipts;
mod tally;
#[cfg(test)]
mod tests;

pub use answers::Answers;
pub use tally::Tally;

use crate::acts::Deed;
use crate::clock::Clock;
use crate::mix::Mix;
use crate::msns::Destinations;
use crate::notification::Notification;
use crate::plan::{Load, Plan};
use crate::reqid::RunId;
use crate::schedule::Schedule;
use answers::Asked;
use codes::Codes;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};
use wire::terms::ids::XPID_DIGITS;

const SENT: u16 = 1;
const ACCEPTED: u16 = 2;
const REFUSED: u16 = 4;
const NOTIFIED: u16 = 8;
const DELIVERED: u16 = 16;
const DUPLICATED: u16 = 32;
/// Answered 0000, as its key's first.
const FIRST: u16 = 64;
/// A cancel of it was sent.
const CANCEL_SENT: u16 = 128;
/// A cancel of it was accepted.
const CANCELLED: u16 = 256;
/// The notification that ends its cancel (E7) has come.
const WITHDRAWN: u16 = 512;
/// Its end was told by that notification.
const ENDED_BY_CANCEL: u16 = 1024;
/// Answered by HTTP without a push response.
const HTTP_ERROR: u16 = 2048;
/// Submitted to an SMSC again, since it may have been taken or not.
const IN_DOUBT: u16 = 4096;
/// Taken by an SMSC that gave it no id.
const NAMELESS: u16 = 8192;
/// Taken by an SMSC twice: receipts of two messages came for it.
const TWICE: u16 = 16384;

/// E7's code for a cancel that came too late: the push has its own notification beside it.
const LOST_THE_RACE: u16 = 3003;

/// The book.
pub struct Ledger {
    run: RunId,
    xpids: Vec<[u8; XPID_DIGITS]>,
    destinations: Destinations,
    mix: Mix,
    seed: u64,
    notify: bool,
    /// Whether the run was ended before its time: what is missing then is not lost.
    cut_short: AtomicBool,
    schedule: Option<Schedule>,
    clock: Clock,
    /// Unix time of the clock's origin.
    origin_unix_ns: u64,
    start_ns: AtomicU64,
    warm_up: u64,
    flags: Box<[AtomicU16]>,
    /// Low 32 bits of the first send's time in microseconds; empty without notifications.
    sent_us: Box<[AtomicU32]>,
    /// A digest of the first notification's id and code.
    marks: Box<[AtomicU32]>,
    sending: Sending,
    sinking: Sinking,
    answer_codes: Codes,
    http_errors: Codes,
    notification_codes: Codes,
    asked: Asked,
}

/// Counters that senders write.
#[derive(Default)]
#[repr(align(128))]
struct Sending {
    attempted: AtomicU64,
    accepted: AtomicU64,
    repeated: AtomicU64,
    refused: AtomicU64,
    abandoned: AtomicU64,
    http_errors: AtomicU64,
    accepted_twice: AtomicU64,
    others_sent: AtomicU64,
    others_answered: AtomicU64,
    last_answer_ns: AtomicU64,
}

/// Counters that the sink writes, on cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
struct Sinking {
    notified: AtomicU64,
    delivered: AtomicU64,
    segments: AtomicU64,
    resent: AtomicU64,
    duplicated: AtomicU64,
    foreign: AtomicU64,
    taken_twice: AtomicU64,
    last_notification_ns: AtomicU64,
}

/// How long a push took to its notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Times {
    /// From the intended (open loop) or actual send to the notification's arrival.
    pub(crate) notification_ns: u64,
    /// From the same to the last moment at which it can have been delivered; `None` if it was not.
    pub(crate) delivery_ns: Option<u64>,
    /// From the intended to the actual send.
    pub(crate) late_ns: u64,
    /// Whether the push is of the warm-up.
    pub(crate) warm_up: bool,
}

/// What a notification was to the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Noted {
    /// The push's first.
    First(Times),
    /// Of a cancel: the push was withdrawn, or the cancel came too late.
    Cancel,
    /// The same notification again.
    Resent,
    /// Another notification for a push that had one.
    Duplicated,
    /// For no push of this run.
    Foreign,
}

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Progress {
    /// Pushes sent.
    pub attempted: u64,
    /// Pushes accepted.
    pub accepted: u64,
    /// Pushes refused.
    pub refused: u64,
    /// Pushes given up: sent as often as a push may be and never answered.
    pub abandoned: u64,
    /// Pushes answered by HTTP without a push response.
    pub http_errors: u64,
    /// Pushes notified.
    pub notified: u64,
    /// Pushes notified as delivered.
    pub delivered: u64,
}

impl Ledger {
    /// An empty book for `plan`. Takes ten octets a request, two without notifications.
    pub(crate) fn new(plan: &Plan, clock: Clock) -> Self {
        let schedule = match &plan.load {
            Load::Closed => None,
            Load::Open { rate_per_second } => Some(Schedule::constant(*rate_per_second)),
            Load::Planned(schedule) => Some(schedule.clone()),
        };
        let marked = if plan.notify { plan.pushes } else { 0 };
        let unix =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self {
            run: plan.run,
            xpids: plan.clients().map(|client| client.xpid.digits()).collect(),
            mix: plan.mix.clone(),
            seed: plan.seed,
            origin_unix_ns: (unix.as_nanos() as u64).saturating_sub(clock.now_ns()),
            destinations: Destinations::new(plan.msns.clone(), plan.order, plan.seed),
            notify: plan.notify,
            cut_short: AtomicBool::new(false),
            schedule,
            clock,
            start_ns: AtomicU64::new(0),
            warm_up: plan.warm_up,
            flags: (0..plan.pushes).map(|_| AtomicU16::new(0)).collect(),
            sent_us: (0..marked).map(|_| AtomicU32::new(0)).collect(),
            marks: (0..marked).map(|_| AtomicU32::new(0)).collect(),
            sending: Sending::default(),
            sinking: Sinking::default(),
            answer_codes: Codes::new(),
            http_errors: Codes::new(),
            notification_codes: Codes::new(),
            asked: Asked::default(),
        }
    }

    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// How far the run is, from counters that are exact once the run has ended.
    pub fn progress(&self) -> Progress {
        Progress {
            attempted: self.sending.attempted.load(Relaxed),
            accepted: self.sending.accepted.load(Relaxed),
            refused: self.sending.refused.load(Relaxed),
            abandoned: self.sending.abandoned.load(Relaxed),
            http_errors: self.sending.http_errors.load(Relaxed),
            notified: self.sinking.notified.load(Relaxed),
            delivered: self.sinking.delivered.load(Relaxed),
        }
    }

    /// Balances the book.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally {
            duplicated: self.sinking.duplicated.load(Relaxed),
            unexpected: self.sinking.foreign.load(Relaxed),
            resent: self.sinking.resent.load(Relaxed),
            repeated: self.sending.repeated.load(Relaxed),
            accepted_twice: self.sending.accepted_twice.load(Relaxed),
            taken_twice: self.sinking.taken_twice.load(Relaxed),
            wrongly_answered: self.asked.wrong(),
            ..Tally::default()
        };
        let mut missing = 0;
        for (index, flags) in (0..).zip(&self.flags) {
            let flags = flags.load(Relaxed);
            let (accepted, notified) = (flags & ACCEPTED != 0, flags & NOTIFIED != 0);
            let unanswered = flags & SENT != 0 && flags & (ACCEPTED | REFUSED | HTTP_ERROR) == 0;
            // Nobody said whether these were accepted: a notification may come for them.
            let undecided = unanswered || flags & (ACCEPTED | REFUSED | HTTP_ERROR) == HTTP_ERROR;
            tally.unanswered += u64::from(unanswered);
            if flags & SENT != 0 && !self.is_push(index) {
                tally.other_requests += 1;
                continue;
            }
            let cancel_untold = flags & (CANCELLED | WITHDRAWN) == CANCELLED;
            tally.attempted += u64::from(flags & SENT != 0);
            tally.accepted += u64::from(accepted);
            tally.refused += u64::from(flags & REFUSED != 0);
            tally.delivered += u64::from(flags & DELIVERED != 0);
            tally.notified += u64::from(notified);
            tally.withdrawn += u64::from(flags & ENDED_BY_CANCEL != 0);
            tally.http_errors += u64::from(flags & HTTP_ERROR != 0);
            missing += u64::from(self.notify && accepted && (!notified || cancel_untold));
            tally.unexpected += u64::from(notified && !accepted && !undecided);
            tally.recovered += u64::from(notified && undecided);
        }
        match self.cut_short.load(Relaxed) {
            true => tally.not_awaited = missing,
            false => tally.lost = self.notify.then_some(missing),
        }
        tally
    }

    /// The run was ended before its time: what has no notification by now is not lost, nobody waits
    /// for it.
    pub(crate) fn cut_short(&self) {
        self.cut_short.store(true, Relaxed);
    }

    /// Accepted pushes without the notifications that are due for them.
    pub(crate) fn missing(&self) -> u64 {
        let tally = self.tally();
        tally.lost.unwrap_or(tally.not_awaited)
    }

    /// How many requests it has room for.
    pub(crate) fn requests(&self) -> u64 {
        self.flags.len() as u64
    }

    /// What was answered to the requests that are no plain pushes.
    pub fn answers(&self) -> Vec<Answers> {
        self.asked.answers()
    }

    /// How often each answer code came, ascending.
    pub fn answer_codes(&self) -> Vec<(u16, u64)> {
        self.answer_codes.counts()
    }

    /// How often each HTTP status came without a push response, ascending.
    pub fn http_errors(&self) -> Vec<(u16, u64)> {
        self.http_errors.counts()
    }

    /// How many answers came by the first digit of their code.
    pub(crate) fn answer_classes(&self) -> [u64; 10] {
        self.answer_codes.by_class()
    }

    /// How often each code came in a push's first notification, ascending.
    pub fn notification_codes(&self) -> Vec<(u16, u64)> {
        self.notification_codes.counts()
    }

    /// SMS segments that the first notifications reported as delivered.
    pub fn segments_delivered(&self) -> u64 {
        self.sinking.segments.load(Relaxed)
    }

    /// When the load started, the last final answer came and the last first notification came, on
    /// the run's clock.
    pub fn milestones_ns(&self) -> (u64, u64, u64) {
        let last_answer = self.sending.last_answer_ns.load(Relaxed);
        (self.start_ns.load(Relaxed), last_answer, self.sinking.last_notification_ns.load(Relaxed))
    }

    /// Fixes the start of the load.
    pub(crate) fn start(&self, now_ns: u64) {
        self.start_ns.store(now_ns, Relaxed);
    }

    /// The schedule of an open loop.
    pub(crate) fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_ref()
    }

    pub(crate) fn start_ns(&self) -> u64 {
        self.start_ns.load(Relaxed)
    }

    /// Requests sent and not answered.
    pub(crate) fn in_flight(&self) -> u64 {
        let progress = self.progress();
        let others =
            self.sending.others_sent.load(Relaxed) - self.sending.others_answered.load(Relaxed);
        let answered = progress.accepted + progress.refused + progress.http_errors;
        others + progress.attempted.saturating_sub(answered + progress.abandoned)
    }

    /// Pushes sent and not yet settled: notified, or without notifications answered; refused; given
    /// up.
    pub(crate) fn outstanding(&self) -> u64 {
        let progress = self.progress();
        let ended = if self.notify { progress.notified } else { progress.accepted };
        let failed = progress.refused + progress.http_errors + progress.abandoned;
        progress.attempted.saturating_sub(ended + failed)
    }

    /// What request `index` is.
    pub(crate) fn deed(&self, index: u64) -> Deed {
        self.mix.deed(self.seed, index)
    }

    fn is_push(&self, index: u64) -> bool {
        self.mix.is_plain() || matches!(self.deed(index), Deed::Push { .. })
    }

    /// A request goes out for the first time.
    pub(crate) fn note_sent(&self, index: u64, now_ns: u64) {
        if let Some(sent) = self.sent_us.get(index as usize) {
            sent.store((now_ns / 1_000) as u32, Relaxed);
        }
        let earlier = self.flags[index as usize].fetch_or(SENT, Relaxed);
        debug_assert_eq!(earlier & SENT, 0, "request {index} was sent for the first time twice");
        if self.is_push(index) {
            self.sending.attempted.fetch_add(1, Relaxed);
            return;
        }
        self.sending.others_sent.fetch_add(1, Relaxed);
        if let Deed::Cancel { of, .. } = self.deed(index) {
            self.flags[of as usize].fetch_or(CANCEL_SENT, Relaxed);
        }
    }

    /// Whether push `index` has its final answer.
    pub(crate) fn is_settled(&self, index: u64) -> bool {
        self.flags[index as usize].load(Relaxed) & (ACCEPTED | REFUSED) != 0
    }

    /// The final answer to a request. `early`: the push that it is about had no answer yet when it
    /// was sent.
    pub(crate) fn note_answer(&self, index: u64, code: u16, early: bool, now_ns: u64) {
        let accepted = code <= 1;
        let flag = if accepted { ACCEPTED } else { REFUSED };
        self.flags[index as usize].fetch_or(flag, Relaxed);
        self.sending.last_answer_ns.fetch_max(now_ns, Relaxed);
        let plain = self.mix.is_plain();
        let deed = if plain { Deed::Push { shape: 0 } } else { self.deed(index) };
        if let Deed::Push { .. } = deed {
            let counter = if accepted { &self.sending.accepted } else { &self.sending.refused };
            counter.fetch_add(1, Relaxed);
            if code == 1 {
                self.sending.repeated.fetch_add(1, Relaxed);
            }
        } else {
            self.sending.others_answered.fetch_add(1, Relaxed);
        }
        if !plain {
            self.judge(deed, index, code, early);
        }
    }

    /// The answer to a request was HTTP with this status and no push response: final, for nobody
    /// asked for it again.
    pub(crate) fn note_http_error(&self, index: u64, status: u16, now_ns: u64) {
        self.flags[index as usize].fetch_or(HTTP_ERROR, Relaxed);
        self.sending.last_answer_ns.fetch_max(now_ns, Relaxed);
        self.http_errors.count(status);
        match self.deed(index) {
            Deed::Push { .. } => {
                self.sending.http_errors.fetch_add(1, Relaxed);
            }
            deed => {
                self.sending.others_answered.fetch_add(1, Relaxed);
                self.asked.note(deed, format!("HTTP {status}"), false);
            }
        }
    }

    /// Holds the answer to a request against what it must be.
    fn judge(&self, deed: Deed, index: u64, code: u16, early: bool) {
        if code == 0 && matches!(deed, Deed::Push { .. } | Deed::Repeat { .. }) {
            // Of a push and its repeats only one may be the first.
            let earlier = self.flags[deed.subject(index) as usize].fetch_or(FIRST, Relaxed);
            self.sending.accepted_twice.fetch_add(u64::from(earlier & FIRST != 0), Relaxed);
        }
        let right = match deed {
            Deed::Push { .. } => return,
            Deed::Bad(fault) => code == fault.code(),
            Deed::Repeat { of, .. } => {
                code <= 1 || self.flags[of as usize].load(Relaxed) & REFUSED != 0
            }
            Deed::Cancel { of, .. } => {
                let subject = &self.flags[of as usize];
                if code == 0 {
                    subject.fetch_or(CANCELLED, Relaxed);
                }
                let unknown =
                    code == 3002 && (early || subject.load(Relaxed) & (REFUSED | HTTP_ERROR) != 0);
                matches!(code, 0 | 3003..=3005) || unknown
            }
        };
        self.asked.note(deed, format!("{code:04}"), right);
    }

    /// An answer, final or not, carried `code`.
    pub(crate) fn count_answer_code(&self, code: u16) {
        self.answer_codes.count(code);
    }

    /// A push is given up without an answer.
    pub(crate) fn note_abandoned(&self) {
        self.sending.abandoned.fetch_add(1, Relaxed);
    }

    /// A notification has come.
    pub(crate) fn note_notification(&self, notification: &Notification<'_>, now_ns: u64) -> Noted {
        let Some(index) = self.push_of(notification) else {
            self.sinking.foreign.fetch_add(1, Relaxed);
            return Noted::Foreign;
        };
        // Only the sink's thread comes here, so that looking and then marking is no race.
        let seen = self.flags[index as usize].load(Relaxed);
        if notification.cancellation {
            let earlier = self.flags[index as usize].fetch_or(WITHDRAWN, Relaxed);
            if earlier & WITHDRAWN != 0 {
                self.sinking.resent.fetch_add(1, Relaxed);
                return Noted::Resent;
            }
            if notification.code == LOST_THE_RACE {
                return Noted::Cancel;
            }
        }
        let mark = mark_of(notification);
        if seen & NOTIFIED == 0 {
            return self.note_first(index, notification, mark, now_ns);
        }
        if self.marks[index as usize].load(Relaxed) == mark {
            self.sinking.resent.fetch_add(1, Relaxed);
            return Noted::Resent;
        }
        self.flags[index as usize].fetch_or(DUPLICATED, Relaxed);
        self.sinking.duplicated.fetch_add(1, Relaxed);
        Noted::Duplicated
    }

    fn note_first(
        &self,
        index: u64,
        notification: &Notification<'_>,
        mark: u32,
        now_ns: u64,
    ) -> Noted {
        let delivered = notification.code == 0 && !notification.cancellation;
        self.marks[index as usize].store(mark, Relaxed);
        let how = if notification.cancellation {
            ENDED_BY_CANCEL
        } else {
            u16::from(delivered) * DELIVERED
        };
        self.flags[index as usize].fetch_or(NOTIFIED | how, Relaxed);
        self.sinking.notified.fetch_add(1, Relaxed);
        self.sinking.delivered.fetch_add(u64::from(delivered), Relaxed);
        self.sinking.segments.fetch_add(u64::from(notification.delivered_segments), Relaxed);
        self.sinking.last_notification_ns.store(now_ns, Relaxed);
        if notification.cancellation {
            return Noted::Cancel;
        }
        self.notification_codes.count(notification.code);
        let sent_ns = self.sent_ns(index, now_ns);
        let intended_ns = match &self.schedule {
            Some(schedule) => self.start_ns() + schedule.intended_ns(index),
            None => sent_ns,
        };
        // `completed_at` names a whole second: the push was delivered before its end, and before
        // this arrived.
        let delivered_ns = notification.completed_unix_s.map(|second| {
            ((second + 1) * 1_000_000_000).saturating_sub(self.origin_unix_ns).min(now_ns)
        });
        Noted::First(Times {
            notification_ns: now_ns.saturating_sub(intended_ns),
            delivery_ns: delivered_ns
                .filter(|_| delivered)
                .map(|at_ns| at_ns.saturating_sub(intended_ns)),
            late_ns: sent_ns.saturating_sub(intended_ns),
            warm_up: index < self.warm_up,
        })
    }

    /// Whether push `index` had a surplus notification.
    pub fn is_duplicated(&self, index: u64) -> bool {
        self.flags.get(index as usize).is_some_and(|flags| flags.load(Relaxed) & DUPLICATED != 0)
    }

    /// The indices of pushes accepted and not notified, the first `count` of them.
    pub fn lost(&self, count: usize) -> Vec<u64> {
        let lost = |(index, flags): &(u64, &AtomicU16)| {
            flags.load(Relaxed) & (ACCEPTED | NOTIFIED) == ACCEPTED && self.is_push(*index)
        };
        (0..).zip(&self.flags).filter(lost).map(|(index, _)| index).take(count).collect()
    }

    /// The push that a notification is about: reqid, msn and XPID must all be its, and a
    /// cancellation needs a cancel.
    fn push_of(&self, notification: &Notification<'_>) -> Option<u64> {
        let index = self
            .run
            .index_of(notification.reqid)
            .filter(|&index| index < self.flags.len() as u64)?;
        let ours = self.notify
            && notification.xpid == self.xpid_of(index)?
            && notification.msn == self.destinations.of(index).digits()
            && (!notification.cancellation
                || self.flags[index as usize].load(Relaxed) & CANCEL_SENT != 0);
        ours.then_some(index)
    }

    fn xpid_of(&self, index: u64) -> Option<[u8; XPID_DIGITS]> {
        if self.xpids.len() == 1 && self.mix.is_plain() {
            return self.xpids.first().copied();
        }
        match self.deed(index) {
            Deed::Push { shape } => self.xpids.get(self.mix.shapes()[shape].client).copied(),
            _ => None,
        }
    }

    /// When push `index` was first sent, on the run's clock.
    fn sent_ns(&self, index: u64, now_ns: u64) -> u64 {
        // 32 bits of microseconds wrap after 71 minutes; no latency that is told apart is so long.
        let sent_us = self.sent_us[index as usize].load(Relaxed);
        now_ns.saturating_sub(u64::from(((now_ns / 1_000) as u32).wrapping_sub(sent_us)) * 1_000)
    }
}

/// FNV-1a over the notification's id and code.
fn mark_of(notification: &Notification<'_>) -> u32 {
    let code = notification.code.to_le_bytes();
    let octets = notification.notification_id.iter().chain(&code);
    octets
        .fold(0x811c_9dc5, |mark: u32, &octet| (mark ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}
