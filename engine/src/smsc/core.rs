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
use crate::smsc::ended::{EndedId, EndedPushes, Parked};
use crate::smsc::handed::Handings;
use crate::smsc::keys::Keys;
use crate::smsc::lanes::Lanes;
use crate::smsc::limits::{ENDED_MIN, ENDED_PERCENT, PARKED_PERCENT};
use crate::smsc::msn_queues::MsnQueues;
use crate::smsc::mutation::Mutation;
use crate::smsc::outcome::{AttemptResult, Failure, HoldReason};
use crate::smsc::pushes::{Push, PushIndex, Pushes, ROUTES, flag};
use crate::smsc::retry;
use crate::smsc::state::State;
use crate::smsc::steady::{SteadyTime, TimerMs};
use crate::smsc::timer_wheel::TimerWheel;
use host::prefetch::prefetch;
use std::collections::VecDeque;
use wire::terms::code::Code;
use wire::terms::ids::{Class, Msn};
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
    fn parked_max(&self) -> usize {
        (self.pushes_max / 100 * PARKED_PERCENT).max(ENDED_MIN)
    }
}

/// What the owner has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Journal a Progress record: a report says of a waiting push that segments of it arrived.
    Progress(PushIndex),
    /// Journal a Progress record that says that an attempt begins, and call
    /// [`Core::handle_begin_journaled`]: the attempt waits until the record is durable.
    Begin(PushIndex),
    /// Journal a Handed record: a carrier says what became of segments of a push that goes on.
    Handed(PushIndex),
    /// Journal a Handed record that says that these segments of the push go by another carrier
    /// than [`Core::avoided`].
    Elsewhere(PushIndex, u16),
    /// Ask the carriers that have segments of the push what became of them.
    Ask(PushIndex),
    /// Journal a CancelAccepted record: the cancel of its whole alert has reached this push.
    CancelAccepted(PushIndex),
    /// Journal an Ended record; once it is durable write the billing event and call
    /// [`Core::handle_end_durable`].
    Ended(PushIndex),
    /// Send this notification now.
    Notify(EndedId, NotificationKind),
    /// The same of a push that came by SMPP: its push client is told by a receipt.
    NotifyBySmpp(EndedId, NotificationKind),
    /// Resends were given up after 24 hours, or for want of a place: journal it as parked. The push
    /// is listed by [`Core::parked`] until [`Core::replay`] sends what is parked again. It may be
    /// gone by the time that this is carried out: what the owner needs is here.
    Parked {
        /// The push's number.
        push_id: u64,
        /// Where its Accepted record stands.
        position: u64,
        /// Which notification.
        kind: NotificationKind,
        /// Failed tries of it.
        tries: u8,
    },
    /// The push has left: journal a Notified record unless nothing was ever due, and release its
    /// Accepted record. The entry is gone: what the owner needs is here.
    Finished {
        /// The push.
        push_id: u64,
        /// Where its Accepted record stands.
        position: u64,
        /// What has become of its notifications.
        outcome: FinishOutcome,
        /// Tries of the last one.
        tries: u8,
    },
}

/// What has become of the notifications of a push that leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FinishOutcome {
    /// None was due.
    NothingDue,
    /// All were acknowledged.
    Acknowledged,
    /// Something parked was let go.
    LetGo,
}

/// What a push's key says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyVerdict {
    /// Never seen.
    New,
    /// An identical repeat: the number of segments it was accepted with.
    Repeat { segments: u8 },
    /// The reqid was used with other content.
    Reused,
}

