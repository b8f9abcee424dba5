//! The message center of one shard as a pure state machine.
//!
//! It owns the live pushes, their per-msn queues, keys, alerts and timers. It does no I/O, reads no
//! clock and draws no random numbers: times, durable sequences and randomness come in as arguments,
//! [`Effect`]s go out.
//!
//! Order of calls, in each turn of the owner: the commands ([`Core::accept`], [`Core::cancel`], …)
//! and `handle_*` methods as things happen; after each of them [`Core::take_effect`] until `None`;
//! then [`Core::poll_attempt`] as long as the core network has room.
//!
//! Invariants:
//! * at most one attempt per msn is under way, and it is that of the msn's queue head;
//! * no attempt starts before the push is durable, nor from its expiry on;
//! * every push reaches exactly one final state, reported by exactly one [`Effect::Ended`];
//! * notifications of an msn to a push client go out one at a time, in the order in which its
//!   pushes ended;
//! * a wall clock that is set back neither stops a timer nor lets it run out again and again.

use crate::smsc::alerts::{AlertIdentity, Alerts};
use crate::smsc::clients::Clients;
use crate::smsc::closed_alerts::{ClosedAlert, ClosedAlerts};
pub use crate::smsc::ended::NotificationKind;
use crate::smsc::ended::{EndedPushes, Parked};
use crate::smsc::handed::Handings;
pub use crate::smsc::interface::{Effect, FinishOutcome, KeyVerdict, NewPush, Settlement};
use crate::smsc::keys::Keys;
use crate::smsc::lanes::Lanes;
pub use crate::smsc::limits::admitted_percent;
use crate::smsc::limits::{ENDED_MIN, ENDED_PERCENT, PARKED_PERCENT};
use crate::smsc::msn_queues::MsnQueues;
use crate::smsc::mutation::CoreMutation;
use crate::smsc::pushes::{Push, PushIndex, Pushes, ROUTES};
use crate::smsc::state::State;
use crate::smsc::steady::{SteadyTime, TimerMs};
use crate::smsc::timer_wheel::TimerWheel;
use host::prefetch::prefetch;
use std::collections::VecDeque;
use wire::terms::ids::Msn;
use wire::terms::time::CenterMs;

/// Bounds of one message center.
#[derive(Clone, Copy, Debug)]
pub struct CoreLimits {
    /// Pushes that have not ended. Beside them half as many may wait for their notification.
    pub pushes_max: usize,
    /// Pushes that may wait for one msn; one more is refused with 8005.
    pub waiting_per_msn_max: u32,
    /// Keys of ended pushes remembered.
    pub ended_keys_max: usize,
}

impl CoreLimits {
    /// Ended pushes that may wait for their notification to be taken.
    fn ended_max(&self) -> usize {
        (self.pushes_max / 100 * ENDED_PERCENT).max(ENDED_MIN)
    }

    /// Pushes of which notifications may be parked before whoever has most of them is taken no
    /// further push.
    pub(super) fn parked_max(&self) -> usize {
        (self.pushes_max / 100 * PARKED_PERCENT).max(ENDED_MIN)
    }
}

/// Counters since start; the owner publishes them.
#[derive(Clone, Copy, Default, Debug)]
pub struct CoreFigures {
    /// Pushes ended, by final state number.
    pub ended: [u64; 11],
    /// Attempts begun.
    pub attempts: u64,
    /// Notifications resent.
    pub notification_resends: u64,
    /// Notifications parked.
    pub parked: u64,
    /// Pushes of which notifications were parked because too many waited for theirs.
    pub parked_for_room: u64,
    /// Pushes with parked notifications that were let go.
    pub parked_let_go: u64,
    /// Reports that came after the push's end.
    pub reports_too_late: u64,
}

/// Places of the slab that only recovery uses: a crash in the middle of cleaning may leave a copy
/// too many of a push.
pub const RECOVERED_SPARE: usize = 256;

/// An attempt that waits for the record of its begin.
pub(super) struct Beginning {
    /// The record's.
    pub(super) sequence: u64,
    pub(super) index: PushIndex,
    /// The push's number: its place may be another's by then.
    pub(super) push_id: u64,
    /// It was a carrier's turn.
    pub(super) by_carrier: bool,
}

/// The message center of one shard.
pub struct Core {
    pub(super) limits: CoreLimits,
    pub(super) pushes: Pushes,
    pub(super) clients: Clients,
    pub(super) queues: MsnQueues,
    pub(super) keys: Keys,
    pub(super) alerts: Alerts,
    pub(super) closed_alerts: ClosedAlerts,
    /// By route.
    pub(super) lanes: [Lanes; ROUTES],
    /// Lanes of before the routes changed, of which pushes are still to be sorted anew.
    pub(super) unsorted: Vec<Lanes>,
    pub(super) handings: Handings,
    pub(super) timers: TimerWheel,
    pub(super) time: SteadyTime,
    pub(super) ended: EndedPushes,
    /// When notifications are sent again; there is none before the first is.
    pub(super) resends: Option<Box<TimerWheel>>,
    pub(super) parked: Parked,
    pub(super) fresh: VecDeque<PushIndex>,
    /// Pushes whose attempt waits for a record to be durable.
    pub(super) beginning: VecDeque<Beginning>,
    /// How many of them are for carriers.
    pub(super) begun_ahead: usize,
    /// Which of the shard's ends the last one was.
    pub(super) ends: u32,
    /// [`Core::poll_attempt`] left something in the lanes of the core network. A carrier's are
    /// looked into again by whoever told that it takes something.
    pub(super) poll_cut_short: bool,
    pub(super) effects: VecDeque<Effect>,
    pub(super) figures: CoreFigures,
    pub(super) mutation: CoreMutation,
}

