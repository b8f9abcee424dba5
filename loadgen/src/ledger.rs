//! The book of a run: what became of every push, in one octet each.
//!
//! Senders write what was sent and answered, the sink what was notified; both at once, without locks. The book is
//! balanced by `tally`, at the end and as often as one likes before. Invariants: a flag once set stays set; a push
//! counts as notified once, by its first notification; a notification may come before the answer, so whether one
//! was unexpected is only told by the tally.

mod codes;
mod tally;

pub use tally::Tally;

use crate::clock::Clock;
use crate::msns::Destinations;
use crate::notification::Notification;
use crate::plan::{Load, Plan};
use crate::reqid::RunId;
use crate::schedule::Schedule;
use codes::Codes;
use hayauma::ids::XPID_DIGITS;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

const SENT: u8 = 1;
const ACCEPTED: u8 = 2;
const REFUSED: u8 = 4;
const NOTIFIED: u8 = 8;
const DELIVERED: u8 = 16;
const DUPLICATED: u8 = 32;

/// The book.
pub struct Ledger {
    run: RunId,
    xpid: [u8; XPID_DIGITS],
    destinations: Destinations,
    notify: bool,
    schedule: Option<Schedule>,
    clock: Clock,
    start_ns: AtomicU64,
    warm_up: u64,
    flags: Box<[AtomicU8]>,
    /// Low 32 bits of the first send's time in microseconds; empty where the schedule tells it.
    sent_us: Box<[AtomicU32]>,
    /// A digest of the first notification's id and code.
    marks: Box<[AtomicU32]>,
    sending: Sending,
    sinking: Sinking,
    answer_codes: Codes,
    notification_codes: Codes,
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
    last_notification_ns: AtomicU64,
}

/// What a notification was to the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Noted {
    /// The push's first: so long after its (intended) send time, and whether the push is of the warm-up.
    First { latency_ns: u64, warm_up: bool },
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
    /// Pushes notified.
    pub notified: u64,
    /// Pushes notified as delivered.
    pub delivered: u64,
}

impl Ledger {
    /// An empty book for `plan`. Takes nine octets a push in a closed loop, five in an open one.
    pub(crate) fn new(plan: &Plan, clock: Clock) -> Self {
        let schedule = match &plan.load {
            Load::Closed => None,
            Load::Open { rate_per_second } => Some(Schedule::constant(*rate_per_second)),
            Load::Planned(schedule) => Some(schedule.clone()),
        };
        let timed = if schedule.is_none() && plan.notify { plan.pushes } else { 0 };
        let marked = if plan.notify { plan.pushes } else { 0 };
        Self {
            run: plan.run,
            xpid: plan.xpid.digits(),
            destinations: Destinations::new(plan.msns.clone(), plan.order, plan.seed),
            notify: plan.notify,
            schedule,
            clock,
            start_ns: AtomicU64::new(0),
            warm_up: plan.warm_up,
            flags: (0..plan.pushes).map(|_| AtomicU8::new(0)).collect(),
            sent_us: (0..timed).map(|_| AtomicU32::new(0)).collect(),
            marks: (0..marked).map(|_| AtomicU32::new(0)).collect(),
            sending: Sending::default(),
            sinking: Sinking::default(),
            answer_codes: Codes::new(),
            notification_codes: Codes::new(),
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
            ..Tally::default()
        };
        for flags in &self.flags {
            let flags = flags.load(Relaxed);
            let (accepted, notified) = (flags & ACCEPTED != 0, flags & NOTIFIED != 0);
            let unanswered = flags & SENT != 0 && flags & (ACCEPTED | REFUSED) == 0;
            tally.attempted += u64::from(flags & SENT != 0);
            tally.accepted += u64::from(accepted);
            tally.refused += u64::from(flags & REFUSED != 0);
            tally.unanswered += u64::from(unanswered);
            tally.delivered += u64::from(flags & DELIVERED != 0);
            tally.notified += u64::from(notified);
            tally.lost += u64::from(self.notify && accepted && !notified);
            tally.unexpected += u64::from(notified && !accepted && !unanswered);
            tally.recovered += u64::from(notified && unanswered);
        }
        tally
    }

    /// How often each answer code came, ascending.
    pub fn answer_codes(&self) -> Vec<(u16, u64)> {
        self.answer_codes.counts()
    }

    /// How often each code came in a push's first notification, ascending.
    pub fn notification_codes(&self) -> Vec<(u16, u64)> {
        self.notification_codes.counts()
    }

    /// SMS segments that the first notifications reported as delivered.
    pub fn segments_delivered(&self) -> u64 {
        self.sinking.segments.load(Relaxed)
    }