/// A push to be accepted; its Accepted record stands in the journal.
#[derive(Clone, Copy, Debug)]
pub struct NewPush {
    /// Sequence of the Accepted record.
    pub push_id: u64,
    /// Packed position of the Accepted record.
    pub position: u64,
    /// Fingerprint of (svcid, msn, reqid).
    pub key: u64,
    /// Digest of the content.
    pub content_digest: u64,
    /// Destination.
    pub msn: Msn,
    /// Class.
    pub class: Class,
    /// Segments, 1 to 10.
    pub segments: u8,
    /// No delivery from then on.
    pub expires_ms: CenterMs,
    /// A control SMS, not a text.
    pub control: bool,
    /// Who takes turns with others, has a share, and is notified in order: the number of the XPID.
    pub client: u64,
    /// Whether an E5 is wanted and can be sent.
    pub wants_notification: bool,
    /// lifetime 00.
    pub single_attempt: bool,
    /// It came by SMPP: receipts tell of it.
    pub by_smpp: bool,
    /// The alert it belongs to.
    pub alert: Option<AlertIdentity>,
    /// Where it goes: 0 the core network, or the number of a carrier.
    pub route: u8,
}

/// How an attempt went, as far as the message center acts on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// How it ended.
    pub result: AttemptResult,
    /// The segments that arrived in it: bit 0 is the first.
    pub delivered_mask: u16,
    /// The segments that were sent and that nobody answered for in time: they may have arrived, and
    /// their reports may still come.
    pub unanswered_mask: u16,
    /// The segments that a carrier took in it: receipts will say what becomes of them.
    pub taken_mask: u16,
    /// 0 nothing was sent, 1 CS, 2 PS, 3 a carrier.
    pub domain: u8,
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

