//! The shard's counters and gauges, by name.

use super::Shard;
use crate::billing::{BillingLog, Log};
use crate::smsc::state::State;
use wire::terms::code::Code;

/// Counters since start.
#[derive(Default)]
pub struct Counted {
    pub(super) requests: u64,
    pub(super) accepted: u64,
    pub(super) repeats: u64,
    pub(super) cancels: u64,
    pub(super) segments_accepted: u64,
    pub(super) segments_delivered: u64,
    pub(super) segments_taken: u64,
    pub(super) pushes_elsewhere: u64,
    pub(super) status_reports: u64,
    pub(super) status_reports_unmatched: u64,
    pub(super) notifications_acknowledged: u64,
    pub(super) notifications_failed: u64,
    pub(super) holds: u64,
    pub(super) holds_unrecorded: u64,
    refused: [u64; 10],
}

impl Counted {
    pub(super) fn refuse(&mut self, code: Code) {
        self.refused[usize::from(code.number() / 1000).min(9)] += 1;
    }
}

/// A view that lists figures.
pub struct Figures<'a, L = BillingLog> {
    pub(super) shard: &'a Shard<L>,
}

/// Whether a figure only ever rises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rises {
    /// A counter.
    Always,
    /// A gauge.
    AndFalls,
}

/// Name, help, kind of every figure, in the order of [`Figures::values`].
pub const NAMES: &[(&str, &str, Rises)] = &[
    ("requests", "Requests taken", Rises::Always),
    ("pushes_accepted", "Pushes accepted (0000)", Rises::Always),
    ("pushes_repeated", "Identical repeats (0001)", Rises::Always),
    ("cancels", "Cancellation requests", Rises::Always),
    ("segments_accepted", "Segments of accepted pushes", Rises::Always),
    ("segments_delivered", "Segments delivered", Rises::Always),
    ("segments_taken", "Segments that carriers took", Rises::Always),
    ("pushes_handed_over", "Pushes of which carriers' receipts are awaited", Rises::AndFalls),
    (
        "pushes_elsewhere",
        "Pushes that go by another carrier, since one could not deliver them",
        Rises::Always,
    ),
    ("status_reports", "SMS-STATUS-REPORTs that came by themselves", Rises::Always),
    ("status_reports_unmatched", "SMS-STATUS-REPORTs of no waiting push", Rises::Always),
    ("refused_form", "Requests refused with 1xxx", Rises::Always),
    ("refused_right", "Requests refused with 2xxx", Rises::Always),
    ("refused_state", "Requests refused with 3xxx", Rises::Always),
    ("refused_content", "Requests refused with 4xxx", Rises::Always),
    ("refused_later", "Requests refused with 8xxx", Rises::Always),
    ("refused_fault", "Requests refused with 9xxx", Rises::Always),
    ("attempts", "Delivery attempts begun", Rises::Always),
    ("holds", "Attempts after which the push waits", Rises::Always),
    ("holds_unrecorded", "Holds for whose record the journal had no room", Rises::Always),
    ("pushes_delivered", "Pushes ended as delivered", Rises::Always),
    ("pushes_partial", "Pushes ended as partly delivered", Rises::Always),
    ("pushes_refused", "Pushes refused by delivery control", Rises::Always),
    ("pushes_failed", "Pushes ended as failed", Rises::Always),
    ("pushes_expired", "Pushes ended as expired", Rises::Always),
    ("pushes_cancelled", "Pushes ended as cancelled", Rises::Always),
    ("pushes_replaced", "Pushes ended as replaced", Rises::Always),
    ("notifications_acknowledged", "Notifications acknowledged by push clients", Rises::Always),
    ("notifications_failed", "Notification tries that failed", Rises::Always),
    ("notifications_parked", "Notifications parked (6101)", Rises::Always),
    (
        "notifications_parked_for_room",
        "Pushes of which notifications were parked because too many waited for theirs",
        Rises::Always,
    ),
    ("pushes_live", "Pushes stored or to be notified", Rises::AndFalls),
    ("attempts_in_flight", "Attempts in the core network", Rises::AndFalls),
    ("keys_remembered", "Push keys remembered", Rises::AndFalls),
    (
        "keys_forgotten_early",
        "Keys of ended pushes forgotten at the bound before their day was over",
        Rises::Always,
    ),
    ("alerts_closed", "Cancelled alerts of which no push is accepted", Rises::AndFalls),
    (
        "alerts_opened_early",
        "Cancelled alerts forgotten early because their XPID cancelled so many of which nothing \
         waited",
        Rises::Always,
    ),
    ("contracts", "Contracts of this shard", Rises::AndFalls),
    ("journal_appended", "Journal records appended", Rises::Always),
    ("journal_durable", "Journal records that outlive what --durability names", Rises::Always),
    (
        "journal_reached_octets",
        "Octets up to the journal's end, of all segments that there ever were",
        Rises::Always,
    ),
    ("journal_segments", "Journal segments in use", Rises::AndFalls),
    ("journal_used_octets", "Octets of the journal's segments in use", Rises::AndFalls),
    (
        "journal_needed_octets",
        "Octets of those that live pushes and remembered keys need",
        Rises::AndFalls,
    ),
    ("journal_free_octets", "Octets left in the journal's budget", Rises::AndFalls),
    (
        "billing_events_owed",
        "Events that wait in the journal for room in the billing log",
        Rises::AndFalls,
    ),
    (
        "billing_requests_unwritten",
        "Refused and repeated requests counted and not in the books yet",
        Rises::AndFalls,
    ),
];

impl<L: Log> Figures<'_, L> {
    /// The figures, in the order of [`NAMES`].
    pub fn values(&self) -> [u64; NAMES.len()] {
        let shard = self.shard;
        let (counted, core, journal) =
            (&shard.counted, shard.core.figures(), shard.journal.figures());
        let ended = |state: State| core.ended[usize::from(state.number())];
        [
            counted.requests,
            counted.accepted,
            counted.repeats,
            counted.cancels,
            counted.segments_accepted,
            counted.segments_delivered,
            counted.segments_taken,
            shard.core.handed() as u64,
            counted.pushes_elsewhere,
            counted.status_reports,
            counted.status_reports_unmatched,
            counted.refused[1],
            counted.refused[2],
            counted.refused[3],
            counted.refused[4],
            counted.refused[8],
            counted.refused[9],
            core.attempts,
            counted.holds,
            counted.holds_unrecorded,
            ended(State::Delivered),
            ended(State::Partial),
            ended(State::Refused),
            ended(State::Failed),
            ended(State::Expired),
            ended(State::Cancelled),
            ended(State::Replaced),
            counted.notifications_acknowledged,
            counted.notifications_failed,
            core.parked,
            core.parked_for_room,
            shard.core.live() as u64,
            shard.in_flight as u64,
            shard.core.keys_held() as u64,
            shard.core.keys_forgotten_early(),
            shard.core.alerts_closed() as u64,
            shard.core.alerts_opened_early(),
            shard.contracts.len() as u64,
            shard.journal.appended(),
            shard.durable(),
            journal.reached_octets,
            journal.segments,
            journal.used_octets,
            shard.journal.needed_octets(shard.even_or_wall(shard.journal_polled_ms)),
            journal.free_octets,
            shard.unbilled().0,
            shard.unbilled().1,
        ]
    }
}