    /// When the load started, the last final answer came and the last first notification came, on the run's clock.
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

    /// Pushes sent and not yet settled: notified, or without notifications answered; refused; given up.
    pub(crate) fn outstanding(&self) -> u64 {
        let progress = self.progress();
        let ended = if self.notify { progress.notified } else { progress.accepted };
        progress.attempted.saturating_sub(ended + progress.refused + progress.abandoned)
    }

    /// A push goes out for the first time.
    pub(crate) fn note_sent(&self, index: u64, now_ns: u64) {
        if let Some(sent) = self.sent_us.get(index as usize) {
            sent.store((now_ns / 1_000) as u32, Relaxed);
        }
        let earlier = self.flags[index as usize].fetch_or(SENT, Relaxed);
        debug_assert_eq!(earlier & SENT, 0, "push {index} was sent for the first time twice");
        self.sending.attempted.fetch_add(1, Relaxed);
    }

    /// The final answer to a push.
    pub(crate) fn note_answer(&self, index: u64, code: u16, now_ns: u64) {
        let accepted = code <= 1;
        let flag = if accepted { ACCEPTED } else { REFUSED };
        self.flags[index as usize].fetch_or(flag, Relaxed);
        let counter = if accepted { &self.sending.accepted } else { &self.sending.refused };
        counter.fetch_add(1, Relaxed);
        if code == 1 {
            self.sending.repeated.fetch_add(1, Relaxed);
        }
        self.sending.last_answer_ns.fetch_max(now_ns, Relaxed);
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
        let delivered = notification.code == 0;
        let flag = if delivered { NOTIFIED | DELIVERED } else { NOTIFIED };
        let mark = mark_of(notification);
        let seen = &self.flags[index as usize];
        // Only the sink's thread comes here, so that looking and then marking is no race.
        if seen.load(Relaxed) & NOTIFIED == 0 {
            self.marks[index as usize].store(mark, Relaxed);
            seen.fetch_or(flag, Relaxed);
            self.notification_codes.count(notification.code);
            self.sinking.notified.fetch_add(1, Relaxed);
            self.sinking.delivered.fetch_add(u64::from(delivered), Relaxed);
            self.sinking.segments.fetch_add(u64::from(notification.delivered_segments), Relaxed);
            self.sinking.last_notification_ns.store(now_ns, Relaxed);
            let latency_ns = self.latency_ns(index, now_ns);
            return Noted::First { latency_ns, warm_up: index < self.warm_up };
        }
        if self.marks[index as usize].load(Relaxed) == mark {
            self.sinking.resent.fetch_add(1, Relaxed);
            return Noted::Resent;
        }
        seen.fetch_or(DUPLICATED, Relaxed);
        self.sinking.duplicated.fetch_add(1, Relaxed);
        Noted::Duplicated
    }

    /// Whether push `index` had a surplus notification.
    pub fn is_duplicated(&self, index: u64) -> bool {
        self.flags.get(index as usize).is_some_and(|flags| flags.load(Relaxed) & DUPLICATED != 0)
    }

    /// The indices of pushes accepted and not notified, the first `count` of them.
    pub fn lost(&self, count: usize) -> Vec<u64> {
        let lost = |flags: &AtomicU8| flags.load(Relaxed) & (ACCEPTED | NOTIFIED) == ACCEPTED;
        (0..).zip(&self.flags).filter(|(_, flags)| lost(flags)).map(|(index, _)| index).take(count).collect()
    }

    /// The push that a notification is about: reqid, msn and XPID must all be its.
    fn push_of(&self, notification: &Notification<'_>) -> Option<u64> {
        let index = self.run.index_of(notification.reqid).filter(|&index| index < self.flags.len() as u64)?;
        let ours = self.notify
            && !notification.cancellation
            && notification.xpid == self.xpid
            && notification.msn == self.destinations.of(index).digits();
        ours.then_some(index)
    }

    fn latency_ns(&self, index: u64, now_ns: u64) -> u64 {
        match &self.schedule {
            Some(schedule) => now_ns.saturating_sub(self.start_ns() + schedule.intended_ns(index)),
            // 32 bits of microseconds wrap after 71 minutes; no latency that is told apart is so long.
            None => {
                let sent = self.sent_us[index as usize].load(Relaxed);
                u64::from(((now_ns / 1_000) as u32).wrapping_sub(sent)) * 1_000
            }
        }
    }
}