/// How far what is scarce may fill up before a class is refused, in per cent: whoever matters less
/// goes first, so that places are left for an emergency.
pub const fn admitted_percent(class: Class) -> usize {
    match class {
        Class::Exercise => 80,
        Class::Standard => 90,
        Class::Urgent => 95,
        Class::Emergency => 100,
    }
}
/// An XPID takes no further place while it has this many times as many as its class has left: one
/// that takes all it gets leaves a ninth to the others.
pub const SHARE_OF_FREE: usize = 8;
/// Places of the slab that only recovery uses: a crash in the middle of cleaning may leave a copy
/// too many of a push.
pub const RECOVERED_SPARE: usize = 256;
/// Pushes that one [`Core::poll_attempt`] ends on its way to the next attempt.
pub const ENDED_PER_POLL_MAX: usize = 16;
/// Pushes that one [`Core::poll_attempt`] has journaled before they may be attempted.
pub const BEGUN_PER_POLL_MAX: usize = 64;

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
    fresh: VecDeque<PushIndex>,
    /// Pushes whose attempt waits for a record to be durable: its sequence, the push, and its
    /// number.
    beginning: VecDeque<(u64, PushIndex, u64)>,
    /// Which of the shard's ends the last one was.
    pub(super) ends: u32,
    /// [`Core::poll_attempt`] left something in the lanes of the core network. A carrier's are
    /// looked into again by whoever told that it takes something.
    poll_cut_short: bool,
    pub(super) effects: VecDeque<Effect>,
    pub(super) figures: CoreFigures,
    pub(super) mutation: Mutation,
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
            ends: 0,
            poll_cut_short: false,
            effects: VecDeque::new(),
            figures: CoreFigures::default(),
            mutation: Mutation::None,
        }
    }

    /// Breaks the message center on purpose, for the test that proves that the simulator would
    /// notice.
    #[doc(hidden)]
    pub fn mutate(&mut self, mutation: Mutation) {
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

    /// Fetches the push at `index`, if there ever was one.
    #[inline]
    pub fn prefetch_push(&self, index: PushIndex) {
        if let Some(push) = self.pushes.find(index) {
            prefetch(push);
        }
    }

    /// What is known of `key`: the owner answers repeats from it. `digest_of` reads a live push's
    /// content digest from its Accepted record; it is asked only when the key is a live push's.
    pub fn key_verdict(
        &self,
        key: u64,
        content_digest: u64,
        digest_of: impl FnOnce(&Push) -> u64,
    ) -> KeyVerdict {
        let (is_same, segments) = if let Some(index) = self.keys.find_live(&self.pushes, key) {
            let push = &self.pushes[index];
            (digest_of(push) == content_digest, push.segments)
        } else if let Some(ended) = self.keys.find_ended(key) {
            (ended.has_content(content_digest), ended.segments())
        } else {
            return KeyVerdict::New;
        };
        if is_same { KeyVerdict::Repeat { segments } } else { KeyVerdict::Reused }
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

    /// Whether a push of this class and client for `msn` can be taken: 8003 when the slab has no
    /// place left for the class, or the client has its share of them; 8005 when it is so of those
    /// that wait for the msn.
    pub fn room_for(&self, msn: Msn, class: Class, client: u64) -> Result<(), Code> {
        let client = self.clients.find(client);
        let free = self.free_places(class);
        if client.map_or(0, |client| self.clients.live(client)) >= SHARE_OF_FREE * free {
            return Err(Code::STORAGE_FULL);
        }
        // What is parked is never let go: whoever has most of it is to see to that first.
        if self.parked.len() >= self.limits.parked_max()
            && client.is_some_and(|client| self.parked.are_mostly_of(client))
        {
            return Err(Code::STORAGE_FULL);
        }
        let of_phone = self.limits.waiting_per_msn_max as usize;
        let places = (of_phone * admitted_percent(class)).div_ceil(100);
        let waiting = self.queues.waiting(&self.pushes, msn) as usize;
        let free = places.saturating_sub(waiting);
        // Nobody has more of them than there are: as a rule nothing needs to be counted.
        if waiting >= SHARE_OF_FREE * free
            && client.map_or(0, |client| self.queues.waiting_of(&self.pushes, msn, client))
                >= SHARE_OF_FREE * free
        {
            return Err(Code::TOO_MANY_WAITING);
        }
        Ok(())
    }

    /// Whether the slab has a place for one more push of this class, whoever's it is.
    pub fn has_place_for(&self, class: Class) -> bool {
        self.free_places(class) > 0
    }

    /// Places of the slab that are left for this class.
    fn free_places(&self, class: Class) -> usize {
        let places = (self.limits.pushes_max * admitted_percent(class)).div_ceil(100);
        places.saturating_sub(self.pushes.len())
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

    // ---- commands ----

    /// Takes a push for which there is room.
    ///
    /// Its key must be new, as `verdict` says it: nobody looks again, and two live pushes of one
    /// key would each be found by half of the repeats and cancels.
    pub fn accept(&mut self, new: NewPush, now_ms: CenterMs) -> PushIndex {
        self.time.see(now_ms);
        let closed = new.alert.and_then(|alert| self.closed_alert(alert.alert));
        assert_eq!(closed, None, "closed_alert was asked before accepting");
        let index = self.enter(&new);
        self.keys.insert_new(&self.pushes, index);
        self.fresh.push_back(index);
        self.place_in_queue(index);
        self.start_timer(index, new.expires_ms.max(now_ms));
        if let Some(alert) = new.alert {
            self.pushes[index].set(flag::ALERT, true);
            if let Some(lower) = self.alerts.enter(&mut self.pushes, index, alert) {
                self.replace(lower, now_ms);
            }
        }
        index
    }

    /// Withdraws the push with this key. `Ok`: the cancel is accepted for a push of so many
    /// segments, and an E7 will follow if the client is to be `told`; `Err`: 3002–3005.
    pub fn cancel(
        &mut self,
        key: u64,
        told: bool,
        now_ms: CenterMs,
    ) -> Result<(PushIndex, u8), (Code, u8)> {
        self.time.see(now_ms);
        let live = self.keys.find_live(&self.pushes, key);
        let (state, segments) = match (live, self.keys.find_ended(key)) {
            (Some(index), _) => (self.pushes[index].state, self.pushes[index].segments),
            (None, Some(ended)) => (ended.state(), ended.segments()),
            (None, None) => return Err((Code::PUSH_NOT_FOUND, 0)),
        };
        let refusal = match state {
            //= push cancel refused
            State::Delivered => Some(Code::ALREADY_DELIVERED),
            State::Cancelled => Some(Code::ALREADY_CANCELLED),
            state if state.is_final() => Some(Code::ALREADY_ENDED),
            _ => None,
        };
        if let Some(code) = refusal {
            return Err((code, segments));
        }
        let Some(index) = live else { unreachable!("what is not final lives") };
        if self.pushes[index].has(flag::CANCEL_ACCEPTED) {
            return Err((Code::ALREADY_CANCELLED, segments));
        }
        self.request_cancel(index, told, now_ms);
        Ok((index, segments))
    }

    /// Cancels a whole alert: from now on no push of it is accepted or attempted, and those that
    /// wait are withdrawn by [`Core::handle_time`]. The cancel's record must be durable before it
    /// is answered; its time is now. Returns how many pushes of the alert have not ended. Costs the
    /// same however many there are.
    pub fn cancel_alert(&mut self, alert_fingerprint: u64, cancel: ClosedAlert) -> u32 {
        self.time.see(cancel.at_ms);
        let members = self.alerts.member_count(alert_fingerprint);
        self.closed_alerts.close(alert_fingerprint, cancel);
        self.closed_alerts.begin_withdrawing(alert_fingerprint, members, cancel.at_ms);
        members as u32
    }

    // ---- handle_* ----

    /// Everything with a sequence below `durable` is durable: fresh pushes may be attempted, and so
    /// may those whose begin had to be recorded first. `accepted` is called once for each fresh
    /// one, in order, for its billing event.
    pub fn handle_durable(&mut self, durable: u64, mut accepted: impl FnMut(&Push)) {
        while let Some(&index) = self.fresh.front() {
            if self.pushes[index].push_id >= durable {
                break;
            }
            self.fresh.pop_front();
            accepted(&self.pushes[index]);
            let push = &mut self.pushes[index];
            if push.state == State::Received {
                push.state = push.state.moved_to(State::Accepted);
                self.make_ready(index);
            }
        }
        while let Some(&(_, index, push_id)) =
            self.beginning.front().filter(|(sequence, ..)| *sequence < durable)
        {
            self.beginning.pop_front();
            let push = &self.pushes[index];
            // It may have ended meanwhile, and its place be another's.
            if push.push_id == push_id && push.state == State::Queued && !push.has(flag::IN_LANE) {
                let route = usize::from(push.route());
                self.lanes[route].push(&mut self.pushes, index);
            }
        }
    }

    /// The record that [`Effect::Begin`] asked for has this sequence.
    pub fn handle_begin_journaled(&mut self, index: PushIndex, sequence: u64) {
        self.beginning.push_back((sequence, index, self.pushes[index].push_id));
    }

    /// The core network settled an attempt. `random` is uniform and jitters the next retry.
    pub fn handle_outcome(
        &mut self,
        index: PushIndex,
        settlement: Settlement,
        now_ms: CenterMs,
        random: u64,
    ) {
        let Settlement { result, delivered_mask, unanswered_mask, taken_mask, domain } = settlement;
        self.time.see(now_ms);
        let push = &mut self.pushes[index];
        assert_eq!(
            push.state,
            State::InFlight,
            "an outcome for a push that has no attempt under way"
        );
        assert_eq!(
            (delivered_mask | unanswered_mask | taken_mask) & !push.full_mask(),
            0,
            "an outcome for segments that the push does not have"
        );
        push.delivered_mask |= delivered_mask;
        if unanswered_mask & !push.delivered_mask != 0 {
            push.set(flag::IN_DOUBT, true);
        }
        if domain != 0 {
            // What never left for the terminal uses up nobody's one try.
            push.set_domain(domain);
            let attempts = push.attempts().saturating_add(1);
            push.set_attempts(attempts);
        }
        if push.is_complete() {
            // Be it by reports of an earlier attempt that came while this one failed.
            return self.end_delivered(index, now_ms);
        }
        if taken_mask != 0 {
            self.handings.take(index, taken_mask);
        }
        if self.handings.has(index) && self.is_out_of_hand(index, result) {
            return self.hand_over(index, now_ms);
        }
        match result {
            AttemptResult::Returned => self.put_back(index, now_ms),
            AttemptResult::Held(HoldReason::InDoubt, _) => {
                self.hold_in_doubt(index, now_ms, random)
            }
            AttemptResult::Delivered | AttemptResult::HandedOver => {
                self.hold(index, Failure::SystemFailure.into(), now_ms, random)
            }
            AttemptResult::Refused(code) => self.end_short(index, State::Refused, code, now_ms),
            AttemptResult::Failed(failure) if failure.is_final() => {
                self.end_short(index, State::Failed, failure.final_code(), now_ms);
            }
            AttemptResult::Failed(failure) => self.hold(index, failure.into(), now_ms, random),
            AttemptResult::Held(reason, _) => self.hold(index, reason.into(), now_ms, random),
        }
    }

    /// A report says that segments arrived in an attempt that was settled without it: they are not
    /// sent again, and the push has ended if they were the last. `push_id` guards against an index
    /// handed out again.
    pub fn handle_late_report(
        &mut self,
        index: PushIndex,
        push_id: u64,
        delivered_mask: u16,
        domain: u8,
        now_ms: CenterMs,
    ) {
        self.time.see(now_ms);
        let known = self.pushes.find(index);
        if known.is_none_or(|push| push.push_id != push_id || push.state.is_final()) {
            self.figures.reports_too_late += 1;
            return;
        }
        if self.mutation == Mutation::DropLateReport {
            return;
        }
        let push = &mut self.pushes[index];
        let news = delivered_mask & push.full_mask() & !push.delivered_mask;
        if news == 0 {
            return;
        }
        push.delivered_mask |= news;
        push.set_domain(domain);
        match push.state {
            // The outcome of the attempt under way decides, with these segments counted in.
            State::InFlight => {}
            _ if push.is_complete() => self.end_delivered(index, now_ms),
            _ => self.effects.push_back(Effect::Progress(index)),
        }
    }

    /// The HLR says that `msn` is reachable, or has memory, again: its queue is released with
    /// jitter. Alerts that follow change nothing: a line that comes and goes does not put its own
    /// release off.
    //= TS 23.040 3.2.7
    pub fn handle_alert(&mut self, msn: Msn, now_ms: CenterMs, random: u64) {
        self.time.see(now_ms);
        if self.mutation == Mutation::IgnoreAlert {
            return;
        }
        let due_ms = now_ms + retry::alert_jitter_ms(random);
        let mut next = self.queues.head(&self.pushes, msn);
        while let Some(index) = next {
            let push = &mut self.pushes[index];
            match push.state {
                State::Held if !push.has(flag::ALERTED) => {
                    push.set(flag::ALERTED, true);
                    let due_ms = due_ms.min(push.expires_ms().max(now_ms));
                    // A retry that comes sooner by itself is not put off.
                    let scheduled_ms = self.timers.due_ms(index).unwrap_or(u64::MAX);
                    if self.time.timer_of(due_ms) < TimerMs(scheduled_ms) {
                        self.pushes[index].begin_sooner();
                        self.start_timer(index, due_ms);
                    }
                }
                // The subscriber came back while an attempt was finding it absent.
                State::InFlight => push.set(flag::ALERTED, true),
                _ => {}
            }
            // Behind emergency pushes that went ahead, the push that was tried before them may be
            // held.
            let overtakes = self.pushes[index].class == Class::Emergency;
            next = self.queues.behind(&self.pushes, index).filter(|_| overtakes);
        }
    }

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

    // ---- poll_* ----

    /// The next effect to carry out.
    pub fn take_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next push to attempt by this route; it is in flight from now on and must be handed to
    /// the network. A call that ends [`ENDED_PER_POLL_MAX`] pushes instead yields none and leaves
    /// the rest to the next turn.
    #[inline]
    pub fn poll_attempt(&mut self, route: u8, now_ms: CenterMs) -> Option<PushIndex> {
        self.poll_lane(route, Lanes::pop, now_ms)
    }

    /// As [`Core::poll_attempt`], of emergencies alone.
    pub fn poll_emergency(&mut self, route: u8, now_ms: CenterMs) -> Option<PushIndex> {
        self.poll_lane(route, Lanes::pop_emergency, now_ms)
    }

    #[inline]
    fn poll_lane(
        &mut self,
        route: u8,
        pop: impl Fn(&mut Lanes, &mut Pushes) -> Option<PushIndex>,
        now_ms: CenterMs,
    ) -> Option<PushIndex> {
        let (mut ended, mut begun) = (0, 0);
        self.poll_cut_short &= route != 0;
        while let Some(index) = pop(&mut self.lanes[usize::from(route)], &mut self.pushes) {
            if self.pushes[index].has(flag::GONE) {
                self.free_place(index);
                continue;
            }
            if self.pushes[index].state != State::Queued {
                continue;
            }
            if !self.queues.is_head(&self.pushes, index) {
                // An emergency push has gone ahead of it.
                let push = &mut self.pushes[index];
                push.state = push.state.moved_to(State::Accepted);
                continue;
            }
            let is_expired =
                now_ms >= self.pushes[index].expires_ms() && self.mutation != Mutation::SkipExpiry;
            let is_withdrawn = self.is_of_closed_alert(index);
            if is_expired || is_withdrawn {
                self.time.see(now_ms);
                if is_withdrawn {
                    self.withdraw(index, now_ms);
                } else {
                    self.expire(index, now_ms);
                }
                ended += 1;
                if ended == ENDED_PER_POLL_MAX {
                    self.poll_cut_short |= route == 0;
                    return None;
                }
                continue;
            }
            let push = &mut self.pushes[index];
            if push.has(flag::RECORD_BEGIN) && self.mutation != Mutation::BeginUnrecorded {
                push.set(flag::RECORD_BEGIN | flag::HOLD_RECORDED, false);
                self.effects.push_back(Effect::Begin(index));
                begun += 1;
                if begun == BEGUN_PER_POLL_MAX {
                    self.poll_cut_short |= route == 0;
                    return None;
                }
                continue;
            }
            push.state = push.state.moved_to(State::InFlight);
            self.figures.attempts += 1;
            return Some(index);
        }
        None
    }

    // ---- inside ----

    /// Puts a push into the slab. Its key is the caller's to remember.
    pub(super) fn enter(&mut self, new: &NewPush) -> PushIndex {
        let mut push = Push {
            push_id: new.push_id,
            position: new.position,
            key: new.key,
            client: self.clients.enter(new.client),
            class: new.class,
            segments: new.segments,
            ..Push::EMPTY
        };
        push.set_msn(new.msn);
        push.set_expires_ms(new.expires_ms);
        push.set(flag::WANTS_NOTIFICATION, new.wants_notification);
        push.set(flag::SINGLE_ATTEMPT | flag::RECORD_BEGIN, new.single_attempt);
        push.set(flag::CONTROL, new.control);
        push.set(flag::BY_SMPP, new.by_smpp);
        push.set_route(new.route);
        let index = self.pushes.insert(push);
        let index = index.expect("room_for was asked before accepting");
        self.clients.add_live(push.client);
        index
    }

    /// Nobody knows of the push at `index` any more: its place is another's.
    pub(super) fn free_place(&mut self, index: PushIndex) {
        let client = self.pushes[index].client;
        self.handings.forget(index);
        self.pushes.remove(index);
        self.clients.take_live(client);
    }

    pub(super) fn place_in_queue(&mut self, index: PushIndex) {
        let front =
            self.pushes[index].class == Class::Emergency || self.mutation == Mutation::ReorderMsn;
        if front {
            self.queues.push_front(&mut self.pushes, index);
        } else {
            self.queues.push_back(&mut self.pushes, index);
        }
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
