//! What customers of SMPP ask of a shard: pushes that a session has read, pushes sought by their
//! message ids, and the receipts that tell of ends.
//!
//! A message id is the low 63 bits of a push's key. Whoever knows one asks for it under both values
//! of the highest bit, and is told of its own pushes only.
//!
//! **Never here:** a session, a PDU.

use super::asked::{Named, Reply};
use super::endings::xpid_of;
use super::{NotificationOrder, NotificationResult, Shard};
use crate::billing::Log;
use crate::gateway::registry::Registered;
use crate::journal::{Accepted, Position};
use crate::smsc::core::NotificationKind;
use crate::smsc::notification_schedule::RESEND_MS_MAX;
use crate::smsc::state::State;
use crate::smsc::views::Sought;
use std::sync::Arc;
use wire::push::response::Answer;
use wire::smpp::customer::{Repeated, Told, query_error, state_of};
use wire::smpp::receipt::MessageState;
use wire::sms::relay;
use wire::submission::{Door, Submission};
use wire::terms::code::Code;
use wire::terms::ids::{Msn, Reqid, Xpid};
use wire::terms::ownership::shard_of;
use wire::terms::time::WallMs;

/// The bit of a key that its message id lacks.
const KEY_TOP: u64 = 1 << 63;

/// A push that is sought by its message id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seek {
    /// Who asks.
    pub xpid: Xpid,
    /// The id: 63 bits.
    pub id: u64,
    /// Whether it is to be cancelled, and not only told of.
    pub cancels: bool,
}

/// What a shard says of a push that was sought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FoundPush {
    /// 0000, 3002 where there is no such push, or why it was not cancelled.
    pub code: Code,
    /// What has become of it.
    pub state: MessageState,
    /// The network's error, 0 where there is none.
    pub error: u8,
    /// When it ended, Unix milliseconds; 0 while it has not.
    pub ended_ms: u64,
}

impl FoundPush {
    /// There is no such push here.
    pub const NOTHING: Self =
        Self { code: Code::PUSH_NOT_FOUND, state: MessageState::Unknown, error: 0, ended_ms: 0 };
}

impl<L: Log> Shard<L> {
    /// Takes a push that a session of SMPP has read.
    pub fn handle_submission(&mut self, submission: &Submission<'_>, now_ms: WallMs) -> Reply {
        self.counted.requests += 1;
        let named = Named::of_submission(submission);
        let registry = Arc::clone(&self.registry);
        let Some(registered) = registry.find(named.xpid) else {
            return self.refuse(named, Code::NOT_REGISTERED, now_ms);
        };
        if !registered.registration.is_in_force(now_ms) {
            return self.refuse(named, Code::SUSPENDED_CLIENT, now_ms);
        }
        let owner = shard_of(named.msn, self.shards);
        if owner != self.number {
            return Reply::Owner { shard: owner, client: registered.index };
        }
        let key = self.message_key(named.xpid, named.msn, named.reqid);
        self.core.prefetch(key, named.msn);
        self.contracts.prefetch(named.msn);
        let reply = self.take_push(registered, submission, key, now_ms);
        self.gated(reply)
    }

    /// The answer to a submission that its owner could not be handed.
    pub fn refuse_submission(&mut self, submission: &Submission<'_>, now_ms: WallMs) -> Answer {
        let named = Named::of_submission(submission);
        match self.refuse(named, Code::OVERLOAD, now_ms) {
            Reply::Now(answer) => answer,
            _ => unreachable!("a refusal leaves at once"),
        }
    }

    /// What a push's message id is made of; the same in every shard.
    pub fn message_key(&self, xpid: Xpid, msn: Msn, reqid: Reqid) -> u64 {
        self.fingerprints.push_key(xpid, msn, reqid)
    }