/// FNV-1a over the notification's id and code.
fn mark_of(notification: &Notification<'_>) -> u32 {
    let code = notification.code.to_le_bytes();
    let octets = notification.notification_id.iter().chain(&code);
    octets.fold(0x811c_9dc5, |mark: u32, &octet| (mark ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reqid::REQID_OCTETS;
    use std::net::SocketAddr;

    fn plan(pushes: u64) -> Plan {
        let mut plan = Plan::new(SocketAddr::from(([127, 0, 0, 1], 1)));
        plan.pushes = pushes;
        plan
    }

    fn notify(ledger: &Ledger, index: u64, code: u16, id: &[u8]) -> Noted {
        let mut reqid = [0; REQID_OCTETS];
        ledger.run.write(index, &mut reqid);
        let notification = Notification {
            cancellation: false,
            msn: &ledger.destinations.of(index).digits(),
            reqid: &reqid,
            xpid: b"00100000001",
            code,
            delivered_segments: 1,
            notification_id: id,
        };
        ledger.note_notification(&notification, 5_000_000)
    }

    #[test]
    fn every_class_of_the_ledger_is_told_apart() {
        let ledger = Ledger::new(&plan(10), Clock::start());
        for index in 0..8 {
            ledger.note_sent(index, 1_000_000);
        }
        for index in 0..6 {
            ledger.note_answer(index, u16::from(index == 1), 2_000_000);
        }
        ledger.note_answer(6, 2005, 2_000_000);
        assert_eq!(notify(&ledger, 0, 0, b"a"), Noted::First { latency_ns: 4_000_000, warm_up: false });
        assert_eq!(notify(&ledger, 0, 0, b"a"), Noted::Resent);
        assert_eq!(notify(&ledger, 1, 0, b"b"), Noted::First { latency_ns: 4_000_000, warm_up: false });
        assert_eq!(notify(&ledger, 1, 0, b"other"), Noted::Duplicated);
        assert_eq!(notify(&ledger, 1, 6001, b"b"), Noted::Duplicated);
        notify(&ledger, 2, 6001, b"c");
        notify(&ledger, 6, 0, b"refused");
        notify(&ledger, 7, 0, b"unanswered");
        notify(&ledger, 9, 0, b"never sent");
        assert_eq!(notify(&ledger, 10, 0, b"beyond"), Noted::Foreign);
        let tally = ledger.tally();
        let expected = Tally {
            attempted: 8,
            accepted: 6,
            refused: 1,
            unanswered: 1,
            delivered: 5,
            notified: 6,
            lost: 3,
            duplicated: 2,
            unexpected: 3,
            resent: 1,
            repeated: 1,
            recovered: 1,
        };
        assert_eq!(tally, expected);
        assert!(!tally.is_clean());
        assert_eq!(
            tally.to_string(),
            "attempted 8 · accepted 6 · delivered 5 · notified 6 · lost 3 · duplicated 2 · unexpected 3"
        );
        assert_eq!(
            (ledger.lost(2), ledger.is_duplicated(1), ledger.is_duplicated(0)),
            (vec![3, 4], true, false)
        );
        assert_eq!(ledger.notification_codes(), [(0, 5), (6001, 1)]);
    }

    #[test]
    fn a_notification_that_names_another_msn_xpid_or_event_is_nobodys() {
        let ledger = Ledger::new(&plan(1), Clock::start());
        let mut reqid = [0; REQID_OCTETS];
        ledger.run.write(0, &mut reqid);
        let digits = ledger.destinations.of(0).digits();
        let right = Notification {
            cancellation: false,
            msn: &digits,
            reqid: &reqid,
            xpid: b"00100000001",
            code: 0,
            delivered_segments: 1,
            notification_id: b"",
        };
        for wrong in [
            Notification { msn: b"09999999999", ..right },
            Notification { xpid: b"00100000002", ..right },
            Notification { cancellation: true, ..right },
        ] {
            assert_eq!(ledger.note_notification(&wrong, 0), Noted::Foreign, "{wrong:?}");
        }
        assert!(matches!(ledger.note_notification(&right, 0), Noted::First { .. }));
    }

    #[test]
    fn a_notification_may_come_before_the_answer_and_an_open_loop_counts_from_the_schedule() {
        let mut plan = plan(4);
        plan.load = Load::Open { rate_per_second: 1_000 };
        let ledger = Ledger::new(&plan, Clock::start());
        ledger.start(1_000_000);
        ledger.note_sent(3, 4_900_000);
        assert_eq!(notify(&ledger, 3, 0, b"a"), Noted::First { latency_ns: 1_000_000, warm_up: false });
        assert_eq!(ledger.outstanding(), 0);
        ledger.note_answer(3, 0, 6_000_000);
        assert!(ledger.tally().is_clean());
    }
}