impl Core {
    /// An empty message center; `now_ms` starts its timers.
    pub fn new(limits: CoreLimits, now_ms: CenterMs) -> Self {
        let slots = limits.pushes_max + RECOVERED_SPARE;
        Self {
            limits,
            pushes: Pushes::with_capacity(slots),
            clients: Clients::default(),
            queues: MsnQueues::new(slots),
            keys: Keys::new(slots, limits.ended_keys_max),
            alerts: Alerts::new(slots),
            closed_alerts: ClosedAlerts::default(),
            lanes: std::array::from_fn(|_| Lanes::default()),
            unsorted: Vec::new(),
            handings: Handings::new(limits.pushes_max / 2),
            timers: TimerWheel::new(slots, now_ms.ms()),
            time: SteadyTime::new(now_ms),
            ended: EndedPushes::new(limits.ended_max()),
            resends: None,
            parked: Parked::default(),
            fresh: VecDeque::new(),
            beginning: VecDeque::new(),
            begun_ahead: 0,
            ends: 0,
            poll_cut_short: false,
            effects: VecDeque::new(),
            figures: CoreFigures::default(),
            mutation: CoreMutation::None,
        }
    }

    /// Breaks the message center on purpose, for the test that proves that the simulator would
    /// notice.
    #[doc(hidden)]
    pub fn mutate(&mut self, mutation: CoreMutation) {
        self.mutation = mutation;
    }

    // ---- getters ----

    /// The live push at `index`.
    pub fn push(&self, index: PushIndex) -> &Push {
        &self.pushes[index]
    }

    /// Pushes stored, or to be notified.
    pub fn live(&self) -> usize {
        self.pushes.len() + self.ended.len() + self.parked.len()
    }

    /// Keys remembered.
    pub fn keys_held(&self) -> usize {
        self.keys.len()
    }

    /// Keys of ended pushes that were forgotten at the bound before their day was over.
    pub fn keys_forgotten_early(&self) -> u64 {
        self.keys.forgotten_early
    }

    /// Counters since start.
    pub fn figures(&self) -> &CoreFigures {
        &self.figures
    }

    /// Touches memory for pushes to come, about a huge page, which may take two milliseconds: for a
    /// moment in which none comes. Whether there was any to touch.
    pub fn touch_ahead(&mut self) -> bool {
        self.pushes.touch_ahead() || self.timers.touch_ahead()
    }

    /// Fetches what a push with this key for this msn will ask for.
    #[inline]
    pub fn prefetch(&self, key: u64, msn: Msn) {
        self.keys.prefetch(key);
        self.queues.prefetch(msn);
    }

    /// Fetches what the ended push of this key and number will be kept in.
    #[inline]
    pub fn prefetch_end(&self, key: u64, push_id: u64) {
        self.keys.prefetch(key);
        self.ended.prefetch(push_id);
    }

    /// Fetches what says whether the push of this key and number lives, or is to be told of.
    #[inline]
    pub fn prefetch_known(&self, key: u64, push_id: u64) {
        self.keys.prefetch_live(key);
        self.ended.prefetch(push_id);
    }

    /// Fetches the push at `index`, if there ever was one.
    #[inline]
    pub fn prefetch_push(&self, index: PushIndex) {
        if let Some(push) = self.pushes.find(index) {
            prefetch(push);
        }
    }

    /// The live push with this key and number, for cleaning and display.
    pub fn find_live(&self, key: u64, push_id: u64) -> Option<PushIndex> {
        self.keys
            .find_live(&self.pushes, key)
            .filter(|&index| self.pushes[index].push_id == push_id)
    }