    /// Whether this customer may cancel at this moment: a cancel counts as a push does.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_cancel(&self, xpid: Xpid, now_ms: WallMs) -> Result<(), Code> {
        let registered = self.registry.find(xpid).ok_or(Code::NOT_REGISTERED)?;
        if !registered.registration.is_in_force(now_ms) {
            return Err(Code::SUSPENDED_CLIENT);
        }
        if registered.meter.rate(self.pace.steady(now_ms)) { Ok(()) } else { Err(Code::RATE) }
    }

    /// Tells of a push of this shard's, or cancels it; and the sequence that must be durable before
    /// that is told.
    pub fn seek(&mut self, seek: &Seek, now_ms: WallMs) -> (FoundPush, u64) {
        let keys = [seek.id, seek.id | KEY_TOP];
        let Some(key) = keys.into_iter().find(|&key| self.is_own(key, seek.xpid)) else {
            return (FoundPush::NOTHING, 0);
        };
        let mut found = self.standing(key, seek.xpid, now_ms);
        if seek.cancels {
            let registry = Arc::clone(&self.registry);
            let Some(registered) = registry.find(seek.xpid) else { return (FoundPush::NOTHING, 0) };
            self.counted.cancels += 1;
            found.code = self.cancel_push(registered, key, now_ms).0;
        }
        // What it says of the push's end must not be undone by a crash.
        (found, self.journal.appended())
    }

    /// Whether a push with this key is known, and this XPID's.
    fn is_own(&self, key: u64, xpid: Xpid) -> bool {
        match self.core.seek(key, xpid.value()) {
            Some(Sought::Live(push)) => {
                self.journal.accepted(Position::from_bits(push.position)).xpid == xpid.value()
            }
            other => other.is_some(),
        }
    }

    fn standing(&self, key: u64, xpid: Xpid, now_ms: WallMs) -> FoundPush {
        let ended = |state, code: Option<Code>, ended_ms| FoundPush {
            code: Code::ACCEPTED,
            state,
            error: code.map_or(0, query_error),
            ended_ms,
        };
        match self.core.seek(key, xpid.value()) {
            Some(Sought::Live(push)) if push.state.is_final() => {
                let cancelled = push.state == State::Cancelled;
                let state = if cancelled { MessageState::Deleted } else { state_of(push.code) };
                ended(state, Some(push.code), self.pace.real(push.ended_ms()).ms())
            }
            Some(Sought::Live(_)) => ended(MessageState::Enroute, None, 0),
            Some(Sought::Ended { state, age_s }) => {
                let ended_ms = now_ms.ms().saturating_sub(u64::from(age_s) * 1000);
                ended(state_of_final(state), None, ended_ms)
            }
            None => FoundPush::NOTHING,
        }
    }

    /// Whether the push client is to be told that this push was cancelled.
    pub(super) fn is_cancel_told(&self, registered: &Registered, key: u64) -> bool {
        let live = self.core.find(key).map(|index| self.core.push(index).position);
        let door = live.map_or(Door::Http, |position| {
            Door::from_bits(self.journal.accepted(Position::from_bits(position)).door)
        });
        match door {
            Door::Smpp(asked) => asked.receipts.tell(false),
            Door::Http => registered.registration.notify_url.is_some(),
        }
    }

    /// The next end that a customer is to be told of.
    pub fn next_customer_receipt(&mut self) -> Option<NotificationOrder> {
        while let Some(order) = self.customer_orders.pop_front() {
            if self.core.ended_by(order.push).is_some() {
                return Some(order);
            }
        }
        None
    }

    /// Whose receipt this is, and what it says; `None` when the push is done with by now, or the
    /// customer did not ask for this one.
    pub fn receipt(&self, order: NotificationOrder) -> Option<(Xpid, Option<Told>)> {
        let push = self.core.ended_by(order.push)?;
        let accepted = self.journal.accepted(Position::from_bits(push.position));
        let asked = Door::from_bits(accepted.door).asked()?;
        let is_cancel = order.kind == NotificationKind::Cancellation;
        let cancelled = push.state == State::Cancelled;
        let told = Told {
            key: accepted.key_fingerprint,
            msn: push.msn(),
            is_national: asked.is_national,
            sender: sender_of(&accepted),
            segments: push.segments,
            delivered: push.delivered(),
            accepted_ms: accepted.accepted_ms,
            ended_ms: self.pace.real(push.ended_ms()).ms(),
            code: if is_cancel { push.cancel_code() } else { push.code },
            cancelled: is_cancel && cancelled,
            reference: asked.reference,
            text: self.repeated(&accepted),
        };
        // Of a push that was delivered before its cancel the receipt of its end has told.
        let wanted = (!is_cancel || cancelled) && asked.receipts.tell(told.is_delivered());
        Some((xpid_of(&accepted), wanted.then_some(told)))
    }

    /// What a receipt repeats of a push's text, where its customer wants that.
    fn repeated(&self, accepted: &Accepted<'_>) -> Repeated {
        let registered = Xpid::from_value(accepted.xpid).and_then(|xpid| self.registry.find(xpid));
        let account = registered.and_then(|registered| registered.registration.smpp.as_ref());
        let wanted = account.filter(|account| account.repeats_text);
        let submit = relay::submits(accepted.submits).next();
        wanted.zip(submit).map_or_else(Repeated::default, |(account, submit)| {
            Repeated::of_submit(submit, account.alphabet)
        })
    }

    /// Whether a day has gone by since the end that this receipt tells of.
    pub fn is_receipt_overdue(&self, order: NotificationOrder, now_ms: WallMs) -> bool {
        let push = self.core.ended_by(order.push);
        push.is_none_or(|push| self.pace.center(now_ms).since(push.ended_ms()) >= RESEND_MS_MAX)
    }

    /// Settles a notification for which there is no URL: of the cancel of an alert that only a
    /// customer of SMPP can be told of, a push of HTTP has nothing to say.
    pub fn settle_unaddressed(&mut self, order: NotificationOrder, now_ms: WallMs) {
        let xpid = self.notification_xpid(order);
        let has_no_url = self.registry.find(xpid).is_some_and(|registered| {
            let registration = &registered.registration;
            registration.smpp.is_some() && registration.notify_url.is_none()
        });
        let result = if has_no_url && order.kind == NotificationKind::Cancellation {
            NotificationResult::Acknowledged
        } else {
            NotificationResult::Failed { retry_after_seconds: None }
        };
        self.settle_notification(order, result, now_ms);
    }
}

/// The sender as it was accepted: the record's is one of a registration's.
fn sender_of(accepted: &Accepted<'_>) -> wire::smpp::customer::Sender {
    wire::smpp::customer::Sender::new(accepted.sender).unwrap_or_default()
}

/// What has become of a push of which only its final state is remembered.
fn state_of_final(state: State) -> MessageState {
    match state {
        State::Delivered => MessageState::Delivered,
        State::Expired => MessageState::Expired,
        State::Cancelled | State::Replaced => MessageState::Deleted,
        State::Refused => MessageState::Rejected,
        _ => MessageState::Undeliverable,
    }
}