    /// The pushes of `msn` that have not ended, in the order of its queue.
    pub fn waiting(&self, msn: Msn) -> impl Iterator<Item = PushIndex> + '_ {
        let head = self.queues.head(&self.pushes, msn);
        std::iter::successors(head, |&index| self.queues.behind(&self.pushes, index))
    }

    /// The live push with this key.
    pub fn find(&self, key: u64) -> Option<PushIndex> {
        self.keys.find_live(&self.pushes, key)
    }

    /// Whether the key of an ended push is remembered.
    pub fn has_ended(&self, key: u64) -> bool {
        self.keys.find_ended(key).is_some()
    }

    /// Whether anything is known of an alert, at this msn or anywhere here.
    pub fn knows_of(&self, alert: &AlertIdentity) -> bool {
        self.alerts.remembers(alert.key)
            || self.alerts.member_count(alert.alert) > 0
            || self.closed_alert(alert.alert).is_some()
    }

    /// The live push of the highest sequence of an alert at an msn, by the fingerprint of both.
    pub fn alert_push(&self, alert_key: u64) -> Option<PushIndex> {
        self.alerts.push_of(alert_key)
    }

    /// A push of this alert that has not ended.
    pub fn alert_member(&self, alert_fingerprint: u64) -> Option<PushIndex> {
        self.alerts.member(alert_fingerprint, 0)
    }

    /// The number of the live push with this key.
    pub fn live_push_id(&self, key: u64) -> Option<u64> {
        self.keys.find_live(&self.pushes, key).map(|index| self.pushes[index].push_id)
    }

    /// Whether an ended push's key is still remembered under this number, and nothing else is of
    /// the push.
    pub fn remembers_ended(&self, key: u64, push_id: u64) -> bool {
        self.keys.find_ended(key).is_some_and(|ended| ended.is_of(push_id))
            && self.keys.find_live(&self.pushes, key).is_none()
            && self.ended(push_id).is_none()
    }

    /// Whether this alert and sequence, or a higher one, was already accepted for the msn (0002).
    pub fn knows_alert(&self, alert: &AlertIdentity) -> bool {
        self.alerts.knows(alert)
    }

    /// The cancel of this whole alert, while it stands: no push of it is accepted or attempted.
    pub fn closed_alert(&self, alert_fingerprint: u64) -> Option<ClosedAlert> {
        self.closed_alerts.find(alert_fingerprint)
    }

    /// How many pushes of this alert have not ended.
    pub fn alert_members(&self, alert_fingerprint: u64) -> u32 {
        self.alerts.member_count(alert_fingerprint) as u32
    }

    /// Makes a place for the cancel of one more whole alert; `false` when this XPID has its share
    /// of them already. `found` says whether pushes of the alert wait.
    pub fn make_room_for_alert_cancel(&mut self, share: u16, found: bool) -> bool {
        self.closed_alerts.make_room(share, found)
    }

    /// Alerts that are closed.
    pub fn alerts_closed(&self) -> usize {
        self.closed_alerts.len()
    }

    /// Alerts opened again before their day was over, because their XPID cancelled so many of which
    /// no push waited.
    pub fn alerts_opened_early(&self) -> u64 {
        self.closed_alerts.opened_early
    }

    /// Unix milliseconds at which [`Core::handle_time`] or [`Core::poll_attempt`] may have
    /// something to do by themselves; `None` while nothing waits for them.
    pub fn next_due_ms(&self) -> Option<CenterMs> {
        if self.poll_cut_short || !self.closed_alerts.withdrawing.is_empty() {
            return Some(self.time.center());
        }
        let resend_ms = self.resends.as_ref().and_then(|resends| resends.next_due_ms());
        let due_ms = self.timers.next_due_ms().into_iter().chain(resend_ms).min();
        due_ms.map(|due_ms| self.time.center_of(TimerMs(due_ms)))
    }

    /// The push's Accepted record was copied forward to here.
    pub fn set_position(&mut self, index: PushIndex, position: u64) {
        self.pushes[index].position = position;
    }

    // ---- time and effects ----

    /// Lets timers expire and withdraws pushes of cancelled alerts, at most `budget` of each.
    pub fn handle_time(&mut self, now_ms: CenterMs, budget: usize) {
        let TimerMs(timer_ms) = self.time.see(now_ms);
        for _ in 0..budget {
            let Some(index) = self.timers.expire_one(timer_ms) else { break };
            self.timer_expired(index, now_ms);
        }
        for _ in 0..budget {
            let due = self.resends.as_mut().and_then(|resends| resends.expire_one(timer_ms));
            let Some(index) = due else { break };
            self.announce_again(index);
        }
        self.withdraw_closed(now_ms, budget);
        self.keys.forget_expired(&mut self.clients, now_ms, budget);
        self.closed_alerts.forget_expired(now_ms, budget);
    }

    /// The next effect to carry out.
    pub fn take_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether any push waits for its attempt.
    pub fn has_queued(&self) -> bool {
        self.lanes.iter().any(Lanes::has_waiting)
    }

    // ---- inside ----

    /// Nobody knows of the push at `index` any more: its place is another's.
    pub(super) fn free_place(&mut self, index: PushIndex) {
        let client = self.pushes[index].client;
        self.handings.forget(index);
        self.pushes.remove(index);
        self.clients.take_live(client);
    }

    /// Starts the push's timer.
    pub(super) fn start_timer(&mut self, index: PushIndex, due_ms: CenterMs) {
        let TimerMs(due_ms) = self.time.timer_of(due_ms);
        self.timers.start(index, due_ms);
    }

    /// Puts the push into its lane if its turn has come.
    pub(super) fn make_ready(&mut self, index: PushIndex) {
        if self.pushes[index].state == State::Accepted && self.queues.is_head(&self.pushes, index) {
            let push = &mut self.pushes[index];
            push.state = push.state.moved_to(State::Queued);
            let route = usize::from(push.route());
            self.lanes[route].push(&mut self.pushes, index);
        }
    }
}
